//! Socket options of a connection.
//!
//! Erlang's HTTP clients write head and body separately, and Nagle's algorithm (RFC 896) delays the
//! body until the head is acknowledged. Without immediate acknowledgements, a call would take 40 ms
//! on Linux.
//!
//! By default, the system buffers several megabytes of a stream.

#[cfg(any(target_os = "linux", target_os = "android"))]
use socket2::SockRef;
use tokio::net::TcpStream;
use tokio_rustls::server::TlsStream;

pub(crate) trait PeerSocket {
    /// Sends a delayed acknowledgement. Call it again when nothing is left to read, because the
    /// system goes back to delaying.
    fn acknowledge(&self);

    /// Limits the bytes that the system buffers; 0 for its default.
    fn limit_unsent(&self, bytes: u32);
}

impl PeerSocket for TcpStream {
    fn acknowledge(&self) {
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
