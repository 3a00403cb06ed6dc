use std::collections::VecDeque;
use std::sync::MutexGuard;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::{Duration, Instant};

use napi::threadsafe_function::{
    ThreadsafeFunction, ThreadsafeFunctionCallMode, UnknownReturnValue,
};
use napi::{Env, Result, Status};

use crate::events::Event;
use backwater_transport::locks::Mutex;

/// Weak, so it does not keep the process alive.
pub(crate) type Wake = ThreadsafeFunction<(), UnknownReturnValue, (), Status, false, true>;

/// JavaScript is woken after this many events even if the I/O thread does not park.
const WAKE_AFTER: usize = 64;
/// How often to look before checking the clock, about half a microsecond.
const LOOKS: u32 = 16;

/// The I/O thread wakes JavaScript when it parks, so one wake-up serves everything that was ready.
pub(crate) struct EventQueue {
    events: Mutex<VecDeque<Event>>,
    /// Only the JavaScript thread holds this lock for long.
    fetched: Mutex<VecDeque<Event>>,
    /// Readable without the lock.
    ready: AtomicBool,
    left: AtomicBool,
    /// Whether the queue of a worker has calls.
    announced: AtomicBool,
    waking: AtomicBool,
    io_spin: AtomicU32,
    /// `None` once the environment has ended, which a threadsafe function may not outlive.
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

    pub(crate) fn announce(&self) {
        // SeqCst as in `push`.
        self.announced.store(true, Ordering::SeqCst);
    }

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

    /// Later events need another wake-up.
    pub(crate) fn looked(&self) {
        self.waking.store(false, Ordering::Release);
        self.announced.store(false, Ordering::SeqCst);
    }

    /// Call [`EventQueue::taken`] afterwards. Events that remain come first the next time.
    pub(crate) fn fetch(&self) -> MutexGuard<'_, VecDeque<Event>> {
        let mut fetched = self.fetched.lock();
        let mut events = self.events.lock();
        if fetched.is_empty() {
            std::mem::swap(&mut *fetched, &mut *events);
        } else {
            fetched.append(&mut events);
        }
        // While `events` is locked; otherwise this could hide a new event.
        self.ready.store(false, Ordering::Release);
        fetched
    }

    pub(crate) fn taken(&self, left: &MutexGuard<'_, VecDeque<Event>>) {
        self.left.store(!left.is_empty(), Ordering::Release);
    }

    /// Returns whether there are events, which the caller must take at once.
    pub(crate) fn spin(&self, limit: Duration, has_other_work: impl Fn() -> bool) -> bool {
        if self.waking.swap(true, Ordering::SeqCst) {
            // A wake-up is pending and will find the events.
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

    #[expect(deprecated, reason = "cloning does not ref a function that was made weak")]
    pub(crate) fn keep_alive(&self, env: &Env, alive: bool) -> Result<()> {
        match &mut *self.wake.lock() {
            Some(wake) if alive => wake.refer(env),
            Some(wake) => wake.unref(env),
            None => Ok(()),
        }
    }

    pub(crate) fn io_spin(&self) -> &AtomicU32 {
        &self.io_spin
    }

    pub(crate) fn close(&self) {
        drop(self.wake.lock().take());
        self.events.lock().clear();
        self.fetched.lock().clear();
    }
}
