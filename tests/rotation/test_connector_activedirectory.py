"""tests/rotation/test_connector_activedirectory.py: accounts of a real domain: finding, changing, proving."""

import pathlib
import resource
import sys
import time

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

from ad_fixtures import (  # noqa: E402,F401
    AdConnector, ask_check, bad_logins, change, check, connector, dc, functional, keys, login, PASSWORDS, strict_dc, target)
from samba_dc import ADMIN_PASSWORD, USERS  # noqa: E402

PRINTABLE = "".join(chr(code) for code in range(0x20, 0x7F))


# -- check -----------------------------------------------------------------------------------------------------------

def test_check(connector, dc):
    answer = check(connector, dc)
    assert answer.pop("text").startswith("the password was last changed 20")
    assert answer == {"id": connector.last_id, "ok": True, "can_change": True, "can_compare": False,
                      "can_install_keys": False, "scheme": "", "fence": "none", "fence_s": 0, "is_functional": False,
                      "host_key": {"type": "x509", "sha256": dc.pin}}


@pytest.mark.parametrize("who, account", [("reader", "u1"), ("func", "protected1"), ("resetter", "protected1")])
def test_a_missing_right_is_seen_and_changes_nothing(connector, dc, who, account):
    before = dc.read(account, "msDS-KeyVersionNumber")
    answer = check(connector, dc, account, who)
    assert answer["can_change"] is False and answer["text"].startswith("the functional account may not reset")
    answer = change(connector, account, "Never-Set-1!")
    assert (answer["code"], answer["text"]) == ("refused", "the functional account may not reset this account's password")
    assert dc.has_password(account, PASSWORDS[account]) and dc.read(account, "msDS-KeyVersionNumber") == before


def test_a_check_changes_nothing(connector, dc):
    before = [dc.read("u1", name) for name in ("uSNChanged", "pwdLastSet", "badPwdCount", "msDS-KeyVersionNumber")]
    check(connector, dc)
    assert [dc.read("u1", name) for name in ("uSNChanged", "pwdLastSet", "badPwdCount", "msDS-KeyVersionNumber")] == before


def test_the_state_of_an_account_is_told(connector, dc):
    assert "is disabled; " in check(connector, dc, "disabled1")["text"]
    assert "has expired; " in check(connector, dc, "expired1")["text"]
    assert "must be changed at the next sign-in" in check(connector, dc, "must1")["text"]


@pytest.mark.parametrize("name", [f"CN=func,{USERS}", "func@lab.test", "LAB\\func", "func"])
def test_names_of_the_functional_account(connector, dc, name):
    answer = check(connector, dc, who=functional() | {"account": name})
    assert answer["is_functional"] is False and check(connector, dc, "func", functional() | {"account": name})["is_functional"] is True
    assert check(connector, dc, "FUNC", functional() | {"account": name}, again=True)["is_functional"] is True
    assert check(connector, dc, "u1", functional() | {"account": name}, again=True)["is_functional"] is False
    assert change(connector, "u1", "By-Any-Name-1!")["ok"]
    assert dc.has_password("u1", "By-Any-Name-1!")


@pytest.mark.parametrize("wrong, word", [({"password": "wrong"}, "denied"), ({"account": "nobody"}, "denied"), ({"account": f"CN=nobody,{USERS}"}, "denied"),
                                         *(({"account": name, "password": PASSWORDS[name]}, word) for name, word in
                                           (("disabled1", "locked"), ("expired1", "expired"), ("must1", "must_change")))])
def test_a_functional_account_that_is_not_let_in(connector, dc, wrong, word):
    answer = ask_check(connector, dc, who=functional() | wrong)
    assert (answer["code"], answer["result"]) == ("functional_denied", word)
    answer = change(connector, "u1", "Never-Set-1!")
    assert answer["code"] == "unreachable"
    assert not dc.has_password("u1", "Never-Set-1!")


