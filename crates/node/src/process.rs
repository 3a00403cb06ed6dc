//! What all environments of the process share: the I/O thread and the known atoms.

use std::collections::HashSet;
use std::io;
use std::sync::{Arc, LazyLock, Mutex, PoisonError, RwLock, Weak};

use backwater_etf::KnownAtoms;
use backwater_transport::IoThread;

use crate::completions::Completions;

/// The queues that the I/O thread wakes when it parks.
static QUEUES: Mutex<Vec<Weak<Completions>>> = Mutex::new(Vec::new());
static IO_THREAD: Mutex<Option<Arc<IoThread>>> = Mutex::new(None);

/// The I/O thread, started when it is first needed.
pub(crate) fn io_thread() -> io::Result<Arc<IoThread>> {
    let mut slot = IO_THREAD.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(io) = &*slot {
        return Ok(Arc::clone(io));
    }
    let io = Arc::new(IoThread::start(wake_all)?);
    *slot = Some(Arc::clone(&io));
    Ok(io)
}

/// Has `queue` woken whenever the I/O thread parks.
pub(crate) fn register(queue: &Arc<Completions>) {
    let mut queues = QUEUES.lock().unwrap_or_else(PoisonError::into_inner);
    queues.retain(|queue| queue.strong_count() > 0);
    queues.push(Arc::downgrade(queue));
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
