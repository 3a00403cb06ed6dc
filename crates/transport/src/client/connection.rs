//! One connection: a request and its response at a time.

use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Waker};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{Request, Response};
use hyper::body::Incoming;
use hyper::client::conn::{TrySendError, http1};
use hyper_util::rt::TokioIo;
use tokio::time::sleep;

use super::manners::{BRIEF, Usage};
use super::options::{Endpoint, Unacknowledged};
use super::probe::{Probe, RequestBody};
use super::stream::{ClientStream, Secured};
use super::times::{Phase, Progress};
use crate::body::{BodyError, BodyReader, CollectedBody};
use crate::tls::TlsFailure;

/// How long the last byte of a request is held back besides a round trip: about what a server takes to
/// hear of the rest, or to come to the closing that it was about to do.
const PAUSE: Duration = Duration::from_millis(5);
/// The same after the first response, and on a connection that was idle: then most that can go wrong
/// does, and it happens a few times only.
const LONG_PAUSE: Duration = Duration::from_millis(20);
/// With a longer round trip, the system tells whether the request came too late.
const LONGEST_ROUND_TRIP: Duration = Duration::from_millis(45);

/// A connection with the HTTP state machine that drives it. Whoever holds it drives it: there is no
/// task of its own, so dropping it in the middle of a call closes the socket and ends the call.
pub(super) struct Connection {
    sender: http1::SendRequest<RequestBody>,
    /// `None` once it has ended.
    driver: Option<Box<http1::Connection<TokioIo<ClientStream>, RequestBody>>>,
    probe: Arc<Probe>,
    /// There when the connection speaks TLS.
    secured: Option<Secured>,
    /// Whether it was kept for a later request.
    kept: bool,
    /// When it was last put by.
    idle_since: Instant,
    /// Responses that it has brought.
    responses: u32,
    /// How long connecting took: about a round trip.
    round_trip: Duration,
    expires: Option<Instant>,
    _counted: Counted,
}

/// A request got no response.
#[derive(Debug)]
pub(super) struct SendError {
    pub(super) error: hyper::Error,
    /// The error as a failure of TLS, when it is that.
    pub(super) tls: Option<(Endpoint, TlsFailure)>,
    /// Whether the server has asked for a certificate that there is none of. Some servers close the
    /// connection then without saying why.
    pub(super) lacks_certificate: bool,
    /// Whether it is certain that the server has not begun to act upon the request; see
    /// [`Probe::is_request_missed`]. Any other is never sent twice (RFC 9110, 9.2.2: POST is not
    /// idempotent).
    pub(super) unsent: bool,
}

impl Connection {
    /// Makes ready to speak HTTP over a stream. Nothing is sent yet. `open` counts it as long as it
    /// lives. It is kept for other requests until it is `max_age` old.
    pub(super) async fn open(
        stream: ClientStream,
        max_header_bytes: usize,
        open: Arc<AtomicUsize>,
        max_age: Option<Duration>,
    ) -> hyper::Result<Self> {
        let counted = Counted::new(open);
        let probe = stream.probe();
        let secured = stream.secured().cloned();
        let (sender, driver) = http1::Builder::new()
            .max_header_size(max_header_bytes)
            .handshake(TokioIo::new(stream))
            .await?;
        let now = Instant::now();
        Ok(Self {
            sender,
            driver: Some(Box::new(driver)),
            probe,
            secured,
            kept: false,
            idle_since: now,
            responses: 0,
            round_trip: Duration::ZERO,
            // None when it lies beyond what the clock can tell.
            expires: max_age.and_then(|age| now.checked_add(age)),
            _counted: counted,
        })
    }

    /// Says how to find out what has not arrived, and how long connecting took.
    pub(super) fn observe(&mut self, unacknowledged: Option<Unacknowledged>, round_trip: Duration) {
        self.probe.observe(unacknowledged);
        self.round_trip = round_trip;
    }

    /// Puts the connection by for a later request.
    pub(super) fn put_by(&mut self, now: Instant) {
        self.kept = true;
        self.idle_since = now;
    }

    /// Whether it is too old to be used again.
    pub(super) fn is_expired(&self, now: Instant) -> bool {
        self.expires.is_some_and(|expires| now >= expires)
    }

    /// How it was used until now.
    pub(super) fn usage(&self, now: Instant) -> Usage {
        Usage { responses: self.responses, idle: now.duration_since(self.idle_since) }
    }

    /// A response was read.
    pub(super) fn count_response(&mut self) {
        self.responses = self.responses.saturating_add(1);
    }

