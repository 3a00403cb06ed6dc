#![allow(clippy::unwrap_used, clippy::panic)]

mod support;

use std::io::Write;
use std::net::TcpStream;
use std::sync::{Arc, mpsc};
use std::time::Duration;

use backwater_transport::{IoThread, Server, ServerOptions};

use support::peers::{dial, read_message, read_rest, signed_request};
use support::service::TestService;
use support::{PATIENCE, eventually, io, serve, start};

const HEALTH: &str = "/healthz";

fn serve_with_health(io: &IoThread) -> Server {
    let options = |options: &mut ServerOptions| options.health_path = Some(HEALTH.to_owned());
    serve(io, &Arc::new(TestService::default()), options)
}

fn closing(io: &IoThread, server: &Server, delay: Duration) -> mpsc::Receiver<()> {
    let closed = server.close_after(delay, PATIENCE);
    start(io, move || closed)
}

/// Returns the head in lower case.
fn ask(stream: &mut TcpStream, method: &str, path: &str) -> (String, String) {
    let request = format!("{method} {path} HTTP/1.1\r\nhost: x\r\n\r\n");
    stream.write_all(request.as_bytes()).unwrap();
    answer(stream, method == "HEAD")
}

fn answer(stream: &mut TcpStream, is_head: bool) -> (String, String) {
    let message = if is_head { read_rest(stream) } else { read_message(stream).unwrap() };
    let text = String::from_utf8_lossy(&message).into_owned();
    let (head, body) = text.split_once("\r\n\r\n").unwrap();
    (head.to_lowercase(), body.to_owned())
}

fn says_close(head: &str) -> bool {
    head.contains("\r\nconnection: close")
}

#[test]
fn health_checks_need_no_signature_and_are_not_counted() {
    let io = io();
    let server = serve_with_health(&io);
    for path in [HEALTH, "/healthz?verbose"] {
        let (head, body) = ask(&mut dial(server.local_addr()), "GET", path);
        assert!(head.starts_with("http/1.1 200 "), "{head}");
        assert_eq!(body, "ok\n");
    }
    let (head, _) = ask(&mut dial(server.local_addr()), "DELETE", HEALTH);
    assert!(head.starts_with("http/1.1 405 "), "{head}");
    assert_eq!((server.stats().calls, server.stats().refused.len()), (0, 0));

    let (head, _) = ask(&mut dial(server.local_addr()), "GET", "/healthz/");
    assert!(head.starts_with("http/1.1 404 "), "{head}");
}

#[test]
fn a_health_check_ends_its_connection() {
    let io = io();
    let server = serve_with_health(&io);
    let mut stream = dial(server.local_addr());
    let request = format!("GET {HEALTH} HTTP/1.1\r\nhost: x\r\n\r\n");
    stream.write_all(request.repeat(2).as_bytes()).unwrap();
    let (head, _) = answer(&mut stream, false);
    assert!(says_close(&head), "{head}");
    assert_eq!(read_rest(&mut stream), b"");
    // Also after a call, which may be from another caller.
    let mut stream = dial(server.local_addr());
    call(&mut stream, false);
    let (head, _) = ask(&mut stream, "GET", HEALTH);
    assert!(says_close(&head), "{head}");
    assert_eq!(read_rest(&mut stream), b"");
}

#[test]
fn head_is_get_without_the_body() {
    let io = io();
    let server = serve_with_health(&io);
    let mut stream = dial(server.local_addr());
    stream.write_all(b"HEAD /healthz HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").unwrap();
    let (head, body) = answer(&mut stream, true);
    assert!(head.starts_with("http/1.1 200 "), "{head}");
    assert!(head.contains("\r\ncontent-length: 3"), "{head}");
    assert_eq!(body, "");
}

#[test]
fn without_the_option_health_checks_get_404() {
    let io = io();
    let server = serve(&io, &Arc::new(TestService::default()), |_| ());
    let (head, _) = ask(&mut dial(server.local_addr()), "GET", HEALTH);
    assert!(head.starts_with("http/1.1 404 "), "{head}");
}

