//! What belongs to one endpoint: its connections, the places for calls on them, and the calls that
//! wait for a place.

use std::hash::{BuildHasher, RandomState};
use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use tokio::sync::{OwnedSemaphorePermit, Semaphore, TryAcquireError};

use super::connect::{connect, resolve};
use super::connection::Connection;
use super::error::CallError;
use super::limits::{Allowance, Limits};
use super::manners::Manners;
use super::options::{ClientOptions, Endpoint, Unacknowledged};
use super::pool::{Pool, PoolLimits};
use super::stream::ClientStream;
use super::times::{Phase, Progress};
use super::warm_up::WarmUp;
use crate::tls::ClientTls;

/// The connections to one endpoint. A client has one of these for each endpoint that it knows.
pub(super) struct EndpointPool {
    endpoint: Endpoint,
    /// There when the endpoint speaks TLS.
    tls: Option<ClientTls>,
    idle: Arc<Pool>,
    max_connections: usize,
    min_connections: usize,
    max_connection_age: Option<Duration>,
    dead_peer_timeout: Option<Duration>,
    unacknowledged: Option<Unacknowledged>,
    max_waiting: usize,
    max_header_bytes: usize,
    /// A permit for each call that has a connection or is making one. Idle connections need none: one
    /// is made only when there is no idle one, so both together are never more than the permits.
    places: Arc<Semaphore>,
    waiting: AtomicUsize,
    open: Arc<AtomicUsize>,
    connect_failures: AtomicU64,
    pub(super) warm_up: WarmUp,
    /// Has no permits; closed when no connections are to be made ahead any more.
    ended: Semaphore,
}

/// What an [`EndpointPool`] is doing, for whoever chooses among several.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct PoolStats {
    /// Calls that have a connection or are making one.
    pub(super) in_flight: usize,
    /// Calls that wait for a connection.
    pub(super) waiting: usize,
    /// Connections that are open, idle ones included.
    pub(super) open: usize,
    /// Connections that wait for a call.
    pub(super) idle: usize,
    /// How often connecting has failed or timed out, since the beginning.
    pub(super) connect_failures: u64,
}

impl EndpointPool {
    pub(super) fn new(endpoint: Endpoint, options: &ClientOptions) -> Arc<Self> {
        let max_connections = options.max_connections.clamp(1, Semaphore::MAX_PERMITS);
        let min_connections = options.min_connections.min(max_connections);
        let open = Arc::default();
        Arc::new(Self {
            tls: options.tls.clone().filter(|_| endpoint.tls),
            endpoint,
            idle: Pool::new(PoolLimits {
                idle_timeout: options.pool_idle_timeout,
                min_connections,
                max_connections,
                open: Arc::clone(&open),
            }),
            max_connections,
            min_connections,
            max_connection_age: options.max_connection_age,
            dead_peer_timeout: options.dead_peer_timeout,
            unacknowledged: options.unacknowledged,
            max_waiting: options.max_waiting,
            max_header_bytes: options.max_header_bytes,
            places: Arc::new(Semaphore::new(max_connections)),
            waiting: AtomicUsize::new(0),
            open,
            connect_failures: AtomicU64::new(0),
            warm_up: WarmUp::default(),
            ended: Semaphore::new(0),
        })
    }

    /// Waits for a place among the connections and takes an idle one or makes one, all within the
    /// limits.
    ///
    /// # Errors
    ///
    /// [`CallError::QueueFull`], [`CallError::Connect`], [`CallError::Timeout`] and
    /// [`CallError::Closed`].
    pub(super) async fn acquire(
        self: &Arc<Self>,
        limits: &Limits,
        progress: &mut Progress,
    ) -> Result<Lease, CallError> {
        progress.enter(Phase::Queued);
        let place = match self.free_place()? {
            Some(place) => place,
            None => {
                // Boxed, as is all that is rare: calls are moved about, and should not be large.
                let mut waiting = Box::pin(self.wait_for_place());
                let waited = limits.connecting(progress).run(waiting.as_mut()).await;
                waited.unwrap_or_else(|ran_out| Err(ran_out.error(progress)))?
            }
        };
        let connection = match self.idle.take(self.in_use()) {
            Some(connection) => connection,
            None => Box::pin(self.open_within(limits.opening(progress), progress)).await?,
        };
        Ok(Lease { connection, place, pool: Arc::clone(self) })
    }

    /// Takes no more calls: those that wait fail with [`CallError::Closed`], idle connections are
    /// closed, and the others when their call has ended.
    pub(super) fn close(&self) {
        self.places.close();
        self.retire();
    }

    /// The endpoint is no longer listed: calls that are there may finish, connections are closed as they
    /// become idle.
    pub(super) fn retire(&self) {
        self.ended.close();
        self.idle.close();
    }

    /// Closes the connections that are idle now.
    pub(super) fn discard_idle(&self) {
        self.idle.clear();
    }

    /// Makes a connection for a call to come, if there is a place for it.
    ///
    /// # Errors
    ///
    /// [`CallError::Connect`] and [`CallError::Timeout`].
    pub(super) async fn prepare(self: &Arc<Self>, limit: Duration) -> Result<(), CallError> {
        let Ok(place) = Arc::clone(&self.places).try_acquire_owned() else { return Ok(()) };
        let allowance = Allowance::for_connecting(limit);
        let mut progress = Progress::start();
        tokio::select! {
            opened = self.open_within(allowance, &mut progress) => {
                Lease { connection: opened?, place, pool: Arc::clone(self) }.keep();
                Ok(())
            }
            _ = self.ended.acquire() => Err(CallError::Closed),
        }
    }

