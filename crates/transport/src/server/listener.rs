use std::cell::Cell;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::net::{TcpListener, TcpSocket, TcpStream, lookup_host};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};

use super::{Peer, Phase, Shared, connection, secure};
use crate::Spawner;

/// The pause after an error such as "too many open files".
const PAUSE: Duration = Duration::from_millis(50);

/// `net.core.somaxconn` also limits it. If the queue is full, clients retry only a second later.
const BACKLOG: u32 = 4096;

pub(crate) async fn bind(
    host: &str,
    port: u16,
    reuse_port: bool,
) -> io::Result<(TcpListener, SocketAddr)> {
    let mut failure = io::Error::new(io::ErrorKind::NotFound, "the host has no address");
    for address in lookup_host((host, port)).await? {
        let listener = listen(address, reuse_port);
        match listener.and_then(|listener| listener.local_addr().map(|local| (listener, local))) {
            Ok(bound) => return Ok(bound),
            Err(error) => failure = error,
        }
    }
    Err(failure)
}

fn listen(address: SocketAddr, reuse_port: bool) -> io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    // On Windows, this would let another program take over the port.
    #[cfg(not(windows))]
    socket.set_reuseaddr(true)?;
    if reuse_port {
        share_port(&socket)?;
    }
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

/// Linux spreads connections over the sockets; macOS uses only one.
#[cfg(any(target_os = "linux", target_os = "android", target_vendor = "apple"))]
fn share_port(socket: &TcpSocket) -> io::Result<()> {
    socket.set_reuseport(true)
}

#[cfg(not(any(target_os = "linux", target_os = "android", target_vendor = "apple")))]
fn share_port(_: &TcpSocket) -> io::Result<()> {
    Err(io::Error::new(io::ErrorKind::Unsupported, "this system cannot share a port"))
}

pub(crate) async fn accept(
    listener: TcpListener,
    shared: Arc<Shared>,
    mut phase: watch::Receiver<Phase>,
    max_connections: usize,
    io_threads: Vec<Spawner>,
) {
    let spread = Spread { others: io_threads, next: Cell::new(0) };
    let slots = Arc::new(Semaphore::new(max_connections.clamp(1, Semaphore::MAX_PERMITS)));
    let closing = phase.clone();
    tokio::select! {
        biased;
        _ = phase.wait_for(|phase| *phase >= Phase::Draining) => (),
        () = accept_all(&listener, &shared, &closing, &slots, &spread) => (),
    }
    if let Ok(listener) = listener.into_std() {
        accept_waiting(&listener, &shared, &closing, &slots);
    }
}

/// Serves queued connections, which closing the listener would reset.
fn accept_waiting(
    listener: &std::net::TcpListener,
    shared: &Arc<Shared>,
    phase: &watch::Receiver<Phase>,
    slots: &Arc<Semaphore>,
) {
    while *phase.borrow() == Phase::Draining
        && let Ok(slot) = Arc::clone(slots).try_acquire_owned()
        && let Ok((stream, address)) = listener.accept()
    {
        let made = stream.set_nonblocking(true).and_then(|()| TcpStream::from_std(stream));
        if let Ok(stream) = made {
            start(stream, address, Arc::clone(shared), phase.clone(), slot);
        }
    }
}

async fn accept_all(
    listener: &TcpListener,
    shared: &Arc<Shared>,
    phase: &watch::Receiver<Phase>,
    slots: &Arc<Semaphore>,
    spread: &Spread,
) {
    while let Ok(slot) = Arc::clone(slots).acquire_owned().await {
        match listener.accept().await {
            Ok((stream, address)) => {
                let (shared, phase) = (Arc::clone(shared), phase.clone());
                spread.run(stream, move |stream| start(stream, address, shared, phase, slot));
            }
            Err(_) => tokio::time::sleep(PAUSE).await,
        }
    }
}

struct Spread {
    others: Vec<Spawner>,
    next: Cell<usize>,
}

impl Spread {
    fn run(&self, stream: TcpStream, start: impl FnOnce(TcpStream) + Send + 'static) {
        let turn = self.next.get();
        self.next.set((turn + 1) % (self.others.len() + 1));
        let Some(other) = turn.checked_sub(1).and_then(|place| self.others.get(place)) else {
            return start(stream);
        };
        // Detaches the socket from this thread's event loop. This fails only without memory.
        let Ok(stream) = stream.into_std() else { return };
        let _ = other.spawn(move || async move {
            if let Ok(stream) = TcpStream::from_std(stream) {
                start(stream);
            }
        });
    }
}

fn start(
    stream: TcpStream,
    address: SocketAddr,
    shared: Arc<Shared>,
    phase: watch::Receiver<Phase>,
    slot: OwnedSemaphorePermit,
) {
    // Responses are written whole.
    let _ = stream.set_nodelay(true);
    let counted = Arc::clone(&shared.connections);
    tokio::task::spawn_local(async move {
        if shared.tls.is_some() {
            secure::serve(stream, address, shared, phase).await;
        } else {
            let peer = Peer { address, certificate: None };
            connection::serve(stream, Arc::new(peer), shared, phase, Instant::now()).await;
        }
        drop((counted, slot));
    });
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::fs;

    use super::*;

    #[tokio::test]
    async fn many_clients_may_connect_at_once() {
        let limit = fs::read_to_string("/proc/sys/net/core/somaxconn").unwrap();
        let count = limit.trim().parse::<usize>().unwrap().min(500);
        let (_never_accepts, address) = bind("127.0.0.1", 0, false).await.unwrap();
        let mut connections = Vec::new();
        for _ in 0..count {
            let connection =
                tokio::time::timeout(Duration::from_millis(900), TcpStream::connect(address));
            connections.push(connection.await.expect("there is room").unwrap());
        }
    }

    #[tokio::test]
    async fn sockets_with_the_option_share_a_port() {
        let (first, address) = bind("127.0.0.1", 0, true).await.unwrap();
        let port = address.port();
        let (second, same) = bind("127.0.0.1", port, true).await.unwrap();
        assert_eq!(same, address);
        let error = bind("127.0.0.1", port, false).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::AddrInUse);
        let (_alone, other) = bind("127.0.0.1", 0, false).await.unwrap();
        let error = bind("127.0.0.1", other.port(), true).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::AddrInUse);
        let (_third, free) = bind("127.0.0.1", 0, true).await.unwrap();
        assert_ne!(free.port(), port);
        drop((first, second));
    }
}
