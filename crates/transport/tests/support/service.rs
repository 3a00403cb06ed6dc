use std::sync::{Arc, Mutex};

use backwater_etf::Tape;
use backwater_protocol::server::{Exposure, Lookup};
use backwater_transport::{ExceptionClass, IncomingCall, Outcome, OwnedTape, Peer, Reply, Service};
use http::{HeaderValue, StatusCode};

use super::streams::{Generator, Plan};

/// All have arity 1 in module `test`. The index is the identifier.
const FUNCTIONS: [&str; 8] =
    ["echo", "hold", "panic", "forget", "unencodable", "raise", "refuse", "count"];

pub struct Functions;

impl Exposure for Functions {
    type Function = u32;

    fn lookup(&self, module: &str, function: &str, arity: u8) -> Lookup<u32> {
        if module != "test" {
            return Lookup::ModuleNotExposed;
        }
        match FUNCTIONS.iter().position(|name| *name == function) {
            Some(index) if arity == 1 => Lookup::Found(index as u32),
            _ => Lookup::FunctionNotFound,
        }
    }
}

#[derive(Default)]
pub struct TestService {
    held: Mutex<Vec<Held>>,
    generators: Mutex<Vec<Arc<Generator>>>,
}

pub struct Held {
    pub reply: Reply,
    pub peer: Arc<Peer>,
    pub request_id: HeaderValue,
    pub takes_stream: bool,
    value: OwnedTape,
}

impl Held {
    pub fn answer(self) {
        self.reply.send(Outcome::Return(Box::new(self.value)));
    }
}

impl TestService {
    pub fn take_held(&self) -> Vec<Held> {
        std::mem::take(&mut *self.held.lock().unwrap())
    }

    /// Returns them in the order of their calls of `count`.
    pub fn generators(&self) -> Vec<Arc<Generator>> {
        self.generators.lock().unwrap().clone()
    }

    pub fn held(&self) -> usize {
        self.held.lock().unwrap().len()
    }
}

impl Service for TestService {
    fn call(&self, call: IncomingCall) {
        let value = owned(&call.tape, &call.source);
        match FUNCTIONS[call.function as usize] {
            "echo" => call.reply.send(Outcome::Return(Box::new(value))),
            "hold" => {
                let IncomingCall { reply, peer, request_id, takes_stream, .. } = call;
                let held = Held { reply, peer, request_id, takes_stream, value };
                self.held.lock().unwrap().push(held);
            }
            "panic" => panic!("expected by the test"),
            "forget" => drop(call.reply),
            // A tuple without its element.
            "unencodable" => {
                let words = vec![1 << 4 | 7];
                let tape = OwnedTape { words, ..OwnedTape::default() };
                call.reply.send(Outcome::Return(Box::new(tape)));
            }
            "refuse" => {
                call.reply.send(Outcome::Refused(StatusCode::GATEWAY_TIMEOUT, "too late"));
            }
            "raise" => {
                call.reply.send(Outcome::Exception(ExceptionClass::Throw, Box::new(exception())))
            }
            "count" => {
                let plan = Plan::parse(std::str::from_utf8(&call.tape.latin1).unwrap());
                let generator = Generator::start(call.reply, plan);
                self.generators.lock().unwrap().push(generator);
            }
            function => panic!("no function {function}"),
        }
    }
}

fn owned(tape: &Tape, source: &[u8]) -> OwnedTape {
    OwnedTape {
        words: tape.words.clone(),
        floats: tape.floats.clone(),
        latin1: tape.latin1.clone(),
        utf16: tape.utf16.clone(),
        source: source.to_vec(),
        atoms: tape.atoms.clone(),
        shapes: tape.shapes.clone(),
        names: tape.names.clone(),
        ..OwnedTape::default()
    }
}

/// `{throw, 5, []}`
fn exception() -> OwnedTape {
    OwnedTape {
        words: vec![3 << 4 | 7, 6, 5 << 4, 4 << 4 | 5],
        atoms: vec![5],
        names: b"throw".to_vec(),
        ..OwnedTape::default()
    }
}
