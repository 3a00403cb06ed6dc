#![allow(clippy::unwrap_used, clippy::panic)]

mod support;

use std::io::Write;
use std::net::TcpStream;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant};

use backwater_transport::{CallError, EndpointAddress, IoThread, Phase, Server, TimeLimit};

use support::peers::{Next, Peer, finish, read_head, read_message, read_rest};
use support::service::TestService;
use support::signing::{chunked_response_head, chunks, response};
use support::{
    SHORT, arguments, call, connect, eventually, io, noise, refusing_address, request, run, serve,
    sooner_or_later, text_of,
};

fn setup() -> (Server, IoThread) {
    let io = io();
    (serve(&io, &Arc::new(TestService::default()), |_| ()), io)
}

#[test]
fn closing_after_every_response_fails_no_call() {
    let (server, io) = setup();
    let peer = Peer::before(server.local_addr(), |_, _| Next::Close);
    let client = connect(&io, peer.address, |_| ());
    for number in 0..50 {
        let text = format!("number {number}");
        assert_eq!(text_of(&call(&io, &client, "echo", &text).unwrap()), text);
        eventually("the server has closed", || peer.ended() == number + 1);
    }
    assert_eq!(peer.connections(), 50);
}

#[test]
fn closing_after_some_responses_fails_no_call() {
    let (server, io) = setup();
    let peer =
        Peer::before(
            server.local_addr(),
            |responses, _| {
                if responses == 7 { Next::Close } else { Next::GoOn }
            },
        );
    let client = connect(&io, peer.address, |_| ());
    for number in 0..30 {
        assert!(call(&io, &client, "echo", "x").is_ok(), "call {number}");
        eventually("closes are done", || peer.ended() == (number + 1) / 7);
    }
    assert_eq!(peer.connections(), 5);
}

#[test]
fn a_close_unseen_by_the_event_loop_fails_no_call() {
    let (server, io) = setup();
    let peer = Arc::new(Peer::before(server.local_addr(), |_, _| Next::Close));
    let client = connect(&io, peer.address, |_| ());
    let caller = support::io();
    run(&caller, move || async move {
        for number in 0..10 {
            client.call(request("echo", arguments("x"))).await.unwrap();
            // Blocks the event loop on purpose.
            eventually("the server has closed", || peer.ended() == number + 1);
        }
    });
}

#[test]
fn an_announced_close_ends_reuse() {
    let io = io();
    let asked = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&asked);
    let peer = Peer::start(move |mut stream| {
        let mut first = true;
        while let Some(request) = read_message(&mut stream) {
            counter.fetch_add(1, Ordering::SeqCst);
            if first {
                stream
                    .write_all(&response(&request, 200, "connection: close\r\n", RETURN))
                    .unwrap();
            }
            first = false;
        }
    });
    let client = connect(&io, peer.address, |_| ());
    for _ in 0..3 {
        call(&io, &client, "echo", "x").unwrap();
        assert_eq!(client.stats().idle_connections, 0);
    }
    assert_eq!((peer.connections(), asked.load(Ordering::SeqCst)), (3, 3));
}

#[test]
fn unsolicited_bytes_are_not_a_response() {
    let (server, io) = setup();
    let peer = Peer::before(server.local_addr(), |_, stream| {
        stream.write_all(b"HTTP/1.1 408 Request Timeout\r\ncontent-length: 0\r\n\r\n").unwrap();
        Next::Close
    });
    let client = connect(&io, peer.address, |_| ());
    for number in 0..10 {
        call(&io, &client, "echo", "x").unwrap();
        eventually("the server has closed", || peer.ended() == number + 1);
    }
}

#[test]
fn an_unanswered_request_is_not_repeated() {
    let (server, io) = setup();
    let requests = Arc::new(AtomicUsize::new(0));
    let (address, counter) = (server.local_addr(), Arc::clone(&requests));
    let peer = Peer::start(move |mut stream| {
        let mut upstream = TcpStream::connect(address).unwrap();
        while let Some(request) = read_message(&mut stream) {
            if counter.fetch_add(1, Ordering::SeqCst) % 2 == 1 {
                return;
            }
            upstream.write_all(&request).unwrap();
            stream.write_all(&read_message(&mut upstream).unwrap()).unwrap();
        }
    });
    let client = connect(&io, peer.address, |_| ());
    call(&io, &client, "echo", "x").unwrap();
    let error = call(&io, &client, "echo", "x").unwrap_err();
    assert!(matches!(error, CallError::ConnectionLost { .. }), "{error:?}");
    assert_eq!((peer.connections(), requests.load(Ordering::SeqCst)), (1, 2));
}

