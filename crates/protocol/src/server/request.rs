//! The stages of a request. Every error is the refusal to send.

use std::borrow::Cow;

use backwater_etf::{DecodeErrorKind, DecodeOptions, Decoder, Tape};
use bytes::Bytes;
use http::header::{
    ACCEPT, ACCEPT_ENCODING, AUTHORIZATION, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE,
};
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};

use super::refusal::Refusal;
use super::replay::{Claims, ReplayFailure, ReplayGuard, prefix_of};
use super::response::ResponseContext;
use super::target::{BASE, Target, TargetError};
use super::{Exposure, Lookup, Settings};
use crate::call_headers::{CarriedContext, MetadataFailure};
use crate::content::{self, Accepted, ContentType, Encoding};
use crate::gzip::{self, GzipError};
use crate::headers::{AUDIENCE, CALLER, CREATED, DIGEST, REQUEST_ID, TIMEOUT};
use crate::signature::{Demands, SignatureFailure, Signed, SignedNames, Tag, Verified, verify};
use crate::{CallTimeout, Timestamp, digest, headers};

const SCHEME: &str = "Signature ";

const DEMANDS: Demands = Demands {
    mandatory: &["digest", "x-request-id"],
    if_present: &["accept", "content-type", "content-encoding", "content-length"],
};

/// `www-authenticate` lists each of these that is present.
static AUTHENTICATED: [HeaderName; 6] =
    [ACCEPT, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, DIGEST, REQUEST_ID];

/// A request whose head is signed with a known secret.
#[derive(Debug)]
pub struct Authenticated<'a> {
    method: &'a Method,
    path: &'a str,
    headers: &'a HeaderMap,
    settings: &'a Settings,
    context: ResponseContext,
    /// Optional headers count only if signed.
    signed: SignedNames<'a>,
    claims: Claims<'a>,
    signature: Tag,
}

/// Checks 1 and 2. `target` is the path and query as received.
pub fn authenticate<'a>(
    method: &'a Method,
    target: &'a str,
    headers: &'a HeaderMap,
    settings: &'a Settings,
) -> Result<Authenticated<'a>, Refusal> {
    if !target.starts_with(BASE) {
        return Err(Refusal::new(StatusCode::NOT_FOUND, ""));
    }
    let verified = check_signature(method, target, headers, settings)
        .map_err(|refusal| refusal.with_www_authenticate(www_authenticate(headers)))?;
    let Verified { secret, tag, names: signed } = verified;
    // A signed header is always present.
    let request_id = headers.get(REQUEST_ID).cloned().unwrap_or(HeaderValue::from_static(""));
    let caller = settings.callers.owner(secret);
    let encoding = Encoding::Identity;
    let context = ResponseContext { request_id, encoding, secret, caller, stream: None };
    let claims = Claims {
        created: if_signed(headers, &signed, &CREATED)
            .map(|value| Timestamp::parse(value).ok_or(())),
        audience: if_signed(headers, &signed, &AUDIENCE).map(HeaderValue::as_bytes),
    };
    Ok(Authenticated {
        method,
        path: target,
        headers,
        settings,
        context,
        signed,
        claims,
        signature: tag,
    })
}

fn if_signed<'a>(
    headers: &'a HeaderMap,
    signed: &SignedNames<'_>,
    name: &HeaderName,
) -> Option<&'a HeaderValue> {
    if signed.contains(name.as_str()) { headers.get(name) } else { None }
}

fn check_signature<'a>(
    method: &Method,
    target: &str,
    headers: &'a HeaderMap,
    settings: &Settings,
) -> Result<Verified<'a>, Refusal> {
    let unauthorized = |reason: &'static str| Refusal::unauthorized(reason, reason.into());
    if let Some(name) = headers::duplicate(headers) {
        return Err(refusal_of(&SignatureFailure::DuplicateHeader(name)));
    }
    let parameters = headers.get(AUTHORIZATION);
    let parameters = parameters.ok_or_else(|| unauthorized("missing_authorization_header"))?;
    if !parameters.as_bytes().starts_with(SCHEME.as_bytes()) {
        return Err(unauthorized("invalid_auth_type"));
    }
    let method = match *method {
        Method::POST => Cow::Borrowed("post"),
        _ => Cow::Owned(method.as_str().to_ascii_lowercase()),
    };
    let request_target = [&*method, " ", target];
    let signed = Signed {
        pseudo_name: "(request-target)",
        pseudo_value: &request_target,
        headers,
        replaced: None,
    };
    let candidates =
        |names: &SignedNames<'_>| settings.callers.candidates(if_signed(headers, names, &CALLER));
    let verified = verify(parameters, SCHEME, signed, &DEMANDS, candidates);
    let verified = verified.map_err(|failure| refusal_of(&failure))?;
    // Erlang's library signs a query without its `?`, so queries are refused.
    if target.contains(['?', '#']) {
        return Err(refusal_of(&SignatureFailure::InvalidSignature));
    }
    Ok(verified)
}

