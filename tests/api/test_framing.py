"""tests/api/test_framing.py: bytes on a socket against the real server: what two readers could take for different requests is refused."""
import json
import os
import re
import socket
import ssl
import threading
import time

import pytest

from support import KEYTURN, PS, Server, wait_for

HOST = b"Host: 127.0.0.1\r\n"
LAST = b"Connection: close"
LIVE = b"GET /api/v1/health/live HTTP/1.1\r\n" + HOST + LAST + b"\r\n\r\n"
KEPT = b"GET /api/v1/health/live HTTP/1.1\r\n" + HOST + b"\r\n"


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    server = Server(directory=str(tmp_path_factory.mktemp("server")), listen=["http://127.0.0.1:0", "https://127.0.0.1:0"])
    server.start()
    yield server
    server.stop()
    report = server.audit_is_intact()
    assert report.returncode == 0, report.stdout + report.stderr


class Answer:
    def __init__(self, head, body):
        lines = head.decode("latin-1").split("\r\n")
        self.version, self.status = lines[0].split(" ", 2)[0], int(lines[0].split(" ", 2)[1])
        self.fields = [tuple(line.split(": ", 1)) for line in lines[1:]]
        self.headers = {name.lower(): value for name, value in self.fields}
        self.body = body


def connect(server, secure=False):
    url = server.urls[1 if secure else 0]
    raw = socket.create_connection(("127.0.0.1", int(url.rsplit(":", 1)[1])), timeout=20)
    raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    if not secure:
        return raw
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context.wrap_socket(raw)


def all_bytes(connection, seconds=20):
    connection.settimeout(seconds)
    got = b""
    try:
        while piece := connection.recv(65536):
            got += piece
    except ConnectionResetError:
        pass
    return got


def answers_in(got):
    """Every answer in the bytes; whatever cannot be read as one fails the test."""
    found = []
    while got:
        head, separator, rest = got.partition(b"\r\n\r\n")
        assert separator, got[:200]
        answer = Answer(head, b"")
        if answer.status == 100:
            got = rest
            continue
        length = int(answer.headers.get("content-length", 0))
        assert len(rest) >= length, (answer.status, length, len(rest))
        answer.body, got = rest[:length], rest[length:]
        found.append(answer)
    return found


def exchange(server, data, secure=False, seconds=20):
    """All answers to these bytes, up to the end of the connection: the last request asks for it, or is refused."""
    with connect(server, secure) as connection:
        send_what_goes(connection, data)
        return answers_in(all_bytes(connection, seconds))


def is_own_error(answer, path):
    if path.startswith(PS):
        assert answer.headers["content-type"] == "text/plain; charset=utf-8"
        assert answer.body and not answer.body.startswith(b"{")
        return
    assert answer.headers["content-type"] == "application/json"
    body = json.loads(answer.body)
    assert set(body) == {"code", "message", "details"} and body["message"]


def has_common_headers(answer, secure=False):
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert ("strict-transport-security" in answer.headers) == secure
    assert not [name for name in answer.headers if name.startswith("access-control-")]
    assert "server" not in answer.headers
    names = [name.lower() for name, _ in answer.fields]
    assert len(set(names)) == len(names), names


def request(line, *fields, body=b"", host=True):
    return line + b"\r\n" + (HOST if host else b"") + b"".join(field + b"\r\n" for field in fields) + b"\r\n" + body


GET = b"GET /api/v1/health/live HTTP/1.1"
POST = b"POST /v2/authentication HTTP/1.1"
SMUGGLED = b"GET /api/v1/health/live?smuggled HTTP/1.1\r\n" + HOST + b"\r\n"

