//! Erlang's external term format to and from the tape.
#![forbid(unsafe_code)]
mod atoms;
mod collisions;
mod compressed;
mod decode;
mod encode;
mod error;
mod hash;
mod heap;
pub mod notation;
mod numbers;
mod opaque;
mod options;
mod reader;
mod shape_numbers;
mod shapes;
mod tags;
pub mod tape;
mod text;
mod write;
pub use compressed::{InflateError, InflateLimits, deflate, inflate};
pub use decode::{Decoder, PART_EXCESS};
pub use encode::{Encoder, Gap};
pub use error::*;
pub use numbers::Number;
pub use options::*;
pub use tape::{Cut, ReplyForm, Tape, TapeRef, TextForm};
