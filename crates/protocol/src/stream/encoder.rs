use backwater_etf::tape::MAX_DEPTH;
use backwater_etf::{EncodeOptions, Encoder, TapeRef};
use ring::hmac;

use super::{FrameType, GATHERED, GZIPPED, HEAD, VERSION, tag_of};
use crate::gzip;
use crate::server::{RespondError, Settings};

/// LIST_EXT up to its count.
const LIST: [u8; 2] = [VERSION, 108];
const LIST_HEAD: usize = LIST.len() + 4;
const NIL: u8 = 106;

/// Every method appends whole frames to `out`.
pub struct FrameEncoder {
    key: hmac::Key,
    number: u64,
    count: u64,
    max_item_size: usize,
    /// `None` if the caller does not accept gzip.
    compression: Option<Compression>,
}

/// The most payloads to skip after incompressible ones, such as images.
const LONGEST_PAUSE: u32 = 64;

struct Compression {
    /// In bytes.
    threshold: usize,
    level: u32,
    /// Payloads to skip now, and after the next incompressible one.
    pause: u32,
    next_pause: u32,
}

impl Compression {
    /// `None` if the payload is skipped or does not shrink.
    fn pack(&mut self, payload: &[u8]) -> Option<Vec<u8>> {
        if payload.len() < self.threshold {
            return None;
        }
        if self.pause > 0 {
            self.pause -= 1;
            return None;
        }
        let packed = gzip::deflate(payload, self.level);
        match packed {
            Some(_) => self.next_pause = 1,
            None => {
                self.pause = self.next_pause;
                self.next_pause = (self.next_pause * 2).min(LONGEST_PAUSE);
            }
        }
        packed
    }
}

impl FrameEncoder {
    pub(crate) fn new(key: hmac::Key, accepts_gzip: bool, settings: &Settings) -> Self {
        Self {
            key,
            number: 0,
            count: 0,
            max_item_size: settings.max_encoded_result_size,
            compression: accepts_gzip.then_some(Compression {
                threshold: settings.compression_threshold,
                level: settings.gzip_level,
                pause: 0,
                next_pause: 1,
            }),
        }
    }

    pub fn count(&self) -> u64 {
        self.count
    }

    /// Splits a list into frames of [`GATHERED`] bytes or slightly more. After an error, `out` has
    /// the items before the failed one, and an exception may follow.
    pub fn items(
        &mut self,
        list: TapeRef<'_>,
        encoder: &mut Encoder,
        out: &mut Vec<u8>,
    ) -> Result<(), RespondError> {
        let limit = self.max_item_size;
        let options = EncodeOptions { max_size: limit, max_depth: MAX_DEPTH };
        let mut start = begin_items(out);
        let (mut count, mut end) = (0, out.len());
        let encoded = encoder.encode_items(list, &options, out, &mut |out| {
            count += 1;
            if out.len() - start >= HEAD + GATHERED - 1 {
                self.end_items(start, count, out);
                start = begin_items(out);
                count = 0;
            }
            end = out.len();
        });
        out.truncate(end);
        if count > 0 {
            self.end_items(start, count, out);
        } else {
            out.truncate(start);
        }
        encoded.map_err(|error| RespondError::of(error, limit))
    }

    fn end_items(&mut self, start: usize, count: u32, out: &mut Vec<u8>) {
        out.push(NIL);
        let at = start + HEAD + LIST.len();
        out[at..at + 4].copy_from_slice(&count.to_be_bytes());
        self.count += u64::from(count);
        self.seal(FrameType::Items, start, out);
    }

    /// Ends the stream with `{Class, Reason, Stacktrace}`. An error leaves `out` unchanged, so that
    /// another exception may follow.
    pub fn exception(
        &mut self,
        exception: TapeRef<'_>,
        encoder: &mut Encoder,
        out: &mut Vec<u8>,
    ) -> Result<(), RespondError> {
        let limit = self.max_item_size;
        let start = begin(out);
        out.push(VERSION);
        let max_size = out.len().saturating_add(limit);
        let options = EncodeOptions { max_size, max_depth: MAX_DEPTH };
        let encoded = encoder.encode_term(exception, &options, out);
        if let Err(error) = encoded {
            out.truncate(start);
            return Err(RespondError::of(error, limit));
        }
        self.seal(FrameType::Exception, start, out);
        Ok(())
    }

    pub fn end(&mut self, out: &mut Vec<u8>) {
        let start = begin(out);
        out.extend(self.count.to_be_bytes());
        self.seal(FrameType::End, start, out);
    }

    pub fn ping(&mut self, out: &mut Vec<u8>) {
        let start = begin(out);
        self.seal(FrameType::Ping, start, out);
    }

    fn seal(&mut self, kind: FrameType, start: usize, out: &mut Vec<u8>) {
        let payload = &out[start + HEAD..];
        let packed = match (kind, &mut self.compression) {
            (FrameType::Items | FrameType::Exception, Some(compression)) => {
                compression.pack(payload)
            }
            _ => None,
        };
        let flags = if packed.is_some() { GZIPPED } else { 0 };
        if let Some(packed) = packed {
            out.truncate(start + HEAD);
            out.extend_from_slice(&packed);
        }
        let [a, b, c, d] = ((out.len() - start - HEAD) as u32).to_be_bytes();
        out[start..start + HEAD].copy_from_slice(&[a, b, c, d, kind as u8, flags]);
        let tag = tag_of(&self.key, self.number, &out[start..]);
        out.extend(tag);
        self.number += 1;
    }
}

/// Leaves room for the head, and returns the frame's start.
fn begin(out: &mut Vec<u8>) -> usize {
    let start = out.len();
    out.extend([0; HEAD]);
    start
}

fn begin_items(out: &mut Vec<u8>) -> usize {
    let start = begin(out);
    out.extend(LIST);
    out.extend([0; LIST_HEAD - LIST.len()]);
    start
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn payloads_that_do_not_shrink_are_tried_less_and_less_often() {
        let mut compression = Compression { threshold: 300, level: 1, pause: 0, next_pause: 1 };
        let mut state = 1u32;
        let mut random = || {
            state ^= state << 13;
            state ^= state >> 17;
            state ^= state << 5;
            (state >> 24) as u8
        };
        let noise: Vec<u8> = (0..400).map(|_| random()).collect();
        let mut tried = Vec::new();
        for place in 0..300 {
            if compression.pause == 0 {
                tried.push(place);
            }
            assert_eq!(compression.pack(&noise), None);
        }
        assert_eq!(tried, [0, 2, 5, 10, 19, 36, 69, 134, 199, 264]);
        let text = [b'a'; 400];
        let shrunk = (0..).find(|_| compression.pack(&text).is_some());
        assert!(shrunk.is_some_and(|after| after <= LONGEST_PAUSE), "{shrunk:?}");
        assert!(compression.pack(&text).is_some());
        assert_eq!(compression.pack(&text[..299]), None);
        assert_eq!(compression.pack(&noise), None);
        assert_eq!(compression.pack(&text), None);
        assert!(compression.pack(&text).is_some());
    }
}
