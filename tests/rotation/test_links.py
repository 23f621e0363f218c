"""Links: an attribute's value and an auto-login turn in the account's transaction (keyturn-api 3)."""
import os
import sys

import pytest
from conftest import Managed, take_on_host
from store import Store, rows_of
from support import ok, wait_for

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "api"))

from passwordsafe_people import APPROVER, REQUESTOR, People  # noqa: E402

@pytest.fixture(scope="module")
def world(server, admin, ps, host):
    class World:
        pass
    w = World()
    w.account = Managed(ps, host, "u1")
    host.set_password("u1", w.account.first)
    rights = [{"action": "createstandard", "resourceType": "credentialattribute"}, {"action": "readmasked", "resourceType": "credentialattributevalue"}]
    w.role = ok(admin.post("/v2/usermanagement/roles", {"name": "Robots", "permissions": rights}), 201)
    w.plain_role = ok(admin.post("/v2/usermanagement/roles", {"name": "Robots without readmasked"}), 201)

    def user(name, *roles):
        made = ok(admin.post("/v2/usermanagement/users", {"username": name, "email": name + "@example.com", "password": "Pass-" + name + "-1!",
                                                          "roles": [{"id": r["id"]} for r in roles]}), 201)
        client = server.controlroom(name, "Pass-" + name + "-1!")
        assert client.id == made["id"]
        return client
    w.owner_role = ok(admin.post("/v2/usermanagement/roles", {"name": "Owners"}), 201)
    w.owner, w.robot, w.plain = user("owner", w.owner_role), user("robot", w.role), user("plain", w.plain_role)
    w.stranger = user("stranger", w.owner_role)
    w.credential = ok(w.owner.post("/v2/credentialvault/credentials", {"name": "Follows u1", "attributes": [
        {"name": "password", "userProvided": False, "masked": True}, {"name": "open", "userProvided": False, "masked": False}]}), 201)
    w.attribute, w.open_attribute = (int(a["id"]) for a in w.credential["attributes"])
    w.locker = ok(admin.post("/v2/credentialvault/lockers", {"name": "Links"}), 201)
    ok(admin.put(f"/v2/credentialvault/lockers/{w.locker['id']}/members/{w.owner.id}", {"permissions": ["participate"]}))
    ok(w.owner.put(f"/v2/credentialvault/lockers/{w.locker['id']}/credentials/{w.credential['id']}"))
    for role in (w.role, w.plain_role):
        ok(admin.post(f"/v2/credentialvault/lockers/{w.locker['id']}/consumers", {"id": role["id"]}))
    w.values = f"/v2/credentialvault/credentials/{w.credential['id']}/attributevalues"
    return w


@pytest.fixture(autouse=True)
def settled(world, admin):
    """A link that ends, or a request that is terminated, may have the account changed once more: not beside the next test."""
    nothing_open(admin)


def nothing_open(admin):
    wait_for(lambda: not ok(admin.own("GET", "/jobs?state=open"))["items"], timeout=90)


def read(world, client):
    found = ok(client.get(world.values + f"?credentialAttributeId={world.attribute}"))["list"]
    return found[0]["value"] if found else None


def link(world, client, status=200, **more):
    body = {"part": "password", "end": {"attributeId": world.attribute}, "release": "consumers", "replace": False}
    return ok(client.own("PUT", f"/managed-accounts/{world.account.id}/links", dict(body, **more)), status)


def test_nobody_without_the_account_side_may_offer(world):
    assert world.owner.own("PUT", f"/managed-accounts/{world.account.id}/links", {"part": "password", "end": {"attributeId": world.attribute}, "release": "consumers"}).status_code == 403


def test_an_unmasked_attribute_cannot_follow(world, admin):
    link(world, admin, 409, end={"attributeId": world.open_attribute})


