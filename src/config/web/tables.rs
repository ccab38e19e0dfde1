//! Every key of the file.

use std::time::Duration;

use crate::config::known::Known;
use crate::config::setting::{Kind, Setting};

pub(super) const TLS: &str = "tls_server_config";
pub(super) const HTTP: &str = "http_server_config";
pub(super) const USERS: &str = "basic_auth_users";
pub(super) const RATE: &str = "rate_limit";

/// The suites of TLS 1.2 that are spoken.
pub(super) const SUITES: [&str; 6] = [
    "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256",
    "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384",
    "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256",
    "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256",
    "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384",
    "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256",
];

/// Those that the toolkit knows and that are not chosen here: the ones of TLS 1.3, which are always on, and
/// weak ones.
pub(super) const OTHER_SUITES: [&str; 11] = [
    "TLS_AES_128_GCM_SHA256",
    "TLS_AES_256_GCM_SHA384",
    "TLS_CHACHA20_POLY1305_SHA256",
    "TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA",
    "TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA",
    "TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA",
    "TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA",
    "TLS_RSA_WITH_AES_128_CBC_SHA",
    "TLS_RSA_WITH_AES_128_GCM_SHA256",
    "TLS_RSA_WITH_AES_256_CBC_SHA",
    "TLS_RSA_WITH_AES_256_GCM_SHA384",
];

/// The curves that are spoken, and those that only the toolkit knows.
pub(super) const CURVES: [&str; 3] = ["X25519", "CurveP256", "CurveP384"];
pub(super) const OTHER_CURVES: [&str; 2] = ["CurveP521", "X25519MLKEM768"];

const VERSIONS: Kind = Kind::OneOf(&["TLS10", "TLS11", "TLS12", "TLS13"]);

static KEYS: [(&str, &[Setting]); 3] = [
    (
        TLS,
        &[
            key("cert_file", Kind::Text),
            key("key_file", Kind::Text),
            key("cert", Kind::Text),
            key("key", Kind::Text),
            key(
                "client_auth_type",
                Kind::OneOf(&[
                    "NoClientCert",
                    "RequestClientCert",
                    "RequireAnyClientCert",
                    "RequireClientCert",
                    "VerifyClientCertIfGiven",
                    "RequireAndVerifyClientCert",
                ]),
            ),
            key("client_ca_file", Kind::Text),
            key("client_ca", Kind::Text),
            key("client_allowed_sans", Kind::List),
            key("min_version", VERSIONS),
            key("max_version", VERSIONS),
            key("cipher_suites", Kind::List),
            key("prefer_server_cipher_suites", Kind::Bool),
            key("curve_preferences", Kind::List),
        ],
    ),
    (
        HTTP,
        &[
            key("http2", Kind::Bool),
            key("headers.Content-Security-Policy", Kind::Text),
            key("headers.X-Frame-Options", Kind::OneOf(&["deny", "sameorigin"])),
            key("headers.X-Content-Type-Options", Kind::OneOf(&["nosniff"])),
            key("headers.X-XSS-Protection", Kind::Text),
            key("headers.Strict-Transport-Security", Kind::Text),
        ],
    ),
    (
        RATE,
        &[
            key("interval", Kind::Duration(Duration::ZERO, Duration::from_hours(1))),
            key("burst", Kind::Int(0, 1_000_000)),
        ],
    ),
];

const fn key(key: &'static str, kind: Kind) -> Setting {
    Setting::new(key, kind, "", "")
}

/// Every key with its path.
pub(super) fn known() -> Vec<Known> {
    let mut known = vec![Known::new(vec![USERS], key(USERS, Kind::Users))];
    for (section, settings) in &KEYS {
        known.extend(settings.iter().map(|setting| {
            Known::new(std::iter::once(*section).chain(setting.key.split('.')).collect(), *setting)
        }));
    }
    known
}
