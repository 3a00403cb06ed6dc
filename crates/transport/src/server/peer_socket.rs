//! What the server asks of the system for a single connection.
//!
//! It acknowledges packets at once while the rest of a request is outstanding. Erlang's HTTP clients write head
//! and body of a request separately, and the system holds the second packet back until the first one is
//! acknowledged (Nagle's algorithm, RFC 896). A receiver that has nothing to send delays its acknowledgement,
//! by 40 ms on Linux, and each call would take that long.
//!
//! And it bounds what the system keeps of a stream: by default up to several megabytes.

#[cfg(any(target_os = "linux", target_os = "android"))]
use socket2::SockRef;
use tokio::net::TcpStream;
use tokio_rustls::server::TlsStream;

/// A connection to a peer.
pub(crate) trait PeerSocket {
    /// Sends the acknowledgement that the system may be holding back. To be called when there is nothing
    /// left to read; the system falls back to delaying by itself.
    fn acknowledge(&self);

    /// Bounds how many bytes the system takes that it cannot send yet; 0 for no bound of its own.
    fn limit_unsent(&self, bytes: u32);
}

impl PeerSocket for TcpStream {
    fn acknowledge(&self) {
        // Only there. A failure means that the connection has ended, which the next read tells.
        #[cfg(any(target_os = "linux", target_os = "android"))]
        let _ = self.set_quickack(true);
    }

    fn limit_unsent(&self, bytes: u32) {
        #[cfg(any(target_os = "linux", target_os = "android"))]
        let _ = SockRef::from(self).set_tcp_notsent_lowat(bytes);
        #[cfg(not(any(target_os = "linux", target_os = "android")))]
        let _ = bytes;
    }
}

impl PeerSocket for TlsStream<TcpStream> {
    fn acknowledge(&self) {
        self.get_ref().0.acknowledge();
    }

    fn limit_unsent(&self, bytes: u32) {
        self.get_ref().0.limit_unsent(bytes);
    }
}

impl<S: PeerSocket + ?Sized> PeerSocket for Box<S> {
    fn acknowledge(&self) {
        (**self).acknowledge();
    }

    fn limit_unsent(&self, bytes: u32) {
        (**self).limit_unsent(bytes);
    }
}
