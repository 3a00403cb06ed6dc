//! The fuzz targets: functions of bytes that panic on a finding.
//!
//! `fuzz_targets` runs them with libFuzzer; `tests/smoke.rs` runs seeds and mutations on stable
//! Rust.
#![forbid(unsafe_code)]

mod input;
pub mod memory;
mod pipeline;
mod signing;
mod tapes;
pub mod targets;
