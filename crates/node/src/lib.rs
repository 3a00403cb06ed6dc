//! The N-API addon: it connects the TypeScript layer to the crates below.
//!
//! An [`environment`] belongs to one JavaScript thread and owns its clients, servers, worker seats and
//! timers. [`bridge`] has the signatures that JavaScript calls. Besides the conversion of options, results
//! and errors, the logic here is what only several JavaScript threads need: [`workers`] spreads the calls of
//! a server over threads and lets idle threads take calls from busy ones.
//!
//! Calls do not cross one by one. JavaScript writes [`jobs`] into shared buffers and hands over those of one
//! turn of its event loop together; Rust writes [`events`] into shared buffers ([`delivery`]) and wakes
//! JavaScript once for all that are ready ([`event_queue`]). Terms cross as tapes (see
//! `backwater_etf::tape`), never value by value.

#![warn(missing_docs)]
#![cfg_attr(test, allow(dead_code, reason = "napi-derive exports no functions from a test build"))]
#![allow(
    clippy::result_large_err,
    reason = "failures are rare, and napi-rs cannot convert boxed fields"
)]

mod async_root;
mod bridge;
mod clients;
mod codec;
mod delivery;
mod environment;
mod errors;
mod event_loop;
mod event_queue;
mod events;
mod faults;
mod frame;
mod http_codec;
mod io_threads;
mod job_runner;
mod jobs;
mod known_atoms;
mod locks;
mod notation;
mod number_map;
mod numbers;
mod options;
mod paths;
mod served_calls;
mod servers;
mod service;
mod shared_buffers;
mod stats;
mod timers;
mod tls;
mod workers;

/// The version of this addon, which `native.cjs` compares with that of the package.
#[napi_derive::napi]
pub const VERSION: &str = env!("CARGO_PKG_VERSION");
