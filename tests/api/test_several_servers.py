"""tests/api/test_several_servers.py: two and three servers on one database: what one does, all know (design 3, 7)."""
import concurrent.futures
import os
import re
import subprocess
import time

import pytest
import requests
from conftest import Managed, take_on_host
from failover import CREDENTIALS, NOT_REACHED, Traffic, join, url_of, verify
from postgresql_store import PostgresStore
from support import PS, TOP, ControlRoom, Server, ok, wait_for


class Pair:
    """Two running servers, "a" and "b", and their database."""

    def __init__(self, store):
        self.database = store
        store.create_database("vault")
        self.a = Server(store=url_of(store, store.port), options=["--server", "a"])
        self.b = join(self.a, "b")
        self.both = [self.a, self.b]
        for server in self.both:
            server.start()
            server.listen = [server.url]  # a restart comes back at the same port

    def sql(self, text):
        return self.database.psql(text, "vault")

    def close(self):
        for server in self.both:
            server.close()


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    with PostgresStore(tmp_path_factory.mktemp("store") / "primary", fsync=False) as store:
        yield store


@pytest.fixture(scope="module")
def pair(store):
    pair = Pair(store)
    yield pair
    try:
        for server in pair.both:
            server.stop()
        assert "b" in verify(pair.a)
    finally:
        pair.close()


@pytest.fixture(scope="module")
def admin(pair):
    return pair.a.controlroom()


@pytest.fixture(scope="module")
def ps(pair):
    return pair.a.passwordsafe()


def with_token(server, token):
    return requests.get(server.url + "/api/v1/version", headers={"X-Authorization": token}, timeout=30).status_code


# -- who calls


def test_a_token_is_good_everywhere_until_it_is_logged_out_anywhere(pair):
    for first, second in (pair.both, pair.both[::-1]):
        for _ in range(20):
            token = first.controlroom().token
            assert with_token(second, token) == 200
            out = requests.post(first.url + "/v1/authentication/logout", json={"token": token}, headers={"X-Authorization": token}, timeout=30)
            assert out.status_code == 204
            assert with_token(second, token) == 401 and with_token(first, token) == 401


def test_tokens_of_a_server_that_has_just_started(pair):
    third = join(pair.a, "c")
    try:
        for _ in range(5):
            third.start()
            token = third.controlroom().token
            assert [with_token(server, token) for server in pair.both] == [200, 200]
            old = pair.a.controlroom().token
            third.stop()
            third.start()
            assert with_token(third, token) == 200 and with_token(third, old) == 200
            third.stop()
            assert with_token(pair.a, token) == 200, "a server that has gone takes no token with it"
    finally:
        third.close()


def test_a_server_that_cannot_start_leaves_no_key(pair):
    third = join(pair.a, "d")
    keys = pair.sql("SELECT count(*) FROM token_keys")
    third.options += ["--lanes", "0"]
    with pytest.raises(RuntimeError):
        third.start()
    third.close()
    assert pair.sql("SELECT count(*) FROM token_keys") == keys


def test_a_session_of_one_is_one_of_all(pair):
    header = {"Authorization": f"PS-Auth key={pair.a.api_key}; runas=admin;"}
    answer = requests.post(pair.a.url + PS + "/Auth/SignAppin", headers=header, timeout=30)
    cookie = {"Cookie": answer.headers["Set-Cookie"].split(";")[0]}
    assert requests.get(pair.b.url + PS + "/Workgroups", headers=cookie, timeout=30).status_code == 200
    assert requests.post(pair.b.url + PS + "/Auth/Signout", headers=cookie, timeout=30).status_code == 200
    assert requests.get(pair.a.url + PS + "/Workgroups", headers=cookie, timeout=30).status_code == 401


def sign_in(server, name, password):
    body = {"username": name, "password": password}
    return requests.post(server.url + "/v2/authentication", json=body, timeout=30).status_code


