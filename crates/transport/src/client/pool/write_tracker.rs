//! Tracks when hyper has written a request, and when its response arrived.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use bytes::Bytes;
use hyper::body::{Body, Frame, SizeHint};

pub(super) struct WriteTracker {
    base: Instant,
    read: AtomicU64,
    check: AtomicBool,
    body_taken: AtomicBool,
    /// Nanoseconds after `base`; 0 if unknown.
    sent: AtomicU64,
    answered: AtomicU64,
}

impl WriteTracker {
    pub(super) fn new() -> Self {
        Self {
            // Makes every time greater than 0.
            base: Instant::now().checked_sub(Duration::from_nanos(1)).unwrap_or_else(Instant::now),
            read: AtomicU64::new(0),
            check: AtomicBool::new(false),
            body_taken: AtomicBool::new(false),
            sent: AtomicU64::new(0),
            answered: AtomicU64::new(0),
        }
    }

    pub(super) fn begin(&self) {
        self.read.store(0, Ordering::Relaxed);
        self.body_taken.store(false, Ordering::Relaxed);
        self.sent.store(0, Ordering::Relaxed);
        self.answered.store(0, Ordering::Relaxed);
    }

    /// Makes the next read ask the system, because tokio may not know yet that the peer has closed.
    pub(super) fn check(&self) {
        self.check.store(true, Ordering::Relaxed);
    }

    pub(super) fn take_check(&self) -> bool {
        self.check.swap(false, Ordering::Relaxed)
    }

    pub(super) fn count_read(&self, length: usize) {
        if length == 0 {
            return;
        }
        if self.read.fetch_add(length as u64, Ordering::Relaxed) == 0 {
            self.answered.store(self.now(), Ordering::Relaxed);
        }
    }

    pub(super) fn flushed(&self) {
        if self.body_taken.load(Ordering::Relaxed) && self.sent.load(Ordering::Relaxed) == 0 {
            self.sent.store(self.now(), Ordering::Relaxed);
        }
    }

    /// Without the whole body, the server cannot check its digest and start.
    pub(super) fn is_unsent(&self) -> bool {
        self.sent_at().is_none() && self.read.load(Ordering::Relaxed) == 0
    }

    pub(super) fn is_unanswered(&self) -> bool {
        self.body_taken.load(Ordering::Relaxed) && self.read.load(Ordering::Relaxed) == 0
    }

    pub(super) fn sent_at(&self) -> Option<Instant> {
        self.moment(&self.sent)
    }

    pub(super) fn answered_at(&self) -> Option<Instant> {
        self.moment(&self.answered)
    }

    fn moment(&self, moment: &AtomicU64) -> Option<Instant> {
        let nanoseconds = moment.load(Ordering::Relaxed);
        (nanoseconds > 0).then(|| self.base + Duration::from_nanos(nanoseconds))
    }

    fn now(&self) -> u64 {
        // Lasts for five centuries.
        self.base.elapsed().as_nanos() as u64
    }
}

pub(super) struct RequestBody {
    rest: Bytes,
    tracker: Arc<WriteTracker>,
}

impl RequestBody {
    pub(super) fn new(bytes: Bytes, tracker: Arc<WriteTracker>) -> Self {
        Self { rest: bytes, tracker }
    }
}

impl Body for RequestBody {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        if self.rest.is_empty() {
            return Poll::Ready(None);
        }
        self.tracker.body_taken.store(true, Ordering::Relaxed);
        Poll::Ready(Some(Ok(Frame::data(std::mem::take(&mut self.rest)))))
    }

    fn is_end_stream(&self) -> bool {
        self.rest.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.rest.len() as u64)
    }
}
