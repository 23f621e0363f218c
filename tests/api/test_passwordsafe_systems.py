"""tests/api/test_passwordsafe_systems.py: organizations, workgroups, assets, platforms, functional accounts, managed systems (passwordsafe-api 6.1 to 6.9, 6.12, 6.13)."""
import json
import re

import pytest
from passwordsafe_people import AM, AS, CM, PM, READ, SM, WRITE, People, fresh, refused
from support import ok

TAKEN = re.compile("already|exist|duplicate")
ASSET = {"WorkgroupID": 1, "AssetID": 0, "AssetName": "web01", "DnsName": "web01.corp.example", "DomainName": "corp.example", "IPAddress": "10.0.0.5", "MacAddress": None, "AssetType": "Server",
         "OperatingSystem": "Debian 12", "CreateDate": "", "LastUpdateDate": "", "Description": None}
SYSTEM = {"ManagedSystemID": 5, "EntityTypeID": 1, "AssetID": 9, "DatabaseID": None, "DirectoryID": None, "CloudID": None, "WorkgroupID": 1, "HostName": "web01",
          "DnsName": "web01.corp.example", "IPAddress": "10.0.0.5", "InstanceName": None, "IsDefaultInstance": None, "Template": None, "ForestName": None, "UseSSL": None,
          "OracleInternetDirectoryID": None, "OracleInternetDirectoryServiceName": None, "SystemName": "web01", "PlatformID": 2, "NetBiosName": None, "Port": 22, "Timeout": 30,
          "Description": "", "ContactEmail": "", "PasswordRuleID": 0, "DSSKeyRuleID": 0, "ReleaseDuration": 120, "MaxReleaseDuration": 525600, "ISAReleaseDuration": 120,
          "AutoManagementFlag": True, "FunctionalAccountID": 2, "LoginAccountID": None, "ElevationCommand": "sudo", "SshKeyEnforcementMode": 0, "CheckPasswordFlag": False,
          "ChangePasswordAfterAnyReleaseFlag": False, "ResetPasswordOnMismatchFlag": False, "ChangeFrequencyType": "xdays", "ChangeFrequencyDays": 30, "ChangeTime": "02:00",
          "AccountNameFormat": 0, "RemoteClientType": "None", "ApplicationHostID": None, "IsApplicationHost": False, "AccessURL": None}


@pytest.fixture(scope="module")
def people(server):
    return People(server)


@pytest.fixture(scope="module")
def boss(people):
    return people.boss


def make_asset(boss, **more):
    return ok(boss.post("/Workgroups/1/Assets", dict({"IPAddress": "10.0.0.5", "AssetName": fresh("asset")}, **more)), 201)


