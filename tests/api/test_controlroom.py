"""The Control Room face as its clients use it (controlroom-api 11, seeds 000 and 001)."""
import base64
import time

import pytest
import requests
from support import ControlRoom, ok, token_payload

V = "/v2/credentialvault"
SEED_LIST = {"filter": {"operator": "NONE", "operands": [None], "field": "string", "value": "string"},
             "sort": [{"field": "string", "direction": "asc"}], "page": {"offset": 0, "length": 0}}


@pytest.fixture(scope="module")
def people(server, admin):
    """Roles and users: name -> client."""
    class People:
        roles, clients = {}, {}

        def role(self, name, *permissions):
            body = {"name": name, "permissions": [{"action": a, "resourceType": r} for a, r in permissions]} if permissions else {"name": name}
            self.roles[name] = ok(admin.post("/v2/usermanagement/roles", body), 201)["id"]
            return self.roles[name]

        def user(self, name, *roles):
            body = {"username": name, "email": name + "@example.com", "password": "Passw0rd-" + name, "roles": [{"id": self.roles.get(r, r)} for r in roles]}
            ok(admin.post("/v1/usermanagement/users?noemail=true", body), 201)
            self.clients[name] = server.controlroom(name, "Passw0rd-" + name)
            return self.clients[name]
    p = People()
    p.role("Consumers")
    p.role("Masked readers", ("readmasked", "credentialattributevalue"), ("createstandard", "credentialattribute"))
    p.role("Any value", ("updateany", "credentialattributevalue"))
    p.role("Everything but admin", *[(x["action"], x["resourceType"]) for x in ok(admin.get("/v1/usermanagement/permissions"))
                                     if x["action"] not in ("updateany", "readmasked")])
    for name, role in (("priya", 2), ("omar", 2), ("carl", "Consumers"), ("mara", "Masked readers"), ("vera", "Any value"), ("lars", 3), ("bob", "Everything but admin")):
        p.user(name, role)
    return p


def make(client, name, *attributes):
    return ok(client.post(V + "/credentials", {"name": name, "attributes": list(attributes) or [{"name": "username", "userProvided": False}]}), 201)


def values(client, credential, status=200):
    answer = client.get(f"{V}/credentials/{credential['id']}/attributevalues")
    return ok(answer, status)["list"] if status == 200 else ok(answer, status)


def store(client, credential, value, attribute=0, status=200):
    return ok(client.post(f"{V}/credentials/{credential['id']}/attributevalues",
                          {"list": [{"credentialAttributeId": credential["attributes"][attribute]["id"], "value": value}]}), status)


# 1, 2, 3, 4

def test_ways_to_log_in(server):
    url, password = server.url, server.password
    for path in ("/v1/authentication", "/v2/authentication"):
        for body in ({"username": "admin", "password": password}, {"Username": "ADMIN", "Password": password}, {"username": "admin", "password": password, "multipleLogin": True}):
            answer = requests.post(url + path, json=body, headers={"X-Authorization": ""}, timeout=30)
            assert answer.status_code == 200 and answer.json()["user"]["username"] == "admin"
    answer = requests.post(url + "/v1/authentication", data='{"username":"admin","password":"%s"}' % password, headers={"Content-Type": ""}, timeout=30)
    user = answer.json()["user"]
    for key in ("id", "domain", "firstName", "lastName", "version", "principalId", "deleted", "roles", "sysAssignedRoles", "groupNames", "permissions", "licenseFeatures",
                "emailVerified", "passwordSet", "questionsSet", "enableAutoLogin", "disabled", "clientRegistered", "description", "createdBy", "createdOn", "publicKey", "email"):
        assert key in user, key
    payload = token_payload(answer.json()["token"])
    assert payload["sub"] == str(user["id"]) and payload["exp"] - payload["iat"] == 1200


@pytest.mark.parametrize("body", [{"username": "admin", "password": "wrong"}, {"username": "nobody", "password": "wrong"}, {"username": "admin", "apiKey": "x" * 40}])
def test_all_sign_in_failures_read_alike(server, body):
    answer = requests.post(server.url + "/v2/authentication", json=body, timeout=30)
    assert answer.status_code == 401 and answer.json() == {"code": "UM1111", "details": None, "message": "Invalid credentials"}


