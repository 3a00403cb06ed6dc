//! Counters of a server since its start.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use backwater_protocol::server::{Callers, Refusal};

use super::exceptions::ExceptionClass;
use super::options::{CallerStats, ExceptionStats};

pub(crate) struct Counts {
    calls: AtomicU64,
    /// By class: error, exit, throw.
    exceptions: [AtomicU64; 3],
    refused: Mutex<BTreeMap<&'static str, u64>>,
    /// All named callers.
    callers: Mutex<BTreeMap<Arc<str>, CallerStats>>,
}

impl Counts {
    pub(crate) fn new(callers: &Callers) -> Self {
        let counts = Self {
            calls: AtomicU64::new(0),
            exceptions: Default::default(),
            refused: Mutex::default(),
            callers: Mutex::default(),
        };
        counts.keep_callers(callers);
        counts
    }

    /// Keeps the counters of these callers and drops others.
    pub(crate) fn keep_callers(&self, callers: &Callers) {
        let mut counts = locked(&self.callers);
        let before = std::mem::take(&mut *counts);
        let of = |name: &Arc<str>| before.get(name).copied().unwrap_or_default();
        *counts = callers.names().map(|name| (Arc::clone(name), of(name))).collect();
    }

    pub(crate) fn call(&self, caller: Option<&Arc<str>>) {
        self.calls.fetch_add(1, Ordering::Relaxed);
        self.of_caller(caller, |stats| stats.calls += 1);
    }

    pub(crate) fn exception(&self, class: ExceptionClass) {
        self.exceptions[class as usize].fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn refusal(&self, refusal: &Refusal) {
        *locked(&self.refused).entry(refusal.reason()).or_default() += 1;
        self.of_caller(refusal.caller(), |stats| stats.refused += 1);
    }

    fn of_caller(&self, caller: Option<&Arc<str>>, count: impl FnOnce(&mut CallerStats)) {
        let Some(name) = caller else { return };
        // A caller that was removed meanwhile has no counters.
        if let Some(stats) = locked(&self.callers).get_mut(name) {
            count(stats);
        }
    }

    pub(crate) fn calls(&self) -> u64 {
        self.calls.load(Ordering::Relaxed)
    }

    pub(crate) fn exceptions(&self) -> ExceptionStats {
        let [error, exit, throw] =
            self.exceptions.each_ref().map(|count| count.load(Ordering::Relaxed));
        ExceptionStats { error, exit, throw }
    }

    pub(crate) fn refused(&self) -> BTreeMap<&'static str, u64> {
        locked(&self.refused).clone()
    }

    pub(crate) fn callers(&self) -> BTreeMap<Arc<str>, CallerStats> {
        locked(&self.callers).clone()
    }
}

/// Nothing panics while the lock is held.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
