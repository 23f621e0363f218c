"""tests/api/test_passwordsafe_registrations.py: API registrations, their rules, and client credentials (passwordsafe-api 2.1, 2.2, 2.5)."""
import base64
import json
import re
import time
import urllib.parse

import pytest
from passwordsafe_people import AM, AR, READ, REQUESTOR, WRITE, People, fresh, recorded, refused, sign_in, somebody
from support import PS, ok

FIELDS = ["ID", "Name", "RegistrationType", "Active", "Visible", "AccessTokenDuration", "MultiFactorAuthenticationEnforced", "ClientCertificateRequired", "UserPasswordRequired",
          "VerifyPSRUNSignature", "IPAuthenticationRules", "PSRUNRules", "XForwardedForAuthenticationRules"]


@pytest.fixture(scope="module")
def people(server):
    return People(server)


def make(people, status=201, **body):
    answer = people.boss.post("/ApiRegistrations", dict({"Name": fresh("r")}, **body))
    return ok(answer, 201) if status == 201 else refused(answer, status)


# -- the object

def test_the_example(people):
    name = fresh("ci")
    rule = {"Type": "CIDR", "Value": "127.0.0.0/8", "Description": "loopback"}
    made = make(people, Name=name, RegistrationType="apikeypolicy", Active=True, UserPasswordRequired=False, ClientCertificateRequired=False, IPAuthenticationRules=[rule])
    assert list(made) == FIELDS
    shown = made["IPAuthenticationRules"][0]
    assert list(shown) == ["Id", "Type", "Value", "Description", "CreatedDate"] and shown["Id"] > 0
    assert {key: shown[key] for key in rule} == rule
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d*[1-9])?", shown["CreatedDate"])
    rest = {key: made[key] for key in FIELDS if key not in ("ID", "IPAuthenticationRules")}
    assert rest == {"Name": name, "RegistrationType": "apikeypolicy", "Active": True, "Visible": True, "AccessTokenDuration": None, "MultiFactorAuthenticationEnforced": False,
                    "ClientCertificateRequired": False, "UserPasswordRequired": False, "VerifyPSRUNSignature": False, "PSRUNRules": [], "XForwardedForAuthenticationRules": []}
    assert ok(people.boss.get(f"/ApiRegistrations/{made['ID']}")) == made
    assert made in ok(people.boss.get("/ApiRegistrations"))


def test_defaults(people):
    made = make(people)
    assert (made["RegistrationType"], made["Active"], made["Visible"], made["IPAuthenticationRules"]) == ("apikeypolicy", False, True, [])
    policy = make(people, RegistrationType="apiaccesspolicy")
    assert policy["AccessTokenDuration"] == 60
    refused(people.boss.get(f"/ApiRegistrations/{policy['ID']}/Key"), 404)


def test_put_keeps_what_is_left_out(people):
    made = make(people, Active=True, UserPasswordRequired=True, IPAuthenticationRules=[{"Type": "SingleIP", "Value": "127.0.0.1"}])
    name = fresh("renamed")
    changed = ok(people.boss.put(f"/ApiRegistrations/{made['ID']}", {"Name": name}))
    assert changed == dict(made, Name=name)
    again = ok(people.boss.put(f"/ApiRegistrations/{made['ID']}", changed))
    assert [dict(rule, Id=0, CreatedDate="") for rule in again["IPAuthenticationRules"]] == [dict(rule, Id=0, CreatedDate="") for rule in made["IPAuthenticationRules"]]
    assert {key: value for key, value in again.items() if key != "IPAuthenticationRules"} == {key: value for key, value in changed.items() if key != "IPAuthenticationRules"}


SWITCHES = ["MultiFactorAuthenticationEnforced", "ClientCertificateRequired", "VerifyPSRUNSignature", "PersonalAccessTokenRequired"]


@pytest.mark.parametrize("switch", SWITCHES)
def test_switches_that_nothing_enforces(people, switch):
    assert make(people, 400, **{switch: True}) == f"{switch}: not supported"
    made = make(people, **{switch: False})
    assert refused(people.boss.put(f"/ApiRegistrations/{made['ID']}", {switch: "True"}), 400) == f"{switch}: not supported"
    assert ok(people.boss.put(f"/ApiRegistrations/{made['ID']}", {switch: None})) == made


