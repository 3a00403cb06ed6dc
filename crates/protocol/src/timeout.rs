//! How long the caller of a request still waits.

use std::time::Duration;

use http::HeaderValue;

use crate::decimal;

/// The most digits that a value is read with: some 31 years, which nobody waits.
const MAX_DIGITS: usize = 12;

/// How long the caller of a request still waits for its answer, counted from when the request was
/// sent. It travels as the signed header `x-backwater-timeout`, in whole milliseconds and decimal
/// digits; servers that do not know the header ignore it.
///
/// ```
/// use std::time::Duration;
/// use backwater_protocol::CallTimeout;
/// let timeout = CallTimeout::from_duration(Duration::from_micros(1_500_200));
/// assert_eq!(timeout.to_string(), "1501");
/// assert_eq!(timeout.as_duration(), Duration::from_millis(1501));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct CallTimeout {
    milliseconds: u64,
}

impl CallTimeout {
    /// The time in whole milliseconds, a begun one included: a server rather works a millisecond too
    /// long than gives up an answer that is still waited for. At most 999,999,999,999 ms.
    pub fn from_duration(left: Duration) -> Self {
        const MOST: u128 = 10u128.pow(MAX_DIGITS as u32) - 1;
        let milliseconds = left.as_micros().div_ceil(1000).min(MOST);
        // At most twelve digits.
        Self { milliseconds: milliseconds as u64 }
    }

    /// The time.
    pub fn as_duration(self) -> Duration {
        Duration::from_millis(self.milliseconds)
    }

    /// Reads a header's value: one to twelve decimal digits, and nothing else.
    pub(crate) fn parse(value: &HeaderValue) -> Option<Self> {
        let milliseconds = decimal::parse(value, MAX_DIGITS)?;
        Some(Self { milliseconds })
    }

    pub(crate) fn header_value(self) -> HeaderValue {
        HeaderValue::from(self.milliseconds)
    }
}

impl std::fmt::Display for CallTimeout {
    /// As it travels.
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.milliseconds.fmt(formatter)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Option<u128> {
        let value = HeaderValue::from_bytes(text.as_bytes()).ok()?;
        CallTimeout::parse(&value).map(|timeout| timeout.as_duration().as_millis())
    }

    #[test]
    fn digits_are_read_and_nothing_else() {
        assert_eq!(parse("0"), Some(0));
        assert_eq!(parse("007"), Some(7));
        assert_eq!(parse("999999999999"), Some(999_999_999_999));
        for text in ["", "1000000000000", "-1", "+1", "1.5", "1s", " 1", "1 ", "1, 2", "\u{0661}"] {
            assert_eq!(parse(text), None, "{text:?}");
        }
    }

    #[test]
    fn what_is_written_is_read_back() {
        for (time, text) in [
            (Duration::ZERO, "0"),
            (Duration::from_nanos(1), "0"),
            (Duration::from_micros(1), "1"),
            (Duration::from_millis(1), "1"),
            (Duration::from_micros(1001), "2"),
            (Duration::MAX, "999999999999"),
        ] {
            let timeout = CallTimeout::from_duration(time);
            assert_eq!(timeout.header_value(), text);
            assert_eq!(CallTimeout::parse(&timeout.header_value()), Some(timeout));
        }
    }
}
