"""tests/rotation/test_connector_activedirectory_faults.py: networks and servers that fail, at every point of a change."""

import contextlib
import pathlib
import socket
import ssl
import struct
import subprocess
import sys
import threading
import time

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

from ad_fixtures import (  # noqa: E402,F401
    AdConnector, ask_check, bad_logins, change, check, connector, dc, domain_files, functional, keys, login, PASSWORDS, target)
from cut_proxy import CutProxy, DOWN, UP  # noqa: E402
from hostile import HostileServer  # noqa: E402
from ldap_server import LdapServer  # noqa: E402
from samba_dc import pin_of, SambaDc  # noqa: E402
from scripted_ldap import SEARCH_DONE, result_bytes  # noqa: E402


UNBIND = b"\x30\x05\x02\x01\x01\x42\x00"


def through(dc, cut=None, after=0, **more):
    """A proxy in front of LDAPS, at the domain controller's own address: Kerberos is not cut."""
    class Proxy(CutProxy):
        address = dc.address
        pin = dc.pin
    return Proxy(dc.port, cut, after, **more)


# -- every cut of a change ---------------------------------------------------------------------------------------------

def changed_through(dc, proxy, account, password, how):
    """One change by a fresh connector through the proxy; the answers of check and change."""
    connector = AdConnector()
    checked = ask_check(connector, proxy, account, target=target(proxy, 1), who=None if how else "func")
    answer = change(connector, account, password, **how) if checked["ok"] else None
    status, problems = connector.end()
    assert status == 0 and b"Sanitizer" not in problems, problems
    connector.check_silence(problems)
    return checked, answer


@pytest.mark.parametrize("method", ["functional", "self"])
@pytest.mark.parametrize("manner", ["reset", "hang"])
def test_every_cut_is_told_as_what_it_is(connector, dc, method, manner):
    account = {"functional": "u1", "self": "u2"}[method]
    check(connector, dc, account)
    password, number, seen = f"Uncut-{method}-{manner}!", 0, set()
    dc.set_password(account, password)

    def cut(direction, after):
        """One change through a connection that is cut; whether it was cut at all."""
        nonlocal password, number
        number += 1
        wanted = f"Cut-{method}-{manner}-{number}!"
        how = {"method": "self", "current": password} if method == "self" else {}
        with through(dc, direction, after, manner=manner, connection=int(method == "self")) as proxy:
            checked, answer = changed_through(dc, proxy, account, wanted, how)
            was_cut = proxy.cuts > 0
        is_applied = dc.has_password(account, wanted)
        code = (answer or checked).get("code", "ok")
        seen.add((code, is_applied))
        assert code in (("ok", "unknown") if is_applied else ("unreachable", "unknown")), (direction, after, code)
        assert is_applied or dc.has_password(account, password)
        assert login(connector, account, wanted) == ("accepted" if is_applied else "denied")
        assert change(connector, account, wanted, **how)["ok"]  # the same once more
        assert login(connector, account, wanted) == "accepted"
        password = wanted
        return was_cut
    def cut_everywhere(after):
        for direction in (UP, DOWN):
            at = after
            while cut(direction, at) or cut(direction, at):
                at += 1
            assert at > 4
    # Chunks may coalesce, so a round can pass over the one that matters. A silence lasts until the deadline: those of
    # the handshake are left out.
    cut_everywhere(0 if manner == "reset" else 4)
    for _ in range(5):
        if {("unknown", True), ("unknown", False)} <= seen:
            break
        cut_everywhere(4)
    assert {("unknown", True), ("unknown", False)} <= seen, seen


def test_a_change_that_comes_late_is_harmless_when_it_is_sent_again(dc):
    connector = AdConnector()
    check(connector, dc, "u3")
    dc.freeze("ldap")
    try:
        connector.send("change", account="u3", part="password", password="Late-Apply-3!")
        time.sleep(0.5)
        connector.process.kill()
        connector.end()
        assert not dc.has_password("u3", "Late-Apply-3!")
    finally:
        dc.thaw()
    again = AdConnector()
    check(again, dc, "u3")
    assert change(again, "u3", "Late-Apply-3!")["ok"]
    time.sleep(0.5)
    assert dc.has_password("u3", "Late-Apply-3!")
    assert login(again, "u3", "Late-Apply-3!") == "accepted"
    again.end()


