"""Databases and directories, and what is managed on them (passwordsafe-api 6.4, 6.5, 6.9)."""
import json

import pytest

from passwordsafe_people import AM, AS, READ, SM, WRITE, People, fresh, recorded, refused
from support import ok

DATABASE = {"AssetID": 9, "DatabaseID": 4, "PlatformID": 10, "InstanceName": "orders", "IsDefaultInstance": False, "Port": 3306, "Version": "8.0", "Template": None}
DIRECTORY = {"DirectoryID": 1, "WorkgroupID": 1, "PlatformID": 25, "DomainName": "corp.example", "ForestName": "corp.example", "NetBiosName": "CORP", "UseSSL": True, "Port": None,
             "Timeout": 30, "Description": None, "ContactEmail": None, "PasswordRuleID": 0, "ReleaseDuration": 120, "MaxReleaseDuration": 525600, "ISAReleaseDuration": 120,
             "AccountNameFormat": 0, "AutoManagementFlag": True, "FunctionalAccountID": 2, "CheckPasswordFlag": False, "ChangePasswordAfterAnyReleaseFlag": False,
             "ResetPasswordOnMismatchFlag": False, "ChangeFrequencyType": "first", "ChangeFrequencyDays": 30, "ChangeTime": "23:30"}


@pytest.fixture(scope="module")
def people(server):
    return People(server)


@pytest.fixture(scope="module")
def boss(people):
    return people.boss


def make_asset(boss, name=None):
    return ok(boss.post("/Workgroups/1/Assets", {"IPAddress": "10.0.0.5", "AssetName": name or fresh("db")}), 201)["AssetID"]


def make_database(boss, asset=None, **more):
    return ok(boss.post(f"/Assets/{asset or make_asset(boss)}/Databases", dict({"PlatformID": 79, "InstanceName": fresh("d")}, **more)), 201)


def functional(boss, platform, **more):
    body = {"PlatformID": platform, "AccountName": "svc", "DisplayName": fresh("f"), "Password": "x"}
    return ok(boss.post("/FunctionalAccounts", dict(body, **more)), 201)["FunctionalAccountID"]


# -- databases

def test_the_example_of_a_database(server, boss):
    asset = make_asset(boss)
    made = ok(boss.post(f"/Assets/{asset}/Databases", {"PlatformID": 10, "InstanceName": "orders", "IsDefaultInstance": False, "Port": 3306, "Version": "8.0"}), 201)
    assert list(made.items()) == list(dict(DATABASE, AssetID=asset, DatabaseID=made["DatabaseID"]).items())
    one = f"/Databases/{made['DatabaseID']}"
    assert ok(boss.get(one)) == made and made in ok(boss.get("/Databases")) and ok(boss.get(f"/Assets/{asset}/Databases")) == [made]
    assert ok(boss.put(one, {"Version": "8.1"})) == dict(made, Version="8.1") and ok(boss.put(one, {"Version": "8.0"})) == made
    refused(boss.post(f"/Assets/{asset}/Databases", {"PlatformID": 10, "InstanceName": "ORDERS"}), 409)
    refused(boss.delete(f"/Assets/{asset}"), 409, "The asset has a Database; delete that first")
    assert boss.delete(one).status_code == 200
    refused(boss.get(one), 404, "Database not found")
    assert [what for what, _, _ in recorded(server, "database", made["DatabaseID"])] == ["database.create", "database.update", "database.update", "database.delete", "read.refused"]
    assert boss.delete(f"/Assets/{asset}").status_code == 200


@pytest.mark.parametrize("body", [{"PlatformID": None}, {"PlatformID": 2}, {"PlatformID": 1001}, {"PlatformID": 987654}, {"InstanceName": ""}, {"InstanceName": "x" * 101},
                                  {"InstanceName": "a\u0007b"}, {"Port": 65536}, {"Port": -1}, {"Version": "x" * 21}], ids=json.dumps)
def test_bad_databases(boss, body):
    asset = make_asset(boss)
    assert list(body)[0] in refused(boss.post(f"/Assets/{asset}/Databases", dict({"PlatformID": 79, "InstanceName": "d"}, **body)), 400)
    assert ok(boss.get(f"/Assets/{asset}/Databases")) == []


