"""tests/rotation/test_connector_ldap_faults.py: servers that are down, hang, lie or break in the middle."""

import pathlib
import ssl
import sys
import time

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "targets"))

import hostile  # noqa: E402
from cut_proxy import DOWN, UP, CutProxy  # noqa: E402
from ldap_fixtures import (  # noqa: E402,F401
    change, check, connector, Connector, dn_of, functional, keys, LdapServer, login, PASSWORDS, self_change, server,
    target, try_check)
from scripted_ldap import (  # noqa: E402
    announces, BIND, BIND_DONE, closes, drips, endless_entries, EXTENDED, hangs, MODIFY, MODIFY_DONE, PASSWD, result,
    result_bytes, says, ScriptedLdap, SEARCH, SEARCH_DONE, TLS, UNBIND)
from support import wait_for  # noqa: E402

NOTICE = b"1.3.6.1.4.1.1466.20036"


def scripted_check(connector, impostor, server, timeout_s=5, **more):
    return connector.call("check", target=target(impostor, timeout_s), host_keys=keys(server), functional=functional(),
                          account="u1", dn=dn_of("u1"), **more)


# -- whom it talks to -------------------------------------------------------------------------------------------------


def test_the_first_look(connector, server):
    answer = try_check(connector, server, pins=[])
    assert (answer["code"], answer["host_key"]) == ("host_key_unknown", {"type": "x509", "sha256": server.pin})
    other = [{"type": "x509", "sha256": "SHA256:" + "A" * 43}, {"type": "ssh-ed25519", "sha256": server.pin}]
    answer = try_check(connector, server, pins=other)
    assert (answer["code"], answer["host_key"]["sha256"]) == ("host_key_changed", server.pin)
    check(connector, server, pins=other + keys(server))
    assert check(connector, server, None, who=None)["host_key"]["sha256"] == server.pin


def test_another_key_gets_no_password(connector, server, tmp_path):
    LdapServer(tmp_path).new_key()
    with ScriptedLdap(tmp_path) as impostor:
        answer = connector.call("check", target=target(impostor), host_keys=keys(server),
                                functional=functional(password="Canary-Func-1!"), account="u1")
        assert answer["code"] == "host_key_changed" and answer["host_key"]["sha256"] != server.pin
        answer = connector.call("login", account="u1", dn=dn_of("u1"), password="Canary-Login-1!")
        assert answer["code"] == "host_key_changed" and answer["host_key"]["sha256"] != server.pin
        answer = self_change(connector, "u1", "Canary-Old-1!", "Canary-New-1!", dn=dn_of("u1"))
        assert answer["code"] == "host_key_changed"
        wait_for(lambda: impostor.handshakes == 3)  # counted by its own threads
        assert b"Canary" not in impostor.heard and set(impostor.operations) <= {UNBIND}


def test_a_renewed_certificate_and_a_changed_key(connector, tmp_path):
    with LdapServer(tmp_path) as own:
        pins = keys(own)
        check(connector, own)
        own.renew_certificate()
        own.restart()
        check(connector, own, pins=pins)
        own.new_key()
        own.restart()
        assert login(connector, "u1", PASSWORDS["u1"], dn=dn_of("u1")) == "host_key_changed"
        assert self_change(connector, "u1", PASSWORDS["u1"], "Not-To-Be-1!", dn=dn_of("u1"))["code"] == "host_key_changed"
        assert try_check(connector, own, pins=pins)["code"] == "host_key_changed"
        assert own.failures("u1") == 0 and own.has_password("u1", PASSWORDS["u1"])


def test_without_tls(connector, tmp_path):
    with LdapServer(tmp_path, tls=False) as bare:
        answer = try_check(connector, bare)
        assert answer["code"] == "unreachable" and "certificate" in answer["text"] and "636" in answer["text"]
        other = Connector("ldap")
        answer = try_check(other, bare, ldaps=True, timeout_s=5)  # plain LDAP on port 636
        assert answer["code"] == "unreachable"
        other.end()


