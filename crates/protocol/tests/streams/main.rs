// ring is assembly, which Miri does not run.
#![cfg(not(miri))]
#![allow(clippy::unwrap_used, clippy::panic, missing_docs)]
//! Streams: what a server sends arrives, and nothing else passes for it.

mod frames;
mod golden;
mod heads;
mod limits;
mod peers;
mod sending;
mod tampering;
