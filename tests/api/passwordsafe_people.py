"""tests/api/passwordsafe_people.py: people, groups and accounts for the tests of the Password Safe face, each made through that face."""
import itertools
import re

from store import Store, rows_of
from support import PS, Client, PasswordSafe, ok
from world import Somebody

AM, SM, RM, CM, PM, GQ = (f"Password Safe {name}" for name in (
    "Account Management", "System Management", "Role Management", "Configuration Management", "Policy Management", "API Global Quarantine"))
AS, UM, AR, QUICK = "Asset Management", "User Accounts Management", "API Registration Management", "Quick Rule access"
RULES_OF_ACCOUNTS, RULES_OF_SYSTEMS = "Smart Rule Management – Managed Account", "Smart Rule Management – Managed System"
NONE, READ, WRITE = 0, 1, 3
REQUESTOR, APPROVER, BOTH, ISA, AUDITOR, MANAGER = 1, 2, 3, 4, 5, 7
AUTO_APPROVE = 5000
NUMBERS = itertools.count(1)


def fresh(word):
    return f"{word}{next(NUMBERS)}"


def refused(answer, status, text=None):
    """This face's own refusal: plain text, no quotes; `text` is the whole of it."""
    assert answer.status_code == status, (answer.status_code, answer.request.method, answer.request.path_url, answer.text[:500])
    assert answer.headers["Content-Type"] == "text/plain; charset=utf-8"
    assert text is None or answer.text == text, answer.text
    return answer.text


def recorded(server, kind, number):
    """[(what, is_success, user)] of the record about this object, oldest first."""
    return [(what, bool(success), user) for what, success, user in rows_of(
        server, "SELECT what, is_success, user_name FROM audit_rows WHERE object_kind = ? AND object_id = ? ORDER BY id", (kind, number))]


def statement(server, text, values=()):
    """What no call of this version sets: access policies, and the clock of a request."""
    with Store(server) as db:
        db.execute(text, values)


class People:
    """What an administrator of this face makes for a test."""

    def __init__(self, server):
        self.server, self.boss = server, server.passwordsafe()
        self.permissions = {row["Name"]: row["PermissionID"] for row in ok(self.boss.get("/Permissions"))}
        registrations = ok(self.boss.get("/ApiRegistrations"))
        self.registration = next(row["ID"] for row in registrations if row["RegistrationType"] == "apikeypolicy")
        self.policy = next(row["ID"] for row in registrations if row["RegistrationType"] == "apiaccesspolicy")

    def group(self, permissions=None, registrations=None, name=None):
        body = {"groupType": "BeyondInsight", "groupName": name or fresh("group"), "description": "", "isActive": True,
                "Permissions": [{"PermissionID": self.permissions[key], "AccessLevelID": level} for key, level in (permissions or {}).items()],
                "ApplicationRegistrationIDs": [self.registration] if registrations is None else registrations}
        return ok(self.boss.post("/UserGroups", body), 201)["GroupID"]

    def user(self, name=None, password="Not-asked-for-1!", groups=()):
        name = name or fresh("user")
        body = {"UserType": "BeyondInsight", "UserName": name, "FirstName": "Test", "LastName": name.title(), "EmailAddress": f"{name}@example.com", "Password": password}
        made = ok(self.boss.post("/Users", body), 201)
        for group in groups:
            self.join(made["UserID"], group)
        return made

    def join(self, user, group):
        ok(self.boss.post(f"/Users/{user}/UserGroups/{group}"), 201)

    def leave(self, user, group):
        assert self.boss.delete(f"/Users/{user}/UserGroups/{group}").status_code == 200

    def person(self, permissions=None, name=None):
        """A client of somebody new, in a group of his own."""
        group = self.group(permissions)
        user = self.user(name, groups=[group])
        return self.client(user["UserName"], user["UserID"], group)

    def client(self, name, user_id=None, group=None, key=None, password=None):
        client = PasswordSafe(self.server.url, key or self.server.api_key, name, password)
        client.name, client.id, client.group = name, user_id, group
        return client

    def give_role(self, group, rule, roles, policy=AUTO_APPROVE):
        assert self.boss.post(f"/UserGroups/{group}/SmartRules/{rule}/AccessLevels", {"AccessLevelID": READ}).status_code == 200
        body = {"Roles": [{"RoleID": role} for role in roles], "AccessPolicyID": policy}
        assert self.boss.post(f"/UserGroups/{group}/SmartRules/{rule}/Roles", body).status_code == 204

    def holder(self, rule, *roles, policy=AUTO_APPROVE):
        client = self.person()
        self.give_role(client.group, rule, roles, policy)
        return client

    def registration_with(self, **settings):
        """(id, key) of a new registration for loopback."""
        body = dict({"Name": fresh("registration"), "RegistrationType": "apikeypolicy", "Active": True}, **settings)
        made = ok(self.boss.post("/ApiRegistrations", body), 201)
        return made["ID"], ok(self.boss.get(f"/ApiRegistrations/{made['ID']}/Key"))

    def policy_with(self, approvers=0, reason=False):
        """An access policy; no call of this version makes one."""
        number = 7000 + next(NUMBERS)
        statement(self.server, "INSERT INTO access_policies (id, name, name_key, min_approvers, max_concurrent, require_reason) VALUES (?, ?, ?, ?, 1, ?)",
                  (number, f"policy {number}", f"policy {number}", approvers, int(reason)))
        assert number in [row["AccessPolicyID"] for row in ok(self.boss.get("/AccessPolicies"))]
        return number

    # -- accounts; nothing listens on their system's port

    def functional(self, platform=2):
        body = {"PlatformID": platform, "AccountName": "func", "DisplayName": fresh("func"), "Password": "Func-1!", "ElevationCommand": "sudo" if platform == 2 else None}
        return ok(self.boss.post("/FunctionalAccounts", body), 201)["FunctionalAccountID"]

    def system(self, name=None, workgroup=1, auto=True, **more):
        body = {"EntityTypeID": 1, "HostName": name or fresh("host"), "IPAddress": "127.0.0.1", "PlatformID": 2, "Port": 1, "Timeout": 5}
        if auto:
            body.update({"AutoManagementFlag": True, "FunctionalAccountID": self.functional()})
        return ok(self.boss.post(f"/Workgroups/{workgroup}/ManagedSystems", dict(body, **more)), 201)["ManagedSystemID"]

    def account(self, system=None, name=None, **more):
        body = {"AccountName": name or fresh("account"), "Password": "Initial-1", "ApiEnabled": True, "AutoManagementFlag": False}
        return Account(self, ok(self.boss.post(f"/ManagedSystems/{system or self.system()}/ManagedAccounts", dict(body, **more)), 201))

    def rule(self, *accounts, **more):
        body = {"IDs": [account.id for account in accounts], "Title": fresh("rule"), "RuleType": "ManagedAccount"}
        return ok(self.boss.post("/QuickRules", dict(body, **more)), 201)["SmartRuleID"]


