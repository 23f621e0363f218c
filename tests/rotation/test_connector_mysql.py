"""tests/rotation/test_connector_mysql.py: accounts of a real MariaDB server: change, login, compare, fence."""

import pathlib
import subprocess
import sys
import time

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

from mysql_fixtures import (  # noqa: E402,F401
    a_connector, change, check, connector, MariadbServer, native, PASSWORDS, request, server, word)

PRINTABLE = "".join(chr(code) for code in range(32, 127))


def rows(server):
    return server.sql("SELECT Host, User, Priv FROM mysql.global_priv ORDER BY 1, 2")


@pytest.mark.parametrize("account, scheme", [("u1", "native"), ("u1@%", "native"), ("e1", "ed25519"), ("both", "native"),
                                             ("o'brien", "native"), ("a@b@%", "native"), ("exp1", "native"),
                                             ("full", "ed25519")])
def test_change_keeps_everything_but_the_password(connector, server, account, scheme):
    user = account.removesuffix("@%")
    answer = check(connector, server, account)
    assert (answer["can_change"], answer["can_compare"], answer["can_install_keys"]) == (True, True, False)
    assert (answer["scheme"], answer["fence"], answer["text"]) == (scheme, "session", "")
    assert answer["host_key"] == {"type": "x509", "sha256": server.pin}
    before, old = server.definition(user), server.verifier(user)
    password = f"Changed-{account}-1!"
    assert change(connector, account, password) == {"id": connector.last_id, "ok": True}
    assert server.definition(user) == before.replace(old, server.verifier(user)).removesuffix(" PASSWORD EXPIRE")
    assert server.verifier(user) != old
    assert server.can_login(user, password) and not server.can_login(user, PASSWORDS[user])
    assert word(connector, account, password) == "accepted"
    assert connector.call("compare", account=account, password=password) == {
        "id": connector.last_id, "ok": True, "match": True, "scheme": scheme, "locked": False}
    for wrong in (PASSWORDS[user], password[:-1], password + " ", password.swapcase(), "x" * 1024):
        assert connector.call("compare", account=account, password=wrong)["match"] is False
    assert word(connector, account, PASSWORDS[user]) == "denied"
    assert change(connector, account, password)["ok"]  # any number of times


@pytest.mark.parametrize("password", [
    PRINTABLE, PRINTABLE[::-1], "'; DROP USER u1; -- ", "\\'\\\"\\", "\\", "'", "\"", "$1$HOME`id`%s%n", "#", "x" * 128,
    "y" * 1024, "Größe-ä€-密码-🔑", "ﬁ\u00a0\u00adⅨ\u200bÅ e\u0301", " blanks ", "tab\tand\nline\r\nends\x1a", "\x01\x7f", "0"])
def test_passwords_are_set_as_they_are(connector, server, password):
    check(connector, server, None)
    for account in ("u2", "e1"):
        assert change(connector, account, password)["ok"]
        assert word(connector, account, password) == "accepted"
        assert connector.call("compare", account=account, password=password)["match"] is True
    assert server.verifier("u2") == native(password)
    for account in ("u2", "e1"):
        following = password[::-1] + "+"
        more = {"method": "self", "current": password}
        assert change(connector, account, following[:1024], **more)["ok"]
        assert word(connector, account, following[:1024]) == "accepted"
    assert server.definition("e1").startswith("CREATE USER `e1`@`%` IDENTIFIED VIA ed25519")


@pytest.mark.parametrize("password, code", [("x" * 1025, "policy"), ("é" * 513, "policy"), ("", "bad_request"),
                                            (None, "bad_request"), ("nul\0nul", "bad_request"), ("x" * 20000, "bad_request")])
def test_passwords_that_no_account_can_have(connector, server, password, code):
    check(connector, server)
    before = rows(server)
    assert change(connector, "u1", password)["code"] == code
    assert change(connector, "u1", password, method="self", current="whatever")["code"] == code
    assert connector.call("login", account="u1", password=password)["code"] == "bad_request"
    assert connector.call("compare", account="u1", password=password).get("code", "bad_request") == "bad_request"
    assert rows(server) == before


