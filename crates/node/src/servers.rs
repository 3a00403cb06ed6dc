//! The life of servers: start, figures, close.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use backwater_protocol::Secrets;
use backwater_protocol::server::{ReplayPolicy, Settings};
use backwater_transport::{BindError, Outcome, Server, ServerOptions, ServerTls, Service};
use napi::{Error, Result};
use napi_derive::napi;

use crate::bridge::{Shared, locked};
use crate::events::Event;
use crate::failures;
use crate::outbox::Job;
use crate::process::{io_thread, io_threads, know_atom};
use crate::service::{FunctionTable, JavaScriptService};
use crate::settings::{self, TermFlags, duration, size};
use crate::tls;
use crate::workers::{Worker, WorkerStats, Workers, WorkersService};

/// What a server is doing.
#[napi(object)]
#[derive(Default)]
pub struct ServerFigures {
    /// Open connections.
    pub connections: u32,
    /// Calls that have not been answered and whose callers wait.
    pub pending: u32,
    /// Calls whose callers have gone and whose functions still run.
    pub abandoned: u32,
    /// How much of `maxBytesInFlight` is in use.
    pub bytes_in_flight: f64,
    /// Calls since the start.
    pub calls: f64,
    /// The worker threads that serve it.
    pub workers: Vec<WorkerFigures>,
}

/// What a worker thread is doing.
#[napi(object)]
pub struct WorkerFigures {
    /// Which of the server's workers it is.
    pub slot: u32,
    /// Calls that it was given and has not answered.
    pub pending: u32,
    /// Calls that it has begun.
    pub calls: f64,
}

/// The servers of the process that are served by worker threads, for those to find.
static TEAMS: Mutex<BTreeMap<u32, Arc<Workers>>> = Mutex::new(BTreeMap::new());
/// The number of the next server, one for all environments.
static NEXT: AtomicU32 = AtomicU32::new(1);

/// A server of an environment, from when its number is known.
#[derive(Default)]
pub(crate) struct ServerEntry {
    /// `None` when the environment serves it itself.
    team: Option<Arc<Workers>>,
    /// Once it listens.
    server: OnceLock<Server>,
}

/// Takes a number for a server that is to be started. With `workers`, threads that attach themselves
/// to it by that number serve it, else this environment does.
pub(crate) fn reserve(shared: &Shared, workers: bool) -> Result<u32> {
    let id = NEXT.fetch_add(1, Ordering::Relaxed);
    let mut entry = ServerEntry::default();
    if workers {
        let team = Workers::new(id, io_thread()?.spawner());
        locked(&TEAMS).insert(id, Arc::clone(&team));
        entry.team = Some(team);
    }
    locked(&shared.servers).insert(id, Arc::new(entry));
    Ok(id)
}

/// Has this environment serve a server of another one.
pub(crate) fn attach(shared: &Shared, id: u32, slot: u32) -> Result<()> {
    let team = locked(&TEAMS).get(&id).map(Arc::clone);
    let team = team.ok_or_else(|| Error::from_reason("the server is closed"))?;
    let worker = team.add(slot, &shared.completions, &shared.replies);
    locked(&shared.workers).push(worker);
    Ok(())
}

/// Starts a server. The event that ends `operation` tells its address.
pub(crate) fn start(
    shared: &Arc<Shared>,
    id: u32,
    options: &str,
    secrets: Vec<Vec<u8>>,
    operation: u32,
) -> Result<()> {
    let started = begin_to_listen(shared, id, options, secrets, operation);
    if started.is_err() {
        forget(shared, id);
    }
    started
}

fn begin_to_listen(
    shared: &Arc<Shared>,
    id: u32,
    options: &str,
    secrets: Vec<Vec<u8>>,
    operation: u32,
) -> Result<()> {
    let mut options: settings::ServerOptions = settings::parse(options)?;
    let secrets = Secrets::new(secrets).map_err(|error| Error::from_reason(error.to_string()))?;
    for (_, module, function, _) in &options.functions {
        know_atom(module);
        know_atom(function);
    }
    let entry = locked(&shared.servers).get(&id).map(Arc::clone);
    let entry = entry.ok_or_else(|| Error::from_reason("the server has no number"))?;
    let service: Arc<dyn Service> = match &entry.team {
        Some(team) => Arc::new(WorkersService(Arc::clone(team))),
        None => Arc::new(JavaScriptService {
            server: id,
            completions: Arc::clone(&shared.completions),
            replies: Arc::clone(&shared.replies),
        }),
    };
    let threads = io_threads(options.io_threads)?;
    let tls = options.tls.as_ref().map(tls::server).transpose()?;
    let replay = options.replay.take().map(ReplayPolicy::from);
    let transport = ServerOptions {
        replay,
        io_threads: threads.iter().skip(1).map(|other| other.spawner()).collect(),
        ..transport_options(&options, secrets, tls)
    };
    let functions = FunctionTable::new(options.modules, options.functions);
    let io = io_thread()?;
    let started = Server::start(&io, transport, Arc::new(functions), service);
    let shared = Arc::clone(shared);
    io.spawn(move || async move {
        let event = match started.await {
            Ok(server) => {
                let address = server.local_addr();
                let description = serde_json::json!({
                    "host": address.ip().to_string(),
                    "port": address.port(),
                });
                // Nobody else sets it. An environment that has ended in between has dropped the entry,
                // which closes the server.
                let _ = entry.server.set(server);
                Event::Done { operation, description: description.to_string() }
            }
            Err(error) => {
                forget(&shared, id);
                Event::Failure { operation, description: describe(&error) }
            }
        };
        shared.completions.push(event);
    })
    .map_err(|error| Error::from_reason(error.to_string()))
}

