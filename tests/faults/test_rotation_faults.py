"""Changes of real accounts, tormented: a seeded sample, some three minutes, of what script/faults sweeps; `script/test --all` takes every point.

The sweeps are in sweeps.py; what must hold after each point in stages.py. Some are always tried, and of each kind of the others one, which the
seed draws, as it does the points of all: KEYTURN_FAULTS_SEED=N tries others."""
import os
import random
import sys
import types

import pytest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

from stages import FIRST, SECOND, STAGES, Run  # noqa: E402
from sweeps import SEED, SWEEPS, Bench, kind_of, run_sweep  # noqa: E402

EVERY_POINT = os.environ.get("KEYTURN_FAULTS_ALL") == "yes"
SAMPLE_S = {
    "server · immediate": 6, "server · queued": 4, "server · own credentials": 4, "server · linked": 4, "server · check-in": 4, "server · functional account": 4,
    "connector killed · immediate": 4, "cut · ssh · immediate": 4,
}  # beside these, what it takes to make the stages and to end the last runs
DRAWN_S = 4


def drawn(number):
    """One of each kind of those that are not always tried."""
    kinds = {}
    for name in SWEEPS:
        if name not in SAMPLE_S:
            kinds.setdefault(kind_of(name), []).append(name)
    chance = random.Random(number)
    return [chance.choice(names) for _, names in sorted(kinds.items())]


SEED_NOW = int(os.environ.get("KEYTURN_FAULTS_SEED", SEED))


@pytest.fixture(scope="module")
def bench():
    bench = Bench()
    yield bench
    bench.close()


@pytest.mark.parametrize("name", SWEEPS if EVERY_POINT else [*SAMPLE_S, *drawn(SEED_NOW)])
def test_sweep(bench, name):
    for turn in range(3):  # of a few points all may lie beyond the end of the change, where a busy machine takes another turn
        row = run_sweep(bench, name, None if EVERY_POINT else SAMPLE_S.get(name, DRAWN_S), SEED_NOW + turn, print, least=2)
        print(row.text(), "· seed", SEED_NOW + turn)
        if row.hit or row.findings:
            break
    assert not row.findings, "\n".join(sentence for _, _, sentence in row.findings)
    assert row.hit, "no point was come to"


def test_every_sweep_is_drawn_at_some_time():
    assert {name for number in range(400) for name in drawn(number)} | set(SAMPLE_S) == set(SWEEPS)
    assert drawn(7) == drawn(7) and len(drawn(7)) == 7


@pytest.mark.parametrize("answer, current, is_lost", [(204, SECOND, False), (204, FIRST, True), (400, FIRST, False), (400, SECOND, True),
                                                      (409, FIRST, False), (409, SECOND, False), (None, FIRST, False), (None, SECOND, False)])
def test_what_the_caller_was_told_is_held_against_what_is_current(answer, current, is_lost):
    run = types.SimpleNamespace(stage=STAGES["immediate"], answer=answer, account=1, password=lambda: current,
                                host=types.SimpleNamespace(has_password=lambda name, password: password == current))
    no_links = types.SimpleNamespace(own=lambda method, path: types.SimpleNamespace(status_code=200, json=lambda: {"items": []}, text="{}"))
    found = Run._find_lost(run, "here", {"state": "proved", "versions": [{"standing": "current"}]}, no_links)
    assert [kind for kind, _ in found] == (["lost"] if is_lost else [])
