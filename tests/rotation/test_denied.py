"""A stored password that a login has shown to be wrong: what the server tries by itself spends no more logins on it (I4)."""
import time

import pytest
from clock_fixtures import jobs_of, set_due
from conftest import Managed, take_on_host
from ssh_host import SshHost
from store import Store, rows_of
from support import ok, wait_for



@pytest.fixture(scope="module")
def blind(tmp_path_factory):
    """Its functional account may read no verifier."""
    with SshHost(tmp_path_factory.mktemp("blind"), setup="sed -i /getent/d /etc/sudoers.d/func") as host:
        yield host


def state(admin, account):
    return ok(admin.own("GET", f"/managed-accounts/{account.id}/state"))["state"]


def last_job(server, account):
    """(state, reason, refusals)"""
    return rows_of(server, "SELECT state, reason_code, refusals FROM jobs WHERE account_id = ? AND kind = 'change' ORDER BY id DESC LIMIT 1", (account.id,))[0]


def later(server, account):
    """The window of the budget has passed, and the next try is due."""
    with Store(server) as db:
        db.execute("DELETE FROM login_budgets WHERE account_id = ?", (account.id,))
        db.execute("UPDATE jobs SET next_try_at = 0 WHERE account_id = ? AND is_open = 1", (account.id,))


def failed_since(host, name, before):
    time.sleep(1)  # the host's log comes late
    return host.failed_logins(name) - before


@pytest.fixture(params=["own", "no proof"])
def wrong(request, server, ps, host, blind):
    """(account, its host, the word of its refusal): somebody else has set its password."""
    where, name, word = (host, "u1", "own_denied") if request.param == "own" else (blind, "u2", "no_proof")
    where.set_password(name, "Live-at-first-1!")
    account = Managed(ps, where, name, password="Live-at-first-1!", system=take_on_host(ps, where), auto=False)
    if word == "own_denied":
        assert account.put({}).status_code == 204
        ok(ps.put(f"/ManagedAccounts/{account.id}", {"UseOwnCredentials": True}))
    where.set_password(name, "Somebody-else-1!")
    ok(ps.put(f"/ManagedAccounts/{account.id}", {"AutoManagementFlag": True}))
    wait_for(lambda: not rows_of(server, "SELECT id FROM jobs WHERE account_id = ? AND is_open = 1", (account.id,)), timeout=40)  # what can prove it is looked for
    return account, where, word


def by_schedule(server, account):
    """Its next date has come: how the change of that date ended."""
    before = len(jobs_of(server, account.id))
    later(server, account)
    set_due(server, account.id, 0)
    wait_for(lambda: len(jobs_of(server, account.id)) == before + 1 and last_job(server, account)[1], timeout=40)
    return last_job(server, account)


def test_one_login_shows_it_for_all_that_is_queued(server, ps, admin, wrong):
    account, where, word = wrong
    before = where.failed_logins(account.name)
    for _ in range(3):
        assert by_schedule(server, account)[:2] == ("refused", word), "it is not tried again by itself"
    assert failed_since(where, account.name, before) == 1
    assert state(admin, account) == "mismatch"

    # A person who asks is worth a login, and one only.
    later(server, account)
    assert account.change({"Queue": True}).status_code == 204
    wait_for(lambda: not ok(admin.own("GET", f"/jobs?state=open&kind=change&accountId={account.id}"))["items"], timeout=40)
    assert failed_since(where, account.name, before) == 2 and last_job(server, account)[:2] == ("refused", word)
    assert account.put({}).status_code == 400 and failed_since(where, account.name, before) == 3

    # Another stored password is another matter.
    later(server, account)
    assert account.put({"Password": "Somebody-else-1!", "UpdateSystem": False}).status_code == 204
    later(server, account)
    set_due(server, account.id, 0)
    wait_for(lambda: last_job(server, account)[0] == "done", timeout=40)
    assert where.can_login(account.name, account.password()) and state(admin, account) == "proved"


def test_a_synced_account_waits_without_logins_until_somebody_asks(server, ps, admin, host, blind):
    blind.set_password("u3", "Somebody-else-3!")
    host.set_password("u3", "Parent-start-3!")
    parent = Managed(ps, host, "u3", password="Parent-start-3!", system=take_on_host(ps, host), auto=False)
    follower = Managed(ps, blind, "u3", password="Not-live-3!", system=take_on_host(ps, blind), auto=False)
    assert ps.post(f"/ManagedAccounts/{parent.id}/SyncedAccounts/{follower.id}").status_code == 201
    before = blind.failed_logins("u3")
    assert parent.put({"Password": "For-both-of-them-3!"}).status_code == 204
    for tries in range(1, 5):
        wait_for(lambda: last_job(server, follower)[1:] == ("no_proof", tries), timeout=40)
        later(server, follower)
    wait_for(lambda: last_job(server, follower)[2] == 5, timeout=40)
    assert failed_since(blind, "u3", before) == 1 and last_job(server, follower)[0] == "queued"
    assert parent.put({"Password": "Another-for-both-3!"}).status_code == 204
    wait_for(lambda: last_job(server, follower)[1:] == ("no_proof", 1), timeout=40)
    assert failed_since(blind, "u3", before) == 1

    blind.set_password("u3", "Not-live-3!")
    job = ok(admin.own("GET", f"/jobs?state=open&kind=change&accountId={follower.id}"))["items"][0]
    ok(admin.own("POST", f"/jobs/{job['id']}/retry"))
    wait_for(lambda: last_job(server, follower)[0] == "done", timeout=40)
    assert blind.can_login("u3", "Another-for-both-3!") and state(admin, follower) == "proved"


def test_only_the_verifier_proves_it_and_cannot_be_read_for_a_while(server, ps, admin, tmp_path):
    """A login would tell nothing: none is spent, and the password is not called wrong."""
    with SshHost(tmp_path / "compared", sshd_options={"DenyUsers": "u4"}) as where:
        account = Managed(ps, where, "u4", system=take_on_host(ps, where), auto=False)
        assert account.put({}).status_code == 204
        assert ok(admin.own("GET", f"/managed-accounts/{account.id}/state"))["proof"] == "compare"
        ok(ps.put(f"/ManagedAccounts/{account.id}", {"AutoManagementFlag": True}))
        where.run("sed -i.kept /getent/d /etc/sudoers.d/func")
        before = failed_since(where, "u4", 0)
        set_due(server, account.id, 0)
        wait_for(lambda: last_job(server, account)[1], timeout=40)
        assert last_job(server, account)[0] == "queued" and failed_since(where, "u4", before) == 0
        assert state(admin, account) == "proved"
        where.run("cp /etc/sudoers.d/func.kept /etc/sudoers.d/func; rm /etc/sudoers.d/func.kept; chmod 440 /etc/sudoers.d/func")
        time.sleep(22)  # a connector that is kept knows what it may do
        later(server, account)
        wait_for(lambda: last_job(server, account)[0] == "done", timeout=40)
