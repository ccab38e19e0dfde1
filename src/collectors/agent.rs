//! The agent itself: what its collectors, its queue and its export did, from `stats`.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{SystemTime, UNIX_EPOCH};

use crate::host::{Error, Host};
use crate::metric::{Attribute, Attributes, Metric, Reading, ValueType::Double, ValueType::Int};
use crate::stats::{CollectorStats, Counts, Stats};

use super::{Collector, Spec, Turn};

const COLLECTOR: Attribute = Attribute::open("hostmeter.collector");
const ERROR_TYPE: Attribute =
    Attribute::of("error.type", &["unavailable", "permission", "io", "parse", "timeout", "ceiling", "panic"]);
const OUTCOME: Attribute = Attribute::of("outcome", &["delivered", "dropped", "rejected"]);
const REASON: Attribute = Attribute::open("reason");
const TASK: Attribute = Attribute::open("hostmeter.task");

static DURATION: Metric = Metric::gauge("hostmeter.collector.duration", "s", Double)
    .about("How long the collector's last run took")
    .by(&[COLLECTOR])
    .from("the agent");
static LAST_SUCCESS: Metric = Metric::gauge("hostmeter.collector.last_success", "s", Double)
    .about("When the collector last succeeded, in seconds since 1970")
    .by(&[COLLECTOR])
    .from("the agent");
static ERRORS: Metric = Metric::counter("hostmeter.collector.errors", "{error}", Int)
    .about("Runs of the collector with a problem; what this host does not have is counted once")
    .by(&[COLLECTOR, ERROR_TYPE])
    .from("the agent");
static UP: Metric = Metric::gauge("hostmeter.collector.up", "1", Int)
    .about("1 when the collector's last run succeeded, 0 when it did not")
    .by(&[COLLECTOR])
    .from("the agent");
static POINTS: Metric = Metric::gauge("hostmeter.collector.points", "{point}", Int)
    .about("Points of the collector's last run")
    .by(&[COLLECTOR])
    .from("the agent");
static EXPORT_POINTS: Metric = Metric::counter("hostmeter.export.points", "{point}", Int)
    .about("Points that left the export queue, by what became of them")
    .by(&[OUTCOME, REASON])
    .from("the agent");
static EXPORT_DURATION: Metric = Metric::gauge("hostmeter.export.duration", "s", Double)
    .about("How long the last attempt to deliver took")
    .from("the agent");
static QUEUE_USAGE: Metric =
    Metric::updown("hostmeter.queue.usage", "By").about("Bytes that wait for the peer").from("the agent");
static QUEUE_LIMIT: Metric = Metric::updown("hostmeter.queue.limit", "By")
    .about("Bytes that may wait before the oldest are dropped")
    .from("the agent");
static QUEUE_BATCHES: Metric = Metric::updown("hostmeter.queue.batches", "{batch}")
    .about("Requests that wait for the peer")
    .from("the agent");
static QUEUE_AGE: Metric = Metric::gauge("hostmeter.queue.oldest_age", "s", Double)
    .about("How long the oldest request has waited")
    .from("the agent");
static LAST_RELOAD: Metric = Metric::gauge("hostmeter.config.last_reload_successful", "1", Int)
    .about("1 when the configuration that was read last is in use, 0 when it was refused")
    .from("the agent");
static LAST_RELOAD_TIME: Metric = Metric::gauge("hostmeter.config.last_reload_timestamp", "s", Double)
    .about("When a configuration was last taken into use, in seconds since 1970")
    .from("the agent");
static LOG_DROPPED: Metric = Metric::counter("hostmeter.log.dropped", "{line}", Int)
    .about("Lines that the log left out: blocked by who reads it, repeated, or not taken by the receiver of agent.logs: otlp")
    .by(&[REASON])
    .from("the agent");
static PANICS: Metric = Metric::counter("hostmeter.task.panics", "{panic}", Int)
    .about("Panics by the part of the agent that they ended, which is begun again")
    .by(&[TASK])
    .from("the agent");

static LIMIT_STEP: Metric = Metric::gauge("hostmeter.limit.step", "{step}", Int)
    .about("How far the agent makes do with less to stay within resource_limits: 0 not at all, 3 at most")
    .from("the agent");

pub(super) static SPEC: Spec = Spec {
    name: "agent",
    about: "The agent itself: its collectors, its queue and its export",
    metrics: &[
        &DURATION,
        &LAST_SUCCESS,
        &ERRORS,
        &UP,
        &POINTS,
        &EXPORT_POINTS,
        &EXPORT_DURATION,
        &QUEUE_USAGE,
        &QUEUE_LIMIT,
        &QUEUE_BATCHES,
        &QUEUE_AGE,
        &LAST_RELOAD,
        &LAST_RELOAD_TIME,
        &LOG_DROPPED,
        &PANICS,
        &LIMIT_STEP,
    ],
    settings: &[],
    build: |_, context| Ok(Box::new(Agent { stats: Arc::clone(context.stats) })),
};

struct Agent {
    stats: Arc<Stats>,
}

impl Collector for Agent {
    fn turn(&self) -> Turn {
        Turn::Last
    }

    fn collect(&mut self, _: &Host, out: &mut Reading) -> Result<(), Error> {
        // These counters begin with the agent, not with the host.
        out.start = self.stats.start;
        let counts = self.stats.read();
        for (name, stats) in &counts.collectors {
            collector(name, stats, out);
        }
        export(&counts, out);
        life(&self.stats, &counts, out);
        if let Some(step) = counts.limit_step {
            out.push(&LIMIT_STEP, vec![], i64::from(step));
        }
        Ok(())
    }

