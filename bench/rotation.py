"""bench/rotation.py: changes of whole systems against the same changes without the vault. Started by `script/bench rotation`.

bare: a connector program, spoken to directly: per account a change on the functional session that it keeps, and one fresh login
with the new password. ours: the system's accounts queued through the API, until the last one is proved. controlroom: auto-logins at another
Control Room that follow an account, until the last one has its password; bare: one push each. Needs root (overlay hosts)."""
import collections
import contextlib
import os
import secrets
import sqlite3
import statistics
import sys
import threading
import time
import warnings

from measure import KEYTURN, Server, check_audit, fresh_folder, metrics, ok, show_circumstances
from connector import Connector
from rotation_followers import far_control_room
from rotation_targets import KINDS, Blackhole, SlowGate

RUNS = int(os.environ.get("BENCH_RUNS", "3"))
HOSTS = int(os.environ.get("BENCH_HOSTS", "20"))
ACCOUNTS = int(os.environ.get("BENCH_ACCOUNTS", "1000"))
LANES = {1: 12, 8: 48}  # accounts of a run
QUICK = {kind: {1: 100, 8: 240} for kind in ("postgresql", "mysql", "ldap", "controlroom")}  # else a run is over in the time of a glance
ONLY = os.environ.get("BENCH_KINDS", "").split()
WAIT_S = 3600

Run = collections.namedtuple("Run", "per_second ours_us connectors_us")


# -- bare


class Lane(threading.Thread):
    """One connector process with its functional session, and the accounts that it changes one after the other."""

    def __init__(self, target, accounts):
        super().__init__()
        self.target, self.accounts, self.problem = target, accounts, None
        self.connector = Connector(target.kind)
        checked = self.connector.call("check", target=target.address(), host_keys=target.host_keys(), functional=target.functional(), **target.account(accounts[0]))
        if not checked["ok"] or not (checked["can_change"] or target.kind == "controlroom"):
            raise SystemExit(f"{target.kind}: {checked}")

    def run(self):
        for account in self.accounts:
            self.problem = self.target.change_bare(self.connector, account, fresh_password())
            if self.problem:
                return


def fresh_password():
    return "Aa1-" + secrets.token_urlsafe(18)  # of every class that a server may want


