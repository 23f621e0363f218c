"""The functional account's failed logins: every job of its systems signs in as that one account, and together they never lock it (I4)."""
import concurrent.futures
import time

import pytest
from conftest import Managed, take_on_host
from ssh_host import PASSWORDS, SshHost
from store import Store
from support import ok, wait_for

BUDGET = 2
KEPT_LINE_S = 22  # a connector that is kept signs in no more; longer than one lives


@pytest.fixture(scope="module")
def strict(tmp_path_factory):
    with SshHost(tmp_path_factory.mktemp("strict"), faillock_deny=BUDGET + 1) as host:
        yield host


@pytest.fixture
def func(strict, server):
    """What the vault does not know of from then on; afterwards all is as it was."""
    yield lambda: strict.set_password("func", "Somebody-else-1!")
    strict.set_password("func", PASSWORDS["func"])
    strict.run(["/usr/sbin/faillock", "--user", "func", "--reset"])
    with Store(server) as db:
        db.execute("DELETE FROM login_budgets WHERE account_id < 0")


def idle(admin):
    wait_for(lambda: not ok(admin.own("GET", "/jobs?state=open"))["items"], timeout=60)


def all_at_once(accounts):
    with concurrent.futures.ThreadPoolExecutor(len(accounts)) as pool:
        return list(pool.map(lambda account: account.put({"Password": "Never-sent-1!"}), accounts))


def test_two_lanes_with_one_failure_left(ps, admin, strict, func):
    system = take_on_host(ps, strict, Timeout=8)
    accounts = [Managed(ps, strict, name, system=system, auto=False) for name in ("u1", "u2", "u3")]
    idle(admin)
    time.sleep(KEPT_LINE_S)
    func()
    before = strict.failed_logins("func")
    assert accounts[0].put({"Password": "Never-sent-1!"}).status_code == 400
    wait_for(lambda: strict.failed_logins("func") - before == 1)  # the host's log comes late
    answers = all_at_once(accounts[1:])
    time.sleep(1)
    assert {answer.status_code for answer in answers} == {400} and strict.failed_logins("func") - before == BUDGET
    assert any("signing in as the functional account" in answer.text or "budget" in answer.text for answer in answers)


@pytest.mark.parametrize("options, timeout", [({"MaxAuthTries": "1"}, 8), ({}, 1)], ids=["one try a connection", "no patience"])
def test_a_guess_that_is_not_answered_counts(ps, admin, tmp_path, options, timeout):
    """The host hangs up, or answers after the time-out: it may count a wrong password all the same."""
    with SshHost(tmp_path / "host", sshd_options=options, fail_delay=True) as host:
        account = Managed(ps, host, "u1", system=take_on_host(ps, host, Timeout=timeout), auto=False)
        idle(admin)
        host.set_password("func", "Somebody-else-1!")
        answers = [account.put({"Password": f"Never-sent-{turn}!"}) for turn in range(5)]
        assert {answer.status_code for answer in answers} == {400} and "budget" in answers[-1].text
        time.sleep(4)  # a host that is slow to count
        assert host.failed_logins("func") <= BUDGET
