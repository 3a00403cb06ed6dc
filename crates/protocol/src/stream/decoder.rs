use std::fmt;
use std::ops::Range;

use backwater_etf::{DecodeError, DecodeErrorKind, DecodeOptions, Decoder, Tape, is_exception};
use bytes::{Buf, Bytes, BytesMut};
use ring::hmac;
use subtle::ConstantTimeEq;

use super::{FrameType, GATHERED, GZIPPED, HEAD, TAG, VERSION, tag_of};
use crate::gzip::{self, GzipError};

#[derive(Clone, Debug, PartialEq)]
pub enum FrameError {
    /// A frame was changed, dropped, repeated or reordered, or is from another stream.
    InvalidTag {
        number: u64,
    },
    /// The size that a frame claims, unverified.
    TooLarge {
        size: usize,
        /// `max_encoded_result_size` plus [`GATHERED`].
        limit: usize,
    },
    Truncated,
    UnknownType(u8),
    /// Flags are unknown, or not allowed for the type.
    UnknownFlags(u8),
    Inflate(GzipError),
    InvalidPayload(FrameType),
    Decode(DecodeError),
    CountMismatch {
        received: u64,
        sent: u64,
    },
    TrailingBytes,
}

impl FrameError {
    pub fn reason(&self) -> &'static str {
        match self {
            Self::InvalidTag { .. } => "invalid_frame_tag",
            Self::TooLarge { .. } => "frame_too_large",
            Self::Truncated => "truncated_stream",
            Self::UnknownType(_) => "unknown_frame_type",
            Self::UnknownFlags(_) => "unknown_frame_flags",
            Self::Inflate(_) | Self::InvalidPayload(_) | Self::Decode(_) => "invalid_frame_payload",
            Self::CountMismatch { .. } => "item_count_mismatch",
            Self::TrailingBytes => "trailing_bytes",
        }
    }
}

impl fmt::Display for FrameError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::InvalidTag { number } => write!(
                formatter,
                "the signature of frame {number} is wrong: it was modified, or frames were \
                 dropped, repeated, reordered or taken from another stream"
            ),
            Self::TooLarge { size, limit } => write!(
                formatter,
                "a frame of {size} bytes exceeds the limit of {limit} bytes (option \
                 maxEncodedResultSize and {GATHERED} bytes)"
            ),
            Self::Truncated => formatter.write_str("the body ended before the end of the stream"),
            Self::UnknownType(kind) => write!(formatter, "a frame has the unknown type {kind}"),
            Self::UnknownFlags(flags) => {
                write!(formatter, "a frame has flags {flags:#04x}, which its type does not allow")
            }
            Self::Inflate(GzipError::TooLarge { limit }) => write!(
                formatter,
                "a frame inflates to more than the limit of {limit} bytes (option \
                 maxEncodedResultSize and {GATHERED} bytes)"
            ),
            Self::Inflate(error) => write!(formatter, "the payload of a frame: {error}"),
            Self::InvalidPayload(kind) => formatter.write_str(match kind {
                FrameType::Items => "a frame of items does not hold a list of terms",
                FrameType::End => "the end of the stream does not hold an 8-byte count",
                FrameType::Exception => "an exception is not {Class, Reason, Stacktrace}",
                FrameType::Ping => "a ping has a payload",
            }),
            Self::Decode(error) => write!(formatter, "the payload of a frame: {error}"),
            Self::CountMismatch { received, sent } => {
                write!(formatter, "{received} items arrived, but the end of the stream says {sent}")
            }
            Self::TrailingBytes => formatter.write_str("bytes follow the end of the stream"),
        }
    }
}

impl std::error::Error for FrameError {}

#[derive(Debug)]
pub enum Frame {
    Items(Items),
    End { count: u64 },
    Exception(Exception),
    Ping,
}

enum State {
    Open,
    Ended,
    Failed(FrameError),
}

