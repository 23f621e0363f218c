"""A managed account that is its system's own functional account: both rows turn together, and nobody signs in with the old password (docs/decisions/0010)."""
import concurrent.futures
import contextlib
import subprocess
import time

import pytest
from conftest import Managed, take_on_host
from drifting import SETUP, into_drift, job_of, settled, state_of, told
from people import breaker
from platform_fixtures import Account, Mariadb, Postgresql
from ssh_host import PASSWORDS, SshHost
from store import Store
from support import Server, ok, wait_for

LOCKS_AT = 3


@pytest.fixture(scope="module")
def strict(tmp_path_factory):
    """A host that locks an account at the third failed login, whose changes can be told to go wrong."""
    with SshHost(tmp_path_factory.mktemp("strict"), setup=SETUP, faillock_deny=LOCKS_AT) as host:
        yield host


@pytest.fixture
def fresh(strict):
    """The same host with its first passwords."""
    for name in ("func", "func2", "u1", "u2", "u3"):
        strict.set_password(name, PASSWORDS[name])
        strict.run(["/usr/sbin/faillock", "--user", name, "--reset"])
    strict.run("rm -f /etc/late /etc/drift /etc/slow")
    return strict


def is_applying(admin, account):
    return any(job["state"] == "applying" for job in ok(admin.own("GET", f"/jobs?kind=change&accountId={account.id}"))["items"])


def idle(admin, system):
    wait_for(lambda: not ok(admin.own("GET", f"/jobs?state=open&systemId={system}"))["items"], timeout=60)


def taken_on(ps, admin, host, functional="func", others=("u1",), **system):
    """The functional account itself, and others of its system."""
    number = take_on_host(ps, host, functional, **{"Timeout": 5, **system})
    accounts = [Managed(ps, host, name, system=number) for name in (functional, *others)]
    idle(admin, number)
    return accounts


@contextlib.contextmanager
def in_background(call, *arguments):
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        yield pool.submit(call, *arguments)


@pytest.mark.parametrize("functional", ["func", "func2"])
def test_a_change_turns_both(ps, admin, fresh, functional):
    """func2's sudo asks for the password: the session that made the change could not go on with the old one."""
    own, other = taken_on(ps, admin, fresh, functional)
    failed = fresh.failed_logins(functional), fresh.failed_logins("u1")
    answer = own.put({"Password": "Own-Second-2!"})
    assert answer.status_code == 204, answer.text
    assert own.password() == "Own-Second-2!" and fresh.has_password(functional, "Own-Second-2!")
    assert other.put({"Password": "Other-Second-2!"}).status_code == 204 and other.test() and own.test()
    assert own.put().status_code == 204 and fresh.has_password(functional, own.password())
    assert other.put({"Password": "Other-Third-3!"}).status_code == 204
    assert (fresh.failed_logins(functional), fresh.failed_logins("u1")) == failed


def test_one_of_two_systems_is_refused(ps, admin, fresh):
    own, other = taken_on(ps, admin, fresh)
    functional = ok(ps.get(f"/ManagedSystems/{own.system_id}"))["FunctionalAccountID"]
    take_on_host(ps, fresh, FunctionalAccountID=functional)
    answer = own.put({"Password": "Not-sent-1!"})
    assert answer.status_code == 400 and "functional account of 2 managed systems" in answer.text and "give each its own" in answer.text
    assert fresh.has_password("func", own.first) and own.password() == own.first
    # Store only is the account's alone then: the other system's sign-in stays as it is.
    assert own.put({"Password": "Stored-only-1!", "UpdateSystem": False}).status_code == 204
    assert other.put({"Password": "Other-Second-2!"}).status_code == 204


def test_a_postgresql_role_changes_its_own(ps, admin, tmp_path):
    with Postgresql(tmp_path) as target:
        system = target.system(ps)
        own, other = Account(ps, target, "func", system=system), Account(ps, target, "u1", system=system)
        assert own.put("Own-Second-2!").status_code == 204
        assert target.has_password("func", "Own-Second-2!") and own.password() == "Own-Second-2!"
        assert other.put("Other-Second-2!").status_code == 204 and own.test() and other.test()
        assert own.change().status_code == 204 and target.has_password("func", own.password())
        assert other.put("Other-Third-3!").status_code == 204
        assert target.running.log_text().count('authentication failed for user "func"') == 0


