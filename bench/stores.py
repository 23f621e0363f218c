"""bench/stores.py: the table of bench.py for both stores in one run, and what a second server adds on one PostgreSQL. Started by
`script/bench stores`. PostgreSQL is Debian's, on 127.0.0.1, with fsync, on the same file system as SQLite's files."""
import collections
import os
import pathlib
import sys

from measure import KEYTURN, SECONDS, Server, check_audit, check_statements, fresh_folder, load, median, median_ratio, metrics, prepare, run_bare, show_circumstances, span
from failover import join
from postgresql_store import PostgresStore

RUNS = int(os.environ.get("BENCH_RUNS", "3"))
STORES = ["sqlite", "postgresql"]
CELLS = [("create", 64), ("create", 1), ("hello", 64), ("reveal one value", 1), ("reveal one value", 64), ("log-in", 1)]
BARE_GROUPS = [64, 1]
ORDER = [("hello", 64), ("reveal one value", 1), ("reveal one value", 64), ("create", 1), ("create", 64), ("bare", 1), ("bare", 64), ("log-in", 1)]
SCALED = ["reveal one value", "create"]
CONNECTIONS = 64

Losses = collections.namedtuple("Losses", "commits losses collisions works")


def run_cells(server, store, found, pids=()):
    requests = prepare(server)
    for kind, connections in CELLS:
        found[store, kind, connections].append(load([(server, connections, requests[kind](connections))], pids))


def run_sqlite(found):
    with fresh_folder() as folder:
        for group, cell in run_bare("sqlite", Server(directory=folder, program=KEYTURN).data, BARE_GROUPS):
            found["sqlite", "bare", group].append(cell)
    with fresh_folder() as folder:
        server = Server(directory=folder, program=KEYTURN)
        try:
            run_cells(server.start(), "sqlite", found)
            server.stop()
            check_audit(server)
        finally:
            server.kill()


def run_postgresql(database, folder, number, found):
    bare = database.create_database(f"bare{number}")
    Server(directory=os.path.join(folder, f"bare{number}"), program=KEYTURN, store=bare)
    for group, cell in run_bare("postgresql", "BENCH_STORE", BARE_GROUPS, {"BENCH_STORE": bare}):
        found["postgresql", "bare", group].append(cell)
    server = Server(directory=os.path.join(folder, f"one{number}"), program=KEYTURN, store=database.create_database(f"one{number}"))
    try:
        run_cells(server.start(), "postgresql", found, database.processes())
        server.stop()
        check_audit(server)
    finally:
        server.kill()


def losses_of(servers):
    sums = collections.Counter()
    for server in servers:
        sums.update(metrics(server)[0])
    return Losses(*(int(sums[name]) for name in ("commits_total", "commit_losses_total", "commit_collisions_total", "works_total")))


def run_scaled(database, folder, number, found, lost):
    """The same load on one server, then split over two: as many connections in all."""
    a = Server(directory=os.path.join(folder, f"two{number}"), program=KEYTURN, store=database.create_database(f"two{number}"), options=["--server", "a"])
    servers = [a, join(a, "b")]
    try:
        requests = [prepare(server.start()) for server in servers]
        for kind in SCALED:
            for count in (1, 2):
                loads = [(server, CONNECTIONS // count, one[kind](f"{CONNECTIONS} {count}")) for server, one in zip(servers[:count], requests)]
                before = losses_of(servers)
                found["scaled", kind, count].append(load(loads, database.processes()))
                lost[kind, count].append(Losses(*(now - then for now, then in zip(losses_of(servers), before))))
        for server in servers:
            server.stop()
        check_audit(a)
    finally:
        for server in servers:
            server.close()


def show_cells(found):
    print(f"{'store':11} {'':17} {'at':>3} {'requests/s':>11} {'(of the runs)':>15} {'CPU µs each':>12} {'of the store':>13} {'CPU : hello':>12} {'rate : bare':>12}"
          f" {'rate : SQLite':>14}")
    for store in STORES:
        for kind, n in ORDER:
            cells = found[store, kind, n]
            middle = median(cells)
            to_hello = "" if kind == "bare" else f"{median_ratio(cells, found[store, 'hello', CONNECTIONS], 'cpu_us'):.2f}"
            to_bare = f"{median_ratio(cells, found[store, 'bare', n], 'per_second'):.2f}" if kind == "create" else ""
            to_sqlite = f"{median_ratio(cells, found['sqlite', kind, n], 'per_second'):.2f}" if store != "sqlite" else ""
            of_store = f"{middle.store_us:.1f}" if store != "sqlite" and kind != "bare" else ""
            print(f"{store:11} {kind:17} {n:3} {middle.per_second:11.1f} {span([one.per_second for one in cells]):>15} {middle.cpu_us:12.1f} {of_store:>13} {to_hello:>12}"
                  f" {to_bare:>12} {to_sqlite:>14}")


def show_scaled(found, lost):
    print(f"\n{CONNECTIONS} connections in all, on one PostgreSQL:")
    print(f"{'':17} {'servers':>7} {'requests/s':>11} {'(of the runs)':>15} {'rate : one':>11} {'CPU µs each':>12} {'of the store':>13} {'groups':>7} {'lost':>5} {'collided':>9}"
          f" {'of the groups':>14}")
    for kind in SCALED:
        for count in (1, 2):
            cells, one = found["scaled", kind, count], found["scaled", kind, 1]
            middle, losses = median(cells), Losses(*map(sum, zip(*lost[kind, count])))
            print(f"{kind:17} {count:7} {middle.per_second:11.1f} {span([c.per_second for c in cells]):>15} {median_ratio(cells, one, 'per_second'):11.2f} {middle.cpu_us:12.1f}"
                  f" {middle.store_us:13.1f} {losses.commits:7} {losses.losses:5} {losses.collisions:9} {100 * losses.collisions / max(1, losses.commits):12.1f} %")


def show(found, lost):
    show_cells(found)
    show_scaled(found, lost)
    print(f"\nMedians of {RUNS} runs of {SECONDS} s; ratios are medians of the runs' own. CPU: the servers' user and system time; of the store: that of all of PostgreSQL's processes.")
    print("bare: the statements of a create, run by the store's own client alone, in groups of as many, a savepoint each; its CPU is that program's, without PostgreSQL's.")
    print("lost: groups that did not commit and were run again one by one; collided: of these, for another server's changes (40001, 40P01, 55P03).")


def main():
    before = os.getloadavg()[0]
    check_statements()
    found, lost = collections.defaultdict(list), collections.defaultdict(list)
    with fresh_folder() as folder, PostgresStore(pathlib.Path(folder) / "postgresql") as database:
        for number in range(RUNS):
            print(f"run {number + 1} of {RUNS} ...", file=sys.stderr, flush=True)
            run_sqlite(found)
            run_postgresql(database, folder, number, found)
            run_scaled(database, folder, number, found, lost)
    show(found, lost)
    show_circumstances(before)


if __name__ == "__main__":
    main()
