use std::collections::HashMap;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use backwater_etf::Binaries;
use backwater_protocol::server::{Callers, ReplayPolicy, Settings};
use backwater_transport::{BindError, IoThread, Server, ServerOptions, ServerTls, Service};
use napi::{Error, Result};

use crate::errors::Failure;
use crate::event_queue::EventQueue;
use crate::events::Event;
use crate::io_threads;
use crate::known_atoms::know_atom;
use crate::numbers::EVENT_DONE;
use crate::options::{self, ExposedFunction, TermFlags, decode_limits, duration, size};
use crate::served_calls::ServedCalls;
use crate::service::{FunctionTable, JavaScriptService};
use crate::stats::{ServerAddress, ServerFigures};
use crate::tls;
use crate::workers::team::{Team, TeamService};
use backwater_transport::locks::Mutex;

/// Unique in the process, because workers use it.
static NEXT: AtomicU32 = AtomicU32::new(1);

pub(crate) struct Servers {
    events: Arc<EventQueue>,
    served: Arc<ServedCalls>,
    open: Mutex<HashMap<u32, Arc<ServerEntry>>>,
}

#[derive(Default)]
struct ServerEntry {
    /// `None` if the environment serves it itself.
    team: Option<Arc<Team>>,
    server: OnceLock<Server>,
}

impl Servers {
    pub(crate) fn new(events: &Arc<EventQueue>, served: &Arc<ServedCalls>) -> Self {
        Self { events: Arc::clone(events), served: Arc::clone(served), open: Mutex::default() }
    }

    pub(crate) fn reserve(&self, workers: bool) -> Result<u32> {
        let id = NEXT.fetch_add(1, Ordering::Relaxed);
        let mut entry = ServerEntry::default();
        if workers {
            entry.team = Some(Team::create(id, io_threads::first()?.spawner()));
        }
        self.open.lock().insert(id, Arc::new(entry));
        Ok(id)
    }

    /// `operation` completes once the server is listening.
    pub(crate) fn start(
        self: &Arc<Self>,
        id: u32,
        options: options::ServerOptions,
        callers: Callers,
        operation: u32,
    ) -> Result<()> {
        let started = match options
            .tls
            .as_ref()
            .map(|tls| tls::server(tls, options.health.is_some()))
            .transpose()
        {
            Ok(tls) => self.listen(id, options, tls, callers, operation),
            Err(failure) => {
                self.forget(id);
                self.events.push(Event::failure(operation, failure));
                return io_threads::wake(&self.events);
            }
        };
        if started.is_err() {
            self.forget(id);
        }
        started
    }

    pub(crate) fn address(&self, id: u32) -> Option<ServerAddress> {
        let entry = self.get(id)?;
        Some(entry.server.get()?.local_addr().into())
    }

    pub(crate) fn stats(&self, id: u32) -> ServerFigures {
        let Some(entry) = self.get(id) else { return ServerFigures::default() };
        let stats = entry.server.get().map(Server::stats).unwrap_or_default();
        let workers = entry.team.as_ref().map(|team| team.figures()).unwrap_or_default();
        ServerFigures::new(stats, workers)
    }

    /// For new connections.
    pub(crate) fn set_certificate(&self, id: u32, cert: &str, key: &str) -> Option<Failure> {
        let entry = self.get(id)?;
        tls::set_certificate(entry.server.get()?.tls()?, cert, key).err()
    }

    /// For later requests.
    pub(crate) fn set_callers(&self, id: u32, callers: Callers) {
        if let Some(server) = self.get(id).as_ref().and_then(|entry| entry.server.get()) {
            server.set_callers(callers);
        }
    }

    /// `operation` completes once all connections are closed.
    pub(crate) fn close(
        self: &Arc<Self>,
        id: u32,
        delay: Duration,
        timeout: Duration,
        operation: u32,
    ) -> Result<()> {
        // At once, so that health checks report it.
        if let Some(server) = self.get(id).as_ref().and_then(|entry| entry.server.get()) {
            server.leave();
        }
        let servers = Arc::clone(self);
        io_threads::spawn(move || async move {
            // Looked up here, because earlier answers may still be on their way to this thread.
            if let Some(server) = servers.get(id).as_ref().and_then(|entry| entry.server.get()) {
                server.close_after(delay, timeout).await;
            }
            servers.forget(id);
            servers.events.push(Event::new(EVENT_DONE, operation));
        })
    }

