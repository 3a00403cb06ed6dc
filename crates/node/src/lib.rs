//! The N-API layer: options in, completions out. It has no logic of its own.
//!
//! JavaScript and Rust share two sets of memory areas, which JavaScript allocates: it writes jobs
//! into the outbox (`outbox`) and reads events from the inbox (`inbox`). Terms cross as tapes
//! (see `backwater_etf::tape`), never value by value.

#![warn(missing_docs)]
#![cfg_attr(test, allow(dead_code, reason = "napi-derive exports no functions from a test build"))]

mod areas;
mod async_root;
mod bare_functions;
mod bridge;
mod clients;
mod codec;
mod codec_functions;
mod completions;
mod decoder;
mod event_loop;
mod events;
mod failures;
mod faults;
mod frame;
mod http_codec;
mod inbox;
mod notation;
mod numbers;
mod outbox;
mod paths;
mod process;
mod replies;
mod resolving;
mod servers;
mod service;
mod settings;
mod timers;
mod tls;
mod worker_ended;
mod workers;

/// The version of this addon, which `native.cjs` compares with that of the package.
#[napi_derive::napi]
pub const VERSION: &str = env!("CARGO_PKG_VERSION");