def test_token_life(server):
    client = server.controlroom()
    url = server.url
    valid = lambda token: requests.get(url + "/v1/authentication/token", params={"token": token}, timeout=30).json()["valid"]
    assert valid(client.token) is True and valid("garbage") is False and valid(client.token[:-4] + "AAAA") is False
    by_body = ok(client.post("/v2/authentication/token", {"token": client.token}))["token"]
    by_header = ok(client.post("/v1/authentication/token"))["token"]
    assert len({client.token, by_body, by_header}) == 3
    assert client.post("/v1/authentication/logout").status_code == 204
    assert valid(client.token) is False and valid(by_body) is True
    answer = client.get(V + "/credentials/1")
    assert answer.status_code == 401 and answer.json()["code"] == "UM1110"


def test_without_a_token(server):
    answer = requests.get(server.url + V + "/credentials/1", timeout=30)
    assert answer.status_code == 401
    assert answer.json() == {"code": "UM1117", "details": None, "message": "Access token expected in the 'X-Authorization' header"}


def test_algorithms_are_not_negotiable(server, admin):
    head, body, signature = admin.token.split(".")
    none = base64.urlsafe_b64encode(b'{"alg":"none"}').rstrip(b"=").decode()
    for forged in (f"{none}.{body}.", f"{none}.{body}.{signature}", f"{head}.{body}.", f"{head}.{body}", f"{head}.{body}.{signature}x"):
        answer = requests.get(server.url + V + "/credentials/1", headers={"X-Authorization": forged}, timeout=30)
        assert answer.status_code == 401, forged


# 5, 6

def test_create_and_list(people):
    priya = people.clients["priya"]
    made = make(priya, "SAP production", {"name": "username", "userProvided": False}, {"name": "pin", "userProvided": True, "masked": True})
    assert made["lockerId"] == "" and made["version"] == "0" and made["externalVaultCredentialName"] == "" and isinstance(made["id"], str)
    assert [a["masked"] for a in made["attributes"]] == [False, True]
    for body in (None, {}, {"filter": {}}, SEED_LIST, {"page": {"length": 0}}, {"page": None}, {"Page": {"Offset": "0", "Length": "1000"}}):
        page = ok(priya.post(V + "/credentials/list", body))
        assert any(c["id"] == made["id"] for c in page["list"]), body
    ids = [c["id"] for c in ok(priya.post(V + "/credentials/list"))["list"]]
    assert ids == sorted(ids, key=int, reverse=True)
    for query in ("?consumed", "?consumed=", "?consumed=true", "?consumed=1", "?consumed=TRUE"):
        assert ok(priya.post(V + "/credentials/list" + query, {}))["list"] == [], query
    assert ok(priya.post(V + "/credentials/list?consumed=0", {}))["list"]
    assert priya.post(V + "/credentials/list?consumed=2", {}).status_code == 400
    assert ok(priya.get(V + "/credentials?name=sap%20PRODUCTION"))["list"][0]["id"] == made["id"]
    assert ok(priya.get("/v1/credentialvault/credentials/" + made["id"])) == made
    assert priya.get("/v1/credentialvault/credentials/abc").status_code == 404


