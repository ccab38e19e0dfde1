"""The image: built by the Dockerfile as it is, and run without any right."""

import os
import re
import time
from contextlib import contextmanager
from pathlib import Path

import host
from components import REPO, free_port, get
from podman import IMAGE, container, inspect, podman, why_not
from promtext import Page
from report import wait_for

DOCKERFILE = REPO / "examples/container/Dockerfile"
# Anything that has a `sleep`.
APPLICATION = "docker.io/library/rust:1.95-slim-bookworm"
FIELD = "valueFrom:\n            fieldRef:\n              fieldPath: {}"
MOST_BYTES = 15 << 20
# What the application beside the agent holds in memory.
NEIGHBOUR = 30_000_000
LEAST_RIGHTS = ("--read-only", "--cap-drop", "ALL", "--security-opt", "no-new-privileges", "--memory", "64m")
# As examples/kubernetes/base/daemonset.yaml says them.
DAEMON_SET = ("run", "--root", "/host")
HOST = ("--volume", "/:/host:ro,rslave", "--pid", "host")


def run(report, directory):
    if reason := why_not():
        print(f"NOT CHECKED: the container image, because {reason}.")
        return
    with report.check("image: built by examples/container/Dockerfile") as check:
        # The build's own network would need rules for forwarding that not every machine takes.
        podman("build", "--network", "host", "--pull=never", "--format", "docker", "--tag", IMAGE,
               "--file", str(DOCKERFILE), str(REPO), seconds=3000)
        found(report, check)
    with report.check("image: without rights, the host's numbers") as check:
        without_rights(check)
    with report.check("image: beside an application, by examples/kubernetes/sidecar.yaml") as check:
        sidecar(check, directory)
    if Path("/sys/fs/cgroup/memory").exists():
        with report.check("image: beside an application, and the whole pod measured") as check:
            pod(check, directory)
    else:
        print("NOT CHECKED: a pod measured as a whole, because this machine has no cgroups of version 1.")
    with report.check("image: with both capabilities, the I/O of every process") as check:
        with_capabilities(check)


def found(report, check):
    image = inspect("image", IMAGE)
    report.note(f"the image has {image['Size'] / (1 << 20):.1f} MiB")
    check.that(image["Size"] <= MOST_BYTES, f"the image has {image['Size']} bytes, more than {MOST_BYTES}")
    check.same("the user", image["Config"]["User"], "65532:65532")
    labels = image["Config"]["Labels"]
    for label in ("title", "description", "licenses", "version", "revision"):
        check.that(labels.get(f"org.opencontainers.image.{label}"), f"no label {label}")
    check.same("the health check", image["Healthcheck"]["Test"], ["CMD", "/usr/bin/hostmeter", "healthcheck"])
    version = re.search(r'^version = "(.+)"', (REPO / "Cargo.toml").read_text(), re.M)[1]
    check.same("the version", labels["org.opencontainers.image.version"], version)
    said = podman("run", "--rm", IMAGE, "--version").strip()
    check.same("what it says", said, f"hostmeter {version}")


def page(port):
    """The page, once the first collection is done."""
    wait_for("the agent in the container being ready", 30, lambda: get(f"http://127.0.0.1:{port}/-/ready")[0] == 200)
    return Page(get(f"http://127.0.0.1:{port}/metrics")[1])


def without_rights(check):
    port = free_port()
    with container(*LEAST_RIGHTS, *HOST, "--publish", f"127.0.0.1:{port}:9464", IMAGE, *DAEMON_SET) as name:
        text = page(port)
        check.same("the limit of memory", text.sum("system_memory_limit_bytes"), host.meminfo()["MemTotal"])
        interfaces = set(text.values("system_network_io_bytes_total", "network_interface_name"))
        # The container's own is eth0 and nothing else.
        default = default_interface()
        check.that(default in interfaces, f"the host's interface {default} is not in {interfaces}")
        check.that(text.sum("system_filesystem_limit_bytes", system_filesystem_mountpoint="/") > 0, "no root")
        name_of_host = Path("/etc/hostname").read_text().strip()
        check.same("host.name", text.values("target_info", "host_name"), [name_of_host])
        health = podman("healthcheck", "run", name, check=False)
        check.same("the health check", health.returncode, 0)
        inside = inspect("container", name)
        check.same("capabilities", inside["EffectiveCaps"] or [], [])
        check.same("its user", os.stat(f"/proc/{inside['State']['Pid']}").st_uid, 65532)
        log = podman("logs", name, check=False)
        check.that(" ERROR " not in log.stdout + log.stderr, f"the log has an error: {log.stdout + log.stderr}")
        podman("stop", "--time", "10", name)
        check.same("the exit code", inspect("container", name)["State"]["ExitCode"], 0)


