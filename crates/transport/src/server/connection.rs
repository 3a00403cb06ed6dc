//! One connection, from its first byte to its last.

use std::cell::{Cell, RefCell};
use std::convert::Infallible;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::CONNECTION;
use http::{HeaderMap, HeaderName, HeaderValue, Request, Version};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite};
use tokio::sync::watch;
use tokio::time::{Instant, Sleep, sleep, sleep_until};

use super::activity::{Activity, Patience};
use super::conformance::conforms;
use super::linger::{Sending, linger};
use super::peer_socket::PeerSocket;
use super::raw_head::RawHead;
use super::stream::ServerStream;
use super::{Peer, Phase, Shared, request};

/// What a peer gets that began a request and did not finish its head in time.
const REQUEST_TIMEOUT: &[u8] =
    b"HTTP/1.1 408 Request Timeout\r\nconnection: close\r\ncontent-length: 0\r\n\r\n";
/// Tells a client how long an idle connection stays open, so that it does not use one that is about to
/// be closed.
const KEEP_ALIVE: HeaderName = HeaderName::from_static("keep-alive");
/// How many headers hyper takes unless it is told a number.
const HYPER_MAX_HEADERS: usize = 100;

/// A connection that is idle for so long, or for twice as long, gives back the memory for requests; it
/// is taken again when the next one comes. It is several times as much as all else of a connection.
const LOOK_AFTER: Duration = Duration::from_secs(1);

/// Serves requests until the peer or the server ends the connection. The time for the head of the first
/// one counts from when the connection was accepted.
pub(crate) async fn serve<S>(
    stream: S,
    peer: Arc<Peer>,
    shared: Arc<Shared>,
    mut phase: watch::Receiver<Phase>,
    accepted: std::time::Instant,
) where
    S: AsyncRead + AsyncWrite + PeerSocket + Unpin,
{
    let patience = Patience { head: shared.head_timeout, idle: shared.keep_alive_timeout };
    let activity = Rc::new(Activity::new(patience, accepted));
    let (mut stream, mut before) = (stream, Bytes::new());
    let (mut stream, last) = loop {
        match serve_awake(stream, before, &peer, &shared, &mut phase, &activity).await {
            Served::Idle(mut idle) => {
                let Some(first) = sleep_until_request(&mut idle, &activity, &mut phase).await
                else {
                    break (idle, FinalResponse::SILENT);
                };
                (stream, before) = (idle, first);
            }
            Served::Ended(ended, last) => break (ended, last),
            Served::Cut => return,
        }
    };
    let half_closes = shared.tls.is_none();
    tokio::select! {
        biased;
        () = linger(&mut stream, last.bytes, last.sending, half_closes) => (),
        // An error means that the server is gone altogether.
        _ = phase.wait_for(|phase| *phase >= Phase::EndingStreams) => (),
    }
}

/// How far a connection was served.
enum Served<S> {
    /// It has been idle for a while.
    Idle(S),
    /// The peer or the server has ended it.
    Ended(S, FinalResponse),
    /// It ends where it stands.
    Cut,
}

/// Serves requests with all that it takes.
async fn serve_awake<S>(
    stream: S,
    before: Bytes,
    peer: &Arc<Peer>,
    shared: &Arc<Shared>,
    phase: &mut watch::Receiver<Phase>,
    activity: &Rc<Activity>,
) -> Served<S>
where
    S: AsyncRead + AsyncWrite + PeerSocket + Unpin,
{
    // Whether some of the latest request's body was left where it was.
    let unread = Rc::new(Cell::new(false));
    let raw_head = Rc::new(RefCell::new(RawHead::new()));
    let answer = |mut request: Request<Incoming>| {
        let (shared, peer) = (Arc::clone(shared), Arc::clone(peer));
        let (unread, activity) = (Rc::clone(&unread), Rc::clone(activity));
        let raw_head = Rc::clone(&raw_head);
        async move {
            let began = activity.requested();
            activity.set_interim(request.version() == Version::HTTP_11);
            raw_head.borrow().restore_length(request.headers_mut());
            let is_kept = keeps_alive(request.version(), request.headers());
            let mut response = if conforms(&request) {
                request::answer(&shared, &peer, request, began, &unread).await
            } else {
                unread.set(true);
                raw_head.borrow_mut().refuse();
                request::malformed(&shared)
            };
            let headers = response.headers_mut();
            if shared.is_leaving() {
                // hyper closes the connection after that.
                headers.insert(CONNECTION, HeaderValue::from_static("close"));
            } else if is_kept && !headers.contains_key(CONNECTION) {
                // A header of one hop has to be named by `connection` (RFC 9110, 7.6.1).
                headers.insert(CONNECTION, HeaderValue::from_static("keep-alive"));
                headers.insert(KEEP_ALIVE, shared.keep_alive.clone());
            }
            response.body_mut().begin(&activity);
            Ok::<_, Infallible>(response)
        }
    };
    let stream = ServerStream::new(
        stream,
        before,
        shared.send_timeout,
        Rc::clone(activity),
        Rc::clone(&raw_head),
    );
    let stream = TokioIo::new(stream);
    let mut builder = http1::Builder::new();
    // The stream keeps the time: hyper's timer knows no difference between a head that is slow in
    // coming and a connection that is idle.
    builder.header_read_timeout(None).max_header_size(shared.max_header_bytes);
    // The stream tells a peer that has only ended its side from one that has gone.
    builder.half_close(true);
    if shared.max_headers != HYPER_MAX_HEADERS {
        // Any number but its own makes hyper allocate for each request.
        builder.max_headers(shared.max_headers);
    }
    let mut connection = builder.serve_connection(stream, service_fn(answer));
    let mut is_draining = false;
    let mut is_idle = false;
    let mut idleness = Idleness::new();
    let ended = loop {
        tokio::select! {
            biased;
            // First, so that a request that has come is never overlooked.
            ended = &mut connection => break ended,
            next = next_phase(phase) => match next {
                Phase::Running | Phase::Leaving => continue,
                // The head of a stream that was sent before does not say that the connection ends.
                Phase::Draining if activity.is_streaming() => (),
                Phase::Draining => {
                    is_draining = true;
                    continue;
                }
                Phase::EndingStreams if activity.is_streaming() => (),
                Phase::EndingStreams | Phase::Cut => return Served::Cut,
            },
            () = activity.quiet(), if is_draining => is_draining = false,
            () = idleness.noticed(activity), if !is_idle && !is_draining => is_idle = true,
        }
        // Between two requests this ends it without a word.
        Pin::new(&mut connection).graceful_shutdown();
    };
    let parts = connection.into_parts();
    let stream = parts.io.into_inner();
    // Otherwise a request was on its way all the same: it has been answered, and the connection closes.
    let nothing_came = parts.read_buf.is_empty()
        && !stream.has_bytes()
        && activity.idle_after() == idleness.answers;
    let stream = stream.into_inner();
    if is_idle && ended.is_ok() && nothing_came {
        return Served::Idle(stream);
    }
    let cut_short = activity.is_expired() && !parts.read_buf.is_empty();
    let rest = match raw_head.borrow().missing() {
        _ if !unread.get() => Sending::Over,
        Some(missing) => Sending::Rest(missing),
        None => Sending::Unknown,
    };
    let last = FinalResponse::after(ended, cut_short, rest);
    Served::Ended(stream, last)
}

