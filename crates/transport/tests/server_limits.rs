#![allow(clippy::unwrap_used, clippy::panic)]

mod support;

use std::io::Write;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use backwater_transport::{IoThread, Server, ServerOptions};

use support::peers::{dial, header, read_head, read_message, read_rest, signed_request, status};
use support::service::{Held, TestService};
use support::signing::{chunks, sign_gzipped_request, sign_request};
use support::{PATIENCE, SHORT, call, connect, eventually, io, noise, serve, sooner_or_later};

struct Setup {
    /// Dropped before its thread.
    server: Server,
    service: Arc<TestService>,
    io: IoThread,
}

fn setup(change: impl FnOnce(&mut ServerOptions)) -> Setup {
    let io = io();
    let service = Arc::new(TestService::default());
    let server = serve(&io, &service, change);
    Setup { server, service, io }
}

#[test]
fn a_slow_request_within_the_timeout_is_served() {
    let setup = setup(|options| options.head_timeout = Duration::from_secs(60));
    let mut stream = dial(setup.server.local_addr());
    let (head, body) = signed_request("echo", "slowly");
    for chunk in [head, body].concat().chunks(100) {
        stream.write_all(chunk).unwrap();
        std::thread::sleep(Duration::from_millis(5));
    }
    assert_eq!(status(&read_message(&mut stream).unwrap()), 200);
}

#[test]
fn a_slow_head_gets_408() {
    let setup = setup(|options| options.head_timeout = SHORT);
    let is_answered = sooner_or_later(|_| {
        let mut stream = dial(setup.server.local_addr());
        let dripping = std::thread::spawn({
            let mut stream = stream.try_clone().unwrap();
            move || {
                let (head, _) = signed_request("echo", "x");
                for byte in head.chunks(1) {
                    if stream.write_all(byte).is_err() {
                        return;
                    }
                    std::thread::sleep(SHORT / 10);
                }
            }
        });
        // `None` if the first byte was late.
        let answer = read_message(&mut stream);
        if let Some(answer) = &answer {
            assert_eq!(status(answer), 408);
            assert_eq!(header(answer, "connection").as_deref(), Some("close"));
            assert_eq!(read_rest(&mut stream), b"");
        }
        drop(stream);
        dripping.join().unwrap();
        answer.is_some()
    });
    assert!(is_answered);
    eventually("the connection ends", || setup.server.stats().connections == 0);
}

#[test]
fn a_slow_body_gets_408() {
    let setup = setup(|options| options.recv_timeout = SHORT);
    let mut stream = dial(setup.server.local_addr());
    let (head, body) = signed_request("echo", "a body that comes too slowly");
    stream.write_all(&head).unwrap();
    stream.write_all(&body[..3]).unwrap();
    let answer = read_message(&mut stream).unwrap();
    assert_eq!(status(&answer), 408);
    assert_eq!(header(&answer, "connection").as_deref(), Some("close"));
    assert_eq!(read_rest(&mut stream), b"");
    assert_eq!(setup.server.stats().calls, 0);
}

#[test]
fn an_idle_connection_is_closed_silently() {
    let setup = setup(|options| {
        options.head_timeout = SHORT;
        options.keep_alive_timeout = SHORT;
    });
    let mut silent = dial(setup.server.local_addr());
    assert_eq!(read_rest(&mut silent), b"");
    let is_answered = sooner_or_later(|_| {
        let mut used = dial(setup.server.local_addr());
        let (head, body) = signed_request("echo", "x");
        let sent = used.write_all(&[head, body].concat());
        // `None` if the request was late.
        let answer = sent.ok().and_then(|()| read_message(&mut used));
        if let Some(answer) = &answer {
            assert_eq!(status(answer), 200);
        }
        assert_eq!(read_rest(&mut used), b"");
        answer.is_some()
    });
    assert!(is_answered);
}

#[test]
fn a_body_over_the_limit_is_refused_by_its_length() {
    // "hello" takes 12 bytes: version, list of one, binary, empty list.
    let encoded = 1 + 5 + 5 + 5 + 1;
    for (limit, expected) in [(encoded, 200), (encoded - 1, 413)] {
        let setup = setup(|options| options.settings.max_encoded_args_size = limit);
        let mut stream = dial(setup.server.local_addr());
        let (head, body) = signed_request("echo", "hello");
        assert_eq!(body.len(), encoded);
        stream.write_all(&head).unwrap();
        if expected == 200 {
            stream.write_all(&body).unwrap();
        }
        assert_eq!(status(&read_message(&mut stream).unwrap()), expected);
    }
}

