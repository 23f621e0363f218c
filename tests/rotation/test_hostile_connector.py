"""tests/rotation/test_hostile_connector.py: a connector program that was taken over, or is broken, costs its own system one job and nobody else anything.

The server of this file is installed with a program of its own in the place of PostgreSQL's connector, and with the SSH connector beside it, which works.
Nobody stands behind that program: what it says of a target is all that there is.
"""
import contextlib
import json
import os
import pathlib
import shutil
import socket
import tempfile

import pytest
from conftest import Managed
from platform_fixtures import Account, Platform, in_background, is_settled, job_of, state_of
from ssh_host import PASSWORDS
from support import BUILD, Server, ok, wait_for

FOUND = {"can_change": True, "can_compare": True, "can_install_keys": False, "scheme": "SCRAM-SHA-256", "fence": "none", "fence_s": 0, "text": "",
         "host_key": {"type": "x509", "sha256": "SHA256:" + "A" * 43}}
PROGRAM = r'''#!/usr/bin/python3 -EsB
import json, os, socket, sys, time
HOW = @HOW@
EAR = @EAR@
FOUND = @FOUND@
TRUE = {"hello": {"connector": "postgresql", "protocol": 1}, "check": FOUND, "change": {}, "login": {"result": "accepted"}, "compare": {"match": True}}
line = socket.socket(fileno=3)
ear = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)

def told(request):
    return HOW.get(f"{request['op']} {request.get('password')}", HOW.get(request["op"]))

def misbehave(request):
    number, what = request["id"], told(request)
    if isinstance(what, dict):
        return line.sendall(json.dumps({"id": number, "ok": True, **what}).encode() + b"\n")
    if what == "helped":
        if os.fork() == 0:
            time.sleep(60)
            os._exit(0)
        time.sleep(1)
        line.sendall(b"garbage\n")
    if what == "garbage":
        line.sendall(b"\x00\xff\x1b[2J{\"id\":\n")
    if what == "another id":
        line.sendall(json.dumps({"id": number + 1, "ok": True, **TRUE[request["op"]]}).encode() + b"\n")
    if what == "endless":
        while True:
            line.sendall(b"A" * 65536)
    if what == "two answers":
        line.sendall((json.dumps({"id": number, "ok": True, **TRUE[request["op"]]}).encode() + b"\n") * 2)
    if what == "the secret":
        token = request["functional"]["password"]
        line.sendall(json.dumps({"id": number, "ok": True, **FOUND, "fence": "session", "fence_token": token}).encode() + b"\n")
    if what == "mute":
        time.sleep(600)
    if what == "dies":
        sys.exit(1)

for text in line.makefile("rb"):
    if EAR:
        ear.sendto(b"%d %s" % (os.getpid(), text), ("127.0.0.1", EAR))
    request = json.loads(text)
    if request["op"] == "bye":
        break
    if told(request) is not None:
        misbehave(request)
    else:
        line.sendall(json.dumps({"id": request["id"], "ok": True, **TRUE[request["op"]]}).encode() + b"\n")
'''
NAME = "keyturn-connector-postgresql"
FUNCTIONAL = "Functional-Canary-1!"
GROWTH_MAX = 96 << 20  # of a server with sanitizers; an endless line would pass it in a second


class Nowhere(Platform):
    kind, platform, entity, passwords = "postgresql", 79, 2, {"func": FUNCTIONAL, "robot": "First-Pass-1!"}
    address, port = "127.0.0.1", 5432

    def place(self):
        return {"IsDefaultInstance": True}


@pytest.fixture(scope="module")
def installed():
    folder = tempfile.mkdtemp(prefix="keyturn-hostile-")
    os.chmod(folder, 0o755)
    for name in ("keyturn", "keyturn-connector-ssh"):
        shutil.copy2(os.path.join(BUILD, name), folder)
    shutil.copytree(os.path.join(BUILD, "web"), os.path.join(folder, "web"))
    yield folder
    shutil.rmtree(folder)


@pytest.fixture
def behave(installed):
    """Install the program anew: from now on it answers so to these operations, or to one ("compare PASSWORD") about this password, and passes on what
    it is sent to a port of ours."""
    def install(how, ear=0):
        fresh = os.path.join(installed, "fresh")
        with open(fresh, "w", opener=lambda path, flags: os.open(path, flags, 0o755)) as program:
            program.write(PROGRAM.replace("@HOW@", repr(how)).replace("@EAR@", repr(ear)).replace("@FOUND@", repr(FOUND)))
        os.rename(fresh, os.path.join(installed, NAME))
    return install


