"""From results to tables, and from the figures of issue 3 to reached or not."""

from statistics import median

from table import table

FLOOR = "floor"
TOP = "hostmeter top"
ALL = "hostmeter all, no ceiling"
MIB = 1 << 20


def per_process(result):
    """Microseconds of CPU for a process and cycle."""
    return median(result.cpu) / result.processes * 1e6


def ratio(result, other):
    return f"{median(result.cpu) / median(other.cpu):.2f}" if other else "-"


def size(count, results, calls):
    """The table of one size."""
    rows = []
    for name, result in results.items():
        cpu = [value * 1e3 for value in result.cpu]
        rows.append([
            name,
            f"{median(cpu):.2f} [{min(cpu):.2f}-{max(cpu):.2f}]",
            f"{median(result.system) * 100:.0f} %" if result.system else "-",
            f"{per_process(result):.2f}",
            ratio(result, results.get(FLOOR)),
            ratio(result, results.get(TOP)),
            f"{median(result.memory) / MIB:.1f}",
            str(result.series) if result.series else "-",
            f"{calls[name]:.2f}" if name in calls else "-",
        ])
    processes = max((result.processes for result in results.values()), default=count)
    head = ["agent", "CPU ms a cycle [min-max]", "in kernel", "µs/process", "x floor", "x top", "RSS MiB", "series", "calls/process"]
    return f"{count} processes of ours, {processes} in all\n\n{table(head, rows)}\n"


def growth(by_size):
    """Microseconds per process at every size."""
    names = list(dict.fromkeys(name for results in by_size.values() for name in results))
    rows = [
        [name, *(f"{per_process(results[name]):.2f}" if name in results else "-" for results in by_size.values())]
        for name in names
    ]
    return "µs of CPU for a process and cycle\n\n" + table(["agent", *map(str, by_size)], rows) + "\n"


def goals(by_size, calls):
    """The figures to reach, each with what was measured."""
    large, small = by_size.get(10_000, {}), by_size.get(1_000, {})
    rows = []

    def goal(text, limit, value, form="{:.2f}"):
        shown = "not measured" if value is None else form.format(value)
        verdict = "-" if value is None else "reached" if value <= limit else "NOT REACHED"
        rows.append([text, "≤ " + form.format(limit), shown, verdict])

    def against(name):
        if TOP in large and name in large:
            return median(large[TOP].cpu) / median(large[name].cpu)
        return None

    goal("top against the bare stat loop, 10,000 processes", 1.3, against(FLOOR), "{:.2f} x")
    goal("top against the Collector's process scraper", 0.1, against("Collector hostmetrics"), "{:.3f} x")
    goal("top against process-exporter", 0.05, against("process-exporter"), "{:.3f} x")
    goal("top against the psutil agent", 0.2, against("psutil agent"), "{:.3f} x")
    both = TOP in large and TOP in small
    grown = per_process(large[TOP]) / per_process(small[TOP]) if both else None
    goal("growth of top per process, 1,000 to 10,000", 1.15, grown, "{:.2f} x")
    goal("RSS of top at 10,000", 24, memory(large, TOP), "{:.1f} MiB")
    goal("RSS of all without ceiling at 10,000", 64, memory(large, ALL), "{:.1f} MiB")
    # Three measures, each of one and a half times 20, bound the union; it must not follow the number of processes.
    series = large[TOP].series / max(1, small[TOP].series) if both else None
    goal("series of top, 10,000 against 1,000", 1.5, series, "{:.2f} x")
    goal("system calls of top for an unchosen process and cycle", 3.05, calls.get(TOP))
    return "Figures to reach\n\n" + table(["figure", "goal", "measured", ""], rows) + "\n"


def memory(results, name):
    return median(results[name].memory) / MIB if name in results else None
