//! Metadata (`x-backwater-meta-<name>`) and W3C trace headers of a call. Servers ignore unsigned
//! ones.

use http::{HeaderMap, HeaderName, HeaderValue};
use std::borrow::Cow;

use crate::percent;
use crate::signature::SignedNames;

pub const METADATA_PREFIX: &str = "x-backwater-meta-";
/// Leaves room for other headers within a server's limit of 100.
pub(crate) const MAX_METADATA_ENTRIES: usize = 64;
/// In bytes. Cowboy limits `authorization`, which lists the names, to 4 KiB.
pub(crate) const MAX_METADATA_NAMES: usize = 2048;
pub(crate) const MAX_METADATA_SIZE: usize = 8192;

const RESERVED: [&str; 3] = ["traceparent", "tracestate", "baggage"];
const RESERVED_PREFIXES: [&str; 2] = ["backwater-", "x-backwater-"];

/// Signed headers in addition to the protocol's own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CallHeaders {
    /// Sorted by name.
    headers: std::sync::Arc<[(HeaderName, HeaderValue)]>,
}

impl CallHeaders {
    /// `None` if a header is unknown, repeated or malformed.
    pub fn new<'a>(headers: impl IntoIterator<Item = (&'a str, &'a str)>) -> Option<Self> {
        let header = |(name, value): (&str, &str)| {
            let is_known = name.starts_with(METADATA_PREFIX) || RESERVED.contains(&name);
            let name = HeaderName::from_bytes(name.as_bytes()).ok().filter(|_| is_known)?;
            Some((name, HeaderValue::from_str(value).ok()?))
        };
        let mut headers = headers.into_iter().map(header).collect::<Option<Vec<_>>>()?;
        headers.sort_unstable_by(|(left, _), (right, _)| left.as_str().cmp(right.as_str()));
        let is_distinct = headers.is_sorted_by(|(left, _), (right, _)| left != right);
        is_distinct.then(|| Self { headers: headers.into() })
    }

    pub(crate) fn as_slice(&self) -> &[(HeaderName, HeaderValue)] {
        &self.headers
    }
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CarriedContext {
    pub metadata: Vec<(String, String)>,
    pub trace: TraceContext,
}

/// W3C Trace Context and Baggage.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TraceContext {
    pub traceparent: Option<String>,
    pub tracestate: Option<String>,
    pub baggage: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum MetadataFailure {
    /// A name is invalid or repeated, or a value is not percent-encoded UTF-8.
    Invalid,
    TooLarge,
}

impl CarriedContext {
    pub(crate) fn read(
        headers: &HeaderMap,
        names: &SignedNames<'_>,
    ) -> Result<Option<Box<Self>>, MetadataFailure> {
        let mut carried: Option<Box<Self>> = None;
        let (mut names_size, mut size) = (0, 0);
        for name in names.iter() {
            if let Some(name) = after_prefix(name) {
                let metadata = &mut carried.get_or_insert_default().metadata;
                let name = name.to_ascii_lowercase();
                let value = the_only(headers, &[METADATA_PREFIX, &name].concat())?;
                names_size += name.len();
                size += name.len() + value.len();
                if metadata.len() == MAX_METADATA_ENTRIES
                    || names_size > MAX_METADATA_NAMES
                    || size > MAX_METADATA_SIZE
                {
                    return Err(MetadataFailure::TooLarge);
                }
                let value = parse_entry(&name, value).ok_or(MetadataFailure::Invalid)?;
                metadata.push((name, value));
            } else if let Some(index) =
                RESERVED.iter().position(|reserved| reserved.eq_ignore_ascii_case(name))
            {
                carried.get_or_insert_default().trace.set(index, headers);
            }
        }
        Ok(carried)
    }
}

impl TraceContext {
    /// Malformed traces are ignored, because tracing must never fail a call.
    fn set(&mut self, index: usize, headers: &HeaderMap) {
        let mut values = headers.get_all(RESERVED[index]).iter().map(HeaderValue::to_str);
        let Some(Ok(first)) = values.next() else { return };
        if index == 0 {
            // Two would be ambiguous (Trace Context, 3.2).
            self.traceparent = values.next().is_none().then(|| first.to_owned());
            return;
        }
        let Ok(list) = values.try_fold(first.to_owned(), |list, value| {
            Ok::<_, ()>(list + "," + value.map_err(drop)?)
        }) else {
            return;
        };
        *(if index == 1 { &mut self.tracestate } else { &mut self.baggage }) = Some(list);
    }
}

/// Ignores case.
fn after_prefix(header: &str) -> Option<&str> {
    let (prefix, name) = header.split_at_checked(METADATA_PREFIX.len())?;
    prefix.eq_ignore_ascii_case(METADATA_PREFIX).then_some(name)
}

fn the_only<'a>(headers: &'a HeaderMap, name: &str) -> Result<&'a HeaderValue, MetadataFailure> {
    let mut values = headers.get_all(name).iter();
    match (values.next(), values.next()) {
        (Some(value), None) => Ok(value),
        _ => Err(MetadataFailure::Invalid),
    }
}

