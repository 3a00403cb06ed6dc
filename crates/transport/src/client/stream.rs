//! The byte stream of one connection, as hyper sees it.

use std::error::Error;
use std::io::{self, Read};
use std::mem::MaybeUninit;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use socket2::SockRef;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;

use super::options::Endpoint;
use super::probe::Probe;
use crate::burst::Burst;
use crate::spin;
use crate::tls::{ClientTls, TlsFailure};

/// A TCP stream, with TLS or without, that tells its probe what passes, and that does not take a failed
/// write for the end: a server may have answered before it closed, and that answer can still be read.
pub(super) struct ClientStream {
    socket: Socket,
    probe: Arc<Probe>,
    secured: Option<Secured>,
    burst: Burst,
    /// The parts of a small request, put together.
    gathered: Vec<u8>,
}

/// Parts that are not longer than this altogether are copied to one place before they are written: for
/// the system to gather them takes longer than that.
const SMALL: usize = 2048;

/// Not a trait object: without TLS, every call would pay for that.
enum Socket {
    Clear(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
}

/// What is known of a connection with TLS.
#[derive(Clone)]
pub(super) struct Secured {
    endpoint: Endpoint,
    tls: ClientTls,
}

impl Secured {
    /// What an error of HTTP before the first response means, when TLS is the cause.
    pub(super) fn explain(&self, error: &hyper::Error) -> Option<(Endpoint, TlsFailure)> {
        let cause = error.source().and_then(<dyn Error>::downcast_ref::<io::Error>)?;
        Some((self.endpoint.clone(), self.tls.explain_first_read(cause)?))
    }

    /// Whether the server has asked for a certificate that there is none of.
    pub(super) fn lacks_certificate(&self) -> bool {
        self.tls.lacks_certificate()
    }
}

impl ClientStream {
    /// A connection without TLS.
    pub(super) fn clear(stream: TcpStream) -> Self {
        Self {
            socket: Socket::Clear(stream),
            probe: Arc::new(Probe::new()),
            secured: None,
            burst: Burst::default(),
            gathered: Vec::new(),
        }
    }

    /// A connection with TLS: makes the handshake.
    ///
    /// # Errors
    ///
    /// Why there is no connection that could be trusted.
    pub(super) async fn secure(
        stream: TcpStream,
        tls: &ClientTls,
        endpoint: &Endpoint,
    ) -> Result<Self, TlsFailure> {
        let stream = tls.connect(stream, &endpoint.host).await?;
        let secured = Secured { endpoint: endpoint.clone(), tls: tls.clone() };
        Ok(Self {
            // Boxed: a session is large, and connections are moved about.
            socket: Socket::Tls(Box::new(stream)),
            probe: Arc::new(Probe::new()),
            secured: Some(secured),
            burst: Burst::default(),
            gathered: Vec::new(),
        })
    }

    /// What is told of the stream.
    pub(super) fn probe(&self) -> Arc<Probe> {
        Arc::clone(&self.probe)
    }

    /// What is known of its TLS, if it has that.
    pub(super) fn secured(&self) -> Option<&Secured> {
        self.secured.as_ref()
    }

    fn tcp(&self) -> &TcpStream {
        match &self.socket {
            Socket::Clear(tcp) => tcp,
            Socket::Tls(stream) => stream.get_ref().0,
        }
    }

    /// Whether the peer has closed an idle connection, asked of the system itself. One that has sent
    /// something unasked is as good as closed: it is taken for the answer to nothing.
    fn is_ended(&mut self) -> bool {
        match &mut self.socket {
            Socket::Clear(tcp) => has_something(tcp),
            Socket::Tls(stream) => has_ended(stream),
        }
    }
}

/// Whether there is something to read, be it the end.
fn has_something(tcp: &TcpStream) -> bool {
    let mut byte = [MaybeUninit::uninit()];
    match SockRef::from(tcp).peek(&mut byte) {
        Ok(_) => true,
        Err(error) => error.kind() != io::ErrorKind::WouldBlock,
    }
}

/// Like [`has_something`] for TLS, where not all that comes unasked is an answer: servers send tickets
/// for the next connection after the handshake, and may change their keys (RFC 8446, 4.6).
fn has_ended(stream: &mut TlsStream<TcpStream>) -> bool {
    let (tcp, session) = stream.get_mut();
    // Not by way of the event loop, which may not have heard yet that there is something.
    let mut socket = SocketReader(SockRef::from(&*tcp));
    loop {
        match session.read_tls(&mut socket) {
            Ok(0) => return true,
            Ok(_) => match session.process_new_packets() {
                Ok(state) if state.peer_has_closed() || state.plaintext_bytes_to_read() > 0 => {
                    return true;
                }
                Ok(_) => (),
                Err(_) => return true,
            },
            Err(error) => return error.kind() != io::ErrorKind::WouldBlock,
        }
    }
}

/// Reads from the socket itself.
struct SocketReader<'a>(SockRef<'a>);

