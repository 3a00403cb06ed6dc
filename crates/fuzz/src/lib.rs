//! Targets for libFuzzer and `tests/smoke.rs`. They panic on a finding.
#![forbid(unsafe_code)]

mod input;
pub mod memory;
mod parse;
mod pipeline;
mod signing;
mod tapes;
pub mod targets;
