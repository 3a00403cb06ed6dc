//! Answers that come in parts: signed frames over one response.
//!
//! # The head
//!
//! A request asks for a stream by `accept: application/x-backwater-stream, application/x-erlang-etf`. The
//! answer then may have status 200, `content-type: application/x-backwater-stream` and
//! `x-backwater-stream: 1;nonce=<base64 of 16 random bytes>`. Its signature covers these and `x-request-id`;
//! it has no digest. Any other answer is one of the protocol without streams.
//!
//! # The key
//!
//! `K = HMAC-SHA-256(secret, "backwater-stream-1" ‖ request ‖ response)`: `secret` is the one that the
//! response is signed with, `request` and `response` are the signatures of both heads, 32 bytes each. So the
//! frames belong to this request and, because of the nonce, to this answer.
//!
//! # Frames
//!
//! The body is a sequence of frames. Numbers are big-endian.
//!
//! | bytes | what |
//! | --- | --- |
//! | 4 | length of the payload |
//! | 1 | type |
//! | 1 | flags: bit 0 says that the payload is gzipped; the others are 0 |
//! | length | payload |
//! | 16 | tag: the first half of `HMAC-SHA-256(K, number ‖ all bytes before the tag)` |
//!
//! The number of a frame has 8 bytes; the first frame is 0, and each counts. Payloads, before compression:
//!
//! | type | payload |
//! | --- | --- |
//! | 1 items | 131 and a proper list of one or more terms, as LIST_EXT or STRING_EXT |
//! | 2 end | how many items there were in all, 8 bytes |
//! | 3 exception | 131 and `{Class, Reason, Stacktrace}` |
//! | 4 ping | none |
//!
//! The stream ends with its end or exception; nothing follows. Only items and exceptions may be gzipped.
//! Types from 5 on are free for streams of arguments.

mod decoder;
mod encoder;

use ring::hmac;

pub use self::decoder::{Exception, Frame, FrameDecoder, FrameError, Items};
pub use self::encoder::FrameEncoder;
use crate::pieces::pieces;
use crate::signature::Tag;

/// A frame of items ends with the item that fills it to this size, in bytes: its payload is at most this
/// much larger than `max_encoded_result_size`, which limits each item.
pub const GATHERED: usize = 64 * 1024;

/// Length, type and flags.
const HEAD: usize = 6;
/// Half of the output of HMAC-SHA-256.
const TAG: usize = 16;
/// The payload is compressed.
const GZIPPED: u8 = 1;
/// The version of terms.
const VERSION: u8 = 131;

const LABEL: &[u8] = b"backwater-stream-1";

/// What a frame holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FrameType {
    /// Items of the stream.
    Items = 1,
    /// The end, with the count of items.
    End = 2,
    /// An exception, which is an end, too.
    Exception = 3,
    /// Nothing; it shows that the stream is alive.
    Ping = 4,
}

impl FrameType {
    fn of(byte: u8) -> Option<Self> {
        [Self::Items, Self::End, Self::Exception, Self::Ping]
            .into_iter()
            .find(|kind| *kind as u8 == byte)
    }
}

/// The key of the frames that answer a request.
pub(crate) fn key_of(secret: &hmac::Key, request: &Tag, response: &Tag) -> hmac::Key {
    let mut context = hmac::Context::with_key(secret);
    for part in [LABEL, request, response] {
        context.update(part);
    }
    hmac::Key::new(hmac::HMAC_SHA256, context.sign().as_ref())
}

/// The tag of a frame without its tag.
fn tag_of(key: &hmac::Key, number: u64, frame: &[u8]) -> [u8; TAG] {
    let mut context = hmac::Context::with_key(key);
    context.update(&number.to_be_bytes());
    for piece in pieces(frame) {
        context.update(piece);
    }
    let tag = context.sign();
    std::array::from_fn(|index| tag.as_ref()[index])
}