def test_guesses_are_counted_together(pair, admin):
    body = {"username": "guessed", "email": "g@example.com", "password": "Right-Passw0rd-1!", "roles": [{"id": 2}]}
    ok(admin.post("/v1/usermanagement/users?noemail=true", body), 201)
    assert [sign_in(server, "guessed", "Right-Passw0rd-1!") for server in pair.both] == [200, 200]
    for i in range(6):
        assert sign_in(pair.both[i % 2], "guessed", "wrong") == 401
    assert int(pair.sql("SELECT max(failures) FROM guesses WHERE kind = 'pair'")) >= 5
    assert [sign_in(server, "guessed", "Right-Passw0rd-1!") for server in pair.both] == [401, 401]
    wait_for(lambda: sign_in(pair.b, "guessed", "Right-Passw0rd-1!") == 200, timeout=10, pause=0.5)
    assert sign_in(pair.a, "guessed", "Right-Passw0rd-1!") == 200


def test_a_right_that_is_taken_is_taken_everywhere(pair, admin):
    body = {"username": "leaves", "email": "l@example.com", "password": "Right-Passw0rd-1!", "roles": [{"id": 2}]}
    user = ok(admin.post("/v1/usermanagement/users?noemail=true", body), 201)
    client = ControlRoom(pair.b.url, "leaves", "Right-Passw0rd-1!")
    assert client.get(CREDENTIALS).status_code == 200
    ok(admin.delete(f"/v1/usermanagement/users/{user['id']}"))
    assert client.get(CREDENTIALS).status_code == 401


def test_many_refusals_at_once(pair, admin):
    """A group of works that only record a refusal sends no statement of its own between their savepoints."""
    role = ok(admin.post("/v2/usermanagement/roles", {"name": "Nothing"}), 201)["id"]
    body = {"username": "curious", "email": "c@example.com", "password": "Right-Passw0rd-1!", "roles": [{"id": role}]}
    ok(admin.post("/v1/usermanagement/users?noemail=true", body), 201)
    before = int(pair.sql("SELECT count(*) FROM audit_rows WHERE is_success = 0"))
    clients = [ControlRoom(pair.a.url, "curious", "Right-Passw0rd-1!") for _ in range(24)]

    def look(client):
        return [client.get("/v1/usermanagement/permissions").status_code for _ in range(10)]
    with concurrent.futures.ThreadPoolExecutor(24) as pool:
        assert {status for statuses in pool.map(look, clients) for status in statuses} == {403}
    assert int(pair.sql("SELECT count(*) FROM audit_rows WHERE is_success = 0")) >= before + 240
    assert pair.a.process.poll() is None, pair.a.log_text()[-2000:]


def test_what_one_has_acknowledged_the_other_shows(pair):
    one, other = (server.controlroom() for server in pair.both)
    for i in range(60):
        made = ok(one.post(CREDENTIALS, {"name": f"shown {i} {id(one)}", "attributes": [{"name": "p", "userProvided": False}]}), 201)
        assert ok(other.get(f"{CREDENTIALS}/{made['id']}")) == made
        one, other = other, one


def test_one_name_is_given_once(pair):
    clients = [server.controlroom() for server in pair.both for _ in range(3)]

    def make(client, i):
        return client.post(CREDENTIALS, {"name": f"one name {i}", "attributes": [{"name": "p", "userProvided": False}]}).status_code
    with concurrent.futures.ThreadPoolExecutor(6) as pool:
        for i in range(25):
            statuses = sorted(pool.map(make, clients, [i] * 6))
            assert statuses.count(201) == 1 and set(statuses) <= {201, 409, 503}, statuses


# -- jobs and the clockwork


@pytest.fixture(scope="module")
def accounts(ps, host):
    system = take_on_host(ps, host)
    found = [Managed(ps, host, f"u{n}", system=system) for n in range(1, 7)]
    with concurrent.futures.ThreadPoolExecutor(3) as pool:
        assert set(pool.map(lambda account: account.put({}).status_code, found)) == {204}
    return found


def steps(pair, job, step):
    return int(pair.sql(f"SELECT count(*) FROM job_steps WHERE job_id = {job} AND step = '{step}'"))


def is_live(host, account):
    return host.has_password(account.name, account.password())


