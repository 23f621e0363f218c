"""tests/rotation/test_connector_ldap.py: checking, changing, comparing and signing in on a real slapd."""

import pathlib
import string
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "targets"))

from ldap_fixtures import (  # noqa: E402,F401
    change, check, connector, Connector, dn_of, functional, keys, LdapServer, login, PASSWORDS, self_change, server,
    target, try_check)
from ldap_server import ADMIN, ADMIN_PASSWORD, AWKWARD, SUFFIX, awkward_dn  # noqa: E402


@pytest.mark.parametrize("ldaps", [False, True], ids=["StartTLS", "ldaps"])
def test_the_whole_way_by_both_kinds_of_tls(connector, server, ldaps):
    server.set_password("u1", "Whole-Way-0!")
    answer = check(connector, server, "u1", ldaps=ldaps)
    assert answer["host_key"] == {"type": "x509", "sha256": server.pin}
    assert {key: answer[key] for key in ("can_change", "can_compare", "can_install_keys", "scheme", "fence", "fence_s")} == {
        "can_change": True, "can_compare": True, "can_install_keys": False, "scheme": "{SSHA}", "fence": "none", "fence_s": 0}
    password = f"Whole-Way-{ldaps}-1!"
    assert change(connector, "u1", password) == {"id": connector.last_id, "ok": True}
    assert server.has_password("u1", password) and server.stored("u1")[0].startswith("{SSHA}")
    answer = connector.call("login", account="u1", password=password)
    assert (answer["result"], answer["host_key"]["sha256"]) == ("accepted", server.pin)
    assert login(connector, "u1", "Whole-Way-0!") == "denied"
    assert connector.call("compare", account="u1", password=password)["match"] is True
    assert connector.call("compare", account="u1", password="Whole-Way-0!")["match"] is False
    assert self_change(connector, "u1", password, password + "-own")["ok"]
    assert login(connector, "u1", password + "-own") == "accepted"
    assert "last changed 20" in check(connector, server, "u1", ldaps=ldaps)["text"]


@pytest.mark.parametrize("again", [False, True])
def test_which_account_has_signed_in(connector, server, again):
    """By any spelling of its name, and whatever the account is called here."""
    who = functional("func") | {"account": dn_of("func").replace(",", " , ").replace("cn=f", "CN=\\66")}

    def is_functional(account, dn=""):
        return connector.call("check", target=target(server), host_keys=keys(server), functional=who, account=account, dn=dn, again=again)["is_functional"]
    assert is_functional("u1") is False and is_functional("func", dn_of("u1")) is False
    assert is_functional("func") is True and is_functional("The vault", dn_of("func").upper()) is True


def test_rights(connector, server):
    answer = check(connector, server, "u2", "writer")
    assert (answer["can_change"], answer["can_compare"], answer["scheme"]) == (True, False, "")
    assert "may not read userPassword" in answer["text"]
    assert connector.call("compare", account="u2", password="x" * 9)["code"] == "unreadable"
    assert change(connector, "u2", "By-The-Writer-1!")["ok"] and server.has_password("u2", "By-The-Writer-1!")
    before = server.stored("u2")
    answer = check(connector, server, "u2", "reader")
    assert (answer["can_change"], answer["can_compare"]) == (False, False) and "may not set" in answer["text"]
    assert change(connector, "u2", "By-The-Reader-1!")["code"] == "elevation_denied"
    assert try_check(connector, server, "u2", "nothing")["code"] == "no_account"
    assert try_check(connector, server, "u2", "nothing", dn=dn_of("u2"))["code"] == "no_account"
    assert server.stored("u2") == before


def test_looking_changes_nothing(connector, server):
    what = ("userPassword", "modifyTimestamp", "entryCSN", "pwdChangedTime", "pwdFailureTime", "pwdHistory")
    before = {name: server.attribute(dn_of("u3"), name) for name in what}
    check(connector, server, "u3")
    check(connector, server, "u3", "writer")
    connector.call("compare", account="u3", password=PASSWORDS["u3"])
    assert {name: server.attribute(dn_of("u3"), name) for name in what} == before


