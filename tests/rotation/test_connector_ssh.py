"""tests/rotation/test_connector_ssh.py: changing and comparing passwords on a real host."""

import pathlib
import sys
import time

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "targets"))

from ssh_fixtures import (  # noqa: E402,F401
    check, check_host_key, connector, functional, host, keys,
    made_key, old_host, PASSWORDS, SshHost, target)


@pytest.mark.parametrize("who, account", [("func", "u1"), ("func", "s1"), ("func2", "u2"), ("func2", "s2"),
                                          ("plain", "u3"), ("func", "Upper.Case-1"), ("func", "root"),
                                          ("func", "newborn")])
def test_change_keeps_the_scheme_and_the_new_password_logs_in(connector, host, who, account):
    scheme = check(connector, host, account, who)["scheme"]
    password = f"Changed-{account}-1!"
    assert connector.call("change", account=account, part="password", password=password) == {
        "id": connector.last_id, "ok": True}
    assert host.shadow(account).startswith(scheme if who != "plain" else "$")
    if account != "root":
        assert host.can_login(account, password)
        assert connector.call("login", account=account, password=password)["result"] == "accepted"
    assert connector.call("change", account=account, part="password", password=password)["ok"]  # any number of times


def test_compare(connector, host):
    host.set_password("u4", "Compare-Me-4!")
    answer = check(connector, host, "u4")
    failed = host.failed_logins("u4")
    answer = connector.call("compare", account="u4", password="Compare-Me-4!")
    assert (answer["match"], answer["scheme"], answer["locked"]) == (True, "$y$", False)
    for wrong in ("Compare-Me-4", "compare-me-4!", "x" * 1024, "Compare-Me-4! "):
        assert connector.call("compare", account="u4", password=wrong)["match"] is False
    host.set_password("u4", "Compare-Me-5!")
    assert connector.call("compare", account="u4", password="Compare-Me-4!")["match"] is False
    assert connector.call("compare", account="lock1", password=PASSWORDS["lock1"])["locked"] is True
    assert connector.call("compare", account="newborn2", password="x")["code"] == "no_account"
    assert host.failed_logins("u4") == failed


def test_compare_is_the_proof_for_root(connector, host):
    check(connector, host, "root")
    assert connector.call("change", account="root", part="password", password="Root-Turned-1!")["ok"]
    assert connector.call("login", account="root", password="Root-Turned-1!")["result"] == "denied"
    assert connector.call("compare", account="root", password="Root-Turned-1!")["match"] is True
    assert connector.call("compare", account="root", password="Root-Start-1!")["match"] is False


def test_compare_without_the_right_is_unreadable(connector, host):
    check(connector, host, "u1", "plain")
    assert connector.call("compare", account="u1", password="x")["code"] == "unreadable"
    assert connector.call("compare", account="u1", public_key=made_key(connector)[1])["code"] == "unreadable"


def test_a_hash_scheme_that_nobody_knows(connector, host):
    check(connector, host, "u5")
    host.run(["/usr/sbin/chpasswd", "-e"], input="u5:$zz$abc$def\n")
    assert connector.call("compare", account="u5", password="x")["code"] == "unreadable"
    assert check(connector, host, "u5")["scheme"] == "$6$"
    assert connector.call("change", account="u5", part="password", password="Healed-5!")["ok"]
    assert host.can_login("u5", "Healed-5!")


def test_a_host_that_knows_sha512_only(connector, tmp_path):
    with SshHost(tmp_path, setup="sed -i 's/^ENCRYPT_METHOD.*/ENCRYPT_METHOD SHA512/' /etc/login.defs; "
                                 "useradd -m newborn") as other:
        assert check(connector, other, "newborn")["scheme"] == "$6$"
        assert connector.call("change", account="newborn", part="password", password="First-Pass-1!")["ok"]
        assert other.shadow("newborn").startswith("$6$")
        other.run("sed -i '/ENCRYPT_METHOD/d' /etc/login.defs; usermod -p '!' newborn")
        assert check(connector, other, "newborn")["scheme"] == "$6$"


@pytest.mark.parametrize("password", ["'; touch /tmp/pwned; '", '"$(touch /tmp/pwned)"', "a:b:c:d", "-e", "--help",
                                      "Größe-Ünïcode-密码-🔑", "back\\slash\\n", "`id`", " blanks at both ends ",
                                      "tab\there", "%s%n%d", "x" * 511, "*", "!"])
def test_hostile_passwords_are_set_as_they_are(connector, host, password):
    check(connector, host, "u6")
    assert connector.call("change", account="u6", part="password", password=password)["ok"]
    assert connector.call("compare", account="u6", password=password)["match"] is True
    assert connector.call("login", account="u6", password=password)["result"] == "accepted"
    assert host.run("ls /tmp/pwned", check=False).returncode != 0


