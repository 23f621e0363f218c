"""tests/api/test_cli.py: the program itself: init, serve, audit verify, backup, and what it says when it is called wrongly."""
import hashlib
import os
import re
import shutil
import signal
import socket
import sqlite3
import stat
import subprocess
import threading
import time

import pytest
import requests

from support import KEYTURN, ControlRoom, Server, ok, on_terminal, wait_for

SECRET_FILES = ("data/keyturn.db", "data/root.key", "data/recovery.key", "admin-password", "api-key")


def keyturn(*words, timeout=60, **more):
    return subprocess.run([KEYTURN, *map(str, words)], capture_output=True, text=True, timeout=timeout, stdin=subprocess.DEVNULL, **more)


def init(directory, *more):
    return keyturn("init", "--data", directory / "data", "--admin-password-file", directory / "admin-password", "--api-key-file", directory / "api-key", *more)


def made(directory):
    answer = init(directory)
    assert answer.returncode == 0, answer.stderr
    return directory / "data"


def contents(directory):
    """Every file below with its mode and the hash of its bytes."""
    found = {}
    for at, _, files in os.walk(directory):
        for name in files:
            path = os.path.join(at, name)
            with open(path, "rb") as handle:
                found[os.path.relpath(path, directory)] = (stat.S_IMODE(os.stat(path).st_mode), hashlib.sha256(handle.read()).hexdigest())
    return found


def one_sentence(answer, *words):
    """It failed, said why in one line on stderr, and printed nothing else."""
    assert answer.returncode not in (0, None) and answer.returncode > 0, answer
    lines = answer.stderr.strip().splitlines()
    assert lines and answer.stdout == "", answer
    assert all(word in lines[-1] for word in words), answer.stderr
    assert "Sanitizer" not in answer.stderr, answer.stderr


# -- called wrongly


def test_help_and_version_go_to_standard_output():
    for words in (["--help"], ["help"]):
        answer = keyturn(*words)
        assert answer.returncode == 0 and answer.stderr == ""
        assert all(command in answer.stdout for command in ("init", "serve", "audit verify", "backup", "endpoints"))
    answer = keyturn("--version")
    assert answer.returncode == 0 and re.fullmatch(r"keyturn \d+\.\d+\.\d+\S*\n", answer.stdout), answer


@pytest.mark.parametrize("words", [
    [], ["frobnicate"], ["audit"], ["audit", "frobnicate"], ["serve", "--frobnicate", "1"], ["init", "--data"], ["init", "--data="],
    ["backup", "--data", "x", "a", "b", "c", "d", "e"], ["serve"] + ["--listen", "http://127.0.0.1:0"] * 17,
])
def test_unknown_words_are_refused_with_status_2(words, tmp_path):
    answer = keyturn(*words, cwd=tmp_path)
    assert answer.returncode == 2, answer
    assert answer.stdout == "" and "keyturn" in answer.stderr
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("words", [
    ["init"], ["serve"], ["serve", "--data", "nowhere", "--listen", "http://127.0.0.1:0"], ["serve", "--listen", "http://127.0.0.1:0"],
    ["audit", "verify"], ["audit", "verify", "--data", "nowhere"], ["backup"], ["backup", "--data", "nowhere"], ["backup", "--data", "nowhere", "copy"],
])
def test_what_is_missing_is_named_and_nothing_is_made(words, tmp_path):
    answer = keyturn(*words, cwd=tmp_path)
    one_sentence(answer, "keyturn ")
    assert list(tmp_path.iterdir()) == [], answer.stderr


# -- init


def test_init_makes_files_that_only_their_owner_can_read(tmp_path):
    data = made(tmp_path)
    assert stat.S_IMODE(os.stat(data).st_mode) == 0o700
    for name in SECRET_FILES:
        assert stat.S_IMODE(os.stat(tmp_path / name).st_mode) == 0o600, name
    for name, (mode, _) in contents(data).items():
        assert mode & 0o077 == 0, name


def test_init_does_not_show_what_it_wrote(tmp_path):
    answer = init(tmp_path)
    for name in ("admin-password", "api-key", "data/root.key", "data/recovery.key"):
        for line in (tmp_path / name).read_text().split():
            assert line not in answer.stdout + answer.stderr
    assert str(tmp_path / "admin-password") in answer.stdout and "recovery.key" in answer.stdout


def test_two_stores_share_no_secret(tmp_path):
    values = []
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        made(tmp_path / name)
        values.append([(tmp_path / name / file).read_text() for file in ("admin-password", "api-key", "data/root.key", "data/recovery.key")])
    assert not set(values[0]) & set(values[1]) and len(set(values[0])) == 4


