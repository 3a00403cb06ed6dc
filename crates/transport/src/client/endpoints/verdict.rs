//! What a failed attempt means for its call and its endpoint.

use http::StatusCode;

use super::super::error::CallError;
use super::super::limits::TimeLimit;
use super::super::times::Phase;

/// What may be done about a failed attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Nothing: another endpoint would say the same, or the call's time is used up.
    Final,
    /// The server has certainly not begun: any call may go elsewhere.
    NotStarted,
    /// The server may have begun: a call that is idempotent may be made again.
    Repeatable,
    /// The same, but time was lost: only when there is a limit over all attempts.
    RepeatableInTime,
}

/// What may be done after `error`.
pub(crate) fn verdict(error: &CallError) -> Verdict {
    match error {
        CallError::Connect { .. }
        | CallError::Tls { .. }
        | CallError::QueueFull { .. }
        | CallError::ConnectionLost { unsent: true, .. } => Verdict::NotStarted,
        CallError::Timeout { option: TimeLimit::Timeout, .. } => Verdict::Final,
        CallError::Timeout { phase: Phase::Connect | Phase::Tls, .. } => Verdict::NotStarted,
        CallError::Timeout { phase: Phase::Queued | Phase::Resolve, .. } => Verdict::Final,
        CallError::Timeout { .. } => Verdict::RepeatableInTime,
        CallError::ConnectionLost { unsent: false, .. } => Verdict::Repeatable,
        CallError::Remote(failure) if failure.status == StatusCode::SERVICE_UNAVAILABLE => {
            Verdict::Repeatable
        }
        // What a proxy says in the server's place. Nobody has signed it, but nothing worse can be
        // made of it than a repetition that the caller has allowed.
        CallError::Authentication { unverified_status, .. } if is_gateways(*unverified_status) => {
            Verdict::Repeatable
        }
        _ => Verdict::Final,
    }
}

/// Whether `error` says that calls should go elsewhere for now.
pub(crate) fn is_endpoints_fault(error: &CallError) -> bool {
    matches!(
        error,
        CallError::Connect { .. }
            | CallError::Tls { .. }
            | CallError::ConnectionLost { .. }
            | CallError::Timeout {
                phase: Phase::Connect | Phase::Tls,
                option: TimeLimit::ConnectTimeout,
                ..
            }
    )
}

/// Whether `error` is an answer of the server itself.
pub(crate) fn is_answer(error: &CallError) -> bool {
    matches!(error, CallError::Remote(_) | CallError::Response(_) | CallError::TooLarge { .. })
}

fn is_gateways(status: StatusCode) -> bool {
    matches!(
        status,
        StatusCode::BAD_GATEWAY | StatusCode::SERVICE_UNAVAILABLE | StatusCode::GATEWAY_TIMEOUT
    )
}

#[cfg(test)]
mod tests {
    use super::super::super::options::Endpoint;
    use super::*;
    use backwater_protocol::client::{AuthenticationFailure, RemoteFailure, ResponseFailure};
    use bytes::Bytes;
    use std::io;
    use std::time::Duration;

    fn timeout(phase: Phase) -> CallError {
        ran_out(phase, TimeLimit::ConnectTimeout)
    }

    fn ran_out(phase: Phase, option: TimeLimit) -> CallError {
        CallError::Timeout { phase, limit: Duration::ZERO, option, times: Box::default() }
    }

    fn remote(status: u16) -> CallError {
        let status = StatusCode::from_u16(status).unwrap_or_default();
        CallError::Remote(RemoteFailure { status, body: Bytes::new() })
    }

    fn unsigned(status: u16) -> CallError {
        CallError::Authentication {
            failure: AuthenticationFailure::MissingSignatureHeader,
            unverified_status: StatusCode::from_u16(status).unwrap_or_default(),
            unverified_body: Bytes::new(),
        }
    }

    fn lost(unsent: bool) -> CallError {
        CallError::ConnectionLost { source: "reset".into(), unsent }
    }

    #[test]
    fn each_error_has_its_verdict() {
        let refused = CallError::Connect {
            endpoint: Endpoint::new("localhost", 1),
            source: io::ErrorKind::ConnectionRefused.into(),
        };
        use Verdict::{Final, NotStarted, Repeatable, RepeatableInTime};
        for (error, expected, fault, answer) in [
            (refused, NotStarted, true, false),
            (timeout(Phase::Connect), NotStarted, true, false),
            (timeout(Phase::Tls), NotStarted, true, false),
            (ran_out(Phase::Connect, TimeLimit::Timeout), Final, false, false),
            (ran_out(Phase::Wait, TimeLimit::Timeout), Final, false, false),
            (lost(true), NotStarted, true, false),
            (lost(false), Repeatable, true, false),
            (CallError::QueueFull { limit: 1 }, NotStarted, false, false),
            (timeout(Phase::Resolve), Final, false, false),
            (timeout(Phase::Queued), Final, false, false),
            (timeout(Phase::Send), RepeatableInTime, false, false),
            (timeout(Phase::Wait), RepeatableInTime, false, false),
            (timeout(Phase::Receive), RepeatableInTime, false, false),
            (remote(503), Repeatable, false, true),
            (remote(500), Final, false, true),
            (remote(404), Final, false, true),
            (unsigned(502), Repeatable, false, false),
            (unsigned(503), Repeatable, false, false),
            (unsigned(504), Repeatable, false, false),
            (unsigned(401), Final, false, false),
            (CallError::Response(ResponseFailure::InvalidContentType), Final, false, true),
            (CallError::TooLarge { size: 2, limit: 1 }, Final, false, true),
            (CallError::MalformedHttp { source: "garbage".into() }, Final, false, false),
            (CallError::Closed, Final, false, false),
            (CallError::Internal(String::new()), Final, false, false),
        ] {
            assert_eq!(verdict(&error), expected, "{error}");
            assert_eq!(is_endpoints_fault(&error), fault, "{error}");
            assert_eq!(is_answer(&error), answer, "{error}");
        }
    }
}
