#![allow(clippy::unwrap_used, clippy::panic)]

mod support;

use std::io::{ErrorKind, Write};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, mpsc};
use std::task::Wake;
use std::time::Duration;

use backwater_transport::{CallError, Client, ClientOptions, IoThread, Phase, Server, TimeLimit};

use support::peers::{Peer, read_message};
use support::service::TestService;
use support::signing::response;
use support::{
    PATIENCE, SHORT, arguments, call, connect, eventually, io, request, run, serve, start,
    start_call, text_of,
};

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
fn calls_wait_in_order_when_all_connections_are_busy() {
    let Setup { server, service, client, io } = setup(|options| options.max_connections = 2);
    let calls: Vec<_> =
        (0..5).map(|number| start_call(&io, &client, "hold", &format!("{number}"))).collect();
    let mut answered = 0;
    while answered < 5 {
        eventually("as many as may are in flight", || service.held() == 2.min(5 - answered));
        assert_eq!(server.stats().connections, 2);
        for held in service.take_held() {
            held.answer();
            answered += 1;
        }
        for (number, call) in calls.iter().enumerate().take(answered).skip(answered - 1) {
            let outcome = call.recv_timeout(PATIENCE).unwrap().unwrap();
            assert_eq!(text_of(&outcome), number.to_string());
        }
    }
}

#[test]
fn the_connect_timeout_covers_the_queue() {
    let Setup { service, client, io, server: _server } = setup(|options| {
        options.max_connections = 1;
        options.connect_timeout = SHORT;
    });
    let held = start_call(&io, &client, "hold", "x");
    eventually("the call is held", || service.held() == 1);
    let error = call(&io, &client, "echo", "x").unwrap_err();
    let CallError::Timeout { phase, limit, option, times, .. } = error else { panic!("{error:?}") };
    assert_eq!((phase, limit, option), (Phase::Queued, SHORT, TimeLimit::ConnectTimeout));
    assert!(times.of(Phase::Queued) >= SHORT, "{times:?}");
    assert_eq!(client.stats().calls_waiting, 0);
    service.take_held().pop().unwrap().answer();
    held.recv_timeout(PATIENCE).unwrap().unwrap();
}

#[test]
fn the_queue_is_limited() {
    let Setup { service, client, io, server: _server } = setup(|options| {
        options.max_connections = 1;
        options.max_waiting = 1;
    });
    let first = start_call(&io, &client, "hold", "x");
    eventually("the call is held", || service.held() == 1);
    let second = start_call(&io, &client, "echo", "x");
    eventually("the next one waits", || client.stats().calls_waiting == 1);
    let error = call(&io, &client, "echo", "x").unwrap_err();
    assert!(matches!(error, CallError::QueueFull { limit: 1 }), "{error:?}");
    service.take_held().pop().unwrap().answer();
    first.recv_timeout(PATIENCE).unwrap().unwrap();
    second.recv_timeout(PATIENCE).unwrap().unwrap();
}

#[test]
fn a_dropped_call_closes_its_connection() {
    let Setup { server, service, client, io } = setup(|options| options.max_connections = 1);
    let (give_up, given_up) = tokio::sync::oneshot::channel::<()>();
    let calls = client.clone();
    let dropped = start(&io, move || async move {
        tokio::select! {
            _ = calls.call(request("hold", arguments("x"))) => false,
            _ = given_up => true,
        }
    });
    eventually("the call is held", || service.held() == 1);
    drop(give_up);
    assert_eq!(dropped.recv_timeout(PATIENCE), Ok(true));
    let held = service.take_held().pop().unwrap();
    eventually("the server knows", || held.reply.is_abandoned());
    eventually("the connection is closed", || server.stats().connections == 0);
    call(&io, &client, "echo", "x").unwrap();
}

fn peer_that_notes_resets() -> (Peer, mpsc::Receiver<bool>) {
    let (sender, receiver) = mpsc::channel();
    let peer = Peer::start(move |mut stream| {
        let is_reset = loop {
            match stream.peek(&mut [0]) {
                Ok(0) => break false,
                Ok(_) => {
                    let request = read_message(&mut stream).unwrap();
                    if String::from_utf8_lossy(&request).contains("/echo/") {
                        stream.write_all(&response(&request, 200, "", RETURN)).unwrap();
                    }
                }
                Err(error) => break error.kind() == ErrorKind::ConnectionReset,
            }
        };
        sender.send(is_reset).unwrap();
    });
    (peer, receiver)
}

#[test]
fn only_cancelled_calls_reset_their_connection() {
    let io = io();
    let (peer, resets) = peer_that_notes_resets();
    let client = connect(&io, peer.address, |_| ());
    call(&io, &client, "echo", "x").unwrap();
    drop(client.close(Duration::ZERO));
    assert_eq!(resets.recv_timeout(PATIENCE), Ok(false));

    let client = connect(&io, peer.address, |options| options.recv_timeout = SHORT);
    call(&io, &client, "echo", "x").unwrap();
    call(&io, &client, "hold", "x").unwrap_err();
    assert_eq!(resets.recv_timeout(PATIENCE), Ok(true));
}

