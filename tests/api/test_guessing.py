"""tests/api/test_guessing.py: guesses that go round the counters, and refusals of nobody that must not fill the record (keyturn-api 2.4, 2.7)."""

import pytest
from passwordsafe_people import People, somebody
from store import rows_of
from support import PS, ok, wait_for

OWN = "/api/v1/version"
RIGHT, WRONG = "pwd=[Right-1!];", "pwd=[Wrong-1!];"


@pytest.fixture(scope="module")
def people(server):
    return People(server)


@pytest.fixture(scope="module")
def header_of(people):
    """A new user of a registration that wants the password, and the same user without any: his name, and what makes a header for him."""
    number, key = people.registration_with(UserPasswordRequired=True)
    group = people.group(registrations=[number, people.registration])

    def make():
        user = people.user(password="Right-1!", groups=[group])["UserName"]
        return user, lambda pwd: f"PS-Auth key={key}; runas={user}; {pwd}"
    return make


def rows(server):
    return rows_of(server, "SELECT what, source, user_name, detail FROM audit_rows ORDER BY id")


BESIDE = {
    "nothing": (PS + "/Auth", {}),
    "a cookie of no session": (PS + "/Auth", {"Cookie": "ASP.NET_SessionId=abcdefghijklmnopqrstuvwx"}),
    "a token of nobody": (PS + "/Auth", {"X-Authorization": "x"}),
    "nothing, on our own face": (OWN, {}),
    "a cookie of no session, on our own face": (OWN, {"Cookie": "ASP.NET_SessionId=abcdefghijklmnopqrstuvwx"}),
    "a token of nobody, on our own face": (OWN, {"X-Authorization": "x"}),
}


@pytest.mark.parametrize("beside", BESIDE, ids=list(BESIDE))
def test_a_header_is_verified_and_counted_whatever_stands_beside_it(server, header_of, beside):
    """Its owner's right password is remembered for a minute: nobody may try others against that unseen."""
    path, more = BESIDE[beside]
    _, header = header_of()
    owner, guesser = somebody(server, header(RIGHT), **more), somebody(server, **more)
    assert owner.get(path).status_code == 200

    def guess(password):
        return guesser.get(path, headers={"Authorization": header(password)}).status_code
    assert [guess(WRONG) for _ in range(5)] == [401] * 5
    for _ in range(4):  # on a busy machine the first waits, of a second and two, may be over before the next call
        if guess(RIGHT) == 401:
            break
        assert guess(WRONG) == 401
    else:
        pytest.fail("the right one never waited for the wrong ones")
    assert owner.get(path).status_code == 200


def test_an_open_endpoint_tells_no_password(server):
    """No header is verified on health, so none may be compared there with what is remembered."""
    people = People(server)
    number, key = people.registration_with(UserPasswordRequired=True)
    user = people.user(password="Right-1!", groups=[people.group(registrations=[number]), 1])["UserName"]
    client = somebody(server, f"PS-Auth key={key}; runas={user}; {RIGHT}")
    assert client.get(PS + "/Auth").status_code == 200
    assert ok(client.get("/api/v1/health"))["checks"] is None


def test_with_a_good_session_a_header_is_ignored_and_not_counted(server, header_of):
    _, header = header_of()
    client = somebody(server)
    cookie = client.post(PS + "/Auth/SignAppin", headers={"Authorization": header(RIGHT)}).headers["Set-Cookie"]
    for value in [header(WRONG)] * 6 + ["PS-Auth malformed", "PS-Auth"]:
        assert client.get(PS + "/Auth", headers={"Cookie": cookie, "Authorization": value}).status_code == 200
        assert client.get(OWN, headers={"Cookie": cookie, "Authorization": value}).status_code == 200
    assert client.post(PS + "/Auth/SignAppin", headers={"Authorization": header(RIGHT)}).status_code == 200


def test_a_sign_in_without_a_password_clears_nobody_of_guesses(server, header_of):
    user, header = header_of()
    guesser = somebody(server)
    for _ in range(4):
        assert guesser.post(PS + "/Auth/SignAppin", headers={"Authorization": header(WRONG)}).status_code == 401
    assert guesser.post(PS + "/Auth/SignAppin", headers={"Authorization": f"PS-Auth key={server.api_key}; runas={user};"}).status_code == 200
    assert guesser.post(PS + "/Auth/SignAppin", headers={"Authorization": header(WRONG)}).status_code == 401
    assert guesser.post(PS + "/Auth/SignAppin", headers={"Authorization": header(RIGHT)}).status_code == 401


FLOODS = {
    "pages that do not exist": ("/swagger/nothing", {}, 404),
    "metrics from elsewhere": ("/api/v1/metrics", {"X-Forwarded-For": "192.0.2.1"}, 403),
    "wrong passwords in a header": (PS + "/Auth", {"Authorization": "PS-Auth key=x; runas=nobody; pwd=[x];"}, 401),
    "wrong tokens": ("/v1/usermanagement/roles", {"X-Authorization": "x.y.z"}, 401),
}


@pytest.mark.parametrize("flood", FLOODS, ids=list(FLOODS))
def test_a_flood_of_nobody_is_counted_not_written(server, flood):
    path, headers, status = FLOODS[flood]
    client, before = somebody(server, **headers), len(rows(server))
    for _ in range(40):
        assert client.get(path).status_code == status
    assert len(rows(server)) - before < 5
    if status != 404:
        wait_for(lambda: len(rows(server)) > before, timeout=5)
    assert len(rows(server)) - before < 5


def test_a_sign_in_that_has_to_wait_is_counted_too(server, people):
    user = people.user(password="Right-1!")["UserName"]
    client = somebody(server)
    for _ in range(6):
        assert client.post("/v2/authentication", {"username": user, "password": "Wrong-1!"}).status_code == 401
    wait_for(lambda: ("signin", "controlroom", user, "has to wait") in rows(server), timeout=5)
