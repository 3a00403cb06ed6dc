use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use backwater_protocol::server::{Callers, Refusal};

use super::exceptions::ExceptionClass;
use super::options::{CallerStats, ExceptionStats};
use crate::locks::Mutex;

pub(crate) struct Counts {
    calls: AtomicU64,
    /// Error, exit, throw.
    exceptions: [AtomicU64; 3],
    refused: Mutex<BTreeMap<&'static str, u64>>,
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

    pub(crate) fn keep_callers(&self, callers: &Callers) {
        let mut counts = self.callers.lock();
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
        *self.refused.lock().entry(refusal.reason()).or_default() += 1;
        self.of_caller(refusal.caller(), |stats| stats.refused += 1);
    }

    fn of_caller(&self, caller: Option<&Arc<str>>, count: impl FnOnce(&mut CallerStats)) {
        let Some(name) = caller else { return };
        // A removed caller has no counters.
        if let Some(stats) = self.callers.lock().get_mut(name) {
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
        self.refused.lock().clone()
    }

    pub(crate) fn callers(&self) -> BTreeMap<Arc<str>, CallerStats> {
        self.callers.lock().clone()
    }
}
