"""tests/targets/test_network.py: the hostile servers and the cutting proxy do what they say."""

import pathlib
import socket
import sys
import threading
import time

import paramiko
import pytest

sys.path.insert(0, str(pathlib.Path(__file__).parent))

import hostile  # noqa: E402
from cut_proxy import DOWN, UP, CutProxy  # noqa: E402


# -- the hostile servers --------------------------------------------------------------------------------------------


def take(port, wanted, say=b"SSH-2.0-client\r\n", timeout=5):
    """Connect, say something, and read until `wanted` bytes came or the connection ended."""
    with socket.create_connection(("127.0.0.1", port), timeout) as connection:
        connection.sendall(say)
        got = b""
        while len(got) < wanted:
            data = connection.recv(65536)
            if not data:
                break
            got += data
        return got


def wait_until(condition):
    deadline = time.monotonic() + 5
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_the_endless_banner_has_no_line_end():
    with hostile.endless_banner() as server:
        got = take(server.port, 4 << 20)
        assert len(got) >= 4 << 20 and got.startswith(b"SSH-2.0-A") and b"\n" not in got
        wait_until(lambda: server.heard == b"SSH-2.0-client\r\n")
        assert server.connections == 1 and server.sent >= 4 << 20


def test_garbage_is_the_same_for_the_same_seed():
    with hostile.garbage(size=1000, seed=7) as one, hostile.garbage(size=1000, seed=7) as two, \
            hostile.garbage(size=1000, seed=8) as three:
        first, second, third = (take(server.port, 1000) for server in (one, two, three))
    assert first == second != third and len(set(first)) > 100


def test_the_huge_reply_follows_what_the_client_says():
    with hostile.huge_reply(size=8 << 20) as server:
        got = take(server.port, len(hostile.SSH_GREETING) + 4 + (8 << 20))
    assert got.startswith(hostile.SSH_GREETING + b"\xff\xff\xff\xff") and len(got) > 8 << 20


def test_the_silent_server_accepts_and_listens():
    with hostile.silent() as server:
        with pytest.raises(TimeoutError):
            take(server.port, 1, say=b"anybody there?", timeout=0.5)
        assert server.heard == b"anybody there?" and server.connections == 1 and server.sent == 0


def test_the_one_that_closes_closes():
    with hostile.closes_at_once() as server:
        assert take(server.port, 1, say=b"") == b""
    with hostile.closes_at_once(reset=True) as server, pytest.raises(ConnectionResetError):
        take(server.port, 1, say=b"")


def test_the_one_that_talks_never_ends():
    with hostile.talks_for_ever(every_s=0.01) as server:
        got = take(server.port, 1000)
    assert len(got) >= 1000 and set(got.split(b"\r\n")) <= {b"please hold the line", b""}


def test_the_dripping_greeting_is_complete_in_the_end():
    with hostile.drips(data=b"SSH-2.0-slow\r\n", every_s=0.01) as server:
        started = time.monotonic()
        assert take(server.port, 14) == b"SSH-2.0-slow\r\n"
        assert time.monotonic() - started > 0.1


def test_hostile_servers_end_while_clients_hang_on():
    with hostile.endless_banner() as server:
        connections = [socket.create_connection(("127.0.0.1", server.port), 5) for _ in range(8)]
        wait_until(lambda: server.connections == 8)
    assert not [thread for thread in server._threads if thread.is_alive()]
    for connection in connections:
        connection.close()


@pytest.mark.parametrize("server", [hostile.garbage, hostile.huge_reply, hostile.closes_at_once])
def test_no_hostile_server_passes_for_ssh(server):
    with server() as running, pytest.raises((paramiko.SSHException, EOFError, OSError)):
        paramiko.Transport(socket.create_connection(("127.0.0.1", running.port), 10)).start_client(timeout=10)


# -- the cutting proxy ----------------------------------------------------------------------------------------------


class Echo(threading.Thread):
    """Answer each chunk with the same chunk in capitals, and keep what was heard."""

    def __init__(self):
        super().__init__(daemon=True)
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.heard = []
        self.endings = []
        self.start()

    def run(self):
        while True:
            connection, _ = self.listener.accept()
            with connection:
                try:
                    while data := connection.recv(100):
                        self.heard.append(data)
                        connection.sendall(data.upper())
                    self.endings.append("end")
                except ConnectionResetError:
                    self.endings.append("reset")


def talk(port, words=(b"one", b"two", b"three"), timeout=5):
    """Say words one by one, each after the answer to the one before; return the answers and how it ended."""
    answers = []
    try:
        with socket.create_connection(("127.0.0.1", port), timeout) as connection:
            for word in words:
                connection.sendall(word)
                answer = connection.recv(100)
                if not answer:
                    return answers, "end"
                answers.append(answer)
    except ConnectionResetError:  # as early as while it connects
        return answers, "reset"
    except TimeoutError:
        return answers, "silence"
    return answers, "done"


def test_the_proxy_forwards_and_counts():
    echo = Echo()
    with CutProxy(echo.port) as proxy:
        assert talk(proxy.port) == ([b"ONE", b"TWO", b"THREE"], "done")
        assert proxy.chunks == {UP: 3, DOWN: 3} and proxy.bytes == {UP: 11, DOWN: 11} and proxy.cuts == 0


@pytest.mark.parametrize("after", [0, 1, 2])
def test_a_cut_is_exact_in_both_directions(after):
    answers = [b"ONE", b"TWO", b"THREE"][:after]
    echo = Echo()
    with CutProxy(echo.port, UP, after) as proxy:
        assert talk(proxy.port) == (answers, "reset")
        wait_until(lambda: echo.endings == ["reset"])
        assert len(echo.heard) == after and proxy.cuts == 1
    echo = Echo()
    with CutProxy(echo.port, DOWN, after) as proxy:
        assert talk(proxy.port) == (answers, "reset")
        wait_until(lambda: echo.endings == ["reset"])
        assert len(echo.heard) == after + 1, "the request arrives and its reply is lost"


def test_a_cut_can_hang_instead():
    echo = Echo()
    with CutProxy(echo.port, DOWN, 1, manner="hang") as proxy:
        assert talk(proxy.port, timeout=0.5) == ([b"ONE"], "silence")
        assert echo.heard == [b"one", b"two"]


def test_only_the_named_connection_is_cut_and_heal_ends_it():
    echo = Echo()
    with CutProxy(echo.port, UP, 0, connection=1) as proxy:
        assert [talk(proxy.port)[1] for _ in range(3)] == ["done", "reset", "done"]
    with CutProxy(echo.port, UP, 0) as proxy:
        assert talk(proxy.port)[1] == "reset"
        proxy.heal()
        assert talk(proxy.port)[1] == "done"


def test_a_target_that_is_not_there_is_a_reset():
    with socket.create_server(("127.0.0.1", 0)) as gone:
        port = gone.getsockname()[1]
    with CutProxy(port) as proxy:
        assert talk(proxy.port) == ([], "reset")


def test_the_delay_is_kept():
    with CutProxy(Echo().port, delay_s=0.1) as proxy:
        started = time.monotonic()
        assert talk(proxy.port, [b"one"])[1] == "done"
        assert time.monotonic() - started >= 0.2
