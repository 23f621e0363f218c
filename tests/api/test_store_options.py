"""tests/api/test_store_options.py: where the store is, said wrongly or at the wrong moment: a clear sentence each, nothing half done, no password shown."""
import os
import pathlib
import signal
import socket
import stat
import subprocess
import threading
import time
import urllib.parse

import psycopg2
import pytest
import requests
from cut_proxy import DOWN, UP, CutProxy
from postgresql_store import PostgresStore, Standby, ask, make_certificates
from support import KEYTURN, Server, ok, wait_for

CANARY = "Kanarie-7fd1c09e"  # the password wherever a wrong one is given


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    with PostgresStore(tmp_path_factory.mktemp("store") / "primary", fsync=False) as store:
        yield store


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


NUMBER = [0]


@pytest.fixture
def url(store):
    """An empty database."""
    NUMBER[0] += 1
    return store.create_database(f"empty{NUMBER[0]}")


@pytest.fixture
def made(url, tmp_path):
    """An installation on a database of its own, not running."""
    server = Server(directory=str(tmp_path / "made"), store=url)
    yield server
    server.close()


class Answer:
    """What a program said, and what ps could have seen of it."""

    def __init__(self, words, environment=None, cwd=None, stdin=subprocess.DEVNULL):
        process = subprocess.Popen([KEYTURN, *map(str, words)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, stdin=stdin, text=True, cwd=cwd,
                                   env={**os.environ, **(environment or {})})
        self.seen = []
        watcher = threading.Thread(target=self._watch, args=(process,))
        watcher.start()
        try:
            self.out, self.err = process.communicate(timeout=60)
        except subprocess.TimeoutExpired:
            process.kill()
            self.out, self.err = process.communicate()
        watcher.join()
        self.code = process.returncode
        self.sentence = self.err.strip().splitlines()[-1] if self.err.strip() else ""

    def _watch(self, process):
        while process.poll() is None:
            try:
                with open(f"/proc/{process.pid}/cmdline", "rb") as file:
                    self.seen.append(file.read())
            except OSError:
                return
            time.sleep(0.005)

    def shows(self, password):
        """In what it said, or to ps from the moment on that it has hidden its words; until then they are as exec gave them."""
        hidden = next((at for at, line in enumerate(self.seen) if b"xxxx" in line), len(self.seen))
        return password in self.out + self.err or any(password.encode() in line for line in self.seen[hidden:])


def init(at, url, *more, **how):
    os.makedirs(at, mode=0o700, exist_ok=True)
    return Answer(["init", "--data", f"{at}/data", "--store", url, "--admin-password-file", f"{at}/admin-password", "--api-key-file", f"{at}/api-key", *more], **how)


def serve(server, url=None, *more, **how):
    return Answer(["serve", "--data", server.data, "--store", url or server.store, "--listen", "http://127.0.0.1:0", *more], **how)


def files(at):
    return sorted(os.path.relpath(os.path.join(folder, name), at) for folder, _, names in os.walk(at) for name in names)


def is_empty(url):
    return ask(url, "SELECT count(*) FROM pg_class WHERE relnamespace = 'public'::regnamespace") == "0"


def refused(answer, *words, password=CANARY):
    """It ended with one sentence that says what is wrong, and no password can be read anywhere."""
    assert answer.code == 1 and answer.out == "", (answer.code, answer.out, answer.err)
    assert all(word in answer.sentence for word in words), answer.err
    assert not answer.shows(password), answer.err
    assert "Sanitizer" not in answer.err, answer.err
    assert len(answer.sentence) < 700


def with_password(url, password):
    parts = urllib.parse.urlsplit(url)
    user = urllib.parse.quote(parts.username) + (f":{urllib.parse.quote(password)}" if password else "")
    return parts._replace(netloc=f"{user}@{parts.hostname}:{parts.port}").geturl()


def password_of(url):
    return urllib.parse.unquote(urllib.parse.urlsplit(url).password)


# -- the URL


@pytest.mark.parametrize("url, words", [
    ("postgres", ["--store is sqlite, or postgresql://USER@HOST[:PORT]/DATABASE"]),
    ("SQLITE", ["--store is sqlite, or postgresql://"]),
    ("mysql://root@127.0.0.1/keyturn", ["--store is sqlite, or postgresql://"]),
    (f"host=127.0.0.1 dbname=keyturn password={CANARY}", ["--store is sqlite, or postgresql://"]),
    (f" postgresql://keyturn:{CANARY}@127.0.0.1/keyturn", ["--store is sqlite, or postgresql://"]),
    (f"postgresql://keyturn:{CANARY}@127.0.0.1:5432", ["names no database"]),
    (f"postgresql://keyturn:{CANARY}@127.0.0.1:5432/", ["names no database"]),
    (f"postgresql://keyturn:{CANARY}@[::1/keyturn", ["no postgresql://USER@HOST[:PORT]/DATABASE that libpq understands"]),
    (f"postgresql://keyturn:{CANARY}@127.0.0.1/keyturn%zz", ["that libpq understands"]),
    (f"postgresql://keyturn:{CANARY}@127.0.0.1/keyturn?sslmod=require", ["that libpq understands"]),
    (f"postgresql://keyturn@127.0.0.1/keyturn?password={CANARY}&sslmode", ["that libpq understands"]),
    (f"postgresql://keyturn:{CANARY}@127.0.0.1/keyturn?service=elsewhere", ["the setting service is not taken"]),
    (f"postgresql://keyturn:{CANARY}@127.0.0.1/keyturn?replication=database", ["the setting replication is not taken"]),
    (f"postgresql://keyturn:{CANARY}@127.0.0.1/keyturn?target_session_attrs=any", ["target_session_attrs=any", "read and written"]),
    (f"postgresql://keyturn:{CANARY}@127.0.0.1/keyturn?target_session_attrs=prefer-standby", ["target_session_attrs=prefer-standby"]),
    (f"postgresql://keyturn:{CANARY}@db.example/keyturn?sslmode=require", ["sslmode=require does not verify", "use sslmode=verify-full"]),
    (f"postgresql://keyturn:{CANARY}@192.0.2.7/keyturn?sslmode=disable", ["sslmode=disable does not verify"]),
    (f"postgresql://keyturn:{CANARY}@127.0.0.1,db.example/keyturn?sslmode=prefer", ["sslmode=prefer does not verify"]),
    (f"postgresql://keyturn:{CANARY}@localhost/keyturn?sslmode=allow&hostaddr=192.0.2.7", ["sslmode=allow does not verify"]),
    (f"postgresql://keyturn:{CANARY}@127.0.0.1:65536/keyturn", ["cannot be reached", "invalid port number"]),
    (f"postgresql://keyturn:{CANARY}@127.0.0.1:x/keyturn", ["cannot be reached", "invalid"]),
])
def test_urls_that_say_no_place(url, words, tmp_path):
    refused(init(tmp_path / "i", url), *words)
    assert files(tmp_path / "i") == []


def test_a_host_that_is_not_this_machine_has_to_prove_itself(store, url, tmp_path):
    """Without a word about TLS the certificate is verified, against the system's authorities: this server has none."""
    address = next((line.split()[0] for line in subprocess.run(["hostname", "-I"], capture_output=True, text=True).stdout.splitlines() if line.strip()), None)
    assert address, "this machine has no address besides loopback"
    with PostgresStore(tmp_path / "tls", address=address, tls=True, fsync=False) as far:
        there = far.create_database("vault")
        plain = there.split("?")[0]
        refused(init(tmp_path / "a", plain), "the store cannot be reached", "certificate verify failed", password=far.password)
        assert files(tmp_path / "a") == [] and is_empty(there)
        make_certificates(tmp_path / "other")
        other = plain + "?sslmode=verify-full&sslrootcert=" + urllib.parse.quote(str(tmp_path / "other/authority.crt"))
        refused(init(tmp_path / "a", other), "certificate verify failed", password=far.password)
        assert init(tmp_path / "a", there).code == 0
        server = Server(directory=str(tmp_path / "a"), store=there).start()
        assert "t" in far.psql("SELECT DISTINCT ssl FROM pg_stat_ssl s JOIN pg_stat_activity a USING (pid) WHERE application_name LIKE 'keyturn %'")
        server.stop()


# -- the database


def test_nothing_listens(tmp_path):
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    refused(init(tmp_path / "i", f"postgresql://keyturn:{CANARY}@127.0.0.1:{port}/vault"), "the store cannot be reached", "Connection refused", str(port))
    assert files(tmp_path / "i") == []


def test_there_is_no_such_database(url, tmp_path):
    nowhere = url.rsplit("/", 1)[0] + "/nowhere"
    refused(init(tmp_path / "i", nowhere), "the store cannot be reached", 'database "nowhere" does not exist', password=password_of(url))
    assert files(tmp_path / "i") == []


def test_a_wrong_password(url, tmp_path):
    refused(init(tmp_path / "i", with_password(url, CANARY)), "the store cannot be reached", 'password authentication failed for user "keyturn"')
    refused(init(tmp_path / "i", with_password(url, "")), "the store cannot be reached", "no password supplied")
    refused(init(tmp_path / "i", with_password(url, CANARY).replace("keyturn:", "nobody:")), "the store cannot be reached", 'user "nobody"')
    assert files(tmp_path / "i") == [] and is_empty(url)


def test_serve_on_an_empty_database(store, tmp_path):
    os.makedirs(tmp_path / "data", mode=0o700)
    url = store.create_database("untouched")
    answer = Answer(["serve", "--data", tmp_path / "data", "--store", url, "--listen", "http://127.0.0.1:0"])
    refused(answer, "holds no store: make one with `keyturn init --store`", f"postgresql://keyturn@127.0.0.1:{store.port}/untouched", password=password_of(url))
    assert is_empty(url)
    for words in (["audit", "verify", "--data", tmp_path / "data"], ["backup", "--data", tmp_path / "data", tmp_path / "copy"]):
        refused(Answer([*words, "--store", url]), "holds no store", password=password_of(url))
    assert is_empty(url) and not os.path.exists(tmp_path / "copy")


def test_a_database_of_somebody_else(url, tmp_path):
    ask(url, "CREATE TABLE settings (name text, value text); INSERT INTO settings VALUES ('colour', 'green')")
    for answer in (init(tmp_path / "i", url), Answer(["serve", "--data", tmp_path / "i/data", "--store", url, "--listen", "http://127.0.0.1:0"])):
        refused(answer, "is not a store of Keyturn: its settings name no schema", password=password_of(url))
    assert ask(url, "SELECT string_agg(tablename, ',') FROM pg_tables WHERE schemaname = 'public'") == "settings"
    assert ask(url, "SELECT * FROM settings") == "colour|green"


def test_a_database_with_other_tables(url, tmp_path):
    """A table whose name we need: nothing of ours is left behind. One that is in nobody's way stays."""
    ask(url, "CREATE TABLE lockers (number int); INSERT INTO lockers VALUES (7)")
    refused(init(tmp_path / "i", url), "the store's tables cannot be made; see the log", password=password_of(url))
    assert ask(url, "SELECT string_agg(tablename, ',') FROM pg_tables WHERE schemaname = 'public'") == "lockers"
    assert ask(url, "SELECT * FROM lockers") == "7"
    assert not [name for name in files(tmp_path / "i") if not name.endswith("lock")]
    ask(url, "ALTER TABLE lockers RENAME TO their_lockers")
    assert init(tmp_path / "i", url).code == 0
    assert ask(url, "SELECT * FROM their_lockers") == "7"


def test_an_encoding_that_holds_not_every_text(store, tmp_path):
    store.psql("CREATE DATABASE ascii OWNER keyturn ENCODING 'SQL_ASCII' TEMPLATE template0")
    url = store.url("ascii")
    refused(init(tmp_path / "i", url), "the database's encoding must be UTF8: CREATE DATABASE", password=password_of(url))
    assert is_empty(url) and files(tmp_path / "i") == []


def test_a_role_that_may_make_no_tables(store, url, tmp_path):
    store.psql("ALTER SCHEMA public OWNER TO postgres; REVOKE ALL ON SCHEMA public FROM PUBLIC", url.rsplit("/", 1)[1])
    refused(init(tmp_path / "i", url), "the store's tables cannot be made; see the log", password=password_of(url))
    assert not [name for name in files(tmp_path / "i") if not name.endswith("lock")]


# -- read-only


def test_a_primary_that_is_read_only(store, made, tmp_path):
    name = made.store.rsplit("/", 1)[1]
    store.psql(f"ALTER DATABASE {name} SET default_transaction_read_only = on")
    refused(serve(made), "the store cannot be reached", "session is read-only", password=password_of(made.store))
    refused(init(tmp_path / "i", made.store), "session is read-only", password=password_of(made.store))
    store.psql(f"ALTER DATABASE {name} SET default_transaction_read_only = off")
    made.start()
    assert write(made, "a") == 201
    store.psql(f"ALTER DATABASE {name} SET default_transaction_read_only = on")
    store.psql(f"SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE datname = '{name}'")
    assert write(made, "no") == 503
    store.psql(f"ALTER DATABASE {name} SET default_transaction_read_only = off")
    wait_for(lambda: write(made, "b") == 201, timeout=40)
    made.stop()
    assert made.audit_is_intact().returncode == 0
    assert password_of(made.store) not in made.log_text()


def write(server, name):
    """The status of a sign-in and a write."""
    signed_in = requests.post(server.url + "/v2/authentication", json={"username": "admin", "password": server.password}, timeout=60)
    if signed_in.status_code != 200:
        return signed_in.status_code
    return requests.post(server.url + "/v2/credentialvault/lockers", json={"name": name, "description": ""}, headers={"X-Authorization": signed_in.json()["token"]},
                         timeout=60).status_code


def test_a_standby_is_not_taken_and_of_several_hosts_the_primary_is(tmp_path):
    with PostgresStore(tmp_path / "primary", fsync=False) as primary, Standby(primary, tmp_path / "standby") as standby:
        url = primary.create_database("vault")
        standby.wait_caught_up()
        only = url.replace(f":{primary.port}/", f":{standby.port}/")
        refused(init(tmp_path / "i", only), "the store cannot be reached", "session is read-only", password=primary.password)
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            closed = probe.getsockname()[1]
        several = f"postgresql://keyturn:{primary.password}@127.0.0.1:{closed},127.0.0.1:{standby.port},127.0.0.1:{primary.port}/vault"
        answer = init(tmp_path / "i", several)
        assert answer.code == 0, answer.err
        assert primary.password not in answer.out + answer.err
        server = Server(directory=str(tmp_path / "i"), store=several).start()
        ok(server.controlroom().post("/v2/credentialvault/lockers", {"name": "a", "description": ""}), 201)
        standby.wait_caught_up()
        primary.kill()
        standby.promote()
        wait_for(lambda: write(server, "b") == 201, timeout=60)
        server.stop()
        assert primary.password not in server.log_text()
        refused(serve(server, several.replace(f",127.0.0.1:{standby.port}", "")), "the store cannot be reached", "Connection refused", password=primary.password)


def test_a_connection_that_breaks_anywhere_while_it_is_made_is_made_again(store, made):
    name = made.store.rsplit("/", 1)[1]
    with CutProxy(store.port) as proxy:
        made.store = made.store.replace(f":{store.port}/", f":{proxy.port}/")
        made.start()
        assert write(made, "before") == 201
        cuts = [(direction, after) for direction in (UP, DOWN) for after in range(1, 12)]
        reached = 0
        for direction, after in cuts:
            proxy.cuts, proxy.after, proxy.cut = 0, after, direction
            store.psql(f"SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE datname = '{name}'")
            wait_for(lambda: write(made, "meanwhile") == 201 or proxy.cuts > 1, pause=0.3)
            reached += proxy.cuts > 1
            assert made.process.poll() is None, f"{direction} {after}: {made.log_text()[-2000:]}"
        assert reached > 8
        proxy.heal()
        wait_for(lambda: write(made, "after") == 201, timeout=40)
        made.stop()


@pytest.mark.parametrize("after", [3, 4, 5])
def test_a_connection_that_hangs_while_it_is_made_is_given_up(store, made, after):
    """The database hangs and keeps the connection open: nothing of the server waits for it without end, a stop least of all."""
    with CutProxy(store.port) as proxy:
        made.store = made.store.replace(f":{store.port}/", f":{proxy.port}/")
        made.start()
        assert write(made, "before") == 201
        name = made.store.rsplit("/", 1)[1]
        proxy.manner, proxy.after, proxy.cut = "hang", after, DOWN
        store.psql(f"SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE datname = '{name}'")
        assert write(made, "meanwhile") == 503
        wait_for(lambda: proxy.cuts > 2)
        proxy.heal()
        wait_for(lambda: write(made, "after") == 201, timeout=40)
        made.stop(timeout=15)


# -- whose store it is


def test_init_where_a_store_is(made, tmp_path):
    before = ask(made.store, "SELECT string_agg(name || value, ',' ORDER BY name) FROM settings")
    refused(init(tmp_path / "second", made.store), "a store is there already; nothing was changed", password=password_of(made.store))
    refused(init(tmp_path / "made", made.store), "a store is there already; nothing was changed", password=password_of(made.store))
    assert ask(made.store, "SELECT string_agg(name || value, ',' ORDER BY name) FROM settings") == before
    assert not [name for name in files(tmp_path / "second") if not name.endswith("lock")]
    made.start()
    made.controlroom()
    made.stop()


def test_the_database_of_another_installation(store, made, tmp_path):
    other = Server(directory=str(tmp_path / "other"), store=store.create_database("other_installation"))
    heads = ask(other.store, "SELECT count(*), max(number) FROM audit_rows")
    refused(serve(made, other.store), "key", "is not the one of this installation", password=password_of(made.store))
    with open(f"{other.data}/root.key", "rb") as key, open(os.open(f"{tmp_path}/key", os.O_CREAT | os.O_WRONLY, 0o600), "wb") as copy:
        copy.write(key.read())
    answer = serve(made, other.store, "--key-file", f"{tmp_path}/key")
    refused(answer, "the store belongs to installation", "check --store and --data", password=password_of(made.store))
    assert ask(other.store, "SELECT count(*), max(number) FROM audit_rows") == heads
    refused(Answer(["serve", "--data", made.data, "--listen", "http://127.0.0.1:0"]), "keyturn init")  # SQLite, where there is none
    assert not os.path.exists(f"{made.data}/keyturn.db")
    for server in (made, other):
        server.start()
        server.stop()


def killed(store, name, url, at, hangs):
    """An init that gets kill -9 as soon as it hangs in the database."""
    os.makedirs(at, mode=0o700)
    process = subprocess.Popen([KEYTURN, "init", "--data", f"{at}/data", "--store", url, "--admin-password-file", f"{at}/admin-password", "--api-key-file", f"{at}/api-key"],
                               stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        wait_for(lambda: store.psql(f"SELECT count(*) FROM pg_stat_activity WHERE datname = '{name}' AND {hangs}") == "1", pause=0.01)
        process.send_signal(signal.SIGKILL)
        assert process.wait(timeout=30) == -signal.SIGKILL
    finally:
        process.kill()
    store.psql(f"SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE datname = '{name}'")
    wait_for(lambda: store.psql(f"SELECT count(*) FROM pg_stat_activity WHERE datname = '{name}'") == "0")


def init_again(at, url):
    """The killed one has left the keys that nothing is sealed with; they are not overwritten, and said to be in the way."""
    left = [path for path in (at / "data/root.key", at / "data/recovery.key") if path.exists()]
    before = files(at)
    assert left and not (at / "data/installation").exists()
    refused(init(at, url), "root.key", "exists already", "an init that was cut short", password=password_of(url))
    assert [name for name in files(at) if not name.endswith("lock")] == [name for name in before if not name.endswith("lock")]
    for path in left:
        path.unlink()
    answer = init(at, url)
    assert answer.code == 0, answer.err
    server = Server(directory=str(at), store=url).start()
    server.controlroom()
    server.stop()
    assert server.audit_is_intact().returncode == 0


def test_an_init_that_was_killed_among_the_tables_can_be_done_again(store, tmp_path):
    url = store.create_database("killed_tables")
    holder = psycopg2.connect(url)
    holder.cursor().execute("CREATE TABLE lockers (number int)")  # in a transaction that is not over
    killed(store, "killed_tables", url, tmp_path / "i", "wait_event_type = 'Lock'")
    holder.close()
    assert is_empty(url)
    init_again(tmp_path / "i", url)


def test_an_init_that_was_killed_among_the_rows_can_be_done_again(store, tmp_path):
    url = store.create_database("killed_rows")
    store.psql("""CREATE FUNCTION linger() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_sleep(60); RETURN NEW; END $$;
        CREATE FUNCTION prepare() RETURNS event_trigger LANGUAGE plpgsql AS $$ BEGIN
            IF to_regclass('public.users') IS NOT NULL AND NOT EXISTS (SELECT 1 FROM pg_trigger WHERE tgname = 'linger') THEN
                CREATE TRIGGER linger BEFORE INSERT ON public.users FOR EACH ROW EXECUTE FUNCTION public.linger();
            END IF; END $$;
        CREATE EVENT TRIGGER prepare ON ddl_command_end WHEN TAG IN ('CREATE TABLE') EXECUTE FUNCTION prepare()""", "killed_rows")
    killed(store, "killed_rows", url, tmp_path / "i", "wait_event = 'PgSleep'")
    store.psql("DROP EVENT TRIGGER prepare; DROP FUNCTION linger() CASCADE; DROP FUNCTION prepare()", "killed_rows")
    assert ask(url, "SELECT string_agg(name, ',') FROM settings") == "schema"
    assert ask(url, "SELECT count(*) FROM users") == ask(url, "SELECT count(*) FROM roles") == ask(url, "SELECT count(*) FROM data_keys") == "0"
    os.makedirs(tmp_path / "other/data", mode=0o700)
    refused(Answer(["serve", "--data", tmp_path / "other/data", "--store", url, "--listen", "http://127.0.0.1:0"]), "init", password=password_of(url))
    init_again(tmp_path / "i", url)


# -- several servers


def join(made, at, **how):
    """A second data directory for the same installation."""
    os.makedirs(at / "data", mode=0o700)
    for source, name in ((made.data, "data/root.key"), (made.data, "data/installation"), (made.directory, "admin-password"), (made.directory, "api-key")):
        with open(os.open(at / name, os.O_CREAT | os.O_WRONLY, 0o600), "wb") as copy:
            copy.write(open(os.path.join(source, os.path.basename(name)), "rb").read())
    return Server(directory=str(at), store=made.store, **how)


def test_two_servers_with_one_name(made, tmp_path):
    made.options = ["--server", "north"]
    made.start()
    second = join(made, tmp_path / "second", options=["--server", "north"])
    began = time.monotonic()
    refused(serve(second, None, "--server", "north"), "another process serves this store under the name north (from 127.0.0.1, backend", "choose another with --server",
            password=password_of(made.store))
    assert 9 < time.monotonic() - began < 30
    ok(made.controlroom().post("/v2/credentialvault/lockers", {"name": "a", "description": ""}), 201)
    second.options = ["--server", "south"]
    second.start()
    second.controlroom()
    second.stop()
    made.stop()
    second.options = ["--server", "north"]
    second.start()  # the name is free at once
    second.stop()
    second.close()
    assert "another process" not in made.log_text()


@pytest.mark.parametrize("name", ["a b", "a:b", "ä", "y" * 65, "a\n", "../a"])
def test_names_that_are_none(made, name):
    answer = serve(made, None, "--server", name)
    assert answer.code == 1 and answer.sentence, answer.err
    assert not answer.shows(password_of(made.store))


def test_one_directory_twice(made):
    made.start()
    refused(serve(made, None, "--server", "other"), "another server uses this directory", password=password_of(made.store))
    ok(made.controlroom().post("/v2/credentialvault/lockers", {"name": "a", "description": ""}), 201)
    made.stop()


# -- the password


def test_where_the_password_may_come_from(made, tmp_path):
    password, bare = password_of(made.store), with_password(made.store, "")
    file = tmp_path / "password"
    file.write_text(password + "\n")
    file.chmod(0o600)
    passfile = tmp_path / "pgpass"
    passfile.write_text(f"127.0.0.1:*:*:keyturn:{password}\n")
    passfile.chmod(0o600)
    ways = [(bare, ["--store-password-file", str(file)], {}), (bare, [], {"PGPASSFILE": str(passfile)}),
            (with_password(made.store, CANARY), ["--store-password-file", str(file)], {}),  # the file is said last
            (bare + "?password=" + urllib.parse.quote(password), [], {}), (bare + "?passfile=" + urllib.parse.quote(str(passfile)), [], {})]
    for url, options, environment in ways:
        server = Server(directory=made.directory, store=url, options=options, environment=environment).start()
        try:
            command = open(f"/proc/{server.process.pid}/cmdline", "rb").read()
            assert password.encode() not in command and CANARY.encode() not in command, url
            server.controlroom()
        finally:
            server.stop()
        assert password not in server.log_text() and CANARY not in server.log_text()
    command = subprocess.run([KEYTURN, "audit", "verify", "--data", made.data, "--store", bare, "--store-password-file", str(file)], capture_output=True, text=True, timeout=60)
    assert command.returncode == 0 and command.stdout.startswith("ok: rows 1 to "), command


def test_password_files_that_are_refused(made, tmp_path):
    bare = with_password(made.store, "")
    file = tmp_path / "password"
    for content, mode, words in ((CANARY, 0o644, "others can read it; chmod 600 it first"), (CANARY, 0o620, "others can read it"), ("", 0o600, "is empty"),
                                 ("\n" + CANARY, 0o600, "its first line is empty"), (None, 0, "No such file or directory")):
        file.unlink(missing_ok=True)
        if content is not None:
            file.write_text(content)
            file.chmod(mode)
        refused(serve(made, bare, "--store-password-file", file), str(file), words)
    file.write_text(CANARY)
    file.chmod(0o600)
    refused(serve(made, bare, "--store-password-file", file), 'password authentication failed for user "keyturn"')
    (tmp_path / "link").symlink_to(file)
    refused(serve(made, bare, "--store-password-file", tmp_path / "link"), "link")
    (tmp_path / "folder").mkdir(mode=0o700)
    refused(serve(made, bare, "--store-password-file", tmp_path / "folder"), "folder")


def test_a_running_server_shows_no_password(made):
    made.start()
    process = pathlib.Path(f"/proc/{made.process.pid}")
    password = password_of(made.store)
    assert password.encode() not in (process / "cmdline").read_bytes()
    assert f"postgresql://keyturn:{'x' * len(password)}@127.0.0.1".encode() in (process / "cmdline").read_bytes()
    for child in subprocess.run(["pgrep", "-P", str(made.process.pid)], capture_output=True, text=True).stdout.split():
        assert password.encode() not in pathlib.Path(f"/proc/{child}/cmdline").read_bytes()
        assert password.encode() not in pathlib.Path(f"/proc/{child}/environ").read_bytes()
    store_kept = [pathlib.Path(made.data) / name for name in files(made.data)]
    assert store_kept and not [path for path in store_kept if password.encode() in path.read_bytes()]
    assert all(stat.S_IMODE(path.stat().st_mode) & 0o077 == 0 for path in store_kept)
    made.stop()
    assert password not in made.log_text()