@pytest.mark.parametrize("most, code", [(ssl.TLSVersion.TLSv1, "unreachable"), (ssl.TLSVersion.TLSv1_1, "unreachable"),
                                        (ssl.TLSVersion.TLSv1_2, None), (ssl.TLSVersion.TLSv1_3, None)])
def test_tls_1_2_is_the_least(connector, server, most, code):
    with ScriptedLdap(server.directory, most_tls=most) as impostor:
        answer = scripted_check(connector, impostor, server)
        assert answer.get("code") == code
        assert not code or set(impostor.operations) <= {UNBIND}


@pytest.mark.parametrize("code", [1, 2, 51, 52, 53, 80])
def test_a_server_that_refuses_starttls_is_not_spoken_to(connector, server, code):
    with ScriptedLdap(server.directory, on={TLS: result(EXTENDED, code, b"no TLS today")}) as impostor:
        answer = scripted_check(connector, impostor, server)
        assert answer["code"] == "unreachable" and "no TLS today" in answer["text"]
        assert impostor.heard == b"" and impostor.handshakes == 0


def test_answers_slipped_in_before_tls_count_for_nothing(connector, server):
    def slip_in(_, connection, number, __):
        for ahead in range(2, 12):
            connection.sendall(result_bytes(ahead, BIND_DONE, 0))
        connection.sendall(result_bytes(number, EXTENDED, 0))
    with ScriptedLdap(server.directory, on={TLS: slip_in, BIND: result(BIND_DONE, 49)}) as impostor:
        answer = scripted_check(connector, impostor, server)
        assert answer["code"] in ("functional_denied", "unreachable")


# -- whatever it does, in time ----------------------------------------------------------------------------------------


def test_down(connector, tmp_path):
    with LdapServer(tmp_path) as own:
        check(connector, own)
        own.kill()
        assert change(connector, "u1", "While-Down-1!")["code"] == "unreachable"
        assert login(connector, "u1", PASSWORDS["u1"], dn=dn_of("u1")) == "unreachable"
        assert try_check(connector, own)["code"] == "unreachable"
        own.start()
        assert own.has_password("u1", PASSWORDS["u1"])
        check(connector, own)
        assert change(connector, "u1", "Up-Again-One-1!")["ok"]
        own.kill()
        own.start()
        assert own.has_password("u1", "Up-Again-One-1!")
        assert change(connector, "u1", "Old-Session-1!")["code"] == "unreachable"


def test_a_server_that_hangs(connector, tmp_path):
    with LdapServer(tmp_path) as own:
        check(connector, own, timeout_s=2)
        own.freeze()
        for call in (lambda: connector.call("login", account="u1", dn=dn_of("u1"), password=PASSWORDS["u1"]),
                     lambda: connector.call("compare", account="u1", password=PASSWORDS["u1"]),
                     lambda: change(connector, "u1", "While-Frozen-1!"),
                     lambda: try_check(connector, own, timeout_s=2)):
            began = time.monotonic()
            assert call()["code"] == "unreachable"
            assert time.monotonic() - began < 4
        own.thaw()
        assert own.has_password("u1", PASSWORDS["u1"])


@pytest.mark.parametrize("behaviour", [hostile.silent, hostile.garbage, hostile.closes_at_once, hostile.talks_for_ever,
                                       hostile.endless_banner, hostile.huge_reply, hostile.drips,
                                       lambda: hostile.closes_at_once(reset=True),
                                       lambda: hostile.garbage(greeting=result_bytes(1, EXTENDED, 0))])
def test_whatever_answers_in_the_clear(connector, behaviour):
    with behaviour() as other:
        began = time.monotonic()
        answer = connector.call("check", target=target(other, 2), host_keys=[],
                                functional=functional(password="Canary-Func-1!"), account="u1")
        assert answer["code"] == "unreachable"
        assert time.monotonic() - began < 5
        assert b"Canary" not in other.heard
    assert int(connector.status()["VmRSS"].split()[0]) < 300_000