def test_a_functional_account_that_cannot_sign_in(connector, server):
    ghost = {**functional(), "account": f"cn=ghost,{SUFFIX}"}
    for who, word in ((functional(password="Wrong-1!"), "denied"), (ghost, "denied"), (functional("lock1"), "locked"),
                      (functional("aged1"), "expired"), (functional("reset1"), "must_change")):
        answer = try_check(connector, server, who=who)
        assert (answer["code"], answer["result"]) == ("functional_denied", word) and word in answer["text"]
    assert change(connector, "u1", "Never-Sent-1!")["code"] == "unreachable"


@pytest.mark.parametrize("name", ["plain", "sha", "ssha256", "ssha512", "crypt6", "crypty"])
def test_verifiers_are_recomputed(connector, server, name):
    answer = check(connector, server, name)
    assert answer["can_compare"] is True
    verifier = server.stored(name)[0]
    assert answer["scheme"] == ("" if name == "plain" else verifier[:verifier.index("}") + 1])
    assert connector.call("compare", account=name, password=PASSWORDS[name])["match"] is True
    for wrong in (PASSWORDS[name][:-1], PASSWORDS[name] + "!", PASSWORDS[name].upper(), "x" * 1024, verifier):
        assert connector.call("compare", account=name, password=wrong)["match"] is (name == "plain" and wrong == verifier)
    assert login(connector, name, PASSWORDS[name]) == "accepted"


@pytest.mark.parametrize("verifier", ["{SSHA}", "{SSHA}!!!", "{SSHA}QUJD", "{CRYPT}", "{CRYPT}$zz$abc$def", "{SASL}u4@LAB",
                                      "{SHA}" + "QUJD" * 20, "{CRYPT}*0", "{", "{}"])
def test_a_verifier_that_cannot_be_recomputed_never_matches(connector, server, verifier):
    check(connector, server, "u4")
    server.set_password("u4", "", verifier=verifier)
    for password in (PASSWORDS["u4"], "*0", "ABC"):
        answer = connector.call("compare", account="u4", password=password)
        assert answer.get("match") is False or answer["code"] == "unreadable"
    if verifier.startswith("{SASL}"):
        assert check(connector, server, "u4")["can_compare"] is False
    assert change(connector, "u4", "Healed-Again-4!" + verifier)["ok"]
    assert login(connector, "u4", "Healed-Again-4!" + verifier) == "accepted"


def test_what_is_no_known_scheme_is_not_told(connector, server):
    """It might be the beginning of a password in clear."""
    answer = check(connector, server, "argon")
    assert (answer["can_change"], answer["can_compare"], answer["scheme"]) == (True, False, "")
    assert "unknown here" in answer["text"]
    assert connector.call("compare", account="argon", password=PASSWORDS["argon"])["code"] == "unreadable"


def test_an_account_with_several_verifiers(connector, server):
    assert len(server.stored("several")) == 2
    assert check(connector, server, "several")["can_compare"] is False
    assert connector.call("compare", account="several", password=PASSWORDS["several"])["match"] is True
    assert connector.call("compare", account="several", password="Other-One-1!")["code"] == "unreadable"
    assert change(connector, "several", "Only-One-1!")["ok"]
    assert len(server.stored("several")) == 1 and server.has_password("several", "Only-One-1!")
    assert check(connector, server, "several")["can_compare"] is True


PRINTABLE = "".join(c for c in string.printable if 32 <= ord(c) < 127)


@pytest.mark.parametrize("password", [PRINTABLE, "'; DROP \"x\" --", "back\\slash\\n\\00", "$y$j9T$abc$def", "x" * 128, "x" * 1024,
                                      "ä€-Größe-密码-🔑", "A\u0308ngstro\u0308m-Long", "Ängström-Long", "\ufb01nancial-ﬁ-1",
                                      " blanks at both ends ", "tab\there\nand more", "dn: cn=x\nuid: y", "%s%n%d%s%s",
                                      "soft\u00adhyphen-1", "*)(uid=*12"])
def test_hostile_passwords_are_set_as_they_are(connector, server, password):
    check(connector, server, "u5")
    server.set_password("u5", "Before-Each-5!")
    assert change(connector, "u5", password)["ok"]
    assert server.has_password("u5", password)
    assert login(connector, "u5", password) == "accepted"
    assert connector.call("compare", account="u5", password=password)["match"] is True
    assert self_change(connector, "u5", password, password[:1000] + "-2")["ok"]
    assert login(connector, "u5", password[:1000] + "-2") == "accepted"


