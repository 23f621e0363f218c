"""tests/faults/sweeps.py: every sweep, and how they are run: script/faults runs them all, script/test a sample."""
import collections
import contextlib
import os
import random
import subprocess
import sys
import tempfile
import threading
import time
import traceback

import stages  # first: it sets the path
from drivers import CONNECTOR, ClockJumps, ClockJumpsInDoubt, ConnectorStopped, Killed, StoreFails, StoreIsFull, Taken
from drivers_target import Cut, PostgresqlIsFull, Reverted, TargetFails, TargetIsFull

SEED = 20261121
LEAST = 5  # points of a sample, however short it is

# name -> how its points are listed and struck at
SWEEPS = {
    **{f"server · {name}": Killed(name) for name, stage in stages.STAGES.items() if stage.target == "ssh"},
    "server · immediate · PostgreSQL": Killed("immediate", modes=("kill",), on_postgresql=True),
    **{f"connector killed · {stage}": Killed(stage, CONNECTOR, ("kill",)) for stage in (
        "immediate", "root", "own credentials", "key pair", "functional account", "postgresql", "mysql", "ldap", "activedirectory",
        "activedirectory, old passwords refused", "controlroom")},
    "connector stopped · immediate": ConnectorStopped("immediate"),
    "connector stopped, taken over · immediate": Taken("immediate", CONNECTOR),
    "cut · ssh · immediate": Cut("immediate"),
    "cut · ssh · own credentials": Cut("own credentials"),
    "cut · ssh · key pair": Cut("key pair"),
    "cut · ssh · functional account": Cut("functional account"),
    "cut · postgresql": Cut("postgresql"),
    "cut · mysql": Cut("mysql"),
    "cut · ldap": Cut("ldap"),
    "cut · activedirectory": Cut("activedirectory"),
    "cut · activedirectory, old passwords refused": Cut("activedirectory, old passwords refused"),
    "cut · controlroom": Cut("controlroom"),
    "target killed or frozen · immediate": TargetFails("immediate"),
    "target killed or frozen · postgresql": TargetFails("postgresql"),
    "target killed or frozen · mysql": TargetFails("mysql"),
    "target killed or frozen · ldap": TargetFails("ldap"),
    "target killed or frozen · activedirectory": TargetFails("activedirectory"),
    "target killed or frozen · activedirectory, old passwords refused": TargetFails("activedirectory, old passwords refused"),
    "target killed or frozen · controlroom": TargetFails("controlroom"),
    "target reverted · immediate": Reverted("immediate"),
    "target reverted · postgresql": Reverted("postgresql"),
    "target reverted · asynchronous standby": Reverted("asynchronous standby"),
    "target full · immediate": TargetIsFull("immediate"),
    "target full · postgresql": PostgresqlIsFull("postgresql"),
    "store fails · SQLite · immediate": StoreFails("immediate"),
    "store fails · SQLite · linked": StoreFails("linked"),
    "store fails · PostgreSQL · immediate": StoreFails("immediate", ("econnreset", "enomem"), on_postgresql=True),
    "store full · PostgreSQL · immediate": StoreIsFull("immediate"),
    "store cut · PostgreSQL · immediate": Cut("immediate", between="store"),
    "clock jumps · immediate": ClockJumps("immediate"),
    "clock jumps · queued": ClockJumps("queued"),
    "clock jumps · scheduled": ClockJumps("scheduled"),
    "clock jumps, connector killed · immediate": ClockJumpsInDoubt("immediate"),
    "servers paused · PostgreSQL · immediate": Taken("immediate"),
}
TABLE_HEAD = "sweep · points listed · points hit · lost · locked · unresolved"


def kind_of(name):
    """The first word; what a store on PostgreSQL is for is a kind of its own."""
    return "PostgreSQL" if SWEEPS[name].on_postgresql else name.split()[0]


class Row:
    """What a sweep came to."""

    def __init__(self, name, listed):
        self.name, self.listed, self.run, self.hit, self.findings = name, listed, 0, 0, []

    def take(self, point, is_hit, findings, is_new=True):
        self.run += is_new
        self.hit += bool(is_hit)
        self.findings += [(point, kind, sentence) for kind, sentence in findings]

    def is_whole(self):
        return self.listed > 0 and self.run >= self.listed

    def missed_many(self):
        """Every point was struck at, and one in ten was not come to: it looks elsewhere than it says."""
        return self.is_whole() and self.hit < 0.9 * self.listed

    def count(self, kind):
        """Points, not sentences."""
        return len({point for point, found, _ in self.findings if found == kind})

    def text(self):
        return f"{self.name} · {self.listed} · {self.hit} · {self.count('lost')} · {self.count('locked')} · {self.count('unresolved')}"

    def is_clean(self):
        return not self.findings and self.hit > 0


def build_library(folder):
    """What is preloaded, built from its sources into a folder, and the keys for ready_key.so; the path of faultpoint.so."""
    here, targets = os.path.dirname(os.path.abspath(__file__)), os.path.join(stages.TESTS, "targets")
    sources = {"faultpoint.so": [os.path.join(here, name) for name in ("faultpoint.c", "calls.c", "point.c", "powerloss.c")],
               "clock_shift.so": [os.path.join(targets, "clock_shift.c")],
               "ready_key.so": [os.path.join(here, "ready_key.c"), "-lcrypto"]}
    for name, files in sources.items():
        subprocess.run(["cc", "-std=gnu17", "-D_GNU_SOURCE", "-U_FORTIFY_SOURCE", "-O2", "-shared", "-fPIC", "-o", os.path.join(folder, name),
                        *files, "-ldl"], check=True)
    for number in range(stages.READY_KEYS):
        subprocess.run(["openssl", "genrsa", "-out", os.path.join(folder, f"rsa-{number}.pem"), "2048"], check=True, capture_output=True)
    return os.path.join(folder, "faultpoint.so")


