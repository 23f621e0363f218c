"""tests/rotation/scripted_controlroom.py: an HTTPS server that does what no real Control Room does, on purpose.

    with ScriptedControlRoom(folder, answers={"/v2/authentication": token(), "PUT ": says(b"HTTP/1.1 500 …")}) as far:
        ...
    far.requests      # (method, path, head, body) as they came

An answer is called as answer(server, connection, request); the first key that begins the path, or "METHOD path", counts.
"""
import contextlib
import os
import socket
import ssl
import subprocess
import threading

from control_room import pin_of


def make_certificate(folder, name="scripted"):
    files = [os.path.join(str(folder), f"{name}.{end}") for end in ("crt", "key")]
    if not os.path.exists(files[0]):
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2",
                        "-subj", "/CN=scripted", "-out", files[0], "-keyout", files[1]], check=True, capture_output=True)
    return files


def says(data):
    """Bytes as they are, then the connection stays open and silent."""
    return lambda server, connection, request: connection.sendall(data)


def answers(status, body=b"{}", head=b""):
    return says(b"HTTP/1.1 %d X\r\nContent-Type: application/json\r\n%sContent-Length: %d\r\n\r\n%s" % (status, head, len(body), body))


def token(text=b"aaa.bbb.ccc"):
    return answers(200, b'{"token":"' + text + b'","user":{"id":7}}')


def hangs(server, connection, request):
    server.ended.wait(60)


def closes(server, connection, request):
    raise ConnectionAbortedError


def drips(server, connection, request):
    for value in b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n" + b"x" * 100000:
        connection.sendall(bytes([value]))
        if server.ended.wait(0.2):
            return


def endless(start):
    def answer(server, connection, request):
        connection.sendall(start)
        while not server.ended.is_set():
            connection.sendall(b"A" * 65536)
    return answer


class ScriptedControlRoom:
    address = "127.0.0.1"

    def __init__(self, folder, script=None, has_tls=True, certificate="scripted", version=None):
        self.script = dict(script or {})
        self.requests, self.heard, self.open = [], b"", []
        self.connections = 0
        self.ended = threading.Event()
        self.context = None
        if has_tls:
            self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self.context.load_cert_chain(*make_certificate(folder, certificate))
            if version:
                self.context.set_ciphers("ALL:@SECLEVEL=0")
                self.context.minimum_version = self.context.maximum_version = version
        self.listener = socket.create_server((self.address, 0), backlog=64)
        self.port = self.listener.getsockname()[1]
        self.threads = [threading.Thread(target=self.accept, daemon=True)]
        self.threads[0].start()
        self.pin = pin_of(self.port) if has_tls and not version else ""
        self.requests, self.heard, self.connections = [], b"", 0

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.ended.set()
        with contextlib.suppress(OSError):
            self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        for connection in self.open:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        for thread in self.threads:
            thread.join(10)

    def accept(self):
        while not self.ended.is_set():
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            self.connections += 1
            self.open.append(connection)
            thread = threading.Thread(target=self.serve, args=(connection,), daemon=True)
            self.threads.append(thread)
            thread.start()

    def serve(self, plain):
        with contextlib.suppress(OSError, ssl.SSLError, ConnectionAbortedError), plain:
            plain.settimeout(30)
            if not self.context:
                while data := plain.recv(65536):
                    self.heard += data
                return
            with self.context.wrap_socket(plain, server_side=True) as connection:
                self.open.append(connection)
                while request := self.read(connection):
                    self.requests.append(request)
                    self.answer(connection, request)

    def read(self, connection):
        data = b""
        while b"\r\n\r\n" not in data:
            more = connection.recv(65536)
            if not more:
                return None
            data += more
            self.heard += more
        head, _, body = data.partition(b"\r\n\r\n")
        fields = dict(line.split(b": ", 1) for line in head.split(b"\r\n")[1:] if b": " in line)
        length = int(fields.get(b"Content-Length", b"0"))
        while len(body) < length:
            more = connection.recv(65536)
            body += more
            self.heard += more
        method, path, _ = head.split(b"\r\n")[0].decode().split(" ")
        return method, path, head, body

    def answer(self, connection, request):
        for key, answer in self.script.items():
            if request[1].startswith(key) or f"{request[0]} {request[1]}".startswith(key):
                return answer(self, connection, request)
        raise AssertionError(f"nothing is scripted for {request[:2]}")
