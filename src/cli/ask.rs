//! One question to an endpoint of ours, over plain HTTP: what a probe in an image without curl needs.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream, ToSocketAddrs};
use std::time::{Duration, Instant};

use crate::config::Prometheus;

/// From the first address to the last byte.
const DEADLINE: Duration = Duration::from_secs(2);

/// No answer that is of interest here is longer.
const MOST: u64 = 4096;

/// What is there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum There {
    /// An HTTP server that answers with this status and text.
    Http(u16, String),
    /// A server that wants TLS: it refuses plain HTTP in the words of TLS.
    Tls,
}

/// Where the endpoint of a configuration is to be asked from this machine.
pub(super) fn url(config: &Prometheus, path: &str) -> String {
    // Of several places, the first is as good as any.
    let first = config.listen.first().map(|place| (place.host.as_str(), place.port.unwrap_or(config.port)));
    let (host, port) = first.unwrap_or((&config.bind_address, config.port));
    let host = match host.trim_matches(['[', ']']) {
        "0.0.0.0" => "127.0.0.1",
        "::" => "::1",
        host => host,
    };
    let host = if host.contains(':') { format!("[{host}]") } else { host.to_owned() };
    format!("http://{host}:{port}{path}")
}

/// Asks for an URL.
pub(super) fn ask(url: &str) -> Result<There, String> {
    let url: http::Uri = url.parse().map_err(|e| format!("{url}: {e}"))?;
    let host = url.host().ok_or_else(|| format!("{url}: no host in it"))?.trim_matches(['[', ']']);
    let port = url.port_u16().unwrap_or(if url.scheme_str() == Some("https") { 443 } else { 80 });
    let path = url.path_and_query().map_or("/", http::uri::PathAndQuery::as_str);
    let deadline = Instant::now() + DEADLINE;
    let addresses: Vec<SocketAddr> = if host.eq_ignore_ascii_case("localhost") {
        // An image without /etc/hosts could not resolve it.
        vec![([127, 0, 0, 1], port).into(), ([0_u16, 0, 0, 0, 0, 0, 0, 1], port).into()]
    } else {
        (host, port).to_socket_addrs().map_err(|e| format!("{host}: {e}"))?.collect()
    };
    let mut problem = format!("{host}: no address");
    for address in addresses {
        match speak(address, host, path, deadline) {
            Ok(there) => return Ok(there),
            Err(error) => problem = format!("{address}: {error}"),
        }
    }
    Err(problem)
}

fn left(deadline: Instant) -> std::io::Result<Duration> {
    let left = deadline.saturating_duration_since(Instant::now());
    if left.is_zero() { Err(std::io::ErrorKind::TimedOut.into()) } else { Ok(left) }
}

fn speak(address: SocketAddr, host: &str, path: &str, deadline: Instant) -> std::io::Result<There> {
    let mut stream = TcpStream::connect_timeout(&address, left(deadline)?)?;
    stream.set_write_timeout(Some(left(deadline)?))?;
    let request = format!("GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes())?;
    let mut answer = Vec::new();
    let mut part = [0; 1024];
    while (answer.len() as u64) < MOST {
        // A server that sends a byte now and then must not be waited for longer.
        stream.set_read_timeout(Some(left(deadline)?))?;
        match stream.read(&mut part) {
            Ok(0) => break,
            Ok(read) => answer.extend_from_slice(&part[..read]),
            Err(error) if answer.is_empty() => return Err(error),
            Err(_) => break,
        }
    }
    parse(&answer).ok_or_else(|| std::io::Error::other("no HTTP server is there"))
}

fn parse(answer: &[u8]) -> Option<There> {
    // A record of type alert, of whatever version of TLS (RFC 8446, 5.1).
    if let [0x15, 0x03, ..] = answer {
        return Some(There::Tls);
    }
    let text = String::from_utf8_lossy(answer);
    let status = text.strip_prefix("HTTP/1.")?.split(' ').nth(1)?.get(..3)?.parse().ok()?;
    let body = text.split_once("\r\n\r\n").map_or("", |(_, body)| body);
    Some(There::Http(status, body.to_owned()))
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use proptest::prelude::*;

    use super::*;

    /// A server that gives one answer, and perhaps keeps the connection.
    fn serve(answer: &'static [u8], keeps: bool) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/-/ready", listener.local_addr().unwrap());
        std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let _ = stream.read(&mut [0; 1024]);
            let _ = stream.write_all(answer);
            if keeps {
                std::thread::sleep(Duration::from_secs(5));
            }
        });
        url
    }

    #[test]
    fn an_answer_is_a_status_and_a_text_and_tls_is_known_by_its_alert() {
        let ready = b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nready\n";
        assert_eq!(ask(&serve(ready, false)), Ok(There::Http(200, "ready\n".to_owned())));
        assert_eq!(ask(&serve(b"\x15\x03\x03\x00\x02\x02\x46", false)), Ok(There::Tls));
        assert!(ask(&serve(b"SSH-2.0-OpenSSH_9.2\r\n", false)).unwrap_err().contains("no HTTP server"));
    }

    #[test]
    fn a_server_that_says_nothing_is_not_waited_for() {
        let began = Instant::now();
        assert!(ask(&serve(b"", true)).is_err());
        assert!(began.elapsed() < DEADLINE + Duration::from_secs(1));
    }

    #[test]
    fn an_endpoint_for_all_is_asked_at_this_machine() {
        let mut config = crate::config::resolve(&[], None, &std::collections::BTreeMap::new(), &[])
            .unwrap()
            .config
            .prometheus;
        let mut at = |address: &str| {
            address.clone_into(&mut config.bind_address);
            url(&config, "/-/ready")
        };
        assert_eq!(at("0.0.0.0"), "http://127.0.0.1:9464/-/ready");
        assert_eq!(at("::"), "http://[::1]:9464/-/ready");
        assert_eq!(at("localhost"), "http://localhost:9464/-/ready");
    }

    proptest! {
        #[test]
        fn no_answer_panics(answer in proptest::collection::vec(any::<u8>(), 0..60), text in "(HTTP/1.1 )?[ -~é]{0,20}") {
            let _ = parse(&answer);
            let _ = parse(text.as_bytes());
        }
    }
}
