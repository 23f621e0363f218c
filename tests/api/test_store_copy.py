"""tests/api/test_store_copy.py: keyturn store copy between the stores: equal to the last byte, wherever it is killed, and never two of one."""
import json
import os
import random
import re
import shutil
import signal
import sqlite3
import subprocess
import time

import pytest

from postgresql_store import PostgresStore, TcpGate, ask
from support import KEYTURN, ControlRoom, Server, fresh_database, ok, wait_for
from world import World, found_in

ODD_ROWS = 4000
KILLS = 9


def keyturn(*words, timeout=120):
    return subprocess.run([KEYTURN, *map(str, words)], capture_output=True, text=True, timeout=timeout, stdin=subprocess.DEVNULL)


def copy_words(source, target, data):
    return ["store", "copy", "--from", source, "--to", target, "--data", str(data)]


def copied(answer):
    """The lines of the table at the end: {table: (rows, digest)}; each has to be equal."""
    assert answer.returncode == 0, answer.stdout + answer.stderr
    assert "Sanitizer" not in answer.stderr
    lines = re.findall(r"^(\w+) +(\d+)  ([0-9a-f]{24})  (.+)$", answer.stdout, re.M)
    assert len(lines) > 40 and all(line[3] == "yes" for line in lines), answer.stdout
    return {line[0]: (int(line[1]), line[2]) for line in lines}


def refused(answer, *words):
    assert answer.returncode == 1 and answer.stdout == "", answer
    assert "Sanitizer" not in answer.stderr
    lines = [line for line in answer.stderr.splitlines() if line.startswith("keyturn ")]
    assert len(lines) == 1 and all(word in lines[0] for word in words), answer.stderr


def refused_to_serve(words, *expected):
    answer = keyturn("serve", *words, "--listen", "http://127.0.0.1:0", timeout=60)
    assert answer.returncode == 1 and answer.stdout == "", answer
    last = answer.stderr.strip().splitlines()[-1]
    assert all(word in last for word in expected), answer.stderr


def contents(path, settings=True):
    """Every row of a SQLite store with the type of each cell, and the counters."""
    with sqlite3.connect(path) as db:
        tables = sorted(name for (name,) in db.execute("SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'"))
        found = {name: sorted(db.execute(f'SELECT * FROM "{name}"').fetchall(), key=repr) for name in tables if settings or name != "settings"}
        found["next ids"] = sorted(db.execute("SELECT name, seq FROM sqlite_sequence WHERE seq > 0").fetchall())
    db.close()
    return found


def settings_of(place):
    query = "SELECT name || '=' || value FROM settings ORDER BY name"
    if str(place).startswith("postgresql"):
        rows = ask(place, query).splitlines()
    else:
        with sqlite3.connect(place) as db:
            rows = [row[0] for row in db.execute(query)]
        db.close()
    return dict(row.split("=", 1) for row in rows)


def add_odd_rows(path):
    """What the API makes rarely: keys that sort differently in careless hands, limits, empty texts, blobs with any byte."""
    edge = 1 << 63
    texts = ["", " ", "a", "Z", "z", "Å", "A\u030a", "é", "\u00df", "\u6f22\u5b57", "\U0001f600", "\uffff", "a'b\"c\\d", "tab\there", "x" * 5000]
    with sqlite3.connect(path) as db:
        db.execute("PRAGMA foreign_keys = ON")
        db.executemany("INSERT INTO guesses VALUES ('pair', ?, 1, ?, ?, ?)", [(text, -edge, edge - 1, 0) for text in texts])
        db.executemany("INSERT INTO guesses VALUES ('user', ?, 1, 0, 4102444800000000, 0)", [(f"user {number} \u00e9",) for number in range(ODD_ROWS)])
        blobs = {bytes([first, second]) * 16 for first in (0, 1, 127, 128, 255) for second in (0, 39, 255)} | {b"", b"\0", bytes(range(256))}
        db.executemany("INSERT INTO ended_tokens VALUES (?, 4102444800000000)", [(blob,) for blob in blobs])
        db.executemany("INSERT INTO ended_tokens VALUES (?, 4102444800000000)", [(os.urandom(32),) for _ in range(ODD_ROWS)])
        db.execute("INSERT INTO workgroups (id, name, name_key) VALUES (2147483000, 'far', 'far')")
    db.close()


STARTED = []


