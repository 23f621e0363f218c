"""tests/api/test_passwordsafe_groups.py: user groups, permissions, users, smart and quick rules (passwordsafe-api 6.15 to 6.18)."""
import json
import re

import pytest
from passwordsafe_people import (AM, AS, GQ, ISA, QUICK, READ, REQUESTOR, RM, RULES_OF_ACCOUNTS, RULES_OF_SYSTEMS, SM, UM, WRITE, People, fresh, refused)
from support import ok

TAKEN = re.compile("already|exist|duplicate")
GROUP = ["GroupID", "Name", "DistinguishedName", "Description", "GroupType", "AccountAttribute", "MembershipAttribute", "ApplicationRegistrationIDs", "IsActive"]
USER = ["UserID", "UserName", "DomainName", "DistinguishedName", "FirstName", "LastName", "EmailAddress", "LastLoginDate", "LastLoginAuthenticationType", "LastLoginConfigurationName",
        "LastLoginSAMLIDPURL", "LastLoginSAMLURL", "IsQuarantined", "IsActive", "ClientID", "ClientSecret", "AccessPolicyID", "UserType"]
RULE = ["SmartRuleID", "OrganizationID", "Title", "Description", "Category", "Status", "LastProcessedDate", "IsReadOnly", "RuleType"]


@pytest.fixture(scope="module")
def people(server):
    return People(server)


@pytest.fixture(scope="module")
def boss(people):
    return people.boss


# -- groups

def test_the_example_of_a_group(boss, people):
    rule, name = people.rule(people.account()), fresh("web-admins")
    body = {"groupType": "BeyondInsight", "groupName": name, "description": "web", "isActive": True, "Permissions": [{"PermissionID": 52, "AccessLevelID": 1}],
            "SmartRuleAccess": [{"SmartRuleID": rule, "AccessLevelID": 1}], "ApplicationRegistrationIDs": [people.registration]}
    made = ok(boss.post("/UserGroups", body), 201)
    assert list(made.items()) == list(zip(GROUP, [made["GroupID"], name, None, "web", "BeyondInsight", None, None, [people.registration], True]))
    path = f"/UserGroups/{made['GroupID']}"
    assert ok(boss.get(path)) == ok(boss.get(f"/UserGroups?name={name.upper()}")) == made and made in ok(boss.get("/UserGroups"))
    assert ok(boss.get(path + "/Permissions")) == [{"PermissionID": 52, "AccessLevelID": 1}]
    answer = boss.post(f"{path}/SmartRules/{rule}/AccessLevels", {"AccessLevelID": "1"})
    assert (answer.status_code, answer.content) == (200, b"")
    answer = boss.post(f"{path}/SmartRules/{rule}/Roles", {"Roles": [{"RoleID": "1"}], "AccessPolicyID": "5000"})
    assert (answer.status_code, answer.content) == (204, b"")
    assert ok(boss.get(f"{path}/SmartRules/{rule}/Roles")) == [{"RoleID": 1, "Name": "Requestor"}]
    rows = ok(boss.get(path + "/SmartRules"))
    assert [(row["SmartRuleID"], row["AccessLevelID"]) for row in rows] == [(rule, 1)] and list(rows[0])[:9] == RULE
    assert TAKEN.search(refused(boss.post("/UserGroups", dict(body, groupName=name.upper())), 409))
    assert boss.delete(f"/UserGroups?name={name}").status_code == 200
    refused(boss.get(path), 404, "User Group not found")


@pytest.mark.parametrize("body", [{"groupName": None}, {"groupName": ""}, {"groupName": "x" * 201}, {"groupName": "a\nb"}, {"groupType": "ActiveDirectory"}, {"groupType": "other"},
                                  {"Permissions": [{"PermissionID": 999, "AccessLevelID": 1}]}, {"Permissions": [{"PermissionID": 20, "AccessLevelID": 2}]}, {"Permissions": [{"PermissionID": 20}]},
                                  {"Permissions": {}}, {"ApplicationRegistrationIDs": [987654]}, {"isActive": "x"}], ids=lambda b: json.dumps(b)[:60])
def test_bad_groups(boss, body):
    refused(boss.post("/UserGroups", dict({"groupType": "BeyondInsight", "groupName": fresh("bad")}, **body)), 400)


def test_a_group_that_is_not_made_in_half(boss):
    name = fresh("half")
    body = {"groupName": name, "SmartRuleAccess": [{"SmartRuleID": 987654, "AccessLevelID": 1}]}
    assert boss.post("/UserGroups", body).status_code in (400, 404)
    refused(boss.get(f"/UserGroups?name={name}"), 404)


