#![allow(dead_code, reason = "no test file uses all of it")]
#![allow(unreachable_pub, reason = "each test file is a separate crate")]
#![allow(clippy::unwrap_used, clippy::panic)]

pub mod peers;
pub mod service;
pub mod signing;
pub mod streams;

use std::future::Future;
use std::net::SocketAddr;
use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant};

use backwater_protocol::Secrets;
use backwater_protocol::client::{self, RequestPath};
use backwater_protocol::server;
use backwater_transport::{
    CallError, CallOutcome, CallRequest, Client, ClientOptions, EndpointAddress, IoThread,
    OwnedTape, Server, ServerOptions,
};

use socket2::{Domain, Socket, Type};

use self::service::TestService;

pub const PATIENCE: Duration = Duration::from_secs(60);
pub const SHORT: Duration = Duration::from_millis(300);

pub const SECRET: &[u8] = b"a secret of the tests";

pub fn secrets() -> Secrets {
    Secrets::new([SECRET.to_vec()]).unwrap()
}

pub fn io() -> IoThread {
    IoThread::start(|| ()).unwrap()
}

pub fn run<F, Fut>(io: &IoThread, make: F) -> Fut::Output
where
    F: FnOnce() -> Fut + Send + 'static,
    Fut: Future + 'static,
    Fut::Output: Send + 'static,
{
    start(io, make).recv_timeout(PATIENCE).unwrap()
}

pub fn start<F, Fut>(io: &IoThread, make: F) -> mpsc::Receiver<Fut::Output>
where
    F: FnOnce() -> Fut + Send + 'static,
    Fut: Future + 'static,
    Fut::Output: Send + 'static,
{
    let (sender, receiver) = mpsc::channel();
    io.spawn(move || async move {
        let _ = sender.send(make().await);
    })
    .unwrap();
    receiver
}

pub fn serve(
    io: &IoThread,
    service: &Arc<TestService>,
    change: impl FnOnce(&mut ServerOptions),
) -> Server {
    let mut options = ServerOptions {
        host: "127.0.0.1".to_owned(),
        port: 0,
        head_timeout: PATIENCE,
        recv_timeout: PATIENCE,
        request_timeout: PATIENCE,
        send_timeout: PATIENCE,
        ..ServerOptions::new(server::Settings::new(secrets()))
    };
    change(&mut options);
    let service = Arc::clone(service);
    let started = Server::start(io, options, Arc::new(service::Functions), service);
    run(io, move || started).unwrap()
}

pub fn connect(
    io: &IoThread,
    address: SocketAddr,
    change: impl FnOnce(&mut ClientOptions),
) -> Client {
    let endpoint = EndpointAddress::new(address.ip().to_string(), address.port());
    let mut options = ClientOptions::new(endpoint, client::Settings::new(secrets()));
    (options.connect_timeout, options.recv_timeout) = (PATIENCE, PATIENCE);
    change(&mut options);
    Client::new(io, options)
}

pub fn request(function: &str, arguments: OwnedTape) -> CallRequest {
    CallRequest::new(RequestPath::new("test", function, 1), Box::new(arguments))
}

pub fn call(
    io: &IoThread,
    client: &Client,
    function: &str,
    text: &str,
) -> Result<CallOutcome, CallError> {
    let (client, request) = (client.clone(), request(function, arguments(text)));
    run(io, move || called(&client, request))
}

pub fn called(
    client: &Client,
    request: CallRequest,
) -> impl Future<Output = Result<CallOutcome, CallError>> + Send + use<> {
    let calling = client.call(request);
    async move { calling.await.map_err(|failure| failure.error) }
}

pub fn start_call(
    io: &IoThread,
    client: &Client,
    function: &str,
    text: &str,
) -> mpsc::Receiver<Result<CallOutcome, CallError>> {
    let (client, request) = (client.clone(), request(function, arguments(text)));
    start(io, move || called(&client, request))
}

pub fn arguments(text: &str) -> OwnedTape {
    assert!(text.is_ascii() && !text.is_empty());
    OwnedTape {
        words: vec![1 << 4 | 3, (text.len() as u32) << 4 | 15],
        text: text.as_bytes().to_vec(),
        ..OwnedTape::default()
    }
}

pub fn noise(length: usize) -> String {
    let mut state = 1u64;
    let next = |_| {
        state =
            state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        char::from(b'!' + ((state >> 33) % 94) as u8)
    };
    (0..length).map(next).collect()
}

/// The outcome's only ASCII text.
pub fn text_of(outcome: &CallOutcome) -> String {
    String::from_utf8(outcome.tape.latin1.clone()).unwrap()
}

/// Repeats the attempt, because a busy machine may pause one side beyond a limit.
pub fn sooner_or_later(attempt: impl FnMut(usize) -> bool) -> bool {
    (0..10).any(attempt)
}

/// The port is taken while the socket lives.
pub fn refusing_address() -> (Socket, SocketAddr) {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    socket.bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into()).unwrap();
    let address = socket.local_addr().unwrap().as_socket().unwrap();
    (socket, address)
}

pub fn eventually(what: &str, holds: impl Fn() -> bool) {
    let start = Instant::now();
    while !holds() {
        assert!(start.elapsed() < PATIENCE, "never happened: {what}");
        std::thread::sleep(Duration::from_millis(2));
    }
}
