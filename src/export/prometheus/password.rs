//! Passwords: HTTP's basic authentication against hashes of bcrypt.
//!
//! A hash costs a tenth of a second, so one is computed at a time, on a thread of its own, a few wait for it,
//! and whoever comes beyond is sent away: neither a flood nor a search for passwords keeps a scrape waiting.
//! A name that nobody has costs as much as a wrong password, so that the time does not tell which it was.
//! What was right is remembered, not as it is but as a digest under a key of this process alone.

use std::collections::{BTreeMap, HashSet};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hyper::header::{self, HeaderMap};
use ring::digest::SHA256_OUTPUT_LEN;
use ring::hmac;
use ring::rand::SystemRandom;
use tokio::sync::Semaphore;

use crate::config::Secret;

/// How many wait for the one whose password is looked at.
const MAX_WAITING: usize = 8;

/// How many right ones are remembered: bcrypt ends at 72 bytes, so of one password there are many.
const MAX_KNOWN: usize = 64;

/// What a hash has after its cost: this salt and this digest are nobody's.
const NOBODYS: &str = "mDwo.lAisC94iLAyP81MCesa29IzH37oigHC/42V2pdJlUprsJPze";

/// The cost where there is nobody to take it from.
const DEFAULT_COST: &str = "10";

/// Who may come in.
#[derive(Debug, Default)]
pub(super) struct Users {
    hashes: BTreeMap<String, String>,
    /// A hash that costs as much as the dearest.
    nobodys: String,
}

impl Users {
    pub(super) fn new(users: &BTreeMap<String, Secret>) -> Self {
        let hashes: BTreeMap<_, _> =
            users.iter().map(|(name, hash)| (name.clone(), hash.expose().to_owned())).collect();
        let cost = hashes.values().filter_map(|hash| hash.get(4..6)).max().unwrap_or(DEFAULT_COST);
        Self { nobodys: format!("$2b${cost}${NOBODYS}"), hashes }
    }

    /// Whether anybody may.
    pub(super) fn is_empty(&self) -> bool {
        self.hashes.is_empty()
    }
}

type Digest = [u8; SHA256_OUTPUT_LEN];

/// Who has shown a right password, and who waits to have one looked at.
pub(super) struct Passwords {
    key: hmac::Key,
    known: Mutex<HashSet<Digest>>,
    turn: Arc<Semaphore>,
    waiting: AtomicUsize,
}

/// What is thought of a request's credentials.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    Right,
    /// Or none at all.
    Wrong,
    /// Too many wait already.
    Busy,
}

impl Passwords {
    pub(super) fn new() -> Result<Self, ring::error::Unspecified> {
        Ok(Self {
            key: hmac::Key::generate(hmac::HMAC_SHA256, &SystemRandom::new())?,
            known: Mutex::default(),
            turn: Arc::new(Semaphore::new(1)),
            waiting: AtomicUsize::new(0),
        })
    }

    /// Looks at the credentials of a request.
    pub(super) async fn check(&self, users: &Users, headers: &HeaderMap) -> Verdict {
        let Some((name, password)) = credentials(headers) else { return Verdict::Wrong };
        let hash = std::str::from_utf8(&name).ok().and_then(|name| users.hashes.get(name));
        let (exists, hash) = (hash.is_some(), hash.unwrap_or(&users.nobodys).clone());
        let digest = self.digest([&name, hash.as_bytes(), &password]);
        if exists && self.knows(&digest) {
            return Verdict::Right;
        }
        let Some(_place) = Place::take(&self.waiting) else { return Verdict::Busy };
        let Ok(turn) = Arc::clone(&self.turn).acquire_owned().await else { return Verdict::Busy };
        // The one before may have been the same.
        if exists && self.knows(&digest) {
            return Verdict::Right;
        }
        let verified = tokio::task::spawn_blocking(move || {
            // Held until the work is done, even where the client has gone.
            let _turn = turn;
            bcrypt::verify(password, &hash).unwrap_or(false)
        });
        if verified.await.unwrap_or(false) && exists {
            self.remember(digest);
            return Verdict::Right;
        }
        Verdict::Wrong
    }

    /// Each part after its length, so that no two triples are the same text.
    fn digest(&self, parts: [&[u8]; 3]) -> Digest {
        let mut context = hmac::Context::with_key(&self.key);
        for part in parts {
            context.update(&(part.len() as u64).to_be_bytes());
            context.update(part);
        }
        let mut digest = Digest::default();
        digest.copy_from_slice(context.sign().as_ref());
        digest
    }

    fn knows(&self, digest: &Digest) -> bool {
        self.known.lock().unwrap_or_else(PoisonError::into_inner).contains(digest)
    }

    fn remember(&self, digest: Digest) {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= MAX_KNOWN {
            known.clear();
        }
        known.insert(digest);
    }
}

/// One of the few who may wait.
struct Place<'a>(&'a AtomicUsize);

