"""tests/rotation/ad_fixtures.py: a domain, a connector, and the requests that most tests of this connector make."""

import pathlib
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "targets"))

from connector import Connector  # noqa: E402
from samba_dc import PASSWORDS, SambaDc, domain_files  # noqa: E402


@pytest.fixture(scope="module")
def dc(tmp_path_factory):
    with SambaDc(tmp_path_factory.mktemp("dc"), domain_files()) as running:
        yield running


@pytest.fixture(scope="module")
def strict_dc(tmp_path_factory):
    """Refuses the former password at once."""
    with SambaDc(tmp_path_factory.mktemp("dc"), domain_files(), old_password_minutes=0) as running:
        yield running


class AdConnector(Connector):
    """Remembers every secret that it was sent, to see that none comes back."""

    def __init__(self):
        self.secrets = set()
        super().__init__("activedirectory")

    def send(self, op, **fields):
        for part in (fields, fields.get("functional") or {}):
            self.secrets |= {part[name] for name in ("password", "current") if isinstance(part.get(name), str)}
        super().send(op, **fields)

    def check_silence(self, problems):
        said = (problems + b"".join(self.heard)).decode()
        for secret in self.secrets:
            assert len(secret) < 6 or secret not in said, "a secret came back"


@pytest.fixture
def connector():
    running = AdConnector()
    yield running
    if running.line.fileno() >= 0:
        _, problems = running.end()
        assert b"Sanitizer" not in problems and b"runtime error" not in problems, problems.decode()
        running.check_silence(problems)


def target(where, timeout_s=20, **more):
    return {"name": "dc1", "address": where.address, "port": where.port, "timeout_s": timeout_s, "instance": "",
            "domain": "lab.test", **more}


def keys(where):
    return [{"type": "x509", "sha256": where.pin}]


def functional(account="func", **more):
    return {"account": account, "password": PASSWORDS[account], "private_key": None, "passphrase": None,
            "elevation": "", **more}


def ask_check(connector, where, account="u1", who="func", **more):
    fields = {"target": target(where), "host_keys": keys(where), "account": account,
              "functional": functional(who) if isinstance(who, str) else who, **more}
    return connector.call("check", **fields)


def check(connector, where, account="u1", who="func", **more):
    answer = ask_check(connector, where, account, who, **more)
    assert answer["ok"], answer
    return answer


def change(connector, account, password, **more):
    return connector.call("change", account=account, part="password", password=password, **more)


def login(connector, account, password, **more):
    """The word, or the code where there is none."""
    answer = connector.call("login", account=account, password=password, **more)
    return answer["result"] if answer["ok"] else answer["code"]


def bad_logins(where, account):
    return int(where.read(account, "badPwdCount") or 0)
