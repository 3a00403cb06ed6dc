//! One connection: a request and its response at a time.

use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::Instant;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

use super::stream::{ClientStream, Probe};
use crate::body::{BodyError, BodyReader};

/// A connection with the HTTP state machine that drives it. Whoever holds it drives it: there is no
/// task of its own, so dropping it in the middle of a call closes the socket and ends the call.
pub(crate) struct Connection {
    sender: http1::SendRequest<Full<Bytes>>,
    /// `None` once it has ended.
    driver: Option<Box<http1::Connection<TokioIo<ClientStream>, Full<Bytes>>>>,
    probe: Arc<Probe>,
    used: bool,
    /// When the last response had been read.
    pub(crate) idle_since: Instant,
    _counted: Counted,
}

/// A request got no response.
#[derive(Debug)]
pub(crate) struct SendError {
    pub(crate) error: hyper::Error,
    /// Whether it is certain that the server has not begun to act upon the request: at most a part
    /// of it was handed to the system, and a server acts only after the digest of the whole body
    /// holds. A request that was handed over as a whole may have been acted upon, even when not a
    /// byte came back; it is never sent twice (RFC 9110, 9.2.2: POST is not idempotent).
    pub(crate) unsent: bool,
}

impl Connection {
    /// Makes ready to speak HTTP over a stream. Nothing is sent yet. `open` counts it as long as it
    /// lives.
    pub(crate) async fn open(
        stream: TcpStream,
        max_header_bytes: usize,
        open: Arc<AtomicUsize>,
    ) -> hyper::Result<Self> {
        let counted = Counted::new(open);
        let (stream, probe) = ClientStream::new(stream);
        let (sender, driver) = http1::Builder::new()
            .max_header_size(max_header_bytes)
            .handshake(TokioIo::new(stream))
            .await?;
        let idle_since = Instant::now();
        Ok(Self {
            sender,
            driver: Some(Box::new(driver)),
            probe,
            used: false,
            idle_since,
            _counted: counted,
        })
    }

    /// Whether a request was sent on it before.
    pub(crate) fn is_used(&self) -> bool {
        self.used
    }

    /// Sends a request and waits for the head of the response.
    pub(crate) async fn send(
        &mut self,
        request: Request<Bytes>,
    ) -> Result<Response<Incoming>, SendError> {
        let body_length = request.body().len() as u64;
        self.probe.begin(self.used);
        self.used = true;
        let mut response = pin!(self.sender.try_send_request(request.map(Full::new)));
        let ended = poll_fn(|context| {
            self.drive(context);
            response.as_mut().poll(context)
        });
        let result = ended.await;
        result.map_err(|mut error| SendError {
            // The head has some bytes too, so that many are not all.
            unsent: error.take_message().is_some()
                || self.probe.read() == 0 && self.probe.written() <= body_length,
            error: error.into_error(),
        })
    }

    /// Whether the system has taken more than the body of the request that is under way: then all but
    /// a little of it is on its way.
    pub(crate) fn is_request_sent(&self, body_length: u64) -> bool {
        self.probe.written() > body_length
    }

    /// Reads the body of a response.
    pub(crate) async fn read_body(
        &mut self,
        mut body: Incoming,
        reader: &mut BodyReader,
    ) -> Result<Bytes, BodyError> {
        let ended = poll_fn(|context| {
            self.drive(context);
            reader.poll_read(&mut body, context)
        });
        ended.await
    }

    /// Whether another request can be sent, as far as is known.
    pub(crate) async fn is_reusable(&mut self) -> bool {
        let ended = poll_fn(|context| {
            self.drive(context);
            Poll::Ready(())
        });
        ended.await;
        self.driver.is_some() && self.sender.is_ready()
    }

    /// Like [`Connection::is_reusable`] for one that has been idle: asks the system.
    pub(crate) fn is_alive(&mut self, context: &mut Context<'_>) -> bool {
        self.probe.begin(true);
        self.drive(context);
        self.driver.is_some()
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
