// Miri cannot run ring.
#![cfg(not(miri))]
#![allow(clippy::unwrap_used, clippy::panic)]
//! Exchanges recorded in `__test__/vectors/wire` with an Erlang server and client.

use std::path::Path;

use backwater_etf::{DecodeOptions, Decoder, EncodeOptions, Encoder, KnownAtoms, Tape};
use backwater_protocol::server::{Call, Exposure, Lookup, Refusal, ResponseTerm, respond};
use backwater_protocol::{Secrets, client, gzip, server};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Response, StatusCode};
use serde_json::Value;

const SECRET: &str = "backwater vectors: shared secret!";
/// Here every exposed module exists.
const DIFFERENT_WORLD: &str = "404 exposed module that does not exist";
/// 400 here, a failed call in Erlang.
const IMPROPER: &str = "arguments are an improper list";

fn lines(file: &str, at_least: usize) -> Vec<Value> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../__test__/vectors/wire").join(file);
    let text = std::fs::read_to_string(path).unwrap();
    let lines: Vec<_> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert!(lines.len() >= at_least, "{file} has {} lines", lines.len());
    lines
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap()
}

fn base64(value: &Value) -> Vec<u8> {
    STANDARD.decode(text(value)).unwrap()
}

fn headers(value: &Value) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for pair in value.as_array().unwrap() {
        let name = HeaderName::from_bytes(text(&pair[0]).as_bytes()).unwrap();
        // HTTP parsers also trim values.
        headers.append(name, HeaderValue::from_str(text(&pair[1]).trim()).unwrap());
    }
    headers
}

fn secrets(secret: &str) -> Secrets {
    Secrets::new([secret.as_bytes().to_vec()]).unwrap()
}

struct World {
    status: u64,
}

impl Exposure for World {
    type Function = ();

    fn lookup(&self, _: &str, _: &str, _: u8) -> Lookup<()> {
        match self.status {
            403 => Lookup::ModuleNotExposed,
            404 => Lookup::FunctionNotFound,
            _ => Lookup::Found(()),
        }
    }
}

struct Few;

impl KnownAtoms for Few {
    fn is_known(&self, name: &str) -> bool {
        ["ok", "utf8", "latin1", "erlang", "return", "exception", "error"].contains(&name)
    }
}

fn serve(
    request: &Value,
    settings: &server::Settings,
    world: &World,
    known_atoms: Option<&dyn KnownAtoms>,
    tape: &mut Tape,
) -> Result<Call<()>, Refusal> {
    let method = Method::from_bytes(text(&request["method"]).as_bytes()).unwrap();
    let headers = headers(&request["headers"]);
    let body = base64(&request["body"]);
    let options = DecodeOptions { exact: true, known_atoms, ..DecodeOptions::default() };
    server::authenticate(&method, text(&request["target"]), &headers, settings)?
        .route(world)?
        .negotiate()?
        .expect_body(Some(body.len() as u64))?
        .verify(Bytes::from(body))?
        .inflate()?
        .decode(&mut Decoder::new(), &options, tape)
}

fn server_settings(options: &Value) -> server::Settings {
    let mut settings = server::Settings::new(secrets(SECRET));
    let size = |name: &str| options.get(name).and_then(Value::as_u64).map(|size| size as usize);
    if let Some(size) = size("max_encoded_args_size") {
        settings.max_encoded_args_size = size;
    }
    if let Some(size) = size("compression_threshold") {
        settings.compression_threshold = size;
    }
    settings
}