@pytest.mark.parametrize("password", ["", None])
def test_an_empty_password_is_never_sent(connector, dc, password):
    """A simple bind without a password succeeds, as nobody."""
    assert ask_check(connector, dc, who=functional() | {"password": password})["code"] == "bad_request"
    check(connector, dc)
    assert login(connector, "u1", password) == "bad_request"
    assert change(connector, "u1", password)["code"] == "bad_request"
    assert change(connector, "u1", "Some-Pass-1!", method="self", current=password)["code"] == "bad_request"


def test_the_domain_is_compared(connector, dc):
    answer = ask_check(connector, dc, target=target(dc, domain="other.test"))
    assert (answer["code"], answer["text"]) == (
        "unreachable", "this domain controller serves lab.test; the system's domain is other.test")
    for domain in ("", "LAB.TEST"):
        assert ask_check(connector, dc, target=target(dc, domain=domain))["ok"]
        dc.set_password("u1", "Whatever-Domain-1!")
        assert login(connector, "u1", "Whatever-Domain-1!") == "accepted"


def test_requests_that_make_no_sense(connector, dc):
    assert login(connector, "u1", "x") == "bad_request"  # no check yet
    assert change(connector, "u1", "x")["code"] == "bad_request"
    check(connector, dc)
    assert ask_check(connector, dc, target=target(dc, port=637))["code"] == "bad_request"  # another target
    assert connector.call("compare", account="u1", password="x")["code"] == "bad_request"
    assert connector.call("fence", token="x")["code"] == "bad_request"
    assert connector.call("change", account="u1", part="add_key", public_key="ssh-ed25519 A")["code"] == "bad_request"
    assert connector.call("login", account="u1", private_key="x")["code"] == "bad_request"
    assert change(connector, "u1", "Some-Pass-1!", method="self")["code"] == "bad_request"
    check(connector, dc, who=None, account=None)
    assert change(connector, "u1", "Some-Pass-1!")["code"] == "bad_request"
    assert ask_check(connector, dc, target=target(dc, address="localhost"))["code"] == "bad_request"


# -- accounts ----------------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("account", ["o'brien (x)", "ümlaut", "mixedcase", "MIXEDCASE", "robot$"])
def test_unusual_names(connector, dc, account):
    check(connector, dc, account)
    assert change(connector, account, f"For-{account}-1!")["ok"]
    assert login(connector, account, f"For-{account}-1!") == "accepted"
    assert login(connector, account, "Wrong-1!") == "denied"


@pytest.mark.parametrize("account", ["*", "u*", "u1)(cn=*", "u1*", "u1\0", "u1\n", "u1@lab.test", "LAB\\u1", "u1,CN=Users", "",
                                     " u1", "u1 ", "u1.", "CN=u1", "u1/x", 'u1"', "a" * 300])
def test_names_that_no_account_has(connector, dc, account):
    check(connector, dc)
    before = dc.read("u1", "msDS-KeyVersionNumber")
    assert change(connector, account, "Never-Set-1!")["code"] == "bad_request"
    assert change(connector, account, "Never-Set-1!", method="self", current="x")["code"] == "bad_request"
    assert login(connector, account, "x") == "bad_request"
    assert dc.read("u1", "msDS-KeyVersionNumber") == before


@pytest.mark.parametrize("account", ["nobody", "u1)(x", "(u1)", "u1(", "u1%00", "&(u1)", "!u1", "u1#", "$", "krbtgt)(u1"])
def test_accounts_that_the_domain_does_not_know(connector, dc, account):
    assert ask_check(connector, dc, account)["code"] == "no_account"
    assert change(connector, account, "Never-Set-1!")["code"] == "no_account"
    assert login(connector, account, "x") == "no_account"


def test_a_distinguished_name(connector, dc):
    dn = f"CN=u2,{USERS}"
    check(connector, dc, "u2", dn=dn)
    assert change(connector, "u2", "By-Its-Dn-2!", dn=dn)["ok"]
    assert login(connector, "u2", "By-Its-Dn-2!", dn=dn) == "accepted"
    assert change(connector, "U2", "By-Its-Dn-3!", dn=dn, method="self", current="By-Its-Dn-2!")["ok"]
    assert dc.has_password("u2", "By-Its-Dn-3!")


