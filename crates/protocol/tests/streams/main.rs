// Miri cannot run ring.
#![cfg(not(miri))]
#![allow(clippy::unwrap_used, clippy::panic)]
//! Only content from the server passes for a stream.

mod frames;
mod golden;
mod heads;
mod limits;
mod peers;
mod sending;
mod tampering;
