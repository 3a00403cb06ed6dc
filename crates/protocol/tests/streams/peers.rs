//! A client, a server, and a forger who knows the secret.

use backwater_etf::{DecodeOptions, Decoder, EncodeOptions, Encoder, Tape};
use backwater_protocol::Secrets;
use backwater_protocol::client::{
    self, Answer, AuthenticationFailure, Extensions, PreparedRequest, RequestPath, StreamOffer,
};
use backwater_protocol::server::{self, Exposure, Lookup, RespondError, ResponseContext};
use backwater_protocol::stream::{Frame, FrameDecoder, FrameEncoder, FrameError};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Request, Response, StatusCode};
use ring::hmac;

pub(crate) const ID: [u8; 16] = *b"sixteen bytes id";
pub(crate) const NONCE: [u8; 16] = *b"sixteen of nonce";
pub(crate) const SECRET: &str = "one";
pub(crate) const LIMIT: usize = 100_000;

pub(crate) fn secrets(secrets: &[&str]) -> Secrets {
    Secrets::new(secrets.iter().map(|secret| secret.as_bytes().to_vec())).unwrap()
}

pub(crate) fn client() -> client::Settings {
    client::Settings::new(secrets(&[SECRET]))
}

pub(crate) fn server() -> server::Settings {
    server::Settings { max_encoded_result_size: LIMIT, ..server::Settings::new(secrets(&[SECRET])) }
}

pub(crate) fn prepared(function: &str, client: &client::Settings) -> PreparedRequest {
    let path = RequestPath::new("module", function, 0);
    let host = HeaderValue::from_static("host");
    let tape = tape_of(&[131, 106]);
    client::prepare_request(&path, &host, tape.as_tape_ref(&[]), &mut Encoder::default(), client)
        .unwrap()
}

pub(crate) fn offered(
    function: &str,
    id: [u8; 16],
    client: &client::Settings,
) -> (Request<Bytes>, StreamOffer) {
    prepared(function, client).sign_offering_stream(id, Extensions::default())
}

struct All;

impl Exposure for All {
    type Function = ();

    fn lookup(&self, _: &str, _: &str, _: u8) -> Lookup<()> {
        Lookup::Found(())
    }
}

pub(crate) fn context_of(
    request: &Request<Bytes>,
    settings: &server::Settings,
) -> Result<ResponseContext, (u16, String)> {
    let target = request.uri().path_and_query().unwrap().as_str();
    let call = server::authenticate(request.method(), target, request.headers(), settings)
        .and_then(|request| request.route(&All)?.negotiate())
        .and_then(|negotiated| negotiated.expect_body(Some(request.body().len() as u64)))
        .and_then(|expected| expected.verify(request.body().clone())?.inflate())
        .and_then(|arguments| {
            let mut tape = Tape::default();
            arguments.decode(&mut Decoder::new(), &DecodeOptions::default(), &mut tape)
        });
    call.map(|call| call.context)
        .map_err(|refusal| (refusal.status().as_u16(), refusal.body().to_owned()))
}

pub(crate) struct Stream {
    pub(crate) request: Request<Bytes>,
    pub(crate) offer: StreamOffer,
    pub(crate) head: Response<()>,
    pub(crate) encoder: FrameEncoder,
}

impl Stream {
    pub(crate) fn begin() -> Self {
        Self::between("function", ID, NONCE, &client(), &server())
    }

    pub(crate) fn uncompressed(server: &server::Settings) -> Self {
        let client = client::Settings { accept_gzip: false, ..client() };
        Self::between("function", ID, NONCE, &client, server)
    }

    pub(crate) fn between(
        function: &str,
        id: [u8; 16],
        nonce: [u8; 16],
        client: &client::Settings,
        server: &server::Settings,
    ) -> Self {
        let (request, offer) = offered(function, id, client);
        let context = context_of(&request, server).unwrap();
        let (head, encoder) = server::begin_stream(&context, nonce, server).unwrap();
        Self { request, offer, head, encoder }
    }

    pub(crate) fn decoder(&self) -> FrameDecoder {
        decoder_of(&self.head, &self.offer, LIMIT)
    }

    pub(crate) fn items(&mut self, list: &[u8]) -> Vec<u8> {
        let (out, result) = self.try_items(list);
        assert_eq!(result, Ok(()));
        out
    }

    pub(crate) fn try_items(&mut self, list: &[u8]) -> (Vec<u8>, Result<(), RespondError>) {
        let (tape, mut out) = (tape_of(list), Vec::new());
        let result = self.encoder.items(tape.as_tape_ref(list), &mut Encoder::default(), &mut out);
        (out, result)
    }

    pub(crate) fn try_exception(&mut self, term: &[u8]) -> (Vec<u8>, Result<(), RespondError>) {
        let (tape, mut out) = (tape_of(term), Vec::new());
        let result =
            self.encoder.exception(tape.as_tape_ref(term), &mut Encoder::default(), &mut out);
        (out, result)
    }

    pub(crate) fn ping(&mut self) -> Vec<u8> {
        let mut out = Vec::new();
        self.encoder.ping(&mut out);
        out
    }

    pub(crate) fn end(&mut self) -> Vec<u8> {
        let mut out = Vec::new();
        self.encoder.end(&mut out);
        out
    }
}

pub(crate) fn answer_of(
    head: &Response<()>,
    offer: &StreamOffer,
) -> Result<Answer, AuthenticationFailure> {
    let (status, headers) = (head.status(), head.headers());
    client::authenticate_offered(status, headers, &secrets(&[SECRET]), ID, offer)
}

