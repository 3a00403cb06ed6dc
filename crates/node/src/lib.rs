//! The N-API layer: options in, completions out. It has no logic of its own.
//!
//! JavaScript and Rust share two sets of memory areas, which JavaScript allocates: it writes jobs
//! into the outbox (`outbox`) and reads events from the inbox (`inbox`). Terms cross as tapes
//! (see `backwater_etf::tape`), never value by value.

#![warn(missing_docs)]

mod areas;
mod bridge;
mod clients;
mod codec;
mod codec_functions;
mod completions;
mod event_loop;
mod events;
mod failures;
mod faults;
mod frame;
mod http_codec;
mod inbox;
mod numbers;
mod outbox;
mod paths;
mod process;
mod replies;
mod resolving;
mod servers;
mod service;
mod settings;
mod shared_clients;
mod tls;
mod unacknowledged;
mod worker_ended;
mod workers;

/// Halves what the JavaScript thread pays for bodies of a megabyte, measured against glibc's.
#[cfg(not(feature = "system-allocator"))]
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;
