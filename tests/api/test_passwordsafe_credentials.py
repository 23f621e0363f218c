"""tests/api/test_passwordsafe_credentials.py: bodies of the credential endpoints (seed 002; passwordsafe-api 1.9 to 1.14, 5.1 to 5.5). Nothing listens on the systems' port:
a change on the system that is really asked for ends with "Credential not changed"."""
import json
import re
import urllib.parse

import pytest
from passwordsafe_people import GQ, WRITE, Bare, People, recorded, refused
from support import ok, wait_for

FORM = "application/x-www-form-urlencoded"
NOT_CHANGED = "Credential not changed: "


@pytest.fixture(scope="module")
def people(server):
    return People(server)


@pytest.fixture(scope="module")
def system(people):
    return people.system()


@pytest.fixture
def account(people, system):
    return people.account(system)


def send(people, account, raw, kind="application/json", method="PUT", path="/Credentials"):
    headers = {"Authorization": people.boss.header}
    if kind is not None:
        headers["Content-Type"] = kind
    raw = raw if isinstance(raw, bytes) else raw.encode()
    return Bare(people.server.url).call(method, account.path + path, raw=raw, headers=headers)


def stored(people, account, raw, kind="application/json", expected="New-1!"):
    answer = send(people, account, raw, kind)
    assert (answer.status_code, answer.content) == (204, b""), (raw, answer.status_code, answer.text)
    assert "Content-Type" not in answer.headers and answer.headers.get("Content-Length", "0") == "0"
    assert account.released() == expected


def bad(people, account, raw, kind="application/json", text=None):
    answer = send(people, account, raw, kind)
    refused(answer, 400, text)
    assert not answer.text.startswith(NOT_CHANGED), answer.text
    assert account.released() == "Initial-1"
    return answer.text


def tried(people, account, raw, kind="application/json"):
    """UpdateSystem was true: the host was asked, and it was not there."""
    answer = send(people, account, raw, kind)
    assert refused(answer, 400).startswith(NOT_CHANGED), answer.text
    assert account.released() == "Initial-1" and account.show()["ChangeState"] == 0


FALSE = ["false", '"false"', '"False"', '"FALSE"', "0", '"0"', "False"]
TRUE = ["true", '"true"', '"True"', "1", '"1"', "True", "null", "None"]
NEITHER = ['"no"', '"yes"', "2", '"2"', "-1", "[]", "{}", "[false]", '"falsey"', "0.5"]


@pytest.mark.parametrize("value", FALSE)
def test_update_system_false(people, account, value):
    stored(people, account, '{"Password":"New-1!","UpdateSystem":%s}' % value)


@pytest.mark.parametrize("value", TRUE)
def test_update_system_true(people, account, value):
    tried(people, account, '{"Password":"New-1!","UpdateSystem":%s}' % value)


@pytest.mark.parametrize("value", NEITHER)
def test_update_system_neither(people, account, value):
    bad(people, account, '{"Password":"New-1!","UpdateSystem":%s}' % value)


@pytest.mark.parametrize("raw", ["", "{}", "null", '{"Password":"New-1!"}', '{"Password":null}', '{"Password":""}', '{"Other":1}', " ", "\r\n"])
def test_update_system_absent_is_true(people, account, raw):
    tried(people, account, raw)


@pytest.mark.parametrize("raw,kind", [
    ("Password=New-1!&UpdateSystem=false", FORM), ("Password=New-1%21&UpdateSystem=False", FORM + "; charset=UTF-8"), ("updatesystem=0&PASSWORD=New-1%21", FORM),
    ("Password=New-1!&UpdateSystem=false", None), ("&Password=New-1!&&UpdateSystem=false&", FORM), ('{"Password":"New-1!","UpdateSystem":false}', None),
    (' \r\n\t{"Password":"New-1!","UpdateSystem":false}', None), ('{"Password":"New-1!","UpdateSystem":false}', "application/json; charset=utf-8"),
    ('{"Password":"New-1!","UpdateSystem":false}', "APPLICATION/JSON;charset=UTF-8"), ("{'Password': 'New-1!', 'UpdateSystem': False}", "application/json"),
    ("{'Password': 'New-1!', 'UpdateSystem': 'false', 'PrivateKey': None}", None), ('{"password":"New-1!","UPDATESYSTEM":false}', "application/json"),
    ('{"Password":"New-1!","UpdateSystem":false,"Password2":"x","Extra":{"a":[1,{"b":null}]}}', "application/json"),
    ('{"NewPassword":"New-1!","UpdateSystem":false}', "application/json"), ('{"Password":"Old-1!","NewPassword":"New-1!","UpdateSystem":false}', "application/json"),
    ('{"NewPassword":"New-1!","Password":"Old-1!","UpdateSystem":false}', "application/json"), ('{"NewPassword":"","Password":"New-1!","UpdateSystem":false}', "application/json"),
    ("NewPassword=New-1!&UpdateSystem=false", FORM)], ids=str)
