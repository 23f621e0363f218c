"""tests/api/test_recover.py: keyturn recover: a credential past the server, with the root key or the recovery key (keyturn-api 5)."""
import os
import re
import shutil
import stat
import subprocess

import pytest
from passwordsafe_people import People
from store import Store, is_postgresql
import support
from support import KEYTURN, Server, ok, wait_for

HEAD = re.compile(r"^account   (\S+)/(\S+) \(number (\d+)\), state (\w+)$", re.M)


@pytest.fixture(scope="module")
def house():
    server = Server().start()
    yield People(server)
    server.close()


@pytest.fixture(scope="module")
def account(house):
    """Three versions: Initial-1, Second-2! and the current one, Third-3!."""
    made = house.account(house.system("db-host"), "Root")
    for password in ("Second-2!", "Third-3!"):
        assert house.boss.put(made.path + "/Credentials", {"Password": password, "UpdateSystem": False}).status_code == 204
    return made


def recover(house, *words, **more):
    return subprocess.run([KEYTURN, "recover", *house.server.at_store(), *map(str, words)], capture_output=True, text=True, timeout=60, stdin=subprocess.DEVNULL, **more)


def on_terminal(house, *words):
    return support.on_terminal("recover", *house.server.at_store(), *words)


def refused(answer, *words):
    assert answer.returncode in (1, 2) and all(word in answer.stderr for word in words), answer
    assert "Third-3!" not in answer.stdout + answer.stderr, answer


def test_a_terminal_is_shown_the_current_version_and_which_others_there_are(house, account):
    status, shown, beside = on_terminal(house, "--account", "db-host/Root")
    assert status == 0, beside
    assert HEAD.search(shown).groups()[:3] == ("db-host", "Root", str(account.id))
    rows = re.findall(r"^(\d+) +(\w+) +\S+ +\S+ +password", shown, re.M)
    assert [(int(number), standing) for number, standing in rows] == [(3, "current"), (2, "previous"), (1, "retired")], shown
    assert shown.endswith("password\nThird-3!\n") and "Second-2!" not in shown and "Initial-1" not in shown
    assert "no record" in beside


def test_any_version_by_its_number(house, account):
    for number, password in ((1, "Initial-1"), (2, "Second-2!"), (3, "Third-3!")):
        status, shown, _ = on_terminal(house, "--account", account.id, "--version", number)
        assert status == 0 and shown.endswith(f"password\n{password}\n"), shown
    refused(recover(house, "--account", account.id, "--version", 4, "--to", "/nowhere/x"), "Version not found")
    for word in ("0", "-1", "x", "99999999999999999999"):
        refused(recover(house, "--account", account.id, f"--version={word}", "--to", "/nowhere/x"), "--version")


def test_the_recovery_key_opens_it_too(house, account, tmp_path):
    """As it is meant: on another machine than the root key."""
    key = tmp_path / "taken-away.key"
    shutil.copy(os.path.join(house.server.data, "recovery.key"), key)
    root = os.path.join(house.server.data, "root.key")
    os.rename(root, root + ".lost")
    try:
        refused(recover(house, "--account", "db-host/root", "--to", tmp_path / "out"), "root.key")
        assert recover(house, "--account", "db-host/root", "--key-file", key, "--to", tmp_path / "out").returncode == 0
    finally:
        os.rename(root + ".lost", root)
    assert (tmp_path / "out").read_text() == "Third-3!\n"
    assert stat.S_IMODE(os.stat(tmp_path / "out").st_mode) == 0o600


def test_a_backup_is_enough(house, account, tmp_path):
    if is_postgresql(house.server):
        pytest.skip("a database is backed up with its own tools")
    copy = tmp_path / "copy"
    copy.mkdir()
    subprocess.run([KEYTURN, "backup", "--data", house.server.data, copy / "keyturn.db"], check=True, capture_output=True)
    answer = subprocess.run([KEYTURN, "recover", "--data", copy, "--account", "db-host/root", "--key-file", os.path.join(house.server.data, "recovery.key"), "--to", tmp_path / "out"],
                            capture_output=True, text=True, timeout=60)
    assert answer.returncode == 0 and (tmp_path / "out").read_text() == "Third-3!\n", answer


def test_the_key_of_another_store_opens_nothing(house, account, tmp_path):
    other = Server(directory=str(tmp_path / "other"))
    for name in ("root.key", "recovery.key"):
        answer = recover(house, "--account", account.id, "--key-file", os.path.join(other.data, name), "--to", tmp_path / "out")
        refused(answer, "key")
    assert not (tmp_path / "out").exists()


