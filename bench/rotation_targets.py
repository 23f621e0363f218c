"""bench/rotation_targets.py: systems with many accounts, and systems in trouble, for rotation.py."""
import concurrent.futures
import contextlib
import os
import pathlib
import queue
import socket
import threading
import time

import measure  # noqa: F401: the search path

import rotation_platforms
from rotation_platforms import change_and_sign_in
from conftest import take_on_host
from ssh_host import PASSWORDS, SshHost


class SshTarget:
    """An overlay host; accounts are named after what they are for: b (bare), v (the vault's), s (slow), d (dead)."""

    kind, first_password = "ssh", PASSWORDS["u1"]

    def __init__(self, folder, accounts):
        # The hash of u1 for all of them; many useradd would take longer than the bench.
        self.host = SshHost(pathlib.Path(folder), setup=f"""
hash=$(getent shadow u1 | cut -d: -f2)
number=5000
for purpose in b v s d; do
    for i in $(seq {accounts}); do
        number=$((number + 1))
        echo "$purpose$i:x:$number:$number::/tmp:/bin/sh" >>/etc/passwd
        echo "$purpose$i:x:$number:" >>/etc/group
        echo "$purpose$i:$hash:20000:0:99999:7:::" >>/etc/shadow
    done
done
""")
        self.host.start()

    @property
    def port(self):
        return self.host.port

    def names(self, purpose, count):
        return (f"{purpose}{i + 1}" for i in range(count))

    def account(self, name):
        return {"account": name}

    def body(self, name):
        return {"AccountName": name}

    def address(self):
        return {"name": "bench", "address": "127.0.0.1", "port": self.host.port, "timeout_s": 20}

    def host_keys(self):
        return [{"type": "ssh-ed25519", "sha256": self.host.host_key_sha256}]

    def functional(self):
        return {"account": "func", "password": PASSWORDS["func"], "private_key": None, "passphrase": None, "elevation": "sudo"}

    def change_bare(self, connector, name, password):
        return change_and_sign_in(connector, self.account(name), password)

    def take_on(self, ps, port=None):
        return take_on_host(ps, self.host, port=port)

    def stop(self):
        self.host.stop()


@contextlib.contextmanager
def ssh_hosts(folder, hosts, accounts):
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        targets = list(pool.map(lambda i: SshTarget(os.path.join(folder, str(i)), accounts), range(hosts)))
    try:
        yield targets
    finally:
        for target in targets:
            target.stop()


# kind: a context manager that gives systems of it, from (folder, how many, accounts of each)
KINDS = {"ssh": ssh_hosts, **rotation_platforms.KINDS}


class Blackhole:
    """A port on which nobody ever answers a connection: its queue is full, and the kernel drops what comes."""

    def __enter__(self):
        self.listener = socket.socket()
        self.listener.bind(("127.0.0.1", 0))
        self.listener.listen(0)
        self.port = self.listener.getsockname()[1]
        self.fillers = []
        for _ in range(4):
            one = socket.socket()
            one.setblocking(False)
            with contextlib.suppress(BlockingIOError):
                one.connect(("127.0.0.1", self.port))
            self.fillers.append(one)
        return self

    def __exit__(self, *_):
        for one in [*self.fillers, self.listener]:
            one.close()


class SlowGate:
    """Forwards to a port; whatever is sent, either way, arrives `delay_s` later."""

    def __init__(self, target_port, delay_s):
        self.target_port, self.delay_s, self.sockets = target_port, delay_s, []

    def __enter__(self):
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_):
        for one in [self.listener, *self.sockets]:
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()

    def _accept(self):
        with contextlib.suppress(OSError):
            while True:
                client, _ = self.listener.accept()
                server = socket.create_connection(("127.0.0.1", self.target_port))
                self.sockets += [client, server]
                for source, sink in ((client, server), (server, client)):
                    late = queue.SimpleQueue()
                    threading.Thread(target=self._take, args=(source, late), daemon=True).start()
                    threading.Thread(target=self._give, args=(late, sink), daemon=True).start()

    def _take(self, source, late):
        chunk = b"first"
        while chunk:
            try:
                chunk = source.recv(65536)
            except OSError:
                chunk = b""
            late.put((time.monotonic() + self.delay_s, chunk))

    def _give(self, late, sink):
        with contextlib.suppress(OSError):
            while True:
                at, chunk = late.get()
                time.sleep(max(0, at - time.monotonic()))
                if not chunk:
                    sink.shutdown(socket.SHUT_WR)
                    return
                sink.sendall(chunk)
