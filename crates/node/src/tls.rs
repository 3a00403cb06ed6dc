use std::sync::OnceLock;

use backwater_transport::{
    CertificatePem, ClientCertificates, ClientTls, ClientTlsOptions, ServerTls, Trust, TrustedRoots,
};

use crate::errors::Failure;
use crate::options::{TlsClient, TlsServer};

/// Shared by all clients, because reading some 140 certificates takes milliseconds.
static TRUSTED_ROOTS: OnceLock<TrustedRoots> = OnceLock::new();

pub(crate) fn has_trusted_roots() -> bool {
    TRUSTED_ROOTS.get().is_some()
}

/// Only the first call has an effect.
pub(crate) fn set_trusted_roots(pem: &str) {
    TRUSTED_ROOTS.get_or_init(|| TrustedRoots::lenient(pem.as_bytes()));
}

pub(crate) fn server(options: &TlsServer, has_health: bool) -> Result<ServerTls, Failure> {
    let clients = options
        .client_ca
        .as_ref()
        .map(|ca| ClientCertificates { ca: ca.as_bytes(), health_without: has_health });
    let made = ServerTls::new(certificate(&options.cert, &options.key), clients);
    made.map_err(|error| Failure::tls_option("tls.", &error))
}

pub(crate) fn set_certificate(server: &ServerTls, cert: &str, key: &str) -> Result<(), Failure> {
    server.set_certificate(certificate(cert, key)).map_err(|error| Failure::tls_option("", &error))
}

pub(crate) fn client(options: &TlsClient) -> Result<ClientTls, Failure> {
    let trust = match (&options.ca, TRUSTED_ROOTS.get()) {
        _ if options.accept_any => Trust::Anybody,
        (Some(pem), _) => Trust::Only(pem.as_bytes().to_vec()),
        (None, Some(roots)) => Trust::Shared(roots.clone()),
        (None, None) => return Err(Failure::internal("no root certificates were set")),
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
    made.map_err(|error| Failure::tls_option("tls.", &error))
}

fn certificate<'a>(cert: &'a str, key: &'a str) -> CertificatePem<'a> {
    CertificatePem { cert: cert.as_bytes(), key: key.as_bytes() }
}
