"""tests/api/test_tour.py: a walk past every endpoint, each brought to a success and seen to have done what it says."""
import json

import pytest
import requests

import rows
from conftest import Managed
from store import Store
from support import PS, ok, wait_for
from world import World, canary

VAULT, USERS = "/v2/credentialvault", "/v2/usermanagement"


@pytest.fixture(scope="module")
def world(server):
    return World(server)


@pytest.fixture(scope="module")
def approver(world):
    """Somebody who approves what a policy with one approver lets others ask for; the store has no call that makes policies."""
    with Store(world.server) as db:
        db.execute("INSERT INTO access_policies (id, name, name_key, min_approvers, max_concurrent) VALUES (5001, 'One approver', 'one approver', 1, 5)")
    ps, people = world.boss_ps, {}
    for name, role in (("asks", 1), ("approves", 2)):
        group = {"groupType": "BeyondInsight", "groupName": name, "isActive": True, "ApplicationRegistrationIDs": [world.ids["registration"]]}
        number = ok(ps.post("/UserGroups", group), 201)["GroupID"]
        rule = f"/UserGroups/{number}/SmartRules/{world.ids['smartrule']}"
        ok(ps.post(f"{rule}/AccessLevels", {"AccessLevelID": 1}))
        assert ps.post(f"{rule}/Roles", {"Roles": [{"RoleID": role}], "AccessPolicyID": 5001}).status_code == 204
        assert [row["RoleID"] for row in ok(ps.get(f"{rule}/Roles"))] == [role]
        user = {"UserType": "BeyondInsight", "UserName": name, "FirstName": name, "LastName": "T", "EmailAddress": f"{name}@example.com", "Password": canary(f"password of {name}")}
        ok(ps.post(f"/UserGroups/{number}/Users", user), 201)
        people[name], people[name + " password"] = world.server.passwordsafe(name), user["Password"]
    return people


def listed(client, path):
    return {row["id"] for row in ok(client.post(path, {}))["list"]}


# -- Control Room


@pytest.mark.parametrize("version", ["v1", "v2"])
def test_signing_in_and_out(world, version):
    client = world.without_token()
    body = {"username": "admin", "password": world.server.password}
    token = ok(client.post(f"/{version}/authentication", body))["token"]
    assert ok(client.get(f"/{version}/authentication/token", params={"token": token})) == {"valid": True}
    fresh = ok(client.post(f"/{version}/authentication/token", {"token": token}))["token"]
    assert fresh != token
    assert client.post("/v1/authentication/logout", {"token": token}).status_code == 204
    assert ok(client.get(f"/{version}/authentication/token?token={token}")) == {"valid": False}
    assert ok(client.get(f"/{version}/authentication/token", headers={"X-Authorization": fresh})) == {"valid": True}
    assert ok(client.get("/v1/authentication/type")) == {"authType": "DATABASE"}


def test_credentials(world):
    boss = world.boss
    made = ok(boss.post(f"{VAULT}/credentials", {"name": "Tour", "attributes": [{"name": "a", "userProvided": False}]}), 201)
    one = f"{VAULT}/credentials/{made['id']}"
    assert ok(boss.get(one)) == made == ok(boss.get(one.replace("/v2/", "/v1/")))
    assert made["id"] in listed(boss, f"{VAULT}/credentials/list") & listed(boss, "/v1/credentialvault/credentials/list")
    assert [row["id"] for row in ok(boss.get(f"{VAULT}/credentials?name=tour"))["list"]] == [made["id"]]
    changed = ok(boss.put(one, {"name": "Tour 2", "description": "x"}))
    assert (changed["name"], changed["version"]) == ("Tour 2", "1")
    value = ok(boss.post(f"{one}/attributevalues", {"list": [{"credentialAttributeId": made["attributes"][0]["id"], "value": "first"}]}))["list"][0]
    ok(boss.put(f"{one}/attributevalues/{value['id']}", {"value": "second", "version": "0"}))
    assert [row["value"] for row in ok(boss.get(f"{one}/attributevalues"))["list"]] == ["second"]
    ok(boss.delete(f"{one}/attributevalues/{value['id']}"))
    assert ok(boss.get(f"{one}/attributevalues")) == {"list": []}
    assert ok(boss.get(f"{VAULT}/keys/transport/public"))["publicKey"]
    moved = ok(boss.put(f"{one}/owner/{world.ids['nobody']}"))
    assert moved["ownerId"] == str(world.ids["nobody"])
    assert boss.delete(one).status_code == 403
    ok(world.nobody.delete(one))
    assert boss.get(one).status_code == 404


