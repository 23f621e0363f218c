"""tests/rotation/test_propagation.py: propagation actions: services that are restarted on real hosts after a change (passwordsafe-api 7.11)."""
import contextlib
import itertools
import os
import sys
import time

import pytest
from conftest import Managed, take_on_host
from services import SERVICES, forget, times
from store import rows_of
from support import ok, wait_for

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "targets"))

from ssh_host import SshHost  # noqa: E402

WAIT = 90
NUMBERS = itertools.count(1)
SERVICE_NAMES = ["counter", "slow", "third-time", "broken", "hangs", "leaves.daemon"]


@pytest.fixture(scope="module")
def host(tmp_path_factory):
    with SshHost(tmp_path_factory.mktemp("host"), setup=SERVICES) as running:
        yield running


@pytest.fixture(scope="module")
def second(tmp_path_factory):
    with SshHost(tmp_path_factory.mktemp("second"), setup=SERVICES) as running:
        yield running


class World:
    """The account u1 on one host, another system of another host, and an action for each service."""

    def __init__(self, server, host, second):
        self.server, self.host, self.second = server, host, second
        self.sign_in()
        self.account = Managed(self.ps, host, "u1", auto=False)
        self.here = self.account.system_id
        self.there = take_on_host(self.ps, second, Timeout=10)
        self.actions = {name: ok(self.admin.own("POST", "/propagation-actions", {"typeId": 1, "name": f"restart {name}", "service": name}), 201)["id"] for name in SERVICE_NAMES}

    def sign_in(self):
        self.admin, self.ps = self.server.controlroom(), self.server.passwordsafe()
        if hasattr(self, "account"):
            self.account.ps = self.ps

    def path(self, account=None):
        return f"/ManagedAccounts/{(account or self.account).id}/PropagationActions"

    def assign(self, name, *systems, account=None):
        rules = []
        if systems:
            body = {"IDs": list(systems), "Title": f"rule {next(NUMBERS)}", "RuleType": "ManagedSystem"}
            rules = [ok(self.ps.post("/QuickRules", body), 201)["SmartRuleID"]]
        ok(self.ps.post(f"{self.path(account)}/{self.actions[name]}", {"SmartRuleIDs": rules}), 201)

    def change(self, account=None):
        answer = (account or self.account).put({})
        assert answer.status_code == 204, answer.text

    def jobs(self, account=None, state=None):
        """Newest first."""
        more = f"&state={state}" if state else ""
        return ok(self.admin.own("GET", f"/jobs?kind=propagate&accountId={(account or self.account).id}{more}"))["items"]

    def job(self, number):
        return ok(self.admin.own("GET", f"/jobs/{number}"))

    def steps(self, number):
        return [step["step"] for step in self.job(number)["steps"]]

    def settled(self, account=None):
        wait_for(lambda: self.jobs(account, "open") == [], WAIT, 0.2)
        return self.jobs(account)

    def hurry(self):
        for job in self.jobs(state="open"):
            self.admin.own("POST", f"/jobs/{job['id']}/retry")

    def state(self):
        return ok(self.admin.own("GET", f"/managed-accounts/{self.account.id}/state"))["state"]

    @contextlib.contextmanager
    def retries(self, number):
        ok(self.admin.own("PUT", "/engine", {"retries": number}))
        yield
        ok(self.admin.own("PUT", "/engine", {"retries": 5}))


@pytest.fixture(scope="module")
def shared(server, host, second):
    return World(server, host, second)


@pytest.fixture
def world(shared):
    for host in (shared.host, shared.second):
        forget(host)
    shared.known = {job["id"] for job in shared.jobs()}
    yield shared
    ok(shared.ps.delete(shared.path()))
    if shared.jobs(state="open"):
        shared.change()  # a newer turn, without actions: nothing of this test is left
    assert shared.jobs(state="open") == []


def news(world):
    return [job for job in world.jobs() if job["id"] not in world.known]


