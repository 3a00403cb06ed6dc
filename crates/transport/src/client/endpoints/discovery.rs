use std::fmt;
use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::watch;

use super::super::options::{ClientOptions, ListedEndpoint};
use super::super::pool::Pool;
use super::endpoint::{Endpoint, EndpointStats};
use super::random::SplitMix;
use super::set::EndpointSet;

/// After a failed resolution, calls without endpoints fail at once for this long.
const FAILURE_MEMORY: Duration = Duration::from_millis(500);

const LONGEST_PROBE: Duration = Duration::from_secs(10);

pub(in super::super) struct Discovery {
    source: Source,
    pub(in super::super) random: SplitMix,
}

enum Source {
    /// Reading needs no lock.
    Fixed(Arc<EndpointSet>),
    Resolved {
        known: watch::Sender<Known>,
        resolve: Box<dyn Fn() + Send + Sync>,
    },
}

#[derive(Default)]
struct Known {
    set: Option<Arc<EndpointSet>>,
    failure: Option<(ResolveFailure, Instant)>,
    rounds: u64,
    requested: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ResolveFailure {
    pub name: String,
    /// The resolver's code, such as `ENOTFOUND`.
    pub code: Option<String>,
    pub message: String,
}

impl fmt::Display for ResolveFailure {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.message)
    }
}

impl std::error::Error for ResolveFailure {}

pub(in super::super) enum Unknown {
    Failed(ResolveFailure),
    Requested { rounds: u64 },
}

impl Discovery {
    pub(in super::super) fn fixed(listed: Vec<ListedEndpoint>, options: &ClientOptions) -> Self {
        Self::new(Source::Fixed(Arc::new(EndpointSet::new(listed, None, options))))
    }

    /// `resolve` starts a resolution, which must end with [`Discovery::update`],
    /// [`Discovery::failed`] or [`Discovery::unchanged`].
    pub(in super::super) fn resolved_by(resolve: impl Fn() + Send + Sync + 'static) -> Self {
        Self::new(Source::Resolved {
            known: watch::Sender::new(Known::default()),
            resolve: Box::new(resolve),
        })
    }

    fn new(source: Source) -> Self {
        Self { source, random: SplitMix::new(RandomState::new().hash_one(0)) }
    }

    pub(in super::super) fn update(&self, listed: Vec<ListedEndpoint>, options: &ClientOptions) {
        let Source::Resolved { known, .. } = &self.source else { return };
        known.send_modify(|known| {
            let old = known.set.take();
            let new = EndpointSet::new(listed, old.as_deref(), options);
            for gone in old.iter().flat_map(|old| old.endpoints()) {
                if !new.contains(gone) {
                    gone.pool.retire();
                }
            }
            known.set = Some(Arc::new(new));
            known.end(None);
        });
    }

    pub(in super::super) fn failed(&self, failure: ResolveFailure) {
        let Source::Resolved { known, .. } = &self.source else { return };
        known.send_modify(|known| known.end(Some((failure, Instant::now()))));
    }

    pub(in super::super) fn unchanged(&self) {
        let Source::Resolved { known, .. } = &self.source else { return };
        known.send_modify(|known| {
            let failure = known.failure.take();
            known.end(failure);
        });
    }

    pub(in super::super) fn pools(&self) -> Vec<Arc<Pool>> {
        match self.known() {
            Ok(set) => {
                let up = set.endpoints().filter(|endpoint| endpoint.is_up());
                up.map(|endpoint| Arc::clone(&endpoint.pool)).collect()
            }
            Err(_unknown) => Vec::new(),
        }
    }

    pub(in super::super) fn known(&self) -> Result<Arc<EndpointSet>, Unknown> {
        let known = match &self.source {
            Source::Fixed(set) => return Ok(Arc::clone(set)),
            Source::Resolved { known, .. } => known.borrow(),
        };
        if let Some(set) = &known.set {
            return Ok(Arc::clone(set));
        }
        if let Some((failure, when)) = &known.failure
            && !known.requested
            && when.elapsed() < FAILURE_MEMORY
        {
            return Err(Unknown::Failed(failure.clone()));
        }
        let rounds = known.rounds;
        drop(known);
        self.request_update();
        Err(Unknown::Requested { rounds })
    }

    /// Also starts due probes. Runs on the I/O thread.
    pub(in super::super) fn choose(
        &self,
        set: &EndpointSet,
        tried: &[Arc<Endpoint>],
        connect_timeout: Duration,
    ) -> Option<Arc<Endpoint>> {
        let choice = set.choose(tried, self.random.next());
        let limit = connect_timeout.min(LONGEST_PROBE);
        for (endpoint, epoch) in choice.probes {
            tokio::spawn(endpoint.probe(epoch, limit, self.random.next()));
        }
        choice.endpoint
    }

    pub(in super::super) fn failure(&self) -> Option<ResolveFailure> {
        let Source::Resolved { known, .. } = &self.source else { return None };
        known.borrow().failure.as_ref().map(|(failure, _)| failure.clone())
    }

    pub(in super::super) fn is_fixed(&self) -> bool {
        matches!(self.source, Source::Fixed(_))
    }

    /// Starts a resolution unless one is running. Returns how many have ended.
    pub(in super::super) fn request_update(&self) -> u64 {
        let Source::Resolved { known, resolve } = &self.source else { return 0 };
        let first = known.send_if_modified(|known| !std::mem::replace(&mut known.requested, true));
        if first {
            resolve();
        }
        known.borrow().rounds
    }

    pub(in super::super) async fn resolution_after(&self, rounds: u64) {
        let Source::Resolved { known, .. } = &self.source else { return };
        let _ = known.subscribe().wait_for(|known| known.rounds > rounds).await;
    }

    pub(in super::super) fn close(&self) {
        for endpoint in self.endpoints() {
            endpoint.pool.close();
        }
    }

    pub(in super::super) fn endpoints(&self) -> Vec<Arc<Endpoint>> {
        match &self.source {
            Source::Fixed(set) => set.endpoints().cloned().collect(),
            Source::Resolved { known, .. } => {
                known.borrow().set.iter().flat_map(|set| set.endpoints()).cloned().collect()
            }
        }
    }

    pub(in super::super) fn stats(&self) -> Vec<EndpointStats> {
        let now = Instant::now();
        self.endpoints().iter().map(|endpoint| endpoint.stats(now)).collect()
    }
}

impl Known {
    fn end(&mut self, failure: Option<(ResolveFailure, Instant)>) {
        self.failure = failure;
        self.rounds += 1;
        self.requested = false;
    }
}