def test_the_built_in_group_stays(boss):
    first = ok(boss.get("/UserGroups/1"))
    assert first["Name"] == "Administrators"
    assert boss.delete("/UserGroups/1").status_code in (400, 403, 409)
    assert ok(boss.get("/UserGroups/1")) == first


def test_members(boss, people):
    group, user = people.group(), people.user()
    path = f"/Users/{user['UserID']}/UserGroups/{group}"
    assert boss.post(path).status_code in (201, 204)
    again = boss.post(path)
    assert again.status_code in (201, 204) or (again.status_code in (400, 409) and TAKEN.search(again.text))
    assert [row["GroupID"] for row in ok(boss.get(f"/Users/{user['UserID']}/UserGroups"))] == [group]
    assert [row["UserID"] for row in ok(boss.get(f"/UserGroups/{group}/Users"))] == [user["UserID"]]
    assert boss.delete(path).status_code == 200
    assert ok(boss.get(f"/UserGroups/{group}/Users")) == []
    for bad in (f"/Users/987654/UserGroups/{group}", f"/Users/{user['UserID']}/UserGroups/987654", f"/Users/0/UserGroups/{group}"):
        refused(boss.post(bad), 404)
        refused(boss.delete(bad), 404)


def test_lists_that_everybody_carries(boss, people):
    rows = ok(boss.get("/Permissions"))
    assert all(list(row) == ["PermissionID", "Name"] for row in rows) and {52, 76} <= {row["PermissionID"] for row in rows}
    assert {AM, SM, RM, GQ, AS, UM, QUICK, RULES_OF_ACCOUNTS, "Keyturn Break Glass", "Secrets Safe"} <= {row["Name"] for row in rows}
    assert boss.get("/AccessLevels").text == '[{"AccessLevelID":0,"Name":"None"},{"AccessLevelID":1,"Name":"Read"},{"AccessLevelID":3,"Name":"Read/Write"}]'
    roles = {row["RoleID"]: row["Name"] for row in ok(boss.get("/Roles"))}
    assert roles == {1: "Requestor", 2: "Approver", 3: "Requestor/Approver", 4: "Information Systems Administrator", 5: "Auditor", 7: "Credentials Manager", 8: "Recorded Session Reviewer",
                     9: "Active Session Reviewer"}


def test_permissions_of_a_group(boss, people):
    group = people.group({AM: WRITE})
    path = f"/UserGroups/{group}/Permissions"
    answer = boss.post(path, [{"PermissionID": str(people.permissions[SM]), "AccessLevelID": "1"}])
    assert (answer.status_code, answer.content) == (204, b"")
    held = {row["PermissionID"]: row["AccessLevelID"] for row in ok(boss.get(path))}
    assert held == {people.permissions[AM]: 3, people.permissions[SM]: 1}
    assert boss.post(path, [{"PermissionID": people.permissions[AM], "AccessLevelID": 0}]).status_code == 204
    assert {row["PermissionID"] for row in ok(boss.get(path)) if row["AccessLevelID"]} == {people.permissions[SM]}
    for body in ({}, "x", [1], [{"PermissionID": 20}], [{"PermissionID": 20, "AccessLevelID": 2}], [{"PermissionID": 999, "AccessLevelID": 1}]):
        refused(boss.post(path, body), 400)
    answer = boss.delete(path)
    assert (answer.status_code, answer.content) == (204, b"") and ok(boss.get(path)) == []


def test_roles_need_a_level(boss, people):
    group, rule = people.group(), people.rule(people.account())
    path = f"/UserGroups/{group}/SmartRules/{rule}"
    assert "AccessLevel before setting roles" in refused(boss.post(path + "/Roles", {"Roles": [{"RoleID": 4}]}), 400)
    for body in ({}, {"AccessLevelID": 2}, {"AccessLevelID": 4}, {"AccessLevelID": "x"}):
        refused(boss.post(path + "/AccessLevels", body), 400)
    people.give_role(group, rule, [ISA])
    for body in ({}, {"Roles": [{"RoleID": 6}]}, {"Roles": [{"RoleID": 99}]}, {"Roles": [{}]}, {"Roles": [{"RoleID": 1}], "AccessPolicyID": 987654}):
        refused(boss.post(path + "/Roles", body), 400)
    assert [row["RoleID"] for row in ok(boss.get(path + "/Roles"))] == [ISA]
    people.give_role(group, rule, [REQUESTOR])  # replaces
    assert [row["RoleID"] for row in ok(boss.get(path + "/Roles"))] == [REQUESTOR]
    assert boss.delete(path + "/Roles").status_code in (200, 204) and ok(boss.get(path + "/Roles")) == []
    for bad in (f"/UserGroups/{group}/SmartRules/987654", f"/UserGroups/987654/SmartRules/{rule}"):
        refused(boss.get(bad + "/Roles"), 404)
        refused(boss.post(bad + "/AccessLevels", {"AccessLevelID": 1}), 404)


