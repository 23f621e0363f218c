"""tests/rotation/test_protocol_page.py: a connector in another language, written from docs/connector-protocol.md alone, in place of the compiled one.

The server of this file is installed with tests/targets/python_connector.py as its only connector. What every kind of target is asked for
(test_platforms.py) is asked here too, and what goes wrong in the middle.
"""
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import tempfile

import pytest

from connector import Connector
from platform_fixtures import Account, Postgresql, in_background, is_settled, job_of, state_of, steps_of
from support import BUILD, TOP, Server, wait_for
from test_platforms import (  # noqa: F401  (the same questions, of the server and the target of this file)
    test_a_changed_certificate_key_gets_no_secret, test_a_functional_account_that_sees_no_verifier, test_a_key_is_approved_beforehand,
    test_a_wrong_functional_password_changes_nothing, test_an_account_that_changes_itself, test_an_account_that_is_not_there_is_told,
    test_taken_on_tested_and_changed_by_request, test_taken_on_without_a_password_it_gets_one, test_the_functional_account_changes_its_own,
    test_what_somebody_else_changed_is_a_mismatch, test_what_the_targets_rules_refuse_is_told_and_the_old_one_stays)
from test_platforms_faults import WAITING, Held, test_a_stopped_backend_is_ended_before_anything_is_looked_at  # noqa: F401

PROGRAM = "keyturn-connector-postgresql"


@pytest.fixture(scope="module")
def installed():
    """A folder with the server and the program in Python, which the connectors' user can reach."""
    folder = tempfile.mkdtemp(prefix="keyturn-python-")
    os.chmod(folder, 0o755)
    shutil.copy2(os.path.join(BUILD, "keyturn"), folder)
    shutil.copytree(os.path.join(BUILD, "web"), os.path.join(folder, "web"))
    targets = pathlib.Path(TOP, "tests", "targets")
    shutil.copy(targets / "python_postgresql.py", folder)
    shutil.copy(targets / "python_connector.py", os.path.join(folder, PROGRAM))
    os.chmod(os.path.join(folder, PROGRAM), 0o755)
    yield folder
    shutil.rmtree(folder)


@pytest.fixture(scope="module")
def server(installed, tmp_path_factory):
    server = Server(directory=str(tmp_path_factory.mktemp("server")), program=os.path.join(installed, "keyturn"))
    server.start()
    yield server
    server.stop()
    report = server.audit_is_intact()
    assert report.returncode == 0, report.stdout + report.stderr


@pytest.fixture(scope="module")
def target(tmp_path_factory):
    with Postgresql(tmp_path_factory.mktemp("postgresql")) as running:
        yield running


@pytest.fixture(scope="module")
def postgresql(target):
    return target


def connectors(server):
    """The processes of this server that run the program, with what the kernel says of each."""
    found = {}
    for entry in pathlib.Path("/proc").iterdir():
        try:
            words = (entry / "cmdline").read_bytes().split(b"\0")
            if len(words) > 2 and words[2] == os.path.join(os.path.dirname(server.program), PROGRAM).encode():
                found[int(entry.name)] = words[0]
        except OSError:
            continue
    return found


def look_at(pid):
    """What the kernel says of it; one that was kept after another change may end at any time."""
    try:
        return [(pathlib.Path(f"/proc/{pid}") / name).read_bytes() for name in ("status", "limits", "environ")]
    except OSError:
        return None


def test_what_runs_is_the_program_in_python_shut_in_as_the_page_says(server, ps, target):
    account = Account(ps, target, "u3")
    held = Held(target.running, "u3")
    try:
        with in_background(account.put, "In-Python-31!") as put:
            wait_for(lambda: target.running.psql(WAITING))
            interpreters, seen = set(connectors(server).values()), [what for pid in connectors(server) if (what := look_at(pid))]
            held.release()
            assert put.result().status_code == 204
    finally:
        held.release()
    assert seen and interpreters == {b"/usr/bin/python3"}
    for status, limits, environment in seen:
        assert environment == b"LC_ALL=C\0PATH=/usr/bin:/bin\0"
        assert b"Uid:\t0" not in status and b"Max file size             0 " in limits and b"Max core file size        0 " in limits
    assert account.is_live()


