"""Synced accounts: a subscriber takes its parent's password by a job of its own (passwordsafe-api 6.11)."""
import time

import pytest
from audits import audit_of
from clock_fixtures import jobs_of, set_due, set_test_due, store_now
from conftest import Managed, take_on_host
from ssh_host import SshHost
from store import Store, rows_of
from support import Server, ok, wait_for
from tcp_gate import TcpGate

PREFIX = "Credential not changed: this account takes the password of account "


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    server = Server(directory=str(tmp_path_factory.mktemp("server")), options=["--quiet", "3"])
    server.start()
    yield server
    server.stop()


@pytest.fixture(scope="module")
def system(ps, host):
    return take_on_host(ps, host)


@pytest.fixture(scope="module")
def other(tmp_path_factory):
    with SshHost(tmp_path_factory.mktemp("other")) as other:
        yield other


def make(ps, host, name, system, **more):
    account = Managed(ps, host, name, system=system, **more)
    host.set_password(name, account.first)
    return account


def sync(ps, parent, subscriber, status=201):
    answer = ps.post(f"/ManagedAccounts/{parent.id}/SyncedAccounts/{subscriber.id}")
    assert answer.status_code == status, answer.text
    return answer.json() if status == 201 else answer.text


def synced(admin, account):
    return ok(admin.own("GET", f"/managed-accounts/{account.id}/state"))["synced"]


def in_step(admin, account):
    return not synced(admin, account)["behind"]


@pytest.fixture
def family(ps, host, other, system):
    """A parent on one host, a subscriber beside it and one on another host, reached through a gate."""
    class Family:
        pass
    f = Family()
    f.gate = TcpGate(other.port).__enter__()
    f.far_system = take_on_host(ps, other, port=f.gate.port, Timeout=15)
    f.parent, f.near, f.far = make(ps, host, "u1", system), make(ps, host, "u2", system), make(ps, other, "u3", f.far_system)
    for account in (f.near, f.far):
        sync(ps, f.parent, account)
    yield f
    f.gate.heal()
    for account in (f.parent, f.near, f.far):
        wait_for(lambda: ps.delete(f"/ManagedAccounts/{account.id}").status_code in (200, 404), timeout=60)
    f.gate.__exit__()


def test_both_follow_their_parents_change(server, ps, admin, family, host, other):
    assert [row["ManagedAccountID"] for row in ok(ps.get(f"/ManagedAccounts/{family.parent.id}/SyncedAccounts"))] == [family.near.id, family.far.id]
    shown = family.near.show()
    assert (shown["ParentAccountID"], shown["IsSubscribedAccount"], shown["NextChangeDate"]) == (family.parent.id, True, None)
    assert family.parent.show()["IsSubscribedAccount"] is False and family.parent.show()["ParentAccountID"] is None
    time.sleep(2)
    assert jobs_of(server, family.near.id) == [], "becoming a subscriber turns nothing"
    assert synced(admin, family.near) == {"parentId": family.parent.id, "behind": False, "lagSeconds": 0}
    assert family.parent.put({"Password": "Shared-by-three-1!"}).status_code == 204
    for account in (family.near, family.far):
        wait_for(lambda: in_step(admin, account), timeout=40)
        assert account.password() == "Shared-by-three-1!" and account.host.can_login(account.name, "Shared-by-three-1!")
        assert jobs_of(server, account.id) == [("caller", "done")]
    sealed = rows_of(server, "SELECT password FROM versions WHERE standing = 'current' AND account_id IN (?, ?, ?)", (family.parent.id, family.near.id, family.far.id))
    assert len(set(sealed)) == 3, "each has a version of its own"


def test_the_parents_schedule_turns_all_and_theirs_nothing(server, ps, admin, family, host):
    assert family.near.show()["NextChangeDate"] is None, "theirs is nobody's business"
    ok(ps.put(f"/ManagedAccounts/{family.near.id}", {"ChangeFrequencyType": "xdays", "ChangeFrequencyDays": 1, "ChangeTime": "00:00"}))
    assert family.near.show()["NextChangeDate"] is None
    set_due(server, family.parent.id, 0)
    wait_for(lambda: jobs_of(server, family.parent.id) == [("schedule", "done")], timeout=30)
    wait_for(lambda: in_step(admin, family.near) and in_step(admin, family.far) and family.near.password() == family.parent.password() == family.far.password(), timeout=40)
    assert host.can_login("u2", family.parent.password())
    assert [trigger for trigger, _ in jobs_of(server, family.near.id)] == ["schedule"], "its parent's"


