"""The life of the agent: it starts with next to nothing, is reloaded, watched and told to stop."""

import os
import re
import select
import signal
import socket
import subprocess
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import peers
from components import HOSTMETER, REPO, Agent, free_port
from life import Sequences, config, configured
from oracle import Arrived, judge
from peers import Peer
from receiver import Receiver
from report import wait_for
from row import STOPS_WITHIN, row

MANNERS = {"silent": peers.silent, "mute": peers.mute, "headers only": peers.headers_only, "refused": None}
LAST_RELOAD = "hostmeter_config_last_reload_successful_ratio"


def stopped_beside(run, name, manner, durable):
    """An agent that is told to stop beside such a peer: seconds, exit code, what it says, what a restart brings."""
    label = f"{name}, {'disk' if durable else 'memory'}".replace(" ", "-")
    address = f"127.0.0.1:{free_port()}"
    queue = run.directory / label / "queue" if durable else None
    agent = Agent(run.directory / label, endpoint=f"http://{address}", interval_ms=1000, HOSTMETER_QUEUE__DIRECTORY=queue)
    peer = Peer(address, manner) if manner else None
    with agent:
        agent.start()
        time.sleep(6)
        code, took = agent.stop()
    if peer:
        peer.stop()
    lost = re.search(r"before everything was sent.* points=(\d+)", re.sub(r"\x1b\[[0-9;]*m", "", agent.log()))
    if not durable:
        return took, code, int(lost[1]) if lost else 0, None
    arrived = Arrived()
    with Receiver(address, arrived), agent:
        agent.start()
        time.sleep(5)
        agent.stop()
    requests = arrived.all()
    first_run = [r for r in requests if r.began / 1e9 < agent.started]
    verdict = judge(first_run, 1) if len(first_run) > 1 else None
    return took, code, int(lost[1]) if lost else 0, verdict


@row("L01", "SIGTERM beside peers that say nothing, half, or are not there", seconds=120)
def stop(run):
    cases = [(name, manner, durable) for name, manner in MANNERS.items() for durable in (True, False)]
    with ThreadPoolExecutor(4) as pool:
        results = list(pool.map(lambda case: stopped_beside(run, *case), cases))
    run.at_most(f"the longest end of {len(cases)}", STOPS_WITHIN, max(took for took, *_ in results), " s")
    run.same("exit codes", {0}, {code for _, code, *_ in results})
    durable = [(case, verdict) for case, (_, _, _, verdict) in zip(cases, results) if case[2]]
    lost = sum(verdict.lost if verdict else 1 for _, verdict in durable)
    run.at_most(f"ticks lost of {sum(v.ticks for _, v in durable if v)}, on disk", 0, lost)
    run.at_most("points given up, on disk", 0, sum(points for case, (_, _, points, _) in zip(cases, results) if case[2]))
    counted = [points for case, (_, _, points, _) in zip(cases, results) if not case[2]]
    run.at_least("points of each end in memory, counted as dropped", 1000, min(counted))


@row("L02", "a root that cannot be written, no state, uid 65532, no capabilities", seconds=60)
def bare(run):
    os.chmod(run.directory, 0o755)
    prefix = ["unshare", "--mount", "sh", "-c", "mount -o remount,ro,bind / && exec \"$@\"", "sh", "setpriv", "--reuid=65532",
              "--regid=65532", "--clear-groups", "--bounding-set=-all", "--inh-caps=-all", "--no-new-privs"]
    with Agent(run.directory, prefix=prefix, HOSTMETER_QUEUE__DIRECTORY="/var/lib/hostmeter/queue",
               endpoint=f"http://127.0.0.1:{free_port()}", interval_ms=1000) as agent:
        agent.start()
        run.at_least("series", 100, len([line for line in agent.page_text().splitlines() if line[:1] != "#"]))
        time.sleep(10)
        status = open(f"/proc/{agent.process.pid}/status").read()
        run.same("effective capabilities", "0" * 16, re.search(r"CapEff:\t(\w+)", status)[1])
        said = [line for line in agent.log().splitlines() if "not permitted" in line]
        queue = [line for line in agent.log().splitlines() if "queue" in line and "WARN" in line]
        run.same("says once what it may not read", 1, len(said))
        run.same("says once that the queue is in memory", 1, len(queue))
        run.ends(agent)


