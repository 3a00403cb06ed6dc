#![allow(clippy::unwrap_used, clippy::panic)]

mod support;

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::mpsc;
use std::time::Duration;

use backwater_transport::{Client, IoThread, Server, StreamEvent};
use socket2::{Domain, Socket, Type};

use support::peers::signed_stream_request;
use support::service::TestService;
use support::streams::{End, Plan, open, read_all};
use support::{PATIENCE, call, connect, eventually, io, serve, start, text_of};

const KIB: usize = 1024;
/// JavaScript gathers lists of this size.
const LIST: usize = 64 * KIB;

fn serve_uncompressed(io: &IoThread, service: &Arc<TestService>) -> Server {
    serve(io, service, |options| {
        options.settings.compression_threshold = usize::MAX;
        (options.max_connections, options.max_streams) = (4096, 4096);
    })
}

fn small_socket(address: SocketAddr) -> TcpStream {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    // Linux doubles this size.
    socket.set_recv_buffer_size(32 * KIB).unwrap();
    socket.connect(&address.into()).unwrap();
    let stream: TcpStream = socket.into();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream
}

fn ask(address: SocketAddr) -> TcpStream {
    let mut stream = small_socket(address);
    let endless = Plan::new(1_000_000, 1, LIST).text();
    stream.write_all(&signed_stream_request("count", &endless, Duration::from_secs(3600))).unwrap();
    stream
}

/// Returns the number of lists of each generator.
fn made_at_rest(io: &IoThread, client: &Client, service: &TestService) -> Vec<usize> {
    let made = || service.generators().iter().map(|generator| generator.made()).collect();
    let mut before: Vec<usize> = made();
    loop {
        for _ in 0..50 {
            assert_eq!(text_of(&call(io, client, "echo", "still there").unwrap()), "still there");
        }
        let now: Vec<usize> = made();
        if now == before {
            return now;
        }
        before = now;
    }
}

/// See docs/streams.md: three lists, and 64 KiB each in the window and in the server's kernel. The
/// caller's kernel takes the rest.
const MOST_OF_SERVER: usize = 3 * LIST + 64 * KIB + 64 * KIB;
const MOST_OF_CALLER: usize = 192 * KIB;

#[test]
fn blocked_consumers_pause_their_generators() {
    let io = io();
    let service = Arc::new(TestService::default());
    let server = serve_uncompressed(&io, &service);
    let client = connect(&io, server.local_addr(), |_| ());
    let mut consumers: Vec<_> = (0..1000).map(|_| ask(server.local_addr())).collect();
    eventually("all have begun", || server.stats().streams == 1000);
    for made in made_at_rest(&io, &client, &service) {
        let bytes = made * LIST;
        assert!(bytes <= MOST_OF_SERVER + MOST_OF_CALLER, "{bytes} bytes are made");
    }
    // Per stream: the window and the frames of a list.
    let stats = server.stats();
    assert!(stats.bytes_in_flight <= 1000 * (64 * KIB + LIST + KIB), "{}", stats.bytes_in_flight);
    assert_eq!((stats.calls_in_flight, stats.streams), (0, 1000));

    let before = service.generators()[0].made();
    let mut read = vec![0; 4 * 1024 * KIB];
    let reading = server.stats().streams;
    consumers[0].read_exact(&mut read).unwrap();
    assert_eq!(reading, 1000);
    assert!(service.generators().iter().any(|generator| generator.made() > before + 30));
    drop(consumers);
    eventually("all have ended", || service.generators().iter().all(|each| each.has_ended()));
    eventually("nothing is left", || {
        let stats = server.stats();
        (stats.streams, stats.bytes_in_flight, stats.abandoned) == (0, 0, 0)
    });
}

/// Proxies half-close like this when a caller ends.
#[test]
fn a_blocked_consumer_that_half_closes_ends_its_generator() {
    let io = io();
    let service = Arc::new(TestService::default());
    let server = serve_uncompressed(&io, &service);
    let client = connect(&io, server.local_addr(), |_| ());
    let consumer = ask(server.local_addr());
    eventually("it has begun", || server.stats().streams == 1);
    made_at_rest(&io, &client, &service);
    consumer.shutdown(Shutdown::Write).unwrap();
    eventually("it has ended", || service.generators().iter().all(|each| each.has_ended()));
    eventually("nothing is left", || server.stats().streams == 0);
}

