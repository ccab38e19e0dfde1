//! The page in the words of its reader.

use std::time::Duration;

use hostmeter::export::prometheus::Strategy;

use super::agent::{Agent, Plan};
use super::text::read;

fn agent(strategy: Strategy) -> Agent {
    let mut plan = Plan::default();
    plan.settings.strategy = strategy;
    let agent = plan.start();
    // The agent's own numbers are those of the reading before.
    while !agent.metrics().contains("hostmeter_collector_errors") {
        std::thread::sleep(Duration::from_millis(100));
    }
    agent
}

/// The content type and the page.
fn page(agent: &Agent, accept: &str) -> (String, String) {
    let answer = agent.ask("GET", "/metrics", &format!("Accept: {accept}\r\n"));
    assert_eq!(answer.status, 200);
    assert_eq!(answer.header("vary"), "accept, accept-encoding");
    (answer.header("content-type").to_owned(), String::from_utf8(answer.body).unwrap())
}

const TEXT: &str = "text/plain;version=1.0.0";
const OPEN: &str = "application/openmetrics-text;version=1.0.0";

#[test]
fn open_metrics_names_the_family_of_a_counter_without_its_ending_and_says_units() {
    let (kind, page) = page(&agent(Strategy::default()), OPEN);
    assert_eq!(kind, "application/openmetrics-text; version=1.0.0; charset=utf-8; escaping=underscores");
    assert!(page.ends_with("\n# EOF\n") && page.matches("# EOF").count() == 1);
    let one =
        |line: &str| assert_eq!(page.lines().filter(|l| l.starts_with(line)).count(), 1, "{line}\n{page}");
    one("# TYPE target info");
    one("target_info{");
    one("# TYPE hostmeter_collector_errors counter");
    one("# TYPE hostmeter_collector_duration_seconds gauge");
    one("# UNIT hostmeter_collector_duration_seconds seconds");
    assert!(page.contains("\nhostmeter_collector_errors_total{"), "{page}");
    assert!(!page.contains("# UNIT system_cpu_load_average_1m"));
}

/// The table of the specification, for both formats.
#[test]
fn strategy_and_escaping_together_make_the_names_of_the_specification() {
    for (strategy, escaping, name) in [
        (Strategy::UnderscoreEscapingWithSuffixes, "", "hostmeter_collector_duration_seconds{"),
        (Strategy::UnderscoreEscapingWithSuffixes, "allow-utf-8", "hostmeter_collector_duration_seconds{"),
        (Strategy::UnderscoreEscapingWithoutSuffixes, "", "hostmeter_collector_duration{"),
        (Strategy::UnderscoreEscapingWithoutSuffixes, "allow-utf-8", "hostmeter_collector_duration{"),
        (Strategy::NoUtf8EscapingWithSuffixes, "underscores", "hostmeter_collector_duration_seconds{"),
        (Strategy::NoUtf8EscapingWithSuffixes, "allow-utf-8", "{\"hostmeter.collector.duration_seconds\","),
        (Strategy::NoTranslation, "", "hostmeter_collector_duration{"),
        (Strategy::NoTranslation, "allow-utf-8", "{\"hostmeter.collector.duration\","),
        (Strategy::NoTranslation, "dots", "hostmeter_dot_collector_dot_duration{"),
        (Strategy::NoTranslation, "values", "U__hostmeter_2e_collector_2e_duration{"),
    ] {
        let agent = agent(strategy);
        for format in [TEXT, OPEN] {
            let (kind, page) = page(&agent, &format!("{format};escaping={escaping}"));
            let said = if escaping.is_empty() { "underscores" } else { escaping };
            assert!(kind.ends_with(&format!("; escaping={said}")), "{kind}");
            let line = page.lines().find(|line| line.starts_with(name));
            let line = line.unwrap_or_else(|| panic!("{strategy:?} {escaping}: {name}\n{page}"));
            let label = match escaping {
                "allow-utf-8" if name.starts_with('{') => "\"hostmeter.collector\"=\"",
                "dots" => "hostmeter_dot_collector=\"",
                "values" => "U__hostmeter_2e_collector=\"",
                _ => "hostmeter_collector=\"",
            };
            assert!(line.contains(label), "{line}");
        }
    }
}

#[test]
fn who_cannot_read_dots_gets_a_page_that_every_prometheus_reads() {
    let agent = agent(Strategy::NoTranslation);
    for accept in ["*/*", "text/plain;version=0.0.4;escaping=allow-utf-8", "application/vnd.google.protobuf"]
    {
        let (kind, page) = page(&agent, accept);
        assert_eq!(kind, "text/plain; version=0.0.4; charset=utf-8");
        assert!(read(&page).contains_key("hostmeter_collector_duration"), "{accept}");
    }
}

#[test]
fn without_its_ending_a_counter_is_none_in_open_metrics() {
    let agent = agent(Strategy::NoTranslation);
    let (_, page) = page(&agent, &format!("{OPEN};escaping=allow-utf-8"));
    assert!(page.contains("# TYPE \"hostmeter.collector.errors\" unknown\n"), "{page}");
    assert!(!page.contains(" counter\n") && !page.contains("# UNIT"));
}
