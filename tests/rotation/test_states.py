"""Unknown, unverified, drifted and refused are states that people see and act on (keyturn-api 4 and 5)."""
import concurrent.futures
import contextlib
import time

import pytest
from conftest import Managed, take_on_host
from cut_proxy import CutProxy
from drifting import SETUP, account_on, into_drift, job_of, settled, state_of, told, versions
from people import breaker, group_of, manager, user_in
from store import Store
from support import ok, wait_for

REASON = {"reason": "the host was scrapped"}


@pytest.fixture(scope="module")
def strange(tmp_path_factory):
    from ssh_host import SshHost
    with SshHost(tmp_path_factory.mktemp("strange"), setup=SETUP) as host:
        yield host


@pytest.fixture(scope="module")
def glass(server, ps):
    return breaker(server, ps)


def order(client, job, what, body=None):
    return client.own("POST", f"/jobs/{job['id']}/{what}", body if body is not None else {})


def linked(admin, account, name):
    """A value that follows the account; () -> the version of the account that it holds."""
    credential = ok(admin.post("/v2/credentialvault/credentials", {"name": name, "attributes": [{"name": "p", "userProvided": False, "masked": True}]}), 201)
    end = {"part": "password", "end": {"attributeId": int(credential["attributes"][0]["id"])}, "release": "consumers"}
    link = ok(admin.own("PUT", f"/managed-accounts/{account.id}/links", end))
    return lambda: ok(admin.own("POST", f"/links/{link['id']}/verify"))


# -- set again


def test_set_again_sends_the_same_candidate_and_proves_it(ps, strange, admin):
    account = account_on(ps, strange)
    follows = linked(admin, account, "set again")
    job = into_drift(admin, account)
    assert state_of(admin, account)["state"] == "drift" and account.password() == account.first
    assert account.show()["ChangeState"] == 0
    answer = ok(order(admin, job, "set-again"))
    assert (answer["id"], answer["state"]) == (job["id"], "done") and [s["step"] for s in answer["steps"]].count("set again") == 1
    assert account.password() == "Candidate-1!" and strange.has_password("u1", "Candidate-1!")
    state = state_of(admin, account)
    assert state["state"] == "proved" and follows() == {"equal": True, "version": 2} and state["jobId"] is None
    assert ok(order(admin, job, "set-again"))["state"] == "done"  # again: there it is
    assert order(admin, job, "abandon", REASON).status_code == 403


def test_set_again_that_is_refused_is_drift_again_and_costs_no_login(ps, strange, admin):
    account = account_on(ps, strange, "u2")
    job = into_drift(admin, account)
    failed = strange.failed_logins("u2")
    with told(strange, "refuse"):
        answer = ok(order(admin, job, "set-again"))
    assert answer["state"] == "drift" and "refused by the test" in answer["reason"]
    assert strange.failed_logins("u2") == failed and strange.has_password("u2", "Somebody-else-1!")
    assert [v["standing"] for v in versions(admin, account).values()].count("current") == 1 and account.password() == account.first
    assert ok(order(admin, job, "set-again"))["state"] == "done"


def test_set_again_on_a_host_that_is_down_is_drift_again(ps, strange, admin):
    account = account_on(ps, strange, "u3")
    job = into_drift(admin, account)
    strange.freeze()
    try:
        answer = ok(order(admin, job, "set-again"))
    finally:
        strange.thaw()
    assert answer["state"] == "drift" and state_of(admin, account)["state"] == "drift"


def test_two_who_set_again_at_once_join(ps, strange, admin):
    account = account_on(ps, strange, "u4")
    job = into_drift(admin, account)
    with told(strange, "late"), concurrent.futures.ThreadPoolExecutor(3) as pool:
        answers = [ok(one.result()) for one in [pool.submit(order, admin, job, "set-again") for _ in range(3)]]
    assert [a["state"] for a in answers] == ["done"] * 3
    steps = [s["step"] for s in ok(admin.own("GET", f"/jobs/{job['id']}"))["steps"]]
    assert steps.count("set again") == 1 and steps.count("applying") == 2


