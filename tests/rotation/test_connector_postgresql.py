"""tests/rotation/test_connector_postgresql.py: passwords of roles on a real PostgreSQL server."""

import pathlib
import random
import sys
import unicodedata

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

from postgresql_fixtures import (  # noqa: E402,F401
    Connector, PASSWORDS, PostgresqlServer, asked, change, change_self, check, connector, ended, functional, keys, login, matches,
    server, target)
from postgresql_target import identifier  # noqa: E402


@pytest.mark.parametrize("who, account, may", [
    ("func", "u1", (True, True)), ("plain", "u1", (True, False)), ("nobody", "u1", (False, False)),
    ("boss", "u1", (True, True)), ("boss", "boss", (True, True)), ("boss", "copier", (True, True)),
    ("func", "boss", (False, True)), ("func", "copier", (False, True)), ("func", "nolog", (True, True)),
    ("func", "func", (True, True))])
def test_check_says_what_the_functional_account_may_do(connector, server, who, account, may):
    answer = check(connector, server, account, who)
    assert (answer["can_change"], answer["can_compare"]) == may
    assert answer["can_install_keys"] is False and answer["scheme"] == "SCRAM-SHA-256"
    assert (answer["fence"], answer["fence_s"]) == ("session", 0) and 0 < len(answer["fence_token"]) <= 100
    assert answer["host_key"] == keys(server.pin)[0]
    done = change(connector, account, "As-Checked-1!") if account != who else {"ok": True}
    assert done["ok"] is may[0], done
    if done["ok"] is False:
        assert done["code"] == "elevation_denied" and not server.has_password(account, "As-Checked-1!")
    compared = connector.call("compare", account=account, password="As-Checked-1!")
    assert compared.get("code") == (None if may[1] else "unreadable")
    server.set_password(account, PASSWORDS[account])


@pytest.mark.parametrize("account, word", [("nolog", "NOLOGIN"), ("late", "VALID UNTIL"), ("boss", "may not set")])
def test_check_tells_what_is_worth_knowing(connector, server, account, word):
    assert word in check(connector, server, account)["text"]


def test_check_without_a_functional_account_looks_at_the_key_only(connector, server):
    before = server.log_text().count("authentication")
    answer = asked(connector, server, server.pin, None, None)
    assert answer["ok"] and answer["fence"] == "none" and "fence_token" not in answer
    assert change(connector, "u1", "Some-Pass-1!")["code"] == "bad_request"
    assert connector.call("compare", account="u1", password="x")["code"] == "bad_request"
    assert connector.call("fence", token="1:1")["code"] == "bad_request"
    assert login(connector, "u1", PASSWORDS["u1"]) == "accepted"
    assert server.log_text().count("authentication") == before
    assert check(connector, server, None)["ok"]


def test_a_functional_account_that_cannot_sign_in(connector, server):
    for who, word in ((functional("func", "wrong"), "denied"), (functional("nolog"), "locked"), (functional("full"), "accepted"),
                      (functional("late"), "denied"), (functional("md5er"), "refused"), (functional("clear"), "refused"),
                      (functional("trusted"), "refused"), (functional("barred"), "refused"), (functional("hashed"), "denied"),
                      ({"account": "ghost", "password": "x"}, "denied")):
        answer = asked(connector, server, server.pin, "u1", who)
        assert (answer["code"], answer["result"]) == ("functional_denied", word), (who, answer)
        assert answer["host_key"]["sha256"] == server.pin
        assert change(connector, "u1", "Some-Pass-1!")["code"] == "unreachable"
        if who["account"] in ("md5er", "clear", "trusted"):
            assert "scram-sha-256 in pg_hba.conf" in answer["text"]
    assert asked(connector, server, server.pin, "u1", {"account": "func"})["code"] == "bad_request"


