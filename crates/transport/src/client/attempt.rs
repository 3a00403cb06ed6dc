use std::borrow::Borrow;
use std::pin::pin;
use std::sync::Arc;

use backwater_etf::DecodeOptions;
use backwater_protocol::client::{EncodeFailure, PreparedRequest, Settings, prepare_request};

use super::answer::decode;
use super::endpoints::Endpoint;
use super::error::CallError;
use super::exchange::{OpenStream, Outgoing, Received, WholeResponse, exchange};
use super::item_stream::{Answer, ItemStream, Source};
use super::limits::Limits;
use super::pool::Purpose;
use super::request::{CallOutcome, CallRequest};
use super::retry::feedback;
use super::state::ClientState;
use super::times::Progress;
use crate::codec::{Codec, Stopped};
use crate::terms::tape_size;

/// Returns the request if another attempt may need it.
pub(super) async fn attempt<R: Borrow<CallRequest> + Send + 'static>(
    state: &Arc<ClientState>,
    endpoint: &Arc<Endpoint>,
    request: R,
    keep: bool,
    limits: &Limits,
    progress: &mut Progress,
) -> (Result<Answer, CallError>, Option<R>) {
    let in_flight = endpoint.begin();
    let decode_options = request.borrow().decode;
    let request_id = request.borrow().request_id.clone();
    let purpose = if request.borrow().stream { Purpose::Stream } else { Purpose::Call };
    let (encoded, request) = encode(state, endpoint, request, keep).await;
    let mut result = match encoded {
        Ok(prepared) => {
            let request_id = request_id.as_deref();
            let outgoing = Outgoing { prepared: &prepared, request_id, purpose };
            match exchange(state, &endpoint.pool, outgoing, limits, progress).await {
                Ok(Received::Whole(response)) => {
                    understand(state, response, decode_options, limits, progress).await.map(
                        |outcome| {
                            let request_id = progress.request_id;
                            Answer::Whole(CallOutcome { request_id, ..outcome })
                        },
                    )
                }
                Ok(Received::Stream(stream)) => {
                    Box::pin(open(state, *stream, decode_options, limits, progress)).await
                }
                Err(error) => Err(error),
            }
        }
        Err(error) => Err(error),
    };
    if in_flight.report(feedback(&result), &state.discovery.random) {
        state.discovery.request_update();
    }
    if let Ok(Answer::Stream(stream)) = &mut result {
        stream.counts_as(in_flight);
    }
    (result, request)
}

async fn understand(
    state: &ClientState,
    received: WholeResponse,
    options: Option<DecodeOptions<'static>>,
    limits: &Limits,
    progress: &Progress,
) -> Result<CallOutcome, CallError> {
    let options = options.unwrap_or(state.options.decode);
    let decoding = pin!(decode(state, received, options, limits.max_encoded_result_size));
    match limits.whole() {
        None => decoding.await,
        Some(whole) => {
            whole.run(decoding).await.unwrap_or_else(|ran_out| Err(ran_out.error(progress)))
        }
    }
}

async fn open(
    state: &Arc<ClientState>,
    OpenStream { stream, body, lease }: OpenStream,
    options: Option<DecodeOptions<'static>>,
    limits: &Limits,
    progress: &Progress,
) -> Result<Answer, CallError> {
    let decoder = stream.decoder(limits.max_encoded_result_size).map_err(CallError::Response)?;
    let options = options.unwrap_or(state.options.decode);
    let source = Source::new(state, lease, body, decoder, options, limits, progress);
    Ok(Answer::Stream(Box::new(ItemStream::open(source).await?)))
}

async fn encode<R: Borrow<CallRequest> + Send + 'static>(
    state: &Arc<ClientState>,
    endpoint: &Arc<Endpoint>,
    request: R,
    keep: bool,
) -> (Result<PreparedRequest, CallError>, Option<R>) {
    let size = tape_size(request.borrow().arguments.as_tape_ref());
    let (for_codec, endpoint) = (Arc::clone(state), Arc::clone(endpoint));
    let encoded = state.codecs.run(size, move |codec| {
        let encoded = encode_with(codec, &for_codec, &endpoint, request.borrow());
        (encoded.map_err(CallError::Encode), keep.then_some(request))
    });
    match encoded.await {
        Ok(encoded) => encoded,
        Err(Stopped) => (Err(CallError::Closed), None),
    }
}

fn encode_with(
    codec: &mut Codec,
    state: &ClientState,
    endpoint: &Endpoint,
    request: &CallRequest,
) -> Result<PreparedRequest, EncodeFailure> {
    let defaults = &state.options.settings;
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
    let host = endpoint.host.as_ref();
    let host = host.ok_or_else(|| EncodeFailure::Target(endpoint.authority.clone()))?;
    let prepared = prepare_request(&request.path, host, arguments, &mut codec.encoder, &settings)?;
    Ok(prepared.carrying(request.carried.clone()))
}
