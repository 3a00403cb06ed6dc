//! The queue of events for one JavaScript thread, and how that thread is woken.

use std::collections::VecDeque;
use std::sync::MutexGuard;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::{Duration, Instant};

use napi::threadsafe_function::{
    ThreadsafeFunction, ThreadsafeFunctionCallMode, UnknownReturnValue,
};
use napi::{Env, Result, Status};

use crate::events::Event;
use crate::locks::Mutex;

/// Has the JavaScript side drain its events. It is weak: by itself it keeps no process alive.
pub(crate) type Wake = ThreadsafeFunction<(), UnknownReturnValue, (), Status, false, true>;

/// After this many events JavaScript is woken even if the I/O thread does not park.
const WAKE_AFTER: usize = 64;
/// How often a spinning thread looks before it checks the time and yields: for about half a microsecond.
const LOOKS: u32 = 16;

/// Events on their way to one JavaScript environment.
///
/// The I/O thread adds events and wakes JavaScript when it parks, so that one wake-up serves everything
/// that was ready. At most one wake-up is pending.
pub(crate) struct EventQueue {
    events: Mutex<VecDeque<Event>>,
    /// Events that the JavaScript thread has fetched. Only that thread holds this lock for long, so
    /// other threads do not wait while it writes them out.
    fetched: Mutex<VecDeque<Event>>,
    /// Whether there are events, readable without the lock.
    ready: AtomicBool,
    /// Whether the JavaScript thread has left some of the events that it fetched.
    left: AtomicBool,
    /// Whether there is something to fetch besides the events: calls in the queue of a worker.
    announced: AtomicBool,
    waking: AtomicBool,
    /// How long the I/O threads should spin, in microseconds.
    io_spin: AtomicU32,
    /// `None` once the environment is gone: a threadsafe function may not outlive it.
    wake: Mutex<Option<Wake>>,
}

impl EventQueue {
    pub(crate) fn new(wake: Wake) -> Self {
        Self {
            events: Mutex::default(),
            fetched: Mutex::default(),
            ready: AtomicBool::new(false),
            left: AtomicBool::new(false),
            announced: AtomicBool::new(false),
            waking: AtomicBool::new(false),
            io_spin: AtomicU32::new(0),
            wake: Mutex::new(Some(wake)),
        }
    }

    /// Adds an event. JavaScript sees it after the next [`EventQueue::wake`].
    pub(crate) fn push(&self, event: Event) {
        let mut events = self.events.lock();
        events.push_back(event);
        // SeqCst with `waking` in `spin`; otherwise both sides could miss each other.
        self.ready.store(true, Ordering::SeqCst);
        let urgent = events.len().is_multiple_of(WAKE_AFTER);
        drop(events);
        if urgent {
            self.wake();
        }
    }

    /// Says that there is something to fetch besides the events. JavaScript sees it after the next
    /// [`EventQueue::wake`].
    pub(crate) fn announce(&self) {
        // SeqCst as in `push`.
        self.announced.store(true, Ordering::SeqCst);
    }

    /// Wakes JavaScript if there is something to fetch and no wake-up is pending.
    pub(crate) fn wake(&self) {
        let announced = self.announced.load(Ordering::SeqCst);
        let left = self.left.load(Ordering::Acquire);
        let nothing = !announced && !left && !self.ready.load(Ordering::SeqCst);
        if nothing || self.waking.swap(true, Ordering::SeqCst) {
            return;
        }
        if let Some(wake) = &*self.wake.lock() {
            wake.call((), ThreadsafeFunctionCallMode::NonBlocking);
        }
    }

    /// Says that JavaScript is about to fetch: whatever arrives from now on needs another wake-up.
    pub(crate) fn looked(&self) {
        self.waking.store(false, Ordering::Release);
        self.announced.store(false, Ordering::SeqCst);
    }

    /// The events, for the JavaScript thread to take from the front. Events that it leaves come first the
    /// next time; call [`EventQueue::taken`] afterwards.
    pub(crate) fn fetch(&self) -> MutexGuard<'_, VecDeque<Event>> {
        let mut fetched = self.fetched.lock();
        let mut events = self.events.lock();
        if fetched.is_empty() {
            // Both queues keep their memory.
            std::mem::swap(&mut *fetched, &mut *events);
        } else {
            fetched.append(&mut events);
        }
        // While `events` is locked; otherwise this could hide an event that has just been added.
        self.ready.store(false, Ordering::Release);
        fetched
    }

    /// Says that the JavaScript thread has taken events and leaves the rest.
    pub(crate) fn taken(&self, left: &MutexGuard<'_, VecDeque<Event>>) {
        self.left.store(!left.is_empty(), Ordering::Release);
    }

    /// Spins on the JavaScript thread until there are events, that thread has other work, or `limit` is
    /// over. Returns whether there are events; the caller takes them at once. Other threads need not wake
    /// JavaScript meanwhile.
    pub(crate) fn spin(&self, limit: Duration, has_other_work: impl Fn() -> bool) -> bool {
        if self.waking.swap(true, Ordering::SeqCst) {
            // A wake-up is pending and will find what is there.
            return false;
        }
        let start = Instant::now();
        loop {
            for _ in 0..LOOKS {
                if self.ready.load(Ordering::Acquire) || self.announced.load(Ordering::Acquire) {
                    return true;
                }
                std::hint::spin_loop();
            }
            if start.elapsed() >= limit || has_other_work() {
                break;
            }
            // The thread that brings the event may be waiting for this CPU.
            std::thread::yield_now();
        }
        self.waking.store(false, Ordering::SeqCst);
        self.ready.load(Ordering::SeqCst) || self.announced.load(Ordering::SeqCst)
    }

    /// Keeps the event loop of the environment alive, or lets it end.
    #[expect(deprecated, reason = "a clone does not refer a function that was made weak")]
    pub(crate) fn keep_alive(&self, env: &Env, alive: bool) -> Result<()> {
        match &mut *self.wake.lock() {
            Some(wake) if alive => wake.refer(env),
            Some(wake) => wake.unref(env),
            None => Ok(()),
        }
    }

    /// How long this environment wants the I/O threads to spin, in microseconds.
    pub(crate) fn io_spin(&self) -> &AtomicU32 {
        &self.io_spin
    }

    /// Stops all wake-ups because the environment is ending.
    pub(crate) fn close(&self) {
        drop(self.wake.lock().take());
        self.events.lock().clear();
        self.fetched.lock().clear();
    }
}
