"""What README.md says to type and to ask is typed and asked."""

import re
import shlex
import signal
import subprocess
import time
from pathlib import Path

from components import HOSTMETER, REPO, Agent, Prometheus, environment, free_port, get
from report import wait_for

README = (REPO / "README.md").read_text()
PROGRAMS = r"(?:hostmeter|cargo|curl|docker|kubectl|openssl|htpasswd|kill|source|sudo|systemctl|systemd-analyze|tests/|examples/|\.ci/)"

# Commands of README that another test types, and which.
ELSEWHERE = {
    r"hostmeter top": "group top",
    r"hostmeter config import$": "named without its arguments; the one with them is typed here",
    r"tests/faults/run": "groups faults and robust",
    r"tests/e2e/run|tests/stack/run|cargo test|UPDATE=1 cargo test|\.ci/run|cargo doc": "CI itself",
    r"examples/fleet/run": "group fleet",
    r"tests/bench/run": "section bench of .ci/run, with --quick",
    r"tests/ship/run|examples/debian/build|docker |kubectl |sudo apt install|systemctl |systemd-analyze ": "tests/ship/run",
    r"htpasswd ": "from Apache's utilities; group endpoint makes such a line by bcrypt",
    r"HOSTMETER_PROMETHEUS__WEB_CONFIG_FILE=|curl --cacert": "group endpoint, with a port of its own",
}

# What is empty on a host that lacks the thing, and what says that it does.
MAY_LACK = {r"system_paging_|swap_": lambda: len(Path("/proc/swaps").read_text().splitlines()) < 2}


def run(report, directory, options):
    directory = directory / "readme"
    directory.mkdir()
    with Agent(directory, "agent", endpoint="http://127.0.0.1:9", interval_ms=1000,
               HOSTMETER_PROMETHEUS__DIALECT="both", HOSTMETER_COLLECTORS__CPU__PER_CORE="true") as agent:
        agent.start()
        with Prometheus(directory / "prometheus", {"hostmeter": f"127.0.0.1:{agent.port}"}, "1s") as prometheus:
            prometheus.start()
            begun = time.monotonic()
            commands(report, directory, agent)
            # A rate needs two scrapes, and one of the top processes is not of the first.
            time.sleep(max(0, 8 - (time.monotonic() - begun)))
            queries(report, prometheus)
    first_commands(report, directory)


# Language and text of each block.
BLOCKS = re.findall(r"^```(\w*)\n(.*?)^```\n", README, re.S | re.M)


def blocks(*kinds):
    return [text for kind, text in BLOCKS if kind in kinds]


# --- queries

def queries(report, prometheus):
    asked = [query for block in blocks("promql") for query in expressions(block)]
    for row in table("psutil agent"):
        for cell in row:
            # A cell that only goes on, such as `"cached"` or `{period}`, is not a query.
            cell = re.sub(r"the same by `\w+`", "", cell)
            asked += [text for text in re.findall(r"`([^`]+)`", cell) if re.match(r"[a-z0-9]+[_ ]", text)]
    with report.check("readme: it has its queries, and those of the psutil agent beside ours") as check:
        check.that(len(asked) > 50, f"only {len(asked)} were found")
    for query in dict.fromkeys(asked):
        with report.check(f"readme: {' '.join(query.split())}") as check:
            answers(check, prometheus, query)


def expressions(block):
    """A line that begins with a blank goes on with the one before it."""
    text = re.sub(r"^#.*\n", "", block, flags=re.M)
    return [one.strip() for one in re.split(r"\n(?=\S)|\n\n", text) if one.strip()]


def table(heading):
    rows = re.search(rf"^\| {heading} \|.*\n\|[-|]+\|\n((?:\|.*\n)+)", README, re.M)[1]
    return [row.strip("|").split(" | ") for row in rows.splitlines()]


def answers(check, prometheus, query):
    # `name{a,b}` names labels, not values.
    labels = []
    if named := re.fullmatch(r"(\w+)\{([\w,]+)\}", query):
        query, labels = named[1], named[2].split(",")
    # A threshold is right to leave nothing; what it judges has to be there.
    judged = re.sub(r" (?:[<>]=?|==) [\d.]+$", "", query)
    if judged != query:
        prometheus.query(query)
    found = prometheus.query(judged)
    lacks = any(re.search(name, judged) and absent() for name, absent in MAY_LACK.items())
    check.that(found or lacks, f"no answer: {judged}")
    for known, _ in found:
        missing = [label for label in labels if label not in known]
        check.that(not missing, f"{known} has no {', '.join(missing)}")


# --- commands

