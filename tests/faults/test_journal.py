"""tests/faults/test_journal.py: a run of sweeps that ends in the middle loses nothing of what it has found, and hides nothing of what it has not done."""
import os
import pathlib
import sys
import threading
import time

import pytest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

import sweeps  # noqa: E402
from journal import Journal, build_digest  # noqa: E402


class Sweep:
    """Ten points, each of which takes a moment; the third is found to have lost something."""

    def __init__(self, pause_s=0.0):
        self.pause_s, self.struck, self.rehearsals, self._lock = pause_s, [], 0, threading.Lock()

    def points(self, lane):
        self.rehearsals += 1
        return [("kill", "before", at) for at in range(1, 11)]

    def strike(self, lane, point):
        time.sleep(self.pause_s)
        with self._lock:
            self.struck.append(point)
        return point[-1] != 7, [("lost", "a sentence")] if point[-1] == 3 else []

    def what(self, point):
        return str(point)


class Lanes:
    is_closing = False

    def lanes_for(self, sweep):
        return [object(), object()]


@pytest.fixture
def slow(monkeypatch):
    slow = Sweep(pause_s=0.05)
    monkeypatch.setattr(sweeps, "SWEEPS", {"slow": slow, "other": Sweep()})
    return slow


def within(path, seconds, names=("slow", "other"), build="b"):
    journal = Journal(path, build)
    try:
        return sweeps.run_within(Lanes(), list(names), seconds, journal)
    finally:
        journal.close()


def test_what_was_done_is_not_done_again_and_what_was_found_stays(slow, tmp_path):
    path = tmp_path / "journal"
    first = within(path, 0.12, ["slow"])[0]
    assert 0 < first.run < 10 and first.listed == 10 and not first.is_whole()
    done = list(slow.struck)
    last = within(path, 30, ["slow"])[0]
    assert last.is_whole() and (last.listed, last.run, last.hit, last.count("lost")) == (10, 10, 9, 1)
    assert sorted(slow.struck) == slow.points(None) and slow.struck[:len(done)] == done
    assert slow.rehearsals == 2  # one of them just now
    shown = within(path, 0, ["slow"])[0]
    assert shown.text() == last.text() == "slow · 10 · 9 · 1 · 0 · 0"


def test_a_run_that_is_ended_notes_nothing_of_what_breaks_down_then(slow, tmp_path):
    lanes, path = Lanes(), tmp_path / "journal"

    def break_down(lane, point):
        if point[-1] > 5:
            lanes.is_closing = True
            raise OSError("its target has ended")
        return True, []
    slow.strike = break_down
    journal = Journal(path, "b")
    row = sweeps.run_sweep(lanes, "slow", journal=journal)
    journal.close()
    assert not row.findings and 0 < row.hit <= 5
    noted = Journal(path, "b").struck.get("slow", {})
    assert len(noted) == row.hit and all(point[-1] <= 5 for point in noted)


def test_every_sweep_gets_its_share_and_what_was_not_reached_is_shown(slow, tmp_path):
    slow.pause_s = 0.2
    rows = {row.name: row for row in within(tmp_path / "journal", 0.6)}
    assert rows["other"].is_whole()
    assert rows["slow"].listed == 10 and 0 < rows["slow"].run < 10
    rows = {row.name: row for row in within(tmp_path / "journal", 0)}
    assert rows["slow"].listed == 10 and rows["slow"].hit <= rows["slow"].run < 10


@pytest.mark.parametrize("run, hit, is_seen", [(10, 10, False), (10, 9, False), (10, 8, True), (9, 5, False)])
def test_a_whole_sweep_that_came_to_few_of_its_points_is_seen(run, hit, is_seen):
    row = sweeps.Row("slow", 10)
    for at in range(run):
        row.take(("kill", "before", at), at < hit, [])
    assert row.missed_many() == is_seen


def test_a_line_that_was_cut_off_is_struck_at_again(slow, tmp_path):
    path = tmp_path / "journal"
    within(path, 30, ["slow"])
    path.write_bytes(path.read_bytes()[:-10])
    assert within(path, 0, ["slow"])[0].run == 9
    assert within(path, 30, ["slow"])[0].is_whole() and len(slow.struck) == 11


def test_the_journal_of_another_build_is_refused(slow, tmp_path):
    within(tmp_path / "journal", 30, ["other"])
    with pytest.raises(ValueError, match="another build"):
        within(tmp_path / "journal", 30, ["other"], build="c")
    one, other = tmp_path / "one", tmp_path / "other"
    for folder in (one, other):
        folder.mkdir()
        (pathlib.Path(folder) / "keyturn").write_bytes(b"same")
    assert build_digest(one) == build_digest(other)
    (other / "keyturn-connector-ssh").write_bytes(b"more")
    assert build_digest(one) != build_digest(other)


def test_a_run_that_breaks_down_is_a_finding(slow, tmp_path):
    def break_down(lane, point):
        raise RuntimeError("no such target")
    slow.strike = break_down
    row = within(tmp_path / "journal", 30, ["slow"])[0]
    assert row.is_whole() and row.hit == 0 and row.count("unresolved") == 10 and not row.is_clean()
    assert within(tmp_path / "journal", 0, ["slow"])[0].count("unresolved") == 10


def test_a_rehearsal_that_breaks_down_three_times_is_a_finding(slow, tmp_path):
    def break_down(lane):
        slow.rehearsals += 1
        raise AssertionError("401")
    slow.points = break_down
    rows = {row.name: row for row in within(tmp_path / "journal", 30)}
    assert slow.rehearsals == 3 and rows["slow"].count("unresolved") == 1 and not rows["slow"].is_clean()
    assert rows["other"].is_whole()
