"""tests/faults/stages.py: what a sweep works on: a host, servers with an account taken on, a change, and what must hold after it.

A lane has one real host, which locks an account at the third failed login, and for each stage a stopped server that has taken
one account on; every run gets a copy of that. A run ends with findings: (kind, sentence), kind one of lost, locked, unresolved.
"""
import contextlib
import io
import os
import shutil
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

TESTS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..")
for folder in (TESTS, os.path.join(TESTS, "targets")):
    if folder not in sys.path:
        sys.path.insert(0, folder)

from conftest import Managed  # noqa: E402
from ldap_server import dn_of  # noqa: E402
from managed_targets import RELEASE, TARGETS  # noqa: E402
from postgresql_store import PostgresStore  # noqa: E402
from support import ControlRoom, PasswordSafe, Server, ok, wait_for  # noqa: E402

FIRST, SECOND = "Template-1!", "Changed-2!"
SETTLED_S = 60
READY_KEYS = 4  # for the servers of a run, and for the one whose copy it is
SOON_US = 1_500_000  # a date that passes while a run waits for it


# -- how a change begins; each returns the status that its caller was told, or None when he was told nothing

def put(**body):
    def trigger(run):
        return run.ask("PUT", f"/ManagedAccounts/{run.account}/Credentials", body)
    return trigger


def put_keys(run):
    private, public = run.lane.key_pair()
    return run.ask("PUT", f"/ManagedAccounts/{run.account}/Credentials", {"PrivateKey": private, "PublicKey": public, "Password": SECOND})


def queue(run):
    answer = run.ask("POST", f"/ManagedAccounts/{run.account}/Credentials/Change", {"Queue": True})
    run.wait_while_under_way()
    return answer and answer + 1000  # 1204: it was queued, and nobody was told how it ended


def change_whole_system(run):
    answer = run.ask("POST", f"/ManagedSystems/{run.system}/ManagedAccounts/Credentials/Change", None)
    run.wait_while_under_way()
    return answer and answer + 1000


def wait_for_schedule(run):
    run.wait_while_under_way(appears_within=8)
    return None


def check_in(run):
    answer = run.ask("PUT", f"/Requests/{run.number}/Checkin", None)
    run.wait_while_under_way(appears_within=8)
    return answer and answer + 1000


def put_and_wait(**body):
    def trigger(run):
        answer = put(**body)(run)
        run.wait_while_under_way()
        return answer
    return trigger


# -- what a stage has besides an account

def link(server, account):
    admin = server.controlroom()
    body = {"name": "linked", "attributes": [{"name": "p", "userProvided": False, "masked": True}]}
    credential = ok(admin.post("/v2/credentialvault/credentials", body), 201)
    for end in ({"attributeId": int(credential["attributes"][0]["id"])}, {"userId": admin.id}):
        made = ok(admin.own("PUT", f"/managed-accounts/{account.id}/links", {"part": "password", "end": end, "release": "consumers"}))
        assert made["state"] == "active"


def request(server, account):
    """A request whose password was read; its end turns the account."""
    ps = server.passwordsafe()
    body = {"SystemID": account.system_id, "AccountID": account.id, "DurationMinutes": 60}
    number = ok(ps.post("/Requests", body), 201)
    assert ps.get(f"/Credentials/{number}").status_code == 200
    return number


def follow(server, account):
    """Two links that push to the stage's follower; {"system": its id, "links": theirs}."""
    far, admin = account.follower, server.controlroom()
    system, made = far.take_on(server.passwordsafe()), []
    for end in far.ends(system):
        body = {"part": "password", "end": end, "release": "consumers", "replace": False}
        made.append(ok(admin.own("PUT", f"/managed-accounts/{account.id}/links", body))["id"])
    wait_for(lambda: not ok(admin.own("GET", "/jobs?state=open"))["items"], timeout=SETTLED_S)
    assert far.given() == [FIRST, FIRST] and all(is_in_step(admin, one) for one in made)
    return {"system": system, "links": made}


def is_in_step(admin, link):
    follower = ok(admin.own("GET", f"/links/{link}"))["follower"]
    return follower["lagSeconds"] == 0 and follower["text"] == ""


