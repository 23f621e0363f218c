"""tests/targets/postgresql_store.py: PostgreSQL 15 servers that Keyturn keeps its own data in, for tests.

    with PostgresStore(tmp_path / "primary") as store:
        url = store.create_database("vault")        # postgresql://keyturn:...@127.0.0.1:PORT/vault
        with Standby(store, tmp_path / "standby", synchronous=True) as standby:
            store.kill()                            # as a power cut would
            standby.promote()
            connect(standby.url("vault"))

initdb runs once per program (about 0.9 s, several when the disk is cold); a new server is a copy of that, which makes
all servers look like the same cluster to pg_controldata. On two cores a first start costs 0.1 to 0.4 s, a later one
0.05 s, one after kill() 0.1 to 0.3 s, kill() 0.02 s, a database 0.05 s, a standby 0.2 to 0.5 s, promote() 0.15 s.
"""

import atexit
import functools
import pathlib
import secrets
import shutil
import subprocess
import tempfile

from postgresql_server import BIN, INSIDE, NeedsRoot, Server, StoreFailed, ask, client_environment, keep_secret, run_in
from tcp_gate import TcpGate

__all__ = ["NeedsRoot", "PostgresStore", "Standby", "StoreFailed", "TcpGate", "ask", "client_environment",
           "make_certificates", "own_store", "shared_store"]


class PostgresStore(Server):
    """A primary server with data of its own.

    folder    where it keeps its files; an object on the folder of a stopped server takes that one over
    address   where it listens, with a port that is free there unless one is given
    tls       refuse keyturn's connections without TLS; the certificate is for address, 127.0.0.1 and localhost
    settings  more of postgresql.conf
    fsync     False: as fast as it goes. A machine that loses power could lose data then, a killed server cannot
    """

    def __init__(self, folder, address="127.0.0.1", port=0, tls=False, settings=None, *, fsync=True):
        super().__init__(folder, address, port, tls, settings, fsync)

    def _make_data(self):
        if self.tls:
            make_certificates(self.folder / "tls", self.address)
        subprocess.run(["cp", "-a", "--reflink=auto", _template() / "data", self.folder / "data"], check=True)

    def start(self):
        super().start()
        if not (self.folder / "password").exists():
            # One in three hundred has no digit, which a server with passwordcheck refuses.
            keyturn, replicator = (f"{secrets.token_urlsafe(24)}-7" for _ in range(2))
            self.psql(f"SET log_min_error_statement = panic;\nCREATE ROLE keyturn LOGIN PASSWORD '{keyturn}';\n"
                      f"CREATE ROLE replicator LOGIN REPLICATION PASSWORD '{replicator}'")
            keep_secret(self.folder / "replication-password", replicator)
            keep_secret(self.folder / "password", keyturn)
        return self


