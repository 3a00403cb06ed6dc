//! Where the time of a call went.

use std::fmt;
use std::time::{Duration, Instant};

/// A part of a call that takes time on the network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// Finding out which endpoints there are.
    Resolve,
    /// Waiting for its turn: as many connections as there may be are busy.
    Queue,
    /// Name lookup and TCP handshake.
    Connect,
    /// Handing the request to the network.
    Send,
    /// Waiting for the response and reading it.
    Receive,
}

impl Phase {
    /// The name in lower case.
    pub fn as_str(self) -> &'static str {
        match self {
            Phase::Resolve => "resolve",
            Phase::Queue => "queue",
            Phase::Connect => "connect",
            Phase::Send => "send",
            Phase::Receive => "receive",
        }
    }
}

impl fmt::Display for Phase {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

/// How long the parts of a call took. A call that was sent again on a fresh connection has the sums.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CallTimes {
    /// Finding out which endpoints there are; nothing when that was known.
    pub resolve: Duration,
    /// Waiting for its turn.
    pub queue: Duration,
    /// Name lookup and TCP handshake; nothing when a connection was at hand.
    pub connect: Duration,
    /// Sending the request and reading the response.
    pub exchange: Duration,
}

impl CallTimes {
    /// All that counts against `connect_timeout`.
    pub(super) fn before_sending(&self) -> Duration {
        self.resolve + self.queue + self.connect
    }
}

/// Adds the time of a block to where it belongs, also when the block is abandoned.
pub(super) struct Stopwatch<'a> {
    total: &'a mut Duration,
    start: Instant,
}

impl<'a> Stopwatch<'a> {
    pub(super) fn start(total: &'a mut Duration) -> Self {
        Self { total, start: Instant::now() }
    }
}

impl Drop for Stopwatch<'_> {
    fn drop(&mut self) {
        *self.total += self.start.elapsed();
    }
}
