//! The places for streams.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// How many streams a server has under way, and may have.
#[derive(Debug)]
pub(crate) struct Streams {
    max: usize,
    in_flight: AtomicUsize,
}

impl Streams {
    pub(crate) fn new(max: usize) -> Arc<Self> {
        Arc::new(Self { max, in_flight: AtomicUsize::new(0) })
    }

    /// A place for a stream, if there is one.
    pub(crate) fn enter(self: &Arc<Self>) -> Option<Arc<StreamPlace>> {
        let taken = self.in_flight.fetch_add(1, Ordering::Relaxed);
        let place = StreamPlace(Arc::clone(self));
        (taken < self.max).then(|| Arc::new(place))
    }

    pub(crate) fn in_flight(&self) -> usize {
        // Those that find no place are counted for a moment.
        self.in_flight.load(Ordering::Relaxed).min(self.max)
    }
}

/// The place of a stream, from its begin until its last byte is written.
#[derive(Debug)]
pub(crate) struct StreamPlace(Arc<Streams>);

impl Drop for StreamPlace {
    fn drop(&mut self) {
        self.0.in_flight.fetch_sub(1, Ordering::Relaxed);
    }
}
