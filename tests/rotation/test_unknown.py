"""What is live when the outcome of a change is unknown: never another candidate, no drift too early, no login wasted (design 4, I2 to I4)."""
import concurrent.futures
import contextlib
import re
import time

import pytest
from audits import audit_of
from conftest import Managed, take_on_host
from cut_proxy import CutProxy
from store import Store, rows_of
from support import ok, wait_for

SLOW = r"""
mv /usr/sbin/chpasswd /usr/sbin/chpasswd.real
cat >/usr/sbin/chpasswd <<'PROGRAM'
#!/bin/sh
input=$(cat)
if [ -z "$input" ]; then exec /usr/sbin/chpasswd.real "$@" </dev/null; fi
if [ -e /etc/slow ]; then exec sleep 30; fi
if [ -e /etc/refuses ]; then echo "chpasswd: cannot lock /etc/passwd; try again later." >&2; exit 1; fi
printf '%s\n' "$input" | /usr/sbin/chpasswd.real "$@"
PROGRAM
chmod 755 /usr/sbin/chpasswd
"""


@pytest.fixture(scope="module")
def slow_host(tmp_path_factory):
    """A host that can be told to take longer for a change than the change may take there."""
    from ssh_host import SshHost
    with SshHost(tmp_path_factory.mktemp("slow"), setup=SLOW) as host:
        yield host


@contextlib.contextmanager
def slow(host):
    host.run("touch /etc/slow")
    try:
        yield
    finally:
        host.run("rm -f /etc/slow")


def state_of(admin, account):
    return ok(admin.own("GET", f"/managed-accounts/{account.id}/state"))


def job_of(admin, account):
    return ok(admin.own("GET", f"/jobs?kind=change&accountId={account.id}"))["items"][0]


def is_settled(admin, account):
    return job_of(admin, account)["state"] not in ("queued", "prepared", "applying", "verifying", "resolving")


def test_what_a_test_found_is_said_of_the_version_that_it_tested(ps, host, admin):
    with CutProxy(host.port) as proxy, concurrent.futures.ThreadPoolExecutor(1) as pool:
        account = Managed(ps, host, "u1", system=take_on_host(ps, host, port=proxy.port), auto=False)
        host.set_password("u1", account.first)
        assert account.put({"Password": "Live-1!"}).status_code == 204
        before, proxy.delay_s = proxy.connections, 0.1
        test = pool.submit(account.test)
        wait_for(lambda: proxy.connections > before)
        assert account.put({"Password": "On-no-system-1!", "UpdateSystem": False}).status_code == 204
        test.result()
        state = state_of(admin, account)
        assert state["state"] == "unverified"
        assert [v["lastProved"] for v in state["versions"] if v["standing"] == "current"] == [False]
        proxy.delay_s = 0
        ok(admin.own("POST", f"/managed-accounts/{account.id}/restore", {}))
        assert account.password() == "Live-1!"


def test_the_last_proved_version_is_looked_for_however_many_came_after_it(ps, slow_host, admin):
    account = Managed(ps, slow_host, "u2", system=take_on_host(ps, slow_host, Timeout=5), auto=False)
    slow_host.set_password("u2", account.first)
    assert account.put({"Password": "Proved-1!"}).status_code == 204
    for turn in range(8):
        assert account.put({"Password": f"Only-stored-{turn}!", "UpdateSystem": False}).status_code == 204
    with slow(slow_host):
        answer = account.put({"Password": "Rolled-forward-1!"})
    assert answer.status_code == 409, answer.text
    wait_for(lambda: is_settled(admin, account), timeout=90)
    assert job_of(admin, account)["state"] == "done"
    assert account.password() == "Rolled-forward-1!" and slow_host.can_login("u2", "Rolled-forward-1!")