    /// Whether it was put by before.
    pub(super) fn was_kept(&self) -> bool {
        self.kept
    }

    /// Sends a request and waits for the head of the response. If it is to be done carefully, the last
    /// byte follows a little later: a server that closes the connection until then certainly has not
    /// begun.
    pub(super) fn send(
        &mut self,
        request: Request<Bytes>,
        carefully: bool,
    ) -> impl Future<Output = Result<Response<Incoming>, SendError>> {
        self.probe.begin(carefully);
        let is_rare = self.responses <= 1 || self.idle_since.elapsed() >= BRIEF;
        let pause = if is_rare { LONG_PAUSE } else { PAUSE };
        let pause = pause + self.round_trip.min(LONGEST_ROUND_TRIP);
        let mut holding = carefully.then(|| Box::pin(sleep(pause)));
        let probe = &self.probe;
        let request = request.map(|body| RequestBody::new(body, Arc::clone(probe)));
        // Not in the future: that would keep the request for as long as it lives.
        let response = self.sender.try_send_request(request);
        async move {
            let mut response = pin!(response);
            let ended = poll_fn(|context| {
                if let Some(pause) = &mut holding
                    && pause.as_mut().poll(context).is_ready()
                {
                    self.probe.release();
                    holding = None;
                }
                self.drive(context);
                response.as_mut().poll(context)
            });
            let result = ended.await;
            result.map_err(|error| self.send_error(error))
        }
    }

    fn send_error(&self, mut error: TrySendError<Request<RequestBody>>) -> SendError {
        let unsent = error.take_message().is_some() || self.probe.is_request_missed();
        let error = error.into_error();
        let secured = self.secured.as_ref().filter(|_| self.responses == 0);
        SendError {
            tls: secured.and_then(|secured| secured.explain(&error)),
            lacks_certificate: secured.is_some_and(Secured::lacks_certificate),
            error,
            unsent,
        }
    }

    /// Whether all of the last request was handed to the system.
    pub(super) fn is_sent(&self) -> bool {
        self.probe.sent_at().is_some()
    }

    /// Whether anything came in answer to the last request.
    pub(super) fn is_answered(&self) -> bool {
        self.probe.is_answered()
    }

    /// Tells a call when it had been sent, and when the response began to come.
    pub(super) fn report(&self, progress: &mut Progress) {
        let (sent, answered) = (self.probe.sent_at(), self.probe.answered_at());
        // A server may answer before it has read all.
        if let Some(sent) = sent
            && answered.is_none_or(|answered| sent <= answered)
        {
            progress.enter_at(Phase::Wait, sent);
        }
        if let Some(answered) = answered {
            progress.enter_at(Phase::Receive, answered);
        }
    }

    /// Reads the body of a response.
    pub(super) async fn read_body(
        &mut self,
        mut body: Incoming,
        reader: &mut BodyReader,
    ) -> Result<CollectedBody, BodyError> {
        let ended = poll_fn(|context| {
            // hyper hands out a body once that was asked for. Asked only afterwards, it would have this
            // task come again.
            let read = reader.poll_read(&mut body, context);
            if read.is_ready() {
                return read;
            }
            self.drive(context);
            reader.poll_read(&mut body, context)
        });
        ended.await
    }

    /// Whether another request can be sent, as far as is known.
    pub(super) fn is_reusable(&mut self) -> bool {
        self.drive_idle();
        self.driver.is_some() && self.sender.is_ready()
    }

    /// Like [`Connection::is_reusable`] for one that has been idle: asks the system.
    pub(super) fn is_alive(&mut self) -> bool {
        self.probe.check();
        self.drive_idle();
        self.driver.is_some()
    }

    /// Drives the connection while no call waits for it. Nobody is woken: a task that had driven it would
    /// be, by the next request, for nothing; and would be kept in memory until then.
    fn drive_idle(&mut self) {
        self.drive(&mut Context::from_waker(Waker::noop()));
    }

    fn drive(&mut self, context: &mut Context<'_>) {
        if let Some(driver) = &mut self.driver
            && Pin::new(driver).poll(context).is_ready()
        {
            // Its end reaches whoever waits for a response: an error, or the request back when it is
            // dropped.
            self.driver = None;
        }
    }
}

/// Counts a connection as long as it is open.
struct Counted(Arc<AtomicUsize>);

impl Counted {
    fn new(open: Arc<AtomicUsize>) -> Self {
        open.fetch_add(1, Ordering::Relaxed);
        Self(open)
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}
