//! Spreads the calls of a server over the worker threads that serve it.
//!
//! Each worker has a queue, from which it takes one call at a time; the next call goes to the worker
//! with the fewest calls in flight. What a worker has not taken yet, others may take: when they have
//! much less to do, or when it lies for so long that the worker is certainly busy with something that
//! does not let go of the thread. So a function that blocks one worker delays no other call.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, Weak};
use std::time::{Duration, Instant};

use backwater_transport::{IncomingCall, Outcome, Service, Spawner};
use http::StatusCode;

use crate::completions::Completions;
use crate::events::Event;
use crate::replies::{Accepted, Replies};

/// How long a call may lie before a worker with less to do may take it.
const LATE: Duration = Duration::from_millis(2);
/// How long a call may lie before any other worker may take it.
const STUCK: Duration = Duration::from_millis(50);
/// How often queues are looked after while something lies in them.
const LOOK_AFTER: Duration = Duration::from_millis(5);
/// How long calls wait when there is no worker: long enough for one to be replaced after a crash.
const PATIENCE: Duration = Duration::from_secs(5);
/// After so many calls a worker is woken even if the I/O thread does not park.
const WAKE_AFTER: usize = 64;

/// Counts a call among those in flight of a worker.
pub(crate) struct InFlight(Arc<Worker>);

impl InFlight {
    fn new(worker: &Arc<Worker>) -> Self {
        worker.in_flight.fetch_add(1, Ordering::Relaxed);
        Self(Arc::clone(worker))
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.in_flight.fetch_sub(1, Ordering::Relaxed);
    }
}

/// A call that lies in a queue.
struct Queued {
    call: Accepted,
    since: Instant,
}

/// A worker thread that serves a server.
pub(crate) struct Worker {
    server: u32,
    /// Which of the server's workers it is: a replacement has the number of its predecessor.
    slot: u32,
    team: Weak<Workers>,
    completions: Arc<Completions>,
    replies: Arc<Replies>,
    queue: Mutex<VecDeque<Queued>>,
    /// Calls that were given to it and not answered, those in the queue included.
    in_flight: AtomicUsize,
    taken: AtomicU64,
}

impl Worker {
    /// The next call for this worker's thread to run.
    pub(crate) fn take(self: &Arc<Self>) -> Option<Event> {
        loop {
            let Accepted { function, message, caller } =
                self.take_own().or_else(|| self.steal())?;
            if !caller.is_waiting() {
                caller.give_up();
                continue;
            }
            self.taken.fetch_add(1, Ordering::Relaxed);
            let call = self.replies.add(caller);
            return Some(Event::Call { call, server: self.server, function, message });
        }
    }

    /// Ends its service: its thread is going away.
    pub(crate) fn leave(self: &Arc<Self>) {
        if let Some(team) = self.team.upgrade() {
            team.remove(self);
        }
    }

    fn take_own(&self) -> Option<Accepted> {
        self.queue().pop_front().map(|queued| queued.call)
    }

    /// The call that has lain for longest with a worker that has more to do.
    fn steal(self: &Arc<Self>) -> Option<Accepted> {
        let team = self.team.upgrade()?;
        let now = Instant::now();
        let others = team.workers();
        let mut call =
            others.iter().filter(|other| !Arc::ptr_eq(other, self)).find_map(|other| {
                let relieved = self.load() + 1 < other.load();
                let mut queue = other.queue();
                let since = queue.front()?.since;
                if !relieved && now.saturating_duration_since(since) < STUCK {
                    return None;
                }
                queue.pop_front().map(|queued| queued.call)
            })?;
        call.caller.in_flight = Some(InFlight::new(self));
        Some(call)
    }

    fn put(self: &Arc<Self>, mut queued: Queued) {
        queued.call.caller.in_flight = Some(InFlight::new(self));
        let mut queue = self.queue();
        queue.push_back(queued);
        let urgent = queue.len().is_multiple_of(WAKE_AFTER);
        drop(queue);
        self.completions.announce();
        if urgent {
            self.completions.wake();
        }
    }

    fn load(&self) -> usize {
        self.in_flight.load(Ordering::Relaxed)
    }

    fn queue(&self) -> MutexGuard<'_, VecDeque<Queued>> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What one worker is doing.
pub(crate) struct WorkerStats {
    pub(crate) slot: u32,
    pub(crate) in_flight: usize,
    pub(crate) taken: u64,
}

/// All worker threads of one server.
pub(crate) struct Workers {
    server: u32,
    spawner: Spawner,
    workers: RwLock<Vec<Arc<Worker>>>,
    /// Where the search for the worker with the fewest calls begins, so that they take turns.
    next: AtomicUsize,
    /// Calls that came when there was no worker.
    parked: Mutex<VecDeque<Queued>>,
    /// Whether a task looks after the queues.
    looked_after: AtomicBool,
}

impl Workers {
    pub(crate) fn new(server: u32, spawner: Spawner) -> Arc<Self> {
        Arc::new(Self {
            server,
            spawner,
            workers: RwLock::default(),
            next: AtomicUsize::new(0),
            parked: Mutex::default(),
            looked_after: AtomicBool::new(false),
        })
    }

