"""tests/faults/test_failover.py: the database fails over, the network is cut, servers die, while clients write, reveal, read and turn real accounts.

After each: every acknowledged write is there, every account's live password is in the vault and current, the audit has no gap, and
service came back without a restart. The times without service are printed. `script/test` runs the first; `--all` every one.
"""
import os
import re
import signal
import subprocess
import time

import pytest
import requests
from conftest import Managed, take_on_host
from failover import CREDENTIALS, HANG_S, Cluster, Traffic, url_of, verify
from postgresql_store import PostgresStore
from support import Server, ok, wait_for

EVERY = os.environ.get("KEYTURN_FAULTS_ALL") == "yes"
SETTLED_S = 60


def in_all(test):
    """A part of --all only: else it is not a test at all."""
    return test if EVERY else None



class Lab:
    """A cluster, and accounts of the host that it turns."""

    def __init__(self, cluster, host, names=("u1", "u2", "u3")):
        from ssh_host import PASSWORDS
        self.cluster, self.host = cluster, host
        self.ps = cluster.servers[0].passwordsafe()
        self.system = take_on_host(self.ps, host)
        for name in names:
            host.set_password(name, PASSWORDS[name])
        self.accounts = [Managed(self.ps, host, name, system=self.system) for name in names]
        for account in self.accounts:
            assert account.put({}).status_code == 204

    def traffic(self):
        return Traffic(self.cluster.servers, accounts=self.accounts)

    def live_is_current(self):
        return [account.name for account in self.accounts if not self.host.has_password(account.name, account.password())]

    def settle(self, since):
        """Every account at rest, proved, and with the live password current, within a minute of `since`."""
        def at_rest():
            return self.cluster.sql("SELECT count(*) FROM jobs WHERE is_open = 1") == "0"
        wait_for(at_rest, timeout=max(1, SETTLED_S - (time.monotonic() - since)))
        assert not self.live_is_current(), self.cluster.sql("SELECT id, account_id, kind, state, attempt, reason FROM jobs ORDER BY id DESC LIMIT 20")
        assert set(self.cluster.sql("SELECT DISTINCT state FROM managed_accounts").split()) == {"proved"}
        return time.monotonic() - since


@pytest.fixture
def told(capsys, request):
    """Print past pytest: the times without service are a result."""
    def tell(text):
        with capsys.disabled():
            print(f"\nfail-over: {request.node.name}\n{text}")
    return tell


@pytest.fixture
def cluster(tmp_path):
    with Cluster(tmp_path) as cluster:
        yield cluster
        for server in cluster.servers:
            print(f"---- {server.options[-1]}\n{server.log_text()[-6000:]}")


@pytest.fixture
def lab(cluster, host):
    return Lab(cluster, host)


def finish(lab, traffic, told, healed, restarted=()):
    """What has to hold after every fault."""
    traffic.stop()
    cluster, pids = lab.cluster, [server.process.poll() for server in lab.cluster.servers]
    assert pids == [None] * len(pids), "a server has ended"
    missing = traffic.missing(cluster.names())
    assert not missing, f"{len(missing)} of {len(traffic.acknowledged)} acknowledged writes are lost"
    settled = lab.settle(healed)
    told(f"{traffic.report()}\n  every account settled {settled:.1f} s after the fault was over")
    print(traffic.slow_or_odd())
    traffic.check()
    verify(cluster.servers[0])
    assert not re.search("Sanitizer|runtime error", "".join(server.log_text() for server in cluster.servers))
    assert cluster.sql("SELECT count(*) FROM audit_rows WHERE what = 'store.rewound'") == "0", "a loss was seen where none was"


def test_the_primary_is_killed_and_the_standby_promoted(cluster, lab, told):
    with lab.traffic() as traffic:
        time.sleep(1.5)
        cluster.fail_over()
        healed = time.monotonic()
        traffic.wait_for_service()
        time.sleep(2)
    finish(lab, traffic, told, healed)


