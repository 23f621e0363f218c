"""The five credential endpoints against a real sshd (seed 002, passwordsafe-api 5)."""
import concurrent.futures
import contextlib
import time
import urllib.parse

import hostile
import pytest
from conftest import Managed, take_on_host
from support import ok, wait_for


@pytest.fixture(scope="module")
def system(ps, host):
    return take_on_host(ps, host)


def test_a_given_password_is_set_on_the_host_and_in_the_vault(ps, host, system):
    account = Managed(ps, host, "u1", system=system)
    new = "N3w-Pa55: it's; \"odd\" ü!"
    assert account.put({"Password": new}).status_code == 204
    assert host.can_login("u1", new) and not host.can_login("u1", account.first)
    assert account.password() == new
    state = account.show()
    assert (state["ChangeState"], state["IsChanging"]) == (0, False) and state["LastChangeDate"]
    assert account.test() is True


def test_without_a_password_one_is_made_by_the_rule(ps, host, system):
    account = Managed(ps, host, "u2", system=system)
    assert account.put({}).status_code == 204
    first = account.password()
    assert host.can_login("u2", first) and 12 <= len(first) <= 20
    assert account.change().status_code == 204
    second = account.password()
    assert second != first and host.can_login("u2", second)


def test_store_only_leaves_the_host_alone(ps, host, system, admin):
    account = Managed(ps, host, "u3", system=system)
    before = host.shadow("u3")
    assert account.put({"Password": "Only-stored-1", "UpdateSystem": False}).status_code == 204
    assert host.shadow("u3") == before and account.password() == "Only-stored-1"
    assert account.test() is False
    state = ok(admin.own("GET", f"/managed-accounts/{account.id}/state"))
    assert state["state"] == "mismatch"
    # Only what was proved once can be restored: the first password never was, so the way out is a change.
    assert admin.own("POST", f"/managed-accounts/{account.id}/restore", {}).status_code == 409
    assert account.put({"Password": "Proved-1!"}).status_code == 204
    assert host.can_login("u3", "Proved-1!") and account.test() is True
    assert account.put({"Password": "Only-stored-2", "UpdateSystem": False}).status_code == 204
    ok(admin.own("POST", f"/managed-accounts/{account.id}/restore", {}))
    assert account.password() == "Proved-1!" and account.test() is True


def test_by_workgroup_asset_and_account_name(ps, host):
    account = Managed(ps, host, "u4", system=take_on_host(ps, host, name="Web Server"))
    where = "/Credentials?workgroupName=Default%20Workgroup&assetName=WEB+server&accountName="
    assert ps.put(where + "U4", {"Password": "By-name-1!"}).status_code == 204
    assert host.can_login("u4", "By-name-1!") and account.password() == "By-name-1!"
    assert ps.put(where + "nobody", {}).status_code == 404
    assert ps.put("/Credentials?workgroupName=no&assetName=web&accountName=u4", {}).text == "Workgroup not found"
    assert ps.put("/Credentials?workgroupName=Default%20Workgroup", {}).status_code == 400


def test_root_without_a_login_is_proved_by_compare(ps, host, system, admin):
    account = Managed(ps, host, "root", system=system)
    assert account.put({"Password": "Root-new-1!"}).status_code == 204
    assert ok(admin.own("GET", f"/managed-accounts/{account.id}/state"))["proof"] == "compare"
    assert account.test() is True
    host.set_password("root", "Somebody-else-1!")
    assert account.test() is False
    assert account.put({}).status_code == 204 and account.test() is True


def test_a_functional_account_that_is_asked_for_its_password(ps, host):
    account = Managed(ps, host, "u5", functional="func2")
    assert account.put({"Password": "Asked-by-sudo-1!"}).status_code == 204
    assert host.can_login("u5", "Asked-by-sudo-1!")


def test_a_sha512_host_entry_keeps_its_scheme(ps, host, system):
    account = Managed(ps, host, "s1", system=system)
    assert account.put({"Password": "Sha-new-1!"}).status_code == 204
    assert "$6$" in host.shadow("s1") and host.can_login("s1", "Sha-new-1!")


def test_queued_change_is_done_in_the_background(ps, host, system):
    account = Managed(ps, host, "u6", system=system)
    assert account.change({"Queue": True}).status_code == 204
    wait_for(lambda: account.show()["LastChangeDate"] and account.show()["ChangeState"] == 0, timeout=30)
    assert host.can_login("u6", account.password()) and not host.can_login("u6", account.first)
    for body in ([], "x", 3):
        assert account.change(body).status_code == 400


