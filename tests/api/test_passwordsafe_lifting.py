"""tests/api/test_passwordsafe_lifting.py: nobody gives what he does not hold, on this face (keyturn-api 2.3)."""
import pytest
from passwordsafe_people import (AM, AR, GQ, ISA, MANAGER, NONE, QUICK, READ, REQUESTOR, RM, RULES_OF_ACCOUNTS, RULES_OF_SYSTEMS, SM, UM, WRITE, People, fresh, refused)
from support import ok


@pytest.fixture(scope="module")
def people(server):
    return People(server)


@pytest.fixture(scope="module")
def account(people):
    return people.account()


def rights(people, **levels):
    return [{"PermissionID": people.permissions[name], "AccessLevelID": level} for name, level in levels.items()]


def denied(answer):
    refused(answer, 403, "4031")


def may_what(client, account):
    """What somebody can do now, to see that a refusal changed nothing."""
    return [client.get(path).status_code for path in (account.path, "/ManagedSystems", "/Workgroups", "/UserGroups", "/ApiRegistrations", "/AccessPolicies")]


@pytest.fixture
def manager(people):
    """May manage users, and read accounts; nothing else."""
    return people.person({UM: WRITE, AM: READ, RM: WRITE})


def test_he_cannot_give_himself_more(people, manager, account):
    before = may_what(manager, account)
    own = f"/UserGroups/{manager.group}"
    for name, level in ((AM, WRITE), (SM, READ), (SM, WRITE), (GQ, WRITE), (AR, WRITE), ("Keyturn Break Glass", WRITE), ("Secrets Safe", READ)):
        denied(manager.post(own + "/Permissions", rights(people, **{name: level})))
    assert may_what(manager, account) == before
    assert {row["PermissionID"] for row in ok(people.boss.get(own + "/Permissions"))} == {people.permissions[name] for name in (UM, AM, RM)}
    # What he holds himself he may give and take.
    group = ok(manager.post("/UserGroups", {"groupName": fresh("g"), "Permissions": rights(people, **{AM: READ})}), 201)["GroupID"]
    assert manager.post(f"/UserGroups/{group}/Permissions", rights(people, **{UM: READ})).status_code == 204
    assert manager.post(f"/UserGroups/{group}/Permissions", rights(people, **{AM: NONE})).status_code == 204


def test_he_cannot_join_a_group_that_holds_more(people, manager, account):
    stronger = people.group({AM: WRITE})
    before = may_what(manager, account)
    for group in (1, stronger):
        for user in (manager.id, people.user()["UserID"]):
            denied(manager.post(f"/Users/{user}/UserGroups/{group}"))
        body = {"UserType": "BeyondInsight", "UserName": fresh("straw-man"), "Password": "Straw-man-1!"}
        denied(manager.post(f"/UserGroups/{group}/Users", body))
        refused(people.boss.get(f"/Users?username={body['UserName']}"), 404)
    assert may_what(manager, account) == before
    assert manager.id not in [row["UserID"] for row in ok(people.boss.get("/UserGroups/1/Users"))]


def test_he_cannot_make_a_group_that_holds_more(people, manager):
    for body in ({"Permissions": rights(people, **{AM: WRITE})}, {"Permissions": rights(people, **{GQ: READ})}, {"Permissions": rights(people, **{UM: WRITE, SM: READ})}):
        name = fresh("strong")
        denied(manager.post("/UserGroups", dict(body, groupName=name)))
        refused(people.boss.get(f"/UserGroups?name={name}"), 404)


