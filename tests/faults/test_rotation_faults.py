"""The server killed, and powered off, at every listed point of a change; the connector killed at its points.

Scenarios: a change through the functional account, a store-only PUT, a linked account, root by compare. After each restart: the
live password is in the vault and marked so, links equal the account, the audit chain holds, no login was wasted.

Runs a seeded sample of three minutes; `script/test --all` takes every point."""
import os
import random
import shutil
import subprocess
import time

import pytest
from conftest import Managed, take_on_host
from faults import Faults
from support import TOP, ControlRoom, Server, ok, wait_for

RELEASE = os.path.join(TOP, "build", "keyturn")
EVERY_POINT = os.environ.get("KEYTURN_FAULTS_ALL") == "yes"
SECONDS = 180
SEED = 20261121
SCENARIOS = ["functional", "store-only", "linked", "root"]


@pytest.fixture(scope="module")
def fault_library(tmp_path_factory):
    built = os.path.join(TOP, "build-test", "tests", "faults", "faultpoint.so")
    if os.path.exists(built):
        return built
    folder = tmp_path_factory.mktemp("faultpoint")
    subprocess.run(["meson", "setup", str(folder), TOP, "--buildtype=debugoptimized"], check=True, capture_output=True)
    subprocess.run(["ninja", "-C", str(folder), "tests/faults/faultpoint.so"], check=True, capture_output=True)
    return str(folder / "tests/faults/faultpoint.so")


class Lab:
    """One host; and for each scenario a data directory with the account taken on, copied afresh for every point."""

    def __init__(self, folder, host, library):
        self.folder, self.host, self.library, self.runs = folder, host, library, 0
        self.templates = {}

    def accounts(self):
        return {"functional": "u1", "store-only": "u2", "linked": "u3", "root": "root"}

    def template(self, scenario):
        """A stopped server's directory, ready for the change."""
        if scenario not in self.templates:
            from ssh_host import PASSWORDS
            server = Server(directory=str(self.folder / ("template-" + scenario)), program=RELEASE).start()
            name = self.accounts()[scenario]
            self.host.set_password(name, PASSWORDS[name])
            ps, admin = server.passwordsafe(), server.controlroom()
            account = Managed(ps, self.host, name, system=take_on_host(ps, self.host, name="lab"))
            # Proved once, so that what can prove it is known and its host key is pinned.
            assert account.put({"Password": "Template-1!"}).status_code == 204
            if scenario == "linked":
                credential = ok(admin.post("/v2/credentialvault/credentials", {"name": "linked", "attributes": [{"name": "p", "userProvided": False, "masked": True}]}), 201)
                for end in ({"attributeId": int(credential["attributes"][0]["id"])}, {"userId": admin.id}):
                    assert ok(admin.own("PUT", f"/managed-accounts/{account.id}/links", {"part": "password", "end": end, "release": "consumers"}))["state"] == "active"
            server.stop()
            self.templates[scenario] = (server.directory, account.id, account.system_id)
        return self.templates[scenario]

    def copy(self, scenario):
        directory, account_id, system_id = self.template(scenario)
        self.runs += 1
        target = self.folder / f"run-{self.runs}"
        shutil.copytree(directory, target)
        self.host.set_password(self.accounts()[scenario], "Template-1!")
        return str(target), account_id, system_id


@pytest.fixture(scope="module")
def lab(tmp_path_factory, host, fault_library):
    folder = tmp_path_factory.mktemp("lab")
    for path in (folder, *folder.parents):
        if str(path).startswith("/tmp/"):
            os.chmod(path, 0o711)
    return Lab(folder, host, fault_library)


def change(client, scenario, account_id):
    body = {"Password": "Changed-2!", "UpdateSystem": scenario != "store-only"}
    try:
        return client.put(f"/ManagedAccounts/{account_id}/Credentials", body, timeout=40).status_code
    except OSError:
        return None  # the server died; requests' errors are OSErrors


