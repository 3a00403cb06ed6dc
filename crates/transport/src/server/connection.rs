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
use super::{Peer, Phase, Shared, request, response_body};

const REQUEST_TIMEOUT: &[u8] =
    b"HTTP/1.1 408 Request Timeout\r\nconnection: close\r\ncontent-length: 0\r\n\r\n";
/// Keeps clients from using a connection that is about to close.
const KEEP_ALIVE: HeaderName = HeaderName::from_static("keep-alive");
const HYPER_MAX_HEADERS: usize = 100;

/// A connection that is idle for one to two periods frees its request memory.
const LOOK_AFTER: Duration = Duration::from_secs(1);

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
            Served::Aborted => return,
        }
    };
    let half_closes = shared.tls.is_none();
    tokio::select! {
        biased;
        () = linger(&mut stream, last.bytes, last.sending, half_closes) => (),
        _ = phase.wait_for(|phase| *phase >= Phase::EndingStreams) => (),
    }
}

enum Served<S> {
    Idle(S),
    Ended(S, FinalResponse),
    Aborted,
}

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
                headers.insert(CONNECTION, HeaderValue::from_static("close"));
            } else if is_kept && !headers.contains_key(CONNECTION) {
                // RFC 9110, 7.6.1 requires naming hop-by-hop headers.
                headers.insert(CONNECTION, HeaderValue::from_static("keep-alive"));
                headers.insert(KEEP_ALIVE, shared.keep_alive.clone());
            }
            response_body::begin(response.body_mut(), &activity);
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
    // hyper's timer cannot tell a slow head from an idle connection.
    builder.header_read_timeout(None).max_header_size(shared.max_header_bytes);
    builder.half_close(true);
    if shared.max_headers != HYPER_MAX_HEADERS {
        // Any other number makes hyper allocate per request.
        builder.max_headers(shared.max_headers);
    }
    let mut connection = builder.serve_connection(stream, service_fn(answer));
    let mut is_draining = false;
    let mut is_idle = false;
    let mut idleness = Idleness::new();
    let ended = loop {
        tokio::select! {
            biased;
            // First, so that no request is missed.
            ended = &mut connection => break ended,
            next = next_phase(phase) => match next {
                Phase::Running | Phase::Leaving => continue,
                // An open stream's head did not announce the close.
                Phase::Draining if activity.is_streaming() => (),
                Phase::Draining => {
                    is_draining = true;
                    continue;
                }
                Phase::EndingStreams if activity.is_streaming() => (),
                Phase::EndingStreams | Phase::Aborted => return Served::Aborted,
            },
            () = activity.quiet(), if is_draining => is_draining = false,
            () = idleness.noticed(activity), if !is_idle && !is_draining => is_idle = true,
        }
        Pin::new(&mut connection).graceful_shutdown();
    };
    let parts = connection.into_parts();
    let stream = parts.io.into_inner();
    let nothing_came = parts.read_buf.is_empty()
        && !stream.has_bytes()
        && activity.idle_after() == idleness.answers;
    let stream = stream.into_inner();
    if is_idle && ended.is_ok() && nothing_came {
        return Served::Idle(stream);
    }
    let timed_out = activity.is_expired() && !parts.read_buf.is_empty();
    let rest = match raw_head.borrow().missing() {
        _ if !unread.get() => Sending::Over,
        Some(missing) => Sending::Rest(missing),
        None => Sending::Unknown,
    };
    let last = FinalResponse::after(ended, timed_out, rest);
    Served::Ended(stream, last)
}

fn keeps_alive(version: Version, headers: &HeaderMap) -> bool {
    let is_close = |value: &HeaderValue| {
        let mut options = value.as_bytes().split(|byte| *byte == b',');
        options.any(|option| option.trim_ascii().eq_ignore_ascii_case(b"close"))
    };
    version == Version::HTTP_11 && !headers.get_all(CONNECTION).iter().any(is_close)
}

struct Idleness {
    look: Pin<Box<Sleep>>,
    /// Requests answered at the last check, if it found the connection idle.
    answers: Option<u64>,
}

impl Idleness {
    fn new() -> Self {
        Self { look: Box::pin(sleep(LOOK_AFTER)), answers: None }
    }

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
        _ = phase.wait_for(is_ending) => None,
        () = sleep_until(deadline.unwrap_or_else(Instant::now)), if deadline.is_some() => None,
    }
}

struct FinalResponse {
    bytes: &'static [u8],
    sending: Sending,
}

impl FinalResponse {
    const SILENT: Self = Self { bytes: b"", sending: Sending::Over };

    /// An idle peer gets no response. `rest` is the unread part of a refused request.
    fn after(ended: hyper::Result<()>, timed_out: bool, rest: Sending) -> Self {
        match ended {
            Err(_) if timed_out => Self { bytes: REQUEST_TIMEOUT, sending: Sending::Unknown },
            Err(error) if error.is_parse() => Self { sending: Sending::Unknown, ..Self::SILENT },
            _ => Self { sending: rest, ..Self::SILENT },
        }
    }
}

async fn next_phase(phase: &mut watch::Receiver<Phase>) -> Phase {
    match phase.changed().await {
        Ok(()) => *phase.borrow_and_update(),
        Err(_) => Phase::Aborted,
    }
}
