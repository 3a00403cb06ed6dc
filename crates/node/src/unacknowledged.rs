//! What a peer has not acknowledged of what was sent to it.

use tokio::net::TcpStream;

/// How many bytes of a connection's send queue its peer has not acknowledged; see tcp(7), SIOCOUTQ.
#[cfg(target_os = "linux")]
pub(crate) fn unacknowledged(stream: &TcpStream) -> Option<u64> {
    use std::os::fd::AsRawFd;

    let mut count: libc::c_int = 0;
    // SAFETY: the descriptor is open, since `stream` is borrowed, and this request writes one `int` to
    // the address that it is given (net/ipv4/tcp.c, tcp_ioctl), which outlives the call.
    let result = unsafe { libc::ioctl(stream.as_raw_fd(), libc::TIOCOUTQ, &raw mut count) };
    if result == 0 { u64::try_from(count).ok() } else { None }
}

/// Other systems do not tell.
#[cfg(not(target_os = "linux"))]
pub(crate) fn unacknowledged(_stream: &TcpStream) -> Option<u64> {
    None
}
