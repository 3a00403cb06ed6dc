//! The client: calls, and the connections that they share.

mod call;
mod connect;
mod connection;
mod endpoint_pool;
mod endpoints;
mod error;
mod exchange;
mod limits;
mod manners;
mod options;
mod pool;
mod probe;
mod request_ids;
mod stream;
mod times;
mod warm_up;

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{oneshot, watch};
use tokio::time::timeout;

pub use self::call::{CallOutcome, CallRequest};
use self::endpoints::Directory;
pub use self::endpoints::{DirectoryStats, EndpointState, EndpointStats, ResolveFailure};
pub use self::error::CallError;
pub use self::limits::TimeLimit;
pub use self::options::{ClientOptions, Endpoint, ListedEndpoint, Unacknowledged};
use self::request_ids::RequestIds;
pub use self::times::{CallTimes, Phase};
use crate::codec::Codecs;
use crate::guard::catch_panic;
use crate::spin::UnderWay;
use crate::{IoThread, Spawner};

/// Calls the functions of one server, or of several alike. Clones are the same client.
#[derive(Clone)]
pub struct Client {
    shared: Arc<Shared>,
    spawner: Spawner,
}

/// What a client is doing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ClientStats {
    /// Calls that have a connection or are making one.
    pub calls_in_flight: usize,
    /// Calls that wait for a connection.
    pub calls_waiting: usize,
    /// Connections that are open, idle ones included.
    pub open_connections: usize,
    /// Connections that wait for a call.
    pub idle_connections: usize,
    /// How often connecting has failed or timed out, since the client was made.
    pub connect_failures: u64,
}

impl Client {
    /// A client of the endpoints in its options; it connects when it is first called.
    pub fn new(io: &IoThread, options: ClientOptions) -> Self {
        let directory = Directory::fixed(options.endpoints.clone(), &options);
        Self::with(io, options, directory)
    }

    /// A client whose endpoints are told by [`Client::set_endpoints`]. It calls `ask` when it needs
    /// them, and when one of them has failed; each time it has to be told afterwards what came of it:
    /// [`Client::set_endpoints`], [`Client::resolution_failed`] or [`Client::endpoints_unchanged`].
    pub fn resolved(
        io: &IoThread,
        options: ClientOptions,
        ask: impl Fn() + Send + Sync + 'static,
    ) -> Self {
        Self::with(io, options, Directory::resolved_by(ask))
    }

    fn with(io: &IoThread, options: ClientOptions, directory: Directory) -> Self {
        let shared = Arc::new(Shared {
            directory,
            lifetime: watch::Sender::new(Lifetime::Open),
            codecs: Codecs::default(),
            request_ids: RequestIds::new(),
            options,
        });
        let spawner = io.spawner();
        if shared.options.min_connections > 0 {
            let client = Arc::downgrade(&shared);
            // When the thread has ended, there is nothing to keep warm.
            let _ = spawner.spawn(move || warm_up::keep_warm(client));
        }
        Self { shared, spawner }
    }

    /// Calls a function. The future is to be polled on the I/O thread (see [`IoThread::spawn`]);
    /// dropping it gives the call up and closes its connection. It always resolves, as long as the
    /// timeouts are finite.
    ///
    /// # Errors
    ///
    /// See [`CallError`]. A request that may have reached the server is never sent a second time.
    pub fn call(
        &self,
        request: CallRequest,
    ) -> impl Future<Output = Result<CallOutcome, CallError>> + Send + use<> {
        let shared = Arc::clone(&self.shared);
        // Boxed, as is the call below: what is moved about should not be large.
        let request = Box::new(request);
        // From now on closing waits for it, also when it is polled later.
        let mut lifetime = shared.lifetime.subscribe();
        let is_open = *lifetime.borrow_and_update() == Lifetime::Open;
        async move {
            let _under_way = UnderWay::begin();
            if !is_open {
                return Err(CallError::Closed);
            }
            let mut calling = Box::pin(endpoints::call(&shared, request));
            tokio::select! {
                biased;
                ended = catch_panic(calling.as_mut()) => {
                    ended.unwrap_or_else(|panic| Err(CallError::Internal(panic)))
                }
                // An error means that the client is gone, which it is not: this is a part of it.
                _ = lifetime.wait_for(|lifetime| *lifetime == Lifetime::Cut) => Err(CallError::Closed),
            }
        }
    }

