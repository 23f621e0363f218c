"""tests/api/test_passwordsafe_approvals.py: approving requests, and what their end starts (passwordsafe-api 7.4, 8.2)."""
import pytest
from passwordsafe_people import AM, APPROVER, BOTH, REQUESTOR, WRITE, People, ask, body_for, checkin, mine, refused, statement
from support import ok, wait_for


@pytest.fixture(scope="module")
def people(server):
    return People(server)


@pytest.fixture(scope="module")
def system(people):
    return people.system()


@pytest.fixture
def account(people, system):
    return people.account(system, MaxConcurrentRequests=0)


# -- approval

@pytest.fixture
def guarded(people, account):
    """(account, requestor, approver) under a policy that wants one approver."""
    rule, wants = people.rule(account), people.policy_with(approvers=1)
    return account, people.holder(rule, REQUESTOR, policy=wants), people.holder(rule, APPROVER, policy=0), rule, wants


def test_approve(people, guarded):
    account, requestor, approver, *_ = guarded
    number = ask(requestor, account)
    refused(requestor.get(f"/Credentials/{number}"), 403, "4034")
    row = ok(requestor.get("/Requests?status=pending"))[0]
    assert (row["RequestID"], row["Status"], row["ApprovedDate"]) == (number, "Pending", None)
    assert mine(requestor, "?status=active") == [] and mine(approver, "?queue=app&status=pending") == [number]
    assert ask(requestor, account, 409) == "4091" and ask(requestor, account, 200, ConflictOption="reuse") == number
    assert people.boss.put(f"/Requests/{number}/RotateOnCheckin").status_code == 403
    answer = approver.put(f"/Requests/{number}/Approve", {"Reason": "ok"})
    assert (answer.status_code, answer.content) == (204, b"")
    assert requestor.get(f"/Credentials/{number}").text == '"Initial-1"'
    assert ok(requestor.get("/Requests"))[0]["Status"] == "Active"
    refused(approver.put(f"/Requests/{number}/Approve"), 400)  # not pending any more
    refused(approver.put(f"/Requests/{number}/Deny"), 400)
    refused(approver.get(f"/Credentials/{number}"), 403, "4031")


def test_deny(people, guarded):
    account, requestor, approver, *_ = guarded
    number = ask(requestor, account)
    answer = approver.put(f"/Requests/{number}/Deny", {"Reason": "not today"})
    assert (answer.status_code, answer.content) == (204, b"")
    refused(requestor.get(f"/Credentials/{number}"), 404)
    assert mine(requestor) == [] and mine(approver, "?queue=app") == []
    refused(approver.put(f"/Requests/{number}/Approve"), 400)
    assert ask(requestor, account)


def test_nobody_decides_his_own(people, guarded):
    account, _, approver, rule, wants = guarded
    both = people.holder(rule, BOTH, policy=wants)
    number = ask(both, account)
    for verb in ("Approve", "Deny"):
        refused(both.put(f"/Requests/{number}/{verb}"), 403, "4031")
    assert number not in mine(both, "?queue=app")
    refused(both.get(f"/Credentials/{number}"), 403, "4034")
    boss_group = people.group()
    people.give_role(boss_group, rule, [REQUESTOR], wants)
    admin = people.client(people.user(groups=[1, boss_group])["UserName"])
    checkin(both, number)
    number = ask(admin, account)
    refused(admin.get(f"/Credentials/{number}"), 403, "4034")
    for verb in ("Approve", "Deny"):
        refused(admin.put(f"/Requests/{number}/{verb}"), 403, "4031")  # Administrators, too
    assert approver.put(f"/Requests/{number}/Approve").status_code == 204


def test_who_may_decide(people, guarded, system):
    account, requestor, approver, rule, wants = guarded
    elsewhere = people.holder(people.rule(people.account(system)), APPROVER)
    number = ask(requestor, account)
    other_requestor = people.holder(rule, REQUESTOR, policy=wants)
    for verb in ("Approve", "Deny"):
        refused(other_requestor.put(f"/Requests/{number}/{verb}"), 403, "4033")  # 3.2: for approvers only
        refused(elsewhere.put(f"/Requests/{number}/{verb}"), 403, "4031")
        refused(people.person({AM: WRITE}).put(f"/Requests/{number}/{verb}"), 403, "4031")
        refused(people.person().put(f"/Requests/987654/{verb}"), 403, "4031")
    people.leave(approver.id, approver.group)
    people.join(approver.id, people.group())
    refused(approver.put(f"/Requests/{number}/Approve"), 403, "4031")
    assert people.boss.put(f"/Requests/{number}/Approve").status_code == 204


def test_two_approvals(people, account):
    rule, wants = people.rule(account), people.policy_with(approvers=2)
    requestor = people.holder(rule, REQUESTOR, policy=wants)
    first, second = (people.holder(rule, APPROVER, policy=0) for _ in range(2))
    number = ask(requestor, account)
    for _ in range(2):  # one person twice is one approval
        assert first.put(f"/Requests/{number}/Approve").status_code == 204
    refused(requestor.get(f"/Credentials/{number}"), 403, "4034")
    assert second.put(f"/Requests/{number}/Approve").status_code == 204
    assert requestor.get(f"/Credentials/{number}").status_code == 200


