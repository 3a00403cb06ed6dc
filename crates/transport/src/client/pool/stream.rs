use std::error::Error;
use std::io::{self, Read};
use std::mem::MaybeUninit;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use socket2::SockRef;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;

use super::super::options::EndpointAddress;
use super::write_tracker::WriteTracker;
use crate::cooperative_budget::CooperativeBudget;
use crate::spin;
use crate::tls::{ClientTls, TlsFailure};

pub(super) struct ClientStream {
    socket: Socket,
    tracker: Arc<WriteTracker>,
    secured: Option<Secured>,
    budget: CooperativeBudget,
    gathered: Vec<u8>,
}

/// Joining parts of this size is faster than a vectored write.
const SMALL: usize = 2048;

/// A trait object would slow down calls without TLS.
enum Socket {
    Clear(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
}

#[derive(Clone)]
pub(super) struct Secured {
    endpoint: EndpointAddress,
    tls: ClientTls,
}

impl Secured {
    pub(super) fn explain(&self, error: &hyper::Error) -> Option<(EndpointAddress, TlsFailure)> {
        let cause = error.source().and_then(<dyn Error>::downcast_ref::<io::Error>)?;
        Some((self.endpoint.clone(), self.tls.explain_first_read(cause)?))
    }

    pub(super) fn lacks_certificate(&self) -> bool {
        self.tls.lacks_certificate()
    }
}

impl ClientStream {
    pub(super) fn clear(stream: TcpStream) -> Self {
        Self {
            socket: Socket::Clear(stream),
            tracker: Arc::new(WriteTracker::new()),
            secured: None,
            budget: CooperativeBudget::default(),
            gathered: Vec::new(),
        }
    }

    pub(super) async fn secure(
        stream: TcpStream,
        tls: &ClientTls,
        endpoint: &EndpointAddress,
    ) -> Result<Self, TlsFailure> {
        let stream = tls.connect(stream, &endpoint.host).await?;
        let secured = Secured { endpoint: endpoint.clone(), tls: tls.clone() };
        Ok(Self {
            // An inline session would enlarge every connection.
            socket: Socket::Tls(Box::new(stream)),
            tracker: Arc::new(WriteTracker::new()),
            secured: Some(secured),
            budget: CooperativeBudget::default(),
            gathered: Vec::new(),
        })
    }

    pub(super) fn tracker(&self) -> Arc<WriteTracker> {
        Arc::clone(&self.tracker)
    }

    pub(super) fn secured(&self) -> Option<&Secured> {
        self.secured.as_ref()
    }

    fn is_ended(&mut self) -> bool {
        match &mut self.socket {
            Socket::Clear(tcp) => has_something(tcp),
            Socket::Tls(stream) => has_ended(stream),
        }
    }
}

impl Drop for ClientStream {
    /// FIN alone would not tell the server that the call was cancelled.
    fn drop(&mut self) {
        if self.tracker.is_unanswered() {
            let tcp = match &self.socket {
                Socket::Clear(tcp) => tcp,
                Socket::Tls(stream) => stream.get_ref().0,
            };
            let _ = SockRef::from(tcp).set_linger(Some(Duration::ZERO));
        }
    }
}

fn has_something(tcp: &TcpStream) -> bool {
    let mut byte = [MaybeUninit::uninit()];
    match SockRef::from(tcp).peek(&mut byte) {
        Ok(_) => true,
        Err(error) => error.kind() != io::ErrorKind::WouldBlock,
    }
}

/// Like [`has_something`] for TLS, where servers may send session tickets and key updates
/// unsolicited (RFC 8446, 4.6).
fn has_ended(stream: &mut TlsStream<TcpStream>) -> bool {
    let (tcp, session) = stream.get_mut();
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

/// Bypasses tokio, which may not know yet that data has arrived.
struct SocketReader<'a>(SockRef<'a>);

impl Read for SocketReader<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        (&*self.0).read(buffer)
    }
}

/// A read reports why the connection ended. The server may have answered before it closed.
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
        if self.tracker.take_check() && self.is_ended() {
            return Poll::Ready(Ok(()));
        }
        if !self.budget.goes_on(context) {
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
        self.tracker.count_read(length);
        self.budget.moved(result.is_ready().then_some(length));
        result
    }
}

impl AsyncWrite for ClientStream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        if !self.budget.goes_on(context) {
            return Poll::Pending;
        }
        let part = CooperativeBudget::part(bytes);
        let result = match &mut self.socket {
            Socket::Clear(tcp) => Pin::new(tcp).poll_write(context, part),
            Socket::Tls(stream) => Pin::new(stream).poll_write(context, part),
        };
        self.budget.wrote(&result);
        leave_failures_to_reading(result)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        if let Some(part) = CooperativeBudget::too_large(slices) {
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
        if !self.budget.goes_on(context) {
            return Poll::Pending;
        }
        let result = match &mut self.socket {
            Socket::Clear(tcp) => Pin::new(tcp).poll_write_vectored(context, slices),
            Socket::Tls(stream) => Pin::new(stream).poll_write_vectored(context, slices),
        };
        self.budget.wrote(&result);
        leave_failures_to_reading(result)
    }

    fn is_write_vectored(&self) -> bool {
        match &self.socket {
            Socket::Clear(tcp) => tcp.is_write_vectored(),
            Socket::Tls(stream) => stream.is_write_vectored(),
        }
    }

    /// hyper flushes at the end of a request. With TLS, the request is buffered here until flushing
    /// ends.
    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = match &mut self.socket {
            Socket::Clear(tcp) => Pin::new(tcp).poll_flush(context),
            Socket::Tls(stream) => Pin::new(stream).poll_flush(context),
        };
        if let Poll::Ready(Ok(())) = flushed {
            self.tracker.flushed();
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
