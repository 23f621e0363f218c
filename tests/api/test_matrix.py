"""tests/api/test_matrix.py: every row of the server's own list of endpoints, against everybody who may not call it, and with bodies of the wrong shape."""
import json

import pytest
import requests

import rows
from support import PS
from world import World, assert_same_tables, check_error, check_headers, tables_of

ROWS = rows.endpoints()
CLOSED = [row for row in ROWS if row.who != "PUBLIC"]
RIGHTS = [row for row in CLOSED if row.who in ("HOLDS", "AAE_ADMIN", "ADMINISTRATOR")]
OURS = [row for row in CLOSED if row.face == "keyturn" and row.who != "DEVICE"]
WITH_BODY = [row for row in ROWS if row.takes_body]
JSON = {"Content-Type": "application/json"}


def each(found):
    return pytest.mark.parametrize("row", found, ids=[rows.name_of(row) for row in found])


@pytest.fixture(scope="module")
def world(server):
    return World(server)


@pytest.fixture(scope="module")
def documents(server):
    return rows.openapi(server.url)


@pytest.fixture(scope="module")
def old_token(world):
    """A token that this server signed, and that was logged out."""
    old = world.server.controlroom("nobody", world.names["nobody"])
    assert old.post("/v1/authentication/logout").status_code == 204
    return old.token


@pytest.fixture(scope="module")
def old_cookie(world):
    cookie = world.session_cookie()
    assert requests.post(world.url() + PS + "/Auth/Signout", headers={"Cookie": cookie}).status_code == 200
    return cookie


@pytest.fixture(scope="module")
def unchanged(world):
    """What the store holds before anything is sent here; test_all_this_changed_nothing compares."""
    return tables_of(world.server)


def send(client, row, path, headers=None):
    raw = b"{}" if row.takes_body and row.method != "GET" else None
    return client.call(row.method, path, raw=raw, headers=dict(headers or {}, **(JSON if raw else {})))


def test_the_rows_are_all_there():
    """A face that lost its tables would pass everything else here."""
    count = {face: sum(row.face == face for row in ROWS) for face in ("controlroom", "passwordsafe", "keyturn")}
    assert count["controlroom"] >= 50 and count["passwordsafe"] >= 60 and count["keyturn"] >= 25, count
    assert len(RIGHTS) >= 60


PUBLIC = {  # whoever adds one adds it here, too
    "GET /api/v1/health", "GET /api/v1/health/live", "GET /api/v1/metrics", "POST /v1/authentication", "POST /v2/authentication", "GET /v1/authentication/token",
    "GET /v2/authentication/token", "POST /v1/authentication/token", "POST /v2/authentication/token", "POST /v1/authentication/logout", "GET /v1/authentication/type",
    f"POST {PS}/Auth/SignAppin", f"POST {PS}/Auth/Signout", f"POST {PS}/Auth/connect/token",
}


def test_only_what_must_be_is_public():
    public = {rows.name_of(row) for row in ROWS if row.who == "PUBLIC" and row.face != "pages"}
    assert {name for name in public if "/swagger" not in name} <= PUBLIC, public - PUBLIC


@each(CLOSED)
def test_without_a_token_401(world, unchanged, row):
    answer = send(world.without_token(), row, world.path_of(row))
    check_error(row.face, answer, 401)
    nowhere = send(world.without_token(), row, world.path_of(row, other=987654321))
    assert (nowhere.status_code, nowhere.content) == (answer.status_code, answer.content)


def garbage_for(world, row, old_token, old_cookie):
    token = world.boss.token
    head, payload, signature = token.split(".")
    other = signature[:-8] + ("AAAAAAAA" if signature[-8:] != "AAAAAAAA" else "BBBBBBBB")
    none = "eyJhbGciOiJub25lIn0"
    yield {"X-Authorization": old_token}
    yield {"X-Authorization": f"{head}.{payload}.{other}"}
    yield {"X-Authorization": f"{none}.{payload}."}
    yield {"X-Authorization": "garbage"}
    yield {"Authorization": "Bearer garbage"}
    yield {"Cookie": old_cookie}
    yield {"Cookie": "ASP.NET_SessionId=abcdefghijklmnopqrstuvwx"}
    yield {"Authorization": f"PS-Auth key={'a' * 128}; runas=admin;"}
    yield {"Authorization": f"PS-Auth key={world.server.api_key};"}
    yield {"Authorization": f"PS-Auth key={world.server.api_key}; runas=robot-that-is-none;"}
    yield {"Authorization": "Keyturn-Device garbage"}


