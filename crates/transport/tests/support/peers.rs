use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use backwater_etf::Encoder;
use backwater_protocol::CallTimeout;
use backwater_protocol::client::{Extensions, RequestPath, Settings, prepare_request};
use backwater_transport::TapeSource;
use http::{HeaderValue, Request};
use socket2::SockRef;

use super::{PATIENCE, arguments, secrets};

pub struct Peer {
    pub address: SocketAddr,
    connections: Arc<AtomicUsize>,
    ended: Arc<AtomicUsize>,
}

impl Peer {
    pub fn start(behave: impl Fn(TcpStream) + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        // Keeps the sockets' buffers below 7 MiB on every system.
        SockRef::from(&listener).set_recv_buffer_size(64 * 1024).unwrap();
        let address = listener.local_addr().unwrap();
        let connections = Arc::new(AtomicUsize::new(0));
        let ended = Arc::new(AtomicUsize::new(0));
        let (begun, done, behave) =
            (Arc::clone(&connections), Arc::clone(&ended), Arc::new(behave));
        thread::spawn(move || {
            for stream in listener.incoming() {
                let stream = stream.unwrap();
                stream.set_read_timeout(Some(PATIENCE)).unwrap();
                stream.set_nodelay(true).unwrap();
                begun.fetch_add(1, Ordering::SeqCst);
                let (done, behave) = (Arc::clone(&done), Arc::clone(&behave));
                thread::spawn(move || {
                    behave(stream);
                    done.fetch_add(1, Ordering::SeqCst);
                });
            }
        });
        Self { address, connections, ended }
    }

    /// A proxy. `after` gets the number of responses so far.
    pub fn before(
        server: SocketAddr,
        after: impl Fn(usize, &mut TcpStream) -> Next + Send + Sync + 'static,
    ) -> Self {
        Self::start(move |mut client| {
            let mut upstream = dial(server);
            let mut responses = 0;
            while let Some(request) = read_message(&mut client) {
                upstream.write_all(&request).unwrap();
                let Some(response) = read_message(&mut upstream) else { return };
                if client.write_all(&response).is_err() {
                    return;
                }
                responses += 1;
                if let Next::Close = after(responses, &mut client) {
                    return;
                }
            }
        })
    }

    pub fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }

    pub fn ended(&self) -> usize {
        self.ended.load(Ordering::SeqCst)
    }
}

pub enum Next {
    GoOn,
    Close,
}

pub fn dial(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.set_nodelay(true).unwrap();
    stream
}

/// Needs a content-length. `None` at the end of the stream.
pub fn read_message(stream: &mut TcpStream) -> Option<Vec<u8>> {
    let mut message = read_head(stream)?;
    let length = header(&message, "content-length").map_or(0, |value| value.parse().unwrap());
    let head = message.len();
    message.resize(head + length, 0);
    stream.read_exact(&mut message[head..]).ok()?;
    Some(message)
}

pub fn read_head(stream: &mut TcpStream) -> Option<Vec<u8>> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        match stream.read(&mut byte) {
            Ok(1) => head.push(byte[0]),
            _ => return None,
        }
    }
    Some(head)
}

pub fn header(message: &[u8], name: &str) -> Option<String> {
    let text = String::from_utf8_lossy(message);
    let (head, _) = text.split_once("\r\n\r\n")?;
    head.split("\r\n").skip(1).find_map(|line| {
        let (candidate, value) = line.split_once(':')?;
        candidate.eq_ignore_ascii_case(name).then(|| value.trim().to_owned())
    })
}

pub fn status(message: &[u8]) -> u16 {
    std::str::from_utf8(&message[9..12]).unwrap().parse().unwrap()
}

pub fn read_rest(stream: &mut TcpStream) -> Vec<u8> {
    let mut rest = Vec::new();
    let _ = stream.read_to_end(&mut rest);
    rest
}

pub fn finish(mut stream: TcpStream) {
    let _ = stream.shutdown(Shutdown::Write);
    read_rest(&mut stream);
}

pub fn signed_request(function: &str, text: &str) -> (Vec<u8>, Vec<u8>) {
    let path = RequestPath::new("test", function, 1);
    let (tape, settings) = (arguments(text), Settings::new(secrets()));
    let mut encoder = Encoder::default();
    let host = HeaderValue::from_static("localhost");
    let prepared =
        prepare_request(&path, &host, tape.as_tape_ref(), &mut encoder, &settings).unwrap();
    let request = prepared.sign([7; 16], Extensions::default());
    (head_of(&request), request.into_body().to_vec())
}

pub fn signed_stream_request(function: &str, text: &str, timeout: Duration) -> Vec<u8> {
    let path = RequestPath::new("test", function, 1);
    let (tape, settings) = (arguments(text), Settings::new(secrets()));
    let mut encoder = Encoder::default();
    let host = HeaderValue::from_static("localhost");
    let prepared =
        prepare_request(&path, &host, tape.as_tape_ref(), &mut encoder, &settings).unwrap();
    let timeout = Some(CallTimeout::from_duration(timeout));
    let extensions = Extensions { timeout, ..Extensions::default() };
    let (request, _) = prepared.sign_offering_stream([7; 16], extensions);
    [head_of(&request), request.into_body().to_vec()].concat()
}

fn head_of<B>(request: &Request<B>) -> Vec<u8> {
    let mut head = format!("POST {} HTTP/1.1\r\n", request.uri()).into_bytes();
    for (name, value) in request.headers() {
        head.extend([name.as_str().as_bytes(), b": ", value.as_bytes(), b"\r\n"].concat());
    }
    head.extend(b"\r\n");
    head
}
