"""The queue: a stop of all of it, a canary before a whole system, retries as configured, and dead hosts that delay nobody."""
import contextlib
import re
import socket
import time

import pytest
from conftest import Managed, take_on_host
from cut_proxy import CutProxy
from drifting import OPEN, SETUP, account_on, job_of, settled, state_of, told, versions
from store import Store, rows_of
from support import Server, ok, wait_for


@pytest.fixture(scope="module")
def strange(tmp_path_factory):
    from ssh_host import SshHost
    with SshHost(tmp_path_factory.mktemp("queue"), setup=SETUP) as host:
        yield host


@contextlib.contextmanager
def stopped(admin, reason="firewall work"):
    told_ = ok(admin.own("PUT", "/engine", {"stopped": True, "reason": reason}))
    assert told_["stopped"] is True and told_["reason"] == reason and told_["by"] and told_["at"]
    try:
        yield
    finally:
        assert ok(admin.own("PUT", "/engine", {"stopped": False}))["stopped"] is False


@contextlib.contextmanager
def retries(admin, **rules):
    ok(admin.own("PUT", "/engine", rules))
    try:
        yield
    finally:
        ok(admin.own("PUT", "/engine", {"retryMinutes": 15, "retries": 5}))


def taken_on(ps, admin, host, names, system=None, timeout=3, **more):
    """Accounts of one system, known to the host by the passwords that the vault has; nothing of theirs is open."""
    system = system or take_on_host(ps, host, Timeout=timeout, **more)
    accounts = [Managed(ps, host, name, system=system) for name in names]
    for account in accounts:
        host.set_password(account.name, account.first)
    wait_for(lambda: not ok(admin.own("GET", f"/jobs?state=open&systemId={system}"))["items"], timeout=60)
    return accounts


def change_all(ps, admin, system):
    """The job of a whole system, as it is now."""
    assert ps.post(f"/ManagedSystems/{system}/ManagedAccounts/Credentials/Change").status_code == 204
    return whole(admin, system)


def whole(admin, system):
    return ok(admin.own("GET", f"/jobs?kind=system&systemId={system}"))["items"][0]


def states(admin, accounts):
    return [job_of(admin, account)["state"] for account in accounts]


def standings(admin, account):
    return [version["standing"] for _, version in sorted(versions(admin, account).items())]


def health_of(admin, name):
    return next(check for check in ok(admin.own("GET", "/health"))["checks"] if check["check"] == name)


# -- the stop


def test_a_stop_holds_everything_but_what_was_sent(ps, strange, admin):
    waits, sent = taken_on(ps, admin, strange, ["u1"])[0], account_on(ps, strange, "u2")
    assert health_of(admin, "engine")["ok"] is True
    with told(strange, "drift"):
        assert sent.put({"Password": "Sent-before-1!"}).status_code in (400, 409)
        assert job_of(admin, sent)["state"] in ("resolving", "applying")
    with stopped(admin):
        check = health_of(admin, "engine")
        assert check["ok"] is False and "firewall work" in check["text"] and ok(admin.own("GET", "/health"))["ready"] is True
        assert waits.change({"Queue": True}).status_code == 204
        refused = waits.put({"Password": "Now-1!"})
        assert refused.status_code == 400 and "stopped: firewall work" in refused.text
        assert "stopped" in ps.post(f"/ManagedAccounts/{waits.id}/Credentials/Test").text
        assert settled(admin, sent)["state"] == "done" and strange.has_password("u2", "Sent-before-1!")
        assert waits.put({"Password": "Only-stored-1!", "UpdateSystem": False}).status_code == 204
        assert waits.change({"Queue": True}).status_code == 204
        time.sleep(2)
        assert (job_of(admin, waits)["state"], waits.show()["ChangeState"]) == ("queued", 2) and strange.has_password("u1", waits.first)
        assert waits.password() == "Only-stored-1!"
    assert settled(admin, waits)["state"] == "done" and strange.has_password("u1", waits.password())


def test_what_the_engine_is_told_is_checked(admin, ps):
    for body in ({"stopped": True}, {"stopped": True, "reason": ""}, {"reason": "x"}, {"retryMinutes": 0}, {"retries": -1}, {"retries": 1001}, {"stopped": "perhaps", "reason": "x"}):
        assert admin.own("PUT", "/engine", body).status_code == 400, body
    rules = ok(admin.own("GET", "/engine"))
    assert rules == {"stopped": False, "reason": None, "by": None, "at": None, "retryMinutes": 15, "retries": 5}
    assert ok(admin.own("PUT", "/engine", {})) == rules


