"""tests/rotation/test_connector_postgresql_again.py: a check that comes again, what it keeps, what it looks at anew."""

import os
import pathlib
import signal
import sys
import time

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

import freezer  # noqa: E402
from postgresql_fixtures import (  # noqa: E402,F401
    PASSWORDS, PostgresqlServer, change, check, connector, functional, keys, login, server, target)


def ask_again(connector, where, account="u1", **more):
    fields = {"target": target(where), "host_keys": keys(where.pin), "functional": functional(), "account": account,
              "again": True, **more}
    return connector.call("check", **fields)


def again(connector, where, account="u1", **more):
    answer = ask_again(connector, where, account, **more)
    assert answer["ok"], answer
    return answer


def backend(answer):
    return answer["fence_token"].split(":")[0]


def end_session(where, answer):
    assert where.psql(f"SELECT pg_terminate_backend({backend(answer)}, 5000)") == "t"


def statements(where):
    return where.log_text().count("execute <unnamed>") + where.log_text().count("statement: ALTER")


def test_the_session_is_kept_and_one_statement_is_run(connector, tmp_path):
    with PostgresqlServer(tmp_path / "server", settings={"log_statement": "all"}) as own:
        first = check(connector, own)
        for account in ("u1", "u2", "hashed", "u1"):
            ran = statements(own)
            answer = again(connector, own, account)
            assert statements(own) == ran + 1
            assert {**answer, "id": 0} == {**first, "id": 0}  # the very session: its token has its pid and its start
            assert change(connector, account, f"Again-{account}-1!")["ok"]
            assert own.has_password(account, f"Again-{account}-1!")
        assert own.psql("SELECT count(*) FROM pg_stat_activity WHERE application_name = 'keyturn'") == "1"


def test_the_account_is_looked_at_anew(connector, server):
    token = check(connector, server, "u3")["fence_token"]
    server.psql("ALTER ROLE u3 NOLOGIN")
    assert "NOLOGIN" in again(connector, server, "u3")["text"]
    server.psql("ALTER ROLE u3 LOGIN VALID UNTIL '2001-01-01'")
    assert "VALID UNTIL" in again(connector, server, "u3")["text"]
    server.psql("ALTER ROLE u3 VALID UNTIL 'infinity' SUPERUSER")
    assert again(connector, server, "u3")["can_change"] is False
    server.psql("ALTER ROLE u3 NOSUPERUSER")
    answer = again(connector, server, "u3")
    assert answer["can_change"] and answer["text"] == ""
    assert ask_again(connector, server, "ghost")["code"] == "no_account"
    assert again(connector, server)["fence_token"] == token


@pytest.mark.parametrize("other", [{"functional": functional(password="wrong")}, {"functional": functional("boss")},
                                   {"host_keys": "more"}, {"host_keys": "less"}, {"name": "db02"}, {"timeout_s": 19},
                                   {"account": None}, {"again": False}])
def test_another_request_signs_in_anew(connector, server, other):
    former = check(connector, server)
    more = {"target": {**target(server), **other}} if "name" in other or "timeout_s" in other else dict(other)
    if "host_keys" in other:
        stranger = keys("SHA256:" + "A" * 43)
        more["host_keys"] = stranger + keys(server.pin) if other["host_keys"] == "more" else stranger
    answer = ask_again(connector, server, **more)
    code = {"functional_denied": "wrong", "host_key_changed": "less"}
    if answer["ok"]:
        assert answer["fence_token"] != former["fence_token"]
    else:
        assert code[answer["code"]] in str(other)
        assert change(connector, "u1", "Never-Sent-1!")["code"] == "unreachable"
    server.wait_for(f"SELECT count(*) = 0 FROM pg_stat_activity WHERE pid = {backend(former)}")
    assert again(connector, server)["can_change"]


def test_it_still_serves_one_target(connector, server):
    token = check(connector, server)["fence_token"]
    for other in ({"port": 1}, {"instance": "template1"}, {"address": "127.0.0.2"}):
        assert ask_again(connector, server, target={**target(server), **other})["code"] == "bad_request"
    assert again(connector, server)["fence_token"] == token


def test_without_a_former_check_it_is_a_check_like_any_other(connector, server):
    answer = again(connector, server)
    assert answer["can_change"] and answer["host_key"]["sha256"] == server.pin and answer["fence"] == "session"


def test_a_session_that_was_ended_is_replaced_once(connector, tmp_path):
    with PostgresqlServer(tmp_path / "server") as own:
        answer = check(connector, own)
        for number in range(2):
            end_session(own, answer)
            former, answer = answer, again(connector, own)
            assert backend(answer) != backend(former) and answer["can_change"]
            assert answer["host_key"]["sha256"] == own.pin
            assert change(connector, "u1", f"After-The-End-{number}!")["ok"]
            assert own.has_password("u1", f"After-The-End-{number}!")
        own.restart()
        assert again(connector, own)["can_compare"]
        own.stop()
        assert ask_again(connector, own)["code"] == "unreachable"
        assert change(connector, "u1", "Never-Sent-1!")["code"] == "unreachable"
        own.start()
        assert again(connector, own)["ok"] and not own.has_password("u1", "Never-Sent-1!")


