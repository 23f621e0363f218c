"""tests/db/test_plans.py: behind every statement that the program can run stands an index, on both stores.

The statements: those in the source, and those that are built while API tests and every sortable list run on a
PostgreSQL server that logs them (some minutes). PostgreSQL plans for tables with some thousands of rows; SQLite, which
has no statistics, plans the same for any number.
"""
import os
import pathlib
import re
import shutil
import sqlite3
import subprocess
import sys

import psycopg2
import pytest

sys.path.insert(0, str(pathlib.Path(__file__).parent))

from postgresql_store import PostgresStore  # noqa: E402
from statements import SOURCES, logged_statements, postgresql_plan, sqlite_plan, uses, written_statements  # noqa: E402
from support import TOP, Server, ok  # noqa: E402

LOGGED = {"max_connections": 500, "autovacuum": "off", "log_statement": "all", "log_parameter_max_length": 0, "log_parameter_max_length_on_error": 0}
BUILDERS = ["controlroom", "tour", "passwordsafe_accounts", "passwordsafe_approvals", "passwordsafe_credentials", "passwordsafe_databases", "passwordsafe_groups", "passwordsafe_lifting",
            "passwordsafe_registrations", "passwordsafe_requests", "passwordsafe_sessions", "passwordsafe_systems", "passwordsafe_who"]
LISTS = {"/v2/credentialvault/credentials/list": "vault/credential_list.c", "/v2/credentialvault/lockers/list": "vault/locker.c",
         "/v2/usermanagement/users/list": "identity/user.c", "/v2/usermanagement/roles/list": "identity/role.c", "/v2/devices/list": "identity/device.c",
         "/v1/audit/messages/list": "audit/list.c"}

# Tables that stay small, however large the house: read whole without harm.
HANDFUL = {
    "settings": "a dozen names", "nodes": "the servers", "leases": "one per chore", "token_keys": "some months of monthly keys", "data_keys": "one per change of the key",
    "audit_heads": "one per server", "audit_checkpoints": "the last one, from the end", "smart_rules": "written by hand", "rule_access": "groups times rules, by hand",
    "access_policies": "written by hand", "password_rules": "written by hand", "workgroups": "written by hand", "registrations": "written by hand",
    "functional_accounts": "about one per platform and site",
    "directories": "one per domain", "propagation_actions": "written by hand", "devices": "the robots' machines", "lockers": "written by hand",
}
SORTED = {**HANDFUL, "users": "some thousands of people, sorted in milliseconds"}
# Whole tables that have to be read: (pattern of the statement, why).
WHOLE = [
    (r"^SELECT count\(\*\) FROM", "a list of the Control Room tells how many there are of what the caller may see"),
    (r"^SELECT COUNT\(\*\) FROM assets a( WHERE a.entity_type = \S+)?\s*$", "the same of Password Safe"),
    (r"^SELECT COUNT\(\*\) +FROM managed_(accounts m|systems s) .* smart_rules r WHERE r.id = ", "a rule may hold every account, or system"),
    (r" FROM databases d JOIN assets p ON p.id = d.place_id ORDER BY d.id$", "the call answers with every database"),
    (r" FROM directories d JOIN assets p ON p.id = d.place_id ORDER BY d.id$", "the call answers with every directory, each with its place"),
    (r"AND s.platform_id IN \([^)]*\) +ORDER BY m.id LIMIT", "the accounts of one kind of system are most of them; PostgreSQL's rows for this test have a platform each"),
    (r" FROM users u WHERE u.is_deleted = 0 .* ORDER BY u.id$", "the call answers with every user"),
    (r"^INSERT INTO jobs .* FROM managed_accounts", "after the store lost commits every account is compared"),
    (r"^SELECT l.id FROM followers f JOIN links l ON l.attribute_id = -f.id AND l.user_id = 0$", "and every follower pushed to"),
    (r"\(SELECT server FROM audit_rows UNION SELECT server FROM audit_heads\)", "audit verify reads every row anyway"),
]
# Orders that no index holds: each page sorts what the filter leaves, within the search's limit of time.
UNSORTED = {
    "c.description_key": "texts of 255 characters", "c.locker_id": "few lockers, many credentials each: the index of locker_id finds, it need not sort",
    "c.owner_id": "as locker_id", "c.created_by": "few people", "c.updated_by": "few people", "c.version": "nearly all alike",
    "object_name_key": "an index more would cost every recorded call", "what": "as object_name_key", "(CASE is_success": "two values", "source": "a handful of values",
    "address": "as object_name_key", "request_id": "as object_name_key",
}
PAGE = re.compile(r" ORDER BY .*[a-z.]*id LIMIT +\$\d+ +OFFSET +\$\d+")
NOTHING = re.compile(r"\(SELECT \S+ FROM \w+ \w+ WHERE +1 = 0 *\)")  # of an empty list; never carried out
ONLY_POSTGRESQL = re.compile(r"\bpg_|clock_timestamp")


