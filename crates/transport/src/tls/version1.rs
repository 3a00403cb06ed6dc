//! Certificates of X.509 version 1, as OpenSSL issues them when it is told no extensions.
//!
//! webpki takes none of them. Clients are often given such ones, and there is nothing in an extension
//! that a server would need of a client; so they are taken when a trusted authority itself has issued them.

use rustls::client::danger::HandshakeSignatureValid;
use rustls::crypto::{WebPkiSupportedAlgorithms, verify_tls13_signature_with_raw_key};
use rustls::{CertificateError, DigitallySignedStruct, Error, PeerMisbehaved};
use rustls_pki_types::{CertificateDer, SubjectPublicKeyInfoDer};

use super::certificate::Certificate;

/// Whether a certificate is of version 1.
pub(super) fn is_version1(certificate: &CertificateDer<'_>) -> bool {
    Certificate::read(certificate).is_some_and(|certificate| certificate.is_version1())
}

/// Checks that one of `authorities` has issued the certificate. Its time is somebody else's business.
pub(super) fn verify_issuer(
    certificate: &CertificateDer<'_>,
    authorities: &[CertificateDer<'static>],
    algorithms: &WebPkiSupportedAlgorithms,
) -> Result<(), Error> {
    let certificate = read(certificate)?;
    let mut error = CertificateError::UnknownIssuer;
    for authority in authorities {
        let authority = read(authority)?;
        if !certificate.names_issuer(&authority) {
            continue;
        }
        let signed = algorithms.all.iter().any(|algorithm| {
            certificate.signature_algorithm() == algorithm.signature_alg_id().as_ref()
                && authority.key_algorithm() == algorithm.public_key_alg_id().as_ref()
                && algorithm
                    .verify_signature(
                        authority.key(),
                        certificate.signed(),
                        certificate.signature(),
                    )
                    .is_ok()
        });
        if signed {
            return Ok(());
        }
        error = CertificateError::BadSignature;
    }
    Err(error.into())
}

/// Checks a signature of TLS 1.2 by the certificate's key.
pub(super) fn verify_tls12_signature(
    message: &[u8],
    certificate: &CertificateDer<'_>,
    signature: &DigitallySignedStruct,
    algorithms: &WebPkiSupportedAlgorithms,
) -> Result<HandshakeSignatureValid, Error> {
    let certificate = read(certificate)?;
    let of_scheme = algorithms.mapping.iter().find(|(scheme, _)| *scheme == signature.scheme);
    let Some((_, candidates)) = of_scheme else {
        return Err(PeerMisbehaved::SignedHandshakeWithUnadvertisedSigScheme.into());
    };
    let signed = candidates.iter().any(|algorithm| {
        certificate.key_algorithm() == algorithm.public_key_alg_id().as_ref()
            && algorithm.verify_signature(certificate.key(), message, signature.signature()).is_ok()
    });
    if signed {
        Ok(HandshakeSignatureValid::assertion())
    } else {
        Err(CertificateError::BadSignature.into())
    }
}

/// Checks a signature of TLS 1.3 by the certificate's key.
pub(super) fn verify_tls13_signature(
    message: &[u8],
    certificate: &CertificateDer<'_>,
    signature: &DigitallySignedStruct,
    algorithms: &WebPkiSupportedAlgorithms,
) -> Result<HandshakeSignatureValid, Error> {
    let key = SubjectPublicKeyInfoDer::from(read(certificate)?.key_info());
    verify_tls13_signature_with_raw_key(message, &key, signature, algorithms)
}

fn read<'a>(certificate: &'a CertificateDer<'_>) -> Result<Certificate<'a>, Error> {
    Certificate::read(certificate).ok_or_else(|| CertificateError::BadEncoding.into())
}
