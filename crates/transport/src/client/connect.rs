//! Makes connections.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::net::{TcpStream, lookup_host};
use tokio::task::{JoinError, JoinSet};
use tokio::time::timeout;

use super::options::Endpoint;

/// How long an address may keep the next one waiting (RFC 8305, section 8: "Connection Attempt
/// Delay").
const HEAD_START: Duration = Duration::from_millis(250);

/// The addresses of an endpoint.
///
/// # Errors
///
/// What the name lookup said.
pub(super) async fn resolve(endpoint: &Endpoint) -> io::Result<Vec<SocketAddr>> {
    match endpoint.address {
        Some(address) => Ok(vec![SocketAddr::new(address, endpoint.port)]),
        None => Ok(lookup_host((endpoint.host.as_str(), endpoint.port)).await?.collect()),
    }
}

/// Connects to the first of the addresses that answers.
///
/// # Errors
///
/// What the last address said.
pub(super) async fn connect(addresses: Vec<SocketAddr>) -> io::Result<TcpStream> {
    let stream = match addresses[..] {
        [address] => TcpStream::connect(address).await?,
        _ => connect_first(addresses).await?,
    };
    // Requests are written whole; waiting to fill packets would only delay them.
    stream.set_nodelay(true)?;
    Ok(stream)
}

async fn connect_first(addresses: Vec<SocketAddr>) -> io::Result<TcpStream> {
    let mut failure = io::Error::new(io::ErrorKind::NotFound, "the host has no address");
    let mut attempts = JoinSet::new();
    let mut addresses = addresses.into_iter();
    loop {
        let next = addresses.next();
        if let Some(address) = next {
            attempts.spawn(TcpStream::connect(address));
        }
        let ended = if next.is_some() {
            timeout(HEAD_START, attempts.join_next()).await
        } else {
            Ok(attempts.join_next().await)
        };
        match ended {
            // The attempts that are still running end when the set is dropped.
            Ok(Some(Ok(Ok(stream)))) => return Ok(stream),
            Ok(Some(ended)) => failure = ended.unwrap_or_else(never_ran).err().unwrap_or(failure),
            Ok(None) => return Err(failure),
            Err(_elapsed) => (),
        }
    }
}

fn never_ran(error: JoinError) -> io::Result<TcpStream> {
    Err(io::Error::other(error))
}