/// Gives the number of a server back that does not come to listen.
fn forget(shared: &Shared, id: u32) {
    locked(&shared.servers).remove(&id);
    locked(&TEAMS).remove(&id);
}

fn transport_options(
    options: &settings::ServerOptions,
    secrets: Secrets,
    tls: Option<ServerTls>,
) -> ServerOptions {
    let settings = Settings {
        max_encoded_args_size: options.max_encoded_args_size,
        max_encoded_result_size: options.max_encoded_result_size,
        compression_threshold: size(options.compression_threshold),
        gzip_level: options.gzip_level,
        ..Settings::new(secrets)
    };
    ServerOptions {
        host: options.host.clone(),
        port: options.port,
        reuse_port: options.reuse_port,
        tls,
        health_path: options.health.clone(),
        decode: TermFlags(options.flags).decode_options(options.bounds),
        head_timeout: duration(options.headers_timeout),
        recv_timeout: duration(options.recv_timeout),
        request_timeout: duration(options.request_timeout),
        keep_alive_timeout: duration(options.keep_alive_timeout),
        send_timeout: duration(options.send_timeout),
        max_header_bytes: options.max_header_size,
        max_headers: options.max_headers,
        max_connections: size(options.max_connections),
        max_calls_in_flight: size(options.max_calls_in_flight),
        max_bytes_in_flight: options.max_bytes_in_flight.unwrap_or(usize::MAX),
        ..ServerOptions::new(settings)
    }
}

fn describe(error: &BindError) -> String {
    failures::listen(&error.host, error.port, &error.source)
}

/// What a server is doing; nothing when it is closed.
pub(crate) fn stats(shared: &Shared, server: u32) -> ServerFigures {
    let entry = locked(&shared.servers).get(&server).map(Arc::clone);
    let Some(entry) = entry else { return ServerFigures::default() };
    let stats = entry.server.get().map(Server::stats).unwrap_or_default();
    let workers = entry.team.as_ref().map(|team| team.stats()).unwrap_or_default();
    let worker = |worker: WorkerStats| WorkerFigures {
        slot: worker.slot,
        pending: count(worker.in_flight),
        calls: worker.taken as f64,
    };
    ServerFigures {
        connections: count(stats.connections),
        pending: count(stats.calls_in_flight),
        abandoned: count(stats.abandoned),
        bytes_in_flight: stats.bytes_in_flight as f64,
        calls: stats.calls as f64,
        workers: workers.into_iter().map(worker).collect(),
    }
}

fn count(count: usize) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}

/// Has a server show another certificate; nothing happens when it is closed.
pub(crate) fn set_certificate(shared: &Shared, id: u32, cert: &str, key: &str) -> Result<()> {
    let entry = locked(&shared.servers).get(&id).map(Arc::clone);
    let tls = entry.as_ref().and_then(|entry| entry.server.get()).and_then(Server::tls);
    tls.map_or(Ok(()), |tls| tls::set_certificate(tls, cert, key))
}

/// Exchanges the secrets of a server, from the next request on.
pub(crate) fn set_secrets(shared: &Shared, server: u32, secrets: Vec<Vec<u8>>) -> Result<()> {
    let secrets = Secrets::new(secrets).map_err(|error| Error::from_reason(error.to_string()))?;
    let entry = locked(&shared.servers).get(&server).map(Arc::clone);
    if let Some(server) = entry.as_ref().and_then(|entry| entry.server.get()) {
        server.set_secrets(secrets);
    }
    Ok(())
}

/// Closes a server; `operation` ends when all of its connections have.
pub(crate) fn close(
    shared: &Arc<Shared>,
    id: u32,
    delay: Duration,
    timeout: Duration,
    operation: u32,
) -> Result<()> {
    // At once, so that whoever asks after this is told so.
    if let Some(entry) = locked(&shared.servers).get(&id)
        && let Some(server) = entry.server.get()
    {
        server.leave();
    }
    let shared = Arc::clone(shared);
    io_thread()?
        .spawn(move || async move {
            // Here, since answers that were given before may still be on their way to this thread.
            let closing = locked(&shared.servers).get(&id).map(Arc::clone);
            if let Some(server) = closing.as_ref().and_then(|entry| entry.server.get()) {
                server.close_after(delay, timeout).await;
            }
            forget(&shared, id);
            shared.completions.push(Event::Done { operation, description: "null".into() });
        })
        .map_err(|error| Error::from_reason(error.to_string()))
}

/// Ends all servers where they stand, and leaves those of other environments.
pub(crate) fn drop_all(shared: &Shared) {
    let servers = std::mem::take(&mut *locked(&shared.servers));
    for (id, entry) in servers {
        locked(&TEAMS).remove(&id);
        if let Some(server) = entry.server.get() {
            drop(server.close(Duration::ZERO));
        }
    }
    let workers = std::mem::take(&mut *locked(&shared.workers));
    workers.iter().for_each(Worker::leave);
}

pub(crate) fn answer_return(shared: &Shared, job: Job) {
    shared.replies.answer(job.id(), Outcome::Return(Box::new(job.into_tape())));
}

pub(crate) fn answer_exception(shared: &Shared, job: Job) {
    shared.replies.answer(job.id(), Outcome::Exception(Box::new(job.into_tape())));
}
