"""The agent's own ceilings: what it does above one."""

import time

from components import Agent
from row import row


@row("G01", "a ceiling on memory that cannot be held", seconds=60)
def ceiling(run):
    with Agent(run.directory, HOSTMETER_RESOURCE_LIMITS__MEMORY_MB=2).start() as agent:
        alone = lambda page: len(page.samples.get("process_uptime_seconds", []))  # noqa: E731
        agent.page()
        # What the agent says of itself is of the reading before.
        time.sleep(1.2)
        before = agent.page()
        run.at_least("processes alone before", 2, alone(before))
        run.figure("hostmeter_limit_step before", "0", before.sum("hostmeter_limit_step"),
                   before.sum("hostmeter_limit_step") == 0)
        end = time.monotonic() + 40
        page = before
        while time.monotonic() < end and page.sum("hostmeter_limit_step") == 0:
            time.sleep(2)
            page = agent.page()
        run.figure("hostmeter_limit_step above the ceiling", "3", page.sum("hostmeter_limit_step"),
                   page.sum("hostmeter_limit_step") == 3)
        time.sleep(2)
        page = agent.page()
        # The agent itself.
        run.at_most("processes alone above the ceiling", 1, alone(page))
        counted = page.sum("system_process_count")
        # The remainder stands for everybody else.
        run.figure("processes in the remainder and alone", f"{counted:.0f}",
                   page.sum("process_group_count") + alone(page),
                   page.sum("process_group_count") + alone(page) == counted)
        told = sum("resource_limits" in line for line in agent.log().splitlines())
        run.figure("lines of the log about it", "1", told, told == 1)
