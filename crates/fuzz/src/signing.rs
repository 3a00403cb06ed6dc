//! A second implementation of signatures.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::{HeaderMap, HeaderValue};
use ring::{digest, hmac};

/// The secret of the recorded exchanges.
pub(crate) const SECRET: &str = "backwater vectors: shared secret!";
pub(crate) const ID: [u8; 16] = *b"sixteen bytes id";

pub(crate) fn signing_string(
    (pseudo_name, pseudo_value): (&str, &str),
    list: &[&str],
    headers: &HeaderMap,
) -> Option<Vec<u8>> {
    let lines = list.iter().map(|name| {
        let name = name.to_ascii_lowercase();
        let value = if name == pseudo_name {
            pseudo_value.as_bytes().to_vec()
        } else {
            let values: Vec<_> =
                headers.get_all(&name).iter().map(|value| trim(value.as_bytes())).collect();
            if values.is_empty() {
                return None;
            }
            values.join(&b", "[..])
        };
        Some([name.as_bytes(), b": ", &*value].concat())
    });
    Some(lines.collect::<Option<Vec<_>>>()?.join(&b'\n'))
}

fn trim(value: &[u8]) -> &[u8] {
    let is_space = |byte: &u8| *byte == b' ' || *byte == b'\t';
    let start = value.iter().position(|byte| !is_space(byte)).unwrap_or(value.len());
    let end = value.iter().rposition(|byte| !is_space(byte)).map_or(start, |last| last + 1);
    &value[start..end]
}

/// Adds an identifier, a length, a digest and a signature.
pub(crate) fn sign(headers: &mut HeaderMap, pseudo: (&str, &str), body: &[u8]) {
    let mut insert = |name, value: String| {
        headers.insert(name, HeaderValue::try_from(value).expect("a header's value"));
    };
    insert("x-request-id", STANDARD.encode(ID));
    insert("content-length", body.len().to_string());
    insert("digest", format!("SHA-256={}", STANDARD.encode(digest::digest(&digest::SHA256, body))));
    let parameters = parameters(pseudo, headers);
    let (name, value) = match pseudo.0 {
        "(request-target)" => ("authorization", format!("Signature {parameters}")),
        _ => ("signature", parameters),
    };
    headers.insert(name, HeaderValue::try_from(value).expect("a header's value"));
}

fn parameters(pseudo: (&str, &str), headers: &HeaderMap) -> String {
    let names: Vec<_> = headers.keys().map(|name| name.as_str()).collect();
    let list = [&[pseudo.0], &names[..]].concat();
    let text = signing_string(pseudo, &list, headers).unwrap_or_default();
    let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, SECRET.as_bytes()), &text);
    format!(
        "algorithm=\"hmac-sha256\",headers=\"{}\",keyId=\"default\",signature=\"{}\"",
        list.join(" "),
        STANDARD.encode(tag)
    )
}

pub(crate) fn last_parameter<'a>(mut text: &'a str, wanted: &str) -> Option<&'a str> {
    let mut found = None;
    loop {
        let equals = text.find('=')?;
        let value = text[equals + 1..].strip_prefix('"')?;
        let end = value.find('"')?;
        if &text[..equals] == wanted {
            found = Some(&value[..end]);
        }
        text = &value[end + 1..];
        if text.is_empty() {
            return found;
        }
        text = text.strip_prefix(',')?.trim_start_matches([' ', '\t']);
    }
}
