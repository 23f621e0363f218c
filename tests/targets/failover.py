"""tests/targets/failover.py: several Keyturn servers on one database that fails over, with clients that keep count.

    with Cluster(tmp_path) as cluster:              # primary, synchronous standby, servers "a" and "b"
        with Traffic(cluster.servers) as traffic:
            cluster.primary.kill()
            cluster.standby.promote()
            traffic.wait_for_service()
        print(traffic.report())
        assert not traffic.missing(cluster.names())

Every client notes each request: when it began and ended, which server was asked, and what came back.
"""

import collections
import os
import shutil
import tempfile
import threading
import time

import requests

from postgresql_store import PostgresStore, Standby, TcpGate
from support import PS, Server, ok, wait_for

CREDENTIALS = "/v2/credentialvault/credentials"
HANG_S = 20  # no request may take longer while the store is away


def join(first, name, store=None, **more):
    """Another server on the store of `first`: a directory of its own, the same root key. Not started."""
    directory = tempfile.mkdtemp(prefix="keyturn-test-")
    os.mkdir(os.path.join(directory, "data"), 0o700)
    for file in ("data/root.key", "data/installation", "admin-password", "api-key"):
        shutil.copy2(os.path.join(first.directory, file), os.path.join(directory, file))
    server = Server(directory=directory, store=store or first.store, options=["--server", name], **more)
    server.owns_directory = True
    return server


def url_of(store, *ports):
    """The URL of the database `vault` at these ports of 127.0.0.1."""
    hosts = ",".join(f"127.0.0.1:{port}" for port in ports)
    return f"postgresql://keyturn:{store.password}@{hosts}/vault"


def verify(server):
    """`keyturn audit verify` over all chains: its text, after it has found nothing."""
    report = server.audit_is_intact()
    assert report.returncode == 0, report.stdout + report.stderr
    return report.stdout


class Cluster:
    """A primary, a standby, and servers that reach both through gates of their own: gates[i] = (primary's, standby's)."""

    def __init__(self, folder, servers=2, is_synchronous=True):
        self.folder, self.count, self.is_synchronous = folder, servers, is_synchronous
        self.gates, self.servers, self._open = [], [], []

    def __enter__(self):
        try:
            self._start()
        except BaseException:
            self.close()
            raise
        return self

    def _start(self):
        self.primary = PostgresStore(self.folder / "primary")
        self._open.append(self.primary.kill)
        self.primary.start()
        self.primary.create_database("vault")
        self.standby = Standby(self.primary, self.folder / "standby", synchronous=self.is_synchronous)
        self._open.append(lambda: self.standby.__exit__())
        self.standby.start()
        for number in range(self.count):
            self._add_server(number)

    def _add_server(self, number):
        name, pair = "abcdef"[number], []
        for one in (self.primary, self.standby):
            pair.append(TcpGate(one.port))
            self._open.append(pair[-1].stop)
        self.gates.append(pair)
        store = url_of(self.primary, *(gate.port for gate in pair))
        server = join(self.servers[0], name, store) if self.servers else Server(store=store, options=["--server", name])
        self.servers.append(server)
        self._open.append(server.close)
        server.start()
        server.listen = [server.url]  # a restart comes back at the same port

    def __exit__(self, *_):
        self.close()

    def close(self):
        while self._open:
            self._open.pop()()

    # -- the network between one server and the databases

    def freeze(self, number):
        for gate in self.gates[number]:
            gate.freeze()

    def cut(self, number):
        for gate in self.gates[number]:
            gate.cut()

    def heal(self, number):
        for gate in self.gates[number]:
            gate.heal()

    # -- what the database says

    def sql(self, text):
        """Ask the database that takes writes."""
        for one in (self.standby, self.primary):
            if one.processes() and one.psql("SELECT pg_is_in_recovery()") == "f":
                return one.psql(text, "vault")
        raise AssertionError("no database takes writes")

    def names(self):
        return set(self.sql("SELECT name FROM credentials").split("\n"))

    def kill_primary(self):
        """As a machine that is up and whose PostgreSQL is not: a gate would take connections that it cannot lead on."""
        self.primary.kill()
        for to_primary, _ in self.gates:
            to_primary.cut()

    def start_primary(self):
        self.primary.start()
        for to_primary, _ in self.gates:
            to_primary.heal()

    def fail_over(self):
        self.kill_primary()
        self.standby.promote()


