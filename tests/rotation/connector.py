"""tests/rotation/connector.py: drive a connector program directly, over descriptor 3 (docs/connector-protocol.md)."""

import json
import os
import pathlib
import socket
import subprocess

TOP = pathlib.Path(__file__).resolve().parent.parent.parent
BUILD = pathlib.Path(os.environ.get("KEYTURN_BUILD", TOP / "build"))


class Connector:
    """One process. Requests are answered one at a time; `heard` keeps every line that it wrote."""

    def __init__(self, kind="ssh", greets=True):
        ours, theirs = socket.socketpair()
        program = BUILD / f"keyturn-connector-{kind}"
        self.process = subprocess.Popen(["/bin/bash", "-c", f'exec 3<&{theirs.fileno()}; exec "$0"', program],
                                        pass_fds=[theirs.fileno()], env={"LC_ALL": "C", "PATH": "/usr/bin:/bin"},
                                        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        theirs.close()
        self.line = ours
        self.line.settimeout(60)
        self.reader = ours.makefile("rb")
        self.last_id = 0
        self.heard = []
        if greets:
            assert self.call("hello", protocol=1)["ok"]

    def send(self, op, **fields):
        self.last_id += 1
        self.send_line(json.dumps({"id": self.last_id, "op": op, **fields}).encode() + b"\n")

    def send_line(self, line):
        self.line.sendall(line)

    def answer(self):
        """The next answer, or None when the process has ended its stream."""
        line = self.reader.readline()
        self.heard.append(line)
        return json.loads(line) if line else None

    def call(self, op, **fields):
        self.send(op, **fields)
        answer = self.answer()
        assert answer is None or answer["id"] == self.last_id
        return answer

    def status(self):
        """/proc/PID/status as a dict."""
        lines = pathlib.Path(f"/proc/{self.process.pid}/status").read_text().splitlines()
        return {name: value.strip() for name, _, value in (line.partition(":") for line in lines)}

    def end(self):
        """Close the line; return the exit status and all that was written on standard error."""
        self.line.shutdown(socket.SHUT_RDWR)
        self.reader.close()
        self.line.close()
        _, problems = self.process.communicate(timeout=20)
        return self.process.returncode, problems

    def sockets(self):
        """The sockets that it holds, by their inodes: a connection that is kept stays the same one."""
        links = (os.readlink(entry) for entry in pathlib.Path(f"/proc/{self.process.pid}/fd").iterdir())
        return {link for link in links if link.startswith("socket:")}

    def cpu_ns(self):
        """The CPU time that its one thread has had so far."""
        return int(pathlib.Path(f"/proc/{self.process.pid}/schedstat").read_text().split()[0])

    def cpu_of(self, op, times=8, **fields):
        """The answers to the same request a few times, and the CPU time that they took."""
        before = self.cpu_ns()
        answers = [self.call(op, **fields) for _ in range(times)]
        return answers, self.cpu_ns() - before
