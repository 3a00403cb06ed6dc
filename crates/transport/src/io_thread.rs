//! The thread that owns all sockets.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::future::{Future, poll_fn};
use std::io;
use std::num::NonZeroUsize;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::thread::{self, JoinHandle, ThreadId};
use std::time::Duration;

use tokio::runtime::{Builder, LocalOptions, LocalRuntime};

use crate::locks::Mutex;
use crate::mailbox::Mailbox;
use crate::spin;

const NAME: &str = "backwater-io";
const KEEP_ALIVE: Duration = Duration::from_secs(1);
/// The fewest blocking threads. Name lookups, which mostly wait, share them with large messages.
const LEAST_THREADS: usize = 4;
/// How often a spinning thread checks messages before it checks sockets.
const LOOKS: u32 = 16;

/// One I/O thread with small calls keeps three JavaScript threads busy; see
/// docs/decisions/io-threads.md.
const CORES_PER_THREAD: usize = 4;
const MOST_THREADS: usize = 4;

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

/// A thread with a tokio runtime for servers and clients.
///
/// A panic ends only its task. Dropping the `IoThread` calls [`IoThread::shutdown`].
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
    /// The recommended number of I/O threads: one per four cores of this process, from one to four.
    pub fn default_count() -> usize {
        count_for(thread::available_parallelism().map_or(1, NonZeroUsize::get))
    }

    /// Starts the thread. It calls `on_park` before it sleeps and when a busy connection yields, to
    /// wake others once for a batch of results. Under constant load, it may not call for a while.
    ///
    /// # Errors
    ///
    /// If the system has no thread or file descriptors left.
    pub fn start(on_park: impl Fn() + Send + Sync + 'static) -> io::Result<Self> {
        let inbox = Arc::new(Inbox { messages: Mailbox::new(), spin: AtomicU64::new(0) });
        let of_thread = Arc::clone(&inbox);
        // The runtime must stay on its thread.
        let (report, started) = std::sync::mpsc::sync_channel(1);
        let thread = thread::Builder::new().name(NAME.into()).spawn(move || {
            match build_runtime(&of_thread, on_park) {
                Ok(runtime) => {
                    // Fails only if `start` no longer waits.
                    if report.send(Ok(())).is_ok() {
                        run(runtime, &of_thread);
                    }
                }
                Err(error) => drop(report.send(Err(error))),
            }
        })?;
        started.recv().unwrap_or_else(|_| {
            Err(io::Error::other("the I/O thread ended while it was starting"))
        })?;
        let spawner = Spawner { inbox, thread: thread.thread().id() };
        Ok(Self { spawner, thread: Mutex::new(Some(thread)) })
    }

    /// Runs a future on the thread. `make` is called there, so the future need not be `Send`.
    ///
    /// # Errors
    ///
    /// If the thread has ended; `make` is not called.
    pub fn spawn<F, Fut>(&self, make: F) -> Result<(), IoThreadStopped>
    where
        F: FnOnce() -> Fut + Send + 'static,
        Fut: Future<Output = ()> + 'static,
    {
        self.spawner.spawn(make)
    }

    /// How long the thread spins before it sleeps, if spinning helps. Zero at first.
    pub fn set_spin(&self, limit: Duration) {
        let limit = u64::try_from(limit.as_nanos()).unwrap_or(u64::MAX);
        self.spawner.inbox.spin.store(limit, Ordering::Relaxed);
    }

    pub fn spawner(&self) -> Spawner {
        self.spawner.clone()
    }

    /// Drops all tasks and waits for the thread to end. Close servers and clients first.
    pub fn shutdown(&self) {
        let _ = self.spawner.inbox.messages.send(Message::Stop);
        let thread = self.thread.lock().take();
        if let Some(thread) = thread
            && thread.thread().id() != thread::current().id()
        {
            let _ = thread.join();
        }
    }
}

impl Drop for IoThread {
    fn drop(&mut self) {
        self.shutdown();
    }
}

#[derive(Clone, Debug)]
pub struct Spawner {
    inbox: Arc<Inbox>,
    thread: ThreadId,
}

#[derive(Debug)]
struct Inbox {
    messages: Mailbox<Message>,
    /// The spin limit in nanoseconds.
    spin: AtomicU64,
}

impl Spawner {
    pub fn is_here(&self) -> bool {
        thread::current().id() == self.thread
    }

    pub fn spawn<F, Fut>(&self, make: F) -> Result<(), IoThreadStopped>
    where
        F: FnOnce() -> Fut + Send + 'static,
        Fut: Future<Output = ()> + 'static,
    {
        // A panic in `make` must end only the task.
        let start: Start = Box::new(|| drop(tokio::task::spawn_local(async { make().await })));
        self.inbox.messages.send(Message::Start(start)).map_err(|_| IoThreadStopped)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IoThreadStopped;

impl std::fmt::Display for IoThreadStopped {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("the I/O thread has ended")
    }
}

impl std::error::Error for IoThreadStopped {}

thread_local! {
    static ON_PARK: RefCell<Option<Arc<dyn Fn()>>> = const { RefCell::new(None) };
}

/// Wakes the task after other tasks, all sockets and messages. On its own, tokio checks these only
/// after dozens of polls.
pub(crate) fn let_others_go_first(context: &mut Context<'_>) {
    call_on_park();
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
    // A panic here would unwind through the scheduler and end the thread.
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
    // Unread messages may own senders that others wait for.
    inbox.messages.close();
    // Dropping the runtime would wait for name lookups that hang.
    runtime.shutdown_background();
}

impl Inbox {
    fn stay_awake(&self) {
        if spin::begin(Duration::from_nanos(self.spin.load(Ordering::Relaxed))) {
            self.messages.watch();
            self.messages.wake_receiver();
        }
    }

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
                // Earlier senders did not wake the thread.
                if self.messages.stop_watching() {
                    continue;
                }
                return Poll::Pending;
            }
            if (0..LOOKS).any(|_| self.is_filled_after_a_moment()) {
                continue;
            }
            // Another thread may need this CPU to send the next message.
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
