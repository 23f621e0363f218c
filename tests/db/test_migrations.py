"""tests/db/test_migrations.py: a store of an older schema is brought up, once, whole or not at all; one of a newer is left alone."""
import contextlib
import os
import re
import signal
import sqlite3
import subprocess
import time

import psycopg2
import pytest

from support import TOP, Server, fresh_database, ok, wait_for

NEWEST = max(int(name[:4]) for name in os.listdir(f"{TOP}/src/db/migrations"))
VAULT = "/v2/credentialvault"


def migration(number):
    return re.sub(r"--.*", "", open(f"{TOP}/src/db/migrations/{number:04}.sql").read())


def first_definition(column):
    """Of a text column of `jobs` that a migration makes anew, as the first one has it, with a default for the rows that are there."""
    table = migration(1).split("CREATE TABLE jobs (")[1]
    check = re.search(rf"\n\s+{column}\s+@text NOT NULL (CHECK \(.*?\)\))", table, re.DOTALL).group(1)
    return f"text NOT NULL DEFAULT {re.search(chr(39) + '.*?' + chr(39), check).group()} {check}"


def undone(number):
    """The statements that take a migration back: ours make tables, columns and indexes, or a column of `jobs` anew."""
    statements = []
    for text in migration(number).split(";"):
        words = text.split()
        if words[:2] == ["CREATE", "TABLE"]:
            statements.append(f"DROP TABLE {words[2]}")
        elif words[:1] == ["CREATE"] and "INDEX" in words[1:3]:
            statements.append(f"DROP INDEX {words[words.index('INDEX') + 1]}")
        elif words[:2] == ["DROP", "INDEX"]:
            statements.append(re.search(rf"CREATE (UNIQUE )?INDEX {words[2]} [^;]*", migration(1)).group())
        elif words[:1] == ["UPDATE"]:
            table, there, here = re.fullmatch(r"UPDATE (\w+) SET (\w+) = (\w+)", text.strip()).groups()
            statements.append(f"UPDATE {table} SET {here} = {there}")
        elif words[:2] == ["ALTER", "TABLE"] and words[3:5] == ["RENAME", "COLUMN"]:
            statements.append(f"ALTER TABLE {words[2]} RENAME COLUMN {words[7]} TO {words[5]}")
        elif words[:2] == ["ALTER", "TABLE"] and words[3:5] == ["DROP", "COLUMN"]:
            statements.append(f"ALTER TABLE {words[2]} ADD COLUMN {words[5]} {first_definition(words[5])}")
        elif words[:2] == ["ALTER", "TABLE"]:
            assert words[3:5] == ["ADD", "COLUMN"], text
            statements.append(f"ALTER TABLE {words[2]} DROP COLUMN {words[5]}")
        else:
            assert not words, text
    return statements[::-1]