def test_orders_wait_for_nobody_while_it_is_stopped(ps, strange, admin):
    from drifting import into_drift
    account = account_on(ps, strange, "u3")
    job = into_drift(admin, account)
    with stopped(admin):
        for what, body in (("set-again", {}), ("adopt", {"password": "Somebody-else-1!"})):
            answer = admin.own("POST", f"/jobs/{job['id']}/{what}", body)
            assert answer.status_code == 409 and "stopped" in answer.json()["message"]
    assert ok(admin.own("POST", f"/jobs/{job['id']}/set-again"))["state"] == "done"


def test_a_stop_in_the_middle_of_a_whole_system_and_a_kill(strange, tmp_path):
    server = Server(directory=str(tmp_path / "server")).start()
    try:
        ps, admin = server.passwordsafe(), server.controlroom()
        accounts = taken_on(ps, admin, strange, ["u4", "u5", "u6", "u7"], timeout=8)
        with told(strange, "late"):
            change_all(ps, admin, accounts[0].system_id)
            wait_for(lambda: "applying" in states(admin, accounts[1:]), timeout=60)
            ok(admin.own("PUT", "/engine", {"stopped": True, "reason": "in the middle"}))
            server.kill()
            server.start()
        ps, admin = server.passwordsafe(), server.controlroom()
        for account in accounts:
            account.ps = ps
        assert ok(admin.own("GET", "/engine"))["reason"] == "in the middle"
        wait_for(lambda: not set(states(admin, accounts)) & {"applying", "verifying", "resolving"}, timeout=90)
        assert all(strange.has_password(account.name, account.password()) for account in accounts)
        ok(admin.own("PUT", "/engine", {"stopped": False}))
        wait_for(lambda: not ok(admin.own("GET", "/jobs?state=open"))["items"], timeout=120)
        parent = whole(admin, accounts[0].system_id)
        assert all(strange.has_password(account.name, account.password()) for account in accounts)
        # What was in the air when the server died was unknown for a while: that stops a whole system.
        assert parent["state"] in ("done", "dropped") and states(admin, accounts)[0] == "done"
        left_out = {line.split(":")[0] for line in parent["skipped"]}
        assert left_out == {account.name for account in accounts if account.password() == account.first}, parent
        assert bool(left_out) == (parent["state"] == "dropped")
    finally:
        server.stop()
        assert server.audit_is_intact().returncode == 0
        server.close()


# -- the canary


def test_the_account_with_the_fewest_links_goes_first_alone(ps, strange, admin):
    accounts = taken_on(ps, admin, strange, ["u1", "u2", "u3"])
    for account in accounts[:2]:
        credential = ok(admin.post("/v2/credentialvault/credentials", {"name": f"canary {account.name}", "attributes": [{"name": "p", "userProvided": False, "masked": True}]}), 201)
        end = {"part": "password", "end": {"attributeId": int(credential["attributes"][0]["id"])}, "release": "consumers"}
        ok(admin.own("PUT", f"/managed-accounts/{account.id}/links", end))
    with told(strange, "late"):
        parent = change_all(ps, admin, accounts[0].system_id)
        assert parent["state"] == "queued" and parent["progress"] == {"done": 0, "total": 3}
        wait_for(lambda: job_of(admin, accounts[2])["state"] == "applying", pause=0.02)
        assert states(admin, accounts[:2]) == ["queued", "queued"] and [a.show()["ChangeState"] for a in accounts] == [2, 2, 1]
        settled(admin, accounts[2])
    for account in accounts:
        assert settled(admin, account)["state"] == "done" and strange.has_password(account.name, account.password())
    steps = [ok(admin.own("GET", f"/jobs/{job_of(admin, account)['id']}"))["steps"] for account in accounts]
    canary_done = next(s["at"] for s in steps[2] if s["step"] == "done")
    assert all(s["at"] >= canary_done for others in steps[:2] for s in others if s["step"] in ("prepared", "applying"))
    wait_for(lambda: whole(admin, accounts[0].system_id)["state"] == "done")
    assert whole(admin, accounts[0].system_id)["progress"] == {"done": 3, "total": 3}


