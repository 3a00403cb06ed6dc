//! Options and figures of a server.

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
    /// The port; 0 for a free one, see `Server::local_addr`.
    pub port: u16,
    /// Whether other sockets of this user with this option may share the port. Fails on systems
    /// that do not support this.
    pub reuse_port: bool,
    /// Certificates, to serve TLS.
    pub tls: Option<ServerTls>,
    /// Callers and limits of the protocol.
    pub settings: Settings,
    /// Replay protection; `None` to disable it.
    pub replay: Option<ReplayPolicy>,
    /// How to decode arguments.
    pub decode: OwnedDecodeOptions,
    /// Functions with their own option for binaries in arguments.
    pub binaries: HashMap<u32, Binaries>,
    /// Limit for the head of a request; for the first one, including the TLS handshake.
    pub head_timeout: Duration,
    /// Limit for the body of a request.
    pub recv_timeout: Duration,
    /// Limit for a request from its first byte to its last.
    pub request_timeout: Duration,
    /// Limit of idle time between requests.
    pub keep_alive_timeout: Duration,
    /// How long a peer may not read its response.
    pub send_timeout: Duration,
    /// Limit of open connections. Others wait in the system's queue.
    pub max_connections: usize,
    /// Limit of calls in flight. Others are refused with 503 before their body is read.
    pub max_calls_in_flight: usize,
    /// Limit of streams. A stream counts as a call until its first items; others are refused with
    /// 503 then.
    pub max_streams: usize,
    /// How long a stream may be silent before it sends a ping.
    pub stream_ping_interval: Duration,
    /// The path of unsigned health checks.
    pub health_path: Option<String>,
    /// Limit of memory for calls: arguments from their arrival until their function has ended, and
    /// results until they are sent. Calls beyond it wait for the receive timeout, and are then
    /// refused with 503. Messages of at most 16 KiB are not counted.
    pub max_bytes_in_flight: usize,
    /// Limit of a request's head.
    pub max_header_bytes: usize,
    /// Limit of a request's headers.
    pub max_headers: usize,
    /// More I/O threads to spread connections over.
    pub io_threads: Vec<Spawner>,
}

impl ServerOptions {
    /// The protocol's defaults: all IPv4 addresses, port 8080, 5 s to receive.
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

/// Figures of a server.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ServerStats {
    /// Open connections.
    pub connections: usize,
    /// Unanswered calls whose callers wait.
    pub calls_in_flight: usize,
    /// Open streams.
    pub streams: usize,
    /// Running calls whose callers are gone.
    pub abandoned: usize,
    /// Used part of `max_bytes_in_flight`.
    pub bytes_in_flight: usize,
    /// Calls of functions since the start.
    pub calls: u64,
    /// Requests since the start that no function saw, by reason.
    pub refused: BTreeMap<&'static str, u64>,
    /// Exceptions since the start, by class.
    pub exceptions: ExceptionStats,
    /// Named callers.
    pub callers: BTreeMap<Arc<str>, CallerStats>,
}

/// Exceptions by class.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ExceptionStats {
    /// Of class `error`.
    pub error: u64,
    /// Of class `exit`.
    pub exit: u64,
    /// Of class `throw`.
    pub throw: u64,
}

/// Figures of a caller since the server knows it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CallerStats {
    /// Calls of functions.
    pub calls: u64,
    /// Authentic requests that were refused.
    pub refused: u64,
}

/// The server cannot listen.
#[derive(Debug)]
pub struct BindError {
    /// The given host.
    pub host: String,
    /// The given port.
    pub port: u16,
    /// The error of the host's last address.
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
