//! What all environments of the process share: the I/O threads and the known atoms.

use std::collections::HashSet;
use std::io;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, LazyLock, Mutex, PoisonError, RwLock, Weak};
use std::time::Duration;

use backwater_etf::KnownAtoms;
use backwater_transport::IoThread;
use napi::bindgen_prelude::retain_current_module_for_unload_safety;

use crate::completions::Completions;

/// The queues that the I/O threads wake when they park.
static QUEUES: Mutex<Vec<Weak<Completions>>> = Mutex::new(Vec::new());
static IO_THREADS: Mutex<Vec<Arc<IoThread>>> = Mutex::new(Vec::new());
/// Whose turn it is to get the next client.
static NEXT_CLIENT: AtomicUsize = AtomicUsize::new(0);

/// The first I/O thread, started when it is first needed.
pub(crate) fn io_thread() -> io::Result<Arc<IoThread>> {
    let mut threads = io_threads(1)?;
    threads.pop().ok_or_else(|| io::Error::other("there is no I/O thread"))
}

/// The first `count` I/O threads, started when they are first needed.
pub(crate) fn io_threads(count: usize) -> io::Result<Vec<Arc<IoThread>>> {
    let mut threads = IO_THREADS.lock().unwrap_or_else(PoisonError::into_inner);
    if threads.is_empty() {
        // Node unloads an addon when the last environment that loaded it ends, and the I/O threads run
        // its code until the process ends: never unmap it.
        retain_current_module_for_unload_safety();
    }
    while threads.len() < count {
        let thread = IoThread::start(wake_all)?;
        thread.set_spin(longest_spin());
        threads.push(Arc::new(thread));
    }
    Ok(threads.iter().take(count).map(Arc::clone).collect())
}

/// The I/O thread for a new client: all that there are take turns, at least `count`.
pub(crate) fn io_thread_of_client(count: usize) -> io::Result<Arc<IoThread>> {
    let first = io_threads(count.max(1))?.swap_remove(0);
    let threads = IO_THREADS.lock().unwrap_or_else(PoisonError::into_inner);
    let turn = NEXT_CLIENT.fetch_add(1, Ordering::Relaxed) % threads.len().max(1);
    Ok(threads.get(turn).map_or(first, Arc::clone))
}

/// Has `queue` woken whenever an I/O thread parks.
pub(crate) fn register(queue: &Arc<Completions>) {
    let mut queues = QUEUES.lock().unwrap_or_else(PoisonError::into_inner);
    queues.retain(|queue| queue.strong_count() > 0);
    queues.push(Arc::downgrade(queue));
}

/// Sets for how long an environment wants the I/O threads to wait awake; the longest counts.
pub(crate) fn set_io_spin(queue: &Completions, microseconds: u32) {
    queue.io_spin().store(microseconds, Ordering::Relaxed);
    let threads = IO_THREADS.lock().unwrap_or_else(PoisonError::into_inner);
    let longest = longest_spin();
    threads.iter().for_each(|thread| thread.set_spin(longest));
}

fn longest_spin() -> Duration {
    let queues = QUEUES.lock().unwrap_or_else(PoisonError::into_inner);
    let wishes = queues.iter().filter_map(Weak::upgrade);
    let longest = wishes.map(|queue| queue.io_spin().load(Ordering::Relaxed)).max();
    Duration::from_micros(longest.unwrap_or(0).into())
}

fn wake_all() {
    for queue in QUEUES.lock().unwrap_or_else(PoisonError::into_inner).iter() {
        if let Some(queue) = queue.upgrade() {
            queue.wake();
        }
    }
}

/// Atoms that this library itself needs.
const LIBRARY_ATOMS: [&str; 23] = [
    "utf8",
    "latin1",
    "unicode",
    "true",
    "false",
    "nil",
    "undefined",
    "ok",
    "error",
    "exit",
    "throw",
    "return",
    "exception",
    "js_error",
    "name",
    "message",
    "code",
    "file",
    "line",
    "unencodable_result",
    "badarg",
    "undef",
    "function_clause",
];

static KNOWN: LazyLock<RwLock<HashSet<Box<str>>>> =
    LazyLock::new(|| RwLock::new(LIBRARY_ATOMS.into_iter().map(Box::from).collect()));

/// The atoms that safe decoding lets in: those that the program has made, the names of its modules
/// and functions, and the library's own.
pub(crate) struct KnownAtomTable;

impl KnownAtoms for KnownAtomTable {
    fn is_known(&self, name: &str) -> bool {
        KNOWN.read().unwrap_or_else(PoisonError::into_inner).contains(name)
    }
}

/// Adds a known atom; they stay for ever, as the program's own do on the JavaScript side.
pub(crate) fn know_atom(name: &str) {
    let known = KNOWN.read().unwrap_or_else(PoisonError::into_inner).contains(name);
    if !known {
        KNOWN.write().unwrap_or_else(PoisonError::into_inner).insert(name.into());
    }
}