def test_filters(people):
    priya = people.clients["priya"]
    one = make(priya, "Filter Ärger 1")
    make(priya, "Filter zwei")

    def found(**filter):
        return [c["name"] for c in ok(priya.post(V + "/credentials/list", {"filter": filter}))["list"]]
    assert found(operator="eq", field="name", value="FILTER ÄRGER 1") == ["Filter Ärger 1"]
    assert found(operator="EQ", field="id", value=one["id"]) == found(operator="eq", field="ID", value=int(one["id"])) == ["Filter Ärger 1"]
    assert found(operator="substring", field="name", value="ÄRG") == ["Filter Ärger 1"]
    assert len(found(operator="startswith", field="name", value="filter")) == 2
    assert len(found(operator="and", operands=[None, {"operator": "substring", "field": "name", "value": "filter"},
                                               {"operator": "not", "operands": [{"operator": "eq", "field": "name", "value": "filter zwei"}]}])) == 1
    assert len(found(operator="gt", field="createdOn", value="2000-10-12T00:00:00.123Z")) >= 3
    assert found(operator="and", operands=["substring"], field="name", value="zwei") == ["Filter zwei"]
    for bad in ({"operator": "like", "field": "name", "value": "x"}, {"operator": "eq", "field": "password", "value": "x"}, {"operator": "gt", "field": "createdOn", "value": "soon"},
                {"operator": "eq", "field": "id", "value": "x"}, {"operator": "not", "operands": []}, {"operator": "substring", "field": "createdOn", "value": "2024"}):
        answer = priya.post(V + "/credentials/list", {"filter": bad})
        assert answer.status_code == 400 and answer.json()["message"], bad
    deep = {"operator": "eq", "field": "name", "value": "x"}
    for _ in range(17):
        deep = {"operator": "not", "operands": [deep]}
    assert priya.post(V + "/credentials/list", {"filter": deep}).status_code == 400
    page = ok(priya.post(V + "/credentials/list", {"sort": {"field": "name", "direction": "desc"}, "page": {"offset": 1, "length": 1}}))
    assert len(page["list"]) == 1 and page["page"]["offset"] == 1 and page["page"]["totalFilter"] == page["page"]["total"]
    assert ok(priya.post(V + "/credentials/list", {"page": {"offset": 1000000}}))["list"] == []
    assert priya.post(V + "/credentials/list", {"page": {"offset": -1}}).status_code == 400
    assert priya.post(V + "/credentials/list", {"sort": [{"field": "nope"}]}).status_code == 400
    assert priya.post(V + "/credentials/list", {"sort": [{"field": "name", "direction": "up"}]}).status_code == 400
    ascending = [c["name"] for c in ok(priya.post(V + "/credentials/list", {"sort": [{"field": "name"}]}))["list"]]
    for skipped in ({"field": "", "direction": ""}, {"direction": ""}, {}):
        assert [c["name"] for c in ok(priya.post(V + "/credentials/list", {"sort": [skipped, {"field": "name", "direction": ""}]}))["list"]] == ascending


# 7, 8, 9

def test_values(people):
    priya = people.clients["priya"]
    made = make(priya, "Values", {"name": "a", "userProvided": False})
    echo = store(priya, made, "rpa_fin01")["list"][0]
    assert echo["value"] != "rpa_fin01" and len(base64.b64decode(echo["value"])) == 32 and "userId" not in echo
    assert priya.post(f"{V}/credentials/{made['id']}/attributevalues", {"attributeValues": [{"credentialAttributeId": made["attributes"][0]["id"], "value": "x"}]}).status_code == 409
    path = f"{V}/credentials/{made['id']}/attributevalues"
    assert ok(priya.get(path + "?credentialAttributeId=" + made["attributes"][0]["id"]))["list"][0]["value"] == "rpa_fin01"
    changed = ok(priya.put(f"{path}/{echo['id']}", {"value": "two", "version": "0"}))
    assert changed["version"] == "1" and changed["value"] != "two"
    assert priya.put(f"{path}/{echo['id']}", {"value": "three", "version": "0"}).status_code == 409
    assert values(priya, made)[0]["value"] == "two"
    assert people.clients["omar"].get(path).status_code == 404
    assert ok(priya.delete(f"{path}/{echo['id']}")) == {} and values(priya, made) == []


