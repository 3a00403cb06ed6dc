//! The border between the server and what answers its calls.

use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use backwater_etf::Tape;
use bytes::Bytes;
use http::{HeaderValue, StatusCode};
use tokio::sync::{OwnedSemaphorePermit, oneshot};
use tokio::task::unconstrained;

use super::memory::Share;
use crate::TapeSource;

/// Answers calls.
pub trait Service: Send + Sync + 'static {
    /// Takes a call. It runs on the I/O thread, so it only hands the call on; a panic here becomes an
    /// answer of 500.
    fn call(&self, call: IncomingCall);
}

/// A call that passed every check.
pub struct IncomingCall {
    /// What the exposure gave for the function.
    pub function: u32,
    /// The arguments: a proper list of as many terms as the function's arity.
    pub tape: Box<Tape>,
    /// What the tape was decoded from and refers to.
    pub source: Bytes,
    /// How long the caller still waits for the answer, counted from now; `None` when it does not say.
    /// Zero when it has given up already.
    pub timeout: Option<Duration>,
    /// The identifier that the caller has given to the request.
    pub request_id: HeaderValue,
    /// Who calls.
    pub peer: Arc<Peer>,
    /// Where the answer goes.
    pub reply: Reply,
    /// The memory that the arguments take, to be kept as long as they are.
    pub memory: Share,
}

/// The other end of a connection.
#[derive(Debug)]
pub struct Peer {
    /// Its address: that of a proxy, when there is one in between.
    pub address: SocketAddr,
    /// The certificate that it has sent, in DER form. `None` unless the server requires one.
    pub certificate: Option<Vec<u8>>,
}

/// How a call ended.
pub enum Outcome {
    /// The function's value.
    Return(Box<dyn TapeSource>),
    /// `{Class, Reason, Stacktrace}`.
    Exception(Box<dyn TapeSource>),
    /// The function was not called, for the reason that the status and the text tell.
    Refused(StatusCode, &'static str),
}

/// The answer to one call, which can be given once and from any thread. Dropping it answers 500.
pub struct Reply {
    sender: oneshot::Sender<Outcome>,
    /// Counts the call among those in flight until it is answered, even when its peer has gone.
    admission: OwnedSemaphorePermit,
}

impl Reply {
    pub(crate) fn new(admission: OwnedSemaphorePermit) -> (Self, oneshot::Receiver<Outcome>) {
        let (sender, receiver) = oneshot::channel();
        (Self { sender, admission }, receiver)
    }

    /// Answers the call. An outcome that cannot be encoded is answered with the exception
    /// `{error, {unencodable_result, Text}, []}` in its place.
    pub fn send(self, outcome: Outcome) {
        let Self { sender, admission } = self;
        // In this order, so that who has its answer finds room for the next call.
        drop(admission);
        // Fails when the peer has gone: then nobody waits.
        let _ = sender.send(outcome);
    }

    /// Whether nobody waits for the answer any more, since the peer or the server has gone.
    pub fn is_abandoned(&self) -> bool {
        self.sender.is_closed()
    }

    /// Resolves once nobody waits for the answer any more.
    pub async fn abandoned(&mut self) {
        self.sender.closed().await;
    }

    /// Has `waker` woken once nobody waits for the answer any more; true when that is so already. Only
    /// the waker that was given last is woken.
    pub fn wake_when_abandoned(&mut self, waker: &Waker) -> bool {
        let closed = pin!(unconstrained(self.sender.closed()));
        closed.poll(&mut Context::from_waker(waker)) == Poll::Ready(())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::task::Wake;
    use tokio::sync::Semaphore;

    /// Notes how many places are free when it is woken.
    struct Waiting {
        places: Arc<Semaphore>,
        free: AtomicUsize,
    }

    impl Wake for Waiting {
        fn wake(self: Arc<Self>) {
            self.free.store(self.places.available_permits(), Ordering::Relaxed);
        }
    }

    #[test]
    fn who_has_an_answer_finds_room_for_the_next_call() {
        let places = Arc::new(Semaphore::new(1));
        let admission = Arc::clone(&places).try_acquire_owned().unwrap();
        let (reply, answer) = Reply::new(admission);
        let mut answer = pin!(answer);
        let waiting = Arc::new(Waiting { places, free: AtomicUsize::new(0) });
        let waker = Arc::clone(&waiting).into();
        assert!(answer.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
        reply.send(Outcome::Refused(StatusCode::GATEWAY_TIMEOUT, "too late"));
        assert_eq!(waiting.free.load(Ordering::Relaxed), 1);
    }
}