def test_all_accounts_of_a_system(ps, host, admin):
    system = take_on_host(ps, host)
    accounts = [Managed(ps, host, name, system=system) for name in ("u7", "u8")]
    left_alone = Managed(ps, host, "s2", system=system, auto=False)
    assert ps.post(f"/ManagedSystems/{system}/ManagedAccounts/Credentials/Change").status_code == 204
    wait_for(lambda: all(a.password() != a.first for a in accounts), timeout=40)
    assert all(host.can_login(a.name, a.password()) for a in accounts)
    assert left_alone.password() == left_alone.first
    job = next(j for j in ok(admin.own("GET", "/jobs?kind=system"))["items"] if j["systemId"] == system)
    assert any("s2" in line for line in job["skipped"])
    wait_for(lambda: ok(admin.own("GET", f"/jobs/{job['id']}"))["state"] == "done")
    assert ps.post("/ManagedSystems/99999/ManagedAccounts/Credentials/Change").status_code == 404


def refused(answer):
    assert answer.status_code == 400, (answer.status_code, answer.text)
    assert answer.text.startswith("Credential not changed: "), answer.text
    return answer.text


def test_a_host_that_is_down(ps, host, admin):
    account = Managed(ps, host, "u1", password="Start", system=take_on_host(ps, host, port=1))
    refused(account.put({"Password": "Never-sent-1!"}))
    assert account.password() == "Start" and account.show()["ChangeState"] == 0
    assert account.test() is False


def test_our_own_port_and_that_of_our_database_are_not_dialled(server, ps, host, admin):
    for url in filter(None, [server.url, server.store]):
        account = Managed(ps, host, "u1", password="Start", system=take_on_host(ps, host, port=urllib.parse.urlsplit(url).port))
        assert "Keyturn's own, or those of its database" in refused(account.put({"Password": "Never-sent-1!"}))
        assert account.password() == "Start" and account.test() is False
        jobs = ok(admin.own("GET", f"/jobs?kind=change&accountId={account.id}"))["items"]
        assert [(job["state"], job["attempt"]) for job in jobs] == [("refused", 0)]


def garbage_after_a_greeting():
    return hostile.garbage(greeting=hostile.SSH_GREETING)


@pytest.mark.parametrize("behaviour", [hostile.silent, hostile.closes_at_once, hostile.talks_for_ever, hostile.endless_banner, hostile.garbage,
                                       garbage_after_a_greeting, hostile.huge_reply, hostile.drips])
def test_a_hostile_host_costs_one_failed_job(ps, host, admin, behaviour):
    other = Managed(ps, host, "u7")
    host.set_password("u7", other.first)
    with behaviour() as bad:
        account = Managed(ps, host, "u1", password="Start", system=take_on_host(ps, host, port=bad.port, Timeout=3))
        with concurrent.futures.ThreadPoolExecutor(1) as pool:
            asked = pool.submit(account.put, {"Password": "Never-sent-2!"})
            wait_for(lambda: bad.connections)
            assert other.put({"Password": "Meanwhile-1!"}).status_code == 204 and host.can_login("u7", "Meanwhile-1!")
            refused(asked.result())
        assert account.password() == "Start"
        assert b"Func-Start" not in bad.heard and b"Never-sent" not in bad.heard and b"Meanwhile" not in bad.heard
        jobs = ok(admin.own("GET", f"/jobs?kind=change&accountId={account.id}"))["items"]
        assert [(job["state"], job["attempt"]) for job in jobs] == [("refused", 0)]


def test_a_changed_host_key_is_refused_until_it_is_accepted(ps, admin, tmp_path):
    from ssh_host import SshHost
    with SshHost(tmp_path / "other") as other:
        account = Managed(ps, other, "u1")
        assert account.put({"Password": "Before-1!"}).status_code == 204
        other.change_host_key()
        assert "host key" in refused(account.put({"Password": "After-1!"}))
        assert account.password() == "Before-1!" and other.can_login("u1", "Before-1!")
        keys = ok(admin.own("GET", f"/managed-systems/{account.system_id}/host-keys"))["items"]
        assert sorted(k["state"] for k in keys) == ["pinned", "seen"]
        seen = next(k for k in keys if k["state"] == "seen")
        ok(admin.own("POST", f"/managed-systems/{account.system_id}/host-keys/{seen['id']}/accept", {}))
        assert account.put({"Password": "After-1!"}).status_code == 204
        assert other.can_login("u1", "After-1!")


