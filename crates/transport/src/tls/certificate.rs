//! Reads of a certificate what webpki checks but does not tell: names and times (RFC 5280, 4.1).

use std::time::Duration;

use rustls_pki_types::UnixTime;

use super::distinguished_name;

/// Parts of a certificate. They are what it says: whether it is to be believed is up to others.
#[derive(Clone, Copy, Debug)]
pub(super) struct Certificate<'a> {
    /// What is signed: with its tag and length.
    signed: &'a [u8],
    signature_algorithm: &'a [u8],
    signature: &'a [u8],
    has_version: bool,
    issuer: &'a [u8],
    subject: &'a [u8],
    /// In seconds since 1970.
    not_before: u64,
    not_after: u64,
    /// `SubjectPublicKeyInfo`: with its tag and length.
    key_info: &'a [u8],
    key_algorithm: &'a [u8],
    key: &'a [u8],
}

impl<'a> Certificate<'a> {
    /// Reads a certificate in DER form.
    pub(super) fn read(der: &'a [u8]) -> Option<Self> {
        let mut outer = Reader(der);
        let mut certificate = Reader(outer.take(SEQUENCE)?);
        let signed = certificate.next_element()?;
        let mut fields = Reader(certificate.take(SEQUENCE)?);
        let signature_algorithm = certificate.take(SEQUENCE)?;
        let signature = certificate.take_bit_string()?;
        let has_version = fields.next_tag() == Some(VERSION);
        if has_version {
            fields.take(VERSION)?;
        }
        fields.take(INTEGER)?;
        // What is signed repeats how it is signed (RFC 5280, 4.1.1.2).
        if fields.take(SEQUENCE)? != signature_algorithm {
            return None;
        }
        let issuer = fields.take(SEQUENCE)?;
        let mut validity = Reader(fields.take(SEQUENCE)?);
        let (not_before, not_after) = (validity.time()?, validity.time()?);
        let subject = fields.take(SEQUENCE)?;
        let key_info = fields.next_element()?;
        let mut key = Reader(fields.take(SEQUENCE)?);
        let key_algorithm = key.take(SEQUENCE)?;
        let key = key.take_bit_string()?;
        Some(Self {
            signed,
            signature_algorithm,
            signature,
            has_version,
            issuer,
            subject,
            not_before,
            not_after,
            key_info,
            key_algorithm,
            key,
        })
    }

    /// Whether it is of X.509 version 1, which is not written.
    pub(super) fn is_version1(&self) -> bool {
        !self.has_version
    }

    /// Whether it says that the subject of `other` has issued it.
    pub(super) fn names_issuer(&self, other: &Certificate<'_>) -> bool {
        self.issuer == other.subject
    }

    /// What its issuer has signed.
    pub(super) fn signed(&self) -> &'a [u8] {
        self.signed
    }

    /// How its issuer has signed it: the contents of an `AlgorithmIdentifier`.
    pub(super) fn signature_algorithm(&self) -> &'a [u8] {
        self.signature_algorithm
    }

    /// The signature of its issuer.
    pub(super) fn signature(&self) -> &'a [u8] {
        self.signature
    }

    /// Its public key with the kind of that: `SubjectPublicKeyInfo`.
    pub(super) fn key_info(&self) -> &'a [u8] {
        self.key_info
    }

    /// Of which kind its public key is: the contents of an `AlgorithmIdentifier`.
    pub(super) fn key_algorithm(&self) -> &'a [u8] {
        self.key_algorithm
    }

    /// Its public key.
    pub(super) fn key(&self) -> &'a [u8] {
        self.key
    }

    /// The subject as text (RFC 4514): `CN=alice,O=Example`.
    pub(super) fn subject(&self) -> String {
        distinguished_name::to_text(self.subject)
    }

    /// The issuer as text.
    pub(super) fn issuer(&self) -> String {
        distinguished_name::to_text(self.issuer)
    }

    /// Whether it says of itself that it was issued by its own subject.
    pub(super) fn is_self_issued(&self) -> bool {
        self.issuer == self.subject
    }

    /// When its time begins.
    pub(super) fn not_before(&self) -> UnixTime {
        UnixTime::since_unix_epoch(Duration::from_secs(self.not_before))
    }

    /// When its time ends.
    pub(super) fn not_after(&self) -> UnixTime {
        UnixTime::since_unix_epoch(Duration::from_secs(self.not_after))
    }
}

