//! The command line as an interface: what a script may rely on.

#![allow(clippy::unwrap_used, reason = "what panics in a test is what the test found")]

mod support;

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};

use assert_cmd::Command;
use hostmeter::collectors::{ALL, schemas};
use serde_json::Value;

/// A directory with a configuration file, which keeps the tester's own out of the tests.
struct Place(tempfile::TempDir);

impl Place {
    fn with(yaml: &str) -> Self {
        let place = Self(tempfile::tempdir().unwrap());
        std::fs::write(place.file(), yaml).unwrap();
        place
    }

    fn file(&self) -> PathBuf {
        self.0.path().join("hostmeter.yaml")
    }

    /// The program with this configuration and nothing in its environment.
    fn run(&self, arguments: &[&str]) -> Answer {
        let file = self.file();
        let mut command = Command::new(assert_cmd::cargo::cargo_bin!("hostmeter"));
        let command = command.env_clear().arg("--config").arg(file).args(arguments);
        let output = command.timeout(std::time::Duration::from_mins(1)).output().unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        Answer { code: output.status.code(), out: text(output.stdout), err: text(output.stderr) }
    }

    /// The same, started and left running.
    #[allow(
        clippy::disallowed_methods,
        reason = "the program under test is run, and by nothing else can it be"
    )]
    fn start(&self, arguments: &[&str], out: Stdio) -> Child {
        let mut command = std::process::Command::new(assert_cmd::cargo::cargo_bin!("hostmeter"));
        let command = command.env_clear().arg("--config").arg(self.file()).args(arguments);
        command.stdout(out).stderr(Stdio::piped()).spawn().unwrap()
    }
}

impl Default for Place {
    fn default() -> Self {
        Self::with("prometheus: {port: 0, bind_address: 127.0.0.1}\n")
    }
}

struct Answer {
    code: Option<i32>,
    out: String,
    err: String,
}

impl Answer {
    #[track_caller]
    fn good(self) -> String {
        assert_eq!(self.code, Some(0), "{}{}", self.out, self.err);
        assert!(!self.out.contains('\u{1b}') && !self.err.contains('\u{1b}'), "colours where no terminal is");
        self.out
    }

    #[track_caller]
    fn refused(self, code: i32) -> String {
        assert_eq!(self.code, Some(code), "{}{}", self.out, self.err);
        assert_eq!(self.out, "", "what went wrong is for the standard error");
        assert!(!self.err.contains("panicked") && !self.err.contains('\u{1b}'), "{}", self.err);
        self.err
    }
}

fn run(arguments: &[&str]) -> Answer {
    Place::default().run(arguments)
}

#[test]
fn help_and_version_are_good_and_tell_the_exit_codes() {
    let help = run(&["--help"]).good();
    for text in
        ["Examples:", "hostmeter once", "0 good, 1 failed while running, 2 usage, 78", "--config <FILE>"]
    {
        assert!(help.contains(text), "{text}: {help}");
    }
    assert_eq!(run(&["--version"]).good(), format!("hostmeter {}\n", env!("CARGO_PKG_VERSION")));
}

#[test]
fn what_is_not_understood_is_2() {
    assert!(run(&["frobnicate"]).refused(2).contains("unrecognized subcommand 'frobnicate'"));
    assert!(run(&["once", "--format", "xml"]).refused(2).contains("table, prometheus, otlp-json"));
    assert!(run(&["metrics", "--format", "xml"]).refused(2).contains("table, markdown, json"));
    assert!(run(&["config"]).refused(2).contains("Usage:"));
    assert!(run(&["--frob"]).refused(2).contains("--frob"));
}

#[test]
fn the_catalogue_names_every_metric_in_every_format() {
    let names: BTreeSet<&str> = ALL.iter().flat_map(|spec| spec.metrics).map(|metric| metric.name).collect();
    let json: Value = serde_json::from_str(&run(&["metrics", "--format", "json"]).good()).unwrap();
    let entries = json.as_array().unwrap();
    assert_eq!(entries.iter().map(|entry| entry["name"].as_str().unwrap()).collect::<BTreeSet<_>>(), names);
    for entry in entries {
        for text in ["collector", "kind", "unit", "value", "description", "source", "prometheus"] {
            assert!(entry[text].as_str().is_some_and(|text| !text.is_empty()), "{entry}");
        }
        assert!(entry["default"].is_boolean() && entry["attributes"].is_array(), "{entry}");
    }
    for format in ["table", "markdown"] {
        let text = run(&["metrics", "--format", format]).good();
        let quote = if format == "markdown" { "`" } else { " " };
        for name in &names {
            assert!(text.contains(&format!("{quote}{name}{quote}")), "{format}: {name}");
        }
    }
    assert_eq!(run(&["metrics"]).good(), run(&["metrics", "--format", "table"]).good());
}

