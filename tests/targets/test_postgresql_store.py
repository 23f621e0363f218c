"""tests/targets/test_postgresql_store.py: the PostgreSQL servers and the gate do what they say."""

import contextlib
import os
import pathlib
import signal
import socket
import stat
import subprocess
import sys
import threading
import time

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).parent))

from cut_proxy import DOWN  # noqa: E402
from postgresql_store import (PostgresStore, Standby, StoreFailed, TcpGate, ask, client_environment,  # noqa: E402
                              make_certificates, own_store, shared_store)
from postgresql_server import BIN  # noqa: E402

shared = pytest.fixture(scope="module")(shared_store)
store = pytest.fixture(own_store)

MAKE_TABLE = "CREATE TABLE row (value text PRIMARY KEY)"
ROWS = "SELECT string_agg(value, ',' ORDER BY value) FROM row"


def insert(value):
    return f"INSERT INTO row VALUES ('{value}')"


@pytest.fixture
def url(shared, request):
    """A database with an empty table on the shared server."""
    url = shared.create_database(request.node.name)
    ask(url, MAKE_TABLE)
    yield url
    shared.drop_database(request.node.name)


@contextlib.contextmanager
def open_session(url):
    """A psql that stays connected: write statements to stdin, read rows from stdout."""
    session = subprocess.Popen([BIN / "psql", "-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1"], stdin=subprocess.PIPE,
                               stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, bufsize=1,
                               env=client_environment(url))
    try:
        session.stdin.write("SELECT 'ready';\n")
        assert session.stdout.readline() == "ready\n"
        yield session
    finally:
        session.kill()
        session.communicate()


def refused(port):
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) != 0


def in_background(action):
    thread = threading.Thread(target=action, daemon=True)
    thread.start()
    return thread


# -- one server -----------------------------------------------------------------------------------------------------


def test_keyturn_owns_its_database_and_no_more(shared, url):
    assert shared.psql("SHOW server_version_num").startswith("15")
    assert ask(url, "SHOW server_encoding") == "UTF8" and ask(url, "SHOW lc_collate") == "C"
    assert ask(url, "SHOW max_connections") == "200"
    assert ask(url, "SELECT rolsuper OR rolcreaterole OR rolcreatedb OR rolreplication FROM pg_roles"
                    " WHERE rolname = current_user") == "f"
    with pytest.raises(StoreFailed, match="permission denied"):
        ask(url, "SELECT * FROM pg_authid")
    with pytest.raises(StoreFailed, match="password authentication failed"):
        ask(url.replace(shared.password, "wrong"), "SELECT 1")
    assert shared.password not in shared.log_text()
    assert stat.S_IMODE(os.stat(shared.folder / "password").st_mode) == 0o600


def test_two_databases_know_nothing_of_each_other(shared, url):
    other = shared.create_database('other "one" %')
    ask(other, MAKE_TABLE + ";" + insert("there"))
    ask(url, insert("here"))
    assert (ask(url, ROWS), ask(other, ROWS)) == ("here", "there")
    with open_session(other):
        shared.drop_database('other "one" %')  # although somebody is connected
    with pytest.raises(StoreFailed, match="does not exist"):
        ask(other, ROWS)
    assert ask(url, ROWS) == "here"


def test_two_servers_share_neither_password_nor_data(shared, store):
    store.create_database("mine")
    assert store.password != shared.password and store.port != shared.port
    assert store.psql("SHOW fsync") == "on" and shared.psql("SHOW fsync") == "off"
    with pytest.raises(StoreFailed, match="password authentication failed"):
        ask(shared.url("mine", port=store.port), "SELECT 1")


def test_a_killed_server_keeps_committed_rows_only(store):
    url = store.create_database("vault")
    ask(url, MAKE_TABLE + ";" + insert("committed"))
    with open_session(url) as session:
        session.stdin.write(f"BEGIN; {insert('open')}; SELECT 'inserted';\n")
        assert session.stdout.readline() == "inserted\n"
        processes = store.processes()
        store.kill()
        session.stdin.write("COMMIT;\n")
        assert session.wait(10) != 0
    assert len(processes) > 5 and not any(is_alive(pid) for pid in processes) and refused(store.port)
    port = store.port
    store.start()
    assert store.port == port and "automatic recovery in progress" in store.log_text()
    assert ask(url, ROWS) == "committed"
    log_size = len(store.log_text())
    store.restart()
    assert "automatic recovery" not in store.log_text()[log_size:] and ask(url, ROWS) == "committed"