class Standby(Server):
    """A streaming copy of a running server, a PostgresStore or a promoted Standby.

    synchronous  a commit on the primary waits for this standby too, and for ever while it is away; primary.configure(
                 synchronous_standby_names="") lets the primary go on alone
    gate         the TcpGate that the stream runs through
    """

    def __init__(self, primary, folder, synchronous=False, port=0, settings=None):
        super().__init__(folder, primary.address, port, primary.tls, settings, primary.fsync)
        self.primary = primary
        self.synchronous = synchronous
        self.name = f"standby_{secrets.token_hex(4)}"
        self.gate = TcpGate(primary.port, primary.address)
        self._is_cut_off = False

    def __exit__(self, *_):
        self.kill()
        self.gate.stop()

    def _make_data(self):
        if self.synchronous:
            # Before the copy: its checkpoint makes the checkpointer, which opens the wait, take in the new names.
            names = self.primary._synchronous = [*self.primary._synchronous, self.name]
            self.primary.configure(synchronous_standby_names=f"FIRST {len(names)} ({', '.join(names)})")
        for name in ("password", "replication-password"):
            keep_secret(self.folder / name, (self.primary.folder / name).read_text())
        if self.tls:
            subprocess.run(["cp", "-a", self.primary.folder / "tls", self.folder], check=True)
        password = (self.folder / "replication-password").read_text()
        (self.folder / "data").mkdir(mode=0o700)
        shutil.chown(self.folder / "data", "postgres", "postgres")
        run_in(self.folder, [BIN / "pg_basebackup", "--pgdata", f"{INSIDE}/data", "--checkpoint=fast", "--no-sync"],
               {"PGHOST": self.gate.address, "PGPORT": str(self.gate.port), "PGUSER": "replicator",
                "PGPASSWORD": password})
        self.settings["primary_conninfo"] = (f"host={self.gate.address} port={self.gate.port} user=replicator"
                                             f" password={password} application_name={self.name}")
        self._write("standby.signal", "")

    def start(self):
        """Start it and wait until it streams, unless it was promoted, was cut off, or its primary is down."""
        super().start()
        is_standby = (self.folder / "data/standby.signal").exists()
        if is_standby and not self._is_cut_off and self.primary.processes():
            self._wait_until_streaming()
        return self

    def _wait_until_streaming(self):
        is_awaited = self.name in str(self.primary.settings.get("synchronous_standby_names", ""))
        state = "sync_state = 'sync'" if is_awaited else "state = 'streaming'"
        self.primary.wait_for(f"SELECT count(*) = 1 FROM pg_stat_replication"
                              f" WHERE application_name = '{self.name}' AND {state}")

    def wait_caught_up(self):
        """Wait until all that is committed on the primary now can be read here."""
        position = self.primary.psql("SELECT pg_current_wal_lsn()")
        self.wait_for(f"SELECT pg_last_wal_replay_lsn() >= '{position}'")

    def pause_replication(self):
        """Cut the stream: what the primary commits from now on does not arrive here."""
        self.gate.cut()
        self._is_cut_off = True

    def resume_replication(self):
        """Let the stream go on, and wait for it."""
        self.gate.heal()
        self._is_cut_off = False
        self._wait_until_streaming()

    def promote(self):
        """Make it a primary, with all that it has received, and wait until it is one. The old primary is not asked."""
        if self.psql("SELECT pg_promote(true, 60)", timeout=90) != "t":
            raise StoreFailed(f"the standby was not promoted: {self.log_text()[-500:]}")
        self.wait_for("SELECT NOT pg_is_in_recovery()")


# -- for fixtures -----------------------------------------------------------------------------------------------


def shared_store(tmp_path_factory):
    """One fast server for many tests, each with its own database: pytest.fixture(scope="session")(shared_store)."""
    with PostgresStore(tmp_path_factory.mktemp("store"), fsync=False) as store:
        yield store
    shutil.rmtree(store.folder / "data")  # some 40 MB; the log stays


def own_store(tmp_path):
    """A server for one test, which may kill it: pytest.fixture(own_store)."""
    with PostgresStore(tmp_path / "store") as store:
        yield store
    shutil.rmtree(store.folder / "data")


def make_certificates(folder, address="127.0.0.1"):
    """Make an authority (authority.crt) and a server certificate in a new folder; postgres alone reads its key."""
    folder.mkdir()
    names = ",".join(f"IP:{one}" for one in sorted({address, "127.0.0.1"}))
    (folder / "openssl.conf").write_text(
        "[req]\ndistinguished_name = nobody\n[nobody]\n"
        "[authority]\nbasicConstraints = critical,CA:TRUE\nkeyUsage = critical,keyCertSign\n"
        f"[server]\nbasicConstraints = critical,CA:FALSE\nsubjectAltName = DNS:localhost,{names}\n")
    make = ["openssl", "req", "-x509", "-config", "openssl.conf", "-newkey", "ec", "-pkeyopt",
            "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"]
    for name, signed_by in (("authority", []), ("server", ["-CA", "authority.crt", "-CAkey", "authority.key"])):
        subject = ["-subj", f"/CN=Store test {name}", "-extensions", name, "-keyout", f"{name}.key"]
        subprocess.run([*make, *subject, "-out", f"{name}.crt", *signed_by], cwd=folder, check=True,
                       capture_output=True)
    shutil.chown(folder / "server.key", "postgres", "postgres")


@functools.cache
def _template():
    """Return the folder of a cluster that was made and never started."""
    folder = pathlib.Path(tempfile.mkdtemp(prefix="keyturn-postgresql-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    folder.chmod(0o711)
    (folder / "data").mkdir(mode=0o700)
    shutil.chown(folder / "data", "postgres", "postgres")
    run_in(folder, [BIN / "initdb", "--pgdata", f"{INSIDE}/data", "--username=postgres", "--encoding=UTF8",
                    "--locale=C", "--auth=reject", "--no-sync", "--wal-segsize=1"])
    return folder
