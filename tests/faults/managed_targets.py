"""tests/faults/managed_targets.py: the targets of the sweeps, each with the same few calls: taking it on, and looking past the server.

take_on(ps, has_functional)  a managed system with a functional account; its id
forget_failures(name)  before a run; failed_logins(name) since the target's beginning
is_locked(name)        has the target locked the account?
heal()                 it runs, whatever the last run did to it
reach(port, system)    SQL that lets the system be dialled at that port
save(), restore()      the accounts go back to what they were when they were saved
"""
import itertools

import ldap_server
import mariadb_server
import postgresql_target
import ssh_host
from conftest import take_on_host
from support import ok

TIMEOUT_S = 10
LOCKS_AT = 3
NUMBERS = itertools.count(1)


class Ssh(ssh_host.SshHost):
    passwords = ssh_host.PASSWORDS

    def __init__(self, folder):
        super().__init__(folder, faillock_deny=LOCKS_AT)

    def take_on(self, ps, has_functional, functional="func"):
        if has_functional:
            return take_on_host(ps, self, functional, name="lab", Timeout=TIMEOUT_S)
        body = {"EntityTypeID": 1, "HostName": "lab", "IPAddress": "127.0.0.1", "PlatformID": 2, "Port": self.port, "Timeout": TIMEOUT_S}
        return ok(ps.post("/Workgroups/1/ManagedSystems", body), 201)["ManagedSystemID"]

    def forget_failures(self, name):
        self.run(["/usr/sbin/faillock", "--user", name, "--reset"])

    def is_locked(self, name):
        out = self.run(["/usr/sbin/faillock", "--user", name]).stdout
        return sum(line.rstrip().endswith(" V") for line in out.splitlines()) >= LOCKS_AT

    def heal(self):
        if self._process is None:
            self.start()
        self.thaw()

    def reach(self, port, system):
        return [f"UPDATE managed_systems SET port = {port} WHERE id = {system}"]

    def save(self):
        self.saved = (self.root / "etc/shadow").read_bytes()

    def restore(self):
        path = self.root / "etc/shadow.restored"
        path.write_bytes(self.saved)
        path.chmod(0o640)
        path.rename(self.root / "etc/shadow")


class Database:
    """What the two databases have in common: they are taken on as an instance of this machine, and lock nobody here."""

    platform, instance = None, {"IsDefaultInstance": True}

    def take_on(self, ps, has_functional):
        assert has_functional
        asset = ok(ps.post("/Workgroups/1/Assets", {"IPAddress": "127.0.0.1", "AssetName": f"machine{next(NUMBERS)}"}), 201)["AssetID"]
        body = {"PlatformID": self.platform, "Port": self.port, **self.instance}
        database = ok(ps.post(f"/Assets/{asset}/Databases", body), 201)["DatabaseID"]
        body = {"PlatformID": self.platform, "AccountName": "func", "DisplayName": f"func {next(NUMBERS)}", "Password": self.passwords["func"]}
        functional = ok(ps.post("/FunctionalAccounts", body), 201)["FunctionalAccountID"]
        body = {"AutoManagementFlag": True, "FunctionalAccountID": functional, "Timeout": TIMEOUT_S}
        return ok(ps.post(f"/Databases/{database}/ManagedSystems", body), 201)["ManagedSystemID"]

    def forget_failures(self, name):
        pass

    def is_locked(self, name):
        return False

    def reach(self, port, system):
        return [f"UPDATE managed_systems SET port = {port} WHERE id = {system}", f"UPDATE databases SET port = {port}"]


class Postgresql(Database, postgresql_target.PostgresqlServer):
    passwords, platform = postgresql_target.PASSWORDS, 79
    instance = {"InstanceName": "postgres"}

    def failed_logins(self, name):
        return self.log_text().count(f'authentication failed for user "{name}"')

    def save(self):
        """As pg_dumpall writes it down."""
        self.saved = self.psql("SELECT format('ALTER ROLE %I PASSWORD %L;', rolname, rolpassword) FROM pg_authid WHERE rolname ~ '^u[0-9]'")

    def restore(self):
        self.psql(self.saved)

    def stop(self, mode="immediate"):
        super().stop(mode)

    def freeze(self):
        self.pause()

    def thaw(self):
        self.go_on()

    def heal(self):
        if self._holder is None:
            self.start()
        self.go_on()


class Mariadb(Database, mariadb_server.MariadbServer):
    passwords, platform = mariadb_server.PASSWORDS, 10

    def failed_logins(self, name):
        """Of every account: the server keeps one count, and one account is changed."""
        return int(self.sql("SHOW GLOBAL STATUS LIKE 'Access_denied_errors'").split()[-1])

    def has_password(self, name, password):
        return self.verifier(name) == mariadb_server.native(password)

    def heal(self):
        if self.process is None:
            self.start()


class Ldap(ldap_server.LdapServer):
    passwords = ldap_server.PASSWORDS

    def take_on(self, ps, has_functional):
        assert has_functional
        body = {"PlatformID": 1001, "AccountName": ldap_server.dn_of("func"), "DisplayName": f"func {next(NUMBERS)}", "Password": self.passwords["func"]}
        functional = ok(ps.post("/FunctionalAccounts", body), 201)["FunctionalAccountID"]
        body = {"EntityTypeID": 3, "HostName": "directory", "IPAddress": self.address, "PlatformID": 1001, "Port": self.port, "AutoManagementFlag": True,
                "FunctionalAccountID": functional, "Timeout": TIMEOUT_S}
        return ok(ps.post("/Workgroups/1/ManagedSystems", body), 201)["ManagedSystemID"]

    def forget_failures(self, name):
        pass  # a login that worked has forgotten them

    def failed_logins(self, name):
        return self.failures(name)

    def is_locked(self, name):
        return bool(self.attribute(ldap_server.dn_of(name), "pwdAccountLockedTime"))

    def heal(self):
        if self._process is None:
            self.start()
        self.thaw()

    def reach(self, port, system):
        return [f"UPDATE managed_systems SET port = {port} WHERE id = {system}", f"UPDATE directories SET port = {port}"]


TARGETS = {"ssh": Ssh, "postgresql": Postgresql, "mysql": Mariadb, "ldap": Ldap}
