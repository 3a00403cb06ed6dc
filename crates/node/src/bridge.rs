//! The object that JavaScript holds: one for each environment (main thread or worker thread).

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use backwater_protocol::client::Outcome;
use bytes::Bytes;
use napi::bindgen_prelude::{Buffer, BufferSlice, Float64Array, Object, Uint8Array, Uint32Array};
use napi::{Env, Error, Result, Status};
use napi_derive::napi;
use tokio::sync::oneshot;

use crate::areas::Areas;
use crate::clients::ClientEntry;
use crate::codec_functions::{self, CodecMemory};
use crate::completions::{Completions, Wake};
use crate::decoder::{self, SharedDecoder};
use crate::event_loop::EventLoop;
use crate::events::{Event, LargeMessages};
use crate::outbox::{Batch, Job, JobKind};
use crate::process::{io_thread, know_atom, register, set_io_spin};
use crate::replies::{CallerFields, Replies};
use crate::servers::{ServerEntry, ServerFigures};
use crate::settings::duration;
use crate::workers::Worker;
use crate::{clients, failures, faults, http_codec, inbox, resolving, servers, timers, tls};

/// A response whose tape a decoder reads in parts.
#[napi(object)]
pub struct DecodedResponse {
    /// Its place among the large messages; see decoder.rs.
    pub slot: u32,
    /// The place of the value in the term.
    pub skip: u32,
    /// Whether the value is `{Class, Reason, Stacktrace}`.
    pub exception: bool,
}

/// A signed request.
#[napi(object)]
pub struct SignedRequest {
    /// The path.
    pub path: String,
    /// Pairs of name and value, as JSON.
    pub headers: String,
    /// The body as it is to be sent.
    pub body: Buffer,
}

/// What the environment and the I/O thread share.
pub(crate) struct Shared {
    pub(crate) completions: Arc<Completions>,
    pub(crate) replies: Arc<Replies>,
    /// Calls of clients that can still be cancelled.
    pub(crate) calls: Mutex<HashMap<u32, oneshot::Sender<()>>>,
    pub(crate) clients: Mutex<HashMap<u32, Arc<ClientEntry>>>,
    /// Servers that this environment has started.
    pub(crate) servers: Mutex<HashMap<u32, Arc<ServerEntry>>>,
    /// Its part in serving those of other environments.
    pub(crate) workers: Mutex<Vec<Arc<Worker>>>,
    /// Timers that have not ended.
    pub(crate) timers: Mutex<HashMap<u32, oneshot::Sender<()>>>,
}

/// For how long JavaScript waits awake at most where it cannot be seen whether it has other work.
const UNSEEN: Duration = Duration::from_micros(50);

/// See src/bridge.ts, which is the only user.
#[napi]
pub struct Bridge {
    shared: Arc<Shared>,
    /// `None` where it cannot be seen whether it has work.
    event_loop: Option<EventLoop>,
    outbox: RefCell<Option<Areas>>,
    /// Large binaries of the jobs in the outbox.
    out_of_band: RefCell<Vec<Vec<u8>>>,
    inbox: RefCell<Option<Areas>>,
    large: LargeMessages,
    codec: Rc<CodecMemory>,
    next_id: Cell<u32>,
}

#[napi]
impl Bridge {
    /// `wake` is called on the JavaScript thread when there are events; it must not throw. `libuv` says
    /// that the event loop is libuv's own.
    #[napi(constructor)]
    pub fn new(
        env: Env,
        #[napi(ts_arg_type = "() => void")] wake: Wake,
        libuv: bool,
    ) -> Result<Self> {
        let shared = Arc::new(Shared {
            completions: Arc::new(Completions::new(wake)),
            replies: Arc::default(),
            calls: Mutex::default(),
            clients: Mutex::default(),
            servers: Mutex::default(),
            workers: Mutex::default(),
            timers: Mutex::default(),
        });
        register(&shared.completions);
        env.add_env_cleanup_hook(Arc::clone(&shared), |shared| tear_down(&shared))?;
        Ok(Self {
            shared,
            event_loop: libuv.then(|| EventLoop::of(&env)).flatten(),
            outbox: RefCell::default(),
            out_of_band: RefCell::default(),
            inbox: RefCell::default(),
            large: Rc::default(),
            codec: Rc::default(),
            next_id: Cell::new(1),
        })
    }

