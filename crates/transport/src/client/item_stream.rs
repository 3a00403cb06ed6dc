use std::error::Error;
use std::fmt;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use backwater_etf::{DecodeOptions, Tape};
use backwater_protocol::stream::{Frame, FrameDecoder, FrameError, GATHERED};
use bytes::Bytes;
use hyper::body::Incoming;
use tokio::sync::watch;
use tokio::time::timeout;

use super::endpoints::{Feedback, InFlight};
use super::error::{CallError, CallFailure};
use super::limits::{Limits, RanOut};
use super::pool::Lease;
use super::request::CallOutcome;
use super::retry::feedback;
use super::state::{ClientState, Lifetime};
use super::times::Progress;
use crate::codec::Codec;
use crate::cooperative_budget::CooperativeBudget;
use crate::guard::catch_panic;
use crate::memory::{Share, Stage, counted, decoding};
use crate::tape_pool;

/// How long to wait for the end of the body, so that the connection can be reused.
const END_OF_BODY: Duration = Duration::from_millis(100);
/// A frame may exceed `max_encoded_result_size` by the gathered items and some bytes around them.
const LARGEST_OVERHEAD: usize = GATHERED + 64;
#[derive(Debug)]
pub enum Answer {
    Whole(CallOutcome),
    Stream(Box<ItemStream>),
}

#[derive(Debug)]
pub enum StreamEvent {
    Items(StreamTerm),
    End(u64),
    /// `{Class, Reason, Stacktrace}` ends the stream.
    Exception(StreamTerm),
}

#[derive(Debug)]
pub struct StreamTerm {
    /// Return it to the pool with [`give_back`](crate::tape_pool::give_back).
    pub tape: Box<Tape>,
    /// The bytes that the tape refers to.
    pub source: Bytes,
    /// Counts the tape and source. Drop it together with them.
    pub memory: Share,
}

impl StreamTerm {
    fn new(tape: Box<Tape>, source: Bytes) -> Self {
        // Frees an unused source before JavaScript creates the values.
        let source = if tape.refers_to_source { source } else { Bytes::new() };
        Self { tape, source, memory: Share::default() }
    }
}

/// Reads only while [`ItemStream::next`] is polled, so a slow consumer pauses the server. Dropping
/// it early closes the connection.
pub struct ItemStream {
    source: Source,
    first: Option<StreamEvent>,
    lifetime: watch::Receiver<Lifetime>,
    request_id: Option<[u8; 16]>,
}

impl ItemStream {
    pub(super) async fn open(mut source: Source) -> Result<Self, CallError> {
        let lifetime = source.state.lifetime.subscribe();
        let first = source.next().await?;
        let request_id = source.progress.request_id;
        Ok(Self { source, first: Some(first), lifetime, request_id })
    }

    pub(super) fn counts_as(&mut self, in_flight: InFlight) {
        if self.source.lease.is_some() {
            self.source.in_flight = Some(in_flight);
        }
    }

    pub fn request_id(&self) -> Option<[u8; 16]> {
        self.request_id
    }

    /// Returns the next event. Poll the future on the I/O thread; dropping it loses nothing. Do not
    /// call this after the end, an exception or an error.
    pub async fn next(&mut self) -> Result<StreamEvent, CallFailure> {
        if let Some(first) = self.first.take() {
            return Ok(first);
        }
        let Self { source, lifetime, .. } = self;
        let read = {
            let reading = pin!(source.next());
            tokio::select! {
                biased;
                read = catch_panic(reading) => {
                    read.unwrap_or_else(|panic| Err(CallError::Internal(panic)))
                }
                _ = lifetime.wait_for(|lifetime| *lifetime == Lifetime::Aborted) => {
                    Err(CallError::Closed)
                }
            }
        };
        self.source.report(&read);
        read.map_err(|error| CallFailure { error, request_id: self.request_id })
    }

    /// Resolves at the total timeout, or when the client aborts the stream, even if nothing is
    /// read.
    pub async fn expired(&mut self) -> CallFailure {
        let Self { source, lifetime, request_id, .. } = self;
        let error = tokio::select! {
            error = source.expired() => error,
            _ = lifetime.wait_for(|lifetime| *lifetime == Lifetime::Aborted) => CallError::Closed,
        };
        CallFailure { error, request_id: *request_id }
    }
}

impl fmt::Debug for ItemStream {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("ItemStream").finish_non_exhaustive()
    }
}

pub(super) struct Source {
    state: Arc<ClientState>,
    lease: Option<Lease>,
    body: Incoming,
    /// `None` while another thread decodes.
    decoder: Option<Box<FrameDecoder>>,
    options: DecodeOptions<'static>,
    limits: Limits,
    progress: Progress,
    in_flight: Option<InFlight>,
    budget: CooperativeBudget,
    memory: Share,
    items: u64,
}

enum Step {
    Incomplete,
    Ping,
    Event(StreamEvent, u32),
}

impl Source {
    pub(super) fn new(
        state: &Arc<ClientState>,
        lease: Lease,
        body: Incoming,
        decoder: FrameDecoder,
        options: DecodeOptions<'static>,
        limits: &Limits,
        progress: &Progress,
    ) -> Self {
        Self {
            state: Arc::clone(state),
            lease: Some(lease),
            body,
            decoder: Some(Box::new(decoder)),
            options,
            limits: *limits,
            progress: progress.clone(),
            in_flight: None,
            budget: CooperativeBudget::default(),
            memory: state.memory.share(),
            items: 0,
        }
    }