def test_init_reads_files_that_exist(tmp_path):
    for name, text in (("admin-password", "My own; password=1]\n"), ("api-key", "k" * 100 + "\r\nsecond line\n")):
        (tmp_path / name).write_text(text)
        (tmp_path / name).chmod(0o600)
    before = contents(tmp_path)
    made(tmp_path)
    assert {name: contents(tmp_path)[name] for name in before} == before
    server = Server(directory=str(tmp_path)).start()
    try:
        server.controlroom(password="My own; password=1]")
        ok(server.passwordsafe(key="k" * 100).get("/Auth"))
        assert requests.post(server.url + "/v2/authentication", json={"username": "admin", "password": "My own"}).status_code == 401
    finally:
        server.stop()


@pytest.mark.parametrize("mode, text", [(0o644, "Readable-1!\n"), (0o640, "Readable-1!\n"), (0o600, ""), (0o600, "\nsecond\n")])
def test_init_refuses_a_file_that_others_can_read_or_that_is_empty(tmp_path, mode, text):
    (tmp_path / "admin-password").write_text(text)
    (tmp_path / "admin-password").chmod(mode)
    before = contents(tmp_path)
    one_sentence(init(tmp_path), "admin-password")
    assert contents(tmp_path) == before


def test_init_refuses_a_symbolic_link_as_key_file(tmp_path):
    (tmp_path / "real").write_text("Linked-1!\n")
    (tmp_path / "real").chmod(0o600)
    (tmp_path / "admin-password").symlink_to(tmp_path / "real")
    one_sentence(init(tmp_path), "admin-password")
    assert not (tmp_path / "data" / "keyturn.db").exists()


@pytest.mark.parametrize("given", ["--admin-password-file", "--api-key-file", None])
def test_without_file_and_without_terminal_init_refuses(tmp_path, given):
    words = [given, tmp_path / "given"] if given else []
    answer = keyturn("init", "--data", tmp_path / "data", *words)
    one_sentence(answer, "terminal", "--admin-password-file" if given != "--admin-password-file" else "--api-key-file")
    assert contents(tmp_path) == {}


def test_a_terminal_is_shown_each_secret_once(tmp_path):
    status, shown, beside = on_terminal("init", "--data", tmp_path / "data")
    assert status == 0, beside
    lines = dict(re.findall(r"^(password|API key)\s+(\S+)\s+\(shown this once\)", shown, re.M))
    assert len(lines["password"]) >= 16 and len(lines["API key"]) == 128
    assert (tmp_path / "data/root.key").read_text().strip() not in shown
    (tmp_path / "admin-password").write_text(lines["password"])
    (tmp_path / "api-key").write_text(lines["API key"])
    server = Server(directory=str(tmp_path)).start()
    try:
        server.controlroom()
        ok(server.passwordsafe().get("/Auth"))
    finally:
        server.stop()


def test_a_second_init_refuses_and_changes_nothing(tmp_path):
    made(tmp_path)
    before = contents(tmp_path)
    one_sentence(init(tmp_path), "store is there already")
    one_sentence(init(tmp_path, "--key-file", tmp_path / "other.key", "--admin-user", "other"), "store is there already")
    assert contents(tmp_path) == before


@pytest.mark.parametrize("there", ["data/root.key", "data/recovery.key"])
def test_an_init_that_fails_half_way_leaves_nothing_behind(tmp_path, there):
    (tmp_path / "data").mkdir(mode=0o700)
    (tmp_path / there).write_text("somebody else's\n")
    before = contents(tmp_path)
    one_sentence(init(tmp_path), os.path.basename(there))
    assert contents(tmp_path) == before
    (tmp_path / there).unlink()
    made(tmp_path)


def test_init_in_a_folder_that_cannot_be_made(tmp_path):
    (tmp_path / "data").write_text("a file\n")
    one_sentence(init(tmp_path), "data")
    answer = keyturn("init", "--data", tmp_path / "no/such/place", "--admin-password-file", tmp_path / "p", "--api-key-file", tmp_path / "k")
    one_sentence(answer, "no/such/place")
    assert not (tmp_path / "p").exists() and not (tmp_path / "k").exists()


