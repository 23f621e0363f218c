"""tests/rotation/test_connector_mysql_network.py: the MariaDB connector's way to its server: TLS, keys, breaks, liars."""

import pathlib
import subprocess
import sys
import time

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

from mysql_fixtures import (  # noqa: E402,F401
    a_connector, change, check, connector, LyingServer, MariadbServer, native, PASSWORDS, request, server, word)
import hostile  # noqa: E402
from cut_proxy import DOWN, UP, CutProxy  # noqa: E402

WRONG_PIN = "SHA256:" + "A" * 43
GREETING = (b"\x5b\0\0\0\x0a5.5.5-10.11.0-MariaDB\0\x07\0\0\0abcdefgh\0\xfe\xff\x2d\x02\0\xff\x81\x15" + b"\0" * 10
            + b"ijklmnopqrst\0mysql_native_password\0")


# ---- connection errors ----


def test_a_blocked_address_is_told_with_its_cure(tmp_path, monkeypatch):
    """Looking at the key alone is a connection error, except from 127.0.0.1; a sign-in takes all of them back."""
    own = [address for address in subprocess.run(["hostname", "-I"], capture_output=True, text=True).stdout.split() if "." in address]
    if not own:
        pytest.skip("this machine has no address but 127.0.0.1")
    monkeypatch.setattr(MariadbServer, "address", own[0])
    with MariadbServer(tmp_path, options={"skip-name-resolve": "OFF", "max-connect-errors": 3}) as server, a_connector() as connector:
        def ask(who):
            fields = request(server, None, who)
            return connector.call("check", **fields | {"target": fields["target"] | {"address": own[0]}})
        assert all(ask(who)["ok"] for who in (None, "func") * 4)
        answer = [ask(None) for _ in range(6)][-1]
        assert answer["code"] == ask("func")["code"] == "unreachable" and "1129" in answer["text"] and "flush-hosts" in answer["text"], answer
        server.sql("FLUSH HOSTS")
        assert ask("func")["ok"]


# ---- keys ----


def test_the_key_is_pinned(connector, server):
    seen = {"type": "x509", "sha256": server.pin}
    answer = connector.call("check", **{**request(server), "host_keys": []})
    assert (answer["code"], answer["host_key"]) == ("host_key_unknown", seen)
    answer = connector.call("check", **request(server, pin=WRONG_PIN))
    assert (answer["code"], answer["host_key"]) == ("host_key_changed", seen)
    other_type = [{"type": "ssh-ed25519", "sha256": server.pin}]
    answer = connector.call("check", **{**request(server), "host_keys": other_type})
    assert (answer["code"], answer["host_key"]) == ("host_key_changed", seen)
    assert change(connector, "u1", "Some-Pass-1!")["code"] == "unreachable"
    answer = connector.call("login", account="u1", password=PASSWORDS["u1"])
    assert (answer["code"], answer["host_key"]) == ("host_key_changed", seen)
    assert check(connector, server, None, None)["host_key"] == seen
    answer = connector.call("check", **{**request(server), "host_keys": [{**seen, "sha256": WRONG_PIN}, seen]})
    assert answer["ok"]


def test_a_new_certificate_for_the_same_key_is_taken_and_a_new_key_is_not(tmp_path):
    with MariadbServer(tmp_path) as other, a_connector() as connector:
        check(connector, other, "u1")
        other.stop()
        other.make_certificate("renewed", keeps_key=True)
        other.start()
        assert word(connector, "u1", PASSWORDS["u1"]) == "accepted"
        check(connector, other, "u1")
        other.stop()
        other.make_certificate("another")
        other.start()
        for op, more in (("login", {"password": PASSWORDS["u1"]}),
                         ("change", {"part": "password", "method": "self", "current": PASSWORDS["u1"], "password": "New-1!"})):
            answer = connector.call(op, account="u1", **more)
            assert answer["code"] == "host_key_changed"
        assert other.verifier("u1") == native(PASSWORDS["u1"])