@pytest.fixture(scope="module")
def server(installed, tmp_path_factory):
    server = Server(directory=str(tmp_path_factory.mktemp("server")), program=os.path.join(installed, "keyturn"))
    server.start()
    yield server
    server.stop()
    assert server.audit_is_intact().returncode == 0
    assert FUNCTIONAL not in server.log_text()


@pytest.fixture
def account(ps, behave):
    behave({})
    target = Nowhere()
    return Account(ps, target, "robot", system=target.system(ps, Timeout=2))


@pytest.fixture
def neighbour(ps, host):
    account = Managed(ps, host, "u7", auto=False)
    host.set_password("u7", account.first)
    return account


def peak_bytes(server):
    status = pathlib.Path(f"/proc/{server.process.pid}/status").read_text()
    return 1024 * next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM:"))


def changed_beside(server, account, neighbour, password):
    """The answer to the change; another system's goes through meanwhile, and the server has not grown by what it was told."""
    before = peak_bytes(server)
    with in_background(account.put, password) as put:
        assert neighbour.put({"Password": "Neighbour-" + password}).status_code == 204
        answer = put.result()
    assert neighbour.host.has_password("u7", "Neighbour-" + password)
    assert peak_bytes(server) - before < GROWTH_MAX
    return answer


def tells_the_secret(answer, admin, account):
    """Does the answer, or what is kept of it, carry the functional account's password?"""
    shown = answer.text + json.dumps(job_of(admin, account)) + ok_text(admin, f"/jobs/{job_of(admin, account)['id']}") + ok_text(
        admin, f"/managed-systems/{account.system_id}/host-keys") + json.dumps(state_of(admin, account))
    return FUNCTIONAL in shown


def ok_text(admin, path):
    return json.dumps(ok(admin.own("GET", path)))


@pytest.mark.parametrize("how", [{"hello": "garbage"}, {"hello": "mute"}, {"hello": "dies"}, {"hello": "endless"}, {"hello": {}}, {"check": "garbage"}, {"check": "another id"},
                                 {"check": "endless"}, {"check": "two answers"}, {"check": "dies"}, {"check": "the secret"}], ids=str)
def test_nonsense_before_the_change_is_one_refused_job(server, admin, account, neighbour, behave, how):
    behave(how)
    answer = changed_beside(server, account, neighbour, "Never-Sent-1!")
    assert answer.status_code == 400 and answer.text.startswith("Credential not changed: "), answer.text
    job = job_of(admin, account)
    assert job["state"] == "refused" and account.password() == account.first and not tells_the_secret(answer, admin, account)
    behave({})
    assert account.put("Works-Again-1!").status_code == 204 and account.password() == "Works-Again-1!"


@pytest.mark.parametrize("name, says", [("func", False), ("robot", True)])
def test_who_has_signed_in_is_somebody_else_than_the_names_say(ps, admin, behave, name, says):
    """Nothing is sent when the functional account's own password would be forgotten, or turn with another account's."""
    behave({"check": {**FOUND, "is_functional": says}})
    target = Nowhere()
    account = Account(ps, target, name, system=target.system(ps, Timeout=2))
    answer = account.put("Never-Sent-1!")
    assert answer.status_code == 400 and "system's own functional account" in answer.text and account.password() == account.first


def processes(program):
    """Whatever runs this script."""
    found = set()
    for entry in pathlib.Path("/proc").iterdir():
        with contextlib.suppress(OSError):
            if program.encode() in (entry / "cmdline").read_bytes().split(b"\0"):
                found.add(int(entry.name))
    return found


def test_a_helper_does_not_outlive_its_connector(installed, account, behave):
    """It knows the functional account's password as well."""
    program = os.path.join(installed, NAME)
    wait_for(lambda: not processes(program), timeout=40)
    behave({"check": "helped"})
    with in_background(account.put, "Never-Sent-1!") as put:
        wait_for(lambda: len(processes(program)) == 2)
        assert put.result().status_code == 400
    wait_for(lambda: not processes(program), timeout=5)


