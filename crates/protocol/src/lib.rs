//! The wire protocol of backwater over HTTP/1.1, without I/O, clock or randomness.
//!
//! Messages pass through stages, and each stage is a type, so nothing that is unproven can be used.
//! [`server`] has the stages of a request, [`client`] those for responses.

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

pub use self::call_headers::{CallHeaders, CarriedContext, METADATA_PREFIX, TraceContext};
pub use self::secrets::{MAX_SECRETS, Secrets, SecretsError};
pub use self::signature::SignatureFailure;
pub use self::timeout::CallTimeout;
pub use self::timestamp::Timestamp;
