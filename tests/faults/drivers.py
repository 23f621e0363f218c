"""tests/faults/drivers.py: the ways in which a change is tormented by what befalls our processes and their store. Each lists its points by a rehearsal, and strikes at one.

points(lane)        every point, as tuples
strike(lane, point) -> (hit, findings): was the point come to, and what did not hold after it
"""
import concurrent.futures
import contextlib
import os
import signal
import struct
import subprocess
import time

from stages import STAGES, Run
from faults import Faults

SERVER = ("keyturn", "keyturn-launch")  # the launcher is a fork of it, and has points of its own
CONNECTOR = "keyturn-connector"[:15]  # all that /proc keeps of the name of any of them
DAY_S = 86400
LEASE_S = 30  # rotation/job_lease.c


class Driver:
    def __init__(self, stage, on_postgresql=False):
        self.stage, self.on_postgresql = STAGES[stage], on_postgresql

    @contextlib.contextmanager
    def run(self, lane):
        run = Run(lane, self.stage, self.on_postgresql)
        try:
            yield run
        finally:
            run.close()

    def what(self, point):
        return f"{self.stage.name}: {point}"


class Watched(Driver):
    """A process under faultpoint.so. comm: the server, or its connector."""

    comm = "keyturn"

    def faults(self, lane, run, mode, at=0, when="before", **more):
        folder = os.path.join(run.directory, "faults")
        os.mkdir(folder, 0o777)
        os.chmod(folder, 0o777)
        # A connector may write no file, so its points are only counted.
        return Faults(lane.library, folder, mode=mode, at=at, when=when, root=os.path.join(run.directory, "data"), comm=self.comm,
                      log=self.comm == "keyturn", **more)

    def start(self, run, faults, **environment):
        run.make_due()
        run.start(environment={**faults.environment(), **environment})
        run.sign_in()

    def rehearse(self, lane):
        with self.run(lane) as run:
            faults = self.faults(lane, run, "list" if self.comm == "keyturn" else "kill")
            self.start(run, faults)
            faults.arm()
            answer = run.begin()
            faults.disarm()
            assert answer in (204, 1204, None), answer
            assert run.open_changes() == 0, "the rehearsal's change has not ended"
            points = faults.points()
            self.followed = followed(points) if faults.only_maps("-shm", run.server.process.pid) else set()
            return [point.number for point in points if self.can_fail(point)] or list(range(1, faults.counter + 1))

    def can_fail(self, point):
        return True


def followed(points):
    """The numbers of those after which the same thread of the same process makes the next call, and no other has begun one in between.

    To die after such a call, or before the next, is the same: what else a thread does from one call to the next is in its memory, which
    is gone (test_faultpoint.py tries it; -shm is made anew by the first who opens the store). The launcher also ends processes by kill(),
    which is no call that is listed."""
    return {one.number for one, other in zip(points, points[1:])
            if other.number == one.number + 1 and other.thread == one.thread and not one.thread.endswith("/keyturn-launch")}


class Killed(Watched):
    """The process is killed, or its power is cut, before and after each call with an outside effect."""

    def __init__(self, stage, comm="keyturn", modes=("kill", "power"), on_postgresql=False):
        super().__init__(stage, on_postgresql)
        self.comm, self.modes = comm, modes

    def points(self, lane):
        return [(mode, when, at) for at in self.rehearse(lane) for mode in self.modes for when in ("before", "after")
                if when == "before" or at not in self.followed]

    def strike(self, lane, point):
        mode, when, at = point
        with self.run(lane) as run:
            faults = self.faults(lane, run, mode, at, when)
            self.start(run, faults)
            faults.arm()
            run.begin()
            time.sleep(0.05)
            if self.comm == "keyturn":
                run.server.kill()
                run.start()
            else:
                faults.disarm()
            return faults.fired == at, run.find(self.what(point))


