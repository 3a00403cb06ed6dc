// Miri cannot run ring.
#![cfg(not(miri))]
#![allow(clippy::unwrap_used, clippy::panic)]
//! Signed content cannot be changed, and unsigned content is ignored.

use backwater_etf::{DecodeOptions, Decoder, Encoder, Tape, TapeRef};
use std::time::{Duration, UNIX_EPOCH};

use backwater_protocol::client::{
    self, AuthenticationFailure, Extensions, RequestPath, prepare_request,
};
use backwater_protocol::server::{
    self, Authenticated, Callers, Exposure, Lookup, NamedCaller, Refusal, ReplayGuard,
    ReplayPolicy, ResponseTerm,
};
use backwater_protocol::{
    CallHeaders, CallTimeout, CarriedContext, Secrets, SignatureFailure, Timestamp,
};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode};
use ring::hmac;

const ID: [u8; 16] = *b"sixteen bytes id";
const PATH: &str = "/backwater/1/module/function/1";

fn prepared(path: &RequestPath, client: &client::Settings) -> client::PreparedRequest {
    let (tape, host) = (arguments(), HeaderValue::from_static("host"));
    prepare_request(path, &host, tape.as_tape_ref(&[]), &mut Encoder::default(), client).unwrap()
}

/// Long enough to be compressed.
fn arguments() -> Tape {
    let letters = [b'x'; 400];
    let bytes = [&[131, 108, 0, 0, 0, 1, 109, 0, 0, 1, 0x90][..], &letters, &[106]].concat();
    let mut tape = Tape::default();
    Decoder::new().decode(&bytes, &DecodeOptions::default(), &mut tape).unwrap();
    tape
}

fn secrets(secrets: &[&str]) -> Secrets {
    Secrets::new(secrets.iter().map(|secret| secret.as_bytes().to_vec())).unwrap()
}

fn server_of(names: &[&str]) -> server::Settings {
    server::Settings::new(secrets(names))
}

fn client_of(names: &[&str]) -> client::Settings {
    client::Settings::new(secrets(names))
}

fn request_by(client: &client::Settings) -> Request<Bytes> {
    let path = RequestPath::new("module", "function", 1);
    let tape = arguments();
    let mut encoder = Encoder::default();
    let host = HeaderValue::from_static("host");
    let tape = tape.as_tape_ref(&[]);
    let prepared = prepare_request(&path, &host, tape, &mut encoder, client).unwrap();
    prepared.sign(ID, Extensions::default())
}

struct All;

impl Exposure for All {
    type Function = ();

    fn lookup(&self, _: &str, _: &str, _: u8) -> Lookup<()> {
        Lookup::Found(())
    }
}

fn authenticate<'a>(
    request: &'a Request<Bytes>,
    settings: &'a server::Settings,
) -> Result<Authenticated<'a>, Refusal> {
    let target = request.uri().path_and_query().unwrap().as_str();
    server::authenticate(request.method(), target, request.headers(), settings)
}

fn serve(
    request: &Request<Bytes>,
    settings: &server::Settings,
) -> Result<Response<Bytes>, Refusal> {
    let call = authenticate(request, settings)?
        .route(&All)?
        .negotiate()?
        .expect_body(Some(request.body().len() as u64))?
        .verify(request.body().clone())?
        .inflate()?
        .decode(&mut Decoder::new(), &DecodeOptions::default(), &mut Tape::default())?;
    let latin1 = [b'y'; 400];
    let words = [400 << 4 | 1];
    let term =
        ResponseTerm::Return(TapeRef { words: &words, latin1: &latin1, ..TapeRef::default() });
    Ok(server::respond(&call.context, term, &mut Encoder::default(), settings).unwrap())
}

fn receive(
    response: &Response<Bytes>,
    settings: &client::Settings,
) -> Result<(), AuthenticationFailure> {
    client::authenticate(response.status(), response.headers(), &settings.secrets, ID)?
        .verify(response.body().clone())
        .map(|_| ())
}

