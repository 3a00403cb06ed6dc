//! One connection, from its first byte to its last.

use std::cell::Cell;
use std::convert::Infallible;
use std::rc::Rc;
use std::sync::Arc;

use http::header::CONNECTION;
use http::{HeaderValue, Request};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::watch;

use super::activity::{Activity, Patience};
use super::linger::{LingerLimits, linger};
use super::stream::ServerStream;
use super::{Peer, Phase, Shared, request};

/// What a peer gets that began a request and did not finish its head in time.
const REQUEST_TIMEOUT: &[u8] =
    b"HTTP/1.1 408 Request Timeout\r\nconnection: close\r\ncontent-length: 0\r\n\r\n";
/// How many headers hyper takes unless it is told a number.
const HYPER_MAX_HEADERS: usize = 100;
/// How much more than the largest body is drained of a refused request: its head and its framing.
const FRAMING: u64 = 64 * 1024;

/// Serves requests until the peer or the server ends the connection.
pub(crate) async fn serve<S>(
    stream: S,
    peer: Arc<Peer>,
    shared: Arc<Shared>,
    mut phase: watch::Receiver<Phase>,
) where
    S: AsyncRead + AsyncWrite + Unpin,
{
    // Whether some of the latest request's body was left where it was.
    let unread = Rc::new(Cell::new(false));
    let patience = Patience { head: shared.head_timeout, idle: shared.keep_alive_timeout };
    let activity = Rc::new(Activity::new(patience));
    let answer = |request: Request<Incoming>| {
        let (shared, peer) = (Arc::clone(&shared), Arc::clone(&peer));
        let (unread, activity) = (Rc::clone(&unread), Rc::clone(&activity));
        async move {
            let began = activity.requested();
            let mut response = request::answer(&shared, &peer, request, began, &unread).await;
            if shared.is_leaving() {
                // hyper closes the connection after that.
                response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
            }
            activity.answered();
            Ok::<_, Infallible>(response)
        }
    };
    let stream = ServerStream::new(stream, shared.send_timeout, Rc::clone(&activity));
    let stream = TokioIo::new(stream);
    let mut builder = http1::Builder::new();
    // The stream keeps the time: hyper's timer knows no difference between a head that is slow in
    // coming and a connection that is idle.
    builder.header_read_timeout(None).max_header_size(shared.max_header_bytes);
    if shared.max_headers != HYPER_MAX_HEADERS {
        // Any number but its own makes hyper allocate for each request.
        builder.max_headers(shared.max_headers);
    }
    let mut connection = builder.serve_connection(stream, service_fn(answer));
    let mut is_draining = false;
    let ended = loop {
        tokio::select! {
            biased;
            // First, so that a request that has come is never overlooked.
            ended = &mut connection => break ended,
            next = next_phase(&mut phase) => match next {
                Phase::Running | Phase::Leaving => (),
                Phase::Draining => is_draining = true,
                Phase::Cut => return,
            },
            () = activity.quiet(), if is_draining => {
                is_draining = false;
                std::pin::Pin::new(&mut connection).graceful_shutdown();
            }
        }
    };
    let parts = connection.into_parts();
    let cut_short = activity.is_expired() && !parts.read_buf.is_empty();
    let farewell = Farewell::after(ended, cut_short, unread.get());
    let mut stream = parts.io.into_inner().into_inner();
    let limits = LingerLimits {
        bytes: if farewell.still_sending { drained_at_most(&shared) } else { 0 },
        time: shared.recv_timeout,
    };
    tokio::select! {
        biased;
        () = linger(&mut stream, farewell.last_words, limits) => (),
        // An error means that the server is gone altogether.
        _ = phase.wait_for(|phase| *phase == Phase::Cut) => (),
    }
}

/// How to part with a peer.
struct Farewell {
    last_words: &'static [u8],
    still_sending: bool,
}

impl Farewell {
    /// `cut_short`: some of a head had come when its time was over. A peer that was silent is left in
    /// silence: it is idle.
    fn after(ended: hyper::Result<()>, cut_short: bool, unread: bool) -> Self {
        match ended {
            Err(_) if cut_short => Self { last_words: REQUEST_TIMEOUT, still_sending: true },
            Err(error) => Self { last_words: b"", still_sending: unread || error.is_parse() },
            Ok(()) => Self { last_words: b"", still_sending: unread },
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

fn drained_at_most(shared: &Shared) -> u64 {
    (shared.settings.load().max_encoded_args_size as u64).saturating_add(FRAMING)
}
