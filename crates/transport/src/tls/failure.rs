//! Why a client has no TLS connection to a server.

use std::fmt;
use std::io;
use std::net::IpAddr;

use rustls::{AlertDescription, CertificateError, Error};
use rustls_pki_types::UnixTime;

use super::verify::UnknownIssuer;

/// Why a client has no TLS connection to a server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsFailure {
    /// What kind of failure it is.
    pub reason: TlsReason,
    /// What went wrong and what to do about it.
    pub message: String,
}

/// Kinds of failures of TLS.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TlsReason {
    /// The time of the server's certificate is over.
    CertificateExpired,
    /// The time of the server's certificate has not begun.
    CertificateNotYetValid,
    /// The server's certificate is for other names.
    WrongHost,
    /// Nobody who is trusted has issued the server's certificate.
    UnknownIssuer,
    /// The server's certificate cannot be used for another reason.
    InvalidCertificate,
    /// The server demands a certificate of the client, and has refused the one it got, or none.
    ClientCertificateRefused,
    /// Client and server have no version of TLS, or no algorithms, in common.
    Incompatible,
    /// What the server speaks is not TLS.
    NotTls,
    /// The handshake has failed otherwise.
    HandshakeFailed,
}

impl TlsReason {
    /// The name in lower case.
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

/// What is known of the connection besides the error.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Circumstances {
    /// Whether the server has asked for a certificate.
    pub(crate) was_asked: bool,
    /// Whether there is one to show.
    pub(crate) has_certificate: bool,
}

impl TlsFailure {
    fn new(reason: TlsReason, message: impl Into<String>) -> Self {
        Self { reason, message: message.into() }
    }

    /// A host that can stand in no certificate.
    pub(crate) fn unnameable(host: &str) -> Self {
        Self::new(
            TlsReason::WrongHost,
            format!(
                "no certificate can be for the host {host:?}; say in 'tls.servername' which name it has"
            ),
        )
    }

    /// The failure of a handshake.
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

    /// The failure that an error of an established connection stands for, before the first response: in
    /// TLS 1.3 that is when a client hears that its certificate is refused. `None` for other errors.
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
            format!("the server has no TLS 1.2 or 1.3 with algorithms that are safe: {error}"),
        ),
        Error::InvalidMessage(_) => TlsFailure::new(
            TlsReason::NotTls,
            "what the server answers is not TLS; if it speaks plain HTTP on this port, write http://",
        ),
        error => TlsFailure::new(
            TlsReason::HandshakeFailed,
            format!("the TLS handshake failed: {error}"),
        ),
    }
}

fn of_certificate(error: &CertificateError) -> TlsFailure {
    match error {
        CertificateError::ExpiredContext { not_after, .. } => TlsFailure::new(
            TlsReason::CertificateExpired,
            format!(
                "the server's certificate expired at {}; renew it, or set the clock right",
                date(*not_after)
            ),
        ),
        CertificateError::Expired => TlsFailure::new(
            TlsReason::CertificateExpired,
            "the server's certificate has expired; renew it, or set the clock right",
        ),
        CertificateError::NotValidYetContext { not_before, .. } => TlsFailure::new(
            TlsReason::CertificateNotYetValid,
            format!(
                "the server's certificate is valid only from {} on; is the clock right?",
                date(*not_before)
            ),
        ),
        CertificateError::NotValidYet => TlsFailure::new(
            TlsReason::CertificateNotYetValid,
            "the server's certificate is not valid yet; is the clock right?",
        ),
        CertificateError::NotValidForNameContext { expected, presented } => {
            TlsFailure::new(TlsReason::WrongHost, wrong_host(&expected.to_str(), presented))
        }
        CertificateError::NotValidForName => TlsFailure::new(
            TlsReason::WrongHost,
            "the server's certificate is for other hosts; if it is the server's, say for which in 'tls.servername'",
        ),
        CertificateError::UnknownIssuer => TlsFailure::new(
            TlsReason::UnknownIssuer,
            "no trusted certificate vouches for the server's; give its issuer's in 'tls.ca'",
        ),
        CertificateError::Other(other) => match other.0.downcast_ref::<UnknownIssuer>() {
            Some(explained) => TlsFailure::new(TlsReason::UnknownIssuer, &explained.0),
            None => invalid(error),
        },
        error => invalid(error),
    }
}

fn invalid(error: &CertificateError) -> TlsFailure {
    let said = match error {
        CertificateError::Other(other) => other.0.to_string(),
        error => error.to_string(),
    };
    let detail = if said.contains("UnsupportedCertVersion") {
        format!(
            "{said}: it is of X.509 version 1; make one with extensions, such as subjectAltName"
        )
    } else if said.contains("UnsupportedSignatureAlgorithm") {
        "it is signed by an algorithm that is not taken, such as SHA-1; have it issued with SHA-256 or \
         better"
            .to_owned()
    } else {
        said
    };
    TlsFailure::new(
        TlsReason::InvalidCertificate,
        format!("the server's certificate cannot be used: {detail}"),
    )
}

