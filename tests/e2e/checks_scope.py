"""The scope law, seen from the kernel: strace over some cycles."""

import os
import re
import shutil
import time

from components import Agent
from report import wait_for

CYCLES = 5
FORBIDDEN = re.compile(r'[/"](environ|mem|maps|smaps|smaps_rollup|auxv|pagemap)"')
# Reads made before the agent's first line runs: Rust's runtime asks glibc where the main thread's stack is, and
# glibc reads this process's own maps for that.
OF_THE_RUNTIME = '"/proc/self/maps"'


def run(report, directory, options):
    trace = directory / "strace-trace.txt"
    with report.check("strace: nothing is executed, and environ, mem and maps stay closed") as check:
        check.that(shutil.which("strace"), "strace is missing")
        # `execveat` and every way of opening; the file holds one call a line, whatever the thread.
        under_strace(directory, "hostmeter-trace", ["-e", "trace=execve,execveat,open,openat,openat2", "-o", trace])
        lines = trace.read_text(errors="replace").splitlines()
        executed = [line for line in lines if re.search(r"\bexecve(at)?\(", line)]
        check.that(len(executed) == 1, f"beside its own start it executes: {executed[1:]}")
        opened = [line for line in lines if FORBIDDEN.search(line)]
        own = [line for line in opened if OF_THE_RUNTIME in line]
        check.that(len(own) <= 1, f"it opens its own maps {len(own)} times; the runtime's start does so once")
        others = [line for line in opened if line not in own]
        check.that(not others, f"opened: {others}")
        # Without this the checks above could pass on an empty trace.
        check.that(any('proc/stat"' in line for line in lines), "the trace shows no reading of /proc")
    with report.check("strace: the calls of a cycle are counted") as check:
        few, many = (counted(directory, cycles) for cycles in (1, 1 + CYCLES))
        # What start and end cost is in both.
        each = {call: (many[call] - few.get(call, 0)) / CYCLES for call in many}
        top = sorted(((n, call) for call, n in each.items() if n >= 0.5), reverse=True)
        names = ", ".join(f"{call} {n:.0f}" for n, call in top)
        report.note(f"system calls a cycle: {sum(each.values()):.0f} ({names})")
        check.that(each.get("openat", 0) + each.get("pread64", 0) + each.get("read", 0) > 1, "a cycle reads nothing")


def counted(directory, cycles):
    """The number of calls by name, of a run of so many cycles."""
    path = directory / f"strace-{cycles}-cycles.txt"
    under_strace(directory, f"hostmeter-{cycles}-cycles", ["-c", "-o", path], cycles)
    rows = (line.split() for line in path.read_text().splitlines())
    return {row[-1]: int(row[3]) for row in rows if len(row) >= 5 and row[3].isdigit() and row[-1] != "total"}


def under_strace(directory, name, options, cycles=CYCLES):
    """Starts the agent under strace, scrapes it so many times, and ends it."""
    # With -D strace is the grandchild, so that the agent itself gets our signal and gives its exit code.
    prefix = ["strace", "-D", "-f", *map(str, options)]
    with Agent(directory, name, prefix=prefix) as agent:
        agent.start()
        for _ in range(cycles):
            agent.page()
            # Longer than a snapshot is shared.
            time.sleep(1.1)
        code, _ = agent.stop()
        if code != 0:
            raise RuntimeError(f"the agent ended with {code}")
        written = options[-1]
        wait_for("strace's report", 10, lambda: written.exists() and written.stat().st_size > 0)
        # The group is empty once strace has written everything.
        wait_for("the end of strace", 10, lambda: not group_lives(agent.process.pid))


def group_lives(group):
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    return True
