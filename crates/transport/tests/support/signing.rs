//! Signs messages that the library would not send.

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use ring::{digest, hmac};

use super::SECRET;
use super::peers::header;

pub fn sign_request(target: &str, body: &[u8]) -> String {
    sign_headers(target, body, &[])
}

pub fn sign_gzipped_request(target: &str, body: &[u8]) -> String {
    let more =
        [("content-encoding", "gzip".to_owned()), ("content-length", body.len().to_string())];
    sign_headers(target, body, &more)
}

fn sign_headers(target: &str, body: &[u8], more: &[(&'static str, String)]) -> String {
    let mut headers = vec![
        ("accept", "application/x-erlang-etf".to_owned()),
        ("content-type", "application/x-erlang-etf".to_owned()),
        ("digest", digest_of(body)),
        ("x-request-id", BASE64.encode([9; 16])),
    ];
    headers.extend_from_slice(more);
    let parameters = parameters("(request-target)", &format!("post {target}"), &headers);
    format!("{}authorization: Signature {parameters}\r\n", lines(&headers))
}

pub fn response(request: &[u8], status: u16, more: &str, body: &[u8]) -> Vec<u8> {
    let length = body.len().to_string();
    let framing = ("content-length", length);
    [&head(request, status, more, framing, true, body)[..], body].concat()
}

pub fn chunked_response_head(request: &[u8], status: u16, body: &[u8]) -> Vec<u8> {
    head(request, status, "", ("transfer-encoding", "chunked".to_owned()), false, body)
}

fn head(
    request: &[u8],
    status: u16,
    more: &str,
    framing: (&'static str, String),
    sign_framing: bool,
    body: &[u8],
) -> Vec<u8> {
    let mut headers = vec![
        ("content-type", "application/x-erlang-etf".to_owned()),
        ("digest", digest_of(body)),
        ("x-request-id", header(request, "x-request-id").unwrap()),
    ];
    let mut unsigned = String::new();
    if sign_framing {
        headers.push(framing);
    } else {
        unsigned = lines(&[framing]);
    }
    let parameters = parameters("(response-status)", &status.to_string(), &headers);
    let signed = lines(&headers);
    format!("HTTP/1.1 {status} X\r\n{more}{unsigned}{signed}signature: {parameters}\r\n\r\n")
        .into_bytes()
}

fn digest_of(body: &[u8]) -> String {
    format!("SHA-256={}", BASE64.encode(digest::digest(&digest::SHA256, body)))
}

fn parameters(pseudo: &str, value: &str, headers: &[(&str, String)]) -> String {
    let mut names = pseudo.to_owned();
    let mut text = format!("{pseudo}: {value}");
    for (name, value) in headers {
        names += &format!(" {name}");
        text += &format!("\n{name}: {value}");
    }
    let key = hmac::Key::new(hmac::HMAC_SHA256, SECRET);
    let signature = BASE64.encode(hmac::sign(&key, text.as_bytes()));
    format!(r#"algorithm="hmac-sha256",headers="{names}",keyId="default",signature="{signature}""#)
}

fn lines(headers: &[(&str, String)]) -> String {
    headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect()
}

/// Omits the last, empty chunk.
pub fn chunks(body: &[u8]) -> Vec<u8> {
    body.iter().flat_map(|byte| [b'1', b'\r', b'\n', *byte, b'\r', b'\n']).collect()
}