def test_a_domain_controller_that_hangs(connector, dc):
    check(connector, dc, "u4", target=target(dc, 2))
    dc.freeze()
    try:
        began = time.monotonic()
        answer = change(connector, "u4", "Never-Or-Late-4!")
        assert answer["code"] == "unreachable" and "in time" in answer["text"]  # it was still looking for the account
        assert login(connector, "u4", "x") == "unreachable"
        assert ask_check(connector, dc, target=target(dc, 2))["code"] == "unreachable"
        assert time.monotonic() - began < 3 * (2 + 3)
    finally:
        dc.thaw()
    assert not dc.has_password("u4", "Never-Or-Late-4!")


def test_kerberos_that_hangs_proves_nothing(connector, dc):
    check(connector, dc, "u4", target=target(dc, 3))
    dc.freeze("kdc")
    try:
        began = time.monotonic()
        assert login(connector, "u4", PASSWORDS["u4"]) == "unreachable"
        assert time.monotonic() - began < 6
    finally:
        dc.thaw()
    assert login(connector, "u4", PASSWORDS["u4"]) == "accepted"


# -- where nobody listens at port 88 -----------------------------------------------------------------------------------

@pytest.fixture(scope="module")
def lame_dc(tmp_path_factory):
    with SambaDc(tmp_path_factory.mktemp("dc"), domain_files(), kerberos=False) as running:
        yield running


@pytest.mark.parametrize("how", [{}, {"method": "self", "current": PASSWORDS["u2"]}])
def test_without_kerberos_only_the_present_password_is_accepted(connector, lame_dc, how):
    account = "u2" if how else "u1"
    check(connector, lame_dc, account)
    assert change(connector, account, "Without-Kdc-1!", **how)["ok"]
    assert lame_dc.binds(f"{account}@lab.test", PASSWORDS[account])  # the former one
    assert login(connector, account, PASSWORDS[account]) == "refused"
    assert login(connector, account, "Without-Kdc-1!") == "accepted"
    assert login(connector, account, "Wrong-Guess-1!") == "denied"
    lame_dc.set_password(account, "Somebody-Elses-1!")
    assert login(connector, account, "Without-Kdc-1!") == "refused"


def test_without_kerberos_a_process_that_knows_of_no_change_trusts_only_what_is_old(connector, lame_dc):
    check(connector, lame_dc, "u3")
    answer = connector.call("login", account="u3", password=PASSWORDS["u3"])
    assert answer["code"] == "refused" and "Kerberos" in answer["text"]
    hours_ago = (time.time() - 3 * 3600 + 11644473600) * 10**7
    lame_dc.set("u3", "pwdLastSet", str(int(hours_ago)))
    assert login(connector, "u3", PASSWORDS["u3"]) == "accepted"
    assert login(connector, "u3", "Wrong-Guess-3!") == "denied"
    assert bad_logins(lame_dc, "u3") == 1


def test_words_without_kerberos(connector, lame_dc):
    check(connector, lame_dc)
    assert login(connector, "disabled1", PASSWORDS["disabled1"]) == "locked"
    assert login(connector, "expired1", PASSWORDS["expired1"]) == "expired"
    assert login(connector, "must1", PASSWORDS["must1"]) == "refused"  # it could be the former one
    assert login(connector, "must1", "Wrong-Guess-1!") == "denied"


# -- false Kerberos ----------------------------------------------------------------------------------------------------

def der(tag, *parts):
    body = b"".join(parts)
    size = bytes([len(body)]) if len(body) < 128 else bytes([0x82]) + struct.pack(">H", len(body))
    return bytes([tag]) + size + body


def number(value):
    return der(2, bytes([value]))


def kerberos_error(code, data=b""):
    """KRB-ERROR (RFC 4120, 5.9.1)."""
    name = der(0x30, der(0xA0, number(2)), der(0xA1, der(0x30, der(0x1B, b"krbtgt"), der(0x1B, b"LAB.TEST"))))
    when = der(0x18, time.strftime("%Y%m%d%H%M%SZ", time.gmtime()).encode())
    body = der(0x30, der(0xA0, number(5)), der(0xA1, number(30)), der(0xA4, when), der(0xA5, number(0)),
               der(0xA6, number(code)), der(0xA9, der(0x1B, b"LAB.TEST")), der(0xAA, name),
               der(0xAC, der(4, data)) if data else b"")
    return der(0x7E, body)