def test_organizations(boss, people):
    rows = ok(boss.get("/Organizations"))
    assert [list(row) for row in rows] == [["OrganizationID", "Name", "IsActive"]]
    assert re.fullmatch(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", rows[0]["OrganizationID"]) and rows[0]["Name"] == "Default Organization" and rows[0]["IsActive"] is True
    assert ok(boss.get(f"/Organizations/{rows[0]['OrganizationID']}")) == ok(boss.get("/Organizations?name=default+organization")) == rows[0]
    refused(boss.get("/Organizations/e4c8a1de-0000-4000-8000-000000000009"), 404)
    assert people.person().get("/Organizations").status_code == 200


# -- workgroups

def test_workgroups(boss):
    first = ok(boss.get("/Workgroups"))[0]
    assert list(first) == ["OrganizationID", "ID", "Name"] and (first["ID"], first["Name"]) == (1, "Default Workgroup")
    for path in ("/Workgroups/1", "/Workgroups/Default%20Workgroup", "/Workgroups/DEFAULT%20WORKGROUP", "/Workgroups?name=default+workgroup"):
        assert ok(boss.get(path)) == first
    name = fresh("wg")
    made = ok(boss.post("/Workgroups", {"Name": name, "OrganizationID": first["OrganizationID"].upper()}), 201)
    assert list(made) == list(first) and made["Name"] == name
    assert TAKEN.search(refused(boss.post("/Workgroups", {"Name": name.upper()}), 409))
    for body in ({}, {"Name": ""}, {"Name": None}, {"Name": " "}, {"Name": "x" * 257}, {"Name": []}, {"Name": "a\nb"}, {"Name": "y", "OrganizationID": "e4c8a1de-0000-4000-8000-000000000009"}):
        refused(boss.post("/Workgroups", body), 400)
    for path in ("/Workgroups/987654", "/Workgroups/no-such", "/Workgroups?name=no-such"):
        refused(boss.get(path), 404, "Workgroup not found")
    digits = fresh("2")  # a segment of digits only is an id
    numbered = ok(boss.post("/Workgroups", {"Name": f"9{digits}77"}), 201)
    refused(boss.get(f"/Workgroups/{numbered['Name']}"), 404)
    assert ok(boss.get(f"/Workgroups?name={numbered['Name']}")) == numbered


# -- assets

def test_the_example_of_an_asset(boss):
    name = fresh("web")
    body = {"IPAddress": "10.0.0.5", "AssetName": name, "DnsName": "web01.corp.example", "DomainName": "corp.example", "MacAddress": None, "AssetType": "Server", "OperatingSystem": "Debian 12"}
    made = ok(boss.post("/Workgroups/1/Assets", body), 201)
    assert list(made) == list(ASSET) and made["CreateDate"] == made["LastUpdateDate"]
    assert made == dict(ASSET, AssetName=name, **{key: made[key] for key in ("AssetID", "CreateDate", "LastUpdateDate")})
    for path in (f"/Assets/{made['AssetID']}", f"/Workgroups/1/Assets?name={name.upper()}", f"/Workgroups/default%20workgroup/Assets?name={name}"):
        assert ok(boss.get(path)) == made
    assert made in ok(boss.get("/Workgroups/1/Assets"))
    changed = ok(boss.put(f"/Assets/{made['AssetID']}?version=3.1", {"Description": "new", "DnsName": ""}))
    assert changed == dict(made, Description="new", DnsName=None, LastUpdateDate=changed["LastUpdateDate"]) and changed["LastUpdateDate"] > made["LastUpdateDate"]
    answer = boss.delete(f"/Assets/{made['AssetID']}")
    assert (answer.status_code, answer.content) == (200, b"")
    refused(boss.get(f"/Assets/{made['AssetID']}"), 404, "Asset not found")


def test_an_asset_without_a_name(boss):
    assert make_asset(boss, AssetName=None, IPAddress="10.0.0.7")["AssetName"] == "010.000.000.007"
    assert make_asset(boss, IPAddress="2001:DB8::1")["IPAddress"]


@pytest.mark.parametrize("body", [{"IPAddress": None}, {"IPAddress": ""}, {"IPAddress": "nonsense"}, {"IPAddress": "256.0.0.1"}, {"IPAddress": "10.0.0.5/24"}, {"AssetName": "x" * 129},
                                  {"DnsName": "x" * 256}, {"DomainName": "x" * 65}, {"MacAddress": "x" * 129}, {"AssetType": "x" * 65}, {"Description": "x" * 256},
                                  {"OperatingSystem": "x" * 256}, {"AssetName": "a\nb"}, {"DnsName": "a\nb"}], ids=lambda b: json.dumps(b)[:40])
def test_bad_assets(boss, body):
    text = refused(boss.post("/Workgroups/1/Assets", dict({"IPAddress": "10.0.0.5", "AssetName": fresh("bad")}, **body)), 400)
    assert text.startswith(list(body)[0] + ": "), text


def test_the_longest_texts_of_an_asset(boss):
    made = make_asset(boss, AssetName=fresh("x" * 120), DnsName="d" * 255, DomainName="d" * 64, MacAddress="m" * 128, AssetType="t" * 64, Description="ü" * 255, OperatingSystem="o" * 255)
    assert made["Description"] == "ü" * 255


def test_the_same_asset_twice(boss):
    made = make_asset(boss)
    assert TAKEN.search(refused(boss.post("/Workgroups/1/Assets", {"IPAddress": "10.0.0.6", "AssetName": made["AssetName"].upper()}), 409))
    other = ok(boss.post("/Workgroups", {"Name": fresh("wg")}), 201)["ID"]
    ok(boss.post(f"/Workgroups/{other}/Assets", {"IPAddress": "10.0.0.6", "AssetName": made["AssetName"]}), 201)


def test_search(boss):
    name, domain = fresh("found"), fresh("domain") + ".example"
    made = make_asset(boss, AssetName=name, DomainName=domain, DnsName="a." + domain)
    assert ok(boss.post("/Assets/Search", {"DomainName": domain.upper()})) == [made]
    assert ok(boss.post("/Assets/Search", {"DomainName": domain, "AssetName": name})) == [made]
    assert ok(boss.post("/Assets/Search", {"DomainName": domain, "AssetName": "other"})) == []
    for body in ({}, {"AssetName": ""}, {"Other": "x"}):
        refused(boss.post("/Assets/Search", body), 400)


def test_deleting_by_name_and_while_managed(boss, people):
    made = make_asset(boss)
    refused(boss.delete("/Workgroups/1/Assets"), 400)
    refused(boss.delete("/Workgroups/1/Assets?name=no-such"), 404, "Asset not found")
    assert boss.delete(f"/Workgroups/Default%20Workgroup/Assets?name={made['AssetName']}").status_code == 200
    system = ok(boss.get(f"/ManagedSystems/{people.system()}"))
    refused(boss.delete(f"/Assets/{system['AssetID']}"), 409)


# -- platforms

def test_platforms(boss, people):
    expected = {"PlatformID": 2, "Name": "Linux", "ShortName": "Linux", "PortFlag": True, "DefaultPort": 22, "SupportsElevationFlag": True, "DomainNameFlag": False,
                "AutoManagementFlag": True, "DSSAutoManagementFlag": True, "ManageableFlag": True, "DSSFlag": True, "LoginAccountFlag": True, "DefaultSessionType": "SSH",
                "ApplicationHostFlag": False, "RequiresApplicationHost": False, "RequiresTenantID": False, "RequiresObjectID": False, "RequiresSecret": False}
    expected["LoginAccountFlag"] = False  # LoginAccountID is refused (6): a platform does not promise it
    linux = ok(people.person().get("/Platforms/2"))
    assert list(linux)[:len(expected)] == list(expected) and {key: linux[key] for key in expected} == expected
    rows = ok(boss.get("/Platforms"))
    assert linux in rows and {1, 2, 4, 8, 10, 11, 25, 46, 79} <= {row["PlatformID"] for row in rows}
    assert linux in ok(boss.get("/EntityTypes/1/Platforms")) and linux not in ok(boss.get("/EntityTypes/2/Platforms"))
    assert [row["EntityTypeID"] for row in ok(boss.get("/EntityTypes"))][:2] == [0, 1] or ok(boss.get("/EntityTypes"))[0]["EntityTypeID"] == 1
    for path in ("/Platforms/987654", "/Platforms/x", "/EntityTypes/99/Platforms"):
        refused(boss.get(path), 404)


def test_password_and_key_rules(boss, people):
    rule = ok(boss.get("/PasswordRules/0"))
    assert list(rule) == ["PasswordRuleID", "Name", "Description", "MinimumLength", "MaximumLength", "FirstCharacterRequirement", "LowercaseRequirement", "UppercaseRequirement",
                          "NumericRequirement", "SymbolRequirement", "ValidLowercaseCharacters", "ValidUppercaseCharacters", "ValidSymbols", "EnabledProducts"]
    assert (rule["Name"], rule["MinimumLength"], rule["MaximumLength"], rule["FirstCharacterRequirement"], rule["SymbolRequirement"], rule["EnabledProducts"]) == (
        "Default Password Policy", 12, 20, "C", "P", 3)
    assert not set("\"'\\: $") & set(rule["ValidSymbols"] or [])
    assert rule in ok(boss.get("/PasswordRules")) and rule in ok(boss.get("/PasswordRules?enabledproducts=1"))
    refused(boss.get("/PasswordRules?enabledproducts=nonsense"), 400)
    refused(boss.get("/PasswordRules/987654"), 404)
    key = ok(boss.get("/DSSKeyRules/0"))
    assert list(key) == ["DSSKeyRuleID", "Name", "Description", "KeyType", "KeySize", "EncryptionType", "PasswordRuleID"] and key["DSSKeyRuleID"] == 0
    assert people.person({PM: READ}).get("/DSSKeyRules").status_code == people.person({SM: READ}).get("/DSSKeyRules/0").status_code == 200
    refused(people.person({AM: WRITE}).get("/DSSKeyRules"), 403, "4031")
    refused(people.person({PM: WRITE}).get("/PasswordRules"), 403, "4031")


# -- functional accounts

def test_functional_accounts(boss):
    name = fresh("svc-vault linux")
    made = ok(boss.post("/FunctionalAccounts", {"PlatformID": 2, "AccountName": "svc-vault", "DisplayName": name, "Password": "x", "ElevationCommand": "sudo", "Description": "rotates linux"}), 201)
    assert list(made.items()) == [("FunctionalAccountID", made["FunctionalAccountID"]), ("PlatformID", 2), ("DomainName", None), ("AccountName", "svc-vault"), ("DisplayName", name),
                                  ("Description", "rotates linux"), ("ElevationCommand", "sudo"), ("SystemReferenceCount", 0), ("TenantID", None), ("ObjectID", None), ("AzureInstance", None)]
    path = f"/FunctionalAccounts/{made['FunctionalAccountID']}"
    assert ok(boss.get(path)) == made and made in ok(boss.get("/FunctionalAccounts"))
    assert TAKEN.search(refused(boss.post("/FunctionalAccounts", {"PlatformID": 2, "AccountName": "other", "DisplayName": name.upper(), "Password": "x"}), 409))
    ok(boss.post("/FunctionalAccounts", {"PlatformID": 1, "AccountName": "other", "DisplayName": name, "Password": "x"}), 201)  # unique per platform
    system = ok(boss.post("/Workgroups/1/ManagedSystems", {"EntityTypeID": 1, "HostName": fresh("h"), "IPAddress": "10.0.0.5", "PlatformID": 2, "AutoManagementFlag": True,
                                                           "FunctionalAccountID": made["FunctionalAccountID"]}), 201)
    assert ok(boss.get(path))["SystemReferenceCount"] == 1
    assert ok(boss.get(path + "/ManagedSystems")) == [system] and ok(boss.get(path + "/ManagedSystems?limit=1")) == {"TotalCount": 1, "Data": [system]}
    refused(boss.delete(path), 400)
    assert boss.delete(f"/ManagedSystems/{system['ManagedSystemID']}").status_code == 200
    assert boss.delete(path).status_code == 200
    refused(boss.get(path), 404, "Functional Account not found")


@pytest.mark.parametrize("body", [{"PlatformID": None}, {"PlatformID": 987654}, {"AccountName": ""}, {"AccountName": "x" * 246}, {"DisplayName": "x" * 101}, {"Password": None}, {"Password": ""},
                                  {"Description": "x" * 1001}, {"ElevationCommand": "su"}, {"ElevationCommand": "sudo rm"}, {"DomainName": "CORP"}, {"PrivateKey": "nonsense"},
                                  {"PlatformID": 1, "ElevationCommand": "sudo"}, {"Password": "a\nb"}, {"AccountName": "a\nb"}, {"DisplayName": "a\rb"}], ids=json.dumps)
def test_bad_functional_accounts(boss, body):
    refused(boss.post("/FunctionalAccounts", dict({"PlatformID": 2, "AccountName": "svc", "DisplayName": fresh("f"), "Password": "x"}, **body)), 400)


def test_who_may_on_functional_accounts(people):
    made = people.functional()
    body = {"PlatformID": 2, "AccountName": "svc", "Password": "x"}
    for feature in (AM, CM):
        reader, writer = people.person({feature: READ}), people.person({feature: WRITE})
        assert reader.get("/FunctionalAccounts").status_code == 200 and reader.get(f"/FunctionalAccounts/{made}").status_code == 200
        refused(reader.post("/FunctionalAccounts", body), 403, "4031")
        refused(reader.delete(f"/FunctionalAccounts/{made}"), 403, "4031")
        ok(writer.post("/FunctionalAccounts", dict(body, DisplayName=fresh("f"))), 201)
    refused(people.person({SM: WRITE}).get("/FunctionalAccounts/987654"), 403, "4031")


# -- managed systems

def test_the_example_of_a_system(boss, people):
    name = fresh("web")
    asset = make_asset(boss, AssetName=name, DnsName="web01.corp.example")
    functional = people.functional()
    body = {"PlatformID": 2, "Port": 22, "AutoManagementFlag": True, "FunctionalAccountID": functional, "ElevationCommand": "sudo", "ReleaseDuration": 120, "MaxReleaseDuration": 525600,
            "ISAReleaseDuration": 120, "ChangeFrequencyType": "xdays", "ChangeFrequencyDays": 30, "ChangeTime": "02:00"}
    path = f"/Assets/{asset['AssetID']}/ManagedSystems"
    refused(boss.get(path), 404)
    made = ok(boss.post(path, body), 201)
    assert list(made) == list(SYSTEM)
    assert made == dict(SYSTEM, ManagedSystemID=made["ManagedSystemID"], AssetID=asset["AssetID"], HostName=name, SystemName=name, FunctionalAccountID=functional)
    one = f"/ManagedSystems/{made['ManagedSystemID']}"
    assert ok(boss.get(one)) == ok(boss.get(path)) == made and made in ok(boss.get("/ManagedSystems"))
    again = ok(boss.post(path, {"PlatformID": 2, "Timeout": 7}), 200)  # managed already
    assert again == dict(made, Timeout=7)
    assert ok(boss.put(one + "?version=3.2", again)) == again
    assert ok(boss.put(one, {})) == again
    assert ok(boss.get(f"/ManagedSystems?name={name.upper()}")) == [again] and ok(boss.get(f"/ManagedSystems?name={name[:-1]}")) == []
    assert again in ok(boss.get("/ManagedSystems?type=1")) and ok(boss.get("/ManagedSystems?type=2")) == []
    assert boss.delete(one).status_code == 200
    refused(boss.get(one), 404, "Managed System not found")


def test_the_asset_in_the_same_step(boss):
    name = fresh("db")
    body = {"EntityTypeID": 1, "HostName": name, "IPAddress": "10.0.0.6", "DnsName": "db02.corp.example", "PlatformID": 2, "Port": 22, "AutoManagementFlag": False, "ChangeFrequencyType": "first",
            "ChangeTime": "23:30", "ReleaseDuration": 120, "MaxReleaseDuration": 525600, "ISAReleaseDuration": 120}
    made = ok(boss.post("/Workgroups/1/ManagedSystems?version=3.2", body), 201)
    assert list(made) == list(SYSTEM) and made["FunctionalAccountID"] is None
    assert ok(boss.get(f"/Workgroups/1/Assets?name={name}"))["AssetID"] == made["AssetID"]
    assert TAKEN.search(refused(boss.post("/Workgroups/1/ManagedSystems", dict(body, HostName=name.upper())), 409))
    assert made in ok(boss.get("/Workgroups/Default%20Workgroup/ManagedSystems"))


def test_a_functional_account_without_management_is_dropped(boss, people):
    """Seen live: silently."""
    body = {"EntityTypeID": 1, "HostName": fresh("h"), "IPAddress": "10.0.0.5", "PlatformID": 2, "AutoManagementFlag": False, "FunctionalAccountID": people.functional()}
    assert ok(boss.post("/Workgroups/1/ManagedSystems", body), 201)["FunctionalAccountID"] is None


BAD = [{"PlatformID": None}, {"PlatformID": 987654}, {"Timeout": -1}, {"SshKeyEnforcementMode": 3}, {"SshKeyEnforcementMode": -1}, {"PasswordRuleID": 987654},
       {"DSSKeyRuleID": 987654}, {"ReleaseDuration": 525601}, {"ReleaseDuration": -1}, {"MaxReleaseDuration": 525601}, {"ISAReleaseDuration": 525601},
       {"ReleaseDuration": 200, "MaxReleaseDuration": 100}, {"AutoManagementFlag": True}, {"AutoManagementFlag": True, "FunctionalAccountID": 987654}, {"ElevationCommand": "su -c"},
       {"ChangeFrequencyType": "daily"}, {"ChangeFrequencyType": "xdays", "ChangeFrequencyDays": 0}, {"ChangeFrequencyType": "xdays", "ChangeFrequencyDays": 1000}, {"ChangeTime": "24:00"},
       {"ChangeTime": "2:00"}, {"ChangeTime": "02:60"}, {"Port": 65536}, {"ContactEmail": "x" * 1001}, {"Description": "x" * 256}, {"HostName": "x" * 129}, {"HostName": ""},
       {"IPAddress": "nonsense"}, {"DnsName": "x" * 256}, {"EntityTypeID": None}, {"EntityTypeID": 4}, {"EntityTypeID": 9}]


@pytest.mark.parametrize("body", BAD, ids=lambda b: json.dumps(b)[:60])
def test_bad_systems(boss, body):
    good = {"EntityTypeID": 1, "HostName": fresh("h"), "IPAddress": "10.0.0.5", "PlatformID": 2}
    text = refused(boss.post("/Workgroups/1/ManagedSystems", dict(good, **body)), 400)
    assert any(text.startswith(name + ":") or name in text for name in [*body, "FunctionalAccountID"]), text
    refused(boss.get(f"/Workgroups/1/Assets?name={good['HostName']}"), 404)  # nothing is half made


def test_a_functional_account_of_another_platform(boss, people):
    body = {"EntityTypeID": 1, "HostName": fresh("h"), "IPAddress": "10.0.0.5", "PlatformID": 2, "AutoManagementFlag": True, "FunctionalAccountID": people.functional(1)}
    assert "FunctionalAccountID" in refused(boss.post("/Workgroups/1/ManagedSystems", body), 400)


NOT_ENFORCED = {"UseSSL": 1, "IsApplicationHost": True, "LoginAccountID": 5, "ApplicationHostID": 5, "RemoteClientType": "EPM"}


@pytest.mark.parametrize("name", NOT_ENFORCED)
def test_settings_that_nothing_enforces(boss, people, name):
    body = {"EntityTypeID": 1, "HostName": fresh("h"), "IPAddress": "10.0.0.5", "PlatformID": 2, name: NOT_ENFORCED[name]}
    refused(boss.post("/Workgroups/1/ManagedSystems", body), 400, f"{name}: not supported")
    system = people.system()
    refused(boss.put(f"/ManagedSystems/{system}", {name: NOT_ENFORCED[name]}), 400, f"{name}: not supported")
    off = {"LoginAccountID": 0, "ApplicationHostID": None, "RemoteClientType": "none"}.get(name, False)
    assert boss.put(f"/ManagedSystems/{system}", {name: off}).status_code == 200


def test_what_typed_clients_send(boss, people):
    """All fields with zero values."""
    body = {"EntityTypeID": 1, "HostName": fresh("h"), "IPAddress": "10.0.0.5", "DnsName": "", "PlatformID": 2, "ContactEmail": "", "Description": "", "Port": 0, "Timeout": 0,
            "ElevationCommand": "", "ChangeFrequencyType": "", "ChangeTime": "", "RemoteClientType": "", "FunctionalAccountID": 0, "ReleaseDuration": 0, "MaxReleaseDuration": 0,
            "ISAReleaseDuration": 0, "ChangeFrequencyDays": 0, "UseSSL": False}
    made = ok(boss.post("/Workgroups/1/ManagedSystems", body), 201)
    assert (made["ReleaseDuration"], made["MaxReleaseDuration"], made["ISAReleaseDuration"], made["ChangeFrequencyType"], made["ChangeTime"], made["ElevationCommand"], made["RemoteClientType"],
            made["FunctionalAccountID"], made["Port"], made["Timeout"]) == (120, 525600, 120, "first", "23:30", None, "None", None, None, 30)


def test_deleting_a_system(boss, people):
    account = people.account()
    number = ok(boss.post("/Requests", {"SystemID": account.system, "AccountID": account.id, "DurationMinutes": 5}), 201)
    assert boss.delete(f"/ManagedSystems/{account.system}").status_code == 200
    refused(boss.get(account.path), 404, "Managed Account not found")
    refused(boss.get(f"/Credentials/{number}"), 404)
    assert number not in [row["RequestID"] for row in ok(boss.get("/Requests"))]


def test_who_may_on_assets_and_systems(people):
    system = people.system()
    asset = ok(people.boss.get(f"/ManagedSystems/{system}"))["AssetID"]
    for feature, reads, writes in ((AS, ["/Workgroups", "/Workgroups/1", f"/Assets/{asset}", "/Workgroups/1/Assets"], [("POST", "/Workgroups"), ("POST", "/Workgroups/1/Assets"), ("PUT", f"/Assets/{asset}"),
                                                                                                                  ("DELETE", f"/Assets/{asset}")]),
                                   (SM, ["/ManagedSystems", f"/ManagedSystems/{system}", f"/Assets/{asset}/ManagedSystems", "/Workgroups/1/ManagedSystems"],
                                    [("POST", f"/Assets/{asset}/ManagedSystems"), ("POST", "/Workgroups/1/ManagedSystems"), ("PUT", f"/ManagedSystems/{system}"), ("DELETE", f"/ManagedSystems/{system}")])):
        reader, nobody = people.person({feature: READ}), people.person({AM: WRITE, SM if feature == AS else AS: WRITE})
        for path in reads:
            assert reader.get(path).status_code == 200
            refused(nobody.get(path), 403, "4031")
        for method, path in writes:
            refused(reader.call(method, path, {}), 403, "4031")
            refused(nobody.call(method, path, {}), 403, "4031")
    assert people.person({AM: READ}).get(f"/FunctionalAccounts/{people.functional()}/ManagedSystems").status_code == 200