@pytest.fixture(scope="module")
def log_server(tmp_path_factory):
    folder = tmp_path_factory.mktemp("statements")
    with PostgresStore(folder / "store", fsync=False, settings=LOGGED) as store:
        store.psql("ALTER ROLE keyturn CREATEDB")
        yield store
    shutil.rmtree(folder / "store")


def sortable(file):
    """The names and the SQL of the columns that a list may be sorted by."""
    return re.findall(r'\{"(\w+)", COLUMN_\w+,\s+"([^"]+)"', (SOURCES / file).read_text())


@pytest.fixture(scope="module")
def texts(log_server, tmp_path_factory):
    """{statement: where it comes from}"""
    url = log_server.create_database("first")
    server = Server(directory=str(tmp_path_factory.mktemp("lists")), store=log_server.create_database("lists"))
    server.start()
    admin = server.controlroom()
    for path, file in LISTS.items():
        columns = sortable(file)
        assert len(columns) >= 7, file
        for name, _ in columns:
            for direction in ("asc", "desc"):
                ok(admin.post(path, {"sort": [{"field": name, "direction": direction}], "page": {"offset": 0, "length": 10}}))
    server.stop()
    server.close()
    done = subprocess.run([sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-n", "2", "--dist", "loadfile",
                           *[f"tests/api/test_{name}.py" for name in BUILDERS]], cwd=TOP, capture_output=True, text=True, timeout=1200,
                          env={**os.environ, "PYTHONPATH": "tests", "KEYTURN_TEST_STORE": "postgresql", "KEYTURN_TEST_POSTGRESQL": url})
    assert " passed" in done.stdout, done.stdout[-2000:] + done.stderr[-2000:]
    found = {text: "the log" for text in logged_statements(log_server.log_text())}
    return {**found, **written_statements()}


@pytest.fixture(scope="module")
def sqlite(tmp_path_factory):
    server = Server(directory=str(tmp_path_factory.mktemp("sqlite")), store="sqlite")
    db = sqlite3.connect(f"{server.data}/keyturn.db")
    db.execute("PRAGMA case_sensitive_like = ON")
    yield lambda text: sqlite_plan(db, text)
    db.close()


@pytest.fixture(scope="module")
def postgresql(log_server, tmp_path_factory):
    server = Server(directory=str(tmp_path_factory.mktemp("postgresql")), store=log_server.create_database("plans"))
    fill(log_server, "plans")
    connection = psycopg2.connect(server.store)
    connection.autocommit = True
    cursor = connection.cursor()
    cursor.execute("SET enable_seqscan = off; SET jit = off; SET plan_cache_mode = force_generic_plan")  # the first two as our connections have them
    yield lambda text: postgresql_plan(cursor, text)
    connection.close()


