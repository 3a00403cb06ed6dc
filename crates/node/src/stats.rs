//! Figures of clients and servers in the form that JavaScript reads.

use std::net::SocketAddr;
use std::sync::Arc;

use backwater_transport::{CallerStats, Client, EndpointState, EndpointStats, ExceptionStats};
use napi_derive::napi;

use crate::workers::worker::WorkerStats;

/// What a server is doing.
#[napi(object, object_from_js = false)]
#[derive(Default)]
pub struct ServerFigures {
    /// Open connections.
    pub connections: u32,
    /// Calls that have not been answered and whose callers wait.
    pub pending: u32,
    /// Streams that have begun and not ended.
    pub streams: u32,
    /// Calls whose callers have gone away and whose functions still run.
    pub abandoned: u32,
    /// How much of `maxBytesInFlight` is in use.
    pub bytes_in_flight: f64,
    /// Calls since the start.
    pub calls: f64,
    /// Requests since the start that no function saw, by reason.
    pub refused: Vec<CountFigure>,
    /// Exceptions since the start: of class error, exit and throw.
    pub exceptions: Vec<f64>,
    /// Callers with names.
    pub callers: Vec<CallerFigures>,
    /// The worker threads that serve it.
    pub workers: Vec<WorkerFigures>,
}

impl ServerFigures {
    pub(crate) fn new(stats: backwater_transport::ServerStats, workers: Vec<WorkerStats>) -> Self {
        let ExceptionStats { error, exit, throw } = stats.exceptions;
        Self {
            connections: count(stats.connections),
            pending: count(stats.calls_in_flight),
            streams: count(stats.streams),
            abandoned: count(stats.abandoned),
            bytes_in_flight: stats.bytes_in_flight as f64,
            calls: stats.calls as f64,
            refused: stats.refused.into_iter().map(CountFigure::new).collect(),
            exceptions: [error, exit, throw].map(|count| count as f64).into(),
            callers: stats.callers.into_iter().map(CallerFigures::new).collect(),
            workers: workers.into_iter().map(Into::into).collect(),
        }
    }
}

/// How often something happened.
#[napi(object, object_from_js = false)]
pub struct CountFigure {
    /// What it is called.
    pub name: String,
    /// How often.
    pub count: f64,
}

impl CountFigure {
    fn new((name, count): (&str, u64)) -> Self {
        Self { name: name.to_owned(), count: count as f64 }
    }
}

/// What a caller has called.
#[napi(object, object_from_js = false)]
pub struct CallerFigures {
    /// Its name.
    pub name: String,
    /// Calls since the server knows it.
    pub calls: f64,
    /// Requests that were refused although they were authentic.
    pub refused: f64,
}

impl CallerFigures {
    fn new((name, stats): (Arc<str>, CallerStats)) -> Self {
        let CallerStats { calls, refused } = stats;
        Self { name: name.to_string(), calls: calls as f64, refused: refused as f64 }
    }
}

/// What a worker thread is doing.
#[napi(object, object_from_js = false)]
pub struct WorkerFigures {
    /// Which of the server's workers it is.
    pub slot: u32,
    /// Calls that were assigned to it and that it has not answered.
    pub pending: u32,
    /// Calls that it has started.
    pub calls: f64,
}

impl From<WorkerStats> for WorkerFigures {
    fn from(stats: WorkerStats) -> Self {
        Self { slot: stats.slot, pending: count(stats.in_flight), calls: stats.taken as f64 }
    }
}

fn count(count: usize) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}

/// Where a server listens.
#[napi(object, object_from_js = false)]
pub struct ServerAddress {
    /// The IP address.
    pub host: String,
    /// The port.
    pub port: u16,
}

impl From<SocketAddr> for ServerAddress {
    fn from(address: SocketAddr) -> Self {
        Self { host: address.ip().to_string(), port: address.port() }
    }
}

/// What a client is doing.
#[napi(object, object_from_js = false)]
pub struct ClientFigures {
    /// Open connections.
    pub connections: u32,
    /// Connections that no call uses.
    pub idle: u32,
    /// Calls that wait for a connection.
    pub queued: u32,
    /// Streams that have a connection or are opening one.
    pub streams: u32,
    /// Connections that could not be made.
    pub connect_failures: f64,
    /// The servers that it calls.
    pub endpoints: Vec<EndpointFigures>,
    /// Idempotent calls that were repeated.
    pub retries: f64,
    /// Calls that went to another server because the first one had not started them.
    pub failovers: f64,
    /// Second attempts because the first one took long.
    pub hedges: f64,
    /// Second attempts that were answered first.
    pub hedges_won: f64,
    /// How many retries and hedges are allowed now.
    pub retry_budget: f64,
}

impl ClientFigures {
    pub(crate) fn of(client: &Client) -> Self {
        let (all, retries) = (client.stats(), client.retry_stats());
        Self {
            connections: count(all.open_connections),
            idle: count(all.idle_connections),
            queued: count(all.calls_waiting),
            streams: count(all.streams),
            connect_failures: all.connect_failures as f64,
            endpoints: client.endpoint_stats().into_iter().map(Into::into).collect(),
            retries: retries.retries as f64,
            failovers: retries.failovers as f64,
            hedges: retries.hedges as f64,
            hedges_won: retries.hedges_won as f64,
            retry_budget: retries.budget as f64,
        }
    }
}

/// What a client does with one server.
#[napi(object, object_from_js = false, use_nullable = true)]
pub struct EndpointFigures {
    /// Its name and port, as in the `host` header.
    pub host: String,
    /// The address and port that connections go to.
    pub address: String,
    /// Whether calls go there.
    #[napi(ts_type = "'up' | 'ejected' | 'probing'")]
    pub state: String,
    /// For how many milliseconds it stays ejected.
    pub ejected_for: Option<f64>,
    /// Calls under way.
    pub pending: u32,
    /// Open connections.
    pub connections: u32,
    /// Connections that no call uses.
    pub idle: u32,
    /// Calls that wait for a connection.
    pub queued: u32,
    /// Calls that went there.
    pub calls: f64,
    /// How often it could not be reached or lost a connection during a call.
    pub failures: f64,
}

impl From<EndpointStats> for EndpointFigures {
    fn from(stats: EndpointStats) -> Self {
        let state = match stats.state {
            EndpointState::Up => "up",
            EndpointState::Ejected => "ejected",
            EndpointState::Probing => "probing",
        };
        Self {
            host: stats.authority,
            address: stats.address,
            state: state.into(),
            ejected_for: stats.ejected_for.map(|pause| pause.as_millis() as f64),
            pending: count(stats.pending),
            connections: count(stats.open_connections),
            idle: count(stats.idle_connections),
            queued: count(stats.calls_waiting),
            calls: stats.calls as f64,
            failures: stats.failures as f64,
        }
    }
}
