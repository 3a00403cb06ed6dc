use backwater_etf::Encoder;
use backwater_protocol::client::{
    self, Answer, AuthenticationFailure, Extensions, ResponseFailure,
};
use backwater_protocol::server::{self, ResponseTerm};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode};
use ring::hmac;

use crate::peers::*;

const SIGNED: [&str; 6] =
    ["cache-control", "content-type", "expires", "pragma", "x-backwater-stream", "x-request-id"];

fn reason_of(head: &Response<()>, stream: &Stream) -> Result<(), String> {
    match answer_of(head, &stream.offer) {
        Ok(Answer::Stream(_)) => Ok(()),
        Ok(Answer::Whole(_)) => Err("whole".to_owned()),
        Err(failure) => Err(failure.to_string()),
    }
}

#[test]
fn no_bit_of_a_head_can_be_changed() {
    let stream = Stream::begin();
    assert_eq!(reason_of(&stream.head, &stream), Ok(()));
    for name in SIGNED {
        let value = &stream.head.headers()[name];
        let mut flips = 0;
        for bit in 0..value.len() * 8 {
            let mut bytes = value.as_bytes().to_vec();
            bytes[bit / 8] ^= 1 << (bit % 8);
            let Ok(flipped) = HeaderValue::from_bytes(&bytes) else { continue };
            flips += 1;
            let is_type = bytes.eq_ignore_ascii_case(value.as_bytes());
            let mut head = stream.head.clone();
            head.headers_mut().insert(name, flipped);
            let expected = match name {
                "content-type" if !is_type => "{missing_mandatory_header,<<\"digest\">>}",
                "x-request-id" => "mismatched_request_id",
                _ => "invalid_signature",
            };
            assert_eq!(reason_of(&head, &stream), Err(expected.to_owned()), "{name} {bit}");
        }
        assert!(flips > 0);
        let mut head = stream.head.clone();
        head.headers_mut().remove(name);
        let expected = match name {
            "content-type" => "{missing_mandatory_header,<<\"digest\">>}".to_owned(),
            "x-request-id" => "missing_request_id".to_owned(),
            _ => format!("{{missing_header,<<\"{name}\">>}}"),
        };
        assert_eq!(reason_of(&head, &stream), Err(expected));
    }
    for status in 100..600 {
        let mut head = stream.head.clone();
        *head.status_mut() = StatusCode::from_u16(status).unwrap();
        assert_eq!(reason_of(&head, &stream).is_ok(), status == 200, "{status}");
    }
    let mut head = stream.head.clone();
    head.headers_mut().remove("signature");
    assert_eq!(reason_of(&head, &stream), Err("missing_signature_header".to_owned()));
}

#[test]
fn repeated_stream_headers_are_refused() {
    let stream = Stream::begin();
    for name in ["content-type", "x-backwater-stream", "x-request-id", "signature"] {
        let mut head = stream.head.clone();
        head.headers_mut().append(name, stream.head.headers()[name].clone());
        let expected = format!("{{duplicate_header,<<\"{name}\">>}}");
        assert_eq!(reason_of(&head, &stream), Err(expected));
    }
}

fn headers(version: &str) -> Vec<(&'static str, String)> {
    vec![
        ("content-type", "application/x-backwater-stream".to_owned()),
        ("x-backwater-stream", version.to_owned()),
        ("x-request-id", STANDARD.encode(ID)),
    ]
}