@in_all
@pytest.mark.parametrize("pause", [8, 25])
def test_nobody_promotes_for_a_while(cluster, lab, told, pause):
    """Longer than the writer's patience: 503 at once and bounded; then service as if nothing had been."""
    with lab.traffic() as traffic:
        time.sleep(1)
        cluster.kill_primary()
        time.sleep(pause)
        cluster.standby.promote()
        healed = time.monotonic()
        traffic.wait_for_service()
    finish(lab, traffic, told, healed)


@in_all
@pytest.mark.parametrize("fault", ["cut", "freeze"])
@pytest.mark.parametrize("pause", [3, 40])
def test_the_network_between_one_server_and_the_database(cluster, lab, told, fault, pause):
    with lab.traffic() as traffic:
        time.sleep(1)
        getattr(cluster, fault)(0)
        time.sleep(pause)
        cluster.heal(0)
        healed = time.monotonic()
        traffic.wait_for_service()
    finish(lab, traffic, told, healed)


@in_all
def test_a_server_is_killed_and_the_other_goes_on_with_what_it_held(cluster, lab, told):
    with lab.traffic() as traffic:
        time.sleep(1.5)
        cluster.servers[0].kill()
        healed = time.monotonic()
        traffic.wait_for_service()
        time.sleep(40)  # longer than a lease of a job
        traffic.stop()
        lab.ps.base = cluster.servers[1].url
        settled = lab.settle(healed + 40)
        cluster.servers[0].start()
    told(f"{traffic.report()}\n  settled by the other server {settled:.1f} s after its leases had ended")
    finish(lab, traffic, lambda text: None, time.monotonic())


@in_all
def test_a_server_sleeps_longer_than_its_leases(cluster, lab, told):
    with lab.traffic() as traffic:
        time.sleep(1.5)
        os.kill(cluster.servers[0].process.pid, signal.SIGSTOP)
        time.sleep(45)
        os.kill(cluster.servers[0].process.pid, signal.SIGCONT)
        healed = time.monotonic()
        traffic.wait_for_service()
    told(traffic.report())
    traffic.forget_slow(cluster.servers[0])
    finish(lab, traffic, lambda text: None, healed)


@in_all
@pytest.mark.parametrize("mode", ["fast", "immediate", "kill"])
def test_the_database_is_restarted(cluster, lab, told, mode):
    with lab.traffic() as traffic:
        time.sleep(1.5)
        cluster.kill_primary() if mode == "kill" else cluster.primary.stop(mode)
        time.sleep(1)
        cluster.start_primary()
        healed = time.monotonic()
        traffic.wait_for_service()
        time.sleep(1)
    finish(lab, traffic, told, healed)


# -- a standby that lacks the last commits


def applied(cluster, account):
    return cluster.sql(f"SELECT count(*) FROM job_steps s JOIN jobs j ON j.id = s.job_id WHERE j.account_id = {account.id} AND s.step = 'applying'")


@in_all
def test_the_last_commits_are_lost_with_the_primary(tmp_path, host, told):
    with Cluster(tmp_path, is_synchronous=False) as cluster:
        lab = Lab(cluster, host, ("u1", "u2", "u3", "u4"))
        *turning, once = lab.accounts
        cluster.token = {"X-Authorization": cluster.servers[0].controlroom().token}
        with Traffic(cluster.servers, accounts=turning) as traffic:
            time.sleep(1)
            cluster.standby.wait_caught_up()
            cluster.standby.pause_replication()
            known = len(traffic.acknowledged)
            cut = time.monotonic()
            assert once.put({}).status_code == 204  # its candidate was made in the lost span
            sent = once.password()
            wait_for(lambda: any(note.status == 204 and note.start > cut for note in traffic.of("rotate")), timeout=60)
            cluster.fail_over()
            healed = time.monotonic()
            warned = wait_for(lambda: warning(cluster), timeout=15, pause=0.05)
            assert "lost acknowledged commits" in warned, warned
            traffic.wait_for_service()
            time.sleep(1)
        assert len(traffic.acknowledged) > known
        names = cluster.names()
        lost = traffic.missing(names)
        assert lost, "nothing was lost: the test has not tested"
        assert not set(lost) & set(traffic.acknowledged[:known - 20]), "more is lost than the standby lacked"
        settled = lab.settle(healed)
        assert host.has_password(once.name, sent) and once.password() == sent
        told(f"{traffic.report()}\n  {len(lost)} acknowledged writes lost with the primary; every account settled after {settled:.1f} s")
        traffic.check()
        check_told(cluster, lab)


