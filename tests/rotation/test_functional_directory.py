"""A directory's functional account, shared by several managed systems that are one directory: its own password changes under all of them (docs/decisions/0010)."""
import contextlib

import pytest
import samba_dc
from cut_proxy import UP, CutProxy
from platform_fixtures import Account, ActiveDirectory, Ldap, in_background, is_settled, job_of, state_of, steps_of
from store import Store
from support import ok, wait_for

MINUTES_US = 60 * 1_000_000
WAITS = "own password is being changed"


@pytest.fixture(scope="module")
def domain(tmp_path_factory):
    with ActiveDirectory(tmp_path_factory.mktemp("domain")) as running:
        yield running


@pytest.fixture
def doors(domain):
    """Another address of the domain controller: the proxies for its LDAPS and its Kerberos."""
    address = samba_dc.free_address()
    with contextlib.ExitStack() as stack:
        yield [stack.enter_context(CutProxy(port, listen=(address, port), target_address=domain.running.address)) for port in (636, 88)]


@pytest.fixture
def shared(ps, domain, doors):
    """The functional account itself and one account of each of two systems, both of which are the domain; the first one behind doors."""
    for name in ("func", "u1", "u2"):
        domain.set_password(name, domain.passwords[name])
    first = domain.system(ps, IPAddress=doors[0].address, Timeout=20)
    second = domain.system(ps, FunctionalAccountID=ok(ps.get(f"/ManagedSystems/{first}"))["FunctionalAccountID"])
    accounts = Account(ps, domain, "func", system=first), Account(ps, domain, "u1", system=first), Account(ps, domain, "u2", system=second)
    for account in accounts:  # once, so that what can prove it is known
        answer = account.put("Each-First-1!")
        assert answer.status_code == 204, answer.text
    return accounts


def failed_logins(domain):
    return int(domain.running.read("func", "badPwdCount") or 0)


def test_all_of_its_systems_sign_in_with_the_new_one(domain, shared):
    own, here, there = shared
    failed = failed_logins(domain)
    assert own.put("Own-Second-2!").status_code == 204
    assert domain.has_password("func", "Own-Second-2!") and own.password() == "Own-Second-2!"
    for account in (here, there):
        assert account.put("Each-Second-2!").status_code == 204 and account.is_live()
    assert failed_logins(domain) == failed


def has_been_sent(server, account):
    with Store(server) as store:
        return store.execute("SELECT COUNT(*) FROM jobs WHERE account_id = ? AND is_open = 1 AND sent_at > 0", (account.id,)).fetchone()[0]


def test_another_system_waits_for_it_and_after_ten_minutes_no_longer(server, ps, admin, domain, doors, shared):
    """The first system is gone from the moment in which the change is sent. The other one's accounts wait, for nobody knows which password is live; when that has
    lasted too long they go on with what is stored, as long as no failed login was spent."""
    own, _, there = shared
    failed = failed_logins(domain)
    proxy = doors[0]
    proxy.delay_s, proxy.counted = 0.5, UP
    with in_background(own.put, "Own-Second-2!") as put:
        wait_for(lambda: has_been_sent(server, own), pause=0.02)
        proxy.after = proxy.chunks[UP] + 1  # the search for the entry, which is in the proxy now; the change is lost, and all that comes later
        proxy.cut = UP
        assert there.change(Queue=True).status_code == 204
        wait_for(lambda: WAITS in job_of(admin, there)["reason"])
        assert put.result().status_code == 409
    assert not any(step["step"] == "applying" for step in steps_of(admin, there))
    with Store(server) as store:
        store.execute("UPDATE jobs SET sent_at = sent_at - ? WHERE id = ?", (11 * MINUTES_US, int(job_of(admin, own)["id"])))
    wait_for(lambda: is_settled(admin, there))
    assert job_of(admin, there)["state"] == "done" and there.is_live() and not is_settled(admin, own)
    proxy.heal()
    wait_for(lambda: is_settled(admin, own), timeout=90)
    assert state_of(admin, own)["state"] == "proved" and own.is_live()
    assert failed_logins(domain) - failed <= 1
    assert there.put("There-Last-3!").status_code == 204


# -- which account it is, where both are named otherwise ------------------------------------------------------------------

def taken_on(ps, target, functional, **names):
    """A system whose functional account is given by this name; that very account, named as said, and another one."""
    for name in ("func", "u1"):
        target.set_password(name, target.passwords[name])
    body = {"PlatformID": target.platform, "AccountName": functional, "DisplayName": f"called {functional}", "Password": target.passwords["func"]}
    system = target.system(ps, FunctionalAccountID=ok(ps.post("/FunctionalAccounts", body), 201)["FunctionalAccountID"])
    return Account(ps, target, "func", system=system, **names), Account(ps, target, "u1", system=system)


def is_refused(account):
    """It is told what to do; else its new password would never reach the row that the vault signs in with."""
    answer = account.put("Never-sent-1!")
    return answer.status_code == 400 and "DistinguishedName" in answer.text and account.is_live() and account.password() == account.first


def test_named_by_its_dn_it_is_known_once_the_account_has_that_too(ps, domain):
    own, other = taken_on(ps, domain, "CN=func, CN=Users, DC=lab, DC=test")
    assert is_refused(own) and other.put("Other-Second-2!").status_code == 204
    ok(ps.put(f"/ManagedAccounts/{own.id}", {"AccountName": "func", "DistinguishedName": "CN=func,CN=Users,DC=lab,DC=test"}))
    answer = own.put("Own-Second-2!")
    assert answer.status_code == 204 and own.is_live(), answer.text
    assert other.put("Other-Third-3!").status_code == 204 and other.is_live()


def test_named_by_a_upn_of_another_name(ps, domain):
    domain.running.set("func", "userPrincipalName", "vault@lab.test")
    own, other = taken_on(ps, domain, "vault@lab.test")
    assert is_refused(own) and other.put("Other-Second-2!").status_code == 204
    domain.running.set("func", "userPrincipalName", "func@lab.test")


def test_named_by_its_uid(ps, tmp_path):
    """The account is found by its distinguished name; what else it is called is anybody's choice."""
    with Ldap(tmp_path, anonymous=True) as target:
        own, other = taken_on(ps, target, "func", AccountName="The vault's own")
        assert is_refused(own) and other.put("Other-Second-2!").status_code == 204
