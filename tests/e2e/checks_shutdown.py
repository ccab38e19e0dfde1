"""SIGTERM ends the agent well, whatever the other side does."""

import socket
import time
from contextlib import ExitStack

from components import Agent

LONGEST = 5.5


def run(report, directory, options):
    with report.check("SIGTERM without OTLP: exit 0 within 5.5 s") as check:
        with Agent(directory, "hostmeter-term-plain") as agent:
            ends_well(check, agent.start())
    with report.check("SIGTERM with a Collector that accepts and says nothing: exit 0 within 5.5 s") as check:
        with ExitStack() as stack:
            peer = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
            endpoint = f"http://127.0.0.1:{peer.getsockname()[1]}"
            agent = stack.enter_context(Agent(directory, "hostmeter-term-silent", endpoint=endpoint, interval_ms=1000))
            agent.start()
            # The kernel accepts for us, so that an attempt is under way when the signal comes.
            time.sleep(3)
            ends_well(check, agent)
    with report.check("SIGTERM with nobody at the endpoint: exit 0 within 5.5 s") as check:
        with Agent(directory, "hostmeter-term-nobody", endpoint="http://127.0.0.1:9", interval_ms=1000) as agent:
            agent.start()
            time.sleep(3)
            ends_well(check, agent)


def ends_well(check, agent):
    code, took = agent.stop()
    check.same("exit code", code, 0)
    check.that(took <= LONGEST, f"it took {took:.1f} s")
    check.that("panicked" not in agent.log(), "something panicked")