fn refused(result: Result<Response<Bytes>, Refusal>) -> (u16, String) {
    let refusal = result.unwrap_err();
    (refusal.status().as_u16(), refusal.body().to_owned())
}

/// Without the pseudo header.
fn signed_names(parameters: &HeaderValue) -> Vec<HeaderName> {
    let text = parameters.to_str().unwrap();
    let list = text.split_once("headers=\"").unwrap().1.split('"').next().unwrap();
    list.split(' ').skip(1).map(|name| name.parse().unwrap()).collect()
}

fn flipped(value: &HeaderValue) -> Vec<HeaderValue> {
    let flips = (0..value.len() * 8).filter_map(|bit| {
        let mut bytes = value.as_bytes().to_vec();
        bytes[bit / 8] ^= 1 << (bit % 8);
        HeaderValue::from_bytes(&bytes).ok()
    });
    flips.collect()
}

fn is_case_of_list(original: &HeaderValue, changed: &HeaderValue) -> bool {
    let text = original.to_str().unwrap();
    let start = text.find("headers=\"").unwrap() + 9;
    let end = start + text[start..].find('"').unwrap();
    let at = (0..text.len()).find(|at| text.as_bytes()[*at] != changed.as_bytes()[*at]).unwrap();
    (start..end).contains(&at) && text.as_bytes()[at].eq_ignore_ascii_case(&changed.as_bytes()[at])
}

fn sign_request(request: &mut Request<Bytes>, secret: &str, names: &[&str]) {
    let target = request.uri().path_and_query().unwrap().as_str();
    let method = request.method().as_str().to_lowercase();
    let mut text = format!("(request-target): {method} {target}");
    for name in names {
        let value = request.headers()[*name].to_str().unwrap();
        text.push_str(&format!("\n{name}: {value}"));
    }
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes());
    let signature = STANDARD.encode(hmac::sign(&key, text.as_bytes()));
    let list = names.join(" ");
    let value = format!(
        "Signature keyId=\"default\", algorithm=\"hmac-sha256\", \
         headers=\"(request-target) {list}\", signature=\"{signature}\""
    );
    request.headers_mut().insert("authorization", value.parse().unwrap());
}

const SIGNED: [&str; 7] = [
    "accept",
    "accept-encoding",
    "content-encoding",
    "content-length",
    "content-type",
    "digest",
    "x-request-id",
];

#[test]
fn a_call_passes_both_sides() {
    let (server, client) = (server_of(&["one"]), client_of(&["one"]));
    let request = request_by(&client);
    assert_eq!(request.uri(), PATH);
    let response = serve(&request, &server).unwrap();
    assert_eq!(response.headers()["content-encoding"], "gzip");
    assert_eq!(receive(&response, &client), Ok(()));
}

#[test]
fn no_bit_of_a_request_can_be_changed() {
    let server = server_of(&["one"]);
    let request = request_by(&client_of(&["one"]));
    let names = signed_names(&request.headers()["authorization"]);
    assert_eq!(names, SIGNED);
    for name in names {
        let values = flipped(&request.headers()[&name]);
        assert!(!values.is_empty());
        for value in values {
            let mut changed = request.clone();
            changed.headers_mut().insert(&name, value.clone());
            let answer = refused(serve(&changed, &server));
            assert_eq!(answer, (401, "invalid_signature".into()), "{name}: {value:?}");
        }
        let mut changed = request.clone();
        changed.headers_mut().remove(&name);
        let answer = refused(serve(&changed, &server));
        assert_eq!(answer, (401, format!("{{missing_header,<<\"{name}\">>}}")));
    }
    for value in flipped(&request.headers()["authorization"]) {
        let mut changed = request.clone();
        changed.headers_mut().insert("authorization", value.clone());
        if is_case_of_list(&request.headers()["authorization"], &value) {
            assert!(serve(&changed, &server).is_ok(), "{value:?}");
        } else {
            assert_eq!(refused(serve(&changed, &server)).0, 401, "{value:?}");
        }
    }
    for bit in 0..request.body().len() * 8 {
        let mut body = request.body().to_vec();
        body[bit / 8] ^= 1 << (bit % 8);
        let mut changed = request.clone();
        *changed.body_mut() = body.into();
        let answer = refused(serve(&changed, &server));
        assert_eq!(answer, (401, "wrong_arguments_digest".into()), "bit {bit}");
    }
}

