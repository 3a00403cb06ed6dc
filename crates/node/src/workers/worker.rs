use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, MutexGuard};
use std::time::Instant;

use crate::event_queue::EventQueue;
use crate::events::Event;
use crate::served_calls::{AcceptedCall, ServedCalls};
use crate::stats::{WorkerFigures, count};
use backwater_transport::locks::Mutex;

const WAKE_AFTER: usize = 64;

pub(crate) struct QueuedCall {
    pub(crate) call: AcceptedCall,
    pub(crate) since: Instant,
}

impl QueuedCall {
    pub(crate) fn new(call: AcceptedCall) -> Self {
        Self { call, since: Instant::now() }
    }
}

pub(crate) struct Worker {
    server: u32,
    /// A replacement takes over its predecessor's slot.
    slot: u32,
    events: Arc<EventQueue>,
    served: Arc<ServedCalls>,
    queue: Mutex<VecDeque<QueuedCall>>,
    /// Cloned for each call in flight.
    load: Arc<()>,
    taken: AtomicU64,
}

impl Worker {
    pub(crate) fn new(
        server: u32,
        slot: u32,
        events: &Arc<EventQueue>,
        served: &Arc<ServedCalls>,
    ) -> Self {
        Self {
            server,
            slot,
            events: Arc::clone(events),
            served: Arc::clone(served),
            queue: Mutex::default(),
            load: Arc::default(),
            taken: AtomicU64::new(0),
        }
    }

    pub(crate) fn enqueue(&self, mut queued: QueuedCall) {
        queued.call.caller.in_flight = Some(Arc::clone(&self.load));
        let mut queue = self.queue();
        queue.push_back(queued);
        let urgent = queue.len().is_multiple_of(WAKE_AFTER);
        drop(queue);
        self.events.announce();
        if urgent {
            self.events.wake();
        }
    }

    pub(crate) fn dequeue(&self) -> Option<AcceptedCall> {
        self.queue().pop_front().map(|queued| queued.call)
    }

    pub(crate) fn adopt(&self, mut call: AcceptedCall) -> AcceptedCall {
        call.caller.in_flight = Some(Arc::clone(&self.load));
        call
    }

    pub(crate) fn start(&self, call: AcceptedCall) -> Option<Event> {
        if !call.caller.is_waiting() {
            call.caller.give_up();
            return None;
        }
        self.taken.fetch_add(1, Ordering::Relaxed);
        Some(self.served.add(self.server, call))
    }

    pub(crate) fn wake(&self) {
        self.events.announce();
        self.events.wake();
    }

    pub(crate) fn queue(&self) -> MutexGuard<'_, VecDeque<QueuedCall>> {
        self.queue.lock()
    }

    pub(crate) fn load(&self) -> usize {
        Arc::strong_count(&self.load) - 1
    }

    pub(crate) fn figures(&self) -> WorkerFigures {
        WorkerFigures {
            slot: self.slot,
            pending: count(self.load()),
            calls: self.taken.load(Ordering::Relaxed) as f64,
        }
    }
}
