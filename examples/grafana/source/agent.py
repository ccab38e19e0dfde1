"""hostmeter itself: is what it shows complete, does it arrive, and what does it cost?"""

from build import NAMED, dashboard, of_hosts, panel

S = 'job=~"$job", instance=~"$instance"'
R = "[$__rate_interval]"
OWN = 'process_executable_name="hostmeter"'
BY = "job, instance, hostmeter_collector"
LEGEND = "{{host_name}} {{hostmeter_collector}}"


def number(title, about, expression, steps=(), unit="short"):
    return panel(title, about, unit, (expression, title), kind="stat", width=6, steps=list(steps))


def each(title, about, unit, name, legend="{{host_name}}"):
    return panel(title, about, unit, (f"sum by (job, instance) ({name}{{{S}}}) {NAMED}", legend))


DASHBOARD = dashboard("agent", "hostmeter: the agent", "What hostmeter does, and what it costs.",
                      of_hosts(several=True), [
    ("Now", [
        number("Collectors that fail", "What they measure is absent.",
               f"count(hostmeter_collector_up_ratio{{{S}}} == 0) or vector(0)",
               [(1, "red")]),
        number("Points", "Of one reading of all hosts shown.", f"sum(hostmeter_collector_points{{{S}}})"),
        number("Lost points", "Dropped and rejected ones within an hour.",
               f'sum(increase(hostmeter_export_points_total{{{S}, outcome!="delivered"}}[1h])) or vector(0)', [(1, "red")]),
        number("Oldest data that waits", "For the receiver.", f"max(hostmeter_queue_oldest_age_seconds{{{S}}})",
               [(60, "orange"), (600, "red")], unit="s"),
    ]),
    ("Collectors", [
        panel("Up", "1 where the last run was good.", "short",
              (f"min by ({BY}) (hostmeter_collector_up_ratio{{{S}}}) {NAMED}", LEGEND), top=1),
        panel("Duration", "Of the last run.", "s",
              (f"topk(10, max by ({BY}) (hostmeter_collector_duration_seconds{{{S}}}) {NAMED})", LEGEND)),
        panel("Points", "Of the last run.", "short",
              (f"topk(10, max by ({BY}) (hostmeter_collector_points{{{S}}}) {NAMED})", LEGEND)),
        panel("Problems", "A second, by their kind. `unavailable` is what the host does not have and is told once.",
              "short",
              (f"sum by (job, instance, hostmeter_collector, error_type) (rate(hostmeter_collector_errors_total{{{S}}}{R})) {NAMED}",
               f"{LEGEND} {{{{error_type}}}}"), width=12),
        panel("Last success", "How long ago.", "s",
              (f"time() - min by (job, instance) (hostmeter_collector_last_success_seconds{{{S}}}) {NAMED}",
               "{{host_name}}"), width=12),
    ]),
    ("Export by OTLP", [
        panel("Points", "A second, by what became of them.", "short",
              (f"sum by (outcome, reason) (rate(hostmeter_export_points_total{{{S}}}{R}))", "{{outcome}} {{reason}}")),
        each("Duration", "Of the last attempt to deliver.", "s", "hostmeter_export_duration_seconds"),
        each("Oldest data that waits", "A receiver that is away makes it grow.", "s",
             "hostmeter_queue_oldest_age_seconds"),
        panel("Queue", "How full it is. When it is full, the oldest data goes.", "percentunit",
              (f"sum by (job, instance) (hostmeter_queue_usage_bytes{{{S}}}) / sum by (job, instance) (hostmeter_queue_limit_bytes{{{S}}}) {NAMED}",
               "{{host_name}}"), top=1),
        each("Requests that wait", "For the receiver.", "short", "hostmeter_queue_batches"),
        each("Makes do with less", "0 not at all, 3 at most; to stay within `resource_limits`.", "short",
             "hostmeter_limit_step"),
    ]),
    ("Cost", [
        panel("CPU", "Of hostmeter, in CPUs, where it is among the processes shown.", "short",
              (f"sum by (job, instance) (rate(process_cpu_time_seconds_total{{{S}, {OWN}}}{R})) {NAMED}",
               "{{host_name}}")),
        panel("Memory", "Resident, where it is among the processes shown.", "bytes",
              (f"sum by (job, instance) (process_memory_usage_bytes{{{S}, {OWN}}}) {NAMED}", "{{host_name}}")),
        panel("File descriptors", "Where it is among the processes shown.", "short",
              (f"sum by (job, instance) (process_unix_file_descriptor_count{{{S}, {OWN}}}) {NAMED}", "{{host_name}}")),
    ]),
])
