//! The health of an endpoint.
//!
//! A failing endpoint is ejected for a pause that doubles with each failure. Then a probe opens a
//! connection, and the endpoint is half open: it gets one call, and more once that call is
//! answered.

use std::time::{Duration, Instant};

const FIRST_PAUSE: Duration = Duration::from_millis(200);
const LONGEST_PAUSE: Duration = Duration::from_secs(10);
/// A half-open call that runs longer does not block another.
const PATIENCE: Duration = Duration::from_secs(1);

#[derive(Debug)]
pub(in super::super) struct Health {
    state: State,
    failures: u32,
    epoch: Epoch,
}

/// Counts ejections. Calls that began before the last one cannot cause another.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in super::super) struct Epoch(pub(super) u32);

#[derive(Clone, Copy, Debug)]
enum State {
    Up,
    Ejected { until: Instant },
    Connecting { since: Instant },
    Connected,
    HalfOpen { since: Instant },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EndpointState {
    Up,
    /// Called only if no other endpoint is left.
    Ejected,
    /// A connection, then a single call, tests the endpoint.
    Probing,
}

impl Health {
    pub(in super::super) fn new() -> Self {
        Self { state: State::Up, failures: 0, epoch: Epoch::default() }
    }

    pub(in super::super) fn state(&self) -> EndpointState {
        match self.state {
            State::Up => EndpointState::Up,
            State::Ejected { .. } => EndpointState::Ejected,
            _ => EndpointState::Probing,
        }
    }

    pub(in super::super) fn epoch(&self) -> Epoch {
        self.epoch
    }

    pub(in super::super) fn ejected_until(&self) -> Option<Instant> {
        match self.state {
            State::Ejected { until } => Some(until),
            _ => None,
        }
    }

    pub(in super::super) fn badness(&self) -> (u32, Option<Instant>) {
        (self.failures, self.ejected_until())
    }

    /// Whether to open a probe's connection now. Report the result with [`Health::connected`] or
    /// [`Health::failed`].
    pub(in super::super) fn begin_probe(&mut self, now: Instant) -> bool {
        let due = match self.state {
            State::Ejected { until } => now >= until,
            State::Connecting { since } => now >= since + LONGEST_PAUSE,
            State::Up | State::Connected | State::HalfOpen { .. } => false,
        };
        if due {
            self.state = State::Connecting { since: now };
        }
        due
    }

    pub(in super::super) fn connected(&mut self, epoch: Epoch) {
        if epoch == self.epoch && matches!(self.state, State::Connecting { .. }) {
            self.state = State::Connected;
        }
    }

    pub(in super::super) fn begin_half_open(&mut self, now: Instant) -> bool {
        let due = match self.state {
            State::Connected => true,
            State::HalfOpen { since } => now >= since + PATIENCE,
            State::Up | State::Ejected { .. } | State::Connecting { .. } => false,
        };
        if due {
            self.state = State::HalfOpen { since: now };
        }
        due
    }

    pub(in super::super) fn answered(&mut self, epoch: Epoch) {
        if epoch == self.epoch {
            self.state = State::Up;
            self.failures = 0;
        }
    }

    /// If the call was the probe, the next one decides.
    pub(in super::super) fn abandoned(&mut self, epoch: Epoch) {
        if epoch == self.epoch && matches!(self.state, State::HalfOpen { .. }) {
            self.state = State::Connected;
        }
    }

    /// True if the endpoint was not ejected before. `random` has 64 random bits.
    pub(in super::super) fn failed(&mut self, epoch: Epoch, now: Instant, random: u64) -> bool {
        if epoch != self.epoch {
            return false;
        }
        self.state = State::Ejected { until: now + pause(self.failures, random) };
        self.failures = self.failures.saturating_add(1);
        self.epoch = Epoch(self.epoch.0.wrapping_add(1));
        true
    }
}

/// The pause is half random, so that clients that failed together do not return together.
fn pause(failures: u32, random: u64) -> Duration {
    let full = FIRST_PAUSE.saturating_mul(1 << failures.min(16)).min(LONGEST_PAUSE);
    let fraction = (random >> 32) as u32;
    full / 2 + (full / 2).mul_f64(f64::from(fraction) / f64::from(u32::MAX))
}

/// 25 to 50 ms, then 50 to 100, and so on.
pub(in super::super) fn retry_pause(retries: u32, random: u64) -> Duration {
    pause(retries, random) / 4
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);
    const SHORTEST: u64 = 0;
    const LONGEST: u64 = u64::MAX;

    fn failed(health: &mut Health, now: Instant, random: u64) -> bool {
        health.failed(health.epoch(), now, random)
    }

    fn ejected(start: Instant) -> Health {
        let mut health = Health::new();
        assert!(failed(&mut health, start, LONGEST));
        health
    }

