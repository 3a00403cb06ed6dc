//! The wire protocol of backwater over HTTP/1.1, without I/O, clock or randomness of its own.
//!
//! A request and a response pass through stages, each a type of its own: what a stage has proven, the
//! next one need not ask. [`server`] has those of a request that comes in, [`client`] those of a
//! response.

#![forbid(unsafe_code)]

pub mod client;
mod content;
mod decimal;
mod digest;
pub mod gzip;
mod headers;
mod pieces;
mod secrets;
pub mod server;
mod signature;
mod timeout;
mod timestamp;

pub use self::secrets::{EmptySecret, Secrets};
pub use self::signature::SignatureFailure;
pub use self::timeout::CallTimeout;
pub use self::timestamp::Timestamp;
