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
use napi::Error;
use napi::bindgen_prelude::{Buffer, Either};
use napi_derive::napi;

use crate::errors::{Failure, Unverified};
use crate::events::Message;
use crate::options::{
    RequestOptions, ResponseOptions, TermFlags, call_headers, decode_limits, header_value, limit,
    size,
};

#[napi(object, object_from_js = false)]
pub struct SignedRequest {
    pub path: String,
    pub headers: Vec<(String, String)>,
    pub body: Buffer,
}

#[napi(object, object_from_js = false)]
pub struct DecodedResponse {
    /// The slot of the large message; see codec/decoder.rs.
    pub slot: u32,
    /// The word of the tape where the value starts.
    pub skip: u32,
    /// Whether the value is `{Class, Reason, Stacktrace}`.
    pub exception: bool,
}

pub(crate) fn encode_request(
    options: RequestOptions,
    secrets: Secrets,
    tape: TapeRef<'_>,
    request_id: &[u8],
) -> napi::Result<Either<SignedRequest, Failure>> {
    let settings = Settings {
        max_encoded_args_size: options.max_encoded_args_size as usize,
        compression_threshold: size(options.compression_threshold),
        gzip_level: options.gzip_level,
        accept_gzip: options.accept_gzip,
        ..Settings::new(secrets)
    };
    let extensions = Extensions {
        timeout: limit(options.timeout).map(CallTimeout::from_duration),
        created: options.replay_protection.then(|| SystemTime::now().into()),
        audience: header_value(options.audience.as_deref())?,
        caller: header_value(options.caller.as_deref())?,
    };
    let carried = match options.headers.as_str() {
        "" => None,
        text => match call_headers(text) {
            Some(headers) => Some(headers),
            None => {
                let message = "'options.metadata' cannot be sent as HTTP headers";
                return Ok(Either::B(Failure::option("options.metadata", message)));
            }
        },
    };
    let path = RequestPath::new(&options.module, &options.function, options.arity);
    let id = request_id.try_into().map_err(|_| Error::from_reason("a request id has 16 bytes"))?;
    let mut encoder = Encoder::default();
    // The caller's HTTP client sets `host`, which is not signed.
    let host = HeaderValue::from_static("host");
    let prepared = match client::prepare_request(&path, &host, tape, &mut encoder, &settings) {
        Ok(prepared) => prepared,
        Err(failure) => return Ok(Either::B((&failure).into())),
    };
    let (head, body) = prepared.carrying(carried).sign(id, extensions).into_parts();
    let mut headers: Vec<(String, String)> = head
        .headers
        .iter()
        .filter(|(name, _)| *name != http::header::HOST)
        .filter_map(|(name, value)| Some((name.to_string(), value.to_str().ok()?.to_owned())))
        .collect();
    headers.sort_unstable();
    let path = path.as_str().to_owned();
    Ok(Either::A(SignedRequest { path, headers, body: Vec::from(body).into() }))
}

pub(crate) fn decode_response(
    options: &ResponseOptions,
    secrets: &Secrets,
    body: &[u8],
) -> Result<(Message, Outcome), Failure> {
    let status = StatusCode::from_u16(options.status).map_err(|_| {
        Failure::option("response.status", "'response.status' must be an HTTP status")
    })?;
    let headers = header_map(&options.headers)?;
    let id = STANDARD.decode(&options.request_id).ok().and_then(|id| id.try_into().ok());
    let id: [u8; 16] = id.ok_or_else(|| {
        Failure::option("requestId", "requestId must be the string that encodeRequest returned")
    })?;
    let unauthentic =
        |failure| Failure::authentication(&failure, Unverified::new(status.as_u16(), body));
    let authentic = client::authenticate(status, &headers, secrets, id).map_err(unauthentic)?;
    let verified = authentic.verify(Bytes::copy_from_slice(body)).map_err(unauthentic)?;
    let verified = verified.check_status().map_err(|failure| Failure::from(&failure))?;
    let limits = decode_limits(options.max_depth, options.max_terms, options.max_value_size);
    let decoding = TermFlags(options.flags).decode_options(limits);
    let mut tape = Box::<Tape>::default();
    let decoded = verified
        .accept()
        .and_then(|accepted| accepted.inflate(options.max_encoded_result_size as usize))
        .and_then(|payload| payload.decode(&mut Decoder::new(), &decoding, &mut tape));
    let (outcome, source) = decoded.map_err(|failure| Failure::from(&failure))?;
    Ok((Message { tape, source, _memory: Share::default() }, outcome))
}

fn header_map(pairs: &[(String, String)]) -> Result<HeaderMap, Failure> {
    let mut headers = HeaderMap::with_capacity(pairs.len().min(1000));
    for (given, value) in pairs {
        let name = HeaderName::try_from(given.as_str());
        // HTTP clients represent values as Latin-1.
        let bytes: Option<Vec<u8>> =
            value.chars().map(|c| u8::try_from(u32::from(c)).ok()).collect();
        let value = bytes.and_then(|bytes| HeaderValue::from_bytes(&bytes).ok());
        let (Ok(name), Some(value)) = (name, value) else {
            let shown: String = given.chars().take(100).collect();
            let message =
                format!("'response.headers' has a header that HTTP does not allow: {shown:?}");
            return Err(Failure::option("response.headers", message));
        };
        headers.try_append(name, value).map_err(|_| {
            Failure::option("response.headers", "'response.headers' has too many headers")
        })?;
    }
    Ok(headers)
}
