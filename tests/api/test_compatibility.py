"""tests/api/test_compatibility.py: docs/compatibility.md says what the server has: every row works, and nothing else does."""
import collections
import pathlib
import re

import rows
from support import PS, TOP

PAGE = pathlib.Path(TOP, "docs/compatibility.md")
ENDPOINT = re.compile(r"\| `(GET|POST|PUT|DELETE) ([^` ]+)` \| (works|not yet) \| [^|]*\|")
PLAIN = re.compile(r"\{[^}]*\}")


def full_path(path):
    """Password Safe's endpoints stand in the page without their base."""
    return path if path.startswith("/") else f"{PS}/{path}"


def listed():
    """[("GET /v2/…", state)] of every line that speaks of an endpoint; a line that cannot be read fails."""
    found = []
    for number, line in enumerate(PAGE.read_text().splitlines(), 1):
        if not re.match(r"\|\s*`?(GET|POST|PUT|DELETE|PATCH|HEAD)\b", line):
            continue
        entry = ENDPOINT.fullmatch(line)
        assert entry, f"line {number} is no row of an endpoint: {line}"
        method, path, state = entry.groups()
        found.append((f"{method} {full_path(path)}", state))
    return found


def in_state(state):
    return {name for name, its in listed() if its == state}


def served():
    return {rows.name_of(row) for row in rows.endpoints()}


def test_the_page_lists_each_endpoint_once():
    times = collections.Counter(name for name, _ in listed())
    assert len(times) > 200
    assert [name for name, n in times.items() if n > 1] == []


def test_every_row_is_marked_as_works():
    assert sorted(served() - in_state("works")) == []


def test_nothing_is_marked_as_works_that_is_no_row():
    assert sorted(in_state("works") - served()) == []


def test_nothing_is_marked_as_not_yet_that_is_a_row():
    """However its parameters are called; a query narrows a path, so it is part of the name."""
    served_plain = {PLAIN.sub("{}", name) for name in served()}
    assert sorted(name for name in in_state("not yet") if PLAIN.sub("{}", name) in served_plain) == []


def test_the_numbers_at_the_top_are_the_rows_below():
    wanted = collections.Counter()
    for name, state in listed():
        path = name.split(" ", 1)[1]
        face = "Password Safe" if path.startswith(PS) else "Our own, `/api/v1`" if path.startswith("/api/v1/") else "Control Room"
        wanted[face, state] += 1
    told = re.findall(r"^\| (Control Room|Password Safe|Our own, `/api/v1`) \| (\d+) \| (\d+) \|$", PAGE.read_text(), re.M)
    assert len(told) == 3
    for face, works, not_yet in told:
        assert (int(works), int(not_yet)) == (wanted[face, "works"], wanted[face, "not yet"]), face
