"""What the log says of a change that does not come to an end: by name, once, and what to do."""
import pytest
from conftest import Managed, take_on_host
from drifting import SETUP, job_of, settled, told
from store import Store, rows_of
from support import ok, wait_for


@pytest.fixture(scope="module")
def strange(tmp_path_factory):
    from ssh_host import SshHost
    with SshHost(tmp_path_factory.mktemp("warnings"), setup=SETUP) as host:
        yield host


@pytest.fixture
def three_tries(admin):
    ok(admin.own("PUT", "/engine", {"retryMinutes": 60, "retries": 3}))
    yield
    ok(admin.own("PUT", "/engine", {"retryMinutes": 15, "retries": 5}))


def lines_of(server, *words):
    return [line for line in server.log_text().split("\n") if all(word in line for word in words)]


def test_what_no_later_try_mends_is_told_at_the_first_one(ps, strange, admin, server, three_tries):
    account = Managed(ps, strange, "u8", system=take_on_host(ps, strange, name="told-at-once", Timeout=3), auto=False)
    strange.set_password("u8", account.first)
    body = {"PlatformID": 2, "AccountName": "func", "DisplayName": "func of another house", "Password": "Not-this-1!", "ElevationCommand": "sudo"}
    ok(ps.put(f"/ManagedSystems/{account.system_id}", {"FunctionalAccountID": ok(ps.post("/FunctionalAccounts", body), 201)["FunctionalAccountID"]}))
    assert account.change({"Queue": True}).status_code == 204
    for tries in (1, 2):
        wait_for(lambda: rows_of(server, "SELECT refusals FROM jobs WHERE id = ?", [job_of(admin, account)["id"]]) == [(tries,)], timeout=40)
        assert len(lines_of(server, "told-at-once/u8")) == 1, lines_of(server, "told-at-once/u8")
        ok(admin.own("POST", f"/jobs/{job_of(admin, account)['id']}/retry"))
    assert settled(admin, account)["state"] == "refused"
    first, last = lines_of(server, "told-at-once/u8")
    assert "functional account" in first and "tried again in vain" in first and "refused 3 times, and is not tried again" in last
    assert not lines_of(server, "Not-this-1!") and not lines_of(server, account.first)


def test_an_outcome_that_stays_unknown_is_told_once(ps, strange, admin, server):
    account = Managed(ps, strange, "u7", system=take_on_host(ps, strange, name="told-late", Timeout=3), auto=False)
    strange.set_password("u7", account.first)
    with told(strange, "drift"):
        assert account.put({"Password": "Sent-and-lost-1!"}).status_code == 409
        job = job_of(admin, account)["id"]
        looks = lambda: rows_of(server, "SELECT COUNT(*) FROM job_steps WHERE job_id = ? AND step = 'resolving'", [job])[0][0]
        wait_for(looks, timeout=60)
        assert not lines_of(server, "told-late/u7")
        with Store(server) as db:
            db.execute("UPDATE job_steps SET at = at - 660000000 WHERE job_id = ?", (job,))
        for _ in range(2):
            before = looks()
            wait_for(lambda: looks() > before, timeout=90)
    assert len(lines_of(server, "told-late/u7", "not been known")) == 1 and not lines_of(server, "Sent-and-lost-1!")
    assert settled(admin, account)["state"] == "done" and len(lines_of(server, "told-late/u7")) == 1