    /// Sets the memory that jobs are written to.
    #[napi(catch_unwind)]
    pub fn attach_outbox(&self, words: Uint32Array, floats: Float64Array, bytes: Uint8Array) {
        self.outbox.replace(Some(Areas::new(words, floats, bytes)));
    }

    /// Sets the memory that events are read from.
    #[napi(catch_unwind)]
    pub fn attach_inbox(&self, words: Uint32Array, floats: Float64Array, bytes: Uint8Array) {
        self.inbox.replace(Some(Areas::new(words, floats, bytes)));
    }

    /// Sets the memory that `encode` and `encode_request` read tapes from.
    #[napi(catch_unwind)]
    pub fn attach_codec_outbox(&self, words: Uint32Array, floats: Float64Array, bytes: Uint8Array) {
        self.codec.outbox.replace(Some(Areas::new(words, floats, bytes)));
    }

    /// Sets the memory that `encode` writes small results to.
    #[napi(catch_unwind)]
    pub fn attach_codec_results(&self, results: Uint8Array) {
        self.codec.results.replace(Some(results));
    }

    /// Adds the functions of the codec to `target`; see codec_functions.rs and src/codec.ts.
    #[napi(catch_unwind)]
    pub fn install_codec(&self, env: Env, target: Object<'_>, control: Uint32Array) -> Result<()> {
        codec_functions::install(env, &self.codec, &target, control)
    }

    /// Adds the functions of a new decoder to `target`. It takes parameters from `control` and small encodings
    /// from `input`, and writes tapes to the other arrays; see decoder.rs and src/codec/native-decoder.ts.
    #[napi(catch_unwind)]
    #[allow(clippy::too_many_arguments)] // They cross once.
    pub fn install_decoder(
        &self,
        env: Env,
        target: Object<'_>,
        control: Uint32Array,
        words: Uint32Array,
        floats: Float64Array,
        bytes: Uint8Array,
        input: Uint8Array,
    ) -> Result<()> {
        let buffers = Areas::new(words, floats, bytes);
        let decoder = SharedDecoder::new(control, buffers, input, Rc::clone(&self.large));
        decoder::install(env, &target, decoder)
    }

    /// Adds an atom that safe decoding lets in.
    #[napi(catch_unwind)]
    pub fn know_atom(&self, name: String) {
        know_atom(&name);
    }

    /// Copies a large binary of the job that is being written: binary `index` of the outbox. What had
    /// this number or a higher one is forgotten; it belonged to a job that was given up.
    #[napi(catch_unwind)]
    pub fn put_out_of_band(&self, index: u32, bytes: &[u8]) {
        let mut buffers = self.out_of_band.borrow_mut();
        buffers.truncate(index as usize);
        buffers.push(bytes.to_vec());
    }

    /// Takes the jobs that lie in the first so many words, doubles and bytes of the outbox, with so many
    /// binaries out of band.
    #[napi(catch_unwind)]
    pub fn flush(&self, words: u32, floats: u32, bytes: u32, buffers: u32) -> Result<()> {
        let mut binaries = self.out_of_band.take();
        binaries.truncate(buffers as usize);
        let outbox = self.outbox.borrow();
        let outbox = outbox.as_ref().ok_or_else(detached)?;
        let batch = Batch::copy(outbox, words as usize, floats as usize, bytes as usize, binaries)
            .ok_or_else(|| Error::new(Status::InvalidArg, "the batch exceeds the outbox"))?;
        let shared = Arc::clone(&self.shared);
        io_thread()?
            .spawn(move || async move {
                for job in Arc::new(batch).jobs() {
                    run_guarded(&shared, job);
                }
            })
            .map_err(|error| Error::from_reason(error.to_string()))
    }

