//! Streams, in the format of docs/stream-format.md.

mod decoder;
mod encoder;

use ring::hmac;

pub use self::decoder::{Exception, Frame, FrameDecoder, FrameError, Items};
pub use self::encoder::FrameEncoder;
use crate::pieces::pieces;
use crate::signature::Tag;

/// The item that fills a frame to this size ends the frame, so a frame exceeds an item's limit by
/// at most this much.
pub const GATHERED: usize = 64 * 1024;

/// Length, type and flags.
const HEAD: usize = 6;
/// Half the output of HMAC-SHA-256.
const TAG: usize = 16;
const GZIPPED: u8 = 1;
const VERSION: u8 = 131;

const LABEL: &[u8] = b"backwater-stream-1";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FrameType {
    Items = 1,
    End = 2,
    Exception = 3,
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
