"""The daily test of what is stored (CheckPasswordFlag), and the change that a mismatch starts (ResetPasswordOnMismatchFlag; passwordsafe-api 8.2)."""
import time

import pytest
from clock_fixtures import DAY_S, jobs_of, set_test_due, store_now
from conftest import Managed, take_on_host
from ssh_host import SshHost
from store import Store, rows_of
from support import Server, ok, wait_for

QUIET_S = 8


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    server = Server(directory=str(tmp_path_factory.mktemp("server")), options=["--quiet", str(QUIET_S)])
    server.start()
    yield server
    server.stop()


@pytest.fixture(scope="module")
def host(tmp_path_factory):
    """Counts failed logins, and locks at the third."""
    with SshHost(tmp_path_factory.mktemp("counting"), faillock_deny=3) as host:
        yield host


@pytest.fixture(scope="module")
def system(ps, host):
    return take_on_host(ps, host)


def proved(ps, host, name, system, **more):
    """Taken on, changed once, and so proved."""
    account = Managed(ps, host, name, system=system, CheckPasswordFlag=True, **more)
    host.set_password(name, account.first)
    assert account.put({}).status_code == 204
    return account


def state(admin, account):
    return ok(admin.own("GET", f"/managed-accounts/{account.id}/state"))["state"]


def daily_tests(server, account):
    return rows_of(server, "SELECT state, success, reason_code FROM jobs WHERE account_id = ? AND kind = 'test' AND trigger_kind = 'schedule' ORDER BY id", (account.id,))


def run_daily(server, account):
    """Have the daily test be due, and wait for its end. [(state, success, reason), …] of all so far."""
    before = len(daily_tests(server, account))
    set_test_due(server, account.id)
    return wait_for(lambda: (lambda found: found if len(found) == before + 1 and found[-1][0] == "done" else None)(daily_tests(server, account)), timeout=40)


def changes(server, account):
    return jobs_of(server, account.id)[1:]  # without the first, which proved it


def test_each_account_has_its_own_time_of_day(server, ps, host, system):
    account = Managed(ps, host, "u1", system=system, CheckPasswordFlag=True)
    at = wait_for(lambda: rows_of(server, "SELECT next_test_at FROM managed_accounts WHERE id = ?", (account.id,))[0][0])
    now = store_now(server)
    assert now < at <= now + DAY_S * 1e6 and daily_tests(server, account) == []
    ok(ps.delete(f"/ManagedAccounts/{account.id}"))


def test_a_right_password_is_compared_and_no_login_is_spent(server, ps, admin, host, system):
    account = proved(ps, host, "u2", system)
    log = len(host.log)
    assert run_daily(server, account) == [("done", 1, "")] and state(admin, account) == "proved"
    assert "Accepted password for u2" not in host.log[log:] and host.failed_logins("u2") == 0
    # Once a day: the next one is a day ahead, whatever happens until then.
    ahead = rows_of(server, "SELECT next_test_at FROM managed_accounts WHERE id = ?", (account.id,))[0][0] - store_now(server)
    assert 0 < ahead <= DAY_S * 1e6
    time.sleep(2)
    assert len(daily_tests(server, account)) == 1


def test_a_mismatch_is_shown_and_starts_nothing_by_itself(server, ps, admin, host, system):
    account = proved(ps, host, "u3", system)
    host.set_password("u3", "Somebody-else-3!")
    assert run_daily(server, account) == [("done", 0, "mismatch")]
    assert state(admin, account) == "mismatch" and host.failed_logins("u3") == 0
    time.sleep(2)
    assert changes(server, account) == [] and account.show()["ChangeState"] == 0
    number = ok(ps.post("/Requests", {"SystemID": account.system_id, "AccountID": account.id, "DurationMinutes": 5}), 201)
    assert ps.get(f"/Credentials/{number}").headers["X-Keyturn-State"] == "drift"


def told_of(server, what):
    return [line for line in server.log_text().split("\n") if what in line]


def health(admin):
    return next(check for check in ok(admin.own("GET", "/health"))["checks"] if check["check"] == "drift")


