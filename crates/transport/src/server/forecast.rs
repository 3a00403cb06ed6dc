//! Predicts the size of a result, because memory is reserved before the function is called.

use crate::locks::Mutex;

/// Functions with higher numbers share forecasts.
const FUNCTIONS: usize = 1 << 16;
/// A smaller result lowers the proven size by 1/`MEMORY`, so fifty small results outweigh 8 MiB.
const MEMORY: usize = 8;
/// The same for the cautious size.
const FEAR: usize = 2;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Forecast {
    /// The size to reserve if it is available soon; at first the maximum.
    pub(crate) cautious: usize,
    /// The size of recent results; at first 0.
    pub(crate) proven: usize,
}

#[derive(Debug)]
pub(crate) struct Forecasts {
    unknown: Forecast,
    known: Mutex<Vec<Forecast>>,
}

impl Forecasts {
    pub(crate) fn new(max_result: usize) -> Self {
        let unknown = Forecast { cautious: max_result, proven: 0 };
        Self { unknown, known: Mutex::default() }
    }

    pub(crate) fn of(&self, function: u32) -> Forecast {
        self.known.lock().get(function as usize % FUNCTIONS).copied().unwrap_or(self.unknown)
    }

    pub(crate) fn learn(&self, function: u32, bytes: usize) {
        let place = function as usize % FUNCTIONS;
        let mut known = self.known.lock();
        if known.len() <= place {
            known.resize(place + 1, self.unknown);
        }
        let forgotten = |forecast: usize, parts| forecast - forecast.div_ceil(parts);
        let Forecast { cautious, proven } = &mut known[place];
        *proven = forgotten(*proven, MEMORY).max(bytes);
        *cautious = forgotten(*cautious, FEAR).max(*proven);
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
    fn large_results_count_at_once_and_small_ones_gradually() {
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
    fn the_cautious_size_shrinks_after_some_results() {
        let forecasts = Forecasts::new(MAX);
        forecasts.learn(0, 1000);
        assert_eq!(forecasts.of(0), Forecast { cautious: MAX / 2, proven: 1000 });
        (0..20).for_each(|_| forecasts.learn(0, 1000));
        assert_eq!(forecasts.of(0), Forecast { cautious: 1000, proven: 1000 });
    }

    #[test]
    fn large_function_numbers_take_no_memory() {
        let forecasts = Forecasts::new(MAX);
        forecasts.learn(u32::MAX, 5);
        assert!(forecasts.known.lock().len() <= 1 << 16);
        assert_eq!(forecasts.of(u32::MAX).proven, 5);
    }
}
