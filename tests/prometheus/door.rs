//! Who is let in: certificates, passwords, several addresses, and what happens when the files change.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::time::{Duration, Instant};

use hostmeter::export::prometheus::{Door, Server, Settings, WebError};
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::{ClientConfig, ClientConnection, StreamOwned, SupportedProtocolVersion, version};

use super::agent::{Agent, Answer, Plan};
use super::authority::{Authority, Files, Pair};

/// Of "correct horse" and of "battery staple", made by libxcrypt.
const ALICE: &str = "$2y$04$zQICK/TU5KrsxvPe4Cq9CuyFukJO2DD9sbI2xgOe6tM/PHwJgDgOG";
const BOB: &str = "$2y$04$0jMbA9B21paktSG81QoJb.x3R.1BM8fSc6U1yl7EpsCzxdHxqCQz2";
const AS_ALICE: &str = "Authorization: Basic YWxpY2U6Y29ycmVjdCBob3JzZQ==\r\n";
const AS_BOB: &str = "Authorization: Basic Ym9iOmJhdHRlcnkgc3RhcGxl\r\n";

/// Longer than between two looks at the files.
const LOOK: Duration = Duration::from_millis(1100);

const TLS: &str = "tls_server_config: {cert_file: cert.pem, key_file: key.pem";

fn guarded(files: &Files, web: &str) -> Agent {
    let door = Door::guarded(&files.put("web.yaml", web)).unwrap();
    Plan { door: Arc::new(door), ..Plan::default() }.start()
}

/// Files with a certificate of localhost.
fn certified(authority: &Authority) -> Files {
    let files = Files::new();
    put(&files, &authority.issue("localhost", 2100));
    files
}

fn put(files: &Files, pair: &Pair) {
    files.put("key.pem", &pair.key);
    files.put("cert.pem", &pair.cert);
}

/// A client that trusts one authority.
fn client(
    trusted: &Authority,
    mine: Option<&Pair>,
    version: &'static SupportedProtocolVersion,
) -> ClientConfig {
    let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_protocol_versions(&[version])
        .unwrap()
        .with_root_certificates(trusted.roots());
    match mine {
        None => builder.with_no_client_auth(),
        Some(pair) => {
            let cert = CertificateDer::from_pem_slice(pair.cert.as_bytes()).unwrap();
            let key = PrivateKeyDer::from_pem_slice(pair.key.as_bytes()).unwrap();
            builder.with_client_auth_cert(vec![cert], key).unwrap()
        }
    }
}

/// One request with a handshake of its own, with both versions; what comes back or why nothing does.
fn ask(agent: &Agent, trusted: &Authority, mine: Option<&Pair>, headers: &str) -> Result<Answer, String> {
    let [tls12, tls13] = [&version::TLS12, &version::TLS13].map(|version| {
        let connection =
            ClientConnection::new(Arc::new(client(trusted, mine, version)), "localhost".try_into().unwrap());
        let mut stream = StreamOwned::new(connection.unwrap(), agent.connect());
        let head = format!("GET /-/healthy HTTP/1.1\r\nHost: test\r\nConnection: close\r\n{headers}\r\n");
        let mut bytes = Vec::new();
        stream.write_all(head.as_bytes()).map_err(|error| error.to_string())?;
        stream.read_to_end(&mut bytes).map_err(|error| error.to_string())?;
        Ok(Answer::read(&bytes))
    });
    assert_eq!(tls12.is_ok(), tls13.is_ok(), "{tls12:?} {tls13:?}");
    tls13
}

#[test]
fn encrypted_pages_are_served_and_plain_http_is_told_where_they_are() {
    let authority = Authority::new();
    let files = certified(&authority);
    let agent = guarded(&files, &format!("{TLS}}}"));
    assert_eq!(ask(&agent, &authority, None, "").unwrap().text(), "healthy\n");
    let plain = agent.get("/metrics");
    assert_eq!((plain.status, plain.text()), (400, "this port speaks HTTPS only; ask with https://\n"));
    assert!(ask(&agent, &Authority::new(), None, "").unwrap_err().contains("certificate"));
}

