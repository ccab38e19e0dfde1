//! What a client cannot do to the server and to other clients.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use hostmeter::collectors::{Collector, Spec};
use hostmeter::export::prometheus::Limits;
use hostmeter::host::{Error, Host};
use hostmeter::metric::{Attribute, Metric, Reading};

use super::agent::{Agent, Answer, Plan, to_end};

const SHORT: Duration = Duration::from_millis(300);

/// Far beyond every short limit, far below every long one.
const SOON: Duration = Duration::from_secs(3);

const GET: &[u8] = b"GET /metrics HTTP/1.1\r\nHost: test\r\n\r\n";

static MANY: Metric = Metric::updown("test.many", "By").by(&[Attribute::open("some.name")]);
static MANY_SPEC: Spec = Spec {
    name: "many",
    about: "A long page",
    metrics: &[&MANY],
    settings: &[],
    build: |_, _| Ok(Box::new(Many)),
};

struct Many;

impl Collector for Many {
    fn collect(&mut self, _: &Host, out: &mut Reading) -> Result<(), Error> {
        for number in 0..self.ceiling() {
            let name = format!("{number:0>100}");
            out.push(&MANY, vec![("some.name", name.into())], number as i64);
        }
        Ok(())
    }

    fn ceiling(&self) -> usize {
        10_000
    }
}

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
        std::thread::sleep(Duration::from_millis(700));
        out.push(&SLOW, vec![], 1_i64);
        Ok(())
    }
}

fn limited(mut plan: Plan, limit: impl FnOnce(&mut Limits)) -> Agent {
    limit(&mut plan.settings.limits);
    plan.start()
}

/// How long until the server closes the connection.
fn lasts(mut stream: TcpStream) -> Duration {
    let began = Instant::now();
    to_end(&mut stream);
    began.elapsed()
}

fn is_open(stream: &mut TcpStream) -> bool {
    stream.set_nonblocking(true).unwrap();
    matches!(stream.read(&mut [0; 1]), Err(e) if e.kind() == std::io::ErrorKind::WouldBlock)
}

#[test]
fn a_head_that_does_not_end_is_not_waited_for() {
    let agent = limited(Plan::default(), |limits| limits.head = SHORT);
    let silent = agent.connect();
    assert!((SHORT..SOON).contains(&lasts(silent)));
    let mut slow = agent.connect();
    let began = Instant::now();
    // One byte now and then does not make the time longer.
    while began.elapsed() < SOON && slow.write_all(b"G").is_ok() && is_open(&mut slow) {
        slow.set_nonblocking(false).unwrap();
        std::thread::sleep(Duration::from_millis(20));
    }
    assert!(began.elapsed() < SOON);
}

#[test]
fn an_idle_connection_is_kept_for_its_time_and_then_closed() {
    let agent = limited(Plan::default(), |limits| {
        limits.head = SHORT;
        limits.idle = 3 * SHORT;
    });
    let mut stream = agent.connect();
    for _ in 0..2 {
        stream.write_all(b"GET /-/healthy HTTP/1.1\r\n\r\n").unwrap();
        std::thread::sleep(2 * SHORT);
    }
    let began = Instant::now();
    let answers = to_end(&mut stream);
    assert_eq!(String::from_utf8(answers).unwrap().matches("200 OK").count(), 2);
    assert!(began.elapsed() < SOON);
}

#[test]
fn a_client_that_does_not_read_is_left() {
    let agent = limited(Plan::with(&MANY_SPEC), |limits| limits.stall = SHORT);
    let mut stream = agent.connect();
    stream.write_all(GET).unwrap();
    std::thread::sleep(SOON);
    // What the kernel kept for both sides, and no more.
    let (received, page) = (to_end(&mut stream).len(), agent.metrics().len());
    assert!(0 < received && received < page, "{received} of {page} bytes");
}

#[test]
fn clients_that_do_not_read_make_room_and_one_that_reads_slowly_does_not() {
    let agent = limited(Plan::with(&MANY_SPEC), |limits| limits.connections = 2);
    let page = agent.metrics().len();
    let mut slow = agent.connect();
    slow.write_all(b"GET /metrics HTTP/1.1\r\nConnection: close\r\n\r\n").unwrap();
    let reading = std::thread::spawn(move || {
        let (mut received, mut piece) = (0, vec![0; 64 << 10]);
        while let Ok(read @ 1..) = slow.read(&mut piece) {
            received += read;
            std::thread::sleep(Duration::from_millis(100));
        }
        received
    });
    let silent: Vec<_> = (0..6)
        .map(|_| {
            let mut stream = agent.connect();
            stream.write_all(GET).unwrap();
            std::thread::sleep(SHORT);
            stream
        })
        .collect();
    std::thread::sleep(4 * SHORT);
    assert_eq!(agent.get("/-/healthy").status, 200);
    assert!(reading.join().unwrap() > page, "the slow reader was cut off");
    drop(silent);
}

