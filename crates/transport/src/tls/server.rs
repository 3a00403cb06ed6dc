use std::fmt;
use std::io;
use std::sync::Arc;

use rustls::ServerConfig;
use rustls::crypto::ring::Ticketer;
use rustls::server::{
    ClientHello, ProducesTickets, ResolvesServerCert, ServerSessionMemoryCache,
    StoresServerSessions,
};
use rustls::sign::CertifiedKey;
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use super::verify::{ClientVerifier, Roots};
use super::{ALPN, TlsOptionError, pem, provider};
use crate::locks::RwLock;

#[derive(Clone, Copy)]
pub struct CertificatePem<'a> {
    /// The certificate, followed by the chain to a root.
    pub cert: &'a [u8],
    /// The private key: PKCS #8, PKCS #1 or SEC 1.
    pub key: &'a [u8],
}

#[derive(Clone)]
pub struct ServerTls {
    acceptor: TlsAcceptor,
    current: Arc<Current>,
    sessions: Arc<Sessions>,
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
        let current = Arc::new(Current(RwLock::new(certified)));
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
        let resolver: Arc<dyn ResolvesServerCert> = Arc::<Current>::clone(&current);
        let mut config = builder.with_cert_resolver(resolver);
        config.alpn_protocols = vec![ALPN.to_vec()];
        // Prefer the strongest common cipher over the client's favorite.
        config.ignore_client_order = true;
        let sessions = Arc::new(Sessions::new());
        let tickets: Arc<dyn ProducesTickets> = Arc::<Sessions>::clone(&sessions);
        let storage: Arc<dyn StoresServerSessions> = Arc::<Sessions>::clone(&sessions);
        (config.ticketer, config.session_storage) = (tickets, storage);
        let acceptor = TlsAcceptor::from(Arc::new(config));
        Ok(Self { acceptor, current, sessions, demands_certificate: clients.is_some() })
    }

    pub(crate) fn demands_certificate(&self) -> bool {
        self.demands_certificate
    }

    /// Replaces the certificate for new connections. TLS sessions are not resumed, so that
    /// returning clients see it as well. On error the old one stays.
    pub fn set_certificate(&self, certificate: CertificatePem<'_>) -> Result<(), TlsOptionError> {
        let certified = pem::certified_key(certificate.cert, certificate.key)?;
        *self.current.0.write() = certified;
        self.sessions.forget();
        Ok(())
    }

    /// Performs the handshake. On error, the peer has received an alert.
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

pub(crate) fn peer_certificate<S>(stream: &TlsStream<S>) -> Option<Vec<u8>> {
    Some(stream.get_ref().1.peer_certificates()?.first()?.to_vec())
}

#[derive(Debug)]
struct Current(RwLock<Arc<CertifiedKey>>);

impl ResolvesServerCert for Current {
    fn resolve(&self, _hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.0.read()))
    }
}

/// Replaced so that all clients see a new certificate.
#[derive(Debug)]
struct Sessions(RwLock<Kept>);

#[derive(Clone, Debug)]
struct Kept {
    /// Most clients keep their sessions themselves, encrypted by rotating keys. `None` if the
    /// system returned no random bytes.
    tickets: Option<Arc<dyn ProducesTickets>>,
    storage: Arc<ServerSessionMemoryCache>,
}

const STORED_SESSIONS: usize = 256;

impl Kept {
    fn new() -> Self {
        Self {
            tickets: Ticketer::new().ok(),
            storage: ServerSessionMemoryCache::new(STORED_SESSIONS),
        }
    }
}

impl Sessions {
    fn new() -> Self {
        Self(RwLock::new(Kept::new()))
    }

    fn forget(&self) {
        *self.0.write() = Kept::new();
    }

    fn kept(&self) -> Kept {
        self.0.read().clone()
    }
}

impl ProducesTickets for Sessions {
    fn enabled(&self) -> bool {
        self.kept().tickets.is_some()
    }

    fn lifetime(&self) -> u32 {
        self.kept().tickets.map_or(0, |tickets| tickets.lifetime())
    }

    fn encrypt(&self, plain: &[u8]) -> Option<Vec<u8>> {
        self.kept().tickets?.encrypt(plain)
    }

    fn decrypt(&self, cipher: &[u8]) -> Option<Vec<u8>> {
        self.kept().tickets?.decrypt(cipher)
    }
}

impl StoresServerSessions for Sessions {
    fn put(&self, key: Vec<u8>, value: Vec<u8>) -> bool {
        self.kept().storage.put(key, value)
    }

    fn get(&self, key: &[u8]) -> Option<Vec<u8>> {
        self.kept().storage.get(key)
    }

    fn take(&self, key: &[u8]) -> Option<Vec<u8>> {
        self.kept().storage.take(key)
    }

    fn can_cache(&self) -> bool {
        true
    }
}
