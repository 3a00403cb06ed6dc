use std::cell::Cell;
use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;
use std::time::{Instant, SystemTime};

use backwater_etf::Tape;
use backwater_protocol::server::{
    Call, ExpectedBody, Inflated, Refusal, ResponseContext, Settings, VerifiedBody, authenticate,
};
use bytes::Bytes;
use http::{Request, Response, StatusCode, Version};
use hyper::body::{Body, Incoming};
use tokio::time::timeout as time_limit;

use super::answer::{
    Ended, Form, OVERLOADED, RETRY_AFTER, UNAVAILABLE, Unanswered, begin_stream, collect, encode,
};
use super::calls::Running;
use super::response_body::{ResponseBody, whole};
use super::room::Room;
use super::service::{Answer, IncomingCall, Outcome, Peer, Reply};
use super::{Shared, health};
use crate::body::{BodyError, BodyReader, CollectedBody};
use crate::guard::catch_panic;
use crate::memory::{SMALL, counted, decoding};
use crate::spin::UnderWay;
use crate::tape_pool;
use crate::tls::ServerTls;

pub(crate) fn malformed(shared: &Shared) -> Response<ResponseBody> {
    let refusal = Refusal::new(StatusCode::BAD_REQUEST, "");
    shared.counts.refusal(&refusal);
    refusal.into_response(&shared.settings.load()).map(whole)
}

/// `began` is when the head started. `unread` stays set while part of the body is unread.
pub(crate) async fn answer(
    shared: &Arc<Shared>,
    peer: &Arc<Peer>,
    request: Request<Incoming>,
    began: Instant,
    unread: &Cell<bool>,
) -> Response<ResponseBody> {
    if shared.health_path.as_deref().is_some_and(|path| path == request.uri().path()) {
        unread.set(!request.body().is_end_stream());
        let answer = health::answer(request.method(), shared.is_leaving());
        return answer.map(ResponseBody::Left);
    }
    let settings = shared.settings.load();
    // Refusals are signed once the request is authentic.
    let signed = Cell::new(None);
    let result =
        catch_panic(pin!(serve(shared, &settings, peer, request, began, unread, &signed))).await;
    let refusal = match result.unwrap_or_else(|_panic| Err(Unanswered::Failed)) {
        Ok(response) => return response,
        Err(Unanswered::Refused(refusal)) => refusal,
        Err(Unanswered::Failed) => match signed.into_inner() {
            Some(context) => Refusal::signed(StatusCode::INTERNAL_SERVER_ERROR, "", &context),
            None => Refusal::new(StatusCode::INTERNAL_SERVER_ERROR, ""),
        },
    };
    shared.counts.refusal(&refusal);
    refusal.into_response(&settings).map(whole)
}

async fn serve(
    shared: &Arc<Shared>,
    settings: &Arc<Settings>,
    peer: &Arc<Peer>,
    request: Request<Incoming>,
    began: Instant,
    unread: &Cell<bool>,
    signed: &Cell<Option<ResponseContext>>,
) -> Result<Response<ResponseBody>, Unanswered> {
    let _under_way = UnderWay::begin();
    let arrived = Instant::now();
    let (head, body) = request.into_parts();
    unread.set(!body.is_end_stream());
    // For health checks, the handshake admits callers without a certificate.
    let demands_certificate = shared.tls.as_ref().is_some_and(ServerTls::demands_certificate);
    if demands_certificate && peer.certificate.is_none() {
        return Err(Refusal::new(StatusCode::FORBIDDEN, "client_certificate_required").into());
    }
    let target = head.uri.path_and_query().map_or("/", |target| target.as_str());
    let mut authenticated = authenticate(&head.method, target, &head.headers, settings)?;
    signed.set(Some(authenticated.context().clone()));
    if let Some(guard) = &shared.replay {
        authenticated = authenticated.refuse_replay(guard, SystemTime::now().into())?;
    }
    let mut expected = authenticated
        .route(&*shared.functions)?
        .negotiate()?
        .expect_body(body.size_hint().exact())?;
    let (timeout, carried) = (expected.timeout(), expected.take_carried());
    let Some(place) = shared.calls.enter() else {
        return Err(overloaded(&expected).into());
    };
    let mut room = Room::new(shared);
    let size = body.size_hint().exact().map_or(expected.max_size(), |length| length as usize);
    room.receive(size).await.map_err(|_| overloaded(&expected))?;
    // The first read makes hyper send `100 Continue`.
    let body = read(shared, &expected, body, began).await?;
    unread.set(false);

    let (Call { function, context, source }, tape) =
        decode(shared, expected, body, &mut room).await?;
    let size = counted(tape.size() + source.len());
    let arguments = size.max(counted(tape.value_size()));
    let forecast = || shared.forecasts.of(function);
    if room.admit(size, arguments, forecast).await.is_err() {
        let refusal = Refusal::signed(UNAVAILABLE, OVERLOADED, &context);
        return Err(refusal.with_retry_after(RETRY_AFTER).into());
    }
    let (arguments, result) = room.divide(arguments);
    let caller = context.caller().cloned();
    shared.counts.call(caller.as_ref());
    let bytes = arguments.bytes();
    let (reply, answer) = Reply::new(arguments);
    let running = Running::new(answer, place, bytes);
    let deadline = timeout.and_then(|timeout| arrived.checked_add(timeout.as_duration()));
    let timeout = timeout.map(|timeout| timeout.as_duration().saturating_sub(arrived.elapsed()));
    let (request_id, peer) = (context.request_id().clone(), Arc::clone(peer));
    // HTTP/1.0 has no chunks.
    let takes_stream = context.accepts_stream() && head.version == Version::HTTP_11;
    let call = IncomingCall {
        function,
        tape,
        source,
        timeout,
        request_id,
        caller,
        carried,
        takes_stream,
        peer,
        reply,
    };
    shared.service.call(call);
    let (answer, place) = running.answer().await.ok_or(Unanswered::Failed)?;
    let outcome = match answer {
        Answer::Outcome(outcome) => {
            // The caller may call again at once.
            drop(place);
            outcome
        }
        Answer::Items(items) if takes_stream => {
            drop(place);
            return begin_stream(shared, settings, &context, items, result, deadline);
        }
        Answer::Items(items) => {
            let collecting = collect(shared, settings, context, function, items, result);
            let response = Box::pin(collecting).await;
            drop(place);
            return response;
        }
    };
    let (form, value) = match outcome {
        Outcome::Return(value) => (Form::Return, value),
        Outcome::Exception(class, value) => {
            shared.counts.exception(class);
            (Form::Exception, value)
        }
        Outcome::Refused(status, text) => {
            let refusal = Refusal::signed(status, text, &context);
            return Err(refusal.with_retry_after(RETRY_AFTER).into());
        }
    };
    let ended = Ended { function, form, value, share: result };
    encode(shared, settings, context, ended).await
}

