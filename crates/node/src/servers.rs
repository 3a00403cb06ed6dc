//! The life of servers: start, figures, close.

use std::sync::Arc;
use std::time::Duration;

use backwater_protocol::Secrets;
use backwater_protocol::server::Settings;
use backwater_transport::{BindError, Outcome, Server, ServerOptions};
use napi::{Error, Result};

use crate::bridge::{Shared, locked};
use crate::events::Event;
use crate::failures;
use crate::outbox::Job;
use crate::process::{io_thread, know_atom};
use crate::service::{FunctionTable, JavaScriptService};
use crate::settings::{self, TermFlags, duration, size};

/// Starts a server. The event that ends `operation` tells its identifier and address.
pub(crate) fn start(
    shared: &Arc<Shared>,
    id: u32,
    options: &str,
    secrets: Vec<Vec<u8>>,
    operation: u32,
) -> Result<()> {
    let options: settings::ServerOptions = settings::parse(options)?;
    let secrets = Secrets::new(secrets).map_err(|error| Error::from_reason(error.to_string()))?;
    for (_, module, function, _) in &options.functions {
        know_atom(module);
        know_atom(function);
    }
    let service = JavaScriptService {
        server: id,
        completions: Arc::clone(&shared.completions),
        replies: Arc::clone(&shared.replies),
    };
    let transport = transport_options(&options, secrets);
    let functions = FunctionTable::new(options.modules, options.functions);
    let io = io_thread()?;
    let started = Server::start(&io, transport, Arc::new(functions), Arc::new(service));
    let shared = Arc::clone(shared);
    io.spawn(move || async move {
        let event = match started.await {
            Ok(server) => {
                let address = server.local_addr();
                let description = serde_json::json!({
                    "server": id,
                    "host": address.ip().to_string(),
                    "port": address.port(),
                });
                locked(&shared.servers).insert(id, Arc::new(server));
                Event::Done { operation, description: description.to_string() }
            }
            Err(error) => Event::Failure { operation, description: describe(&error) },
        };
        shared.completions.push(event);
    })
    .map_err(|error| Error::from_reason(error.to_string()))
}

fn transport_options(options: &settings::ServerOptions, secrets: Secrets) -> ServerOptions {
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
        decode: TermFlags(options.flags).decode_options(options.max_depth, options.max_terms),
        recv_timeout: duration(options.recv_timeout),
        max_connections: size(options.max_connections),
        max_calls_in_flight: size(options.max_calls_in_flight),
        ..ServerOptions::new(settings)
    }
}

fn describe(error: &BindError) -> String {
    failures::listen(&error.host, error.port, &error.source)
}

/// How many connections a server has; none when it is closed.
pub(crate) fn connections(shared: &Shared, server: u32) -> u32 {
    let connections = locked(&shared.servers).get(&server).map(|server| server.stats().connections);
    u32::try_from(connections.unwrap_or(0)).unwrap_or(u32::MAX)
}

/// Closes a server; `operation` ends when all of its connections have.
pub(crate) fn close(shared: &Arc<Shared>, server: u32, timeout: u32, operation: u32) -> Result<()> {
    let shared = Arc::clone(shared);
    io_thread()?
        .spawn(move || async move {
            // Here, since answers that were given before may still be on their way to this thread.
            let closing = locked(&shared.servers).remove(&server);
            if let Some(server) = closing {
                server.close(duration(timeout)).await;
            }
            shared.completions.push(Event::Done { operation, description: "null".into() });
        })
        .map_err(|error| Error::from_reason(error.to_string()))
}

/// Ends all servers where they stand.
pub(crate) fn drop_all(shared: &Shared) {
    let servers = std::mem::take(&mut *locked(&shared.servers));
    for server in servers.into_values() {
        drop(server.close(Duration::ZERO));
    }
}

pub(crate) fn answer_return(shared: &Shared, job: Job) {
    shared.replies.answer(job.id(), Outcome::Return(Box::new(job.into_tape())));
}

pub(crate) fn answer_exception(shared: &Shared, job: Job) {
    shared.replies.answer(job.id(), Outcome::Exception(Box::new(job.into_tape())));
}