def test_one_that_cannot_follow_is_shown_and_tried_again_and_undoes_nothing(server, ps, admin, family, host, other):
    family.gate.cut()
    assert family.parent.put({"Password": "While-one-is-away-1!"}).status_code == 204
    wait_for(lambda: in_step(admin, family.near), timeout=40)
    assert host.can_login("u1", "While-one-is-away-1!") and host.can_login("u2", "While-one-is-away-1!")
    assert family.far.password() == family.far.first and other.can_login("u3", family.far.first)
    job = wait_for(lambda: next((j for j in ok(admin.own("GET", f"/jobs?accountId={family.far.id}&state=open"))["items"] if j["reason"]), None), timeout=40)
    assert job["state"] == "queued"
    wait_for(lambda: synced(admin, family.far)["behind"] and synced(admin, family.far)["lagSeconds"] > 0)
    # It is never given up, and a newer password takes the place of the one that waits.
    with Store(server) as db:
        db.execute("UPDATE jobs SET refusals = 50, next_try_at = 0 WHERE id = ?", (job["id"],))
    time.sleep(3)
    assert ok(admin.own("GET", f"/jobs/{job['id']}"))["state"] == "queued"
    assert family.parent.put({"Password": "While-one-is-away-2!"}).status_code == 204
    assert ok(admin.own("GET", f"/jobs/{job['id']}"))["state"] == "dropped"
    family.gate.heal()
    again = ok(admin.own("GET", f"/jobs?accountId={family.far.id}&state=open"))["items"][0]
    ok(admin.own("POST", f"/jobs/{again['id']}/retry"))
    wait_for(lambda: in_step(admin, family.far), timeout=40)
    assert family.far.password() == "While-one-is-away-2!" and other.can_login("u3", "While-one-is-away-2!")
    assert not other.can_login("u3", "While-one-is-away-1!")


def test_one_that_has_it_already_is_left_alone(server, ps, admin, family):
    for turn in range(2):
        assert family.parent.put({"Password": "The-same-again-1!"}).status_code == 204
        wait_for(lambda: in_step(admin, family.near) and in_step(admin, family.far), timeout=40)
    time.sleep(2)
    assert jobs_of(server, family.parent.id) == [("caller", "done")] * 2
    assert jobs_of(server, family.near.id) == jobs_of(server, family.far.id) == [("caller", "done")]
    assert synced(admin, family.near) == {"parentId": family.parent.id, "behind": False, "lagSeconds": 0}


def test_one_whose_system_has_lost_its_functional_account_is_behind_until_it_has_one(server, ps, admin, family, host, other):
    """Nothing can be sent there, so no job is made, again and again neither; what it has stays current."""
    assert family.parent.put({"Password": "Before-the-loss-1!"}).status_code == 204
    wait_for(lambda: in_step(admin, family.near) and in_step(admin, family.far), timeout=40)
    functional = rows_of(server, "SELECT functional_account_id FROM managed_systems WHERE id = ?", (family.far_system,))[0][0]
    with Store(server) as db:
        db.execute("UPDATE managed_systems SET functional_account_id = NULL WHERE id = ?", (family.far_system,))
    assert family.parent.put({"Password": "While-it-is-lost-2!"}).status_code == 204
    wait_for(lambda: in_step(admin, family.near), timeout=40)
    time.sleep(2)
    assert not in_step(admin, family.far) and jobs_of(server, family.far.id) == [("caller", "done")]
    assert family.far.password() == "Before-the-loss-1!" and other.can_login("u3", "Before-the-loss-1!")
    assert rows_of(server, "SELECT COUNT(*) FROM audit_rows WHERE what = 'account.change.skipped' AND object_id = ?", (family.far.id,)) == [(1,)]
    with Store(server) as db:
        db.execute("UPDATE managed_systems SET functional_account_id = ? WHERE id = ?", (functional, family.far_system))
    assert family.parent.put({"Password": "With-one-again-3!"}).status_code == 204
    wait_for(lambda: in_step(admin, family.far), timeout=40)
    assert family.far.password() == "With-one-again-3!" and other.can_login("u3", "With-one-again-3!")


