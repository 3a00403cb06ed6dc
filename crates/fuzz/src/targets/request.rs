//! Input: a kind, then: 0: a request, such as a recorded one. 1: a request to sign: method, path,
//! name of metadata, content-type, content-encoding, accept, accept-encoding, value of metadata,
//! whether the digest is right, and body.

use backwater_protocol::METADATA_PREFIX;
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Uri};

use crate::input::Input;
use crate::parse::parse_request;
use crate::{pipeline, signing};

const ETF: &str = "application/x-erlang-etf";

pub fn run(data: &[u8]) {
    let mut input = Input::new(data);
    if input.byte() & 1 == 0 {
        raw(input.rest());
    } else {
        signed(&mut input);
    }
}

fn raw(bytes: &[u8]) {
    let Some((method, target, headers, head)) = parse_request(bytes) else { return };
    pipeline::serve(&method, &target, &headers, Bytes::copy_from_slice(&bytes[head..]));
}

fn signed(input: &mut Input<'_>) {
    let method = input.pick(&[Method::POST, Method::POST, Method::GET].each_ref()).clone();
    let path = String::from_utf8_lossy(input.chunk()).into_owned();
    let Ok(uri) = Uri::try_from(format!("/backwater/1/{path}")) else { return };
    let target = uri.path_and_query().map_or("/", |target| target.as_str());
    let metadata = METADATA_PREFIX.to_owned() + &String::from_utf8_lossy(input.chunk());
    let mut headers = HeaderMap::new();
    let names = ["content-type", "content-encoding", "accept", "accept-encoding", &metadata];
    for name in names {
        let value = input.chunk();
        if value.is_empty() {
            continue;
        }
        let (name, value) = (HeaderName::try_from(name), HeaderValue::from_bytes(value));
        let (Ok(name), Ok(value)) = (name, value) else { return };
        headers.insert(name, value);
    }
    let whole = input.byte() != 0;
    let body = input.rest();
    let pseudo_value = format!("{} {target}", method.as_str().to_lowercase());
    let signed_body = if whole { body } else { b"" };
    signing::sign(&mut headers, ("(request-target)", &pseudo_value), signed_body);
    let response = pipeline::serve(&method, target, &headers, Bytes::copy_from_slice(body));
    let is_authentic = (whole || body.is_empty()) && !target.contains('?');
    if response.status() != StatusCode::OK {
        let is_refused = response.status() == StatusCode::UNAUTHORIZED;
        assert!(!(is_refused && is_authentic), "an authentic request is refused: {response:?}");
        return;
    }
    assert!(is_authentic, "a request that is not authentic calls a function");
    assert_eq!(method, Method::POST);
    let said = |name: &str| {
        let value = headers.get(name).map(HeaderValue::as_bytes).unwrap_or_default();
        String::from_utf8_lossy(value).to_lowercase()
    };
    assert_eq!(said("content-type").split(';').next().map(str::trim), Some(ETF));
    assert!(said("accept").contains(ETF));
    assert!(["", "identity", "gzip"].contains(&&*said("content-encoding")));
    let is_packed = response.headers().contains_key("content-encoding");
    assert!(!is_packed || said("accept-encoding").contains("gzip"));
}