#[test]
fn a_request_that_was_read_in_part_is_repeated() {
    let io = io();
    let peer = Peer::start(|mut stream| {
        let Some(request) = read_message(&mut stream) else { return };
        stream.write_all(&response(&request, 200, "", RETURN)).unwrap();
        // Most of the next body is never read.
        read_head(&mut stream);
    });
    let client = connect(&io, peer.address, |options| {
        options.settings.compression_threshold = usize::MAX;
    });
    // Larger than the sockets' buffers.
    let text = "x".repeat(7 << 20);
    for connections in 1..4 {
        call(&io, &client, "echo", &text).unwrap();
        assert_eq!(peer.connections(), connections);
    }
}

#[test]
fn connections_close_after_the_idle_timeout() {
    let (server, io) = setup();
    let client = connect(&io, server.local_addr(), |options| options.idle_timeout = Some(SHORT));
    call(&io, &client, "echo", "x").unwrap();
    eventually("it is closed", || client.stats().idle_connections == 0);
    eventually("the server sees that", || server.stats().connections == 0);
}

#[test]
fn an_idle_connection_closed_by_the_server_is_dropped() {
    let io = io();
    let service = Arc::new(TestService::default());
    let server = serve(&io, &service, |options| options.keep_alive_timeout = SHORT);
    let client = connect(&io, server.local_addr(), |options| {
        options.idle_timeout = Some(Duration::from_secs(3600));
    });
    call(&io, &client, "echo", "x").unwrap();
    eventually("it is dropped", || client.stats().idle_connections == 0);
}

#[test]
fn a_refused_connection_names_the_server() {
    let io = io();
    let (_socket, address) = refusing_address();
    let error = call(&io, &connect(&io, address, |_| ()), "echo", "x").unwrap_err();
    let CallError::Connect { endpoint, source } = &error else { panic!("{error:?}") };
    assert_eq!((endpoint.host.as_str(), endpoint.port), ("127.0.0.1", address.port()));
    assert_eq!(source.kind(), std::io::ErrorKind::ConnectionRefused);
    assert!(error.to_string().contains(&address.to_string()), "{error}");
}

#[test]
fn an_unknown_host_is_a_connect_error() {
    let io = io();
    let client = connect(&io, ([127, 0, 0, 1], 1).into(), |options| {
        // RFC 2606 reserves the name.
        options.endpoints = vec![EndpointAddress::new("no-such-host.invalid", 1).into()];
        options.connect_timeout = support::PATIENCE;
    });
    let error = call(&io, &client, "echo", "x").unwrap_err();
    assert!(matches!(error, CallError::Connect { .. }), "{error:?}");
}

#[test]
fn a_missing_response_times_out_waiting() {
    let io = io();
    let peer = Peer::start(|mut stream| {
        read_message(&mut stream);
        read_rest(&mut stream);
    });
    let client = connect(&io, peer.address, |options| options.recv_timeout = SHORT);
    let start = Instant::now();
    let error = call(&io, &client, "echo", "x").unwrap_err();
    let elapsed = start.elapsed();
    let CallError::Timeout { phase, limit, option, times, .. } = error else { panic!("{error:?}") };
    assert_eq!((phase, limit, option), (Phase::Wait, SHORT, TimeLimit::RecvTimeout));
    assert!(times.of(Phase::Wait) >= SHORT.saturating_sub(times.of(Phase::Send)), "{times:?}");
    assert!(times.connecting() + SHORT <= elapsed, "{times:?} of {elapsed:?}");
    assert_eq!(client.stats().idle_connections, 0);
}