def test_ways_to_write_the_same(people, account, raw, kind):
    stored(people, account, raw, kind)


@pytest.mark.parametrize("form,expected", [("a+b", "a b"), ("a%2Bb", "a+b"), ("%C3%BC%E2%82%AC", "ü€"), ("a%26b%3Dc", "a&b=c"), ("p=q", "p=q"), ("%7B%22", '{"')])
def test_form_escapes(people, account, form, expected):
    stored(people, account, f"Password={form}&UpdateSystem=false", FORM, expected)


ODD = ["'", '"', "\\", "/", "</script>", "ü€😀", "a\tb", " leading and trailing ", "$(id)", "`id`", "x:y", "#", "%s%n", "-", "null", "x" * 1024, "ü" * 512]


@pytest.mark.parametrize("password", ODD)
def test_passwords_are_taken_as_they_are(people, account, password):
    """5.1 #11: the password rule is not asked. And the answer escapes nothing that need not be."""
    stored(people, account, json.dumps({"Password": password, "UpdateSystem": False}), expected=password)
    body = {"SystemID": account.system, "AccountID": account.id, "DurationMinutes": 1}
    raw = people.boss.post("/ISARequests", body).content.decode()
    escaped = password.replace("\\", "\\\\").replace('"', '\\"').replace("\t", "\\t")
    assert raw == f'"{escaped}"'


@pytest.mark.parametrize("password", ["a\nb", "a\rb", "a\0b", "\n", "x" * 1025, "ü" * 513], ids=repr)
@pytest.mark.parametrize("update", [True, False])
def test_passwords_that_no_host_can_take(people, account, password, update):
    bad(people, account, json.dumps({"Password": password, "UpdateSystem": update}))


@pytest.mark.parametrize("raw,kind", [
    ("[]", "application/json"), ('"x"', "application/json"), ("3", "application/json"), ("true", "application/json"), ('[{"Password":"New-1!"}]', "application/json"),
    ("[]", None), ('{"Password":"New-1!"', "application/json"), ('{"Password":"New-1!"} x', "application/json"), ("{", "application/json"), ("nonsense", "application/json"),
    ('{"Password":"a","Password":"b","UpdateSystem":false}', "application/json"), ('{"Password":"a","password":"a","UpdateSystem":false}', "application/json"),
    ('{"Password":"a","UpdateSystem":false,"UpdateSystem":true}', "application/json"), ('{"Password":"a","UpdateSystem":false,"updateSYSTEM":false}', "application/json"),
    ('{"NewPassword":"a","newpassword":"b","UpdateSystem":false}', "application/json"), ('{"PrivateKey":"a","PrivateKey":"b","UpdateSystem":false}', "application/json"),
    ('{"Passphrase":"a","Passphrase":"b","UpdateSystem":false}', "application/json"),
    ("Password=a&Password=b&UpdateSystem=false", FORM), ("Password=a&password=a&UpdateSystem=false", FORM), ("Password=a&UpdateSystem=false&UpdateSystem=true", FORM),
    ("Password=a&UpdateSystem=false&updatesystem=false", None), ("Password=%zz&UpdateSystem=false", FORM), ("Password=%ff&UpdateSystem=false", FORM),
    ('{"Password":["a"],"UpdateSystem":false}', "application/json"), ('{"Password":{},"UpdateSystem":false}', "application/json"),
    (b'{"Password":"\xff","UpdateSystem":false}', "application/json"), ('{"Password":"\\ud800","UpdateSystem":false}', "application/json"),
    ('{"Password":"a","UpdateSystem":false,"PublicKey":{}}', "application/json")], ids=str)
