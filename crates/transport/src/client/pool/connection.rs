use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, Waker, ready};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{HeaderMap, Request, Response};
use hyper::body::{Body, Incoming};
use hyper::client::conn::{TrySendError, http1};
use hyper_util::rt::TokioIo;

use super::super::options::EndpointAddress;
use super::super::times::{Phase, Progress};
use super::keep_alive::{hint, idle_limit};
use super::stream::{ClientStream, Secured};
use super::write_tracker::{RequestBody, WriteTracker};
use crate::body::{BodyError, BodyReader, CollectedBody};
use crate::tls::TlsFailure;

/// Limits hyper's read-ahead. An unread stream holds this much.
const MAX_BUFFER: usize = 128 * 1024;

/// Driven by its holder, so dropping it ends the call and closes the socket.
pub(in super::super) struct Connection {
    sender: http1::SendRequest<RequestBody>,
    driver: Option<Box<http1::Connection<TokioIo<ClientStream>, RequestBody>>>,
    tracker: Arc<WriteTracker>,
    secured: Option<Secured>,
    kept: bool,
    idle_since: Instant,
    keep_alive_hint: Option<Duration>,
    expires: Option<Instant>,
    _open: Arc<()>,
}

#[derive(Debug)]
pub(in super::super) struct SendError {
    pub(in super::super) error: hyper::Error,
    pub(in super::super) tls: Option<(EndpointAddress, TlsFailure)>,
    /// The server asked for a certificate, but none is configured. Some servers then send no alert.
    pub(in super::super) lacks_certificate: bool,
    /// The request was not written in full, so the server has not started. Other requests are not
    /// repeated (RFC 9110, 9.2.2: POST is not idempotent).
    pub(in super::super) unsent: bool,
}

impl Connection {
    pub(super) async fn open(
        stream: ClientStream,
        max_header_bytes: usize,
        open: Arc<()>,
        max_age: Option<Duration>,
    ) -> hyper::Result<Self> {
        let tracker = stream.tracker();
        let secured = stream.secured().cloned();
        let (sender, driver) = http1::Builder::new()
            .max_header_size(max_header_bytes)
            .max_buf_size(MAX_BUFFER.max(max_header_bytes))
            .handshake(TokioIo::new(stream))
            .await?;
        let now = Instant::now();
        Ok(Self {
            sender,
            driver: Some(Box::new(driver)),
            tracker,
            secured,
            kept: false,
            idle_since: now,
            keep_alive_hint: None,
            expires: max_age.and_then(|age| now.checked_add(age)),
            _open: open,
        })
    }

    pub(super) fn set_idle(&mut self, now: Instant) {
        self.kept = true;
        self.idle_since = now;
    }

    pub(super) fn has_expired(&self, now: Instant, idle_timeout: Option<Duration>) -> bool {
        let limit = idle_limit(idle_timeout, self.keep_alive_hint);
        now.duration_since(self.idle_since) >= limit
            || self.expires.is_some_and(|expires| now >= expires)
    }

    pub(in super::super) fn note_keep_alive(&mut self, headers: &HeaderMap) {
        if let Some(hint) = hint(headers) {
            self.keep_alive_hint = Some(hint);
        }
    }

    pub(in super::super) fn was_kept(&self) -> bool {
        self.kept
    }

    pub(in super::super) fn send(
        &mut self,
        request: Request<Bytes>,
    ) -> impl Future<Output = Result<Response<Incoming>, SendError>> {
        self.tracker.begin();
        let tracker = &self.tracker;
        let request = request.map(|body| RequestBody::new(body, Arc::clone(tracker)));
        let response = self.sender.try_send_request(request);
        async move {
            let mut response = pin!(response);
            let ended = poll_fn(|context| {
                self.drive(context);
                response.as_mut().poll(context)
            });
            let result = ended.await;
            result.map_err(|error| self.send_error(error))
        }
    }

    fn send_error(&self, mut error: TrySendError<Request<RequestBody>>) -> SendError {
        let unsent = error.take_message().is_some() || self.tracker.is_unsent();
        let error = error.into_error();
        let secured = self.secured.as_ref().filter(|_| !self.kept);
        SendError {
            tls: secured.and_then(|secured| secured.explain(&error)),
            lacks_certificate: secured.is_some_and(Secured::lacks_certificate),
            error,
            unsent,
        }
    }

    pub(in super::super) fn report(&self, progress: &mut Progress) {
        let (sent, answered) = (self.tracker.sent_at(), self.tracker.answered_at());
        // A server may answer before it has read everything.
        if let Some(sent) = sent
            && answered.is_none_or(|answered| sent <= answered)
        {
            progress.enter_at(Phase::Wait, sent);
        }
        if let Some(answered) = answered {
            progress.enter_at(Phase::Receive, answered);
        }
    }

    pub(in super::super) async fn read_body(
        &mut self,
        mut body: Incoming,
        reader: &mut BodyReader,
    ) -> Result<CollectedBody, BodyError> {
        let ended = poll_fn(|context| {
            // Read before driving, because hyper delivers the body on demand and would otherwise
            // wake this task again.
            let read = reader.poll_read(&mut body, context);
            if read.is_ready() {
                return read;
            }
            self.drive(context);
            reader.poll_read(&mut body, context)
        });
        ended.await
    }

    pub(in super::super) async fn read_chunk(
        &mut self,
        body: &mut Incoming,
    ) -> hyper::Result<Option<Bytes>> {
        let mut read = |context: &mut Context<'_>| loop {
            match ready!(Pin::new(&mut *body).poll_frame(context)) {
                None => return Poll::Ready(Ok(None)),
                Some(Err(error)) => return Poll::Ready(Err(error)),
                // Trailers are not signed.
                Some(Ok(frame)) => match frame.into_data() {
                    Ok(data) if !data.is_empty() => return Poll::Ready(Ok(Some(data))),
                    _ => (),
                },
            }
        };
        poll_fn(|context| {
            let polled = read(context);
            if polled.is_ready() {
                return polled;
            }
            self.drive(context);
            read(context)
        })
        .await
    }

    pub(in super::super) fn is_reusable(&mut self) -> bool {
        self.drive_idle();
        self.driver.is_some() && self.sender.is_ready()
    }

    pub(super) fn is_alive(&mut self) -> bool {
        self.tracker.check();
        self.drive_idle();
        self.driver.is_some()
    }

    /// Uses no waker, because the next request would wake a task for nothing.
    fn drive_idle(&mut self) {
        self.drive(&mut Context::from_waker(Waker::noop()));
    }

    fn drive(&mut self, context: &mut Context<'_>) {
        if let Some(driver) = &mut self.driver
            && Pin::new(driver).poll(context).is_ready()
        {
            self.driver = None;
        }
    }
}