def commands(report, directory, agent):
    (directory / "bad.yaml").write_text("prometheus:\n  prot: 9464\notlp:\n  interval: 10ms\n")
    (directory / "hostmeter.yaml").write_text(next(b for b in blocks("yaml") if "top_n: 10" in b))
    (directory / "old.yaml").write_text("agent: {log_level: INFO}\nprometheus: {port: 9100}\n")
    for command in dict.fromkeys(typed()):
        reason = next((reason for pattern, reason in ELSEWHERE.items() if re.match(pattern, command)), None)
        if reason or command in FIRST:
            continue
        with report.check(f"readme: {command}") as check:
            type_it(check, command, directory, agent)


def typed():
    """Every command of the text and of its blocks, continued lines joined."""
    for kind, block in BLOCKS:
        for line in re.sub(r"\\\n\s*", "", block).splitlines():
            # A block without a language shows what is printed, and the commands after a `$`.
            line = line if kind == "sh" else line[2:] if line.startswith("$ ") else ""
            line = re.sub(r"\s+# .*", "", line).strip()
            if re.match(rf"(?:\w+=\S+ )*{PROGRAMS}", line):
                yield line
    for text in re.findall(r"`([^`]+)`", re.sub(r"^```.*?^```", "", README, flags=re.S | re.M)):
        if re.match(rf"(?:\w+=\S+ )*{PROGRAMS}[^ ]* ", text):
            yield " ".join(text.split())


def type_it(check, command, directory, agent):
    """In a shell, with this agent's port for the default one, and what stays on is ended after its first second."""
    here = command.replace("9464", str(agent.port)).replace("--dir DIR", "--dir .")
    if command == "hostmeter run":
        here = "timeout --preserve-status -s INT 1 hostmeter run"
    if command == "kill -HUP":
        here = f"kill -HUP {agent.process.pid}"
    env = environment(PATH=f"{HOSTMETER.parent}:/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin")
    # The agent that runs has the port; what asks it is told where it is, and what listens takes another.
    asks = re.match(r"hostmeter (healthcheck|doctor|config)", command)
    env["OTEL_EXPORTER_PROMETHEUS_PORT"] = str(agent.port if asks else free_port())
    if "PROMETHEUS_PORT=" in command:
        del env["OTEL_EXPORTER_PROMETHEUS_PORT"]
    if "config init hostmeter.yaml" in command or "config import" in command:
        (directory / "hostmeter.yaml").rename(directory / "kept.yaml")
    done = subprocess.run(["bash", "-c", here], cwd=directory, env=env, capture_output=True, text=True, timeout=30)
    if (directory / "kept.yaml").exists():
        check.that((directory / "hostmeter.yaml").exists(), "it wrote no hostmeter.yaml")
        (directory / "kept.yaml").rename(directory / "hostmeter.yaml")
    # `check` of a bad file, and `doctor` where something is in the way, say so by their code.
    good = {78} if "bad.yaml" in command else {0, 1} if "doctor" in command else {0}
    check.that(done.returncode in good, f"exit code {done.returncode}: {done.stderr[-300:]}")
    check.that("panicked" not in done.stderr, done.stderr[-300:])
    shown_as = re.search(rf"^\$ {re.escape(command)}\n(.*?)^```", README, re.S | re.M)
    if shown_as and re.search("bad.yaml|config show", command):
        check.same("what it prints", (done.stdout + done.stderr).strip(), shown_as[1].strip())


# A release build on a busy machine takes so many seconds at most.
BUILD = 900

# The first lines of all; they end at Ctrl-C.
FIRST = ("cargo run --release", "OTEL_EXPORTER_OTLP_ENDPOINT=http://localhost:4317 cargo run --release")


def first_commands(report, directory):
    for command in FIRST:
        with report.check(f"readme: {command}") as check:
            check.that(command in README, "it is not in README any more")
            port = free_port()
            endpoint = dict(part.split("=") for part in shlex.split(command) if "=" in part)
            env = environment(OTEL_EXPORTER_PROMETHEUS_PORT=port, **endpoint)
            argv = ["cargo", "run", "--release", "--locked", "--quiet"]
            with subprocess.Popen(argv, cwd=REPO, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) as run:
                try:
                    # Cargo may have to build first; one that has ended gives no answer.
                    url = f"http://localhost:{port}/metrics"
                    status, text = wait_for("an answer", BUILD, lambda: get(url) if run.poll() is None else (None, ""))
                    check.same("status of /metrics", status, 200)
                    check.that("system_cpu_time_seconds_total" in text, "/metrics has no CPU time")
                finally:
                    # Cargo has become hostmeter.
                    run.send_signal(signal.SIGINT)
                    _, err = run.communicate(timeout=10)
            check.same("exit code", run.returncode, 0)
            check.that("panicked" not in err, err[-300:])
