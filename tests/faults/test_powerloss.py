"""tests/faults/test_powerloss.py: a power loss takes what is not durable and nothing else, and it really bites."""

import os
import pathlib
import shutil
import signal
import sqlite3
import subprocess
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).parent))

from stage import OLD, Stage, at_call, built, stage  # noqa: E402, F401, F811 (built and stage are fixtures)


# -- power loss -----------------------------------------------------------------------------------------------------


def lose_power(stage, *steps):
    """Run the steps and lose power at a last point that touches nothing."""
    rehearsed = at_call(stage, "send", *steps, "send")
    faults = stage.faults("power", rehearsed)
    assert stage.run(faults, *steps, "send")[0] == -signal.SIGKILL, stage.complaints
    assert faults.fired == rehearsed
    return stage.files()


@pytest.mark.parametrize("steps, left", [
    # without fsync everything is back to what it was
    (["create=new"], {"old": OLD}),
    (["overwrite=old"], {"old": OLD}),
    (["overwrite-blind=old"], {"old": OLD}),
    (["append=old"], {"old": OLD}),
    (["cut=old"], {"old": OLD}),
    (["grow=old"], {"old": OLD}),
    (["replace=old"], {"old": OLD}),
    (["unlink=old"], {"old": OLD}),
    (["rename=old"], {"old": OLD}),
    (["vector=old"], {"old": OLD}),
    (["threads=old"], {"old": OLD}),
    (["cut=old", "append=old", "overwrite=old", "grow=old", "overwrite=old", "cut=old", "unlink=old"], {"old": OLD}),
    (["create=new", "unlink=new", "create=new", "rename=old", "overwrite=renamed"], {"old": OLD}),
    (["unlink=old", "create=old", "unlink=old"], {"old": OLD}),
    (["replace=renamed", "rename=old"], {"old": OLD}),
    # with fsync it stays, and exactly that
    (["create-sync=new"], {"old": OLD, "new": b"created"}),
    (["overwrite-sync=old"], {"old": b"01OVER6789"}),
    (["overwrite-sync=old", "append=old", "cut=old"], {"old": b"01OVER6789"}),
    (["append=old", "overwrite-sync=old"], {"old": b"01OVER6789+tail"}),
    (["create-sync=new", "overwrite=old"], {"old": OLD, "new": b"created"}),
    (["create-sync=new", "overwrite=new"], {"old": OLD, "new": b"created"}),
    # names belong to the folder
    (["create=new", "sync-folder=."], {"old": OLD, "new": b""}),
    (["unlink=old", "sync-folder=."], {}),
    (["rename=old", "sync-folder=."], {"renamed": OLD}),
    (["append=old", "unlink=old", "sync-folder=."], {}),
    (["create-sync=renamed", "rename=old"], {"old": OLD, "renamed": b"created"}),
    (["create-sync=renamed", "rename=old", "sync-folder=."], {"renamed": OLD}),
    # the classic: a new file renamed over the old one without an fsync of its bytes
    (["overwrite=old", "rename=old", "sync-folder=."], {"renamed": OLD}),
    (["overwrite-sync=old", "rename=old", "sync-folder=.", "overwrite=renamed"], {"renamed": b"01OVER6789"}),
])
def test_power_loss_loses_what_was_not_fsynced_and_nothing_else(stage, steps, left):
    assert lose_power(stage, *steps) == left


def test_power_loss_keeps_mode_and_owner_of_what_it_brings_back(stage):
    (stage.data / "old").chmod(0o604)
    lose_power(stage, "unlink=old")
    assert (stage.data / "old").stat().st_mode & 0o7777 == 0o604


def test_power_loss_around_the_fsync_itself(stage):
    at = at_call(stage, "fdatasync", "overwrite-sync=old")
    stage.run(stage.faults("power", at, "before"), "overwrite-sync=old")
    assert stage.files() == {"old": OLD}
    stage.run(stage.faults("power", at, "after"), "overwrite-sync=old")
    assert stage.files() == {"old": b"01OVER6789"}


