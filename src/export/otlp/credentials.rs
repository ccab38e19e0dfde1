//! What protects a connection and says who we are: certificates, keys, tokens. They are read from files that
//! others renew, so the files are looked at again and again, and what has changed is read anew.
//!
//! A file that cannot be used changes nothing: certificate and key are two files and never renewed in one moment,
//! and the old pair is good until the new one is whole. Nothing here is ever printed; a header with a secret is
//! marked so that whatever prints headers does not print it.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use http::{HeaderMap, HeaderName, HeaderValue, Uri, header};
use tokio::task::JoinHandle;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{PrivateKeyDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

use super::call::Protocol;
use super::connection::{BoxError, Target, Tls};
use crate::export::files::{Stamp, Unusable, bytes, certificates, stamp, unusable};

/// How long files may take before what is known already is used. They may lie on a network that hangs.
const PATIENCE: Duration = Duration::from_secs(2);

/// The system's roots are many files in many places, so they are not looked at but read anew.
const ROOTS: Duration = Duration::from_mins(10);

/// What protects the way to the peer, and where credentials are read from.
#[derive(Debug, Clone)]
pub struct Security {
    /// The authorities to trust, in PEM, instead of the system's.
    pub ca_file: Option<PathBuf>,
    /// Our own certificate and what is between it and the authority, in PEM.
    pub cert_file: Option<PathBuf>,
    /// The key of our own certificate, in PEM.
    pub key_file: Option<PathBuf>,
    /// The name that the peer's certificate has to have; none: the endpoint's.
    pub server_name: Option<String>,
    /// A token, sent as `authorization: Bearer`.
    pub bearer_token_file: Option<PathBuf>,
    /// Headers, `name: value` on each line.
    pub headers_file: Option<PathBuf>,
    /// Between two looks at the files.
    pub check: Duration,
}

impl Default for Security {
    fn default() -> Self {
        Self {
            ca_file: None,
            cert_file: None,
            key_file: None,
            server_name: None,
            bearer_token_file: None,
            headers_file: None,
            check: Duration::from_secs(30),
        }
    }
}

/// What a look at the files has brought.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum News {
    /// Other credentials than before.
    Renewed,
    /// Files have changed and cannot be used.
    Kept(Unusable),
}

/// What is in use.
struct Loaded {
    headers: HeaderMap,
    tls: Option<Tls>,
    at: Instant,
}

type Look = Option<(Vec<Stamp>, Result<Loaded, Unusable>)>;

/// The credentials of one road.
pub(super) struct Credentials {
    plan: Arc<Plan>,
    in_use: Result<Loaded, Unusable>,
    stamps: Option<Vec<Stamp>>,
    looked: Option<Instant>,
    looking: Option<JoinHandle<Look>>,
    /// What was told last of files that cannot be used.
    told: Option<Unusable>,
}

impl Credentials {
    /// Nothing is read before the first look.
    pub(super) fn new(security: Security, target: &Target, headers: HeaderMap) -> Self {
        let plan = Plan { security, endpoint: target.endpoint.clone(), protocol: target.protocol, headers };
        let in_use = Err(unusable(&"the credentials", &"their files do not answer"));
        let in_use = if plan.reads_nothing() { plan.load() } else { in_use };
        Self { plan: Arc::new(plan), in_use, stamps: None, looked: None, looking: None, told: None }
    }

    /// Looks at the files when it is time, and at once when `eager`.
    pub(super) async fn refresh(&mut self, eager: bool) -> Option<News> {
        let due = self.looked.is_none_or(|at| at.elapsed() >= self.plan.security.check);
        if self.plan.reads_nothing() || self.looking.is_none() && !due && !eager {
            return None;
        }
        let (plan, known) = (Arc::clone(&self.plan), self.known());
        let looking = self
            .looking
            .get_or_insert_with(|| tokio::task::spawn_blocking(move || plan.look(known.as_deref())));
        // What hangs is asked again later, and not twice at once.
        let looked = tokio::time::timeout(PATIENCE, looking).await.ok()?;
        self.looking = None;
        self.looked = Some(Instant::now());
        match looked.ok()?? {
            (stamps, Ok(loaded)) => {
                let renewed = self.in_use.is_ok() && self.stamps.as_ref() != Some(&stamps);
                (self.in_use, self.stamps, self.told) = (Ok(loaded), Some(stamps), None);
                renewed.then_some(News::Renewed)
            }
            (_, Err(problem)) if self.in_use.is_err() => {
                self.in_use = Err(problem);
                None
            }
            (_, Err(problem)) if self.told.as_ref() == Some(&problem) => None,
            (_, Err(problem)) => {
                self.told = Some(problem.clone());
                Some(News::Kept(problem))
            }
        }
    }

    /// The state of the files that need not be read again.
    fn known(&self) -> Option<Vec<Stamp>> {
        let loaded = self.in_use.as_ref().ok()?;
        let of_system = self.plan.is_tls() && self.plan.security.ca_file.is_none();
        let stale = of_system && loaded.at.elapsed() >= ROOTS;
        self.stamps.clone().filter(|_| !stale)
    }

    /// The headers of every call.
    pub(super) fn headers(&self) -> Result<&HeaderMap, BoxError> {
        Ok(&self.in_use.as_ref().map_err(Clone::clone)?.headers)
    }

