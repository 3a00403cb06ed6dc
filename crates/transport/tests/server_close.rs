#![allow(clippy::unwrap_used, clippy::panic)]

mod support;

use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, mpsc};
use std::time::Duration;

use backwater_protocol::server::Settings;
use backwater_transport::{CallError, IoThread, Server, ServerOptions};

use support::peers::{dial, read_rest};
use support::service::{Functions, TestService};
use support::{
    PATIENCE, SHORT, call, connect, eventually, io, run, secrets, serve, start, start_call, text_of,
};

#[test]
fn a_port_in_use_is_an_error_that_names_it() {
    let io = io();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    let error = run(&io, start_at(&io, "127.0.0.1", port)).unwrap_err();
    assert_eq!((error.host.as_str(), error.port), ("127.0.0.1", port));
    assert_eq!(error.source.kind(), std::io::ErrorKind::AddrInUse);
    assert!(error.to_string().contains(&format!("127.0.0.1:{port}")), "{error}");

    drop(taken);
    let server = run(&io, start_at(&io, "127.0.0.1", port)).unwrap();
    assert_eq!(server.local_addr().port(), port);
}

#[test]
fn a_foreign_address_is_an_error() {
    let io = io();
    // TEST-NET-1 of RFC 5737 is unassigned.
    let error = run(&io, start_at(&io, "192.0.2.1", 0)).unwrap_err();
    assert_eq!(error.source.kind(), std::io::ErrorKind::AddrNotAvailable);
}

#[test]
fn a_server_cannot_start_on_a_stopped_thread() {
    let (ended, running) = (io(), io());
    ended.shutdown();
    assert!(run(&running, start_at(&ended, "127.0.0.1", 0)).is_err());
}

fn start_at(
    io: &IoThread,
    host: &str,
    port: u16,
) -> impl FnOnce() -> std::pin::Pin<
    Box<dyn Future<Output = Result<Server, backwater_transport::BindError>>>,
> + Send
+ use<> {
    let options = ServerOptions {
        host: host.to_owned(),
        port,
        ..ServerOptions::new(Settings::new(secrets()))
    };
    let started = Server::start(io, options, Arc::new(Functions), Arc::new(TestService::default()));
    move || Box::pin(started)
}

#[test]
fn a_call_in_flight_finishes_while_the_server_closes() {
    let io = io();
    let service = Arc::new(TestService::default());
    let server = serve(&io, &service, |_| ());
    let client = connect(&io, server.local_addr(), |_| ());
    let held = start_call(&io, &client, "hold", "last words");
    eventually("the call is held", || service.held() == 1);

    let closed = closing(&io, &server, PATIENCE);
    eventually("it stops listening", || TcpStream::connect(server.local_addr()).is_err());
    assert_eq!(closed.recv_timeout(SHORT), Err(mpsc::RecvTimeoutError::Timeout));

    service.take_held().pop().unwrap().answer();
    assert_eq!(text_of(&held.recv_timeout(PATIENCE).unwrap().unwrap()), "last words");
    assert_eq!(closed.recv_timeout(PATIENCE), Ok(()));
    assert_eq!(server.stats().connections, 0);
}

#[test]
fn a_running_call_is_reset_at_the_close_timeout() {
    let io = io();
    let service = Arc::new(TestService::default());
    let server = serve(&io, &service, |_| ());
    let client = connect(&io, server.local_addr(), |_| ());
    let held = start_call(&io, &client, "hold", "x");
    eventually("the call is held", || service.held() == 1);
    assert_eq!(closing(&io, &server, SHORT).recv_timeout(PATIENCE), Ok(()));
    let error = held.recv_timeout(PATIENCE).unwrap().unwrap_err();
    assert!(matches!(error, CallError::ConnectionLost { .. }), "{error:?}");
    let abandoned = service.take_held().pop().unwrap();
    assert!(abandoned.reply.is_abandoned());
    abandoned.answer();
}

#[test]
fn idle_and_fresh_connections_are_closed_at_once() {
    let io = io();
    let server = serve(&io, &Arc::new(TestService::default()), |_| ());
    let client = connect(&io, server.local_addr(), |_| ());
    call(&io, &client, "echo", "x").unwrap();
    let mut fresh = dial(server.local_addr());
    eventually("both are accepted", || server.stats().connections == 2);
    assert_eq!(closing(&io, &server, PATIENCE).recv_timeout(PATIENCE), Ok(()));
    assert_eq!(read_rest(&mut fresh), b"");
    let error = call(&io, &client, "echo", "x").unwrap_err();
    assert!(matches!(error, CallError::Connect { .. }), "{error:?}");
}

#[test]
fn closing_again_only_shortens_the_delay() {
    let io = io();
    let service = Arc::new(TestService::default());
    let server = serve(&io, &service, |_| ());
    let client = connect(&io, server.local_addr(), |_| ());
    let held = start_call(&io, &client, "hold", "x");
    eventually("the call is held", || service.held() == 1);
    let patient = closing(&io, &server, PATIENCE * 10);
    assert_eq!(closing(&io, &server, Duration::ZERO).recv_timeout(PATIENCE), Ok(()));
    assert_eq!(patient.recv_timeout(PATIENCE), Ok(()));
    assert!(held.recv_timeout(PATIENCE).unwrap().is_err());
    assert_eq!(closing(&io, &server, PATIENCE).recv_timeout(PATIENCE), Ok(()));
}

#[test]
fn dropping_a_server_closes_everything() {
    let io = io();
    let service = Arc::new(TestService::default());
    let server = serve(&io, &service, |_| ());
    let address = server.local_addr();
    let client = connect(&io, address, |_| ());
    let held = start_call(&io, &client, "hold", "x");
    eventually("the call is held", || service.held() == 1);
    drop(server);
    assert!(held.recv_timeout(PATIENCE).unwrap().is_err());
    eventually("it stops listening", || TcpStream::connect(address).is_err());
}

#[test]
fn the_thread_may_end_first() {
    let io = io();
    let service = Arc::new(TestService::default());
    let server = serve(&io, &service, |_| ());
    let client = connect(&io, server.local_addr(), |_| ());
    let held = start_call(&io, &client, "hold", "x");
    eventually("the call is held", || service.held() == 1);
    io.shutdown();
    assert!(held.recv_timeout(PATIENCE).is_err(), "the task is gone");
    let other = support::io();
    assert_eq!(closing(&other, &server, PATIENCE).recv_timeout(PATIENCE), Ok(()));
    service.take_held().pop().unwrap().answer();
}

fn closing(io: &IoThread, server: &Server, limit: Duration) -> mpsc::Receiver<()> {
    let closed = server.close(limit);
    start(io, move || closed)
}
