"""Names that somebody has chosen to break whoever shows them: of processes, mounts and interfaces."""

import os
import re
import subprocess
import time

from checks_promtool import read_allowed
from components import Agent, get
from machine import FRESH
from points import Points
from promtext import Page
from receiver import Receiver
from report import wait_for
from row import row

ADDRESS = "127.0.0.1:4317"
ALL = {"HOSTMETER_COLLECTORS__PROCESS__VIEW": "all", "HOSTMETER_COLLECTORS__PROCESS__CEILING": "50000"}
NAMES = [b") R 1 2 3 (", b"a\nb", b"q\"q", b"back\\slash", b"\xff\xfe", b"\x1b[31mred\x1b[0m", b"\r\r", b"{}=,#", b" "]
# What the kernel takes as the name of an interface has no blank, slash or colon.
LINKS = [b'q"q', b"back\\slash", b"\xff\xfe", b"\x1b[31mred", b"{}=,#"]
# promtool's own: parsed well, but linted with problems.
LINTED = 3
# A line of the log as it must be: printable, and it begins with its time.
LINE = re.compile(r"\d{4}-\d\d-\d\dT[\d:.]+Z +(TRACE|DEBUG|INFO|WARN|ERROR) [^\x00-\x1f\x7f-\x9f]*")

NAMED = "import sys, time\nopen('/proc/self/comm', 'wb').write(bytes.fromhex(sys.argv[1]))\nprint(1, flush=True)\ntime.sleep(600)"


def shown(name):
    """As text, where what is no UTF-8 has become the sign for that."""
    return name.decode("utf-8", "replace")


@row("H09", "names full of quotes, line breaks, escapes and no UTF-8", seconds=60)
def hostile(run):
    children, arrived = [], Points()
    points = [os.path.join(os.fsencode(run.directory), b"m" + name) for name in NAMES]
    shut = os.path.join(os.fsencode(run.directory), b"shut")
    os.mkdir(shut, 0o700)
    hidden = os.path.join(shut, b"".join(NAMES))
    for point in [*points, hidden]:
        os.mkdir(point)
        subprocess.run(["mount", "-t", "tmpfs", "none", point], check=True)
    links = [name for n, name in enumerate(LINKS)
             if subprocess.run(["ip", "link", "add", name, "type", "veth", "peer", "name", f"peer{n}"], check=False).returncode == 0]
    # It may enter no directory of root's, so there is something to log about a mount with a bad name.
    nobody = ("setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups", "--inh-caps=-all",
              "--bounding-set=-all")
    os.chmod(run.directory, 0o755)
    os.chmod(os.path.dirname(run.directory), 0o755)
    try:
        for name in NAMES:
            child = subprocess.Popen(["python3", "-S", "-c", NAMED, name.hex()], stdout=subprocess.PIPE)
            children.append(child)
            child.stdout.readline()
        # An executable of that name, which is what is shown where it may be read.
        with Receiver(ADDRESS, arrived), Agent(
                run.directory, endpoint=f"http://{ADDRESS}", interval_ms=1000, prefix=nobody,
                HOSTMETER_COLLECTORS__FILESYSTEM__EXCLUDE_TYPES="nothing",
                HOSTMETER_COLLECTORS__FILESYSTEM__EXCLUDE_MOUNTS="nothing", **ALL).start() as agent:
            agent.page()
            time.sleep(FRESH)
            text = agent.page_text()
            page = Page(text)
            pids = dict(zip((str(child.pid) for child in children), NAMES))
            of_process = {labels.get("process_pid"): labels["process_executable_name"]
                          for labels, _ in page.samples["process_thread_count"]}
            wrong = [name for pid, name in pids.items()
                     if of_process.get(pid) != shown(name)]
            run.same(f"of {len(NAMES)} processes shown by another name", [], wrong)
            of_mount = page.values("system_filesystem_limit_bytes", "system_filesystem_mountpoint")
            run.same(f"of {len(points)} mounts shown by another name", [],
                     [p for p in points if shown(p) not in of_mount])
            of_link = page.values("system_network_io_bytes_total", "network_interface_name")
            run.same(f"of {len(links)} interfaces shown by another name", [],
                     [name for name in links if shown(name) not in of_link])
            promtool(run, text)
            root = get(f"http://127.0.0.1:{agent.port}/")[1]
            run.same("control characters on the status page", 0, len(re.findall(r"[\x00-\x09\x0b-\x1f\x7f]", root)))
            wait_for("OTLP", 10, lambda: len(arrived.arrivals) > 2)
            run.ends(agent)
        ours = arrived.of("process.thread.count")
        told = {dict(a).get("process.pid"): dict(a).get("process.executable.name") for a in ours}
        run.same("OTLP: shown by another name", [],
                 [name for pid, name in pids.items() if told.get(int(pid)) != shown(name)])
        log(run, agent, hidden)
    finally:
        for child in children:
            child.kill()
            child.wait()
        for point in [*points, hidden]:
            subprocess.run(["umount", point], check=False)


def promtool(run, text):
    done = subprocess.run(["promtool", "check", "metrics"], input=text.encode(), capture_output=True, check=False)
    said = (done.stdout + done.stderr).decode().splitlines()
    allowed = {f"{name} {problem}" for name, problem in read_allowed()}
    more = [line for line in said if line and line not in allowed]
    run.figure("promtool check metrics", "nothing that is not allowed", f"exit {done.returncode} {more[:2] or ''}",
               done.returncode in (0, LINTED) and not more)


def log(run, agent, hidden):
    written = agent.log_path.read_bytes()
    try:
        lines = written.decode().split("\n")
    except UnicodeDecodeError as problem:
        run.figure("the log", "UTF-8", str(problem), False)
        return
    odd = [line for line in lines if line and not LINE.fullmatch(line)]
    run.figure("lines of the log that are none", "0", f"{len(odd)} {odd[:1] or ''}", not odd)
    told = [line for line in lines if "shut" in line]
    run.at_least("lines about the mount that may not be seen", 1, len(told))
