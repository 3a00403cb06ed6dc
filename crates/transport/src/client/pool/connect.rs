use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use socket2::{SockRef, TcpKeepalive};
use tokio::net::{TcpStream, lookup_host};
use tokio::task::{JoinError, JoinSet};
use tokio::time::timeout;

use super::super::options::EndpointAddress;

/// RFC 8305, section 8: "Connection Attempt Delay".
const HEAD_START: Duration = Duration::from_millis(250);

pub(super) async fn resolve(address: &EndpointAddress) -> io::Result<Vec<SocketAddr>> {
    match address.ip {
        Some(ip) => Ok(vec![SocketAddr::new(ip, address.port)]),
        None => Ok(lookup_host((address.host.as_str(), address.port)).await?.collect()),
    }
}

/// Connects to the first address that answers. The connection fails if the peer does not answer
/// probes for `dead_after`.
pub(super) async fn connect(
    addresses: Vec<SocketAddr>,
    dead_after: Option<Duration>,
) -> io::Result<TcpStream> {
    let stream = match addresses[..] {
        [address] => TcpStream::connect(address).await?,
        _ => connect_first(addresses).await?,
    };
    // Requests are written whole.
    stream.set_nodelay(true)?;
    if let Some(dead_after) = dead_after {
        notice_death(&stream, dead_after)?;
    }
    Ok(stream)
}

/// Probes an idle connection after half of `dead_after`, then after each sixth. Unacknowledged
/// bytes suspend probes, so their time is limited where possible.
fn notice_death(stream: &TcpStream, dead_after: Duration) -> io::Result<()> {
    const PROBES: u32 = 3;
    // Systems count whole seconds, and Linux allows at most MAX_TCP_KEEPIDLE. Probing early is
    // harmless on Linux, because the user timeout decides.
    const SHORTEST: Duration = Duration::from_secs(1);
    const LONGEST: Duration = Duration::from_secs(32_767);
    let socket = SockRef::from(stream);
    let keepalive = TcpKeepalive::new()
        .with_time((dead_after / 2).clamp(SHORTEST, LONGEST))
        .with_interval((dead_after / 2 / PROBES).clamp(SHORTEST, LONGEST));
    #[cfg(not(target_os = "windows"))]
    let keepalive = keepalive.with_retries(PROBES);
    socket.set_tcp_keepalive(&keepalive)?;
    #[cfg(any(target_os = "linux", target_os = "android"))]
    socket.set_tcp_user_timeout(Some(dead_after))?;
    Ok(())
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