def test_a_server_that_is_killed_after_the_parents_commit(server, ps, admin, family, other):
    """The subscribers' jobs are part of that commit."""
    family.gate.cut()
    assert family.parent.put({"Password": "Committed-then-killed-1!"}).status_code == 204
    server.kill()
    assert [state for _, state in jobs_of(server, family.far.id)] == ["queued"]
    server.start()
    family.gate.heal()
    for client in (ps, family.parent.ps):
        client.base = server.url
    admin = server.controlroom()
    with Store(server) as db:
        db.execute("UPDATE jobs SET next_try_at = 0 WHERE account_id = ? AND is_open = 1", (family.far.id,))
    wait_for(lambda: in_step(admin, family.far) and in_step(admin, family.near), timeout=60)
    assert other.can_login("u3", "Committed-then-killed-1!") and family.near.password() == "Committed-then-killed-1!"


def is_under_way(server, account):
    return bool(rows_of(server, "SELECT 1 FROM jobs WHERE account_id = ? AND is_open = 1 AND sent_at > 0", (account.id,)))


def test_one_in_the_middle_of_a_change_is_caught_up_with(server, ps, family, other):
    """Its outcome is unknown while the parent turns again: no other candidate until that is settled."""
    admin = server.controlroom()
    for number in range(10):
        assert family.parent.put({"Password": f"First-of-two-{number}!"}).status_code == 204
        wait_for(lambda: is_under_way(server, family.far) or in_step(admin, family.far), timeout=60, pause=0.01)
        family.gate.freeze()
        if is_under_way(server, family.far):
            break
        family.gate.heal()
    assert is_under_way(server, family.far)
    assert family.parent.put({"Password": "Second-of-two-1!"}).status_code == 204
    unfinished = rows_of(server, "SELECT version, parent_version FROM jobs WHERE account_id = ? AND is_open = 1 AND kind = 'change'", (family.far.id,))
    assert len(unfinished) == 1 and synced(admin, family.far)["behind"]
    family.gate.heal()
    wait_for(lambda: in_step(admin, family.far), timeout=120)
    assert family.far.password() == "Second-of-two-1!" and other.can_login("u3", "Second-of-two-1!")


def test_a_subscriber_is_not_changed_on_its_own(server, ps, family):
    admin = server.controlroom()
    wrong = [family.near.put({"Password": "Own-1!"}), family.near.put({}), family.near.put({"Password": "Own-1!", "UpdateSystem": False}), family.near.change(), family.near.change({"Queue": True}),
             ps.put(f"/ManagedAccounts/{family.near.id}", {"Password": "Own-1!"})]
    for answer in wrong:
        assert answer.status_code == 400 and answer.text.startswith(PREFIX + str(family.parent.id)), answer.text
    assert admin.own("POST", f"/managed-accounts/{family.near.id}/restore", {}).status_code == 409
    assert ps.post(f"/ManagedSystems/{family.near.system_id}/ManagedAccounts/Credentials/Change").status_code == 204
    job = next(j for j in ok(admin.own("GET", "/jobs?kind=system"))["items"] if j["systemId"] == family.near.system_id)
    assert any("u2: it takes the password of another account" in line for line in job["skipped"])
    wait_for(lambda: in_step(admin, family.near) and family.near.password() == family.parent.password(), timeout=40)


def test_after_a_release_of_a_subscriber_its_parent_turns(server, ps, family):
    admin = server.controlroom()
    assert family.parent.put({}).status_code == 204
    wait_for(lambda: in_step(admin, family.near), timeout=40)
    ok(ps.put(f"/ManagedAccounts/{family.near.id}", {"ChangePasswordAfterAnyReleaseFlag": True}))
    number = ok(ps.post("/Requests", {"SystemID": family.near.system_id, "AccountID": family.near.id, "DurationMinutes": 5}), 201)
    read = ok(ps.get(f"/Credentials/{number}"))
    assert ps.put(f"/Requests/{number}/Checkin", {}).status_code == 204
    wait_for(lambda: ("release", "done") in jobs_of(server, family.parent.id), timeout=40)
    wait_for(lambda: family.near.password() == family.parent.password() != read, timeout=40)


