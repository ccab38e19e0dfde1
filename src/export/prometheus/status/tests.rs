//! The status page of an agent with collectors in every state.

use std::time::{Duration, SystemTime};

use super::*;
use crate::collectors::{ALL, Collector};
use crate::export::prometheus::fixture;
use crate::host::{Error, Host};
use crate::metric::{Attribute, Metric, Reading, ValueType};
use crate::stats::{Outcome, QueueStats};

const BY_DEVICE: &[Attribute] = &[Attribute::open("system.device")];

static ON: Metric = Metric::counter("test.io", "By", ValueType::Int)
    .about("Bytes moved.")
    .by(BY_DEVICE)
    .from("/proc/diskstats");
static OPT_IN: Metric = Metric::gauge("test.depth", "1", ValueType::Double)
    .about("Depth of the queue.")
    .by(BY_DEVICE)
    .from("/proc/diskstats")
    .opt_in();

const fn spec(name: &'static str, about: &'static str, metrics: &'static [&'static Metric]) -> Spec {
    Spec { name, about, metrics, settings: &[], build: |_, _| Ok(Box::new(TwoDisks)) }
}

static GOOD: Spec = spec("good", "Disks that answer", &[&ON, &OPT_IN]);
static PARTLY: Spec = spec("partly", "Read in part", &[]);
static FAILING: Spec = spec("failing", "Hangs in the kernel", &[]);
static ABSENT: Spec = spec("absent", "Not on this host", &[]);
static OFF: Spec = spec("off", "Nobody asked for it", &[]);
static SPECS: [&Spec; 5] = [&GOOD, &PARTLY, &FAILING, &ABSENT, &OFF];

struct TwoDisks;

impl Collector for TwoDisks {
    fn collect(&mut self, _: &Host, out: &mut Reading) -> Result<(), Error> {
        for disk in ["sda", "sdb"] {
            out.push(&ON, vec![("system.device", disk.into())], 7_i64);
        }
        Ok(())
    }
}

/// An agent that has run once, and whose counters then tell of the other collectors.
fn site(change: impl FnOnce(&mut Counts)) -> Site {
    let site = fixture::site(&[&GOOD], "web-1 <b>");
    site.flights.page().render(super::super::Shape::default(), Duration::from_secs(2)).unwrap();
    change(&mut site.stats.lock());
    site
}

fn troubled(counts: &mut Counts) {
    let mut problem = |spec: &Spec, up, kind, text: &str| {
        let problem = Some(text.to_owned());
        let stats = CollectorStats { up, problem, errors: [(kind, 3)].into(), ..CollectorStats::default() };
        counts.collectors.insert(spec.name, stats);
    };
    problem(&PARTLY, true, "permission", "proc/1/io: permission denied");
    problem(&FAILING, false, "timeout", "</code><script>: no answer within 1000 ms");
    problem(&ABSENT, false, "unavailable", "proc/pressure/irq: not on this host");
    counts.export.target = "http://collector:4317".to_owned();
    counts.export.state = "waiting: connection refused".to_owned();
    counts.export.collected = 120_000;
    counts.export.queue = Some(QueueStats {
        usage: 36_045,
        limit: 8 << 20,
        batches: 1,
        points: 20_460,
        oldest: SystemTime::now().checked_sub(Duration::from_secs(125)),
        durable: true,
    });
    counts.count(Outcome::Dropped("queue_full"), 540);
}

fn page(change: impl FnOnce(&mut Counts)) -> String {
    let site = site(change);
    let mut live = Live::default();
    let view = site.flights.page().sampler().history().view();
    write(&mut live, &site, &SPECS, &site.stats.read(), &view).unwrap();
    live.html
}

/// The text between tags, one blank for each run of tags.
fn text(html: &str) -> String {
    let body = html.split_once("<body>").unwrap().1;
    let words = body.split('<').filter_map(|part| part.split_once('>')).map(|(_, text)| text.trim());
    words.filter(|text| !text.is_empty()).collect::<Vec<_>>().join(" ")
}

#[test]
fn every_collector_says_how_it_is_and_what_helps() {
    let shown = text(&page(troubled));
    for expected in [
        "Not collected: failing. Collected in part: partly. OTLP is waiting: connection refused. 35.2 KiB wait (20460 points).",
        "good ✓ good 2",
        "partly ! in part proc/1/io: permission denied 0",
        "failing ✗ failing &lt;/code&gt;&lt;script&gt;: no answer within 1000 ms 0",
        "absent – not on this host proc/pressure/irq: not on this host 0",
        "off – off switched off by the configuration",
        "3 permission",
        "Target http://collector:4317 State waiting: connection refused",
        "permission : the agent may not read it: give it the capabilities",
        "timeout : the kernel or a file system does not answer",
        "Queue 35.2 KiB of 8.0 MiB on disk: 1 request, 20460 points, the oldest from 2 min 5 s ago",
        "Points collected 120000 Points delivered 0 Points dropped 540 (540 queue full) Points rejected 0",
    ] {
        assert!(shown.contains(expected), "{expected:?} is not in:\n{shown}");
    }
}

