"""tests/rotation/test_connector_controlroom.py: pushing into a second Keyturn, and into servers that mean no good."""
import contextlib
import json
import os
import pathlib
import socket
import sqlite3
import ssl
import string
import sys
import time

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "targets"))

from connector import Connector  # noqa: E402
from control_room import ATTRIBUTE, CREDENTIAL, PLAIN, PUSHER, ROBOT, FarControlRoom, free_port  # noqa: E402
from cut_proxy import DOWN, UP, CutProxy  # noqa: E402
from hostile import garbage, silent  # noqa: E402
from scripted_controlroom import ScriptedControlRoom, answers, closes, drips, endless, hangs, says, token  # noqa: E402

LOGIN = {"user": ROBOT, "login_name": "CORP\\robot01", "credential": "", "attribute": ""}
VALUE = {"user": "", "login_name": "", "credential": CREDENTIAL, "attribute": ATTRIBUTE}
CANARY = "Canary-9fW3k!"


@pytest.fixture(scope="module")
def far(tmp_path_factory):
    with FarControlRoom(tmp_path_factory.mktemp("far")) as running:
        yield running


@pytest.fixture
def connector():
    running = Connector("controlroom")
    yield running
    if running.line.fileno() >= 0:
        _, problems = running.end()
        assert b"Sanitizer" not in problems and b"runtime error" not in problems, problems.decode()
        for line in running.heard + [problems]:
            assert CANARY.encode() not in line and PUSHER[1].encode() not in line


def target(where, timeout_s=20, name="far01"):
    return {"name": name, "address": where.address, "port": where.port, "timeout_s": timeout_s, "instance": "", "domain": ""}


def who(name=PUSHER[0], password=PUSHER[1]):
    return {"account": name, "password": password, "private_key": None, "passphrase": None, "elevation": ""}


def keys(*pins):
    return [{"type": "x509", "sha256": pin} for pin in pins]


def try_check(connector, where, functional=who(), pins=None, **more):
    return connector.call("check", target=target(where, **more), host_keys=keys(where.pin) if pins is None else pins, functional=functional, account="root")


def check(connector, where, functional=who(), **more):
    answer = try_check(connector, where, functional, **more)
    assert answer["ok"], answer
    return answer


def push(connector, end, value):
    return connector.call("push", end=end, value=value)


# -- the real one

def test_the_whole_way(connector, far):
    far.forget()
    answer = check(connector, far)
    assert answer["host_key"] == {"type": "x509", "sha256": far.pin}
    assert (answer["can_change"], answer["can_compare"], answer["can_install_keys"], answer["fence"]) == (False, False, False, "none")
    for password in ("First-1!", "Second-2!", "Second-2!"):
        assert push(connector, LOGIN, password)["ok"] and push(connector, VALUE, password)["ok"]
        assert far.login() == {"userId": far.robot_id, "loginUsername": "CORP\\robot01", "loginPassword": password}
        assert far.value() == password
    assert push(connector, dict(VALUE, credential=CREDENTIAL.upper(), attribute="Password"), "Third-3!")["ok"] and far.value() == "Third-3!"
    assert connector.call("change", account="omar", part="password", password="x" * 9)["code"] == "bad_request"


def again(connector, where, functional=who(), **more):
    return connector.call("check", target=target(where), host_keys=keys(where.pin), functional=functional, account="root", again=True, **more)


def sign_ins(far):
    with contextlib.closing(sqlite3.connect(f"file:{far.server.data}/keyturn.db?mode=ro", uri=True, timeout=10)) as db:
        return db.execute("SELECT COUNT(*) FROM audit_rows WHERE what = 'signin'").fetchone()[0]


def test_a_check_that_comes_again_signs_in_no_more(connector, far):
    first = check(connector, far)
    before = sign_ins(far)
    assert before > 0
    for number in range(3):
        answer = again(connector, far)
        assert {name: value for name, value in answer.items() if name != "id"} == {name: value for name, value in first.items() if name != "id"}
        assert push(connector, LOGIN, f"Again-{number}-1!")["ok"] and far.login_password() == f"Again-{number}-1!"
        assert push(connector, VALUE, f"Again-{number}-2!")["ok"]
    assert sign_ins(far) == before


def test_with_another_secret_it_is_no_check_again(connector, far):
    check(connector, far)
    assert again(connector, far, who(password="not this one"))["code"] == "functional_denied"
    assert push(connector, LOGIN, CANARY)["code"] == "unreachable"
    assert again(connector, far, who(name=PLAIN[0], password=PLAIN[1]))["ok"]
    assert push(connector, LOGIN, CANARY)["code"] == "elevation_denied"


