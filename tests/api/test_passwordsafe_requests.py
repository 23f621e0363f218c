"""tests/api/test_passwordsafe_requests.py: asking, approving, reading, giving back, ending (passwordsafe-api 5.6, 7, 8.2)."""
import re

import pytest
from passwordsafe_people import (AM, APPROVER, AUDITOR, BOTH, GQ, ISA, MANAGER, READ, REQUESTOR, RM, UM, WRITE, People, ask, body_for, checkin, mine, recorded, refused)
from support import ok

ROW = ["RequestID", "SystemID", "SystemName", "AccountID", "AccountName", "DomainName", "AliasID", "ApplicationID", "RequestReleaseDate", "ApprovedDate", "CanceledDate", "ExpiresDate", "Status",
       "AccessType", "Reason", "ManagedSystemName", "APIOnlyAccess", "RequestorUserID", "RequestorName", "TotpEnabled", "TotpParameters"]
DATE = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d*[1-9])?")


@pytest.fixture(scope="module")
def people(server):
    return People(server)


@pytest.fixture(scope="module")
def system(people):
    return people.system()


@pytest.fixture
def account(people, system):
    return people.account(system, MaxConcurrentRequests=0)


# -- the whole flow

def test_request_read_and_give_back(people, account):
    client = people.holder(people.rule(account), REQUESTOR)
    number = ok(client.post("/Requests", body_for(account, AccessType="View", Reason="deploy", ConflictOption="reuse")), 201)
    answer = client.get(f"/Credentials/{number}")
    assert answer.text == '"Initial-1"' and answer.headers["Content-Type"] == "application/json; charset=utf-8" and answer.headers["X-Keyturn-State"] == "unverified"
    row = ok(client.get("/Requests?status=active&queue=req"))[0]
    assert list(row) == ROW
    dates = {key: row[key] for key in ("RequestReleaseDate", "ApprovedDate", "ExpiresDate")}
    assert all(DATE.fullmatch(value) for value in dates.values()) and row["ExpiresDate"] > row["RequestReleaseDate"] == row["ApprovedDate"]
    shown = ok(people.boss.get(f"/ManagedSystems/{account.system}"))["SystemName"]
    assert row == {**dates, "RequestID": number, "SystemID": account.system, "SystemName": shown, "AccountID": account.id, "AccountName": account.name, "DomainName": None, "AliasID": None,
                   "ApplicationID": None, "CanceledDate": None, "Status": "Active", "AccessType": "View", "Reason": "deploy", "ManagedSystemName": shown, "APIOnlyAccess": False,
                   "RequestorUserID": client.id, "RequestorName": client.name, "TotpEnabled": False, "TotpParameters": None}
    account.store("Changed-meanwhile-1!")
    assert client.get(f"/Credentials/{number}?type=password").text == '"Changed-meanwhile-1!"'  # 5.1 #19
    checkin(client, number, body={"Reason": "done"})
    assert mine(client) == []
    refused(client.get(f"/Credentials/{number}"), 404)
    checkin(client, number)  # again: fine
    releases = [(success, user) for what, success, user in recorded(people.server, "account", account.id) if what == "account.release"]
    assert releases == [(True, client.name)] * 2


def test_a_request_shows_the_domain_of_its_account(people):
    body = {"EntityTypeID": 3, "HostName": "dc.corp.example", "IPAddress": "10.0.0.7", "PlatformID": 25, "ForestName": "f", "NetBiosName": "N"}
    domain = ok(people.boss.post("/Workgroups/1/ManagedSystems", body), 201)["ManagedSystemID"]
    account = people.account(domain, name="alice", SAMAccountName="alice", DomainName="corp.example")
    client = people.holder(people.rule(account), REQUESTOR)
    number = ask(client, account)
    assert [(row["RequestID"], row["DomainName"]) for row in ok(client.get("/Requests"))] == [(number, "corp.example")]


@pytest.mark.parametrize("raw,kind", [(None, None), (b"", "application/json"), (b"{}", "application/json"), (b"null", "application/json"), (b'{"Reason":"x"}', "application/json"),
                                      (b"Reason=done+now", "application/x-www-form-urlencoded"), (b"Reason=x", None), (b"{'Reason': 'x'}", None)])
