//! How the pages are asked for: paths, methods, encodings, patience, addresses, reloads.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use flate2::read::GzDecoder;
use hostmeter::collectors::{Collector, Spec};
use hostmeter::export::prometheus::{Server, Settings};
use hostmeter::host::{Error, Host};
use hostmeter::metric::{Metric, Reading};

use super::agent::{Answer, Plan, to_end};
use super::text::read;

static SLOW: Metric = Metric::updown("test.slow", "By");
static SLOW_SPEC: Spec = Spec {
    name: "slow",
    about: "Takes its time",
    metrics: &[&SLOW],
    settings: &[],
    build: |_, _| Ok(Box::new(Slow)),
};

struct Slow;

impl Collector for Slow {
    fn collect(&mut self, _: &Host, out: &mut Reading) -> Result<(), Error> {
        std::thread::sleep(Duration::from_millis(800));
        out.push(&SLOW, vec![], 1_i64);
        Ok(())
    }
}

static COUNTED: Metric = Metric::updown("test.readings", "{reading}");
static COUNTED_SPEC: Spec = Spec {
    name: "counted",
    about: "How often the host was read",
    metrics: &[&COUNTED],
    settings: &[],
    build: |_, _| Ok(Box::new(Counted)),
};
static READINGS: AtomicUsize = AtomicUsize::new(0);

struct Counted;

impl Collector for Counted {
    fn collect(&mut self, _: &Host, out: &mut Reading) -> Result<(), Error> {
        let readings = READINGS.fetch_add(1, Ordering::Relaxed) + 1;
        out.push(&COUNTED, vec![], readings as i64);
        Ok(())
    }
}

#[test]
fn plain_and_gzip_are_the_same_page() {
    let agent = Plan::default().start();
    let plain = agent.get("/metrics");
    let gzip = agent.ask("GET", "/metrics", "Accept-Encoding: deflate, gzip;q=0.5\r\n");
    assert_eq!(plain.header("content-type"), "text/plain; version=0.0.4; charset=utf-8");
    assert_eq!((plain.header("content-encoding"), gzip.header("content-encoding")), ("", "gzip"));
    assert_eq!(
        (plain.header("vary"), gzip.header("vary")),
        ("accept, accept-encoding", "accept, accept-encoding")
    );
    let mut unpacked = Vec::new();
    GzDecoder::new(gzip.body.as_slice()).read_to_end(&mut unpacked).unwrap();
    assert_eq!(plain.body, unpacked);
    assert!(gzip.body.len() < plain.body.len() / 2);
}

#[test]
fn head_is_get_without_the_body() {
    let agent = Plan::default().start();
    agent.metrics();
    for path in ["/", "/-/status.json", "/metrics", "/-/healthy", "/-/ready"] {
        let (get, head) = (agent.get(path), agent.ask("HEAD", path, ""));
        assert_eq!((head.status, head.body.len()), (200, 0), "{path}");
        assert_eq!(head.header("content-type"), get.header("content-type"), "{path}");
        let length = head.header("content-length").parse::<usize>().unwrap();
        // The status page tells the time, so two of them differ.
        assert!(
            length == get.body.len() || (["/", "/-/status.json"].contains(&path) && length > 1000),
            "{path}: {length}"
        );
    }
}

#[test]
fn other_paths_and_methods_are_refused_in_the_same_words_whatever_they_say() {
    let agent = Plan::default().start();
    let paths =
        ["/favicon.ico", "/metrics/", "//metrics", "/%2e%2e/etc/passwd", "/%3Cscript%3E", "/debug/pprof"];
    let answers = paths.map(|path| agent.get(path));
    for answer in &answers {
        assert_eq!((answer.status, answer.text()), (404, answers[0].text()));
    }
    for method in ["POST", "PUT", "DELETE", "OPTIONS", "TRACE", "PATCH", "BREW"] {
        let answer = agent.ask(method, "/metrics", "");
        assert_eq!((answer.status, answer.header("allow")), (405, "GET, HEAD"), "{method}");
    }
    let with_query = agent.get("/metrics?collect[]=cpu&name=%3Cscript%3E");
    assert_eq!(with_query.status, 200);
}

#[test]
fn every_answer_protects_the_browser_that_was_led_here() {
    let agent = Plan::default().start();
    for path in ["/", "/-/status.json", "/metrics", "/-/ready", "/nothing"] {
        let answer = agent.get(path);
        assert_eq!(answer.header("x-content-type-options"), "nosniff", "{path}");
        assert_eq!(answer.header("x-frame-options"), "DENY", "{path}");
        assert!(answer.header("content-security-policy").starts_with("default-src 'none'; "), "{path}");
    }
}

#[test]
fn the_status_page_tells_of_the_collectors() {
    let agent = Plan::default().start();
    agent.metrics();
    let answer = agent.get("/");
    assert_eq!(answer.header("content-type"), "text/html; charset=utf-8");
    for expected in
        ["web-1", "✓ good", "system_cpu_load_average_15m", "href=\"metrics\"", "service.instance.id"]
    {
        assert!(answer.text().contains(expected), "{expected}");
    }
}