def serve(directory, store="sqlite"):
    STARTED.append(Server(directory=str(directory), store=store))
    return STARTED[-1].start()


@pytest.fixture(scope="module", autouse=True)
def nothing_left_running():
    yield
    for server in STARTED:
        server.kill()


class Source:
    """A stopped SQLite installation of one object of every kind, of which each test takes a copy."""

    def __init__(self, folder):
        server = serve(folder)
        self.world = World(server)
        self.facts = {"credential": self.world.ids["credential"], "system": self.world.ids["system"], "account": self.world.ids["account"]}
        boss = server.controlroom()
        self.revealed = self.reveal(server)
        assert self.revealed
        self.last = {}
        for number in range(5):
            made = ok(boss.post("/v2/credentialvault/credentials", {"name": f"\u00dcbung {number} \u6f22", "description": "" if number % 2 else "\U0001f512"}), 201)
            self.last["credential"] = int(made["id"])
        assert boss.delete(f"/v2/credentialvault/credentials/{made['id']}").status_code in (200, 204)
        server.stop()
        add_odd_rows(os.path.join(server.data, "keyturn.db"))
        self.folder = folder

    def reveal(self, server):
        robot = server.controlroom("robot", self.world.names["robot"])
        return sorted(found_in(json.dumps(ok(robot.get(f"/v2/credentialvault/credentials/{self.facts['credential']}/attributevalues"))).encode()))

    def take(self, folder):
        shutil.copytree(self.folder, folder, ignore=shutil.ignore_patterns("server.log"))
        return folder


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    return Source(tmp_path_factory.mktemp("source") / "house")


@pytest.fixture
def house(source, tmp_path):
    return source.take(tmp_path / "house")


def check_alive(source, server):
    """Whoever could log in still can, the values are there, the chain is whole, and no id comes twice."""
    boss = server.controlroom()
    assert source.reveal(server) == source.revealed
    made = ok(boss.post("/v2/credentialvault/credentials", {"name": "after " + os.urandom(4).hex()}), 201)
    assert int(made["id"]) > source.last["credential"]
    request = {"SystemID": source.facts["system"], "AccountID": source.facts["account"], "DurationMinutes": 1}
    assert found_in(ok(server.passwordsafe().post("/ISARequests", request), 201).encode()) == ["password of managed account"]
    report = server.audit_is_intact()
    assert report.returncode == 0, report.stdout + report.stderr
    return int(made["id"])


# -- equal


def test_there_and_back_is_the_same(source, house, tmp_path):
    first, url, back = house / "data", fresh_database(), tmp_path / "back"
    before = contents(first / "keyturn.db", settings=False)
    (first / "root.key").rename(tmp_path / "root.key")  # sealed values stay sealed: no key is needed
    there = keyturn(*copy_words("sqlite", url, first))
    tables = copied(there)
    assert "guesses" in tables and tables["guesses"][0] == len(before["guesses"])
    assert f"{first}/root.key" in there.stdout  # what to copy by hand
    again = keyturn(*copy_words(url, f"sqlite:{back}", first))
    same = copied(again)
    assert {name: digest for name, digest in tables.items() if name != "settings"} == {name: digest for name, digest in same.items() if name != "settings"}
    assert contents(back / "keyturn.db", settings=False) == before
    settings = settings_of(back / "keyturn.db")
    assert settings["epoch"] == "3" and settings["installation"] == (back / "installation").read_text().strip()
    assert os.stat(back / "keyturn.db").st_mode & 0o777 == 0o600 and os.stat(back).st_mode & 0o777 == 0o700
    password = url.split(":")[2].split("@")[0]
    for text in (there.stdout, there.stderr, again.stdout, again.stderr, json.dumps(settings_of(first / "keyturn.db")), json.dumps(settings_of(url))):
        assert password not in text and not found_in(text.encode())


def test_what_was_moved_is_alive(source, house, tmp_path):
    first, url, back = house / "data", fresh_database(), tmp_path / "back"
    copied(keyturn(*copy_words(f"sqlite:{first}", url, first)))
    server = serve(house, url)
    made = check_alive(source, server)
    server.stop()
    back.mkdir()
    copied(keyturn(*copy_words(url, f"sqlite:{back}/data", first)))
    for name in ("admin-password", "api-key"):
        shutil.copy(house / name, back / name)
    shutil.copy(first / "root.key", back / "data")
    server = serve(back)
    assert check_alive(source, server) > made
    server.stop()
    third = tmp_path / "third"
    copied(keyturn(*copy_words(f"sqlite:{back}/data", f"sqlite:{third}", third)))
    assert contents(third / "keyturn.db", settings=False) == contents(back / "data/keyturn.db", settings=False)


