//! The endpoints of a client: which one a call goes to, and what happens when it fails there.
//!
//! [`balancer`], [`health`], [`budget`] and [`verdict`] decide and do nothing else: time and randomness
//! are their arguments. [`directory`] knows the endpoints of the moment, [`dispatch`] makes calls.

mod balancer;
mod budget;
mod directory;
mod dispatch;
mod health;
mod member;
mod random;
mod set;
mod verdict;

pub(super) use self::directory::Directory;
pub use self::directory::{DirectoryStats, EndpointStats, ResolveFailure};
pub(super) use self::dispatch::call;
pub use self::health::EndpointState;
pub(super) use self::member::Member;