def test_a_password_is_never_prepared(connector, server):
    """What was set is what signs in, octet by octet: composed and decomposed letters are two passwords."""
    check(connector, server, "u6")
    assert change(connector, "u6", "A\u0308-Decomposed")["ok"]
    assert connector.call("compare", account="u6", password="\u00c4-Decomposed")["match"] is False
    assert login(connector, "u6", "\u00c4-Decomposed") == "denied"
    assert login(connector, "u6", "A\u0308-Decomposed") == "accepted"


def test_a_password_that_looks_like_a_verifier_is_not_taken_for_one(connector, server):
    looks = "{SSHA}zcwVuz3ITph4OjqjoHdLqm99gyJ1SUmHywvNyw=="
    check(connector, server, "u6")
    assert change(connector, "u6", looks)["code"] == "policy"
    answer = change(connector, "lax1", looks)
    if answer["ok"]:
        assert login(connector, "lax1", looks) == "accepted"
        assert connector.call("compare", account="lax1", password=looks)["match"] is True
    else:
        assert answer["code"] in ("policy", "refused")


def test_empty_secrets_never_sign_in(connector, server):
    """A simple bind without a password succeeds as nobody."""
    assert try_check(connector, server, who={**functional(), "password": ""})["code"] == "bad_request"
    assert try_check(connector, server, who={**functional(), "password": None})["code"] == "bad_request"
    assert try_check(connector, server, who={**functional(), "account": ""})["code"] == "bad_request"
    check(connector, server, "u1")
    for empty in ("", None):
        assert login(connector, "u1", empty) == "bad_request"
        assert change(connector, "u1", empty)["code"] == "bad_request"
        assert self_change(connector, "u1", empty, "Some-Pass-1!")["code"] == "bad_request"
        assert connector.call("compare", account="u1", password=empty)["code"] == "bad_request"


def test_policy(connector, server):
    check(connector, server, "u7")
    before = server.stored("u7")
    answer = change(connector, "u7", "short")
    assert answer["code"] == "policy" and answer["text"]
    assert self_change(connector, "u7", PASSWORDS["u7"], "short")["code"] == "policy"
    assert server.stored("u7") == before
    assert change(connector, "u7", "First-Of-Two-7!")["ok"] and change(connector, "u7", "Second-Of-Two-7!")["ok"]
    assert change(connector, "u7", "First-Of-Two-7!")["code"] == "policy"  # in its history
    answer = change(connector, "u7", "Second-Of-Two-7!")
    assert answer["code"] == "refused"  # may be its own echo: no verdict on the password
    assert change(connector, "young1", "Much-Too-Young-1!")["code"] == "policy"
    answer = change(connector, "safe1", "Safe-But-Foreign-1!")
    assert answer["code"] == "elevation_denied" and "old password" in answer["text"]
    assert self_change(connector, "safe1", PASSWORDS["safe1"], "Safe-And-Own-1!")["ok"]
    assert self_change(connector, "fixed1", PASSWORDS["fixed1"], "Fixed-And-Own-1!")["code"] == "refused"
    assert server.has_password("fixed1", PASSWORDS["fixed1"])
    assert change(connector, "fixed1", "Fixed-By-Func-1!")["ok"]
    assert server.has_password("young1", PASSWORDS["young1"])


def test_self_change(connector, server):
    answer = try_check(connector, server, None, who=None)
    assert answer["ok"] and change(connector, "u8", "No-Functional-1!")["code"] == "bad_request"
    failures = server.failures("u8")
    assert self_change(connector, "u8", "Wrong-Wrong-8!", "Own-Pass-8!", dn=dn_of("u8"))["code"] == "refused"
    assert server.failures("u8") == failures + 1
    assert self_change(connector, "u8", PASSWORDS["u8"], "Own-Pass-8!", dn=dn_of("u8"))["ok"]
    assert server.has_password("u8", "Own-Pass-8!")
    assert self_change(connector, "u8", "Own-Pass-8!", "Own-Pass-9!")["code"] == "no_account"  # nobody may look for u8
    check(connector, server, "u8")
    assert self_change(connector, "u8", "Own-Pass-8!", "Own-Pass-9!")["ok"]
    assert self_change(connector, "u8", "Own-Pass-8!", "Own-Pass-7!")["code"] == "refused"
    assert server.has_password("u8", "Own-Pass-9!")
    answer = self_change(connector, "lock1", PASSWORDS["lock1"], "Own-Pass-7!")
    assert answer["code"] == "refused" and "locked" in answer["text"]