@pytest.mark.parametrize("dn", [f"CN=u3,{USERS}", f"CN=nobody,{USERS}", USERS, "DC=lab,DC=test", "no dn", "CN=u2", ",", "<GUID=1>"])
def test_a_distinguished_name_of_something_else(connector, dc, dn):
    check(connector, dc)
    before = dc.read("u3", "msDS-KeyVersionNumber")
    assert ask_check(connector, dc, "u2", dn=dn)["code"] == "no_account"
    assert change(connector, "u2", "Never-Set-1!", dn=dn)["code"] == "no_account"
    assert dc.read("u3", "msDS-KeyVersionNumber") == before


# -- change ------------------------------------------------------------------------------------------------------------

def test_change_by_the_functional_account(connector, dc):
    check(connector, dc, "u4")
    for _ in range(2):  # any number of times
        assert change(connector, "u4", "Changed-Once-4!") == {"id": connector.last_id, "ok": True}
    assert dc.has_password("u4", "Changed-Once-4!")
    assert login(connector, "u4", "Changed-Once-4!") == "accepted"
    assert bad_logins(dc, "u4") == 0


@pytest.mark.parametrize("method", ["functional", "self"])
@pytest.mark.parametrize("password", [PRINTABLE, PRINTABLE[::-1], '"Quotes"-1', "Back\\slash-1\\", "$Dollar$(id)1", "Aä€1-ÄÖÜ",
                                      "Aa1-Cafe\u0301", "Aa1-Caf\u00e9", "Aa1-\U0001f511-key", "x" * 127 + "1A-", "Aa1 \t\u00a0\u200b",
                                      " Aa1-blanks "])
def test_passwords_are_set_as_they_are(connector, dc, method, password):
    account, how = ("u5", {}) if method == "functional" else ("u3", {"method": "self", "current": "Before-It-3!"})
    check(connector, dc, account)
    dc.set_password(account, "Before-It-3!")
    assert change(connector, account, password, **how)["ok"]
    assert dc.has_password(account, password)
    assert login(connector, account, password) == "accepted"
    assert login(connector, account, password[:-1]) == "denied"


def test_the_composed_and_the_decomposed_form_are_two_passwords(connector, dc):
    check(connector, dc, "u5")
    assert change(connector, "u5", "Aa1-Caf\u00e9")["ok"]
    assert login(connector, "u5", "Aa1-Cafe\u0301") == "denied"


@pytest.mark.parametrize("how", [{}, {"method": "self", "current": "Policy-Start-6!"}])
@pytest.mark.parametrize("password", ["Aa1!", "alllowercaseletters", "11111111-222222", "x" * 300])
def test_the_policy_of_the_domain(connector, dc, how, password):
    check(connector, dc, "u6")
    dc.set_password("u6", "Policy-Start-6!")
    answer = change(connector, "u6", password, **how)
    assert answer["code"] == "policy", answer
    assert dc.has_password("u6", "Policy-Start-6!")


def test_history_and_age_bind_only_the_account_itself(connector, dc):
    check(connector, dc, "u6")
    dc.set_password("u6", "Policy-Start-7!")
    assert change(connector, "u6", "Policy-Start-8!", method="self", current="Policy-Start-7!")["ok"]
    assert change(connector, "u6", "Policy-Start-7!", method="self", current="Policy-Start-8!")["code"] == "policy"
    dc.policy(minPwdAge=str(-864000000000))
    try:
        assert change(connector, "u6", "Policy-Start-9!", method="self", current="Policy-Start-8!")["code"] == "policy"
        assert dc.has_password("u6", "Policy-Start-8!")
        assert change(connector, "u6", "Policy-Start-7!")["ok"]
    finally:
        dc.policy(minPwdAge="0")


def test_change_by_the_account_itself_needs_no_functional_account(connector, dc):
    check(connector, dc, None, who=None)
    answer = change(connector, "u7", "Own-Change-7!", method="self", current=PASSWORDS["u7"])
    assert answer["ok"] and answer["host_key"]["sha256"] == dc.pin
    assert dc.has_password("u7", "Own-Change-7!")
    assert login(connector, "u7", "Own-Change-7!") == "accepted"