def test_three_refusals_drop_the_rest(ps, strange, admin):
    accounts = taken_on(ps, admin, strange, ["u1", "u2", "u3", "u4", "u5"])
    with told(strange, "refuse"), retries(admin, retries=1):
        change_all(ps, admin, accounts[0].system_id)
        wait_for(lambda: whole(admin, accounts[0].system_id)["state"] == "dropped", timeout=60)
    assert states(admin, accounts) == ["refused"] * 3 + ["dropped"] * 2
    parent = whole(admin, accounts[0].system_id)
    assert parent["progress"] == {"done": 3, "total": 5} and parent["reason"] == "three changes were refused"
    assert [line.split(":")[0] for line in parent["skipped"]] == ["u4", "u5"] and "refused" in parent["skipped"][0]
    assert [a.show()["ChangeState"] for a in accounts] == [0] * 5 and all(strange.has_password(a.name, a.password()) for a in accounts)
    assert accounts[4].change().status_code == 204  # they are free


def test_what_somebody_queues_himself_is_not_dropped_with_the_rest(ps, strange, admin):
    """He was told 204: it is his, whether the others come to anything or not."""
    accounts = taken_on(ps, admin, strange, ["u1", "u2", "u3", "u4", "u5"])
    with told(strange, "refuse"), retries(admin, retries=1):
        with stopped(admin):
            change_all(ps, admin, accounts[0].system_id)
            assert accounts[4].change({"Queue": True}).status_code == 204
            assert "u5: somebody has queued a change of it" in whole(admin, accounts[0].system_id)["skipped"]
        assert settled(admin, accounts[4])["state"] == "refused"
        wait_for(lambda: whole(admin, accounts[0].system_id)["state"] == "dropped", timeout=60)
    assert states(admin, accounts) == ["refused"] * 3 + ["dropped", "refused"]
    parent = whole(admin, accounts[0].system_id)
    assert parent["progress"] == {"done": 3, "total": 4}
    # One that was let go already is his as well.
    with stopped(admin):
        assert accounts[0].change({"Queue": True}).status_code == 204
    assert settled(admin, accounts[0])["state"] == "done"


def test_very_many_that_are_left_out_are_counted(server, ps, admin, strange):
    """What a job says of itself has a bound, and so has the work of saying it."""
    account = Managed(ps, strange, "u7", auto=False)
    with Store(server) as db:
        columns = "name, name_key, password_rule_id"
        for number in range(3000):
            db.execute(f"INSERT INTO managed_accounts (system_id, {columns}) SELECT system_id, ?, ?, password_rule_id FROM managed_accounts WHERE id = ?",
                       (f"left out {number} " + "x" * 200, f"left out {number} " + "x" * 200, account.id))
    parent = change_all(ps, admin, account.system_id)
    more = int(re.fullmatch(r"and (\d+) more", parent["skipped"][-1]).group(1))
    assert more > 0 and len(parent["skipped"]) - 1 + more == 3001 and sum(map(len, parent["skipped"])) < 300_000


def test_a_refused_canary_is_followed_by_another(ps, strange, admin):
    system = take_on_host(ps, strange, Timeout=3)
    nobody = Managed(ps, strange, "nobodyhere", password="x", system=system)
    accounts = taken_on(ps, admin, strange, ["u1", "u2"], system=system)
    with retries(admin, retries=1):
        change_all(ps, admin, system)
        assert settled(admin, nobody)["state"] == "refused"
        assert [settled(admin, account)["state"] for account in accounts] == ["done", "done"]
        wait_for(lambda: whole(admin, system)["state"] == "done")
    assert whole(admin, system)["reason"] == "1 of 3 accounts was not changed"


def test_a_whole_system_in_which_nobody_was_changed_is_refused(ps, strange, admin, server):
    accounts = taken_on(ps, admin, strange, ["u1", "u2"])
    with told(strange, "refuse"), retries(admin, retries=1):
        change_all(ps, admin, accounts[0].system_id)
        wait_for(lambda: whole(admin, accounts[0].system_id)["state"] not in OPEN, timeout=60)
    parent = whole(admin, accounts[0].system_id)
    assert states(admin, accounts) == ["refused"] * 2 and (parent["state"], parent["reason"]) == ("refused", "2 of 2 accounts were not changed")
    assert rows_of(server, "SELECT success FROM jobs WHERE id = ?", [parent["id"]]) == [(0,)]


def test_a_whole_system_whose_only_account_drifts_is_no_success(ps, strange, admin):
    account = taken_on(ps, admin, strange, ["u3"])[0]
    with told(strange, "drift", "u3:Somebody-else-1!\n"):
        change_all(ps, admin, account.system_id)
        assert settled(admin, account)["state"] == "drift"
    wait_for(lambda: whole(admin, account.system_id)["state"] not in OPEN)
    parent = whole(admin, account.system_id)
    assert (parent["state"], parent["reason"]) == ("refused", "1 of 1 accounts was not changed; in drift or abandoned: 1")