def test_an_id_of_a_row_that_is_gone_does_not_come_back(house):
    first, url = house / "data", fresh_database()
    with sqlite3.connect(first / "keyturn.db") as db:
        db.execute("INSERT INTO workgroups (id, name, name_key) VALUES (2147483100, 'gone', 'gone')")
        db.execute("DELETE FROM workgroups WHERE id = 2147483100")
        db.execute("DELETE FROM token_keys")
        db.execute("DELETE FROM sqlite_sequence WHERE name = 'token_keys'")
    db.close()
    copied(keyturn(*copy_words("sqlite", url, first)))
    assert ask(url, "INSERT INTO workgroups (name, name_key) VALUES ('next', 'next') RETURNING id") == "2147483101"
    assert ask(url, "INSERT INTO token_keys (public_key, created_at, ends_at) VALUES ('', 0, 0) RETURNING id") == "1"
    # What PostgreSQL has counted and lost again counts too.
    ask(url, "SELECT nextval(pg_get_serial_sequence('links', 'id')), nextval(pg_get_serial_sequence('links', 'id'))")
    used = int(ask(url, "SELECT last_value FROM links_id_seq"))
    (first / "keyturn.db").unlink()
    copied(keyturn(*copy_words(url, "sqlite", first)))
    with sqlite3.connect(first / "keyturn.db") as db:
        assert db.execute("SELECT seq FROM sqlite_sequence WHERE name = 'links'").fetchone() == (used,)
        assert db.execute("SELECT seq FROM sqlite_sequence WHERE name = 'workgroups'").fetchone() == (2147483101,)
    db.close()


# -- cut short