class DivertedProxy(CutProxy):
    """The first `connections` go to one port, all later ones to another."""

    def __init__(self, first, then, connections):
        self.then, self.first_connections = then, connections
        super().__init__(first)

    def _begin(self, client, server):
        super()._begin(client, server)
        if self.connections >= self.first_connections:
            self.target_port = self.then


@pytest.mark.parametrize("honest", [0, 1, 2, 3])
def test_an_impostor_hears_no_password(server, tmp_path, honest):
    """One that steps in after the certificate was looked at, too. The impostor has another key, and so another one."""
    impostor_files = MariadbServer(tmp_path)
    impostor_files.make_certificate("first")
    with LyingServer(tmp_path, lambda say, listen: None) as impostor, \
            DivertedProxy(server.port if honest else impostor.port, impostor.port, honest) as proxy, \
            a_connector() as connector:
        where = request(server)
        where["target"]["port"] = proxy.port
        codes = [connector.call("check", **where)]
        codes.append(connector.call("login", account="u1", password=PASSWORDS["u1"]))
        codes.append(change(connector, "u1", "New-Pass-1!", method="self", current=PASSWORDS["u1"]))
        assert [one.get("code", "ok") for one in codes] == ["ok"] * max(0, honest - 1) + ["host_key_changed"] * min(
            3, 4 - honest)
        assert all(one["host_key"]["sha256"] == impostor_files.pin for one in codes if not one["ok"])
        assert impostor.handshakes >= 1
        assert impostor.heard == b""


def test_no_tls(tmp_path):
    with MariadbServer(tmp_path, tls=False) as other, a_connector() as connector:
        answer = connector.call("check", **request(other))
        assert (answer["code"], "ssl_cert" in answer["text"]) == ("unreachable", True)
        assert word(connector, "u1", PASSWORDS["u1"]) == "unreachable"


def test_a_server_that_loses_its_tls_hears_no_password(server, tmp_path):
    with MariadbServer(tmp_path, tls=False) as bare, DivertedProxy(server.port, bare.port, 1) as proxy, \
            a_connector() as connector:
        where = request(server)
        where["target"]["port"] = proxy.port
        assert connector.call("check", **where)["code"] == "unreachable"


# ---- a server with the right key that lies ----


def ask_for(plugin):
    def behave(say, listen):
        number, _ = listen()
        say(number + 1, b"\xfe" + plugin + b"\0abcdefghijklmnopqrst\0")
        number, _ = listen()
        say(number + 1, b"\0\0\0\x02\0\0\0")
    return behave


@pytest.mark.parametrize("plugin", [b"mysql_clear_password", b"mysql_old_password", b"dialog", b"sha256_password",
                                    b"caching_sha2_password", b"auth_gssapi_client", b"../../../tmp/evil"])
def test_a_server_may_not_ask_for_the_password_itself(connector, server, plugin):
    with LyingServer(server.directory, ask_for(plugin)) as liar:
        answer = connector.call("check", **{**request(liar, pin=server.pin)})
        assert answer["code"] in ("functional_denied", "unreachable"), answer
        assert word(connector, "u1", PASSWORDS["u1"]) in ("refused", "unreachable")
        assert liar.heard.count(b"mysql_native_password") >= 1
        assert PASSWORDS["func"].encode() not in liar.heard and PASSWORDS["u1"].encode() not in liar.heard


def after_login(answer):
    def behave(say, listen):
        number, _ = listen()
        say(number + 1, b"\0\0\0\x02\0\0\0")
        while True:
            listen()
            answer(say)
    return behave


def many_rows(say):
    say(1, b"\x01")
    say(2, b"\x03def\0\0\0\x01a\0\x0c\x21\0\xff\xff\0\0\xfd\0\0\0\0\0")
    say(3, b"\xfe\0\0\x02\0")
    for number in range(4, 1 << 20):
        say(number, b"\xfc\xff\x0f" + b"x" * 4095)