def test_files_outside_of_the_data_directory_lose_nothing(stage):
    outside = stage.directory / "outside"
    outside.write_bytes(OLD)
    assert lose_power(stage, "overwrite=old", f"append={outside}") == {"old": OLD}
    assert outside.read_bytes() == OLD + 2 * b"+tail", "once in the rehearsal, once before the power went"


def test_a_root_that_is_a_link_is_the_same_directory(stage):
    link = stage.directory / "link"
    link.symlink_to(stage.data)
    stage.run(stage.faults("power", 2, root=link), "append=old", "append=old")
    assert stage.files() == {"old": OLD}


# -- SQLite ---------------------------------------------------------------------------------------------------------

SHELL = shutil.which("sqlite3")


def rows(path):
    with sqlite3.connect(path) as store:
        assert store.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        return [row[0] for row in store.execute("SELECT number FROM kept ORDER BY number")]


class Store:
    """A database with one row, and the sqlite3 program that adds one row per transaction and says so after each."""

    def __init__(self, stage, journal, synchronous):
        self.stage = stage
        self.path = stage.data / "store.db"
        with sqlite3.connect(self.path) as store:
            store.execute(f"PRAGMA journal_mode = {journal}")
            store.execute("CREATE TABLE kept (number INTEGER PRIMARY KEY, filler TEXT)")
            store.execute("INSERT INTO kept VALUES (0, '')")
        store.close()
        self.script = f"PRAGMA synchronous = {synchronous};\n" + "".join(
            f"INSERT INTO kept VALUES ({number}, hex(randomblob(3000)));\nSELECT 'committed', {number};\n"
            for number in range(1, 6))

    def run(self, faults):
        """Return the exit status and the numbers whose commit was acknowledged on stdout."""
        faults.arm()
        done = subprocess.run([SHELL, "-batch", self.path], input=self.script, capture_output=True, text=True,
                              env={"PATH": os.environ["PATH"], **faults.environment()})
        return done.returncode, [int(line.split("|")[1]) for line in done.stdout.splitlines() if "|" in line]


def sweep(built, directory, journal, synchronous, when):
    """Lose power at every point of the run; return how often an acknowledged row was lost, and how often not."""
    def fresh(name):
        (directory / name).mkdir()
        stage = Stage(built, directory / name)
        return stage, Store(stage, journal, synchronous)

    stage, store = fresh("rehearsal")
    faults = stage.faults("list")
    assert store.run(faults) == (0, [1, 2, 3, 4, 5])
    lost = kept = answers = 0
    for number in range(1, faults.counter + 1):
        stage, store = fresh(str(number))
        faults = stage.faults("power", number, when)
        status, acknowledged = store.run(faults)
        assert status == -signal.SIGKILL and faults.fired == number
        assert not list(stage.data.glob("*-shm"))
        present = rows(store.path)
        assert present == list(range(len(present))), "rows without the ones before them"
        answers += len(acknowledged)
        lost += not set(acknowledged) <= set(present)
        kept += set(acknowledged) <= set(present)
        shutil.rmtree(stage.directory)
    assert answers > faults.counter, "the program was not heard before it died"
    return lost, kept


@pytest.mark.parametrize("when", ["before", "after"])
def test_sqlite_with_full_synchronisation_keeps_every_acknowledged_row(built, tmp_path, when):
    lost, kept = sweep(built, tmp_path, "wal", "FULL", when)
    assert lost == 0 and kept >= 15


def test_sqlite_without_synchronisation_loses_acknowledged_rows(built, tmp_path):
    lost, _ = sweep(built, tmp_path, "wal", "OFF", "before")
    assert lost >= 5


def test_a_rollback_journal_survives_too(built, tmp_path):
    lost, kept = sweep(built, tmp_path, "delete", "EXTRA", "before")
    assert lost == 0 and kept >= 30


def test_a_full_disk_is_refused_and_heals(stage):
    store = Store(stage, "wal", "FULL")
    faults = stage.faults("enospc", at=4, length=1)
    store.run(faults)
    assert faults.fired == 4 and len(rows(store.path)) == 5, "one insert was refused, the others stand"
