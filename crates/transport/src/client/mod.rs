//! The client: calls, and the connections that they share.

mod call;
mod connect;
mod connection;
mod endpoint_pool;
mod error;
mod exchange;
mod options;
mod pool;
mod request_ids;
mod stream;
mod times;

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{oneshot, watch};
use tokio::time::timeout;

pub use self::call::{CallOutcome, CallRequest};
use self::endpoint_pool::EndpointPool;
pub use self::error::CallError;
pub use self::options::{ClientOptions, Endpoint};
use self::request_ids::RequestIds;
pub use self::times::{CallTimes, Phase};
use crate::codec::Codecs;
use crate::guard::catch_panic;
use crate::{IoThread, Spawner};

/// Calls the functions of one server. Clones are the same client.
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
    /// A client; it connects when it is first called.
    pub fn new(io: &IoThread, options: ClientOptions) -> Self {
        let shared = Arc::new(Shared {
            authority: options.endpoint.to_string(),
            endpoint: EndpointPool::new(options.endpoint.clone(), &options),
            lifetime: watch::Sender::new(Lifetime::Open),
            codecs: Codecs::default(),
            request_ids: RequestIds::new(),
            options,
        });
        Self { shared, spawner: io.spawner() }
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
        async move {
            let mut lifetime = shared.lifetime.subscribe();
            if *lifetime.borrow_and_update() != Lifetime::Open {
                return Err(CallError::Closed);
            }
            let mut calling = pin!(call::call(&shared, request));
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

    /// What the client is doing right now.
    pub fn stats(&self) -> ClientStats {
        let stats = self.shared.endpoint.stats();
        ClientStats {
            calls_in_flight: stats.in_flight,
            calls_waiting: stats.waiting,
            open_connections: stats.open,
            idle_connections: stats.idle,
            connect_failures: stats.connect_failures,
        }
    }

    /// Closes the client: new calls and those that wait for a connection fail with
    /// [`CallError::Closed`], idle connections are closed; calls in flight may take until `limit` from
    /// now, then they fail the same way. The future resolves when all calls have ended; the closing
    /// goes on without it being polled, from anywhere. Closing again can only hasten the end.
    pub fn close(&self, limit: Duration) -> impl Future<Output = ()> + Send + use<> {
        let shared = Arc::clone(&self.shared);
        shared.advance(Lifetime::Closing);
        shared.endpoint.close();
        let (sender, closed) = oneshot::channel::<()>();
        // When the thread has ended, `sender` is dropped, and so are all calls.
        let _ = self.spawner.spawn(move || async move {
            if timeout(limit, shared.lifetime.closed()).await.is_err() {
                shared.advance(Lifetime::Cut);
                shared.lifetime.closed().await;
            }
            drop(sender);
        });
        async move { drop(closed.await) }
    }
}

impl std::fmt::Debug for Client {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Client")
            .field("endpoint", &self.shared.options.endpoint)
            .field("stats", &self.stats())
            .finish_non_exhaustive()
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Lifetime {
    Open,
    /// No new calls; those in flight may finish.
    Closing,
    /// Calls end where they stand.
    Cut,
}

/// What all calls of a client share.
struct Shared {
    options: ClientOptions,
    /// What the `host` header says.
    authority: String,
    endpoint: Arc<EndpointPool>,
    /// Every call holds a receiver: none left means that all have ended.
    lifetime: watch::Sender<Lifetime>,
    codecs: Codecs,
    request_ids: RequestIds,
}

impl Shared {
    fn advance(&self, to: Lifetime) {
        self.lifetime.send_if_modified(|lifetime| {
            let later = *lifetime < to;
            *lifetime = to.max(*lifetime);
            later
        });
    }
}
