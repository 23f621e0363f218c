"""tests/targets/postgresql_server.py: one PostgreSQL process tree that can be killed, paused and asked; see
postgresql_store.py, which makes primaries and standbys of it.

A server is process 1 of a pid and ipc namespace of its own: whatever runs in it dies with it, and it dies with the
program that started it, however that ends. It sees its folder as /mnt, so that user postgres reaches it below any
parent folder. Never point pg_ctl at its data folder: the process id in postmaster.pid is 1.
"""

import atexit
import contextlib
import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import time
import urllib.parse
import weakref

import freezer

BIN = pathlib.Path("/usr/lib/postgresql/15/bin")
INSIDE = "/mnt"  # where a server finds its folder
ENVIRONMENT = {"PATH": f"{BIN}:/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C", "HOME": "/nonexistent"}
AS_POSTGRES = ["setpriv", "--reuid=postgres", "--regid=postgres", "--init-groups", "--pdeathsig=KILL", "--"]
IN_FOLDER = ["sh", "-c", f'mount --bind "$0" {INSIDE} && exec "$@"']

# Prints the process id of unshare and lives as long as the server, or as standard input is open.
HOLDER = """
exec 3<&0
unshare --mount --pid --ipc --fork --kill-child --propagation private -- "$@" 3<&- </dev/null >&2 &
server=$!
echo "$server"
exec >&2
cat <&3 >/dev/null &
wait -n
kill -9 "$server" $! 2>/dev/null
"""

SETTINGS = {
    "max_connections": 200,
    "shared_buffers": "32MB",
    "dynamic_shared_memory_type": "sysv",  # in the ipc namespace: nothing is left in /dev/shm
    "unix_socket_directories": f"{INSIDE}/run",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_line_prefix": "%m [%p] %q%u@%d ",
    "wal_keep_size": "256MB",
    "wal_retrieve_retry_interval": "100ms",
}

_running = weakref.WeakSet()


class NeedsRoot(RuntimeError):
    """The servers need root, for their namespaces and for the change to user postgres."""


class StoreFailed(RuntimeError):
    """The server did not start, is not running, or refused a statement; str() carries what it wrote."""