def test_a_mismatch_of_a_subscriber_brings_the_parents_password_again(server, ps, family, host):
    admin = server.controlroom()
    assert family.parent.put({"Password": "Of-the-parent-1!"}).status_code == 204
    wait_for(lambda: in_step(admin, family.near), timeout=40)
    ok(ps.put(f"/ManagedAccounts/{family.near.id}", {"CheckPasswordFlag": True, "ResetPasswordOnMismatchFlag": True}))
    host.set_password("u2", "Somebody-else-2!")
    set_test_due(server, family.near.id)
    wait_for(lambda: ("mismatch", "done") in jobs_of(server, family.near.id), timeout=40)
    assert host.can_login("u2", "Of-the-parent-1!") and ("mismatch", "done") not in jobs_of(server, family.parent.id)


def test_what_is_only_stored_is_not_spread(server, ps, family):
    admin = server.controlroom()
    assert family.parent.put({"Password": "Nobody-has-this-1!", "UpdateSystem": False}).status_code == 204
    time.sleep(3)
    assert in_step(admin, family.near) and family.near.password() != "Nobody-has-this-1!"


def test_what_is_only_stored_is_not_spread_by_a_mismatch_neither(server, ps, family, host):
    admin = server.controlroom()
    assert family.parent.put({"Password": "Proved-of-the-parent-1!"}).status_code == 204
    wait_for(lambda: in_step(admin, family.near), timeout=40)
    assert family.parent.put({"Password": "A-typing-error-1!", "UpdateSystem": False}).status_code == 204
    ok(ps.put(f"/ManagedAccounts/{family.near.id}", {"CheckPasswordFlag": True, "ResetPasswordOnMismatchFlag": True}))
    host.set_password("u2", "Somebody-else-3!")
    set_test_due(server, family.near.id)
    wait_for(lambda: ("mismatch", "done") in jobs_of(server, family.near.id), timeout=40)
    assert family.near.password() == "Proved-of-the-parent-1!" and host.can_login("u2", "Proved-of-the-parent-1!")
    assert family.parent.password() == "A-typing-error-1!"


def test_what_a_test_has_proved_is_spread(server, ps, family, host, other):
    """Somebody changed it over there and told the vault: once that is proved, the others follow."""
    admin = server.controlroom()
    host.set_password("u1", "By-hand-and-told-1!")
    assert family.parent.put({"Password": "By-hand-and-told-1!", "UpdateSystem": False}).status_code == 204
    assert family.parent.test() is True
    wait_for(lambda: family.near.password() == family.far.password() == "By-hand-and-told-1!", timeout=60)
    wait_for(lambda: in_step(admin, family.near) and in_step(admin, family.far), timeout=20)
    assert host.can_login("u2", "By-hand-and-told-1!") and other.can_login("u3", "By-hand-and-told-1!")
    jobs = len(jobs_of(server, family.near.id))
    assert family.parent.test() is True
    time.sleep(2)
    assert len(jobs_of(server, family.near.id)) == jobs, "proved once more, it is no news"


def test_one_set_free_while_its_outcome_is_unknown_is_settled_like_any_other(server, ps, family):
    """A former parent's password is not set for ever."""
    admin = server.controlroom()
    family.gate.cut()
    assert family.parent.put({}).status_code == 204
    job = wait_for(lambda: ok(admin.own("GET", f"/jobs?accountId={family.far.id}&state=open"))["items"])[0]["id"]
    wait_for(lambda: rows_of(server, "SELECT 1 FROM jobs WHERE id = ? AND leased_until = 0 AND refusals > 0", (job,)), timeout=60)
    with Store(server) as db:  # as if it had been sent, and nobody had answered
        db.execute("UPDATE jobs SET state = 'resolving', sent_at = 1, next_try_at = ? WHERE id = ?", (store_now(server) + 20_000_000, job))
    ok(ps.delete(f"/ManagedAccounts/{family.parent.id}/SyncedAccounts/{family.far.id}"))
    assert rows_of(server, "SELECT is_open, parent_version FROM jobs WHERE id = ?", (job,)) == [(1, 0)]
    family.gate.heal()
    admin.own("POST", f"/jobs/{job}/retry")
    wait_for(lambda: rows_of(server, "SELECT is_open FROM jobs WHERE id = ?", (job,)) == [(0,)], timeout=60)
    assert family.far.test() is True


