#![allow(clippy::unwrap_used, clippy::panic)]

mod support;

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use backwater_protocol::Secrets;
use backwater_protocol::client::Outcome;
use backwater_protocol::server::{Callers, NamedCaller};
use backwater_transport::{CallError, CallerStats, Client, ExceptionStats, IoThread, Server};
use http::HeaderValue;

use support::service::TestService;
use support::{arguments, call, connect, io, noise, request, run, serve, text_of};

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
fn a_call_returns_a_value() {
    let Setup { io, server, client } = setup();
    let outcome = call(&io, &client, "echo", "hello").unwrap();
    assert!(matches!(outcome.outcome, Outcome::Return { .. }));
    assert_eq!(text_of(&outcome), "hello");
    assert_eq!(server.stats().calls, 1);
}

#[test]
fn a_call_raises_an_exception() {
    let Setup { io, client, server: _server } = setup();
    let outcome = call(&io, &client, "raise", "x").unwrap();
    assert!(matches!(outcome.outcome, Outcome::Exception { .. }));
}

#[test]
fn results_name_their_request() {
    let Setup { io, server, client } = setup();
    let calling = |client: &Client, function: &str| {
        let (client, request) = (client.clone(), request(function, arguments("x")));
        run(&io, move || client.call(request))
    };
    let mut ids = HashSet::new();
    for function in ["echo", "raise"] {
        assert!(ids.insert(calling(&client, function).unwrap().request_id.unwrap()));
    }
    for function in ["refuse", "forget"] {
        assert!(ids.insert(calling(&client, function).unwrap_err().request_id.unwrap()));
    }
    let nowhere = connect(&io, (server.local_addr().ip(), 1).into(), |_| ());
    let failure = calling(&nowhere, "echo").unwrap_err();
    assert!(matches!(failure.error, CallError::Connect { .. }), "{failure:?}");
    assert_eq!(failure.request_id, None);
}

#[test]
fn a_server_counts_refusals_and_exceptions() {
    let Setup { io, server, client } = setup();
    let others = Secrets::new([b"another secret".to_vec()]).unwrap();
    let stranger = connect(&io, server.local_addr(), |options| options.settings.secrets = others);
    for function in ["refuse", "forget", "raise", "raise", "unencodable", "echo"] {
        let _ = call(&io, &client, function, "x");
    }
    call(&io, &stranger, "echo", "x").unwrap_err();
    let stats = server.stats();
    let refused = [("internal_error", 1), ("invalid_signature", 1), ("too late", 1)];
    assert_eq!(stats.refused, BTreeMap::from(refused));
    assert_eq!(stats.exceptions, ExceptionStats { error: 1, exit: 0, throw: 2 });
    assert_eq!((stats.calls, stats.callers.len()), (6, 0));
}

#[test]
fn known_callers_are_counted_by_name() {
    let io = io();
    let named = |name: &str, secret: &[u8]| NamedCaller {
        name: name.to_owned(),
        secrets: Secrets::new([secret.to_vec()]).unwrap(),
        hint: None,
    };
    let callers = |other: &[u8]| {
        Callers::new(vec![named("tests", support::SECRET), named("other", other)]).unwrap()
    };
    let server = serve(&io, &Arc::new(TestService::default()), |options| {
        options.settings.callers = callers(b"another secret");
    });
    let client = connect(&io, server.local_addr(), |options| {
        options.caller = Some(HeaderValue::from_static("tests"));
    });
    call(&io, &client, "echo", "x").unwrap();
    server.set_callers(callers(b"a third secret"));
    call(&io, &client, "refuse", "x").unwrap_err();
    let stats = server.stats();
    let of = |name: &str| stats.callers.get(name).copied();
    assert_eq!(of("tests"), Some(CallerStats { calls: 2, refused: 1 }));
    assert_eq!(of("other"), Some(CallerStats::default()));
    server.set_callers(Callers::new(vec![named("other", b"x")]).unwrap());
    let CallError::Authentication { .. } = call(&io, &client, "echo", "x").unwrap_err() else {
        panic!("a removed caller calls");
    };
    assert_eq!(server.stats().callers.len(), 1);
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
    let text = noise(4 << 20);
    let outcome = call(&io, &client, "echo", &text).unwrap();
    assert_eq!(text_of(&outcome), text);
}

#[test]
fn a_service_that_panics_or_drops_the_reply_fails_one_call() {
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
fn arguments_that_cannot_be_encoded_are_not_sent() {
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
