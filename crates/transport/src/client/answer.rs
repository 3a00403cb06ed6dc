use backwater_etf::{DecodeOptions, Tape};
use backwater_protocol::client::{
    AcceptedResponse, AuthenticatedResponse, Inflated, Outcome, ResponseFailure,
};
use backwater_protocol::gzip::{self, GzipError};
use bytes::Bytes;
use http::StatusCode;

use super::error::CallError;
use super::exchange::{HINT, WholeResponse};
use super::request::CallOutcome;
use super::state::ClientState;
use crate::body::CollectedBody;
use crate::codec::Codec;
use crate::memory::{SMALL, Stage, counted, decoding};
use crate::tape_pool;

enum Undecoded {
    Unverified(AuthenticatedResponse, StatusCode, CollectedBody),
    Accepted(AcceptedResponse),
}

enum Decoded {
    Done(Outcome, Box<Tape>, Bytes),
    /// The gzip trailer understates the size.
    Exceeds(AcceptedResponse),
}

pub(super) async fn decode(
    state: &ClientState,
    received: WholeResponse,
    options: DecodeOptions<'static>,
    limit: usize,
) -> Result<CallOutcome, CallError> {
    let WholeResponse { response, status, body, mut memory } = received;
    let (compressed, mut inflated) = if response.is_compressed() {
        (body.len(), gzip::claimed_size(body.len(), body.trailer().as_ref()).min(limit))
    } else {
        (0, body.len())
    };
    let mut undecoded = Undecoded::Unverified(response, status, body);
    loop {
        memory.grow(Stage::Arrived, decoding(compressed, inflated).max(memory.bytes())).await;
        let room = inflated.max(SMALL);
        let decoded = state.codecs.run(compressed.max(inflated), move |codec| {
            decode_within(room, limit, undecoded, codec, &options)
        });
        match decoded.await.unwrap_or(Err(CallError::Closed))? {
            Decoded::Done(outcome, tape, source) => {
                memory.set(counted(tape.size() + source.len()));
                return Ok(CallOutcome { outcome, request_id: None, tape, source, memory });
            }
            Decoded::Exceeds(accepted) => {
                (undecoded, inflated) = (Undecoded::Accepted(accepted), limit);
            }
        }
    }
}

fn decode_within(
    room: usize,
    limit: usize,
    undecoded: Undecoded,
    codec: &mut Codec,
    options: &DecodeOptions<'_>,
) -> Result<Decoded, CallError> {
    let accepted = match undecoded {
        Undecoded::Unverified(response, status, body) => accept(response, status, body)?,
        Undecoded::Accepted(accepted) => accepted,
    };
    let payload = match accepted.inflate_within(room, limit).map_err(not_understood)? {
        Inflated::Whole(payload) => payload,
        Inflated::Exceeds(accepted) => return Ok(Decoded::Exceeds(accepted)),
    };
    let mut tape = tape_pool::take();
    let decoded = payload.decode(&mut codec.decoder, options, &mut tape);
    let (outcome, mut source) = decoded.map_err(not_understood)?;
    if !tape.refers_to_source {
        source = Bytes::new();
    }
    Ok(Decoded::Done(outcome, tape, source))
}

fn accept(
    response: AuthenticatedResponse,
    status: StatusCode,
    body: CollectedBody,
) -> Result<AcceptedResponse, CallError> {
    let body = body.into_bytes();
    let unverified_body = body.slice(..body.len().min(HINT));
    let verified = response.verify(body).map_err(|failure| CallError::Authentication {
        failure,
        unverified_status: status,
        unverified_body,
    })?;
    verified.check_status().map_err(CallError::Remote)?.accept().map_err(not_understood)
}

fn not_understood(failure: ResponseFailure) -> CallError {
    match failure {
        ResponseFailure::TooLarge { size, limit } => {
            CallError::TooLarge { size: size as u64, limit }
        }
        // Inflating stops at the first byte over the limit.
        ResponseFailure::Inflate(GzipError::TooLarge { limit }) => {
            CallError::TooLarge { size: (limit as u64).saturating_add(1), limit }
        }
        failure => CallError::Response(failure),
    }
}
