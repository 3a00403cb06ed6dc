//! Calls that an environment has not answered yet.

use std::collections::hash_map::Entry;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::task::Wake;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use backwater_protocol::CarriedContext;
use backwater_transport::{IncomingCall, OnTaken, Outcome, Peer, Reply, Share, TapeSource};
use http::{HeaderValue, StatusCode};
use napi::bindgen_prelude::Buffer;
use napi_derive::napi;
use tokio::sync::oneshot;

use crate::event_queue::EventQueue;
use crate::events::{Event, Message};
use crate::faults;
use crate::io_threads;
use crate::number_map::NumberMap;
use crate::numbers::EVENT_SENT;
use crate::workers::ended::worker_ended;
use backwater_transport::locks::Mutex;

pub(crate) struct AcceptedCall {
    pub(crate) function: u32,
    pub(crate) message: Message,
    pub(crate) caller: Caller,
}

impl AcceptedCall {
    pub(crate) fn new(call: IncomingCall) -> Self {
        faults::pass("service");
        let IncomingCall { function, tape, source, timeout, reply, .. } = call;
        // A deadline beyond the range of the clock never passes.
        let deadline = timeout.and_then(|timeout| Instant::now().checked_add(timeout));
        let caller = Caller {
            reply,
            deadline,
            request_id: call.request_id,
            name: call.caller,
            carried: call.carried,
            takes_stream: call.takes_stream,
            peer: call.peer,
            in_flight: None,
            watch: None,
        };
        Self { function, message: Message { tape, source, _memory: Share::default() }, caller }
    }
}

pub(crate) struct Caller {
    pub(crate) reply: Reply,
    pub(crate) deadline: Option<Instant>,
    pub(crate) request_id: HeaderValue,
    pub(crate) name: Option<Arc<str>>,
    pub(crate) carried: Option<Box<CarriedContext>>,
    pub(crate) takes_stream: bool,
    pub(crate) peer: Arc<Peer>,
    /// Counts the call in the load of its worker.
    pub(crate) in_flight: Option<Arc<()>>,
    /// Dropping it ends the wait for the deadline.
    watch: Option<oneshot::Sender<()>>,
}

/// Delays the function's abort, so that the caller sees its own timeout first.
const GRACE: Duration = Duration::from_millis(5);

impl Caller {
    pub(crate) fn is_waiting(&self) -> bool {
        !self.reply.is_abandoned() && self.deadline.is_none_or(|deadline| Instant::now() < deadline)
    }

    pub(crate) fn give_up(self) {
        self.reply.send(Outcome::Refused(StatusCode::GATEWAY_TIMEOUT, "deadline_exceeded"));
    }
}

#[napi(object, object_from_js = false, use_nullable = true)]
pub struct CallerFields {
    pub request_id: String,
    pub address: String,
    pub port: u32,
    /// The peer's certificate, as DER.
    pub certificate: Option<Buffer>,
    /// In milliseconds since 1970.
    pub deadline: Option<f64>,
    pub name: Option<String>,
    /// Names and values alternate.
    pub metadata: Option<Vec<String>>,
    pub traceparent: Option<String>,
    pub tracestate: Option<String>,
    pub baggage: Option<String>,
    pub stream: bool,
}

impl CallerFields {
    pub(crate) fn of(caller: &Caller) -> Self {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let date = |deadline: Instant| now + deadline.saturating_duration_since(Instant::now());
        let CarriedContext { metadata, trace } =
            caller.carried.as_deref().cloned().unwrap_or_default();
        let metadata: Vec<_> =
            metadata.into_iter().flat_map(|(name, value)| [name, value]).collect();
        Self {
            request_id: String::from_utf8_lossy(caller.request_id.as_bytes()).into_owned(),
            address: caller.peer.address.ip().to_string(),
            port: caller.peer.address.port().into(),
            certificate: caller.peer.certificate.clone().map(Into::into),
            deadline: caller.deadline.map(|deadline| date(deadline).as_millis() as f64),
            name: caller.name.as_deref().map(str::to_owned),
            metadata: (!metadata.is_empty()).then_some(metadata),
            traceparent: trace.traceparent,
            tracestate: trace.tracestate,
            baggage: trace.baggage,
            stream: caller.takes_stream,
        }
    }
}

struct Abandonment {
    call: u32,
    deadline: Option<Instant>,
    events: Arc<EventQueue>,
}

