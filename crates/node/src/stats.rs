//! Figures of clients and servers as JavaScript reads them.

use std::net::SocketAddr;
use std::sync::Arc;

use backwater_transport::{CallerStats, Client, EndpointState, EndpointStats, ExceptionStats};
use napi_derive::napi;

#[napi(object, object_from_js = false)]
#[derive(Default)]
pub struct ServerFigures {
    pub connections: u32,
    pub pending: u32,
    pub streams: u32,
    pub abandoned: u32,
    /// The used part of `maxBytesInFlight`.
    pub bytes_in_flight: f64,
    pub calls: f64,
    pub refused: Vec<CountFigure>,
    /// By class: error, exit and throw.
    pub exceptions: Vec<f64>,
    pub callers: Vec<CallerFigures>,
    pub workers: Vec<WorkerFigures>,
}

impl ServerFigures {
    pub(crate) fn new(
        stats: backwater_transport::ServerStats,
        workers: Vec<WorkerFigures>,
    ) -> Self {
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
            workers,
        }
    }
}

#[napi(object, object_from_js = false)]
pub struct CountFigure {
    pub name: String,
    pub count: f64,
}

impl CountFigure {
    fn new((name, count): (&str, u64)) -> Self {
        Self { name: name.to_owned(), count: count as f64 }
    }
}

#[napi(object, object_from_js = false)]
pub struct CallerFigures {
    pub name: String,
    pub calls: f64,
    pub refused: f64,
}

impl CallerFigures {
    fn new((name, stats): (Arc<str>, CallerStats)) -> Self {
        let CallerStats { calls, refused } = stats;
        Self { name: name.to_string(), calls: calls as f64, refused: refused as f64 }
    }
}

#[napi(object, object_from_js = false)]
pub struct WorkerFigures {
    pub slot: u32,
    pub pending: u32,
    pub calls: f64,
}

pub(crate) fn count(count: usize) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}

#[napi(object, object_from_js = false)]
pub struct ServerAddress {
    pub host: String,
    pub port: u16,
}

impl From<SocketAddr> for ServerAddress {
    fn from(address: SocketAddr) -> Self {
        Self { host: address.ip().to_string(), port: address.port() }
    }
}

#[napi(object, object_from_js = false)]
pub struct ClientFigures {
    pub connections: u32,
    pub idle: u32,
    pub queued: u32,
    pub streams: u32,
    pub connect_failures: f64,
    pub endpoints: Vec<EndpointFigures>,
    pub retries: f64,
    pub failovers: f64,
    pub hedges: f64,
    pub hedges_won: f64,
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

#[napi(object, object_from_js = false, use_nullable = true)]
pub struct EndpointFigures {
    /// Name and port, as in the `host` header.
    pub host: String,
    pub address: String,
    #[napi(ts_type = "'up' | 'ejected' | 'probing'")]
    pub state: String,
    pub ejected_for: Option<f64>,
    pub pending: u32,
    pub connections: u32,
    pub idle: u32,
    pub queued: u32,
    pub calls: f64,
    /// Failed connections, and connections lost during a call.
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