/// Exposes nothing of a frame before its tag is verified.
pub struct FrameDecoder {
    key: hmac::Key,
    number: u64,
    count: u64,
    /// Limits payloads, compressed and inflated.
    max_size: usize,
    buffer: BytesMut,
    state: State,
}

impl FrameDecoder {
    pub(crate) fn new(key: hmac::Key, max_encoded_result_size: usize) -> Self {
        Self {
            key,
            number: 0,
            count: 0,
            max_size: max_encoded_result_size.saturating_add(GATHERED),
            buffer: BytesMut::new(),
            state: State::Open,
        }
    }

    /// Adds bytes. First call [`next_frame`](Self::next_frame) until it returns `None`, so that at
    /// most one frame is buffered.
    pub fn push(&mut self, bytes: &[u8]) {
        match self.state {
            State::Failed(_) => {}
            _ => self.buffer.extend_from_slice(bytes),
        }
    }

    pub fn buffered(&self) -> usize {
        self.buffer.len()
    }

    /// The unverified size that the head of the next frame claims.
    pub fn frame_size(&self) -> Option<usize> {
        let head = self.buffer.first_chunk()?;
        Some(payload_size(head).saturating_add(HEAD + TAG))
    }

    /// `None` if bytes are missing, or the stream has ended. An error is final.
    pub fn next_frame(&mut self) -> Result<Option<Frame>, FrameError> {
        let read = match &self.state {
            State::Open => self.read(),
            State::Ended if self.buffer.is_empty() => return Ok(None),
            State::Ended => Err(FrameError::TrailingBytes),
            State::Failed(error) => return Err(error.clone()),
        };
        match &read {
            Ok(Some(Frame::End { .. } | Frame::Exception(_))) => self.state = State::Ended,
            Ok(_) => {}
            Err(error) => {
                self.state = State::Failed(error.clone());
                self.buffer = BytesMut::new();
            }
        }
        read
    }

    /// Checks at the end of the body that the stream has ended as well.
    pub fn finish(&self) -> Result<(), FrameError> {
        match &self.state {
            State::Open => Err(FrameError::Truncated),
            State::Ended if self.buffer.is_empty() => Ok(()),
            State::Ended => Err(FrameError::TrailingBytes),
            State::Failed(error) => Err(error.clone()),
        }
    }

    fn read(&mut self) -> Result<Option<Frame>, FrameError> {
        let Some(head) = self.buffer.first_chunk::<HEAD>() else { return Ok(None) };
        let size = payload_size(head);
        let [.., kind, flags] = *head;
        if size > self.max_size {
            return Err(FrameError::TooLarge { size, limit: self.max_size });
        }
        let end = HEAD + size;
        let Some(tag) = self.buffer.get(end..end + TAG) else { return Ok(None) };
        let expected = tag_of(&self.key, self.number, &self.buffer[..end]);
        if !bool::from(expected.ct_eq(tag)) {
            return Err(FrameError::InvalidTag { number: self.number });
        }
        self.number += 1;
        let payload = self.take(HEAD..end, end + TAG);
        self.open(kind, flags, payload).map(Some)
    }

    /// Keeps little memory beyond the payload.
    fn take(&mut self, payload: Range<usize>, end: usize) -> Bytes {
        if self.buffer.len() == end && payload.len() >= GATHERED {
            return std::mem::take(&mut self.buffer).freeze().slice(payload);
        }
        let bytes = Bytes::copy_from_slice(&self.buffer[payload]);
        self.buffer.advance(end);
        if self.buffer.is_empty() {
            // Idle streams hold no memory.
            self.buffer = BytesMut::new();
        }
        bytes
    }

