//! The wire protocol, without I/O, clock or randomness. Each stage of a message is a type, so
//! unverified content cannot be used: see [`server`] and [`client`].

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
