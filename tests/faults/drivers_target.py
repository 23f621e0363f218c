"""tests/faults/drivers_target.py: the ways in which a change is tormented by its target and the network. As drivers.py says."""
import contextlib
import os
import threading
import time

from stages import FIRST
from cut_proxy import CutProxy
from drivers import Driver
from support import ok


class Door(CutProxy):
    """One of a trap's proxies."""

    def __init__(self, trap, listen, target, manner):
        self.trap = trap
        super().__init__(target[1], listen=listen, target_address=target[0], manner=manner)

    def _is_cut(self, number, direction, passed):
        return self.trap.springs()


class Trap:
    """Proxies in front of a target, which count the chunks of all connections, both directions, from arm() on; at the chunk `at`, act() or a
    cut. doors: where each listens, and what it leads to."""

    def __init__(self, doors, manner="reset", at=0, act=None):
        self.at, self.act, self.counter, self.is_armed, self.has_fired, self._counting = at, act, 0, False, False, threading.Lock()
        self._acted = threading.Event()
        self._doors = [Door(self, *door, manner if manner == "hang" else "reset") for door in doors]
        self.address, self.port = self._doors[0].address, self._doors[0].port

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for door in self._doors:
            door.stop()

    def arm(self):
        self.is_armed = True

    def disarm(self):
        """Count no more; what act() has begun is over then."""
        with self._counting:
            self.is_armed = False
        if self.act and self.has_fired:
            self._acted.wait(60)

    def springs(self):
        """Is this chunk to be cut?"""
        with self._counting:
            if not self.is_armed:
                return False
            self.counter += 1
            if self.counter != self.at:
                return False
            self.has_fired = True
        if self.act is None:
            return True
        try:
            self.act()
        finally:
            self._acted.set()
        return False


class Cut(Driver):
    """The connection to the target, or to the store, is cut or goes silent at each chunk of either direction."""

    def __init__(self, stage, between="target", manners=("reset", "hang")):
        super().__init__(stage, on_postgresql=between == "store")
        self.between, self.manners = between, manners

    @contextlib.contextmanager
    def through(self, lane, **more):
        """(run, trap), the server started behind it."""
        with self.run(lane) as run:
            doors = run.dialled.doors() if self.between == "target" else [(("127.0.0.1", 0), ("127.0.0.1", lane.postgresql.port))]
            with Trap(doors, **more) as trap:
                if self.between == "store":
                    run.start(store=lane.postgresql.url(run.database, port=trap.port))
                else:
                    run.dial(trap.address, trap.port)
                    run.start()
                run.sign_in()
                yield run, trap

    def points(self, lane):
        with self.through(lane) as (run, trap):
            trap.arm()
            assert run.begin() == 204
            return [(manner, at) for at in range(1, trap.counter + 1) for manner in self.manners]

    def strike(self, lane, point):
        with self.through(lane, manner=point[0], at=point[-1], **self.action(lane, point)) as (run, trap):
            trap.arm()
            run.begin()
            trap.disarm()  # connections are kept: what comes through them later is looking
            self.afterwards(run, point, trap)
            return trap.has_fired, self.find(run, point)

    def action(self, lane, point):
        return {}

    def afterwards(self, run, point, trap):
        pass

    def find(self, run, point):
        return run.find(self.what(point))


class TargetFails(Cut):
    """The target is killed, or freezes, at each chunk: what it had been sent is carried out late, when it runs on."""

    def __init__(self, stage):
        super().__init__(stage, manners=("killed", "frozen"))

    def action(self, lane, point):
        target = lane.target(self.stage.follower or self.stage.target)
        return {"act": target.stop if point[0] == "killed" else target.freeze}

    def afterwards(self, run, point, trap):
        if not trap.has_fired:
            return
        if point[0] == "killed":
            time.sleep(1)
            run.dialled.start()
        else:
            run.dialled.thaw()


class Reverted(Cut):
    """The target's accounts go back to what they were before, at each chunk of the change, or once it is proved (0)."""

    def __init__(self, stage):
        super().__init__(stage, manners=("restored",))

    def points(self, lane):
        return super().points(lane) + [(f"restored after the proof, {turn}", 0) for turn in range(5)]

    @contextlib.contextmanager
    def through(self, lane, **more):
        with super().through(lane, **more) as (run, trap):
            run.host.save()
            yield run, trap

    def action(self, lane, point):
        return {"act": lane.target(self.stage.target).restore}

    def afterwards(self, run, point, trap):
        run.budget += 1  # the login that proves may come just after it
        if point[-1] == 0:
            run.host.restore()
            trap.has_fired = True

    def find(self, run, point):
        return run.find(self.what(point), live=lambda what, state, admin: self._find_silence(run, what, admin))

    def _find_silence(self, run, what, admin):
        """Where the vault's password is no longer the live one, a test says so, and the next change heals it."""
        name = run.stage.account
        if run.host.has_password(name, run.password()):
            return []
        findings = []
        if ok(run.safe.post(f"/ManagedAccounts/{run.account}/Credentials/Test"))["Success"]:
            findings.append(("lost", f"{what}: the test says that a password works which is not the live one"))
        state = ok(admin.own("GET", f"/managed-accounts/{run.account}/state"))
        if state["state"] not in ("mismatch", "drift"):
            findings.append(("lost", f"{what}: the state is {state['state']}, and the vault's password is not the live one"))
        if not run.host.has_password(name, FIRST):
            findings.append(("lost", f"{what}: neither password is the live one"))
        healed = run.safe.put(f"/ManagedAccounts/{run.account}/Credentials", {"Password": "Healed-3!"})
        if healed.status_code != 204 or not run.host.has_password(name, "Healed-3!") or run.password() != "Healed-3!":
            findings.append(("lost", f"{what}: a change does not heal it: {healed.status_code} {healed.text}"))
        return findings


class TargetIsFull(Driver):
    """The disk of the target has so many blocks left; after the answer there is room again. The lane's host is on a file system of its own,
    of disk_mb."""

    disk_mb = 48

    def points(self, lane):
        return [(f"{blocks} blocks free", blocks) for blocks in range(24)]

    def prepare(self, run, point):
        pass

    def is_felt(self, run):
        return True

    def strike(self, lane, point):
        with self.run(lane) as run:
            run.start()
            run.sign_in()
            self.prepare(run, point)
            ballast = os.path.join(lane.disk, "ballast")
            with open(ballast, "wb", buffering=0) as handle, contextlib.suppress(OSError):
                while True:
                    handle.write(bytes(4096))
            os.truncate(ballast, max(0, os.path.getsize(ballast) // 4096 - point[-1]) * 4096)
            try:
                run.begin()
            finally:
                os.unlink(ballast)
            is_felt = self.is_felt(run)
            run.host.heal()
            return is_felt, run.find(self.what(point))


class PostgresqlIsFull(TargetIsFull):
    """It writes to a piece of its log that is there already, and panics at the byte that needs a new one: so many bytes further on."""

    disk_mb = 96

    def points(self, lane):
        return [(f"{left} bytes of log left, {blocks} blocks free", left, blocks) for left in range(40, 232, 8) for blocks in (0, 100)]

    def prepare(self, run, point):
        run.host.leave_of_log(point[1])
        run.missed = run.host.has_missed_space()

    def is_felt(self, run):
        return run.host.has_missed_space() > run.missed