def test_the_service_reads_what_the_account_has_now(world):
    world.assign("counter")
    before = world.host.shadow("u1")
    world.change()
    world.settled()
    assert times(world.host) == [world.host.shadow("u1")] != [before]
    job, = news(world)
    assert (job["kind"], job["trigger"], job["state"], job["systemId"], job["accountName"], job["by"], job["attempt"]) == ("propagate", "turn", "done", world.here, "u1", 0, 1)
    assert world.steps(job["id"]) == ["applying", "restarted", "done"] and world.job(job["id"])["steps"][1]["text"] == "counter"
    assert world.account.test() and world.state() == "proved"


def test_it_runs_where_the_rules_say_once_each(world):
    world.assign("counter", world.here, world.there)
    world.assign("leaves.daemon", world.there)
    world.change()
    world.settled()
    found = {job["systemId"]: [step["text"] for step in world.job(job["id"])["steps"] if step["step"] == "restarted"] for job in news(world)}
    assert found == {world.here: ["counter"], world.there: ["counter", "leaves.daemon"]}
    assert (len(times(world.host)), len(times(world.second)), len(times(world.second, "daemon"))) == (1, 1, 1)
    handed = rows_of(world.server, "SELECT detail FROM audit_rows WHERE what = 'secret.handed' AND detail LIKE ?", (f"to the connector of job {news(world)[0]['id']}, %",))
    assert len(handed) == 1 and handed[0][0].endswith("the functional account's alone")
    world.second.run("pkill -x sleep || true")


def test_rules_that_hold_everything(world):
    rule = {row["RuleType"]: row["SmartRuleID"] for row in ok(world.ps.get("/SmartRules")) if row["Title"].startswith("All ")}
    both = f"{rule['ManagedSystem']},{rule['Asset']}"
    ok(world.ps.post(f"{world.path()}/{world.actions['counter']}", {"SmartRuleIDs": both}), 201)
    world.change()
    wait_for(lambda: len(times(world.host)) == 1 and len(times(world.second)) == 1, WAIT)
    linux = {row["ManagedSystemID"] for row in ok(world.ps.get("/ManagedSystems")) if row["PlatformID"] == 2}
    assert {job["systemId"] for job in news(world)} == linux >= {world.here, world.there}


def test_a_failing_action_is_tried_again_alone_and_the_change_stays(world):
    world.assign("counter")
    world.assign("third-time")
    world.change()
    password = world.account.password()
    wait_for(lambda: news(world)[0]["reason"], WAIT)
    assert "restart third-time: exit status 1: not ready yet" in news(world)[0]["reason"]
    wait_for(lambda: world.hurry() or times(world.host, "third-time"), WAIT, 0.5)
    job, = world.settled()[:1]
    # hurry() asks for a retry: whoever does is told how it went, though it went as before.
    steps = ["applying", "restarted", "later", "applying", "later", "applying", "restarted", "done"]
    assert (job["state"], job["attempt"]) == ("done", 3) and world.steps(job["id"]) == steps
    assert len(times(world.host)) == 1 and times(world.host, "third-time") == ["done"]
    assert world.account.password() == password and world.host.has_password("u1", password) and world.state() == "proved"


def test_one_that_never_works_is_given_up_until_the_next_turn(world):
    world.assign("broken")
    with world.retries(2):
        world.change()
        wait_for(lambda: world.hurry() or world.jobs(state="open") == [], WAIT, 0.5)
        job, = news(world)
        assert (job["state"], job["attempt"]) == ("refused", 2) and job["reason"] == "restart broken: (left out)"  # a secret is in it
        assert world.steps(job["id"])[-1] == "refused" and len(times(world.host, "broken")) == 2
        assert f"job {job['id']}: " in world.server.log_text() and "not tried again before the account's next turn" in world.server.log_text()
        time.sleep(2)
        assert len(times(world.host, "broken")) == 2 and world.state() == "proved"
        world.change()
        wait_for(lambda: len(times(world.host, "broken")) >= 3, WAIT)
        assert len(news(world)) == 2


