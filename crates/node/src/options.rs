//! Validated options: `Infinity` means no limit, null not given. Times are in milliseconds, sizes
//! in bytes.

use std::net::IpAddr;
use std::time::Duration;

use backwater_etf::{Binaries, DecodeOptions};
use backwater_protocol::server::{Callers, Hint, NamedCaller, ReplayPolicy};
use backwater_protocol::{CallHeaders, Secrets};
use backwater_transport::EndpointAddress;
use http::HeaderValue;
use napi::bindgen_prelude::Buffer;
use napi::{Error, Result};
use napi_derive::napi;

use crate::errors::Failure;
use crate::known_atoms::KnownAtomTable;
use crate::numbers::{
    FLAG_BINARIES_BUFFER, FLAG_BINARIES_STRING, FLAG_EXACT, FLAG_IDEMPOTENT, FLAG_SAFE, FLAG_STREAM,
};

#[napi(object, object_to_js = false, use_nullable = true)]
pub struct ServerOptions {
    pub host: String,
    pub port: u16,
    pub reuse_port: bool,
    pub tls: Option<TlsServer>,
    pub health: Option<String>,
    pub headers_timeout: f64,
    pub request_timeout: f64,
    pub keep_alive_timeout: f64,
    pub send_timeout: f64,
    pub max_header_size: u32,
    pub max_headers: u32,
    pub recv_timeout: f64,
    pub max_encoded_args_size: u32,
    pub max_encoded_result_size: u32,
    pub compression_threshold: f64,
    pub gzip_level: u32,
    pub max_connections: f64,
    pub max_calls_in_flight: f64,
    pub max_streams: f64,
    pub stream_ping_interval: f64,
    pub max_bytes_in_flight: f64,
    pub io_threads: Option<u32>,
    pub max_depth: u32,
    pub max_terms: u32,
    pub max_value_size: f64,
    pub flags: u32,
    pub replay: Option<ReplayOptions>,
    /// Includes modules without functions.
    pub modules: Vec<String>,
    pub module_callers: Vec<ModuleCallers>,
    pub functions: Vec<ExposedFunction>,
}

#[napi(object, object_to_js = false)]
pub struct ModuleCallers {
    pub module: String,
    pub callers: Vec<String>,
}

#[napi(object, object_to_js = false, use_nullable = true)]
pub struct CallerSecrets {
    pub name: Option<String>,
    pub secrets: Vec<Buffer>,
    /// `None` if the other callers decide.
    pub needs_name: Option<bool>,
}

/// A caller without a name must be the only one.
pub(crate) fn callers(callers: &[CallerSecrets]) -> Result<std::result::Result<Callers, Failure>> {
    if let [CallerSecrets { name: None, secrets: all, .. }] = callers {
        return Ok(Ok(secrets(all)?.into()));
    }
    let named = callers.iter().map(|caller| {
        let hint = |needs_name| if needs_name { Hint::Required } else { Hint::Optional };
        Ok(NamedCaller {
            name: caller.name.clone().unwrap_or_default(),
            secrets: secrets(&caller.secrets)?,
            hint: caller.needs_name.map(hint),
        })
    });
    let callers = Callers::new(named.collect::<Result<Vec<_>>>()?);
    Ok(callers.map_err(|error| Failure::option("secret", format!("option 'secret': {error}"))))
}

pub(crate) fn checked_callers(checked: &[CallerSecrets]) -> Result<Callers> {
    callers(checked)?.map_err(|_| invalid("the callers cannot be used together"))
}

#[napi(object, object_to_js = false, use_nullable = true)]
pub struct ExposedFunction {
    pub id: u32,
    pub module: String,
    pub name: String,
    pub arity: u8,
    /// Overrides the bits of `flags` for binaries.
    pub binaries: Option<u32>,
}

/// PEM.
#[napi(object, object_to_js = false, use_nullable = true)]
pub struct TlsServer {
    pub cert: String,
    pub key: String,
    pub client_ca: Option<String>,
}

#[napi(object, object_to_js = false)]
pub struct ReplayOptions {
    pub required: bool,
    pub audiences: Vec<String>,
    pub max_clock_difference: f64,
    pub capacity: u32,
}

impl From<ReplayOptions> for ReplayPolicy {
    fn from(options: ReplayOptions) -> Self {
        let ReplayOptions { required, audiences, max_clock_difference, capacity } = options;
        Self {
            required,
            audiences,
            max_clock_difference: duration(max_clock_difference),
            capacity: capacity as usize,
        }
    }
}

#[napi(object, object_to_js = false, use_nullable = true)]
pub struct ClientOptions {
    /// Empty if a resolver finds them.
    pub endpoints: Vec<Endpoint>,
    pub is_resolved: bool,
    /// Set if any endpoint may use TLS.
    pub tls: Option<TlsClient>,
    pub io_threads: Option<u32>,
    pub connect_timeout: f64,
    pub recv_timeout: f64,
    pub max_encoded_args_size: u32,
    pub max_encoded_result_size: u32,
    pub compression_threshold: f64,
    pub gzip_level: u32,
    pub max_connections: u32,
    pub max_streams: u32,
    pub max_queued_calls: f64,
    pub max_bytes_in_flight: f64,
    pub min_connections: u32,
    pub max_connection_age: f64,
    pub dead_peer_timeout: f64,
    pub idle_timeout: Option<f64>,
    pub max_depth: u32,
    pub max_terms: u32,
    pub max_value_size: f64,
    pub replay_protection: bool,
    pub audience: Option<String>,
    pub caller: Option<String>,
}

