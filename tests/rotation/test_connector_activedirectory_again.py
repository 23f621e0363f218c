"""tests/rotation/test_connector_activedirectory_again.py: a check that comes again, what it keeps, what it looks at."""

import pathlib
import sys
import time

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

from ad_fixtures import (  # noqa: E402,F401
    ask_check, change, check, connector, dc, domain_files, functional, keys, login, PASSWORDS, SambaDc, target)
from samba_dc import RESET_PASSWORD, USERS  # noqa: E402


@pytest.fixture
def own_dc(tmp_path):
    with SambaDc(tmp_path, domain_files()) as running:
        yield running


def again(connector, dc, account="u1", **more):
    return check(connector, dc, account, again=True, **more)


def state(answer):
    return {name: value for name, value in answer.items() if name not in ("id", "text")}


@pytest.mark.parametrize("has_dn", [False, True])
def test_the_session_is_kept(connector, dc, has_dn):
    first = check(connector, dc)
    sockets = connector.sockets()
    for account in ("u1", "u2", "u1"):
        dn = f"CN={account},{USERS}" if has_dn else ""
        assert state(again(connector, dc, account, dn=dn)) == state(first)
        password = f"Again-{account}-{has_dn}-{len(connector.heard)}!"
        assert change(connector, account, password, dn=dn)["ok"] and dc.has_password(account, password)
        assert login(connector, account, password) == "accepted"
        assert connector.sockets() == sockets


def test_the_account_is_looked_at_anew(connector, dc):
    check(connector, dc, "u3")
    sockets = connector.sockets()
    dc.set("u3", "userAccountControl", "514")
    assert "is disabled" in again(connector, dc, "u3")["text"]
    dc.set("u3", "userAccountControl", "512")
    dc.set("u3", "pwdLastSet", "0")
    assert "must be changed" in again(connector, dc, "u3")["text"]
    assert again(connector, dc, "protected1")["can_change"] is False
    assert ask_check(connector, dc, "ghost", again=True)["code"] == "no_account"
    assert again(connector, dc)["can_change"] and connector.sockets() == sockets


@pytest.mark.parametrize("other", [{"functional": functional() | {"password": "Wrong-1!"}},
                                   {"functional": functional("resetter")},
                                   {"functional": functional() | {"account": "LAB\\func"}},
                                   {"host_keys": "more"}, {"host_keys": "less"}, {"name": "dc2"}, {"timeout_s": 19},
                                   {"domain": ""}, {"domain": "other.test"}, {"account": None}, {"again": False}])
def test_another_request_signs_in_anew(connector, dc, other):
    check(connector, dc)
    sockets = connector.sockets()
    is_of_target = {"name", "timeout_s", "domain"} & set(other)
    more = {"target": {**target(dc), **other}} if is_of_target else dict(other)
    if "host_keys" in other:
        stranger = {"type": "x509", "sha256": "SHA256:" + "A" * 43}
        more["host_keys"] = [stranger, *keys(dc)] if other["host_keys"] == "more" else [stranger]
    answer = ask_check(connector, dc, **{"again": True, **more})
    code = {"functional_denied": "Wrong", "host_key_changed": "less", "unreachable": "other.test"}
    assert connector.sockets() != sockets
    if not answer["ok"]:
        assert code[answer["code"]] in str(other)
        assert change(connector, "u1", "Never-Sent-1!")["code"] == "unreachable"
        assert len(connector.sockets()) == len(sockets) - 1
    assert again(connector, dc)["can_change"]


def test_it_still_serves_one_target(connector, dc):
    check(connector, dc)
    sockets = connector.sockets()
    assert ask_check(connector, dc, target=target(dc, port=637), again=True)["code"] == "bad_request"
    assert again(connector, dc)["can_change"] and connector.sockets() == sockets


def test_without_a_former_check_it_is_a_check_like_any_other(connector, dc):
    answer = again(connector, dc)
    assert answer["can_change"] and answer["host_key"]["sha256"] == dc.pin


def test_a_session_that_was_ended_is_replaced_once(connector, own_dc):
    check(connector, own_dc)
    sockets = connector.sockets()
    own_dc.restart()
    answer = again(connector, own_dc)
    assert answer["can_change"] and answer["host_key"]["sha256"] == own_dc.pin
    assert connector.sockets() != sockets and len(connector.sockets()) == len(sockets)
    assert change(connector, "u1", "After-The-End-1!")["ok"] and own_dc.has_password("u1", "After-The-End-1!")
    own_dc.stop()
    assert ask_check(connector, own_dc, again=True)["code"] == "unreachable"
    assert change(connector, "u1", "Never-Sent-1!")["code"] == "unreachable"
    own_dc.start()
    assert again(connector, own_dc)["ok"] and own_dc.has_password("u1", "After-The-End-1!")


def test_a_server_that_hangs_is_given_up_in_time(connector, own_dc):
    timed = {"target": target(own_dc, 4)}
    again(connector, own_dc, **timed)
    own_dc.freeze()
    began = time.monotonic()
    assert ask_check(connector, own_dc, again=True, **timed)["code"] == "unreachable"
    assert time.monotonic() - began < 6
    own_dc.thaw()


def test_another_key_after_a_restart_sends_nothing(connector, own_dc):
    check(connector, own_dc)
    pinned, version = keys(own_dc), own_dc.read("u1", "msDS-KeyVersionNumber")
    own_dc.change_certificate()
    own_dc.restart()
    answer = ask_check(connector, own_dc, host_keys=pinned, again=True)
    assert answer["code"] == "host_key_changed" and answer["host_key"] == keys(own_dc)[0] != pinned[0]
    assert change(connector, "u1", "Never-Sent-1!")["code"] == "unreachable"
    assert own_dc.read("u1", "msDS-KeyVersionNumber") == version
    assert again(connector, own_dc)["host_key"] == keys(own_dc)[0]


def test_a_right_that_is_taken_away_in_between_is_a_definite_refusal(connector, own_dc):
    check(connector, own_dc, "u9")
    sockets = connector.sockets()
    assert again(connector, own_dc, "u9")["can_change"] is True
    own_dc.inside("grant", f"CN=u9,{USERS}", f"(OD;;CR;{RESET_PASSWORD};;%s)", "func")
    assert change(connector, "u9", "Some-Pass-1!")["code"] == "refused"
    answer = again(connector, own_dc, "u9")
    assert answer["can_change"] is False and answer["text"].startswith("the functional account may not reset")
    assert change(connector, "u9", "Some-Pass-1!")["code"] == "refused"
    assert own_dc.has_password("u9", PASSWORDS["u9"]) and connector.sockets() == sockets