def test_a_session_that_has_ended_meanwhile_is_replaced(connector, far):
    check(connector, far)
    far.stop()
    assert again(connector, far)["code"] == "unreachable"
    far.start()
    far.admin, far.pusher = far.client(), far.client(*PUSHER)
    assert again(connector, far)["ok"]
    assert push(connector, LOGIN, "After-the-restart-1!")["ok"] and far.login_password() == "After-the-restart-1!"
    far.stop()
    far.start()  # between two calls: the connection is gone, and nobody has noticed
    far.admin, far.pusher = far.client(), far.client(*PUSHER)
    assert again(connector, far)["ok"]
    assert push(connector, LOGIN, "After-another-1!")["ok"] and far.login_password() == "After-another-1!"


def test_another_certificate_is_seen_by_a_check_that_comes_again(connector, far):
    check(connector, far)
    before = far.pin
    far.stop()
    far.new_certificate()
    far.start()
    far.admin, far.pusher = far.client(), far.client(*PUSHER)
    answer = connector.call("check", target=target(far), host_keys=keys(before), functional=who(), account="root", again=True)
    assert answer["code"] == "host_key_changed" and answer["host_key"]["sha256"] == far.pin
    assert push(connector, LOGIN, CANARY)["code"] == "unreachable"


def test_an_api_key_signs_in_too(connector, far):
    assert len(far.api_key) == 40
    check(connector, far, who(password=far.api_key))
    assert push(connector, LOGIN, "By-Key-1!")["ok"] and far.login_password() == "By-Key-1!"
    answer = try_check(connector, far, who(password=far.api_key[:-1] + ("A" if far.api_key[-1] != "A" else "B")))
    assert (answer["code"], answer["result"]) == ("functional_denied", "denied") and "API key" in answer["text"]


@pytest.mark.parametrize("name", ["127.0.0.1", "127.1", "2130706433", "0x7f000001", "0X7F.1", "0177.1"])
def test_a_name_that_is_an_address_in_disguise_is_not_dialled(connector, tmp_path, name):
    """libcurl reads every one of these as 127.0.0.1; who is dialled is the address that the server has checked."""
    with ScriptedControlRoom(tmp_path, {"/v2/authentication": token()}) as scripted, socket.create_server(("127.0.0.1", 0)) as other, \
            CutProxy(scripted.port, listen=("127.0.0.77", other.getsockname()[1]), target_address="127.0.0.1") as checked:
        other.settimeout(0.2)
        where = {"name": name, "address": checked.address, "port": checked.port, "timeout_s": 5, "instance": "", "domain": ""}
        answer = connector.call("check", target=where, host_keys=keys(scripted.pin), functional=who(), account="root")
        with pytest.raises(TimeoutError):
            other.accept()
        assert answer["ok"], answer


def test_a_domain_name_finds_the_server_without_dns(connector, far):
    check(connector, far, name="cr.example.com")
    assert push(connector, LOGIN, "By-Name-1!")["ok"] and far.login_password() == "By-Name-1!"


@pytest.mark.parametrize("password", [string.printable[:94] + " \"\\$%s", "x" * 128, "äöü€ ﬁ\u00a0𝄞", "'; DROP TABLE x; --", "\\u0041\\\"", " lead and trail "],
                         ids=["ASCII", "128", "unicode", "quotes", "escapes", "blanks"])
def test_every_character_arrives(connector, far, password):
    check(connector, far)
    assert push(connector, LOGIN, password)["ok"] and push(connector, VALUE, password)["ok"]
    assert far.login_password() == password and far.value() == password


def test_a_login_proves_nothing_but_itself(connector, far):
    check(connector, far, None)
    assert connector.call("login", account=PLAIN[0], password=PLAIN[1])["result"] == "accepted"
    assert connector.call("login", account=PLAIN[0], password="wrong")["result"] == "denied"
    assert connector.call("login", account="no-such-user", password="wrong")["result"] == "denied"
    assert push(connector, LOGIN, "x")["code"] == "bad_request"  # nobody is signed in for it