def test_a_test_waits_for_a_change_as_long_as_the_systems_time_out(ps, slow_host, admin):
    account = Managed(ps, slow_host, "u4", system=take_on_host(ps, slow_host, Timeout=5), auto=False)
    slow_host.set_password("u4", account.first)
    with slow(slow_host):
        assert account.change({"Queue": True}).status_code == 204
        wait_for(lambda: job_of(admin, account)["state"] in ("applying", "resolving"))
        began = time.monotonic()
        answer = ps.post(f"/ManagedAccounts/{account.id}/Credentials/Test")
        took_s = time.monotonic() - began
    assert answer.status_code == 409 and "a change is under way" in answer.text and 4.5 < took_s < 10, (took_s, answer.text)
    wait_for(lambda: is_settled(admin, account), timeout=90)


def test_a_first_change_rolls_forward_where_nothing_was_stored_before(ps, slow_host, admin):
    system = take_on_host(ps, slow_host, Timeout=5)
    with slow(slow_host):
        made = ok(ps.post(f"/ManagedSystems/{system}/ManagedAccounts", {"AccountName": "u3", "ApiEnabled": True, "AutoManagementFlag": True}), 201)
        account = Managed.__new__(Managed)
        account.ps, account.host, account.name, account.system_id, account.id = ps, slow_host, "u3", system, made["ManagedAccountID"]
        wait_for(lambda: any(s["step"] == "resolving" for s in ok(admin.own("GET", f"/jobs/{job_of(admin, account)['id']}"))["steps"]), timeout=60)
        time.sleep(8)
    wait_for(lambda: is_settled(admin, account), timeout=90)
    assert job_of(admin, account)["state"] == "done" and slow_host.can_login("u3", account.password())


def test_a_refused_login_says_nothing_where_only_the_verifier_proves(ps, slow_host, admin):
    account = Managed(ps, slow_host, "root", system=take_on_host(ps, slow_host, Timeout=5), auto=False)
    slow_host.set_password("root", account.first)
    assert account.put({"Password": "Root-compared-1!"}).status_code == 204
    assert state_of(admin, account)["proof"] == "compare"
    failed = slow_host.failed_logins("root")
    with slow(slow_host), concurrent.futures.ThreadPoolExecutor(1) as pool:
        put = pool.submit(account.put, {"Password": "Root-compared-2!"})
        wait_for(lambda: job_of(admin, account)["state"] == "applying")
        slow_host.run("sed -i.kept /getent/d /etc/sudoers.d/func")
        try:
            assert put.result().status_code == 409
            time.sleep(5)
            assert job_of(admin, account)["state"] == "resolving" and slow_host.failed_logins("root") == failed
        finally:
            slow_host.run("cp /etc/sudoers.d/func.kept /etc/sudoers.d/func; rm /etc/sudoers.d/func.kept; chmod 440 /etc/sudoers.d/func")
    wait_for(lambda: is_settled(admin, account), timeout=90)
    assert job_of(admin, account)["state"] == "done" and account.test() is True


def test_a_refused_functional_account_is_not_tried_until_it_is_locked(ps, host, admin):
    system = take_on_host(ps, host, functional="func2")
    account = Managed(ps, host, "u4", system=system, auto=False)
    host.set_password("func2", "Somebody-else-1!")
    try:
        failed = host.failed_logins("func2")
        for turn in range(5):
            answer = account.put({"Password": f"Never-sent-{turn}!"})
            assert answer.status_code == 400 and answer.text.startswith("Credential not changed: "), answer.text
        assert "budget" in answer.text and host.failed_logins("func2") - failed <= 2
    finally:
        host.set_password("func2", "Func-Start-2!")


