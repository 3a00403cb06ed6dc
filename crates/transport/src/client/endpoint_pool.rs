//! What belongs to one endpoint: its connections, the places for calls on them, and the calls that
//! wait for a place.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore, TryAcquireError};

use super::connect::{connect, resolve};
use super::connection::Connection;
use super::error::CallError;
use super::limits::{Allowance, Limits};
use super::options::{ClientOptions, Endpoint};
use super::pool::Pool;
use super::stream::ClientStream;
use super::times::{Phase, Progress};
use crate::tls::ClientTls;

/// The connections to one endpoint. A client has one of these for each endpoint that it knows.
pub(super) struct EndpointPool {
    endpoint: Endpoint,
    /// There when the endpoint speaks TLS.
    tls: Option<ClientTls>,
    idle: Arc<Pool>,
    max_connections: usize,
    max_waiting: usize,
    max_header_bytes: usize,
    /// A permit for each call that has a connection or is making one. Idle connections need none: one
    /// is made only when there is no idle one, so both together are never more than the permits.
    places: Arc<Semaphore>,
    waiting: AtomicUsize,
    open: Arc<AtomicUsize>,
    connect_failures: AtomicU64,
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
        Arc::new(Self {
            tls: options.tls.clone().filter(|_| endpoint.tls),
            endpoint,
            idle: Pool::new(options.pool_idle_timeout),
            max_connections,
            max_waiting: options.max_waiting,
            max_header_bytes: options.max_header_bytes,
            places: Arc::new(Semaphore::new(max_connections)),
            waiting: AtomicUsize::new(0),
            open: Arc::default(),
            connect_failures: AtomicU64::new(0),
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
        let waiting = limits.connecting(progress).run(self.wait_for_place()).await;
        let place = waiting.unwrap_or_else(|ran_out| Err(ran_out.error(progress)))?;
        let connection = match self.idle.take() {
            Some(connection) => connection,
            None => Box::pin(self.open_within(limits.opening(progress), progress)).await?,
        };
        Ok(Lease { connection, place, pool: Arc::clone(self) })
    }

    /// Takes no more calls: those that wait fail with [`CallError::Closed`], idle connections are
    /// closed, and the others when their call has ended.
    pub(super) fn close(&self) {
        self.places.close();
        self.idle.close();
    }

    /// The endpoint is no longer listed: calls that are there may finish, connections are closed as they
    /// become idle.
    pub(super) fn retire(&self) {
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
        let connection = self.open_within(allowance, &mut Progress::start()).await?;
        Lease { connection, place, pool: Arc::clone(self) }.keep();
        Ok(())
    }

    /// What the pool is doing right now.
    pub(super) fn stats(&self) -> PoolStats {
        PoolStats {
            in_flight: self.max_connections - self.places.available_permits(),
            waiting: self.waiting.load(Ordering::Relaxed),
            open: self.open.load(Ordering::Relaxed),
            idle: self.idle.len(),
            connect_failures: self.connect_failures.load(Ordering::Relaxed),
        }
    }

    async fn wait_for_place(&self) -> Result<OwnedSemaphorePermit, CallError> {
        match Arc::clone(&self.places).try_acquire_owned() {
            Ok(place) => return Ok(place),
            Err(TryAcquireError::Closed) => return Err(CallError::Closed),
            Err(TryAcquireError::NoPermits) => (),
        }
        let _waiting = Waiting::enter(self)?;
        let place = Arc::clone(&self.places).acquire_owned().await;
        place.map_err(|_closed| CallError::Closed)
    }

    async fn open_within(
        &self,
        allowance: Allowance,
        progress: &mut Progress,
    ) -> Result<Connection, CallError> {
        let opened = allowance.run(self.open(progress)).await;
        let opened = match opened {
            Ok(opened) => opened,
            Err(ran_out) => Err(ran_out.error(progress)),
        };
        if opened.is_err() {
            self.connect_failures.fetch_add(1, Ordering::Relaxed);
        }
        opened
    }

    async fn open(&self, progress: &mut Progress) -> Result<Connection, CallError> {
        let failed = |source| CallError::Connect { endpoint: self.endpoint.clone(), source };
        progress.enter(Phase::Resolve);
        let addresses = resolve(&self.endpoint).await.map_err(failed)?;
        progress.enter(Phase::Connect);
        let stream = connect(addresses).await.map_err(failed)?;
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
        let opened = Connection::open(stream, self.max_header_bytes, Arc::clone(&self.open)).await;
        opened.map_err(|error| failed(io::Error::other(error)))
    }
}

/// A connection for one call. Dropping it closes the connection and frees its place.
pub(super) struct Lease {
    pub(super) connection: Connection,
    place: OwnedSemaphorePermit,
    pool: Arc<EndpointPool>,
}

impl Lease {
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
