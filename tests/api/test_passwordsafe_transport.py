"""tests/api/test_passwordsafe_transport.py: paths, queries, bodies, paging, dates, and the check list of what breaks clients (passwordsafe-api 1, 3, appendix B)."""
import datetime
import http.client
import json
import re

import pytest
from passwordsafe_people import Bare, People, fresh, refused, sign_in, somebody
from support import PS, ok, wait_for

OTHER_BASE = "/eEye.RetinaCS.Server/api/public/v3"
DATE = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d*[1-9])?")


@pytest.fixture(scope="module")
def people(server):
    return People(server)


@pytest.fixture(scope="module")
def account(people):
    return people.account(people.system("Web 01"), "root")


def raw(people, method, path, body=None, **headers):
    """Exactly this path, from a socket: no library may tidy it up."""
    connection = http.client.HTTPConnection(people.server.url.split("://")[1], timeout=30)
    connection.putrequest(method, path, skip_accept_encoding=True)
    connection.putheader("Authorization", people.boss.header)
    for name, value in headers.items():
        connection.putheader(name, value)
    if body is not None:
        connection.putheader("Content-Length", str(len(body)))
    connection.endheaders(body)
    answer = connection.getresponse()
    answer.text = answer.read().decode()
    connection.close()
    return answer


# -- paths

@pytest.mark.parametrize("path", ["/managedaccounts/{id}", "/MANAGEDACCOUNTS/{id}", "/ManagedAccounts/{id}/", "/mAnAgEdAcCoUnTs/{id}/", "/Managed%41ccounts/{id}"])
@pytest.mark.parametrize("base", [PS, OTHER_BASE, PS.lower(), OTHER_BASE.upper()])
def test_other_spellings_of_a_path(people, account, base, path):
    answer = raw(people, "GET", base + path.format(id=account.id))
    assert (answer.status, answer.getheader("Location")) == (200, None)
    assert json.loads(answer.text)["ManagedAccountID"] == account.id


NOWHERE = ["/ManagedAccount/{id}", "/ManagedAccounts/{id}//", "//ManagedAccounts/{id}", "/ManagedAccounts//{id}", "/./ManagedAccounts/{id}", "/x/../ManagedAccounts/{id}",
           "/ManagedAccounts/{id}/..", "/ManagedAccounts%2F{id}", "/ManagedAccounts/{id}%00", "/ManagedAccounts/{id};a=b", "/ManagedAccounts/{id}.json", "/ManagedAccounts/{id}%20",
           "/ManagedAccounts/+{id}", "/ManagedAccounts/-{id}", "/ManagedAccounts/0x1", "/ManagedAccounts/1e0", "/ManagedAccounts/99999999999999999999", "/ManagedAccounts/%ff", "/", "", "/v3"]


@pytest.mark.parametrize("path", NOWHERE)
def test_paths_that_are_none(people, account, path):
    for method in ("GET", "DELETE"):
        answer = raw(people, method, PS + path.format(id=account.id))
        assert answer.status in (400, 404, 405) and answer.getheader("Location") is None, (path, answer.status)
        assert "ManagedAccountID" not in answer.text
    assert account.show()["ManagedAccountID"] == account.id


def test_other_writings_of_verbs(people, account):
    for path, text in (("/Requests/1/checkin", None), ("/REQUESTS/1/CHECKIN/", None), ("/auth/SignOUT", None)):
        answer = raw(people, "POST" if "auth" in path else "PUT", PS + path, b"")
        assert answer.status in (200, 404), (path, answer.status, text)


def test_escapes_and_blanks(people):
    name = fresh("A & B ü+%;?#") + " c"
    made = ok(people.boss.post("/Workgroups", {"Name": name}), 201)
    quoted = name.encode().hex()
    quoted = "".join("%" + quoted[at:at + 2] for at in range(0, len(quoted), 2))
    for answer in (raw(people, "GET", f"{PS}/Workgroups/{quoted}"), raw(people, "GET", f"{PS}/Workgroups?name={quoted}"), raw(people, "GET", f"{PS}/Workgroups?NAME={quoted.replace('%20', '+')}")):
        assert answer.status == 200 and json.loads(answer.text) == made
    # A plus is a plus in a path and a blank in a query.
    plus = ok(people.boss.post("/Workgroups", {"Name": "one two+" + fresh("x")}), 201)
    assert raw(people, "GET", f"{PS}/Workgroups/{plus['Name'].replace(' ', '%20')}").status == 200
    assert raw(people, "GET", f"{PS}/Workgroups/{plus['Name'].replace(' ', '+')}").status == 404
    assert raw(people, "GET", f"{PS}/Workgroups?name={plus['Name'].replace('+', '%2B').replace(' ', '+')}").status == 200