def test_lockers(world):
    boss, ids = world.boss, world.ids
    made = ok(boss.post(f"{VAULT}/lockers", {"name": "Tour"}), 201)
    one = f"{VAULT}/lockers/{made['id']}"
    assert made["id"] in listed(boss, f"{VAULT}/lockers/list") and ok(boss.get(one)) == made
    assert ok(boss.put(one, {"name": "Tour 2", "description": "y"}))["name"] == "Tour 2"
    ok(boss.put(f"{one}/members/{ids['nobody']}", {"permissions": ["participate"]}))
    assert {row["userId"] for row in ok(boss.get(f"{one}/members"))["list"]} == {str(boss.id), str(ids["nobody"])}
    ok(boss.delete(f"{one}/members/{ids['nobody']}"))
    ok(boss.post(f"{one}/consumers", {"roleId": ids["consumers"]}))
    assert [row["id"] for row in ok(boss.get(f"{one}/consumers"))["list"]] == [str(ids["consumers"])]
    ok(boss.delete(f"{one}/consumers/{ids['consumers']}"))
    credential = ok(boss.post(f"{VAULT}/credentials", {"name": "In the locker"}), 201)["id"]
    assert ok(boss.put(f"{one}/credentials/{credential}"))["credentialId"] == credential
    assert [row["id"] for row in ok(boss.get(f"{one}/credentials"))["list"]] == [credential]
    ok(boss.delete(f"{one}/credentials/{credential}"))
    ok(boss.delete(one))
    assert boss.get(one).status_code == 404 and ok(boss.get(f"{VAULT}/credentials/{credential}"))["lockerId"] == ""


@pytest.mark.parametrize("version", ["v1", "v2"])
def test_users_and_roles(world, version):
    boss, base = world.boss, f"/{version}/usermanagement"
    role = ok(boss.post(f"{base}/roles", {"name": f"Tour {version}"}), 201)["id"]
    assert ok(boss.put(f"{base}/roles/{role}", {"name": f"Tour role {version}", "description": "x"}))["name"] == f"Tour role {version}"
    assert ok(boss.get(f"{base}/roles/{role}"))["description"] == "x" and role in {row["id"] for row in ok(boss.get(f"{base}/roles"))} & listed(boss, f"{base}/roles/list")
    assert len(ok(boss.get(f"{base}/permissions"))) > 5
    old, new = canary("tour's first password"), canary("tour's second password")
    body = {"username": f"tour-{version}", "email": "t@example.com", "password": old, "roles": [{"id": role}]}
    user = ok(boss.post(f"{base}/users", body), 201)["id"]
    assert ok(boss.put(f"{base}/users/{user}", {"firstName": "Tina"}))["firstName"] == "Tina"
    assert ok(boss.get(f"{base}/users/{user}"))["roles"][0]["id"] == role and user in listed(boss, f"{base}/users/list")
    client = world.server.controlroom(f"tour-{version}", old)
    ok(client.post(f"{base}/users/self/changePassword", {"oldPassword": old, "password": new}))
    assert client.get(f"{VAULT}/keys/transport/public").status_code == 401
    world.server.controlroom(f"tour-{version}", new)
    assert ok(boss.delete(f"{base}/users/{user}"))["id"] == user
    assert ok(boss.delete(f"{base}/roles/{role}"))["id"] == role
    assert boss.get(f"{base}/users/{user}").status_code == 404 and boss.get(f"{base}/roles/{role}").status_code == 404


def test_auto_logins_devices_and_audit(world):
    boss, ids = world.boss, world.ids
    windows = "/v1/credentialvault/external/credentials/loginsetting"
    body = {"Username": "nobody", "Windows_Username": "CORP\\n", "Windows_Password": canary("tour's Windows password")}
    assert ok(boss.post(windows, body), 201) == "Successful creation of credential."
    assert ok(boss.put(windows, body)) == "Credentials were successfully updated."
    assert ok(boss.delete(windows, {"Username": "nobody"})) == "Credentials were successfully deleted."
    login = {"loginUsername": "CORP\\robot", "loginPassword": canary("tour's login"), "userId": ids["robot"]}
    assert "updated" in ok(boss.put(f"{VAULT}/loginsetting", login)) and ok(boss.post(f"{VAULT}/loginsetting", login), 201)
    assert str(ids["device"]) in listed(boss, "/v2/devices/list")
    assert str(ids["robot"]) in listed(boss, "/v1/devices/runasusers/list")
    ok(boss.post("/v1/devices/runasusers/default", {"userId": ids["robot"], "deviceId": ids["device"]}))
    found = ok(boss.post("/v1/audit/messages/list", {"filter": {"operator": "eq", "field": "userName", "value": "admin"}}))
    assert found["page"]["totalFilter"] > 10


# -- ours


