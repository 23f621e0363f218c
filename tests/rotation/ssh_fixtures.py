"""tests/rotation/ssh_fixtures.py: hosts, a connector, and the requests that most tests of the SSH connector make."""

import pathlib
import subprocess
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "targets"))

from connector import Connector  # noqa: E402
from ssh_host import PASSWORDS, SshHost  # noqa: E402

MORE_ACCOUNTS = r"""
new() { useradd -m -s "${3:-/bin/bash}" "$1"; printf '%s:%s\n' "$1" "$2" | chpasswd; }
new plain Plain-Start-1!      # may run chpasswd and nothing else, without the fence
new nobody2 Nobody-Start-2!   # may not use sudo at all
new dull Dull-Start-1! /bin/true
new Upper.Case-1 Upper-Start-1!
useradd -m -s /bin/bash newborn
cat >/etc/sudoers.d/more <<'SUDOERS'
Defaults:plain !requiretty, !pam_session, !use_pty, !lecture
plain ALL=(root) NOPASSWD: /usr/sbin/chpasswd
func2 ALL=(u1,u2) /bin/sh
SUDOERS
chmod 440 /etc/sudoers.d/more
"""
MORE_PASSWORDS = {"plain": "Plain-Start-1!", "nobody2": "Nobody-Start-2!", "dull": "Dull-Start-1!",
                  "Upper.Case-1": "Upper-Start-1!"}
SECRETS = {**PASSWORDS, **MORE_PASSWORDS}


@pytest.fixture(scope="module")
def host(tmp_path_factory):
    with SshHost(tmp_path_factory.mktemp("host"), setup=MORE_ACCOUNTS) as running:
        yield running


@pytest.fixture(scope="module")
def old_host(tmp_path_factory):
    """Without keyboard-interactive; root may log in."""
    with SshHost(tmp_path_factory.mktemp("old-host"), permit_root_login=True,
                 sshd_options={"KbdInteractiveAuthentication": "no"}) as running:
        yield running


@pytest.fixture
def connector():
    running = Connector()
    yield running
    if running.line.fileno() >= 0:
        _, problems = running.end()
        assert b"Sanitizer" not in problems and b"runtime error" not in problems, problems.decode()


def target(where, timeout_s=20):
    return {"name": "web01", "address": where.address, "port": where.port, "timeout_s": timeout_s}


def keys(where):
    return [{"type": "ssh-ed25519", "sha256": where.host_key_sha256}]


def functional(account="func", **more):
    return {"account": account, "password": SECRETS[account], "private_key": None, "passphrase": None,
            "elevation": "sudo", **more}


def check(connector, where, account="u1", who="func", **more):
    signs_in = functional(who) if isinstance(who, str) else who
    answer = connector.call("check", target=target(where), host_keys=keys(where), functional=signs_in,
                            account=account, **more)
    assert answer["ok"], answer
    return answer


def check_host_key(connector, where, timeout_s=20):
    answer = connector.call("check", target=target(where, timeout_s), host_keys=keys(where), functional=None,
                            account=None)
    assert answer["ok"], answer


def made_key(connector, **wish):
    answer = connector.call("make_key", **(wish or {"type": "ed25519"}))
    assert answer["ok"], answer
    return answer["private_key"], answer["public_key"]


def encrypted_key(folder, passphrase, kind="ed25519", *more):
    path = folder / "key"
    subprocess.run(["ssh-keygen", "-q", "-t", kind, "-N", passphrase, "-f", path, *more], check=True)
    return path.read_text(), (folder / "key.pub").read_text()
