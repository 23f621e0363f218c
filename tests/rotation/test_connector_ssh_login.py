"""tests/rotation/test_connector_ssh_login.py: signing in, and what a host may answer."""

import pathlib
import sys
import time

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "targets"))

from scripted_ssh import ScriptedServer  # noqa: E402
from ssh_fixtures import (  # noqa: E402,F401
    check, check_host_key, connector, encrypted_key, functional, host, keys, old_host,
    PASSWORDS, SECRETS, SshHost, target)


WORDS = [("u1", "Login-Me-1!", "accepted"), ("u1", "wrong", "denied"), ("ghost", "x", "denied"),
         ("lock1", PASSWORDS["lock1"], "denied"), ("exp1", PASSWORDS["exp1"], "must_change"), ("exp1", "wrong", "denied"),
         ("acexp", PASSWORDS["acexp"], "expired"), ("acexp", "wrong", "denied"),
         ("nolog", PASSWORDS["nolog"], "accepted"), ("root", "x", "denied"), ("u1", "x" * 1024, "denied")]


@pytest.mark.parametrize("account, password, word", WORDS)
def test_login_words(connector, host, account, password, word):
    host.set_password("u1", "Login-Me-1!")
    check_host_key(connector, host)
    before = host.shadow("exp1")
    assert connector.call("login", account=account, password=password)["result"] == word
    assert host.shadow("exp1") == before


@pytest.mark.parametrize("account, password, word", WORDS)
def test_login_words_without_keyboard_interactive(connector, old_host, account, password, word):
    old_host.set_password("u1", "Login-Me-1!")
    check_host_key(connector, old_host)
    assert connector.call("login", account=account, password=password)["result"] == word


def test_a_wrong_password_costs_one_failed_login(connector, host):
    check_host_key(connector, host)
    before = host.failed_logins("u3")
    connector.call("login", account="u3", password="wrong-once")
    deadline = time.monotonic() + 5
    while host.failed_logins("u3") == before and time.monotonic() < deadline:
        time.sleep(0.05)
    time.sleep(0.3)  # a second one would be logged by now
    assert host.failed_logins("u3") == before + 1


def test_an_expired_account_by_key(connector, host, tmp_path):
    private, public = encrypted_key(tmp_path, "")
    host.run("install -d -m 700 -o acexp ~acexp/.ssh && cat >~acexp/.ssh/authorized_keys && chown acexp ~acexp/.ssh/*", input=public)
    check_host_key(connector, host)
    assert connector.call("login", account="acexp", private_key=private)["result"] == "expired"


def test_a_host_that_goes_down_says_nothing_of_the_password(connector, old_host):
    """It lets nobody in any more, and hangs up on the right password only; so does one that restarts at that moment."""
    check_host_key(connector, old_host)
    for text in ("", "The system is going down\n"):
        old_host.run(["tee", "/etc/nologin"], input=text)
        try:
            answer = connector.call("login", account="u3", password=PASSWORDS["u3"])
            assert (answer["code"], answer["guessed"]) == ("unreachable", True)
            assert connector.call("login", account="u3", password="wrong")["result"] == "denied"
        finally:
            old_host.run("rm /etc/nologin")


def test_a_locked_account(connector, tmp_path):
    with SshHost(tmp_path, faillock_deny=3) as other:
        check_host_key(connector, other)
        for _ in range(3):
            assert connector.call("login", account="u1", password="wrong")["result"] == "denied"
        assert connector.call("login", account="u1", password=PASSWORDS["u1"])["result"] == "locked"
        for password in ["wrong"] * 3 + [PASSWORDS["func"]]:
            answer = connector.call("check", target=target(other), host_keys=keys(other), functional=functional(password=password), account="u1")
        assert (answer["code"], answer["result"]) == ("functional_denied", "locked")


PASSWORD = [("Password: ", False)]


@pytest.mark.parametrize("questions, heard, outcome", [
    ([PASSWORD], ["Right-1!"], "accepted"),
    ([[], PASSWORD, []], ["Right-1!"], "accepted"),
    ([[("u1's PASSWORD:", False)]], ["Right-1!"], "accepted"),
    ([[("Verification code: ", False)]], [], "refused"),
    ([[("Password: ", True)]], [], "refused"),
    ([[("New password: ", False)]], [], "refused"),
    ([[("Current password: ", False)]], [], "refused"),
    ([[("Retype password: ", False)]], [], "refused"),
    ([PASSWORD * 2], [], "refused"),
    ([[("Password: ", False), ("Code: ", False)]], [], "refused"),
    ([PASSWORD, PASSWORD], ["Right-1!"], "refused"),
    ([PASSWORD, [("Verification code: ", False)]], ["Right-1!"], "refused"),
    ([PASSWORD, [("You are required to change your password immediately.\nCurrent password: ", False)]], ["Right-1!"],
     "must_change"),
    ([[("You are required to change your password immediately.\nCurrent password: ", False)]], [], "refused"),
    ([], [], "refused"),
    ([PASSWORD] + [[]] * 20, ["Right-1!"], "refused"),
    ([[("Password: " + "x" * 30000, False)]], ["Right-1!"], "accepted")])
