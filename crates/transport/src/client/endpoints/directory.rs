//! The endpoints that a client knows at the moment, and how it comes to know them.

use std::fmt;
use std::hash::{BuildHasher, RandomState};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::watch;

use super::super::endpoint_pool::EndpointPool;
use super::super::options::{ClientOptions, ListedEndpoint};
use super::budget::RetryBudget;
use super::health::EndpointState;
use super::member::Member;
use super::random::SplitMix;
use super::set::{Choice, EndpointSet};

/// How long a failed resolution is remembered when there are no endpoints from before: calls that come
/// meanwhile fail at once, the next one after it has the names resolved again.
const FAILURE_MEMORY: Duration = Duration::from_millis(500);

/// How long connecting for a probe may take, however patient calls are: the next one may fare better.
const LONGEST_PROBE: Duration = Duration::from_secs(10);

/// Endpoints, the source of new ones, and what calls have in common across them.
pub(in super::super) struct Directory {
    source: Source,
    pub(super) random: SplitMix,
    budget: Mutex<RetryBudget>,
    calls: AtomicU64,
    pub(super) retries: AtomicU64,
    pub(super) failovers: AtomicU64,
    pub(super) hedges: AtomicU64,
    pub(super) hedges_won: AtomicU64,
}

enum Source {
    /// They are given once and for all: nothing is locked to see them.
    Fixed(Arc<EndpointSet>),
    Resolved {
        known: watch::Sender<Known>,
        ask: Box<dyn Fn() + Send + Sync>,
    },
}

/// What resolving has found.
#[derive(Default)]
pub(super) struct Known {
    set: Option<Arc<EndpointSet>>,
    /// The last resolution, if it failed, and when.
    failure: Option<(ResolveFailure, Instant)>,
    /// How many resolutions have come to an end.
    pub(super) rounds: u64,
    /// Whether one was asked for and has not ended.
    asked: bool,
}

/// Names could not be resolved to endpoints.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ResolveFailure {
    /// What was to be resolved, as the user wrote it.
    pub name: String,
    /// What the resolver calls it, such as `ENOTFOUND`.
    pub code: Option<String>,
    /// What went wrong, in words.
    pub message: String,
}

impl fmt::Display for ResolveFailure {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.message)
    }
}

impl std::error::Error for ResolveFailure {}

/// Why there are no endpoints.
pub(super) enum Unknown {
    Failed(ResolveFailure),
    /// The resolution has not come to an end yet.
    Asked {
        rounds: u64,
    },
}

/// Figures of an endpoint.
#[derive(Clone, Debug)]
pub struct EndpointStats {
    /// As the `host` header has it.
    pub authority: String,
    /// The address and port that connections go to, or the name that stands for them.
    pub address: String,
    /// Whether calls go there.
    pub state: EndpointState,
    /// How long it stays set aside, from now.
    pub paused_for: Option<Duration>,
    /// Calls that are under way there, those that wait for a connection included.
    pub pending: usize,
    /// Connections that are open, idle ones included.
    pub open_connections: usize,
    /// Connections that wait for a call.
    pub idle_connections: usize,
    /// Calls that wait for a connection.
    pub calls_waiting: usize,
    /// How often a call went there.
    pub calls: u64,
    /// How often it was not to be reached, or lost a connection with a call on it.
    pub failures: u64,
}

/// Figures of all endpoints together.
#[derive(Clone, Debug, Default)]
pub struct DirectoryStats {
    /// The endpoints that are known now, in the order that they were listed in.
    pub endpoints: Vec<EndpointStats>,
    /// Idempotent calls that were made again.
    pub retries: u64,
    /// Calls that went to another endpoint before any had begun with them.
    pub failovers: u64,
    /// Second attempts that were made while the first was under way.
    pub hedges: u64,
    /// Those of them that answered first.
    pub hedges_won: u64,
    /// How many retries and hedges the budget has left.
    pub retry_budget: u64,
}

impl Directory {
    pub(in super::super) fn fixed(listed: Vec<ListedEndpoint>, options: &ClientOptions) -> Self {
        Self::new(Source::Fixed(Arc::new(EndpointSet::new(listed, None, options))))
    }

    /// Calls `ask` whenever names are to be resolved; each time, [`Directory::resolved`] or
    /// [`Directory::failed`] is to be called afterwards.
    pub(in super::super) fn resolved_by(ask: impl Fn() + Send + Sync + 'static) -> Self {
        Self::new(Source::Resolved {
            known: watch::Sender::new(Known::default()),
            ask: Box::new(ask),
        })
    }

    fn new(source: Source) -> Self {
        Self {
            source,
            random: SplitMix::new(RandomState::new().hash_one(0)),
            budget: Mutex::new(RetryBudget::new(Instant::now())),
            calls: AtomicU64::new(0),
            retries: AtomicU64::new(0),
            failovers: AtomicU64::new(0),
            hedges: AtomicU64::new(0),
            hedges_won: AtomicU64::new(0),
        }
    }

    /// Takes the endpoints that resolving has found; calls in flight on others go on. Does nothing
    /// when the endpoints are fixed.
    pub(in super::super) fn resolved(&self, listed: Vec<ListedEndpoint>, options: &ClientOptions) {
        let Source::Resolved { known, .. } = &self.source else { return };
        known.send_modify(|known| {
            let old = known.set.take();
            let new = EndpointSet::new(listed, old.as_deref(), options);
            for gone in old.iter().flat_map(|old| old.members()) {
                if !new.contains(gone) {
                    gone.pool.retire();
                }
            }
            known.set = Some(Arc::new(new));
            known.end(None);
        });
    }

