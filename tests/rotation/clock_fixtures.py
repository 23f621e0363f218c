"""A server whose wall clock a test moves while it runs, and a look at what it has started. Used by the tests of the schedule."""
import os
import struct
import subprocess

from store import Store, rows_of
from support import TOP, Server

DAY_S = 86400


def build_shim(folder):
    built = folder / "clock_shift.so"
    subprocess.run(["cc", "-std=gnu17", "-D_GNU_SOURCE", "-shared", "-fPIC", "-o", built, os.path.join(TOP, "tests/targets/clock_shift.c")], check=True)
    return built


class ShiftedServer(Server):
    """Its clock is the machine's, and `jump()` more."""

    def __init__(self, directory, shim, **more):
        self.file = os.path.join(directory, "clock-shift")
        with open(self.file, "wb") as handle:
            handle.write(bytes(8))
        asan = os.environ.get("ASAN_OPTIONS", "") + ":verify_asan_link_order=0"
        super().__init__(directory=directory, environment={"LD_PRELOAD": str(shim), "CLOCK_SHIFT_FILE": self.file, "ASAN_OPTIONS": asan}, **more)


    def jump(self, seconds):
        with open(self.file, "r+b") as handle:
            handle.write(struct.pack("<q", seconds))


def jobs_of(server, account_id, kind="change"):
    """[(trigger, state)], oldest first."""
    return rows_of(server, "SELECT trigger_kind, state FROM jobs WHERE account_id = ? AND kind = ? ORDER BY id", (account_id, kind))


def next_change(server, account_id):
    return rows_of(server, "SELECT next_change_at FROM managed_accounts WHERE id = ?", (account_id,))[0][0]


def store_now(server):
    """The time that the server goes by, as long as its clock was not moved."""
    if not server.store:
        import time
        return int(time.time() * 1e6)
    return int(rows_of(server, "SELECT CAST(extract(epoch FROM clock_timestamp()) * 1000000 AS bigint)")[0][0])


def set_due(server, account_id, in_s):
    """Its next date, in so many seconds; negative: it has passed."""
    with Store(server) as db:
        db.execute("UPDATE managed_accounts SET next_change_at = ? WHERE id = ?", (store_now(server) + int(in_s * 1e6), account_id))


def set_test_due(server, account_id, in_s=0):
    with Store(server) as db:
        db.execute("UPDATE managed_accounts SET next_test_at = ? WHERE id = ?", (store_now(server) + int(in_s * 1e6), account_id))