#[test]
fn every_metric_says_its_two_names_and_whether_there_is_any() {
    let shown = text(&page(|_| {}));
    assert!(shown.contains("test.io Bytes moved. test_io_bytes_total /proc/diskstats 2"), "{shown}");
    assert!(shown.contains("test.depth Depth of the queue. test_depth_ratio off"), "{shown}");
}

#[test]
fn an_agent_without_trouble_says_so_in_one_line() {
    let shown = text(&page(|_| {}));
    assert!(
        shown.contains("All collectors that are on are good. OTLP is off; metrics leave by /metrics only.")
    );
}

#[test]
fn what_the_host_wrote_cannot_become_markup() {
    let html = page(troubled);
    assert_eq!(html.matches("<script").count(), 1, "our own");
    assert!(html.contains("&lt;/code&gt;&lt;script&gt;: no answer"));
    assert!(html.contains(">\u{2717} hostmeter on web-1 &lt;b&gt;</title>"));
}

#[test]
fn the_policy_allows_what_the_page_holds_and_nothing_else() {
    let policy = policy();
    let policy = policy.to_str().unwrap();
    let html = page(troubled);
    for (element, directive) in [("style", "style-src"), ("script", "script-src")] {
        let text = html.split(&format!("<{element}")).nth(1).unwrap().split_once('>').unwrap().1;
        let text = text.split(&format!("</{element}>")).next().unwrap();
        let hash = BASE64_STANDARD.encode(digest(&SHA256, text.as_bytes()));
        assert!(policy.contains(&format!("{directive} 'sha256-{hash}';")), "{element}: {policy}");
    }
    let attributes = [" style=", " onclick=", " onload=", " onerror=", "javascript:", "url("];
    assert!(attributes.iter().all(|attribute| !html.contains(attribute)), "{html}");
    assert!(!policy.contains("unsafe") && policy.starts_with("default-src 'none'; "));
}

#[test]
fn the_page_and_its_data_have_the_same_parts() {
    let site = site(troubled);
    let html = render(&site).html;
    let data: serde_json::Value = serde_json::from_str(&data::render(&site)).unwrap();
    let parts = data["parts"].as_object().unwrap();
    assert_eq!(html.matches(" data-l=").count(), parts.len(), "each once");
    for key in parts.keys() {
        let written = [' ', '>'].map(|end| html.matches(&format!(" data-l={key}{end}")).count());
        assert_eq!(written.iter().sum::<usize>(), 1, "{key}");
    }
    assert!(html.contains(&format!("data-run=\"{}\"", data["run"].as_str().unwrap())));
    assert_eq!(data["otlp"]["queue"]["points"], 20_460);
    assert_eq!(data["otlp"]["dropped"], serde_json::json!({"queue_full": 540}));
    assert_eq!(data["values"]["cpu.user"], serde_json::Value::Null, "absent, never 0");
}

#[tokio::test]
async fn who_looks_has_the_host_read_and_waits_for_it_a_little_only() {
    let site = fixture::site(&[&GOOD], "web-1");
    let sampler = site.flights.page().sampler();
    for (wait, cycles) in [(0, 1), (1000, 2), (0, 2), (1000, 2)] {
        tokio::time::sleep(Duration::from_millis(wait)).await;
        let began = std::time::Instant::now();
        super::page(&site).await;
        assert!(began.elapsed() < PATIENCE + Duration::from_millis(200));
        assert_eq!(sampler.cycles(), cycles, "after {wait} ms");
    }
}

/// Every metric there is, and ten minutes of a host whose numbers never stand still.
#[test]
fn the_whole_page_is_small() {
    let site = site(troubled);
    let mut view = site.flights.page().sampler().history().view();
    view.fill(|key, number| {
        let share = (number * 104_729 % 1000) as f64 / 1000.0;
        match key {
            "memory.limit" => 4e9,
            _ if key.starts_with("memory.") => share * 1e9,
            _ if key.starts_with("cpu.") => share / 6.0,
            _ if key.starts_with("disk.") || key.starts_with("network.") => share * 1e7,
            _ => share,
        }
    });
    let mut live = Live::default();
    write(&mut live, &site, ALL, &site.stats.read(), &view).unwrap();
    let bytes = live.html.len();
    assert!(bytes < 60_000, "{bytes} bytes");
    assert!(!live.html.contains("NaN") && !live.html.contains(">inf"), "{}", live.html);
}
