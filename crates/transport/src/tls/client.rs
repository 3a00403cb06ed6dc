use std::fmt;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use rustls::client::ResolvesClientCert;
use rustls::client::danger::ServerCertVerifier;
use rustls::sign::CertifiedKey;
use rustls::{ClientConfig, SignatureScheme};
use rustls_pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::failure::{Circumstances, TlsFailure};
use super::server::CertificatePem;
use super::verify::{AnyCertificate, Roots, ServerVerifier};
use super::{ALPN, TlsOptionError, pem, provider};

/// Trusted certificates, read once for many clients. Cloning is cheap.
#[derive(Clone, Debug)]
pub struct TrustedRoots(Arc<Roots>);

impl TrustedRoots {
    /// Reads certificates in PEM, and skips unusable ones.
    pub fn lenient(text: &[u8]) -> Self {
        use rustls_pki_types::{CertificateDer, pem::PemObject};
        let certificates = CertificateDer::pem_slice_iter(text).filter_map(Result::ok).collect();
        Self(Arc::new(Roots::lenient(certificates)))
    }
}

#[derive(Clone, Debug)]
pub enum Trust {
    Shared(TrustedRoots),
    /// Only these certificates, in PEM, and certificates issued by them.
    Only(Vec<u8>),
    Anybody,
}

pub struct ClientTlsOptions<'a> {
    pub trust: Trust,
    pub certificate: Option<CertificatePem<'a>>,
    /// The name in the server's certificate; by default the host.
    pub servername: Option<&'a str>,
}

#[derive(Clone)]
pub struct ClientTls {
    connector: TlsConnector,
    own: Arc<OwnCertificate>,
    servername: Option<ServerName<'static>>,
}

impl ClientTls {
    pub fn new(options: ClientTlsOptions<'_>) -> Result<Self, TlsOptionError> {
        let verifier: Arc<dyn ServerCertVerifier> = match options.trust {
            Trust::Shared(TrustedRoots(roots)) => Arc::new(ServerVerifier::new(roots)?),
            Trust::Only(text) => {
                let roots = Roots::new("ca", pem::certificates("ca", &text)?)?;
                Arc::new(ServerVerifier::new(Arc::new(roots))?)
            }
            Trust::Anybody => Arc::new(AnyCertificate),
        };
        let certified = options.certificate.map(|pem| pem::certified_key(pem.cert, pem.key));
        let own = Arc::new(OwnCertificate {
            certified: certified.transpose()?,
            was_asked: AtomicBool::new(false),
        });
        let servername = options.servername.map(|name| {
            server_name(name).ok_or_else(|| {
                TlsOptionError::new("servername", "takes a host name or an IP address")
            })
        });
        let versions =
            ClientConfig::builder_with_provider(provider()).with_safe_default_protocol_versions();
        let builder = versions.map_err(|error| TlsOptionError::new("cert", error.to_string()))?;
        let resolver: Arc<dyn ResolvesClientCert> = Arc::<OwnCertificate>::clone(&own);
        let mut config = builder
            .dangerous()
            .with_custom_certificate_verifier(verifier)
            .with_client_cert_resolver(resolver);
        config.alpn_protocols = vec![ALPN.to_vec()];
        let connector = TlsConnector::from(Arc::new(config));
        Ok(Self { connector, own, servername: servername.transpose()? })
    }

    pub(crate) async fn connect<S>(&self, stream: S, host: &str) -> Result<TlsStream<S>, TlsFailure>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let name = match &self.servername {
            Some(name) => name.clone(),
            None => server_name(host).ok_or_else(|| TlsFailure::unnameable(host))?,
        };
        let connected = self.connector.connect(name, stream).await;
        connected.map_err(|error| TlsFailure::of_handshake(&error, self.circumstances()))
    }

    pub(crate) fn explain_first_read(&self, error: &io::Error) -> Option<TlsFailure> {
        TlsFailure::of_first_read(error, self.circumstances())
    }

    pub(crate) fn lacks_certificate(&self) -> bool {
        let Circumstances { was_asked, has_certificate } = self.circumstances();
        was_asked && !has_certificate
    }

    fn circumstances(&self) -> Circumstances {
        Circumstances {
            was_asked: self.own.was_asked.load(Ordering::Relaxed),
            has_certificate: self.own.certified.is_some(),
        }
    }
}

impl fmt::Debug for ClientTls {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("ClientTls").finish_non_exhaustive()
    }
}

/// Certificates do not contain a host's trailing dot (RFC 6066, section 3).
fn server_name(host: &str) -> Option<ServerName<'static>> {
    ServerName::try_from(host.strip_suffix('.').unwrap_or(host)).ok().map(|name| name.to_owned())
}

#[derive(Debug)]
struct OwnCertificate {
    certified: Option<Arc<CertifiedKey>>,
    was_asked: AtomicBool,
}

impl ResolvesClientCert for OwnCertificate {
    fn resolve(
        &self,
        _root_hint_subjects: &[&[u8]],
        schemes: &[SignatureScheme],
    ) -> Option<Arc<CertifiedKey>> {
        self.was_asked.store(true, Ordering::Relaxed);
        let certified = self.certified.as_ref()?;
        certified.key.choose_scheme(schemes).map(|_| Arc::clone(certified))
    }

    fn has_certs(&self) -> bool {
        self.certified.is_some()
    }
}