#[test]
fn exchanges() {
    let (mut calls, mut refusals) = (0, 0);
    for line in lines("exchanges.jsonl", 70) {
        let name = text(&line["name"]);
        if name == DIFFERENT_WORLD {
            continue;
        }
        let options = &line["server_options"];
        let settings = server_settings(options);
        let world = World { status: line["response"]["status"].as_u64().unwrap() };
        let is_safe = options.get("decode_unsafe_terms") == Some(&Value::Bool(false));
        let known: Option<&dyn KnownAtoms> = if is_safe { Some(&Few) } else { None };
        let mut tape = Tape::default();
        match serve(&line["request"], &settings, &world, known, &mut tape) {
            Ok(call) => {
                calls += 1;
                assert_eq!(world.status, 200, "{name}");
                check_arguments(name, &line, &tape, &call);
                check_answer(name, &line, &call, &settings);
            }
            Err(refusal) if name == IMPROPER => {
                let answer = (refusal.status().as_u16(), refusal.body());
                assert_eq!(answer, (400, "arguments_not_a_list"));
            }
            Err(refusal) => {
                refusals += 1;
                assert_eq!(u64::from(refusal.status().as_u16()), world.status, "{name}");
                let body = base64(&line["response"]["body"]);
                assert_eq!(refusal.body().as_bytes(), body, "{name}");
                check_headers(name, &line, &refusal.into_response(&settings));
            }
        }
    }
    assert!(calls >= 25 && refusals >= 35, "{calls} calls, {refusals} refusals");
}

fn check_arguments(name: &str, line: &Value, tape: &Tape, call: &Call<()>) {
    let body = base64(&line["request"]["body"]);
    let is_packed = headers(&line["request"]["headers"])
        .get("content-encoding")
        .is_some_and(|encoding| encoding == "gzip");
    let body = if is_packed { gzip::inflate(&body, 1 << 20).unwrap() } else { body };
    assert_eq!(call.source, body, "{name}");
    let mut own = Tape::default();
    let options = DecodeOptions { exact: true, ..DecodeOptions::default() };
    Decoder::new().decode(&body, &options, &mut own).unwrap();
    assert_eq!(*tape, own, "{name}");
}

fn check_answer(name: &str, line: &Value, call: &Call<()>, settings: &server::Settings) {
    let recorded = &line["response"];
    let recorded_headers = headers(&recorded["headers"]);
    let was_packed = recorded_headers.get("content-encoding").is_some();
    let body = base64(&recorded["body"]);
    let body = if was_packed { gzip::inflate(&body, 1 << 20).unwrap() } else { body };
    // Removes `{return, …}`: 131, tuple, atom with a two-byte length.
    assert_eq!(body[..4], [131, 104, 2, 100], "{name}");
    let value = [&[131], &body[6 + usize::from(body[5])..]].concat();
    let mut tape = Tape::default();
    let options = DecodeOptions { exact: true, ..DecodeOptions::default() };
    Decoder::new().decode(&value, &options, &mut tape).unwrap();
    let term = tape.as_tape_ref(&value);
    let is_return = body[6..].starts_with(b"return");
    let term = if is_return { ResponseTerm::Return(term) } else { ResponseTerm::Exception(term) };
    let answer = respond(&call.context, term, &mut Encoder::default(), settings).unwrap();
    check_headers(name, line, &answer);
    let is_packed = answer.headers().contains_key("content-encoding");
    // This library does not send larger gzip.
    assert!(was_packed || !is_packed, "{name}");
    if name.contains("compressed result") || name.contains("arguments and result") {
        assert!(is_packed, "{name}");
    }
    let sent = answer.body();
    let sent = if is_packed { gzip::inflate(sent, 1 << 20).unwrap() } else { sent.to_vec() };
    assert_eq!(rewritten(&sent), rewritten(&body), "{name}");
}

fn rewritten(bytes: &[u8]) -> Vec<u8> {
    let mut tape = Tape::default();
    let options = DecodeOptions { exact: true, ..DecodeOptions::default() };
    Decoder::new().decode(bytes, &options, &mut tape).unwrap();
    let mut out = Vec::new();
    let tape = tape.as_tape_ref(bytes);
    Encoder::default().encode_term(tape, &EncodeOptions::default(), &mut out).unwrap();
    out
}