def test_accounts_that_cannot_be_changed_are_left_out_of_a_whole_system(ps, admin):
    functional = ok(ps.post("/FunctionalAccounts", {"PlatformID": 1, "AccountName": "func", "DisplayName": "of Windows", "Password": "Func-Start-1!"}), 201)["FunctionalAccountID"]
    body = {"EntityTypeID": 1, "HostName": "win01", "IPAddress": "127.0.0.1", "PlatformID": 1, "AutoManagementFlag": True, "FunctionalAccountID": functional}
    system = ok(ps.post("/Workgroups/1/ManagedSystems", body), 201)["ManagedSystemID"]
    account = Managed(ps, None, "u1", system=system)
    parent = change_all(ps, admin, system)
    assert parent["skipped"] == ["u1: Credential not changed: there is no connector for this platform yet; use UpdateSystem=false"]
    assert not ok(admin.own("GET", f"/jobs?kind=change&accountId={account.id}"))["items"] and account.show()["ChangeState"] == 0
    wait_for(lambda: whole(admin, system)["state"] == "done")


def test_one_unknown_drops_the_rest(ps, strange, admin):
    accounts = taken_on(ps, admin, strange, ["u1", "u2", "u3"])
    with told(strange, "drift"):
        change_all(ps, admin, accounts[0].system_id)
        wait_for(lambda: states(admin, accounts)[1:] == ["dropped", "dropped"], timeout=60)
        parent = whole(admin, accounts[0].system_id)
        assert (parent["state"], parent["progress"]) == ("queued", {"done": 0, "total": 3}) and len(parent["skipped"]) == 2
        assert state_of(admin, accounts[0])["state"] == "unknown" and accounts[0].show()["ChangeState"] == 1
        assert health_of(admin, "unknown")["text"] != "no unsettled change"
    assert settled(admin, accounts[0])["state"] == "done"
    wait_for(lambda: whole(admin, accounts[0].system_id)["state"] == "dropped")
    assert all(strange.has_password(account.name, account.password()) for account in accounts)


def test_an_explicit_change_of_the_canary_lets_the_next_one_go(ps, strange, admin):
    accounts = taken_on(ps, admin, strange, ["u6", "u7"])
    with stopped(admin):
        change_all(ps, admin, accounts[0].system_id)
        assert accounts[0].put({"Password": "Only-stored-6!", "UpdateSystem": False}).status_code == 204
        assert states(admin, accounts) == ["dropped", "queued"]
    assert settled(admin, accounts[1])["state"] == "done"


# -- retries, lanes


def test_refusals_are_tried_again_as_configured(ps, strange, admin):
    account = taken_on(ps, admin, strange, ["u8"])[0]
    with retries(admin, retryMinutes=60, retries=2), told(strange, "refuse"):
        assert account.change({"Queue": True}).status_code == 204
        wait_for(lambda: job_of(admin, account)["reason"])
        job = job_of(admin, account)
        assert job["state"] == "queued" and account.show()["ChangeState"] == 2
        wait = time.mktime(time.strptime(job["nextTryAt"][:19], "%Y-%m-%dT%H:%M:%S")) - time.mktime(time.strptime(job["createdAt"][:19], "%Y-%m-%dT%H:%M:%S"))
        assert 50 * 60 < wait < 70 * 60
        assert standings(admin, account) == ["current", "pending"]
        ok(admin.own("POST", f"/jobs/{job['id']}/retry"))
        assert settled(admin, account)["state"] == "refused" and account.show()["ChangeState"] == 0
    assert account.password() == account.first and strange.has_password("u8", account.first)
    assert standings(admin, account) == ["current", "retired"]  # kept, though the host has refused it twice


def test_what_was_refused_stays_the_candidate_until_it_is_proved(ps, strange, admin):
    account = taken_on(ps, admin, strange, ["u8"])[0]
    with retries(admin, retryMinutes=60, retries=3):
        with told(strange, "refuse"):
            assert account.change({"Queue": True}).status_code == 204
            wait_for(lambda: job_of(admin, account)["reason"])
            assert standings(admin, account) == ["current", "pending"] and account.password() == account.first
        ok(admin.own("POST", f"/jobs/{job_of(admin, account)['id']}/retry"))
        assert settled(admin, account)["state"] == "done"
    kept = versions(admin, account)
    assert [kept[number]["standing"] for number in sorted(kept)] == ["previous", "current"]
    assert kept[max(kept)]["lastProved"] and strange.has_password("u8", account.password()) and account.password() != account.first