class Bench:
    """Lanes that work side by side, most of whose time is waiting; made when they are needed."""

    def __init__(self, lanes=2):
        self.lane_count, self.lanes = lanes, collections.defaultdict(list)
        self.folder, self.is_closing = tempfile.mkdtemp(prefix="keyturn-faults-"), False
        self.library = build_library(self.folder)

    def lanes_for(self, sweep):
        size = getattr(sweep, "disk_mb", None)
        while len(self.lanes[size]) < self.lane_count:
            where = os.path.join(self.folder, f"lane-{size or 'plain'}-{len(self.lanes[size])}")
            self.lanes[size].append(stages.Lane(where, self.library, disk_mb=size))
        return self.lanes[size]

    def close(self):
        self.is_closing = True  # what breaks down from now on does so because its target was ended
        with contextlib.ExitStack() as closing:  # one that fails keeps no other from being closed
            closing.callback(subprocess.run, ["rm", "-rf", self.folder], check=False)
            for lane in [lane for lanes in self.lanes.values() for lane in lanes]:
                closing.callback(lane.close)


def row_of(journal, name):
    """What a journal says of a sweep."""
    row = Row(name, len(journal.points.get(name, ())))
    for point, (is_hit, findings) in journal.struck.get(name, {}).items():
        row.take(point, is_hit, findings)
    return row


def list_points(sweep, lane, tell):
    """Rehearse; a machine that is busy with other things may spoil one rehearsal, and not three."""
    for turn in range(3):
        try:
            return sweep.points(lane)
        except Exception:  # noqa: BLE001
            tell(traceback.format_exc())
            if turn == 2:
                raise
    return None


def run_sweep(bench, name, sample_s=None, seed=SEED, tell=lambda text: None, only=None, least=LEAST, journal=None):
    """Strike at every point; with sample_s, at as many of a seeded order as fit in that time. only: a text that a point's must contain.
    journal: what earlier runs have struck at counts, and is left out."""
    sweep = SWEEPS[name]
    lanes = bench.lanes_for(sweep)
    every = journal.points.get(name) if journal else None
    if every is None:
        every = list_points(sweep, lanes[0], tell)
        if journal:
            journal.list(name, every)
    row = Row(name, len(every))
    struck = dict(journal.struck.get(name, {})) if journal else {}
    for point, (is_hit, findings) in struck.items():
        row.take(point, is_hit, findings)
    every = [point for point in every if point not in struck and (only is None or only in str(point))]
    random.Random(f"{seed} {name}").shuffle(every)
    waiting = iter(every)
    lock, end, least = threading.Lock(), None if sample_s is None else time.monotonic() + sample_s, least + row.run

    def take():
        with lock:
            if bench.is_closing or (end is not None and time.monotonic() > end and row.run >= least):
                return None
            point = next(waiting, None)
            row.run += point is not None
            return point

    def work(lane):
        while (point := take()) is not None:
            began = time.monotonic()
            try:
                is_hit, findings = sweep.strike(lane, point)
            except Exception as error:  # noqa: BLE001  (a run that breaks down is a finding, and the others go on)
                tell(traceback.format_exc())
                is_hit, findings = False, [("unresolved", f"{sweep.what(point)}: the run broke down: {type(error).__name__}: {error}")]
            with lock:
                if bench.is_closing:
                    return
                row.take(point, is_hit, findings, is_new=False)
                if journal:
                    journal.strike(name, point, is_hit, findings)
            tell(f"{name}: {point}: {'hit' if is_hit else 'not come to'}, {time.monotonic() - began:.1f} s" +
                 "".join(f"\n    {kind.upper()}: {sentence}" for kind, sentence in findings))

    threads = [threading.Thread(target=work, args=(lane,), daemon=True) for lane in lanes]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return row


def run_within(bench, names, budget_s, journal, seed=SEED, tell=lambda text: None, only=None):
    """Sweep every point of these, as far as the time goes: each gets its share, and what one leaves over is the others'. Returns rows."""
    end, rows = time.monotonic() + budget_s, {name: row_of(journal, name) for name in names}
    waiting = [name for name in names if not rows[name].is_whole()]
    while waiting and time.monotonic() < end:
        for number, name in enumerate(waiting):
            left = end - time.monotonic()
            if left <= 0:
                break
            try:
                rows[name] = run_sweep(bench, name, left / (len(waiting) - number), seed, tell, only, 0, journal)
            except Exception as error:  # noqa: BLE001
                rows[name].findings.append((None, "unresolved", f"{name}: the rehearsal broke down: {type(error).__name__}: {error}"))
            tell(rows[name].text())
        waiting = [name for name in waiting if rows[name].listed and not rows[name].is_whole()] if only is None else []
    return list(rows.values())


def complain(text):
    print(f"{time.strftime('%H:%M:%S')} {text}", file=sys.stderr, flush=True)