#[test]
fn the_default_file_is_printed_or_written_and_never_over_another() {
    let place = Place::default();
    let default = hostmeter::config::render_default(&schemas());
    assert_eq!(place.run(&["config", "init"]).good(), default);

    let path = place.0.path().join("new.yaml");
    let path = path.to_str().unwrap();
    assert_eq!(place.run(&["config", "init", path]).good(), format!("wrote {path}\n"));
    assert_eq!(std::fs::read_to_string(path).unwrap(), default);

    std::fs::write(path, "mine").unwrap();
    assert!(place.run(&["config", "init", path]).refused(1).contains("overwrite it with --force"));
    assert_eq!(std::fs::read_to_string(path).unwrap(), "mine");
    place.run(&["config", "init", "--force", path]).good();
    assert_eq!(std::fs::read_to_string(path).unwrap(), default);

    let nowhere = place.0.path().join("no/such/directory.yaml");
    let error = place.run(&["config", "init", nowhere.to_str().unwrap()]).refused(1);
    assert!(error.contains("not written") && !error.contains("--force"), "{error}");
}

#[test]
fn the_default_file_is_a_good_configuration() {
    let place = Place::with(&hostmeter::config::render_default(&schemas()));
    place.run(&["config", "show"]).good();
}

#[test]
fn the_configuration_is_shown_with_where_it_comes_from() {
    let shown = Place::with("agent:\n  log_level: warn\nprometheus: {port: 0}\n").run(&[
        "config",
        "show",
        "--log-level",
        "debug",
    ]);
    let shown = shown.good();
    assert!(shown.contains("log_level: debug  # from --log-level"), "{shown}");
    assert!(
        shown.contains("hostmeter.yaml:3") && shown.contains("scope_labels: false  # default"),
        "{shown}"
    );
}

#[test]
fn a_configuration_that_is_wrong_is_78_with_every_problem_and_its_line() {
    let place =
        Place::with("agent:\n  lables: {a: b}\nprometheus:\n  port: 99999\notlp: {endpoint: 'alloy:4317'}\n");
    let file = place.file().display().to_string();
    for command in [&["run"][..], &["once"], &["check"], &["config", "show"], &[]] {
        let error = place.run(command).refused(78);
        assert!(error.starts_with("hostmeter: the configuration is refused\n"), "{error}");
        assert!(error.contains(&format!("{file}:2: agent.lables: unknown key; did you mean \"labels\"?\n")));
        assert!(
            error.contains(&format!("{file}:4: prometheus.port: expected a whole number from 0 to 65535"))
        );
        assert!(error.contains("did you mean \"http://alloy:4317\"?"), "{error}");
    }
    std::fs::remove_file(place.file()).unwrap();
    assert!(place.run(&["once"]).refused(78).contains("no such file (named by --config)"));
}

#[test]
fn what_stands_in_for_the_collectors_of_linux_is_refused_beside_them_and_works_alone() {
    let error = Place::with("collectors: {portable: true, cpu: false}\n").run(&["check"]).refused(78);
    let told = "hostmeter.yaml:1: collectors.portable.enabled: it measures what others do that are on; set load: \
                false, memory: false, paging: false, disk: false, filesystem: false, network: false, system: \
                false, process: false as well";
    assert!(error.contains(told), "{error}");
    let names = ["cpu", "load", "memory", "paging", "disk", "filesystem", "network", "system", "process"];
    let off = names.map(|name| format!("  {name}: false\n")).concat();
    let place = Place::with(&format!("collectors:\n  portable: true\n{off}"));
    let page = place.run(&["once", "--format", "prometheus"]).good();
    for series in
        ["system_memory_limit_bytes ", "system_cpu_utilization_ratio{", "process_memory_usage_bytes{"]
    {
        assert!(page.contains(&format!("\n{series}")), "{series}: {page}");
    }
}

