//! Errors as JavaScript reads them; src/bridge/failures.ts makes error objects of them.

use std::io;

use backwater_etf::DecodeError;
use backwater_protocol::client::{
    AuthenticationFailure, EncodeFailure, RemoteFailure, ResponseFailure,
};
use backwater_protocol::stream::FrameError;
use backwater_transport::{BindError, CallError, CallTimes, Phase, TlsOptionError};
use napi_derive::napi;

const MAX_TEXT: usize = 16 * 1024;

#[napi(
    discriminant = "kind",
    discriminant_case = "lowercase",
    object_from_js = false,
    use_nullable = true
)]
#[derive(Debug)]
pub enum Failure {
    Listen {
        host: String,
        port: u16,
        reason: Option<String>,
        message: String,
    },
    Connect {
        #[napi(ts_type = "'resolve' | 'connect'")]
        phase: String,
        host: String,
        port: Option<u16>,
        reason: Option<String>,
        message: String,
    },
    Tls {
        host: String,
        port: u16,
        reason: String,
        message: String,
    },
    Option {
        option: String,
        message: String,
    },
    /// Times are in milliseconds.
    Timeout {
        #[napi(ts_type = "keyof PhaseTimes")]
        phase: String,
        limit: f64,
        #[napi(ts_type = "'connectTimeout' | 'recvTimeout' | 'timeout' | 'idleTimeout'")]
        option: String,
        times: PhaseTimes,
        host: Option<String>,
        port: Option<u16>,
    },
    Lost {
        message: String,
    },
    Truncated {
        items: f64,
        message: String,
    },
    Queue {
        limit: f64,
    },
    Remote {
        status: u16,
        reason: String,
        detail: Option<String>,
    },
    Authentication {
        reason: String,
        header: Option<String>,
        unverified: Option<Unverified>,
    },
    Response {
        reason: String,
        detail: String,
        offset: Option<u32>,
    },
    Size {
        #[napi(ts_type = "'maxEncodedArgsSize'")]
        option: String,
        limit: f64,
    },
    Term {
        message: String,
    },
    Closed {
        message: String,
    },
    Internal {
        message: String,
    },
}

#[napi(object, object_from_js = false)]
#[derive(Debug)]
pub struct PhaseTimes {
    pub queued: f64,
    pub resolve: f64,
    pub connect: f64,
    pub tls: f64,
    pub send: f64,
    pub wait: f64,
    pub receive: f64,
}

impl From<&CallTimes> for PhaseTimes {
    fn from(times: &CallTimes) -> Self {
        let milliseconds = |phase| times.of(phase).as_micros() as f64 / 1000.0;
        Self {
            queued: milliseconds(Phase::Queued),
            resolve: milliseconds(Phase::Resolve),
            connect: milliseconds(Phase::Connect),
            tls: milliseconds(Phase::Tls),
            send: milliseconds(Phase::Send),
            wait: milliseconds(Phase::Wait),
            receive: milliseconds(Phase::Receive),
        }
    }
}

#[napi(object, object_from_js = false)]
#[derive(Debug)]
pub struct Unverified {
    pub status: u16,
    pub body: String,
}

impl Unverified {
    pub(crate) fn new(status: u16, body: &[u8]) -> Self {
        Self { status, body: text(body) }
    }
}

impl Failure {
    pub(crate) fn internal(message: impl Into<String>) -> Self {
        Self::Internal { message: message.into() }
    }

    pub(crate) fn option(option: impl Into<String>, message: impl Into<String>) -> Self {
        Self::Option { option: option.into(), message: message.into() }
    }

    pub(crate) fn tls_option(prefix: &str, error: &TlsOptionError) -> Self {
        let option = format!("{prefix}{}", error.option);
        let message = format!("option '{option}' {}", error.message);
        Self::Option { option, message }
    }

    pub(crate) fn authentication(failure: &AuthenticationFailure, unverified: Unverified) -> Self {
        Self::Authentication {
            reason: failure.reason().into(),
            header: failure.header().map(Into::into),
            unverified: Some(unverified),
        }
    }

    fn response(reason: &str, detail: impl ToString, decoding: Option<&DecodeError>) -> Self {
        Self::Response {
            reason: reason.into(),
            detail: detail.to_string(),
            // Messages are smaller than 4 GiB.
            offset: decoding.map(|error| error.offset as u32),
        }
    }

    fn too_large_result(size: u64, limit: usize) -> Self {
        let detail = format!(
            "the result of {size} bytes or more is larger than maxEncodedResultSize, {limit} bytes"
        );
        Self::response("invalid_body", detail, None)
    }
}

