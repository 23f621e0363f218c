"""tests/api/test_secrets.py: a canary in every secret field of every row, on good and on bad calls; then nothing that the server wrote or shows holds one."""
import glob
import json
import os
import re
import subprocess

import pytest
import requests

import rows
from store import rows_of, stored_bytes
from support import KEYTURN, PS, ok
from world import CANARIES, World, canary, check_error, found_in, traces

JSON = {"Content-Type": "application/json"}
FORM = {"Content-Type": "application/x-www-form-urlencoded"}


@pytest.fixture(scope="module")
def world(server):
    return World(server)


def make_key(folder, passphrase):
    """A private key as text, and a line from its middle, which is a secret of its own."""
    path = os.path.join(folder, "key" + str(len(os.listdir(folder))))
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", passphrase, "-C", "", "-f", path], check=True)
    text = open(path).read()
    CANARIES[text.splitlines()[2]] = "private key"
    return text, open(path + ".pub").read()


def secret_fields(schema, path=()):
    """The paths of all fields that are marked as secret."""
    for name, property in schema.get("properties", {}).items():
        if property.get("format") == "password":
            yield path + (name,)
        elif property.get("type") == "array" and "properties" in property.get("items", {}):
            yield from secret_fields(property["items"], path + (name, 0))
        elif property.get("type") == "object":
            yield from secret_fields(property, path + (name,))


def put(path, value):
    for part in reversed(path):
        value = [value] if part == 0 else {part: value}
    return value


@pytest.fixture(scope="module")
def documents(server):
    return rows.openapi(server.url)


def with_secrets(documents):
    return [(row, list(secret_fields(rows.body_schema(documents[row.method, row.path])))) for row in rows.endpoints() if row.takes_body and row.method != "GET"]


EXPECTED = {"password", "apikey", "value", "windows_password", "loginpassword", "oldpassword", "privatekey", "passphrase", "secret", "key", "client_secret",
            "newpassword"}


def test_every_field_that_looks_secret_is_marked(documents):
    """A TEXT row where a SECRET one belongs would pass everything below."""
    def walk(schema, where):
        for name, property in schema.get("properties", {}).items():
            kinds = property.get("type")
            if name.lower() in EXPECTED and kinds == "string" and not where.endswith("/IPAuthenticationRules"):
                assert property.get("format") == "password", f"{where}: {name}"
            if kinds == "array":
                walk(property.get("items", {}), f"{where}/{name}")
            elif kinds == "object":
                walk(property, f"{where}/{name}")
    for (method, path), operation in documents.items():
        walk(rows.body_schema(operation), f"{method} {path}")
    marked = {field[-1].lower() for _, fields in with_secrets(documents) for field in fields}
    assert marked >= EXPECTED - {"secret", "key"}, EXPECTED - marked