def test_a_managed_database(boss):
    asset, name = make_asset(boss), None
    name = ok(boss.get(f"/Assets/{asset}"))["AssetName"]
    own = ok(boss.post(f"/Assets/{asset}/ManagedSystems", {"PlatformID": 2}), 201)
    database = make_database(boss, asset, PlatformID=10, InstanceName="orders")
    path = f"/Databases/{database['DatabaseID']}/ManagedSystems"
    refused(boss.get(path), 404)
    body = {"ContactEmail": "dba@corp.example", "Timeout": 30, "PasswordRuleID": 0, "ReleaseDuration": 120, "MaxReleaseDuration": 525600, "ISAReleaseDuration": 120,
            "AutoManagementFlag": True, "FunctionalAccountID": functional(boss, 10), "ChangeFrequencyType": "first", "ChangeTime": "23:30"}
    made = ok(boss.post(path, body), 201)
    wanted = {"EntityTypeID": 2, "DatabaseID": database["DatabaseID"], "AssetID": asset, "DirectoryID": None, "PlatformID": 10, "SystemName": f"{name}\\orders", "HostName": name,
              "InstanceName": "orders", "IsDefaultInstance": False, "Port": 3306, "IPAddress": "10.0.0.5", "ContactEmail": "dba@corp.example", "UseSSL": None}
    assert {key: made[key] for key in wanted} == wanted
    one = f"/ManagedSystems/{made['ManagedSystemID']}"
    assert ok(boss.get(one)) == made == ok(boss.get(path)) and ok(boss.get(f"/Assets/{asset}/ManagedSystems")) == own
    assert made in ok(boss.get("/ManagedSystems?type=2")) and made not in ok(boss.get("/ManagedSystems?type=1")) and made in ok(boss.get("/ManagedSystems"))
    assert ok(boss.post(path, {"Timeout": 7}), 200) == dict(made, Timeout=7)
    assert ok(boss.put(one, dict(made, Timeout=8))) == dict(made, Timeout=8)
    for wrong in ({"Port": 3307}, {"InstanceName": "other"}, {"PlatformID": 79}):
        assert "PUT Databases" in refused(boss.put(one, wrong), 400)
    ok(boss.put(f"/Databases/{database['DatabaseID']}", {"Port": 3307, "InstanceName": "stock"}))
    assert [ok(boss.get(one))[key] for key in ("Port", "InstanceName", "SystemName")] == [3307, "stock", f"{name}\\stock"]
    assert "PlatformID" in refused(boss.put(f"/Databases/{database['DatabaseID']}", {"PlatformID": 79}), 400)
    refused(boss.delete(f"/Databases/{database['DatabaseID']}"), 409)
    assert boss.delete(one).status_code == 200 and boss.delete(f"/Databases/{database['DatabaseID']}").status_code == 200


def test_a_database_in_one_step(boss):
    name = fresh("one")
    body = {"EntityTypeID": 2, "HostName": name, "IPAddress": "10.0.0.7", "PlatformID": 79, "InstanceName": "app", "Port": 5433}
    made = ok(boss.post("/Workgroups/1/ManagedSystems", body), 201)
    assert (made["EntityTypeID"], made["SystemName"], made["Port"], made["IPAddress"]) == (2, f"{name}\\app", 5433, "10.0.0.7")
    assert ok(boss.get(f"/Workgroups/1/Assets?name={name}"))["AssetID"] == made["AssetID"]
    refused(boss.post("/Workgroups/1/ManagedSystems", body), 409)
    second = ok(boss.post("/Workgroups/1/ManagedSystems", dict(body, InstanceName=None, IsDefaultInstance=True, Port=None)), 201)  # on the same machine
    assert second["AssetID"] == made["AssetID"] and (second["SystemName"], second["Port"]) == (f"{name}\\PostgreSQL", 5432)
    third = ok(boss.post("/Workgroups/1/ManagedSystems", dict(body, InstanceName=None, IsDefaultInstance=True, Port=5434)), 201)
    assert third["SystemName"] == f"{name}\\PostgreSQL:5434"


@pytest.mark.parametrize("entity, body", [(2, {"PlatformID": 2}), (2, {"PlatformID": 25}), (2, {"InstanceName": None}), (2, {"Port": 70000}), (2, {"IPAddress": "nonsense"}), (2, {"HostName": ""}),
                                          (2, {"PlatformID": None}), (3, {"PlatformID": 79}), (3, {"PlatformID": 25}), (3, {"IPAddress": "nonsense"}), (3, {"AutoManagementFlag": True})])
