//! Input: a kind, then: 0: a request, such as a recorded one. 1: a path, headers and a body to
//! sign.

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Uri};

use crate::input::Input;
use crate::{pipeline, signing};

pub(super) const MAX_HEADERS: usize = 64;

pub fn run(data: &[u8]) {
    let mut input = Input::new(data);
    if input.byte() & 1 == 0 {
        raw(input.rest());
    } else {
        signed(&mut input);
    }
}

fn raw(bytes: &[u8]) {
    let mut fields = [httparse::EMPTY_HEADER; MAX_HEADERS];
    let mut request = httparse::Request::new(&mut fields);
    let Ok(httparse::Status::Complete(head)) = request.parse(bytes) else { return };
    let method = request.method.and_then(|method| Method::from_bytes(method.as_bytes()).ok());
    let uri = request.path.and_then(|path| Uri::try_from(path).ok());
    let (Some(method), Some(uri), Some(headers)) = (method, uri, header_map(request.headers))
    else {
        return;
    };
    let target = uri.path_and_query().map_or("/", |target| target.as_str());
    pipeline::serve(&method, target, &headers, Bytes::copy_from_slice(&bytes[head..]));
}

pub(super) fn header_map(fields: &[httparse::Header<'_>]) -> Option<HeaderMap> {
    let mut headers = HeaderMap::new();
    for field in fields {
        let name = HeaderName::from_bytes(field.name.as_bytes()).ok()?;
        headers.append(name, HeaderValue::from_bytes(field.value).ok()?);
    }
    Some(headers)
}

fn signed(input: &mut Input<'_>) {
    let method = input.pick(&[Method::POST, Method::POST, Method::GET].each_ref()).clone();
    let path = String::from_utf8_lossy(input.chunk()).into_owned();
    let Ok(uri) = Uri::try_from(format!("/backwater/1/{path}")) else { return };
    let target = uri.path_and_query().map_or("/", |target| target.as_str());
    let mut headers = HeaderMap::new();
    let types = ["application/x-erlang-etf", "Application/X-Erlang-ETF;a=b", "text/plain", ""];
    headers.insert("accept", HeaderValue::from_static(input.pick(&types)));
    headers.insert("content-type", HeaderValue::from_static(input.pick(&types)));
    headers.insert("x-request-id", HeaderValue::from_static("c2l4dGVlbiBieXRlcyBpZA=="));
    let encoding = input.pick(&["", "", "gzip", "identity", "br"]);
    if !encoding.is_empty() {
        headers.insert("content-encoding", HeaderValue::from_static(encoding));
    }
    let accept_encoding = input.pick(&["", "gzip", "identity;q=0.5, gzip;q=0.4", "*"]);
    if !accept_encoding.is_empty() {
        headers.insert("accept-encoding", HeaderValue::from_static(accept_encoding));
    }
    let whole = input.byte() != 0;
    let body = input.rest();
    headers.insert("content-length", HeaderValue::from(body.len()));
    let digest = signing::digest_of(if whole { body } else { b"" });
    headers.insert("digest", HeaderValue::try_from(digest).unwrap_or(HeaderValue::from_static("")));
    let request_target = format!("{} {target}", method.as_str().to_lowercase());
    let parameters = signing::parameters(("(request-target)", &request_target), &headers);
    let Ok(authorization) = HeaderValue::try_from(format!("Signature {parameters}")) else {
        return;
    };
    headers.insert("authorization", authorization);
    let called = pipeline::serve(&method, target, &headers, Bytes::copy_from_slice(body));
    assert!(!called || method == Method::POST, "a {method} calls a function");
    assert!(!called || whole || body.is_empty(), "a body with a wrong digest reaches a function");
}