def asks_for_a_proof():
    """KRB-ERROR 25 with what a timestamp is to be encrypted with: AES-256 (METHOD-DATA of PA-ETYPE-INFO2 and PA-ENC-TIMESTAMP)."""
    kinds = der(0x30, der(0x30, der(0xA0, number(18)), der(0xA1, der(0x1B, b"LAB.TESTu5"))))
    data = [der(0x30, der(0xA1, number(kind)), der(0xA2, der(4, value))) for kind, value in ((19, kinds), (2, b""))]
    return kerberos_error(25, der(0x30, *data))


@contextlib.contextmanager
def false_kerberos(address, *replies):
    """Answers the requests at port 88 of the address with these bytes, one after another; the last ones again and again."""
    said = []

    def behave(server, connection):
        server.listen(connection)
        said.append(replies[min(len(said), len(replies) - 1)])
        server.say(connection, said[-1])
        while True:
            server.listen(connection)
    server = HostileServer(behave)
    listener = socket.create_server((address, 88))

    def accept():
        with contextlib.suppress(OSError):
            while True:
                server._serve(listener.accept()[0])  # ends with the connection
    thread = threading.Thread(target=accept, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        with contextlib.suppress(OSError):
            listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        server.stop()
        thread.join(10)


def framed(message):
    return struct.pack(">I", len(message)) + message


@pytest.mark.parametrize("reply, code, word", [
    (framed(kerberos_error(23)), "refused", "must change"),  # the password has run out, says anybody
    (framed(kerberos_error(24)), "refused", "error 24"),     # wrong, before any password was looked at
    (framed(kerberos_error(25)), "refused", "cannot prove"),  # and no way to prove it
    (framed(kerberos_error(37)), "refused", "clocks"),
    (framed(kerberos_error(12)), "refused", "rules"),
    (framed(kerberos_error(68)), "refused", "error 68"),
    (framed(kerberos_error(6)), "no_account", "no such account"),
    (framed(b"\x6b" + b"\x82\xff\xff" + b"A" * 600), "refused", ""),
    (framed(b"A" * 600), "refused", ""),
    (struct.pack(">I", 0), "unreachable", "no Kerberos"),
    (struct.pack(">I", 0xFFFFFFFF), "unreachable", "no Kerberos"),
    (struct.pack(">I", 1000) + b"too little", "unreachable", "in time"),
    (b"", "unreachable", "in time"),
], ids=["has run out", "wrong", "no proof", "clocks", "rules", "error 68", "no account", "a long length", "rubbish", "length 0", "length of 4 GiB",
        "cut short", "silence"])
def test_false_kerberos_never_says_yes(connector, lame_dc, reply, code, word):
    with false_kerberos(lame_dc.address, reply) as server:
        check(connector, lame_dc, "u5", target=target(lame_dc, 2))
        answer = connector.call("login", account="u5", password=PASSWORDS["u5"])
        assert answer["ok"] is False and answer["code"] == code and word in answer["text"], answer
        assert "guessed" not in answer  # nobody has asked for a proof
        assert server.heard and PASSWORDS["u5"].encode() not in server.heard


@pytest.mark.parametrize("reply, is_open", [(b"", True), (struct.pack(">I", 1000) + b"too little", True),
                                            (framed(kerberos_error(68)), False)], ids=["nothing", "too little", "another realm"])
def test_a_proof_that_kerberos_does_not_answer_is_owned_up_to(connector, lame_dc, reply, is_open):
    with false_kerberos(lame_dc.address, framed(asks_for_a_proof()), reply):
        check(connector, lame_dc, "u5", target=target(lame_dc, 2))
        answer = connector.call("login", account="u5", password=PASSWORDS["u5"])
        assert answer["code"] == ("unreachable" if is_open else "refused") and answer.get("guessed", False) is is_open, answer


def test_kerberos_that_ends_the_connection(connector, lame_dc):
    listener = socket.create_server((lame_dc.address, 88))
    thread = threading.Thread(target=lambda: listener.accept()[0].close(), daemon=True)
    thread.start()
    check(connector, lame_dc, "u5")
    assert login(connector, "u5", PASSWORDS["u5"]) == "unreachable"
    thread.join(10)
    listener.close()


# -- false domain controllers ------------------------------------------------------------------------------------------

@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    folder = tmp_path_factory.mktemp("certificate")
    subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=dc1.lab.test", "-keyout",
                    folder / "key.pem", "-out", folder / "certificate.pem"], check=True, capture_output=True)
    return folder


