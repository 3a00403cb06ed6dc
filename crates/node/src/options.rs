//! Options as the TypeScript side hands them over: validated there, so that errors name the option.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use backwater_etf::DecodeOptions;
use backwater_protocol::server::ReplayPolicy;
use backwater_protocol::{CallHeaders, Secrets};
use backwater_transport::{EndpointAddress, OwnedDecodeOptions};
use http::HeaderValue;
use napi::bindgen_prelude::Buffer;
use serde::Deserialize;

use crate::known_atoms::KnownAtomTable;

/// Options of a server.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ServerOptions {
    pub(crate) host: String,
    pub(crate) port: u16,
    pub(crate) reuse_port: bool,
    pub(crate) tls: Option<TlsServer>,
    pub(crate) health: Option<String>,
    pub(crate) headers_timeout: u32,
    pub(crate) request_timeout: u32,
    pub(crate) keep_alive_timeout: u32,
    pub(crate) send_timeout: u32,
    pub(crate) max_header_size: usize,
    pub(crate) max_headers: usize,
    pub(crate) recv_timeout: u32,
    pub(crate) max_encoded_args_size: usize,
    pub(crate) max_encoded_result_size: usize,
    pub(crate) compression_threshold: u32,
    pub(crate) gzip_level: u32,
    pub(crate) max_connections: u32,
    pub(crate) max_calls_in_flight: u32,
    /// `None` for no limit.
    pub(crate) max_bytes_in_flight: Option<usize>,
    pub(crate) io_threads: usize,
    #[serde(flatten)]
    pub(crate) bounds: ValueBounds,
    pub(crate) flags: u32,
    pub(crate) replay: Option<ReplayOptions>,
    pub(crate) functions: Vec<ExposedFunction>,
    /// All modules, also those without functions.
    pub(crate) modules: Vec<String>,
}

/// Identifier, module, function, arity, and the bits of [`TermFlags`] for binaries if it has its own.
pub(crate) type ExposedFunction = (u32, String, String, u8, Option<u32>);

/// Bounds on the value of a message.
#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ValueBounds {
    max_depth: u32,
    max_terms: u32,
    /// What the value may take in V8, in bytes; `None` for no limit.
    max_value_size: Option<usize>,
}

/// What a server shows and demands, in PEM form.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct TlsServer {
    pub(crate) cert: String,
    pub(crate) key: String,
    pub(crate) client_ca: Option<String>,
}

/// Whom a client trusts and what it shows, in PEM form.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct TlsClient {
    pub(crate) ca: Option<String>,
    pub(crate) cert: Option<String>,
    pub(crate) key: Option<String>,
    pub(crate) servername: Option<String>,
    pub(crate) accept_any: bool,
}

/// Options of a client.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ClientOptions {
    /// Where to call; nothing when that is told later.
    pub(crate) endpoints: Vec<ListedEndpoint>,
    /// Whether endpoints are told later, and what tells this client from all others then.
    pub(crate) resolver: Option<String>,
    /// There when TLS may be spoken.
    pub(crate) tls: Option<TlsClient>,
    pub(crate) io_threads: usize,
    pub(crate) connect_timeout: u32,
    pub(crate) recv_timeout: u32,
    pub(crate) max_encoded_args_size: usize,
    pub(crate) max_encoded_result_size: usize,
    pub(crate) compression_threshold: u32,
    pub(crate) gzip_level: u32,
    pub(crate) max_connections: u32,
    pub(crate) max_queued_calls: u32,
    /// `None` for no limit.
    pub(crate) max_bytes_in_flight: Option<usize>,
    pub(crate) min_connections: u32,
    pub(crate) max_connection_age: u32,
    pub(crate) dead_peer_timeout: u32,
    pub(crate) idle_timeout: Option<u32>,
    #[serde(flatten)]
    pub(crate) bounds: ValueBounds,
    pub(crate) replay_protection: bool,
    pub(crate) audience: Option<String>,
}

/// What requests have to pass so that none is taken twice.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ReplayOptions {
    required: bool,
    audiences: Vec<String>,
    max_clock_difference: u32,
    capacity: u32,
}

impl From<ReplayOptions> for ReplayPolicy {
    fn from(options: ReplayOptions) -> Self {
        let ReplayOptions { required, audiences, max_clock_difference, capacity } = options;
        Self {
            required,
            audiences,
            max_clock_difference: duration(max_clock_difference),
            capacity: size(capacity),
        }
    }
}

/// The secrets of a client or server.
pub(crate) fn secrets(secrets: &[Buffer]) -> napi::Result<Secrets> {
    let secrets: Vec<_> = secrets.iter().map(|secret| secret.to_vec()).collect();
    Secrets::new(secrets).map_err(|error| napi::Error::from_reason(error.to_string()))
}

