//! One endpoint with what calls have found out about it.

use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use http::HeaderValue;

use super::super::endpoint_pool::EndpointPool;
use super::super::error::CallError;
use super::super::options::{ClientOptions, Endpoint};
use super::health::{EndpointState, Epoch, Health};
use super::random::SplitMix;
use super::verdict::{is_answer, is_endpoints_fault};

/// An endpoint: its connections, its health and its figures.
pub(in super::super) struct Member {
    pub(in super::super) endpoint: Endpoint,
    /// What the `host` header says.
    pub(in super::super) authority: String,
    /// The same as a header; `None` when it cannot be one.
    pub(in super::super) host: Option<HeaderValue>,
    pub(in super::super) pool: Arc<EndpointPool>,
    /// Calls under way, those that wait for a connection included.
    pending: AtomicUsize,
    calls: AtomicU64,
    failures: AtomicU64,
    health: Mutex<Health>,
    /// Copies of what `health` says, so that nobody locks it as long as all is well.
    up: AtomicBool,
    epoch: AtomicU32,
}

/// What a [`Member`] tells of itself.
pub(super) struct MemberStats {
    pub(super) state: EndpointState,
    pub(super) paused_until: Option<Instant>,
    pub(super) pending: usize,
    pub(super) calls: u64,
    pub(super) failures: u64,
}

impl Member {
    pub(super) fn new(endpoint: Endpoint, options: &ClientOptions) -> Arc<Self> {
        let pool = EndpointPool::new(endpoint.clone(), options);
        let authority = endpoint.to_string();
        Arc::new(Self {
            host: HeaderValue::from_str(&authority).ok(),
            authority,
            endpoint,
            pool,
            pending: AtomicUsize::new(0),
            calls: AtomicU64::new(0),
            failures: AtomicU64::new(0),
            health: Mutex::new(Health::new()),
            up: AtomicBool::new(true),
            epoch: AtomicU32::new(Epoch::default().0),
        })
    }

    /// Counts a call that goes there now.
    pub(super) fn visit(self: &Arc<Self>) -> Visit {
        self.pending.fetch_add(1, Ordering::Relaxed);
        self.calls.fetch_add(1, Ordering::Relaxed);
        Visit { epoch: Epoch(self.epoch.load(Ordering::Relaxed)), member: Arc::clone(self) }
    }

    pub(super) fn pending(&self) -> usize {
        self.pending.load(Ordering::Relaxed)
    }

    pub(super) fn is_up(&self) -> bool {
        self.up.load(Ordering::Relaxed)
    }

    /// See [`Health::badness`].
    pub(super) fn badness(&self) -> (u32, Option<Instant>) {
        self.health().badness()
    }

    /// See [`Health::begin_trial`].
    pub(super) fn begin_trial(&self, now: Instant) -> bool {
        self.health().begin_trial(now)
    }

    /// See [`Health::begin_probe`].
    pub(super) fn begin_probe(&self, now: Instant) -> Option<Epoch> {
        let mut health = self.health();
        health.begin_probe(now).then(|| health.epoch())
    }

    /// Makes the connection that a probe begins with, and keeps it for the call that goes on with it.
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

    pub(super) fn stats(&self) -> MemberStats {
        let health = self.health();
        MemberStats {
            state: health.state(),
            paused_until: health.paused_until(),
            pending: self.pending(),
            calls: self.calls.load(Ordering::Relaxed),
            failures: self.failures.load(Ordering::Relaxed),
        }
    }

    fn change<T>(&self, change: impl FnOnce(&mut Health) -> T) -> T {
        let mut health = self.health();
        let result = change(&mut health);
        self.up.store(health.state() == EndpointState::Up, Ordering::Relaxed);
        self.epoch.store(health.epoch().0, Ordering::Relaxed);
        result
    }

    /// Nothing panics while this is held.
    fn health(&self) -> MutexGuard<'_, Health> {
        self.health.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One attempt at an endpoint: counted as pending as long as it lives.
pub(super) struct Visit {
    pub(super) member: Arc<Member>,
    epoch: Epoch,
}

impl Visit {
    /// Tells how it ended; true when the endpoint was set aside because of it.
    pub(super) fn report<T>(&self, result: &Result<T, CallError>, random: &SplitMix) -> bool {
        let member = &self.member;
        match result {
            Err(error) if is_endpoints_fault(error) => {
                member.failures.fetch_add(1, Ordering::Relaxed);
                let now = Instant::now();
                let news = member.change(|health| health.failed(self.epoch, now, random.next()));
                if news {
                    // What is idle is as likely to be dead as what has just failed.
                    member.pool.discard_idle();
                }
                news
            }
            Err(error) if !is_answer(error) => false,
            _ => {
                if !member.is_up() {
                    member.change(|health| health.answered(self.epoch));
                }
                false
            }
        }
    }
}

impl Drop for Visit {
    fn drop(&mut self) {
        let member = &self.member;
        member.pending.fetch_sub(1, Ordering::Relaxed);
        if !member.is_up() {
            // Changes nothing after a report.
            member.change(|health| health.abandoned(self.epoch));
        }
    }
}