def test_the_key_file_may_lie_elsewhere(tmp_path):
    key = tmp_path / "elsewhere.key"
    assert init(tmp_path, "--key-file", key).returncode == 0
    assert stat.S_IMODE(os.stat(key).st_mode) == 0o600 and not (tmp_path / "data/root.key").exists()
    without = keyturn("serve", "--data", tmp_path / "data", "--listen", "http://127.0.0.1:0")
    one_sentence(without, "root.key")
    key.chmod(0o644)
    one_sentence(keyturn("serve", "--data", tmp_path / "data", "--listen", "http://127.0.0.1:0", "--key-file", key), "elsewhere.key", "chmod 600")
    key.chmod(0o600)
    server = Server(directory=str(tmp_path), options=["--key-file", str(key)]).start()
    server.controlroom()
    server.stop()


def test_another_stores_key_does_not_open_this_one(tmp_path):
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        made(tmp_path / name)
    before = contents(tmp_path / "one")
    one_sentence(keyturn("serve", "--data", tmp_path / "one/data", "--listen", "http://127.0.0.1:0", "--key-file", tmp_path / "two/data/root.key"), "key")
    changed = {name for name, what in contents(tmp_path / "one").items() if before.get(name) != what}
    assert changed <= {"data/lock", "data/keyturn.db-wal", "data/keyturn.db-shm"}, changed


def test_api_allow_reaches_the_registration(tmp_path):
    assert init(tmp_path, "--api-allow", "10.1.2.0/24", "--api-allow", "192.0.2.7/32").returncode == 0
    server = Server(directory=str(tmp_path)).start()
    try:
        found = ok(server.passwordsafe().get("/ApiRegistrations"))
        rules = {rule["Value"] for row in found if row["Name"] == "default" for rule in row["IPAuthenticationRules"]}
        assert {"127.0.0.0/8", "::1", "10.1.2.0/24", "192.0.2.7/32"} == rules
    finally:
        server.stop()


@pytest.mark.parametrize("value", ["10.1.2.0/33", "everybody", "10.1.2", ";drop"])
def test_api_allow_must_be_a_range(tmp_path, value):
    one_sentence(init(tmp_path, "--api-allow", value), "keyturn init")
    assert not (tmp_path / "data/keyturn.db").exists() and not (tmp_path / "admin-password").exists()


# -- serve


@pytest.fixture
def store(tmp_path):
    server = Server(directory=str(tmp_path))
    yield server
    server.kill()


def test_port_0_is_picked_and_told_for_every_listener(store):
    store.listen = ["http://127.0.0.1:0", "http://127.0.0.1:0", "https://127.0.0.1:0", "http://[::1]:0"]
    try:
        store.start()
    except RuntimeError as error:
        if "::1" not in str(error):
            raise
        store.listen.pop()  # a machine without IPv6
        store.start()
    ports = [int(url.rsplit(":", 1)[1]) for url in store.urls]
    assert len(set(ports)) == len(ports) and min(ports) > 0
    for url in store.urls:
        assert requests.get(url + "/api/v1/health/live", verify=False).json() == {"live": True}
    store.stop()


@pytest.mark.parametrize("url", ["http://0.0.0.0:0", "http://[::]:0"])
def test_plain_http_stays_at_home_unless_it_is_allowed(store, url):
    store.listen = [url]
    with pytest.raises(RuntimeError, match="--allow-plain-http"):
        store.start()
    if ":]" in url:
        return
    store.options = ["--allow-plain-http"]
    store.start()
    port = store.url.rsplit(":", 1)[1]
    assert requests.get(f"http://127.0.0.1:{port}/api/v1/health/live").status_code == 200
    assert "clear text" in store.log_text()
    store.stop()


@pytest.mark.parametrize("value", ["no", "false", ""])
def test_a_switch_takes_no_value(store, value):
    """Nobody who writes =no may get it switched on."""
    answer = keyturn("serve", "--data", store.data, "--listen", "http://0.0.0.0:0", f"--allow-plain-http={value}")
    one_sentence(answer, "serve", "takes no value")


@pytest.mark.parametrize("url", ["ftp://127.0.0.1:0", "127.0.0.1:0", "http://127.0.0.1", "http://127.0.0.1:70000", "http://127.0.0.1:0/path", "http://", "http://example.org:0"])
def test_a_listen_url_that_is_none_is_refused(store, url):
    answer = keyturn("serve", "--data", store.data, "--listen", url)
    one_sentence(answer, "keyturn serve")


