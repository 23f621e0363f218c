"""tests/faults/managed_targets.py: the targets of the sweeps, each with the same few calls: taking it on, and looking past the server.

take_on(ps, has_functional)  a managed system with a functional account; its id
forget_failures(name)  before a run; failed_logins(name) since the target's beginning
is_locked(name)        has the target locked the account?
heal()                 it runs, whatever the last run did to it
doors()                where proxies are to listen, and what each leads to
freeze(), thaw()       it answers nobody; what it had been sent is carried out late
reach(address, port, system)  SQL that lets the system be dialled there
save(), restore()      the accounts go back to what they were when they were saved
"""
import contextlib
import itertools
import os
import re
import shutil
import signal
import sqlite3

import control_room
import freezer
import ldap_server
import mariadb_server
import postgresql_store
import postgresql_target
import samba_dc
import ssh_host
from conftest import take_on_host
from support import TOP, ok
from tcp_gate import TcpGate
from urllib3 import disable_warnings

disable_warnings()  # the second Control Room's certificate is its own
RELEASE = os.path.abspath(os.path.join(os.environ.get("KEYTURN_RELEASE", os.path.join(TOP, "build")), "keyturn"))
TIMEOUT_S = 10
LOCKS_AT = 3
LOG_FILE_BYTES = 1 << 20  # postgresql_store.py
NUMBERS = itertools.count(1)


class Target:
    functional = None  # the account that jobs sign in with, where this target tells how often it failed

    def doors(self):
        return [(("127.0.0.1", 0), ("127.0.0.1", self.port))]

    def reach(self, address, port, system):
        return [f"UPDATE managed_systems SET port = {port} WHERE id = {system}"]


class Ssh(Target, ssh_host.SshHost):
    passwords, functional = ssh_host.PASSWORDS, "func"

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

    def save(self):
        self.saved = (self.root / "etc/shadow").read_bytes()

    def restore(self):
        path = self.root / "etc/shadow.restored"
        path.write_bytes(self.saved)
        path.chmod(0o640)
        path.rename(self.root / "etc/shadow")


class Database(Target):
    """What the two databases have in common: they are taken on as an instance of this machine."""

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

    def reach(self, address, port, system):
        return [*super().reach(address, port, system), f"UPDATE databases SET port = {port}"]


class Postgresql(Database, postgresql_target.PostgresqlServer):
    passwords, platform = postgresql_target.PASSWORDS, 79
    instance = {"InstanceName": "postgres"}

    def __init__(self, folder):
        super().__init__(folder, settings={"wal_keep_size": "0", "wal_recycle": "off", "min_wal_size": "2MB", "max_wal_size": "8MB", "autovacuum": "off",
                                           "wal_level": "minimal", "max_wal_senders": "0"})  # nothing writes to its log but what is asked for
        if os.path.ismount(self.folder.parent):  # a full disk must not swallow what the server says of failed logins
            self.folder.mkdir()
            (self.folder / "server.log").symlink_to(self.folder.parent.parent / "postgresql.log")

    def leave_of_log(self, bytes_left):
        """So many bytes, about, can be written to the log before it needs a new file."""
        is_last = "SELECT max(name) = pg_walfile_name(pg_current_wal_insert_lsn()) FROM pg_ls_waldir() WHERE name ~ '^[0-9A-F]+$'"
        self.psql("CHECKPOINT")
        while True:  # past the files that it has made beforehand
            self.psql("SELECT pg_switch_wal();\nSELECT pg_logical_emit_message(false, 'opens', 'the file')")
            if self.psql(is_last) == "t":
                break
        for stay in (20000, bytes_left):
            offset = int(self.psql("SELECT file_offset FROM pg_walfile_name_offset(pg_current_wal_insert_lsn())"))
            self.psql(f"SELECT pg_logical_emit_message(false, 'fills', repeat('x', {max(1, (LOG_FILE_BYTES - offset - stay) * 8168 // 8192 - 60)}))")

    def has_missed_space(self):
        """How often it has said so."""
        return self.log_text().count("No space left on device")

    def forget_failures(self, name):
        pass

    def failed_logins(self, name):
        return self.log_text().count(f'authentication failed for user "{name}"')

    def is_locked(self, name):
        return False  # it has no way of locking an account

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
        if self._holder is not None and self._holder.poll() is not None:
            self.kill()  # it has ended by itself
        if self._holder is None:
            self.start()
        self.go_on()