def test_a_mismatch_is_told_to_the_operator_once(server, ps, admin, host):
    account = proved(ps, host, "u3", take_on_host(ps, host, name="told01"))
    before, others = health(admin), len(told_of(server, "a test has found"))
    for other in ("Somebody-else-3!", "Somebody-else-again-3!"):
        host.set_password("u3", other)
        for _ in range(2):
            assert run_daily(server, account)[-1] == ("done", 0, "mismatch")
        lines = told_of(server, "a test has found")[others:]
        assert len(lines) == 1 and "account told01/u3: " in lines[0] and f"POST ManagedAccounts/{account.id}/Credentials/Change" in lines[0]
        assert not any(secret in lines[0] for secret in (other, account.password()))
        assert health(admin)["ok"] is False and "with a mismatch" in health(admin)["text"] and health(admin) != before
        host.set_password("u3", account.password())
        assert run_daily(server, account)[-1] == ("done", 1, "") and health(admin) == before
        others += 1


def test_with_the_switch_a_mismatch_starts_one_change(server, ps, admin, host, system):
    account = proved(ps, host, "u4", system, ResetPasswordOnMismatchFlag=True)
    host.set_password("u4", "Somebody-else-4!")
    assert run_daily(server, account)[-1] == ("done", 0, "mismatch")
    wait_for(lambda: changes(server, account) == [("mismatch", "done")], timeout=40)
    assert host.can_login("u4", account.password()) and state(admin, account) == "proved"
    # The next mismatch is another one.
    host.set_password("u4", "Somebody-else-again-4!")
    run_daily(server, account)
    wait_for(lambda: changes(server, account) == [("mismatch", "done")] * 2, timeout=40)
    assert run_daily(server, account)[-1] == ("done", 1, "")


def test_a_test_that_a_person_asks_for_starts_nothing(server, ps, host, system):
    account = proved(ps, host, "u5", system, ResetPasswordOnMismatchFlag=True)
    host.set_password("u5", "Somebody-else-5!")
    assert account.test() is False
    time.sleep(2)
    assert changes(server, account) == []
    # The agent finds it later, although it is known by then.
    run_daily(server, account)
    wait_for(lambda: changes(server, account) == [("mismatch", "done")], timeout=40)


def test_one_mismatch_one_change_however_often_it_is_seen(server, ps, host):
    system = take_on_host(ps, host)
    account = proved(ps, host, "u6", system, ResetPasswordOnMismatchFlag=True)
    right = ok(ps.get(f"/ManagedSystems/{system}"))["FunctionalAccountID"]
    body = {"PlatformID": 2, "AccountName": "func", "DisplayName": "func with a wrong password", "Password": "Not-this-1!", "ElevationCommand": "sudo"}
    wrong = ok(ps.post("/FunctionalAccounts", body), 201)["FunctionalAccountID"]
    number = ok(ps.post("/Requests", {"SystemID": system, "AccountID": account.id, "DurationMinutes": 5}), 201)
    ok(ps.get(f"/Credentials/{number}"))  # keeps the change waiting while its refusal is prepared
    host.set_password("u6", "Somebody-else-6!")
    run_daily(server, account)
    wait_for(lambda: changes(server, account) == [("mismatch", "queued")])
    ok(ps.put(f"/ManagedSystems/{system}", {"FunctionalAccountID": wrong}))
    with Store(server) as db:
        db.execute("UPDATE jobs SET refusals = 4 WHERE account_id = ? AND kind = 'change' AND is_open = 1", (account.id,))
    wait_for(lambda: changes(server, account) == [("mismatch", "refused")], timeout=40)
    ok(ps.put(f"/ManagedSystems/{system}", {"FunctionalAccountID": right}))
    host.run(["faillock", "--user", "func", "--reset"])
    for _ in range(2):
        assert run_daily(server, account)[-1] == ("done", 0, "mismatch")
    time.sleep(2)
    assert changes(server, account) == [("mismatch", "refused")]
    # Right again, and then wrong again: that is another mismatch.
    host.set_password("u6", account.password())
    assert run_daily(server, account)[-1] == ("done", 1, "")
    host.set_password("u6", "Somebody-else-again-6!")
    run_daily(server, account)
    wait_for(lambda: changes(server, account) == [("mismatch", "refused"), ("mismatch", "done")], timeout=60)


@pytest.mark.parametrize("why", ["not managed", "no switch", "own credentials", "no functional account"])
def test_never_where_the_server_may_not(server, ps, host, why):
    system = take_on_host(ps, host)
    account = proved(ps, host, "u7", system, ResetPasswordOnMismatchFlag=True)
    change = {"not managed": {"AutoManagementFlag": False}, "no switch": {"ResetPasswordOnMismatchFlag": False}, "own credentials": {"UseOwnCredentials": True}}.get(why)
    if change:
        ok(ps.put(f"/ManagedAccounts/{account.id}", change))
    else:
        ok(ps.put(f"/ManagedSystems/{system}", {"AutoManagementFlag": False}))
    before = host.failed_logins("u7")
    host.set_password("u7", "Somebody-else-7!")
    found = run_daily(server, account)[-1]
    assert found[:2] == ("done", 0)
    time.sleep(2)
    assert changes(server, account) == []
    assert host.failed_logins("u7") - before <= 1
    host.run(["faillock", "--user", "u7", "--reset"])


