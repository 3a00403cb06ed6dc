//! Socket options of a connection.
//!
//! Packets are acknowledged at once while the rest of a request is missing. Erlang's HTTP clients
//! write head and body separately, and the system delays the body until the head is acknowledged
//! (Nagle's algorithm, RFC 896). With delayed acknowledgements, 40 ms on Linux, each call would
//! take as long.
//!
//! The system's buffer for a stream is limited, by default to several megabytes.

#[cfg(any(target_os = "linux", target_os = "android"))]
use socket2::SockRef;
use tokio::net::TcpStream;
use tokio_rustls::server::TlsStream;

pub(crate) trait PeerSocket {
    /// Sends a delayed acknowledgement. Repeat it when nothing is left to read, because the system
    /// returns to delaying.
    fn acknowledge(&self);

    /// Limits the bytes that the system buffers before it can send them; 0 for the default.
    fn limit_unsent(&self, bytes: u32);
}

impl PeerSocket for TcpStream {
    fn acknowledge(&self) {
        // Fails only if the connection has ended, which the next read reports.
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