def test_devices_and_api_keys(world):
    boss, robot = world.boss, world.ids["robot"]
    device = ok(boss.own("POST", "/devices", {"hostName": "TOUR", "defaultUserId": robot}), 201)
    changed = ok(boss.own("PUT", f"/devices/{device['id']}", {"hostName": "TOUR-2", "nickname": "t", "defaultUserId": robot}))
    assert changed["hostName"] == "TOUR-2" and changed["id"] in {row["id"] for row in ok(boss.own("GET", "/devices"))["items"]}
    assert changed["id"] in {row["id"] for row in ok(boss.own("GET", f"/users/{robot}/devices"))["items"]}
    key = ok(boss.own("POST", f"/devices/{device['id']}/key"))["key"]
    login = ok(world.without_token().post("/api/v1/devices/self/login", {}, headers={"Authorization": f"Keyturn-Device {key}", "Content-Type": "application/json"}))
    assert login["userId"] == robot and login["loginUsername"] == "CORP\\robot"
    assert boss.own("DELETE", f"/devices/{device['id']}").status_code == 204
    made = ok(boss.own("POST", f"/users/{robot}/api-keys", {"name": "tour"}), 201)
    assert len(made["key"]) == 40 and made["id"] in {row["id"] for row in ok(boss.own("GET", f"/users/{robot}/api-keys"))["items"]}
    assert boss.own("DELETE", f"/users/{robot}/api-keys/{made['id']}").status_code == 204


def test_health_audit_and_seal(world):
    boss, client = world.boss, world.without_token()
    assert ok(client.get("/api/v1/health/live")) == {"live": True} and ok(client.get("/api/v1/health"))["ready"] is True
    metrics = requests.get(world.url() + "/api/v1/metrics", timeout=30)
    assert metrics.status_code == 200 and "keyturn_" in metrics.text
    assert client.get("/api/v1/metrics").status_code == 200
    assert ok(boss.own("GET", "/version"))["api"] == ["v1"] and ok(boss.own("GET", "/seal"))["sealed"] is False
    assert ok(boss.own("GET", "/audit/head"))["chains"][0]["row"] > 10
    assert ok(boss.own("GET", "/audit/verify"))["ok"] is True
    assert boss.own("POST", "/audit/verify", {}).status_code in (200, 202)
    for path in ("/swagger/", "/swagger/keyturn.json"):
        assert client.get(path).status_code == 200


def test_links_and_jobs(world, approver):
    boss, ps, ids = world.boss, world.boss_ps, world.ids
    job = ok(boss.own("POST", f"/jobs/{ids['job']}/retry"))
    assert job["id"] == ids["job"] and ids["job"] in {row["id"] for row in ok(boss.own("GET", "/jobs"))["items"]}
    wait_for(lambda: ok(boss.own("GET", f"/jobs/{ids['job']}"))["state"] == "queued")
    credential = ok(boss.post(f"{VAULT}/credentials", {"name": "Tour link", "attributes": [{"name": "p", "userProvided": False, "masked": True}]}), 201)
    credential = ok(boss.put(f"{VAULT}/credentials/{credential['id']}/owner/{ids['robot']}"))
    end = {"part": "password", "end": {"attributeId": int(credential["attributes"][0]["id"])}, "release": "consumers"}
    offer = ok(boss.own("PUT", f"/managed-accounts/{ids['account']}/links", end))
    assert offer["state"] == "offered" and set(offer["waitsFor"]) == {"accept", "approve"}
    accepted = ok(world.server.controlroom("robot", world.names["robot"]).own("POST", f"/links/{offer['id']}/accept", {"replace": False}))
    assert accepted["waitsFor"] == ["approve"]
    by_password = world.server.controlroom("approves", approver["approves password"])
    active = ok(by_password.own("POST", f"/links/{offer['id']}/approve", {"reason": "the tour wants it"}))
    assert active["state"] == "active"
    assert ok(boss.own("POST", f"/links/{offer['id']}/verify"))["equal"] is True
    assert ps.post(f"/ManagedAccounts/{ids['account']}/Requests/Terminate", {"Reason": "tour"}).status_code == 204
    assert ok(boss.own("GET", f"/links/{offer['id']}"))["state"] == "suspended"
    assert ok(boss.own("POST", f"/links/{offer['id']}/resume"))["state"] == "active"
    assert offer["id"] in {row["id"] for row in ok(boss.own("GET", f"/managed-accounts/{ids['account']}/links"))["items"]} & {
        row["id"] for row in ok(boss.own("GET", "/links"))["items"]}
    assert boss.own("DELETE", f"/links/{offer['id']}").status_code == 204
    assert boss.own("GET", f"/links/{offer['id']}").status_code == 404


