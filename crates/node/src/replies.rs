//! Calls that an environment has taken and not answered yet.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Wake;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use backwater_transport::{IncomingCall, Outcome, Peer, Reply, Share};
use http::{HeaderValue, StatusCode};
use napi::bindgen_prelude::Buffer;
use napi_derive::napi;
use tokio::sync::oneshot;

use crate::completions::Completions;
use crate::events::{Event, Message};
use crate::faults;
use crate::process::io_thread;
use crate::worker_ended::worker_ended;
use crate::workers::InFlight;

/// A call on its way to JavaScript.
pub(crate) struct Accepted {
    pub(crate) function: u32,
    pub(crate) message: Message,
    pub(crate) caller: Caller,
}

impl Accepted {
    pub(crate) fn new(call: IncomingCall) -> Self {
        faults::pass("service");
        let IncomingCall { function, tape, source, timeout, request_id, peer, reply } = call;
        // A time beyond what clocks can tell is none.
        let deadline = timeout.and_then(|timeout| Instant::now().checked_add(timeout));
        let caller = Caller { reply, deadline, request_id, peer, in_flight: None, watch: None };
        Self { function, message: Message { tape, source, _memory: Share::default() }, caller }
    }
}

/// Who waits for the answer to a call.
pub(crate) struct Caller {
    pub(crate) reply: Reply,
    /// When the caller gives up, if it has said so.
    pub(crate) deadline: Option<Instant>,
    pub(crate) request_id: HeaderValue,
    pub(crate) peer: Arc<Peer>,
    /// Counts the call for its worker thread.
    pub(crate) in_flight: Option<InFlight>,
    /// Ends the wait for the deadline when it is dropped.
    watch: Option<oneshot::Sender<()>>,
}

/// How much later than its deadline a function hears that its caller has gone: clocks are only so exact,
/// and the caller should see its own timeout first, not what the function makes of it.
const GRACE: Duration = Duration::from_millis(5);

impl Caller {
    /// Whether somebody still waits for the answer: if not, the function is not to be called.
    pub(crate) fn is_waiting(&self) -> bool {
        !self.reply.is_abandoned() && self.deadline.is_none_or(|deadline| Instant::now() < deadline)
    }

    /// Tells a caller whose deadline has passed that its call has not begun.
    pub(crate) fn give_up(self) {
        self.reply.send(Outcome::Refused(StatusCode::GATEWAY_TIMEOUT, "deadline_exceeded"));
    }
}

/// Who has made a call, for the context of its function.
#[napi(object)]
pub struct CallerFields {
    /// The identifier of the request.
    pub request_id: String,
    /// The peer's address.
    pub address: String,
    /// The peer's port.
    pub port: u32,
    /// The certificate that the peer has sent, in DER form.
    pub certificate: Option<Buffer>,
    /// When the caller gives up, in milliseconds since 1970, if it has said so.
    pub deadline: Option<f64>,
}

impl CallerFields {
    pub(crate) fn of(caller: &Caller) -> Self {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let date = |deadline: Instant| now + deadline.saturating_duration_since(Instant::now());
        Self {
            request_id: String::from_utf8_lossy(caller.request_id.as_bytes()).into_owned(),
            address: caller.peer.address.ip().to_string(),
            port: caller.peer.address.port().into(),
            certificate: caller.peer.certificate.clone().map(Into::into),
            deadline: caller.deadline.map(|deadline| date(deadline).as_millis() as f64),
        }
    }
}

/// Tells JavaScript that the caller has gone away.
struct Abandonment {
    call: u32,
    deadline: Option<Instant>,
    completions: Arc<Completions>,
}

impl Wake for Abandonment {
    fn wake(self: Arc<Self>) {
        let overdue = is_overdue(self.deadline);
        self.completions.push(Event::Abandoned { call: self.call, overdue });
        // Not everything that can end a call runs on the I/O thread.
        self.completions.wake();
    }
}