def test_a_schedule_fires_once(pair, accounts, host):
    account = accounts[0]
    for _ in range(3):
        before = int(pair.sql("SELECT COALESCE(max(id), 0) FROM jobs"))
        pair.sql(f"UPDATE managed_accounts SET auto_management = 1, next_change_at = (extract(epoch FROM now()) * 1000000)::bigint + 300000 WHERE id = {account.id}")

        def fired():
            return pair.sql(f"SELECT id FROM jobs WHERE id > {before} AND account_id = {account.id} AND trigger_kind = 'schedule' AND is_open = 0").split()
        wait_for(fired, timeout=30)
        time.sleep(2.5)
        jobs = pair.sql(f"SELECT id FROM jobs WHERE id > {before} AND account_id = {account.id}").split()
        assert len(jobs) == 1 and steps(pair, jobs[0], "applying") == 1, jobs
        assert pair.sql(f"SELECT next_change_at > extract(epoch FROM now()) * 1000000 FROM managed_accounts WHERE id = {account.id}") == "t"
        assert is_live(host, account)


def test_the_schedule_goes_on_when_its_server_dies(pair, accounts, host):
    """Whoever holds the clockwork is killed: the other takes it over within seconds."""
    holder = pair.sql("SELECT holder FROM leases WHERE name = 'clockwork'")
    dead = next(server for server, name in zip(pair.both, "ab") if name == holder)
    alive = next(server for server in pair.both if server is not dead)
    wait_for(lambda: pair.sql("SELECT count(*) FROM jobs WHERE is_open = 1") == "0")  # what it works on keeps the system's places until its lease ends
    dead.kill()
    try:
        before = int(pair.sql("SELECT COALESCE(max(id), 0) FROM jobs"))
        pair.sql(f"UPDATE managed_accounts SET next_change_at = (extract(epoch FROM now()) * 1000000)::bigint WHERE id = {accounts[1].id}")
        wait_for(lambda: pair.sql(f"SELECT id FROM jobs WHERE id > {before} AND account_id = {accounts[1].id} AND state = 'done'"), timeout=25)
        assert host.has_password(accounts[1].name, ok(alive.passwordsafe().post("/ISARequests", {"SystemID": accounts[1].system_id, "AccountID": accounts[1].id, "DurationMinutes": 1}), 201))
    finally:
        dead.start()
        accounts[0].ps.base = pair.a.url


def test_one_job_is_claimed_once_under_load(pair, accounts, host):
    """Five rounds of changes for all accounts, queued at both servers at once, and tests of the credentials in between."""
    before = int(pair.sql("SELECT COALESCE(max(id), 0) FROM jobs"))
    clients = [server.passwordsafe() for server in pair.both]

    def ask(i):
        account, client = accounts[i % len(accounts)], clients[i % 2]
        if i % 5 == 4:
            return client.post(f"/ManagedAccounts/{account.id}/Credentials/Test").status_code
        return client.post(f"/ManagedAccounts/{account.id}/Credentials/Change", {"Queue": True}).status_code
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        statuses = [status for _ in range(5) for status in pool.map(ask, range(30))]
    assert set(statuses) <= {200, 204, 409}, statuses
    wait_for(lambda: pair.sql("SELECT count(*) FROM jobs WHERE is_open = 1") == "0", timeout=90)
    done = pair.sql(f"SELECT id, attempt FROM jobs WHERE id > {before} AND kind = 'change' AND state = 'done'").split()
    assert len(done) >= len(accounts)
    for job, attempt in (row.split("|") for row in done):
        assert attempt == "1" and steps(pair, job, "applying") == 1 and steps(pair, job, "done") == 1, (job, attempt)
    assert all(is_live(host, account) for account in accounts)
    assert pair.sql("SELECT count(*) FROM (SELECT account_id FROM versions WHERE standing = 'current' GROUP BY account_id HAVING count(*) > 1) x") == "0"