#[test]
fn a_chunked_body_is_refused() {
    let setup = setup(|_| ());
    let mut stream = dial(setup.server.local_addr());
    let target = "/backwater/1/test/echo/1";
    let (_, body) = signed_request("echo", "hello");
    let head = format!(
        "POST {target} HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n{}\r\n",
        sign_request(target, &body)
    );
    stream.write_all(head.as_bytes()).unwrap();
    let _ = stream.write_all(&chunks(&body));
    let answer = read_message(&mut stream).unwrap();
    assert_eq!(status(&answer), 400);
    assert_eq!(header(&answer, "connection").as_deref(), Some("close"));
    assert_eq!(read_rest(&mut stream), b"");
}

#[test]
fn a_peer_that_is_still_sending_reads_the_refusal() {
    let setup = setup(|options| options.settings.max_encoded_args_size = 1 << 20);
    let mut stream = dial(setup.server.local_addr());
    let body = vec![b'x'; 1 << 20];
    let head = format!(
        "POST /backwater/1/test/echo/1 HTTP/1.1\r\nhost: x\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    stream.write_all(head.as_bytes()).unwrap();
    // Some clients read only after they have sent everything.
    std::thread::sleep(Duration::from_millis(50));
    stream.write_all(&body).unwrap();
    let answer = read_message(&mut stream).unwrap();
    assert_eq!(status(&answer), 401);
    assert_eq!(header(&answer, "connection").as_deref(), Some("close"));
    assert!(answer.ends_with(b"missing_authorization_header"));
    assert_eq!(read_rest(&mut stream), b"");
}

#[test]
fn a_refused_request_gets_no_100_continue() {
    let setup = setup(|_| ());
    let (signed, body) = signed_request("echo", "x");
    let head = String::from_utf8(signed).unwrap();
    let expecting = head.replacen("\r\n", "\r\nexpect: 100-continue\r\n", 1);

    let mut refused = dial(setup.server.local_addr());
    refused.write_all(expecting.replace("signature=\"", "signature=\"AAAA").as_bytes()).unwrap();
    assert_eq!(status(&read_head(&mut refused).unwrap()), 401);

    let mut welcome = dial(setup.server.local_addr());
    welcome.write_all(expecting.as_bytes()).unwrap();
    assert_eq!(status(&read_head(&mut welcome).unwrap()), 100);
    welcome.write_all(&body).unwrap();
    assert_eq!(status(&read_message(&mut welcome).unwrap()), 200);
}

#[test]
fn a_head_over_the_limit_is_refused() {
    let setup = setup(|options| options.max_header_bytes = 4096);
    for (padding, expected) in [(3000, 200), (4096, 431)] {
        let mut stream = dial(setup.server.local_addr());
        let (head, body) = signed_request("echo", "x");
        let head = String::from_utf8(head).unwrap();
        let padded =
            head.replacen("\r\n", &format!("\r\nx-padding: {}\r\n", "p".repeat(padding)), 1);
        stream.write_all(padded.as_bytes()).unwrap();
        let _ = stream.write_all(&body);
        assert_eq!(status(&read_message(&mut stream).unwrap()), expected);
    }
}

#[test]
fn garbage_is_answered_with_400_and_the_server_continues() {
    let setup = setup(|_| ());
    let mut stream = dial(setup.server.local_addr());
    stream.write_all(b"\x16\x03\x01\x02\x00 not HTTP\r\n\r\n").unwrap();
    assert_eq!(status(&read_message(&mut stream).unwrap()), 400);
    assert_eq!(read_rest(&mut stream), b"");
    let client = connect(&setup.io, setup.server.local_addr(), |_| ());
    call(&setup.io, &client, "echo", "alive").unwrap();
}

#[test]
fn a_vanished_peer_leaves_nothing_behind() {
    let setup = setup(|_| ());
    let (head, body) = signed_request("hold", "x");
    for length in [1, head.len() - 1, head.len(), head.len() + 1, head.len() + body.len()] {
        let mut stream = dial(setup.server.local_addr());
        stream.write_all(&[&head[..], &body].concat()[..length]).unwrap();
        if length == head.len() + body.len() {
            eventually("the call is held", || setup.service.held() == 1);
        }
        drop(stream);
        eventually("the connection ends", || setup.server.stats().connections == 0);
    }
    let held = setup.service.take_held().pop().unwrap();
    assert!(held.reply.is_abandoned());
    let stats = setup.server.stats();
    assert_eq!((stats.calls_in_flight, stats.abandoned), (0, 1));
    held.answer();
    assert_eq!(setup.server.stats().abandoned, 0);
}

#[test]
fn calls_over_the_limit_are_refused_unread() {
    let setup = setup(|options| options.max_calls_in_flight = 2);
    let client = connect(&setup.io, setup.server.local_addr(), |_| ());
    let held: Vec<_> =
        (0..2).map(|_| support::start_call(&setup.io, &client, "hold", "x")).collect();
    eventually("two calls are held", || setup.service.held() == 2);
    assert_eq!(setup.server.stats().calls_in_flight, 2);

    let mut stream = dial(setup.server.local_addr());
    stream.write_all(&signed_request("echo", "x").0).unwrap();
    assert_eq!(status(&read_message(&mut stream).unwrap()), 503);

    setup.service.take_held().into_iter().for_each(|held| held.answer());
    for call in held {
        call.recv_timeout(PATIENCE).unwrap().unwrap();
    }
    call(&setup.io, &client, "echo", "there is room again").unwrap();
}

#[test]
fn compressed_bodies_exceed_the_memory_by_at_most_one_message() {
    const INFLATED: usize = 512 * 1024;
    const LIMIT: usize = 1 << 20;
    const CALLS: usize = 24;
    let (_, zipped) = signed_request("hold", &"x".repeat(INFLATED));
    assert!(zipped.len() < 8000, "{} bytes are not compressed", zipped.len());
    let target = "/backwater/1/test/hold/1";
    for padding in [0, 20_000, LIMIT / 4] {
        let name = vec![b'n'; padding];
        let body = [&zipped[..3], &[8], &zipped[4..10], &name, b"\0", &zipped[10..]].concat();
        let length = body.len();
        let signed = sign_gzipped_request(target, &body);
        let head = format!("POST {target} HTTP/1.1\r\nhost: x\r\n{signed}\r\n");
        let request = [head.as_bytes(), &body].concat();
        let setup = setup(|options| {
            options.max_bytes_in_flight = LIMIT;
            // Calls wait for room for the largest result.
            options.settings.max_encoded_result_size = 2 * INFLATED;
        });
        let address = setup.server.local_addr();
        let callers: Vec<_> = (0..CALLS)
            .map(|_| {
                let request = request.clone();
                std::thread::spawn(move || {
                    let mut stream = dial(address);
                    stream.write_all(&request).unwrap();
                    status(&read_message(&mut stream).unwrap())
                })
            })
            .collect();
        let mut most = 0;
        while !callers.iter().all(JoinHandle::is_finished) {
            std::thread::sleep(Duration::from_millis(20));
            most = most.max(setup.server.stats().bytes_in_flight);
            setup.service.take_held().into_iter().for_each(Held::answer);
        }
        for caller in callers {
            assert_eq!(caller.join().unwrap(), 200);
        }
        let message = length + 7 * INFLATED;
        assert!(most <= LIMIT + message, "{most} bytes with {padding} of padding");
    }
}

#[test]
fn connections_over_the_limit_wait() {
    let setup = setup(|options| options.max_connections = 2);
    let first = dial(setup.server.local_addr());
    let _second = dial(setup.server.local_addr());
    eventually("two are accepted", || setup.server.stats().connections == 2);
    let mut third = dial(setup.server.local_addr());
    let (head, body) = signed_request("echo", "x");
    third.write_all(&[head, body].concat()).unwrap();
    third.set_read_timeout(Some(SHORT)).unwrap();
    assert!(read_head(&mut third).is_none(), "served although it is one too many");
    third.set_read_timeout(Some(PATIENCE)).unwrap();
    drop(first);
    assert_eq!(status(&read_message(&mut third).unwrap()), 200);
}

#[test]
fn a_peer_that_never_reads_is_disconnected() {
    let (head, body) = signed_request("echo", &noise(6 << 20));
    let setup = setup(|options| {
        options.send_timeout = SHORT;
        options.recv_timeout = PATIENCE;
    });
    let mut stream = dial(setup.server.local_addr());
    stream.write_all(&head).unwrap();
    stream.write_all(&body).unwrap();
    eventually("the call is made", || setup.server.stats().calls == 1);
    eventually("the connection ends", || setup.server.stats().connections == 0);
}