def is_alive(pid):
    with contextlib.suppress(OSError):
        return "\nState:\tZ" not in pathlib.Path(f"/proc/{pid}/status").read_text()
    return False


def test_another_object_takes_a_stopped_server_over(store):
    url = store.create_database("vault")
    ask(url, MAKE_TABLE + ";" + insert("kept"))
    store.stop()
    with PostgresStore(store.folder, settings={"work_mem": "7MB"}) as successor:
        assert ask(successor.url("vault"), ROWS) == "kept" and successor.psql("SHOW work_mem") == "7MB"
        successor.configure(work_mem="9MB")
        successor.wait_for("SELECT current_setting('work_mem') = '9MB'")


def test_a_paused_server_hangs_and_goes_on(shared, url):
    with open_session(url) as session:
        shared.pause()
        try:
            session.stdin.write(f"{insert('sent')} RETURNING value;\n")
            with pytest.raises(StoreFailed, match="no answer in 1 s"):
                ask(url, "SELECT 1", timeout=1)
            assert session.poll() is None and not refused(shared.port)
        finally:
            shared.go_on()
        assert session.stdout.readline() == "sent\n"


def test_a_port_that_is_taken_is_refused(shared, tmp_path):
    rival = PostgresStore(tmp_path / "rival", port=shared.port)
    with pytest.raises(StoreFailed, match="could not bind"):
        rival.start()
    assert rival.processes() == []


# -- TLS ------------------------------------------------------------------------------------------------------------


def test_tls_is_demanded_and_verified(tmp_path):
    make_certificates(tmp_path / "stranger")
    with PostgresStore(tmp_path / "store", tls=True, fsync=False) as store:
        url = store.create_database("vault")
        assert "sslmode=verify-full" in url
        assert ask(url, "SELECT ssl, version FROM pg_stat_ssl WHERE pid = pg_backend_pid()") == "t|TLSv1.3"
        with pytest.raises(StoreFailed, match="certificate verify failed"):
            ask(url.replace(f"{store.folder}/tls/authority.crt", f"{tmp_path}/stranger/authority.crt"), "SELECT 1")
        with pytest.raises(StoreFailed, match='does not match host name "127.0.0.2"'), \
                TcpGate(store.port, address="127.0.0.2") as gate:
            ask(store.url("vault", gate.port, gate.address), "SELECT 1")
        with pytest.raises(StoreFailed, match="no encryption"):
            ask(url.replace("verify-full", "disable"), "SELECT 1")


# -- standbys -------------------------------------------------------------------------------------------------------


def test_a_synchronous_standby_has_every_commit(store, tmp_path):
    url = store.create_database("vault")
    ask(url, MAKE_TABLE)
    with Standby(store, tmp_path / "standby", synchronous=True) as standby:
        standby.pause()
        commit = in_background(lambda: ask(url, insert("waited")))
        commit.join(0.7)
        assert commit.is_alive(), "the primary did not wait for its standby"
        standby.go_on()
        commit.join(10)
        assert not commit.is_alive()
        for number in range(20):
            ask(url, insert(f"row {number:02}"))
        store.kill()
        standby.promote()
        wanted = [f"row {number:02}" for number in range(20)] + ["waited"]
        assert ask(standby.url("vault"), ROWS) == ",".join(wanted)
        ask(standby.url("vault"), insert("new"))  # it waits for nobody
        standby.kill()
        standby.start()
        assert ask(standby.url("vault"), ROWS) == ",".join(sorted([*wanted, "new"]))


def test_an_asynchronous_standby_that_was_cut_off_lacks_the_last_commit(store, tmp_path):
    url = store.create_database("vault")
    ask(url, MAKE_TABLE)
    with Standby(store, tmp_path / "standby") as standby:
        standby.pause_replication()
        ask(url, insert("one"))
        standby.resume_replication()
        standby.wait_caught_up()
        assert ask(standby.url("vault"), ROWS) == "one"
        with pytest.raises(StoreFailed, match="read-only transaction"):
            ask(standby.url("vault"), insert("refused"))
        standby.pause_replication()
        ask(url, insert("two"))
        store.kill()
        standby.promote()
        assert ask(standby.url("vault"), ROWS) == "one"
        with Standby(standby, tmp_path / "third") as third:  # a promoted one can have standbys of its own
            ask(standby.url("vault"), insert("three"))
            third.wait_caught_up()
            assert ask(third.url("vault"), ROWS) == "one,three"
    store.start()
    assert ask(url, ROWS) == "one,two", "the commit was there to be lost"


# -- the gate -------------------------------------------------------------------------------------------------------


