//! The client's side: bytes to verified frames.

use std::fmt;
use std::ops::Range;

use backwater_etf::{DecodeError, DecodeErrorKind, DecodeOptions, Decoder, Tape, is_exception};
use bytes::{Buf, Bytes, BytesMut};
use ring::hmac;
use subtle::ConstantTimeEq;

use super::{FrameType, GATHERED, GZIPPED, HEAD, TAG, VERSION, tag_of};
use crate::gzip::{self, GzipError};

/// Why a stream is not taken any further.
#[derive(Clone, Debug, PartialEq)]
pub enum FrameError {
    /// The tag of a frame is wrong. It was modified, or stands in another place than in the stream that was
    /// sent: frames were dropped, repeated, reordered, or are of another stream.
    InvalidTag {
        /// The number that the frame has in this stream.
        number: u64,
    },
    /// A frame says that its payload is larger than the limit. This is not verified: its length may have
    /// been modified on the way.
    TooLarge {
        /// The length in bytes that the frame gives.
        size: usize,
        /// The limit in bytes: `max_encoded_result_size` and [`GATHERED`].
        limit: usize,
    },
    /// The body ended before the end of the stream.
    Truncated,
    /// An authentic frame has a type that this version does not know.
    UnknownType(u8),
    /// An authentic frame has flags that this version does not know, or that its type does not have.
    UnknownFlags(u8),
    /// The payload of an authentic frame cannot be inflated, or not within the limit.
    Inflate(GzipError),
    /// The payload of an authentic frame is not what its type says.
    InvalidPayload(FrameType),
    /// The payload of an authentic frame is no term.
    Decode(DecodeError),
    /// The end of the stream gives another count of items than there were.
    CountMismatch {
        /// How many there were.
        received: u64,
        /// How many were sent.
        sent: u64,
    },
    /// Bytes follow the end of the stream.
    TrailingBytes,
}

impl FrameError {
    /// A name for it, in the style of the protocol's.
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
                "the signature of frame {number} does not hold: it was modified, or frames were \
                 dropped, repeated, reordered or taken from another stream"
            ),
            Self::TooLarge { size, limit } => write!(
                formatter,
                "a frame of {size} bytes is larger than {limit} bytes, maxEncodedResultSize and \
                 {GATHERED} bytes"
            ),
            Self::Truncated => formatter.write_str("the body ended before the end of the stream"),
            Self::UnknownType(kind) => write!(formatter, "a frame has the unknown type {kind}"),
            Self::UnknownFlags(flags) => {
                write!(
                    formatter,
                    "a frame has the flags {flags:#04x}, which its type does not have"
                )
            }
            Self::Inflate(error) => write!(formatter, "the payload of a frame: {error}"),
            Self::InvalidPayload(kind) => formatter.write_str(match kind {
                FrameType::Items => "a frame of items does not hold a list of terms",
                FrameType::End => "the end of the stream does not hold a count of 8 bytes",
                FrameType::Exception => "an exception is not {Class, Reason, Stacktrace}",
                FrameType::Ping => "a ping has a payload",
            }),
            Self::Decode(error) => write!(formatter, "the payload of a frame: {error}"),
            Self::CountMismatch { received, sent } => {
                write!(formatter, "{received} items arrived, and the end of the stream says {sent}")
            }
            Self::TrailingBytes => formatter.write_str("bytes follow the end of the stream"),
        }
    }
}

impl std::error::Error for FrameError {}

/// An authentic frame.
#[derive(Debug)]
pub enum Frame {
    /// Items of the stream.
    Items(Items),
    /// The end of the stream.
    End {
        /// How many items there were in all.
        count: u64,
    },
    /// The function has raised, which is the end of the stream.
    Exception(Exception),
    /// The stream is alive.
    Ping,
}

enum State {
    Open,
    Ended,
    Failed(FrameError),
}

