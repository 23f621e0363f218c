"""tests/conftest.py: fixtures of every suite: a server with fresh data, a real SSH host, an account taken on."""
import os
import pathlib
import sys

import pytest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "targets"))

from support import Server, keep_seen, ok  # noqa: E402


def pytest_sessionfinish(session):
    keep_seen()


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    server = Server(directory=str(tmp_path_factory.mktemp("server")))
    server.start()
    yield server
    server.stop()
    report = server.audit_is_intact()
    assert report.returncode == 0, report.stdout + report.stderr


@pytest.fixture(scope="module")
def admin(server):
    return server.controlroom()


@pytest.fixture(scope="module")
def ps(server):
    return server.passwordsafe()


@pytest.fixture(scope="session")
def host(tmp_path_factory):
    from ssh_host import SshHost
    host = SshHost(pathlib.Path(tmp_path_factory.mktemp("host")))
    host.start()
    yield host
    host.stop()


class Managed:
    """A managed account on the test host, with what was needed to take it on."""

    def __init__(self, ps, host, name, password=None, functional="func", auto=True, system=None, **account):
        from ssh_host import PASSWORDS
        self.ps, self.host, self.name = ps, host, name
        self.system_id = system or take_on_host(ps, host, functional)
        self.first = password or PASSWORDS[name]
        body = {"AccountName": name, "Password": self.first, "ApiEnabled": True, "AutoManagementFlag": auto}
        self.id = ok(ps.post(f"/ManagedSystems/{self.system_id}/ManagedAccounts", dict(body, **account)), 201)["ManagedAccountID"]

    def put(self, body=None, **more):
        return self.ps.put(f"/ManagedAccounts/{self.id}/Credentials", body if body is not None else {}, **more)

    def change(self, body=None, **more):
        return self.ps.post(f"/ManagedAccounts/{self.id}/Credentials/Change", body, **more)

    def test(self):
        return ok(self.ps.post(f"/ManagedAccounts/{self.id}/Credentials/Test"))["Success"]

    def show(self):
        return ok(self.ps.get(f"/ManagedAccounts/{self.id}"))

    def password(self):
        """What the vault gives out now."""
        return ok(self.ps.post("/ISARequests", {"SystemID": self.system_id, "AccountID": self.id, "DurationMinutes": 1}), 201)


COUNTER = [0]


def take_on_host(ps, host, functional="func", name=None, port=None, **system):
    from ssh_host import PASSWORDS
    COUNTER[0] += 1
    body = {"PlatformID": 2, "AccountName": functional, "DisplayName": f"{functional} {COUNTER[0]}", "Password": PASSWORDS[functional], "ElevationCommand": "sudo"}
    functional_id = ok(ps.post("/FunctionalAccounts", body), 201)["FunctionalAccountID"]
    body = {"EntityTypeID": 1, "HostName": name or f"host{COUNTER[0]}", "IPAddress": "127.0.0.1", "PlatformID": 2, "Port": port or host.port, "AutoManagementFlag": True,
            "FunctionalAccountID": functional_id, "Timeout": 20}
    return ok(ps.post("/Workgroups/1/ManagedSystems", dict(body, **system)), 201)["ManagedSystemID"]
