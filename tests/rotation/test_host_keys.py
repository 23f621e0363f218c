"""The host keys of a system: those that were only seen crowd nobody out, and what removing one does."""
import base64
import contextlib
import hashlib
import itertools
import socket
import threading

import paramiko
import pytest
from conftest import Managed, take_on_host
from store import Store, rows_of
from support import ok


class NeverTheSame:
    """An SSH server that shows another host key at each connection, and lets nobody in. `tried` keeps what it was told."""

    def __enter__(self):
        self.keys, self.transports, self.tried = (paramiko.ECDSAKey.generate() for _ in itertools.count()), [], []
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self.accept, daemon=True).start()
        return self

    def __exit__(self, *_):
        self.listener.close()
        for transport in self.transports:
            transport.close()

    def accept(self):
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self.listener.accept()
                transport = paramiko.Transport(connection)
                transport.add_server_key(next(self.keys))
                self.transports.append(transport)
                with contextlib.suppress(paramiko.SSHException, EOFError):
                    transport.start_server(event=threading.Event(), server=Nobody(self.tried))


class Nobody(paramiko.ServerInterface):
    def __init__(self, tried):
        self.tried = tried

    def get_allowed_auths(self, username):
        return "password,keyboard-interactive"

    def check_auth_password(self, username, password):
        self.tried.append(password)
        return paramiko.AUTH_FAILED


def fingerprint(text):
    return "SHA256:" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode().rstrip("=")


def keys_of(admin, account, query=""):
    return ok(admin.own("GET", f"/managed-systems/{account.system_id}/host-keys{query}"))


def states_of(admin, account):
    return [key["state"] for key in keys_of(admin, account)["items"]]


def remove(admin, account, key):
    ok(admin.own("DELETE", f"/managed-systems/{account.system_id}/host-keys/{key['id']}"), 204)


def ask_approval(admin, account, type, sha256):
    return admin.own("POST", f"/managed-systems/{account.system_id}/host-keys", {"type": type, "sha256": sha256})


def approve(admin, account, sha256, type="ssh-ed25519"):
    return ok(ask_approval(admin, account, type, sha256), 201)


def accept(admin, account, key):
    return ok(admin.own("POST", f"/managed-systems/{account.system_id}/host-keys/{key['id']}/accept", {}))


def pairs_of(admin, account):
    return [(key["state"], key["sha256"]) for key in keys_of(admin, account)["items"]]


@pytest.fixture
def account(ps, host, admin):
    """Taken on at the host, whose key is pinned."""
    account = Managed(ps, host, "u4", auto=False)
    host.set_password("u4", account.first)
    assert account.test() is True and states_of(admin, account) == ["pinned"]
    return account


def put_seen(server, account, n):
    """As a store may hold them that has met such a host for long."""
    with Store(server) as store:
        for i in range(n):
            store.execute("INSERT INTO host_keys (system_id, type, sha256, state, seen_at, made_by) VALUES (?, 'ssh-ed25519', ?, 'seen', ?, 0)",
                          (account.system_id, fingerprint(f"{account.id} {i}"), 1_000_000 * (i + 1)))


# -- many keys


def test_of_a_host_with_ever_other_keys_the_last_eight_are_kept(ps, host, admin):
    with NeverTheSame() as fickle:
        account = Managed(ps, host, "u1", system=take_on_host(ps, host, port=fickle.port, Timeout=5), auto=False)
        assert account.test() is False  # pinned, and already another one
        shown = []
        for _ in range(12):
            assert account.test() is False
            shown.append(max(keys_of(admin, account)["items"], key=lambda key: int(key["id"])))
        assert states_of(admin, account) == ["pinned"] + ["seen"] * 8
        assert keys_of(admin, account)["items"][1:] == shown[-8:]
        assert fickle.tried == []