def test_an_account_that_changes_itself_is_not_locked_by_a_wrong_password(ps, host, admin):
    body = {"EntityTypeID": 1, "HostName": "self-host-2", "IPAddress": "127.0.0.1", "PlatformID": 2, "Port": host.port, "Timeout": 20}
    system = ok(ps.post("/Workgroups/1/ManagedSystems", body), 201)["ManagedSystemID"]
    host.set_password("u7", "Own-start-1!")
    account = Managed(ps, host, "u7", password="Own-start-1!", system=system, auto=False, UseOwnCredentials=True)
    assert account.put({"Password": "Own-second-22!"}).status_code == 204
    host.set_password("u7", "Somebody-else-1!")
    failed = host.failed_logins("u7")
    for turn in range(5):
        assert account.put({"Password": f"Own-third-{turn}3!"}).status_code == 400
    assert host.failed_logins("u7") - failed <= 2 and account.password() == "Own-second-22!"


def test_a_test_that_would_cost_too_many_logins_says_until_when(ps, host, admin):
    account = Managed(ps, host, "u6", password="Own-start-6!", auto=False, UseOwnCredentials=True)
    host.set_password("u6", "Somebody-else-6!")
    failed = host.failed_logins("u6")
    answers = [ps.post(f"/ManagedAccounts/{account.id}/Credentials/Test") for _ in range(3)]
    assert [answer.status_code for answer in answers] == [200, 200, 400]
    assert re.fullmatch(r"Test not run: failed-login budget spent until [0-2]\d:[0-5]\d", answers[2].text), answers[2].text
    time.sleep(1)  # the host's log comes late
    assert host.failed_logins("u6") - failed == 2


def test_a_test_waits_for_a_change_and_then_says_so(ps, slow_host, admin):
    account = Managed(ps, slow_host, "u7", system=take_on_host(ps, slow_host, Timeout=5), auto=False)
    slow_host.set_password("u7", account.first)
    with slow(slow_host):
        assert account.put({"Password": "Long-1!"}).status_code == 409
        answer = ps.post(f"/ManagedAccounts/{account.id}/Credentials/Test")
        assert (answer.status_code, answer.text) == (409, f"Test not run: a change is under way: job {job_of(admin, account)['id']}")
    wait_for(lambda: is_settled(admin, account), timeout=90)
    assert account.test() is True


def test_without_any_proof_nothing_is_changed_and_the_cures_are_named(ps, slow_host, admin):
    account = Managed(ps, slow_host, "u8", password="Not-the-live-one-1!", auto=False)
    slow_host.run("sed -i.kept /getent/d /etc/sudoers.d/func")
    try:
        answer = account.put({"Password": "Never-sent-1!"})
    finally:
        slow_host.run("cp /etc/sudoers.d/func.kept /etc/sudoers.d/func; rm /etc/sudoers.d/func.kept; chmod 440 /etc/sudoers.d/func")
    assert answer.status_code == 400 and answer.text.startswith("Credential not changed: no proof possible"), answer.text
    assert "sudo getent shadow NAME" in answer.text and "allow the account to log in" in answer.text
    assert job_of(admin, account)["state"] == "refused" and state_of(admin, account)["proof"] == "none"
    assert account.password() == account.first and not slow_host.can_login("u8", "Never-sent-1!")


def test_a_wrong_password_costs_a_test_one_login(ps, host, admin):
    account = Managed(ps, host, "u8", password="Own-start-8!", auto=False, UseOwnCredentials=True)
    host.set_password("u8", "Somebody-else-8!")
    failed = host.failed_logins("u8")
    assert account.test() is False
    time.sleep(1)  # the host's log comes late
    assert host.failed_logins("u8") - failed == 1
    host.set_password("u8", "Own-start-8!")
    assert account.test() is True and state_of(admin, account)["proof"] == "login"


