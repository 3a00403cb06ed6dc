//! TLS as the options of servers and clients say.

use std::sync::OnceLock;

use backwater_transport::{
    CertificatePem, ClientTls, ClientTlsOptions, ServerTls, TlsOptionError, Trust, TrustedRoots,
};
use napi::{Error, Result};

use crate::errors;
use crate::options::{TlsClient, TlsServer};

/// Whom Node trusts; to read some 140 certificates takes milliseconds, which each client would need.
static TRUSTED_ROOTS: OnceLock<TrustedRoots> = OnceLock::new();

/// Whether [`set_trusted_roots`] was called in this process.
pub(crate) fn has_trusted_roots() -> bool {
    TRUSTED_ROOTS.get().is_some()
}

/// Sets whom clients trust that are told nothing else; only the first time counts.
pub(crate) fn set_trusted_roots(pem: &str) {
    TRUSTED_ROOTS.get_or_init(|| TrustedRoots::lenient(pem.as_bytes()));
}

/// A server's side.
pub(crate) fn server(options: &TlsServer) -> Result<ServerTls> {
    let client_ca = options.client_ca.as_ref().map(String::as_bytes);
    let made = ServerTls::new(certificate(&options.cert, &options.key), client_ca);
    made.map_err(|error| refused(&error, "tls."))
}

/// Another certificate for a server.
pub(crate) fn set_certificate(server: &ServerTls, cert: &str, key: &str) -> Result<()> {
    server.set_certificate(certificate(cert, key)).map_err(|error| refused(&error, ""))
}

/// A client's side.
pub(crate) fn client(options: &TlsClient) -> Result<ClientTls> {
    let trust = match (&options.ca, TRUSTED_ROOTS.get()) {
        _ if options.accept_any => Trust::Anybody,
        (Some(pem), _) => Trust::Only(pem.as_bytes().to_vec()),
        (None, Some(roots)) => Trust::Shared(roots.clone()),
        (None, None) => return Err(Error::from_reason("no root certificates were set")),
    };
    let made = ClientTls::new(ClientTlsOptions {
        trust,
        certificate: options
            .cert
            .as_ref()
            .zip(options.key.as_ref())
            .map(|(c, k)| certificate(c, k)),
        servername: options.servername.as_deref(),
    });
    made.map_err(|error| refused(&error, "tls."))
}

fn certificate<'a>(cert: &'a str, key: &'a str) -> CertificatePem<'a> {
    CertificatePem { cert: cert.as_bytes(), key: key.as_bytes() }
}

fn refused(error: &TlsOptionError, prefix: &str) -> Error {
    Error::from_reason(errors::option(prefix, error))
}