@in_all
def test_the_functional_accounts_own_turn_is_lost_with_the_primary(tmp_path, told):
    """The store signs in with a password from before; what was sent last is known to the servers alone, and is tried."""
    from ssh_host import SshHost
    with Cluster(tmp_path / "cluster", is_synchronous=False) as cluster, SshHost(tmp_path / "host", faillock_deny=3) as host:
        lab = Lab(cluster, host, ("u1", "u2", "func"))
        own = lab.accounts[-1]
        cluster.token = {"X-Authorization": cluster.servers[0].controlroom().token}
        cluster.standby.wait_caught_up()
        cluster.standby.pause_replication()
        failed = host.failed_logins("func")
        assert own.put({}).status_code == 204
        sent = own.password()
        cluster.fail_over()
        healed = time.monotonic()
        wait_for(lambda: warning(cluster), timeout=30, pause=0.05)
        settled = lab.settle(healed)
        assert own.password() == sent and host.has_password("func", sent) and host.failed_logins("func") - failed <= 1
        assert lab.accounts[0].put({}).status_code == 204
        told(f"every account settled after {settled:.1f} s")


def warning(cluster):
    """What health says of the loss, at any server, while accounts are still to be compared."""
    for server in cluster.servers:
        answer = requests.get(server.url + "/api/v1/health", headers=cluster.token, timeout=30)
        for check in (answer.json().get("checks") or []) if answer.status_code == 200 else []:
            if check["check"] == "rewound" and not check["ok"]:
                return check["text"]
    return None


def check_told(cluster, lab):
    """Log, audit, epoch; and no change was begun before the account was compared. (One that had been begun is resolved, which compares too.)"""
    epoch = int(cluster.sql("SELECT value FROM settings WHERE name = 'epoch'"))
    assert epoch > 1
    assert int(cluster.sql("SELECT count(*) FROM audit_rows WHERE what = 'store.rewound'")) >= 1
    assert any("the store has lost what it had acknowledged" in server.log_text() for server in cluster.servers)
    for server in cluster.servers:
        admin = server.controlroom()
        wait_for(lambda: ok(admin.own("GET", "/version"))["epoch"] == epoch, timeout=15)
        verify(server)
    at = int(cluster.sql("SELECT min(at) FROM audit_rows WHERE what = 'store.rewound'"))
    for account in lab.accounts:
        compared = cluster.sql(f"SELECT COALESCE(min(settled_at), 0) FROM jobs WHERE account_id = {account.id} AND kind = 'audit' AND is_open = 0")
        assert int(compared) > at, "an account was not compared"
        first = cluster.sql("SELECT COALESCE(min(s.at), 9000000000000000) FROM job_steps s JOIN jobs j ON j.id = s.job_id"
                            f" WHERE j.account_id = {account.id} AND s.step = 'applying' AND j.created_at > {at}")
        assert int(first) >= int(compared), "an account was changed before it was compared"


