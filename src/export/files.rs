//! Files with certificates, keys and tokens, which others renew: looked at again and again, and read anew when
//! they have changed.

use std::fs::{self, File};
use std::io::Read;
use std::path::Path;
use std::time::SystemTime;

use tokio_rustls::rustls::pki_types::CertificateDer;
use tokio_rustls::rustls::pki_types::pem::PemObject;

use crate::host::file_number;

/// No bundle of certificates is larger; a disk image is.
const MAX_FILE: u64 = 4 << 20;

/// What cannot be used, and why.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{what}: {why}")]
pub(super) struct Unusable {
    what: String,
    why: String,
}

pub(super) fn unusable(what: &dyn ToString, why: &dyn ToString) -> Unusable {
    Unusable { what: what.to_string(), why: why.to_string() }
}

/// What tells one state of a file from another; none where there is no file.
pub(super) type Stamp = Option<(u64, u64, Option<SystemTime>)>;

pub(super) fn stamp(path: &Path) -> Stamp {
    let of = fs::metadata(path).ok()?;
    Some((file_number(&of), of.len(), of.modified().ok()))
}

pub(super) fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, Unusable> {
    parse_certificates(&path.display(), &bytes(path)?)
}

/// The certificates of a text in PEM, at least one.
pub(super) fn parse_certificates(
    what: &dyn ToString,
    bytes: &[u8],
) -> Result<Vec<CertificateDer<'static>>, Unusable> {
    let all: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(bytes).collect();
    let all = all.map_err(|why| unusable(what, &why))?;
    if all.is_empty() { Err(unusable(what, &"no certificate in PEM")) } else { Ok(all) }
}

pub(super) fn bytes(path: &Path) -> Result<Vec<u8>, Unusable> {
    let wrong = |why: std::io::Error| unusable(&path.display(), &why);
    // Opening a pipe or a device could wait for ever.
    if !fs::metadata(path).map_err(wrong)?.is_file() {
        return Err(unusable(&path.display(), &"not a file"));
    }
    let mut bytes = Vec::new();
    let read =
        File::open(path).and_then(|file| file.take(MAX_FILE + 1).read_to_end(&mut bytes)).map_err(wrong)?;
    if read as u64 > MAX_FILE { Err(unusable(&path.display(), &"larger than 4 MiB")) } else { Ok(bytes) }
}