@pytest.mark.parametrize("password, code", [("x" * 512, "policy"), ("x" * 1024, "policy"), ("two\nlines", "bad_request"),
                                            ("root:x\r", "bad_request"), ("", "bad_request"), (None, "bad_request"),
                                            ("x" * 20000, "bad_request"), ("nul\0", "bad_request")])
def test_passwords_that_no_host_takes(connector, host, password, code):
    check(connector, host, "u6")
    before = (host.root / "etc/shadow").read_bytes()
    connector.send("change", account="u6", part="password", password=password)
    assert connector.answer()["code"] == code
    assert (host.root / "etc/shadow").read_bytes() == before


@pytest.mark.parametrize("name", ["-u1", "u1:x", "u1\nroot", "u1 root", "", "u1'", "$(id)", "u1;id", "../u1", "u1\r", " u1",
                                  "u1 ", "1u", "ü1", "a" * 300, "u$1", "u1\t", ".u", "u1`id`", '"u1"', "u1$$"])
def test_hostile_account_names(connector, host, name):
    check(connector, host)
    before = (host.root / "etc/shadow").read_bytes()
    key = made_key(connector)[1]
    for op, fields in (("change", {"part": "password", "password": "Some-Pass-1!"}),
                       ("change", {"part": "add_key", "public_key": key}),
                       ("change", {"part": "password", "method": "self", "current": "x", "password": "Some-Pass-1!"}),
                       ("compare", {"password": "x"}), ("compare", {"public_key": key}), ("login", {"password": "x"})):
        assert connector.call(op, account=name, **fields)["code"] == "bad_request"
    assert (host.root / "etc/shadow").read_bytes() == before


def test_an_account_that_the_host_does_not_know(connector, host):
    answer = connector.call("check", target=target(host), host_keys=keys(host), functional=functional(), account="ghost")
    assert answer["code"] == "no_account"
    for name in ("ghost", "ghost$"):
        assert connector.call("change", account=name, part="password", password="Some-Pass-1!")["code"] == "no_account"
        assert connector.call("compare", account=name, password="x")["code"] == "no_account"


def test_refusals_send_nothing(connector, host):
    check(connector, host, "u1", "nobody2")
    before = (host.root / "etc/shadow").read_bytes()
    assert connector.call("change", account="u1", part="password", password="Some-Pass-1!")["code"] == "elevation_denied"
    assert connector.call("change", account="u1", part="add_key",
                          public_key=made_key(connector)[1])["code"] == "elevation_denied"
    assert (host.root / "etc/shadow").read_bytes() == before


def test_sudo_that_is_taken_away_after_the_check_is_a_definite_refusal(connector, tmp_path):
    with SshHost(tmp_path) as other:
        check(connector, other)
        other.run("rm /etc/sudoers.d/func")
        before = other.shadow("u1")
        assert connector.call("change", account="u1", part="password",
                              password="Some-Pass-1!")["code"] == "elevation_denied"
        assert other.shadow("u1") == before


def test_a_change_that_waits_too_long_on_the_host_is_unknown_and_over(connector, host):
    check(connector, host, "u7")
    before = host.shadow("u7")
    with host.hold_pwd_lock():
        began = time.monotonic()
        answer = connector.call("change", account="u7", part="password", password="Too-Late-1!")
        assert answer["code"] == "unknown"
        assert time.monotonic() - began < 7
    time.sleep(2)
    assert host.shadow("u7") == before
    assert connector.call("change", account="u7", part="password", password="Too-Late-1!")["ok"]


def test_a_session_that_breaks_in_the_middle_is_unknown(connector, host):
    check(connector, host, "u7")
    with host.hold_pwd_lock():
        connector.send("change", account="u7", part="password", password="Cut-Off-1!")
        time.sleep(1)
        host.end_sessions()
        assert connector.answer()["code"] == "unknown"
    assert connector.call("change", account="u7", part="password", password="Cut-Off-1!")["code"] in ("unsent", "unreachable")


def test_root_as_functional_account_needs_no_sudo(connector, old_host):
    who = {"account": "root", "password": PASSWORDS["root"], "elevation": ""}
    answer = check(connector, old_host, "u1", who)
    assert answer["can_change"] and answer["can_compare"] and answer["can_install_keys"] and answer["fence"] == "timeout"
    assert connector.call("change", account="u1", part="password", password="By-Root-1!")["ok"]
    assert old_host.can_login("u1", "By-Root-1!")
    private, public = made_key(connector)
    assert connector.call("change", account="u1", part="add_key", public_key=public)["ok"]
    assert connector.call("login", account="u1", private_key=private)["result"] == "accepted"
    assert old_host.run("stat -c '%U %a' /home/u1/.ssh/authorized_keys").stdout == "u1 600\n"
