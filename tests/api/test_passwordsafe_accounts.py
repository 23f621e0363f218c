"""tests/api/test_passwordsafe_accounts.py: managed accounts, as administrators and as requestors see them (passwordsafe-api 6.10)."""
import json
import re
import urllib.parse

import pytest
from passwordsafe_people import AM, APPROVER, AUDITOR, BOTH, ISA, MANAGER, READ, REQUESTOR, SM, WRITE, People, fresh, refused
from support import ok, wait_for

TAKEN = re.compile("already|exist|duplicate")
ADMINISTRATIVE = {
    "ManagedAccountID": 14, "ManagedSystemID": 5, "DomainName": None, "AccountName": "root", "DistinguishedName": None, "PasswordFallbackFlag": False, "UserPrincipalName": None,
    "SAMAccountName": None, "LoginAccountFlag": False, "Description": "root on web01", "PasswordRuleID": 0, "ApiEnabled": True, "ReleaseNotificationEmail": None,
    "ChangeServicesFlag": False, "RestartServicesFlag": False, "ChangeTasksFlag": False, "ReleaseDuration": 120, "MaxReleaseDuration": 525600, "ISAReleaseDuration": 120,
    "MaxConcurrentRequests": 1, "AutoManagementFlag": True, "DSSAutoManagementFlag": False, "CheckPasswordFlag": False, "ResetPasswordOnMismatchFlag": False,
    "ChangePasswordAfterAnyReleaseFlag": False, "ChangeFrequencyType": "xdays", "ChangeFrequencyDays": 30, "ChangeTime": "02:00", "ParentAccountID": None, "IsSubscribedAccount": False,
    "LastChangeDate": None, "NextChangeDate": "2025-02-04T02:00:00", "IsChanging": False, "ChangeState": 0, "UseOwnCredentials": False, "WorkgroupID": None, "ChangeIISAppPoolFlag": False,
    "RestartIISAppPoolFlag": False, "ChangeWindowsAutoLogonFlag": False, "ChangeComPlusFlag": False, "ChangeDComFlag": False, "ChangeSComFlag": False, "ObjectID": None}
REQUESTABLE = ["PlatformID", "SystemId", "SystemName", "InstanceName", "DomainName", "AccountId", "AccountName", "UserPrincipalName", "AccountDescription", "ApplicationID",
               "ApplicationDisplayName", "MaximumReleaseDuration", "DefaultReleaseDuration", "LastChangeDate", "NextChangeDate", "ChangeState", "IsChanging", "IsISAAccess", "PreferredNodeID",
               "TotpEnabled", "TotpParameters"]
LIVE = ("LastChangeDate", "NextChangeDate", "IsChanging", "ChangeState")


@pytest.fixture(scope="module")
def people(server):
    return People(server)


@pytest.fixture(scope="module")
def boss(people):
    return people.boss


@pytest.fixture(scope="module")
def system(people):
    return people.system(fresh("web"))


def make(boss, system, status=201, **body):
    answer = boss.post(f"/ManagedSystems/{system}/ManagedAccounts", dict({"AccountName": fresh("a"), "Password": "Initial-1"}, **body))
    return ok(answer, 201) if status == 201 else refused(answer, status)


# -- the administrative model

def test_the_example(boss, system):
    name = fresh("root")
    body = {"AccountName": name, "Password": "Initial-1", "Description": "root on web01", "PasswordRuleID": 0, "ApiEnabled": True, "AutoManagementFlag": True, "ChangeFrequencyType": "xdays",
            "ChangeFrequencyDays": 30, "ChangeTime": "02:00", "ReleaseDuration": 120, "MaxReleaseDuration": 525600, "ISAReleaseDuration": 120, "MaxConcurrentRequests": 1}
    made = make(boss, system, **body)
    assert list(made) == list(ADMINISTRATIVE)
    assert {key: made[key] for key in made if key not in LIVE} == dict({key: ADMINISTRATIVE[key] for key in made if key not in LIVE}, ManagedAccountID=made["ManagedAccountID"],
                                                                       ManagedSystemID=system, AccountName=name)
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT02:00:00", made["NextChangeDate"])
    path = f"/ManagedAccounts/{made['ManagedAccountID']}"
    settled = wait_for(lambda: (lambda row: row if row["ChangeState"] == 0 else None)(ok(boss.get(path))))
    assert ok(boss.get(f"/ManagedSystems/{system}/ManagedAccounts?name={name.upper()}")) == settled
    assert settled in ok(boss.get(f"/ManagedSystems/{system}/ManagedAccounts"))
    back = ok(boss.put(path + "?version=3.3", settled))  # GET, edit, PUT of the whole object
    assert back == settled
    assert ok(boss.put(path, dict(settled, Description="changed"))) == dict(settled, Description="changed")
    assert ok(boss.put(path, {})) == dict(settled, Description="changed")
    answer = boss.delete(path)
    assert (answer.status_code, answer.content) == (200, b"")
    for method in ("GET", "PUT", "DELETE"):
        refused(boss.call(method, path, {}), 404, "Managed Account not found")


