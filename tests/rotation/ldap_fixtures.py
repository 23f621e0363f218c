"""tests/rotation/ldap_fixtures.py: a directory, a connector, and the requests that most tests of the LDAP one make."""

import pathlib
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "targets"))

from connector import Connector  # noqa: E402
from ldap_server import LdapServer, PASSWORDS, dn_of  # noqa: E402


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with LdapServer(tmp_path_factory.mktemp("ldap")) as running:
        yield running


@pytest.fixture
def connector():
    running = Connector("ldap")
    yield running
    if running.line.fileno() >= 0:
        _, problems = running.end()
        assert b"Sanitizer" not in problems and b"runtime error" not in problems, problems.decode()


def target(where, timeout_s=20, ldaps=False):
    address, port = (where.tls_address, 636) if ldaps else (where.address, where.port)
    return {"name": "ldap01", "address": address, "port": port, "timeout_s": timeout_s, "instance": "", "domain": ""}


def keys(where):
    return [{"type": "x509", "sha256": where.pin}]


def functional(name="func", password=None):
    return {"account": dn_of(name), "password": password or PASSWORDS[name], "private_key": None, "passphrase": None,
            "elevation": ""}


def try_check(connector, where, account="u1", who="func", pins=None, timeout_s=20, ldaps=False, dn=""):
    signs_in = functional(who) if isinstance(who, str) else who
    return connector.call("check", target=target(where, timeout_s, ldaps),
                          host_keys=keys(where) if pins is None else pins, functional=signs_in, account=account, dn=dn)


def check(connector, where, account="u1", who="func", **more):
    answer = try_check(connector, where, account, who, **more)
    assert answer["ok"], answer
    return answer


def change(connector, account, password, **more):
    return connector.call("change", account=account, part="password", password=password, **more)


def self_change(connector, account, current, password, **more):
    return change(connector, account, password, method="self", current=current, **more)


def login(connector, account, password, **more):
    answer = connector.call("login", account=account, password=password, **more)
    return answer.get("result") or answer["code"]
