//! Messages for one thread, which is woken for them unless it looks by itself.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::Waker;

/// A queue with many senders and one receiver.
#[derive(Debug)]
pub(crate) struct Mailbox<T> {
    state: Mutex<State<T>>,
    /// Whether there are messages, to be seen without the lock.
    filled: AtomicBool,
}

#[derive(Debug)]
struct State<T> {
    messages: VecDeque<T>,
    /// Whom to wake for messages, once that is known.
    receiver: Option<Waker>,
    /// Whether the receiver looks by itself, and need not be woken.
    watched: bool,
    closed: bool,
}

impl<T> Mailbox<T> {
    pub(crate) fn new() -> Self {
        let state =
            State { messages: VecDeque::new(), receiver: None, watched: false, closed: false };
        Self { state: Mutex::new(state), filled: AtomicBool::new(false) }
    }

    /// Adds a message; gives it back when nobody will read it.
    pub(crate) fn send(&self, message: T) -> Result<(), T> {
        let mut state = self.state();
        if state.closed {
            return Err(message);
        }
        state.messages.push_back(message);
        self.filled.store(true, Ordering::Release);
        let receiver = if state.watched { None } else { state.receiver.clone() };
        drop(state);
        if let Some(receiver) = receiver {
            receiver.wake();
        }
        Ok(())
    }

    /// Says whom to wake for messages.
    pub(crate) fn set_receiver(&self, receiver: &Waker) {
        let known = &mut self.state().receiver;
        if !known.as_ref().is_some_and(|known| known.will_wake(receiver)) {
            *known = Some(receiver.clone());
        }
    }

    /// Wakes the receiver, whoever that is.
    pub(crate) fn wake_receiver(&self) {
        let receiver = self.state().receiver.clone();
        if let Some(receiver) = receiver {
            receiver.wake();
        }
    }

    /// Says that the receiver looks by itself from now on, and need not be woken.
    pub(crate) fn watch(&self) {
        self.state().watched = true;
    }

    /// Says that the receiver is to be woken for what comes from now on; whether something is there, of
    /// which it has not been woken.
    #[must_use]
    pub(crate) fn stop_watching(&self) -> bool {
        let mut state = self.state();
        state.watched = false;
        !state.messages.is_empty()
    }

    /// Whether there are messages; may be late by a moment.
    pub(crate) fn is_filled(&self) -> bool {
        self.filled.load(Ordering::Acquire)
    }

    /// The messages, in exchange for an empty queue whose memory is used again.
    pub(crate) fn take(&self, emptied: VecDeque<T>) -> VecDeque<T> {
        let mut state = self.state();
        self.filled.store(false, Ordering::Release);
        std::mem::replace(&mut state.messages, emptied)
    }

    /// Takes no more messages, and drops those that nobody has read.
    pub(crate) fn close(&self) {
        let unread = {
            let mut state = self.state();
            state.closed = true;
            state.receiver = None;
            std::mem::take(&mut state.messages)
        };
        // Not under the lock: what they own may send others when it is dropped.
        drop(unread);
    }

    /// A panic while the lock is held leaves the queue whole.
    fn state(&self) -> MutexGuard<'_, State<T>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::AtomicUsize;
    use std::task::Wake;

    use super::*;

    #[derive(Default)]
    struct Wakes(AtomicUsize);

    impl Wake for Wakes {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn mailbox() -> (Mailbox<u32>, Arc<Wakes>) {
        let (mailbox, wakes) = (Mailbox::new(), Arc::new(Wakes::default()));
        mailbox.set_receiver(&Arc::clone(&wakes).into());
        (mailbox, wakes)
    }

    #[test]
    fn messages_come_in_order_and_wake_the_receiver() {
        let (mailbox, wakes) = mailbox();
        assert!(!mailbox.is_filled());
        assert_eq!(mailbox.send(1), Ok(()));
        assert_eq!(mailbox.send(2), Ok(()));
        assert!(mailbox.is_filled());
        assert_eq!(wakes.0.load(Ordering::Relaxed), 2);
        assert_eq!(mailbox.take(VecDeque::new()), [1, 2]);
        assert!(!mailbox.is_filled());
    }

    #[test]
    fn a_receiver_that_looks_by_itself_is_not_woken() {
        let (mailbox, wakes) = mailbox();
        mailbox.watch();
        assert_eq!(mailbox.send(1), Ok(()));
        assert!(mailbox.is_filled());
        assert_eq!(wakes.0.load(Ordering::Relaxed), 0);
        assert!(mailbox.stop_watching(), "it has not been woken for this one");
        assert_eq!(mailbox.send(2), Ok(()));
        assert_eq!(wakes.0.load(Ordering::Relaxed), 1);
        assert_eq!(mailbox.take(VecDeque::new()), [1, 2]);
        mailbox.watch();
        assert!(!mailbox.stop_watching());
    }

    #[test]
    fn one_that_is_closed_gives_messages_back_and_drops_the_others() {
        let (mailbox, wakes) = (Mailbox::new(), Arc::new(Wakes::default()));
        assert!(mailbox.send(Arc::clone(&wakes)).is_ok());
        assert_eq!(Arc::strong_count(&wakes), 2);
        mailbox.close();
        assert_eq!(Arc::strong_count(&wakes), 1);
        assert!(mailbox.send(Arc::clone(&wakes)).is_err());
    }
}
