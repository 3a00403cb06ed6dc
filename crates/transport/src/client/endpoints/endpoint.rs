use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use http::HeaderValue;

use super::super::options::{ClientOptions, EndpointAddress};
use super::super::pool::Pool;
use super::health::{EndpointState, Epoch, Health};
use super::random::SplitMix;
use crate::locks::Mutex;

pub(in super::super) struct Endpoint {
    pub(super) address: EndpointAddress,
    pub(in super::super) authority: String,
    pub(in super::super) host: Option<HeaderValue>,
    pub(in super::super) pool: Arc<Pool>,
    /// Includes queued calls.
    pending: AtomicUsize,
    calls: AtomicU64,
    failures: AtomicU64,
    health: Mutex<Health>,
    /// Copies from `health`, so that calls to a healthy endpoint need no lock.
    up: AtomicBool,
    epoch: AtomicU32,
}

#[derive(Clone, Debug)]
pub struct EndpointStats {
    pub authority: String,
    /// Address and port, or name and port if each connection looks up the name.
    pub address: String,
    pub state: EndpointState,
    pub ejected_for: Option<Duration>,
    pub pending: usize,
    pub open_connections: usize,
    pub idle_connections: usize,
    pub calls_waiting: usize,
    pub calls: u64,
    pub failures: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super) enum Feedback {
    Answered,
    Failed,
    Inconclusive,
}

impl Endpoint {
    pub(super) fn new(address: EndpointAddress, options: &ClientOptions) -> Arc<Self> {
        let pool = Pool::new(address.clone(), options);
        let authority = address.to_string();
        Arc::new(Self {
            host: HeaderValue::from_str(&authority).ok(),
            authority,
            address,
            pool,
            pending: AtomicUsize::new(0),
            calls: AtomicU64::new(0),
            failures: AtomicU64::new(0),
            health: Mutex::new(Health::new()),
            up: AtomicBool::new(true),
            epoch: AtomicU32::new(Epoch::default().0),
        })
    }

    pub(in super::super) fn begin(self: &Arc<Self>) -> InFlight {
        self.pending.fetch_add(1, Ordering::Relaxed);
        self.calls.fetch_add(1, Ordering::Relaxed);
        InFlight { epoch: Epoch(self.epoch.load(Ordering::Relaxed)), endpoint: Arc::clone(self) }
    }

    pub(super) fn pending(&self) -> usize {
        self.pending.load(Ordering::Relaxed)
    }

    pub(in super::super) fn is_up(&self) -> bool {
        self.up.load(Ordering::Relaxed)
    }

    pub(super) fn badness(&self) -> (u32, Option<Instant>) {
        self.health.lock().badness()
    }

    pub(super) fn begin_half_open(&self, now: Instant) -> bool {
        self.health.lock().begin_half_open(now)
    }

    pub(super) fn begin_probe(&self, now: Instant) -> Option<Epoch> {
        let mut health = self.health.lock();
        health.begin_probe(now).then(|| health.epoch())
    }

    /// Keeps the connection for the call that completes the probe.
    pub(super) async fn probe(self: Arc<Self>, epoch: Epoch, limit: Duration, random: u64) {
        let connected = self.pool.prepare(limit).await.is_ok();
        self.change(|health| {
            if connected {
                health.connected(epoch);
            } else {
                health.failed(epoch, Instant::now(), random);
            }
        });
    }

    pub(super) fn stats(&self, now: Instant) -> EndpointStats {
        let pool = self.pool.stats();
        let health = self.health.lock();
        let ejected_until = health.ejected_until();
        EndpointStats {
            authority: self.authority.clone(),
            address: self.address.destination(),
            state: health.state(),
            ejected_for: ejected_until.map(|until| until.saturating_duration_since(now)),
            pending: self.pending(),
            open_connections: pool.open,
            idle_connections: pool.idle,
            calls_waiting: pool.waiting,
            calls: self.calls.load(Ordering::Relaxed),
            failures: self.failures.load(Ordering::Relaxed),
        }
    }

    fn change<T>(&self, change: impl FnOnce(&mut Health) -> T) -> T {
        let mut health = self.health.lock();
        let result = change(&mut health);
        self.up.store(health.state() == EndpointState::Up, Ordering::Relaxed);
        self.epoch.store(health.epoch().0, Ordering::Relaxed);
        result
    }
}

pub(in super::super) struct InFlight {
    endpoint: Arc<Endpoint>,
    epoch: Epoch,
}

impl InFlight {
    /// True if it ejected the endpoint.
    pub(in super::super) fn report(&self, feedback: Feedback, random: &SplitMix) -> bool {
        let endpoint = &self.endpoint;
        match feedback {
            Feedback::Failed => {
                endpoint.failures.fetch_add(1, Ordering::Relaxed);
                let now = Instant::now();
                let ejected =
                    endpoint.change(|health| health.failed(self.epoch, now, random.next()));
                if ejected {
                    // Idle connections are probably dead, too.
                    endpoint.pool.discard_idle();
                }
                ejected
            }
            Feedback::Answered => {
                if !endpoint.is_up() {
                    endpoint.change(|health| health.answered(self.epoch));
                }
                false
            }
            Feedback::Inconclusive => false,
        }
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        let endpoint = &self.endpoint;
        endpoint.pending.fetch_sub(1, Ordering::Relaxed);
        if !endpoint.is_up() {
            endpoint.change(|health| health.abandoned(self.epoch));
        }
    }
}
