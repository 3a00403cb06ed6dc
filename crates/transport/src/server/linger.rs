//! Closes connections without destroying the last response.
//!
//! Closing a socket with unread bytes resets the connection, and the peer may lose the response,
//! for example while it still sends a refused body. So the server discards input until the peer is
//! done (RFC 9112, 9.6), within limits of rate and time.

use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::time::timeout;

use super::peer_socket::PeerSocket;

const BUFFER: usize = 8192;
const LONGEST: Duration = Duration::from_secs(60);
const PERIOD: Duration = Duration::from_secs(5);
/// The bytes that a peer must send per period: 16 KiB a second.
const SLOWEST: u64 = 80 * 1024;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sending {
    Over,
    Rest(u64),
    Unknown,
}

/// Sends `response` and closes the connection. Errors only mean that the peer is gone.
///
/// Without `half_closes`, the server reads before it closes. TLS 1.2 peers discard pending output
/// on `close_notify` (RFC 5246, 7.2.1), and Erlang also discards received input.
pub(crate) async fn linger<S>(stream: &mut S, response: &[u8], sending: Sending, half_closes: bool)
where
    S: AsyncRead + AsyncWrite + PeerSocket + Unpin,
{
    let sending_last = async {
        stream.write_all(response).await?;
        if half_closes {
            stream.shutdown().await?;
        }
        let most = match sending {
            Sending::Over => 0,
            Sending::Rest(length) => length,
            Sending::Unknown => u64::MAX,
        };
        stream.flush().await?;
        discard(stream, most).await?;
        stream.shutdown().await
    };
    let _ = timeout(LONGEST, sending_last).await;
}

async fn discard<S>(stream: &mut S, most: u64) -> io::Result<()>
where
    S: AsyncRead + PeerSocket + Unpin,
{
    if most == 0 {
        return Ok(());
    }
    // An array would enlarge every connection's future.
    let mut buffer = vec![0; BUFFER];
    let mut left = most;
    while left > 0 {
        let enough = left.saturating_sub(SLOWEST);
        let period = async {
            while left > enough {
                match read(stream, &mut buffer).await? {
                    0 => left = 0,
                    length => left = left.saturating_sub(length as u64),
                }
            }
            io::Result::Ok(())
        };
        match timeout(PERIOD, period).await {
            Ok(read) => read?,
            Err(_elapsed) => break,
        }
    }
    Ok(())
}

async fn read<S>(stream: &mut S, buffer: &mut [u8]) -> io::Result<usize>
where
    S: AsyncRead + PeerSocket + Unpin,
{
    poll_fn(|context| {
        let mut buffer = ReadBuf::new(buffer);
        let result = Pin::new(&mut *stream).poll_read(context, &mut buffer);
        if result.is_pending() {
            stream.acknowledge();
        }
        result.map_ok(|()| buffer.filled().len())
    })
    .await
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use tokio::io::{AsyncReadExt, DuplexStream, duplex};
    use tokio::task::{JoinHandle, spawn};
    use tokio::time::{Instant, sleep};

    use super::*;

    impl PeerSocket for DuplexStream {
        fn acknowledge(&self) {}
        fn limit_unsent(&self, _: u32) {}
    }

    const LAST_WORDS: &[u8] = b"no";
    const SECOND: Duration = Duration::from_secs(1);

    fn start(sending: Sending, half_closes: bool) -> (DuplexStream, JoinHandle<Duration>) {
        let (mut server, peer) = duplex(1024 * 1024);
        let lingering = spawn(async move {
            let began = Instant::now();
            linger(&mut server, LAST_WORDS, sending, half_closes).await;
            began.elapsed()
        });
        (peer, lingering)
    }

    async fn send(peer: &mut DuplexStream, bytes_a_second: usize, seconds: u64) -> u64 {
        for second in 0..seconds {
            if peer.write_all(&vec![0; bytes_a_second]).await.is_err() {
                return second;
            }
            sleep(SECOND).await;
        }
        seconds
    }

    async fn has_ended(peer: &mut DuplexStream) -> bool {
        let mut rest = Vec::new();
        let ended = timeout(Duration::from_millis(1), peer.read_to_end(&mut rest)).await.is_ok();
        assert_eq!(rest, LAST_WORDS);
        ended
    }

    #[tokio::test(start_paused = true)]
    async fn lingering_ends_when_the_peer_is_done() {
        for half_closes in [true, false] {
            let (mut peer, lingering) = start(Sending::Over, half_closes);
            assert_eq!(lingering.await.unwrap(), Duration::ZERO);
            assert!(has_ended(&mut peer).await);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_fast_peer_is_read_to_its_end() {
        for half_closes in [true, false] {
            let (mut peer, lingering) = start(Sending::Unknown, half_closes);
            assert_eq!(send(&mut peer, 17 * 1024, 50).await, 50);
            assert_eq!(has_ended(&mut peer).await, half_closes);
            drop(peer);
            assert_eq!(lingering.await.unwrap().as_secs(), 50);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn the_amount_of_data_is_not_limited() {
        let (mut peer, lingering) = start(Sending::Unknown, true);
        assert_eq!(send(&mut peer, 16 * 1024 * 1024, 3).await, 3);
        drop(peer);
        assert!(lingering.await.unwrap().as_secs() < 4);
    }

    #[tokio::test(start_paused = true)]
    async fn lingering_ends_with_the_request() {
        for half_closes in [true, false] {
            let (mut peer, lingering) = start(Sending::Rest(100_000), half_closes);
            assert_eq!(send(&mut peer, 50_000, 1).await, 1);
            assert!(!lingering.is_finished());
            assert_eq!(send(&mut peer, 50_000, 1).await, 1);
            assert!(has_ended(&mut peer).await);
            assert_eq!(lingering.await.unwrap(), SECOND);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_slow_peer_is_disconnected() {
        for bytes_a_second in [0, 1, 13 * 1024] {
            let (mut peer, lingering) = start(Sending::Unknown, true);
            send(&mut peer, bytes_a_second, 10).await;
            assert_eq!(lingering.await.unwrap(), PERIOD, "{bytes_a_second}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_pausing_peer_is_disconnected() {
        let (mut peer, lingering) = start(Sending::Unknown, true);
        send(&mut peer, 1024 * 1024, 10).await;
        assert_eq!(send(&mut peer, 0, 10).await, 10);
        assert!((14..=15).contains(&lingering.await.unwrap().as_secs()));
    }

    #[tokio::test(start_paused = true)]
    async fn an_endless_peer_is_disconnected() {
        let (mut peer, lingering) = start(Sending::Unknown, false);
        assert!((60..=61).contains(&send(&mut peer, 1024 * 1024, 100).await));
        assert_eq!(lingering.await.unwrap(), LONGEST);
    }

    #[tokio::test(start_paused = true)]
    async fn a_peer_that_does_not_read_is_disconnected() {
        let (mut server, _peer) = duplex(1);
        let began = Instant::now();
        linger(&mut server, LAST_WORDS, Sending::Over, true).await;
        assert_eq!(began.elapsed(), LONGEST);
    }
}