def test_states_and_host_keys_on_a_real_host(world, host):
    """The one part of the tour that needs a target: a change, a test, a host key that is not the one we know."""
    boss, ps = world.boss, world.boss_ps
    account = Managed(ps, host, "u3", auto=False)  # nothing is asked of the host before the first test
    host.set_password("u3", account.first)
    keys = f"/managed-systems/{account.system_id}/host-keys"
    known = ok(boss.own("POST", keys, {"type": "ssh-ed25519", "sha256": "SHA256:" + "A" * 43}), 201)
    assert account.test() is False
    seen = [row for row in ok(boss.own("GET", keys))["items"] if row["state"] == "seen"]
    assert len(seen) == 1
    assert ok(boss.own("POST", f"{keys}/{seen[0]['id']}/accept"))["state"] in ("pinned", "approved")
    assert account.test() is True
    assert [row["id"] for row in ok(boss.own("GET", keys))["items"]] == [seen[0]["id"]] != [known["id"]]
    assert account.put({"Password": "Tour-of-u3-1!"}).status_code == 204 and host.can_login("u3", "Tour-of-u3-1!")
    assert account.put({"Password": "Only-stored-1!", "UpdateSystem": False}).status_code == 204
    assert ok(boss.own("GET", f"/managed-accounts/{account.id}/state"))["state"] == "unverified"
    ok(boss.own("POST", f"/managed-accounts/{account.id}/restore"))
    assert account.password() == "Tour-of-u3-1!" and account.test() is True  # only a test or a proved change clears the mark
    assert ok(boss.own("GET", f"/managed-accounts/{account.id}/state"))["state"] == "proved"
    assert account.change().status_code == 204 and host.can_login("u3", account.password())
    system = next(row for row in ok(ps.get("/ManagedSystems")) if row["ManagedSystemID"] == account.system_id)
    asset = ok(ps.get(f"/Assets/{system['AssetID']}"))
    query = f"?workgroupName=Default%20Workgroup&assetName={asset['AssetName']}&accountName=u3"
    assert ps.put("/Credentials" + query, {"Password": "Tour-of-u3-2!"}).status_code == 204 and host.can_login("u3", "Tour-of-u3-2!")
    assert ok(ps.put(f"/ManagedAccounts/{account.id}", {"AutoManagementFlag": True}))["AutoManagementFlag"] is True
    assert ps.post(f"/ManagedSystems/{account.system_id}/ManagedAccounts/Credentials/Change").status_code == 204
    wait_for(lambda: account.password() != "Tour-of-u3-2!", timeout=120)
    assert boss.own("DELETE", f"{keys}/{seen[0]['id']}").status_code == 204 and ok(boss.own("GET", keys))["items"] == []


def test_what_is_told_about_a_change_that_went_astray(world, tmp_path):
    from drifting import SETUP, account_on, into_drift
    from ssh_host import SshHost
    boss = world.boss
    with SshHost(tmp_path / "astray", setup=SETUP) as astray:
        accounts = [account_on(world.boss_ps, astray, name) for name in ("u1", "u2", "u3")]
        jobs = [into_drift(boss, account, other=canary(f"set by somebody else on {account.name}"), candidate=canary(f"candidate of {account.name}")) for account in accounts]
        assert boss.own("PUT", "/engine", {"stopped": True, "reason": "tour"}).json()["stopped"] is True
        assert boss.own("POST", f"/jobs/{jobs[0]['id']}/set-again").status_code == 409 and ok(boss.own("GET", "/engine"))["reason"] == "tour"
        assert ok(boss.own("PUT", "/engine", {"stopped": False}))["stopped"] is False
        assert ok(boss.own("POST", f"/jobs/{jobs[0]['id']}/set-again"))["state"] == "done" and accounts[0].test() is True
        live = canary("typed by hand")
        astray.set_password("u2", live)
        assert boss.own("POST", f"/jobs/{jobs[1]['id']}/adopt", {"password": canary("typed wrongly")}).status_code == 400
        assert ok(boss.own("POST", f"/jobs/{jobs[1]['id']}/adopt", {"password": live}))["state"] == "done" and accounts[1].password() == live
        assert ok(boss.own("POST", f"/jobs/{jobs[2]['id']}/abandon", {"reason": "the tour gives it up"}))["state"] == "abandoned"
        glass = {"version": 2, "reason": "the tour looks at it"}
        seen = ok(world.server.controlroom().own("POST", f"/managed-accounts/{accounts[2].id}/break-glass", glass))
        assert seen["version"] == 2 and seen["privateKey"] is None and astray.has_password("u3", seen["password"]) is False


def test_first_use_does_not_pin_beside_a_key_that_was_approved_meanwhile(world, host):
    """An account is taken on, which looks at the host in the background; at once somebody approves the key he was told of."""
    for number in range(8):
        account = Managed(world.boss_ps, host, "u4")
        keys = f"/managed-systems/{account.system_id}/host-keys"
        approved = ok(world.boss.own("POST", keys, {"type": "ssh-ed25519", "sha256": "SHA256:" + "B" * 43}), 201)
        wait_for(lambda: len(ok(world.boss.own("GET", keys))["items"]) == 2)
        other = next(row for row in ok(world.boss.own("GET", keys))["items"] if row["id"] != approved["id"])
        assert other["state"] == "seen" or other["id"] < approved["id"], (number, other, approved)