def test_a_name_with_another_host_is_refused(ps, tmp_path):
    """On MariaDB `func` and `func@%` may be one account or two."""
    with Mariadb(tmp_path) as target:
        answer = Account(ps, target, "func@%", first="Func-Start-1!").put("Not-Sent-11!")
        assert answer.status_code == 400 and "may be the system's own functional account" in answer.text, answer.text
        assert target.has_password("func", "Func-Start-1!")


@pytest.mark.parametrize("how", ["queue", "schedule"])
def test_the_queue_and_the_schedule_change_it_too(server, ps, admin, fresh, how):
    own, other = taken_on(ps, admin, fresh)
    failed = fresh.failed_logins("func")
    if how == "queue":
        assert own.change({"Queue": True}).status_code == 204
    else:
        with Store(server) as store:
            store.execute("UPDATE managed_accounts SET next_change_at = ? WHERE id = ?", (int(time.time() * 1e6) - 1, own.id))
    wait_for(lambda: own.password() != own.first, timeout=60)
    idle(admin, own.system_id)
    assert fresh.has_password("func", own.password()) and other.put({"Password": "Other-Second-2!"}).status_code == 204
    assert fresh.failed_logins("func") == failed


def jobs_of_whole(admin, system):
    found = [job for job in ok(admin.own("GET", f"/jobs?kind=change&systemId={system}&limit=100"))["items"] if job["state"] != "dropped"]
    return {job["accountName"]: ok(admin.own("GET", f"/jobs/{job['id']}")) for job in reversed(found)}


def when(job, step):
    return [found["at"] for found in job["steps"] if found["step"] == step][0]


def test_of_a_whole_system_it_goes_last(ps, admin, fresh):
    own, *others = taken_on(ps, admin, fresh, others=("u1", "u2", "u3"))
    assert ps.post(f"/ManagedSystems/{own.system_id}/ManagedAccounts/Credentials/Change").status_code == 204
    idle(admin, own.system_id)
    jobs = jobs_of_whole(admin, own.system_id)
    assert all(job["state"] == "done" for job in jobs.values()) and len(jobs) == 4, jobs
    assert all(when(jobs[other.name], "done") < when(jobs["func"], "applying") for other in others)
    assert all(fresh.has_password(account.name, account.password()) for account in (own, *others))


def test_of_a_whole_system_it_does_not_wait_for_one_that_was_dropped(ps, admin, fresh):
    own, other = taken_on(ps, admin, fresh)
    ok(admin.own("PUT", "/engine", {"stopped": True, "reason": "the order of things"}))
    assert ps.post(f"/ManagedSystems/{own.system_id}/ManagedAccounts/Credentials/Change").status_code == 204
    assert other.put({"Password": other.first, "UpdateSystem": False}).status_code == 204
    ok(admin.own("PUT", "/engine", {"stopped": False}))
    idle(admin, own.system_id)
    assert job_of(admin, other)["state"] == "dropped" and job_of(admin, own)["state"] == "done" and fresh.has_password("func", own.password())


def refused_for_good(admin, account):
    job = job_of(admin, account)
    admin.own("POST", f"/jobs/{job['id']}/retry")
    return job["state"] == "refused"


@pytest.mark.parametrize("retries", [1, 2])
def test_of_a_whole_system_it_is_not_the_only_one(ps, admin, fresh, retries):
    """The other one was refused for good: whatever is wrong there, the functional account's own password is not the one to find out with."""
    own, other = taken_on(ps, admin, fresh)
    rules = ok(admin.own("GET", "/engine"))
    ok(admin.own("PUT", "/engine", {"retries": retries, "retryMinutes": 1}))
    try:
        with told(fresh, "refuse"):
            assert ps.post(f"/ManagedSystems/{own.system_id}/ManagedAccounts/Credentials/Change").status_code == 204
            wait_for(lambda: refused_for_good(admin, other), timeout=60)
        idle(admin, own.system_id)
    finally:
        ok(admin.own("PUT", "/engine", {"retries": rules["retries"], "retryMinutes": rules["retryMinutes"]}))
    job = job_of(admin, own)
    assert (job["state"], job["reason"]) == ("dropped", "no other change succeeded") and fresh.has_password("func", own.first)
    whole = ok(admin.own("GET", f"/jobs?kind=system&systemId={own.system_id}"))["items"][0]
    assert whole["state"] == "dropped" and whole["reason"] == "no other change succeeded"


