// ring is assembly, which Miri does not run.
#![cfg(not(miri))]
#![allow(clippy::unwrap_used, clippy::panic, missing_docs)]
//! Streams: what a server sends arrives, and nothing else is taken for it.

use backwater_etf::{DecodeOptions, Decoder, Encoder, Tape};
use backwater_protocol::Secrets;
use backwater_protocol::client::{self, Answer, Extensions, Outcome, RequestPath, StreamOffer};
use backwater_protocol::server::{self, Exposure, ListCollector, Lookup, ResponseContext};
use backwater_protocol::stream::{Frame, FrameDecoder, FrameEncoder, FrameError};
use bytes::Bytes;
use http::{HeaderValue, Request, Response};

const ID: [u8; 16] = *b"sixteen bytes id";
const NONCE: [u8; 16] = *b"sixteen of nonce";

fn client() -> client::Settings {
    client::Settings::new(secrets())
}

fn server() -> server::Settings {
    server::Settings::new(secrets())
}

fn secrets() -> Secrets {
    Secrets::new([b"one".to_vec()]).unwrap()
}

fn prepared(client: &client::Settings) -> client::PreparedRequest {
    let path = RequestPath::new("module", "function", 0);
    let host = HeaderValue::from_static("host");
    let tape = tape_of(&[131, 106]);
    client::prepare_request(&path, &host, tape.as_tape_ref(&[]), &mut Encoder::default(), client)
        .unwrap()
}

fn tape_of(bytes: &[u8]) -> Tape {
    let mut tape = Tape::default();
    Decoder::new().decode(bytes, &DecodeOptions::default(), &mut tape).unwrap();
    tape
}

struct All;

impl Exposure for All {
    type Function = ();

    fn lookup(&self, _: &str, _: &str, _: u8) -> Lookup<()> {
        Lookup::Found(())
    }
}

/// What the server knows of a request when it answers.
fn context(request: &Request<Bytes>, settings: &server::Settings) -> ResponseContext {
    let target = request.uri().path_and_query().unwrap().as_str();
    server::authenticate(request.method(), target, request.headers(), settings)
        .unwrap()
        .route(&All)
        .unwrap()
        .negotiate()
        .unwrap()
        .expect_body(Some(request.body().len() as u64))
        .unwrap()
        .verify(request.body().clone())
        .unwrap()
        .inflate()
        .unwrap()
        .decode(&mut Decoder::new(), &DecodeOptions::default(), &mut Tape::default())
        .unwrap()
        .context
}

/// A request with an offer, and the stream that a server begins for it.
struct Begun {
    head: Response<()>,
    offer: StreamOffer,
    encoder: FrameEncoder,
}

fn begin() -> Begun {
    let (request, offer) = prepared(&client()).sign_offering_stream(ID, Extensions::default());
    let server = server();
    let context = context(&request, &server);
    let (head, encoder) = server::begin_stream(&context, NONCE, &server).unwrap();
    Begun { head, offer, encoder }
}

impl Begun {
    fn decoder(&self) -> FrameDecoder {
        decoder_of(&self.head, &self.offer, 8 << 20)
    }

    /// Adds the frames of a list that is given encoded.
    fn items(&mut self, list: &[u8], out: &mut Vec<u8>) {
        let tape = tape_of(list);
        self.encoder.items(tape.as_tape_ref(list), &mut Encoder::default(), out).unwrap();
    }

    fn exception(&mut self, exception: &[u8], out: &mut Vec<u8>) {
        let tape = tape_of(exception);
        self.encoder.exception(tape.as_tape_ref(exception), &mut Encoder::default(), out).unwrap();
    }
}

fn decoder_of(head: &Response<()>, offer: &StreamOffer, limit: usize) -> FrameDecoder {
    let (status, headers) = (head.status(), head.headers());
    match client::authenticate_offered(status, headers, &secrets(), ID, offer).unwrap() {
        Answer::Stream(stream) => stream.decoder(limit).unwrap(),
        Answer::Whole(_) => panic!("not a stream"),
    }
}

/// The encoding of what a frame holds, for comparisons.
#[derive(Debug, PartialEq)]
enum Seen {
    Items(Vec<u8>),
    End(u64),
    Exception(Vec<u8>),
    Ping,
}

/// What is on a tape, encoded again.
fn encoded(tape: &Tape, source: &[u8]) -> Vec<u8> {
    let mut out = vec![131];
    let options = backwater_etf::EncodeOptions::default();
    Encoder::default().encode_term(tape.as_tape_ref(source), &options, &mut out).unwrap();
    out
}

