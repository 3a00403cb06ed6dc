//! What is known of how an endpoint ends connections without saying so, and what follows for using them
//! again: see docs/decisions/retries.md.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// A connection that was used less than this ago is used again only when no other is idle.
const BREATH: Duration = Duration::from_millis(1);
/// The rest that a connection needs when the server is suspected of closing after so many responses: the
/// end comes right behind the response, and is late only by what the server's scheduling takes.
const REST: Duration = Duration::from_millis(20);
/// A connection that ends within this after a response has not ended because it was idle.
const SOON: Duration = Duration::from_secs(1);
/// How long it is remembered after which idle time a server closes. It is not found out anew while it
/// is heeded, and may have been a server that ended for other reasons.
const MEMORY: Duration = Duration::from_secs(600);

/// What is known of an endpoint.
#[derive(Debug, Default)]
pub(super) struct Manners {
    known: Mutex<Known>,
}

#[derive(Debug, Default)]
struct Known {
    /// The least number of responses soon after which a connection ended, and no response had said so.
    closed_after: Option<u32>,
    /// The shortest time after which an idle connection was found closed, and when that was.
    closed_idle: Option<(Duration, Instant)>,
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
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Advice {
    closed_after: Option<u32>,
    max_idle: Duration,
}

impl Advice {
    /// Whether the connection may be used although another one would be better.
    pub(super) fn is_usable(&self, usage: Usage) -> bool {
        !self.is_suspected(usage) || usage.idle >= REST
    }

    /// Whether there is nothing against using the connection.
    pub(super) fn is_rested(&self, usage: Usage) -> bool {
        self.is_usable(usage) && usage.idle >= BREATH
    }

    /// Whether it has been idle for so long that it is not to be trusted.
    pub(super) fn is_stale(&self, usage: Usage) -> bool {
        usage.idle >= self.max_idle
    }

    fn is_suspected(&self, usage: Usage) -> bool {
        self.closed_after.is_some_and(|responses| usage.responses >= responses)
    }
}

impl Manners {
    pub(super) fn advice(&self, now: Instant) -> Advice {
        let known = self.known();
        let remembered = known.closed_idle.filter(|(_, at)| now.duration_since(*at) < MEMORY);
        Advice {
            closed_after: known.closed_after,
            // Found closed, it had been closed for a while perhaps.
            max_idle: remembered.map_or(Duration::MAX, |(idle, _)| idle / 2),
        }
    }

    /// A connection that was used like this was found closed, though its last response had not said
    /// that.
    pub(super) fn note_closed(&self, usage: Usage, now: Instant) {
        let Usage { responses, idle } = usage;
        let mut known = self.known();
        if idle < SOON {
            known.closed_after = Some(known.closed_after.map_or(responses, |n| n.min(responses)));
        } else {
            let shortest = known.closed_idle.map_or(idle, |(shortest, _)| shortest.min(idle));
            known.closed_idle = Some((shortest, now));
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

#[cfg(test)]
mod tests {
    use super::*;

    const MOMENT: Duration = Duration::from_millis(1);

    fn usage(responses: u32, idle: u64) -> Usage {
        Usage { responses, idle: Duration::from_millis(idle) }
    }

    #[test]
    fn nobody_is_suspected_without_a_reason() {
        let advice = Manners::default().advice(Instant::now());
        assert!(advice.is_usable(usage(u32::MAX, 0)));
        assert!(!advice.is_rested(usage(1, 0)) && advice.is_rested(usage(1, 1)));
        assert!(!advice.is_stale(usage(1, u64::from(u32::MAX))));
    }

    #[test]
    fn connections_with_as_many_responses_as_one_that_was_closed_have_to_rest() {
        let (manners, now) = (Manners::default(), Instant::now());
        for responses in [9, 7, 8] {
            manners.note_closed(usage(responses, 999), now);
        }
        let advice = manners.advice(now);
        assert!(advice.is_usable(usage(6, 0)) && !advice.is_usable(usage(7, 19)));
        assert!(advice.is_rested(usage(7, 20)));
    }

    #[test]
    fn suspicion_ends_with_a_connection_that_is_open_against_it() {
        let (manners, now) = (Manners::default(), Instant::now());
        manners.note_closed(usage(7, 0), now);
        for innocent in [usage(6, 20), usage(7, 19)] {
            manners.note_open(innocent);
            assert!(!manners.advice(now).is_usable(usage(7, 0)));
        }
        manners.note_open(usage(7, 20));
        assert!(manners.advice(now).is_usable(usage(7, 0)));
    }

    #[test]
    fn the_shortest_idle_time_that_was_too_long_is_remembered_for_a_while() {
        let (manners, now) = (Manners::default(), Instant::now());
        for idle in [8000, 5000, 6000] {
            manners.note_closed(usage(1, idle), now);
        }
        let advice = manners.advice(now + MEMORY - MOMENT);
        assert!(!advice.is_stale(usage(1, 2499)) && advice.is_stale(usage(1, 2500)));
        assert!(!manners.advice(now + MEMORY).is_stale(usage(1, 8000)));
    }
}