def test_rights(connector, far):
    far.forget()
    check(connector, far, who(*PLAIN))
    answer = push(connector, LOGIN, CANARY)
    assert answer["code"] == "elevation_denied" and "403" in answer["text"]
    assert push(connector, VALUE, CANARY)["code"] == "no_account"  # somebody else's credential is not even seen
    assert far.login() is None and far.value() is None
    assert try_check(connector, far, who(password="wrong"))["code"] == "functional_denied"
    assert try_check(connector, far, who("no-such-user"))["code"] == "functional_denied"
    assert push(connector, LOGIN, CANARY)["code"] == "unreachable"  # the session of the former check is gone


@pytest.mark.parametrize("end, code", [
    (dict(LOGIN, user="nobody"), "no_account"), (dict(LOGIN, user="omar\" OR \"1"), "no_account"), (dict(LOGIN, user="x" * 255), "no_account"),
    (dict(VALUE, credential="No such"), "no_account"), (dict(VALUE, attribute="no such"), "no_account"),
    (dict(VALUE, credential='SAP production"}},"x'), "no_account"), (dict(VALUE, credential="%"), "no_account"), (dict(VALUE, credential="../../users"), "no_account"),
    (dict(VALUE, attribute="open"), "refused"), (dict(VALUE, attribute="own"), "refused"),
    (dict(LOGIN, user=""), "bad_request"), (dict(LOGIN, login_name=""), "bad_request"), (dict(VALUE, attribute=""), "bad_request"), (dict(LOGIN, credential="x", attribute="y"), "bad_request"),
    (dict(LOGIN, user="omar\r\nX-Evil: 1"), "bad_request"), (dict(VALUE, credential="a\x00b"), "bad_request")])
def test_ends_that_cannot_be(connector, far, end, code):
    check(connector, far)
    assert push(connector, end, CANARY)["code"] == code
    for values in (far.values("open"), far.values("own")):
        assert values == []


def test_a_value_that_the_other_side_refuses(connector, far):
    check(connector, far)
    assert push(connector, LOGIN, "before-1!")["ok"]
    answer = push(connector, LOGIN, "y" * 1025)
    assert answer["code"] == "refused" and "400" in answer["text"] and "yyyy" not in answer["text"]
    assert far.login_password() == "before-1!"
    assert push(connector, VALUE, "")["ok"] and far.value() == ""  # an empty passphrase is a value


def test_wrong_key(connector, far):
    answer = try_check(connector, far, pins=[])
    assert (answer["code"], answer["host_key"]) == ("host_key_unknown", {"type": "x509", "sha256": far.pin})
    answer = try_check(connector, far, pins=keys("SHA256:" + "A" * 43))
    assert (answer["code"], answer["host_key"]["sha256"]) == ("host_key_changed", far.pin)


def test_another_target_is_another_process(connector, far):
    check(connector, far)
    with silent() as other:
        other.pin = far.pin
        assert try_check(connector, other)["code"] == "bad_request"


def test_down_and_back(far):
    connector = Connector("controlroom")
    check(connector, far, timeout_s=5)
    far.stop()
    assert push(connector, LOGIN, "While-Down-1!")["code"] in ("unreachable", "unsent")
    assert try_check(connector, far, timeout_s=5)["code"] == "unreachable"
    far.start()
    check(connector, far)
    assert push(connector, LOGIN, "Back-1!")["ok"] and far.login_password() == "Back-1!"
    connector.end()


def test_a_frozen_server_is_unknown_in_time_and_converges(far):
    connector = Connector("controlroom")
    check(connector, far, timeout_s=3)
    far.freeze()
    began = time.monotonic()
    assert push(connector, LOGIN, "Frozen-1!")["code"] == "unknown"
    assert time.monotonic() - began < 7
    assert try_check(connector, far, timeout_s=3)["code"] == "unreachable"
    far.resume()
    check(connector, far)
    assert push(connector, LOGIN, "Frozen-1!")["ok"] and far.login_password() == "Frozen-1!"
    connector.end()


# -- the network

def exchange(port, far, end, value):
    class Where:
        address, pin = "127.0.0.1", far.pin
    where = Where()
    where.port = port
    connector = Connector("controlroom")
    answer = try_check(connector, where, who(password=far.api_key), timeout_s=5)
    if answer["ok"]:
        answer = push(connector, end, value)
    connector.end()
    return answer


