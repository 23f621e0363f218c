"""Accounts of databases and directories through the whole server: taken on, tested, changed, refused; what each kind of target is asked for is the same."""
import pytest

from platform_fixtures import KINDS, Account, job_of, state_of
from support import ok, wait_for


@pytest.fixture(scope="module", params=list(KINDS))
def target(request, tmp_path_factory):
    with KINDS[request.param](tmp_path_factory.mktemp(request.param)) as running:
        yield running


def host_keys(admin, system):
    return ok(admin.own("GET", f"/managed-systems/{system}/host-keys"))["items"]


def test_taken_on_tested_and_changed_by_request(ps, admin, target):
    account = Account(ps, target, "u1")
    assert account.test() is True
    assert [(key["type"], key["sha256"], key["state"]) for key in host_keys(admin, account.system_id)] == [("x509", target.running.pin, "pinned")]
    answer = account.put("Given-Pass-11!")
    assert answer.status_code == 204, answer.text
    assert account.password() == "Given-Pass-11!" and account.is_live()
    answer = account.change(Queue=False)
    assert answer.status_code == 204, answer.text
    made = account.password()
    assert made != "Given-Pass-11!" and account.is_live() and account.test() is True
    shown = state_of(admin, account)
    assert shown["state"] == "proved" and shown["proof"] == "login"


def test_taken_on_without_a_password_it_gets_one(ps, admin, target):
    """The first change is the taking on: nothing is known that could be compared or tried."""
    system = target.system(ps)
    body = dict(target.names("u3"), ApiEnabled=True, AutoManagementFlag=True)
    account = Account.__new__(Account)
    account.ps, account.target, account.name, account.system_id = ps, target, "u3", system
    account.id = ok(ps.post(f"/ManagedSystems/{system}/ManagedAccounts", body), 201)["ManagedAccountID"]
    wait_for(lambda: job_of(admin, account)["state"] == "done", timeout=60)
    assert account.is_live() and account.test() is True


def test_what_somebody_else_changed_is_a_mismatch(ps, admin, target):
    account = Account(ps, target, "u4")
    assert account.put("Ours-Pass-41!").status_code == 204
    target.set_password("u4", "Somebody-else-41!")
    assert account.test() is False
    assert target.has_password("u4", "Somebody-else-41!")
    assert account.put("Ours-Pass-42!").status_code == 204
    assert account.is_live()


def test_a_wrong_functional_password_changes_nothing(ps, admin, target):
    account = Account(ps, target, "u5", system=target.system(ps, password="Not-The-Right-1!"))
    for turn in range(5):
        answer = account.put(f"Never-Sent-5{turn}!")
        assert answer.status_code == 400 and answer.text.startswith("Credential not changed: "), answer.text
    assert "budget" in answer.text
    assert target.has_password("u5", account.first) and account.password() == account.first


def test_what_the_targets_rules_refuse_is_told_and_the_old_one_stays(ps, admin, target):
    account = Account(ps, target, "u2")
    answer = account.put(target.policy_refuses)
    assert answer.status_code == 400 and answer.text.startswith("Credential not changed: "), answer.text
    assert job_of(admin, account)["state"] == "refused"
    assert account.password() == account.first and account.is_live()
    assert account.put("Taken-Pass-21!").status_code == 204
    assert account.is_live()


def test_an_account_that_is_not_there_is_told(ps, target):
    account = Account(ps, target, "nobody-of-that-name", first="Whatever-1!")
    answer = account.put("Never-Set-1!")
    assert answer.status_code == 400 and answer.text.startswith("Credential not changed: "), answer.text


def test_the_functional_account_changes_its_own(ps, target):
    system = target.system(ps)
    own, other = Account(ps, target, "func", system=system), Account(ps, target, "u6", system=system)
    try:
        answer = own.put("Own-Functional-9!")
        assert answer.status_code == 204, answer.text
        assert target.has_password("func", "Own-Functional-9!") and own.password() == "Own-Functional-9!"
        assert other.put("Through-The-New-6!").status_code == 204 and other.is_live()
    finally:
        for account in own, other:
            target.set_password(account.name, account.first)
    assert own.put(own.first, UpdateSystem=False).status_code == 204 and own.test() is True


def test_an_account_that_changes_itself(ps, target):
    account = Account(ps, target, "u6", UseOwnCredentials=True)
    answer = account.put("Own-Change-61!")
    assert answer.status_code == 204, answer.text
    assert account.is_live() and account.test() is True


def test_a_changed_certificate_key_gets_no_secret(ps, admin, target):
    account = Account(ps, target, "u7")
    assert account.put("Before-Key-71!").status_code == 204
    old = target.running.pin
    target.new_key()
    answer = account.put("After-Key-72!")
    assert answer.status_code == 400 and "host key changed" in answer.text, answer.text
    assert account.password() == "Before-Key-71!" and account.is_live()
    seen = next(key for key in host_keys(admin, account.system_id) if key["state"] == "seen")
    assert seen["type"] == "x509" and seen["sha256"] == target.running.pin != old
    ok(admin.own("POST", f"/managed-systems/{account.system_id}/host-keys/{seen['id']}/accept", {}))
    assert account.put("After-Key-73!").status_code == 204
    assert account.is_live()


def test_a_key_is_approved_beforehand(ps, admin, target):
    """In strict mode nothing is sent to a key that nobody has approved."""
    account = Account(ps, target, "u8", system=target.system(ps, SshKeyEnforcementMode=2))
    answer = account.put("Strict-Pass-81!")
    assert answer.status_code == 400 and target.running.pin in answer.text
    body = {"type": "x509", "sha256": target.running.pin}
    ok(admin.own("POST", f"/managed-systems/{account.system_id}/host-keys", body), 201)
    assert account.put("Strict-Pass-82!").status_code == 204
    assert account.is_live()


def test_a_functional_account_that_sees_no_verifier(ps, admin, target):
    account = Account(ps, target, "u4", functional=target.blind, first="Blind-Start-41!")
    target.set_password("u4", "Blind-Start-41!")
    assert account.put("Blind-Pass-42!").status_code == 204
    assert account.is_live() and state_of(admin, account)["proof"] == "login"
