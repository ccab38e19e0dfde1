"""Processes: thousands, thousands a second, the same number again, and another program in the same one."""

import os
import subprocess
import time
from pathlib import Path

import host
from clients import Scrapes
from components import Agent
from machine import FRESH, resident, sleepers
from oracle import lateness
from points import Points
from receiver import Receiver
from row import row

ADDRESS = "127.0.0.1:4317"
MIB = 1 << 20
ALL = {"HOSTMETER_COLLECTORS__PROCESS__VIEW": "all", "HOSTMETER_COLLECTORS__PROCESS__CEILING": "50000"}


def pushing(run, **env):
    return Agent(run.directory, endpoint=f"http://{ADDRESS}", interval_ms=1000, **env)


def forks():
    return host.stat_counter("processes")


@row("H02", "2,000 processes (10,000 by --long)", seconds=60, long_seconds=120)
def many(run):
    count = 10_000 if run.long else 2000
    with sleepers(count), Agent(run.directory).start() as agent:
        with Scrapes(agent.page, FRESH) as scrapes:
            time.sleep(12)
        scrapes.told(run, f"{count} processes", 1.0)
        time.sleep(FRESH)
        found = agent.page()
        run.at_most("processes that /proc has more or less", 30,
                    abs(found.sum("system_process_count") - len(host.pids())))
        run.at_most("resident", 64.0, resident(agent) / MIB, " MiB")
        run.ends(agent)


@row("H03", "5,000 forks a second, for 15 s (60 s by --long)", seconds=60, long_seconds=120, alone=True)
def storm(run):
    seconds, arrived = 60 if run.long else 15, Points()
    with Receiver(ADDRESS, arrived), pushing(run).start() as agent:
        time.sleep(3)
        before, begun = forks(), time.monotonic()
        # Their processes end at once; fork alone does not make as many on a small machine.
        stress = subprocess.Popen(["stress-ng", "--quiet", "--fork", "1", "--vfork", "1", "--timeout", f"{seconds}s"],
                                  stdout=subprocess.DEVNULL)
        with Scrapes(agent.page, 0.5) as scrapes:
            stress.wait()
        rate = (forks() - before) / (time.monotonic() - begun)
        storm_ticks = [t for t in arrived.ticks() if t > (time.time() - seconds) * 1e9]
        found = agent.page()
        errors = {labels["error_type"]: value for labels, value in
                  found.select("hostmeter_collector_errors_total", hostmeter_collector="process")}
        run.at_least("forks a second", 5000, round(rate))
        run.same("errors of the process collector", {}, {k: v for k, v in errors.items() if k != "permission"})
        run.at_most("ticks miss their place, p99", 200.0, lateness(storm_ticks, 1)[0], " ms")
        run.figure("ticks", f">= {seconds - 1}", str(len(storm_ticks)), len(storm_ticks) >= seconds - 1)
        scrapes.told(run, "meanwhile", 1.0)
        run.ends(agent)
        arrived.told(run)


def spawn_at(pid, argv):
    """A process with that number in this row's own world."""
    for _ in range(20):
        Path("/proc/sys/kernel/ns_last_pid").write_text(str(pid - 1))
        child = subprocess.Popen(argv)
        if child.pid == pid:
            return child
        child.kill()
        child.wait()
    raise RuntimeError(f"no process gets the number {pid}")


BURN = "import os, time\nwhile time.process_time() < %s: pass\ntime.sleep(600)"


def burner(seconds):
    return ["python3", "-S", "-c", BURN % seconds]


@row("H04", "the number of a process that has ended is another's", seconds=60)
def reused(run):
    arrived, pid = Points(), 20_000
    with Receiver(ADDRESS, arrived), pushing(run, **ALL).start() as agent:
        spent = []
        # Between two cycles: each has used another amount of CPU, the later ones less.
        for seconds in (0.8, 0.4, 0.1):
            child = spawn_at(pid, burner(seconds))
            time.sleep(seconds + 2.5)
            spent.append((host.process_start(pid), cpu(pid)))
            child.kill()
            child.wait()
        # And within one: as often as the machine can.
        end, generations = time.monotonic() + 6, 0
        while time.monotonic() < end:
            child = spawn_at(pid, ["sleep", "600"])
            generations += 1
            child.kill()
            child.wait()
        time.sleep(2)
        run.ends(agent)
    of_pid = arrived.of("process.cpu.time", process_pid=pid, cpu_mode="user")
    starts = {points[0].start for points in of_pid.values()}
    run.at_least("sequences, each with its own start", 3, len(starts))
    run.figure("lives within cycles", ">= 100", str(generations), generations >= 100)
    for number, (started, seconds) in enumerate(spent, 1):
        near = [p for points in of_pid.values() for p in points
                if not p.ended and abs(p.start / 1e9 - started) < 1.5]
        told = near and max(p.value for p in near)
        run.figure(f"life {number}: seconds of CPU, by /proc {seconds:.2f}", "the same within 0.03",
                   f"{told:.2f}" if near else "nothing", near and abs(told - seconds) <= 0.03)
    shares = [p.value for points in arrived.of("process.cpu.utilization").values() for p in points if not p.ended]
    run.figure("shares of CPU", "in [0, 1]", f"{min(shares):.3f} to {max(shares):.3f}",
               min(shares) >= 0 and max(shares) <= 1)
    arrived.told(run)


def cpu(pid):
    return int(host.process(pid)[11]) / host.TICKS


@row("H05", "another program by exec under the same number", seconds=45)
def exec_again(run):
    script = run.directory / "loop.sh"
    script.write_text('read -r next && exec "$next" "$0"\n')
    names = [run.directory / name for name in ("alpha", "beta", "gamma")]
    for name in names:
        name.write_bytes(Path(os.path.realpath("/bin/sh")).read_bytes())
        name.chmod(0o755)
    with Agent(run.directory, HOSTMETER_COLLECTORS__PROCESS__COMMAND_LINE="scrubbed", **ALL).start() as agent:
        child = subprocess.Popen([names[0], script], stdin=subprocess.PIPE)
        agent.page()
        late, stale = 0, 0
        for turn in range(1, 9):
            name = names[turn % 3]
            child.stdin.write(f"{name}\n".encode())
            child.stdin.flush()
            while os.path.basename(os.readlink(f"/proc/{child.pid}/exe")) != name.name:
                time.sleep(0.01)
            time.sleep(FRESH)
            found = agent.page().select("process_thread_count", process_pid=str(child.pid))
            late += [labels["process_executable_name"] for labels, _ in found] != [name.name]
            stale += [name.name in labels["process_command_line"] for labels, _ in found] != [True]
        child.kill()
        child.wait()
        run.same("names that were not those of the cycle, of 8", 0, late)
        run.same("arguments that were not those of the cycle, of 8", 0, stale)
        run.ends(agent)