def test_the_name_stays_while_a_change_is_under_way(ps, slow_host, admin):
    account = Managed(ps, slow_host, "u5", system=take_on_host(ps, slow_host, Timeout=5), auto=False)
    slow_host.set_password("u5", account.first)
    with slow(slow_host):
        assert account.put({"Password": "Named-1!"}).status_code == 409
        for name, value in {"AccountName": "u6", "DistinguishedName": "CN=u6,DC=example", "UserPrincipalName": "u6@example.com", "SAMAccountName": "u6",
                            "UseOwnCredentials": True}.items():
            answer = ps.put(f"/ManagedAccounts/{account.id}", {name: value})
            assert answer.status_code == 409 and answer.text.startswith(f"{name}: this account has an unfinished job"), (name, answer.text)
        assert ps.put(f"/ManagedAccounts/{account.id}", {"AccountName": "u5", "Description": "x"}).status_code == 200
    wait_for(lambda: is_settled(admin, account), timeout=90)
    assert ps.put(f"/ManagedAccounts/{account.id}", {"AccountName": "u6"}).status_code == 200


def test_the_functional_account_stays_while_a_change_is_under_way(ps, slow_host, admin):
    """Without auto-management it is dropped silently; the change needs it to be settled."""
    system = take_on_host(ps, slow_host, Timeout=5)
    account = Managed(ps, slow_host, "u5", system=system, auto=False)
    slow_host.set_password("u5", account.first)
    functional = ok(ps.get(f"/ManagedSystems/{system}"))["FunctionalAccountID"]
    with slow(slow_host):
        assert account.put({"Password": "Settled-by-it-1!"}).status_code == 409
        answer = ps.put(f"/ManagedSystems/{system}", {"AutoManagementFlag": False})
        assert answer.status_code == 409 and answer.text.startswith("This system has an unfinished job"), answer.text
        assert ok(ps.get(f"/ManagedSystems/{system}"))["FunctionalAccountID"] == functional
        assert ps.put(f"/ManagedSystems/{system}", {"Description": "x"}).status_code == 200
    wait_for(lambda: is_settled(admin, account), timeout=90)
    assert state_of(admin, account)["state"] == "proved" and account.password() == "Settled-by-it-1!"


def test_what_was_proved_elsewhere_is_not_proved(ps, host, admin):
    system = take_on_host(ps, host)
    account = Managed(ps, host, "u7", system=system)
    host.set_password("u7", account.first)
    assert account.test() is True and state_of(admin, account)["state"] == "proved"
    functional = ok(ps.get(f"/ManagedSystems/{system}"))["FunctionalAccountID"]
    assert ps.put(f"/ManagedSystems/{system}", {"FunctionalAccountID": functional, "Timeout": 21, "Port": host.port}).status_code == 200
    assert state_of(admin, account)["state"] == "proved", "it stands where it stood"
    with CutProxy(host.port) as elsewhere:
        assert ps.put(f"/ManagedSystems/{system}", {"Port": elsewhere.port}).status_code == 200
        state = state_of(admin, account)
        assert (state["state"], state["proof"]) == ("unverified", None) and account.password() == account.first
        assert account.put({"Password": "At-the-new-place-1!"}).status_code == 204
        assert state_of(admin, account)["state"] == "proved" and host.can_login("u7", "At-the-new-place-1!")


def test_a_comparison_that_waits_goes_with_its_account(ps, host, admin, server):
    account = Managed(ps, host, "u6", system=take_on_host(ps, host, port=1), auto=False)
    audit_of(server, account)
    wait_for(lambda: rows_of(server, "SELECT state FROM jobs WHERE kind = 'audit' AND account_id = ?", (account.id,)) == [("resolving",)], timeout=30)
    assert ps.delete(f"/ManagedAccounts/{account.id}").status_code == 200
    assert rows_of(server, "SELECT state, is_open FROM jobs WHERE kind = 'audit' AND account_id = ?", (account.id,)) == [("dropped", 0)]