def test_strict_mode_wants_an_approved_key(ps, host, admin):
    account = Managed(ps, host, "s2", system=take_on_host(ps, host, SshKeyEnforcementMode=2))
    assert "not approved" in refused(account.put({"Password": "Strict-1!"}))
    body = {"type": "ssh-ed25519", "sha256": host.host_key_sha256}
    ok(admin.own("POST", f"/managed-systems/{account.system_id}/host-keys", body), 201)
    assert account.put({"Password": "Strict-1!"}).status_code == 204


def test_an_unknown_account_on_the_host(ps, host, system):
    account = Managed(ps, host, "nobodyhere", password="x", system=system)
    refused(account.put({"Password": "No-such-1!"}))
    assert account.password() == "x"


@pytest.mark.parametrize("bad", ["a\nb", "a\rb", "a\x00b", "x" * 1025])
def test_passwords_that_no_host_may_see(ps, host, system, bad):
    account = Managed(ps, host, "u2", password="Start", system=take_on_host(ps, host))
    assert account.put({"Password": bad, "UpdateSystem": False}).status_code == 400
    assert account.password() == "Start"


def jobs_of(admin, account):
    return ok(admin.own("GET", f"/jobs?kind=change&accountId={account.id}"))["items"]


def changed_once(ps, host, name, **system):
    """An account whose host need not be asked again what may be done there: asking takes the password lock too."""
    account = Managed(ps, host, name, password="whatever", system=take_on_host(ps, host, **system))
    assert account.put({"Password": "Known-1!"}).status_code == 204
    return account


def test_two_at_once_are_one_change(ps, host, server, admin):
    account = changed_once(ps, host, "u3")
    clients = [server.passwordsafe() for _ in range(3)]
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        def put(client, password):
            return client.put(f"/ManagedAccounts/{account.id}/Credentials", {"Password": password})
        with host.hold_pwd_lock():
            one = pool.submit(put, clients[0], "Race-1!")
            wait_for(lambda: [job["state"] for job in jobs_of(admin, account)] == ["applying", "done"])
            same = pool.submit(put, clients[1], "Race-1!")
            assert put(clients[2], "Race-2!").status_code == 409
            time.sleep(0.5)
            assert not one.done() and not same.done()
        assert (one.result().status_code, same.result().status_code) == (204, 204)
    assert [job["state"] for job in jobs_of(admin, account)] == ["done", "done"]
    assert host.can_login("u3", "Race-1!") and account.password() == "Race-1!"


@contextlib.contextmanager
def left_unknown(ps, host, admin, name):
    """The host holds its password lock: a change was sent, and its outcome is unknown. The account, and the job that is to settle it."""
    account = changed_once(ps, host, name, Timeout=4)
    with host.hold_pwd_lock():
        answer = account.put({"Password": "Late-1!"})
        assert answer.status_code == 409, answer.text
        job = jobs_of(admin, account)[0]
        assert answer.text.startswith(f"Credential change outcome unknown: job {job['id']} is settling it")
        assert job["state"] == "resolving" and account.show()["ChangeState"] == 1 and account.password() == "Known-1!"
        yield account, job


def is_settled_by(job, admin, account):
    wait_for(lambda: account.show()["ChangeState"] == 0, timeout=90)
    settled, first = jobs_of(admin, account)
    return (settled["id"], settled["state"], first["state"]) == (job["id"], "done", "done") and account.password() == "Late-1!"


def test_a_locked_directory_of_passwords_is_unknown_then_settled(ps, host, admin):
    with left_unknown(ps, host, admin, "u4") as (account, job):
        pass
    assert is_settled_by(job, admin, account) and host.can_login("u4", "Late-1!")


def test_the_same_put_again_waits_for_the_job_that_settles_it(ps, host, server, admin):
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        with left_unknown(ps, host, admin, "u5") as (account, job):
            again = pool.submit(server.passwordsafe().put, f"/ManagedAccounts/{account.id}/Credentials", {"Password": "Late-1!"})
            assert account.put({"Password": "Another-1!"}).status_code == 409
        answer = again.result()
    assert answer.status_code == 204, answer.text
    assert is_settled_by(job, admin, account)
