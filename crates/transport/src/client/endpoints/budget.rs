//! How many retries there may be: a tenth of the calls, so that servers in trouble do not drown in
//! them.

use std::time::{Duration, Instant};

/// Thousandths of a retry.
type Milli = u64;

/// What one retry costs.
const RETRY: Milli = 1000;
/// What each call adds: a tenth of a retry.
const CALL: Milli = RETRY / 10;
/// What each second adds, whatever the number of calls: clients that make few calls may retry too.
const SECOND: Milli = 10 * RETRY;
/// Time adds no further than this: five seconds' worth. It is also what there is at the beginning.
const RESERVE: Milli = 50 * RETRY;
/// Calls add no further than this.
const MAX: Milli = 1000 * RETRY;

/// A bucket of retries. Every call adds a tenth of one, up to 1000; each second adds ten as long as
/// there are fewer than 50; a retry, or the second attempt of a hedged call, takes one.
#[derive(Debug)]
pub(crate) struct RetryBudget {
    left: Milli,
    /// How many calls, and until when the time, have been added.
    calls: u64,
    time: Instant,
}

impl RetryBudget {
    pub(crate) fn new(now: Instant) -> Self {
        Self { left: RESERVE, calls: 0, time: now }
    }

    /// Takes one retry, if there is one. `calls` is how many calls there have ever been.
    pub(crate) fn take(&mut self, calls: u64, now: Instant) -> bool {
        self.add(calls, now);
        let enough = self.left >= RETRY;
        if enough {
            self.left -= RETRY;
        }
        enough
    }

    /// How many retries are left.
    pub(crate) fn left(&mut self, calls: u64, now: Instant) -> u64 {
        self.add(calls, now);
        self.left / RETRY
    }

    fn add(&mut self, calls: u64, now: Instant) {
        let elapsed = now.saturating_duration_since(self.time);
        let milliseconds = u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX);
        // What is less than a millisecond counts the next time.
        self.time += Duration::from_millis(milliseconds);
        if self.left < RESERVE {
            let trickle = milliseconds.saturating_mul(SECOND / 1000);
            self.left = self.left.saturating_add(trickle).min(RESERVE);
        }
        let new = calls.saturating_sub(self.calls);
        self.calls = self.calls.max(calls);
        self.left = self.left.saturating_add(new.saturating_mul(CALL)).min(MAX);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How many can be taken at once.
    fn drain(budget: &mut RetryBudget, calls: u64, now: Instant) -> usize {
        std::iter::from_fn(|| budget.take(calls, now).then_some(())).count()
    }

    #[test]
    fn at_the_beginning_there_is_the_reserve_and_no_more() {
        let now = Instant::now();
        let mut budget = RetryBudget::new(now);
        assert_eq!(budget.left(0, now), 50);
        assert_eq!(drain(&mut budget, 0, now), 50);
        assert_eq!(budget.left(0, now), 0);
    }

    #[test]
    fn ten_calls_are_worth_a_retry() {
        let now = Instant::now();
        let mut budget = RetryBudget::new(now);
        drain(&mut budget, 0, now);
        assert_eq!(drain(&mut budget, 9, now), 0);
        assert_eq!(drain(&mut budget, 10, now), 1);
        assert_eq!(drain(&mut budget, 10, now), 0);
        assert_eq!(drain(&mut budget, 1010, now), 100);
    }

    #[test]
    fn the_calls_of_the_past_are_worth_a_thousand_at_most() {
        let now = Instant::now();
        let mut budget = RetryBudget::new(now);
        assert_eq!(drain(&mut budget, 1_000_000, now), 1000);
        assert_eq!(drain(&mut budget, u64::MAX, now), 1000);
    }

    #[test]
    fn each_second_is_worth_ten_up_to_the_reserve() {
        let start = Instant::now();
        let mut budget = RetryBudget::new(start);
        drain(&mut budget, 0, start);
        let after = |milliseconds| start + Duration::from_millis(milliseconds);
        assert_eq!(drain(&mut budget, 0, after(99)), 0);
        assert_eq!(drain(&mut budget, 0, after(100)), 1);
        assert_eq!(drain(&mut budget, 0, after(1100)), 10);
        assert_eq!(drain(&mut budget, 0, after(3_600_000)), 50);
    }

    #[test]
    fn time_takes_nothing_away_from_what_calls_have_added() {
        let start = Instant::now();
        let mut budget = RetryBudget::new(start);
        assert_eq!(budget.left(1000, start), 150);
        assert_eq!(budget.left(1000, start + Duration::from_secs(60)), 150);
    }

    #[test]
    fn parts_of_milliseconds_are_not_lost() {
        let start = Instant::now();
        let mut budget = RetryBudget::new(start);
        drain(&mut budget, 0, start);
        let mut now = start;
        for _ in 0..400 {
            now += Duration::from_micros(250);
            budget.left(0, now);
        }
        assert_eq!(budget.left(0, now), 1);
    }
}
