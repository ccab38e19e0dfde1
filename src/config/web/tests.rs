//! Good files, and what is said of others.

use super::*;

const HASH: &str = "$2y$10$mDwo.lAisC94iLAyP81MCesa29IzH37oigHC/42V2pdJlUprsJPze";

fn read(text: &str) -> Result<Web, Problems> {
    parse("web.yaml", Path::new("/etc/hostmeter"), text)
}

fn problems(text: &str) -> Vec<String> {
    read(text).unwrap_err().iter().map(ToString::to_string).collect()
}

fn notes(text: &str) -> Vec<String> {
    read(text).unwrap().notes.iter().map(ToString::to_string).collect()
}

#[test]
fn a_file_of_the_toolkit_is_understood() {
    let web = read(&format!(
        "tls_server_config:\n  cert_file: server.crt\n  key_file: /run/server.key\n  client_ca_file: ca.crt\n  \
         client_auth_type: RequireAndVerifyClientCert\n  client_allowed_sans: [prometheus.internal]\n  \
         min_version: TLS13\n  curve_preferences: [CurveP256]\n\
         http_server_config: {{http2: false, headers: {{X-Frame-Options: sameorigin}}}}\n\
         basic_auth_users:\n  alice: {HASH}\nrate_limit: {{interval: 1s, burst: 20}}\n"
    ))
    .unwrap();
    let tls = web.tls.as_ref().unwrap();
    assert_eq!(tls.cert, Pem::File("/etc/hostmeter/server.crt".into()));
    assert_eq!(tls.key, Pem::File("/run/server.key".into()));
    assert_eq!((tls.client_auth, tls.min), (ClientAuth::RequireAndVerifyClientCert, TlsVersion::Tls13));
    assert_eq!(tls.client_allowed_sans.as_deref(), Some(&["prometheus.internal".to_owned()][..]));
    assert_eq!((tls.curves.as_ref().map(Vec::len), &tls.cipher_suites), (Some(1), &None));
    assert_eq!(web.files().count(), 3);
    assert_eq!(web.headers["X-Frame-Options"], "sameorigin");
    assert_eq!(web.users["alice"].expose(), HASH);
    assert_eq!(web.rate, Some(Rate { interval: Duration::from_secs(1), burst: 20 }));
    assert_eq!(web.notes, []);
    assert!(!format!("{web:?}").contains(HASH), "a hash is shown");
}

#[test]
fn the_example_is_good() {
    let web = read(include_str!("../../../examples/prometheus/web.yaml")).unwrap();
    assert!(web.tls.is_some() && web.users.len() == 1 && web.headers.len() == 1);
    assert_eq!(web.notes, []);
}

#[test]
fn an_empty_file_protects_nothing() {
    for text in ["", "basic_auth_users:\n", "tls_server_config: {}\n", "rate_limit: {interval: 0s}\n"] {
        assert_eq!(read(text).unwrap(), Web::default(), "{text}");
    }
}

#[test]
fn every_problem_is_told_with_its_line_and_the_nearest_known_key() {
    let text = format!(
        "tls_server_config:\n  cert_fil: a\n  key_file: b\n  client_auth_type: Always\n  \
         cipher_suites: [TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA265]\n\
         http_server_config:\n  headers: {{X-Powered-By: us}}\nbasic_auth_user: {{}}\n\
         basic_auth_users:\n  alice: {}\n  alice: {HASH}\nrate_limits: {{}}\n",
        &HASH[..50]
    );
    assert_eq!(
        problems(&text),
        [
            r#"web.yaml:2: tls_server_config.cert_fil: unknown key; did you mean "cert_file"?"#,
            "web.yaml:4: tls_server_config.client_auth_type: expected NoClientCert, RequestClientCert, \
             RequireAnyClientCert, RequireClientCert, VerifyClientCertIfGiven or RequireAndVerifyClientCert, \
             found \"Always\"",
            "web.yaml:7: http_server_config.headers.X-Powered-By: unknown key; known here: \
             Content-Security-Policy, X-Frame-Options, X-Content-Type-Options, X-XSS-Protection, \
             Strict-Transport-Security",
            r#"web.yaml:8: basic_auth_user: unknown section; did you mean "basic_auth_users"?"#,
            "web.yaml:10: basic_auth_users.alice: expected a bcrypt hash such as htpasswd -nBC 10 makes, found \
             something else",
            r#"web.yaml:12: rate_limits: unknown section; did you mean "rate_limit"?"#,
            "web.yaml:3: tls_server_config.key_file: expected cert_file as well",
            "web.yaml:5: tls_server_config.cipher_suites: unknown: \"TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA265\"; \
             did you mean \"TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256\"?",
        ]
    );
}