@row("S04", "the shipped unit, as systemd sees it", seconds=30)
def unit(run):
    for drop_in, name in ((False, "without capabilities"), (True, "with those for processes")):
        with tempfile.TemporaryDirectory() as directory:
            unit = REPO / "examples/systemd/hostmeter.service"
            subprocess.run(["cp", unit, directory], check=True)
            if drop_in:
                os.mkdir(f"{directory}/hostmeter.service.d")
                subprocess.run(["cp", REPO / "examples/systemd/processes.conf", f"{directory}/hostmeter.service.d"], check=True)
            said = subprocess.run(["systemd-analyze", "security", "--offline=yes", "--no-pager", f"{directory}/hostmeter.service"],
                                  capture_output=True, text=True, check=False).stdout
            score = re.search(r"exposure level for .*: ([0-9.]+)", said)
            run.at_most(f"exposure {name}", 2.5, float(score[1]) if score else None)


@row("H18", "who reads the log does not", seconds=60)
def unread(run):
    arrived, address, port = Arrived(), f"127.0.0.1:{free_port()}", free_port()
    reader, writer = os.pipe()
    subject = configured(run.directory, port, config(run.directory, port, ""), args=["--log-level", "trace"],
                         endpoint=f"http://{address}", interval_ms=1000)
    os.set_blocking(writer, False)
    try:
        while True:
            os.write(writer, b"x" * 4096)
    except BlockingIOError:
        os.set_blocking(writer, True)
    with Receiver(address, arrived), subject:
        subject.process = subprocess.Popen(subject.argv, cwd=run.directory, env=subject.env, stdin=subprocess.DEVNULL,
                                           stdout=writer, stderr=writer, start_new_session=True)
        wait_for("the agent", 20, subject.is_ready)
        slowest, lines = 0.0, 0
        end = time.monotonic() + 15
        while time.monotonic() < end or lines < 2000:
            # A line each, of other words each time, of which the ring holds a thousand; and ten of the same.
            word = "".join(chr(ord("a") + int(digit)) for digit in str(lines if lines % 100 > 10 else 0))
            config(run.directory, port, f"no_{word}: 1")
            begun = time.monotonic()
            post(port, "/-/reload")
            slowest = max(slowest, time.monotonic() - begun)
            lines += 1
        config(run.directory, port, "")
        page = subject.page_text()
        run.ends(subject)
    verdict = judge(arrived.all(), 1)
    run.at_most(f"ticks lost of {verdict.ticks}", 0, verdict.lost)
    run.at_most("ticks miss their place, p99", 250, verdict.late, " ms")
    dropped = re.search(r'hostmeter_log_dropped_total\{reason="blocked"\} (\d+)', page)
    repeated = re.search(r'hostmeter_log_dropped_total\{reason="repeated"\} (\d+)', page)
    # The pipe, the ring and what the brake holds back keep the others.
    run.at_least(f"of {lines} lines, left out because nobody reads", lines // 2, int(dropped[1]))
    run.at_least("left out because they were said before", 100, int(repeated[1]))
    run.at_most("the slowest answer meanwhile", 1.0, slowest, " s")
    select.select([reader], [], [], 0)


@row("R01", "40 reloads while it pushes, every fourth refused", seconds=120)
def reload(run):
    addresses = [f"127.0.0.1:{free_port()}" for _ in range(2)]
    arrived, sequences = Arrived(), Sequences()
    port = free_port()

    def says(n):
        # Another receiver each time, other collectors, and now and then what is refused.
        broken = "\notpl: {}" if n % 4 == 3 else ""
        return config(run.directory, port, f"""
agent: {{labels: {{round: "{n}"}}}}
otlp: {{endpoint: "http://{addresses[n % 2]}", interval: 1s, compression: {['gzip', 'none'][n // 2 % 2]}}}
collectors:
  process: {{top_n: {[20, 20, 5][n % 3]}}}
  memory: {{enabled: {str(n % 5 != 4).lower()}}}{broken}""")

    path = says(0)
    receivers = [Receiver(address, sequences.watching(arrived)) for address in addresses]
    subject = configured(run.directory, port, path)
    with receivers[0], receivers[1], subject:
        subject.start()
        time.sleep(2)
        good = []
        for n in range(1, 41):
            says(n)
            if n % 2:
                subject.process.send_signal(signal.SIGHUP)
                time.sleep(0.6)
            else:
                status, _ = post(port, "/-/reload")
                good.append((status == 200) == (n % 4 != 3))
                time.sleep(0.2 * (n % 3))
        run.same("POST answers as the file is", True, all(good))
        says(40)
        run.same("the last is in use", 200, post(port, "/-/reload")[0])
        time.sleep(2)
        # The same words again and again are held back after five lines.
        run.same("lines on the ten that were refused", 5, subject.log().count("stays as it was"))
        run.ends(subject)
    requests = arrived.all()
    unique = {r.digest: r for r in requests}
    verdict = judge(requests, 1)
    run.at_most(f"requests twice of {len(requests)}", 0, len(requests) - len(unique))
    last = requests[-1]
    told = last.outcomes.get("delivered", 0)
    # The last request tells of all before it, itself apart.
    run.same("points delivered, as the agent counts", sum(r.points for r in requests[:-1]), int(told))
    run.same("points dropped or rejected", 0, int(sum(n for of, n in last.outcomes.items() if of != "delivered")))
    run.at_most("out of order", 0, verdict.disorder)
    run.at_most(f"counters that went back under one start, of {sequences.series} series", 0, len(sequences.fallen))
    run.at_most("times that did not grow", 0, len(sequences.stood))


def post(port, path):
    with socket.create_connection(("127.0.0.1", port), timeout=12) as client:
        client.sendall(f"POST {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: 0\r\n\r\n".encode())
        text = b""
        while piece := client.recv(4096):
            text += piece
    return int(text.split(b" ")[1]), text


@row("W01", "a service manager with a watchdog; then the host cannot be read", seconds=60)
def watchdog(run):
    path = str(run.directory / "notify")
    manager = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    manager.bind(path)
    told = []

    def listen():
        while True:
            told.append((time.monotonic(), manager.recv(512).decode()))

    threading.Thread(target=listen, daemon=True).start()
    with Agent(run.directory, NOTIFY_SOCKET=path, WATCHDOG_USEC=2_000_000) as agent:
        agent.start()
        wait_for("READY", 10, lambda: any(text.startswith("READY=1") for _, text in told))
        time.sleep(8)
        signs = [at for at, text in told if text.startswith("WATCHDOG=1")]
        gaps = [later - earlier for earlier, later in zip(signs, signs[1:])]
        run.at_least("signs of life in 8 s", 7, len(signs))
        run.at_most("the longest wait between two, of the 2 s allowed", 1.5, max(gaps), " s")
        # The thread that drives the cycles stands still; the runtime's timers go on.
        frozen = freeze_thread(agent.process.pid, "sampler")
        time.sleep(4)
        before = len([1 for _, text in told if text.startswith("WATCHDOG=1")])
        time.sleep(5)
        after = len([1 for _, text in told if text.startswith("WATCHDOG=1")])
        run.same("signs of life while nothing is read", 0, after - before)
        run.same("and still it answers", 200, agent.get("/-/healthy")[0])
        frozen.kill()
        frozen.wait()
        wait_for("signs of life again", 15, lambda: len([1 for _, t in told if t.startswith("WATCHDOG=1")]) > after)
        agent.stop()
        time.sleep(0.2)
        run.same("the last words", "STOPPING=1", told[-1][1].splitlines()[0])


def freeze_thread(pid, name):
    """Stops one thread of a process by delaying its every system call for an hour."""
    thread = next(t for t in os.listdir(f"/proc/{pid}/task") if open(f"/proc/{pid}/task/{t}/comm").read().strip() == name)
    tracer = subprocess.Popen(["strace", "-qq", "-o", "/dev/null", "-e", "inject=all:delay_enter=3600000000", "-p", thread],
                              stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    wait_for("the tracer", 10, lambda: f"TracerPid:\t{tracer.pid}" in open(f"/proc/{pid}/task/{thread}/status").read())
    return tracer


@row("L03", "probes: doctor and healthcheck beside an agent, and without", seconds=60)
def probes(run):
    path = config(run.directory, port := free_port(), "")

    def ask(*command):
        begun = time.monotonic()
        code = subprocess.run([HOSTMETER, "--config", path, *command], capture_output=True, check=False).returncode
        return code, time.monotonic() - begun

    run.same("healthcheck without an agent", 1, ask("healthcheck")[0])
    run.same("doctor without an agent", 0, ask("doctor")[0])
    with configured(run.directory, port, path) as agent:
        agent.start()
        wait_for("ready", 10, lambda: agent.get("/-/ready")[0] == 200)
        code, took = ask("healthcheck")
        run.same("healthcheck", 0, code)
        run.at_most("which takes", 0.3, took, " s")
        run.same("doctor beside it", 0, ask("doctor")[0])
        run.same("check beside it", 0, ask("check")[0])
        os.kill(agent.process.pid, signal.SIGSTOP)
        code, took = ask("healthcheck")
        run.same("healthcheck of a stopped one", 1, code)
        run.at_most("which takes", 2.5, took, " s")
        os.kill(agent.process.pid, signal.SIGCONT)