def test_without_a_terminal_and_without_a_file_nothing_is_shown(house, account):
    answer = recover(house, "--account", account.id)
    refused(answer, "terminal", "--to FILE")
    assert answer.stdout == ""


def test_a_file_that_exists_is_not_overwritten(house, account, tmp_path):
    (tmp_path / "out").write_text("mine\n")
    refused(recover(house, "--account", account.id, "--to", tmp_path / "out"), "exists already")
    assert (tmp_path / "out").read_text() == "mine\n"


def test_a_key_goes_to_files_of_its_own(house, tmp_path):
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "opensesame", "-C", "svc@vault", "-f", tmp_path / "key"], check=True)
    private = (tmp_path / "key").read_text()
    made = house.account(house.system("key-host"), "svc")
    assert house.boss.put(made.path + "/Credentials", {"PrivateKey": private, "Passphrase": "opensesame", "UpdateSystem": False}).status_code == 204
    assert recover(house, "--account", "key-host/svc", "--to", tmp_path / "out").returncode == 0
    assert {name: (tmp_path / f"out{name}").read_text() for name in ("", ".key", ".passphrase")} == {"": "Initial-1\n", ".key": private, ".passphrase": "opensesame\n"}
    assert subprocess.run(["ssh-keygen", "-y", "-P", "opensesame", "-f", tmp_path / "out.key"], capture_output=True, check=True).stdout.startswith(b"ssh-ed25519 ")
    _, shown, _ = on_terminal(house, "--account", "key-host/svc")
    assert private in shown and "passphrase\nopensesame\n" in shown
    # One that is in the way: the others are not left there.
    (tmp_path / "half.passphrase").write_text("mine\n")
    refused(recover(house, "--account", "key-host/svc", "--to", tmp_path / "half"), "half.passphrase")
    assert not (tmp_path / "half").exists() and not (tmp_path / "half.key").exists() and (tmp_path / "half.passphrase").read_text() == "mine\n"


def test_a_terminal_is_sent_no_control_characters(house, tmp_path):
    made = house.account(house.system("odd-host"), "odd")
    assert house.boss.put(made.path + "/Credentials", {"Password": "a\u001b]0;x\u0007b", "UpdateSystem": False}).status_code == 204
    status, shown, beside = on_terminal(house, "--account", "odd-host/odd")
    assert status == 1 and "--to FILE" in beside and "\u001b" not in shown + beside
    assert recover(house, "--account", "odd-host/odd", "--to", tmp_path / "out").returncode == 0
    assert (tmp_path / "out").read_text() == "a\u001b]0;x\u0007b\n"


@pytest.mark.parametrize("before, after, passphrase", [("", "", "a\u001b]0;x\u0007"), ("\u001b]0;x\u0007\n", "", ""), ("", "\u001b[2J\n", "")], ids=["passphrase", "before", "after"])
def test_nor_with_a_key(house, tmp_path, before, after, passphrase):
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", passphrase, "-f", tmp_path / "key"], check=True)
    made = house.account(house.system())
    body = {"PrivateKey": before + (tmp_path / "key").read_text() + after, "Passphrase": passphrase or None, "UpdateSystem": False}
    if house.boss.put(made.path + "/Credentials", body).status_code == 204:  # or it was not taken at all
        status, shown, beside = on_terminal(house, "--account", made.id)
        assert status == 1 and "--to FILE" in beside and "\u001b" not in shown + beside


def test_a_name_that_many_have(house, account, tmp_path):
    """More than a page of them, on other systems."""
    system = house.system("another-host")
    with Store(house.server) as db:
        columns = "domain_name, name, name_key"
        for number in range(1200):
            db.execute(f"INSERT INTO managed_accounts (system_id, {columns}, deleted_at) SELECT ?, {columns}, ? FROM managed_accounts WHERE id = ?", (system, number + 1, account.id))
    assert recover(house, "--account", "db-host/Root", "--to", tmp_path / "out").returncode == 0
    assert (tmp_path / "out").read_text() == "Third-3!\n"