@pytest.mark.parametrize("answer", [hangs, closes, drips, endless_entries, announces(0x7fffffff), announces(0xffffffff),
                                    announces(60 << 20), says(b"\xff" * 100000), says(b"\x30\x80\x00\x00"),
                                    says(result_bytes(99, BIND_DONE, 0))],
                         ids=["hangs", "closes", "drips", "endless", "2G", "4G", "60M", "garbage", "indefinite", "foreign"])
@pytest.mark.parametrize("when", [BIND, SEARCH, MODIFY, PASSWD], ids=["bind", "search", "modify", "change"])
def test_whatever_answers_inside_tls(connector, server, when, answer):
    with ScriptedLdap(server.directory, on={when: answer}) as impostor:
        began = time.monotonic()
        seen = scripted_check(connector, impostor, server, timeout_s=2)
        if when == PASSWD:
            assert seen["ok"]
            began = time.monotonic()
            assert change(connector, "u1", "Who-Knows-1!", dn=dn_of("u1"))["code"] == "unknown"
            assert change(connector, "u1", "Who-Knows-1!", dn=dn_of("u1"))["code"] == "unreachable"
        else:
            assert seen["code"] == "unreachable" and seen.get("guessed", False) is (when == BIND)
        assert time.monotonic() - began < 5
    assert int(connector.status()["VmRSS"].split()[0]) < 300_000


# -- definite or not --------------------------------------------------------------------------------------------------

DEFINITE = {**dict.fromkeys((2, 7, 8, 10, 12, 13, 16, 17, 21, 34, 48, 49, 53, 65), "refused"),
            19: "policy", 32: "no_account", 50: "elevation_denied"}


@pytest.mark.parametrize("code", [1, 3, 4, 11, 14, 51, 52, 54, 64, 71, 80, 118, 123, *DEFINITE])
def test_only_known_refusals_are_definite(connector, server, code):
    with ScriptedLdap(server.directory, on={PASSWD: result(EXTENDED, code, b"says the server")}) as impostor:
        assert scripted_check(connector, impostor, server)["can_change"]
        answer = change(connector, "u1", "Definite-Or-Not-1!", dn=dn_of("u1"))
        assert answer["code"] == DEFINITE.get(code, "unknown")
        assert "says the server" in answer["text"] or code == 10


def test_a_notice_of_disconnection_is_no_answer(connector, server):
    def notice(_, connection, __, ___):
        from scripted_ldap import ber, message
        connection.sendall(message(0, ber(EXTENDED, ber(0x0a, b"\x34"), ber(0x04), ber(0x04, b"bye"), ber(0x8a, NOTICE))))
        raise ConnectionAbortedError
    with ScriptedLdap(server.directory, on={PASSWD: notice}) as impostor:
        assert scripted_check(connector, impostor, server)["ok"]
        assert change(connector, "u1", "Cut-By-Notice-1!", dn=dn_of("u1"))["code"] == "unknown"


@pytest.mark.parametrize("code, can_change", [(16, True), (50, False), (10, False), (53, False), (19, True)])
def test_whether_a_change_is_allowed(connector, server, code, can_change):
    with ScriptedLdap(server.directory, on={MODIFY: result(MODIFY_DONE, code)}) as impostor:
        assert scripted_check(connector, impostor, server)["can_change"] is can_change


@pytest.mark.parametrize("code, answer", [(0, "accepted"), (49, "denied"), (53, "refused"), (8, "refused"), (48, "refused"),
                                          (19, "refused"), (34, "refused"), (14, "refused"), (51, "unreachable"),
                                          (52, "unreachable"), (80, "unreachable"), (1, "unreachable")])
def test_only_invalid_credentials_are_a_denial(connector, server, code, answer):
    with ScriptedLdap(server.directory) as impostor:
        assert scripted_check(connector, impostor, server)["ok"]
        impostor.answers[BIND] = result(BIND_DONE, code)
        assert login(connector, "u1", "Some-Pass-1!", dn=dn_of("u1")) == answer


def test_a_search_without_rights(connector, server):
    with ScriptedLdap(server.directory, on={SEARCH: result(SEARCH_DONE, 50)}) as impostor:
        assert scripted_check(connector, impostor, server)["code"] == "elevation_denied"


