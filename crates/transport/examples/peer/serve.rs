//! A server whose functions return their first argument.

use std::sync::Arc;
use std::time::Duration;

use backwater_etf::{Tape, TapeRef};
use backwater_protocol::Secrets;
use backwater_protocol::server::{Exposure, Lookup, Settings};
use backwater_transport::{
    IncomingCall, IoThread, Outcome, Server, ServerOptions, Service, TapeSource,
};
use bytes::Bytes;
use serde_json::json;

pub(crate) fn main() {
    let io = IoThread::start(|| ()).unwrap();
    let mut servers = Vec::new();
    super::answer_commands(|command| {
        let settings = Settings {
            compression_threshold: usize::MAX,
            ..Settings::new(Secrets::new([super::text(command, "secret").into_bytes()]).unwrap())
        };
        let options = ServerOptions {
            host: "127.0.0.1".to_owned(),
            port: 0,
            recv_timeout: Duration::from_secs(60),
            max_connections: 20_000,
            ..ServerOptions::new(settings)
        };
        let started = Server::start(&io, options, Arc::new(Everything), Arc::new(Echo));
        let (sender, receiver) = std::sync::mpsc::channel();
        io.spawn(move || async move { sender.send(started.await.unwrap()).unwrap() }).unwrap();
        let server = receiver.recv().unwrap();
        let port = server.local_addr().port();
        servers.push(server);
        json!({ "port": port })
    });
}

struct Everything;

impl Exposure for Everything {
    type Function = u32;

    fn lookup(&self, _module: &str, _function: &str, _arity: u8) -> Lookup<u32> {
        Lookup::Found(0)
    }
}

struct Echo;

impl Service for Echo {
    fn call(&self, call: IncomingCall) {
        let IncomingCall { tape, source, reply, .. } = call;
        reply.send(Outcome::Return(Box::new(FirstArgument { tape, source })));
    }
}

struct FirstArgument {
    tape: Box<Tape>,
    source: Bytes,
}

impl TapeSource for FirstArgument {
    fn as_tape_ref(&self) -> TapeRef<'_> {
        let whole = self.tape.as_tape_ref(&self.source);
        TapeRef { words: &whole.words[1..], ..whole }
    }
}
