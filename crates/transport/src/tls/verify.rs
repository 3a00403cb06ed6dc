//! Which certificates of peers are believed.
//!
//! webpki checks chains. What is added here: a certificate that was given as trusted itself is
//! believed also when it is no authority's and in nobody's chain, as people use self-signed ones; and
//! why a chain is not believed is said with the names in it.

use std::error::Error as StdError;
use std::fmt;
use std::sync::Arc;

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::WebPkiSupportedAlgorithms;
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::server::{ParsedCertificate, WebPkiClientVerifier};
use rustls::{
    CertificateError, DigitallySignedStruct, DistinguishedName, Error, OtherError, RootCertStore,
    SignatureScheme,
};
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};

use super::certificate::Certificate;
use super::version1::{self, is_version1};
use super::{TlsOptionError, provider};

/// Certificates that are believed, and with them what they have issued.
#[derive(Debug)]
pub(super) struct Roots {
    store: Arc<RootCertStore>,
    exact: Vec<CertificateDer<'static>>,
}

impl Roots {
    /// # Errors
    ///
    /// When one of them cannot be an authority's; the error names `option`.
    pub(super) fn new(
        option: &'static str,
        certificates: Vec<CertificateDer<'static>>,
    ) -> Result<Self, TlsOptionError> {
        let mut store = RootCertStore::empty();
        for (index, certificate) in certificates.iter().enumerate() {
            store.add(certificate.clone()).map_err(|error| {
                let number = index + 1;
                TlsOptionError::new(
                    option,
                    format!("has a certificate, number {number}, that cannot be used: {error}"),
                )
            })?;
        }
        Ok(Self { store: Arc::new(store), exact: certificates })
    }

    /// Leaves out what cannot be used.
    pub(super) fn lenient(certificates: Vec<CertificateDer<'static>>) -> Self {
        let mut store = RootCertStore::empty();
        store.add_parsable_certificates(certificates.iter().cloned());
        Self { store: Arc::new(store), exact: certificates }
    }

    fn has_exactly(&self, certificate: &CertificateDer<'_>) -> bool {
        self.exact.iter().any(|trusted| trusted.as_ref() == certificate.as_ref())
    }
}

/// Checks the certificates of servers.
#[derive(Debug)]
pub(super) struct ServerVerifier {
    chains: Arc<WebPkiServerVerifier>,
    roots: Arc<Roots>,
}

impl ServerVerifier {
    pub(super) fn new(roots: Arc<Roots>) -> Result<Self, TlsOptionError> {
        let store = Arc::clone(&roots.store);
        let built = WebPkiServerVerifier::builder_with_provider(store, provider()).build();
        let chains = built.map_err(|error| TlsOptionError::new("ca", error.to_string()))?;
        Ok(Self { chains, roots })
    }
}

impl ServerCertVerifier for ServerVerifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        if self.roots.has_exactly(end_entity) {
            check_time(end_entity, now)?;
            let parsed = ParsedCertificate::try_from(end_entity)?;
            rustls::client::verify_server_name(&parsed, server_name)?;
            return Ok(ServerCertVerified::assertion());
        }
        let checked = self.chains.verify_server_cert(
            end_entity,
            intermediates,
            server_name,
            ocsp_response,
            now,
        );
        checked.map_err(|error| explain(error, end_entity, intermediates))
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.chains.verify_tls12_signature(message, cert, signature)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.chains.verify_tls13_signature(message, cert, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.chains.supported_verify_schemes()
    }
}

/// Believes every certificate whose owner has its key: for trying things out. Nothing
/// but its key is looked at.
#[derive(Debug)]
pub(super) struct AnyCertificate(WebPkiSupportedAlgorithms);

impl AnyCertificate {
    pub(super) fn new() -> Self {
        Self(provider().signature_verification_algorithms)
    }
}

impl ServerCertVerifier for AnyCertificate {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        version1::verify_tls12_signature(message, cert, signature, &self.0)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        version1::verify_tls13_signature(message, cert, signature, &self.0)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.supported_schemes()
    }
}