def test_good_calls(world, tmp_path):
    """Every way in which a secret is stored and given out."""
    boss, ps, ids, url = world.boss, world.boss_ps, world.ids, world.url()
    vault, account = "/v2/credentialvault", f"/ManagedAccounts/{ids['account']}"
    ok(boss.put(f"{vault}/credentials/{ids['credential']}/attributevalues/{ids['value']}", {"value": canary("value, updated")}))
    ok(boss.get(f"{vault}/credentials/{ids['credential']}/attributevalues"))
    windows = "/v1/credentialvault/external/credentials/loginsetting"
    ok(boss.post(windows, {"Username": "nobody", "Windows_Username": "CORP\\nobody", "Windows_Password": canary("Windows_Password, created")}), 201)
    ok(boss.put(windows, {"Username": "nobody", "Windows_Username": "CORP\\nobody", "Windows_Password": canary("Windows_Password, changed")}))
    ok(boss.delete(windows, {"Username": "nobody"}))
    ok(boss.post(f"{vault}/loginsetting", {"username": "robot", "loginUsername": "CORP\\robot", "loginPassword": canary("loginPassword")}), 201)
    device = requests.post(url + "/api/v1/devices/self/login", headers={"Authorization": f"Keyturn-Device {world.device_key}"}, json={}, timeout=30)
    assert device.status_code == 200 and found_in(device.content) == ["loginPassword"]
    ok(boss.put(f"/v2/usermanagement/users/{ids['nobody']}", {"password": canary("password of a user, changed")}))
    user = ok(boss.post("/v1/usermanagement/users", {"username": "short", "email": "s@example.com", "password": canary("password of a short-lived user"), "roles": [{"id": 2}]}), 201)
    ok(boss.delete(f"/v1/usermanagement/users/{user['id']}"))
    robot = world.server.controlroom("robot", world.names["robot"])
    old, world.names["robot"] = world.names["robot"], canary("password, changed by oneself")
    ok(robot.post("/v2/usermanagement/users/self/changePassword", {"oldPassword": old, "password": world.names["robot"]}))
    ok(requests.post(url + "/v2/authentication", json={"username": "robot", "apiKey": world.api_key}, timeout=30))
    passphrase = canary("passphrase of a key")
    key, public = make_key(tmp_path, passphrase)
    assert ps.put(account + "/Credentials", {"Password": canary("Password, stored"), "UpdateSystem": False}).status_code == 204
    assert ps.put(account + "/Credentials", {"PrivateKey": key, "PublicKey": public, "Passphrase": passphrase, "UpdateSystem": False}).status_code == 204
    assert ps.put("/Credentials?workgroupName=Second&assetName=web01&accountName=account", {"Password": canary("Password, by name"), "UpdateSystem": False}).status_code == 204
    form = "Password=" + canary("Password, as a form") + "&UpdateSystem=false"
    assert ps.call("PUT", account + "/Credentials", raw=form, headers=FORM).status_code == 204
    assert found_in(ps.get(f"/Credentials/{ids['request']}").content) == ["Password, as a form"]
    assert "BEGIN OPENSSH PRIVATE KEY" in ok(ps.get(f"/Credentials/{ids['request']}?type=dsskey"))
    assert found_in(ps.get(f"/Credentials/{ids['request']}?type=passphrase").content) == ["passphrase of a key"]
    ok(ps.post("/ISARequests", {"SystemID": ids["system"], "AccountID": ids["account2"], "DurationMinutes": 5}), 201)
    functional = {"PlatformID": 2, "AccountName": "keyed", "DisplayName": "keyed", "PrivateKey": key, "Passphrase": passphrase, "Password": canary("functional account, second")}
    ok(ps.post("/FunctionalAccounts", functional), 201)
    account_body = {"AccountName": "keyed", "Password": canary("Password of a new account"), "PrivateKey": key, "Passphrase": passphrase, "AutoManagementFlag": False}
    made = ok(ps.post(f"/ManagedSystems/{ids['system']}/ManagedAccounts", account_body), 201)["ManagedAccountID"]
    ok(ps.put(f"/ManagedAccounts/{made}", {"Password": canary("Password, by PUT")}))
    user = {"UserType": "BeyondInsight", "UserName": "short2", "FirstName": "S", "LastName": "T", "EmailAddress": "s@example.com", "Password": canary("password of a Password Safe user")}
    user = ok(ps.post("/Users", user), 201)
    ok(ps.put(f"/Users/{user['UserID']}", {"UserName": "short2", "FirstName": "S", "LastName": "T", "EmailAddress": "s@example.com", "Password": canary("the same, changed")}))
    policy = next(row["ID"] for row in ok(ps.get("/ApiRegistrations")) if row["RegistrationType"] == "apiaccesspolicy")
    application = ok(ps.post("/Users", {"UserType": "Application", "UserName": "ci-bot", "AccessPolicyID": policy}), 201)
    CANARIES[application["ClientSecret"]] = "client secret"
    assert ps.post(f"/Users/{application['UserID']}/UserGroups/{ids['group']}").status_code in (201, 204)
    CANARIES[ok(ps.post(f"/Users/{application['UserID']}/RecycleClientSecret"))] = "client secret, recycled"
    recycled = list(CANARIES)[-1]
    grant = {"grant_type": "client_credentials", "client_id": application["ClientID"], "client_secret": recycled}
    token = ok(requests.post(url + PS + "/Auth/connect/token", data=grant, timeout=30))["access_token"]
    CANARIES[token] = "OAuth token"
    session = requests.post(url + PS + "/Auth/SignAppin", headers={"Authorization": f"Bearer {token}"}, timeout=30)
    assert session.status_code == 200
    CANARIES[session.cookies["ASP.NET_SessionId"]] = "session id"
    rotated = ps.post(f"/ApiRegistrations/{ids['second registration']}/Rotate")
    CANARIES[rotated.json()] = "API key, rotated"
    world.device_key = ok(boss.own("POST", f"/devices/{ids['device']}/key"))["key"]
    CANARIES[world.device_key] = "device key, second"


