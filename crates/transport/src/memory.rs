//! Bounds the memory of messages between sockets and JavaScript.
//!
//! Each message holds a [`Share`] of its server's or client's account. Growing a share waits for
//! room, but existing data is counted at once.
//!
//! Arriving bodies take at most half of the memory, so that arrived ones can be decoded. When
//! waiting shares hold all used memory, one of them may exceed the limit until it is dropped or
//! usage fits again. So shares cannot deadlock, and usage exceeds the limit by at most one message.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicIsize, Ordering};

use bytes::Bytes;
use tokio::sync::oneshot;

use crate::locks::Mutex;

/// Smaller messages are not counted, because the number of calls bounds them.
pub(crate) const SMALL: usize = 16 * 1024;

pub(crate) fn counted(size: usize) -> usize {
    if size > SMALL { size } else { 0 }
}

/// Memory for both forms, and for a tape of at most four bytes per inflated byte.
pub(crate) fn decoding(compressed: usize, inflated: usize) -> usize {
    if compressed.max(inflated) > SMALL {
        compressed.saturating_add(inflated.saturating_mul(5))
    } else {
        0
    }
}

pub(crate) fn encoding(size: usize) -> usize {
    counted(size).saturating_mul(2)
}

#[derive(Debug)]
pub(crate) struct Memory {
    limit: usize,
    abandoned: AtomicIsize,
    state: Mutex<State>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stage {
    Arriving,
    Arrived,
}

#[derive(Debug, Default)]
struct State {
    used: usize,
    /// The part of `used` that waiting shares hold.
    held: usize,
    /// The part of `used` that abandoned calls hold. Briefly negative if a call settles first.
    abandoned: isize,
    /// Served before `arriving`.
    arrived: VecDeque<Waiter>,
    arriving: VecDeque<Waiter>,
    /// Larger than the limit. Served when nothing else is in use, without blocking others.
    oversize: VecDeque<Waiter>,
    beyond: Option<u64>,
    next: u64,
}

#[derive(Debug)]
struct Waiter {
    number: u64,
    held: usize,
    more: usize,
    granted: oneshot::Sender<()>,
}

impl Memory {
    pub(crate) fn new(limit: usize) -> Arc<Self> {
        Arc::new(Self { limit, abandoned: AtomicIsize::new(0), state: Mutex::default() })
    }

    pub(crate) fn share(self: &Arc<Self>) -> Share {
        Share { memory: Some(Arc::clone(self)), bytes: 0, number: None }
    }

    pub(crate) fn used(&self) -> usize {
        self.state.lock().used
    }

    pub(crate) fn abandoned(&self) -> usize {
        usize::try_from(self.abandoned.load(Ordering::Relaxed)).unwrap_or(0)
    }

    pub(crate) fn max_abandoned(&self) -> usize {
        self.limit / SMALL
    }

    /// Counts a running call whose caller is gone as [`SMALL`], because another call takes its
    /// place. Its share remains.
    pub(crate) fn abandon(&self, share: usize) {
        self.change_abandoned(1, share.cast_signed());
    }

    fn settle_abandoned(&self, share: usize) {
        self.change_abandoned(-1, -share.cast_signed());
    }

    fn change_abandoned(&self, calls: isize, bytes: isize) {
        let mut state = self.state.lock();
        self.abandoned.fetch_add(calls, Ordering::Relaxed);
        state.abandoned += bytes;
        self.grant(&mut state);
    }

    fn give_back(&self, bytes: usize) {
        let mut state = self.state.lock();
        state.used -= bytes;
        if state.used <= self.limit {
            state.beyond = None;
        }
        self.grant(&mut state);
    }

    fn limit(&self, stage: Stage) -> usize {
        match stage {
            Stage::Arriving => self.limit / 2,
            Stage::Arrived => self.limit,
        }
    }

    fn fits(&self, state: &State, stage: Stage, more: usize) -> bool {
        let abandoned = self.abandoned().saturating_mul(SMALL);
        state.used.saturating_add(abandoned).saturating_add(more) <= self.limit(stage)
    }