#[test]
fn a_handshake_that_does_not_end_is_not_waited_for() {
    let files = certified(&Authority::new());
    let door = Door::guarded(&files.put("web.yaml", &format!("{TLS}}}"))).unwrap();
    let mut plan = Plan { door: Arc::new(door), ..Plan::default() };
    plan.settings.limits.head = Duration::from_millis(300);
    let agent = plan.start();
    for sent in [&b""[..], b"\x16", b"\x16\x03\x01\x02\x00\x01\x00"] {
        let mut stream = agent.connect();
        stream.write_all(sent).unwrap();
        let began = Instant::now();
        let ended = stream.read(&mut [0; 64]);
        assert!(matches!(ended, Ok(0)) || ended.is_err_and(|e| e.kind() == ErrorKind::ConnectionReset));
        assert!(began.elapsed() < Duration::from_secs(3), "{sent:?}");
    }
}

#[test]
fn a_client_needs_a_certificate_of_the_authority_with_an_allowed_name() {
    let (authority, clients) = (Authority::new(), Authority::new());
    let files = certified(&authority);
    files.put("clients.pem", &clients.pem);
    let agent = guarded(
        &files,
        &format!(
            "{TLS}, client_auth_type: RequireAndVerifyClientCert, client_ca_file: clients.pem, \
             client_allowed_sans: [prometheus.internal]}}"
        ),
    );
    let asked = |mine: Option<&Pair>| ask(&agent, &authority, mine, "").is_ok();
    assert!(asked(Some(&clients.issue("prometheus.internal", 2100))));
    assert!(!asked(Some(&clients.issue("elsewhere.internal", 2100))));
    assert!(!asked(Some(&clients.issue("prometheus.internal", 2021))));
    assert!(!asked(Some(&Authority::new().issue("prometheus.internal", 2100))));
    assert!(!asked(None));
}

#[test]
fn a_certificate_that_is_only_asked_for_need_not_be_there() {
    let (authority, clients) = (Authority::new(), Authority::new());
    let files = certified(&authority);
    files.put("clients.pem", &clients.pem);
    let (good, strange) = (clients.issue("a", 2100), Authority::new().issue("a", 2100));
    for (kind, expected) in [
        ("VerifyClientCertIfGiven, client_ca_file: clients.pem", [true, true, false]),
        ("RequestClientCert", [true, true, true]),
        ("RequireAnyClientCert", [false, true, true]),
        ("NoClientCert", [true, true, true]),
    ] {
        let agent = guarded(&files, &format!("{TLS}, client_auth_type: {kind}}}"));
        let found = [None, Some(&good), Some(&strange)].map(|mine| ask(&agent, &authority, mine, "").is_ok());
        assert_eq!(found, expected, "{kind}");
    }
}

