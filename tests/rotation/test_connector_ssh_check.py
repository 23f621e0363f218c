"""tests/rotation/test_connector_ssh_check.py: what a check finds out, and what a hostile host cannot do to it."""

import pathlib
import sys
import time

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "targets"))

import hostile  # noqa: E402
from ssh_fixtures import (  # noqa: E402,F401
    check, check_host_key, connector, Connector, functional, host,
    keys, PASSWORDS, SECRETS, SshHost, target)


def test_check_finds_out_what_the_functional_account_may(connector, host):
    answer = check(connector, host)
    assert answer["can_change"] and answer["can_compare"] and answer["can_install_keys"]
    assert (answer["scheme"], answer["fence"], answer["fence_s"], answer["text"]) == ("$y$", "timeout", 6, "")
    assert answer["host_key"] == keys(host)[0]


def test_check_changes_nothing(connector, host):
    before = (host.root / "etc/shadow").read_bytes()
    check(connector, host, who="func2")
    check(connector, host, who="plain")
    assert (host.root / "etc/shadow").read_bytes() == before


def test_check_without_functional_looks_at_the_key_only(connector, host):
    sessions = host.log.count("Accepted ")
    check_host_key(connector, host)
    assert host.log.count("Accepted ") == sessions


@pytest.mark.parametrize("who, can_change, can_compare, can_install, fence", [
    ("func2", True, True, True, "timeout"), ("plain", True, False, False, "none"),
    ("nobody2", False, False, False, "none"), ("dull", False, False, False, "none")])
def test_check_by_weaker_accounts(connector, host, who, can_change, can_compare, can_install, fence):
    answer = check(connector, host, who=who)
    assert (answer["can_change"], answer["can_compare"], answer["can_install_keys"], answer["fence"]) == \
        (can_change, can_compare, can_install, fence)


def test_check_of_sha512_locked_and_newborn_accounts(connector, host):
    assert check(connector, host, "s1")["scheme"] == "$6$"
    locked = check(connector, host, "lock1")
    assert locked["scheme"] == "$y$" and "locked" in locked["text"]
    assert check(connector, host, "newborn")["scheme"] == "$6$"  # Debian's login.defs says SHA512
    host.run("sed -i 's/^ENCRYPT_METHOD.*/ENCRYPT_METHOD YESCRYPT/' /etc/login.defs")
    assert check(connector, host, "newborn")["scheme"] == "$y$"
    host.run("sed -i 's/^ENCRYPT_METHOD.*/ENCRYPT_METHOD SHA512/' /etc/login.defs")


@pytest.mark.parametrize("known, code", [([], "host_key_unknown"),
                                         ([{"type": "ssh-ed25519", "sha256": "SHA256:" + "A" * 43}], "host_key_changed"),
                                         ([{"type": "ssh-rsa", "sha256": "SHA256:" + "A" * 43}], "host_key_changed")])
def test_no_secret_goes_to_an_unknown_host(connector, host, known, code):
    logged = host.log.count("func")
    answer = connector.call("check", target=target(host), host_keys=known, functional=functional(), account="u1")
    assert (answer["ok"], answer["code"]) == (False, code)
    assert answer["host_key"] == keys(host)[0]
    assert connector.call("login", account="u1", password=PASSWORDS["u1"])["code"] == code
    assert connector.call("change", account="u1", part="password", password="Never-Sent-1!")["code"] == "unreachable"
    assert host.log.count("func") == logged


def test_the_key_is_compared_again_at_every_connection(host, tmp_path):
    with SshHost(tmp_path, sshd_options={"LoginGraceTime": "20"}) as other:
        connector = Connector()
        check(connector, other)
        known = keys(other)[0]
        other.change_host_key()
        answer = connector.call("login", account="u1", password=PASSWORDS["u1"])
        assert answer["code"] == "host_key_changed" and answer["host_key"] != known
        assert connector.call("change", account="u1", part="password", password="Never-Sent-1!")["code"] in \
            ("unsent", "unreachable")
        connector.end()


def test_functional_account_with_a_wrong_password(connector, host):
    answer = connector.call("check", target=target(host), host_keys=keys(host),
                            functional=functional(password="wrong"), account="u1")
    assert (answer["code"], answer["result"]) == ("functional_denied", "denied")
    for name, word in (("exp1", "must_change"), ("acexp", "expired"), ("lock1", "denied")):
        answer = connector.call("check", target=target(host), host_keys=keys(host), functional=functional(name),
                                account="u1")
        assert (answer["code"], answer["result"]) == ("functional_denied", word)


def test_a_host_that_is_down(connector):
    with hostile.silent() as server:
        port = server.port
    answer = connector.call("check", target={"name": "x", "address": "127.0.0.1", "port": port, "timeout_s": 5},
                            host_keys=[], functional=None, account=None)
    assert (answer["code"], answer["text"]) == ("unreachable", "connection refused")


@pytest.mark.parametrize("server", [hostile.silent, hostile.endless_banner, hostile.garbage, hostile.huge_reply,
                                    hostile.talks_for_ever, hostile.drips, hostile.closes_at_once,
                                    lambda: hostile.garbage(greeting=hostile.SSH_GREETING)])
def test_a_hostile_server_is_bounded_in_time_and_memory(connector, server):
    with server() as running:
        began = time.monotonic()
        answer = connector.call("check", target=target(running, 2), host_keys=[
            {"type": "ssh-ed25519", "sha256": "SHA256:" + "A" * 43}], functional=functional(), account="u1")
        assert answer["code"] == "unreachable"
        assert time.monotonic() - began < 4
        assert int(connector.status()["VmHWM"].split()[0]) < 96 * 1024
        assert SECRETS["func"].encode() not in running.heard


def test_a_host_that_freezes(connector, tmp_path):
    with SshHost(tmp_path) as other:
        check(connector, other)
        connector.call("check", target=target(other, 2), host_keys=keys(other), functional=functional(), account="u1")
        other.freeze()
        began = time.monotonic()
        assert connector.call("compare", account="u1", password=PASSWORDS["u1"])["code"] == "unreachable"
        assert connector.call("login", account="u1", password=PASSWORDS["u1"])["code"] == "unreachable"
        assert time.monotonic() - began < 7
        other.thaw()
