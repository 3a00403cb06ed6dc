//! Input: a kind, then: 0: a request's id and a response, such as a recorded one. 1: a status,
//! headers and a body to sign.

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, StatusCode};

use crate::input::Input;
use crate::parse::parse_response;
use crate::{pipeline, signing};

pub fn run(data: &[u8]) {
    let mut input = Input::new(data);
    if input.byte() & 1 == 0 {
        let Ok(id) = input.take(16).try_into() else { return };
        raw(input.rest(), id);
    } else {
        signed(&mut input);
    }
}

fn raw(bytes: &[u8], id: [u8; 16]) {
    let Some((status, headers, head)) = parse_response(bytes) else { return };
    let body = Bytes::copy_from_slice(&bytes[head..]);
    for limit in [65_536, 100] {
        pipeline::receive(status, &headers, body.clone(), id, limit);
    }
}

fn signed(input: &mut Input<'_>) {
    let status = StatusCode::from_u16(input.pick(&[200, 200, 200, 401, 500])).unwrap_or_default();
    let limit = input.pick(&[65_536, 65_536, 100]);
    let content_type = input.pick(&["application/x-erlang-etf", "text/plain"]);
    let encoding = input.pick(&["", "gzip", "identity", "br"]);
    let whole = input.byte() != 0;
    let body = input.rest();
    let mut headers = HeaderMap::new();
    headers.insert("content-type", HeaderValue::from_static(content_type));
    if !encoding.is_empty() {
        headers.insert("content-encoding", HeaderValue::from_static(encoding));
    }
    signing::sign(
        &mut headers,
        ("(response-status)", status.as_str()),
        if whole { body } else { b"" },
    );
    let body_bytes = Bytes::copy_from_slice(body);
    let (authentic, outcome) = pipeline::receive(status, &headers, body_bytes, signing::ID, limit);
    assert_eq!(authentic, whole || body.is_empty(), "the digest does not decide");
    let readable = status == StatusCode::OK && content_type != "text/plain" && encoding != "br";
    assert!(outcome.is_none() || readable && authentic, "an unreadable response has an outcome");
}
