//! Messages from Rust to JavaScript.

use std::cell::RefCell;
use std::rc::Rc;

use backwater_etf::Tape;
use backwater_transport::Share;
use bytes::Bytes;

use crate::errors::Failure;
use crate::numbers::{EVENT_ABANDONED, EVENT_CALL, EVENT_FAILURE};

pub(crate) type RequestId = Option<[u8; 16]>;

/// See the events in numbers.rs.
pub(crate) struct Event {
    pub(crate) kind: u32,
    pub(crate) id: u32,
    pub(crate) first: u32,
    pub(crate) second: u32,
    pub(crate) request_id: RequestId,
    pub(crate) content: Content,
}

pub(crate) enum Content {
    None,
    Message(Message),
    Failure(Box<Failure>),
}

pub(crate) struct Message {
    pub(crate) tape: Box<Tape>,
    pub(crate) source: Bytes,
    /// Memory of the client, held until JavaScript has the message.
    pub(crate) _memory: Share,
}

/// Slot `n` is at index `n - 1`; a decoder takes each once.
pub(crate) type LargeMessages = Rc<RefCell<Vec<Option<Message>>>>;

impl Event {
    pub(crate) fn new(kind: u32, id: u32) -> Self {
        Self { kind, id, first: 0, second: 0, request_id: None, content: Content::None }
    }

    pub(crate) fn call(call: u32, server: u32, function: u32, message: Message) -> Self {
        Self {
            first: server,
            second: function,
            content: Content::Message(message),
            ..Self::new(EVENT_CALL, call)
        }
    }

    /// `skip` locates the value, the items or `{Class, Reason, Stack}` in the term.
    pub(crate) fn term(
        kind: u32,
        call: u32,
        skip: usize,
        request_id: RequestId,
        message: Message,
    ) -> Self {
        Self {
            first: skip as u32,
            request_id,
            content: Content::Message(message),
            ..Self::new(kind, call)
        }
    }

    pub(crate) fn failure(operation: u32, failure: Failure) -> Self {
        Self { content: Content::Failure(Box::new(failure)), ..Self::new(EVENT_FAILURE, operation) }
    }

    pub(crate) fn failed_inside(call: u32) -> Self {
        Self::failure(call, Failure::internal("a bug in this library: please report it"))
    }

    pub(crate) fn abandoned(call: u32, overdue: bool) -> Self {
        Self { first: overdue.into(), ..Self::new(EVENT_ABANDONED, call) }
    }

    pub(crate) fn message(&self) -> Option<&Message> {
        match &self.content {
            Content::Message(message) => Some(message),
            Content::None | Content::Failure(_) => None,
        }
    }
}
