use std::fmt;
use std::io;

use rustls::{AlertDescription, CertificateError, Error};

use super::verify::is_ca_as_end_entity;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsFailure {
    pub reason: TlsReason,
    pub message: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TlsReason {
    CertificateExpired,
    CertificateNotYetValid,
    WrongHost,
    UnknownIssuer,
    InvalidCertificate,
    ClientCertificateRefused,
    Incompatible,
    NotTls,
    HandshakeFailed,
}

impl TlsReason {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::CertificateExpired => "certificate_expired",
            Self::CertificateNotYetValid => "certificate_not_yet_valid",
            Self::WrongHost => "wrong_host",
            Self::UnknownIssuer => "unknown_issuer",
            Self::InvalidCertificate => "invalid_certificate",
            Self::ClientCertificateRefused => "client_certificate_refused",
            Self::Incompatible => "incompatible",
            Self::NotTls => "not_tls",
            Self::HandshakeFailed => "handshake_failed",
        }
    }
}

impl fmt::Display for TlsFailure {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.message)
    }
}

impl std::error::Error for TlsFailure {}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Circumstances {
    pub(crate) was_asked: bool,
    pub(crate) has_certificate: bool,
}

impl TlsFailure {
    fn new(reason: TlsReason, message: impl Into<String>) -> Self {
        Self { reason, message: message.into() }
    }

    pub(crate) fn unnameable(host: &str) -> Self {
        Self::new(
            TlsReason::WrongHost,
            format!(
                "no certificate can name the host {host:?}; set 'tls.servername' to the name in the certificate"
            ),
        )
    }

    pub(crate) fn of_handshake(error: &io::Error, circumstances: Circumstances) -> Self {
        match tls_error(error) {
            Some(error) => of_error(error, circumstances),
            None if error.kind() == io::ErrorKind::UnexpectedEof => Self::new(
                TlsReason::HandshakeFailed,
                "the server closed the connection during the TLS handshake; does it speak TLS on this port?",
            ),
            None => Self::new(
                TlsReason::HandshakeFailed,
                format!("the connection failed during the TLS handshake: {error}"),
            ),
        }
    }

    /// In TLS 1.3, only the first read reports that the server refused the client's certificate.
    pub(crate) fn of_first_read(error: &io::Error, circumstances: Circumstances) -> Option<Self> {
        match tls_error(error)? {
            Error::AlertReceived(alert) if is_about_certificate(*alert, circumstances) => {
                Some(refused(*alert, circumstances))
            }
            _ => None,
        }
    }
}

fn tls_error(error: &io::Error) -> Option<&Error> {
    error.get_ref().and_then(|inner| inner.downcast_ref())
}

fn of_error(error: &Error, circumstances: Circumstances) -> TlsFailure {
    match error {
        Error::InvalidCertificate(error) => of_certificate(error),
        Error::AlertReceived(alert) => of_alert(*alert, circumstances),
        Error::PeerIncompatible(_) => TlsFailure::new(
            TlsReason::Incompatible,
            format!("the server offers no secure version of TLS 1.2 or 1.3: {error}"),
        ),
        Error::InvalidMessage(_) => TlsFailure::new(
            TlsReason::NotTls,
            "the server's answer is not TLS; if it speaks plain HTTP on this port, use http://",
        ),
        error => TlsFailure::new(
            TlsReason::HandshakeFailed,
            format!("the TLS handshake failed: {error}"),
        ),
    }
}

fn of_certificate(error: &CertificateError) -> TlsFailure {
    let (reason, hint) = match error {
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
            (TlsReason::CertificateExpired, "renew it, or check the clock of this machine")
        }
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            (TlsReason::CertificateNotYetValid, "check the clocks of both machines")
        }
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => (
            TlsReason::WrongHost,
            "use a host that the certificate names as subjectAltName, or set 'tls.servername'",
        ),
        CertificateError::UnknownIssuer => (
            TlsReason::UnknownIssuer,
            "set 'tls.ca' to its issuer's certificate, and make the server send its intermediate \
             certificates",
        ),
        _ if is_ca_as_end_entity(error) => (
            TlsReason::UnknownIssuer,
            "it is self-signed or an authority's, and not trusted; if you trust it, set 'tls.ca' to it",
        ),
        _ => (
            TlsReason::InvalidCertificate,
            "issue another one: X.509 version 3, for server authentication, signed with SHA-256 or better",
        ),
    };
    let said = match error {
        CertificateError::Other(other) => other.0.to_string(),
        error => error.to_string(),
    };
    TlsFailure::new(reason, format!("the server's certificate is not accepted: {said}; {hint}"))
}

fn of_alert(alert: AlertDescription, circumstances: Circumstances) -> TlsFailure {
    match alert {
        alert if is_about_certificate(alert, circumstances) => refused(alert, circumstances),
        // TLS 1.2 servers report a missing certificate like this (RFC 5246, 7.4.6).
        AlertDescription::HandshakeFailure
            if circumstances.was_asked && !circumstances.has_certificate =>
        {
            refused(alert, circumstances)
        }
        AlertDescription::HandshakeFailure
        | AlertDescription::ProtocolVersion
        | AlertDescription::InsufficientSecurity
        | AlertDescription::NoApplicationProtocol => TlsFailure::new(
            TlsReason::Incompatible,
            format!(
                "the server and this client have no TLS version, algorithm or protocol in common; the client \
                 supports TLS 1.2 and 1.3 and HTTP/1.1 (alert {alert:?})"
            ),
        ),
        AlertDescription::UnrecognisedName => TlsFailure::new(
            TlsReason::WrongHost,
            "the server has no certificate for this name (alert UnrecognisedName); set 'tls.servername'",
        ),
        alert => TlsFailure::new(
            TlsReason::HandshakeFailed,
            format!(
                "the server ended the TLS handshake with the alert {alert:?}; its log says why"
            ),
        ),
    }
}

/// Alerts that refuse the client's certificate (RFC 8446, 6.2).
fn is_about_certificate(alert: AlertDescription, circumstances: Circumstances) -> bool {
    match alert {
        // The issuer's signature is wrong.
        AlertDescription::DecryptError => circumstances.was_asked && circumstances.has_certificate,
        AlertDescription::BadCertificate
        | AlertDescription::UnsupportedCertificate
        | AlertDescription::CertificateRevoked
        | AlertDescription::CertificateExpired
        | AlertDescription::CertificateUnknown
        | AlertDescription::UnknownCA
        | AlertDescription::AccessDenied
        | AlertDescription::CertificateRequired
        | AlertDescription::NoCertificate => true,
        _ => false,
    }
}

fn refused(alert: AlertDescription, circumstances: Circumstances) -> TlsFailure {
    let message = if circumstances.has_certificate {
        format!(
            "the server refused the certificate of this client (alert {alert:?}); set 'tls.cert' and 'tls.key' \
             to one from an authority that the server trusts"
        )
    } else {
        format!(
            "the server requires a client certificate (alert {alert:?}); set 'tls.cert' and 'tls.key'"
        )
    };
    TlsFailure::new(TlsReason::ClientCertificateRefused, message)
}
