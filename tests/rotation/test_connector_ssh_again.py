"""tests/rotation/test_connector_ssh_again.py: a check that comes again, what it keeps, and what it looks at anew."""

import pathlib
import sys
import time

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "targets"))

import freezer  # noqa: E402
from ssh_fixtures import (  # noqa: E402,F401
    check, check_host_key, connector, functional, host, keys, made_key, PASSWORDS, SshHost, target)


def sign_ins(host):
    return host.log.count("Accepted ")


def commands(host):
    """How many commands sshd has started so far."""
    return host.log.count("Starting session: command")


def again(connector, host, account="u1", **more):
    return check(connector, host, account, again=True, **{"part": "password", **more})


def ask_again(connector, host, account="u1", **more):
    fields = {"target": target(host), "host_keys": keys(host), "functional": functional(), "account": account, **more}
    return connector.call("check", again=True, **fields)


def change(connector, account, password):
    return connector.call("change", account=account, part="password", password=password)


def without_id(answer):
    return {name: value for name, value in answer.items() if name != "id"}


def test_the_session_is_kept_and_one_command_is_run(connector, host):
    first = check(connector, host, "u1", part="password")
    assert first["can_install_keys"] is False
    signed_in, sessions = sign_ins(host), host.processes()
    for account in ("u1", "u2", "s1", "u1"):
        ran = commands(host)
        answer = again(connector, host, account)
        assert commands(host) == ran + 1
        assert without_id(answer) == {**without_id(first), "scheme": "$6$" if account == "s1" else "$y$"}
        ran = commands(host)
        assert change(connector, account, f"Again-{account}-1!")["ok"]
        assert commands(host) == ran + 1  # the scheme is the one that the check has read
        assert host.shadow(account).startswith(answer["scheme"]) and host.has_password(account, f"Again-{account}-1!")
    assert sign_ins(host) == signed_in and host.processes() == sessions


def test_what_only_keys_need_is_asked_where_keys_may_be_meant(connector, host):
    assert check(connector, host)["can_install_keys"] is True
    signed_in = sign_ins(host)
    for part in ("", "key", None):
        ran = commands(host)
        assert again(connector, host, part=part)["can_install_keys"] is True
        assert commands(host) == ran + 2
    assert again(connector, host, "s1", part="key")["can_install_keys"] is False  # sudoers has no rule for s1
    assert connector.call("change", account="u1", part="add_key", public_key=made_key(connector)[1])["ok"]
    assert sign_ins(host) == signed_in


def test_where_sudo_takes_the_password_the_sign_in_is_new(connector, host):
    """A password that is wrong by now is denied there, once; by sudo it would be twice, and what is set a third guess."""
    check(connector, host, "u2", "func2", part="password")
    signed_in = sign_ins(host)
    host.set_password("func2", "Another-1!")
    answer = ask_again(connector, host, "u2", functional=functional("func2"))
    assert answer["code"] == "functional_denied" and "password_denied" not in answer
    host.set_password("func2", PASSWORDS["func2"])
    assert again(connector, host, "u2", who="func2")["can_change"] is True and sign_ins(host) == signed_in + 1
    assert change(connector, "u2", "By-Func2-2!")["ok"] and host.has_password("u2", "By-Func2-2!")


def test_the_account_is_looked_at_anew(connector, host):
    check(connector, host, "u3")
    signed_in = sign_ins(host)
    host.run("passwd -q -l u3")
    assert "locked" in again(connector, host, "u3")["text"]
    host.run("passwd -q -u u3")
    host.run(["/usr/sbin/chpasswd", "-e"], input="u3:$5$abcdefgh$" + "x" * 43 + "\n")
    assert again(connector, host, "u3")["scheme"] == "$5$"
    assert change(connector, "u3", "Anew-3!")["ok"] and host.shadow("u3").startswith("$5$")
    assert ask_again(connector, host, "ghost")["code"] == "no_account"
    assert change(connector, "ghost", "Some-Pass-1!")["code"] == "no_account"
    assert again(connector, host, "newborn")["scheme"] == "$6$"
    ran = commands(host)
    assert again(connector, host, "newborn")["scheme"] == "$6$"  # what login.defs says is of the host
    assert commands(host) == ran + 1
    assert sign_ins(host) == signed_in