/// A caller that goes away at its deadline does so because of the deadline.
fn is_overdue(deadline: Option<Instant>) -> bool {
    deadline.is_some_and(|deadline| Instant::now() + GRACE >= deadline)
}

/// Sends an event shortly after the deadline, unless the call is answered first.
async fn watch_deadline(
    call: u32,
    deadline: Instant,
    completions: Arc<Completions>,
    answered: oneshot::Receiver<()>,
) {
    tokio::select! {
        () = tokio::time::sleep_until((deadline + GRACE).into()) => {
            completions.push(Event::Abandoned { call, overdue: true });
        }
        _ = answered => (),
    }
}

/// Calls that JavaScript has not answered yet.
#[derive(Default)]
pub(crate) struct Replies {
    next: AtomicU32,
    callers: Mutex<HashMap<u32, Caller>>,
}

impl Replies {
    pub(crate) fn add(&self, caller: Caller) -> u32 {
        let mut callers = self.callers();
        loop {
            let id = self.next.fetch_add(1, Ordering::Relaxed);
            if let Entry::Vacant(entry) = callers.entry(id) {
                entry.insert(caller);
                return id;
            }
        }
    }

    /// Takes out a call that has not been answered.
    pub(crate) fn take(&self, call: u32) -> Option<Caller> {
        self.callers().remove(&call)
    }

    /// Answers a call, if it still waits for that.
    pub(crate) fn answer(&self, call: u32, outcome: Outcome) {
        if let Some(Caller { reply, in_flight, .. }) = self.take(call) {
            drop(in_flight);
            reply.send(outcome);
        }
    }

    /// Looks at a call that has not been answered.
    pub(crate) fn look<T>(&self, call: u32, at: impl FnOnce(&mut Caller) -> T) -> Option<T> {
        self.callers().get_mut(&call).map(at)
    }

    /// Has an event tell when the caller goes away or its deadline passes. If it has gone away already:
    /// whether its deadline has passed.
    pub(crate) fn watch(&self, call: u32, completions: &Arc<Completions>) -> Option<bool> {
        let mut callers = self.callers();
        let Some(caller) = callers.get_mut(&call) else { return Some(false) };
        let deadline = caller.deadline;
        let completions = Arc::clone(completions);
        let abandonment = Abandonment { call, deadline, completions: Arc::clone(&completions) };
        if caller.reply.wake_when_abandoned(&Arc::new(abandonment).into()) {
            return Some(is_overdue(deadline));
        }
        if let Some(deadline) = deadline
            && let Ok(io) = io_thread()
        {
            let (watch, answered) = oneshot::channel();
            caller.watch = Some(watch);
            // It ends with the thread, as the call does.
            let _ = io.spawn(move || watch_deadline(call, deadline, completions, answered));
        }
        None
    }

    /// All calls, locked, to ask of several whether they are waited for.
    pub(crate) fn waiting(&self) -> Waiting<'_> {
        Waiting(self.callers())
    }

    /// Fails all calls, since nothing can answer them any more.
    pub(crate) fn fail_all(&self) {
        let callers = std::mem::take(&mut *self.callers());
        for caller in callers.into_values() {
            caller.reply.send(worker_ended());
        }
    }

    fn callers(&self) -> MutexGuard<'_, HashMap<u32, Caller>> {
        self.callers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// See [`Replies::waiting`].
pub(crate) struct Waiting<'a>(MutexGuard<'a, HashMap<u32, Caller>>);

impl Waiting<'_> {
    /// Takes out a call.
    pub(crate) fn forget(&mut self, call: u32) -> Option<Caller> {
        self.0.remove(&call)
    }

    /// Whether somebody waits for the answer to a call; if not, it is forgotten.
    pub(crate) fn is_waited_for(&mut self, call: u32) -> bool {
        let wanted = self.0.get(&call).is_some_and(Caller::is_waiting);
        if !wanted && let Some(caller) = self.0.remove(&call) {
            caller.give_up();
        }
        wanted
    }
}