    fn grant(&self, state: &mut State) {
        while let Some(first) = state.arrived.front()
            && self.fits(state, Stage::Arrived, first.more)
        {
            let first = state.arrived.pop_front();
            state.admit(first);
        }
        while state.arrived.is_empty()
            && let Some(first) = state.arriving.front()
            && self.fits(state, Stage::Arriving, first.more)
        {
            let first = state.arriving.pop_front();
            state.admit(first);
        }
        if self.is_stuck(state)
            && let Some(number) = state.furthest()
        {
            let furthest = state.take(number);
            state.admit(furthest);
            state.beyond = (state.used > self.limit).then_some(number);
        }
    }

    /// Whether only waiting shares could return memory. Abandoned calls may never return theirs, so
    /// they block others only once the limit is exceeded.
    fn is_stuck(&self, state: &State) -> bool {
        let others = state.used.saturating_sub(state.held);
        let abandoned = usize::try_from(state.abandoned).unwrap_or(0);
        others == 0 || (others <= abandoned && self.fits(state, Stage::Arrived, 0))
    }
}

impl State {
    fn admit(&mut self, waiter: Option<Waiter>) {
        let Some(waiter) = waiter else { return };
        self.held -= waiter.held;
        self.used += waiter.more;
        // A waiter that is gone returns the memory.
        let _ = waiter.granted.send(());
    }

    /// Chooses the waiter that may exceed the limit: one that already does, or else the oldest with
    /// memory.
    fn furthest(&self) -> Option<u64> {
        let waiters = [&self.arrived, &self.arriving, &self.oversize].into_iter().flatten();
        let order = |waiter: &&Waiter| {
            (Some(waiter.number) != self.beyond, waiter.held == 0, waiter.number)
        };
        waiters.min_by_key(order).map(|waiter| waiter.number)
    }

    fn take(&mut self, number: u64) -> Option<Waiter> {
        [&mut self.arrived, &mut self.arriving, &mut self.oversize].into_iter().find_map(|queue| {
            let place = queue.iter().position(|waiter| waiter.number == number)?;
            queue.remove(place)
        })
    }
}

#[derive(Debug, Default)]
pub struct Share {
    memory: Option<Arc<Memory>>,
    bytes: usize,
    number: Option<u64>,
}

impl Share {
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    pub(crate) async fn grow(&mut self, stage: Stage, bytes: usize) {
        let Some(memory) = &self.memory else { return };
        if bytes <= self.bytes {
            return self.set(bytes);
        }
        let more = bytes - self.bytes;
        let (number, granted) = {
            let mut state = memory.state.lock();
            let is_first =
                state.arrived.is_empty() && (stage == Stage::Arrived || state.arriving.is_empty());
            if is_first && memory.fits(&state, stage, more) {
                state.used += more;
                self.bytes = bytes;
                return;
            }
            let (sender, granted) = oneshot::channel();
            let number = *self.number.get_or_insert(state.next);
            state.next = state.next.max(number + 1);
            state.held += self.bytes;
            let waiter = Waiter { number, held: self.bytes, more, granted: sender };
            let queue = match stage {
                _ if bytes > memory.limit(stage) => &mut state.oversize,
                Stage::Arriving => &mut state.arriving,
                Stage::Arrived => &mut state.arrived,
            };
            queue.push_back(waiter);
            memory.grant(&mut state);
            (number, granted)
        };
        let _waiting = Waiting { share: self, number, more };
        let _ = granted.await;
    }

    pub(crate) fn set(&mut self, bytes: usize) {
        let Some(memory) = &self.memory else { return };
        if bytes > self.bytes {
            memory.state.lock().used += bytes - self.bytes;
        } else if bytes < self.bytes {
            memory.give_back(self.bytes - bytes);
        }
        self.bytes = bytes;
    }

    pub(crate) fn split(&mut self, bytes: usize) -> Self {
        let bytes = bytes.min(self.bytes);
        self.bytes -= bytes;
        Self { memory: self.memory.clone(), bytes, number: None }
    }

    pub(crate) fn attach(self, message: Bytes) -> Bytes {
        if self.bytes == 0 { message } else { Bytes::from_owner(Owned { message, _share: self }) }
    }

    pub(crate) fn abandonment(&self) -> Abandonment {
        Abandonment { memory: self.memory.clone(), bytes: self.bytes }
    }

