//! Limits concurrent calls and accounts for abandoned ones.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::oneshot;

use super::service::Answer;
use crate::memory::Memory;

/// A call keeps its place until its function ends or its caller goes away.
#[derive(Debug)]
pub(crate) struct Calls {
    max: usize,
    in_flight: AtomicUsize,
    memory: Arc<Memory>,
}

impl Calls {
    pub(crate) fn new(max: usize, memory: Arc<Memory>) -> Self {
        Self { max, in_flight: AtomicUsize::new(0), memory }
    }

    /// Abandoned calls have no place, so memory limits them.
    pub(crate) fn enter(&self) -> Option<Place<'_>> {
        if self.memory.abandoned() > self.memory.max_abandoned().max(self.max) {
            return None;
        }
        let taken = self.in_flight.fetch_add(1, Ordering::Relaxed);
        let place = Place(self);
        (taken < self.max).then_some(place)
    }

    pub(crate) fn in_flight(&self) -> usize {
        // Rejected calls are counted for a moment.
        self.in_flight.load(Ordering::Relaxed).min(self.max)
    }
}

pub(crate) struct Place<'a>(&'a Calls);

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.0.in_flight.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Dropping it abandons the call.
pub(crate) struct Running<'a> {
    answer: oneshot::Receiver<Option<Answer>>,
    place: Option<Place<'a>>,
    arguments: usize,
    is_over: bool,
}

impl<'a> Running<'a> {
    pub(crate) fn new(
        answer: oneshot::Receiver<Option<Answer>>,
        place: Place<'a>,
        arguments: usize,
    ) -> Self {
        Self { answer, place: Some(place), arguments, is_over: false }
    }

    pub(crate) async fn answer(mut self) -> Option<(Answer, Place<'a>)> {
        let answer = (&mut self.answer).await;
        self.is_over = true;
        Some((answer.ok().flatten()?, self.place.take()?))
    }
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        if self.is_over {
            return;
        }
        self.answer.close();
        // An answer that has arrived needs no accounting here.
        if self.answer.try_recv().is_err()
            && let Some(Place(calls)) = &self.place
        {
            calls.memory.abandon(self.arguments);
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]
    use super::{Answer, Calls, Running};
    use crate::memory::Memory;
    use crate::server::{Outcome, Reply};
    use http::StatusCode;
    use std::pin::pin;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::task::{Context, Poll, Wake, Waker};

    const REFUSED: Outcome = Outcome::Refused(StatusCode::GATEWAY_TIMEOUT, "too late");

    fn setup(max: usize) -> (Arc<Memory>, Calls) {
        let memory = Memory::new(1 << 20);
        (Arc::clone(&memory), Calls::new(max, memory))
    }

    struct Noting {
        calls: Calls,
        noted: AtomicUsize,
    }

    impl Wake for Noting {
        fn wake(self: Arc<Self>) {
            self.noted.store(self.calls.in_flight(), Ordering::Relaxed);
        }
    }

    #[test]
    fn places_are_limited() {
        let (_, calls) = setup(2);
        let places = [calls.enter().unwrap(), calls.enter().unwrap()];
        assert!(calls.enter().is_none());
        assert_eq!(calls.in_flight(), 2);
        drop(places);
        assert_eq!(calls.in_flight(), 0);
        assert!(calls.enter().is_some());
    }

    #[test]
    fn a_call_keeps_its_place_until_it_is_answered() {
        let (memory, calls) = setup(1);
        let noting = Arc::new(Noting { calls, noted: AtomicUsize::new(7) });
        let (reply, outcome) = Reply::new(memory.share());
        let running = Running::new(outcome, noting.calls.enter().unwrap(), 0);
        let mut running = pin!(running.answer());
        let waker = Waker::from(Arc::clone(&noting));
        assert!(running.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
        reply.send(REFUSED);
        assert_eq!(noting.noted.load(Ordering::Relaxed), 1);
        let Poll::Ready(Some((answer, place))) =
            running.as_mut().poll(&mut Context::from_waker(Waker::noop()))
        else {
            panic!("no answer");
        };
        assert!(matches!(answer, Answer::Outcome(Outcome::Refused(..))));
        assert_eq!(noting.calls.in_flight(), 1);
        drop(place);
        assert_eq!(noting.calls.in_flight(), 0);
        assert_eq!(memory.abandoned(), 0);
    }

    #[test]
    fn an_abandoned_call_frees_its_place_and_keeps_its_memory() {
        for answer in [true, false] {
            let (memory, calls) = setup(1);
            let mut arguments = memory.share();
            arguments.set(1000);
            let (reply, outcome) = Reply::new(arguments);
            drop(Running::new(outcome, calls.enter().unwrap(), 1000));
            assert_eq!((calls.in_flight(), memory.abandoned(), memory.used()), (0, 1, 1000));
            if answer {
                reply.send(REFUSED)
            } else {
                drop(reply)
            }
            assert_eq!((memory.abandoned(), memory.used()), (0, 0));
        }
    }

    #[test]
    fn a_caller_that_leaves_after_the_answer_abandons_nothing() {
        let (memory, calls) = setup(1);
        let (reply, outcome) = Reply::new(memory.share());
        let running = Running::new(outcome, calls.enter().unwrap(), 0);
        reply.send(REFUSED);
        drop(running);
        assert_eq!((calls.in_flight(), memory.abandoned()), (0, 0));
    }

    #[test]
    fn abandoned_calls_are_bounded_by_the_memory() {
        let (memory, calls) = setup(1);
        let replies: Vec<_> = (0..65)
            .map(|_| {
                let (reply, outcome) = Reply::new(memory.share());
                drop(Running::new(outcome, calls.enter().unwrap(), 0));
                reply
            })
            .collect();
        assert!(calls.enter().is_none());
        drop(replies);
        assert!(calls.enter().is_some());
    }
}
