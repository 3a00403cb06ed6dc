//! How long an idle connection may be reused.

use std::time::Duration;

use http::HeaderMap;

/// How long to keep an idle connection if the server gives no hint: Cowboy closes after 5 s.
const DEFAULT: Duration = Duration::from_secs(4);
/// Subtracted from the server's hint, so that a request does not cross with the closing.
const MARGIN: Duration = Duration::from_secs(1);
/// The most that a hint counts for: it is not signed.
const LONGEST_HINT: Duration = Duration::from_secs(600);

/// How long a connection may be idle, given the client's limit and the server's hint.
pub(super) fn idle_limit(limit: Option<Duration>, hint: Option<Duration>) -> Duration {
    let hinted = hint.map(|hint| hint.min(LONGEST_HINT).saturating_sub(MARGIN));
    match (limit, hinted) {
        (Some(limit), Some(hinted)) => limit.min(hinted),
        (Some(limit), None) => limit,
        (None, hinted) => hinted.unwrap_or(DEFAULT),
    }
}

/// The `timeout` parameter of a `keep-alive` header (RFC 2068, 19.7.1.1), in whole seconds.
pub(super) fn hint(headers: &HeaderMap) -> Option<Duration> {
    let value = headers.get("keep-alive")?.to_str().ok()?;
    let timeout = value.split(',').find_map(|parameter| {
        let (name, value) = parameter.split_once('=')?;
        name.trim().eq_ignore_ascii_case("timeout").then(|| value.trim())
    })?;
    timeout.parse().ok().map(Duration::from_secs)
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    fn hint_of(value: &'static str) -> Option<u64> {
        let headers =
            [(http::HeaderName::from_static("keep-alive"), HeaderValue::from_static(value))];
        hint(&headers.into_iter().collect()).map(|hint| hint.as_secs())
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
