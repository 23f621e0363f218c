"""tests/api/test_passwordsafe_header.py: every way in by a PS-Auth header (passwordsafe-api 2.2, 2.3)."""
import http.client
import re

import pytest
from passwordsafe_people import People, fresh, refused, sign_in, somebody
from support import PS, ok

PASSWORDS = ["plain-1!", "semi;colon", "a=b;c=d", "brackets]]inside", "x]; challenge=1", "[both]", "ends with blank ", "quote\"d", "]", "; runas=admin;", "pwd=[x]"]


@pytest.fixture(scope="module")
def people(server):
    return People(server)


@pytest.fixture(scope="module")
def key(server):
    return server.api_key


def by(server, value, status=200, method="GET", path="/Auth"):
    answer = somebody(server, value).call(method, PS + path)
    if status == 401:
        assert refused(answer, 401) == "Not authenticated"
    else:
        assert answer.status_code == status, (value, answer.status_code, answer.text)
    return answer


ACCEPTED = {
    "canonical": "PS-Auth key={key}; runas=admin;",
    "without the last semicolon": "PS-Auth key={key}; runas=admin",
    "without blanks": "PS-Auth key={key};runas=admin;",
    "many blanks": "PS-Auth   key={key} ;  runas=admin ; ",
    "a tab": "PS-Auth\tkey={key};\trunas=admin;",
    "scheme in another case": "ps-AUTH key={key}; runas=admin;",
    "doubled": "Authorization: PS-Auth key={key}; runas=admin;",
    "doubled in another case": "authorization:PS-Auth key={key}; runas=admin;",
    "quoted key": 'PS-Auth key="{key}"; runas=admin;',
    "quoted both": 'PS-Auth key="{key}"; runas="admin";',
    "key last": "PS-Auth runas=admin; key={key};",
    "names in another case": "PS-Auth KEY={key}; RunAs=admin;",
    "user in another case": "PS-Auth key={key}; runas=ADMIN;",
    "an unbracketed password": "PS-Auth key={key}; runas=admin; pwd=whatever",
    "a bracketed password before runas": "PS-Auth key={key}; pwd=[what;ever]; runas=admin",
    "a challenge": "PS-Auth key={key}; runas=admin; challenge=123456",
    "a challenge before the password": "PS-Auth key={key}; runas=admin; challenge=push; pwd=[x];",
    "an unknown element": "PS-Auth key={key}; runas=admin; color=red;",
}
REFUSED = {
    "no blank behind the scheme": "PS-Authkey={key}; runas=admin;",
    "no runas": "PS-Auth key={key}",
    "no runas, with a semicolon": "PS-Auth key={key};",
    "an empty runas": "PS-Auth key={key}; runas=;",
    "a blank runas": "PS-Auth key={key}; runas= ;",
    "a quoted empty runas": 'PS-Auth key={key}; runas="";',
    "no key": "PS-Auth runas=admin;",
    "an empty key": "PS-Auth key=; runas=admin;",
    "a wrong key": "PS-Auth key={wrong}; runas=admin;",
    "a key cut short": "PS-Auth key={short}; runas=admin;",
    "a key too long": "PS-Auth key={long}; runas=admin;",
    "an unknown user": "PS-Auth key={key}; runas=nobody-of-this-name;",
    "the server's own user": "PS-Auth key={key}; runas=keyturn;",
    "a local user with a dot domain": "PS-Auth key={key}; runas=.\\admin;",
    "a local user with a domain": "PS-Auth key={key}; runas=CORP\\admin;",
    "a bracket that never closes": "PS-Auth key={key}; runas=admin; pwd=[open",
    "another scheme": "Basic YWRtaW46YWRtaW4=",
    "the scheme alone": "PS-Auth",
    "the scheme and a blank": "PS-Auth ",
    "empty": "",
}


@pytest.mark.parametrize("form", ACCEPTED, ids=list(ACCEPTED))
def test_forms_that_clients_send(server, key, form):
    value = ACCEPTED[form].format(key=key)
    assert ok(by(server, value))["UserName"] == "admin"
    assert sign_in(server, value).status_code == 200


@pytest.mark.parametrize("form", REFUSED, ids=list(REFUSED))
def test_forms_that_name_nobody(server, key, form):
    wrong = ("b" if key[0] != "b" else "c") + key[1:]
    value = REFUSED[form].format(key=key, wrong=wrong, short=key[:-1], long=key + "a" * 200)
    by(server, value, 401)
    answer = sign_in(server, value)
    assert refused(answer, 401) == "Not authenticated" and "Set-Cookie" not in answer.headers


def test_bytes_that_are_no_text(server, key):
    """A raw socket, for the library would refuse them itself."""
    host = server.url.split("://")[1]
    for bad in (b"\xff\xfe", b"\xc3\x28", b"caf\xe9"):
        connection = http.client.HTTPConnection(host, timeout=30)
        connection.putrequest("GET", PS + "/Auth")
        connection.putheader("Authorization", b"PS-Auth key=" + key.encode() + b"; runas=" + bad + b";")
        connection.endheaders()
        assert connection.getresponse().status == 401
        connection.close()


@pytest.fixture(scope="module")
def with_password(people):
    """A registration that wants the password, and what makes a header for it."""
    number, key = people.registration_with(UserPasswordRequired=True)
    group = people.group(registrations=[number])

    def header(name, pwd, form="PS-Auth key={key}; runas={name}; {pwd}"):
        return form.format(key=key, name=name, pwd=pwd)
    return group, header