# -- cut at every chunk -----------------------------------------------------------------------------------------------


def cut_once(server, direction, after, password, current=None, manner="reset", timeout_s=5, counted=None):
    """One change through a proxy that cuts: its answer, whether the password was set, and whether there was a cut.

    The chunks (of `counted`, or of the direction that is cut) count from the change on; with `current` the account
    changes it itself, on a connection of its own."""
    connector = Connector("ldap")
    before = server.stored("lax1")
    with CutProxy(server.port, manner=manner) as proxy:
        answer = connector.call("check", target={**target(server, timeout_s), "port": proxy.port}, host_keys=keys(server),
                                functional=None if current else functional(), account=None)
        assert answer["ok"]
        proxy.connection = 1 if current else 0
        proxy.counted = counted
        proxy.after = after if current else proxy.chunks[counted or direction] + after
        proxy.cut = direction
        more = {"method": "self", "current": current} if current else {}
        answer = change(connector, "lax1", password, dn=dn_of("lax1"), **more)
        was_cut = proxy.cuts > 0
    assert connector.end()[0] == 0
    is_applied = server.has_password("lax1", password)
    assert is_applied or server.stored("lax1") == before
    return answer, is_applied, was_cut


def cut_everywhere(server, method, password, turn):
    """One pass over all chunks of both directions: what was seen, and the password that is live after it."""
    outcomes = set()
    for direction in (UP, DOWN):
        was_cut, after = True, 0
        while was_cut:
            current, password = password, f"Cut-{method}-{direction}-{after}-{turn}!"
            answer, is_applied, was_cut = cut_once(server, direction, after, password,
                                                   current if method == "self" else None)
            outcomes.add((answer.get("code", "ok"), is_applied))
            assert is_applied if answer["ok"] else (not is_applied or answer["code"] == "unknown"), (after, answer)
            # The same password again, by the functional account: whatever had happened, it is live afterwards.
            again = Connector("ldap")
            check(again, server, "lax1")
            assert change(again, "lax1", password)["ok"]
            assert login(again, "lax1", password) == "accepted"
            again.end()
            after += 1
        assert answer["ok"] and after > 1
    return outcomes, password


@pytest.mark.parametrize("method", ["functional", "self"])
def test_cut_at_every_chunk(server, method):
    """Several messages may come in one chunk, differently each time: passes are made until each kind of end was seen."""
    expected = {("unreachable", False), ("unknown", False), ("unknown", True), ("ok", True)}
    password, outcomes, turn = "Cut-Start-1!", set(), 0
    server.set_password("lax1", password)
    while outcomes != expected and turn < 8:
        seen, password = cut_everywhere(server, method, password, turn)
        outcomes, turn = outcomes | seen, turn + 1
    assert outcomes == expected


def test_a_reply_that_never_comes(server):
    """The answer to the first request (the search for the entry), to the second (the change), and none."""
    for requests, expected in ((1, ("unreachable", False)), (2, ("unknown", True)), (3, ("ok", True))):
        answer, is_applied, _ = cut_once(server, DOWN, requests, f"Hang-Reply-{requests}!", manner="hang", timeout_s=2, counted=UP)
        assert (answer.get("code", "ok"), is_applied) == expected, requests


