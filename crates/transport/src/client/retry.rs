use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use http::StatusCode;

use super::endpoints::Feedback;
use super::error::CallError;
use super::times::{Phase, TimeLimit};
use crate::locks::Mutex;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Retry {
    Never,
    /// The server has certainly not started.
    Always,
    /// The server may have started.
    Idempotent,
    /// The attempt has used up its own time.
    IdempotentWithTimeout,
}

pub(super) fn retry_after(error: &CallError) -> Retry {
    match error {
        CallError::Connect { .. }
        | CallError::Tls { .. }
        | CallError::QueueFull { .. }
        | CallError::ConnectionLost { unsent: true, .. } => Retry::Always,
        CallError::Timeout { option: TimeLimit::Timeout, .. } => Retry::Never,
        CallError::Timeout { phase: Phase::Connect | Phase::Tls, .. } => Retry::Always,
        CallError::Timeout { phase: Phase::Queued | Phase::Resolve, .. } => Retry::Never,
        CallError::Timeout { .. } => Retry::IdempotentWithTimeout,
        // A stream that was truncated before its first event.
        CallError::ConnectionLost { unsent: false, .. } | CallError::Truncated { .. } => {
            Retry::Idempotent
        }
        CallError::Remote(failure) if failure.status == StatusCode::SERVICE_UNAVAILABLE => {
            Retry::Idempotent
        }
        // A forged response can only cause a retry that the caller allows.
        CallError::Authentication { unverified_status, .. } if is_gateways(*unverified_status) => {
            Retry::Idempotent
        }
        _ => Retry::Never,
    }
}

pub(super) fn feedback<T>(result: &Result<T, CallError>) -> Feedback {
    match result {
        Ok(_) => Feedback::Answered,
        Err(error) if is_endpoints_fault(error) => Feedback::Failed,
        Err(CallError::Remote(_) | CallError::Response(_) | CallError::TooLarge { .. }) => {
            Feedback::Answered
        }
        Err(_) => Feedback::Inconclusive,
    }
}

pub(super) fn is_endpoints_fault(error: &CallError) -> bool {
    matches!(
        error,
        CallError::Connect { .. }
            | CallError::Tls { .. }
            | CallError::ConnectionLost { .. }
            | CallError::Truncated { .. }
            | CallError::Timeout {
                phase: Phase::Connect | Phase::Tls,
                option: TimeLimit::ConnectTimeout,
                ..
            }
    )
}

fn is_gateways(status: StatusCode) -> bool {
    matches!(
        status,
        StatusCode::BAD_GATEWAY | StatusCode::SERVICE_UNAVAILABLE | StatusCode::GATEWAY_TIMEOUT
    )
}

pub(super) struct Retries {
    calls: AtomicU64,
    retries: AtomicU64,
    failovers: AtomicU64,
    hedges: AtomicU64,
    hedges_won: AtomicU64,
    budget: Mutex<RetryBudget>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RetryStats {
    pub retries: u64,
    /// Calls that moved on because no server had started them.
    pub failovers: u64,
    pub hedges: u64,
    pub hedges_won: u64,
    /// Retries and hedges left.
    pub budget: u64,
}

impl Retries {
    pub(super) fn new() -> Self {
        Self {
            calls: AtomicU64::new(0),
            retries: AtomicU64::new(0),
            failovers: AtomicU64::new(0),
            hedges: AtomicU64::new(0),
            hedges_won: AtomicU64::new(0),
            budget: Mutex::new(RetryBudget::new(Instant::now())),
        }
    }