# -- Password Safe


def test_sessions(world):
    client, url = requests.Session(), world.url() + PS
    client.trust_env = False
    signed = world.without_token()
    answer = signed.post(PS + "/Auth/SignAppin", headers={"Authorization": world.boss_ps.header})
    cookie = {"Cookie": f"ASP.NET_SessionId={answer.cookies['ASP.NET_SessionId']}"}
    assert ok(signed.get(PS + "/Auth", headers=cookie)) == answer.json()
    assert ok(signed.get(PS + "/Configuration/Version", headers=cookie))["Version"]
    assert signed.post(PS + "/Auth/Signout", headers=cookie).status_code == 200
    assert client.get(url + "/Auth", headers=cookie).status_code == 401
    ps = world.boss_ps
    policy = next(row["ID"] for row in ok(ps.get("/ApiRegistrations")) if row["RegistrationType"] == "apiaccesspolicy")
    made = ok(ps.post("/Users", {"UserType": "Application", "UserName": "tour-app", "AccessPolicyID": policy}), 201)
    assert ps.post(f"/Users/{made['UserID']}/UserGroups/{world.ids['group']}").status_code in (201, 204)
    secret = ok(ps.post(f"/Users/{made['UserID']}/RecycleClientSecret"))
    form = f"grant_type=client_credentials&client_id={made['ClientID']}&client_secret={secret}"
    token = ok(signed.call("POST", PS + "/Auth/connect/token", raw=form, headers={"Content-Type": "application/x-www-form-urlencoded"}))
    assert token["token_type"] == "Bearer"
    assert signed.get(PS + "/Auth", headers={"Authorization": f"Bearer {token['access_token']}"}).status_code == 200


def test_reads_that_take_no_object(world):
    ps, ids = world.boss_ps, world.ids
    assert ok(ps.get(f"/Organizations/{ids['organization']}"))["OrganizationID"] == ids["organization"]
    for path in ("/EntityTypes", "/EntityTypes/1/Platforms", "/Platforms", "/PasswordRules", "/DSSKeyRules", "/Permissions", "/AccessLevels", "/Roles", "/AccessPolicies", "/Users"):
        assert len(ok(ps.get(path))) > 0, path
    assert ok(ps.get("/Platforms/2"))["Name"] == "Linux" and ok(ps.get("/PasswordRules/0"))["PasswordRuleID"] == 0 and ok(ps.get("/DSSKeyRules/0"))["DSSKeyRuleID"] == 0