def test_one_that_hangs_keeps_nobody_waiting(world):
    world.assign("hangs", world.there)
    world.assign("counter", world.here)
    world.change()
    wait_for(lambda: times(world.host), WAIT)
    began = time.monotonic()
    assert world.account.test() and time.monotonic() - began < 15
    wait_for(lambda: [job["reason"] for job in news(world) if job["systemId"] == world.there] != [""], WAIT)
    hung = next(job for job in news(world) if job["systemId"] == world.there)
    assert "did not answer in time" in hung["reason"] and world.state() == "proved"
    world.second.run("pkill -x sleep || true")


def test_nothing_is_done_after_a_change_that_was_refused(world):
    ghost = Managed(world.ps, world.host, "ghost", password="Ghost-Start-1!", auto=False, system=world.here)
    world.assign("counter", account=ghost)
    assert ghost.put({"Password": "Ghost-Next-1!"}).status_code == 400
    assert world.jobs(ghost) == [] and times(world.host) == []


def test_nothing_is_done_after_what_is_only_stored(world):
    world.assign("counter")
    now = world.account.password()
    for password in ("Stored-Only-1!", now):
        assert world.account.put({"Password": password, "UpdateSystem": False}).status_code == 204
    ok(world.admin.own("POST", f"/managed-accounts/{world.account.id}/restore"))
    assert world.account.test()
    time.sleep(1.5)
    assert news(world) == [] and times(world.host) == []


def test_a_newer_turn_replaces_one_that_waits(world):
    world.assign("counter", world.there)
    world.second.stop()
    world.change()
    first, = wait_for(lambda: [job for job in news(world) if "connection refused" in job["reason"]], WAIT)
    world.change()
    newest, older = news(world)
    assert older["id"] == first["id"] and (older["state"], older["reason"]) == ("dropped", "the account has turned again")
    assert newest["state"] in ("queued", "applying")
    world.second.start()
    wait_for(lambda: world.hurry() or world.jobs(state="open") == [], WAIT, 0.5)
    assert len(times(world.second)) == 1 and [job["state"] for job in news(world)] == ["done", "dropped"]


def test_a_newer_turn_replaces_one_that_runs(world):
    world.assign("slow")
    world.change()
    first, = wait_for(lambda: [job for job in news(world) if job["state"] == "applying"], WAIT, 0.05)
    world.change()
    world.settled()
    wait_for(lambda: world.host.shadow("u1") in times(world.host, "slow"), WAIT)
    assert world.job(first["id"])["state"] == "dropped" and "done" not in world.steps(first["id"])
    assert [job["state"] for job in news(world)] == ["done", "dropped"]


def test_a_dead_system_of_a_rule_delays_nobody(world):
    world.second.freeze()
    try:
        world.assign("counter", world.here, world.there)
        world.change()
        wait_for(lambda: times(world.host), 30)
        other = Managed(world.ps, world.host, "u2", auto=False, system=world.here)
        began = time.monotonic()
        world.change(other)
        assert time.monotonic() - began < 20
        late = wait_for(lambda: [job for job in news(world) if job["systemId"] == world.there and job["reason"]], WAIT)
        assert late[0]["state"] == "queued" and "did not answer" in late[0]["reason"]
    finally:
        world.second.thaw()
    wait_for(lambda: world.hurry() or world.jobs(state="open") == [], WAIT, 0.5)
    assert len(times(world.second)) == 1 == len(times(world.host))


def test_what_was_unassigned_or_changed_meanwhile(world):
    world.assign("counter", world.there)
    world.assign("third-time", world.there)
    world.second.stop()
    world.change()
    wait_for(lambda: news(world)[0]["reason"], WAIT)
    ok(world.ps.delete(f"{world.path()}/{world.actions['counter']}"))
    body = {"typeId": 1, "name": "restart third-time", "service": "counter"}
    ok(world.admin.own("PUT", f"/propagation-actions/{world.actions['third-time']}", body))
    world.second.start()
    wait_for(lambda: world.hurry() or world.jobs(state="open") == [], WAIT, 0.5)
    ok(world.admin.own("PUT", f"/propagation-actions/{world.actions['third-time']}", dict(body, service="third-time")))
    job, = news(world)
    assert job["state"] == "done" and [step for step in world.steps(job["id"]) if step in ("skipped", "restarted")] == ["skipped", "restarted"]
    assert len(times(world.second)) == 1 and times(world.second, "tries") == []


