#![allow(clippy::unwrap_used, clippy::panic)]

mod support;

use std::sync::Arc;
use std::sync::mpsc;
use std::time::Duration;

use backwater_transport::{
    Answer, CallError, CallOutcome, Client, ExceptionClass, IoThread, OnTaken, Outcome, Server,
    StreamEvent, TimeLimit,
};
use http::StatusCode;

use support::service::{Held, TestService};
use support::streams::{End, Plan, item, list, open, read_all, texts};
use support::{
    PATIENCE, SHORT, arguments, call, connect, eventually, io, request, run, serve, start,
    start_call, text_of,
};

fn pair(io: &IoThread) -> (Arc<TestService>, Server, Client) {
    let service = Arc::new(TestService::default());
    let server = serve(io, &service, |_| ());
    let client = connect(io, server.local_addr(), |_| ());
    (service, server, client)
}

fn items_of(plan: Plan) -> Vec<String> {
    (0..plan.total()).map(|number| item(number, plan.size)).collect()
}

fn stream(io: &IoThread, client: &Client, plan: Plan) -> (Vec<String>, End) {
    let client = client.clone();
    run(io, move || async move {
        let stream = open(&client, plan.request()).await.unwrap();
        read_all(stream, plan.size).await
    })
}

fn nothing() -> OnTaken {
    Arc::new(|| ())
}

fn held(
    io: &IoThread,
    service: &TestService,
    client: &Client,
) -> (mpsc::Receiver<(Vec<String>, End)>, Held) {
    let client = client.clone();
    let ended = start(io, move || async move {
        let mut request = request("hold", arguments("x"));
        request.stream = true;
        match open(&client, request).await {
            Ok(stream) => read_all(stream, 1).await,
            Err(error) => (Vec::new(), End::Failed(error)),
        }
    });
    eventually("the call is held", || service.held() == 1);
    (ended, service.take_held().pop().unwrap())
}

fn letters(text: &str) -> Vec<String> {
    text.chars().map(String::from).collect()
}

#[test]
fn items_arrive_in_order_before_the_end() {
    let io = io();
    let (_, server, client) = pair(&io);
    for plan in [
        Plan::new(0, 1, 1),
        Plan::new(1, 1, 1),
        Plan::new(10, 3, 5),
        Plan::new(3, 1000, 8),
        // Compressed, too large to gather, and decoded on another thread.
        Plan::new(2, 2, 300_000),
    ] {
        let (items, end) = stream(&io, &client, plan);
        assert_eq!(items, items_of(plan), "{plan:?}");
        assert!(matches!(end, End::Clean(count) if count == plan.total() as u64), "{end:?}");
    }
    assert_eq!(server.stats().streams, 0);
    assert_eq!(client.stats().streams, 0);
    assert_eq!((client.stats().open_connections, client.stats().idle_connections), (1, 1));
    assert_eq!(server.stats().connections, 1);
    assert_eq!(text_of(&call(&io, &client, "echo", "more").unwrap()), "more");
    assert_eq!(server.stats().connections, 1);
}

#[test]
fn a_caller_without_streams_gets_a_list() {
    let io = io();
    let (service, server, client) = pair(&io);
    for plan in [Plan::new(0, 1, 1), Plan::new(5, 3, 4), Plan::new(4, 2, 100_000)] {
        let outcome = call(&io, &client, "count", &plan.text()).unwrap();
        assert_eq!(text_of(&outcome), items_of(plan).concat());
    }
    let generators = service.generators();
    assert!(generators.iter().all(|generator| generator.has_ended() && !generator.is_abandoned()));
    assert_eq!((server.stats().streams, server.stats().calls_in_flight), (0, 0));
}

