//! The queue of what JavaScript is to hear, and its wake-up.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use napi::threadsafe_function::{
    ThreadsafeFunction, ThreadsafeFunctionCallMode, UnknownReturnValue,
};
use napi::{Env, Result, Status};

use crate::events::Event;

/// Calls the `drain` function of src/bridge.ts. Weak: it keeps no process alive unless it is told to.
pub(crate) type Wake = ThreadsafeFunction<(), UnknownReturnValue, (), Status, false, true>;

/// After this many events JavaScript is woken even if the I/O thread does not park.
const WAKE_AFTER: usize = 64;
/// How often a spinning thread looks before it asks for the time and lets others run: for half a
/// microsecond.
const LOOKS: u32 = 16;

/// Events on their way to one JavaScript environment.
///
/// The I/O thread adds them and wakes JavaScript when it has nothing else to do, so that one wake-up
/// serves all that was ready. At most one wake-up is under way.
pub(crate) struct Completions {
    events: Mutex<VecDeque<Event>>,
    /// Those that the JavaScript thread has fetched. Only that one locks it for more than a moment, so
    /// that no other waits while it writes them out.
    fetched: Mutex<VecDeque<Event>>,
    /// Whether there are events, to be seen without the lock.
    ready: AtomicBool,
    /// Whether the JavaScript thread has left some of those that it had fetched.
    left: AtomicBool,
    /// Whether there is something to fetch besides the events: calls that workers share out.
    announced: AtomicBool,
    waking: AtomicBool,
    /// For how long the I/O threads are to wait awake, in microseconds.
    io_spin: AtomicU32,
    /// `None` once the environment is gone: a threadsafe function may not outlive it.
    wake: Mutex<Option<Wake>>,
}

impl Completions {
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

    /// Adds an event; JavaScript hears of it by the next [`Completions::wake`].
    pub(crate) fn push(&self, event: Event) {
        let mut events = locked(&self.events);
        events.push_back(event);
        // In one order with what `spin` does with `waking`, or both sides could miss each other.
        self.ready.store(true, Ordering::SeqCst);
        let urgent = events.len().is_multiple_of(WAKE_AFTER);
        drop(events);
        if urgent {
            self.wake();
        }
    }

    /// Says that there is something to fetch besides the events; JavaScript hears of it by the next
    /// [`Completions::wake`].
    pub(crate) fn announce(&self) {
        // In one order with what `spin` does with `waking`, as in `push`.
        self.announced.store(true, Ordering::SeqCst);
    }

    /// Wakes JavaScript if there is something to hear and it does not know that yet.
    pub(crate) fn wake(&self) {
        let announced = self.announced.load(Ordering::SeqCst);
        let left = self.left.load(Ordering::Acquire);
        let nothing = !announced && !left && !self.ready.load(Ordering::SeqCst);
        if nothing || self.waking.swap(true, Ordering::SeqCst) {
            return;
        }
        if let Some(wake) = &*locked(&self.wake) {
            wake.call((), ThreadsafeFunctionCallMode::NonBlocking);
        }
    }

    /// Says that JavaScript has come to look: what arrives from now on needs another wake-up.
    pub(crate) fn looked(&self) {
        self.waking.store(false, Ordering::Release);
        self.announced.store(false, Ordering::SeqCst);
    }

    /// The events, for the JavaScript thread to take from the front. Those that it leaves come first the
    /// next time; `taken` is to be told whether there are some.
    pub(crate) fn fetch(&self) -> MutexGuard<'_, VecDeque<Event>> {
        let mut fetched = locked(&self.fetched);
        let mut events = locked(&self.events);
        if fetched.is_empty() {
            // Both keep the memory that they have.
            std::mem::swap(&mut *fetched, &mut *events);
        } else {
            fetched.append(&mut events);
        }
        // While the lock is held, or it could hide an event that has just been added.
        self.ready.store(false, Ordering::Release);
        fetched
    }

    /// Says that the JavaScript thread has taken events, while it still holds the others.
    pub(crate) fn taken(&self, left: &MutexGuard<'_, VecDeque<Event>>) {
        self.left.store(!left.is_empty(), Ordering::Release);
    }

    /// Waits on the JavaScript thread for events, without sleeping, for at most `limit`, or until that
    /// thread has something else to do; whether there are some, which are then to be taken at once.
    /// Meanwhile nobody needs to wake JavaScript.
    pub(crate) fn spin(&self, limit: Duration, has_other_work: impl Fn() -> bool) -> bool {
        if self.waking.swap(true, Ordering::SeqCst) {
            // A wake-up is on its way already, and will find what is there.
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
            // Whoever else waits for this CPU goes first; it may be the one that brings the event.
            std::thread::yield_now();
        }
        self.waking.store(false, Ordering::SeqCst);
        self.ready.load(Ordering::SeqCst) || self.announced.load(Ordering::SeqCst)
    }

    /// Keeps the event loop of the environment running, or lets it end.
    #[expect(deprecated, reason = "a clone does not refer a function that was made weak")]
    pub(crate) fn keep_alive(&self, env: &Env, alive: bool) -> Result<()> {
        match &mut *locked(&self.wake) {
            Some(wake) if alive => wake.refer(env),
            Some(wake) => wake.unref(env),
            None => Ok(()),
        }
    }

    /// For how long this environment wants the I/O threads to wait awake, in microseconds.
    pub(crate) fn io_spin(&self) -> &AtomicU32 {
        &self.io_spin
    }

    /// Ends the wake-ups: the environment is going away.
    pub(crate) fn close(&self) {
        drop(locked(&self.wake).take());
        locked(&self.events).clear();
        locked(&self.fetched).clear();
    }
}

/// A panic while one of these locks is held leaves the queue whole: it is used all the same.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
