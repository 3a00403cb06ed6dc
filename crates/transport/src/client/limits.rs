use std::future::Future;
use std::pin::Pin;
use std::time::{Duration, Instant};

use backwater_protocol::CallTimeout;
use tokio::time::timeout;

use super::error::CallError;
use super::options::ClientOptions;
use super::request::CallRequest;
use super::times::{Progress, TimeLimit};

#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    started: Instant,
    connect_timeout: Duration,
    recv_timeout: Duration,
    timeout: Option<Duration>,
    /// `recv_timeout` covers only the head of a stream.
    is_stream: bool,
    idle_timeout: Duration,
    pub(super) max_encoded_result_size: usize,
    connect_share: Option<Duration>,
    pub(super) max_retries: u32,
}

impl Limits {
    pub(super) fn start(options: &ClientOptions, request: &CallRequest) -> Self {
        Self {
            started: Instant::now(),
            connect_timeout: request.connect_timeout.unwrap_or(options.connect_timeout),
            recv_timeout: request.recv_timeout.unwrap_or(options.recv_timeout),
            timeout: request.timeout.or(options.timeout),
            is_stream: request.stream,
            idle_timeout: request.idle_timeout,
            max_encoded_result_size: request
                .max_encoded_result_size
                .unwrap_or(options.settings.max_encoded_result_size),
            connect_share: None,
            max_retries: request.max_retries,
        }
    }

    pub(super) fn with_share(self, connect_share: Option<Duration>) -> Self {
        Self { connect_share, ..self }
    }

    pub(super) fn connect_timeout(&self) -> Duration {
        self.connect_timeout
    }

    pub(super) fn is_bounded_as_a_whole(&self) -> bool {
        self.timeout.is_some()
    }

    pub(super) fn connecting(&self, progress: &Progress) -> Allowance {
        let left = self.connect_timeout.saturating_sub(progress.times().connecting());
        self.overall(Allowance { left, ..Allowance::for_connecting(self.connect_timeout) })
    }

    pub(super) fn opening(&self, progress: &Progress) -> Allowance {
        let connecting = self.connecting(progress);
        match self.connect_share {
            Some(share) if share < connecting.left => {
                Allowance { left: share, ..Allowance::for_connecting(self.connect_timeout) }
            }
            _ => connecting,
        }
    }

    pub(super) fn exchanging(&self) -> Allowance {
        let limit = self.recv_timeout;
        self.overall(Allowance { left: limit, limit, option: TimeLimit::RecvTimeout })
    }

    pub(super) fn idle(&self) -> Allowance {
        let limit = self.idle_timeout;
        self.overall(Allowance { left: limit, limit, option: TimeLimit::IdleTimeout })
    }

    pub(super) fn whole(&self) -> Option<Allowance> {
        let limit = self.timeout?;
        let left = limit.saturating_sub(self.started.elapsed());
        Some(Allowance { left, limit, option: TimeLimit::Timeout })
    }

    /// Only calls with a total timeout announce it.
    pub(super) fn call_timeout(&self) -> Option<CallTimeout> {
        let whole = self.whole()?;
        let left = if self.is_stream { whole.left } else { self.exchanging().left };
        Some(CallTimeout::from_duration(left))
    }

    fn overall(&self, part: Allowance) -> Allowance {
        match self.whole() {
            Some(whole) if whole.left < part.left => whole,
            _ => part,
        }
    }
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Allowance {
    pub(super) left: Duration,
    limit: Duration,
    option: TimeLimit,
}

impl Allowance {
    pub(super) fn for_connecting(limit: Duration) -> Self {
        Self { left: limit, limit, option: TimeLimit::ConnectTimeout }
    }

    pub(super) async fn run<F: Future>(self, future: Pin<&mut F>) -> Result<F::Output, RanOut> {
        if self.left.is_zero() {
            return Err(RanOut(self));
        }
        timeout(self.left, future).await.map_err(|_elapsed| RanOut(self))
    }
}

#[derive(Debug)]
pub(super) struct RanOut(Allowance);

impl RanOut {
    pub(super) fn error(self, progress: &Progress) -> CallError {
        let Allowance { limit, option, .. } = self.0;
        CallError::Timeout {
            phase: progress.phase(),
            limit,
            option,
            times: Box::new(progress.times()),
            endpoint: None,
        }
    }
}
