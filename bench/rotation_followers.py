"""bench/rotation_followers.py: auto-logins at another Control Room, a second Keyturn, for rotation.py."""
import contextlib
import pathlib

import measure
from support import ok

import control_room


class FarTarget:
    """One of the names of it, as a managed system; every one of them reaches all its robots."""

    kind = "controlroom"

    def __init__(self, far, index, robots):
        self.far, self.index, self.robots = far, index, robots

    def names(self, purpose, count):
        return self.robots[:count]

    def account(self, name):
        return {"account": name}

    def address(self):
        return {"name": "bench", "address": self.far.address, "port": self.far.port, "timeout_s": 20, "instance": "", "domain": ""}

    def host_keys(self):
        return [{"type": "x509", "sha256": self.far.pin}]

    def functional(self):
        name, password = control_room.PUSHER
        return {"account": name, "password": password, "private_key": None, "passphrase": None, "elevation": ""}

    def change_bare(self, connector, robot, password):
        """What went wrong, or None."""
        answer = connector.call("push", end={"user": robot, "login_name": "svc", "credential": "", "attribute": ""}, value=password)
        return None if answer["ok"] else answer

    def take_on(self, ps):
        name, password = control_room.PUSHER
        body = {"PlatformID": 1002, "AccountName": name, "DisplayName": f"{name} {self.index}", "Password": password}
        functional = ok(ps.post("/FunctionalAccounts", body), 201)["FunctionalAccountID"]
        body = {"EntityTypeID": 1, "HostName": f"far{self.index}", "IPAddress": self.far.address, "PlatformID": 1002, "Port": self.far.port,
                "FunctionalAccountID": functional, "AutoManagementFlag": True, "Timeout": 20}
        return ok(ps.post("/Workgroups/1/ManagedSystems", body), 201)["ManagedSystemID"]

    @staticmethod
    def follow(ps, admin, targets, count):
        """An account that is stored only, followed by so many robots over these systems: the systems, and what turns it."""
        body = {"EntityTypeID": 1, "HostName": "stored", "IPAddress": "127.0.0.1", "PlatformID": 2, "Port": 1, "Timeout": 5}
        system = ok(ps.post("/Workgroups/1/ManagedSystems", body), 201)["ManagedSystemID"]
        account = ok(ps.post(f"/ManagedSystems/{system}/ManagedAccounts", {"AccountName": "svc", "Password": "Bench-Start-1!"}), 201)["ManagedAccountID"]
        systems = [target.take_on(ps) for target in targets]
        for number, robot in enumerate(targets[0].robots[:count]):
            end = {"followerSystemId": systems[number % len(systems)], "userName": robot}
            ok(admin.own("PUT", f"/managed-accounts/{account}/links", {"part": "password", "end": end, "release": "consumers", "replace": False}))
        return systems, lambda password: ok(ps.put(f"/ManagedAccounts/{account}/Credentials", {"Password": password, "UpdateSystem": False}), 204)


@contextlib.contextmanager
def far_control_room(folder, robots):
    """The targets of one that has so many robots."""
    pathlib.Path(folder).mkdir(parents=True)
    with control_room.FarControlRoom(folder, program=measure.KEYTURN) as far:
        names = [f"robot{number}" for number in range(robots)]
        for name in names:
            ok(far.admin.post("/v2/usermanagement/users", {"username": name, "email": f"{name}@example.com", "password": "Robot-There-1!", "roles": [{"id": 2}]}), 201)
        yield [FarTarget(far, index, names) for index in range(4)]