@pytest.mark.parametrize("rules", ["PSRUNRules", "XForwardedForAuthenticationRules"])
def test_rules_that_nothing_enforces(people, rules):
    assert make(people, 400, **{rules: [{"Type": "SingleIP", "Value": "10.0.0.1"}]}) == f"{rules}: not supported"
    assert make(people, **{rules: []})[rules] == []


@pytest.mark.parametrize("body", [{"Name": ""}, {"Name": None}, {"Name": "x" * 256}, {"RegistrationType": "other"}, {"Active": "perhaps"}, {"AccessTokenDuration": 0, "RegistrationType": "apiaccesspolicy"},
                                  {"AccessTokenDuration": -5, "RegistrationType": "apiaccesspolicy"}, {"IPAuthenticationRules": "127.0.0.1"},
                                  {"IPAuthenticationRules": [{"Type": "SingleIP"}]}, {"IPAuthenticationRules": [{"Value": "127.0.0.1"}]}], ids=json.dumps)
def test_bad_bodies(people, body):
    make(people, 400, **body)


@pytest.mark.parametrize("kind,value", [("CIDR", "127.0.0.0/33"), ("CIDR", "127.0.0.0/-1"), ("CIDR", "127.0.0.0"), ("CIDR", "::/129"), ("SingleIP", "127.0.0.0/8"), ("SingleIP", "localhost"),
                                        ("SingleIP", "127.1"), ("SingleIP", "256.1.1.1"), ("IPRange", "10.0.0.9-10.0.0.1"), ("IPRange", "10.0.0.1"), ("IPList", "10.0.0.1,,10.0.0.2"),
                                        ("IPList", "10.0.0.1;10.0.0.2"), ("Regex", ".*"), ("SingleIP", ""), ("SingleIP", "127.0.0.1\u0000")])
def test_malformed_rules(people, kind, value):
    make(people, 400, IPAuthenticationRules=[{"Type": kind, "Value": value}])


def test_the_same_name_twice(people):
    name = fresh("Twice")
    made = make(people, Name=name)
    text = make(people, 409, Name=name.upper())
    assert re.search("already|exist|duplicate", text)
    other = make(people)
    refused(people.boss.put(f"/ApiRegistrations/{other['ID']}", {"Name": name}), 409)
    assert people.boss.delete(f"/ApiRegistrations/{made['ID']}").status_code == 200
    refused(people.boss.get(f"/ApiRegistrations/{made['ID']}"), 404, "API Registration not found")


def test_who_may(people):
    reader, writer, nobody = people.person({AR: READ}), people.person({AR: WRITE}), people.person({AM: WRITE})
    made = make(people)
    one = f"/ApiRegistrations/{made['ID']}"
    for path in ("/ApiRegistrations", one):
        assert reader.get(path).status_code == writer.get(path).status_code == 200
        refused(nobody.get(path), 403, "4031")
    for method, path in (("GET", one + "/Key"), ("POST", one + "/Rotate"), ("POST", "/ApiRegistrations"), ("PUT", one), ("DELETE", one)):
        refused(reader.call(method, path, {}), 403, "4031")
        refused(nobody.call(method, path, {}), 403, "4031")
        refused(nobody.call(method, path.replace(str(made["ID"]), "987654"), {}), 403, "4031")
    key = ok(writer.get(one + "/Key"))
    assert len(key) == 128 and re.fullmatch(r"[A-Za-z0-9]+", key)
    assert writer.get(one + "/Key").text == f'"{key}"'
    rotated = writer.post(one + "/Rotate")
    assert rotated.status_code in (200, 201) and rotated.json() != key


def test_a_key_shown_is_a_release_in_the_record(people):
    made = make(people)
    key = ok(people.boss.get(f"/ApiRegistrations/{made['ID']}/Key"))
    assert people.boss.post(f"/ApiRegistrations/{made['ID']}/Rotate").status_code in (200, 201)
    expected = [(what, True, "admin") for what in ("registration.create", "registration.key.release", "registration.key.rotate")]
    assert recorded(people.server, "registration", made["ID"]) == expected
    assert key not in people.server.log_text()


# -- UserPasswordRequired: on the call itself, too