def test_offer_accept_turn_and_unlink(world, admin, ps, host):
    offered = link(world, admin)
    assert (offered["state"], offered["waitsFor"]) == ("offered", ["accept"])
    assert read(world, world.robot) is None
    assert world.stranger.own("POST", f"/links/{offered['id']}/accept", {}).status_code == 404
    active = ok(world.owner.own("POST", f"/links/{offered['id']}/accept", {}))
    assert active["state"] == "active" and active["version"] == 1
    assert read(world, world.robot) == world.account.first
    # No privileged readers: not the owner, not a consumer without readmasked, not the administrator.
    assert read(world, world.owner) == "" and read(world, world.plain) == "" and read(world, admin) == ""

    assert world.account.put({}).status_code == 204
    new = world.account.password()
    assert read(world, world.robot) == new and host.can_login("u1", new)
    assert ok(world.owner.own("POST", f"/links/{offered['id']}/verify", {})) == {"equal": True, "version": 2}

    value = ok(world.owner.get(world.values + f"?credentialAttributeId={world.attribute}"))["list"][0]
    refused = world.owner.put(f"{world.values}/{value['id']}", {"value": "by hand"})
    assert refused.status_code == 409 and "This value follows managed account" in refused.json()["message"]
    assert world.owner.put(f"/v2/credentialvault/credentials/{world.credential['id']}", {"name": "x"}).status_code == 409
    assert ps.delete(f"/ManagedAccounts/{world.account.id}").status_code == 409

    readers = ok(admin.own("GET", f"/managed-accounts/{world.account.id}/links?audience=true"))["items"][0]["audience"]
    assert {r["userId"] for r in readers} == {world.robot.id}

    assert world.owner.own("DELETE", f"/links/{offered['id']}").status_code == 204
    assert read(world, world.robot) is None
    # It had been read, and the account is auto-managed: a change follows.
    wait_for(lambda: world.account.password() != new, timeout=120)
    assert host.can_login("u1", world.account.password())


def test_who_may_read_from_now_on_is_on_record(world, admin, server):
    made = link(world, admin)
    ok(world.owner.own("POST", f"/links/{made['id']}/accept", {}))
    more = ok(admin.post("/v2/usermanagement/roles", {"name": "More readers"}), 201)
    consumers = f"/v2/credentialvault/lockers/{world.locker['id']}/consumers"
    question = "SELECT what, detail FROM audit_rows WHERE what = 'link.audience' AND object_id = ? AND account_id = ? AND is_success = 1"
    before = rows_of(server, question, (made["id"], world.account.id))
    ok(admin.post(consumers, {"id": more["id"]}))
    assert len(rows_of(server, question, (made["id"], world.account.id))) == len(before) + 1
    assert admin.delete(f"{consumers}/{more['id']}").status_code in (200, 204)
    assert len(rows_of(server, question, (made["id"], world.account.id))) == len(before) + 1
    ok(admin.own("DELETE", f"/links/{made['id']}"), 204)


def test_a_second_role_that_reads_what_is_masked_is_on_record(world, admin, server):
    """Who consumes the locker by one role, and is let read by another that consumes nothing."""
    made = link(world, admin)
    ok(world.owner.own("POST", f"/links/{made['id']}/accept", {}))
    rows = "SELECT COUNT(*) FROM audit_rows WHERE what = 'link.audience' AND object_id = ?"
    readers = ok(admin.post("/v2/usermanagement/roles", {"name": "Readers of what is masked"}), 201)
    path = f"/v2/usermanagement/roles/{readers['id']}"
    reads = [{"action": "readmasked", "resourceType": "credentialattributevalue"}]
    before = rows_of(server, rows, (made["id"],))[0][0]
    ok(admin.put(path, {"name": readers["name"], "principals": [{"id": world.plain.id}]}))
    assert rows_of(server, rows, (made["id"],))[0][0] == before and read(world, world.plain) == ""
    ok(admin.put(path, {"name": readers["name"], "permissions": reads}))
    assert rows_of(server, rows, (made["id"],))[0][0] == before + 1 and read(world, world.plain) == world.account.password()
    assert admin.delete(path).status_code in (200, 204)
    ok(admin.own("DELETE", f"/links/{made['id']}"), 204)


def test_a_linked_credential_moves_by_who_has_the_right_to_the_password(world, admin, server):
    """Rule 5, judged by what he holds on both faces: credentials move on the Control Room's alone."""
    made = link(world, admin)
    ok(world.owner.own("POST", f"/links/{made['id']}/accept", {}))
    place = f"/v2/credentialvault/lockers/{world.locker['id']}/credentials/{world.credential['id']}"
    refused = ok(world.owner.delete(place), 403)
    assert "right to the account's password" in refused["message"] and read(world, world.robot) == world.account.password()
    assert admin.delete(place).status_code in (200, 204)
    assert world.robot.get(world.values).status_code == 404
    ok(world.owner.put(place), 403)
    ok(admin.own("DELETE", f"/links/{made['id']}"), 204)
    ok(world.owner.put(place))