def test_he_cannot_take_over_somebody_who_holds_more(people, manager, server):
    stronger = people.user(groups=[people.group({AM: WRITE})])["UserID"]
    equal = people.user(groups=[people.group({AM: READ})])["UserID"]
    administrator = people.user(groups=[1])["UserID"]
    controlroom = ok(server.controlroom().post("/v2/usermanagement/users", {"username": fresh("cr"), "email": "cr@example.com", "password": "Cr-user-1!", "roles": [{"id": 1}]}), 201)["id"]
    for user in (stronger, administrator, controlroom, 1):
        before = ok(people.boss.get(f"/Users/{user}"))
        for body in ({"Password": "Taken-over-1!"}, {"UserName": fresh("renamed")}, {"FirstName": "x", "Password": "Taken-over-1!"}):
            denied(manager.put(f"/Users/{user}", body))
        denied(manager.delete(f"/Users/{user}"))
        assert ok(people.boss.get(f"/Users/{user}")) == before
    for user in (stronger, administrator):
        ok(people.boss.put(f"/Users/{user}", {"IsActive": False}))
        denied(manager.put(f"/Users/{user}", {"IsActive": True}))  # enabling
        assert ok(people.boss.get(f"/Users/{user}"))["IsActive"] is False
    assert manager.put(f"/Users/{equal}", {"Password": "New-pass-1!"}).status_code == 200


def test_he_cannot_recycle_the_secret_of_an_application_that_holds_more(people, manager):
    made = ok(people.boss.post("/Users", {"UserType": "Application", "UserName": fresh("app"), "AccessPolicyID": people.policy}), 201)
    assert manager.post(f"/Users/{made['UserID']}/RecycleClientSecret").status_code == 200
    people.join(made["UserID"], people.group({AM: WRITE}, registrations=[]))
    denied(manager.post(f"/Users/{made['UserID']}/RecycleClientSecret"))


def test_he_cannot_take_apart_a_group_that_holds_more(people, manager):
    group = people.group({AM: WRITE})
    user = people.user(groups=[group])["UserID"]
    denied(manager.delete(f"/UserGroups/{group}"))
    denied(manager.delete(f"/UserGroups/{group}/Permissions"))
    denied(manager.post(f"/UserGroups/{group}/Permissions", rights(people, **{AM: READ})))
    denied(manager.delete(f"/Users/{user}/UserGroups/{group}"))
    assert [row["UserID"] for row in ok(people.boss.get(f"/UserGroups/{group}/Users"))] == [user]


# -- roles on rules

def test_roles_beyond_his_own(people, account):
    """As Requestor of a rule he gives that role, and no other; on another rule none."""
    rule, other = people.rule(account), people.rule(people.account())
    manager = people.person({UM: WRITE, RM: WRITE})
    people.give_role(manager.group, rule, [REQUESTOR])
    group = people.group()
    path = f"/UserGroups/{group}/SmartRules/{rule}"
    assert manager.post(path + "/AccessLevels", {"AccessLevelID": READ}).status_code == 200
    denied(manager.post(path + "/AccessLevels", {"AccessLevelID": WRITE}))
    assert manager.post(path + "/Roles", {"Roles": [{"RoleID": REQUESTOR}], "AccessPolicyID": 5000}).status_code == 204
    for roles in ([ISA], [MANAGER], [REQUESTOR, ISA]):
        body = {"Roles": [{"RoleID": role} for role in roles], "AccessPolicyID": 5000}
        denied(manager.post(path + "/Roles", body))
        denied(manager.post(f"/UserGroups/{manager.group}/SmartRules/{rule}/Roles", body))
    denied(manager.post(f"/UserGroups/{group}/SmartRules/{other}/AccessLevels", {"AccessLevelID": READ}))
    denied(manager.post("/UserGroups", {"groupName": fresh("g"), "SmartRuleAccess": [{"SmartRuleID": other, "AccessLevelID": READ}]}))
    assert [row["RoleID"] for row in ok(people.boss.get(path + "/Roles"))] == [REQUESTOR]
    refused(manager.post("/ISARequests", {"SystemID": account.system, "AccountID": account.id}), 403, "4031")


