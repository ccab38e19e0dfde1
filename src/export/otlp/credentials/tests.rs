//! What is read, when it is read again, and what is said of what cannot be used.

use std::fs::write;

use rcgen::{CertificateParams, KeyPair};
use tempfile::TempDir;

use super::*;

fn target(endpoint: &'static str) -> Target {
    Target::new(Uri::from_static(endpoint))
}

/// Credentials over files of a directory, which are named as if all were wanted.
fn over(dir: &TempDir, endpoint: &'static str, with: impl FnOnce(&mut Security)) -> Credentials {
    let path = |name: &str| Some(dir.path().join(name));
    let mut security = Security { check: Duration::ZERO, ..Security::default() };
    (security.ca_file, security.cert_file, security.key_file) = (path("ca"), path("cert"), path("key"));
    with(&mut security);
    Credentials::new(security, &target(endpoint), HeaderMap::new())
}

fn pair() -> (String, String) {
    let key = KeyPair::generate().unwrap();
    let cert = CertificateParams::new(vec!["localhost".to_owned()]).unwrap().self_signed(&key).unwrap();
    (cert.pem(), key.serialize_pem())
}

#[tokio::test]
async fn a_token_is_read_again_when_its_file_changes_and_kept_when_that_is_no_use() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("token");
    write(&file, "one\n").unwrap();
    let mut credentials = over(&dir, "http://localhost", |s| s.bearer_token_file = Some(file.clone()));
    assert_eq!(credentials.refresh(false).await, None);
    let shown = |credentials: &Credentials| {
        let headers = credentials.headers().unwrap();
        assert!(!format!("{headers:?}").contains("Bearer"), "a secret is shown");
        headers[header::AUTHORIZATION].to_str().unwrap().to_owned()
    };
    assert_eq!(shown(&credentials), "Bearer one");
    write(&file, "second").unwrap();
    assert_eq!(credentials.refresh(false).await, Some(News::Renewed));
    assert_eq!(shown(&credentials), "Bearer second");
    assert_eq!(credentials.refresh(false).await, None);
    write(&file, "two\nlines").unwrap();
    let Some(News::Kept(problem)) = credentials.refresh(false).await else { panic!() };
    assert!(problem.to_string().ends_with("token: no token on one line"), "{problem}");
    assert_eq!(credentials.refresh(false).await, None, "it is told once");
    assert_eq!(shown(&credentials), "Bearer second");
    write(&file, "third").unwrap();
    assert_eq!(credentials.refresh(false).await, Some(News::Renewed));
    assert_eq!(shown(&credentials), "Bearer third");
}

#[tokio::test]
async fn files_are_looked_at_when_it_is_time_or_urgent() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("headers");
    write(&file, "# ours\nx-a: 1\n\nX-B:  2 3 \n").unwrap();
    let mut credentials = over(&dir, "http://localhost", |s| {
        s.headers_file = Some(file.clone());
        s.check = Duration::from_hours(1);
    });
    credentials.refresh(false).await;
    let headers = credentials.headers().unwrap();
    assert_eq!(headers["x-a"], "1");
    assert_eq!(headers["x-b"], "2 3");
    write(&file, "x-a: 22").unwrap();
    assert_eq!(credentials.refresh(false).await, None);
    assert_eq!(credentials.refresh(true).await, Some(News::Renewed));
    assert_eq!(credentials.headers().unwrap()["x-a"], "22");
}

#[tokio::test]
async fn a_pair_that_is_half_renewed_waits_for_its_other_half() {
    let dir = tempfile::tempdir().unwrap();
    let (old, new) = (pair(), pair());
    let put = |name: &str, text: &str| write(dir.path().join(name), text).unwrap();
    put("ca", &old.0);
    put("cert", &old.0);
    put("key", &old.1);
    let mut credentials = over(&dir, "https://localhost", |_| {});
    assert_eq!(credentials.refresh(false).await, None);
    let before = credentials.tls().unwrap().unwrap().config;
    put("cert", &new.0);
    assert!(matches!(credentials.refresh(false).await, Some(News::Kept(_))));
    assert!(Arc::ptr_eq(&before, &credentials.tls().unwrap().unwrap().config));
    put("key", &new.1);
    assert_eq!(credentials.refresh(false).await, Some(News::Renewed));
    assert!(!Arc::ptr_eq(&before, &credentials.tls().unwrap().unwrap().config));
}

#[tokio::test]
async fn what_cannot_be_used_at_the_start_is_named_and_used_as_soon_as_it_can_be() {
    let dir = tempfile::tempdir().unwrap();
    let mut credentials = over(&dir, "https://localhost", |s| (s.cert_file, s.key_file) = (None, None));
    credentials.refresh(false).await;
    let said = |credentials: &Credentials| credentials.tls().err().unwrap().to_string();
    assert!(said(&credentials).contains("ca: No such file"), "{}", said(&credentials));
    write(dir.path().join("ca"), "no PEM").unwrap();
    credentials.refresh(false).await;
    assert!(said(&credentials).ends_with("ca: no certificate in PEM"), "{}", said(&credentials));
    write(dir.path().join("ca"), pair().0).unwrap();
    assert_eq!(credentials.refresh(false).await, None, "these are the first");
    assert!(credentials.tls().is_ok());
}

#[tokio::test]
async fn a_pipe_in_the_place_of_a_file_holds_nothing_up() {
    let dir = tempfile::tempdir().unwrap();
    let mut credentials = over(&dir, "http://localhost", |s| s.bearer_token_file = Some("/dev/zero".into()));
    credentials.refresh(false).await;
    assert_eq!(credentials.headers().unwrap_err().to_string(), "/dev/zero: not a file");
}

#[test]
fn a_line_that_is_no_header_is_named_and_not_shown() {
    assert_eq!(parse_headers("a: b\ns3cret").unwrap_err(), "line 2 is not \"name: value\"");
    assert_eq!(parse_headers("a b: s3cret").unwrap_err(), "line 1 is not \"name: value\"");
}
