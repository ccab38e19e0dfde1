"""Processes: what each privilege lets the agent see, births and deaths, and values against ps of the same moment."""

import os
import signal
import subprocess
import time

import host
from components import Agent

# Longer than a snapshot may be shared.
FRESH = 1.2
ALL = {"HOSTMETER_COLLECTORS__PROCESS__VIEW": "all", "HOSTMETER_COLLECTORS__PROCESS__CEILING": "50000"}
NOBODY = ("--reuid", "65534", "--regid", "65534", "--clear-groups")
PTRACE, READ_ALL = "+sys_ptrace", "+dac_read_search"

# What may be seen of a process of root by another user (measured, and so in the kernel's ptrace rules).
PRIVILEGES = {
    "none": ((), {"io": False, "descriptors": True}),
    "CAP_SYS_PTRACE": ((PTRACE,), {"io": False, "descriptors": True}),
    "CAP_DAC_READ_SEARCH": ((READ_ALL,), {"io": False, "descriptors": True}),
    "both": ((PTRACE, READ_ALL), {"io": True, "descriptors": True}),
}


def as_nobody(capabilities):
    if not capabilities:
        return ("setpriv", *NOBODY, "--inh-caps=-all", "--bounding-set=-all")
    names = ",".join(capabilities)
    return ("setpriv", *NOBODY, f"--inh-caps=-all,{names}", f"--ambient-caps=-all,{names}")


def run(report, directory, options):
    target = subprocess.Popen(["sleep", "600"])
    try:
        for name, (capabilities, seen) in PRIVILEGES.items():
            with report.check(f"processes: as nobody with {name}, a process of root") as check:
                privilege(check, directory, target.pid, name, as_nobody(capabilities), seen)
        for name, capabilities in (("no capability", ()), ("CAP_SYS_PTRACE", (PTRACE,))):
            with report.check(f"processes: under hidepid=2 with {name}") as check:
                hidden(check, directory, target.pid, capabilities)
    finally:
        target.kill()
        target.wait()
    with Agent(directory, name="all", **ALL).start() as agent:
        with report.check("processes: one that is born is there, one that is killed is gone at the next scrape") as check:
            births(check, agent)
        with report.check("processes: CPU time, memory, threads and faults are those of /proc and ps") as check:
            against_ps(check, agent)
    with report.check("processes: a name full of brackets, quotes and newlines is one series") as check:
        hostile_name(check, directory)
    storm(report, directory, 8 if options.quick else 30)


def page(agent):
    time.sleep(FRESH)
    return agent.page()


def of(found, name, pid, **labels):
    return found.select(name, process_pid=str(pid), **labels)


def privilege(check, directory, pid, name, prefix, seen):
    with Agent(directory, name=f"as-{name}", prefix=prefix, **ALL).start() as agent:
        found = page(agent)
        check.that(of(found, "process_memory_usage_bytes", pid), "no memory")
        check.that(of(found, "process_cpu_time_seconds_total", pid), "no CPU time")
        io = of(found, "process_disk_io_bytes_total", pid)
        check.same("disk I/O is shown", bool(io), seen["io"])
        descriptors = of(found, "process_unix_file_descriptor_count", pid)
        check.same("descriptors are shown", bool(descriptors), seen["descriptors"])
        if descriptors:
            check.same("descriptors", descriptors[0][1], float(len(os.listdir(f"/proc/{pid}/fd"))))
        page(agent), page(agent)
        told = [line for line in agent.log().splitlines() if "not permitted" in line]
        # Even with both, the first process of this machine may hold a capability that nobody has.
        check.that(len(told) <= 1, f"told {len(told)} times")
        if not seen["io"]:
            check.that(told and "CAP_SYS_PTRACE" in told[0], f"the remedy is not told: {told}")
            errors = found.select("hostmeter_collector_errors_total", hostmeter_collector="process", error_type="permission")
            check.that(errors and errors[0][1] >= 1, "not counted")


def hidden(check, directory, pid, capabilities):
    mount = "mount -t proc -o hidepid=2 proc /proc && exec \"$@\""
    prefix = ("unshare", "--mount", "sh", "-c", mount, "sh", *as_nobody(capabilities))
    name = "hidepid" + "".join(capabilities)
    with Agent(directory, name=name, prefix=prefix, **ALL).start() as agent:
        found = page(agent)
        shown = bool(of(found, "process_memory_usage_bytes", pid))
        check.same("a process of root is shown", shown, bool(capabilities))
        own = found.select("process_memory_usage_bytes", process_executable_name="hostmeter")
        check.that(own, "the agent does not show itself")
        check.that(found.select("system_memory_limit_bytes"), "the rest is not shown")