pub(crate) fn decoder_of(head: &Response<()>, offer: &StreamOffer, limit: usize) -> FrameDecoder {
    match answer_of(head, offer).unwrap() {
        Answer::Stream(stream) => stream.decoder(limit).unwrap(),
        Answer::Whole(_) => panic!("not a stream"),
    }
}

pub(crate) fn tape_of(bytes: &[u8]) -> Tape {
    let mut tape = Tape::default();
    let options = DecodeOptions { max_terms: u32::MAX, ..DecodeOptions::default() };
    Decoder::new().decode(bytes, &options, &mut tape).unwrap();
    tape
}

pub(crate) fn list(items: &[&[u8]]) -> Vec<u8> {
    let count = (items.len() as u32).to_be_bytes();
    [&[131, 108], &count[..], &items.concat(), &[106]].concat()
}

pub(crate) fn binary(size: usize) -> Vec<u8> {
    let length = size - 5;
    [&[109][..], &(length as u32).to_be_bytes(), &vec![b'x'; length]].concat()
}

/// `{error, bad, []}`.
pub(crate) const EXCEPTION: &[u8] = b"\x83h\x03w\x05errorw\x03badj";

/// Holds items and exceptions as encoded.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Seen {
    Items(Vec<u8>),
    End(u64),
    Exception(Vec<u8>),
    Ping,
}

impl Seen {
    fn of(frame: Frame) -> Result<Self, FrameError> {
        let (mut decoder, options) = (Decoder::new(), DecodeOptions::default());
        let mut tape = Tape::default();
        Ok(match frame {
            Frame::Items(items) => {
                let source = items.decode(&mut decoder, &options, &mut tape)?;
                Self::Items(encoded(&tape, &source))
            }
            Frame::Exception(exception) => {
                let source = exception.decode(&mut decoder, &options, &mut tape)?;
                Self::Exception(encoded(&tape, &source))
            }
            Frame::End { count } => Self::End(count),
            Frame::Ping => Self::Ping,
        })
    }
}

pub(crate) fn encoded(tape: &Tape, source: &[u8]) -> Vec<u8> {
    let mut out = vec![131];
    let options = EncodeOptions::default();
    Encoder::default().encode_term(tape.as_tape_ref(source), &options, &mut out).unwrap();
    out
}

pub(crate) fn read_in_pieces(
    mut decoder: FrameDecoder,
    body: &[u8],
    piece: usize,
) -> (Vec<Seen>, Result<(), FrameError>) {
    let mut frames = Vec::new();
    for piece in body.chunks(piece) {
        decoder.push(piece);
        loop {
            let frame = decoder.next_frame().and_then(|frame| frame.map(Seen::of).transpose());
            match frame {
                Ok(Some(frame)) => frames.push(frame),
                Ok(None) => break,
                Err(error) => return (frames, Err(error)),
            }
        }
    }
    (frames, decoder.finish())
}

pub(crate) fn read(decoder: FrameDecoder, body: &[u8]) -> (Vec<Seen>, Result<(), FrameError>) {
    read_in_pieces(decoder, body, usize::MAX)
}

fn signature_in(headers: &HeaderMap, name: &str) -> Vec<u8> {
    let text = headers[name].to_str().unwrap();
    let (_, signature) = text.split_once("signature=\"").unwrap();
    STANDARD.decode(signature.trim_end_matches('"')).unwrap()
}

pub(crate) struct Forger {
    key: hmac::Key,
    number: u64,
}

impl Forger {
    pub(crate) fn of(stream: &Stream) -> Self {
        let secret = hmac::Key::new(hmac::HMAC_SHA256, SECRET.as_bytes());
        let text = [
            &b"backwater-stream-1"[..],
            &signature_in(stream.request.headers(), "authorization"),
            &signature_in(stream.head.headers(), "signature"),
        ];
        let key = hmac::sign(&secret, &text.concat());
        Self { key: hmac::Key::new(hmac::HMAC_SHA256, key.as_ref()), number: 0 }
    }

    pub(crate) fn frame(&mut self, kind: u8, flags: u8, payload: &[u8]) -> Vec<u8> {
        let size = (payload.len() as u32).to_be_bytes();
        let mut frame = [&size[..], &[kind, flags], payload].concat();
        let tag = hmac::sign(&self.key, &[&self.number.to_be_bytes()[..], &frame].concat());
        frame.extend_from_slice(&tag.as_ref()[..16]);
        self.number += 1;
        frame
    }
}

pub(crate) fn forged(
    frames: &[(u8, u8, &[u8])],
    limit: usize,
) -> (Vec<Seen>, Result<(), FrameError>) {
    let stream = Stream::begin();
    let mut forger = Forger::of(&stream);
    let body: Vec<u8> = frames
        .iter()
        .flat_map(|(kind, flags, payload)| forger.frame(*kind, *flags, payload))
        .collect();
    read(decoder_of(&stream.head, &stream.offer, limit), &body)
}

pub(crate) fn signed_head(headers: &[(&'static str, &str)]) -> Response<()> {
    let mut head = Response::new(());
    let (mut names, mut text) =
        ("(response-status)".to_owned(), "(response-status): 200".to_owned());
    for (name, value) in headers {
        names.push_str(&format!(" {name}"));
        text.push_str(&format!("\n{name}: {value}"));
        head.headers_mut().insert(*name, HeaderValue::from_str(value).unwrap());
    }
    let key = hmac::Key::new(hmac::HMAC_SHA256, SECRET.as_bytes());
    let signature = STANDARD.encode(hmac::sign(&key, text.as_bytes()));
    let value = format!(
        "algorithm=\"hmac-sha256\",headers=\"{names}\",keyId=\"default\",signature=\"{signature}\""
    );
    head.headers_mut().insert("signature", HeaderValue::from_str(&value).unwrap());
    *head.status_mut() = StatusCode::OK;
    head
}
