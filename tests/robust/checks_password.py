"""Passwords: the time tells nothing, and a search for one keeps nobody waiting."""

import base64
import os
import statistics
import threading
import time
from pathlib import Path

from clients import Scrapes, exchange, request
from components import Agent
from row import row

# Made by libxcrypt: a cost of 10, as the documents of Prometheus have it.
PASSWORD = "correct horse"
HASH = "$2y$10$0YWaOX9M5mthyCtCMBF9qeZ0I5TMze6UGWDjE0m6RXMhKHxLINDzW"
WRONG_A_SECOND = 100


def authorization(name, password):
    return "Authorization: Basic " + base64.b64encode(f"{name}:{password}".encode()).decode()


class GuardedAgent(Agent):
    """The agent with a password."""

    def __init__(self, run):
        web = run.directory / "web.yaml"
        web.write_text(f"basic_auth_users: {{alice: {HASH}}}\n")
        super().__init__(run.directory, HOSTMETER_PROMETHEUS__WEB_CONFIG_FILE=web)

    def probe(self):
        return self.ask("nobody", "x", "/-/healthy") == 401

    def ask(self, name, password, path="/metrics"):
        return exchange(self.port, request(path, "GET", authorization(name, password)))[0]

    def scrape(self):
        if (status := self.ask("alice", PASSWORD)) != 200:
            raise ValueError(f"status {status}")

    def cpu_seconds(self):
        user, system = Path(f"/proc/{self.process.pid}/stat").read_text().rsplit(")", 1)[1].split()[11:13]
        return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")


@row("E08", "passwords: an unknown user and a wrong password; 100 wrong ones a second", seconds=240, long_seconds=900)
def guessed(run):
    tries = 1000 if run.long else 100
    with GuardedAgent(run).start() as agent:
        run.same("without a password", 401, exchange(agent.port, request())[0])
        run.same("with the right one", 200, agent.ask("alice", PASSWORD))
        took, statuses = {"alice": [], "mallory": []}, set()
        for number in range(tries):
            for name, times in took.items():
                begun = time.perf_counter()
                statuses.add(agent.ask(name, f"wrong {number}"))
                times.append(time.perf_counter() - begun)
        run.same("what wrong ones are told", [401], sorted(statuses))
        known, unknown = (statistics.median(times) * 1000 for times in took.values())
        run.at_most(f"medians of {tries}: {known:.1f} and {unknown:.1f} ms, differ by",
                    10.0, abs(known - unknown) / max(known, unknown) * 100, " %")
        flood(run, agent)
        run.ends(agent)


def flood(run, agent, seconds=10):
    end, told, lock = time.monotonic() + seconds, [], threading.Lock()

    def guess(number):
        while time.monotonic() < end:
            begun = time.monotonic()
            try:
                status = agent.ask("alice", f"{number} {begun}")
            except OSError as problem:
                status = type(problem).__name__
            with lock:
                told.append(status)
            time.sleep(max(0, begun + 1 - time.monotonic()))

    cpu = agent.cpu_seconds()
    threads = [threading.Thread(target=guess, args=[number]) for number in range(WRONG_A_SECOND)]
    with Scrapes(agent.scrape) as scrapes:
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    run.at_least("wrong ones a second", 0.8 * WRONG_A_SECOND, len(told) / seconds)
    run.figure("what they are told", "401 or 429", ", ".join(sorted({str(status) for status in told})),
               set(told) <= {401, 429})
    run.same("scrapes meanwhile that failed", 0, len(scrapes.failed))
    run.at_most("scrapes meanwhile, p99", 500.0, scrapes.quantile(0.99) * 1000, " ms")
    # One core is what one hash at a time takes.
    run.at_most("CPUs in use", 1.2, (agent.cpu_seconds() - cpu) / seconds)