#[test]
fn a_slow_response_times_out_receiving() {
    let io = io();
    let peer = Peer::start(|mut stream| {
        let Some(request) = read_message(&mut stream) else { return };
        for byte in response(&request, 200, "", RETURN) {
            if stream.write_all(&[byte]).is_err() {
                return;
            }
            std::thread::sleep(SHORT / 10);
        }
    });
    let is_receiving = sooner_or_later(|attempt| {
        let limit = SHORT * (attempt as u32 + 1);
        let client = connect(&io, peer.address, |options| options.recv_timeout = limit);
        let error = call(&io, &client, "echo", "x").unwrap_err();
        let CallError::Timeout { phase, .. } = error else { panic!("{error:?}") };
        phase == Phase::Receive
    });
    assert!(is_receiving);
}

#[test]
fn a_server_that_does_not_read_times_out_sending() {
    let io = io();
    let (unread, kept) = mpsc::channel();
    let peer = Peer::start(move |stream| unread.send(stream).unwrap());
    let client = connect(&io, peer.address, |options| options.recv_timeout = SHORT);
    let error = call(&io, &client, "echo", &noise(7 << 20)).unwrap_err();
    assert!(matches!(error, CallError::Timeout { phase: Phase::Send, .. }), "{error:?}");
    drop(kept);
}

#[test]
fn garbage_is_malformed_http() {
    let io = io();
    for garbage in [
        &b"SSH-2.0-OpenSSH_9.2p1\r\n"[..],
        b"HTTP/1.1 abc\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ncontent-length: 1x\r\n\r\n",
        b"\0\0\0\0\0\0\0\0\r\n\r\n",
    ] {
        let peer = Peer::start(move |mut stream| {
            read_message(&mut stream);
            stream.write_all(garbage).unwrap();
            finish(stream);
        });
        let error = call(&io, &connect(&io, peer.address, |_| ()), "echo", "x").unwrap_err();
        assert!(matches!(error, CallError::MalformedHttp { .. }), "{error:?}");
    }
}

#[test]
fn garbage_in_place_of_a_chunk_is_malformed_http() {
    let io = io();
    let peer = Peer::start(|mut stream| {
        let request = read_message(&mut stream).unwrap();
        stream.write_all(&chunked_response_head(&request, 200, RETURN)).unwrap();
        stream.write_all(b"not a length\r\n").unwrap();
        finish(stream);
    });
    let error = call(&io, &connect(&io, peer.address, |_| ()), "echo", "x").unwrap_err();
    assert!(matches!(error, CallError::MalformedHttp { .. }), "{error:?}");
}

#[test]
fn a_response_that_ends_early_is_a_lost_connection() {
    let io = io();
    for length in [0, 1, 20, usize::MAX] {
        let peer = Peer::start(move |mut stream| {
            let request = read_message(&mut stream).unwrap();
            let answer = response(&request, 200, "", RETURN);
            stream.write_all(&answer[..length.min(answer.len() - 1)]).unwrap();
            finish(stream);
        });
        let error = call(&io, &connect(&io, peer.address, |_| ()), "echo", "x").unwrap_err();
        assert!(matches!(error, CallError::ConnectionLost { .. }), "{length}: {error:?}");
    }
}

#[test]
fn a_reset_in_the_middle_is_a_lost_connection() {
    let io = io();
    let peer = Peer::start(|mut stream| {
        // The unread body makes the system reset the connection.
        read_head(&mut stream);
        stream.write_all(b"HTTP/1.1 200 OK\r\n").unwrap();
    });
    let client = connect(&io, peer.address, |_| ());
    let error = call(&io, &client, "echo", &noise(1 << 20)).unwrap_err();
    assert!(matches!(error, CallError::ConnectionLost { .. }), "{error:?}");
}

#[test]
fn a_response_before_the_end_of_the_request_is_read() {
    let io = io();
    // Takes several reads, so the client notices a failed write in between.
    let text = [b'n'; 48 * 1024];
    let peer = Peer::start(move |mut stream| {
        let request = read_head(&mut stream).unwrap();
        stream.write_all(&response(&request, 413, "connection: close\r\n", &text)).unwrap();
    });
    let client = connect(&io, peer.address, |options| {
        options.settings.compression_threshold = usize::MAX;
    });
    for _ in 0..10 {
        let error = call(&io, &client, "echo", &"x".repeat(7 << 20)).unwrap_err();
        let CallError::Remote(failure) = error else { panic!("{error:?}") };
        assert_eq!((failure.status.as_u16(), &failure.body[..]), (413, &text[..]));
    }
}