class Server:
    """What a primary and a standby have in common. start() may follow stop() and kill(): data and port stay."""

    def __init__(self, folder, address, port, tls, settings, fsync):
        self.folder = pathlib.Path(folder).resolve()
        self.address = address
        self.port = port
        self.tls = tls
        self.fsync = fsync
        self.settings = {**SETTINGS, "listen_addresses": address}
        if not fsync:
            self.settings.update(fsync="off", full_page_writes="off")
        if tls:
            self.settings.update(ssl="on", ssl_cert_file=f"{INSIDE}/tls/server.crt",
                                 ssl_key_file=f"{INSIDE}/tls/server.key")
        self.settings.update(settings or {})
        self._synchronous = []
        self._holder = None
        self._namespace = None
        self._postmaster = None

    def __enter__(self):
        return self.start()

    def __exit__(self, *_):
        self.kill()

    # -- life ---------------------------------------------------------------------------------------------------

    def start(self):
        """Start the server and wait until it takes connections. Raises NeedsRoot or StoreFailed."""
        if os.geteuid() != 0:
            raise NeedsRoot("PostgreSQL servers for tests need root: run this again as root.")
        if self._holder is not None:
            raise StoreFailed("this server is running already")
        if not (self.folder / "data").exists():
            self._make_folder()
            self._make_data()
        for _ in range(5):
            seen = len(self.log_text())
            port = self.port or _free_port(self.address)
            if self._start_on(port, seen):
                self.port = port
                return self
            if self.port or "could not bind" not in self.log_text()[seen:]:
                break  # another port would not help
        raise StoreFailed(f"the server did not start: {self.log_text()[seen:][-800:]}")

    def _start_on(self, port, seen):
        self._write_settings()
        _running.add(self)
        command = ["bash", "-c", HOLDER, "holder", *IN_FOLDER, self.folder, *AS_POSTGRES,
                   BIN / "postgres", "-D", f"{INSIDE}/data", "-p", str(port)]
        with open(self.folder / "server.log", "ab") as log:
            self._holder = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log,
                                            env=ENVIRONMENT, start_new_session=True)
        unshare = int(self._holder.stdout.readline())
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline and self._holder.poll() is None:
            if self._namespace is None:
                self._namespace = _inner_namespace(unshare)
            elif "database system is ready to accept" in self.log_text()[seen:]:
                return True
            time.sleep(0.01)
        self.kill()
        return False

    def stop(self, mode="fast"):
        """Shut down in an orderly way: "smart", "fast" or "immediate". Does nothing when it is not running."""
        if self._holder is None:
            return
        self.go_on()
        number = {"smart": signal.SIGTERM, "fast": signal.SIGINT, "immediate": signal.SIGQUIT}[mode]
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, number)
        try:
            self._holder.wait(60)
        except subprocess.TimeoutExpired:
            self.kill()
            raise StoreFailed(f"the server did not stop ({mode}): {self.log_text()[-500:]}") from None
        self._forget()

    def kill(self):
        """End the postmaster and all its children at once with SIGKILL, paused or not."""
        if self._holder is None:
            return
        if self._holder.poll() is not None:
            self._namespace = None  # it has ended by itself, and the number of its namespace may be another server's by now
        with contextlib.suppress(ProcessLookupError, StoreFailed):
            os.kill(self.pid, signal.SIGKILL)  # with process 1 of a namespace go all the others
        self._forget()

    def _forget(self):
        self._holder.stdin.close()
        self._holder.wait()
        self._holder.stdout.close()
        deadline = time.monotonic() + 10
        while self.processes():
            if time.monotonic() > deadline:
                raise StoreFailed("processes of the server are left over")
            time.sleep(0.002)
        self._holder = self._namespace = self._postmaster = None
        _running.discard(self)

    def restart(self, mode="fast"):
        self.stop(mode)
        return self.start()

    def pause(self):
        """Stop every process. Clients see a server that hangs: connections still open, nobody answers."""
        freezer.stop_all(self.processes)

    def go_on(self):
        """Let a paused server run on: what had been sent to it is now carried out."""
        self._signal(signal.SIGCONT)

    def _signal(self, number):
        for pid in self.processes():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)

    def processes(self):
        """Return the process ids, as this machine numbers them, of all that runs in the server; postmaster first."""
        if self._namespace is None:
            return []
        return [outer for inner, outer in sorted(_in_namespace(self._namespace))]

    @property
    def pid(self):
        """The process id of the postmaster."""
        if self._namespace is not None:
            with contextlib.suppress(OSError):
                if self._postmaster and os.readlink(f"/proc/{self._postmaster}/ns/pid") == self._namespace:
                    return self._postmaster
            for inner, outer in _in_namespace(self._namespace):
                if inner == 1:
                    self._postmaster = outer
                    return outer
        raise StoreFailed(f"the server is not running: {self.log_text()[-500:]}")

    # -- its files ----------------------------------------------------------------------------------------------

    def _make_folder(self):
        self.folder.mkdir(parents=True, exist_ok=True)
        self.folder.chmod(0o711)  # postgres passes through it; the parents may stay closed
        (self.folder / "run").mkdir()
        shutil.chown(self.folder / "run", "postgres", "postgres")

    def _make_data(self):
        raise NotImplementedError

    def _write_settings(self):
        host = "hostssl" if self.tls else "host"
        rules = ["local all postgres peer", f"{host} all keyturn all scram-sha-256",
                 "host replication replicator all scram-sha-256"]
        settings = "".join(f"{name} = '{_doubled(value)}'\n" for name, value in self.settings.items())
        self._write("postgresql.conf", settings)
        self._write("pg_hba.conf", "\n".join(rules) + "\n")

    def _write(self, name, text):
        path = self.folder / "data" / name
        path.touch(mode=0o600)
        path.write_text(text)
        shutil.chown(path, "postgres", "postgres")

    def log_text(self):
        """What the server has logged since its folder was made."""
        with contextlib.suppress(FileNotFoundError):
            return (self.folder / "server.log").read_text(errors="replace")
        return ""

    # -- inside -------------------------------------------------------------------------------------------------

    def psql(self, sql, database="postgres", timeout=30):
        """Run SQL as superuser and return its rows: columns apart by "|", one line each."""
        enter = ["nsenter", f"--target={self.pid}", "--mount", "--", *AS_POSTGRES]
        place = {"PGHOST": f"{INSIDE}/run", "PGPORT": str(self.port), "PGUSER": "postgres", "PGDATABASE": database}
        return _psql(enter, place, sql, timeout)

    def configure(self, **settings):
        """Change settings that need no restart, for this and later starts."""
        self.settings.update(settings)
        self._write_settings()
        self.psql("SELECT pg_reload_conf()")

    def wait_for(self, sql, timeout=30):
        """Wait until a query of the superuser says "t"."""
        deadline = time.monotonic() + timeout
        while self.psql(sql) != "t":
            if time.monotonic() > deadline:
                raise StoreFailed(f"this did not come true in {timeout} s: {sql}")
            time.sleep(0.01)

    def create_database(self, name):
        """Create a database that role keyturn owns, no superuser, and return its URL."""
        self.psql(f"CREATE DATABASE {_identifier(name)} OWNER keyturn;\n"
                  f"REVOKE ALL ON DATABASE {_identifier(name)} FROM PUBLIC")
        return self.url(name)

    def drop_database(self, name):
        """Drop a database and end the connections to it."""
        self.psql(f"DROP DATABASE {_identifier(name)} WITH (FORCE)")

    @property
    def password(self):
        """The password of role keyturn."""
        return (self.folder / "password").read_text()

    def url(self, database, port=None, address=None):
        """Return the URL of a database for role keyturn; another port or address leads there through a gate."""
        address = address or self.address
        host = f"[{address}]" if ":" in address else address
        url = f"postgresql://keyturn:{self.password}@{host}:{port or self.port}/{urllib.parse.quote(database, '')}"
        if self.tls:
            url += f"?sslmode=verify-full&sslrootcert={urllib.parse.quote(str(self.folder / 'tls/authority.crt'))}"
        return url


