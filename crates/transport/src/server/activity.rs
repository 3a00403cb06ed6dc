use std::cell::Cell;
use std::rc::Rc;
use std::time::{Duration, Instant};

use tokio::time::sleep_until;

/// How long a closing server waits for a new connection's first request.
pub(crate) const FIRST_REQUEST: Duration = Duration::from_secs(1);
/// Under load, the next request follows at once.
const NEXT_REQUEST: Duration = Duration::from_millis(100);

#[derive(Clone, Copy, Debug)]
pub(crate) struct Patience {
    /// Covers the head, from the start of the connection or request.
    pub(crate) head: Duration,
    pub(crate) idle: Duration,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Awaited {
    Head,
    Request,
    Nothing,
}

#[derive(Debug)]
pub(crate) struct Activity {
    engaged: Cell<bool>,
    stalled: Cell<bool>,
    answers: Cell<u64>,
    expecting_until: Cell<Instant>,
    patience: Patience,
    awaited: Cell<Awaited>,
    /// The start of the request being answered.
    since: Cell<Instant>,
    expired: Cell<bool>,
    /// HTTP/1.0 peers do not understand interim responses.
    interim: Cell<bool>,
    stream: Cell<StreamStage>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum StreamStage {
    None,
    Open,
    /// The end is not yet written.
    Ended,
}

impl Activity {
    pub(crate) fn new(patience: Patience, accepted: Instant) -> Self {
        let now = Instant::now();
        Self {
            engaged: Cell::new(false),
            stalled: Cell::new(false),
            answers: Cell::new(0),
            expecting_until: Cell::new(now + FIRST_REQUEST),
            patience,
            awaited: Cell::new(Awaited::Head),
            since: Cell::new(accepted),
            expired: Cell::new(false),
            interim: Cell::new(false),
            stream: Cell::new(StreamStage::None),
        }
    }

    pub(crate) fn received(&self) {
        self.engaged.set(true);
        if self.awaited.get() == Awaited::Request {
            self.awaited.set(Awaited::Head);
            self.since.set(Instant::now());
        }
    }

    pub(crate) fn requested(&self) -> Instant {
        self.awaited.set(Awaited::Nothing);
        self.since.get()
    }

    pub(crate) fn is_answering(&self) -> bool {
        self.awaited.get() == Awaited::Nothing
    }

    pub(crate) fn set_interim(&self, interim: bool) {
        self.interim.set(interim);
    }

    pub(crate) fn may_send_interim(&self) -> bool {
        self.is_answering() && self.interim.get() && !self.is_streaming()
    }

    pub(crate) fn is_streaming(&self) -> bool {
        self.stream.get() != StreamStage::None
    }

    pub(crate) fn flushed(&self) {
        if self.stream.get() == StreamStage::Ended {
            self.stream.set(StreamStage::None);
            self.since.set(Instant::now());
        }
    }

    pub(crate) fn answered(&self) {
        let now = Instant::now();
        self.engaged.set(false);
        self.answers.set(self.answers.get().wrapping_add(1));
        self.expecting_until.set(now + NEXT_REQUEST);
        self.awaited.set(Awaited::Request);
        self.since.set(now);
    }

    pub(crate) fn set_stalled(&self, stalled: bool) {
        self.stalled.set(stalled);
    }

    pub(crate) fn awaits_head(&self) -> bool {
        self.awaited.get() == Awaited::Head
    }

    /// The number of answers, if no request is in progress and no response is unread.
    pub(crate) fn idle_after(&self) -> Option<u64> {
        (!self.engaged.get() && !self.stalled.get()).then(|| self.answers.get())
    }

    pub(crate) fn deadline(&self) -> Option<Instant> {
        if self.is_streaming() {
            return None;
        }
        let patience = match self.awaited.get() {
            Awaited::Head => self.patience.head,
            Awaited::Request => self.patience.idle,
            Awaited::Nothing => return None,
        };
        self.since.get().checked_add(patience)
    }

    pub(crate) fn expire(&self) {
        self.expired.set(true);
    }

    pub(crate) fn is_expired(&self) -> bool {
        self.expired.get()
    }

    /// Resolves once no request is expected. A response in progress ends the connection itself.
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

pub(crate) struct Streaming(Rc<Activity>);

impl Streaming {
    pub(crate) fn begin(activity: &Rc<Activity>) -> Self {
        activity.stream.set(StreamStage::Open);
        Self(Rc::clone(activity))
    }
}

impl Drop for Streaming {
    fn drop(&mut self) {
        self.0.answered();
        self.0.stream.set(StreamStage::Ended);
    }
}
