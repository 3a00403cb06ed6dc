//! One call, from its arguments to its outcome.

use std::borrow::Borrow;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use backwater_etf::Tape;
use backwater_protocol::Secrets;
use backwater_protocol::client::{
    EncodeFailure, Outcome, PreparedRequest, RequestPath, ResponseFailure, Settings,
    prepare_request,
};
use backwater_protocol::gzip::GzipError;
use bytes::Bytes;

use super::Shared;
use super::endpoints::Member;
use super::error::CallError;
use super::exchange::{HINT, Received, exchange};
use super::limits::Limits;
use super::times::Progress;
use crate::codec::{Codec, Stopped};
use crate::spare_tapes;
use crate::terms::{OwnedDecodeOptions, TapeSource, tape_size};

/// A call to make. What is `None` is as the client's options say.
pub struct CallRequest {
    /// Module, function and arity.
    pub path: RequestPath,
    /// The arguments: a list of as many terms as the arity says.
    pub arguments: Box<dyn TapeSource>,
    /// The first one signs the request, and its response may be signed with any.
    pub secrets: Option<Secrets>,
    /// See [`ClientOptions::connect_timeout`](super::ClientOptions::connect_timeout).
    pub connect_timeout: Option<Duration>,
    /// See [`ClientOptions::recv_timeout`](super::ClientOptions::recv_timeout).
    pub recv_timeout: Option<Duration>,
    /// See [`ClientOptions::timeout`](super::ClientOptions::timeout).
    pub timeout: Option<Duration>,
    /// How long the encoded arguments may be, in bytes.
    pub max_encoded_args_size: Option<usize>,
    /// From how many bytes on the arguments are compressed.
    pub compression_threshold: Option<usize>,
    /// How long the result may be, before and after decompression, in bytes.
    pub max_encoded_result_size: Option<usize>,
    /// How the result is decoded.
    pub decode: Option<OwnedDecodeOptions>,
    /// Whether it does no harm to call the function twice: then the call may be made again when its
    /// connection is lost or the server answers 503, within the budget for that (a tenth of all calls).
    pub idempotent: bool,
    /// How often an idempotent call may be made again.
    pub max_retries: u32,
    /// After how long without an answer an idempotent call is made a second time, on another endpoint;
    /// the first answer is taken. `None` for never. Takes from the same budget.
    pub hedge_delay: Option<Duration>,
}

impl CallRequest {
    /// A call with the client's options.
    pub fn new(path: RequestPath, arguments: Box<dyn TapeSource>) -> Self {
        Self {
            path,
            arguments,
            secrets: None,
            connect_timeout: None,
            recv_timeout: None,
            timeout: None,
            max_encoded_args_size: None,
            compression_threshold: None,
            max_encoded_result_size: None,
            decode: None,
            idempotent: false,
            max_retries: 2,
            hedge_delay: None,
        }
    }
}

/// What a function answered.
#[derive(Debug)]
pub struct CallOutcome {
    /// Whether it returned or raised, and where in the tape the value or the
    /// `{Class, Reason, Stacktrace}` begins.
    pub outcome: Outcome,
    /// The whole of the response; see [`give_back`](spare_tapes::give_back).
    pub tape: Box<Tape>,
    /// What the tape was decoded from and refers to.
    pub source: Bytes,
}

/// Makes a call on one endpoint, with an identifier and a signature of its own. Returns the request
/// too if that is to be kept; else it is gone once it is encoded.
pub(super) async fn exchange_terms<R: Borrow<CallRequest> + Send + 'static>(
    shared: &Arc<Shared>,
    member: &Arc<Member>,
    request: R,
    keep: bool,
    limits: &Limits,
    progress: &mut Progress,
) -> (Result<CallOutcome, CallError>, Option<R>) {
    let decode_options = request.borrow().decode.clone();
    let (encoded, request) = encode(shared, member, request, keep).await;
    let result = match encoded {
        Ok(encoded) => {
            let received = exchange(shared, &member.pool, &encoded, limits, progress).await;
            match received {
                Ok(received) => {
                    understand(shared, received, decode_options, limits, progress).await
                }
                Err(error) => Err(error),
            }
        }
        Err(error) => Err(error),
    };
    (result, request)
}

