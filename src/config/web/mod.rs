//! The file that protects the endpoint: certificates, passwords, response headers.
//!
//! Its format is that of Prometheus' exporter toolkit, so that a file which protects other exporters protects
//! this one. It is checked as the configuration is, against tables and every problem at once. What is known
//! there and has no effect here is told as a note and not refused.

mod check;
mod tables;
pub(super) mod users;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use ::config::Value;
use serde::Deserialize;

use super::layer::Layer;
use super::leaf::Checked;
use super::problem::{Problem, Problems};
use super::typed::Secret;
use super::{check as tree, file, yaml};

/// What the file says.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Web {
    /// Encryption; none: there is none.
    pub tls: Option<ServerTls>,
    /// Headers of every answer, over our own: names that are allowed, values of printable ASCII.
    pub headers: BTreeMap<String, String>,
    /// Users and the bcrypt hashes of their passwords; empty: no password is asked for.
    pub users: BTreeMap<String, Secret>,
    /// How often requests are answered; none: as often as there are some.
    pub rate: Option<Rate>,
    /// What is known and has no effect here.
    pub notes: Vec<Problem>,
}

/// The section `tls_server_config`.
#[derive(Debug, Clone, PartialEq)]
pub struct ServerTls {
    /// Our certificate, and what is between it and the authority.
    pub cert: Pem,
    /// Its key.
    pub key: Pem,
    /// What is asked of clients.
    pub client_auth: ClientAuth,
    /// The authorities of the clients' certificates; there where they are verified.
    pub client_ca: Option<Pem>,
    /// The names of which a client's certificate has to have one; none: any will do.
    pub client_allowed_sans: Option<Vec<String>>,
    /// The least version.
    pub min: TlsVersion,
    /// The highest version.
    pub max: TlsVersion,
    /// The suites of TLS 1.2, by the names of the standard; none: all there are.
    pub cipher_suites: Option<Vec<String>>,
    /// Whether our order of suites goes before the client's.
    pub prefer_server_cipher_suites: bool,
    /// The curves by the names of the toolkit, the best first; none: all there are.
    pub curves: Option<Vec<String>>,
}

/// Certificates or a key.
#[derive(Debug, Clone, PartialEq)]
pub enum Pem {
    /// In a file.
    File(PathBuf),
    /// Here.
    Inline(Secret),
}

/// What is asked of clients.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub enum ClientAuth {
    /// Nothing.
    #[default]
    NoClientCert,
    /// A certificate, if they have one, whatever it says.
    RequestClientCert,
    /// A certificate, whatever it says.
    #[serde(alias = "RequireClientCert")]
    RequireAnyClientCert,
    /// A certificate that is good, if they have one.
    VerifyClientCertIfGiven,
    /// A certificate that is good.
    RequireAndVerifyClientCert,
}

impl ClientAuth {
    /// Whether a certificate has to be there.
    pub fn is_required(self) -> bool {
        matches!(self, Self::RequireAnyClientCert | Self::RequireAndVerifyClientCert)
    }

    /// Whether a certificate that is there has to be good.
    pub fn is_verified(self) -> bool {
        matches!(self, Self::VerifyClientCertIfGiven | Self::RequireAndVerifyClientCert)
    }
}

/// A version of TLS. Those before it are not spoken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum TlsVersion {
    /// 1.2.
    Tls12,
    /// 1.3.
    Tls13,
}

/// The section `rate_limit`: a bucket of `burst` requests, one of which comes back after each `interval`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    /// Never zero.
    pub interval: Duration,
    /// At least one.
    pub burst: u32,
}

impl Web {
    /// The files that it names.
    pub fn files(&self) -> impl Iterator<Item = &Path> {
        let tls = self.tls.iter().flat_map(|tls| [Some(&tls.cert), Some(&tls.key), tls.client_ca.as_ref()]);
        tls.flatten().filter_map(|pem| match pem {
            Pem::File(path) => Some(path.as_path()),
            Pem::Inline(_) => None,
        })
    }
}