def test_an_offer_ends_with_the_right_of_who_made_it(world, admin, ps, server):
    """Between the offer and the acceptance."""
    people = People(server)
    group = people.group({"Password Safe Account Management": 3})
    user = people.user(password="Offers-1!", groups=[group])
    rule = ok(ps.post("/QuickRules", {"AccountIDs": [world.account.id], "Title": "Of the offerer"}), 201)["SmartRuleID"]
    people.give_role(group, rule, [4])
    made = link(world, server.controlroom(user["UserName"], "Offers-1!"))
    people.leave(user["UserID"], group)
    answer = world.owner.own("POST", f"/links/{made['id']}/accept", {})
    assert answer.status_code == 409 and "no right to the account's password any more" in answer.json()["message"]
    assert read(world, world.robot) is None
    people.join(user["UserID"], group)
    assert ok(world.owner.own("POST", f"/links/{made['id']}/accept", {}))["state"] == "active"
    ok(admin.own("DELETE", f"/links/{made['id']}"), 204)


def test_only_a_side_compares(world, admin, ps, server):
    """Account Management to read sees the link; its ends are not opened for him."""
    people = People(server)
    made = link(world, admin)
    ok(world.owner.own("POST", f"/links/{made['id']}/accept", {}))
    user = people.user(password="Looks-on-1!", groups=[people.group({"Password Safe Account Management": 1})])
    onlooker = server.controlroom(user["UserName"], "Looks-on-1!")
    ok(onlooker.own("GET", f"/links/{made['id']}"))
    ok(onlooker.own("POST", f"/links/{made['id']}/verify", {}), 403)
    ok(admin.own("DELETE", f"/links/{made['id']}"), 204)


def test_store_only_turns_the_links_too(world, admin):
    made = link(world, admin)
    ok(world.owner.own("POST", f"/links/{made['id']}/accept", {}))
    assert world.account.put({"Password": "Only-stored-2", "UpdateSystem": False}).status_code == 204
    answer = world.robot.get(world.values + f"?credentialAttributeId={world.attribute}")
    assert ok(answer)["list"][0]["value"] == "Only-stored-2" and answer.headers["X-Keyturn-State"] == "unverified"
    nothing = world.account.put({"UpdateSystem": False})
    assert nothing.status_code == 400 and "would store a password that no system has" in nothing.text
    assert world.account.put({}).status_code == 204
    ok(admin.own("DELETE", f"/links/{made['id']}"), 204)


def test_terminate_suspends_until_resumed(world, admin, ps):
    made = link(world, admin)
    ok(world.owner.own("POST", f"/links/{made['id']}/accept", {}))
    assert ps.post(f"/ManagedAccounts/{world.account.id}/Requests/Terminate", {"Reason": "breach"}).status_code == 204
    assert world.robot.get(world.values).status_code == 403
    nothing_open(admin)
    ok(admin.own("POST", f"/links/{made['id']}/resume", {}))
    assert read(world, world.robot) == world.account.password()
    ok(admin.own("DELETE", f"/links/{made['id']}"), 204)


def test_a_row_aimed_elsewhere_stops_the_turn(world, admin, server, host):
    made = link(world, admin)
    ok(world.owner.own("POST", f"/links/{made['id']}/accept", {}))
    nothing_open(admin)
    before = world.account.password()
    with Store(server) as db:
        db.execute("UPDATE links SET attribute_id = ? WHERE id = ?", (world.open_attribute, made["id"]))
    answer = world.account.put({"Password": "Must-not-leak-1!"})
    assert answer.status_code >= 400 and world.account.password() == before and host.can_login("u1", before)
    with Store(server) as db:
        db.execute("UPDATE links SET attribute_id = ? WHERE id = ?", (world.attribute, made["id"]))
    assert world.account.put({}).status_code == 204
    ok(admin.own("DELETE", f"/links/{made['id']}"), 204)