def test_a_key_approved_after_many_were_seen_is_listed_and_used(server, host, admin, account):
    remove(admin, account, keys_of(admin, account)["items"][0])
    put_seen(server, account, 150)
    approved = approve(admin, account, host.host_key_sha256)
    items = keys_of(admin, account)["items"]
    assert len(items) <= 100 and approved["id"] in [key["id"] for key in items]
    assert account.put({"Password": "Approved-Late-1!"}).status_code == 204
    assert host.has_password("u4", "Approved-Late-1!")


def test_pages_go_by_id_however_many_there_are(server, admin, account):
    put_seen(server, account, 30)
    first = keys_of(admin, account, "?limit=20")
    rest = keys_of(admin, account, f"?limit=20&after={first['next']}")
    ids = [int(key["id"]) for key in first["items"] + rest["items"]]
    assert len(ids) == 31 and ids == sorted(ids) and rest["next"] is None


def test_of_many_approved_keys_the_latest_count(server, host, admin, account):
    for i in range(20):
        approve(admin, account, fingerprint(f"another host's key {i}"))
    approve(admin, account, host.host_key_sha256)
    assert account.put({"Password": "Latest-Approved-1!"}).status_code == 204


# -- accepting a changed one


@pytest.mark.parametrize("former", ["ssh-rsa", "ssh-ed25519"])
def test_an_accepted_key_takes_the_place_of_an_approved_one_of_any_type(host, admin, account, former):
    remove(admin, account, keys_of(admin, account)["items"][0])
    approve(admin, account, fingerprint("the host's former key"), type=former)
    assert "host key changed" in account.put({"Password": "To-Nobody-3!"}).text
    accepted = accept(admin, account, keys_of(admin, account)["items"][1])
    assert pairs_of(admin, account) == [("approved", host.host_key_sha256)]
    assert accept(admin, account, accepted) == accepted


def test_an_accepted_key_takes_the_place_of_a_pinned_one_of_another_type(server, host, admin, account):
    with Store(server) as store:
        store.execute("UPDATE host_keys SET type = 'ssh-rsa', sha256 = ? WHERE system_id = ?", (fingerprint("the host's former key"), account.system_id))
    assert "host key changed" in account.put({"Password": "To-Nobody-4!"}).text
    accept(admin, account, keys_of(admin, account)["items"][1])
    assert pairs_of(admin, account) == [("approved", host.host_key_sha256)]


def test_accepting_leaves_what_was_approved_for_a_change_to_come(server, host, admin, account):
    put_seen(server, account, 2)
    older, newer = [key for key in keys_of(admin, account)["items"] if key["state"] == "seen"]
    to_come = approve(admin, account, fingerprint("the host's key to be"), type="ssh-rsa")
    accept(admin, account, older)
    assert pairs_of(admin, account) == [("approved", older["sha256"]), ("seen", newer["sha256"]), ("approved", to_come["sha256"])]
    accept(admin, account, newer)
    assert pairs_of(admin, account)[-1] == ("approved", to_come["sha256"])


# -- who approved what


def test_approving_a_pinned_key_names_who_did(host, admin, account):
    pinned = keys_of(admin, account)["items"][0]
    approved = approve(admin, account, pinned["sha256"])
    assert (pinned["by"], approved["id"], approved["state"]) == (0, pinned["id"], "approved") and approved["by"] > 0


def test_approving_a_seen_key_names_who_did_and_again_is_the_same(server, admin, account):
    put_seen(server, account, 1)
    seen = keys_of(admin, account)["items"][1]
    approved = approve(admin, account, seen["sha256"])
    assert seen["by"] == 0 and approved["by"] > 0 and approved["id"] == seen["id"]
    assert approve(admin, account, seen["sha256"])["by"] == approved["by"]


