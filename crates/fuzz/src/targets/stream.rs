//! Input: a kind and the size of pieces, then: 0: a body. 1: frames to sign: type, flags, a length
//! and bytes. 2: actions on a server's frames, and their items.

use std::sync::LazyLock;

use backwater_etf::{DecodeOptions, Decoder, EncodeOptions, Encoder, Tape};
use backwater_protocol::client::{self, Answer, Extensions, RequestPath, StreamOffer};
use backwater_protocol::server::{self, ResponseContext};
use backwater_protocol::stream::{Frame, FrameDecoder, FrameEncoder, FrameError, GATHERED};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::{HeaderMap, HeaderValue, Response};
use ring::hmac;

use crate::input::Input;
use crate::{memory, pipeline, signing};

const LIMIT: usize = 10_000;
const MEMORY: usize = 200 * (LIMIT + GATHERED) + (2 << 20);

struct Offered {
    authorization: Vec<u8>,
    offer: StreamOffer,
    context: ResponseContext,
}

static OFFERED: LazyLock<Offered> = LazyLock::new(|| {
    let settings = pipeline::client_settings();
    let path = RequestPath::new("module", "function", 0);
    let host = HeaderValue::from_static("host");
    let arguments = tape_of(&[131, 106]).expect("a list");
    let tape = arguments.as_tape_ref(&[]);
    let prepared = client::prepare_request(&path, &host, tape, &mut Encoder::default(), &settings)
        .expect("a request");
    let (request, offer) = prepared.sign_offering_stream(signing::ID, Extensions::default());
    let server = pipeline::server_settings();
    let (head, body) = request.into_parts();
    let target = head.uri.path();
    let call =
        pipeline::call(&head.method, target, &head.headers, body, &server, &mut Tape::default());
    let Ok(call) = call else { unreachable!("a request of the client is refused") };
    let authorization = signature_in(&head.headers, "authorization");
    Offered { authorization, offer, context: call.context }
});

fn signature_in(headers: &HeaderMap, name: &str) -> Vec<u8> {
    let text = headers[name].to_str().unwrap_or_default();
    let parameters = text.strip_prefix("Signature ").unwrap_or(text);
    let signature = signing::last_parameter(parameters, "signature").unwrap_or_default();
    STANDARD.decode(signature).unwrap_or_default()
}

fn tape_of(bytes: &[u8]) -> Option<Tape> {
    let mut tape = Tape::default();
    Decoder::new().decode(bytes, &DecodeOptions::default(), &mut tape).ok()?;
    Some(tape)
}

fn begin() -> (Response<()>, FrameEncoder) {
    let server = pipeline::server_settings();
    match server::begin_stream(&OFFERED.context, *b"sixteen of nonce", &server) {
        Some(begun) => begun,
        None => unreachable!("the request has an offer"),
    }
}

fn decoder_of(head: &Response<()>) -> FrameDecoder {
    let secrets = pipeline::client_settings().secrets;
    let (status, headers) = (head.status(), head.headers());
    let answer =
        client::authenticate_offered(status, headers, &secrets, signing::ID, &OFFERED.offer);
    match answer {
        Ok(Answer::Stream(stream)) => match stream.decoder(LIMIT) {
            Ok(decoder) => decoder,
            Err(error) => unreachable!("{error}"),
        },
        answer => unreachable!("{answer:?}"),
    }
}

type Seen = (Vec<Option<Vec<u8>>>, Result<(), FrameError>);

fn read(head: &Response<()>, body: &[u8], piece: usize) -> Seen {
    let mut decoder = decoder_of(head);
    memory::within(MEMORY + 4 * body.len(), "reading a stream", || {
        let mut frames = Vec::new();
        for piece in body.chunks(piece) {
            decoder.push(piece);
            loop {
                match decoder.next_frame().and_then(|frame| frame.map(seen).transpose()) {
                    Ok(Some(frame)) => frames.push(frame),
                    Ok(None) => break,
                    Err(error) => return (frames, Err(error)),
                }
            }
        }
        let ended = decoder.finish();
        assert!(ended.is_err() || decoder.buffered() == 0);
        (frames, ended)
    })
}

