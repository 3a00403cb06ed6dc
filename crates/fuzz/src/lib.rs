//! Functions that panic on a finding, for libFuzzer and `tests/smoke.rs`.
#![forbid(unsafe_code)]

mod input;
pub mod memory;
mod pipeline;
mod signing;
mod tapes;
pub mod targets;
