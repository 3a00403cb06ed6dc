//! The wire protocol of backwater over HTTP/1.1, without I/O, clock or randomness of its own.
//!
//! A request and a response pass through stages, each a type of its own: what a stage has proven, the
//! next one need not ask. [`server`] has those of a request that comes in, [`client`] those of a
//! response.

#![forbid(unsafe_code)]

mod call_headers;
pub mod client;
mod content;
mod decimal;
mod digest;
pub mod gzip;
mod headers;
mod percent;
mod pieces;
mod secrets;
pub mod server;
mod signature;
pub mod stream;
mod timeout;
mod timestamp;

pub use self::call_headers::{
    CallHeaders, CarriedContext, MAX_METADATA_ENTRIES, MAX_METADATA_NAMES, MAX_METADATA_SIZE,
    METADATA_PREFIX, TraceContext,
};
pub use self::secrets::{MAX_SECRETS, Secrets, SecretsError};
pub use self::signature::SignatureFailure;
pub use self::timeout::CallTimeout;
pub use self::timestamp::Timestamp;
