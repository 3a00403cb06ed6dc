//! Protection against replayed and misdirected requests. A signed `x-backwater-created` must be
//! recent, and the signature is remembered for that long.

use std::collections::HashSet;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use http::StatusCode;

use crate::Timestamp;
use crate::signature::Tag;

/// 128 bits of an HMAC identify a request.
pub(crate) type SignaturePrefix = [u8; 16];

pub(crate) fn prefix_of(signature: &Tag) -> SignaturePrefix {
    std::array::from_fn(|index| signature[index])
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReplayPolicy {
    /// Refuses requests without a timestamp and, if there are `audiences`, without an audience.
    pub required: bool,
    /// The server's names. If empty, any audience is accepted.
    pub audiences: Vec<String>,
    /// Between the clocks of both sides. Default 60 s.
    pub max_clock_difference: Duration,
    /// Requests to remember, at 40 bytes each, for two to four times `max_clock_difference`.
    /// Default 1,000,000.
    pub capacity: usize,
}

impl ReplayPolicy {
    pub fn new(required: bool) -> Self {
        Self {
            required,
            audiences: Vec::new(),
            max_clock_difference: Duration::from_secs(60),
            capacity: 1_000_000,
        }
    }
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Claims<'a> {
    /// `Err` if malformed.
    pub(crate) created: Option<Result<Timestamp, ()>>,
    pub(crate) audience: Option<&'a [u8]>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ReplayFailure {
    MissingCreated,
    InvalidCreated,
    MissingAudience,
    WrongAudience,
    Stale,
    Replayed,
    /// Seconds until there may be room.
    Full(u32),
}

impl ReplayFailure {
    pub(crate) fn status(self) -> StatusCode {
        match self {
            Self::Full(_) => StatusCode::SERVICE_UNAVAILABLE,
            _ => StatusCode::UNAUTHORIZED,
        }
    }

    pub(crate) fn reason(self) -> &'static str {
        match self {
            Self::MissingCreated => "missing_created",
            Self::InvalidCreated => "invalid_created",
            Self::MissingAudience => "missing_audience",
            Self::WrongAudience => "wrong_audience",
            Self::Stale => "stale_request",
            Self::Replayed => "replayed_request",
            Self::Full(_) => "replay_memory_full",
        }
    }
}

pub struct ReplayGuard {
    policy: ReplayPolicy,
    memory: Mutex<Memory>,
}

impl ReplayGuard {
    /// Refuses requests made before `now`, which an earlier process may have accepted.
    pub fn new(policy: ReplayPolicy, now: Timestamp) -> Self {
        Self { policy, memory: Mutex::new(Memory::new(now)) }
    }

    pub(crate) fn check(
        &self,
        claims: Claims<'_>,
        signature: SignaturePrefix,
        now: Timestamp,
    ) -> Result<(), ReplayFailure> {
        self.check_audience(claims.audience)?;
        let created = match claims.created {
            Some(created) => created.map_err(|()| ReplayFailure::InvalidCreated)?,
            None if self.policy.required => return Err(ReplayFailure::MissingCreated),
            None => return Ok(()),
        };
        if created.distance(now) > self.policy.max_clock_difference {
            return Err(ReplayFailure::Stale);
        }
        self.memory().insert(signature, created, now, &self.policy)
    }

    fn check_audience(&self, audience: Option<&[u8]>) -> Result<(), ReplayFailure> {
        let ReplayPolicy { required, audiences, .. } = &self.policy;
        match audience {
            _ if audiences.is_empty() => Ok(()),
            None if *required => Err(ReplayFailure::MissingAudience),
            None => Ok(()),
            Some(audience) if audiences.iter().any(|name| name.as_bytes() == audience) => Ok(()),
            Some(_) => Err(ReplayFailure::WrongAudience),
        }
    }