@pytest.fixture(scope="module")
def shared(people, admin):
    """Priya's credential with a masked value in omar's locker; carl, mara consume."""
    priya, omar = people.clients["priya"], people.clients["omar"]
    made = make(priya, "Shared", {"name": "masked", "userProvided": False, "masked": True}, {"name": "open", "userProvided": False}, {"name": "own", "userProvided": True, "masked": True})
    store(priya, made, "hunter2")
    store(priya, made, "plain", 1)
    locker = ok(omar.post(V + "/lockers", {"name": "Finance", "description": "Month end"}), 201)
    path = f"{V}/lockers/{locker['id']}"
    assert priya.get(path).status_code == 404
    ok(omar.put(f"{path}/members/{priya.id}", {"permissions": ["participate"]}))
    ok(priya.put(f"{path}/credentials/{made['id']}", {"id": locker["id"], "credentialId": made["id"]}))
    for role, body in (("Consumers", {"id": people.roles["Consumers"]}), ("Masked readers", {"roleId": str(people.roles["Masked readers"])})):
        ok(omar.post(path + "/consumers", body))
    return made, locker


def test_masking(people, shared, admin):
    made, _ = shared
    clear = lambda name: values(people.clients[name], made)[0]["value"]
    assert clear("priya") == "hunter2" and clear("mara") == "hunter2"
    assert clear("carl") == "" and clear("omar") == "" and clear("lars") == ""
    people.clients["vera"]  # updateany sees any value
    assert admin.get(f"{V}/credentials/{made['id']}").status_code == 200  # admin holds AAE_Locker Admin too
    assert values(admin, made)[0]["value"] == ""


def test_user_provided_values_are_everybodys_own(people, shared):
    made, _ = shared
    carl, mara, priya = (people.clients[n] for n in ("carl", "mara", "priya"))
    store(carl, made, "carls", 2)
    store(mara, made, "maras", 2)
    mine = lambda c: [v for v in values(c, made) if v["credentialAttributeId"] == made["attributes"][2]["id"]]
    assert [v["value"] for v in mine(carl)] == ["carls"] and mine(carl)[0]["userId"] == str(carl.id)
    assert [v["value"] for v in mine(mara)] == ["maras"] and mine(priya) == []
    store(priya, made, "not a consumer", 2, status=403)


def test_walking_round_the_mask(people, shared):
    """AAE_Locker Admin transfers to himself, reads, takes it out, unmasks, reads, transfers back: never the value."""
    made, locker = shared
    lars, priya, omar = (people.clients[n] for n in ("lars", "priya", "omar"))
    seen = []

    def look():
        answer = lars.get(f"{V}/credentials/{made['id']}/attributevalues")
        seen.extend(v["value"] for v in answer.json().get("list", []) if v["credentialAttributeId"] == made["attributes"][0]["id"])
    ok(omar.put(f"{V}/lockers/{locker['id']}/members/{lars.id}", {"permissions": ["participate"]}))
    ok(lars.put(f"{V}/credentials/{made['id']}/owner/{lars.id}"))
    look()
    ok(lars.delete(f"{V}/lockers/{locker['id']}/credentials/{made['id']}"))
    look()
    body = ok(lars.get(f"{V}/credentials/{made['id']}"))
    body["attributes"][0]["masked"] = False
    ok(lars.put(f"{V}/credentials/{made['id']}", body))
    look()
    ok(lars.put(f"{V}/credentials/{made['id']}/owner/{priya.id}"))
    look()
    assert "hunter2" not in seen


# 10

