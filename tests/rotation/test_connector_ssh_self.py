"""tests/rotation/test_connector_ssh_self.py: an account that changes its own password, by passwd on a terminal."""

import pathlib
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "targets"))

from ssh_fixtures import check_host_key, connector, host, PASSWORDS, SshHost  # noqa: E402,F401


def self_change(connector, account, current, password):
    return connector.call("change", account=account, part="password", method="self", current=current, password=password)


def test_self_change(connector, host):
    check_host_key(connector, host)
    host.set_password("u8", "Own-Start-8!")
    assert self_change(connector, "u8", "Own-Start-8!", "Own-Second-8! 'x\"")["ok"]
    assert host.can_login("u8", "Own-Second-8! 'x\"")
    answer = self_change(connector, "u8", "Own-Second-8! 'x\"", "abc")
    assert answer["code"] == "policy"
    assert self_change(connector, "u8", "wrong", "Own-Third-8!")["code"] == "refused"
    assert self_change(connector, "min1", PASSWORDS["min1"], "Own-Third-8!")["code"] == "policy"
    assert self_change(connector, "nolog", PASSWORDS["nolog"], "Own-Third-8!")["code"] in ("refused", "policy")
    assert host.can_login("u8", "Own-Second-8! 'x\"")
    assert host.can_login("min1", PASSWORDS["min1"])


def test_self_change_of_a_password_that_has_run_out(connector, tmp_path):
    with SshHost(tmp_path) as other:
        check_host_key(connector, other)
        assert connector.call("login", account="exp1", password=PASSWORDS["exp1"])["result"] == "must_change"
        assert self_change(connector, "exp1", PASSWORDS["exp1"], "Own-Fresh-1!")["ok"]
        assert connector.call("login", account="exp1", password="Own-Fresh-1!")["result"] == "accepted"


@pytest.mark.parametrize("password", ["Größe-Ünïcode-密码-🔑-8!", "back\\slash\\x16 '$(id)'", " Blanks at both ends 8! ",
                                      "Long-8!" + "x" * 504])
def test_what_a_terminal_takes_is_set_as_it_is(connector, host, password):
    check_host_key(connector, host)
    host.set_password("u7", "Own-Start-7!")
    assert self_change(connector, "u7", "Own-Start-7!", password)["ok"]
    assert host.has_password("u7", password)


@pytest.mark.parametrize("control", ["\x01", "\x03", "\x04", "\b", "\t", "\x11", "\x15", "\x16", "\x17", "\x1a", "\x1b", "\x1c",
                                     "\x1f", "\x7f"])
def test_control_characters_are_typed_at_no_terminal(connector, host, control):
    """It would edit both prompts alike: passwd would set, with success, what nobody has sent."""
    check_host_key(connector, host)
    host.set_password("u6", "Own-Start-6!")
    attempts = host.log.count("Connection from")
    for current, password in (("Own-Start-6!", f"Own-6!{control}Second-6!"), ("Own-Start-6!", f"Own-Second-6!{control}"),
                              (f"{control}Own-Start-6!", "Own-Second-6!")):
        answer = self_change(connector, "u6", current, password)
        assert answer["code"] == "policy" and "control characters" in answer["text"], answer
    assert host.has_password("u6", "Own-Start-6!") and host.log.count("Connection from") == attempts