fn refusal_of(failure: &SignatureFailure) -> Refusal {
    let body = match failure {
        // Only authenticated callers may learn which callers exist.
        SignatureFailure::UnknownCaller => SignatureFailure::InvalidSignature.to_string(),
        failure => failure.to_string(),
    };
    Refusal::unauthorized(failure.reason(), body.into())
}

fn www_authenticate(headers: &HeaderMap) -> HeaderValue {
    challenge(present(headers))
}

fn present(headers: &HeaderMap) -> [bool; 6] {
    std::array::from_fn(|index| headers.contains_key(&AUTHENTICATED[index]))
}

fn challenge(present: [bool; 6]) -> HeaderValue {
    let mut text = String::from("Signature headers=\"(request-target)");
    for (name, _) in AUTHENTICATED.iter().zip(present).filter(|(_, present)| *present) {
        text.push(' ');
        text.push_str(name.as_str());
    }
    text.push_str("\",realm=\"backwater\"");
    HeaderValue::from_str(&text).unwrap_or(HeaderValue::from_static("Signature"))
}

impl<'a> Authenticated<'a> {
    pub fn context(&self) -> &ResponseContext {
        &self.context
    }

    pub fn refuse(&self, status: StatusCode, body: &'static str) -> Refusal {
        Refusal::signed(status, body, &self.context)
    }

    /// After check 2, if the server requires it.
    ///
    /// # Errors
    ///
    /// 401 `missing_created`, `invalid_created`, `stale_request`, `replayed_request`,
    /// `missing_audience` or `wrong_audience`; 503 `replay_memory_full`.
    pub fn refuse_replay(self, guard: &ReplayGuard, now: Timestamp) -> Result<Self, Refusal> {
        let Err(failure) = guard.check(self.claims, prefix_of(&self.signature), now) else {
            return Ok(self);
        };
        let refusal = Refusal::signed(failure.status(), failure.reason(), &self.context);
        Err(match failure {
            ReplayFailure::Full(seconds) => refusal.with_retry_after(seconds),
            _ => refusal.with_www_authenticate(www_authenticate(self.headers)),
        })
    }

    /// Checks 3 to 7.
    pub fn route<E: Exposure + ?Sized>(
        self,
        exposure: &E,
    ) -> Result<Routed<'a, E::Function>, Refusal> {
        if self.method != Method::POST {
            return Err(self.refuse(StatusCode::METHOD_NOT_ALLOWED, ""));
        }
        let target = Target::parse(self.path).map_err(|error| match error {
            TargetError::Path => self.refuse(StatusCode::BAD_REQUEST, "invalid_path"),
            TargetError::Arity => self.refuse(StatusCode::BAD_REQUEST, "invalid_arity"),
        })?;
        match exposure.lookup(&target.module, &target.function, target.arity) {
            Lookup::ModuleNotExposed => Err(self.refuse(StatusCode::FORBIDDEN, "")),
            _ if !exposure.allows(self.context.caller.as_deref(), &target.module) => {
                Err(self.refuse(StatusCode::FORBIDDEN, "caller_not_allowed"))
            }
            Lookup::Found(function) if !target.is_never_exposed() => {
                Ok(Routed { function, arity: target.arity, request: self })
            }
            _ => {
                let refusal = self.refuse(StatusCode::NOT_FOUND, "function_not_found");
                let mut arities = exposure.arities(&target.module, &target.function);
                arities.sort_unstable();
                Err(match arities_in_words(&arities) {
                    Some(detail) => refusal.with_detail(&detail),
                    None => refusal,
                })
            }
        }
    }
}

const MOST_ARITIES: usize = 16;

/// Such as `it takes 1, 2 or 4 arguments`.
fn arities_in_words(arities: &[u8]) -> Option<String> {
    let (last, others) = arities.split_last()?;
    if arities.len() > MOST_ARITIES {
        let first = arities.first()?;
        return Some(format!("it takes {first} to {last} arguments, but not every number between"));
    }
    let others: Vec<_> = others.iter().map(u8::to_string).collect();
    let or = if others.is_empty() { "" } else { " or " };
    let noun = if arities == [1] { "argument" } else { "arguments" };
    Some(format!("it takes {}{or}{last} {noun}", others.join(", ")))
}