def test_own_change(connector, server):
    check(connector, server, None, None)
    for account in ("u3", "both"):
        server.sql(f"ALTER USER `{account}`@'%' IDENTIFIED VIA mysql_native_password USING PASSWORD('Before-It-1!')")
        own = {"method": "self", "current": "Before-It-1!"}
        assert change(connector, account, "Own-Change-3!", **own)["ok"]
        assert word(connector, account, "Own-Change-3!") == "accepted"
        before = rows(server)
        answer = change(connector, account, "Another-3!", **own)
        assert (answer["code"], "denied" in answer["text"]) == ("refused", True)
        assert change(connector, account, "Another-3!", method="self")["code"] == "bad_request"
        assert rows(server) == before
    assert change(connector, "u3", "Another-3!")["code"] == "bad_request"  # there is no functional account


def test_an_expired_password_is_right_and_changes_itself(connector, server):
    server.sql("ALTER USER u4@'%' IDENTIFIED BY 'Expired-4!' PASSWORD EXPIRE")
    check(connector, server, "u4")
    for disconnects in ("OFF", "ON"):
        server.sql(f"SET GLOBAL disconnect_on_expired_password = {disconnects}")
        assert word(connector, "u4", "Expired-4!") == "must_change"
        assert word(connector, "u4", "Wrong-4!") == "denied"
    assert change(connector, "u4", "Fresh-4! ä'\\", method="self", current="Expired-4!")["ok"]
    assert word(connector, "u4", "Fresh-4! ä'\\") == "accepted"


def test_a_locked_account_stays_locked(connector, server):
    assert "locked" in check(connector, server, "lock1")["text"]
    assert word(connector, "lock1", PASSWORDS["lock1"]) == "locked"
    assert change(connector, "lock1", "Lock-Turned-1!")["ok"]
    assert word(connector, "lock1", "Lock-Turned-1!") == "locked"
    assert word(connector, "lock1", PASSWORDS["lock1"]) == "denied"
    answer = connector.call("compare", account="lock1", password="Lock-Turned-1!")
    assert (answer["match"], answer["locked"]) == (True, True)
    answer = change(connector, "lock1", "No-Way-1!", method="self", current="Lock-Turned-1!")
    assert (answer["code"], "locked" in answer["text"]) == ("refused", True)


def test_a_login_spends_one_guess(tmp_path):
    with MariadbServer(tmp_path, lock_after=3) as other, a_connector() as connector:
        check(connector, other)
        for account in ("u1", "e1"):
            for _ in range(2):
                assert word(connector, account, "Wrong-1!") == "denied"
            assert word(connector, account, PASSWORDS[account]) == "accepted"
            for _ in range(3):
                assert word(connector, account, "Wrong-1!") == "denied"
            assert word(connector, account, PASSWORDS[account]) == "locked"
            assert change(connector, account, "Unblocked-1!")["ok"]
            assert word(connector, account, "Unblocked-1!") == "accepted"


@pytest.mark.parametrize("strict", ["ON", "OFF"])
def test_the_servers_rules(tmp_path, strict):
    with MariadbServer(tmp_path, policy=True, options={"strict-password-validation": strict}) as other, \
            a_connector() as connector:
        check(connector, other)
        before = rows(other)
        for account in ("u1", "e1", "both"):
            assert change(connector, account, "short")["code"] == "policy"
        for account in ("u1", "e1"):
            assert change(connector, account, "short", method="self", current=PASSWORDS[account])["code"] == "policy"
        assert change(connector, "ghost@%", "short")["code"] == "no_account"
        assert rows(other) == before
        for account in ("u1", "e1", "both"):
            assert change(connector, account, PRINTABLE + "ä€\\")["ok"]
            assert connector.call("compare", account=account, password=PRINTABLE + "ä€\\")["match"] is True
            assert word(connector, account, PRINTABLE + "ä€\\") == "accepted"
        assert "unix_socket OR mysql_native_password" in other.definition("both")
        check(connector, other, None, "blind")
        assert change(connector, "u1", "short")["code"] == "policy"
        assert change(connector, "ghost", "Long-Enough-1!")["code"] == "no_account"


@pytest.mark.parametrize("mode", ["NO_BACKSLASH_ESCAPES,ANSI_QUOTES", "ANSI", "ORACLE"])
def test_other_ways_of_quoting(tmp_path, mode):
    options = {"sql-mode": mode, "character-set-server": "latin1", "skip-character-set-client-handshake": "ON"}
    with MariadbServer(tmp_path, options=options, policy=True) as other, a_connector() as connector:
        check(connector, other)
        for password in (PRINTABLE, "aA1\\' OR ä€ \\\\''\"", "A1a'\\\\\\"):
            for account in ("o'brien", "e1"):
                assert change(connector, account, password)["ok"]
                assert word(connector, account, password) == "accepted"
            own = {"method": "self", "current": password}
            assert change(connector, "o'brien", password + "x", **own)["ok"]
            assert word(connector, "o'brien", password + "x") == "accepted"


