"""tests/rotation/scripted_ldap.py: an LDAP server whose every answer a test can choose, behind real TLS.

    with ScriptedLdap(server.directory, on={PASSWD: result(EXTENDED, 80)}) as impostor:
        ...
    assert b"secret" not in impostor.heard       # what clients said inside TLS

An answer is a function of (server, connection, message id, request) that may send, sleep or raise ConnectionError.
What is not chosen succeeds: any base is found as an entry, a removal finds no such value.
"""

import contextlib
import pathlib
import socket
import ssl
import threading
import warnings

BIND, SEARCH, MODIFY, PASSWD, UNBIND, TLS = 0x60, 0x63, 0x66, 0x77, 0x42, 0x100
BIND_DONE, SEARCH_ENTRY, SEARCH_DONE, MODIFY_DONE, EXTENDED = 0x61, 0x64, 0x65, 0x67, 0x78
START_TLS_OID = b"1.3.6.1.4.1.1466.20037"


def ber(tag, *parts):
    body = b"".join(parts)
    size = bytes([len(body)]) if len(body) < 128 else b"\x84" + len(body).to_bytes(4, "big")
    return bytes([tag]) + size + body


def message(number, operation):
    return ber(0x30, ber(0x02, number.to_bytes(4, "big")), operation)


def result_bytes(number, kind, code, text=b""):
    return message(number, ber(kind, ber(0x0a, bytes([code])), ber(0x04), ber(0x04, text)))


def result(kind, code, text=b""):
    return lambda server, connection, number, _: connection.sendall(result_bytes(number, kind, code, text))


def says(data):
    """Bytes as they are, then silence."""
    return lambda server, connection, number, _: connection.sendall(data)


def hangs(server, connection, number, _):
    server.ended.wait(60)


def closes(server, connection, number, _):
    raise ConnectionAbortedError


def drips(server, connection, number, _):
    """A well-formed answer, but for ever on its way."""
    for value in result_bytes(number, EXTENDED, 0, b"x" * 1000):
        connection.sendall(bytes([value]))
        if server.ended.wait(0.2):
            return


def entry_bytes(number, dn):
    return message(number, ber(SEARCH_ENTRY, ber(0x04, dn), ber(0x30)))


def endless_entries(server, connection, number, _):
    data = entry_bytes(number, b"uid=x," + b"ou=y," * 1000 + b"dc=z") * 16
    while not server.ended.is_set():
        connection.sendall(data)


def announces(size, count=64 << 20):
    """A message of `size` bytes, of which `count` are sent."""
    def answer(server, connection, number, _):
        connection.sendall(b"\x30\x84" + size.to_bytes(4, "big"))
        for _ in range(count >> 16):
            connection.sendall(b"\0" * 65536)
    return answer


def _found(server, connection, number, request):
    connection.sendall(entry_bytes(number, b"uid=u1,dc=lab,dc=test") + result_bytes(number, SEARCH_DONE, 0))


DEFAULTS = {BIND: result(BIND_DONE, 0), SEARCH: _found, MODIFY: result(MODIFY_DONE, 16), PASSWD: result(EXTENDED, 0),
            TLS: result(EXTENDED, 0)}


class ScriptedLdap:
    """Listens on a free port of 127.0.0.1 with the certificate and key in a folder (cert.pem, key.pem)."""

    address = "127.0.0.1"

    def __init__(self, folder, on=None, most_tls=None):
        self.answers = {**DEFAULTS, **(on or {})}
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.load_cert_chain(pathlib.Path(folder) / "cert.pem", pathlib.Path(folder) / "key.pem")
        if most_tls:
            self.context.set_ciphers("ALL:@SECLEVEL=0")
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", DeprecationWarning)
                self.context.minimum_version = ssl.TLSVersion.TLSv1
                self.context.maximum_version = most_tls
        self.heard = b""
        self.operations = []
        self.handshakes = 0
        self.ended = threading.Event()
        self._open = []
        self._listener = socket.create_server((self.address, 0))
        self.port = self._listener.getsockname()[1]
        self._threads = [threading.Thread(target=self._accept, daemon=True)]
        self._threads[0].start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.ended.set()
        for one in [self._listener, *self._open]:
            with contextlib.suppress(OSError):
                socket.socket.shutdown(one, socket.SHUT_RDWR)  # ssl's own would let what follows be read undeciphered
        for thread in self._threads:
            thread.join(10)
        self._listener.close()

    def _accept(self):
        while not self.ended.is_set():
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            self._open.append(connection)
            self._threads.append(threading.Thread(target=self._serve, args=(connection,), daemon=True))
            self._threads[-1].start()

    def _serve(self, plain):
        with contextlib.suppress(OSError), plain:
            number, request = _read(plain.makefile("rb", 0))
            assert START_TLS_OID in request
            self.answers[TLS](self, plain, number, request)
            with self.context.wrap_socket(plain, server_side=True) as connection:
                self._open.append(connection)
                self.handshakes += 1
                self._talk(connection)

    def _talk(self, connection):
        reader = connection.makefile("rb", 0)
        while True:
            number, request = _read(reader)
            self.heard += request
            self.operations.append(request[0])
            if request[0] == UNBIND:
                return
            self.answers[request[0]](self, connection, number, request)


def _exactly(reader, size):
    data = b""
    while len(data) < size:
        more = reader.read(size - len(data))
        if not more:
            raise ConnectionResetError
        data += more
    return data


def _read(reader):
    """One LDAP message: its number, and its operation's bytes with whatever follows."""
    head = _exactly(reader, 2)
    size = head[1]
    if size >= 128:
        size = int.from_bytes(_exactly(reader, size - 128), "big")
    body = _exactly(reader, size)
    return int.from_bytes(body[2:2 + body[1]], "big"), body[2 + body[1]:]
