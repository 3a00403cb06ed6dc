//! A client that keeps a fixed number of calls in flight.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use backwater_etf::{DecodeOptions, Decoder, Tape, TapeRef};
use backwater_protocol::Secrets;
use backwater_protocol::client::{RequestPath, Settings};
use backwater_transport::{
    CallRequest, Client, ClientOptions, EndpointAddress, IoThread, TapeSource,
};
use serde_json::Value;

use super::report::Report;

pub(crate) fn main() {
    let io = IoThread::start(|| ()).unwrap();
    super::answer_commands(|command| {
        let settings = Settings {
            compression_threshold: usize::MAX,
            ..Settings::new(Secrets::new([super::text(command, "secret").into_bytes()]).unwrap())
        };
        let port = super::number(command, "port").unwrap() as u16;
        let endpoint = EndpointAddress::new("127.0.0.1", port);
        let client = Client::new(&io, ClientOptions::new(endpoint, settings));
        let arguments = Arc::new(Arguments::decode(super::file(command, "arguments")));
        let in_flight = super::number(command, "inFlight").unwrap() as usize;
        let time = Duration::from_secs_f64(super::number(command, "seconds").unwrap());
        let (sender, receiver) = std::sync::mpsc::channel();
        io.spawn(move || async move {
            sender.send(run(client, arguments, in_flight, time).await).unwrap();
        })
        .unwrap();
        receiver.recv().unwrap()
    });
}

async fn run(client: Client, arguments: Arc<Arguments>, in_flight: usize, time: Duration) -> Value {
    let report = Rc::new(RefCell::new(Report::start()));
    let end = Instant::now() + time;
    let callers = (0..in_flight).map(|_| {
        let (client, arguments, report) = (client.clone(), arguments.clone(), report.clone());
        tokio::task::spawn_local(async move {
            loop {
                let start = Instant::now();
                if start >= end {
                    return;
                }
                let path = RequestPath::new("peer", "echo", 1);
                let arguments = Box::new(SharedArguments(arguments.clone()));
                let outcome = client.call(CallRequest::new(path, arguments)).await;
                report.borrow_mut().add(start, outcome.is_ok());
            }
        })
    });
    for caller in callers.collect::<Vec<_>>() {
        caller.await.unwrap();
    }
    client.close(Duration::ZERO).await;
    report.borrow_mut().finish()
}

struct Arguments {
    tape: Tape,
    source: Vec<u8>,
}

impl Arguments {
    fn decode(source: Vec<u8>) -> Self {
        let mut tape = Tape::default();
        Decoder::new().decode(&source, &DecodeOptions::default(), &mut tape).unwrap();
        Self { tape, source }
    }
}

struct SharedArguments(Arc<Arguments>);

impl TapeSource for SharedArguments {
    fn as_tape_ref(&self) -> TapeRef<'_> {
        self.0.tape.as_tape_ref(&self.0.source)
    }
}
