"""tests/rotation/scripted_postgresql.py: a PostgreSQL server over TLS that says what a test wants.

    with ScriptedServer(certificate, key, ask=b"R...") as server:         # any other request for a proof
    with ScriptedServer(certificate, key, password="x", replies=[...]) as server:  # SCRAM-SHA-256-PLUS, then a script
    assert b"secret" not in server.heard                                  # all that came after the TLS handshake

sent counts the bytes of replies that the client has taken, or the kernels between.

replies: one for each Sync or Query of the client: a list of texts (one row; None is null), bytes as they are, or "end".
After the last one it falls silent and keeps the connection. A reply that is endless is a generator of bytes.
"""

import base64
import contextlib
import hashlib
import hmac
import socket
import ssl
import struct
import threading

SSL_REQUEST = struct.pack(">II", 8, 80877103)
READY = b"Z\0\0\0\5I"
SALT = b"0123456789abcdef"
ITERATIONS = 4096


def message(kind, body):
    return kind + struct.pack(">I", len(body) + 4) + body


def authentication(number, body=b""):
    return message(b"R", struct.pack(">I", number) + body)


def error(severity, state, text):
    fields = f"S{severity}\0V{severity}\0C{state}\0M{text}\0Fx.c\0L1\0Rsomewhere\0\0"
    return message(b"E", fields.encode())


def row(values):
    columns = b"".join(b"c\0" + struct.pack(">IhIhih", 0, 0, 25, -1, -1, 0) for _ in values)
    cells = b"".join(struct.pack(">i", -1) if value is None else struct.pack(">i", len(value)) + value.encode()
                     for value in values)
    count = struct.pack(">h", len(values))
    return message(b"T", count + columns) + message(b"D", count + cells) + message(b"C", b"SELECT 1\0") + READY


class ScriptedServer:
    address = "127.0.0.1"

    def __init__(self, certificate, key, *, ask=None, password=None, replies=(), before_tls=None):
        self.heard = b""
        self.sent = 0
        self.connections = 0
        self._ask, self._password, self._replies, self._before_tls = ask, password, replies, before_tls
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._context.load_cert_chain(certificate, key)
        hashed = ssl.PEM_cert_to_DER_cert(open(certificate).read())
        self._bound = hashlib.sha256(hashed).digest()
        self._open = []
        self._listener = socket.create_server((self.address, 0))
        self.port = self._listener.getsockname()[1]
        self._threads = [threading.Thread(target=self._accept, daemon=True)]
        self._threads[0].start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for one in [self._listener, *self._open]:
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(10)
        for one in [self._listener, *self._open]:
            one.close()

    def _accept(self):
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self._listener.accept()
                self.connections += 1
                self._open.append(connection)
                thread = threading.Thread(target=self._serve, args=(connection,), daemon=True)
                self._threads.append(thread)
                thread.start()

    def _serve(self, connection):
        with contextlib.suppress(OSError, ConnectionError):
            assert connection.recv(8) == SSL_REQUEST
            if self._before_tls is not None:
                connection.sendall(self._before_tls)
                if not self._before_tls.startswith(b"S"):
                    self._listen_for_ever(connection)
            else:
                connection.sendall(b"S")
            with self._context.wrap_socket(connection, server_side=True) as tls:
                self._open.append(tls)
                self._speak(tls)

    def _speak(self, tls):
        self._exactly(tls, struct.unpack(">I", self._exactly(tls, 4))[0] - 4)
        if self._ask is not None:
            tls.sendall(self._ask)
            self._listen_for_ever(tls)
        self._scram(tls)
        tls.sendall(authentication(0) + message(b"S", b"server_version\00015.20\0") +
                    message(b"K", b"\0\0\0\1\0\0\0\2") + READY)
        for reply in self._replies:
            while self._message(tls)[0] not in b"SQ":
                pass
            if reply == "end":
                return
            for part in [row(reply)] if isinstance(reply, list) else [reply] if isinstance(reply, bytes) else reply:
                tls.sendall(part)
                self.sent += len(part)
        self._listen_for_ever(tls)

    def _scram(self, tls):
        tls.sendall(authentication(10, b"SCRAM-SHA-256-PLUS\0\0"))
        first = self._message(tls)[1].split(b"\0", 1)[1][4:].decode()
        bare = first[len("p=tls-server-end-point,,"):]
        nonce = bare.split("r=")[1] + "SCRIPTED"
        answer = f"r={nonce},s={base64.b64encode(SALT).decode()},i={ITERATIONS}"
        tls.sendall(authentication(11, answer.encode()))
        last = self._message(tls)[1].decode()
        without_proof = last[:last.index(",p=")]
        bound = base64.b64decode(without_proof.split(",")[0][2:])
        assert bound == b"p=tls-server-end-point,," + self._bound
        salted = hashlib.pbkdf2_hmac("sha256", self._password.encode(), SALT, ITERATIONS)
        server_key = hmac.digest(salted, b"Server Key", "sha256")
        signature = hmac.digest(server_key, f"{bare},{answer},{without_proof}".encode(), "sha256")
        tls.sendall(authentication(12, b"v=" + base64.b64encode(signature)))

    def _message(self, tls):
        kind = self._exactly(tls, 1)
        return kind, self._exactly(tls, struct.unpack(">I", self._exactly(tls, 4))[0] - 4)

    def _exactly(self, tls, count):
        data = b""
        while len(data) < count:
            part = tls.recv(count - len(data))
            if not part:
                raise ConnectionError
            data += part
            self.heard += part
        return data

    def _listen_for_ever(self, connection):
        while part := connection.recv(65536):
            self.heard += part
        raise ConnectionError
