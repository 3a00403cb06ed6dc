//! Recognizes messages of the protocol by their tapes.

use super::*;

/// What a response holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReplyForm {
    /// `{return, Value}`.
    Return {
        /// The first word of `Value`.
        word_offset: usize,
    },
    /// `{exception, {Class, Reason, Stacktrace}}`.
    Exception {
        /// The first word of the inner tuple.
        word_offset: usize,
    },
}

impl Tape {
    /// The number of items if the term is a proper list.
    pub fn list_arity(&self) -> Option<usize> {
        let head = *self.words.first()?;
        match head & 15 {
            LIST | BYTELIST => Some((head >> 4) as usize),
            CONST if head >> 4 == EMPTY_LIST => Some(0),
            _ => None,
        }
    }

    /// What the term is, if it is a response.
    pub fn reply_form(&self) -> Option<ReplyForm> {
        if *self.words.first()? != word(TUPLE, 2) {
            return None;
        }
        let word_offset = 2;
        match self.atom_at(1)? {
            b"return" => Some(ReplyForm::Return { word_offset }),
            b"exception" => {
                self.is_exception_at(word_offset).then_some(ReplyForm::Exception { word_offset })
            }
            _ => None,
        }
    }

    /// Whether the term is `{Class, Reason, Stacktrace}`.
    pub fn is_exception(&self) -> bool {
        self.is_exception_at(0)
    }

    fn is_exception_at(&self, at: usize) -> bool {
        let parts = || {
            let class =
                (*self.words.get(at)? == word(TUPLE, 3)).then(|| self.atom_at(at + 1))??;
            let stacktrace = self.words.get(self.skip(at + 2)?..)?;
            // A part may end before it.
            let mut words = stacktrace.iter().skip_while(|word| **word == ext(NEXT_PART, 0));
            Some((class, *words.next()?))
        };
        parts().is_some_and(|(class, stacktrace)| {
            let is_list =
                matches!(stacktrace & 15, LIST | BYTELIST) || stacktrace == word(CONST, EMPTY_LIST);
            is_list && matches!(class, b"error" | b"exit" | b"throw")
        })
    }

    fn atom_at(&self, at: usize) -> Option<&[u8]> {
        let head = *self.words.get(at)?;
        let index = (head & 15 == ATOM).then_some((head >> 4) as usize)?;
        let names = std::str::from_utf8(&self.names).ok()?;
        // Lengths are in UTF-16 units. Few atoms come before this one.
        let mut characters = names.char_indices();
        let mut skip = |units: u32| {
            let mut left = units as usize;
            while left > 0 {
                left = left.checked_sub(characters.next()?.1.len_utf16())?;
            }
            Some(characters.offset())
        };
        let mut start = 0;
        for units in &self.atoms[..index.min(self.atoms.len())] {
            start = skip(*units)?;
        }
        let end = skip(*self.atoms.get(index)?)?;
        self.names.get(start..end)
    }

    /// The word after a term.
    fn skip(&self, mut at: usize) -> Option<usize> {
        // Terms to skip, and for each open MIXED map those after it.
        let mut left = 1u64;
        let mut outer = Vec::new();
        loop {
            if left == 0 {
                let Some(after) = outer.pop() else { return Some(at) };
                // After the values of the shape come a count and pairs.
                left = after + 2 * u64::from(*self.words.get(at)?);
                at += 1;
                continue;
            }
            let head = *self.words.get(at)?;
            at += 1;
            left -= 1;
            let payload = u64::from(head >> 4);
            match head & 15 {
                LIST | TUPLE => left += payload,
                OBJECT => left += self.shape_keys(payload as usize)?,
                MAP => left += 2 * (payload >> 2),
                BYTES | BIG | BYTELIST => at += 1,
                EXT => {
                    let rest = head >> 8;
                    match head >> 4 & 15 {
                        IMPROPER => left += u64::from(rest) + 1,
                        BITSTRING | EXTFUN => at += 2,
                        PID | PORT => at += 4,
                        REFERENCE => at += 2 + rest as usize,
                        FUN => {
                            left += u64::from(*self.words.get(at)?) + 3;
                            at += 7;
                        }
                        MIXED => {
                            outer.push(left);
                            left = self.shape_keys((rest >> 2) as usize)?;
                        }
                        INLINE => at += (rest as usize).div_ceil(4),
                        DOUBLES | WIDE_TEXT => {}
                        NATIVE_RECORD => {
                            left += u64::from(rest);
                            at += 3 + rest as usize;
                        }
                        NEXT_PART => left += 1,
                        // A control word precedes the term.
                        _ => {
                            at += 1;
                            left += 1;
                        }
                    }
                }
                _ => {}
            }
        }
    }

    fn shape_keys(&self, shape: usize) -> Option<u64> {
        Some(u64::from(self.shapes.get(shape)?[0] >> 1))
    }
}