def test_locker_life(people):
    priya, omar, carl = (people.clients[n] for n in ("priya", "omar", "carl"))
    made = make(priya, "In and out", {"name": "old name", "userProvided": False}, {"name": "second", "userProvided": False})
    store(priya, made, "kept")
    locker = ok(priya.post(V + "/lockers", {"name": "In and out"}), 201)
    path = f"{V}/lockers/{locker['id']}"
    answer = ok(priya.put(f"{path}/credentials/{made['id']}"))
    assert answer == {"id": locker["id"], "credentialId": made["id"]}
    assert ok(priya.get(f"{V}/credentials/{made['id']}"))["lockerId"] == locker["id"]
    refused = priya.put(f"{V}/credentials/{made['id']}", {"name": "x"})
    assert refused.status_code == 409 and refused.json()["message"] == "Credential is assigned to a locker and cannot be updated"
    value = values(priya, made)[0]
    ok(priya.put(f"{V}/credentials/{made['id']}/attributevalues/{value['id']}", {"value": "still", "version": value["version"]}))
    for client in (priya, people.clients["lars"]):
        assert client.put(f"{V}/credentials/{made['id']}/owner/{carl.id}").status_code == 400
    ok(priya.put(f"{path}/members/{omar.id}", {"permissions": ["MANAGE"]}))
    assert ok(priya.put(f"{V}/credentials/{made['id']}/owner/{omar.id}"))["ownerId"] == str(omar.id)
    assert priya.put(f"{V}/credentials/{made['id']}/owner/{priya.id}").status_code == 403
    ok(omar.put(f"{V}/credentials/{made['id']}/owner/{priya.id}"))
    ok(priya.delete(f"{path}/credentials/{made['id']}"))
    renamed = ok(priya.put(f"{V}/credentials/{made['id']}", {"name": "In and out 2", "attributes": [{"name": "new name", "userProvided": False}, {"name": "second", "userProvided": False}]}))
    assert [a["name"] for a in renamed["attributes"]] == ["new name", "second"] and values(priya, made)[0]["value"] == "still"
    left_out = priya.put(f"{V}/credentials/{made['id']}", {"name": "In and out 2", "attributes": [{"name": "second", "userProvided": False}]})
    assert left_out.status_code == 409 and "still holds a value" in left_out.json()["message"]
    assert priya.put(f"{V}/credentials/{made['id']}", {"name": "x", "version": "0"}).status_code == 409


# 11

def test_locker_rules(people):
    priya, omar, carl, lars = (people.clients[n] for n in ("priya", "omar", "carl", "lars"))
    locker = ok(priya.post(V + "/lockers", {"name": "Rules"}), 201)
    path = f"{V}/lockers/{locker['id']}"
    assert priya.delete(f"{path}/members/{priya.id}").status_code == 409
    ok(priya.put(f"{path}/members/{omar.id}", {"permissions": ["manage"]}))
    assert omar.put(f"{path}/members/{carl.id}", {"permissions": ["participate"]}).status_code == 403
    for bad in ([], ["fly"], ["own", "manage"]):
        assert priya.put(f"{path}/members/{omar.id}", {"permissions": bad}).status_code == 400
    assert priya.put(f"{path}/members/99999", {"permissions": ["manage"]}).status_code == 404
    made = make(priya, "Rules", {"name": "a", "userProvided": False})
    ok(priya.put(f"{path}/credentials/{made['id']}"))
    for client in (omar, lars):
        store(client, made, "not yours", status=403)
    body = [{"id": people.roles["Consumers"]}]
    assert isinstance(ok(priya.post(path + "/consumers", body)), list)
    ok(priya.post(path + "/consumers", body))
    assert [c["id"] for c in ok(carl.post(V + "/credentials/list?consumed=true"))["list"]].count(made["id"]) == 1
    ok(priya.delete(f"{path}/consumers/{people.roles['Consumers']}"))
    assert carl.get(f"{V}/credentials/{made['id']}").status_code == 404
    assert priya.post(path + "/consumers", {"id": 9999}).status_code == 404
    assert ok(priya.get(path + "/credentials"))["list"][0]["id"] == made["id"]
    assert ok(priya.delete(path)) == {} and ok(priya.get(f"{V}/credentials/{made['id']}"))["lockerId"] == ""


def test_what_a_lockers_update_leaves_out_stays(people):
    priya = people.clients["priya"]
    locker = ok(priya.post(V + "/lockers", {"name": "Described", "description": "keep me"}), 201)
    path = f"{V}/lockers/{locker['id']}"
    ok(priya.put(path, {"name": "Described anew"}))
    assert [ok(priya.get(path))[key] for key in ("name", "description")] == ["Described anew", "keep me"]
    ok(priya.put(path, {"name": "Described anew", "description": ""}))
    assert ok(priya.get(path))["description"] == ""