#[test]
fn a_list_over_the_limit_raises_and_ends_the_generator() {
    let io = io();
    let service = Arc::new(TestService::default());
    let server = serve(&io, &service, |options| options.settings.max_encoded_result_size = 10_000);
    let client = connect(&io, server.local_addr(), |_| ());
    let fits = Plan::new(9, 1, 1000);
    assert_eq!(text_of(&call(&io, &client, "count", &fits.text()).unwrap()).len(), 9000);
    let exceeds = Plan::new(1_000_000, 1, 1000);
    let outcome = call(&io, &client, "count", &exceeds.text()).unwrap();
    assert!(is_exception(&outcome));
    assert!(text_of(&outcome).contains("maxEncodedResultSize"), "{}", text_of(&outcome));
    let generator = service.generators().pop().unwrap();
    eventually("the generator has ended", || generator.has_ended());
    assert!(generator.is_abandoned() && generator.made() < 20, "{} lists", generator.made());
    assert_eq!(server.stats().exceptions.error, 1);
    let long = Plan::new(100, 1, 1000);
    assert_eq!(stream(&io, &client, long).0.len(), 100);
}

fn is_exception(outcome: &CallOutcome) -> bool {
    matches!(outcome.outcome, backwater_protocol::client::Outcome::Exception { .. })
}

#[test]
fn a_streaming_call_may_get_a_value() {
    let io = io();
    let (_, _server, client) = pair(&io);
    let answer = run(&io, move || async move {
        let mut request = request("echo", arguments("value"));
        request.stream = true;
        client.stream(request).await
    });
    let Ok(Answer::Whole(outcome)) = answer else { panic!("{answer:?}") };
    assert_eq!(text_of(&outcome), "value");
}

#[test]
fn the_service_knows_whether_a_caller_accepts_a_stream() {
    let io = io();
    let (service, _server, client) = pair(&io);
    let (_ended, held) = held(&io, &service, &client);
    assert!(held.takes_stream);
    let _called = start_call(&io, &client, "hold", "x");
    eventually("the call is held", || service.held() == 1);
    assert!(!service.take_held().pop().unwrap().takes_stream);
}

#[test]
fn an_exception_ends_a_stream() {
    let io = io();
    let (service, server, client) = pair(&io);
    let (ended, Held { mut reply, .. }) = held(&io, &service, &client);
    reply.push(Box::new(list(&letters("abc"))), &nothing());
    let exception = list(&letters("not the form of one"));
    reply.send(Outcome::Exception(ExceptionClass::Throw, Box::new(exception)));
    let (items, end) = ended.recv_timeout(PATIENCE).unwrap();
    assert_eq!(items, letters("abc"));
    assert!(matches!(end, End::Failed(CallError::Frame(_))), "{end:?}");
    assert_eq!(server.stats().exceptions.throw, 1);
}

#[test]
fn dropping_the_reply_ends_the_stream_with_an_exception() {
    let io = io();
    let (service, server, client) = pair(&io);
    let (ended, Held { mut reply, .. }) = held(&io, &service, &client);
    reply.push(Box::new(list(&letters("ab"))), &nothing());
    drop(reply);
    let (items, end) = ended.recv_timeout(PATIENCE).unwrap();
    assert_eq!(items, letters("ab"));
    let End::Exception(atoms) = end else { panic!("{end:?}") };
    assert_eq!(atoms, ["exit", "no_answer"]);
    assert_eq!((server.stats().exceptions.exit, server.stats().streams), (1, 0));
    assert_eq!(client.stats().idle_connections, 1);
}

#[test]
fn an_empty_list_sends_the_head() {
    let io = io();
    let service = Arc::new(TestService::default());
    let server =
        serve(&io, &service, |options| options.stream_ping_interval = Duration::from_millis(20));
    // Longer than the head may take, and shorter than the silence.
    let client = connect(&io, server.local_addr(), |options| options.recv_timeout = SHORT);
    let (ended, Held { mut reply, .. }) = held(&io, &service, &client);
    reply.push(Box::new(list(&[])), &nothing());
    std::thread::sleep(SHORT * 3);
    assert_eq!((server.stats().streams, server.stats().calls_in_flight), (1, 0));
    reply.push(Box::new(list(&letters("a"))), &nothing());
    reply.end();
    let (items, end) = ended.recv_timeout(PATIENCE).unwrap();
    assert_eq!((items, matches!(end, End::Clean(1))), (letters("a"), true));
}