def test_malformed(people, account, raw, kind):
    assert '"a"' not in bad(people, account, raw, kind)


def test_other_duplicates_count_last(people, account):
    """1.11: only secrets and UpdateSystem are so strict."""
    stored(people, account, '{"PublicKey":"one","Password":"New-1!","publickey":"two","UpdateSystem":false}')
    answer = send(people, account, '{"Queue":false,"queue":true}', method="POST", path="/Credentials/Change")
    assert answer.status_code == 204 and account.show()["ChangeState"] in (1, 2)


def test_a_number_as_password(people, account):
    stored(people, account, '{"Password":12345,"UpdateSystem":false}', expected="12345")


@pytest.mark.parametrize("kind", ["text/xml", "application/xml", "text/plain", "multipart/form-data; boundary=x", "application/jsonx", "application/octet-stream"])
def test_other_content_types(people, account, kind):
    refused(send(people, account, '{"Password":"New-1!","UpdateSystem":false}', kind), 415)
    assert account.released() == "Initial-1"


# -- 5.1 #10 and #12: storing only

def test_store_only_without_a_password_makes_one(people, account):
    assert send(people, account, '{"UpdateSystem":false}').status_code == 204
    first = account.released()
    assert first != "Initial-1" and 12 <= len(first) <= 20 and re.match("[A-Za-z]", first) and not re.search(r"[\"'\\: $]", first)
    assert re.search("[a-z]", first) and re.search("[A-Z]", first) and re.search("[0-9]", first)
    assert send(people, account, '{"Password":"","UpdateSystem":false}').status_code == 204
    assert account.released() not in (first, "Initial-1", "")


def test_what_store_only_changes(people, account):
    before = account.show()
    assert before["ChangeState"] == 0
    stored(people, account, '{"Password":"New-1!","UpdateSystem":false}')
    after = account.show()
    assert after["LastChangeDate"] and after["LastChangeDate"] != before["LastChangeDate"]
    assert {key: after[key] for key in after if key != "LastChangeDate"} == {key: before[key] for key in before if key != "LastChangeDate"}
    body = {"SystemID": account.system, "AccountID": account.id, "DurationMinutes": 1}
    assert people.boss.post("/ISARequests", body).headers["X-Keyturn-State"] == "unverified"
    assert ("account.credentials.set", True, "admin") in recorded(people.server, "account", account.id)


def test_store_only_is_not_for_a_host(people):
    """A system that nobody can reach, without functional account: nothing of it is asked."""
    account = people.account(people.system(auto=False))
    stored(people, account, '{"Password":"New-1!","UpdateSystem":false}')
    answer = send(people, account, '{"Password":"New-2!"}')
    assert refused(answer, 400).startswith(NOT_CHANGED) and "FunctionalAccountID" in answer.text
    assert account.released() == "New-1!"


def test_a_platform_without_a_connector(people):
    system = people.system(auto=False, PlatformID=1, Port=None)
    account = people.account(system)
    stored(people, account, '{"Password":"New-1!","UpdateSystem":false}')
    assert refused(send(people, account, "{}"), 400).startswith(NOT_CHANGED)
    assert refused(send(people, account, "{}", method="POST", path="/Credentials/Change"), 400).startswith(NOT_CHANGED)


def test_the_old_one_stays_when_nothing_was_sent(people, account, admin):
    tried(people, account, '{"Password":"New-1!"}')
    shown = account.show()
    assert (shown["ChangeState"], shown["IsChanging"]) == (0, False)
    jobs = ok(admin.own("GET", f"/jobs?accountId={account.id}"))["items"]
    assert [job["state"] for job in jobs] == ["refused"], jobs
    # Never applied later: no retry by the server.
    assert account.released() == "Initial-1"


# -- 5.2 by names

def where(people, account, **more):
    system = ok(people.boss.get(f"/ManagedSystems/{account.system}"))
    query = dict({"workgroupName": "Default Workgroup", "assetName": system["SystemName"], "accountName": account.name}, **more)
    return "/Credentials?" + urllib.parse.urlencode({key: value for key, value in query.items() if value is not None})


