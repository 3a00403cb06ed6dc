use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use super::connection::Connection;
use crate::locks::Mutex;

const PRUNE_PERIOD: Duration = Duration::from_secs(1);

/// Takes the most recently used connection first, so that surplus ones expire.
pub(super) struct IdleConnections {
    timeout: Option<Duration>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    #[expect(clippy::vec_box, reason = "calls move connections, which are 200 bytes large")]
    idle: Vec<Box<Connection>>,
    pruned: bool,
    closed: bool,
}

impl IdleConnections {
    pub(super) fn new(timeout: Option<Duration>) -> Arc<Self> {
        Arc::new(Self { timeout, state: Mutex::default() })
    }

    pub(super) fn take(&self) -> Option<Box<Connection>> {
        let now = Instant::now();
        loop {
            let mut connection = self.state.lock().idle.pop()?;
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
        let mut state = self.state.lock();
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

    pub(super) fn close(&self) {
        let mut state = self.state.lock();
        state.closed = true;
        state.idle.clear();
    }

    pub(super) fn clear(&self) {
        self.state.lock().idle.clear();
    }

    pub(super) fn len(&self) -> usize {
        self.state.lock().idle.len()
    }

    pub(super) fn prune(&self) -> bool {
        let now = Instant::now();
        let mut state = self.state.lock();
        state.idle.retain_mut(|connection| self.is_usable(connection, now));
        state.pruned = !state.idle.is_empty();
        state.pruned
    }

    fn is_usable(&self, connection: &mut Connection, now: Instant) -> bool {
        !connection.has_expired(now, self.timeout) && connection.is_alive()
    }
}

async fn prune(idle: Weak<IdleConnections>, period: Duration) {
    loop {
        tokio::time::sleep(period).await;
        let Some(idle) = idle.upgrade() else { return };
        if !idle.prune() {
            return;
        }
    }
}
