"""tests/support.py: a real server with fresh data, and small clients of its faces. Used by every pytest suite."""
import atexit
import base64
import json
import os
import pickle
import pty
import shutil
import signal
import subprocess
import tempfile
import time

import requests

TOP = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..")
BUILD = os.path.abspath(os.environ.get("KEYTURN_BUILD", os.path.join(TOP, "build-test" if os.path.exists(os.path.join(TOP, "build-test/keyturn")) else "build")))
KEYTURN = os.path.join(BUILD, "keyturn")
PS = "/BeyondTrust/api/public/v3"


def has_postgresql():
    """KEYTURN_TEST_STORE=postgresql: every server of these tests gets a database instead of a file."""
    return os.environ.get("KEYTURN_TEST_STORE") == "postgresql"


_cluster, _databases = [], [0]


def fresh_database():
    """The URL of an empty database on the one PostgreSQL of this test process, or on that of script/with-postgresql --server."""
    _databases[0] += 1
    if "KEYTURN_TEST_POSTGRESQL" in os.environ:
        from postgresql_store import ask
        url, name = os.environ["KEYTURN_TEST_POSTGRESQL"], f"keyturn_{os.getpid()}_{_databases[0]}"
        ask(url, f"CREATE DATABASE {name}")
        return url.rsplit("/", 1)[0] + "/" + name
    if not _cluster:
        from postgresql_store import PostgresStore
        folder = tempfile.mkdtemp(prefix="keyturn-store-")
        os.chmod(folder, 0o755)
        _cluster.append(PostgresStore(os.path.join(folder, "primary"), fsync=False, settings={"max_connections": 500}))
        _cluster[0].start()
        atexit.register(lambda: (_cluster[0].stop("immediate"), shutil.rmtree(folder, ignore_errors=True)))
    return _cluster[0].create_database(f"keyturn{_databases[0]}")


class Server:
    """A server process on a data directory of its own."""

    def __init__(self, directory=None, listen=("http://127.0.0.1:0",), program=KEYTURN, environment=None, options=(), store=None):
        self.directory = directory or tempfile.mkdtemp(prefix="keyturn-test-")
        self.owns_directory = directory is None
        os.makedirs(self.directory, mode=0o700, exist_ok=True)
        self.data = os.path.join(self.directory, "data")
        self.listen, self.program, self.options = list(listen), program, list(options)
        self.environment = dict(os.environ, **(environment or {}))
        self.store = store or self.kept_store()
        self.process, self.urls = None, []
        self.log_path = os.path.join(self.directory, "server.log")
        if not any(os.path.exists(os.path.join(self.data, name)) for name in ("keyturn.db", "installation")):
            self.init()
        self.password = open(os.path.join(self.directory, "admin-password")).read().strip()
        self.api_key = open(os.path.join(self.directory, "api-key")).read().strip()

    def kept_store(self):
        """The URL of this directory's database, made at its first use; None: SQLite."""
        kept = os.path.join(self.directory, "store-url")
        if not has_postgresql():
            return None
        if not os.path.exists(kept):
            with open(os.open(kept, os.O_CREAT | os.O_WRONLY, 0o600), "w") as file:
                file.write(fresh_database())
        return open(kept).read()

    def at_store(self):
        return ["--data", self.data] + (["--store", self.store] if self.store else [])

    def init(self):
        subprocess.run([self.program, "init"] + self.at_store() + ["--admin-password-file", os.path.join(self.directory, "admin-password"),
                        "--api-key-file", os.path.join(self.directory, "api-key")], check=True, capture_output=True, timeout=60)

    def start(self, wait=True):
        arguments = [self.program, "serve"] + self.at_store() + self.options
        for url in self.listen:
            arguments += ["--listen", url]
        self.log = open(self.log_path, "ab")
        self.process = subprocess.Popen(arguments, stdout=subprocess.PIPE, stderr=self.log, env=self.environment, text=True)
        self.urls = []
        if wait:
            self.wait_ready()
        return self

    def wait_ready(self):
        for _ in self.listen:
            line = self.process.stdout.readline()
            if not line.startswith("listening on "):
                self.process.wait(timeout=30)
                raise RuntimeError("the server did not start: " + self.log_text()[-2000:])
            self.urls.append(line.split()[-1])

    @property
    def url(self):
        return self.urls[0]

    def log_text(self):
        return open(self.log_path, errors="replace").read()

    def stop(self, expect=0, timeout=40):
        if self.process and self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            self.process.wait(timeout=timeout)
        if self.process and expect is not None:
            assert self.process.returncode == expect, (self.process.returncode, self.log_text()[-3000:])

    def kill(self):
        if self.process and self.process.poll() is None:
            self.process.kill()
            self.process.wait(timeout=30)

    def close(self):
        self.kill()
        if self.owns_directory:
            shutil.rmtree(self.directory, ignore_errors=True)

    # -- clients

    def controlroom(self, user="admin", password=None):
        return ControlRoom(self.url, user, password or self.password)

    def passwordsafe(self, user="admin", key=None, password=None):
        return PasswordSafe(self.url, key or self.api_key, user, password)

    def audit_is_intact(self):
        return subprocess.run([self.program, "audit", "verify"] + self.at_store(), capture_output=True, text=True, timeout=120)


