//! The addresses that settings hold: one to listen on, and one to push to.

use std::net::{IpAddr, Ipv6Addr};

use super::problem::shown;
use super::setting::Kind;

/// A host name or an address, without the brackets of a URL.
pub(super) fn host(word: &str) -> Option<String> {
    let unbracketed = word.strip_prefix('[').and_then(|word| word.strip_suffix(']'));
    if let Some(inner) = unbracketed {
        return inner.parse::<Ipv6Addr>().is_ok().then(|| inner.to_owned());
    }
    let is_name = || {
        let of_name = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_');
        (1..=253).contains(&word.len()) && word.bytes().all(of_name)
    };
    (word.parse::<IpAddr>().is_ok() || is_name()).then(|| word.to_owned())
}

/// Every network of the host: what an address without a host means.
const EVERYWHERE: &str = "::";

/// An address to listen on: a host, a port, or both.
pub(super) fn listen(word: &str) -> Result<(String, Option<u16>), String> {
    let wrong =
        || format!("expected an address such as 127.0.0.1:9464, [::1]:9464 or :9464, found {}", shown(word));
    let split = word.trim().rsplit_once(':').filter(|(host, _)| !host.contains(':') || host.ends_with(']'));
    let (name, port) = match split {
        None => (word.trim(), None),
        Some((host, port)) => (host, Some(port.parse().map_err(|_| wrong())?)),
    };
    let name = if name.is_empty() && port.is_some() { EVERYWHERE } else { name };
    Ok((host(name).ok_or_else(wrong)?, port))
}

/// The address of an OTLP receiver. The specification knows `http` and `https` only; without one of them it
/// would have to be guessed whether the data travels encrypted.
pub(super) fn endpoint(word: &str) -> Result<String, String> {
    let expected = |hint: &str| Err(format!("expected {}, found {}{hint}", Kind::Endpoint, shown(word)));
    if word.contains('@') {
        // What stands there may be a password, so the sentence does not show it.
        return Err(format!("expected {}, without credentials: put them into headers", Kind::Endpoint));
    }
    let Some((scheme, rest)) = word.split_once("://") else {
        return match word.parse::<http::uri::Authority>() {
            Ok(_) => expected(&format!("; did you mean {:?}?", format!("http://{word}"))),
            Err(_) => expected(""),
        };
    };
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    if !matches!(scheme.to_ascii_lowercase().as_str(), "http" | "https") {
        return expected("; the scheme is http or https");
    }
    let Ok(parsed) = authority.parse::<http::uri::Authority>() else {
        return expected("");
    };
    let port = authority.strip_prefix(parsed.host()).and_then(|port| port.strip_prefix(':'));
    if port.is_some_and(|port| !port.parse::<u16>().is_ok_and(|port| port > 0)) {
        return expected("; the port is a whole number from 1 to 65535");
    }
    if parsed.host().is_empty() {
        return expected("");
    }
    let path = &rest[authority.len()..];
    let endpoint = format!("{}://{authority}{}", scheme.to_ascii_lowercase(), path.trim_end_matches('/'));
    match path.parse::<http::uri::PathAndQuery>() {
        _ if path.contains(['?', '#']) => expected("; it has neither a query nor a fragment"),
        Err(_) if !path.is_empty() => expected(""),
        _ => Ok(endpoint),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_is_a_name_or_an_address_without_a_port() {
        for (said, kept) in [
            ("localhost", "localhost"),
            ("0.0.0.0", "0.0.0.0"),
            ("::", "::"),
            ("[::1]", "::1"),
            ("a-b.c_d", "a-b.c_d"),
        ] {
            assert_eq!(host(said).as_deref(), Some(kept));
        }
        for wrong in ["", "localhost:9464", "[::1]:9464", "[localhost]", "http://a", "*", "a b", "[", "é"] {
            assert_eq!(host(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn an_address_to_listen_on_is_a_host_a_port_or_both() {
        for (said, name, port) in [
            ("127.0.0.1:9464", "127.0.0.1", Some(9464)),
            ("[::1]:9464", "::1", Some(9464)),
            ("::1", "::1", None),
            ("[::]", "::", None),
            (":9100", "::", Some(9100)),
            ("localhost", "localhost", None),
            ("a.example:0", "a.example", Some(0)),
        ] {
            assert_eq!(listen(said), Ok((name.to_owned(), port)), "{said}");
        }
        for wrong in ["", ":", "a:", "a:http", "a:70000", "[::1", "[::1]9464", "http://a:1", "a b:1", "*:1"] {
            assert!(listen(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn an_endpoint_has_a_scheme_a_host_and_perhaps_a_port() {
        for (said, kept) in [
            ("http://localhost:4317", "http://localhost:4317"),
            ("HTTPS://otlp.example.com/", "https://otlp.example.com"),
            ("http://[::1]:4317", "http://[::1]:4317"),
            ("http://a:4318/base/", "http://a:4318/base"),
        ] {
            assert_eq!(endpoint(said).as_deref(), Ok(kept));
        }
    }

    #[test]
    fn a_wrong_endpoint_is_told_with_the_remedy() {
        let expected = "expected an address such as http://localhost:4317, ";
        for (wrong, rest) in [
            ("alloy:4317", r#"found "alloy:4317"; did you mean "http://alloy:4317"?"#),
            ("", r#"found """#),
            ("http://", r#"found "http://""#),
            ("http://:4317", r#"found "http://:4317""#),
            ("http://[::1:4317", r#"found "http://[::1:4317""#),
            ("ftp://alloy", r#"found "ftp://alloy"; the scheme is http or https"#),
            ("http://a:0", r#"found "http://a:0"; the port is a whole number from 1 to 65535"#),
            ("http://a:99999", r#"found "http://a:99999"; the port is a whole number from 1 to 65535"#),
            ("http://a:", r#"found "http://a:"; the port is a whole number from 1 to 65535"#),
            ("http://a/b c", r#"found "http://a/b c""#),
            ("http://a?b", r#"found "http://a?b"; it has neither a query nor a fragment"#),
            ("http://me:secret@a:4317", "without credentials: put them into headers"),
        ] {
            assert_eq!(endpoint(wrong), Err(format!("{expected}{rest}")), "{wrong}");
        }
    }

    #[test]
    fn a_password_in_an_address_is_not_shown() {
        for wrong in
            ["me:secret@a:4317", "http://me:secret@a", "ftp://secret@a", "http://secret@[", "secret@"]
        {
            let error = endpoint(wrong).unwrap_err();
            assert!(!error.contains("secret"), "{error}");
        }
    }
}
