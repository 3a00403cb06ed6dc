//! A request and its response, on one connection or, if need be, on another.

use std::error::Error;
use std::fmt;
use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use backwater_protocol::client::{
    AuthenticatedResponse, Extensions, PreparedRequest, authenticate,
};
use bytes::Bytes;
use http::StatusCode;
use http::header::CONTENT_ENCODING;
use hyper::body::{Body, Incoming};
use tokio::time::timeout;

use super::Shared;
use super::connection::{Connection, SendError};
use super::endpoint_pool::{EndpointPool, Lease};
use super::error::CallError;
use super::limits::Limits;
use super::request_ids::NoRandomness;
use super::times::{Phase, Progress};
use crate::body::{BodyError, BodyReader, CollectedBody};

/// How much of the body of a response that is not authentic is shown, in bytes.
pub(super) const HINT: usize = 4096;
/// How long that body is waited for.
const HINT_TIME: Duration = Duration::from_millis(500);

/// Bodies up to so many bytes are copied rather than kept together with all that was read with them.
const SMALL: usize = 1024;

/// A response whose head is authentic, with its body.
pub(super) struct Received {
    pub(super) response: AuthenticatedResponse,
    pub(super) status: StatusCode,
    pub(super) compressed: bool,
    pub(super) body: CollectedBody,
}

/// Sends a request to an endpoint when its turn comes, and reads the response.
pub(super) async fn exchange(
    shared: &Shared,
    pool: &Arc<EndpointPool>,
    request: &PreparedRequest,
    limits: &Limits,
    progress: &mut Progress,
) -> Result<Received, CallError> {
    let lease = pool.acquire(limits, progress).await?;
    // A kept connection may be closed by the server at any time, and the caller is not to see that.
    let was_kept = lease.connection.was_kept();
    let ended = match attempt(shared, lease, request, limits, progress).await {
        Err(Failure::Unsent { lease, .. }) if was_kept => {
            // Boxed, as is all that is rare: calls are moved about, and should not be large.
            Box::pin(attempt_afresh(shared, *lease, request, limits, progress)).await
        }
        ended => ended,
    };
    ended.map_err(Failure::into_error)
}

/// Sends a request on a connection that is new.
async fn attempt_afresh(
    shared: &Shared,
    lease: Lease,
    request: &PreparedRequest,
    limits: &Limits,
    progress: &mut Progress,
) -> Result<Received, Failure> {
    let lease = lease.renew(limits, progress).await?;
    attempt(shared, lease, request, limits, progress).await
}

/// Sends a request on a connection and reads the response; keeps the connection if it can be used
/// again.
///
/// The request gets an id of its own each time: a server that has seen the head of the first one
/// would take the second one for a copy made by somebody else.
async fn attempt(
    shared: &Shared,
    mut lease: Lease,
    request: &PreparedRequest,
    limits: &Limits,
    progress: &mut Progress,
) -> Result<Received, Failure> {
    let now = Instant::now();
    progress.enter_at(Phase::Send, now);
    let usage = lease.connection.was_kept().then(|| lease.connection.usage(now));
    let carefully = usage.is_some_and(|usage| lease.manners().is_doubtful(usage));
    let connection = &mut lease.connection;
    let ended = {
        let sending = pin!(round_trip(shared, connection, request, limits, carefully));
        limits.exchanging().run(sending).await
    };
    connection.report(progress);
    let ended = match ended {
        Ok(ended) => ended,
        Err(ran_out) => return Err(Failure::Other(ran_out.error(progress))),
    };
    let (is_sent, is_answered) = (connection.is_sent(), connection.is_answered());
    if let Some(usage) = usage {
        match &ended {
            Ok(_) if is_sent => lease.manners().note_used(usage),
            // An answer that came too early proves nothing.
            _ if is_answered => (),
            _ => lease.manners().note_closed(usage, now),
        }
    }
    match ended {
        Ok(received) => {
            lease.connection.count_response();
            if lease.connection.is_reusable() {
                lease.keep();
            }
            Ok(received)
        }
        Err(Broken::Unsent(error)) => Err(Failure::Unsent { error, lease: Box::new(lease) }),
        Err(Broken::Other(error)) => Err(Failure::Other(error)),
    }
}

