//! Networks that truncate or change streams. Consumers must never mistake a broken end for a clean
//! one.
#![allow(clippy::unwrap_used, clippy::panic)]

mod support;

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use backwater_transport::{CallError, Client};

use support::peers::{Peer, dial, read_message};
use support::service::TestService;
use support::streams::{End, Plan, item, open, read_all};
use support::{connect, eventually, io, run, serve};

const PLAN: Plan = Plan { lists: 3, items: 2, size: 4 };

fn proxy(server: SocketAddr, change: impl Fn(Vec<u8>) -> Vec<u8> + Send + Sync + 'static) -> Peer {
    Peer::start(move |mut client| {
        let mut upstream = dial(server);
        if let Some(request) = read_message(&mut client) {
            upstream.write_all(&request).unwrap();
            let response = change(read_chunked(&mut upstream));
            let _ = client.write_all(&response);
            let _ = client.shutdown(Shutdown::Write);
            let _ = client.read(&mut [0]);
        }
    })
}

fn read_chunked(stream: &mut TcpStream) -> Vec<u8> {
    let mut response = Vec::new();
    let mut buffer = [0; 4096];
    while !response.ends_with(b"\r\n0\r\n\r\n") {
        let length = stream.read(&mut buffer).unwrap();
        assert_ne!(length, 0, "the response ends early");
        response.extend_from_slice(&buffer[..length]);
    }
    response
}

fn consume(io: &backwater_transport::IoThread, client: &Client) -> (Vec<String>, End) {
    let client = client.clone();
    run(io, move || async move {
        match open(&client, PLAN.request()).await {
            Ok(stream) => read_all(stream, PLAN.size).await,
            Err(error) => (Vec::new(), End::Failed(error)),
        }
    })
}

fn check(what: &str, (items, end): &(Vec<String>, End)) {
    let all: Vec<_> = (0..PLAN.total()).map(|number| item(number, PLAN.size)).collect();
    assert_eq!(items[..], all[..items.len()], "{what}");
    match end {
        End::Clean(count) => assert_eq!((*count, items.len()), (6, 6), "{what}"),
        End::Failed(_) => (),
        End::Exception(atoms) => panic!("{what}: an exception {atoms:?}"),
    }
}

#[test]
fn truncation_is_never_a_clean_end() {
    let io = io();
    let server = serve(&io, &Arc::new(TestService::default()), |_| ());
    let (cut, length) = (Arc::new(AtomicUsize::new(usize::MAX)), Arc::new(AtomicUsize::new(0)));
    let (at, of) = (Arc::clone(&cut), Arc::clone(&length));
    let proxy = proxy(server.local_addr(), move |mut response| {
        of.store(response.len(), Ordering::SeqCst);
        response.truncate(at.load(Ordering::SeqCst));
        response
    });
    let client = connect(&io, proxy.address, |_| ());
    let whole = consume(&io, &client);
    assert!(matches!(whole.1, End::Clean(6)), "{whole:?}");
    let length = length.load(Ordering::SeqCst);
    // Line end, last chunk, and the end frame's 30 bytes.
    let end_frame = length - "\r\n0\r\n\r\n".len() - 30;
    let mut broke_off = 0;
    for at in 0..length {
        cut.store(at, Ordering::SeqCst);
        let seen = consume(&io, &client);
        check(&format!("cut at {at} of {length}"), &seen);
        match seen.1 {
            End::Clean(_) => assert!(at >= end_frame + 30, "a clean end at {at} of {length}"),
            End::Failed(CallError::Truncated { items, .. }) => {
                assert_eq!(items, seen.0.len() as u64);
                broke_off += 1;
            }
            End::Failed(CallError::ConnectionLost { unsent: false, .. }) => {
                assert!(at < end_frame && seen.0.is_empty(), "{at}");
            }
            end => panic!("cut at {at} of {length}: {end:?}"),
        }
    }
    assert!(broke_off > 150, "{broke_off} of {length}");
    eventually("no stream is left", || server.stats().streams == 0);
    assert_eq!((client.stats().streams, client.stats().open_connections), (0, 0));
    assert_eq!(server.stats().bytes_in_flight, 0);
}

