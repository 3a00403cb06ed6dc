//! Bounds a stream's bytes between hyper and the socket.

use std::future::poll_fn;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Poll, Waker};

use bytes::Bytes;
use tokio::sync::OwnedSemaphorePermit;

use crate::locks::Mutex;
use crate::memory::Share;

/// Framing pauses at this many unsent bytes.
pub(crate) const WINDOW: usize = 64 * 1024;

#[derive(Default)]
pub(crate) struct Unsent {
    bytes: AtomicUsize,
    waiting: Mutex<Option<Waker>>,
}

impl Unsent {
    pub(crate) fn bytes(&self) -> usize {
        self.bytes.load(Ordering::Relaxed)
    }

    pub(crate) async fn room(&self) {
        poll_fn(|context| {
            if self.bytes() < WINDOW {
                return Poll::Ready(());
            }
            let mut waiting = self.waiting.lock();
            *waiting = Some(context.waker().clone());
            // Frames are sent on this thread, so none was sent since the check.
            Poll::Pending
        })
        .await;
    }

    pub(crate) fn count(
        self: &Arc<Self>,
        frames: Vec<u8>,
        share: Share,
        permit: &Arc<OwnedSemaphorePermit>,
    ) -> Bytes {
        let length = frames.len();
        self.bytes.fetch_add(length, Ordering::Relaxed);
        let (unsent, permit) = (Arc::clone(self), Arc::clone(permit));
        Bytes::from_owner(Frames { frames, unsent, _share: share, _permit: permit })
    }

    fn sent(&self, length: usize) {
        let before = self.bytes.fetch_sub(length, Ordering::Relaxed);
        if before < WINDOW || before - length >= WINDOW {
            return;
        }
        let waiting = self.waiting.lock().take();
        if let Some(waiting) = waiting {
            waiting.wake();
        }
    }
}

struct Frames {
    frames: Vec<u8>,
    unsent: Arc<Unsent>,
    _share: Share,
    _permit: Arc<OwnedSemaphorePermit>,
}

impl AsRef<[u8]> for Frames {
    fn as_ref(&self) -> &[u8] {
        &self.frames
    }
}

impl Drop for Frames {
    fn drop(&mut self) {
        self.unsent.sent(self.frames.len());
    }
}
