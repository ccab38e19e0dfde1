"""The service of the package: its unit by systemd's own tools, and started by a systemd in a container."""

import re
import shutil
import subprocess
import time

from components import HOSTMETER, REPO
from podman import container, podman
from promtext import Page
from report import wait_for

UNITS = REPO / "examples/systemd"
IMAGE = "localhost/hostmeter-test-systemd"
# Debian's smallest system has no client for HTTP.
GET = "exec 3<>/dev/tcp/127.0.0.1/9464; printf 'GET /metrics HTTP/1.1\\r\\nHost: x\\r\\nConnection: close\\r\\n\\r\\n' >&3; " \
    "sed '1,/^\\r$/d' <&3"


def unit(report, directory):
    """The unit and its drop-in, with no systemd running; their exposure is row S04 of tests/e2e/robust."""
    if not shutil.which("systemd-analyze"):
        print("NOT CHECKED: the unit by systemd-analyze, because that is not here.")
        return
    for drop_in in (None, "processes.conf"):
        place = directory / (drop_in or "plain")
        place.mkdir()
        # The program has to be where the unit says.
        text = (UNITS / "hostmeter.service").read_text()
        (place / "hostmeter.service").write_text(text.replace("/usr/bin/hostmeter", str(HOSTMETER)))
        if drop_in:
            (place / "hostmeter.service.d").mkdir()
            shutil.copy(UNITS / drop_in, place / "hostmeter.service.d")
        with report.check(f"service: systemd-analyze verify, {drop_in or 'as it is'}") as check:
            done = subprocess.run(["systemd-analyze", "verify", "--man=no", place / "hostmeter.service"],
                                  capture_output=True, text=True)
            about_ours = [line for line in done.stderr.splitlines() if "hostmeter" in line]
            check.same("what is said", about_ours, [])
            check.same("exit code", done.returncode, 0)


def run(report, directory, package):
    """Installed where systemd is process 1; the image is made of Debian's archive by tests/ship/run."""
    if podman("image", "exists", IMAGE, check=False).returncode:
        print("NOT CHECKED: the package's service started at its installation, because there is no image with systemd.")
        return
    with report.check("service: started at the installation, and good") as check, \
            container("--systemd=always", "--tmpfs", "/run", "--tmpfs", "/tmp", "--privileged", "--network", "none",
                      "--volume", f"{package}:/package.deb:ro", IMAGE) as name:
        life(check, name)


def life(check, name):
    def inside(*command, good=True):
        done = podman("exec", name, *command, check=False, seconds=60)
        check.that(done.returncode == 0 or not good, f"{' '.join(command)}: {(done.stdout + done.stderr).strip()[-300:]}")
        return done.stdout.strip()

    def property_of(what):
        return inside("systemctl", "show", "--value", "--property", what, "hostmeter.service")

    wait_for("systemd", 60, lambda: inside("systemctl", "is-system-running", good=False) in ("running", "degraded"))
    # So that there is something to keep; nobody listens there.
    inside("mkdir", "/etc/hostmeter")
    inside("sh", "-c", "echo OTEL_EXPORTER_OTLP_ENDPOINT=http://127.0.0.1:4317 >/etc/hostmeter/environment")
    inside("dpkg", "--install", "/package.deb")
    check.same("the service", property_of("ActiveState"), "active")
    check.same("at boot", inside("systemctl", "is-enabled", "hostmeter.service"), "enabled")
    check.that(property_of("StatusText"), "it tells systemd no status")
    inside("hostmeter", "healthcheck")
    pid = property_of("MainPID")
    status = inside("cat", f"/proc/{pid}/status")
    check.same("capabilities", re.search(r"CapEff:\t(\w+)", status)[1], "0" * 16)
    check.that(not re.search(r"Uid:\t0\t", status), "it is root")
    page = Page(inside("bash", "-c", GET))
    check.that(page.sum("hostmeter_collector_up_ratio") >= 10, "collectors are missing on /metrics")
    check.same("the queue's directory", inside("ls", "/var/lib/private/hostmeter"), "queue")
    inside("systemctl", "reload", "hostmeter.service")
    time.sleep(1)
    check.same("after a reload", [property_of("ActiveState"), property_of("MainPID")], ["active", pid])
    # An upgrade starts the new one; whom an administrator has stopped for good stays so.
    inside("dpkg", "--install", "/package.deb")
    check.that(property_of("MainPID") not in ("0", pid), "an upgrade has started no new one")
    journal = inside("journalctl", "--no-pager", "-u", "hostmeter.service")
    check.that(" ERROR " not in journal, journal[-300:])
    inside("dpkg", "--remove", "hostmeter")
    check.same("after its removal", inside("systemctl", "is-active", "hostmeter.service", good=False), "inactive")
    inside("dpkg", "--purge", "hostmeter")
    left = inside("find", "/var/lib/private", "/var/lib/hostmeter", "/etc/hostmeter", "/usr/bin/hostmeter", "-type", "f", good=False)
    check.same("what is left", left, "/etc/hostmeter/environment")