def births(check, agent):
    children = [subprocess.Popen(["sleep", "600"]) for _ in range(20)]
    try:
        found = page(agent)
        missing = [c.pid for c in children if not of(found, "process_memory_usage_bytes", c.pid)]
        check.same("not shown though alive", missing, [])
        check.that(not of(found, "process_cpu_utilization_ratio", children[0].pid), "a rate at first sight")
        found = page(agent)
        check.that(of(found, "process_cpu_utilization_ratio", children[0].pid), "no rate at the second")
    finally:
        for child in children:
            child.send_signal(signal.SIGKILL)
            child.wait()
    found = page(agent)
    left = [c.pid for c in children if of(found, "process_memory_usage_bytes", c.pid)]
    check.same("shown though dead", left, [])


def against_ps(check, agent):
    # Two threads' work and a known memory, at rest again when it is looked at.
    code = "b = bytearray(40 << 20); s = sum(i * i for i in range(2000000)); import time; print(1, flush=True); time.sleep(600)"
    child = subprocess.Popen(["python3", "-c", code], stdout=subprocess.PIPE)
    try:
        child.stdout.readline()
        # A rate needs two readings.
        page(agent)
        found, fields = page(agent), host.process(child.pid)
        value = lambda name, **labels: of(found, name, child.pid, **labels)[0][1]
        check.same("user", value("process_cpu_time_seconds_total", cpu_mode="user"), int(fields[11]) / host.TICKS)
        check.same("system", value("process_cpu_time_seconds_total", cpu_mode="system"), int(fields[12]) / host.TICKS)
        check.same("threads", value("process_thread_count"), float(fields[17]))
        check.same("minor faults", value("process_paging_faults_total", system_paging_fault_type="minor"), float(fields[7]))
        check.same("virtual memory", value("process_memory_virtual_bytes"), float(fields[20]))
        ps = subprocess.run(["ps", "-o", "rss=,etimes=", "-p", str(child.pid)], capture_output=True, check=True, text=True)
        rss, age = (int(n) for n in ps.stdout.split())
        check.that(abs(value("process_memory_usage_bytes") - rss * 1024) <= 0.01 * rss * 1024, f"ps says {rss} KiB")
        check.that(abs(value("process_uptime_seconds") - age) <= 3, f"ps says {age} s")
        check.that(value("process_cpu_utilization_ratio", cpu_mode="user") <= 1, "a rate above 1")
        labels = of(found, "process_thread_count", child.pid)[0][0]
        check.same("owner", labels["process_owner"], "root")
        check.that(labels["process_executable_name"].startswith("python3"), labels["process_executable_name"])
    finally:
        child.kill()
        child.wait()


def hostile_name(check, directory):
    name = ") R 1 \"\n("
    code = f"import time; open('/proc/self/comm', 'w').write({name!r}); time.sleep(600)"
    child = subprocess.Popen(["python3", "-c", code])
    try:
        time.sleep(0.3)
        with Agent(directory, name="hostile", **ALL).start() as agent:
            found = page(agent)
            check.same("series", len(of(found, "process_thread_count", child.pid)), 1)
            check.same("threads", of(found, "process_thread_count", child.pid)[0][1], 1.0)
    finally:
        child.kill()
        child.wait()


def storm(report, directory, seconds):
    """Processes that live for a millisecond, as many a second as this machine makes."""
    code = ("import os, time\nend = time.monotonic() + %d\n"
            "while time.monotonic() < end:\n for _ in range(50):\n  p = os.fork()\n  if not p: os._exit(0)\n  os.waitpid(p, 0)\n")
    with report.check(f"processes: a storm of forks for {seconds} s: no error, no growth, every scrape answered") as check:
        with Agent(directory, name="storm").start() as agent:
            page(agent)
            created, memory = host.stat_counter("processes"), resident(agent)
            forkers = [subprocess.Popen(["python3", "-S", "-c", code % seconds]) for _ in range(host.cpus())]
            slowest, scrapes, begun = 0.0, 0, time.monotonic()
            while time.monotonic() - begun < seconds:
                asked = time.monotonic()
                found = agent.page()
                slowest, scrapes = max(slowest, time.monotonic() - asked), scrapes + 1
                time.sleep(0.5)
            for forker in forkers:
                forker.wait()
            forks = (host.stat_counter("processes") - created) / seconds
            grown = resident(agent) - memory
            errors = {labels["error_type"]: value for labels, value in
                      found.select("hostmeter_collector_errors_total", hostmeter_collector="process")}
            check.that(not set(errors) - {"permission"}, f"errors {errors}")
            check.that(grown < 2 << 20, f"grew by {grown} bytes")
            check.that(slowest < 1.5, f"a scrape took {slowest:.2f} s")
            check.that(found.sum("hostmeter_collector_up_ratio", hostmeter_collector="process") == 1, "the collector is down")
        report.note(f"storm: {forks:.0f} forks a second, {scrapes} scrapes, the slowest {slowest * 1000:.0f} ms, grown by {grown >> 10} KiB")


def resident(agent):
    pages = int(host.read(f"/proc/{agent.process.pid}/statm").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")
