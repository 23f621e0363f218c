"""What goes wrong in the middle on databases and directories: the server killed, the target frozen, a late arrival, a wrong password tried again and again."""
import contextlib
import os
import signal
import time

import pytest

import freezer
import ldap_server
from platform_fixtures import KINDS, Account, ActiveDirectory, Ldap, Mariadb, Postgresql, in_background, is_settled, job_of, state_of, steps_of
from support import Server, ok, wait_for

ROUNDS = 6


@pytest.fixture(scope="module")
def postgresql(tmp_path_factory):
    with Postgresql(tmp_path_factory.mktemp("postgresql")) as running:
        yield running


@pytest.fixture(scope="module")
def mariadb(tmp_path_factory):
    with Mariadb(tmp_path_factory.mktemp("mariadb")) as running:
        yield running


def put_lost(account, password):
    """A change whose server may die meanwhile."""
    with contextlib.suppress(OSError):
        account.put(password)


def is_sent(admin, account):
    jobs = ok(admin.own("GET", f"/jobs?kind=change&accountId={account.id}"))["items"]
    return bool(jobs) and jobs[0]["state"] in ("applying", "verifying", "done")


def kill_in_the_middle(server, account, password, wait_s):
    """SIGSTOP for the target, kill -9 for the server, while a change is under way; then both go on. wait_s None: as soon as it has been sent."""
    admin = server.controlroom()
    with in_background(put_lost, account, password):
        if wait_s is None:
            wait_for(lambda: is_sent(admin, account), pause=0)
        else:
            time.sleep(wait_s)
        account.target.freeze()
        try:
            time.sleep(0.05)
            server.kill()
        finally:
            account.target.thaw()
    before = len(server.log_text())
    server.start()
    account.ps = server.passwordsafe()
    return "changes were under way" in server.log_text()[before:]


@pytest.mark.parametrize("kind", list(KINDS))
def test_the_server_killed_while_the_target_hangs(tmp_path, kind):
    """Whatever the target had already done: the vault's current password is the live one, and the audit chain is whole."""
    server = Server(directory=str(tmp_path / "keyturn"))
    server.start()
    try:
        with KINDS[kind](tmp_path) as target:
            account = Account(server.passwordsafe(), target, "u1")
            started = time.monotonic()
            assert account.put("Warm-Up-1!").status_code == 204
            takes, caught = time.monotonic() - started, 0
            # An account for each round: a login that a killed server had counted beforehand stays counted.
            for turn in range(ROUNDS):
                account = Account(server.passwordsafe(), target, f"u{turn + 2}", system=account.system_id)
                caught += kill_in_the_middle(server, account, f"Killed-{turn}-Pass!", takes * (turn + 1) / (ROUNDS + 1) if turn % 2 else None)
                admin = server.controlroom()
                wait_for(lambda: is_settled(admin, account), timeout=60)
                assert job_of(admin, account)["state"] in ("done", "dropped"), job_of(admin, account)
                assert account.is_live(), turn
            assert caught, "no round hit a change after it had been sent"
        server.stop()
        report = server.audit_is_intact()
        assert report.returncode == 0, report.stdout + report.stderr
    finally:
        server.close()


# -- PostgreSQL and MariaDB: the functional session is ended before anything is looked at


class Held:
    """A lock on a role's row, held by a session of the test's own."""

    def __init__(self, server, role):
        import subprocess
        from postgresql_server import BIN, ENVIRONMENT
        self.process = subprocess.Popen([BIN / "psql", "-X", "-q"], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True,
                                        env={**ENVIRONMENT, "PGHOSTADDR": server.address, "PGPORT": str(server.port), "PGUSER": "boss", "PGPASSWORD": "Boss-Start-1!",
                                             "PGDATABASE": "postgres", "PGSSLMODE": "require", "PGAPPNAME": "held"})
        self.process.stdin.write(f"BEGIN;\nALTER ROLE {role} CONNECTION LIMIT 50;\n")
        self.process.stdin.flush()
        server.wait_for("SELECT count(*) = 1 FROM pg_stat_activity WHERE application_name = 'held' AND state = 'idle in transaction'")

    def release(self):
        if self.process.poll() is None:
            self.process.stdin.write("ROLLBACK;\n")
            self.process.stdin.close()
            self.process.wait(20)


WAITING = "SELECT pid FROM pg_stat_activity WHERE application_name = 'keyturn' AND wait_event_type = 'Lock'"