def fill(store, database, rows=5000):
    """Rows without meaning in every table, all different but for their flags, so that the planner takes the tables for large ones."""
    store.psql("DO $$ DECLARE c record; BEGIN FOR c IN SELECT conname, conrelid::regclass AS t FROM pg_constraint WHERE contype IN ('c', 'f') AND connamespace = 'public'::regnamespace LOOP"
               " EXECUTE format('ALTER TABLE %s DROP CONSTRAINT %I', c.t, c.conname); END LOOP; END $$", database)
    columns = {}
    for line in store.psql("SELECT table_name, column_name, data_type FROM information_schema.columns WHERE table_schema = 'public'", database).splitlines():
        table, column, kind = line.split("|")
        is_flag = column.startswith("is_") or column == "deleted_at"
        columns.setdefault(table, []).append((column, {"text": "'x' || n", "bytea": "decode(md5(n::text), 'hex')"}.get(kind, "0" if is_flag else "n")))
    for table, values in columns.items():
        names, shown = ", ".join(f'"{name}"' for name, _ in values), ", ".join(value for _, value in values)
        store.psql(f"INSERT INTO {table} ({names}) SELECT {shown} FROM generate_series(100000, {100000 + rows}) n ON CONFLICT DO NOTHING", database, timeout=120)
    store.psql("VACUUM ANALYZE", database, timeout=120)  # as a house that runs; no autovacuum does so in the middle


def plans(texts, plan, is_sqlite):
    for text, source in sorted(texts.items(), key=lambda item: (item[1], item[0])):
        if not (is_sqlite and ONLY_POSTGRESQL.search(text)):
            yield text, source, *plan(NOTHING.sub("(SELECT 1)", text))


def shortened(text):
    return text if len(text) < 700 else f"{text[:200]} … {text[-480:]}"


def excuse(table, text):
    return table if table in HANDFUL else next((pattern for pattern, _ in WHOLE if re.search(pattern, text)), None)


# -- the tests


def test_the_source_has_few_statements_that_cannot_be_read_from_it():
    read, unread = uses()
    assert read > 300
    assert len(unread) <= 12, unread  # the drivers' own, and lists of statements


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_every_lookup_has_an_index(texts, request, kind):
    without = []
    lookups = {text: source for text, source in texts.items() if not PAGE.search(text)}
    for text, source, reads, sorts in plans(lookups, request.getfixturevalue(kind), kind == "sqlite"):
        is_cut = " LIMIT" in text and not sorts  # it follows an index until it has enough
        missing = [table for table, way in reads if way == "scan" or (way == "walk" and not is_cut)]
        if any(not excuse(table, text) for table in missing):
            without.append(f"{source}: {missing}: {shortened(text)}")
    assert not without, "\n".join(without)


def test_a_claim_walks_the_queue_in_its_order(sqlite):
    """The words of the order stand in rotation/job_lease.c and in the index jobs_turn: where they differ, each claim sorts all that is due."""
    claims = [text for text in written_statements() if text.startswith("WITH leased ")]
    assert len(claims) == 1
    reads, sorts = sqlite(claims[0])
    assert ("jobs", "lookup") in reads and not sorts


def sorted_by(text):
    """The column of UNSORTED that a list's page is sorted by."""
    match = re.search(r" ORDER BY (.+?)(?: DESC)?(?: NULLS \w+)?, [a-z.]*id LIMIT \$", text)
    return match and next((column for column in UNSORTED if match.group(1).startswith(column)), None)


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_every_sortable_list_has_an_index(texts, request, kind):
    pages = {text: source for text, source in texts.items() if PAGE.search(text)}
    seen, without = set(), []
    for text, source, reads, sorts in plans(pages, request.getfixturevalue(kind), kind == "sqlite"):
        tables = {table for table, way in reads if way != "lookup"}
        seen |= {sorted_by(text)}
        if sorts and tables - set(SORTED) and not sorted_by(text) and not excuse("", text):
            without.append(shortened(text))
    assert not without, "\n".join(without)
    assert len(pages) >= 40
    assert seen >= set(UNSORTED), f"no longer needed: {set(UNSORTED) - seen}"


def test_no_excuse_is_left_over(texts, sqlite, postgresql):
    used = set()
    for plan, is_sqlite in ((sqlite, True), (postgresql, False)):
        for text, _, reads, _ in plans(texts, plan, is_sqlite):
            used |= {excuse(table, text) for table, way in reads if way != "lookup"}
    assert used >= set(HANDFUL) | {pattern for pattern, _ in WHOLE}, (set(HANDFUL) | {pattern for pattern, _ in WHOLE}) - used
