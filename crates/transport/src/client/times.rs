//! Where the time of a call goes.

use std::fmt;
use std::time::{Duration, Instant};

/// A part of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// Waiting for its turn: as many connections as there may be are busy.
    Queued,
    /// Looking the name of the server up.
    Resolve,
    /// The handshake of TCP.
    Connect,
    /// The handshake of TLS.
    Tls,
    /// Handing the request to the system.
    Send,
    /// Waiting for the first byte of the response.
    Wait,
    /// Reading the response.
    Receive,
}

impl Phase {
    /// All, in the order in which a call passes through them.
    pub const ALL: [Self; 7] = [
        Self::Queued,
        Self::Resolve,
        Self::Connect,
        Self::Tls,
        Self::Send,
        Self::Wait,
        Self::Receive,
    ];

    /// The name in lower case.
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

/// A time limit of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TimeLimit {
    /// See [`ClientOptions::connect_timeout`](super::ClientOptions::connect_timeout).
    ConnectTimeout,
    /// See [`ClientOptions::recv_timeout`](super::ClientOptions::recv_timeout).
    RecvTimeout,
    /// See [`ClientOptions::timeout`](super::ClientOptions::timeout).
    Timeout,
    /// See [`CallRequest::idle_timeout`](super::CallRequest::idle_timeout).
    IdleTimeout,
}

impl TimeLimit {
    /// The name of the option.
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

/// How long the phases of a call took. What a call goes through twice, since it was sent again on
/// another connection, has the sum.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CallTimes {
    phases: [Duration; Phase::ALL.len()],
}

impl CallTimes {
    /// How long a phase took; nothing when the call did not get that far or had no need of it.
    pub fn of(&self, phase: Phase) -> Duration {
        self.phases[phase as usize]
    }

    /// How long getting a connection took: the phases up to [`Phase::Tls`].
    pub fn connecting(&self) -> Duration {
        self.phases[..=Phase::Tls as usize].iter().sum()
    }
}

/// Follows a call through its phases: it is in one of them at any time.
#[derive(Clone, Debug)]
pub(super) struct Progress {
    past: CallTimes,
    phase: Phase,
    since: Instant,
    /// Of the last request that was sent.
    pub(super) request_id: Option<[u8; 16]>,
}

impl Progress {
    /// A call that begins to wait for its turn.
    pub(super) fn start() -> Self {
        let since = Instant::now();
        Self { past: CallTimes::default(), phase: Phase::Queued, since, request_id: None }
    }

    /// The call is in this phase from now on.
    pub(super) fn enter(&mut self, phase: Phase) {
        self.enter_at(phase, Instant::now());
    }

    /// Like [`Progress::enter`] for a moment that has passed.
    pub(super) fn enter_at(&mut self, phase: Phase, at: Instant) {
        self.past.phases[self.phase as usize] += at.saturating_duration_since(self.since);
        self.phase = phase;
        self.since = at;
    }

    /// Where the call is.
    pub(super) fn phase(&self) -> Phase {
        self.phase
    }

    /// Where the time went until now.
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
    fn places_in_the_list_are_those_of_the_enumeration() {
        for (place, phase) in Phase::ALL.into_iter().enumerate() {
            assert_eq!(phase as usize, place);
        }
    }
}
