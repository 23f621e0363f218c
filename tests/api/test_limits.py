"""tests/api/test_limits.py: input that is too deep, too long, too many or no text at all: a clear error in the face's form, and nothing changed."""
import json
import time

import pytest

import rows
from support import PS, ok
from world import World, assert_same_tables, check_error, tables_of

JSON = {"Content-Type": "application/json"}

# A writing row of each face whose body has text, and the name of that text; where the body also is a list.
TARGETS = {
    "controlroom": ("POST", "/v2/credentialvault/credentials", "name", "description"),
    "passwordsafe": ("POST", PS + "/Workgroups/1/Assets", "AssetName", "Description"),
    "keyturn": ("POST", "/api/v1/devices", "hostName", "nickname"),
}
REST = {"controlroom": {}, "passwordsafe": {"IPAddress": "10.0.0.1"}, "keyturn": {}}


@pytest.fixture(scope="module")
def world(server):
    return World(server)


@pytest.fixture(autouse=True)
def unchanged(world, request):
    """The store before and after every test here, but for the one that succeeds on purpose."""
    if request.function is test_what_just_fits:
        yield
        return
    before = tables_of(world.server)
    yield
    assert_same_tables(before, tables_of(world.server))


def client_of(world, face):
    return world.boss_ps if face == "passwordsafe" else world.boss


def send(world, face, raw, path=None, method=None):
    verb, target = TARGETS[face][:2]
    began = time.monotonic()
    target = path or target
    if face == "passwordsafe" and target.startswith(PS):
        target = target[len(PS):]
    answer = client_of(world, face).call(method or verb, target, raw=raw if isinstance(raw, bytes) else raw.encode(), headers=JSON)
    assert time.monotonic() - began < 10
    return answer


def fields(face, text, second=None):
    """The body as text: its rest, then the name with this raw JSON value."""
    _, _, name, other = TARGETS[face]
    rest = "".join(f",{json.dumps(key)}:{json.dumps(value)}" for key, value in REST[face].items())
    more = f",{json.dumps(other)}:{second}" if second is not None else ""
    return f"{{{json.dumps(name)}:{text}{rest}{more}}}"


each_face = pytest.mark.parametrize("face", TARGETS)

NO_JSON = {
    "nothing but a brace": "{", "an end too many": "{}}", "two objects": "{}{}", "a comma at the end": '{"a":1,}', "no value": '{"a":}', "no colon": '{"a" 1}',
    "no comma": '{"a":1 "b":2}', "a key without quotes": '{a:1}', "a comment": '{/* x */}', "a NaN": '{"a":NaN}', "infinity": '{"a":Infinity}', "a leading zero": '{"a":01}',
    "a plus": '{"a":+1}', "a bare point": '{"a":.5}', "a point at the end": '{"a":5.}', "an empty exponent": '{"a":1e}', "hexadecimal": '{"a":0x10}',
    "a bad escape": '{"a":"\\x41"}', "half an escape": '{"a":"\\u12"}', "a text without an end": '{"a":"x', "a line break in a text": '{"a":"x\ny"}',
    "a TAB in a text": '{"a":"x\ty"}', "a control character": '{"a":"\x01"}', "a NUL between": '{"a":1\x00}', "a NUL at the end": '{}\x00', "only a comma": ",",
    "a word": "nonsense", "a form feed": "\x0c{}", "a no-break space": "\u00a0{}",
}


@each_face
@pytest.mark.parametrize("what", NO_JSON)
def test_what_is_no_json(world, face, what):
    answer = send(world, face, NO_JSON[what])
    check_error(face, answer, 400)


NO_TEXT = {
    "a byte that never occurs": b"\xff", "a lone continuation": b"\x80", "an overlong slash": b"\xc0\xaf", "an overlong NUL": b"\xc0\x80", "a cut sequence": b"\xe2\x82",
    "a surrogate in UTF-8": b"\xed\xa0\x80", "beyond Unicode": b"\xf4\x90\x80\x80", "Latin-1": "Müller".encode("latin-1"), "a half surrogate": b"\\ud800",
    "a low surrogate first": b"\\udc00\\ud800", "a high surrogate and a letter": b"\\ud800x", "U+0000": b"\\u0000",
}


