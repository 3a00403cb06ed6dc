//! Signatures of headers (draft-cavage-http-signatures, as Erlang's library implements it).

use std::cmp::Ordering;
use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue};
use ring::hmac;

use crate::headers;
use crate::secrets::{Candidates, Tags};

const ALGORITHM: &str = "hmac-sha256";
const KEY_ID: &str = "default";

pub(crate) type Tag = [u8; 32];

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SignatureFailure {
    InvalidHeaderParams,
    UnknownKey,
    UnknownAlgorithm,
    MissingSignedHeaderList,
    MissingMandatoryHeader(&'static str),
    /// A header that must be signed if present is not listed.
    MissingMandatorilySignedHeader(&'static str),
    MissingHeader(String),
    DuplicateHeader(&'static str),
    InvalidSignature,
    /// The named caller is unknown, or a required name is missing.
    UnknownCaller,
}

impl SignatureFailure {
    pub fn reason(&self) -> &'static str {
        match self {
            Self::InvalidHeaderParams => "invalid_header_params",
            Self::UnknownKey => "unknown_key",
            Self::UnknownAlgorithm => "unknown_algorithm",
            Self::MissingSignedHeaderList => "missing_signed_header_list",
            Self::MissingMandatoryHeader(_) => "missing_mandatory_header",
            Self::MissingMandatorilySignedHeader(_) => "missing_mandatorily_signed_header",
            Self::MissingHeader(_) => "missing_header",
            Self::DuplicateHeader(_) => "duplicate_header",
            Self::InvalidSignature => "invalid_signature",
            Self::UnknownCaller => "unknown_caller",
        }
    }

    pub fn header(&self) -> Option<&str> {
        match self {
            Self::MissingMandatoryHeader(name)
            | Self::MissingMandatorilySignedHeader(name)
            | Self::DuplicateHeader(name) => Some(name),
            Self::MissingHeader(name) => Some(name),
            _ => None,
        }
    }
}

impl fmt::Display for SignatureFailure {
    /// As Erlang prints it, such as `{missing_header,<<"digest">>}`.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.header() {
            Some(header) => write!(formatter, "{{{},<<\"{header}\">>}}", self.reason()),
            None => formatter.write_str(self.reason()),
        }
    }
}

impl std::error::Error for SignatureFailure {}

#[derive(Clone, Copy)]
pub(crate) struct Signed<'a> {
    /// `(request-target)` or `(response-status)`.
    pub(crate) pseudo_name: &'static str,
    pub(crate) pseudo_value: &'a [&'a str],
    pub(crate) headers: &'a HeaderMap,
    /// A header that is verified with this value instead of its own.
    pub(crate) replaced: Option<(&'static str, &'static str)>,
}

pub(crate) struct Demands {
    pub(crate) mandatory: &'static [&'static str],
    pub(crate) if_present: &'static [&'static str],
}

const USUAL_NAMES: usize = 16;

/// The last of repeated names wins, and unknown names are ignored.
#[derive(Default)]
struct Parameters<'a> {
    key_id: Option<&'a str>,
    algorithm: Option<&'a str>,
    headers: Option<&'a str>,
    signature: Option<&'a str>,
}

impl<'a> Parameters<'a> {
    fn parse(mut text: &'a str) -> Option<Self> {
        let mut parameters = Self::default();
        loop {
            let (name, rest) = split_at_byte(text, b'=')?;
            let is_name =
                |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.');
            if name.is_empty() || !name.bytes().all(is_name) {
                return None;
            }
            let (value, rest) = split_at_byte(rest.strip_prefix('"')?, b'"')?;
            match name {
                "keyId" => parameters.key_id = Some(value),
                "algorithm" => parameters.algorithm = Some(value),
                "headers" => parameters.headers = Some(value),
                "signature" => parameters.signature = Some(value),
                _ => {}
            }
            if rest.is_empty() {
                return Some(parameters);
            }
            text = rest.strip_prefix(',')?.trim_start_matches([' ', '\t']);
        }
    }
}

/// Faster than `split_once` for short text.
fn split_at_byte(text: &str, separator: u8) -> Option<(&str, &str)> {
    let at = text.bytes().position(|byte| byte == separator)?;
    Some((&text[..at], &text[at + 1..]))
}