#[test]
fn neither_method_nor_path_can_be_changed() {
    let server = server_of(&["one"]);
    let request = request_by(&client_of(&["one"]));
    let headers = request.headers();
    let check = |method: Method, target: &str| {
        server::authenticate(&method, target, headers, &server)
            .map(|_| ())
            .map_err(|refusal| (refusal.status().as_u16(), refusal.body().to_owned()))
    };
    let invalid = Err((401, "invalid_signature".to_owned()));
    assert_eq!(check(Method::POST, PATH), Ok(()));
    for method in [Method::GET, Method::PUT, Method::from_bytes(b"POSTS").unwrap()] {
        assert_eq!(check(method, PATH), invalid);
    }
    for bit in 0..PATH.len() * 8 {
        let mut bytes = PATH.as_bytes().to_vec();
        bytes[bit / 8] ^= 1 << (bit % 8);
        let Ok(target) = String::from_utf8(bytes) else { continue };
        let in_base = target.starts_with("/backwater/1/");
        let expected = if in_base { invalid.clone() } else { Err((404, String::new())) };
        assert_eq!(check(Method::POST, &target), expected, "{target}");
    }
}

/// In milliseconds.
fn believed_timeout(request: &Request<Bytes>, server: &server::Settings) -> Option<u128> {
    let authenticated = authenticate(request, server).unwrap();
    let negotiated = authenticated.route(&All).unwrap().negotiate().unwrap();
    let expected = negotiated.expect_body(None).unwrap();
    expected.timeout().map(|timeout| timeout.as_duration().as_millis())
}

#[test]
fn a_timeout_counts_only_if_signed() {
    let (client, server) = (client_of(&["one"]), server_of(&["one"]));
    let name = HeaderName::from_static("x-backwater-timeout");
    let path = RequestPath::new("module", "function", 1);
    let prepared = prepared(&path, &client);
    let sign = |timeout| {
        let extensions = Extensions { timeout, ..Extensions::default() };
        prepared.sign(ID, extensions)
    };

    assert_eq!(believed_timeout(&sign(None), &server), None);
    assert!(!sign(None).headers().contains_key(&name));
    let request = sign(Some(CallTimeout::from_duration(Duration::from_millis(1234))));
    assert_eq!(request.headers()[&name], "1234");
    assert_eq!(believed_timeout(&request, &server), Some(1234));

    let mut added = sign(None);
    added.headers_mut().insert(&name, HeaderValue::from_static("1"));
    assert_eq!(believed_timeout(&added, &server), None);
    let mut changed = request.clone();
    changed.headers_mut().insert(&name, HeaderValue::from_static("1"));
    assert_eq!(refused(serve(&changed, &server)), (401, "invalid_signature".into()));
    let mut doubled = request.clone();
    doubled.headers_mut().append(&name, HeaderValue::from_static("1"));
    let (status, text) = refused(serve(&doubled, &server));
    assert!(status == 401 && text.contains("duplicate_header"), "{status} {text}");
    let mut removed = request.clone();
    removed.headers_mut().remove(&name);
    let (status, text) = refused(serve(&removed, &server));
    assert!(status == 401 && text.contains("missing_header"), "{status} {text}");
}

#[test]
fn malformed_timeouts_are_ignored() {
    let (client, server) = (client_of(&["one"]), server_of(&["one"]));
    for (text, believed) in [("0", Some(0)), ("5", Some(5)), ("5s", None), ("-5", None), ("", None)]
    {
        let mut request = request_by(&client);
        let name = HeaderName::from_static("x-backwater-timeout");
        request.headers_mut().insert(&name, HeaderValue::from_static(text));
        let names = [&SIGNED[..], &["x-backwater-timeout"]].concat();
        sign_request(&mut request, "one", &names);
        assert_eq!(believed_timeout(&request, &server), believed, "{text:?}");
    }
}

