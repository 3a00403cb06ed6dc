use std::hash::{BuildHasher, RandomState};
use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use tokio::sync::{OwnedSemaphorePermit, Semaphore, TryAcquireError};

use super::super::error::CallError;
use super::super::limits::{Allowance, Limits};
use super::super::options::{ClientOptions, EndpointAddress};
use super::super::times::{Phase, Progress};
use super::connect::{connect, resolve};
use super::connection::Connection;
use super::idle::IdleConnections;
use super::stream::ClientStream;
use super::warm_up::WarmUp;
use crate::tls::ClientTls;

pub(in super::super) struct Pool {
    address: EndpointAddress,
    tls: Option<ClientTls>,
    idle: Arc<IdleConnections>,
    max_connections: usize,
    min_connections: usize,
    max_connection_age: Option<Duration>,
    dead_peer_timeout: Option<Duration>,
    max_waiting: usize,
    max_header_bytes: usize,
    /// Each call that has a connection or is opening one holds a permit, so permits limit
    /// connections.
    permits: Arc<Semaphore>,
    max_streams: usize,
    stream_permits: Arc<Semaphore>,
    waiting: AtomicUsize,
    /// Each open connection holds a clone.
    open: Arc<()>,
    connect_failures: AtomicU64,
    warm_up: WarmUp,
    /// Has no permits. Closing it stops the opening of connections ahead of calls.
    ended: Semaphore,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in super::super) struct PoolStats {
    pub(in super::super) in_flight: usize,
    pub(in super::super) streams: usize,
    pub(in super::super) waiting: usize,
    pub(in super::super) open: usize,
    pub(in super::super) idle: usize,
    pub(in super::super) connect_failures: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super) enum Purpose {
    Call,
    Stream,
}

impl Pool {
    pub(in super::super) fn address(&self) -> &EndpointAddress {
        &self.address
    }

    pub(in super::super) fn new(address: EndpointAddress, options: &ClientOptions) -> Arc<Self> {
        let max_connections = options.max_connections.clamp(1, Semaphore::MAX_PERMITS);
        let max_streams = options.max_streams.clamp(1, Semaphore::MAX_PERMITS);
        Arc::new(Self {
            tls: options.tls.clone().filter(|_| address.tls),
            address,
            idle: IdleConnections::new(options.idle_timeout),
            max_connections,
            min_connections: options.min_connections.min(max_connections),
            max_connection_age: options.max_connection_age,
            dead_peer_timeout: options.dead_peer_timeout,
            max_waiting: options.max_waiting,
            max_header_bytes: options.max_header_bytes,
            permits: Arc::new(Semaphore::new(max_connections)),
            max_streams,
            stream_permits: Arc::new(Semaphore::new(max_streams)),
            waiting: AtomicUsize::new(0),
            open: Arc::default(),
            connect_failures: AtomicU64::new(0),
            warm_up: WarmUp::default(),
            ended: Semaphore::new(0),
        })
    }

    pub(in super::super) async fn acquire(
        self: &Arc<Self>,
        purpose: Purpose,
        limits: &Limits,
        progress: &mut Progress,
    ) -> Result<Lease, CallError> {
        progress.enter(Phase::Queued);
        let permit = match self.free_permit(purpose)? {
            Some(permit) => permit,
            None => {
                let mut waiting = Box::pin(self.wait_for_permit(purpose));
                let waited = limits.connecting(progress).run(waiting.as_mut()).await;
                waited.unwrap_or_else(|ran_out| Err(ran_out.error(progress)))?
            }
        };
        let connection = match self.idle.take() {
            Some(connection) => connection,
            None => Box::pin(self.open_within(limits.opening(progress), progress)).await?,
        };
        Ok(Lease { connection, permit, purpose, pool: Arc::clone(self) })
    }

    pub(in super::super) fn close(&self) {
        self.permits.close();
        self.stream_permits.close();
        self.retire();
    }

    /// For a server that is no longer listed. Calls in flight may finish.
    pub(in super::super) fn retire(&self) {
        self.ended.close();
        self.idle.close();
    }

    pub(in super::super) fn discard_idle(&self) {
        self.idle.clear();
    }

    pub(in super::super) async fn prepare(
        self: &Arc<Self>,
        limit: Duration,
    ) -> Result<(), CallError> {
        let Ok(permit) = Arc::clone(&self.permits).try_acquire_owned() else { return Ok(()) };
        let allowance = Allowance::for_connecting(limit);
        let mut progress = Progress::start();
        tokio::select! {
            opened = self.open_within(allowance, &mut progress) => {
                let (purpose, pool) = (Purpose::Call, Arc::clone(self));
                Lease { connection: opened?, permit, purpose, pool }.keep();
                Ok(())
            }
            _ = self.ended.acquire() => Err(CallError::Closed),
        }
    }