/// Reads the file, not those that it names.
pub fn read_web(path: &Path) -> Result<Web, Problems> {
    let text = file::named(path)?;
    parse(&path.display().to_string(), path.parent().unwrap_or(Path::new("")), &text)
}

/// The file's text; relative names are relative to `directory`.
fn parse(name: &str, directory: &Path, text: &str) -> Result<Web, Problems> {
    let origin = |line| format!("{name}:{line}");
    let checked = match yaml::parse(text) {
        Ok(root) => tree::tree(&root, &tables::known(), &origin),
        Err(fault) => {
            let mut checked = Checked::default();
            checked.problem(&format!("{name}:{}", fault.place), &[], fault.message);
            checked
        }
    };
    let Checked { layer, mut problems } = checked;
    let said = Layer::merge(vec![layer])?;
    let checked = check::check(&said);
    problems.extend(checked.problems);
    Problems::of(problems)?;
    build(said, directory, checked.notes)
}

/// The sections as they stand in the file.
#[derive(Deserialize, Default)]
#[serde(default, deny_unknown_fields)]
struct Said {
    tls_server_config: SaidTls,
    http_server_config: SaidHttp,
    basic_auth_users: BTreeMap<String, Secret>,
    rate_limit: SaidRate,
}

#[derive(Deserialize, Default)]
#[serde(default, deny_unknown_fields)]
struct SaidTls {
    cert: Option<Secret>,
    cert_file: Option<PathBuf>,
    key: Option<Secret>,
    key_file: Option<PathBuf>,
    client_ca: Option<Secret>,
    client_ca_file: Option<PathBuf>,
    client_auth_type: ClientAuth,
    client_allowed_sans: Option<Vec<String>>,
    min_version: Option<String>,
    max_version: Option<String>,
    cipher_suites: Option<Vec<String>>,
    prefer_server_cipher_suites: Option<bool>,
    curve_preferences: Option<Vec<String>>,
}

#[derive(Deserialize, Default)]
#[serde(default, deny_unknown_fields)]
struct SaidHttp {
    /// Told as a note, and of no effect.
    #[serde(rename = "http2")]
    _http2: Option<bool>,
    headers: BTreeMap<String, String>,
}

#[derive(Deserialize, Default)]
#[serde(default, deny_unknown_fields)]
struct SaidRate {
    interval: Duration,
    burst: u32,
}

/// Everything has been checked.
fn build(said: Value, directory: &Path, notes: Vec<Problem>) -> Result<Web, Problems> {
    let said: Said = said.try_deserialize()?;
    let tls = said.tls_server_config;
    let pem = |inline: Option<Secret>, file: Option<PathBuf>| {
        inline.map(Pem::Inline).or_else(|| file.map(|file| Pem::File(directory.join(file))))
    };
    let version = |said: Option<String>, default| match said.as_deref() {
        Some("TLS13") => TlsVersion::Tls13,
        Some(_) => TlsVersion::Tls12,
        None => default,
    };
    let listed = |list: Option<Vec<String>>| list.filter(|list| !list.is_empty());
    let (cert, key) = (pem(tls.cert, tls.cert_file), pem(tls.key, tls.key_file));
    let tls = cert.zip(key).map(|(cert, key)| ServerTls {
        cert,
        key,
        client_auth: tls.client_auth_type,
        client_ca: pem(tls.client_ca, tls.client_ca_file),
        client_allowed_sans: tls.client_allowed_sans,
        min: version(tls.min_version, TlsVersion::Tls12),
        max: version(tls.max_version, TlsVersion::Tls13),
        cipher_suites: listed(tls.cipher_suites),
        prefer_server_cipher_suites: tls.prefer_server_cipher_suites.unwrap_or(true),
        curves: listed(tls.curve_preferences),
    });
    let SaidRate { interval, burst } = said.rate_limit;
    Ok(Web {
        tls,
        headers: said.http_server_config.headers,
        users: said.basic_auth_users,
        rate: (!interval.is_zero()).then_some(Rate { interval, burst: burst.max(1) }),
        notes,
    })
}

#[cfg(test)]
mod tests;
