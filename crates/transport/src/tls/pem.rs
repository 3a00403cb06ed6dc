use std::sync::Arc;

use rustls::sign::CertifiedKey;
use rustls_pki_types::pem::{self, PemObject, SectionKind};
use rustls_pki_types::{CertificateDer, PrivateKeyDer};

use super::{TlsOptionError, provider};

/// Reads at least one certificate. Errors name `option`.
pub(super) fn certificates(
    option: &'static str,
    text: &[u8],
) -> Result<Vec<CertificateDer<'static>>, TlsOptionError> {
    let fail = |what: String| TlsOptionError::new(option, what);
    let read = CertificateDer::pem_slice_iter(text).collect::<Result<Vec<_>, _>>();
    let found =
        read.map_err(|error| fail(format!("takes certificates in PEM form: {}", said(&error))))?;
    if found.is_empty() {
        let instead = if has_key(text) { "; this text has only a private key" } else { "" };
        return Err(fail(format!(
            "takes certificates in PEM form, at least one '-----BEGIN CERTIFICATE-----'{instead}"
        )));
    }
    for (index, certificate) in found.iter().enumerate() {
        if is_damaged(certificate) {
            return Err(fail(format!(
                "takes certificates in PEM form; number {} is not an X.509 certificate",
                index + 1
            )));
        }
    }
    Ok(found)
}

/// Certificates that webpki refuses for other reasons, such as version 1, may still be roots, or
/// the peer may accept them.
fn is_damaged(certificate: &CertificateDer<'_>) -> bool {
    use webpki::Error::{BadDer, BadDerTime, TrailingData};
    let read = webpki::EndEntityCert::try_from(certificate);
    matches!(read, Err(BadDer | BadDerTime | TrailingData(_)))
}

/// Reads a certificate chain and its matching key. Errors name `cert` or `key`.
pub(super) fn certified_key(cert: &[u8], key: &[u8]) -> Result<Arc<CertifiedKey>, TlsOptionError> {
    let chain = certificates("cert", cert)?;
    let key = private_key(key)?;
    let loaded = provider().key_provider.load_private_key(key);
    let key = loaded.map_err(|_| {
        TlsOptionError::new(
            "key",
            "takes a key for RSA (2048 to 8192 bits), ECDSA on P-256 or P-384, or Ed25519; this one \
             is of another kind or damaged",
        )
    })?;
    let certified = CertifiedKey::new(chain, key);
    match certified.keys_match() {
        Err(rustls::Error::InconsistentKeys(rustls::InconsistentKeys::KeyMismatch)) => Err(
            TlsOptionError::new("key", "does not belong to the first certificate in 'tls.cert'"),
        ),
        // The peer may accept certificates that webpki refuses.
        _ => Ok(Arc::new(certified)),
    }
}

fn private_key(text: &[u8]) -> Result<PrivateKeyDer<'static>, TlsOptionError> {
    let fail = |what: &str| {
        Err(TlsOptionError::new("key", format!("takes a private key in PEM form{what}")))
    };
    if contains(text, b"ENCRYPTED") {
        return fail(", not encrypted; `openssl pkey -in key.pem` decrypts it");
    }
    match PrivateKeyDer::from_pem_slice(text) {
        Ok(key) => Ok(key),
        Err(pem::Error::NoItemsFound) if contains(text, b"-----BEGIN CERTIFICATE-----") => {
            fail("; this text has only certificates")
        }
        Err(pem::Error::NoItemsFound) => fail(", such as '-----BEGIN PRIVATE KEY-----'"),
        Err(error) => fail(&format!(": {}", said(&error))),
    }
}

fn has_key(text: &[u8]) -> bool {
    let mut rest = text;
    while let Ok(Some((kind, _))) = pem::from_buf(&mut rest) {
        if matches!(
            kind,
            SectionKind::PrivateKey | SectionKind::RsaPrivateKey | SectionKind::EcPrivateKey
        ) {
            return true;
        }
    }
    false
}

/// Does not quote the text, which may contain a key.
fn said(error: &pem::Error) -> &'static str {
    match error {
        pem::Error::MissingSectionEnd { .. } => "the line '-----END …-----' is missing",
        pem::Error::IllegalSectionStart { .. } => "a line '-----BEGIN …-----' is damaged",
        pem::Error::Base64Decode(_) => "the text between BEGIN and END is not base64",
        _ => "it cannot be read",
    }
}

fn contains(text: &[u8], what: &[u8]) -> bool {
    text.windows(what.len()).any(|window| window == what)
}