def test_places_systems_and_accounts(world):
    ps = world.boss_ps
    group = ok(ps.post("/Workgroups", {"Name": "Tour"}), 201)["ID"]
    assert ok(ps.get(f"/Workgroups/{group}"))["Name"] == "Tour" and group in {row["ID"] for row in ok(ps.get("/Workgroups"))}
    asset = ok(ps.post(f"/Workgroups/{group}/Assets", {"IPAddress": "127.0.0.1", "AssetName": "tour01", "DomainName": "tour.example"}), 201)["AssetID"]
    assert ok(ps.put(f"/Assets/{asset}", {"OperatingSystem": "Debian 12"}))["OperatingSystem"] == "Debian 12" == ok(ps.get(f"/Assets/{asset}"))["OperatingSystem"]
    assert [row["AssetID"] for row in ok(ps.post("/Assets/Search", {"DomainName": "tour.example"}))] == [asset] == [row["AssetID"] for row in ok(ps.get(f"/Workgroups/{group}/Assets"))]
    functional = ok(ps.post("/FunctionalAccounts", {"PlatformID": 2, "AccountName": "f", "DisplayName": "tour", "Password": canary("tour's functional")}), 201)["FunctionalAccountID"]
    assert functional in {row["FunctionalAccountID"] for row in ok(ps.get("/FunctionalAccounts"))} and ok(ps.get(f"/FunctionalAccounts/{functional}"))["DisplayName"] == "tour"
    system = ok(ps.post(f"/Assets/{asset}/ManagedSystems", {"PlatformID": 2, "AutoManagementFlag": True, "FunctionalAccountID": functional}), 201)["ManagedSystemID"]
    whole = ok(ps.post(f"/Workgroups/{group}/ManagedSystems", {"EntityTypeID": 1, "HostName": "tour02", "IPAddress": "127.0.0.1", "PlatformID": 2}), 201)
    assert ok(ps.put(f"/ManagedSystems/{system}", {"Description": "x"}))["Description"] == "x" == ok(ps.get(f"/ManagedSystems/{system}"))["Description"]
    assert ok(ps.get(f"/Assets/{asset}/ManagedSystems"))["ManagedSystemID"] == system
    for path in ("/ManagedSystems", f"/Workgroups/{group}/ManagedSystems", f"/FunctionalAccounts/{functional}/ManagedSystems"):
        assert system in {row["ManagedSystemID"] for row in ok(ps.get(path))}
        assert ok(ps.get(path + "?limit=1"))["TotalCount"] >= 1
    made = []
    for name in ("t1", "t2", "t3"):
        body = {"AccountName": name, "Password": canary(f"tour's {name}"), "ApiEnabled": True}
        made.append(ok(ps.post(f"/ManagedSystems/{system}/ManagedAccounts", body), 201)["ManagedAccountID"])
    assert ok(ps.put(f"/ManagedAccounts/{made[0]}", {"Description": "y"}))["Description"] == "y" == ok(ps.get(f"/ManagedAccounts/{made[0]}"))["Description"]
    assert [row["ManagedAccountID"] for row in ok(ps.get(f"/ManagedSystems/{system}/ManagedAccounts"))] == made
    assert ok(ps.get("/ManagedAccounts?systemName=tour01&accountName=t2"))["AccountId"] == made[1]
    synced = f"/ManagedAccounts/{made[0]}/SyncedAccounts"
    for number in made[1:]:
        shown = ok(ps.post(f"{synced}/{number}"), 201)
        assert (shown["ManagedAccountID"], shown["ParentAccountID"], shown["IsSubscribedAccount"]) == (number, made[0], True)
    assert [row["ManagedAccountID"] for row in ok(ps.get(synced))] == made[1:]
    ok(ps.delete(f"{synced}/{made[1]}"))
    assert [row["ManagedAccountID"] for row in ok(ps.get(synced))] == made[2:]
    ok(ps.delete(synced))
    assert ok(ps.get(synced)) == [] and ok(ps.get(f"/ManagedAccounts/{made[2]}"))["ParentAccountID"] is None
    look_at_propagation(world, made[0], system)
    ok(ps.delete(f"/ManagedAccounts/{made[0]}"))
    ok(ps.delete(f"/ManagedSystems/{system}/ManagedAccounts/t2"))
    ok(ps.delete(f"/ManagedSystems/{system}/ManagedAccounts"))
    assert ok(ps.get(f"/ManagedSystems/{system}/ManagedAccounts")) == []
    ok(ps.delete(f"/ManagedSystems/{system}"))
    ok(ps.delete(f"/ManagedSystems/{whole['ManagedSystemID']}"))
    ok(ps.delete(f"/Assets/{asset}"))
    ok(ps.delete(f"/Workgroups/{group}/Assets?name=tour02"))
    ok(ps.delete(f"/FunctionalAccounts/{functional}"))
    assert ok(ps.get(f"/Workgroups/{group}/Assets")) == [] and ps.get(f"/FunctionalAccounts/{functional}").status_code == 404


def look_at_propagation(world, account, system):
    boss, ps = world.boss, world.boss_ps
    assert ok(ps.get("/PropagationActionTypes")) == [{"PropagationActionTypeID": 1, "Name": "Services"}]
    action = ok(boss.own("POST", "/propagation-actions", {"typeId": 1, "name": "tour", "description": "", "service": "cron"}), 201)
    changed = ok(boss.own("PUT", f"/propagation-actions/{action['id']}", {"typeId": 1, "name": "tour", "description": "again", "service": "cron.service"}))
    assert changed == {"id": action["id"], "typeId": 1, "name": "tour", "description": "again", "service": "cron.service"} == ok(boss.own("GET", f"/propagation-actions/{action['id']}"))
    assert changed in ok(boss.own("GET", "/propagation-actions"))["items"]
    shown = {"PropagationActionID": action["id"], "PropagationActionTypeID": 1, "Name": "tour", "Description": "again"}
    assert ok(ps.get(f"/PropagationActions/{action['id']}")) == shown and shown in ok(ps.get("/PropagationActions"))
    of_account = f"/ManagedAccounts/{account}/PropagationActions"
    rule = ok(ps.post("/QuickRules", {"IDs": [system], "Title": "Tour systems", "RuleType": "ManagedSystem"}), 201)["SmartRuleID"]
    assert ok(ps.post(f"{of_account}/{action['id']}", {"SmartRuleIDs": str(rule)}), 201) == dict(shown, SmartRuleIDs=str(rule))
    assert ok(ps.get(of_account)) == [dict(shown, SmartRuleIDs=str(rule))]
    assert boss.own("DELETE", f"/propagation-actions/{action['id']}").status_code == 409
    ok(ps.delete(f"/QuickRules/{rule}"))
    assert ok(ps.get(of_account)) == [dict(shown, SmartRuleIDs="")]
    ok(ps.delete(f"{of_account}/{action['id']}"))
    assert ok(ps.post(f"{of_account}/{action['id']}"), 201)["SmartRuleIDs"] is None
    ok(ps.delete(of_account))
    assert ok(ps.get(of_account)) == []
    ok(boss.own("DELETE", f"/propagation-actions/{action['id']}"), 204)


