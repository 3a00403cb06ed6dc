use std::borrow::Cow;
use std::sync::Arc;

use bytes::Bytes;
use http::header::{CONNECTION, CONTENT_LENGTH, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderName, HeaderValue, Response, StatusCode};

use super::Settings;
use super::response::{ResponseContext, seal};

/// Sorted. Proxies remove or replace `connection` (RFC 9110, 7.6.1), so it is not signed.
const SIGNED: [HeaderName; 7] = [
    CONTENT_LENGTH,
    CONTENT_TYPE,
    crate::headers::DIGEST,
    RETRY_AFTER,
    WWW_AUTHENTICATE,
    crate::headers::DETAIL,
    crate::headers::REQUEST_ID,
];

#[derive(Debug)]
pub struct Refusal {
    // Boxed, because refusals are rare.
    content: Box<Content>,
}

#[derive(Debug)]
struct Content {
    status: StatusCode,
    body: Cow<'static, str>,
    reason: &'static str,
    www_authenticate: Option<HeaderValue>,
    /// `None` if unsigned.
    context: Option<ResponseContext>,
    retry_after: Option<u32>,
    detail: Option<HeaderValue>,
}

impl Refusal {
    pub fn new(status: StatusCode, body: &'static str) -> Self {
        Self::of(status, body.into(), reason_of(status, body), None)
    }

    pub fn signed(status: StatusCode, body: &'static str, context: &ResponseContext) -> Self {
        Self::of(status, body.into(), reason_of(status, body), Some(context.clone()))
    }

    pub(crate) fn unauthorized(reason: &'static str, body: Cow<'static, str>) -> Self {
        Self::of(StatusCode::UNAUTHORIZED, body, reason, None)
    }

    fn of(
        status: StatusCode,
        body: Cow<'static, str>,
        reason: &'static str,
        context: Option<ResponseContext>,
    ) -> Self {
        let content = Content {
            status,
            body,
            reason,
            www_authenticate: None,
            context,
            retry_after: None,
            detail: None,
        };
        Self { content: Box::new(content) }
    }

    pub(crate) fn with_www_authenticate(mut self, value: HeaderValue) -> Self {
        self.content.www_authenticate = Some(value);
        self
    }

    /// Adds `retry-after`, in seconds.
    pub fn with_retry_after(mut self, seconds: u32) -> Self {
        self.content.retry_after = Some(seconds);
        self
    }

    /// Adds an ASCII explanation to a signed refusal. Callers compare the body, so it stays.
    pub(crate) fn with_detail(mut self, detail: &str) -> Self {
        if self.content.context.is_some() {
            self.content.detail = HeaderValue::from_str(detail).ok();
        }
        self
    }

    pub fn status(&self) -> StatusCode {
        self.content.status
    }

    pub fn body(&self) -> &str {
        &self.content.body
    }

    /// For the operator; it may say more than the response.
    pub fn reason(&self) -> &'static str {
        self.content.reason
    }

    /// `None` if the caller is unauthenticated or nameless.
    pub fn caller(&self) -> Option<&Arc<str>> {
        self.content.context.as_ref()?.caller()
    }

    /// The response, which closes the connection.
    pub fn into_response(self, settings: &Settings) -> Response<Bytes> {
        let Content { status, body, www_authenticate, context, retry_after, detail, .. } =
            *self.content;
        let body = match body {
            Cow::Borrowed(text) => Bytes::from_static(text.as_bytes()),
            Cow::Owned(text) => Bytes::from(text),
        };
        let mut response = Response::new(body);
        *response.status_mut() = status;
        let headers = response.headers_mut();
        headers.insert(CONNECTION, HeaderValue::from_static("close"));
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/plain"));
        if let Some(value) = www_authenticate {
            headers.insert(WWW_AUTHENTICATE, value);
        }
        if let Some(seconds) = retry_after {
            headers.insert(RETRY_AFTER, HeaderValue::from(seconds));
        }
        if let Some(detail) = detail {
            headers.insert(crate::headers::DETAIL, detail);
        }
        match context {
            Some(context) => seal(&mut response, &context, &SIGNED, settings),
            None => {
                let length = HeaderValue::from(response.body().len());
                response.headers_mut().insert(CONTENT_LENGTH, length);
            }
        }
        response
    }
}

fn reason_of(status: StatusCode, body: &'static str) -> &'static str {
    match status {
        _ if !body.is_empty() => body,
        StatusCode::BAD_REQUEST => "bad_request",
        StatusCode::FORBIDDEN => "forbidden",
        StatusCode::NOT_FOUND => "not_found",
        StatusCode::METHOD_NOT_ALLOWED => "method_not_allowed",
        StatusCode::NOT_ACCEPTABLE => "not_acceptable",
        StatusCode::REQUEST_TIMEOUT => "request_timeout",
        StatusCode::LENGTH_REQUIRED => "length_required",
        StatusCode::PAYLOAD_TOO_LARGE => "payload_too_large",
        StatusCode::INTERNAL_SERVER_ERROR => "internal_error",
        _ => "other",
    }
}