#[test]
fn a_timestamp_counts_only_if_signed() {
    let (client, server) = (client_of(&["one"]), server_of(&["one"]));
    let now = Timestamp::from(UNIX_EPOCH + Duration::from_secs(1_790_000_000));
    let path = RequestPath::new("module", "function", 1);
    let prepared = prepared(&path, &client);
    let audience = HeaderValue::from_static("billing");
    let extensions = || Extensions {
        created: Some(now),
        audience: Some(audience.clone()),
        ..Extensions::default()
    };
    let policy = ReplayPolicy { audiences: vec!["billing".to_owned()], ..ReplayPolicy::new(true) };
    let guard = ReplayGuard::new(policy, now);
    let check = |request: &Request<Bytes>| {
        authenticate(request, &server)?.refuse_replay(&guard, now).map(|_| ())
    };
    let request = prepared.sign(ID, extensions());
    for name in ["x-backwater-created", "x-backwater-audience"] {
        for value in flipped(&request.headers()[name]) {
            let mut changed = request.clone();
            changed.headers_mut().insert(name, value);
            let refusal = check(&changed).unwrap_err();
            assert_eq!((refusal.status().as_u16(), refusal.body()), (401, "invalid_signature"));
        }
        let mut doubled = request.clone();
        twice(doubled.headers_mut(), name, HeaderValue::from_static("1"));
        assert!(check(&doubled).unwrap_err().body().contains("duplicate_header"));
        let mut added = request_by(&client);
        added.headers_mut().insert(name, request.headers()[name].clone());
        assert_eq!(check(&added).unwrap_err().body(), "missing_audience");
    }
    assert!(check(&request).is_ok());
    let refusal = check(&request).unwrap_err();
    assert_eq!((refusal.status().as_u16(), refusal.body()), (401, "replayed_request"));
    assert!(check(&prepared.sign([7; 16], extensions())).is_ok());
    assert_eq!(receive(&refusal.into_response(&server), &client), Ok(()));
}

fn believed(request: &Request<Bytes>, server: &server::Settings) -> CarriedContext {
    let negotiated = authenticate(request, server).unwrap().route(&All).unwrap().negotiate();
    let carried = negotiated.unwrap().expect_body(None).unwrap().take_carried();
    carried.map(|carried| *carried).unwrap_or_default()
}

#[test]
fn metadata_and_traces_count_only_if_signed() {
    let (client, server) = (client_of(&["one"]), server_of(&["one"]));
    let path = RequestPath::new("module", "function", 1);
    let headers = [("x-backwater-meta-tenant", "acme"), ("traceparent", "00-1-2-01")];
    let plain = prepared(&path, &client);
    let carrying = plain.clone().carrying(CallHeaders::new(headers));
    let request = carrying.sign(ID, Extensions::default());
    let names = signed_names(&request.headers()["authorization"]);
    assert!(names.is_sorted_by(|left, right| left.as_str() < right.as_str()), "{names:?}");
    let carried = believed(&request, &server);
    assert_eq!(carried.metadata, [("tenant".to_owned(), "acme".to_owned())]);
    assert_eq!(carried.trace.traceparent.as_deref(), Some("00-1-2-01"));
    assert!(serve(&request, &server).is_ok());

    for (name, value) in headers {
        let name: HeaderName = name.parse().unwrap();
        let value = HeaderValue::from_static(value);
        for flipped in flipped(&value) {
            let mut changed = request.clone();
            changed.headers_mut().insert(&name, flipped);
            assert_eq!(refused(serve(&changed, &server)), (401, "invalid_signature".into()));
        }
        let mut doubled = request.clone();
        doubled.headers_mut().append(&name, value.clone());
        assert_eq!(refused(serve(&doubled, &server)), (401, "invalid_signature".into()));
        let mut removed = request.clone();
        removed.headers_mut().remove(&name);
        assert!(refused(serve(&removed, &server)).1.contains("missing_header"));
        let mut added = plain.sign(ID, Extensions::default());
        added.headers_mut().insert(name, value);
        assert_eq!(believed(&added, &server), CarriedContext::default());
    }
}

