"""tests/api/test_passwordsafe_who.py: who may call the five credential endpoints, and who may not any more (seed 002, passwordsafe-api 4.5, 5)."""
import pytest
from passwordsafe_people import (AM, APPROVER, AS, AUDITOR, BOTH, CM, GQ, ISA, MANAGER, PM, QUICK, READ, REQUESTOR, RM, RULES_OF_ACCOUNTS, SM, UM, WRITE, People, fresh,
                                 recorded, refused)
from support import ok

NOWHERE = 987654321
STORE = {"Password": "Stored-1!", "UpdateSystem": False}


class Case:
    """An account in a rule, one beside it, and the five calls on them."""

    def __init__(self, people):
        self.people = people
        self.workgroup = ok(people.boss.post("/Workgroups", {"Name": fresh("wg")}), 201)
        self.host = fresh("web")
        self.system = people.system(self.host, workgroup=self.workgroup["ID"], auto=False)
        self.inside, self.outside = people.account(self.system), people.account(self.system)
        self.rule = people.rule(self.inside)

    def put(self, client, account=None, body=None):
        return client.put(f"/ManagedAccounts/{account.id if account else NOWHERE}/Credentials", STORE if body is None else body)

    def put_by_name(self, client, account=None, body=None):
        query = f"workgroupName={self.workgroup['Name']}&assetName={self.host}&accountName={account.name if account else 'nobody'}"
        return client.put(f"/Credentials?{query}", STORE if body is None else body)

    def test(self, client, account=None):
        return client.post(f"/ManagedAccounts/{account.id if account else NOWHERE}/Credentials/Test")

    def change(self, client, account=None, body=None):
        return client.post(f"/ManagedAccounts/{account.id if account else NOWHERE}/Credentials/Change", body)

    def change_all(self, client, system=None):
        return client.post(f"/ManagedSystems/{self.system if system is None else system}/ManagedAccounts/Credentials/Change")


@pytest.fixture(scope="module")
def people(server):
    return People(server)


@pytest.fixture(scope="module")
def case(people):
    return Case(people)


def forbidden(answer):
    refused(answer, 403, "4031")
    assert answer.content == b"4031" and answer.headers["Content-Length"] == "4"


def may_set(case, client, account):
    for call in (case.put, case.put_by_name):
        assert call(client, account).status_code == 204, call.__name__
        assert call(client, account).content == b""


def may_not_set(case, client, account):
    for call in (case.put, case.put_by_name):
        forbidden(call(client, account))


def no_am_calls(case, client):
    """5.3 and 5.4 are for Account Management alone: roles do not suffice."""
    for account in (case.inside, case.outside, None):
        forbidden(case.test(client, account))
        forbidden(case.change(client, account))
        forbidden(case.change(client, account, {"Queue": True}))
        forbidden(case.change(client, account, []))


def nothing(case, client):
    """403 before any 404 or 400: who has no right learns nothing about which ids exist."""
    before = case.inside.show()
    for account in (case.inside, case.outside, None):
        for body in (STORE, {}, [], "x", 3, {"Password": 1, "password": 2}):
            forbidden(case.put(client, account, body))
            forbidden(case.put_by_name(client, account, body))
    forbidden(client.put("/Credentials", STORE))
    no_am_calls(case, client)
    for system in (None, NOWHERE):
        forbidden(case.change_all(client, system))
    assert case.inside.show() == before


def test_account_management(people, case):
    client = people.person({AM: WRITE})
    may_set(case, client, case.inside)
    may_set(case, client, case.outside)
    refused(case.put(client), 404, "Managed Account not found")
    refused(case.put_by_name(client), 404, "Managed Account not found")
    assert ok(case.test(client, case.inside)) == {"Success": False}
    refused(case.test(client), 404, "Managed Account not found")
    refused(case.change(client), 404, "Managed Account not found")
    refused(case.change(client, None, []), 404, "Managed Account not found")
    assert refused(case.change(client, case.inside), 400).startswith("Credential not changed: ")
    forbidden(case.change_all(client))
    forbidden(case.change_all(client, NOWHERE))


def test_account_management_to_read(people, case):
    client = people.person({AM: READ})
    assert client.get(case.inside.path).status_code == 200
    nothing(case, client)


def test_every_other_feature_is_none(people, case):
    client = people.person({SM: WRITE, RM: WRITE, PM: WRITE, CM: WRITE, AS: WRITE, UM: WRITE, QUICK: WRITE, RULES_OF_ACCOUNTS: WRITE})
    nothing(case, client)


def test_nobody_at_all(people, case):
    nothing(case, people.person())


@pytest.mark.parametrize("role", [ISA, MANAGER], ids=["ISA", "Credentials Manager"])
def test_roles_that_may_set(people, case, role):
    client = people.holder(case.rule, role, policy=0)
    may_set(case, client, case.inside)
    may_not_set(case, client, case.outside)
    refused(case.put(client), 404, "Managed Account not found")  # he has the role on some rule
    refused(case.put_by_name(client), 404)
    no_am_calls(case, client)
    forbidden(case.change_all(client))
    refused(case.put(client, case.inside, []), 400)
    forbidden(case.put(client, case.outside, []))


@pytest.mark.parametrize("role", [REQUESTOR, APPROVER, BOTH, AUDITOR], ids=["Requestor", "Approver", "Requestor/Approver", "Auditor"])
def test_roles_that_may_not(people, case, role):
    nothing(case, people.holder(case.rule, role))