def test_rules(world):
    ps, ids = world.boss_ps, world.ids
    for path in ("/SmartRules", f"/SmartRules/{ids['smartrule']}", f"/SmartRules/{ids['smartrule']}/ManagedAccounts", f"/SmartRules/{ids['smartrule']}/ManagedAccounts?limit=1", "/QuickRules",
                 f"/QuickRules/{ids['quickrule']}"):
        assert ok(ps.get(path)), path
    by_type = {row["RuleType"]: row["SmartRuleID"] for row in ok(ps.get("/SmartRules")) if row["Title"].startswith("All ")}
    assert ids["asset"] in {row["AssetID"] for row in ok(ps.get(f"/SmartRules/{by_type['Asset']}/Assets"))}
    assert ids["system"] in {row["ManagedSystemID"] for row in ok(ps.get(f"/SmartRules/{by_type['ManagedSystem']}/ManagedSystems"))}
    assert ok(ps.post(f"/SmartRules/{ids['smartrule']}/Process?queue=false"))["SmartRuleID"] == ids["smartrule"]
    a, b = ids["account"], ids["account2"]
    rule = ok(ps.post("/QuickRules", {"IDs": [a], "Title": "Tour accounts"}), 201)["SmartRuleID"]
    members = f"/QuickRules/{rule}/ManagedAccounts"
    assert [row["ManagedAccountID"] for row in ok(ps.put(members, {"AccountIDs": [b]}))] == [b] == [row["ManagedAccountID"] for row in ok(ps.get(members))]
    assert ps.post(f"{members}/{a}").status_code in (200, 201)
    assert [row["ManagedAccountID"] for row in ok(ps.delete(f"{members}/{b}"))] == [a]
    second = ok(ps.post("/Workgroups/1/ManagedSystems", {"EntityTypeID": 1, "HostName": "rule02", "IPAddress": "127.0.0.1", "PlatformID": 2}), 201)["ManagedSystemID"]
    systems = ok(ps.post("/QuickRules", {"IDs": [ids["system"]], "Title": "Tour systems", "RuleType": "ManagedSystem"}), 201)["SmartRuleID"]
    members = f"/QuickRules/{systems}/ManagedSystems"
    assert len(ok(ps.put(members, {"IDs": [ids["system"]]}))) == 1 and ps.post(f"{members}/{second}").status_code in (200, 201) and len(ok(ps.get(members))) == 2
    assert len(ok(ps.delete(f"{members}/{second}"))) == 1
    ok(ps.delete(f"/SmartRules/{systems}"))
    ok(ps.delete(f"/QuickRules/{rule}"))
    for kind in ("QuickRules", "SmartRules"):
        ok(ps.post("/QuickRules", {"IDs": [a], "Title": f"By title of {kind}"}), 201)
        ok(ps.delete(f"/{kind}?title=By%20title%20of%20{kind}"))
    assert not [row for row in ok(ps.get("/QuickRules")) if row["Title"].startswith(("Tour", "By title"))]


