//! The life of clients, and their calls.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use backwater_protocol::Secrets;
use backwater_protocol::client::{Outcome, Settings};
use backwater_transport::{CallError, CallOutcome, CallRequest, Client, ClientOptions, Spawner};
use napi::{Error, Result};
use tokio::sync::oneshot;

use crate::bridge::{Shared, locked};
use crate::events::{Event, Message};
use crate::failures;
use crate::faults;
use crate::outbox::{CallFields, Job};
use crate::paths::Paths;
use crate::process::{io_thread, io_thread_of_client};
use crate::resolving;
use crate::settings::{self, TermFlags, ValueBounds, duration, limit, size};
use crate::tls;

/// How long calls under way may take once a client is closed: their own timeouts end them.
const CLOSE: Duration = Duration::from_secs(3600 * 24);

/// Makes a client. It connects when it is first called.
pub(crate) fn create(
    shared: &Arc<Shared>,
    id: u32,
    options: &str,
    secrets: Vec<Vec<u8>>,
) -> Result<()> {
    let options: settings::ClientOptions = settings::parse(options)?;
    let secrets = Secrets::new(secrets).map_err(|error| Error::from_reason(error.to_string()))?;
    let settings = Settings {
        max_encoded_args_size: options.max_encoded_args_size,
        max_encoded_result_size: options.max_encoded_result_size,
        compression_threshold: size(options.compression_threshold),
        gzip_level: options.gzip_level,
        ..Settings::new(secrets.clone())
    };
    let audience = settings::header_value(options.audience.as_deref())?;
    let count = options.io_threads;
    let endpoints = options.endpoints.into_iter().map(Into::into).collect();
    let bounds = options.bounds;
    let is_resolved = options.resolver.is_some();
    let tls = options.tls.as_ref().map(tls::client).transpose()?;
    let options = ClientOptions {
        tls,
        connect_timeout: duration(options.connect_timeout),
        recv_timeout: duration(options.recv_timeout),
        max_connections: size(options.max_connections),
        min_connections: size(options.min_connections),
        max_connection_age: limit(options.max_connection_age),
        dead_peer_timeout: limit(options.dead_peer_timeout),
        max_bytes_in_flight: options.max_bytes_in_flight.unwrap_or(usize::MAX),
        max_waiting: size(options.max_queued_calls),
        idle_timeout: options.idle_timeout.map(duration),
        replay_protection: options.replay_protection,
        audience,
        ..ClientOptions::of(endpoints, settings)
    };
    let io = io_thread_of_client(count)?;
    let client = if is_resolved {
        Client::resolved(&io, options, resolving::asking(shared, id))
    } else {
        Client::new(&io, options)
    };
    let spawner = io.spawner();
    let (secrets, paths) = (Mutex::new(secrets), Paths::default());
    let entry = ClientEntry { client, spawner, secrets, bounds, paths };
    locked(&shared.clients).insert(id, Arc::new(entry));
    Ok(())
}

/// A client of an environment.
pub(crate) struct ClientEntry {
    pub(crate) client: Client,
    /// Starts tasks on the I/O thread that owns its connections.
    pub(crate) spawner: Spawner,
    secrets: Mutex<Secrets>,
    bounds: ValueBounds,
    paths: Paths,
}

impl ClientEntry {
    /// Runs a task on the I/O thread that owns the client's connections. Call it on any I/O thread.
    pub(crate) fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        if self.spawner.is_here() {
            tokio::task::spawn_local(task);
        } else {
            // Fails only if the thread has ended, and all calls with it.
            let _ = self.spawner.spawn(move || task);
        }
    }
}

/// Makes the call that a job asks for; runs on the I/O thread.
pub(crate) fn call(shared: &Arc<Shared>, job: Job) {
    let id = job.id();
    let Some((client, request)) = request(shared, job) else {
        let description = failures::internal("a call that cannot be read");
        shared.completions.push(Event::Failure { operation: id, description });
        return;
    };
    let (cancel, cancelled) = oneshot::channel();
    locked(&shared.calls).insert(id, cancel);
    let shared = Arc::clone(shared);
    let unsettled = Unsettled { shared, id, is_settled: false };
    let calling = client.client.call(request);
    client.spawn(async move {
        tokio::select! {
            result = calling => {
                let event = event(id, result);
                unsettled.settle(event);
            }
            // JavaScript does not wait any more.
            _ = cancelled => (),
        }
    });
}

