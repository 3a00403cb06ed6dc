//! Calls over real sockets, as they should go and as services spoil them.
#![allow(clippy::unwrap_used, clippy::panic)]

mod support;

use std::collections::HashSet;
use std::sync::Arc;

use backwater_protocol::client::Outcome;
use backwater_transport::{CallError, Client, IoThread, Server};

use support::service::TestService;
use support::{call, connect, io, noise, run, serve, text_of};

struct Setup {
    io: IoThread,
    server: Server,
    client: Client,
}

fn setup() -> Setup {
    let io = io();
    let server = serve(&io, &Arc::new(TestService::default()), |_| ());
    let client = connect(&io, server.local_addr(), |_| ());
    Setup { io, server, client }
}

#[test]
fn a_value_comes_back() {
    let Setup { io, server, client } = setup();
    let outcome = call(&io, &client, "echo", "hello").unwrap();
    assert!(matches!(outcome.outcome, Outcome::Return { .. }));
    assert_eq!(text_of(&outcome), "hello");
    assert_eq!(server.stats().calls, 1);
}

#[test]
fn an_exception_comes_back_as_one() {
    let Setup { io, client, server: _server } = setup();
    let outcome = call(&io, &client, "raise", "x").unwrap();
    assert!(matches!(outcome.outcome, Outcome::Exception { .. }));
}

#[test]
fn one_connection_serves_call_after_call() {
    let Setup { io, server, client } = setup();
    for number in 0..20 {
        let text = format!("number {number}");
        assert_eq!(text_of(&call(&io, &client, "echo", &text).unwrap()), text);
        assert_eq!(server.stats().connections, 1);
    }
    assert_eq!(client.stats().idle_connections, 1);
    assert_eq!(client.stats().calls_in_flight, 0);
}

#[test]
fn a_thousand_calls_at_a_concurrency_of_64() {
    let Setup { io, server, .. } = setup();
    let client = connect(&io, server.local_addr(), |options| options.max_connections = 64);
    let calls = client.clone();
    let texts = run(&io, move || async move {
        let mut tasks = tokio::task::JoinSet::new();
        for number in 0..1000 {
            let request = support::request("echo", support::arguments(&format!("call {number}")));
            tasks.spawn(calls.call(request));
        }
        let mut texts = HashSet::new();
        while let Some(outcome) = tasks.join_next().await {
            texts.insert(text_of(&outcome.unwrap().unwrap()));
        }
        texts
    });
    assert_eq!(texts, (0..1000).map(|number| format!("call {number}")).collect());
    assert_eq!(server.stats().calls, 1000);
    assert!(server.stats().connections <= 64);
    assert_eq!(client.stats().calls_waiting, 0);
}

#[test]
fn large_messages_go_both_ways() {
    let Setup { io, client, server: _server } = setup();
    // More than the sockets' buffers take.
    let text = noise(4 << 20);
    let outcome = call(&io, &client, "echo", &text).unwrap();
    assert_eq!(text_of(&outcome), text);
}

#[test]
fn a_service_that_panics_or_forgets_costs_one_call() {
    let Setup { io, server, client } = setup();
    for function in ["panic", "forget"] {
        let error = call(&io, &client, function, "x").unwrap_err();
        let CallError::Remote(failure) = error else { panic!("{error:?}") };
        assert_eq!(failure.status.as_u16(), 500);
        assert_eq!(text_of(&call(&io, &client, "echo", "alive").unwrap()), "alive");
    }
    assert_eq!(server.stats().calls_in_flight, 0);
}

#[test]
fn a_service_can_refuse_a_call() {
    let Setup { io, client, server: _server } = setup();
    let error = call(&io, &client, "refuse", "x").unwrap_err();
    let CallError::Remote(failure) = error else { panic!("{error:?}") };
    assert_eq!(failure.status.as_u16(), 504);
    assert_eq!(&failure.body[..], b"too late");
    assert_eq!(text_of(&call(&io, &client, "echo", "alive").unwrap()), "alive");
}

#[test]
fn a_result_that_cannot_be_encoded_is_an_exception() {
    let Setup { io, client, server: _server } = setup();
    let outcome = call(&io, &client, "unencodable", "x").unwrap();
    assert!(matches!(outcome.outcome, Outcome::Exception { .. }));
    let names = String::from_utf8(outcome.tape.names.clone()).unwrap();
    assert!(names.contains("unencodable_result"), "{names}");
    assert!(!outcome.tape.latin1.is_empty(), "says why");
}

#[test]
fn a_result_over_the_servers_limit_is_an_exception() {
    let Setup { io, .. } = setup();
    let service = Arc::new(TestService::default());
    let server = serve(&io, &service, |options| options.settings.max_encoded_result_size = 300);
    let client = connect(&io, server.local_addr(), |_| ());
    let fits = call(&io, &client, "echo", &"x".repeat(200)).unwrap();
    assert!(matches!(fits.outcome, Outcome::Return { .. }));
    let too_large = call(&io, &client, "echo", &"x".repeat(300)).unwrap();
    assert!(matches!(too_large.outcome, Outcome::Exception { .. }));
}

#[test]
fn arguments_that_cannot_be_encoded_fail_before_anything_is_sent() {
    let Setup { io, server, client } = setup();
    let tape = backwater_transport::OwnedTape { words: vec![1 << 4 | 7], ..Default::default() };
    let request = support::request("echo", tape);
    let calls = client.clone();
    let error = run(&io, move || calls.call(request)).unwrap_err().error;
    assert!(matches!(error, CallError::Encode(_)), "{error:?}");
    assert_eq!(server.stats().connections, 0);
}

#[test]
fn timeouts_may_be_as_long_as_a_century() {
    let io = io();
    let century = std::time::Duration::from_secs(100 * 365 * 24 * 3600);
    let service = Arc::new(TestService::default());
    let server = serve(&io, &service, |options| {
        options.recv_timeout = century;
        options.send_timeout = century;
    });
    let client = connect(&io, server.local_addr(), |options| {
        options.connect_timeout = century;
        options.recv_timeout = century;
        options.idle_timeout = Some(century);
    });
    for text in ["one", "two"] {
        assert_eq!(text_of(&call(&io, &client, "echo", text).unwrap()), text);
    }
    drop(server.close(century));
}
