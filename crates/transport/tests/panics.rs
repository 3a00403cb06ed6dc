//! A panic in any layer fails one call, and the next call works.
#![allow(clippy::unwrap_used, clippy::panic)]

mod support;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use backwater_etf::{KnownAtoms, TapeRef};
use backwater_protocol::client::RequestPath;
use backwater_protocol::server::{Exposure, Lookup};
use backwater_protocol::{Secrets, server};
use backwater_transport::{
    CallError, CallRequest, Client, IncomingCall, IoThread, Outcome, OwnedTape, Server,
    ServerOptions, Service, TapeSource,
};

use support::{arguments, connect, io, noise, run, text_of};

#[derive(Clone, Default)]
struct Charge(Arc<AtomicBool>);

impl Charge {
    fn arm(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    fn pass(&self, layer: &str) {
        assert!(!self.0.swap(false, Ordering::Relaxed), "expected by the test, in {layer}");
    }

    fn is_armed(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

struct Atoms(Charge);

impl KnownAtoms for Atoms {
    fn is_known(&self, _name: &str) -> bool {
        self.0.pass("etf");
        true
    }
}

struct Exposed(Charge);

impl Exposure for Exposed {
    type Function = u32;

    fn lookup(&self, _module: &str, _function: &str, _arity: u8) -> Lookup<u32> {
        self.0.pass("protocol");
        Lookup::Found(0)
    }
}

struct Echo {
    service: Charge,
    result: Charge,
}

impl Service for Echo {
    fn call(&self, call: IncomingCall) {
        self.service.pass("transport");
        let tape = OwnedTape {
            words: call.tape.words.clone(),
            latin1: call.tape.latin1.clone(),
            atoms: call.tape.atoms.clone(),
            names: call.tape.names.clone(),
            source: call.source.to_vec(),
            ..OwnedTape::default()
        };
        let value = Explosive { tape, charge: self.result.clone() };
        call.reply.send(Outcome::Return(Box::new(value)));
    }
}

struct Explosive {
    tape: OwnedTape,
    charge: Charge,
}

impl TapeSource for Explosive {
    fn as_tape_ref(&self) -> TapeRef<'_> {
        self.charge.pass("etf");
        self.tape.as_tape_ref()
    }
}

fn with_atom(text: &str) -> OwnedTape {
    let tape = arguments(text);
    let words = vec![1 << 4 | 3, 2 << 4 | 7, 6, tape.words[1]];
    OwnedTape { words, atoms: vec![4], names: b"atom".to_vec(), ..tape }
}

struct Setup {
    io: IoThread,
    server: Server,
    client: Client,
    decoding: Charge,
    exposure: Charge,
    service: Charge,
    result: Charge,
    decoding_result: Charge,
}

fn setup() -> Setup {
    let io = io();
    let [decoding, exposure, service, result, decoding_result] =
        std::array::from_fn(|_| Charge::default());
    let settings = server::Settings::new(Secrets::new([support::SECRET.to_vec()]).unwrap());
    let mut options = ServerOptions {
        host: "127.0.0.1".to_owned(),
        port: 0,
        recv_timeout: support::PATIENCE,
        ..ServerOptions::new(settings)
    };
    options.decode.known_atoms = Some(Box::leak(Box::new(Atoms(decoding.clone()))));
    let echo = Echo { service: service.clone(), result: result.clone() };
    let exposed = Arc::new(Exposed(exposure.clone()));
    let started = Server::start(&io, options, exposed, Arc::new(echo));
    let server = run(&io, move || started).unwrap();
    let atoms = decoding_result.clone();
    let client = connect(&io, server.local_addr(), |options| {
        options.decode.known_atoms = Some(Box::leak(Box::new(Atoms(atoms))));
    });
    Setup { io, server, client, decoding, exposure, service, result, decoding_result }
}

fn call(setup: &Setup, arguments: Box<dyn TapeSource>) -> Result<String, CallError> {
    let request = CallRequest::new(RequestPath::new("test", "echo", 1), arguments);
    let client = setup.client.clone();
    run(&setup.io, move || support::called(&client, request)).map(|outcome| text_of(&outcome))
}

/// The first is processed inline, the second on a pool thread.
fn texts() -> [String; 2] {
    ["small".to_owned(), noise(300_000)]
}

fn one_call_fails(setup: &Setup, charge: &Charge, is_expected: fn(&CallError) -> bool) {
    for text in texts() {
        charge.arm();
        let error = call(setup, Box::new(with_atom(&text))).unwrap_err();
        assert!(is_expected(&error), "{error:?}");
        assert!(!charge.is_armed(), "it went off");
        assert_eq!(call(setup, Box::new(with_atom(&text))).unwrap(), text);
        assert_eq!(setup.server.stats().calls_in_flight, 0);
        assert_eq!(setup.client.stats().calls_in_flight, 0);
    }
}

fn is_500(error: &CallError) -> bool {
    matches!(error, CallError::Remote(failure) if failure.status.as_u16() == 500)
}

fn is_internal(error: &CallError) -> bool {
    matches!(error, CallError::Internal(text) if text.contains("expected by the test"))
}

#[test]
fn in_the_codec_of_the_server_while_it_decodes() {
    let setup = setup();
    one_call_fails(&setup, &setup.decoding, is_500);
}

#[test]
fn in_the_codec_of_the_server_while_it_encodes() {
    let setup = setup();
    one_call_fails(&setup, &setup.result, is_500);
}

#[test]
fn in_the_protocol_of_the_server() {
    let setup = setup();
    one_call_fails(&setup, &setup.exposure, is_500);
}

#[test]
fn in_the_service_of_the_server() {
    let setup = setup();
    one_call_fails(&setup, &setup.service, is_500);
}

#[test]
fn in_the_codec_of_the_client_while_it_decodes() {
    let setup = setup();
    one_call_fails(&setup, &setup.decoding_result, is_internal);
}

#[test]
fn in_the_codec_of_the_client_while_it_encodes() {
    let setup = setup();
    for text in texts() {
        let charge = Charge::default();
        charge.arm();
        let explosive = Explosive { tape: with_atom(&text), charge };
        let error = call(&setup, Box::new(explosive)).unwrap_err();
        assert!(is_internal(&error), "{error:?}");
        assert_eq!(call(&setup, Box::new(with_atom(&text))).unwrap(), text);
        assert_eq!(setup.client.stats().calls_in_flight, 0);
    }
}