def client_environment(url):
    """Return the variables that make psql connect to a URL, so that no password stands in its arguments."""
    parts = urllib.parse.urlsplit(url)
    options = urllib.parse.parse_qs(parts.query)
    return {**ENVIRONMENT, "PGHOST": parts.hostname, "PGPORT": str(parts.port), "PGUSER": parts.username,
            "PGPASSWORD": urllib.parse.unquote(parts.password), "PGDATABASE": urllib.parse.unquote(parts.path[1:]),
            **{f"PG{name.upper()}": values[-1] for name, values in options.items()}}


def ask(url, sql, timeout=30):
    """Run SQL over a fresh connection to a URL, as Keyturn would connect, and return its rows as psql() does."""
    return _psql([], client_environment(url), sql, timeout)


def run_in(folder, command, environment=None):
    """Run a program as postgres that sees a folder as a server would."""
    words = ["unshare", "--mount", "--propagation", "private", "--", *IN_FOLDER, folder, *AS_POSTGRES, *command]
    done = subprocess.run(words, cwd="/", env={**ENVIRONMENT, **(environment or {})}, stdin=subprocess.DEVNULL,
                          capture_output=True, text=True, timeout=120)
    if done.returncode != 0:
        raise StoreFailed(f"{command[0].name} failed: {done.stderr.strip()[-500:]}")


def _psql(enter, place, sql, timeout):
    words = [*enter, BIN / "psql", "-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1"]
    try:
        done = subprocess.run(words, input=sql, capture_output=True, text=True, env={**ENVIRONMENT, **place},
                              timeout=timeout)
    except subprocess.TimeoutExpired:
        raise StoreFailed(f"no answer in {timeout} s") from None
    if done.returncode != 0:
        raise StoreFailed(done.stderr.strip())
    return done.stdout.rstrip("\n")


def keep_secret(path, text):
    path.touch(mode=0o600)
    path.write_text(text)


def _identifier(name):
    return '"' + name.replace('"', '""') + '"'


def _doubled(value):
    return str(value).replace("'", "''")


def _free_port(address):
    with socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET) as probe:
        probe.bind((address, 0))
        return probe.getsockname()[1]


def _inner_namespace(unshare):
    """Return the pid namespace that a running unshare has made for its child, None while it has not."""
    with contextlib.suppress(OSError):
        inner = os.readlink(f"/proc/{unshare}/ns/pid_for_children")
        if inner != os.readlink("/proc/self/ns/pid"):
            return inner
    return None


def _in_namespace(namespace):
    """Yield (process id inside, process id here) of each process of a pid namespace that is not dead yet."""
    for entry in os.listdir("/proc"):
        with contextlib.suppress(OSError):
            if entry.isdigit() and os.readlink(f"/proc/{entry}/ns/pid") == namespace:
                status = pathlib.Path(f"/proc/{entry}/status").read_text()
                if "\nState:\tZ" not in status:
                    yield int(re.search(r"^NSpid:.*\t(\d+)$", status, re.MULTILINE).group(1)), int(entry)


@atexit.register
def _kill_all():
    for server in list(_running):
        server.kill()
