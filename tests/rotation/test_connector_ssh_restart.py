"""tests/rotation/test_connector_ssh_restart.py: the SSH connector restarts services (docs/connector-protocol.md, restart)."""

import pathlib
import sys
import time

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

from services import SERVICES, forget, times  # noqa: E402
from ssh_fixtures import (  # noqa: E402,F401
    check, check_host_key, connector, Connector, functional, keys, MORE_ACCOUNTS, SshHost, target)


@pytest.fixture(scope="module")
def host(tmp_path_factory):
    with SshHost(tmp_path_factory.mktemp("services"), setup=MORE_ACCOUNTS + SERVICES, permit_root_login=True) as running:
        yield running


@pytest.fixture(autouse=True)
def nothing_noted(host):
    forget(host)
    yield
    host.run("rm -rf /run/systemd")


def sign_in(connector, host, who="func", timeout_s=20, **more):
    answer = connector.call("check", target=target(host, timeout_s), host_keys=keys(host), functional=functional(who, **more), account=None)
    assert answer["ok"], answer


def restart(connector, service="counter"):
    return connector.call("restart", service=service)


def test_a_service_is_restarted_once(connector, host):
    sign_in(connector, host)
    assert restart(connector) == {"id": connector.last_id, "ok": True}
    assert len(times(host)) == 1
    assert restart(connector)["ok"] and len(times(host)) == 2


def test_with_sudos_password_and_as_root(connector, host):
    sign_in(connector, host, "func2")
    assert restart(connector)["ok"] and len(times(host)) == 1
    sign_in(connector, host, "root", elevation="")
    assert restart(connector)["ok"] and len(times(host)) == 2


@pytest.mark.parametrize("who", ["plain", "nobody2"])
def test_without_the_right(connector, host, who):
    sign_in(connector, host, who)
    answer = restart(connector)
    assert (answer["ok"], answer["code"]) == (False, "elevation_denied") and times(host) == []


def test_a_right_for_one_is_none_for_another(connector, host):
    sign_in(connector, host)
    assert restart(connector, "cron")["code"] == "elevation_denied"


def test_no_such_service(connector, host):
    sign_in(connector, host)
    answer = restart(connector, "missing")
    assert (answer["ok"], answer["code"], answer["text"]) == (False, "refused", "exit status 1: missing: unrecognized service")


def test_one_that_fails_says_why_without_secrets(connector, host):
    sign_in(connector, host)
    answer = restart(connector, "broken")
    assert answer["code"] == "refused" and "Func-Start-1!" not in answer["text"]
    assert [restart(connector, "third-time")["ok"] for _ in range(3)] == [False, False, True]
    assert connector.heard and b"not ready yet" in connector.heard[-3]


def test_one_that_hangs_ends_at_the_time_limit(connector, host):
    sign_in(connector, host, timeout_s=4)
    began = time.monotonic()
    answer = restart(connector, "hangs")
    assert answer["code"] == "unknown" and 3 < time.monotonic() - began < 9
    assert times(host, "hangs") == ["begun"]
    assert restart(connector)["code"] in ("unknown", "unsent", "unreachable")  # the session went with it
    host.run("pkill -x sleep || true")


def test_one_that_leaves_a_daemon_with_our_outputs_is_not_waited_for(connector, host):
    sign_in(connector, host, timeout_s=15)
    began = time.monotonic()
    assert restart(connector, "leaves.daemon")["ok"]
    assert time.monotonic() - began < 8 and times(host, "daemon") == ["begun"]
    assert restart(connector)["ok"]
    host.run("pkill -x sleep || true")


def test_a_connection_that_breaks_after_it_began_is_unknown(host):
    connector = Connector()
    sign_in(connector, host)
    connector.send("restart", service="slow")
    deadline = time.monotonic() + 10
    while "sleep" not in host.run("ps -eo comm").stdout and time.monotonic() < deadline:
        time.sleep(0.05)
    host.run("pkill -u func sshd")
    assert connector.answer()["code"] == "unknown"
    connector.end()
    host.run("pkill -x sleep || true")


@pytest.mark.parametrize("name", [
    "", " ", "-v", "--status-all", "a b", "a;id", "a|id", "a&id", "$(id)", "`id`", "a\nb", "a/b", "../counter", "..", ".", ".counter", "a*", "a?", "[a]", "a'b", 'a"b', "a\\b", "a>b", "a<b",
    "~", "#a", "a=b", "a,b", "%n", "naïve", "counter ", " counter", "x" * 129])
def test_names_that_are_none(connector, host, name):
    sign_in(connector, host)
    before = host.log.count("session opened")
    answer = restart(connector, name)
    assert (answer["ok"], answer["code"]) == (False, "bad_request") and times(host) == []
    assert host.log.count("session opened") == before


@pytest.mark.parametrize("request_", [{}, {"service": None}, {"service": ["counter"]}])
def test_requests_that_are_none(connector, host, request_):
    sign_in(connector, host)
    assert connector.call("restart", **request_)["code"] == "bad_request"


def test_it_needs_a_functional_session(connector, host):
    assert restart(connector)["code"] == "bad_request"
    check_host_key(connector, host)
    assert restart(connector)["code"] == "bad_request" and times(host) == []


def test_a_shell_that_runs_nothing_has_restarted_nothing(connector, host):
    sign_in(connector, host, "dull")
    assert restart(connector)["code"] == "refused" and times(host) == []


def test_where_systemd_runs_systemctl_is_asked(connector, host):
    """No host here has systemd as its first process: the real systemctl says so, and a stand-in tells what it was asked."""
    host.run("mkdir -p /run/systemd/system")
    sign_in(connector, host)
    answer = restart(connector)
    assert answer["code"] == "refused" and "bus" in answer["text"], answer
    host.run("cp -a /usr/bin/systemctl /root/kept; printf '#!/bin/sh\\nfor word; do echo \"$word\"; done >>/var/lib/services/systemctl\\n' >/usr/bin/systemctl.new;"
             " chmod 755 /usr/bin/systemctl.new; mv /usr/bin/systemctl.new /usr/bin/systemctl")
    try:
        assert restart(connector)["ok"] and restart(connector, "getty@tty1.service")["ok"]
        assert times(host, "systemctl") == ["restart", "--", "counter", "restart", "--", "getty@tty1.service"] and times(host) == []
    finally:
        host.run("mv /root/kept /usr/bin/systemctl")


def test_other_kinds_have_no_such_operation():
    for kind in ("postgresql", "ldap", "mysql", "controlroom", "activedirectory"):
        other = Connector(kind)
        assert other.call("restart", service="counter")["code"] == "bad_request", kind
        other.end()
