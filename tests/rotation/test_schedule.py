"""What the server starts by itself and when (passwordsafe-api 8.1, 8.2, 8.4): dates, releases, quiet; and that nothing else turns an account."""
import concurrent.futures
import subprocess
import time

import drifting
import pytest
from clock_fixtures import DAY_S, ShiftedServer, build_shim, jobs_of, next_change, set_due, store_now
from conftest import Managed, take_on_host
from ssh_host import SshHost
from store import Store, rows_of
from support import Server, ok, wait_for

QUIET_S = 4
JUMPS = [DAY_S, -DAY_S, 31 * DAY_S, -31 * DAY_S, 3653 * DAY_S, -3653 * DAY_S]


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    server = Server(directory=str(tmp_path_factory.mktemp("server")), options=["--quiet", str(QUIET_S)])
    server.start()
    yield server
    server.stop()


@pytest.fixture(scope="module")
def system(ps, host):
    return take_on_host(ps, host)


@pytest.fixture(scope="module")
def shim(tmp_path_factory):
    return build_shim(tmp_path_factory.mktemp("shim"))


def settled(account):
    return account.show()["ChangeState"] == 0


def changes(server, account):
    return [trigger for trigger, _ in jobs_of(server, account.id)]


def fresh(ps, host, name, system, **more):
    """An account whose first password the host has again."""
    account = Managed(ps, host, name, system=system, **more)
    host.set_password(name, account.first)
    return account


@pytest.fixture(autouse=True)
def no_account_left(request, ps, system):
    """Each test takes on an account of the one host anew."""
    yield
    for account in ok(ps.get(f"/ManagedSystems/{system}/ManagedAccounts")):
        wait_for(lambda: ps.delete(f"/ManagedAccounts/{account['ManagedAccountID']}").status_code == 200, timeout=60)


# -- dates


def test_a_date_that_is_reached_fires_once_and_the_next_one_follows(server, ps, host, system):
    account = fresh(ps, host, "u1", system, ChangeFrequencyType="xdays", ChangeFrequencyDays=10, ChangeTime="02:00")
    set_due(server, account.id, 1)
    wait_for(lambda: jobs_of(server, account.id) == [("schedule", "done")], timeout=30)
    assert host.can_login("u1", account.password()) and not host.can_login("u1", account.first)
    ahead = next_change(server, account.id) - store_now(server)
    assert 8 * DAY_S < ahead / 1e6 < 10 * DAY_S + 1
    time.sleep(3)
    assert changes(server, account) == ["schedule"]


@pytest.mark.parametrize("kind", ["first", "last"])
def test_the_months_dates(server, ps, host, system, kind):
    account = fresh(ps, host, "u2", system, ChangeFrequencyType=kind, ChangeTime="04:30")
    shown = account.show()["NextChangeDate"]
    assert shown.endswith("T04:30:00") and shown[8:10] in ({"01"} if kind == "first" else {"28", "29", "30", "31"})
    set_due(server, account.id, -60)
    wait_for(lambda: jobs_of(server, account.id) == [("schedule", "done")], timeout=30)
    assert account.show()["NextChangeDate"] == shown


def test_one_that_the_server_may_not_turn_has_no_date(server, ps, host, system):
    account = fresh(ps, host, "u3", system, auto=False)
    assert account.show()["NextChangeDate"] is None
    set_due(server, account.id, -60)  # a row that nobody could have written: the flag counts, not the date
    time.sleep(3)
    assert changes(server, account) == [] and host.can_login("u3", account.first)


def test_a_server_that_slept_over_several_dates_fires_once(server, ps, host, system):
    account = fresh(ps, host, "u4", system, ChangeFrequencyType="xdays", ChangeFrequencyDays=1, ChangeTime="00:00")
    server.stop()
    set_due(server, account.id, -3 * DAY_S)
    server.start()
    ps.base = account.ps.base = server.url
    wait_for(lambda: jobs_of(server, account.id) == [("schedule", "done")], timeout=30)
    time.sleep(3)
    assert changes(server, account) == ["schedule"] and next_change(server, account.id) > store_now(server)


