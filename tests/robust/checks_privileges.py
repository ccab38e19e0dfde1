"""What each privilege shows of a process of root, with and without hidepid: all that may be seen, and no zero else."""

import os
import subprocess
import time

from checks_processes import READ_ALL, PTRACE, as_nobody
from components import Agent, HOSTMETER
from machine import FRESH
from row import row

ALL = {"HOSTMETER_COLLECTORS__PROCESS__VIEW": "all", "HOSTMETER_COLLECTORS__PROCESS__CEILING": "50000"}
CAPABILITIES = {"none": (), "SYS_PTRACE": (PTRACE,), "DAC_READ_SEARCH": (READ_ALL,), "both": (PTRACE, READ_ALL)}

# Series of a process by what has to be readable for them (measured on Linux 6.18, `faults.md` 4.3 of the design).
PLAIN = {"process_cpu_time_seconds_total", "process_memory_usage_bytes", "process_memory_virtual_bytes",
         "process_thread_count", "process_paging_faults_total", "process_uptime_seconds"}
DESCRIPTORS = {"process_unix_file_descriptor_count"}
IO = {"process_disk_io_bytes_total"}
# They need two readings, and are not what a privilege decides.
RATES = {"process_cpu_utilization_ratio"}


def expected(hidepid, capabilities):
    """The series of a process of root."""
    if hidepid and PTRACE not in capabilities:
        return set()
    return PLAIN | DESCRIPTORS | (IO if set(capabilities) == {PTRACE, READ_ALL} else set())


def prefix(hidepid, capabilities):
    """As nobody, under a /proc of its own."""
    if not hidepid:
        return as_nobody(capabilities)
    mount = f"mount -t proc -o hidepid={hidepid} proc /proc && exec \"$@\""
    return ("unshare", "--mount", "sh", "-c", mount, "sh", *as_nobody(capabilities))


@row("H10", "nobody, each capability alone, under each hidepid", seconds=90)
def privileges(run):
    target = subprocess.Popen(["sleep", "600"])
    # The shown count of descriptors would be another number for a process with none.
    counted = float(len(os.listdir(f"/proc/{target.pid}/fd")))
    try:
        for hidepid in (0, 1, 2, 4):
            wrong, zeros, system = [], 0, set()
            for name, capabilities in CAPABILITIES.items():
                with Agent(run.directory, f"hostmeter-{hidepid}-{name}", prefix=prefix(hidepid, capabilities),
                           **ALL).start() as agent:
                    agent.page()
                    time.sleep(FRESH)
                    page = agent.page()
                    of = {metric: page.select(metric, process_pid=str(target.pid)) for metric in page.samples}
                    found = {metric for metric, samples in of.items() if samples} - RATES
                    if found != expected(hidepid, capabilities):
                        wrong.append(f"{name}: {sorted(found ^ expected(hidepid, capabilities))}")
                    # A process that sleeps has read something at its exec; descriptors are three.
                    zeros += sum(value != counted for metric in DESCRIPTORS for _, value in of.get(metric, []))
                    zeros += sum(value == 0 for _, value in of.get("process_memory_usage_bytes", []))
                    zeros += not page.select("process_memory_usage_bytes", process_executable_name=HOSTMETER.name)
                    system.add(frozenset(n for n in page.samples if n.startswith("system_")))
                    code, _ = agent.stop()
                    if code or "panicked" in agent.log():
                        wrong.append(f"{name}: ended with {code}")
            label = f"hidepid={hidepid}" if hidepid else "plain"
            run.figure(f"{label}: privileges with another set of series", "0 of 4", f"{len(wrong)} {wrong[:1] or ''}",
                       not wrong)
            run.same(f"{label}: values that are not those of /proc", 0, zeros)
            run.same(f"{label}: different sets of series of the host", 1, len(system))
    finally:
        target.kill()
        target.wait()
