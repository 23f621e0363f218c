"""tests/rotation/mysql_fixtures.py: a MariaDB server, a connector that may not tell secrets, and a server that lies."""

import contextlib
import pathlib
import socket
import ssl
import struct
import sys
import threading

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "targets"))

from connector import Connector  # noqa: E402
from mariadb_server import PASSWORDS, MariadbServer, native  # noqa: E402


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with MariadbServer(tmp_path_factory.mktemp("mariadb")) as running:
        yield running


@contextlib.contextmanager
def a_connector():
    """At its end nothing that was ever secret may stand in an answer or on standard error, and no sanitizer spoke."""
    running = Connector("mysql")
    secrets = set()
    call, send = running.call, running.send

    def remember(fields):
        for name in ("password", "current"):
            if len(fields.get(name) or "") >= 4:
                secrets.update((fields[name], native(fields[name]), native(fields[name])[1:].lower()))
        if fields.get("functional"):
            remember(fields["functional"])

    def remembering_send(op, **fields):
        remember(fields)
        send(op, **fields)

    running.send, running.call = remembering_send, call
    yield running
    problems = b""
    if running.line.fileno() >= 0:
        _, problems = running.end()
    text = b"".join(running.heard) + problems
    assert b"Sanitizer" not in problems and b"runtime error" not in problems, problems.decode()
    for secret in secrets:
        assert secret.encode() not in text


@pytest.fixture
def connector():
    with a_connector() as running:
        yield running


def target(where, timeout_s=20):
    return {"name": "db01", "address": "127.0.0.1", "port": where.port, "timeout_s": timeout_s, "instance": "",
            "domain": ""}


def request(where, account="u1", who="func", pin=None, timeout_s=20, **more):
    signs_in = {"account": who, "password": PASSWORDS[who], "private_key": None, "elevation": ""} if who else None
    return {"target": target(where, timeout_s), "functional": signs_in, "account": account,
            "host_keys": [{"type": "x509", "sha256": pin or where.pin}], **more}


def check(connector, where, account="u1", who="func", **more):
    answer = connector.call("check", **request(where, account, who, **more))
    assert answer["ok"], answer
    return answer


def change(connector, account, password, **more):
    return connector.call("change", account=account, part="password", password=password, **more)


def word(connector, account, password):
    answer = connector.call("login", account=account, password=password)
    return answer["result"] if answer["ok"] else answer["code"]


class LyingServer:
    """Speaks the protocol's start with the certificate of `directory`, hands each client that has finished TLS to
    behave(say, listen), and keeps what came over TLS in `heard`."""

    OFFERS = 0x81FFF7FF | 0x0800  # all, TLS among it, but compression

    def __init__(self, directory, behave):
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.load_cert_chain(directory / "cert.pem", directory / "key.pem")
        self.behave = behave
        self.heard = b""
        self.handshakes = 0
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.clients = []
        self.threads = [threading.Thread(target=self._accept, daemon=True)]
        self.threads[0].start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for one in [self.listener, *self.clients]:
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()
        for thread in self.threads:
            thread.join(10)

    def _accept(self):
        with contextlib.suppress(OSError):
            while True:
                client, _ = self.listener.accept()
                client.settimeout(20)
                self.clients.append(client)
                self.threads.append(threading.Thread(target=self._serve, args=(client,), daemon=True))
                self.threads[-1].start()

    def _serve(self, client):
        with contextlib.suppress(OSError):
            greeting = (b"\x0a5.5.5-10.11.0-MariaDB\0" + struct.pack("<I", 7) + b"abcdefgh\0"
                        + struct.pack("<H", self.OFFERS & 0xFFFF) + b"\x2d\x02\0" + struct.pack("<H", self.OFFERS >> 16)
                        + b"\x15" + b"\0" * 10 + b"ijklmnopqrst\0mysql_native_password\0")
            client.sendall(_packet(0, greeting))
            _read_packet(client)
            tls = self.context.wrap_socket(client, server_side=True)
            self.clients.append(tls)
            self.handshakes += 1

            def listen():
                number, body = _read_packet(tls)
                self.heard += body
                return number, body

            def say(number, body):
                tls.sendall(_packet(number, body))

            self.behave(say, listen)
            while True:
                listen()


def _packet(number, body):
    return struct.pack("<I", len(body))[:3] + bytes([number & 0xFF]) + body


def _read_packet(connection):
    def exactly(n):
        data = b""
        while len(data) < n:
            more = connection.recv(n - len(data))
            if not more:
                raise ConnectionResetError
            data += more
        return data
    header = exactly(4)
    return header[3], exactly(int.from_bytes(header[:3], "little"))