    pub(crate) fn close_all(&self) {
        let servers = std::mem::take(&mut *self.open.lock());
        for (id, entry) in servers {
            Team::dissolve(id);
            if let Some(server) = entry.server.get() {
                drop(server.close(Duration::ZERO));
            }
        }
    }

    fn listen(
        self: &Arc<Self>,
        id: u32,
        options: options::ServerOptions,
        tls: Option<ServerTls>,
        callers: Callers,
        operation: u32,
    ) -> Result<()> {
        let entry = self.get(id);
        let entry = entry.ok_or_else(|| Error::from_reason("the server has no identifier"))?;
        let io = io_threads::first()?;
        let server = self.bind(&io, id, &entry, options, tls, callers)?;
        let servers = Arc::clone(self);
        io.spawn(move || async move {
            let event = match server.await {
                Ok(server) => {
                    // If the environment has ended meanwhile, it has dropped the entry, which
                    // closes the server.
                    let _ = entry.server.set(server);
                    Event::new(EVENT_DONE, operation)
                }
                Err(error) => {
                    servers.forget(id);
                    Event::failure(operation, (&error).into())
                }
            };
            servers.events.push(event);
        })
        .map_err(|error| Error::from_reason(error.to_string()))
    }

    fn bind(
        &self,
        io: &IoThread,
        id: u32,
        entry: &ServerEntry,
        mut options: options::ServerOptions,
        tls: Option<ServerTls>,
        callers: Callers,
    ) -> Result<impl Future<Output = std::result::Result<Server, BindError>> + use<>> {
        let threads = io_threads::at_least(io_threads::count(options.io_threads))?;
        let transport = ServerOptions {
            replay: options.replay.take().map(ReplayPolicy::from),
            io_threads: threads.iter().skip(1).map(|other| other.spawner()).collect(),
            ..transport_options(&options, callers, tls)
        };
        for ExposedFunction { module, name, .. } in &options.functions {
            know_atom(module);
            know_atom(name);
        }
        let functions =
            FunctionTable::new(options.modules, options.functions, options.module_callers);
        Ok(Server::start(io, transport, Arc::new(functions), self.service(id, entry)))
    }

    fn service(&self, id: u32, entry: &ServerEntry) -> Arc<dyn Service> {
        match &entry.team {
            Some(team) => Arc::new(TeamService(Arc::clone(team))),
            None => Arc::new(JavaScriptService {
                server: id,
                events: Arc::clone(&self.events),
                served: Arc::clone(&self.served),
            }),
        }
    }

    fn get(&self, id: u32) -> Option<Arc<ServerEntry>> {
        self.open.lock().get(&id).map(Arc::clone)
    }

    fn forget(&self, id: u32) {
        self.open.lock().remove(&id);
        Team::dissolve(id);
    }
}

fn transport_options(
    options: &options::ServerOptions,
    callers: Callers,
    tls: Option<ServerTls>,
) -> ServerOptions {
    let settings = Settings {
        max_encoded_args_size: options.max_encoded_args_size as usize,
        max_encoded_result_size: options.max_encoded_result_size as usize,
        compression_threshold: size(options.compression_threshold),
        gzip_level: options.gzip_level,
        ..Settings::new(callers)
    };
    let limits = decode_limits(options.max_depth, options.max_terms, options.max_value_size);
    ServerOptions {
        host: options.host.clone(),
        port: options.port,
        reuse_port: options.reuse_port,
        tls,
        health_path: options.health.clone(),
        decode: TermFlags(options.flags).decode_options(limits),
        binaries: binaries_of(&options.functions),
        head_timeout: duration(options.headers_timeout),
        recv_timeout: duration(options.recv_timeout),
        request_timeout: duration(options.request_timeout),
        keep_alive_timeout: duration(options.keep_alive_timeout),
        send_timeout: duration(options.send_timeout),
        max_header_bytes: options.max_header_size as usize,
        max_headers: options.max_headers as usize,
        max_connections: size(options.max_connections),
        max_calls_in_flight: size(options.max_calls_in_flight),
        max_streams: size(options.max_streams),
        stream_ping_interval: duration(options.stream_ping_interval),
        max_bytes_in_flight: size(options.max_bytes_in_flight),
        ..ServerOptions::new(settings)
    }
}

fn binaries_of(functions: &[ExposedFunction]) -> HashMap<u32, Binaries> {
    let own =
        |function: &ExposedFunction| Some((function.id, TermFlags(function.binaries?).binaries()));
    functions.iter().filter_map(own).collect()
}