@pytest.mark.parametrize("path", ["/Requests/{}/Checkin", "/requests/{}/checkin/", "/Requests/Release/{}"])
def test_ways_to_give_back(people, account, path, raw, kind):
    number = ask(people.boss, account)
    answer = people.boss.put(path.format(number), raw=raw, headers={"Content-Type": kind} if kind else {"Content-Type": None})
    assert (answer.status_code, answer.content) == (204, b""), answer.text
    assert number not in mine(people.boss)


def test_release_with_the_number_in_the_body(people, account):
    number = ask(people.boss, account)
    assert people.boss.put("/Requests/Release", {"RequestID": number}).status_code == 204
    refused(people.boss.put("/Requests/Release", {}), 400)
    refused(people.boss.put("/Requests/Release", {"RequestID": 987654}), 404)


def test_numbers_that_are_no_request(people):
    for number in (987654, 0, "x"):
        refused(people.boss.put(f"/Requests/{number}/Checkin"), 404)
        refused(people.boss.get(f"/Credentials/{number}"), 404)
    refused(people.boss.put("/Requests/987654/RotateOnCheckin"), 400)
    refused(people.boss.put("/Requests/987654/Approve"), 404)
    refused(people.boss.put("/Requests/1/Checkin", {"Reason": "x" * 1001}), 400)


# -- bodies of POST Requests

@pytest.mark.parametrize("body", [{"DurationMinutes": None}, {"DurationMinutes": 0}, {"DurationMinutes": -1}, {"DurationMinutes": 525601}, {"DurationMinutes": 61}, {"DurationMinutes": "x"},
                                  {"AccessType": "Telnet"}, {"AccessType": "App"}, {"ConflictOption": "both"}, {"Reason": "x" * 1001}, {"SystemID": None}, {"AccountID": None},
                                  {"RotateOnCheckin": "perhaps"}], ids=str)
def test_bad_requests(people, system, body):
    account = people.account(system, MaxReleaseDuration=60, ReleaseDuration=30)
    ask(people.boss, account, 400, **body)
    assert account.id not in [row["AccountID"] for row in ok(people.boss.get("/Requests"))]


@pytest.mark.parametrize("body", [{"DurationMinutes": "30"}, {"DurationMinutes": 1}, {"AccessType": "view"}, {"AccessType": "SSH"}, {"AccessType": "RDP"}, {"AccessType": ""}, {"ConflictOption": ""},
                                  {"ConflictOption": "REUSE"}, {"Reason": None}, {"RotateOnCheckin": "false"}, {"TicketNumber": "1", "Unknown": 1}, {"ApplicationID": None}], ids=str)
def test_good_requests(people, account, body):
    assert ask(people.boss, account, **body) in mine(people.boss)


def test_form_bodies(people, account):
    raw = f"SystemID={account.system}&AccountID={account.id}&DurationMinutes=5&Reason=a+b"
    answer = people.boss.post("/Requests", raw=raw.encode(), headers={"Content-Type": "application/x-www-form-urlencoded"})
    assert answer.status_code == 201


# -- who may ask, and the sub-codes

def test_who_may_ask(people, account, system):
    rule = people.rule(account)
    beside = people.account(system)
    for role, code in ((APPROVER, "4033"), (AUDITOR, "4031"), (MANAGER, "4031"), (ISA, "4031")):
        client = people.holder(rule, role)
        assert ask(client, account, 403) == code, role
    for permissions in ({}, {AM: WRITE, GQ: WRITE}):
        client = people.person(permissions)
        assert ask(client, account, 403) == "4031"
        refused(client.post("/Requests", body_for(account, AccountID=987654)), 403, "4031")
    for role in (REQUESTOR, BOTH):
        client = people.holder(rule, role)
        assert ask(client, account) in mine(client)
        assert ask(client, beside, 403) == "4031"
        refused(client.post("/Requests", body_for(account, AccountID=987654)), 404, "Managed Account not found")
        assert ask(client, account, 403, SystemID=people.system()) == "4031"  # not its system