/// Names are case-insensitive.
#[derive(Debug)]
pub(crate) struct SignedNames<'a> {
    names: Vec<&'a str>,
    is_lower_case: bool,
}

impl<'a> SignedNames<'a> {
    #[cfg(test)]
    pub(crate) fn of(names: Vec<&'a str>) -> Self {
        let is_lower_case = !names.iter().any(|name| has_upper_case(name));
        Self { names, is_lower_case }
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &'a str> {
        self.names.iter().copied()
    }

    pub(crate) fn contains(&self, name: &str) -> bool {
        self.names.iter().any(|listed| listed.eq_ignore_ascii_case(name))
    }
}

pub(crate) struct Verified<'a> {
    pub(crate) secret: usize,
    pub(crate) tag: Tag,
    pub(crate) names: SignedNames<'a>,
}

pub(crate) fn verify<'a, 'k>(
    parameters: &'a HeaderValue,
    scheme: &str,
    signed: Signed<'_>,
    demands: &Demands,
    candidates: impl FnOnce(&SignedNames<'a>) -> Candidates<'k>,
) -> Result<Verified<'a>, SignatureFailure> {
    let text = parameters.to_str().map_err(|_| SignatureFailure::InvalidHeaderParams)?;
    let text = text.get(scheme.len()..).unwrap_or_default();
    let parameters = Parameters::parse(text).ok_or(SignatureFailure::InvalidHeaderParams)?;
    if parameters.key_id != Some(KEY_ID) {
        return Err(SignatureFailure::UnknownKey);
    }
    if parameters.algorithm != Some(ALGORITHM) {
        return Err(SignatureFailure::UnknownAlgorithm);
    }
    let list = parameters.headers.ok_or(SignatureFailure::MissingSignedHeaderList)?;
    // More names than headers must include a missing or repeated one.
    let most = signed.headers.keys_len() + 1;
    let mut names = Vec::with_capacity(USUAL_NAMES);
    names.extend(names_of(list).take(most + 1));
    let names = SignedNames { names, is_lower_case: !has_upper_case(list) };
    if !are_distinct(&names) {
        return Err(SignatureFailure::InvalidHeaderParams);
    }
    // With more names, one is missing, and building the signing string fails.
    if names.names.len() <= most {
        check_list(signed, demands, &names)?;
    }
    let candidates = candidates(&names);
    let mut tags = Tags::by(candidates.keys());
    signing_string(signed, &names, |piece| tags.add(piece))?;
    let given = parameters.signature.ok_or(SignatureFailure::InvalidSignature)?;
    let tag = decode_tag(given).ok_or(SignatureFailure::InvalidSignature)?;
    let place = tags.position(&tag);
    // Checked last, so that an unknown caller takes as long as a wrong signature.
    let first = candidates.number(0).ok_or(SignatureFailure::UnknownCaller)?;
    let secret = first + place.ok_or(SignatureFailure::InvalidSignature)?;
    Ok(Verified { secret, tag, names })
}

fn names_of(list: &str) -> impl Iterator<Item = &str> {
    let mut rest = list;
    std::iter::from_fn(move || {
        rest = rest.trim_start_matches(' ');
        let end = rest.bytes().position(|byte| byte == b' ').unwrap_or(rest.len());
        let name;
        (name, rest) = rest.split_at(end);
        (!name.is_empty()).then_some(name)
    })
}

fn check_list(
    signed: Signed<'_>,
    demands: &Demands,
    names: &SignedNames<'_>,
) -> Result<(), SignatureFailure> {
    for name in std::iter::once(&signed.pseudo_name).chain(demands.mandatory) {
        if !names.contains(name) {
            return Err(SignatureFailure::MissingMandatoryHeader(name));
        }
    }
    for name in demands.if_present {
        if headers::get_all(signed.headers, name).iter().next().is_some() && !names.contains(name) {
            return Err(SignatureFailure::MissingMandatorilySignedHeader(name));
        }
    }
    Ok(())
}

