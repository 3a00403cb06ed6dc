//! Streams: signed frames in the body of one response.
//!
//! # Head
//!
//! A request with `accept: application/x-backwater-stream, application/x-erlang-etf` accepts a
//! stream. The response then has status 200, `content-type: application/x-backwater-stream` and
//! `x-backwater-stream: 1;nonce=<base64 of 16 random bytes>`. Its signature covers these and
//! `x-request-id`, and it has no digest. Otherwise the response is an ordinary one.
//!
//! # Key
//!
//! `K = HMAC-SHA-256(secret, "backwater-stream-1" ‖ request ‖ response)`. `secret` signs the
//! response; `request` and `response` are the signatures of both heads, 32 bytes each. This binds
//! the frames to the request and, through the nonce, to this response.
//!
//! # Frames
//!
//! Numbers are big-endian.
//!
//! | bytes | what |
//! | --- | --- |
//! | 4 | length of the payload |
//! | 1 | type |
//! | 1 | flags: bit 0 if the payload is gzipped, others 0 |
//! | length | payload |
//! | 16 | tag: the first half of `HMAC-SHA-256(K, number ‖ all bytes before the tag)` |
//!
//! `number` counts the frames from 0, in 8 bytes. Payloads before compression:
//!
//! | type | payload |
//! | --- | --- |
//! | 1 items | 131 and a proper list of one or more terms, as LIST_EXT or STRING_EXT |
//! | 2 end | number of all items, 8 bytes |
//! | 3 exception | 131 and `{Class, Reason, Stacktrace}` |
//! | 4 ping | empty |
//!
//! An end or exception ends the stream; nothing follows. Only items and exceptions may be gzipped.
//! Types from 5 on are reserved for streams of arguments.

mod decoder;
mod encoder;

use ring::hmac;

pub use self::decoder::{Exception, Frame, FrameDecoder, FrameError, Items};
pub use self::encoder::FrameEncoder;
use crate::pieces::pieces;
use crate::signature::Tag;

/// A frame of items ends with the item that fills it to this many bytes, so its payload exceeds
/// `max_encoded_result_size`, the limit of each item, by at most this.
pub const GATHERED: usize = 64 * 1024;

/// Length, type and flags.
const HEAD: usize = 6;
/// Half the output of HMAC-SHA-256.
const TAG: usize = 16;
const GZIPPED: u8 = 1;
/// Version of the external term format.
const VERSION: u8 = 131;

const LABEL: &[u8] = b"backwater-stream-1";

/// The type of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FrameType {
    /// Items of the stream.
    Items = 1,
    /// The end, with the number of items.
    End = 2,
    /// An exception, which also ends the stream.
    Exception = 3,
    /// Shows that the stream is alive.
    Ping = 4,
}

impl FrameType {
    fn of(byte: u8) -> Option<Self> {
        [Self::Items, Self::End, Self::Exception, Self::Ping]
            .into_iter()
            .find(|kind| *kind as u8 == byte)
    }
}

pub(crate) fn key_of(secret: &hmac::Key, request: &Tag, response: &Tag) -> hmac::Key {
    let mut context = hmac::Context::with_key(secret);
    for part in [LABEL, request, response] {
        context.update(part);
    }
    hmac::Key::new(hmac::HMAC_SHA256, context.sign().as_ref())
}

fn tag_of(key: &hmac::Key, number: u64, frame: &[u8]) -> [u8; TAG] {
    let mut context = hmac::Context::with_key(key);
    context.update(&number.to_be_bytes());
    for piece in pieces(frame) {
        context.update(piece);
    }
    let tag = context.sign();
    std::array::from_fn(|index| tag.as_ref()[index])
}