def test_signing_in_with_secrets_that_are_wrong(world):
    for number in range(3):
        client = world.without_token()
        check_error("controlroom", client.post("/v2/authentication", {"username": "admin", "password": canary("wrong password")}), 401)
        check_error("controlroom", client.post("/v1/authentication", {"username": "admin", "apiKey": canary("wrong API key")}), 401)
        check_error("controlroom", client.get("/v2/credentialvault/lockers/1", headers={"X-Authorization": canary("wrong token")}), 401)
        header = f"PS-Auth key={canary('wrong key')}; runas=admin; pwd=[{canary('wrong pwd')}];"
        check_error("passwordsafe", client.post(PS + "/Auth/SignAppin", headers={"Authorization": header}), 401)
        check_error("passwordsafe", client.get(PS + "/Users", headers={"Cookie": "ASP.NET_SessionId=" + canary("wrong session")}), 401)
        check_error("passwordsafe", client.call("POST", PS + "/Auth/connect/token", raw=f"grant_type=client_credentials&client_id={canary('wrong id')}&client_secret={canary('wrong secret')}",
                                                headers=FORM), 400)
        check_error("keyturn", client.post("/api/v1/devices/self/login", {}, headers={"Authorization": "Keyturn-Device " + canary("wrong device key"), **JSON}), 401)


def test_secrets_in_urls_and_headers_are_not_kept(world):
    """No client should; some do: a token in a query is even documented (controlroom-api 2.3)."""
    boss, client = world.boss, world.without_token()
    assert ok(client.get("/v1/authentication/token?token=" + canary("token in a query")))["valid"] is False
    for path in ("/v2/credentialvault/credentials?name=", "/v2/nowhere?password=", "/v2/nowhere/", "/v2/credentialvault/credentials/", "/api/v1/nowhere/", PS + "/nowhere/", "/swagger/",
                 "/api/v1/version?password="):
        boss.get(path + canary("secret in a URL"))
        client.get(path + canary("secret in a URL, without token"))
    for name in ("User-Agent", "Referer", "Origin", "X-Forwarded-For", "X-Anything"):
        boss.get("/v2/credentialvault/lockers/1", headers={name: canary("secret in a header")})
    boss.put(f"/v2/credentialvault/credentials/{world.ids['credential']}/attributevalues/{world.ids['value']}?encryptionKey=" + canary("encryptionKey"), {"value": canary("value with a key")})


def bad_bodies(fields):
    """Bodies with a canary in each secret field, each wrong in its way."""
    for field in fields:
        name = "/".join(map(str, field))
        yield json.dumps(put(field, canary(name + ", alone")))
        yield json.dumps(put(field, canary(name + ", malformed")))[:-1]
        yield json.dumps(put(field, canary(name + ", with rubbish behind"))) + "x"
        yield json.dumps(put(field, canary(name + ", the text not ended"))).rstrip('"}]')
        yield json.dumps(put(field, [canary(name + ", in an array")]))
        yield json.dumps(put(field, {canary(name + ", as a key"): canary(name + ", in an object")}))
        yield json.dumps(put(field, canary(name + ", too long") + "x" * 9000))
        yield json.dumps(put(field, canary(name + ", with U+0000") + "\x00"))
        yield json.dumps(put(field, canary(name + ", half a surrogate") + "\ud800"))
        yield json.dumps(put(field, canary(name + ", with a line break") + "\r\n"))
        yield json.dumps(dict(put(field, canary(name + ", beside rubbish")), **{"id": canary("as a number"), "version": canary("as a version")}))
        yield json.dumps(put(field[:-1] + (str(field[-1])[:-1],), canary(name + ", its key misspelt")))
        yield '{"%s":"%s","%s":"%s"}' % (field[-1], canary(name + ", first"), field[-1], canary(name + ", second"))
        yield json.dumps(canary(name + ", without an object"))
        yield canary(name + ", without JSON")
        yield f"{field[-1]}={canary(name + ', as a form')}&x=%zz"