#[test]
fn ready_is_said_after_the_first_collection_and_healthy_before() {
    let agent = Plan::with(&SLOW_SPEC).start();
    assert_eq!(agent.get("/-/healthy").status, 200);
    assert_eq!(agent.get("/-/ready").status, 503);
    // Nobody has asked for metrics: the server makes the first page by itself.
    let deadline = Instant::now() + Duration::from_secs(10);
    while agent.get("/-/ready").status != 200 {
        assert!(Instant::now() < deadline, "never ready");
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn who_has_little_time_gets_what_is_ready_while_another_waits_for_all() {
    let agent = Plan::with(&SLOW_SPEC).start();
    // The first page, which the server makes by itself, and the second of which it would be a part.
    while agent.get("/-/ready").status != 200 {}
    std::thread::sleep(Duration::from_millis(1100));
    std::thread::scope(|scope| {
        let patient = scope.spawn(|| agent.metrics());
        std::thread::sleep(Duration::from_millis(200));
        let began = Instant::now();
        let hasty = agent.ask("GET", "/metrics", "X-Prometheus-Scrape-Timeout-Seconds: 0.3\r\n");
        let took = began.elapsed();
        assert_eq!(hasty.status, 200);
        assert!(took < Duration::from_millis(500), "{took:?}");
        let families = read(hasty.text());
        assert!(
            families.contains_key("system_cpu_load_average_1m") && !families.contains_key("test_slow_bytes")
        );
        assert!(read(&patient.join().unwrap()).contains_key("test_slow_bytes"));
    });
}

#[test]
fn two_hundred_scrapes_at_once_read_the_host_once() {
    let agent = Plan::with(&COUNTED_SPEC).start();
    while agent.get("/-/ready").status != 200 {}
    let before = READINGS.load(Ordering::Relaxed);
    let answers: Vec<Answer> = std::thread::scope(|scope| {
        let clients: Vec<_> = (0..200).map(|_| scope.spawn(|| agent.get("/metrics"))).collect();
        clients.into_iter().map(|client| client.join().unwrap()).collect()
    });
    let served: Vec<&Answer> = answers.iter().filter(|answer| answer.status == 200).collect();
    assert!(served.len() >= 64, "{} of 200", served.len());
    assert!(answers.iter().all(|answer| [200, 503].contains(&answer.status)));
    assert!(READINGS.load(Ordering::Relaxed) - before <= 2);
    for answer in served {
        assert_eq!(read(answer.text())["test_readings"].samples.len(), 1);
    }
}

#[test]
fn a_new_site_is_served_on_the_old_connection() {
    let agent = Plan::default().start();
    let mut stream = agent.connect();
    let mut ask = |more: &str| {
        write!(stream, "GET /metrics HTTP/1.1\r\nHost: test\r\n{more}\r\n").unwrap();
        let mut text = String::new();
        let mut piece = [0; 8192];
        while !text.contains("target_info{") || !text.ends_with('\n') {
            let read = stream.read(&mut piece).unwrap();
            text.push_str(std::str::from_utf8(&piece[..read]).unwrap());
        }
        text
    };
    assert!(!ask("").contains("test_readings"));
    let (_root, site) = Plan::with(&COUNTED_SPEC).site();
    agent.site.send_replace(site);
    assert!(ask("").contains("test_readings"));
}

#[test]
fn a_name_is_listened_to_at_all_its_addresses_with_one_port() {
    let agent = Plan::default().start();
    assert!(agent.addresses.iter().all(|address| address.port() == agent.addresses[0].port()));
    for address in &agent.addresses {
        let mut stream = std::net::TcpStream::connect(address).unwrap();
        stream.write_all(b"GET /-/healthy HTTP/1.0\r\n\r\n").unwrap();
        assert_eq!(Answer::read(&to_end(&mut stream)).text(), "healthy\n", "{address}");
    }
    let ipv6 = TcpListener::bind("[::1]:0").is_ok();
    assert_eq!(agent.addresses.len(), if ipv6 { 2 } else { 1 });
}

#[test]
fn a_port_or_an_address_that_cannot_be_had_is_told_with_the_way_out() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    let bind = |bind_address: &str| {
        let bind_address = bind_address.to_owned();
        let settings = Settings { bind_address, port, ..Settings::default() };
        Server::bind(&settings).unwrap_err().to_string()
    };
    assert_eq!(
        bind("localhost"),
        format!(
            "port {port} on localhost is in use by another program; choose another with prometheus.port in the \
             file, OTEL_EXPORTER_PROMETHEUS_PORT, or stop the other program"
        )
    );
    // 192.0.2.0/24 is for documentation, so it is no machine's.
    assert!(bind("192.0.2.1").starts_with("192.0.2.1 is not an address of this machine"));
    assert!(bind("[::1").starts_with("[::1 is not an address of this machine"));
}
