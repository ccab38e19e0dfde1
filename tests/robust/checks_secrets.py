"""Secrets of others and of its own: none of them leaves the agent, and it never opens what holds them."""

import gzip
import os
import re
import secrets
import signal
import subprocess
import time
import urllib.request

from components import HOSTMETER, environment, free_port
from life import config, configured
from oracle import Arrived
from receiver import Receiver
from report import wait_for
from row import row

# How a secret stands on a command line; {} is its place.
SHAPES = (
    ("--password", "{}"), ("--password={}",), ("--api-key", "{}"), ("--api_key={}",), ("--token", "{}"), ("--auth-token={}",),
    ("--client-secret", "{}"), ("-Ddb.password={}",), ("--passphrase", "{}"), ("mysql", "-u", "root", "-p{}"),
    ("curl", "-u", "user:{}", "http://h"), ("curl", "-H", "Authorization: Bearer {}"), ("sshpass", "-p", "{}", "ssh", "h"),
    ("psql", "postgres://user:{}@h/db"), ("--dsn", "user:{}@tcp(h)/db"), ("PASSWORD={}",), ("AWS_SECRET_ACCESS_KEY={}",),
    ("--connection-string", "Server=h;Password={};"), ("--cookie", "session={}"), ("--private-key={}",),
)


class Bystanders:
    """Processes whose command lines hold canaries; each is a Python that sleeps."""

    def __init__(self, count):
        self.canaries = [f"Zx{secrets.token_hex(7)}Q" for _ in range(count)]
        self.processes = []

    def __enter__(self):
        for at, canary in enumerate(self.canaries):
            words = [word.format(canary) for word in SHAPES[at % len(SHAPES)]]
            # The name is the first argument, as a program that is called so would have it.
            argv = ["app" if words[0].startswith("-") or "=" in words[0] else words[0]]
            argv += words if argv[0] == "app" else words[1:]
            # `sleep` would refuse these arguments; a shell takes them as its own parameters.
            self.processes.append(subprocess.Popen([argv[0], "-c", "read x", "sh", *argv[1:]], executable="/bin/sh",
                                                   stdin=subprocess.PIPE, env={"CANARY": f"env-{canary}"}))
        return self

    def __exit__(self, *_):
        for process in self.processes:
            process.kill()
            process.wait()

    def found_in(self, data):
        return sum(canary.encode() in data for canary in self.canaries)


class Everything:
    """All bytes that the receiver was given."""

    def __init__(self):
        self.arrived, self.bytes = Arrived(), bytearray()

    def add(self, message, peer=""):
        self.bytes += message
        return self.arrived.add(message, peer)


def unpacked(data):
    """What lies in a file of the queue, also where it is compressed."""
    out = bytearray(data)
    for at in (m.start() for m in re.finditer(b"\x1f\x8b\x08", data)):
        try:
            out += gzip.zlib.decompressobj(31).decompress(data[at:])
        except gzip.zlib.error:
            continue
    return bytes(out)


def files_below(directory):
    return b"".join(unpacked(path.read_bytes()) for path in directory.rglob("*") if path.is_file())


def shown(run, form, bystanders):
    """What leaves an agent that shows command lines in that form: by OTLP, the page, the log, the queue."""
    directory = run.directory / form
    directory.mkdir()
    address, port, taken = f"127.0.0.1:{free_port()}", free_port(), Everything()
    attributes = "attributes: [process.command, process.executable.path]"
    path = config(directory, port, f"""
agent: {{log_level: trace}}
otlp: {{endpoint: "http://{address}", interval: 1s}}
queue: {{directory: {directory}/queue, min_free: 0, max_percent: 95}}
collectors: {{process: {{view: all, command_line: {form}, {attributes}}}}}""")
    with configured(directory, port, path) as agent:
        agent.start()
        time.sleep(4)
        waiting = files_below(directory / "queue")
        page = agent.page_text().encode()
        with Receiver(address, taken):
            wait_for("what waited", 40, lambda: len(taken.arrived) > 3)
            time.sleep(3)
        agent.stop()
    log = agent.log().encode()
    run.at_least(f"of {len(bystanders.canaries)} command lines shown, {form}", len(bystanders.canaries),
                 len(re.findall(rb'process_uptime_seconds\{[^}]*process_command="(?:app|mysql|curl|sshpass|psql)"', page)))
    for where, data in (("OTLP", bytes(taken.bytes)), ("/metrics", page), ("log at trace", log), ("queue", waiting)):
        run.at_most(f"secrets in {where}, {form}", 0, bystanders.found_in(data))
        run.at_most(f"variables of their environment in {where}, {form}", 0, data.count(b"env-Zx"))
    # What is looked through is the real thing, and readable.
    run.same("places that name a metric", 3, sum(b"process" in data and b"uptime" in data
                                                 for data in (bytes(taken.bytes), page, waiting)))