#[derive(Debug)]
pub struct Routed<'a, F> {
    function: F,
    arity: u8,
    request: Authenticated<'a>,
}

impl<'a, F> Routed<'a, F> {
    /// Checks 8 to 12.
    pub fn negotiate(self) -> Result<Negotiated<'a, F>, Refusal> {
        let Self { function, arity, mut request } = self;
        let refuse = |status, body: &'static str| Refusal::signed(status, body, &request.context);
        match content::content_type(request.headers) {
            ContentType::Etf => {}
            ContentType::Malformed => {
                return Err(refuse(StatusCode::BAD_REQUEST, "bad_content_type"));
            }
            ContentType::Stream | ContentType::Other => {
                let status = StatusCode::UNSUPPORTED_MEDIA_TYPE;
                return Err(refuse(status, "unsupported_content_type"));
            }
        }
        let encoding = content::content_encoding(request.headers).ok_or_else(|| {
            refuse(StatusCode::UNSUPPORTED_MEDIA_TYPE, "unsupported_content_encoding")
        })?;
        let accepted = content::accepted(request.headers);
        if accepted == Accepted::Neither {
            return Err(refuse(StatusCode::NOT_ACCEPTABLE, ""));
        }
        let carried = CarriedContext::read(request.headers, &request.signed);
        let carried = carried.map_err(|failure| match failure {
            MetadataFailure::Invalid => refuse(StatusCode::BAD_REQUEST, "invalid_metadata"),
            MetadataFailure::TooLarge => {
                refuse(StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE, "metadata_too_large")
            }
        })?;
        if request.signed.contains(ACCEPT_ENCODING.as_str()) {
            request.context.encoding = content::accepted_encoding(request.headers);
        }
        if accepted == Accepted::Streams {
            request.context.stream = Some(Box::new(request.signature));
        }
        Ok(Negotiated { function, arity, encoding, carried, request })
    }
}

#[derive(Debug)]
pub struct Negotiated<'a, F> {
    function: F,
    arity: u8,
    encoding: Encoding,
    carried: Option<Box<CarriedContext>>,
    request: Authenticated<'a>,
}

impl<F> Negotiated<'_, F> {
    /// Check 13.
    pub fn expect_body(self, content_length: Option<u64>) -> Result<ExpectedBody<F>, Refusal> {
        let Self { function, arity, encoding, carried, request } = self;
        let timeout = if_signed(request.headers, &request.signed, &TIMEOUT);
        let max_size = request.settings.max_encoded_args_size;
        let expected = ExpectedBody {
            function,
            arity,
            encoding,
            max_size,
            digest: request.headers.get(DIGEST).cloned().unwrap_or(HeaderValue::from_static("")),
            authenticated: present(request.headers),
            timeout: timeout.and_then(CallTimeout::parse),
            carried,
            context: request.context,
        };
        match content_length {
            Some(length) if length > expected.max_size() as u64 => Err(expected.too_large(length)),
            _ => Ok(expected),
        }
    }
}

#[derive(Debug)]
pub struct ExpectedBody<F> {
    function: F,
    arity: u8,
    encoding: Encoding,
    max_size: usize,
    digest: HeaderValue,
    authenticated: [bool; 6],
    timeout: Option<CallTimeout>,
    carried: Option<Box<CarriedContext>>,
    context: ResponseContext,
}

impl<F> ExpectedBody<F> {
    pub fn take_carried(&mut self) -> Option<Box<CarriedContext>> {
        self.carried.take()
    }

    /// How long the caller would wait when it sent the request. Malformed values are ignored.
    pub fn timeout(&self) -> Option<CallTimeout> {
        self.timeout
    }

    pub fn function(&self) -> &F {
        &self.function
    }

    pub fn max_size(&self) -> usize {
        self.encoding.limit(self.max_size)
    }

    /// The unverified inflated size that the last four bytes (`trailer`) claim.
    pub fn claimed_size(&self, length: usize, trailer: Option<&[u8; 4]>) -> usize {
        match self.encoding {
            Encoding::Identity => length,
            Encoding::Gzip => gzip::claimed_size(length, trailer).min(self.max_size),
        }
    }

    pub fn is_compressed(&self) -> bool {
        self.encoding == Encoding::Gzip
    }

    pub fn refuse(&self, status: StatusCode, body: &'static str) -> Refusal {
        Refusal::signed(status, body, &self.context)
    }

