"""tests/rotation/test_connector_long_life.py: a connector that serves job after job leaves nothing open behind it."""
import os
import pathlib
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "targets"))

import platform_fixtures  # noqa: E402
from connector import Connector  # noqa: E402
from ssh_host import PASSWORDS, SshHost  # noqa: E402


class Ssh:
    """An SSH host in the words of platform_fixtures."""

    kind, passwords = "ssh", PASSWORDS

    def __init__(self, folder):
        self.running = SshHost(folder)
        self.running.start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.running.stop()


def check(connector, target, again):
    running = target.running
    if target.kind == "ssh":
        pin, functional = {"type": "ssh-ed25519", "sha256": running.host_key_sha256}, "func"
    else:
        pin, functional = {"type": "x509", "sha256": running.pin}, target.functional_name("func")
    where = {"name": "target", "address": running.address, "port": running.port, "timeout_s": 20, "instance": "",
             "domain": "lab.test" if target.kind == "activedirectory" else ""}
    elevation = "sudo" if target.kind == "ssh" else ""
    return connector.call("check", target=where, host_keys=[pin], account="u1", again=again, part="password",
                          functional={"account": functional, "password": target.passwords["func"], "private_key": None, "passphrase": None, "elevation": elevation})


@pytest.mark.parametrize("make", [Ssh, *platform_fixtures.KINDS.values()], ids=["ssh", *platform_fixtures.KINDS])
def test_nothing_stays_open(make, tmp_path):
    with make(tmp_path) as target:
        connector, seen = Connector(target.kind), []
        for turn in range(8):
            password = f"Long-Life-{turn}-{turn}!"
            assert check(connector, target, turn > 0)["ok"]
            assert connector.call("change", account="u1", part="password", password=password)["ok"]
            assert connector.call("login", account="u1", password=password)["result"] == "accepted"
            if turn == 4:
                assert connector.call("login", account="u1", password="Wrong-1!")["result"] == "denied"
                assert check(connector, target, False)["ok"]  # a new session in place of the old one
            seen.append(len(os.listdir(f"/proc/{connector.process.pid}/fd")))
        assert len(set(seen)) == 1, seen
        assert connector.end()[0] == 0