def test_a_late_apply_and_the_same_password_again(tmp_path):
    with LdapServer(tmp_path) as own:
        connector = Connector("ldap")
        check(connector, own, timeout_s=2)
        late = Connector("ldap")
        with CutProxy(own.port) as proxy:
            where = {**target(own, 10), "port": proxy.port}
            assert late.call("check", target=where, host_keys=keys(own), functional=functional(), account=None)["ok"]
            before = proxy.chunks[UP]
            proxy.delay_s = 0.4  # each chunk waits in the proxy: time enough to freeze between search and change
            late.send("change", account="u1", dn=dn_of("u1"), part="password", password="Late-Apply-1!")
            deadline = time.monotonic() + 5
            while proxy.chunks[UP] < before + 1 and time.monotonic() < deadline:
                time.sleep(0.005)
            time.sleep(0.2)  # slapd has answered the search; the answer waits in the proxy
            own.freeze()
            while proxy.chunks[UP] < before + 2 and time.monotonic() < deadline:
                time.sleep(0.005)
            assert proxy.chunks[UP] >= before + 2  # the change has been sent to a server that stands still
            time.sleep(0.2)
            late.process.kill()
            late.process.wait()
            time.sleep(0.6)
            own.thaw()
            while not own.has_password("u1", "Late-Apply-1!") and time.monotonic() < deadline + 5:
                time.sleep(0.05)
        late.end()
        assert own.has_password("u1", "Late-Apply-1!")
        check(connector, own)
        answer = change(connector, "u1", "Late-Apply-1!")
        assert answer["code"] == "refused" and "not being changed" in answer["text"]
        assert login(connector, "u1", "Late-Apply-1!") == "accepted"
        connector.end()


# -- the process ------------------------------------------------------------------------------------------------------


def test_no_secret_is_seen_outside(tmp_path):
    with LdapServer(tmp_path) as own:
        connector = Connector("ldap")
        verifier = own.stored("u1")[0]
        check(connector, own)
        change(connector, "u1", "Canary-New-77!")
        own_calls = [("login", {"password": "Canary-New-77!"}), ("login", {"password": "Canary-Wrong-77!"}),
                     ("compare", {"password": "Canary-New-77!"}), ("change", {"part": "password", "password": "Canary"}),
                     ("change", {"part": "password", "password": "Canary-New-77!"}),
                     ("change", {"part": "password", "method": "self", "current": "Canary-New-77!",
                                 "password": "Canary-Own-77!"})]
        for op, fields in own_calls:
            connector.call(op, account="u1", **fields)
        check(connector, own, "plain")
        assert try_check(connector, own, who=functional(password="Canary-Func-77!"))["code"] == "functional_denied"
        process = pathlib.Path(f"/proc/{connector.process.pid}")
        assert not any(name in (process / "maps").read_text() for name in ("libnss_", "/sasl2/"))
        status = connector.status()
        assert (status["Seccomp"], status["NoNewPrivs"]) == ("2", "1")
        seen = (process / "environ").read_bytes() + (process / "cmdline").read_bytes() + b"".join(connector.heard)
        code, problems = connector.end()
        seen += problems + (own.directory / "log").read_bytes()
        assert code == 0 and b"Canary" not in seen and b"Func-Start" not in seen
        assert verifier.encode() not in seen and PASSWORDS["plain"].encode() not in seen


@pytest.mark.parametrize("said", [b"I do not like Canary-Echo-1!", b" " * 1990 + b"Canary-Echo-1!"], ids=["short", "cut"])
def test_a_text_that_repeats_the_password_is_left_out(connector, server, said):
    with ScriptedLdap(server.directory, on={PASSWD: result(EXTENDED, 19, said)}) as impostor:
        assert scripted_check(connector, impostor, server)["ok"]
        answer = change(connector, "u1", "Canary-Echo-1!", dn=dn_of("u1"))
        assert (answer["code"], answer["text"]) == ("policy", "(left out)")


def test_the_settings_of_this_machine_are_not_honoured(server, tmp_path, monkeypatch):
    """An ldaprc in the working folder could bring another version of TLS, or none."""
    (tmp_path / "ldaprc").write_text("TLS_CACERT /nonexistent\nTLS_CIPHER_SUITE NONE\nSIZELIMIT 1\n")
    monkeypatch.chdir(tmp_path)
    connector = Connector("ldap")
    check(connector, server)
    connector.end()


@pytest.mark.parametrize("address", ["localhost", "127.0.0.1.", "example.com", "127.1", "", "::1%lo"])
def test_addresses_are_numbers(connector, server, address):
    answer = connector.call("check", target={**target(server), "address": address}, host_keys=[], functional=None,
                            account=None)
    assert answer["code"] == "bad_request"