    /// How many connections are missing from those that should be open at least.
    pub(super) fn missing(&self) -> usize {
        if self.ended.is_closed() {
            return 0;
        }
        self.min_connections.saturating_sub(self.open.load(Ordering::Relaxed))
    }

    /// What the pool is doing right now.
    pub(super) fn stats(&self) -> PoolStats {
        PoolStats {
            in_flight: self.in_use(),
            waiting: self.waiting.load(Ordering::Relaxed),
            open: self.open.load(Ordering::Relaxed),
            idle: self.idle.len(),
            connect_failures: self.connect_failures.load(Ordering::Relaxed),
        }
    }

    fn in_use(&self) -> usize {
        self.max_connections - self.places.available_permits()
    }

    /// A place for a call, if one is free and no other call waits for it.
    fn free_place(&self) -> Result<Option<OwnedSemaphorePermit>, CallError> {
        match Arc::clone(&self.places).try_acquire_owned() {
            Ok(place) => Ok(Some(place)),
            Err(TryAcquireError::Closed) => Err(CallError::Closed),
            Err(TryAcquireError::NoPermits) => Ok(None),
        }
    }

    async fn wait_for_place(&self) -> Result<OwnedSemaphorePermit, CallError> {
        let _waiting = Waiting::enter(self)?;
        let place = Arc::clone(&self.places).acquire_owned().await;
        place.map_err(|_closed| CallError::Closed)
    }

    async fn open_within(
        &self,
        allowance: Allowance,
        progress: &mut Progress,
    ) -> Result<Box<Connection>, CallError> {
        let opened = {
            let opening = pin!(self.open(progress));
            allowance.run(opening).await
        };
        let opened = match opened {
            Ok(opened) => opened,
            Err(ran_out) => Err(ran_out.error(progress)),
        };
        if opened.is_err() {
            self.connect_failures.fetch_add(1, Ordering::Relaxed);
        }
        opened
    }

    async fn open(&self, progress: &mut Progress) -> Result<Box<Connection>, CallError> {
        let failed = |source| CallError::Connect { endpoint: self.endpoint.clone(), source };
        progress.enter(Phase::Resolve);
        let addresses = resolve(&self.endpoint).await.map_err(failed)?;
        progress.enter(Phase::Connect);
        let began = Instant::now();
        let stream = connect(addresses, self.dead_peer_timeout).await.map_err(failed)?;
        let round_trip = began.elapsed();
        let stream = match &self.tls {
            Some(tls) => {
                progress.enter(Phase::Tls);
                let secured = ClientStream::secure(stream, tls, &self.endpoint).await;
                secured.map_err(|failure| CallError::Tls {
                    endpoint: self.endpoint.clone(),
                    failure,
                })?
            }
            None if self.endpoint.tls => {
                return Err(CallError::Internal("a client without what TLS needs".to_owned()));
            }
            None => ClientStream::clear(stream),
        };
        let (open, max_age) = (Arc::clone(&self.open), self.max_connection_age.map(spread));
        let opened = Connection::open(stream, self.max_header_bytes, open, max_age).await;
        let mut connection = opened.map_err(|error| failed(io::Error::other(error)))?;
        connection.observe(self.unacknowledged, round_trip);
        Ok(Box::new(connection))
    }
}

/// Up to a quarter less: connections that were made at the same time are not to end at the same time.
fn spread(age: Duration) -> Duration {
    // Every state has keys of its own.
    let random = RandomState::new().hash_one(0) % 1024;
    age - age / 4096 * random as u32
}

/// A connection for one call. Dropping it closes the connection and frees its place.
pub(super) struct Lease {
    pub(super) connection: Box<Connection>,
    place: OwnedSemaphorePermit,
    pool: Arc<EndpointPool>,
}

impl Lease {
    /// How the server ends connections.
    pub(super) fn manners(&self) -> &Manners {
        self.pool.idle.manners()
    }

    /// Gives the connection back: the next call may have it.
    pub(super) fn keep(self) {
        // In this order, so that a call that gets the place finds the connection.
        self.pool.idle.put(self.connection);
        drop(self.place);
    }

    /// Closes the connection and makes another one in its place, within what the call has left of
    /// its limits.
    ///
    /// # Errors
    ///
    /// [`CallError::Connect`] and [`CallError::Timeout`].
    pub(super) async fn renew(
        self,
        limits: &Limits,
        progress: &mut Progress,
    ) -> Result<Self, CallError> {
        let Self { connection, place, pool } = self;
        drop(connection);
        progress.enter(Phase::Connect);
        let connection = pool.open_within(limits.opening(progress), progress).await?;
        Ok(Self { connection, place, pool })
    }
}

/// Counts a call among those that wait for a place.
struct Waiting<'a>(&'a AtomicUsize);

impl<'a> Waiting<'a> {
    fn enter(pool: &'a EndpointPool) -> Result<Self, CallError> {
        let limit = pool.max_waiting;
        let waiting = Self(&pool.waiting);
        if pool.waiting.fetch_add(1, Ordering::Relaxed) >= limit {
            return Err(CallError::QueueFull { limit });
        }
        Ok(waiting)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}