def test_systems_that_cannot_be_asked(world):
    """One without a functional account, and one that is deleted before its turn comes."""
    body = {"EntityTypeID": 1, "HostName": "bare", "IPAddress": "127.0.0.1", "PlatformID": 2, "Port": world.host.port, "AutoManagementFlag": False}
    bare = ok(world.ps.post("/Workgroups/1/ManagedSystems", body), 201)["ManagedSystemID"]
    gone = take_on_host(world.ps, world.host, port=1)
    world.assign("counter", bare, gone)
    world.change()
    by_system = {job["systemId"]: job["id"] for job in news(world)}
    wait_for(lambda: "has no functional account" in world.job(by_system[bare])["reason"], WAIT)
    wait_for(lambda: world.job(by_system[gone])["reason"], WAIT)
    ok(world.ps.delete(f"/ManagedSystems/{gone}"))
    ok(world.admin.own("POST", f"/jobs/{by_system[gone]}/retry"))
    wait_for(lambda: world.job(by_system[gone])["state"] == "dropped", WAIT)
    assert times(world.host) == []
    ok(world.ps.delete(f"/ManagedSystems/{bare}"))


def test_a_changed_host_key_there_is_refused(world):
    world.assign("counter", world.there)
    world.change()
    world.settled()
    forget(world.second)
    world.second.change_host_key()
    world.change()
    wait_for(lambda: "host key changed" in news(world)[0]["reason"], WAIT)
    assert times(world.second) == [] and world.state() == "proved"
    seen = next(key for key in ok(world.admin.own("GET", f"/managed-systems/{world.there}/host-keys"))["items"] if key["state"] == "seen")
    ok(world.admin.own("POST", f"/managed-systems/{world.there}/host-keys/{seen['id']}/accept", {}))
    wait_for(lambda: world.hurry() or times(world.second), WAIT, 0.5)


def test_a_deleted_account_restarts_nothing_more(world):
    doomed = Managed(world.ps, world.host, "u3", auto=False, system=world.here)
    world.assign("counter", world.there, account=doomed)
    world.second.stop()
    world.change(doomed)
    job = wait_for(lambda: world.jobs(doomed, "open"), WAIT)[0]
    ok(world.ps.delete(f"/ManagedAccounts/{doomed.id}"))
    assert world.job(job["id"])["state"] == "dropped"
    world.second.start()
    time.sleep(2)
    assert times(world.second) == []


def test_after_the_functional_accounts_own_change_it_signs_in_with_what_is_new(world):
    own = Managed(world.ps, world.host, "func2", functional="func2", auto=False)
    world.assign("counter", account=own)
    for n in (1, 2):
        world.change(own)
        world.settled(own)
        assert len(times(world.host)) == n
    assert [(job["state"], job["attempt"]) for job in world.jobs(own)] == [("done", 1), ("done", 1)]
    assert world.host.failed_logins("func2") == 0


def test_killed_between_the_turn_and_the_run(world):
    world.assign("counter", world.there)
    world.second.stop()
    world.change()
    world.server.kill()
    world.second.start()
    world.server.start()
    world.sign_in()
    wait_for(lambda: world.hurry() or times(world.second), WAIT, 0.5)
    world.settled()
    assert [job["state"] for job in news(world)] == ["done"] and len(times(world.second)) == 1
    # And a start begins nothing of its own.
    world.server.stop()
    world.server.start()
    world.sign_in()
    time.sleep(2)
    assert len(news(world)) == 1 and len(times(world.second)) == 1


def test_killed_while_it_runs(world):
    world.assign("counter")
    world.assign("slow")
    world.change()
    wait_for(lambda: "restarted" in world.steps(news(world)[0]["id"]), WAIT, 0.05)
    world.server.kill()
    world.server.start()
    world.sign_in()
    wait_for(lambda: world.jobs(state="open") == [], WAIT, 0.3)
    job, = news(world)
    assert job["state"] == "done" and len(times(world.host)) == 1 and len(times(world.host, "slow")) >= 1
    assert set(times(world.host, "slow")) == {world.host.shadow("u1")}
