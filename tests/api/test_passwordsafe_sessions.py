"""tests/api/test_passwordsafe_sessions.py: cookies, signing out, foreign pages, and what ends a session (passwordsafe-api 2.6, 2.7)."""
import re
import time

import pytest
from passwordsafe_people import AM, READ, WRITE, Bare, People, refused, sign_in, somebody
from store import Store, rows_of, stored_bytes
from support import PS, ok, wait_for


@pytest.fixture(scope="module")
def people(server):
    return People(server)


@pytest.fixture(scope="module")
def header(server):
    return f"PS-Auth key={server.api_key}; runas=admin;"


def cookie_of(answer):
    assert answer.status_code == 200, (answer.status_code, answer.text)
    return re.match(r"ASP\.NET_SessionId=([a-z0-9]{24});", answer.headers["Set-Cookie"]).group(1)


def by_cookie(server, value, method="GET", path="/Auth", name="ASP.NET_SessionId=", **headers):
    return somebody(server, Cookie=name + value, **headers).call(method, PS + path)


@pytest.fixture
def session(server, header):
    return cookie_of(sign_in(server, header))


def test_a_cookie_alone(server, session):
    assert ok(by_cookie(server, session))["UserName"] == "admin"
    assert by_cookie(server, session, path="/Workgroups").status_code == 200
    assert by_cookie(server, session, "POST", "/Workgroups").status_code == 400


REPLAYED = ["{}", "{}; path=/; HttpOnly; SameSite=Strict", "{}; path=/; HttpOnly", "{};", "{} ; Secure", "{}; other=1"]


@pytest.mark.parametrize("form", REPLAYED)
def test_a_whole_set_cookie_sent_back(server, session, form):
    assert by_cookie(server, form.format(session)).status_code == 200


def test_among_other_cookies(server, session):
    for before in ("a=b; ", "path=/; HttpOnly; ", "ASP.NET_Session=x; ", 'x="y; z"; '):
        assert by_cookie(server, f"{before}ASP.NET_SessionId={session}", name="").status_code == 200, before


def test_a_client_that_keeps_cookies(server, header):
    client = somebody(server, header)
    assert client.post(PS + "/Auth/SignAppin").status_code == 200
    client.own_headers = {}
    assert client.get(PS + "/Workgroups").status_code == 200
    assert client.post(PS + "/Auth/Signout").status_code == 200
    assert client.get(PS + "/Workgroups").status_code == 401


UNKNOWN = ["abcdefghijklmnopqrstuvwx", "", "x", "a" * 4000, "' OR 1=1 --", "%00", "{session}x", "{upper}", "{short}"]


@pytest.mark.parametrize("value", UNKNOWN)
def test_an_unknown_cookie(server, session, value):
    value = value.format(session=session, upper=session.upper(), short=session[:-1])
    assert refused(by_cookie(server, value), 401) == "Not authenticated"


def test_an_unknown_cookie_with_a_header(server, header, session):
    """2.7: without a valid cookie the header counts; with one, any header is ignored."""
    assert by_cookie(server, "abcdefghijklmnopqrstuvwx", Authorization=header).status_code == 200
    assert by_cookie(server, session, Authorization="PS-Auth key=wrong; runas=admin;").status_code == 200
    assert by_cookie(server, session, Authorization="Bearer nonsense").status_code == 200


def test_no_session_is_adopted(server, header):
    chosen = "abcdefghijklmnopqrstuvwx"
    answer = sign_in(server, header, Cookie=f"ASP.NET_SessionId={chosen}")
    assert cookie_of(answer) != chosen
    assert by_cookie(server, chosen).status_code == 401


def test_each_sign_in_makes_a_new_one(server, header, session):
    answer = sign_in(server, header, Cookie=f"ASP.NET_SessionId={session}")
    assert cookie_of(answer) != session
    assert len({cookie_of(sign_in(server, header)) for _ in range(5)}) == 5


def test_the_store_has_only_a_hash(server, session):
    raw = stored_bytes(server)
    assert session.encode() not in raw


def test_sign_out(server, session):
    answer = by_cookie(server, session, "POST", "/Auth/Signout")
    assert (answer.status_code, answer.content, answer.headers["Content-Length"]) == (200, b"", "0")
    refused(by_cookie(server, session), 401)
    assert by_cookie(server, session, "POST", "/Auth/Signout").status_code == 200