#[test]
fn a_draining_server_announces_it_and_serves() {
    let io = io();
    let server = serve_with_health(&io);
    let address = server.local_addr();
    let mut kept = dial(address);
    call(&mut kept, false);
    let closed = closing(&io, &server, PATIENCE * 10);

    let (head, body) = ask(&mut dial(address), "GET", HEALTH);
    assert!(head.starts_with("http/1.1 503 "), "{head}");
    assert!(says_close(&head), "{head}");
    assert_eq!(body, "draining\n");
    call(&mut kept, true);
    assert_eq!(read_rest(&mut kept), b"", "the connection ends with the answer");
    for _ in 0..2 {
        call(&mut dial(address), true);
    }

    assert_eq!(closing(&io, &server, Duration::ZERO).recv_timeout(PATIENCE), Ok(()));
    assert_eq!(closed.recv_timeout(PATIENCE), Ok(()));
    assert!(TcpStream::connect(address).is_err());
}

#[test]
fn the_drain_delay_ends() {
    let io = io();
    let server = serve_with_health(&io);
    let closed = closing(&io, &server, Duration::from_millis(50));
    assert_eq!(closed.recv_timeout(PATIENCE), Ok(()));
    assert!(TcpStream::connect(server.local_addr()).is_err());
}

#[test]
fn received_requests_are_answered_while_closing() {
    let io = io();
    let server = serve_with_health(&io);
    let address = server.local_addr();
    let mut accepted = [dial(address), dial(address)];
    call(&mut accepted[1], false);
    eventually("both are accepted", || server.stats().connections == 2);

    let resume = halt(&io);
    let waiting = dial(address);
    let mut streams = Vec::from(accepted);
    streams.push(waiting);
    for stream in &mut streams {
        send(stream);
    }
    let closed = closing(&io, &server, Duration::ZERO);
    drop(resume);
    for (index, stream) in streams.iter_mut().enumerate() {
        let head = receive(stream).unwrap_or_else(|| panic!("connection {index} was cut"));
        assert!(head.starts_with("http/1.1 200 "), "{head}");
        assert!(says_close(&head), "{head}");
    }
    assert_eq!(closed.recv_timeout(PATIENCE), Ok(()));
}

#[test]
fn a_new_connection_has_time_for_its_first_request() {
    // Allows for a busy machine: a new connection has one second.
    let served = (0..10).any(|_| {
        let io = io();
        let server = serve_with_health(&io);
        let mut fresh = dial(server.local_addr());
        eventually("it is accepted", || server.stats().connections == 1);
        let closed = closing(&io, &server, Duration::ZERO);
        eventually("it stops listening", || TcpStream::connect(server.local_addr()).is_err());
        send(&mut fresh);
        let answer = receive(&mut fresh);
        assert_eq!(closed.recv_timeout(PATIENCE), Ok(()));
        answer.is_some_and(|head| says_close(&head))
    });
    assert!(served);
}

fn halt(io: &IoThread) -> mpsc::Sender<()> {
    let (resume, resumed) = mpsc::channel();
    let (stopping, stopped) = mpsc::channel();
    io.spawn(move || async move {
        stopping.send(()).unwrap();
        let _ = resumed.recv();
    })
    .unwrap();
    stopped.recv_timeout(PATIENCE).unwrap();
    resume
}

fn call(stream: &mut TcpStream, is_last: bool) {
    send(stream);
    let head = receive(stream).unwrap();
    assert!(head.starts_with("http/1.1 200 "), "{head}");
    assert_eq!(says_close(&head), is_last, "{head}");
}

fn send(stream: &mut TcpStream) {
    let (head, body) = signed_request("echo", "x");
    stream.write_all(&[head, body].concat()).unwrap();
}

fn receive(stream: &mut TcpStream) -> Option<String> {
    let message = read_message(stream)?;
    Some(String::from_utf8_lossy(&message).split("\r\n\r\n").next()?.to_lowercase())
}
