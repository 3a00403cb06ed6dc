//! One request and its response, on a second connection if the first was closed while idle.

use std::error::Error;
use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use backwater_protocol::client::{
    Answer, AuthenticatedResponse, AuthenticatedStream, Extensions, PreparedRequest, authenticate,
    authenticate_offered,
};
use bytes::Bytes;
use http::StatusCode;
use hyper::body::{Body, Incoming};
use tokio::time::timeout;

use super::error::CallError;
use super::limits::Limits;
use super::pool::{Connection, Lease, Pool, Purpose, SendError};
use super::request_ids::{FirstRequestId, NoRandomness};
use super::state::ClientState;
use super::times::{Phase, Progress};
use crate::body::{BodyError, BodyReader, CollectedBody};
use crate::memory::{Share, Stage, counted};

/// Bytes of an unauthenticated body that an error shows.
pub(super) const HINT: usize = 4096;
const HINT_TIME: Duration = Duration::from_millis(500);

const SMALL: usize = 1024;

#[expect(clippy::large_enum_variant, reason = "nearly all answers are whole")]
pub(super) enum Received {
    Whole(WholeResponse),
    Stream(Box<OpenStream>),
}

pub(super) struct OpenStream {
    pub(super) stream: AuthenticatedStream,
    pub(super) body: Incoming,
    pub(super) lease: Lease,
}

pub(super) struct WholeResponse {
    pub(super) response: AuthenticatedResponse,
    pub(super) status: StatusCode,
    pub(super) body: CollectedBody,
    pub(super) memory: Share,
}

#[derive(Clone, Copy)]
pub(super) struct Outgoing<'a> {
    pub(super) prepared: &'a PreparedRequest,
    pub(super) request_id: Option<&'a FirstRequestId>,
    pub(super) purpose: Purpose,
}

pub(super) async fn exchange(
    state: &ClientState,
    pool: &Arc<Pool>,
    request: Outgoing<'_>,
    limits: &Limits,
    progress: &mut Progress,
) -> Result<Received, CallError> {
    let at = |error: CallError| error.at(pool.address());
    let mut lease = pool.acquire(request.purpose, limits, progress).await.map_err(at)?;
    let mut ended = exchange_on(state, &mut lease, request, limits, progress).await;
    if matches!(ended, Err(CallError::ConnectionLost { unsent: true, .. }))
        && lease.connection.was_kept()
    {
        let afresh = Box::pin(exchange_afresh(state, lease, request, limits, progress));
        (lease, ended) = afresh.await.map_err(at)?;
    }
    match ended.map_err(at)? {
        Response::Whole(response) => {
            if lease.connection.is_reusable() {
                lease.keep();
            }
            Ok(Received::Whole(response))
        }
        Response::Stream(response) => {
            let (stream, body) = *response;
            Ok(Received::Stream(Box::new(OpenStream { stream, body, lease })))
        }
    }
}

async fn exchange_afresh(
    state: &ClientState,
    lease: Lease,
    request: Outgoing<'_>,
    limits: &Limits,
    progress: &mut Progress,
) -> Result<(Lease, Result<Response, CallError>), CallError> {
    let mut lease = lease.renew(limits, progress).await?;
    let ended = exchange_on(state, &mut lease, request, limits, progress).await;
    Ok((lease, ended))
}

/// Each request needs its own identifier, because servers refuse replays.
async fn exchange_on(
    state: &ClientState,
    lease: &mut Lease,
    request: Outgoing<'_>,
    limits: &Limits,
    progress: &mut Progress,
) -> Result<Response, CallError> {
    progress.enter(Phase::Send);
    let given = request.request_id.and_then(FirstRequestId::take);
    let id = given.map_or_else(|| state.request_ids.next(), Ok).map_err(|NoRandomness| {
        CallError::Internal("the system returned no random bytes".to_owned())
    })?;
    let previous = progress.request_id.replace(id);
    let connection = &mut lease.connection;
    let ended = {
        let sending = pin!(round_trip(state, connection, request, id, limits));
        limits.exchanging().run(sending).await
    };
    connection.report(progress);
    let ended = ended.unwrap_or_else(|ran_out| Err(ran_out.error(progress)));
    if let Err(CallError::ConnectionLost { unsent: true, .. } | CallError::Tls { .. }) = ended {
        progress.request_id = previous;
    }
    ended
}