def test_a_caller_is_woken_when_another_server_settles_his_job(pair, accounts, host):
    """Asked at "a" while the system is busy; when it no longer is, whoever looks first does the job: until that was "b"."""
    account, client, seen = accounts[2], pair.a.passwordsafe(), {"a": 0, "b": 0}
    blocker = (f"INSERT INTO jobs (kind, state, is_open, trigger_kind, is_queued, account_id, system_id, made_by, created_at, next_try_at, leased_until)"
               f" SELECT 'test', 'queued', 1, 'caller', 0, 0, {account.system_id}, 1, 1, 9000000000000000, 9000000000000000 FROM generate_series(1, 2)")
    for _ in range(30):
        if min(seen["b"], 3) == 3:
            break
        before = int(pair.sql("SELECT max(id) FROM jobs"))
        pair.sql(blocker)
        with concurrent.futures.ThreadPoolExecutor(1) as pool:
            asked = pool.submit(lambda: (client.put(f"/ManagedAccounts/{account.id}/Credentials", {}), time.time()))
            job = wait_for(lambda: pair.sql(f"SELECT id FROM jobs WHERE id > {before} AND account_id = {account.id}"))
            pair.sql("DELETE FROM jobs WHERE account_id = 0")
            answer, at = asked.result()
        assert answer.status_code == 204, answer.text
        by, settled = pair.sql(f"SELECT server, settled_at FROM jobs WHERE id = {job}").split("|")
        assert at - int(settled) / 1e6 < 2, f"settled by {by}, and told {at - int(settled) / 1e6:.1f} s later"
        seen[by] += 1
        assert is_live(host, account)
    assert seen["b"] >= 3, seen


# -- what the servers know of each other


def test_the_audit_has_a_chain_per_server_and_checkpoints_name_all(pair):
    third = join(pair.a, "c")
    try:
        third.start()
        ok(third.controlroom().post(CREDENTIALS, {"name": f"by c {time.time()}", "attributes": [{"name": "p", "userProvided": False}]}), 201)
        third.stop()
    finally:
        third.close()
    heads = {word.split(":")[0]: int(word.split(":")[1]) for word in pair.sql("SELECT heads FROM audit_checkpoints ORDER BY id DESC LIMIT 1").split()}
    assert {"a", "b", "c"} <= set(heads)
    assert heads["c"] == int(pair.sql("SELECT max(number) FROM audit_rows WHERE server = 'c'"))
    text = verify(pair.b)
    for name in "abc":
        assert re.search(rf"\b{name}\b", text), text
    pair.sql("UPDATE audit_rows SET detail = detail || 'x' WHERE server = 'c' AND number = 1")
    report = pair.b.audit_is_intact()
    pair.sql("UPDATE audit_rows SET detail = left(detail, -1) WHERE server = 'c' AND number = 1")
    assert report.returncode != 0 and re.search(r"\bc\b", report.stdout + report.stderr), report
    verify(pair.a)


def test_servers_have_rows_and_names_of_their_own(pair):
    third = join(pair.a, "c")
    try:
        third.start()
        wait_for(lambda: pair.sql("SELECT string_agg(name, ' ' ORDER BY name) FROM nodes") == "a b c", timeout=15)
        assert pair.sql("SELECT urls FROM nodes WHERE name = 'b'") == pair.b.url
        again = join(pair.a, "c")
        with pytest.raises(RuntimeError, match="another process serves this store under the name c"):
            again.start()
        again.close()
        assert with_token(third, pair.a.controlroom().token) == 200, "the first holder of the name is left alone"
        third.stop()
        assert pair.sql("SELECT count(*) FROM nodes WHERE name = 'c'") == "0"
        third.start()
        third.kill()
        third.start()
        third.stop()
    finally:
        third.close()


def test_a_server_that_cannot_have_all_its_connections_yet(pair):
    """It starts with what it gets, refuses what it cannot read, and takes the rest when it is there."""
    taken = int(pair.sql("SELECT count(*) FROM pg_stat_activity WHERE usename = 'keyturn'"))
    third, token = join(pair.a, "c"), {"X-Authorization": pair.a.controlroom().token}
    pair.sql(f"ALTER ROLE keyturn CONNECTION LIMIT {taken + 2}")
    try:
        third.start()
        refused = []
        with concurrent.futures.ThreadPoolExecutor(12) as pool:
            for _ in range(20):  # one reader may serve them all, as long as none come at the same time
                asked = [pool.submit(requests.get, third.url + "/api/v1/version", headers=token, timeout=30) for _ in range(40)]
                refused = refused or [answer.result() for answer in asked if answer.result().status_code != 200]
        assert refused and {answer.status_code for answer in refused} == {503}
        assert all(int(answer.headers["Retry-After"]) > 0 for answer in refused)
        pair.sql("ALTER ROLE keyturn CONNECTION LIMIT -1")
        wait_for(lambda: {requests.get(third.url + "/api/v1/version", headers=token, timeout=30).status_code for _ in range(20)} == {200}, timeout=15)
        third.stop()
    finally:
        pair.sql("ALTER ROLE keyturn CONNECTION LIMIT -1")
        third.close()


