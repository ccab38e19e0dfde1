"""The measuring: one population, everybody in turn; and what is asked once, the start and doing nothing."""

from __future__ import annotations

import random
import time
from dataclasses import dataclass, field

from agent import Broken
from held import Aligned, BothRoads, Held
from install import say
from population import Population, pids

#: Cycles before anything is counted: state is built, files are cached.
WARM_UP = 3
#: From so many processes on, agents whose cycle then takes seconds have one turn where the others have so many.
MANY, SELDOM = 5000, 5
#: As many seconds as most turns take.
NEAR = 0.4


@dataclass
class Result:
    """What one agent used at one size."""

    processes: int
    #: CPU seconds of a cycle, the mean of each round.
    cpu: list = field(default_factory=list)
    #: Seconds of each page.
    latency: list = field(default_factory=list)
    #: Bytes on the wire and points of a push, of each round.
    wire: list = field(default_factory=list)
    cycles: int = 0
    rss: int = 0
    pss: int | None = None
    threads: int = 0
    series: int = 0
    #: Bytes of the last page, packed.
    page: int = 0


def size(program, count, busy, agents, rounds, cycles, folder):
    """Measures all agents at one size; the results by name. Those that fail are taken out of `agents`."""
    results, order = {}, random.Random(count)
    for agent in agents:
        agent.series = 0
        if isinstance(agent, Held):
            agent.size(count)
    with Population(program, count, busy):
        try:
            for agent in list(agents):
                guarded(agents, agent, lambda agent=agent: agent.start(folder))
            turns(agents, WARM_UP, order)
            dear = [agent for agent in agents if agent.dear and count >= MANY]
            for number in range(rounds):
                say(f"{count} processes, round {number + 1} of {rounds}")
                one_round(agents, dear, cycles, results, order)
            # Of one that was left out on the way nothing is shown.
            results = {agent.name: results[agent.name] for agent in agents if agent.name in results}
            for agent in agents:
                if agent.name in results:
                    finish(agent, results[agent.name])
        finally:
            for agent in agents:
                agent.stop()
    return results


def turns(agents, number, order, seen=lambda agent: None, dear=()):
    """Everybody takes a turn, so many times, in another order each time."""
    for at in range(number):
        turn = [agent for agent in agents if agent not in dear or at % SELDOM == 0]
        order.shuffle(turn)
        while turn:
            agent = next_of(turn)
            turn.remove(agent)
            guarded(agents, agent, agent.cycle)
            if agent in agents:
                seen(agent)


def next_of(turn):
    """The first whose time has come; but who has to begin at a certain time goes before it when that is near."""
    punctual = [agent for agent in turn if isinstance(agent, Aligned) and agent.due() < NEAR]
    ready = [agent for agent in turn if agent.due() == 0]
    return (punctual or ready or [min(turn, key=lambda agent: agent.due())])[0]


def one_round(agents, dear, cycles, results, order):
    # What an agent does between its turns belongs to it as well, so its clock is read before and after all.
    before = {agent: agent.cpu() for agent in agents}
    done = {agent: [] for agent in agents}

    def seen(agent):
        held = isinstance(agent, Held)
        done[agent].append((agent.cycles, agent.used, agent.latency) if held else (1, 0, agent.latency))

    turns(agents, cycles, order, seen, dear)
    for agent in agents:
        counted = [turn for turn in done[agent] if turn[0]]
        if not counted:
            say(f"{agent.name}: no turn of this round was a whole cycle; it does not count")
            continue
        result = results.setdefault(agent.name, Result(len(pids())))
        whole = sum(number for number, _, _ in counted)
        total = sum(used for _, used, _ in counted) if isinstance(agent, Held) else agent.cpu() - before[agent]
        result.cpu.append(total / whole)
        result.latency += [latency for _, _, latency in counted]
        result.cycles += whole
        if isinstance(agent, BothRoads):
            result.wire.append(agent.wire())


def guarded(agents, agent, action):
    """An agent that fails is left out from then on, and the others go on."""
    try:
        action()
    except Broken as problem:
        say(f"LEFT OUT: {problem}")
        agent.stop()
        agents.remove(agent)


def finish(agent, result):
    if agent.short:
        say(f"{agent.name}: {agent.short} pages without most of the series (out of time?)")
    result.rss, result.pss, result.threads = agent.memory(), agent.share(), agent.threads()
    result.series, result.page = agent.shown, agent.bytes


def starts(agents, number, folder):
    """Seconds from the exec to the first complete page, by name; everybody once, and then again."""
    seconds = {}
    for _ in range(number):
        for agent in agents:
            try:
                seconds.setdefault(agent.name, []).append(agent.first_answer(folder))
            except Broken as problem:
                say(f"LEFT OUT: {problem}")
            finally:
                agent.stop()
    return seconds


def idle(agents, calm, seconds, folder):
    """Context switches and CPU seconds a second of agents that nobody asks, by name; of those without OTLP.

    Before that `calm` seconds pass: Go collects its garbage, threads of a pool end.
    """
    agents = [agent for agent in agents if not isinstance(agent, Held)]
    try:
        for agent in list(agents):
            guarded(agents, agent, lambda agent=agent: agent.start(folder))
        turns(agents, 2, random.Random())
        time.sleep(calm)
        before = {agent: (agent.switches(), agent.cpu(), time.monotonic()) for agent in agents}
        time.sleep(seconds)
        return {agent.name: rates(agent, *before[agent]) for agent in agents}
    finally:
        for agent in agents:
            agent.stop()


def rates(agent, switches, cpu, begun):
    seconds = time.monotonic() - begun
    return (agent.switches() - switches) / seconds, (agent.cpu() - cpu) / seconds