    /// Moves events to the inbox and returns how many.
    #[napi(catch_unwind)]
    pub fn drain(&self) -> Result<u32> {
        let completions = &self.shared.completions;
        completions.looked();
        if let Some(call) = locked(&self.shared.workers).iter().find_map(Worker::take) {
            completions.push(call);
        }
        let mut inbox = self.inbox.borrow_mut();
        let inbox = inbox.as_mut().ok_or_else(detached)?;
        let mut large = self.large.borrow_mut();
        large.clear();
        let mut events = completions.fetch();
        let delivered = inbox::deliver(&mut events, &self.shared.replies, inbox, &mut large);
        completions.taken(&events);
        Ok(delivered)
    }

    /// Has JavaScript woken once more, for events or for calls that workers share out, after the event
    /// loop has had a turn.
    #[napi(catch_unwind)]
    pub fn wake_later(&self) -> Result<()> {
        let completions = Arc::clone(&self.shared.completions);
        completions.announce();
        io_thread()?
            .spawn(move || async move { completions.wake() })
            .map_err(|error| Error::from_reason(error.to_string()))
    }

    /// Keeps the event loop running, or lets it end.
    #[napi(catch_unwind)]
    pub fn keep_alive(&self, env: Env, alive: bool) -> Result<()> {
        self.shared.completions.keep_alive(&env, alive)
    }

    /// Waits for events for at most so many microseconds without going to sleep, or until there is other
    /// work for the event loop; whether there are some, which are then to be drained at once.
    #[napi(catch_unwind)]
    pub fn spin(&self, microseconds: u32) -> bool {
        let limit = Duration::from_micros(microseconds.into());
        match &self.event_loop {
            Some(event_loop) => self.shared.completions.spin(limit, || event_loop.has_work()),
            None => self.shared.completions.spin(limit.min(UNSEEN), || false),
        }
    }

    /// Sets for how many microseconds the I/O threads wait awake; the longest of all environments counts.
    #[napi(catch_unwind)]
    pub fn set_io_spin(&self, microseconds: u32) {
        set_io_spin(&self.shared.completions, microseconds);
    }

    /// Takes a number for a server that is to be started; with `workers`, other environments serve it.
    #[napi(catch_unwind)]
    pub fn reserve_server(&self, workers: bool) -> Result<u32> {
        servers::reserve(&self.shared, workers)
    }

    /// Serves a server of another environment, as its worker `slot`.
    #[napi(catch_unwind)]
    pub fn attach_server(&self, server: u32, slot: u32) -> Result<()> {
        servers::attach(&self.shared, server, slot)
    }

    /// Starts a server; operation `operation` ends when it listens, with its address.
    #[napi(catch_unwind)]
    pub fn start_server(
        &self,
        server: u32,
        options: String,
        secrets: Vec<Buffer>,
        operation: u32,
    ) -> Result<()> {
        servers::start(&self.shared, server, &options, secrets_of(&secrets), operation)
    }

    /// What a server is doing.
    #[napi(catch_unwind)]
    pub fn server_stats(&self, server: u32) -> ServerFigures {
        faults::pass("function");
        servers::stats(&self.shared, server)
    }

    /// Who has made a call that is not answered yet.
    #[napi(catch_unwind)]
    pub fn caller(&self, call: u32) -> Option<CallerFields> {
        self.shared.replies.look(call, |caller| CallerFields::of(caller))
    }

    /// Whether anybody still waits for the answer to a call that has not begun. If not, it is over: the
    /// caller is told if it was late.
    #[napi(catch_unwind)]
    pub fn is_waited_for(&self, call: u32) -> bool {
        self.shared.replies.waiting().is_waited_for(call)
    }

    /// Has an event tell when the caller goes away or its deadline passes. If it has gone away already:
    /// whether its deadline has passed.
    #[napi(catch_unwind)]
    pub fn watch_caller(&self, call: u32) -> Option<bool> {
        self.shared.replies.watch(call, &self.shared.completions)
    }

