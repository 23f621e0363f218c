"""tests/rotation/test_connector_postgresql_faults.py: a PostgreSQL server or network that fails, lies or is late."""

import contextlib
import itertools
import os
import pathlib
import signal
import struct
import subprocess
import sys
import time

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "targets"))

import freezer  # noqa: E402
import hostile  # noqa: E402
from cut_proxy import DOWN, UP, CutProxy  # noqa: E402
from postgresql_fixtures import (  # noqa: E402,F401
    Connector, PASSWORDS, PostgresqlServer, asked, change, change_self, check, connector, ended, functional, keys, login,
    matches, server)
from postgresql_server import AS_POSTGRES, BIN, ENVIRONMENT, INSIDE  # noqa: E402
from postgresql_store import make_certificates  # noqa: E402
from postgresql_target import pin_of  # noqa: E402
from scripted_postgresql import READY, ScriptedServer, authentication, error, message  # noqa: E402

CANARY = "Canary-In-The-Mine-1!"


@contextlib.contextmanager
def within(seconds):
    began = time.monotonic()
    yield
    assert time.monotonic() - began < seconds


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    """A certificate and key that the server of the other tests does not have."""
    folder = tmp_path_factory.mktemp("impostor") / "tls"
    make_certificates(folder)
    return folder / "server.crt", folder / "server.key"


def everything(connector, where, pin, timeout_s=2):
    """The codes that check, login and a self change answer with."""
    first = asked(connector, where, pin, "u1", functional("func", CANARY), timeout_s)
    second = connector.call("login", account="u1", password=CANARY)
    third = change_self(connector, "u1", CANARY, CANARY + "2")
    for answer in (first, second, third):
        assert answer["ok"] is False and CANARY not in answer["text"]
    return first["code"], second["code"], third["code"]


# -- who answers ----------------------------------------------------------------------------------------------------


def test_another_key_hears_nothing(connector, server, certificate):
    with ScriptedServer(*certificate, password=CANARY) as impostor:
        assert everything(connector, impostor, server.pin) == ("host_key_changed",) * 3
        assert impostor.connections == 3 and impostor.heard == b""
    with ScriptedServer(*certificate, password=CANARY) as impostor:
        other = Connector("postgresql")
        answer = other.call("check", target={"address": "127.0.0.1", "port": impostor.port}, host_keys=[],
                            functional=functional("func", CANARY), account="u1")
        assert answer["code"] == "host_key_unknown" and answer["host_key"]["sha256"] == pin_of(certificate[0])
        assert impostor.heard == b""
        ended(other)


def test_a_renewed_certificate_and_a_new_key(connector, tmp_path):
    with PostgresqlServer(tmp_path / "server") as own:
        pin = own.pin
        own.renew_certificate(with_key=False)
        assert own.pin == pin and check(connector, own)["ok"]
        own.renew_certificate(with_key=True)
        assert own.pin != pin
        answer = asked(connector, own, pin)
        assert (answer["code"], answer["host_key"]["sha256"]) == ("host_key_changed", own.pin)
        answer = connector.call("login", account="u1", password=PASSWORDS["u1"])
        assert (answer["code"], answer["host_key"]["sha256"]) == ("host_key_changed", own.pin)
        assert change_self(connector, "u1", PASSWORDS["u1"], "Not-Sent-1!")["code"] == "host_key_changed"
        assert own.has_password("u1", PASSWORDS["u1"])


def test_a_certificate_that_scram_cannot_be_bound_to(connector, tmp_path):
    with PostgresqlServer(tmp_path / "server") as own:
        subprocess.run(["openssl", "genpkey", "-algorithm", "ed25519", "-out", own.folder / "tls/server.key"], check=True)
        own.renew_certificate(with_key=False)
        answer = asked(connector, own, own.pin)
        assert answer["code"] == "unreachable" and "RSA or ECDSA" in answer["text"]


