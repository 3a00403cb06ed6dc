//! The thread that all sockets live on.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::future::{Future, poll_fn};
use std::io;
use std::num::NonZeroUsize;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::thread::{self, JoinHandle, ThreadId};
use std::time::Duration;

use tokio::runtime::{Builder, LocalOptions, LocalRuntime};

use crate::mailbox::Mailbox;
use crate::spin;

/// Name of the thread, as debuggers and `top -H` show it.
const NAME: &str = "backwater-io";
/// How long a thread for large messages stays without work.
const KEEP_ALIVE: Duration = Duration::from_secs(1);
/// The threads for large messages are busy all the time they run, so more of them than there are cores
/// gain nothing. Name lookups, which mostly wait, share these threads: there are at least this many.
const LEAST_THREADS: usize = 4;
/// How often a spinning thread looks for messages before it looks at the sockets.
const LOOKS: u32 = 16;

/// An I/O thread with nothing but small calls keeps three JavaScript threads busy; see
/// docs/decisions/io-threads.md.
const CORES_PER_THREAD: usize = 4;
/// More threads than this were not measured.
const MOST_THREADS: usize = 4;

/// Starts a task; runs on the I/O thread.
type Start = Box<dyn FnOnce() + Send>;

enum Message {
    Start(Start),
    Stop,
}

impl std::fmt::Debug for Message {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(match self {
            Self::Start(_) => "Start",
            Self::Stop => "Stop",
        })
    }
}

/// A thread that runs a single-threaded tokio runtime: servers and clients live on it.
///
/// A task that panics ends alone; what it owned is dropped, and by that whoever waits for it is told.
/// Dropping the `IoThread` is the same as [`IoThread::shutdown`].
///
/// ```
/// use std::sync::mpsc;
/// let io = backwater_transport::IoThread::start(|| ())?;
/// let (sender, receiver) = mpsc::channel();
/// io.spawn(move || async move { sender.send(1 + 1).unwrap_or_default() })?;
/// assert_eq!(receiver.recv(), Ok(2));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct IoThread {
    spawner: Spawner,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl IoThread {
    /// How many I/O threads suit this machine: one for every four cores, at least one and at most four.
    ///
    /// Only the cores that this process may use count. On Linux these are limited by the CPU affinity and by
    /// the CPU quota of a container (cgroup `cpu.max`).
    pub fn default_count() -> usize {
        count_for(thread::available_parallelism().map_or(1, NonZeroUsize::get))
    }

    /// Starts the thread. `on_park` is called on it whenever it has nothing left to do and goes to
    /// sleep until the next event: the place for waking others once for a batch of results. It is also
    /// called when a connection that moves much lets others go first, and may otherwise not be called
    /// for long while there is always something to do.
    ///
    /// # Errors
    ///
    /// When the system gives no thread, or none of what the event loop needs (file descriptors).
    pub fn start(on_park: impl Fn() + Send + Sync + 'static) -> io::Result<Self> {
        let inbox = Arc::new(Inbox { messages: Mailbox::new(), spin: AtomicU64::new(0) });
        let of_thread = Arc::clone(&inbox);
        // The runtime may not leave its thread, so it is made there and reports how that went.
        let (report, started) = std::sync::mpsc::sync_channel(1);
        let thread = thread::Builder::new().name(NAME.into()).spawn(move || {
            match build_runtime(&of_thread, on_park) {
                Ok(runtime) => {
                    // A send fails only when `start` has given up waiting: then nobody needs us.
                    if report.send(Ok(())).is_ok() {
                        run(runtime, &of_thread);
                    }
                }
                Err(error) => drop(report.send(Err(error))),
            }
        })?;
        started
            .recv()
            .unwrap_or_else(|_| Err(io::Error::other("the I/O thread ended at its start")))?;
        let spawner = Spawner { inbox, thread: thread.thread().id() };
        Ok(Self { spawner, thread: Mutex::new(Some(thread)) })
    }

    /// Runs a future on the thread. `make` is called there, so the future itself need not be `Send`.
    ///
    /// # Errors
    ///
    /// When the thread has ended; `make` is dropped without being called.
    pub fn spawn<F, Fut>(&self, make: F) -> Result<(), IoThreadStopped>
    where
        F: FnOnce() -> Fut + Send + 'static,
        Fut: Future<Output = ()> + 'static,
    {
        self.spawner.spawn(make)
    }

    /// Sets for how long the thread spins before it goes to sleep, while few calls are in flight
    /// and as long as it helps: waking a thread takes longer than a small call does. At first it does
    /// not.
    pub fn set_spin(&self, limit: Duration) {
        let limit = u64::try_from(limit.as_nanos()).unwrap_or(u64::MAX);
        self.spawner.inbox.spin.store(limit, Ordering::Relaxed);
    }

    /// A handle that can be cloned and does not keep the thread running.
    pub fn spawner(&self) -> Spawner {
        self.spawner.clone()
    }

    /// Ends the thread and waits for that. Every task on it is dropped where it stands: close servers
    /// and clients first to end them in order. Does nothing when it has ended already.
    pub fn shutdown(&self) {
        // A send fails only when the thread has ended by itself.
        let _ = self.spawner.inbox.messages.send(Message::Stop);
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(thread) = thread
            && thread.thread().id() != thread::current().id()
        {
            // A panic of the thread was reported by the panic hook; here it only means "ended".
            let _ = thread.join();
        }
    }
}

impl Drop for IoThread {
    fn drop(&mut self) {
        self.shutdown();
    }
}