def test_an_outcome_that_is_unknown_is_no_refusal(ps, strange, admin, server):
    """With one try in all: a refusal would have been the end of it."""
    account = taken_on(ps, admin, strange, ["u8"])[0]
    with retries(admin, retryMinutes=60, retries=1):
        with told(strange, "drift"):
            assert account.change({"Queue": True}).status_code == 204
            wait_for(lambda: job_of(admin, account)["state"] == "resolving", timeout=60)
            assert standings(admin, account) == ["current", "pending"] and account.password() == account.first
        job = settled(admin, account)
    assert job["state"] == "done" and job["attempt"] > 1
    assert rows_of(server, "SELECT refusals FROM jobs WHERE id = ?", [job["id"]]) == [(0,)]
    assert len(versions(admin, account)) == 2 and strange.has_password("u8", account.password())  # the same candidate all along


@contextlib.contextmanager
def blackhole():
    """A port that takes no more connections: whoever connects waits."""
    with socket.socket() as listener, contextlib.ExitStack() as held:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        for _ in range(4):
            filler = held.enter_context(socket.socket())
            filler.setblocking(False)
            filler.connect_ex(listener.getsockname())
        yield listener.getsockname()[1]


def leased(server, accounts):
    marks = ", ".join("?" for _ in accounts)
    with Store(server) as db:
        now = int(time.time() * 1e6)
        text = f"SELECT COUNT(*) FROM jobs WHERE is_open = 1 AND kind = 'change' AND leased_until > ? AND account_id IN ({marks})"
        return db.execute(text, [now] + [account.id for account in accounts]).fetchone()[0]


def test_a_domain_and_a_system_have_two_lanes(ps, strange, admin, server):
    with blackhole() as port:
        systems = [take_on_host(ps, strange, port=port, Timeout=5) for _ in range(4)]
        of_domain = [Managed(ps, strange, f"d{i}", password="x", system=systems[i], auto=False) for i in range(3)]
        of_system = [Managed(ps, strange, f"e{i}", password="x", system=systems[3], auto=False) for i in range(3)]
        with Store(server) as db:
            for account in of_domain:
                db.execute("UPDATE managed_accounts SET domain_name = 'corp.example' WHERE id = ?", (account.id,))
        for account in of_domain + of_system:
            assert account.change({"Queue": True}).status_code == 204
        most = [0, 0]
        end = time.monotonic() + 4
        while time.monotonic() < end:
            most = [max(most[0], leased(server, of_domain)), max(most[1], leased(server, of_system))]
            time.sleep(0.05)
        assert most == [2, 2]
        for account in of_domain + of_system:
            assert ps.delete(f"/ManagedAccounts/{account.id}").status_code in (200, 409)


def seconds_until_done(admin, accounts):
    began = time.monotonic()
    for account in accounts:
        assert account.change({"Queue": True}).status_code == 204
    wait_for(lambda: not set(states(admin, accounts)) & set(OPEN), timeout=120)
    assert set(states(admin, accounts)) == {"done"}
    return time.monotonic() - began


def test_dead_and_slow_hosts_delay_nobody(strange, tmp_path):
    """Ten accounts on five hosts that take no connection hold more than all eight lanes: the healthy ones do not wait for them."""
    server = Server(directory=str(tmp_path / "server")).start()
    try:
        ps, admin = server.passwordsafe(), server.controlroom()
        healthy = [taken_on(ps, admin, strange, [f"u{i}"], timeout=30)[0] for i in range(1, 9)]
        alone = seconds_until_done(admin, healthy)
        with blackhole() as port, CutProxy(strange.port, delay_s=0.3) as slow_way:
            dead = [Managed(ps, strange, f"dead{i}{j}", password="x", system=system, auto=False)
                    for i, system in enumerate(take_on_host(ps, strange, port=port, Timeout=60) for _ in range(5)) for j in range(2)]
            slow = Managed(ps, strange, "s1", system=take_on_host(ps, strange, port=slow_way.port, Timeout=60), auto=False)
            for account in [*dead, slow]:
                assert account.change({"Queue": True}).status_code == 204
            wait_for(lambda: leased(server, dead) >= 8)
            together = seconds_until_done(admin, healthy)
            print(f"alone {alone:.1f} s, beside dead and slow hosts {together:.1f} s")
            assert together < 1.5 * alone + 4
            assert settled(admin, slow)["state"] == "done"
            assert {state for state in states(admin, dead)} <= {"queued", "prepared"}
    finally:
        server.stop(expect=None)
        server.close()