def test_a_frozen_gate_delivers_nothing_and_loses_nothing(shared, url):
    with TcpGate(shared.port) as gate, open_session(shared.url(database_of(url), gate.port)) as session:
        gate.freeze()
        session.stdin.write(f"{insert('frozen')} RETURNING value;\n")
        with pytest.raises(StoreFailed, match="no answer in 1 s"):
            ask(shared.url(database_of(url), gate.port), "SELECT 1", timeout=1)
        assert session.poll() is None and ask(url, ROWS) == ""
        gate.heal()
        assert session.stdout.readline() == "frozen\n" and ask(url, ROWS) == "frozen"
        gate.freeze([DOWN])
        session.stdin.write(f"{insert('unanswered')} RETURNING value;\n")
        wait_for_rows(url, "frozen,unanswered")
        assert gate.connections == 2
        gate.cut()  # the reply is gone for good
        assert session.wait(10) != 0 and session.stdout.read() == ""


def database_of(url):
    return url.rsplit("/", 1)[1]


def wait_for_rows(url, wanted):
    deadline = time.monotonic() + 10
    while ask(url, ROWS) != wanted:
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_a_cut_gate_refuses_and_keeps_its_port(shared, url):
    with TcpGate(shared.port) as gate:
        through = shared.url(database_of(url), gate.port)
        with open_session(through) as session:
            gate.cut()
            session.stdin.write(f"{insert('cut')};\n")
            assert session.wait(10) != 0
        with pytest.raises(StoreFailed, match="Connection refused"):
            ask(through, "SELECT 1")
        assert ask(url, ROWS) == ""
        with pytest.raises(OSError), socket.socket() as thief:
            thief.bind(("127.0.0.1", gate.port))
        gate.heal()
        ask(through, insert("healed"))
        assert ask(url, ROWS) == "healed"
    assert refused(gate.port)


def test_a_gate_can_be_pointed_at_another_server(shared, store, url):
    store.create_database("vault")
    with TcpGate(shared.port) as gate, open_session(shared.url(database_of(url), gate.port)) as session:
        gate.retarget(store.port)
        session.stdin.write("SELECT 1;\n")
        assert session.wait(10) != 0
        assert ask(store.url("vault", gate.port), "SELECT current_database()") == "vault"
        store.kill()
        with pytest.raises(StoreFailed, match="server closed the connection|reset by peer"):
            ask(store.url("vault", gate.port), "SELECT 1")


def test_the_gate_passes_every_byte_both_ways():
    payload = os.urandom(8 << 20)

    def echo():
        connection, _ = listener.accept()
        with connection:
            while data := connection.recv(65536):
                connection.sendall(data)

    with socket.create_server(("127.0.0.1", 0)) as listener, TcpGate(listener.getsockname()[1]) as gate:
        in_background(echo)
        with socket.create_connection(("127.0.0.1", gate.port), 10) as client:
            def send():
                client.sendall(payload)
                client.shutdown(socket.SHUT_WR)
            in_background(send)
            got = bytearray()
            while data := client.recv(1 << 20):
                got += data
                if len(got) < 1 << 20:
                    gate.freeze()
                    gate.heal()
    assert bytes(got) == payload


# -- nothing is left behind -----------------------------------------------------------------------------------------

PROGRAM = """
import pathlib, sys
sys.path.insert(0, sys.argv[1])
from postgresql_store import PostgresStore, Standby
store = PostgresStore(pathlib.Path(sys.argv[2]) / "store", fsync=False).start()
standby = Standby(store, pathlib.Path(sys.argv[2]) / "standby").start()
print(*store.processes(), *standby.processes(), flush=True)
if sys.argv[3] == "raise":
    raise AssertionError("a test fails")
sys.stdin.read()
"""


@pytest.mark.parametrize("end", ["raise", "kill"])
def test_nothing_is_left_running_when_the_program_fails(end, tmp_path):
    here = str(pathlib.Path(__file__).parent)
    with subprocess.Popen([sys.executable, "-c", PROGRAM, here, tmp_path, end], stdin=subprocess.PIPE,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                          env={**os.environ, "TMPDIR": str(tmp_path)}) as program:
        processes = [int(word) for word in program.stdout.readline().split()]
        assert len(processes) > 10, program.stderr.read()
        if end == "kill":
            assert is_alive(processes[0])
            program.send_signal(signal.SIGKILL)
        program.stdin.close()
        assert program.wait(30) != 0
    deadline = time.monotonic() + 10
    while any(is_alive(pid) for pid in processes):
        assert time.monotonic() < deadline, "processes are left over"
        time.sleep(0.02)