def with_capabilities(check):
    port = free_port()
    rights = ("--user", "0", "--cap-add", "SYS_PTRACE", "--cap-add", "DAC_READ_SEARCH")
    with container(*LEAST_RIGHTS, *rights, *HOST, "--publish", f"127.0.0.1:{port}:9464", IMAGE):
        text = page(port)
        check.that(text.values("process_disk_io_bytes_total", "process_owner"), "no I/O of any process")


def sidecar(check, directory):
    with played(directory, "[/bin/sleep, '600']") as port:
        # Whichever of the two is up first.
        wait_for("the neighbour's process on the page", 30,
                 lambda: "sleep" in page(port).values("process_uptime_seconds", "process_executable_name"))
        found = page(port)
        processes = found.values("process_uptime_seconds", "process_executable_name")
        check.that("hostmeter" in processes, f"of the pod's processes only {processes}")
        check.that(found.select("process_disk_io_bytes_total", process_executable_name="sleep"), "no I/O of its neighbour")
        check.same("k8s.pod.name", found.values("target_info", "k8s_pod_name"), ["webapp"])
        check.that(not found.select("system_memory_limit_bytes"), "what is the node's is there")


def pod(check, directory):
    """The same with the whole pod measured, which takes the node's cgroups."""
    more = (
        ("args: [run]", "args: [run]\n      volumeMounts: [{name: cgroup, mountPath: /sys/fs/cgroup, readOnly: true}]"),
        ("- name: K8S_NODE_NAME", "- {name: HOSTMETER_COLLECTORS__CONTAINER__SCOPE, value: pod}\n        - name: K8S_NODE_NAME"),
        ("\n  containers:", "\n  volumes: [{name: cgroup, hostPath: {path: /sys/fs/cgroup}}]\n  containers:"),
    )
    busy = f"[/bin/sh, -c, 'x=$(head -c {NEIGHBOUR} /dev/zero | tr \"\\\\0\" x); echo done; sleep 600']"
    with played(directory, busy, more) as port:
        wait_for("the neighbour", 30, lambda: "done" in podman("logs", "webapp-webapp"))
        # What is shown is up to a second old.
        time.sleep(1.5)
        found = page(port)
        id = podman("pod", "inspect", "--format", "{{.Id}}", "webapp").strip()
        cgroup = next(Path("/sys/fs/cgroup/memory").glob(f"**/{id}"))
        usage = found.sum("container_memory_usage_bytes")
        check.that(usage > NEIGHBOUR, f"the neighbour's memory is not in {usage:.0f}")
        other = int((cgroup / "memory.usage_in_bytes").read_text())
        check.that(abs(usage - other) < 4 << 20, f"memory is {usage:.0f}, not {other}")
        check.that(found.sum("container_cpu_time_seconds_total") > 0, "no CPU time")
        check.same("interfaces", found.values("container_network_io_bytes_total", "network_interface_name"), ["eth0"])


@contextmanager
def played(directory, command, more=()):
    """The pod of sidecar.yaml as it is, but for the application, whose place another command takes, for fields of the
    pod that podman does not know, and for `more`. Its port."""
    port = free_port()
    text = (REPO / "examples/kubernetes/sidecar.yaml").read_text()
    for old, new in (
        ("image: localhost/hostmeter-webapp:0.1.0", f"image: {APPLICATION}\n      command: {command}"),
        ("containerPort: 9464", f"containerPort: 9464\n          hostPort: {port}\n          hostIP: 127.0.0.1"),
        (FIELD.format("spec.nodeName"), "value: node"),
        (FIELD.format("metadata.namespace"), "value: namespace"),
        *more,
    ):
        if old not in text:
            raise ValueError(f"sidecar.yaml has no {old}")
        text = text.replace(old, new, 1)
    path = directory / "pod.yaml"
    path.write_text(text)
    try:
        podman("kube", "play", str(path))
        yield port
    finally:
        podman("kube", "down", str(path), check=False)


def default_interface():
    """The interface of the host's default route, by `/proc/1/net/route`."""
    for line in Path("/proc/1/net/route").read_text().splitlines()[1:]:
        name, destination, *_ = line.split()
        if destination == "00000000":
            return name
    return "lo"
