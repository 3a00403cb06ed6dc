//! Reading message bodies that others wrote: never more than a limit.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Bytes, BytesMut};
use hyper::body::{Body, Frame};

/// Collects a body of at most `limit` bytes.
///
/// What a peer claims its length to be reserves nothing: memory grows with what has arrived. A body
/// that arrives in one piece is not copied.
pub(crate) struct BodyReader {
    limit: usize,
    first: Bytes,
    rest: BytesMut,
}

/// Why a body was not read to its end.
#[derive(Debug)]
pub(crate) enum BodyError {
    /// The bytes seen so far, this many, are over the limit.
    TooLarge(u64),
    /// The connection or the framing broke.
    Broken(hyper::Error),
}

impl BodyReader {
    pub(crate) fn new(limit: usize) -> Self {
        Self { limit, first: Bytes::new(), rest: BytesMut::new() }
    }

    /// Reads on; the body when it is at its end.
    pub(crate) fn poll_read<B>(
        &mut self,
        body: &mut B,
        context: &mut Context<'_>,
    ) -> Poll<Result<Bytes, BodyError>>
    where
        B: Body<Data = Bytes, Error = hyper::Error> + Unpin,
    {
        loop {
            match ready!(Pin::new(&mut *body).poll_frame(context)) {
                None => return Poll::Ready(Ok(self.take())),
                Some(Err(error)) => return Poll::Ready(Err(BodyError::Broken(error))),
                // Trailers are neither signed nor part of the body.
                Some(Ok(frame)) => {
                    if let Ok(data) = Frame::into_data(frame) {
                        self.push(data)?;
                    }
                }
            }
        }
    }

    /// What has been read so far, given away.
    pub(crate) fn take(&mut self) -> Bytes {
        if self.rest.is_empty() {
            std::mem::take(&mut self.first)
        } else {
            self.rest.split().freeze()
        }
    }

    fn push(&mut self, data: Bytes) -> Result<(), BodyError> {
        let length = self.first.len().max(self.rest.len()) + data.len();
        if length > self.limit {
            return Err(BodyError::TooLarge(length as u64));
        }
        if length == data.len() {
            self.first = data;
            return Ok(());
        }
        if self.rest.is_empty() {
            self.rest.reserve(length);
            self.rest.extend_from_slice(&std::mem::take(&mut self.first));
        }
        self.rest.extend_from_slice(&data);
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
        Ok(reader.take())
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
        assert_eq!(reader.take().as_ptr(), chunk.as_ptr());
    }

    #[test]
    fn the_limit_itself_is_taken_and_one_byte_more_is_not() {
        assert_eq!(read(6, &["abc", "def"]).unwrap(), "abcdef");
        assert!(matches!(read(5, &["abc", "def"]), Err(BodyError::TooLarge(6))));
        assert!(matches!(read(0, &["a"]), Err(BodyError::TooLarge(1))));
    }
}
