//! What the fuzzers run: each target is a function of bytes that returns, or panics on a finding.
//!
//! `fuzz_targets` gives them to libFuzzer; `tests/smoke.rs` gives them the seeds and mutations of them
//! on stable Rust.
#![forbid(unsafe_code)]

mod input;
pub mod memory;
mod pipeline;
mod signing;
mod tapes;
pub mod targets;
