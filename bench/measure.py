"""bench/measure.py: loads, CPU and medians, for every bench. These are no timed tests: nothing passes or fails by a number.
A wrong answer, or a lost one, ends the run."""
import collections
import contextlib
import datetime
import json
import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

import requests

TOP = os.path.abspath(os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
BUILD = os.environ.setdefault("KEYTURN_BUILD", os.path.join(TOP, "build"))
sys.path[:0] = [os.path.join(TOP, folder) for folder in ("tests", "tests/targets", "tests/rotation")]
from support import Server, ok  # noqa: E402

KEYTURN, BARE = os.path.join(BUILD, "keyturn"), os.path.join(BUILD, "bare")
SECONDS = int(os.environ.get("BENCH_SECONDS", "3"))
CREDENTIALS = "/v2/credentialvault/credentials"
ATTRIBUTES = [{"name": "username", "userProvided": False}, {"name": "password", "userProvided": False, "masked": True, "passwordFlag": True}]
SECRET = "Tr0ub4dor&3 of the bench"

Cell = collections.namedtuple("Cell", "per_second cpu_us store_us", defaults=[0.0])


def check_statements():
    """bare.c runs what the server runs, as long as the server's program holds the same texts."""
    program = open(KEYTURN, "rb").read()
    for text in subprocess.run([BARE, "--statements"], check=True, capture_output=True).stdout.splitlines():
        if text + b"\0" not in program:
            raise SystemExit("bench/bare.c is behind: the server no longer runs: " + text.decode())


def cpu_seconds(pids):
    """What these processes have used, with their children that have ended; one that is gone counts nothing."""
    ticks = 0
    for pid in pids:
        with contextlib.suppress(OSError):
            ticks += sum(map(int, open(f"/proc/{pid}/stat").read().rsplit(")", 1)[1].split()[11:15]))
    return ticks / os.sysconf("SC_CLK_TCK")


def cpu_when_idle(pids):
    """Requests that wrk has left behind are still worked off, and count."""
    now = cpu_seconds(pids)
    for _ in range(30):
        time.sleep(0.3)
        before, now = now, cpu_seconds(pids)
        if now - before <= 0.01 * len(pids):
            return now
    raise SystemExit("the server does not come to rest")


def start_wrk(server, connections, request):
    method, path, body, token = request
    environment = {"PATH": os.environ["PATH"], "BENCH_METHOD": method, "BENCH_PATH": path}
    if body is not None:
        environment["BENCH_BODY"] = json.dumps(body)
    if token:
        environment["BENCH_TOKEN"] = token
    return subprocess.Popen(["wrk", "-t1", f"-c{connections}", f"-d{SECONDS}s", "--timeout", "20s", "-s", os.path.join(TOP, "bench/load.lua"), server.url],
                            env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def read_wrk(process, server, what):
    """Its requests, and how long they took."""
    said = process.communicate(timeout=60)[0]
    found = [line.split() for line in said.splitlines() if line.startswith("done ")]
    if process.returncode or not found:
        raise SystemExit("wrk failed: " + said)
    requests_done, duration_us, errors = map(int, found[0][1:])
    if errors or not requests_done:
        raise SystemExit(f"{what}: {requests_done} answers, {errors} errors\n{said}{server.log_text()[-2000:]}")
    return requests_done, duration_us / 1e6


def load(loads, store_pids=()):
    """Put a load on one server or several at the same time: (server, connections, request). One cell for all together."""
    pids = [server.process.pid for server, _, _ in loads]
    cpu, store_cpu = cpu_when_idle(pids), cpu_seconds(store_pids)
    running = [(start_wrk(*one), one) for one in loads]
    done = [read_wrk(process, server, request[:2]) for process, (server, _, request) in running]
    cpu, store_cpu = cpu_when_idle(pids) - cpu, cpu_seconds(store_pids) - store_cpu
    # Each connection had one more under way when wrk stopped.
    n = sum(one[0] for one in done) + sum(connections for _, connections, _ in loads)
    return Cell(sum(n / seconds for n, seconds in done), cpu * 1e6 / n, store_cpu * 1e6 / n)


def prepare(server):
    """What each kind of cell sends; everything is asked once before, and the answer looked at."""
    admin = server.controlroom()
    credential = ok(admin.post(CREDENTIALS, {"name": f"Reveal {os.urandom(6).hex()}", "attributes": ATTRIBUTES}), 201)
    attribute = credential["attributes"][1]["id"]
    values = f"{CREDENTIALS}/{credential['id']}/attributevalues"
    ok(admin.post(values, {"list": [{"credentialAttributeId": attribute, "value": SECRET}]}))
    one_value = f"{values}?credentialAttributeId={attribute}"
    revealed = ok(admin.get(one_value))["list"]
    if [one["value"] for one in revealed] != [SECRET]:
        raise SystemExit("the value is not revealed")
    ok(admin.get("/api/v1/health/live"))
    name = os.urandom(6).hex()
    return {"hello": lambda connections: ("GET", "/api/v1/health/live", None, None),
            "reveal one value": lambda connections: ("GET", one_value, None, admin.token),
            "create": lambda connections: ("POST", CREDENTIALS, {"name": f"Create <number> at {connections} {name}", "attributes": ATTRIBUTES}, admin.token),
            "log-in": lambda connections: ("POST", "/v2/authentication", {"username": "admin", "password": server.password}, None)}


def check_audit(server):
    intact = server.audit_is_intact()
    if intact.returncode:
        raise SystemExit("the audit does not verify: " + intact.stdout + intact.stderr)


def metrics(server):
    """All plain numbers of GET /api/v1/metrics, and the buckets of the stale-password histogram by their bound."""
    text = requests.get(server.url + "/api/v1/metrics", timeout=30).text
    numbers = {name: float(value) for name, value in re.findall(r"^keyturn_(\w+) (\S+)$", text, re.M)}
    buckets = [(float(bound), int(n)) for bound, n in re.findall(r'^keyturn_stale_read_seconds_bucket{le="(\S+)"} (\d+)$', text, re.M)]
    return numbers, buckets


def run_bare(store, place, groups, environment=None):
    done = subprocess.run([BARE, store, place, str(SECONDS)] + [str(group) for group in groups], check=True, capture_output=True, text=True, timeout=60,
                          env=dict(os.environ, **(environment or {})))
    for line in done.stdout.splitlines():
        group, creates, seconds, cpu = map(float, line.split())
        yield int(group), Cell(creates / seconds, cpu * 1e6 / creates)


@contextlib.contextmanager
def fresh_folder():
    folder = tempfile.mkdtemp(prefix="bench-", dir=BUILD)
    os.chmod(folder, 0o711)  # PostgreSQL runs as its own user
    try:
        yield folder
    finally:
        shutil.rmtree(folder)


def median(cells):
    return Cell(*(statistics.median(values) for values in zip(*cells)))


def median_ratio(some, others, field):
    """Of the runs' own ratios: what the machine does besides changes from run to run."""
    return statistics.median(getattr(one, field) / getattr(limit, field) for one, limit in zip(some, others))


def span(values):
    return f"{min(values):.0f}-{max(values):.0f}"


def output_of(*command):
    done = subprocess.run(command, cwd=TOP, capture_output=True, text=True)
    return done.stdout.strip() if done.returncode == 0 else ""


def show_circumstances(load_before):
    model = next((line.split(":", 1)[1].strip() for line in open("/proc/cpuinfo") if line.startswith("model name")), os.uname().machine)
    print(f"{datetime.datetime.now().astimezone().isoformat(timespec='seconds')}, {os.cpu_count()} × {model}, {output_of('findmnt', '-no', 'FSTYPE', '-T', BUILD)}, "
          f"load before {load_before:.1f}, after {os.getloadavg()[0]:.1f}, commit {output_of('git', 'describe', '--always', '--dirty') or 'none'}")