def test_rights(connector, server):
    answer = check(connector, server, "u5", "weak")
    assert (answer["can_change"], answer["can_compare"], "CREATE USER" in answer["text"]) == (False, False, True)
    before = rows(server)
    assert change(connector, "u5", "Some-Pass-5!")["code"] == "elevation_denied"
    assert connector.call("compare", account="u5", password="Some-Pass-5!")["code"] == "unreadable"
    assert rows(server) == before
    answer = check(connector, server, "u5", "blind")
    assert (answer["can_change"], answer["can_compare"], "u5@%" in answer["text"]) == (True, False, True)
    assert change(connector, "u5", "Some-Pass-5!")["ok"]
    assert connector.call("compare", account="u5", password="Some-Pass-5!")["code"] == "unreadable"
    assert change(connector, "u5@10.0.0.1", "Some-Pass-5!")["code"] == "no_account"
    assert server.verifier("u5") == native("Some-Pass-5!")


def test_rights_of_a_role_count_and_rights_may_go(connector, server):
    server.sql("CREATE ROLE turner; GRANT CREATE USER ON *.* TO turner; GRANT turner TO weak@'%'; "
               "SET DEFAULT ROLE turner FOR weak@'%'")
    assert check(connector, server, "u5", "weak")["can_change"] is True
    server.sql("DROP ROLE turner; CREATE USER waning@'%' IDENTIFIED BY 'Waning-Start-1!'; "
               "GRANT CREATE USER ON *.* TO waning@'%'")
    PASSWORDS["waning"] = "Waning-Start-1!"
    check(connector, server, "u5", "waning")
    before = server.verifier("u5")
    server.sql("REVOKE CREATE USER ON *.* FROM waning@'%'")
    answer = change(connector, "u5", "Late-Pass-5!")  # the server may let a session keep the rights it began with
    assert answer["ok"] or answer["code"] == "elevation_denied"
    assert (server.verifier("u5") == before) == (not answer["ok"])
    assert check(connector, server, "u5", "waning")["can_change"] is False
    assert change(connector, "u5", "Later-Pass-5!")["code"] == "elevation_denied"


def test_the_functional_account_is_let_in_or_denied(connector, server):
    server.set_password("lock1", PASSWORDS["lock1"])
    for who, password, result in (("func", "Wrong-1!", "denied"), ("ghost", "Wrong-1!", "denied"), ("lock1", PASSWORDS["lock1"], "locked"), ("sock", "Some-1!", "refused")):
        answer = connector.call("check", **{**request(server), "functional": {"account": who, "password": password}})
        assert (answer["code"], answer["result"]) == ("functional_denied", result), answer
        assert change(connector, "u1", "Some-Pass-1!")["code"] == "unreachable"
    server.sql("CREATE USER stale@'%' IDENTIFIED BY 'Stale-1!' PASSWORD EXPIRE")
    answer = connector.call("check", **{**request(server), "functional": {"account": "stale@%", "password": "Stale-1!"}})
    assert (answer["code"], answer["result"]) == ("functional_denied", "must_change")


def test_which_account_is_meant(connector, server):
    answer = connector.call("check", **request(server, "twin"))
    assert (answer["code"], "user@host" in answer["text"]) == ("refused", True)
    before = server.verifier("twin")
    assert change(connector, "twin", "Twin-Turned-1!")["code"] == "refused"
    assert change(connector, "twin@10.9.8.7", "Twin-Turned-1!")["ok"]
    assert server.verifier("twin") == before and server.verifier("twin", "10.9.8.7") == native("Twin-Turned-1!")
    for name in ("ghost", "u1@10.1.1.1", "U1", "manager", "a@b"):
        assert connector.call("check", **request(server, name))["code"] == "no_account"
        assert change(connector, name, "Some-Pass-1!")["code"] == "no_account"
        assert connector.call("compare", account=name, password="x")["code"] == "no_account"
    for name, part in (("sock", "without a password"), ("two", "several passwords")):
        answer = check(connector, server, name)
        assert (answer["can_change"], answer["can_compare"], part in answer["text"]) == (False, False, True)
        before = server.definition(name)
        assert change(connector, name, "Some-Pass-1!")["code"] == "refused"
        assert connector.call("compare", account=name, password="x")["code"] == "unreadable"
        assert server.definition(name) == before
    assert word(connector, "sock", "anything") == "refused"


