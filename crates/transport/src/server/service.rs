//! The interface to the code that answers calls.

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

pub trait Service: Send + Sync + 'static {
    /// Runs on the I/O thread, so it should only pass the call on. A panic is answered with 500.
    fn call(&self, call: IncomingCall);
}

pub struct IncomingCall {
    pub function: u32,
    /// The arguments as a proper list.
    pub tape: Box<Tape>,
    /// The bytes that the tape refers to.
    pub source: Bytes,
    /// How much longer the caller waits; zero if the caller has given up, `None` if unknown.
    pub timeout: Option<Duration>,
    pub request_id: HeaderValue,
    /// The authenticated caller, if it has a name.
    pub caller: Option<Arc<str>>,
    pub carried: Option<Box<CarriedContext>>,
    /// Whether the caller accepts a stream. Otherwise the server collects items into a list.
    pub takes_stream: bool,
    pub peer: Arc<Peer>,
    pub reply: Reply,
}

#[derive(Debug)]
pub struct Peer {
    /// The address of the peer or its proxy.
    pub address: SocketAddr,
    /// The certificate as DER; `None` unless the server requires one.
    pub certificate: Option<Vec<u8>>,
}

pub enum Outcome {
    Return(Box<dyn TapeSource>),
    /// `{Class, Reason, Stacktrace}`
    Exception(ExceptionClass, Box<dyn TapeSource>),
    Refused(StatusCode, &'static str),
}

pub(crate) enum Answer {
    Outcome(Outcome),
    Items(ItemReceiver),
}

/// Answers one call, from any thread. Dropping it answers with 500, or ends a stream with an
/// exception.
pub struct Reply {
    state: State,
    watcher: Option<Waker>,
    /// Counted while the function runs, even after its caller has gone away.
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

    /// A result that cannot be encoded becomes `{error, {unencodable_result, Text}, []}`. After
    /// items, only an exception can follow.
    pub fn send(mut self, outcome: Outcome) {
        self.settle(Some(outcome));
    }

    /// Adds a list of items. The first `on_taken` runs each time a list is taken, perhaps at once
    /// or on another thread. Keep few lists untaken.
    pub fn push(&mut self, items: Box<dyn TapeSource>, on_taken: &OnTaken) {
        self.begin_items(on_taken);
        if let State::Items(sender) = &self.state {
            sender.push(items);
        }
    }

    /// Without items, the answer is empty.
    pub fn end(mut self) {
        let nothing: OnTaken = Arc::new(|| ());
        self.begin_items(&nothing);
        self.finish(Some(Part::End));
    }

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

    pub fn is_abandoned(&self) -> bool {
        match &self.state {
            State::Unanswered(sender) => sender.is_closed(),
            State::Items(items) => items.is_abandoned(),
            State::Answered => true,
        }
    }

    /// Wakes the last `waker` once the call is abandoned; true if it already is.
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
