//! What a message of the protocol is, as its tape shows.

use super::*;

/// What a decoded response is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReplyForm {
    /// `{return, Value}`.
    Return {
        /// The word at which the value begins.
        word_offset: usize,
    },
    /// `{exception, {Class, Reason, Stacktrace}}`.
    Exception {
        /// The word at which the inner tuple begins.
        word_offset: usize,
    },
}

impl Tape {
    /// How many items the term has, if it is a proper list.
    pub fn list_arity(&self) -> Option<usize> {
        let head = *self.words.first()?;
        match head & 15 {
            LIST | BYTELIST => Some((head >> 4) as usize),
            CONST if head >> 4 == EMPTY_LIST => Some(0),
            _ => None,
        }
    }

    /// What the term is, if it is an answer of the protocol.
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
            Some((class, *self.words.get(self.skip(at + 2)?)?))
        };
        parts().is_some_and(|(class, stacktrace)| {
            let is_list =
                matches!(stacktrace & 15, LIST | BYTELIST) || stacktrace == word(CONST, EMPTY_LIST);
            is_list && matches!(class, b"error" | b"exit" | b"throw")
        })
    }

    /// The name of the atom at a word.
    fn atom_at(&self, at: usize) -> Option<&[u8]> {
        let head = *self.words.get(at)?;
        let index = (head & 15 == ATOM).then_some((head >> 4) as usize)?;
        let names = std::str::from_utf8(&self.names).ok()?;
        // Lengths are in UTF-16 units; the few atoms before this one are walked.
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

    /// The word after the term at a word.
    fn skip(&self, mut at: usize) -> Option<usize> {
        // Terms still to be skipped; below them, for each open MIXED map, those after it.
        let mut left = 1u64;
        let mut outer = Vec::new();
        loop {
            if left == 0 {
                let Some(after) = outer.pop() else { return Some(at) };
                // The values of a shape end here: a count follows, then so many pairs.
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
                        // A control word: the term is still to come.
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