def test_the_reset_keeps_quiet_after_a_clear_read(server, ps, host, system):
    account = proved(ps, host, "u8", system, ResetPasswordOnMismatchFlag=True)
    number = ok(ps.post("/Requests", {"SystemID": account.system_id, "AccountID": account.id, "DurationMinutes": 5}), 201)
    host.set_password("u8", "Somebody-else-8!")
    ok(ps.get(f"/Credentials/{number}"))
    read_at = rows_of(server, "SELECT last_read_at FROM managed_accounts WHERE id = ?", (account.id,))[0][0]
    run_daily(server, account)
    wait_for(lambda: changes(server, account) == [("mismatch", "done")], timeout=40)
    sent_at = rows_of(server, "SELECT sent_at FROM jobs WHERE account_id = ? AND trigger_kind = 'mismatch'", (account.id,))[0][0]
    assert sent_at >= read_at + QUIET_S * 1000000


def test_what_tells_nothing_changes_nothing(server, ps, admin, tmp_path):
    """A host that is away, a budget that is spent, an account that is locked."""
    with SshHost(tmp_path / "other") as other:
        account = proved(ps, other, "u1", take_on_host(ps, other, Timeout=5), ResetPasswordOnMismatchFlag=True)
        other.stop()
        assert run_daily(server, account)[-1][:2] == ("done", 0)
        assert state(admin, account) == "proved" and changes(server, account) == []
    with SshHost(tmp_path / "locked") as locked:
        account = proved(ps, locked, "u1", take_on_host(ps, locked), ResetPasswordOnMismatchFlag=True)
        with Store(server) as db:
            db.execute("INSERT INTO login_budgets (account_id, failures, window_at) VALUES (?, 2, ?)", (-account.system_id, store_now(server)))
        assert run_daily(server, account)[-1] == ("done", 0, "budget")
        assert state(admin, account) == "proved" and changes(server, account) == []


def test_days_of_a_wrong_password_never_lock_an_account(server, ps, admin, host):
    """Where the verifier cannot be read a login has to tell; one that has told so is not tried again every day."""
    system = take_on_host(ps, host)
    account = proved(ps, host, "s1", system)
    ok(ps.put(f"/ManagedAccounts/{account.id}", {"UseOwnCredentials": True}))  # no functional account takes part
    host.set_password("s1", "Somebody-else-9!")
    for _ in range(5):
        run_daily(server, account)
        with Store(server) as db:  # another day: the budget is whole again
            db.execute("DELETE FROM login_budgets WHERE account_id = ?", (account.id,))
    assert host.failed_logins("s1") <= 1, "a login was spent each day"
    assert state(admin, account) == "mismatch" and host.can_login("s1", "Somebody-else-9!")


def test_after_a_long_sleep_the_tests_come_one_by_one(server, ps, host, system):
    account = proved(ps, host, "s2", system)
    set_test_due(server, account.id, -3 * DAY_S)
    at = wait_for(lambda: (lambda t: t if t > store_now(server) else None)(rows_of(server, "SELECT next_test_at FROM managed_accounts WHERE id = ?", (account.id,))[0][0]), timeout=15)
    assert at <= store_now(server) + 3600 * 1000000 and daily_tests(server, account) == []


def test_a_systems_switches_are_what_its_accounts_begin_with(ps, host):
    system = take_on_host(ps, host, CheckPasswordFlag=True, ResetPasswordOnMismatchFlag=True)
    shown = ok(ps.get(f"/ManagedSystems/{system}"))
    assert shown["CheckPasswordFlag"] is True and shown["ResetPasswordOnMismatchFlag"] is True
    account = Managed(ps, host, "u1", system=system).show()
    assert account["CheckPasswordFlag"] is True and account["ResetPasswordOnMismatchFlag"] is True
    other = Managed(ps, host, "u2", system=system, CheckPasswordFlag=False).show()
    assert other["CheckPasswordFlag"] is False and other["ResetPasswordOnMismatchFlag"] is True