def killed_at(words, line, pause):
    """Kill it when it has said that many lines. None: it was quicker."""
    process = subprocess.Popen([KEYTURN, *map(str, words)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, stdin=subprocess.DEVNULL)
    try:
        said = []
        while len(said) < line:
            said.append(process.stderr.readline())
            if not said[-1]:
                break
        time.sleep(pause)
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait(timeout=30)
        process.stdout.close()
        process.stderr.close()
    assert process.returncode in (0, -signal.SIGKILL), said
    return said if process.returncode else None


def lines_of(answer):
    return [line for line in answer.stderr.splitlines() if re.match(r"(compare )?\w+ \d+/\d+$", line)]


def check_never_two(at_source, source, at_target, target):
    """Some lines were said, so both are marked: the source is not served, the target only when the move was over."""
    refused_to_serve(at_source, "moved to")
    settings = settings_of(target if target.startswith("postgresql") else target[7:] + "/keyturn.db")
    if "copy.from" in settings:
        refused_to_serve(at_target, "unfinished copy")
    else:
        assert "copy.moved_to" in settings_of(source if source.startswith("postgresql") else source[7:] + "/keyturn.db")


@pytest.mark.parametrize("direction", ["to PostgreSQL", "to SQLite"])
def test_killed_anywhere_it_goes_on(direction, house, tmp_path):
    """At points spread over the whole way, and once more at a random one, each time on a target of its own."""
    chance = random.Random(direction)
    first, source, at_source = house / "data", f"sqlite:{house}/data", ["--data", house / "data"]
    before = contents(first / "keyturn.db", settings=False)
    if direction == "to SQLite":
        source = fresh_database()
        at_source += ["--store", source]
        copied(keyturn(*copy_words("sqlite", source, first)))
        (first / "keyturn.db").unlink()
    kills, lines = 0, 90
    for turn in range(KILLS):
        (tmp_path / f"to{turn}").mkdir(0o700)
        data, at_target = tmp_path / f"to{turn}", ["--data", tmp_path / f"to{turn}"]
        target = fresh_database() if direction == "to PostgreSQL" else f"sqlite:{data}"
        at_target += ["--store", target] if direction == "to PostgreSQL" else []
        words = copy_words(source, target, data if direction == "to PostgreSQL" else first)
        first_point = killed_at(words, turn * lines // KILLS, chance.random() / 20)
        if first_point:
            check_never_two(at_source, source, at_target, target)
        second_point = killed_at(words, chance.randrange(lines), chance.random() / 10)
        kills += (first_point is not None) + (second_point is not None)
        answer = keyturn(*words)
        assert answer.returncode == 0, answer.stderr
        if "moved before" not in answer.stdout:  # it was killed with its work done, but before it had said so
            copied(answer)
        refused_to_serve(at_source, "was moved to")
        if direction == "to SQLite":
            assert contents(data / "keyturn.db", settings=False) == before
        assert keyturn("store", "reopen", *at_source).returncode == 0
    assert kills >= KILLS, kills


def test_what_is_there_is_not_copied_again(house, tmp_path):
    words = copy_words(f"sqlite:{house}/data", f"sqlite:{tmp_path}/to", tmp_path)
    said = killed_at(words, 12, 0)
    whole = {line.split()[0] for line in said if line.strip() and line.split()[1].split("/")[0] == line.split()[1].split("/")[1]}
    assert len(whole) > 5
    answer = keyturn(*words)
    copied(answer)
    assert not whole & {line.split()[0] for line in lines_of(answer)}


@pytest.fixture
def small_disk(tmp_path):
    where = tmp_path / "disk"
    where.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1500k,mode=0700", "tmpfs", str(where)], check=True)
    yield where
    subprocess.run(["umount", "-l", str(where)], check=True)


def test_a_full_disk_of_the_target(house, small_disk):
    words = copy_words(f"sqlite:{house}/data", f"sqlite:{small_disk}", small_disk)
    for _ in range(2):
        answer = keyturn(*words)
        refused(answer, "the store is full")
        assert "run the same command again" in answer.stderr
        refused_to_serve(["--data", house / "data"], "is being moved to")
    subprocess.run(["mount", "-o", "remount,size=64m", str(small_disk)], check=True)
    copied(keyturn(*words))
    assert contents(small_disk / "keyturn.db", settings=False) == contents(house / "data/keyturn.db", settings=False)


def test_a_full_disk_of_the_database(house, tmp_path):
    with PostgresStore(tmp_path / "store", fsync=False) as store:
        inside = ["nsenter", f"--target={store.pid}", "--mount", "--"]
        script = "mkdir /mnt/small && mount -t tmpfs -o size=6m tmpfs /mnt/small && mkdir /mnt/small/space && chown postgres /mnt/small/space"
        subprocess.run([*inside, "sh", "-c", script], check=True)
        store.psql("CREATE TABLESPACE small LOCATION '/mnt/small/space'")
        store.psql("CREATE DATABASE vault OWNER keyturn TABLESPACE small")
        words = copy_words("sqlite", store.url("vault"), house / "data")
        refused(keyturn(*words), "the store is full")
        subprocess.run([*inside, "mount", "-o", "remount,size=80m", "/mnt/small"], check=True)
        copied(keyturn(*words))


# -- caught


@pytest.mark.parametrize("change", ["UPDATE users SET first_name = 'Mallory' WHERE id = 1", "UPDATE users SET password_hash = NULL WHERE id = 1",
                                    "DELETE FROM role_members WHERE role_id IN (SELECT role_id FROM role_members LIMIT 1)",
                                    "UPDATE secrets_of_store SET value = CAST('x' AS BLOB)"])
def test_a_changed_row_is_caught(change, house, tmp_path):
    first, to = house / "data", tmp_path / "to"
    words = copy_words("sqlite", f"sqlite:{to}", first)
    said = killed_at(words, 40, 0)
    table = change.replace("DELETE FROM", "UPDATE").split()[1]
    assert any(line.startswith(table + " ") for line in said), said
    with sqlite3.connect(to / "keyturn.db") as db:
        assert db.execute(change).rowcount > 0
    db.close()
    for _ in range(2):
        answer = keyturn(*words)
        assert answer.returncode == 1 and "the copy is not equal" in answer.stderr, answer
        wrong = [line.split()[0] for line in answer.stdout.splitlines() if "NO: the source has" in line]
        assert wrong == [table], answer.stdout
        refused_to_serve(["--data", to], "unfinished copy")
        refused_to_serve(["--data", first], "is being moved to")
    shutil.rmtree(to)
    copied(keyturn(*words))


def test_a_changed_row_is_caught_in_postgresql(house):
    first, url = house / "data", fresh_database()
    said = killed_at(copy_words("sqlite", url, first), 40, 0)
    assert said
    assert ask(url, "UPDATE users SET email = email || ' ' WHERE id = 1 RETURNING 1") == "1"
    answer = keyturn(*copy_words("sqlite", url, first))
    assert answer.returncode == 1 and re.search(r"^users .* NO: the source has", answer.stdout, re.M), answer


# -- refused


def test_a_target_that_holds_something(house, source, tmp_path):
    other = Server(directory=str(tmp_path / "other"), store="sqlite")
    url = fresh_database()
    strange = Server(directory=str(tmp_path / "strange"), store=url)
    held = contents(os.path.join(other.data, "keyturn.db"))
    refused(keyturn(*copy_words("sqlite", f"sqlite:{other.data}", house / "data")), "belongs to installation")
    os.unlink(os.path.join(other.data, "installation"))
    refused(keyturn(*copy_words("sqlite", f"sqlite:{other.data}", house / "data")), "holds installation", "nothing was changed")
    refused(keyturn(*copy_words("sqlite", url, house / "data")), "holds installation", "nothing was changed")
    assert contents(os.path.join(other.data, "keyturn.db")) == held
    twin = source.take(tmp_path / "twin")  # the same installation, but no copy of ours
    refused(keyturn(*copy_words("sqlite", f"sqlite:{twin}/data", house / "data")), "holds installation")
    assert not [name for name in settings_of(house / "data/keyturn.db") if name.startswith("copy.")]
    dirty = fresh_database()
    said = keyturn("init", "--data", tmp_path / "third", "--store", dirty, "--admin-password-file", tmp_path / "p", "--api-key-file", tmp_path / "k")
    assert said.returncode == 0, said.stderr
    ask(dirty, "DELETE FROM settings WHERE name IN ('installation', 'epoch')")
    refused(keyturn(*copy_words("sqlite", dirty, house / "data")), "is not empty", "nothing was changed")
    del strange


def test_an_unfinished_copy_of_somebody_else(house, source, tmp_path):
    to = f"sqlite:{tmp_path}/to"
    other = source.take(tmp_path / "other")
    with sqlite3.connect(other / "data/keyturn.db") as db:
        db.execute("UPDATE settings SET value = 'ffffffffffffffffffffffffffffffff' WHERE name = 'installation'")
    db.close()
    assert killed_at(copy_words(f"sqlite:{house}/data", to, tmp_path), 10, 0)
    refused(keyturn(*copy_words(f"sqlite:{other}/data", to, tmp_path)), "what is left of another copy")
    twin = source.take(tmp_path / "twin")
    refused(keyturn(*copy_words(f"sqlite:{twin}/data", to, tmp_path)), "what is left of another copy")
    # Given up, and begun anew: the old half is of an earlier attempt.
    assert keyturn("store", "reopen", "--data", house / "data").returncode == 0
    refused(keyturn(*copy_words(f"sqlite:{house}/data", to, tmp_path)), "what is left of another copy")
    refused(keyturn("store", "reopen", "--data", tmp_path / "to"), "unfinished copy")
    refused(keyturn(*copy_words(to, f"sqlite:{tmp_path}/further", tmp_path)), "unfinished copy")
    copied(keyturn(*copy_words(f"sqlite:{house}/data", f"sqlite:{tmp_path}/anew", tmp_path)))


def test_a_source_that_is_served(house, tmp_path):
    server = serve(house)
    refused(keyturn(*copy_words("sqlite", f"sqlite:{tmp_path}/to", server.data)), "another server uses this directory")
    assert not (tmp_path / "to").exists()
    server.stop()
    url = fresh_database()
    copied(keyturn(*copy_words("sqlite", url, server.data)))
    server = serve(house, url)
    (tmp_path / "beside").mkdir(0o700)
    wait_for(lambda: ask(url, "SELECT count(*) FROM nodes") == "1")
    node = ask(url, "SELECT name FROM nodes")
    words = copy_words(url, f"sqlite:{tmp_path}/to", tmp_path / "beside")
    refused(keyturn(*words), node, "stop the servers first")
    ask(url, "UPDATE nodes SET seen_at = 0")  # its name is still held
    refused(keyturn(*words), "stop the servers first")
    server.kill()
    wait_for(lambda: ask(url, "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND database = (SELECT oid FROM pg_database WHERE datname = current_database())") == "0")
    ask(url, "UPDATE nodes SET seen_at = CAST(EXTRACT(EPOCH FROM clock_timestamp()) * 1000000 AS bigint)")
    refused(keyturn(*words), node, "after 30 seconds")
    assert not (tmp_path / "to").exists() and "copy.to" not in settings_of(url)
    ask(url, "UPDATE nodes SET seen_at = seen_at - 31000000")
    copied(keyturn(*words))


def test_a_server_that_comes_back_to_a_store_that_was_moved(house, tmp_path):
    first, url = house / "data", fresh_database()
    copied(keyturn(*copy_words("sqlite", url, first)))
    gate = TcpGate(int(url.split(":")[3].split("/")[0]), "127.0.0.1")
    try:
        server = serve(house, url.replace(":" + url.split(":")[3].split("/")[0] + "/", f":{gate.port}/"))
        boss = server.controlroom()
        wait_for(lambda: ask(url, "SELECT count(*) FROM nodes") == "1")
        gate.cut()
        ask(url, "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE application_name LIKE 'keyturn %'")
        ask(url, "UPDATE nodes SET seen_at = 0")
        (tmp_path / "beside").mkdir(0o700)
        copied(keyturn(*copy_words(url, f"sqlite:{tmp_path}/to", tmp_path / "beside")))
        before = ask(url, "SELECT max(id) FROM audit_rows")
        gate.heal()
        wait_for(lambda: "was moved to" in server.log_text(), timeout=60)
        answer = boss.post("/v2/credentialvault/credentials", {"name": "too late"})
        assert answer.status_code == 503, answer.text
        assert ask(url, "SELECT max(id) FROM audit_rows") == before
        server.kill()
    finally:
        gate.stop()


def test_what_was_moved_is_not_served_until_it_is_taken_back(source, house, tmp_path):
    first, url, to = house / "data", fresh_database(), tmp_path / "to"
    refused(keyturn("store", "reopen", "--data", first), "was not moved")
    words = copy_words("sqlite", url, first)
    copied(keyturn(*words))
    refused_to_serve(["--data", first], "was moved to postgresql://", "keyturn store reopen")
    again = keyturn(*words)
    assert again.returncode == 0 and again.stdout.startswith("moved before"), again
    refused(keyturn(*copy_words("sqlite", f"sqlite:{to}", first)), "was moved to")
    refused(keyturn("init", "--data", tmp_path / "new", "--store", url, "--admin-password-file", tmp_path / "p", "--api-key-file", tmp_path / "k"), "a store is there already")
    back = keyturn("store", "reopen", "--data", first)
    assert back.returncode == 0 and "never serve the copy" in back.stdout, back
    assert settings_of(first / "keyturn.db")["epoch"] == "3" and settings_of(url)["epoch"] == "2"
    server = serve(house)
    check_alive(source, server)
    server.stop()
    refused(keyturn(*words), "holds installation")


def test_called_wrongly(house, tmp_path):
    first = house / "data"
    refused(keyturn("store", "copy", "--to", "sqlite", "--data", first), "--from is missing")
    refused(keyturn("store", "copy", "--from", "sqlite", "--to", "postgresql://127.0.0.1/x"), "needs --data DIR")
    refused(keyturn(*copy_words("sqlite", f"sqlite:{first}", first)), "the same store")
    refused(keyturn(*copy_words("mysql://x", "sqlite", first)), "postgresql://")
    refused(keyturn(*copy_words("sqlite:", "sqlite", first)), "needs --data DIR")
    refused(keyturn(*copy_words(f"sqlite:{tmp_path}/none", "sqlite:" + str(tmp_path / "to"), first)), "No such file")
    refused(keyturn(*copy_words("sqlite", "postgresql://keyturn:Wr0ng@127.0.0.1:1/none", first)), "cannot be reached")
    assert "Wr0ng" not in keyturn(*copy_words("sqlite", "postgresql://keyturn:Wr0ng@127.0.0.1:1/none", first)).stderr
    refused(keyturn("store", "reopen"), "needs --data")
    assert "keyturn store copy" in keyturn("--help").stdout and "keyturn store reopen" in keyturn("--help").stdout
    assert not [name for name in settings_of(first / "keyturn.db") if name.startswith("copy.")]
    server = serve(house)  # nothing of all this has touched it
    assert isinstance(server.controlroom(), ControlRoom)
    server.stop()
