use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use backwater_etf::DecodeOptions;
use backwater_protocol::Secrets;
use backwater_protocol::client::{Outcome, Settings};
use backwater_transport::{
    Answer, CallFailure, CallOutcome, CallRequest, ClientTls, FirstRequestId, ItemStream, Spawner,
    StreamEvent, StreamTerm,
};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use napi::bindgen_prelude::Either;
use napi::{Error, Result};
use tokio::sync::{Semaphore, oneshot};

use crate::errors::Failure;
use crate::event_queue::EventQueue;
use crate::events::{Event, Message};
use crate::faults;
use crate::io_threads;
use crate::jobs::Job;
use crate::number_map::NumberMap;
use crate::numbers::{
    EVENT_DONE, EVENT_END, EVENT_EXCEPTION, EVENT_ITEMS, EVENT_RESOLVE, EVENT_RETURN, job,
};
use crate::options::{
    self, ClientOptions, Endpoint, ResolveFailure, TermFlags, decode_limits, duration, limit, size,
};
use crate::paths::Paths;
use crate::stats::ClientFigures;
use crate::tls;
use backwater_transport::locks::Mutex;

const CLOSE_TIMEOUT: Duration = Duration::from_secs(3600 * 24);

pub(crate) struct Clients {
    events: Arc<EventQueue>,
    next: AtomicU32,
    open: Mutex<NumberMap<Arc<Client>>>,
    calls: Mutex<NumberMap<OngoingCall>>,
}

/// Dropping it cancels the call.
struct OngoingCall {
    _cancel: oneshot::Sender<()>,
    /// How many events of a stream JavaScript has asked for.
    pulls: Option<Arc<Semaphore>>,
}

impl Clients {
    pub(crate) fn new(events: &Arc<EventQueue>) -> Self {
        Self {
            events: Arc::clone(events),
            next: AtomicU32::new(1),
            open: Mutex::default(),
            calls: Mutex::default(),
        }
    }

    pub(crate) fn create(
        &self,
        options: ClientOptions,
        secrets: Secrets,
    ) -> Result<Either<u32, Failure>> {
        let tls = match options.tls.as_ref().map(tls::client).transpose() {
            Ok(tls) => tls,
            Err(failure) => return Ok(Either::B(failure)),
        };
        let id = self.next.fetch_add(1, Ordering::Relaxed);
        let client = Client::new(options, tls, secrets, self.ask_for_endpoints(id))?;
        self.open.lock().insert(id, Arc::new(client));
        Ok(Either::A(id))
    }

    /// Runs on the I/O thread.
    pub(crate) fn call(self: &Arc<Self>, job: Job) {
        let id = job.id();
        let Some((client, request)) = self.request(job) else {
            let failure = Failure::internal("a bug in this library: a call cannot be read");
            self.events.push(Event::failure(id, failure));
            return;
        };
        let (cancel, mut cancelled) = oneshot::channel();
        let pulls = request.stream.then(|| Arc::new(Semaphore::new(0)));
        let ongoing = OngoingCall { _cancel: cancel, pulls: pulls.clone() };
        self.calls.lock().insert(id, ongoing);
        let unsettled = Unsettled { clients: Arc::clone(self), id, is_settled: false };
        let call = client.transport.stream(request);
        // Boxed, because tokio moves the future of a task several times.
        client.spawn(Box::pin(async move {
            tokio::select! {
                result = call => match result {
                    Ok(Answer::Whole(outcome)) => unsettled.settle(event(id, Ok(outcome))),
                    Err(failure) => unsettled.settle(event(id, Err(failure))),
                    Ok(Answer::Stream(stream)) => {
                        let pulls = pulls.unwrap_or_else(|| Arc::new(Semaphore::new(0)));
                        Box::pin(pass_on(unsettled, stream, pulls, cancelled)).await;
                    }
                },
                _ = &mut cancelled => (),
            }
        }));
    }

    pub(crate) fn pull(&self, call: u32) {
        if let Some(OngoingCall { pulls: Some(pulls), .. }) = self.calls.lock().get(&call) {
            pulls.add_permits(1);
        }
    }

    /// Closes the connection and sends no event.
    pub(crate) fn cancel(&self, call: u32) {
        let cancel = self.calls.lock().remove(&call);
        drop(cancel);
    }

    pub(crate) fn set_secrets(&self, client: u32, secrets: Secrets) {
        if let Some(client) = self.get(client) {
            *client.secrets.lock() = secrets;
        }
    }

    pub(crate) fn set_endpoints(&self, client: u32, endpoints: Vec<Endpoint>) -> Result<()> {
        let endpoints = options::endpoints(endpoints)?;
        self.tell(client, |client| client.set_endpoints(endpoints))
    }

    pub(crate) fn resolution_failed(&self, client: u32, failure: ResolveFailure) -> Result<()> {
        self.tell(client, |client| client.resolution_failed(failure.into()))
    }