    /// Has an event tell when so many milliseconds have passed.
    #[napi(catch_unwind)]
    pub fn start_timer(&self, timer: u32, milliseconds: u32) -> Result<()> {
        timers::start(&self.shared, timer, Duration::from_millis(milliseconds.into()))
    }

    /// Ends a timer whose event has not been sent.
    #[napi(catch_unwind)]
    pub fn stop_timer(&self, timer: u32) {
        timers::stop(&self.shared, timer);
    }

    /// Has a server show another certificate to those who connect from now on; both are PEM.
    #[napi(catch_unwind)]
    pub fn set_certificate(&self, server: u32, cert: String, key: String) -> Result<()> {
        servers::set_certificate(&self.shared, server, &cert, &key)
    }

    /// Exchanges the secrets of a server.
    #[napi(catch_unwind)]
    pub fn set_server_secrets(&self, server: u32, secrets: Vec<Buffer>) -> Result<()> {
        servers::set_secrets(&self.shared, server, secrets_of(&secrets))
    }

    /// Closes a server after `delay` milliseconds; operation `operation` ends when all is gone.
    #[napi(catch_unwind)]
    pub fn close_server(
        &self,
        server: u32,
        delay: u32,
        timeout: u32,
        operation: u32,
    ) -> Result<()> {
        servers::close(&self.shared, server, duration(delay), duration(timeout), operation)
    }

    /// Makes a client and returns its identifier.
    #[napi(catch_unwind)]
    pub fn create_client(&self, options: String, secrets: Vec<Buffer>) -> Result<u32> {
        let id = self.new_id();
        clients::create(&self.shared, id, &options, secrets_of(&secrets))?;
        Ok(id)
    }

    /// Says which endpoints a client has from now on, as JSON.
    #[napi(catch_unwind)]
    pub fn set_endpoints(&self, client: u32, endpoints: String) -> Result<()> {
        resolving::set_endpoints(&self.shared, client, &endpoints)
    }

    /// Says why the endpoints of a client could not be found out, as JSON.
    #[napi(catch_unwind)]
    pub fn resolution_failed(&self, client: u32, failure: String) -> Result<()> {
        resolving::failed(&self.shared, client, &failure)
    }

    /// Says that the endpoints of a client are still fresh.
    #[napi(catch_unwind)]
    pub fn endpoints_unchanged(&self, client: u32) -> Result<()> {
        resolving::unchanged(&self.shared, client)
    }

    /// The endpoints of a client and what happened to calls on them, as JSON; `null` once it is closed.
    #[napi(catch_unwind)]
    pub fn client_stats(&self, client: u32) -> String {
        resolving::stats(&self.shared, client)
    }

    /// Whether `set_trusted_roots` was called in this process.
    #[napi(catch_unwind)]
    pub fn has_trusted_roots(&self) -> bool {
        tls::has_trusted_roots()
    }

    /// Sets whom clients trust that are told nothing else: certificates in PEM form.
    #[napi(catch_unwind)]
    pub fn set_trusted_roots(&self, pem: String) {
        tls::set_trusted_roots(&pem);
    }

    /// Exchanges the secrets of a client.
    #[napi(catch_unwind)]
    pub fn set_client_secrets(&self, client: u32, secrets: Vec<Buffer>) -> Result<()> {
        clients::set_secrets(&self.shared, client, secrets_of(&secrets))
    }

    /// Closes a client; operation `operation` ends when its calls have.
    #[napi(catch_unwind)]
    pub fn close_client(&self, client: u32, operation: u32) -> Result<()> {
        clients::close(&self.shared, client, operation)
    }

