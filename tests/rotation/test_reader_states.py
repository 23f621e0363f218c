"""What a reader is told while an account changes (design 4): he waits two seconds at most, then gets the current version and its state."""
import concurrent.futures
import time

import pytest
from drifting import SETUP, account_on, job_of, settled, told
from support import ok, wait_for

PARKED_S = 2


@pytest.fixture(scope="module")
def strange(tmp_path_factory):
    from ssh_host import SshHost
    with SshHost(tmp_path_factory.mktemp("readers"), setup=SETUP) as host:
        yield host


def timed_read(ps, number):
    began = time.monotonic()
    answer = ps.get(f"/Credentials/{number}")
    return ok(answer), answer.headers.get("X-Keyturn-State"), time.monotonic() - began


def test_changing_then_unknown_then_proved(server, ps, strange, admin):
    account = account_on(ps, strange, timeout=8)
    assert account.put({"Password": "First-1!"}).status_code == 204
    number = ok(ps.post("/Requests", {"SystemID": account.system_id, "AccountID": account.id, "DurationMinutes": 5}), 201)
    assert timed_read(ps, number)[:2] == ("First-1!", None)
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        with told(strange, "drift"):  # the change is taken, and never answered
            asked = pool.submit(server.passwordsafe().put, f"/ManagedAccounts/{account.id}/Credentials", {"Password": "Second-2!"})
            wait_for(lambda: job_of(admin, account)["state"] == "applying")
            value, state, took = timed_read(ps, number)
            assert (value, state) == ("First-1!", "changing") and PARKED_S - 0.2 < took < PARKED_S + 2
            wait_for(lambda: job_of(admin, account)["state"] == "resolving", timeout=40)
            value, state, took = timed_read(ps, number)
            assert (value, state) == ("First-1!", "unknown") and took < PARKED_S - 0.5
        assert asked.result().status_code in (204, 409)
    assert settled(admin, account)["state"] == "done"
    assert timed_read(ps, number)[:2] == ("Second-2!", None)


def test_who_waits_gets_the_new_one_as_soon_as_it_is_current(server, ps, strange, admin):
    account = account_on(ps, strange, "u2", timeout=20)
    assert account.put({"Password": "First-1!"}).status_code == 204
    number = ok(ps.post("/Requests", {"SystemID": account.system_id, "AccountID": account.id, "DurationMinutes": 5}), 201)
    with concurrent.futures.ThreadPoolExecutor(1) as pool, told(strange, "late"):  # it takes a second
        asked = pool.submit(server.passwordsafe().put, f"/ManagedAccounts/{account.id}/Credentials", {"Password": "Second-2!"})
        wait_for(lambda: job_of(admin, account)["state"] == "applying", pause=0.02)
        value, state, took = timed_read(ps, number)
        assert asked.result().status_code == 204
    assert (value, state) == ("Second-2!", None) and 0.2 < took < PARKED_S + 1