#[test]
fn an_item_that_cannot_be_encoded_ends_the_stream() {
    let io = io();
    let service = Arc::new(TestService::default());
    let server = serve(&io, &service, |options| options.settings.max_encoded_result_size = 200);
    let client = connect(&io, server.local_addr(), |_| ());
    let (ended, Held { mut reply, .. }) = held(&io, &service, &client);
    let large = "x".repeat(201);
    reply.push(Box::new(list(&["a".to_owned(), large, "b".to_owned()])), &nothing());
    let (items, end) = ended.recv_timeout(PATIENCE).unwrap();
    assert_eq!(items, letters("a"));
    let End::Exception(atoms) = end else { panic!("{end:?}") };
    assert_eq!(atoms, ["error", "unencodable_result"]);
    eventually("the generator learns it", || reply.is_abandoned());
    reply.end();
    assert_eq!(server.stats().abandoned, 0);
}

#[test]
fn a_leaving_consumer_ends_the_generator() {
    let io = io();
    let (service, server, client) = pair(&io);
    let plan = Plan::new(1_000_000, 1, 1000);
    let left = client.clone();
    let first = run(&io, move || async move {
        let mut stream = open(&left, plan.request()).await.unwrap();
        let Ok(StreamEvent::Items(term)) = stream.next().await else { panic!("no items") };
        texts(&term, 1000).len()
    });
    assert_eq!(first, 1);
    let generator = service.generators().pop().unwrap();
    eventually("the generator has ended", || generator.has_ended());
    assert!(generator.is_abandoned());
    eventually("nothing is left", || {
        let stats = server.stats();
        (stats.streams, stats.abandoned, stats.connections, stats.bytes_in_flight) == (0, 0, 0, 0)
    });
    assert_eq!((client.stats().streams, client.stats().open_connections), (0, 0));
}

#[test]
fn a_leaving_consumer_ends_a_silent_generator() {
    let io = io();
    let (service, server, client) = pair(&io);
    let leaving = client.clone();
    let (sender, first) = mpsc::channel();
    let (leave, left) = tokio::sync::oneshot::channel::<()>();
    let _ended = start(&io, move || async move {
        let mut request = request("hold", arguments("x"));
        request.stream = true;
        let mut stream = open(&leaving, request).await.unwrap();
        sender.send(stream.next().await.is_ok()).unwrap();
        left.await.unwrap();
    });
    eventually("the call is held", || service.held() == 1);
    let mut reply = service.take_held().pop().unwrap().reply;
    reply.push(Box::new(list(&letters("a"))), &nothing());
    assert!(first.recv_timeout(PATIENCE).unwrap());
    assert!(!reply.is_abandoned());
    leave.send(()).unwrap();
    eventually("the generator learns it", || reply.is_abandoned());
    assert_eq!(server.stats().abandoned, 1);
    drop(reply);
    assert_eq!(server.stats().abandoned, 0);
}

#[test]
fn pings_prevent_the_idle_timeout() {
    let io = io();
    for (interval, clean) in [(PATIENCE, false), (Duration::from_millis(20), true)] {
        let service = Arc::new(TestService::default());
        let server = serve(&io, &service, |options| options.stream_ping_interval = interval);
        let client = connect(&io, server.local_addr(), |_| ());
        let waiting = client.clone();
        let ended = start(&io, move || async move {
            let mut request = request("hold", arguments("x"));
            (request.stream, request.idle_timeout) = (true, SHORT);
            match open(&waiting, request).await {
                Ok(stream) => read_all(stream, 1).await,
                Err(error) => (Vec::new(), End::Failed(error)),
            }
        });
        eventually("the call is held", || service.held() == 1);
        let mut reply = service.take_held().pop().unwrap().reply;
        reply.push(Box::new(list(&letters("a"))), &nothing());
        std::thread::sleep(SHORT * 3);
        assert_eq!(reply.is_abandoned(), !clean);
        reply.end();
        let (_, end) = ended.recv_timeout(PATIENCE).unwrap();
        match end {
            End::Clean(1) => assert!(clean),
            End::Failed(CallError::Timeout {
                option: TimeLimit::IdleTimeout, endpoint, ..
            }) => {
                assert!(!clean && endpoint.is_some());
            }
            end => panic!("{end:?}"),
        }
    }
}