#[test]
fn the_secret_identifies_the_caller() {
    let named = |name: &str, keys: &[&str]| NamedCaller {
        name: name.to_owned(),
        secrets: secrets(keys),
        hint: None,
    };
    let callers = Callers::new(vec![named("billing", &["one"]), named("web", &["two", "three"])]);
    let server = server::Settings::new(callers.unwrap());
    let name = HeaderName::from_static("x-backwater-caller");
    let path = RequestPath::new("module", "function", 1);
    let sign = |secret: &str, caller: Option<&'static str>| {
        let extensions =
            Extensions { caller: caller.map(HeaderValue::from_static), ..Extensions::default() };
        prepared(&path, &client_of(&[secret])).sign(ID, extensions)
    };
    let taken_for = |request: &Request<Bytes>| {
        authenticate(request, &server)
            .map(|request| request.refuse(StatusCode::FORBIDDEN, "").caller().unwrap().to_string())
            .map_err(|refusal| (refusal.reason(), refusal.body().to_owned()))
    };
    for (secret, caller) in [("one", "billing"), ("two", "web"), ("three", "web")] {
        assert_eq!(taken_for(&sign(secret, None)).as_deref(), Ok(caller));
        let request = sign(secret, Some(caller));
        assert_eq!(taken_for(&request).as_deref(), Ok(caller));
        let answer = serve(&request, &server).unwrap();
        assert_eq!(receive(&answer, &client_of(&[secret])), Ok(()));
        let mut added = sign(secret, None);
        added.headers_mut().insert(&name, HeaderValue::from_static("stranger"));
        assert_eq!(taken_for(&added).as_deref(), Ok(caller));
        for value in flipped(&request.headers()[&name]) {
            let mut changed = request.clone();
            changed.headers_mut().insert(&name, value);
            let (reason, body) = taken_for(&changed).unwrap_err();
            assert!(["invalid_signature", "unknown_caller"].contains(&reason), "{reason}");
            assert_eq!(body, "invalid_signature");
        }
        let mut doubled = request.clone();
        twice(doubled.headers_mut(), "x-backwater-caller", HeaderValue::from_static("web"));
        assert_eq!(taken_for(&doubled).unwrap_err().0, "duplicate_header");
        let mut removed = request.clone();
        removed.headers_mut().remove(&name);
        assert_eq!(taken_for(&removed).unwrap_err().0, "missing_header");
    }
    let wrong = [("one", "web", "invalid_signature"), ("two", "billing", "invalid_signature")];
    let unknown = [("one", "Billing", "unknown_caller"), ("four", "stranger", "unknown_caller")];
    for (secret, caller, reason) in wrong.into_iter().chain(unknown) {
        let refused = taken_for(&sign(secret, Some(caller)));
        assert_eq!(refused, Err((reason, "invalid_signature".to_owned())));
    }
}

#[test]
fn a_query_is_refused_even_if_signed() {
    let server = server_of(&["one"]);
    for target in [format!("{PATH}?"), format!("{PATH}?a=b"), format!("{PATH}?/../1")] {
        let mut request = request_by(&client_of(&["one"]));
        *request.uri_mut() = target.parse().unwrap();
        sign_request(&mut request, "one", &SIGNED);
        let answer = refused(serve(&request, &server));
        assert_eq!(answer, (401, "invalid_signature".into()), "{target}");
    }
    // Without a query the same signature is valid.
    let mut request = request_by(&client_of(&["one"]));
    sign_request(&mut request, "one", &SIGNED);
    assert!(serve(&request, &server).is_ok());
}