    pub(crate) fn end_abandoned(self) {
        if let Some(memory) = &self.memory {
            memory.settle_abandoned(self.bytes);
        }
    }
}

pub(crate) struct Abandonment {
    memory: Option<Arc<Memory>>,
    bytes: usize,
}

impl Abandonment {
    pub(crate) fn begin(&self) {
        if let Some(memory) = &self.memory {
            memory.abandon(self.bytes);
        }
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.set(0);
    }
}

struct Waiting<'a> {
    share: &'a mut Share,
    number: u64,
    more: usize,
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        let Some(memory) = &self.share.memory else { return };
        let mut state = memory.state.lock();
        match state.take(self.number) {
            Some(waiter) => {
                state.held -= waiter.held;
                memory.grant(&mut state);
            }
            None => self.share.bytes += self.more,
        }
    }
}

struct Owned {
    message: Bytes,
    _share: Share,
}

impl AsRef<[u8]> for Owned {
    fn as_ref(&self) -> &[u8] {
        &self.message
    }
}

#[cfg(test)]
mod tests {
    use super::{Memory, SMALL, Share, Stage, counted, decoding};
    use bytes::Bytes;
    use std::future::Future;
    use std::pin::{Pin, pin};
    use std::sync::Arc;
    use std::task::{Context, Waker};
    use tokio::task::yield_now;

    const LIMIT: usize = 1_000_000;

    fn is_ready(future: Pin<&mut impl Future>) -> bool {
        future.poll(&mut Context::from_waker(Waker::noop())).is_ready()
    }

    fn taken(memory: &Arc<Memory>, bytes: usize) -> Share {
        let mut share = memory.share();
        assert!(is_ready(pin!(share.grow(Stage::Arrived, bytes))), "{bytes} bytes are not free");
        assert_eq!(share.bytes(), bytes);
        share
    }

    #[test]
    fn a_share_waits_for_room() {
        let memory = Memory::new(LIMIT);
        let first = taken(&memory, LIMIT - 10);
        drop(taken(&memory, 10));
        let mut second = memory.share();
        let mut waiting = pin!(second.grow(Stage::Arrived, 11));
        assert!(!is_ready(waiting.as_mut()));
        drop(first);
        assert!(is_ready(waiting.as_mut()));
        assert_eq!(memory.used(), 11);
    }

    #[test]
    fn shares_are_served_in_order() {
        let memory = Memory::new(LIMIT);
        let first = taken(&memory, LIMIT - 10);
        let (mut second, mut third) = (memory.share(), memory.share());
        let (mut second, mut third) =
            (pin!(second.grow(Stage::Arrived, LIMIT)), pin!(third.grow(Stage::Arrived, 10)));
        assert!(!is_ready(second.as_mut()));
        // There is room for the third, but the second might then wait forever.
        assert!(!is_ready(third.as_mut()));
        drop(first);
        assert!(is_ready(second));
        assert!(!is_ready(third));
    }

    #[test]
    fn a_cancelled_wait_blocks_no_other() {
        let memory = Memory::new(LIMIT);
        let _first = taken(&memory, LIMIT - 10);
        let (mut second, mut third) = (memory.share(), memory.share());
        let mut third = pin!(third.grow(Stage::Arrived, 10));
        {
            let mut second = pin!(second.grow(Stage::Arrived, LIMIT));
            assert!(!is_ready(second.as_mut()));
            assert!(!is_ready(third.as_mut()));
        }
        assert!(is_ready(third));
        assert_eq!(second.bytes(), 0);
    }

    #[test]
    fn a_grant_to_a_cancelled_wait_is_returned() {
        let memory = Memory::new(LIMIT);
        let first = taken(&memory, LIMIT);
        let mut second = memory.share();
        {
            let mut waiting = pin!(second.grow(Stage::Arrived, 500));
            assert!(!is_ready(waiting.as_mut()));
            drop(first);
        }
        assert_eq!(second.bytes(), 500);
        drop(second);
        assert_eq!(memory.used(), 0);
    }