fn check_headers(name: &str, line: &Value, answer: &Response<Bytes>) {
    const VARIABLE: [&str; 7] = [
        "date",
        "server",
        "content-length",
        "digest",
        "signature",
        "content-encoding",
        // Unknown to Erlang's client.
        "x-backwater-detail",
    ];
    let recorded = headers(&line["response"]["headers"]);
    if recorded.is_empty() || name == "404 outside the base path" {
        return;
    }
    let plain = |headers: &HeaderMap| {
        let mut plain: Vec<_> = headers
            .iter()
            .filter(|(name, _)| !VARIABLE.contains(&name.as_str()))
            .map(|(name, value)| (name.to_string(), value.clone()))
            .collect();
        plain.sort_by(|a, b| a.0.cmp(&b.0));
        plain
    };
    assert_eq!(plain(answer.headers()), plain(&recorded), "{name}");
    let signed = |headers: &HeaderMap| {
        let signature = headers.get("signature")?.to_str().unwrap();
        let list = signature.split_once("headers=\"")?.1.split('"').next()?;
        Some(
            list.split(' ')
                // Only Erlang signs `connection`.
                .filter(|name| {
                    !["content-encoding", "connection", "x-backwater-detail"].contains(name)
                })
                .collect::<Vec<_>>()
                .join(" "),
        )
    };
    assert_eq!(signed(answer.headers()), signed(&recorded), "{name}");
    if answer.headers().contains_key("signature") {
        let id = STANDARD.decode(answer.headers()["x-request-id"].as_bytes()).unwrap();
        if let Ok(id) = <[u8; 16]>::try_from(id) {
            let settings = client::Settings::new(secrets(SECRET));
            client::authenticate(answer.status(), answer.headers(), &settings.secrets, id)
                .unwrap_or_else(|failure| panic!("{name}: {failure}"))
                .verify(answer.body().clone())
                .unwrap_or_else(|failure| panic!("{name}: {failure}"));
        }
    }
}

fn signed_names(headers: &HeaderMap) -> Vec<&str> {
    let signature = headers.get("signature").map_or("", |value| value.to_str().unwrap());
    let list = signature.split_once("headers=\"").and_then(|(_, rest)| rest.split('"').next());
    list.unwrap_or_default().split(' ').collect()
}

fn behind_proxy(
    line: &Value,
    connection: Option<&'static str>,
    change: impl FnOnce(&mut HeaderMap),
) -> End {
    let mut line = line.clone();
    let mut changed = headers(&line["response"]["headers"]);
    changed.remove("connection");
    if let Some(value) = connection {
        changed.insert("connection", HeaderValue::from_static(value));
    }
    change(&mut changed);
    let pair = |(name, value): (&HeaderName, &HeaderValue)| {
        Value::from(vec![name.as_str(), value.to_str().unwrap()])
    };
    line["response"]["headers"] = changed.iter().map(pair).collect();
    receive(&line)
}

#[test]
fn refusals_of_erlang_are_verified_behind_a_proxy() {
    let mut count = 0;
    for line in lines("exchanges.jsonl", 70) {
        let recorded = headers(&line["response"]["headers"]);
        if !signed_names(&recorded).contains(&"connection") {
            continue;
        }
        count += 1;
        let name = text(&line["name"]);
        let status = line["response"]["status"].as_u64().unwrap() as u16;
        let refused = End::Remote(status, base64(&line["response"]["body"]));
        for connection in [None, Some("close"), Some("Close"), Some("keep-alive"), Some("x, y")] {
            assert_eq!(behind_proxy(&line, connection, |_| ()), refused, "{name}, {connection:?}");
            let forged = behind_proxy(&line, connection, |headers| {
                headers.insert("content-length", HeaderValue::from_static("999"));
            });
            let reason = match forged {
                End::Authentication(reason, _) => reason,
                other => panic!("{name}: {other:?}"),
            };
            let expected =
                if connection.is_none() { "missing_header" } else { "invalid_signature" };
            assert_eq!(reason, expected, "{name}, {connection:?}");
        }
        let missing = behind_proxy(&line, None, |headers| drop(headers.remove("digest")));
        assert!(matches!(missing, End::Authentication(..)), "{name}");
    }
    assert!(count > 20, "{count}");
}