    fn open(&mut self, kind: u8, flags: u8, payload: Bytes) -> Result<Frame, FrameError> {
        let kind = FrameType::of(kind).ok_or(FrameError::UnknownType(kind))?;
        let may_be_gzipped = matches!(kind, FrameType::Items | FrameType::Exception);
        let payload = match flags {
            0 => payload,
            GZIPPED if may_be_gzipped => {
                let inflated = gzip::inflate(&payload, self.max_size);
                inflated.map_err(FrameError::Inflate)?.into()
            }
            _ => return Err(FrameError::UnknownFlags(flags)),
        };
        let invalid = FrameError::InvalidPayload(kind);
        match kind {
            FrameType::Items => {
                let count = count_of(&payload).filter(|count| *count > 0).ok_or(invalid)?;
                self.count += u64::from(count);
                Ok(Frame::Items(Items { payload, count }))
            }
            FrameType::End => {
                let sent = u64::from_be_bytes((*payload).try_into().map_err(|_| invalid)?);
                if sent != self.count {
                    return Err(FrameError::CountMismatch { received: self.count, sent });
                }
                Ok(Frame::End { count: sent })
            }
            FrameType::Exception => Ok(Frame::Exception(Exception { payload })),
            FrameType::Ping if payload.is_empty() => Ok(Frame::Ping),
            FrameType::Ping => Err(invalid),
        }
    }
}

fn payload_size(head: &[u8; HEAD]) -> usize {
    let [a, b, c, d, ..] = *head;
    u32::from_be_bytes([a, b, c, d]) as usize
}

fn count_of(payload: &[u8]) -> Option<u32> {
    match *payload {
        [VERSION, 108, a, b, c, d, ..] => Some(u32::from_be_bytes([a, b, c, d])),
        [VERSION, 107, a, b, ..] => Some(u32::from(u16::from_be_bytes([a, b]))),
        _ => None,
    }
}

#[derive(Debug)]
pub struct Items {
    payload: Bytes,
    count: u32,
}

impl Items {
    pub fn count(&self) -> u32 {
        self.count
    }

    /// In bytes, inflated.
    pub fn size(&self) -> usize {
        self.payload.len()
    }

    /// Decodes one list. Returns the bytes that the tape refers to. `max_depth` applies to each
    /// item.
    pub fn decode(
        self,
        decoder: &mut Decoder,
        options: &DecodeOptions<'_>,
        tape: &mut Tape,
    ) -> Result<Bytes, FrameError> {
        // The list around the items does not count.
        let inside = DecodeOptions { max_depth: options.max_depth.saturating_add(1), ..*options };
        let decoded = decode(&self.payload, decoder, &inside, tape);
        let is_whole = decoded.map_err(|mut error| {
            if let DecodeErrorKind::Depth(limit) = &mut error.kind {
                *limit = options.max_depth;
            }
            FrameError::Decode(error)
        })?;
        if is_whole && tape.list_arity() == Some(self.count as usize) {
            Ok(self.payload)
        } else {
            Err(FrameError::InvalidPayload(FrameType::Items))
        }
    }
}

#[derive(Debug)]
pub struct Exception {
    payload: Bytes,
}

impl Exception {
    /// In bytes, inflated.
    pub fn size(&self) -> usize {
        self.payload.len()
    }

    /// Decodes `{Class, Reason, Stacktrace}`. Returns the bytes that the tape refers to.
    pub fn decode(
        self,
        decoder: &mut Decoder,
        options: &DecodeOptions<'_>,
        tape: &mut Tape,
    ) -> Result<Bytes, FrameError> {
        let decoded = decode(&self.payload, decoder, options, tape);
        if decoded.map_err(FrameError::Decode)? && is_exception(&self.payload) {
            Ok(self.payload)
        } else {
            Err(FrameError::InvalidPayload(FrameType::Exception))
        }
    }
}

fn decode(
    payload: &[u8],
    decoder: &mut Decoder,
    options: &DecodeOptions<'_>,
    tape: &mut Tape,
) -> Result<bool, DecodeError> {
    decoder.decode(payload, options, tape).map(|used| used == payload.len())
}
