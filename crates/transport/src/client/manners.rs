//! What is known of how an endpoint ends connections without saying so, and what follows for using them
//! again: see docs/decisions/retries.md.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// A connection that was used less than this ago is used again only when no other is idle.
const BREATH: Duration = Duration::from_millis(1);
/// The rest that a connection needs when the server is suspected of closing after so many responses: the
/// end comes right behind the response, and is late only by what the server's scheduling takes.
const REST: Duration = Duration::from_millis(20);
/// A connection that was idle for less than this does not end because of that.
pub(super) const BRIEF: Duration = Duration::from_millis(50);
/// A connection that ends within this after a response has not ended because it was idle.
const SOON: Duration = Duration::from_secs(1);
/// How long connections are given up that were idle for about as long as one that was found closed:
/// meanwhile it is not found out whether that had another reason, and is tried with care afterwards.
const MEMORY: Duration = Duration::from_secs(60);

/// What is known of an endpoint.
#[derive(Debug, Default)]
pub(super) struct Manners {
    known: Mutex<Known>,
}

#[derive(Debug, Default)]
struct Known {
    /// One more than the most responses after which a connection was used again.
    used_after: u32,
    /// The longest time after which an idle connection was used again.
    used_idle: Duration,
    /// The least number of responses soon after which a connection ended, and no response had said so.
    closed_after: Option<u32>,
    /// The shortest time after which an idle connection was found closed, and when that was.
    closed_idle: Option<ClosedIdle>,
}

#[derive(Clone, Copy, Debug)]
struct ClosedIdle {
    after: Duration,
    at: Instant,
}

impl ClosedIdle {
    /// Whether a connection that has been idle for so long may be near its end. This one, found closed,
    /// had been closed for a while perhaps.
    fn is_near(self, idle: Duration) -> bool {
        idle >= self.after / 2
    }
}

/// How a connection was used.
#[derive(Clone, Copy, Debug)]
pub(super) struct Usage {
    /// How many responses it has brought.
    pub(super) responses: u32,
    /// How long it has been idle since.
    pub(super) idle: Duration,
}

/// Which idle connections to use.
#[derive(Clone, Copy, Debug)]
pub(super) struct Advice {
    closed_after: Option<u32>,
    closed_idle: Option<ClosedIdle>,
}

impl Advice {
    /// Whether it has been idle for so long that a new one is better.
    pub(super) fn is_stale(&self, usage: Usage) -> bool {
        self.closed_idle.is_some_and(|closed| closed.is_near(usage.idle))
    }

    /// Whether the connection may be used although another one would be better.
    pub(super) fn is_usable(&self, usage: Usage) -> bool {
        !self.is_suspected(usage) || usage.idle >= REST
    }

    /// Whether there is nothing against using the connection.
    pub(super) fn is_rested(&self, usage: Usage) -> bool {
        self.is_usable(usage) && self.has_breathed(usage)
    }

    /// Whether it was used long enough ago to be used again before others.
    pub(super) fn has_breathed(&self, usage: Usage) -> bool {
        usage.idle >= BREATH
    }

    fn is_suspected(&self, usage: Usage) -> bool {
        self.closed_after.is_some_and(|responses| usage.responses >= responses)
    }
}

impl Manners {
    pub(super) fn advice(&self, now: Instant) -> Advice {
        let known = self.known();
        let closed_idle = known.closed_idle.filter(|closed| now.duration_since(closed.at) < MEMORY);
        Advice { closed_after: known.closed_after, closed_idle }
    }

    /// Whether the server may be about to close the connection for all that is known: it has never been
    /// seen to go on after so many responses, or after such a time, or has been seen to close after it.
    pub(super) fn is_doubtful(&self, usage: Usage) -> bool {
        let Usage { responses, idle } = usage;
        let known = self.known();
        let is_first_number = is_likely_limit(responses) && responses >= known.used_after;
        let is_first_time = idle >= BRIEF && idle > known.used_idle.saturating_mul(2);
        let nears_closing = known.closed_idle.is_some_and(|closed| closed.is_near(idle));
        is_first_number || is_first_time || nears_closing
    }

    /// A connection that was used like this has brought another response.
    pub(super) fn note_used(&self, usage: Usage) {
        let mut known = self.known();
        known.used_after = known.used_after.max(usage.responses.saturating_add(1));
        known.used_idle = known.used_idle.max(usage.idle);
        // Then it had not closed because of the time.
        known.closed_idle = known.closed_idle.filter(|closed| usage.idle < closed.after);
    }

    /// A connection that was used like this was found closed, though its last response had not said
    /// that.
    pub(super) fn note_closed(&self, usage: Usage, now: Instant) {
        let Usage { responses, idle } = usage;
        let mut known = self.known();
        known.used_after = known.used_after.min(responses);
        if idle < SOON {
            known.closed_after = Some(known.closed_after.map_or(responses, |n| n.min(responses)));
        }
        if idle >= BRIEF {
            let after = known.closed_idle.map_or(idle, |closed| closed.after.min(idle));
            known.closed_idle = Some(ClosedIdle { after, at: now });
        }
    }