class Old:
    """A store of schema 1 with rows in it, and the server that is to serve it."""

    def __init__(self, kind, folder):
        self.server = Server(directory=str(folder), store=fresh_database() if kind == "postgresql" else "sqlite")
        self.kind = kind
        self.server.start()
        self.make_rows()
        self.server.stop()
        self.run("INSERT INTO jobs (id, kind, state, is_open, trigger_kind, is_queued, made_by, created_at, next_try_at) VALUES (77, 'test', 'done', 0, 'schedule', 1, 0, 1, 1)")
        self.run("INSERT INTO job_steps (job_id, at, step, is_ok, text) VALUES (77, 1, 'done', 1, 'kept')")
        for number in range(NEWEST, 1, -1):
            for statement in undone(number):
                self.run(statement)
        self.run("UPDATE settings SET value = '1' WHERE name = 'schema'")
        self.check_is_first()
        self.server.log_start = len(self.server.log_text())

    def make_rows(self):
        admin = self.server.controlroom()
        self.locker = ok(admin.post(VAULT + "/lockers", {"name": "Ötztal", "description": ""}), 201)["id"]
        body = {"name": "SAP", "lockerId": self.locker, "attributes": [{"name": "password", "userProvided": False, "masked": False, "passwordFlag": False}]}
        self.credential = ok(admin.post(VAULT + "/credentials", body), 201)
        at = f"{VAULT}/credentials/{self.credential['id']}/attributevalues"
        ok(admin.post(at, {"list": [{"credentialAttributeId": self.credential["attributes"][0]["id"], "value": "gelb & süß"}]}))

    def connect(self):
        if self.kind == "postgresql":
            return contextlib.closing(psycopg2.connect(self.server.store))
        return contextlib.closing(sqlite3.connect(f"{self.server.data}/keyturn.db", timeout=30))

    def run(self, statement):
        with self.connect() as db:
            cursor = db.cursor()
            cursor.execute(statement)
            rows = cursor.fetchall() if cursor.description else []
            db.commit()
            return rows

    def schema(self):
        return int(self.run("SELECT value FROM settings WHERE name = 'schema'")[0][0])

    def tables(self):
        return {row[0] for row in self.run("SELECT tablename FROM pg_tables WHERE schemaname = 'public'" if self.kind == "postgresql" else
                                           "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'")}

    def indexes(self):
        return {row[0] for row in self.run("SELECT indexname FROM pg_indexes WHERE schemaname = 'public'" if self.kind == "postgresql" else
                                           "SELECT name FROM sqlite_master WHERE type = 'index'")}

    def check_is_first(self):
        """Exactly what the first migration makes is there."""
        assert self.schema() == 1
        assert self.tables() == set(re.findall(r"CREATE TABLE (\w+)", migration(1)))
        assert {name for name in self.indexes() if not name.endswith(("_key", "_pkey")) and "autoindex" not in name} == set(re.findall(r"INDEX (\w+) ON", migration(1)))

    def check_is_newest(self, log=None):
        every = "".join(migration(number) for number in range(1, NEWEST + 1))
        assert self.schema() == NEWEST
        assert self.tables() == set(re.findall(r"CREATE TABLE (\w+)", every))
        assert self.indexes() >= set(re.findall(r"INDEX (\w+) ON", every))
        text = self.server.log_text()[self.server.log_start:] if log is None else log
        for number in range(2, NEWEST + 1):
            assert text.count(f"the store was brought to schema {number}") == 1, text

    def check_serves(self, server=None):
        """What was written before is there, and more can be."""
        admin = (server or self.server).controlroom()
        values = ok(admin.get(f"{VAULT}/credentials/{self.credential['id']}/attributevalues"))["list"]
        assert [value["value"] for value in values] == ["gelb & süß"]
        job = ok(admin.own("GET", "/jobs/77"))
        assert (job["kind"], job["trigger"], [step["text"] for step in job["steps"]]) == ("test", "schedule", ["kept"])
        assert ok(admin.get(f"{VAULT}/lockers/{self.locker}"))["name"] == "Ötztal"
        ok(admin.post(VAULT + "/lockers", {"name": f"new {time.time()}", "description": ""}), 201)

    def start_refused(self):
        done = subprocess.run([self.server.program, "serve", *self.server.at_store(), "--listen", "http://127.0.0.1:0"], capture_output=True, text=True, timeout=60)
        assert done.returncode == 1 and done.stdout == "", done
        return done.stderr.strip().splitlines()[-1]


@pytest.fixture(autouse=True)
def no_server_outlives_its_test(monkeypatch):
    started, start = [], Server.start

    def start_and_remember(server, *words, **named):
        started.append(server)
        return start(server, *words, **named)

    monkeypatch.setattr(Server, "start", start_and_remember)
    yield
    for server in started:
        server.kill()


@pytest.fixture(params=["sqlite", "postgresql"])
def old(no_server_outlives_its_test, request, tmp_path):
    old = Old(request.param, tmp_path / "server")
    yield old
    old.server.close()


def test_rows_of_an_older_schema_are_served(old):
    old.server.start()
    old.check_serves()
    old.server.stop()
    old.check_is_newest()
    assert old.server.audit_is_intact().returncode == 0
    old.server.start()  # and not once more
    old.check_serves()
    old.server.stop()
    old.check_is_newest()


def test_a_newer_store_is_left_alone(old):
    old.server.start()
    old.server.stop()
    old.run(f"UPDATE settings SET value = '{NEWEST + 7}' WHERE name = 'schema'")
    before = old.tables(), old.run("SELECT count(*), max(id) FROM audit_rows")
    sentence = old.start_refused()
    assert f"was written by a newer Keyturn (schema {NEWEST + 7}, this program knows {NEWEST}): use that version, or restore a backup from before the upgrade" in sentence
    verified = old.server.audit_is_intact()
    assert verified.returncode == 1 and "newer Keyturn" in verified.stderr, verified
    assert (old.tables(), old.run("SELECT count(*), max(id) FROM audit_rows"), old.schema()) == (*before, NEWEST + 7)
    old.run(f"UPDATE settings SET value = '{NEWEST}' WHERE name = 'schema'")
    old.server.start()
    old.check_serves()
    old.server.stop()