def run(lab, scenario, mode, at, when, comm):
    """One run with one fault. Returns the faults' counter, what the caller was told, and the server's directory."""
    directory, account_id, system_id = lab.copy(scenario)
    scratch = os.path.join(directory, "faults")
    os.mkdir(scratch, 0o777)
    os.chmod(scratch, 0o777)
    os.chmod(directory, 0o711)
    faults = Faults(lab.library, scratch, mode=mode, at=at, when=when, root=os.path.join(directory, "data"), comm=comm, log=comm == "keyturn")
    server = Server(directory=directory, program=RELEASE, environment=faults.environment()).start()
    client = server.passwordsafe()
    failed_before = lab.host.failed_logins(lab.accounts()[scenario])
    faults.arm(at or None)
    answer = change(client, scenario, account_id)
    time.sleep(0.05)
    died = server.process.poll() is not None
    server.kill()
    return faults, answer, directory, account_id, system_id, died, failed_before


def check_after(lab, scenario, directory, account_id, system_id, answer, failed_before, what):
    """Restart without faults; everything must come right by itself."""
    server = Server(directory=directory, program=RELEASE).start()
    try:
        ps, admin = server.passwordsafe(), ControlRoom(server.url, "admin", server.password)
        name = lab.accounts()[scenario]

        def settled():
            return not ok(admin.own("GET", "/jobs?state=open"))["items"]
        wait_for(settled, timeout=60)
        state = ok(admin.own("GET", f"/managed-accounts/{account_id}/state"))
        current = ok(ps.post("/ISARequests", {"SystemID": system_id, "AccountID": account_id, "DurationMinutes": 1}), 201)
        versions = {v["version"]: v for v in state["versions"]}
        assert current in ("Template-1!", "Changed-2!"), what
        live = current if scenario != "store-only" else "Template-1!"
        assert lab.host.has_password(name, live), f"{what}: the vault's password is not the live one; told {answer}; {state}"
        if answer == 204:
            assert current == "Changed-2!", f"{what}: 204 was answered, and the old password is current"
        if scenario != "store-only":
            assert state["state"] == "proved", (what, state)
        assert sum(v["standing"] == "current" for v in versions.values()) == 1, what
        if scenario == "linked":
            for link in ok(admin.own("GET", f"/managed-accounts/{account_id}/links"))["items"]:
                assert ok(admin.own("POST", f"/links/{link['id']}/verify", {}))["equal"], what
        wasted = lab.host.failed_logins(name) - failed_before
        assert wasted <= (1 if scenario == "root" else 0), f"{what}: {wasted} failed logins"
        server.stop()
        report = server.audit_is_intact()
        assert report.returncode == 0, what + report.stdout + report.stderr
    finally:
        server.close()


def rehearse(lab, scenario, comm):
    # A connector may write no file, so its points are only counted.
    faults, answer, directory, *_ = run(lab, scenario, "list" if comm == "keyturn" else "kill", 0, "before", comm)
    assert answer == 204
    points = faults.counter
    assert points and (comm != "keyturn" or faults.points()), "the rehearsal listed no point"
    shutil.rmtree(directory)
    return points


def plan(lab, scenario, comm, modes):
    """(mode, point, when) of every listed point."""
    count = rehearse(lab, scenario, comm)
    return [(mode, at, when) for mode in modes for at in range(1, count + 1) for when in ("before", "after")]


def sweep(lab, scenario, comm, modes, seconds):
    every = plan(lab, scenario, comm, modes)
    random.Random(SEED).shuffle(every)
    end, hit, run_count = time.monotonic() + seconds, 0, 0
    for mode, at, when in every:
        if not EVERY_POINT and time.monotonic() > end:
            break
        run_count += 1
        what = f"{scenario}: {comm} {mode} {when} point {at}"
        faults, answer, directory, account_id, system_id, died, failed_before = run(lab, scenario, mode, at, when, comm)
        hit += faults.fired == at
        check_after(lab, scenario, directory, account_id, system_id, answer, failed_before, what)
        shutil.rmtree(directory, ignore_errors=True)
    print(f"{scenario} · {comm} · {len(every)} points listed · {run_count} run · {hit} hit · 0 lost · 0 locked · 0 unresolved")
    assert hit, "no point was hit"


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_server_killed_or_powered_off(lab, scenario):
    sweep(lab, scenario, "keyturn", ("kill", "power"), SECONDS / 6)


@pytest.mark.parametrize("scenario", ["functional", "root"])
def test_connector_killed(lab, scenario):
    sweep(lab, scenario, "keyturn-connector-ssh"[:15], ("kill",), SECONDS / 6)