def test_what_cannot_be_set_again(ps, strange, admin):
    account = account_on(ps, strange, "u5")
    assert account.put({"Password": "Fine-1!"}).status_code == 204
    assert order(admin, job_of(admin, account), "set-again").status_code == 409
    old = into_drift(admin, account, candidate="Lost-1!")
    assert account.put({"Password": "Way-out-1!"}).status_code == 204
    answer = order(admin, old, "set-again")
    assert answer.status_code == 409 and "came after it" in answer.json()["message"]
    assert order(admin, old, "adopt", {"password": "Somebody-else-1!"}).status_code == 409
    assert account.password() == "Way-out-1!" and strange.has_password("u5", "Way-out-1!")


def test_one_that_takes_anothers_password_by_now_is_not_set_again(ps, strange, admin):
    account, parent = account_on(ps, strange), account_on(ps, strange, "u2")
    job = into_drift(admin, account)
    ok(ps.post(f"/ManagedAccounts/{parent.id}/SyncedAccounts/{account.id}"), 201)
    assert f"takes the password of account {parent.id}" in ok(order(admin, job, "set-again"), 409)["message"]
    assert account.password() == account.first and job_of(admin, account)["state"] == "drift"
    ok(ps.delete(f"/ManagedAccounts/{parent.id}/SyncedAccounts/{account.id}"))
    assert ok(order(admin, job, "set-again"))["state"] == "done"


# -- adopt


def test_adopt_turns_account_and_links_once_it_is_proved(ps, strange, admin):
    account = account_on(ps, strange, "u6")
    follows = linked(admin, account, "adopt")
    job = into_drift(admin, account, other="Typed-by-hand-1!")
    before = versions(admin, account)
    answer = order(admin, job, "adopt", {"password": "Wrong-1!"})
    assert answer.status_code == 400 and "does not match the system" in answer.text and "Wrong-1!" not in answer.text
    assert order(admin, job, "adopt", {"password": "Wrong-1!"}).status_code == 400
    assert len(versions(admin, account)) == len(before) + 1 and account.password() == account.first  # the same words are one version
    assert job_of(admin, account)["state"] == "drift" and state_of(admin, account)["loginBudget"]["left"] == 2
    answer = ok(order(admin, job, "adopt", {"password": "Typed-by-hand-1!"}))
    assert answer["state"] == "done"
    state = state_of(admin, account)
    current = next(v for v in state["versions"] if v["standing"] == "current")
    assert state["state"] == "proved" and current["provedBy"] == "compare" and current["lastProved"] is True
    assert account.password() == "Typed-by-hand-1!" and follows() == {"equal": True, "version": current["version"]}
    assert set(before) < set(versions(admin, account)) and account.test() is True  # no version is gone
    assert ok(order(admin, job, "adopt", {"password": "Typed-by-hand-1!"}))["state"] == "done"
    assert order(admin, job, "adopt", {"password": "Another-1!"}).status_code == 409


def test_adopt_without_a_verifier_costs_one_login_within_the_budget(ps, strange, admin):
    account = account_on(ps, strange, "u7")
    assert account.put({"Password": "Proved-1!"}).status_code == 204
    job = into_drift(admin, account)
    strange.run("sed -i.kept /getent/d /etc/sudoers.d/func")
    try:
        failed = strange.failed_logins("u7")
        for spent in (1, 2):
            answer = order(admin, job, "adopt", {"password": f"Wrong-{spent}!"})
            assert answer.status_code == 400 and "does not match the system" in answer.text, answer.text
            wait_for(lambda spent=spent: strange.failed_logins("u7") - failed == spent)  # the host's log comes late
        answer = order(admin, job, "adopt", {"password": "Somebody-else-1!"})
        assert answer.status_code == 409 and "budget spent until" in answer.json()["message"]
        assert strange.failed_logins("u7") - failed == 2 and account.password() == "Proved-1!"
    finally:
        strange.run("cp /etc/sudoers.d/func.kept /etc/sudoers.d/func; rm /etc/sudoers.d/func.kept; chmod 440 /etc/sudoers.d/func")
    assert ok(order(admin, job, "adopt", {"password": "Somebody-else-1!"}))["state"] == "done"


