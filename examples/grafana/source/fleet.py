"""All hosts: who is there, who is full, who waits."""

from build import NAMED, dashboard, of_hosts, panel

J = 'job=~"$job"'
LINK = [{"title": "This host",
         "url": "/d/hostmeter-host?var-host=${__field.labels.host_name}&${datasource:queryparam}"}]
CPU = ('(1 - sum by (job, instance) (rate('
       f'system_cpu_time_seconds_total{{{J}, cpu_mode=~"idle|iowait|steal"}}[$__rate_interval]))'
       f' / sum by (job, instance) (rate(system_cpu_time_seconds_total{{{J}}}[$__rate_interval])))')
LOAD = (f"(sum by (job, instance) (system_cpu_load_average_1m{{{J}}})"
        f" / sum by (job, instance) (system_cpu_logical_count{{{J}}}))")
MEMORY = (f"(1 - sum by (job, instance) (system_memory_linux_available_bytes{{{J}}})"
          f" / sum by (job, instance) (system_memory_limit_bytes{{{J}}}))")
FULLEST = f"max by (job, instance) (system_filesystem_utilization_ratio{{{J}}})"
BUSIEST = f"max by (job, instance) (rate(system_disk_io_time_seconds_total{{{J}}}[$__rate_interval]))"
NETWORK = ("sum by (job, instance, network_io_direction) (rate("
           f'system_network_io_bytes_total{{{J}, network_interface_name!="lo"}}[$__rate_interval]))')


def pressure(resource, stall):
    return (f'max by (job, instance) (rate({{__name__=~"system_{resource}_linux_pressure_(total_)?seconds_total", {J}, '
            f'system_pressure_stall_type="{stall}"}}[$__rate_interval]))')


def per_host(title, about, unit, expression, **more):
    return panel(title, about, unit, (f"topk(10, {expression} {NAMED})", "{{host_name}}"), width=12, links=LINK, **more)


DASHBOARD = dashboard("fleet", "Hosts: fleet", "All hosts that hostmeter watches.", of_hosts(named=False), [
    ("Now", [
        panel("Hosts", "Hosts that report.", "short",
              (f"count(group by (job, instance) (system_uptime_seconds{{{J}}}))", "hosts"),
              kind="stat", width=4),
        panel("Silent", "Hosts that have reported within the last hour and no longer do.", "short",
              (f"count(group by (job, instance) (last_over_time(system_uptime_seconds{{{J}}}[1h])) unless on (job, instance)"
               f" system_uptime_seconds{{{J}}}) or vector(0)", "silent"), kind="stat", width=4, steps=[(1, "red")]),
        panel("Alerts", "Alerts that fire, of all jobs.", "short",
              ('count(ALERTS{alertstate="firing"}) or vector(0)',
               "firing"), kind="stat", width=4, steps=[(1, "orange")]),
        panel("CPUs", "Logical CPUs of all hosts.", "short", (f"sum(system_cpu_logical_count{{{J}}})", "CPUs"),
              kind="stat", width=4),
        panel("Memory", "Memory of all hosts.", "bytes", (f"sum(system_memory_limit_bytes{{{J}}})", "memory"),
              kind="stat", width=4),
        panel("Agents unwell", "Collectors of hostmeter that fail.", "short",
              (f"count(hostmeter_collector_up_ratio{{{J}}} == 0) or vector(0)", "failed"), kind="stat", width=4,
              steps=[(1, "red")]),
        panel("Hosts", "One line a host. The columns are what is used of CPU, memory, the fullest filesystem and the busiest"
              " disk, and the load for each CPU.", "short",
              (f"max by (job, instance) (system_uptime_seconds{{{J}}}) {NAMED}", "Up for", "s"),
              (f"{CPU} {NAMED}", "CPU", "percentunit"), (f"{LOAD} {NAMED}", "Load per CPU", "short"),
              (f"{MEMORY} {NAMED}", "Memory", "percentunit"), (f"{FULLEST} {NAMED}", "Fullest filesystem",
                                                               "percentunit"),
              (f"{BUSIEST} {NAMED}", "Busiest disk", "percentunit"), kind="table", width=24),
    ]),
    ("Used", [
        per_host("CPU", "Share of CPU time in use, without waiting for disks and without what the hypervisor took.",
                 "percentunit", CPU, top=1),
        per_host("Memory", "Share of memory that new programs cannot have.", "percentunit", MEMORY, top=1),
        per_host("Fullest filesystem", "As `df` shows it.", "percentunit", FULLEST, top=1),
        per_host("Busiest disk", "Share of the time in which the disk had something to do.", "percentunit", BUSIEST,
                 top=1),
        panel("Network", "Bytes a second without the loopback, of the ten hosts and directions with most.", "Bps",
              (f"topk(10, {NETWORK} {NAMED})", "{{host_name}} {{network_io_direction}}"), width=24, links=LINK),
    ]),
    ("Waited for", [
        per_host("Load for each CPU", "Above 1 more threads want to run, or wait for a disk, than there are CPUs.",
                 "short", LOAD),
        per_host("CPU pressure", "Share of the time in which somebody waited for a CPU.", "percentunit",
                 pressure("cpu", "some")),
        per_host("Memory pressure", "Share of the time in which somebody waited for memory.", "percentunit",
                 pressure("memory", "some")),
        per_host("I/O pressure", "Share of the time in which somebody waited for a disk.", "percentunit",
                 pressure("io", "some")),
    ]),
    ("Versions", [
        panel("Versions of hostmeter", "Hosts by the version of their agent.", "short",
              (f"count by (service_version) (group by (job, instance, service_version) (target_info{{{J}}}))",
               "{{service_version}}"),
              kind="bargauge", width=12),
        panel("Operating systems", "Hosts by their system.", "short",
              (f"count by (os_name, os_version) (group by (job, instance, os_name, os_version) (target_info{{{J}}}))",
               "{{os_name}} {{os_version}}"), kind="bargauge", width=12),
    ]),
])
