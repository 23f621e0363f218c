"""tests/api/test_passwordsafe_keys.py: private keys in the credential endpoints (seed 002; passwordsafe-api 5.1 #4 to #10, 5.6)."""
import concurrent.futures
import subprocess
import tempfile
import time
import urllib.parse

import pytest
from passwordsafe_people import People, refused
from store import stored_bytes
from support import ok, with_rounds

NOT_CHANGED = "Credential not changed: "
KINDS = {"ed25519": ["-t", "ed25519"], "rsa": ["-t", "rsa", "-b", "2048"], "rsa as PEM": ["-t", "rsa", "-b", "2048", "-m", "PEM"], "ecdsa": ["-t", "ecdsa", "-b", "256"]}


class Key:
    def __init__(self, folder, kind, passphrase=""):
        path = tempfile.mkdtemp(dir=folder) + "/key"
        subprocess.run(["ssh-keygen", "-q", *KINDS[kind], "-N", passphrase, "-C", "svc@vault", "-f", path], check=True)
        self.private, self.public = open(path).read(), open(path + ".pub").read()


@pytest.fixture(scope="module")
def people(server):
    return People(server)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("keys")


@pytest.fixture(scope="module")
def key(folder):
    return Key(folder, "ed25519")


@pytest.fixture(scope="module")
def locked(folder):
    return Key(folder, "ed25519", "opensesame")


@pytest.fixture(scope="module")
def other(folder):
    return Key(folder, "rsa")


@pytest.fixture(scope="module")
def system(people):
    return people.system()


@pytest.fixture
def account(people, system):
    return people.account(system)


def put(people, account, **body):
    return people.boss.put(account.path + "/Credentials", body)


def bad(people, account, **body):
    text = refused(put(people, account, **body), 400)
    assert not text.startswith(NOT_CHANGED), text
    assert account.released() == "Initial-1"
    refused(people.boss.post("/ISARequests?type=dsskey", {"SystemID": account.system, "AccountID": account.id}), 404, "DSS key not found")
    return text


def tried(people, account, **body):
    assert refused(put(people, account, **body), 400).startswith(NOT_CHANGED)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("passphrase", ["", "opensesame"], ids=["plain", "encrypted"])
def test_store_only_derives_the_public_half(people, account, folder, kind, passphrase):
    """5.1 #5; and encrypted stays encrypted (5.6)."""
    key = Key(folder, kind, passphrase)
    assert put(people, account, PrivateKey=key.private, Passphrase=passphrase or None, UpdateSystem=False).status_code == 204
    assert account.released("dsskey").strip() == key.private.strip()
    if passphrase:
        assert account.released("passphrase") == passphrase
    assert account.released() == "Initial-1"  # 5.1 #10: the password is left alone
    assert put(people, account, PrivateKey=key.private, Passphrase=passphrase or None, PublicKey=key.public, UpdateSystem="false").status_code == 204


def test_a_key_on_the_system_needs_its_public_half(people, account, key):
    for update in ({}, {"UpdateSystem": True}, {"UpdateSystem": None}):
        assert "PublicKey" in bad(people, account, PrivateKey=key.private, **update)
        assert "PublicKey" in bad(people, account, PrivateKey=key.private, PublicKey="", **update)
    tried(people, account, PrivateKey=key.private, PublicKey=key.public)
    assert account.released() == "Initial-1"


@pytest.mark.parametrize("update", [True, False])
def test_a_pair_that_is_none(people, account, key, other, update):
    for public in (other.public, "ssh-ed25519 AAAA nonsense", "nonsense", key.public.replace("AAAAC3", "AAAAC4"), key.public.split()[0]):
        assert "PublicKey" in bad(people, account, PrivateKey=key.private, PublicKey=public, UpdateSystem=update)


def test_the_comment_does_not_matter(people, account, key):
    public = " ".join(key.public.split()[:2])
    for form in (public, public + " somebody@else", public + "\n", "  " + public):
        assert put(people, account, PrivateKey=key.private, PublicKey=form, UpdateSystem=False).status_code == 204, form


@pytest.mark.parametrize("passphrase", [None, "", "wrong", "OPENSESAME", "opensesame "])
def test_a_wrong_passphrase(people, account, locked, passphrase):
    for update in (True, False):
        text = bad(people, account, PrivateKey=locked.private, PublicKey=locked.public, Passphrase=passphrase, UpdateSystem=update)
        assert "opensesame" not in text and (not passphrase or passphrase not in text)


def test_a_passphrase_for_a_key_that_has_none(people, account, key):
    assert put(people, account, PrivateKey=key.private, Passphrase="whatever", UpdateSystem=False).status_code == 204
    assert account.released("dsskey").strip() == key.private.strip()
    answer = people.boss.post("/ISARequests?type=passphrase", {"SystemID": account.system, "AccountID": account.id})
    assert answer.status_code == 404 or answer.json() == ""