FOLLOWER = "s1"


def synced(server, account):
    """Another account, which takes this one's password from its next change on; its id."""
    follower = Managed(server.passwordsafe(), account.host, FOLLOWER, password=FIRST, system=account.system_id)
    account.host.set_password(FOLLOWER, FIRST)
    assert follower.put({"Password": FIRST}).status_code == 204
    ok(account.ps.post(f"/ManagedAccounts/{account.id}/SyncedAccounts/{follower.id}"), 201)
    return follower.id


OTHERS = ("u2", "u3")


def others(server, account):
    """More accounts of the same system: the first of them all is changed alone, then one after the other; their ids."""
    made = [Managed(server.passwordsafe(), account.host, name, password=FIRST, system=account.system_id) for name in OTHERS]
    for one in made:
        account.host.set_password(one.name, FIRST)
        assert one.put({"Password": FIRST}).status_code == 204
    return [one.id for one in made]


NEIGHBOUR = "min1"


def neighbour(server, account):
    """Another account of the system, whose test signs in as the functional account; its id."""
    return Managed(server.passwordsafe(), account.host, NEIGHBOUR, system=account.system_id).id


class Stage:
    """name     as a sweep says it
    account   of the target
    begin     starts the change, above
    prepare   what else the stopped server has; what it returns is `number` of every run
    options   of the account
    is_self   it has no functional account: it changes its own password
    functional  the target's functional account, where it is not the usual one: other stages sign in with that
    beside    the names of more accounts whose passwords change with it
    target    its kind, as managed_targets.py says
    reaches   the change goes to the target
    budget    how many failed logins settling a fault may cost
    due       the schedule is to fire soon after the server's start
    follower  the kind of a second target, that the password is pushed to; what befalls "the target" befalls this one
    """

    def __init__(self, name, account, begin, prepare=None, is_self=False, reaches=True, budget=0, due=False, target="ssh", functional=None,
                 beside=(), follower=None, **options):
        self.name, self.account, self.begin, self.prepare, self.options = name, account, begin, prepare, options
        self.is_self, self.reaches, self.budget, self.due, self.target = is_self, reaches, budget, due, target
        self.functional = {"functional": functional} if functional else {}
        self.accounts, self.follower = (account, *beside), follower


STAGES = {stage.name: stage for stage in (
    Stage("immediate", "u1", put(Password=SECOND)),
    Stage("queued", "u2", queue, prepare=link),
    Stage("scheduled", "u3", wait_for_schedule, prepare=link, due=True, ChangeFrequencyType="xdays", ChangeFrequencyDays=30),
    Stage("own credentials", "u4", put(Password=SECOND), prepare=link, is_self=True, budget=2, auto=False, UseOwnCredentials=True),
    Stage("key pair", "u5", put_keys),
    Stage("linked", "u6", put(Password=SECOND), prepare=link),
    Stage("check-in", "u7", check_in, prepare=request, ChangePasswordAfterAnyReleaseFlag=True),
    Stage("store only", "u8", put(Password=SECOND, UpdateSystem=False), reaches=False),
    Stage("synced", "s2", put_and_wait(Password=SECOND), prepare=synced, beside=(FOLLOWER,)),
    Stage("whole system", "u1", change_whole_system, prepare=others, beside=OTHERS),
    Stage("controlroom", "u8", put_and_wait(Password=SECOND, UpdateSystem=False), prepare=follow, reaches=False, follower="controlroom"),
    Stage("root", "root", put(Password=SECOND), budget=1),
    Stage("functional account", "func2", put(Password=SECOND), prepare=neighbour, functional="func2", budget=1),
    Stage("postgresql", "u1", put(Password=SECOND), prepare=link, target="postgresql"),
    Stage("asynchronous standby", "u1", put(Password=SECOND), target="asynchronous standby"),
    Stage("mysql", "u1", put(Password=SECOND), prepare=link, target="mysql"),
    Stage("ldap", "lax1", put(Password=SECOND), prepare=link, target="ldap", DistinguishedName=dn_of("lax1")),
    Stage("activedirectory", "u1", put(Password=SECOND), prepare=link, target="activedirectory", budget=2),
    Stage("activedirectory, old passwords refused", "u1", put(Password=SECOND), prepare=link, target="activedirectory, old passwords refused", budget=2),
)}


