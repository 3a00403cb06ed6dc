use backwater_etf::tape::MAX_DEPTH;
use backwater_etf::{EncodeErrorKind, EncodeOptions, Encoder, TapeRef};
use bytes::Bytes;
use http::header::{
    ACCEPT, ACCEPT_ENCODING, AUTHORIZATION, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, HOST,
};
use http::{HeaderName, HeaderValue, Method, Request, Uri};

use super::stream::StreamOffer;
use super::{EncodeFailure, Settings};
use crate::headers::{
    AUDIENCE, CALLER, CREATED, DIGEST, ETF, GZIP, IDENTITY, REQUEST_ID, STREAM_OR_ETF, TIMEOUT,
    request_id_text,
};
use crate::signature::{Signing, Tag};
use crate::{CallHeaders, CallTimeout, Secrets, Timestamp, digest, gzip, percent};

const VERSION: u8 = 131;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestPath {
    /// `Err` if the path is too long for a URI.
    target: Result<Uri, String>,
}

impl RequestPath {
    pub fn new(module: &str, function: &str, arity: u8) -> Self {
        let mut text = String::with_capacity(32 + module.len() + function.len());
        text.push_str("/backwater/1/");
        percent::encode(module, &mut text);
        text.push('/');
        percent::encode(function, &mut text);
        text.push('/');
        text.push_str(&arity.to_string());
        let text = Bytes::from(text);
        let target = Uri::from_maybe_shared(text.clone())
            .map_err(|_| String::from_utf8_lossy(&text).into_owned());
        Self { target }
    }

    pub fn as_str(&self) -> &str {
        match &self.target {
            Ok(uri) => uri.path(),
            Err(text) => text,
        }
    }
}

/// Optional signed headers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Extensions {
    pub timeout: Option<CallTimeout>,
    /// Protects the request from replay.
    pub created: Option<Timestamp>,
    pub audience: Option<HeaderValue>,
    /// Selects the secrets to try.
    pub caller: Option<HeaderValue>,
}

/// A request that can be sent several times, each with its own id, extensions and signature.
#[derive(Clone, Debug)]
pub struct PreparedRequest {
    secrets: Secrets,
    uri: Uri,
    host: HeaderValue,
    digest: HeaderValue,
    is_packed: bool,
    accepts_gzip: bool,
    carried: Option<CallHeaders>,
    body: Bytes,
}

pub fn prepare_request(
    path: &RequestPath,
    host: &HeaderValue,
    arguments: TapeRef<'_>,
    encoder: &mut Encoder,
    settings: &Settings,
) -> Result<PreparedRequest, EncodeFailure> {
    let limit = settings.max_encoded_args_size;
    let mut body = Vec::with_capacity(256);
    body.push(VERSION);
    let options = EncodeOptions { max_size: limit, max_depth: MAX_DEPTH };
    encoder.encode_term(arguments, &options, &mut body).map_err(|error| match error.kind {
        EncodeErrorKind::TooLarge(_) => EncodeFailure::TooLarge { limit },
        _ => EncodeFailure::Encode(error),
    })?;
    let wanted = body.len() >= settings.compression_threshold;
    let packed = if wanted { gzip::deflate(&body, settings.gzip_level) } else { None };
    let is_packed = packed.is_some();
    let body = Bytes::from(packed.unwrap_or(body));
    Ok(PreparedRequest {
        secrets: settings.secrets.clone(),
        uri: path.target.clone().map_err(EncodeFailure::Target)?,
        host: host.clone(),
        digest: digest::digest_of(&body),
        is_packed,
        accepts_gzip: settings.accept_gzip,
        carried: None,
        body,
    })
}

impl PreparedRequest {
    pub fn carrying(self, carried: Option<CallHeaders>) -> Self {
        Self { carried, ..self }
    }

    pub fn body(&self) -> &Bytes {
        &self.body
    }

    pub fn secrets(&self) -> &Secrets {
        &self.secrets
    }

    pub fn sign(&self, request_id: [u8; 16], extensions: Extensions) -> Request<Bytes> {
        self.sign_accepting(ETF, request_id, extensions).0
    }

    /// Offers to accept a stream; see [`authenticate_offered`](super::authenticate_offered).
    pub fn sign_offering_stream(
        &self,
        request_id: [u8; 16],
        extensions: Extensions,
    ) -> (Request<Bytes>, StreamOffer) {
        let (request, signature) = self.sign_accepting(STREAM_OR_ETF, request_id, extensions);
        (request, StreamOffer { request: signature })
    }

    fn sign_accepting(
        &self,
        accept: HeaderValue,
        request_id: [u8; 16],
        extensions: Extensions,
    ) -> (Request<Bytes>, Tag) {
        let mut request = Request::new(self.body.clone());
        *request.method_mut() = Method::POST;
        *request.uri_mut() = self.uri.clone();
        let headers = request.headers_mut();
        let carried = self.carried.as_ref().map_or(&[][..], CallHeaders::as_slice);
        headers.reserve(12 + carried.len());
        headers.insert(HOST, self.host.clone());
        let mut signing = Signing::begin(
            &self.secrets.keys()[0],
            "Signature ",
            "(request-target)",
            &["post ", self.uri.path()],
        );
        let Extensions { timeout, created, audience, caller } = extensions;
        let encoding = if self.accepts_gzip { GZIP } else { IDENTITY };
        // Base64 is always a valid header value.
        let id = HeaderValue::from_bytes(&request_id_text(request_id));
        let id = id.unwrap_or(HeaderValue::from_static(""));
        let mut carried = carried.iter().cloned().peekable();
        let mut add = |name: HeaderName, value: Option<HeaderValue>| {
            let Some(value) = value else { return };
            // Alphabetical order shows that no name is listed twice. `x-request-id` comes last.
            while let Some((name, value)) =
                carried.next_if(|(next, _)| next.as_str() < name.as_str())
            {
                signing.add(&name, &value);
                headers.insert(name, value);
            }
            signing.add(&name, &value);
            headers.insert(name, value);
        };
        add(ACCEPT, Some(accept));
        add(ACCEPT_ENCODING, Some(encoding));
        add(CONTENT_ENCODING, self.is_packed.then_some(GZIP));
        add(CONTENT_LENGTH, Some(HeaderValue::from(self.body.len())));
        add(CONTENT_TYPE, Some(ETF));
        add(DIGEST, Some(self.digest.clone()));
        add(AUDIENCE, audience);
        add(CALLER, caller);
        add(CREATED, created.map(|created| created.header_value()));
        add(TIMEOUT, timeout.map(|timeout| timeout.header_value()));
        add(REQUEST_ID, Some(id));
        let signature = signing.finish();
        headers.insert(AUTHORIZATION, signature.parameters);
        (request, signature.tag)
    }
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
