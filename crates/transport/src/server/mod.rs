//! The server: a listener, its connections, and the calls that they bring.

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
mod streams;
mod unsent;

use std::collections::HashMap;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, SystemTime};

use backwater_etf::Binaries;
use backwater_protocol::server::{Callers, Exposure, ReplayGuard, Settings};
use http::HeaderValue;
use tokio::sync::{oneshot, watch};
use tokio::time::timeout;

use self::calls::Calls;
use self::counts::Counts;
pub use self::exceptions::ExceptionClass;
use self::forecast::Forecasts;
pub use self::items::OnTaken;
pub use self::options::{BindError, CallerStats, ExceptionStats, ServerOptions, ServerStats};
pub use self::service::{IncomingCall, Outcome, Peer, Reply, Service};
use self::streams::Streams;
use crate::codec::Codecs;
use crate::memory::{Memory, encoding};
use crate::swap::Swap;
use crate::tls::ServerTls;
use crate::{IoThread, OwnedDecodeOptions, Spawner};

/// How long callers may take to read the end of their streams when the server closes.
const LAST_FRAMES: Duration = Duration::from_millis(500);

/// What a server exposes: the functions as numbers of the service's choosing.
pub type Functions = dyn Exposure<Function = u32> + Send + Sync;

/// A server that listens. Dropping it closes it at once, calls in flight included.
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
    /// When none of the host's addresses can be listened on, or the I/O thread has ended.
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
        // When the thread has ended, `sender` is dropped, and by that the outcome is known.
        let _ = spawner.spawn(move || async move {
            drop(sender.send(listen(options, functions, service, task_spawner).await));
        });
        async move {
            let ended =
                || BindError { host, port, source: io::Error::other("the I/O thread has ended") };
            started.await.unwrap_or_else(|_| Err(ended()))
        }
    }

    /// The address that the server listens on.
    pub fn local_addr(&self) -> SocketAddr {
        self.local_addr
    }

    /// Its TLS, by which it can be given another certificate; `None` for a server without.
    pub fn tls(&self) -> Option<&ServerTls> {
        self.shared.tls.as_ref()
    }

    /// What the server is doing right now.
    pub fn stats(&self) -> ServerStats {
        let shared = &self.shared;
        ServerStats {
            connections: shared.connections.load(Ordering::Relaxed),
            calls_in_flight: shared.calls.in_flight(),
            streams: shared.streams.in_flight(),
            calls: shared.counts.calls(),
            abandoned: shared.memory.abandoned(),
            bytes_in_flight: shared.memory.used(),
            refused: shared.counts.refused(),
            exceptions: shared.counts.exceptions(),
            callers: shared.counts.callers(),
        }
    }

    /// Takes requests of these callers from now on. An answer is signed with the secret of its request, even
    /// if that has been removed meanwhile.
    pub fn set_callers(&self, callers: Callers) {
        self.shared.counts.keep_callers(&callers);
        self.shared.settings.update(|settings| Settings { callers, ..settings.clone() });
    }

    /// Says to everybody that the server is about to close, from this moment on; it goes on to serve.
    pub fn leave(&self) {
        self.shared.advance(Phase::Leaving);
    }

    /// Closes the server: it stops to accept and closes connections once no request is to be expected on
    /// them; calls in flight may take until `limit` from now, then their connections are cut. Streams end
    /// with the exception `{exit, server_closing, []}` then, which their callers have half a second to
    /// read. The future
    /// resolves when all connections have ended; the closing goes on without it being polled, from
    /// anywhere. Closing again can only hasten the end.
    pub fn close(&self, limit: Duration) -> impl Future<Output = ()> + Send + use<> {
        self.close_after(Duration::ZERO, limit)
    }

    /// Like [`Server::close`], but says for a while before that the server is about to close, and goes
    /// on to serve: its health is bad, and every answer ends its connection. So those who choose among
    /// servers have time to choose another one. `limit` counts from the end of the delay.
    pub fn close_after(
        &self,
        delay: Duration,
        limit: Duration,
    ) -> impl Future<Output = ()> + Send + use<> {
        let shared = Arc::clone(&self.shared);
        let (sender, closed) = oneshot::channel::<()>();
        self.shared.advance(if delay.is_zero() { Phase::Draining } else { Phase::Leaving });
        // When the thread has ended, `sender` is dropped, and so are all connections.
        let _ = self.spawner.spawn(move || async move {
            let mut phase = shared.phase.subscribe();
            // Closing again may cut the delay short.
            let _ = timeout(delay, phase.wait_for(|phase| *phase >= Phase::Draining)).await;
            // Everybody who listens counts as a connection.
            drop(phase);
            shared.advance(Phase::Draining);
            if timeout(limit, shared.phase.closed()).await.is_err() {
                shared.advance(Phase::EndingStreams);
                if timeout(LAST_FRAMES, shared.phase.closed()).await.is_err() {
                    shared.advance(Phase::Cut);
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
        self.shared.advance(Phase::Cut);
    }
}

/// Where a server is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Phase {
    Running,
    /// Serves on, and says to everybody that it is about to close.
    Leaving,
    /// No new connections and requests; calls in flight may finish.
    Draining,
    /// Calls end where they stand, and streams with an exception.
    EndingStreams,
    /// Connections end where they stand.
    Cut,
}

/// What all connections of a server share.
struct Shared {
    tls: Option<ServerTls>,
    settings: Swap<Settings>,
    replay: Option<ReplayGuard>,
    decode: OwnedDecodeOptions,
    /// What binaries become in the arguments of functions for which that differs.
    binaries: HashMap<u32, Binaries>,
    recv_timeout: Duration,
    head_timeout: Duration,
    request_timeout: Duration,
    keep_alive_timeout: Duration,
    /// The same in seconds, as responses tell it.
    keep_alive: HeaderValue,
    send_timeout: Duration,
    stream_ping_interval: Duration,
    max_headers: usize,
    health_path: Option<String>,
    max_header_bytes: usize,
    functions: Arc<Functions>,
    service: Arc<dyn Service>,
    codecs: Codecs,
    /// The listener and every connection hold a receiver: none left means that all is gone.
    phase: watch::Sender<Phase>,
    calls: Calls,
    streams: Arc<Streams>,
    memory: Arc<Memory>,
    forecasts: Forecasts,
    connections: AtomicUsize,
    counts: Counts,
}

impl Shared {
    /// Whether the server is about to close, or does so.
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

/// Rounded down: a client may rely on that time.
fn keep_alive_hint(timeout: Duration) -> HeaderValue {
    let text = format!("timeout={}", timeout.as_secs());
    // Letters and digits can stand in a header.
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
        streams: Streams::new(options.max_streams),
        memory,
        forecasts,
        connections: AtomicUsize::new(0),
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
