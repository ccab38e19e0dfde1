"""Bad input: each with its exit code and a message that says what to do."""

import re
import socket
from dataclasses import dataclass, field

from components import Agent, free_port, hostmeter

GOOD, FAILED, USAGE, CONFIG = 0, 1, 2, 78


@dataclass
class Case:
    name: str
    code: int
    # Each must be found in what is printed, in any case of letters.
    says: list
    config: object = None  # text or bytes of the configuration file
    args: list = field(default_factory=lambda: ["run"])
    env: dict = field(default_factory=dict)


CASES = [
    Case("an unknown key", CONFIG, [r"bad\.yaml", r"\b2\b", "prot", "port"], "prometheus:\n  prot: 9464\n"),
    Case("an unknown section", CONFIG, [r"bad\.yaml", r"\b1\b", "promethus", "prometheus"],
         "promethus:\n  port: 9464\n"),
    Case("an unknown collector", CONFIG, [r"bad\.yaml", r"\b2\b", "cpus", r"\bcpu\b"],
         "collectors:\n  cpus:\n    enabled: true\n"),
    Case("a wrong type", CONFIG, [r"bad\.yaml", r"\b2\b", r"prometheus\.port", "many"], "prometheus:\n  port: many\n"),
    Case("a wrong type of a switch", CONFIG, [r"bad\.yaml", r"\b3\b", r"collectors\.cpu\.enabled", "perhaps"],
         "collectors:\n  cpu:\n    enabled: perhaps\n"),
    Case("three faults told at once", CONFIG, [r"\b2\b.*prot", r"\b3\b.*bind_adress", r"\b5\b.*intervall"],
         "prometheus:\n  prot: 1\n  bind_adress: x\notlp:\n  intervall: 5s\n"),
    Case("a file that is no YAML", CONFIG, [r"bad\.yaml", r"\b[23]\b"], "prometheus:\n  port: [1\nx: y\n"),
    Case("a file that is no text", CONFIG, [r"bad\.yaml", "UTF-8"], b"prometheus:\n  bind_address: \xff\xfe\n"),
    Case("a port out of range in the file", CONFIG, [r"bad\.yaml", r"\b2\b", r"prometheus\.port", "70000", "65535"],
         "prometheus:\n  port: 70000\n"),
    Case("a port out of range in the environment", CONFIG, ["OTEL_EXPORTER_PROMETHEUS_PORT", "70000", "65535"],
         env={"OTEL_EXPORTER_PROMETHEUS_PORT": "70000"}),
    Case("a port that is no number", CONFIG, [r"\bPROMETHEUS_PORT", "http"], env={"PROMETHEUS_PORT": "http"}),
    Case("an interval that is no number", CONFIG, ["OTEL_METRIC_EXPORT_INTERVAL", "soon"],
         env={"OTEL_METRIC_EXPORT_INTERVAL": "soon"}),
    Case("an endpoint that is no URL", CONFIG, [r"bad\.yaml", r"\b2\b", r"otlp\.endpoint", "http://"],
         'otlp:\n  endpoint: "not a url"\n'),
    Case("an endpoint with a foreign scheme", CONFIG, [r"otlp\.endpoint", "ftp", "http"],
         "otlp:\n  endpoint: ftp://localhost:4317\n"),
    Case("a bad endpoint in the environment", CONFIG, ["OTEL_EXPORTER_OTLP_ENDPOINT"],
         env={"OTEL_EXPORTER_OTLP_ENDPOINT": "http://[::1"}),
    Case("an invalid label name", CONFIG, [r"bad\.yaml", r"\b3\b", r"agent\.labels", "not a label"],
         'agent:\n  labels:\n    "not a label": x\n'),
    Case("`check` of a bad file", CONFIG, [r"bad\.yaml", "prot"], "prometheus:\n  prot: 9464\n", ["check"]),
    Case("an unknown flag", USAGE, ["--colour", "--help"], args=["run", "--colour"]),
    Case("an unknown subcommand", USAGE, ["runn", "run"], args=["runn"]),
    Case("an unknown format", USAGE, ["yaml", "table"], args=["once", "--format", "yaml"]),
]


def run(report, directory, options):
    for case in CASES:
        with report.check(f"bad input: {case.name}") as check:
            ends(check, case, directory)
    with report.check("bad input: a file that is not there") as check:
        told(check, CONFIG, [r"nowhere\.yaml"], "run", "--config", directory / "nowhere.yaml")
    with report.check("bad input: a file that cannot be read") as check:
        # Not even root reads a directory as a file.
        told(check, CONFIG, [re.escape(str(directory))], "run", "--config", directory)
    with report.check("bad input: a root that holds no /proc") as check:
        empty = directory / "empty-root"
        empty.mkdir()
        told(check, CONFIG, [re.escape(str(empty)), "proc"], "run", "--root", empty)
    with report.check("bad input: a port in use") as check:
        with socket.create_server(("127.0.0.1", 0)) as holder:
            port = holder.getsockname()[1]
            says = [rf"\b{port}\b", "in use", r"prometheus\.port|OTEL_EXPORTER_PROMETHEUS_PORT"]
            told(check, FAILED, says, "run", OTEL_EXPORTER_PROMETHEUS_PORT=port)
    with report.check("an empty file is a good configuration") as check:
        empty = directory / "empty.yaml"
        empty.write_text("")
        with Agent(directory, "hostmeter-empty", args=["--config", empty]) as agent:
            agent.start()
            check.that("system_cpu_time_seconds_total" in agent.page().samples, "/metrics has no CPU time")
            check.same("exit code", agent.stop()[0], GOOD)
    for args in (["--help"], ["--version"], ["check"], ["once"], ["once", "--format", "prometheus"],
                 ["metrics"], ["metrics", "--format", "markdown"], ["config", "show"]):
        with report.check(f"good input: hostmeter {' '.join(args)}") as check:
            code, out, err = hostmeter(*args)
            check.same("exit code", code, GOOD)
            check.that(out.strip(), f"nothing on standard output; standard error: {err[:200]}")
    # `cargo test` builds the dependencies with the features of the test dependencies, too: only a binary that was
    # built alone shows a feature that is missing.
    with report.check("good input: processes by rules in any case, with scrubbed command lines") as check:
        path = directory / "processes.yaml"
        path.write_text('collectors: {process: {view: all, command_line: scrubbed, include: ["name=(?i)[A-Z]"]}}\n')
        code, out, err = hostmeter("check", "--config", path, OTEL_EXPORTER_PROMETHEUS_PORT=free_port())
        check.same("exit code", code, GOOD)
        check.that(re.search(r"process +on", out), f"not collected: {out + err[:500]}")
        check.that("panicked" not in err, err[:500])


def ends(check, case, directory):
    args = list(case.args)
    if case.config is not None:
        path = directory / "bad.yaml"
        path.write_bytes(case.config if isinstance(case.config, bytes) else case.config.encode())
        args += ["--config", path]
    env = {"OTEL_EXPORTER_PROMETHEUS_PORT": free_port()} | case.env
    if "PROMETHEUS_PORT" in case.env:
        del env["OTEL_EXPORTER_PROMETHEUS_PORT"]
    told(check, case.code, case.says, *args, **env)


def told(check, code, says, *args, **env):
    """The command ends by itself, with this code, and says all of that."""
    found, _, err = hostmeter(*args, timeout=10, **env)
    check.same("exit code", found, code)
    for pattern in says:
        check.that(re.search(pattern, err, re.I), f"nothing of /{pattern}/ in: {err.strip()[:300]!r}")
    check.that("panicked" not in err, "it panicked")
