//! One call with its attempts and hedging.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::{sleep, timeout};

use super::attempt::attempt;
use super::endpoints::{Endpoint, EndpointSet, Unknown, retry_pause};
use super::error::CallError;
use super::item_stream::Answer;
use super::limits::Limits;
use super::request::CallRequest;
use super::retry::{Retry, is_endpoints_fault, retry_after};
use super::state::ClientState;
use super::times::{Phase, Progress, TimeLimit};

/// At most this many endpoints share the connect timeout.
const SHARES: u32 = 3;
/// A lost SYN is retransmitted after a second; the call then moves on. The last endpoint has no
/// such limit.
const LONGEST_SHARE: Duration = Duration::from_secs(1);
const UPDATE_WAIT: Duration = Duration::from_secs(2);

pub(super) async fn run(
    state: &Arc<ClientState>,
    request: Box<CallRequest>,
    progress: &mut Progress,
) -> Result<Answer, CallError> {
    let discovery = &state.discovery;
    state.retries.count_call();
    let limits = Limits::start(&state.options, &request);
    let set = match discovery.known() {
        Ok(set) => set,
        // Boxed, because it is rare and futures should stay small.
        Err(unknown) => Box::pin(first_endpoints(state, unknown, &limits, progress)).await?,
    };
    let is_only = set.only().is_some();
    if let Some(delay) = request.hedge_delay
        && request.idempotent
        && !is_only
    {
        let attempts = Attempts::new(state, Arc::new(*request), limits, progress, Vec::new());
        return Box::pin(attempts.hedged(delay)).await;
    }
    let endpoint = discovery.choose(&set, &[], limits.connect_timeout()).ok_or_else(no_endpoint)?;
    let is_last = is_only && discovery.is_fixed() && !request.idempotent;
    let limits_of_first = limits.with_share(share(&set, &[], &limits, progress));
    drop(set);
    let (result, request) =
        attempt(state, &endpoint, request, !is_last, &limits_of_first, progress).await;
    match (result, request) {
        (Err(error), Some(request)) => {
            let request = Arc::new(*request);
            let attempts = Attempts::new(state, request, limits, progress, vec![endpoint]);
            Box::pin(attempts.after(error)).await
        }
        (result, _) => result,
    }
}

async fn first_endpoints(
    state: &ClientState,
    unknown: Unknown,
    limits: &Limits,
    progress: &mut Progress,
) -> Result<Arc<EndpointSet>, CallError> {
    let rounds = match unknown {
        Unknown::Failed(failure) => return Err(CallError::Resolve(failure)),
        Unknown::Requested { rounds } => rounds,
    };
    progress.enter(Phase::Resolve);
    let resolution = pin!(state.discovery.resolution_after(rounds));
    let waited = limits.connecting(progress).run(resolution).await;
    waited.map_err(|ran_out| ran_out.error(progress))?;
    state.discovery.known().map_err(|_| match state.discovery.failure() {
        Some(failure) => CallError::Resolve(failure),
        None => no_endpoint(),
    })
}

fn share(
    set: &EndpointSet,
    tried: &[Arc<Endpoint>],
    limits: &Limits,
    progress: &Progress,
) -> Option<Duration> {
    let left = u32::try_from(set.untried(tried)).unwrap_or(SHARES).min(SHARES);
    (left > 1).then(|| (limits.connecting(progress).left / left).min(LONGEST_SHARE))
}

fn ran_out_of_share(error: &CallError) -> bool {
    matches!(
        error,
        CallError::Timeout {
            phase: Phase::Connect | Phase::Tls,
            option: TimeLimit::ConnectTimeout,
            ..
        }
    )
}

fn no_endpoint() -> CallError {
    CallError::Internal("an empty endpoint set".to_owned())
}

struct Attempts<'a> {
    state: &'a Arc<ClientState>,
    request: Arc<CallRequest>,
    limits: Limits,
    progress: &'a mut Progress,
    tried: Vec<Arc<Endpoint>>,
    ran_out_of_share: Vec<Arc<Endpoint>>,
    retries: u32,
    has_requested_update: bool,
}

impl<'a> Attempts<'a> {
    fn new(
        state: &'a Arc<ClientState>,
        request: Arc<CallRequest>,
        limits: Limits,
        progress: &'a mut Progress,
        tried: Vec<Arc<Endpoint>>,
    ) -> Self {
        Self {
            state,
            request,
            limits,
            progress,
            tried,
            ran_out_of_share: Vec::new(),
            retries: 0,
            has_requested_update: false,
        }
    }

    async fn after(mut self, mut error: CallError) -> Result<Answer, CallError> {
        let mut tls_failure = None;
        if ran_out_of_share(&error) {
            self.ran_out_of_share.extend(self.tried.last().cloned());
        }
        while let Some(endpoint) = self.next(&error).await {
            self.tried.push(Arc::clone(&endpoint));
            let limits = self.limits_at(&endpoint);
            let request = Arc::clone(&self.request);
            let progress = &mut *self.progress;
            let (result, _) =
                attempt(self.state, &endpoint, request, false, &limits, progress).await;
            match result {
                Ok(outcome) => return Ok(outcome),
                Err(next) => {
                    if ran_out_of_share(&next) {
                        self.ran_out_of_share.push(endpoint);
                    }
                    let previous = std::mem::replace(&mut error, next);
                    let is_tls = matches!(previous, CallError::Tls { .. });
                    tls_failure = tls_failure.or(is_tls.then_some(previous));
                }
            }
        }
        // A failed TLS handshake explains more than a failed connection.
        match tls_failure {
            Some(telling) if matches!(error, CallError::Connect { .. }) => Err(telling),
            _ => Err(error),
        }
    }