class Lane:
    """A target of each kind, and the stopped servers whose copies the runs are."""

    def __init__(self, folder, library, disk_mb=None):
        self.folder, self.library, self.runs = str(folder), str(library), 0
        self.targets, self.templates, self.keys, self.postgresql, self._open = {}, {}, {}, None, contextlib.ExitStack()
        self.current = None  # the run under way
        os.makedirs(self.folder, exist_ok=True)
        path = os.path.abspath(self.folder)
        while path.startswith("/tmp/") and path != "/tmp":
            os.chmod(path, 0o711)  # connectors run as another user
            path = os.path.dirname(path)
        self.disk = self._mount("disk", disk_mb) if disk_mb else None
        self.room = None  # a small file system for databases, made with the lane's PostgreSQL

    def target(self, kind):
        if kind not in self.targets:
            target = self.targets[kind] = TARGETS[kind](Path(self.disk or self.folder) / kind)
            self._open.callback(target.stop)
            target.start()
        self.targets[kind].heal()
        return self.targets[kind]

    def _mount(self, name, megabytes, more=""):
        """A small file system for the target, or for a database, so that its disk can be full."""
        where = os.path.join(self.folder, name)
        os.makedirs(where)
        subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={megabytes}m,mode=0711{more}", "tmpfs", where], check=True)
        self._open.callback(subprocess.run, ["umount", "-l", where], check=True)
        return where

    def close(self):
        if self.current is not None:
            self.current.close()
        self._open.close()

    def key_pair(self):
        if not self.keys:
            path = os.path.join(self.folder, "pair")
            subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "pair", "-f", path], check=True)
            self.keys = open(path).read(), open(path + ".pub").read().strip()
        return self.keys

    def database(self, name, of=None):
        """The URL of a new database on this lane's PostgreSQL."""
        if self.postgresql is None:
            self.room = self._mount("room", 48, ",uid=postgres,gid=postgres")  # before it starts: later mounts it does not see
            folder = os.path.join(self.folder, "store")  # not among the targets, one of which is a PostgreSQL as well
            self.postgresql = PostgresStore(folder, fsync=False, settings={"max_connections": 200})
            self._open.callback(self.postgresql.kill)
            self.postgresql.start()
            self.postgresql.psql(f"CREATE TABLESPACE room LOCATION '{self.room}'")
        if of is None:
            return self.postgresql.create_database(name)
        self.postgresql.psql(f"CREATE DATABASE {name} OWNER keyturn TEMPLATE {of}")
        return self.postgresql.url(name)

    def template(self, stage, on_postgresql):
        """(directory, account, system, number, database) of a stopped server, ready for the change."""
        key = stage.name, on_postgresql
        if key not in self.templates:
            name = "t" + "".join(c for c in stage.name if c.isalpha()) if on_postgresql else None
            server = Server(directory=os.path.join(self.folder, "template-" + stage.name.replace(" ", "-") + ("-pg" if name else "")),
                            program=RELEASE, environment=self.with_ready_key({}, 0), store=name and self.database(name), options=["--server", "a"] if name else ())
            try:
                self.templates[key] = (server.directory, *self._take_on(server.start(), stage), name)
                server.stop()
            except BaseException:
                server.kill()
                shutil.rmtree(server.directory)  # the next try begins anew
                if name:
                    self.postgresql.drop_database(name)
                raise
            finally:
                server.close()
        return self.templates[key]

    def with_ready_key(self, environment, number):
        """For the number-th server that starts on one store (ready_key.c)."""
        folder = os.path.dirname(self.library)
        key, preloaded = os.path.join(folder, f"rsa-{number}.pem"), [os.path.join(folder, "ready_key.so"), environment.get("LD_PRELOAD")]
        return {**environment, "LD_PRELOAD": ":".join(filter(None, preloaded)), "KEYTURN_RSA_KEY": key}

    def _take_on(self, server, stage):
        target = self.target(stage.target)
        target.set_password(stage.account, target.passwords[stage.account])
        ps = server.passwordsafe()
        system = target.take_on(ps, not stage.is_self, **stage.functional)
        account = Managed(ps, target, stage.account, password=target.passwords[stage.account], system=system, **stage.options)
        # Proved once, so that what can prove it is known and its host key is pinned.
        assert account.put({"Password": FIRST}).status_code == 204
        if stage.follower:
            account.follower = self.target(stage.follower)
        number = stage.prepare(server, account) if stage.prepare else None
        return account.id, system, number