/// Demands certificates of clients and checks them.
#[derive(Debug)]
pub(super) struct ClientVerifier {
    chains: Arc<dyn ClientCertVerifier>,
    roots: Roots,
    algorithms: WebPkiSupportedAlgorithms,
}

impl ClientVerifier {
    pub(super) fn new(roots: Roots) -> Result<Self, TlsOptionError> {
        let store = Arc::clone(&roots.store);
        let built = WebPkiClientVerifier::builder_with_provider(store, provider()).build();
        let chains = built.map_err(|error| TlsOptionError::new("clientCa", error.to_string()))?;
        Ok(Self { chains, roots, algorithms: provider().signature_verification_algorithms })
    }
}

impl ClientCertVerifier for ClientVerifier {
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        self.chains.root_hint_subjects()
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        if self.roots.has_exactly(end_entity) {
            check_time(end_entity, now)?;
            return Ok(ClientCertVerified::assertion());
        }
        if is_version1(end_entity) {
            version1::verify_issuer(end_entity, &self.roots.exact, &self.algorithms)?;
            check_time(end_entity, now)?;
            return Ok(ClientCertVerified::assertion());
        }
        self.chains.verify_client_cert(end_entity, intermediates, now)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        if is_version1(cert) {
            return version1::verify_tls12_signature(message, cert, signature, &self.algorithms);
        }
        self.chains.verify_tls12_signature(message, cert, signature)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        if is_version1(cert) {
            return version1::verify_tls13_signature(message, cert, signature, &self.algorithms);
        }
        self.chains.verify_tls13_signature(message, cert, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.chains.supported_verify_schemes()
    }
}

fn check_time(certificate: &CertificateDer<'_>, now: UnixTime) -> Result<(), Error> {
    let Some(certificate) = Certificate::read(certificate) else {
        return Err(CertificateError::BadEncoding.into());
    };
    let (not_before, not_after) = (certificate.not_before(), certificate.not_after());
    if now.as_secs() < not_before.as_secs() {
        return Err(CertificateError::NotValidYetContext { time: now, not_before }.into());
    }
    if now.as_secs() > not_after.as_secs() {
        return Err(CertificateError::ExpiredContext { time: now, not_after }.into());
    }
    Ok(())
}

/// Nobody who is trusted has issued the certificate.
#[derive(Clone, Debug)]
pub(super) struct UnknownIssuer(pub(super) String);

impl fmt::Display for UnknownIssuer {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl StdError for UnknownIssuer {}

/// Adds to "unknown issuer" who that is.
fn explain(
    error: Error,
    end_entity: &CertificateDer<'_>,
    intermediates: &[CertificateDer<'_>],
) -> Error {
    let Some(certificate) = Certificate::read(end_entity) else { return error };
    // A self-signed certificate is that of an authority, too, as OpenSSL makes them by default:
    // webpki stops at that, before it looks for the issuer.
    let self_signed = certificate.is_self_issued() && is_other(&error);
    if !self_signed && error != Error::InvalidCertificate(CertificateError::UnknownIssuer) {
        return error;
    }
    let subject = certificate.subject();
    let text = if certificate.is_self_issued() {
        format!(
            "the server's certificate ({subject}) is self-signed and not among the trusted ones; if it is the server's, give it in 'tls.ca'"
        )
    } else {
        let issuer = certificate.issuer();
        let hint = if intermediates.is_empty() {
            ", and have the server send the intermediate certificates with its own, if there are any"
        } else {
            ""
        };
        format!(
            "the server's certificate ({subject}) is issued by {issuer}, which no trusted certificate vouches for; give that issuer's certificate in 'tls.ca'{hint}"
        )
    };
    Error::InvalidCertificate(CertificateError::Other(OtherError(Arc::new(UnknownIssuer(text)))))
}

fn is_other(error: &Error) -> bool {
    matches!(error, Error::InvalidCertificate(CertificateError::Other(_)))
}