@pytest.mark.parametrize("end", [LOGIN, VALUE], ids=["auto-login", "value"])
def test_cut_at_every_chunk(far, end):
    stands = (lambda: far.login_password()) if end is LOGIN else far.value
    with CutProxy(far.port) as proxy:
        assert exchange(proxy.port, far, end, "Rehearsal-1!")["ok"]
        counts = dict(proxy.chunks)
    seen = set()
    for direction in (UP, DOWN):
        for after in range(counts[direction]):
            before, value = stands(), f"Cut-{direction}-{after}!"
            with CutProxy(far.port, direction, after) as proxy:
                answer = exchange(proxy.port, far, end, value)
            time.sleep(0.1)
            now = stands()
            assert now in (before, value)
            seen.add("ok" if answer["ok"] else answer["code"])
            if answer["ok"]:
                assert now == value
            elif now == value:
                assert answer["code"] == "unknown", (direction, after, answer)
            with CutProxy(far.port) as proxy:
                assert exchange(proxy.port, far, end, value)["ok"]
            assert stands() == value
    assert "unknown" in seen and "unreachable" in seen


# -- servers that no real one is

CREDENTIALS = b'{"list":[{"id":"7","name":"SAP production","attributes":[{"id":"8","name":"password","userProvided":false,"masked":true}]}]}'
AUTH, LIST, LOGINS, VALUES = "/v2/authentication", "/v2/credentialvault/credentials/list", "PUT /v2/credentialvault/loginsetting", "GET /v2/credentialvault/credentials/7/attributevalues"


def scripted(tmp_path, **more):
    script = {AUTH: token(), LIST: answers(200, CREDENTIALS), VALUES: answers(200, b'{"list":[]}'), LOGINS: answers(200, b'"Credentials updated for omar"'),
              "PUT /v2/credentialvault/credentials/7/attributevalues/9": answers(200), "POST /v2/credentialvault/credentials/7/attributevalues": answers(200)}
    script.update({globals()[name]: answer for name, answer in more.items()})
    return ScriptedControlRoom(tmp_path, script)


def test_what_is_sent(connector, tmp_path):
    with scripted(tmp_path) as server:
        check(connector, server)
        assert push(connector, LOGIN, CANARY)["ok"] and push(connector, VALUE, CANARY)["ok"]
    assert [request[:2] for request in server.requests] == [
        ("POST", AUTH), ("PUT", "/v2/credentialvault/loginsetting"), ("POST", LIST), ("GET", "/v2/credentialvault/credentials/7/attributevalues?credentialAttributeId=8"),
        ("POST", "/v2/credentialvault/credentials/7/attributevalues")]
    assert json.loads(server.requests[0][3]) == {"username": PUSHER[0], "password": PUSHER[1], "multipleLogin": True}
    assert json.loads(server.requests[1][3]) == {"username": ROBOT, "loginUsername": "CORP\\robot01", "loginPassword": CANARY}
    assert json.loads(server.requests[4][3]) == {"list": [{"credentialAttributeId": "8", "value": CANARY}]}
    assert b"X-Authorization" not in server.requests[0][2] and all(b"X-Authorization: aaa.bbb.ccc" in request[2] for request in server.requests[1:])
    assert server.connections <= 2  # one for the pin of this test, one for all


def test_a_value_goes_with_the_version_that_was_seen(connector, tmp_path):
    present = answers(200, b'{"list":[{"id":"5","credentialAttributeId":"8","userId":"3","version":"1"},{"id":"9","credentialAttributeId":"8","value":"","version":"4"},'
                           b'{"id":"10","credentialAttributeId":"99","version":"6"}]}')
    with scripted(tmp_path, VALUES=present) as server:
        check(connector, server)
        assert push(connector, VALUE, CANARY)["ok"]
        assert server.requests[-1][:2] == ("PUT", "/v2/credentialvault/credentials/7/attributevalues/9")
        assert json.loads(server.requests[-1][3]) == {"value": CANARY, "version": "4"}
        server.script["PUT /v2/credentialvault/credentials/7/attributevalues/9"] = answers(409, b'{"code":"conflict","message":"stale version"}')
        answer = push(connector, VALUE, CANARY)
        assert answer["code"] == "refused" and "409 conflict: stale version" in answer["text"]


@pytest.mark.parametrize("status", [404, 405])
def test_an_older_one_is_asked_in_its_own_words(connector, tmp_path, status):
    script = {AUTH: answers(status), "/v1/authentication": token(), LOGINS: answers(status),
              "PUT /v1/credentialvault/external/credentials/loginsetting": answers(200, b'"Credentials were successfully updated."')}
    with ScriptedControlRoom(tmp_path, script) as server:
        check(connector, server)
        assert push(connector, LOGIN, CANARY)["ok"]
    assert json.loads(server.requests[-1][3]) == {"Username": ROBOT, "Windows_Username": "CORP\\robot01", "Windows_Password": CANARY}


