"""bench/bench.py: what a request costs, as ratios to limits measured in the same run. Started by script/bench.

A few short cells, repeated, each time on a fresh server with a fresh store; the medians are printed. These are no timed tests:
nothing passes or fails by a number. A wrong answer, or a lost one, ends the run."""
import collections
import datetime
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

TOP = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..")
sys.path.insert(0, os.path.join(TOP, "tests"))
from support import Server, ok  # noqa: E402

KEYTURN, BARE = os.path.join(TOP, "build/keyturn"), os.path.join(TOP, "build/bare")
RUNS, SECONDS = 3, 3
CREDENTIALS = "/v2/credentialvault/credentials"
ATTRIBUTES = [{"name": "username", "userProvided": False}, {"name": "password", "userProvided": False, "masked": True, "passwordFlag": True}]
SECRET = "Tr0ub4dor&3 of the bench"
# Creates come first: on an empty store, as the bare ones, and right after them.
CELLS = [("create", 64), ("create", 1), ("hello", 1), ("hello", 64), ("reveal one value", 1), ("reveal one value", 64), ("log-in", 1), ("log-in", 4)]
BARE_GROUPS = [64, 1]
ORDER = [("hello", 1), ("hello", 64), ("reveal one value", 1), ("reveal one value", 64), ("create", 1), ("create", 64), ("bare", 1), ("bare", 64),
         ("log-in", 1), ("log-in", 4)]

Cell = collections.namedtuple("Cell", "per_second cpu_us")


def check_statements():
    """bare.c runs what the server runs, as long as the server's program holds the same texts."""
    program = open(KEYTURN, "rb").read()
    for text in subprocess.run([BARE, "--statements"], check=True, capture_output=True).stdout.splitlines():
        if text + b"\0" not in program:
            raise SystemExit("bench/bare.c is behind: the server no longer runs: " + text.decode())


def cpu_seconds(pid):
    fields = open(f"/proc/{pid}/stat").read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def cpu_when_idle(pid):
    """Requests that wrk has left behind are still worked off, and count."""
    now = cpu_seconds(pid)
    for _ in range(30):
        time.sleep(0.3)
        before, now = now, cpu_seconds(pid)
        if now - before <= 0.01:
            return now
    raise SystemExit("the server does not come to rest")


def wrk(server, connections, request):
    method, path, body, token = request
    environment = {"PATH": os.environ["PATH"], "BENCH_METHOD": method, "BENCH_PATH": path}
    if body is not None:
        environment["BENCH_BODY"] = json.dumps(body)
    if token:
        environment["BENCH_TOKEN"] = token
    before = cpu_when_idle(server.process.pid)
    done = subprocess.run(["wrk", "-t1", f"-c{connections}", f"-d{SECONDS}s", "--timeout", "20s", "-s", os.path.join(TOP, "bench/load.lua"), server.url],
                          env=environment, capture_output=True, text=True, timeout=60)
    cpu = cpu_when_idle(server.process.pid) - before
    found = [line.split() for line in done.stdout.splitlines() if line.startswith("done ")]
    if done.returncode or not found:
        raise SystemExit("wrk failed: " + done.stdout + done.stderr)
    requests, duration_us, errors = map(int, found[0][1:])
    if errors or not requests:
        raise SystemExit(f"{method} {path}: {requests} answers, {errors} errors\n{done.stdout}{server.log_text()[-2000:]}")
    # Each connection had one more under way when wrk stopped.
    return Cell(requests * 1e6 / duration_us, cpu * 1e6 / (requests + connections))


def prepare(server):
    """What each kind of cell sends; everything is asked once before, and the answer looked at."""
    admin = server.controlroom()
    credential = ok(admin.post(CREDENTIALS, {"name": "Reveal", "attributes": ATTRIBUTES}), 201)
    attribute = credential["attributes"][1]["id"]
    values = f"{CREDENTIALS}/{credential['id']}/attributevalues"
    ok(admin.post(values, {"list": [{"credentialAttributeId": attribute, "value": SECRET}]}))
    one_value = f"{values}?credentialAttributeId={attribute}"
    revealed = ok(admin.get(one_value))["list"]
    if [one["value"] for one in revealed] != [SECRET]:
        raise SystemExit("the value is not revealed")
    ok(admin.get("/api/v1/health/live"))
    return {"hello": lambda connections: ("GET", "/api/v1/health/live", None, None),
            "reveal one value": lambda connections: ("GET", one_value, None, admin.token),
            "create": lambda connections: ("POST", CREDENTIALS, {"name": f"Create <number> at {connections}", "attributes": ATTRIBUTES}, admin.token),
            "log-in": lambda connections: ("POST", "/v2/authentication", {"username": "admin", "password": server.password}, None)}