def test_a_server_without_tls(connector, tmp_path, server):
    with PostgresqlServer(tmp_path / "plain", tls=False) as plain:
        assert plain.can_login("u1", PASSWORDS["u1"])
        answer = asked(connector, plain, server.pin)
        assert answer["code"] == "unreachable" and "ssl = on" in answer["text"]
        assert login(connector, "u1", PASSWORDS["u1"]) == "unreachable"


ASKS = {"clear text": authentication(3), "md5": authentication(5, b"salt"), "gss": authentication(7),
        "nothing": authentication(0), "weak scram": authentication(10, b"SCRAM-SHA-256\0\0"),
        "crypt": authentication(4, b"sa"), "unknown": authentication(99)}


@pytest.mark.parametrize("ask", ASKS)
def test_a_server_that_asks_for_anything_else_does_not_get_the_password(connector, certificate, ask):
    with ScriptedServer(*certificate, ask=ASKS[ask] + (READY if ask == "nothing" else b"")) as server:
        codes = everything(connector, server, pin_of(certificate[0]))
        assert codes == ("functional_denied", "refused", "refused")
        assert CANARY.encode() not in server.heard and b"md5" not in server.heard and server.heard.count(b"user\0") == 3


def test_a_server_that_does_not_know_the_password_cannot_pass_for_the_real_one(connector, certificate):
    with ScriptedServer(*certificate, password="another one") as server:
        assert everything(connector, server, pin_of(certificate[0])) == ("unreachable",) * 3
        assert CANARY.encode() not in server.heard


def test_bytes_slipped_in_before_tls(connector, certificate):
    with ScriptedServer(*certificate, password=CANARY, before_tls=b"S" + error("FATAL", "28P01", "no")) as server:
        assert everything(connector, server, pin_of(certificate[0])) == ("unreachable",) * 3
        assert server.heard == b""
    refusal = b"E" + struct.pack(">I", 0x7FFFFFF0) + b"A" * 100000
    with ScriptedServer(*certificate, before_tls=refusal) as server:
        other = Connector("postgresql")
        assert everything(other, server, pin_of(certificate[0])) == ("unreachable",) * 3
        assert server.heard == b""
        ended(other)


# -- a server that is not there, or hangs ---------------------------------------------------------------------------


def test_nobody_there(connector, tmp_path):
    with PostgresqlServer(tmp_path / "server") as own:
        check(connector, own)
        own.kill()
        assert change(connector, "u1", "Not-Sent-1!")["code"] == "unreachable"  # it had said good-bye
        assert login(connector, "u1", "x") == "unreachable"
        answer = asked(connector, own, own.pin)
        assert answer["code"] == "unreachable" and "refused" in answer["text"]
        own.start()
        check(connector, own)
        own.restart()
        assert connector.call("compare", account="u1", password="x")["code"] == "unreachable"
        assert own.has_password("u1", PASSWORDS["u1"])


@pytest.mark.parametrize("server_of", [hostile.silent, hostile.garbage, hostile.endless_banner, hostile.closes_at_once,
                                       lambda: hostile.drips(b"S" + bytes(200), 0.1), lambda: hostile.garbage(greeting=b"S"),
                                       lambda: hostile.talks_for_ever(b"S"), lambda: hostile.garbage(greeting=b"E")])
def test_hostile_servers(connector, server, server_of):
    with server_of() as bad, within(8.5):
        assert everything(connector, bad, server.pin, 2) == ("unreachable",) * 3
        assert CANARY.encode() not in bad.heard
    assert int(connector.status()["VmHWM"].split()[0]) < 160 * 1024