    fn memory(&self) -> MutexGuard<'_, Memory> {
        // A partial update would be harmless.
        self.memory.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The older generation is dropped once the younger has lasted as long as a timestamp stays recent.
struct Memory {
    younger: Generation,
    older: Generation,
    began: Timestamp,
    /// Requests up to this time may have been forgotten, so they are refused even if the clock goes
    /// back.
    floor: Timestamp,
}

struct Generation {
    signatures: HashSet<SignaturePrefix>,
    latest: Timestamp,
}

impl Generation {
    fn new() -> Self {
        Self { signatures: HashSet::new(), latest: Timestamp::FIRST }
    }
}

impl Memory {
    fn new(now: Timestamp) -> Self {
        // Accepts requests made in the millisecond of the start.
        let floor =
            Timestamp::FIRST.plus(now.since(Timestamp::FIRST.plus(Duration::from_millis(1))));
        Self { younger: Generation::new(), older: Generation::new(), began: now, floor }
    }

    fn len(&self) -> usize {
        self.younger.signatures.len() + self.older.signatures.len()
    }

    fn insert(
        &mut self,
        signature: SignaturePrefix,
        created: Timestamp,
        now: Timestamp,
        policy: &ReplayPolicy,
    ) -> Result<(), ReplayFailure> {
        // How long a timestamp can stay recent.
        let span = policy.max_clock_difference.saturating_mul(2).max(Duration::from_millis(1));
        while now.since(self.began) > span && self.len() > 0 {
            self.forget_older(self.began.plus(span));
        }
        if now.since(self.began) > span {
            self.began = now;
        }
        if created <= self.floor {
            return Err(ReplayFailure::Stale);
        }
        if self.older.signatures.contains(&signature)
            || self.younger.signatures.contains(&signature)
        {
            return Err(ReplayFailure::Replayed);
        }
        if self.len() >= policy.capacity {
            let left = span.saturating_sub(now.since(self.began));
            let seconds = u32::try_from(left.as_secs()).unwrap_or(u32::MAX);
            return Err(ReplayFailure::Full(seconds.saturating_add(1)));
        }
        self.younger.signatures.insert(signature);
        self.younger.latest = self.younger.latest.max(created);
        Ok(())
    }

    fn forget_older(&mut self, began: Timestamp) {
        if !self.older.signatures.is_empty() {
            self.floor = self.floor.max(self.older.latest);
        }
        self.older = std::mem::replace(&mut self.younger, Generation::new());
        self.began = began;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: u64 = 1_000_000;
    const SECOND: u64 = 1000;

    fn at(milliseconds: u64) -> Timestamp {
        Timestamp::FIRST.plus(Duration::from_millis(milliseconds))
    }

    fn signature(number: u64) -> SignaturePrefix {
        u128::from(number).to_be_bytes()
    }

    fn guard(change: impl FnOnce(&mut ReplayPolicy)) -> ReplayGuard {
        let mut policy = ReplayPolicy::new(true);
        change(&mut policy);
        ReplayGuard::new(policy, at(START))
    }

    fn stamp(created: u64) -> Claims<'static> {
        Claims { created: Some(Ok(at(created))), audience: None }
    }

    #[test]
    fn the_clocks_may_differ_by_a_minute_either_way() {
        let guard = guard(|_| ());
        let now = START + 500 * SECOND;
        for (number, created, expected) in [
            (1, now, Ok(())),
            (2, now - 60 * SECOND, Ok(())),
            (3, now - 60 * SECOND - 1, Err(ReplayFailure::Stale)),
            (4, now + 60 * SECOND, Ok(())),
            (5, now + 60 * SECOND + 1, Err(ReplayFailure::Stale)),
            (6, 0, Err(ReplayFailure::Stale)),
        ] {
            assert_eq!(
                guard.check(stamp(created), signature(number), at(now)),
                expected,
                "{number}"
            );
        }
        assert_eq!(guard.memory().len(), 3);
    }

    #[test]
    fn requests_from_before_the_start_are_refused() {
        let guard = guard(|_| ());
        let now = at(START + SECOND);
        assert_eq!(guard.check(stamp(START - 1), signature(1), now), Err(ReplayFailure::Stale));
        assert_eq!(guard.check(stamp(START), signature(2), now), Ok(()));
    }

