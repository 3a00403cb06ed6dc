//! Idle connections free their memory, invisibly to peers.
#![allow(clippy::unwrap_used, clippy::panic)]

mod support;

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::time::{Duration, Instant};

use backwater_transport::{IoThread, Server};

use support::peers::{dial, read_message, signed_request, status};
use support::service::TestService;
use support::{PATIENCE, io, run, serve};

/// Longer than two checks for idleness.
const A_WHILE: Duration = Duration::from_millis(2500);

struct Setup {
    /// Dropped before its thread.
    server: Server,
    io: IoThread,
}

fn setup(keep_alive_timeout: Duration) -> Setup {
    let io = io();
    let service = Arc::new(TestService::default());
    let server = serve(&io, &service, |options| {
        options.keep_alive_timeout = keep_alive_timeout;
        options.head_timeout = PATIENCE;
    });
    Setup { server, io }
}

fn exchange(stream: &mut TcpStream, text: &str) -> u16 {
    let (head, body) = signed_request("echo", text);
    stream.write_all(&[head, body].concat()).unwrap();
    status(&read_message(stream).unwrap())
}

#[test]
fn a_sleeping_connection_is_served_repeatedly() {
    let setup = setup(PATIENCE);
    let mut stream = dial(setup.server.local_addr());
    assert_eq!(exchange(&mut stream, "before"), 200);
    std::thread::sleep(A_WHILE);
    assert_eq!(exchange(&mut stream, "after"), 200);
    assert_eq!(exchange(&mut stream, "at once"), 200);
    std::thread::sleep(A_WHILE);
    let (head, body) = signed_request("echo", "in pieces");
    for piece in [&head[..1], &head[1..40], &head[40..], &body] {
        stream.write_all(piece).unwrap();
        std::thread::sleep(Duration::from_millis(50));
    }
    assert_eq!(status(&read_message(&mut stream).unwrap()), 200);
    assert_eq!(setup.server.stats().connections, 1);
}

#[test]
fn sleeping_does_not_extend_a_requests_timeout() {
    let setup = setup(PATIENCE);
    let mut stream = dial(setup.server.local_addr());
    assert_eq!(exchange(&mut stream, "before"), 200);
    let (head, body) = signed_request("echo", "slowly");
    stream.write_all(&head[..40]).unwrap();
    std::thread::sleep(A_WHILE);
    stream.write_all(&head[40..]).unwrap();
    stream.write_all(&body).unwrap();
    assert_eq!(status(&read_message(&mut stream).unwrap()), 200);
}

#[test]
fn a_sleeping_connection_is_closed_silently() {
    let setup = setup(Duration::from_millis(2600));
    let mut stream = dial(setup.server.local_addr());
    assert_eq!(exchange(&mut stream, "before"), 200);
    let since = Instant::now();
    let mut rest = Vec::new();
    stream.read_to_end(&mut rest).unwrap();
    assert_eq!(rest, b"");
    assert!(since.elapsed() >= Duration::from_millis(1600), "{:?}", since.elapsed());
}

#[test]
fn closing_the_server_ends_sleeping_connections() {
    let setup = setup(PATIENCE);
    let mut stream = dial(setup.server.local_addr());
    assert_eq!(exchange(&mut stream, "before"), 200);
    std::thread::sleep(A_WHILE);
    let closing = setup.server.close(PATIENCE);
    let since = Instant::now();
    run(&setup.io, move || closing);
    assert!(since.elapsed() < PATIENCE, "{:?}", since.elapsed());
    assert_eq!(stream.read(&mut [0; 1]).unwrap(), 0);
}