fn signed(headers: &[(&'static str, String)]) -> Response<()> {
    let headers: Vec<_> = headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
    signed_head(&headers)
}

#[test]
fn mandatory_stream_headers_must_be_signed() {
    let stream = Stream::begin();
    let all = headers("1;nonce=c2l4dGVlbiBvZiBub25jZQ==");
    assert_eq!(reason_of(&signed(&all), &stream), Ok(()));
    for (name, value) in &all {
        let others: Vec<_> = all.iter().filter(|(other, _)| other != name).cloned().collect();
        let mut head = signed(&others);
        head.headers_mut().insert(*name, HeaderValue::from_str(value).unwrap());
        let expected = format!("{{missing_mandatory_header,<<\"{name}\">>}}");
        assert_eq!(reason_of(&head, &stream), Err(expected));
    }
    let mut head = signed(&all);
    head.headers_mut().insert("content-length", HeaderValue::from_static("7"));
    head.headers_mut().insert("via", HeaderValue::from_static("a proxy"));
    assert_eq!(reason_of(&head, &stream), Ok(()));
    head.headers_mut().insert("content-encoding", HeaderValue::from_static("gzip"));
    let expected = "{missing_mandatorily_signed_header,<<\"content-encoding\">>}".to_owned();
    assert_eq!(reason_of(&head, &stream), Err(expected));
}

#[test]
fn other_versions_and_encodings_are_refused_by_name() {
    let stream = Stream::begin();
    let failure_of = |head: Response<()>| match answer_of(&head, &stream.offer) {
        Ok(Answer::Stream(stream)) => stream.decoder(LIMIT).err(),
        other => panic!("{other:?}"),
    };
    let nonce = |bytes: usize| STANDARD.encode(vec![7; bytes]);
    assert_eq!(failure_of(signed(&headers(&format!("1;nonce={}", nonce(16))))), None);
    for version in [
        format!("2;nonce={}", nonce(16)),
        format!("1;nonce={}", nonce(15)),
        format!("1;nonce={}", nonce(17)),
        format!("1;nonce={};x", nonce(16)),
        format!("1; nonce={}", nonce(16)),
        format!("1;nonce={}", nonce(16).trim_end_matches('=')),
        "1;nonce=".to_owned(),
        "1".to_owned(),
        String::new(),
    ] {
        let failure = failure_of(signed(&headers(&version)));
        assert_eq!(failure, Some(ResponseFailure::InvalidStreamHead(version)));
    }
    let version = format!("1;nonce={}", nonce(16));
    for (encoding, failure) in [
        ("identity", None),
        ("gzip", Some(ResponseFailure::InvalidContentEncoding)),
        ("br", Some(ResponseFailure::InvalidContentEncoding)),
    ] {
        let mut all = headers(&version);
        all.insert(0, ("content-encoding", encoding.to_owned()));
        assert_eq!(failure_of(signed(&all)), failure, "{encoding}");
    }
}

#[test]
fn an_unrequested_stream_is_refused() {
    let stream = Stream::begin();
    let (status, headers) = (stream.head.status(), stream.head.headers());
    let failure = client::authenticate(status, headers, &secrets(&[SECRET]), ID).unwrap_err();
    assert_eq!(failure.to_string(), "{missing_mandatory_header,<<\"digest\">>}");
}

#[test]
fn an_offer_does_not_change_other_answers() {
    let (request, offer) = offered("function", ID, &client());
    let server = server();
    let context = context_of(&request, &server).unwrap();
    assert!(context.accepts_stream());
    let tape = tape_of(&[131, 106]);
    let term = ResponseTerm::Return(tape.as_tape_ref(&[]));
    let response = server::respond(&context, term, &mut Encoder::default(), &server).unwrap();
    let (head, body) = response.into_parts();
    let authenticate = |headers: &HeaderMap| {
        client::authenticate_offered(head.status, headers, &secrets(&[SECRET]), ID, &offer)
    };
    let Ok(Answer::Whole(answer)) = authenticate(&head.headers) else {
        panic!("not a whole answer")
    };
    assert!(answer.verify(body).unwrap().check_status().unwrap().accept().is_ok());
    let mut changed = head.headers.clone();
    changed.insert("digest", HeaderValue::from_static("SHA-256="));
    assert_eq!(authenticate(&changed).unwrap_err().reason(), "invalid_signature");
    changed = head.headers.clone();
    changed.insert("content-type", HeaderValue::from_static("application/x-backwater-stream"));
    let failure = authenticate(&changed).unwrap_err();
    assert_eq!(failure.to_string(), "{missing_mandatory_header,<<\"x-backwater-stream\">>}");
    let id = AuthenticationFailure::MismatchedRequestId;
    let other = client::authenticate_offered(
        head.status,
        &head.headers,
        &secrets(&[SECRET]),
        [7; 16],
        &offer,
    );
    assert_eq!(other.unwrap_err(), id);
}

#[test]
fn requests_without_an_offer_are_unchanged() {
    let prepared = prepared("function", &client());
    let plain = prepared.sign(ID, Extensions::default());
    let (offering, _) = prepared.sign_offering_stream(ID, Extensions::default());
    assert_eq!(plain.headers()["accept"], "application/x-erlang-etf");
    let digest = plain.headers()["digest"].to_str().unwrap();
    let text = format!(
        "(request-target): post /backwater/1/module/function/0\n\
         accept: application/x-erlang-etf\naccept-encoding: gzip\ncontent-length: 2\n\
         content-type: application/x-erlang-etf\ndigest: {digest}\n\
         x-request-id: c2l4dGVlbiBieXRlcyBpZA=="
    );
    let key = hmac::Key::new(hmac::HMAC_SHA256, SECRET.as_bytes());
    let signature = STANDARD.encode(hmac::sign(&key, text.as_bytes()));
    let parameters = plain.headers()["authorization"].to_str().unwrap();
    assert!(parameters.ends_with(&format!("signature=\"{signature}\"")), "{parameters}");
    for (name, value) in plain.headers() {
        let is_same = offering.headers()[name] == value;
        assert_eq!(is_same, !["accept", "authorization"].contains(&name.as_str()), "{name}");
    }
    assert_eq!(offering.headers().len(), plain.headers().len());
}

#[test]
fn streams_are_sent_if_listed_before_terms() {
    let (stream, terms) = ("application/x-backwater-stream", "application/x-erlang-etf");
    let not_acceptable = Err((406, String::new()));
    for (accept, expected) in [
        (format!("{stream}, {terms}"), Ok(true)),
        (format!("{stream},{terms}"), Ok(true)),
        (format!("{stream};q=0.1, {terms};q=0.9"), Ok(true)),
        (format!("Application/X-Backwater-Stream, text/plain, {terms}"), Ok(true)),
        (terms.to_owned(), Ok(false)),
        (format!("{terms}, {stream}"), Ok(false)),
        (format!("{stream};q=0, {terms}"), Ok(false)),
        (format!("{stream}s, {terms}"), Ok(false)),
        (format!("*/*, {terms}"), Ok(false)),
        (format!("{stream}, {terms};q=0"), not_acceptable.clone()),
        (stream.to_owned(), not_acceptable.clone()),
        ("*/*".to_owned(), not_acceptable),
    ] {
        let (mut request, _) = offered("function", ID, &client());
        request.headers_mut().insert("accept", HeaderValue::from_str(&accept).unwrap());
        resign(&mut request);
        let context = context_of(&request, &server());
        assert_eq!(
            context.as_ref().map(|context| context.accepts_stream()),
            expected.as_ref().map(|expected| *expected),
            "{accept}"
        );
        if let Ok(context) = context {
            let begun = server::begin_stream(&context, NONCE, &server()).is_some();
            assert_eq!(Ok(begun), expected);
        }
    }
    let mut request = prepared("function", &client()).sign(ID, Extensions::default());
    let accept =
        HeaderValue::from_static("application/x-backwater-stream, application/x-erlang-etf");
    request.headers_mut().insert("accept", accept);
    assert_eq!(context_of(&request, &server()).unwrap_err().1, "invalid_signature");
}

fn resign(request: &mut http::Request<bytes::Bytes>) {
    let names =
        ["accept", "accept-encoding", "content-length", "content-type", "digest", "x-request-id"];
    let mut text = format!("(request-target): post {}", request.uri().path());
    for name in names {
        text.push_str(&format!("\n{name}: {}", request.headers()[name].to_str().unwrap()));
    }
    let key = hmac::Key::new(hmac::HMAC_SHA256, SECRET.as_bytes());
    let signature = STANDARD.encode(hmac::sign(&key, text.as_bytes()));
    let list = names.join(" ");
    let value = format!(
        "Signature keyId=\"default\",algorithm=\"hmac-sha256\",\
         headers=\"(request-target) {list}\",signature=\"{signature}\""
    );
    let name = HeaderName::from_static("authorization");
    request.headers_mut().insert(name, value.parse().unwrap());
}

#[test]
fn a_request_body_cannot_be_a_stream() {
    let (mut request, _) = offered("function", ID, &client());
    let kind = HeaderValue::from_static("application/x-backwater-stream");
    request.headers_mut().insert("content-type", kind);
    resign(&mut request);
    let refused = context_of(&request, &server()).unwrap_err();
    assert_eq!(refused, (415, "unsupported_content_type".to_owned()));
}
