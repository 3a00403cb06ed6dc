//! The border between the server and what answers its calls.

use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use backwater_etf::Tape;
use backwater_protocol::CarriedContext;
use bytes::Bytes;
use http::{HeaderValue, StatusCode};
use tokio::sync::oneshot;
use tokio::task::unconstrained;

use crate::TapeSource;
use crate::memory::Share;

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
    /// The name of the caller whose secret signed the request; `None` if it has none.
    pub caller: Option<Arc<str>>,
    /// Metadata and trace, if the request has any.
    pub carried: Option<Box<CarriedContext>>,
    /// Who calls.
    pub peer: Arc<Peer>,
    /// Where the answer goes.
    pub reply: Reply,
}

/// The other end of a connection.
#[derive(Debug)]
pub struct Peer {
    /// Its address: that of a proxy, when there is one in between.
    pub address: SocketAddr,
    /// The certificate that it has sent, in DER form. `None` unless the server requires one.
    pub certificate: Option<Vec<u8>>,
}

/// The class of an exception.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExceptionClass {
    /// `error`: what went wrong.
    Error,
    /// `exit`: a process that ends.
    Exit,
    /// `throw`: a value that somebody catches.
    Throw,
}

/// How a call ended.
pub enum Outcome {
    /// The function's value.
    Return(Box<dyn TapeSource>),
    /// `{Class, Reason, Stacktrace}`.
    Exception(ExceptionClass, Box<dyn TapeSource>),
    /// The function was not called, for the reason that the status and the text tell.
    Refused(StatusCode, &'static str),
}

/// The answer to one call, which can be given once and from any thread. Dropping it answers 500.
pub struct Reply {
    /// `None` once the call is answered.
    sender: Option<oneshot::Sender<Option<Outcome>>>,
    /// The memory that the arguments take as long as the function runs, even when its caller has gone.
    arguments: Share,
}

impl Reply {
    pub(crate) fn new(arguments: Share) -> (Self, oneshot::Receiver<Option<Outcome>>) {
        let (sender, receiver) = oneshot::channel();
        (Self { sender: Some(sender), arguments }, receiver)
    }

    /// Answers the call. An outcome that cannot be encoded is answered with the exception
    /// `{error, {unencodable_result, Text}, []}` in its place.
    pub fn send(mut self, outcome: Outcome) {
        self.settle(Some(outcome));
    }

    fn settle(&mut self, outcome: Option<Outcome>) {
        let Some(sender) = self.sender.take() else { return };
        // Fails when the caller has gone.
        if sender.send(outcome).is_err() {
            std::mem::take(&mut self.arguments).end_abandoned();
        }
    }

    /// Whether nobody waits for the answer any more, since the peer or the server has gone.
    pub fn is_abandoned(&self) -> bool {
        self.sender.as_ref().is_none_or(oneshot::Sender::is_closed)
    }

    /// Has `waker` woken once nobody waits for the answer any more; true when that is so already. Only
    /// the waker that was given last is woken.
    pub fn wake_when_abandoned(&mut self, waker: &Waker) -> bool {
        let Some(sender) = &mut self.sender else { return true };
        let closed = pin!(unconstrained(sender.closed()));
        closed.poll(&mut Context::from_waker(waker)) == Poll::Ready(())
    }
}

impl Drop for Reply {
    fn drop(&mut self) {
        self.settle(None);
    }
}