def test_the_certificate_is_made_once_and_kept(store):
    store.listen = ["https://127.0.0.1:0"]
    store.start()
    first = {name: what for name, what in contents(store.data).items() if name.startswith("tls.")}
    assert set(first) == {"tls.crt", "tls.key"} and first["tls.key"][0] == 0o600
    answer = requests.get(store.url + "/api/v1/health/live", verify=os.path.join(store.data, "tls.crt"))
    assert answer.json() == {"live": True}
    assert answer.headers["Strict-Transport-Security"].startswith("max-age=")
    store.controlroom()
    store.stop()
    names = subprocess.run(["openssl", "x509", "-in", os.path.join(store.data, "tls.crt"), "-noout", "-ext", "subjectAltName", "-checkend", str(390 * 86400)],
                           capture_output=True, text=True)
    assert names.returncode == 0, names.stdout
    for name in ("localhost", "127.0.0.1", socket.gethostname()):
        assert name in names.stdout
    store.start()
    assert {name: what for name, what in contents(store.data).items() if name.startswith("tls.")} == first
    fingerprint = subprocess.run(["openssl", "x509", "-in", os.path.join(store.data, "tls.crt"), "-noout", "-fingerprint", "-sha256"], capture_output=True, text=True)
    assert fingerprint.stdout.split("=")[1].strip().replace(":", "").lower() in store.log_text().replace(":", "").lower()
    store.stop()


def test_a_certificate_without_its_key_is_refused_and_not_replaced(store):
    store.listen = ["https://127.0.0.1:0"]
    store.start().stop()
    os.unlink(os.path.join(store.data, "tls.key"))
    before = contents(store.data)["tls.crt"]
    with pytest.raises(RuntimeError, match="tls.key"):
        store.start()
    assert contents(store.data)["tls.crt"] == before and "tls.key" not in contents(store.data)


def test_half_a_certificate_on_the_command_line_is_refused(store):
    one_sentence(keyturn("serve", "--data", store.data, "--listen", "https://127.0.0.1:0", "--tls-cert", "x"), "--tls-key")
    one_sentence(keyturn("serve", "--data", store.data, "--listen", "https://127.0.0.1:0", "--tls-cert", "/nowhere.crt", "--tls-key", "/nowhere.key"), "/nowhere.")


def test_a_second_server_on_the_store_or_on_the_port_refuses(store, tmp_path):
    store.start()
    one_sentence(keyturn("serve", "--data", store.data, "--listen", "http://127.0.0.1:0"), "another")
    other = tmp_path / "other"
    other.mkdir()
    made(other)
    one_sentence(keyturn("serve", "--data", other / "data", "--listen", store.url), store.url.split("//")[1], "in use")
    store.controlroom()
    store.stop()


def test_serve_as_a_user_that_does_not_exist(store):
    if os.geteuid() != 0:
        pytest.skip("only root can become another user")
    one_sentence(keyturn("serve", "--data", store.data, "--listen", "http://127.0.0.1:0", "--user", "nobody-of-that-name"), "nobody-of-that-name")


class Writers:
    """Clients that create credentials one after the other, each until its connection ends."""

    def __init__(self, server, count=4):
        self.created, self.other, self.lock = [], [], threading.Lock()
        client = server.controlroom()
        self.stops = False
        self.threads = [threading.Thread(target=self.run, args=(server.url, client.token, number)) for number in range(count)]
        for thread in self.threads:
            thread.start()

    def run(self, url, token, number):
        session = requests.Session()
        for turn in range(1000000):
            name = f"writer {number} {turn}"
            try:
                answer = session.post(url + "/v2/credentialvault/credentials", json={"name": name}, headers={"X-Authorization": token}, timeout=30)
            except requests.exceptions.ConnectionError as error:
                self.other.append(error)
                return
            if answer.status_code == 201:
                self.created.append((answer.json()["id"], name))
            else:
                self.other.append((answer.status_code, answer.text))
            if self.stops or answer.status_code != 201:
                return

    def join(self):
        self.stops = True
        for thread in self.threads:
            thread.join(timeout=60)
            assert not thread.is_alive()
        return dict(self.created)


def stored(server):
    db = sqlite3.connect(f"file:{server.data}/keyturn.db?mode=ro", uri=True)
    with db:
        return {str(number): name for number, name in db.execute("SELECT id, name FROM credentials")}