Note = collections.namedtuple("Note", "kind server start end status text headers")
NOT_REACHED = 0  # refused or reset: there was no answer


class Guest:
    """Somebody who asks the server he likes, and another for a while when that one is not there."""

    def __init__(self, servers, notes, first):
        self.servers, self.notes, self.home = servers, notes, first % len(servers)
        self.at, self.sent = self.home, 0
        self.urls = [server.url for server in servers]
        self.http = requests.Session()
        self.http.trust_env = False

    def send(self, kind, method, path, body=None, headers=None, timeout=60):
        """Ask once, note it, and return (status, JSON or text); NOT_REACHED moves on to the next server."""
        self.sent += 1
        if self.sent % 16 == 0:
            self.at = self.home
        server, start = self.servers[self.at], time.monotonic()
        try:
            answer = self.http.request(method, self.urls[self.at] + path, json=body, headers=headers, timeout=timeout)
            status, text, headers = answer.status_code, answer.text, dict(answer.headers)
        except requests.Timeout:
            status, text, headers = -1, "no answer", {}
        except requests.RequestException as problem:
            status, text, headers = NOT_REACHED, str(problem), {}
        self.notes.append(Note(kind, server, start, time.monotonic(), status, text, headers))
        if status in (NOT_REACHED, 503):
            self.at = (self.at + 1) % len(self.servers)
            time.sleep(0.02)
        return status, text


