"""tests/rotation/test_connector_process.py: the process of a connector: its sandbox, its lines, its end."""

import json
import pathlib
import re
import sys
import time

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "targets"))

from ssh_fixtures import (  # noqa: E402,F401
    check, check_host_key, connector, Connector, encrypted_key, functional,
    host, keys, old_host, SECRETS, target)


def test_the_sandbox_is_on(connector):
    status = connector.status()
    assert (status["Seccomp"], status["NoNewPrivs"]) == ("2", "1")


def test_no_secret_is_seen_outside(host, tmp_path):
    before = {path: path.stat().st_mtime_ns for path in host_files(host)}
    connector = Connector()
    private, public = encrypted_key(tmp_path, "Canary-Phrase-77!")
    check(connector, host, "u6", "func2")
    for op, fields in (("change", {"part": "password", "password": "Canary-New-77!"}),
                       ("login", {"password": "Canary-New-77!"}), ("login", {"password": "Canary-Wrong-77!"}),
                       ("compare", {"password": "Canary-New-77!"}),
                       ("login", {"private_key": private, "passphrase": "Canary-Phrase-77!"}),
                       ("change", {"part": "password", "method": "self", "current": "Canary-New-77!",
                                   "password": "Canary-Own-77!"}),
                       ("change", {"part": "password", "password": "Canary-\nLines-77!"})):
        connector.call(op, account="u6", **fields)
    process = pathlib.Path(f"/proc/{connector.process.pid}")
    seen = (process / "environ").read_bytes() + (process / "cmdline").read_bytes() + b"".join(connector.heard)
    _, problems = connector.end()
    seen += problems + host.log.encode()
    for path in host_files(host):
        if before.get(path) != path.stat().st_mtime_ns:
            seen += path.read_bytes()
    assert b"Canary" not in seen and SECRETS["func2"].encode() not in seen
    assert not re.search("|".join(re.escape(line) for line in private.splitlines()[1:-1]).encode(), seen)


def host_files(host):
    for folder in ("var/log", "tmp", "home/u6", "home/func2"):
        yield from (path for path in (host.root / folder).iterdir() if path.is_file())


@pytest.mark.parametrize("line", [b"\n", b"{}\n", b"[]\n", b"{\"id\":1}\n", b"{\"id\":0,\"op\":\"check\"}\n", b"\xff\xfe\n",
                                  b"{\"id\":\"x\",\"op\":\"hello\"}\n", b"[" * 60000 + b"\n",
                                  b"{\"id\":1,\"op\":\"nothing\"}\n", b"{\"id\":1,\"op\":\"check\"}\n",
                                  b"{\"id\":1,\"op\":\"hello\",\"protocol\":2}\n",
                                  b"{\"id\":1,\"op\":\"login\",\"account\":\"u1\",\"password\":\"x\"}\n"])
def test_lines_that_make_no_sense(connector, line):
    connector.send_line(line)
    answer = connector.answer()
    assert (answer["ok"], answer["code"]) == (False, "bad_request")
    assert connector.call("make_key", type="ed25519")["ok"]


def test_a_request_before_hello_and_too_long_a_line():
    connector = Connector(greets=False)
    assert connector.call("make_key", type="ed25519")["code"] == "bad_request"
    try:
        connector.send_line(b"x" * 200000)
    except OSError:
        pass
    assert connector.process.wait(5) == 0
    connector.process.stderr.close()


def test_one_target_per_process(connector, host, old_host):
    check_host_key(connector, host)
    answer = connector.call("check", target=target(old_host), host_keys=keys(old_host), functional=None, account=None)
    assert answer["code"] == "bad_request"


@pytest.mark.parametrize("address", ["localhost", "127.0.0.1.", "example.com", "127.1", "", "::1%lo"])
def test_addresses_are_numbers(connector, host, address):
    answer = connector.call("check", target={**target(host), "address": address}, host_keys=[], functional=None, account=None)
    assert answer["code"] == "bad_request"


def test_it_ends_at_bye_at_the_end_of_the_line_and_after_a_thousand_requests():
    connector = Connector()
    connector.send("bye")
    assert connector.answer() is None and connector.process.wait(5) == 0
    connector = Connector()
    assert connector.end()[0] == 0
    connector = Connector()
    for _ in range(999):
        assert connector.call("nothing")["code"] == "bad_request"
    assert connector.answer() is None and connector.process.wait(5) == 0


def test_it_ends_after_thirty_idle_seconds():
    connector = Connector()
    began = time.monotonic()
    assert connector.answer() is None
    assert 28 < time.monotonic() - began < 34
    assert connector.process.wait(5) == 0


def test_unknown_fields_are_ignored(connector, host):
    answer = connector.call("check", target={**target(host), "more": [1]}, host_keys=keys(host), functional=None,
                            account=None, colour={"a": None})
    assert answer["ok"] and json.loads(connector.heard[-1]) == answer