def run_server(folder, found):
    server = Server(directory=folder, program=KEYTURN)
    try:
        server.start()
        requests = prepare(server)
        for kind, connections in CELLS:
            found[kind, connections].append(wrk(server, connections, requests[kind](connections)))
        server.stop()
        intact = server.audit_is_intact()
        if intact.returncode:
            raise SystemExit("the audit does not verify: " + intact.stdout + intact.stderr)
    finally:
        server.kill()


def run_bare(folder, found):
    store = Server(directory=folder, program=KEYTURN).data
    done = subprocess.run([BARE, store, str(SECONDS)] + [str(group) for group in BARE_GROUPS], check=True, capture_output=True, text=True, timeout=60)
    for line in done.stdout.splitlines():
        group, creates, seconds, cpu = map(float, line.split())
        found["bare", int(group)].append(Cell(creates / seconds, cpu * 1e6 / creates))


def in_fresh_folder(run, found):
    folder = tempfile.mkdtemp(prefix="bench-", dir=os.path.join(TOP, "build"))
    try:
        run(folder, found)
    finally:
        shutil.rmtree(folder)


def median(cells):
    return Cell(*(statistics.median(values) for values in zip(*cells)))


def median_ratio(found, key, other, field):
    """Of the runs' own ratios: what the machine does besides changes from run to run."""
    return statistics.median(getattr(one, field) / getattr(limit, field) for one, limit in zip(found[key], found[other]))


def show(found):
    print(f"{'':18} {'at':>3} {'requests/s':>11} {'(of the runs)':>17} {'CPU µs each':>12} {'CPU : hello':>12} {'rate : bare':>12}")
    for kind, n in ORDER:
        cells = found[kind, n]
        middle, rates = median(cells), [one.per_second for one in cells]
        to_hello = "" if kind == "bare" else f"{median_ratio(found, (kind, n), ('hello', 1 if n == 1 else 64), 'cpu_us'):.2f}"
        to_bare = f"{median_ratio(found, (kind, n), ('bare', n), 'per_second'):.2f}" if kind == "create" else ""
        print(f"{kind:18} {n:3} {middle.per_second:11.1f} {f'{min(rates):.0f}-{max(rates):.0f}':>17} {middle.cpu_us:12.1f} {to_hello:>12} {to_bare:>12}")


def output_of(*command):
    done = subprocess.run(command, cwd=TOP, capture_output=True, text=True)
    return done.stdout.strip() if done.returncode == 0 else ""


def show_circumstances(load):
    model = next((line.split(":", 1)[1].strip() for line in open("/proc/cpuinfo") if line.startswith("model name")), os.uname().machine)
    print(f"\nMedians of {RUNS} runs of {SECONDS} s. CPU is the server's user and system time; hello at the same number of connections (log-in at 4: hello at 64).")
    print("bare: the statements of a create, run by SQLite alone, in groups of as many, a savepoint each; its CPU is the program's.")
    print(f"{datetime.datetime.now().astimezone().isoformat(timespec='seconds')}, {os.cpu_count()} × {model}, {output_of('findmnt', '-no', 'FSTYPE', '-T', 'build')}, "
          f"load before {load:.1f}, commit {output_of('git', 'describe', '--always', '--dirty') or 'none'}")


def main():
    load = os.getloadavg()[0]
    check_statements()
    found = collections.defaultdict(list)
    for number in range(RUNS):
        print(f"run {number + 1} of {RUNS} ...", file=sys.stderr, flush=True)
        in_fresh_folder(run_bare, found)
        in_fresh_folder(run_server, found)
    show(found)
    show_circumstances(load)


if __name__ == "__main__":
    main()
