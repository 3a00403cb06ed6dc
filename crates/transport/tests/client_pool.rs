#![allow(clippy::unwrap_used, clippy::panic)]

mod support;

use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use backwater_transport::{CallError, Client, ClientOptions, IoThread, Server};

use support::peers::{Next, Peer, read_message};
use support::service::TestService;
use support::signing::response;
use support::{PATIENCE, SHORT, call, connect, eventually, io, serve, sooner_or_later, start_call};

/// `{return, []}`
const RETURN: &[u8] = &[131, 104, 2, 119, 6, b'r', b'e', b't', b'u', b'r', b'n', 106];

struct Setup {
    server: Server,
    service: Arc<TestService>,
    client: Client,
    io: IoThread,
}

fn setup(change: impl FnOnce(&mut ClientOptions)) -> Setup {
    let io = io();
    let service = Arc::new(TestService::default());
    let server = serve(&io, &service, |_| ());
    let client = connect(&io, server.local_addr(), change);
    Setup { server, service, client, io }
}

#[test]
fn warm_connections_are_opened_and_replaced() {
    let Setup { server, client, io, .. } = setup(|options| {
        options.min_connections = 3;
        options.idle_timeout = Some(SHORT);
    });
    eventually("three connections are open", || client.stats().idle_connections == 3);
    eventually("the server has three", || server.stats().connections == 3);
    call(&io, &client, "echo", "x").unwrap();
    std::thread::sleep(SHORT * 5);
    eventually("three others are open", || client.stats().idle_connections == 3);
}

#[test]
fn connections_beyond_the_warm_ones_expire() {
    let Setup { service, client, io, server: _server } = setup(|options| {
        options.min_connections = 1;
        options.idle_timeout = Some(SHORT);
    });
    let calls: Vec<_> = (0..3).map(|_| start_call(&io, &client, "hold", "x")).collect();
    eventually("all are held", || service.held() == 3);
    assert!(client.stats().open_connections >= 3);
    service.take_held().into_iter().for_each(support::service::Held::answer);
    for call in calls {
        call.recv_timeout(PATIENCE).unwrap().unwrap();
    }
    eventually("one is left", || client.stats().open_connections == 1);
}

#[test]
fn closed_warm_connections_are_replaced() {
    let io = io();
    let peer = Peer::start(|mut stream| {
        let Some(request) = read_message(&mut stream) else { return };
        let _ = stream.write_all(&response(&request, 200, "connection: close\r\n", RETURN));
    });
    let client = connect(&io, peer.address, |options| options.min_connections = 2);
    eventually("two connections are open", || client.stats().idle_connections == 2);
    call(&io, &client, "echo", "x").unwrap();
    eventually("the third one is open", || peer.connections() == 3);
    eventually("there are two again", || client.stats().idle_connections == 2);
}

#[test]
fn a_closed_client_opens_no_warm_connections() {
    let Setup { server, client, io, .. } = setup(|options| options.min_connections = 2);
    eventually("two connections are open", || server.stats().connections == 2);
    let closed = client.close(Duration::ZERO);
    support::run(&io, move || closed);
    eventually("both are closed", || server.stats().connections == 0);
    std::thread::sleep(Duration::from_millis(1200));
    assert_eq!((server.stats().connections, client.stats().open_connections), (0, 0));
}

#[test]
fn an_old_connection_is_not_reused() {
    const AGE: Duration = Duration::from_secs(1);
    let accepted = Arc::new(AtomicUsize::new(0));
    let Setup { server, client: _client, io, .. } = setup(|_| ());
    let counter = Arc::clone(&accepted);
    let peer = Peer::before(server.local_addr(), move |responses, _| {
        counter.fetch_max(responses, Ordering::SeqCst);
        Next::GoOn
    });
    let is_used_until_then = sooner_or_later(|_| {
        let client = connect(&io, peer.address, |options| options.max_connection_age = Some(AGE));
        let before = peer.connections();
        let start = std::time::Instant::now();
        call(&io, &client, "echo", "x").unwrap();
        let there = std::time::Instant::now();
        while start.elapsed() < AGE / 2 {
            call(&io, &client, "echo", "x").unwrap();
        }
        let connections = peer.connections() - before;
        // Connections may expire a quarter earlier, and calls may be slow.
        if start.elapsed() > AGE * 3 / 4 {
            return false;
        }
        assert_eq!(connections, 1);
        std::thread::sleep(AGE.saturating_sub(there.elapsed()) + Duration::from_millis(1));
        call(&io, &client, "echo", "x").unwrap();
        assert_eq!(peer.connections() - before, 2);
        true
    });
    assert!(is_used_until_then);
    assert!(accepted.load(Ordering::SeqCst) > 1);
}

#[test]
fn a_queue_of_length_zero_refuses_calls() {
    let Setup { service, client, io, server: _server } = setup(|options| {
        options.max_connections = 1;
        options.max_waiting = 0;
    });
    let held = start_call(&io, &client, "hold", "x");
    eventually("the call is held", || service.held() == 1);
    let error = call(&io, &client, "echo", "x").unwrap_err();
    assert!(matches!(error, CallError::QueueFull { limit: 0 }), "{error:?}");
    service.take_held().pop().unwrap().answer();
    held.recv_timeout(PATIENCE).unwrap().unwrap();
    call(&io, &client, "echo", "x").unwrap();
}
