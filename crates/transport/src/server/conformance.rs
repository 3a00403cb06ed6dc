//! Requirements of RFC 9112 that hyper does not check.

use std::net::Ipv6Addr;

use http::header::{HOST, TRANSFER_ENCODING};
use http::{HeaderMap, Method, Request, Uri, Version};

pub(crate) fn conforms<B>(request: &Request<B>) -> bool {
    let headers = request.headers();
    // RFC 9112, 6.1 allows refusing codings. No caller sends chunks, and disagreement about the end
    // of a body enables request smuggling.
    !headers.contains_key(TRANSFER_ENCODING)
        && has_host(headers, request.version())
        && is_target(request.method(), request.uri())
}

/// Exactly one valid `host` (RFC 9112, 3.2); optional in HTTP/1.0.
fn has_host(headers: &HeaderMap, version: Version) -> bool {
    let mut hosts = headers.get_all(HOST).iter();
    match (hosts.next(), hosts.next()) {
        (Some(host), None) => is_authority(host.as_bytes()),
        (None, None) => version == Version::HTTP_10,
        _ => false,
    }
}

/// One of the four forms of a request target (RFC 9112, 3.2).
fn is_target(method: &Method, uri: &Uri) -> bool {
    match (uri.scheme_str(), uri.authority()) {
        (None, None) if uri.path() == "*" => method == Method::OPTIONS,
        (None, None) => is_path(uri.path()),
        (None, Some(authority)) => {
            method == Method::CONNECT && is_authority(authority.as_str().as_bytes())
        }
        (Some(scheme), Some(authority)) => {
            is_http(scheme) && is_authority(authority.as_str().as_bytes()) && is_path(uri.path())
        }
        (Some(_), None) => false,
    }
}

fn is_http(scheme: &str) -> bool {
    scheme.eq_ignore_ascii_case("http") || scheme.eq_ignore_ascii_case("https")
}

/// An absolute path (RFC 3986, 3.3). Escapes are checked where they are decoded.
fn is_path(path: &str) -> bool {
    path.starts_with('/')
        && path.bytes().all(|byte| is_name(byte) || matches!(byte, b':' | b'@' | b'/' | b'%'))
}

/// A host and perhaps a port (RFC 3986, 3.2). Hosts must not be empty (RFC 9110, 4.2.1), and user
/// information is refused.
fn is_authority(text: &[u8]) -> bool {
    if let Some(literal) = text.strip_prefix(b"[") {
        let Some(end) = literal.iter().position(|byte| *byte == b']') else { return false };
        let address = std::str::from_utf8(&literal[..end]).ok();
        return address.is_some_and(|address| address.parse::<Ipv6Addr>().is_ok())
            && is_port(&literal[end + 1..]);
    }
    let end = text.iter().position(|byte| *byte == b':').unwrap_or(text.len());
    end > 0 && is_registered_name(&text[..end]) && is_port(&text[end..])
}

fn is_registered_name(mut name: &[u8]) -> bool {
    while let [first, rest @ ..] = name {
        name = match (first, rest) {
            (b'%', [high, low, rest @ ..])
                if high.is_ascii_hexdigit() && low.is_ascii_hexdigit() =>
            {
                rest
            }
            _ if is_name(*first) => rest,
            _ => return false,
        };
    }
    true
}

/// The digits may be missing (RFC 3986, 3.2.3).
fn is_port(text: &[u8]) -> bool {
    let Some(digits) = text.strip_prefix(b":") else { return text.is_empty() };
    let port = digits.iter().try_fold(0u32, |port, byte| {
        let digit = char::from(*byte).to_digit(10)?;
        Some(port * 10 + digit).filter(|port| *port <= 65535)
    });
    port.is_some_and(|port| port > 0 || digits.is_empty())
}

/// Unreserved characters and subdelimiters (RFC 3986, 2.2, 2.3).
fn is_name(byte: u8) -> bool {
    matches!(
        byte,
        b'a'..=b'z'
            | b'A'..=b'Z'
            | b'0'..=b'9'
            | b'-'
            | b'.'
            | b'_'
            | b'~'
            | b'!'
            | b'$'
            | b'&'..=b','
            | b';'
            | b'='
    )
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn hosts() {
        for host in [
            "x",
            "example.org",
            "127.0.0.1:8080",
            "x:",
            "x:1",
            "x:65535",
            "a_b",
            "a%2Db",
            "x,y",
            "[::1]",
            "[::1]:8080",
            "[::ffff:192.0.2.1]",
            "xn--bcher-kva.example",
        ] {
            assert!(is_authority(host.as_bytes()), "{host}");
        }
        for host in [
            "",
            ":80",
            "a b",
            "a/b",
            "a?b",
            "a#b",
            "u@x",
            "x:y",
            "x:65536",
            "x:0",
            "x:-1",
            "x:+1",
            "x:1:2",
            "x:99999999999999999999",
            "[::1",
            "::1",
            "[]",
            "[x]",
            "[::1]x",
            "[127.0.0.1]",
            "[fe80::1%25eth0]",
            "a%",
            "a%2",
            "a%zz",
            "é",
            "a\\b",
            "a\"b",
            "<x>",
            "x, y",
            "http://x",
            "\0",
        ] {
            assert!(!is_authority(host.as_bytes()), "{host}");
        }
    }

    #[test]
    fn targets() {
        let is_target = |method: &str, target: &str| {
            let method = method.parse().unwrap();
            target.parse::<Uri>().is_ok_and(|uri| super::is_target(&method, &uri))
        };
        for target in [
            "/",
            "/a/b",
            "//a",
            "/a%2Fb",
            "/a;b=c,d",
            "/a@b:c",
            "/%zz",
            "http://x/a",
            "HTTPS://x:1/a",
            "http://x",
            "/a?b=[c]",
        ] {
            assert!(is_target("POST", target), "{target}");
        }
        for target in [
            "*",
            "x:80",
            "a",
            "http://u@x/a",
            "http://x:99999/a",
            "ftp://x/a",
            "/a[b]",
            "/a\"b",
            "/é",
            "/a|b",
            "/a^b",
            "/{a}",
            "/`",
        ] {
            assert!(!is_target("POST", target), "{target}");
        }
        assert!(is_target("OPTIONS", "*"));
        assert!(is_target("CONNECT", "x:80"));
        assert!(!is_target("OPTIONS", "x:80"));
        assert!(!is_target("CONNECT", "*"));
    }

    #[test]
    fn requests() {
        let conforms = |version: Version, headers: &[(&str, &str)]| {
            let mut request = Request::builder().version(version).uri("/");
            for (name, value) in headers {
                request = request.header(*name, *value);
            }
            super::conforms(&request.body(()).unwrap())
        };
        let host = ("host", "x");
        assert!(conforms(Version::HTTP_11, &[host]));
        assert!(!conforms(Version::HTTP_11, &[]));
        assert!(!conforms(Version::HTTP_11, &[host, host]));
        assert!(!conforms(Version::HTTP_11, &[("host", "")]));
        assert!(conforms(Version::HTTP_10, &[host]));
        assert!(conforms(Version::HTTP_10, &[]));
        assert!(!conforms(Version::HTTP_10, &[host, host]));
        assert!(!conforms(Version::HTTP_10, &[("host", "")]));
        for coding in ["chunked", "gzip, chunked", "identity", ""] {
            assert!(
                !conforms(Version::HTTP_11, &[host, ("transfer-encoding", coding)]),
                "{coding}"
            );
        }
    }
}