#[test]
fn a_response_over_the_limit_is_refused_by_its_length() {
    let (server, io) = setup();
    // Version, {return, ["0123456789"]}: 1 + 2 + 8 + (5 + 15 + 1)
    let size = 32;
    for (limit, fits) in [(size, true), (size - 1, false)] {
        let client = connect(&io, server.local_addr(), |options| {
            options.settings.max_encoded_result_size = limit;
        });
        match call(&io, &client, "echo", "0123456789") {
            Ok(outcome) => assert!(fits, "{outcome:?}"),
            Err(CallError::TooLarge { size: found, limit: told }) => {
                assert_eq!((found, told, fits), (size as u64, limit, false));
            }
            Err(error) => panic!("{error:?}"),
        }
    }
}

#[test]
fn the_limit_of_a_call_takes_precedence() {
    let (server, io) = setup();
    let client = connect(&io, server.local_addr(), |options| {
        options.settings.max_encoded_result_size = 31;
    });
    let mut request = request("echo", arguments("0123456789"));
    request.max_encoded_result_size = Some(32);
    let calls = client.clone();
    run(&io, move || calls.call(request)).unwrap();
}

#[test]
fn a_chunked_response_is_limited() {
    let io = io();
    let peer = Peer::start(|mut stream| {
        let request = read_message(&mut stream).unwrap();
        stream.write_all(&chunked_response_head(&request, 200, RETURN)).unwrap();
        let _ = stream.write_all(&[&chunks(RETURN)[..], b"0\r\n\r\n"].concat());
        finish(stream);
    });
    for (limit, fits) in [(RETURN.len(), true), (RETURN.len() - 1, false)] {
        let client = connect(&io, peer.address, |options| {
            options.settings.max_encoded_result_size = limit;
        });
        match call(&io, &client, "echo", "x") {
            Ok(outcome) => assert!(fits, "{outcome:?}"),
            Err(CallError::TooLarge { .. }) => assert!(!fits),
            Err(error) => panic!("{error:?}"),
        }
    }
}

#[test]
fn an_unsigned_response_is_only_a_hint() {
    let io = io();
    let peer = Peer::start(|mut stream| {
        read_message(&mut stream);
        let body = "h".repeat(100_000);
        let head = format!("HTTP/1.1 401 Unauthorized\r\ncontent-length: {}\r\n\r\n", body.len());
        let _ = stream.write_all(&[head.as_bytes(), body.as_bytes()].concat());
        finish(stream);
    });
    let error = call(&io, &connect(&io, peer.address, |_| ()), "echo", "x").unwrap_err();
    let CallError::Authentication { unverified_status, unverified_body, .. } = error else {
        panic!("{error:?}")
    };
    assert_eq!(unverified_status.as_u16(), 401);
    assert!(unverified_body.len() <= 4096 && unverified_body.iter().all(|byte| *byte == b'h'));
}

#[test]
fn a_wrong_secret_fails_authentication_with_a_hint() {
    let (server, io) = setup();
    let other = backwater_protocol::Secrets::new([b"another secret".to_vec()]).unwrap();
    let client = connect(&io, server.local_addr(), |options| options.settings.secrets = other);
    let error = call(&io, &client, "echo", "x").unwrap_err();
    let CallError::Authentication { unverified_status, unverified_body, .. } = error else {
        panic!("{error:?}")
    };
    assert_eq!(unverified_status.as_u16(), 401);
    assert_eq!(unverified_body, "invalid_signature");
}

#[test]
fn every_error_has_a_message() {
    let errors = [
        CallError::QueueFull { limit: 7 },
        CallError::Closed,
        CallError::TooLarge { size: 9, limit: 8 },
        CallError::Internal("oh".to_owned()),
    ];
    for error in errors {
        assert!(error.to_string().len() > 10, "{error:?}");
    }
}

/// `131, {return, 5}`
const RETURN: &[u8] = &[131, 104, 2, 119, 6, b'r', b'e', b't', b'u', b'r', b'n', 97, 5];