# -- users

def test_users(boss, people):
    name = fresh("alice")
    body = {"UserType": "BeyondInsight", "UserName": name, "FirstName": "Alice", "LastName": "Adams", "EmailAddress": "alice@corp.example", "Password": "Canary-alice-1!"}
    made = ok(boss.post("/Users", body), 201)
    assert list(made) == USER
    assert made == dict.fromkeys(USER) | {"UserID": made["UserID"], "UserName": name, "FirstName": "Alice", "LastName": "Adams", "EmailAddress": "alice@corp.example",
                                         "LastLoginAuthenticationType": "N/A", "IsQuarantined": False, "IsActive": True, "UserType": "BeyondInsight"}
    path = f"/Users/{made['UserID']}"
    assert ok(boss.get(path)) == ok(boss.get(f"/Users?username={name.upper()}")) == made and made in ok(boss.get("/Users"))
    changed = ok(boss.put(path, {"LastName": "Brown"}))
    assert changed == dict(made, LastName="Brown")
    assert ok(boss.put(path, changed)) == changed
    assert TAKEN.search(refused(boss.post("/Users", dict(body, UserName=name.upper())), 409))
    ok(boss.put(path, {"IsActive": "false"}))
    assert made["UserID"] not in [row["UserID"] for row in ok(boss.get("/Users"))] and made["UserID"] in [row["UserID"] for row in ok(boss.get("/Users?includeInactive=true"))]
    answer = boss.delete(path)
    assert (answer.status_code, answer.content) == (200, b"")
    refused(boss.get(path), 404, "User not found")


def test_application_users(boss, people):
    name = fresh("ci-bot")
    made = ok(boss.post("/Users", {"UserType": "Application", "UserName": name, "AccessPolicyID": people.policy}), 201)
    assert list(made) == USER and made["UserType"] == "Application" and made["AccessPolicyID"] == people.policy and (made["FirstName"], made["LastName"], made["EmailAddress"]) == ("", "", None)
    assert re.fullmatch(r"[0-9a-f]{32}", made["ClientID"]) and len(made["ClientSecret"]) >= 32
    assert ok(boss.get(f"/Users/{made['UserID']}")) == dict(made, ClientSecret=None)
    assert made["ClientSecret"] not in boss.get("/Users").text
    new = ok(boss.post(f"/Users/{made['UserID']}/RecycleClientSecret"))
    assert new != made["ClientSecret"]
    refused(boss.post(f"/Users/{people.user()['UserID']}/RecycleClientSecret"), 400)
    for body in ({"AccessPolicyID": None}, {"AccessPolicyID": 987654}, {"AccessPolicyID": people.registration}):
        refused(boss.post("/Users", {"UserType": "Application", "UserName": fresh("bad"), **body}), 400)


@pytest.mark.parametrize("body", [{"UserName": None}, {"UserName": ""}, {"UserName": "x" * 256}, {"UserName": "a\nb"}, {"Password": None}, {"Password": ""}, {"UserType": "ActiveDirectory"},
                                  {"UserType": "LdapDirectory"}, {"UserType": "Robot"}, {"FirstName": "x" * 256}, {"EmailAddress": "x" * 256}], ids=lambda b: json.dumps(b)[:40])
def test_bad_users(boss, body):
    refused(boss.post("/Users", dict({"UserType": "BeyondInsight", "UserName": fresh("bad"), "Password": "Some-1!pass"}, **body)), 400)


def test_the_servers_own_user_is_not_there(boss):
    assert 0 not in [row["UserID"] for row in ok(boss.get("/Users?includeInactive=true"))]
    for path in ("/Users/0", "/Users?username=keyturn"):
        refused(boss.get(path), 404, "User not found")
    refused(boss.post("/Users", {"UserType": "BeyondInsight", "UserName": "Keyturn", "Password": "Some-1!pass"}), 409)