# -- clocks


@pytest.fixture(scope="module")
def shim(tmp_path_factory):
    built = tmp_path_factory.mktemp("clock") / "clock_shift.so"
    source = os.path.join(TOP, "tests/targets/clock_shift.c")
    subprocess.run(["cc", "-std=gnu17", "-D_GNU_SOURCE", "-shared", "-fPIC", "-o", built, source], check=True)
    return built


@pytest.mark.parametrize("shift", [86400, -86400], ids=["a day ahead", "a day behind"])
def test_a_server_whose_clock_is_wrong_takes_the_time_from_the_database(pair, accounts, host, shim, shift):
    now = "(extract(epoch FROM now()) * 1000000)::bigint"
    pair.sql(f"UPDATE managed_accounts SET auto_management = 1, next_change_at = {now} + 3600000000 WHERE id = {accounts[3].id}")
    before = int(pair.sql("SELECT max(id) FROM audit_rows"))
    asan = os.environ.get("ASAN_OPTIONS", "") + ":verify_asan_link_order=0"
    wrong = join(pair.a, "w", environment={"LD_PRELOAD": str(shim), "CLOCK_SHIFT_S": str(shift), "ASAN_OPTIONS": asan})
    try:
        wrong.start()
        shown = wrong.controlroom().get("/v2/credentialvault/credentials").headers["Date"]
        token, cookie = wrong.controlroom().token, pair.a.controlroom().token
        assert [with_token(server, token) for server in (wrong, *pair.both)] == [200] * 3
        assert with_token(wrong, cookie) == 200
        answer = wrong.passwordsafe().put(f"/ManagedAccounts/{accounts[4].id}/Credentials", {})
        assert answer.status_code == 204, answer.text
        for server in pair.both:  # the wrong clock does the clockwork alone
            server.stop()
        last = int(pair.sql("SELECT max(id) FROM jobs"))
        pair.sql(f"UPDATE managed_accounts SET auto_management = 1, next_change_at = {now} + 1500000 WHERE id = {accounts[5].id}")
        wait_for(lambda: pair.sql(f"SELECT count(*) FROM jobs WHERE id > {last} AND account_id = {accounts[5].id} AND trigger_kind = 'schedule' AND state = 'done'") == "1", timeout=30)
        assert wrong.process.poll() is None, wrong.log_text()[-2000:]
        assert pair.sql("SELECT holder FROM leases WHERE name = 'clockwork'") == "w"
    finally:
        wrong.close()
        for server in pair.both:
            if server.process.poll() is not None:
                server.start()
    assert shown, "a Date is sent"
    assert pair.sql(f"SELECT count(*) FROM jobs WHERE account_id = {accounts[3].id} AND trigger_kind = 'schedule'") == "0", "the schedule was fired by a wrong clock"
    assert pair.sql(f"SELECT count(*) FROM audit_rows WHERE id > {before} AND abs(at - {now}) > 300000000") == "0", "audit rows with a time of their own"
    assert pair.sql(f"SELECT count(*) FROM jobs WHERE leased_until > {now} + 120000000 OR settled_at > {now} + 5000000") == "0"
    wait_for(lambda: pair.sql(f"SELECT count(*) FROM leases WHERE name = 'clockwork' AND holder <> 'w' AND until BETWEEN {now} AND {now} + 60000000") == "1", timeout=25)
    for account in accounts[3:]:
        account.ps.base = pair.a.url
        assert is_live(host, account)


# -- one after the other


def test_a_rolling_restart_under_traffic(pair):
    before = int(pair.sql("SELECT count(*) FROM audit_rows"))
    with Traffic(pair.both, writers=4, revealers=4) as traffic:
        for server in pair.both * 2:
            server.stop()
            time.sleep(0.3)
            server.start()
            traffic.wait_for_service()
    print(traffic.report())
    names = set(pair.sql("SELECT name FROM credentials").split("\n"))
    assert not traffic.missing(names)
    traffic.check((200, 201, NOT_REACHED))
    assert len(traffic.acknowledged) > 50
    assert not traffic.unacknowledged_that_stand(names), "a write that was cut off stands: its caller was not told"
    assert int(pair.sql("SELECT count(*) FROM audit_rows")) > before + len(traffic.acknowledged)