@pytest.fixture
def guarded(people):
    number, key = people.registration_with(UserPasswordRequired=True)
    group = people.group({AM: READ}, registrations=[number])
    user = people.user(password="Guarded-1!", groups=[group])

    def header(pwd):
        return f"PS-Auth key={key}; runas={user['UserName']};" + (f" pwd=[{pwd}];" if pwd is not None else "")
    return number, user, header


def test_the_password_on_the_call_itself(people, server, guarded):
    _, _, header = guarded
    for wrong in ("Wrong-1!", "", "guarded-1!", None):
        refused(somebody(server, header(wrong)).get(PS + "/Auth"), 401, "Not authenticated")
    client = somebody(server, header("Guarded-1!"))
    assert client.get(PS + "/Auth").status_code == 200


def test_the_password_is_remembered_and_forgotten(people, server, guarded):
    """2.7: for 60 s; hashing is what costs, so the second call is much cheaper than the first."""
    _, user, header = guarded
    client = somebody(server, header("Guarded-1!"))
    times = []
    for _ in range(4):
        begin = time.monotonic()
        assert client.get(PS + "/Auth").status_code == 200
        times.append(time.monotonic() - begin)
    assert min(times[1:]) < times[0] / 3, times
    refused(somebody(server, header("Guarded-2!")).get(PS + "/Auth"), 401)
    assert people.boss.put(f"/Users/{user['UserID']}", {"Password": "Guarded-2!"}).status_code == 200
    refused(client.get(PS + "/Auth"), 401)
    assert somebody(server, header("Guarded-2!")).get(PS + "/Auth").status_code == 200


def test_what_is_remembered_is_of_this_user_and_key(people, server, guarded):
    number, user, header = guarded
    assert somebody(server, header("Guarded-1!")).get(PS + "/Auth").status_code == 200
    groups = [row["GroupID"] for row in ok(people.boss.get(f"/Users/{user['UserID']}/UserGroups"))]
    other = people.user(password="Something-else-1!", groups=groups)
    refused(somebody(server, header("Guarded-1!").replace(user["UserName"], other["UserName"])).get(PS + "/Auth"), 401)
    assert people.boss.put(f"/ApiRegistrations/{number}", {"Active": False}).status_code == 200
    refused(somebody(server, header("Guarded-1!")).get(PS + "/Auth"), 401)


def test_wrong_passwords_on_calls_are_counted(people, server, guarded):
    _, _, header = guarded
    guesser = somebody(server)
    for guess in range(5):
        refused(guesser.get(PS + "/ManagedAccounts", headers={"Authorization": header(f"Guess-{guess}")}), 401)
    refused(guesser.get(PS + "/ManagedAccounts", headers={"Authorization": header("Guarded-1!")}), 401)
    refused(guesser.post(PS + "/Auth/SignAppin", headers={"Authorization": header("Guarded-1!")}), 401)
    assert sign_in(server, header("Guarded-1!")).status_code == 200  # the owner, from where he is


def test_wrong_headers_without_a_password_are_counted(people, server):
    """keyturn-api 2.4: the name is half of such a credential, and who must wait waits on each call, not at SignAppin alone."""
    user = people.user(groups=[people.group({AM: READ})])
    guesser, right = somebody(server), f"PS-Auth key={server.api_key}; runas={user['UserName']};"
    for guess in range(5):
        refused(guesser.get(PS + "/ManagedAccounts", headers={"Authorization": f"PS-Auth key=guess{guess}; runas={user['UserName']};"}), 401)
    refused(guesser.get(PS + "/ManagedAccounts", headers={"Authorization": right}), 401)
    refused(guesser.post(PS + "/Auth/SignAppin", headers={"Authorization": right}), 401)
    assert somebody(server, right).get(PS + "/ManagedAccounts").status_code == 200  # the owner, from where he is


def test_a_checked_password_opens_our_own_face(people, server, guarded):
    _, _, header = guarded
    answer = somebody(server, header("Guarded-1!")).get("/api/v1/jobs")
    assert answer.status_code == 200, answer.text


# -- address rules

MATCHING = [("SingleIP", "127.0.0.1"), ("CIDR", "127.0.0.0/8"), ("IPRange", "127.0.0.0-127.0.0.9"), ("IPList", "10.0.0.1, 127.0.0.1"), ("CIDR", "127.0.0.1/32")]
OTHERS = [("SingleIP", "127.0.0.2"), ("CIDR", "10.0.0.0/8"), ("IPRange", "127.0.0.2-127.0.0.9"), ("IPList", "10.0.0.1,10.0.0.2"), ("CIDR", "::/0"), ("SingleIP", "::1")]


