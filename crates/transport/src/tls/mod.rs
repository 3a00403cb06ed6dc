//! TLS 1.2 and 1.3 with rustls.

mod client;
mod failure;
mod pem;
mod server;
mod verify;

use std::fmt;
use std::sync::{Arc, LazyLock};

use rustls::crypto::CryptoProvider;

pub use self::client::{ClientTls, ClientTlsOptions, Trust, TrustedRoots};
pub use self::failure::{TlsFailure, TlsReason};
pub(crate) use self::server::peer_certificate;
pub use self::server::{CertificatePem, ClientCertificates, ServerTls};

/// The only protocol over TLS (RFC 7301).
const ALPN: &[u8] = b"http/1.1";

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsOptionError {
    /// `cert`, `key`, `ca`, `clientCa` or `servername`.
    pub option: &'static str,
    /// Text that follows the option's name.
    pub message: String,
}

impl TlsOptionError {
    fn new(option: &'static str, message: impl Into<String>) -> Self {
        Self { option, message: message.into() }
    }
}

impl fmt::Display for TlsOptionError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "option 'tls.{}' {}", self.option, self.message)
    }
}

impl std::error::Error for TlsOptionError {}

fn provider() -> Arc<CryptoProvider> {
    static PROVIDER: LazyLock<Arc<CryptoProvider>> =
        LazyLock::new(|| Arc::new(rustls::crypto::ring::default_provider()));
    Arc::clone(&PROVIDER)
}