    /// Resolving has failed: what was known is kept.
    pub(in super::super) fn failed(&self, failure: ResolveFailure) {
        let Source::Resolved { known, .. } = &self.source else { return };
        known.send_modify(|known| known.end(Some((failure, Instant::now()))));
    }

    /// The resolution was not worth the while: the last one is fresh.
    pub(in super::super) fn unchanged(&self) {
        let Source::Resolved { known, .. } = &self.source else { return };
        known.send_modify(|known| {
            let failure = known.failure.take();
            known.end(failure);
        });
    }

    /// The connections of the endpoints that are up. If none is known yet, has them resolved.
    pub(in super::super) fn pools_to_warm(&self) -> Vec<Arc<EndpointPool>> {
        match self.known() {
            Ok(set) => {
                let up = set.members().filter(|member| member.is_up());
                up.map(|member| Arc::clone(&member.pool)).collect()
            }
            Err(_unknown) => Vec::new(),
        }
    }

    /// The endpoints of now. If there are none, has them resolved.
    pub(super) fn known(&self) -> Result<Arc<EndpointSet>, Unknown> {
        let known = match &self.source {
            Source::Fixed(set) => return Ok(Arc::clone(set)),
            Source::Resolved { known, .. } => known.borrow(),
        };
        if let Some(set) = &known.set {
            return Ok(Arc::clone(set));
        }
        if let Some((failure, when)) = &known.failure
            && !known.asked
            && when.elapsed() < FAILURE_MEMORY
        {
            return Err(Unknown::Failed(failure.clone()));
        }
        let rounds = known.rounds;
        drop(known);
        self.ask();
        Err(Unknown::Asked { rounds })
    }

    /// What the last resolution said, if it failed.
    pub(super) fn failure(&self) -> Option<ResolveFailure> {
        let Source::Resolved { known, .. } = &self.source else { return None };
        known.borrow().failure.as_ref().map(|(failure, _)| failure.clone())
    }

    /// Whether there will never be other endpoints than now.
    pub(super) fn is_fixed(&self) -> bool {
        matches!(self.source, Source::Fixed(_))
    }

    /// Has the names resolved, unless that is under way. Returns how many resolutions have ended.
    pub(super) fn ask(&self) -> u64 {
        let Source::Resolved { known, ask } = &self.source else { return 0 };
        // Nobody waits for this change.
        let news = known.send_if_modified(|known| !std::mem::replace(&mut known.asked, true));
        if news {
            ask();
        }
        known.borrow().rounds
    }

    /// Waits for the end of a resolution after the `rounds`th.
    pub(super) async fn resolution_after(&self, rounds: u64) {
        let Source::Resolved { known, .. } = &self.source else { return };
        // An error means that the directory is gone, which it is not: this borrows it.
        let _ = known.subscribe().wait_for(|known| known.rounds > rounds).await;
    }

    /// Makes the connections that a choice has found to be due. Runs on the I/O thread.
    pub(super) fn probe(&self, choice: &mut Choice, limit: Duration) {
        let limit = limit.min(LONGEST_PROBE);
        for (member, epoch) in choice.probes.drain(..) {
            tokio::spawn(member.probe(epoch, limit, self.random.next()));
        }
    }

    pub(super) fn count_call(&self) {
        self.calls.fetch_add(1, Ordering::Relaxed);
    }

    /// Takes a retry from the budget, if there is one.
    pub(super) fn take_retry(&self) -> bool {
        let calls = self.calls.load(Ordering::Relaxed);
        self.budget.lock().unwrap_or_else(PoisonError::into_inner).take(calls, Instant::now())
    }

    /// Takes no more calls and closes what is idle.
    pub(in super::super) fn close(&self) {
        for member in self.members() {
            member.pool.close();
        }
    }

    pub(in super::super) fn members(&self) -> Vec<Arc<Member>> {
        match &self.source {
            Source::Fixed(set) => set.members().cloned().collect(),
            Source::Resolved { known, .. } => {
                known.borrow().set.iter().flat_map(|set| set.members()).cloned().collect()
            }
        }
    }

    pub(in super::super) fn stats(&self) -> DirectoryStats {
        let calls = self.calls.load(Ordering::Relaxed);
        let now = Instant::now();
        let mut budget = self.budget.lock().unwrap_or_else(PoisonError::into_inner);
        DirectoryStats {
            endpoints: self.members().iter().map(|member| endpoint_stats(member, now)).collect(),
            retries: self.retries.load(Ordering::Relaxed),
            failovers: self.failovers.load(Ordering::Relaxed),
            hedges: self.hedges.load(Ordering::Relaxed),
            hedges_won: self.hedges_won.load(Ordering::Relaxed),
            retry_budget: budget.left(calls, now),
        }
    }
}

impl Known {
    fn end(&mut self, failure: Option<(ResolveFailure, Instant)>) {
        self.failure = failure;
        self.rounds += 1;
        self.asked = false;
    }
}

fn endpoint_stats(member: &Member, now: Instant) -> EndpointStats {
    let stats = member.stats();
    let pool = member.pool.stats();
    EndpointStats {
        authority: member.authority.clone(),
        address: member.endpoint.destination(),
        state: stats.state,
        paused_for: stats.paused_until.map(|until| until.saturating_duration_since(now)),
        pending: stats.pending,
        open_connections: pool.open,
        idle_connections: pool.idle,
        calls_waiting: pool.waiting,
        calls: stats.calls,
        failures: stats.failures,
    }
}
