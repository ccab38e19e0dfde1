//! The life of the program: ready, reloaded, watched, asked, stopped.

#![allow(clippy::unwrap_used, reason = "what panics in a test is what the test found")]

mod doctor;
mod program;

use std::time::{Duration, Instant};

use rustix::process::Signal;

use program::{World, ask, told, until};

const SUCCESSFUL: &str = "hostmeter_config_last_reload_successful_ratio";

#[test]
fn a_manager_is_told_of_ready_reloading_stopping_and_signs_of_life() {
    let world = World::new();
    let (socket, path) = world.manager();
    // Without WATCHDOG_PID the watchdog is meant for whoever has the variables.
    let mut agent = world.start(&[("NOTIFY_SOCKET", &path), ("WATCHDOG_USEC", "1000000")]);
    let ready = told(&socket);
    assert!(ready.starts_with("READY=1\nSTATUS=13 collectors; serves /metrics"), "{ready}");
    // Nobody scrapes, and still the host is read for it.
    let began = Instant::now();
    (0..4).for_each(|_| assert_eq!(told(&socket), "WATCHDOG=1\n"));
    assert!(began.elapsed() < Duration::from_secs(4), "{:?}", began.elapsed());
    agent.signal(Signal::HUP);
    let next = || {
        let messages = std::iter::repeat_with(|| told(&socket));
        messages.into_iter().find(|message| message != "WATCHDOG=1\n").unwrap()
    };
    assert!(next().starts_with("RELOADING=1\nMONOTONIC_USEC="));
    assert!(next().starts_with("READY=1\n"));
    agent.signal(Signal::TERM);
    assert!(next().starts_with("STOPPING=1\n"));
    assert_eq!(agent.wait().code(), Some(0));
}

#[test]
fn a_reload_swaps_all_or_nothing() {
    let world = World::new();
    let mut agent = world.start(&[]);
    world.says("agent: {labels: {team: blue}}\ncollectors: {cpu: {enabled: false}}");
    assert_eq!(agent.ask("POST", "/-/reload", "").0, 200);
    let text = agent.metrics();
    assert!(text.contains("team=\"blue\"") && !text.contains("system_cpu_time"), "{text}");
    assert_eq!(agent.value(SUCCESSFUL), Some(1.0));

    world.says("agent: {labels: {team: red}}\ncollectors: {cpu: {enabeld: true}}");
    assert_eq!(agent.ask("POST", "/-/reload", "").0, 500);
    until("the refusal is told", || agent.value(SUCCESSFUL) == Some(0.0));
    assert!(agent.metrics().contains("team=\"blue\""));
    let log = world.read("log");
    let lines: Vec<_> = log.lines().filter(|line| line.contains("ERROR")).collect();
    assert_eq!(lines.len(), 1, "{log}");
    assert!(lines[0].contains("hostmeter.yaml:3: collectors.cpu.enabeld: unknown key"), "{log}");

    world.says("agent: {root: /nowhere}");
    agent.signal(Signal::HUP);
    until("the root is refused", || world.read("log").contains("/nowhere holds no /proc"));
    world.says("");
    agent.signal(Signal::HUP);
    until("the file is good again", || agent.value(SUCCESSFUL) == Some(1.0));
    assert!(agent.metrics().contains("system_cpu_time"));
    assert_eq!(agent.end().code(), Some(0));
}

#[test]
fn only_who_is_here_and_no_web_page_may_reload() {
    let world = World::new();
    let agent = world.start(&[]);
    assert_eq!(agent.ask("GET", "/-/reload", "").0, 405);
    assert_eq!(agent.ask("POST", "/-/reload", "Origin: http://evil.example\r\n").0, 403);
    assert_eq!(agent.ask("POST", "/-/reload", "").0, 200);
}

#[test]
fn a_port_that_changes_is_bound_before_the_old_one_is_left() {
    let (world, other) = (World::new(), World::new());
    let mut agent = world.start(&[]);
    let taken = std::net::TcpListener::bind(("127.0.0.1", other.port)).unwrap();
    let to = |address: &str, port| format!("prometheus: {{bind_address: {address}, port: {port}}}\n");
    world.write("hostmeter.yaml", &to("127.0.0.1", other.port));
    assert_eq!(agent.ask("POST", "/-/reload", "").0, 500, "another program has it");
    assert_eq!(agent.ask("GET", "/-/healthy", "").0, 200);
    drop(taken);
    assert_eq!(agent.ask("POST", "/-/reload", "").0, 200);
    let old = std::mem::replace(&mut agent.port, other.port);
    assert_eq!(agent.ask("GET", "/-/ready", "").0, 200);
    until("the old port is left", || ask(([127, 0, 0, 1], old).into(), "GET", "/", "").is_none());

    // The same port at another address that the old listener is in the way of.
    world.write("hostmeter.yaml", &to("0.0.0.0", other.port));
    agent.signal(Signal::HUP);
    until("all addresses are served", || {
        ask(([127, 0, 0, 2], other.port).into(), "GET", "/-/healthy", "")
            .is_some_and(|(status, _)| status == 200)
    });
    world.write("hostmeter.yaml", "prometheus: {enabled: false}\n");
    agent.signal(Signal::HUP);
    until("nothing is served", || agent.try_ask("GET", "/-/healthy", "").is_none());
    assert_eq!(agent.end().code(), Some(0));
}

#[test]
fn counters_of_processes_do_not_go_back_over_a_reload_of_something_else() {
    let world = World::new();
    world.says("collectors: {process: {top_n: 1}}");
    // Not all of these are among the first.
    let _busy: Vec<_> = (0..4).map(|_| World::busy()).collect();
    let agent = world.start(&[]);
    let other = "process_cpu_time_seconds_total{process_executable_name=\"_other\",cpu_mode=\"user\"}";
    // Some of the remainder's time, which a collector that begins anew would not have.
    let mut before = 0.0;
    until("the remainder has consumed something", || {
        std::thread::sleep(Duration::from_millis(500));
        before = agent.value(other).unwrap_or(0.0);
        before > 0.0
    });
    world.says("collectors: {process: {top_n: 1}}\nagent: {labels: {team: blue}}");
    assert_eq!(agent.ask("POST", "/-/reload", "").0, 200);
    let text = agent.metrics();
    assert!(text.contains("team=\"blue\""));
    let after = agent.value(other).unwrap();
    assert!(after >= before, "{before} -> {after}");
}