#[test]
fn a_service_learns_that_the_caller_is_gone() {
    let Setup { server, service, client, io } = setup(|_| ());
    let outcome = start_call(&io, &client, "hold", "x");
    eventually("the call is held", || service.held() == 1);
    let mut held = service.take_held().pop().unwrap();
    assert!(held.peer.address.ip().is_loopback());
    assert!(!held.request_id.is_empty());
    let woken = Arc::new(Woken::default());
    assert!(!held.reply.wake_when_abandoned(&Arc::clone(&woken).into()));
    drop(client.close(Duration::ZERO));
    eventually("the waker is woken", || woken.0.load(Ordering::Relaxed));
    assert!(held.reply.is_abandoned());
    assert!(held.reply.wake_when_abandoned(&woken.into()));
    assert!(outcome.recv_timeout(PATIENCE).unwrap().is_err());
    drop(server);
}

#[derive(Default)]
struct Woken(AtomicBool);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::Relaxed);
    }
}

#[test]
fn timeouts_of_a_call_take_precedence() {
    let Setup { client, io, server: _server, .. } = setup(|_| ());
    let calls = client.clone();
    let mut held = request("hold", arguments("x"));
    held.recv_timeout = Some(SHORT);
    let error = run(&io, move || calls.call(held)).unwrap_err().error;
    assert!(matches!(error, CallError::Timeout { limit: SHORT, .. }), "{error:?}");
}

#[test]
fn a_tighter_total_timeout_takes_precedence() {
    let Setup { client, io, server: _server, .. } = setup(|options| {
        options.timeout = Some(SHORT);
        options.recv_timeout = PATIENCE;
    });
    let error = call(&io, &client, "hold", "x").unwrap_err();
    let CallError::Timeout { phase, limit, option, times, .. } = error else { panic!("{error:?}") };
    assert_eq!((phase, limit, option), (Phase::Wait, SHORT, TimeLimit::Timeout));
    let total: Duration = Phase::ALL.into_iter().map(|phase| times.of(phase)).sum();
    assert!(total > SHORT / 2 && total < PATIENCE, "{times:?}");
    call(&io, &client, "echo", "x").unwrap();

    let calls = client.clone();
    let mut held = request("hold", arguments("x"));
    (held.timeout, held.recv_timeout) = (Some(PATIENCE), Some(SHORT));
    let error = run(&io, move || calls.call(held)).unwrap_err().error;
    assert!(
        matches!(error, CallError::Timeout { option: TimeLimit::RecvTimeout, limit: SHORT, .. }),
        "{error:?}"
    );
}

#[test]
fn a_closed_client_refuses_calls_and_closes_connections() {
    let Setup { server, client, io, .. } = setup(|_| ());
    call(&io, &client, "echo", "x").unwrap();
    assert_eq!(closing(&io, &client, PATIENCE).recv_timeout(PATIENCE), Ok(()));
    eventually("the idle connection is closed", || server.stats().connections == 0);
    let error = call(&io, &client, "echo", "x").unwrap_err();
    assert!(matches!(error, CallError::Closed), "{error:?}");
    assert_eq!(closing(&io, &client, PATIENCE).recv_timeout(PATIENCE), Ok(()));
}

#[test]
fn running_and_queued_calls_finish_while_the_client_closes() {
    let Setup { server, service, client, io } = setup(|options| options.max_connections = 1);
    let held = start_call(&io, &client, "hold", "last words");
    eventually("the call is held", || service.held() == 1);
    let waiting = start_call(&io, &client, "echo", "x");
    eventually("the next one waits", || client.stats().calls_waiting == 1);

    let closed = closing(&io, &client, PATIENCE);
    let error = call(&io, &client, "echo", "late").unwrap_err();
    assert!(matches!(error, CallError::Closed), "{error:?}");
    assert_eq!(closed.recv_timeout(SHORT), Err(mpsc::RecvTimeoutError::Timeout));
    service.take_held().pop().unwrap().answer();
    assert_eq!(text_of(&held.recv_timeout(PATIENCE).unwrap().unwrap()), "last words");
    assert_eq!(text_of(&waiting.recv_timeout(PATIENCE).unwrap().unwrap()), "x");
    assert_eq!(closed.recv_timeout(PATIENCE), Ok(()));
    eventually("the connection is closed", || server.stats().connections == 0);
}

#[test]
fn queued_calls_fail_at_the_close_timeout() {
    let Setup { service, client, io, server: _server } =
        setup(|options| options.max_connections = 1);
    let _held = start_call(&io, &client, "hold", "x");
    eventually("the call is held", || service.held() == 1);
    let waiting = start_call(&io, &client, "echo", "x");
    eventually("the next one waits", || client.stats().calls_waiting == 1);
    assert_eq!(closing(&io, &client, SHORT).recv_timeout(PATIENCE), Ok(()));
    let error = waiting.recv_timeout(PATIENCE).unwrap().unwrap_err();
    assert!(matches!(error, CallError::Closed), "{error:?}");
}

#[test]
fn running_calls_fail_at_the_close_timeout() {
    let Setup { server, service, client, io } = setup(|_| ());
    let held = start_call(&io, &client, "hold", "x");
    eventually("the call is held", || service.held() == 1);
    assert_eq!(closing(&io, &client, Duration::ZERO).recv_timeout(PATIENCE), Ok(()));
    let error = held.recv_timeout(PATIENCE).unwrap().unwrap_err();
    assert!(matches!(error, CallError::Closed), "{error:?}");
    eventually("the connection is closed", || server.stats().connections == 0);
}

fn closing(io: &IoThread, client: &Client, limit: Duration) -> mpsc::Receiver<()> {
    let closed = client.close(limit);
    start(io, move || closed)
}

/// `{return, 5}`
const RETURN: &[u8] = &[131, 104, 2, 119, 6, b'r', b'e', b't', b'u', b'r', b'n', 97, 5];