fn overloaded(expected: &ExpectedBody<u32>) -> Refusal {
    expected.refuse(UNAVAILABLE, OVERLOADED).with_retry_after(RETRY_AFTER)
}

async fn read(
    shared: &Shared,
    expected: &ExpectedBody<u32>,
    mut body: Incoming,
    began: Instant,
) -> Result<CollectedBody, Unanswered> {
    let left = shared.request_timeout.saturating_sub(began.elapsed());
    let mut reader = BodyReader::new(expected.max_size());
    let reading = poll_fn(|context| reader.poll_read(&mut body, context));
    let status = match time_limit(shared.recv_timeout.min(left), reading).await {
        Ok(Ok(body)) => return Ok(body),
        Ok(Err(BodyError::TooLarge(size))) => return Err(expected.too_large(size).into()),
        Ok(Err(BodyError::Broken(_))) => StatusCode::BAD_REQUEST,
        Err(_elapsed) => StatusCode::REQUEST_TIMEOUT,
    };
    Err(expected.refuse(status, "").into())
}

enum Stage {
    Received(ExpectedBody<u32>, CollectedBody),
    Verified(VerifiedBody<u32>),
}

impl Stage {
    fn overloaded(&self) -> Refusal {
        match self {
            Self::Received(expected, _) => overloaded(expected),
            Self::Verified(body) => {
                body.refuse(UNAVAILABLE, OVERLOADED).with_retry_after(RETRY_AFTER)
            }
        }
    }
}

enum Decoded {
    Whole(Call<u32>, Box<Tape>),
    Exceeds(VerifiedBody<u32>),
}

async fn decode(
    shared: &Shared,
    expected: ExpectedBody<u32>,
    body: CollectedBody,
    room: &mut Room,
) -> Result<(Call<u32>, Box<Tape>), Unanswered> {
    let max_size = expected.max_size();
    let compressed = if expected.is_compressed() { body.len() } else { 0 };
    let trailer = if expected.is_compressed() { body.trailer() } else { None };
    let mut options = shared.decode;
    if let Some(binaries) = shared.binaries.get(expected.function()) {
        options.binaries = *binaries;
    }
    let mut inflated = expected.claimed_size(body.len(), trailer.as_ref());
    let mut stage = Stage::Received(expected, body);
    loop {
        if room.grow(decoding(compressed, inflated)).await.is_err() {
            return Err(stage.overloaded().into());
        }
        let limit = inflated.max(SMALL);
        let decoded = shared.codecs.run(compressed.max(inflated), move |codec| {
            let body = match stage {
                Stage::Received(expected, body) => expected.verify(body.into_bytes())?,
                Stage::Verified(body) => body,
            };
            let arguments = match body.inflate_within(limit)? {
                Inflated::Whole(arguments) => arguments,
                Inflated::Exceeds(body) => return Ok(Decoded::Exceeds(body)),
            };
            let mut tape = tape_pool::take();
            let mut call = arguments.decode(&mut codec.decoder, &options, &mut tape)?;
            if !tape.refers_to_source {
                call.source = Bytes::new();
            }
            Ok::<_, Unanswered>(Decoded::Whole(call, tape))
        });
        match decoded.await.unwrap_or(Err(Unanswered::Failed))? {
            Decoded::Whole(call, tape) => return Ok((call, tape)),
            Decoded::Exceeds(body) => (stage, inflated) = (Stage::Verified(body), max_size),
        }
    }
}
