use std::time::Duration;

use http::header::CONNECTION;
use http::{HeaderMap, HeaderName};

const KEEP_ALIVE: HeaderName = HeaderName::from_static("keep-alive");
/// Cowboy closes idle connections after 5 s.
const DEFAULT: Duration = Duration::from_secs(4);
/// Keeps requests from racing with the close.
const MARGIN: Duration = Duration::from_secs(1);
/// Caps the hint, which is not signed.
const LONGEST_HINT: Duration = Duration::from_secs(600);

pub(super) fn idle_limit(limit: Option<Duration>, hint: Option<Duration>) -> Duration {
    let hinted = hint.map(|hint| hint.min(LONGEST_HINT).saturating_sub(MARGIN));
    match (limit, hinted) {
        (Some(limit), Some(hinted)) => limit.min(hinted),
        (Some(limit), None) => limit,
        (None, hinted) => hinted.unwrap_or(DEFAULT),
    }
}

/// The `timeout` of a `keep-alive` header (RFC 2068, 19.7.1.1).
///
/// `connection` must name the header (RFC 9110, 7.6.1). HAProxy passes on the backend's hint
/// without that name, so such a hint is used only if it is shorter than the default.
pub(super) fn hint(headers: &HeaderMap) -> Option<Duration> {
    let value = headers.get(KEEP_ALIVE)?.to_str().ok()?;
    let timeout = value.split(',').find_map(|parameter| {
        let (name, value) = parameter.split_once('=')?;
        name.trim().eq_ignore_ascii_case("timeout").then(|| value.trim())
    })?;
    let hint = Duration::from_secs(timeout.parse().ok()?);
    Some(if concerns_this_hop(headers) { hint } else { hint.min(DEFAULT + MARGIN) })
}

fn concerns_this_hop(headers: &HeaderMap) -> bool {
    let mut options = headers
        .get_all(CONNECTION)
        .iter()
        .flat_map(|value| value.as_bytes().split(|byte| *byte == b','));
    options.any(|option| option.trim_ascii().eq_ignore_ascii_case(b"keep-alive"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    fn hint_of(value: &'static str) -> Option<u64> {
        hint_with(value, &["x, Keep-Alive"])
    }

    fn hint_with(value: &'static str, connection: &[&'static str]) -> Option<u64> {
        let mut headers = HeaderMap::new();
        headers.insert("keep-alive", HeaderValue::from_static(value));
        for options in connection {
            headers.append(CONNECTION, HeaderValue::from_static(options));
        }
        hint(&headers).map(|hint| hint.as_secs())
    }

    #[test]
    fn the_hint_is_the_timeout_parameter() {
        assert_eq!(hint_of("timeout=5"), Some(5));
        assert_eq!(hint_of("max=100, Timeout = 60"), Some(60));
        for none in
            ["", "max=100", "timeout", "timeout=", "timeout=-1", "timeout=1.5", "timeouts=1"]
        {
            assert_eq!(hint_of(none), None, "{none}");
        }
        assert_eq!(hint(&HeaderMap::new()), None);
    }

    #[test]
    fn a_hint_of_another_hop_only_shortens_the_limit() {
        for connection in [&[][..], &["close"], &["x", "keep-alives"]] {
            assert_eq!(hint_with("timeout=60", connection), Some(5));
            assert_eq!(hint_with("timeout=2", connection), Some(2));
        }
        for connection in [&["keep-alive"][..], &["x", "KEEP-ALIVE"], &["x ,keep-alive\t, y"]] {
            assert_eq!(hint_with("timeout=60", connection), Some(60));
        }
    }

    #[test]
    fn the_limit_is_a_second_below_the_hint_and_never_above_the_clients_own() {
        let seconds = Duration::from_secs;
        for (limit, hint, expected) in [
            (None, None, 4),
            (None, Some(75), 74),
            (None, Some(1), 0),
            (None, Some(0), 0),
            (None, Some(u64::MAX), 599),
            (Some(30), None, 30),
            (Some(30), Some(75), 30),
            (Some(30), Some(5), 4),
        ] {
            let limit = idle_limit(limit.map(seconds), hint.map(seconds));
            assert_eq!(limit, seconds(expected));
        }
    }
}