def test_a_group_with_a_role_that_he_lacks(people, account):
    rule = people.rule(account)
    group = people.holder(rule, ISA, policy=0).group
    manager = people.person({UM: WRITE, RM: WRITE})
    denied(manager.post(f"/Users/{manager.id}/UserGroups/{group}"))
    denied(manager.delete(f"/UserGroups/{group}/SmartRules/{rule}/Roles"))
    people.give_role(manager.group, rule, [ISA], 0)
    assert manager.post(f"/Users/{people.user()['UserID']}/UserGroups/{group}").status_code == 201


def test_role_management_is_needed_besides(people, account):
    rule, group = people.rule(account), people.group()
    people.boss.post(f"/UserGroups/{group}/SmartRules/{rule}/AccessLevels", {"AccessLevelID": READ})
    manager = people.person({UM: WRITE, RM: READ})
    people.give_role(manager.group, rule, [ISA], 0)
    denied(manager.post(f"/UserGroups/{group}/SmartRules/{rule}/Roles", {"Roles": [{"RoleID": ISA}]}))
    denied(manager.delete(f"/UserGroups/{group}/SmartRules/{rule}/Roles"))


@pytest.mark.parametrize("way", ["PUT", "POST"])
def test_members_of_a_rule_on_which_groups_have_roles(people, account, way):
    """Putting an account into a rule gives those roles on it."""
    target = people.account(account.system)
    rule = people.rule(account)
    client = people.holder(rule, ISA, policy=0)
    rights_of_rules = [{"PermissionID": people.permissions[name], "AccessLevelID": level} for name, level in ((AM, READ), (RULES_OF_ACCOUNTS, WRITE), (QUICK, READ))]
    assert people.boss.post(f"/UserGroups/{client.group}/Permissions", rights_of_rules).status_code == 204
    path = f"/QuickRules/{rule}/ManagedAccounts"
    denied(client.put(path, {"IDs": [account.id, target.id]}) if way == "PUT" else client.post(f"{path}/{target.id}"))
    denied(client.post("/ISARequests", {"SystemID": target.system, "AccountID": target.id}))
    assert [row["ManagedAccountID"] for row in ok(people.boss.get(path))] == [account.id]
    assert client.put(path, {"IDs": [account.id]}).status_code == 200


def test_systems_of_a_rule_on_which_groups_have_roles(people, account):
    system, other = people.system(), people.system()
    rule = people.rule(RuleType="ManagedSystem", IDs=[system])
    client = people.holder(rule, ISA, policy=0)
    rights_of_rules = [{"PermissionID": people.permissions[name], "AccessLevelID": level} for name, level in ((SM, READ), (RULES_OF_SYSTEMS, WRITE), (QUICK, READ))]
    assert people.boss.post(f"/UserGroups/{client.group}/Permissions", rights_of_rules).status_code == 204
    denied(client.put(f"/QuickRules/{rule}/ManagedSystems", {"IDs": [system, other]}))
    denied(client.post(f"/QuickRules/{rule}/ManagedSystems/{other}"))


def test_what_a_session_carries_is_what_counts(people, manager):
    """Registrations: whoever enables one for a group gives a way in, not a right; a group of more stays closed to him."""
    number, _ = people.registration_with()
    group = people.group({AM: WRITE}, registrations=[number])
    denied(manager.post(f"/Users/{manager.id}/UserGroups/{group}"))


# -- the exception

def test_break_glass(people):
    """Administrators give it to others, never to themselves; and they do not hold it by themselves."""
    glass = rights(people, **{"Keyturn Break Glass": WRITE})
    assert people.boss.post("/UserGroups/1/Permissions", glass).status_code in (403, 409)
    group = people.group()
    assert people.boss.post(f"/UserGroups/{group}/Permissions", glass).status_code == 204
    administrator = people.user(groups=[1])
    client = people.client(administrator["UserName"])
    denied(client.post(f"/Users/{administrator['UserID']}/UserGroups/{group}"))
    own = people.group()
    people.join(administrator["UserID"], own)
    denied(client.post(f"/UserGroups/{own}/Permissions", glass))
    assert client.post(f"/Users/{people.user()['UserID']}/UserGroups/{group}").status_code == 201
