//! The byte stream of one connection, as hyper sees it.

use std::io;
use std::mem::MaybeUninit;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::{Context, Poll};

use socket2::SockRef;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

/// What is known of a stream while hyper owns it. All of it is touched by one task at a time.
#[derive(Debug, Default)]
pub(crate) struct Probe {
    written: AtomicU64,
    read: AtomicU64,
    check: AtomicBool,
}

impl Probe {
    /// Begins a new request. If the connection is `reused`, the next read asks the system whether the
    /// peer has closed it: the event loop may not have heard of that yet.
    pub(crate) fn begin(&self, reused: bool) {
        self.written.store(0, Ordering::Relaxed);
        self.read.store(0, Ordering::Relaxed);
        self.check.store(reused, Ordering::Relaxed);
    }

    /// Bytes that the system has taken since the begin of the request.
    pub(crate) fn written(&self) -> u64 {
        self.written.load(Ordering::Relaxed)
    }

    /// Bytes that came since the begin of the request.
    pub(crate) fn read(&self) -> u64 {
        self.read.load(Ordering::Relaxed)
    }
}

/// A TCP stream that counts, and that does not take a failed write for the end: a server may have
/// answered before it closed, and that answer can still be read.
pub(crate) struct ClientStream {
    stream: TcpStream,
    probe: Arc<Probe>,
}

impl ClientStream {
    pub(crate) fn new(stream: TcpStream) -> (Self, Arc<Probe>) {
        let probe = Arc::new(Probe::default());
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

    /// Counts what was written. After a failure the read side tells what happened, and it does so
    /// without further ado: a connection that cannot be written to has ended.
    fn wrote(&self, result: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        match result {
            Poll::Ready(Ok(length)) => {
                self.probe.written.fetch_add(length as u64, Ordering::Relaxed);
                result
            }
            Poll::Ready(Err(_)) => Poll::Pending,
            Poll::Pending => Poll::Pending,
        }
    }
}

impl AsyncRead for ClientStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.probe.check.swap(false, Ordering::Relaxed) && self.is_ended() {
            return Poll::Ready(Ok(()));
        }
        let before = buffer.filled().len();
        let result = Pin::new(&mut self.stream).poll_read(context, buffer);
        let length = buffer.filled().len() - before;
        self.probe.read.fetch_add(length as u64, Ordering::Relaxed);
        result
    }
}

impl AsyncWrite for ClientStream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let result = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.wrote(result)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let result = Pin::new(&mut self.stream).poll_write_vectored(context, slices);
        self.wrote(result)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
