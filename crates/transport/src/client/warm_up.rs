//! Connections that are made ahead of calls.

use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::{Duration, Instant};

use tokio::time::sleep;

use super::Shared;
use super::endpoint_pool::EndpointPool;

/// How often it is looked whether connections are missing.
const PERIOD: Duration = Duration::from_secs(1);
/// The pause after the first failure; it doubles with every further one.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
/// The pause grows to this.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// Keeps as many connections to each endpoint as there should be, until the client is closed or gone.
pub(super) async fn keep_warm(client: Weak<Shared>) {
    loop {
        let Some(shared) = client.upgrade() else { return };
        if shared.is_closing() {
            return;
        }
        for pool in shared.directory.pools_to_warm() {
            warm_up(&pool, shared.options.connect_timeout);
        }
        drop(shared);
        sleep(PERIOD).await;
    }
}

/// The state of an endpoint's warm-up.
#[derive(Debug, Default)]
pub(super) struct WarmUp {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// Connections that are being made.
    under_way: usize,
    failures: u32,
    not_before: Option<Instant>,
}

impl WarmUp {
    /// How many connections to begin with now, of so many that are missing.
    fn begin(&self, missing: usize, now: Instant) -> usize {
        let mut state = self.state();
        if state.not_before.is_some_and(|time| now < time) {
            return 0;
        }
        let count = missing.saturating_sub(state.under_way);
        state.under_way += count;
        count
    }

    fn end(&self, succeeded: bool, now: Instant) {
        let mut state = self.state();
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

    /// Nothing panics while this is held.
    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn warm_up(pool: &Arc<EndpointPool>, limit: Duration) {
    for _ in 0..pool.warm_up.begin(pool.missing(), Instant::now()) {
        let pool = Arc::clone(pool);
        tokio::spawn(async move {
            let prepared = pool.prepare(limit).await;
            pool.warm_up.end(prepared.is_ok(), Instant::now());
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_under_way_is_not_begun_twice() {
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