impl<'a> Place<'a> {
    fn take(waiting: &'a AtomicUsize) -> Option<Self> {
        let more = |count| (count < MAX_WAITING).then_some(count + 1);
        waiting.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more).ok().map(|_| Self(waiting))
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// The name and the password that a request has (RFC 7617).
fn credentials(headers: &HeaderMap) -> Option<(Vec<u8>, Vec<u8>)> {
    let (scheme, encoded) = headers.get(header::AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    let mut name = STANDARD.decode(encoded.trim()).ok().filter(|_| scheme.eq_ignore_ascii_case("basic"))?;
    let colon = name.iter().position(|byte| *byte == b':')?;
    let password = name.split_off(colon + 1);
    name.pop();
    Some((name, password))
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;
    use std::task::Poll;

    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn users(names: &[(&str, &str)]) -> Users {
        let hash = |password: &str| bcrypt::hash_with_salt(password, 4, [7; 16]).unwrap().to_string();
        let said: serde_json::Map<_, _> =
            names.iter().map(|(name, password)| ((*name).to_owned(), json!(hash(password)))).collect();
        Users::new(&serde_json::from_value(said.into()).unwrap())
    }

    fn saying(name: &[u8], password: &[u8]) -> HeaderMap {
        let encoded = STANDARD.encode([name, b":", password].concat());
        HeaderMap::from_iter([(header::AUTHORIZATION, format!("Basic {encoded}").parse().unwrap())])
    }

    #[tokio::test]
    async fn the_right_password_of_the_right_user_is_right_and_no_other() {
        let (passwords, users) = (Passwords::new().unwrap(), users(&[("alice", "a:b"), ("bob", "c")]));
        for _ in 0..2 {
            assert_eq!(passwords.check(&users, &saying(b"alice", b"a:b")).await, Verdict::Right);
            assert_eq!(passwords.check(&users, &saying(b"bob", b"c")).await, Verdict::Right);
            for (name, password) in [("alice", "c"), ("bob", "a:b"), ("alice", ""), ("", ""), ("carol", "c")]
            {
                let found = passwords.check(&users, &saying(name.as_bytes(), password.as_bytes())).await;
                assert_eq!(found, Verdict::Wrong, "{name} {password}");
            }
        }
        assert_eq!(passwords.check(&users, &HeaderMap::new()).await, Verdict::Wrong);
        assert_eq!(passwords.known.lock().unwrap().len(), 2);
    }

    #[tokio::test]
    async fn what_was_right_is_wrong_when_the_hash_is_another() {
        let passwords = Passwords::new().unwrap();
        let asked = saying(b"alice", b"a");
        assert_eq!(passwords.check(&users(&[("alice", "a")]), &asked).await, Verdict::Right);
        assert_eq!(passwords.check(&users(&[("alice", "b")]), &asked).await, Verdict::Wrong);
        assert_eq!(passwords.check(&users(&[("bob", "a")]), &asked).await, Verdict::Wrong);
    }

    #[tokio::test]
    async fn a_few_wait_and_the_others_are_sent_away() {
        let (passwords, users) = (Passwords::new().unwrap(), users(&[("alice", "a")]));
        let held = Arc::clone(&passwords.turn).acquire_owned().await.unwrap();
        let wrong = saying(b"alice", b"b");
        let mut waiting: Vec<_> =
            (0..MAX_WAITING).map(|_| Box::pin(passwords.check(&users, &wrong))).collect();
        for one in &mut waiting {
            let polled = poll_fn(|cx| Poll::Ready(one.as_mut().poll(cx).is_pending())).await;
            assert!(polled);
        }
        assert_eq!(passwords.check(&users, &wrong).await, Verdict::Busy);
        // The first in the queue has the turn when it is there; then it is gone, and so are the others.
        drop(held);
        drop(waiting);
        assert_eq!(passwords.check(&users, &saying(b"alice", b"a")).await, Verdict::Right);
    }

    #[test]
    fn a_name_that_nobody_has_costs_as_much_as_the_dearest() {
        let users = Users::new(
            &serde_json::from_value(json!({
                "alice": format!("$2y$05${NOBODYS}"),
                "bob": format!("$2y$12${NOBODYS}"),
            }))
            .unwrap(),
        );
        assert_eq!(users.nobodys, format!("$2b$12${NOBODYS}"));
        assert!(matches!(bcrypt::verify("anything", &format!("$2b$04${NOBODYS}")), Ok(false)));
    }

    #[test]
    fn parts_of_two_triples_never_run_together() {
        // What CVE-2022-46146 was about.
        let passwords = Passwords::new().unwrap();
        let digest = |parts: [&str; 3]| passwords.digest(parts.map(str::as_bytes));
        assert_ne!(digest(["a", "bc", "d"]), digest(["ab", "c", "d"]));
        assert_ne!(digest(["a", "b", "cd"]), digest(["a", "bc", "d"]));
        assert_eq!(digest(["a", "b", "c"]), digest(["a", "b", "c"]));
    }

    proptest! {
        #[test]
        fn no_header_panics(bytes in proptest::collection::vec(prop_oneof![32_u8..127, 128_u8..], 0..60)) {
            for value in [bytes.clone(), [b"Basic ", &bytes[..]].concat()] {
                if let Ok(value) = header::HeaderValue::from_bytes(&value) {
                    credentials(&HeaderMap::from_iter([(header::AUTHORIZATION, value)]));
                }
            }
        }
    }
}
