use bytes::Bytes;
use http::header::{ALLOW, CACHE_CONTROL, CONNECTION, CONTENT_TYPE};
use http::{HeaderValue, Method, Response, StatusCode};
use http_body_util::Full;

/// Anyone may ask, so the connection is not kept.
pub(crate) fn answer(method: &Method, is_leaving: bool) -> Response<Full<Bytes>> {
    let (status, body) = match *method {
        Method::GET | Method::HEAD if is_leaving => (StatusCode::SERVICE_UNAVAILABLE, "draining\n"),
        Method::GET | Method::HEAD => (StatusCode::OK, "ok\n"),
        _ => (StatusCode::METHOD_NOT_ALLOWED, ""),
    };
    let mut response = Response::new(Full::new(Bytes::from_static(body.as_bytes())));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONNECTION, HeaderValue::from_static("close"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    if status == StatusCode::METHOD_NOT_ALLOWED {
        headers.insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
    } else {
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/plain"));
    }
    response
}
