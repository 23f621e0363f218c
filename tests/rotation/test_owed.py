"""What an account owes: a change for its date, for a release or a link that has ended, for its glass that was broken; whatever else happens to it meanwhile."""
import concurrent.futures
import time

import pytest
from clock_fixtures import jobs_of, set_due, store_now
from drifting import SETUP, account_on, job_of, told
from people import breaker
from store import Store, rows_of
from support import Server, ok, wait_for

QUIET_S = 3
REASONS = ["schedule", "release", "unlink", "breakGlass"]


@pytest.fixture(scope="module")
def strange(tmp_path_factory):
    from ssh_host import SshHost
    with SshHost(tmp_path_factory.mktemp("strange"), setup=SETUP) as host:
        yield host


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    server = Server(directory=str(tmp_path_factory.mktemp("server")), options=["--quiet", str(QUIET_S)]).start()
    yield server
    server.stop()


@pytest.fixture(scope="module")
def glass(server, ps):
    return breaker(server, ps)


class Debtor:
    """An account, and what makes it owe a change for this reason."""

    def __init__(self, server, ps, admin, glass, host, why, name):
        self.server, self.ps, self.admin, self.glass, self.why = server, ps, admin, glass, why
        self.account = account_on(ps, host, name, timeout=15, auto=True, ChangePasswordAfterAnyReleaseFlag=why == "release")
        wait_for(lambda: not ok(admin.own("GET", f"/jobs?state=open&accountId={self.account.id}"))["items"])
        getattr(self, f"before_{why}", lambda: None)()

    def before_release(self):
        body = {"SystemID": self.account.system_id, "AccountID": self.account.id, "DurationMinutes": 5, "Reason": "test"}
        self.request = ok(self.ps.post("/Requests", body), 201)
        ok(self.ps.get(f"/Credentials/{self.request}"))

    def before_unlink(self):
        credential = ok(self.admin.post("/v2/credentialvault/credentials", {"name": f"of {self.account.id}", "attributes": [{"name": "p", "userProvided": False, "masked": True}]}), 201)
        end = {"part": "password", "end": {"attributeId": int(credential["attributes"][0]["id"])}, "release": "consumers"}
        self.link = ok(self.admin.own("PUT", f"/managed-accounts/{self.account.id}/links", end))["id"]
        with Store(self.server) as db:
            db.execute("UPDATE links SET last_read_at = ? WHERE id = ?", (store_now(self.server), self.link))

    def owe(self):
        if self.why == "schedule":
            set_due(self.server, self.account.id, 0)
            wait_for(lambda: rows_of(self.server, "SELECT next_change_at FROM managed_accounts WHERE id = ?", (self.account.id,))[0][0] > store_now(self.server))
        elif self.why == "release":
            assert self.ps.put(f"/Requests/{self.request}/Checkin", {}).status_code == 204
        elif self.why == "unlink":
            assert self.admin.own("DELETE", f"/links/{self.link}").status_code == 204
        else:
            ok(self.glass.own("POST", f"/managed-accounts/{self.account.id}/break-glass", {"version": 1, "reason": "the host is on fire"}))

    def jobs(self):
        return jobs_of(self.server, self.account.id)

    def has_paid(self):
        """The change that was owed is made; after break-glass without its quiet time."""
        wait_for(lambda: any(trigger == self.why for trigger, _ in self.jobs()), timeout=20)
        if self.why == "breakGlass":
            ok(self.admin.own("POST", f"/jobs/{job_of(self.admin, self.account)['id']}/retry"))
        wait_for(lambda: self.jobs()[-1] == (self.why, "done"), timeout=60)

    def during(self, put, meanwhile):
        """The answer to a PUT during whose change something else happens."""
        host = self.account.host
        with told(host, "slow", "4"), concurrent.futures.ThreadPoolExecutor(1) as pool:
            answer = pool.submit(self.account.put, put)
            wait_for(lambda: host.run("test -e /etc/begun", check=False).returncode == 0, timeout=15)
            host.run("rm -f /etc/begun /etc/slow /etc/refuse")
            meanwhile()
            return answer.result()


@pytest.fixture
def debtor(server, ps, admin, glass, strange, request):
    return Debtor(server, ps, admin, glass, strange, request.param, f"u{1 + REASONS.index(request.param)}")


def each(*reasons):
    return pytest.mark.parametrize("debtor", reasons, indirect=True)


@each(*REASONS)
def test_it_is_owed_still_when_the_change_under_way_is_refused(debtor, strange):
    with told(strange, "refuse"):
        assert debtor.during({"Password": "Refused-by-host-1!"}, debtor.owe).status_code == 400
    debtor.has_paid()
    assert not strange.has_password(debtor.account.name, debtor.account.first) and strange.has_password(debtor.account.name, debtor.account.password())
    assert debtor.jobs() == [("caller", "refused"), (debtor.why, "done")]


@each("release")
def test_the_change_under_way_pays_it_when_it_is_done(debtor, strange):
    assert debtor.during({"Password": "Done-by-then-1!"}, debtor.owe).status_code == 204
    time.sleep(3)
    assert debtor.jobs() == [("caller", "done")]


@each("schedule", "unlink")
def test_an_explicit_change_that_drops_the_queued_one_and_is_refused_leaves_it_owed(debtor, strange, admin):
    ok(admin.own("PUT", "/engine", {"stopped": True, "reason": "the order of things"}))
    try:
        debtor.owe()
        wait_for(lambda: debtor.jobs() == [(debtor.why, "queued")], timeout=15)
    finally:
        with Store(debtor.server) as db:
            db.execute("UPDATE jobs SET next_try_at = next_try_at + 3600000000 WHERE account_id = ?", (debtor.account.id,))
        ok(admin.own("PUT", "/engine", {"stopped": False}))
    with told(strange, "refuse"):
        assert debtor.account.put({"Password": "Refused-by-host-1!"}).status_code == 400
    debtor.has_paid()
    assert [state for _, state in debtor.jobs()][:2] == ["dropped", "refused"]


@each("schedule")
def test_what_was_refused_for_good_is_owed_no_more(debtor, strange, admin):
    rules = ok(admin.own("GET", "/engine"))
    ok(admin.own("PUT", "/engine", {"retries": 1, "retryMinutes": 1}))
    try:
        with told(strange, "refuse"):
            debtor.owe()
            wait_for(lambda: debtor.jobs() == [("schedule", "refused")], timeout=30)
        time.sleep(3)
        assert debtor.jobs() == [("schedule", "refused")]
    finally:
        ok(admin.own("PUT", "/engine", {"retries": rules["retries"], "retryMinutes": rules["retryMinutes"]}))


@each("schedule")
def test_auto_management_that_ends_takes_it_away(debtor, strange, ps):
    with told(strange, "refuse"):
        def meanwhile():
            debtor.owe()
            ok(ps.put(f"/ManagedAccounts/{debtor.account.id}", {"AutoManagementFlag": False}))
        assert debtor.during({"Password": "Refused-by-host-1!"}, meanwhile).status_code == 400
    time.sleep(3)
    assert debtor.jobs() == [("caller", "refused")]
