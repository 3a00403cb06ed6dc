//! Timers of the library itself. They run on the I/O thread, so a program that mocks, slows down or stops
//! the timers of JavaScript changes none of them.

use std::sync::Arc;
use std::time::Duration;

use napi::{Error, Result};
use tokio::sync::oneshot;

use crate::bridge::{Shared, locked};
use crate::events::Event;
use crate::process::io_thread;

/// Has an event tell when the time is over, unless [`stop`] comes first.
pub(crate) fn start(shared: &Arc<Shared>, timer: u32, time: Duration) -> Result<()> {
    let io = io_thread()?;
    let (stop, stopped) = oneshot::channel();
    locked(&shared.timers).insert(timer, stop);
    let shared = Arc::clone(shared);
    io.spawn(move || async move {
        tokio::select! {
            () = tokio::time::sleep(time) => {
                if locked(&shared.timers).remove(&timer).is_some() {
                    shared.completions.push(Event::Timer { timer });
                }
            }
            _ = stopped => (),
        }
    })
    .map_err(|error| Error::from_reason(error.to_string()))
}

/// Ends a timer whose event has not been sent.
pub(crate) fn stop(shared: &Shared, timer: u32) {
    locked(&shared.timers).remove(&timer);
}
