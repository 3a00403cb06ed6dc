use std::time::{Duration, Instant};

use crate::locks::Mutex;

const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

#[derive(Debug, Default)]
pub(super) struct WarmUp {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    under_way: usize,
    failures: u32,
    not_before: Option<Instant>,
}

impl WarmUp {
    pub(super) fn begin(&self, missing: usize, now: Instant) -> usize {
        let mut state = self.state.lock();
        if state.not_before.is_some_and(|time| now < time) {
            return 0;
        }
        let count = missing.saturating_sub(state.under_way);
        state.under_way += count;
        count
    }

    pub(super) fn end(&self, succeeded: bool, now: Instant) {
        let mut state = self.state.lock();
        state.under_way -= 1;
        if succeeded {
            state.failures = 0;
            state.not_before = None;
        } else {
            let pause = FIRST_PAUSE.saturating_mul(1 << state.failures.min(5)).min(LONGEST_PAUSE);
            state.failures = state.failures.saturating_add(1);
            state.not_before = Some(now + pause);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connections_being_opened_are_not_opened_twice() {
        let (warm_up, now) = (WarmUp::default(), Instant::now());
        assert_eq!(warm_up.begin(3, now), 3);
        assert_eq!(warm_up.begin(3, now), 0);
        warm_up.end(true, now);
        assert_eq!(warm_up.begin(4, now), 2);
    }

    #[test]
    fn pauses_grow_with_failures_and_end_with_success() {
        let (warm_up, start) = (WarmUp::default(), Instant::now());
        let mut now = start;
        for seconds in [1, 2, 4, 8, 16, 30, 30] {
            assert_eq!(warm_up.begin(1, now), 1);
            warm_up.end(false, now);
            now += Duration::from_secs(seconds);
            assert_eq!(warm_up.begin(1, now - Duration::from_millis(1)), 0, "{seconds}");
        }
        assert_eq!(warm_up.begin(2, now), 2);
        warm_up.end(true, now);
        warm_up.end(false, now);
        assert_eq!(warm_up.begin(1, now + FIRST_PAUSE), 1);
    }
}