impl Wake for Abandonment {
    fn wake(self: Arc<Self>) {
        let overdue = is_overdue(self.deadline);
        self.events.push(Event::abandoned(self.call, overdue));
        // Another thread may run this. Only the I/O thread wakes JavaScript when it parks.
        self.events.wake();
    }
}

fn is_overdue(deadline: Option<Instant>) -> bool {
    deadline.is_some_and(|deadline| Instant::now() + GRACE >= deadline)
}

async fn watch_deadline(
    call: u32,
    deadline: Instant,
    events: Arc<EventQueue>,
    answered: oneshot::Receiver<()>,
) {
    tokio::select! {
        () = tokio::time::sleep_until((deadline + GRACE).into()) => {
            events.push(Event::abandoned(call, true));
        }
        _ = answered => (),
    }
}

pub(crate) struct ServedCalls {
    events: Arc<EventQueue>,
    next: AtomicU32,
    callers: Mutex<NumberMap<Caller>>,
}

impl ServedCalls {
    pub(crate) fn new(events: &Arc<EventQueue>) -> Self {
        Self { events: Arc::clone(events), next: AtomicU32::new(0), callers: Mutex::default() }
    }

    /// Returns the event that starts the function.
    pub(crate) fn add(&self, server: u32, call: AcceptedCall) -> Event {
        let AcceptedCall { function, message, caller } = call;
        let mut callers = self.callers.lock();
        loop {
            let id = self.next.fetch_add(1, Ordering::Relaxed);
            if let Entry::Vacant(entry) = callers.entry(id) {
                entry.insert(caller);
                return Event::call(id, server, function, message);
            }
        }
    }

    pub(crate) fn take(&self, call: u32) -> Option<Caller> {
        self.callers.lock().remove(&call)
    }

    pub(crate) fn answer(&self, call: u32, outcome: Outcome) {
        if let Some(Caller { reply, in_flight, .. }) = self.take(call) {
            drop(in_flight);
            reply.send(outcome);
        }
    }

    pub(crate) fn add_items(&self, call: u32, items: Box<dyn TapeSource>) {
        let events = Arc::clone(&self.events);
        if let Some(Caller { reply, .. }) = self.callers.lock().get_mut(&call) {
            let on_taken: OnTaken = Arc::new(move || events.push(Event::new(EVENT_SENT, call)));
            reply.push(items, &on_taken);
        } else {
            // A bug in this library has ended the call.
            events.push(Event::abandoned(call, false));
            events.push(Event::new(EVENT_SENT, call));
        }
    }

    pub(crate) fn end(&self, call: u32) {
        if let Some(Caller { reply, in_flight, .. }) = self.take(call) {
            drop(in_flight);
            reply.end();
        }
    }

    pub(crate) fn caller(&self, call: u32) -> Option<CallerFields> {
        self.callers.lock().get(&call).map(CallerFields::of)
    }

    pub(crate) fn is_waited_for(&self, call: u32) -> bool {
        let mut callers = self.callers.lock();
        if callers.get(&call).is_some_and(Caller::is_waiting) {
            return true;
        }
        let gone = callers.remove(&call);
        drop(callers);
        if let Some(caller) = gone {
            caller.give_up();
        }
        false
    }

    pub(crate) fn watch(&self, call: u32) -> Option<bool> {
        let mut callers = self.callers.lock();
        let Some(caller) = callers.get_mut(&call) else { return Some(false) };
        let deadline = caller.deadline;
        let abandonment = Abandonment { call, deadline, events: Arc::clone(&self.events) };
        if caller.reply.wake_when_abandoned(&Arc::new(abandonment).into()) {
            return Some(is_overdue(deadline));
        }
        if let Some(deadline) = deadline {
            let (watch, answered) = oneshot::channel();
            caller.watch = Some(watch);
            let events = Arc::clone(&self.events);
            // Fails only if the thread, and so the call, has ended.
            let _ = io_threads::spawn(move || watch_deadline(call, deadline, events, answered));
        }
        None
    }

    /// Fails the calls that are still unanswered once all flushed jobs have run.
    pub(crate) fn fail_all(self: &Arc<Self>) {
        // Without calls, there may be no I/O thread yet.
        if self.callers.lock().is_empty() {
            return;
        }
        let served = Arc::clone(self);
        // Fails only if the thread, and so every call, has ended.
        let _ = io_threads::spawn(move || async move {
            let callers = std::mem::take(&mut *served.callers.lock());
            for caller in callers.into_values() {
                caller.reply.send(worker_ended());
            }
        });
    }
}
