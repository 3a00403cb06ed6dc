use std::time::Duration;

use http::HeaderValue;

use crate::decimal;

/// About 31 years.
const MAX_DIGITS: usize = 12;

/// The signed header `x-backwater-timeout`: how long the caller waits after sending, in
/// milliseconds.
///
/// ```
/// use std::time::Duration;
/// use backwater_protocol::CallTimeout;
/// let timeout = CallTimeout::from_duration(Duration::from_micros(1_500_200));
/// assert_eq!(timeout.as_duration(), Duration::from_millis(1501));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct CallTimeout {
    milliseconds: u64,
}

impl CallTimeout {
    /// Rounds up, so that a server does not drop a result that the caller still awaits. At most
    /// 999,999,999,999 ms.
    pub fn from_duration(left: Duration) -> Self {
        const MOST: u128 = 10u128.pow(MAX_DIGITS as u32) - 1;
        let milliseconds = left.as_micros().div_ceil(1000).min(MOST);
        Self { milliseconds: milliseconds as u64 }
    }

    pub fn as_duration(self) -> Duration {
        Duration::from_millis(self.milliseconds)
    }

    pub(crate) fn parse(value: &HeaderValue) -> Option<Self> {
        let milliseconds = decimal::parse(value, MAX_DIGITS)?;
        Some(Self { milliseconds })
    }

    pub(crate) fn header_value(self) -> HeaderValue {
        HeaderValue::from(self.milliseconds)
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
    fn only_digits_are_accepted() {
        assert_eq!(parse("0"), Some(0));
        assert_eq!(parse("007"), Some(7));
        assert_eq!(parse("999999999999"), Some(999_999_999_999));
        for text in ["", "1000000000000", "-1", "+1", "1.5", "1s", " 1", "1 ", "1, 2", "\u{0661}"] {
            assert_eq!(parse(text), None, "{text:?}");
        }
    }

    #[test]
    fn values_round_trip() {
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
