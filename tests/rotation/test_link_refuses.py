"""Links that cannot take what the account gets: known before anything is sent; afterwards they let go, and the account turns (keyturn-api 3.1)."""
import subprocess

import pytest
from conftest import Managed, take_on_host
from drifting import SETUP, account_on, into_drift, state_of
from store import Store, rows_of
from support import ok


@pytest.fixture(scope="module", autouse=True)
def prepared(host):
    host.run(SETUP)


class Robot:
    """A user with a device."""

    def __init__(self, admin, name):
        self.admin = admin
        self.id = ok(admin.post("/v2/usermanagement/users", {"username": name, "email": f"{name}@example.com", "password": f"Pass-{name}-1!", "roles": []}), 201)["id"]
        self.key = ok(admin.own("POST", "/devices", {"hostName": f"W-{name}", "nickname": "", "defaultUserId": self.id}), 201)["key"]

    def login(self):
        headers = {"Authorization": "Keyturn-Device " + self.key, "X-Authorization": "", "Content-Type": "application/json"}
        return self.admin.call("POST", "/api/v1/devices/self/login", {}, headers=headers)


def attribute(admin, name):
    return int(ok(admin.post("/v2/credentialvault/credentials", {"name": name, "attributes": [{"name": "p", "userProvided": False, "masked": True}]}), 201)["attributes"][0]["id"])


def link(admin, account, part, **end):
    return ok(admin.own("PUT", f"/managed-accounts/{account.id}/links", {"part": part, "end": end, "release": "consumers"}))["id"]


def show(admin, number):
    return ok(admin.own("GET", f"/links/{number}"))


def equal(admin, number):
    return ok(admin.own("POST", f"/links/{number}/verify", {}))["equal"]


def belongs_elsewhere(server, robot, is_so):
    """What no call does: another link keeps the robot's auto-login."""
    with Store(server) as db:
        db.execute("UPDATE auto_logins SET kept_by = kept_by " + ("+ 900000" if is_so else "- 900000") + " WHERE user_id = ?", (robot.id,))


@pytest.fixture
def linked(ps, admin, host, request):
    """(account, link, robot): an account whose password a robot signs in with."""
    account = account_on(ps, host, "u4")
    assert account.test() is True
    robot = Robot(admin, "r" + str(abs(hash(request.node.name)) % 1000000))
    number = link(admin, account, "password", userId=robot.id)
    yield account, number, robot
    admin.own("DELETE", f"/links/{number}")


def test_what_a_link_cannot_take_is_not_sent(server, admin, host, linked):
    account, number, robot = linked
    belongs_elsewhere(server, robot, True)
    answer = account.put({"Password": "Never-sent-1!"})
    assert answer.status_code == 400 and f"link {number} " in answer.text and "cannot take it" in answer.text, answer.text
    assert host.can_login("u4", account.first) and account.password() == account.first
    belongs_elsewhere(server, robot, False)
    assert account.put({"Password": "Sent-then-1!"}).status_code == 204
    assert robot.login().json()["loginPassword"] == "Sent-then-1!"


def test_one_that_is_only_stored_is_refused(server, admin, linked):
    account, number, robot = linked
    belongs_elsewhere(server, robot, True)
    answer = account.put({"Password": "Only-stored-1!", "UpdateSystem": False})
    assert answer.status_code in (400, 409) and account.password() == account.first, answer.text
    belongs_elsewhere(server, robot, False)


def test_a_proved_one_turns_without_the_link(server, admin, host, linked):
    """It is live: it has to be current, whatever the link's end says. Who reads there is refused, and given nothing old."""
    account, number, robot = linked
    job = into_drift(admin, account)
    belongs_elsewhere(server, robot, True)
    answer = admin.own("POST", f"/jobs/{job['id']}/adopt", {"password": "Somebody-else-1!"})
    assert answer.status_code == 200, answer.text
    assert account.password() == "Somebody-else-1!" and state_of(admin, account)["state"] == "proved"
    assert show(admin, number)["state"] == "suspended"
    assert [what for what, in rows_of(server, "SELECT what FROM audit_rows WHERE object_kind = 'link' AND object_id = ? AND what = 'link.suspend'", (number,))]
    belongs_elsewhere(server, robot, False)
    ok(admin.own("POST", f"/links/{number}/resume"))
    assert show(admin, number)["state"] == "active" and equal(admin, number)
    assert robot.login().json()["loginPassword"] == "Somebody-else-1!"


def test_a_long_key_reaches_its_link(ps, admin, host, tmp_path):
    account = Managed(ps, host, "u8", auto=False, system=take_on_host(ps, host, Timeout=3))
    host.set_password("u8", account.first)

    def pair(name, more=""):
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "x@y", "-f", tmp_path / name], check=True)
        return {"PrivateKey": (tmp_path / name).read_text() + more, "PublicKey": (tmp_path / f"{name}.pub").read_text().strip()}

    assert account.put(pair("small")).status_code == 204
    number = link(admin, account, "privatekey", attributeId=attribute(admin, "key of u8"))
    answer = account.put({**pair("big", "\n" * 14000), "Password": "Beside-the-key-1!"})
    assert answer.status_code == 204, answer.text
    assert account.password() == "Beside-the-key-1!" and host.can_login("u8", "Beside-the-key-1!") and equal(admin, number)


def test_another_name_reaches_the_links_and_is_not_proved(ps, admin, host, linked):
    account, number, robot = linked
    name = attribute(admin, "name of u4")
    named = link(admin, account, "username", attributeId=name)
    assert state_of(admin, account)["state"] == "proved" and robot.login().json()["loginUsername"] == "u4"
    try:
        ok(ps.put(f"/ManagedAccounts/{account.id}", {"AccountName": "u3"}))
        assert robot.login().json()["loginUsername"] == "u3" and equal(admin, number) and equal(admin, named)
        assert state_of(admin, account)["state"] == "unverified"
        assert robot.login().headers["X-Keyturn-State"] == "unverified"
        assert account.test() is False and state_of(admin, account)["state"] == "mismatch"
    finally:
        ok(ps.put(f"/ManagedAccounts/{account.id}", {"AccountName": "u4"}))
        ok(admin.own("DELETE", f"/links/{named}"), 204)
    assert account.test() is True
    # Nothing about the name: nothing is doubted.
    ok(ps.put(f"/ManagedAccounts/{account.id}", {"Description": "the same"}))
    assert state_of(admin, account)["state"] == "proved"