/// A call that JavaScript waits for: it hears of its end even if that is a panic.
struct Unsettled {
    shared: Arc<Shared>,
    id: u32,
    is_settled: bool,
}

impl Unsettled {
    fn settle(mut self, event: Event) {
        locked(&self.shared.calls).remove(&self.id);
        self.shared.completions.push(event);
        self.is_settled = true;
    }
}

impl Drop for Unsettled {
    fn drop(&mut self) {
        // It is there no more when it was cancelled.
        if !self.is_settled && locked(&self.shared.calls).remove(&self.id).is_some() {
            failed_inside(&self.shared, self.id);
        }
    }
}

/// Tells JavaScript that a call has failed by a bug of this library.
pub(crate) fn failed_inside(shared: &Shared, call: u32) {
    shared.completions.push(Event::failed_inside(call));
}

fn request(shared: &Shared, job: Job) -> Option<(Arc<ClientEntry>, CallRequest)> {
    let CallFields {
        client,
        names,
        arity,
        flags,
        connect_timeout,
        recv_timeout,
        max_encoded_result_size,
        max_encoded_args_size,
        compression_threshold,
        timeout,
        max_retries,
        hedge_delay,
    } = job.call()?;
    let client = Arc::clone(locked(&shared.clients).get(&client)?);
    let path = client.paths.of(names, arity)?;
    let decode = TermFlags(flags).decode_options(client.bounds);
    let mut request = CallRequest::new(path, Box::new(job.into_tape()));
    request.secrets = Some(locked(&client.secrets).clone());
    request.connect_timeout = Some(duration(connect_timeout));
    request.recv_timeout = Some(duration(recv_timeout));
    request.timeout = limit(timeout);
    request.max_encoded_result_size = Some(size(max_encoded_result_size));
    request.max_encoded_args_size = Some(size(max_encoded_args_size));
    request.compression_threshold = Some(size(compression_threshold));
    request.decode = Some(decode);
    request.idempotent = TermFlags(flags).idempotent();
    request.max_retries = max_retries;
    request.hedge_delay = (hedge_delay != u32::MAX).then(|| duration(hedge_delay));
    Some((client, request))
}

fn event(call: u32, result: std::result::Result<CallOutcome, CallError>) -> Event {
    faults::pass("event");
    match result {
        Ok(CallOutcome { outcome, tape, source, memory }) => {
            let message = Message { tape, source, _memory: memory };
            match outcome {
                Outcome::Return { word_offset } => {
                    Event::Return { call, skip: word_offset as u32, message }
                }
                Outcome::Exception { word_offset } => {
                    Event::Exception { call, skip: word_offset as u32, message }
                }
            }
        }
        Err(error) => Event::Failure { operation: call, description: failures::call(&error) },
    }
}

/// Gives a call up: its connection is closed, nobody hears of its end.
pub(crate) fn cancel(shared: &Shared, call: u32) {
    let cancel = locked(&shared.calls).remove(&call);
    drop(cancel);
}

/// Exchanges the secrets of a client, from the next call on.
pub(crate) fn set_secrets(shared: &Shared, client: u32, secrets: Vec<Vec<u8>>) -> Result<()> {
    let secrets = Secrets::new(secrets).map_err(|error| Error::from_reason(error.to_string()))?;
    if let Some(entry) = locked(&shared.clients).get(&client) {
        *locked(&entry.secrets) = secrets;
    }
    Ok(())
}

/// Closes a client; `operation` ends when its calls have, with the figures of then.
pub(crate) fn close(shared: &Arc<Shared>, client: u32, operation: u32) -> Result<()> {
    let shared = Arc::clone(shared);
    io_thread()?
        .spawn(move || async move {
            // Here, since calls that were made before may still be on their way to this thread.
            let closing = locked(&shared.clients).get(&client).cloned();
            if let Some(entry) = closing {
                entry.client.close(CLOSE).await;
            }
            // Only now, since calls may have waited for its endpoints.
            let description = resolving::stats(&shared, client);
            locked(&shared.clients).remove(&client);
            shared.completions.push(Event::Done { operation, description });
        })
        .map_err(|error| Error::from_reason(error.to_string()))
}

/// Ends all clients where they stand.
pub(crate) fn drop_all(shared: &Shared) {
    let clients = std::mem::take(&mut *locked(&shared.clients));
    for entry in clients.into_values() {
        drop(entry.client.close(Duration::ZERO));
    }
}