impl Read for SocketReader<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        (&*self.0).read(buffer)
    }
}

/// After a failure the read side tells what happened, and it does so without further ado: a
/// connection that cannot be written to has ended.
fn leave_failures_to_reading<T>(result: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
    match result {
        Poll::Ready(Err(_)) => Poll::Pending,
        result => result,
    }
}

impl AsyncRead for ClientStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.probe.take_check() && self.is_ended() {
            return Poll::Ready(Ok(()));
        }
        if !self.burst.goes_on(context) {
            return Poll::Pending;
        }
        let before = buffer.filled().len();
        let result = match &mut self.socket {
            Socket::Clear(tcp) => Pin::new(tcp).poll_read(context, buffer),
            Socket::Tls(stream) => Pin::new(stream).poll_read(context, buffer),
        };
        let length = buffer.filled().len() - before;
        if length > 0 {
            spin::note_event();
        }
        self.probe.count_read(length);
        let is_end = match &result {
            Poll::Ready(Ok(())) => length == 0,
            // So rustls calls the end of a stream that TLS had not announced.
            Poll::Ready(Err(error)) => error.kind() == io::ErrorKind::UnexpectedEof,
            Poll::Pending => false,
        };
        if is_end {
            self.probe.note_end(self.tcp());
        }
        self.burst.moved(result.is_ready().then_some(length));
        result
    }
}

impl AsyncWrite for ClientStream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        if !self.burst.goes_on(context) {
            return Poll::Pending;
        }
        let part = Burst::part(bytes);
        let result = match &mut self.socket {
            Socket::Clear(tcp) => Pin::new(tcp).poll_write(context, part),
            Socket::Tls(stream) => Pin::new(stream).poll_write(context, part),
        };
        self.burst.wrote(&result);
        leave_failures_to_reading(result)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        if let Some(part) = Burst::too_large(slices) {
            return self.poll_write(context, part);
        }
        if slices.iter().map(|slice| slice.len()).sum::<usize>() <= SMALL {
            let mut gathered = std::mem::take(&mut self.gathered);
            gathered.clear();
            slices.iter().for_each(|slice| gathered.extend_from_slice(slice));
            let written = self.as_mut().poll_write(context, &gathered);
            self.gathered = gathered;
            return written;
        }
        if !self.burst.goes_on(context) {
            return Poll::Pending;
        }
        let result = match &mut self.socket {
            Socket::Clear(tcp) => Pin::new(tcp).poll_write_vectored(context, slices),
            Socket::Tls(stream) => Pin::new(stream).poll_write_vectored(context, slices),
        };
        self.burst.wrote(&result);
        leave_failures_to_reading(result)
    }

    fn is_write_vectored(&self) -> bool {
        match &self.socket {
            Socket::Clear(tcp) => tcp.is_write_vectored(),
            Socket::Tls(stream) => stream.is_write_vectored(),
        }
    }

    /// hyper flushes when it has nothing left to write, and TLS is done with that when the system has
    /// taken all of it: until then the end of the request is still here.
    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = match &mut self.socket {
            Socket::Clear(tcp) => Pin::new(tcp).poll_flush(context),
            Socket::Tls(stream) => Pin::new(stream).poll_flush(context),
        };
        if let Poll::Ready(Ok(())) = flushed {
            self.probe.flushed();
        }
        leave_failures_to_reading(flushed)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.socket {
            Socket::Clear(tcp) => Pin::new(tcp).poll_shutdown(context),
            Socket::Tls(stream) => Pin::new(stream).poll_shutdown(context),
        }
    }
}