#[test]
fn no_bit_of_a_response_can_be_changed() {
    let client = client_of(&["one"]);
    let response = serve(&request_by(&client), &server_of(&["one"])).unwrap();
    let names = signed_names(&response.headers()["signature"]);
    let all = [
        "cache-control",
        "content-encoding",
        "content-length",
        "content-type",
        "digest",
        "expires",
        "pragma",
        "x-request-id",
    ];
    assert_eq!(names, all);
    for name in names {
        let is_id = name == "x-request-id";
        let expected = if is_id {
            AuthenticationFailure::MismatchedRequestId
        } else {
            AuthenticationFailure::Signature(SignatureFailure::InvalidSignature)
        };
        for value in flipped(&response.headers()[&name]) {
            let mut changed = response.clone();
            changed.headers_mut().insert(&name, value.clone());
            assert_eq!(receive(&changed, &client), Err(expected.clone()), "{name}: {value:?}");
        }
        let mut changed = response.clone();
        changed.headers_mut().remove(&name);
        let failure = receive(&changed, &client).unwrap_err();
        let expected = if is_id { "missing_request_id" } else { "missing_header" };
        assert_eq!(failure.reason(), expected, "{name}");
    }
    for status in 100..600 {
        let mut changed = response.clone();
        *changed.status_mut() = StatusCode::from_u16(status).unwrap();
        assert_eq!(receive(&changed, &client).is_ok(), status == 200, "{status}");
    }
    for value in flipped(&response.headers()["signature"]) {
        let mut changed = response.clone();
        changed.headers_mut().insert("signature", value.clone());
        let holds = is_case_of_list(&response.headers()["signature"], &value);
        assert_eq!(receive(&changed, &client).is_ok(), holds, "{value:?}");
    }
    for bit in 0..response.body().len() * 8 {
        let mut body = response.body().to_vec();
        body[bit / 8] ^= 1 << (bit % 8);
        let mut changed = response.clone();
        *changed.body_mut() = body.into();
        assert_eq!(receive(&changed, &client), Err(AuthenticationFailure::WrongBodyDigest));
    }
}