#[test]
fn the_total_timeout_ends_a_stream_on_both_sides() {
    let io = io();
    let (service, server, client) = pair(&io);
    for is_read in [true, false] {
        let client = client.clone();
        let ended = start(&io, move || async move {
            let mut request = Plan::new(1_000_000_000, 1, 10).request();
            request.timeout = Some(SHORT);
            let mut stream = open(&client, request).await?;
            loop {
                let failed =
                    if is_read { stream.next().await.err() } else { Some(stream.expired().await) };
                if let Some(failure) = failed {
                    return Err::<(), _>(failure.error);
                }
            }
        });
        let error = ended.recv_timeout(PATIENCE).unwrap().unwrap_err();
        assert!(
            matches!(error, CallError::Timeout { option: TimeLimit::Timeout, .. }),
            "{error:?}"
        );
    }
    for generator in service.generators() {
        eventually("the generator has ended", || generator.has_ended());
    }
    eventually("no stream is left", || server.stats().streams == 0);
}

#[test]
fn the_servers_deadline_ends_the_stream_with_an_exception() {
    let io = io();
    let (service, server, _client) = pair(&io);
    // The caller does not enforce its timeout.
    let mut peer = support::peers::dial(server.local_addr());
    let request = support::peers::signed_stream_request("hold", "x", Duration::from_millis(200));
    std::io::Write::write_all(&mut peer, &request).unwrap();
    eventually("the call is held", || service.held() == 1);
    let mut reply = service.take_held().pop().unwrap().reply;
    reply.push(Box::new(list(&letters("a"))), &nothing());
    eventually("the generator learns it", || reply.is_abandoned());
    reply.end();
    eventually("the exception is sent", || server.stats().exceptions.exit == 1);
    assert_eq!(server.stats().abandoned, 0);
}

