#![allow(clippy::unwrap_used, clippy::panic)]

mod support;

use std::io::Write;
use std::net::{Shutdown, TcpStream};
use std::sync::Arc;
use std::thread::sleep;
use std::time::Duration;

use backwater_transport::{IoThread, Server};
use socket2::SockRef;

use support::peers::{dial, read_message, read_rest, signed_request, status};
use support::service::{Held, TestService};
use support::{eventually, io, noise, serve};

/// Longer than the server waits before it probes a peer.
const A_WHILE: Duration = Duration::from_millis(1500);

struct Setup {
    /// Dropped before its thread.
    server: Server,
    service: Arc<TestService>,
    _io: IoThread,
}

fn setup() -> Setup {
    let io = io();
    let service = Arc::new(TestService::default());
    let server = serve(&io, &service, |_| ());
    Setup { server, service, _io: io }
}

impl Setup {
    fn send(&self, bytes: &[u8]) -> TcpStream {
        let mut stream = dial(self.server.local_addr());
        stream.write_all(bytes).unwrap();
        stream
    }

    fn held(&self) -> Held {
        eventually("the call is held", || self.service.held() == 1);
        self.service.take_held().pop().unwrap()
    }
}

fn request(function: &str, text: &str) -> Vec<u8> {
    let (head, body) = signed_request(function, text);
    [head, body].concat()
}

fn statuses(stream: &mut TcpStream) -> (Vec<u16>, usize) {
    let (mut statuses, mut interim) = (Vec::new(), 0);
    while let Some(message) = read_message(stream) {
        match status(&message) {
            100 => interim += 1,
            status => statuses.push(status),
        }
    }
    (statuses, interim)
}

#[test]
fn a_half_closed_peer_gets_its_response() {
    let setup = setup();
    let mut stream = setup.send(&request("echo", "x"));
    stream.shutdown(Shutdown::Write).unwrap();
    assert_eq!(statuses(&mut stream), (vec![200], 0));
    eventually("the connection ends", || setup.server.stats().connections == 0);
}

#[test]
fn all_requests_before_the_end_are_answered() {
    let setup = setup();
    let mut stream = setup.send(&request("echo", "x").repeat(3));
    stream.shutdown(Shutdown::Write).unwrap();
    assert_eq!(statuses(&mut stream), (vec![200, 200, 200], 0));
}

#[test]
fn a_slow_response_follows_interim_ones() {
    let setup = setup();
    let mut stream = setup.send(&request("hold", "x"));
    stream.shutdown(Shutdown::Write).unwrap();
    let held = setup.held();
    sleep(A_WHILE);
    assert!(!held.reply.is_abandoned());
    held.answer();
    let (statuses, interim) = statuses(&mut stream);
    assert_eq!(statuses, [200]);
    assert!(interim > 0);
}

#[test]
fn a_peer_of_http_1_0_gets_no_interim_responses() {
    let setup = setup();
    let (head, body) = signed_request("hold", "x");
    let head = String::from_utf8(head).unwrap().replacen("HTTP/1.1", "HTTP/1.0", 1);
    let mut stream = setup.send(&[head.as_bytes(), &body].concat());
    stream.shutdown(Shutdown::Write).unwrap();
    let held = setup.held();
    sleep(A_WHILE);
    held.answer();
    assert_eq!(statuses(&mut stream), (vec![200], 0));
}

#[test]
fn a_large_response_is_sent_completely() {
    let setup = setup();
    let (head, body) = signed_request("echo", &noise(6 << 20));
    let mut stream = setup.send(&[head, body].concat());
    stream.shutdown(Shutdown::Write).unwrap();
    sleep(A_WHILE);
    assert_eq!(statuses(&mut stream).0, [200]);
}

#[test]
fn a_truncated_request_is_not_served() {
    let setup = setup();
    let (head, body) = signed_request("echo", "x");
    let mut stream = setup.send(&[&head[..], &body[..body.len() - 1]].concat());
    stream.shutdown(Shutdown::Write).unwrap();
    let (statuses, interim) = statuses(&mut stream);
    assert!(!statuses.contains(&200), "{statuses:?}");
    assert_eq!(interim, 0);
    eventually("the connection ends", || setup.server.stats().connections == 0);
    assert_eq!(setup.server.stats().calls, 0);
}

#[test]
fn an_idle_half_closed_connection_is_closed() {
    let setup = setup();
    let mut stream = setup.send(&request("echo", "x"));
    assert_eq!(status(&read_message(&mut stream).unwrap()), 200);
    stream.shutdown(Shutdown::Write).unwrap();
    assert_eq!(read_rest(&mut stream), b"");
}

#[test]
fn a_vanished_peer_abandons_its_call() {
    let setup = setup();
    for resets in [false, true] {
        let stream = setup.send(&request("hold", "x"));
        let held = setup.held();
        if resets {
            SockRef::from(&stream).set_linger(Some(Duration::ZERO)).unwrap();
        }
        drop(stream);
        eventually("the reply is abandoned", || held.reply.is_abandoned());
        eventually("the connection ends", || setup.server.stats().connections == 0);
    }
}

#[test]
fn a_half_closed_peer_that_vanishes_abandons_its_call() {
    let setup = setup();
    let stream = setup.send(&request("hold", "x"));
    stream.shutdown(Shutdown::Write).unwrap();
    let held = setup.held();
    sleep(A_WHILE);
    assert!(!held.reply.is_abandoned());
    drop(stream);
    eventually("the reply is abandoned", || held.reply.is_abandoned());
}
