"""tests/targets/freezer.py: hold processes as a paused machine holds them: they learn nothing of it.

SIGSTOP is not that. It tells a parent that its child was stopped, and sshd takes this for the child's end: it kills the
process in which PAM was looking at a password, and refuses the right one.
"""

import contextlib
import os
import pathlib
import signal
import tempfile
import time


def stop(*pids):
    """SIGSTOP, and wait for it: a signal is only sent when kill() returns, and a busy thread answers once more."""
    _signal(pids, signal.SIGSTOP)
    deadline = time.monotonic() + 10
    while any(_runs(pid) for pid in pids):
        if time.monotonic() > deadline:
            raise TimeoutError(f"not all of {pids} stand still")
        time.sleep(0.001)


def stop_all(list_processes):
    """Stop all that list_processes() names, and what they fork meanwhile; return their ids."""
    held = []
    while left := [pid for pid in list_processes() if pid not in held]:
        stop(*left)
        held += left
    return held


class Freezer:
    """A control group of its own, made by the first freeze(). Where none can be made, SIGSTOP it is, with its flaw."""

    def __init__(self):
        self._group, self._held = None, []

    def freeze(self, list_processes):
        """Hold all that list_processes() names, and what they fork meanwhile."""
        self._group = self._group or _make_group()
        if self._group is None:
            self._held = stop_all(list_processes)
            return
        while left := set(list_processes()) - set(_members(self._group)):
            for pid in left:
                with contextlib.suppress(ProcessLookupError):
                    (self._group / "cgroup.procs").write_text(str(pid))
        self._set(1)

    def thaw(self):
        """Let them run on. Does nothing when nothing is held."""
        if self._group is not None:
            self._set(0)
        _signal(self._held, signal.SIGCONT)
        self._held = []

    def close(self):
        """Once its processes have ended."""
        if self._group is not None:
            while _members(self._group):
                time.sleep(0.002)
            self._group.rmdir()
            self._group = None

    def _set(self, is_frozen):
        (self._group / "cgroup.freeze").write_text(str(is_frozen))
        while f"frozen {is_frozen}" not in (self._group / "cgroup.events").read_text():
            time.sleep(0.001)


def _make_group():
    for line in pathlib.Path("/proc/self/mounts").read_text().splitlines():
        _, place, kind, *_ = line.split()
        if kind == "cgroup2":
            with contextlib.suppress(OSError):
                group = pathlib.Path(tempfile.mkdtemp(prefix="keyturn-", dir=place))
                if (group / "cgroup.freeze").exists():
                    return group
                group.rmdir()
    return None


def _members(group):
    return [int(pid) for pid in (group / "cgroup.procs").read_text().split()]


def _runs(pid):
    """Does one of its threads still run? Neither stopped nor ended, as proc(5) has it."""
    with contextlib.suppress(FileNotFoundError, ProcessLookupError):
        for thread in pathlib.Path(f"/proc/{pid}/task").iterdir():
            with contextlib.suppress(FileNotFoundError, ProcessLookupError):
                if (thread / "stat").read_text().rpartition(")")[2].split()[0] not in "TtZX":
                    return True
    return False


def _signal(processes, number):
    for pid in processes:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)
