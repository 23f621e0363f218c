"""Whose turn it is in the queue, whose a queued change is, and what drops one (passwordsafe-api 8.4). One lane, so that the turns can be seen."""
import pytest
from clock_fixtures import jobs_of, set_due
from conftest import Managed, take_on_host
from store import rows_of
from support import Server, ok, wait_for


class House:
    def __init__(self, server, host):
        self.server, self.host = server, host
        self.ps, self.admin = server.passwordsafe(), server.controlroom()
        self.system = take_on_host(self.ps, host)

    def accounts(self, *names):
        """Fresh ones, known to the host by the passwords that the vault has; nothing of theirs is open."""
        made = [Managed(self.ps, self.host, name, system=self.system) for name in names]
        for account in made:
            self.host.set_password(account.name, account.first)
        self.idle()
        return made

    def idle(self):
        wait_for(lambda: not ok(self.admin.own("GET", "/jobs?state=open"))["items"], timeout=90)

    def engine(self, stopped):
        ok(self.admin.own("PUT", "/engine", {"stopped": stopped, "reason": "the order of turns"} if stopped else {"stopped": False}))

    def fall_due(self, accounts):
        for account in accounts:
            set_due(self.server, account.id, 0)
        wait_for(lambda: all(("schedule", "queued") in self.jobs(account) for account in accounts), timeout=20)

    def jobs(self, account):
        return jobs_of(self.server, account.id)

    def sent(self):
        """The accounts in the order in which their changes were sent."""
        return [row[0] for row in rows_of(self.server, "SELECT account_id FROM jobs WHERE kind = 'change' AND sent_at > 0 ORDER BY sent_at")]


@pytest.fixture
def house(host, tmp_path):
    server = Server(directory=str(tmp_path / "server"), options=["--lanes", "1"]).start()
    try:
        yield House(server, host)
    finally:
        server.stop(expect=None)
        server.close()


def test_who_asks_goes_before_the_schedule(house):
    accounts = house.accounts("u1", "u2", "u3", "u4", "u5")
    by_schedule, by_callers, joined = accounts[:2], accounts[2:4], accounts[4]
    house.engine(stopped=True)
    house.fall_due([*by_schedule, joined])
    for account in [*by_callers, joined]:
        assert account.change({"Queue": True}).status_code == 204
    assert house.jobs(joined) == [("caller", "queued")], "it is the caller's from then on"
    assert rows_of(house.server, "SELECT COUNT(*) FROM audit_rows WHERE what = 'account.change.intent' AND object_id = ?", (joined.id,)) == [(2,)]
    house.engine(stopped=False)
    house.idle()
    expected = {account.id for account in [*by_callers, joined]}, {account.id for account in by_schedule}
    assert (set(house.sent()[:3]), set(house.sent()[3:])) == expected


def test_asked_again_it_does_not_wait_for_its_retry(house):
    account = Managed(house.ps, house.host, "u6", system=take_on_host(house.ps, house.host, port=1))

    def refusals():
        return rows_of(house.server, "SELECT trigger_kind, refusals FROM jobs WHERE account_id = ? AND kind = 'change'", (account.id,))
    ok(house.admin.own("PUT", "/engine", {"retryMinutes": 60, "retries": 5}))
    set_due(house.server, account.id, 0)
    wait_for(lambda: refusals() == [("schedule", 1)], timeout=20)
    assert account.change({"Queue": True}).status_code == 204
    wait_for(lambda: refusals() == [("caller", 2)], timeout=20)


def test_auto_management_that_ends_drops_what_the_server_had_queued(house):
    own, asked, joined = house.accounts("u1", "u2", "u3")
    house.engine(stopped=True)
    house.fall_due([own, joined])
    for account in (asked, joined):
        assert account.change({"Queue": True}).status_code == 204
    for account in (own, asked, joined):
        ok(house.ps.put(f"/ManagedAccounts/{account.id}", {"AutoManagementFlag": False}))
    assert [house.jobs(account) for account in (own, asked, joined)] == [[("schedule", "dropped")], [("caller", "queued")], [("caller", "queued")]]
    house.engine(stopped=False)
    house.idle()
    assert own.password() == own.first and house.host.can_login("u1", own.first)
    for account in (asked, joined):
        assert account.password() != account.first and house.host.can_login(account.name, account.password())


def test_an_account_that_goes_takes_its_queued_change_along(house):
    account = house.accounts("u4")[0]
    house.engine(stopped=True)
    assert account.change({"Queue": True}).status_code == 204
    assert house.ps.delete(f"/ManagedAccounts/{account.id}").status_code == 200
    assert house.jobs(account) == [("caller", "dropped")]
    house.engine(stopped=False)
    house.idle()
    assert house.host.can_login("u4", account.first)
