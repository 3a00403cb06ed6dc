//! Calls that an environment serves and has not answered yet.

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
use crate::locks::Mutex;
use crate::number_map::NumberMap;
use crate::workers::ended::worker_ended;
use crate::workers::load::InFlight;

/// A call on its way to JavaScript.
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

/// The caller of a call that has not been answered.
pub(crate) struct Caller {
    pub(crate) reply: Reply,
    /// When the caller gives up, if it sent a timeout.
    pub(crate) deadline: Option<Instant>,
    pub(crate) request_id: HeaderValue,
    /// The name that its secret proves; `None` if it has none.
    pub(crate) name: Option<Arc<str>>,
    /// Metadata and trace, if the request has any.
    pub(crate) carried: Option<Box<CarriedContext>>,
    pub(crate) takes_stream: bool,
    pub(crate) peer: Arc<Peer>,
    /// Counts the call for its worker thread.
    pub(crate) in_flight: Option<InFlight>,
    /// Ends the wait for the deadline when dropped.
    watch: Option<oneshot::Sender<()>>,
}

/// How long after the deadline a function learns that its caller has gone away. The caller should see its
/// own timeout first, not what the function makes of the abort.
const GRACE: Duration = Duration::from_millis(5);

impl Caller {
    /// Whether the caller still waits for the answer. If not, there is no need to run the function.
    pub(crate) fn is_waiting(&self) -> bool {
        !self.reply.is_abandoned() && self.deadline.is_none_or(|deadline| Instant::now() < deadline)
    }

    /// Refuses a call whose deadline has passed before its function ran.
    pub(crate) fn give_up(self) {
        self.reply.send(Outcome::Refused(StatusCode::GATEWAY_TIMEOUT, "deadline_exceeded"));
    }
}

/// The caller of a call, for the context of its function.
#[napi(object, object_from_js = false, use_nullable = true)]
pub struct CallerFields {
    /// The identifier of the request.
    pub request_id: String,
    /// The peer's address.
    pub address: String,
    /// The peer's port.
    pub port: u32,
    /// The certificate that the peer sent, as DER.
    pub certificate: Option<Buffer>,
    /// When the caller gives up, in milliseconds since 1970, if it sent a timeout.
    pub deadline: Option<f64>,
    /// The caller's name, which its secret proves.
    pub name: Option<String>,
    /// Names and values of the metadata, in turns; none if there is no metadata.
    pub metadata: Option<Vec<String>>,
    /// The trace that the call belongs to, as its headers say.
    pub traceparent: Option<String>,
    /// See `traceparent`.
    pub tracestate: Option<String>,
    /// See `traceparent`.
    pub baggage: Option<String>,
    /// Whether the caller takes a stream.
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

/// Tells JavaScript that the caller has gone away.
struct Abandonment {
    call: u32,
    deadline: Option<Instant>,
    events: Arc<EventQueue>,
}

impl Wake for Abandonment {
    fn wake(self: Arc<Self>) {
        let overdue = is_overdue(self.deadline);
        self.events.push(Event::Abandoned { call: self.call, overdue });
        // This may run on another thread than the I/O thread, which wakes JavaScript when it parks.
        self.events.wake();
    }
}

/// Whether a caller that goes away now does so because its deadline has passed.
fn is_overdue(deadline: Option<Instant>) -> bool {
    deadline.is_some_and(|deadline| Instant::now() + GRACE >= deadline)
}

/// Sends an event shortly after the deadline, unless the call is answered first.
async fn watch_deadline(
    call: u32,
    deadline: Instant,
    events: Arc<EventQueue>,
    answered: oneshot::Receiver<()>,
) {
    tokio::select! {
        () = tokio::time::sleep_until((deadline + GRACE).into()) => {
            events.push(Event::Abandoned { call, overdue: true });
        }
        _ = answered => (),
    }
}

/// Calls that JavaScript has not answered yet.
pub(crate) struct ServedCalls {
    events: Arc<EventQueue>,
    next: AtomicU32,
    callers: Mutex<NumberMap<Caller>>,
}

impl ServedCalls {
    pub(crate) fn new(events: &Arc<EventQueue>) -> Self {
        Self { events: Arc::clone(events), next: AtomicU32::new(0), callers: Mutex::default() }
    }

    /// Adds a call and returns its identifier.
    pub(crate) fn add(&self, caller: Caller) -> u32 {
        let mut callers = self.callers.lock();
        loop {
            let id = self.next.fetch_add(1, Ordering::Relaxed);
            if let Entry::Vacant(entry) = callers.entry(id) {
                entry.insert(caller);
                return id;
            }
        }
    }

    /// Removes a call that has not been answered.
    pub(crate) fn take(&self, call: u32) -> Option<Caller> {
        self.callers.lock().remove(&call)
    }

    /// Answers a call unless it has been answered.
    pub(crate) fn answer(&self, call: u32, outcome: Outcome) {
        if let Some(Caller { reply, in_flight, .. }) = self.take(call) {
            drop(in_flight);
            reply.send(outcome);
        }
    }

    /// Adds items to the answer of a call, and sends an event when they were taken.
    pub(crate) fn add_items(&self, call: u32, items: Box<dyn TapeSource>) {
        let events = Arc::clone(&self.events);
        if let Some(Caller { reply, .. }) = self.callers.lock().get_mut(&call) {
            let on_taken: OnTaken = Arc::new(move || events.push(Event::Sent { call }));
            reply.push(items, &on_taken);
        } else {
            // A bug of this library has ended the call: nothing waits for ever.
            events.push(Event::Abandoned { call, overdue: false });
            events.push(Event::Sent { call });
        }
    }

    /// Ends the items of a call.
    pub(crate) fn end(&self, call: u32) {
        if let Some(Caller { reply, in_flight, .. }) = self.take(call) {
            drop(in_flight);
            reply.end();
        }
    }

    /// The caller of a call that has not been answered.
    pub(crate) fn caller(&self, call: u32) -> Option<CallerFields> {
        self.callers.lock().get(&call).map(CallerFields::of)
    }

    /// Whether the caller of a call still waits. If not, the call is removed, and refused if it is late.
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

    /// Sends an event when the caller goes away or its deadline passes. If it has gone away already,
    /// returns whether its deadline has passed.
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
            // Fails only if the thread has ended, and the call with it.
            let _ = io_threads::spawn(move || watch_deadline(call, deadline, events, answered));
        }
        None
    }

    /// Fails all calls because their thread is ending.
    pub(crate) fn fail_all(&self) {
        let callers = std::mem::take(&mut *self.callers.lock());
        for caller in callers.into_values() {
            caller.reply.send(worker_ended());
        }
    }
}
