#![allow(clippy::unwrap_used, clippy::panic)]

mod support;

use std::cell::Cell;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use backwater_protocol::client::Settings;
use backwater_transport::{
    CallError, Client, ClientOptions, EndpointAddress, EndpointState, IoThread, ListedEndpoint,
    Phase, ResolveFailure, Server,
};

use support::service::TestService;
use support::{
    PATIENCE, SHORT, call, connect, eventually, io, refusing_address, secrets, serve,
    sooner_or_later, start_call,
};

struct Asked {
    io: IoThread,
    client: Client,
    count: Arc<AtomicUsize>,
}

fn asking(change: impl FnOnce(&mut ClientOptions)) -> Asked {
    let io = io();
    let mut options = ClientOptions::of(Vec::new(), Settings::new(secrets()));
    (options.connect_timeout, options.recv_timeout) = (PATIENCE, PATIENCE);
    change(&mut options);
    let count = Arc::new(AtomicUsize::new(0));
    let counting = Arc::clone(&count);
    let client = Client::resolved(&io, options, move || {
        counting.fetch_add(1, Ordering::SeqCst);
    });
    Asked { io, client, count }
}

impl Asked {
    fn server(&self) -> (Server, Vec<ListedEndpoint>) {
        let server = serve(&self.io, &Arc::default(), |_| ());
        let listed = vec![endpoint(server.local_addr())];
        (server, listed)
    }

    fn count(&self) -> usize {
        self.count.load(Ordering::SeqCst)
    }
}

fn endpoint(address: SocketAddr) -> ListedEndpoint {
    EndpointAddress::new(address.ip().to_string(), address.port()).into()
}

fn failure() -> ResolveFailure {
    ResolveFailure {
        name: "server.test".to_owned(),
        code: Some("ENOTFOUND".to_owned()),
        message: "cannot resolve server.test".to_owned(),
    }
}

#[test]
fn waiting_calls_ask_for_endpoints_once() {
    let asked = asking(|_| ());
    let (_server, listed) = asked.server();
    assert_eq!(asked.count(), 0);
    let calls: Vec<_> = (0..5).map(|_| start_call(&asked.io, &asked.client, "echo", "x")).collect();
    eventually("the client asks for them", || asked.count() == 1);
    asked.client.set_endpoints(listed);
    for call in calls {
        call.recv_timeout(PATIENCE).unwrap().unwrap();
    }
    assert_eq!(asked.count(), 1);
}

#[test]
fn calls_fail_without_endpoints_and_later_calls_retry() {
    let asked = asking(|_| ());
    let (_server, listed) = asked.server();
    let first = start_call(&asked.io, &asked.client, "echo", "x");
    eventually("the client asks for them", || asked.count() == 1);
    asked.client.resolution_failed(failure());
    let error = first.recv_timeout(PATIENCE).unwrap().unwrap_err();
    assert!(matches!(&error, CallError::Resolve(known) if *known == failure()), "{error:?}");
    let later = loop {
        let later = start_call(&asked.io, &asked.client, "echo", "x");
        let outcome = Cell::new(None);
        eventually("it has failed, or asks", || {
            outcome.set(later.try_recv().ok());
            asked.count() == 2 || outcome.take().is_some_and(|outcome| outcome.is_err())
        });
        if asked.count() == 2 {
            break later;
        }
    };
    asked.client.set_endpoints(listed);
    later.recv_timeout(PATIENCE).unwrap().unwrap();
}

#[test]
fn an_empty_list_keeps_the_endpoints() {
    let asked = asking(|_| ());
    let (_server, listed) = asked.server();
    let first = start_call(&asked.io, &asked.client, "echo", "x");
    eventually("the client asks for them", || asked.count() == 1);
    asked.client.set_endpoints(Vec::new());
    let error = first.recv_timeout(PATIENCE).unwrap().unwrap_err();
    assert!(matches!(error, CallError::Resolve(_)), "{error:?}");
    asked.client.set_endpoints(listed);
    asked.client.set_endpoints(Vec::new());
    call(&asked.io, &asked.client, "echo", "x").unwrap();
}

#[test]
fn waiting_for_endpoints_times_out() {
    let asked = asking(|options| options.connect_timeout = SHORT);
    let error = call(&asked.io, &asked.client, "echo", "x").unwrap_err();
    assert!(matches!(error, CallError::Timeout { phase: Phase::Resolve, .. }), "{error:?}");
}

#[test]
fn calls_of_a_closing_client_may_wait_for_endpoints() {
    let asked = asking(|_| ());
    let (_server, listed) = asked.server();
    let waiting = start_call(&asked.io, &asked.client, "echo", "x");
    eventually("the client asks for them", || asked.count() == 1);
    drop(asked.client.close(PATIENCE));
    asked.client.set_endpoints(listed);
    waiting.recv_timeout(PATIENCE).unwrap().unwrap();

    let hopeless = asking(|options| options.connect_timeout = SHORT);
    let waiting = start_call(&hopeless.io, &hopeless.client, "echo", "x");
    eventually("the client asks for them", || hopeless.count() == 1);
    drop(hopeless.client.close(PATIENCE));
    let error = waiting.recv_timeout(PATIENCE).unwrap().unwrap_err();
    assert!(matches!(error, CallError::Timeout { phase: Phase::Resolve, .. }), "{error:?}");
}

#[test]
fn a_call_that_fails_everywhere_waits_for_an_update() {
    let (_socket, refusing_address) = refusing_address();
    let gets_them = sooner_or_later(|_| {
        let asked = asking(|_| ());
        let (_server, listed) = asked.server();
        let waiting = start_call(&asked.io, &asked.client, "echo", "x");
        eventually("the client asks for them", || asked.count() == 1);
        asked.client.set_endpoints(vec![endpoint(refusing_address)]);
        eventually("the client asks again", || asked.count() == 2);
        asked.client.set_endpoints(listed);
        waiting.recv_timeout(PATIENCE).unwrap().is_ok()
    });
    assert!(gets_them);
}

#[test]
fn without_an_update_the_call_fails() {
    let (_socket, refusing_address) = refusing_address();
    let asked = asking(|_| ());
    let waiting = start_call(&asked.io, &asked.client, "echo", "x");
    eventually("the client asks for them", || asked.count() == 1);
    asked.client.set_endpoints(vec![endpoint(refusing_address)]);
    eventually("the client asks again", || asked.count() == 2);
    asked.client.endpoints_unchanged();
    let error = waiting.recv_timeout(PATIENCE).unwrap().unwrap_err();
    assert!(matches!(error, CallError::Connect { .. }), "{error:?}");
}

#[test]
fn a_call_skips_endpoints_that_refuse_connections() {
    let io = io();
    let service = Arc::new(TestService::default());
    let server = serve(&io, &service, |_| ());
    let address = server.local_addr();
    let (_sockets, addresses): (Vec<_>, Vec<_>) = (0..4).map(|_| refusing_address()).unzip();
    let client = connect(&io, address, |options| {
        options.endpoints = addresses.into_iter().chain([address]).map(endpoint).collect();
    });
    for _ in 0..20 {
        call(&io, &client, "echo", "x").unwrap();
    }
    let failovers = client.retry_stats().failovers;
    assert!((1..=20).contains(&failovers), "{failovers}");
    let endpoints = client.endpoint_stats();
    let (good, bad) = endpoints.split_last().unwrap();
    assert_eq!((good.state, good.calls, good.failures), (EndpointState::Up, 20, 0));
    assert!(bad.iter().all(|endpoint| endpoint.calls == endpoint.failures), "{bad:?}");
}
