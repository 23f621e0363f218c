"""tests/rotation/scripted_ssh.py: an SSH server that asks and answers what a test wants, and keeps what it was told.

    with ScriptedServer(questions=[[("Verification code: ", False)]]) as server: ...

questions  rounds of keyboard-interactive: lists of (prompt, is_echoed); after the last one the client is let in
methods    what the server offers
run        run(command, input) -> (output, problems, status); a status of None: the session ends without one;
           an output of Ellipsis never ends
terminal   terminal(channel, command) instead of `run`: the channel's own to talk on, at a terminal; it returns a status
stalls_at  "auth", "answer" (to a guess), "open" or "exec": from there on the server answers nothing, but sends a sign of life
           every 0.1 s
goodbye    instead of these: it disconnects with this text there, and closes nothing; with "" it closes, without a word
pause_s    before each answer of these
"""

import base64
import contextlib
import hashlib
import socket
import threading

import paramiko
from paramiko.common import cMSG_DISCONNECT

HOST_KEY = paramiko.RSAKey.generate(2048)


class ScriptedServer:
    address = "127.0.0.1"

    def __init__(self, questions=(), methods="keyboard-interactive", run=None, terminal=None, stalls_at=None,
                 goodbye=None, pause_s=0):
        self.questions = list(questions)
        self.methods = methods
        self.run = run or (lambda command, given: ("", "", 0))
        self.terminal = terminal
        self.stalls_at = stalls_at
        self.goodbye = goodbye
        self.pause_s = pause_s
        self.ended = threading.Event()
        self.answers = []
        self.commands = []
        self.transports = []
        digest = hashlib.sha256(HOST_KEY.asbytes()).digest()
        self.host_key = {"type": "ssh-rsa", "sha256": "SHA256:" + base64.b64encode(digest).decode().rstrip("=")}

    def __enter__(self):
        self.listener = socket.create_server((self.address, 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_):
        self.ended.set()
        self.listener.close()
        for transport in self.transports:
            transport.close()

    def _accept(self):
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self.listener.accept()
                transport = paramiko.Transport(connection)
                transport.add_server_key(HOST_KEY)
                self.transports.append(transport)
                with contextlib.suppress(paramiko.SSHException, EOFError):
                    transport.start_server(event=threading.Event(), server=_Session(self))

    def _leave(self, transport):
        if not self.goodbye:
            return transport.sock.shutdown(socket.SHUT_RDWR)
        parting = paramiko.Message()
        parting.add_byte(cMSG_DISCONNECT)
        parting.add_int(2)
        parting.add_string(self.goodbye)
        parting.add_string("")
        transport._send_message(parting)
        self.ended.wait()

    def reach(self, stage):
        self.ended.wait(self.pause_s)
        if stage == self.stalls_at and self.goodbye is not None:
            self._leave(self.transports[-1])
        while stage == self.stalls_at and not self.ended.wait(0.1):
            with contextlib.suppress(OSError, EOFError, paramiko.SSHException):
                self.transports[-1].send_ignore(16)


class _Session(paramiko.ServerInterface):
    def __init__(self, script):
        self.script = script
        self.round = 0

    def get_allowed_auths(self, username):
        return self.script.methods

    def check_auth_password(self, username, password):
        self.script.answers.append(password)
        self.script.reach("answer")
        return paramiko.AUTH_SUCCESSFUL

    def check_auth_publickey(self, username, key):
        self.script.reach("answer")
        return paramiko.AUTH_FAILED

    def check_auth_interactive(self, username, submethods):
        self.script.reach("auth")
        return self._next()

    def check_auth_interactive_response(self, responses):
        self.script.answers.extend(responses)
        self.script.reach("answer")
        return self._next()

    def _next(self):
        if self.round == len(self.script.questions):
            return paramiko.AUTH_SUCCESSFUL
        self.round += 1
        return paramiko.server.InteractiveQuery("", "", *self.script.questions[self.round - 1])

    def check_channel_request(self, kind, channel_id):
        self.script.reach("open")
        return paramiko.OPEN_SUCCEEDED

    def check_channel_pty_request(self, *_):
        return self.script.terminal is not None

    def check_channel_exec_request(self, channel, command):
        self.script.reach("exec")
        self.script.commands.append(command.decode())
        threading.Thread(target=self._serve, args=(channel, command.decode()), daemon=True).start()
        return True

    def _serve(self, channel, command):
        with contextlib.suppress(OSError, EOFError):
            if self.script.terminal:
                return self._end(channel, self.script.terminal(channel, command))
            given = b""
            while data := channel.recv(4096):
                given += data
            output, problems, status = self.script.run(command, given.decode())
            while output is Ellipsis:
                channel.sendall(b"x" * 4096)
            channel.sendall(output.encode())
            channel.sendall_stderr(problems.encode())
            self._end(channel, status)

    def _end(self, channel, status):
        if status is not None:
            channel.send_exit_status(status)
        channel.close()
