"""Who waits, and for what (PSI)."""

from build import NAMED, dashboard, of_hosts, panel

S = 'job=~"$job", instance=~"$instance"'
WHAT = {
    "cpu": ("CPU", "a CPU"),
    "memory": ("Memory", "memory: for pages to be read back, for others to be written out"),
    "io": ("Input and output", "disks"),
    "irq": ("Interrupts", "an interrupt to be done with (Linux 6.1 and newer)"),
}


def waiting(resource, stall, window="$__rate_interval"):
    return (f'max by (job, instance) (rate({{__name__=~"system_{resource}_linux_pressure_(total_)?seconds_total", {S}, '
            f'system_pressure_stall_type="{stall}"}}[{window}])) {NAMED}')


def row(resource):
    title, what = WHAT[resource]
    # Nobody can be there to wait while all wait for interrupts.
    some = [] if resource == "irq" else [
        panel(f"{title}: some", f"Share of the time in which somebody waited for {what}.", "percentunit",
              (waiting(resource, "some"), "{{host_name}}"), width=12)]
    full = [panel(f"{title}: full", f"Share of the time in which everybody waited for {what}: lost to the host.",
                  "percentunit", (waiting(resource, "full"), "{{host_name}}"), width=12)]
    return title, some + full


DASHBOARD = dashboard(
    "pressure", "Hosts: pressure",
    "Time lost to waiting, as the kernel counts it (/proc/pressure). Use says how busy a resource is, pressure who"
    " suffers from it.",
    of_hosts(several=True), [
        ("Worst in the last five minutes", [
            panel(WHAT[resource][0],
                  f"Share of the time in which {'everybody' if resource == 'irq' else 'somebody'} waited for {WHAT[resource][1]}.",
                  "percentunit", (f"max({waiting(resource, 'full' if resource == 'irq' else 'some', '5m')})",
                                  WHAT[resource][0]), kind="stat",
                  width=6, steps=[(0.1, "orange"), (0.5, "red")])
            for resource in WHAT
        ]),
        *(row(resource) for resource in WHAT),
    ])