class Account:
    def __init__(self, people, made):
        self.people, self.made = people, made
        self.id, self.system, self.name = made["ManagedAccountID"], made["ManagedSystemID"], made["AccountName"]
        self.path = f"/ManagedAccounts/{self.id}"

    def show(self):
        return ok(self.people.boss.get(self.path))

    def released(self, part="password"):
        """What the vault gives out now."""
        body = {"SystemID": self.system, "AccountID": self.id, "DurationMinutes": 1}
        return ok(self.people.boss.post(f"/ISARequests?type={part}", body), 201)

    def store(self, password):
        assert self.people.boss.put(f"{self.path}/Credentials", {"Password": password, "UpdateSystem": False}).status_code == 204


class Bare(Client):
    """Nothing is sent but what the test gives: no Content-Type, no Authorization of our own."""

    def call(self, method, path, **more):
        return super().call(method, PS + path, **more)


def somebody(server, authorization=None, **headers):
    """From a loopback address of its own, for guesses are counted per address."""
    if authorization is not None:
        headers["Authorization"] = authorization
    return Somebody(server.url, headers)


def sign_in(server, authorization, **headers):
    return somebody(server, authorization, **headers).post(PS + "/Auth/SignAppin")


# -- requests

def body_for(account, **more):
    return dict({"SystemID": account.system, "AccountID": account.id, "DurationMinutes": 30}, **more)


def ask(client, account, status=201, **more):
    answer = client.post("/Requests", body_for(account, **more))
    if status in (200, 201):
        assert answer.status_code == status and re.fullmatch("[0-9]+", answer.text), (answer.status_code, answer.text)
        return int(answer.text)
    return refused(answer, status)


def mine(client, query=""):
    return [row["RequestID"] for row in ok(client.get(f"/Requests{query}"))]


def checkin(client, number, **more):
    answer = client.put(f"/Requests/{number}/Checkin", **more)
    assert (answer.status_code, answer.content) == (204, b"")
