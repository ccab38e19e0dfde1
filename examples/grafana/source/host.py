"""One host by the USE method: of each resource what is used, what waits for it, and what went wrong."""

from build import dashboard, of_hosts, panel

S = 'job=~"$job", instance=~"$instance"'
R = "[$__rate_interval]"


def rate(name, by, more=""):
    return f"sum by ({by}) (rate({name}{{{S}{more}}}{R}))"


def pressure(resource):
    name = f'__name__=~"system_{resource}_linux_pressure_(total_)?seconds_total"'
    return f"max by (system_pressure_stall_type) (rate({{{name}, {S}}}{R}))", "{{system_pressure_stall_type}}"


def number(title, about, unit, expression, **more):
    return panel(title, about, unit, (expression, title), kind="stat", width=4, **more)


FULL = [(0.8, "orange"), (0.95, "red")]
BUSY = (f'1 - sum(rate(system_cpu_time_seconds_total{{{S}, cpu_mode=~"idle|iowait|steal"}}{R}))'
        f" / sum(rate(system_cpu_time_seconds_total{{{S}}}{R}))")
USED = f"1 - sum(system_memory_linux_available_bytes{{{S}}}) / sum(system_memory_limit_bytes{{{S}}})"
NO_LO = ', network_interface_name!="lo"'
INTERFACE = "network_interface_name, network_io_direction"
BY_INTERFACE = "{{network_interface_name}} {{network_io_direction}}"
BY_DISK = "{{system_device}} {{disk_io_direction}}"