def test_only_one_password_prompt_sees_the_password(connector, questions, heard, outcome):
    with ScriptedServer(questions) as server:
        connector.call("check", target=target(server), host_keys=[server.host_key], functional=None, account=None)
        answer = connector.call("login", account="u1", password="Right-1!")
        assert answer.get("result", answer.get("code")) == outcome
        assert server.answers == heard


CHANGE_ANSWERS = [
    (("keyturn:ok\n", "", 0), None), (("keyturn:ok\n", "sudo: unable to resolve host web01\n", 0), None),
    (("", "", 0), "unknown"), (("", "", None), "unknown"), (("keyturn:ok\n", "", None), "unknown"),
    (("", "", 124), "unknown"), (("", "", 137), "unknown"), (("", "", 255), "unknown"), (("", "what?", 1), "unknown"),
    (("", "chpasswd: cannot lock /etc/passwd; try again later.", 1), "refused"),
    (("", "chpasswd: cannot lock /etc/passwd; try again later.", 2), "unknown"),
    (("", "chpasswd: line 1: user 'u1' does not exist\nchpasswd: error detected, changes ignored", 1), "no_account"),
    (("", "chpasswd: failure while writing changes to /etc/shadow", 1), "unknown"),
    (("", "bash: /opt/tool: Permission denied\nchpasswd: what?", 1), "unknown"),
    (("", "/opt/tool does not exist\n", 1), "unknown"),
    (("", "bash: /opt/tool: Permission denied\nchpasswd: cannot lock /etc/passwd; try again later.", 1), "refused"),
    (("", "sudo: a password is required", 1), "elevation_denied"),
    (("", "Sorry, user func is not allowed to execute '/usr/sbin/chpasswd -e' as root on web01.", 1), "elevation_denied"),
    ((..., "", 0), "unknown"),
]


@pytest.mark.parametrize("reply, code", CHANGE_ANSWERS)
def test_only_a_definite_answer_to_a_change_is_one(connector, reply, code):
    def run(command, given):
        if "getent shadow" in command:
            return "u1:$6$salt$hash:1:0::::\n", "", 0
        return reply if given else ("keyturn:ok\n", "", 0)

    with ScriptedServer([PASSWORD], run=run) as server:
        answer = connector.call("check", target=target(server, 5), host_keys=[server.host_key], functional=functional(),
                                account="u1")
        assert answer["ok"] and answer["scheme"] == "$6$", answer
        assert connector.call("change", account="u1", part="password", password="New-1!").get("code") == code
        assert not any("New-1!" in command or "$6$" in command for command in server.commands)


@pytest.mark.parametrize("echoed", ["New-Secret-1!", SECRETS["func"]])
def test_a_text_that_holds_a_secret_is_left_out(connector, echoed):
    def run(command, given):
        if "getent shadow" in command:
            return "u1:$6$salt$hash:1:0::::\n", "", 0
        return ("", f"chpasswd: cannot lock it for {echoed} \x1b[31m", 1) if given else ("keyturn:ok\n", "", 0)

    with ScriptedServer([PASSWORD], run=run) as server:
        connector.call("check", target=target(server), host_keys=[server.host_key], functional=functional(), account="u1")
        answer = connector.call("change", account="u1", part="password", password="New-Secret-1!")
        assert (answer["code"], answer["text"]) == ("refused", "(left out)")
        assert "\x1b" not in connector.call("change", account="u1", part="password", password="Other-Secret-1!")["text"]


def test_a_flood_of_output_is_cut_off(connector):
    with ScriptedServer([PASSWORD], run=lambda command, given: (..., "", 0)) as server:
        began = time.monotonic()
        answer = connector.call("check", target=target(server, 10), host_keys=[server.host_key], functional=functional(),
                                account="u1")
        assert answer["code"] == "unreachable"
        assert time.monotonic() - began < 5
        assert int(connector.status()["VmHWM"].split()[0]) < 96 * 1024


@pytest.mark.parametrize("stage", ["auth", "open", "exec"])
def test_a_server_that_lives_but_never_answers(connector, stage):
    with ScriptedServer([PASSWORD], stalls_at=stage) as server:
        began = time.monotonic()
        answer = connector.call("check", target=target(server, 2), host_keys=[server.host_key], functional=functional(),
                                account="u1")
        assert answer["code"] == "unreachable"
        assert 1.5 < time.monotonic() - began < 4


def test_a_server_that_answers_each_time_just_in_time(connector):
    """Every single answer comes before a time-out of its own; only the bound of the whole request ends this."""
    with ScriptedServer([PASSWORD], pause_s=1.6) as server:
        began = time.monotonic()
        answer = connector.call("check", target=target(server, 2), host_keys=[server.host_key], functional=functional(),
                                account="u1")
        assert answer["code"] == "unreachable"
        assert 1.5 < time.monotonic() - began < 3