@in_all
def test_the_last_commits_are_lost_while_the_servers_are_down(tmp_path, host, told):
    """Nobody remembers the passwords that were sent: DIR/heads tells of the loss, and the account says that it does not match."""
    with Cluster(tmp_path, is_synchronous=False) as cluster:
        lab = Lab(cluster, host, ("u1", "u2"))
        kept, turned = lab.accounts
        cluster.standby.wait_caught_up()
        cluster.standby.pause_replication()
        assert turned.put({"Password": "Known-to-nobody-1!"}).status_code == 204
        for server in cluster.servers:
            server.stop()
        cluster.fail_over()
        for server in cluster.servers:
            server.start()
        lab.ps.base = cluster.servers[0].url
        wait_for(lambda: cluster.sql("SELECT count(*) FROM jobs WHERE is_open = 1") == "0", timeout=SETTLED_S)
        check_told(cluster, lab)
        states = dict(row.split("|") for row in cluster.sql("SELECT name, state FROM managed_accounts").split())
        assert states["u1"] == "proved" and states["u2"] in ("mismatch", "drift"), states
        assert host.has_password("u1", kept.password()) and not host.has_password("u2", turned.password())
        assert turned.test() is False, "it must not pretend"
        answer = turned.put({})
        assert answer.status_code == 204, answer.text
        assert not lab.live_is_current()


# -- the standby that commits wait for


@in_all
def test_the_synchronous_standby_dies(cluster, lab, told):
    """Writes wait, and are refused in bounded time; reads go on; once the operator lets the primary go alone, everything does."""
    with lab.traffic() as traffic:
        time.sleep(1)
        cluster.standby.kill()
        fault = time.monotonic()
        time.sleep(45)
        reads = [note for note in traffic.of("read", fault) if note.status == 200]
        assert len(reads) > 100, "reads go on"
        cluster.primary.configure(synchronous_standby_names="")
        healed = time.monotonic()
        traffic.wait_for_service()
    finish(lab, traffic, told, healed)
    told(f"  reads while no standby confirmed: {len(reads)}, slowest {max(n.end - n.start for n in reads):.2f} s")


# -- a full disk


@in_all
def test_the_databases_disk_is_full(tmp_path, told):
    room = tmp_path / "room"
    room.mkdir()
    for path in (room, *room.parents):
        if str(path).startswith("/tmp/"):
            os.chmod(path, 0o755)
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=48m,mode=0700,uid=postgres,gid=postgres", "tmpfs", room], check=True)
    try:
        with PostgresStore(tmp_path / "primary") as store:
            fill(store, room, told)
    finally:
        subprocess.run(["umount", "-l", room], check=True)


def fill(store, room, told):
    store.psql(f"CREATE TABLESPACE room LOCATION '{room}'")
    store.psql("CREATE DATABASE vault OWNER keyturn TABLESPACE room")
    server = Server(store=url_of(store, store.port)).start()
    try:
        admin, pid = server.controlroom(), server.process.pid
        body = {"name": "before", "attributes": [{"name": "p", "userProvided": False}]}
        before = ok(admin.post(CREDENTIALS, body), 201)
        free = os.statvfs(room)
        (room / "filler").write_bytes(b"x" * (free.f_bavail * free.f_bsize))
        answers = [admin.post(CREDENTIALS, dict(body, name=f"full {i}", description="d" * 250)) for i in range(400)]
        made = {f"full {i}" for i, answer in enumerate(answers) if answer.status_code == 201}
        full = [answer for answer in answers if answer.status_code != 201]
        assert full, "the disk was never full"
        for answer in full:
            assert answer.status_code == 503 and "store is full" in answer.json()["message"], answer.text
            assert int(answer.headers["Retry-After"]) > 0 and answer.elapsed.total_seconds() < HANG_S
        assert ok(admin.get(f"{CREDENTIALS}/{before['id']}"))["name"] == "before", "reads go on"
        (room / "filler").unlink()
        ok(admin.post(CREDENTIALS, dict(body, name="after")), 201)
        names = set(store.psql("SELECT name FROM credentials", "vault").split("\n"))
        assert made <= names and {f"full {i}" for i in range(400)} & names == made
        assert server.process.pid == pid and server.process.poll() is None
        told(f"  {len(made)} more writes found room, {len(full)} were refused, the next one after the disk had room again was taken")
        server.stop()
        verify(server)
    finally:
        print(server.log_text()[-6000:])
        server.close()
