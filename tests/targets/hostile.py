"""tests/targets/hostile.py: servers that misbehave on purpose, to see that whoever connects stays bounded.

    with endless_banner() as server:
        connect("127.0.0.1", server.port)
    assert b"secret" not in server.heard

Each one answers every connection the same way until the end of the `with` block. `connections` counts them,
`heard` is what clients sent (the first 1 MiB), `sent` how many bytes the server could get rid of.
"""

import contextlib
import random
import socket
import struct
import threading

HEARD_MAX = 1 << 20
SSH_GREETING = b"SSH-2.0-OpenSSH_9.2p1 Debian-2\r\n"


class HostileServer:
    """Accept on a free port of 127.0.0.1 and run behaviour(server, connection) for each client in a thread."""

    address = "127.0.0.1"

    def __init__(self, behaviour):
        self.connections = 0
        self.sent = 0
        self.heard = b""
        self._behaviour = behaviour
        self._ended = threading.Event()
        self._lock = threading.Lock()
        self._open = []
        self._listener = socket.create_server((self.address, 0), backlog=64)
        self.port = self._listener.getsockname()[1]
        self._threads = [threading.Thread(target=self._accept, daemon=True)]
        self._threads[0].start()

    def _accept(self):
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            with self._lock:
                if self._ended.is_set():
                    connection.close()
                    return
                self.connections += 1
                self._open.append(connection)
                thread = threading.Thread(target=self._serve, args=(connection,), daemon=True)
                self._threads.append(thread)
                thread.start()

    def _serve(self, connection):
        with contextlib.suppress(OSError):
            self._behaviour(self, connection)
        with contextlib.suppress(OSError):
            connection.close()

    def say(self, connection, data):
        """Send all of data and listen in passing, so that a client that sends first is never stuck.

        Return whether the client said anything meanwhile."""
        rest = memoryview(data)
        has_heard = False
        while rest:
            count = connection.send(rest[:65536])
            rest = rest[count:]
            with self._lock:
                self.sent += count
            has_heard |= self.listen(connection, wait=False)
        return has_heard

    def listen(self, connection, wait=True):
        """Take what the client sends; return whether anything came. Raises OSError when the client has gone."""
        try:
            data = connection.recv(65536, 0 if wait else socket.MSG_DONTWAIT)
        except BlockingIOError:
            return False
        if not data and wait:
            raise ConnectionResetError
        with self._lock:
            self.heard += data[:HEARD_MAX - len(self.heard)]
        return bool(data)

    def pause(self, seconds):
        """Sleep, but end at once with the server."""
        if self._ended.wait(seconds):
            raise ConnectionAbortedError

    def stop(self):
        with self._lock:
            self._ended.set()
            for connection in self._open:
                with contextlib.suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)
            with contextlib.suppress(OSError):
                self._listener.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(10)
        self._listener.close()


@contextlib.contextmanager
def _serving(behaviour):
    server = HostileServer(behaviour)
    try:
        yield server
    finally:
        server.stop()


def _listen_for_ever(server, connection):
    while True:
        server.listen(connection)


def endless_banner(start=b"SSH-2.0-"):
    """One line that never ends, as fast as the client takes it."""
    def behave(server, connection):
        server.say(connection, start)
        while True:
            server.say(connection, b"A" * 65536)
    return _serving(behave)


def garbage(size=65536, seed=1, greeting=b""):
    """Random bytes, the same ones for the same seed, then silence with the connection open."""
    def behave(server, connection):
        server.say(connection, greeting + random.Random(seed).randbytes(size))
        _listen_for_ever(server, connection)
    return _serving(behave)


def huge_reply(size=64 << 20, greeting=SSH_GREETING):
    """A proper greeting; whatever the client says then is answered with a packet that announces 4 GiB, and `size`
    bytes of it."""
    def behave(server, connection):
        if not server.say(connection, greeting):
            server.listen(connection)
        server.say(connection, struct.pack(">I", 0xFFFFFFFF))
        for _ in range(size >> 16):
            server.say(connection, b"\0" * 65536)
        _listen_for_ever(server, connection)
    return _serving(behave)


def silent():
    """Accept and never say a word."""
    return _serving(_listen_for_ever)


def closes_at_once(reset=False):
    """Accept and close: in order, or with a reset."""
    def behave(_, connection):
        if reset:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    return _serving(behave)


def talks_for_ever(line=b"please hold the line\r\n", every_s=0.05):
    """Short, well-formed lines without end: no time-out on silence ever fires, only one on the whole exchange."""
    def behave(server, connection):
        while True:
            server.say(connection, line)
            server.pause(every_s)
    return _serving(behave)


def drips(data=SSH_GREETING, every_s=0.5):
    """A proper greeting, one byte at a time, then silence."""
    def behave(server, connection):
        for value in data:
            server.say(connection, bytes([value]))
            server.pause(every_s)
        _listen_for_ever(server, connection)
    return _serving(behave)