def test_two_adopt_at_once(ps, strange, admin, server):
    account = account_on(ps, strange, "u8")
    job = into_drift(admin, account)
    typed = ["Somebody-else-1!", "Wrong-1!", "Somebody-else-1!", "Wrong-2!"]
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        answers = [one.result() for one in [pool.submit(order, admin, job, "adopt", {"password": text}) for text in typed]]
    assert {a.status_code for a in answers} <= {200, 400, 409}
    for text, answer in zip(typed, answers):
        assert text == "Somebody-else-1!" or answer.status_code != 200, (text, answer.text)
    if job_of(admin, account)["state"] == "drift":
        ok(order(admin, job, "adopt", {"password": "Somebody-else-1!"}))
    assert account.password() == "Somebody-else-1!" and state_of(admin, account)["state"] == "proved"


def test_an_old_version_is_not_adopted_for_the_half_of_it_that_was_typed(ps, strange, admin, tmp_path):
    """Its password is live, but the key beside it was never asked about."""
    import subprocess
    account = account_on(ps, strange, "u8")
    keys = []
    for name in ("one", "two"):
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", tmp_path / name], check=True)
        keys.append((tmp_path / name).read_text())
    assert account.put({"PrivateKey": keys[0], "UpdateSystem": False}).status_code == 204
    assert account.put({"PrivateKey": keys[1], "Password": "Beside-key-two-1!", "UpdateSystem": False}).status_code == 204
    job = into_drift(admin, account)
    strange.set_password("u8", account.first)
    assert ok(order(admin, job, "adopt", {"password": account.first}))["state"] == "done"
    query = {"SystemID": account.system_id, "AccountID": account.id, "DurationMinutes": 1}
    assert ok(ps.post("/ISARequests?type=dsskey", query), 201) == keys[1] and account.password() == account.first


def test_a_key_alone_is_not_adopted_beside_a_dead_password(ps, strange, admin, tmp_path):
    """What becomes current is called proved: all of it."""
    import subprocess
    account = account_on(ps, strange, "u5")
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", tmp_path / "theirs"], check=True)
    private, public = (tmp_path / "theirs").read_text(), (tmp_path / "theirs.pub").read_text()
    job = into_drift(admin, account)
    strange.run(["/bin/sh", "-c", "mkdir -p /home/u5/.ssh; cat >>/home/u5/.ssh/authorized_keys; chown -R u5 /home/u5/.ssh; chmod -R go= /home/u5/.ssh"], input=public)
    answer = order(admin, job, "adopt", {"privateKey": private})
    assert answer.status_code == 400 and "the stored password is not" in answer.text, answer.text
    assert state_of(admin, account)["state"] == "drift"
    assert ok(order(admin, job, "adopt", {"privateKey": private, "password": "Somebody-else-1!"}))["state"] == "done"
    assert state_of(admin, account)["state"] == "proved" and account.password() == "Somebody-else-1!"


def test_who_may_adopt(ps, strange, admin, server, glass):
    account = account_on(ps, strange, "s1")
    job = into_drift(admin, account)
    only_manager = manager(server, ps)
    answer = order(only_manager, job, "adopt", {"password": "Somebody-else-1!"})
    assert answer.status_code == 403 and "ISA" in answer.json()["message"]
    for body in ({}, {"passphrase": "x"}, {"password": "a\nb"}, {"privateKey": "no key"}):
        assert order(admin, job, "adopt", body).status_code == 400, body
    assert account.password() == account.first
    assert ok(order(glass, job, "adopt", {"password": "Somebody-else-1!"}))["state"] == "done"
    assert account.password() == "Somebody-else-1!"


# -- abandon