    #[test]
    fn arriving_bodies_take_half_of_the_memory_and_are_served_last() {
        let memory = Memory::new(LIMIT);
        let mut first = memory.share();
        assert!(is_ready(pin!(first.grow(Stage::Arriving, LIMIT / 2))));
        let (mut second, mut third) = (memory.share(), memory.share());
        let mut second = pin!(second.grow(Stage::Arriving, 1));
        assert!(!is_ready(second.as_mut()));
        let mut other = taken(&memory, LIMIT / 4);
        let mut other = pin!(other.grow(Stage::Arrived, LIMIT));
        assert!(!is_ready(other.as_mut()));
        first.set(LIMIT / 10);
        assert!(!is_ready(second.as_mut()));
        drop(first);
        assert!(is_ready(other));
        assert!(!is_ready(second));
        assert!(!is_ready(pin!(third.grow(Stage::Arriving, LIMIT / 2 + 1))));
        assert_eq!(memory.used(), LIMIT);
    }

    #[test]
    fn an_oversize_share_waits_until_it_is_alone() {
        let memory = Memory::new(LIMIT);
        drop(taken(&memory, 100 * LIMIT));
        let first = taken(&memory, 20);
        let mut large = memory.share();
        let mut large = pin!(large.grow(Stage::Arrived, LIMIT + 1));
        assert!(!is_ready(large.as_mut()));
        drop(taken(&memory, LIMIT - 20));
        drop(first);
        assert!(is_ready(large));
    }

    #[test]
    fn deadlocked_shares_continue_one_by_one() {
        let memory = Memory::new(LIMIT);
        let (mut one, mut two) = (taken(&memory, LIMIT / 2), taken(&memory, LIMIT / 2));
        {
            let (mut first, mut second) =
                (pin!(one.grow(Stage::Arrived, LIMIT)), pin!(two.grow(Stage::Arrived, LIMIT)));
            assert!(!is_ready(first.as_mut()));
            assert!(!is_ready(second.as_mut()));
            assert!(is_ready(first));
            assert!(!is_ready(second));
        }
        assert_eq!(memory.used(), LIMIT + LIMIT / 2);
        let mut second = pin!(two.grow(Stage::Arrived, LIMIT));
        assert!(!is_ready(second.as_mut()));
        drop(one);
        assert!(is_ready(second));
        assert_eq!(memory.used(), LIMIT);
    }

    type Course = [usize; 4];

    async fn pass(memory: Arc<Memory>, [arriving, decoding, decoded, running]: Course) {
        let mut share = memory.share();
        share.grow(Stage::Arriving, arriving).await;
        yield_now().await;
        share.grow(Stage::Arrived, decoding).await;
        yield_now().await;
        share.set(decoded);
        share.grow(Stage::Arrived, running).await;
        yield_now().await;
    }

    fn most_used(courses: &[Course], seed: u64) -> usize {
        let mut random = seed;
        let mut below = |end: usize| {
            random = random
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            (random >> 33) as usize % end
        };
        let memory = Memory::new(LIMIT);
        let course = |_| courses[below(courses.len())];
        let mut messages: Vec<_> =
            (0..64).map(course).map(|course| Box::pin(pass(Arc::clone(&memory), course))).collect();
        let (mut most, mut polls) = (0, 0);
        while !messages.is_empty() {
            let index = below(messages.len());
            if is_ready(messages[index].as_mut()) {
                drop(messages.swap_remove(index));
            }
            most = most.max(memory.used());
            polls += 1;
            assert!(polls < 1_000_000, "the messages wait for each other: {courses:?}");
        }
        assert_eq!(memory.used(), 0);
        most
    }

    #[test]
    fn memory_exceeds_the_limit_by_at_most_one_message() {
        let courses: [Course; 5] = [
            [LIMIT / 600, LIMIT * 5 / 2, LIMIT / 2, LIMIT],
            [0, LIMIT * 5 / 2, LIMIT / 2, LIMIT * 3 / 2],
            [LIMIT / 2, LIMIT * 5 / 2, LIMIT / 2, LIMIT / 2],
            [LIMIT / 50, LIMIT / 10, LIMIT / 50, LIMIT / 50],
            [0, LIMIT * 3, 0, LIMIT],
        ];
        for seed in 0..100 {
            for course in &courses {
                let largest = course.iter().max().copied().unwrap_or(0);
                let most = most_used(&[*course], seed);
                assert!(most <= LIMIT + largest, "{most} bytes of {course:?}");
            }
            let most = most_used(&courses, seed);
            assert!(most <= LIMIT + 3 * LIMIT, "{most} bytes with seed {seed}");
        }
    }

