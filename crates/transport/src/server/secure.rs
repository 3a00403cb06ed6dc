//! Connections that begin with the handshake of TLS.

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

/// What a peer gets that speaks HTTP without TLS; an alert would say nothing to it.
const SPEAKS_TLS: &[u8] = b"HTTP/1.1 400 Bad Request\r\nconnection: close\r\n\
    content-type: text/plain\r\ncontent-length: 32\r\n\r\nthis port speaks TLS: use https\n";

/// Makes the handshake, then serves as any other connection. The time for the head of the first request
/// includes the handshake. A handshake that fails concerns nobody else.
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

/// Resolves when a server that closes waits no longer for a first request.
async fn unwanted(phase: &watch::Receiver<Phase>) {
    // Receivers of its own, so that what they hear of is still news to `connection::serve`. An error
    // means that the server is gone altogether.
    let (mut draining, mut cut) = (phase.clone(), phase.clone());
    let _ = draining.wait_for(|phase| *phase >= Phase::Draining).await;
    let _ = timeout(FIRST_REQUEST, cut.wait_for(|phase| *phase == Phase::Cut)).await;
}

async fn handshake(mut stream: TcpStream, shared: &Shared) -> Option<Box<TlsStream<TcpStream>>> {
    if begins_like_http(&stream).await {
        linger(&mut stream, SPEAKS_TLS, Sending::Unknown, true).await;
        return None;
    }
    match shared.tls.as_ref()?.accept(stream).await {
        // Boxed: a session is large, and the connection's future is moved about.
        Ok(stream) => Some(Box::new(stream)),
        Err((_error, mut stream)) => {
            // The peer has been told by an alert, which a reset would destroy.
            linger(&mut stream, b"", Sending::Unknown, true).await;
            None
        }
    }
}

/// Methods of HTTP are in capital letters; records of TLS begin with a small number.
async fn begins_like_http(stream: &TcpStream) -> bool {
    let mut first = [0];
    matches!(stream.peek(&mut first).await, Ok(1) if first[0].is_ascii_uppercase())
}
