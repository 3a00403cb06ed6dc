use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::Waker;

use crate::locks::Mutex;

/// A queue with many senders. They wake its receiver unless it watches the queue.
#[derive(Debug)]
pub(crate) struct Mailbox<T> {
    state: Mutex<State<T>>,
    filled: AtomicBool,
}

#[derive(Debug)]
struct State<T> {
    messages: VecDeque<T>,
    receiver: Option<Waker>,
    watched: bool,
    closed: bool,
}

impl<T> Mailbox<T> {
    pub(crate) fn new() -> Self {
        let state =
            State { messages: VecDeque::new(), receiver: None, watched: false, closed: false };
        Self { state: Mutex::new(state), filled: AtomicBool::new(false) }
    }

    pub(crate) fn send(&self, message: T) -> Result<(), T> {
        let mut state = self.state.lock();
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

    pub(crate) fn set_receiver(&self, receiver: &Waker) {
        let known = &mut self.state.lock().receiver;
        if !known.as_ref().is_some_and(|known| known.will_wake(receiver)) {
            *known = Some(receiver.clone());
        }
    }

    pub(crate) fn wake_receiver(&self) {
        let receiver = self.state.lock().receiver.clone();
        if let Some(receiver) = receiver {
            receiver.wake();
        }
    }

    pub(crate) fn watch(&self) {
        self.state.lock().watched = true;
    }

    /// Returns whether there are messages already.
    #[must_use]
    pub(crate) fn stop_watching(&self) -> bool {
        let mut state = self.state.lock();
        state.watched = false;
        !state.messages.is_empty()
    }

    pub(crate) fn is_filled(&self) -> bool {
        self.filled.load(Ordering::Acquire)
    }

    pub(crate) fn take(&self, emptied: VecDeque<T>) -> VecDeque<T> {
        let mut state = self.state.lock();
        self.filled.store(false, Ordering::Release);
        std::mem::replace(&mut state.messages, emptied)
    }

    pub(crate) fn close(&self) {
        let unread = {
            let mut state = self.state.lock();
            state.closed = true;
            state.receiver = None;
            std::mem::take(&mut state.messages)
        };
        // Unlocked, because dropping messages may send others.
        drop(unread);
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
    fn messages_arrive_in_order_and_wake_the_receiver() {
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
    fn a_watching_receiver_is_not_woken() {
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
    fn a_closed_mailbox_returns_messages_and_drops_unread_ones() {
        let (mailbox, wakes) = (Mailbox::new(), Arc::new(Wakes::default()));
        assert!(mailbox.send(Arc::clone(&wakes)).is_ok());
        assert_eq!(Arc::strong_count(&wakes), 2);
        mailbox.close();
        assert_eq!(Arc::strong_count(&wakes), 1);
        assert!(mailbox.send(Arc::clone(&wakes)).is_err());
    }
}