def test_abandon_frees_the_account_and_a_late_arrival_is_seen(ps, strange, admin, glass):
    account = account_on(ps, strange, "s2")
    with told(strange, "drift"):
        assert account.put({"Password": "Late-1!"}).status_code in (400, 409)
        if job_of(admin, account)["state"] != "resolving":
            pytest.fail(str(job_of(admin, account)))
        job = job_of(admin, account)
        assert account.show()["ChangeState"] == 1 and state_of(admin, account)["state"] == "unknown"
        assert order(admin, job, "abandon", REASON).status_code == 403  # an administrator is not by himself a breaker of glass
        assert order(glass, job, "abandon", {"reason": "short"}).status_code == 400
        while True:  # the worker may be in the middle of sending it: then it is told to wait
            answer = order(glass, job, "abandon", REASON)
            if answer.status_code == 200:
                break
            assert answer.status_code == 409, answer.text
            time.sleep(0.05)
        assert answer.json()["state"] == "abandoned" and ok(order(glass, job, "abandon", REASON))["state"] == "abandoned"
        state = state_of(admin, account)
        assert (state["state"], state["jobId"]) == ("unverified", None) and account.show()["ChangeState"] == 0
    strange.set_password("s2", "Late-1!")  # what was sent arrives after all
    assert account.test() is False and state_of(admin, account)["state"] == "mismatch"
    number = next(v["version"] for v in state_of(admin, account)["versions"] if v["version"] == job_version(admin, account, "Late-1!", glass))
    assert number and account.put({"Password": "Way-out-2!"}).status_code == 204 and account.test() is True


def job_version(admin, account, password, glass):
    """The version that break-glass shows this password for."""
    for number in versions(admin, account):
        told_ = ok(glass.own("POST", f"/managed-accounts/{account.id}/break-glass", {"version": number, "reason": "looking for it"}))
        if told_["password"] == password:
            return number
    raise AssertionError("no version holds it")


def test_a_reason_is_kept_up_to_a_whole_character(ps, strange, admin, glass):
    account = account_on(ps, strange, "u7")
    job = into_drift(admin, account)
    reason = "x" + 399 * "ö"  # as long as it may be; whoever counts bytes cuts it within a character
    assert ok(order(glass, job, "abandon", {"reason": reason}))["state"] == "abandoned"
    step = ok(admin.own("GET", f"/jobs/{job['id']}"))["steps"][-1]
    assert (step["step"], step["text"]) == ("abandoned", reason[:200])


def test_a_job_that_a_later_change_has_settled_is_not_abandoned(ps, strange, admin, glass):
    account = account_on(ps, strange, "u2")
    job = into_drift(admin, account)
    assert account.put({"Password": "Way-out-2!"}).status_code == 204 and state_of(admin, account)["state"] == "proved"
    answer = order(glass, job, "abandon", REASON)
    assert answer.status_code == 409 and "came after it" in answer.text, answer.text
    assert state_of(admin, account)["state"] == "proved" and ok(admin.own("GET", f"/jobs/{job['id']}"))["state"] == "drift"


def test_a_worker_in_the_middle_of_an_abandoned_job_records_nothing(ps, strange, admin, glass):
    account = account_on(ps, strange, "u1", timeout=5)
    with told(strange, "drift"):
        assert account.put({"Password": "Abandoned-1!"}).status_code == 409
    job = job_of(admin, account)
    stop = time.monotonic() + 60
    while job_of(admin, account)["state"] in ("resolving", "applying", "verifying") and time.monotonic() < stop:
        if order(glass, job, "abandon", REASON).status_code == 200:
            break
    ended = job_of(admin, account)["state"]
    time.sleep(3)
    assert job_of(admin, account)["state"] == ended and ended in ("abandoned", "done")
    if ended == "abandoned":
        assert account.password() == account.first and state_of(admin, account)["state"] == "unverified"
    assert account.put({"Password": "Afterwards-1!"}).status_code == 204 and strange.has_password("u1", "Afterwards-1!")


# -- killed in the middle


@contextlib.contextmanager
def killed(server):
    """The server is killed at the end of the block, and started again on the same address."""
    address = server.url
    yield
    server.kill()
    kept, server.listen = server.listen, [address]
    server.start()
    server.listen = kept


