"""tests/targets/ssh_host.py: a Linux host with real accounts behind a real sshd, for tests and for the demo.

    with SshHost(tmp_path) as host:
        connect("127.0.0.1", host.port, pin=host.host_key_sha256)
        host.set_password("u1", "Another-1!")

As a program it runs one host until it is interrupted:

    /usr/bin/python3 tests/targets/ssh_host.py --dir DIR --port 0 --print

The host is made by ssh_host.sh; the accounts and their first passwords are in ssh_host_accounts.sh.
Never test with `kill -0` whether a host is gone: process 1 of this machine may reap it late.
"""

import argparse
import atexit
import base64
import contextlib
import fcntl
import hashlib
import json
import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import warnings
import weakref

from freezer import Freezer

HERE = pathlib.Path(__file__).resolve().parent

# The accounts of a fresh host. lock1 and acexp refuse even their right password, exp1 wants a new one at once.
PASSWORDS = {
    "root": "Root-Start-1!",
    "func": "Func-Start-1!",
    "func2": "Func-Start-2!",
    **{f"u{number}": f"Start-Pass-{number}!" for number in range(1, 9)},
    **{f"s{number}": f"Sha-Start-{number}!" for number in range(1, 3)},
    "exp1": "Expired-Start-1!",
    "lock1": "Lock-Start-1!",
    "acexp": "Acexp-Start-1!",
    "nolog": "Nolog-Start-1!",
    "min1": "Min1-Start-1!",
}

_running = weakref.WeakSet()


class NeedsRoot(RuntimeError):
    """Overlay hosts need root: str() is the sentence to show; a program ends with status 2."""


class HostFailed(RuntimeError):
    """The host did not start, or is not running; str() carries what it wrote."""


