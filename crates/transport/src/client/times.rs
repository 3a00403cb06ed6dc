use std::fmt;
use std::time::{Duration, Instant};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    Queued,
    Resolve,
    Connect,
    Tls,
    Send,
    Wait,
    Receive,
}

impl Phase {
    pub const ALL: [Self; 7] = [
        Self::Queued,
        Self::Resolve,
        Self::Connect,
        Self::Tls,
        Self::Send,
        Self::Wait,
        Self::Receive,
    ];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Resolve => "resolve",
            Self::Connect => "connect",
            Self::Tls => "tls",
            Self::Send => "send",
            Self::Wait => "wait",
            Self::Receive => "receive",
        }
    }
}

impl fmt::Display for Phase {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TimeLimit {
    ConnectTimeout,
    RecvTimeout,
    Timeout,
    IdleTimeout,
}

impl TimeLimit {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::ConnectTimeout => "connectTimeout",
            Self::RecvTimeout => "recvTimeout",
            Self::Timeout => "timeout",
            Self::IdleTimeout => "idleTimeout",
        }
    }
}

impl fmt::Display for TimeLimit {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CallTimes {
    phases: [Duration; Phase::ALL.len()],
}

impl CallTimes {
    /// Zero if the call skipped the phase.
    pub fn of(&self, phase: Phase) -> Duration {
        self.phases[phase as usize]
    }

    /// Time to get a connection: the phases up to [`Phase::Tls`].
    pub fn connecting(&self) -> Duration {
        self.phases[..=Phase::Tls as usize].iter().sum()
    }
}

#[derive(Clone, Debug)]
pub(super) struct Progress {
    past: CallTimes,
    phase: Phase,
    since: Instant,
    pub(super) request_id: Option<[u8; 16]>,
}

impl Progress {
    pub(super) fn start() -> Self {
        let since = Instant::now();
        Self { past: CallTimes::default(), phase: Phase::Queued, since, request_id: None }
    }

    pub(super) fn enter(&mut self, phase: Phase) {
        self.enter_at(phase, Instant::now());
    }

    pub(super) fn enter_at(&mut self, phase: Phase, at: Instant) {
        self.past.phases[self.phase as usize] += at.saturating_duration_since(self.since);
        self.phase = phase;
        self.since = at;
    }

    pub(super) fn phase(&self) -> Phase {
        self.phase
    }

    pub(super) fn times(&self) -> CallTimes {
        let mut times = self.past;
        times.phases[self.phase as usize] += self.since.elapsed();
        times
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_of_each_phase_is_added_up() {
        let mut progress = Progress::start();
        let start = progress.since;
        let at = |milliseconds| start + Duration::from_millis(milliseconds);
        for (phase, begin) in [
            (Phase::Connect, 5),
            (Phase::Send, 7),
            (Phase::Connect, 10),
            (Phase::Send, 20),
            (Phase::Wait, 21),
        ] {
            progress.enter_at(phase, at(begin));
        }
        assert_eq!(progress.phase(), Phase::Wait);
        let times = progress.times();
        let of = |phase| times.of(phase).as_millis();
        assert_eq!([of(Phase::Queued), of(Phase::Connect), of(Phase::Send)], [5, 12, 4]);
        assert_eq!(times.of(Phase::Receive), Duration::ZERO);
        assert_eq!(times.connecting(), Duration::from_millis(17));
    }

    #[test]
    fn the_list_follows_the_enumeration() {
        for (place, phase) in Phase::ALL.into_iter().enumerate() {
            assert_eq!(phase as usize, place);
        }
    }
}
