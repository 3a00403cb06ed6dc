//! What a server can be told, and what it tells.

use std::collections::{BTreeMap, HashMap};
use std::io;
use std::sync::Arc;
use std::time::Duration;

use backwater_etf::Binaries;
use backwater_protocol::server::{ReplayPolicy, Settings};

use crate::tls::ServerTls;
use crate::{OwnedDecodeOptions, Spawner};

/// Options of a server. Sizes are in bytes.
#[derive(Clone, Debug)]
pub struct ServerOptions {
    /// The address or name to listen on; a name's addresses are tried in turn.
    pub host: String,
    /// The port to listen on; 0 takes a free one, which `Server::local_addr` tells.
    pub port: u16,
    /// Whether other sockets of this user may listen on the same port, if they have the option as well.
    /// Fails on systems that cannot spread connections so.
    pub reuse_port: bool,
    /// Certificates, if the server speaks TLS.
    pub tls: Option<ServerTls>,
    /// Secrets and limits of the protocol.
    pub settings: Settings,
    /// What requests have to pass so that none is taken twice; `None` for nothing.
    pub replay: Option<ReplayPolicy>,
    /// How arguments are decoded.
    pub decode: OwnedDecodeOptions,
    /// What binaries become in the arguments of functions for which that differs from `decode`.
    pub binaries: HashMap<u32, Binaries>,
    /// How long a peer may take to send the head of a request; of the first one, including the TLS handshake.
    pub head_timeout: Duration,
    /// How long a peer may take to send the body of a request.
    pub recv_timeout: Duration,
    /// How long a peer may take to send a request, from its first byte to its last.
    pub request_timeout: Duration,
    /// How long a connection may be idle between two requests.
    pub keep_alive_timeout: Duration,
    /// How long a peer may not read its answer before its connection is closed.
    pub send_timeout: Duration,
    /// How many connections may be open. The next ones wait in the system's queue until one ends.
    pub max_connections: usize,
    /// How many calls may be under way. The next one is refused with 503 before its body is read.
    pub max_calls_in_flight: usize,
    /// How many streams may be under way. A stream counts as a call until its first items are there; the
    /// next one is refused with 503 then.
    pub max_streams: usize,
    /// How long a stream may be silent before it sends a ping.
    pub stream_ping_interval: Duration,
    /// The path at which everybody is told whether the server is well, without a signature.
    pub health_path: Option<String>,
    /// How much memory calls may take: arguments from when they are received until their function has
    /// ended, and results until they are sent. What would be more waits for as long as receiving may
    /// take, and is then refused with 503. Messages of at most 16 KiB are not counted.
    pub max_bytes_in_flight: usize,
    /// How long the head of a request may be.
    pub max_header_bytes: usize,
    /// How many headers a request may have.
    pub max_headers: usize,
    /// Further I/O threads besides the one that accepts, to spread the connections over.
    pub io_threads: Vec<Spawner>,
}

impl ServerOptions {
    /// Options with the defaults of the protocol: all IPv4 addresses, port 8080, 5 s to receive.
    pub fn new(settings: Settings) -> Self {
        Self {
            host: "0.0.0.0".to_owned(),
            port: 8080,
            reuse_port: false,
            tls: None,
            settings,
            replay: None,
            decode: OwnedDecodeOptions::default(),
            binaries: HashMap::new(),
            head_timeout: Duration::from_secs(5),
            recv_timeout: Duration::from_secs(5),
            request_timeout: Duration::from_secs(10),
            keep_alive_timeout: Duration::from_secs(65),
            send_timeout: Duration::from_secs(30),
            max_connections: 1024,
            max_calls_in_flight: 4096,
            max_streams: 1024,
            stream_ping_interval: Duration::from_secs(10),
            max_bytes_in_flight: 256 << 20,
            health_path: None,
            max_header_bytes: 16 * 1024,
            max_headers: 100,
            io_threads: Vec::new(),
        }
    }
}

/// What a server is doing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ServerStats {
    /// Open connections.
    pub connections: usize,
    /// Calls that have not been answered and whose callers wait.
    pub calls_in_flight: usize,
    /// Streams that have begun and not ended.
    pub streams: usize,
    /// Calls that the service has not answered and whose callers have gone.
    pub abandoned: usize,
    /// How much of `max_bytes_in_flight` is in use.
    pub bytes_in_flight: usize,
    /// Calls that were given to the service since the start.
    pub calls: u64,
    /// Requests that no function saw since the start, by reason.
    pub refused: BTreeMap<&'static str, u64>,
    /// Calls whose function raised an exception since the start, by class.
    pub exceptions: ExceptionStats,
    /// What each caller with a name has called, by name.
    pub callers: BTreeMap<Arc<str>, CallerStats>,
}

/// How many calls ended with an exception of a class.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ExceptionStats {
    /// Of class `error`.
    pub error: u64,
    /// Of class `exit`.
    pub exit: u64,
    /// Of class `throw`.
    pub throw: u64,
}

/// What a caller has called since the server knows it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CallerStats {
    /// Calls that were given to the service.
    pub calls: u64,
    /// Requests that were refused although they were authentic.
    pub refused: u64,
}

/// A server could not listen.
#[derive(Debug)]
pub struct BindError {
    /// The host that was given.
    pub host: String,
    /// The port that was given.
    pub port: u16,
    /// Why the last of the host's addresses could not be listened on.
    pub source: io::Error,
}

impl std::fmt::Display for BindError {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "cannot listen on {}:{}: {}", self.host, self.port, self.source)
    }
}

impl std::error::Error for BindError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.source)
    }
}
