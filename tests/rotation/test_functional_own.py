"""A managed account that is its system's own functional account: both rows turn together, and nobody signs in with the old password (docs/decisions/0010)."""
import pytest
from conftest import Managed, take_on_host
from platform_fixtures import Account, Postgresql
from ssh_host import PASSWORDS
from support import ok, wait_for

LOCKS_AT = 3
SLOW = r"""
mv /usr/sbin/chpasswd /usr/sbin/chpasswd.real
cat >/usr/sbin/chpasswd <<'PROGRAM'
#!/bin/sh
input=$(cat)
if [ -z "$input" ]; then exec /usr/sbin/chpasswd.real "$@" </dev/null; fi
if [ -e /etc/slow ]; then sleep "$(cat /etc/slow)"; fi
printf '%s\n' "$input" | /usr/sbin/chpasswd.real "$@"
PROGRAM
chmod 755 /usr/sbin/chpasswd
"""


@pytest.fixture(scope="module")
def strict(tmp_path_factory):
    """A host that locks an account at the third failed login, and takes as long for a change as it is told to."""
    from ssh_host import SshHost
    with SshHost(tmp_path_factory.mktemp("strict"), setup=SLOW, faillock_deny=LOCKS_AT) as host:
        yield host


@pytest.fixture
def fresh(strict):
    """The same host with its first passwords."""
    for name in ("func", "func2", "u1", "u2", "u3"):
        strict.set_password(name, PASSWORDS[name])
        strict.run(["/usr/sbin/faillock", "--user", name, "--reset"])
    strict.run("rm -f /etc/slow")
    return strict


def job_of(admin, account):
    return ok(admin.own("GET", f"/jobs?kind=change&accountId={account.id}"))["items"][0]


def idle(admin, system):
    wait_for(lambda: not ok(admin.own("GET", f"/jobs?state=open&systemId={system}"))["items"], timeout=60)


def taken_on(ps, admin, host, functional="func", others=("u1",), **system):
    """The functional account itself, and others of its system."""
    number = take_on_host(ps, host, functional, Timeout=5, **system)
    accounts = [Managed(ps, host, name, system=number) for name in (functional, *others)]
    idle(admin, number)
    return accounts


def is_equal(server, account):
    """The functional account's stored password is the account's: what no call shows, a test of another account does."""
    return account.host.has_password(account.name, account.password())


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