# -- interrupted


@contextlib.contextmanager
def held_up_on_postgresql(old):
    """Somebody reads a table that the migration has to change: it waits in the middle, for five seconds at most."""
    reader, watcher = psycopg2.connect(old.server.store), psycopg2.connect(old.server.store)
    watcher.autocommit = True
    reader.cursor().execute("LOCK TABLE jobs IN ACCESS SHARE MODE")

    def is_waiting():
        cursor = watcher.cursor()
        cursor.execute("SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND application_name LIKE 'keyturn % writer'")
        return cursor.fetchone()[0] == 1

    def is_over():
        cursor = watcher.cursor()
        cursor.execute("SELECT count(*) FROM pg_stat_activity WHERE application_name LIKE 'keyturn %' AND datname = current_database()")
        return cursor.fetchone()[0] == 0

    yield is_waiting
    reader.close()
    wait_for(is_over)
    watcher.close()


@contextlib.contextmanager
def held_up_on_sqlite(old):
    """So many rows to make an index of that a part of it is in the file before the rest is made."""
    with old.connect() as db:
        user, registration = db.execute("SELECT min(id) FROM users").fetchone()[0], db.execute("SELECT min(id) FROM registrations").fetchone()[0]
        db.execute("WITH RECURSIVE n (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < 1200000)"
                   " INSERT INTO sessions SELECT CAST(n AS BLOB), 'session', ?, ?, 0, 0, 0, 0, 9000000000000000 FROM n", (user, registration))
        db.commit()
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    wal = f"{old.server.data}/keyturn.db-wal"
    yield lambda: os.path.exists(wal) and os.path.getsize(wal) > 1 << 20


def test_a_migration_that_was_killed_goes_on_with_the_next_start(old):
    hold = held_up_on_postgresql if old.kind == "postgresql" else held_up_on_sqlite
    with hold(old) as is_in_the_middle:
        for number in (signal.SIGKILL, signal.SIGKILL):
            old.server.start(wait=False)
            wait_for(is_in_the_middle, pause=0.001)
            old.server.process.send_signal(number)
            assert old.server.process.wait(timeout=30) == -number, old.server.log_text()[-2000:]
            if old.kind == "sqlite":
                old.check_is_first()
    old.check_is_first()
    old.server.start()
    old.check_serves()
    old.server.stop(timeout=120)
    old.check_is_newest()


def test_a_migration_that_cannot_be_done_now_changes_nothing(tmp_path):
    old = Old("postgresql", tmp_path / "server")
    with held_up_on_postgresql(old):
        assert "the store's tables cannot be made; see the log" in old.start_refused()
    old.check_is_first()
    old.server.start()
    old.check_serves()
    old.server.stop()
    old.check_is_newest()
    old.server.close()


# -- several servers


def test_two_servers_at_once_bring_it_up_once(tmp_path):
    old = Old("postgresql", tmp_path / "server")
    for name in ("a", "b"):
        os.makedirs(tmp_path / name / "data", mode=0o700)
        for file in ("root.key", "installation"):
            with open(os.open(tmp_path / name / "data" / file, os.O_CREAT | os.O_WRONLY, 0o600), "wb") as copy:
                copy.write(open(f"{old.server.data}/{file}", "rb").read())
        for file in ("admin-password", "api-key"):
            with open(os.open(tmp_path / name / file, os.O_CREAT | os.O_WRONLY, 0o600), "wb") as copy:
                copy.write(open(f"{old.server.directory}/{file}", "rb").read())
    both = [Server(directory=str(tmp_path / name), store=old.server.store, options=["--server", name]) for name in ("a", "b")]
    try:
        for server in both:
            server.start(wait=False)
        for server in both:
            server.wait_ready()
            old.check_serves(server)
        for server in both:
            server.stop()
        old.check_is_newest("".join(server.log_text() for server in both))
    finally:
        for server in both:
            server.close()
