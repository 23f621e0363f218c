"""tests/faults/test_disk_full.py: the disk fills up under many writers: what was answered stands, what was lost was told, and space heals it."""
import json
import os
import sqlite3
import subprocess
import sys
import threading
import time

import pytest
import requests

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))

from support import PS, Server, ok, wait_for  # noqa: E402

MEGABYTE = 1 << 20


@pytest.fixture
def small_disk(tmp_path):
    """A file system of 12 MiB, of which ballast can be taken away."""
    if os.geteuid() != 0:
        pytest.skip("mounting needs root")
    where = tmp_path / "disk"
    where.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=12m,mode=0700", "tmpfs", str(where)], capture_output=True, text=True)
    if mounted.returncode:
        pytest.skip("no tmpfs can be mounted here: " + mounted.stderr)
    yield where
    subprocess.run(["umount", "-l", str(where)], check=True)


@pytest.fixture
def server(small_disk, tmp_path):
    (tmp_path / "server").mkdir()
    (tmp_path / "server/data").symlink_to(small_disk)
    server = Server(directory=str(tmp_path / "server")).start()
    with open(small_disk / "ballast", "wb") as handle:
        handle.write(bytes(5 * MEGABYTE))
    yield server
    server.kill()


class Writer(threading.Thread):
    """Creates credentials one after the other and keeps what it was told about each."""

    def __init__(self, server, token, number, state):
        super().__init__()
        self.url, self.token, self.number, self.state = server.url, token, number, state
        self.told, self.slowest = [], 0

    def run(self):
        session = requests.Session()
        turn = 0
        while not self.state["stops"]:
            turn += 1
            name = f"w{self.number} {turn}"
            attributes = [{"name": f"a{at}", "userProvided": False, "description": "d" * 255} for at in range(10)]
            began = time.monotonic()
            answer = session.post(self.url + "/v2/credentialvault/credentials", json={"name": name, "description": "d" * 255, "attributes": attributes},
                                  headers={"X-Authorization": self.token}, timeout=60)
            self.slowest = max(self.slowest, time.monotonic() - began)
            self.told.append((name, answer.status_code, answer.json().get("id"), answer.content, dict(answer.headers)))
            if answer.status_code != 201:
                time.sleep(0.01)


def stored(server):
    db = sqlite3.connect(f"file:{server.data}/keyturn.db?mode=ro", uri=True, timeout=30)
    try:
        return {name: (str(number), count) for number, name, count in db.execute(
            "SELECT c.id, c.name, (SELECT count(*) FROM attributes a WHERE a.credential_id = c.id) FROM credentials c")}
    finally:
        db.close()


def run_writers(server, until, count=12):
    state = {"stops": False}
    token = server.controlroom().token
    writers = [Writer(server, token, f"{count}.{number}", state) for number in range(count)]
    for writer in writers:
        writer.start()
    try:
        wait_for(lambda: until([entry for writer in writers for entry in list(writer.told)]), timeout=120)
    finally:
        state["stops"] = True
        for writer in writers:
            writer.join(timeout=60)
    assert max(writer.slowest for writer in writers) < 20
    return [entry for writer in writers for entry in writer.told]


def check_told(server, told):
    """Answered with 201: whole in the store under that id. Anything else: not there at all."""
    found = stored(server)
    for name, status, number, content, headers in told:
        if status == 201:
            assert found.get(name) == (number, 10), name
        else:
            assert name not in found, (name, status)
            assert status == 503 and "Retry-After" in headers, (status, content)
            body = json.loads(content)
            assert set(body) == {"code", "details", "message"} and body["code"] == "server.busy", content
    assert len(found) == sum(entry[1] == 201 for entry in told)


def test_a_full_disk_refuses_loses_nothing_and_heals(server, small_disk):
    told = run_writers(server, lambda entries: sum(entry[1] == 503 for entry in entries) > 300)
    assert sum(entry[1] == 201 for entry in told) > 50
    check_told(server, told)
    # Reading goes on; what must be recorded first is refused, in each face's form.
    assert requests.get(server.url + "/api/v1/health/live", timeout=30).json() == {"live": True}
    ready = requests.get(server.url + "/api/v1/health", timeout=30)
    assert ready.status_code in (200, 503)
    full = requests.post(server.url + PS + "/Workgroups", json={"Name": "w" * 250}, headers={"Authorization": server.passwordsafe().header}, timeout=30)
    assert full.status_code == 503 or full.status_code == 201
    if full.status_code == 503:
        assert full.headers["Content-Type"].startswith("text/plain") and "full" in full.text
    assert server.process.poll() is None
    # Space comes back: no restart.
    os.unlink(small_disk / "ballast")
    wait_for(lambda: requests.post(server.url + "/v2/authentication", json={"username": "admin", "password": server.password}, timeout=30).status_code == 200, timeout=15)
    healed = run_writers(server, lambda entries: sum(entry[1] == 201 for entry in entries) > 100, count=4)
    assert all(entry[1] == 201 for entry in healed[-20:])
    told += healed
    check_told(server, told)
    server.stop()
    report = server.audit_is_intact()
    assert report.returncode == 0, report.stdout + report.stderr
    server.start()
    check_told(server, told)
    total = ok(server.controlroom().post("/v2/credentialvault/credentials/list", {"page": {"length": 1}}))["page"]["total"]
    assert total == sum(entry[1] == 201 for entry in told)
    server.stop()


def test_a_full_disk_at_the_end_still_lets_it_stop_and_start(server, small_disk):
    told = run_writers(server, lambda entries: sum(entry[1] == 503 for entry in entries) > 50)
    server.stop(expect=None)
    assert server.process.returncode == 0, server.log_text()[-2000:]
    check_told(server, told)
    os.unlink(small_disk / "ballast")
    server.start()
    check_told(server, told)
    ok(server.controlroom().post("/v2/credentialvault/credentials", {"name": "after"}), 201)
    server.stop()
    report = server.audit_is_intact()
    assert report.returncode == 0, report.stdout + report.stderr


def test_killed_while_the_disk_is_full(server, small_disk):
    told = run_writers(server, lambda entries: sum(entry[1] == 503 for entry in entries) > 100)
    server.kill()
    os.unlink(small_disk / "ballast")
    server.start()
    check_told(server, told)
    assert server.audit_is_intact().returncode == 0
    ok(server.controlroom().post("/v2/credentialvault/credentials", {"name": "after"}), 201)
    server.stop()
