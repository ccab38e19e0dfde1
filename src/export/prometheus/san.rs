//! The names of a certificate: DER, as far as the extension that holds them (RFC 5280, 4.2.1.6).
//!
//! What verifies certificates answers whether one is good for a name, wildcards included. Here a name has to be
//! in a list exactly as it stands in the certificate, which may also be one that nobody has verified.

use std::net::{Ipv4Addr, Ipv6Addr};

// Tags.
const BOOLEAN: u8 = 0x01;
const OCTETS: u8 = 0x04;
const OID: u8 = 0x06;
const SEQUENCE: u8 = 0x30;
const EXTENSIONS: u8 = 0xa3;
const EMAIL: u8 = 0x81;
const DNS: u8 = 0x82;
const URI: u8 = 0x86;
const IP: u8 = 0x87;

/// 2.5.29.17.
const SUBJECT_ALT_NAME: [u8; 3] = [0x55, 0x1d, 0x11];

/// The DNS names, e-mail addresses, URIs and IP addresses that a certificate is for.
pub(super) fn names(certificate: &[u8]) -> Vec<String> {
    extension(certificate).map(|extension| items(extension).filter_map(name).collect()).unwrap_or_default()
}

fn name((tag, content): (u8, &[u8])) -> Option<String> {
    match tag {
        EMAIL | DNS | URI => std::str::from_utf8(content).ok().map(str::to_owned),
        IP => match content.len() {
            4 => <[u8; 4]>::try_from(content).ok().map(|bytes| Ipv4Addr::from(bytes).to_string()),
            16 => <[u8; 16]>::try_from(content).ok().map(|bytes| Ipv6Addr::from(bytes).to_string()),
            _ => None,
        },
        _ => None,
    }
}

/// The content of the extension's sequence of names.
fn extension(certificate: &[u8]) -> Option<&[u8]> {
    let to_be_signed = inside(inside(certificate, SEQUENCE)?, SEQUENCE)?;
    let (_, extensions) = items(to_be_signed).find(|(tag, _)| *tag == EXTENSIONS)?;
    for (_, extension) in items(inside(extensions, SEQUENCE)?) {
        let mut parts = items(extension).filter(|(tag, _)| *tag != BOOLEAN);
        if parts.next() == Some((OID, &SUBJECT_ALT_NAME)) {
            let (_, value) = parts.next().filter(|(tag, _)| *tag == OCTETS)?;
            return inside(value, SEQUENCE);
        }
    }
    None
}

/// The content of the first item, where it is of that kind.
fn inside(input: &[u8], tag: u8) -> Option<&[u8]> {
    items(input).next().filter(|(found, _)| *found == tag).map(|(_, content)| content)
}

/// The items of a sequence, up to the first that is none.
fn items(mut input: &[u8]) -> impl Iterator<Item = (u8, &[u8])> {
    std::iter::from_fn(move || {
        let (&tag, rest) = input.split_first()?;
        let (&short, rest) = rest.split_first()?;
        let (length, rest) = match short {
            0..=0x7f => (usize::from(short), rest),
            // Lengths of up to three bytes: a certificate in a handshake is no longer than 16 MiB.
            0x81..=0x83 => {
                let (bytes, rest) = rest.split_at_checked(usize::from(short & 0x7f))?;
                (bytes.iter().fold(0, |length, byte| length << 8 | usize::from(*byte)), rest)
            }
            _ => return None,
        };
        let (content, rest) = rest.split_at_checked(length)?;
        input = rest;
        Some((tag, content))
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rcgen::{CertificateParams, KeyPair, SanType};

    use super::*;

    fn certificate(names: Vec<SanType>) -> Vec<u8> {
        let mut params = CertificateParams::new(vec![]).unwrap();
        params.subject_alt_names = names;
        params.self_signed(&KeyPair::generate().unwrap()).unwrap().der().to_vec()
    }

    #[test]
    fn every_kind_of_name_is_found() {
        let certificate = certificate(vec![
            SanType::DnsName("*.example.com".try_into().unwrap()),
            SanType::IpAddress("192.0.2.1".parse().unwrap()),
            SanType::IpAddress("2001:db8::1".parse().unwrap()),
            SanType::Rfc822Name("ops@example.com".try_into().unwrap()),
            SanType::URI("spiffe://example.com/prometheus".try_into().unwrap()),
        ]);
        assert_eq!(
            names(&certificate),
            [
                "*.example.com",
                "192.0.2.1",
                "2001:db8::1",
                "ops@example.com",
                "spiffe://example.com/prometheus"
            ]
        );
    }

    #[test]
    fn a_certificate_without_names_has_none() {
        assert_eq!(names(&certificate(vec![])), [] as [&str; 0]);
        assert_eq!(names(b""), [] as [&str; 0]);
    }

    proptest! {
        #[test]
        fn no_bytes_panic(
            bytes in proptest::collection::vec(any::<u8>(), 0..64),
            at in 0..400_usize,
            byte in any::<u8>(),
        ) {
            names(&bytes);
            let mut certificate = certificate(vec![SanType::DnsName("a.example".try_into().unwrap())]);
            let at = at % certificate.len();
            certificate[at] = byte;
            names(&certificate);
            names(&certificate[..at]);
        }
    }
}