def test_by_names(people, account):
    body = {"Password": "New-1!", "UpdateSystem": False}
    for change in ({}, {"workgroupName": "DEFAULT workgroup"}, {"accountName": account.name.upper()}):
        answer = people.boss.put(where(people, account, **change), dict(body, Password=f"By-name-{len(change)}!"))
        assert (answer.status_code, answer.content) == (204, b"") and account.released() == f"By-name-{len(change)}!"
    assert people.boss.put(where(people, account).replace("workgroupName", "WORKGROUPNAME").replace("+", "%20"), body).status_code == 204
    assert account.released() == "New-1!"


def test_by_names_that_do_not_exist(people, account):
    body = {"Password": "New-1!", "UpdateSystem": False}
    for change, text in (({"workgroupName": "no"}, "Workgroup not found"), ({"assetName": "no"}, "Asset not found"), ({"accountName": "no"}, "Managed Account not found"),
                         ({"assetName": ok(people.boss.get(f"/ManagedSystems/{account.system}"))["SystemName"][:-1]}, "Asset not found")):
        refused(people.boss.put(where(people, account, **change), body), 404, text)
    unmanaged = ok(people.boss.post("/Workgroups/1/Assets", {"IPAddress": "10.0.0.77", "AssetName": "bare-asset"}), 201)
    refused(people.boss.put(where(people, account, assetName=unmanaged["AssetName"]), body), 404, "Managed System not found")
    for name in ("workgroupName", "assetName", "accountName"):
        for value in (None, ""):
            assert name in refused(people.boss.put(where(people, account, **{name: value}), body), 400)
    assert account.released() == "Initial-1"


# -- 5.3 to 5.5

def test_test(people, account):
    for raw in ("", "{}", "[]", '{"x":1}', "nonsense"):  # no body is asked for: one that comes is dropped
        answer = send(people, account, raw, method="POST", path="/Credentials/Test")
        assert (answer.status_code, answer.text) == (200, '{"Success":false}'), (raw, answer.text)
    assert account.released() == "Initial-1"


def test_a_test_without_a_stored_credential(people, system):
    account = people.account(system, Password=None, AutoManagementFlag=True)
    wait_for(lambda: account.show()["ChangeState"] != 1)
    assert people.boss.post(account.path + "/Credentials/Test").text in ('{"Success":false}',)


@pytest.mark.parametrize("raw", ["", "{}", "null", '{"Queue":false}', '{"Queue":"False"}', '{"Queue":0}', '{"Queue":null}', '{"Other":[]}', "{'Queue': False}"])
def test_an_immediate_change(people, account, raw):
    answer = send(people, account, raw, method="POST", path="/Credentials/Change")
    assert refused(answer, 400).startswith(NOT_CHANGED)
    assert account.show()["ChangeState"] == 0


@pytest.mark.parametrize("raw,query", [('{"Queue":true}', ""), ('{"Queue":"true"}', ""), ('{"queue":1}', ""), ("", "?queue=true"), ("", "?Queue=True"), ('{"Queue":true}', "?queue=false"),
                                       ('{"Queue":null}', "?queue=1"), ("{}", "?QUEUE=true")])
def test_a_queued_change(people, account, raw, query):
    answer = send(people, account, raw, method="POST", path="/Credentials/Change" + query)
    assert (answer.status_code, answer.content) == (204, b"")
    # It failed by now, or it waits for its next try: nobody is told, and the old one stays.
    assert account.show()["ChangeState"] in (1, 2)
    assert send(people, account, '{"Queue":true}', method="POST", path="/Credentials/Change").status_code == 204


def test_a_queued_change_as_a_form(people, account):
    assert send(people, account, "Queue=true", FORM, "POST", "/Credentials/Change").status_code == 204


def test_the_body_counts_before_the_query(people, account):
    answer = send(people, account, '{"Queue":false}', method="POST", path="/Credentials/Change?queue=true")
    assert refused(answer, 400).startswith(NOT_CHANGED)


