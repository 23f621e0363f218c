"""tests/api/world.py: a server with one object of every kind, people with every right and with none, and a canary in every secret."""
import base64
import re
import secrets

import requests
from requests.adapters import HTTPAdapter

import rows
from store import Store
from support import PS, Client, ok, wait_for

CANARIES = {}


def canary(where):
    """A secret that stands nowhere else: whoever finds it knows which field it came from."""
    value = "Canary-" + secrets.token_hex(12).upper()
    CANARIES[value] = where
    return value


def traces(value):
    """The byte strings that give the secret away: itself, hexadecimal, and Base64 at each of the three offsets."""
    data = value.encode()
    found = {data, data.hex().encode(), data.hex().upper().encode(), value.encode("utf-16-le")}
    for offset in range(3):
        encoded = base64.b64encode(bytes(offset) + data)
        middle = encoded[-(-offset * 8 // 6):len(encoded) // 4 * 4 - 4]
        found |= {middle, middle.replace(b"+", b"-").replace(b"/", b"_")}
    return found


def found_in(data, values=None):
    """The fields whose secret (in clear, hexadecimal or Base64) is in these bytes."""
    return [CANARIES[value] for value in (values or CANARIES) if any(trace in data for trace in traces(value))]


class FromAddress(HTTPAdapter):
    def __init__(self, address):
        self.address = address
        super().__init__()

    def init_poolmanager(self, *positional, **named):
        super().init_poolmanager(*positional, source_address=(self.address, 0), **named)


class Somebody(Client):
    """A client with the headers it is given, from a loopback address of its own: guesses are counted per address."""

    made = 0

    def __init__(self, url, headers=None):
        super().__init__(url)
        Somebody.made += 1
        self.own_headers = headers or {}
        self.http.mount("http://", FromAddress(f"127.{1 + Somebody.made // 60000}.{Somebody.made // 250 % 250}.{1 + Somebody.made % 250}"))

    def headers(self):
        return dict(self.own_headers)


class World:
    """What can be named in a path, each made through the API."""

    def __init__(self, server, port=1):
        self.server, self.port, self.ids, self.names = server, port, {}, {}
        self.boss, self.boss_ps = server.controlroom(), server.passwordsafe()
        self.make_people()
        self.make_vault()
        self.make_accounts()
        self.make_ours()

    # -- people: boss holds everything, nobody nothing. Only `init` makes somebody who has all of both faces (keyturn-api 2.3).

    def make_user(self, name, **more):
        password = canary(f"password of {name}")
        body = {"username": name, "email": f"{name}@example.com", "password": password, "roles": [], "firstName": name.title(), "lastName": "Test"}
        made = ok(self.boss.post("/v2/usermanagement/users", dict(body, **more)), 201)
        self.names[name] = password
        return made["id"]

    def make_people(self):
        boss, ps, ids = self.boss, self.boss_ps, self.ids
        CANARIES[self.server.password], CANARIES[self.server.api_key] = "password of the administrator", "API key of init"
        ids["boss"] = boss.id
        ids["registration"] = next(row["ID"] for row in ok(ps.get("/ApiRegistrations")) if row["RegistrationType"] == "apikeypolicy")
        group = {"groupType": "BeyondInsight", "groupName": "Powerless", "description": "", "isActive": True, "ApplicationRegistrationIDs": [ids["registration"]],
                 "Permissions": []}
        ids["group"] = ok(ps.post("/UserGroups", group), 201)["GroupID"]
        only_own = [{"action": "managecredentials", "resourceType": "credentials"}]
        ids["role"] = ok(boss.post("/v2/usermanagement/roles", {"name": "No rights", "permissions": only_own}), 201)["id"]
        ids["robot"] = self.make_user("robot", roles=[{"id": 2}])
        ids["nobody"] = self.make_user("nobody", roles=[{"id": ids["role"]}])
        assert ps.post(f"/Users/{ids['nobody']}/UserGroups/{ids['group']}").status_code in (201, 204)
        self.nobody = self.server.controlroom("nobody", self.names["nobody"])
        self.nobody_ps = self.server.passwordsafe("nobody")
        self.let_boss_break_glass()

    def let_boss_break_glass(self):
        """Nobody gives himself this right (2.3), and whoever gave it to `boss` would have to hold all that he does: another one of `init`'s."""
        group = {"groupType": "BeyondInsight", "groupName": "Glass", "isActive": True, "Permissions": [{"PermissionID": 1000, "AccessLevelID": 3}]}
        number = ok(self.boss_ps.post("/UserGroups", group), 201)["GroupID"]
        with Store(self.server) as db:
            db.execute("INSERT INTO role_members (role_id, user_id) SELECT id, ? FROM roles WHERE face = 2 AND number = ?", (self.ids["boss"], number))

    # -- the Control Room's side

    def make_vault(self):
        boss = self.boss
        self.ids["consumers"] = ok(boss.post("/v2/usermanagement/roles", {"name": "Robots", "principals": [{"id": self.ids["robot"]}]}), 201)["id"]
        attributes = [{"name": "user", "userProvided": False}, {"name": "secret", "userProvided": False, "masked": True},
                      {"name": "pin", "userProvided": True, "masked": True}]
        made = ok(boss.post("/v2/credentialvault/credentials", {"name": "SAP production", "description": "Robots", "attributes": attributes}), 201)
        self.ids["credential"], self.ids["attributes"] = made["id"], [attribute["id"] for attribute in made["attributes"]]
        self.ids["locker"] = ok(boss.post("/v2/credentialvault/lockers", {"name": "Finance", "description": "Month end"}), 201)["id"]
        ok(boss.post(f"/v2/credentialvault/lockers/{self.ids['locker']}/consumers", {"id": self.ids["consumers"]}))
        ok(boss.put(f"/v2/credentialvault/lockers/{self.ids['locker']}/credentials/{self.ids['credential']}"))
        values = [{"credentialAttributeId": number, "value": canary(f"value of attribute {number}")} for number in self.ids["attributes"][:2]]
        made = ok(boss.post(f"/v2/credentialvault/credentials/{self.ids['credential']}/attributevalues", {"list": values}))
        self.ids["value"] = made["list"][0]["id"]
        robot = self.server.controlroom("robot", self.names["robot"])
        pin = [{"credentialAttributeId": self.ids["attributes"][2], "value": canary("a value that a consumer provides")}]
        ok(robot.post(f"/v2/credentialvault/credentials/{self.ids['credential']}/attributevalues", {"list": pin}))
        free = ok(boss.post("/v2/credentialvault/credentials", {"name": "Follows", "attributes": [{"name": "password", "userProvided": False, "masked": True}]}), 201)
        self.ids["free"], self.ids["free attribute"] = free["id"], free["attributes"][0]["id"]
        ok(boss.put("/v2/credentialvault/loginsetting", {"loginUsername": "CORP\\robot", "loginPassword": canary("auto-login"), "userId": self.ids["robot"]}))

    # -- the Password Safe's side

    def make_accounts(self):
        ps, ids = self.boss_ps, self.ids
        ids["organization"] = ok(ps.get("/Organizations"))[0]["OrganizationID"]
        ids["workgroup"] = ok(ps.post("/Workgroups", {"Name": "Second"}), 201)["ID"]
        asset = {"IPAddress": "127.0.0.1", "AssetName": "web01", "DnsName": "web01.example.com"}
        ids["asset"] = ok(ps.post(f"/Workgroups/{ids['workgroup']}/Assets", asset), 201)["AssetID"]
        functional = {"PlatformID": 2, "AccountName": "func", "DisplayName": "func", "Password": canary("functional account"), "ElevationCommand": "sudo"}
        ids["functional"] = ok(ps.post("/FunctionalAccounts", functional), 201)["FunctionalAccountID"]
        system = {"PlatformID": 2, "Port": self.port, "AutoManagementFlag": True, "FunctionalAccountID": ids["functional"], "Timeout": 5}
        ids["system"] = ok(ps.post(f"/Assets/{ids['asset']}/ManagedSystems", system), 201)["ManagedSystemID"]
        ids["database"] = ok(ps.post(f"/Assets/{ids['asset']}/Databases", {"PlatformID": 79, "IsDefaultInstance": True}), 201)["DatabaseID"]
        ok(ps.post(f"/Databases/{ids['database']}/ManagedSystems", {}), 201)
        ids["directory"] = ok(ps.post(f"/Workgroups/{ids['workgroup']}/Directories", {"PlatformID": 1001, "DomainName": "example.com"}), 201)["DirectoryID"]
        ok(ps.post(f"/Directories/{ids['directory']}/ManagedSystems", {}), 201)
        for name in ("account", "account2", "account3"):
            body = {"AccountName": name, "Password": canary(f"password of managed {name}"), "ApiEnabled": True, "AutoManagementFlag": False}
            ids[name] = ok(ps.post(f"/ManagedSystems/{ids['system']}/ManagedAccounts", body), 201)["ManagedAccountID"]
        rule = {"IDs": [ids["account"], ids["account2"]], "Title": "Web team", "RuleType": "ManagedAccount"}
        ids["quickrule"] = ok(ps.post("/QuickRules", rule), 201)["SmartRuleID"]
        ids["smartrule"] = next(row["SmartRuleID"] for row in ok(ps.get("/SmartRules")) if row["Title"] == "All Managed Accounts")
        request = {"SystemID": ids["system"], "AccountID": ids["account"], "DurationMinutes": 60, "Reason": "test"}
        ids["request"] = ok(ps.post("/Requests", request), 201)
        body = {"Name": "second", "RegistrationType": "apikeypolicy", "Active": True}
        ids["second registration"] = ok(ps.post("/ApiRegistrations", body), 201)["ID"]
        CANARIES[ok(ps.get(f"/ApiRegistrations/{ids['second registration']}/Key"))] = "API key of a registration"

    # -- ours

    def make_ours(self):
        boss, ids = self.boss, self.ids
        device = ok(boss.own("POST", "/devices", {"hostName": "WIN-01", "nickname": "", "defaultUserId": ids["robot"]}), 201)
        ids["device"], self.device_key = device["id"], device["key"]
        CANARIES[device["key"]] = "device key"
        key = ok(boss.own("POST", f"/users/{ids['robot']}/api-keys", {"name": "nightly"}), 201)
        ids["apikey"], self.api_key = key["id"], key["key"]
        CANARIES[key["key"]] = "API key of a user"
        finger = "SHA256:" + base64.b64encode(bytes(32)).decode().rstrip("=")
        ids["hostkey"] = ok(boss.own("POST", f"/managed-systems/{ids['system']}/host-keys", {"type": "ssh-ed25519", "sha256": finger}), 201)["id"]
        end = {"part": "password", "end": {"attributeId": int(ids["free attribute"])}, "release": "consumers", "replace": False}
        ids["link"] = ok(boss.own("PUT", f"/managed-accounts/{ids['account2']}/links", end))["id"]
        assert self.boss_ps.post(f"/ManagedAccounts/{ids['account2']}/Credentials/Change", {"Queue": True}).status_code == 204
        ids["job"] = ok(boss.own("GET", f"/jobs?accountId={ids['account2']}"))["items"][0]["id"]
        action = {"typeId": 1, "name": "restart nginx", "description": "", "service": "nginx"}
        ids["action"] = ok(boss.own("POST", "/propagation-actions", action), 201)["id"]
        ok(self.boss_ps.post(f"/ManagedAccounts/{ids['account']}/PropagationActions/{ids['action']}"), 201)
        # Nothing listens there: the first try fails, the next one is a quarter of an hour away.
        wait_for(lambda: ok(boss.own("GET", f"/jobs/{ids['job']}"))["reason"])

    # -- paths

    def value_of(self, face, before, name):
        """What stands for the parameter behind these segments."""
        segment, ids = before[-1].lower(), self.ids
        if face == "passwordsafe":
            if segment == "managedaccounts" and len(before) > 1 and before[-2].startswith("{") and before[-3].lower() == "managedsystems":
                return "account"  # by its name
            if segment == "credentials":
                return ids["request"]
        if face == "controlroom" and segment == "members":
            return ids["boss"]
        table = {
            "credentials": ids["credential"], "owner": ids["robot"], "attributevalues": ids["value"], "lockers": ids["locker"], "consumers": ids["consumers"],
            "users": ids["robot"], "roles": ids["role"], "managedaccounts": ids["account"], "syncedaccounts": ids["account3"], "managedsystems": ids["system"], "assets": ids["asset"], "databases": ids["database"], "directories": ids["directory"],
            "workgroups": ids["workgroup"], "functionalaccounts": ids["functional"], "platforms": 2, "entitytypes": 1, "requests": ids["request"],
            "release": ids["request"], "usergroups": ids["group"], "smartrules": ids["smartrule"], "quickrules": ids["quickrule"], "passwordrules": 0, "dsskeyrules": 0, "organizations": ids["organization"],
            "apiregistrations": ids["second registration"], "managed-accounts": ids["account"], "links": ids["link"], "jobs": ids["job"],
            "managed-systems": ids["system"], "host-keys": ids["hostkey"], "devices": ids["device"], "api-keys": ids["apikey"], "propagationactions": ids["action"], "propagation-actions": ids["action"],
        }
        assert segment in table, f"tests/api/world.py does not know what stands for {{{name}}} behind {'/'.join(before)}"
        return table[segment]

    def path_of(self, row, other=None):
        """The row's path with ids that exist; or with `other` in place of each."""
        parts, found = row.path.split("/"), []
        if other is None and row.method == "PUT" and row.path == "/v2/credentialvault/credentials/{id}":
            other = self.ids["free"]  # the other one is in a locker, which forbids every update
        for at, part in enumerate(parts):
            if part.startswith("{"):
                found.append(other if other is not None else self.value_of(row.face, parts[:at], part.strip("{}")))
        return rows.fill(row.path, found)

    # -- callers

    def url(self):
        return self.server.url

    def without_token(self):
        return Somebody(self.url())

    def with_every_right(self, row):
        if row.who == "DEVICE":
            return Somebody(self.url(), {"Authorization": f"Keyturn-Device {self.device_key}"})
        if row.face == "passwordsafe":
            return Somebody(self.url(), {"Authorization": self.boss_ps.header})
        if row.path.endswith("/break-glass"):  # signed in at most ten minutes ago
            return Somebody(self.url(), {"X-Authorization": self.server.controlroom().token})
        return Somebody(self.url(), {"X-Authorization": self.boss.token})

    def with_no_right(self, row):
        if row.face == "passwordsafe":
            return Somebody(self.url(), {"Authorization": self.nobody_ps.header})
        return Somebody(self.url(), {"X-Authorization": self.nobody.token})

    def session_cookie(self, who="admin"):
        answer = requests.post(self.url() + PS + "/Auth/SignAppin", headers={"Authorization": self.server.passwordsafe(who).header}, timeout=30)
        assert answer.status_code == 200
        return re.match(r"ASP\.NET_SessionId=[a-z0-9]{24}", answer.headers["Set-Cookie"]).group(0)


# -- the form of an error on each face

def check_error(face, answer, status=None):
    """The face's own form and nothing more; no canary in it."""
    if status is not None:
        statuses = status if isinstance(status, tuple) else (status,)
        assert answer.status_code in statuses, (answer.status_code, answer.request.method, answer.request.path_url, answer.text[:500])
    assert answer.status_code >= 400
    assert not found_in(answer.content), answer.text[:500]
    check_headers(answer)
    kind = answer.headers.get("Content-Type", "")
    if face == "passwordsafe":
        if kind.startswith("application/json"):  # only the token call (passwordsafe-api 2.5)
            assert answer.json().keys() <= {"error", "error_description"} and answer.json()["error"], answer.text
            return
        assert kind == "text/plain; charset=utf-8", kind
        assert 0 < len(answer.text) < 2000 and answer.text[0] not in "{[\"<", answer.text
        if answer.status_code == 403:
            assert answer.text in ("4031", "4032", "4033", "4034", "4035"), answer.text
        return
    assert kind == "application/json", kind
    body = answer.json()
    assert list(body) == (["code", "details", "message"] if face == "controlroom" else ["code", "message", "details"]), answer.text
    assert isinstance(body["code"], str) and body["code"] and isinstance(body["message"], str) and body["message"]
    assert body["details"] is None or all(isinstance(line, str) for line in body["details"])


def check_headers(answer):
    headers = answer.headers
    assert headers["Cache-Control"] == "no-store" and headers["X-Content-Type-Options"] == "nosniff"
    assert not [name for name in headers if name.lower().startswith("access-control-")]
    assert "Server" not in headers


def tables_of(server, leave_out=("audit_rows", "audit_heads", "audit_checkpoints", "guesses", "known_addresses", "sessions", "token_keys", "ended_tokens", "nodes", "leases")):
    """Every row of every table but those that a refused call may touch."""
    with Store(server) as db:
        columns = {name: [column for column in columns if column not in ("last_login_at", "last_used_at")] for name, columns in db.columns().items()}
        if db.is_sqlite:
            db.execute("BEGIN")
        return {name: sorted((tuple(bytes(cell) if isinstance(cell, memoryview) else cell for cell in row)
                              for row in db.execute(f"SELECT {', '.join(columns[name])} FROM \"{name}\"").fetchall()), key=repr)
                for name in columns if name not in leave_out}


def assert_same_tables(before, after):
    changed = [name for name in before if before[name] != after.get(name)]
    for name in changed:
        gone = [row for row in before[name] if row not in after[name]]
        new = [row for row in after[name] if row not in before[name]]
        assert not changed, (changed, name, gone[:2], new[:2])