def test_sigterm_answers_what_is_under_way_and_exits_0(store):
    store.start()
    writers = Writers(store)
    wait_for(lambda: len(writers.created) > 50)
    began = time.monotonic()
    store.stop(expect=0, timeout=20)
    assert time.monotonic() - began < 11
    created = writers.join()
    for what in writers.other:  # the end came between two requests, or as a clear answer
        assert isinstance(what, requests.exceptions.ConnectionError) or what[0] == 503, what
    assert "stopping" in store.log_text() and "ERROR: " not in store.log_text()
    found = stored(store)
    assert created.items() <= found.items() and len(found) == len(created)
    assert store.audit_is_intact().returncode == 0
    store.start()
    assert ok(store.controlroom().post("/v2/credentialvault/credentials/list", {}))["page"]["total"] == len(created)
    store.stop()


@pytest.mark.parametrize("turn", range(3))
def test_kill_9_loses_nothing_that_was_answered(store, turn):
    store.start()
    writers = Writers(store)
    wait_for(lambda: len(writers.created) > 30 * (turn + 1))
    store.kill()
    created = writers.join()
    store.start()
    found = stored(store)
    assert created.items() <= found.items()
    assert len(found) <= len(created) + len(writers.threads)
    report = store.audit_is_intact()
    assert report.returncode == 0, report.stdout + report.stderr
    assert {str(row["id"]) for row in ok(store.controlroom().post("/v2/credentialvault/credentials/list", {}))["list"]} == set(found)
    store.stop()


def test_sigint_stops_it_too(store):
    store.start()
    store.process.send_signal(signal.SIGINT)
    assert store.process.wait(timeout=20) == 0


# -- audit verify


def verify(store, *more):
    return keyturn("audit", "verify", "--data", store.data, *more)


def filled(store):
    store.start()
    admin = store.controlroom()
    for number in range(5):
        ok(admin.post("/v2/credentialvault/credentials", {"name": f"credential {number}"}), 201)
    return admin


def head_of(store):
    """N:HASH as the server tells it, while it serves."""
    chain = ok(store.controlroom().own("GET", "/audit/head"))["chains"][0]
    return chain["row"], chain["hash"]


def test_an_untouched_record_verifies_also_while_it_is_written(store):
    filled(store)
    writers = Writers(store, 2)
    wait_for(lambda: len(writers.created) > 20)
    assert verify(store).returncode == 0
    writers.join()
    store.stop()
    answer = verify(store)
    assert answer.returncode == 0 and answer.stdout.startswith("ok: rows 1 to "), answer
    without = keyturn("audit", "verify", "--data", store.data, "--key-file", "/nowhere")
    assert without.returncode == 0 and "sealed head is not checked" in without.stderr


LAST = "(SELECT max(id) FROM audit_rows)"
EDITS = {
    "cut at the end": f"DELETE FROM audit_rows WHERE id = {LAST}",
    "cut in the middle": f"DELETE FROM audit_rows WHERE id = {LAST} - 2",
    "cut at the beginning": "DELETE FROM audit_rows WHERE id = (SELECT min(id) FROM audit_rows)",
    "emptied": "DELETE FROM audit_rows",
    "two rows exchanged": f"UPDATE audit_rows SET number = CASE number WHEN {LAST} - 1 THEN -2 ELSE -1 END WHERE id IN ({LAST} - 1, {LAST} - 2)",
    **{f"{column} edited": f"UPDATE audit_rows SET {column} = {column} || 'x' WHERE id = {LAST} - 2"
       for column in ("what", "user_name", "address", "source", "request_id", "object_kind", "object_name", "detail")},
    **{f"{column} edited": f"UPDATE audit_rows SET {column} = {column} + 1 WHERE id = {LAST} - 2" for column in ("at", "user_id", "object_id", "account_id")},
    "a refusal turned into a success": f"UPDATE audit_rows SET is_success = 1 - is_success WHERE id = {LAST} - 2",
    "the head moved": "UPDATE audit_heads SET hash = zeroblob(32)",
    "the head set back": "UPDATE audit_heads SET number = number - 1, hash = (SELECT hash FROM audit_rows r WHERE r.number = audit_heads.number - 1)",
    "a checkpoint edited": "UPDATE audit_checkpoints SET heads = heads || '0' WHERE id = (SELECT max(id) FROM audit_checkpoints)",
}


@pytest.mark.parametrize("how", EDITS)
def test_an_edit_is_found(store, how):
    filled(store)
    store.stop()
    assert verify(store).returncode == 0
    db = sqlite3.connect(f"{store.data}/keyturn.db")
    changed = db.execute(EDITS[how])
    assert changed.rowcount >= 1
    if how == "two rows exchanged":
        db.execute(f"UPDATE audit_rows SET number = CASE number WHEN -2 THEN (SELECT number FROM audit_rows WHERE id = {LAST}) - 2 ELSE (SELECT number FROM audit_rows WHERE id = {LAST}) - 1 END WHERE number < 0")
    db.commit()
    db.close()
    answer = verify(store)
    assert answer.returncode == 1 and answer.stdout.startswith("NOT OK"), answer


