//! Input: a kind, then: 0: parameters of a signature. 1: content-type, content-encoding, accept,
//! accept-encoding, and name and value of metadata, each after its length.

use backwater_etf::{DecodeOptions, Decoder, Encoder, Tape};
use backwater_protocol::METADATA_PREFIX;
use backwater_protocol::server::{self, Exposure, Lookup, Refusal, ResponseTerm};
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Response};

use crate::input::Input;
use crate::{pipeline, signing};

const TARGET: &str = "/backwater/1/m/f/1";
const ETF: &str = "application/x-erlang-etf";
const LETTERS: usize = 400;

pub fn run(data: &[u8]) {
    let mut input = Input::new(data);
    if input.byte() & 1 == 0 {
        parameters(input.rest());
    } else {
        negotiation(&mut input);
    }
}

fn parameters(text: &[u8]) {
    let mut headers = HeaderMap::new();
    let Ok(value) = HeaderValue::from_bytes(text) else { return };
    headers.insert("authorization", value.clone());
    headers.insert("digest", HeaderValue::from_static("SHA-256=x"));
    headers.insert("x-request-id", HeaderValue::from_static("c2l4dGVlbiBieXRlcyBpZA=="));
    let settings = pipeline::server_settings();
    let refusal = server::authenticate(&Method::POST, TARGET, &headers, &settings);
    assert_eq!(refusal.err().map(|refusal| refusal.status().as_u16()), Some(401));
    headers.insert("signature", value);
    let (authentic, _) =
        pipeline::receive(http::StatusCode::OK, &headers, Bytes::new(), signing::ID, 100);
    assert!(!authentic);
}

struct All;

impl Exposure for All {
    type Function = ();

    fn lookup(&self, _: &str, _: &str, _: u8) -> Lookup<()> {
        Lookup::Found(())
    }
}

fn negotiation(input: &mut Input<'_>) {
    let mut headers = HeaderMap::new();
    for name in ["content-type", "content-encoding", "accept", "accept-encoding"] {
        let value = input.chunk();
        if value.is_empty() {
            continue;
        }
        let Ok(value) = HeaderValue::from_bytes(value) else { return };
        headers.insert(name, value);
    }
    let (name, value) = (input.chunk(), input.chunk());
    if !name.is_empty() {
        let name = [METADATA_PREFIX.as_bytes(), name].concat();
        let name = HeaderName::from_bytes(&name);
        let (Ok(name), Ok(value)) = (name, HeaderValue::from_bytes(value)) else { return };
        headers.insert(name, value);
    }
    let letters = [b'x'; LETTERS];
    let body = [&[131, 108, 0, 0, 0, 1, 109, 0, 0, 1, 0x90][..], &letters, &[106]].concat();
    let digest = signing::digest_of(&body);
    headers.insert("digest", HeaderValue::try_from(digest).unwrap_or(HeaderValue::from_static("")));
    headers.insert("x-request-id", HeaderValue::from_static("c2l4dGVlbiBieXRlcyBpZA=="));
    let pseudo = ("(request-target)", "post /backwater/1/m/f/1");
    let text = format!("Signature {}", signing::parameters(pseudo, &headers));
    let Ok(authorization) = HeaderValue::try_from(text) else { return };
    headers.insert("authorization", authorization);
    let said = |name: &str| {
        headers.get(name).map(|value| String::from_utf8_lossy(value.as_bytes()).to_lowercase())
    };
    match answer(&headers, body) {
        Ok(response) => {
            let media_type = said("content-type").unwrap_or_default();
            let media_type = media_type.split(';').next().unwrap_or_default().trim().to_owned();
            assert_eq!(media_type, ETF);
            assert!(said("accept").unwrap_or_default().contains(ETF));
            let encoding = headers.get("content-encoding").map(HeaderValue::as_bytes);
            assert!(matches!(encoding, None | Some(b"identity")), "plain bytes were inflated");
            if response.headers().contains_key("content-encoding") {
                assert!(said("accept-encoding").unwrap_or_default().contains("gzip"));
            }
        }
        Err(refusal) => {
            let known = [
                (400, "bad_content_type"),
                (415, "unsupported_content_type"),
                (415, "unsupported_content_encoding"),
                (406, ""),
                (400, "invalid_metadata"),
                (431, "metadata_too_large"),
                (400, "unable_to_uncompress_arguments"),
            ];
            let said = (refusal.status().as_u16(), refusal.body());
            assert!(known.contains(&said), "refused with {said:?}");
        }
    }
}

fn answer(headers: &HeaderMap, body: Vec<u8>) -> Result<Response<Bytes>, Refusal> {
    let settings = pipeline::server_settings();
    let mut tape = Tape::default();
    let call = server::authenticate(&Method::POST, TARGET, headers, &settings)?
        .route(&All)?
        .negotiate()?
        .expect_body(None)?
        .verify(Bytes::from(body))?
        .inflate()?
        .decode(&mut Decoder::new(), &DecodeOptions::default(), &mut tape)?;
    let term = ResponseTerm::Return(tape.as_tape_ref(&call.source));
    match server::respond(&call.context, term, &mut Encoder::default(), &settings) {
        Ok(response) => Ok(response),
        Err(error) => unreachable!("{error}"),
    }
}