def test_a_link_that_does_not_verify_stops_its_own_account_only(ps, host, admin, server):
    system = take_on_host(ps, host)
    broken, sound = (Managed(ps, host, name, system=system) for name in ("s1", "s2"))
    credential = ok(admin.post("/v2/credentialvault/credentials", {"name": "follows s1", "attributes": [
        {"name": name, "userProvided": False, "masked": True} for name in ("one", "two")]}), 201)
    links = [ok(admin.own("PUT", f"/managed-accounts/{broken.id}/links", {"part": "password", "end": {"attributeId": int(a["id"])}, "release": "consumers"}))["id"]
             for a in credential["attributes"]]
    wait_for(lambda: not ok(admin.own("GET", f"/jobs?state=open&systemId={system}"))["items"], timeout=60)
    now = int(time.time() * 1e6)
    with Store(server) as db:
        db.execute("UPDATE links SET release = 'none', last_read_at = 1 WHERE account_id = ?", (broken.id,))
        db.execute("UPDATE managed_accounts SET next_change_at = ? WHERE id = ?", (now - 2, broken.id))
        db.execute("UPDATE managed_accounts SET next_change_at = ? WHERE id = ?", (now - 1, sound.id))
    wait_for(lambda: sound.password() != sound.first, timeout=30)
    assert broken.password() == broken.first
    for link in links:
        ok(admin.own("DELETE", f"/links/{link}"), 204)
    wait_for(lambda: broken.password() != broken.first, timeout=30)


def test_a_locked_account_is_no_drift(ps, admin, server, tmp_path):
    """Where only logins tell, and none is let in, nothing is known: the job waits, and goes on when the lock is off."""
    from ssh_host import SshHost
    with SshHost(tmp_path / "strict", setup=SLOW, faillock_deny=3) as host, concurrent.futures.ThreadPoolExecutor(1) as pool:
        account = Managed(ps, host, "u1", system=take_on_host(ps, host, Timeout=5), auto=False)
        host.set_password("u1", account.first)
        assert account.put({"Password": "Before-lock-1!"}).status_code == 204
        with slow(host):
            put = pool.submit(account.put, {"Password": "After-lock-2!"})
            wait_for(lambda: job_of(admin, account)["state"] == "applying")
            host.run("sed -i /getent/d /etc/sudoers.d/func")
            for _ in range(3):
                assert not host.can_login("u1", "Wrong-1!")
            assert not host.can_login("u1", "Before-lock-1!") and put.result().status_code == 409
        wait_for(lambda: "budget" in job_of(admin, account)["reason"] or is_settled(admin, account), timeout=40)
        steps = ok(admin.own("GET", f"/jobs/{job_of(admin, account)['id']}"))["steps"]
        assert sum("is locked, so that no login tells" in step["text"] for step in steps) == 1, "said once"
        assert job_of(admin, account)["state"] == "resolving" and state_of(admin, account)["state"] == "unknown"
        host.run(["/usr/sbin/faillock", "--user", "u1", "--reset"])
        with Store(server) as db:
            db.execute("DELETE FROM login_budgets WHERE account_id = ?", (account.id,))
        ok(admin.own("POST", f"/jobs/{job_of(admin, account)['id']}/retry"))
        wait_for(lambda: is_settled(admin, account), timeout=60)
        assert job_of(admin, account)["state"] == "done" and host.can_login("u1", "After-lock-2!")