    #[test]
    fn a_request_is_accepted_once() {
        let guard = guard(|_| ());
        let first = START + 200 * SECOND;
        let created = first + 60 * SECOND;
        assert_eq!(guard.check(stamp(created), signature(1), at(first)), Ok(()));
        for second in 0..400 {
            let now = at(first + second * SECOND);
            let other = stamp(first + second * SECOND);
            assert_eq!(guard.check(other, signature(1000 + second), now), Ok(()));
            let expected =
                if second <= 120 { ReplayFailure::Replayed } else { ReplayFailure::Stale };
            assert_eq!(guard.check(stamp(created), signature(1), now), Err(expected), "{second}");
        }
        assert!(guard.memory().len() <= 242, "{} are remembered", guard.memory().len());
    }

    #[test]
    fn a_clock_jump_allows_no_replay() {
        let guard = guard(|_| ());
        let first = START + 100 * SECOND;
        assert_eq!(guard.check(stamp(first), signature(1), at(first)), Ok(()));
        // An hour ahead and back.
        let ahead = first + 3600 * SECOND;
        assert_eq!(guard.check(stamp(ahead), signature(2), at(ahead)), Ok(()));
        let again = guard.check(stamp(first), signature(1), at(first + SECOND));
        assert_eq!(again, Err(ReplayFailure::Stale));
        let new = first + 2 * SECOND;
        assert_eq!(guard.check(stamp(new), signature(3), at(new)), Ok(()));
    }

    #[test]
    fn a_full_memory_refuses_rather_than_forgets() {
        let guard = guard(|policy| policy.capacity = 3);
        let now = START + 10 * SECOND;
        for number in 1..=3 {
            assert_eq!(guard.check(stamp(now), signature(number), at(now)), Ok(()));
        }
        let full = guard.check(stamp(now), signature(4), at(now));
        assert_eq!(full, Err(ReplayFailure::Full(111)));
        assert_eq!(
            guard.check(stamp(now), signature(3), at(now)),
            Err(ReplayFailure::Replayed),
            "it is remembered anyway"
        );
        let later = START + 250 * SECOND;
        assert_eq!(guard.check(stamp(later), signature(5), at(later)), Ok(()));
        assert_eq!(guard.memory().len(), 1);
    }

    #[test]
    fn required_timestamps_must_be_present() {
        let now = at(START);
        let none = Claims { created: None, audience: None };
        let bad = Claims { created: Some(Err(())), audience: None };
        let required = guard(|_| ());
        let preferred = guard(|policy| policy.required = false);
        assert_eq!(required.check(none, signature(1), now), Err(ReplayFailure::MissingCreated));
        assert_eq!(preferred.check(none, signature(1), now), Ok(()));
        assert_eq!(preferred.check(none, signature(1), now), Ok(()), "it was not remembered");
        for guard in [required, preferred] {
            assert_eq!(guard.check(bad, signature(2), now), Err(ReplayFailure::InvalidCreated));
        }
    }

    #[test]
    fn a_request_for_another_audience_is_refused() {
        let now = at(START);
        let of = |audience| Claims { audience, ..stamp(START) };
        let named = |required| {
            guard(|policy| {
                policy.required = required;
                policy.audiences = vec!["billing".into(), "billing-2".into()];
            })
        };
        for guard in [named(true), named(false)] {
            for (number, name) in [(1, "billing"), (2, "billing-2")] {
                assert_eq!(guard.check(of(Some(name.as_bytes())), signature(number), now), Ok(()));
            }
            for name in ["", "Billing", "billing-3", "billing,billing-2"] {
                let refused = guard.check(of(Some(name.as_bytes())), signature(3), now);
                assert_eq!(refused, Err(ReplayFailure::WrongAudience), "{name:?}");
            }
        }
        assert_eq!(
            named(true).check(of(None), signature(4), now),
            Err(ReplayFailure::MissingAudience)
        );
        assert_eq!(named(false).check(of(None), signature(4), now), Ok(()));
        assert_eq!(guard(|_| ()).check(of(Some(b"billing")), signature(5), now), Ok(()));
    }
}