def test_a_deleted_account_is_still_there(house, tmp_path):
    system = house.system("old-host")
    first, second = house.account(system, "gone", Password="Before-1!"), None
    ok(house.boss.delete(first.path), 200)
    assert recover(house, "--account", "old-host/gone", "--to", tmp_path / "one").returncode == 0
    assert (tmp_path / "one").read_text() == "Before-1!\n"
    second = house.account(system, "gone", Password="After-2!")
    assert recover(house, "--account", "old-host/gone", "--to", tmp_path / "two").returncode == 0
    assert (tmp_path / "two").read_text() == "After-2!\n"  # the one that is in use
    ok(house.boss.delete(second.path), 200)
    refused(recover(house, "--account", "old-host/gone", "--to", tmp_path / "three"), str(first.id), str(second.id), "by its number")
    answer = recover(house, "--account", first.id, "--to", tmp_path / "three")
    assert answer.returncode == 0 and "deleted   2" in answer.stdout
    assert (tmp_path / "three").read_text() == "Before-1!\n"


def test_an_account_whose_system_is_deleted_with_it(house, tmp_path):
    made = house.account(house.system("scrapped"), "last-one", Password="Still-1!")
    ok(house.boss.delete(f"/ManagedSystems/{made.system}"), 200)
    refused(recover(house, "--account", "scrapped/last-one", "--to", tmp_path / "out"), "there is none", "number")
    assert recover(house, "--account", made.id, "--to", tmp_path / "out").returncode == 0
    assert (tmp_path / "out").read_text() == "Still-1!\n"


def test_two_systems_of_one_name_are_told_apart_by_number(house, tmp_path):
    place = ok(house.boss.post("/Workgroups", {"Name": "elsewhere"}), 201)["ID"]
    one = house.account(house.system("twin"), "svc", Password="One-1!")
    two = house.account(house.system("twin", workgroup=place), "svc", Password="Two-2!")
    refused(recover(house, "--account", "TWIN/Svc", "--to", tmp_path / "out"), str(one.id), str(two.id))
    assert recover(house, "--account", two.id, "--to", tmp_path / "out").returncode == 0
    assert (tmp_path / "out").read_text() == "Two-2!\n"


@pytest.mark.parametrize("name", ["db-host/nobody", "nowhere/Root", "Root", "/", "db-host/", "999999", "db-host/Root/", "'; DROP TABLE versions; --/x"])
def test_an_account_that_is_not_there(house, account, name, tmp_path):
    refused(recover(house, "--account", name, "--to", tmp_path / "out"), "recover")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("words", [[], ["--account", "x/y", "--frobnicate", "1"], ["--account"]])
def test_called_wrongly(house, words):
    refused(recover(house, *words), "keyturn recover")


def test_a_stopped_server_and_nothing_is_changed(house, account, tmp_path):
    """Also as root on the data of the server's own user, with a key and a file that only root may touch."""
    server = house.server
    server.stop()
    if os.geteuid() == 0:
        shutil.chown(server.directory, "nobody")
        for at, _, files in os.walk(server.data):
            for path in [at, *(os.path.join(at, name) for name in files)]:
                shutil.chown(path, "nobody")
    key = tmp_path / "root.key"
    shutil.copy(os.path.join(server.data, "root.key"), key)
    before = {name: open(os.path.join(server.data, name), "rb").read() for name in os.listdir(server.data)}
    answer = recover(house, "--account", account.id, "--key-file", key, "--to", tmp_path / "out")
    assert answer.returncode == 0, answer
    assert (tmp_path / "out").read_text() == "Third-3!\n" and os.stat(tmp_path / "out").st_uid == os.geteuid()
    after = {name: open(os.path.join(server.data, name), "rb").read() for name in os.listdir(server.data)}
    assert {name: after.get(name) for name in before} == before
    assert set(after) - set(before) <= {"keyturn.db-wal", "keyturn.db-shm"}
    if os.geteuid() == 0:
        assert {os.stat(os.path.join(server.data, name)).st_uid for name in after} == {os.stat(server.data).st_uid}
    if not is_postgresql(server):
        assert server.audit_is_intact().returncode == 0


def test_it_makes_no_core_dump(house, account, tmp_path):
    """A pipe as key file holds it long enough to be looked at."""
    os.mkfifo(tmp_path / "root.key", 0o600)
    process = subprocess.Popen([KEYTURN, "recover", *house.server.at_store(), "--account", str(account.id), "--key-file", tmp_path / "root.key", "--to", tmp_path / "out"],
                               stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    wait_for(lambda: process.poll() is not None or re.search(r"^Max core file size +0 +0 ", open(f"/proc/{process.pid}/limits").read(), re.M))
    assert process.poll() is None
    os.close(os.open(tmp_path / "root.key", os.O_RDWR))  # lets it go on
    _, beside = process.communicate(timeout=60)
    assert process.returncode == 1 and "root.key" in beside  # a pipe is no key file