class Traffic:
    """Writers (a credential each time), revealers, readers, and a thread per account that turns it again and again."""

    def __init__(self, servers, writers=3, revealers=3, readers=3, accounts=()):
        self.servers, self.accounts = servers, list(accounts)
        self.count = {"write": writers, "reveal": revealers, "read": readers}
        self.notes, self.acknowledged, self.unacknowledged, self.wrong = [], [], [], []
        self.is_stopping = threading.Event()
        admin = servers[0].controlroom()
        self.token = {"X-Authorization": admin.token}
        self.key = {"Authorization": f"PS-Auth key={servers[0].api_key}; runas=admin;"}
        made = ok(admin.post(CREDENTIALS, {"name": f"revealed {time.monotonic()}", "attributes": [
            {"name": "p", "userProvided": False}]}), 201)
        self.revealed = f"{CREDENTIALS}/{made['id']}/attributevalues"
        ok(admin.post(self.revealed, {"list": [{"credentialAttributeId": made["attributes"][0]["id"],
                                                "value": "the revealed value"}]}))

    def __enter__(self):
        work = {"write": self._write, "reveal": self._reveal, "read": self._read}
        jobs = [(run, n) for kind, run in work.items() for n in range(self.count[kind])]
        jobs += [(self._rotate, n) for n in range(len(self.accounts))]
        self.threads = [threading.Thread(target=run, args=(n, Guest(self.servers, self.notes, n)), daemon=True)
                        for run, n in jobs]
        for thread in self.threads:
            thread.start()
        self.wait_for_service()
        return self

    def __exit__(self, *_):
        self.stop()

    def stop(self):
        self.is_stopping.set()
        for thread in self.threads:
            thread.join(90)
            assert not thread.is_alive(), "a client still waits"

    def _write(self, number, guest):
        for i in range(1_000_000):
            if self.is_stopping.is_set():
                return
            name = f"w{id(self)}-{number}-{i}"
            body = {"name": name, "attributes": [{"name": "p", "userProvided": False}]}
            status, _ = guest.send("write", "POST", CREDENTIALS, body, self.token)
            (self.acknowledged if status == 201 else self.unacknowledged).append(name)
            time.sleep(0.005)

    def _reveal(self, number, guest):
        while not self.is_stopping.is_set():
            status, text = guest.send("reveal", "GET", self.revealed, headers=self.token)
            if status == 200 and '"the revealed value"' not in text:
                self.wrong.append(text)
            time.sleep(0.01)

    def _read(self, number, guest):
        while not self.is_stopping.is_set():
            status, text = guest.send("read", "GET", self.revealed.rsplit("/", 1)[0], headers=self.token)
            if status == 200 and '"name":"revealed ' not in text:
                self.wrong.append(text)
            time.sleep(0.01)

    def _rotate(self, number, guest):
        while not self.is_stopping.is_set():
            guest.send("rotate", "PUT", f"{PS}/ManagedAccounts/{self.accounts[number].id}/Credentials", {}, self.key)
            time.sleep(0.05)

    # -- what was seen

    def of(self, kind, since=0.0):
        return [note for note in list(self.notes) if note.kind == kind and note.start >= since]

    def wait_for_service(self, timeout=60):
        """Wait until each kind has succeeded, at every server that runs, in a request that began after now."""
        now = time.monotonic()
        running = [s for s in self.servers if s.process and s.process.poll() is None]
        kinds = [kind for kind, n in self.count.items() if n]

        def serves():
            return all(any(n.server is s and n.status in (200, 201) for n in self.of(kind, now))
                       for kind in kinds for s in running)
        wait_for(serves, timeout=timeout)

    def missing(self, names):
        """Acknowledged writes that the store does not have."""
        return sorted(set(self.acknowledged) - names)

    def unacknowledged_that_stand(self, names):
        return sorted(set(self.unacknowledged) & names)

    def gap(self, kind):
        """The longest time between two successes, in seconds."""
        ends = sorted(n.end for n in self.of(kind) if n.status in (200, 201, 204))
        return max((b - a for a, b in zip(ends, ends[1:])), default=0.0)

    def slowest(self, kind):
        return max((n.end - n.start for n in self.of(kind)), default=0.0)

    def statuses(self, kind):
        return dict(collections.Counter(n.status for n in self.of(kind)))

    def report(self):
        kinds = [kind for kind in ("write", "reveal", "read", "rotate") if self.of(kind)]
        return "\n".join(f"  {kind}s: {self.statuses(kind)}, longest time without service {self.gap(kind):.2f} s,"
                         f" slowest answer {self.slowest(kind):.2f} s" for kind in kinds)

    def forget_slow(self, server):
        """What was asked of a server while it slept has to wait for it."""
        self.notes[:] = [n for n in self.notes if n.server is not server or n.end - n.start < HANG_S]

    def slow_or_odd(self, seconds=5):
        return "\n".join(f"    {n.kind} at {n.server.options[-1]}: {n.status} after {n.end - n.start:.1f} s {n.text[:150]!r}" for n in list(self.notes)
                         if n.end - n.start > seconds or n.kind == "rotate" and n.status != 204)

    def check(self, statuses=(200, 201, NOT_REACHED, 503)):
        """No hang, no 500, no wrong answer; every 503 in the form of its face."""
        assert not self.wrong, self.wrong[:3]
        for note in self.of("write") + self.of("reveal") + self.of("read"):
            assert note.status in statuses, (note.kind, note.status, note.text)
            assert note.end - note.start < HANG_S, (note.kind, note.status, note.end - note.start, note.text)
        for note in self.of("rotate"):
            assert note.end - note.start < 3 * HANG_S, (note.status, note.end - note.start, note.text)
            assert note.status in (204, 400, 409, 503, NOT_REACHED), (note.status, note.text)
        for note in list(self.notes):
            if note.status == 503:
                check_busy(note)


def check_busy(note):
    """503 with Retry-After, as the Control Room or Password Safe would say it."""
    assert int(note.headers["Retry-After"]) > 0, note
    if note.kind == "rotate":
        assert note.headers["Content-Type"].startswith("text/plain") and note.text and "{" not in note.text, note
    else:
        assert '"code"' in note.text and '"message"' in note.text, note