def test_bad_ones_in_one_step_leave_nothing(boss, entity, body):
    name = fresh("bad")
    good = {"EntityTypeID": entity, "HostName": name, "IPAddress": "10.0.0.7", "PlatformID": 79 if entity == 2 else 1001, "InstanceName": "app"}
    refused(boss.post("/Workgroups/1/ManagedSystems", dict(good, **body)), 400)
    refused(boss.get(f"/Workgroups/1/Assets?name={name}"), 404)
    assert name not in {row["DomainName"] for row in ok(boss.get("/Directories"))}


def test_places_are_no_assets(boss):
    """A database and a directory have a row among the assets, which no call on assets shows."""
    database = make_database(boss)
    before = {row["AssetID"] for row in ok(boss.get("/Workgroups/1/Assets"))}
    ok(boss.post("/Workgroups/1/Directories", {"PlatformID": 1001, "DomainName": fresh("dom")}), 201)
    assert {row["AssetID"] for row in ok(boss.get("/Workgroups/1/Assets"))} == before
    for hidden in set(range(1, max(before) + 8)) - before:
        refused(boss.get(f"/Assets/{hidden}"), 404)
        refused(boss.delete(f"/Assets/{hidden}"), 404)
        refused(boss.post(f"/Assets/{hidden}/Databases", {"PlatformID": 79, "IsDefaultInstance": True}), 404)
    everything = next(row["SmartRuleID"] for row in ok(boss.get("/SmartRules")) if row["RuleType"] == "Asset")
    assert {row["AssetID"] for row in ok(boss.get(f"/SmartRules/{everything}/Assets"))} >= before
    assert all(row["AssetName"] for row in ok(boss.get(f"/SmartRules/{everything}/Assets")))
    assert ok(boss.get(f"/Databases/{database['DatabaseID']}")) == database


# -- directories

def test_the_example_of_a_directory(server, boss):
    number = functional(boss, 25, DomainName="corp.example")
    body = {"PlatformID": 25, "DomainName": fresh("corp"), "ForestName": "corp.example", "NetBiosName": "CORP", "UseSSL": True, "AutoManagementFlag": True,
            "FunctionalAccountID": number, "ChangeFrequencyType": "first", "ChangeTime": "23:30"}
    made = ok(boss.post("/Workgroups/1/Directories", body), 201)
    assert list(made.items()) == list(dict(DIRECTORY, DirectoryID=made["DirectoryID"], DomainName=body["DomainName"], FunctionalAccountID=number).items())
    one = f"/Directories/{made['DirectoryID']}"
    assert ok(boss.get(one)) == made and made in ok(boss.get("/Directories"))
    assert ok(boss.put(one, {"Timeout": 9, "AccountNameFormat": 2, "Port": 637, "CheckPasswordFlag": True})) == dict(made, Timeout=9, AccountNameFormat=2, Port=637, CheckPasswordFlag=True)
    refused(boss.post("/Workgroups/1/Directories", dict(body, DomainName=body["DomainName"].upper())), 409)
    refused(boss.delete(f"/FunctionalAccounts/{number}"), 400, "The Functional Account is used by a directory")
    assert boss.delete(one).status_code == 200
    refused(boss.get(one), 404, "Directory not found")
    assert [what for what, _, _ in recorded(server, "directory", made["DirectoryID"])] == ["directory.create", "directory.update", "directory.delete", "read.refused"]


@pytest.mark.parametrize("body", [{"PlatformID": None}, {"PlatformID": 79}, {"DomainName": ""}, {"DomainName": "x" * 51}, {"ForestName": ""}, {"NetBiosName": ""}, {"NetBiosName": "x" * 16},
                                  {"AccountNameFormat": 3}, {"Port": 65536}, {"Timeout": 301}, {"AutoManagementFlag": True}, {"PasswordRuleID": 987654},
                                  {"ReleaseDuration": 200, "MaxReleaseDuration": 100}], ids=json.dumps)
def test_bad_directories(boss, body):
    good = {"PlatformID": 25, "DomainName": fresh("dom"), "ForestName": "f", "NetBiosName": "N"}
    before = ok(boss.get("/Directories"))
    text = refused(boss.post("/Workgroups/1/Directories", dict(good, **body)), 400)
    assert list(body)[0] in text or "FunctionalAccountID" in text
    assert ok(boss.get("/Directories")) == before