def test_a_head_kept_elsewhere_is_compared(store):
    filled(store)
    row, digest = head_of(store)
    store.stop()
    assert verify(store, "--head", f"{row}:{digest}").returncode == 0
    assert verify(store, "--head", f"a:{row}:{digest}").returncode == 0
    wrong = digest[:-1] + ("0" if digest[-1] != "0" else "1")
    assert verify(store, "--head", f"{row}:{wrong}").returncode == 1
    assert verify(store, "--head", f"{row - 1}:{digest}").returncode == 1
    assert verify(store, "--head", f"{row + 1000}:{digest}").returncode == 1
    for head in ("nonsense", f"{row}", ":", f"{row}:", f"x{row}:{digest}"):
        answer = verify(store, "--head", head)
        assert answer.returncode == 1, (head, answer)


# -- backup


def test_a_backup_taken_while_writing_is_whole_and_opens(store, tmp_path):
    store.start()
    writers = Writers(store)
    wait_for(lambda: len(writers.created) > 50)
    before = dict(writers.created)
    copy = tmp_path / "copy.db"
    answer = keyturn("backup", "--data", store.data, copy)
    assert answer.returncode == 0, answer.stderr
    wait_for(lambda: len(writers.created) > len(before) + 10)
    writers.join()
    store.stop()
    assert stat.S_IMODE(os.stat(copy).st_mode) == 0o600
    assert not [name for name in os.listdir(tmp_path) if name.startswith("copy.db") and name != "copy.db"]
    db = sqlite3.connect(f"file:{copy}?mode=ro&immutable=1", uri=True)
    assert db.execute("PRAGMA integrity_check").fetchone() == ("ok",) and db.execute("PRAGMA foreign_key_check").fetchall() == []
    assert before.items() <= {str(number): name for number, name in db.execute("SELECT id, name FROM credentials")}.items()
    db.close()
    data = copy.read_bytes()
    for name in ("root.key", "recovery.key"):
        key = open(os.path.join(store.data, name)).read().split()
        for word in key:
            assert len(word) < 12 or word.encode() not in data
    twin = tmp_path / "twin"
    (twin / "data").mkdir(parents=True, mode=0o700)
    shutil.copy(copy, twin / "data/keyturn.db")
    shutil.copy(os.path.join(store.data, "root.key"), twin / "data/root.key")
    for name in ("admin-password", "api-key"):
        shutil.copy(tmp_path / name, twin / name)
    other = Server(directory=str(twin)).start()
    admin = other.controlroom()
    assert before.keys() <= {row["id"] for row in ok(admin.post("/v2/credentialvault/credentials/list", {}))["list"]}
    ok(admin.post("/v2/credentialvault/credentials", {"name": "made in the copy"}), 201)
    other.stop()
    assert other.audit_is_intact().returncode == 0


def test_a_backup_overwrites_nothing(store, tmp_path):
    (tmp_path / "there").write_text("precious")
    one_sentence(keyturn("backup", "--data", store.data, tmp_path / "there"), "there")
    assert (tmp_path / "there").read_text() == "precious"
    one_sentence(keyturn("backup", "--data", store.data, tmp_path / "no/such/folder"), "no/such")
    one_sentence(keyturn("backup", "--data", store.data, store.data + "/keyturn.db"), "keyturn.db")
    store.start()
    store.controlroom()
    store.stop()


# -- endpoints


def test_endpoints_names_every_row_of_all_three_faces():
    import rows
    found = rows.endpoints()
    assert {row.face for row in found} >= {"controlroom", "passwordsafe", "keyturn"}
    assert len({(row.method, row.path) for row in found}) == len(found)


def test_a_client_of_the_program_is_a_client_like_any_other(store):
    """The first sign-in after init works by all three ways in, and from nowhere else."""
    store.start()
    client = ControlRoom(store.url, "ADMIN", store.password)
    assert ok(client.own("GET", "/version"))["api"] == ["v1"]
    ok(store.passwordsafe().post("/Auth/SignAppin"))
    from_afar = requests.post(store.url + "/BeyondTrust/api/public/v3/Auth/SignAppin", headers={"Authorization": store.passwordsafe().header, "X-Forwarded-For": "203.0.113.9"})
    assert from_afar.status_code == 401
    store.stop()