    fn ceiling(&self) -> usize {
        // Every collector with every type of error.
        32 * ERROR_TYPE.values.len()
    }
}

fn collector(name: &'static str, stats: &CollectorStats, out: &mut Reading) {
    let by = || -> Attributes { vec![(COLLECTOR.name, name.into())] };
    out.push(&DURATION, by(), stats.duration.as_secs_f64());
    out.push(&UP, by(), i64::from(stats.up));
    out.push(&POINTS, by(), stats.points as u64);
    if let Some(time) = stats.last_success {
        out.push(&LAST_SUCCESS, by(), unix_seconds(time));
    }
    for (kind, count) in &stats.errors {
        let mut attributes = by();
        attributes.push((ERROR_TYPE.name, (*kind).into()));
        out.push(&ERRORS, attributes, *count);
    }
}

fn export(counts: &Counts, out: &mut Reading) {
    // With a queue on disk, the books go on from one run of the agent to the next.
    if let Some(since) = counts.export.since {
        out.since(&EXPORT_POINTS, since);
    }
    for (outcome, points) in &counts.export.points {
        let (outcome, reason) = outcome.labels();
        let mut attributes: Attributes = vec![(OUTCOME.name, outcome.into())];
        attributes.extend(reason.map(|reason| (REASON.name, reason.into())));
        out.push(&EXPORT_POINTS, attributes, *points);
    }
    if let Some(duration) = counts.export.duration {
        out.push(&EXPORT_DURATION, vec![], duration.as_secs_f64());
    }
    let Some(queue) = &counts.export.queue else { return };
    out.push(&QUEUE_USAGE, vec![], queue.usage);
    out.push(&QUEUE_LIMIT, vec![], queue.limit);
    out.push(&QUEUE_BATCHES, vec![], queue.batches);
    let age = queue.oldest.and_then(|oldest| out.time.duration_since(oldest).ok());
    out.push(&QUEUE_AGE, vec![], age.unwrap_or_default().as_secs_f64());
}

fn life(stats: &Stats, counts: &Counts, out: &mut Reading) {
    if let Some(reload) = &counts.reload {
        out.push(&LAST_RELOAD, vec![], i64::from(reload.successful));
        out.push(&LAST_RELOAD_TIME, vec![], unix_seconds(reload.at));
    }
    for (reason, lines) in [("blocked", &stats.log.blocked), ("repeated", &stats.log.repeated)] {
        out.push(&LOG_DROPPED, vec![(REASON.name, reason.into())], lines.load(Ordering::Relaxed));
    }
    // Only who sends the log can miss some of it.
    let unsent = stats.log.unsent.load(Ordering::Relaxed);
    if unsent > 0 {
        out.push(&LOG_DROPPED, vec![(REASON.name, "unsent".into())], unsent);
    }
    for (task, panics) in &counts.panics {
        out.push(&PANICS, vec![(TASK.name, (*task).into())], *panics);
    }
}

fn unix_seconds(time: SystemTime) -> f64 {
    time.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metric::Value;
    use crate::stats::{Outcome, QueueStats, ReloadStats};
    use std::time::Duration;

    #[test]
    fn what_was_counted_is_told() {
        let stats = Arc::new(Stats::default());
        {
            let mut counts = stats.lock();
            let load = counts.collectors.entry("load").or_default();
            load.up = true;
            load.errors.insert("io", 2);
            counts.count(Outcome::Dropped("queue_full"), 5);
            counts.export.since = Some(UNIX_EPOCH);
            counts.reload = Some(ReloadStats { successful: false, at: UNIX_EPOCH + Duration::from_secs(9) });
            counts.export.queue = Some(QueueStats { usage: 7, limit: 9, ..QueueStats::default() });
        }
        stats.panicked("sender");
        stats.log.repeated.store(3, Ordering::Relaxed);
        let mut out = Reading::new("agent", SPEC.metrics, |_| true, 64, UNIX_EPOCH);
        let mut agent = Agent { stats: Arc::clone(&stats) };
        agent.collect(&Host::at("/").unwrap(), &mut out).unwrap();
        let value = |metric: &'static Metric| {
            let series = out.series.iter().find(|series| std::ptr::eq(series.metric, metric)).unwrap();
            series.points.iter().map(|point| (point.attributes.clone(), point.value)).collect::<Vec<_>>()
        };
        let load: (&str, crate::metric::Text) = ("hostmeter.collector", "load".into());
        assert_eq!(value(&UP), [(vec![load.clone()], Value::Int(1))]);
        assert_eq!(value(&ERRORS), [(vec![load, ("error.type", "io".into())], Value::Int(2))]);
        let dropped = vec![("outcome", "dropped".into()), ("reason", "queue_full".into())];
        assert_eq!(value(&EXPORT_POINTS), [(dropped, Value::Int(5))]);
        assert_eq!(value(&QUEUE_USAGE), [(vec![], Value::Int(7))]);
        assert_eq!(value(&LAST_RELOAD), [(vec![], Value::Int(0))]);
        assert_eq!(value(&LAST_RELOAD_TIME), [(vec![], Value::Double(9.0))]);
        assert_eq!(value(&PANICS), [(vec![("hostmeter.task", "sender".into())], Value::Int(1))]);
        let lines = |reason: &'static str, n| (vec![("reason", reason.into())], Value::Int(n));
        assert_eq!(value(&LOG_DROPPED), [lines("blocked", 0), lines("repeated", 3)]);
        assert_eq!(out.start, stats.start);
        let own =
            |metric: &'static Metric| out.series.iter().find(|s| std::ptr::eq(s.metric, metric)).unwrap();
        assert_eq!((own(&EXPORT_POINTS).start, own(&ERRORS).start), (Some(UNIX_EPOCH), None));
    }
}
