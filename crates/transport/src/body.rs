use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Bytes, BytesMut};
use hyper::body::{Body, Frame};

/// Memory grows with the received bytes, not with the claimed length.
pub(crate) struct BodyReader {
    limit: usize,
    body: CollectedBody,
}

/// A body in pieces, because joining megabytes would block the I/O thread.
#[derive(Default)]
pub(crate) struct CollectedBody {
    first: Bytes,
    more: Vec<Bytes>,
    /// Copies of small pieces, because each original may keep much more memory alive.
    last: BytesMut,
    length: usize,
}

const LARGE_PIECE: usize = 16 * 1024;

impl CollectedBody {
    pub(crate) fn len(&self) -> usize {
        self.length
    }

    pub(crate) fn trailer(&self) -> Option<[u8; 4]> {
        let pieces = [&self.first].into_iter().chain(&self.more).map(|piece| &**piece);
        let mut bytes = pieces.chain([&*self.last]).rev().flat_map(|piece| piece.iter().rev());
        let mut trailer = [0; 4];
        for place in trailer.iter_mut().rev() {
            *place = *bytes.next()?;
        }
        Some(trailer)
    }

    /// Copies bodies of at most `most` bytes, so that they keep no other memory alive.
    pub(crate) fn copied_up_to(mut self, most: usize) -> Self {
        if self.length <= most {
            self.first = Bytes::copy_from_slice(&self.first);
        }
        self
    }

    pub(crate) fn into_bytes(self) -> Bytes {
        if self.first.len() == self.length {
            return self.first;
        }
        let mut bytes = Vec::with_capacity(self.length);
        bytes.extend_from_slice(&self.first);
        for piece in self.more {
            bytes.extend_from_slice(&piece);
        }
        bytes.extend_from_slice(&self.last);
        Bytes::from(bytes)
    }

    fn push(&mut self, data: Bytes) {
        let is_first = self.length == 0;
        self.length += data.len();
        if is_first {
            self.first = data;
        } else if data.len() >= LARGE_PIECE {
            if !self.last.is_empty() {
                self.more.push(self.last.split().freeze());
            }
            self.more.push(data);
        } else {
            self.last.extend_from_slice(&data);
        }
    }
}

#[derive(Debug)]
pub(crate) enum BodyError {
    TooLarge(u64),
    Broken(hyper::Error),
}

impl BodyReader {
    pub(crate) fn new(limit: usize) -> Self {
        Self { limit, body: CollectedBody::default() }
    }

    pub(crate) fn poll_read<B>(
        &mut self,
        body: &mut B,
        context: &mut Context<'_>,
    ) -> Poll<Result<CollectedBody, BodyError>>
    where
        B: Body<Data = Bytes, Error = hyper::Error> + Unpin,
    {
        loop {
            match ready!(Pin::new(&mut *body).poll_frame(context)) {
                None => return Poll::Ready(Ok(self.take())),
                Some(Err(error)) => return Poll::Ready(Err(BodyError::Broken(error))),
                // Trailers are not signed.
                Some(Ok(frame)) => {
                    if let Ok(data) = Frame::into_data(frame) {
                        self.push(data)?;
                    }
                }
            }
        }
    }

    pub(crate) fn take(&mut self) -> CollectedBody {
        std::mem::take(&mut self.body)
    }

    fn push(&mut self, data: Bytes) -> Result<(), BodyError> {
        let length = self.body.len() + data.len();
        if length > self.limit {
            return Err(BodyError::TooLarge(length as u64));
        }
        if !data.is_empty() {
            self.body.push(data);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn read(limit: usize, chunks: &[&'static str]) -> Result<Bytes, BodyError> {
        let mut reader = BodyReader::new(limit);
        for chunk in chunks {
            reader.push(Bytes::from_static(chunk.as_bytes()))?;
        }
        Ok(reader.take().into_bytes())
    }

    #[test]
    fn chunks_are_joined_in_order() {
        assert_eq!(read(9, &["ab", "", "cde", "f"]).unwrap(), "abcdef");
        assert_eq!(read(9, &[]).unwrap(), "");
        assert_eq!(read(9, &["", "x"]).unwrap(), "x");
    }

    #[test]
    fn a_single_chunk_is_not_copied() {
        let chunk = Bytes::from(vec![7; 100]);
        let mut reader = BodyReader::new(100);
        reader.push(chunk.clone()).unwrap();
        assert_eq!(reader.take().into_bytes().as_ptr(), chunk.as_ptr());
    }

    #[test]
    fn large_pieces_are_kept_and_small_ones_are_gathered() {
        let piece = |byte: u8, length: usize| Bytes::from(vec![byte; length]);
        let pieces = [(1, 3), (2, 5), (3, LARGE_PIECE), (4, 1), (5, LARGE_PIECE - 1), (6, 70_000)];
        let mut reader = BodyReader::new(usize::MAX);
        for (byte, length) in pieces {
            reader.push(piece(byte, length)).unwrap();
        }
        let body = reader.take();
        assert_eq!(body.more.len(), 4);
        let whole = pieces.map(|(byte, length)| vec![byte; length]).concat();
        assert_eq!(body.len(), whole.len());
        assert_eq!(body.trailer().as_ref(), whole.last_chunk());
        assert_eq!(body.into_bytes(), whole);
    }

    #[test]
    fn the_trailer_may_span_pieces() {
        let trailer = |chunks: &[&'static [u8]]| {
            let mut body = CollectedBody::default();
            chunks.iter().for_each(|chunk| body.push(Bytes::from_static(chunk)));
            body.trailer()
        };
        assert_eq!(trailer(&[b"abcdef"]), Some(*b"cdef"));
        assert_eq!(trailer(&[b"abc", b"de", b"f"]), Some(*b"cdef"));
        assert_eq!(trailer(&[&[b'x'; LARGE_PIECE], b"e", &[b'z'; LARGE_PIECE]]), Some([b'z'; 4]));
        assert_eq!(trailer(&[b"ab", b"c"]), None);
        assert_eq!(trailer(&[]), None);
    }

    #[test]
    fn bodies_are_accepted_up_to_the_limit() {
        assert_eq!(read(6, &["abc", "def"]).unwrap(), "abcdef");
        assert!(matches!(read(5, &["abc", "def"]), Err(BodyError::TooLarge(6))));
        assert!(matches!(read(0, &["a"]), Err(BodyError::TooLarge(1))));
    }
}