def test_it_goes_between_the_others_of_a_whole_system(ps, admin, fresh):
    own, *others = taken_on(ps, admin, fresh, others=("u1", "u2", "u3", "u4"))
    failed = fresh.failed_logins("func")
    with told(fresh, "late"):
        assert ps.post(f"/ManagedSystems/{own.system_id}/ManagedAccounts/Credentials/Change").status_code == 204
        wait_for(lambda: any(job["state"] == "applying" for job in jobs_of_whole(admin, own.system_id).values()))
        answer = own.put({"Password": "In-Between-2!"})
        assert answer.status_code == 204, answer.text
        idle(admin, own.system_id)
    jobs = jobs_of_whole(admin, own.system_id)
    assert all(job["state"] == "done" for job in jobs.values()) and len(jobs) == 5, jobs
    assert all(when(job, "done") < when(jobs["func"], "applying") or when(job, "applying") > when(jobs["func"], "done")
               for name, job in jobs.items() if name != "func"), "another job was signed in while it was changed"
    assert all(fresh.has_password(account.name, account.password()) for account in (own, *others))
    assert fresh.failed_logins("func") == failed


def test_the_others_wait_while_its_outcome_is_unknown(ps, admin, fresh):
    own, other = taken_on(ps, admin, fresh)
    failed = fresh.failed_logins("func")
    with in_background(own.put, {"Password": "Rolled-Forward-2!"}) as put:
        with told(fresh, "drift"):  # nothing is set, and no answer comes
            wait_for(lambda: is_applying(admin, own))
            assert other.change({"Queue": True}).status_code == 204
            wait_for(lambda: "own password is being changed" in job_of(admin, other)["reason"])
            functional = ok(ps.get(f"/ManagedSystems/{own.system_id}"))["FunctionalAccountID"]
            body = {"EntityTypeID": 1, "HostName": "joins-late", "IPAddress": "127.0.0.1", "PlatformID": 2, "AutoManagementFlag": True, "FunctionalAccountID": functional}
            assert ps.post("/Workgroups/1/ManagedSystems", body).status_code == 409
        assert put.result().status_code in (204, 409)
    assert settled(admin, own)["state"] == "done" and settled(admin, other)["state"] == "done"
    assert fresh.has_password("func", "Rolled-Forward-2!") and own.password() == "Rolled-Forward-2!"
    assert fresh.has_password("u1", other.password()) and fresh.failed_logins("func") - failed <= 1


def test_who_waits_too_long_is_told_why(ps, admin, fresh):
    own, other = taken_on(ps, admin, fresh, Timeout=2)
    with told(fresh, "drift"), in_background(own.put, {"Password": "Rolled-Forward-2!"}):
        wait_for(lambda: is_applying(admin, own))
        answer = other.put({"Password": "Never-Sent-2!"})
        assert answer.status_code == 400 and "own password is being changed" in answer.text, answer.text
    assert settled(admin, own)["state"] == "done" and other.password() == other.first
    assert other.put({"Password": "Other-Second-2!"}).status_code == 204


@pytest.mark.parametrize("has_arrived", [False, True])
def test_a_server_that_is_killed_settles_it_at_its_next_start(tmp_path, fresh, has_arrived):
    server = Server(directory=str(tmp_path / "server")).start()
    try:
        admin = server.controlroom()
        own, other = taken_on(server.passwordsafe(), admin, fresh, "func2")
        failed = fresh.failed_logins("func2")
        with told(fresh, "late" if has_arrived else "drift"), in_background(own.put, {"Password": "Killed-Second-2!"}) as put:
            wait_for(lambda: fresh.run(["pgrep", "-x", "sleep"], check=False).returncode == 0)  # it has reached the host
            server.kill()
            assert isinstance(put.exception(timeout=60), OSError)
            time.sleep(1.5)
        server.start()
        admin, ps = server.controlroom(), server.passwordsafe()
        own.ps = other.ps = ps
        assert settled(admin, own)["state"] == "done"
        assert fresh.has_password("func2", "Killed-Second-2!") and own.password() == "Killed-Second-2!"
        assert fresh.failed_logins("func2") - failed == (0 if has_arrived else 1)
        assert other.put({"Password": "Other-Second-2!"}).status_code == 204 and own.test() is True
        server.stop()
        assert server.audit_is_intact().returncode == 0
    finally:
        server.close()