def test_words(tmp_path):
    connector = Connector("ldap")
    with LdapServer(tmp_path) as own:
        check(connector, own)
        for name, word in (("u1", "accepted"), ("reset1", "must_change"), ("grace1", "must_change"), ("aged1", "expired"),
                           ("lock1", "locked"), ("ended1", "locked")):
            assert login(connector, name, PASSWORDS[name]) == word
        for name in ("u1", "reset1", "grace1", "aged1"):
            assert login(connector, name, "Wrong-One-1!") == "denied"
        assert "locked since" in check(connector, own, "lock1")["text"]
        assert "ends at 2020" in check(connector, own, "ended1")["text"]
        assert "must change" in check(connector, own, "reset1")["text"]
        for name, word in (("must1", "accepted"), ("reset1", "accepted"), ("aged1", "accepted"),
                           ("grace1", "accepted"), ("lock1", "accepted"), ("ended1", "locked")):
            assert change(connector, name, f"Set-By-Func-{name}")["ok"]
            assert login(connector, name, f"Set-By-Func-{name}") == word
        # slapd makes an account change only what its administrator has set.
        check(connector, own, who={**functional(), "account": ADMIN, "password": ADMIN_PASSWORD})
        assert change(connector, "must1", "Set-By-Admin-1!")["ok"]
        assert login(connector, "must1", "Set-By-Admin-1!") == "must_change"
        assert self_change(connector, "must1", "Set-By-Admin-1!", "Set-By-Itself-1!")["ok"]
        assert login(connector, "must1", "Set-By-Itself-1!") == "accepted"
    connector.end()


def test_a_lock_is_seen_compared_past_and_lifted(connector, server):
    check(connector, server, "u9")
    for _ in range(3):
        assert login(connector, "u9", "Wrong-Wrong-9!") == "denied"
    assert login(connector, "u9", PASSWORDS["u9"]) == "locked"
    answer = check(connector, server, "u9")
    assert answer["can_change"] and answer["text"].startswith("locked since")
    failures = server.failures("u9")
    answer = connector.call("compare", account="u9", password=PASSWORDS["u9"])
    assert (answer["match"], answer["locked"]) == (True, True)
    assert connector.call("compare", account="u9", password="Wrong-Wrong-9!")["match"] is False
    assert server.failures("u9") == failures
    assert change(connector, "u9", "Unlocked-Again-9!")["ok"]
    assert login(connector, "u9", "Unlocked-Again-9!") == "accepted"


@pytest.mark.parametrize("uid", AWKWARD)
def test_awkward_names_mean_themselves(connector, server, uid):
    everyone = {name: server.stored(name) for name in ("u1", "u2")}
    check(connector, server, uid)
    password = "Only-This-One-1!" + uid
    assert change(connector, uid, password)["ok"]
    assert login(connector, uid, password) == "accepted"
    assert login(connector, uid, password, dn=awkward_dn(uid)) == "accepted"
    assert connector.call("compare", account="x", dn=awkward_dn(uid), password=password)["match"] is True
    assert {name: server.stored(name) for name in everyone} == everyone


@pytest.mark.parametrize("name", ["ghost", "*", "u*", "u?", "(uid=u1)", "u1)(objectClass=*", "u1)(|(uid=u2", "*)(uid=*",
                                  "\\75\\31", "\\2a", "uid=u1", f"uid=u1,ou=people,{SUFFIX}", "u1,ou=people", "$(id)", "twin"])
def test_names_that_nobody_has(connector, server, name):
    before = [server.stored(f"u{number}") for number in range(1, 10)]
    assert try_check(connector, server, name)["code"] == "no_account"
    check(connector, server, None)
    assert change(connector, name, "Some-Pass-1!")["code"] == "no_account"
    assert login(connector, name, PASSWORDS["u1"]) == "no_account"
    assert connector.call("compare", account=name, password=PASSWORDS["u1"])["code"] == "no_account"
    assert self_change(connector, name, PASSWORDS["u1"], "Some-Pass-1!")["code"] == "no_account"
    assert [server.stored(f"u{number}") for number in range(1, 10)] == before


