//! `hostmeter doctor` and `hostmeter healthcheck` beside nothing, beside an agent, and beside others.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::time::{Duration, Instant};

use super::program::World;

fn verdicts(world: &World) -> (Option<i32>, serde_json::Value) {
    let output = world.run(&["doctor", "--json"]);
    (output.status.code(), serde_json::from_slice(&output.stdout).unwrap())
}

fn finding<'a>(report: &'a serde_json::Value, check: &str) -> (&'a str, &'a str) {
    let finding = report.as_array().unwrap().iter().find(|finding| finding["check"] == check).unwrap();
    (finding["verdict"].as_str().unwrap(), finding["found"].as_str().unwrap())
}

#[test]
fn beside_nothing_all_is_well_and_healthcheck_finds_nobody() {
    let world = World::new();
    let (code, report) = verdicts(&world);
    assert_eq!(code, Some(0), "{report}");
    assert_eq!(finding(&report, "root").0, "ok");
    assert_eq!(finding(&report, "clock").0, "ok");
    assert!(finding(&report, "prometheus").1.starts_with("free: 127.0.0.1:"));
    assert_eq!(finding(&report, "otlp").1, "off: no endpoint");
    let output = world.run(&["healthcheck"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8(output.stderr).unwrap().contains("Connection refused"));
}

#[test]
fn beside_an_agent_the_port_is_no_problem_and_healthcheck_is_good() {
    let world = World::new();
    let agent = world.start(&[]);
    let (code, report) = verdicts(&world);
    assert_eq!(code, Some(0), "{report}");
    assert!(finding(&report, "prometheus").1.starts_with("hostmeter runs already"), "{report}");
    let check = world.run(&["check"]);
    assert_eq!(check.status.code(), Some(0));
    assert!(String::from_utf8(check.stdout).unwrap().contains("hostmeter runs already"));
    let output = world.run(&["healthcheck"]);
    assert_eq!(output.status.code(), Some(0));
    assert!(String::from_utf8(output.stdout).unwrap().ends_with("/-/ready: ready\n"));
    let url = format!("http://127.0.0.1:{}/nowhere", agent.port);
    assert_eq!(world.run(&["healthcheck", "--url", &url]).status.code(), Some(1));
}

#[test]
fn another_program_at_the_port_is_a_problem_and_one_that_hangs_is_not_waited_for() {
    let world = World::new();
    let _other = TcpListener::bind(("127.0.0.1", world.port)).unwrap();
    let (code, report) = verdicts(&world);
    assert_eq!((code, finding(&report, "prometheus").0), (Some(1), "problem"), "{report}");
    let began = Instant::now();
    assert_eq!(world.run(&["healthcheck"]).status.code(), Some(1));
    assert!(began.elapsed() < Duration::from_secs(4), "{:?}", began.elapsed());
}

#[test]
fn an_endpoint_is_tried_and_mix_ups_are_named() {
    let world = World::new();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            // A web server that speaks no HTTP/2, and takes what was sent, so that nothing is reset.
            let mut stream = stream.unwrap();
            let _ = stream.read(&mut [0; 4096]);
            let _ = stream.write_all(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n");
            std::thread::sleep(Duration::from_millis(300));
        }
    });
    for (endpoint, words) in [
        ("http://127.0.0.1:1".to_owned(), "connection refused"),
        (format!("http://{address}"), "no gRPC is spoken there"),
        (format!("https://{address}"), "no TLS is spoken there"),
        ("http://nobody.invalid:4317".to_owned(), "the name does not resolve"),
    ] {
        world.says(&format!("otlp: {{endpoint: \"{endpoint}\"}}"));
        let (code, report) = verdicts(&world);
        let (verdict, found) = finding(&report, "otlp");
        assert_eq!((code, verdict), (Some(1), "problem"), "{endpoint}: {found}");
        assert!(found.contains(words), "{endpoint}: {found}");
    }
}

#[test]
fn a_queue_that_cannot_be_and_a_file_that_is_wrong_are_problems() {
    let world = World::new();
    world.write("file", "");
    world.says("otlp: {endpoint: \"http://127.0.0.1:1\"}\nqueue: {directory: ./file/queue}");
    let (_, report) = verdicts(&world);
    assert_eq!(finding(&report, "queue").0, "problem", "{report}");
    world.says("queue: {directory: ./queue}\notlp: {endpoint: \"http://127.0.0.1:1\"}");
    assert_eq!(finding(&verdicts(&world).1, "queue").0, "ok");
    assert!(!world.directory.path().join("queue").exists(), "a look changes nothing");
    world.says("otpl: {}");
    let (code, report) = verdicts(&world);
    assert_eq!((code, finding(&report, "configuration").0), (Some(1), "problem"));
    assert!(finding(&report, "configuration").1.contains("hostmeter.yaml:2: otpl"), "{report}");
}
