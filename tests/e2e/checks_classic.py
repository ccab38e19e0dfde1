"""The names of a psutil agent: beside psutil itself at the same moment, and in a real Prometheus."""

import json
import re
import subprocess
import time

from components import Agent, Prometheus, environment, packages
from promtext import Page
from report import wait_for

# What grows or moves between the two readings of the same thing some milliseconds apart.
SHARE = 0.01
# name: how much of the name's own unit may differ beside that. Percent of CPU: a tick or two of three seconds.
STEP = {
    "cpu_usage_percent": 3, "cpu_usage_percent_per_core": 5, "cpu_time_seconds": 0.1, "cpu_load_average": 0.3,
    "memory_used_bytes": 32 << 20, "memory_available_bytes": 32 << 20, "memory_cached_bytes": 32 << 20,
    "memory_usage_percent": 0.3, "disk_usage_bytes": 64 << 20, "disk_usage_percent": 0.2,
    "disk_io_read_bytes_total": 16 << 20, "disk_io_write_bytes_total": 16 << 20, "disk_io_read_operations_total": 200,
    "disk_io_write_operations_total": 400, "network_receive_bytes_total": 1 << 20,
    "network_transmit_bytes_total": 1 << 20, "network_receive_packets_total": 1000,
    "network_transmit_packets_total": 1000, "process_cpu_percent": 5, "process_memory_bytes": 4 << 20,
    "process_runtime_seconds": 1.1,
}
# Every row of the older agent's catalogue, with its labels.
NAMES = {
    "cpu_usage_percent": [], "cpu_usage_percent_per_core": ["core"], "cpu_load_average": ["period"],
    "cpu_time_seconds": ["mode"], "memory_total_bytes": [], "memory_used_bytes": [], "memory_available_bytes": [],
    "memory_cached_bytes": [], "memory_usage_percent": [], "swap_total_bytes": [], "swap_used_bytes": [],
    "swap_usage_percent": [], "disk_usage_bytes": ["mount_point", "type"], "disk_usage_percent": ["mount_point"],
    "disk_io_read_bytes_total": ["device"], "disk_io_write_bytes_total": ["device"],
    "disk_io_read_operations_total": ["device"], "disk_io_write_operations_total": ["device"],
    "network_receive_bytes_total": ["interface"], "network_transmit_bytes_total": ["interface"],
    "network_receive_packets_total": ["interface"], "network_transmit_packets_total": ["interface"],
    "network_receive_errors_total": ["interface"], "network_transmit_errors_total": ["interface"],
    "network_connections": ["state"], "process_cpu_percent": ["name", "pid", "user"],
    "process_memory_bytes": ["name", "pid", "user"], "process_runtime_seconds": ["name", "pid", "user"],
    "agent_info": ["hostname", "version"], "agent_collector_last_success_timestamp": ["collector"],
    "agent_collector_errors_total": ["collector"], "agent_collector_duration_seconds": ["collector"],
    "agent_collector_status": ["collector"],
}
# What its documents ask, least number of answers.
QUERIES = [
    ("avg_over_time(cpu_usage_percent[5m])", 1), ("avg_over_time(memory_usage_percent[5m])", 1),
    ("rate(disk_io_read_bytes_total[30s])", 1), ("rate(disk_io_write_bytes_total[30s])", 1),
    ("rate(network_receive_bytes_total[30s])", 1), ("rate(network_transmit_bytes_total[30s])", 1),
    ("topk(5, process_cpu_percent)", 5), ("topk(5, process_memory_bytes)", 5),
    ("disk_usage_percent > 0", 1), ("rate(cpu_time_seconds[30s])", 4), ("agent_collector_status == 1", 5),
    ("increase(agent_collector_errors_total[30s])", 5),
]


def run(report, directory, options):
    cpu_alone(report, directory)
    python = packages("psutil==7.2.2")
    with Agent(directory, "classic", args=[], HOSTMETER_PROMETHEUS__DIALECT="classic",
               HOSTMETER_COLLECTORS__PROCESS__TOP_N="50") as agent:
        agent.start()
        with Prometheus(directory / "prometheus", {"hostmeter": f"127.0.0.1:{agent.port}"}, "2s") as prometheus:
            prometheus.start()
            beside_psutil(report, python, agent)
            on_the_status_page(report, agent)
            in_prometheus(report, prometheus)


