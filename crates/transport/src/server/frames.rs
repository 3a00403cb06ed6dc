//! The body of a stream. It frames items and paces the service.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use backwater_protocol::server::RespondError;
use backwater_protocol::stream::FrameEncoder;
use bytes::Bytes;
use hyper::body::{Body, Frame};
use tokio::sync::{OwnedSemaphorePermit, watch};
use tokio::time::{sleep, sleep_until};

use super::activity::{Activity, Streaming};
use super::exceptions::{ExceptionClass, exit, unencodable_result};
use super::items::{ItemReceiver, Part};
use super::unsent::Unsent;
use super::{Phase, Shared};
use crate::TapeSource;
use crate::codec::Codec;
use crate::cooperative_budget::CooperativeBudget;
use crate::guard::catch_panic;
use crate::memory::{Share, counted, encoding};
use crate::terms::tape_size;

/// Lets the caller see its own timeout first.
const GRACE: Duration = Duration::from_millis(100);

pub(crate) struct FrameStream {
    pump: Option<Pump>,
    frames: Queue,
    is_waiting: bool,
    streaming: Option<Streaming>,
}

type Pump = Pin<Box<dyn Future<Output = Result<(), Broken>>>>;

type Queue = Rc<RefCell<VecDeque<Bytes>>>;

/// The stream cannot end properly, so its connection must close.
#[derive(Debug)]
pub(crate) struct Broken;

impl std::fmt::Display for Broken {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("a stream broke off")
    }
}

impl std::error::Error for Broken {}

impl FrameStream {
    pub(crate) fn new(
        shared: &Arc<Shared>,
        encoder: FrameEncoder,
        items: ItemReceiver,
        share: Share,
        permit: OwnedSemaphorePermit,
        deadline: Option<Instant>,
    ) -> Self {
        let frames = Queue::default();
        let writer = Writer {
            shared: Arc::clone(shared),
            encoder: Some(encoder),
            share,
            permit: Arc::new(permit),
            unsent: Arc::default(),
            frames: Rc::clone(&frames),
        };
        let phase = shared.phase.subscribe();
        let pump = async move {
            let pumping = pin!(pump(writer, items, phase, deadline));
            catch_panic(pumping).await.unwrap_or(Err(Broken))
        };
        Self { pump: Some(Box::pin(pump)), frames, is_waiting: false, streaming: None }
    }

    pub(crate) fn begin(&mut self, activity: &Rc<Activity>) {
        self.streaming = Some(Streaming::begin(activity));
    }
}

