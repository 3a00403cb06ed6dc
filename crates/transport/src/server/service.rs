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

use super::exceptions::ExceptionClass;
use super::items::{self, ItemReceiver, ItemSender, OnTaken, Part};
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
    /// Whether the caller takes a stream. Items that are sent to one that does not are gathered into a list.
    pub takes_stream: bool,
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

/// How a call ended.
pub enum Outcome {
    /// The function's value.
    Return(Box<dyn TapeSource>),
    /// `{Class, Reason, Stacktrace}`.
    Exception(ExceptionClass, Box<dyn TapeSource>),
    /// The function was not called, for the reason that the status and the text tell.
    Refused(StatusCode, &'static str),
}

/// What the request of a call is answered with.
pub(crate) enum Answer {
    /// The function has ended.
    Outcome(Outcome),
    /// The function sends items.
    Items(ItemReceiver),
}

/// The answer to one call, which can be given once and from any thread. Dropping it answers 500, or ends the
/// items that were sent with an exception.
pub struct Reply {
    state: State,
    /// Woken when the caller goes.
    watcher: Option<Waker>,
    /// The memory that the arguments take as long as the function runs, even when its caller has gone.
    arguments: Share,
}

enum State {
    Unanswered(oneshot::Sender<Option<Answer>>),
    Items(ItemSender),
    Answered,
}

impl Reply {
    pub(crate) fn new(arguments: Share) -> (Self, oneshot::Receiver<Option<Answer>>) {
        let (sender, receiver) = oneshot::channel();
        (Self { state: State::Unanswered(sender), watcher: None, arguments }, receiver)
    }

    /// Answers the call. An outcome that cannot be encoded is answered with the exception
    /// `{error, {unencodable_result, Text}, []}` in its place. After items, only an exception can follow.
    pub fn send(mut self, outcome: Outcome) {
        self.settle(Some(outcome));
    }

    /// Answers with items: a list, to which further ones may be added. `on_taken` of the first one is called
    /// each time that a list was taken, which may be at once or on another thread; add no more than a few
    /// that are not. [`Reply::end`] ends the answer.
    pub fn push(&mut self, items: Box<dyn TapeSource>, on_taken: &OnTaken) {
        self.begin_items(on_taken);
        if let State::Items(sender) = &self.state {
            sender.push(items);
        }
    }

    /// Ends an answer of items; without any, the answer is an empty stream or list.
    pub fn end(mut self) {
        let nothing: OnTaken = Arc::new(|| ());
        self.begin_items(&nothing);
        self.finish(Some(Part::End));
    }

    /// Makes the answer one of items, unless it is.
    fn begin_items(&mut self, on_taken: &OnTaken) {
        if !matches!(self.state, State::Unanswered(_)) {
            return;
        }
        let (abandonment, watcher) = (self.arguments.abandonment(), self.watcher.take());
        let (items, receiver) = items::channel(Arc::clone(on_taken), abandonment, watcher);
        let before = std::mem::replace(&mut self.state, State::Items(items));
        if let State::Unanswered(sender) = before
            && let Err(unsent) = sender.send(Some(Answer::Items(receiver)))
        {
            // The caller has gone, and counts as such already.
            if let State::Items(items) = &self.state {
                items.disown();
            }
            drop(unsent);
        }
    }

    fn settle(&mut self, outcome: Option<Outcome>) {
        if let State::Items(_) = self.state {
            return self.finish(match outcome {
                Some(Outcome::Exception(class, exception)) => {
                    Some(Part::Exception(class, exception))
                }
                _ => None,
            });
        }
        let state = std::mem::replace(&mut self.state, State::Answered);
        let State::Unanswered(sender) = state else { return };
        // Fails when the caller has gone.
        if sender.send(outcome.map(Answer::Outcome)).is_err() {
            std::mem::take(&mut self.arguments).end_abandoned();
        }
    }

    fn finish(&mut self, last: Option<Part>) {
        let state = std::mem::replace(&mut self.state, State::Answered);
        if let State::Items(items) = state
            && items.finish(last).is_err()
        {
            std::mem::take(&mut self.arguments).end_abandoned();
        }
    }

    /// Whether nobody waits for the answer any more, since the peer or the server has gone.
    pub fn is_abandoned(&self) -> bool {
        match &self.state {
            State::Unanswered(sender) => sender.is_closed(),
            State::Items(items) => items.is_abandoned(),
            State::Answered => true,
        }
    }

    /// Has `waker` woken once nobody waits for the answer any more; true when that is so already. Only
    /// the waker that was given last is woken.
    pub fn wake_when_abandoned(&mut self, waker: &Waker) -> bool {
        match &mut self.state {
            State::Unanswered(sender) => {
                self.watcher = Some(waker.clone());
                let closed = pin!(unconstrained(sender.closed()));
                closed.poll(&mut Context::from_waker(waker)) == Poll::Ready(())
            }
            State::Items(items) => items.watch(waker),
            State::Answered => true,
        }
    }
}

impl Drop for Reply {
    fn drop(&mut self) {
        self.settle(None);
    }
}