def run_bare(targets, lanes, count):
    """Accounts a second. Two lanes to a system at most, as the engine has it."""
    per_lane = count // lanes
    used = [targets[i % max(1, lanes // 2)] for i in range(lanes)]
    names = collections.defaultdict(list, {id(t): list(t.names("b", count)) for t in used})
    running = [Lane(t, [names[id(t)].pop() for _ in range(per_lane)]) for t in used]
    start = time.monotonic()
    for lane in running:
        lane.start()
    for lane in running:
        lane.join()
    took = time.monotonic() - start
    for lane in running:
        lane.connector.end()
        if lane.problem:
            raise SystemExit(f"bare {lane.target.kind}: {lane.problem}")
    return per_lane * lanes / took


# -- ours


def exact_cpu_of(pid):
    """Microseconds of its threads, of those that live."""
    return sum(int(open(f"/proc/{pid}/task/{thread}/schedstat").read().split()[0]) for thread in os.listdir(f"/proc/{pid}/task")) / 1000


def cpu_of(pid, with_children=False):
    """By the clock's ticks of 10 ms, but of those that have ended as well."""
    fields = open(f"/proc/{pid}/stat").read().rsplit(")", 1)[1].split()
    return sum(map(int, fields[13:15] if with_children else fields[11:13])) * 1e6 / os.sysconf("SC_CLK_TCK")


class House:
    """A server whose vault holds accounts of the targets."""

    def __init__(self, folder, lanes):
        self.server = Server(directory=folder, program=KEYTURN, options=["--lanes", str(lanes)]).start()
        self.ps, self.systems = self.server.passwordsafe(), {}
        children = open(f"/proc/{self.server.process.pid}/task/{self.server.process.pid}/children").read().split()
        self.launcher = next(pid for pid in children if open(f"/proc/{pid}/comm").read().strip() == "keyturn-launch")

    def take_on(self, target, count, port=None):
        system = target.take_on(self.ps, **({"port": port} if port else {}))
        for name in target.names("v", count):
            body = dict(target.body(name), Password=target.first_password, AutoManagementFlag=True)
            ok(self.ps.post(f"/ManagedSystems/{system}/ManagedAccounts", body), 201)
        self.systems[system] = count
        return system

    def rows(self, statement):
        """Asked of the store's file itself, so that waiting costs the server nothing."""
        with contextlib.closing(sqlite3.connect(f"file:{self.server.data}/keyturn.db?mode=ro", uri=True, timeout=30)) as db:
            return db.execute(statement).fetchall()

    def cpu(self):
        """Ours (server and launcher), and that of the connectors, those that have ended and those that are kept."""
        connectors = cpu_of(self.launcher, True)
        for pid in open(f"/proc/{self.launcher}/task/{self.launcher}/children").read().split():
            with contextlib.suppress(OSError):
                connectors += cpu_of(pid)
        return exact_cpu_of(self.server.process.pid) + exact_cpu_of(self.launcher), connectors

    def queue(self, systems):
        for system in systems:
            ok(self.ps.post(f"/ManagedSystems/{system}/ManagedAccounts/Credentials/Change"), 204)

    def change(self, systems, begin=None, kind="change"):
        """Queue all accounts of these systems (or begin otherwise), and wait until every change is proved: seconds, and CPU."""
        before, start = self.cpu(), time.monotonic()
        begin() if begin else self.queue(systems)
        took = self.wait(systems, start, kind)
        return took, [now - then for now, then in zip(self.cpu(), before)]

    def wait(self, systems, start, kind="change"):
        of_them = f"kind = '{kind}' AND system_id IN ({', '.join(map(str, systems))})"
        while self.rows(f"SELECT count(*) FROM jobs WHERE is_open = 1 AND refusals = 0 AND {of_them}")[0][0]:
            time.sleep(0.2)
            if time.monotonic() - start > WAIT_S:
                raise SystemExit(f"changes are still missing: {self.server.log_text()[-3000:]}")
        ended = self.rows("SELECT max(at) FROM job_steps WHERE step = 'done'")[0][0] / 1e6
        took = ended - time.time() + time.monotonic() - start
        failed = self.rows(f"SELECT account_id, state, reason_code, reason FROM jobs WHERE {of_them} AND (is_open = 1 OR success = 0) ORDER BY state = 'dropped', id")
        if failed:
            raise SystemExit(f"{len(failed)} changes were not proved: {failed[:3]}")
        return took

    def split(self):
        """Milliseconds between the steps of a job, medians over all that were proved."""
        steps, gaps = self.rows("SELECT job_id, at, step FROM job_steps ORDER BY job_id, at, id"), collections.defaultdict(list)
        for (job, at, step), (next_job, next_at, next_step) in zip(steps, steps[1:]):
            if job == next_job:
                gaps[step, next_step].append((next_at - at) / 1000)
        return {f"{one} to {next_one}": statistics.median(gap) for (one, next_one), gap in gaps.items()}

    def close(self):
        self.server.stop()
        check_audit(self.server)


def measure_ours(house, systems, count, **how):
    took, (ours, connectors) = house.change(systems, **how)
    return Run(count / took, ours / count, connectors / count)


def quantile(buckets, share):
    """As Prometheus does it: even inside a bucket."""
    total, below, before = buckets[-1][1], 0.0, 0
    for bound, n in buckets:
        if n >= share * total:
            return below if bound == float("inf") else below + (bound - below) * (share * total - before) / max(1, n - before)
        below, before = bound, n
    return below


def show_stale(house, what):
    _, buckets = metrics(house.server)
    if buckets and buckets[-1][1]:
        print(f"{what}: a reader could see a stale password for {1000 * quantile(buckets, 0.5):.0f} ms (p50), {1000 * quantile(buckets, 0.99):.0f} ms (p99), of {buckets[-1][1]} changes")


def measure_kind(kind, targets):
    """One row a number of lanes; bare and ours take turns."""
    for lanes, count in QUICK.get(kind, LANES).items():
        with fresh_folder() as folder:
            house = House(folder, lanes)
            try:
                systems = [house.take_on(target, count // max(1, lanes // 2)) for target in targets[:max(1, lanes // 2)]]
                house.change(systems)  # what only a first change does: host keys, which proof an account has
                bare, ours = [], []
                for _ in range(RUNS):
                    bare.append(run_bare(targets, lanes, count))
                    ours.append(measure_ours(house, systems, count))
                show_row(kind, lanes, count, bare, ours)
                show_stale(house, f"{kind:12} {lanes:5}")
                print(f"{kind:12} {lanes:5}: " + ", ".join(f"{what} {ms:.0f} ms" for what, ms in house.split().items()), flush=True)
                house.close()
            finally:
                house.server.kill()


def measure_followers(folder):
    """One account, and auto-logins at another Control Room that follow it."""
    runs = QUICK["controlroom"]
    with far_control_room(folder, max(runs.values())) as targets:
        for lanes, count in runs.items():
            with fresh_folder() as data:
                house = House(data, lanes)
                try:
                    used = targets[:max(1, lanes // 2)]
                    systems, turn = targets[0].follow(house.ps, house.server.controlroom(), used, count)
                    house.wait(systems, time.monotonic(), "push")
                    bare, ours = [], []
                    for _ in range(RUNS):
                        bare.append(run_bare(targets, lanes, count))
                        ours.append(measure_ours(house, systems, count, begin=lambda: turn(fresh_password()), kind="push"))
                    show_row("controlroom", lanes, count, bare, ours)
                    house.close()
                finally:
                    house.server.kill()


def show_row(kind, lanes, count, bare, ours):
    middle = Run(*(statistics.median(values) for values in zip(*ours)))
    ratios = [one.per_second / limit for one, limit in zip(ours, bare)]
    each_ms = lanes * 1000 / statistics.median(bare)
    bar = "rate : bare 0.8" if each_ms > 5 else "CPU 400 µs"
    print(f"{kind:12} {lanes:5} {count:9} {statistics.median(bare):11.2f} {each_ms:12.1f} {middle.per_second:11.2f} {statistics.median(ratios):12.2f} "
          f"{f'{min(ratios):.2f}-{max(ratios):.2f}':>12} {middle.ours_us:12.0f} {middle.connectors_us:14.0f}   {bar}", flush=True)


# -- many


def run_many(targets, has_trouble):
    """All accounts of all hosts; with 1 % on dead systems and 1 % on slow ones beside them. The healthy ones' time, first time."""
    per_host, trouble = ACCOUNTS // len(targets), max(1, ACCOUNTS // 100)
    with fresh_folder() as folder, Blackhole() as hole, SlowGate(targets[0].port, 0.15) as gate:
        house = House(folder, 8)
        try:
            healthy = [house.take_on(target, per_host) for target in targets]
            if has_trouble:
                for port in (hole.port, gate.port):
                    system = house.take_on(targets[0], 0, port)
                    for name in targets[0].names("s" if port == gate.port else "d", trouble):
                        ok(house.ps.post(f"/ManagedSystems/{system}/ManagedAccounts", {"AccountName": name, "Password": targets[0].first_password, "AutoManagementFlag": True}), 201)
                    ok(house.ps.post(f"/ManagedSystems/{system}/ManagedAccounts/Credentials/Change"), 204)  # first in the queue
            start = time.monotonic()
            house.queue(healthy)
            took = house.wait(healthy, start)
            show_stale(house, f"{'with trouble' if has_trouble else 'healthy only'} ")
            house.close()
            return took, per_host * len(targets)
        finally:
            house.server.kill()


def measure_many(targets):
    alone, n = run_many(targets, False)
    beside, _ = run_many(targets, True)
    trouble = max(1, ACCOUNTS // 100)
    print(f"\n{n} accounts on {len(targets)} hosts, 8 lanes, first change: {alone:.1f} s ({n / alone:.2f}/s); with {trouble} accounts on a dead system and {trouble} on a slow one "
          f"queued before them: {beside:.1f} s, {beside / alone:.2f} times as long", flush=True)


def main():
    warnings.simplefilter("ignore")  # of certificates that the test systems sign themselves
    before = os.getloadavg()[0]
    print(f"{'':12} {'lanes':>5} {'accounts':>9} {'bare/s':>11} {'bare ms each':>12} {'ours/s':>11} {'ours : bare':>12} {'(of the runs)':>12} {'our CPU µs':>12} {'connectors µs':>14}   bar")
    with fresh_folder() as folder:
        for kind, make in KINDS.items():
            if ONLY and kind not in ONLY:
                continue
            if not os.path.exists(os.path.join(os.path.dirname(KEYTURN), f"keyturn-connector-{kind}")):
                continue
            with make(os.path.join(folder, kind), HOSTS if kind == "ssh" else 4, max(ACCOUNTS // HOSTS, sum(QUICK.get(kind, LANES).values()))) as targets:
                measure_kind(kind, targets)
                if kind == "ssh" and ACCOUNTS:
                    measure_many(targets)
        if not ONLY or "controlroom" in ONLY:
            measure_followers(os.path.join(folder, "controlroom"))
    print(f"\nMedians of {RUNS} runs; ratios are medians of the runs' own. Our CPU: the server and its launcher, a change; connectors: their programs, a change.")
    show_circumstances(before)


if __name__ == "__main__":
    main()