@pytest.mark.parametrize("who", ["func", "plain", "boss"])
def test_change(connector, server, who):
    check(connector, server, "u2", who)
    password = f"Changed-By-{who}-1!"
    assert change(connector, "u2", password) == {"id": connector.last_id, "ok": True}
    assert server.verifier("u2").startswith("SCRAM-SHA-256$4096:") and server.has_password("u2", password)
    assert server.can_login("u2", password) and not server.can_login("u2", PASSWORDS["u2"])
    first = server.verifier("u2")
    assert change(connector, "u2", password)["ok"]  # any number of times
    assert server.verifier("u2") != first and server.has_password("u2", password)
    assert login(connector, "u2", password) == "accepted"


def test_change_takes_an_md5_account_over_to_scram(connector, server):
    check(connector, server, "hashed")
    compared = connector.call("compare", account="hashed", password=PASSWORDS["hashed"])
    assert (compared["match"], compared["scheme"]) == (True, "md5")
    assert matches(connector, "hashed", PASSWORDS["hashed"] + "x") is False
    assert login(connector, "hashed", PASSWORDS["hashed"]) == "denied"
    assert change(connector, "hashed", "No-More-Md5-1!")["ok"]
    assert login(connector, "hashed", "No-More-Md5-1!") == "accepted"


def test_compare(connector, server):
    check(connector, server, "u3")
    answer = connector.call("compare", account="u3", password=PASSWORDS["u3"])
    assert (answer["match"], answer["scheme"], answer["locked"]) == (True, "SCRAM-SHA-256", False)
    for wrong in (PASSWORDS["u3"][:-1], PASSWORDS["u3"].lower(), "x" * 1024, PASSWORDS["u3"] + " "):
        assert matches(connector, "u3", wrong) is False
    server.set_password("u3", "Behind-Your-Back-3!")
    assert matches(connector, "u3", PASSWORDS["u3"]) is False and matches(connector, "u3", "Behind-Your-Back-3!")
    assert connector.call("compare", account="nolog", password=PASSWORDS["nolog"])["locked"] is True
    assert connector.call("compare", account="ghost", password="x")["code"] == "no_account"
    server.psql("ALTER ROLE u3 PASSWORD NULL")
    answer = connector.call("compare", account="u3", password="x")
    assert (answer["match"], answer["scheme"]) == (False, None)
    server.psql("UPDATE pg_authid SET rolpassword = regexp_replace(rolpassword, '4096', '8192') WHERE rolname = 'u4'")
    assert matches(connector, "u4", PASSWORDS["u4"]) is False
    for broken in ("SCRAM-SHA-256$0:YQ==$YQ==:YQ==", "SCRAM-SHA-256$2000000000:YQ==$YQ==:YQ==", "SCRAM-SHA-256$", "md5x",
                   "SCRAM-SHA-256$4096:YQ==$YQ==:YQ==", "SCRAM-SHA-256$4096:!$?:*", "", "{SSHA}abc"):
        server.psql(f"UPDATE pg_authid SET rolpassword = '{broken}' WHERE rolname = 'u4'")
        assert connector.call("compare", account="u4", password="x")["code"] == "unreadable", broken
    assert change(connector, "u4", "Healed-4!")["ok"] and server.can_login("u4", "Healed-4!")


LOGINS = [("u5", PASSWORDS["u5"], "accepted"), ("u5", "wrong", "denied"), ("u5", "x" * 1024, "denied"),
          ("ghost", "x", "denied"), ("nolog", PASSWORDS["nolog"], "locked"), ("nolog", "wrong", "denied"),
          ("late", PASSWORDS["late"], "denied"), ("full", PASSWORDS["full"], "accepted"), ("full", "wrong", "denied"),
          ("md5er", PASSWORDS["md5er"], "refused"), ("clear", PASSWORDS["clear"], "refused"),
          ("trusted", "anything", "refused"), ("barred", PASSWORDS["barred"], "refused")]


@pytest.mark.parametrize("account, password, word", LOGINS)
def test_login_words(connector, server, account, password, word):
    asked(connector, server, server.pin, None, None)
    assert login(connector, account, password) == word


