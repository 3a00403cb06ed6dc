//! The path of a request: `/backwater/1/<module>/<function>/<arity>`.

use std::borrow::Cow;

use crate::percent;

pub(crate) const BASE: &str = "/backwater/1/";

const NEVER_EXPOSED: [(&str, u8); 5] = [
    ("module_info", 0),
    ("module_info", 1),
    ("behaviour_info", 1),
    ("__info__", 1),
    ("backwater_export", 0),
];

#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Target<'a> {
    pub(crate) module: Cow<'a, str>,
    pub(crate) function: Cow<'a, str>,
    pub(crate) arity: u8,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TargetError {
    Path,
    Arity,
}

impl<'a> Target<'a> {
    /// `path` must start with [`BASE`].
    pub(crate) fn parse(path: &'a str) -> Result<Self, TargetError> {
        let mut parts = path.strip_prefix(BASE).ok_or(TargetError::Path)?.split('/');
        let (Some(module), Some(function), Some(arity), None) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(TargetError::Path);
        };
        let module = percent::decode(module).ok_or(TargetError::Path)?;
        let function = percent::decode(function).ok_or(TargetError::Path)?;
        if module.is_empty() || function.is_empty() || arity.is_empty() {
            return Err(TargetError::Path);
        }
        let arity = parse_arity(&percent::decode(arity).ok_or(TargetError::Path)?);
        Ok(Self { module, function, arity: arity.ok_or(TargetError::Arity)? })
    }

    pub(crate) fn is_never_exposed(&self) -> bool {
        NEVER_EXPOSED.contains(&(&*self.function, self.arity))
    }
}

/// Parses decimal digits, perhaps with a sign.
fn parse_arity(text: &str) -> Option<u8> {
    text.parse::<i16>().ok()?.try_into().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(rest: &str) -> Result<(String, String, u8), TargetError> {
        Target::parse(&format!("{BASE}{rest}"))
            .map(|t| (t.module.into_owned(), t.function.into_owned(), t.arity))
    }

    #[test]
    fn names_are_percent_decoded_once() {
        assert_eq!(parse("a%2Fb/%C3%A9/0"), Ok(("a/b".into(), "é".into(), 0)));
        assert_eq!(parse("a%252Fb/f/0"), Ok(("a%2Fb".into(), "f".into(), 0)));
        assert_eq!(parse("%2e%2e/f/0"), Ok(("..".into(), "f".into(), 0)));
        for bad in
            ["a%/f/0", "a%2/f/0", "a%zz/f/0", "%ff/f/0", "m/f", "m/f/1/2", "m//1", "/f/1", "m/f/"]
        {
            assert_eq!(parse(bad), Err(TargetError::Path), "{bad}");
        }
    }

    #[test]
    fn arities() {
        for (text, arity) in [("0", 0), ("001", 1), ("+1", 1), ("255", 255), ("-0", 0)] {
            assert_eq!(parse(&format!("m/f/{text}")), Ok(("m".into(), "f".into(), arity)));
        }
        for bad in ["256", "-1", "x", "1x", "+", "1.0", "99999999999999999999", "%20"] {
            assert_eq!(parse(&format!("m/f/{bad}")), Err(TargetError::Arity), "{bad}");
        }
    }
}
