"""bench/rotation_platforms.py: databases and directories with many accounts, for rotation.py.

One server of a kind, taken on as several systems: its address under several names, each with accounts of its own."""
import contextlib
import itertools
import pathlib

import measure  # noqa: F401: the search path

import platform_fixtures
from ldap_server import dn_of, entry, ssha

PURPOSES = "bv"
FIRST = "Bench-Start-1!"


def make_postgresql(server, names):
    server.psql("".join(f"CREATE ROLE {name} LOGIN PASSWORD '{FIRST}';" for name in names))


def make_mariadb(server, names):
    server.sql(";".join(f"CREATE USER {name}@'%' IDENTIFIED BY '{FIRST}'" for name in names))


def make_ldap(server, names):
    server.modify("".join(entry(dn_of(name), name, ssha(FIRST)).replace("objectClass:", "changetype: add\nobjectClass:", 1) for name in names))


def make_active_directory(server, names):
    for name in names:
        server.inside("new", name, FIRST)


MAKERS = {"postgresql": make_postgresql, "mysql": make_mariadb, "ldap": make_ldap, "activedirectory": make_active_directory}


def change_and_sign_in(connector, who, password):
    """What went wrong, or None."""
    changed = connector.call("change", **who, part="password", password=password)
    entered = connector.call("login", **who, password=password) if changed["ok"] else None
    return None if entered and entered.get("result") == "accepted" else (changed, entered)


class PlatformTarget:
    """One of the names of a running server."""

    first_password = FIRST

    def __init__(self, platform, index):
        self.platform, self.index, self.kind, self.taken = platform, index, platform.kind, 0

    def names(self, purpose, count):
        """Of the vault's, others at each call: a second vault would not know what the first one has set."""
        first = self.taken if purpose == "v" else 0
        self.taken = first + count if purpose == "v" else self.taken
        return (f"{purpose}{self.index}x{i + 1}" for i in range(first, first + count))

    def made(self, accounts):
        """The names of all that there are, so many of each purpose."""
        return [f"{purpose}{self.index}x{i + 1}" for purpose in PURPOSES for i in range(accounts)]

    def account(self, name):
        """As the connector is told of it."""
        return {"account": name, "dn": self.platform.names(name).get("DistinguishedName", "")}

    def body(self, name):
        """As the vault is told of it."""
        return self.platform.names(name)

    def address(self):
        domain = "lab.test" if self.kind == "activedirectory" else ""
        return {"name": "bench", "address": self.platform.address, "port": self.platform.port, "timeout_s": 20, "instance": "", "domain": domain}

    def host_keys(self):
        return [{"type": "x509", "sha256": self.platform.running.pin}]

    def functional(self):
        return {"account": self.platform.functional_name("func"), "password": self.platform.passwords["func"], "private_key": None, "passphrase": None, "elevation": ""}

    def change_bare(self, connector, name, password):
        return change_and_sign_in(connector, self.account(name), password)

    def take_on(self, ps):
        return self.platform.system(ps, Timeout=20)


def kind_of(kind):
    """A context manager that gives systems of it, from (folder, how many, accounts of each)."""
    @contextlib.contextmanager
    def systems(folder, how_many, accounts):
        path = pathlib.Path(folder)
        path.mkdir(parents=True)
        with platform_fixtures.KINDS[kind](path) as platform:
            targets = [PlatformTarget(platform, index) for index in range(how_many)]
            MAKERS[kind](platform.running, list(itertools.chain.from_iterable(target.made(accounts) for target in targets)))
            yield targets
    return systems


KINDS = {kind: kind_of(kind) for kind in MAKERS}