/// PEM.
#[napi(object, object_to_js = false, use_nullable = true)]
pub struct TlsClient {
    pub ca: Option<String>,
    pub cert: Option<String>,
    pub key: Option<String>,
    pub servername: Option<String>,
    pub accept_any: bool,
}

#[napi(object, object_to_js = false)]
pub struct Endpoint {
    #[napi(ts_type = "'http' | 'https'")]
    pub scheme: String,
    /// For the `host` header and certificates.
    pub host: String,
    pub port: u16,
    pub address: String,
    pub weight: u32,
    pub priority: u16,
}

pub(crate) fn endpoints(
    endpoints: Vec<Endpoint>,
) -> Result<Vec<backwater_transport::ListedEndpoint>> {
    endpoints.into_iter().map(TryInto::try_into).collect()
}

impl TryFrom<Endpoint> for backwater_transport::ListedEndpoint {
    type Error = Error;

    fn try_from(endpoint: Endpoint) -> Result<Self> {
        let Endpoint { scheme, host, port, address, weight, priority } = endpoint;
        let ip: IpAddr = address.parse().map_err(|_| invalid("not an IP address"))?;
        let tls = scheme == "https";
        Ok(Self { address: EndpointAddress { host, port, ip: Some(ip), tls }, weight, priority })
    }
}

#[napi(object, object_to_js = false, use_nullable = true)]
pub struct ResolveFailure {
    pub name: String,
    pub code: Option<String>,
    pub message: String,
}

impl From<ResolveFailure> for backwater_transport::ResolveFailure {
    fn from(failure: ResolveFailure) -> Self {
        let ResolveFailure { name, code, message } = failure;
        Self { name, code, message }
    }
}

#[napi(object, object_to_js = false, use_nullable = true)]
pub struct RequestOptions {
    pub module: String,
    pub function: String,
    pub arity: u8,
    pub max_encoded_args_size: u32,
    pub compression_threshold: f64,
    pub gzip_level: u32,
    pub accept_gzip: bool,
    pub timeout: f64,
    pub replay_protection: bool,
    pub audience: Option<String>,
    pub caller: Option<String>,
    pub headers: String,
}

#[napi(object, object_to_js = false)]
pub struct ResponseOptions {
    pub request_id: String,
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub max_encoded_result_size: u32,
    pub flags: u32,
    pub max_depth: u32,
    pub max_terms: u32,
    pub max_value_size: f64,
}

/// `max_value_size` is the estimated size in V8.
pub(crate) fn decode_limits(
    max_depth: u32,
    max_terms: u32,
    max_value_size: f64,
) -> DecodeOptions<'static> {
    DecodeOptions {
        max_depth,
        max_terms,
        max_value_size: size(max_value_size),
        ..DecodeOptions::default()
    }
}

pub(crate) fn secrets(secrets: &[Buffer]) -> Result<Secrets> {
    let secrets: Vec<_> = secrets.iter().map(|secret| secret.to_vec()).collect();
    Secrets::new(secrets).map_err(invalid)
}

pub(crate) fn header_value(text: Option<&str>) -> Result<Option<HeaderValue>> {
    text.map(HeaderValue::from_str).transpose().map_err(invalid)
}

/// Names and values alternate, separated by NUL; `None` if a call cannot carry them.
pub(crate) fn call_headers(text: &str) -> Option<CallHeaders> {
    let parts: Vec<&str> = text.split('\0').collect();
    let (pairs, rest) = parts.as_chunks::<2>();
    if !rest.is_empty() {
        return None;
    }
    CallHeaders::new(pairs.iter().map(|[name, value]| (*name, *value)))
}

fn invalid(what: impl ToString) -> Error {
    Error::from_reason(what.to_string())
}

/// Unlimited means a century.
pub(crate) fn duration(milliseconds: f64) -> Duration {
    limit(milliseconds).unwrap_or(Duration::from_secs(100 * 365 * 24 * 3600))
}

pub(crate) fn limit(milliseconds: f64) -> Option<Duration> {
    milliseconds.is_finite().then(|| Duration::from_millis(milliseconds as u64))
}

pub(crate) fn size(size: f64) -> usize {
    // The cast saturates, even for infinity.
    size as usize
}

/// See the flags in numbers.rs.
#[derive(Clone, Copy)]
pub(crate) struct TermFlags(pub(crate) u32);

impl TermFlags {
    pub(crate) fn idempotent(self) -> bool {
        self.has(FLAG_IDEMPOTENT)
    }

    pub(crate) fn stream(self) -> bool {
        self.has(FLAG_STREAM)
    }

    pub(crate) fn binaries(self) -> Binaries {
        if self.has(FLAG_BINARIES_BUFFER) {
            Binaries::Buffer
        } else if self.has(FLAG_BINARIES_STRING) {
            Binaries::String
        } else {
            Binaries::Text
        }
    }

    fn has(self, flag: u32) -> bool {
        self.0 & flag != 0
    }

    pub(crate) fn decode_options(self, limits: DecodeOptions<'static>) -> DecodeOptions<'static> {
        DecodeOptions {
            exact: self.has(FLAG_EXACT),
            binaries: self.binaries(),
            known_atoms: if self.has(FLAG_SAFE) { Some(&KnownAtomTable) } else { None },
            ..limits
        }
    }
}
