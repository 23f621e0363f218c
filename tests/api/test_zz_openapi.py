"""tests/api/test_zz_openapi.py: runs last. Every answer of the whole session is what our own OpenAPI documents say, and no endpoint was left out."""
import copy
import json
import os

import jsonschema
import pytest

import rows
from support import PS, Server, all_seen

HERE = os.path.dirname(os.path.abspath(__file__))
ALL_FILES = {os.path.join(HERE, name) for name in os.listdir(HERE) if name.startswith("test_") and name.endswith(".py")}

# Rows that no run can bring to a success, each with its reason. It may only shrink.
NEVER_A_SUCCESS = {
}


# Successes with a second status, by the specification.
ALSO = {
    ("POST", PS + "/Requests"): {200},  # an existing request is used again (passwordsafe-api 7.2)
    ("POST", PS + "/Assets/{id}/ManagedSystems"): {200},  # the asset is managed already (6.9)
    ("POST", PS + "/Databases/{id}/ManagedSystems"): {200},
    ("POST", PS + "/Directories/{id}/ManagedSystems"): {200},
    ("POST", PS + "/ManagedAccounts/{id}/PropagationActions/{actionID}"): {200},  # it has the action already
    ("PUT", PS + "/QuickRules/{id}/ManagedAccounts"): {204},  # feedback=false (6.16)
    ("PUT", PS + "/QuickRules/{id}/ManagedSystems"): {204},
    ("POST", PS + "/ManagedAccounts/{id}/Requests/Terminate"): {200},  # feedback=true: what was ended (7.8)
    ("POST", PS + "/ManagedSystems/{id}/Requests/Terminate"): {200},
    ("POST", PS + "/Users/{id}/Requests/Terminate"): {200},
}


@pytest.fixture(scope="module")
def documents(tmp_path_factory):
    server = Server(directory=str(tmp_path_factory.mktemp("documents"))).start()
    try:
        return rows.openapi(server.url)
    finally:
        server.stop()


def plain(schema, closed=True):
    """OpenAPI 3.0's dialect as JSON schema: `nullable` becomes a type, and an object has the keys that it names, no others."""
    if isinstance(schema, list):
        return [plain(part, closed) for part in schema]
    if not isinstance(schema, dict):
        return schema
    made = {key: {name: plain(part, closed) for name, part in value.items()} if key == "properties" else plain(value, closed)
            for key, value in schema.items() if key not in ("nullable", "example", "description", "format")}
    if schema.get("nullable"):
        if "type" in made:
            made["type"] = [made["type"], "null"]
        else:
            made = {"anyOf": [made, {"type": "null"}]}
    if closed and "properties" in made and "additionalProperties" not in made:
        made["additionalProperties"] = False
    return made


def success_of(operation):
    """The schema of a success, or None when it has no body."""
    documented = {status: what for status, what in operation["responses"].items() if status.startswith("2")}
    assert len(documented) >= 1, operation["summary"]
    schemas = [what["content"]["application/json"]["schema"] for what in documented.values() if "content" in what and "application/json" in what["content"]]
    return schemas[0] if schemas else None


ERRORS = {
    "controlroom": {"type": "object", "required": ["code", "details", "message"], "additionalProperties": False,
                    "properties": {"code": {"type": "string"}, "message": {"type": "string", "minLength": 1},
                                   "details": {"anyOf": [{"type": "null"}, {"type": "array", "items": {"type": "string"}}]}}},
    "keyturn": {"type": "object", "required": ["code", "message", "details"], "additionalProperties": False,
                "properties": {"code": {"type": "string", "minLength": 1}, "message": {"type": "string", "minLength": 1},
                               "details": {"anyOf": [{"type": "null"}, {"type": "array", "items": {"type": "string"}}]}}},
    "oauth": {"type": "object", "required": ["error"], "additionalProperties": False,
              "properties": {"error": {"type": "string"}, "error_description": {"type": "string"}}},
}


def face_of(path):
    low = path.lower()
    if low.startswith(PS.lower()) or low.startswith("/eeye.retinacs.server/api/public/v3"):
        return "passwordsafe"
    return "keyturn" if path.startswith(("/api/v1/", "/swagger")) or path == "/api/v1" else "controlroom"


def wrong_with_error(path, kind, content):
    face = face_of(path)
    if face == "passwordsafe" and kind.startswith("text/plain"):
        return None if content and content[:1] not in (b"{", b'"') else "an error that is no plain text"
    name = "oauth" if face == "passwordsafe" else face
    errors = list(jsonschema.Draft7Validator(ERRORS[name]).iter_errors(json.loads(content)))
    return errors[0].message if errors else None