    /// Starts a second attempt elsewhere after `delay`. The first answer wins.
    async fn hedged(mut self, delay: Duration) -> Result<Answer, CallError> {
        let endpoint = self.untried().ok_or_else(no_endpoint)?;
        self.tried.push(Arc::clone(&endpoint));
        let mut first = Box::pin(self.independent_attempt(endpoint));
        let ended = tokio::select! {
            biased;
            ended = &mut first => Some(ended),
            () = sleep(delay) => None,
        };
        if let Some((result, progress)) = ended {
            return self.settle(result, progress).await;
        }
        let Some(endpoint) = self.hedge_endpoint() else {
            let (result, progress) = first.await;
            return self.settle(result, progress).await;
        };
        self.tried.push(Arc::clone(&endpoint));
        let mut second = Box::pin(self.independent_attempt(endpoint));
        let (result, progress, is_second) = tokio::select! {
            biased;
            (result, progress) = &mut first => (result, progress, false),
            (result, progress) = &mut second => (result, progress, true),
        };
        if result.as_ref().is_err_and(|error| retry_after(error) != Retry::Never) {
            let (result, progress) = if is_second { first.await } else { second.await };
            if !is_second && result.is_ok() {
                self.state.retries.count_won_hedge();
            }
            return self.settle(result, progress).await;
        }
        if is_second {
            self.state.retries.count_won_hedge();
        }
        drop((first, second));
        self.settle(result, progress).await
    }

    async fn settle(
        self,
        result: Result<Answer, CallError>,
        progress: Progress,
    ) -> Result<Answer, CallError> {
        *self.progress = progress;
        match result {
            Ok(outcome) => Ok(outcome),
            Err(error) => self.after(error).await,
        }
    }

    /// Does not borrow `self`, so that two attempts can run at once.
    fn independent_attempt(
        &self,
        endpoint: Arc<Endpoint>,
    ) -> impl Future<Output = (Result<Answer, CallError>, Progress)> + Send + use<'a> {
        let state = self.state;
        let request = Arc::clone(&self.request);
        let limits = self.limits_at(&endpoint);
        let mut progress = self.progress.clone();
        async move {
            let (result, _) =
                attempt(state, &endpoint, request, false, &limits, &mut progress).await;
            (result, progress)
        }
    }

    fn hedge_endpoint(&self) -> Option<Arc<Endpoint>> {
        let endpoint = self.untried().filter(|endpoint| endpoint.is_up())?;
        self.state.retries.begin_hedge().then_some(endpoint)
    }

    async fn next(&mut self, error: &CallError) -> Option<Arc<Endpoint>> {
        match retry_after(error) {
            Retry::Never => None,
            Retry::Always => {
                let is_fault = is_endpoints_fault(error);
                match self.failover(is_fault).await {
                    Some(endpoint) => {
                        self.state.retries.count_failover();
                        Some(endpoint)
                    }
                    None if is_fault => self.repeat().await,
                    None => None,
                }
            }
            Retry::Idempotent => self.repeat().await,
            Retry::IdempotentWithTimeout if self.limits.is_bounded_as_a_whole() => {
                self.repeat().await
            }
            Retry::IdempotentWithTimeout => None,
        }
    }

    /// Returns an untried endpoint or, if time is left, one that exceeded its share.
    async fn failover(&mut self, wait_for_update: bool) -> Option<Arc<Endpoint>> {
        if let Some(endpoint) = self.untried() {
            return Some(endpoint);
        }
        if wait_for_update && let Some(endpoint) = self.after_update().await {
            return Some(endpoint);
        }
        let has_time = !self.limits.connecting(self.progress).left.is_zero();
        self.ran_out_of_share.pop().filter(|_| has_time)
    }

    fn untried(&self) -> Option<Arc<Endpoint>> {
        let discovery = &self.state.discovery;
        let set = discovery.known().ok()?;
        discovery.choose(&set, &self.tried, self.limits.connect_timeout())
    }

    async fn after_update(&mut self) -> Option<Arc<Endpoint>> {
        let discovery = &self.state.discovery;
        if discovery.is_fixed() || std::mem::replace(&mut self.has_requested_update, true) {
            return None;
        }
        self.progress.enter(Phase::Resolve);
        let left = self.limits.connecting(self.progress).left;
        let rounds = discovery.request_update();
        let _ = timeout(left.min(UPDATE_WAIT), discovery.resolution_after(rounds)).await;
        self.untried()
    }

    /// Retries at an untried endpoint or, after a pause, at any.
    async fn repeat(&mut self) -> Option<Arc<Endpoint>> {
        if self.state.is_closing()
            || !self.request.idempotent
            || self.retries >= self.limits.max_retries
            || !self.state.retries.begin_retry()
        {
            return None;
        }
        self.retries += 1;
        if let Some(endpoint) = self.untried() {
            return Some(endpoint);
        }
        self.tried.clear();
        self.progress.enter(Phase::Queued);
        tokio::select! {
            () = sleep(retry_pause(self.retries - 1, self.state.discovery.random.next())) => (),
            () = self.state.closing() => return None,
        }
        self.untried()
    }

    fn limits_at(&self, endpoint: &Arc<Endpoint>) -> Limits {
        let others: Vec<_> =
            self.tried.iter().filter(|tried| !Arc::ptr_eq(tried, endpoint)).cloned().collect();
        let set = self.state.discovery.known();
        let share = set.ok().and_then(|set| share(&set, &others, &self.limits, self.progress));
        self.limits.with_share(share)
    }
}
