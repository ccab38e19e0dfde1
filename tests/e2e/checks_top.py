"""`hostmeter top` in a real terminal: tmux draws it, types into it and shows what is left of it."""

import os
import re
import subprocess
import time

from components import HOSTMETER
from report import wait_for

ROW = re.compile(r"^ *(\d+) \S* +(-|[\d.]+ %) +([\d.]+) (B|KiB|MiB|GiB) ")
SIZES = {"B": 1, "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30}


class Terminal:
    """A tmux server of our own with one window."""

    def __init__(self, directory, width=80, height=24):
        self.socket = directory / "tmux"
        environment = {**os.environ, "TERM": "xterm-256color"}
        size = ["-x", str(width), "-y", str(height)]
        self.run("-f", "/dev/null", "new-session", "-d", "-s", "top", *size, "sh", env=environment)

    def run(self, *arguments, **options):
        command = ["tmux", "-S", str(self.socket), *arguments]
        return subprocess.run(command, check=True, capture_output=True, text=True, timeout=20, **options).stdout

    def type(self, *keys):
        self.run("send-keys", "-t", "top", *keys)

    def screen(self):
        return self.run("capture-pane", "-p", "-t", "top")

    def see(self, pattern, seconds=10):
        """The screen, as soon as it has this."""
        found = re.compile(pattern, re.M)
        return wait_for(f"{pattern!r} in the terminal", seconds, lambda: (s := self.screen()) and found.search(s) and s)

    def close(self):
        self.run("kill-server")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


def rows(screen):
    """CPU in percent, memory in bytes, of each process that is shown."""
    found = (ROW.match(line) for line in screen.splitlines())
    shares = ((m[2].rstrip(" %"), float(m[3]) * SIZES[m[4]]) for m in found if m)
    return [(float(cpu) if cpu != "-" else -1.0, memory) for cpu, memory in shares]


def falls(values, slack=0.0):
    return all(one + slack >= other for one, other in zip(values, values[1:]))


def run(report, directory, options):
    with Terminal(directory) as terminal:
        terminal.type("echo before", "Enter")
        terminal.type(f"{HOSTMETER} top --interval 1s; echo ended with $?", "Enter")
        with report.check("top: within a second or two it shows this host's numbers") as check:
            # The rates come with the second reading.
            screen = terminal.see(r"^Net .*B/s")
            for word in ("hostmeter ", "CPU ", "Mem ", "Space ", "MEMORY", "q quit"):
                check.that(word in screen, f"no {word!r}: {screen}")
            check.that(len(rows(screen)) > 3, f"hardly a process: {screen}")
            check.that("before" not in screen, "it does not have a screen of its own")
            with open("/proc/meminfo") as file:
                total = int(re.search(r"MemTotal: +(\d+)", file.read())[1]) / (1 << 20)
            check.that(f"{total:.1f} GiB" in screen or total < 1, f"not {total:.1f} GiB of memory: {screen}")
        with report.check("top: c, m and i sort") as check:
            terminal.type("m")
            by_memory = [memory for _, memory in rows(terminal.see("MEMORY▼"))]
            check.that(len(by_memory) > 3 and falls(by_memory), f"by memory: {by_memory}")
            terminal.type("i")
            check.that(terminal.see("I/O▼"), "no I/O")
            terminal.type("c")
            by_cpu = [cpu for cpu, _ in rows(terminal.see("CPU▼"))]
            check.that(len(by_cpu) > 3 and falls(by_cpu), f"by CPU: {by_cpu}")
        with report.check("top: it follows the size of its window") as check:
            for width, height in ((40, 10), (7, 2), (150, 45)):
                terminal.run("resize-window", "-t", "top", "-x", str(width), "-y", str(height))
                time.sleep(1.5)
            check.that(len(rows(terminal.see(r"^Net .*B/s"))) > 3, "no processes after all that")
        for key in ("q", "Escape", "C-c"):
            with report.check(f"top: {key} ends it with 0 and gives the terminal back") as check:
                terminal.type(key)
                left_clean(check, terminal)
            terminal.type("clear; echo before", "Enter")
            terminal.type(f"{HOSTMETER} top; echo ended with $?", "Enter")
            terminal.see("q quit")
        with report.check("top: SIGTERM ends it as q does") as check:
            pid = terminal.run("display-message", "-p", "-t", "top", "#{pane_pid}").strip()
            subprocess.run(["pkill", "-TERM", "-P", pid, "hostmeter"], check=True)
            left_clean(check, terminal)
    with report.check("top: without a terminal it says so") as check:
        answer = subprocess.run([HOSTMETER, "top"], capture_output=True, text=True, timeout=20, stdin=subprocess.DEVNULL)
        check.same("the exit code", answer.returncode, 1)
        check.that("needs a terminal; hostmeter once" in answer.stderr, answer.stderr)


def left_clean(check, terminal):
    screen = terminal.see(r"ended with \d+")
    check.that("ended with 0" in screen, screen)
    check.that("before" in screen and "q quit" not in screen and "\x1b" not in screen, f"not as it was: {screen}")
    # A terminal that was left raw would not show what is typed.
    terminal.type("echo typed")
    check.that(terminal.see("echo typed$"), "what is typed is not shown")
    terminal.type("Enter")
    terminal.see("typed$")
