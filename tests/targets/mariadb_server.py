"""tests/targets/mariadb_server.py: a real MariaDB server with TLS and accounts, for tests.

    with MariadbServer(tmp_path) as server:
        connect("127.0.0.1", server.port, pin=server.pin)
        server.sql("CREATE USER u9@'%' IDENTIFIED BY 'Start-Pass-9!'")

The server is a child of the test, runs as the system's user `mysql`, and is asked over its own socket, as root. Data
directories are made once per run of the tests and copied.
"""

import atexit
import base64
import contextlib
import hashlib
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import weakref

import freezer

PASSWORDS = {
    "root": "Root-Start-1!",
    "func": "Func-Start-1!",  # may set passwords and read the table of accounts
    "blind": "Blind-Start-1!",  # may set passwords
    "weak": "Weak-Start-1!",  # may nothing
    **{f"u{number}": f"Start-Pass-{number}!" for number in range(1, 9)},
    "e1": "Curve-Start-1!",
    "both": "Both-Start-1!",
    "lock1": "Lock-Start-1!",
    "exp1": "Expired-Start-1!",
    "full": "Full-Start-1!",
    "twin": "Twin-Start-1!",
    "o'brien": "Brien-Start-1!",
    "a@b": "Mail-Start-1!",
}

ACCOUNTS = [
    "INSTALL SONAME 'auth_ed25519'",
    *(f"CREATE USER u{n}@'%' IDENTIFIED BY 'Start-Pass-{n}!'" for n in range(1, 9)),
    "CREATE USER func@'%' IDENTIFIED BY 'Func-Start-1!'",
    "GRANT CREATE USER ON *.* TO func@'%'",
    "GRANT SELECT ON mysql.global_priv TO func@'%'",
    "CREATE USER blind@'%' IDENTIFIED BY 'Blind-Start-1!'",
    "GRANT CREATE USER ON *.* TO blind@'%'",
    "CREATE USER weak@'%' IDENTIFIED BY 'Weak-Start-1!'",
    "CREATE USER e1@'%' IDENTIFIED VIA ed25519 USING PASSWORD('Curve-Start-1!')",
    "CREATE USER `both`@'%' IDENTIFIED VIA unix_socket OR mysql_native_password USING PASSWORD('Both-Start-1!')",
    "CREATE USER lock1@'%' IDENTIFIED BY 'Lock-Start-1!' ACCOUNT LOCK",
    "CREATE USER exp1@'%' IDENTIFIED BY 'Expired-Start-1!' PASSWORD EXPIRE",
    "CREATE USER full@'%' IDENTIFIED VIA ed25519 USING PASSWORD('Full-Start-1!') REQUIRE SSL WITH MAX_USER_CONNECTIONS 9 "
    "PASSWORD EXPIRE INTERVAL 90 DAY",
    "CREATE USER twin@'%' IDENTIFIED BY 'Twin-Start-1!'",
    "CREATE USER twin@'10.9.8.7' IDENTIFIED BY 'Twin-Start-1!'",
    "CREATE USER `o'brien`@'%' IDENTIFIED BY 'Brien-Start-1!'",
    "CREATE USER `a@b`@'%' IDENTIFIED BY 'Mail-Start-1!'",
    "CREATE USER sock@'%' IDENTIFIED VIA unix_socket",
    "CREATE USER two@'%' IDENTIFIED VIA ed25519 USING PASSWORD('x') OR mysql_native_password USING PASSWORD('x')",
    "CREATE ROLE manager",
]

# It ends with the test, however that one ends.
AS_MYSQL = ["/usr/bin/setpriv", "--reuid=mysql", "--regid=mysql", "--clear-groups", "--pdeathsig=KILL"]

_running = weakref.WeakSet()
_template = None


class ServerFailed(RuntimeError):
    """The server did not start, or is not running; str() carries what it wrote."""


