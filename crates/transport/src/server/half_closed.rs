//! Distinguishes half-closed peers from dead ones.
//!
//! Both send FIN, but a half-closed peer waits for its response (RFC 9112, 9.6). The server sends
//! `100 Continue`, which clients ignore (RFC 9110, 15.2.1). A dead peer answers with a reset, so
//! the next write fails.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::AsyncWrite;
use tokio::time::{Instant, Sleep, sleep};

const INTERIM: &[u8] = b"HTTP/1.1 100 Continue\r\n\r\n";

/// Most functions return sooner.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const SHORTEST_PAUSE: Duration = Duration::from_millis(125);
const LONGEST_PAUSE: Duration = Duration::from_secs(32);

pub(crate) struct HalfClosed {
    timer: Pin<Box<Sleep>>,
    pause: Duration,
}

impl HalfClosed {
    pub(crate) fn new() -> Self {
        Self { timer: Box::pin(sleep(FIRST_PAUSE)), pause: SHORTEST_PAUSE }
    }

    /// Probes the peer before any response. Fails if the peer is dead.
    pub(crate) fn poll_gone<S: AsyncWrite + Unpin>(
        &mut self,
        stream: &mut S,
        context: &mut Context<'_>,
    ) -> io::Result<()> {
        while self.timer.as_mut().poll(context).is_ready() {
            self.timer.as_mut().reset(Instant::now() + self.pause);
            self.pause = (self.pause * 2).min(LONGEST_PAUSE);
            match Pin::new(&mut *stream).poll_write(context, INTERIM) {
                Poll::Ready(Ok(length)) if length == INTERIM.len() => {
                    if let Poll::Ready(flushed) = Pin::new(&mut *stream).poll_flush(context) {
                        flushed?;
                    }
                }
                // The peer has not read for a long time.
                Poll::Ready(Ok(_)) => return Err(io::ErrorKind::WriteZero.into()),
                Poll::Ready(Err(error)) => return Err(error),
                Poll::Pending => (),
            }
        }
        Ok(())
    }
}
