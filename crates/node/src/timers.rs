//! Timers on the I/O thread. Mocked, slowed or stopped JavaScript timers do not affect them.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use napi::Result;
use tokio::sync::oneshot;

use crate::event_queue::EventQueue;
use crate::events::Event;
use crate::io_threads;
use crate::numbers::EVENT_TIMER;
use backwater_transport::locks::Mutex;

pub(crate) struct Timers {
    events: Arc<EventQueue>,
    /// Dropping a sender stops its timer.
    running: Mutex<HashMap<u32, oneshot::Sender<()>>>,
}

impl Timers {
    pub(crate) fn new(events: &Arc<EventQueue>) -> Self {
        Self { events: Arc::clone(events), running: Mutex::default() }
    }

    pub(crate) fn start(self: &Arc<Self>, timer: u32, time: Duration) -> Result<()> {
        let (stop, stopped) = oneshot::channel();
        self.running.lock().insert(timer, stop);
        let timers = Arc::clone(self);
        io_threads::spawn(move || async move {
            tokio::select! {
                () = tokio::time::sleep(time) => timers.expire(timer),
                _ = stopped => (),
            }
        })
    }

    pub(crate) fn stop(&self, timer: u32) {
        self.running.lock().remove(&timer);
    }

    pub(crate) fn stop_all(&self) {
        self.running.lock().clear();
    }

    fn expire(&self, timer: u32) {
        if self.running.lock().remove(&timer).is_some() {
            self.events.push(Event::new(EVENT_TIMER, timer));
        }
    }
}
