"""tests/rotation/test_connector_ssh_guess.py: a password that went out: the answer denies it, or says that it was not answered."""

import pathlib
import sys
import time

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "targets"))

from scripted_ssh import ScriptedServer  # noqa: E402
from ssh_fixtures import (  # noqa: E402,F401
    check, check_host_key, connector, functional, keys, made_key, PASSWORDS, SECRETS, SshHost, target)
from support import wait_for  # noqa: E402

PASSWORD = [("Password: ", False)]
METHODS = ["keyboard-interactive", "password"]
TOO_MANY = "Too many authentication failures"


def guesses(connector, server, host_key, timeout_s):
    """The answers to a sign-in of the functional account, to a login, and to a change as the account itself."""
    fields = {"target": target(server, timeout_s), "host_keys": [host_key]}
    signed_in = connector.call("check", functional=functional(), account="u1", **fields)
    assert connector.call("check", functional=None, account=None, **fields)["ok"]
    yield signed_in
    yield connector.call("login", account="u1", password=SECRETS["u1"])
    yield connector.call("change", account="u1", part="password", method="self", current=SECRETS["u1"], password="New-1!")


@pytest.mark.parametrize("with_dialog", ["yes", "no"])
def test_a_host_that_takes_one_guess_a_connection_denies_it(connector, tmp_path, with_dialog):
    options = {"MaxAuthTries": "1", "KbdInteractiveAuthentication": with_dialog}
    with SshHost(tmp_path, sshd_options=options, faillock_deny=3) as host:
        began = time.monotonic()
        check_host_key(connector, host)
        assert connector.call("login", account="u1", password=PASSWORDS["u1"])["result"] == "accepted"
        assert connector.call("login", account="acexp", password=PASSWORDS["acexp"])["result"] == "expired"
        assert connector.call("login", account="u1", password="wrong")["result"] == "denied"
        assert connector.call("login", account="u1", private_key=made_key(connector)[0])["result"] == "denied"
        denied = connector.call("check", target=target(host), host_keys=keys(host), account="u1",
                                functional=functional(password="wrong"))
        assert (denied["code"], denied["result"]) == ("functional_denied", "denied") and "guessed" not in denied
        wait_for(lambda: host.failed_logins("u1") == host.failed_logins("func") == 1)
        for _ in range(3):
            assert connector.call("login", account="u2", password="wrong")["result"] == "denied"
        locked = connector.call("login", account="u2", password=PASSWORDS["u2"])["result"]
        assert locked == ("locked" if with_dialog == "yes" else "denied")
        assert time.monotonic() - began < 15  # the time-out of one request is 20 s


def test_a_time_that_is_shorter_than_the_hosts_answer(connector, tmp_path):
    """What the host counts is what the answers own up to."""
    with SshHost(tmp_path, fail_delay=True) as host:
        owned_up = 0
        for timeout_s in (1, 2, 2):
            answer = connector.call("check", target=target(host, timeout_s), host_keys=keys(host), account="u1",
                                    functional=functional(password="wrong"))
            assert answer["code"] in ("unreachable", "functional_denied")
            owned_up += answer.get("guessed", False) or answer["code"] == "functional_denied"
        wait_for(lambda: host.failed_logins("func") == owned_up)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("goodbye", [None, "", "Timeout before authentication"])
def test_a_guess_that_is_not_answered_is_owned_up_to(connector, method, goodbye):
    with ScriptedServer([PASSWORD], methods=method, stalls_at="answer", goodbye=goodbye) as server:
        timeout_s = 2 if goodbye is None else 20
        began = time.monotonic()
        signed_in, login, changed = guesses(connector, server, server.host_key, timeout_s)
        assert server.answers == [SECRETS["func"], SECRETS["u1"], SECRETS["u1"]]
        for answer in (signed_in, login, changed):
            assert (answer["code"], answer["guessed"]) == ("unreachable", True), answer
        assert time.monotonic() - began < 15
        assert "guessed" not in connector.call("login", account="u1")  # a bad_request


@pytest.mark.parametrize("method", METHODS)
def test_a_goodbye_after_too_many_failures_denies_the_guess(connector, method):
    with ScriptedServer([PASSWORD], methods=method, stalls_at="answer", goodbye=TOO_MANY) as server:
        began = time.monotonic()
        signed_in, login, changed = guesses(connector, server, server.host_key, 20)
        assert (signed_in["code"], login["result"], changed["code"]) == ("functional_denied", "denied", "refused")
        assert not any("guessed" in answer for answer in (signed_in, login, changed))
        assert time.monotonic() - began < 15


@pytest.mark.parametrize("goodbye", [None, "", "Go away", TOO_MANY])
def test_nothing_was_guessed_before_the_password_went_out(connector, goodbye):
    with ScriptedServer([PASSWORD], stalls_at="auth", goodbye=goodbye) as server:
        for answer in guesses(connector, server, server.host_key, 2 if goodbye is None else 20):
            assert answer["code"] == "unreachable" and "guessed" not in answer, answer
        assert server.answers == []


@pytest.mark.parametrize("goodbye, outcome", [(None, "unreachable"), ("Go away", "unreachable"), (TOO_MANY, "denied")])
def test_a_key_is_no_guess(connector, goodbye, outcome):
    with ScriptedServer(methods="publickey", stalls_at="answer", goodbye=goodbye) as server:
        assert connector.call("check", target=target(server, 2), host_keys=[server.host_key], functional=None,
                              account=None)["ok"]
        answer = connector.call("login", account="u1", private_key=made_key(connector)[0])
        assert answer.get("result", answer.get("code")) == outcome and "guessed" not in answer


@pytest.mark.parametrize("questions, is_open", [([PASSWORD, PASSWORD], True), ([PASSWORD, [("Code: ", False)]], True),
                                                ([[("Code: ", False)]], False)])
def test_a_host_that_asks_for_more_has_not_answered(connector, questions, is_open):
    with ScriptedServer(questions) as server:
        assert connector.call("check", target=target(server), host_keys=[server.host_key], functional=None,
                              account=None)["ok"]
        answer = connector.call("login", account="u1", password="Right-1!")
        assert answer["code"] == "refused" and answer.get("guessed", False) is is_open