def test_who_may(people):
    group, user = people.group(), people.user()["UserID"]
    reader, nobody = people.person({UM: READ}), people.person({AM: WRITE, SM: WRITE, RM: WRITE})
    for path in ("/UserGroups", f"/UserGroups/{group}", "/Users", f"/Users/{user}", f"/UserGroups/{group}/Users", f"/Users/{user}/UserGroups", f"/UserGroups/{group}/Permissions",
                 f"/UserGroups/{group}/SmartRules"):
        assert reader.get(path).status_code == 200, path
        refused(nobody.get(path), 403, "4031")
        refused(nobody.get(path.replace(str(group), "987654").replace(str(user), "987654")), 403, "4031")
    for method, path in (("POST", "/UserGroups"), ("DELETE", f"/UserGroups/{group}"), ("POST", f"/Users/{user}/UserGroups/{group}"), ("DELETE", f"/Users/{user}/UserGroups/{group}"),
                         ("POST", f"/UserGroups/{group}/Permissions"), ("DELETE", f"/UserGroups/{group}/Permissions"), ("POST", "/Users"), ("PUT", f"/Users/{user}"), ("DELETE", f"/Users/{user}"),
                         ("POST", f"/Users/{user}/Quarantine"), ("POST", f"/Users/{user}/RecycleClientSecret"), ("POST", f"/UserGroups/{group}/Users")):
        for client in (reader, nobody):
            refused(client.call(method, path, {}), 403, "4031")


# -- smart and quick rules

def test_built_in_rules(boss, people):
    rows = {row["Title"]: row for row in ok(boss.get("/SmartRules"))}
    assert all(list(row) == RULE for row in rows.values())
    assert {title: rows[title]["RuleType"] for title in ("All Managed Accounts", "All Managed Systems", "All Assets")} == {
        "All Managed Accounts": "ManagedAccount", "All Managed Systems": "ManagedSystem", "All Assets": "Asset"}
    every = rows["All Managed Accounts"]
    assert every["IsReadOnly"] is True and ok(boss.get(f"/SmartRules/{every['SmartRuleID']}")) == every == ok(boss.get("/SmartRules?title=ALL+managed+accounts"))
    assert {row["RuleType"] for row in ok(boss.get("/SmartRules?type=Asset"))} == {"Asset"} and ok(boss.get("/SmartRules?type=Vulnerabilities")) == []
    refused(boss.get("/SmartRules?type=other"), 400)
    account = people.account()  # computed: a new account is in it at once
    assert account.id in [row["ManagedAccountID"] for row in ok(boss.get(f"/SmartRules/{every['SmartRuleID']}/ManagedAccounts"))]
    assert list(ok(boss.post(f"/SmartRules/{every['SmartRuleID']}/Process?queue=false"))) == RULE
    for path in (f"/SmartRules/{every['SmartRuleID']}", f"/QuickRules/{every['SmartRuleID']}"):
        assert boss.delete(path).status_code in (400, 409)
    assert boss.put(f"/QuickRules/{every['SmartRuleID']}/ManagedAccounts", {"IDs": [account.id]}).status_code in (400, 409)


def test_quick_rules(boss, people):
    one, two, three = (people.account() for _ in range(3))
    title = fresh("web team")
    made = ok(boss.post("/QuickRules", {"AccountIDs": [one.id], "Title": title, "Category": "Managed Accounts", "Description": "web", "RuleType": "ManagedAccount"}), 201)
    assert list(made) == RULE and (made["Title"], made["Description"], made["Category"], made["Status"], made["IsReadOnly"], made["RuleType"]) == (title, "web", "Managed Accounts", 1, False, "ManagedAccount")
    path = f"/QuickRules/{made['SmartRuleID']}"
    assert ok(boss.get(path)) == ok(boss.get(f"/QuickRules?title={title.upper().replace(' ', '+')}")) == made and made in ok(boss.get("/QuickRules")) and made in ok(boss.get("/SmartRules"))

    def members(answer=None, status=200):
        return [row["ManagedAccountID"] for row in ok(answer if answer is not None else boss.get(path + "/ManagedAccounts"), status)]
    assert members() == [one.id]
    assert members(boss.put(path + "/ManagedAccounts", {"AccountIDs": [one.id, two.id]})) == [one.id, two.id]
    answer = boss.put(path + "/ManagedAccounts?feedback=false", {"IDs": [two.id, two.id]})
    assert (answer.status_code, answer.content) == (204, b"") and members() == [two.id]
    answer = boss.post(f"{path}/ManagedAccounts/{three.id}")
    assert answer.status_code in (200, 201) and members() == [two.id, three.id] == [row["ManagedAccountID"] for row in answer.json()]
    assert members(boss.delete(f"{path}/ManagedAccounts/{three.id}")) == [two.id]
    refused(boss.delete(f"{path}/ManagedAccounts/{two.id}"), 400)  # the last one
    refused(boss.delete(f"{path}/ManagedAccounts/{one.id}"), 404)
    refused(boss.post(f"{path}/ManagedAccounts/987654"), 404)
    refused(boss.put(path + "/ManagedAccounts", {"IDs": []}), 400)
    refused(boss.put(path + "/ManagedAccounts", {"IDs": [987654]}), 400)
    assert members() == [two.id]
    refused(boss.get(path + "/ManagedSystems"), 400)
    assert boss.delete(two.path).status_code == 200 and members() == []
    assert boss.delete(f"/QuickRules?title={title.replace(' ', '+')}").status_code == 200
    refused(boss.get(path), 404, "Smart Rule not found")


