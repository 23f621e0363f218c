"""tests/faults/journal.py: what a long run of sweeps has done so far, a line of JSON for each point, so that the next run goes on from there.

The points of a sweep are kept as the first run listed them. A journal belongs to one build of the programs: another one is refused.
"""
import hashlib
import json
import os
import pathlib


def build_digest(folder):
    """Of the server and its connectors."""
    digest = hashlib.sha256()
    for path in sorted(pathlib.Path(folder).glob("keyturn*")):
        if path.is_file():
            digest.update(path.name.encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()


def as_point(words):
    return tuple(words)


class Journal:
    """points: {sweep: its points}. struck: {sweep: {point: (is_hit, findings)}}."""

    def __init__(self, path, build):
        self.points, self.struck = {}, {}
        lines = [json.loads(line) for line in whole_lines(path)] if os.path.exists(path) else []
        if lines and lines[0] != {"build": build}:
            raise ValueError(f"{path} is the journal of another build")
        for line in lines[1:]:
            self._take(line)
        self._file = open(path, "a", encoding="utf-8")
        if not lines:
            self._write({"build": build})

    def _take(self, line):
        if "points" in line:
            self.points[line["sweep"]] = [as_point(point) for point in line["points"]]
        else:
            findings = [tuple(finding) for finding in line["findings"]]
            self.struck.setdefault(line["sweep"], {})[as_point(line["point"])] = (line["hit"], findings)

    def list(self, sweep, points):
        self._write({"sweep": sweep, "points": points})
        self.points[sweep] = points

    def strike(self, sweep, point, is_hit, findings):
        self._write({"sweep": sweep, "point": point, "hit": bool(is_hit), "findings": findings})
        self.struck.setdefault(sweep, {})[point] = (is_hit, findings)

    def _write(self, line):
        self._file.write(json.dumps(line) + "\n")
        self._file.flush()

    def close(self):
        self._file.close()


def whole_lines(path):
    """A run that was killed may have left half a line: it is cut off."""
    with open(path, "r+b") as file:
        text = file.read()
        file.truncate(text.rfind(b"\n") + 1)
    return text[:text.rfind(b"\n") + 1].decode().splitlines()