def test_what_is_stored_by_hand_is_what_it_signs_in_with(ps, admin, fresh):
    own, other = taken_on(ps, admin, fresh)
    assert own.put({"Password": "Proved-Second-2!"}).status_code == 204
    fresh.set_password("func", "By-Hand-3!")
    fresh.end_sessions()  # one that is kept asks for no password
    assert other.put({"Password": "Not-sent-1!"}).status_code == 400
    assert own.put({"Password": "By-Hand-3!", "UpdateSystem": False}).status_code == 204
    assert other.put({"Password": "Other-Second-2!"}).status_code == 204
    # The last proved version, and so the functional account's password, comes back.
    fresh.set_password("func", "Proved-Second-2!")
    ok(admin.own("POST", f"/managed-accounts/{own.id}/restore", {}))
    assert own.password() == "Proved-Second-2!" and other.put({"Password": "Other-Third-3!"}).status_code == 204


def test_what_it_is_taken_on_with_does_not_count_before_it_is_proved(ps, admin, fresh):
    """An import of wrong passwords takes nobody the way to his systems; nor is the right one forgotten."""
    system = take_on_host(ps, fresh, Timeout=5)
    own, other = Managed(ps, fresh, "func", password="Of-The-Import-1!", system=system), Managed(ps, fresh, "u1", system=system)
    assert other.put({"Password": "Other-Second-2!"}).status_code == 204
    assert own.put({"Password": "Stored-Wrong-2!", "UpdateSystem": False}).status_code == 204
    # What it had signed in with is a version by now.
    assert len(state_of(admin, own)["versions"]) == 3
    assert own.put({"Password": PASSWORDS["func"], "UpdateSystem": False}).status_code == 204
    assert own.put({"Password": "Own-Second-2!"}).status_code == 204 and fresh.has_password("func", "Own-Second-2!")
    assert other.put({"Password": "Other-Third-3!"}).status_code == 204


def forget_budgets(server):
    """As if the window of the failed logins had passed."""
    with Store(server) as store:
        store.execute("DELETE FROM login_budgets")


def is_looked_at_twice(admin, account):
    """Two logins that failed are all that the budget has; or it has drifted by then."""
    job = job_of(admin, account)
    return job["state"] == "drift" or "budget" in job["reason"]


def a_key_of(host, folder):
    """Of the functional account."""
    key = folder / "key"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key], check=True)
    host.run("install -d -m 700 -o func -g func ~func/.ssh && cat >~func/.ssh/authorized_keys && chown func: ~func/.ssh/authorized_keys", input=(folder / "key.pub").read_text())
    return key.read_text()


def rolls_forward(server, admin, own, password):
    forget_budgets(server)
    ok(admin.own("POST", f"/jobs/{job_of(admin, own)['id']}/retry"))
    assert settled(admin, own)["state"] == "done" and own.password() == password
    assert own.host.has_password(own.name, password)


@contextlib.contextmanager
def unknown_while(admin, own, password):
    """A change under way, during which the block's own thing happens: it is looked at again and again, and nothing is known."""
    with told(own.host, "slow", "4"), in_background(own.put, {"Password": password}) as put:
        wait_for(lambda: is_applying(admin, own))
        yield
        assert put.result().status_code == 409, put.result().text
        wait_for(lambda: is_looked_at_twice(admin, own), timeout=60)
        assert job_of(admin, own)["state"] == "resolving", job_of(admin, own)


def test_a_host_that_goes_down_with_the_new_password_is_no_drift(server, ps, admin, tmp_path):
    """As Debian sets sshd up it hangs up on the right password, without a word, and honestly says no to the old one."""
    with SshHost(tmp_path, setup=SETUP, sshd_options={"KbdInteractiveAuthentication": "no"}) as host:
        own, other = taken_on(ps, admin, host)
        with unknown_while(admin, own, "Going-Down-2!"):
            host.run("touch /etc/nologin")
        host.run("rm /etc/nologin")
        rolls_forward(server, admin, own, "Going-Down-2!")
        assert other.put({"Password": "Other-Second-2!"}).status_code == 204


def test_a_key_that_is_not_let_in_says_nothing_of_its_password(server, ps, admin, fresh, tmp_path):
    body = {"PlatformID": 2, "AccountName": "func", "DisplayName": "func by key and password", "Password": PASSWORDS["func"],
            "PrivateKey": a_key_of(fresh, tmp_path), "ElevationCommand": "sudo"}
    own, other = taken_on(ps, admin, fresh, FunctionalAccountID=ok(ps.post("/FunctionalAccounts", body), 201)["FunctionalAccountID"])
    with unknown_while(admin, own, "Without-Key-2!"):
        fresh.run("mv ~func/.ssh ~func/away")
    fresh.run("mv ~func/away ~func/.ssh")
    rolls_forward(server, admin, own, "Without-Key-2!")
    assert other.put({"Password": "Other-Second-2!"}).status_code == 204


