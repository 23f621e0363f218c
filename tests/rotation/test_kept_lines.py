"""A connector and its functional session serve the next job of the same system, and no other one."""
import contextlib
import os
import signal
import time

import freezer
import pytest
from conftest import Managed, take_on_host
from ssh_host import PASSWORDS
from support import ok, wait_for


def children(pid):
    with contextlib.suppress(OSError):
        return [int(child) for task in os.listdir(f"/proc/{pid}/task") for child in open(f"/proc/{pid}/task/{task}/children").read().split()]
    return []


def connectors(server):
    """{pid: when it started} of the connectors that live under this server: the launcher's children."""
    found = {}
    for launcher in children(server.process.pid):
        for pid in children(launcher):
            with contextlib.suppress(OSError):
                fields = open(f"/proc/{pid}/stat").read().rsplit(")", 1)[1].split()
                if fields[0] != "Z":
                    found[pid] = fields[19]
    return found


@pytest.fixture
def system(ps, host):
    return take_on_host(ps, host, Timeout=3)


@pytest.fixture
def accounts(ps, host, system):
    taken = [Managed(ps, host, name, system=system) for name in ("u1", "u2")]
    for account in taken:
        host.set_password(account.name, account.first)
    return taken


@pytest.fixture
def kept(server, accounts):
    """One connector that a change has just left behind."""
    wait_for(lambda: not connectors(server), timeout=60)
    assert accounts[0].change().status_code == 204
    left = connectors(server)
    assert len(left) == 1
    return left


def changes(account, host):
    assert account.change().status_code == 204
    assert host.has_password(account.name, account.password())


def test_the_next_job_takes_it(server, accounts, host, kept):
    for account in reversed(accounts):
        changes(account, host)
        assert connectors(server) == kept
    assert accounts[1].test() is True and connectors(server) == kept


def test_it_goes_when_nobody_wants_it(server, kept):
    start = time.monotonic()
    wait_for(lambda: not connectors(server), timeout=30)
    assert time.monotonic() - start > 10


def test_another_functional_account_has_a_session_of_its_own(ps, server, accounts, host, system, kept):
    body = {"PlatformID": 2, "AccountName": "func", "DisplayName": "func, by a wrong password", "Password": "wrong-" + PASSWORDS["func"], "ElevationCommand": "sudo"}
    wrong = ok(ps.post("/FunctionalAccounts", body), 201)["FunctionalAccountID"]
    right = ok(ps.get(f"/ManagedSystems/{system}"))
    ok(ps.put(f"/ManagedSystems/{system}", dict(right, FunctionalAccountID=wrong)))
    assert accounts[1].change().status_code == 400, "the kept session was not opened with this password"
    ok(ps.put(f"/ManagedSystems/{system}", right))
    changes(accounts[1], host)
    assert connectors(server) == kept


def test_another_system_has_its_own(ps, server, host, kept):
    elsewhere = Managed(ps, host, "u3", system=take_on_host(ps, host, Timeout=3))
    host.set_password("u3", elsewhere.first)
    changes(elsewhere, host)
    assert len(set(connectors(server)) - set(kept)) == 1


@pytest.mark.parametrize("disturb", [lambda pid: os.kill(pid, signal.SIGKILL), freezer.stop], ids=["killed", "stopped"])
def test_one_that_has_died_meanwhile_costs_nothing(server, accounts, host, kept, disturb):
    disturb(*kept)
    start = time.monotonic()
    changes(accounts[1], host)
    assert time.monotonic() - start < 40
    assert set(connectors(server)) - set(kept)


def test_the_session_has_died_meanwhile(server, accounts, host, kept):
    host.end_sessions()
    changes(accounts[1], host)
    assert len(connectors(server)) == 1


def test_a_refusal_ends_it(server, accounts, host, kept):
    """Nothing is kept of which it is not known that all went well."""
    host.run("usermod -l gone u2")
    try:
        assert accounts[1].change().status_code == 400
        wait_for(lambda: not connectors(server), timeout=5)  # the answer may come before the line is closed; an idle one lives for 20 s
    finally:
        host.run("usermod -l u2 gone")
    changes(accounts[1], host)
