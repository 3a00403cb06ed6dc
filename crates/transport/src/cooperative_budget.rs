//! Keeps one connection that moves much at once from holding up the others on its thread.

use std::future::poll_fn;
use std::io::{self, IoSlice};
use std::task::{Context, Poll};

use crate::codec::is_inline_frame;
use crate::io_thread::let_others_go_first;

/// How many bytes a connection may move before the others get their turn. Moving so many takes some
/// 50 µs.
const BUDGET: usize = 256 * 1024;

/// What encoding or decoding a frame takes, in bytes that could be moved in that time: so much for a small one,
/// and some more for each byte, which may be compressed.
const FRAME: usize = 16 * 1024;
const BYTE: usize = 4;

/// What a connection has moved since it let others go first.
#[derive(Debug, Default)]
pub(crate) struct CooperativeBudget {
    moved: usize,
}

impl CooperativeBudget {
    /// Whether it is this connection's turn still; if not, its task is woken again after the others.
    pub(crate) fn goes_on(&mut self, context: &mut Context<'_>) -> bool {
        if self.moved < BUDGET {
            return true;
        }
        self.moved = 0;
        let_others_go_first(context);
        false
    }

    /// Counts what was moved; nothing, when the connection has to wait anyway.
    pub(crate) fn moved(&mut self, bytes: Option<usize>) {
        self.moved = bytes.map_or(0, |bytes| self.moved + bytes);
    }

    /// Counts the encoding or decoding of a frame of so many bytes. Large ones take the time of other threads.
    pub(crate) fn coded(&mut self, bytes: usize) {
        let inline = if is_inline_frame(bytes) { bytes } else { 0 };
        self.moved = self.moved.saturating_add(FRAME + inline.saturating_mul(BYTE));
    }

    /// Resolves when it is this connection's turn.
    pub(crate) async fn turn(&mut self) {
        poll_fn(|context| if self.goes_on(context) { Poll::Ready(()) } else { Poll::Pending })
            .await;
    }

    /// Counts what was written.
    pub(crate) fn wrote(&mut self, result: &Poll<io::Result<usize>>) {
        self.moved(match result {
            Poll::Ready(Ok(length)) => Some(*length),
            _ => None,
        });
    }

    /// As much as may be moved at once.
    pub(crate) fn part(bytes: &[u8]) -> &[u8] {
        &bytes[..bytes.len().min(BUDGET)]
    }

    /// What to write of slices that are too much to be moved at once; `None` when they are not.
    pub(crate) fn too_large<'a>(slices: &'a [IoSlice<'_>]) -> Option<&'a [u8]> {
        let length: usize = slices.iter().map(|slice| slice.len()).sum();
        if length <= BUDGET {
            return None;
        }
        slices.iter().find(|slice| !slice.is_empty()).map(|slice| Self::part(slice))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::task::{Context, Wake};

    use super::*;

    struct Wakes(AtomicUsize);

    impl Wake for Wakes {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    #[test]
    fn a_full_budget_is_followed_by_one_pause() {
        let wakes = Arc::new(Wakes(AtomicUsize::new(0)));
        let waker = Arc::clone(&wakes).into();
        let mut context = Context::from_waker(&waker);
        let mut budget = CooperativeBudget::default();
        budget.moved(Some(BUDGET - 1));
        assert!(budget.goes_on(&mut context));
        budget.moved(Some(1));
        assert!(!budget.goes_on(&mut context));
        assert_eq!(wakes.0.load(Ordering::Relaxed), 1);
        assert!(budget.goes_on(&mut context));
    }

    #[test]
    fn waiting_for_the_peer_is_pause_enough() {
        let waker = Arc::new(Wakes(AtomicUsize::new(0))).into();
        let mut context = Context::from_waker(&waker);
        let mut budget = CooperativeBudget::default();
        budget.moved(Some(BUDGET));
        budget.moved(None);
        assert!(budget.goes_on(&mut context));
    }

    #[test]
    fn small_parts_are_moved_whole() {
        assert_eq!(CooperativeBudget::part(&[7; BUDGET]).len(), BUDGET);
        assert_eq!(CooperativeBudget::part(&[7; BUDGET + 1]).len(), BUDGET);
        assert_eq!(CooperativeBudget::part(&[]), []);
        let (head, body) = ([1; 100], [2; BUDGET - 100]);
        let slices = [IoSlice::new(&[]), IoSlice::new(&head), IoSlice::new(&body)];
        assert_eq!(CooperativeBudget::too_large(&slices), None);
        let body = [2; BUDGET - 99];
        let slices = [IoSlice::new(&[]), IoSlice::new(&head), IoSlice::new(&body)];
        assert_eq!(CooperativeBudget::too_large(&slices), Some(&head[..]));
    }
}