pub(super) const SEQUENCE: u8 = 0x30;
pub(super) const SET: u8 = 0x31;
pub(super) const OBJECT_IDENTIFIER: u8 = 0x06;
const INTEGER: u8 = 0x02;
const BIT_STRING: u8 = 0x03;
const VERSION: u8 = 0xa0;
const UTC_TIME: u8 = 0x17;
const GENERALIZED_TIME: u8 = 0x18;

/// Reads DER from the front: tag, length, contents (X.690).
pub(super) struct Reader<'a>(pub(super) &'a [u8]);

impl<'a> Reader<'a> {
    pub(super) fn next_tag(&self) -> Option<u8> {
        self.0.first().copied()
    }

    /// The contents of the next element, if it has this tag.
    pub(super) fn take(&mut self, tag: u8) -> Option<&'a [u8]> {
        self.take_any().and_then(|(found, contents)| (found == tag).then_some(contents))
    }

    /// The next element as a whole, which stays the next one.
    fn next_element(&self) -> Option<&'a [u8]> {
        let mut rest = Reader(self.0);
        rest.take_any()?;
        self.0.get(..self.0.len() - rest.0.len())
    }

    /// The bytes of a bit string that has no bits besides them.
    fn take_bit_string(&mut self) -> Option<&'a [u8]> {
        match self.take(BIT_STRING)? {
            [0, bytes @ ..] => Some(bytes),
            _ => None,
        }
    }

    /// The next element: its tag and its contents.
    pub(super) fn take_any(&mut self) -> Option<(u8, &'a [u8])> {
        let [tag, length, rest @ ..] = self.0 else { return None };
        let (length, rest) = match length {
            0..=0x7f => (usize::from(*length), rest),
            // Certificates are smaller than 16 MiB.
            0x81..=0x83 => {
                let (digits, rest) = rest.split_at_checked(usize::from(length & 0x7f))?;
                (digits.iter().fold(0, |length, digit| length << 8 | usize::from(*digit)), rest)
            }
            _ => return None,
        };
        let (contents, rest) = rest.split_at_checked(length)?;
        self.0 = rest;
        Some((*tag, contents))
    }

    /// A time, in seconds since 1970; RFC 5280 (4.1.2.5) allows only these two forms of it.
    fn time(&mut self) -> Option<u64> {
        let (tag, text) = self.take_any()?;
        let text = std::str::from_utf8(text).ok()?.strip_suffix('Z')?;
        let (year, rest) = match tag {
            UTC_TIME => {
                let (year, rest) = text.split_at_checked(2)?;
                let year = number(year)?;
                (if year < 50 { 2000 + year } else { 1900 + year }, rest)
            }
            GENERALIZED_TIME => {
                let (year, rest) = text.split_at_checked(4)?;
                (number(year)?, rest)
            }
            _ => return None,
        };
        if rest.len() != 10 || !rest.is_ascii() {
            return None;
        }
        let part = |index: usize| number(&rest[index * 2..index * 2 + 2]);
        let days = days_since_1970(year, part(0)?, part(1)?)?;
        Some(days * 86_400 + part(2)? * 3600 + part(3)? * 60 + part(4)?)
    }
}

fn number(digits: &str) -> Option<u64> {
    if digits.bytes().all(|digit| digit.is_ascii_digit()) { digits.parse().ok() } else { None }
}

/// Days from 1970-01-01 to a day of the Gregorian calendar; a day before counts as that one.
fn days_since_1970(year: u64, month: u64, day: u64) -> Option<u64> {
    if !(1..=12).contains(&month) || !(1..=31).contains(&day) {
        return None;
    }
    // Years that begin in March have their leap day at the end.
    let (year, month) =
        if month > 2 { (year, month - 3) } else { (year.checked_sub(1)?, month + 9) };
    let days = 365 * year + year / 4 - year / 100 + year / 400 + (153 * month + 2) / 5 + day - 1;
    Some(days.saturating_sub(719_468))
}

#[cfg(test)]
mod tests {
    use base64::Engine;

    use super::*;

    fn time(tag: u8, text: &str) -> Option<u64> {
        let der = [&[tag, text.len() as u8], text.as_bytes()].concat();
        Reader(&der).time()
    }

    #[test]
    fn times_are_read_in_both_forms() {
        assert_eq!(time(UTC_TIME, "700101000000Z"), Some(0));
        assert_eq!(time(UTC_TIME, "691231235959Z"), Some(86_399), "before 1970 the day is lost");
        assert_eq!(time(UTC_TIME, "000229123456Z"), Some(951_827_696));
        assert_eq!(time(UTC_TIME, "491231235959Z"), Some(2_524_607_999));
        assert_eq!(time(GENERALIZED_TIME, "20500101000000Z"), Some(2_524_608_000));
        assert_eq!(time(GENERALIZED_TIME, "99991231235959Z"), Some(253_402_300_799));
    }