def test_defaults(boss, system):
    made = make(boss, system)
    expected = dict(ADMINISTRATIVE, ManagedAccountID=made["ManagedAccountID"], ManagedSystemID=system, AccountName=made["AccountName"], Description=None, ApiEnabled=False,
                    AutoManagementFlag=False, ChangeFrequencyType="first", ChangeTime="23:30", NextChangeDate=None, LastChangeDate=made["LastChangeDate"])
    assert made == expected


def test_what_typed_clients_send(boss, system):
    """All fields, with zero values: they mean "not set"."""
    body = {"DomainName": "", "DistinguishedName": "", "UserPrincipalName": "", "SAMAccountName": "", "PrivateKey": "", "Passphrase": "", "Description": "", "ReleaseNotificationEmail": "",
            "ReleaseDuration": 0, "MaxReleaseDuration": 0, "ISAReleaseDuration": 0, "ChangeFrequencyType": "first", "ChangeFrequencyDays": 0, "ChangeTime": "", "NextChangeDate": "",
            "WorkgroupID": 0, "ObjectID": "", "PasswordRuleID": 0, "MaxConcurrentRequests": 1, "LoginAccountFlag": False, "UseOwnCredentials": False}
    made = make(boss, system, **body)
    assert (made["DistinguishedName"], made["ReleaseDuration"], made["MaxReleaseDuration"], made["ISAReleaseDuration"], made["ChangeFrequencyDays"], made["ChangeTime"],
            made["WorkgroupID"], made["NextChangeDate"]) == (None, 120, 525600, 120, 30, "23:30", None, None)
    assert ok(boss.put(f"/ManagedAccounts/{made['ManagedAccountID']}", dict(body, AccountName=made["AccountName"], ChangeFrequencyType="")))["ChangeFrequencyType"] == "first"


BAD = [{"AccountName": None}, {"AccountName": ""}, {"AccountName": "  "}, {"AccountName": "x" * 246}, {"AccountName": "a\nb"}, {"Password": None}, {"Password": ""},
       {"Password": "a\nb"}, {"Password": "x" * 1025}, {"DomainName": "CORP"}, {"DistinguishedName": "x" * 1001}, {"UserPrincipalName": "x" * 501}, {"SAMAccountName": "x" * 21},
       {"Description": "x" * 1025}, {"PasswordRuleID": 987654}, {"ReleaseNotificationEmail": "x" * 256}, {"ReleaseDuration": 525601}, {"ReleaseDuration": -1},
       {"ReleaseDuration": 11, "MaxReleaseDuration": 10}, {"MaxReleaseDuration": 525601}, {"ISAReleaseDuration": 525601}, {"MaxConcurrentRequests": -1}, {"MaxConcurrentRequests": 1000},
       {"ChangeFrequencyType": "weekly"}, {"ChangeFrequencyType": "xdays", "ChangeFrequencyDays": 0}, {"ChangeFrequencyType": "xdays", "ChangeFrequencyDays": 1000},
       {"ChangeTime": "24:00"}, {"ChangeTime": "9:00"}, {"ChangeTime": "noon"}, {"NextChangeDate": "tomorrow", "AutoManagementFlag": True}, {"NextChangeDate": "2025-13-01"},
       {"WorkgroupID": 987654}, {"ApiEnabled": "perhaps"}, {"AutoManagementFlag": 2}]


@pytest.mark.parametrize("body", BAD, ids=lambda b: json.dumps(b)[:50])
def test_bad_accounts(boss, system, body):
    text = make(boss, system, 400, **body)
    assert any(name in text for name in body), text


