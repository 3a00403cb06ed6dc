//! Input: a kind, then: 0: a request's id and a response, such as a recorded one. 1: a status,
//! headers and a body to sign.

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, StatusCode};

use super::request::{MAX_HEADERS, header_map};
use crate::input::Input;
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
    let mut fields = [httparse::EMPTY_HEADER; MAX_HEADERS];
    let mut response = httparse::Response::new(&mut fields);
    let Ok(httparse::Status::Complete(head)) = response.parse(bytes) else { return };
    let status = response.code.and_then(|code| StatusCode::from_u16(code).ok());
    let (Some(status), Some(headers)) = (status, header_map(response.headers)) else { return };
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
    headers.insert("content-length", HeaderValue::from(body.len()));
    headers.insert("x-request-id", HeaderValue::from_static("c2l4dGVlbiBieXRlcyBpZA=="));
    let digest = signing::digest_of(if whole { body } else { b"" });
    headers.insert("digest", HeaderValue::try_from(digest).unwrap_or(HeaderValue::from_static("")));
    let parameters = signing::parameters(("(response-status)", status.as_str()), &headers);
    let Ok(signature) = HeaderValue::try_from(parameters) else { return };
    headers.insert("signature", signature);
    let body_bytes = Bytes::copy_from_slice(body);
    let (authentic, outcome) = pipeline::receive(status, &headers, body_bytes, signing::ID, limit);
    assert_eq!(authentic, whole || body.is_empty(), "the digest does not decide");
    let readable = status == StatusCode::OK && content_type != "text/plain" && encoding != "br";
    assert!(outcome.is_none() || readable && authentic, "an unreadable response has an outcome");
}