def test_a_server_that_hangs(connector, tmp_path):
    with PostgresqlServer(tmp_path / "server") as own:
        check(connector, own, timeout_s=2)
        own.pause()
        with within(3.5):
            assert connector.call("compare", account="u1", password="x")["code"] == "unreachable"
        for _ in range(2):
            with within(3.5):
                assert login(connector, "u1", "x") == "unreachable"
        own.go_on()
        check(connector, own, timeout_s=2)
        own.pause()
        with within(3.5):
            assert change(connector, "u1", "May-Be-1!")["code"] == "unknown"
        assert change(connector, "u1", "May-Be-1!")["code"] == "unreachable"
        with within(3.5):
            assert asked(connector, own, own.pin, timeout_s=2)["code"] == "unreachable"
        own.go_on()


def test_a_role_that_somebody_else_holds(connector, server):
    """The statement waits for a lock: the server itself takes it back in time, so that it cannot be done later."""
    enter = ["nsenter", f"--target={server.pid}", "--mount", "--", *AS_POSTGRES, BIN / "psql", "-X", "-q"]
    place = {"PGHOST": f"{INSIDE}/run", "PGPORT": str(server.port), "PGUSER": "postgres"}
    holder = subprocess.Popen(enter, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env={**ENVIRONMENT, **place})
    try:
        holder.stdin.write("BEGIN; ALTER ROLE u1 CONNECTION LIMIT 50;\n\\echo held\n")
        holder.stdin.flush()
        assert holder.stdout.readline() == "held\n"
        check(connector, server, timeout_s=2)
        with within(3):
            answer = change(connector, "u1", "Waits-1!")
        assert answer["code"] == "refused" and "57014" in answer["text"], answer
    finally:
        holder.stdin.close()
        holder.wait(10)
        holder.stdout.close()
    assert not server.has_password("u1", "Waits-1!")
    assert change(connector, "u1", "Waits-No-More-1!")["ok"]


# -- definite or not ------------------------------------------------------------------------------------------------

SESSION = ["7:1700000000000000", "on"]
LOOK = ["t", "t", "f", "t", "f"]
DONE = message(b"C", b"ALTER ROLE\0")


def endless(start):
    return itertools.chain([start], itertools.repeat(bytes(65536), 4096))


@pytest.mark.parametrize("reply, code", [
    (DONE + READY, None), (message(b"N", b"SNOTICE\0C00000\0Mhello\0\0") + DONE + READY, None),
    (error("ERROR", "42501", "may not") + READY, "elevation_denied"), (error("ERROR", "42704", "who?") + READY, "no_account"),
    (error("ERROR", "22023", "too easy") + READY, "policy"), (error("ERROR", "XX000", "concurrently updated") + READY, "refused"),
    (error("FATAL", "57P01", "good-bye"), "unknown"), (error("FATAL", "57P01", "good-bye") + READY, "unknown"),
    (error("PANIC", "XX000", "ouch") + READY, "unknown"), (error("ERROR", "42501", "may not"), "unknown"),
    (error("ERROR", "42501", "may not") + message(b"Z", b"T"), "unknown"), (DONE, "unknown"), (READY, "unknown"),
    (DONE + message(b"Z", b"E"), "unknown"), (DONE + DONE + READY, "unknown"), (message(b"C", b"SELECT 1\0") + READY, "unknown"),
    (DONE + error("ERROR", "42501", "may not") + READY, "unknown"), (message(b"I", b"") + READY, "unknown"),
    (message(b"G", b"\0\0\0") + READY, "unknown"), (message(b"H", b"\0\0\0") + READY, "unknown"), (b"\xff" * 64, "unknown"),
    (b"", "unknown"), ("end", "unknown"), (error("ERROR", "42501", CANARY) + READY, "elevation_denied"),
    (error("ERROR", "42501", "SCRAM-SHA-256$4096:abc") + READY, "elevation_denied")])
def test_only_a_definite_answer_to_a_change_is_one(connector, certificate, reply, code):
    with ScriptedServer(*certificate, password=CANARY, replies=[SESSION, LOOK, reply]) as scripted:
        answer = asked(connector, scripted, pin_of(certificate[0]), "u1", functional("func", CANARY), 2)
        assert answer["ok"] and answer["can_change"], answer
        with within(5.5):
            answer = change(connector, "u1", "New-Secret-1!")
        assert answer.get("code") == code, answer
        text = answer.get("text", "")
        assert CANARY not in text and "SCRAM-SHA-256$" not in text
        assert b"New-Secret-1!" not in scripted.heard and CANARY.encode() not in scripted.heard


