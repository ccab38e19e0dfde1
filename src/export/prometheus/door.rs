//! Who comes in: what the web configuration file says, read again when it or a file that it names has changed.
//!
//! A file that cannot be used changes nothing, and is told once. One that would take protection away changes
//! nothing either: a file that is just being written is shorter than it will be, and nobody means to open the
//! door for that moment. That needs a restart.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use hyper::header::{HeaderMap, HeaderName, HeaderValue};
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_rustls::rustls::ServerConfig;

use super::password::{Passwords, Users, Verdict};
use super::tls;
use crate::config::{Rate, Web, read_web};
use crate::export::files::{Stamp, stamp};

/// Between two looks at the files.
const CHECK: Duration = Duration::from_secs(1);

/// How long a look may take before what is known already is used. The files may lie on a network that hangs.
const PATIENCE: Duration = Duration::from_millis(500);

/// Why the web configuration file, or a file that it names, cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct WebError(String);

/// The way in.
pub struct Door {
    /// None: it is open.
    file: Option<PathBuf>,
    rules: Mutex<Arc<Rules>>,
    look: Mutex<Look>,
    /// There where there is a file.
    passwords: Option<Passwords>,
    bucket: Mutex<Bucket>,
}

/// What holds for handshakes and requests.
#[derive(Default)]
pub(super) struct Rules {
    pub(super) tls: Option<Arc<ServerConfig>>,
    /// Whether clients have to show a certificate that is good.
    verifies_clients: bool,
    users: Users,
    rate: Option<Rate>,
    headers: Vec<(HeaderName, HeaderValue)>,
}

/// What is known of the files.
struct Look {
    at: Instant,
    under_way: bool,
    stamps: Vec<(PathBuf, Stamp)>,
    /// What was told last of files that cannot be used.
    told: Option<WebError>,
}

/// What there is of requests that may be answered.
struct Bucket {
    filled: Instant,
    requests: f64,
}

/// Why a request is not answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Refusal {
    /// A password is missing or wrong.
    Unauthorized,
    /// There are too many of them.
    TooMany,
}

impl Door {
    /// Without a file: everybody comes in.
    pub fn open() -> Self {
        Self::with(None, Rules::default(), Vec::new(), None)
    }

    /// As the file says, which has to be good. What has no effect in it is told.
    pub fn guarded(file: &Path) -> Result<Self, WebError> {
        let passwords =
            Passwords::new().map_err(|_| WebError("the system gives no random numbers".to_owned()))?;
        let (stamps, rules) = load(file);
        Ok(Self::with(Some(file.to_owned()), rules?, stamps, Some(passwords)))
    }

    fn with(
        file: Option<PathBuf>,
        rules: Rules,
        stamps: Vec<(PathBuf, Stamp)>,
        passwords: Option<Passwords>,
    ) -> Self {
        let at = Instant::now();
        Self {
            file,
            rules: Mutex::new(Arc::new(rules)),
            look: Mutex::new(Look { at, under_way: false, stamps, told: None }),
            passwords,
            bucket: Mutex::new(Bucket { filled: at, requests: f64::INFINITY }),
        }
    }

    /// Whether connections are encrypted.
    pub fn is_encrypted(&self) -> bool {
        lock(&self.rules).tls.is_some()
    }

    /// What a door to the network lacks, as the end of a sentence.
    pub(super) fn lacks(&self) -> Option<&'static str> {
        let rules = lock(&self.rules);
        match (rules.tls.is_some(), !rules.users.is_empty() || rules.verifies_clients) {
            (false, false) => Some("without encryption and without a password"),
            (false, true) => Some("without encryption, the passwords too"),
            (true, false) => Some("without a password"),
            (true, true) => None,
        }
    }

    /// What holds now.
    pub(super) async fn rules(self: &Arc<Self>) -> Arc<Rules> {
        if let Some(look) = self.due() {
            // Of what hangs, the old holds; it is looked at by one, and nobody else waits.
            let _ = timeout(PATIENCE, look).await;
        }
        Arc::clone(&lock(&self.rules))
    }

    /// A look at the files, where it is time for one.
    fn due(self: &Arc<Self>) -> Option<JoinHandle<()>> {
        let file = self.file.clone()?;
        let mut look = lock(&self.look);
        if look.under_way || look.at.elapsed() < CHECK {
            return None;
        }
        look.under_way = true;
        let (door, known) = (Arc::clone(self), look.stamps.clone());
        Some(tokio::task::spawn_blocking(move || {
            let changed = known.iter().any(|(path, before)| stamp(path) != *before);
            let loaded = changed.then(|| load(&file));
            door.looked(&file, loaded);
        }))
    }

    fn looked(&self, file: &Path, loaded: Option<Loaded>) {
        let mut look = lock(&self.look);
        (look.at, look.under_way) = (Instant::now(), false);
        let Some((stamps, loaded)) = loaded else { return };
        look.stamps = stamps;
        let mut rules = lock(&self.rules);
        match loaded.and_then(|new| new.unless_weaker_than(&rules, file)) {
            Ok(new) => {
                *rules = Arc::new(new);
                look.told = None;
                tracing::info!(file = %file.display(), "the web configuration was read again");
            }
            Err(problem) => {
                if look.told.as_ref() != Some(&problem) {
                    tracing::warn!("{problem}; what was read before holds");
                }
                look.told = Some(problem);
            }
        }
    }

    /// Whether a request is answered.
    pub(super) async fn admit(&self, rules: &Rules, headers: &HeaderMap) -> Result<(), Refusal> {
        if rules.rate.is_some_and(|rate| !lock(&self.bucket).take(rate, Instant::now())) {
            return Err(Refusal::TooMany);
        }
        let Some(passwords) = self.passwords.as_ref().filter(|_| !rules.users.is_empty()) else {
            return Ok(());
        };
        match passwords.check(&rules.users, headers).await {
            Verdict::Right => Ok(()),
            Verdict::Wrong => Err(Refusal::Unauthorized),
            Verdict::Busy => Err(Refusal::TooMany),
        }
    }
}

