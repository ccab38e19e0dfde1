"""One host in the dialect `classic`: the names of the psutil agent that came before, for those who have moved."""

from build import dashboard, datasource, panel, variable

S = 'job=~"$job", instance=~"$instance"'
R = "[$__rate_interval]"


def average(name, more=""):
    return f"avg_over_time({name}{{{S}{more}}}[5m])"


def rate(name):
    return f"rate({name}{{{S}}}{R})"


def number(title, about, unit, expression, steps=()):
    return panel(title, about, unit, (expression, title), kind="stat", width=6, steps=list(steps))


def both(title, about, unit, names, label):
    queries = [(rate(name), f"{{{{{label}}}}} {way}") for way, name in names]
    return panel(title, about, unit, *queries, width=12)


def top(title, about, unit, name):
    return panel(title, about, unit, (f"topk(5, {name}{{{S}}})", "{{name}} {{pid}} ({{user}})"), width=12)


FULL = [(80, "orange"), (95, "red")]

DASHBOARD = dashboard(
    "classic", "Hosts: one host (classic)", "For `prometheus.dialect: classic`; the names that the psutil agent had.", [
        datasource(),
        variable("job", "Job", "label_values(agent_info, job)"),
        variable("host", "Host", 'label_values(agent_info{job=~"$job"}, hostname)', multi=False),
        variable("instance", "Instance", 'label_values(agent_info{job=~"$job", hostname=~"$host"}, instance)',
                 hidden=True),
    ], [
        ("Now", [
            number("CPU", "Average over five minutes.", "percent", average("cpu_usage_percent"), FULL),
            number("Memory", "What is not available.", "percent", f"memory_usage_percent{{{S}}}", FULL),
            number("Fullest filesystem", "Used share of the space for users.", "percent",
                   f"max(disk_usage_percent{{{S}}})", FULL),
            number("Agent unwell", "Collectors that fail.", "short",
                   f"count(agent_collector_status{{{S}}} == 0) or vector(0)",
                   [(1, "red")]),
        ]),
        ("CPU and memory", [
            panel("CPU", "Of all cores, and the average over five minutes.", "percent",
                  (f"cpu_usage_percent{{{S}}}", "now"), (average("cpu_usage_percent"), "5 min"), top=100),
            panel("CPU by core", "Each logical CPU.", "percent", (f"cpu_usage_percent_per_core{{{S}}}", "{{core}}"),
                  top=100),
            panel("CPU time", "In CPUs, by mode.", "short",
                  (f'rate(cpu_time_seconds{{{S}, mode!="idle"}}{R})', "{{mode}}"), stack=True),
            panel("Load", "Threads that run, want to run, or wait for a disk.", "short",
                  (f"cpu_load_average{{{S}}}", "{{period}}")),
            panel("Memory", "Used and available are all there is.", "bytes",
                  (f"memory_used_bytes{{{S}}}", "used"), (f"memory_available_bytes{{{S}}}", "available"),
                  (f"memory_cached_bytes{{{S}}}", "cached"), (f"memory_total_bytes{{{S}}}", "total")),
            panel("Swap", "Used, and all there is.", "bytes",
                  (f"swap_used_bytes{{{S}}}", "used"), (f"swap_total_bytes{{{S}}}", "total")),
        ]),
        ("Disks", [
            panel("Filesystems", "Used share of the space for users.", "percent",
                  (f"disk_usage_percent{{{S}}}", "{{mount_point}}"), top=100, width=12),
            panel("Space", "Used and free.", "bytes",
                  (f'disk_usage_bytes{{{S}, type!="total"}}', "{{mount_point}} {{type}}"), width=12),
            both("Bytes", "Read and written.", "Bps",
                 [("read", "disk_io_read_bytes_total"), ("write", "disk_io_write_bytes_total")], "device"),
            both("Operations", "Reads and writes.", "iops",
                 [("read", "disk_io_read_operations_total"), ("write", "disk_io_write_operations_total")], "device"),
        ]),
        ("Network", [
            both("Bytes", "Received and sent.", "Bps",
                 [("in", "network_receive_bytes_total"), ("out", "network_transmit_bytes_total")], "interface"),
            both("Packets", "Received and sent.", "pps",
                 [("in", "network_receive_packets_total"), ("out", "network_transmit_packets_total")], "interface"),
            both("Errors", "Packets that could not be received or sent.", "pps",
                 [("in", "network_receive_errors_total"), ("out", "network_transmit_errors_total")], "interface"),
            panel("Connections", "Sockets by state.", "short", (f"network_connections{{{S}}} > 0", "{{state}}"),
                  width=12),
        ]),
        ("Processes", [
            top("CPU", "The five with most, in percent of one CPU.", "percent", "process_cpu_percent"),
            top("Memory", "The five with most.", "bytes", "process_memory_bytes"),
            panel("Youngest", "How long the five youngest have run: whoever is always here restarts.", "s",
                  (f"bottomk(5, process_runtime_seconds{{{S}}})", "{{name}} {{pid}} ({{user}})"), width=24),
        ]),
        ("The agent", [
            panel("Status", "1 where the collector's last run was good.", "short",
                  (f"agent_collector_status{{{S}}}", "{{collector}}"), top=1),
            panel("Duration", "Of the last run.", "s", (f"agent_collector_duration_seconds{{{S}}}", "{{collector}}")),
            panel("Last success", "How long ago.", "s",
                  (f"time() - agent_collector_last_success_timestamp{{{S}}}", "{{collector}}")),
            panel("Errors", "In an hour.", "short",
                  (f"increase(agent_collector_errors_total{{{S}}}[1h])", "{{collector}}"),
                  width=24),
        ]),
    ])