#[test]
fn without_the_right_password_there_is_no_page_at_all() {
    let agent = guarded(
        &Files::new(),
        &format!(
            "basic_auth_users: {{alice: {ALICE}, bob: {BOB}}}\n\
             http_server_config: {{headers: {{X-Frame-Options: sameorigin, X-XSS-Protection: '0'}}}}"
        ),
    );
    let wrong =
        ["", "Authorization: Basic YWxpY2U6\r\n", "Authorization: Bearer YWxpY2U6Y29ycmVjdCBob3JzZQ==\r\n"];
    for path in ["/", "/metrics", "/-/healthy", "/-/ready", "/elsewhere"] {
        for headers in wrong {
            let answer = agent.ask("GET", path, headers);
            assert_eq!((answer.status, answer.text()), (401, "unauthorized\n"), "{path} {headers}");
            assert_eq!(answer.header("www-authenticate"), r#"Basic realm="hostmeter", charset="UTF-8""#);
        }
    }
    for headers in [AS_ALICE, AS_BOB, AS_ALICE] {
        let answer = agent.ask("GET", "/-/healthy", headers);
        assert_eq!(answer.text(), "healthy\n");
        let of = ["x-frame-options", "x-xss-protection", "x-content-type-options"];
        assert_eq!(of.map(|name| answer.header(name)), ["sameorigin", "0", "nosniff"]);
    }
}

#[test]
fn whoever_asks_more_often_than_is_allowed_is_sent_away() {
    let agent = guarded(&Files::new(), "rate_limit: {interval: 1h, burst: 2}");
    let asked: Vec<_> = (0..4).map(|_| agent.get("/-/healthy")).collect();
    assert_eq!(asked.iter().map(|answer| answer.status).collect::<Vec<_>>(), [200, 200, 429, 429]);
    assert_eq!(asked[2].text(), "too many requests; try again in a while\n");
}

#[test]
fn what_is_renewed_holds_and_what_is_broken_changes_nothing() {
    let (old, new) = (Authority::new(), Authority::new());
    let files = certified(&old);
    let agent = guarded(&files, &format!("{TLS}}}\nbasic_auth_users: {{alice: {ALICE}}}"));
    let status = |trusted: &Authority, headers: &str| ask(&agent, trusted, None, headers).map(|a| a.status);
    assert_eq!(status(&old, AS_ALICE), Ok(200));
    for broken in [TLS.to_owned(), format!("{TLS}}}"), format!("{TLS}}}\nbasic_auth_users: {{bob: hash}}")] {
        files.put("web.yaml", &broken);
        std::thread::sleep(LOOK);
        assert_eq!((status(&old, AS_ALICE), status(&old, "")), (Ok(200), Ok(401)), "{broken}");
    }
    files.put("web.yaml", &format!("{TLS}}}\nbasic_auth_users: {{bob: {BOB}}}"));
    put(&files, &new.issue("localhost", 2100));
    std::thread::sleep(LOOK);
    assert!(status(&old, AS_BOB).is_err());
    assert_eq!((status(&new, AS_BOB), status(&new, AS_ALICE)), (Ok(200), Ok(401)));
    // A certificate without its key.
    files.put("cert.pem", &old.issue("localhost", 2100).cert);
    std::thread::sleep(LOOK);
    assert_eq!(status(&new, AS_BOB), Ok(200));
}

#[test]
fn a_file_that_cannot_be_used_at_the_start_is_an_error_that_says_why() {
    let files = Files::new();
    let error = |web: &str| {
        let path = files.put("web.yaml", web);
        let told = Door::guarded(&path).err().map(|error: WebError| error.to_string()).unwrap();
        told.replace(&format!("{}", path.parent().unwrap().display()), "DIR")
    };
    assert_eq!(error("tls: {}"), "DIR/web.yaml:1: tls: unknown section; did you mean \"tls_server_config\"?");
    assert_eq!(error(&format!("{TLS}}}")), "DIR/cert.pem: No such file or directory (os error 2)");
    let pair = Authority::new().issue("localhost", 2100);
    put(&files, &Pair { cert: pair.cert.clone(), key: Authority::new().issue("localhost", 2100).key });
    assert!(
        error(&format!("{TLS}}}")).starts_with("DIR/cert.pem with DIR/key.pem: keys may not be consistent")
    );
    put(&files, &Pair { cert: "no certificate".to_owned(), key: pair.key });
    assert_eq!(error(&format!("{TLS}}}")), "DIR/cert.pem: no certificate in PEM");
}

#[test]
fn several_addresses_are_listened_to_and_one_that_is_named_twice_once() {
    let listen =
        [("127.0.0.1", 0), ("127.0.0.2", 0), ("localhost", 0)].map(|(host, port)| (host.to_owned(), port));
    let mut plan = Plan::default();
    plan.settings = Settings { listen: listen.to_vec(), ..plan.settings };
    let agent = plan.start();
    assert!(agent.addresses.len() >= 3);
    for address in &agent.addresses {
        let mut stream = TcpStream::connect(address).unwrap();
        stream.write_all(b"GET /-/healthy HTTP/1.0\r\n\r\n").unwrap();
        assert_eq!(Answer::read(&super::agent::to_end(&mut stream)).text(), "healthy\n", "{address}");
    }
    drop(agent);
    // Any port that no other test has at the moment.
    let bound = (20_000..60_000).step_by(61).find_map(|port| {
        let listen = ["[::]", "0.0.0.0", "[::]", "0.0.0.0"].map(|host| (host.to_owned(), port));
        Server::bind(&Settings { listen: listen.to_vec(), ..Settings::default() }).ok()
    });
    assert!((1..=2).contains(&bound.unwrap().local_addrs().len()));
}