def test_bad_calls(world, documents):
    """By somebody with every right, by somebody without one, and by nobody: no answer gives it back."""
    found = [(row, fields) for row, fields in with_secrets(documents) if fields]
    assert len(found) >= 15, [rows.name_of(row) for row, _ in found]
    for row, fields in found:
        path = world.path_of(row)
        clients = [world.with_every_right(row), world.with_no_right(row), world.without_token()]
        for number, body in enumerate(bad_bodies(fields)):
            for client in clients[:1 if number % 5 else 3]:
                for headers in (JSON, {}):
                    answer = client.call(row.method, path, raw=body.encode("utf-8", "surrogatepass"), headers=headers)
                    assert answer.status_code < 500, (rows.name_of(row), body, answer.text)
                    if answer.status_code >= 400:
                        check_error(row.face, answer)


def test_a_secret_in_every_other_text_field_is_not_given_back_by_an_error(world, documents):
    """What is no secret may be named in an error; a whole body may not."""
    for row in rows.endpoints():
        if row.takes_body and row.method != "GET":
            body = '{"x":"' + canary("in an unknown field") + '"'
            answer = world.with_every_right(row).call(row.method, world.path_of(row), raw=body, headers=JSON)
            check_error(row.face, answer, (400, 403))


# -- and now look everywhere


def files_of(world, tmp_path):
    """The bytes of everything that the server wrote, and of a backup."""
    copy = tmp_path / "copy.db"
    if world.server.store:
        copy.write_bytes(stored_bytes(world.server))
    else:
        subprocess.run([KEYTURN, "backup", "--data", world.server.data, str(copy)], check=True, capture_output=True)
    secrets = {"root.key", "recovery.key", "tls.key", "admin-password", "api-key", "store-url"}
    for path in [*glob.glob(world.server.directory + "/**", recursive=True), str(copy)]:
        if os.path.isfile(path) and os.path.basename(path) not in secrets:
            yield path, open(path, "rb").read()


def processes_of(server):
    """The server, its launcher and what that started."""
    found, more = {server.process.pid}, True
    while more:
        more = False
        for path in glob.glob("/proc/[0-9]*/stat"):
            try:
                text = open(path).read()
            except OSError:
                continue
            pid, parent = int(text.split(" ", 1)[0]), int(text.rsplit(")", 1)[1].split()[1])
            if parent in found and pid not in found:
                found.add(pid)
                more = True
    return found


def test_nothing_of_it_is_anywhere(world, tmp_path):
    values = list(CANARIES)
    assert len(values) > 500
    needles = {}
    for value in values:
        for trace in traces(value):
            needles[trace] = CANARIES[value]
    pattern = re.compile(b"|".join(sorted((re.escape(needle) for needle in needles), key=len, reverse=True)))
    looked = []
    for path, data in files_of(world, tmp_path):
        looked.append(data)
        hits = {needles[hit] for hit in pattern.findall(data)}
        assert not hits, (path, sorted(hits))
    assert b"ci-bot" in looked[-1] and sum(map(len, looked)) > 150000, "the store itself was not looked at"
    audit = "\n".join(" ".join(map(str, row)) for row in rows_of(world.server, "SELECT * FROM audit_rows")).encode()
    assert audit.count(b"\n") > 100 and not {needles[hit] for hit in pattern.findall(audit)}
    log = world.server.log_text().encode()
    assert not pattern.search(log) and b"Canary-" not in log
    pids = processes_of(world.server)
    assert len(pids) >= 2
    for pid in pids:
        for name in ("environ", "cmdline", "status"):
            try:
                data = open(f"/proc/{pid}/{name}", "rb").read()
            except FileNotFoundError:
                continue
            assert not pattern.search(data), (pid, name)
    listing = subprocess.run(["ps", "axwwe"], capture_output=True).stdout
    assert not pattern.search(listing)


def test_the_search_finds_what_is_there(tmp_path):
    """The needles work: in clear, hexadecimal, Base64 at each offset."""
    import base64
    value = canary("for the search itself")
    for data in (value.encode(), value.encode().hex().encode(), *(base64.b64encode(b"abcdef"[:n] + value.encode() + b"xyz") for n in range(6)), base64.urlsafe_b64encode(b"a" + value.encode())):
        assert found_in(b"..." + data + b"...", [value]) == ["for the search itself"], data
    assert found_in(b"Canary-0123456789ABCDEF", [value]) == []
    del CANARIES[value]


def test_a_process_that_knows_a_secret_leaves_no_core(world):
    """The server; the launcher beside it has read no key and holds no secret, and connectors see to themselves (tests/rotation)."""
    limits = open(f"/proc/{world.server.process.pid}/limits").read()
    assert re.search(r"Max core file size\s+0\s+0\s", limits)
