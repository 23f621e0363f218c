"""tests/faults/stage.py: a data directory and a victim that works in it, for the tests of faultpoint.

Needs faultpoint.so and faultpoint_victim; KEYTURN_BUILD names the build folder, or a folder of its own is made.
"""

import os
import pathlib
import shutil
import subprocess

import pytest

from faults import Faults

HERE = pathlib.Path(__file__).parent
OLD = b"0123456789"
STANDALONE = """project('faultpoint', 'c', default_options: ['c_std=gnu17', 'warning_level=2', 'buildtype=release'])
add_project_arguments('-D_GNU_SOURCE', language: 'c')
cc = meson.get_compiler('c')
threads = dependency('threads')
subdir('faults')
"""


@pytest.fixture(scope="session")
def built(tmp_path_factory):
    """The folder that holds the library and the victim."""
    if "KEYTURN_BUILD" in os.environ:
        return pathlib.Path(os.environ["KEYTURN_BUILD"]) / "tests/faults"
    source = tmp_path_factory.mktemp("source")
    (source / "meson.build").write_text(STANDALONE)
    shutil.copytree(HERE, source / "faults", ignore=shutil.ignore_patterns("*.py", "__pycache__"))
    subprocess.run(["meson", "setup", source / "build", source], check=True, capture_output=True)
    subprocess.run(["ninja", "-C", source / "build"], check=True, capture_output=True)
    return source / "build/faults"


class Stage:
    """A data directory with one old, durable file, and a victim that works in it."""

    def __init__(self, built, directory):
        self.built = built
        self.directory = directory
        self.data = directory / "data"
        self.data.mkdir()
        (self.data / "old").write_bytes(OLD)

    def faults(self, mode="list", at=0, when="before", **more):
        more.setdefault("root", self.data)
        return Faults(self.built / "faultpoint.so", self.directory, mode, at, when, **more)

    def start(self, faults, *steps):
        return subprocess.Popen([self.built / "faultpoint_victim", *steps], cwd=self.data, text=True,
                                env={"PATH": os.environ["PATH"], **faults.environment()}, stdin=subprocess.PIPE,
                                stdout=subprocess.PIPE, stderr=subprocess.PIPE)

    def run(self, faults, *steps):
        """Run the victim, armed from its start; return (exit status, its reports as {step: (result, error)})."""
        faults.arm()
        process = self.start(faults, *steps)
        out, self.complaints = process.communicate(timeout=20)
        reports = {line.split()[0]: (int(line.split()[1]), line.split()[2]) for line in out.splitlines()}
        return process.returncode, reports

    def files(self):
        return {path.name: path.read_bytes() for path in sorted(self.data.iterdir())}


@pytest.fixture
def stage(built, tmp_path):
    return Stage(built, tmp_path)


def at_call(stage, call, *steps):
    """The number of the first point that is this call, by a rehearsal in a copy of the stage."""
    directory = stage.directory / "rehearsal"
    directory.mkdir()
    copy = Stage(stage.built, directory)
    faults = copy.faults()
    assert copy.run(faults, *steps)[0] == 0
    return next(point.number for point in faults.points() if point.call == call)