@each(CLOSED)
def test_with_an_old_or_a_false_token_401(world, unchanged, old_token, old_cookie, row):
    for headers in garbage_for(world, row, old_token, old_cookie):
        check_error(row.face, send(world.without_token(), row, world.path_of(row), headers), 401)


@each(CLOSED)
def test_with_the_other_faces_token_401_or_403(world, unchanged, row):
    device = {"Authorization": f"Keyturn-Device {world.device_key}"}
    token = {"X-Authorization": world.boss.token}
    bearer = {"Authorization": f"Bearer {world.boss.token}"}
    session = {"Cookie": world.session_cookie()}
    header = {"Authorization": world.boss_ps.header}
    if row.who == "DEVICE":
        others = [token, bearer, session, header]
    else:
        others = {"controlroom": [session, header, device], "passwordsafe": [token, bearer, device], "keyturn": [session, header, device]}[row.face]
    for headers in others:
        answer = send(world.without_token(), row, world.path_of(row), headers)
        check_error(row.face, answer, (401, 403))
        if row.face != "keyturn":
            assert answer.status_code == 401


@each(OURS)
def test_a_session_without_a_checked_password_is_told_so(world, unchanged, row):
    for headers in ({"Cookie": world.session_cookie()}, {"Authorization": world.boss_ps.header}, {"Authorization": world.boss_ps.header + f" pwd=[{world.server.password}];"}):
        for path in (world.path_of(row), world.path_of(row, other=987654321)):
            answer = send(world.without_token(), row, path, headers)
            check_error(row.face, answer, 403)
            assert answer.json()["code"] == "password.required"


@each(RIGHTS)
def test_without_the_right_403(world, unchanged, row):
    answer = send(world.with_no_right(row), row, world.path_of(row))
    check_error(row.face, answer, 403)
    nowhere = send(world.with_no_right(row), row, world.path_of(row, other=987654321))
    assert (nowhere.status_code, nowhere.content) == (answer.status_code, answer.content), "it tells which ids exist"
    if row.face == "passwordsafe":
        assert answer.text == "4031"
    elif row.face == "controlroom":
        assert answer.json() == {"code": "UM1113", "details": None, "message": "You do not have permission to perform this action"}
    else:
        assert answer.json()["code"] == "forbidden" and "You need" in answer.json()["message"]


PATHS = sorted({(row.face, row.path) for row in ROWS if row.face != "pages"})


@pytest.mark.parametrize("face, path", PATHS, ids=[path for _, path in PATHS])
def test_a_wrong_method_405(world, unchanged, face, path):
    """Nobody need be signed in to be told; Allow names what there is, and nothing else."""
    same = [row for row in ROWS if row.face == face and rows.pattern_of(path, face == "passwordsafe").fullmatch(row.path)
            and [part.startswith("{") for part in row.path.split("/")] == [part.startswith("{") for part in path.split("/")]]
    there = {row.method for row in same}
    target = world.path_of(same[0])
    for method in {"GET", "POST", "PUT", "DELETE"} - there:
        for client in (world.without_token(), world.with_every_right(same[0])):
            answer = client.call(method, target, raw=b"{}")
            check_error(face, answer, 405)
            assert {word.strip() for word in answer.headers["Allow"].split(",")} == there