def test_links_of_a_subscriber_turn_with_it(server, ps, family):
    admin = server.controlroom()
    body = {"name": f"Follows a subscriber {time.time()}", "attributes": [{"name": "password", "userProvided": False, "masked": True}]}
    attribute = int(ok(admin.post("/v2/credentialvault/credentials", body), 201)["attributes"][0]["id"])
    end = {"part": "password", "end": {"attributeId": attribute}, "release": "consumers", "replace": False}
    link = ok(admin.own("PUT", f"/managed-accounts/{family.near.id}/links", end))
    assert link["state"] == "active"
    assert family.parent.put({}).status_code == 204
    wait_for(lambda: in_step(admin, family.near), timeout=40)
    assert ok(admin.own("POST", f"/links/{link['id']}/verify", {}))["equal"] is True
    ok(admin.own("DELETE", f"/links/{link['id']}"), 204)


def test_no_circles_no_chains(ps, family, host, system, other):
    stranger = make(ps, host, "u4", system)
    sync(ps, family.parent, family.parent, 400)
    sync(ps, family.near, family.parent, 400)  # a circle
    sync(ps, family.near, stranger, 400)       # below a subscriber
    sync(ps, stranger, family.parent, 400)     # one that has subscribers itself
    assert "already synced" in sync(ps, family.parent, family.near, 409)
    assert "already synced" in sync(ps, stranger, family.near, 409)
    unreachable = Managed(ps, host, "u5", system=take_on_host(ps, host, AutoManagementFlag=False), auto=False)
    assert "no FunctionalAccountID" in sync(ps, family.parent, unreachable, 400)
    assert ps.post(f"/ManagedAccounts/{family.parent.id}/SyncedAccounts/999999").status_code == 404
    assert ps.post(f"/ManagedAccounts/999999/SyncedAccounts/{stranger.id}").status_code == 404
    assert ps.delete(f"/ManagedAccounts/{family.parent.id}/SyncedAccounts/{stranger.id}").status_code == 404
    for account in (stranger, unreachable):
        ok(ps.delete(f"/ManagedAccounts/{account.id}"))


def test_who_goes_his_own_way_keeps_what_he_has(server, ps, family):
    admin = server.controlroom()
    assert family.parent.put({}).status_code == 204
    wait_for(lambda: in_step(admin, family.near) and in_step(admin, family.far), timeout=40)
    shared = family.parent.password()
    ok(ps.delete(f"/ManagedAccounts/{family.parent.id}/SyncedAccounts/{family.near.id}"))
    shown = family.near.show()
    assert (shown["ParentAccountID"], shown["IsSubscribedAccount"]) == (None, False) and shown["NextChangeDate"]
    assert synced(admin, family.near) is None and family.near.password() == shared
    family.gate.cut()
    assert family.parent.put({}).status_code == 204
    ok(ps.delete(f"/ManagedAccounts/{family.parent.id}/SyncedAccounts"))
    family.gate.heal()
    assert ok(ps.get(f"/ManagedAccounts/{family.parent.id}/SyncedAccounts")) == []
    time.sleep(2)
    assert family.near.password() == shared == family.far.password(), "what waited was dropped"
    assert family.near.put({"Password": "My-own-1!"}).status_code == 204
    assert store_now(server) and family.parent.password() != "My-own-1!"


# -- a store that has lost something