@pytest.mark.parametrize("kind,value,allowed", [(*rule, True) for rule in MATCHING] + [(*rule, False) for rule in OTHERS])
def test_address_rules(people, server, kind, value, allowed):
    number, key = people.registration_with(IPAuthenticationRules=[{"Type": kind, "Value": value}])
    user = people.user(groups=[people.group(registrations=[number])])["UserName"]
    client = people.client(user, key=key)  # comes from 127.0.0.1
    assert client.get("/Auth").status_code == (200 if allowed else 401)
    assert client.post("/Auth/SignAppin").status_code == (200 if allowed else 401)


def test_no_rule_means_loopback_and_nothing_that_came_through_a_proxy(people, server):
    number, key = people.registration_with(IPAuthenticationRules=[])
    user = people.user(groups=[people.group(registrations=[number])])["UserName"]
    value = f"PS-Auth key={key}; runas={user};"
    assert somebody(server, value).get(PS + "/Auth").status_code == 200
    for forwarded in ("127.0.0.1", "::1", "10.0.0.1, 127.0.0.1", "unknown", ""):
        answer = somebody(server, value, **{"X-Forwarded-For": forwarded}).get(PS + "/Auth")
        assert refused(answer, 401) == "Not authenticated", forwarded
        refused(sign_in(server, value, **{"X-Forwarded-For": forwarded}), 401)


def test_a_forwarded_address_is_not_believed(people, server):
    """From what is no trusted proxy it changes nobody's address: a rule for it does not match."""
    number, key = people.registration_with(IPAuthenticationRules=[{"Type": "SingleIP", "Value": "10.1.2.3"}])
    user = people.user(groups=[people.group(registrations=[number])])["UserName"]
    refused(somebody(server, f"PS-Auth key={key}; runas={user};", **{"X-Forwarded-For": "10.1.2.3"}).get(PS + "/Auth"), 401)


def test_a_refusal_by_rule_is_logged_with_address_and_name(people, server):
    name = fresh("far-away")
    number, key = people.registration_with(Name=name, IPAuthenticationRules=[{"Type": "SingleIP", "Value": "10.1.2.3"}])
    user = people.user(groups=[people.group(registrations=[number])])["UserName"]
    refused(people.client(user, key=key).get("/Auth"), 401)
    lines = [line for line in server.log_text().splitlines() if name in line]
    assert lines and "127.0.0.1" in lines[-1] and key not in "".join(lines), lines


def test_a_registration_of_another_group(people, server):
    number, key = people.registration_with()
    outsider = people.user(groups=[people.group()])["UserName"]
    refused(sign_in(server, f"PS-Auth key={key}; runas={outsider};"), 401)
    refused(sign_in(server, f"PS-Auth key={key}; runas=admin;"), 401)


def test_an_inactive_one(people, server):
    number, key = people.registration_with(Active=False)
    user = people.user(groups=[people.group(registrations=[number])])["UserName"]
    refused(sign_in(server, f"PS-Auth key={key}; runas={user};"), 401)


# -- client credentials

def token(server, form=None, raw=None, **headers):
    headers = dict({"Content-Type": "application/x-www-form-urlencoded"}, **headers)
    return somebody(server, **headers).post(PS + "/Auth/connect/token", raw=raw if raw is not None else urllib.parse.urlencode(form))


@pytest.fixture(scope="module")
def robot(people):
    made = ok(people.boss.post("/Users", {"UserType": "Application", "UserName": fresh("ci-bot"), "AccessPolicyID": people.policy}), 201)
    people.join(made["UserID"], people.group({AM: READ}, registrations=[]))
    return made


def form_of(robot, **more):
    return dict({"grant_type": "client_credentials", "client_id": robot["ClientID"], "client_secret": robot["ClientSecret"]}, **more)