fn seen(frame: Frame) -> Seen {
    let (mut decoder, options) = (Decoder::new(), DecodeOptions::default());
    let mut tape = Tape::default();
    match frame {
        Frame::Items(items) => {
            let source = items.decode(&mut decoder, &options, &mut tape).unwrap();
            Seen::Items(encoded(&tape, &source))
        }
        Frame::Exception(exception) => {
            let source = exception.decode(&mut decoder, &options, &mut tape).unwrap();
            Seen::Exception(encoded(&tape, &source))
        }
        Frame::End { count } => Seen::End(count),
        Frame::Ping => Seen::Ping,
    }
}

/// All frames of a body that comes in pieces of so many bytes, and how it ends.
fn read(
    decoder: &mut FrameDecoder,
    body: &[u8],
    piece: usize,
) -> (Vec<Seen>, Result<(), FrameError>) {
    let mut frames = Vec::new();
    for piece in body.chunks(piece) {
        decoder.push(piece);
        loop {
            match decoder.next_frame() {
                Ok(Some(frame)) => frames.push(seen(frame)),
                Ok(None) => break,
                Err(error) => return (frames, Err(error)),
            }
        }
    }
    (frames, decoder.finish())
}

#[test]
fn frames_arrive_as_they_were_sent_in_pieces_of_any_size() {
    let mut begun = begin();
    let mut body = Vec::new();
    // Bytes, which Erlang's own lists hold as a string, and one binary of 400 letters.
    begun.items(&[131, 107, 0, 2, 1, 255], &mut body);
    begun.encoder.ping(&mut body);
    let letters = [&[131, 108, 0, 0, 0, 1, 109, 0, 0, 1, 0x90][..], &[b'x'; 400], &[106]].concat();
    begun.items(&letters, &mut body);
    begun.items(&[131, 106], &mut body);
    assert_eq!(begun.encoder.count(), 3);
    begun.encoder.end(&mut body);
    let expected =
        [Seen::Items(vec![131, 107, 0, 2, 1, 255]), Seen::Ping, Seen::Items(letters), Seen::End(3)];
    for piece in 1..=body.len() {
        let (frames, ended) = read(&mut begun.decoder(), &body, piece);
        assert_eq!(frames, expected, "pieces of {piece}");
        assert_eq!(ended, Ok(()));
    }
}

#[test]
fn an_exception_ends_a_stream() {
    let mut begun = begin();
    let mut body = Vec::new();
    let exception = [&[131, 104, 3, 119, 5][..], b"error", &[119, 3], b"bad", &[106]].concat();
    begun.exception(&exception, &mut body);
    let (frames, ended) = read(&mut begun.decoder(), &body, 7);
    assert_eq!(frames, [Seen::Exception(exception)]);
    assert_eq!(ended, Ok(()));
}

#[test]
fn a_caller_that_takes_no_stream_gets_a_list() {
    let (client, server) = (client(), server());
    let request = prepared(&client).sign(ID, Extensions::default());
    let context = context(&request, &server);
    assert!(!context.accepts_stream());
    assert!(server::begin_stream(&context, NONCE, &server).is_none());
    for (lists, expected) in [
        (&[][..], &[131, 106][..]),
        (&[&[131, 106][..]], &[131, 106]),
        (&[&[131, 107, 0, 2, 1, 2], &[131, 107, 0, 1, 3]], &[131, 107, 0, 3, 1, 2, 3]),
    ] {
        let mut collector = ListCollector::new(&server);
        for list in lists {
            let tape = tape_of(list);
            collector.push(tape.as_tape_ref(list), &mut Encoder::default()).unwrap();
        }
        let response = collector.finish(&context, &server);
        let (status, headers) = (response.status(), response.headers());
        let payload = client::authenticate(status, headers, &client.secrets, ID)
            .unwrap()
            .verify(response.body().clone())
            .unwrap()
            .check_status()
            .unwrap()
            .accept()
            .unwrap()
            .inflate(client.max_encoded_result_size)
            .unwrap();
        let mut tape = Tape::default();
        let (outcome, source) =
            payload.decode(&mut Decoder::new(), &DecodeOptions::default(), &mut tape).unwrap();
        assert_eq!(outcome, Outcome::Return { word_offset: 2 });
        // `{return, List}` without what stands before the list.
        assert_eq!(encoded(&tape, &source)[11..], expected[1..]);
    }
}