class FalseDc(HostileServer):
    """Shakes hands by TLS, then answers whatever comes with the bytes of says(); `heard` is what came through TLS."""

    def __init__(self, certificate, says=lambda: iter(()), version=None):
        self.pin = pin_of(certificate / "certificate.pem")
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._context.load_cert_chain(certificate / "certificate.pem", certificate / "key.pem")
        if version:
            self._context.set_ciphers("ALL:@SECLEVEL=0")
            self._context.minimum_version = self._context.maximum_version = version
        self._says = says
        super().__init__(type(self)._behave)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()

    def _behave(self, connection):
        with contextlib.suppress(OSError), self._context.wrap_socket(connection, server_side=True) as wrapped:
            wrapped.settimeout(20)
            self.heard += wrapped.recv(65536)
            for piece in self._says():
                wrapped.sendall(piece)
                if self._ended.is_set():
                    return
            while data := wrapped.recv(65536):
                self.heard += data


def test_another_servers_key_gets_nothing(connector, dc, certificate):
    with FalseDc(certificate) as false:
        for who in ("func", None):
            answer = ask_check(connector, false, who=who, host_keys=keys(dc))
            assert answer["code"] == "host_key_changed" and answer["host_key"]["sha256"] == false.pin
        assert ask_check(connector, false, host_keys=[])["code"] == "host_key_unknown"
        answer = change(connector, "u1", "Never-Sent-1!", method="self", current=PASSWORDS["u1"])
        assert answer["code"] == "host_key_unknown"
        assert login(connector, "u1", PASSWORDS["u1"]) == "host_key_unknown"
        assert false.connections == 5 and false.heard.replace(UNBIND, b"") == b""


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1])
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_old_tls_is_no_tls(connector, certificate, version):
    with FalseDc(certificate, version=version) as false:
        answer = ask_check(connector, false)
        assert answer["code"] == "unreachable" and "LDAPS (636)" in answer["text"]
        assert false.heard == b""


@pytest.mark.parametrize("code, word", [(3, "unreachable"), (51, "unreachable"), (50, "unreadable")], ids=["time limit", "busy", "no right"])
def test_a_search_that_fails_for_now_is_no_refusal(connector, certificate, code, word):
    with FalseDc(certificate, says=lambda: iter([result_bytes(1, SEARCH_DONE, code)])) as false:
        answer = ask_check(connector, false)
        assert answer["code"] == word and "searching is refused" in answer["text"], answer


def test_a_port_without_tls(connector, dc):
    answer = ask_check(connector, dc, target=target(dc, port=389))
    assert answer["code"] == "unreachable" and "LDAPS (636)" in answer["text"]


def test_a_directory_that_is_no_domain(connector, tmp_path):
    with LdapServer(tmp_path) as other:
        where = target(other, address=other.tls_address, port=636)
        answer = ask_check(connector, other, target=where)
        assert (answer["code"], answer["text"]) == ("unreachable", "this is no domain controller of an Active Directory domain")


def test_a_port_where_nobody_listens(connector, dc):
    answer = ask_check(connector, dc, target=target(dc, port=1))
    assert answer["code"] == "unreachable" and "connection refused" in answer["text"]


def entries(n, name=b"CN=x"):
    """Search entries in answer to the first request, without end in sight."""
    entry = der(0x30, der(2, b"\1"), der(0x64, der(4, name), der(0x30)))
    return (entry * 100 for _ in range(n))


def slowly():
    for value in entries(1).__next__():
        yield bytes([value])
        time.sleep(0.2)


@pytest.mark.parametrize("says", [
    lambda: iter([b"garbage " * 1000]),
    lambda: iter([b"\x30\x84\x7f\xff\xff\xff" + b"\0" * 65536] * 64),   # one message of 2 GiB
    lambda: iter([b"\x30\x84\x00\x7f\xff\xff" + b"\0" * 65536] * 200),  # one of 8 MiB
    lambda: entries(10000),
    lambda: iter([der(0x30, der(2, b"\1"), der(0x65, der(10, b"\0"), der(4), der(4)))]),  # found nothing
    slowly,
    lambda: iter(()),
])
def test_false_answers_behind_the_right_key(connector, certificate, says):
    with FalseDc(certificate, says) as false:
        before = int(connector.status()["VmHWM"].split()[0])
        began = time.monotonic()
        answer = ask_check(connector, false, target=target(false, 3))
        assert answer["code"] in ("unreachable", "unreadable"), answer
        assert time.monotonic() - began < 3 + 3
        assert int(connector.status()["VmHWM"].split()[0]) - before < 32 * 1024
        assert PASSWORDS["func"].encode() not in false.heard  # nobody has said that this is a domain controller