@pytest.mark.parametrize("query", ["", "?", "?x=y", "?version=3.5", "?version=9", "?{\"a\":1}", "?%zz", "?%ff=1", "?a&b&&c=", "?=", "?" + "&".join(f"p{i}=1" for i in range(300))])
def test_queries_that_mean_nothing(people, account, query):
    answer = raw(people, "GET", f"{PS}/ManagedAccounts/{account.id}{query}")
    assert answer.status == 200
    assert raw(people, "GET", f"{PS}/ManagedAccounts{query}").status == 200


def test_an_empty_value_is_not_given(people, account):
    everything = ok(people.boss.get("/ManagedAccounts"))
    for query in ("systemName=", "systemName=&accountName=", "limit=", "SystemName=&limit=&offset=&type="):
        assert ok(people.boss.get(f"/ManagedAccounts?{query}")) == everything


def test_405_names_what_is_allowed(people, account):
    for method, path, allowed in (("PATCH", f"/ManagedAccounts/{account.id}", "GET, PUT, DELETE"), ("DELETE", "/Auth/SignAppin", "POST"), ("GET", f"/ManagedAccounts/{account.id}/Credentials", "PUT"),
                                  ("POST", f"/ManagedAccounts/{account.id}/Credentials", "PUT"), ("GET", f"/ManagedAccounts/{account.id}/Credentials/Change", "POST"), ("PUT", "/Credentials/1", "GET"),
                                  ("GET", "/Credentials", "PUT"), ("PUT", f"/ManagedAccounts/{account.id}/Credentials/Test/", "POST")):
        answer = people.boss.call(method, path)
        refused(answer, 405)
        assert sorted(answer.headers["Allow"].split(", ")) == sorted(allowed.split(", ")), (path, answer.headers["Allow"])


def test_head_and_options(people, account):
    assert people.boss.call("OPTIONS", f"/ManagedAccounts/{account.id}").status_code == 405
    answer = people.boss.call("HEAD", f"/ManagedAccounts/{account.id}")
    assert answer.status_code in (200, 405) and answer.content == b""


# -- bodies

def test_bodies_on_get_and_delete_are_dropped(people, account):
    for body, kind in ((b"{}", "application/json"), (b"nonsense", "text/xml"), (b"x" * 100000, None)):
        headers = {"Content-Type": kind} if kind else {}
        assert Bare(people.server.url).call("GET", account.path, raw=body, headers=dict(headers, Authorization=people.boss.header)).status_code == 200
        doomed = people.account(account.system)
        assert Bare(people.server.url).call("DELETE", doomed.path, raw=body, headers=dict(headers, Authorization=people.boss.header)).status_code == 200


@pytest.mark.parametrize("kind", ["text/xml", "application/xml; charset=utf-8", "text/plain", "multipart/form-data; boundary=x", "image/png"])
def test_415(people, kind):
    answer = Bare(people.server.url).call("POST", "/Workgroups", raw=b"<Name>x</Name>", headers={"Content-Type": kind, "Authorization": people.boss.header})
    refused(answer, 415)


def test_too_large(people):
    answer = people.boss.post("/Workgroups", raw=b'{"Name":"' + b"x" * (4 * 1024 * 1024) + b'"}')
    assert answer.status_code == 413


def test_expect_100_continue(people):
    import socket
    body = b'{"Name":"' + fresh("expect").encode() + b'"}'
    host, port = people.server.url.split("://")[1].split(":")
    with socket.create_connection((host, int(port)), timeout=30) as link:
        head = (f"POST {PS}/Workgroups HTTP/1.1\r\nHost: {host}:{port}\r\nAuthorization: {people.boss.header}\r\nContent-Type: application/json\r\n"
                f"Content-Length: {len(body)}\r\nExpect: 100-continue\r\nConnection: close\r\n\r\n")
        link.sendall(head.encode())
        assert link.recv(1000).startswith(b"HTTP/1.1 100 ")
        link.sendall(body)
        answer = b""
        while True:
            part = link.recv(65536)
            if not part:
                break
            answer += part
    assert answer.startswith(b"HTTP/1.1 201 ")


