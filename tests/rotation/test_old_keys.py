"""Every key that the vault installed and that is not the current one goes with the next key change that is proved; never the live one, nor somebody else's."""
import concurrent.futures
import time

import pytest
from conftest import Managed
from drifting import SETUP, account_on, into_drift, settled, told
from ssh_host import SshHost
from store import Store, rows_of
from support import ok, wait_for
from test_keys import logs_in, make_pair


@pytest.fixture(scope="module")
def strange(tmp_path_factory):
    with SshHost(tmp_path_factory.mktemp("strange"), setup=SETUP) as host:
        yield host


@pytest.fixture
def pairs(tmp_path):
    return {name: make_pair(tmp_path, name) for name in ("one", "two", "three", "theirs")}


def with_key(pair):
    return {"PrivateKey": pair[0], "PublicKey": pair[1]}


def installed(host, name):
    """The keys that are let in, without their comments."""
    path = host.root / "home" / name / ".ssh/authorized_keys"
    return {" ".join(line.split()[:2]) for line in path.read_text().splitlines() if line} if path.exists() else set()


def plain(pair):
    return " ".join(pair[1].split()[:2])


def ours(server, account):
    """The versions whose key is still to be removed, or is in use."""
    return [row[0] for row in rows_of(server, "SELECT number FROM versions WHERE account_id = ? AND key_is_ours = 1 ORDER BY number", (account.id,))]


def test_the_key_of_a_change_that_drifted(server, ps, admin, strange, pairs):
    account = account_on(ps, strange, "u1")
    with told(strange, "drift", "u1:Somebody-else-1!\n"):
        account.put({**with_key(pairs["one"]), "Password": "Candidate-1!"})
        job = settled(admin, account)
    assert job["state"] == "drift" and installed(strange, "u1") == {plain(pairs["one"])}
    assert account.put({"Password": "Somebody-else-1!", "UpdateSystem": False}).status_code == 204
    assert account.put(with_key(pairs["two"])).status_code == 204
    wait_for(lambda: installed(strange, "u1") == {plain(pairs["two"])}, timeout=20)
    wait_for(lambda: len(ours(server, account)) == 1, timeout=20)


def test_our_key_after_another_one_was_adopted(ps, admin, strange, pairs, tmp_path):
    account = account_on(ps, strange, "u2")
    assert account.put(with_key(pairs["one"])).status_code == 204
    job = into_drift(admin, account)
    strange.run(["/bin/sh", "-c", "cat >>/home/u2/.ssh/authorized_keys"], input=pairs["theirs"][1] + "\n")
    ok(admin.own("POST", f"/jobs/{job['id']}/adopt", {"password": "Somebody-else-1!", "privateKey": pairs["theirs"][0]}))
    assert account.put(with_key(pairs["two"])).status_code == 204
    wait_for(lambda: installed(strange, "u2") == {plain(pairs["theirs"]), plain(pairs["two"])}, timeout=20)  # theirs was not ours to remove
    assert logs_in(strange, "u2", pairs["two"][0], tmp_path)


def test_our_key_behind_one_that_was_only_stored(ps, strange, pairs):
    account = account_on(ps, strange, "u3")
    assert account.put(with_key(pairs["one"])).status_code == 204
    assert account.put({**with_key(pairs["two"]), "UpdateSystem": False}).status_code == 204
    assert account.put(with_key(pairs["three"])).status_code == 204
    wait_for(lambda: installed(strange, "u3") == {plain(pairs["three"])}, timeout=20)


def test_what_could_not_be_removed_goes_with_the_next_change(server, ps, admin, strange, pairs):
    """As if the server had been killed between the proof and the removal."""
    account = account_on(ps, strange, "u4")
    assert account.put(with_key(pairs["one"])).status_code == 204
    assert account.put(with_key(pairs["two"])).status_code == 204
    wait_for(lambda: installed(strange, "u4") == {plain(pairs["two"])} and len(ours(server, account)) == 1, timeout=20)
    strange.run(["/bin/sh", "-c", "cat >>/home/u4/.ssh/authorized_keys"], input=pairs["one"][1] + "\n")
    with Store(server) as db:
        db.execute("UPDATE versions SET key_is_ours = 1 WHERE account_id = ? AND public_key <> ''", (account.id,))
    assert account.put(with_key(pairs["three"])).status_code == 204
    wait_for(lambda: installed(strange, "u4") == {plain(pairs["three"])}, timeout=20)

    wait_for(lambda: len(ours(server, account)) == 1, timeout=20)


def test_the_live_key_stays_whatever_older_versions_have_it(server, ps, strange, pairs, tmp_path):
    """The same key, with another comment, and under a newer password."""
    account = account_on(ps, strange, "u5")
    assert account.put(with_key(pairs["one"])).status_code == 204
    assert account.put({"Password": "Only-the-password-5!"}).status_code == 204
    private, public = pairs["one"]
    assert account.put({"PrivateKey": private, "PublicKey": public.rsplit(" ", 1)[0] + " another-comment", "Password": "With-the-same-5!"}).status_code == 204
    assert logs_in(strange, "u5", private, tmp_path) and plain(pairs["one"]) in installed(strange, "u5")
    assert account.put(with_key(pairs["two"])).status_code == 204
    wait_for(lambda: installed(strange, "u5") == {plain(pairs["two"])}, timeout=20)


def test_an_account_that_changes_itself(ps, strange, pairs):
    system = ok(ps.post("/Workgroups/1/ManagedSystems", {"EntityTypeID": 1, "HostName": "old-keys-alone", "IPAddress": "127.0.0.1", "PlatformID": 2, "Port": strange.port, "Timeout": 20}), 201)["ManagedSystemID"]
    strange.set_password("u6", "Own-start-66!")
    account = Managed(ps, strange, "u6", password="Own-start-66!", system=system, auto=False, UseOwnCredentials=True)
    for name, password in (("one", "Own-second-66!"), ("two", "Own-third-666!")):
        answer = account.put({**with_key(pairs[name]), "Password": password})
        assert answer.status_code == 204, answer.text
    wait_for(lambda: installed(strange, "u6") == {plain(pairs["two"])}, timeout=20)


def test_whose_job_it_is_no_longer_takes_no_key_back(server, ps, admin, strange, pairs):
    """Refused after another server has taken the job over: that one may have made the key the live one."""
    account = account_on(ps, strange, "u7", timeout=15)
    with told(strange, "slow", "2"), told(strange, "refuse"), concurrent.futures.ThreadPoolExecutor(1) as pool:
        strange.run("rm -f /etc/begun")
        answer = pool.submit(account.put, {**with_key(pairs["one"]), "Password": "Candidate-7!"})
        wait_for(lambda: (strange.root / "etc/begun").exists(), timeout=30)
        with Store(server) as db:
            db.execute("UPDATE jobs SET epoch = epoch + 1 WHERE account_id = ? AND is_open = 1", (account.id,))
        time.sleep(5)
        assert installed(strange, "u7") == {plain(pairs["one"])}
    job = settled(admin, account, timeout=120)
    answer.result()
    assert job["state"] == "done" and strange.has_password("u7", "Candidate-7!")
