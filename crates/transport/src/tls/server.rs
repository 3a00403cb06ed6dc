use std::fmt;
use std::io;
use std::sync::Arc;

use rustls::crypto::ring::Ticketer;
use rustls::server::WantsServerCert;
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::{ConfigBuilder, ServerConfig};
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use super::verify::{ClientVerifier, Roots};
use super::{ALPN, TlsOptionError, pem, provider};
use crate::swap::Swap;

#[derive(Clone, Copy)]
pub struct CertificatePem<'a> {
    /// The certificate, followed by the chain to a root.
    pub cert: &'a [u8],
    /// The private key: PKCS #8, PKCS #1 or SEC 1.
    pub key: &'a [u8],
}

#[derive(Clone)]
pub struct ServerTls {
    builder: ConfigBuilder<ServerConfig, WantsServerCert>,
    current: Arc<Swap<ServerConfig>>,
    demands_certificate: bool,
}

#[derive(Clone, Copy)]
pub struct ClientCertificates<'a> {
    /// PEM: one of these must have issued the client's certificate.
    pub ca: &'a [u8],
    /// Whether the handshake succeeds without a certificate. Meant for health checks by load
    /// balancers.
    pub health_without: bool,
}

impl ServerTls {
    pub fn new(
        certificate: CertificatePem<'_>,
        clients: Option<ClientCertificates<'_>>,
    ) -> Result<Self, TlsOptionError> {
        let certified = pem::certified_key(certificate.cert, certificate.key)?;
        let versions =
            ServerConfig::builder_with_provider(provider()).with_safe_default_protocol_versions();
        let builder = versions.map_err(|error| TlsOptionError::new("cert", error.to_string()))?;
        let builder = match clients {
            None => builder.with_no_client_auth(),
            Some(ClientCertificates { ca, health_without }) => {
                let roots = Roots::new("clientCa", pem::certificates("clientCa", ca)?)?;
                let verifier = ClientVerifier::new(roots, health_without)?;
                builder.with_client_cert_verifier(Arc::new(verifier))
            }
        };
        let current = Arc::new(Swap::new(config(builder.clone(), certified)));
        Ok(Self { builder, current, demands_certificate: clients.is_some() })
    }

    pub(crate) fn demands_certificate(&self) -> bool {
        self.demands_certificate
    }

    /// Replaces the certificate for new connections. TLS sessions are not resumed, so that
    /// returning clients see it as well. On error the old one stays.
    pub fn set_certificate(&self, certificate: CertificatePem<'_>) -> Result<(), TlsOptionError> {
        let certified = pem::certified_key(certificate.cert, certificate.key)?;
        self.current.update(|_| config(self.builder.clone(), certified));
        Ok(())
    }

    /// Performs the handshake. On error, the peer has received an alert.
    pub(crate) async fn accept(
        &self,
        stream: TcpStream,
    ) -> Result<TlsStream<TcpStream>, (io::Error, TcpStream)> {
        TlsAcceptor::from(self.current.load()).accept(stream).into_fallible().await
    }
}

impl fmt::Debug for ServerTls {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("ServerTls").finish_non_exhaustive()
    }
}

pub(crate) fn peer_certificate<S>(stream: &TlsStream<S>) -> Option<Vec<u8>> {
    Some(stream.get_ref().1.peer_certificates()?.first()?.to_vec())
}

/// Starts with no sessions, so that all clients see a new certificate.
fn config(
    builder: ConfigBuilder<ServerConfig, WantsServerCert>,
    certified: Arc<CertifiedKey>,
) -> ServerConfig {
    let mut config = builder.with_cert_resolver(Arc::new(SingleCertAndKey::from(certified)));
    config.alpn_protocols = vec![ALPN.to_vec()];
    // Prefer the strongest common cipher over the client's favorite.
    config.ignore_client_order = true;
    // Most clients keep their sessions themselves, encrypted by rotating keys. Fails only if the
    // system returns no random bytes.
    if let Ok(tickets) = Ticketer::new() {
        config.ticketer = tickets;
    }
    config
}