def test_what_was_refused_when_it_was_sent_again_ends_refused(ps, admin, server, tmp_path):
    """By logins, which a budget may stop in between: that it was refused is not forgotten meanwhile, and nothing is sent for ever."""
    from ssh_host import SshHost
    with SshHost(tmp_path / "refusing", setup=SLOW) as host, concurrent.futures.ThreadPoolExecutor(1) as pool:
        account = Managed(ps, host, "u1", system=take_on_host(ps, host, Timeout=5), auto=False)
        host.set_password("u1", account.first)
        assert account.put({"Password": "Before-it-1!"}).status_code == 204
        with slow(host):
            put = pool.submit(account.put, {"Password": "Not-taken-2!"})
            wait_for(lambda: job_of(admin, account)["state"] == "applying")
            wait_for(lambda: "sleep 30" in host.run("ps -eo args").stdout)
        host.run("sed -i /getent/d /etc/sudoers.d/func; touch /etc/refuses")
        assert put.result().status_code == 409
        number = job_of(admin, account)["id"]

        def reason():
            return rows_of(server, "SELECT reason_code, attempt FROM jobs WHERE id = ?", (number,))[0]
        wait_for(lambda: reason() == ("refused_again", 2), timeout=60)

        def steps():
            return [step["text"] for step in ok(admin.own("GET", f"/jobs/{number}"))["steps"]]
        with Store(server) as db:  # as if somebody had mistyped it meanwhile: no login is left
            db.execute("UPDATE login_budgets SET failures = 2 WHERE account_id = ?", (account.id,))
        admin.own("POST", f"/jobs/{number}/retry")
        wait_for(lambda: any("failed logins" in text or "budget" in text for text in steps()), timeout=40)
        assert reason() == ("refused_again", 2) and "cannot lock" in job_of(admin, account)["reason"]
        with Store(server) as db:
            db.execute("DELETE FROM login_budgets WHERE account_id = ?", (account.id,))
        ok(admin.own("POST", f"/jobs/{number}/retry"))
        wait_for(lambda: is_settled(admin, account), timeout=60)
        assert job_of(admin, account)["state"] == "refused" and reason()[1] == 2, "it was sent twice, and not again"
        assert account.password() == "Before-it-1!" and host.can_login("u1", "Before-it-1!")


def test_a_host_that_is_away_for_long_is_asked_less_often_and_noted_once(ps, slow_host, admin, server):
    system = take_on_host(ps, slow_host, Timeout=5)
    account = Managed(ps, slow_host, "u7", system=system, auto=False)
    slow_host.set_password("u7", account.first)
    with slow(slow_host):
        assert account.put({"Password": "On-its-way-2!"}).status_code == 409
    number = job_of(admin, account)["id"]
    with Store(server) as db:  # as if it had been away for a minute
        db.execute("UPDATE managed_systems SET port = 1 WHERE id = ?", (system,))
        db.execute("UPDATE jobs SET sent_at = sent_at - 60000000 WHERE id = ?", (number,))

    def pause_s():
        due, leased = rows_of(server, "SELECT next_try_at, leased_until FROM jobs WHERE id = ?", (number,))[0]
        return 0 if leased else due / 1e6 - time.time()
    for _ in range(3):
        admin.own("POST", f"/jobs/{number}/retry")
        wait_for(lambda: 8 < pause_s() < 31, timeout=40)
    texts = [step["text"] for step in ok(admin.own("GET", f"/jobs/{number}"))["steps"] if step["step"] == "resolving"]
    assert texts.count("connection refused") == 1 and texts[-1] == "connection refused", texts
    with Store(server) as db:
        db.execute("UPDATE managed_systems SET port = ? WHERE id = ?", (slow_host.port, system))
    admin.own("POST", f"/jobs/{number}/retry")
    wait_for(lambda: is_settled(admin, account), timeout=60)
    assert state_of(admin, account)["state"] == "proved" and account.password() == "On-its-way-2!"


