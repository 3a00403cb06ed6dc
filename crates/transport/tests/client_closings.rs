#![allow(clippy::unwrap_used, clippy::panic)]

mod support;

use std::io::Write;
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use backwater_transport::CallError;
use socket2::SockRef;

use support::peers::{Peer, read_head, read_message};
use support::signing::response;
use support::{call, connect, eventually, io};

/// `{return, []}`
const RETURN: &[u8] = &[131, 104, 2, 119, 6, b'r', b'e', b't', b'u', b'r', b'n', 106];

/// Answers `answers` requests per connection, then calls `then`. Counts the requests.
fn peer(answers: usize, then: fn(&mut TcpStream)) -> (Peer, Arc<AtomicUsize>) {
    let counter = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&counter);
    let peer = Peer::start(move |mut stream| {
        for _ in 0..answers {
            let Some(request) = read_message(&mut stream) else { return };
            counted.fetch_add(1, Ordering::SeqCst);
            stream.write_all(&response(&request, 200, "", RETURN)).unwrap();
        }
        then(&mut stream);
    });
    (peer, counter)
}

#[test]
fn a_request_that_was_read_is_not_repeated() {
    let io = io();
    let (peer, requests) = peer(1, |stream| {
        read_message(stream);
    });
    let client = connect(&io, peer.address, |_| ());
    call(&io, &client, "echo", "x").unwrap();
    let error = call(&io, &client, "echo", "x").unwrap_err();
    assert!(matches!(error, CallError::ConnectionLost { unsent: false, .. }), "{error:?}");
    assert_eq!((peer.connections(), requests.load(Ordering::SeqCst)), (1, 1));
}

#[test]
fn a_request_reset_after_it_was_read_is_not_repeated() {
    let io = io();
    let (peer, _) = peer(1, |stream| {
        read_message(stream);
        SockRef::from(&*stream).set_linger(Some(std::time::Duration::ZERO)).unwrap();
    });
    let client = connect(&io, peer.address, |_| ());
    call(&io, &client, "echo", "x").unwrap();
    let error = call(&io, &client, "echo", "x").unwrap_err();
    assert!(matches!(error, CallError::ConnectionLost { unsent: false, .. }), "{error:?}");
    assert_eq!(peer.connections(), 1);
}

#[test]
fn a_closed_connection_is_skipped() {
    let io = io();
    let (peer, requests) = peer(1, |_| ());
    let client = connect(&io, peer.address, |_| ());
    for number in 1..4 {
        call(&io, &client, "echo", "x").unwrap();
        assert_eq!((peer.connections(), requests.load(Ordering::SeqCst)), (number, number));
        eventually("the peer has closed it", || peer.ended() == number);
    }
}

fn connections_with_hint(hint: &'static str, pause: Duration) -> usize {
    let io = io();
    let peer = Peer::start(move |mut stream| {
        while let Some(request) = read_message(&mut stream) {
            let hint = format!("keep-alive: {hint}\r\n");
            stream.write_all(&response(&request, 200, &hint, RETURN)).unwrap();
        }
    });
    let client = connect(&io, peer.address, |_| ());
    call(&io, &client, "echo", "x").unwrap();
    std::thread::sleep(pause);
    call(&io, &client, "echo", "x").unwrap();
    peer.connections()
}

#[test]
fn a_connection_is_reused_until_a_second_before_the_server_closes_it() {
    assert_eq!(connections_with_hint("timeout=3600", Duration::from_millis(100)), 1);
    assert_eq!(connections_with_hint("timeout=2", Duration::from_millis(1100)), 2);
    assert_eq!(connections_with_hint("timeout=1", Duration::ZERO), 2);
    assert_eq!(connections_with_hint("timeout=0, max=5", Duration::ZERO), 2);
}

#[test]
fn closing_a_new_connection_at_once_is_an_error() {
    let io = io();
    let peer = Peer::start(|mut stream| drop(read_head(&mut stream)));
    let client = connect(&io, peer.address, |_| ());
    let error = call(&io, &client, "echo", "x").unwrap_err();
    assert!(matches!(error, CallError::ConnectionLost { .. }), "{error:?}");
    assert_eq!(peer.connections(), 1);
}
