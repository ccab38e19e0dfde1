"""podman, which here builds and runs what the examples say to docker."""

import json
import os
import subprocess
from contextlib import contextmanager

IMAGE = "localhost/hostmeter:0.1.0"


def podman(*arguments, check=True, seconds=120):
    """Its output; an error with the end of what it said where it fails."""
    done = subprocess.run(["podman", *arguments], capture_output=True, text=True, timeout=seconds)
    if check and done.returncode:
        raise RuntimeError(f"podman {' '.join(arguments[:2])}: {done.stderr.strip()[-600:]}")
    return done.stdout if check else done


def why_not():
    """Why no container can be run here; nothing where one can."""
    if os.geteuid() != 0:
        return "that takes root"
    try:
        podman("info")
    except (OSError, RuntimeError, subprocess.TimeoutExpired) as problem:
        return f"podman does not run here ({problem})"
    return None


def inspect(kind, name):
    return json.loads(podman(kind, "inspect", name))[0]


@contextmanager
def container(*arguments):
    """A container in the background; removed at the end, whatever happened."""
    name = podman("run", "--detach", *arguments).strip()
    try:
        yield name
    finally:
        podman("rm", "--force", "--time", "10", name, check=False)