impl Rules {
    fn of(web: &Web) -> Result<Self, WebError> {
        let tls = web.tls.as_ref().map(tls::server_config).transpose();
        let header = |(name, value): (&String, &String)| {
            Some((HeaderName::try_from(name).ok()?, HeaderValue::try_from(value).ok()?))
        };
        Ok(Self {
            tls: tls.map_err(|why| WebError(why.to_string()))?.map(Arc::new),
            verifies_clients: web
                .tls
                .as_ref()
                .is_some_and(|tls| tls.client_auth == crate::config::ClientAuth::RequireAndVerifyClientCert),
            users: Users::new(&web.users),
            rate: web.rate,
            // An empty one says nothing, as with the toolkit.
            headers: web.headers.iter().filter(|(_, value)| !value.is_empty()).filter_map(header).collect(),
        })
    }

    fn unless_weaker_than(self, old: &Self, file: &Path) -> Result<Self, WebError> {
        let lost = |what: &str| {
            Err(WebError(format!("{}: {what}, which needs a restart of hostmeter", file.display())))
        };
        match (old, &self) {
            (Self { tls: Some(_), .. }, Self { tls: None, .. }) => lost("no more TLS"),
            _ if !old.users.is_empty() && self.users.is_empty() => lost("no more passwords"),
            _ if old.verifies_clients && !self.verifies_clients => lost("no more certificates of clients"),
            _ => Ok(self),
        }
    }

    /// Whether who comes in has shown who he is.
    pub(super) fn knows_its_clients(&self) -> bool {
        self.verifies_clients || !self.users.is_empty()
    }

    /// The headers that every answer has, over our own.
    pub(super) fn headers(&self) -> impl Iterator<Item = (&HeaderName, &HeaderValue)> {
        self.headers.iter().map(|(name, value)| (name, value))
    }
}

impl Bucket {
    fn take(&mut self, rate: Rate, now: Instant) -> bool {
        let since = now.saturating_duration_since(self.filled);
        let filled = self.requests + since.as_secs_f64() / rate.interval.as_secs_f64();
        (self.filled, self.requests) = (now, filled.min(f64::from(rate.burst)));
        let is_one = self.requests >= 1.0;
        self.requests -= if is_one { 1.0 } else { 0.0 };
        is_one
    }
}

type Loaded = (Vec<(PathBuf, Stamp)>, Result<Rules, WebError>);

/// Reads the file and those that it names. Each is looked at before it is read, so what changes meanwhile is read
/// again the next time.
fn load(file: &Path) -> Loaded {
    let mut stamps = vec![(file.to_owned(), stamp(file))];
    let web = match read_web(file) {
        Ok(web) => web,
        Err(problems) => return (stamps, Err(WebError(problems.to_string()))),
    };
    stamps.extend(web.files().map(|path| (path.to_owned(), stamp(path))));
    let rules = Rules::of(&web);
    if rules.is_ok() {
        for note in &web.notes {
            tracing::warn!("{note}");
        }
    }
    (stamps, rules)
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    const HASH: &str = "$2y$10$mDwo.lAisC94iLAyP81MCesa29IzH37oigHC/42V2pdJlUprsJPze";

    #[test]
    fn a_bucket_gives_what_is_in_it_and_fills_again() {
        let begin = Instant::now();
        let rate = Rate { interval: Duration::from_secs(2), burst: 3 };
        let mut bucket = Bucket { filled: begin, requests: f64::INFINITY };
        let mut taken = |seconds| bucket.take(rate, begin + Duration::from_secs(seconds));
        assert_eq!(
            [0, 0, 0, 0, 1, 2, 2, 60, 60, 60, 60].map(&mut taken),
            [true, true, true, false, false, true, false, true, true, true, false]
        );
    }

    #[test]
    fn what_lies_open_to_the_network_is_told() {
        assert_eq!(Door::open().lacks(), Some("without encryption and without a password"));
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("web.yaml");
        std::fs::write(&file, format!("basic_auth_users: {{alice: {HASH}}}")).unwrap();
        let door = Door::guarded(&file).unwrap();
        assert_eq!(door.lacks(), Some("without encryption, the passwords too"));
        assert!(!door.is_encrypted());
    }

    #[test]
    fn a_file_that_takes_protection_away_changes_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("web.yaml");
        let written = |text: &str| {
            std::fs::write(&file, text).unwrap();
            let (_, rules) = load(&file);
            rules
        };
        let old = written(&format!("basic_auth_users: {{alice: {HASH}}}")).unwrap();
        let told = written("").unwrap().unless_weaker_than(&old, Path::new("web.yaml")).map(|_| ());
        assert_eq!(
            told,
            Err(WebError("web.yaml: no more passwords, which needs a restart of hostmeter".into()))
        );
        let other = written(&format!("basic_auth_users: {{bob: {HASH}}}")).unwrap();
        assert!(other.unless_weaker_than(&old, &file).is_ok());
    }
}