    /// Runs on the I/O thread.
    pub(in super::super) fn open_missing(self: &Arc<Self>, limit: Duration) {
        self.idle.prune();
        for _ in 0..self.warm_up.begin(self.missing(), Instant::now()) {
            let pool = Arc::clone(self);
            tokio::spawn(async move {
                let prepared = pool.prepare(limit).await;
                pool.warm_up.end(prepared.is_ok(), Instant::now());
            });
        }
    }

    fn missing(&self) -> usize {
        if self.ended.is_closed() {
            return 0;
        }
        self.min_connections.saturating_sub(self.open_connections())
    }

    pub(in super::super) fn stats(&self) -> PoolStats {
        PoolStats {
            in_flight: self.calls_in_flight(),
            streams: self.max_streams - self.stream_permits.available_permits(),
            waiting: self.waiting.load(Ordering::Relaxed),
            open: self.open_connections(),
            idle: self.idle.len(),
            connect_failures: self.connect_failures.load(Ordering::Relaxed),
        }
    }

    fn open_connections(&self) -> usize {
        Arc::strong_count(&self.open) - 1
    }

    fn calls_in_flight(&self) -> usize {
        self.max_connections - self.permits.available_permits()
    }

    fn permits(&self, purpose: Purpose) -> Arc<Semaphore> {
        Arc::clone(match purpose {
            Purpose::Call => &self.permits,
            Purpose::Stream => &self.stream_permits,
        })
    }

    fn free_permit(&self, purpose: Purpose) -> Result<Option<OwnedSemaphorePermit>, CallError> {
        match self.permits(purpose).try_acquire_owned() {
            Ok(permit) => Ok(Some(permit)),
            Err(TryAcquireError::Closed) => Err(CallError::Closed),
            Err(TryAcquireError::NoPermits) => Ok(None),
        }
    }

    async fn wait_for_permit(&self, purpose: Purpose) -> Result<OwnedSemaphorePermit, CallError> {
        let _waiting = Waiting::enter(self)?;
        let permit = self.permits(purpose).acquire_owned().await;
        permit.map_err(|_closed| CallError::Closed)
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
        let failed = |source| CallError::Connect { endpoint: self.address.clone(), source };
        progress.enter(Phase::Resolve);
        let addresses = resolve(&self.address).await.map_err(failed)?;
        progress.enter(Phase::Connect);
        let stream = connect(addresses, self.dead_peer_timeout).await.map_err(failed)?;
        let stream = match &self.tls {
            Some(tls) => {
                progress.enter(Phase::Tls);
                let secured = ClientStream::secure(stream, tls, &self.address).await;
                secured
                    .map_err(|failure| CallError::Tls { endpoint: self.address.clone(), failure })?
            }
            None if self.address.tls => {
                return Err(CallError::Internal("the client has no TLS settings".to_owned()));
            }
            None => ClientStream::clear(stream),
        };
        let (open, max_age) = (Arc::clone(&self.open), self.max_connection_age.map(spread));
        let opened = Connection::open(stream, self.max_header_bytes, open, max_age).await;
        let connection = opened.map_err(|error| failed(io::Error::other(error)))?;
        Ok(Box::new(connection))
    }
}

/// Subtracts up to a quarter, so that connections opened together do not expire together.
fn spread(age: Duration) -> Duration {
    let random = RandomState::new().hash_one(0) % 1024;
    age - age / 4096 * random as u32
}

/// Dropping it closes the connection and frees the permit.
pub(in super::super) struct Lease {
    pub(in super::super) connection: Box<Connection>,
    permit: OwnedSemaphorePermit,
    purpose: Purpose,
    pool: Arc<Pool>,
}

impl Lease {
    pub(in super::super) fn address(&self) -> &EndpointAddress {
        self.pool.address()
    }

    pub(in super::super) fn keep(self) {
        let Self { connection, permit, purpose, pool } = self;
        // Streams open connections beyond `max_connections`, so calls may not keep them all.
        let is_surplus = purpose == Purpose::Stream
            && pool.idle.len() + pool.calls_in_flight() >= pool.max_connections;
        if !is_surplus {
            // Before freeing the permit, so that the call that gets it finds the connection.
            pool.idle.put(connection);
        }
        drop(permit);
    }

    pub(in super::super) async fn renew(
        self,
        limits: &Limits,
        progress: &mut Progress,
    ) -> Result<Self, CallError> {
        let Self { connection, permit, purpose, pool } = self;
        drop(connection);
        progress.enter(Phase::Connect);
        let connection = pool.open_within(limits.opening(progress), progress).await?;
        Ok(Self { connection, permit, purpose, pool })
    }
}

struct Waiting<'a>(&'a AtomicUsize);

impl<'a> Waiting<'a> {
    fn enter(pool: &'a Pool) -> Result<Self, CallError> {
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
