//! The screen as text, and that no size and no name breaks it.

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use proptest::prelude::*;
use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::buffer::Cell;
use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

use super::model::{Model, Order};
use super::{Asked, interval, meant, view};
use crate::collectors;
use crate::metric::{Attributes, Entity, Metric, Reading, Snapshot, Value, ValueType};

/// A metric of the collectors by its name.
fn metric(name: &str) -> &'static Metric {
    let all = collectors::ALL.iter().flat_map(|spec| spec.metrics);
    all.into_iter().find(|metric| metric.name == name).unwrap_or_else(|| panic!("no {name}"))
}

fn typed(metric: &Metric, value: f64) -> Value {
    match metric.value {
        ValueType::Int => Value::Int(value as i64),
        ValueType::Double => Value::Double(value),
    }
}

/// A reading of everything, so many seconds after the first one.
fn snapshot(begin: Instant, seconds: u64) -> Snapshot {
    let metrics: Vec<&'static Metric> =
        collectors::ALL.iter().flat_map(|spec| spec.metrics).copied().collect();
    let mut reading = Reading::new("test", metrics.leak(), |_| true, 99, SystemTime::UNIX_EPOCH);
    reading.instant = begin + Duration::from_secs(seconds);
    let mut put = |name: &str, attributes: &[(&'static str, &str)], value: f64| {
        let attributes: Attributes =
            attributes.iter().map(|(key, value)| (*key, (*value).to_owned().into())).collect();
        reading.push(metric(name), attributes, typed(metric(name), value));
    };
    put("system.uptime", &[], 93_784.5);
    put("system.cpu.logical.count", &[], 2.0);
    for (span, load) in [("1m", 0.5), ("5m", 1.25), ("15m", 2.0)] {
        put(&format!("system.cpu.load_average.{span}"), &[], load);
    }
    for (mode, share) in [("user", 0.25), ("system", 0.125), ("idle", 0.525), ("iowait", 0.1), ("steal", 0.0)]
    {
        put("system.cpu.utilization", &[("cpu.mode", mode)], share);
    }
    let gib = f64::from(1 << 30);
    put("system.memory.limit", &[], 8.0 * gib);
    for (state, size) in [("used", 2.0), ("free", 3.0), ("buffers", 1.0), ("cached", 2.0)] {
        put("system.memory.usage", &[("system.memory.state", state)], size * gib);
    }
    for (state, size) in [("used", 0.5), ("free", 1.5)] {
        put("system.paging.usage", &[("system.device", "/swap"), ("system.paging.state", state)], size * gib);
    }
    let moved = seconds as f64 * 1024.0;
    for (device, factor) in [("vda", 512.0), ("vdb", 1.0)] {
        for (way, factor) in [("read", factor), ("write", 2.0 * factor)] {
            put("system.disk.io", &[("system.device", device), ("disk.io.direction", way)], moved * factor);
        }
    }
    for (way, factor) in [("receive", 3.0), ("transmit", 4.0)] {
        let attributes = [("network.interface.name", "eth0"), ("network.io.direction", way)];
        put("system.network.io", &attributes, moved * factor);
    }
    let point = ("system.filesystem.mountpoint", "/da\u{1b}ta");
    put("system.filesystem.limit", &[point], 4.0 * gib);
    put("system.filesystem.usage", &[point, ("system.filesystem.state", "used")], 3.0 * gib);
    for (name, share) in [("cpu", 0.25), ("io", 0.5)] {
        let stalled = seconds as f64 * share;
        let some = [("system.pressure.stall_type", "some")];
        put(&format!("system.{name}.linux.pressure.total"), &some, stalled);
    }
    let processes = [
        (7, "small", 0.01, 9.0, 100.0),
        (42, "busy", 0.5, 1.0, 0.0),
        (99, "big\u{7}", 0.1, 512.0, 1.0),
        (0, "_other", 0.2, 64.0, 0.0),
    ];
    for (pid, name, cpu, mib, io) in processes {
        let mut attributes: Attributes = vec![("process.executable.name", name.to_owned().into())];
        if pid > 0 {
            attributes.push(("process.pid", pid.into()));
            attributes.push(("process.owner", "root".into()));
        }
        let entity = reading.entity(Entity { attributes, start: SystemTime::UNIX_EPOCH, title: None });
        for mode in ["user", "system"] {
            reading.push_of(
                entity,
                metric("process.cpu.utilization"),
                vec![("cpu.mode", mode.into())],
                cpu / 2.0,
            );
        }
        let usage = metric("process.memory.usage");
        reading.push_of(entity, usage, vec![], typed(usage, mib * f64::from(1 << 20)));
        if pid > 0 {
            let read = vec![("disk.io.direction", "read".into())];
            reading.push_of(
                entity,
                metric("process.disk.io"),
                read,
                typed(metric("process.disk.io"), moved * io),
            );
        }
    }
    Snapshot { readings: vec![Arc::new(reading)] }
}

fn model() -> Model {
    let begin = Instant::now();
    Model::of("web-1", &snapshot(begin, 12), Some(&snapshot(begin, 10)))
}

fn screen(model: &Model, order: Order, width: u16, height: u16) -> String {
    let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
    terminal.draw(|frame| view::draw(frame, model, order)).unwrap();
    let buffer = terminal.backend().buffer().clone();
    let rows = buffer.content().chunks(usize::from(width.max(1)));
    let rows = rows.map(|row| row.iter().map(Cell::symbol).collect::<String>().trim_end().to_owned() + "\n");
    rows.collect()
}

#[test]
fn the_screen_of_a_small_terminal() {
    let mut model = model();
    model.sort(Order::Cpu);
    insta::assert_snapshot!(screen(&model, Order::Cpu, 80, 24));
}

#[test]
fn the_screen_of_a_large_terminal() {
    let mut model = model();
    model.sort(Order::Memory);
    insta::assert_snapshot!(screen(&model, Order::Memory, 130, 18));
}

#[test]
fn processes_are_sorted_and_who_is_not_shown_alone_is_last() {
    let mut model = model();
    let mut names = |order| {
        model.sort(order);
        model.rows.iter().map(|row| row.name.clone()).collect::<Vec<_>>()
    };
    assert_eq!(names(Order::Cpu), ["busy", "big\u{7}", "small", "_other"]);
    assert_eq!(names(Order::Memory), ["big\u{7}", "small", "busy", "_other"]);
    assert_eq!(names(Order::Io), ["small", "big\u{7}", "busy", "_other"]);
}

#[test]
fn before_the_second_reading_there_are_no_rates() {
    let begin = Instant::now();
    let now = snapshot(begin, 12);
    for before in [None, Some(&now)] {
        let model = Model::of("web-1", &now, before);
        assert_eq!((model.disks[0].inward, model.networks[0].outward, model.rows[1].io), (None, None, None));
        assert!(model.pressure.is_empty() && !model.cpu.is_empty());
    }
    let nothing = Model::of("web-1", &Snapshot::default(), Some(&now));
    assert_eq!(nothing, Model { host: "web-1".to_owned(), ..Model::default() });
    assert!(screen(&nothing, Order::Io, 80, 24).contains("on web-1"));
}

#[test]
fn keys_are_understood() {
    let key = |code, modifiers| meant(KeyEvent::new(code, modifiers));
    let plain = |letter| key(KeyCode::Char(letter), KeyModifiers::NONE);
    assert_eq!(plain('c'), Some(Asked::Sort(Order::Cpu)));
    assert_eq!(plain('m'), Some(Asked::Sort(Order::Memory)));
    assert_eq!(plain('i'), Some(Asked::Sort(Order::Io)));
    assert_eq!((plain('q'), plain('x')), (Some(Asked::Quit), None));
    assert_eq!(key(KeyCode::Esc, KeyModifiers::NONE), Some(Asked::Quit));
    assert_eq!(key(KeyCode::Char('c'), KeyModifiers::CONTROL), Some(Asked::Quit));
}

#[test]
fn an_interval_is_a_duration_in_a_range() {
    assert_eq!(interval("2s"), Ok(Duration::from_secs(2)));
    assert_eq!(interval("1.5"), Ok(Duration::from_millis(1500)));
    for wrong in ["", "0", "999ms", "2h", "-1", "NaN", "soon"] {
        assert!(interval(wrong).is_err(), "{wrong}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]
    #[test]
    fn no_size_and_no_value_panics(
        width in 1..=200_u16,
        height in 1..=60_u16,
        name in "\\PC{0,40}",
        shares in proptest::collection::vec(any::<f64>(), 0..6),
    ) {
        let mut model = model();
        model.host.clone_from(&name);
        model.rows[0].name = name;
        model.cpu.extend(shares.iter().map(|share| ("user".to_owned(), *share)));
        model.memory.extend(shares.iter().map(|share| ("other".to_owned(), *share)));
        model.memory_limit = shares.first().copied();
        model.rows[1].io = shares.last().copied();
        for order in [Order::Cpu, Order::Memory, Order::Io] {
            model.sort(order);
            prop_assert_eq!(screen(&model, order, width, height).lines().count(), usize::from(height));
        }
    }
}

#[test]
fn every_small_size_is_drawn() {
    let model = model();
    for width in 1..=20 {
        for height in 1..=12 {
            assert!(!screen(&model, Order::Cpu, width, height).is_empty());
        }
    }
}
