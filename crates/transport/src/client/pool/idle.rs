//! Connections that wait for their next request.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};

use super::connection::Connection;

/// The longest time between searches for expired or closed connections.
const PRUNE_PERIOD: Duration = Duration::from_secs(1);

/// The connection used last is used next, so that surplus ones expire.
pub(super) struct IdleConnections {
    /// See [`ClientOptions::idle_timeout`](super::super::ClientOptions::idle_timeout).
    timeout: Option<Duration>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// Ordered by when they became idle.
    #[expect(clippy::vec_box, reason = "calls move connections, which are 200 bytes large")]
    idle: Vec<Box<Connection>>,
    /// Whether a task prunes them.
    pruned: bool,
    closed: bool,
}

impl IdleConnections {
    pub(super) fn new(timeout: Option<Duration>) -> Arc<Self> {
        Arc::new(Self { timeout, state: Mutex::default() })
    }

    /// A connection that the server has not closed, as far as the system knows.
    pub(super) fn take(&self) -> Option<Box<Connection>> {
        let now = Instant::now();
        loop {
            let mut connection = self.state().idle.pop()?;
            if self.is_usable(&mut connection, now) {
                return Some(connection);
            }
        }
    }

    pub(super) fn put(self: &Arc<Self>, mut connection: Box<Connection>) {
        let now = Instant::now();
        connection.set_idle(now);
        if connection.has_expired(now, self.timeout) {
            return;
        }
        let mut state = self.state();
        if state.closed {
            return;
        }
        state.idle.push(connection);
        if !state.pruned {
            state.pruned = true;
            let period = self.timeout.map_or(PRUNE_PERIOD, |timeout| timeout.min(PRUNE_PERIOD));
            tokio::spawn(prune(Arc::downgrade(self), period));
        }
    }

    /// Closes idle connections, now and later.
    pub(super) fn close(&self) {
        let mut state = self.state();
        state.closed = true;
        state.idle.clear();
    }

    /// Closes current idle connections.
    pub(super) fn clear(&self) {
        self.state().idle.clear();
    }

    pub(super) fn len(&self) -> usize {
        self.state().idle.len()
    }

    /// Closes expired and closed connections; false if none is left.
    pub(super) fn prune(&self) -> bool {
        let now = Instant::now();
        let mut state = self.state();
        state.idle.retain_mut(|connection| self.is_usable(connection, now));
        state.pruned = !state.idle.is_empty();
        state.pruned
    }

    fn is_usable(&self, connection: &mut Connection, now: Instant) -> bool {
        !connection.has_expired(now, self.timeout) && connection.is_alive()
    }

    /// Only a bug in hyper can panic while the lock is held, and a lost connection does no harm.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Runs while there are idle connections.
async fn prune(idle: Weak<IdleConnections>, period: Duration) {
    loop {
        tokio::time::sleep(period).await;
        let Some(idle) = idle.upgrade() else { return };
        if !idle.prune() {
            return;
        }
    }
}