class StoreFails(Watched):
    """A call on a file of the store, or on a connection to it, fails: once, or for a while. The server goes on, or is started again where a
    broken disk has ended it."""

    def __init__(self, stage, modes=("enospc", "eio", "enomem"), on_postgresql=False):
        super().__init__(stage, on_postgresql)
        self.modes = modes

    def faults(self, lane, run, mode, at=0, when="before", **more):
        peer = f"127.0.0.1:{lane.postgresql.port}" if self.on_postgresql else None
        return super().faults(lane, run, mode, at, when, peer=peer, **more)

    def can_fail(self, point):
        if point.call == "recv":
            self.received.add(point.number)
        return self.on_postgresql or "/data/" in point.file

    def points(self, lane):
        """What was received, and then lost, is not told from what was not received."""
        self.received = set()
        return [(mode, when, length, at) for at in self.rehearse(lane) for mode in self.modes
                for when in ("before", "after") for length in (1, 40) if when == "before" or at not in self.received]

    def strike(self, lane, point):
        mode, when, length, at = point
        with self.run(lane) as run:
            faults = self.faults(lane, run, mode, at, when, length=length)
            self.start(run, faults)
            faults.arm()
            run.begin()
            fired = faults.fired
            faults.disarm()
            # A device that reports errors ends the server, a moment after it has been told.
            with contextlib.suppress(subprocess.TimeoutExpired):
                run.server.process.wait(timeout=1.5 if fired and not self.on_postgresql else 0)
                run.start()
            return fired >= at, run.find(self.what(point))


class StoreIsFull(Driver):
    """The disk of the database has room for so many more pages during the change, and for so many seconds after the answer. Every row or two
    takes a new page; a change takes about eleven."""

    page_bytes = 8192

    def __init__(self, stage):
        super().__init__(stage, on_postgresql=True)

    def points(self, lane):
        return [(f"{pages} pages free", f"{held} s longer", held, pages) for pages in range(10) for held in (0, 8)]

    def move(self, lane, run):
        """To the small file system."""
        lane.postgresql.psql(f"ALTER DATABASE {run.database} SET TABLESPACE room")
        tables = run.sql("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
        lane.postgresql.psql("".join(f"ALTER TABLE {name} SET (fillfactor = 10);\n" for name, in tables), run.database)

    def strike(self, lane, point):
        with self.run(lane) as run:
            self.move(lane, run)
            run.start()
            run.sign_in()
            missed, ballast = self.missed(lane), os.path.join(lane.room, "ballast")
            try:
                with open(ballast, "wb", buffering=0) as handle, contextlib.suppress(OSError):
                    while True:
                        handle.write(bytes(4096))
                os.truncate(ballast, max(0, os.path.getsize(ballast) - point[-1] * self.page_bytes))
                run.begin()
                time.sleep(point[2])
            finally:
                os.unlink(ballast)
            return self.missed(lane) > missed, run.find(self.what(point))

    @staticmethod
    def missed(lane):
        return lane.postgresql.log_text().count("No space left on device")


def state_of(pid):
    """The letter of /proc/PID/stat, or None."""
    with contextlib.suppress(OSError, IndexError):
        with open(f"/proc/{pid}/stat") as handle:
            return handle.read().rpartition(")")[2].split()[0]
    return None


def descendants(pid):
    found = []
    with contextlib.suppress(OSError):
        for task in os.listdir(f"/proc/{pid}/task"):
            with open(f"/proc/{pid}/task/{task}/children") as handle:
                for child in handle.read().split():
                    found += [int(child), *descendants(int(child))]
    return found


def name_of(pid):
    with contextlib.suppress(OSError), open(f"/proc/{pid}/comm") as handle:
        return handle.read().strip()
    return None


def signal_all(pids, number):
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)


def wait_for_stop(faults, pids, asked):
    """The pids that have stopped themselves at their point; none where the change ended before it."""
    while not asked.done():
        if faults.fired and (stopped := [pid for pid in pids() if state_of(pid) == "T"]):
            return stopped
        time.sleep(0.02)
    return [pid for pid in pids() if state_of(pid) == "T"]


