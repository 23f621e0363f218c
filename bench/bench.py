"""bench/bench.py: what a request costs, as ratios to limits measured in the same run. Started by script/bench.

A few short cells, repeated, each time on a fresh server with a fresh store; the medians are printed."""
import collections
import os
import sys

from measure import KEYTURN, SECONDS, Server, check_audit, check_statements, fresh_folder, load, median, median_ratio, prepare, run_bare, show_circumstances, span

RUNS = 3
# Creates come first: on an empty store, as the bare ones, and right after them.
CELLS = [("create", 64), ("create", 1), ("hello", 1), ("hello", 64), ("reveal one value", 1), ("reveal one value", 64), ("log-in", 1), ("log-in", 4)]
BARE_GROUPS = [64, 1]
ORDER = [("hello", 1), ("hello", 64), ("reveal one value", 1), ("reveal one value", 64), ("create", 1), ("create", 64), ("bare", 1), ("bare", 64),
         ("log-in", 1), ("log-in", 4)]


def run_server(folder, found):
    server = Server(directory=folder, program=KEYTURN)
    try:
        server.start()
        requests = prepare(server)
        for kind, connections in CELLS:
            found[kind, connections].append(load([(server, connections, requests[kind](connections))]))
        server.stop()
        check_audit(server)
    finally:
        server.kill()


def run_once(found):
    with fresh_folder() as folder:
        for group, cell in run_bare("sqlite", Server(directory=folder, program=KEYTURN).data, BARE_GROUPS):
            found["bare", group].append(cell)
    with fresh_folder() as folder:
        run_server(folder, found)


def show(found):
    print(f"{'':18} {'at':>3} {'requests/s':>11} {'(of the runs)':>17} {'CPU µs each':>12} {'CPU : hello':>12} {'rate : bare':>12}")
    for kind, n in ORDER:
        cells = found[kind, n]
        middle, rates = median(cells), [one.per_second for one in cells]
        to_hello = "" if kind == "bare" else f"{median_ratio(cells, found['hello', 1 if n == 1 else 64], 'cpu_us'):.2f}"
        to_bare = f"{median_ratio(cells, found['bare', n], 'per_second'):.2f}" if kind == "create" else ""
        print(f"{kind:18} {n:3} {middle.per_second:11.1f} {span(rates):>17} {middle.cpu_us:12.1f} {to_hello:>12} {to_bare:>12}")
    print(f"\nMedians of {RUNS} runs of {SECONDS} s. CPU is the server's user and system time; hello at the same number of connections (log-in at 4: hello at 64).")
    print("bare: the statements of a create, run by SQLite alone, in groups of as many, a savepoint each; its CPU is the program's.")


def main():
    before = os.getloadavg()[0]
    check_statements()
    found = collections.defaultdict(list)
    for number in range(RUNS):
        print(f"run {number + 1} of {RUNS} ...", file=sys.stderr, flush=True)
        run_once(found)
    show(found)
    show_circumstances(before)


if __name__ == "__main__":
    main()