@pytest.mark.parametrize("start", [
    b"D" + struct.pack(">I", 0x3FFFFFFF),
    message(b"T", b"\0\1c\0" + bytes(18)) + b"D" + struct.pack(">I", 0x3FFFFFFF), b"E" + struct.pack(">I", 0x3FFFFFFF)])
def test_a_huge_reply_is_cut_off(connector, certificate, start):
    with ScriptedServer(*certificate, password=CANARY, replies=[SESSION, LOOK, endless(start)]) as scripted:
        asked(connector, scripted, pin_of(certificate[0]), "u1", functional("func", CANARY), 3)
        with within(6.5):
            assert change(connector, "u1", "New-Secret-1!")["code"] == "unknown"
        assert scripted.sent < 32 << 20
    # The sanitizer's notes about the announced GiB alone are 128 MiB.
    assert int(connector.status()["VmHWM"].split()[0]) < 200 * 1024


def is_sent(code):
    return code not in ("unreachable", "unsent", "refused", "functional_denied")


@pytest.mark.parametrize("method", ["functional", "self"])
@pytest.mark.parametrize("manner", ["reset", "hang"])
def test_cut_at_every_chunk(server, method, manner):
    """Never "ok" when it was not applied, never "nothing was sent" when it was; the same again converges."""
    def attempt(proxy, present, wanted):
        one = Connector("postgresql")
        answer = asked(one, server, server.pin, "u1", "func" if method == "functional" else None, timeout_s, port=proxy.port)
        if answer["ok"]:
            answer = change(one, "u1", wanted) if method == "functional" else change_self(one, "u1", present, wanted)
        ended(one)
        return "ok" if answer["ok"] else answer["code"]

    timeout_s = 10 if manner == "reset" else 2
    server.set_password("u1", "Cut-0!")
    with CutProxy(server.port) as rehearsal:
        assert attempt(rehearsal, "Cut-0!", "Cut-1!") == "ok"
        chunks = dict(rehearsal.chunks)
    present, seen, truths = "Cut-1!", set(), {("unknown", True), ("unknown", False), ("unreachable", False)}
    # A busy machine splits the same exchange into a few chunks more, or joins some: then a cut falls elsewhere.
    places = [(direction, after) for direction in (UP, DOWN) for after in range(chunks[direction] + 2)]
    again = 3 * places[::-1]
    for number, (direction, after) in enumerate(places + again if manner == "reset" else places[3::4]):
        if number >= len(places) and truths <= seen:
            break
        wanted = f"Cut-{direction}-{after}-{number}!"
        with CutProxy(server.port, direction, after, manner=manner) as proxy:
            code = attempt(proxy, present, wanted)
        server.wait_for_no_session()
        was_applied = server.has_password("u1", wanted)
        assert was_applied or server.has_password("u1", present)
        seen.add((code, was_applied))
        assert was_applied or code != "ok", (direction, after)
        assert not was_applied or is_sent(code), (direction, after, code)
        with CutProxy(server.port) as whole:
            assert attempt(whole, present, wanted) == "ok"
        assert server.has_password("u1", wanted)
        present = wanted
    if manner == "reset":
        assert truths <= seen, seen


