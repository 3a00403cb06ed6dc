use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Uri};

/// The default limit.
const MAX_HEADERS: usize = 100;

/// Returns method, target, headers and the length of the head.
pub(crate) fn parse_request(bytes: &[u8]) -> Option<(Method, String, HeaderMap, usize)> {
    let mut fields = [httparse::EMPTY_HEADER; MAX_HEADERS];
    let mut request = httparse::Request::new(&mut fields);
    let Ok(httparse::Status::Complete(head)) = request.parse(bytes) else { return None };
    let method = Method::from_bytes(request.method?.as_bytes()).ok()?;
    let uri = Uri::try_from(request.path?).ok()?;
    let target = uri.path_and_query().map_or("/", |target| target.as_str());
    Some((method, target.to_owned(), header_map(request.headers)?, head))
}

/// Returns status, headers and the length of the head.
pub(crate) fn parse_response(bytes: &[u8]) -> Option<(StatusCode, HeaderMap, usize)> {
    let mut fields = [httparse::EMPTY_HEADER; MAX_HEADERS];
    let mut response = httparse::Response::new(&mut fields);
    let Ok(httparse::Status::Complete(head)) = response.parse(bytes) else { return None };
    let status = StatusCode::from_u16(response.code?).ok()?;
    Some((status, header_map(response.headers)?, head))
}

fn header_map(fields: &[httparse::Header<'_>]) -> Option<HeaderMap> {
    let mut headers = HeaderMap::new();
    for field in fields {
        let name = HeaderName::from_bytes(field.name.as_bytes()).ok()?;
        headers.append(name, HeaderValue::from_bytes(field.value).ok()?);
    }
    Some(headers)
}