    pub(crate) fn endpoints_unchanged(&self, client: u32) -> Result<()> {
        self.tell(client, backwater_transport::Client::endpoints_unchanged)
    }

    pub(crate) fn stats(&self, client: u32) -> Option<ClientFigures> {
        self.get(client).map(|client| ClientFigures::of(&client.transport))
    }

    /// `operation` completes once all calls have ended. The client stays until [`Clients::remove`],
    /// because calls may wait for its endpoints.
    pub(crate) fn close(self: &Arc<Self>, client: u32, operation: u32) -> Result<()> {
        let clients = Arc::clone(self);
        io_threads::spawn(move || async move {
            // Looked up here, because earlier calls may still be on their way to this thread.
            let closing = clients.get(client);
            if let Some(client) = closing {
                client.transport.close(CLOSE_TIMEOUT).await;
            }
            clients.events.push(Event::new(EVENT_DONE, operation));
        })
    }

    pub(crate) fn remove(&self, client: u32) -> Option<ClientFigures> {
        let removed = self.open.lock().remove(&client);
        removed.map(|client| ClientFigures::of(&client.transport))
    }

    pub(crate) fn close_all(&self) {
        self.calls.lock().clear();
        let clients = std::mem::take(&mut *self.open.lock());
        for client in clients.into_values() {
            drop(client.transport.close(Duration::ZERO));
        }
    }

    fn get(&self, client: u32) -> Option<Arc<Client>> {
        self.open.lock().get(&client).cloned()
    }

    fn request(&self, job: Job) -> Option<(Arc<Client>, CallRequest)> {
        let client = self.get(job.field(job::CLIENT))?;
        let request = client.request(job)?;
        Some((client, request))
    }

    fn ask_for_endpoints(&self, client: u32) -> impl Fn() + Send + Sync + 'static {
        let events = Arc::clone(&self.events);
        move || events.push(Event::new(EVENT_RESOLVE, client))
    }

    fn tell(
        &self,
        client: u32,
        tell: impl FnOnce(&backwater_transport::Client) + Send + 'static,
    ) -> Result<()> {
        let Some(client) = self.get(client) else { return Ok(()) };
        let spawner = client.spawner.clone();
        spawner
            .spawn(move || async move { tell(&client.transport) })
            .map_err(|error| Error::from_reason(error.to_string()))
    }
}

struct Client {
    transport: backwater_transport::Client,
    /// Belongs to the I/O thread that owns the connections.
    spawner: Spawner,
    secrets: Mutex<Secrets>,
    limits: DecodeOptions<'static>,
    paths: Paths,
}

impl Client {
    fn new(
        options: ClientOptions,
        tls: Option<ClientTls>,
        secrets: Secrets,
        ask_for_endpoints: impl Fn() + Send + Sync + 'static,
    ) -> Result<Self> {
        let io = io_threads::for_client(io_threads::count(options.io_threads))?;
        let limits = decode_limits(options.max_depth, options.max_terms, options.max_value_size);
        let is_resolved = options.is_resolved;
        let options = transport_options(options, tls, secrets.clone())?;
        let transport = if is_resolved {
            backwater_transport::Client::resolved(&io, options, ask_for_endpoints)
        } else {
            backwater_transport::Client::new(&io, options)
        };
        let (spawner, secrets) = (io.spawner(), Mutex::new(secrets));
        Ok(Self { transport, spawner, secrets, limits, paths: Paths::default() })
    }

    fn request(&self, job: Job) -> Option<CallRequest> {
        let arity = u8::try_from(job.field(job::ARITY)).ok()?;
        let path = self.paths.of(job.bytes(job::NAMES, job::NAMES_LENGTH)?, arity)?;
        let headers = job.bytes(job::HEADERS, job::HEADERS_LENGTH)?;
        let carried = match std::str::from_utf8(headers).ok()? {
            "" => None,
            headers => Some(options::call_headers(headers)?),
        };
        let request_id = match job.request_id()? {
            [] => None,
            id => Some(Arc::new(FirstRequestId::new(STANDARD.decode(id).ok()?.try_into().ok()?))),
        };
        let flags = TermFlags(job.field(job::FLAGS));
        Some(CallRequest {
            secrets: Some(self.secrets.lock().clone()),
            carried,
            request_id,
            connect_timeout: Some(duration(job.limit(job::CONNECT_TIMEOUT))),
            recv_timeout: Some(duration(job.limit(job::RECV_TIMEOUT))),
            timeout: limit(job.limit(job::TIMEOUT)),
            max_encoded_args_size: Some(size(job.limit(job::MAX_ENCODED_ARGS_SIZE))),
            compression_threshold: Some(size(job.limit(job::COMPRESSION_THRESHOLD))),
            max_encoded_result_size: Some(size(job.limit(job::MAX_ENCODED_RESULT_SIZE))),
            decode: Some(flags.decode_options(self.limits)),
            idempotent: flags.idempotent(),
            max_retries: job.field(job::MAX_RETRIES),
            stream: flags.stream(),
            idle_timeout: duration(job.limit(job::IDLE_TIMEOUT)),
            hedge_delay: limit(job.limit(job::HEDGE_DELAY)),
            path,
            arguments: Box::new(job.into_tape()),
        })
    }

