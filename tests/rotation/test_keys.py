"""Key pairs: stored, checked to belong together, installed beside the old one, proved by a login; the one we installed before goes."""
import subprocess

import pytest
from conftest import Managed, take_on_host
from support import ok, wait_for


def make_pair(folder, name, kind="ed25519", passphrase=""):
    path = folder / name
    subprocess.run(["ssh-keygen", "-q", "-t", kind, "-N", passphrase, "-C", name + "@test", "-f", str(path)] + (["-b", "2048"] if kind == "rsa" else []), check=True)
    return path.read_text(), path.with_suffix(".pub").read_text().strip()


def logs_in(host, account, private, folder, passphrase=None):
    import io
    import paramiko
    for kind in (paramiko.Ed25519Key, paramiko.RSAKey):
        try:
            return host.can_login_with_key(account, kind.from_private_key(io.StringIO(private), password=passphrase))
        except paramiko.SSHException:
            continue
    raise AssertionError("paramiko cannot read the key")


@pytest.fixture(scope="module")
def account(ps, host):
    return Managed(ps, host, "u5")


def stored_key(ps, account, kind="dsskey"):
    return ok(ps.post(f"/ISARequests?type={kind}", {"SystemID": account.system_id, "AccountID": account.id, "DurationMinutes": 1}), 201)


def test_a_key_is_installed_proved_and_replaced(ps, host, account, tmp_path):
    first_private, first_public = make_pair(tmp_path, "first")
    answer = account.put({"PrivateKey": first_private, "PublicKey": first_public, "Password": "With-key-1!"})
    assert answer.status_code == 204, answer.text
    assert stored_key(ps, account) == first_private
    assert logs_in(host, "u5", first_private, tmp_path) and host.can_login("u5", "With-key-1!")
    assert account.test() is True

    second_private, second_public = make_pair(tmp_path, "second", "rsa")
    assert account.put({"PrivateKey": second_private, "PublicKey": second_public}).status_code == 204
    assert logs_in(host, "u5", second_private, tmp_path)
    wait_for(lambda: not logs_in(host, "u5", first_private, tmp_path), timeout=20)
    assert host.can_login("u5", account.password())


def test_somebody_elses_key_stays(ps, host, account, tmp_path):
    theirs_private, theirs_public = make_pair(tmp_path, "theirs")
    host.run(["/bin/sh", "-c", "cat >>/home/u5/.ssh/authorized_keys"], input=theirs_public + "\n")
    private, public = make_pair(tmp_path, "ours")
    assert account.put({"PrivateKey": private, "PublicKey": public}).status_code == 204
    assert logs_in(host, "u5", theirs_private, tmp_path) and logs_in(host, "u5", private, tmp_path)


def test_an_encrypted_key(ps, host, account, tmp_path):
    private, public = make_pair(tmp_path, "locked", passphrase="opensesame")
    for body in ({"PrivateKey": private, "PublicKey": public}, {"PrivateKey": private, "PublicKey": public, "Passphrase": "wrong"}):
        refused = account.put(body)
        assert refused.status_code == 400 and "opensesame" not in refused.text
    assert account.put({"PrivateKey": private, "PublicKey": public, "Passphrase": "opensesame"}).status_code == 204
    assert logs_in(host, "u5", private, tmp_path, "opensesame")
    assert stored_key(ps, account) == private and stored_key(ps, account, "passphrase") == "opensesame"


def test_keys_that_do_not_belong_together(account, tmp_path):
    private, _ = make_pair(tmp_path, "one")
    _, other = make_pair(tmp_path, "other")
    before = account.password()
    assert account.put({"PrivateKey": private, "PublicKey": other}).status_code == 400
    assert account.put({"PrivateKey": private}).status_code == 400
    assert account.put({"PrivateKey": "not a key", "PublicKey": other}).status_code == 400
    assert account.password() == before


def test_stored_only_the_public_half_is_derived(ps, account, tmp_path):
    private, _ = make_pair(tmp_path, "stored")
    before = account.password()
    assert account.put({"PrivateKey": private, "UpdateSystem": False}).status_code == 204
    assert stored_key(ps, account) == private and account.password() == before


def test_a_pair_made_here(ps, host, tmp_path):
    account = Managed(ps, host, "u6", system=take_on_host(ps, host), DSSAutoManagementFlag=True)
    host.set_password("u6", account.first)
    wait_for(lambda: account.show()["ChangeState"] == 0, timeout=40)
    assert account.change().status_code == 204
    made = stored_key(ps, account)
    assert logs_in(host, "u6", made, tmp_path) and account.test() is True
    assert account.change().status_code == 204
    assert stored_key(ps, account) != made
    wait_for(lambda: not logs_in(host, "u6", made, tmp_path), timeout=20)


def unreached(ps, host, name, **more):
    """An account with a change that waits: its system is at a port where nobody is. And what lets it go."""
    system = take_on_host(ps, host, port=1, Timeout=3)
    account = Managed(ps, host, name, system=system, **more)
    host.set_password(name, account.first)
    return account, lambda: ok(ps.put(f"/ManagedSystems/{system}", {"Port": host.port}))


def waiting_job(admin, account):
    jobs = ok(admin.own("GET", f"/jobs?state=open&kind=change&accountId={account.id}"))["items"]
    return jobs and jobs[0]["reason"] and jobs[0]


def test_a_password_is_set_before_there_is_a_pair(ps, host, admin):
    """The pair that was to be made waits for a dead host; somebody sets a password."""
    account, mend = unreached(ps, host, "u6", DSSAutoManagementFlag=True)
    wait_for(lambda: waiting_job(admin, account), timeout=40)
    mend()
    answer = account.put({"Password": "Given-without-key-1!"})
    assert answer.status_code == 204, answer.text
    assert host.can_login("u6", "Given-without-key-1!")
    assert account.put({}).status_code == 204 and stored_key(ps, account)
    answer = account.put({"Password": "Given-beside-key-1!"})
    assert answer.status_code == 204 and account.password() == "Given-beside-key-1!", answer.text