#[test]
fn a_root_without_a_host_is_78_with_the_remedy() {
    let empty = tempfile::tempdir().unwrap();
    let root = empty.path().to_str().unwrap();
    for command in ["run", "once", "check"] {
        let error = run(&[command, "--root", root]).refused(78);
        assert!(
            error.contains(&format!("{root} holds no /proc")) && error.contains("mount the host's /"),
            "{error}"
        );
    }
}

#[test]
fn a_port_that_is_in_use_is_1_with_the_remedy() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    let place = Place::with(&format!("prometheus: {{port: {port}, bind_address: 127.0.0.1}}\n"));
    for command in ["run", "check"] {
        let error = place.run(&[command]).refused(1);
        assert!(error.contains(&format!("port {port} on 127.0.0.1 is in use")), "{error}");
        assert!(
            error.contains("prometheus.port") && error.contains("OTEL_EXPORTER_PROMETHEUS_PORT"),
            "{error}"
        );
    }
}

#[test]
fn a_web_configuration_that_cannot_be_used_is_78_and_one_that_can_is_listened_by() {
    let web = |text: &str| {
        let place =
            Place::with("prometheus: {listen: ['127.0.0.1:0', '127.0.0.2:0'], web_config_file: web.yaml}\n");
        let path = place.0.path().join("web.yaml");
        std::fs::write(&path, text).unwrap();
        let named = std::fs::read_to_string(place.file()).unwrap();
        std::fs::write(place.file(), named.replace("web.yaml", path.to_str().unwrap())).unwrap();
        place
    };
    for command in ["run", "check"] {
        let error = web("tls_server_confog: {}\n").run(&[command]).refused(78);
        assert!(error.contains("web.yaml:1: tls_server_confog: unknown section"), "{error}");
        assert!(error.contains("did you mean \"tls_server_config\"?"), "{error}");
    }
    let told = web("rate_limit: {interval: 1s, burst: 5}\n").run(&["check"]).good();
    assert!(told.contains("http://127.0.0.1:") && told.contains("http://127.0.0.2:"), "{told}");
}

#[test]
fn a_check_tells_what_is_on_and_why_something_is_not() {
    let vm = support::unpack("vm");
    let place =
        Place::with("prometheus: {port: 0, bind_address: 127.0.0.1}\ncollectors: {load: {enabled: false}}\n");
    let told = place.run(&["check", "--root", vm.path().to_str().unwrap()]).good();
    let lines: Vec<&str> = told.lines().collect();
    assert_eq!(lines[0], format!("configuration  {}: good", place.file().display()));
    assert!(lines[1].ends_with("vm-1, Debian GNU/Linux 12 (bookworm), kernel 6.1.0-18-amd64, 4 CPUs, vm.id 4c4c4544-0042-3510-8054-b4c04f4e4d31"), "{told}");
    for spec in ALL {
        let line = lines.iter().find(|line| line.starts_with(&format!("  {} ", spec.name))).expect(spec.name);
        let on = spec.name != "load";
        assert_eq!(line.contains("  on   "), on, "{line}");
        assert!(on || line.contains("collectors.load.enabled is false"), "{line}");
    }
    assert!(told.contains("prometheus   on    http://127.0.0.1:"), "{told}");
    assert!(
        told.contains("otlp         off   no endpoint; set otlp.endpoint or OTEL_EXPORTER_OTLP_ENDPOINT")
    );
}

#[test]
fn a_check_tells_where_batches_wait() {
    let directory = tempfile::tempdir().unwrap();
    let check = |queue: &str| {
        let file = format!("prometheus: {{enabled: false}}\notlp: {{enabled: true}}\nqueue: {{{queue}}}\n");
        let told = Place::with(&file).run(&["check"]).good();
        told.lines().find(|line| line.starts_with("  queue ")).unwrap_or_default().to_owned()
    };
    assert!(check("").contains("on    in memory, at most 8.0 MiB; gone with the process (queue.directory"));
    let path = directory.path().join("queue").display().to_string();
    let good = check(&format!("directory: {path}, min_free: 0B, max_bytes: 2MiB"));
    assert!(good.ends_with(&format!("on    {path}, at most 2.0 MiB; 0 batches wait there")), "{good}");
    std::fs::write(directory.path().join("file"), "").unwrap();
    let bad = check(&format!("directory: {path}/../file"));
    assert!(bad.contains("on    in memory, at most 8.0 MiB") && bad.contains("Not a directory"), "{bad}");
}