def test_locked_by_somebody_else_while_it_is_changed_is_no_drift(server, ps, admin, fresh):
    own, other = taken_on(ps, admin, fresh)
    with unknown_while(admin, own, "While-Locked-2!"):
        for _ in range(LOCKS_AT):
            assert not fresh.can_login("func", "Wrong-1!")
    fresh.run(["/usr/sbin/faillock", "--user", "func", "--reset"])
    rolls_forward(server, admin, own, "While-Locked-2!")
    assert other.put({"Password": "Other-Second-2!"}).status_code == 204


def test_drift_is_seen_within_the_budget_and_adopted(server, ps, admin, fresh):
    own, other = taken_on(ps, admin, fresh)
    assert own.put({"Password": "Proved-First-1!"}).status_code == 204
    failed = fresh.failed_logins("func")
    job = into_drift(admin, own)
    time.sleep(1)  # the host's log comes late
    assert fresh.failed_logins("func") - failed == 2 and own.password() == "Proved-First-1!"
    assert other.put({"Password": "Not-sent-1!"}).status_code == 400 and fresh.failed_logins("func") - failed == 2
    refused = admin.own("POST", f"/jobs/{job['id']}/adopt", {"password": "Somebody-else-1!"})
    assert refused.status_code == 409 and "budget" in refused.text, refused.text
    forget_budgets(server)
    fresh.run(["/usr/sbin/faillock", "--user", "func", "--reset"])
    wrong = admin.own("POST", f"/jobs/{job['id']}/adopt", {"password": "Neither-this-1!"})
    assert wrong.status_code == 400 and "does not match" in wrong.text, wrong.text
    ok(admin.own("POST", f"/jobs/{job['id']}/adopt", {"password": "Somebody-else-1!"}))
    assert own.password() == "Somebody-else-1!" and state_of(admin, own)["state"] == "proved"
    assert other.put({"Password": "Other-Second-2!"}).status_code == 204


def test_drift_is_set_again_through_the_one_that_lets_it_in(server, ps, admin, fresh):
    own, other = taken_on(ps, admin, fresh)
    job = into_drift(admin, own, candidate="Again-Second-2!")
    fresh.set_password("func", own.first)
    fresh.run(["/usr/sbin/faillock", "--user", "func", "--reset"])
    for _ in range(2):  # the one that is tried first may be the other one
        forget_budgets(server)
        answer = admin.own("POST", f"/jobs/{job['id']}/set-again", {})
    assert ok(answer)["state"] == "done" and own.password() == "Again-Second-2!" and fresh.has_password("func", "Again-Second-2!")
    assert other.put({"Password": "Other-Second-2!"}).status_code == 204


def test_abandoned_it_signs_in_as_before(server, ps, admin, fresh):
    own, other = taken_on(ps, admin, fresh)
    with told(fresh, "drift"):
        assert own.put({"Password": "Never-Arrives-2!"}).status_code == 409
        job, glass = job_of(admin, own)["id"], breaker(server, ps)
        # Not while it is being sent again.
        wait_for(lambda: glass.own("POST", f"/jobs/{job}/abandon", {"reason": "given up by the test"}).status_code == 200, timeout=60)
    assert own.password() == own.first and state_of(admin, own)["state"] == "unverified"
    assert other.put({"Password": "Other-Second-2!"}).status_code == 204 and own.test() is True


def test_one_that_signs_in_with_a_key_alone_may_be_of_many_systems(ps, admin, fresh, tmp_path):
    body = {"PlatformID": 2, "AccountName": "func", "DisplayName": "func by key", "PrivateKey": a_key_of(fresh, tmp_path), "ElevationCommand": "sudo"}
    functional = ok(ps.post("/FunctionalAccounts", body), 201)["FunctionalAccountID"]
    systems = [take_on_host(ps, fresh, FunctionalAccountID=functional, Timeout=5) for _ in range(2)]
    own, other = Managed(ps, fresh, "func", system=systems[0]), Managed(ps, fresh, "u1", system=systems[1])
    assert own.put({"Password": "Own-Second-2!"}).status_code == 204 and fresh.has_password("func", "Own-Second-2!")
    assert other.put({"Password": "Other-Second-2!"}).status_code == 204
