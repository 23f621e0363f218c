"""tests/targets/tcp_gate.py: a piece of network between a client and a server, which can fail and come back.

    with TcpGate(store.port) as gate:
        connect("127.0.0.1", gate.port)
        gate.freeze()               # nothing is delivered, nothing is closed
        gate.heal()                 # what was sent in the meantime now arrives
        gate.cut()                  # every connection is reset, new ones are refused
        gate.retarget(other.port)   # connections are reset, new ones go to the other server

Each call returns when it has taken effect: after freeze() or cut() not one more byte is delivered.

A frozen gate differs from a network that drops packets in two ways: the kernel still acknowledges what it takes, so
keepalive and TCP_USER_TIMEOUT see nothing, only a deadline does; and a new connection opens, but nobody speaks on it.
"""

import contextlib
import queue
import select
import socket
import struct
import threading

from cut_proxy import DOWN, UP


class TcpGate:
    """Forward connections from a port of `address` to a server.

    port         0 picks a free one; it stays the gate's own while the gate is cut
    connections  how many have been accepted so far
    """

    def __init__(self, target_port, target_address="127.0.0.1", *, address="127.0.0.1", port=0):
        self.address = address
        self.connections = 0
        self._target = (target_address, target_port)
        self._held = ()
        self._links = []
        self._orders = queue.SimpleQueue()
        self._wake, self._woken = socket.socketpair()
        # Bound and never listening, it keeps the port for heal() while clients are refused.
        self._reservation = self._bound_to(port)
        self.port = self._reservation.getsockname()[1]
        self._listener = self._listening()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()

    # -- the state of the network -------------------------------------------------------------------------------

    def heal(self):
        """Forward again. Connections that were frozen go on, those that were reset stay so."""
        self._order(lambda: self._become(()))

    def freeze(self, directions=(UP, DOWN)):
        """Deliver nothing in these directions. With DOWN alone, requests are carried out and replies are lost."""
        self._order(lambda: self._become(tuple(directions)))

    def cut(self):
        """Reset every connection and refuse new ones."""
        self._order(self._become_cut)

    def retarget(self, port, address=None):
        """Send new connections to another server and reset the present ones. A cut or frozen gate stays so."""
        self._order(lambda: self._aim((address or self._target[0], port)))

    def stop(self):
        """Reset every connection and give the port back."""
        if self._thread.is_alive():
            self._order(self._end)
            self._thread.join()

    # -- what follows runs in the gate's own thread -------------------------------------------------------------

    def _become(self, held):
        self._held = held
        if self._listener is None:
            self._listener = self._listening()

    def _become_cut(self):
        self._reset_links()
        if self._listener is not None:
            self._listener.close()  # resets whoever waits in its queue
            self._listener = None

    def _aim(self, target):
        self._target = target
        self._reset_links()

    def _end(self):
        self._become_cut()
        self._reservation.close()
        self._running = False

    def _reset_links(self):
        for link in self._links:
            link.reset()
        self._links = []

    def _bound_to(self, port):
        family = socket.AF_INET6 if ":" in self.address else socket.AF_INET
        bound = socket.socket(family)
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind((self.address, port))
        return bound

    def _listening(self):
        listener = self._bound_to(self.port)
        listener.listen(256)
        listener.setblocking(False)
        return listener

    def _order(self, action):
        if not self._thread.is_alive():
            raise RuntimeError("this gate was stopped")
        done = threading.Event()
        self._orders.put((action, done))
        self._wake.send(b"!")
        done.wait()

    def _obey(self):
        self._woken.recv(4096)
        with contextlib.suppress(queue.Empty):
            while True:
                action, done = self._orders.get_nowait()
                action()
                done.set()

    def _run(self):
        self._running = True
        while self._running:
            ready = self._wait()
            if self._woken.fileno() in ready:
                self._obey()  # an order stands before any byte: what became ready in the same moment waits
                continue
            if self._listener is not None and self._listener.fileno() in ready:
                self._accept()
            for link in self._links:
                if not ready.isdisjoint(link.descriptors()):
                    link.move(self._held)
            self._links = [link for link in self._links if not link.is_over]
        self._wake.close()
        self._woken.close()

    def _wait(self):
        poll = select.poll()
        poll.register(self._woken, select.POLLIN)
        if self._listener is not None:
            poll.register(self._listener, select.POLLIN)
        for link in self._links:
            link.open(self._target, self._held)
            for descriptor, events in link.wishes(self._held):
                poll.register(descriptor, events)
        return {descriptor for descriptor, _ in poll.poll()}

    def _accept(self):
        with contextlib.suppress(OSError):
            client, _ = self._listener.accept()
            self.connections += 1
            self._links.append(_Link(client))


class _Lane:
    """One direction of a connection."""

    def __init__(self, name, source, sink):
        self.name, self.source, self.sink = name, source, sink
        self.pending = b""
        self.has_ended = False

    def move(self):
        with contextlib.suppress(BlockingIOError):
            if not self.pending:
                self.pending = self.source.recv(65536)
                if not self.pending:
                    self.has_ended = True
                    self.sink.shutdown(socket.SHUT_WR)
                    return
            self.pending = self.pending[self.sink.send(self.pending):]


class _Link:
    """One client's connection and, once it is open, the one to the server that belongs to it."""

    def __init__(self, client):
        self.is_over = False
        self._client, self._server = client, None
        self._is_connected = False
        self._lanes = ()
        _prepare(client)

    def open(self, target, held):
        """Begin to connect to the server, unless the network towards it is frozen."""
        if self._server is not None or UP in held:
            return
        self._server = socket.socket(socket.AF_INET6 if ":" in target[0] else socket.AF_INET)
        _prepare(self._server)
        self._server.connect_ex(target)  # how it ended stands in SO_ERROR
        self._lanes = (_Lane(UP, self._client, self._server), _Lane(DOWN, self._server, self._client))

    def descriptors(self):
        return {one.fileno() for one in (self._client, self._server) if one is not None}

    def wishes(self, held):
        """What to wait for, as (descriptor, events). A frozen direction is not even watched for its end."""
        if self._server is None:
            return []
        if not self._is_connected:
            return [(self._server.fileno(), select.POLLOUT)]
        wishes = {}
        for lane in self._lanes:
            if lane.has_ended or lane.name in held:
                continue
            end, event = (lane.sink, select.POLLOUT) if lane.pending else (lane.source, select.POLLIN)
            wishes[end.fileno()] = wishes.get(end.fileno(), 0) | event
        return list(wishes.items())

    def move(self, held):
        try:
            if not self._is_connected:
                if self._server is None:
                    return
                if problem := self._server.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
                    raise OSError(problem, "the server refused")
                self._is_connected = True
            for lane in self._lanes:
                if not lane.has_ended and lane.name not in held:
                    lane.move()
        except OSError:
            self.reset()
        if not self.is_over and self._is_connected and all(lane.has_ended for lane in self._lanes):
            self._close()

    def reset(self):
        for one in (self._client, self._server):
            if one is not None:
                one.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._close()

    def _close(self):
        self._client.close()
        if self._server is not None:
            self._server.close()
        self.is_over = True


def _prepare(connection):
    connection.setblocking(False)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