def huge_packets(say):
    for number in range(1, 64):
        say(number, b"\xff" * 0xFFFFFF)


@pytest.mark.parametrize("answer", [lambda say: say(1, b"\xfb/etc/passwd"), many_rows, huge_packets,
                                    lambda say: say(1, b"\0\0\0\x0a\0\0\0"), lambda say: say(1, b""),
                                    lambda say: say(9, b"\0\0\0\x02\0\0\0"), lambda say: say(1, b"\xff\x28\x04#HY000nope"),
                                    lambda say: say(1, b"\xfa\xff\xff\xff\xff"), lambda say: say(1, b"\xfe" * 300)])
def test_a_server_that_answers_nonsense(connector, server, answer):
    with LyingServer(server.directory, after_login(answer)) as liar:
        started = time.monotonic()
        answer = connector.call("check", **request(liar, pin=server.pin, timeout_s=3))
        assert not answer["ok"] and answer["code"] in ("unreachable", "unsent", "functional_denied"), answer
        assert time.monotonic() - started < 6.5
        assert change(connector, "u1", "Some-Pass-1!")["code"] == "unreachable"
        assert word(connector, "u1", PASSWORDS["u1"]) in ("unreachable", "unsent", "refused")
        assert b"root:" not in liar.heard
        assert int(connector.status()["VmHWM"].split()[0]) < 400_000


# ---- a server that hangs, drips, closes ----


def as_where(port):
    class Where:
        pass
    where = Where()
    where.port = port
    return where


@pytest.mark.parametrize("make", [
    hostile.silent, hostile.closes_at_once, lambda: hostile.closes_at_once(reset=True), hostile.garbage,
    lambda: hostile.garbage(greeting=GREETING), lambda: hostile.garbage(greeting=b"\xff\xff\xff\0"), hostile.talks_for_ever,
    lambda: hostile.endless_banner(b""), lambda: hostile.endless_banner(GREETING), lambda: hostile.drips(GREETING, 0.2),
    lambda: hostile.huge_reply(greeting=GREETING), lambda: hostile.talks_for_ever(b"\x16\x03\x03\0\x01", 0.2),
    lambda: hostile.garbage(0, greeting=b"\x17\0\0\0\xff\x10\x04Too many connections"),
    lambda: hostile.garbage(0, greeting=b"\0\0\0\0")])
def test_hostile_servers_end_in_time(connector, make):
    with make() as server:
        started = time.monotonic()
        answer = connector.call("check", **request(as_where(server.port), pin=WRONG_PIN, timeout_s=2))
        assert answer["code"] == "unreachable", answer
        assert time.monotonic() - started < 4
        assert word(connector, "u1", PASSWORDS["u1"]) == "unreachable"
        assert PASSWORDS["func"].encode() not in server.heard and PASSWORDS["u1"].encode() not in server.heard


@pytest.mark.parametrize("slow", ["hang", "drip"])
@pytest.mark.parametrize("at", range(1, 9))
def test_a_server_that_stops_talking_in_the_middle(server, slow, at):
    """After each of its first chunks, and then for ever or one chunk now and then."""
    with CutProxy(server.port, DOWN if slow == "hang" else None, at // 2, connection=at % 2, manner="hang",
                  delay_s=0.0 if slow == "hang" else at / 4) as proxy, a_connector() as connector:
        started = time.monotonic()
        answer = connector.call("check", **request(as_where(proxy.port), pin=server.pin, timeout_s=2))
        assert answer["ok"] or answer["code"] == "unreachable", answer
        assert time.monotonic() - started < 5.5


