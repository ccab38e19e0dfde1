"""One size: a population, and what each agent uses for a cycle of reading it."""

import random
import re
import signal
import subprocess
import time
from dataclasses import dataclass, field

from agent import Broken
from agents import Clocked
from install import say
from population import Population, pids

#: Cycles before anything is counted: state is built, files are cached.
WARM_UP = 2


@dataclass
class Result:
    """What one agent used at one size, a value for each run."""

    processes: int
    #: CPU seconds of a cycle.
    cpu: list = field(default_factory=list)
    #: The share of that in the kernel, where it can be told.
    system: list = field(default_factory=list)
    #: Bytes of resident memory after the last cycle.
    memory: list = field(default_factory=list)
    series: int = 0


def size(program, count, busy, agents, runs, cycles, folder):
    """Measures all agents at one size; the results by name."""
    results = {}
    with Population(program, count, busy):
        for run in range(runs):
            say(f"{count} processes, run {run + 1} of {runs}")
            one_run(agents, cycles, results, folder, random.Random(run))
    return results


def one_run(agents, cycles, results, folder, order):
    """Starts all agents and lets them take turns; those that fail are taken out of `agents`."""
    try:
        for agent in list(agents):
            guarded(agents, agent, lambda agent=agent: agent.start(folder))
        pulled = [agent for agent in agents if not isinstance(agent, Clocked)]
        take_turns(agents, pulled, WARM_UP, order)
        # What an agent does between two cycles belongs to it as well, so the clock is read before and after all.
        before = {agent: (agent.cpu(), agent.ticks()) for agent in pulled if agent in agents}
        take_turns(agents, pulled, cycles, order)
        for agent in pulled:
            if agent in agents:
                used, ticks = agent.cpu() - before[agent][0], agent.ticks()
                split = [after - start for after, start in zip(ticks, before[agent][1])]
                record(results, agent, used / cycles, split)
        for agent in list(agents):
            if isinstance(agent, Clocked):
                record(results, agent, *agent.window(cycles))
    finally:
        for agent in agents:
            agent.stop()


def take_turns(agents, pulled, rounds, order):
    for _ in range(rounds):
        turn = [agent for agent in pulled if agent in agents]
        order.shuffle(turn)
        for agent in turn:
            guarded(agents, agent, agent.cycle)


def guarded(agents, agent, action):
    """An agent that fails is left out from then on, and the others go on."""
    try:
        action()
    except Broken as problem:
        say(f"left out: {problem}")
        agent.stop()
        agents.remove(agent)


def record(results, agent, cpu, split):
    if agent.short:
        say(f"{agent.name}: {agent.short} cycles without most of the series (out of time?); this run does not count")
        return
    result = results.setdefault(agent.name, Result(len(pids())))
    result.cpu.append(cpu)
    # Ticks of 10 ms: a share of few of them says nothing.
    result.system += [split[1] / sum(split)] if sum(split) >= 20 else []
    result.memory.append(agent.memory())
    result.series = max(result.series, agent.series)


def system_calls(program, busy, agents, folder, sizes=(100, 1000)):
    """System calls that one more process costs in a cycle, by name of the agent: what is the same at both sizes (the
    chosen ones, the listing, the page) cancels out."""
    counts = {}
    for count in sizes:
        with Population(program, count, busy):
            for agent in [agent for agent in agents if not isinstance(agent, Clocked)]:
                guarded(agents, agent, lambda agent=agent: agent.start(folder))
                take_turns(agents, [agent], WARM_UP, random.Random())
                if agent in agents:
                    guarded(agents, agent, lambda agent=agent: trace(agent, counts.setdefault(agent.name, [])))
                    agent.stop()
    return {
        name: (large[0] - small[0]) / (large[1] - small[1])
        for name, (small, large) in ((name, pair) for name, pair in counts.items() if len(pair) == 2)
    }


def trace(agent, counts):
    """Adds how many system calls a cycle makes, and how many processes there are."""
    command = ["strace", "-f", "-c", "-S", "calls", "-p", str(agent.pid)]
    strace = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    try:
        time.sleep(0.7)
        agent.cycle()
        time.sleep(0.1)
    finally:
        strace.send_signal(signal.SIGINT)
        report = strace.communicate()[1]
    total = re.search(r"^100\.00\s+\S+\s+(?:\S+\s+)?(\d+)\s+(?:\d+\s+)?total$", report, re.MULTILINE)
    if total:
        counts.append((int(total[1]), len(pids())))
    else:
        say(f"{agent.name}: strace does not count: {report.strip()[-200:]}")