    /// Call it on any I/O thread.
    fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        if self.spawner.is_here() {
            tokio::task::spawn_local(task);
        } else {
            // Fails only if the thread, and so every call, has ended.
            let _ = self.spawner.spawn(move || task);
        }
    }
}

fn transport_options(
    options: ClientOptions,
    tls: Option<ClientTls>,
    secrets: Secrets,
) -> Result<backwater_transport::ClientOptions> {
    let settings = Settings {
        max_encoded_args_size: options.max_encoded_args_size as usize,
        max_encoded_result_size: options.max_encoded_result_size as usize,
        compression_threshold: size(options.compression_threshold),
        gzip_level: options.gzip_level,
        ..Settings::new(secrets)
    };
    let endpoints = options::endpoints(options.endpoints)?;
    Ok(backwater_transport::ClientOptions {
        tls,
        connect_timeout: duration(options.connect_timeout),
        recv_timeout: duration(options.recv_timeout),
        max_connections: options.max_connections as usize,
        max_streams: options.max_streams as usize,
        min_connections: options.min_connections as usize,
        max_connection_age: limit(options.max_connection_age),
        dead_peer_timeout: limit(options.dead_peer_timeout),
        max_bytes_in_flight: size(options.max_bytes_in_flight),
        max_waiting: size(options.max_queued_calls),
        idle_timeout: options.idle_timeout.map(duration),
        replay_protection: options.replay_protection,
        audience: options::header_value(options.audience.as_deref())?,
        caller: options::header_value(options.caller.as_deref())?,
        ..backwater_transport::ClientOptions::of(endpoints, settings)
    })
}

struct Unsettled {
    clients: Arc<Clients>,
    id: u32,
    is_settled: bool,
}

impl Unsettled {
    fn settle(mut self, event: Event) {
        self.clients.calls.lock().remove(&self.id);
        self.clients.events.push(event);
        self.is_settled = true;
    }
}

impl Drop for Unsettled {
    fn drop(&mut self) {
        // A cancelled call is no longer in the map.
        if !self.is_settled && self.clients.calls.lock().remove(&self.id).is_some() {
            self.clients.events.push(Event::failed_inside(self.id));
        }
    }
}

/// Passes on the first event of a stream at once, and later ones when JavaScript asks.
async fn pass_on(
    unsettled: Unsettled,
    mut stream: Box<ItemStream>,
    pulls: Arc<Semaphore>,
    cancelled: oneshot::Receiver<()>,
) {
    let (call, request_id) = (unsettled.id, stream.request_id());
    let events = Arc::clone(&unsettled.clients.events);
    let last = async {
        loop {
            match stream.next().await {
                Ok(StreamEvent::Items(items)) => {
                    events.push(Event::term(EVENT_ITEMS, call, 0, request_id, message(items)));
                }
                Ok(StreamEvent::End(_)) => {
                    return Event { request_id, ..Event::new(EVENT_END, call) };
                }
                Ok(StreamEvent::Exception(exception)) => {
                    let message = message(exception);
                    return Event::term(EVENT_EXCEPTION, call, 0, request_id, message);
                }
                Err(failure) => return event(call, Err(failure)),
            }
            tokio::select! {
                biased;
                pull = pulls.acquire() => match pull {
                    Ok(pull) => pull.forget(),
                    // The semaphore is never closed.
                    Err(_) => return Event::failed_inside(call),
                },
                failure = stream.expired() => return event(call, Err(failure)),
            }
        }
    };
    tokio::select! {
        last = last => unsettled.settle(last),
        _ = cancelled => (),
    }
}

fn message(StreamTerm { tape, source, memory }: StreamTerm) -> Message {
    Message { tape, source, _memory: memory }
}

fn event(call: u32, result: std::result::Result<CallOutcome, CallFailure>) -> Event {
    faults::pass("event");
    match result {
        Ok(CallOutcome { outcome, request_id, tape, source, memory }) => {
            let (kind, skip) = match outcome {
                Outcome::Return { word_offset } => (EVENT_RETURN, word_offset),
                Outcome::Exception { word_offset } => (EVENT_EXCEPTION, word_offset),
            };
            let message = Message { tape, source, _memory: memory };
            Event::term(kind, call, skip, request_id, message)
        }
        Err(CallFailure { error, request_id }) => {
            Event { request_id, ..Event::failure(call, (&error).into()) }
        }
    }
}