/// Whether a client that sends this may go on using the connection.
fn keeps_alive(version: Version, headers: &HeaderMap) -> bool {
    let is_close = |value: &HeaderValue| {
        let mut options = value.as_bytes().split(|byte| *byte == b',');
        options.any(|option| option.trim_ascii().eq_ignore_ascii_case(b"close"))
    };
    version == Version::HTTP_11 && !headers.get_all(CONNECTION).iter().any(is_close)
}

/// Looks for connections that are idle.
struct Idleness {
    look: Pin<Box<Sleep>>,
    /// How many requests had been answered at the last look; `None` if it was not idle then.
    answers: Option<u64>,
}

impl Idleness {
    fn new() -> Self {
        Self { look: Box::pin(sleep(LOOK_AFTER)), answers: None }
    }

    /// Resolves when the connection was idle at two looks, and nothing came in between.
    async fn noticed(&mut self, activity: &Activity) {
        loop {
            self.look.as_mut().await;
            self.look.as_mut().reset(Instant::now() + LOOK_AFTER);
            let latest = activity.idle_after();
            let before = std::mem::replace(&mut self.answers, latest);
            if latest.is_some() && latest == before {
                return;
            }
        }
    }
}

/// Waits for the first byte of a request; without one the connection is to be ended.
async fn sleep_until_request<S>(
    stream: &mut S,
    activity: &Activity,
    phase: &mut watch::Receiver<Phase>,
) -> Option<Bytes>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let mut first = [0; 1];
    let deadline = activity.deadline().map(Instant::from);
    let is_ending = |phase: &Phase| *phase >= Phase::Draining;
    tokio::select! {
        biased;
        received = stream.read(&mut first) => {
            matches!(received, Ok(1)).then(|| Bytes::copy_from_slice(&first))
        }
        // An error means that the server is gone altogether.
        _ = phase.wait_for(is_ending) => None,
        () = sleep_until(deadline.unwrap_or_else(Instant::now)), if deadline.is_some() => None,
    }
}

/// What a peer still receives, and whether it may be sending.
struct FinalResponse {
    bytes: &'static [u8],
    sending: Sending,
}

impl FinalResponse {
    const SILENT: Self = Self { bytes: b"", sending: Sending::Over };

    /// `cut_short`: some of a head had come when its time was over. A peer that was silent is left in
    /// silence: it is idle. `rest`: what the peer still sends of a request that was refused.
    fn after(ended: hyper::Result<()>, cut_short: bool, rest: Sending) -> Self {
        match ended {
            Err(_) if cut_short => Self { bytes: REQUEST_TIMEOUT, sending: Sending::Unknown },
            Err(error) if error.is_parse() => Self { sending: Sending::Unknown, ..Self::SILENT },
            _ => Self { sending: rest, ..Self::SILENT },
        }
    }
}

/// The phase after this one.
async fn next_phase(phase: &mut watch::Receiver<Phase>) -> Phase {
    match phase.changed().await {
        Ok(()) => *phase.borrow_and_update(),
        // The server is gone altogether.
        Err(_) => Phase::Cut,
    }
}
