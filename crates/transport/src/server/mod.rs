mod activity;
mod answer;
mod calls;
mod conformance;
mod connection;
mod counts;
mod exceptions;
mod forecast;
mod frames;
mod half_closed;
mod health;
mod items;
mod linger;
mod listener;
mod options;
mod peer_socket;
mod raw_head;
mod request;
mod response_body;
mod room;
mod secure;
mod service;
mod stream;
mod unsent;

use std::collections::HashMap;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use backwater_etf::{Binaries, DecodeOptions};
use backwater_protocol::server::{Callers, Exposure, ReplayGuard, Settings};
use http::HeaderValue;
use tokio::sync::{Semaphore, oneshot, watch};
use tokio::time::timeout;

use self::calls::Calls;
use self::counts::Counts;
pub use self::exceptions::ExceptionClass;
use self::forecast::Forecasts;
pub use self::items::OnTaken;
pub use self::options::{BindError, CallerStats, ExceptionStats, ServerOptions, ServerStats};
pub use self::service::{IncomingCall, Outcome, Peer, Reply, Service};
use crate::codec::Codecs;
use crate::memory::{Memory, encoding};
use crate::swap::Swap;
use crate::tls::ServerTls;
use crate::{IoThread, Spawner};

const LAST_FRAMES: Duration = Duration::from_millis(500);

/// The exposed functions, numbered by the service.
pub type Functions = dyn Exposure<Function = u32> + Send + Sync;

/// A listening server. Dropping it aborts calls in flight.
#[derive(Debug)]
pub struct Server {
    shared: Arc<Shared>,
    local_addr: SocketAddr,
    spawner: Spawner,
}

impl Server {
    /// Starts to listen. The future may be awaited anywhere.
    ///
    /// # Errors
    ///
    /// If the host has no usable address, or the I/O thread has ended.
    pub fn start(
        io: &IoThread,
        options: ServerOptions,
        functions: Arc<Functions>,
        service: Arc<dyn Service>,
    ) -> impl Future<Output = Result<Self, BindError>> + Send + use<> {
        let spawner = io.spawner();
        let (host, port) = (options.host.clone(), options.port);
        let (sender, started) = oneshot::channel();
        let task_spawner = spawner.clone();
        // Dropping `sender` reports that the thread has ended.
        let _ = spawner.spawn(move || async move {
            drop(sender.send(listen(options, functions, service, task_spawner).await));
        });
        async move {
            let ended =
                || BindError { host, port, source: io::Error::other("the I/O thread has ended") };
            started.await.unwrap_or_else(|_| Err(ended()))
        }
    }

    pub fn local_addr(&self) -> SocketAddr {
        self.local_addr
    }

    /// The TLS settings, to replace the certificate; `None` without TLS.
    pub fn tls(&self) -> Option<&ServerTls> {
        self.shared.tls.as_ref()
    }

    pub fn stats(&self) -> ServerStats {
        let shared = &self.shared;
        ServerStats {
            connections: Arc::strong_count(&shared.connections) - 1,
            calls_in_flight: shared.calls.in_flight(),
            streams: shared.max_streams - shared.streams.available_permits(),
            calls: shared.counts.calls(),
            abandoned: shared.memory.abandoned(),
            bytes_in_flight: shared.memory.used(),
            refused: shared.counts.refused(),
            exceptions: shared.counts.exceptions(),
            callers: shared.counts.callers(),
        }
    }

    /// Replaces the callers. Requests in flight keep their secrets.
    pub fn set_callers(&self, callers: Callers) {
        self.shared.counts.keep_callers(&callers);
        self.shared.settings.update(|settings| Settings { callers, ..settings.clone() });
    }

    pub fn leave(&self) {
        self.shared.advance(Phase::Leaving);
    }

    /// Stops accepting connections, and closes each once no request is expected. After `limit`,
    /// calls are reset, and streams end with `{exit, server_closing, []}`, which callers have half
    /// a second to read. The future resolves when all connections have ended, and may be dropped.
    /// Closing again can only shorten the limit.
    pub fn close(&self, limit: Duration) -> impl Future<Output = ()> + Send + use<> {
        self.close_after(Duration::ZERO, limit)
    }