class Documents:
    def __init__(self, found):
        self.found = found
        self.validators = {}

    def validator(self, key):
        if key not in self.validators:
            schema = success_of(self.found[key])
            self.validators[key] = schema and jsonschema.Draft7Validator(plain(copy.deepcopy(schema)))
        return self.validators[key]

    def wrong_with(self, method, path, status, kind, content):
        """None, or what the answer has that its document does not say."""
        if 300 <= status < 400:
            return None if path.startswith("/swagger") else "a redirect"
        if status >= 400:
            return None if method == "HEAD" and not content else wrong_with_error(path, kind, content)
        template = rows.template_of(method, path, self.found)
        if template is None:
            return None if path.startswith("/swagger") or path == "/" else "a success that no document has"
        documented = {int(code) for code in self.found[method, template]["responses"] if code.startswith("2")}
        if status not in documented and status not in ALSO.get((method, template), ()):
            return f"status {status}, documented {documented}"
        validator = self.validator((method, template))
        if not content:
            return None if validator is None or status == 204 or status not in documented else "no body where one is documented"
        if validator is None:
            if status not in documented:
                return None  # the document describes the first status only
            if kind.startswith("application/json") and content == b"{}":
                return None
            return f"a body that is not documented: {content[:100]!r}" if "json" in kind else None
        if not kind.startswith("application/json"):
            return f"{kind} in place of JSON"
        errors = sorted(validator.iter_errors(json.loads(content)), key=lambda error: len(list(error.path)))
        return f"{'/'.join(map(str, errors[0].path))}: {errors[0].message[:300]}" if errors else None


def test_every_answer_is_as_documented(documents):
    known, wrong, checked = Documents(documents), {}, set()
    for method, path, status, kind, content in all_seen():
        if len(content) >= 200000:
            continue  # cut when it was kept
        key = (method, path, status, content)
        if key in checked:
            continue
        checked.add(key)
        what = known.wrong_with(method, path, status, kind, content)
        if what:
            template = rows.template_of(method, path, documents) or path
            wrong.setdefault(f"{method} {template} {status}: {what}", (path, content[:300]))
    assert not wrong, "\n".join(f"{what}\n    {where} {content!r}" for what, (where, content) in sorted(wrong.items())[:60]) + f"\n{len(wrong)} in all"


def test_every_row_was_brought_to_a_success(documents, request):
    collected = {os.path.abspath(str(item.fspath)) for item in request.session.items}
    is_whole = ALL_FILES <= collected and not request.config.option.keyword
    if not is_whole and "KEYTURN_SEEN" not in os.environ:
        pytest.skip("only a part of tests/api was run")
    candidates = {(row.method, row.path) for row in rows.endpoints()}
    done = {(method, rows.template_of(method, path, candidates)) for method, path, status, _, _ in all_seen() if status < 400}
    left = {rows.name_of(row) for row in rows.endpoints() if (row.method, row.path) not in done}
    assert left - set(NEVER_A_SUCCESS) == set(), f"never exercised: {sorted(left - set(NEVER_A_SUCCESS))}"
    assert set(NEVER_A_SUCCESS) <= left, f"no longer true: {sorted(set(NEVER_A_SUCCESS) - left)}"


def test_every_row_stands_in_one_document(documents):
    missing = [rows.name_of(row) for row in rows.endpoints() if (row.method, row.path) not in documents and row.face != "pages"]
    assert not missing
    known = {(row.method, row.path) for row in rows.endpoints()}
    assert set(documents) <= known


def test_the_documents_are_documents(documents):
    """What a reader of the page needs: a summary, every path parameter, examples that fit their own schema."""
    for (method, path), operation in documents.items():
        where = f"{method} {path}"
        assert operation["summary"], where
        wanted = [part.strip("{}") for part in path.split("/") if part.startswith("{")]
        assert [p["name"] for p in operation["parameters"] if p["in"] == "path"] == wanted, where
        for schema in [rows.body_schema(operation), success_of(operation)]:
            if schema:
                jsonschema.Draft7Validator.check_schema(plain(copy.deepcopy(schema)))
        example = operation.get("requestBody", {}).get("content", {}).get("application/json", {}).get("example")
        if example is not None:
            errors = list(jsonschema.Draft7Validator(plain(copy.deepcopy(rows.body_schema(operation)), closed=True)).iter_errors(example))
            assert not errors, (where, errors[0].message)


def test_the_checker_finds_what_is_wrong():
    """The checks above on answers that are wrong."""
    document = {("GET", "/api/v1/things/{id}"): {"summary": "x", "parameters": [], "responses": {"200": {"content": {"application/json": {"schema": {
        "type": "object", "required": ["id"], "properties": {"id": {"type": "integer"}, "name": {"type": "string", "nullable": True}}}}}}}}}
    known = Documents(document)
    json_type = "application/json"
    assert known.wrong_with("GET", "/api/v1/things/1", 200, json_type, b'{"id":1,"name":null}') is None
    for content in (b'{"id":"1"}', b'{"name":"x"}', b'{"id":1,"more":2}', b"[]", b""):
        assert known.wrong_with("GET", "/api/v1/things/1", 200, json_type, content)
    assert known.wrong_with("GET", "/api/v1/others/1", 200, json_type, b"{}")
    assert known.wrong_with("GET", "/api/v1/things/1", 302, json_type, b"")
    assert known.wrong_with("GET", "/api/v1/things/1", 404, json_type, b'{"code":"x","message":"y","details":null}') is None
    assert known.wrong_with("GET", "/api/v1/things/1", 404, json_type, b'{"code":"x","message":"y","details":null,"more":1}')
    assert known.wrong_with("GET", PS + "/Users", 404, "text/plain; charset=utf-8", b'{"a":1}')