#[expect(clippy::large_enum_variant, reason = "nearly all answers are whole")]
enum Response {
    Whole(WholeResponse),
    Stream(Box<(AuthenticatedStream, Incoming)>),
}

async fn round_trip(
    state: &ClientState,
    connection: &mut Connection,
    Outgoing { prepared: request, purpose, .. }: Outgoing<'_>,
    id: [u8; 16],
    limits: &Limits,
) -> Result<Response, CallError> {
    let options = &state.options;
    let created = options.replay_protection.then(|| SystemTime::now().into());
    let (audience, caller) = (options.audience.clone(), options.caller.clone());
    let extensions = Extensions { timeout: limits.call_timeout(), created, audience, caller };
    let (signed, offer) = match purpose {
        Purpose::Call => (request.sign(id, extensions), None),
        Purpose::Stream => {
            let (signed, offer) = request.sign_offering_stream(id, extensions);
            (signed, Some(offer))
        }
    };
    let (head, body) = connection.send(signed).await?.into_parts();
    let status = head.status;
    connection.note_keep_alive(&head.headers);
    let authenticated = match offer {
        None => authenticate(status, &head.headers, request.secrets(), id).map(Answer::Whole),
        Some(offer) => authenticate_offered(status, &head.headers, request.secrets(), id, &offer),
    };
    match authenticated {
        Ok(Answer::Stream(stream)) => Ok(Response::Stream(Box::new((stream, body)))),
        Ok(Answer::Whole(response)) => {
            let mut memory = state.memory.share();
            let limit = limits.max_encoded_result_size;
            let max_size = response.max_size(limit);
            let body = read(connection, body, max_size, limit, &mut memory).await?;
            Ok(Response::Whole(WholeResponse { response, status, body, memory }))
        }
        Err(failure) => Err(CallError::Authentication {
            failure,
            unverified_status: status,
            unverified_body: Box::pin(read_hint(connection, body)).await,
        }),
    }
}

async fn read(
    connection: &mut Connection,
    body: Incoming,
    max_size: usize,
    limit: usize,
    memory: &mut Share,
) -> Result<CollectedBody, CallError> {
    let claimed = body.size_hint().lower();
    if claimed > max_size as u64 {
        return Err(CallError::TooLarge { size: claimed, limit });
    }
    let most = body.size_hint().exact().map_or(max_size, |length| length as usize);
    memory.grow(Stage::Arriving, counted(most)).await;
    let body = connection.read_body(body, &mut BodyReader::new(max_size)).await;
    let body = body.map_err(|error| match error {
        BodyError::TooLarge(size) => CallError::TooLarge { size, limit },
        BodyError::Broken(error) => broken(error),
    })?;
    // While JavaScript holds a slice of hyper's read buffer, hyper allocates another 8 KiB per
    // response.
    Ok(body.copied_up_to(SMALL))
}

async fn read_hint(connection: &mut Connection, body: Incoming) -> Bytes {
    let mut reader = BodyReader::new(HINT);
    let read = match timeout(HINT_TIME, connection.read_body(body, &mut reader)).await {
        Ok(Ok(body)) => body,
        _ => reader.take(),
    };
    read.into_bytes()
}

impl From<SendError> for CallError {
    fn from(SendError { error, tls, lacks_certificate, unsent }: SendError) -> Self {
        if let Some((endpoint, failure)) = tls {
            return Self::Tls { endpoint, failure };
        }
        match broken(error) {
            Self::ConnectionLost { source, .. } if lacks_certificate && !unsent => {
                let message = format!(
                    "{source}; the server asked for a client certificate and none is configured \
                     (options 'tls.cert' and 'tls.key'), which may be why"
                );
                Self::ConnectionLost { source: message.into(), unsent }
            }
            Self::ConnectionLost { source, .. } => Self::ConnectionLost { source, unsent },
            error => error,
        }
    }
}

fn broken(error: hyper::Error) -> CallError {
    let source = error.source().and_then(<dyn Error>::downcast_ref::<io::Error>);
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

fn is_of_tls(error: &io::Error) -> bool {
    error.get_ref().is_some_and(<dyn Error + Send + Sync>::is::<rustls::Error>)
}
