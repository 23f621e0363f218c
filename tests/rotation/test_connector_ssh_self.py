"""tests/rotation/test_connector_ssh_self.py: an account that changes its own password, by passwd on a terminal."""

import pathlib
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "targets"))

from scripted_ssh import ScriptedServer  # noqa: E402
from ssh_fixtures import check_host_key, connector, host, PASSWORDS, SshHost, target  # noqa: E402,F401


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


CUT = object()
CURRENT, NEW, RETYPE = "Current password: ", "New password: ", "Retype new password: "
DONE = "passwd: password updated successfully\n"
NOT_DONE = "passwd: Authentication token manipulation error\n"


@pytest.mark.parametrize("script, code, typed", [
    ([CURRENT, NEW, RETYPE, DONE, 0], None, 3),
    ([CURRENT, NEW, DONE, 0], None, 2),  # it asks once
    ([NEW, RETYPE, DONE, 0], None, 2),
    # Before the new password: nothing has been sent that could be set.
    ([CUT], "unsent", 0), ([CURRENT, CUT], "unsent", 1), ([CURRENT, NOT_DONE, 10], "refused", 1),
    ([CURRENT, "You must wait longer to change your password\n", 10], "policy", 1),
    # From its first byte on only what is definite is no doubt.
    ([CURRENT, NEW, CUT], "unknown", 2), ([CURRENT, NEW, 0], "unknown", 2), ([CURRENT, NEW, 1], "unknown", 2),
    ([CURRENT, NEW, "what?", 0], "unknown", 2), ([CURRENT, NEW, DONE, 1], "unknown", 2),
    ([CURRENT, NEW, "BAD PASSWORD\n", 10], "unknown", 2), ([CURRENT, NEW, NOT_DONE, 0], "unknown", 2),
    ([CURRENT, NEW, CURRENT, 0], "unknown", 2), ([CURRENT, NEW, DONE, CUT], "unknown", 2),
    ([CURRENT, NEW, NOT_DONE, 10], "refused", 2), ([CURRENT, NEW, "BAD PASSWORD\n" + NOT_DONE, 10], "policy", 2),
    ([CURRENT, NEW, "BAD PASSWORD: it is too short\n", NEW, 0], "policy", 2),
    ([CURRENT, NEW, "Sorry.\n", NEW, 0], "refused", 2),
    ([CURRENT, NEW, RETYPE, CUT], "unknown", 3), ([CURRENT, NEW, RETYPE, RETYPE, 0], "unknown", 3),
    ([CURRENT, NEW, RETYPE, 0], "unknown", 3), ([CURRENT, NEW, RETYPE, "what?", 1], "unknown", 3),
    ([CURRENT, NEW, RETYPE, NOT_DONE, 10], "refused", 3), ([CURRENT, NEW, RETYPE, "too short\n", NEW, 0], "policy", 3)])
def test_once_the_new_password_was_typed_only_a_definite_end_is_one(connector, script, code, typed):
    heard = []

    def passwd(channel, command):
        for step in script:
            if step is CUT:
                channel.transport.sock.shutdown(2)
            elif isinstance(step, int):
                return step
            else:
                channel.sendall(step.encode())
                line = b""
                while step in (CURRENT, NEW, RETYPE) and not line.endswith(b"\n") and (more := channel.recv(1)):
                    line += more
                heard.extend([line.decode()] if line else [])

    with ScriptedServer([[("Password: ", False)]], terminal=passwd) as server:
        assert connector.call("check", target=target(server, 5), host_keys=[server.host_key], functional=None,
                              account=None)["ok"]
        assert self_change(connector, "u1", "Old-1!", "New-1!").get("code") == code
        assert heard == ([f"{'Old' if script[0] == CURRENT else 'New'}-1!\n"] + ["New-1!\n"] * 2)[:typed]