def test_the_last_owner_of_a_locker_cannot_be_deleted(people, admin):
    client = people.user("lockerowner", 2)
    locker = ok(client.post(V + "/lockers", {"name": "Of one owner"}), 201)
    path = f"/v2/usermanagement/users/{client.id}"
    refused = admin.delete(path)
    assert refused.status_code == 409 and "last owner of locker Of one owner" in refused.json()["message"]
    ok(client.put(f"{V}/lockers/{locker['id']}/members/{people.clients['omar'].id}", {"permissions": ["own"]}))
    ok(admin.delete(path))
    assert [int(m["userId"]) for m in ok(people.clients["omar"].get(f"{V}/lockers/{locker['id']}/members"))["list"]] == [people.clients["omar"].id]


def test_names_of_users_are_lower_case_everywhere(people, admin):
    """1.6: clients compare so."""
    client = people.user("MiXed", 2)
    locker = ok(client.post(V + "/lockers", {"name": "Of mixed"}), 201)
    assert ok(client.get(f"{V}/lockers/{locker['id']}/members"))["list"][0]["userName"] == "mixed"
    assert "mixed" in [u["username"] for u in ok(admin.post("/v1/devices/runasusers/list"))["list"]]
    device = ok(admin.own("POST", "/devices", {"hostName": "Mixed", "nickname": "", "defaultUserId": client.id}), 201)
    free = ok(admin.own("POST", "/devices", {"hostName": "Free", "nickname": ""}), 201)
    found = ok(admin.post("/v2/devices/list", {"filter": {"operator": "eq", "field": "userId", "value": client.id}}))["list"]
    assert [(d["userName"], d["defaultUsers"][0]["username"]) for d in found] == [("mixed", "mixed")]
    # 8.1: a value that is missing is null or empty.
    for operator, wanted in (("eq", free), ("ne", device)):
        assert [d["id"] for d in ok(admin.post("/v2/devices/list", {"filter": {"operator": operator, "field": "userId", "value": ""}}))["list"]] == [str(wanted["id"])]
    for one in (device, free):
        ok(admin.own("DELETE", f"/devices/{one['id']}"), 204)


def test_the_names_that_a_built_in_role_answers_to(admin):
    """3: on input, in filters, too."""
    def found(operator, name):
        return [r["name"] for r in ok(admin.post("/v2/usermanagement/roles/list", {"filter": {"operator": operator, "field": "name", "value": name}}))["list"]]
    for name in ("AAE_Locker", "aae_locker_admin", "AAE_Locker Admin"):
        assert found("eq", name) == ["AAE_Locker Admin"] and "AAE_Locker Admin" not in found("ne", name)
    assert found("substring", "AAE_Locker_") == []


# 12

def test_auto_login(people, admin):
    path = "/v1/credentialvault/external/credentials/loginsetting"
    body = {"Username": "OMAR", "Windows_Username": "CORP\\robot01", "Windows_Password": "W1nter!"}
    assert people.clients["bob"].put(path, body).status_code == 403
    assert people.clients["priya"].put(path, body).status_code == 403
    answer = admin.put(path, body)
    assert answer.status_code == 200 and answer.text == '"Credentials were successfully updated."'
    assert admin.post(path, body).status_code == 409
    assert admin.put(path, dict(body, Username="nobody at all")).status_code == 404
    for broken in ({"Username": "omar"}, dict(body, Windows_Password=""), dict(body, Windows_Password="a\nb"), dict(body, Windows_Username="x" * 256), dict(body, Windows_Password="x" * 1025)):
        assert admin.put(path, broken).status_code == 400, broken
    assert admin.get(path).status_code == 405
    answer = admin.delete(path, {"Username": "omar"})
    assert answer.status_code == 200 and answer.text == '"Credentials were successfully deleted."'
    assert admin.delete(path, {"Username": "omar"}).status_code == 404
    answer = admin.post(path, {"username": "omar", "windows_username": "x", "windows_password": "y"})
    assert answer.status_code == 201 and answer.text == '"Successful creation of credential."'
    assert people.clients["omar"].put("/v2/credentialvault/loginsetting", {"loginUsername": "a", "loginPassword": "b"}).text == '"Credentials updated for omar"'
    assert people.clients["omar"].put("/v2/credentialvault/loginsetting", {"loginUsername": "a", "loginPassword": "b", "username": "priya"}).status_code == 403


