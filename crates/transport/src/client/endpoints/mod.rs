mod balancer;
mod discovery;
mod endpoint;
mod health;
mod random;
mod set;

pub use self::discovery::ResolveFailure;
pub(super) use self::discovery::{Discovery, Unknown};
pub use self::endpoint::EndpointStats;
pub(super) use self::endpoint::{Endpoint, Feedback, InFlight};
pub use self::health::EndpointState;
pub(super) use self::health::retry_pause;
pub(super) use self::set::EndpointSet;