@each_face
@pytest.mark.parametrize("where", ["value", "other value", "key", "unknown key's value"])
@pytest.mark.parametrize("what", NO_TEXT)
def test_what_is_no_text(world, face, what, where):
    bad = b'"a' + NO_TEXT[what] + b'b"'
    good = json.dumps(f"good {face}").encode()
    name, other = (word.encode() for word in TARGETS[face][2:])
    rest = b"".join(b"," + json.dumps(key).encode() + b":" + json.dumps(value).encode() for key, value in REST[face].items())
    body = {"value": b'{"%s":%s%s}' % (name, bad, rest), "other value": b'{"%s":%s,"%s":%s%s}' % (name, good, other, bad, rest),
            "key": b'{"%s":%s,%s:1%s}' % (name, good, bad, rest), "unknown key's value": b'{"%s":%s,"unknown":%s%s}' % (name, good, bad, rest)}[where]
    answer = send(world, face, body)
    check_error(face, answer, 400)


@each_face
@pytest.mark.parametrize("opening, closing", [("[", "]"), ('{"a":', "}")])
@pytest.mark.parametrize("depth", [40, 1000, 100000])
def test_depth(world, face, opening, closing, depth):
    deep = opening * depth + "1" + closing * depth
    for body in (deep, fields(face, '"deep"').replace("}", f',"unknown":{deep}}}'), fields(face, deep), opening * depth):
        check_error(face, send(world, face, body), 400)


@pytest.mark.parametrize("depth, status", [(15, 200), (17, 400), (100, 400), (5000, 400)])
def test_depth_of_a_filter(world, depth, status):
    leaf = {"operator": "eq", "field": "name", "value": "x"}
    text = '{"operator":"and","operands":[' * depth + json.dumps(leaf) + "]}" * depth
    answer = world.boss.call("POST", "/v2/credentialvault/credentials/list", raw=f'{{"filter":{text}}}')
    assert answer.status_code == status, answer.text
    if status == 400:
        check_error("controlroom", answer)


def test_width_of_a_filter(world):
    leaf = {"operator": "substring", "field": "name", "value": "x"}
    for count in (1000, 10000):
        began = time.monotonic()
        answer = world.boss.post("/v2/credentialvault/credentials/list", {"filter": {"operator": "or", "operands": [leaf] * count}})
        assert answer.status_code in (200, 400, 503), answer.text
        assert time.monotonic() - began < 10


@pytest.mark.parametrize("face", ["controlroom", "keyturn"])
@pytest.mark.parametrize("second", ["name", "NAME"])
def test_a_key_given_twice(world, face, second):
    name = TARGETS[face][2]
    key = name if second == "name" else name.upper()
    check_error(face, send(world, face, f'{{"{name}":"one","{key}":"two"}}'), 400)
    check_error(face, send(world, face, f'{{"{name}":"one","{name}":null}}'), 400)


def test_a_secret_given_twice_on_the_password_safe_face(world):
    account = f"/ManagedAccounts/{world.ids['account2']}/Credentials"
    for body in ('{"Password":"one","Password":"two","UpdateSystem":false}', '{"Password":"one","password":"two","UpdateSystem":false}',
                 '{"UpdateSystem":true,"Password":"one","UpdateSystem":false}', '{"Password":"one","NewPassword":"a","NewPassword":"b","UpdateSystem":false}'):
        check_error("passwordsafe", world.boss_ps.call("PUT", account, raw=body), 400)


HUGE = ["1e400", "-1e400", "9" * 400, "9223372036854775808", "-9223372036854775809", "1e19", "0." + "9" * 400, "1.5", "1e-1", "18446744073709551616", "99999999999999999999"]


