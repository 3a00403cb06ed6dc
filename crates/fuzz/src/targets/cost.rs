//! Input: a kind, then parts, each a count (a byte squared, plus one), a length and bytes. Kinds 0
//! and 1 are an unsigned request and response; 2 and 3 are path and body of a signed request.

use std::time::{Duration, Instant};

use backwater_protocol::client;
use backwater_protocol::server;
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, Uri};

use super::decode::{MEMORY_BESIDES, MEMORY_PER_BYTE};
use crate::input::Input;
use crate::parse::{parse_request, parse_response};
use crate::{memory, pipeline, signing};

const LONGEST: usize = 64 * 1024;

/// For unsigned messages.
const UNAUTHENTICATED_PER_BYTE: usize = 4;
const UNAUTHENTICATED_BESIDES: usize = 16 * 1024;

/// Fifty times the usual time on a machine of 2020. Quadratic work takes longer.
const TIME_PER_BYTE: Duration = Duration::from_micros(1);
const TIME_BESIDES: Duration = Duration::from_millis(20);
const ATTEMPTS: u32 = 5;

pub fn run(data: &[u8]) {
    let mut input = Input::new(data);
    let kind = input.below(4);
    let bytes = expand(&mut input);
    match kind {
        0 => request(&bytes),
        1 => response(&bytes),
        2 => path(&bytes),
        _ => body(&bytes),
    }
}

fn expand(input: &mut Input<'_>) -> Vec<u8> {
    let mut bytes = Vec::new();
    while !input.is_empty() {
        let count = usize::from(input.byte()).pow(2) + 1;
        let part = input.chunk();
        for _ in 0..count {
            if bytes.len() + part.len() > LONGEST {
                return bytes;
            }
            bytes.extend_from_slice(part);
        }
    }
    bytes
}

fn bounded(size: usize, (per_byte, besides): (usize, usize), work: impl Fn()) {
    memory::within(per_byte * size + besides, "a message", &work);
    let most = TIME_PER_BYTE * u32::try_from(size).unwrap_or(u32::MAX) + TIME_BESIDES;
    let mut least = Duration::MAX;
    for _ in 0..ATTEMPTS {
        let start = Instant::now();
        work();
        least = least.min(start.elapsed());
        if least <= most {
            return;
        }
    }
    panic!("a message of {size} bytes takes {least:?}, more than {most:?}");
}

fn request(bytes: &[u8]) {
    let Some((method, target, headers, head)) = parse_request(bytes) else { return };
    let settings = pipeline::server_settings();
    bounded(head, (UNAUTHENTICATED_PER_BYTE, UNAUTHENTICATED_BESIDES), || {
        if let Err(refusal) = server::authenticate(&method, &target, &headers, &settings) {
            refusal.into_response(&settings);
        }
    });
}

fn response(bytes: &[u8]) {
    let Some((status, headers, head)) = parse_response(bytes) else { return };
    let settings = pipeline::client_settings();
    bounded(head, (UNAUTHENTICATED_PER_BYTE, UNAUTHENTICATED_BESIDES), || {
        let result = client::authenticate(status, &headers, &settings.secrets, signing::ID);
        if let Err(failure) = result {
            failure.to_string();
        }
    });
}

fn path(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let Ok(uri) = Uri::try_from(format!("/backwater/1/{text}")) else { return };
    signed(uri.path(), b"\x83j");
}

fn body(bytes: &[u8]) {
    signed("/backwater/1/m/f/1", bytes);
}

fn signed(target: &str, body: &[u8]) {
    let mut headers = HeaderMap::new();
    let etf = HeaderValue::from_static("application/x-erlang-etf");
    headers.insert("accept", etf.clone());
    headers.insert("content-type", etf);
    signing::sign(&mut headers, ("(request-target)", &format!("post {target}")), body);
    let body = Bytes::copy_from_slice(body);
    bounded(target.len() + body.len(), (MEMORY_PER_BYTE, MEMORY_BESIDES), || {
        pipeline::serve(&Method::POST, target, &headers, body.clone());
    });
}