# 13, and the table of bad input

@pytest.mark.parametrize("body", [
    {"name": "x" * 51}, {"name": "a/b"}, {"name": "  "}, {"name": "a\u0007b"}, {}, {"name": None}, {"name": 7}, {"name": "x", "description": "d" * 256},
    {"name": "x", "attributes": [{"name": f"a{i}", "userProvided": False} for i in range(51)]}, {"name": "x", "attributes": [{"name": "a"}]},
    {"name": "x", "attributes": [{"name": "a", "userProvided": "yes"}]}, {"name": "x", "attributes": {}}, {"name": "x", "attributes": [{"name": "a" * 51, "userProvided": False}]},
])
def test_credentials_that_cannot_be(people, body):
    before = ok(people.clients["priya"].post(V + "/credentials/list"))["page"]["total"]
    answer = people.clients["priya"].post(V + "/credentials", body)
    assert answer.status_code == 400 and answer.json()["code"] == "json.deser.exception" and answer.json()["message"]
    assert ok(people.clients["priya"].post(V + "/credentials/list"))["page"]["total"] == before


def test_names_are_taken_in_any_case(people, admin):
    priya = people.clients["priya"]
    make(priya, "Größe Ä")
    for name in ("größe ä", " GRÖSSE Ä ", "gro\u0308ße a\u0308"):
        assert priya.post(V + "/credentials", {"name": name}).status_code == 409, name
    assert priya.post(V + "/credentials", {"name": "dup", "attributes": [{"name": "A", "userProvided": False}, {"name": "a", "userProvided": False}]}).status_code == 409
    for name in ("AAE Locker", "aae_locker_admin", "A A E _Admin", "aae whatever"):
        assert admin.post("/v2/usermanagement/roles", {"name": name}).status_code == 409, name


def test_an_ex_owner_loses_at_once(people):
    priya, omar = people.clients["priya"], people.clients["omar"]
    made = make(priya, "Handed over", {"name": "a", "userProvided": False, "masked": True})
    store(priya, made, "priyas")
    ok(priya.put(f"{V}/credentials/{made['id']}/owner/{omar.id}"))
    for answer in (priya.get(f"{V}/credentials/{made['id']}"), priya.get(f"{V}/credentials/{made['id']}/attributevalues"), priya.put(f"{V}/credentials/{made['id']}", {"name": "y"}),
                   priya.delete(f"{V}/credentials/{made['id']}"), priya.put(f"{V}/credentials/{made['id']}/owner/{priya.id}")):
        assert answer.status_code == 404
    assert values(omar, made)[0]["value"] == ""


def test_a_disabled_user_and_a_lost_role(people, server, admin):
    client = people.user("temp", 2)
    user = ok(admin.get(f"/v2/usermanagement/users/{client.id}"))
    ok(admin.put(f"/v2/usermanagement/users/{client.id}", dict(user, disabled=True)))
    assert client.post(V + "/credentials/list").status_code == 401
    assert requests.post(server.url + "/v2/authentication", json={"username": "temp", "password": "Passw0rd-temp"}, timeout=30).status_code == 401
    deleted = ok(admin.delete(f"/v1/usermanagement/users/{client.id}"))
    assert deleted["username"] == "temp" and admin.get(f"/v2/usermanagement/users/{client.id}").status_code == 404


def test_an_owner_of_credentials_cannot_be_deleted(people, admin):
    client = people.user("keeper", 2)
    made = make(client, "Kept by keeper")
    refused = admin.delete(f"/v2/usermanagement/users/{client.id}")
    assert refused.status_code == 409 and "owns credentials" in refused.json()["message"]
    ok(client.delete(f"{V}/credentials/{made['id']}"))
    ok(admin.delete(f"/v2/usermanagement/users/{client.id}"))


