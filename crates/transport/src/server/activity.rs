//! What a connection is doing, and how long that may take.

use std::cell::Cell;
use std::rc::Rc;
use std::time::{Duration, Instant};

use tokio::time::sleep_until;

/// How long a connection that is new is left open while the server closes: it was made for a request,
/// which may be on its way.
pub(crate) const FIRST_REQUEST: Duration = Duration::from_secs(1);
/// The same for one that has just had an answer: under load the next request follows at once.
const NEXT_REQUEST: Duration = Duration::from_millis(100);

/// How long a peer may take.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Patience {
    /// To send the head of a request, from the begin of the connection or of the request.
    pub(crate) head: Duration,
    /// To begin the next request.
    pub(crate) idle: Duration,
}

/// What is awaited from the peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Awaited {
    /// The rest of the head of a request, or the first one at all.
    Head,
    /// The next request, of which nothing has come yet.
    Request,
    /// Nothing that is timed here: a request is being answered.
    Nothing,
}

/// Whether a connection is between two requests, and until when another one is to be expected.
#[derive(Debug)]
pub(crate) struct Activity {
    engaged: Cell<bool>,
    /// Whether an answer waits for the peer to take it.
    stalled: Cell<bool>,
    /// Requests that have their answer.
    answers: Cell<u64>,
    expecting_until: Cell<Instant>,
    patience: Patience,
    awaited: Cell<Awaited>,
    /// When what is awaited began to be; the begin of the request while it is being answered.
    since: Cell<Instant>,
    expired: Cell<bool>,
    /// Whether the peer understands interim responses, which HTTP/1.0 does not have.
    interim: Cell<bool>,
    stream: Cell<StreamStage>,
}

/// How far a stream is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum StreamStage {
    /// There is none.
    None,
    /// More is to come.
    Open,
    /// Its end waits to be written.
    Ended,
}

impl Activity {
    /// That of a new connection; a TLS handshake may have taken some of the time since it was accepted.
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

    /// Something of a request came.
    pub(crate) fn received(&self) {
        self.engaged.set(true);
        if self.awaited.get() == Awaited::Request {
            self.awaited.set(Awaited::Head);
            self.since.set(Instant::now());
        }
    }

    /// The head of a request is there. Returns when it began to come.
    pub(crate) fn requested(&self) -> Instant {
        self.awaited.set(Awaited::Nothing);
        self.since.get()
    }

    /// Whether a request is being answered.
    pub(crate) fn is_answering(&self) -> bool {
        self.awaited.get() == Awaited::Nothing
    }

    /// Says whether the request that is being answered may get interim responses.
    pub(crate) fn set_interim(&self, interim: bool) {
        self.interim.set(interim);
    }

    /// Whether interim responses may be sent.
    pub(crate) fn may_send_interim(&self) -> bool {
        self.is_answering() && self.interim.get() && !self.is_streaming()
    }

    /// Whether a stream is being sent, or its end is not written yet. Its consumer may take its time.
    pub(crate) fn is_streaming(&self) -> bool {
        self.stream.get() != StreamStage::None
    }

    /// Everything was written.
    pub(crate) fn flushed(&self) {
        if self.stream.get() == StreamStage::Ended {
            self.stream.set(StreamStage::None);
            self.since.set(Instant::now());
        }
    }

    /// A request has its answer.
    pub(crate) fn answered(&self) {
        let now = Instant::now();
        self.engaged.set(false);
        self.answers.set(self.answers.get().wrapping_add(1));
        self.expecting_until.set(now + NEXT_REQUEST);
        self.awaited.set(Awaited::Request);
        self.since.set(now);
    }

    /// Says whether an answer waits for the peer to take it.
    pub(crate) fn set_stalled(&self, stalled: bool) {
        self.stalled.set(stalled);
    }

    /// Whether the first request has not come yet, or a part of the head of another one.
    pub(crate) fn awaits_head(&self) -> bool {
        self.awaited.get() == Awaited::Head
    }

    /// How many requests have their answer; `None` while there is something of one that has not, or an
    /// answer that the peer has not taken.
    pub(crate) fn idle_after(&self) -> Option<u64> {
        (!self.engaged.get() && !self.stalled.get()).then(|| self.answers.get())
    }

    /// Until when the peer has to send something; `None` when that does not matter, or for ever.
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

    /// The deadline has passed.
    pub(crate) fn expire(&self) {
        self.expired.set(true);
    }

    /// Whether the connection ends since its peer has let a deadline pass.
    pub(crate) fn is_expired(&self) -> bool {
        self.expired.get()
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

/// A stream that is being sent.
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
