//! The client. A call passes through [`call`], [`attempt`] and [`exchange`].

mod answer;
mod attempt;
mod call;
mod endpoints;
mod error;
mod exchange;
mod item_stream;
mod limits;
mod options;
mod pool;
mod request;
mod request_ids;
mod retry;
mod state;
mod times;
mod warm_up;

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::time::timeout;

use self::endpoints::Discovery;
pub use self::endpoints::{EndpointState, EndpointStats, ResolveFailure};
pub use self::error::{CallError, CallFailure};
pub use self::item_stream::{Answer, ItemStream, StreamEvent, StreamTerm};
pub use self::options::{ClientOptions, EndpointAddress, ListedEndpoint};
pub use self::request::{CallOutcome, CallRequest};
pub use self::request_ids::FirstRequestId;
pub use self::retry::RetryStats;
use self::state::{ClientState, Lifetime};
use self::times::Progress;
pub use self::times::{CallTimes, Phase, TimeLimit};
use crate::guard::catch_panic;
use crate::spin::UnderWay;
use crate::{IoThread, Spawner};

/// Calls the functions of interchangeable servers. Clones share everything.
#[derive(Clone)]
pub struct Client {
    state: Arc<ClientState>,
    spawner: Spawner,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ClientStats {
    pub calls_in_flight: usize,
    pub streams: usize,
    pub calls_waiting: usize,
    pub open_connections: usize,
    pub idle_connections: usize,
    pub connect_failures: u64,
}

impl Client {
    /// Creates a client with fixed endpoints. It connects on its first call.
    pub fn new(io: &IoThread, options: ClientOptions) -> Self {
        let discovery = Discovery::fixed(options.endpoints.clone(), &options);
        Self::with(io, options, discovery)
    }

    /// Creates a client that calls `resolve` when it needs endpoints and when one has failed.
    /// Answer with [`Client::set_endpoints`], [`Client::resolution_failed`] or
    /// [`Client::endpoints_unchanged`].
    pub fn resolved(
        io: &IoThread,
        options: ClientOptions,
        resolve: impl Fn() + Send + Sync + 'static,
    ) -> Self {
        Self::with(io, options, Discovery::resolved_by(resolve))
    }

    fn with(io: &IoThread, options: ClientOptions, discovery: Discovery) -> Self {
        let state = Arc::new(ClientState::new(options, discovery));
        let spawner = io.spawner();
        if state.options.min_connections > 0 {
            let client = Arc::downgrade(&state);
            let _ = spawner.spawn(move || warm_up::keep_warm(client));
        }
        Self { state, spawner }
    }

    /// Calls a function. Poll the future on the I/O thread (see [`IoThread::spawn`]); dropping it
    /// cancels the call and closes its connection. With finite timeouts, it always resolves. Calls
    /// that may have reached the server are repeated only if idempotent.
    pub fn call(
        &self,
        mut request: CallRequest,
    ) -> impl Future<Output = Result<CallOutcome, CallFailure>> + Send + use<> {
        request.stream = false;
        let answered = self.stream(request);
        async move {
            match answered.await? {
                Answer::Whole(outcome) => Ok(outcome),
                // An unrequested stream fails authentication.
                Answer::Stream(_) => Err(CallError::Internal("a stream".to_owned()).into()),
            }
        }
    }

    /// Like [`Client::call`], but with [`CallRequest::stream`] the answer may be a stream.
    pub fn stream(
        &self,
        request: CallRequest,
    ) -> impl Future<Output = Result<Answer, CallFailure>> + Send + use<> {
        let state = Arc::clone(&self.state);
        let request = Box::new(request);
        // From here on, `close` waits for this call.
        let mut lifetime = state.lifetime.subscribe();
        let is_open = *lifetime.borrow_and_update() == Lifetime::Open;
        async move {
            let _under_way = UnderWay::begin();
            if !is_open {
                return Err(CallError::Closed.into());
            }
            let mut progress = Progress::start();
            let ended = {
                let mut calling = Box::pin(call::run(&state, request, &mut progress));
                tokio::select! {
                    biased;
                    ended = catch_panic(calling.as_mut()) => {
                        ended.unwrap_or_else(|panic| Err(CallError::Internal(panic)))
                    }
                    _ = lifetime.wait_for(|lifetime| *lifetime == Lifetime::Aborted) => {
                        Err(CallError::Closed)
                    }
                }
            };
            ended.map_err(|error| CallFailure { error, request_id: progress.request_id })
        }
    }

    /// Replaces the endpoints. Calls to removed ones may finish. An empty list counts as a failed
    /// resolution.
    pub fn set_endpoints(&self, endpoints: Vec<ListedEndpoint>) {
        if endpoints.is_empty() {
            self.resolution_failed(ResolveFailure {
                name: String::new(),
                code: None,
                message: "there are no endpoints".to_owned(),
            });
            return;
        }
        self.state.discovery.update(endpoints, &self.state.options);
    }

    /// Keeps known endpoints. Without any, waiting calls fail.
    pub fn resolution_failed(&self, failure: ResolveFailure) {
        self.state.discovery.failed(failure);
    }

    /// Reports that the last resolution is too recent to repeat.
    pub fn endpoints_unchanged(&self) {
        self.state.discovery.unchanged();
    }

    pub fn endpoint_stats(&self) -> Vec<EndpointStats> {
        self.state.discovery.stats()
    }

    pub fn retry_stats(&self) -> RetryStats {
        self.state.retries.stats()
    }

    pub fn stats(&self) -> ClientStats {
        let mut all = ClientStats::default();
        for endpoint in self.state.discovery.endpoints() {
            let stats = endpoint.pool.stats();
            all.calls_in_flight += stats.in_flight;
            all.streams += stats.streams;
            all.calls_waiting += stats.waiting;
            all.open_connections += stats.open;
            all.idle_connections += stats.idle;
            all.connect_failures += stats.connect_failures;
        }
        all
    }

    /// Fails new calls with [`CallError::Closed`], and others after `limit`. Nothing is retried.
    /// The future resolves once all calls and connections have ended, and may be dropped. Closing
    /// again can only shorten the limit.
    pub fn close(&self, limit: Duration) -> impl Future<Output = ()> + Send + use<> {
        let state = Arc::clone(&self.state);
        state.advance(Lifetime::Closing);
        let (sender, closed) = oneshot::channel::<()>();
        let _ = self.spawner.spawn(move || async move {
            if timeout(limit, state.lifetime.closed()).await.is_err() {
                state.advance(Lifetime::Aborted);
                state.lifetime.closed().await;
            }
            state.discovery.close();
            drop(sender);
        });
        async move { drop(closed.await) }
    }
}

impl std::fmt::Debug for Client {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Client")
            .field("endpoints", &self.state.options.endpoints)
            .field("stats", &self.stats())
            .finish_non_exhaustive()
    }
}