def test_a_role_that_may_not_log_in_is_proved_by_its_verifier(ps, admin, target):
    account = Account(ps, target, "nolog")
    assert account.put("Never-Logs-In-1!").status_code == 204
    assert account.is_live() and state_of(admin, account)["proof"] == "compare"


def test_a_connector_that_dies_in_the_middle_is_looked_after(server, ps, admin, target):
    """The change waits for a lock on the target while its connector is killed: nobody knows. Its session is ended first, then it is found out."""
    account = Account(ps, target, "u4", first="Known-Start-41!")
    target.set_password("u4", "Known-Start-41!")
    assert account.put("Before-Death-41!").status_code == 204
    held = Held(target.running, "u4")
    try:
        with in_background(account.put, "After-Death-42!") as put:
            wait_for(lambda: target.running.psql(WAITING))
            for pid in connectors(server):
                os.kill(pid, signal.SIGKILL)
            held.release()
            assert put.result().status_code in (204, 409)
    finally:
        held.release()
    wait_for(lambda: is_settled(admin, account), timeout=90)
    steps = [(step["step"], step["ok"]) for step in steps_of(admin, account)]
    assert ("fenced", True) in steps and job_of(admin, account)["state"] == "done", steps
    assert account.password() == "After-Death-42!" and account.is_live() and account.test() is True
    target.running.wait_for_no_session()


def test_a_queued_change_goes_on_soon_after_its_connector_starts_again(installed, server, ps, admin, target):
    """A connector that does not start is no answer of the target's: it counts as no refusal, and waits for no retry of an hour."""
    account = Account(ps, target, "u5")
    program, whole = os.path.join(installed, PROGRAM), os.path.join(installed, "whole")
    before = len(server.log_text())
    for pid in connectors(server):
        os.kill(pid, signal.SIGKILL)
    os.rename(program, whole)
    try:
        with open(program, "w", opener=lambda path, flags: os.open(path, flags, 0o755)) as dumb:
            dumb.write("#!/bin/sh\nexit 3\n")
        assert account.change(Queue=True).status_code == 204
        wait_for(lambda: "does not start" in server.log_text()[before:], timeout=20)
    finally:
        os.rename(whole, program)
    wait_for(lambda: job_of(admin, account)["state"] == "done", timeout=20)
    assert account.is_live() and job_of(admin, account)["attempt"] == 1


# -- the line, without a server


class Alone(Connector):
    """The program as the server starts it, but by hand."""

    def __init__(self, installed):
        ours, theirs = socket.socketpair()
        self.process = subprocess.Popen(["/bin/bash", "-c", f'exec 3<&{theirs.fileno()}; exec "$0"', os.path.join(installed, PROGRAM)], pass_fds=[theirs.fileno()],
                                        env={"LC_ALL": "C", "PATH": "/usr/bin:/bin"}, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        theirs.close()
        self.line, self.reader, self.last_id, self.heard = ours, ours.makefile("rb"), 0, []
        self.line.settimeout(60)


@pytest.fixture
def alone(installed):
    running = Alone(installed)
    yield running
    status, problems = running.end()
    assert (status, problems) == (0, b"")


@pytest.mark.parametrize("line", [b"\n", b"{}\n", b"[]\n", b"{\"id\":1}\n", b"\xff\xfe\n", b"{\"id\":\"x\",\"op\":\"hello\"}\n", b"[" * 60000 + b"\n",
                                  b"{\"id\":1,\"op\":\"nothing\"}\n", b"{\"id\":1,\"op\":\"check\"}\n", b"{\"id\":1,\"op\":\"hello\",\"protocol\":2}\n",
                                  b"{\"id\":1,\"op\":\"login\",\"account\":\"u1\",\"password\":\"x\"}\n"])
def test_lines_that_make_no_sense(alone, line):
    assert alone.call("login", account="u1", password="x")["code"] == "bad_request"
    assert alone.call("hello", protocol=1)["connector"] == "postgresql"
    alone.send_line(line)
    answer = alone.answer()
    assert (answer["ok"], answer["code"]) == (False, "bad_request")


def test_bye_ends_it(alone):
    assert alone.call("hello", protocol=1)["ok"]
    alone.send("bye")
    assert alone.answer() is None and alone.process.wait(5) == 0
