//! Spreads the calls of a server over its worker threads.
//!
//! A call goes to the worker with the fewest calls in flight. Until it starts, another worker may
//! take it if that worker has much less to do, or if the call has waited so long that its worker
//! must be blocked.

use std::collections::{BTreeMap, VecDeque};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use backwater_transport::{IncomingCall, Outcome, Service, Spawner};
use http::StatusCode;

use crate::served_calls::AcceptedCall;
use crate::stats::WorkerFigures;
use crate::workers::worker::{QueuedCall, Worker};
use backwater_transport::locks::{Mutex, RwLock};

/// A worker with less to do is woken for a call after this wait.
const LATE: Duration = Duration::from_millis(2);
/// Any other worker may take a call after this wait.
const STUCK: Duration = Duration::from_millis(50);
const CHECK_INTERVAL: Duration = Duration::from_millis(5);
/// Enough to replace a worker that crashed.
const NO_WORKER_TIMEOUT: Duration = Duration::from_secs(5);

static TEAMS: Mutex<BTreeMap<u32, Arc<Team>>> = Mutex::new(BTreeMap::new());

pub(crate) struct Team {
    spawner: Spawner,
    workers: RwLock<Vec<Arc<Worker>>>,
    next: AtomicUsize,
    parked: Mutex<VecDeque<QueuedCall>>,
    checking: AtomicBool,
}

impl Team {
    pub(crate) fn create(server: u32, spawner: Spawner) -> Arc<Self> {
        let team = Arc::new(Self {
            spawner,
            workers: RwLock::default(),
            next: AtomicUsize::new(0),
            parked: Mutex::default(),
            checking: AtomicBool::new(false),
        });
        TEAMS.lock().insert(server, Arc::clone(&team));
        team
    }

    pub(crate) fn find(server: u32) -> Option<Arc<Self>> {
        TEAMS.lock().get(&server).map(Arc::clone)
    }

    pub(crate) fn dissolve(server: u32) {
        TEAMS.lock().remove(&server);
    }

    pub(crate) fn join(self: &Arc<Self>, worker: &Arc<Worker>) {
        self.workers.write().push(Arc::clone(worker));
        let parked = std::mem::take(&mut *self.parked.lock());
        let any = !parked.is_empty();
        parked.into_iter().for_each(|queued| self.assign(queued));
        if any {
            worker.wake();
        }
    }

    /// Calls that have not started go to other workers.
    pub(crate) fn leave(self: &Arc<Self>, worker: &Arc<Worker>) {
        self.workers.write().retain(|other| !Arc::ptr_eq(other, worker));
        // `assign` locks the list of workers, so it adds no more calls here.
        let left = std::mem::take(&mut *worker.queue());
        left.into_iter().for_each(|queued| self.assign(queued));
    }

    pub(crate) fn figures(&self) -> Vec<WorkerFigures> {
        self.workers.read().iter().map(|worker| worker.figures()).collect()
    }

    pub(crate) fn steal(&self, worker: &Arc<Worker>) -> Option<AcceptedCall> {
        let now = Instant::now();
        let workers = self.workers.read();
        let mut others = workers.iter().filter(|other| !Arc::ptr_eq(other, worker));
        let call = others.find_map(|other| {
            let is_relief = worker.load() + 1 < other.load();
            let mut queue = other.queue();
            let since = queue.front()?.since;
            if !is_relief && now.saturating_duration_since(since) < STUCK {
                return None;
            }
            queue.pop_front().map(|queued| queued.call)
        })?;
        Some(worker.adopt(call))
    }

    fn assign(self: &Arc<Self>, queued: QueuedCall) {
        let workers = self.workers.read();
        // Starting at the next worker makes single calls rotate, too.
        let first = self.next.fetch_add(1, Ordering::Relaxed);
        let turns = workers.iter().cycle().skip(first % workers.len().max(1)).take(workers.len());
        match turns.min_by_key(|worker| worker.load()) {
            Some(worker) => worker.enqueue(queued),
            None => self.parked.lock().push_back(queued),
        }
        drop(workers);
        self.start_checking();
    }

    fn start_checking(self: &Arc<Self>) {
        if self.checking.swap(true, Ordering::AcqRel) {
            return;
        }
        let team = Arc::downgrade(self);
        // Fails only if the thread, and so every call, has ended.
        let _ = self.spawner.spawn(move || check_queues(team));
    }

    fn check(&self) -> bool {
        let any_parked = self.refuse_parked();
        let workers = self.workers.read();
        let heads: Vec<_> =
            workers.iter().map(|worker| worker.queue().front().map(|head| head.since)).collect();
        let now = Instant::now();
        let is_late = |since: &Instant| now.saturating_duration_since(*since) >= LATE;
        if heads.iter().flatten().any(is_late) {
            workers.iter().for_each(|worker| worker.wake());
        }
        any_parked || heads.iter().any(Option::is_some)
    }

    fn refuse_parked(&self) -> bool {
        let now = Instant::now();
        let mut parked = self.parked.lock();
        let is_due = |first: &QueuedCall| now.duration_since(first.since) >= NO_WORKER_TIMEOUT;
        while parked.front().is_some_and(is_due) {
            if let Some(QueuedCall { call, .. }) = parked.pop_front() {
                let refusal = Outcome::Refused(StatusCode::SERVICE_UNAVAILABLE, "no_worker");
                call.caller.reply.send(refusal);
            }
        }
        !parked.is_empty()
    }
}

async fn check_queues(team: Weak<Team>) {
    loop {
        tokio::time::sleep(CHECK_INTERVAL).await;
        let Some(team) = team.upgrade() else { return };
        if team.check() {
            continue;
        }
        team.checking.store(false, Ordering::Release);
        // A call that arrived in between has not started another task.
        if !team.check() || team.checking.swap(true, Ordering::AcqRel) {
            return;
        }
    }
}

pub(crate) struct TeamService(pub(crate) Arc<Team>);

impl Service for TeamService {
    fn call(&self, call: IncomingCall) {
        self.0.assign(QueuedCall::new(AcceptedCall::new(call)));
    }
}