    /// Signs a request whose arguments lie at word `frame` of the memory that `encode` reads tapes from.
    #[napi(catch_unwind)]
    pub fn encode_request(
        &self,
        parameters: String,
        secrets: Vec<Buffer>,
        frame: u32,
        request_id: &[u8],
    ) -> Result<SignedRequest> {
        let outbox = self.codec.outbox.borrow();
        let areas = outbox.as_ref().ok_or_else(detached)?.read();
        let tape = areas.tape(frame as usize).ok_or_else(detached)?;
        http_codec::encode_request(&parameters, secrets_of(&secrets), tape, request_id)
    }

    /// Checks a response and decodes its body.
    #[napi(catch_unwind)]
    pub fn decode_response(
        &self,
        parameters: String,
        secrets: Vec<Buffer>,
        body: &[u8],
    ) -> Result<DecodedResponse> {
        let (message, outcome) =
            http_codec::decode_response(&parameters, secrets_of(&secrets), body)?;
        let (word_offset, exception) = match outcome {
            Outcome::Return { word_offset } => (word_offset, false),
            Outcome::Exception { word_offset } => (word_offset, true),
        };
        let mut large = self.large.borrow_mut();
        // Those that were taken leave no trace, however long no events come.
        while large.pop_if(|message| message.is_none()).is_some() {}
        large.push(Some(message));
        Ok(DecodedResponse { slot: large.len() as u32, skip: word_offset as u32, exception })
    }

    fn new_id(&self) -> u32 {
        let id = self.next_id.get();
        self.next_id.set(id.wrapping_add(1));
        id
    }
}

/// A Buffer of bytes that nothing else refers to, as a rule, and that are not copied then.
pub(crate) fn shared_buffer(env: &Env, bytes: Bytes) -> Result<BufferSlice<'_>> {
    match bytes.try_into_mut() {
        Ok(mut bytes) if !bytes.is_empty() => {
            let (data, length) = (bytes.as_mut_ptr(), bytes.len());
            // SAFETY: the memory is that of `bytes`, which has it alone and is dropped when the Buffer
            // is collected, or at once where a runtime takes no foreign memory and has copied it.
            unsafe { BufferSlice::from_external(env, data, length, bytes, |_, bytes| drop(bytes)) }
        }
        Ok(bytes) => BufferSlice::copy_from(env, &bytes),
        Err(bytes) => BufferSlice::copy_from(env, &bytes),
    }
}

/// Does a job; runs on the I/O thread. A panic is the job's own.
fn run_guarded(shared: &Arc<Shared>, job: Job) {
    let (kind, id) = (job.kind(), job.id());
    if catch_unwind(AssertUnwindSafe(|| run(shared, job))).is_ok() {
        return;
    }
    match kind {
        // Dropped, which is answered with 500.
        Some(JobKind::Return | JobKind::Exception) => drop(shared.replies.take(id)),
        Some(JobKind::Cancel) => (),
        Some(JobKind::Call) | None => clients::failed_inside(shared, id),
    }
}

fn run(shared: &Arc<Shared>, job: Job) {
    faults::pass("job");
    match job.kind() {
        Some(JobKind::Return) => servers::answer_return(shared, job),
        Some(JobKind::Exception) => servers::answer_exception(shared, job),
        Some(JobKind::Call) => clients::call(shared, job),
        Some(JobKind::Cancel) => clients::cancel(shared, job.id()),
        None => shared.completions.push(Event::Failure {
            operation: job.id(),
            description: failures::internal("a job of an unknown kind"),
        }),
    }
}

/// The environment goes away: what it had open closes, and its callers are told.
fn tear_down(shared: &Arc<Shared>) {
    shared.completions.close();
    set_io_spin(&shared.completions, 0);
    servers::drop_all(shared);
    shared.replies.fail_all();
    locked(&shared.calls).clear();
    locked(&shared.timers).clear();
    clients::drop_all(shared);
}

fn secrets_of(secrets: &[Buffer]) -> Vec<Vec<u8>> {
    secrets.iter().map(|secret| secret.to_vec()).collect()
}

fn detached() -> Error {
    Error::from_reason("the bridge has no memory attached")
}

/// A map is whole even if a panic has left its lock poisoned.
pub(crate) fn locked<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