def test_a_token_and_its_session(people, server, robot):
    answer = token(server, form_of(robot))
    body = ok(answer)
    assert list(body) == ["access_token", "expires_in", "token_type", "scope"]
    assert (body["expires_in"], body["token_type"], body["scope"]) == (3600, "Bearer", "publicapi")
    bearer = f"Bearer {body['access_token']}"
    signed_in = sign_in(server, bearer)
    assert ok(signed_in)["UserName"] == robot["UserName"]
    cookie = signed_in.headers["Set-Cookie"].split(";")[0]
    system = people.system()
    path = f"{PS}/ManagedSystems/{system}/ManagedAccounts"
    for headers in ({"Cookie": cookie}, {"Cookie": cookie, "Authorization": bearer}, {"Authorization": bearer}, {"Authorization": bearer.replace("Bearer", "bearer")}):
        assert somebody(server, **headers).get(path).status_code == 200
        refused(somebody(server, **headers).post(path, {"AccountName": "x", "Password": "x"}), 403, "4031")
        assert somebody(server, **headers).get("/api/v1/jobs").json()["code"] == "password.required"


def test_other_ways_to_ask_for_a_token(server, robot):
    basic = "Basic " + base64.b64encode(f"{robot['ClientID']}:{robot['ClientSecret']}".encode()).decode()
    assert token(server, {"grant_type": "client_credentials"}, Authorization=basic).status_code == 200
    assert token(server, form_of(robot, scope="publicapi openid", resource="x")).status_code == 200
    assert token(server, raw=json.dumps(form_of(robot)), **{"Content-Type": "application/json"}).status_code == 200
    client = somebody(server)
    answer = client.http.post(server.url + PS + "/auth/Connect/Token/", data=urllib.parse.urlencode(form_of(robot)).encode(), timeout=30)
    assert answer.status_code == 200  # no Content-Type at all


def oauth_error(answer, word):
    assert answer.status_code == 400 and answer.headers["Content-Type"] == "application/json; charset=utf-8", (answer.status_code, answer.text)
    assert answer.json()["error"] == word and answer.json().keys() <= {"error", "error_description"}


def test_token_errors(server, robot):
    oauth_error(token(server, form_of(robot, client_secret="wrong")), "invalid_client")
    oauth_error(token(server, form_of(robot, client_id="wrong")), "invalid_client")
    oauth_error(token(server, form_of(robot, client_secret="")), "invalid_client")
    oauth_error(token(server, {"grant_type": "client_credentials"}), "invalid_client")
    oauth_error(token(server, form_of(robot, grant_type="password")), "unsupported_grant_type")
    oauth_error(token(server, raw="%zz"), "invalid_request")
    oauth_error(token(server, raw="client_secret=a&client_secret=b&grant_type=client_credentials"), "invalid_request")
    for value in ("Bearer nonsense", "Bearer ", "Bearer a.b.c"):
        refused(sign_in(server, value), 401)
        refused(somebody(server, value).get(PS + "/Auth"), 401)


def test_a_token_without_a_group(people, server):
    """2.3: 403 with 4031 at sign-in."""
    lonely = ok(people.boss.post("/Users", {"UserType": "Application", "UserName": fresh("lonely"), "AccessPolicyID": people.policy}), 201)
    answer = token(server, form_of(lonely))
    if answer.status_code == 200:
        bearer = f"Bearer {answer.json()['access_token']}"
        refused(sign_in(server, bearer), 403, "4031")
        for path in ("/Auth", "/Workgroups", "/Platforms", "/Requests"):
            refused(somebody(server, bearer).get(PS + path), 403, "4031")
    else:
        oauth_error(answer, "invalid_client")


def test_a_robot_that_was_taken_out_of_his_groups_reads_nothing(people, server):
    """2.1, at each call: with a request that is still running, and the token that he has, and the next one."""
    account = people.account()
    made = ok(people.boss.post("/Users", {"UserType": "Application", "UserName": fresh("leaver"), "AccessPolicyID": people.policy}), 201)
    group = people.group(registrations=[])
    people.join(made["UserID"], group)
    people.give_role(group, people.rule(account), [REQUESTOR])
    bearer = f"Bearer {ok(token(server, form_of(made)))['access_token']}"
    robot = somebody(server, bearer)
    request = ok(robot.post(PS + "/Requests", {"AccountID": account.id, "SystemID": account.system, "DurationMinutes": 120, "Reason": "r"}), 201)
    assert robot.get(f"{PS}/Credentials/{request}").status_code == 200
    people.leave(made["UserID"], group)
    for used in (bearer, f"Bearer {ok(token(server, form_of(made)))['access_token']}"):
        refused(somebody(server, used).get(f"{PS}/Credentials/{request}"), 403, "4031")
        refused(somebody(server, used).get(PS + "/Auth"), 403, "4031")
    people.join(made["UserID"], group)
    assert somebody(server, bearer).get(f"{PS}/Credentials/{request}").status_code == 200


