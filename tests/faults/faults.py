"""tests/faults/faults.py: run a program under faultpoint.so, rehearse it, and make one of its points fail.

    faults = Faults(library, tmp_path, mode="kill", at=7, comm="keyturn")
    process = subprocess.Popen([...], env={**os.environ, **faults.environment()})
    ...wait until it serves...
    faults.arm()                  # only now points are counted
    ...
    assert faults.fired == 7

What the modes do and what a point is: the top of faultpoint.c. Fault runs use the release build.
"""

import collections
import mmap
import pathlib
import struct

# One line of a rehearsal. `caller` is the place in the library or program that made the call, `program` the innermost
# frame of the program itself, as object+offset (addr2line -e OBJECT OFFSET names the line).
Point = collections.namedtuple("Point", "number call file caller program thread what")


class Faults:
    """The settings of one fault run, and the control file through which a test arms and watches it.

    directory  gets the control file and the log; every watched process must be able to write there
    mode       list kill stop eio enospc enomem eintr econnreset short power
    at         the point that fails; arm(at) may set it later
    when       before or after the call
    length     how many points in a row
    root       the data directory (power)
    peer       "127.0.0.1:5432": only calls on connections to it
    comm       only processes of this name; None: the program and all it starts
    log        False: no list of the points, only their counter (a connector may write no file)
    """

    def __init__(self, library, directory, mode="list", at=0, when="before", *, length=1, root=None, comm=None,
                 peer=None, log=True):
        directory = pathlib.Path(directory)
        self.log = directory / "faults.log"
        self.control = directory / "faults.control"
        self.control.write_bytes(bytes(32))
        self.control.chmod(0o666)
        self.log.touch()
        self.log.chmod(0o666)
        with open(self.control, "r+b") as handle:
            self._words = mmap.mmap(handle.fileno(), 32)
        self._environment = {
            "LD_PRELOAD": str(library), "KEYTURN_FAULT_MODE": mode, "KEYTURN_FAULT_AT": str(at),
            "KEYTURN_FAULT_WHEN": when, "KEYTURN_FAULT_LENGTH": str(length), 
            "KEYTURN_FAULT_ARM": str(self.control),
        }
        if log:
            self._environment["KEYTURN_FAULT_LOG"] = str(self.log)
        if root is not None:
            self._environment["KEYTURN_FAULT_ROOT"] = str(root)
        if peer is not None:
            self._environment["KEYTURN_FAULT_PEER"] = peer
        if comm is not None:
            self._environment["KEYTURN_FAULT_COMM"] = comm

    def environment(self):
        """What the program needs in its environment."""
        return dict(self._environment)

    def _word(self, index):
        return struct.unpack_from("<Q", self._words, 8 * index)[0]

    def _set_word(self, index, value):
        struct.pack_into("<Q", self._words, 8 * index, value)

    def arm(self, at=None):
        """Count from 1 from now on, and let the point `at` fail; without it, the one the environment names."""
        self._set_word(0, 0)
        self._set_word(1, 0)
        self._set_word(2, at or 0)
        self._set_word(3, 0)
        self._set_word(0, 1)

    def disarm(self):
        """Count no further, and fail nothing."""
        self._set_word(0, 0)

    @property
    def counter(self):
        """How many points there have been since arm()."""
        return self._word(1)

    @property
    def fired(self):
        """The number of the last point that failed, 0 when none did."""
        return self._word(3)

    def lines(self):
        """Every line of the log."""
        return [Point(int(number), *rest) for number, *rest in
                (line.split("\t") for line in self.log.read_text(errors="replace").splitlines())]

    def points(self):
        """The points of a rehearsal, in the order of their numbers."""
        return sorted(line for line in self.lines() if line.what == "point")

    def only_maps(self, ending, pid):
        """Does the process share no file by a mapping that it can write, but those that end so, and our control file?"""
        lines = pathlib.Path(f"/proc/{pid}/maps").read_text().splitlines()
        shared = {line.split(maxsplit=5)[5] for line in lines if line.split()[1] == "rw-s"}
        return all(name.endswith(ending) or name == str(self.control) for name in shared)

    def by_place(self):
        """The same, grouped: {(call, file, caller, program): [numbers]}. One of each covers every place in the code."""
        places = collections.defaultdict(list)
        for point in self.points():
            places[point.call, point.file, point.caller, point.program].append(point.number)
        return dict(places)