@pytest.mark.parametrize("before", ["the value ", "x" * 130 + " "], ids=["in a short text", "at 160 bytes"])
def test_a_refusal_that_repeats_the_secret_is_left_out(connector, tmp_path, before):
    secret = "Grün-Secret-42-zzz!"
    refusal = json.dumps({"code": "invalid", "message": before + secret + " is not allowed"}).encode()
    with scripted(tmp_path, LOGINS=answers(400, refusal)) as server:
        check(connector, server)
        answer = push(connector, LOGIN, secret)
    assert answer["code"] == "refused" and "Gr" not in answer["text"] and "ecret" not in answer["text"], answer


@pytest.mark.parametrize("answer, code", [
    (answers(201), None), (answers(204, b""), None),
    (answers(302, head=b"Location: https://127.0.0.1:1/\r\n"), "unknown"), (answers(307, head=b"Location: /v2/other\r\n"), "unknown"),
    (answers(400), "refused"), (answers(401), "refused"), (answers(403), "elevation_denied"), (answers(409), "refused"), (answers(429), "refused"),
    (answers(500), "unknown"), (answers(503), "unknown"), (answers(200, b"not json"), None), (closes, "unknown"), (hangs, "unknown"), (drips, "unknown"),
    (says(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nshort"), "unknown"), (says(b"garbage\r\n\r\n"), "unknown"), (says(b"HTTP/1.1 200"), "unknown"),
    (endless(b"HTTP/1.1 200 OK\r\n\r\n"), "unknown"), (endless(b"HTTP/1.1 200 OK\r\nX: "), "unknown"), (says(b"HTTP/1.1 100 Continue\r\n\r\n" * 2000), "unknown"),
    (says(b"\0" * 100000), "unknown")])
def test_only_a_whole_answer_is_definite(tmp_path, answer, code):
    connector = Connector("controlroom")
    with scripted(tmp_path, LOGINS=answer) as server:
        check(connector, server, timeout_s=3)
        began = time.monotonic()
        said = push(connector, LOGIN, CANARY)
        assert time.monotonic() - began < 8
        assert said["ok"] if code is None else said["code"] == code, said
        assert int(connector.status()["VmRSS"].split()[0]) < 400_000  # with the sanitizer's own
        assert sum(request[0] == "PUT" for request in server.requests) == 1  # sent once, and no redirect is followed
    connector.end()
    assert CANARY.encode() not in b"".join(connector.heard)


@pytest.mark.parametrize("answer", [answers(200, b"{}"), answers(200, b'{"token":""}'), token(b"a\\r\\nX-Evil: 1"), token(b"a b"), token(b"x" * 9000), answers(200, b"["),
                                    answers(200, b'{"token":' + b"[" * 100000), answers(500), answers(503), answers(302, head=b"Location: /\r\n"), closes, hangs, drips,
                                    endless(b"HTTP/1.1 200 OK\r\n\r\n"), endless(b"HTTP/1.1 200 OK\r\nX: ")])
def test_no_token_no_push(connector, tmp_path, answer):
    with scripted(tmp_path, AUTH=answer) as server:
        began = time.monotonic()
        denied = try_check(connector, server, timeout_s=3)
        assert denied["code"] == "unreachable" and (denied.get("guessed") or answer not in (closes, hangs, drips))
        assert time.monotonic() - began < 8
        assert push(connector, LOGIN, CANARY)["code"] == "unreachable"
        assert CANARY.encode() not in server.heard and b"X-Evil" not in server.heard


@pytest.mark.parametrize("status, code", [(400, "functional_denied"), (401, "functional_denied"), (403, "functional_denied"), (404, "unreachable"), (429, "unreachable")])
def test_refused_sign_ins(connector, tmp_path, status, code):
    script = {"/": answers(status, b'{"code":"UM1111","message":"Password ' + PUSHER[1].encode() + b' is wrong"}')}
    with ScriptedControlRoom(tmp_path, script) as server:
        answer = try_check(connector, server)
        assert answer["code"] == code and PUSHER[1] not in json.dumps(answer)
        assert answer.get("guessed", False) is (status == 429)
        assert sum(request[1] == AUTH for request in server.requests) == 1  # one guess


@pytest.mark.parametrize("answer", [answers(200, b"[]"), answers(200, b'{"list":7}'), answers(500), answers(401), closes, hangs, answers(200, b'{"list":[' + b"{}," * 2000 + b"{}]}")])
@pytest.mark.parametrize("which", ["LIST", "VALUES"])
def test_looking_fails_before_anything_is_sent(connector, tmp_path, which, answer):
    with scripted(tmp_path, **{which: answer}) as server:
        check(connector, server, timeout_s=3)
        said = push(connector, VALUE, CANARY)
        assert said["code"] in ("unsent", "unreachable", "no_account"), said
        assert CANARY.encode() not in server.heard


def test_two_of_one_name_are_none(connector, tmp_path):
    twice = CREDENTIALS.replace(b"]}]}", b"]},") + CREDENTIALS[9:]
    with scripted(tmp_path, LIST=answers(200, twice)) as server:
        check(connector, server)
        answer = push(connector, VALUE, CANARY)
        assert answer["code"] == "refused" and "several" in answer["text"] and CANARY.encode() not in server.heard


def test_no_secret_before_the_key_is_right(connector, tmp_path):
    with scripted(tmp_path) as server:
        answer = try_check(connector, server, pins=keys("SHA256:" + "B" * 43))
        assert (answer["code"], answer["host_key"]["sha256"]) == ("host_key_changed", server.pin)
        assert server.requests == [] and server.heard == b""


def test_the_key_is_compared_at_every_connection(connector, tmp_path):
    """The server closes after the sign-in, and another one answers on its port."""
    with scripted(tmp_path, AUTH=answers(200, b'{"token":"aaa.bbb.ccc"}', b"Connection: close\r\n")) as server:
        check(connector, server)
        other = ScriptedControlRoom(tmp_path, {"/": answers(200)}, certificate="another")
        with other:
            server.context = other.context
            answer = push(connector, LOGIN, CANARY)
            assert (answer["code"], answer["host_key"]["sha256"]) == ("host_key_changed", other.pin)
            assert CANARY.encode() not in server.heard and len(server.requests) == 1


def test_no_tls(connector, tmp_path):
    with ScriptedControlRoom(tmp_path, has_tls=False) as server:
        answer = try_check(connector, server, pins=keys("SHA256:" + "B" * 43), timeout_s=3)
        assert answer["code"] == "unreachable"
        assert PUSHER[1].encode() not in server.heard


def test_plain_http_says_what_to_do(connector):
    with garbage(greeting=b"HTTP/1.1 400 Bad Request\r\n\r\n") as server:
        server.pin = "SHA256:" + "B" * 43
        answer = try_check(connector, server, timeout_s=3)
        assert answer["code"] == "unreachable" and "https" in answer["text"]


def test_old_tls(connector, tmp_path):
    with ScriptedControlRoom(tmp_path, {"/": answers(200)}, version=ssl.TLSVersion.TLSv1_1) as server:
        assert try_check(connector, server, pins=keys("SHA256:" + "B" * 43), timeout_s=3)["code"] == "unreachable"
        assert server.requests == []


def test_silence_and_nobody(connector):
    with silent() as server:
        server.pin = "SHA256:" + "B" * 43
        began = time.monotonic()
        assert try_check(connector, server, timeout_s=3)["code"] == "unreachable"
        assert time.monotonic() - began < 7
    second = Connector("controlroom")

    class Nobody:
        address, port, pin = "127.0.0.1", free_port(), "SHA256:" + "B" * 43
    assert try_check(second, Nobody)["code"] == "unreachable"
    second.end()


def test_proxies_and_redirects_do_not_count(far):
    """The environment of a connector is empty anyway; a proxy that does not exist would break it."""
    names = {"https_proxy": "http://127.0.0.1:1", "ALL_PROXY": "socks5://127.0.0.1:1", "SSL_CERT_FILE": "/nowhere", "OPENSSL_CONF": "/nowhere", "CURL_CA_BUNDLE": "/nowhere"}
    kept = {name: os.environ.get(name) for name in names}
    os.environ.update(names)
    try:
        connector = Connector("controlroom")
    finally:
        for name, value in kept.items():
            os.environ.pop(name) if value is None else os.environ.update({name: value})
    check(connector, far)
    connector.end()


def test_the_program_gives_up_what_it_does_not_need(connector, far):
    check(connector, far)
    status = connector.status()
    assert status["Seccomp"] == "2" and status["NoNewPrivs"] == "1" and status["Threads"] == "1"