def test_a_policy_that_a_robot_has_is_not_deleted(people):
    policy = make(people, RegistrationType="apiaccesspolicy", Active=True)
    made = ok(people.boss.post("/Users", {"UserType": "Application", "UserName": fresh("has-it"), "AccessPolicyID": policy["ID"]}), 201)
    assert made["UserName"] in refused(people.boss.delete(f"/ApiRegistrations/{policy['ID']}"), 409)
    assert people.boss.delete(f"/Users/{made['UserID']}").status_code == 200
    assert people.boss.delete(f"/ApiRegistrations/{policy['ID']}").status_code == 200


def test_a_tokens_lifetime_is_the_policys(people, server):
    policy = make(people, RegistrationType="apiaccesspolicy", Active=True, AccessTokenDuration=7)
    assert policy["AccessTokenDuration"] == 7
    made = ok(people.boss.post("/Users", {"UserType": "Application", "UserName": fresh("short"), "AccessPolicyID": policy["ID"]}), 201)
    people.join(made["UserID"], people.group(registrations=[]))
    assert ok(token(server, form_of(made)))["expires_in"] == 420


def test_what_ends_a_token(people, server):
    policy = make(people, RegistrationType="apiaccesspolicy", Active=True)
    made = ok(people.boss.post("/Users", {"UserType": "Application", "UserName": fresh("ending"), "AccessPolicyID": policy["ID"]}), 201)
    group = people.group(registrations=[])
    people.join(made["UserID"], group)
    bearer = f"Bearer {ok(token(server, form_of(made)))['access_token']}"
    assert somebody(server, bearer).get(PS + "/Auth").status_code == 200
    new = ok(people.boss.post(f"/Users/{made['UserID']}/RecycleClientSecret"))
    assert isinstance(new, str) and new != made["ClientSecret"]
    oauth_error(token(server, form_of(made)), "invalid_client")
    bearer = f"Bearer {ok(token(server, form_of(made, client_secret=new)))['access_token']}"
    for change, undo in (({"Active": False}, {"Active": True}), ({"IPAuthenticationRules": [{"Type": "SingleIP", "Value": "10.0.0.1"}]}, {"IPAuthenticationRules": []})):
        ok(people.boss.put(f"/ApiRegistrations/{policy['ID']}", change))
        refused(somebody(server, bearer).get(PS + "/Auth"), 401)
        oauth_error(token(server, form_of(made, client_secret=new)), "invalid_client")
        ok(people.boss.put(f"/ApiRegistrations/{policy['ID']}", undo))
    bearer = f"Bearer {ok(token(server, form_of(made, client_secret=new)))['access_token']}"
    ok(people.boss.post(f"/Users/{made['UserID']}/Quarantine"))
    refused(somebody(server, bearer).get(PS + "/Auth"), 401)
    oauth_error(token(server, form_of(made, client_secret=new)), "invalid_client")


def test_an_application_user_has_no_other_way_in(people, server, robot):
    refused(sign_in(server, f"PS-Auth key={server.api_key}; runas={robot['UserName']};"), 401)
    answer = somebody(server).post("/v2/authentication", {"username": robot["UserName"], "password": robot["ClientSecret"]})
    assert answer.status_code == 401


def test_a_key_that_admits_more_than_its_keeper_holds(people):
    """Whoever reads the key of `default` signs in as any administrator: API Registration Management alone does not do (I10)."""
    writer = people.person({AR: WRITE})
    default = next(r for r in ok(people.boss.get("/ApiRegistrations")) if r["Name"] == "default")
    one = f"/ApiRegistrations/{default['ID']}"
    for method, path, body in (("GET", one + "/Key", None), ("POST", one + "/Rotate", None), ("PUT", one, {"Description": "x"}), ("DELETE", one, None)):
        refused(writer.call(method, path, body), 403, "4031")
    assert ok(people.boss.get(one + "/Key")) == people.server.api_key
