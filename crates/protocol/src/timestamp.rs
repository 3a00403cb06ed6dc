use std::time::{Duration, SystemTime, UNIX_EPOCH};

use http::HeaderValue;

use crate::decimal;

/// Until the year 33658.
const MAX_DIGITS: usize = 15;

/// The signed header `x-backwater-created`, in milliseconds since 1970.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Timestamp {
    milliseconds: u64,
}

impl Timestamp {
    pub(crate) const FIRST: Self = Self { milliseconds: 0 };

    pub(crate) fn parse(value: &HeaderValue) -> Option<Self> {
        let milliseconds = decimal::parse(value, MAX_DIGITS)?;
        Some(Self { milliseconds })
    }

    pub(crate) fn header_value(self) -> HeaderValue {
        HeaderValue::from(self.milliseconds)
    }

    pub(crate) fn distance(self, other: Self) -> Duration {
        Duration::from_millis(self.milliseconds.abs_diff(other.milliseconds))
    }

    pub(crate) fn plus(self, time: Duration) -> Self {
        let time = u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        Self { milliseconds: self.milliseconds.saturating_add(time) }
    }

    /// Zero if `earlier` is later.
    pub(crate) fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(self.milliseconds.saturating_sub(earlier.milliseconds))
    }
}

impl From<SystemTime> for Timestamp {
    fn from(time: SystemTime) -> Self {
        Self::FIRST.plus(time.duration_since(UNIX_EPOCH).unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_digits_are_accepted() {
        let parse = |text: &str| {
            let value = HeaderValue::from_bytes(text.as_bytes()).ok()?;
            Timestamp::parse(&value).map(|time| time.milliseconds)
        };
        assert_eq!(parse("0"), Some(0));
        assert_eq!(parse("007"), Some(7));
        assert_eq!(parse("999999999999999"), Some(999_999_999_999_999));
        for text in ["", "1000000000000000", "-1", "+1", "1.5", "1e3", " 1", "1 ", "1, 2"] {
            assert_eq!(parse(text), None, "{text:?}");
        }
    }

    #[test]
    fn values_round_trip() {
        let time = Timestamp::from(UNIX_EPOCH + Duration::from_micros(1_790_000_000_123_999));
        assert_eq!(time.header_value(), "1790000000123");
        assert_eq!(Timestamp::parse(&time.header_value()), Some(time));
        assert_eq!(Timestamp::from(UNIX_EPOCH - Duration::from_secs(1)), Timestamp::FIRST);
    }
}