@pytest.mark.parametrize("type", ["ED25519", "RSA", "ssh_ed25519", "rsa-sha2-512", "ssh-dss", "bla bla\n x", ""])
def test_a_type_that_no_system_shows_is_refused(host, admin, account, type):
    answer = ask_approval(admin, account, type, fingerprint("a key of no type"))
    assert answer.status_code == 400
    for known in ("ssh-ed25519", "ecdsa-sha2-nistp256", "ecdsa-sha2-nistp384", "ecdsa-sha2-nistp521", "ssh-rsa", "x509"):
        assert type == "" or known in answer.text
    assert states_of(admin, account) == ["pinned"]


def test_a_refused_key_is_on_record(server, host, admin, account):
    with Store(server) as store:
        store.execute("UPDATE host_keys SET sha256 = ? WHERE system_id = ?", (fingerprint("the host's former key"), account.system_id))
    assert "host key changed" in account.put({"Password": "To-Nobody-5!"}).text
    assert rows_of(server, "SELECT is_success, object_id, detail FROM audit_rows WHERE what = 'hostkey.refused' AND object_id = ?", [account.system_id]) == [
        (0, account.system_id, host.host_key_sha256)]


# -- removing one


def test_removing_the_pinned_key_trusts_the_next_one_shown(host, admin, account):
    remove(admin, account, keys_of(admin, account)["items"][0])
    assert states_of(admin, account) == []
    assert account.put({"Password": "First-Use-Again-1!"}).status_code == 204
    assert [(key["state"], key["sha256"]) for key in keys_of(admin, account)["items"]] == [("pinned", host.host_key_sha256)]


def test_in_strict_mode_it_leaves_nothing_to_trust(ps, host, admin):
    account = Managed(ps, host, "u5", system=take_on_host(ps, host, SshKeyEnforcementMode=2), auto=False)
    host.set_password("u5", account.first)
    key = approve(admin, account, host.host_key_sha256)
    assert account.put({"Password": "Strict-1!"}).status_code == 204
    remove(admin, account, key)
    answer = account.put({"Password": "Strict-2!"})
    assert answer.status_code == 400 and "not approved" in answer.text and states_of(admin, account) == []
    assert host.has_password("u5", "Strict-1!") and account.password() == "Strict-1!"


def test_removing_one_of_two_approved_keys_leaves_the_other(host, admin, account):
    other = approve(admin, account, fingerprint("the host's key to be"))
    pinned = next(key for key in keys_of(admin, account)["items"] if key["state"] == "pinned")
    remove(admin, account, pinned)
    answer = account.put({"Password": "To-Nobody-1!"})
    assert answer.status_code == 400 and "host key changed" in answer.text
    assert {(key["state"], key["sha256"]) for key in keys_of(admin, account)["items"]} == {("approved", other["sha256"]), ("seen", host.host_key_sha256)}
    remove(admin, account, other)
    assert account.put({"Password": "First-Use-2!"}).status_code == 204
    assert [(key["state"], key["sha256"]) for key in keys_of(admin, account)["items"]] == [("pinned", host.host_key_sha256)]


def test_removing_a_seen_key_forgets_it_until_it_is_shown_again(server, host, admin, account):
    with Store(server) as store:
        store.execute("UPDATE host_keys SET sha256 = ? WHERE system_id = ?", (fingerprint("the host's former key"), account.system_id))
    for _ in range(2):
        assert "host key changed" in account.put({"Password": "To-Nobody-2!"}).text
        assert states_of(admin, account) == ["pinned", "seen"]
        seen = keys_of(admin, account)["items"][1]
        assert seen["sha256"] == host.host_key_sha256
        remove(admin, account, seen)
        assert states_of(admin, account) == ["pinned"]
    assert admin.own("POST", f"/managed-systems/{account.system_id}/host-keys/{seen['id']}/accept", {}).status_code == 404
    assert rows_of(server, "SELECT COUNT(*) FROM audit_rows WHERE what = 'hostkey.remove' AND is_success = 1 AND object_id = ?", [account.system_id]) == [(2,)]