@pytest.mark.parametrize("body", [body for body in BAD if "Password" not in body and body.get("AccountName", "x") not in (None, "", "  ")], ids=lambda b: json.dumps(b)[:50])
def test_bad_changes(boss, people, system, body):
    account = people.account(system)
    before = account.show()
    refused(boss.put(account.path, body), 400)
    assert account.show() == before


NOT_ENFORCED = ["LoginAccountFlag", "ChangeServicesFlag", "RestartServicesFlag", "ChangeTasksFlag", "ChangeIISAppPoolFlag",
                "RestartIISAppPoolFlag", "ChangeWindowsAutoLogonFlag", "ChangeComPlusFlag", "ChangeDComFlag", "ChangeSComFlag"]


@pytest.mark.parametrize("name", NOT_ENFORCED)
def test_switches_are_enforced_or_refused(boss, people, system, name):
    account = people.account(system)
    for value in (True, "true", 1):
        answer = boss.put(account.path, {name: value})
        if answer.status_code == 200:
            assert answer.json()[name] is True
            pytest.skip(f"{name} is enforced")
        refused(answer, 400, f"{name}: not supported")
    make(boss, system, 400, **{name: True})
    assert ok(boss.put(account.path, {name: False}))[name] is False and account.show()[name] is False


def test_several_problems_are_joined(boss, system):
    lines = make(boss, system, 400, AccountName="", ReleaseDuration=525601, ChangeTime="x", MaxConcurrentRequests=1000).split("\n")
    assert len(lines) >= 3 and all(re.match(r"[A-Za-z]+: ", line) for line in lines), lines


def test_the_same_name_twice(boss, people, system):
    account = people.account(system)
    assert TAKEN.search(make(boss, system, 409, AccountName=account.name.upper()))
    other = people.account(system)
    assert TAKEN.search(refused(boss.put(other.path, {"AccountName": account.name}), 409))
    assert make(boss, people.system(), AccountName=account.name)["AccountName"] == account.name  # unique per system only
    assert boss.delete(account.path).status_code == 200
    assert make(boss, system, AccountName=account.name)["ManagedAccountID"] != account.id


def test_secrets_are_never_shown(boss, people, system):
    account = people.account(system, Password="Canary-of-this-test-1!")
    for path in (account.path, f"/ManagedSystems/{system}/ManagedAccounts", "/ManagedAccounts", "/SmartRules"):
        text = boss.get(path).text
        assert "Canary" not in text and not re.search('"(Password|PrivateKey|Passphrase)":', text)


def test_the_longest_texts(boss, system):
    made = make(boss, system, AccountName=fresh("x" * 235), Description="ü" * 1024, DistinguishedName="d" * 1000, UserPrincipalName="u" * 500, SAMAccountName="s" * 20, ReleaseNotificationEmail="e" * 255)
    assert made["Description"] == "ü" * 1024


def test_the_date_of_the_next_change(boss, people, system):
    account = people.account(system, AutoManagementFlag=True, ChangeTime="04:05")
    for given in ("2099-02-03", "2099-02-03T17:00:00", "2099-02-03T17:00:00Z"):
        assert ok(boss.put(account.path, {"NextChangeDate": "2098-01-01"}))["NextChangeDate"] == "2098-01-01T04:05:00"
        assert ok(boss.put(account.path, {"NextChangeDate": given}))["NextChangeDate"] == "2099-02-03T04:05:00", given
    assert ok(boss.put(account.path, {"AutoManagementFlag": False}))["NextChangeDate"] is None
    first = ok(boss.put(account.path, {"AutoManagementFlag": True, "ChangeFrequencyType": "first"}))["NextChangeDate"]
    assert re.fullmatch(r"\d{4}-\d\d-01T04:05:00", first)
    last = ok(boss.put(account.path, {"ChangeFrequencyType": "LAST"}))
    assert last["ChangeFrequencyType"] == "last" and re.fullmatch(r"\d{4}-\d\d-(28|29|30|31)T04:05:00", last["NextChangeDate"])


def test_a_managed_account_without_a_password(boss, people, system, admin):
    """6.10.3: it has no credential until the first change, which is queued."""
    made = make(boss, system, Password=None, AutoManagementFlag=True, ApiEnabled=True)
    assert made["ChangeState"] in (1, 2)
    changes = [job for job in ok(admin.own("GET", f"/jobs?accountId={made['ManagedAccountID']}"))["items"] if job["kind"] == "change"]
    assert len(changes) == 1
    refused(boss.post("/ISARequests", {"SystemID": system, "AccountID": made["ManagedAccountID"]}), 404)


