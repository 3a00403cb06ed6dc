//! Messages from Rust to JavaScript.

use std::cell::RefCell;
use std::rc::Rc;

use backwater_etf::Tape;
use backwater_transport::Share;
use bytes::Bytes;

use crate::errors::Failure;
use crate::numbers::*;

pub(crate) type RequestId = Option<[u8; 16]>;

pub(crate) enum Event {
    Call {
        call: u32,
        server: u32,
        function: u32,
        message: Message,
    },
    /// `skip` locates the value in the term.
    Return {
        call: u32,
        skip: u32,
        request_id: RequestId,
        message: Message,
    },
    /// `skip` locates `{Class, Reason, Stack}`.
    Exception {
        call: u32,
        skip: u32,
        request_id: RequestId,
        message: Message,
    },
    /// `skip` locates the list of items.
    Items {
        call: u32,
        skip: u32,
        request_id: RequestId,
        message: Message,
    },
    End {
        call: u32,
        request_id: RequestId,
    },
    Sent {
        call: u32,
    },
    Failure {
        operation: u32,
        request_id: RequestId,
        failure: Box<Failure>,
    },
    Done {
        operation: u32,
    },
    Abandoned {
        call: u32,
        overdue: bool,
    },
    Resolve {
        client: u32,
    },
    Timer {
        timer: u32,
    },
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
    pub(crate) fn failure(operation: u32, failure: Failure) -> Self {
        Self::Failure { operation, request_id: None, failure: Box::new(failure) }
    }

    pub(crate) fn request_id(&self) -> [u32; 4] {
        let id = match self {
            Event::Return { request_id, .. }
            | Event::Exception { request_id, .. }
            | Event::Items { request_id, .. }
            | Event::End { request_id, .. }
            | Event::Failure { request_id, .. } => request_id.unwrap_or_default(),
            _ => [0; 16],
        };
        let words = id.as_chunks::<4>().0;
        std::array::from_fn(|word| u32::from_ne_bytes(words[word]))
    }

    pub(crate) fn failed_inside(call: u32) -> Self {
        Self::failure(call, Failure::internal("a bug in this library: please report it"))
    }

    pub(crate) fn header(&self) -> [u32; 4] {
        match self {
            Event::Call { call, server, function, .. } => [EVENT_CALL, *call, *server, *function],
            Event::Return { call, skip, .. } => [EVENT_RETURN, *call, *skip, 0],
            Event::Exception { call, skip, .. } => [EVENT_EXCEPTION, *call, *skip, 0],
            Event::Items { call, skip, .. } => [EVENT_ITEMS, *call, *skip, 0],
            Event::End { call, .. } => [EVENT_END, *call, 0, 0],
            Event::Sent { call } => [EVENT_SENT, *call, 0, 0],
            Event::Failure { operation, .. } => [EVENT_FAILURE, *operation, 0, 0],
            Event::Done { operation } => [EVENT_DONE, *operation, 0, 0],
            Event::Abandoned { call, overdue } => [EVENT_ABANDONED, *call, u32::from(*overdue), 0],
            Event::Resolve { client } => [EVENT_RESOLVE, *client, 0, 0],
            Event::Timer { timer } => [EVENT_TIMER, *timer, 0, 0],
        }
    }

    pub(crate) fn message(&self) -> Option<&Message> {
        match self {
            Event::Call { message, .. }
            | Event::Return { message, .. }
            | Event::Exception { message, .. }
            | Event::Items { message, .. } => Some(message),
            Event::End { .. }
            | Event::Sent { .. }
            | Event::Failure { .. }
            | Event::Done { .. }
            | Event::Abandoned { .. }
            | Event::Resolve { .. }
            | Event::Timer { .. } => None,
        }
    }

    pub(crate) fn into_message(self) -> Option<Message> {
        match self {
            Event::Call { message, .. }
            | Event::Return { message, .. }
            | Event::Exception { message, .. }
            | Event::Items { message, .. } => Some(message),
            Event::End { .. }
            | Event::Sent { .. }
            | Event::Failure { .. }
            | Event::Done { .. }
            | Event::Abandoned { .. }
            | Event::Resolve { .. }
            | Event::Timer { .. } => None,
        }
    }
}