def test_change_by_the_account_itself_with_another_password_than_the_present_one(connector, dc):
    check(connector, dc, "u8")
    dc.set_password("u8", "Present-One-8!")
    for current in ("Never-Was-8!", PASSWORDS["u8"]):  # the former one is let in, but not taken
        assert change(connector, "u8", "Never-Set-8!", method="self", current=current)["code"] == "refused"
    assert dc.has_password("u8", "Present-One-8!")


@pytest.mark.parametrize("kind", ["dc", "strict_dc"])
def test_a_change_by_the_account_itself_may_be_sent_again(connector, request, kind):
    where = request.getfixturevalue(kind)
    check(connector, where, "u8")
    where.set_password("u8", "Before-Twice-8!")
    for _ in range(2):
        assert change(connector, "u8", "Sent-Twice-8!", method="self", current="Before-Twice-8!")["ok"]
        assert where.has_password("u8", "Sent-Twice-8!")
    answer = change(connector, "u8", "Never-Set-8!", method="self", current="Before-Twice-8!")
    assert (answer["code"], answer["text"]) == ("refused", "the account's present password is another one")
    assert where.has_password("u8", "Sent-Twice-8!")


@pytest.mark.parametrize("account, word", [("disabled1", "locked"), ("expired1", "expired"), ("must2", "must change")])
def test_accounts_that_cannot_sign_in_cannot_change_their_own(connector, dc, account, word):
    check(connector, dc, account)
    answer = change(connector, account, "Never-Set-1!", method="self", current=PASSWORDS[account])
    assert answer["code"] == "refused" and word in answer["text"]
    assert dc.has_password(account, PASSWORDS[account])


# -- login -------------------------------------------------------------------------------------------------------------

def test_login(connector, dc):
    check(connector, dc, None, who=None)  # without a functional account
    answer = connector.call("login", account="u9", password=PASSWORDS["u9"])
    assert answer == {"id": connector.last_id, "ok": True, "result": "accepted", "host_key": {"type": "x509", "sha256": dc.pin}}
    assert login(connector, "nopre1", PASSWORDS["nopre1"]) == "accepted"
    assert bad_logins(dc, "u9") == 0
    for count, wrong in enumerate(("x", PASSWORDS["u9"] + " ", PASSWORDS["u9"].lower()), 1):
        assert login(connector, "u9", wrong) == "denied"
        assert bad_logins(dc, "u9") == count  # one guess each
    assert login(connector, "nopre1", "x") == "denied"


@pytest.mark.parametrize("account, right, wrong", [("must1", "must_change", "denied"), ("disabled1", "locked", None),
                                                   ("expired1", "expired", None)])
def test_words(connector, dc, account, right, wrong):
    check(connector, dc, account)
    before = bad_logins(dc, account)
    assert login(connector, account, PASSWORDS[account]) == right
    assert bad_logins(dc, account) == before
    assert login(connector, account, "Wrong-Guess-1!") in ([wrong] if wrong else [right, "denied"])
    assert bad_logins(dc, account) <= before + 1


def test_must_change_is_not_said_of_the_former_password(connector, dc):
    dc.set_password("must2", "Second-Pass-2!")
    dc.set("must2", "pwdLastSet", "0")
    check(connector, dc, "must2")
    assert login(connector, "must2", "Second-Pass-2!") == "must_change"
    assert login(connector, "must2", PASSWORDS["must2"]) == "denied"
    assert change(connector, "must2", "Third-Pass-2!")["ok"]
    assert login(connector, "must2", "Third-Pass-2!") == "accepted"


