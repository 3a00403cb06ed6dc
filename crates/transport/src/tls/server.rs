//! The server's side of TLS.

use std::fmt;
use std::io;
use std::sync::{Arc, PoisonError, RwLock};

use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls::{ServerConfig, crypto::ring::Ticketer};
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use super::certificate::Certificate;
use super::verify::{ClientVerifier, Roots};
use super::{ALPN, TlsOptionError, pem, provider};

/// A certificate with its chain, and its key, both as PEM.
#[derive(Clone, Copy)]
pub struct CertificatePem<'a> {
    /// The certificate, followed by those that lead to a root.
    pub cert: &'a [u8],
    /// Its private key: PKCS #8, PKCS #1 or SEC 1.
    pub key: &'a [u8],
}

/// What a server needs for TLS. Clones are the same.
#[derive(Clone)]
pub struct ServerTls {
    acceptor: TlsAcceptor,
    current: Arc<Current>,
}

impl ServerTls {
    /// TLS with a certificate. With `client_ca`, PEM too, clients must show a certificate that one of
    /// these has issued.
    ///
    /// # Errors
    ///
    /// When certificate, key or `client_ca` cannot be used.
    pub fn new(
        certificate: CertificatePem<'_>,
        client_ca: Option<&[u8]>,
    ) -> Result<Self, TlsOptionError> {
        let certified = pem::certified_key(certificate.cert, certificate.key)?;
        let current = Arc::new(Current(RwLock::new(certified)));
        let versions =
            ServerConfig::builder_with_provider(provider()).with_safe_default_protocol_versions();
        let builder = versions.map_err(|error| TlsOptionError::new("cert", error.to_string()))?;
        let builder = match client_ca {
            None => builder.with_no_client_auth(),
            Some(text) => {
                let roots = Roots::new("clientCa", pem::certificates("clientCa", text)?)?;
                builder.with_client_cert_verifier(Arc::new(ClientVerifier::new(roots)?))
            }
        };
        let resolver: Arc<dyn ResolvesServerCert> = Arc::<Current>::clone(&current);
        let mut config = builder.with_cert_resolver(resolver);
        config.alpn_protocols = vec![ALPN.to_vec()];
        // Rather the strongest that both have than what the client likes best.
        config.ignore_client_order = true;
        // Sessions are resumed without keeping anything for each of them; the keys for that change.
        if let Ok(ticketer) = Ticketer::new() {
            config.ticketer = ticketer;
        }
        Ok(Self { acceptor: TlsAcceptor::from(Arc::new(config)), current })
    }

    /// Shows this certificate to those who connect from now on.
    ///
    /// # Errors
    ///
    /// When certificate or key cannot be used: then the old one stays.
    pub fn set_certificate(&self, certificate: CertificatePem<'_>) -> Result<(), TlsOptionError> {
        let certified = pem::certified_key(certificate.cert, certificate.key)?;
        *self.current.0.write().unwrap_or_else(PoisonError::into_inner) = certified;
        Ok(())
    }

    /// The handshake of a connection.
    ///
    /// # Errors
    ///
    /// What went wrong, with the connection, on which the peer has been told.
    pub(crate) async fn accept(
        &self,
        stream: TcpStream,
    ) -> Result<TlsStream<TcpStream>, (io::Error, TcpStream)> {
        self.acceptor.accept(stream).into_fallible().await
    }
}

impl fmt::Debug for ServerTls {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("ServerTls").finish_non_exhaustive()
    }
}

/// The subject of the certificate that a client has shown, as text.
pub(crate) fn peer_subject<S>(stream: &TlsStream<S>) -> Option<String> {
    let certificates = stream.get_ref().1.peer_certificates()?;
    Some(Certificate::read(certificates.first()?)?.subject())
}

/// The certificate that is shown at present.
#[derive(Debug)]
struct Current(RwLock<Arc<CertifiedKey>>);

impl ResolvesServerCert for Current {
    fn resolve(&self, _hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner)))
    }
}