#[test]
fn a_head_that_is_too_large_is_refused() {
    let agent = Plan::default().start();
    for request in [
        format!("GET /metrics HTTP/1.1\r\nA: {}\r\n\r\n", "a".repeat(20_000)),
        format!("GET /metrics HTTP/1.1\r\n{}\r\n", "A: a\r\n".repeat(200)),
        format!("GET /{} HTTP/1.1\r\n\r\n", "a".repeat(1 << 20)),
    ] {
        let mut stream = agent.connect();
        // The server may close before it has all.
        let _ = stream.write_all(request.as_bytes());
        let answer = to_end(&mut stream);
        assert!(answer.is_empty() || [414, 431].contains(&Answer::read(&answer).status), "{answer:?}");
    }
    assert_eq!(agent.get("/metrics").status, 200);
}

#[test]
fn what_is_not_http_1_is_closed_and_harms_nobody() {
    let agent = Plan::default().start();
    for bytes in [
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".as_slice(),
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"\0\0\0\0\r\n\r\n",
        b"GET /metrics HTTP/9.9\r\n\r\n",
        b"GET /metrics\r\n\r\n",
    ] {
        let mut stream = agent.connect();
        stream.write_all(bytes).unwrap();
        stream.shutdown(std::net::Shutdown::Write).unwrap();
        let answer = to_end(&mut stream);
        assert!(answer.is_empty() || Answer::read(&answer).status == 400, "{answer:?}");
    }
    let mut stream = agent.connect();
    stream.write_all(b"POST /metrics HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nffffffff\r\nabc").unwrap();
    stream.shutdown(std::net::Shutdown::Write).unwrap();
    assert_eq!(Answer::read(&to_end(&mut stream)).status, 405);
    assert_eq!(agent.get("/metrics").status, 200);
}

#[test]
fn a_flood_of_half_requests_does_not_keep_prometheus_out() {
    let agent = Plan::default().start();
    let mut flood = Vec::new();
    for round in 0..5 {
        for _ in 0..60 {
            let mut stream = agent.connect();
            stream.write_all(b"GET /metrics HTTP/1.1\r\nA: ").unwrap();
            flood.push(stream);
        }
        let began = Instant::now();
        assert_eq!(agent.get("/metrics").status, 200);
        assert!(began.elapsed() < Duration::from_secs(1), "round {round}: {:?}", began.elapsed());
    }
    let open = flood.iter_mut().map(is_open).filter(|open| *open).count();
    assert!(open <= 64, "{open} are open");
}

#[test]
fn the_connection_that_is_quiet_longest_makes_room() {
    let agent = limited(Plan::default(), |limits| limits.connections = 2);
    let [mut first, mut second] = [agent.connect(), agent.connect()];
    for stream in [&mut second, &mut first] {
        stream.write_all(b"GET /-/healthy HTTP/1.1\r\n\r\n").unwrap();
        assert!(stream.read(&mut [0; 4096]).unwrap() > 0);
    }
    assert_eq!(agent.get("/-/healthy").status, 200);
    assert!(is_open(&mut first) && !is_open(&mut second));
}

#[test]
fn where_all_are_being_served_a_newcomer_is_told_to_come_again() {
    let agent = limited(Plan::with(&SLOW_SPEC), |limits| limits.connections = 1);
    let mut first = agent.connect();
    first.write_all(b"GET /metrics HTTP/1.1\r\nConnection: close\r\n\r\n").unwrap();
    std::thread::sleep(Duration::from_millis(100));
    let began = Instant::now();
    let refused = agent.get("/metrics");
    assert_eq!((refused.status, refused.header("retry-after")), (503, "1"));
    assert!(began.elapsed() < Duration::from_millis(500), "{:?}", began.elapsed());
    assert_eq!(Answer::read(&to_end(&mut first)).status, 200);
}

#[test]
fn at_the_end_answers_are_finished_and_idle_connections_are_not_waited_for() {
    let mut agent = Plan::with(&SLOW_SPEC).start();
    let mut idle = agent.connect();
    idle.write_all(b"GET /-/healthy HTTP/1.1\r\n\r\n").unwrap();
    assert!(idle.read(&mut [0; 4096]).unwrap() > 0);
    let mut busy = agent.connect();
    busy.write_all(GET).unwrap();
    std::thread::sleep(Duration::from_millis(100));
    let began = Instant::now();
    agent.tell_to_stop();
    assert_eq!(Answer::read(&to_end(&mut busy)).status, 200);
    agent.wait_for_the_end();
    assert!(began.elapsed() < Duration::from_millis(1500), "{:?}", began.elapsed());
    assert!(!is_open(&mut idle));
}
