"""tests/targets/cut_proxy.py: a TCP proxy that cuts a connection at an exact chunk.

Rehearse once to learn how many chunks an exchange has, then cut at each of them, in both directions:

    with CutProxy(host.port) as proxy:
        exchange(proxy.port)
    for direction, count in proxy.chunks.items():
        for after in range(count):
            with CutProxy(host.port, direction, after) as proxy:
                exchange(proxy.port)      # `after` chunks pass in that direction, the next is lost, both sides end

A cut before the last chunk "down" is "applied, reply lost"; one before the last chunk "up" is "not applied". The
client sees the same in both. A chunk is what one read returns: chunks may coalesce, so assert on the result of an
exchange and not on the number.
"""

import contextlib
import socket
import struct
import threading

UP = "up"  # client to server
DOWN = "down"  # server to client


class CutProxy:
    """Forward connections from a free port of 127.0.0.1 to 127.0.0.1:target_port, or from `listen` to `target_address`.

    cut, after   direction of the cut, and how many of its chunks pass first; None: forward everything
    counted      the direction whose chunks `after` counts, over all connections, when it is the other one: the answer to
                 the third request is exact where it is not known in how many chunks answers come
    connection   which connection is cut, from 0 in the order of their arrival; None: every one
    manner       "reset": both sides get a reset; "hang": that direction is silent from then on, all stays open
    delay_s      wait before each chunk is passed on
    """

    address = "127.0.0.1"

    def __init__(self, target_port, cut=None, after=0, *, connection=None, manner="reset", delay_s=0.0, counted=None, listen=None, target_address=None):
        if cut not in (None, UP, DOWN) or manner not in ("reset", "hang"):
            raise ValueError(f"no such cut: {cut}, {manner}")
        self.address, port = listen or (self.address, 0)
        self.target_address = target_address or self.address
        self.target_port = target_port
        self.cut = cut
        self.after = after
        self.counted = counted
        self.connection = connection
        self.manner = manner
        self.delay_s = delay_s
        self.connections = 0
        self.cuts = 0
        self.chunks = {UP: 0, DOWN: 0}
        self.bytes = {UP: 0, DOWN: 0}
        self._ended = threading.Event()
        self._lock = threading.Lock()
        self._sockets = []
        self._listener = socket.create_server((self.address, port), backlog=64)
        self.port = self._listener.getsockname()[1]
        self._threads = [threading.Thread(target=self._accept, daemon=True)]
        self._threads[0].start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()

    def heal(self):
        """Cut nothing from now on. Connections that were cut stay so."""
        self.cut = None

    def stop(self):
        """End every connection and wait for the threads."""
        with self._lock:
            self._ended.set()
            for one in [self._listener, *self._sockets]:
                with contextlib.suppress(OSError):
                    one.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(10)
        for one in [self._listener, *self._sockets]:
            one.close()

    def _accept(self):
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            try:
                server = socket.create_connection((self.target_address, self.target_port), 10)
            except OSError:
                _reset(client)
                continue
            server.settimeout(None)
            with self._lock:
                if self._ended.is_set():
                    client.close()
                    server.close()
                    return
                self._begin(client, server)

    def _begin(self, client, server):
        number = self.connections
        self.connections += 1
        for one in (client, server):
            one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._sockets.append(one)
        was_cut = threading.Event()
        for direction, source, sink in ((UP, client, server), (DOWN, server, client)):
            route = (number, was_cut, direction, source, sink)
            thread = threading.Thread(target=self._forward, args=route, daemon=True)
            self._threads.append(thread)
            thread.start()

    def _is_cut(self, number, direction, passed):
        passed = self.chunks[self.counted] if self.counted else passed
        return self.cut == direction and passed >= self.after and self.connection in (None, number)

    def _forward(self, number, was_cut, direction, source, sink):
        passed = 0
        hangs = False
        while True:
            try:
                data = source.recv(65536)
            except OSError:
                break
            if not data:
                break
            if self.delay_s and self._ended.wait(self.delay_s):
                break
            if not hangs and self._is_cut(number, direction, passed):
                with self._lock:
                    self.cuts += 1
                if self.manner == "reset":
                    was_cut.set()
                    _reset(source)
                    _reset(sink)
                    return
                hangs = True
            if hangs:
                continue
            passed += 1
            with self._lock:
                self.chunks[direction] += 1
                self.bytes[direction] += len(data)
            with contextlib.suppress(OSError):
                sink.sendall(data)
        if not hangs and not was_cut.is_set():
            with contextlib.suppress(OSError):
                sink.shutdown(socket.SHUT_WR)


def _reset(connection):
    # The other direction's thread may sit in recv() on it: shutdown() wakes that one, close() alone would not send.
    with contextlib.suppress(OSError):
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        connection.shutdown(socket.SHUT_RD)
        connection.close()