#[derive(Debug, PartialEq)]
enum End {
    Return,
    Exception,
    Authentication(String, Option<String>),
    Remote(u16, Vec<u8>),
    Failure(String),
}

fn receive(line: &Value) -> End {
    let settings = client::Settings::new(secrets(text(&line["secret"])));
    let response = &line["response"];
    let status = StatusCode::from_u16(response["status"].as_u64().unwrap() as u16).unwrap();
    let id = headers(&line["request"]["headers"])["x-request-id"].clone();
    let id = STANDARD.decode(id.as_bytes()).unwrap().try_into().unwrap();
    let unsafe_terms = line["client_options"].get("decode_unsafe_terms");
    let known: Option<&dyn KnownAtoms> =
        if unsafe_terms == Some(&Value::Bool(false)) { Some(&Few) } else { None };
    let verified =
        client::authenticate(status, &headers(&response["headers"]), &settings.secrets, id)
            .and_then(|head| head.verify(Bytes::from(base64(&response["body"]))));
    let verified = match verified {
        Ok(verified) => verified,
        Err(failure) => {
            let header = failure.header().map(str::to_owned);
            return End::Authentication(failure.reason().to_owned(), header);
        }
    };
    let checked = match verified.check_status() {
        Ok(checked) => checked,
        Err(failure) => return End::Remote(failure.status.as_u16(), failure.body.to_vec()),
    };
    let options = DecodeOptions { exact: true, known_atoms: known, ..DecodeOptions::default() };
    let mut tape = Tape::default();
    let decoded = checked
        .accept()
        .and_then(|accepted| accepted.inflate(settings.max_encoded_result_size))
        .and_then(|payload| payload.decode(&mut Decoder::new(), &options, &mut tape));
    match decoded {
        Ok((client::Outcome::Return { word_offset: 2 }, _)) => End::Return,
        Ok((client::Outcome::Exception { word_offset: 2 }, _)) => End::Exception,
        Ok(other) => panic!("{other:?}"),
        Err(failure) => End::Failure(failure.reason().to_owned()),
    }
}

fn expected(line: &Value) -> End {
    let result = &line["client_result"];
    if result.get("ok").is_some() {
        return End::Return;
    }
    if result.get("exception").is_some() || result.get("raised").is_some() {
        return End::Exception;
    }
    let failure = &result["failure"];
    if let Some(reason) = failure.get("atom") {
        return match text(reason) {
            "remote" => End::Remote(
                line["response"]["status"].as_u64().unwrap() as u16,
                base64(&line["response"]["body"]),
            ),
            reason => End::Failure(reason.to_owned()),
        };
    }
    assert_eq!(failure["tuple"][0]["atom"], "response_authentication");
    let reason = &failure["tuple"][1];
    match reason.get("tuple") {
        Some(pair) => {
            let header = String::from_utf8(base64(&pair[1]["bin"])).unwrap();
            End::Authentication(text(&pair[0]["atom"]).to_owned(), Some(header))
        }
        None => End::Authentication(text(&reason["atom"]).to_owned(), None),
    }
}

#[test]
fn responses() {
    for line in lines("responses.jsonl", 33) {
        assert_eq!(receive(&line), expected(&line), "{}", line["name"]);
    }
}

#[test]
fn recorded_answers_satisfy_the_client() {
    let mut count = 0;
    for mut line in lines("exchanges.jsonl", 70) {
        let is_signed = headers(&line["response"]["headers"]).contains_key("signature");
        if !is_signed {
            continue;
        }
        count += 1;
        line["secret"] = SECRET.into();
        let status = line["response"]["status"].as_u64().unwrap() as u16;
        let body = base64(&line["response"]["body"]);
        let name = line["name"].clone();
        match receive(&line) {
            End::Return => assert!(line["client_result"].get("exception").is_none(), "{name}"),
            End::Exception => assert!(line["client_result"].get("ok").is_none(), "{name}"),
            other => assert_eq!(other, End::Remote(status, body), "{name}"),
        }
    }
    assert!(count >= 50, "{count} answers");
}
