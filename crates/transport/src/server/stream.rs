use std::cell::RefCell;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep, sleep, sleep_until};

use super::activity::Activity;
use super::half_closed::HalfClosed;
use super::peer_socket::PeerSocket;
use super::raw_head::{REFUSED, RawHead};
use crate::cooperative_budget::CooperativeBudget;
use crate::spin;

/// Unsent bytes that the system may buffer.
const UNSENT: u32 = 64 * 1024;

/// Times out peers, makes hyper refuse malformed heads, and leaves shutdown to
/// [`linger`](super::linger::linger).
pub(crate) struct ServerStream<S> {
    stream: S,
    before: Bytes,
    send_timeout: Duration,
    activity: Rc<Activity>,
    raw_head: Rc<RefCell<RawHead>>,
    half_closed: Option<HalfClosed>,
    budget: CooperativeBudget,
    is_limited: bool,
    stalled: Option<Pin<Box<Sleep>>>,
    /// Expires no later than the deadline. Resetting is slow, so it is reset only when it would be
    /// wrong.
    silence: Option<Pin<Box<Sleep>>>,
}

impl<S> ServerStream<S> {
    pub(crate) fn new(
        stream: S,
        before: Bytes,
        send_timeout: Duration,
        activity: Rc<Activity>,
        raw_head: Rc<RefCell<RawHead>>,
    ) -> Self {
        Self {
            stream,
            before,
            send_timeout,
            activity,
            raw_head,
            half_closed: None,
            budget: CooperativeBudget::default(),
            is_limited: false,
            stalled: None,
            silence: None,
        }
    }

    fn is_in_message(&self) -> bool {
        self.raw_head.borrow().is_in_message()
    }

    pub(crate) fn has_bytes(&self) -> bool {
        !self.before.is_empty()
    }

    pub(crate) fn into_inner(self) -> S {
        self.stream
    }

    fn is_overdue(&mut self, context: &mut Context<'_>) -> bool {
        let Some(deadline) = self.activity.deadline().map(Instant::from) else { return false };
        let silence = self.silence.get_or_insert_with(|| Box::pin(sleep_until(deadline)));
        if silence.deadline() > deadline {
            silence.as_mut().reset(deadline);
        }
        while silence.as_mut().poll(context).is_ready() {
            if Instant::now() >= deadline {
                return true;
            }
            silence.as_mut().reset(deadline);
        }
        false
    }
}

impl<S: AsyncRead + AsyncWrite + PeerSocket + Unpin> ServerStream<S> {
    fn watch<T>(
        &mut self,
        context: &mut Context<'_>,
        progress: Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        self.activity.set_stalled(progress.is_pending());
        if progress.is_ready() {
            self.stalled = None;
            return progress;
        }
        if self.activity.is_streaming() {
            // The consumer decides how fast it reads a stream.
            return match self.poll_gone(context) {
                Ok(()) => progress,
                Err(error) => Poll::Ready(Err(error)),
            };
        }
        let send_timeout = self.send_timeout;
        let stalled = self.stalled.get_or_insert_with(|| Box::pin(sleep(send_timeout)));
        stalled.as_mut().poll(context).map(|()| Err(io::ErrorKind::TimedOut.into()))
    }

    fn limit_unsent(&mut self) {
        let is_streaming = self.activity.is_streaming();
        if is_streaming != self.is_limited {
            self.is_limited = is_streaming;
            self.stream.limit_unsent(if is_streaming { UNSENT } else { 0 });
        }
    }

    fn check(&mut self, buffer: &mut ReadBuf<'_>, start: usize) {
        let refused = self.raw_head.borrow_mut().read(&mut buffer.filled_mut()[start..]);
        if let Some(at) = refused {
            buffer.set_filled(start + at);
            let (now, later) = REFUSED.split_at(REFUSED.len().min(buffer.remaining()));
            buffer.put_slice(now);
            self.before = Bytes::from_static(later);
        }
    }

    /// Checks whether the peer has closed its side, because hyper does not read while it answers.
    /// Fails if the peer is gone.
    fn poll_gone(&mut self, context: &mut Context<'_>) -> io::Result<()> {
        // hyper reads the rest of the body, and the next request is a sign of life.
        let is_reading = self.is_in_message() || self.has_bytes();
        if is_reading || !self.activity.is_answering() {
            return Ok(());
        }
        if self.half_closed.is_none() {
            let mut first = [0];
            let mut buffer = ReadBuf::new(&mut first);
            match Pin::new(&mut self.stream).poll_read(context, &mut buffer) {
                Poll::Pending => return Ok(()),
                Poll::Ready(Err(error)) => return Err(error),
                Poll::Ready(Ok(())) if buffer.filled().is_empty() => {
                    self.half_closed = Some(HalfClosed::new());
                }
                Poll::Ready(Ok(())) => {
                    self.before = Bytes::copy_from_slice(buffer.filled());
                    return Ok(());
                }
            }
        }
        match &mut self.half_closed {
            // A stream allows no interim responses, and its callers keep their side open.
            Some(_) if self.activity.is_streaming() => Err(io::ErrorKind::ConnectionAborted.into()),
            Some(peer) if self.activity.may_send_interim() => {
                peer.poll_gone(&mut self.stream, context)
            }
            _ => Ok(()),
        }
    }
}

impl<S: AsyncRead + AsyncWrite + PeerSocket + Unpin> AsyncRead for ServerStream<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        if !self.before.is_empty() {
            let length = self.before.len().min(buffer.remaining());
            buffer.put_slice(&self.before.split_to(length));
            self.check(buffer, before);
            self.activity.received();
            return Poll::Ready(Ok(()));
        }
        if self.half_closed.is_some() {
            return Poll::Ready(Ok(()));
        }
        if !self.budget.goes_on(context) {
            return Poll::Pending;
        }
        let result = Pin::new(&mut self.stream).poll_read(context, buffer);
        let length = buffer.filled().len() - before;
        if length > 0 {
            spin::note_event();
            self.check(buffer, before);
            self.activity.received();
        }
        self.budget.moved(result.is_ready().then_some(length));
        // hyper reads once more after each request.
        if result.is_pending() && (self.is_in_message() || self.activity.awaits_head()) {
            self.stream.acknowledge();
        }
        if result.is_pending() && self.is_overdue(context) {
            self.activity.expire();
            return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
        }
        result
    }
}

impl<S: AsyncRead + AsyncWrite + PeerSocket + Unpin> AsyncWrite for ServerStream<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        if !self.budget.goes_on(context) {
            return Poll::Pending;
        }
        self.limit_unsent();
        let progress =
            Pin::new(&mut self.stream).poll_write(context, CooperativeBudget::part(bytes));
        self.budget.wrote(&progress);
        self.watch(context, progress)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        if let Some(part) = CooperativeBudget::too_large(slices) {
            return self.poll_write(context, part);
        }
        if !self.budget.goes_on(context) {
            return Poll::Pending;
        }
        self.limit_unsent();
        let progress = Pin::new(&mut self.stream).poll_write_vectored(context, slices);
        self.budget.wrote(&progress);
        self.watch(context, progress)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let progress = Pin::new(&mut self.stream).poll_flush(context);
        if progress.is_ready() {
            self.activity.flushed();
        }
        if let Err(error) = self.poll_gone(context) {
            return Poll::Ready(Err(error));
        }
        self.watch(context, progress)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll_flush(context)
    }
}
