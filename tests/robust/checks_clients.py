"""Clients that never finish, never read, come all at once or speak no HTTP: who scrapes does not notice."""

import time

from clients import HALF, Scrapes, many_descriptors, opened, send_all, still_open
from components import Agent
from row import row


def finish(run, agent):
    """Ends the agent; whatever was done to it, it ends well."""
    code, took = agent.stop()
    panicked = "panicked" in agent.log()
    run.figure("SIGTERM", "exit 0 within 5.5 s, never a panic",
               f"exit {code}, {took:.1f} s" + (", panics" if panicked else ""),
               code == 0 and took <= 5.5 and not panicked)


@row("E01", "slowloris: 2,000 requests that never end", seconds=60)
def slowloris(run):
    many_descriptors()
    with Agent(run.directory).start() as agent:
        with Scrapes(agent.page) as scrapes, opened(agent.port, 2000, HALF) as clients:
            end = time.monotonic() + 7
            while time.monotonic() < end:
                time.sleep(0.5)
                send_all(clients, b"a")
            run.at_most("open after 7 s", 0, len(still_open(clients)))
        scrapes.told(run, "meanwhile", 1.0)
        finish(run, agent)