def test_login_to_a_database_that_is_missing_or_closed(connector, server):
    server.psql("CREATE DATABASE closed ALLOW_CONNECTIONS false;")
    server.psql("CREATE DATABASE private;")
    server.psql("REVOKE CONNECT ON DATABASE private FROM PUBLIC")
    for instance in ("missing", "closed", "private", "postgres host=203.0.113.1", "a'b\"c"):
        other = Connector("postgresql")
        asked(other, server, server.pin, None, None, instance=instance)
        assert login(other, "u5", PASSWORDS["u5"]) == "accepted"  # it proved itself, and could not go on
        assert login(other, "u5", "wrong") == "denied"
        answer = asked(other, server, server.pin, "u5", instance=instance)
        assert (answer["code"], answer["result"]) == ("functional_denied", "accepted")
        assert asked(other, server, server.pin, "u5", instance="postgres")["code"] == "bad_request"
        ended(other)


def test_too_many_clients_proves_nothing(tmp_path, connector):
    with PostgresqlServer(tmp_path / "small", settings={"max_connections": 5, "superuser_reserved_connections": 2,
                                                        "max_wal_senders": 0}) as small:
        others = [Connector("postgresql") for _ in range(3)]
        for other in others:
            check(other, small)
        asked(connector, small, small.pin, None, None)
        assert login(connector, "u1", PASSWORDS["u1"]) == "accepted"  # refused after the password
        assert login(connector, "u1", "wrong") == "denied"
        for _ in range(2):
            others.append(Connector("postgresql"))
            check(others[-1], small, who="boss")
        assert login(connector, "u1", PASSWORDS["u1"]) == "unreachable"  # refused before anything was proved
        assert asked(connector, small, small.pin)["code"] == "unreachable"
        for other in others:
            ended(other)


def test_self_change(connector, server):
    asked(connector, server, server.pin, None, None)
    assert change_self(connector, "u6", PASSWORDS["u6"], "Own-Second-6!")["ok"]
    assert server.can_login("u6", "Own-Second-6!")
    answer = change_self(connector, "u6", "wrong", "Own-Third-6!")
    assert answer["code"] == "refused" and "28P01" in answer["text"]
    assert server.has_password("u6", "Own-Second-6!")
    # Sent again after it has been applied: the present password is the new one already.
    assert change_self(connector, "u6", PASSWORDS["u6"], "Own-Second-6!")["ok"]
    assert change(connector, "u6", "x", method="self")["code"] == "bad_request"
    assert change_self(connector, "nolog", PASSWORDS["nolog"], "Own-Third-6!")["code"] == "refused"
    assert change_self(connector, "copier", PASSWORDS["copier"], "Own-Third-6!")["code"] == "refused"
    assert change_self(connector, "full", PASSWORDS["full"], "Own-Third-6!")["code"] == "unreachable"
    assert change_self(connector, "ghost", "x", "Own-Third-6!")["code"] == "refused"
    assert change_self(connector, "md5er", PASSWORDS["md5er"], "Own-Third-6!")["code"] == "refused"
    assert change_self(connector, "boss", PASSWORDS["boss"], PASSWORDS["boss"])["ok"]


PRINTABLE = "".join(chr(code) for code in range(0x20, 0x7F))
HOSTILE = [PRINTABLE, PRINTABLE[::-1], "'; DROP ROLE u8; --", "\\'; DROP ROLE u8; --", "$$; $1 $tag$", "%s%n%d",
           " blanks at both ends ", "tab\there", "x" * 128, "y" * 1000, '"', "'", "\\", "''''", "\\x41", "*", "!",
           "md5" + "0" * 32, "SCRAM-SHA-256$4096:YWJjZGVmZ2hpamtsbW5vcA==$" + "A" * 43 + "=:" + "B" * 43 + "=",
           "ä€", "Größe-密码-🔑", "non\u00a0breaking\u2003space", "a\u0308e\u0301", "\u2168 \ufb01 \u00b5", "soft\u00adhyphen",
           "\u0627\u0628", "\u0627b\u0628", "\u0378", "\u200b", "\ufeff\u00ad", "\ue000", "\U0001F9FF", "\u1680x",
           "e\u0301" * 60]