def test_an_account_that_is_not_enabled(people, system):
    account = people.account(system, ApiEnabled=False)
    client = people.holder(people.rule(account), REQUESTOR, ISA)
    assert ask(client, account, 403) == "4031"
    refused(client.post("/ISARequests", body_for(account)), 403, "4031")


def test_a_requestor_role_needs_a_policy(people, account):
    group, rule = people.group(), people.rule(account)
    people.boss.post(f"/UserGroups/{group}/SmartRules/{rule}/AccessLevels", {"AccessLevelID": 1})
    for roles in ([REQUESTOR], [BOTH]):
        body = {"Roles": [{"RoleID": str(role)} for role in roles]}
        assert "AccessPolicyID" in refused(people.boss.post(f"/UserGroups/{group}/SmartRules/{rule}/Roles", body), 400)
        assert people.boss.post(f"/UserGroups/{group}/SmartRules/{rule}/Roles", dict(body, AccessPolicyID="5000")).status_code == 204


# -- conflicts

def test_conflicts_of_one_user(people, system):
    account = people.account(system)
    client = people.holder(people.rule(account), REQUESTOR)
    first = ask(client, account)
    assert ask(client, account, 409) == "4091"
    assert ask(client, account, 200, ConflictOption="reuse") == first
    renewed = ask(client, account, 201, ConflictOption="renew")
    assert renewed != first and mine(client) == [renewed]
    refused(client.get(f"/Credentials/{first}"), 404)
    other_type = ask(client, account, AccessType="SSH")  # another access type is no conflict
    assert sorted(mine(client)) == sorted([renewed, other_type])
    checkin(client, renewed)
    assert ask(client, account) not in (first, renewed)


def test_conflicts_of_several(people, system):
    account = people.account(system, MaxConcurrentRequests=2)
    rule = people.rule(account)
    clients = [people.holder(rule, REQUESTOR) for _ in range(3)]
    numbers = [ask(client, account) for client in clients[:2]]
    assert ask(clients[2], account, 409) == "4091"
    assert ask(clients[2], account, 409, ConflictOption="reuse") == "4091"
    checkin(clients[0], numbers[0])
    assert ask(clients[2], account)
    assert ask(clients[0], account, 409) == "4091"
    ok(people.boss.put(account.path, {"MaxConcurrentRequests": 0}))
    assert ask(clients[0], account)


# -- another's request

def test_another_ones_request(people, account):
    rule = people.rule(account)
    owner, other = people.holder(rule, REQUESTOR), people.holder(rule, REQUESTOR, ISA)
    number = ask(owner, account)
    for client in (other, people.person({AM: WRITE, GQ: WRITE}), people.boss):
        for part in ("", "?type=dsskey", "?type=passphrase"):
            refused(client.get(f"/Credentials/{number}{part}"), 403, "4031")
        refused(client.put(f"/Requests/{number}/Checkin"), 403, "4031")
        refused(client.put("/Requests/Release", {"RequestID": number}), 403, "4031")
        refused(client.put(f"/Requests/{number}/RotateOnCheckin"), 403, "4031")
    assert number not in mine(other)
    assert owner.get(f"/Credentials/{number}").status_code == 200


def test_parts_that_are_not_there(people, account):
    number = ask(people.boss, account)
    refused(people.boss.get(f"/Credentials/{number}?type=dsskey"), 404, "DSS key not found")
    refused(people.boss.get(f"/Credentials/{number}?type=passphrase"), 404)
    refused(people.boss.get(f"/Credentials/{number}?type=nonsense"), 400)
    assert people.boss.get(f"/Credentials/{number}?TYPE=PASSWORD").text == '"Initial-1"'


def test_a_role_that_went_ends_nothing_but_gives_nothing_new(people, account):
    """The request itself proves the role (5.6); a new one needs it again."""
    client = people.holder(people.rule(account), REQUESTOR)
    number = ask(client, account)
    checkin(client, number)
    people.join(client.id, people.group())
    people.leave(client.id, client.group)
    assert ask(client, account, 403) == "4031"
    assert ok(client.get("/ManagedAccounts")) == []