def test_the_owners_mistakes_and_ours_are_no_drift(ps, admin, server, tmp_path):
    """The change is lost, the owner has mistyped twice: the new one is denied for that alone, and by then the old one is locked out."""
    from ssh_host import SshHost
    with SshHost(tmp_path / "strict", setup=SLOW, faillock_deny=3) as host, concurrent.futures.ThreadPoolExecutor(1) as pool:
        account = Managed(ps, host, "u1", system=take_on_host(ps, host, Timeout=5), auto=False)
        assert account.put({"Password": "Before-lock-1!"}).status_code == 204
        host.run("sed -i /getent/d /etc/sudoers.d/func")
        with slow(host):
            put = pool.submit(account.put, {"Password": "After-lock-2!"})
            wait_for(lambda: job_of(admin, account)["state"] == "applying")
            for _ in range(2):
                assert not host.can_login("u1", "Wrong-1!")
        assert put.result().status_code == 409, put.result().text
        wait_for(lambda: "budget" in job_of(admin, account)["reason"] or is_settled(admin, account), timeout=40)
        assert job_of(admin, account)["state"] == "resolving" and state_of(admin, account)["state"] == "unknown"
        assert host.has_password("u1", "After-lock-2!")
        host.run(["/usr/sbin/faillock", "--user", "u1", "--reset"])
        with Store(server) as db:
            db.execute("DELETE FROM login_budgets WHERE account_id = ?", (account.id,))
        ok(admin.own("POST", f"/jobs/{job_of(admin, account)['id']}/retry"))
        wait_for(lambda: is_settled(admin, account), timeout=60)
        assert job_of(admin, account)["state"] == "done" and host.can_login("u1", "After-lock-2!")


def test_a_change_goes_to_no_host_that_the_system_was_moved_away_from(ps, host, admin):
    """A candidate that waits for its next try: the system is moved while the worker looks at the old place."""
    with CutProxy(host.port) as old:
        system = take_on_host(ps, host, port=old.port, Timeout=20)
        account = Managed(ps, host, "u6", system=system)
        host.set_password("u6", account.first)
        host.freeze()
        try:
            assert account.change({"Queue": True}).status_code == 204
            before = old.connections
            wait_for(lambda: job_of(admin, account)["reason"], timeout=60)
        finally:
            host.thaw()
        old.delay_s, before = 0.3, old.connections
        ok(admin.own("POST", f"/jobs/{job_of(admin, account)['id']}/retry"))
        wait_for(lambda: old.connections > before, timeout=20)
        assert ps.put(f"/ManagedSystems/{system}", {"Port": 1}).status_code == 200
        time.sleep(8)
        assert host.has_password("u6", account.first) and account.password() == account.first
        assert job_of(admin, account)["state"] == "queued"
        assert ps.put(f"/ManagedSystems/{system}", {"Port": host.port}).status_code == 200
        ok(admin.own("POST", f"/jobs/{job_of(admin, account)['id']}/retry"))
        wait_for(lambda: is_settled(admin, account), timeout=60)
        assert job_of(admin, account)["state"] == "done" and host.can_login("u6", account.password())


def test_nobody_is_told_of_another_job_that_has_got_the_id_of_his(server, ps, host, admin):
    """As after a store that was wound back: the job that he waits for is lost, and its id is given out again."""
    with CutProxy(host.port) as slow_way, concurrent.futures.ThreadPoolExecutor(1) as pool:
        waiting = Managed(ps, host, "u4", system=take_on_host(ps, host, port=slow_way.port, Timeout=6), auto=False)
        other = Managed(ps, host, "u5", auto=False)
        host.set_password("u5", other.first)
        slow_way.delay_s = 2
        put = pool.submit(waiting.put, {"Password": "Never-sent-1!"})
        lost = wait_for(lambda: ok(admin.own("GET", f"/jobs?kind=change&accountId={waiting.id}"))["items"])[0]["id"]
        with Store(server) as db:
            db.execute("DELETE FROM job_steps WHERE job_id = ?", (lost,))
            db.execute("DELETE FROM jobs WHERE id = ?", (lost,))
            if not server.store:
                db.execute("UPDATE sqlite_sequence SET seq = ? WHERE name = 'jobs'", (lost - 1,))
            else:
                db.execute(f"ALTER TABLE jobs ALTER COLUMN id RESTART WITH {lost}")
        assert other.put({"Password": "Other-Account-1!"}).status_code == 204
        assert job_of(admin, other)["id"] == lost
        answer = put.result()
        assert answer.status_code == 409 and "has lost job" in answer.text