/// Reads the frames of one stream. Nothing of a frame can be seen before its tag is verified.
pub struct FrameDecoder {
    key: hmac::Key,
    /// The number of the next frame.
    number: u64,
    /// How many items there were so far.
    count: u64,
    /// How long payloads may be, compressed and inflated.
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

    /// Adds bytes of the body. To keep the memory within a frame and these bytes, call
    /// [`FrameDecoder::next_frame`] before the next ones until it has no frame.
    pub fn push(&mut self, bytes: &[u8]) {
        match self.state {
            State::Failed(_) => {}
            _ => self.buffer.extend_from_slice(bytes),
        }
    }

    /// How many bytes have arrived and are not read.
    pub fn buffered(&self) -> usize {
        self.buffer.len()
    }

    /// How long the next frame says that it is, head and tag included, if its head has arrived. Nothing of
    /// that is verified, but it may be more than the limit only if [`FrameDecoder::next_frame`] will refuse it.
    pub fn frame_size(&self) -> Option<usize> {
        let head = self.buffer.first_chunk()?;
        Some(payload_size(head).saturating_add(HEAD + TAG))
    }

    /// The next frame; `None` when more bytes have to arrive, or the stream has ended.
    ///
    /// # Errors
    ///
    /// When the stream cannot be taken any further. Every call after that gives the same error.
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

    /// Checks, after the body has ended, that the stream has ended, too.
    ///
    /// # Errors
    ///
    /// [`FrameError::Truncated`] if it has not, and the error of [`FrameDecoder::next_frame`] if there was one.
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

    /// Takes a frame out of the buffer and returns its payload, which keeps little memory but its own.
    fn take(&mut self, payload: Range<usize>, end: usize) -> Bytes {
        if self.buffer.len() == end && payload.len() >= GATHERED {
            return std::mem::take(&mut self.buffer).freeze().slice(payload);
        }
        let bytes = Bytes::copy_from_slice(&self.buffer[payload]);
        self.buffer.advance(end);
        if self.buffer.is_empty() {
            // A stream that waits for its next frame holds no memory.
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

/// How many items a list says that it has.
fn count_of(payload: &[u8]) -> Option<u32> {
    match *payload {
        [VERSION, 108, a, b, c, d, ..] => Some(u32::from_be_bytes([a, b, c, d])),
        [VERSION, 107, a, b, ..] => Some(u32::from(u16::from_be_bytes([a, b]))),
        _ => None,
    }
}

/// Items that are still encoded.
#[derive(Debug)]
pub struct Items {
    payload: Bytes,
    count: u32,
}

impl Items {
    /// How many there are.
    pub fn count(&self) -> u32 {
        self.count
    }

    /// How many bytes their encoding has, inflated.
    pub fn size(&self) -> usize {
        self.payload.len()
    }

    /// Decodes them as one list, which begins at the first word of the tape. The depth of the options is
    /// that of an item. The bytes that are returned are those that the tape refers to.
    ///
    /// # Errors
    ///
    /// When they are no terms, or not a list of as many. The stream is then not to be read any further.
    pub fn decode(
        self,
        decoder: &mut Decoder,
        options: &DecodeOptions<'_>,
        tape: &mut Tape,
    ) -> Result<Bytes, FrameError> {
        // The list around the items is not part of them.
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

/// An exception that is still encoded.
#[derive(Debug)]
pub struct Exception {
    payload: Bytes,
}

impl Exception {
    /// How many bytes its encoding has, inflated.
    pub fn size(&self) -> usize {
        self.payload.len()
    }

    /// Decodes `{Class, Reason, Stacktrace}`, which begins at the first word of the tape. The bytes that are
    /// returned are those that the tape refers to.
    ///
    /// # Errors
    ///
    /// When it is no term, or another one.
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

/// Decodes a term; false if it is not all of the payload.
fn decode(
    payload: &[u8],
    decoder: &mut Decoder,
    options: &DecodeOptions<'_>,
    tape: &mut Tape,
) -> Result<bool, DecodeError> {
    decoder.decode(payload, options, tape).map(|used| used == payload.len())
}