# -- ISA

def test_isa(people, account, system):
    rule = people.rule(account)
    client = people.holder(rule, ISA, policy=0)
    answer = client.post("/ISARequests", body_for(account, DurationMinutes=15, Reason="incident"))
    assert (answer.status_code, answer.text, answer.headers["X-Keyturn-State"]) == (201, '"Initial-1"', "unverified")
    assert client.post("/ISARequests?type=password", {"SystemID": account.system, "AccountID": account.id}).status_code == 201
    refused(client.post("/ISARequests", body_for(people.account(system))), 403, "4031")
    refused(client.post("/ISARequests", body_for(account, SystemID=people.system())), 403, "4031")
    refused(client.post("/ISARequests", body_for(account, AccountID=987654)), 404, "Managed Account not found")
    for body in ({"DurationMinutes": -1}, {"DurationMinutes": 525601}, {"DurationMinutes": "x"}, {"SystemID": None}, {"AccountID": None}, {"Reason": "x" * 1001}):
        refused(client.post("/ISARequests", body_for(account, **body)), 400)
    refused(client.post("/ISARequests?type=nonsense", body_for(account)), 400)
    for role in (REQUESTOR, APPROVER, BOTH, MANAGER, AUDITOR):
        refused(people.holder(rule, role).post("/ISARequests", body_for(account)), 403, "4031")
    for permissions in ({AM: WRITE, GQ: WRITE, RM: WRITE, UM: WRITE}, {}):
        refused(people.person(permissions).post("/ISARequests", body_for(account, AccountID=987654)), 403, "4031")


# -- Terminate

def test_terminate(people, account):
    client = people.holder(people.rule(account), REQUESTOR)
    breaker = people.person({GQ: WRITE})
    for path in (f"{account.path}/Requests/Terminate", f"/ManagedSystems/{account.system}/Requests/Terminate", f"/Users/{client.id}/Requests/Terminate"):
        number = ask(client, account)
        for other in (people.person({GQ: READ, AM: WRITE}), client):
            refused(other.post(path), 403, "4031")
        feedback = breaker.post(path + "?feedback=true", {"Reason": "breach"})
        assert feedback.status_code == 200 and {"RequestID": number} in feedback.json()
        refused(client.get(f"/Credentials/{number}"), 404)
        assert (breaker.post(path).status_code, ok(breaker.post(path + "?feedback=true"))) == (204, [])
    for path in ("/ManagedAccounts/987654", "/ManagedSystems/987654", "/Users/987654"):
        refused(breaker.post(path + "/Requests/Terminate"), 404)


def test_quarantine_ends_requests(people, account):
    client = people.holder(people.rule(account), REQUESTOR)
    number = ask(client, account)
    refused(people.boss.delete(f"/Users/{client.id}"), 409)  # an open request (keyturn-api 2.2)
    assert ok(people.person({GQ: WRITE}).post(f"/Users/{client.id}/Quarantine"))["IsQuarantined"] is True
    refused(client.get(f"/Credentials/{number}"), 401)
    assert people.boss.delete(f"/Users/{client.id}").status_code == 200


def test_access_policies(people):
    row = ok(people.person({RM: READ}).get("/AccessPolicies"))[0]
    kinds = [{"AccessType": "View", "IsSession": False, "RecordSession": False, "MinApprovers": 0, "MaxConcurrent": 1},
             {"AccessType": "SSH", "IsSession": True, "RecordSession": False, "MinApprovers": 0, "MaxConcurrent": 1}]
    assert row == {"AccessPolicyID": 5000, "Name": "Default Auto-Approve Access Policy", "Description": "",
                   "Schedules": [{"ScheduleID": 1, "RequireReason": False, "RequireTicketSystem": False, "TicketSystemID": None, "AccessTypes": kinds}]}
    refused(people.person({AM: WRITE}).get("/AccessPolicies"), 403, "4031")
