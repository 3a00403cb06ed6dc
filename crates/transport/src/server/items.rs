use std::collections::VecDeque;
use std::future::poll_fn;
use std::sync::{Arc, MutexGuard};
use std::task::{Context, Poll, Waker};

use super::exceptions::ExceptionClass;
use crate::TapeSource;
use crate::locks::Mutex;
use crate::memory::Abandonment;

pub(crate) enum Part {
    Items(Box<dyn TapeSource>),
    End,
    /// `{Class, Reason, Stacktrace}`
    Exception(ExceptionClass, Box<dyn TapeSource>),
}

/// Called after each list of items is taken. Another may then be added.
pub type OnTaken = Arc<dyn Fn() + Send + Sync>;

/// Dropping the receiver early counts the call as abandoned.
pub(crate) fn channel(
    on_taken: OnTaken,
    abandonment: Abandonment,
    watcher: Option<Waker>,
) -> (ItemSender, ItemReceiver) {
    let state = State { watcher, ..State::default() };
    let channel = Arc::new(Channel { on_taken, state: Mutex::new(state) });
    (ItemSender(Arc::clone(&channel)), ItemReceiver { channel, abandonment })
}

struct Channel {
    on_taken: OnTaken,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    parts: VecDeque<Part>,
    reader: Option<Waker>,
    watcher: Option<Waker>,
    is_over: bool,
    is_abandoned: bool,
}

pub(crate) struct ItemSender(Arc<Channel>);

impl ItemSender {
    pub(crate) fn push(&self, items: Box<dyn TapeSource>) {
        if self.add(Part::Items(items), false).is_err() {
            (self.0.on_taken)();
        }
    }

    pub(crate) fn finish(self, last: Option<Part>) -> Result<(), Gone> {
        match last {
            Some(part) => self.add(part, true),
            None => self.close(),
        }
    }

    pub(crate) fn is_abandoned(&self) -> bool {
        self.0.state.lock().is_abandoned
    }

    pub(crate) fn watch(&self, watcher: &Waker) -> bool {
        let mut state = self.0.state.lock();
        state.watcher = Some(watcher.clone());
        state.is_abandoned
    }

    /// The caller left before the first items; the call is already counted.
    pub(crate) fn disown(&self) {
        self.0.state.lock().is_abandoned = true;
    }

    fn close(&self) -> Result<(), Gone> {
        let mut state = self.0.state.lock();
        state.is_over = true;
        Self::wake(state)
    }

    fn add(&self, part: Part, is_last: bool) -> Result<(), Gone> {
        let mut state = self.0.state.lock();
        state.is_over = is_last;
        if !state.is_abandoned {
            state.parts.push_back(part);
        }
        Self::wake(state)
    }

    fn wake(mut state: MutexGuard<'_, State>) -> Result<(), Gone> {
        if state.is_abandoned {
            return Err(Gone);
        }
        let reader = state.reader.take();
        drop(state);
        if let Some(reader) = reader {
            reader.wake();
        }
        Ok(())
    }
}

pub(crate) struct Gone;

pub(crate) struct ItemReceiver {
    channel: Arc<Channel>,
    abandonment: Abandonment,
}

impl ItemReceiver {
    /// `None` if the service drops the call. Do not call this after the last part.
    pub(crate) async fn next(&mut self) -> Option<Part> {
        poll_fn(|context| self.poll_next(context)).await
    }

    fn poll_next(&mut self, context: &mut Context<'_>) -> Poll<Option<Part>> {
        let mut state = self.channel.state.lock();
        match state.parts.pop_front() {
            Some(part) => Poll::Ready(Some(part)),
            None if state.is_over => Poll::Ready(None),
            None => {
                state.reader = Some(context.waker().clone());
                Poll::Pending
            }
        }
    }

    pub(crate) fn taken(&self) {
        (self.channel.on_taken)();
    }
}