def test_sign_out_is_always_200(server):
    for headers in ({}, {"Cookie": "ASP.NET_SessionId=abcdefghijklmnopqrstuvwx"}, {"Cookie": "ASP.NET_SessionId="}, {"Authorization": "PS-Auth key=x"},
                    {"Authorization": "nonsense"}, {"Cookie": "nonsense"}):
        for path in ("/Auth/Signout", "/Auth/SignOut", "/auth/signout/"):
            answer = somebody(server, **headers).post(PS + path)
            assert (answer.status_code, answer.content) == (200, b""), headers
    answer = somebody(server).get(PS + "/Auth/Signout")
    assert answer.status_code == 405 and answer.headers["Allow"] == "POST"


FOREIGN = [{"Origin": "https://evil.example"}, {"Origin": "null"}, {"Sec-Fetch-Site": "cross-site"}, {"Sec-Fetch-Site": "Cross-Site", "Origin": "{own}"},
           {"Origin": "http://127.0.0.1:1"}, {"Origin": "{own}.evil.example"}]
OURS = [{"Origin": "{own}"}, {"Sec-Fetch-Site": "same-origin", "Origin": "{own}"}, {"Sec-Fetch-Site": "none"}]


@pytest.mark.parametrize("headers", FOREIGN, ids=str)
def test_a_foreign_page(server, session, header, headers):
    headers = {name: value.format(own=server.url) for name, value in headers.items()}
    before = by_cookie(server, session, path="/Workgroups").content
    for kind, body in (("application/x-www-form-urlencoded", b"Name=Forged"), ("text/plain", b'{"Name":"Forged"}'), (None, b'{"Name":"Forged"}')):
        client = somebody(server, Cookie=f"ASP.NET_SessionId={session}", **headers, **({"Content-Type": kind} if kind else {}))
        assert refused(client.call("POST", PS + "/Workgroups", raw=body), 403) == "4031"
    assert refused(by_cookie(server, session, "GET", "/Workgroups", **headers), 403) == "4031"
    assert by_cookie(server, session, path="/Workgroups").content == before
    # A header is nothing that a browser adds by itself.
    assert somebody(server, header, **headers).get(PS + "/Workgroups").status_code == 200


@pytest.mark.parametrize("headers", OURS, ids=str)
def test_a_page_of_our_own(server, session, headers):
    headers = {name: value.format(own=server.url) for name, value in headers.items()}
    assert by_cookie(server, session, **headers).status_code == 200


def test_a_foreign_page_cannot_sign_somebody_out(server, session):
    """Whoever has a session is refused; whoever has none still gets his 200."""
    foreign = {"Origin": "https://evil.example"}
    assert refused(by_cookie(server, session, "POST", "/Auth/Signout", **foreign), 403) == "4031"
    assert by_cookie(server, "abcdefghijklmnopqrstuvwx", "POST", "/Auth/Signout", **foreign).status_code == 200
    assert by_cookie(server, session).status_code == 200


def age(server, session_count, **columns):
    """Moves what stands in the store back in time, the way that waiting would."""
    with Store(server) as db:
        for column, hours in columns.items():
            db.execute(f"UPDATE sessions SET {column} = {column} - ?", (int(hours * 3600 * 1000000),))
        assert db.execute("SELECT COUNT(*) FROM sessions").fetchone()[0] >= session_count


def columns_of(server):
    with Store(server) as db:
        return db.columns()["sessions"]


def test_idle_for_twenty_minutes(server, header):
    assert {"used_at", "ends_at"} <= set(columns_of(server)), columns_of(server)
    session = cookie_of(sign_in(server, header))
    age(server, 1, used_at=19 / 60)
    assert by_cookie(server, session).status_code == 200
    # That call renewed it: another 19 minutes are not too long.
    wait_for(lambda: fresh_use(server), timeout=10)
    age(server, 1, used_at=19 / 60)
    assert by_cookie(server, session).status_code == 200
    wait_for(lambda: fresh_use(server), timeout=10)
    age(server, 1, used_at=21 / 60)
    refused(by_cookie(server, session), 401)


def fresh_use(server):
    return time.time() * 1000000 - rows_of(server, "SELECT MAX(used_at) FROM sessions")[0][0] < 60 * 1000000


def test_twelve_hours_in_all(server, header):
    session = cookie_of(sign_in(server, header))
    age(server, 1, ends_at=11.9)
    assert by_cookie(server, session).status_code == 200
    age(server, 1, ends_at=0.2)
    refused(by_cookie(server, session), 401)


# -- what ends it at the next call

@pytest.fixture
def third(people):
    """Somebody with a registration of his own, and his session."""
    number, key = people.registration_with()
    group = people.group({AM: READ}, registrations=[number])
    user = people.user(groups=[group])
    value = f"PS-Auth key={key}; runas={user['UserName']};"
    return {"registration": number, "key": key, "group": group, "user": user, "header": value, "session": cookie_of(sign_in(people.server, value))}