class TargetStandby(postgresql_store.Standby):
    """Lets in whom its primary lets in."""

    def _write_settings(self):
        super()._write_settings()
        self.primary.write_rules(self)


class PostgresqlPair(Postgresql):
    """A primary, and an asynchronous standby that has not received what came after save(); restore() kills the primary and promotes it. Whoever
    dials this target is led to the one that is the primary."""

    def __init__(self, folder):
        super().__init__(folder)
        self.settings.update(wal_level="replica", max_wal_senders="10", wal_keep_size="256MB", max_wal_size="64MB")
        self.gate, self.standby, self.is_promoted = None, None, False

    def _write_settings(self):
        super()._write_settings()
        self.write_rules(self)

    @staticmethod
    def write_rules(server):
        server._write("pg_hba.conf", "local all postgres peer\nhost replication replicator all scram-sha-256\nhostssl all all all scram-sha-256\n")

    def start(self):
        super().start()
        self.gate = self.gate or TcpGate(self.port)
        return self

    def stop(self, mode="immediate"):
        self._drop_standby()
        super().stop(mode)
        if self.gate:
            self.gate.stop()

    def _drop_standby(self):
        if self.standby:
            self.standby.__exit__()
            shutil.rmtree(self.standby.folder)
        self.standby, self.is_promoted = None, False

    def heal(self):
        self._drop_standby()
        super().heal()
        self.gate.retarget(self.port)

    def doors(self):
        return [(("127.0.0.1", 0), ("127.0.0.1", self.gate.port))]

    def psql(self, *arguments, **more):
        return self.standby.psql(*arguments, **more) if self.is_promoted else super().psql(*arguments, **more)

    def failed_logins(self, name):
        found = super().failed_logins(name)
        return found + self.standby.log_text().count(f'authentication failed for user "{name}"') if self.is_promoted else found

    def save(self):
        self.standby = TargetStandby(self, f"{self.folder}-standby")
        self.standby.start()
        self.standby.wait_caught_up()
        self.standby.pause_replication()

    def restore(self):
        self.kill()
        self.standby.promote()
        self.gate.retarget(self.standby.port)
        self.is_promoted = True


class Mariadb(Database, mariadb_server.MariadbServer):
    """It blocks an account at the third failed login, until FLUSH PRIVILEGES, or another password."""

    passwords, platform = mariadb_server.PASSWORDS, 10

    def __init__(self, folder):
        super().__init__(folder, lock_after=LOCKS_AT)

    def forget_failures(self, name):
        self.sql("FLUSH PRIVILEGES")

    def failed_logins(self, name):
        """In its log, which outlives it."""
        return (self.directory / "log").read_text(errors="replace").count(f"Access denied for user '{name}'@")

    def is_locked(self, name):
        """It shows its count to nobody; but whom it has blocked it tells so, whatever the password."""
        try:
            self.can_login(name, "Not-The-Password-1!")
        except mariadb_server.ServerFailed as refused:
            return "User is blocked" in str(refused)
        return False

    def has_password(self, name, password):
        return self.verifier(name) == mariadb_server.native(password)

    def stop(self):
        self.kill()

    def freeze(self):
        freezer.stop(self.process.pid)

    def thaw(self):
        self.process.send_signal(signal.SIGCONT)

    def heal(self):
        """The one that a thread has started ends with that thread."""
        if self.process is not None and self.process.poll() is not None:
            self.kill()
        if self.process is None:
            self.start()
        self.thaw()


class Ldap(Target, ldap_server.LdapServer):
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

    def reach(self, address, port, system):
        return [*super().reach(address, port, system), f"UPDATE directories SET port = {port}"]