def test_a_server_that_is_down(connector, tmp_path):
    with MariadbServer(tmp_path) as other:
        pin = other.pin
        check(connector, other)
        other.kill()
        assert change(connector, "u1", "Some-Pass-1!")["code"] == "unreachable"
        assert connector.call("compare", account="u1", password="Some-Pass-1!")["code"] == "unreachable"
        assert connector.call("fence", token="1:" + "0" * 32)["code"] == "unreachable"
        assert word(connector, "u1", PASSWORDS["u1"]) == "unreachable"
        assert connector.call("check", **request(other, pin=pin))["code"] == "unreachable"
        other.start()
        assert other.verifier("u1") == native(PASSWORDS["u1"])
        check(connector, other)
        assert change(connector, "u1", "Some-Pass-1!")["ok"]


def test_a_server_that_hangs(server):
    server.set_password("u8", "Before-8!")
    with a_connector() as connector:
        check(connector, server, "u8", timeout_s=2)
        with server.frozen():
            for op, more, codes in (("login", {"password": "Before-8!"}, ["unreachable"]),
                                    ("compare", {"password": "Before-8!"}, ["unreachable"]),
                                    ("change", {"part": "password", "password": "Hung-8!"}, ["unreachable", "unknown"])):
                started = time.monotonic()
                assert connector.call(op, account="u8", **more)["code"] in codes
                assert time.monotonic() - started < 4
    with a_connector() as connector:
        check(connector, server, "u8")
        assert change(connector, "u8", "Hung-8!")["ok"]
        assert word(connector, "u8", "Hung-8!") == "accepted"


# ---- cuts ----


def check_and_change(connector, server, port, self_change, timeout_s=5):
    """Cuts are made in connection 1: connection 0 looks at the certificate, and no other one follows."""
    where = request(as_where(port), "u7", None if self_change else "func", pin=server.pin, timeout_s=timeout_s)
    answer = connector.call("check", **where)
    more = {"method": "self", "current": "Before-Cut-1!"} if self_change else {}
    return change(connector, "u7", "After-Cut-1!", **more) if answer["ok"] else answer


def count_chunks(server, self_change):
    """Of connection 1 alone."""
    server.set_password("u7", "Before-Cut-1!")
    with CutProxy(server.port) as looking, CutProxy(server.port) as whole, a_connector() as first, a_connector() as second:
        assert first.call("check", **request(as_where(looking.port), None, None, pin=server.pin))["ok"]
        assert check_and_change(second, server, whole.port, self_change)["ok"]
        return {direction: whole.chunks[direction] - looking.chunks[direction] for direction in (UP, DOWN)}


def cut_once(server, direction, after, manner, self_change):
    """What the connector said, and whether the change was made. Then the same password is sent once more."""
    server.set_password("u7", "Before-Cut-1!")
    with CutProxy(server.port, direction, after, connection=1, manner=manner) as proxy, a_connector() as connector:
        answer = check_and_change(connector, server, proxy.port, self_change, 2 if manner == "hang" else 5)
    is_applied = server.verifier("u7") == native("After-Cut-1!")
    with a_connector() as connector:
        check(connector, server, "u7")
        assert change(connector, "u7", "After-Cut-1!")["ok"]
        assert word(connector, "u7", "After-Cut-1!") == "accepted"
    return answer.get("code", "ok"), is_applied


@pytest.mark.parametrize("manner", ["reset", "hang"])
@pytest.mark.parametrize("self_change", [False, True])
def test_a_cut_anywhere_is_told_for_what_it_is(server, self_change, manner):
    chunks = count_chunks(server, self_change)
    last = 12 if manner == "reset" else 4
    cuts = [(direction, after) for direction in (UP, DOWN)
            for after in range(max(0, chunks[direction] - last), chunks[direction] + 2)]
    truths = {("ok", True), ("unreachable", False), ("unknown", False), ("unknown", True)}
    seen = {cut_once(server, direction, after, manner, self_change) for direction, after in cuts}
    for direction, after in 5 * cuts[::-1]:  # chunks coalesce now and then, so that a cut falls elsewhere
        if seen == truths:
            break
        seen.add(cut_once(server, direction, after, manner, self_change))
    assert seen == truths