def test_what_is_no_private_key(people, account, key, locked):
    lines = key.private.splitlines()
    for private in ("nonsense", key.public, key.private[:len(key.private) // 2], "\n".join(lines[:1] + lines[-1:]), "\n".join([lines[0], "AAAA" * 10, lines[-1]]),
                    "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", "\0", key.private.replace(lines[1], lines[1][::-1])):
        text = bad(people, account, PrivateKey=private, UpdateSystem=False)
        assert lines[2] not in text
    refused(put(people, account, PrivateKey="x" * 70000, UpdateSystem=False), 400)


def test_line_ends_of_other_systems(people, account, key):
    for private in (key.private.replace("\n", "\r\n"), key.private.rstrip("\n"), "\n" + key.private):
        answer = put(people, account, PrivateKey=private, UpdateSystem=False)
        assert answer.status_code == 204, (private[:40], answer.text)


def test_a_public_key_alone_is_ignored(people, account, key, other):
    """5.1 #6."""
    for public in ("meaningless", key.public, ""):
        assert put(people, account, Password="New-1!", PublicKey=public, UpdateSystem=False).status_code == 204
        assert account.released() == "New-1!"
    assert put(people, account, PrivateKey=key.private, UpdateSystem=False).status_code == 204
    assert put(people, account, Password="New-2!", PublicKey=other.public, UpdateSystem=False).status_code == 204
    assert account.released() == "New-2!"


def test_a_password_and_a_key_at_once(people, account, key):
    assert put(people, account, Password="New-1!", PrivateKey=key.private, UpdateSystem=False).status_code == 204
    assert account.released() == "New-1!" and account.released("dsskey").strip() == key.private.strip()


def test_a_password_alone_leaves_the_key(people, account, key):
    assert put(people, account, PrivateKey=key.private, UpdateSystem=False).status_code == 204
    assert put(people, account, Password="New-1!", UpdateSystem=False).status_code == 204
    assert account.released() == "New-1!" and account.released("dsskey").strip() == key.private.strip()


def test_a_platform_without_keys(people, key):
    account = people.account(people.system(auto=False, PlatformID=1, Port=None))
    platform = ok(people.boss.get("/Platforms/1"))
    assert platform["DSSFlag"] is False
    for update in (True, False):
        assert "PrivateKey" in bad(people, account, PrivateKey=key.private, PublicKey=key.public, UpdateSystem=update)
    body = {"AccountName": "keyed", "PrivateKey": key.private}
    assert "PrivateKey" in refused(people.boss.post(f"/ManagedSystems/{account.system}/ManagedAccounts", body), 400)


def test_as_a_form_and_by_names(people, account, locked):
    body = urllib.parse.urlencode({"PrivateKey": locked.private, "Passphrase": "opensesame", "UpdateSystem": "false"})
    answer = people.boss.put(account.path + "/Credentials", raw=body, headers={"Content-Type": "application/x-www-form-urlencoded"})
    assert answer.status_code == 204 and account.released("dsskey").strip() == locked.private.strip()


def test_a_new_account_with_a_key(people, system, key, locked):
    made = people.account(system, Password=None, PrivateKey=locked.private, Passphrase="opensesame")
    assert made.released("dsskey").strip() == locked.private.strip() and made.released("passphrase") == "opensesame"
    assert not {"Password", "PrivateKey", "Passphrase"} & set(made.made)
    for body in ({"PrivateKey": locked.private}, {"PrivateKey": locked.private, "Passphrase": "wrong"}, {"PrivateKey": "nonsense"}):
        refused(people.boss.post(f"/ManagedSystems/{system}/ManagedAccounts", dict(body, AccountName="never")), 400)
    refused(people.boss.get(f"/ManagedSystems/{system}/ManagedAccounts?name=never"), 404)


def test_no_key_in_any_answer_or_log(people, account, key, locked):
    middle = key.private.splitlines()[2]
    assert put(people, account, PrivateKey=key.private, UpdateSystem=False).status_code == 204
    assert middle not in people.boss.get(account.path).text and middle not in people.server.log_text()
    raw = stored_bytes(people.server)
    assert middle.encode() not in raw and b"opensesame" not in raw


def test_a_key_that_asks_for_too_much_work(people, account, locked):
    for rounds in (1001, 0x7fffffff):
        began = time.monotonic()
        assert str(rounds) in bad(people, account, PrivateKey=with_rounds(locked.private, rounds), Passphrase="opensesame", UpdateSystem=False)
        assert time.monotonic() - began < 10


def test_one_key_at_a_time_and_sign_ins_beside_it(people, account, locked):
    slow = with_rounds(locked.private, 500)
    with concurrent.futures.ThreadPoolExecutor(16) as threads:
        first = threads.submit(people.client("admin").put, account.path + "/Credentials", {"PrivateKey": slow, "Passphrase": "opensesame", "UpdateSystem": False})
        time.sleep(1)
        others = list(threads.map(lambda _: people.client("admin").put(account.path + "/Credentials", {"PrivateKey": slow, "UpdateSystem": False}), range(12)))
        people.server.controlroom()
        assert not first.done()  # so it was beside it that all of them were answered, and somebody signed in
        for answer in others:
            assert "another key is being looked at" in refused(answer, 503) and answer.headers["Retry-After"] == "5"
        refused(first.result(), 400)
    assert put(people, account, PrivateKey=locked.private, Passphrase="opensesame", UpdateSystem=False).status_code == 204