def test_a_change_of_an_account_that_the_check_did_not_name_reads_its_scheme(connector, host):
    check(connector, host, "u1")
    ran = commands(host)
    assert change(connector, "s2", "Not-Named-2!")["ok"] and host.shadow("s2").startswith("$6$")
    assert commands(host) == ran + 2


@pytest.mark.parametrize("other", [{"functional": functional(password="wrong")}, {"functional": functional("func2")},
                                   {"functional": functional(passphrase="x")}, {"functional": functional(elevation="")},
                                   {"host_keys": "more"}, {"host_keys": "less"}, {"name": "web02"}, {"timeout_s": 19},
                                   {"account": None}, {"again": False}])
def test_another_request_signs_in_anew(connector, host, other):
    check(connector, host)
    attempts = host.log.count("Connection from")
    more = {"target": {**target(host), **other}} if "name" in other or "timeout_s" in other else dict(other)
    if "host_keys" in other:
        stranger = {"type": "ssh-ed25519", "sha256": "SHA256:" + "A" * 43}
        more["host_keys"] = [stranger] + keys(host) if other["host_keys"] == "more" else [stranger]
    fields = {"target": target(host), "host_keys": keys(host), "functional": functional(), "account": "u1",
              "again": True, **more}
    answer = connector.call("check", **fields)
    code = {"functional_denied": "wrong", "host_key_changed": "less"}
    assert answer["ok"] or code[answer["code"]] in str(other)
    assert host.log.count("Connection from") == attempts + 1
    if not answer["ok"]:
        assert change(connector, "u1", "Never-Sent-1!")["code"] == "unreachable"
        assert again(connector, host)["ok"] and host.log.count("Connection from") == attempts + 2


def test_it_still_serves_one_target(connector, host):
    check(connector, host)
    signed_in = sign_ins(host)
    assert ask_again(connector, host, target={**target(host), "port": 1})["code"] == "bad_request"
    assert again(connector, host)["ok"] and sign_ins(host) == signed_in


def test_without_a_former_check_it_is_a_check_like_any_other(connector, host):
    answer = again(connector, host, part="")
    assert answer["can_change"] and answer["can_install_keys"] and answer["host_key"] == keys(host)[0]
    check_host_key(connector, host)
    signed_in = sign_ins(host)
    assert again(connector, host)["can_change"] and sign_ins(host) == signed_in + 1


def test_a_session_that_was_ended_is_replaced_once(connector, tmp_path):
    with SshHost(tmp_path) as other:
        check(connector, other)
        for _ in range(2):
            signed_in = sign_ins(other)
            other.end_sessions()
            answer = again(connector, other)
            assert answer["can_change"] and answer["fence"] == "timeout" and answer["host_key"] == keys(other)[0]
            assert sign_ins(other) == signed_in + 1
            assert change(connector, "u1", "After-The-End-1!")["ok"] and other.has_password("u1", "After-The-End-1!")
        other.restart()
        assert again(connector, other)["ok"]
        other.stop()
        assert ask_again(connector, other)["code"] == "unreachable"
        assert change(connector, "u1", "Never-Sent-1!")["code"] == "unreachable"
        other.start()
        assert again(connector, other)["ok"] and not other.has_password("u1", "Never-Sent-1!")


def test_a_session_that_hangs_leaves_time_for_another(connector, tmp_path):
    with SshHost(tmp_path) as other:
        check(connector, other)
        assert connector.call("check", target=target(other, 8), host_keys=keys(other), functional=functional(),
                              account="u1")["ok"]
        freezer.stop(*other.processes()[1:])
        signed_in, began = sign_ins(other), time.monotonic()
        assert ask_again(connector, other, target=target(other, 8))["ok"]
        assert 3.5 < time.monotonic() - began < 8 and sign_ins(other) == signed_in + 1
        other.freeze()
        began = time.monotonic()
        assert ask_again(connector, other, target=target(other, 8))["code"] == "unreachable"
        assert time.monotonic() - began < 10
        other.thaw()


def test_a_change_through_a_session_that_hangs_has_sent_nothing(connector, tmp_path):
    with SshHost(tmp_path) as other:
        timed = {"target": target(other, 3)}
        assert ask_again(connector, other, **timed)["ok"] and ask_again(connector, other, **timed)["ok"]
        other.freeze()
        began = time.monotonic()
        assert change(connector, "u1", "Never-Sent-1!")["code"] in ("unsent", "unreachable")
        assert time.monotonic() - began < 5
        other.thaw()
        assert ask_again(connector, other, **timed)["ok"]
        assert other.has_password("u1", PASSWORDS["u1"])


