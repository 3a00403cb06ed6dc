//! The endpoints of a client: which ones there are, how they are, and which one to choose.
//!
//! [`balancer`] and [`health`] only decide: they take time and randomness as arguments. [`discovery`]
//! knows the current endpoints.

mod balancer;
mod discovery;
mod endpoint;
mod health;
mod random;
mod set;

pub(super) use self::discovery::{Discovery, Unknown};
pub use self::discovery::{EndpointStats, ResolveFailure};
pub(super) use self::endpoint::{Endpoint, Feedback, InFlight};
pub use self::health::EndpointState;
pub(super) use self::health::retry_pause;
pub(super) use self::set::EndpointSet;
