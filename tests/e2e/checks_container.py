"""The container collector on cgroups of version 1 that are made for it: a pod, the agent's container and a neighbour's.

A container is known by its id in the path, so that no engine is needed. Version 2 has its fixtures.
"""

import os
import re
import subprocess
import time
import uuid
from contextlib import contextmanager
from pathlib import Path

from components import Agent

CONTROLLERS = ("cpu", "cpuacct", "memory", "blkio")
MEMORY_LIMIT = 512 << 20
ALLOCATED = 48 << 20
WRITTEN = 16 << 20
# It is set so that the kernel counts: since 6.10 the files of block I/O stand still where nothing is limited.
NO_REAL_LIMIT = 10_000_000_000
NEIGHBOUR = f"""
import os, sys, time
held = b"x" * {ALLOCATED}
if len(sys.argv) > 1:
    import mmap
    file = os.open(sys.argv[1], os.O_CREAT | os.O_WRONLY | os.O_DIRECT)
    os.write(file, mmap.mmap(-1, {WRITTEN}))
end = time.process_time() + 0.5
while time.process_time() < end:
    pass
print("done", flush=True)
time.sleep(600)
"""


def run(report, directory, options):
    mounts = {controller: mount(controller) for controller in CONTROLLERS}
    if os.geteuid() != 0 or not all(mounts.values()):
        print("NOT CHECKED: the container collector on live cgroups, because that takes root and version 1.")
        return
    with pod(mounts) as (of_pod, of_agent, of_neighbour):
        disk = block_device(directory)
        if disk:
            for direction in ("read", "write"):
                (of_pod["blkio"] / f"blkio.throttle.{direction}_bps_device").write_text(f"{disk[0]} {NO_REAL_LIMIT}")
                (of_neighbour["blkio"] / f"blkio.throttle.{direction}_bps_device").write_text(f"{disk[0]} {NO_REAL_LIMIT}")
        else:
            print("NOT CHECKED: block I/O of a container, because the directory of the test is on no disk.")
        neighbour = subprocess.Popen(
            [*inside(of_neighbour), "python3", "-c", NEIGHBOUR, *([directory / "written"] if disk else [])],
            stdout=subprocess.PIPE, text=True)
        try:
            neighbour.stdout.readline()
            for scope in ("pod", "container"):
                with Agent(directory, f"hostmeter-{scope}", prefix=inside(of_agent),
                           HOSTMETER_COLLECTORS__CONTAINER__SCOPE=scope) as agent:
                    agent.start()
                    time.sleep(1)
                    looked_at(report, scope, agent.page(), of_pod if scope == "pod" else of_agent, disk)
        finally:
            neighbour.kill()
            neighbour.wait()


def looked_at(report, scope, page, cgroup, disk):
    def file(controller, name):
        return (cgroup[controller] / name).read_text()

    with report.check(f"container: {scope}, by the files of version 1") as check:
        usage = page.sum("container_memory_usage_bytes")
        near(check, "memory", usage, int(file("memory", "memory.usage_in_bytes")), 4 << 20)
        near(check, "resident", page.sum("container_memory_rss_bytes"),
             int(re.search(r"^total_rss (\d+)", file("memory", "memory.stat"), re.M)[1]), 4 << 20)
        near(check, "CPU", page.sum("container_cpu_time_seconds_total"), int(file("cpuacct", "cpuacct.usage")) / 1e9, 0.2)
        written = [value for _, value in page.select("container_disk_io_bytes_total", disk_io_direction="write")]
        limits = [page.select(name) for name in ("container_memory_limit_bytes", "container_cpu_limit")]
        if scope == "pod":
            check.that(usage > ALLOCATED, f"the neighbour's memory is not in {usage:.0f}")
            check.same("limits", [value for [(_, value)] in limits], [MEMORY_LIMIT, 1.5])
            if disk:
                check.same("bytes written", written, [WRITTEN])
                check.same("the disk", page.values("container_disk_io_bytes_total", "system_device"), [disk[1]])
        else:
            check.that(usage < ALLOCATED, f"the neighbour's memory is in {usage:.0f}")
            check.same("limits", limits, [[], []])
            check.same("bytes written", sum(written), 0)


def near(check, what, found, wanted, off):
    check.that(abs(found - wanted) <= off, f"{what} is {found}, not {wanted}")


@contextmanager
def pod(mounts):
    """The cgroups of a pod and of two containers in it, each as a directory by controller."""
    name = f"hostmeter-e2e-{os.getpid()}"
    ids = [uuid.uuid4().hex * 2 for _ in range(2)]
    made = [{c: path / name for c, path in mounts.items()}]
    made += [{c: path / name / id for c, path in mounts.items()} for id in ids]
    try:
        for cgroup in made:
            for path in cgroup.values():
                path.mkdir()
        (made[0]["memory"] / "memory.limit_in_bytes").write_text(str(MEMORY_LIMIT))
        (made[0]["cpu"] / "cpu.cfs_quota_us").write_text("150000")
        yield made
    finally:
        for cgroup in reversed(made):
            for path in cgroup.values():
                remove(path)


def remove(path):
    """A cgroup can go when the last of its processes has been buried."""
    for _ in range(50):
        try:
            return path.rmdir() if path.exists() else None
        except OSError:
            time.sleep(0.1)


def inside(cgroup):
    """The beginning of a command line that runs in these cgroups."""
    enter = "".join(f"echo $$ >{path}/cgroup.procs; " for path in cgroup.values())
    return ["sh", "-c", f'{enter}exec "$@"', "sh"]


def mount(controller):
    """Where the whole hierarchy of a controller of version 1 is."""
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        before, _, after = line.partition(" - cgroup ")
        if after and controller in after.split()[-1].split(",") and before.split()[3] == "/":
            return Path(before.split()[4])
    return None


def block_device(directory):
    """The numbers and the name of the whole disk below a directory."""
    number = os.stat(directory).st_dev
    device = Path(f"/sys/dev/block/{os.major(number)}:{os.minor(number)}").resolve()
    if not device.exists():
        return None
    disk = device.parent if (device / "partition").exists() else device
    return (disk / "dev").read_text().strip(), disk.name