/// A repeated name signs its value again, so a short list could stand for a huge text.
fn are_distinct(SignedNames { names, is_lower_case }: &SignedNames<'_>) -> bool {
    // Writers usually sort names.
    if *is_lower_case && names.is_sorted_by(|left, right| left < right) {
        return true;
    }
    let mut sorted = names.clone();
    sorted.sort_unstable_by(|left, right| compare(left, right));
    sorted.is_sorted_by(|left, right| compare(left, right) == Ordering::Less)
}

fn has_upper_case(text: &str) -> bool {
    // `any` would check one byte at a time.
    text.bytes().fold(false, |found, byte| found | byte.is_ascii_uppercase())
}

/// Ignores case.
fn compare(left: &str, right: &str) -> Ordering {
    let [left, right] =
        [left, right].map(|name| name.bytes().map(|byte| byte.to_ascii_lowercase()));
    left.cmp(right)
}

/// Produces `name: value` of each listed header, joined by LF.
fn signing_string(
    signed: Signed<'_>,
    names: &SignedNames<'_>,
    mut add: impl FnMut(&[u8]),
) -> Result<(), SignatureFailure> {
    for (index, name) in names.iter().enumerate() {
        if index > 0 {
            add(b"\n");
        }
        if names.is_lower_case {
            add(name.as_bytes());
        } else {
            add(name.to_ascii_lowercase().as_bytes());
        }
        add(b": ");
        if name.eq_ignore_ascii_case(signed.pseudo_name) {
            signed.pseudo_value.iter().for_each(|part| add(part.as_bytes()));
            continue;
        }
        if let Some((replaced, value)) = signed.replaced
            && name.eq_ignore_ascii_case(replaced)
        {
            add(value.as_bytes());
            continue;
        }
        let mut values = headers::get_all(signed.headers, name).iter();
        let first =
            values.next().ok_or_else(|| SignatureFailure::MissingHeader(name.to_owned()))?;
        add(trim(first.as_bytes()));
        // Repeated headers form one list (RFC 9110, 5.3).
        for value in values {
            add(b", ");
            add(trim(value.as_bytes()));
        }
    }
    Ok(())
}

fn decode_tag(text: &str) -> Option<Tag> {
    // 44 characters may hold 33 bytes.
    let mut bytes = [0; 33];
    if text.len() != 44 || STANDARD.decode_slice(text, &mut bytes) != Ok(32) {
        return None;
    }
    bytes.first_chunk().copied()
}

fn trim(mut value: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] | [rest @ .., b' ' | b'\t'] = value {
        value = rest;
    }
    value
}

/// `names` must be sorted.
pub(crate) fn sign(
    signed: Signed<'_>,
    names: &[HeaderName],
    key: &hmac::Key,
    scheme: &str,
) -> Signature {
    let mut signing = Signing::begin(key, scheme, signed.pseudo_name, signed.pseudo_value);
    for name in names {
        if let Some(value) = signed.headers.get(name) {
            signing.add(name, value);
        }
    }
    signing.finish()
}

pub(crate) struct Signature {
    pub(crate) parameters: HeaderValue,
    pub(crate) tag: Tag,
}

pub(crate) struct Signing {
    text: String,
    tags: Tags,
}

impl Signing {
    pub(crate) fn begin(
        key: &hmac::Key,
        scheme: &str,
        pseudo_name: &str,
        pseudo_value: &[&str],
    ) -> Self {
        let mut text = String::with_capacity(384);
        text.push_str(scheme);
        text.push_str("algorithm=\"");
        text.push_str(ALGORITHM);
        text.push_str("\",headers=\"");
        text.push_str(pseudo_name);
        let mut tags = Tags::by(std::slice::from_ref(key));
        tags.add(pseudo_name.as_bytes());
        tags.add(b": ");
        for part in pseudo_value {
            tags.add(part.as_bytes());
        }
        Self { text, tags }
    }

    pub(crate) fn add(&mut self, name: &HeaderName, value: &HeaderValue) {
        self.text.push(' ');
        self.text.push_str(name.as_str());
        for piece in [b"\n", name.as_str().as_bytes(), b": ", trim(value.as_bytes())] {
            self.tags.add(piece);
        }
    }