    #[test]
    fn abandoned_calls_do_not_raise_the_limit() {
        let memory = Memory::new(LIMIT);
        let mut abandoned = Vec::new();
        for _ in 0..10 {
            let mut call = memory.share();
            if is_ready(pin!(call.grow(Stage::Arrived, LIMIT / 2))) {
                memory.abandon(call.bytes());
                abandoned.push(call);
            }
        }
        assert!(memory.used() <= LIMIT + LIMIT / 2, "{} bytes", memory.used());
        let mut next = memory.share();
        let mut next = pin!(next.grow(Stage::Arrived, LIMIT / 2));
        assert!(!is_ready(next.as_mut()));
        for call in abandoned {
            call.end_abandoned();
        }
        assert!(is_ready(next));
    }

    #[test]
    fn shares_with_memory_take_precedence() {
        let memory = Memory::new(LIMIT);
        let mut first = taken(&memory, 10);
        let (mut second, mut third) = (memory.share(), memory.share());
        let mut second = pin!(second.grow(Stage::Arrived, 2 * LIMIT));
        let mut third = pin!(third.grow(Stage::Arrived, LIMIT));
        assert!(!is_ready(second.as_mut()) && !is_ready(third.as_mut()));
        let mut first = pin!(first.grow(Stage::Arrived, 3 * LIMIT));
        assert!(is_ready(first.as_mut()));
        assert!(!is_ready(second.as_mut()) && !is_ready(third.as_mut()));
        assert_eq!(memory.used(), 3 * LIMIT);
    }

    #[test]
    fn existing_data_is_counted_without_waiting() {
        let memory = Memory::new(LIMIT);
        let mut first = memory.share();
        first.set(3 * LIMIT);
        let mut second = memory.share();
        let mut second = pin!(second.grow(Stage::Arrived, 10));
        assert!(!is_ready(second.as_mut()));
        first.set(LIMIT - 9);
        assert!(!is_ready(second.as_mut()));
        first.set(LIMIT - 10);
        assert!(is_ready(second));
    }

    #[test]
    fn a_share_can_be_divided() {
        let memory = Memory::new(LIMIT);
        let mut first = taken(&memory, 100);
        let second = first.split(30);
        drop(first);
        assert_eq!(memory.used(), 30);
        drop(second);
        assert_eq!(memory.used(), 0);
    }

    #[test]
    fn a_response_keeps_its_share_until_it_is_dropped() {
        let memory = Memory::new(LIMIT);
        let answer = taken(&memory, LIMIT).attach(Bytes::from(vec![7; LIMIT]));
        let rest = answer.slice(10..);
        drop(answer);
        assert_eq!(memory.used(), LIMIT);
        assert_eq!(rest.len(), LIMIT - 10);
        drop(rest);
        assert_eq!(memory.used(), 0);
    }

    #[test]
    fn abandoned_calls_do_not_block_a_lone_call() {
        let memory = Memory::new(LIMIT);
        let call = taken(&memory, 100);
        memory.abandon(call.bytes());
        assert_eq!(memory.abandoned(), 1);
        drop(taken(&memory, LIMIT - 100 - SMALL));
        let mut second = taken(&memory, 50);
        {
            let mut waiting = pin!(second.grow(Stage::Arrived, LIMIT - 100 - SMALL + 1));
            assert!(is_ready(waiting.as_mut()));
        }
        call.end_abandoned();
        assert_eq!(memory.abandoned(), 0);
        drop(second);
        assert_eq!(memory.used(), 0);
        drop(taken(&memory, LIMIT));
    }

    #[test]
    fn small_messages_do_not_count() {
        assert_eq!(counted(SMALL), 0);
        assert_eq!(counted(SMALL + 1), SMALL + 1);
        assert_eq!(decoding(0, SMALL), 0);
        assert_eq!(decoding(1000, SMALL + 1), 1000 + 5 * (SMALL + 1));
        assert_eq!(decoding(SMALL + 1, 0), SMALL + 1);
    }
}