class Client:
    def __init__(self, url):
        self.base, self.http = url, requests.Session()
        self.http.verify, self.http.trust_env = False, False  # the environment's proxies and certificates are not ours

    def call(self, method, path, body=None, headers=None, raw=None, timeout=60, **more):
        headers = dict(self.headers(), **(headers or {}))
        data = raw if raw is not None else None if body is None else json.dumps(body)
        answer = self.http.request(method, self.base + path, data=data, headers=headers, timeout=timeout, allow_redirects=False, **more)
        record(method, self.base + path, answer)
        return answer

    def headers(self):
        return {}

    def get(self, path, **more):
        return self.call("GET", path, **more)

    def post(self, path, body=None, **more):
        return self.call("POST", path, body, **more)

    def put(self, path, body=None, **more):
        return self.call("PUT", path, body, **more)

    def delete(self, path, body=None, **more):
        return self.call("DELETE", path, body, **more)


def ok(answer, status=200):
    """The answer's JSON (or None), after its status was checked."""
    assert answer.status_code == status, (answer.status_code, answer.request.method, answer.request.path_url, answer.text[:1000])
    return answer.json() if answer.text else None


class ControlRoom(Client):
    def __init__(self, url, user, password):
        super().__init__(url)
        self.user, self.token = user, None
        answer = ok(self.post("/v2/authentication", {"username": user, "password": password}))
        self.token, self.id = answer["token"], answer["user"]["id"]

    def headers(self):
        return {"X-Authorization": self.token} if self.token else {}

    def own(self, method, path, body=None, **more):
        """Our own API (/api/v1)."""
        headers = {"Content-Type": "application/json"} if body is not None else {}
        return self.call(method, "/api/v1" + path, body, headers=headers, **more)


class PasswordSafe(Client):
    def __init__(self, url, key, user, password=None):
        super().__init__(url)
        self.header = f"PS-Auth key={key}; runas={user};" + (f" pwd=[{password}];" if password else "")

    def headers(self):
        return {"Authorization": self.header, "Content-Type": "application/json"}

    def call(self, method, path, body=None, **more):
        return super().call(method, PS + path if not path.startswith("/api/") else path, body, **more)


# -- every answer of a run is kept for the check against our own OpenAPI documents (tests/api/test_zz_openapi.py)

# Several processes share a run: each leaves its answers in the folder KEYTURN_SEEN.

SEEN = []


def keep_seen():
    if "KEYTURN_SEEN" in os.environ and SEEN:
        with open(os.path.join(os.environ["KEYTURN_SEEN"], f"{os.getpid()}.pickle"), "wb") as file:
            pickle.dump(SEEN, file)


def all_seen():
    """The answers of this process, and of those of the same run that have ended."""
    found = list(SEEN)
    for name in sorted(os.listdir(os.environ["KEYTURN_SEEN"])) if "KEYTURN_SEEN" in os.environ else []:
        with open(os.path.join(os.environ["KEYTURN_SEEN"], name), "rb") as file:
            found += pickle.load(file)
    return found


def record(method, url, answer):
    if len(SEEN) < 200000:
        path = url.split("://", 1)[1]
        path = "/" + path.split("/", 1)[1] if "/" in path else "/"
        SEEN.append((method, path.split("?", 1)[0], answer.status_code, answer.headers.get("Content-Type", ""), answer.content[:200000]))


def token_payload(token):
    part = token.split(".")[1]
    return json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))


def on_terminal(*words):
    """(status, what a terminal shows, what comes beside it) of the program."""
    master, slave = pty.openpty()
    process = subprocess.Popen([KEYTURN, *map(str, words)], stdin=subprocess.DEVNULL, stdout=slave, stderr=subprocess.PIPE, text=True)
    os.close(slave)
    shown = b""
    try:
        while piece := os.read(master, 65536):
            shown += piece
    except OSError:
        pass  # the terminal's other end is gone
    os.close(master)
    _, beside = process.communicate(timeout=60)
    assert "Sanitizer" not in beside, beside
    return process.returncode, shown.decode().replace("\r\n", "\n"), beside


def with_rounds(private, rounds):
    """The same key file, which says that its passphrase goes through so many rounds of bcrypt: no passphrase opens it."""
    first, *lines, last = private.strip().splitlines()
    blob = base64.b64decode("".join(lines))
    at = blob.index(b"bcrypt") + len("bcrypt") + 4 + 4 + 16
    blob = blob[:at] + rounds.to_bytes(4, "big") + blob[at + 4:]
    return "\n".join([first, base64.encodebytes(blob).decode().strip(), last, ""])


def wait_for(condition, timeout=30, pause=0.1):
    """The first true value of condition(), asked again and again."""
    end = time.monotonic() + timeout
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise AssertionError("waited %s s in vain" % timeout)
        time.sleep(pause)