@pytest.mark.parametrize("what, body", [("set-again", {}), ("adopt", {"password": "Somebody-else-1!"}), ("adopt", {"password": "Wrong-1!"})])
def test_killed_in_the_middle_of_an_order(strange, tmp_path, what, body):
    from support import Server
    server = Server(directory=str(tmp_path / "server")).start()
    try:
        ps, admin = server.passwordsafe(), server.controlroom()
        account = account_on(ps, strange, "u2", timeout=3)
        job = into_drift(admin, account)
        with told(strange, "late"), concurrent.futures.ThreadPoolExecutor(1) as pool:
            with killed(server):
                asked = pool.submit(order, admin, job, what, body)
                time.sleep(0.4)
            with contextlib.suppress(Exception):
                asked.result()
        admin = server.controlroom()
        ended = settled(admin, account, timeout=120)
        live = "Candidate-1!" if what == "set-again" else "Somebody-else-1!"
        if ended["state"] == "done":
            assert account.password() == live and strange.has_password("u2", live) and body != {"password": "Wrong-1!"}
        else:
            assert ended["state"] == "drift" and account.password() == account.first
            assert ok(order(admin, job, "set-again"))["state"] == "done" and account.password() == "Candidate-1!"
        assert state_of(admin, account)["loginBudget"]["left"] >= 1
    finally:
        server.stop()
        assert server.audit_is_intact().returncode == 0
        server.close()


# -- break-glass


def shown(client, account, number, reason="the host is on fire"):
    return client.own("POST", f"/managed-accounts/{account.id}/break-glass", {"version": number, "reason": reason})


def test_break_glass_shows_any_version_and_costs_a_change(ps, strange, admin, server, glass):
    account = account_on(ps, strange, "u3", auto=True)
    wait_for(lambda: not ok(admin.own("GET", f"/jobs?state=open&accountId={account.id}"))["items"])
    assert account.put({"Password": "Second-1!"}).status_code == 204
    assert ok(shown(glass, account, 1)) == {"version": 1, "password": account.first, "privateKey": None, "passphrase": None}
    assert ok(shown(glass, account, 2))["password"] == "Second-1!"
    wait_for(lambda: job_of(admin, account)["trigger"] == "breakGlass")
    job = job_of(admin, account)
    assert (job["state"], job["by"]) == ("queued", 0) and job["nextTryAt"] > job["createdAt"] and account.show()["ChangeState"] == 2
    assert "break-glass: user person" in server.log_text() and "the host is on fire" in server.log_text()
    assert "Second-1!" not in server.log_text()
    found = ok(admin.post("/v1/audit/messages/list", {"page": {"length": 200}}))["list"]
    rows = [row for row in found if "break-glass" in str(row)]
    assert len(rows) >= 2 and "the host is on fire" in str(rows)
    assert shown(glass, account, 99).status_code == 404 and shown(glass, account, 2, "short").status_code == 400
    ok(admin.own("POST", f"/jobs/{job['id']}/retry"))
    assert settled(admin, account)["state"] == "done" and account.password() != "Second-1!" and strange.has_password("u3", account.password())


def test_break_glass_waits_until_the_account_is_stable(ps, strange, admin, server, glass):
    account = account_on(ps, strange, "u4", auto=True)
    wait_for(lambda: not ok(admin.own("GET", f"/jobs?state=open&accountId={account.id}"))["items"])
    job = into_drift(admin, account)
    assert ok(shown(glass, account, 2))["password"] == "Candidate-1!"  # the candidate, which nobody else is shown
    time.sleep(3)
    assert job_of(admin, account)["id"] == job["id"]
    ok(order(glass, job, "adopt", {"password": "Somebody-else-1!"}))
    wait_for(lambda: job_of(admin, account)["trigger"] == "breakGlass")


def test_who_may_break_glass(ps, strange, admin, server, glass):
    account = account_on(ps, strange, "u5")
    answer = shown(admin, account, 1)
    assert answer.status_code == 403 and "Keyturn Break Glass" in answer.json()["message"]
    assert shown(manager(server, ps), account, 1).status_code == 403
    cookie = ps.http.post(ps.base + "/BeyondTrust/api/public/v3/Auth/SignAppin", headers=ps.headers()).cookies["ASP.NET_SessionId"]
    answer = admin.call("POST", f"/api/v1/managed-accounts/{account.id}/break-glass", {"version": 1, "reason": "the host is on fire"},
                        headers={"X-Authorization": "", "Cookie": f"ASP.NET_SessionId={cookie}", "Content-Type": "application/json"})
    assert answer.status_code in (401, 403)
    assert glass.own("GET", f"/managed-accounts/{account.id}/state").status_code == 403  # the right to break glass is no other right