def test_one_that_is_weeks_late_waits_for_its_next_date(server, ps, host, system):
    account = fresh(ps, host, "u5", system)
    set_due(server, account.id, -8 * DAY_S)
    wait_for(lambda: next_change(server, account.id) > store_now(server), timeout=20)
    assert changes(server, account) == [] and host.can_login("u5", account.first)


def test_a_restart_fires_nothing(server, ps, host, system):
    account = fresh(ps, host, "u6", system)
    before = next_change(server, account.id)
    for _ in range(2):
        server.stop()
        server.start()
        time.sleep(2)
    ps.base = account.ps.base = server.url
    assert changes(server, account) == [] and next_change(server, account.id) == before


def test_an_import_of_many_turns_nothing(server, ps, host):
    system = take_on_host(ps, host, port=1)
    made = []
    for number in range(200):
        body = {"AccountName": f"import{number}", "Password": f"Known-{number}", "AutoManagementFlag": True, "CheckPasswordFlag": True, "ResetPasswordOnMismatchFlag": True,
                "ChangeFrequencyType": ["first", "last", "xdays"][number % 3], "ChangeFrequencyDays": 1, "ChangeTime": "00:00" if number % 2 else time.strftime("%H:%M", time.gmtime())}
        made.append(ok(ps.post(f"/ManagedSystems/{system}/ManagedAccounts", body), 201)["ManagedAccountID"])
    time.sleep(3)
    assert rows_of(server, "SELECT COUNT(*) FROM jobs WHERE kind = 'change' AND account_id >= ?", (made[0],)) == [(0,)]
    dates = rows_of(server, "SELECT next_change_at, next_test_at FROM managed_accounts WHERE id >= ?", (made[0],))
    assert len(dates) == 200 and all(change > store_now(server) for change, _ in dates)
    assert len({test // 3600000000 % 24 for _, test in dates}) > 18, "the tests are spread over the day"
    assert ps.delete(f"/ManagedSystems/{system}").status_code in (200, 409)


# -- a clock that jumps


@pytest.mark.parametrize("jump", JUMPS, ids=lambda s: f"{s // DAY_S:+d} days")
def test_a_jump_of_the_clock_turns_nothing(tmp_path, shim, host, jump):
    server = ShiftedServer(str(tmp_path), shim)
    try:
        server.start()
        ps = server.passwordsafe()
        account = Managed(ps, host, "s2")
        host.set_password("s2", account.first)
        due_soon = Managed(ps, host, "nobodyhere", password="x", system=account.system_id)
        set_due(server, account.id, DAY_S / 2)
        set_due(server, due_soon.id, 30 * DAY_S)
        before = [next_change(server, account.id), next_change(server, due_soon.id)]
        server.jump(jump)
        time.sleep(4)
        assert [next_change(server, account.id), next_change(server, due_soon.id)] == before
        assert changes(server, account) == changes(server, due_soon) == []
        has_noticed = "the clock has jumped" in server.log_text()
        assert has_noticed == (jump > 0 and not server.store), "on a shared store the store's clock counts"
        # The clockwork goes on meanwhile, by the time that it believes: what is due is done, and what is asked for.
        set_due(server, account.id, 0 if jump > 0 or server.store else jump)
        wait_for(lambda: [trigger for trigger, state in jobs_of(server, account.id) if state == "done"] == ["schedule"], timeout=30)
        server.jump(0)
        time.sleep(3)
        assert changes(server, due_soon) == [] and next_change(server, due_soon.id) == before[1]
        assert host.can_login("s2", rows_password(server, account))
    finally:
        server.close()


def kill_connectors(server):
    launcher, = subprocess.run(["pgrep", "-P", str(server.process.pid), "-x", "keyturn-launch"], capture_output=True, text=True, check=True).stdout.split()
    subprocess.run(["pkill", "-KILL", "-P", launcher], check=True)


@pytest.mark.parametrize("jump", [DAY_S, -DAY_S], ids=lambda s: f"{s // DAY_S:+d} days")
def test_a_jump_of_the_clock_ends_no_attempt_that_is_under_way(tmp_path, shim, jump):
    """Its connector is gone, and what it has sent arrives two seconds later: looked at before, each password in turn, neither may be live."""
    server = ShiftedServer(str(tmp_path), shim)
    try:
        with SshHost(tmp_path / "slow", setup=drifting.SETUP) as slow:
            server.start()
            account = drifting.account_on(server.passwordsafe(), slow, "u1", timeout=5)
            with drifting.told(slow, "slow", "3"), concurrent.futures.ThreadPoolExecutor(1) as pool:
                put = pool.submit(account.put, {"Password": "Late-second-2!"})
                wait_for(lambda: slow.run("test -e /etc/begun", check=False).returncode == 0, pause=0.05)
                server.jump(jump)
                kill_connectors(server)
                put.result()
                admin = server.controlroom()  # the clock may have ended the former session
                assert drifting.settled(admin, account)["state"] == "done" and slow.has_password("u1", "Late-second-2!")
                steps = [step["step"] for step in ok(admin.own("GET", f"/jobs/{drifting.job_of(admin, account)['id']}"))["steps"]]
                assert steps.count("applying") == 1, "it was looked at, and sent again, while it could still arrive"
    finally:
        server.close()


@pytest.mark.parametrize("jump", JUMPS, ids=lambda s: f"{s // DAY_S:+d} days")
def test_what_was_given_back_while_the_clock_was_wrong_turns_when_it_is_right(tmp_path, shim, host, jump):
    server = ShiftedServer(str(tmp_path), shim)
    try:
        server.start()
        ps = server.passwordsafe()
        account = Managed(ps, host, "s2", ChangePasswordAfterAnyReleaseFlag=True)
        host.set_password("s2", account.first)
        server.jump(jump)
        time.sleep(2)
        ps = server.passwordsafe()
        number = ok(ps.post("/Requests", {"SystemID": account.system_id, "AccountID": account.id, "DurationMinutes": 5}), 201)
        assert ok(ps.get(f"/Credentials/{number}")) == account.first
        assert ps.put(f"/Requests/{number}/Checkin", {}).status_code == 204
        server.jump(0)
        wait_for(lambda: ("release", "done") in jobs_of(server, account.id), timeout=30)
        assert host.can_login("s2", rows_password(server, account)) and not host.can_login("s2", account.first)
    finally:
        server.close()


def test_a_restart_makes_nobody_believe_a_jump(tmp_path, shim, host):
    """Stopped, and killed just after the jump: what was believed last is known to the next start on the same boot."""
    server = ShiftedServer(str(tmp_path), shim)
    try:
        server.start()
        account = Managed(server.passwordsafe(), host, "s2")
        set_due(server, account.id, DAY_S / 2)
        before = next_change(server, account.id)
        server.jump(DAY_S)
        for end in (server.stop, server.kill):
            end()
            server.start()
            time.sleep(4)
            assert changes(server, account) == [] and next_change(server, account.id) == before
            assert ("the clock has jumped" in server.log_text()) == (not server.store)
    finally:
        server.close()


def rows_password(server, account):
    """A client of its own: the token of the other one was made under another clock."""
    ps = server.passwordsafe()
    return ok(ps.post("/ISARequests", {"SystemID": account.system_id, "AccountID": account.id, "DurationMinutes": 1}), 201)


def test_a_job_that_waits_is_not_put_off_by_a_clock_that_goes_back(tmp_path, shim, host):
    server = ShiftedServer(str(tmp_path), shim)
    try:
        server.jump(DAY_S)
        server.start()
        account = Managed(server.passwordsafe(), host, "s1", system=take_on_host(server.passwordsafe(), host, port=1))
        assert account.change({"Queue": True}).status_code == 204
        wait_for(lambda: rows_of(server, "SELECT refusals FROM jobs WHERE account_id = ? AND kind = 'change'", (account.id,))[0][0] == 1, timeout=30)
        ahead = rows_of(server, "SELECT next_try_at FROM jobs WHERE account_id = ? AND kind = 'change'", (account.id,))[0][0] - store_now(server)
        assert ahead > (DAY_S if not server.store else 0) * 1e6
        server.jump(0)
        if not server.store:
            wait_for(lambda: rows_of(server, "SELECT refusals FROM jobs WHERE account_id = ? AND kind = 'change'", (account.id,))[0][0] == 2, timeout=30)
    finally:
        server.close()


def test_what_a_clock_ahead_has_written_is_mended(tmp_path, shim, host):
    """Turned, and read, while the clock was a month ahead: neither the next date nor the quiet time lies in that future."""
    server = ShiftedServer(str(tmp_path), shim, options=["--quiet", str(QUIET_S)])
    try:
        server.start()
        ps = server.passwordsafe()
        turned = fresh(ps, host, "s1", take_on_host(ps, host), ChangeFrequencyType="xdays", ChangeFrequencyDays=10)
        read = fresh(ps, host, "s2", turned.system_id)
        wait_for(lambda: not ok(server.controlroom().own("GET", "/jobs?state=open"))["items"], timeout=60)
        server.jump(30 * DAY_S)
        wait_for(lambda: server.store or "the clock has jumped" in server.log_text())  # unseen it might as well be behind afterwards
        turned.ps = read.ps = server.passwordsafe()
        ask(turned.ps, read)
        assert turned.put({}).status_code == 204
        server.jump(0)
        wait_for(lambda: next_change(server, turned.id) - store_now(server) < 11 * DAY_S * 1e6, timeout=15)
        if server.store:
            return  # the store's clock was right all the time
        assert rows_of(server, "SELECT last_change_at FROM managed_accounts WHERE id = ?", (turned.id,))[0][0] <= store_now(server)
        read.ps = server.passwordsafe()
        assert read.change({"Queue": True}).status_code == 204
        wait_for(lambda: rows_of(server, "SELECT reason_code FROM jobs WHERE account_id = ? AND kind = 'change'", (read.id,)) == [("quiet",)], timeout=20)
        assert rows_of(server, "SELECT next_try_at FROM jobs WHERE account_id = ? AND kind = 'change'", (read.id,))[0][0] - store_now(server) <= QUIET_S * 1e6
    finally:
        server.close()


# -- after a release, and quiet


def ask(ps, account, **more):
    body = {"SystemID": account.system_id, "AccountID": account.id, "DurationMinutes": 5, "Reason": "test"}
    number = ok(ps.post("/Requests", dict(body, **more)), 201)
    return number, ok(ps.get(f"/Credentials/{number}"))


def test_a_release_that_ends_starts_one_change(server, ps, host, system):
    account = fresh(ps, host, "u7", system, ChangePasswordAfterAnyReleaseFlag=True)
    number, password = ask(ps, account)
    assert password == account.first
    assert ps.put(f"/Requests/{number}/Checkin", {}).status_code == 204
    wait_for(lambda: jobs_of(server, account.id) == [("release", "done")], timeout=40)
    assert host.can_login("u7", account.password()) and not host.can_login("u7", password)
    assert ps.put(f"/Requests/{number}/Checkin", {}).status_code == 204  # again: nothing more
    wait_for(lambda: rows_of(server, "SELECT COUNT(*) FROM requests WHERE account_id = ? AND is_settled = 0 AND ends_at <= ?", (account.id, store_now(server))) == [(0,)])
    time.sleep(2)
    assert changes(server, account) == ["release"]


def test_a_request_that_was_never_read_starts_none(server, ps, host, system):
    account = fresh(ps, host, "u8", system, ChangePasswordAfterAnyReleaseFlag=True)
    body = {"SystemID": account.system_id, "AccountID": account.id, "DurationMinutes": 5}
    number = ok(ps.post("/Requests", body), 201)
    assert ps.put(f"/Requests/{number}/Checkin", {}).status_code == 204
    time.sleep(3)
    assert changes(server, account) == []


def test_several_releases_end_in_one_change(server, ps, host, system):
    account = fresh(ps, host, "u1", system, ChangePasswordAfterAnyReleaseFlag=True, MaxConcurrentRequests=0)
    first, _ = ask(ps, account)
    second, _ = ask(ps, account, ConflictOption="renew")
    assert first != second and ps.put(f"/Requests/{second}/Checkin", {}).status_code == 204
    wait_for(lambda: jobs_of(server, account.id) == [("release", "done")], timeout=40)


def test_what_the_server_starts_keeps_quiet_after_a_clear_read(server, ps, host, system):
    account = fresh(ps, host, "u2", system)
    ask(ps, account)
    read_at = time.monotonic()
    set_due(server, account.id, 0)
    wait_for(lambda: jobs_of(server, account.id) == [("schedule", "queued")], timeout=15)
    wait_for(lambda: rows_of(server, "SELECT reason_code FROM jobs WHERE account_id = ? AND kind = 'change'", (account.id,)) == [("quiet",)], timeout=10)
    wait_for(lambda: jobs_of(server, account.id) == [("schedule", "done")], timeout=40)
    assert time.monotonic() - read_at >= QUIET_S - 0.2
    explicit = time.monotonic()
    ask(ps, account, ConflictOption="renew")
    assert account.put({}).status_code == 204 and time.monotonic() - explicit < 60


def test_a_change_at_once_says_that_it_came_right_after_a_read(server, ps, admin, host):
    account = fresh(ps, host, "u8", take_on_host(ps, host))
    checked = []
    for waits_s in (0, QUIET_S + 1):
        ask(ps, account, ConflictOption="renew")
        time.sleep(waits_s)
        assert account.put({}).status_code == 204
        job = ok(admin.own("GET", f"/jobs?kind=change&accountId={account.id}"))["items"][0]["id"]
        checked += [step["text"] for step in ok(admin.own("GET", f"/jobs/{job}"))["steps"] if step["step"] == "checked"]
    assert len(checked) == 2 and "the password was read " in checked[0] and checked[0].endswith(" s ago") and "was read" not in checked[1], checked


def test_quiet_ends_after_an_hour(server, ps, host, system):
    account = fresh(ps, host, "u3", system)
    number, _ = ask(ps, account)
    set_due(server, account.id, 0)
    wait_for(lambda: rows_of(server, "SELECT reason_code FROM jobs WHERE account_id = ? AND kind = 'change'", (account.id,)) == [("quiet",)], timeout=20)
    with Store(server) as db:
        db.execute("UPDATE jobs SET put_off_since = ?, next_try_at = 0 WHERE account_id = ? AND kind = 'change'", (store_now(server) - 3601 * 1000000, account.id))
    assert ok(ps.get(f"/Credentials/{number}"))  # read again: it does not help any more
    wait_for(lambda: jobs_of(server, account.id) == [("schedule", "done")], timeout=30)


def test_keys_that_the_server_manages_begin_with_one_change(server, ps, host, system, admin):
    account = fresh(ps, host, "u4", system)
    assert account.put({}).status_code == 204
    answer = ok(ps.put(f"/ManagedAccounts/{account.id}", {"DSSAutoManagementFlag": True}))
    assert answer["DSSAutoManagementFlag"] is True
    wait_for(lambda: [state for _, state in jobs_of(server, account.id)] == ["done", "done"], timeout=40)
    ok(ps.put(f"/ManagedAccounts/{account.id}", {"DSSAutoManagementFlag": True, "Description": "again"}))
    time.sleep(2)
    assert changes(server, account) == ["caller", "caller"]
    assert ok(ps.post("/ISARequests?type=dsskey", {"SystemID": account.system_id, "AccountID": account.id, "DurationMinutes": 1}), 201).startswith("-----BEGIN")
    state = ok(server.controlroom().own("GET", f"/managed-accounts/{account.id}/state"))
    assert "privatekey" in state["versions"][0]["parts"]


def test_two_that_are_queued_are_one(server, ps, host, system):
    account = fresh(ps, host, "u5", system)
    ask(ps, account)  # the first is put off, so that it is not done before the last was asked for
    for _ in range(5):
        assert account.change({"Queue": True}).status_code == 204
    assert [(trigger, state) for trigger, state in jobs_of(server, account.id)] == [("caller", "queued")]
    wait_for(lambda: settled(account) and account.show()["LastChangeDate"], timeout=30)
    assert jobs_of(server, account.id) == [("caller", "done")]