    /// Says which endpoints there are from now on. Calls on those that are no longer listed may
    /// finish. An empty list counts as a failed resolution.
    pub fn set_endpoints(&self, endpoints: Vec<ListedEndpoint>) {
        if endpoints.is_empty() {
            self.resolution_failed(ResolveFailure {
                name: String::new(),
                code: None,
                message: "there are no endpoints".to_owned(),
            });
            return;
        }
        self.shared.directory.resolved(endpoints, &self.shared.options);
    }

    /// Says that it could not be found out which endpoints there are. Those that are known are kept;
    /// if there are none, the calls that wait for them fail.
    pub fn resolution_failed(&self, failure: ResolveFailure) {
        self.shared.directory.failed(failure);
    }

    /// Says that it was not looked for other endpoints, since that has just been done.
    pub fn endpoints_unchanged(&self) {
        self.shared.directory.unchanged();
    }

    /// The endpoints, and what happened to calls on them.
    pub fn directory_stats(&self) -> DirectoryStats {
        self.shared.directory.stats()
    }

    /// What the client is doing right now.
    pub fn stats(&self) -> ClientStats {
        let mut all = ClientStats::default();
        for member in self.shared.directory.members() {
            let stats = member.pool.stats();
            all.calls_in_flight += stats.in_flight;
            all.calls_waiting += stats.waiting;
            all.open_connections += stats.open;
            all.idle_connections += stats.idle;
            all.connect_failures += stats.connect_failures;
        }
        all
    }

    /// Closes the client: new calls fail with [`CallError::Closed`]; those that were made before, also
    /// those that wait for a connection or for endpoints, may take until `limit` from now, then they
    /// fail the same way. None is made again. The future resolves when all calls have ended and the
    /// connections are closed; the closing goes on without it being polled, from anywhere. Closing again
    /// can only hasten the end.
    pub fn close(&self, limit: Duration) -> impl Future<Output = ()> + Send + use<> {
        let shared = Arc::clone(&self.shared);
        shared.advance(Lifetime::Closing);
        let (sender, closed) = oneshot::channel::<()>();
        // When the thread has ended, `sender` is dropped, and so are all calls.
        let _ = self.spawner.spawn(move || async move {
            if timeout(limit, shared.lifetime.closed()).await.is_err() {
                shared.advance(Lifetime::Cut);
                shared.lifetime.closed().await;
            }
            shared.directory.close();
            drop(sender);
        });
        async move { drop(closed.await) }
    }
}

impl std::fmt::Debug for Client {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Client")
            .field("endpoints", &self.shared.options.endpoints)
            .field("stats", &self.stats())
            .finish_non_exhaustive()
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Lifetime {
    Open,
    /// No new calls; those that were made may finish.
    Closing,
    /// Calls end where they stand.
    Cut,
}

/// What all calls of a client share.
struct Shared {
    options: ClientOptions,
    directory: Directory,
    /// Every call holds a receiver: none left means that all have ended.
    lifetime: watch::Sender<Lifetime>,
    codecs: Codecs,
    request_ids: RequestIds,
}

impl Shared {
    fn is_closing(&self) -> bool {
        *self.lifetime.borrow() != Lifetime::Open
    }

    /// Resolves when the client is being closed.
    async fn closing(&self) {
        // An error means that the client is gone, which it is not: this borrows it.
        let _ = self.lifetime.subscribe().wait_for(|lifetime| *lifetime != Lifetime::Open).await;
    }

    fn advance(&self, to: Lifetime) {
        self.lifetime.send_if_modified(|lifetime| {
            let later = *lifetime < to;
            *lifetime = to.max(*lifetime);
            later
        });
    }
}
