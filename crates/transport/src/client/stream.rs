//! The byte stream of one connection, as hyper sees it.

use std::io;
use std::mem::MaybeUninit;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use socket2::SockRef;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

use super::probe::Probe;

/// A TCP stream that tells its probe what passes, and that does not take a failed write for the end: a server may have
/// answered before it closed, and that answer can still be read.
pub(super) struct ClientStream {
    stream: TcpStream,
    probe: Arc<Probe>,
}

impl ClientStream {
    pub(super) fn new(stream: TcpStream) -> (Self, Arc<Probe>) {
        let probe = Arc::new(Probe::new());
        (Self { stream, probe: Arc::clone(&probe) }, probe)
    }

    /// Whether the peer has closed an idle connection, asked of the system itself. One that has sent
    /// something unasked is as good as closed: it is taken for the answer to nothing.
    fn is_ended(&self) -> bool {
        let mut byte = [MaybeUninit::uninit()];
        match SockRef::from(&self.stream).peek(&mut byte) {
            Ok(_) => true,
            Err(error) => error.kind() != io::ErrorKind::WouldBlock,
        }
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
        let before = buffer.filled().len();
        let result = Pin::new(&mut self.stream).poll_read(context, buffer);
        self.probe.count_read(buffer.filled().len() - before);
        result
    }
}

impl AsyncWrite for ClientStream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        leave_failures_to_reading(Pin::new(&mut self.stream).poll_write(context, bytes))
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        leave_failures_to_reading(Pin::new(&mut self.stream).poll_write_vectored(context, slices))
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    /// hyper flushes when it has nothing left to write.
    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.probe.flushed();
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
