use std::sync::Arc;
use std::time::Instant;

use backwater_protocol::server::{
    self, ListCollector, Refusal, RespondError, ResponseContext, ResponseTerm, Settings, respond,
};
use http::{Response, StatusCode};
use ring::rand::{SecureRandom, SystemRandom};

use super::Shared;
use super::exceptions::{ExceptionClass, unencodable_result};
use super::frames::FrameStream;
use super::items::{ItemReceiver, Part};
use super::response_body::{ResponseBody, whole};
use crate::memory::{Share, counted, encoding};
use crate::terms::{TapeSource, tape_size};

pub(crate) const RETRY_AFTER: u32 = 1;
pub(crate) const UNAVAILABLE: StatusCode = StatusCode::SERVICE_UNAVAILABLE;
pub(crate) const OVERLOADED: &str = "overloaded";

pub(crate) enum Unanswered {
    Refused(Refusal),
    Failed,
}

impl From<Refusal> for Unanswered {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

#[derive(Clone, Copy)]
pub(crate) enum Form {
    Return,
    Exception,
}

pub(crate) struct Ended {
    pub(crate) function: u32,
    pub(crate) form: Form,
    pub(crate) value: Box<dyn TapeSource>,
    pub(crate) share: Share,
}

pub(crate) async fn encode(
    shared: &Shared,
    settings: &Arc<Settings>,
    context: ResponseContext,
    ended: Ended,
) -> Result<Response<ResponseBody>, Unanswered> {
    let Ended { function, form, value, mut share } = ended;
    let size = tape_size(value.as_tape_ref());
    share.set(encoding(size));
    shared.forecasts.learn(function, encoding(size));
    let settings = Arc::clone(settings);
    let encoded = shared.codecs.run(size, move |codec| {
        let term = match form {
            Form::Return => ResponseTerm::Return(value.as_tape_ref()),
            Form::Exception => ResponseTerm::Exception(value.as_tape_ref()),
        };
        let response = respond(&context, term, &mut codec.encoder, &settings);
        let is_unencodable = response.is_err();
        let response = response.or_else(|error| {
            let exception = unencodable_result(&error.to_string());
            let term = ResponseTerm::Exception(exception.as_tape_ref());
            // The text itself may exceed the limit.
            let unlimited = Settings { max_encoded_result_size: usize::MAX, ..(*settings).clone() };
            respond(&context, term, &mut codec.encoder, &unlimited)
        });
        response.map(|response| (response, is_unencodable))
    });
    let encoded = encoded.await.ok().and_then(Result::ok).ok_or(Unanswered::Failed)?;
    let (response, is_unencodable) = encoded;
    if is_unencodable && matches!(form, Form::Return) {
        shared.counts.exception(ExceptionClass::Error);
    }
    share.set(counted(response.body().len()));
    Ok(response.map(|body| whole(share.attach(body))))
}

pub(crate) fn begin_stream(
    shared: &Arc<Shared>,
    settings: &Settings,
    context: &ResponseContext,
    items: ItemReceiver,
    share: Share,
    deadline: Option<Instant>,
) -> Result<Response<ResponseBody>, Unanswered> {
    let Ok(permit) = Arc::clone(&shared.streams).try_acquire_owned() else {
        let refusal = Refusal::signed(UNAVAILABLE, OVERLOADED, context);
        return Err(refusal.with_retry_after(RETRY_AFTER).into());
    };
    let mut nonce = [0; 16];
    SystemRandom::new().fill(&mut nonce).map_err(|_| Unanswered::Failed)?;
    let begun = server::begin_stream(context, nonce, settings);
    let (response, encoder) = begun.ok_or(Unanswered::Failed)?;
    let frames = FrameStream::new(shared, encoder, items, share, permit, deadline);
    Ok(response.map(|()| ResponseBody::Right(Box::new(frames))))
}

pub(crate) async fn collect(
    shared: &Shared,
    settings: &Arc<Settings>,
    context: ResponseContext,
    function: u32,
    mut items: ItemReceiver,
    mut share: Share,
) -> Result<Response<ResponseBody>, Unanswered> {
    let mut collector = ListCollector::new(settings);
    loop {
        let (class, value) = match items.next().await.ok_or(Unanswered::Failed)? {
            Part::Items(list) => {
                let size = tape_size(list.as_tape_ref());
                share.set(encoding(size) + counted(collector.size()));
                let pushed = shared.codecs.run(size, move |codec| {
                    let pushed = collector.push(list.as_tape_ref(), &mut codec.encoder);
                    pushed.map(|()| collector)
                });
                let pushed = pushed.await.map_err(|_stopped| Unanswered::Failed)?;
                items.taken();
                match pushed {
                    Ok(longer) => {
                        share.set(counted(longer.size()));
                        collector = longer;
                        continue;
                    }
                    Err(error) => unencodable(&error),
                }
            }
            Part::Exception(class, value) => (class, value),
            Part::End => {
                let size = collector.size();
                share.set(encoding(size));
                shared.forecasts.learn(function, encoding(size));
                let settings = Arc::clone(settings);
                let answer =
                    shared.codecs.run(size, move |_| collector.finish(&context, &settings));
                let response = answer.await.map_err(|_stopped| Unanswered::Failed)?;
                share.set(counted(response.body().len()));
                return Ok(response.map(|body| whole(share.attach(body))));
            }
        };
        // Ends the generator now, not after the response is sent.
        drop(items);
        shared.counts.exception(class);
        let ended = Ended { function, form: Form::Exception, value, share };
        return encode(shared, settings, context, ended).await;
    }
}

fn unencodable(error: &RespondError) -> (ExceptionClass, Box<dyn TapeSource>) {
    (ExceptionClass::Error, Box::new(unencodable_result(&error.to_string())))
}