    /// A connection that was used like this was found open. Where that is against what was suspected,
    /// the server had another reason.
    pub(super) fn note_open(&self, usage: Usage) {
        let mut known = self.known();
        if usage.idle >= REST && known.closed_after.is_some_and(|n| usage.responses >= n) {
            known.closed_after = None;
        }
    }

    /// Nothing panics while this is held.
    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// After how many responses a server may be set to close: few, or a number that people choose. Each costs
/// every program a pause, so they are not many.
fn is_likely_limit(responses: u32) -> bool {
    matches!(responses, 0..=8 | 10 | 20 | 25 | 30 | 50 | 100 | 150 | 200 | 250 | 300 | 500)
        || matches!(responses, 1_000 | 2_000 | 5_000 | 10_000)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn usage(responses: u32, idle: u64) -> Usage {
        Usage { responses, idle: Duration::from_millis(idle) }
    }

    #[test]
    fn nobody_is_suspected_without_a_reason() {
        let advice = Manners::default().advice(Instant::now());
        assert!(advice.is_usable(usage(u32::MAX, 0)));
        assert!(!advice.is_rested(usage(1, 0)) && advice.is_rested(usage(1, 1)));
    }

    #[test]
    fn connections_with_as_many_responses_as_one_that_was_closed_have_to_rest() {
        let manners = Manners::default();
        for responses in [9, 7, 8] {
            manners.note_closed(usage(responses, 999), Instant::now());
        }
        let advice = manners.advice(Instant::now());
        assert!(advice.is_usable(usage(6, 0)) && !advice.is_usable(usage(7, 19)));
        assert!(advice.is_rested(usage(7, 20)));
    }

    #[test]
    fn few_calls_are_held_back() {
        let likely = |limits: std::ops::RangeInclusive<u32>| {
            limits.filter(|&responses| is_likely_limit(responses)).count()
        };
        assert!(likely(0..=100) <= 15);
        assert!(likely(101..=100_000) <= 9);
    }

    #[test]
    fn what_was_never_done_is_doubtful_until_it_has_gone_well() {
        let manners = Manners::default();
        for responses in (0..=8).chain([10, 25, 50, 100, 200, 250, 500, 1_000, 10_000]) {
            assert!(manners.is_doubtful(usage(responses, 0)), "{responses}");
            manners.note_used(usage(responses, 0));
            assert!(!manners.is_doubtful(usage(responses, 0)), "{responses}");
        }
        assert!(!manners.is_doubtful(usage(10_050, 0)));
        let manners = Manners::default();
        for responses in [9, 11, 40, 110, 199, 350, 1_050, 1_100, 10_001, 20_000] {
            assert!(!manners.is_doubtful(usage(responses, 0)), "{responses}");
        }
    }

    #[test]
    fn idle_times_are_untried_until_half_of_them_went_well() {
        let manners = Manners::default();
        manners.note_used(usage(1, 0));
        assert!(!manners.is_doubtful(usage(1, 49)) && manners.is_doubtful(usage(1, 50)));
        manners.note_used(usage(1, 50));
        assert!(!manners.is_doubtful(usage(1, 100)) && manners.is_doubtful(usage(1, 101)));
    }

    #[test]
    fn what_has_gone_wrong_is_doubtful_again() {
        let manners = Manners::default();
        manners.note_used(usage(9, 0));
        manners.note_closed(usage(7, 0), Instant::now());
        assert!(!manners.is_doubtful(usage(6, 0)) && manners.is_doubtful(usage(7, 0)));
    }

    #[test]
    fn suspicion_ends_with_a_connection_that_is_open_against_it() {
        let manners = Manners::default();
        manners.note_closed(usage(7, 0), Instant::now());
        for innocent in [usage(6, 20), usage(7, 19)] {
            manners.note_open(innocent);
            assert!(!manners.advice(Instant::now()).is_usable(usage(7, 0)));
        }
        manners.note_open(usage(7, 20));
        assert!(manners.advice(Instant::now()).is_usable(usage(7, 0)));
    }

    #[test]
    fn idle_times_near_the_shortest_after_which_it_closed_are_doubtful() {
        let manners = Manners::default();
        manners.note_used(usage(1, 4000));
        for idle in [8000, 5000, 6000] {
            manners.note_closed(usage(9, idle), Instant::now());
        }
        assert!(!manners.is_doubtful(usage(1, 2499)) && manners.is_doubtful(usage(1, 2500)));
        manners.note_used(usage(1, 4999));
        assert!(manners.is_doubtful(usage(1, 2500)));
        manners.note_used(usage(1, 5000));
        assert!(!manners.is_doubtful(usage(1, 2500)));
    }

    #[test]
    fn what_was_idle_for_about_as_long_as_one_that_was_closed_is_given_up_for_a_while() {
        let (manners, now) = (Manners::default(), Instant::now());
        assert!(!manners.advice(now).is_stale(usage(1, u64::from(u32::MAX))));
        manners.note_closed(usage(1, 5000), now);
        let moment = Duration::from_millis(1);
        let advice = manners.advice(now + MEMORY - moment);
        assert!(!advice.is_stale(usage(1, 2499)) && advice.is_stale(usage(1, 2500)));
        assert!(!manners.advice(now + MEMORY).is_stale(usage(1, 5000)));
        assert!(manners.is_doubtful(usage(1, 2500)));
    }
}
