"""A real systemd, as the first process of a world of its own, runs the shipped unit."""

import os
import re
import shutil
import stat
import subprocess

from components import HOSTMETER, REPO, free_port
from row import row

# Everything that systemd would change is mounted over before it starts.
WORLD = """
mount --make-rprivate /
umount -R /sys/fs/cgroup || umount -lR /sys/fs/cgroup
set -e
mount -t cgroup2 none /sys/fs/cgroup
mount -t tmpfs -o mode=755 tmpfs /run
mount -t tmpfs -o mode=755 tmpfs /var/lib
mkdir -p /run/systemd/system/row.target.wants /run/bin
cp {hostmeter} /run/bin/hostmeter
cp {directory}/*.service {directory}/row.target /run/systemd/system
ln -s ../hostmeter.service ../asks.service /run/systemd/system/row.target.wants
export container=row
exec /lib/systemd/systemd --system --unit=row.target --log-target=null --show-status=no
"""

TARGET = "[Unit]\nDefaultDependencies=no\n"

ASKS = """[Unit]
DefaultDependencies=no
After=hostmeter.service
[Service]
Type=oneshot
ExecStart=/bin/bash {directory}/asks
"""

# The answers, a line each.
QUESTIONS = """exec >{directory}/answers 2>&1
of() {{ systemctl show -p "$1" --value hostmeter; }}
pid=$(of MainPID)
echo "started=$(of ActiveState)"
echo "ready=$(curl -s --max-time 3 http://127.0.0.1:{port}/-/ready)"
echo "series=$(curl -s --max-time 3 http://127.0.0.1:{port}/metrics | grep -cv '^#')"
echo "status=$(of StatusText)"
echo "uid=$(awk '/^Uid/ {{print $2}}' /proc/$pid/status)"
echo "capabilities=$(awk '/^CapEff/ {{print $2}}' /proc/$pid/status)"
echo "seccomp=$(awk '/^Seccomp:/ {{print $2}}' /proc/$pid/status)"
echo "queue=$(ls /var/lib/private/hostmeter/queue | grep -c .)"
systemctl reload hostmeter; echo "reload=$?"
sleep 0.5
echo "reloaded=$(curl -s --max-time 3 http://127.0.0.1:{port}/metrics | grep '^hostmeter_config_last_reload_successful' | grep -o '1$')"
sleep 9
echo "restarts=$(of NRestarts)"
echo "same=$([[ $pid == $(of MainPID) ]] && echo yes)"
sampler=$(grep -l '^sampler$' /proc/$pid/task/*/comm); sampler=${{sampler%/comm}}
strace -qq -o /dev/null -e inject=all:delay_enter=3600000000 -p ${{sampler##*/}} &
sleep 14
kill %1
echo "hung=$(of Result)"
for _ in {{1..100}}; do [[ $(of ActiveState) == active ]] && break; sleep 0.1; done
echo "again=$(of ActiveState)"
echo "restarted=$(of NRestarts)"
systemctl stop hostmeter
echo "stopped=$(of Result)"
systemctl poweroff -ff
"""


@row("W02", "the shipped unit under a real systemd; then its sampler hangs", seconds=120)
def unit(run):
    port = free_port()
    text = (REPO / "examples/systemd/hostmeter.service").read_text()
    # A target of its own has no network to wait for, and a minute of watchdog is too long for a row.
    text = re.sub(r"(?m)^(After|Wants|EnvironmentFile)=.*\n", "", text).replace("[Unit]\n", "[Unit]\nDefaultDependencies=no\n")
    text = text.replace("/usr/bin/hostmeter", "/run/bin/hostmeter").replace("WatchdogSec=60", "WatchdogSec=4")
    text = text.replace("RestartSec=5", "RestartSec=1\nEnvironment=OTEL_EXPORTER_OTLP_ENDPOINT=http://127.0.0.1:1 "
                        f"OTEL_METRIC_EXPORT_INTERVAL=1000 OTEL_EXPORTER_PROMETHEUS_PORT={port}")
    for name, what in {"hostmeter.service": text, "row.target": TARGET, "asks.service": ASKS, "asks": QUESTIONS, "world": WORLD}.items():
        if name != "hostmeter.service":
            what = what.format(directory=run.directory, hostmeter=HOSTMETER, port=port)
        (run.directory / name).write_text(what)
    # The one directory of the row that systemd's children read.
    os.chmod(run.directory, stat.S_IRWXU | stat.S_IXGRP | stat.S_IXOTH)
    log = (run.directory / "systemd.log").open("wb")
    subprocess.run(["unshare", "--pid", "--fork", "--kill-child", "--mount", "--cgroup", "--mount-proc", "--uts", "--ipc",
                    shutil.which("bash"), run.directory / "world"], stdin=subprocess.DEVNULL, stdout=log, stderr=log, timeout=100,
                   check=False)
    answers = dict(line.split("=", 1) for line in (run.directory / "answers").read_text().splitlines() if "=" in line)
    for what, name, promised in (
        ("started, with no Collector there", "started", "active"), ("/-/ready right after the start", "ready", "ready"),
        ("status", "status", "13 collectors; serves /metrics and pushes OTLP"), ("capabilities", "capabilities", "0" * 16),
        ("system calls filtered", "seccomp", "2"), ("systemctl reload", "reload", "0"), ("in use", "reloaded", "1"),
        ("restarts in 9 s of a watchdog of 4 s", "restarts", "0"), ("the same process", "same", "yes"),
        ("with a sampler that hangs", "hung", "watchdog"), ("and afterwards", "again", "active"), ("restarts", "restarted", "1"),
        ("systemctl stop", "stopped", "success"),
    ):
        run.same(what, promised, answers.get(name))
    run.figure("a user of its own", "not root", answers.get("uid"), answers.get("uid", "0") not in ("", "0"))
    run.at_least("series", 100, int(answers.get("series") or 0))
    run.at_least("files of the queue in its state directory", 2, int(answers.get("queue") or 0))
