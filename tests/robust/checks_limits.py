"""Little of everything: descriptors, memory, CPU; and a long time."""

import resource
import socket
import subprocess
import time
from contextlib import ExitStack

from checks_inside import inside
from clients import Scrapes, many_descriptors
from components import Agent, free_port
from machine import FRESH, cgroup, cpu_seconds, descriptors, into, private, resident, sleepers, slope, threads
from oracle import lateness
from points import Points
from receiver import Receiver
from report import wait_for
from row import row

ADDRESS = "127.0.0.1:4317"
MIB = 1 << 20
# Up to the default ceiling, 2,000.
ALL = {"HOSTMETER_COLLECTORS__PROCESS__VIEW": "all"}


def limit(agent, count):
    hard = resource.prlimit(agent.process.pid, resource.RLIMIT_NOFILE)[1]
    resource.prlimit(agent.process.pid, resource.RLIMIT_NOFILE, (count, hard))


@row("H12", "32 descriptors, then 16", seconds=60)
def few_descriptors(run):
    many_descriptors()
    arrived = Points()
    with Receiver(ADDRESS, arrived), Agent(run.directory, endpoint=f"http://{ADDRESS}",
                                           interval_ms=1000).start() as agent:
        agent.page()
        time.sleep(2)
        for count in (32, 16):
            limit(agent, count)
            with ExitStack() as stack:
                for number in range(100):
                    client = stack.enter_context(socket.socket())
                    client.setblocking(False)
                    # One peer may have few connections, so here come many peers.
                    client.bind((f"127.0.0.{2 + number}", 0))
                    client.connect_ex(("127.0.0.1", agent.port))
                before, begun, most = cpu_seconds(agent), time.monotonic(), 0
                # The silent ones are sent away after 5 s, and others wait for their places.
                while time.monotonic() - begun < 6:
                    most = max(most, descriptors(agent))
                    time.sleep(0.2)
                used = (cpu_seconds(agent) - before) / (time.monotonic() - begun)
                run.at_most(f"{count} descriptors: CPU", 5.0, used * 100, " %")
                # One is kept to say no with.
                run.at_least(f"{count} descriptors: open at the most", count - 1, most)
                ticks = sum(at > begun for at in list(arrived.arrivals))
                run.figure(f"{count} descriptors: ticks that arrived in 6 s", "told", str(ticks), True)
            limit(agent, 1024)
            begun = time.monotonic()
            wait_for("an answer", 10, lambda: agent.get("/metrics")[0] == 200)
            run.at_most(f"{count} descriptors: answers after they are raised", 1.0, time.monotonic() - begun, " s")
            raised = time.monotonic()
            wait_for("a delivery", 20, lambda: [at for at in list(arrived.arrivals) if at > raised])
            run.at_most(f"{count} descriptors: delivers after that", 3.0, time.monotonic() - raised, " s")
            time.sleep(FRESH)
            found = agent.page()
            down = [labels["hostmeter_collector"] for labels, value in
                    found.samples["hostmeter_collector_up_ratio"] if value != 1]
            run.same(f"{count} descriptors: collectors down after that", [], down)
        run.ends(agent)
    arrived.told(run)


@row("H13", "64 MiB, 2,000 processes (10,000 by --long), a full queue", seconds=120, long_seconds=420)
def little_memory(run):
    count, seconds = (10_000, 300) if run.long else (2000, 60)
    with sleepers(count), cgroup("memory", "little", memory__limit_in_bytes=64 * MIB) as own:
        # All processes, and no compression, so that the queue fills; nobody listens there.
        with Agent(run.directory, endpoint=f"http://127.0.0.1:{free_port()}", interval_ms=1000, prefix=into(own),
                   OTEL_EXPORTER_OTLP_COMPRESSION="none", **ALL).start() as agent:
            with Scrapes(agent.page_text, 5) as scrapes:
                time.sleep(seconds)
            scrapes.told(run, f"{count} processes, 2,000 alone", 2.0)
            page = agent.page()
            usage, most = page.sum("hostmeter_queue_usage_bytes"), page.sum("hostmeter_queue_limit_bytes")
            run.at_least("queue: full to", 0.8, usage / most)
            run.at_least("queue: points dropped, and counted", 1,
                         round(page.sum("hostmeter_export_points_total", outcome="dropped")))
            control = dict(line.split() for line in (own / "memory.oom_control").read_text().splitlines())
            run.same("killed for want of memory", 0, int(control.get("oom_kill", 0)))
            run.at_most("resident", 64.0, resident(agent) / MIB, " MiB")
            peak = int((own / "memory.max_usage_in_bytes").read_text()) / MIB
            run.figure("the cgroup's peak, with the kernel's memory and cache", "told", f"{peak:.1f} MiB", True)
            run.ends(agent)


@row("H16", "5 % of a CPU, and two cores that are busy", seconds=90, long_only=True, alone=True)
def little_cpu(run):
    arrived, seconds = Points(), 60
    # Of 100 ms 5 ms.
    with cgroup("cpu", "little", cpu__cfs_period_us=100_000, cpu__cfs_quota_us=5000) as own, \
            Receiver(ADDRESS, arrived), Agent(run.directory, endpoint=f"http://{ADDRESS}", interval_ms=1000,
                                              prefix=into(own)).start() as agent:
        stress = subprocess.Popen(["stress-ng", "--quiet", "--cpu", "2", "--timeout", f"{seconds}s"])
        stress.wait()
        late, worst = lateness(arrived.ticks(), 1)
        run.at_most("ticks miss their place, p99", 500.0, late, " ms")
        run.figure("the worst", "told", f"{worst:.0f} ms", True)
        run.at_least("ticks", seconds - 3, len(arrived.ticks()))
        run.ends(agent)
    arrived.told(run)


@row("H19", "a soak at 1 s for 90 s (2 h by --long)", seconds=260, long_seconds=7500)
def soak(run):
    # 90 s are too short for a slope of bytes in a cycle; as many cycles as an hour has are not.
    inside(run, "soak", 3600)
    seconds, warm = (7200, 600) if run.long else (90, 30)
    arrived = Points()
    with Receiver(ADDRESS, arrived), Agent(run.directory, endpoint=f"http://{ADDRESS}", interval_ms=1000).start() as agent:
        begun, samples, files, tasks = time.monotonic(), [], set(), set()
        while (past := time.monotonic() - begun) < seconds:
            agent.page()
            if past > warm:
                samples.append((len(arrived.arrivals), private(agent)))
                files.add(descriptors(agent))
                tasks.add(threads(agent))
            time.sleep(FRESH)
        grown = slope(samples)
        if run.long:
            run.at_most(f"private memory, over {samples[-1][0] - samples[0][0]} cycles", 64.0, grown, " B a cycle")
        else:
            run.at_most(f"private memory grown in {samples[-1][0] - samples[0][0]} cycles", 256.0,
                        (max(y for _, y in samples) - samples[0][1]) / 1024, " KiB")
        run.figure("private memory", "told", f"{samples[-1][1] / MIB:.2f} MiB", True)
        run.at_most("descriptors: the most and the least differ by", 2, max(files) - min(files))
        run.at_most("threads: the most and the least differ by", 2, max(tasks) - min(tasks))
        run.at_most("threads", 16, max(tasks))
        run.ends(agent)
