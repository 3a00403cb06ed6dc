use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

#[derive(Debug)]
pub(crate) struct Streams {
    max: usize,
    in_flight: AtomicUsize,
}

impl Streams {
    pub(crate) fn new(max: usize) -> Arc<Self> {
        Arc::new(Self { max, in_flight: AtomicUsize::new(0) })
    }

    pub(crate) fn enter(self: &Arc<Self>) -> Option<Arc<StreamPlace>> {
        let taken = self.in_flight.fetch_add(1, Ordering::Relaxed);
        let place = StreamPlace(Arc::clone(self));
        (taken < self.max).then(|| Arc::new(place))
    }

    pub(crate) fn in_flight(&self) -> usize {
        // Rejected streams are counted for a moment.
        self.in_flight.load(Ordering::Relaxed).min(self.max)
    }
}

/// Held until the stream's last byte is written.
#[derive(Debug)]
pub(crate) struct StreamPlace(Arc<Streams>);

impl Drop for StreamPlace {
    fn drop(&mut self) {
        self.0.in_flight.fetch_sub(1, Ordering::Relaxed);
    }
}
