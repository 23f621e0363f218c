"""tests/rotation/test_connector_mysql_again.py: a check that comes again, what it keeps, and what it looks at anew."""

import pathlib
import sys
import time

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

from mysql_fixtures import (  # noqa: E402,F401
    a_connector, change, check, connector, MariadbServer, native, PASSWORDS, request, server, target, word)


def again(connector, server, account="u1", who="func", **more):
    return check(connector, server, account, who, again=True, **more)


def session(answer):
    return answer["fence_token"].partition(":")[0]


def sessions(server):
    return server.sql("SELECT ID FROM information_schema.processlist WHERE USER = 'func'").split()


def without_id(answer):
    return {name: value for name, value in answer.items() if name != "id"}


def test_the_session_is_kept_and_one_statement_is_run(tmp_path):
    with MariadbServer(tmp_path / "server", options={"general-log": "ON", "general-log-file": "general.log"}) as own, \
            a_connector() as connector:
        log = own.directory / "data" / "general.log"
        first, sockets = check(connector, own), connector.sockets()
        for account in ("u1", "u2", "e1", "u1"):
            seen = len(log.read_text())
            answer = again(connector, own, account)
            lines = [line for line in log.read_text()[seen:].splitlines() if f"\t{session(first):>6} " in line]
            assert len(lines) == 1 and "SELECT User, Host, Priv FROM mysql.global_priv" in lines[0], lines
            assert without_id(answer) == {**without_id(first), "scheme": "ed25519" if account == "e1" else "native"}
            assert change(connector, account, f"Again-{account}-1!")["ok"]
            assert own.can_login(account, f"Again-{account}-1!")
        assert sessions(own) == [session(first)] and connector.sockets() == sockets


def test_the_account_is_looked_at_anew(connector, server):
    token = check(connector, server, "u3")["fence_token"]
    server.sql("ALTER USER u3@'%' ACCOUNT LOCK")
    assert "locked" in again(connector, server, "u3")["text"]
    server.sql("ALTER USER u3@'%' ACCOUNT UNLOCK")
    server.sql("ALTER USER u3@'%' IDENTIFIED VIA ed25519 USING PASSWORD('Curved-3!')")
    answer = again(connector, server, "u3")
    assert (answer["scheme"], answer["text"]) == ("ed25519", "")
    assert connector.call("check", **request(server, "ghost", again=True))["code"] == "no_account"
    assert connector.call("check", **request(server, "twin", again=True))["code"] == "refused"
    assert again(connector, server)["fence_token"] == token


@pytest.mark.parametrize("other", [{"functional": {"account": "func", "password": "Wrong-1!"}},
                                   {"functional": {"account": "blind", "password": PASSWORDS["blind"]}},
                                   {"host_keys": "more"}, {"host_keys": "less"}, {"name": "db02"}, {"timeout_s": 19},
                                   {"account": None}, {"again": False}])
def test_another_request_signs_in_anew(connector, server, other):
    former = check(connector, server)
    more = {"target": {**target(server), **other}} if "name" in other or "timeout_s" in other else dict(other)
    if "host_keys" in other:
        stranger = {"type": "x509", "sha256": "SHA256:" + "A" * 43}
        more["host_keys"] = [stranger, *request(server)["host_keys"]] if other["host_keys"] == "more" else [stranger]
    answer = connector.call("check", **{**request(server), "again": True, **more})
    code = {"functional_denied": "Wrong", "host_key_changed": "less"}
    if answer["ok"]:
        assert answer["fence_token"] != former["fence_token"]
    else:
        assert code[answer["code"]] in str(other)
        assert change(connector, "u1", "Never-Sent-1!")["code"] == "unreachable"
    assert again(connector, server)["fence_token"] != former["fence_token"]


def test_it_still_serves_one_target(connector, server):
    token = check(connector, server)["fence_token"]
    for other in ({"port": 1}, {"address": "127.0.0.2"}):
        asked = request(server, again=True) | {"target": {**target(server), **other}}
        assert connector.call("check", **asked)["code"] == "bad_request"
    assert again(connector, server)["fence_token"] == token


def test_without_a_former_check_it_is_a_check_like_any_other(connector, server):
    answer = again(connector, server)
    assert answer["can_change"] and answer["host_key"]["sha256"] == server.pin and answer["fence"] == "session"