def test_a_role_on_an_empty_part_of_the_world(people, case):
    """The role on another rule: 404 and 403 as for one who has it, but never this account."""
    other = people.rule(people.account(case.system))
    client = people.holder(other, MANAGER, policy=0)
    may_not_set(case, client, case.inside)
    refused(case.put(client), 404)


def test_a_rule_of_systems_holds_their_accounts(people, case):
    rule = people.rule(RuleType="ManagedSystem", IDs=[case.system])
    client = people.holder(rule, MANAGER, policy=0)
    may_set(case, client, case.inside)
    may_set(case, client, case.outside)
    forbidden(case.put(client, people.account()))


def test_credentials_manager_does_not_read(people, case):
    client = people.holder(case.rule, MANAGER, policy=0)
    forbidden(client.post("/ISARequests", {"SystemID": case.system, "AccountID": case.inside.id}))
    forbidden(client.post("/Requests", {"SystemID": case.system, "AccountID": case.inside.id, "DurationMinutes": 5}))
    assert ok(client.get("/ManagedAccounts")) == []


def test_global_quarantine(people, case):
    client = people.person({GQ: WRITE})
    assert case.change_all(client).status_code == 204
    refused(case.change_all(client, NOWHERE), 404, "Managed System not found")
    for account in (case.inside, None):
        forbidden(case.put(client, account))
        forbidden(case.put_by_name(client, account))
    no_am_calls(case, client)


def test_global_quarantine_to_read(people, case):
    nothing(case, people.person({GQ: READ, AM: READ}))


def test_account_management_and_isa_are_not_global_quarantine(people, case):
    client = people.person({AM: WRITE, SM: WRITE})
    people.give_role(client.group, case.rule, [ISA], 0)
    forbidden(case.change_all(client))


def test_an_administrator_may_everything(people, case):
    client = people.client(people.user(groups=[1])["UserName"])
    may_set(case, client, case.outside)
    assert case.change_all(client).status_code == 204
    assert ok(case.test(client, case.inside)) == {"Success": False}


# -- right after each change

def test_ex_member_of_a_group_with_the_feature(people, case):
    client = people.person({AM: WRITE})
    may_set(case, client, case.inside)
    other = people.group()  # so that he may still sign in
    people.join(client.id, other)
    people.leave(client.id, client.group)
    nothing(case, client)
    people.join(client.id, client.group)
    may_set(case, client, case.inside)


def test_the_feature_taken_from_the_group(people, case):
    client = people.person({AM: WRITE})
    may_set(case, client, case.inside)
    lower = [{"PermissionID": people.permissions[AM], "AccessLevelID": READ}]
    assert people.boss.post(f"/UserGroups/{client.group}/Permissions", lower).status_code == 204
    nothing(case, client)
    assert people.boss.post(f"/UserGroups/{client.group}/Permissions", [dict(lower[0], AccessLevelID=WRITE)]).status_code == 204
    may_set(case, client, case.inside)
    assert people.boss.delete(f"/UserGroups/{client.group}/Permissions").status_code == 204
    nothing(case, client)


def test_ex_holder_of_a_role(people, case):
    client = people.holder(case.rule, MANAGER, policy=0)
    may_set(case, client, case.inside)
    roles = f"/UserGroups/{client.group}/SmartRules/{case.rule}/Roles"
    assert people.boss.delete(roles).status_code in (200, 204)
    nothing(case, client)
    people.give_role(client.group, case.rule, [ISA], 0)
    may_set(case, client, case.inside)
    assert people.boss.post(f"/UserGroups/{client.group}/SmartRules/{case.rule}/AccessLevels", {"AccessLevelID": 0}).status_code == 200
    nothing(case, client)
    # The level alone gives nothing back.
    assert people.boss.post(f"/UserGroups/{client.group}/SmartRules/{case.rule}/AccessLevels", {"AccessLevelID": READ}).status_code == 200
    nothing(case, client)


def test_an_account_that_left_the_rule(people, case):
    moved, stays = people.account(case.system), people.account(case.system)
    rule = people.rule(moved, stays)
    client = people.holder(rule, MANAGER, policy=0)
    may_set(case, client, moved)
    assert people.boss.delete(f"/QuickRules/{rule}/ManagedAccounts/{moved.id}").status_code == 200
    may_not_set(case, client, moved)
    may_set(case, client, stays)
    assert people.boss.delete(f"/QuickRules/{rule}").status_code == 200
    nothing(case, client)


def test_a_group_that_went_and_one_that_is_not_active(people, case):
    client = people.person({AM: WRITE})
    people.join(client.id, people.group())
    assert people.boss.delete(f"/UserGroups/{client.group}").status_code == 200
    nothing(case, client)


def test_a_second_group_keeps_what_the_first_gave(people, case):
    client = people.person({AM: WRITE})
    people.join(client.id, people.group({AM: READ}))
    may_set(case, client, case.inside)  # the highest level of all groups counts
    people.leave(client.id, client.group)
    forbidden(case.put(client, case.inside))
    assert client.get(case.inside.path).status_code == 200


def test_refusals_are_recorded_with_the_account(people, case):
    account = people.account(case.system)
    client = people.holder(case.rule, MANAGER, policy=0)
    forbidden(case.put(client, account))
    assert case.put(people.boss, account).status_code == 204
    found = [(success, user) for what, success, user in recorded(people.server, "account", account.id) if what == "account.credentials.set"]
    assert found == [(False, client.name), (True, "admin")], recorded(people.server, "account", account.id)