#[test]
fn a_client_reads_no_faster_than_its_consumer() {
    let io = io();
    let service = Arc::new(TestService::default());
    let server = serve_uncompressed(&io, &service);
    let client = connect(&io, server.local_addr(), |_| ());
    let paused = client.clone();
    let (sender, first) = mpsc::channel();
    let (go_on, paused_until) = tokio::sync::oneshot::channel::<()>();
    let counted = start(&io, move || async move {
        let plan = Plan::new(1000, 1, LIST);
        let mut stream = open(&paused, plan.request()).await.unwrap();
        assert!(matches!(stream.next().await, Ok(StreamEvent::Items(_))));
        sender.send(()).unwrap();
        paused_until.await.unwrap();
        let (items, end) = read_all(stream, LIST).await;
        (items.len(), end)
    });
    first.recv_timeout(PATIENCE).unwrap();
    let made = made_at_rest(&io, &client, &service)[0];
    assert!(made < 150, "{made} lists of 1000");
    go_on.send(()).unwrap();
    let (items, end) = counted.recv_timeout(PATIENCE).unwrap();
    assert_eq!((items, matches!(end, End::Clean(1000))), (999, true));
}

#[test]
fn a_thousand_concurrent_streams_deliver_every_item() {
    let io = io();
    let service = Arc::new(TestService::default());
    let server = serve(&io, &service, |options| {
        (options.max_connections, options.max_streams) = (4096, 1000);
    });
    let client = connect(&io, server.local_addr(), |options| options.max_streams = 1000);
    let plan = Plan::new(20, 5, 8);
    let ended: Vec<_> = (0..1000)
        .map(|_| {
            let client = client.clone();
            start(&io, move || async move {
                let stream = open(&client, plan.request()).await.unwrap();
                read_all(stream, plan.size).await
            })
        })
        .collect();
    for ended in ended {
        let (items, end) = ended.recv_timeout(PATIENCE).unwrap();
        assert_eq!((items.len(), matches!(end, End::Clean(100))), (100, true), "{end:?}");
    }
    assert_eq!(server.stats().refused.len(), 0);
    eventually("nothing is left", || (server.stats().streams, client.stats().streams) == (0, 0));
    assert!(client.stats().idle_connections <= 256, "{:?}", client.stats());
}

#[test]
fn streams_leave_time_for_calls() {
    let io = io();
    let service = Arc::new(TestService::default());
    let server = serve(&io, &service, |_| ());
    let client = connect(&io, server.local_addr(), |_| ());
    call(&io, &client, "echo", "a connection").unwrap();
    // They compress well, so only their own pauses stop them.
    let streaming: Vec<_> = (0..4)
        .map(|_| {
            let client = client.clone();
            start(&io, move || async move {
                let stream = open(&client, Plan::new(1000, 10, 100).request()).await.unwrap();
                read_all(stream, 100).await.0.len()
            })
        })
        .collect();
    eventually("all have begun", || server.stats().streams == 4);
    let mut calls = 0;
    while service.generators().iter().all(|generator| !generator.has_ended()) {
        assert_eq!(text_of(&call(&io, &client, "echo", "a call").unwrap()), "a call");
        calls += 1;
    }
    // Each stream makes at most 16 lists per turn, and a call takes a few turns.
    assert!(calls >= 4_000 / (4 * 16 * 10), "{calls} calls");
    for items in streaming {
        assert_eq!(items.recv_timeout(PATIENCE).unwrap(), 10_000);
    }
}

#[test]
fn calls_do_not_wait_for_large_frames() {
    let io = io();
    let service = Arc::new(TestService::default());
    let server = serve(&io, &service, |options| options.max_connections = 4096);
    let client = connect(&io, server.local_addr(), |_| ());
    call(&io, &client, "echo", "a connection").unwrap();
    let lists = 100;
    let plan = Plan::new(lists, 500, 100);
    let streaming: Vec<_> = (0..200)
        .map(|_| {
            let mut stream = small_socket(server.local_addr());
            let hour = Duration::from_secs(3600);
            stream.write_all(&signed_stream_request("count", &plan.text(), hour)).unwrap();
            std::thread::spawn(move || {
                let mut stream = stream;
                let mut buffer = [0; 4096];
                while matches!(stream.read(&mut buffer), Ok(1..)) {}
            })
        })
        .collect();
    eventually("all have begun", || server.stats().streams == 200);
    for _ in 0..20 {
        assert_eq!(text_of(&call(&io, &client, "echo", "a call").unwrap()), "a call");
    }
    // On the I/O thread, frames of all streams would delay a call several times.
    let made: usize = service.generators().iter().map(|generator| generator.made()).sum();
    assert!(made < 200 * lists / 2, "{made} lists were made during 20 calls");
    drop((server, streaming));
}
