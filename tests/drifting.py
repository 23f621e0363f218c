"""tests/drifting.py: a host on which somebody else sets another password while a change is under way, and what is asked about it."""
import contextlib

from conftest import Managed, take_on_host
from support import ok, wait_for

OPEN = ("queued", "prepared", "applying", "verifying", "resolving")
# Whatever is sent: the account gets what stands in /etc/drift, and no answer comes; with /etc/refuse it is refused;
# it takes as long as stands in /etc/slow, and /etc/begun is there from then on.
SETUP = r"""
mv /usr/sbin/chpasswd /usr/sbin/chpasswd.real
cat >/usr/sbin/chpasswd <<'PROGRAM'
#!/bin/sh
input=$(cat)
if [ -z "$input" ]; then exec /usr/sbin/chpasswd.real "$@" </dev/null; fi
if [ -e /etc/refuse ]; then refuses=yes; fi
if [ -e /etc/slow ]; then touch /etc/begun; sleep "$(cat /etc/slow)"; fi
if [ "$refuses" ]; then echo 'chpasswd: cannot lock: refused by the test' >&2; exit 1; fi
if [ -s /etc/drift ]; then /usr/sbin/chpasswd.real </etc/drift; fi
if [ -e /etc/drift ]; then exec sleep 30; fi
if [ -e /etc/late ]; then sleep 1; fi
printf '%s\n' "$input" | /usr/sbin/chpasswd.real "$@"
PROGRAM
chmod 755 /usr/sbin/chpasswd
"""


@contextlib.contextmanager
def told(host, what, text=""):
    host.run(["tee", f"/etc/{what}"], input=text)
    try:
        yield
    finally:
        host.run(f"rm -f /etc/{what}")


def account_on(ps, host, name="u1", timeout=2, **more):
    account = Managed(ps, host, name, system=take_on_host(ps, host, Timeout=timeout), auto=more.pop("auto", False), **more)
    host.set_password(name, account.first)
    return account


def state_of(admin, account):
    return ok(admin.own("GET", f"/managed-accounts/{account.id}/state"))


def job_of(admin, account):
    return ok(admin.own("GET", f"/jobs?kind=change&accountId={account.id}"))["items"][0]


def settled(admin, account, timeout=90):
    wait_for(lambda: job_of(admin, account)["state"] not in OPEN, timeout=timeout)
    return job_of(admin, account)


def into_drift(admin, account, other="Somebody-else-1!", candidate="Candidate-1!"):
    """The account's job, in drift: `other` is live, and in no version."""
    with told(account.host, "drift", f"{account.name}:{other}\n"):
        answer = account.put({"Password": candidate})
        job = settled(admin, account)
    assert job["state"] == "drift" and answer.status_code in (400, 409), (job, answer.text)
    assert account.host.has_password(account.name, other)
    return job


def versions(admin, account):
    return {row["version"]: row for row in state_of(admin, account)["versions"]}