fn parse_entry(name: &str, value: &HeaderValue) -> Option<String> {
    let is_reserved =
        RESERVED.contains(&name) || RESERVED_PREFIXES.iter().any(|prefix| name.starts_with(prefix));
    if name.is_empty() || is_reserved || !value.as_bytes().iter().all(u8::is_ascii_graphic) {
        return None;
    }
    percent::decode(value.to_str().ok()?).map(Cow::into_owned)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn read(entries: &[(&str, &[u8])]) -> Result<CarriedContext, MetadataFailure> {
        let mut headers = HeaderMap::new();
        for (name, value) in entries {
            let name = HeaderName::from_bytes(name.as_bytes()).unwrap();
            headers.append(name, HeaderValue::from_bytes(value).unwrap());
        }
        let mut names: Vec<&str> = entries.iter().map(|(name, _)| *name).collect();
        names.dedup();
        CarriedContext::read(&headers, &SignedNames::of(names))
            .map(|carried| *carried.unwrap_or_default())
    }

    fn value_of(value: &[u8]) -> Option<String> {
        let carried = read(&[("x-backwater-meta-a", value)]);
        carried.ok().map(|carried| carried.metadata[0].1.clone())
    }

    #[test]
    fn values_are_percent_encoded_text() {
        for (value, text) in [
            ("", ""),
            ("!~", "!~"),
            ("%20a%20", " a "),
            ("%25", "%"),
            ("%2525", "%25"),
            ("%C3%a9", "\u{e9}"),
            ("%F0%9F%90%98", "\u{1f418}"),
            ("%00%0D%0A", "\0\r\n"),
            ("a+b,c;\"d\"", "a+b,c;\"d\""),
        ] {
            assert_eq!(value_of(value.as_bytes()).as_deref(), Some(text), "{value}");
        }
        for value in [
            &b"%"[..],
            b"%2",
            b"%zz",
            b"%+1",
            b"%FF",
            b"%C3",
            b"%C0%80",
            b"%ED%A0%80",
            b"a b",
            b"a\tb",
            b"\xc3\xa9",
        ] {
            assert_eq!(value_of(value), None, "{value:?}");
        }
    }

    #[test]
    fn names_are_in_lower_case_and_not_reserved() {
        let carried = read(&[("X-Backwater-Meta-Tenant", b"acme")]).unwrap();
        assert_eq!(carried.metadata, [("tenant".to_owned(), "acme".to_owned())]);
        for name in
            ["", "traceparent", "tracestate", "baggage", "backwater-x", "x-backwater-caller"]
        {
            let header = [METADATA_PREFIX, name].concat();
            assert_eq!(read(&[(&header, b"x")]), Err(MetadataFailure::Invalid), "{name}");
        }
        assert!(read(&[("x-backwater-meta-x", b"1"), ("x-backwater-meta-xy", b"2")]).is_ok());
    }

    #[test]
    fn repeated_entries_are_refused() {
        let twice = [("x-backwater-meta-a", &b"1"[..]), ("x-backwater-meta-a", b"1")];
        assert_eq!(read(&twice), Err(MetadataFailure::Invalid));
    }

    #[test]
    fn the_limits_are_exact() {
        let entries = |count: usize, name: usize, value: usize| {
            let names: Vec<_> =
                (0..count).map(|number| format!("{METADATA_PREFIX}{number:0>name$}")).collect();
            let value = vec![b'x'; value];
            let entries: Vec<_> = names.iter().map(|name| (name.as_str(), &value[..])).collect();
            read(&entries).map(|carried| carried.metadata.len())
        };
        assert_eq!(entries(64, 2, 0), Ok(64));
        assert_eq!(entries(65, 2, 0), Err(MetadataFailure::TooLarge));
        assert_eq!(entries(1, 2048, 0), Ok(1));
        assert_eq!(entries(1, 2049, 0), Err(MetadataFailure::TooLarge));
        assert_eq!(entries(32, 64, 192), Ok(32));
        assert_eq!(entries(32, 64, 193), Err(MetadataFailure::TooLarge));
    }

    #[test]
    fn traces_never_fail_a_call() {
        let carried = read(&[
            ("baggage", b"a=1"),
            ("baggage", b"b=2"),
            ("traceparent", b"00-1-2-01"),
            ("tracestate", b"\xff"),
        ])
        .unwrap();
        let baggage = Some("a=1,b=2".to_owned());
        let traceparent = Some("00-1-2-01".to_owned());
        assert_eq!(carried.trace, TraceContext { traceparent, tracestate: None, baggage });
        let twice = read(&[("traceparent", b"00-1-2-01"), ("traceparent", b"00-3-4-01")]).unwrap();
        assert_eq!(twice.trace, TraceContext::default());
    }

    #[test]
    fn only_valid_headers_are_carried() {
        let headers = CallHeaders::new([
            ("x-backwater-meta-b", "2"),
            ("baggage", "x=1"),
            ("x-backwater-meta-a", "1"),
        ]);
        let headers = headers.unwrap();
        let names: Vec<_> = headers.as_slice().iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["baggage", "x-backwater-meta-a", "x-backwater-meta-b"]);
        for (name, value) in [
            ("digest", "x"),
            ("x-backwater-caller", "x"),
            ("x-backwater-meta-a b", "x"),
            ("x-backwater-meta-a", "x\r\ny: z"),
            ("x-backwater-meta-a", "\0"),
        ] {
            assert!(CallHeaders::new([(name, value)]).is_none(), "{name}: {value:?}");
        }
        let twice = [("x-backwater-meta-a", "1"), ("x-backwater-meta-A", "2")];
        assert!(CallHeaders::new(twice).is_none());
    }
}