def test_put_with_a_password_stores_it(boss, people, system):
    account = people.account(system)
    ok(boss.put(account.path, {"Password": "Stored-by-put-1!"}))
    assert account.released() == "Stored-by-put-1!"
    ok(boss.put(account.path, {"Password": ""}))
    assert account.released() == "Stored-by-put-1!"


def test_deleting(boss, people):
    system = people.system()
    one, two, three = (people.account(system) for _ in range(3))
    assert boss.delete(f"/ManagedSystems/{system}/ManagedAccounts/{urllib.parse.quote(one.name.upper())}").status_code == 200
    refused(boss.delete(f"/ManagedSystems/{system}/ManagedAccounts/{one.name}"), 404, "Managed Account not found")
    assert boss.delete(f"/ManagedSystems/{system}/ManagedAccounts").status_code == 200
    assert ok(boss.get(f"/ManagedSystems/{system}/ManagedAccounts")) == []
    assert boss.delete(f"/ManagedSystems/{system}/ManagedAccounts").status_code == 200
    for account in (one, two, three):
        refused(boss.get(account.path), 404)


def test_deleting_drops_what_waits_in_the_queue(boss, people, admin):
    account = people.account()
    assert boss.post(account.path + "/Credentials/Change", {"Queue": True}).status_code == 204
    wait_for(lambda: ok(admin.own("GET", f"/jobs?accountId={account.id}"))["items"][0]["reason"])
    assert boss.delete(account.path).status_code == 200


def test_unknown_systems(boss):
    for path in ("/ManagedSystems/987654/ManagedAccounts", "/ManagedSystems/987654/ManagedAccounts?name=x", "/ManagedSystems/x/ManagedAccounts"):
        refused(boss.get(path), 404, "Managed System not found")
    refused(boss.post("/ManagedSystems/987654/ManagedAccounts", {}), 404, "Managed System not found")
    refused(boss.delete("/ManagedSystems/987654/ManagedAccounts"), 404, "Managed System not found")


def test_who_may(people, system):
    account = people.account(system)
    reader, nobody = people.person({AM: READ}), people.person({SM: WRITE})
    for path in (account.path, f"/ManagedSystems/{system}/ManagedAccounts"):
        assert reader.get(path).status_code == 200
        refused(nobody.get(path), 403, "4031")
        refused(nobody.get(path.replace(str(account.id), "987654")), 403, "4031")
    for method, path in (("POST", f"/ManagedSystems/{system}/ManagedAccounts"), ("PUT", account.path), ("DELETE", account.path), ("DELETE", f"/ManagedSystems/{system}/ManagedAccounts"),
                         ("DELETE", f"/ManagedSystems/{system}/ManagedAccounts/{account.name}")):
        refused(reader.call(method, path, {}), 403, "4031")
        refused(nobody.call(method, path, {}), 403, "4031")
    holder = people.holder(people.rule(account), ISA, MANAGER, BOTH)
    refused(holder.get(account.path), 403, "4031")


# -- what a requestor sees

@pytest.fixture(scope="module")
def seen(people):
    """A rule with two accounts, and a third beside it."""
    system = people.system(fresh("seen"))
    accounts = [people.account(system, Description="text") for _ in range(3)]
    return accounts, people.rule(*accounts[:2]), ok(people.boss.get(f"/ManagedSystems/{system}"))["SystemName"]


def test_the_requestable_model(people, seen):
    accounts, rule, system_name = seen
    client = people.holder(rule, REQUESTOR)
    row = ok(client.get(f"/ManagedAccounts?systemName={system_name}&accountName={accounts[0].name}"))
    assert list(row) == REQUESTABLE
    shown = accounts[0].show()
    assert row == {"PlatformID": 2, "SystemId": accounts[0].system, "SystemName": system_name, "InstanceName": None, "DomainName": None, "AccountId": accounts[0].id,
                   "AccountName": accounts[0].name, "UserPrincipalName": None, "AccountDescription": "text", "ApplicationID": None, "ApplicationDisplayName": None,
                   "MaximumReleaseDuration": 525600, "DefaultReleaseDuration": 120, "LastChangeDate": shown["LastChangeDate"], "NextChangeDate": None, "ChangeState": 0, "IsChanging": False,
                   "IsISAAccess": False, "PreferredNodeID": None, "TotpEnabled": False, "TotpParameters": None}
    assert ok(client.get("/ManagedAccounts"))[0] == row