    #[test]
    fn an_endpoint_is_up_until_it_fails() {
        let start = Instant::now();
        let mut health = Health::new();
        assert_eq!(health.state(), EndpointState::Up);
        assert!(!health.begin_probe(start) && !health.begin_half_open(start));
        health.answered(health.epoch());
        health.abandoned(health.epoch());
        assert_eq!(health.state(), EndpointState::Up);
        assert!(failed(&mut health, start, LONGEST));
        assert_eq!(health.state(), EndpointState::Ejected);
        assert_eq!(health.ejected_until(), Some(start + 200 * MS));
    }

    #[test]
    fn pauses_double_up_to_a_limit_and_vary_by_half() {
        for (failures, longest) in
            [(0, 200), (1, 400), (2, 800), (5, 6400), (6, 10_000), (40, 10_000), (u32::MAX, 10_000)]
        {
            assert_eq!(pause(failures, LONGEST), longest * MS, "{failures}");
            assert_eq!(pause(failures, SHORTEST), longest * MS / 2, "{failures}");
        }
        assert_eq!(retry_pause(0, SHORTEST), 25 * MS);
        assert_eq!(retry_pause(1, LONGEST), 100 * MS);
    }

    #[test]
    fn one_probe_follows_the_pause() {
        let start = Instant::now();
        let mut health = ejected(start);
        assert!(!health.begin_probe(start + 199 * MS));
        assert!(health.begin_probe(start + 200 * MS));
        assert_eq!(health.state(), EndpointState::Probing);
        assert!(!health.begin_probe(start + 201 * MS));
        assert!(!health.begin_half_open(start + 201 * MS), "nothing is connected yet");
    }

    #[test]
    fn one_call_decides_once_the_probe_is_connected() {
        let start = Instant::now();
        let mut health = ejected(start);
        assert!(health.begin_probe(start + 200 * MS));
        health.connected(health.epoch());
        assert_eq!(health.state(), EndpointState::Probing);
        assert!(health.begin_half_open(start + 210 * MS));
        assert!(!health.begin_half_open(start + 211 * MS), "one is enough");
        health.answered(health.epoch());
        assert_eq!(health.state(), EndpointState::Up);
        assert!(failed(&mut health, start, LONGEST));
        assert_eq!(health.ejected_until(), Some(start + 200 * MS));
    }

    #[test]
    fn a_failed_probe_lengthens_the_pause() {
        let start = Instant::now();
        let mut health = ejected(start);
        assert!(health.begin_probe(start + 200 * MS));
        assert!(failed(&mut health, start + 300 * MS, LONGEST));
        assert_eq!(health.ejected_until(), Some(start + 700 * MS));
        assert!(health.begin_probe(start + 700 * MS));
        health.connected(health.epoch());
        assert!(health.begin_half_open(start + 700 * MS));
        assert!(failed(&mut health, start + 700 * MS, LONGEST), "connected, but the call failed");
        assert_eq!(health.ejected_until(), Some(start + 1500 * MS));
    }

    #[test]
    fn calls_from_before_the_ejection_change_nothing() {
        let start = Instant::now();
        let mut health = Health::new();
        let before = health.epoch();
        assert!(failed(&mut health, start, LONGEST));
        let until = health.ejected_until();
        assert!(!health.failed(before, start + MS, LONGEST));
        health.answered(before);
        health.abandoned(before);
        health.connected(before);
        assert_eq!(health.ejected_until(), until);
    }

    #[test]
    fn any_answer_restores_an_ejected_endpoint() {
        let mut health = ejected(Instant::now());
        health.answered(health.epoch());
        assert_eq!(health.state(), EndpointState::Up);
    }

    #[test]
    fn after_a_cancelled_half_open_call_the_next_one_decides() {
        let start = Instant::now();
        let mut health = ejected(start);
        assert!(health.begin_probe(start + 200 * MS));
        health.connected(health.epoch());
        assert!(health.begin_half_open(start + 200 * MS));
        health.abandoned(health.epoch());
        assert!(health.begin_half_open(start + 200 * MS));
    }

    #[test]
    fn a_slow_half_open_call_admits_another() {
        let start = Instant::now();
        let mut health = ejected(start);
        assert!(health.begin_probe(start + 200 * MS));
        health.connected(health.epoch());
        assert!(health.begin_half_open(start + 200 * MS));
        assert!(!health.begin_half_open(start + 1199 * MS));
        assert!(health.begin_half_open(start + 1200 * MS));
    }

    #[test]
    fn a_silent_probe_is_repeated() {
        let start = Instant::now();
        let mut health = ejected(start);
        assert!(health.begin_probe(start + 200 * MS));
        assert!(!health.begin_probe(start + 10_199 * MS));
        assert!(health.begin_probe(start + 10_200 * MS));
    }

    #[test]
    fn badness_orders_by_failures_and_pause() {
        let start = Instant::now();
        let mut often = ejected(start);
        assert!(failed(&mut often, start, SHORTEST));
        let late = ejected(start + MS);
        let early = ejected(start);
        assert!(early.badness() < late.badness());
        assert!(late.badness() < often.badness());
    }
}