impl From<&CallError> for Failure {
    fn from(error: &CallError) -> Self {
        match error {
            CallError::Encode(failure) => failure.into(),
            CallError::Resolve(failure) => Self::Connect {
                phase: "resolve".into(),
                host: failure.name.clone(),
                port: None,
                reason: failure.code.clone(),
                message: failure.message.clone(),
            },
            CallError::Connect { endpoint, source } => Self::Connect {
                phase: "connect".into(),
                host: endpoint.host.clone(),
                port: Some(endpoint.port),
                reason: system_name(source),
                message: error.to_string(),
            },
            CallError::Tls { endpoint, failure } => Self::Tls {
                host: endpoint.host.clone(),
                port: endpoint.port,
                reason: failure.reason.as_str().into(),
                message: error.to_string(),
            },
            CallError::Timeout { phase, limit, option, times, endpoint } => Self::Timeout {
                phase: phase.as_str().into(),
                limit: limit.as_millis() as f64,
                option: option.as_str().into(),
                times: (&**times).into(),
                host: endpoint.as_ref().map(|endpoint| endpoint.host.clone()),
                port: endpoint.as_ref().map(|endpoint| endpoint.port),
            },
            CallError::ConnectionLost { .. } => Self::Lost { message: error.to_string() },
            CallError::Truncated { items, .. } => {
                Self::Truncated { items: *items as f64, message: error.to_string() }
            }
            CallError::Frame(failure) => failure.into(),
            CallError::MalformedHttp { .. } => Self::response("invalid_http", error, None),
            CallError::Authentication { failure, unverified_status, unverified_body } => {
                let unverified = Unverified::new(unverified_status.as_u16(), unverified_body);
                Self::authentication(failure, unverified)
            }
            CallError::Remote(failure) => failure.into(),
            CallError::Response(failure) => failure.into(),
            CallError::TooLarge { size, limit } => Self::too_large_result(*size, *limit),
            CallError::QueueFull { limit } => Self::Queue { limit: *limit as f64 },
            CallError::Closed => Self::Closed { message: error.to_string() },
            error => Self::internal(error.to_string()),
        }
    }
}

impl From<&EncodeFailure> for Failure {
    fn from(failure: &EncodeFailure) -> Self {
        match failure {
            EncodeFailure::TooLarge { limit } => {
                Self::Size { option: "maxEncodedArgsSize".into(), limit: *limit as f64 }
            }
            failure => Self::Term { message: failure.to_string() },
        }
    }
}

impl From<&RemoteFailure> for Failure {
    fn from(failure: &RemoteFailure) -> Self {
        Self::Remote {
            status: failure.status.as_u16(),
            reason: text(&failure.body),
            detail: failure.detail.clone(),
        }
    }
}

impl From<&ResponseFailure> for Failure {
    fn from(failure: &ResponseFailure) -> Self {
        match failure {
            ResponseFailure::TooLarge { size, limit } => {
                Self::too_large_result(*size as u64, *limit)
            }
            ResponseFailure::Decode(error) => {
                Self::response(failure.reason(), failure, Some(error))
            }
            failure => Self::response(failure.reason(), failure, None),
        }
    }
}

impl From<&FrameError> for Failure {
    fn from(failure: &FrameError) -> Self {
        match failure {
            FrameError::InvalidTag { .. }
            | FrameError::TooLarge { .. }
            | FrameError::TrailingBytes => Self::Authentication {
                reason: failure.reason().into(),
                header: None,
                unverified: None,
            },
            FrameError::Decode(error) => Self::response(failure.reason(), failure, Some(error)),
            failure => Self::response(failure.reason(), failure, None),
        }
    }
}

impl From<&BindError> for Failure {
    fn from(error: &BindError) -> Self {
        Self::Listen {
            host: error.host.clone(),
            port: error.port,
            reason: system_name(&error.source),
            message: error.source.to_string(),
        }
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(&bytes[..bytes.len().min(MAX_TEXT)]).into_owned()
}

fn system_name(error: &io::Error) -> Option<String> {
    let name = match error.kind() {
        io::ErrorKind::AddrInUse => "EADDRINUSE",
        io::ErrorKind::AddrNotAvailable => "EADDRNOTAVAIL",
        io::ErrorKind::PermissionDenied => "EACCES",
        io::ErrorKind::ConnectionRefused => "ECONNREFUSED",
        io::ErrorKind::ConnectionReset => "ECONNRESET",
        io::ErrorKind::HostUnreachable => "EHOSTUNREACH",
        io::ErrorKind::NetworkUnreachable => "ENETUNREACH",
        io::ErrorKind::TimedOut => "ETIMEDOUT",
        io::ErrorKind::Unsupported => "ENOTSUP",
        _ => name_of_exhaustion(error)?,
    };
    Some(name.into())
}

/// The standard library has no kind for too many open files.
#[cfg(unix)]
fn name_of_exhaustion(error: &io::Error) -> Option<&'static str> {
    const ENFILE: i32 = 23;
    const EMFILE: i32 = 24;
    match error.raw_os_error()? {
        ENFILE => Some("ENFILE"),
        EMFILE => Some("EMFILE"),
        _ => None,
    }
}

#[cfg(not(unix))]
fn name_of_exhaustion(_error: &io::Error) -> Option<&'static str> {
    None
}