def at_once(python, agent, seconds):
    """Our page, and what psutil says, both of the same seconds."""
    script = __file__.replace("checks_classic", "psutil_agent")
    theirs = subprocess.Popen([python, script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
                              env=environment())
    theirs.stdout.readline()
    agent.page()
    time.sleep(seconds)
    page = Page(agent.page_text())
    told, _ = theirs.communicate("\n", timeout=30)
    return page, json.loads(told)


def beside_psutil(report, python, agent):
    page, theirs = at_once(python, agent, 3)
    compared = 0
    for name, labels in NAMES.items():
        with report.check(f"classic: {name} is there, with its labels") as check:
            samples = page.samples.get(name, [])
            check.that(samples, "no sample")
            for found, _ in samples:
                check.same("labels", sorted(found), labels)
        if name not in theirs:
            continue
        with report.check(f"classic: {name} is what psutil says") as check:
            same = 0
            for wanted, value in theirs[name]:
                # Scrapes of Prometheus share our readings, and CPU shares are of the time between two of them.
                if name.startswith(("cpu_usage", "process_cpu")):
                    continue
                for _, ours in page.select(name, **wanted):
                    same += 1
                    # The kernel computes the load every five seconds, and both may be on either side of that.
                    share = 0.1 if name == "cpu_load_average" else SHARE
                    close = abs(ours - value) <= max(share * abs(value), STEP.get(name, 0))
                    check.that(close, f"{wanted}: {ours}, psutil {value}")
            if not name.startswith(("cpu_usage", "process_cpu", "swap", "disk_usage")):
                check.that(same, f"nothing to compare: {theirs[name][:3]}, {page.samples.get(name, [])[:3]}")
            compared += same
    report.note(f"classic: {compared} values beside psutil's")


def on_the_status_page(report, agent):
    with report.check("classic: the status page has each metric by both names, and no collector is called off") as check:
        _, html = agent.get("/")
        status = json.loads(agent.get("/-/status.json")[1])
        off = [name for name, collector in status["collectors"].items() if collector["state"] == "of"]
        check.same("collectors that are off", off, [])
        for name in NAMES:
            check.that(f"<td>{name}<p>" in html, f"{name} is not on it")
        check.that(re.search(r"<td>system.cpu.utilization<p>[^<]*<td>by other names", html), "the convention's name")
        check.that(re.search(r"<td>cpu_usage_percent<p>[^<]*<td>cpu_usage_percent<td>.*<td>1$", html, re.M), "its series")


def in_prometheus(report, prometheus):
    wait_for("three scrapes", 30, lambda: any(v >= 3 for _, v in prometheus.query("count_over_time(agent_info[1m])")))
    time.sleep(4)
    for expression, rows in QUERIES:
        with report.check(f"classic: {expression}") as check:
            found = prometheus.query(expression)
            check.that(len(found) >= rows, f"{len(found)} answers, {rows} are needed")
    with report.check("classic: CPU use is between 0 and 100") as check:
        [(_, use)] = prometheus.query("cpu_usage_percent")
        check.that(0 <= use <= 100, f"{use}")
    with report.check("classic: no name of OpenTelemetry beside them") as check:
        names = prometheus.api("label/__name__/values")
        check.same("names", [n for n in names if n.startswith(("system_", "hostmeter_", "process_memory_usage"))], [])


def cpu_alone(report, directory):
    """Shares of CPU without anybody else who asks, so that both are of the same three seconds."""
    python = packages("psutil==7.2.2")
    with Agent(directory, "classic-cpu", HOSTMETER_PROMETHEUS__DIALECT="classic",
               HOSTMETER_COLLECTORS__PROCESS__TOP_N="50") as agent:
        agent.start()
        page, theirs = at_once(python, agent, 4)
    for name in ("cpu_usage_percent", "cpu_usage_percent_per_core", "process_cpu_percent"):
        with report.check(f"classic: {name} is what psutil says") as check:
            same = 0
            for wanted, value in theirs[name]:
                for _, ours in page.select(name, **wanted):
                    same += 1
                    check.that(abs(ours - value) <= STEP[name], f"{wanted}: {ours:.1f}, psutil {value}")
            check.that(same, "nothing to compare")