@pytest.mark.parametrize("text,stored", [('{"Port":"22"}', 22), ('{"Port":22}', 22), ('{"Port":22.0}', 22), ('{"port":"022"}', 22), ('{"Port":null}', None), ("Port=22", 22)])
def test_coercion_of_numbers(people, text, stored):
    system = people.system()
    kind = "application/json" if text[0] == "{" else "application/x-www-form-urlencoded"
    answer = people.boss.put(f"/ManagedSystems/{system}", raw=text.encode(), headers={"Content-Type": kind})
    assert ok(answer)["Port"] == (1 if stored is None else stored)


@pytest.mark.parametrize("value", ['"x"', "true", "[]", "{}", "22.5", '"22.5"', "1e999", "99999999999999999999", '"2 2"', "-1", "65536"])
def test_numbers_that_are_none(people, value):
    refused(people.boss.put(f"/ManagedSystems/{people.system()}", raw=b'{"Port":%s}' % value.encode()), 400)


# -- what an answer looks like

def every_json(people, account):
    for path in ("/Auth", "/Platforms", "/ManagedSystems", "/ManagedAccounts", account.path, "/ApiRegistrations", "/UserGroups", "/Users", "/SmartRules", "/AccessPolicies",
                 "/Workgroups", "/Organizations", "/FunctionalAccounts", "/Permissions", "/PasswordRules", "/DSSKeyRules", "/EntityTypes", "/Roles", "/AccessLevels", "/Requests",
                 "/Configuration/Version", "/QuickRules", "/ManagedSystems?limit=1", "/Workgroups/1/Assets"):
        answer = people.boss.get(path)
        assert answer.status_code == 200, (path, answer.text)
        yield path, answer


def test_compact_json_and_headers(people, account):
    people.account(account.system, Description='a "quoted" \\ back/slash\ttab <b> ü€😀')
    for path, answer in every_json(people, account):
        assert answer.headers["Content-Type"] == "application/json; charset=utf-8", path
        assert answer.headers["Cache-Control"] == "no-store" and answer.headers["X-Content-Type-Options"] == "nosniff"
        text = answer.content.decode()
        compact = json.dumps(answer.json(), ensure_ascii=False, separators=(",", ":"))
        assert text == compact, (path, text[:300])
        assert "\\/" not in text


def test_dates(people, account):
    found = 0
    for path, answer in every_json(people, account):
        for name, value in re.findall(r'"(\w*Date)":("[^"]*"|null)', answer.text):
            assert value == "null" or DATE.fullmatch(value.strip('"')), (path, name, value)
            found += value != "null"
    assert found > 5
    assert account.show()["ChangeTime"] == "23:30"


def test_dates_are_utc(people):
    made = people.account().show()
    when = datetime.datetime.fromisoformat(made["LastChangeDate"]) if made["LastChangeDate"] else None
    asset = ok(people.boss.post("/Workgroups/1/Assets", {"IPAddress": "10.0.0.9", "AssetName": fresh("dated")}), 201)
    created = datetime.datetime.fromisoformat(asset["CreateDate"].ljust(26, "0") if "." in asset["CreateDate"] else asset["CreateDate"])
    now = datetime.datetime.now(datetime.timezone.utc).replace(tzinfo=None)
    assert abs((now - created).total_seconds()) < 60 and (when is None or when < now + datetime.timedelta(minutes=1))


# -- paging

@pytest.fixture(scope="module")
def paged(people):
    workgroup = ok(people.boss.post("/Workgroups", {"Name": fresh("paged")}), 201)["ID"]
    for _ in range(5):
        people.system(workgroup=workgroup, auto=False)
    return workgroup


LISTS = ["/ManagedSystems", "/Workgroups/{w}/ManagedSystems", "/Workgroups/{w}/Assets", "/SmartRules/{s}/ManagedSystems", "/SmartRules/{a}/Assets", "/SmartRules/{m}/ManagedAccounts"]


def rules(people):
    return {row["Title"]: row["SmartRuleID"] for row in ok(people.boss.get("/SmartRules"))}