@pytest.mark.parametrize("fields", [{"account": ""}, {"account": " u1"}, {"account": "u1\n"}, {"account": "u1\0"},
                                    {"account": "a" * 247}, {"account": "u1\x7f"}, {"dn": "u1"}, {"dn": "uid=u1,"},
                                    {"dn": "uid=u1,,dc=lab"}, {"dn": "uid=u1\n,dc=lab"}, {"dn": "=u1,dc=lab"}, {"dn": " "},
                                    {"dn": "uid=" + "x" * 3000}, {"dn": "uid=u1;drop\\"}])
def test_names_that_make_no_sense(connector, server, fields):
    check(connector, server)
    for op, more in (("change", {"part": "password", "password": "Some-Pass-1!"}), ("login", {"password": "Some-Pass-1!"}),
                     ("compare", {"password": "Some-Pass-1!"})):
        assert connector.call(op, **{"account": "u1", **more, **fields})["code"] == "bad_request"


def test_a_dn_decides(connector, server):
    dn = f"uid=twin,ou=more,{SUFFIX}"
    check(connector, server, "twin", dn=dn)
    assert change(connector, "twin", "The-Second-Twin-1!", dn=dn)["ok"]
    assert login(connector, "twin", "The-Second-Twin-1!", dn=dn) == "accepted"
    assert login(connector, "twin", "The-Second-Twin-1!", dn=f"uid=twin,ou=people,{SUFFIX}") == "denied"
    ghost = f"uid=ghost,ou=people,{SUFFIX}"
    assert try_check(connector, server, "u1", dn=ghost)["code"] == "no_account"
    check(connector, server)
    assert change(connector, "u1", "Some-Pass-1!", dn=ghost)["code"] == "no_account"
    assert login(connector, "u1", "Some-Pass-1!", dn=ghost) == "denied"
    for nobody in ("dc=elsewhere", f"cn=default,ou=pol,{SUFFIX}"):
        assert login(connector, "u1", "Some-Pass-1!", dn=nobody) == "denied"


def test_looking_for_uids_without_signing_in(connector, server, tmp_path):
    by_uid = {**functional(), "account": "func"}
    answer = try_check(connector, server, who=by_uid)
    assert (answer["code"], answer["result"]) == ("functional_denied", "refused") and "give its DN" in answer["text"]
    connector.end()
    with LdapServer(tmp_path, anonymous=True) as open_one:
        connector = Connector("ldap")
        check(connector, open_one, who=by_uid)
        assert change(connector, "u1", "By-Uid-Only-1!")["ok"]
        check(connector, open_one, None, who=None)
        assert login(connector, "u1", "By-Uid-Only-1!") == "accepted"
        assert login(connector, "twin", "By-Uid-Only-1!") == "no_account"
        assert self_change(connector, "u1", "By-Uid-Only-1!", "By-Itself-Only-1!")["ok"]
        connector.end()


def test_requests_that_are_not_for_a_directory(connector, server):
    for op, more in (("login", {"password": "x"}), ("compare", {"password": "x"}),
                     ("change", {"part": "password", "password": "x"})):
        assert connector.call(op, account="u1", **more)["code"] == "bad_request"  # before any check
    check(connector, server)
    for part in ("add_key", "remove_key"):
        answer = connector.call("change", account="u1", part=part, public_key="ssh-ed25519 AAAA x")
        assert answer["code"] == "bad_request"
    assert connector.call("login", account="u1", private_key="x")["code"] == "bad_request"
    assert connector.call("compare", account="u1", public_key="x")["code"] == "bad_request"
    for op in ("fence", "inspect_key", "make_key"):
        assert connector.call(op, token="x", type="ed25519", private_key="x")["code"] == "bad_request"
    answer = connector.call("check", target={**target(server), "port": server.port + 1}, host_keys=keys(server),
                            functional=None, account=None)
    assert answer["code"] == "bad_request"  # another target