fn once(host: &str, format: &str) -> String {
    let root = support::unpack(host);
    run(&["once", "--format", format, "--root", root.path().to_str().unwrap()]).good()
}

#[test]
fn a_host_is_measured_once_as_the_text_of_prometheus() {
    let page = once("vm", "prometheus");
    for line in [
        "system_memory_limit_bytes 8326639616",
        "system_cpu_time_seconds_total{cpu_mode=\"user\"} 95924.1",
        "system_network_errors_total{network_interface_name=\"eth1\",network_io_direction=\"receive\"} 3",
        "hostmeter_collector_up_ratio{hostmeter_collector=\"process\"} 1",
    ] {
        assert!(page.lines().any(|found| found == line), "{line}");
    }
    assert!(
        page.contains("process_executable_name=\"systemd-journald\"") && page.contains("host_name=\"vm-1\"")
    );
}

#[test]
fn a_host_is_measured_once_as_otlp() {
    let text = once("vm", "otlp-json");
    let mut metrics = BTreeSet::new();
    let mut pids = BTreeSet::new();
    for line in text.lines() {
        let request: Value = serde_json::from_str(line).unwrap();
        for resource in request["resourceMetrics"].as_array().unwrap() {
            let attributes = resource["resource"]["attributes"].as_array().unwrap();
            let value = |key: &str| attributes.iter().find(|a| a["key"] == key).map(|a| &a["value"]);
            assert_eq!(value("host.name").unwrap()["stringValue"], "vm-1");
            pids.extend(value("process.pid").map(|value| value["intValue"].to_string()));
            for metric in resource["scopeMetrics"][0]["metrics"].as_array().unwrap() {
                metrics.insert(metric["name"].as_str().unwrap().to_owned());
            }
        }
    }
    assert_eq!(pids.len(), 8);
    assert!(metrics.contains("system.memory.usage") && metrics.contains("process.cpu.time"), "{metrics:?}");
}

#[test]
fn a_host_is_measured_once_as_a_table_that_no_name_can_break() {
    let table = once("hostile", "table");
    // `good` has seen already that there is no escape in it.
    assert!(!table.chars().any(|c| c.is_control() && c != '\n'), "{table}");
    assert!(table.contains("\\u{1b}[31mred") && table.contains("line\\nbreak"), "{table}");
    assert!(once("vm", "table").contains("memory (13 points)"));
}

#[test]
fn a_reader_that_has_gone_is_no_error_and_a_full_disk_is() {
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    for command in [
        &["metrics"][..],
        &["metrics", "--format", "json"],
        &["config", "init"],
        &["config", "show"],
        &["--help"],
    ] {
        let output =
            Place::default().start(command, writer.try_clone().unwrap().into()).wait_with_output().unwrap();
        assert_eq!(
            (output.status.code(), String::from_utf8_lossy(&output.stderr)),
            (Some(0), "".into()),
            "{command:?}"
        );
    }
    if Path::new("/dev/full").exists() {
        let full = std::fs::File::options().write(true).open("/dev/full").unwrap();
        let output = Place::default().start(&["metrics"], full.into()).wait_with_output().unwrap();
        let error = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1));
        assert!(error.starts_with("hostmeter: the standard output: "), "{error}");
    }
}

/// Ends with the test, also with one that fails.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn a_running_agent_says_where_it_listens_and_ends_well_when_it_is_told_to() {
    let vm = support::unpack("vm");
    let place = Place::default();
    let mut running = Running(place.start(&["--root", vm.path().to_str().unwrap()], Stdio::null()));
    let mut lines = BufReader::new(running.0.stderr.take().unwrap());
    let mut log = String::new();
    while !log.contains("otlp: off") {
        assert!(lines.read_line(&mut log).unwrap() > 0, "{log}");
    }
    assert!(log.contains("serves /metrics addresses=\"127.0.0.1:"), "{log}");
    let pid = rustix::process::Pid::from_child(&running.0);
    rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
    assert_eq!(running.0.wait().unwrap().code(), Some(0));
    lines.read_to_string(&mut log).unwrap();
    assert!(log.contains("stopping") && log.ends_with("stopped\n") && !log.contains('\u{1b}'), "{log}");
}
