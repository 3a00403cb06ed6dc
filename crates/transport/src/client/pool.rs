//! Connections that wait for their next request.

use std::future::poll_fn;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use super::connection::Connection;

/// How often idle connections are looked after, at least.
const LOOK_AFTER: Duration = Duration::from_secs(1);

/// Idle connections; the one used last is used next, so that those that are not needed grow old.
pub(super) struct Pool {
    idle_timeout: Duration,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    idle: Vec<Connection>,
    looked_after: bool,
    closed: bool,
}

impl Pool {
    pub(super) fn new(idle_timeout: Duration) -> Arc<Self> {
        Arc::new(Self { idle_timeout, state: Mutex::default() })
    }

    /// A connection that was not idle for too long.
    pub(super) fn take(&self) -> Option<Connection> {
        let mut state = self.state();
        let connection = state.idle.pop()?;
        if connection.idle_since.elapsed() < self.idle_timeout {
            return Some(connection);
        }
        // All others are idle for longer still.
        state.idle.clear();
        None
    }

    /// Keeps a connection for the next request.
    pub(super) fn put(self: &Arc<Self>, mut connection: Connection) {
        connection.idle_since = Instant::now();
        let mut state = self.state();
        if state.closed {
            return;
        }
        state.idle.push(connection);
        if !state.looked_after {
            state.looked_after = true;
            let period = self.idle_timeout.min(LOOK_AFTER);
            tokio::spawn(look_after(Arc::downgrade(self), period));
        }
    }

    /// Closes the idle connections, and those that become idle from now on.
    pub(super) fn close(&self) {
        let mut state = self.state();
        state.closed = true;
        state.idle.clear();
    }

    /// Closes the idle connections.
    pub(crate) fn clear(&self) {
        self.state().idle.clear();
    }

    /// How many connections are idle.
    pub(super) fn len(&self) -> usize {
        self.state().idle.len()
    }

    /// Closes what is too old or was closed by the server; false when nothing is left.
    fn prune(&self, context: &mut Context<'_>) -> bool {
        let mut state = self.state();
        let idle_timeout = self.idle_timeout;
        state.idle.retain_mut(|connection| {
            connection.idle_since.elapsed() < idle_timeout && connection.is_alive(context)
        });
        state.looked_after = !state.idle.is_empty();
        state.looked_after
    }

    /// Nothing panics while this is held but a bug in hyper; a connection more or less is no harm.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Runs as long as there are idle connections.
async fn look_after(pool: Weak<Pool>, period: Duration) {
    loop {
        tokio::time::sleep(period).await;
        let Some(pool) = pool.upgrade() else { return };
        if !poll_fn(|context| Poll::Ready(pool.prune(context))).await {
            return;
        }
    }
}
