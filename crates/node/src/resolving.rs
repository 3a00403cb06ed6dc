//! Endpoints of clients on their way between the languages: JavaScript resolves names, Rust makes calls.

use std::sync::Arc;

use backwater_transport::{Client, EndpointState, EndpointStats};
use napi::{Error, Result};
use serde_json::{Value, json};

use crate::bridge::{Shared, locked};
use crate::clients::ClientEntry;
use crate::events::Event;
use crate::settings::{self, ListedEndpoint, ResolveFailure};

/// What a client does when it needs its names resolved: JavaScript is told, and answers by one of the
/// functions here.
pub(crate) fn asking(shared: &Arc<Shared>, client: u32) -> impl Fn() + Send + Sync + 'static {
    let completions = Arc::clone(&shared.completions);
    move || completions.push(Event::Resolve { client })
}

pub(crate) fn set_endpoints(shared: &Shared, client: u32, endpoints: &str) -> Result<()> {
    let listed: Vec<ListedEndpoint> = settings::parse(endpoints)?;
    tell(shared, client, |client| {
        client.set_endpoints(listed.into_iter().map(Into::into).collect());
    })
}

pub(crate) fn failed(shared: &Shared, client: u32, failure: &str) -> Result<()> {
    let failure: ResolveFailure = settings::parse(failure)?;
    tell(shared, client, |client| client.resolution_failed(failure.into()))
}

pub(crate) fn unchanged(shared: &Shared, client: u32) -> Result<()> {
    tell(shared, client, Client::endpoints_unchanged)
}

/// On the I/O thread, where connections live.
fn tell(shared: &Shared, client: u32, what: impl FnOnce(&Client) + Send + 'static) -> Result<()> {
    // One that is closed needs no endpoints.
    let Some(entry) = entry(shared, client) else { return Ok(()) };
    let spawner = entry.spawner.clone();
    spawner
        .spawn(move || async move { what(&entry.client) })
        .map_err(|error| Error::from_reason(error.to_string()))
}

/// Figures of a client as src/stats.ts reads them.
pub(crate) fn stats(shared: &Shared, client: u32) -> String {
    let Some(entry) = entry(shared, client) else { return "null".to_owned() };
    let client = &entry.client;
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

fn entry(shared: &Shared, client: u32) -> Option<Arc<ClientEntry>> {
    locked(&shared.clients).get(&client).cloned()
}