class MariadbServer:
    """One server. start() may follow stop(), kill() or a SIGSTOP: data, port and key stay.

    directory   where it keeps its files; None makes one that goes away at the end of the program
    tls         False: the server offers none
    policy      loads simple_password_check (6 characters at least, a digit, both cases, another one)
    lock_after  failed logins after which an account is blocked (max_password_errors); 0: never
    options     more of mariadbd's options, such as {"read-only": "ON"}
    """

    address = "127.0.0.1"

    def __init__(self, directory=None, *, tls=True, policy=False, lock_after=0, options=None):
        if directory is None:
            directory = tempfile.mkdtemp(prefix="keyturn-mariadb-")
            weakref.finalize(self, shutil.rmtree, directory, ignore_errors=True)
        self.directory = pathlib.Path(directory).resolve()
        self.directory.mkdir(parents=True, exist_ok=True)
        self.tls = tls
        self.policy = policy
        self.lock_after = lock_after
        self.options = dict(options or {})
        self.port = 0
        self.process = None
        # The path of a socket has at most 107 bytes, and folders of tests have long names.
        self._run = tempfile.mkdtemp(prefix="ktm-", dir="/tmp")
        _give_to_mysql(self._run)
        weakref.finalize(self, shutil.rmtree, self._run, ignore_errors=True)
        self.socket = os.path.join(self._run, "s")

    def __enter__(self):
        return self.start()

    def __exit__(self, *_):
        self.stop()

    # -- life ---------------------------------------------------------------------------------------------------

    def start(self):
        """Start it and wait until root can log in over its socket. Raises ServerFailed."""
        if self.process is not None:
            raise ServerFailed("this server is running already")
        if not (self.directory / "data").exists():
            self._make_files()
        _running.add(self)
        for _ in range(5):
            port = self.port or _free_port()
            if self._start_on(port):
                self.port = port
                return self
            if self.port:
                break
        raise ServerFailed(f"the server did not start: {self._output()}")

    def _make_files(self):
        shutil.copytree(_template_directory() / "data", self.directory / "data")
        self.make_certificate("first")
        _give_to_mysql(self.directory)
        for folder in (self.directory, *self.directory.parents):
            if str(folder) != "/" and folder.stat().st_uid == os.geteuid():
                os.chmod(folder, folder.stat().st_mode | 0o011)  # the user mysql must get through to it

    def _start_on(self, port):
        options = {"datadir": self.directory / "data", "tmpdir": self._run, "port": port, "bind-address": self.address, "socket": self.socket,
                   "pid-file": self.directory / "pid", "innodb-buffer-pool-size": "16M", "max-connections": 300,
                   "innodb-log-file-size": "8M", "skip-name-resolve": "ON", "max-connect-errors": 1000000,
                   "plugin-maturity": "unknown"}
        if self.tls:
            options |= {"ssl-cert": self.directory / "cert.pem", "ssl-key": self.directory / "key.pem"}
        if self.policy:
            options |= {"plugin-load-add": "simple_password_check=simple_password_check.so",
                        "simple-password-check-minimal-length": 6}
        if self.lock_after:
            options["max-password-errors"] = self.lock_after
        options |= self.options
        with open(self.directory / "log", "ab") as log:
            self.process = subprocess.Popen(
                [*AS_MYSQL, "/usr/sbin/mariadbd", "--no-defaults", *(f"--{k}={v}" for k, v in options.items())],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, env={"PATH": "/usr/sbin:/usr/bin", "LC_ALL": "C"})
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline and self.process.poll() is None:
            with contextlib.suppress(ServerFailed):
                if self.sql("SELECT @@port").strip() == str(port):
                    return True
            time.sleep(0.05)
        self.kill()
        return False

    def stop(self):
        """End it in order. Does nothing when it is not running."""
        self._end(signal.SIGTERM)

    def kill(self):
        """End it at once, as a power cut would."""
        self._end(signal.SIGKILL)

    def _end(self, number):
        if self.process is not None:
            self.process.send_signal(number)
            self.process.send_signal(signal.SIGCONT)
            try:
                self.process.wait(30)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        self.process = None
        _running.discard(self)

    @contextlib.contextmanager
    def frozen(self):
        """Hold the whole server with SIGSTOP: connections are still taken by the kernel, and nothing answers."""
        freezer.stop(self.process.pid)
        try:
            yield
        finally:
            self.process.send_signal(signal.SIGCONT)

    def _output(self):
        with contextlib.suppress(OSError):
            return (self.directory / "log").read_text(errors="replace")[-2000:]
        return "no output"

    # -- TLS ----------------------------------------------------------------------------------------------------

    def make_certificate(self, name, *, keeps_key=False):
        """A self-signed certificate; with keeps_key a new one for the key that is there. Takes effect at a start."""
        key, certificate = self.directory / "key.pem", self.directory / "cert.pem"
        if not keeps_key:
            _run(["openssl", "genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256", "-out", key])
        _run(["openssl", "req", "-x509", "-key", key, "-days", "30", "-subj", f"/CN={name}", "-out", certificate])
        _give_to_mysql(self.directory)

    @property
    def pin(self):
        """SHA-256 of the certificate's SubjectPublicKeyInfo, as host keys are pinned."""
        pem = _run(["openssl", "x509", "-in", self.directory / "cert.pem", "-noout", "-pubkey"])
        der = _run(["openssl", "pkey", "-pubin", "-outform", "DER"], pem)
        return "SHA256:" + base64.b64encode(hashlib.sha256(der).digest()).decode().rstrip("=")

    # -- looking inside -----------------------------------------------------------------------------------------

    def sql(self, statement):
        """Run it as root; the rows as text."""
        done = subprocess.run(["/usr/bin/mariadb", "--no-defaults", "--batch", "--skip-column-names", "--raw", "--force=0",
                               "--default-character-set=utf8mb4", f"--socket={self.socket}", "--user=root"],
                              input=f"{statement};\n".encode(), capture_output=True, timeout=60, check=False,
                              env={"PATH": "/usr/bin", "LC_ALL": "C", "MYSQL_PWD": PASSWORDS["root"]})
        if done.returncode != 0:
            raise ServerFailed(done.stderr.decode(errors="replace"))
        return done.stdout.decode()

    def verifier(self, user, host="%"):
        """What stands in the table of accounts for it."""
        name = user.replace("'", "''")
        return self.sql("SELECT JSON_VALUE(Priv, '$.authentication_string') FROM mysql.global_priv "
                        f"WHERE User = '{name}' AND Host = '{host}'").strip()

    def definition(self, user, host="%"):
        return self.sql(f"SHOW CREATE USER `{user}`@`{host}`").strip()

    def set_password(self, user, password, host="%"):
        self.sql(f"ALTER USER `{user}`@`{host}` IDENTIFIED VIA mysql_native_password USING '{native(password)}'")

    def can_login(self, user, password):
        """Over TLS, with MariaDB's own client."""
        done = subprocess.run(["/usr/bin/mariadb", "--no-defaults", "--batch", f"--host={self.address}",
                               f"--port={self.port}", f"--user={user}", "--ssl", "--skip-ssl-verify-server-cert",
                               "--connect-expired-password", "--execute=DO 1"], stdin=subprocess.DEVNULL,
                              capture_output=True, timeout=60, check=False,
                              env={"PATH": "/usr/bin", "LC_ALL": "C", "MYSQL_PWD": password})
        if done.returncode != 0 and b"Access denied" not in done.stderr:
            raise ServerFailed(done.stderr.decode(errors="replace"))
        return done.returncode == 0