    pub(super) async fn next(&mut self) -> Result<StreamEvent, CallError> {
        loop {
            self.budget.turn().await;
            match self.decode().await? {
                Step::Event(event, count) => {
                    self.items += u64::from(count);
                    if !matches!(event, StreamEvent::Items(_)) {
                        self.finish().await?;
                    }
                    return Ok(event);
                }
                Step::Ping => (),
                Step::Incomplete => self.read().await?,
            }
        }
    }

    fn report(&self, read: &Result<StreamEvent, CallError>) {
        let feedback = feedback(read);
        if feedback == Feedback::Failed
            && let Some(in_flight) = &self.in_flight
            && in_flight.report(feedback, &self.state.discovery.random)
        {
            self.state.discovery.request_update();
        }
    }

    async fn expired(&self) -> CallError {
        match self.limits.whole() {
            Some(whole) => {
                let never = pin!(std::future::pending::<()>());
                match whole.run(never).await {
                    Ok(()) => CallError::Internal("an endless wait has ended".to_owned()),
                    Err(ran_out) => self.overdue(ran_out),
                }
            }
            None => std::future::pending().await,
        }
    }

    async fn decode(&mut self) -> Result<Step, CallError> {
        let lost = || CallError::Internal("a stream without a decoder".to_owned());
        let decoder = self.decoder.as_ref().ok_or_else(lost)?;
        let size = decoder.frame_size().unwrap_or(0);
        let most = self.limits.max_encoded_result_size.saturating_add(LARGEST_OVERHEAD);
        if size > most {
            // The decoder refuses this size, so it gets no memory.
        } else if decoder.buffered() < size {
            self.memory.grow(Stage::Arriving, counted(size)).await;
            return Ok(Step::Incomplete);
        } else {
            self.memory.grow(Stage::Arrived, decoding(0, size)).await;
        }
        if size > 0 {
            self.budget.coded(size);
        }
        let mut decoder = self.decoder.take().ok_or_else(lost)?;
        let options = self.options;
        let decoded = self.state.codecs.run_frame(size, move |codec| {
            let step = step(&mut decoder, codec, &options);
            (step, decoder)
        });
        let (step, decoder) = decoded.await.map_err(|_stopped| CallError::Closed)?;
        self.decoder = Some(decoder);
        let mut step = step.map_err(CallError::Frame)?;
        self.memory.set(0);
        if let Step::Event(StreamEvent::Items(term) | StreamEvent::Exception(term), _) = &mut step {
            term.memory = self.state.memory.share();
            term.memory.set(counted(term.tape.size() + term.source.len()));
        }
        Ok(step)
    }

    async fn read(&mut self) -> Result<(), CallError> {
        let idle = self.limits.idle();
        let read = {
            let reading = pin!(self.chunk());
            idle.run(reading).await
        };
        match read {
            Ok(Ok(Some(bytes))) => {
                self.push(&bytes);
                Ok(())
            }
            Ok(Ok(None)) => Err(self.truncated(None)),
            Ok(Err(error)) => Err(self.truncated(Some(error.into()))),
            Err(ran_out) => Err(self.overdue(ran_out)),
        }
    }

    async fn chunk(&mut self) -> hyper::Result<Option<Bytes>> {
        match &mut self.lease {
            Some(lease) => lease.connection.read_chunk(&mut self.body).await,
            None => Ok(None),
        }
    }

    fn push(&mut self, bytes: &[u8]) {
        if let Some(decoder) = &mut self.decoder {
            decoder.push(bytes);
        }
    }

    fn overdue(&self, ran_out: RanOut) -> CallError {
        let error = ran_out.error(&self.progress);
        match &self.lease {
            Some(lease) => error.at(lease.address()),
            None => error,
        }
    }

    fn truncated(&self, source: Option<Box<dyn Error + Send + Sync>>) -> CallError {
        CallError::Truncated { items: self.items, source }
    }

    /// Keeps the connection if possible. Bytes after the stream are an error.
    async fn finish(&mut self) -> Result<(), CallError> {
        let ended = timeout(END_OF_BODY, async {
            loop {
                if self.decoder.as_ref().is_some_and(|decoder| decoder.buffered() > 0) {
                    return Err(CallError::Frame(FrameError::TrailingBytes));
                }
                match self.chunk().await {
                    Ok(Some(bytes)) => self.push(&bytes),
                    Ok(None) => return Ok(true),
                    Err(_) => return Ok(false),
                }
            }
        });
        let is_whole = ended.await.unwrap_or(Ok(false))?;
        self.in_flight = None;
        if let Some(mut lease) = self.lease.take()
            && is_whole
            && lease.connection.is_reusable()
        {
            lease.keep();
        }
        Ok(())
    }
}

fn step(
    decoder: &mut FrameDecoder,
    codec: &mut Codec,
    options: &DecodeOptions<'_>,
) -> Result<Step, FrameError> {
    let Some(frame) = decoder.next_frame()? else { return Ok(Step::Incomplete) };
    let mut tape = tape_pool::take();
    Ok(match frame {
        Frame::Ping => Step::Ping,
        Frame::End { count } => Step::Event(StreamEvent::End(count), 0),
        Frame::Items(items) => {
            let count = items.count();
            let source = items.decode(&mut codec.decoder, options, &mut tape)?;
            Step::Event(StreamEvent::Items(StreamTerm::new(tape, source)), count)
        }
        Frame::Exception(exception) => {
            let source = exception.decode(&mut codec.decoder, options, &mut tape)?;
            Step::Event(StreamEvent::Exception(StreamTerm::new(tape, source)), 0)
        }
    })
}
