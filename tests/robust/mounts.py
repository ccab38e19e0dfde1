"""Mounts that hang: a FUSE file system whose program is stopped, as a file server that is gone."""

import os
import signal
import subprocess
from contextlib import contextmanager
from pathlib import Path

from report import wait_for


class Mount:
    """Where it is, and the program that answers for it."""

    def __init__(self, path, program):
        self.path = Path(path)
        self._program = program

    def hang(self):
        self._program.send_signal(signal.SIGSTOP)

    def heal(self):
        self._program.send_signal(signal.SIGCONT)


@contextmanager
def mounted(directory):
    """A mount that answers, until it is told to hang."""
    directory = Path(directory)
    source, mount = directory / "source", directory / "mount"
    source.mkdir(parents=True)
    mount.mkdir()
    program = subprocess.Popen(["unionfs", "-f", f"{source}=RW", mount], stdin=subprocess.DEVNULL)
    try:
        wait_for("the mount", 10, lambda: os.path.ismount(mount))
        yield Mount(mount, program)
    finally:
        # Dead, it answers everybody with an error.
        program.kill()
        program.wait()
        subprocess.run(["umount", "-l", mount], check=False)
