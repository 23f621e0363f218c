"""tests/rotation/test_stale_password.py: how long readers still got the old password, as GET /api/v1/metrics tells it."""
import re

import requests
from conftest import Managed
from support import ok, wait_for

BOUNDS = [0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 60, float("inf")]


def stale(server):
    """The buckets, the sum and the count."""
    text = requests.get(server.url + "/api/v1/metrics", timeout=30).text
    assert "# TYPE keyturn_stale_read_seconds histogram\n" in text
    buckets = [(float(bound), int(n)) for bound, n in re.findall(r'^keyturn_stale_read_seconds_bucket{le="(\S+)"} (\d+)$', text, re.M)]
    total, count = (re.search(rf"^keyturn_stale_read_seconds_{what} (\S+)$", text, re.M).group(1) for what in ("sum", "count"))
    return buckets, float(total), int(count)


def test_only_a_proved_change_is_counted_and_every_bucket_holds_those_before_it(server, ps, host):
    buckets, total, count = stale(server)
    assert [bound for bound, _ in buckets] == BOUNDS
    account = Managed(ps, host, "u7")
    # Stored only: nothing was ever stale on a target.
    assert account.put({"Password": "Stored-Only-1!", "UpdateSystem": False}).status_code == 204
    assert stale(server)[2] == count
    # Refused by the host: the old one is the live one.
    nobody = Managed(ps, host, "nobodyhere", password="x", system=account.system_id)
    assert "does not know the account" in nobody.put({"Password": "For-Nobody-1!"}).text
    assert stale(server)[2] == count
    assert account.put({"Password": "Changed-For-Good-1!"}).status_code == 204
    after, after_total, after_count = wait_for(lambda: stale(server)[2] == count + 1 and stale(server))
    assert after[-1][1] == after_count == count + 1
    took = after_total - total
    assert 0 < took < 60
    grown = [bound for (bound, n), (_, before) in zip(after, buckets) if n > before]
    assert grown == [bound for bound in BOUNDS if bound >= took - 1e-6]
    assert [n for _, n in after] == sorted(n for _, n in after)
    assert ok(ps.get(f"/ManagedAccounts/{account.id}"))["ChangeState"] == 0
