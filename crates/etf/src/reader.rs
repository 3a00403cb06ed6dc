use crate::error::{DecodeError, DecodeErrorKind as Kind};

#[derive(Clone, Copy)]
pub(crate) struct Reader<'a> {
    pub(crate) input: &'a [u8],
    pub(crate) at: usize,
}

impl<'a> Reader<'a> {
    pub(crate) fn fail<T>(&self, kind: Kind) -> Result<T, DecodeError> {
        Err(DecodeError { kind, offset: self.at })
    }

    pub(crate) fn left(&self) -> usize {
        self.input.len() - self.at
    }

    #[inline]
    pub(crate) fn u8(&mut self) -> Result<u8, DecodeError> {
        match self.input.get(self.at) {
            Some(byte) => {
                self.at += 1;
                Ok(*byte)
            }
            None => self.fail(Kind::Truncated),
        }
    }

    #[inline]
    pub(crate) fn take(&mut self, count: usize) -> Result<&'a [u8], DecodeError> {
        match self.input.get(self.at..).and_then(|rest| rest.get(..count)) {
            Some(bytes) => {
                self.at += count;
                Ok(bytes)
            }
            None => self.fail(Kind::Truncated),
        }
    }

    #[inline]
    fn array<const N: usize>(&mut self) -> Result<[u8; N], DecodeError> {
        match self.input.get(self.at..).and_then(|rest| rest.first_chunk::<N>()) {
            Some(bytes) => {
                self.at += N;
                Ok(*bytes)
            }
            None => self.fail(Kind::Truncated),
        }
    }

    #[inline]
    pub(crate) fn u16(&mut self) -> Result<u16, DecodeError> {
        Ok(u16::from_be_bytes(self.array()?))
    }

    #[inline]
    pub(crate) fn u32(&mut self) -> Result<u32, DecodeError> {
        Ok(u32::from_be_bytes(self.array()?))
    }

    #[inline]
    pub(crate) fn u64(&mut self) -> Result<u64, DecodeError> {
        Ok(u64::from_be_bytes(self.array()?))
    }

    /// Sign and digits, the lowest first, without leading zeros.
    pub(crate) fn magnitude(&mut self, count: usize) -> Result<(bool, &'a [u8]), DecodeError> {
        let negative = self.u8()? != 0;
        let mut digits = self.take(count)?;
        while let [rest @ .., 0] = digits {
            digits = rest;
        }
        Ok((negative, digits))
    }

    /// FLOAT_EXT: `sprintf` of "%.20e", padded with zeros to 31 bytes.
    pub(crate) fn old_float(&mut self) -> Result<f64, DecodeError> {
        let text = self.take(31)?;
        let end = text.iter().position(|byte| *byte == 0).unwrap_or(text.len());
        let value = std::str::from_utf8(&text[..end]).ok().and_then(parse_decimal);
        value.map_or_else(|| self.fail(Kind::Float), Ok)
    }
}

/// Unlike `str::parse`, requires digits around the point.
fn parse_decimal(text: &str) -> Option<f64> {
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
    let (whole, fraction) = digits.split_once('.')?;
    let is_decimal = !whole.is_empty()
        && whole.bytes().all(|byte| byte.is_ascii_digit())
        && fraction.starts_with(|first: char| first.is_ascii_digit());
    if is_decimal { text.parse().ok() } else { None }
}
