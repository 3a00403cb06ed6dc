//! How much memory the result of a call is going to take, judged by earlier results of its function.
//!
//! A result has to have room before its function is called: once the function has returned, the result
//! is there. How large it is going to be is not known then, so a call reserves what recent results of
//! its function took. A function about which little is known is expected to use all that it may.

use std::sync::{Mutex, MutexGuard, PoisonError};

/// Functions of higher numbers share a forecast with one of a lower number.
const FUNCTIONS: usize = 1 << 16;
/// What was proven is forgotten by one part in so many with each smaller result: it takes some fifty
/// small results until a function that has returned 8 MiB counts as small again.
const MEMORY: usize = 8;
/// The same for what was only feared.
const FEAR: usize = 2;

/// What the next result of a function may take, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Forecast {
    /// What to reserve where it can be had soon; at first all that a result may take.
    pub(crate) cautious: usize,
    /// What results have taken lately; at first nothing.
    pub(crate) proven: usize,
}

/// The forecasts of all functions.
#[derive(Debug)]
pub(crate) struct Forecasts {
    unknown: Forecast,
    known: Mutex<Vec<Forecast>>,
}

impl Forecasts {
    /// `max_result`: how much the largest result takes.
    pub(crate) fn new(max_result: usize) -> Self {
        let unknown = Forecast { cautious: max_result, proven: 0 };
        Self { unknown, known: Mutex::default() }
    }

    pub(crate) fn of(&self, function: u32) -> Forecast {
        self.known().get(function as usize % FUNCTIONS).copied().unwrap_or(self.unknown)
    }

    /// Learns that a result took so many bytes.
    pub(crate) fn learn(&self, function: u32, bytes: usize) {
        let place = function as usize % FUNCTIONS;
        let mut known = self.known();
        if known.len() <= place {
            known.resize(place + 1, self.unknown);
        }
        let forgotten = |forecast: usize, parts| forecast - forecast.div_ceil(parts);
        let Forecast { cautious, proven } = &mut known[place];
        *proven = forgotten(*proven, MEMORY).max(bytes);
        *cautious = forgotten(*cautious, FEAR).max(*proven);
    }

    fn known(&self) -> MutexGuard<'_, Vec<Forecast>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::{Forecast, Forecasts};

    const MAX: usize = 8 << 20;

    #[test]
    fn a_function_may_return_anything_at_first() {
        let forecasts = Forecasts::new(MAX);
        assert_eq!(forecasts.of(7), Forecast { cautious: MAX, proven: 0 });
        forecasts.learn(9, 1000);
        assert_eq!(forecasts.of(7), Forecast { cautious: MAX, proven: 0 });
        assert_eq!(forecasts.of(9).proven, 1000);
    }

    #[test]
    fn a_large_result_counts_at_once_and_small_ones_by_and_by() {
        let forecasts = Forecasts::new(MAX);
        forecasts.learn(0, 2 * MAX);
        assert_eq!(forecasts.of(0), Forecast { cautious: 2 * MAX, proven: 2 * MAX });
        forecasts.learn(0, 0);
        let proven = 2 * MAX - MAX / 4;
        assert_eq!(forecasts.of(0), Forecast { cautious: proven, proven });
        (0..60).for_each(|_| forecasts.learn(0, 0));
        assert!(forecasts.of(0).cautious < 16 * 1024);
        (0..60).for_each(|_| forecasts.learn(0, 0));
        assert_eq!(forecasts.of(0), Forecast { cautious: 0, proven: 0 });
    }

    #[test]
    fn what_was_only_feared_is_forgotten_after_some_results() {
        let forecasts = Forecasts::new(MAX);
        forecasts.learn(0, 1000);
        assert_eq!(forecasts.of(0), Forecast { cautious: MAX / 2, proven: 1000 });
        (0..20).for_each(|_| forecasts.learn(0, 1000));
        assert_eq!(forecasts.of(0), Forecast { cautious: 1000, proven: 1000 });
    }

    #[test]
    fn numbers_of_functions_take_no_memory() {
        let forecasts = Forecasts::new(MAX);
        forecasts.learn(u32::MAX, 5);
        assert!(forecasts.known().len() <= 1 << 16);
        assert_eq!(forecasts.of(u32::MAX).proven, 5);
    }
}