@pytest.mark.parametrize("how", [{"change": "garbage"}, {"change": "another id"}, {"change": "endless"}, {"change": "dies"}], ids=str)
def test_nonsense_after_the_change_is_looked_after(server, admin, account, neighbour, behave, how):
    """What was sent may be live: the job is resolved with the same candidate, which becomes current only with a proof."""
    behave({**how, "compare Perhaps-Sent-1!": "dies"})
    answer = changed_beside(server, account, neighbour, "Perhaps-Sent-1!")
    assert answer.status_code == 409, answer.text
    assert job_of(admin, account)["state"] == "resolving" and account.password() == account.first
    behave({})
    ok(admin.own("POST", f"/jobs/{job_of(admin, account)['id']}/retry"))
    wait_for(lambda: is_settled(admin, account), timeout=90)
    assert job_of(admin, account)["state"] == "done" and account.password() == "Perhaps-Sent-1!"


def heard_by_program(ear):
    """All that each process was sent, as text, by its number."""
    heard = {}
    with contextlib.suppress(BlockingIOError):
        while True:
            number, _, text = ear.recv(1 << 16).decode().partition(" ")
            heard[number] = heard.get(number, "") + text
    return list(heard.values())


def test_it_hears_no_neighbours_secret(ps, account, neighbour, behave):
    """Another account of the same system, another system of the same kind, and one that another program serves."""
    elsewhere = Nowhere()
    other = Account(ps, elsewhere, "other", first="Other-First-1!", system=elsewhere.system(ps, password="Other-Functional-1!", port=5433))
    Account(ps, elsewhere, "beside", first="Beside-First-1!", system=account.system_id)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as ear:
        ear.bind(("127.0.0.1", 0))
        ear.setblocking(False)
        behave({}, ear.getsockname()[1])
        with in_background(account.put, "Ours-Heard-1!") as put, in_background(other.put, "Other-Heard-1!") as put_other:
            assert neighbour.put({"Password": "Neighbour-1!"}).status_code == 204
            assert (put.result().status_code, put_other.result().status_code) == (204, 204)
        assert account.test() is True and other.test() is True
        programs = heard_by_program(ear)
    ours, others = (FUNCTIONAL, account.first, "Ours-Heard-1!"), ("Other-Functional-1!", "Other-First-1!", "Other-Heard-1!")
    nobodys = ("Beside-First-1!", neighbour.first, "Neighbour-1!", PASSWORDS["func"])
    for mine, not_mine in (ours, others), (others, ours):
        sent = [text for text in programs if any(json.dumps(secret) in text for secret in mine)]
        assert sent and any(json.dumps(mine[2]) in text for text in sent)
        assert [secret for secret in (*not_mine, *nobodys) if any(secret in text for text in sent)] == []


def test_ok_alone_is_believed_nowhere(server, admin, account, neighbour, behave):
    """Rights that an answer does not name are none; so nothing is sent that could be called done."""
    behave({op: {} for op in ("check", "change", "login", "compare")})
    answer = changed_beside(server, account, neighbour, "Never-Sent-2!")
    assert answer.status_code == 400 and "may not change" in answer.text
    assert job_of(admin, account)["state"] == "refused" and account.password() == account.first


def test_an_acknowledgement_is_no_proof(server, admin, account, neighbour, behave):
    """It says that the change is done, and that nothing lets in: neither password is called current, and both are kept."""
    behave({"compare": {"match": False}, "login": {"result": "denied"}})
    answer = changed_beside(server, account, neighbour, "Not-Proved-1!")
    assert answer.status_code in (400, 409), answer.text
    wait_for(lambda: job_of(admin, account)["state"] in ("resolving", "drift"))
    assert account.password() == account.first and len(state_of(admin, account)["versions"]) == 2


def test_a_lie_in_every_answer_is_believed_and_the_former_password_is_kept(server, admin, account, neighbour, behave):
    """Only the connector sees its target. One that says all that the protocol asks for is believed, of its own system; but the former password stays
    a version, and once an honest one is back a Test tells, and a change through the functional account is the way out."""
    answer = changed_beside(server, account, neighbour, "Only-Claimed-1!")
    assert answer.status_code == 204 and account.password() == "Only-Claimed-1!"
    assert job_of(admin, account)["state"] == "done"
    behave({"compare Only-Claimed-1!": {"match": False}, "login Only-Claimed-1!": {"result": "denied"}})
    wait_for(lambda: account.test() is False, timeout=40)  # the liar is kept for 20 s
    shown = state_of(admin, account)
    assert shown["state"] == "mismatch" and len(shown["versions"]) == 2
    assert account.put("Set-For-Good-1!").status_code == 204 and account.password() == "Set-For-Good-1!"