fn seen(frame: Frame) -> Result<Option<Vec<u8>>, FrameError> {
    let (mut decoder, options) = (Decoder::new(), DecodeOptions::default());
    let mut tape = Tape::default();
    let source = match frame {
        Frame::Items(items) => {
            assert!(items.size() <= LIMIT + GATHERED, "{} bytes of items", items.size());
            let count = items.count() as usize;
            let source = items.decode(&mut decoder, &options, &mut tape)?;
            assert_eq!(tape.list_arity(), Some(count));
            source
        }
        Frame::Exception(exception) => exception.decode(&mut decoder, &options, &mut tape)?,
        Frame::End { .. } | Frame::Ping => return Ok(None),
    };
    Ok(Some(encoded(&tape, &source)))
}

fn encoded(tape: &Tape, source: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    let encoded = Encoder::default().encode_term(
        tape.as_tape_ref(source),
        &EncodeOptions::default(),
        &mut out,
    );
    assert!(encoded.is_ok(), "what was decoded cannot be encoded: {encoded:?}");
    out
}

pub fn run(data: &[u8]) {
    let mut input = Input::new(data);
    let kind = input.pick(&[0, 1, 2]);
    let piece = input.short() + 1;
    match kind {
        0 => {
            let (head, _) = begin();
            let (frames, ended) = read(&head, input.rest(), piece);
            assert!(frames.is_empty() && ended.is_err(), "an unsigned frame is accepted");
        }
        1 => forged(&mut input, piece),
        _ => tampered(&mut input, piece),
    }
}

fn forged(input: &mut Input<'_>, piece: usize) {
    let (head, _) = begin();
    let secret = hmac::Key::new(hmac::HMAC_SHA256, signing::SECRET.as_bytes());
    let signature = signature_in(head.headers(), "signature");
    let text = [&b"backwater-stream-1"[..], &OFFERED.authorization, &signature].concat();
    let key = hmac::Key::new(hmac::HMAC_SHA256, hmac::sign(&secret, &text).as_ref());
    let mut body = Vec::new();
    let mut count = 0u64;
    while !input.is_empty() {
        let (kind, flags) = (input.byte(), input.byte());
        let payload = input.chunk();
        let frame = [&(payload.len() as u32).to_be_bytes()[..], &[kind, flags], payload].concat();
        let tag = hmac::sign(&key, &[&count.to_be_bytes()[..], &frame].concat());
        body.extend(frame);
        body.extend_from_slice(&tag.as_ref()[..16]);
        count += 1;
    }
    let whole = read(&head, &body, usize::MAX);
    assert_eq!(read(&head, &body, piece), whole, "the size of pieces changes the result");
    let (frames, ended) = whole;
    assert!(frames.len() as u64 <= count);
    assert!(!matches!(ended, Err(FrameError::InvalidTag { .. } | FrameError::TooLarge { .. })));
}

fn tampered(input: &mut Input<'_>, piece: usize) {
    let (what, place) = (input.byte(), input.short());
    let (head, mut encoder) = begin();
    let mut frames = Vec::new();
    let mut expected = Vec::new();
    while !input.is_empty() {
        let list = [&[131][..], input.chunk()].concat();
        let Some(tape) = tape_of(&list).filter(|tape| tape.list_arity().is_some()) else {
            frames.push(Vec::new());
            encoder.ping(frames.last_mut().unwrap_or(&mut Vec::new()));
            expected.push(None);
            continue;
        };
        let mut frame = Vec::new();
        let sent = encoder.items(tape.as_tape_ref(&list), &mut Encoder::default(), &mut frame);
        assert!(sent.is_ok(), "what was decoded cannot be sent: {sent:?}");
        if tape.list_arity() != Some(0) {
            frames.push(frame);
            expected.push(Some(encoded(&tape, &list)));
        }
    }
    let mut frame = Vec::new();
    encoder.end(&mut frame);
    frames.push(frame);
    expected.push(None);
    let body = frames.concat();
    assert_eq!(read(&head, &body, piece), (expected.clone(), Ok(())));

    let place = place % frames.len();
    let other = usize::from(what >> 2) % frames.len();
    match what & 3 {
        0 => drop(frames.remove(place)),
        1 => frames.insert(place, frames[other].clone()),
        2 => frames.swap(place, other),
        _ => {
            let byte = usize::from(what) % frames[place].len();
            frames[place][byte] ^= 1 << (what & 7);
        }
    }
    let changed = frames.concat();
    if changed == body {
        return;
    }
    let (seen, ended) = read(&head, &changed, piece);
    assert!(ended.is_err(), "a changed body is accepted");
    assert!(expected.starts_with(&seen), "changed items are visible");
}