@pytest.mark.parametrize("number", HUGE)
def test_huge_and_broken_numbers(world, number):
    for face, path, body in (("controlroom", f"/v2/credentialvault/lockers/{world.ids['locker']}", f'{{"name":"Finance","version":{number}}}'),
                             ("controlroom", "/v2/credentialvault/credentials/list", f'{{"page":{{"length":{number}}}}}'),
                             ("passwordsafe", "/Requests", f'{{"SystemID":1,"AccountID":1,"DurationMinutes":{number}}}'),
                             ("keyturn", "/api/v1/devices", f'{{"hostName":"WIN-99","defaultUserId":{number}}}')):
        method = "PUT" if "lockers/" in path else "POST"
        check_error(face, send(world, face, body, path, method), 400)


@pytest.mark.parametrize("length", [51, 256, 5000, 200000])
def test_texts_that_are_too_long(world, length):
    for face in TARGETS:
        text = json.dumps("x" * length)
        if face != "controlroom" and length == 51:
            continue
        check_error(face, send(world, face, fields(face, text)), 400)


def test_lengths_are_counted_in_characters(world):
    for letter in ("x", "ü", "漢", "𝒳", "e\u0301"):
        answer = world.boss.post("/v2/credentialvault/credentials", {"name": letter * 51})
        check_error("controlroom", answer, 400)
    for text, status in (("d" * 256, 400), ("𝒳" * 256, 400)):
        check_error("controlroom", world.boss.post("/v2/credentialvault/credentials", {"name": "long description", "description": text}), status)


def test_what_just_fits(world):
    made = ok(world.boss.post("/v2/credentialvault/credentials", {"name": "漢" * 50, "description": "𝒳" * 255,
                                                                  "attributes": [{"name": f"a{n}", "userProvided": False} for n in range(50)]}), 201)
    assert made["name"] == "漢" * 50 and made["description"] == "𝒳" * 255 and len(made["attributes"]) == 50
    value = "ü" * 4096
    path = f"/v2/credentialvault/credentials/{made['id']}/attributevalues"
    check_error("controlroom", world.boss.post(path, {"list": [{"credentialAttributeId": made["attributes"][0]["id"], "value": value + "x"}]}), 400)
    ok(world.boss.post(path, {"list": [{"credentialAttributeId": made["attributes"][0]["id"], "value": value}]}))
    assert ok(world.boss.get(path))["list"][0]["value"] == value
    update = {"name": made["name"], "attributes": [{"id": a["id"], "name": a["name"], "userProvided": False} for a in made["attributes"]] + [{"name": "one more", "userProvided": False}]}
    check_error("controlroom", world.boss.put(f"/v2/credentialvault/credentials/{made['id']}", update), 400)


def test_51_attributes(world):
    attributes = [{"name": f"a{n}", "userProvided": False} for n in range(51)]
    check_error("controlroom", world.boss.post("/v2/credentialvault/credentials", {"name": "fifty-one", "attributes": attributes}), 400)


@pytest.mark.parametrize("count", [1001, 30000])
def test_lists_that_are_too_long(world, count):
    many = [{"credentialAttributeId": "1", "value": "x"}] * count
    check_error("controlroom", world.boss.post(f"/v2/credentialvault/credentials/{world.ids['credential']}/attributevalues", {"list": many}), (400, 413))
    check_error("controlroom", world.boss.post("/v2/usermanagement/users", {"username": "x", "email": "x@x", "password": "x", "roles": [{"id": 2}] * count}), (400, 413))
    check_error("passwordsafe", world.boss_ps.post("/QuickRules", {"Title": "many", "IDs": [1] * (count + 9000)}), (400, 413))


def test_a_thousand_keys_cost_little(world):
    many = {f"unknown{n}": n for n in range(20000)}
    for face in ("controlroom", "passwordsafe"):
        answer = send(world, face, json.dumps(many))
        check_error(face, answer, 400)  # the required ones are missing; the others are ignored
    check_error("keyturn", send(world, "keyturn", json.dumps(many)), 400)


@each_face
def test_a_body_over_the_limit(world, face):
    limit = (4 << 20) if face == "passwordsafe" else (1 << 20)
    body = fields(face, '"big"').encode()
    check_error(face, send(world, face, body + b" " * (limit + 1 - len(body))), 413)
    check_error(face, send(world, face, fields(face, json.dumps("x" * limit))), 413)