@row("S01", "200 command lines with secrets", seconds=180)
def canaries(run):
    with Bystanders(200) as bystanders:
        # The last of them may not have come to its own command line yet.
        time.sleep(0.5)
        lines = b"".join(open(f"/proc/{process.pid}/cmdline", "rb").read() for process in bystanders.processes)
        run.same("secrets on command lines", 200, bystanders.found_in(lines))
        for form in ("none", "scrubbed", "keys_only"):
            shown(run, form, bystanders)


@row("S02", "what it opens and runs, by strace, for 20 s (60 s)", seconds=120, long_seconds=180)
def opened(run):
    trace, port = run.directory / "trace", free_port()
    attributes = "attributes: [process.command, process.executable.path, process.linux.cgroup, container.id, process.parent_pid]"
    path = config(run.directory, port, f"collectors: {{process: {{view: all, command_line: scrubbed, {attributes}}}}}")
    subject = configured(run.directory, port, path)
    subject.argv = ["strace", "-f", "-qq", "-o", trace, "-s", "200", "-e", "trace=execve,execveat,open,openat,openat2,readlink,"
                    "readlinkat", *subject.argv[3:]]
    end = time.monotonic() + (60 if run.long else 20)
    with subject:
        subject.start()
        while time.monotonic() < end:
            subject.page_text()
            time.sleep(1)
        os.kill(subject.process.pid, signal.SIGTERM)
        time.sleep(1)
    calls = trace.read_text(errors="replace").splitlines()
    # The tables of the machine are opened once; the rest is what starts, and who is new.
    run.at_least("calls seen", 100, len(calls))
    run.same("programs run, itself apart", 0, sum("execve" in call for call in calls) - 1)
    # The C library looks once where the stack of the first thread ends, before main.
    calls = [call for call in calls if '"/proc/self/maps"' not in call]
    for secret in ("environ", "mem", "maps", "smaps", "auxv", "stack"):
        run.at_most(f"opens of /proc/<pid>/{secret}", 0, sum(f'{secret}"' in call and "/meminfo" not in call and "open" in call
                                                             for call in calls))
    run.at_least("and of cmdline, to see that it looks", 1, sum('cmdline"' in call for call in calls))


@row("S03", "its own secrets: headers, token, password in the endpoint", seconds=60)
def own(run):
    secret = [f"Zy{secrets.token_hex(8)}Q" for _ in range(5)]
    header, token, of_file, password, of_environment = secret
    (run.directory / "token").write_text(token)
    (run.directory / "headers").write_text(f"x-file: {of_file}\n")
    port, address, taken = free_port(), f"127.0.0.1:{free_port()}", Everything()
    good = f"""
agent: {{log_level: trace}}
otlp: {{endpoint: "http://{address}", interval: 1s, headers: {{x-key: {header}}},
       bearer_token_file: {run.directory}/token, headers_file: {run.directory}/headers, insecure: true}}"""
    path = config(run.directory, port, good)
    more = {"OTEL_EXPORTER_OTLP_HEADERS": f"x-environment={of_environment}"}
    outputs = {}

    def ask(name, *command):
        done = subprocess.run([HOSTMETER, "--config", path, *command], env=environment(**more), capture_output=True, check=False)
        outputs[name] = done.stdout + done.stderr
        return done.returncode

    subject = configured(run.directory, port, path, **more)
    with Receiver(address, taken), subject:
        subject.start()
        wait_for("a delivery", 20, lambda: len(taken.arrived) > 1)
        run.same("config show", 0, ask("config show", "config", "show"))
        ask("doctor", "doctor"), ask("check", "check")
        ask("once", "--log-level", "trace", "once")
        outputs["status page"] = subject.get("/")[1].encode()
        outputs["/metrics"] = subject.page_text().encode()
        config(run.directory, port, good + "\notpl: {}")
        subject.process.send_signal(signal.SIGHUP)
        wait_for("the refusal", 10, lambda: "stays as it was" in subject.log())
        # An endpoint with a password is refused, and without a word of it.
        config(run.directory, port, good.replace(f"//{address}", f"//user:{password}@{address}"))
        run.same("an endpoint with a password", 78, ask("an endpoint with a password", "check"))
        # A header that is none: its value must not be in the error either.
        config(run.directory, port, good.replace(header, f'"{header}\\u0007"'))
        outputs["reload's answer"] = reload_answer(port)
        ask("a bad header", "check")
        code, _ = subject.stop()
        run.same("exit", 0, code)
    outputs["log at trace"] = subject.log().encode()
    with configured(run.directory, port, config(run.directory, port, good), **more) as alone:
        alone.start()
        time.sleep(3)
        outputs["log beside nobody"] = alone.log().encode()
        outputs["status page beside nobody"] = alone.get("/")[1].encode()
    for name, data in outputs.items():
        run.at_most(f"secrets in {name}", 0, sum(one.encode() in data for one in secret))
    run.at_most("secrets in the requests, whose headers have them", 0, sum(one.encode() in bytes(taken.bytes) for one in secret))


def reload_answer(port):
    try:
        with urllib.request.urlopen(urllib.request.Request(f"http://127.0.0.1:{port}/-/reload", method="POST"), timeout=10) as answer:
            return answer.read()
    except urllib.error.HTTPError as answer:
        return answer.read()
