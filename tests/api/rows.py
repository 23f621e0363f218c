"""tests/api/rows.py: the server's own list of endpoints, and its OpenAPI documents, for the tests that are generated from them."""
import collections
import functools
import json
import re
import subprocess
import urllib.parse

from support import KEYTURN, PS

MODULES = ("authentication", "credentialvault", "usermanagement", "devices", "audit", "passwordsafe", "keyturn")
Row = collections.namedtuple("Row", "face method path who password mode audit takes_body by_hand doc")


@functools.lru_cache(maxsize=None)
def endpoints():
    """Every row, as `keyturn endpoints` prints it."""
    out = subprocess.run([KEYTURN, "endpoints"], capture_output=True, text=True, check=True, timeout=60).stdout
    found = []
    for line in out.splitlines():
        row = json.loads(line)
        found.append(Row(row["face"], row["method"].upper(), row["path"], row["who"], row["password"], row["mode"], row["audit"], row["takesBody"],
                         row["decodesByHand"], row["doc"]))
    return tuple(found)


def name_of(row):
    return f"{row.method} {row.path}"


@functools.lru_cache(maxsize=None)
def pattern_of(path, folds):
    """The template as a regular expression; a parameter is one segment."""
    parts = [r"[^/]+" if part.startswith("{") else re.escape(part) for part in path.strip("/").split("/")]
    return re.compile("/" + "/".join(parts) + "/?", re.I if folds else 0)


def literals(path):
    return sum(not part.startswith("{") for part in path.split("/"))


def template_of(method, path, candidates):
    """Of (method, template) pairs, the one that answers this call: more literal segments win. None: none does."""
    path = re.sub(r"(?i)^/eEye\.RetinaCS\.Server/api/public/v3", PS, path)
    folds = path.lower().startswith(PS.lower())
    fitting = [template for verb, template in candidates
               if verb == method and (folds == template.lower().startswith(PS.lower())) and pattern_of(template, folds).fullmatch(path)]
    fitting.sort(key=lambda template: [part.startswith("{") for part in template.split("/")])
    return fitting[0] if fitting else None


def openapi(url):
    """{(METHOD, template): operation} of every document that the server at `url` has."""
    import requests
    found = {}
    for module in MODULES:
        answer = requests.get(f"{url}/swagger/{module}.json", timeout=30)
        assert answer.status_code == 200, (module, answer.status_code)
        document = answer.json()
        assert document["openapi"].startswith("3."), module
        for path, operations in document["paths"].items():
            for verb, operation in operations.items():
                assert (verb.upper(), path) not in found, f"{verb} {path} stands in two documents"
                found[verb.upper(), path] = operation
    return found


def body_schema(operation):
    content = operation.get("requestBody", {}).get("content", {})
    return content.get("application/json", {}).get("schema", {})


def fill(path, values):
    """The template with its parameters, in order, replaced."""
    values = iter(values)
    return re.sub(r"\{[^}]*\}", lambda _: urllib.parse.quote(str(next(values)), safe=""), path)