/// How many names of a certificate a message has.
const NAMES: usize = 20;

fn wrong_host(expected: &str, presented: &[String]) -> String {
    let mut names: Vec<_> = presented.iter().filter_map(|name| plain_name(name)).collect();
    if names.is_empty() {
        return format!(
            "the server's certificate is not for {expected}: it names no host; make one with the host as \
             subjectAltName (the common name no longer counts)"
        );
    }
    let more = names.len().saturating_sub(NAMES);
    if more > 0 {
        names.truncate(NAMES);
        names.push(format!("{more} more"));
    }
    format!(
        "the server's certificate is not for {expected} but for {}; use one of these names in the URL or, if \
         the server is right, as 'tls.servername'",
        names.join(", ")
    )
}

/// The host of a name that webpki writes as `DnsName("example.com")` or `IpAddress(127.0.0.1)`; `None`
/// for names that are no hosts', such as URIs.
fn plain_name(name: &str) -> Option<String> {
    let (kind, rest) = name.split_once('(')?;
    let inner = rest.strip_suffix(')')?;
    match kind {
        "DnsName" => Some(inner.trim_matches('"').escape_debug().to_string()),
        // IPv6 is not written as short as people do.
        "IpAddress" => Some(inner.parse().map_or(inner.to_owned(), |ip: IpAddr| ip.to_string())),
        _ => None,
    }
}

fn of_alert(alert: AlertDescription, circumstances: Circumstances) -> TlsFailure {
    match alert {
        alert if is_about_certificate(alert, circumstances) => refused(alert, circumstances),
        // So servers of TLS 1.2 say that there is no certificate (RFC 5246, 7.4.6).
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
                "the server has no TLS version, algorithm or protocol in common with this client, which \
                 takes TLS 1.2 and 1.3 and HTTP/1.1 (alert {alert:?})"
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

/// Alerts by which a server says that it does not like the client's certificate (RFC 8446, 6.2).
fn is_about_certificate(alert: AlertDescription, circumstances: Circumstances) -> bool {
    match alert {
        // A signature does not hold: that of its issuer, when the client has shown a certificate.
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
            "the server refused the certificate of this client (alert {alert:?}); give one that the server's \
             authority has issued in 'tls.cert' and 'tls.key'"
        )
    } else {
        format!(
            "the server demands a certificate of the client (alert {alert:?}); give one in 'tls.cert' and \
             'tls.key'"
        )
    };
    TlsFailure::new(TlsReason::ClientCertificateRefused, message)
}

/// A moment as text, such as `2026-01-31 23:59:59 UTC`.
fn date(time: UnixTime) -> String {
    let seconds = time.as_secs();
    let (days, rest) = (seconds / 86_400, seconds % 86_400);
    // Years that begin in March have their leap day at the end; eras of 400 years are all the same.
    let days = days + 719_468;
    let (era, day) = (days / 146_097, days % 146_097);
    let year = (day - day / 1460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let day = day - (153 * month + 2) / 5 + 1;
    let (year, month) = if month < 10 { (year, month + 3) } else { (year + 1, month - 9) };
    let year = year + era * 400;
    let (hour, minute, second) = (rest / 3600, rest / 60 % 60, rest % 60);
    format!("{year}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02} UTC")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn dates_are_those_of_the_calendar() {
        for (seconds, text) in [
            (0, "1970-01-01 00:00:00 UTC"),
            (951_827_696, "2000-02-29 12:34:56 UTC"),
            (1_772_323_199, "2026-02-28 23:59:59 UTC"),
            (4_107_542_400, "2100-03-01 00:00:00 UTC"),
            (253_402_300_799, "9999-12-31 23:59:59 UTC"),
        ] {
            assert_eq!(date(UnixTime::since_unix_epoch(Duration::from_secs(seconds))), text);
        }
    }

    #[test]
    fn names_lose_their_wrapping() {
        assert_eq!(plain_name("DnsName(\"*.example.com\")").as_deref(), Some("*.example.com"));
        assert_eq!(plain_name("IpAddress(127.0.0.1)").as_deref(), Some("127.0.0.1"));
        assert_eq!(plain_name("IpAddress(0::1)").as_deref(), Some("::1"));
        assert_eq!(plain_name("DirectoryName"), None);
        assert_eq!(plain_name("UniformResourceIdentifier(\"spiffe://a\")"), None);
    }

    #[test]
    fn many_names_are_not_all_said() {
        let presented: Vec<_> = (0..400).map(|n| format!("DnsName(\"h{n}.example\")")).collect();
        let text = wrong_host("localhost", &presented);
        assert!(text.contains("h19.example, 380 more;") && !text.contains("h20.example"), "{text}");
        let none =
            wrong_host("localhost", &["UniformResourceIdentifier(\"spiffe://a\")".to_owned()]);
        assert!(none.contains("it names no host"), "{none}");
    }
}