class ActiveDirectory(Target, samba_dc.SambaDc):
    """A domain that locks at the third failed login. LDAPS and Kerberos have fixed ports, so a proxy has an address of its own."""

    passwords, minutes, ports = samba_dc.PASSWORDS, 60, (636, 88)

    def __init__(self, folder):
        folder.mkdir()
        super().__init__(folder, samba_dc.domain_files(), old_password_minutes=self.minutes)
        self.has_policy = False

    def start(self):
        super().start()
        if not self.has_policy:
            self.policy(lockoutThreshold=str(LOCKS_AT))
            self.has_policy = True
        return self

    def take_on(self, ps, has_functional):
        assert has_functional
        body = {"PlatformID": 25, "DomainName": samba_dc.DOMAIN, "AccountName": "func", "DisplayName": f"func {next(NUMBERS)}", "Password": self.passwords["func"]}
        functional = ok(ps.post("/FunctionalAccounts", body), 201)["FunctionalAccountID"]
        body = {"EntityTypeID": 3, "HostName": samba_dc.DOMAIN, "IPAddress": self.address, "PlatformID": 25, "ForestName": samba_dc.DOMAIN, "NetBiosName": "LAB",
                "AutoManagementFlag": True, "FunctionalAccountID": functional, "Timeout": TIMEOUT_S}
        return ok(ps.post("/Workgroups/1/ManagedSystems", body), 201)["ManagedSystemID"]

    def forget_failures(self, name):
        self.set(name, "lockoutTime", "0")

    def failed_logins(self, name):
        """By every way in, whatever the count in the directory, which a good login forgets."""
        return len(re.findall(rf"^ *Auth: .*\\\[{name}(@[^]]*)?\].*NT_STATUS_WRONG_PASSWORD", self.log_text(), re.MULTILINE))

    def is_locked(self, name):
        return int(self.read(name, "badPwdCount") or 0) >= LOCKS_AT or int(self.read(name, "lockoutTime") or 0) > 0

    def heal(self):
        """The one that a thread has started ends with that thread."""
        if self._process is not None and self._process.poll() is not None:
            self.stop()
        if self._process is None:
            self.start()
        self.thaw()

    def doors(self):
        address = samba_dc.free_address()
        return [((address, port), (self.address, port)) for port in self.ports]

    def reach(self, address, port, system):
        return [f"UPDATE managed_systems SET ip_address = '{address}' WHERE id = {system}"]


class StrictActiveDirectory(ActiveDirectory):
    """It lets a former password in no more."""

    minutes = 0


class Far(Target, control_room.FarControlRoom):
    """A second Keyturn, to which the passwords of accounts of other targets are pushed: a robot's auto-login, and a credential's value."""

    address, platform, timeout_s = "127.0.0.1", 1002, 5

    def __init__(self, folder):
        super().__init__(folder, program=RELEASE)
        self.is_furnished = False

    def start(self):
        super().start()
        if not self.is_furnished:
            self.furnish()
            self.is_furnished = True

    def take_on(self, ps):
        name, password = control_room.PUSHER
        body = {"PlatformID": self.platform, "AccountName": name, "DisplayName": f"{name} {next(NUMBERS)}", "Password": password}
        functional = ok(ps.post("/FunctionalAccounts", body), 201)["FunctionalAccountID"]
        body = {"EntityTypeID": 1, "HostName": "far", "IPAddress": self.address, "PlatformID": self.platform, "Port": self.port,
                "FunctionalAccountID": functional, "AutoManagementFlag": True, "Timeout": self.timeout_s}
        return ok(ps.post("/Workgroups/1/ManagedSystems", body), 201)["ManagedSystemID"]

    def ends(self, system):
        return [{"followerSystemId": system, "userName": control_room.ROBOT},
                {"followerSystemId": system, "credentialName": control_room.CREDENTIAL, "attributeName": control_room.ATTRIBUTE}]

    def give(self, login_name, password):
        """Let both ends have this one; its administrators' tokens are older than they may be by now."""
        self.pusher = self.client(*control_room.PUSHER)
        ok(self.pusher.put("/v2/credentialvault/loginsetting", {"loginUsername": login_name, "loginPassword": password, "userId": self.robot_id}))
        value = self.values()[0]
        path = f"/v2/credentialvault/credentials/{self.credential_id}/attributevalues/{value['id']}"
        ok(self.pusher.put(path, {"value": password, "version": value["version"]}))

    def given(self):
        """What both ends have."""
        return [self.login_password(), self.value()]

    def refused(self):
        """Sign-ins that it counts as guesses, of anybody and from any address, and locks for."""
        with contextlib.closing(sqlite3.connect(f"file:{self.server.data}/keyturn.db?mode=ro", uri=True, timeout=10)) as db:
            return db.execute("SELECT COALESCE(SUM(failures), 0) FROM guesses").fetchone()[0]

    def stop(self):
        self.kill()

    def thaw(self):
        self.resume()

    def heal(self):
        self.thaw()
        if self.server.process is None or self.server.process.poll() is not None:
            self.start()


TARGETS = {"ssh": Ssh, "postgresql": Postgresql, "mysql": Mariadb, "ldap": Ldap, "activedirectory": ActiveDirectory,
           "activedirectory, old passwords refused": StrictActiveDirectory, "asynchronous standby": PostgresqlPair, "controlroom": Far}
