//! Requests.

use backwater_etf::{EncodeErrorKind, EncodeOptions, Encoder, TapeRef};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::header::{
    ACCEPT, ACCEPT_ENCODING, AUTHORIZATION, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, HOST,
};
use http::{HeaderName, HeaderValue, Method, Request, Uri};

use super::{EncodeFailure, Settings};
use crate::headers::{DIGEST, ETF, GZIP, REQUEST_ID};
use crate::signature::{Signed, sign};
use crate::{digest, gzip};

/// All headers of a request that are signed, in alphabetical order.
const SIGNED: [HeaderName; 7] =
    [ACCEPT, ACCEPT_ENCODING, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, DIGEST, REQUEST_ID];

const VERSION: u8 = 131;

/// The path that names a function: `/backwater/1/<module>/<function>/<arity>`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct RequestPath {
    text: String,
}

impl RequestPath {
    /// The path of a function, its names percent-encoded.
    pub fn new(module: &str, function: &str, arity: u8) -> Self {
        let mut text = String::with_capacity(32 + module.len() + function.len());
        text.push_str("/backwater/1/");
        percent_encode(module, &mut text);
        text.push('/');
        percent_encode(function, &mut text);
        text.push('/');
        text.push_str(&arity.to_string());
        Self { text }
    }

    /// As it stands in a request.
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

/// Letters, digits and `-._~` stand as they are (RFC 3986, 2.3).
fn percent_encode(name: &str, text: &mut String) {
    for byte in name.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            text.push(char::from(byte));
        } else {
            const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
            text.push('%');
            text.push(char::from(DIGITS[usize::from(byte >> 4)]));
            text.push(char::from(DIGITS[usize::from(byte & 15)]));
        }
    }
}

/// A signed request.
///
/// # Errors
///
/// When the arguments are no term or too large, or the authority is none.
pub fn encode_request(
    path: &RequestPath,
    authority: &str,
    arguments: TapeRef<'_>,
    encoder: &mut Encoder,
    request_id: [u8; 16],
    settings: &Settings,
) -> Result<Request<Bytes>, EncodeFailure> {
    let limit = settings.max_encoded_args_size;
    let mut body = Vec::with_capacity(256);
    body.push(VERSION);
    let options = EncodeOptions { max_size: limit, ..EncodeOptions::default() };
    encoder.encode_term(arguments, &options, &mut body).map_err(|error| match error.kind {
        EncodeErrorKind::TooLarge(_) => EncodeFailure::TooLarge { limit },
        _ => EncodeFailure::Encode(error),
    })?;
    let wanted = body.len() >= settings.compression_threshold;
    let packed = if wanted { gzip::deflate(&body, settings.gzip_level) } else { None };
    let is_packed = packed.is_some();
    let target = |text: &str| EncodeFailure::Target(text.to_owned());
    let mut request = Request::new(Bytes::from(packed.unwrap_or(body)));
    *request.method_mut() = Method::POST;
    *request.uri_mut() = Uri::try_from(path.as_str()).map_err(|_| target(path.as_str()))?;
    let length = HeaderValue::from(request.body().len());
    let body_digest = digest::digest_of(request.body());
    let id = HeaderValue::from_str(&STANDARD.encode(request_id)).map_err(|_| target("id"))?;
    let host = HeaderValue::from_str(authority).map_err(|_| target(authority))?;
    let headers = request.headers_mut();
    headers.reserve(10);
    headers.insert(HOST, host);
    headers.insert(ACCEPT, ETF);
    headers.insert(ACCEPT_ENCODING, GZIP);
    if is_packed {
        headers.insert(CONTENT_ENCODING, GZIP);
    }
    headers.insert(CONTENT_LENGTH, length);
    headers.insert(CONTENT_TYPE, ETF);
    headers.insert(DIGEST, body_digest);
    headers.insert(REQUEST_ID, id);
    let request_target = format!("post {}", path.as_str());
    let signed = Signed { pseudo_name: "(request-target)", pseudo_value: &request_target, headers };
    let authorization = sign(signed, &SIGNED, &settings.secrets, 0, "Signature ");
    headers.insert(AUTHORIZATION, authorization);
    Ok(request)
}

#[cfg(test)]
mod tests {
    use super::RequestPath;

    #[test]
    fn names_are_percent_encoded() {
        assert_eq!(
            RequestPath::new("string", "to_upper", 1).as_str(),
            "/backwater/1/string/to_upper/1"
        );
        assert_eq!(
            RequestPath::new("a/b %", "é?", 255).as_str(),
            "/backwater/1/a%2Fb%20%25/%C3%A9%3F/255"
        );
        assert_eq!(RequestPath::new("%%", "++", 0).as_str(), "/backwater/1/%25%25/%2B%2B/0");
    }
}
