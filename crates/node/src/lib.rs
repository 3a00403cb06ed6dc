//! The N-API addon, which connects TypeScript to the crates below.
//!
//! An `environment` belongs to one JavaScript thread. `bridge` has the functions that JavaScript
//! calls, and `workers` spreads the calls of a server over threads.
//!
//! Calls cross in batches through shared buffers. JavaScript writes the `jobs` of one turn of its
//! event loop. Rust writes `events` (`delivery`) and wakes JavaScript once for everything that is
//! ready (`event_queue`). Terms cross as tapes (`backwater_etf::tape`).

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

/// `native.cjs` compares it with the package's version.
#[napi_derive::napi]
pub const VERSION: &str = env!("CARGO_PKG_VERSION");