impl Drop for ItemReceiver {
    fn drop(&mut self) {
        let mut state = self.channel.state.lock();
        let unread = std::mem::take(&mut state.parts);
        if state.is_over || state.is_abandoned {
            return;
        }
        state.is_abandoned = true;
        self.abandonment.begin();
        let watcher = state.watcher.take();
        drop(state);
        if let Some(watcher) = watcher {
            watcher.wake();
        }
        // Lets senders notice that the caller is gone.
        let unread = unread.iter().filter(|part| matches!(part, Part::Items(_)));
        unread.for_each(|_| (self.channel.on_taken)());
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::super::calls::{Calls, Running};
    use super::super::service::{Answer, Reply};
    use super::{ItemReceiver, OnTaken, Part};
    use crate::OwnedTape;
    use crate::memory::{Memory, Share};
    use std::pin::pin;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::task::{Context, Poll, Wake, Waker};

    #[derive(Default)]
    struct Count(AtomicUsize);

    impl Count {
        fn get(&self) -> usize {
            self.0.load(Ordering::Relaxed)
        }
    }

    impl Wake for Count {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn counting(count: &Arc<Count>) -> OnTaken {
        let count = Arc::clone(count);
        Arc::new(move || Arc::clone(&count).wake())
    }

    fn list() -> Box<OwnedTape> {
        Box::default()
    }

    fn share(memory: &Arc<Memory>) -> Share {
        let mut share = memory.share();
        share.set(1000);
        share
    }

    fn begun(memory: &Arc<Memory>, taken: &Arc<Count>, watcher: &Waker) -> (Reply, ItemReceiver) {
        let (mut reply, mut answer) = Reply::new(share(memory));
        assert!(!reply.wake_when_abandoned(watcher));
        reply.push(list(), &counting(taken));
        match answer.try_recv() {
            Ok(Some(Answer::Items(items))) => (reply, items),
            _ => unreachable!("the answer is not one of items"),
        }
    }

    fn next(items: &mut ItemReceiver) -> Poll<Option<Part>> {
        pin!(items.next()).poll(&mut Context::from_waker(Waker::noop()))
    }

    #[test]
    fn parts_come_in_order_and_the_end_last() {
        let (memory, taken) = (Memory::new(1 << 20), Arc::<Count>::default());
        let (mut reply, mut items) = begun(&memory, &taken, Waker::noop());
        reply.push(list(), &counting(&taken));
        assert!(matches!(next(&mut items), Poll::Ready(Some(Part::Items(_)))));
        assert!(matches!(next(&mut items), Poll::Ready(Some(Part::Items(_)))));
        assert!(next(&mut items).is_pending());
        assert_eq!(taken.get(), 0);
        items.taken();
        assert_eq!(taken.get(), 1);
        reply.end();
        assert!(matches!(next(&mut items), Poll::Ready(Some(Part::End))));
        drop(items);
        assert_eq!((memory.abandoned(), memory.used()), (0, 0));
    }

    #[test]
    fn a_dropped_reply_is_not_an_end() {
        let memory = Memory::new(1 << 20);
        let (reply, mut items) = begun(&memory, &Arc::default(), Waker::noop());
        drop(reply);
        assert!(matches!(next(&mut items), Poll::Ready(Some(Part::Items(_)))));
        assert!(matches!(next(&mut items), Poll::Ready(None)));
    }

    #[test]
    fn a_leaving_caller_abandons_the_call_until_it_ends() {
        let (memory, taken) = (Memory::new(1 << 20), Arc::<Count>::default());
        let watcher = Arc::<Count>::default();
        let (mut reply, items) = begun(&memory, &taken, &Arc::clone(&watcher).into());
        assert!(!reply.is_abandoned());
        drop(items);
        assert_eq!((watcher.get(), memory.abandoned(), memory.used()), (1, 1, 1000));
        assert_eq!(taken.get(), 1);
        reply.push(list(), &counting(&taken));
        assert_eq!(taken.get(), 2);
        assert!(reply.is_abandoned() && reply.wake_when_abandoned(Waker::noop()));
        reply.end();
        assert_eq!((memory.abandoned(), memory.used()), (0, 0));
    }

    #[test]
    fn a_caller_that_left_before_the_items_is_counted_once() {
        let memory = Memory::new(1 << 20);
        let calls = Calls::new(1, Arc::clone(&memory));
        let (mut reply, answer) = Reply::new(share(&memory));
        drop(Running::new(answer, calls.enter().unwrap(), 1000));
        assert_eq!(memory.abandoned(), 1);
        reply.push(list(), &counting(&Arc::default()));
        assert_eq!(memory.abandoned(), 1);
        drop(reply);
        assert_eq!((memory.abandoned(), memory.used()), (0, 0));
    }

    #[test]
    fn a_caller_that_leaves_items_in_flight_abandons_them() {
        let memory = Memory::new(1 << 20);
        let calls = Calls::new(1, Arc::clone(&memory));
        let (mut reply, answer) = Reply::new(share(&memory));
        let running = Running::new(answer, calls.enter().unwrap(), 1000);
        reply.push(list(), &counting(&Arc::default()));
        drop(running);
        assert!(reply.is_abandoned());
        assert_eq!((memory.abandoned(), calls.in_flight()), (1, 0));
        reply.end();
        assert_eq!((memory.abandoned(), memory.used()), (0, 0));
    }
}
