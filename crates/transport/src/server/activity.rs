//! What a connection is doing, for a server that wants it to end.

use std::cell::Cell;
use std::time::{Duration, Instant};

use tokio::time::sleep_until;

/// How long a connection that is new is left open while the server closes: it was made for a request,
/// which may be on its way.
pub(crate) const FIRST_REQUEST: Duration = Duration::from_secs(1);
/// The same for one that has just had an answer: under load the next request follows at once.
const NEXT_REQUEST: Duration = Duration::from_millis(100);

/// Whether a connection is between two requests, and until when another one is to be expected.
#[derive(Debug)]
pub(crate) struct Activity {
    engaged: Cell<bool>,
    expecting_until: Cell<Instant>,
}

impl Activity {
    /// That of a new connection.
    pub(crate) fn new() -> Self {
        Self {
            engaged: Cell::new(false),
            expecting_until: Cell::new(Instant::now() + FIRST_REQUEST),
        }
    }

    /// Something of a request came.
    pub(crate) fn received(&self) {
        self.engaged.set(true);
    }

    /// A request has its answer.
    pub(crate) fn answered(&self) {
        self.engaged.set(false);
        self.expecting_until.set(Instant::now() + NEXT_REQUEST);
    }

    /// Resolves when no request is to be expected any more; never while there is one, since its answer
    /// ends the connection.
    pub(crate) async fn quiet(&self) {
        loop {
            let until = self.expecting_until.get();
            sleep_until(until.into()).await;
            if self.engaged.get() {
                std::future::pending::<()>().await;
            }
            if self.expecting_until.get() == until {
                return;
            }
        }
    }
}