class Run:
    """A copy of a stage's server, about to be tormented once."""

    def __init__(self, lane, stage, on_postgresql=False):
        self.lane, self.stage, self.host = lane, stage, lane.target(stage.target)
        template, self.account, self.system, self.number, database = lane.template(stage, on_postgresql)
        lane.runs += 1
        self.directory = os.path.join(lane.folder, f"run-{lane.runs}")
        shutil.copytree(template, self.directory)
        os.chmod(self.directory, 0o711)
        self.database = f"run{lane.runs}" if database else None
        self.store = lane.database(self.database, of=database) if database else None
        for name in stage.accounts:
            self.host.set_password(name, FIRST)
        for name in filter(None, (*stage.accounts, self.host.functional)):
            self.host.forget_failures(name)
        self.dialled, self.dialled_system = self.host, self.system
        if stage.follower:
            self.dialled, self.dialled_system = lane.target(stage.follower), self.number["system"]
            self.dialled.give(stage.account, FIRST)
        self.failed_before, self.functional_before = self.failed_logins(), self.failed_of_functional()
        self.servers, self.answer, self.budget, self.may_skip_dates = [], None, stage.budget, False
        self.current_before = self.current_version()
        lane.current = self

    def failed_logins(self):
        return sum(self.host.failed_logins(name) for name in self.stage.accounts)

    def failed_of_functional(self):
        """Of the account that every job signs in with; where it is what is changed, it is counted with the others."""
        return self.host.failed_logins(self.host.functional) if self.host.functional else 0

    def start(self, environment=None, store=None, name="a"):
        environment = self.lane.with_ready_key(environment or {}, 1 + len(self.servers))
        server = Server(directory=self.directory, program=RELEASE, environment=environment, store=store or self.store,
                        options=["--server", name] if self.store else ())
        self.servers.append(server)
        return server.start()

    def close(self):
        self.lane.current = None
        for server in self.servers:
            server.kill()
        if self.database:
            self.lane.postgresql.drop_database(self.database)
        shutil.rmtree(self.directory, ignore_errors=True)

    @property
    def server(self):
        return self.servers[-1]

    # -- past the server: what no call sets, and no call of ours is to be counted as a point

    def sql(self, text):
        """Rows, of a server's store whether it runs or not; None when it cannot be read now."""
        if self.database:
            out = self.lane.postgresql.psql(text, self.database)
            return [tuple(line.split("|")) for line in out.splitlines()]
        read = text.startswith("SELECT")
        try:
            with contextlib.closing(sqlite3.connect(f"file:{self.directory}/data/keyturn.db?mode={'ro' if read else 'rw'}", uri=True, timeout=10)) as db:
                rows = db.execute(text).fetchall()
                db.commit()
                return rows
        except sqlite3.Error:
            if read:
                return None
            raise

    def make_due(self):
        if self.stage.due:
            self.sql(f"UPDATE managed_accounts SET next_change_at = {int(time.time() * 1e6) + SOON_US} WHERE id = {self.account}")

    def dial(self, address, port):
        """Let the system be reached there."""
        for text in self.dialled.reach(address, port, self.dialled_system):
            self.sql(text)

    def open_changes(self):
        rows = self.sql("SELECT COUNT(*) FROM jobs WHERE is_open = 1")
        return None if rows is None else int(rows[0][0])

    def current_version(self):
        rows = self.sql(f"SELECT current_version FROM managed_accounts WHERE id = {self.account}")
        return None if not rows else int(rows[0][0])

    def last_job(self):
        rows = self.sql("SELECT COALESCE(MAX(id), 0) FROM jobs")
        return 0 if not rows else int(rows[0][0])

    def wait_while_under_way(self, appears_within=2):
        """Until the change that was asked for has ended, or the server has."""
        before, end = self.jobs_before, time.monotonic() + appears_within
        while self.server.process.poll() is None and self.last_job() <= before and time.monotonic() < end:
            time.sleep(0.05)
        end = time.monotonic() + 40
        while self.server.process.poll() is None and self.open_changes() != 0 and time.monotonic() < end:
            time.sleep(0.05)

    # -- through it

    def ask(self, method, path, body):
        try:
            return self.client.call(method, path, body, timeout=40).status_code
        except OSError:
            return None  # the server died; the errors of requests are OSErrors

    def sign_in(self):
        self.client = self.server.passwordsafe()
        self.jobs_before = self.last_job()

    def begin(self):
        self.answer = self.stage.begin(self)
        return self.answer

    def password(self, account=None):
        body = {"SystemID": self.system, "AccountID": account or self.account, "DurationMinutes": 1}
        return ok(self.safe.post("/ISARequests", body), 201)

    # -- afterwards

    def _administrator(self):
        """Signed in, or None: a token that is signed in the second of a jump of the clock is refused after it."""
        admin = ControlRoom(self.server.url, "admin", self.server.password)
        return None if admin.own("GET", "/jobs?state=open").status_code == 401 else admin

    def find(self, what, live=None):
        """Everything must come right by itself within a minute. Returns findings."""
        findings = []
        if self.server.process.poll() is not None:
            findings.append(("unresolved", f"{what}: the server has ended by itself, status {self.server.process.returncode}: {self.server.log_text()[-1500:]}"))
            self.start()
        self.safe = PasswordSafe(self.server.url, self.server.api_key, "admin")
        admin = wait_for(self._administrator)
        try:
            wait_for(lambda: not ok(admin.own("GET", "/jobs?state=open"))["items"], timeout=SETTLED_S)
        except AssertionError:
            jobs = [{key: job.get(key) for key in ("kind", "state", "reason", "attempt", "nextTry")} for job in ok(admin.own("GET", "/jobs?state=open"))["items"]]
            findings.append(("unresolved", f"{what}: not settled within {SETTLED_S} s: {jobs}"))
        if self._is_owed() and not self._has_turned():
            findings.append(("lost", f"{what}: the change that was accepted, or due, was never made; the caller was told {self.answer}"))
        state = ok(admin.own("GET", f"/managed-accounts/{self.account}/state"))
        findings += (live or self._find_lost)(what, state, admin)
        wasted = self.failed_logins() - self.failed_before
        if wasted > self.budget:
            findings.append(("locked", f"{what}: {wasted} failed logins, and {self.budget} are allowed"))
        signs_in = [self.host.functional] if self.host.functional else []
        if any(self.host.is_locked(name) for name in (*self.stage.accounts, *signs_in)):
            findings.append(("locked", f"{what}: the target has locked an account"))
        if self.failed_of_functional() > self.functional_before:
            findings.append(("locked", f"{what}: {self.failed_of_functional() - self.functional_before} failed logins of the functional account"))
        if findings:
            findings[0] = (findings[0][0], f"{findings[0][1]}; {self._evidence(admin)}")
        self.server.stop(expect=None)
        report = self.server.audit_is_intact()
        if report.returncode != 0:
            findings.append(("lost", f"{what}: the audit is not intact: {report.stdout} {report.stderr}"))
        return findings

    def _evidence(self, admin):
        """What a finding can be explained by, once the run is gone."""
        jobs = ok(admin.own("GET", f"/jobs?kind=change&accountId={self.account}"))["items"]
        steps = ok(admin.own("GET", f"/jobs/{jobs[0]['id']}"))["steps"] if jobs else []
        told = [f"{step['at'][11:23]} {step['step']} {step['text']}".strip() for step in steps]
        return f"the steps: {told}; the server's log: {self.server.log_text()[-2000:]}"

    def _is_owed(self):
        """A queued change, a release that was given back, a date that has come: whoever was told so waits for nothing else."""
        return self.answer == 1204 or (self.stage.due and not self.may_skip_dates)

    def _has_turned(self):
        """What the server starts by itself begins within seconds."""
        try:
            wait_for(lambda: self.current_version() not in (None, self.current_before) and self.open_changes() == 0, timeout=SETTLED_S)
        except AssertionError:
            return False
        return True

    def _find_lost(self, what, state, admin):
        findings, current = [], self.password()
        told = f"the caller was told {self.answer}, the state is {state['state']}"
        live = current if self.stage.reaches else FIRST
        if not self.host.has_password(self.stage.account, live):
            findings.append(("lost", f"{what}: the vault's password is not the live one; {told}"))
        if self.stage.reaches and state["state"] != "proved":
            findings.append(("unresolved", f"{what}: {told}"))
        if self.answer == 204 and current != SECOND:
            findings.append(("lost", f"{what}: 204 was answered, and the old password is current"))
        if self.answer == 400 and current == SECOND:
            findings.append(("lost", f"{what}: 400 was answered, nothing changed, and the new password is current all the same"))
        if sum(version["standing"] == "current" for version in state["versions"]) != 1:
            findings.append(("lost", f"{what}: not one current version: {state['versions']}"))
        if not self.stage.follower:
            for made in ok(admin.own("GET", f"/managed-accounts/{self.account}/links"))["items"]:
                if not ok(admin.own("POST", f"/links/{made['id']}/verify", {}))["equal"]:
                    findings.append(("lost", f"{what}: a linked value is not the account's password"))
        if self.stage.name == "synced" and not self._follows(current):
            findings.append(("lost", f"{what}: the synced account has not the same password, or not the live one; {told}"))
        if self.stage.follower:
            if self.dialled.refused():
                findings.append(("locked", f"{what}: the second Keyturn has refused {self.dialled.refused()} sign-ins"))
            if self.dialled.given() != [current, current]:
                findings.append(("lost", f"{what}: what was pushed to is not the account's password; {told}"))
            if not all(is_in_step(admin, link) for link in self.number["links"]):
                findings.append(("unresolved", f"{what}: a link is not in step: {[ok(admin.own('GET', f'/links/{link}'))['follower'] for link in self.number['links']]}"))
        if self.stage.name == "whole system":
            findings += [(kind, f"{what}: {name}: {sentence}; {told}") for name, number in zip(OTHERS, self.number)
                         for kind, sentence in self._find_lost_beside(admin, name, number)]
        if self.stage.name == "functional account" and not self._signs_in():
            findings.append(("lost", f"{what}: another account of the system cannot be tested through it; {told}"))
        if self.stage.name == "key pair" and current == SECOND and not self._stored_key_is_let_in():
            findings.append(("lost", f"{what}: the vault's key is not let in"))
        return findings

    def _find_lost_beside(self, admin, name, number):
        state = ok(admin.own("GET", f"/managed-accounts/{number}/state"))
        if not self.host.has_password(name, self.password(number)):
            yield "lost", "the vault's password is not the live one"
        if state["state"] != "proved" or sum(version["standing"] == "current" for version in state["versions"]) != 1:
            yield "unresolved", f"its state is {state['state']}, its versions {state['versions']}"

    def _follows(self, current):
        followed = self.password(self.number)
        return followed == current and self.host.has_password(FOLLOWER, followed)

    def _signs_in(self):
        answer = self.safe.post(f"/ManagedAccounts/{self.number}/Credentials/Test")
        return answer.status_code == 200 and answer.json()["Success"]

    def _stored_key_is_let_in(self):
        import paramiko
        body = {"SystemID": self.system, "AccountID": self.account, "DurationMinutes": 1}
        private = ok(self.safe.post("/ISARequests?type=dsskey", body), 201)
        return self.host.can_login_with_key(self.stage.account, paramiko.Ed25519Key.from_private_key(io.StringIO(private)))