def test_another_host_key_after_a_restart_sends_nothing(connector, tmp_path):
    with SshHost(tmp_path) as other:
        check(connector, other)
        known = keys(other)
        other.change_host_key()
        signed_in, logged = sign_ins(other), other.log.count("for func")
        answer = ask_again(connector, other, host_keys=known)
        assert answer["code"] == "host_key_changed" and answer["host_key"] == keys(other)[0] != known[0]
        assert change(connector, "u1", "Never-Sent-1!")["code"] == "unreachable"
        assert (sign_ins(other), other.log.count("for func")) == (signed_in, logged)
        assert again(connector, other)["host_key"] == keys(other)[0]


def test_the_key_of_the_kept_session_is_told_whatever_a_login_has_seen(connector, tmp_path):
    with SshHost(tmp_path) as other:
        check(connector, other)
        known = keys(other)
        other.stop()
        assert connector.call("login", account="u1", password=PASSWORDS["u1"])["code"] == "unreachable"
        other.start()
        assert again(connector, other)["host_key"] == known[0]
        assert connector.call("login", account="ghost", password="x" * 9)["result"] == "denied"
        assert again(connector, other)["host_key"] == known[0]


def test_a_right_that_is_taken_away_in_between_is_a_definite_refusal(connector, tmp_path):
    with SshHost(tmp_path) as other:
        check(connector, other)
        other.run("rm /etc/sudoers.d/func")
        signed_in, before = sign_ins(other), other.shadow("u1")
        assert again(connector, other)["can_compare"] is False  # a right on the account: looked at anew
        assert change(connector, "u1", "Some-Pass-1!")["code"] == "elevation_denied"
        assert connector.call("compare", account="u1", password="Some-Pass-1!")["code"] == "unreadable"
        assert other.shadow("u1") == before and sign_ins(other) == signed_in


# -- compare after a change --------------------------------------------------------------------------------------------

def compare(connector, account, password):
    return connector.call("compare", account=account, password=password)


def test_a_compare_after_a_change_reads_the_hash_each_time(connector, host):
    check(connector, host, "u5")
    assert change(connector, "u5", "Made-Here-5!")["ok"]
    ran = commands(host)
    answer = compare(connector, "u5", "Made-Here-5!")
    assert (answer["match"], answer["scheme"], answer["locked"]) == (True, "$y$", False) and commands(host) == ran + 1
    assert compare(connector, "u5", "Made-Here-5")["match"] is False
    assert compare(connector, "u6", "Made-Here-5!")["match"] is False
    mine = host.shadow("u5")
    host.run("passwd -q -l u5")
    answer = compare(connector, "u5", "Made-Here-5!")
    assert (answer["match"], answer["locked"]) == (True, True)
    host.set_password("u5", "Behind-Your-Back-5!")
    assert compare(connector, "u5", "Made-Here-5!")["match"] is False
    assert compare(connector, "u5", "Behind-Your-Back-5!")["match"] is True
    host.run(["/usr/sbin/chpasswd", "-e"], input=f"u5:{mine[:-1]}{'/' if mine[-1] != '/' else '.'}\n")
    assert compare(connector, "u5", "Made-Here-5!")["match"] is False
    host.set_password("u5", "Made-Here-5!")  # another salt
    assert host.shadow("u5") != mine and compare(connector, "u5", "Made-Here-5!")["match"] is True
    host.run(["/usr/sbin/chpasswd", "-e"], input=f"u6:{mine}\n")
    assert compare(connector, "u6", "Made-Here-5!")["match"] is True
    host.run("userdel u8")
    assert compare(connector, "u8", "Made-Here-5!")["code"] == "no_account"


def test_a_compare_after_a_change_does_not_hash_again(connector, host):
    check(connector, host, "u7")
    assert change(connector, "u7", "Made-Once-7!")["ok"]
    matches, known = connector.cpu_of("compare", account="u7", password="Made-Once-7!")
    others, hashed = connector.cpu_of("compare", account="u7", password="Made-Once-8!")
    assert all(answer["match"] for answer in matches) and not any(answer["match"] for answer in others)
    assert known < hashed / 2
