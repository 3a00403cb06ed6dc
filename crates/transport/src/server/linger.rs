//! Ends connections so that the peer still gets the last response.
//!
//! Closing a socket that has unread bytes resets the connection, and a reset may destroy a response that
//! the peer has not read yet. A peer that is still sending a refused body meets exactly that. So the
//! server sends the response and goes on reading until the peer is done (RFC 9112, 9.6). What arrives is
//! discarded through one small buffer, and a peer that sends too slowly, or for too long, is cut off.

use std::io;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::time::timeout;

/// The size of that buffer.
const BUFFER: usize = 8192;
/// How long a peer may go on sending.
const LONGEST: Duration = Duration::from_secs(60);
/// A peer has to send [`SLOWEST`] bytes in each period of this length, or it is cut off.
const PERIOD: Duration = Duration::from_secs(5);
/// 16 KiB a second.
const SLOWEST: u64 = 80 * 1024;

/// Whether the peer is sending something that the server will not answer any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sending {
    /// It has sent all that it had to.
    Over,
    /// It may be in the middle of a request.
    MayGoOn,
}

/// Sends `last_words` and ends the connection; reads on while the peer is sending. Errors mean that the
/// peer has gone, which is what this waits for.
///
/// `half_closes` says whether the peer may go on sending once the server has closed its side. TCP has
/// that. TLS 1.2 has not: its peers discard what they still have to send (RFC 5246, 7.2.1), and Erlang's
/// discards what it has received as well, so such a peer is heard out first.
pub(crate) async fn linger<S>(
    stream: &mut S,
    last_words: &[u8],
    sending: Sending,
    half_closes: bool,
) where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let farewell = async {
        stream.write_all(last_words).await?;
        if half_closes {
            stream.shutdown().await?;
        }
        if sending == Sending::MayGoOn {
            stream.flush().await?;
            discard(stream).await?;
        }
        stream.shutdown().await
    };
    let _ = timeout(LONGEST, farewell).await;
}

/// Reads until the peer has closed its side, or sends too slowly.
async fn discard<S: AsyncRead + Unpin>(stream: &mut S) -> io::Result<()> {
    // Not an array: that would be a part of every connection for all of its life.
    let mut buffer = vec![0; BUFFER];
    loop {
        let mut received = 0;
        let period = async {
            while received < SLOWEST {
                match stream.read(&mut buffer).await? {
                    0 => return io::Result::Ok(true),
                    length => received += length as u64,
                }
            }
            Ok(false)
        };
        match timeout(PERIOD, period).await {
            Ok(Ok(false)) => (),
            Ok(Ok(true)) => return Ok(()),
            Ok(Err(error)) => return Err(error),
            Err(_elapsed) => return Ok(()),
        }
    }
}