    #[test]
    fn what_is_no_time_is_refused() {
        for text in [
            "",
            "Z",
            "700101000000",
            "70010100000Z",
            "701301000000Z",
            "700100000000Z",
            "+00101000000Z",
        ] {
            assert_eq!(time(UTC_TIME, text), None, "{text}");
        }
        assert_eq!(time(SEQUENCE, "700101000000Z"), None);
        assert_eq!(time(GENERALIZED_TIME, "2050010100000ßZ"), None);
    }

    /// Issued for localhost by `/O=Test/CN=Test CA`, both on P-256.
    const CERTIFICATE: &str = "\
        MIIBljCCATugAwIBAgIUePVwKkCVV2epRxbkAzlTNQ5vpdYwCgYIKoZIzj0EAwIwITENMAsGA1UECgwEVGVzdDEQMA\
        4GA1UEAwwHVGVzdCBDQTAeFw0yNjExMjQyMjEwMDJaFw0yNjEyMDQyMjEwMDJaMBQxEjAQBgNVBAMMCWxvY2FsaG9z\
        dDBZMBMGByqGSM49AgEGCCqGSM49AwEHA0IABGIAJ5bfdRSmEWJANBJbuyBkTwN//tM2yM/HLltKnFEbTM/G3i5cpi\
        z4mW9zIeEKCCnmehZd+u3uoP+PsWhK8nKjXjBcMBoGA1UdEQQTMBGCCWxvY2FsaG9zdIcEfwAAATAdBgNVHQ4EFgQU\
        PucF1a7Dq8CGMZmHnepTNCI4e5swHwYDVR0jBBgwFoAULIlICWM9JbimM6LRDH7MgSv+i1swCgYIKoZIzj0EAwIDSQ\
        AwRgIhAPlak3fzoVDm28jxNP2U3wJcv/dzO1C2Ts00M7E0EqFxAiEA1plP/ffzCaZnss7BssfdJDN+u4mIJdMD8SPs\
        ZZ63Y5Y=";

    fn certificate() -> Vec<u8> {
        base64::engine::general_purpose::STANDARD.decode(CERTIFICATE).unwrap_or_default()
    }

    #[test]
    fn names_and_times_of_a_certificate_are_read() {
        let der = certificate();
        let certificate = Certificate::read(&der).expect("a certificate");
        assert_eq!(certificate.subject(), "CN=localhost");
        assert_eq!(certificate.issuer(), "CN=Test CA,O=Test");
        assert!(!certificate.is_self_issued() && !certificate.is_version1());
        assert_eq!(certificate.not_before().as_secs(), 1_795_558_202);
        assert_eq!(certificate.not_after().as_secs(), 1_795_558_202 + 10 * 86_400);
        assert_eq!(certificate.key().len(), 65);
        assert_eq!(certificate.key_info().len(), 91);
    }

    #[test]
    fn a_damaged_certificate_never_panics() {
        let der = certificate();
        for length in 0..der.len() {
            assert!(Certificate::read(&der[..length]).is_none(), "{length}");
        }
        for place in 0..der.len() {
            for change in 1..=255 {
                let mut damaged = der.clone();
                damaged[place] ^= change;
                if let Some(certificate) = Certificate::read(&damaged) {
                    certificate.subject();
                    certificate.issuer();
                }
            }
        }
    }

    #[test]
    fn elements_never_reach_beyond_their_bytes() {
        assert_eq!(Reader(&[SEQUENCE, 2, 7]).take(SEQUENCE), None);
        assert_eq!(Reader(&[SEQUENCE, 0x82, 1]).take(SEQUENCE), None);
        assert_eq!(Reader(&[SEQUENCE, 0x84, 0, 0, 0, 0]).take(SEQUENCE), None);
        assert_eq!(Reader(&[SEQUENCE, 0x81, 1, 7]).take(SEQUENCE), Some(&[7][..]));
        assert_eq!(Reader(&[SEQUENCE]).take(SEQUENCE), None);
        assert!(Certificate::read(b"").is_none());
        assert!(Certificate::read(&[SEQUENCE, 0x83, 0xff, 0xff, 0xff]).is_none());
    }
}
