//! Acknowledges packets at once while the rest of a request is outstanding.
//!
//! Erlang's HTTP clients write head and body of a request separately, and the system holds the second
//! packet back until the first one is acknowledged (Nagle's algorithm, RFC 896). A receiver that has
//! nothing to send delays its acknowledgement, by 40 ms on Linux, and each call would take that long.

use tokio::net::TcpStream;
use tokio_rustls::server::TlsStream;

/// A stream that can tell its peer at once what has arrived.
pub(crate) trait Acknowledge {
    /// Sends the acknowledgement that the system may be holding back. To be called when there is nothing
    /// left to read; the system falls back to delaying by itself.
    fn acknowledge(&self);
}

impl Acknowledge for TcpStream {
    fn acknowledge(&self) {
        // Only there. A failure means that the connection has ended, which the next read tells.
        #[cfg(any(target_os = "linux", target_os = "android"))]
        let _ = self.set_quickack(true);
    }
}

impl Acknowledge for TlsStream<TcpStream> {
    fn acknowledge(&self) {
        self.get_ref().0.acknowledge();
    }
}

impl<S: Acknowledge + ?Sized> Acknowledge for Box<S> {
    fn acknowledge(&self) {
        (**self).acknowledge();
    }
}