REFUSED = {
    "content-length and chunked": (400, request(POST, b"Content-Length: 4", b"Transfer-Encoding: chunked", body=b"0\r\n\r\n" + SMUGGLED)),
    "chunked and content-length": (400, request(POST, b"Transfer-Encoding: chunked", b"Content-Length: 4", body=b"0\r\n\r\n" + SMUGGLED)),
    "two lengths": (400, request(POST, b"Content-Length: 0", b"Content-Length: 55", body=SMUGGLED)),
    "two equal lengths": (400, request(POST, b"Content-Length: 2", b"Content-Length: 2", body=b"{}")),
    "a list of lengths": (400, request(POST, b"Content-Length: 2, 2", body=b"{}")),
    "a signed length": (400, request(POST, b"Content-Length: +2", body=b"{}")),
    "a negative length": (400, request(POST, b"Content-Length: -1")),
    "a hexadecimal length": (400, request(POST, b"Content-Length: 0x2", body=b"{}")),
    "an empty length": (400, request(POST, b"Content-Length: ")),
    "a length with a blank in it": (400, request(POST, b"Content-Length: 1 0", body=b"0123456789")),
    "a length that overflows": (400, request(POST, b"Content-Length: 18446744073709551618", body=b"{}")),
    "two encodings": (400, request(POST, b"Transfer-Encoding: chunked", b"Transfer-Encoding: identity", body=b"0\r\n\r\n")),
    "gzip, chunked": (400, request(POST, b"Transfer-Encoding: gzip, chunked", body=b"0\r\n\r\n")),
    "xchunked": (400, request(POST, b"Transfer-Encoding: xchunked", body=b"0\r\n\r\n")),
    "chunked in HTTP/1.0": (400, b"POST /v2/authentication HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
    "an encoding before a vertical tab": (400, request(POST, b"Transfer-Encoding:\x0bchunked", body=b"0\r\n\r\n")),
    "a bare LF after the request line": (400, GET + b"\n" + HOST + b"\r\n"),
    "a bare LF after a header": (400, GET + b"\r\nHost: 127.0.0.1\n\r\n"),
    "a bare LF at the end": (400, GET + b"\r\n" + HOST + b"\n"),
    "a bare CR in a header": (400, request(GET, b"X-One: 1\rX-Two: 2")),
    "a bare CR before the end": (400, GET + b"\r\n" + HOST + b"\r\rX: 1\r\n\r\n"),
    "CR LF CR X": (400, GET + b"\r\n" + HOST + b"X: 1\r\n\rX"),
    "a NUL in a header": (400, request(GET, b"X-One: a\x00b")),
    "a NUL in the target": (400, b"GET /api/v1/\x00health HTTP/1.1\r\n" + HOST + b"\r\n"),
    "a folded header": (400, request(GET, b"X-One: 1\r\n 2")),
    "a folded length": (400, request(POST, b"Content-Length:\r\n 2", body=b"{}")),
    "a folded encoding": (400, request(POST, b"Transfer-Encoding:\r\n\tchunked", body=b"0\r\n\r\n")),
    "a first header that begins with a blank": (400, GET + b"\r\n Content-Length: 2\r\n" + HOST + b"\r\n"),
    "a blank before the colon": (400, request(POST, b"Content-Length : 2", body=b"{}")),
    "a header without a name": (400, request(GET, b": 1")),
    "a header without a colon": (400, request(GET, b"X-One")),
    "no Host": (400, request(GET, host=False)),
    "two Hosts": (400, request(GET, b"Host: example.org")),
    "two equal Hosts": (400, request(GET, b"Host: 127.0.0.1")),
    "an empty Host": (400, request(GET, b"Host: ", host=False)),
    "a Host with a path": (400, request(GET, b"Host: 127.0.0.1/x", host=False)),
    "a Host with a user": (400, request(GET, b"Host: a@127.0.0.1", host=False)),
    "two Authorizations": (400, request(GET, b"Authorization: a", b"Authorization: b")),
    "two X-Authorizations": (400, request(GET, b"X-Authorization: a", b"x-authorization: b")),
    "two Content-Types": (400, request(POST, b"Content-Type: application/json", b"Content-Type: text/xml", b"Content-Length: 2", body=b"{}")),
    "two Cookies": (400, request(GET, b"Cookie: a=1", b"Cookie: b=2")),
    "a target that is a URL": (400, b"GET http://127.0.0.1/api/v1/health/live HTTP/1.1\r\n" + HOST + b"\r\n"),
    "a target without a slash": (400, b"GET api/v1/health/live HTTP/1.1\r\n" + HOST + b"\r\n"),
    "an asterisk": (400, b"GET * HTTP/1.1\r\n" + HOST + b"\r\n"),
    "a fragment": (400, b"GET /api/v1/health/live#x HTTP/1.1\r\n" + HOST + b"\r\n"),
    "two blanks in the request line": (400, b"GET  /api/v1/health/live HTTP/1.1\r\n" + HOST + b"\r\n"),
    "a TAB in the request line": (400, b"GET\t/api/v1/health/live HTTP/1.1\r\n" + HOST + b"\r\n"),
    "an 8-bit target": (400, "GET /api/v1/ü HTTP/1.1\r\n".encode() + HOST + b"\r\n"),
    "HTTP/0.9": (400, b"GET /api/v1/health/live\r\n\r\n"),
    "HTTP/2.0": (505, b"GET /api/v1/health/live HTTP/2.0\r\n" + HOST + b"\r\n"),
    "the HTTP/2 preface": (505, b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
    "HTTP/1.2": (505, b"GET /api/v1/health/live HTTP/1.2\r\n" + HOST + b"\r\n"),
    "http/1.1 in small letters": (400, b"GET /api/v1/health/live http/1.1\r\n" + HOST + b"\r\n"),
    "CONNECT": ((400, 405), b"CONNECT 127.0.0.1:22 HTTP/1.1\r\n" + HOST + b"\r\n"),
    "CONNECT with a path": (405, b"CONNECT /api/v1/health/live HTTP/1.1\r\n" + HOST + b"\r\n"),
    "a method of nobody": (501, b"FROBNICATE /api/v1/health/live HTTP/1.1\r\n" + HOST + b"\r\n"),
    "a method in small letters": ((400, 501), b"get /api/v1/health/live HTTP/1.1\r\n" + HOST + b"\r\n"),
    "another expectation": (417, request(POST, b"Expect: 200-ok", b"Content-Length: 2", body=b"{}")),
    "TLS on the plain port": (400, b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(64)),
    "64 headers and one": (431, request(GET, *[b"X-%d: 1" % number for number in range(64)])),
    "a chunk size that is none": (400, request(POST, b"Transfer-Encoding: chunked", body=b"zz\r\n{}\r\n0\r\n\r\n")),
    "a chunk size that overflows": ((400, 413), request(POST, b"Transfer-Encoding: chunked", body=b"fffffffffffffffff\r\n{}\r\n0\r\n\r\n")),
    "bytes after a chunk": (400, request(POST, b"Transfer-Encoding: chunked", body=b"2\r\n{}XX\r\n0\r\n\r\n")),
    "a chunk that ends with LF": (400, request(POST, b"Transfer-Encoding: chunked", body=b"2\r\n{}\n0\r\n\r\n")),
    "a chunk size that ends with LF": (400, request(POST, b"Transfer-Encoding: chunked", body=b"2\n{}\r\n0\r\n\r\n")),
}


@pytest.mark.parametrize("what", REFUSED)
def test_is_refused_and_the_connection_ends(server, what):
    status, data = REFUSED[what]
    answers = exchange(server, data + LIVE)
    assert len(answers) == 1, [answer.status for answer in answers]
    assert answers[0].status in (status if isinstance(status, tuple) else (status,)), answers[0].body
    assert answers[0].headers["connection"] == "close"
    has_common_headers(answers[0])
    is_own_error(answers[0], "/")


ACCEPTED = {
    "plain": ([200], LIVE),
    "two in one packet": ([200, 200], KEPT + LIVE),
    "a body and another request": ([401, 200], request(POST, b"Content-Length: 36", body=b'{"username":"no","password":"wrong"}') + LIVE),
    "chunked and another request": ([401, 200], request(POST, b"Transfer-Encoding: chunked", body=b'1\r\n{\r\n23;x=y\r\n"username":"no","password":"wrong"}\r\n0\r\n\r\n') + LIVE),
    "trailers change nothing": ([401, 200], request(POST, b"Transfer-Encoding: chunked",
                                                    body=b'24\r\n{"username":"no","password":"wrong"}\r\n0\r\nHost: other\r\nX-Authorization: x\r\n\r\n') + LIVE),
    "an upgrade is not taken up": ([200, 200], request(GET, b"Connection: Upgrade", b"Upgrade: websocket") + LIVE),
    "h2c is not taken up": ([200, 200], request(GET, b"Connection: Upgrade, HTTP2-Settings", b"Upgrade: h2c", b"HTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA") + LIVE),
    "close": ([200], request(GET, b"Connection: close") + LIVE),
    "HTTP/1.0 without Host": ([200], b"GET /api/v1/health/live HTTP/1.0\r\n\r\n" + LIVE),
    "HTTP/1.0 kept alive": ([200, 200], b"GET /api/v1/health/live HTTP/1.0\r\nConnection: keep-alive\r\n\r\n" + LIVE),
    "a length of 0": ([400, 200], request(POST, b"Content-Length: 0") + LIVE),
    "62 other headers": ([200], request(GET, LAST, *[b"X-%d: 1" % number for number in range(62)])),
    "a body on a GET": ([200, 200], request(GET, b"Content-Length: 2", body=b'""') + LIVE),
    "an IPv6 Host": ([200], request(GET, b"Host: [::1]:8080", LAST, host=False)),
}


@pytest.mark.parametrize("secure", [False, True], ids=["plain", "tls"])
@pytest.mark.parametrize("what", ACCEPTED)
def test_is_taken_and_read_in_one_way(server, what, secure):
    statuses, data = ACCEPTED[what]
    answers = exchange(server, data, secure)
    assert [answer.status for answer in answers] == statuses
    for answer in answers:
        has_common_headers(answer, secure)
        assert answer.version == "HTTP/1.1" and "content-length" in answer.headers


@pytest.mark.parametrize("method", [b"TRACE", b"OPTIONS", b"PATCH"])
def test_a_method_that_no_path_has_gets_405_and_no_more(server, method):
    """Nothing is echoed, and no browser is told that it may come from elsewhere."""
    first, second = exchange(server, method + b" /api/v1/health/live HTTP/1.1\r\n" + HOST + b"X-Echo: echo-me\r\nOrigin: https://example.org\r\n"
                             b"Access-Control-Request-Method: POST\r\n\r\n" + LIVE)
    assert (first.status, second.status, first.headers["allow"]) == (405, 200, "GET")
    has_common_headers(first)
    is_own_error(first, "/api/v1/health/live")
    assert b"echo-me" not in first.body


def test_head_has_no_body(server):
    with connect(server) as connection:
        connection.sendall(b"HEAD /api/v1/health/live HTTP/1.1\r\n" + HOST + LAST + b"\r\n\r\n")
        head, separator, body = all_bytes(connection).partition(b"\r\n\r\n")
    answer = Answer(head, body)
    assert separator and body == b"" and answer.status == 405 and "GET" in answer.headers["allow"]
    has_common_headers(answer)


@pytest.mark.parametrize("line", [LIVE, KEPT])
def test_a_client_that_ends_its_half_gets_an_answer_or_none_but_no_half(server, line):
    with connect(server) as connection:
        connection.sendall(line)
        connection.shutdown(socket.SHUT_WR)
        assert len(answers_in(all_bytes(connection))) <= 1


@pytest.mark.parametrize("piece", [1, 7, 1000])
def test_a_request_may_come_in_any_pieces(server, piece):
    body = json.dumps({"username": "admin", "password": server.password}).encode()
    data = request(POST, b"Content-Length: %d" % len(body), b"Connection: close", body=body)
    with connect(server) as connection:
        for at in range(0, len(data), piece):
            connection.sendall(data[at:at + piece])
        answers = answers_in(all_bytes(connection))
    assert [answer.status for answer in answers] == [200]


def test_expect_100_continue_is_honoured(server):
    body = json.dumps({"username": "admin", "password": server.password}).encode()
    with connect(server) as connection:
        connection.sendall(request(POST, b"Content-Length: %d" % len(body), b"Expect: 100-continue", b"Connection: close"))
        assert connection.recv(1000) == b"HTTP/1.1 100 Continue\r\n\r\n"
        connection.sendall(body)
        assert [answer.status for answer in answers_in(all_bytes(connection))] == [200]


@pytest.mark.parametrize("path", ["/v2/credentialvault/credentials/list", PS + "/Workgroups", "/api/v1/version"])
@pytest.mark.parametrize("extra", [-200, 1, 100000])
def test_a_head_of_16_kib(server, path, extra):
    start = b"GET " + path.encode() + b" HTTP/1.1\r\n" + HOST + b"X-Long: "
    data = start + b"x" * (16384 + extra - len(start) - 4 - len(LAST) - 2) + b"\r\n" + LAST + b"\r\n\r\n"
    answers = exchange(server, data)
    assert len(answers) == 1
    if extra < 0:
        assert answers[0].status in (401, 405)
        is_own_error(answers[0], path)
        return
    assert answers[0].status == 431 and answers[0].headers["connection"] == "close"
    has_common_headers(answers[0])


@pytest.mark.parametrize("path, limit", [("/v2/authentication", 1 << 20), (PS + "/Workgroups", 4 << 20), ("/api/v1/devices", 1 << 20)])
@pytest.mark.parametrize("how", ["length", "chunked", "length of nothing"])
def test_a_body_that_is_too_large_gets_the_faces_own_error(server, path, limit, how):
    line = b"POST " + path.encode() + b" HTTP/1.1"
    if how == "chunked":
        data = request(line, b"Transfer-Encoding: chunked", body=b"%x\r\n" % (limit + 1) + b" " * (limit + 1) + b"\r\n0\r\n\r\n")
    elif how == "length":
        data = request(line, b"Content-Length: %d" % (limit + 1), body=b" " * (limit + 1))
    else:
        data = request(line, b"Content-Length: 999999999999999")
    with connect(server) as connection:
        sender = threading.Thread(target=lambda: send_what_goes(connection, data))
        sender.start()
        answers = answers_in(all_bytes(connection))
        sender.join()
    assert [answer.status for answer in answers] == [413]
    assert answers[0].headers["connection"] == "close"
    has_common_headers(answers[0])
    is_own_error(answers[0], path)


def send_what_goes(connection, data):
    try:
        connection.sendall(data)
    except OSError:
        pass


@pytest.mark.parametrize("path, limit", [("/v2/authentication", 1 << 20), (PS + "/Auth/Signout", 4 << 20)])
def test_a_body_of_just_the_limit_is_read(server, path, limit):
    text = b'{"username":"no","password":"no"}'
    answers = exchange(server, request(b"POST " + path.encode() + b" HTTP/1.1", b"Content-Length: %d" % limit, b"Content-Type: application/json", LAST,
                                       body=text + b" " * (limit - len(text))))
    assert [answer.status for answer in answers] == [200 if path.startswith(PS) else 401]


def drip(connection, data, pause, until):
    """Byte by byte; True when the other end answered or hung up before `until`."""
    connection.settimeout(pause)
    for number in range(len(data)):
        if time.monotonic() > until:
            return False
        try:
            connection.sendall(data[number:number + 1])
            connection.settimeout(pause)
            connection.recv(1, socket.MSG_PEEK)
            return True
        except socket.timeout:
            continue
        except OSError:
            return True
    return False


@pytest.mark.parametrize("start, seconds", [(b"GET /api/v1/health/live HTTP/1.1\r\n" + HOST + b"X-Slow: ", 10), (request(POST, b"Content-Length: 1000"), 30)],
                         ids=["head", "body"])
def test_a_slow_sender_meets_a_total_deadline(server, start, seconds):
    with connect(server) as connection:
        began = time.monotonic()
        connection.sendall(start)
        assert drip(connection, b"x" * 1000, 0.5, began + seconds + 8)
        took = time.monotonic() - began
        answers = answers_in(all_bytes(connection))
    assert seconds - 2 <= took <= seconds + 5
    assert [answer.status for answer in answers] == [408]
    has_common_headers(answers[0])


def test_slow_senders_hold_nobody_up(server):
    slow = [connect(server) for _ in range(300)]
    try:
        for connection in slow:
            connection.sendall(b"GET / HTTP/1.1\r\nHost: a\r\nX-")
        began = time.monotonic()
        for _ in range(50):
            assert exchange(server, LIVE)[0].status == 200
        assert time.monotonic() - began < 5
    finally:
        for connection in slow:
            connection.close()


def test_who_hangs_up_half_way_does_no_harm(server):
    data = request(POST, b"Content-Length: 36", body=b'{"username":"no","password":"wrong"}')
    for length in list(range(1, len(data), 5)) * 2:
        with connect(server) as connection:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\x00\x00\x00\x00\x00\x00\x00")
            connection.sendall(data[:length])
    assert exchange(server, LIVE)[0].status == 200


PATHS = ["/api/v1/health/live", "/api/v1/version", "/api/v1/nowhere", "/v2/credentialvault/credentials", "/v1/authentication/type", PS + "/Workgroups",
         PS + "/nowhere", "/swagger/", "/swagger", "/nowhere", "/"]


@pytest.mark.parametrize("secure", [False, True], ids=["plain", "tls"])
@pytest.mark.parametrize("path", PATHS)
def test_headers_of_every_answer(server, path, secure):
    answers = exchange(server, b"GET " + path.encode() + b" HTTP/1.1\r\n" + HOST + b"Origin: https://example.org\r\nConnection: close\r\n\r\n", secure)
    assert len(answers) == 1
    has_common_headers(answers[0], secure)
    if answers[0].headers.get("content-type", "").startswith("text/html"):
        assert "default-src 'self'" in answers[0].headers["content-security-policy"]
        assert "frame-ancestors 'none'" in answers[0].headers["content-security-policy"]


AS_OTHERS = ["/api/v1/health/live/", "/api/v1//health/live", "//api/v1/health/live", "/api/v1/./health/live", "/api/v1/x/../health/live", "/api/v1/%2e/health/live",
             "/api/v1/x/%2e%2e/health/live", "/api/v1/health%2flive", "/api/v1/health%252flive", "/api/v1;x/health/live", "/api/v1/health;x/live",
             "/api/v1/health/live%00", "/api/v1/health/live%0d%0aX:1", "/api/v1/he%61lth/live", "/api/v1/health/liv%c3%a9", "/api/v1/health/%ff", "/api/v1/health/%zz",
             "/API/v1/health/live", "/api/v1/health\\live", "/swagger/../root.key", "/swagger/..%2f..%2froot.key", "/swagger/%2e%2e/%2e%2e/keyturn.db", "/swagger//etc/passwd"]


@pytest.mark.parametrize("path", AS_OTHERS)
def test_a_path_has_one_reading(server, path):
    answers = exchange(server, b"GET " + path.encode() + b" HTTP/1.1\r\n" + HOST + LAST + b"\r\n\r\n")
    assert len(answers) == 1
    is_the_same = path in ("/api/v1/health/live/", "/api/v1/he%61lth/live")  # one slash at the end; an escape that was not needed
    assert answers[0].status == (200 if is_the_same else 404), answers[0].body
    assert b"root:" not in answers[0].body and b"SQLite" not in answers[0].body


def with_few_files(folder, soft, hard):
    program = folder / "keyturn-with-few-files"
    program.write_text(f'#!/bin/sh\nulimit -S -n {soft}\nulimit -H -n {hard}\nexec {KEYTURN} "$@"\n')
    program.chmod(0o755)
    server = Server(directory=str(folder / "server"))
    server.program = str(program)
    return server.start()


def test_idle_connections_leave_files_for_the_rest(tmp_path):
    server = with_few_files(tmp_path, 256, 400)
    connections = []
    try:
        limits = open(f"/proc/{server.process.pid}/limits").read()
        assert re.search(r"Max open files +400 +400 ", limits), "what it may have, it takes"
        admin = server.controlroom()
        for _ in range(400):
            connections.append(connect(server))
        time.sleep(1)
        assert len(os.listdir(f"/proc/{server.process.pid}/fd")) < 350
        assert admin.get("/v1/authentication/type").status_code == 200
        for connection in connections:
            connection.close()
        wait_for(lambda: exchange(server, LIVE))
        assert "cannot accept" not in server.log_text()
        server.stop()
    finally:
        server.close()