    /// Adds a worker, which gets the calls that have waited for one.
    pub(crate) fn add(
        self: &Arc<Self>,
        slot: u32,
        completions: &Arc<Completions>,
        replies: &Arc<Replies>,
    ) -> Arc<Worker> {
        let worker = Arc::new(Worker {
            server: self.server,
            slot,
            team: Arc::downgrade(self),
            completions: Arc::clone(completions),
            replies: Arc::clone(replies),
            queue: Mutex::default(),
            in_flight: AtomicUsize::new(0),
            taken: AtomicU64::new(0),
        });
        let mut workers = self.workers.write().unwrap_or_else(PoisonError::into_inner);
        workers.push(Arc::clone(&worker));
        drop(workers);
        let parked = std::mem::take(&mut *self.parked());
        let any = !parked.is_empty();
        parked.into_iter().for_each(|queued| self.assign(queued));
        if any {
            worker.completions.wake();
        }
        worker
    }

    /// Takes a worker out. Its calls that have not begun go to the others.
    fn remove(self: &Arc<Self>, worker: &Arc<Worker>) {
        let mut workers = self.workers.write().unwrap_or_else(PoisonError::into_inner);
        workers.retain(|other| !Arc::ptr_eq(other, worker));
        drop(workers);
        // Nobody adds to it any more: that is done with the list of workers locked.
        let left = std::mem::take(&mut *worker.queue());
        left.into_iter().for_each(|queued| self.assign(queued));
    }

    pub(crate) fn stats(&self) -> Vec<WorkerStats> {
        let stats = |worker: &Arc<Worker>| WorkerStats {
            slot: worker.slot,
            in_flight: worker.load(),
            taken: worker.taken.load(Ordering::Relaxed),
        };
        self.workers().iter().map(stats).collect()
    }

    fn assign(self: &Arc<Self>, queued: Queued) {
        let workers = self.workers();
        // One less each time, so that calls of one at a time go round as well.
        let first = self.next.fetch_add(1, Ordering::Relaxed);
        let turns = workers.iter().cycle().skip(first % workers.len().max(1)).take(workers.len());
        match turns.min_by_key(|worker| worker.load()) {
            Some(worker) => worker.put(queued),
            None => self.parked().push_back(queued),
        }
        drop(workers);
        self.look_after();
    }

    /// Starts the task that looks after the queues, unless there is one.
    fn look_after(self: &Arc<Self>) {
        if self.looked_after.swap(true, Ordering::AcqRel) {
            return;
        }
        let team = Arc::downgrade(self);
        // Fails only when the thread has ended, and all calls with it.
        let _ = self.spawner.spawn(move || look_after(team));
    }

    /// Wakes those that can take what lies for too long, and refuses what nobody takes. False when
    /// there is nothing left to look after.
    fn relieve(&self) -> bool {
        let waiting = self.give_up_parked();
        let workers = self.workers();
        let heads: Vec<_> =
            workers.iter().map(|worker| worker.queue().front().map(|head| head.since)).collect();
        let now = Instant::now();
        let is_late = |since: &Instant| now.saturating_duration_since(*since) >= LATE;
        if heads.iter().flatten().any(is_late) {
            for worker in workers.iter() {
                worker.completions.announce();
                worker.completions.wake();
            }
        }
        waiting || heads.iter().any(Option::is_some)
    }

    /// True when there are more.
    fn give_up_parked(&self) -> bool {
        let now = Instant::now();
        let mut parked = self.parked();
        while parked.front().is_some_and(|first| now.duration_since(first.since) >= PATIENCE) {
            if let Some(Queued { call, .. }) = parked.pop_front() {
                let refusal = Outcome::Refused(StatusCode::SERVICE_UNAVAILABLE, "no_worker");
                call.caller.reply.send(refusal);
            }
        }
        !parked.is_empty()
    }

    fn workers(&self) -> RwLockReadGuard<'_, Vec<Arc<Worker>>> {
        self.workers.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn parked(&self) -> MutexGuard<'_, VecDeque<Queued>> {
        self.parked.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Runs as long as something lies in a queue.
async fn look_after(team: Weak<Workers>) {
    loop {
        tokio::time::sleep(LOOK_AFTER).await;
        let Some(team) = team.upgrade() else { return };
        if team.relieve() {
            continue;
        }
        team.looked_after.store(false, Ordering::Release);
        // What came in between has not started another task.
        if !team.relieve() || team.looked_after.swap(true, Ordering::AcqRel) {
            return;
        }
    }
}

/// Hands the calls of a server to its workers.
pub(crate) struct WorkersService(pub(crate) Arc<Workers>);

impl Service for WorkersService {
    fn call(&self, call: IncomingCall) {
        self.0.assign(Queued { call: Accepted::new(call), since: Instant::now() });
    }
}