def test_a_managed_directory(boss):
    domain = fresh("dom") + ".example"
    directory = ok(boss.post("/Workgroups/1/Directories", {"PlatformID": 1001, "DomainName": domain, "Timeout": 11, "ReleaseDuration": 60, "Port": 1636}), 201)
    path = f"/Directories/{directory['DirectoryID']}/ManagedSystems"
    refused(boss.get(path), 404)
    made = ok(boss.post(path, {"ReleaseDuration": 70}), 201)
    wanted = {"EntityTypeID": 3, "DirectoryID": directory["DirectoryID"], "AssetID": None, "DatabaseID": None, "PlatformID": 1001, "SystemName": domain, "HostName": domain, "Timeout": 11,
              "ReleaseDuration": 70, "Port": 1636, "UseSSL": False, "InstanceName": None, "IsDefaultInstance": None}
    assert {key: made[key] for key in wanted} == wanted
    one = f"/ManagedSystems/{made['ManagedSystemID']}"
    assert ok(boss.get(path)) == made and made in ok(boss.get("/ManagedSystems?type=3"))
    assert ok(boss.post(path, {"DnsName": "dc1.example"}), 200)["DnsName"] == "dc1.example"
    changed = ok(boss.put(one, {"Port": 1637, "IPAddress": "10.0.0.8"}))
    assert (changed["Port"], changed["IPAddress"]) == (1637, "10.0.0.8")
    assert "HostName" in refused(boss.put(one, {"HostName": "other"}), 400) and "ForestName" in refused(boss.put(one, {"ForestName": "other"}), 400)
    assert "DomainName" in refused(boss.put(f"/Directories/{directory['DirectoryID']}", {"DomainName": "other"}), 400)
    refused(boss.delete(f"/Directories/{directory['DirectoryID']}"), 409)
    assert boss.delete(one).status_code == 200 and boss.delete(f"/Directories/{directory['DirectoryID']}").status_code == 200


# -- accounts

def account_on(boss, system, status=201, **body):
    return boss.post(f"/ManagedSystems/{system}/ManagedAccounts", dict({"AccountName": "alice", "Password": "x", "ApiEnabled": True}, **body)) if status != 201 else ok(
        boss.post(f"/ManagedSystems/{system}/ManagedAccounts", dict({"AccountName": "alice", "Password": "x", "ApiEnabled": True}, **body)), 201)


def system_of(boss, entity, platform, **more):
    body = {"EntityTypeID": entity, "HostName": fresh("s") + ".example", "IPAddress": "10.0.0.7", "PlatformID": platform, "ForestName": "f", "NetBiosName": "N", "IsDefaultInstance": True}
    return ok(boss.post("/Workgroups/1/ManagedSystems", dict(body, **more)), 201)


def test_names_of_accounts_in_directories(boss):
    ldap, domain = (system_of(boss, 3, platform)["ManagedSystemID"] for platform in (1001, 25))
    assert "DistinguishedName" in refused(account_on(boss, ldap, 400), 400)
    assert "DistinguishedName" in refused(account_on(boss, ldap, 400, DistinguishedName="alice"), 400)
    made = account_on(boss, ldap, AccountName="Jürgen O'Brien (x)", DistinguishedName="cn=Jürgen,dc=example")
    assert made["DistinguishedName"] == "cn=Jürgen,dc=example" and ok(boss.get(f"/ManagedAccounts/{made['ManagedAccountID']}")) == made
    assert "SAMAccountName" in refused(account_on(boss, domain, 400, AccountName="alice@corp.example"), 400)
    for bad in ("a|b", "a:b", "a/b", "CORP\\"):
        assert "AccountName" in refused(account_on(boss, domain, 400, AccountName=bad), 400)
    made = account_on(boss, domain, AccountName="alice@corp.example", SAMAccountName="alice1", UserPrincipalName="alice@corp.example", DomainName="corp.example")
    assert [made[key] for key in ("SAMAccountName", "UserPrincipalName", "DomainName")] == ["alice1", "alice@corp.example", "corp.example"]
    assert account_on(boss, domain, AccountName="CORP\\bob")["AccountName"] == "CORP\\bob"


def test_names_of_accounts_in_databases(boss):
    postgresql, mysql = (system_of(boss, 2, platform)["ManagedSystemID"] for platform in (79, 10))
    for name in ("Big Boss", "o'brien", "ünï-cødé", "x" * 63):
        assert account_on(boss, postgresql, AccountName=name)["AccountName"] == name
    assert "AccountName" in refused(account_on(boss, postgresql, 400, AccountName="ü" * 32), 400)
    assert account_on(boss, mysql, AccountName="app@10.0.%")["AccountName"] == "app@10.0.%"


