//! Bounds the memory that calls take between the sockets and the functions.

use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use tokio::sync::Semaphore;

/// Messages up to this size are not counted, since that would cost more than it saves: the number of
/// calls in flight bounds them.
const SMALL: usize = 16 * 1024;
/// What is counted with.
const UNIT: usize = 1024;

/// The memory that arguments waiting for their functions and results waiting to be sent may take.
///
/// Arguments wait for their share before they are read off the wire, in the order in which they came;
/// what is there already (arguments that were compressed, results) is taken account of without waiting,
/// so that nothing can wait for itself. Then new arguments wait until that much has been given back.
pub(crate) struct Memory {
    /// In units.
    limit: u32,
    free: Semaphore,
    /// Units that were taken although they were not free.
    debt: Mutex<u32>,
}

impl Memory {
    pub(crate) fn new(limit: usize) -> Arc<Self> {
        let limit = u32::try_from((limit / UNIT).clamp(1, Semaphore::MAX_PERMITS));
        let limit = limit.unwrap_or(u32::MAX);
        Arc::new(Self { limit, free: Semaphore::new(limit as usize), debt: Mutex::default() })
    }

    /// The share of a message of this size, when there is so much; what is larger than the limit waits
    /// for all of it.
    pub(crate) async fn reserve(self: &Arc<Self>, size: usize) -> Share {
        let units = units(size).min(self.limit);
        if units == 0 {
            return Share::default();
        }
        if let Ok(permit) = self.free.acquire_many(units).await {
            permit.forget();
        }
        Share { taken: Some((Arc::clone(self), units)) }
    }

    /// The share of a message of this size that is there already.
    pub(crate) fn take(self: &Arc<Self>, size: usize) -> Share {
        let units = units(size);
        if units == 0 {
            return Share::default();
        }
        match self.free.try_acquire_many(units) {
            Ok(permit) => permit.forget(),
            Err(_) => *self.debt.lock().unwrap_or_else(PoisonError::into_inner) += units,
        }
        Share { taken: Some((Arc::clone(self), units)) }
    }

    /// Has a message keep its share for as long as anything refers to it.
    pub(crate) fn attach(self: &Arc<Self>, message: Bytes) -> Bytes {
        if !is_counted(message.len()) {
            return message;
        }
        let share = self.take(message.len());
        Bytes::from_owner(Owned { message, _share: share })
    }

    fn give_back(&self, units: u32) {
        let mut debt = self.debt.lock().unwrap_or_else(PoisonError::into_inner);
        let repaid = units.min(*debt);
        *debt -= repaid;
        drop(debt);
        self.free.add_permits((units - repaid) as usize);
    }
}

/// Whether messages of this size are counted.
pub(crate) fn is_counted(size: usize) -> bool {
    size > SMALL
}

fn units(size: usize) -> u32 {
    if !is_counted(size) {
        return 0;
    }
    // No message has 4 TiB.
    u32::try_from(size.div_ceil(UNIT)).unwrap_or(u32::MAX)
}

/// What a message takes of the memory for calls; given back when it is dropped.
#[derive(Default)]
pub struct Share {
    /// Nothing for a small message.
    taken: Option<(Arc<Memory>, u32)>,
}

impl Drop for Share {
    fn drop(&mut self) {
        if let Some((memory, units)) = self.taken.take() {
            memory.give_back(units);
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
    #![allow(clippy::unwrap_used)]
    use super::{Memory, UNIT};
    use bytes::Bytes;
    use std::future::Future;
    use std::pin::pin;
    use std::task::{Context, Waker};

    const LARGE: usize = 100 * UNIT;

    fn is_ready(future: impl Future) -> bool {
        pin!(future).poll(&mut Context::from_waker(Waker::noop())).is_ready()
    }

    fn free(memory: &Memory) -> usize {
        memory.free.available_permits()
    }

    #[test]
    fn messages_wait_until_there_is_room_for_them() {
        let memory = Memory::new(3 * LARGE);
        let shares = [memory.take(LARGE), memory.take(LARGE)];
        assert!(is_ready(memory.reserve(LARGE)));
        assert!(!is_ready(memory.reserve(LARGE + 1)));
        drop(shares);
        assert!(is_ready(memory.reserve(3 * LARGE)));
        assert_eq!(free(&memory), 300);
    }

    #[test]
    fn small_messages_never_wait() {
        let memory = Memory::new(LARGE);
        let _share = memory.take(LARGE);
        assert!(is_ready(memory.reserve(16 * UNIT)));
        assert!(!is_ready(memory.reserve(16 * UNIT + 1)));
    }

    #[test]
    fn what_is_larger_than_the_limit_waits_for_all_of_it() {
        let memory = Memory::new(LARGE);
        assert!(is_ready(memory.reserve(100 * LARGE)));
        let share = memory.take(20 * UNIT);
        assert!(!is_ready(memory.reserve(100 * LARGE)));
        drop(share);
        assert!(is_ready(memory.reserve(100 * LARGE)));
    }

    #[test]
    fn what_is_there_already_is_taken_account_of_without_waiting() {
        let memory = Memory::new(LARGE);
        let mut shares = vec![memory.take(LARGE), memory.take(LARGE), memory.take(LARGE)];
        assert_eq!(free(&memory), 0);
        shares.pop();
        shares.pop();
        // Twice the limit has been given back, as it was taken too much.
        assert_eq!(free(&memory), 0);
        shares.pop();
        assert_eq!(free(&memory), 100);
    }

    #[test]
    fn an_answer_keeps_its_share_until_it_is_gone() {
        let memory = Memory::new(LARGE);
        let answer = memory.attach(Bytes::from(vec![7; LARGE]));
        let rest = answer.slice(10..);
        drop(answer);
        assert_eq!(free(&memory), 0);
        assert_eq!(rest.len(), LARGE - 10);
        drop(rest);
        assert_eq!(free(&memory), 100);
    }
}
