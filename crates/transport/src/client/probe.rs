//! What is known of a connection while hyper owns its stream, and the body that hyper sends.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use bytes::Bytes;
use hyper::body::{Body, Frame, SizeHint};
use tokio::net::TcpStream;

use super::options::Unacknowledged;

/// Watches a request and its response pass a connection. All of it is touched by one task at a time.
pub(super) struct Probe {
    base: Instant,
    unacknowledged: OnceLock<Unacknowledged>,
    read: AtomicU64,
    check: AtomicBool,
    /// The last byte of the body waits.
    is_held_back: AtomicBool,
    /// What waits for it.
    waiting: Mutex<Option<Waker>>,
    body_taken: AtomicBool,
    /// The peer has closed its side when not all of the request had arrived there.
    is_missed: AtomicBool,
    /// Moments, in nanoseconds after `base`; 0 while they have not come.
    sent: AtomicU64,
    answered: AtomicU64,
}

impl Probe {
    pub(super) fn new() -> Self {
        Self {
            // So that no moment is 0.
            base: Instant::now().checked_sub(Duration::from_nanos(1)).unwrap_or_else(Instant::now),
            unacknowledged: OnceLock::new(),
            read: AtomicU64::new(0),
            check: AtomicBool::new(false),
            is_held_back: AtomicBool::new(false),
            waiting: Mutex::new(None),
            body_taken: AtomicBool::new(false),
            is_missed: AtomicBool::new(false),
            sent: AtomicU64::new(0),
            answered: AtomicU64::new(0),
        }
    }

    /// Begins a new request. The last byte of its body may be held back until [`Probe::release`].
    pub(super) fn begin(&self, hold_back: bool) {
        self.is_held_back.store(hold_back, Ordering::Relaxed);
        self.read.store(0, Ordering::Relaxed);
        self.body_taken.store(false, Ordering::Relaxed);
        self.is_missed.store(false, Ordering::Relaxed);
        self.sent.store(0, Ordering::Relaxed);
        self.answered.store(0, Ordering::Relaxed);
    }

    /// Lets all of the body go.
    pub(super) fn release(&self) {
        self.is_held_back.store(false, Ordering::Relaxed);
        let waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(waker) = waiting {
            waker.wake();
        }
    }

    /// Has the next read ask the system whether the peer has closed the connection: the event loop
    /// may not have heard of that yet.
    pub(super) fn check(&self) {
        self.check.store(true, Ordering::Relaxed);
    }

    /// Whether a check was asked for; once.
    pub(super) fn take_check(&self) -> bool {
        self.check.swap(false, Ordering::Relaxed)
    }

    /// Bytes came.
    pub(super) fn count_read(&self, length: usize) {
        if length == 0 {
            return;
        }
        if self.read.fetch_add(length as u64, Ordering::Relaxed) == 0 {
            self.answered.store(self.now(), Ordering::Relaxed);
        }
    }

    /// All that hyper had to write was handed to the system.
    pub(super) fn flushed(&self) {
        if self.body_taken.load(Ordering::Relaxed) && self.sent.load(Ordering::Relaxed) == 0 {
            self.sent.store(self.now(), Ordering::Relaxed);
        }
    }

    /// Says how to find out what has not arrived.
    pub(super) fn observe(&self, unacknowledged: Option<Unacknowledged>) {
        if let Some(unacknowledged) = unacknowledged {
            // It is said once.
            let _ = self.unacknowledged.set(unacknowledged);
        }
    }

    /// The peer has closed its side in good order. What it says by that is that it has received so
    /// much and no more: bytes of the request that are not acknowledged even now came too late.
    pub(super) fn note_end(&self, stream: &TcpStream) {
        let unacknowledged = self.unacknowledged.get().and_then(|count| count(stream));
        self.is_missed.store(unacknowledged.is_some_and(|count| count > 0), Ordering::Relaxed);
    }

    /// Whether it is certain that the server has not begun to act upon the request: it acts only when
    /// the digest of the whole body holds, and does not have the whole. Either the system has not
    /// taken all of it, or the server has closed the connection before all of it arrived. A request
    /// that is not missed may have been acted upon, even when not a byte came back.
    pub(super) fn is_request_missed(&self) -> bool {
        let is_partial = self.sent_at().is_none();
        !self.is_answered() && (is_partial || self.is_missed.load(Ordering::Relaxed))
    }

    /// Whether bytes came since the begin of the request.
    pub(super) fn is_answered(&self) -> bool {
        self.read.load(Ordering::Relaxed) > 0
    }

    /// When the request had been handed to the system as a whole.
    pub(super) fn sent_at(&self) -> Option<Instant> {
        self.moment(&self.sent)
    }

    /// When the first byte of the response came.
    pub(super) fn answered_at(&self) -> Option<Instant> {
        self.moment(&self.answered)
    }

    fn moment(&self, moment: &AtomicU64) -> Option<Instant> {
        let nanoseconds = moment.load(Ordering::Relaxed);
        (nanoseconds > 0).then(|| self.base + Duration::from_nanos(nanoseconds))
    }

    fn now(&self) -> u64 {
        // Six centuries fit.
        self.base.elapsed().as_nanos() as u64
    }
}

/// The body of a request; the probe hears when hyper takes the last of it.
pub(super) struct RequestBody {
    rest: Bytes,
    probe: Arc<Probe>,
}

impl RequestBody {
    pub(super) fn new(bytes: Bytes, probe: Arc<Probe>) -> Self {
        Self { rest: bytes, probe }
    }
}

impl Body for RequestBody {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let length = self.rest.len();
        let is_held_back = self.probe.is_held_back.load(Ordering::Relaxed);
        let part = match length {
            0 => return Poll::Ready(None),
            1 if is_held_back => {
                let waker = Some(context.waker().clone());
                *self.probe.waiting.lock().unwrap_or_else(PoisonError::into_inner) = waker;
                return Poll::Pending;
            }
            _ if is_held_back => self.rest.split_to(length - 1),
            _ => {
                self.probe.body_taken.store(true, Ordering::Relaxed);
                std::mem::take(&mut self.rest)
            }
        };
        Poll::Ready(Some(Ok(Frame::data(part))))
    }

    fn is_end_stream(&self) -> bool {
        self.rest.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.rest.len() as u64)
    }
}