def test_a_stopped_backend_is_ended_before_anything_is_looked_at(ps, admin, postgresql):
    """Its change would arrive late: minutes after the server had gone on, were it not fenced."""
    account = Account(ps, postgresql, "u3", system=postgresql.system(ps, Timeout=4))
    assert account.put("Before-Stop-31!").status_code == 204
    held, stopped = Held(postgresql.running, "u3"), None
    try:
        with in_background(account.put, "Late-Pass-32!") as put:
            waiting = wait_for(lambda: postgresql.running.psql(WAITING))
            stopped = postgresql.running.process_of(waiting)
            freezer.stop(stopped)
            held.release()
            assert put.result().status_code == 409
        wait_for(lambda: any(step["step"] == "fenced" and not step["ok"] for step in steps_of(admin, account)), timeout=60)
        assert job_of(admin, account)["state"] == "resolving"
        assert postgresql.has_password("u3", "Before-Stop-31!")
    finally:
        held.release()
        if stopped:
            os.kill(stopped, signal.SIGCONT)
    wait_for(lambda: is_settled(admin, account), timeout=90)
    steps = [(step["step"], step["ok"]) for step in steps_of(admin, account)]
    assert ("fenced", True) in steps and job_of(admin, account)["state"] == "done", steps
    assert account.password() == "Late-Pass-32!" and account.is_live()
    with pytest.raises(OSError):
        os.kill(stopped, 0)


def test_a_hanging_change_on_mariadb_is_ended(ps, admin, mariadb):
    """FLUSH TABLES WITH READ LOCK holds the change up; the connection that waits is killed."""
    import subprocess
    from mariadb_server import PASSWORDS
    account = Account(ps, mariadb, "u3", system=mariadb.system(ps, Timeout=4))
    assert account.put("Before-Lock-31!").status_code == 204
    holder = subprocess.Popen(["/usr/bin/mariadb", "--no-defaults", f"--socket={mariadb.running.socket}", "--user=root"], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL,
                              text=True, env={"PATH": "/usr/bin", "MYSQL_PWD": PASSWORDS["root"]})
    try:
        holder.stdin.write("FLUSH TABLES WITH READ LOCK;\n")
        holder.stdin.flush()
        time.sleep(0.5)
        with in_background(account.put, "Held-Pass-32!") as put:
            assert put.result().status_code == 409
        assert mariadb.has_password("u3", "Before-Lock-31!")
        wait_for(lambda: ("fenced", True) in [(step["step"], step["ok"]) for step in steps_of(admin, account)], timeout=60)
    finally:
        holder.stdin.close()
        holder.wait(20)
    wait_for(lambda: is_settled(admin, account), timeout=90)
    assert job_of(admin, account)["state"] == "done" and account.password() == "Held-Pass-32!"
    assert account.is_live()


# -- lock-out after three failures: never ours


def hammer(account):
    """What a person, a schedule and a script do together when the password has been changed behind the vault's back."""
    for turn in range(3):
        account.ps.post(f"/ManagedAccounts/{account.id}/Credentials/Test")
        account.put(f"Hammer-{turn}-Pass!")


def test_a_lock_out_after_three_is_never_reached_in_ldap(ps, tmp_path):
    with Ldap(tmp_path) as target:
        account = Account(ps, target, "u2", functional="writer", UseOwnCredentials=True)
        target.set_password("u2", "Somebody-else-21!")
        hammer(account)
        assert target.running.failures("u2") < 3 and not target.running.attribute(ldap_server.dn_of("u2"), "pwdAccountLockedTime")
        other = Account(ps, target, "u3", system=target.system(ps, password="Not-The-Right-1!"))
        hammer(other)
        assert target.running.failures("func") < 3 and target.has_password("u3", other.first)


def test_a_lock_out_after_three_is_never_reached_in_a_domain(ps, tmp_path):
    with ActiveDirectory(tmp_path) as target:
        target.running.policy(lockoutThreshold="3")
        account = Account(ps, target, "u2", UseOwnCredentials=True)
        target.set_password("u2", "Somebody-else-21!")
        hammer(account)
        assert int(target.running.read("u2", "badPwdCount") or 0) < 3 and not int(target.running.read("u2", "lockoutTime") or 0)
        other = Account(ps, target, "u3", system=target.system(ps, password="Not-The-Right-1!"))
        hammer(other)
        assert int(target.running.read("func", "badPwdCount") or 0) < 3 and not int(target.running.read("func", "lockoutTime") or 0)


def test_the_former_password_of_a_domain_proves_nothing(ps, admin, tmp_path):
    """LDAP lets it in for an hour: a test must not take it for the live one."""
    with ActiveDirectory(tmp_path) as target:
        account = Account(ps, target, "u4")
        assert account.put("First-Pass-41!").status_code == 204
        target.set_password("u4", "Somebody-else-41!")
        assert target.running.binds("u4@lab.test", "First-Pass-41!")
        assert account.test() is False and state_of(admin, account)["state"] == "mismatch"