def test_nobody_gives_what_he_does_not_hold(people, server, admin):
    people.role("User managers", ("usermanagement", "usermanagement"), ("viewuserrolebasicinfo", "usermanagement"))
    manager = people.user("manager", "User managers")
    assert manager.post("/v2/usermanagement/users", {"username": "evil", "email": "e@example.com", "password": "Passw0rd-evil", "roles": [{"id": 1}]}).status_code == 403
    assert manager.put(f"/v2/usermanagement/users/{admin.id}", {"username": "admin", "email": "x@example.com", "password": "Taken-over-1", "roles": [{"id": 1}]}).status_code == 403
    assert manager.post("/v2/usermanagement/roles", {"name": "Mine", "permissions": [{"action": "updateany", "resourceType": "credentialattributevalue"}]}).status_code == 403
    role = people.roles["User managers"]
    body = {"name": "User managers", "permissions": [{"action": "administer", "resourceType": "locker"}]}
    assert manager.put(f"/v2/usermanagement/roles/{role}", body).status_code == 403
    assert admin.post("/v2/usermanagement/roles", {"name": "For me", "permissions": [{"action": "updateany", "resourceType": "credentialattributevalue"}],
                                                   "principals": [{"id": admin.id}]}).status_code == 403
    assert server.controlroom("admin", server.password).token


def test_guessing_is_slowed_for_the_pair_only(people, server):
    people.user("victim", 2)
    statuses = [requests.post(server.url + "/v2/authentication", json={"username": name, "password": "guess"}, timeout=30).status_code
                for name in ("victim", "VICTIM", " victim ", "Victim", "victim", "victim")]
    assert set(statuses) == {401}
    started = time.monotonic()
    answer = requests.post(server.url + "/v2/authentication", json={"username": "victim", "password": "Passw0rd-victim"}, timeout=30)
    assert answer.status_code == 401 and time.monotonic() - started < 5, "the pair waits, even with the right password"
    assert ControlRoom(server.url, "admin", server.password).token


def test_two_clients_at_once(people):
    import concurrent.futures
    priya = people.clients["priya"]
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        statuses = sorted(pool.map(lambda _: priya.post(V + "/credentials", {"name": "Only one of us"}).status_code, range(8)))
    assert statuses == [201] + [409] * 7
    made = make(priya, "Raced", {"name": "a", "userProvided": False})
    value = store(priya, made, "v0")["list"][0]
    path = f"{V}/credentials/{made['id']}/attributevalues/{value['id']}"
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        statuses = sorted(pool.map(lambda i: priya.put(path, {"value": f"v{i}", "version": "0"}).status_code, range(8)))
    assert statuses == [200] + [409] * 7


def test_audit_and_devices(admin, people):
    rows = ok(admin.post("/v1/audit/messages/list", {"filter": {"operator": "eq", "field": "userName", "value": "priya"}, "page": {"length": 5}}))
    assert rows["list"] and rows["list"][0]["userName"] == "priya" and rows["page"]["totalFilter"] >= len(rows["list"])
    refused = ok(admin.post("/v1/audit/messages/list", {"filter": {"operator": "eq", "field": "status", "value": "Unsuccessful"}}))
    assert refused["list"]
    assert people.clients["priya"].post("/v1/audit/messages/list", {}).status_code == 403
    assert ok(admin.post("/v2/devices/list"))["list"] == []
    assert any(u["username"] == "omar" for u in ok(admin.post("/v1/devices/runasusers/list"))["list"])


def test_transport_key(admin):
    key = ok(admin.get(V + "/keys/transport/public"))["publicKey"]
    made = make(admin, "With a key")
    path = f"{V}/credentials/{made['id']}/attributevalues"
    body = {"list": [{"credentialAttributeId": made["attributes"][0]["id"], "value": "clear"}]}
    refused = admin.post(path + "?encryptionKey=bm90IGEga2V5", body)
    assert refused.status_code == 400 and refused.json() == {"code": "", "details": None, "message": "The encryption key is incorrect"}
    ok(admin.post(path + "?encryptionKey=" + key, body))  # '+' arrives as a space and is read back
    assert ok(admin.get(path, params={"encryptionKey": key}))["list"][0]["value"] == "clear"