/// Starts tasks on an [`IoThread`], from any thread.
#[derive(Clone, Debug)]
pub struct Spawner {
    inbox: Arc<Inbox>,
    thread: ThreadId,
}

/// What other threads have for an I/O thread.
#[derive(Debug)]
struct Inbox {
    messages: Mailbox<Message>,
    /// For how long it spins, in nanoseconds.
    spin: AtomicU64,
}

impl Spawner {
    /// Whether the calling thread is the I/O thread that tasks are started on.
    pub fn is_here(&self) -> bool {
        thread::current().id() == self.thread
    }

    /// See [`IoThread::spawn`].
    ///
    /// # Errors
    ///
    /// When the thread has ended.
    pub fn spawn<F, Fut>(&self, make: F) -> Result<(), IoThreadStopped>
    where
        F: FnOnce() -> Fut + Send + 'static,
        Fut: Future<Output = ()> + 'static,
    {
        // The task calls `make`, so that a panic in it is the task's own.
        let start: Start = Box::new(|| drop(tokio::task::spawn_local(async { make().await })));
        self.inbox.messages.send(Message::Start(start)).map_err(|_| IoThreadStopped)
    }
}

/// The I/O thread has ended, so nothing can be started on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IoThreadStopped;

impl std::fmt::Display for IoThreadStopped {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("the I/O thread has ended")
    }
}

impl std::error::Error for IoThreadStopped {}

thread_local! {
    /// What is called when the thread parks, on an I/O thread.
    static ON_PARK: RefCell<Option<Arc<dyn Fn()>>> = const { RefCell::new(None) };
}

/// Has a task that could go on wait until the others had their turn, and until what has come in meanwhile
/// was looked at, on all sockets and from other threads. Tokio would look only after some dozens of
/// tasks, or after the same one as often; and who waits for results hears of them before.
pub(crate) fn let_others_go_first(context: &mut Context<'_>) {
    call_on_park();
    // Its waker is called after the next look at the sockets.
    let _pending = pin!(tokio::task::yield_now()).poll(context);
}

fn call_on_park() {
    ON_PARK.with_borrow(|on_park| {
        if let Some(on_park) = on_park {
            on_park();
        }
    });
}

fn build_runtime(
    inbox: &Arc<Inbox>,
    on_park: impl Fn() + Send + Sync + 'static,
) -> io::Result<LocalRuntime> {
    // A panic here would unwind through the scheduler and take the thread along.
    ON_PARK.set(Some(Arc::new(move || drop(catch_unwind(AssertUnwindSafe(&on_park))))));
    let inbox = Arc::clone(inbox);
    let cores = thread::available_parallelism().map_or(1, NonZeroUsize::get);
    Builder::new_current_thread()
        .enable_all()
        .thread_name(format!("{NAME}-blocking"))
        .max_blocking_threads(cores.max(LEAST_THREADS))
        .thread_keep_alive(KEEP_ALIVE)
        .on_thread_park(move || {
            call_on_park();
            inbox.stay_awake();
        })
        .build_local(LocalOptions::default())
}

fn count_for(cores: usize) -> usize {
    (cores / CORES_PER_THREAD).clamp(1, MOST_THREADS)
}

fn run(runtime: LocalRuntime, inbox: &Inbox) {
    let mut emptied = VecDeque::new();
    runtime.block_on(poll_fn(|context| inbox.poll(&mut emptied, context)));
    // Messages that nobody will read own what others wait for.
    inbox.messages.close();
    // Not by dropping it: that would wait for a name lookup that hangs.
    runtime.shutdown_background();
}

impl Inbox {
    /// Has the thread look for messages instead of going to sleep, if that is likely to pay.
    fn stay_awake(&self) {
        if spin::begin(Duration::from_nanos(self.spin.load(Ordering::Relaxed))) {
            self.messages.watch();
            // On this thread that takes no system call.
            self.messages.wake_receiver();
        }
    }

    /// Starts what other threads want started, until one of them wants the thread to stop.
    fn poll(&self, emptied: &mut VecDeque<Message>, context: &mut Context<'_>) -> Poll<()> {
        self.messages.set_receiver(context.waker());
        loop {
            let found = self.messages.is_filled();
            if found {
                let mut messages = self.messages.take(std::mem::take(emptied));
                for message in messages.drain(..) {
                    match message {
                        Message::Start(start) => start(),
                        Message::Stop => return Poll::Ready(()),
                    }
                }
                *emptied = messages;
            }
            if !spin::is_waiting() {
                return Poll::Pending;
            }
            if !spin::goes_on(found) {
                // Those that came before this have woken nobody.
                if self.messages.stop_watching() {
                    continue;
                }
                return Poll::Pending;
            }
            if (0..LOOKS).any(|_| self.is_filled_after_a_moment()) {
                continue;
            }
            // Whoever else waits for this CPU goes first; it may be the one that brings something.
            thread::yield_now();
            let_others_go_first(context);
            return Poll::Pending;
        }
    }

    fn is_filled_after_a_moment(&self) -> bool {
        std::hint::spin_loop();
        self.messages.is_filled()
    }
}

#[cfg(test)]
mod tests {
    use super::count_for;

    #[test]
    fn a_quarter_of_the_cores_do_io() {
        for (cores, expected) in
            [(1, 1), (2, 1), (3, 1), (4, 1), (7, 1), (8, 2), (12, 3), (15, 3), (16, 4), (128, 4)]
        {
            assert_eq!(count_for(cores), expected, "{cores} cores");
        }
    }
}