def test_an_auto_login_follows_and_reaches_the_users_own_device_only(world, admin, host):
    made = link(world, admin, end={"userId": world.robot.id})
    assert made["state"] == "active"
    device = ok(admin.own("POST", "/devices", {"hostName": "WIN-RPA-01", "nickname": "", "defaultUserId": world.robot.id}), 201)
    key = {"Authorization": "Keyturn-Device " + device["key"], "X-Authorization": "", "Content-Type": "application/json"}
    login = ok(admin.call("POST", "/api/v1/devices/self/login", {}, headers=key))
    assert login["loginPassword"] == world.account.password() and login["loginUsername"] == "u1"
    assert world.account.put({}).status_code == 204
    assert ok(admin.call("POST", "/api/v1/devices/self/login", {}, headers=key))["loginPassword"] == world.account.password()
    body = {"Username": "robot", "Windows_Username": "x", "Windows_Password": "y"}
    assert admin.put("/v1/credentialvault/external/credentials/loginsetting", body).status_code == 409
    assert admin.call("POST", "/api/v1/devices/self/login", {"userId": world.owner.id}, headers=key).status_code == 403
    ok(admin.own("DELETE", f"/links/{made['id']}"), 204)
    assert admin.call("POST", "/api/v1/devices/self/login", {}, headers=key).status_code == 404


def test_a_device_that_becomes_his_is_on_record(world, admin, server):
    """keyturn-api 3.2: whoever holds the device's key reads the account's password from then on."""
    made = link(world, admin, end={"userId": world.robot.id})
    rows = "SELECT COUNT(*) FROM audit_rows WHERE what = 'link.audience' AND object_id = ?"
    before = rows_of(server, rows, (made["id"],))[0][0]
    device = ok(admin.own("POST", "/devices", {"hostName": "audience", "nickname": "", "defaultUserId": world.robot.id}), 201)
    assert rows_of(server, rows, (made["id"],))[0][0] == before + 1
    ok(admin.own("PUT", f"/devices/{device['id']}", {"hostName": "audience", "nickname": "x", "defaultUserId": world.robot.id}))
    assert rows_of(server, rows, (made["id"],))[0][0] == before + 1, "it was his"
    other = ok(admin.own("POST", "/devices", {"hostName": "audience2", "nickname": ""}), 201)
    ok(admin.post("/v1/devices/runasusers/default", {"userId": world.robot.id, "deviceId": str(other["id"])}))
    assert rows_of(server, rows, (made["id"],))[0][0] == before + 2
    for one in (device, other):
        ok(admin.own("DELETE", f"/devices/{one['id']}"), 204)
    ok(admin.own("DELETE", f"/links/{made['id']}"), 204)


def test_who_approved_that_nobody_reads_it_has_approved_no_more(server, admin):
    people = People(server)
    account = people.account(people.system(name="widened"))
    rule, policy = people.rule(account), people.policy_with(approvers=1)
    people.holder(rule, REQUESTOR, policy=policy)
    approver = server.controlroom(people.holder(rule, APPROVER, policy=policy).name, "Not-asked-for-1!")
    made = ok(admin.post("/v2/credentialvault/credentials", {"name": "Widened", "attributes": [{"name": "p", "userProvided": False, "masked": True}]}), 201)
    offer = {"part": "password", "end": {"attributeId": int(made["attributes"][0]["id"])}, "release": "none"}

    def put(release):
        return ok(admin.own("PUT", f"/managed-accounts/{account.id}/links", dict(offer, release=release)))
    link = put("none")
    assert (link["state"], link["waitsFor"]) == ("offered", ["approve"])
    ok(approver.own("POST", f"/links/{link['id']}/approve", {"reason": "nobody reads it"}))
    assert put("none")["state"] == "active"
    wider = put("consumers")
    assert (wider["id"], wider["state"], wider["release"], wider["waitsFor"], wider["approvedBy"]) == (link["id"], "offered", "consumers", ["approve"], None)
    values = f"/v2/credentialvault/credentials/{made['id']}/attributevalues"
    assert ok(admin.get(values))["list"] == [], "what was copied is gone until then"
    assert put("consumers")["waitsFor"] == ["approve"]
    active = ok(approver.own("POST", f"/links/{link['id']}/approve", {"reason": "the robots need it"}))
    assert (active["state"], active["release"], active["approvedBy"]) == ("active", "consumers", approver.id) and len(ok(admin.get(values))["list"]) == 1
    assert put("none")["state"] == "active", "less needs nobody"
    ok(admin.own("DELETE", f"/links/{link['id']}"), 204)
