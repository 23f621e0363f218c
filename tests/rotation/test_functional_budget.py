"""The functional account's failed logins: every job of its systems signs in as that one account, and together they never lock it (I4)."""
import concurrent.futures
import subprocess
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


# -- what sudo asks for --------------------------------------------------------------------------------------------------

# func3's sudo asks for a password where a password is set, and for none to read the hash.
FUNC3 = r"""
useradd -m -s /bin/bash func3
printf 'func3:Func-Start-3!\n' | chpasswd
cat >/etc/sudoers.d/func3 <<'SUDOERS'
Defaults:func3 !requiretty, !pam_session, !use_pty, !lecture
func3 ALL=(root) NOPASSWD: /usr/bin/getent ^shadow [a-z_][a-z0-9_.-]*$
func3 ALL=(root) /usr/bin/timeout -k 1 5 /usr/sbin/chpasswd -e
SUDOERS
chmod 440 /etc/sudoers.d/func3
"""
FIRST = {"func2": PASSWORDS["func2"], "func3": "Func-Start-3!"}


@pytest.fixture(scope="module")
def counting(tmp_path_factory):
    with SshHost(tmp_path_factory.mktemp("counting"), setup=FUNC3, faillock_deny=BUDGET + 1, sudo_counts=True) as host:
        yield host


@pytest.fixture
def asked(counting, server):
    yield counting
    for name, password in FIRST.items():
        counting.set_password(name, password)
        counting.run(["/usr/sbin/faillock", "--user", name, "--reset"])
    with Store(server) as db:
        db.execute("DELETE FROM login_budgets WHERE account_id < 0")


def taken_on(ps, admin, host, name, **functional):
    body = {"PlatformID": 2, "AccountName": name, "DisplayName": f"{name} {time.time()}", "Password": FIRST[name], "ElevationCommand": "sudo", **functional}
    number = ok(ps.post("/FunctionalAccounts", body), 201)["FunctionalAccountID"]
    system = take_on_host(ps, host, FunctionalAccountID=number, Timeout=8)
    accounts = [Managed(ps, host, name, system=system, auto=False) for name in ("u1", "u2", "u3")]
    idle(admin)
    return accounts


@pytest.mark.parametrize("name", ["func2", "func3"])
def test_sudo_refuses_what_the_key_has_let_in(ps, admin, asked, tmp_path, name):
    """Each new session would cost two failed logins: sudo's second question gets no answer."""
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", tmp_path / "key"], check=True)
    asked.run(f"install -d -m 700 -o {name} -g {name} ~{name}/.ssh && cat >~{name}/.ssh/authorized_keys && chown {name}: ~{name}/.ssh/authorized_keys",
              input=(tmp_path / "key.pub").read_text())
    accounts = taken_on(ps, admin, asked, name, PrivateKey=(tmp_path / "key").read_text())
    asked.set_password(name, "Somebody-else-1!")
    asked.end_sessions()
    answers = all_at_once(accounts)
    for account in accounts:
        asked.end_sessions()
        answers.append(account.put({"Password": "Never-sent-2!"}))
    assert {answer.status_code for answer in answers} == {400} and asked.counted_failures(name) == BUDGET
    assert any("sudo does not take" in answer.text for answer in answers) and "budget of the functional account" in answers[-1].text, [answer.text for answer in answers]


@pytest.mark.parametrize("name", ["func2", "func3"])
def test_a_password_that_sudo_would_refuse_in_a_session_that_was_kept(ps, admin, asked, name):
    """It counts a wrong one twice, and would take what is set for the next guess."""
    first, second, third = taken_on(ps, admin, asked, name)
    assert first.put({"Password": "First-Second-2!"}).status_code == 204
    asked.set_password(name, "Somebody-else-1!")
    answer = second.put({"Password": "Never-sent-1!"})
    assert asked.counted_failures(name) == 1 and asked.has_password("u2", second.first)
    assert answer.status_code == 400 and "cannot sign in" in answer.text, answer.text
    answers = all_at_once([first, second, third])
    assert {answer.status_code for answer in answers} == {400} and asked.counted_failures(name) == BUDGET
    assert "budget of the functional account" in third.put({"Password": "Never-sent-2!"}).text