def test_a_login_that_another_row_takes_proves_nothing(connector, server):
    server.sql("CREATE USER u6@'127.0.0.1' IDENTIFIED BY 'Shadow-6!'")
    try:
        check(connector, server, "u6@%")
        assert word(connector, "u6@%", "Shadow-6!") == "refused"
        assert word(connector, "u6@127.0.0.1", "Shadow-6!") == "accepted"
        answer = change(connector, "u6@%", "Other-6!", method="self", current="Shadow-6!")
        assert answer["code"] == "refused"
        assert server.verifier("u6") == native(PASSWORDS["u6"])
    finally:
        server.sql("DROP USER u6@'127.0.0.1'")


@pytest.mark.parametrize("name", ["u1@", "@%", "u1 ", " u1", "u1\n", "u1\0", "", "u1@'%'", "u1@% OR 1", "u1@%;x", "a" * 247,
                                  "u1\x7f", "u1'@'%' IDENTIFIED BY 'x' -- ", "u1@\\", "u1@%\n", "u1@a b", None])
def test_names_that_no_account_has(connector, server, name):
    check(connector, server)
    before = rows(server)
    for op, fields in (("change", {"part": "password", "password": "Some-Pass-1!"}),
                       ("change", {"part": "password", "method": "self", "current": "xxxx", "password": "Some-Pass-1!"}),
                       ("compare", {"password": "xxxx"}), ("login", {"password": "xxxx"})):
        assert connector.call(op, account=name, **fields)["code"] == "bad_request"
    assert rows(server) == before


@pytest.mark.parametrize("who", ["func", "blind"])
@pytest.mark.parametrize("name", ["u1' OR '1'='1", "u1\\' OR 1=1 -- x", "u1'; DROP USER u1; -- x", "u1\" OR \"\"=\"", "u1`", "%",
                                  "u1' UNION SELECT 1,2,3 -- x", "u_", "\\", "u1#", "/*u1*/", "ü1'"])
def test_injection_by_name(connector, server, who, name):
    check(connector, server, None, who)
    before = rows(server)
    assert change(connector, name, "Some-Pass-1!")["code"] == "no_account"
    # The server hides which names it knows: it asks an unknown one for what some other account needs.
    assert word(connector, name, "Some-Pass-1!") in ("denied", "refused")
    assert rows(server) == before


def test_requests_that_make_no_sense(connector, server):
    assert connector.call("login", account="u1", password="xxxx")["code"] == "bad_request"
    assert change(connector, "u1", "Some-Pass-1!")["code"] == "bad_request"
    assert connector.call("fence", token="1:" + "0" * 32)["code"] == "bad_request"
    check(connector, server)
    for more in ({"part": "add_key", "public_key": "ssh-ed25519 AAAA"}, {"part": "password", "method": "magic"}):
        assert connector.call("change", account="u1", password="Some-Pass-1!", **more)["code"] == "bad_request"
    for token in ("", "1", ":", "1:abc", "x:" + "0" * 32, "0:" + "0" * 32, "-1:" + "0" * 32, "1:" + "g" * 32,
                  "1:" + "0" * 31 + "'", "1:" + "0" * 33, "99999999999999999999:" + "0" * 32, "1" * 101):
        assert connector.call("fence", token=token)["code"] == "bad_request"
    assert connector.call("inspect_key", private_key="x")["code"] == "bad_request"
    elsewhere = request(server)
    elsewhere["target"] = {**elsewhere["target"], "address": "127.0.0.2"}
    assert connector.call("check", **elsewhere)["code"] == "bad_request"
    for address in ("localhost", "127.1", "::1%lo", "/run/mysqld.sock", ""):
        with a_connector() as other:
            elsewhere["target"]["address"] = address
            assert other.call("check", **elsewhere)["code"] == "bad_request"


def test_a_read_only_server_refuses_definitely(connector, server):
    check(connector, server)
    before = rows(server)
    server.sql("SET GLOBAL read_only = ON")
    try:
        assert change(connector, "u1", "Some-Pass-1!")["code"] == "refused"
        assert change(connector, "e1", "Some-Pass-1!")["code"] == "refused"
        assert rows(server) == before
    finally:
        server.sql("SET GLOBAL read_only = OFF")


def test_a_server_without_accounts_proves_nothing(tmp_path):
    with MariadbServer(tmp_path, options={"skip-grant-tables": "ON"}) as other, a_connector() as connector:
        check(connector, other, None, None)
        assert word(connector, "u1", "Anything-1!") == "refused"
        assert change(connector, "u1", "Some-Pass-1!", method="self", current="Anything-1!")["code"] == "refused"