@pytest.mark.parametrize("body", [{"Title": None}, {"Title": ""}, {"Title": "x" * 76}, {"IDs": None}, {"IDs": []}, {"IDs": [987654]}, {"IDs": "x"}, {"IDs": [[]]}, {"RuleType": "Asset"},
                                  {"RuleType": "other"}, {"RuleType": "ManagedSystem", "IDs": [987654]}], ids=lambda b: json.dumps(b)[:40])
def test_bad_quick_rules(boss, people, body):
    refused(boss.post("/QuickRules", dict({"Title": fresh("bad"), "IDs": [people.account().id]}, **body)), 400)


def test_the_same_title_twice(boss, people):
    account = people.account()
    rule = ok(boss.get(f"/QuickRules/{people.rule(account)}"))
    assert TAKEN.search(refused(boss.post("/QuickRules", {"Title": rule["Title"].upper(), "IDs": [account.id]}), 409))


def test_quick_rules_of_systems(boss, people):
    system = people.system()
    rule = people.rule(RuleType="ManagedSystem", IDs=[system])
    path = f"/QuickRules/{rule}/ManagedSystems"
    assert [row["ManagedSystemID"] for row in ok(boss.get(path))] == [system]
    assert ok(boss.get(path + "?limit=1"))["TotalCount"] == 1
    refused(boss.delete(f"{path}/{system}"), 400)
    refused(boss.get(f"/QuickRules/{rule}/ManagedAccounts"), 400)


def test_who_may_on_quick_rules(people):
    account = people.account()
    body = {"Title": "x", "IDs": [account.id]}
    rights = {AM: READ, RULES_OF_ACCOUNTS: WRITE, QUICK: READ}
    rule = people.rule(account)
    title = next(row["Title"] for row in ok(people.boss.get("/QuickRules")) if row["SmartRuleID"] == rule)
    for missing in rights:
        client = people.person({right: level for right, level in rights.items() if right != missing})
        for path in (f"/QuickRules/{rule}", "/QuickRules", f"/QuickRules?title={title}"):
            refused(client.get(path), 403, "4031")
        refused(client.post("/QuickRules", dict(body, Title=fresh("no"))), 403, "4031")
        refused(client.put(f"/QuickRules/{rule}/ManagedAccounts", {"IDs": [account.id]}), 403, "4031")
        refused(client.delete(f"/QuickRules/{rule}"), 403, "4031")
        refused(client.get(f"/QuickRules/{rule}/ManagedAccounts"), 403, "4031")
    holder = people.person(rights)
    made = ok(holder.post("/QuickRules", dict(body, Title=fresh("yes"))), 201)
    assert ok(holder.get(f"/QuickRules/{made['SmartRuleID']}")) == ok(holder.get(f"/QuickRules?title={made['Title']}")) == made and made in ok(holder.get("/QuickRules"))
    systems = people.rule(RuleType="ManagedSystem", IDs=[account.system])
    assert systems not in [row["SmartRuleID"] for row in ok(holder.get("/QuickRules"))]
    refused(holder.get(f"/QuickRules/{systems}"), 403, "4031")
    refused(people.person(rights).post("/QuickRules", dict(body, RuleType="ManagedSystem", IDs=[account.system])), 403, "4031")
    of_systems = people.person({SM: READ, RULES_OF_SYSTEMS: WRITE, QUICK: READ})
    assert of_systems.post("/QuickRules", {"Title": fresh("yes"), "IDs": [account.system], "RuleType": "ManagedSystem"}).status_code == 201
    # A rule shows itself to whoever has access to it, and to nobody else.
    refused(people.person({AM: WRITE}).get(f"/SmartRules/{rule}"), 403, "4031")
    assert people.holder(rule, ISA, policy=0).get(f"/SmartRules/{rule}").status_code == 200
    assert [row["SmartRuleID"] for row in ok(people.holder(rule, ISA, policy=0).get("/SmartRules"))] == [rule]
    refused(people.holder(rule, ISA, policy=0).delete(f"/SmartRules/{rule}"), 403, "4031")
    refused(people.holder(rule, ISA, policy=0).post(f"/SmartRules/{rule}/Process"), 403, "4031")


