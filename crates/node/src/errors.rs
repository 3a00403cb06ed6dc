//! Errors in the form that src/failures.ts reads: JSON with a `kind`.

use std::io;

use backwater_protocol::client::{
    AuthenticationFailure, EncodeFailure, RemoteFailure, ResponseFailure,
};
use backwater_transport::{CallError, CallTimes, Phase, TlsOptionError};
use serde_json::{Value, json};

/// How much of a text from a peer is handed on, in bytes.
const MAX_TEXT: usize = 16 * 1024;

/// A failed call.
pub(crate) fn call(error: &CallError) -> String {
    let value = match error {
        CallError::Encode(failure) => encode_failure(failure),
        CallError::Resolve(failure) => json!({
            "kind": "connect",
            "phase": "resolve",
            "message": failure.message,
            "host": failure.name,
            "reason": failure.code,
        }),
        CallError::Connect { endpoint, source } => json!({
            "kind": "connect",
            "phase": "connect",
            "message": error.to_string(),
            "host": endpoint.host,
            "port": endpoint.port,
            "reason": system_name(source),
        }),
        CallError::Tls { endpoint, failure } => json!({
            "kind": "tls",
            "message": error.to_string(),
            "host": endpoint.host,
            "port": endpoint.port,
            "reason": failure.reason.as_str(),
        }),
        CallError::Timeout { phase, limit, option, times } => json!({
            "kind": "timeout",
            "phase": phase.as_str(),
            "limit": limit.as_millis() as u64,
            "option": option.as_str(),
            "times": milliseconds(times),
        }),
        CallError::ConnectionLost { .. } => {
            json!({ "kind": "lost", "message": error.to_string() })
        }
        CallError::MalformedHttp { .. } => json!({
            "kind": "response",
            "reason": "invalid_http",
            "detail": error.to_string(),
        }),
        CallError::Authentication { failure, unverified_status, unverified_body } => {
            let mut value = authentication_failure(failure);
            value["unverified"] = json!({
                "status": unverified_status.as_u16(),
                "body": text(unverified_body),
            });
            value
        }
        CallError::Remote(failure) => remote_failure(failure),
        CallError::Response(failure) => response_failure(failure),
        CallError::TooLarge { size, limit } => too_large_result(*size, *limit),
        CallError::QueueFull { limit } => json!({ "kind": "queue", "limit": limit }),
        CallError::Closed => json!({ "kind": "closed", "message": error.to_string() }),
        error => json!({ "kind": "internal", "message": error.to_string() }),
    };
    value.to_string()
}

/// By the name of the phase, to the microsecond.
fn milliseconds(times: &CallTimes) -> Value {
    let time = |phase: Phase| times.of(phase).as_micros() as f64 / 1000.0;
    Phase::ALL.into_iter().map(|phase| (phase.as_str(), time(phase))).collect()
}

/// A server that cannot listen.
pub(crate) fn listen(host: &str, port: u16, error: &io::Error) -> String {
    json!({
        "kind": "listen",
        "host": host,
        "port": port,
        "reason": system_name(error),
        "message": error.to_string(),
    })
    .to_string()
}

/// An option that cannot be used; `prefix` stands before its name.
pub(crate) fn option(prefix: &str, error: &TlsOptionError) -> String {
    let option = format!("{prefix}{}", error.option);
    json!({
        "kind": "option",
        "message": format!("option '{option}' {}", error.message),
        "option": option,
    })
    .to_string()
}

/// A bug of this library.
pub(crate) fn internal(message: &str) -> String {
    json!({ "kind": "internal", "message": message }).to_string()
}

/// The name that Node has for a system error.
fn system_name(error: &io::Error) -> Option<&'static str> {
    Some(match error.kind() {
        io::ErrorKind::AddrInUse => "EADDRINUSE",
        io::ErrorKind::AddrNotAvailable => "EADDRNOTAVAIL",
        io::ErrorKind::PermissionDenied => "EACCES",
        io::ErrorKind::ConnectionRefused => "ECONNREFUSED",
        io::ErrorKind::ConnectionReset => "ECONNRESET",
        io::ErrorKind::HostUnreachable => "EHOSTUNREACH",
        io::ErrorKind::NetworkUnreachable => "ENETUNREACH",
        io::ErrorKind::TimedOut => "ETIMEDOUT",
        io::ErrorKind::Unsupported => "ENOTSUP",
        _ => return name_of_exhaustion(error),
    })
}

/// The name of having too many files open, which the standard library has no kind for.
#[cfg(unix)]
fn name_of_exhaustion(error: &io::Error) -> Option<&'static str> {
    // The same numbers on all systems.
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

pub(crate) fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(&bytes[..bytes.len().min(MAX_TEXT)]).into_owned()
}

/// Arguments that cannot be sent.
pub(crate) fn encode_failure(failure: &EncodeFailure) -> Value {
    match failure {
        EncodeFailure::TooLarge { limit } => {
            json!({ "kind": "size", "option": "maxEncodedArgsSize", "limit": limit })
        }
        failure => json!({ "kind": "term", "message": failure.to_string() }),
    }
}

/// A response that is not believed.
pub(crate) fn authentication_failure(failure: &AuthenticationFailure) -> Value {
    json!({
        "kind": "authentication",
        "reason": failure.reason(),
        "header": failure.header(),
    })
}

/// A call that the server has refused.
pub(crate) fn remote_failure(failure: &RemoteFailure) -> Value {
    json!({
        "kind": "remote",
        "status": failure.status.as_u16(),
        "reason": text(&failure.body),
    })
}

/// A response that cannot be understood.
pub(crate) fn response_failure(failure: &ResponseFailure) -> Value {
    match failure {
        ResponseFailure::TooLarge { size, limit } => too_large_result(*size as u64, *limit),
        failure => json!({
            "kind": "response",
            "reason": failure.reason(),
            "detail": failure.to_string(),
            "offset": match failure {
                ResponseFailure::Decode(error) => Some(error.offset),
                _ => None,
            },
        }),
    }
}

fn too_large_result(size: u64, limit: usize) -> Value {
    json!({
        "kind": "response",
        "reason": "invalid_body",
        "detail": format!(
            "the result of {size} bytes or more is larger than maxEncodedResultSize, {limit} bytes"
        ),
    })
}