DASHBOARD = dashboard("host", "Hosts: one host", "Utilisation, saturation and errors of one host.", of_hosts(), [
    ("Now", [
        number("CPU", "Share of CPU time in use.", "percentunit", BUSY, top=1, steps=FULL),
        number("Memory", "Share of memory that new programs cannot have.", "percentunit", USED, top=1, steps=FULL),
        number("Fullest filesystem", "As `df` shows it.", "percentunit",
               f"max(system_filesystem_utilization_ratio{{{S}}})", top=1, steps=FULL),
        number("Load for each CPU", "Threads that run, want to run, or wait for a disk.", "short",
               f"sum(system_cpu_load_average_1m{{{S}}}) / sum(system_cpu_logical_count{{{S}}})", steps=[(1, "orange"),
                                                                                                        (2, "red")]),
        number("CPUs", "Logical CPUs.", "short", f"sum(system_cpu_logical_count{{{S}}})"),
        number("Up for", "Since the last boot.", "s", f"max(system_uptime_seconds{{{S}}})"),
    ]),
    ("CPU", [
        panel("Utilisation", "CPU time by mode, in CPUs.", "short",
              (rate("system_cpu_time_seconds_total", "cpu_mode", ', cpu_mode!="idle"'), "{{cpu_mode}}"), stack=True),
        panel("Saturation: load", "Threads that run, want to run, or wait for a disk; and how many CPUs there are.",
              "short",
              (f"sum(system_cpu_load_average_1m{{{S}}})", "1 min"), (f"sum(system_cpu_load_average_5m{{{S}}})",
                                                                     "5 min"),
              (f"sum(system_cpu_load_average_15m{{{S}}})", "15 min"), (f"sum(system_cpu_logical_count{{{S}}})",
                                                                       "CPUs")),
        panel("Saturation: pressure",
              "Share of the time in which somebody (some) or everybody (full) waited for a CPU.",
              "percentunit", pressure("cpu")),
    ]),
    ("Memory", [
        panel("Utilisation", "By state; the states add up to all there is.", "bytes",
              (f"sum by (system_memory_state) (system_memory_usage_bytes{{{S}}})",
               "{{system_memory_state}}"), stack=True),
        panel("Saturation: pressure",
              "Share of the time in which somebody (some) or everybody (full) waited for memory.",
              "percentunit", pressure("memory")),
        panel("Errors: killed for want of memory", "Processes that the kernel killed, in five minutes.", "short",
              (f"sum(increase(system_memory_linux_oom_kill_total{{{S}}}[5m]))", "killed")),
        panel("Available", "What new programs can have without swapping; and what waits to be written.", "bytes",
              (f"sum(system_memory_linux_available_bytes{{{S}}})", "available"),
              (f"sum(system_linux_memory_dirty_bytes{{{S}}})", "dirty"),
              (f"sum by (system_memory_linux_slab_state) (system_memory_linux_slab_usage_bytes{{{S}}})",
               "slab {{system_memory_linux_slab_state}}")),
        panel("Saturation: page faults", "Major ones had to read from a disk.", "ops",
              (rate("system_paging_faults_total", "system_paging_fault_type"), "{{system_paging_fault_type}}")),
        panel("Saturation: pages in and out", "Major: swap. Minor: all of the block devices' traffic.", "ops",
              (rate("system_paging_operations_total", "system_paging_direction, system_paging_fault_type"),
               "{{system_paging_fault_type}} {{system_paging_direction}}")),
        panel("Swap", "By device; nothing where the host has none.", "bytes",
              (f"sum by (system_device, system_paging_state) (system_paging_usage_bytes{{{S}}})",
               "{{system_device}} {{system_paging_state}}"),
              stack=True, width=24),
    ]),
    ("Disks", [
        panel("Utilisation", "Share of the time in which the disk had something to do.", "percentunit",
              (rate("system_disk_io_time_seconds_total", "system_device"), "{{system_device}}"), top=1),
        panel("Saturation: queue", "Requests under way, on average.", "short",
              (rate("system_disk_weighted_io_time_seconds_total", "system_device"), "{{system_device}}")),
        panel("Saturation: pressure",
              "Share of the time in which somebody (some) or everybody (full) waited for input or output.",
              "percentunit", pressure("io")),
        panel("Bytes", "Read and written.", "Bps",
              (rate("system_disk_io_bytes_total", "system_device, disk_io_direction"), BY_DISK)),
        panel("Operations", "Finished reads and writes.", "iops",
              (rate("system_disk_operations_total", "system_device, disk_io_direction"), BY_DISK)),
        panel("Time of an operation", "From request to end, on average; nothing where there was none.", "s",
              (f'{rate("system_disk_operation_time_seconds_total", "system_device, disk_io_direction")} / '
               f'({rate("system_disk_operations_total", "system_device, disk_io_direction")} > 0)', BY_DISK)),
    ]),
    ("Filesystems", [
        panel("Utilisation", "As `df` shows it.", "percentunit",
              (f"max by (system_filesystem_mountpoint) (system_filesystem_utilization_ratio{{{S}}})",
               "{{system_filesystem_mountpoint}}"),
              top=1, width=12),
        panel("Inodes", "Share of the inodes in use, where the filesystem counts them.", "percentunit",
              (f'sum by (system_filesystem_mountpoint) (system_filesystem_inodes_usage{{{S}, system_filesystem_state="used"}})'
               f" / (sum by (system_filesystem_mountpoint) (system_filesystem_inodes_usage{{{S}}}) > 0)",
               "{{system_filesystem_mountpoint}}"), top=1, width=12),
        panel("Space", "By state; reserved is for root.", "bytes",
              (f"sum by (system_filesystem_mountpoint, system_filesystem_state) (system_filesystem_usage_bytes{{{S}}})",
               "{{system_filesystem_mountpoint}} {{system_filesystem_state}}"), width=24),
    ]),
    ("Network", [
        panel("Utilisation", "Bytes a second.", "Bps",
              (rate("system_network_io_bytes_total", INTERFACE, NO_LO), BY_INTERFACE)),
        panel("Saturation: dropped", "Packets left out for want of room or of somebody who wants them.", "pps",
              (rate("system_network_packet_dropped_total", INTERFACE, NO_LO), BY_INTERFACE)),
        panel("Errors", "Broken packets.", "pps",
              (rate("system_network_errors_total", INTERFACE, NO_LO), BY_INTERFACE)),
        panel("Packets", "Packets a second.", "pps",
              (rate("system_network_packet_count_total", "system_device, network_io_direction",
                    ', system_device!="lo"'),
               "{{system_device}} {{network_io_direction}}")),
        panel("Connections", "Sockets by state.", "short",
              (f"sum by (network_transport, network_connection_state) (system_network_connection_count{{{S}}}) > 0",
               "{{network_transport}} {{network_connection_state}}")),
        panel("Tracked connections", "Entries of the kernel's table and its limit; nothing where nothing is tracked.",
              "short",
              (f"sum(system_network_conntrack_count{{{S}}})",
               "tracked"), (f"sum(system_network_conntrack_limit{{{S}}})", "limit")),
    ]),
    ("Kernel", [
        panel("Context switches and interrupts", "A second.", "cps",
              (f"sum(rate(system_linux_context_switches_total{{{S}}}{R}))", "context switches"),
              (f"sum(rate(system_linux_interrupts_total{{{S}}}{R}))", "interrupts"),
              (f"sum(rate(system_process_created_total{{{S}}}{R}))", "new processes")),
        panel("Threads and their limit", "Each thread takes a process number.", "short",
              (f"sum(process_thread_count{{{S}}})", "threads"), (f"sum(system_process_limit{{{S}}})", "limit")),
        panel("File descriptors", "Open ones of all processes, as a share of the limit.", "percentunit",
              (f"sum(system_linux_file_descriptor_count{{{S}}}) / sum(system_linux_file_descriptor_limit{{{S}}})",
               "in use")),
    ]),
])