def test_the_members_of_a_rule_by_what_reads_them_singly(people):
    """6.9, 6.10.2: Account or System Management Read, or access to the rule."""
    account = people.account()
    rule, systems = people.rule(account), people.rule(RuleType="ManagedSystem", IDs=[account.system])
    for right, path in ((AM, f"/SmartRules/{rule}/ManagedAccounts"), (SM, f"/SmartRules/{systems}/ManagedSystems")):
        assert len(ok(people.person({right: READ}).get(path))) == 1
        refused(people.person({QUICK: READ}).get(path), 403, "4031")


def test_which_rules_there_are_is_not_told_to_whoever_has_none(people):
    """4.5: the same answer for a rule that is there and for one that is not."""
    rule = people.rule(people.account())
    title = next(row["Title"] for row in ok(people.boss.get("/QuickRules")) if row["SmartRuleID"] == rule)
    nobody, somebody_else = people.person(), people.holder(people.rule(people.account()), ISA, policy=0)
    for method, path in (("GET", "/SmartRules/{}"), ("GET", "/SmartRules/{}/ManagedAccounts"), ("GET", "/SmartRules/{}/Assets"), ("POST", "/SmartRules/{}/Process"), ("DELETE", "/SmartRules/{}")):
        for number in (rule, 987654):
            refused(nobody.call(method, path.format(number)), 403, "4031")
        refused(somebody_else.call(method, path.format(987654)), 404)
    for method in ("GET", "DELETE"):
        for name in (title, fresh("none")):
            refused(nobody.call(method, f"/SmartRules?title={name}"), 403, "4031")


def test_a_quarantine_is_lifted(people, server):
    """By the same right, on the object that a client read and sends back."""
    group = people.group()
    user = people.user(groups=[group])
    path = f"/Users/{user['UserID']}"
    shut = ok(people.boss.post(path + "/Quarantine"))
    assert shut["IsQuarantined"] is True
    client = people.client(user["UserName"])
    assert client.get("/Workgroups").status_code == 401
    writer = people.person({UM: WRITE})
    assert ok(writer.put(path, dict(shut, FirstName="Other")))["IsQuarantined"] is True  # as it was: nobody's leave is asked
    refused(writer.put(path, dict(shut, IsQuarantined=False)), 403, "4031")
    assert ok(people.boss.put(path, dict(shut, IsQuarantined=False)))["IsQuarantined"] is False
    assert client.get("/Workgroups").status_code == 403
    refused(writer.put(path, {"IsQuarantined": True}), 403, "4031")
    assert ok(people.person({UM: WRITE, GQ: WRITE}).put(path, {"IsQuarantined": True}))["IsQuarantined"] is True
    assert client.get("/Workgroups").status_code == 401


def test_where_a_stronger_robot_may_come_from(people):
    """Whoever sets its access policy sets the addresses that its secret is good from (keyturn-api 2.3)."""
    policy = ok(people.boss.post("/ApiRegistrations", {"Name": fresh("wide"), "RegistrationType": "apiaccesspolicy", "Active": True}), 201)["ID"]
    robot = ok(people.boss.post("/Users", {"UserType": "Application", "UserName": fresh("strong"), "AccessPolicyID": people.policy}), 201)
    people.join(robot["UserID"], people.group({AM: WRITE}, registrations=[]))
    path = f"/Users/{robot['UserID']}"
    for number in (policy, 0):
        refused(people.person({UM: WRITE}).put(path, {"AccessPolicyID": number}), 403, "4031")
    assert ok(people.person({UM: WRITE}).put(path, {"FirstName": "Robot"}))["AccessPolicyID"] == people.policy
    assert ok(people.person({UM: WRITE, AM: WRITE}).put(path, {"AccessPolicyID": policy}))["AccessPolicyID"] == policy
