"""What goes wrong in the middle on databases and directories: the server killed, the target frozen, a late arrival, a wrong password tried again and again."""
import contextlib
import os
import signal
import time

import pytest

import freezer
import ldap_server
from audits import audit_of
from platform_fixtures import KINDS, Account, ActiveDirectory, Ldap, Mariadb, Postgresql, in_background, is_settled, job_of, state_of, steps_of
from store import Store, rows_of
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


# -- an account that is not let in, whatever its password is


@pytest.fixture
def ldap(tmp_path):
    with Ldap(tmp_path) as running:
        yield running


def forget_budgets(server):
    """As if the window of the failed logins had passed."""
    with Store(server) as store:
        store.execute("DELETE FROM login_budgets")


def now(format="%Y%m%d%H%M%SZ"):
    return time.strftime(format, time.gmtime())


OVER, LOCKED = ("pwdChangedTime", "20200101000000Z"), ("pwdAccountLockedTime", "000001010000Z")


def over():
    return OVER


def mistyped():
    """Twice; the third one locks."""
    return "pwdFailureTime", now("%Y%m%d%H%M%S.000001Z"), now("%Y%m%d%H%M%S.000002Z")


@pytest.mark.parametrize("is_own", [False, True], ids=["functional", "own"])
@pytest.mark.parametrize("hindered", [over, mistyped])
def test_where_the_old_password_is_not_let_in_either_nothing_is_known(server, ps, admin, ldap, hindered, is_own):
    """The change never arrived: the new one is denied, and what is said of the old one does not say that it is wrong."""
    account = Account(ps, ldap, "aged1", system=ldap.system(ps, "writer", Timeout=12), first="Aged-Start-1!", UseOwnCredentials=is_own)
    ldap.running.set_password("aged1", account.first)
    ldap.running.set_operational("aged1", "pwdChangedTime")
    assert account.put("Before-Loss-1!").status_code == 204
    ldap.running.restart_with_hashes(is_slow=True)
    with in_background(account.put, "After-Loss-2!") as put:
        wait_for(lambda: is_sent(admin, account), pause=0.02)
        time.sleep(0.5)
        ldap.running.kill()
        ldap.running.restart_with_hashes(is_slow=False)
        assert ldap.has_password("aged1", "Before-Loss-1!")
        ldap.running.set_operational("aged1", *hindered())
        assert put.result().status_code in (204, 409), put.result().text
    wait_for(lambda: is_settled(admin, account) or "budget" in job_of(admin, account)["reason"], timeout=60)
    assert job_of(admin, account)["state"] == "resolving", job_of(admin, account)
    assert rows_of(server, "SELECT failures FROM login_budgets WHERE account_id = ?", (account.id,)) == [(2,)]
    assert ldap.has_password("aged1", "Before-Loss-1!" if is_own else "After-Loss-2!")
    lift(ldap)
    forget_budgets(server)
    ok(admin.own("POST", f"/jobs/{job_of(admin, account)['id']}/retry"))
    wait_for(lambda: is_settled(admin, account), timeout=60)
    assert job_of(admin, account)["state"] == "done" and account.password() == "After-Loss-2!" and account.is_live()


def lift(target):
    """What hinders aged1."""
    target.running.set_operational("aged1", "pwdAccountLockedTime")
    target.running.set_operational("aged1", "pwdFailureTime")
    target.running.set_operational("aged1", "pwdChangedTime", now())


def audit_job(admin, account):
    return ok(admin.own("GET", f"/jobs?kind=audit&accountId={account.id}"))["items"][0]


@pytest.mark.parametrize("hindered", [OVER, LOCKED], ids=["expired", "locked"])
def test_an_account_that_is_not_let_in_is_no_mismatch_after_a_restore(server, ps, admin, ldap, hindered):
    account = Account(ps, ldap, "aged1", system=ldap.system(ps, "writer"), first="Aged-Start-1!")
    ldap.running.set_password("aged1", account.first)
    ldap.running.set_operational("aged1", "pwdChangedTime")
    assert account.put("Before-Restore-1!").status_code == 204
    ldap.running.set_operational("aged1", *hindered)
    audit_of(server, account)
    job = wait_for(lambda: (job := audit_job(admin, account))["state"] != "queued" and job["reason"] and job, timeout=30)
    assert (job["state"], state_of(admin, account)["state"]) == ("resolving", "proved"), job
    assert "so that no login tells" in job["reason"] and ldap.running.failures("aged1") < 2
    lift(ldap)
    ok(admin.own("POST", f"/jobs/{job['id']}/retry"))
    wait_for(lambda: audit_job(admin, account)["state"] == "done", timeout=30)
    assert state_of(admin, account)["state"] == "proved"


@pytest.mark.parametrize("functional", ["func", "writer"], ids=["compares", "blind"])
@pytest.mark.parametrize("name", ["lock1", "aged1"])
def test_a_passing_lock_does_not_say_how_an_account_is_proved(ps, admin, ldap, functional, name):
    """A change lifts it, and then a login proves the new password."""
    account = Account(ps, ldap, name, functional=functional)
    answer = account.put("Lifted-It-1!")
    assert answer.status_code == 204, answer.text
    assert state_of(admin, account)["proof"] == "login" and account.is_live() and account.test() is True


@pytest.mark.parametrize("functional", ["func", "writer"], ids=["compares", "blind"])
def test_a_test_of_a_locked_account_costs_one_login_at_most(server, ps, admin, ldap, functional):
    """Its password is compared, or nothing is said; how a change of it is proved shows when it is made."""
    account = Account(ps, ldap, "lock1", functional=functional)
    wait_for(lambda: not ok(admin.own("GET", f"/jobs?state=open&accountId={account.id}"))["items"])  # what it is taken on with
    forget_budgets(server)
    assert account.test() is (functional == "func") and state_of(admin, account)["proof"] is None
    job = ok(admin.own("GET", f"/jobs?kind=test&accountId={account.id}"))["items"][0]
    assert functional == "func" or "locked or expired" in job["reason"]
    assert state_of(admin, account)["state"] != "mismatch"
    assert rows_of(server, "SELECT failures FROM login_budgets WHERE account_id = ?", (account.id,)) == [(1,)]


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