impl Body for FrameStream {
    type Data = Bytes;
    type Error = Broken;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Broken>>> {
        loop {
            if let Some(frames) = self.frames.borrow_mut().pop_front() {
                return Poll::Ready(Some(Ok(Frame::data(frames))));
            }
            if std::mem::take(&mut self.is_waiting) {
                return Poll::Pending;
            }
            let Some(pump) = &mut self.pump else { return Poll::Ready(None) };
            match pump.as_mut().poll(context) {
                Poll::Ready(ended) => {
                    self.pump = None;
                    if let Err(broken) = ended {
                        return Poll::Ready(Some(Err(broken)));
                    }
                }
                Poll::Pending => self.is_waiting = true,
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.pump.is_none() && self.frames.borrow().is_empty()
    }
}

#[derive(Clone, Copy, Debug)]
enum Interruption {
    Deadline,
    Closing,
}

impl Interruption {
    fn reason(self) -> &'static str {
        match self {
            Self::Deadline => "timeout",
            Self::Closing => "server_closing",
        }
    }
}

async fn interruption(
    mut phase: watch::Receiver<Phase>,
    deadline: Option<Instant>,
) -> Interruption {
    tokio::select! {
        _ = phase.wait_for(|phase| *phase >= Phase::EndingStreams) => Interruption::Closing,
        () = sleep_until(deadline.unwrap_or_else(Instant::now).into()), if deadline.is_some() => {
            Interruption::Deadline
        }
    }
}

enum Next {
    Part(Option<Part>),
    Interrupted(Interruption),
    Silence,
}

async fn pump(
    mut writer: Writer,
    mut items: ItemReceiver,
    phase: watch::Receiver<Phase>,
    deadline: Option<Instant>,
) -> Result<(), Broken> {
    let deadline = deadline.and_then(|deadline| deadline.checked_add(GRACE));
    let mut interrupted = pin!(interruption(phase, deadline));
    let interval = writer.shared.stream_ping_interval;
    let mut silence = pin!(sleep(interval));
    let mut latest = Instant::now();
    let mut budget = CooperativeBudget::default();
    loop {
        // Items that compress well would never exhaust the connection's budget.
        budget.turn().await;
        let unsent = Arc::clone(&writer.unsent);
        let next = async {
            unsent.room().await;
            items.next().await
        };
        let next = tokio::select! {
            biased;
            interruption = &mut interrupted => Next::Interrupted(interruption),
            part = next => Next::Part(part),
            () = &mut silence => Next::Silence,
        };
        match next {
            Next::Part(Some(Part::Items(list))) => {
                budget.coded(tape_size(list.as_tape_ref()));
                let written = writer.items(list).await?;
                items.taken();
                latest = Instant::now();
                if let Err(error) = written {
                    let exception = unencodable_result(&error.to_string());
                    return writer.exception(ExceptionClass::Error, Box::new(exception)).await;
                }
            }
            Next::Part(Some(Part::End)) => return writer.end(),
            Next::Part(Some(Part::Exception(class, exception))) => {
                return writer.exception(class, exception).await;
            }
            Next::Part(None) => {
                return writer.exception(ExceptionClass::Exit, Box::new(exit("no_answer"))).await;
            }
            Next::Interrupted(interruption) => {
                let exception = exit(interruption.reason());
                return writer.exception(ExceptionClass::Exit, Box::new(exception)).await;
            }
            Next::Silence => {
                // Frames do not reset the timer, and a peer that does not read needs no pings.
                if latest.elapsed() >= interval {
                    if writer.unsent.bytes() == 0 {
                        writer.ping()?;
                    }
                    latest = Instant::now();
                }
                silence.set(sleep(interval.saturating_sub(latest.elapsed())));
            }
        }
    }
}

struct Writer {
    shared: Arc<Shared>,
    encoder: Option<FrameEncoder>,
    share: Share,
    /// Held until the last byte is written.
    permit: Arc<OwnedSemaphorePermit>,
    unsent: Arc<Unsent>,
    frames: Queue,
}

impl Writer {
    async fn items(
        &mut self,
        list: Box<dyn TapeSource>,
    ) -> Result<Result<(), RespondError>, Broken> {
        self.encode(list, |encoder, list, codec, out| {
            encoder.items(list.as_tape_ref(), &mut codec.encoder, out)
        })
        .await
    }

    async fn exception(
        &mut self,
        class: ExceptionClass,
        exception: Box<dyn TapeSource>,
    ) -> Result<(), Broken> {
        self.shared.counts.exception(class);
        self.encode(exception, |encoder, exception, codec, out| {
            let written = encoder.exception(exception.as_tape_ref(), &mut codec.encoder, out);
            written.or_else(|error| {
                let exception = unencodable_result(&error.to_string());
                encoder.exception(exception.as_tape_ref(), &mut codec.encoder, out)
            })
        })
        .await?
        // Even the exception exceeds the limit.
        .map_err(|_| Broken)
    }

    fn end(&mut self) -> Result<(), Broken> {
        self.write(FrameEncoder::end)
    }

    fn ping(&mut self) -> Result<(), Broken> {
        self.write(FrameEncoder::ping)
    }

    fn write(&mut self, write: impl FnOnce(&mut FrameEncoder, &mut Vec<u8>)) -> Result<(), Broken> {
        let encoder = self.encoder.as_mut().ok_or(Broken)?;
        let mut frames = Vec::new();
        write(encoder, &mut frames);
        self.hand_over(frames);
        Ok(())
    }

    async fn encode<F>(
        &mut self,
        tape: Box<dyn TapeSource>,
        encode: F,
    ) -> Result<Result<(), RespondError>, Broken>
    where
        F: FnOnce(
                &mut FrameEncoder,
                &dyn TapeSource,
                &mut Codec,
                &mut Vec<u8>,
            ) -> Result<(), RespondError>
            + Send
            + 'static,
    {
        let size = tape_size(tape.as_tape_ref());
        self.share.set(encoding(size));
        let mut encoder = self.encoder.take().ok_or(Broken)?;
        let encoded = self.shared.codecs.run_frame(size, move |codec| {
            let mut frames = Vec::new();
            let encoded = encode(&mut encoder, &*tape, codec, &mut frames);
            (encoded, frames, encoder)
        });
        let (encoded, frames, encoder) = encoded.await.map_err(|_stopped| Broken)?;
        self.encoder = Some(encoder);
        self.hand_over(frames);
        Ok(encoded)
    }

    fn hand_over(&mut self, frames: Vec<u8>) {
        self.share.set(counted(frames.len()));
        let share = self.share.split(self.share.bytes());
        if !frames.is_empty() {
            let frames = self.unsent.count(frames, share, &self.permit);
            self.frames.borrow_mut().push_back(frames);
        }
    }
}
