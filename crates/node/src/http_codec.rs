//! `encodeRequest` and `decodeResponse`: the protocol for other HTTP clients.

use std::time::SystemTime;

use backwater_etf::{Decoder, Encoder, Tape, TapeRef};
use backwater_protocol::client::{self, Extensions, Outcome, RequestPath, Settings};
use backwater_protocol::{CallTimeout, Secrets};
use backwater_transport::Share;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use napi::bindgen_prelude::Buffer;
use napi::{Error, Result};
use napi_derive::napi;
use serde::Deserialize;
use serde_json::Value;

use crate::errors;
use crate::events::Message;
use crate::options::{self, TermFlags, ValueBounds, size};

/// A signed request.
#[napi(object)]
pub struct SignedRequest {
    /// The path.
    pub path: String,
    /// Pairs of name and value, as JSON.
    pub headers: String,
    /// The body to send.
    pub body: Buffer,
}

/// A response whose tape a decoder reads in parts.
#[napi(object)]
pub struct DecodedResponse {
    /// Its slot among the large messages; see codec/decoder.rs.
    pub slot: u32,
    /// The word of the term at which the value starts.
    pub skip: u32,
    /// Whether the value is `{Class, Reason, Stacktrace}`.
    pub exception: bool,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RequestParameters {
    module: String,
    function: String,
    arity: u8,
    max_encoded_args_size: usize,
    compression_threshold: u32,
    gzip_level: u32,
    accept_gzip: bool,
    timeout: u32,
    replay_protection: bool,
    audience: Option<String>,
    /// Names and values in turns, with NUL between them; empty for none.
    headers: String,
}

pub(crate) fn encode_request(
    parameters: &str,
    secrets: Secrets,
    tape: TapeRef<'_>,
    request_id: &[u8],
) -> Result<SignedRequest> {
    let parameters: RequestParameters = options::parse(parameters)?;
    let settings = Settings {
        max_encoded_args_size: parameters.max_encoded_args_size,
        compression_threshold: size(parameters.compression_threshold),
        gzip_level: parameters.gzip_level,
        accept_gzip: parameters.accept_gzip,
        ..Settings::new(secrets)
    };
    let extensions = Extensions {
        timeout: options::limit(parameters.timeout).map(CallTimeout::from_duration),
        created: parameters.replay_protection.then(|| SystemTime::now().into()),
        audience: options::header_value(parameters.audience.as_deref())?,
    };
    let carried = match parameters.headers.as_str() {
        "" => None,
        text => Some(options::call_headers(text).ok_or_else(|| {
            refused("options.metadata", "'options.metadata' cannot stand in a request")
        })?),
    };
    let RequestParameters { module, function, arity, .. } = parameters;
    let path = RequestPath::new(&module, &function, arity);
    let id = request_id.try_into().map_err(|_| Error::from_reason("a request id has 16 bytes"))?;
    let mut encoder = Encoder::default();
    // The caller's HTTP client sets `host`, which is not signed.
    let host = HeaderValue::from_static("host");
    let prepared = client::prepare_request(&path, &host, tape, &mut encoder, &settings)
        .map_err(|failure| thrown(&errors::encode_failure(&failure)))?;
    let (head, body) = prepared.carrying(carried).sign(id, extensions).into_parts();
    let mut headers: Vec<(&str, &str)> = head
        .headers
        .iter()
        .filter(|(name, _)| *name != http::header::HOST)
        .filter_map(|(name, value)| Some((name.as_str(), value.to_str().ok()?)))
        .collect();
    headers.sort_unstable();
    Ok(SignedRequest {
        path: path.as_str().to_owned(),
        headers: serde_json::json!(headers).to_string(),
        body: Vec::from(body).into(),
    })
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ResponseParameters {
    request_id: String,
    status: u16,
    headers: Vec<(String, String)>,
    max_encoded_result_size: usize,
    flags: u32,
    #[serde(flatten)]
    bounds: ValueBounds,
}

pub(crate) fn decode_response(
    parameters: &str,
    secrets: Secrets,
    body: &[u8],
) -> Result<(Message, Outcome)> {
    let parameters: ResponseParameters = options::parse(parameters)?;
    let status = StatusCode::from_u16(parameters.status)
        .map_err(|_| refused("response.status", "'response.status' is no status of HTTP"))?;
    let headers = header_map(&parameters.headers)?;
    let id = STANDARD.decode(&parameters.request_id).ok().and_then(|id| id.try_into().ok());
    let id: [u8; 16] = id.ok_or_else(|| {
        refused("requestId", "requestId is the string that encodeRequest returned")
    })?;
    let unauthentic = |failure| {
        let mut value = errors::authentication_failure(&failure);
        value["unverified"] =
            serde_json::json!({ "status": status.as_u16(), "body": errors::text(body) });
        thrown(&value)
    };
    let authentic = client::authenticate(status, &headers, &secrets, id).map_err(unauthentic)?;
    let verified = authentic.verify(Bytes::copy_from_slice(body)).map_err(unauthentic)?;
    let verified =
        verified.check_status().map_err(|failure| thrown(&errors::remote_failure(&failure)))?;
    let options = TermFlags(parameters.flags).decode_options(parameters.bounds);
    let mut tape = Box::<Tape>::default();
    let decoded = verified
        .accept()
        .and_then(|accepted| accepted.inflate(parameters.max_encoded_result_size))
        .and_then(|payload| payload.decode(&mut Decoder::new(), &options.as_options(), &mut tape));
    let (outcome, source) =
        decoded.map_err(|failure| thrown(&errors::response_failure(&failure)))?;
    Ok((Message { tape, source, _memory: Share::default() }, outcome))
}

fn header_map(pairs: &[(String, String)]) -> Result<HeaderMap> {
    let mut headers = HeaderMap::with_capacity(pairs.len().min(1000));
    for (given, value) in pairs {
        let name = HeaderName::try_from(given.as_str());
        // Values are Latin-1 where HTTP clients give strings.
        let bytes: Option<Vec<u8>> =
            value.chars().map(|c| u8::try_from(u32::from(c)).ok()).collect();
        let value = bytes.and_then(|bytes| HeaderValue::from_bytes(&bytes).ok());
        let (Ok(name), Some(value)) = (name, value) else {
            let shown: String = given.chars().take(100).collect();
            let message = format!("'response.headers' has one that HTTP does not allow: {shown:?}");
            return Err(refused("response.headers", &message));
        };
        headers
            .try_append(name, value)
            .map_err(|_| refused("response.headers", "'response.headers' has too many"))?;
    }
    Ok(headers)
}

/// What was given is wrong.
fn refused(option: &str, message: &str) -> Error {
    thrown(&serde_json::json!({ "kind": "option", "option": option, "message": message }))
}

/// A failure as src/failures.ts finds it in the message of what is thrown.
fn thrown(value: &Value) -> Error {
    Error::from_reason(value.to_string())
}
