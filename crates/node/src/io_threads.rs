//! The I/O threads, shared by all environments of the process.

use std::io;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, LazyLock, Weak};
use std::time::Duration;

use backwater_transport::IoThread;
use napi::bindgen_prelude::retain_current_module_for_unload_safety;

use crate::event_queue::EventQueue;
use backwater_transport::locks::Mutex;

static QUEUES: Mutex<Vec<Weak<EventQueue>>> = Mutex::new(Vec::new());
static THREADS: Mutex<Vec<Arc<IoThread>>> = Mutex::new(Vec::new());
/// Read once, because it asks the system.
static DEFAULT_COUNT: LazyLock<usize> = LazyLock::new(IoThread::default_count);
static NEXT_CLIENT: AtomicUsize = AtomicUsize::new(0);

pub(crate) fn count(option: Option<u32>) -> usize {
    option.map_or_else(|| *DEFAULT_COUNT, |count| count as usize)
}

pub(crate) fn first() -> io::Result<Arc<IoThread>> {
    let mut threads = at_least(1)?;
    threads.pop().ok_or_else(|| io::Error::other("no I/O thread was started"))
}

pub(crate) fn at_least(count: usize) -> io::Result<Vec<Arc<IoThread>>> {
    let mut threads = THREADS.lock();
    if threads.is_empty() {
        // Node unloads an addon when its last environment ends, but I/O threads run its code until
        // the process ends.
        retain_current_module_for_unload_safety();
    }
    while threads.len() < count {
        let thread = IoThread::start(wake_all)?;
        thread.set_spin(longest_spin());
        threads.push(Arc::new(thread));
    }
    Ok(threads.iter().take(count).map(Arc::clone).collect())
}

pub(crate) fn for_client(count: usize) -> io::Result<Arc<IoThread>> {
    let first = at_least(count.max(1))?.swap_remove(0);
    let threads = THREADS.lock();
    let turn = NEXT_CLIENT.fetch_add(1, Ordering::Relaxed) % threads.len().max(1);
    Ok(threads.get(turn).map_or(first, Arc::clone))
}

pub(crate) fn spawn<F>(make: impl FnOnce() -> F + Send + 'static) -> napi::Result<()>
where
    F: Future<Output = ()> + 'static,
{
    first()?.spawn(make).map_err(|error| napi::Error::from_reason(error.to_string()))
}

pub(crate) fn wake(queue: &Arc<EventQueue>) -> napi::Result<()> {
    let queue = Arc::clone(queue);
    spawn(move || async move { queue.wake() })
}

pub(crate) fn register(queue: &Arc<EventQueue>) {
    let mut queues = QUEUES.lock();
    queues.retain(|queue| queue.strong_count() > 0);
    queues.push(Arc::downgrade(queue));
}

pub(crate) fn set_spin(queue: &EventQueue, microseconds: u32) {
    queue.io_spin().store(microseconds, Ordering::Relaxed);
    let threads = THREADS.lock();
    let longest = longest_spin();
    threads.iter().for_each(|thread| thread.set_spin(longest));
}

fn longest_spin() -> Duration {
    let queues = QUEUES.lock();
    let wishes = queues.iter().filter_map(Weak::upgrade);
    let longest = wishes.map(|queue| queue.io_spin().load(Ordering::Relaxed)).max();
    Duration::from_micros(longest.unwrap_or(0).into())
}

fn wake_all() {
    for queue in QUEUES.lock().iter() {
        if let Some(queue) = queue.upgrade() {
            queue.wake();
        }
    }
}