    /// TLS, where the endpoint wants it.
    pub(super) fn tls(&self) -> Result<Option<Tls>, BoxError> {
        Ok(self.in_use.as_ref().map_err(Clone::clone)?.tls.clone())
    }
}

/// What credentials are made of.
struct Plan {
    security: Security,
    endpoint: Uri,
    protocol: Protocol,
    /// Those that no file holds.
    headers: HeaderMap,
}

impl Plan {
    fn is_tls(&self) -> bool {
        self.endpoint.scheme_str() == Some("https")
    }

    fn files(&self) -> impl Iterator<Item = &Path> {
        let Security { ca_file, cert_file, key_file, bearer_token_file, headers_file, .. } = &self.security;
        let tls = [ca_file, cert_file, key_file].into_iter().filter(|_| self.is_tls());
        tls.chain([bearer_token_file, headers_file]).flatten().map(PathBuf::as_path)
    }

    fn reads_nothing(&self) -> bool {
        !self.is_tls() && self.files().next().is_none()
    }

    /// Reads everything, unless the files are as they are known. They are looked at before they are read, so what
    /// changes meanwhile is read again the next time.
    fn look(&self, known: Option<&[Stamp]>) -> Look {
        let stamps: Vec<Stamp> = self.files().map(stamp).collect();
        (known != Some(&stamps)).then(|| (stamps, self.load()))
    }

    fn load(&self) -> Result<Loaded, Unusable> {
        let tls = if self.is_tls() { Some(self.tls()?) } else { None };
        Ok(Loaded { headers: self.headers()?, tls, at: Instant::now() })
    }

    fn headers(&self) -> Result<HeaderMap, Unusable> {
        let mut headers = self.headers.clone();
        if let Some(path) = &self.security.headers_file {
            for (name, value) in parse_headers(&text(path)?).map_err(|why| unusable(&path.display(), &why))? {
                headers.insert(name, value);
            }
        }
        if let Some(path) = &self.security.bearer_token_file {
            let text = text(path)?;
            let token = text.trim();
            let value = HeaderValue::try_from(format!("Bearer {token}")).ok().filter(|_| !token.is_empty());
            let value = value.ok_or_else(|| unusable(&path.display(), &"no token on one line"))?;
            headers.insert(header::AUTHORIZATION, value);
        }
        headers.values_mut().for_each(|value| value.set_sensitive(true));
        Ok(headers)
    }

    fn tls(&self) -> Result<Tls, Unusable> {
        let Security { ca_file, cert_file, key_file, server_name, .. } = &self.security;
        let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(|error| unusable(&"TLS", &error))?
            .with_root_certificates(roots(ca_file.as_deref())?);
        let mut config = match (cert_file, key_file) {
            (Some(cert_file), Some(key_file)) => {
                let certificates = certificates(cert_file)?;
                let wrong = |why: &dyn ToString| unusable(&key_file.display(), why);
                let key = PrivateKeyDer::from_pem_slice(&bytes(key_file)?).map_err(|why| wrong(&why))?;
                builder.with_client_auth_cert(certificates, key).map_err(|why| wrong(&why))?
            }
            _ => builder.with_no_client_auth(),
        };
        config.alpn_protocols = match self.protocol {
            Protocol::Grpc => vec![b"h2".to_vec()],
            Protocol::HttpProtobuf => vec![b"h2".to_vec(), b"http/1.1".to_vec()],
        };
        let host = self.endpoint.host().unwrap_or_default().trim_matches(['[', ']']);
        let name = server_name.as_deref().unwrap_or(host).to_owned();
        let name = ServerName::try_from(name.clone()).map_err(|why| unusable(&name, &why))?;
        Ok(Tls { config: Arc::new(config), name })
    }
}

fn roots(ca_file: Option<&Path>) -> Result<RootCertStore, Unusable> {
    let mut roots = RootCertStore::empty();
    if let Some(path) = ca_file {
        for certificate in certificates(path)? {
            roots.add(certificate).map_err(|why| unusable(&path.display(), &why))?;
        }
    } else {
        // One odd file among the system's hundreds must not keep us from using the others.
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        if roots.is_empty() {
            let why =
                "it has none that can be used; install ca-certificates, or name a file in otlp.tls.ca_file";
            return Err(unusable(&"the system's certificate authorities", &why));
        }
    }
    Ok(roots)
}

/// Says the line that is wrong and not what it holds.
fn parse_headers(text: &str) -> Result<Vec<(HeaderName, HeaderValue)>, String> {
    let parse = |line: &str| {
        let (name, value) = line.split_once(':')?;
        Some((HeaderName::try_from(name.trim()).ok()?, HeaderValue::try_from(value.trim()).ok()?))
    };
    let lines = text.lines().map(str::trim).enumerate();
    lines
        .filter(|(_, line)| !line.is_empty() && !line.starts_with('#'))
        .map(|(at, line)| parse(line).ok_or_else(|| format!("line {} is not \"name: value\"", at + 1)))
        .collect()
}

fn text(path: &Path) -> Result<String, Unusable> {
    String::from_utf8(bytes(path)?).map_err(|_| unusable(&path.display(), &"not UTF-8"))
}

#[cfg(test)]
mod tests;