def wrong_bodies(row, schema):
    """Texts that are no body of this row: no JSON, no object, each property with a value that no coercion makes fit."""
    yield "malformed", "{"
    yield "malformed after a value", '{"a":1'
    yield "two values", "{} {}"
    yield "text", '"text"'
    yield "number", "3"
    if not row.by_hand:
        yield "array", "[1]"
    if row.face == "keyturn":
        yield "an unknown key", '{"thisKeyIsUnknown":1}'
    for name, property in schema.get("properties", {}).items():
        kind = "integer" if "oneOf" in property else property.get("type")
        if kind in ("string", "integer", "boolean", "array"):
            yield f"{name} is an object", json.dumps({name: {"wrong": [1]}})
        if kind in ("string", "integer", "boolean"):
            yield f"{name} is an array", json.dumps({name: [[1]]})
        if kind == "object":
            yield f"{name} is a number", json.dumps({name: 3})
        if kind in ("integer", "boolean"):
            yield f"{name} is text", json.dumps({name: "not one"})
        if kind == "integer":
            yield f"{name} overflows", '{"%s":9223372036854775808}' % name
            yield f"{name} is broken", '{"%s":1.5}' % name
        if kind == "string" and row.face != "passwordsafe" and not row.by_hand:
            yield f"{name} is a number", '{"%s":3.25}' % name
        if kind == "string":
            yield f"{name} holds U+0000", '{"%s":"a\\u0000b"}' % name
            yield f"{name} holds half a surrogate", '{"%s":"a\\ud800b"}' % name
        if "maxLength" in property:
            yield f"{name} is too long", json.dumps({name: "x" * (property["maxLength"] + 1)})


# Rows whose object nobody of this world may touch, whatever the body is; each with the answer that then comes first.
REFUSED_FIRST = {
    "POST /api/v1/links/{id}/approve": 403,  # nobody approves his own offer
}


def first(row, status):
    return REFUSED_FIRST.get(rows.name_of(row), status)


@each(WITH_BODY)
def test_a_body_of_the_wrong_shape_400(world, unchanged, documents, row):
    client, path = world.with_every_right(row), world.path_of(row)
    schema = rows.body_schema(documents[row.method, row.path])
    for what, text in wrong_bodies(row, schema):
        if row.method == "GET":
            continue
        answer = client.call(row.method, path, raw=text.encode(), headers=JSON)
        assert answer.status_code == first(row, 400), (what, text, answer.status_code, answer.text[:300])
        check_error(row.face, answer)
        assert "Canary" not in answer.text and len(answer.content) < 5000


@each(WITH_BODY)
def test_a_missing_required_field_400(world, unchanged, documents, row):
    schema = rows.body_schema(documents[row.method, row.path])
    if row.by_hand or not schema.get("required"):
        pytest.skip("nothing is required")
    client, path = world.with_every_right(row), world.path_of(row)
    for body in ("{}", "null", json.dumps({name: None for name in schema["required"]})):
        answer = client.call(row.method, path, raw=body.encode(), headers=JSON)
        check_error(row.face, answer, first(row, 400))
    if row.face != "passwordsafe":
        check_error(row.face, client.call(row.method, path, raw=b"", headers=JSON), first(row, 400))


@each([row for row in WITH_BODY if row.face == "keyturn"])
def test_our_own_face_wants_its_content_type_415(world, unchanged, row):
    for kind in ("text/plain", "application/x-www-form-urlencoded", "text/xml", "multipart/form-data; boundary=x", ""):
        answer = world.with_every_right(row).call(row.method, world.path_of(row), raw=b'{"a":1}', headers={"Content-Type": kind})
        check_error(row.face, answer, first(row, 415))


@each([row for row in CLOSED if "{" in row.path])
def test_what_does_not_exist_is_an_error_in_the_faces_form(world, unchanged, row):
    """404, or 400/403 where the face says so first; never 2xx, never 5xx."""
    for other in (987654321, 0, "9223372036854775808", "-1", "x", "1e3", " 1", "\x00", "1/2", "\u0661"):
        if other == 0 and row.path.split("/{")[0].endswith(("PasswordRules", "DSSKeyRules", "EntityTypes")):
            continue  # number 0 is one
        answer = send(world.with_every_right(row), row, world.path_of(row, other=other))
        if answer.status_code in (200, 204) and row.method == "GET":
            raise AssertionError((other, answer.text[:200]))
        check_error(row.face, answer, (400, 403, 404))


def test_all_this_changed_nothing(world, unchanged):
    assert_same_tables(unchanged, tables_of(world.server))


def test_every_answer_of_a_success_has_the_headers_too(world):
    for row in ROWS:
        if row.method == "GET" and row.face != "pages":
            answer = world.with_every_right(row).call("GET", world.path_of(row))
            assert answer.status_code < 500, (rows.name_of(row), answer.text)
            check_headers(answer)


def test_the_log_is_quiet_about_all_this(world):
    text = world.server.log_text()
    assert "ERROR: AddressSanitizer" not in text and "runtime error" not in text
