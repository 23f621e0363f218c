"""tests/rotation/postgresql_fixtures.py: a server, a connector, and the requests that most tests of it make."""

import pathlib
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "targets"))

from connector import Connector  # noqa: E402
from postgresql_target import PASSWORDS, PostgresqlServer  # noqa: E402


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with PostgresqlServer(tmp_path_factory.mktemp("postgresql") / "server") as running:
        yield running


@pytest.fixture
def connector():
    running = Connector("postgresql")
    yield running
    if running.line.fileno() >= 0:
        ended(running)


def ended(connector):
    """End it; what it wrote on standard error."""
    status, problems = connector.end()
    assert b"Sanitizer" not in problems and b"runtime error" not in problems, problems.decode()
    assert status == 0
    return problems


def target(where, timeout_s=20, **more):
    return {"name": "db01", "address": where.address, "port": where.port, "timeout_s": timeout_s, **more}


def keys(pin):
    return [{"type": "x509", "sha256": pin}]


def functional(account="func", password=None):
    return {"account": account, "password": password or PASSWORDS[account]}


def asked(connector, where, pin, account="u1", who="func", timeout_s=20, **more):
    """The answer to a check, whatever it is."""
    return connector.call("check", target=target(where, timeout_s, **more), host_keys=keys(pin),
                          functional=functional(who) if isinstance(who, str) else who, account=account)


def check(connector, server, account="u1", who="func", port=None, **more):
    more = {**more, "port": port} if port else more
    answer = asked(connector, server, server.pin, account, who, **more)
    assert answer["ok"], answer
    return answer


def change(connector, account, password, **more):
    return connector.call("change", account=account, part="password", password=password, **more)


def change_self(connector, account, current, password):
    return change(connector, account, password, method="self", current=current)


def login(connector, account, password):
    answer = connector.call("login", account=account, password=password)
    return answer.get("result", answer.get("code"))


def matches(connector, account, password):
    return connector.call("compare", account=account, password=password)["match"]