@pytest.mark.parametrize("path", LISTS)
def test_array_or_envelope(people, account, paged, path):
    found = rules(people)
    path = path.format(w=paged, s=found["All Managed Systems"], a=found["All Assets"], m=found["All Managed Accounts"])
    rows = ok(people.boss.get(path))
    assert isinstance(rows, list) and rows
    key = next(name for name in ("ManagedAccountID", "ManagedSystemID", "AssetID") if name in rows[0])
    assert [row[key] for row in rows] == sorted(row[key] for row in rows)
    page = ok(people.boss.get(f"{path}?limit=2"))
    assert list(page) == ["TotalCount", "Data"] and page == {"TotalCount": len(rows), "Data": rows[:2]}
    assert ok(people.boss.get(f"{path}?limit=2&offset=1")) == {"TotalCount": len(rows), "Data": rows[1:3]}
    assert ok(people.boss.get(f"{path}?LIMIT=2&OFFSET={len(rows)}")) == {"TotalCount": len(rows), "Data": []}
    assert ok(people.boss.get(f"{path}?limit=100001")) == {"TotalCount": len(rows), "Data": rows}
    assert ok(people.boss.get(f"{path}?offset=1")) == rows  # only together with limit
    for query in ("limit=0", "limit=-1", "limit=x", "limit=1.5", "limit=2&offset=-1", "limit=2&offset=x"):
        refused(people.boss.get(f"{path}?{query}"), 400)


def test_search_pages_as_well(people, paged):
    body = {"IPAddress": "127.0.0.1"}
    rows = ok(people.boss.post("/Assets/Search", body))
    assert isinstance(rows, list) and len(rows) >= 5
    assert ok(people.boss.post("/Assets/Search?limit=2&offset=1", body)) == {"TotalCount": len(rows), "Data": rows[1:3]}


def test_requestable_accounts_are_always_an_array(people, account):
    for _ in range(3):
        people.account(account.system)
    rows = ok(people.boss.get("/ManagedAccounts"))
    for query, expected in (("limit=2", rows[:2]), ("limit=2&offset=1", rows[1:3]), (f"offset={len(rows)}", []), ("limit=100001", rows)):
        assert ok(people.boss.get(f"/ManagedAccounts?{query}")) == expected, query
    for query in ("limit=0", "limit=-1", "limit=x", "offset=-1"):
        refused(people.boss.get(f"/ManagedAccounts?{query}"), 400)


# -- appendix B, what is not tested elsewhere, by its number

def test_b2_no_redirects(people, account):
    for path in ("/Auth/SignAppin/", "/auth/signout/", "/users/", "/ManagedAccounts/", "/UserGroups/"):
        answer = people.boss.call("GET", path)
        assert answer.status_code in (200, 405) and "Location" not in answer.headers


def test_b5_bare_values(people, account):
    body = {"SystemID": account.system, "AccountID": account.id, "DurationMinutes": 5}
    answer = people.boss.post("/Requests", body)
    assert answer.status_code == 201 and re.fullmatch(r"[0-9]+", answer.text)
    assert people.boss.get(f"/Credentials/{answer.text}").text == '"Initial-1"'
    end = people.boss.put(f"/Requests/{answer.text}/Checkin")
    assert (end.status_code, end.content) == (204, b"")


def test_b8_errors_are_text(people, account):
    for answer in (people.boss.get("/ManagedAccounts/987654"), people.boss.get("/no/such/path"), people.boss.post("/Workgroups", {}), people.boss.call("PATCH", "/Workgroups"),
                   somebody(people.server).get(PS + "/Workgroups"), people.boss.post("/Workgroups", raw=b"{")):
        assert answer.status_code >= 400 and answer.headers["Content-Type"] == "text/plain; charset=utf-8"
        assert answer.text and answer.text[0] not in '"{[<' and not answer.text.endswith("\n")


def test_b11_and_b12(people):
    assert somebody(people.server).post(PS + "/Auth/Signout").status_code == 200
    key = people.server.api_key
    for value in (f"PS-Auth key={key};pwd=[x];runas=admin", f"PS-Auth key={key};runas=admin"):
        assert sign_in(people.server, value).status_code == 200


def test_b13_finished_requests_are_not_listed(people):
    account = people.account()
    body = {"SystemID": account.system, "AccountID": account.id, "DurationMinutes": 5}
    number = ok(people.boss.post("/Requests", body), 201)
    assert number in [row["RequestID"] for row in ok(people.boss.get("/Requests"))]
    for row in ok(people.boss.get("/Requests")):
        assert people.boss.put(f"/Requests/{row['RequestID']}/Checkin", {}).status_code == 204
    wait_for(lambda: ok(people.boss.get("/Requests")) == [], timeout=5)