#[test]
fn every_change_is_detected() {
    let io = io();
    let server = serve(&io, &Arc::new(TestService::default()), |_| ());
    let place = Arc::new(Mutex::new(None));
    let length = Arc::new(AtomicUsize::new(0));
    let (at, of) = (Arc::clone(&place), Arc::clone(&length));
    let proxy = proxy(server.local_addr(), move |mut response| {
        of.store(response.len(), Ordering::SeqCst);
        if let Some(place) = *at.lock().unwrap() {
            let byte: &mut u8 = &mut response[place];
            *byte ^= 1u8 << (place % 8);
        }
        response
    });
    let client = connect(&io, proxy.address, |_| ());
    assert!(matches!(consume(&io, &client).1, End::Clean(6)));
    let length = length.load(Ordering::SeqCst);
    let (mut clean, mut inauthentic) = (0, 0);
    for at in 0..length {
        *place.lock().unwrap() = Some(at);
        let seen = consume(&io, &client);
        check(&format!("changed at {at} of {length}"), &seen);
        match seen.1 {
            // Unsigned headers and optional line ends may change.
            End::Clean(_) => clean += 1,
            End::Failed(CallError::Frame(_) | CallError::Authentication { .. }) => inauthentic += 1,
            End::Failed(
                CallError::Truncated { .. }
                | CallError::ConnectionLost { .. }
                | CallError::MalformedHttp { .. }
                | CallError::Response(_),
            ) => (),
            end => panic!("changed at {at} of {length}: {end:?}"),
        }
    }
    assert!(inauthentic > clean && inauthentic > 300, "{inauthentic} and {clean} of {length}");
    eventually("no stream is left", || server.stats().streams == 0);
    assert_eq!(client.stats().streams, 0);
}

#[test]
fn only_streams_without_items_are_repeated() {
    let io = io();
    let service = Arc::new(TestService::default());
    let server = serve(&io, &service, |_| ());
    for (frames, requests) in [(0, 2), (1, 1)] {
        let calls = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&calls);
        let proxy = proxy(server.local_addr(), move |mut response| {
            let is_first = counted.fetch_add(1, Ordering::SeqCst) == 0;
            if is_first {
                let head = response.windows(4).position(|end| end == b"\r\n\r\n").unwrap() + 4;
                // A frame of two items takes some 40 bytes.
                response.truncate(head + frames * 60);
            }
            response
        });
        let client = connect(&io, proxy.address, |_| ());
        let calling = client.clone();
        let (items, end) = run(&io, move || async move {
            let mut request = PLAN.request();
            request.idempotent = true;
            match open(&calling, request).await {
                Ok(stream) => read_all(stream, PLAN.size).await,
                Err(error) => (Vec::new(), End::Failed(error)),
            }
        });
        assert_eq!(calls.load(Ordering::SeqCst), requests);
        if frames == 0 {
            assert!(matches!(end, End::Clean(6)), "{end:?}");
        } else {
            assert!(matches!(end, End::Failed(CallError::Truncated { items: 2, .. })), "{end:?}");
            assert_eq!(items.len(), 2);
        }
    }
}

#[test]
fn a_replayed_stream_is_rejected() {
    let io = io();
    let server = serve(&io, &Arc::new(TestService::default()), |_| ());
    let first = Arc::new(Mutex::new(None));
    let proxy = proxy(server.local_addr(), move |response| {
        first.lock().unwrap().get_or_insert(response).clone()
    });
    let client = connect(&io, proxy.address, |_| ());
    assert!(matches!(consume(&io, &client).1, End::Clean(6)));
    let (items, end) = consume(&io, &client);
    assert!(matches!(end, End::Failed(CallError::Authentication { .. })), "{end:?}");
    assert!(items.is_empty());
}
