//! Keeps a busy connection from blocking others on its thread.

use std::future::poll_fn;
use std::io::{self, IoSlice};
use std::task::{Context, Poll};

use crate::codec::is_inline_frame;
use crate::io_thread::let_others_go_first;

/// Bytes that a connection may move per turn, in some 50 µs.
const BUDGET: usize = 256 * 1024;

/// In bytes moved: the cost of a frame, and of each of its bytes, which may be compressed.
const FRAME: usize = 16 * 1024;
const BYTE: usize = 4;

#[derive(Debug, Default)]
pub(crate) struct CooperativeBudget {
    moved: usize,
}

impl CooperativeBudget {
    /// Whether the turn continues. If not, tokio wakes the task after others.
    pub(crate) fn goes_on(&mut self, context: &mut Context<'_>) -> bool {
        if self.moved < BUDGET {
            return true;
        }
        self.moved = 0;
        let_others_go_first(context);
        false
    }

    /// `None` resets the budget, because the connection has to wait anyway.
    pub(crate) fn moved(&mut self, bytes: Option<usize>) {
        self.moved = bytes.map_or(0, |bytes| self.moved + bytes);
    }

    pub(crate) fn coded(&mut self, bytes: usize) {
        let inline = if is_inline_frame(bytes) { bytes } else { 0 };
        self.moved = self.moved.saturating_add(FRAME + inline.saturating_mul(BYTE));
    }

    pub(crate) async fn turn(&mut self) {
        poll_fn(|context| if self.goes_on(context) { Poll::Ready(()) } else { Poll::Pending })
            .await;
    }

    pub(crate) fn wrote(&mut self, result: &Poll<io::Result<usize>>) {
        self.moved(match result {
            Poll::Ready(Ok(length)) => Some(*length),
            _ => None,
        });
    }

    pub(crate) fn part(bytes: &[u8]) -> &[u8] {
        &bytes[..bytes.len().min(BUDGET)]
    }

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
    fn a_spent_budget_causes_one_pause() {
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
    fn waiting_for_the_peer_resets_the_budget() {
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