async fn round_trip(
    shared: &Shared,
    connection: &mut Connection,
    request: &PreparedRequest,
    limits: &Limits,
    carefully: bool,
) -> Result<Received, Broken> {
    let id = shared.request_ids.next().map_err(|NoRandomness| {
        CallError::Internal("the system gave no random bytes".to_owned())
    })?;
    let options = &shared.options;
    let created = options.replay_protection.then(|| SystemTime::now().into());
    let audience = options.audience.clone();
    let extensions = Extensions { timeout: limits.call_timeout(), created, audience };
    let (head, body) = connection.send(request.sign(id, extensions), carefully).await?.into_parts();
    let status = head.status;
    match authenticate(status, &head.headers, request.secrets(), id) {
        Ok(response) => {
            let body = read(connection, body, limits.max_encoded_result_size).await?;
            let compressed = head.headers.contains_key(CONTENT_ENCODING);
            Ok(Received { response, status, compressed, body })
        }
        Err(failure) => Err(Broken::Other(CallError::Authentication {
            failure,
            unverified_status: status,
            unverified_body: Box::pin(read_hint(connection, body)).await,
        })),
    }
}

async fn read(
    connection: &mut Connection,
    body: Incoming,
    limit: usize,
) -> Result<CollectedBody, CallError> {
    let claimed = body.size_hint().lower();
    if claimed > limit as u64 {
        return Err(CallError::TooLarge { size: claimed, limit });
    }
    let body = connection.read_body(body, &mut BodyReader::new(limit)).await;
    let body = body.map_err(|error| match error {
        BodyError::TooLarge(size) => CallError::TooLarge { size, limit },
        BodyError::Broken(error) => broken(error),
    })?;
    // It is a part of what hyper has read into. As long as JavaScript has not taken it, hyper would have
    // to get itself new memory, for each small response 8 KiB.
    Ok(body.copied_up_to(SMALL))
}

/// What there is of a body that is not to be believed.
async fn read_hint(connection: &mut Connection, body: Incoming) -> Bytes {
    let mut reader = BodyReader::new(HINT);
    let read = match timeout(HINT_TIME, connection.read_body(body, &mut reader)).await {
        Ok(Ok(body)) => body,
        _ => reader.take(),
    };
    read.into_bytes()
}

/// Why an attempt failed.
enum Failure {
    /// The server has certainly not begun to act upon the request.
    Unsent {
        error: CallError,
        lease: Box<Lease>,
    },
    Other(CallError),
}

impl Failure {
    fn into_error(self) -> CallError {
        match self {
            Self::Unsent { error, .. } => error,
            Self::Other(error) => error,
        }
    }
}

impl From<CallError> for Failure {
    fn from(error: CallError) -> Self {
        Self::Other(error)
    }
}

/// Why a round trip on a connection failed.
enum Broken {
    /// The server has certainly not begun to act upon the request.
    Unsent(CallError),
    Other(CallError),
}

impl From<SendError> for Broken {
    fn from(SendError { error, tls, lacks_certificate, unsent }: SendError) -> Self {
        if let Some((endpoint, failure)) = tls {
            return Self::Other(CallError::Tls { endpoint, failure });
        }
        match broken(error) {
            CallError::ConnectionLost { source, .. } if unsent => {
                Self::Unsent(CallError::ConnectionLost { source, unsent })
            }
            CallError::ConnectionLost { source, .. } if lacks_certificate => {
                let source = Box::new(WithoutCertificate(source));
                Self::Other(CallError::ConnectionLost { source, unsent })
            }
            error => Self::Other(error),
        }
    }
}

impl From<CallError> for Broken {
    fn from(error: CallError) -> Self {
        Self::Other(error)
    }
}

/// A connection that has ended perhaps since the client has no certificate.
#[derive(Debug)]
struct WithoutCertificate(Box<dyn Error + Send + Sync>);

impl fmt::Display for WithoutCertificate {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            formatter,
            "{}; the server has asked for a certificate of the client, which has none (options 'tls.cert' \
             and 'tls.key'): that may be why",
            self.0
        )
    }
}

impl Error for WithoutCertificate {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&*self.0)
    }
}

/// Tells a peer that does not speak HTTP from one that has gone.
fn broken(error: hyper::Error) -> CallError {
    let source = error.source().and_then(<dyn Error>::downcast_ref::<io::Error>);
    // So hyper calls chunks of a body that are not what they should be.
    let bad_chunk = source.is_some_and(|error| {
        matches!(error.kind(), io::ErrorKind::InvalidData | io::ErrorKind::InvalidInput)
    });
    let malformed = error.is_parse() || bad_chunk && !source.is_some_and(is_of_tls);
    let source = Box::new(error);
    if malformed {
        CallError::MalformedHttp { source }
    } else {
        CallError::ConnectionLost { source, unsent: false }
    }
}

/// An alert, or bytes that were not encrypted by the peer: neither is HTTP.
fn is_of_tls(error: &io::Error) -> bool {
    error.get_ref().is_some_and(<dyn Error + Send + Sync>::is::<rustls::Error>)
}