    /// Like [`Server::close`] after `delay`. Meanwhile health checks fail and every response ends
    /// its connection, so that load balancers choose another server.
    pub fn close_after(
        &self,
        delay: Duration,
        limit: Duration,
    ) -> impl Future<Output = ()> + Send + use<> {
        let shared = Arc::clone(&self.shared);
        let (sender, closed) = oneshot::channel::<()>();
        self.shared.advance(if delay.is_zero() { Phase::Draining } else { Phase::Leaving });
        let _ = self.spawner.spawn(move || async move {
            let mut phase = shared.phase.subscribe();
            let _ = timeout(delay, phase.wait_for(|phase| *phase >= Phase::Draining)).await;
            // This receiver would count as a connection.
            drop(phase);
            shared.advance(Phase::Draining);
            if timeout(limit, shared.phase.closed()).await.is_err() {
                shared.advance(Phase::EndingStreams);
                if timeout(LAST_FRAMES, shared.phase.closed()).await.is_err() {
                    shared.advance(Phase::Aborted);
                    shared.phase.closed().await;
                }
            }
            drop(sender);
        });
        async move { drop(closed.await) }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.shared.advance(Phase::Aborted);
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Phase {
    Running,
    Leaving,
    Draining,
    EndingStreams,
    Aborted,
}

struct Shared {
    tls: Option<ServerTls>,
    settings: Swap<Settings>,
    replay: Option<ReplayGuard>,
    decode: DecodeOptions<'static>,
    binaries: HashMap<u32, Binaries>,
    recv_timeout: Duration,
    head_timeout: Duration,
    request_timeout: Duration,
    keep_alive_timeout: Duration,
    keep_alive: HeaderValue,
    send_timeout: Duration,
    stream_ping_interval: Duration,
    max_headers: usize,
    health_path: Option<String>,
    max_header_bytes: usize,
    functions: Arc<Functions>,
    service: Arc<dyn Service>,
    codecs: Codecs,
    phase: watch::Sender<Phase>,
    calls: Calls,
    max_streams: usize,
    streams: Arc<Semaphore>,
    memory: Arc<Memory>,
    forecasts: Forecasts,
    /// Each open connection holds a clone.
    connections: Arc<()>,
    counts: Counts,
}

impl Shared {
    fn is_leaving(&self) -> bool {
        *self.phase.borrow() != Phase::Running
    }

    fn advance(&self, to: Phase) {
        self.phase.send_if_modified(|phase| {
            let later = *phase < to;
            *phase = to.max(*phase);
            later
        });
    }
}

impl std::fmt::Debug for Shared {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Shared")
            .field("phase", &*self.phase.borrow())
            .finish_non_exhaustive()
    }
}

/// Rounds down, because clients may rely on it.
fn keep_alive_hint(timeout: Duration) -> HeaderValue {
    let text = format!("timeout={}", timeout.as_secs());
    HeaderValue::try_from(text).unwrap_or(HeaderValue::from_static("timeout=0"))
}

async fn listen(
    options: ServerOptions,
    functions: Arc<Functions>,
    service: Arc<dyn Service>,
    spawner: Spawner,
) -> Result<Server, BindError> {
    let bound = listener::bind(&options.host, options.port, options.reuse_port).await;
    let (listener, local_addr) =
        bound.map_err(|source| BindError { host: options.host, port: options.port, source })?;
    let (phase, receiver) = watch::channel(Phase::Running);
    let memory = Memory::new(options.max_bytes_in_flight);
    let forecasts = Forecasts::new(encoding(options.settings.max_encoded_result_size));
    let max_streams = options.max_streams.min(Semaphore::MAX_PERMITS);
    let counts = Counts::new(&options.settings.callers);
    let shared = Arc::new(Shared {
        counts,
        tls: options.tls,
        settings: Swap::new(options.settings),
        replay: options.replay.map(|policy| ReplayGuard::new(policy, SystemTime::now().into())),
        decode: options.decode,
        binaries: options.binaries,
        recv_timeout: options.recv_timeout,
        head_timeout: options.head_timeout,
        request_timeout: options.request_timeout,
        keep_alive_timeout: options.keep_alive_timeout,
        keep_alive: keep_alive_hint(options.keep_alive_timeout),
        send_timeout: options.send_timeout,
        stream_ping_interval: options.stream_ping_interval,
        max_headers: options.max_headers,
        health_path: options.health_path,
        max_header_bytes: options.max_header_bytes,
        functions,
        service,
        codecs: Codecs::default(),
        phase,
        calls: Calls::new(options.max_calls_in_flight, Arc::clone(&memory)),
        max_streams,
        streams: Arc::new(Semaphore::new(max_streams)),
        memory,
        forecasts,
        connections: Arc::default(),
    });
    let accepting = listener::accept(
        listener,
        Arc::clone(&shared),
        receiver,
        options.max_connections,
        options.io_threads,
    );
    tokio::task::spawn_local(accepting);
    Ok(Server { shared, local_addr, spawner })
}