@pytest.mark.parametrize("password", HOSTILE)
def test_hostile_passwords_are_set_as_they_are(connector, server, password):
    check(connector, server, "u7")
    assert change(connector, "u7", password)["ok"]
    assert server.can_login("u7", password)
    assert login(connector, "u7", password) == "accepted" and matches(connector, "u7", password)
    assert login(connector, "u7", password + "x") == "denied"
    assert change_self(connector, "u7", password, "Back-To-Plain-7!")["ok"]
    if not password.startswith(("md5", "SCRAM")):  # those the server would take for verifiers
        server.set_password("u7", password)
        assert matches(connector, "u7", password)


def test_passwords_that_are_prepared_to_the_same_are_the_same(connector, server):
    check(connector, server, "u7")
    for one, same in (("a\u00a0b", "a b"), ("\ufb01x\u00e9", "fixe\u0301"), ("so\u00adft", "soft"), ("\u2168é", "IXé")):
        assert change(connector, "u7", one)["ok"]
        assert server.can_login("u7", same) and matches(connector, "u7", same)


def test_passwords_of_any_characters_are_prepared_as_the_server_does(connector, server):
    chosen = random.Random(4013)
    pools = [range(0x20, 0x7F), range(0xA0, 0x250), range(0x300, 0x370), range(0x590, 0x780), range(0x900, 0xE00),
             range(0x1100, 0x1200), range(0x1E00, 0x2100), range(0x2100, 0x2800), range(0x3000, 0x3400),
             range(0xAC00, 0xD7B0), range(0xF900, 0x10000), range(0x1D100, 0x1D800), range(0x2F800, 0x2FA20),
             range(0xE0000, 0xE0080), range(0x1F300, 0x1FA00)]
    check(connector, server, "u8")
    for _ in range(120):
        pool = [chosen.choice(pools) for _ in range(2)]
        password = "".join(chr(chosen.choice(chosen.choice(pool))) for _ in range(chosen.randint(1, 8)))
        server.set_password("u8", password)
        names = [unicodedata.name(c, hex(ord(c))) for c in password]
        assert matches(connector, "u8", password), names


@pytest.mark.parametrize("password, code", [("x" * 1001, "policy"), ("ä" * 501, "policy"), ("two\nlines", "bad_request"),
                                            ("x\r", "bad_request"), ("", "bad_request"), (None, "bad_request"),
                                            ("x" * 20000, "bad_request"), ("nul\0", "bad_request")])
def test_passwords_that_are_not_taken(connector, server, password, code):
    check(connector, server)
    before = server.verifiers()
    assert change(connector, "u1", password)["code"] == code
    assert server.verifiers() == before


NAMES = ["u1\"; DROP ROLE u8; --", "u1'; DROP ROLE u8; --", "\"u1\"", "u1 PASSWORD 'x'", "CURRENT_USER", "session_user",
         "ALL", "public", "none", "U1", "u1 ", " u1", "u1\\", "ü1", "$1", "u1/**/", "pg_monitor"]


@pytest.mark.parametrize("name", NAMES)
def test_hostile_account_names_are_names(connector, server, name):
    is_there, is_reserved = name == "pg_monitor", name in ("pg_monitor", "none")
    answer = asked(connector, server, server.pin, name)
    assert answer["can_change"] is False if is_there else answer["code"] == "no_account"
    check(connector, server)
    before = server.verifiers()
    assert change(connector, name, "Some-Pass-1!")["code"] == ("refused" if is_reserved else "no_account")
    assert connector.call("compare", account=name, password="x").get("code") == (None if is_there else "no_account")
    assert login(connector, name, "x") == "denied"
    assert change_self(connector, name, "x", "Some-Pass-1!")["code"] == "refused"
    assert server.verifiers() == before