#[test]
fn what_does_not_go_together_is_refused() {
    let good = "cert_file: a, key_file: b";
    for (text, told) in [
        ("{cert_file: a}", "1: tls_server_config.cert_file: expected key_file as well"),
        (
            "{client_auth_type: NoClientCert}",
            "1: tls_server_config.client_auth_type: expected cert_file as well",
        ),
        (
            "{cert_file: a, cert: b, key_file: c}",
            "1: tls_server_config.cert: cert_file says it as well; leave one of them out",
        ),
        (
            &format!("{{{good}, client_ca_file: c}}"),
            "1: tls_server_config.client_ca_file: expected client_auth_type as well, such as \
             RequireAndVerifyClientCert",
        ),
        (
            &format!("{{{good}, client_auth_type: VerifyClientCertIfGiven}}"),
            "1: tls_server_config.client_auth_type: expected client_ca_file as well",
        ),
        (
            &format!("{{{good}, client_allowed_sans: [a]}}"),
            "1: tls_server_config.client_allowed_sans: expected client_auth_type: RequireAndVerifyClientCert (or \
             RequireAnyClientCert) as well",
        ),
        (
            &format!("{{{good}, min_version: TLS13, max_version: TLS12}}"),
            "1: tls_server_config.max_version: expected a version from TLS13 to TLS13, found TLS12",
        ),
        (
            &format!("{{{good}, max_version: TLS11}}"),
            "1: tls_server_config.max_version: expected a version from TLS12 to TLS13, found TLS11",
        ),
        (
            &format!("{{{good}, curve_preferences: [CurveP521]}}"),
            "1: tls_server_config.curve_preferences: expected one of X25519, CurveP256, CurveP384",
        ),
    ] {
        let all = problems(&format!("tls_server_config: {text}"));
        assert!(all.contains(&format!("web.yaml:{told}")), "{text}: {all:?}");
    }
}

#[test]
fn what_has_no_effect_is_told_and_not_refused() {
    assert_eq!(
        notes(
            "tls_server_config:\n  cert_file: a\n  key_file: b\n  min_version: TLS10\n  \
             cipher_suites: [TLS_RSA_WITH_AES_128_CBC_SHA, TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256]\n\
             http_server_config:\n  http2: true\nrate_limit:\n  burst: 5\n"
        ),
        [
            "web.yaml:4: tls_server_config.min_version: TLS10 is not spoken here; the least version is TLS12",
            "web.yaml:5: tls_server_config.cipher_suites: TLS_RSA_WITH_AES_128_CBC_SHA is not spoken here",
            "web.yaml:7: http_server_config.http2: HTTP/2 is not spoken here; Prometheus then uses HTTP/1.1",
            "web.yaml:9: rate_limit.burst: has no effect without interval",
        ]
    );
}

#[test]
fn a_secret_in_the_wrong_place_is_not_shown() {
    for text in [
        "basic_auth_users: secret",
        "basic_auth_users: {alice: secret}",
        "tls_server_config: {key: [secret]}",
    ] {
        let all = problems(text).join("\n");
        assert!(!all.contains("secret"), "{all}");
    }
}
