use std::collections::{BTreeMap, HashMap};
use std::io;
use std::sync::Arc;
use std::time::Duration;

use backwater_etf::{Binaries, DecodeOptions};
use backwater_protocol::server::{ReplayPolicy, Settings};

use crate::Spawner;
use crate::tls::ServerTls;

#[derive(Clone, Debug)]
pub struct ServerOptions {
    pub host: String,
    pub port: u16,
    pub reuse_port: bool,
    pub tls: Option<ServerTls>,
    pub settings: Settings,
    pub replay: Option<ReplayPolicy>,
    pub decode: DecodeOptions<'static>,
    pub binaries: HashMap<u32, Binaries>,
    pub head_timeout: Duration,
    pub recv_timeout: Duration,
    pub request_timeout: Duration,
    pub keep_alive_timeout: Duration,
    pub send_timeout: Duration,
    pub max_connections: usize,
    pub max_calls_in_flight: usize,
    pub max_streams: usize,
    pub stream_ping_interval: Duration,
    pub health_path: Option<String>,
    pub max_bytes_in_flight: usize,
    pub max_header_bytes: usize,
    pub max_headers: usize,
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
            decode: DecodeOptions::default(),
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

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ServerStats {
    pub connections: usize,
    pub calls_in_flight: usize,
    pub streams: usize,
    pub abandoned: usize,
    pub bytes_in_flight: usize,
    pub calls: u64,
    /// Requests that reached no function, by reason, since the start.
    pub refused: BTreeMap<&'static str, u64>,
    pub exceptions: ExceptionStats,
    pub callers: BTreeMap<Arc<str>, CallerStats>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ExceptionStats {
    pub error: u64,
    pub exit: u64,
    pub throw: u64,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CallerStats {
    pub calls: u64,
    /// Authentic requests that were refused.
    pub refused: u64,
}

#[derive(Debug)]
pub struct BindError {
    pub host: String,
    pub port: u16,
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