@pytest.mark.parametrize("kind", ["dc", "strict_dc"])
def test_the_former_password_is_denied_at_once(connector, request, kind):
    where = request.getfixturevalue(kind)
    check(connector, where, "u10")
    assert change(connector, "u10", "New-Pass-10!")["ok"]
    assert where.binds("u10@lab.test", PASSWORDS["u10"]) == (kind == "dc")  # LDAP lets it in, Kerberos does not
    assert login(connector, "u10", PASSWORDS["u10"]) == "denied"
    assert login(connector, "u10", "New-Pass-10!") == "accepted"


@pytest.mark.parametrize("who, word", [("func", "accepted"), ("resetter", "locked")])
def test_a_change_unlocks_where_it_may(connector, dc, who, word):
    account = {"func": "u11", "resetter": "u12"}[who]
    dc.policy(lockoutThreshold="3", lockoutDuration=str(-36000000000), lockOutObservationWindow=str(-36000000000))
    try:
        check(connector, dc, account, who)
        for _ in range(3):
            assert login(connector, account, "Wrong-Guess-1!") == "denied"
        assert login(connector, account, PASSWORDS[account]) == "locked"
        assert "is locked" in check(connector, dc, account, who)["text"]
        assert change(connector, account, "Unlocked-It-1!")["ok"]
        assert dc.has_password(account, "Unlocked-It-1!")
        assert login(connector, account, "Unlocked-It-1!") == word
    finally:
        dc.policy(lockoutThreshold="50")


# -- the process -------------------------------------------------------------------------------------------------------

def test_under_the_limits_of_the_launcher(dc):
    """No file may be written, not even of the size 0, from the first instruction on."""
    limits = {resource.RLIMIT_FSIZE: 0, resource.RLIMIT_NOFILE: 64, resource.RLIMIT_CORE: 0}
    before = {which: resource.getrlimit(which) for which in limits}
    try:
        for which, value in limits.items():
            resource.setrlimit(which, (value, before[which][1]))
        connector = AdConnector()
    finally:
        for which, value in before.items():
            resource.setrlimit(which, value)
    check(connector, dc)
    assert change(connector, "u1", "Within-Limits-1!")["ok"]
    assert change(connector, "u1", "Within-Limits-2!", method="self", current="Within-Limits-1!")["ok"]
    assert login(connector, "u1", "Within-Limits-2!") == "accepted"
    status, problems = connector.end()
    assert status == 0 and b"Sanitizer" not in problems


def test_a_session_that_ended_is_unreachable_and_a_check_heals_it(connector, dc):
    check(connector, dc)
    dc.restart()
    assert change(connector, "u1", "Never-Set-1!")["code"] == "unreachable"
    assert not dc.has_password("u1", "Never-Set-1!")
    check(connector, dc)
    assert change(connector, "u1", "After-Restart-1!")["ok"]
    assert login(connector, "u1", "After-Restart-1!") == "accepted"
    dc.stop()
    try:
        assert login(connector, "u1", "After-Restart-1!") == "unreachable"
        assert ask_check(connector, dc)["code"] == "unreachable"
    finally:
        dc.start()
    assert dc.binds("administrator@lab.test", ADMIN_PASSWORD)


def test_another_key(connector, dc):
    former = keys(dc)
    check(connector, dc)
    dc.stop()
    dc.change_certificate()
    dc.start()
    answer = ask_check(connector, dc, host_keys=former)
    assert answer["code"] == "host_key_changed" and answer["host_key"] == keys(dc)[0]
    for answer in (change(connector, "u1", "Never-Set-1!", method="self", current="x"), connector.call("login", account="u1", password="x")):
        assert answer["code"] == "host_key_changed" and answer["host_key"] == keys(dc)[0]
    answer = ask_check(connector, dc, host_keys=[])
    assert answer["code"] == "host_key_unknown" and answer["host_key"] == keys(dc)[0]
    assert ask_check(connector, dc, host_keys=former + keys(dc))["ok"]


def test_time_is_not_wasted(connector, dc):
    check(connector, dc, "u3")
    began = time.monotonic()
    for number in range(5):
        assert change(connector, "u3", f"Quick-Change-{number}!")["ok"]
        assert login(connector, "u3", f"Quick-Change-{number}!") == "accepted"
    assert time.monotonic() - began < 5