# -- late ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("has_fence", [False, True])
def test_a_change_that_arrives_late(connector, server, has_fence):
    server.set_password("u2", "Late-Old-2!")
    first = Connector("postgresql")
    token = check(first, server, "u2")["fence_token"]
    stopped = server.process_of(token.split(":")[0])
    freezer.stop(stopped)
    try:
        first.send("change", account="u2", part="password", password="Late-New-2!")
        time.sleep(0.5)
        os.kill(first.process.pid, signal.SIGKILL)
        first.process.communicate()
        first.line.close()
        check(connector, server, "u2", timeout_s=2)
        assert matches(connector, "u2", "Late-Old-2!") and server.can_login("u2", "Late-Old-2!")
        if has_fence:
            with within(3.5):
                answer = connector.call("fence", token=token)
            assert answer["code"] == "unreachable"  # told to end, not ended: nothing is certain yet
            check(connector, server, "u2")
            connector.send("fence", token=token)
            time.sleep(0.3)
    finally:
        os.kill(stopped, signal.SIGCONT)
    if has_fence:
        assert connector.answer()["ok"] is True
        assert matches(connector, "u2", "Late-Old-2!")
    server.wait_for("SELECT count(*) <= 1 FROM pg_stat_activity WHERE application_name = 'keyturn'")
    assert matches(connector, "u2", "Late-New-2!") is not has_fence
    assert matches(connector, "u2", "Late-Old-2!") is has_fence


def test_fence(connector, server):
    first, other = Connector("postgresql"), Connector("postgresql")
    token = check(first, server)["fence_token"]
    pid, start = token.split(":")
    foreign = check(other, server, who="nobody")["fence_token"]
    own = check(connector, server)["fence_token"]
    for gone in (f"{pid}:{int(start) + 1}", f"{pid}:1", "99999:1"):
        assert connector.call("fence", token=gone) == {"id": connector.last_id, "ok": True}
    assert first.call("compare", account="u1", password="x")["ok"]
    assert connector.call("fence", token=foreign)["code"] == "elevation_denied"
    assert connector.call("fence", token=own)["code"] == "bad_request"
    for nonsense in ("", ":", "1", "1:", ":1", "-1:1", "1:2:3", "1 OR true:1", "1:1'", "x" * 101, "99999999999:1", None):
        assert connector.call("fence", token=nonsense)["code"] == "bad_request", nonsense
    assert connector.call("fence", token=token)["ok"]
    assert first.call("compare", account="u1", password="x")["code"] == "unreachable"
    assert connector.call("fence", token=token)["ok"]  # gone already
    assert other.call("login", account="nobody", password=PASSWORDS["nobody"])["result"] == "accepted"
    assert server.psql(f"SELECT count(*) FROM pg_stat_activity WHERE pid = {foreign.split(':')[0]}") == "1"
    ended(first)
    ended(other)


# -- nothing leaks ---------------------------------------------------------------------------------------------------


def test_no_secret_leaves_the_process(tmp_path):
    with PostgresqlServer(tmp_path / "server") as own:
        own.configure(log_statement="all", log_min_messages="debug1")
        before = len(own.log_text())
        secrets = ["Canary-Func-1!", "Canary-New-1!", "Canary-Current-1!", "Canary-Wrong-1!"]
        one = Connector("postgresql")
        check(one, own, who=functional("func"))
        assert change(one, "u1", secrets[1])["ok"]
        assert change(one, "boss", secrets[1])["code"] == "elevation_denied"
        assert change_self(one, "u1", secrets[1], secrets[2])["ok"]
        for password in secrets:
            login(one, "u1", password)
            one.call("compare", account="u1", password=password)
            asked(one, own, own.pin, "u1", functional("func", password))
        proc = pathlib.Path(f"/proc/{one.process.pid}")
        seen = proc.joinpath("environ").read_bytes() + proc.joinpath("cmdline").read_bytes() + b"".join(one.heard)
        assert one.status()["NoNewPrivs"] == "1" and one.status()["Seccomp"] == "2"
        seen += ended(one)
        assert b"Canary" not in seen and PASSWORDS["func"].encode() not in seen
        assert b"SCRAM-SHA-256$" not in seen
        log = own.log_text()[before:]
        assert "ALTER ROLE" in log and "Canary" not in log and PASSWORDS["func"] not in log