@pytest.mark.parametrize("raw", ["[]", '"x"', "3", "true", '{"Queue":"perhaps"}', '{"Queue":[]}', "{", '{"Password":"a","Password":"b"}'])
def test_malformed_changes(people, account, raw):
    answer = send(people, account, raw, method="POST", path="/Credentials/Change")
    assert not refused(answer, 400).startswith(NOT_CHANGED)
    refused(send(people, account, "{}", method="POST", path="/Credentials/Change?queue=perhaps"), 400)
    assert account.show()["ChangeState"] == 0


def test_change_takes_what_put_takes(people, account):
    """5.4: the superset of later versions."""
    answer = send(people, account, '{"Password":"New-1!","UpdateSystem":false}', method="POST", path="/Credentials/Change")
    assert answer.status_code == 204 and account.released() == "New-1!"
    assert refused(send(people, account, '{"Password":"New-2!"}', method="POST", path="/Credentials/Change"), 400).startswith(NOT_CHANGED)


def waits_for_its_next_try(account, admin):
    jobs = ok(admin.own("GET", f"/jobs?accountId={account.id}"))["items"]
    return [job["state"] for job in jobs] == ["queued"] and jobs[0]["reason"]


def test_an_explicit_change_drops_what_is_queued(people, account, admin):
    """5.1 #17, and 5.4: run now, and the entry is gone."""
    queue = {"raw": '{"Queue":true}', "method": "POST", "path": "/Credentials/Change"}
    assert send(people, account, **queue).status_code == 204
    wait_for(lambda: waits_for_its_next_try(account, admin))
    assert account.show()["ChangeState"] == 2
    assert send(people, account, **queue).status_code == 204
    assert len(ok(admin.own("GET", f"/jobs?accountId={account.id}"))["items"]) == 1
    assert refused(send(people, account, "", method="POST", path="/Credentials/Change"), 400).startswith(NOT_CHANGED)
    assert account.show()["ChangeState"] == 0
    assert send(people, account, **queue).status_code == 204
    wait_for(lambda: any(job["state"] == "queued" and job["reason"] for job in ok(admin.own("GET", f"/jobs?accountId={account.id}"))["items"]))
    stored(people, account, '{"Password":"New-1!","UpdateSystem":false}')
    assert account.show()["ChangeState"] == 0


def test_all_of_a_system(people, admin):
    system = people.system()
    managed, unmanaged = people.account(system, AutoManagementFlag=True), people.account(system)
    wait_for(lambda: managed.show()["ChangeState"] == 0)
    path = f"/ManagedSystems/{system}/ManagedAccounts/Credentials/Change"
    for raw in (None, {}, []):
        answer = people.boss.post(path, raw)
        assert (answer.status_code, answer.content) == (204, b"")
    assert managed.show()["ChangeState"] in (1, 2) and unmanaged.show()["ChangeState"] == 0
    changes = [job for job in ok(admin.own("GET", f"/jobs?accountId={managed.id}"))["items"] if job["kind"] == "change"]
    assert len(changes) == 1, changes  # not queued twice
    assert people.boss.post(f"/ManagedSystems/{people.system()}/ManagedAccounts/Credentials/Change").status_code == 204  # none at all


def test_whoever_may_only_quarantine_learns_no_names(people, admin):
    system, password = people.system(), "Quarantine-only-1!"
    managed, unmanaged = people.account(system, name="canary-managed", AutoManagementFlag=True), people.account(system, name="canary-unmanaged")
    wait_for(lambda: managed.show()["ChangeState"] == 0)
    warden = people.user(password=password, groups=[people.group({GQ: WRITE})])
    client, own = people.client(warden["UserName"], password=password), people.server.controlroom(warden["UserName"], password)
    assert client.post(f"/ManagedSystems/{system}/ManagedAccounts/Credentials/Change").status_code == 204
    listed = own.own("GET", "/jobs")
    job = next(job for job in ok(listed)["items"] if job["systemId"] == system and job["kind"] == "system")
    shown = own.own("GET", f"/jobs/{job['id']}")
    assert job["skipped"] == [] and ok(shown)["skipped"] == [] and "canary" not in listed.text + shown.text
    whole = ok(admin.own("GET", f"/jobs/{job['id']}"))
    assert [line.split(":")[0] for line in whole["skipped"]] == ["canary-unmanaged"]
