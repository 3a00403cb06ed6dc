use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::time::timeout;
use tokio_rustls::server::TlsStream;

use super::activity::FIRST_REQUEST;
use super::linger::{Sending, linger};
use super::{Peer, Phase, Shared, connection};
use crate::tls::peer_certificate;

/// A peer that speaks plain HTTP would not understand an alert.
const SPEAKS_TLS: &[u8] = b"HTTP/1.1 400 Bad Request\r\nconnection: close\r\n\
    content-type: text/plain\r\ncontent-length: 32\r\n\r\nthis port speaks TLS: use https\n";

/// The handshake counts toward the first head's timeout.
pub(crate) async fn serve(
    stream: TcpStream,
    address: SocketAddr,
    shared: Arc<Shared>,
    phase: watch::Receiver<Phase>,
) {
    let accepted = Instant::now();
    let secured = tokio::select! {
        biased;
        () = unwanted(&phase) => None,
        secured = timeout(shared.head_timeout, handshake(stream, &shared)) => secured.ok().flatten(),
    };
    if let Some(stream) = secured {
        let peer = Peer { address, certificate: peer_certificate(&stream) };
        connection::serve(stream, Arc::new(peer), shared, phase, accepted).await;
    }
}

async fn unwanted(phase: &watch::Receiver<Phase>) {
    // `connection::serve` must still see the changes.
    let (mut draining, mut aborted) = (phase.clone(), phase.clone());
    let _ = draining.wait_for(|phase| *phase >= Phase::Draining).await;
    let _ = timeout(FIRST_REQUEST, aborted.wait_for(|phase| *phase == Phase::Aborted)).await;
}

async fn handshake(mut stream: TcpStream, shared: &Shared) -> Option<Box<TlsStream<TcpStream>>> {
    if begins_like_http(&stream).await {
        linger(&mut stream, SPEAKS_TLS, Sending::Unknown, true).await;
        return None;
    }
    match shared.tls.as_ref()?.accept(stream).await {
        // An inline session would enlarge every connection's future.
        Ok(stream) => Some(Box::new(stream)),
        Err((_error, mut stream)) => {
            // A reset would destroy the alert.
            linger(&mut stream, b"", Sending::Unknown, true).await;
            None
        }
    }
}

async fn begins_like_http(stream: &TcpStream) -> bool {
    let mut first = [0];
    matches!(stream.peek(&mut first).await, Ok(1) if first[0].is_ascii_uppercase())
}