def test_a_session_that_was_ended_is_replaced_once(tmp_path):
    with MariadbServer(tmp_path) as own, a_connector() as connector:
        answer = check(connector, own)
        for number in range(2):
            own.sql(f"KILL CONNECTION {session(answer)}")
            former, answer = answer, again(connector, own)
            assert answer["fence_token"] != former["fence_token"] and answer["can_change"]
            assert answer["host_key"]["sha256"] == own.pin and sessions(own) == [session(answer)]
            assert change(connector, "u1", f"After-The-End-{number}!")["ok"]
            assert own.verifier("u1") == native(f"After-The-End-{number}!")
        own.kill()
        own.start()
        assert again(connector, own)["can_compare"]
        own.stop()
        assert connector.call("check", **request(own, again=True, pin=answer["host_key"]["sha256"]))["code"] == "unreachable"
        assert change(connector, "u1", "Never-Sent-1!")["code"] == "unreachable"
        own.start()
        assert again(connector, own)["ok"] and own.verifier("u1") == native("After-The-End-1!")


def test_a_server_that_hangs_is_given_up_in_time(tmp_path):
    with MariadbServer(tmp_path) as own, a_connector() as connector:
        pin = own.pin
        again(connector, own, timeout_s=4)
        with own.frozen():
            began = time.monotonic()
            assert connector.call("check", **request(own, again=True, pin=pin, timeout_s=4))["code"] == "unreachable"
            assert time.monotonic() - began < 6
        assert again(connector, own, timeout_s=4)["can_change"]


def test_another_key_after_a_restart_sends_nothing(tmp_path):
    with MariadbServer(tmp_path) as own, a_connector() as connector:
        check(connector, own)
        pin = own.pin
        own.stop()
        own.make_certificate("second")
        own.start()
        answer = connector.call("check", **request(own, again=True, pin=pin))
        assert answer["code"] == "host_key_changed" and answer["host_key"]["sha256"] == own.pin != pin
        assert change(connector, "u1", "Never-Sent-1!")["code"] == "unreachable"
        assert sessions(own) == [] and own.verifier("u1") == native(PASSWORDS["u1"])
        assert again(connector, own)["host_key"]["sha256"] == own.pin


def test_a_right_that_is_taken_away_in_between(tmp_path):
    with MariadbServer(tmp_path) as own, a_connector() as connector:
        token = check(connector, own)["fence_token"]
        own.sql("SET GLOBAL read_only = ON")
        assert again(connector, own)["fence_token"] == token
        assert change(connector, "u1", "Some-Pass-1!")["code"] == "refused"
        assert own.verifier("u1") == native(PASSWORDS["u1"])
        own.sql("SET GLOBAL read_only = OFF; REVOKE SELECT ON mysql.global_priv FROM func@'%'")
        answer = again(connector, own)
        assert (answer["can_compare"], answer["fence_token"]) == (False, token)
        assert connector.call("compare", account="u1", password=PASSWORDS["u1"])["code"] == "unreadable"
        own.sql("REVOKE CREATE USER ON *.* FROM func@'%'")
        answer = change(connector, "u1", "Late-Pass-1!")  # the server lets a session keep the rights it began with
        assert answer["ok"] or answer["code"] == "elevation_denied"
        assert own.verifier("u1") == native("Late-Pass-1!" if answer["ok"] else PASSWORDS["u1"])
        assert check(connector, own)["can_change"] is False
        before = own.verifier("u1")
        assert change(connector, "u1", "Later-Pass-1!")["code"] == "elevation_denied"
        assert again(connector, own)["can_change"] is False and own.verifier("u1") == before


def test_a_compare_after_a_change_reads_the_row_each_time(connector, server):
    for account in ("u5", "e1"):
        again(connector, server, account)
        assert change(connector, account, "Made-Here-5!")["ok"]
        assert connector.call("compare", account=account, password="Made-Here-5!")["match"] is True
        server.set_password(account, "Behind-Your-Back-5!")
        assert connector.call("compare", account=account, password="Made-Here-5!")["match"] is False
        assert connector.call("compare", account=account, password="Behind-Your-Back-5!")["match"] is True
