#![allow(clippy::unwrap_used, clippy::panic)]
//! Erlang's bytes, and how Erlang reads them.

use std::path::Path;

use backwater_etf::{DecodeOptions, Decoder, EncodeOptions, Encoder, Tape};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

/// Intended differences from OTP 25; see the README of the vectors.
const REFUSED_HERE: [&str; 4] =
    ["m798", "COMPRESSED", "EXPORT_EXT arity 256", "NEW_REFERENCE 0 ids"];
const EITHER_IS_FINE: [&str; 4] =
    ["MAP dup -0.0 0.0", "BIT_BINARY len 0 bits 0", "EXPORT_EXT arity int", "NEW_REFERENCE 6 ids"];

const EXACT: bool = true;
const JS: bool = false;

struct Vector {
    name: String,
    bytes: Vec<u8>,
    /// Encoded with `{minor_version, 2}`.
    own: Vec<u8>,
    used: Option<usize>,
    accepted: bool,
    reencoded: Option<Vec<u8>>,
    is_fun: bool,
}

fn vectors(file: &str, at_least: usize) -> Vec<Vector> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../__test__/vectors/terms")
        .join(format!("{file}.jsonl"));
    let text = std::fs::read_to_string(path).unwrap();
    let bytes = |value: &Value| STANDARD.decode(value.as_str().unwrap()).unwrap();
    let vectors: Vec<_> = text
        .lines()
        .enumerate()
        .filter(|(index, line)| !cfg!(miri) || line.len() < 120 && index % 20 == 0)
        .map(|(_, line)| line)
        .map(|line| {
            let (line, term) = without_term(line);
            let line: Value = serde_json::from_str(&line).unwrap();
            let name = line["name"].as_str().unwrap().to_owned();
            Vector {
                bytes: bytes(&line["etf"]),
                own: bytes(line.get("etf_minor2").unwrap_or(&line["etf"])),
                used: line.get("used").map(|used| used.as_u64().unwrap() as usize),
                accepted: line.get("error").is_none() && !REFUSED_HERE.contains(&name.as_str()),
                reencoded: line.get("reencoded").map(bytes),
                is_fun: term.contains("\"fun\""),
                name,
            }
        })
        .filter(|vector| !EITHER_IS_FINE.contains(&vector.name.as_str()))
        .collect();
    assert!(cfg!(miri) || vectors.len() >= at_least, "{file} has {} lines", vectors.len());
    vectors
}

/// The JSON reader refuses deep nesting.
fn without_term(line: &str) -> (String, &str) {
    let Some(start) = line.find(",\"term\":") else { return (line.to_owned(), "") };
    let end = line.rfind(",\"reencoded\":").unwrap_or(line.len() - 1);
    (format!("{}{}", &line[..start], &line[end..]), &line[start..end])
}

#[derive(Default)]
struct Codec {
    decoder: Decoder,
    encoder: Encoder,
}

impl Codec {
    fn decode(&mut self, bytes: &[u8], exact: bool) -> Option<(usize, Tape)> {
        let mut tape = Tape::default();
        let options = DecodeOptions { exact, ..DecodeOptions::default() };
        self.decoder.decode(bytes, &options, &mut tape).ok().map(|used| (used, tape))
    }

    fn encode(&mut self, tape: &Tape, source: &[u8], name: &str) -> Vec<u8> {
        let mut out = vec![131];
        self.encoder
            .encode_term(tape.as_tape_ref(source), &EncodeOptions::default(), &mut out)
            .unwrap_or_else(|error| panic!("{name}: {error}"));
        out
    }
}

fn check_exact(file: &str, at_least: usize) {
    let mut codec = Codec::default();
    for vector in vectors(file, at_least) {
        let Vector { name, bytes, .. } = &vector;
        let decoded = codec.decode(bytes, EXACT);
        assert_eq!(decoded.is_some(), vector.accepted, "{name}: acceptance");
        let Some((used, tape)) = decoded else { continue };
        assert_eq!(used, vector.used.unwrap_or(bytes.len()), "{name}: used");
        let encoded = codec.encode(&tape, bytes, name);
        match &vector.reencoded {
            None => assert_eq!(encoded, vector.own, "{name}: encoding"),
            // Erlang changes the funs of other nodes.
            Some(_) if vector.is_fun => {}
            // Erlang writes old tags here, so re-encode both.
            Some(reencoded) => {
                let (used, tape) = codec.decode(reencoded, EXACT).unwrap();
                assert_eq!(used, reencoded.len(), "{name}: re-encoding");
                let theirs = codec.encode(&tape, reencoded, name);
                assert_eq!(any_order(encoded), any_order(theirs), "{name}: re-encoding");
            }
        }
    }
}

/// Erlang sorts maps, so only the set of bytes matters.
fn any_order(mut encoded: Vec<u8>) -> Vec<u8> {
    if encoded.contains(&116) {
        encoded.sort_unstable();
    }
    encoded
}

fn check_js(file: &str, at_least: usize) {
    let mut codec = Codec::default();
    for vector in vectors(file, at_least) {
        let Vector { name, bytes, .. } = &vector;
        let decoded = codec.decode(bytes, JS);
        assert_eq!(decoded.is_some(), vector.accepted, "{name}: acceptance");
        let Some((used, tape)) = decoded else { continue };
        let (exact_used, exact) = codec.decode(bytes, EXACT).unwrap();
        assert_eq!(used, exact_used, "{name}: used");
        let encoded = codec.encode(&tape, bytes, name);
        assert_eq!(encoded, codec.encode(&exact, bytes, name), "{name}: modes");

        let (used, again) = codec.decode(&encoded, JS).unwrap();
        assert_eq!(used, encoded.len(), "{name}: own encoding");
        assert_eq!(
            (&again.floats, &again.latin1, &again.utf16, &again.atoms, &again.shapes),
            (&tape.floats, &tape.latin1, &tape.utf16, &tape.atoms, &tape.shapes),
            "{name}: own encoding",
        );
        assert_eq!(again.names, tape.names, "{name}: names");
        assert_eq!(codec.encode(&again, &encoded, name), encoded, "{name}: own encoding");
        let (_, third) = codec.decode(&encoded, JS).unwrap();
        assert_eq!(third, again, "{name}: the same bytes");
    }
}

#[test]
fn named_exact() {
    check_exact("named", 150);
}

#[test]
fn random_exact() {
    check_exact("random", 250);
}

#[test]
fn foreign_exact() {
    check_exact("foreign", 80);
}

#[test]
fn mutations_exact() {
    check_exact("mutations", 2400);
}

#[test]
fn named_js() {
    check_js("named", 150);
}

#[test]
fn random_js() {
    check_js("random", 250);
}

#[test]
fn foreign_js() {
    check_js("foreign", 80);
}

#[test]
fn mutations_js() {
    check_js("mutations", 2400);
}