def test_what_a_requestor_sees_of_a_database(boss):
    made = system_of(boss, 2, 79, IsDefaultInstance=False, InstanceName="payroll")
    account = account_on(boss, made["ManagedSystemID"], AccountName=fresh("payer"))
    found = [row for row in ok(boss.get("/ManagedAccounts?type=database")) if row["AccountId"] == account["ManagedAccountID"]]
    assert [(row["SystemName"], row["InstanceName"], row["PlatformID"]) for row in found] == [(made["SystemName"], "payroll", 79)]
    assert account["ManagedAccountID"] not in {row["AccountId"] for row in ok(boss.get("/ManagedAccounts?type=system"))}
    assert account["ManagedAccountID"] in {row["AccountId"] for row in ok(boss.get("/ManagedAccounts"))}


def test_credentials_by_the_assets_name(boss):
    """5.2: the asset's own system first; one database that has the account; several are an error."""
    name = fresh("both")
    asset = make_asset(boss, name)
    own = ok(boss.post(f"/Assets/{asset}/ManagedSystems", {"PlatformID": 2}), 201)["ManagedSystemID"]
    systems = [ok(boss.post(f"/Databases/{make_database(boss, asset)['DatabaseID']}/ManagedSystems", {}), 201)["ManagedSystemID"] for _ in range(2)]

    def put(account):
        return boss.put(f"/Credentials?workgroupName=Default%20Workgroup&assetName={name}&accountName={account}", {"Password": "Stored-1!", "UpdateSystem": False})

    refused(put("dba"), 404, "Managed Account not found")
    first = account_on(boss, systems[0], AccountName="dba")["ManagedAccountID"]
    assert put("dba").status_code == 204
    account_on(boss, systems[1], AccountName="dba")
    assert "databases" in refused(put("DBA"), 400)
    account_on(boss, own, AccountName="dba")
    assert put("dba").status_code == 204
    assert first


# -- who may

def test_who_may_on_databases_and_directories(people, boss):
    database = make_database(boss)
    directory = ok(boss.post("/Workgroups/1/Directories", {"PlatformID": 1001, "DomainName": fresh("dom")}), 201)["DirectoryID"]
    one = f"/Databases/{database['DatabaseID']}"
    for feature, reads, writes in (
            (AS, ["/Databases", one, f"/Assets/{database['AssetID']}/Databases"], [("POST", f"/Assets/{database['AssetID']}/Databases"), ("PUT", one), ("DELETE", one)]),
            (SM, ["/Directories", f"/Directories/{directory}"], [("POST", "/Workgroups/1/Directories"), ("PUT", f"/Directories/{directory}"), ("DELETE", f"/Directories/{directory}"),
                                                                 ("POST", f"{one}/ManagedSystems"), ("POST", f"/Directories/{directory}/ManagedSystems")])):
        reader, nobody = people.person({feature: READ}), people.person({AM: WRITE, SM if feature == AS else AS: WRITE})
        for path in reads:
            assert reader.get(path).status_code == 200
            refused(nobody.get(path), 403, "4031")
        for method, path in writes:
            refused(reader.call(method, path, {}), 403, "4031")
            refused(nobody.call(method, path, {}), 403, "4031")


def test_another_port_needs_system_management(people, boss):
    """8.5: a functional account's password goes there."""
    asset = make_asset(boss)
    writer, both = people.person({AS: WRITE}), people.person({AS: WRITE, SM: WRITE})
    new = {"PlatformID": 10, "InstanceName": "a"}
    refused(writer.post(f"/Assets/{asset}/Databases", dict(new, Port=4444)), 403, "4031")
    made = ok(writer.post(f"/Assets/{asset}/Databases", dict(new, Port=3306)), 201)
    one = f"/Databases/{made['DatabaseID']}"
    refused(writer.put(one, {"Port": 4444}), 403, "4031")
    assert ok(boss.get(one)) == made
    moved = ok(both.put(one, {"Port": 4444}))
    assert moved["Port"] == 4444
    assert ok(writer.put(one, dict(moved, Version="8")))["Version"] == "8"  # the port as it was
    assert ok(writer.put(one, {"Port": 3306}))["Port"] == 3306
