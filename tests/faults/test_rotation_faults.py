"""Changes of real accounts, tormented: a seeded sample, some three minutes, of what script/faults sweeps; `script/test --all` takes every point.

The sweeps are in sweeps.py; what must hold after each point in stages.py."""
import os
import sys

import pytest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

from sweeps import SWEEPS, Bench, run_sweep  # noqa: E402

EVERY_POINT = os.environ.get("KEYTURN_FAULTS_ALL") == "yes"
SAMPLE_S = {
    "server · immediate": 8, "server · queued": 5, "server · scheduled": 5, "server · own credentials": 5, "server · key pair": 5,
    "server · linked": 6, "server · whole system": 6, "server · check-in": 5, "server · store only": 5, "server · root": 5, "server · functional account": 5,
    "connector killed · immediate": 5, "connector killed · root": 5, "cut · ssh · immediate": 5,
    "target killed or frozen · immediate": 5, "target full · immediate": 5, "store fails · SQLite · immediate": 5,
}  # beside these, what it takes to make the stages and to end the last runs


@pytest.fixture(scope="module")
def bench():
    bench = Bench()
    yield bench
    bench.close()


@pytest.mark.parametrize("name", SWEEPS if EVERY_POINT else SAMPLE_S)
def test_sweep(bench, name):
    row = run_sweep(bench, name, None if EVERY_POINT else SAMPLE_S[name], tell=print, least=2)
    print(row.text())
    assert not row.findings, "\n".join(sentence for _, _, sentence in row.findings)
    assert row.hit, "no point was come to"