class Stopping(Watched):
    """The process stops itself at a point; disturb() says what happens before it is continued."""

    def strike(self, lane, point):
        with self.run(lane) as run, concurrent.futures.ThreadPoolExecutor(1) as pool:
            faults = self.faults(lane, run, "stop", point[-1], point[-2])
            self.start(run, faults, **self.extra(run))
            watched = run.server
            is_server = self.comm == "keyturn"  # a connector goes by its own name by then, "keyturn-ssh"
            pids = lambda: [pid for pid in (watched.process.pid, *descendants(watched.process.pid)) if (name_of(pid) in SERVER) == is_server]  # noqa: E731
            faults.arm()
            asked = pool.submit(run.begin)
            stopped = wait_for_stop(faults, pids, asked)
            faults.disarm()
            try:
                self.disturb(run, point, watched, stopped)
            finally:
                signal_all([watched.process.pid, *stopped], signal.SIGCONT)
            asked.result()
            return bool(stopped), run.find(self.what(point))

    def extra(self, run):
        return {}


class ClockJumps(Stopping):
    """The wall clock of the server jumps by a day at each point, and stays there."""

    def points(self, lane):
        return [(sign, when, at) for at in self.rehearse(lane) for sign in ("ahead", "behind") for when in ("before", "after")]

    def extra(self, run):
        run.may_skip_dates = True  # one that only the jump has passed
        self.file = os.path.join(run.directory, "clock")
        with open(self.file, "wb") as handle:
            handle.write(bytes(8))
        library = run.lane.library
        return {"LD_PRELOAD": f"{os.path.join(os.path.dirname(library), 'clock_shift.so')}:{library}", "CLOCK_SHIFT_FILE": self.file}

    def disturb(self, run, point, watched, stopped):
        with open(os.path.join(run.directory, "clock"), "r+b") as handle:
            handle.write(struct.pack("<q", DAY_S if point[0] == "ahead" else -DAY_S))


class ClockJumpsInDoubt(ClockJumps):
    """The same at each point of the connector, which is killed there: the change must be settled on the new clock."""

    comm = CONNECTOR

    def disturb(self, run, point, watched, stopped):
        signal_all(stopped, signal.SIGKILL)
        super().disturb(run, point, watched, stopped)


class ConnectorStopped(Stopping):
    """The connector is stopped at each point until the server has given it up, then continued: what it still sends comes late."""

    comm = CONNECTOR

    def points(self, lane):
        return [(when, at) for at in self.rehearse(lane) for when in ("before", "after")]

    def disturb(self, run, point, watched, stopped):
        if stopped:
            end = time.monotonic() + 20
            while time.monotonic() < end and any(state_of(pid) == "T" for pid in stopped):
                time.sleep(0.1)


class Taken(Stopping):
    """Two servers on one PostgreSQL store. One is stopped, with its connectors, until its lease has run out and the other has taken the
    change over; "both": the other is stopped in the middle of that too, and both are continued."""

    def __init__(self, stage, comm="keyturn"):
        super().__init__(stage, on_postgresql=True)
        self.comm = comm

    def points(self, lane):
        return [(who, when, at) for at in self.rehearse(lane) for who in ("one", "both") for when in ("before", "after")]

    def disturb(self, run, point, watched, stopped):
        if not stopped:
            return
        watched.process.send_signal(signal.SIGSTOP)
        signal_all(descendants(watched.process.pid), signal.SIGSTOP)
        stopped += descendants(watched.process.pid)
        other = self.join(run)
        end = time.monotonic() + LEASE_S + 25
        while time.monotonic() < end and run.open_changes() != 0:
            if point[0] == "both" and self.is_taken(run):
                time.sleep(0.3 * (point[-1] % 5))
                other.process.send_signal(signal.SIGSTOP)
                time.sleep(2)
                signal_all([watched.process.pid, *stopped], signal.SIGCONT)
                time.sleep(1)
                other.process.send_signal(signal.SIGCONT)
                return
            time.sleep(0.1)

    @staticmethod
    def is_taken(run):
        return bool(run.sql("SELECT id FROM jobs WHERE is_open = 1 AND server = 'b' AND leased_until > 0"))

    @staticmethod
    def join(run):
        from failover import join
        other = join(run.server, "b", program=run.server.program)
        run.servers.insert(0, other)  # run.server stays the one that was stopped
        return other.start()
