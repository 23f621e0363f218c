"""tests/rotation/platform_fixtures.py: real targets of every kind but SSH, and how their accounts are taken on through the server's API."""
import concurrent.futures
import contextlib
import itertools
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "targets"))

import ldap_server  # noqa: E402
import mariadb_server  # noqa: E402
import postgresql_target  # noqa: E402
import samba_dc  # noqa: E402
from ad_fixtures import domain_files  # noqa: E402
from support import ok  # noqa: E402

COUNTER = itertools.count(1)


class Platform:
    """One running target. `running` is the fixture's own object, for what only this kind has.

    blind   a functional account that cannot read verifiers
    """

    policy_refuses = "weak"

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.running.stop()

    @property
    def address(self):
        return self.running.address

    @property
    def port(self):
        return self.running.port

    def first(self, name):
        return self.passwords[name]

    def has_password(self, name, password):
        return self.running.has_password(name, password)

    def set_password(self, name, password):
        self.running.set_password(name, password)

    def functional_name(self, name):
        return name

    def functional(self, ps, name="func", password=None):
        body = {"PlatformID": self.platform, "AccountName": self.functional_name(name), "DisplayName": f"{name} {next(COUNTER)}",
                "Password": password or self.passwords[name]}
        return ok(ps.post("/FunctionalAccounts", body), 201)["FunctionalAccountID"]

    def system(self, ps, functional="func", password=None, port=None, **more):
        """Take the target on in one step, with its asset or directory; the system's id."""
        body = {"EntityTypeID": self.entity, "HostName": f"{self.kind}{next(COUNTER)}", "IPAddress": self.address, "PlatformID": self.platform,
                "Port": port or self.port, "AutoManagementFlag": True, "FunctionalAccountID": self.functional(ps, functional, password), "Timeout": 10}
        return ok(ps.post("/Workgroups/1/ManagedSystems", dict(body, **self.place(), **more)), 201)["ManagedSystemID"]

    def place(self):
        return {}

    def names(self, name):
        return {"AccountName": name}


class Postgresql(Platform):
    kind, platform, entity = "postgresql", 79, 2
    passwords, policy_refuses, blind = postgresql_target.PASSWORDS, "u2", "plain"

    def __init__(self, folder):
        self.running = postgresql_target.PostgresqlServer(folder / "server", settings={"shared_preload_libraries": "passwordcheck"}).start()

    def place(self):
        return {"IsDefaultInstance": True}

    def freeze(self):
        self.running.pause()

    def thaw(self):
        self.running.go_on()

    def new_key(self):
        self.running.renew_certificate(with_key=True)


class Mariadb(Platform):
    kind, platform, entity = "mysql", 10, 2
    passwords, blind = mariadb_server.PASSWORDS, "blind"

    def __init__(self, folder):
        self.running = mariadb_server.MariadbServer(folder / "server", policy=True, options={"simple-password-check-other-characters": 0}).start()  # as Keyturn's default rule

    def place(self):
        return {"InstanceName": "orders"}

    def has_password(self, name, password):
        return self.running.verifier(name) == mariadb_server.native(password)

    def set_password(self, name, password):
        self.running.sql(f"ALTER USER `{name}`@`%` IDENTIFIED BY '{password}'")  # the plugin wants to see it

    def freeze(self):
        self.frozen = self.running.frozen()
        self.frozen.__enter__()

    def thaw(self):
        self.frozen.__exit__(None, None, None)

    def new_key(self):
        self.running.make_certificate("second")
        self.running.stop()
        self.running.start()


class Ldap(Platform):
    kind, platform, entity = "ldap", 1001, 3
    passwords, blind = ldap_server.PASSWORDS, "writer"

    def __init__(self, folder, **more):
        self.running = ldap_server.LdapServer(folder / "server", **more).start()

    def functional_name(self, name):
        return ldap_server.dn_of(name)

    def names(self, name):
        return {"AccountName": name, "DistinguishedName": ldap_server.dn_of(name)}

    def freeze(self):
        self.running.freeze()

    def thaw(self):
        self.running.thaw()

    def new_key(self):
        self.running.new_key()
        self.running.restart()


class ActiveDirectory(Platform):
    kind, platform, entity = "activedirectory", 25, 3
    passwords, blind = samba_dc.PASSWORDS, "resetter"

    def __init__(self, folder):
        self.running = samba_dc.SambaDc(folder, domain_files()).start()

    def functional(self, ps, name="func", password=None):
        body = {"PlatformID": 25, "DomainName": samba_dc.DOMAIN, "AccountName": name, "DisplayName": f"{name} {next(COUNTER)}",
                "Password": password or self.passwords[name]}
        return ok(ps.post("/FunctionalAccounts", body), 201)["FunctionalAccountID"]

    def system(self, ps, functional="func", password=None, port=None, **more):
        """One domain, so one directory in each workgroup: every system gets a workgroup of its own."""
        number = next(COUNTER)
        group = ok(ps.post("/Workgroups", {"Name": f"Domain {number}"}), 201)["ID"]
        body = {"EntityTypeID": 3, "HostName": samba_dc.DOMAIN, "IPAddress": self.address, "PlatformID": 25, "ForestName": samba_dc.DOMAIN, "NetBiosName": "LAB",
                "AutoManagementFlag": True, "FunctionalAccountID": self.functional(ps, functional, password), "Timeout": 10}
        return ok(ps.post(f"/Workgroups/{group}/ManagedSystems", dict(body, **({"Port": port} if port else {}), **more)), 201)["ManagedSystemID"]

    def freeze(self):
        self.running.freeze()

    def thaw(self):
        self.running.thaw()

    def new_key(self):
        self.running.change_certificate()
        self.running.restart()


KINDS = {found.kind: found for found in (Postgresql, Mariadb, Ldap, ActiveDirectory)}


class Account:
    """A managed account on such a target; conftest.Managed's words."""

    def __init__(self, ps, target, name, system=None, functional="func", first=None, **more):
        self.ps, self.target, self.name = ps, target, name
        self.system_id = system or target.system(ps, functional)
        self.first = first or target.first(name)
        body = {**target.names(name), "Password": self.first, "ApiEnabled": True, "AutoManagementFlag": False, **more}
        self.id = ok(ps.post(f"/ManagedSystems/{self.system_id}/ManagedAccounts", body), 201)["ManagedAccountID"]

    def put(self, password=None, **more):
        return self.ps.put(f"/ManagedAccounts/{self.id}/Credentials", {"Password": password, **more} if password else {})

    def change(self, **body):
        return self.ps.post(f"/ManagedAccounts/{self.id}/Credentials/Change", body)

    def test(self):
        return ok(self.ps.post(f"/ManagedAccounts/{self.id}/Credentials/Test"))["Success"]

    def password(self):
        """What the vault gives out now."""
        return ok(self.ps.post("/ISARequests", {"SystemID": self.system_id, "AccountID": self.id, "DurationMinutes": 1}), 201)

    def is_live(self):
        return self.target.has_password(self.name, self.password())


def state_of(admin, account):
    return ok(admin.own("GET", f"/managed-accounts/{account.id}/state"))


def job_of(admin, account):
    return ok(admin.own("GET", f"/jobs?kind=change&accountId={account.id}"))["items"][0]


def steps_of(admin, account):
    return ok(admin.own("GET", f"/jobs/{job_of(admin, account)['id']}"))["steps"]


def is_settled(admin, account):
    return job_of(admin, account)["state"] not in ("queued", "prepared", "applying", "verifying", "resolving")


@contextlib.contextmanager
def in_background(call, *arguments, **named):
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        yield pool.submit(call, *arguments, **named)
