"""Who uses the host."""

from build import dashboard, of_hosts, panel

S = 'job=~"$job", instance=~"$instance"'
R = "[$__rate_interval]"
BY = "process_executable_name, process_pid, process_owner"
LEGEND = "{{process_executable_name}} {{process_pid}} ({{process_owner}})"


def top(title, about, unit, expression, **more):
    return panel(title, about, unit, (f"topk(10, sum by ({BY}) ({expression}))", LEGEND), width=12, **more)


def gauge(name):
    return f"{name}{{{S}}}"


def rate(name, more=""):
    return f"rate({name}{{{S}{more}}}{R})"


def number(title, about, expression):
    return panel(title, about, "short", (expression, title), kind="stat", width=6)


DASHBOARD = dashboard(
    "processes", "Hosts: processes",
    "The biggest processes of a host; `_other` is all that are not shown alone, so that sums are those of the host.", of_hosts(), [
        ("Now", [
            number("Processes", "All of them.", f"sum(system_process_count{{{S}}})"),
            number("Threads", "Of all processes.", f"sum(process_thread_count{{{S}}})"),
            number("Shown alone", "Processes with series of their own.",
                   f'count(process_memory_usage_bytes{{{S}, process_executable_name!="_other"}})'),
            number("Begun", "New processes in five minutes.",
                   f"sum(increase(system_process_created_total{{{S}}}[5m]))"),
        ]),
        ("Used", [
            top("CPU", "In CPUs: 1 is one CPU all the time.", "short", rate("process_cpu_time_seconds_total"),
                stack=True),
            top("Memory", "Resident.", "bytes", gauge("process_memory_usage_bytes"), stack=True),
            top("Share of the machine", "1 is all CPUs.", "percentunit", gauge("process_cpu_utilization_ratio")),
            top("Virtual memory", "What was asked for, used or not.", "bytes", gauge("process_memory_virtual_bytes")),
            top("Read", "From disks, where hostmeter may read it.", "Bps",
                rate("process_disk_io_bytes_total", ', disk_io_direction="read"')),
            top("Written", "To disks, where hostmeter may read it.", "Bps",
                rate("process_disk_io_bytes_total", ', disk_io_direction="write"')),
            top("Threads", "A leak grows for ever.", "short", gauge("process_thread_count")),
            top("File descriptors", "Open ones, where hostmeter may read them. A leak grows for ever.", "short",
                gauge("process_unix_file_descriptor_count")),
            top("Major page faults", "Had to read from a disk.", "ops",
                rate("process_paging_faults_total", ', system_paging_fault_type="major"')),
            top("Minor page faults", "Did not.", "ops",
                rate("process_paging_faults_total", ', system_paging_fault_type="minor"')),
        ]),
        ("All", [
            panel("By state", "A growing number of defunct ones has a parent that does not look after them.", "short",
                  (f"sum by (process_state) (system_process_count{{{S}}})", "{{process_state}}"), width=12, stack=True),
            panel("Youngest", "How long the ten youngest of those shown have run: whoever is always here restarts.",
                  "s",
                  (f"bottomk(10, sum by ({BY}) (process_uptime_seconds{{{S}}}))", LEGEND), width=12),
            panel("Not shown alone", "Processes in the remainder, or in each group.", "short",
                  (f"sum by (process_executable_name) (process_group_count{{{S}}})",
                   "{{process_executable_name}}"), width=24),
        ]),
    ])