    pub(super) fn count_call(&self) {
        self.calls.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn count_failover(&self) {
        self.failovers.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn count_won_hedge(&self) {
        self.hedges_won.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn begin_retry(&self) -> bool {
        let begun = self.take();
        self.retries.fetch_add(u64::from(begun), Ordering::Relaxed);
        begun
    }

    pub(super) fn begin_hedge(&self) -> bool {
        let begun = self.take();
        self.hedges.fetch_add(u64::from(begun), Ordering::Relaxed);
        begun
    }

    pub(super) fn stats(&self) -> RetryStats {
        let calls = self.calls.load(Ordering::Relaxed);
        RetryStats {
            retries: self.retries.load(Ordering::Relaxed),
            failovers: self.failovers.load(Ordering::Relaxed),
            hedges: self.hedges.load(Ordering::Relaxed),
            hedges_won: self.hedges_won.load(Ordering::Relaxed),
            budget: self.budget.lock().left(calls, Instant::now()),
        }
    }

    fn take(&self) -> bool {
        let calls = self.calls.load(Ordering::Relaxed);
        self.budget.lock().take(calls, Instant::now())
    }
}

/// Thousandths of a retry.
type Milli = u64;

const RETRY: Milli = 1000;
const CALL: Milli = RETRY / 10;
/// Added per second, for clients that make few calls.
const SECOND: Milli = 10 * RETRY;
/// The most that time adds, and the budget of a new client.
const RESERVE: Milli = 50 * RETRY;
const MAX: Milli = 1000 * RETRY;

/// A token bucket that keeps retries from overloading servers.
#[derive(Debug)]
struct RetryBudget {
    left: Milli,
    calls: u64,
    time: Instant,
}

impl RetryBudget {
    fn new(now: Instant) -> Self {
        Self { left: RESERVE, calls: 0, time: now }
    }

    fn take(&mut self, calls: u64, now: Instant) -> bool {
        self.add(calls, now);
        let enough = self.left >= RETRY;
        if enough {
            self.left -= RETRY;
        }
        enough
    }

    fn left(&mut self, calls: u64, now: Instant) -> u64 {
        self.add(calls, now);
        self.left / RETRY
    }

    fn add(&mut self, calls: u64, now: Instant) {
        let elapsed = now.saturating_duration_since(self.time);
        let milliseconds = u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX);
        // Keeps the fraction of a millisecond.
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
    use super::super::options::EndpointAddress;
    use super::*;
    use backwater_protocol::client::{AuthenticationFailure, RemoteFailure, ResponseFailure};
    use backwater_protocol::stream::FrameError;
    use bytes::Bytes;
    use std::io;

    fn timeout(phase: Phase) -> CallError {
        ran_out(phase, TimeLimit::ConnectTimeout)
    }

    fn ran_out(phase: Phase, option: TimeLimit) -> CallError {
        let (limit, times) = (Duration::ZERO, Box::default());
        CallError::Timeout { phase, limit, option, times, endpoint: None }
    }

    fn remote(status: u16) -> CallError {
        let status = StatusCode::from_u16(status).unwrap_or_default();
        CallError::Remote(RemoteFailure { status, body: Bytes::new(), detail: None })
    }

    fn unsigned(status: u16) -> CallError {
        CallError::Authentication {
            failure: AuthenticationFailure::MissingSignatureHeader,
            unverified_status: StatusCode::from_u16(status).unwrap_or_default(),
            unverified_body: Bytes::new(),
        }
    }

    fn lost(unsent: bool) -> CallError {
        CallError::ConnectionLost { source: "reset".into(), unsent }
    }

    #[test]
    fn each_error_has_its_policy() {
        let refused = CallError::Connect {
            endpoint: EndpointAddress::new("localhost", 1),
            source: io::ErrorKind::ConnectionRefused.into(),
        };
        use Feedback::{Answered, Failed, Inconclusive};
        use Retry::{Always, Idempotent, IdempotentWithTimeout, Never};
        for (error, expected, endpoint) in [
            (refused, Always, Failed),
            (timeout(Phase::Connect), Always, Failed),
            (timeout(Phase::Tls), Always, Failed),
            (ran_out(Phase::Connect, TimeLimit::Timeout), Never, Inconclusive),
            (ran_out(Phase::Wait, TimeLimit::Timeout), Never, Inconclusive),
            (lost(true), Always, Failed),
            (lost(false), Idempotent, Failed),
            (CallError::Truncated { items: 0, source: None }, Idempotent, Failed),
            (CallError::Frame(FrameError::TrailingBytes), Never, Inconclusive),
            (CallError::QueueFull { limit: 1 }, Always, Inconclusive),
            (timeout(Phase::Resolve), Never, Inconclusive),
            (timeout(Phase::Queued), Never, Inconclusive),
            (timeout(Phase::Send), IdempotentWithTimeout, Inconclusive),
            (timeout(Phase::Wait), IdempotentWithTimeout, Inconclusive),
            (timeout(Phase::Receive), IdempotentWithTimeout, Inconclusive),
            (remote(503), Idempotent, Answered),
            (remote(500), Never, Answered),
            (remote(404), Never, Answered),
            (unsigned(502), Idempotent, Inconclusive),
            (unsigned(503), Idempotent, Inconclusive),
            (unsigned(504), Idempotent, Inconclusive),
            (unsigned(401), Never, Inconclusive),
            (CallError::Response(ResponseFailure::InvalidContentType), Never, Answered),
            (CallError::TooLarge { size: 2, limit: 1 }, Never, Answered),
            (CallError::MalformedHttp { source: "garbage".into() }, Never, Inconclusive),
            (CallError::Closed, Never, Inconclusive),
            (CallError::Internal(String::new()), Never, Inconclusive),
        ] {
            assert_eq!(retry_after(&error), expected, "{error}");
            assert_eq!(feedback::<()>(&Err(error)), endpoint);
        }
    }

    fn drain(budget: &mut RetryBudget, calls: u64, now: Instant) -> usize {
        std::iter::from_fn(|| budget.take(calls, now).then_some(())).count()
    }

    #[test]
    fn the_budget_starts_with_the_reserve() {
        let now = Instant::now();
        let mut budget = RetryBudget::new(now);
        assert_eq!(budget.left(0, now), 50);
        assert_eq!(drain(&mut budget, 0, now), 50);
        assert_eq!(budget.left(0, now), 0);
    }

    #[test]
    fn ten_calls_earn_a_retry() {
        let now = Instant::now();
        let mut budget = RetryBudget::new(now);
        drain(&mut budget, 0, now);
        assert_eq!(drain(&mut budget, 9, now), 0);
        assert_eq!(drain(&mut budget, 10, now), 1);
        assert_eq!(drain(&mut budget, 10, now), 0);
        assert_eq!(drain(&mut budget, 1010, now), 100);
    }

    #[test]
    fn calls_earn_at_most_a_thousand_retries() {
        let now = Instant::now();
        let mut budget = RetryBudget::new(now);
        assert_eq!(drain(&mut budget, 1_000_000, now), 1000);
        assert_eq!(drain(&mut budget, u64::MAX, now), 1000);
    }

    #[test]
    fn each_second_earns_ten_up_to_the_reserve() {
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
    fn time_never_lowers_what_calls_have_earned() {
        let start = Instant::now();
        let mut budget = RetryBudget::new(start);
        assert_eq!(budget.left(1000, start), 150);
        assert_eq!(budget.left(1000, start + Duration::from_secs(60)), 150);
    }

    #[test]
    fn fractions_of_milliseconds_count() {
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