def test_not_enough_approvers(people, account):
    requestor = people.holder(people.rule(account), REQUESTOR, policy=people.policy_with(approvers=50))
    assert ask(requestor, account, 403) == "4035"


def test_a_policy_that_wants_a_reason(people, account):
    requestor = people.holder(people.rule(account), REQUESTOR, policy=people.policy_with(reason=True))
    for reason in (None, "", "  "):
        assert "Reason" in ask(requestor, account, 400, Reason=reason)
    assert ask(requestor, account, Reason="because")


def test_queues(people, guarded):
    account, requestor, approver, *_ = guarded
    refused(approver.get("/Requests?queue=req"), 403, "4033")
    refused(requestor.get("/Requests?queue=app"), 403, "4032")
    assert ok(requestor.get("/Requests?accountId=5&state=x")) == []  # clients invent these
    for query in ("status=done", "queue=all"):
        refused(requestor.get(f"/Requests?{query}"), 400)


# -- what the end of a request starts (8.2); nothing listens on the port, so the change stays in the queue

def turns(people, system, **more):
    return people.account(system, AutoManagementFlag=False, ChangePasswordAfterAnyReleaseFlag=True, **more)


def changes_of(admin, account):
    return [job for job in ok(admin.own("GET", f"/jobs?accountId={account.id}"))["items"] if job["kind"] == "change"]


def test_change_after_release(people, system, admin):
    account = turns(people, system)
    client = people.holder(people.rule(account), REQUESTOR)
    unread = ask(client, account)
    checkin(client, unread)
    number = ask(client, account)
    assert client.get(f"/Credentials/{number}").status_code == 200
    assert changes_of(admin, account) == [] and account.show()["ChangeState"] == 0
    checkin(client, number)
    wait_for(lambda: changes_of(admin, account), timeout=30)
    assert account.show()["ChangeState"] in (1, 2) and len(changes_of(admin, account)) == 1


def test_nothing_read_nothing_changed(people, system, admin):
    account, read = turns(people, system), turns(people, system)
    checkin(people.boss, ask(people.boss, account))
    number = ask(people.boss, read)
    assert people.boss.get(f"/Credentials/{number}").status_code == 200
    checkin(people.boss, number)
    wait_for(lambda: changes_of(admin, read), timeout=30)  # that one was settled later
    assert changes_of(admin, account) == []


def test_expiry_and_terminate_are_ends_as_well(people, system, admin):
    expired, ended = turns(people, system), turns(people, system)
    numbers = [ask(people.boss, account) for account in (expired, ended)]
    for number in numbers:
        assert people.boss.get(f"/Credentials/{number}").status_code == 200
    statement(people.server, "UPDATE requests SET ends_at = created_at WHERE id = ?", (numbers[0],))
    refused(people.boss.get(f"/Credentials/{numbers[0]}"), 404)
    answer = people.boss.post(f"{ended.path}/Requests/Terminate", {"Reason": "breach"})
    assert (answer.status_code, answer.content) == (204, b"")
    refused(people.boss.get(f"/Credentials/{numbers[1]}"), 404)
    for account in (expired, ended):
        wait_for(lambda: changes_of(admin, account), timeout=30)
    assert not set(numbers) & set(mine(people.boss))


def test_isa_releases_count(people, system, admin):
    account = turns(people, system)
    assert people.boss.post("/ISARequests", body_for(account, DurationMinutes=1)).status_code == 201
    statement(people.server, "UPDATE requests SET ends_at = created_at WHERE account_id = ?", (account.id,))
    wait_for(lambda: changes_of(admin, account), timeout=30)


def test_several_wait_for_the_last(people, system, admin):
    account = turns(people, system, MaxConcurrentRequests=0)
    rule = people.rule(account)
    one, two = people.holder(rule, REQUESTOR), people.holder(rule, REQUESTOR)
    first, second = ask(one, account), ask(two, account)
    assert one.get(f"/Credentials/{first}").status_code == 200
    checkin(one, first)
    other = turns(people, system)
    number = ask(people.boss, other)
    assert people.boss.get(f"/Credentials/{number}").status_code == 200
    checkin(people.boss, number)
    wait_for(lambda: changes_of(admin, other), timeout=30)
    assert changes_of(admin, account) == []
    checkin(two, second)
    wait_for(lambda: changes_of(admin, account), timeout=30)


def test_rotate_on_checkin(people, system):
    """7.2: no policy here allows to suppress it, so it changes anyway; 7.5 sets it back."""
    account = people.account(system)
    client = people.holder(people.rule(account), REQUESTOR)
    number = ask(client, account, RotateOnCheckin=False)
    answer = client.put(f"/Requests/{number}/RotateOnCheckin")
    assert (answer.status_code, answer.content) == (204, b"")
    checkin(client, number)
    refused(client.put(f"/Requests/{number}/RotateOnCheckin"), 400)