@pytest.mark.parametrize("password", PASSWORDS)
def test_passwords_with_the_grammars_own_characters(server, people, with_password, password):
    group, header = with_password
    user = people.user(password=password, groups=[group])["UserName"]
    assert sign_in(server, header(user, f"pwd=[{password}];")).status_code == 200
    assert sign_in(server, header(user, f"pwd=[{password}]")).status_code == 200
    assert sign_in(server, header(user, f"pwd=[{password}x];")).status_code == 401
    assert sign_in(server, header(user, "pwd=[];")).status_code == 401
    assert sign_in(server, header(user, "")).status_code == 401


def test_password_before_runas_and_with_a_challenge(server, people, with_password):
    group, header = with_password
    user = people.user(password="a;b]c=d", groups=[group])["UserName"]
    pwd = "pwd=[a;b]c=d];"
    for form in ("PS-Auth key={key}; {pwd} runas={name}", "PS-Auth key={key}; runas={name}; challenge=123456; {pwd}",
                 "PS-Auth key={key}; runas={name}; {pwd} challenge=123456", "PS-Auth {pwd} runas={name}; key={key}", "PS-Auth key={key}; runas={name}; PWD=[a;b]c=d] ;"):
        answer = sign_in(server, header(user, pwd, form))
        assert answer.status_code == 200, (form, answer.text)


def test_an_unbracketed_password(server, people, with_password):
    group, header = with_password
    user = people.user(password="un=bracketed", groups=[group])["UserName"]
    assert sign_in(server, header(user, "pwd=un=bracketed;")).status_code == 200
    assert sign_in(server, header(user, "pwd=un=bracketed")).status_code == 200
    assert sign_in(server, header(user, "pwd=un;=bracketed")).status_code == 401


def test_a_password_that_is_not_asked_for_is_ignored(server, people, key):
    """2.1: right or wrong."""
    user = people.user(password="Right-1!", groups=[people.group()])["UserName"]
    for pwd in ("pwd=[Right-1!];", "pwd=[Wrong-1!];", "pwd=[];", ""):
        value = f"PS-Auth key={key}; runas={user}; {pwd}"
        assert sign_in(server, value).status_code == 200
        assert by(server, value).status_code == 200


def test_what_sign_in_answers(server, people, key):
    name = fresh("alice")
    body = {"UserType": "BeyondInsight", "UserName": name, "FirstName": "Alice", "LastName": "Adams", "EmailAddress": "alice@corp.example", "Password": "Alice-1!"}
    user = ok(people.boss.post("/Users", body), 201)
    people.join(user["UserID"], people.group())
    answer = sign_in(server, f"PS-Auth key={key}; runas={name.upper()};")
    expected = '{"UserId":%d,"SID":null,"EmailAddress":"alice@corp.example","UserName":"%s","Name":"Alice Adams"}' % (user["UserID"], name)
    assert answer.status_code == 200 and answer.text == expected
    assert by(server, f"PS-Auth key={key}; runas={name};").text == expected
    cookies = [value for header, value in answer.raw.headers.items() if header.lower() == "set-cookie"]
    assert len(cookies) == 1
    assert re.fullmatch(r"ASP\.NET_SessionId=[a-z0-9]{24}; path=/; HttpOnly; SameSite=Strict", cookies[0]), cookies
    assert answer.headers["Content-Type"] == "application/json; charset=utf-8"


def test_sign_in_takes_any_body_and_any_spelling(server, key):
    client = somebody(server, f"PS-Auth key={key}; runas=admin;")
    for path in ("/Auth/SignAppin", "/Auth/SignAppIn", "/auth/signappin", "/AUTH/SIGNAPPIN/", "/Auth/SignAppIn/"):
        assert client.post(PS + path).status_code == 200
    for raw, kind in ((b"{}", "application/json"), (b"not json {", "application/json"), (b"a=b", "application/x-www-form-urlencoded"), (b"[]", "")):
        assert client.post(PS + "/Auth/SignAppin", raw=raw, headers={"Content-Type": kind}).status_code == 200


def test_a_header_on_each_call_opens_no_session(server, key):
    client = somebody(server, f"PS-Auth key={key}; runas=admin;")
    for path in ("/Auth", "/Configuration/Version", "/ManagedAccounts", "/Workgroups"):
        answer = client.get(PS + path)
        assert answer.status_code == 200 and "Set-Cookie" not in answer.headers


def test_the_version(server, key):
    assert somebody(server, f"PS-Auth key={key}; runas=admin;").get(PS + "/Configuration/Version").text == '{"Version":"24.3.0.1000"}'
    refused(somebody(server).get(PS + "/Configuration/Version"), 401)


def test_both_base_paths(server, key):
    client = somebody(server, f"PS-Auth key={key}; runas=admin;")
    one, other = (client.get(f"{base}/Workgroups") for base in (PS, "/eEye.RetinaCS.Server/api/public/v3"))
    assert one.status_code == other.status_code == 200 and one.content == other.content
    assert client.get("/beyondtrust/API/public/V3/workgroups").content == one.content


def test_guessing_is_refused_and_the_right_one_waits_as_well(server, people, with_password):
    """keyturn-api 2.4: from the fifth failure the pair waits; the owner elsewhere does not."""
    group, header = with_password
    user = people.user(password="Right-1!", groups=[group])["UserName"]
    guesser = somebody(server)
    for _ in range(5):
        assert guesser.post(PS + "/Auth/SignAppin", headers={"Authorization": header(user, "pwd=[Wrong-1!];")}).status_code == 401
    right = header(user, "pwd=[Right-1!];")
    assert guesser.post(PS + "/Auth/SignAppin", headers={"Authorization": right}).status_code == 401
    assert guesser.get(PS + "/Auth", headers={"Authorization": right}).status_code == 401
    assert sign_in(server, right).status_code == 200