    pub(crate) fn finish(self) -> Signature {
        let Self { mut text, tags } = self;
        text.push_str("\",keyId=\"");
        text.push_str(KEY_ID);
        text.push_str("\",signature=\"");
        let tag = tags.first();
        STANDARD.encode_string(tag, &mut text);
        text.push('"');
        // Names and base64 are ASCII.
        let parameters = HeaderValue::from_maybe_shared(Bytes::from(text))
            .unwrap_or(HeaderValue::from_static(""));
        Signature { parameters, tag: tag.as_ref().try_into().unwrap_or_default() }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::path::Path;

    use serde_json::Value;

    use super::*;
    use crate::Secrets;

    const NO_DEMANDS: Demands = Demands { mandatory: &[], if_present: &[] };

    fn bytes(text: &Value) -> Vec<u8> {
        text.as_str().unwrap().chars().map(|c| u8::try_from(u32::from(c)).unwrap()).collect()
    }

    #[test]
    #[cfg_attr(miri, ignore = "ring is assembly, which Miri does not run")]
    fn golden_files() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
        let paths = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
        let mut count = 0;
        for path in paths.filter(|path| path.extension().is_some_and(|end| end == "json")) {
            let case: Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
            check(&case);
            count += 1;
        }
        assert_eq!(count, 15);
    }

    #[test]
    fn repeated_names_are_found_in_any_case_and_order() {
        for names in [&["a", "b", "c"][..], &["c", "A", "b"], &["a"], &[], &["a", "aa", "b"]] {
            assert!(are_distinct(&SignedNames::of(names.to_vec())), "{names:?}");
        }
        for names in [&["a", "a"][..], &["a", "b", "A"], &["b", "a", "b"], &["B", "b"]] {
            assert!(!are_distinct(&SignedNames::of(names.to_vec())), "{names:?}");
        }
    }

    fn check(case: &Value) {
        let name = &case["name"];
        let mut headers = HeaderMap::new();
        for header in case["headers"].as_array().unwrap() {
            let name = HeaderName::try_from(header[0].as_str().unwrap()).unwrap();
            headers.append(name, HeaderValue::from_bytes(&bytes(&header[1])).unwrap());
        }
        let pseudo_name = match case["pseudo"][0].as_str().unwrap() {
            "(request-target)" => "(request-target)",
            _ => "(response-status)",
        };
        let pseudo_value = case["pseudo"][1].as_str().unwrap();
        let signed = Signed {
            pseudo_name,
            pseudo_value: &[pseudo_value],
            headers: &headers,
            replaced: None,
        };
        let list = case["list"].as_str().unwrap();
        let names = SignedNames::of(names_of(list).collect());
        let mut string = Vec::new();
        signing_string(signed, &names, |piece| string.extend_from_slice(piece)).unwrap();
        assert_eq!(string, bytes(&case["string"]), "{name}");

        let secrets = Secrets::new([bytes(&case["secret"])]).unwrap();
        let signature = case["signature"].as_str().unwrap();
        assert_eq!(STANDARD.encode(hmac::sign(&secrets.keys()[0], &string)), signature, "{name}");
        let parameters = |signature: &str| {
            let text = format!(
                "keyId=\"default\",algorithm=\"hmac-sha256\",headers=\"{list}\",signature=\"{signature}\""
            );
            HeaderValue::try_from(text).unwrap()
        };
        let verify = |signature: &str| {
            verify(&parameters(signature), "", signed, &NO_DEMANDS, |_| secrets.candidates())
                .map(|_| ())
        };
        assert_eq!(verify(signature), Ok(()), "{name}");
        let tag = STANDARD.decode(signature).unwrap();
        let longer = [&tag[..], &[0]].concat();
        for wrong in [&[0; 32][..], &tag[..31], &tag[..16], &[], &longer] {
            let failure = verify(&STANDARD.encode(wrong));
            assert_eq!(failure, Err(SignatureFailure::InvalidSignature), "{name}");
        }
        // Base64 must be canonical.
        for wrong in [
            signature.trim_end_matches('='),
            &format!("{signature}="),
            &signature.replace('=', " "),
        ] {
            assert_eq!(verify(wrong), Err(SignatureFailure::InvalidSignature), "{name}: {wrong}");
        }
    }
}