/// Text that was checked to be the value of a header.
pub(crate) fn header_value(text: Option<&str>) -> napi::Result<Option<HeaderValue>> {
    let value = text.map(HeaderValue::from_str).transpose();
    value.map_err(|error| napi::Error::from_reason(error.to_string()))
}

/// Names and values of headers in turns, with NUL between them; `None` if no call can carry them.
pub(crate) fn call_headers(text: &str) -> Option<CallHeaders> {
    let parts: Vec<&str> = text.split('\0').collect();
    let (pairs, rest) = parts.as_chunks::<2>();
    if !rest.is_empty() {
        return None;
    }
    CallHeaders::new(pairs.iter().map(|[name, value]| (*name, *value)))
}

/// An endpoint as src/resolve/resolver.ts lists it.
#[derive(Deserialize)]
pub(crate) struct ListedEndpoint {
    scheme: Scheme,
    host: String,
    port: u16,
    address: IpAddr,
    weight: u32,
    priority: u16,
}

/// What is spoken with an endpoint.
#[derive(Deserialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
enum Scheme {
    Http,
    Https,
}

impl From<ListedEndpoint> for backwater_transport::ListedEndpoint {
    fn from(listed: ListedEndpoint) -> Self {
        let ListedEndpoint { scheme, host, port, address, weight, priority } = listed;
        let tls = scheme == Scheme::Https;
        let address = EndpointAddress { host, port, ip: Some(address), tls };
        Self { address, weight, priority }
    }
}

/// Why the TypeScript side could not resolve the names of a client.
#[derive(Deserialize)]
pub(crate) struct ResolveFailure {
    name: String,
    code: Option<String>,
    message: String,
}

impl From<ResolveFailure> for backwater_transport::ResolveFailure {
    fn from(failure: ResolveFailure) -> Self {
        let ResolveFailure { name, code, message } = failure;
        Self { name, code, message }
    }
}

/// Reads options from JSON.
pub(crate) fn parse<'a, T: Deserialize<'a>>(text: &'a str) -> napi::Result<T> {
    serde_json::from_str(text).map_err(|error| napi::Error::from_reason(error.to_string()))
}

/// A time of the TypeScript side; `u32::MAX` means none, for which a century will do.
pub(crate) fn duration(milliseconds: u32) -> Duration {
    if milliseconds == u32::MAX {
        Duration::from_secs(100 * 365 * 24 * 3600)
    } else {
        Duration::from_millis(milliseconds.into())
    }
}

/// A time of the TypeScript side where none is something else than a long one.
pub(crate) fn limit(milliseconds: u32) -> Option<Duration> {
    (milliseconds != u32::MAX).then(|| Duration::from_millis(milliseconds.into()))
}

/// A size of the TypeScript side; `u32::MAX` means none.
pub(crate) fn size(bytes: u32) -> usize {
    if bytes == u32::MAX { usize::MAX } else { bytes as usize }
}

/// How terms are decoded, and calls made; the bits stand in src/options.ts too.
#[derive(Clone, Copy)]
pub(crate) struct TermFlags(pub(crate) u32);

impl TermFlags {
    pub(crate) fn exact(self) -> bool {
        self.0 & 1 != 0
    }

    /// Whether the call may be made again.
    pub(crate) fn idempotent(self) -> bool {
        self.0 & 16 != 0
    }

    /// Whether atoms that this program has not made are refused.
    pub(crate) fn safe(self) -> bool {
        self.0 & 2 != 0
    }

    pub(crate) fn binaries(self) -> backwater_etf::Binaries {
        match (self.0 >> 2) & 3 {
            1 => backwater_etf::Binaries::Buffer,
            2 => backwater_etf::Binaries::String,
            _ => backwater_etf::Binaries::Text,
        }
    }

    /// The same as [`TermFlags::decode_options`] for a decoder on this thread.
    pub(crate) fn static_decode_options(
        self,
        max_depth: u32,
        max_terms: u32,
    ) -> DecodeOptions<'static> {
        DecodeOptions {
            exact: self.exact(),
            binaries: self.binaries(),
            known_atoms: if self.safe() { Some(&KnownAtomTable) } else { None },
            max_depth,
            max_terms,
            ..DecodeOptions::default()
        }
    }

    /// Everything that says how a message is decoded.
    pub(crate) fn decode_options(self, bounds: ValueBounds) -> OwnedDecodeOptions {
        let ValueBounds { max_depth, max_terms, max_value_size } = bounds;
        OwnedDecodeOptions {
            exact: self.exact(),
            binaries: self.binaries(),
            known_atoms: if self.safe() { Some(Arc::new(KnownAtomTable)) } else { None },
            max_depth,
            max_terms,
            max_value_size: max_value_size.unwrap_or(usize::MAX),
        }
    }
}