def test_they_are_equal_again_after_the_parent_was_found_ahead(server, ps, family, host):
    """The store has lost the parent's last turn: its candidate, put back, is what the host has."""
    admin = server.controlroom()
    assert family.parent.put({"Password": "Both-2!xyz"}).status_code == 204
    wait_for(lambda: in_step(admin, family.near) and in_step(admin, family.far), timeout=40)
    assert family.parent.put({"Password": "Lost-3!xyz", "UpdateSystem": False}).status_code == 204
    host.set_password("u1", "Lost-3!xyz")
    with Store(server) as db:
        db.execute("UPDATE managed_accounts SET current_version = 2, state = 'proved' WHERE id = ?", (family.parent.id,))
        db.execute("UPDATE versions SET standing = CASE WHEN number = 2 THEN 'current' ELSE 'pending' END WHERE account_id = ? AND number > 1", (family.parent.id,))
    audit_of(server, family.parent)
    wait_for(lambda: family.parent.password() == "Lost-3!xyz", timeout=40)
    for account in (family.near, family.far):
        wait_for(lambda: account.password() == "Lost-3!xyz" and in_step(admin, account), timeout=40)
        assert account.host.has_password(account.name, "Lost-3!xyz")


def test_they_are_equal_again_after_a_subscriber_was_found_elsewhere(server, ps, host, system):
    admin = server.controlroom()
    parent, near = make(ps, host, "u4", system), make(ps, host, "u5", system)
    assert near.put({"Password": "Its-own-2!xyz", "UpdateSystem": False}).status_code == 204
    sync(ps, parent, near)
    assert parent.put({"Password": "Both-2!xyz"}).status_code == 204
    wait_for(lambda: in_step(admin, near) and near.password() == "Both-2!xyz", timeout=40)
    host.set_password("u5", "Its-own-2!xyz")
    audit_of(server, near)
    wait_for(lambda: [state for state, in rows_of(server, "SELECT state FROM jobs WHERE kind = 'audit' AND account_id = ?", (near.id,))] == ["done"], timeout=40)
    wait_for(lambda: jobs_of(server, near.id)[-1] == ("mismatch", "done"), timeout=40)
    assert near.password() == "Both-2!xyz" and host.has_password("u5", "Both-2!xyz")
    for account in (parent, near):
        ok(ps.delete(f"/ManagedAccounts/{account.id}"))


def test_one_damaged_version_stops_nobody_else(server, ps, host, system):
    parent, near, third = make(ps, host, "u4", system), make(ps, host, "u5", system), make(ps, host, "u6", system)
    wait_for(lambda: not ok(server.controlroom().own("GET", f"/jobs?state=open&systemId={system}"))["items"], timeout=60)
    sync(ps, parent, near)
    with Store(server) as db:
        sealed = bytes(db.execute("SELECT password FROM versions WHERE account_id = ?", (parent.id,)).fetchone()[0])
        db.execute("UPDATE versions SET password = ? WHERE account_id = ?", (bytes(len(sealed)), parent.id))
        db.execute("UPDATE managed_accounts SET sync_wanted = 1 WHERE id = ?", (near.id,))
    set_due(server, third.id, 0)
    wait_for(lambda: jobs_of(server, third.id) == [("schedule", "done")], timeout=40)
    time.sleep(3)
    assert server.log_text().count(f"account {near.id} is left out") == 1
    assert rows_of(server, "SELECT COUNT(*) FROM audit_rows WHERE what = 'account.change.skipped' AND account_id = ?", (near.id,)) == [(1,)]
    for account in (near, parent, third):
        ok(ps.delete(f"/ManagedAccounts/{account.id}"))


def test_a_subscriber_whose_version_is_damaged_holds_no_parent(server, ps, host, system):
    admin = server.controlroom()
    parent, near = make(ps, host, "u4", system), make(ps, host, "u5", system)
    sync(ps, parent, near)
    assert parent.put({"Password": "Both-2!xyz"}).status_code == 204
    wait_for(lambda: in_step(admin, near) and near.password() == "Both-2!xyz", timeout=40)
    with Store(server) as db:
        sealed = bytes(db.execute("SELECT password FROM versions WHERE account_id = ? AND standing = 'current'", (near.id,)).fetchone()[0])
        db.execute("UPDATE versions SET password = ? WHERE account_id = ? AND standing = 'current'", (bytes(len(sealed)), near.id))
    assert parent.put({"Password": "Parents-3!xyz"}).status_code == 204
    assert parent.password() == "Parents-3!xyz" and host.has_password("u4", "Parents-3!xyz") and not in_step(admin, near)
    for account in (near, parent):
        ps.delete(f"/ManagedAccounts/{account.id}")