def test_a_change_that_waits_makes_the_pair_too(ps, host, admin, tmp_path):
    account, mend = unreached(ps, host, "u6")
    assert account.change({"Queue": True}).status_code == 204
    wait_for(lambda: waiting_job(admin, account), timeout=40)
    mend()
    assert ok(ps.put(f"/ManagedAccounts/{account.id}", {"DSSAutoManagementFlag": True}))["DSSAutoManagementFlag"] is True
    wait_for(lambda: not ok(admin.own("GET", f"/jobs?state=open&kind=change&accountId={account.id}"))["items"], timeout=60)
    assert logs_in(host, "u6", stored_key(ps, account), tmp_path)


def test_an_account_that_changes_its_own_password(ps, host):
    """UseOwnCredentials, and no functional account at all."""
    body = {"EntityTypeID": 1, "HostName": "self-host", "IPAddress": "127.0.0.1", "PlatformID": 2, "Port": host.port, "Timeout": 20}
    system = ok(ps.post("/Workgroups/1/ManagedSystems", body), 201)["ManagedSystemID"]
    host.set_password("u7", "Own-start-1!")
    account = Managed(ps, host, "u7", password="Own-start-1!", system=system, auto=False, UseOwnCredentials=True)
    answer = account.put({"Password": "Own-second-22!"})
    assert answer.status_code == 204, answer.text
    assert host.can_login("u7", "Own-second-22!") and account.test() is True
    missing = Managed(ps, host, "u8", system=system, auto=False)
    refused = missing.put({"Password": "x"})
    assert refused.status_code == 400 and "FunctionalAccountID" in refused.text


def test_a_refused_password_takes_no_key_away_that_was_there_before(ps, host, tmp_path):
    account = Managed(ps, host, "u3", auto=False)
    host.set_password("u3", account.first)
    private, public = make_pair(tmp_path, "kept")
    assert account.put({"PrivateKey": private, "PublicKey": public, "Password": "With-key-3!"}).status_code == 204
    answer = account.put({"PrivateKey": private, "PublicKey": public, "Password": "x" * 600})
    assert answer.status_code == 400, answer.text
    assert logs_in(host, "u3", private, tmp_path) and account.password() == "With-key-3!"


def test_a_key_that_is_not_let_in_is_no_reason_to_doubt_the_password(ps, host, admin, tmp_path):
    from ssh_host import SshHost
    with SshHost(tmp_path / "keyless", sshd_options={"PubkeyAuthentication": "no"}) as keyless:
        account = Managed(ps, keyless, "u4", auto=False)
        private, public = make_pair(tmp_path, "unwanted")
        answer = account.put({"PrivateKey": private, "PublicKey": public, "Password": "Live-with-key-1!"})
        assert answer.status_code in (400, 409)
        wait_for(lambda: account.show()["ChangeState"] == 0, timeout=120)
        job = ok(admin.own("GET", f"/jobs?kind=change&accountId={account.id}"))["items"][0]
        assert job["state"] == "drift" and "does not log in" in job["reason"]
        assert keyless.can_login("u4", "Live-with-key-1!")


def test_a_linked_passphrase_goes_when_the_new_key_has_none(ps, host, admin, tmp_path):
    account = Managed(ps, host, "u8", auto=False)
    host.set_password("u8", account.first)
    private, public = make_pair(tmp_path, "locked8", passphrase="opensesame")
    assert account.put({"PrivateKey": private, "PublicKey": public, "Passphrase": "opensesame"}).status_code == 204
    credential = ok(admin.post("/v2/credentialvault/credentials", {"name": "passphrase of u8", "attributes": [{"name": "p", "userProvided": False, "masked": True}]}), 201)
    body = {"part": "passphrase", "end": {"attributeId": int(credential["attributes"][0]["id"])}, "release": "consumers"}
    made = ok(admin.own("PUT", f"/managed-accounts/{account.id}/links", body))
    private, public = make_pair(tmp_path, "open8")
    answer = account.put({"PrivateKey": private, "PublicKey": public})
    assert answer.status_code == 204, answer.text
    assert logs_in(host, "u8", private, tmp_path) and stored_key(ps, account) == private
    assert ok(admin.own("POST", f"/links/{made['id']}/verify", {}))["equal"] is True
    ok(admin.own("DELETE", f"/links/{made['id']}"), 204)


def test_a_key_that_came_with_a_refused_password_goes_again(ps, host, admin, tmp_path):
    """By the functional account, and by the account itself: nothing is let in that no version is current with."""
    body = {"EntityTypeID": 1, "HostName": "self-host-with-key", "IPAddress": "127.0.0.1", "PlatformID": 2, "Port": host.port, "Timeout": 20}
    alone = ok(ps.post("/Workgroups/1/ManagedSystems", body), 201)["ManagedSystemID"]
    for name, more in (("s1", {}), ("s2", {"system": alone, "UseOwnCredentials": True})):
        account = Managed(ps, host, name, auto=False, **more)
        host.set_password(name, account.first)
        private, public = make_pair(tmp_path, "of-" + name)
        answer = account.put({"PrivateKey": private, "PublicKey": public, "Password": "x" * 600})
        assert answer.status_code == 400, answer.text
        assert not logs_in(host, name, private, tmp_path) and host.can_login(name, account.first)
        assert ok(admin.own("GET", f"/jobs?kind=change&accountId={account.id}"))["items"][0]["state"] == "refused"