def test_an_administrator_gives_the_right_to_others_and_never_to_himself(ps, strange, server):
    own_id, own = user_in(server, ps, 1)
    client = server.passwordsafe(own.user)
    group = group_of(client, "glass for others", 1000)
    assert client.post(f"/Users/{own_id}/UserGroups/{group}").status_code == 403
    mine = group_of(client, "mine")
    assert client.post(f"/Users/{own_id}/UserGroups/{mine}").status_code in (201, 204)
    assert client.post(f"/UserGroups/{mine}/Permissions", [{"PermissionID": 1000, "AccessLevelID": 3}]).status_code == 403
    account = account_on(ps, strange, "u7")
    assert shown(own, account, 1).status_code == 403
    other = user_in(server, client, group)[1]
    assert ok(shown(other, account, 1))["password"] == account.first


def test_an_old_sign_in_is_not_enough(ps, strange, server):
    """A session whose password was checked eleven minutes ago."""
    account = account_on(ps, strange, "u6")
    from people import PASSWORD, COUNTER
    breaker(server, ps)
    name = f"person{COUNTER[0]}"
    body = {"Name": f"with password {name}", "RegistrationType": "apikeypolicy", "Active": True, "MultiFactorAuthenticationEnforced": False, "UserPasswordRequired": True}
    made = ok(ps.post("/ApiRegistrations", body), 201)
    with Store(server) as db:
        db.execute("UPDATE registrations SET user_password_required = 1 WHERE id = ?", (made["ID"],))
        db.execute("INSERT INTO role_registrations (role_id, registration_id) SELECT m.role_id, ? FROM role_members m JOIN users u ON u.id = m.user_id WHERE u.name = ?",
                   (made["ID"], name))
    key = ok(ps.get(f"/ApiRegistrations/{made['ID']}/Key"))
    client = server.passwordsafe(name, key=key, password=PASSWORD)
    answer = client.post("/Auth/SignAppin")
    assert answer.status_code == 200, answer.text
    headers = {"Authorization": "", "Cookie": f"ASP.NET_SessionId={answer.cookies['ASP.NET_SessionId']}", "Content-Type": "application/json"}
    path, body = f"/api/v1/managed-accounts/{account.id}/break-glass", {"version": 1, "reason": "the host is on fire"}
    assert ok(client.post(path, body, headers=headers))["password"] == account.first
    with Store(server) as db:
        db.execute("UPDATE sessions SET password_at = password_at - 660000000 WHERE user_id = (SELECT id FROM users WHERE name = ?)", (name,))
    answer = client.post(path, body, headers=headers)
    assert answer.status_code == 403 and answer.json()["code"] == "password.required", answer.text


def test_who_asks_for_the_candidate_while_another_is_adopted_is_not_told_it_is_set(ps, strange, admin):
    with CutProxy(strange.port) as way:
        account = Managed(ps, strange, "u8", system=take_on_host(ps, strange, port=way.port, Timeout=6), auto=False)
        strange.set_password("u8", account.first)
        job = into_drift(admin, account)
        way.delay_s = 0.3
        with concurrent.futures.ThreadPoolExecutor(1) as pool:
            adopting = pool.submit(admin.own, "POST", f"/jobs/{job['id']}/adopt", {"password": "Somebody-else-1!"})
            wait_for(lambda: job_of(admin, account)["state"] == "prepared", timeout=5)
            answer = account.put({"Password": "Candidate-1!"})
            assert answer.status_code == 409 and "unfinished job" in answer.text
            assert ok(adopting.result())["state"] == "done"
        assert account.password() == "Somebody-else-1!" and strange.has_password("u8", "Somebody-else-1!")
