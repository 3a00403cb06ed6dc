//! Figures of clients and servers in the form that JavaScript reads.

use backwater_transport::{Client, EndpointState, EndpointStats};
use napi_derive::napi;
use serde_json::{Value, json};

use crate::workers::worker::WorkerStats;

/// What a server is doing.
#[napi(object)]
#[derive(Default)]
pub struct ServerFigures {
    /// Open connections.
    pub connections: u32,
    /// Calls that have not been answered and whose callers wait.
    pub pending: u32,
    /// Calls whose callers have gone away and whose functions still run.
    pub abandoned: u32,
    /// How much of `maxBytesInFlight` is in use.
    pub bytes_in_flight: f64,
    /// Calls since the start.
    pub calls: f64,
    /// The worker threads that serve it.
    pub workers: Vec<WorkerFigures>,
}

impl ServerFigures {
    pub(crate) fn new(stats: backwater_transport::ServerStats, workers: Vec<WorkerStats>) -> Self {
        Self {
            connections: count(stats.connections),
            pending: count(stats.calls_in_flight),
            abandoned: count(stats.abandoned),
            bytes_in_flight: stats.bytes_in_flight as f64,
            calls: stats.calls as f64,
            workers: workers.into_iter().map(Into::into).collect(),
        }
    }
}

/// What a worker thread is doing.
#[napi(object)]
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

/// The figures of a client as src/client-stats.ts reads them.
pub(crate) fn client(client: &Client) -> String {
    let (all, retries) = (client.stats(), client.retry_stats());
    json!({
        "connections": all.open_connections,
        "idle": all.idle_connections,
        "queued": all.calls_waiting,
        "connectFailures": all.connect_failures,
        "endpoints": client.endpoint_stats().iter().map(endpoint).collect::<Vec<_>>(),
        "retries": retries.retries,
        "failovers": retries.failovers,
        "hedges": retries.hedges,
        "hedgesWon": retries.hedges_won,
        "retryBudget": retries.budget,
    })
    .to_string()
}

fn endpoint(stats: &EndpointStats) -> Value {
    json!({
        "host": stats.authority,
        "address": stats.address,
        "state": match stats.state {
            EndpointState::Up => "up",
            EndpointState::Ejected => "ejected",
            EndpointState::Probing => "probing",
        },
        "ejectedFor": stats.ejected_for.map(|pause| pause.as_millis() as u64),
        "pending": stats.pending,
        "connections": stats.open_connections,
        "idle": stats.idle_connections,
        "queued": stats.calls_waiting,
        "calls": stats.calls,
        "failures": stats.failures,
    })
}