/// Decodes a response, within what is left of the call's time.
async fn understand(
    shared: &Shared,
    received: Received,
    options: Option<OwnedDecodeOptions>,
    limits: &Limits,
    progress: &Progress,
) -> Result<CallOutcome, CallError> {
    let options = options.unwrap_or_else(|| shared.options.decode.clone());
    let decoding = pin!(decode(shared, received, options, limits.max_encoded_result_size));
    match limits.whole() {
        None => decoding.await,
        Some(whole) => {
            whole.run(decoding).await.unwrap_or_else(|ran_out| Err(ran_out.error(progress)))
        }
    }
}

async fn encode<R: Borrow<CallRequest> + Send + 'static>(
    shared: &Arc<Shared>,
    member: &Arc<Member>,
    request: R,
    keep: bool,
) -> (Result<PreparedRequest, CallError>, Option<R>) {
    let size = tape_size(request.borrow().arguments.as_tape_ref());
    let (for_codec, member) = (Arc::clone(shared), Arc::clone(member));
    let encoded = shared.codecs.run(size, move |codec| {
        let encoded = encode_with(codec, &for_codec, &member, request.borrow());
        (encoded.map_err(CallError::Encode), keep.then_some(request))
    });
    match encoded.await {
        Ok(encoded) => encoded,
        Err(Stopped) => (Err(CallError::Closed), None),
    }
}

fn encode_with(
    codec: &mut Codec,
    shared: &Shared,
    member: &Member,
    request: &CallRequest,
) -> Result<PreparedRequest, EncodeFailure> {
    let defaults = &shared.options.settings;
    let settings = Settings {
        secrets: request.secrets.as_ref().unwrap_or(&defaults.secrets).clone(),
        max_encoded_args_size: request
            .max_encoded_args_size
            .unwrap_or(defaults.max_encoded_args_size),
        compression_threshold: request
            .compression_threshold
            .unwrap_or(defaults.compression_threshold),
        ..defaults.clone()
    };
    let arguments = request.arguments.as_tape_ref();
    let host = member.host.as_ref();
    let host = host.ok_or_else(|| EncodeFailure::Target(member.authority.clone()))?;
    prepare_request(&request.path, host, arguments, &mut codec.encoder, &settings)
}

async fn decode(
    shared: &Shared,
    received: Received,
    options: OwnedDecodeOptions,
    limit: usize,
) -> Result<CallOutcome, CallError> {
    let Received { response, status, compressed, body } = received;
    // Inflated, most bodies are a few times as large.
    let size = body.len().saturating_mul(if compressed { 4 } else { 1 });
    let decoded = shared.codecs.run(size, move |codec| {
        let mut tape = spare_tapes::take();
        let body = body.into_bytes();
        let unverified_body = body.slice(..body.len().min(HINT));
        let verified = response.verify(body).map_err(|failure| CallError::Authentication {
            failure,
            unverified_status: status,
            unverified_body,
        })?;
        let accepted = verified.check_status().map_err(CallError::Remote)?.accept();
        let payload =
            accepted.and_then(|accepted| accepted.inflate(limit)).map_err(not_understood)?;
        let decoded = payload.decode(&mut codec.decoder, &options.as_options(), &mut tape);
        let (outcome, mut source) = decoded.map_err(not_understood)?;
        if !tape.refers_to_source {
            // Not to be there when the values are made.
            source = Bytes::new();
        }
        Ok(CallOutcome { outcome, tape, source })
    });
    decoded.await.unwrap_or(Err(CallError::Closed))
}

fn not_understood(failure: ResponseFailure) -> CallError {
    match failure {
        ResponseFailure::TooLarge { size, limit } => {
            CallError::TooLarge { size: size as u64, limit }
        }
        // Inflating stops at the first byte that is too much.
        ResponseFailure::Inflate(GzipError::TooLarge { limit }) => {
            CallError::TooLarge { size: (limit as u64).saturating_add(1), limit }
        }
        failure => CallError::Response(failure),
    }
}