def test_groups_users_and_registrations(world):
    ps, ids = world.boss_ps, world.ids
    group = ok(ps.post("/UserGroups", {"groupType": "BeyondInsight", "groupName": "Tour", "isActive": True}), 201)["GroupID"]
    assert ok(ps.get(f"/UserGroups/{group}"))["Name"] == "Tour" and group in {row["GroupID"] for row in ok(ps.get("/UserGroups"))}
    assert ps.call("POST", f"/UserGroups/{group}/Permissions", raw=json.dumps([{"PermissionID": 20, "AccessLevelID": 1}])).status_code == 204
    assert {"PermissionID": 20, "AccessLevelID": 1} in ok(ps.get(f"/UserGroups/{group}/Permissions"))
    assert ps.delete(f"/UserGroups/{group}/Permissions").status_code == 204
    rule = f"/UserGroups/{group}/SmartRules/{ids['smartrule']}"
    ok(ps.post(f"{rule}/AccessLevels", {"AccessLevelID": 1}))
    assert ps.post(f"{rule}/Roles", {"Roles": [{"RoleID": "4"}]}).status_code == 204 and [row["RoleID"] for row in ok(ps.get(f"{rule}/Roles"))] == [4]
    assert ids["smartrule"] in {row["SmartRuleID"] for row in ok(ps.get(f"/UserGroups/{group}/SmartRules"))}
    assert ps.delete(f"{rule}/Roles").status_code in (200, 204) and ok(ps.get(f"{rule}/Roles")) == []
    body = {"UserType": "BeyondInsight", "UserName": "tour-ps", "FirstName": "T", "LastName": "P", "EmailAddress": "t@example.com", "Password": canary("tour's user")}
    user = ok(ps.post("/Users", body), 201)["UserID"]
    assert ok(ps.put(f"/Users/{user}", dict(body, FirstName="Tom")))["FirstName"] == "Tom" == ok(ps.get(f"/Users/{user}"))["FirstName"]
    assert ps.post(f"/Users/{user}/UserGroups/{group}").status_code in (201, 204)
    assert [row["GroupID"] for row in ok(ps.get(f"/Users/{user}/UserGroups"))] == [group] and [row["UserID"] for row in ok(ps.get(f"/UserGroups/{group}/Users"))] == [user]
    assert ps.post(f"/Users/{user}/Requests/Terminate", {"Reason": "tour"}).status_code == 204
    assert ok(ps.post(f"/Users/{user}/Quarantine"))["IsQuarantined"] is True
    ok(ps.delete(f"/Users/{user}/UserGroups/{group}"))
    ok(ps.delete(f"/Users/{user}"))
    ok(ps.delete(f"/UserGroups/{group}"))
    ok(ps.post("/UserGroups", {"groupType": "BeyondInsight", "groupName": "Tour by name", "isActive": True}), 201)
    ok(ps.delete("/UserGroups?name=Tour%20by%20name"))
    made = ok(ps.post("/ApiRegistrations", {"Name": "tour", "RegistrationType": "apikeypolicy", "Active": True}), 201)["ID"]
    one = f"/ApiRegistrations/{made}"
    key = ok(ps.get(f"{one}/Key"))
    rotated = ps.post(f"{one}/Rotate")
    assert rotated.status_code in (200, 201) and rotated.json() != key and ok(ps.get(f"{one}/Key")) == rotated.json()
    assert ok(ps.put(one, {"Name": "tour 2", "RegistrationType": "apikeypolicy", "Active": False}))["Name"] == "tour 2" == ok(ps.get(one))["Name"]
    ok(ps.delete(one))
    assert ps.get(one).status_code == 404


def test_requests(world, approver):
    ps, ids = world.boss_ps, world.ids
    body = {"SystemID": ids["system"], "AccountID": ids["account2"], "DurationMinutes": 5, "Reason": "tour"}
    assert ps.post(f"/ManagedAccounts/{ids['account']}/Requests/Terminate").status_code == 204
    first = ok(ps.post("/Requests", body), 201)
    assert first in {row["RequestID"] for row in ok(ps.get("/Requests"))}
    assert ok(ps.post("/Requests", dict(body, ConflictOption="reuse"))) == first
    assert ok(ps.get(f"/Credentials/{first}"))
    assert ps.put(f"/Requests/{first}/RotateOnCheckin").status_code == 204
    assert ps.put(f"/Requests/{first}/Checkin", {"Reason": "done"}).status_code == 204
    for release in ("/Requests/Release/{}", "/Requests/Release"):
        number = ok(ps.post("/Requests", body), 201)
        assert ps.put(release.format(number), {} if "{}" in release else {"RequestID": number}).status_code == 204
    assert ok(ps.post("/ISARequests", body), 201)
    asks, approves = approver["asks"], approver["approves"]
    for verb, allowed in (("Approve", True), ("Deny", False)):
        number = ok(asks.post("/Requests", dict(body, AccountID=ids["account"])), 201)
        assert asks.get(f"/Credentials/{number}").text == "4034"
        assert approves.put(f"/Requests/{number}/{verb}", {"Reason": "tour"}).status_code == 204
        assert (asks.get(f"/Credentials/{number}").status_code == 200) == allowed
        if allowed:
            assert asks.put(f"/Requests/{number}/Checkin").status_code == 204
    assert ps.post(f"/ManagedSystems/{ids['system']}/Requests/Terminate", {}).status_code == 204
    assert not [row for row in ok(ps.get("/Requests")) if row["SystemID"] == ids["system"]]


def test_the_older_base_path_is_the_same(world):
    answer = requests.get(world.url() + "/eEye.RetinaCS.Server/api/public/v3/Workgroups", headers={"Authorization": world.boss_ps.header}, timeout=30)
    assert answer.json() == ok(world.boss_ps.get("/Workgroups"))


def test_the_list_of_rows_is_the_servers(world):
    """A row that is answered but not listed would escape every generated test: the documents know no other."""
    assert set(rows.openapi(world.url())) == {(row.method, row.path) for row in rows.endpoints() if row.face != "pages"}