class SshHost:
    """One host. start() may follow stop(): accounts and host key stay, and it takes about 0.1 s.

    directory          where the host keeps its files; None makes one that goes away at the end of the program
    setup              shell text that root runs inside the host once, after the accounts are made
    permit_root_login  lets root log in with its password
    faillock_deny      failed logins after which pam_faillock locks an account for a minute; 0: never
    sudo_counts        a wrong password given to sudo is one of these failed logins
    fail_delay         keep the 1.4 to 3.8 s that pam_unix waits after a wrong password
    max_startups       sshd's limit on connections that have not logged in yet
    sshd_options       more of sshd_config, such as {"AllowUsers": "func u1"}
    port               0 picks a free one at the first start; later starts keep it
    """

    address = "127.0.0.1"

    def __init__(self, directory=None, setup=None, permit_root_login=False, *, faillock_deny=0, sudo_counts=False, fail_delay=False,
                 max_startups="500:30:1000", sshd_options=None, port=0):
        if directory is None:
            directory = tempfile.mkdtemp(prefix="keyturn-host-")
            weakref.finalize(self, shutil.rmtree, directory, ignore_errors=True)
        self.directory = pathlib.Path(directory).resolve()
        self.directory.mkdir(parents=True, exist_ok=True)
        self.setup = setup
        self.options = {"PermitRootLogin": "yes" if permit_root_login else "no", "MaxStartups": max_startups,
                        **(sshd_options or {})}
        self.faillock_deny = faillock_deny
        self.sudo_counts = sudo_counts
        self.fail_delay = fail_delay
        self.port = port
        self._process = None
        self._namespace = None
        self._freezer = Freezer()

    def __enter__(self):
        return self.start()

    def __exit__(self, *_):
        self.stop()

    # -- life ---------------------------------------------------------------------------------------------------

    def start(self):
        """Start the host and wait until its sshd answers. Raises NeedsRoot or HostFailed."""
        if os.geteuid() != 0:
            raise NeedsRoot("Overlay hosts need root: run this again as root.")
        if self._process is not None:
            raise HostFailed("this host is running already")
        if self.setup is not None:
            (self.directory / "setup.sh").write_text(self.setup)
        _running.add(self)
        for _ in range(5):
            port = self.port or _free_port()
            if self._start_on(port):
                self.port = port
                return self
            if self.port or not (self.directory / "accounts-made").exists():
                break  # another port would not help
        raise HostFailed(f"the host did not start: {self._output()}")

    def _start_on(self, port):
        environment = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C",
                       "KEYTURN_HOST_DENY": str(self.faillock_deny), "KEYTURN_HOST_SUDO": "yes" if self.sudo_counts else "no",
                       "KEYTURN_HOST_DELAY": "yes" if self.fail_delay else "no"}
        options = [f"{name}={value}" for name, value in self.options.items()]
        (self.directory / "namespace.pid").unlink(missing_ok=True)
        with open(self.directory / "start.log", "wb") as log:
            self._process = subprocess.Popen([HERE / "ssh_host.sh", self.directory, str(port), *options],
                                             stdin=subprocess.PIPE, stdout=log, stderr=log, env=environment)
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline and self._process.poll() is None:
            if self._namespace is None:
                self._namespace = self._find_namespace()
            elif self._owns_listener(port) and _answers(port):
                return True
            time.sleep(0.01)
        self.stop()
        return False

    def _find_namespace(self):
        with contextlib.suppress(OSError, ValueError):
            outer = int((self.directory / "namespace.pid").read_text())
            inner = os.readlink(f"/proc/{outer}/ns/pid_for_children")
            if inner != os.readlink("/proc/self/ns/pid"):
                return inner
        return None

    def _owns_listener(self, port):
        # Another program could have taken the port in between: sshd says that it is its own.
        with contextlib.suppress(OSError):
            log = (self.directory / "up/var/log/target_sshd.log").read_text()
            return log.rstrip().splitlines()[-1:] == [f"Server listening on {self.address} port {port}."]
        return False

    def stop(self):
        """End the host and everything in it, at once, as a power cut would. Does nothing when it is not running."""
        if self._process is None:
            return
        self._process.stdin.close()
        self._process.wait()
        while self._namespace is not None and self.processes():
            time.sleep(0.002)
        self._freezer.close()
        self._process = None
        self._namespace = None
        _running.discard(self)

    def restart(self):
        self.stop()
        return self.start()

    def clone(self, directory):
        """Return a second host, not started, with the same accounts and a host key and port of its own."""
        if self._process is not None:
            raise HostFailed("stop the host before it is cloned: its files must be at rest")
        directory = pathlib.Path(directory)
        directory.mkdir(parents=True, exist_ok=True)
        subprocess.run(["cp", "-a", self.directory / "up", self.directory / "accounts-made", directory], check=True)
        _forget_host_key(directory)
        twin = SshHost(directory, faillock_deny=self.faillock_deny, fail_delay=self.fail_delay,
                       sshd_options=self.options)
        twin.options = dict(self.options)
        return twin

    def _output(self):
        for name in ("start.log", "up/var/log/target_sshd.log"):
            with contextlib.suppress(OSError):
                if text := (self.directory / name).read_text(errors="replace").strip():
                    return text[-500:]
        return "it wrote nothing"

    # -- its processes ------------------------------------------------------------------------------------------

    def processes(self):
        """Return the process ids, as this machine numbers them, of all that runs in the host; its sshd is first."""
        found = []
        for entry in os.listdir("/proc"):
            if entry.isdigit() and _pid_namespace(entry) == self._namespace:
                found.append((_inner_pid(entry), int(entry)))
        return [outer for inner, outer in sorted(found) if inner > 0]

    @property
    def pid(self):
        """The process id of the listening sshd."""
        processes = self.processes() if self._namespace else []
        if not processes:
            raise HostFailed(f"the host is not running: {self._output()}")
        return processes[0]

    def freeze(self):
        """Hold sshd and every process of the host. A client then sees a host that hangs."""
        self._freezer.freeze(self.processes)

    def thaw(self):
        """Let a frozen host run on: what had been sent to it is now carried out."""
        self._freezer.thaw()

    def end_sessions(self):
        """Kill every session, but not the listening sshd: connected clients see the end of the connection."""
        for pid in self.processes()[1:]:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

    # -- inside -------------------------------------------------------------------------------------------------

    @property
    def root(self):
        """The host's root directory as a path that this machine can open while the host runs."""
        return pathlib.Path(f"/proc/{self.pid}/root")

    def run(self, command, input=None, check=True, timeout=30):
        """Run a command as root inside the host and return its CompletedProcess, in text.

        A str goes through a shell, a list does not. check raises CalledProcessError when it fails."""
        words = ["/bin/sh", "-c", command] if isinstance(command, str) else list(command)
        enter = ["nsenter", f"--target={self.pid}", "--mount", "--pid", "--root", "--wd"]
        environment = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C", "HOME": "/root"}
        return subprocess.run(enter + words, input=input, capture_output=True, text=True, env=environment,
                              check=check, timeout=timeout)

    def shadow(self, name):
        """Return the password field of an account in /etc/shadow, or None when there is no such account."""
        for line in (self.root / "etc/shadow").read_text().splitlines():
            fields = line.split(":")
            if fields[0] == name:
                return fields[1]
        return None

    def has_password(self, name, password):
        """Does /etc/shadow's hash belong to this password? Spends no login, and needs none to be allowed."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            import crypt  # Debian 12's Python has it
        field = self.shadow(name)
        return field is not None and crypt.crypt(password, field) == field

    def set_password(self, name, password):
        """Change a password behind everybody's back, as another administrator would."""
        if "\n" in name + password or ":" in name:
            raise ValueError("chpasswd takes one account per line")
        self.run(["/usr/sbin/chpasswd"], input=f"{name}:{password}\n")

    @contextlib.contextmanager
    def hold_pwd_lock(self):
        """Hold /etc/.pwd.lock: every password change inside waits, and gives up after 15 s."""
        handle = os.open(self.root / "etc/.pwd.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.lockf(handle, fcntl.LOCK_EX)
            yield
        finally:
            os.close(handle)

    @property
    def log(self):
        """What sshd has logged so far."""
        return (self.directory / "up/var/log/target_sshd.log").read_text(errors="replace")

    def failed_logins(self, name):
        """Count the failed password logins of an account that sshd has logged."""
        pattern = rf"^Failed (password|keyboard-interactive/pam) for (invalid user )?{re.escape(name)} from "
        return len(re.findall(pattern, self.log, re.MULTILINE))

    def counted_failures(self, name):
        """How many failed logins pam_faillock holds against an account now."""
        return self.run(["/usr/sbin/faillock", "--user", name]).stdout.count(" V\n")

    # -- the host key -------------------------------------------------------------------------------------------

    @property
    def host_key_sha256(self):
        """The fingerprint of the host key as OpenSSH writes it: SHA256:..."""
        public = (self.directory / "up/etc/ssh/target_ed25519.pub").read_text().split()[1]
        return _fingerprint(base64.b64decode(public))

    def change_host_key(self):
        """Give the host another key, on the same port. Sessions end."""
        self.stop()
        _forget_host_key(self.directory)
        self.start()

    # -- logging in ---------------------------------------------------------------------------------------------

    def can_login(self, name, password):
        """Say whether a fresh connection with this password is let in. Raises when the host cannot be reached.

        By the method `password`. An expired account (acexp) is let in by that method's own answer and then cut
        off; it counts as refused."""
        return self._log_in(lambda transport: transport.auth_password(name, password, fallback=False))

    def can_login_with_key(self, name, key):
        """The same for a paramiko private key."""
        return self._log_in(lambda transport: transport.auth_publickey(name, key))

    def _log_in(self, authenticate):
        import paramiko  # only here: running a host needs no more than Python itself

        with contextlib.closing(socket.create_connection((self.address, self.port), 10)) as connection, \
                contextlib.closing(paramiko.Transport(connection)) as transport:
            transport.banner_timeout = transport.auth_timeout = 30
            transport.start_client(timeout=30)
            if _fingerprint(transport.get_remote_server_key().asbytes()) != self.host_key_sha256:
                raise HostFailed("somebody else answers at the host's port")
            try:
                authenticate(transport)
                return transport.is_authenticated()
            except paramiko.AuthenticationException as refusal:
                if "timeout" in str(refusal):  # a host that hangs has refused nothing
                    raise
                return False
            except (paramiko.SSHException, EOFError):
                if self._process is None or not _answers(self.port):
                    raise
                return False


def _free_port():
    with socket.socket() as probe:
        probe.bind((SshHost.address, 0))
        return probe.getsockname()[1]


def _answers(port):
    with contextlib.suppress(OSError), socket.create_connection((SshHost.address, port), 5) as connection:
        return connection.recv(4) == b"SSH-"
    return False


def _pid_namespace(entry):
    with contextlib.suppress(OSError):
        return os.readlink(f"/proc/{entry}/ns/pid")
    return None


def _inner_pid(entry):
    """The id that a process has inside its own namespace, 0 when it is dead and waits only to be reaped."""
    with contextlib.suppress(OSError):
        status = pathlib.Path(f"/proc/{entry}/status").read_text()
        if "\nState:\tZ" not in status:
            return int(re.search(r"^NSpid:.*\t(\d+)$", status, re.MULTILINE).group(1))
    return 0


def _fingerprint(public_key):
    return "SHA256:" + base64.b64encode(hashlib.sha256(public_key).digest()).decode().rstrip("=")


def _forget_host_key(directory):
    for name in ("target_ed25519", "target_ed25519.pub"):
        (pathlib.Path(directory) / "up/etc/ssh" / name).unlink()


@atexit.register
def _stop_all():
    for host in list(_running):
        host.stop()


def main():
    parser = argparse.ArgumentParser(description="Run a Linux host with real accounts behind sshd on 127.0.0.1.")
    parser.add_argument("--dir", required=True, help="where the host keeps its files and accounts")
    parser.add_argument("--port", type=int, default=0, help="0 picks a free one")
    parser.add_argument("--print", action="store_true", help="write one line of JSON once the host answers")
    parser.add_argument("--permit-root-login", action="store_true")
    arguments = parser.parse_args()
    host = SshHost(arguments.dir, permit_root_login=arguments.permit_root_login, port=arguments.port)
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: sys.exit(0))
    try:
        host.start()
    except (NeedsRoot, HostFailed) as problem:
        print(problem, file=sys.stderr)
        return 2 if isinstance(problem, NeedsRoot) else 1
    if arguments.print:
        print(json.dumps({"address": host.address, "port": host.port, "host_key_sha256": host.host_key_sha256,
                          "passwords": PASSWORDS}), flush=True)
    try:
        status = host._process.wait()  # ends only when sshd dies by itself
        print(f"sshd ended with status {status}: {host._output()}", file=sys.stderr)
        return 1
    finally:
        host.stop()


if __name__ == "__main__":
    sys.exit(main())