@pytest.mark.parametrize("name", ['quo"te', "apo'strophe", "Mixed Case", "back\\slash", "Größe", "x" * 63, "ä" * 31])
def test_strange_names_of_real_roles(connector, server, name):
    server.psql(f"CREATE ROLE {identifier(name)} LOGIN")
    assert check(connector, server, name)["can_change"]
    assert change(connector, name, "Strange-1!")["ok"]
    assert login(connector, name, "Strange-1!") == "accepted" and matches(connector, name, "Strange-1!")
    server.psql(f"DROP ROLE {identifier(name)}")


@pytest.mark.parametrize("name", ["x" * 64, "ä" * 32, "u1\nu2", "u1\0", "", "u\x7f1", "x" * 300])
def test_names_that_no_role_has(connector, server, name):
    check(connector, server)
    server.psql(f'CREATE ROLE "{"x" * 63}" LOGIN')
    for op, fields in (("change", {"part": "password", "password": "Some-Pass-1!"}), ("compare", {"password": "x"}),
                       ("change", {"part": "password", "method": "self", "current": "x", "password": "Some-Pass-1!"}),
                       ("login", {"password": "x"})):
        assert connector.call(op, account=name, **fields)["code"] == "bad_request"
    assert server.verifier("x" * 63) == ""
    server.psql(f'DROP ROLE "{"x" * 63}"')


def test_what_this_kind_does_not_have_is_a_bad_request(connector, server):
    check(connector, server)
    for op, fields in (("change", {"part": "add_key", "public_key": "ssh-ed25519 AAAA"}), ("login", {"private_key": "x"}),
                       ("compare", {"public_key": "ssh-ed25519 AAAA"})):
        assert connector.call(op, account="u1", **fields)["code"] == "bad_request"
    assert connector.call("make_key", type="ed25519")["code"] == "bad_request"
    for address in ("localhost", "127.0.0.1.", "127.1", "/tmp", "@abstract", "127.0.0.1,203.0.113.1"):
        answer = connector.call("check", target={**target(server), "address": address}, host_keys=[], functional=None)
        assert answer["code"] == "bad_request"


def test_the_policy_of_the_server(connector, tmp_path):
    with PostgresqlServer(tmp_path / "strict", settings={"shared_preload_libraries": "passwordcheck"}) as strict:
        check(connector, strict)
        before = strict.verifier("u1")
        answer = change(connector, "u1", "u1")
        assert answer["code"] == "policy" and "user name" in answer["text"]
        assert change_self(connector, "u1", PASSWORDS["u1"], "u1")["code"] == "policy"
        assert strict.verifier("u1") == before
        assert change(connector, "u1", "Not-The-Name-1!")["ok"]


def test_a_standby(connector, tmp_path):
    with PostgresqlServer(tmp_path / "server") as own:
        own.stop()
        own._write("standby.signal", "")
        own.start()
        answer = check(connector, own)
        assert (answer["can_change"], answer["can_compare"]) == (False, True) and "standby" in answer["text"]
        assert change(connector, "u1", "Some-Pass-1!")["code"] == "refused"
        assert matches(connector, "u1", PASSWORDS["u1"]) and login(connector, "u1", PASSWORDS["u1"]) == "accepted"


def test_settings_of_roles_do_not_get_in_between(connector, server):
    server.psql("CREATE SCHEMA evil; GRANT USAGE ON SCHEMA evil TO PUBLIC; CREATE VIEW evil.pg_roles AS SELECT 1 AS no; "
                "CREATE FUNCTION evil.current_setting(text) RETURNS text LANGUAGE sql AS 'SELECT ''x'''; "
                "ALTER ROLE func SET search_path = evil, pg_catalog; ALTER ROLE func SET synchronous_commit = off; "
                "ALTER ROLE func SET default_transaction_read_only = on; ALTER ROLE func SET statement_timeout = 1")
    try:
        check(connector, server)
        assert change(connector, "u1", "In-Spite-1!")["ok"] and matches(connector, "u1", "In-Spite-1!")
    finally:
        server.psql("ALTER ROLE func RESET ALL; DROP SCHEMA evil CASCADE")