#[test]
fn streams_over_the_limit_are_refused() {
    let io = io();
    let service = Arc::new(TestService::default());
    let server = serve(&io, &service, |options| options.max_streams = 1);
    let client = connect(&io, server.local_addr(), |_| ());
    let (first, Held { reply: mut held_reply, .. }) = held(&io, &service, &client);
    held_reply.push(Box::new(list(&letters("a"))), &nothing());
    eventually("the stream has begun", || server.stats().streams == 1);

    let (second, Held { mut reply, .. }) = held(&io, &service, &client);
    reply.push(Box::new(list(&letters("b"))), &nothing());
    let (_, end) = second.recv_timeout(PATIENCE).unwrap();
    let End::Failed(CallError::Remote(failure)) = end else { panic!("{end:?}") };
    assert_eq!(failure.status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(&failure.body[..], b"overloaded");
    assert!(reply.is_abandoned());
    reply.end();
    assert_eq!(server.stats().refused["overloaded"], 1);

    assert_eq!(text_of(&call(&io, &client, "echo", "call").unwrap()), "call");
    let list_of_items = call(&io, &client, "count", &Plan::new(2, 1, 1).text()).unwrap();
    assert_eq!(text_of(&list_of_items), "01");
    held_reply.end();
    assert!(matches!(first.recv_timeout(PATIENCE).unwrap().1, End::Clean(1)));
    assert_eq!(stream(&io, &client, Plan::new(1, 1, 1)).0, ["0"]);
}

#[test]
fn streams_wait_for_a_connection_of_their_own() {
    let io = io();
    let service = Arc::new(TestService::default());
    let server = serve(&io, &service, |_| ());
    let client = connect(&io, server.local_addr(), |options| {
        (options.max_connections, options.max_streams) = (1, 1);
    });
    let (first, Held { mut reply, .. }) = held(&io, &service, &client);
    reply.push(Box::new(list(&letters("a"))), &nothing());
    eventually("the stream has begun", || server.stats().streams == 1);
    let waiting = client.clone();
    let second = start(&io, move || async move {
        let stream = open(&waiting, Plan::new(1, 1, 1).request()).await.unwrap();
        read_all(stream, 1).await
    });
    eventually("the second one waits", || client.stats().calls_waiting == 1);
    assert_eq!(text_of(&call(&io, &client, "echo", "call").unwrap()), "call");
    assert_eq!(server.stats().connections, 2);
    reply.end();
    first.recv_timeout(PATIENCE).unwrap();
    assert_eq!(second.recv_timeout(PATIENCE).unwrap().0, ["0"]);
    assert_eq!((client.stats().open_connections, client.stats().idle_connections), (1, 1));
}

#[test]
fn closing_a_server_waits_for_streams_until_its_timeout() {
    let io = io();
    for limit in [PATIENCE, Duration::from_millis(50)] {
        let (service, server, client) = pair(&io);
        let (ended, Held { mut reply, .. }) = held(&io, &service, &client);
        reply.push(Box::new(list(&letters("ab"))), &nothing());
        eventually("the stream has begun", || server.stats().streams == 1);
        let closing = server.close(limit);
        let closed = start(&io, move || closing);
        if limit == PATIENCE {
            reply.push(Box::new(list(&letters("c"))), &nothing());
            reply.end();
            let (items, end) = ended.recv_timeout(PATIENCE).unwrap();
            assert_eq!((items, matches!(end, End::Clean(3))), (letters("abc"), true));
        } else {
            let (items, end) = ended.recv_timeout(PATIENCE).unwrap();
            assert_eq!(items, letters("ab"));
            let End::Exception(atoms) = end else { panic!("{end:?}") };
            assert_eq!(atoms, ["exit", "server_closing"]);
            assert!(reply.is_abandoned());
            reply.end();
        }
        closed.recv_timeout(PATIENCE).unwrap();
        assert_eq!((server.stats().connections, server.stats().streams), (0, 0));
    }
}

#[test]
fn closing_does_not_wait_for_a_blocked_consumer() {
    let io = io();
    let (service, server, client) = pair(&io);
    let paused = client.clone();
    let (sender, begun) = mpsc::channel();
    let _ended = start(&io, move || async move {
        let stream = open(&paused, Plan::new(1_000_000, 1, 100_000).request()).await.unwrap();
        sender.send(()).unwrap();
        std::future::pending::<()>().await;
        drop(stream);
    });
    begun.recv_timeout(PATIENCE).unwrap();
    let closing = server.close(Duration::from_millis(50));
    let closed = start(&io, move || closing);
    closed.recv_timeout(PATIENCE).unwrap();
    let generator = service.generators().pop().unwrap();
    eventually("the generator has ended", || generator.has_ended());
    assert_eq!(server.stats().bytes_in_flight, 0);
}

#[test]
fn closing_a_client_waits_for_streams_until_its_timeout() {
    let io = io();
    for limit in [PATIENCE, Duration::from_millis(50)] {
        let (service, _server, client) = pair(&io);
        let (ended, Held { mut reply, .. }) = held(&io, &service, &client);
        reply.push(Box::new(list(&letters("a"))), &nothing());
        eventually("the stream has begun", || client.stats().streams == 1);
        let closing = client.close(limit);
        let closed = start(&io, move || closing);
        if limit == PATIENCE {
            reply.end();
            assert!(matches!(ended.recv_timeout(PATIENCE).unwrap().1, End::Clean(1)));
        } else {
            let (_, end) = ended.recv_timeout(PATIENCE).unwrap();
            assert!(matches!(end, End::Failed(CallError::Closed)), "{end:?}");
            eventually("the generator learns it", || reply.is_abandoned());
        }
        closed.recv_timeout(PATIENCE).unwrap();
    }
}