def native(password):
    """What mysql_native_password keeps."""
    once = hashlib.sha1(password.encode()).digest()  # noqa: S324
    return "*" + hashlib.sha1(once).hexdigest().upper()  # noqa: S324


def _template_directory():
    """A data directory with the accounts; made once."""
    global _template
    if _template is None:
        folder = pathlib.Path(tempfile.mkdtemp(prefix="keyturn-mariadb-template-"))
        atexit.register(shutil.rmtree, folder, ignore_errors=True)
        os.chmod(folder, 0o755)
        for name in ("data", "tmp"):
            (folder / name).mkdir()
        _give_to_mysql(folder)
        _run(["/usr/bin/mariadb-install-db", "--no-defaults", "--user=mysql", f"--datadir={folder / 'data'}", f"--tmpdir={folder / 'tmp'}",
              "--auth-root-authentication-method=normal", "--skip-test-db", "--innodb-log-file-size=8M"])
        accounts = [f"SET PASSWORD FOR root@localhost = '{native(PASSWORDS['root'])}'", *ACCOUNTS]
        statements = "USE mysql;\n" + ";\n".join(["FLUSH PRIVILEGES", *accounts]) + ";\n"
        _run(["/usr/sbin/mariadbd", "--no-defaults", "--user=mysql", "--bootstrap", f"--datadir={folder / 'data'}", f"--tmpdir={folder / 'tmp'}",
              "--innodb-log-file-size=8M", "--innodb-buffer-pool-size=16M", "--plugin-maturity=unknown"],
             statements.encode())
        _template = folder
    return _template


def _run(command, text=None):
    done = subprocess.run(command, input=text, capture_output=True, timeout=120, check=False)
    if done.returncode != 0:
        raise ServerFailed(f"{command[0]}: {(done.stdout + done.stderr).decode(errors='replace')[-2000:]}")
    return done.stdout


def _give_to_mysql(directory):
    if os.geteuid() == 0:
        _run(["chown", "-R", "mysql:mysql", directory])


def _free_port():
    with socket.socket() as probe:
        probe.bind((MariadbServer.address, 0))
        return probe.getsockname()[1]


@atexit.register
def _stop_all():
    for server in list(_running):
        server.kill()