    pub fn too_large(&self, length: u64) -> Refusal {
        let form = if self.is_compressed() { " gzipped" } else { "" };
        let limit = self.max_size;
        self.refuse(StatusCode::PAYLOAD_TOO_LARGE, "").with_detail(&format!(
            "the arguments are {length} bytes{form}, but the server's maxEncodedArgsSize is {limit} bytes"
        ))
    }

    /// Check 14, and the size of bodies without a content-length.
    pub fn verify(self, body: Bytes) -> Result<VerifiedBody<F>, Refusal> {
        if body.len() > self.max_size() {
            return Err(self.too_large(body.len() as u64));
        }
        if !digest::is_digest_of(&self.digest, &body) {
            let refusal = self.refuse(StatusCode::UNAUTHORIZED, "wrong_arguments_digest");
            return Err(refusal.with_www_authenticate(challenge(self.authenticated)));
        }
        Ok(VerifiedBody { head: self, body })
    }
}

/// A request with an authentic body.
#[derive(Debug)]
pub struct VerifiedBody<F> {
    head: ExpectedBody<F>,
    body: Bytes,
}

impl<F> VerifiedBody<F> {
    /// Checks 15 and 16.
    pub fn inflate(self) -> Result<Arguments<F>, Refusal> {
        let room = self.head.max_size;
        match self.inflate_within(room)? {
            Inflated::Whole(arguments) => Ok(arguments),
            Inflated::Exceeds(body) => Err(body.too_large()),
        }
    }

    /// Like [`inflate`](Self::inflate), but produces at most `room` bytes.
    pub fn inflate_within(self, room: usize) -> Result<Inflated<F>, Refusal> {
        let max_size = self.head.max_size;
        let body = match self.head.encoding {
            Encoding::Identity => self.body,
            Encoding::Gzip => match gzip::inflate(&self.body, room.min(max_size)) {
                Ok(inflated) => Bytes::from(inflated),
                Err(GzipError::Malformed) => {
                    let text = "unable_to_uncompress_arguments";
                    return Err(self.refuse(StatusCode::BAD_REQUEST, text));
                }
                Err(GzipError::TooLarge { limit }) if limit < max_size => {
                    return Ok(Inflated::Exceeds(self));
                }
                Err(GzipError::TooLarge { .. }) => return Err(self.too_large()),
            },
        };
        let ExpectedBody { function, arity, context, .. } = self.head;
        Ok(Inflated::Whole(Arguments { function, arity, context, body }))
    }

    fn too_large(&self) -> Refusal {
        let (sent, limit) = (self.body.len(), self.head.max_size);
        // The claimed size wraps at 4 GiB.
        let claimed = gzip::claimed_size(sent, self.body.last_chunk());
        let size = if claimed > limit { claimed.to_string() } else { format!("over {limit}") };
        self.refuse(StatusCode::PAYLOAD_TOO_LARGE, "").with_detail(&format!(
            "the arguments are {size} bytes ({sent} gzipped), but the server's maxEncodedArgsSize is {limit} bytes"
        ))
    }

    pub fn refuse(&self, status: StatusCode, body: &'static str) -> Refusal {
        self.head.refuse(status, body)
    }
}

#[derive(Debug)]
pub enum Inflated<F> {
    Whole(Arguments<F>),
    Exceeds(VerifiedBody<F>),
}

#[derive(Debug)]
pub struct Arguments<F> {
    function: F,
    arity: u8,
    context: ResponseContext,
    body: Bytes,
}

impl<F> Arguments<F> {
    /// Checks 17 and 18.
    pub fn decode(
        self,
        decoder: &mut Decoder,
        options: &DecodeOptions<'_>,
        tape: &mut Tape,
    ) -> Result<Call<F>, Refusal> {
        let Self { function, arity, context, body } = self;
        let refuse = |body: &'static str| Refusal::signed(StatusCode::BAD_REQUEST, body, &context);
        let decoded = decoder.decode(&body, options, tape);
        decoded.map_err(|error| match error.kind {
            DecodeErrorKind::ValueSize(_) => {
                let text = "arguments_exceed_heap";
                Refusal::signed(StatusCode::PAYLOAD_TOO_LARGE, text, &context)
            }
            _ => refuse("unable_to_decode_arguments"),
        })?;
        match tape.list_arity() {
            None => Err(refuse("arguments_not_a_list")),
            Some(count) if count != usize::from(arity) => {
                Err(refuse("inconsistent_arguments_arity"))
            }
            Some(_) => Ok(Call { function, context, source: body }),
        }
    }
}

/// A call that has passed every check.
#[derive(Debug)]
pub struct Call<F> {
    pub function: F,
    pub context: ResponseContext,
    /// The bytes that the tape refers to.
    pub source: Bytes,
}