def ends(people, third, answer):
    assert answer.status_code in (200, 201, 204), answer.text
    refused(by_cookie(people.server, third["session"]), 401)
    refused(somebody(people.server, third["header"]).get(PS + "/Auth"), 401)
    refused(sign_in(people.server, third["header"]), 401)


def test_rotating_the_key_ends_sessions(people, third):
    assert by_cookie(people.server, third["session"]).status_code == 200
    answer = people.boss.post(f"/ApiRegistrations/{third['registration']}/Rotate")
    ends(people, third, answer)
    new = answer.json()
    assert isinstance(new, str) and len(new) == 128 and new != third["key"]
    assert sign_in(people.server, f"PS-Auth key={new}; runas={third['user']['UserName']};").status_code == 200
    assert ok(people.boss.get(f"/ApiRegistrations/{third['registration']}/Key")) == new


def test_deactivating_the_registration_ends_sessions(people, third):
    ends(people, third, people.boss.put(f"/ApiRegistrations/{third['registration']}", {"Active": False}))
    assert ok(people.boss.put(f"/ApiRegistrations/{third['registration']}", {"Active": True}))["Active"] is True
    assert sign_in(people.server, third["header"]).status_code == 200


def test_deleting_the_registration_ends_sessions(people, third):
    ends(people, third, people.boss.delete(f"/ApiRegistrations/{third['registration']}"))


def test_deactivating_the_user_ends_sessions(people, third):
    ends(people, third, people.boss.put(f"/Users/{third['user']['UserID']}", {"IsActive": False}))


def test_quarantine_ends_sessions(people, third):
    answer = people.boss.post(f"/Users/{third['user']['UserID']}/Quarantine")
    assert answer.json()["IsQuarantined"] is True
    ends(people, third, answer)


def test_deleting_the_user_ends_sessions(people, third):
    ends(people, third, people.boss.delete(f"/Users/{third['user']['UserID']}"))


def test_leaving_the_group_that_has_the_registration_ends_sessions(people, third):
    ends(people, third, people.boss.delete(f"/Users/{third['user']['UserID']}/UserGroups/{third['group']}"))


def test_deleting_the_group_ends_sessions(people, third):
    ends(people, third, people.boss.delete(f"/UserGroups/{third['group']}"))


def test_a_new_password_ends_sessions(people, third):
    """keyturn-api 2.2."""
    assert people.boss.put(f"/Users/{third['user']['UserID']}", {"Password": "Another-1!"}).status_code == 200
    refused(by_cookie(people.server, third["session"]), 401)


def test_address_rules_hold_at_every_call(people, third):
    number, session = third["registration"], third["session"]
    rules = [{"Type": "SingleIP", "Value": "10.99.99.99"}]
    assert people.boss.put(f"/ApiRegistrations/{number}", {"IPAuthenticationRules": rules}).status_code == 200
    refused(by_cookie(people.server, session), 401)
    refused(somebody(people.server, third["header"]).get(PS + "/Auth"), 401)
    assert people.boss.put(f"/ApiRegistrations/{number}", {"IPAuthenticationRules": []}).status_code == 200
    assert by_cookie(people.server, session).status_code == 200
    # With no rule at all it has to come from here, and what came through a proxy did not (keyturn-api 2.4).
    refused(by_cookie(people.server, session, **{"X-Forwarded-For": "127.0.0.1"}), 401)


def test_a_right_taken_away_is_gone_at_once(people, third):
    system = people.system()
    path = f"/ManagedSystems/{system}/ManagedAccounts"
    assert by_cookie(people.server, third["session"], path=path).status_code == 200
    assert people.boss.delete(f"/UserGroups/{third['group']}/Permissions").status_code == 204
    assert refused(by_cookie(people.server, third["session"], path=path), 403) == "4031"
    rights = [{"PermissionID": people.permissions[AM], "AccessLevelID": WRITE}]
    assert people.boss.post(f"/UserGroups/{third['group']}/Permissions", rights).status_code == 204
    assert by_cookie(people.server, third["session"], path=path).status_code == 200


def test_our_own_face_wants_a_checked_password(people, third):
    """keyturn-api 2.1: by this session and by this header 403 password.required."""
    client = Bare(people.server.url)
    for headers in ({"Cookie": f"ASP.NET_SessionId={third['session']}"}, {"Authorization": third["header"]}):
        answer = client.http.get(people.server.url + "/api/v1/jobs", headers=headers, timeout=30)
        assert answer.status_code == 403 and answer.json()["code"] == "password.required", answer.text