def test_object_or_array(people, seen):
    accounts, rule, system_name = seen
    client = people.holder(rule, REQUESTOR)
    both = f"systemName={system_name.upper()}&accountName={accounts[0].name.upper()}"
    for more in ("", "&limit=1&offset=0", "&limit=10&offset=5", "&type=system", f"&systemID={accounts[0].system}"):
        assert ok(client.get(f"/ManagedAccounts?{both}{more}"))["AccountId"] == accounts[0].id
    for query in (f"systemName={system_name}", f"systemName={system_name}&accountName=", f"accountName={accounts[0].name}", f"systemID={accounts[0].system}&accountName={accounts[0].name}",
                  f"workgroupName=default+WORKGROUP&accountName={accounts[0].name}", "ipAddress=127.0.0.1&type=system", "type=recent", ""):
        rows = ok(client.get(f"/ManagedAccounts?{query}"))
        assert isinstance(rows, list) and accounts[0].id in [row["AccountId"] for row in rows], query
    for query in ("systemName=no-such", "accountName=no-such", "systemID=987654", "workgroupName=no-such", "ipAddress=10.9.9.9", "type=application", "type=database", "type=cloud", "type=domainlinked",
                  "applicationDisplayName=x&type=application"):
        assert ok(client.get(f"/ManagedAccounts?{query}")) == [], query
    for query in (f"systemName={system_name}&accountName=no-such", f"systemName=no-such&accountName={accounts[0].name}", f"systemName={system_name}&accountName={accounts[2].name}",
                  "type=domainlinked&accountName=CORP%5Calice"):
        refused(client.get(f"/ManagedAccounts?{query}"), 404, "Managed Account not found")
    refused(client.get("/ManagedAccounts?type=nonsense"), 400)
    refused(client.get("/ManagedAccounts?systemID=x"), 400)


@pytest.mark.parametrize("roles,sees,isa", [([REQUESTOR], True, False), ([BOTH], True, False), ([ISA], True, True), ([REQUESTOR, ISA], True, True), ([APPROVER], False, None),
                                            ([AUDITOR], False, None), ([MANAGER], False, None)], ids=str)
def test_roles_that_see(people, seen, roles, sees, isa):
    accounts, rule, _ = seen
    rows = ok(people.holder(rule, *roles).get("/ManagedAccounts"))
    assert [row["AccountId"] for row in rows] == ([account.id for account in accounts[:2]] if sees else [])
    assert all(row["IsISAAccess"] is isa for row in rows)


def test_features_do_not_show_them(people, seen):
    """A list for the list form, and never 403 (6.10.1)."""
    for permissions in ({AM: WRITE, SM: WRITE}, {}):
        assert ok(people.person(permissions).get("/ManagedAccounts")) == []
        refused(people.person(permissions).get("/ManagedAccounts?systemName=a&accountName=b"), 404, "Managed Account not found")


def test_only_what_is_enabled_for_the_api(people, seen):
    accounts, rule, _ = seen
    hidden = people.account(accounts[0].system, ApiEnabled=False)
    both = people.rule(hidden, accounts[0])
    client = people.holder(both, REQUESTOR)
    assert [row["AccountId"] for row in ok(client.get("/ManagedAccounts"))] == [accounts[0].id]
    assert hidden.id not in [row["AccountId"] for row in ok(people.boss.get("/ManagedAccounts"))]
    ok(people.boss.put(hidden.path, {"ApiEnabled": True}))
    assert hidden.id in [row["AccountId"] for row in ok(client.get("/ManagedAccounts"))]


def test_each_account_once(people, seen):
    """Through two rules and two groups."""
    accounts, rule, _ = seen
    client = people.holder(rule, REQUESTOR)
    people.give_role(client.group, people.rule(accounts[0]), [ISA])
    second = people.group()
    people.give_role(second, rule, [BOTH])
    people.join(client.id, second)
    rows = ok(client.get("/ManagedAccounts"))
    assert [(row["AccountId"], row["IsISAAccess"]) for row in rows] == [(accounts[0].id, True), (accounts[1].id, False)]
