"""The questions that people ask first, in PromQL."""

# name, expression, least number of answers, lowest and highest sensible value
QUERIES = [
    ("CPU use", 'sum(rate(system_cpu_time_seconds_total{cpu_mode!~"idle|iowait"}[30s]))'
                " / sum(rate(system_cpu_time_seconds_total[30s]))", 1, 0, 1),
    ("CPU use by mode", "sum by (cpu_mode) (rate(system_cpu_time_seconds_total[30s]))", 7, 0, 4096),
    ("CPU busy, from idle", '1 - sum(rate(system_cpu_time_seconds_total{cpu_mode="idle"}[30s]))'
                            " / scalar(sum(system_cpu_logical_count))", 1, -0.1, 1),
    ("memory use", 'sum(system_memory_usage_bytes{system_memory_state="used"}) / sum(system_memory_limit_bytes)',
     1, 0.001, 1),
    ("memory by state", "sum by (system_memory_state) (system_memory_usage_bytes)", 4, 0, 1e16),
    ("disk rates", "sum by (system_device, disk_io_direction) (rate(system_disk_io_bytes_total[30s]))", 2, 0, 1e12),
    ("network rates",
     "sum by (network_interface_name, network_io_direction) (rate(system_network_io_bytes_total[30s]))", 2, 0, 1e12),
    ("top 5 processes by CPU",
     "topk(5, sum by (process_pid, process_executable_name) (rate(process_cpu_time_seconds_total[30s])))", 5, 0, 4096),
    ("top 5 processes by memory",
     "topk(5, sum by (process_pid, process_executable_name) (process_memory_usage_bytes))", 5, 1, 1e16),
]


def run(report, prometheus):
    for name, expression, rows, low, high in QUERIES:
        with report.check(f"query: {name}") as check:
            found = prometheus.query(expression)
            check.that(len(found) >= rows, f"{len(found)} answers, {rows} are needed: {expression}")
            for labels, value in found:
                check.that(low <= value <= high, f"{labels} is {value}, outside {low} to {high}")
            if "top 5" in name:
                check.that(all(labels.get("process_executable_name") for labels, _ in found), "one has no name")
    with report.check("query: CPU use is what node_exporter's counters say") as check:
        [(_, ours)] = prometheus.query(QUERIES[0][1])
        [(_, theirs)] = prometheus.query('sum(rate(node_cpu_seconds_total{mode!~"idle|iowait"}[30s]))'
                                         " / sum(rate(node_cpu_seconds_total[30s]))")
        # The two are scraped some seconds apart.
        check.that(abs(ours - theirs) < 0.2, f"{ours:.3f}, node_exporter {theirs:.3f}")
    with report.check("prometheus: every scrape of the agent succeeded") as check:
        [(_, up)] = prometheus.query('min_over_time(up{job="hostmeter"}[50s])')
        check.same("the least `up`", up, 1)
