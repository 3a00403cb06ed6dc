mod connect;
mod connection;
mod idle;
mod keep_alive;
#[expect(clippy::module_inception, reason = "the file named like the folder is its main type")]
mod pool;
mod stream;
mod warm_up;
mod write_tracker;

pub(super) use self::connection::{Connection, SendError};
pub(super) use self::pool::{Lease, Pool, Purpose};