def test_queries_that_are_none(world):
    boss, ps = world.boss, world.boss_ps
    for query in ("?consumed=2", "?consumed=%FF", "?consumed=maybe"):
        check_error("controlroom", boss.post("/v2/credentialvault/credentials/list" + query, {}), 400)
    for query in ("?limit=0", "?limit=1001", "?limit=x", "?limit=-1", "?after=x", "?frobnicate=1", "?limit=1&limit=2", "?limit=%FF", "?" + "&".join(f"a{n}=1" for n in range(500))):
        check_error("keyturn", boss.own("GET", "/links" + query), 400)
    for query in ("?limit=0", "?limit=-1", "?limit=x", "?limit=1&offset=-1"):
        check_error("passwordsafe", ps.get("/ManagedSystems" + query), 400)
    for query in ("?%7B%22a%22%3A1%7D", "?nonsense", "?&&&", "?=", "?systemName=&accountName=", "?%FF=%FE", "?" + "&".join(f"a{n}=1" for n in range(500))):
        assert ps.get("/ManagedSystems" + query).status_code == 200, query


HOSTILE = ["'; DROP TABLE credentials; --", "\" OR 1=1 --", "%", "_", "\\", "*", "x' UNION SELECT value FROM secrets_of_store --", "NEAR(", "\"unbalanced", "a AND", "𝒳", "\u202e", "{}"]


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_words_find_nothing(world, text):
    """As filter values, sort fields and query words they are text: no error of the store, and no row that does not hold them."""
    for operator in ("eq", "substring", "startswith"):
        answer = ok(world.boss.post("/v2/credentialvault/credentials/list", {"filter": {"operator": operator, "field": "name", "value": text}}))
        assert answer["list"] == [], (operator, text)
    check_error("controlroom", world.boss.post("/v2/credentialvault/credentials/list", {"filter": {"operator": "eq", "field": text, "value": "x"}}), 400)
    check_error("controlroom", world.boss.post("/v2/credentialvault/credentials/list", {"filter": {"operator": text, "field": "name", "value": "x"}}), 400)
    check_error("controlroom", world.boss.post("/v2/credentialvault/credentials/list", {"sort": [{"field": text, "direction": "asc"}]}), 400)
    assert ok(world.boss.get("/v2/credentialvault/credentials", params={"name": text}))["list"] == []
    answer = world.boss_ps.get("/ManagedAccounts", params={"systemName": text, "accountName": text})
    check_error("passwordsafe", answer, 404)
    assert answer.text == "Managed Account not found"
    check_error("controlroom", world.without_token().post("/v2/authentication", {"username": text, "password": "x"}), 401)


def test_every_decoder_survives_a_sweep_of_small_changes(world, server):
    """One character left out, doubled or exchanged, at every place of a body whose required text is an object: always a clear 400."""
    for face in TARGETS:
        good = fields(face, '{"wrong":true}', '"sweep"')
        for name in REST[face]:  # without what else is required: a name that is misspelt must not make it a good body
            good = good.replace(f',"{name}":{json.dumps(REST[face][name])}', "")
        for at in range(len(good)):
            for text in (good[:at] + good[at + 1:], good[:at] + good[at] * 2 + good[at + 1:], good[:at] + '"' + good[at + 1:], good[:at] + "\\" + good[at + 1:], good[:at]):
                answer = send(world, face, text)
                assert answer.status_code == 400, (text, answer.status_code, answer.text)
    assert "runtime error" not in server.log_text()


def test_rows_have_bodies_that_this_file_knows():
    known = {(row.method, row.path) for row in rows.endpoints()}
    assert {(method, path if "Workgroups" not in path else PS + "/Workgroups/{id}/Assets") for method, path, _, _ in TARGETS.values()} <= {
        (method, "/".join("{id}" if part.startswith("{") else part for part in path.split("/"))) for method, path in known}