# ---- the fence ----


def session_ids(server, user):
    return server.sql(f"SELECT ID FROM information_schema.processlist WHERE USER = '{user}'").split()


def wait_until(condition, seconds=15):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_late_apply_is_fenced(server):
    """The server hangs, takes the change into its socket, the connector dies, the server goes on."""
    server.set_password("u7", "Before-7!")
    with a_connector() as first, a_connector() as second:
        token = check(first, server, "u7")["fence_token"]
        with server.frozen():
            first.send("change", account="u7", part="password", password="Late-7!")
            time.sleep(0.5)
            first.process.kill()
            first.process.wait()
            second.send("check", **request(server, "u7"))
            time.sleep(0.2)
        assert second.answer()["ok"]
        assert second.call("fence", token=token) == {"id": second.last_id, "ok": True}
        settled = server.verifier("u7")
        assert settled in (native("Before-7!"), native("Late-7!"))
        assert token.partition(":")[0] not in session_ids(server, "func")
        time.sleep(1)
        assert server.verifier("u7") == settled
        assert change(second, "u7", "Late-7!")["ok"]


def test_a_change_that_waits_for_a_lock_is_ended(server):
    server.set_password("u7", "Before-7!")
    holder = subprocess.Popen(["/usr/bin/mariadb", "--no-defaults", f"--socket={server.socket}", "--user=root",
                               "--unbuffered", "--batch"], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                              env={"PATH": "/usr/bin", "MYSQL_PWD": PASSWORDS["root"]})
    try:
        with a_connector() as first, a_connector() as second:
            token = check(first, server, "u7", timeout_s=2)["fence_token"]
            check(second, server, "u7")
            holder.stdin.write(b"FLUSH TABLES WITH READ LOCK; SELECT 'held';\n")
            holder.stdin.flush()
            assert b"held" in holder.stdout.readline()
            started = time.monotonic()
            assert change(first, "u7", "Waiting-7!")["code"] == "unknown"
            assert 1.5 < time.monotonic() - started < 5
            assert change(first, "u7", "Waiting-7!")["code"] == "unreachable"  # the session is given up
            assert second.call("fence", token=token)["ok"]
            holder.stdin.write(b"UNLOCK TABLES; SELECT 'free';\n")
            holder.stdin.flush()
            wait_until(lambda: token.partition(":")[0] not in session_ids(server, "func"))
            assert server.verifier("u7") == native("Before-7!")
    finally:
        holder.kill()
        holder.communicate()


def test_the_fence_ends_the_one_session_and_no_other(tmp_path):
    with MariadbServer(tmp_path) as other, a_connector() as first, a_connector() as second, a_connector() as blind:
        token = check(first, other, "u1")["fence_token"]
        number, _, mark = token.partition(":")
        own = check(second, other, "u1")["fence_token"]
        foreign = check(blind, other, "u1", "blind")["fence_token"]
        for wrong in (own, foreign, f"{int(number) + 1}:{mark}", f"{own.partition(':')[0]}:{mark}"):
            assert second.call("fence", token=wrong)["code"] == "refused"
        assert second.call("fence", token=f"{number}:{'0' * 32}")["ok"]  # nobody has that mark any more
        assert {number, own.partition(":")[0]} <= set(session_ids(other, "func"))
        assert change(first, "u1", "Still-Here-1!")["ok"] and change(blind, "u1", "Still-Here-2!")["ok"]
        assert second.call("fence", token=token)["ok"] and second.call("fence", token=token)["ok"]
        assert number not in session_ids(other, "func")
        assert change(first, "u1", "Gone-1!")["code"] == "unreachable"
        assert other.verifier("u1") == native("Still-Here-2!")


def test_an_id_that_comes_again_after_a_restart_is_left_alone(tmp_path):
    with MariadbServer(tmp_path) as other, a_connector() as first:
        token = check(first, other, "u1")["fence_token"]
        number = int(token.partition(":")[0])
        other.kill()
        other.start()
        with a_connector() as again, a_connector() as last:
            for _ in range(200):
                reached = int(check(again, other, "u1")["fence_token"].partition(":")[0])
                if reached >= number:
                    break
            other.sql(f"SELECT {reached}")
            check(last, other, "u1")
            assert last.call("fence", token=f"{reached}:{token.partition(':')[2]}")["ok"]
            assert str(reached) in session_ids(other, "func")
            assert change(again, "u1", "Still-Here-1!")["ok"]
