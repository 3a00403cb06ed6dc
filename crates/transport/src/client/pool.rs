//! Connections that wait for their next request.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};

use super::connection::Connection;
use super::manners::{Advice, Manners};

/// How often idle connections are looked after, at least.
const LOOK_AFTER: Duration = Duration::from_secs(1);

/// Idle connections. One of those used last is used next, so that those that are not needed grow old.
pub(super) struct Pool {
    limits: PoolLimits,
    manners: Manners,
    state: Mutex<State>,
}

/// The limits of a [`Pool`].
pub(super) struct PoolLimits {
    pub(super) idle_timeout: Duration,
    /// As long as no more than this are open, none is closed for being idle.
    pub(super) min_connections: usize,
    pub(super) max_connections: usize,
    /// How many are open, those with a call included.
    pub(super) open: Arc<AtomicUsize>,
}

#[derive(Default)]
struct State {
    /// Those that were idle for longest come first.
    #[expect(
        clippy::vec_box,
        reason = "calls pass them on, and should not move 200 bytes each time"
    )]
    idle: Vec<Box<Connection>>,
    looked_after: bool,
    closed: bool,
}

impl Pool {
    pub(super) fn new(limits: PoolLimits) -> Arc<Self> {
        Arc::new(Self { limits, manners: Manners::default(), state: Mutex::default() })
    }

    /// How the server ends connections.
    pub(super) fn manners(&self) -> &Manners {
        &self.manners
    }

    /// A connection that is still good, as far as the system knows. There are so many calls that have
    /// a connection or are about to get one, this one included.
    pub(super) fn take(&self, in_use: usize) -> Option<Box<Connection>> {
        let now = Instant::now();
        let advice = self.manners.advice(now);
        loop {
            let mut connection = self.pick(advice, now, in_use)?;
            if self.is_good(&mut connection, now) {
                return Some(connection);
            }
        }
    }

    /// The one used last of those that have rested, else that of the usable ones which has rested
    /// longest. If there is none, there is room for a new one afterwards.
    fn pick(&self, advice: Advice, now: Instant, in_use: usize) -> Option<Box<Connection>> {
        let mut state = self.state();
        let idle = &mut state.idle;
        // Of many that are in use, none may have rested: that is seen without looking at all of them.
        let breathed =
            idle.partition_point(|connection| advice.has_breathed(connection.usage(now)));
        let rested =
            idle[..breathed].iter().rposition(|connection| advice.is_rested(connection.usage(now)));
        let usable = || idle.iter().position(|connection| advice.is_usable(connection.usage(now)));
        if let Some(place) = rested.or_else(usable) {
            return Some(idle.remove(place));
        }
        if !idle.is_empty() && idle.len() + in_use > self.limits.max_connections {
            drop(idle.remove(0));
        }
        None
    }

    /// Keeps a connection for the next request.
    pub(super) fn put(self: &Arc<Self>, mut connection: Box<Connection>) {
        let now = Instant::now();
        connection.put_by(now);
        if connection.is_expired(now) {
            return;
        }
        let mut state = self.state();
        if state.closed {
            return;
        }
        state.idle.push(connection);
        if !state.looked_after {
            state.looked_after = true;
            let period = self.limits.idle_timeout.min(LOOK_AFTER);
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
    pub(super) fn clear(&self) {
        self.state().idle.clear();
    }

    /// How many connections are idle.
    pub(super) fn len(&self) -> usize {
        self.state().idle.len()
    }

    /// Closes what is too old or was closed by the server; false when nothing is left.
    fn prune(&self) -> bool {
        let now = Instant::now();
        let mut state = self.state();
        state.idle.retain_mut(|connection| self.is_good(connection, now));
        state.looked_after = !state.idle.is_empty();
        state.looked_after
    }

    fn is_good(&self, connection: &mut Connection, now: Instant) -> bool {
        let PoolLimits { idle_timeout, min_connections, open, .. } = &self.limits;
        let usage = connection.usage(now);
        let is_spare = open.load(Ordering::Relaxed) > *min_connections;
        let is_old = connection.is_expired(now) || is_spare && usage.idle >= *idle_timeout;
        if is_old || self.manners.advice(now).is_stale(usage) {
            return false;
        }
        let is_alive = connection.is_alive();
        if is_alive {
            self.manners.note_open(usage);
        } else {
            self.manners.note_closed(usage, now);
        }
        is_alive
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
        if !pool.prune() {
            return;
        }
    }
}