/// RFC 9110, 7.6.1: a proxy removes or replaces these.
const HOP_BY_HOP: [&str; 9] = [
    "connection",
    "keep-alive",
    "proxy-authenticate",
    "proxy-authorization",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

#[test]
fn no_refusal_signs_hop_by_hop_headers() {
    let client = client_of(&["one"]);
    let server = server_of(&["one"]);
    let request = request_by(&client);
    let authenticated = authenticate(&request, &server).unwrap();
    for status in [400, 401, 403, 404, 405, 408, 413, 415, 500, 503] {
        let status = StatusCode::from_u16(status).unwrap();
        let refusal = authenticated.refuse(status, "why").with_retry_after(1);
        let mut response = refusal.into_response(&server);
        assert_eq!(response.headers()["connection"], "close");
        for name in signed_names(&response.headers()["signature"]) {
            assert!(!HOP_BY_HOP.contains(&name.as_str()), "{status}: {name}");
        }
        for name in HOP_BY_HOP {
            response.headers_mut().remove(name);
        }
        assert_eq!(receive(&response, &client), Ok(()), "{status}");
    }
}

#[test]
fn a_response_belongs_to_its_request() {
    let client = client_of(&["one"]);
    let response = serve(&request_by(&client), &server_of(&["one"])).unwrap();
    let (status, headers) = (response.status(), response.headers());
    for bit in 0..128 {
        let mut id = ID;
        id[bit / 8] ^= 1 << (bit % 8);
        let result = client::authenticate(status, headers, &client.secrets, id).map(|_| ());
        assert_eq!(result, Err(AuthenticationFailure::MismatchedRequestId));
    }
}

fn twice(headers: &mut HeaderMap, name: &'static str, value: HeaderValue) {
    headers.append(name, value);
    assert_eq!(headers.get_all(name).iter().count(), 2);
}

#[test]
fn repeated_headers_are_refused() {
    let (server, client) = (server_of(&["one"]), client_of(&["one"]));
    let request = request_by(&client);
    let response = serve(&request, &server).unwrap();
    for name in SIGNED.into_iter().chain(["authorization"]) {
        let own = request.headers()[name].clone();
        for value in [own, HeaderValue::from_static("other")] {
            let mut changed = request.clone();
            twice(changed.headers_mut(), name, value);
            let expected = (401, format!("{{duplicate_header,<<\"{name}\">>}}"));
            assert_eq!(refused(serve(&changed, &server)), expected);
        }
    }
    for name in [
        "digest",
        "content-encoding",
        "content-length",
        "content-type",
        "x-request-id",
        "signature",
    ] {
        let own = response.headers()[name].clone();
        for value in [own, HeaderValue::from_static("other")] {
            let mut changed = response.clone();
            twice(changed.headers_mut(), name, value);
            let duplicate = SignatureFailure::DuplicateHeader(name);
            assert_eq!(
                receive(&changed, &client),
                Err(AuthenticationFailure::Signature(duplicate))
            );
        }
    }
    let mut changed = request.clone();
    changed.headers_mut().append("x-other", HeaderValue::from_static("1"));
    changed.headers_mut().append("x-other", HeaderValue::from_static("2"));
    assert!(serve(&changed, &server).is_ok());
}

#[test]
fn any_of_several_secrets_is_accepted() {
    let server = server_of(&["new", "old", "older"]);
    for secret in ["new", "old", "older"] {
        let client = client_of(&[secret]);
        let response = serve(&request_by(&client), &server).unwrap();
        for other in ["new", "old", "older"] {
            let result = receive(&response, &client_of(&[other]));
            assert_eq!(result.is_ok(), other == secret, "{secret} and {other}");
        }
        assert_eq!(receive(&response, &client_of(&["another", secret])), Ok(()));
    }
    for secret in ["another", "ne", "new ", "newold"] {
        let answer = refused(serve(&request_by(&client_of(&[secret])), &server));
        assert_eq!(answer, (401, "invalid_signature".into()), "{secret}");
    }
    assert!(serve(&request_by(&client_of(&["new", "another"])), &server).is_ok());
    assert!(serve(&request_by(&client_of(&["another", "new"])), &server).is_err());
    let client = client_of(&["older"]);
    let mut request = request_by(&client);
    *request.body_mut() = Bytes::from_static(b"other");
    let refusal = serve(&request, &server).unwrap_err().into_response(&server);
    assert_eq!(receive(&refusal, &client), Ok(()));
    assert!(receive(&refusal, &client_of(&["new"])).is_err());
}

#[test]
fn secrets_are_not_empty() {
    assert!(Secrets::new([]).is_err());
    assert!(Secrets::new([vec![]]).is_err());
    assert!(Secrets::new([b"one".to_vec(), vec![]]).is_err());
    assert_eq!(format!("{:?}", secrets(&["hidden", "two"])), "Secrets(2)");
}

#[test]
fn accept_encoding_counts_only_if_signed() {
    let (server, client) = (server_of(&["one"]), client_of(&["one"]));
    let without: Vec<_> = SIGNED.into_iter().filter(|name| *name != "accept-encoding").collect();
    for (names, is_packed) in [(&SIGNED[..], true), (&without, false)] {
        let mut request = request_by(&client);
        sign_request(&mut request, "one", names);
        let response = serve(&request, &server).unwrap();
        assert_eq!(response.headers().contains_key("content-encoding"), is_packed);
        assert_eq!(receive(&response, &client), Ok(()));
    }
    let mut request = request_by(&client);
    request.headers_mut().remove("accept-encoding");
    sign_request(&mut request, "one", &without);
    request.headers_mut().insert("accept-encoding", HeaderValue::from_static("gzip"));
    assert!(!serve(&request, &server).unwrap().headers().contains_key("content-encoding"));
}

#[test]
fn mandatory_headers_must_be_signed() {
    let server = server_of(&["one"]);
    for name in SIGNED {
        let names: Vec<_> = SIGNED.into_iter().filter(|other| *other != name).collect();
        let mut request = request_by(&client_of(&["one"]));
        sign_request(&mut request, "one", &names);
        let reason = match name {
            "accept-encoding" => {
                assert!(serve(&request, &server).is_ok());
                continue;
            }
            "digest" | "x-request-id" => "missing_mandatory_header",
            _ => "missing_mandatorily_signed_header",
        };
        let expected = (401, format!("{{{reason},<<\"{name}\">>}}"));
        assert_eq!(refused(serve(&request, &server)), expected);
    }
}