def test_a_session_that_hangs_leaves_time_for_another(connector, server):
    timed = {"target": target(server, 8)}
    former = again(connector, server, **timed)
    hanging = server.process_of(backend(former))
    freezer.stop(hanging)
    try:
        began = time.monotonic()
        answer = again(connector, server, **timed)
        assert 3.5 < time.monotonic() - began < 8 and answer["fence_token"] != former["fence_token"]
    finally:
        os.kill(hanging, signal.SIGCONT)


def test_another_key_after_a_restart_sends_nothing(connector, tmp_path):
    with PostgresqlServer(tmp_path / "server", settings={"log_connections": "on"}) as own:
        check(connector, own)
        pinned, former = keys(own.pin), own.pin
        own.renew_certificate(with_key=True)
        before = len(own.log_text())
        answer = ask_again(connector, own, host_keys=pinned)
        assert answer["code"] == "host_key_changed" and answer["host_key"]["sha256"] == own.pin != former
        assert change(connector, "u1", "Never-Sent-1!")["code"] == "unreachable"
        assert "func" not in own.log_text()[before:]
        assert again(connector, own)["host_key"]["sha256"] == own.pin


def test_a_right_that_is_taken_away_in_between_is_a_definite_refusal(connector, tmp_path):
    with PostgresqlServer(tmp_path / "server") as own:
        token = check(connector, own)["fence_token"]
        assert again(connector, own)["can_change"]
        own.psql("ALTER ROLE func NOCREATEROLE")
        before = own.verifier("u1")
        assert change(connector, "u1", "Some-Pass-1!")["code"] == "elevation_denied"
        answer = again(connector, own)
        assert (answer["can_change"], answer["fence_token"]) == (False, token)
        assert change(connector, "u1", "Some-Pass-1!")["code"] == "elevation_denied"
        own.psql("REVOKE SELECT (rolname, rolpassword) ON pg_catalog.pg_authid FROM func")
        assert again(connector, own)["can_compare"] is False
        assert connector.call("compare", account="u1", password="x")["code"] == "unreadable"
        assert own.verifier("u1") == before


# -- compare after a change --------------------------------------------------------------------------------------------

def compare(connector, account, password):
    return connector.call("compare", account=account, password=password)


def test_a_compare_after_a_change_reads_the_verifier_each_time(connector, server):
    check(connector, server, "u5")
    assert change(connector, "u5", "Made-Here-5!")["ok"]
    answer = compare(connector, "u5", "Made-Here-5!")
    assert (answer["match"], answer["scheme"], answer["locked"]) == (True, "SCRAM-SHA-256", False)
    assert compare(connector, "u5", "Made-Here-5")["match"] is False
    assert compare(connector, "u6", "Made-Here-5!")["match"] is False
    mine = server.verifier("u5")
    server.psql("ALTER ROLE u5 NOLOGIN")
    assert compare(connector, "u5", "Made-Here-5!")["locked"] is True
    server.set_password("u5", "Behind-Your-Back-5!")
    assert compare(connector, "u5", "Made-Here-5!")["match"] is False
    assert compare(connector, "u5", "Behind-Your-Back-5!")["match"] is True
    stored = mine.split("$")[2].split(":")[0]
    altered = mine.replace(stored, ("B" if stored[0] == "A" else "A") + stored[1:])
    server.psql(f"UPDATE pg_authid SET rolpassword = '{altered}' WHERE rolname = 'u5'")
    assert compare(connector, "u5", "Made-Here-5!")["match"] is False
    server.set_password("u5", "Made-Here-5!")  # another salt
    assert server.verifier("u5") != mine and compare(connector, "u5", "Made-Here-5!")["match"] is True
    server.psql("ALTER ROLE u5 PASSWORD NULL")
    assert compare(connector, "u5", "Made-Here-5!")["match"] is False
    server.psql("DROP ROLE u5")
    assert compare(connector, "u5", "Made-Here-5!")["code"] == "no_account"


def test_a_compare_after_a_change_does_not_hash_again(connector, server):
    check(connector, server, "u7")
    assert change(connector, "u7", "Made-Once-7!")["ok"]
    matches, known = connector.cpu_of("compare", account="u7", password="Made-Once-7!")
    others, hashed = connector.cpu_of("compare", account="u7", password="Made-Once-8!")
    assert all(answer["match"] for answer in matches) and not any(answer["match"] for answer in others)
    assert known < hashed / 2
