//! Ends connections so that the peer can still read the last answer.
//!
//! A socket that is closed while received bytes lie unread is reset, and a reset may destroy the
//! answer that the peer has not read yet. So the write side is closed first, and what still comes is
//! read and thrown away for a while (RFC 9112, 9.6).

use std::io;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::time::timeout;

/// How much is drained at a time.
const BUFFER: usize = 8192;

/// How much of what a peer still sends is taken off the wire, and for how long.
#[derive(Clone, Copy, Debug)]
pub(crate) struct LingerLimits {
    pub(crate) bytes: u64,
    pub(crate) time: Duration,
}

/// Sends `last_words`, closes the write side, and drains the read side within the limits. Errors mean
/// that the peer has gone, which is what is being waited for.
pub(crate) async fn linger<S>(stream: &mut S, last_words: &[u8], limits: LingerLimits)
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let farewell = async {
        stream.write_all(last_words).await?;
        stream.shutdown().await?;
        drain(stream, limits.bytes).await
    };
    let _ = timeout(limits.time, farewell).await;
}

async fn drain<S: AsyncRead + Unpin>(stream: &mut S, bytes: u64) -> io::Result<()> {
    if bytes == 0 {
        return Ok(());
    }
    // Not an array: that would be a part of every connection for all of its life.
    let mut buffer = vec![0; BUFFER];
    let mut drained = 0;
    while drained < bytes {
        match stream.read(&mut buffer).await? {
            0 => break,
            length => drained += length as u64,
        }
    }
    Ok(())
}
