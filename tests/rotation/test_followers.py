"""Followers: links that push to another Control Room, here a second Keyturn (keyturn-api 3.1, rule 8)."""
import os
import sys
import time

import pytest
from clock_fixtures import store_now
from conftest import Managed
from store import Store, rows_of
from support import ok, wait_for

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "api"))
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "targets"))

from control_room import ATTRIBUTE, CREDENTIAL, PUSHER, ROBOT, FarControlRoom  # noqa: E402
from passwordsafe_people import AM, ISA, WRITE, People  # noqa: E402

CONTROL_ROOM = 1002
WAIT = 90


@pytest.fixture(scope="module")
def far(tmp_path_factory):
    with FarControlRoom(tmp_path_factory.mktemp("far")) as running:
        yield running


@pytest.fixture(scope="module")
def account(ps, host):
    made = Managed(ps, host, "u1", auto=False)
    host.set_password("u1", made.first)
    return made


class Following:
    """A managed system for the far Control Room, and links to its two ends."""

    def __init__(self, server, far, account, functional=PUSHER, **system):
        self.server, self.far, self.account = server, far, account
        self.admin, self.ps = server.controlroom(), server.passwordsafe()
        number = len(ok(self.ps.get("/ManagedSystems"))) + 1
        body = {"PlatformID": CONTROL_ROOM, "AccountName": functional[0], "DisplayName": f"{functional[0]} {number}", "Password": functional[1]}
        self.functional_id = ok(self.ps.post("/FunctionalAccounts", body), 201)["FunctionalAccountID"]
        body = {"EntityTypeID": 1, "HostName": f"far{number}", "IPAddress": "127.0.0.1", "PlatformID": CONTROL_ROOM, "Port": far.port, "FunctionalAccountID": self.functional_id, "AutoManagementFlag": True, "Timeout": 5}
        self.system_id = ok(self.ps.post("/Workgroups/1/ManagedSystems", dict(body, **system)), 201)["ManagedSystemID"]
        self.ends = {"login": {"followerSystemId": self.system_id, "userName": ROBOT},
                     "value": {"followerSystemId": self.system_id, "credentialName": CREDENTIAL, "attributeName": ATTRIBUTE}}
        self.links = {}

    def offer(self, end, status=200, client=None, **more):
        body = {"part": "password", "end": self.ends[end] if isinstance(end, str) else end, "release": "consumers", "replace": False}
        return ok((client or self.admin).own("PUT", f"/managed-accounts/{self.account.id}/links", dict(body, **more)), status)

    def follow(self, *ends):
        for end in ends:
            self.links[end] = self.offer(end)["id"]
        return self

    def link(self, end="login"):
        return ok(self.admin.own("GET", f"/links/{self.links[end]}"))

    def turn(self, password):
        """Stored only: it takes no target, and turns links like any other."""
        answer = self.account.put({"Password": password, "UpdateSystem": False})
        assert answer.status_code == 204, answer.text

    def is_in_step(self, end="login"):
        link = self.link(end)
        return link["follower"]["lagSeconds"] == 0 and link["follower"]["text"] == "" and self.open_jobs() == [] and link

    def settled(self, end="login"):
        return wait_for(lambda: self.is_in_step(end), WAIT, 0.3)

    def open_jobs(self):
        return ok(self.admin.own("GET", f"/jobs?state=open&kind=push&systemId={self.system_id}"))["items"]

    def unlink(self, *ends):
        for end in ends or list(self.links):
            ok(self.admin.own("DELETE", f"/links/{self.links.pop(end)}"), 204)

    def hurry(self):
        """POST /jobs/{id}/retry: its next try is now."""
        for job in self.open_jobs():
            self.admin.own("POST", f"/jobs/{job['id']}/retry")


@pytest.fixture
def following(server, far, account):
    far.forget()
    made = Following(server, far, account)
    yield made
    made.unlink()


def arrived(far, password):
    return far.login_password() == password and far.value() == password


def test_both_ends_follow_a_change_on_a_real_host(following, far, account, host):
    following.follow("login", "value")
    wait_for(lambda: arrived(far, account.password()), WAIT, 0.3)
    assert far.login()["loginUsername"] == "u1"
    first = following.settled()
    assert (first["state"], first["part"], first["acceptedBy"]) == ("active", "password", following.admin.id)
    assert first["end"] == {"attributeId": None, "credentialId": None, "userId": None, "followerSystemId": following.system_id, "userName": ROBOT,
                            "credentialName": None, "attributeName": None, "name": f"{first['end']['name'].split('/')[0]}/{ROBOT}"}
    assert following.link("value")["end"]["name"].endswith(f"/{CREDENTIAL}/{ATTRIBUTE}")

    assert account.put({}).status_code == 204
    new = account.password()
    assert host.can_login("u1", new)
    wait_for(lambda: arrived(far, new), WAIT, 0.3)
    for end in ("login", "value"):
        link = following.settled(end)
        assert link["version"] == first["version"] + 1 and link["turnedAt"] > first["turnedAt"] and link["lastRead"] and link["follower"]["lastTryAt"]
    jobs = ok(following.admin.own("GET", f"/jobs?kind=push&accountId={account.id}"))["items"]
    assert len(jobs) == 4 and all((job["state"], job["trigger"], job["systemId"]) == ("done", "turn", following.system_id) for job in jobs)
    steps = [step["step"] for step in ok(following.admin.own("GET", f"/jobs/{jobs[0]['id']}"))["steps"]]
    assert steps == ["applying", "done"]
    assert ok(following.admin.own("GET", f"/managed-accounts/{account.id}/links?audience=true"))["items"][0]["audience"] == []
    assert following.admin.own("POST", f"/links/{following.links['login']}/verify", {}).status_code == 409


def test_every_push_is_on_record_before_it_leaves(server, following, account):
    following.follow("login")
    following.settled()
    found = rows_of(server, "SELECT what, detail FROM audit_rows WHERE object_kind = 'link' AND object_id = ? ORDER BY id", (following.links["login"],))
    assert [what for what, _ in found][:3] == ["link.offer", "link.accept", "link.push"] and found[2][1].startswith("version ")
    handed = rows_of(server, "SELECT object_name, detail FROM audit_rows WHERE what = 'secret.handed' AND account_id = ? ORDER BY id DESC LIMIT 1", (account.id,))
    assert "functional account" in handed[0][1] and handed[0][0].endswith("/u1")


@pytest.mark.parametrize("end, more, status", [
    ({"followerSystemId": 999999, "userName": "omar"}, {}, 404), ({"followerSystemId": "far"}, {}, 400),
    ({"followerSystemId": "far", "userName": "omar", "attributeId": 1}, {}, 400), ({"followerSystemId": "far", "userName": "omar", "credentialName": "x", "attributeName": "y"}, {}, 400),
    ({"followerSystemId": "far", "credentialName": "x"}, {}, 400), ({"userId": 1, "userName": "omar"}, {}, 400), ({"userName": "omar"}, {}, 400),
    ({"followerSystemId": "host", "userName": "omar"}, {}, 400), ({"followerSystemId": "far", "userName": "omar"}, {"part": "privatekey"}, 400),
    ({"followerSystemId": "far", "userName": "omar"}, {"release": "none"}, 400), ({"followerSystemId": "far", "userName": "o\nmar"}, {}, 400),
    ({"followerSystemId": "far", "credentialName": "x", "attributeName": "y"}, {"part": "privatekey"}, 409), ({"followerSystemId": "far", "userName": "x" * 256}, {}, 400)])
def test_offers_that_are_none(following, account, end, more, status):
    places = {"far": following.system_id, "host": account.system_id}
    end = dict(end, followerSystemId=places.get(end["followerSystemId"], end["followerSystemId"])) if "followerSystemId" in end else end
    following.offer(end, status, **more)
    assert following.open_jobs() == [] and ok(following.admin.own("GET", f"/managed-accounts/{account.id}/links"))["items"] == []


def test_an_end_has_one_link(server, following, account, ps, host):
    following.follow("login")
    assert following.offer("login")["id"] == following.links["login"]  # again: the same
    assert following.offer({"followerSystemId": following.system_id, "userName": ROBOT.upper()})["id"] == following.links["login"]
    other = Managed(ps, host, "u2", auto=False, system=account.system_id)
    body = {"part": "password", "end": following.ends["login"], "release": "consumers"}
    assert following.admin.own("PUT", f"/managed-accounts/{other.id}/links", body).status_code == 409
    assert ps.delete(f"/ManagedSystems/{following.system_id}").status_code in (400, 409)
    assert ps.delete(f"/ManagedAccounts/{account.id}").status_code == 409


def test_an_offer_waits_for_an_administrator(server, following, far, account):
    people = People(server)
    somebody = people.user(password="Offers-1-Offers!", groups=[people.group({AM: WRITE})])
    owner = server.controlroom(somebody["UserName"], "Offers-1-Offers!")
    following.offer("login", 403, client=owner)
    holder = people.group({AM: WRITE})
    rule = ok(people.boss.post("/QuickRules", {"IDs": [account.id], "Title": f"rule of {somebody['UserName']}", "RuleType": "ManagedAccount"}), 201)["SmartRuleID"]
    people.give_role(holder, rule, [ISA])
    people.join(somebody["UserID"], holder)
    offered = following.offer("login", client=owner)
    following.links["login"] = offered["id"]
    assert (offered["state"], offered["waitsFor"], offered["follower"]["lagSeconds"]) == ("offered", ["accept"], 0)
    assert owner.own("POST", f"/links/{offered['id']}/accept", {}).status_code == 403
    following.turn("Not-Yet-Pushed-1!")
    time.sleep(2)
    assert far.login() is None and following.open_jobs() == []
    assert ok(following.admin.own("POST", f"/links/{offered['id']}/accept", {}))["state"] == "active"
    far.wait_for_login("Not-Yet-Pushed-1!", WAIT)


def test_down_for_two_turns(following, far, account):
    following.follow("login", "value")
    following.turn("Before-Down-1!")
    wait_for(lambda: arrived(far, "Before-Down-1!"), WAIT, 0.3)
    following.settled()
    following.settled("value")
    before = int(far.values()[0]["version"])
    far.stop()
    began = time.monotonic()
    following.turn("Nobody-Sees-1!")
    assert time.monotonic() - began < 20 and account.password() == "Nobody-Sees-1!"  # the account's own change stands, at once
    wait_for(lambda: following.link()["follower"]["text"], WAIT)
    behind = following.link()["follower"]
    assert "no connection" in behind["text"] and behind["lastTryAt"]
    following.turn("Newest-There-1!")
    wait_for(lambda: following.link()["follower"]["lagSeconds"] >= 2, WAIT)
    assert following.link()["version"] + 2 == following.link("value")["version"] + 2 == account_version(following)
    far.start()
    following.hurry()
    wait_for(lambda: arrived(far, "Newest-There-1!"), WAIT, 0.3)
    following.settled()
    following.settled("value")
    assert int(far.values()[0]["version"]) == before + 1  # the one between was never sent


def account_version(following):
    state = ok(following.admin.own("GET", f"/managed-accounts/{following.account.id}/state"))
    return next(version["version"] for version in state["versions"] if version["standing"] == "current")


def test_another_certificate_is_refused_and_shown(following, far, ps):
    following.follow("login")
    following.turn("Before-Key-1!")
    far.wait_for_login("Before-Key-1!", WAIT)
    far.stop()
    far.new_certificate()
    far.start()
    following.turn("After-Key-1!")
    wait_for(lambda: "host key changed" in following.link()["follower"]["text"], WAIT)
    assert far.login_password() == "Before-Key-1!"
    seen = next(key for key in ok(following.admin.own("GET", f"/managed-systems/{following.system_id}/host-keys"))["items"] if key["state"] == "seen")
    assert (seen["type"], seen["sha256"]) == ("x509", far.pin)
    ok(following.admin.own("POST", f"/managed-systems/{following.system_id}/host-keys/{seen['id']}/accept", {}))
    following.hurry()
    far.wait_for_login("After-Key-1!", WAIT)


def refused_sign_ins(far):
    """As the other server counts them for this address."""
    return rows_of(far.server, "SELECT COALESCE(MAX(failures), 0) FROM guesses WHERE kind = 'address'")[0][0]


def test_a_wrong_password_there_is_tried_within_the_budget(server, far, account):
    far.forget()
    refused_before = refused_sign_ins(far)
    wrong = Following(server, far, account, functional=(PUSHER[0], "Not-The-Password-1!")).follow("login")
    for _ in range(6):
        wait_for(lambda: wrong.link()["follower"]["text"], WAIT)
        wrong.hurry()
        time.sleep(1.5)
    wait_for(lambda: "failed-login budget of the functional account spent" in wrong.link()["follower"]["text"], WAIT)
    assert far.login() is None
    assert refused_sign_ins(far) == refused_before + 2
    assert far.client(*PUSHER).token  # and nobody is locked out there
    wrong.turn("Own-Change-Stands-1!")
    assert account.password() == "Own-Change-Stands-1!"
    wrong.unlink()


def test_unlink_stops_pushing_and_leaves_what_is_there(following, far, account):
    following.follow("login", "value")
    following.turn("Stays-There-1!")
    wait_for(lambda: arrived(far, "Stays-There-1!"), WAIT, 0.3)
    following.settled()
    following.settled("value")
    following.unlink()
    following.turn("Goes-Nowhere-1!")
    far.stop()
    far.start()
    time.sleep(2)
    assert arrived(far, "Stays-There-1!") and following.open_jobs() == []
    assert rows_of(following.server, "SELECT count(*) FROM followers") == [(0,)]


def test_unlink_while_it_is_behind_ends_the_job(following, far):
    following.follow("login")
    following.turn("There-1!")
    far.wait_for_login("There-1!", WAIT)
    far.stop()
    following.turn("Never-There-1!")
    job = wait_for(following.open_jobs, WAIT)[0]
    following.unlink()
    assert ok(following.admin.own("GET", f"/jobs/{job['id']}"))["state"] == "dropped"
    far.start()
    time.sleep(3)
    assert far.login_password() == "There-1!"


def test_another_server_under_its_name_is_pushed_to(following, far, ps):
    """Moved, it has nothing yet; and what it is told before it is there counts for nothing."""
    following.follow("login")
    following.turn("Before-the-move-1!")
    following.settled()
    path = f"/ManagedSystems/{following.system_id}"
    ok(ps.put(path, {"Port": 1}))
    wait_for(lambda: following.link()["follower"]["lagSeconds"] > 0, 20)
    far.forget()
    ok(ps.put(path, {"Port": far.port}))
    following.hurry()
    following.settled()
    assert far.login_password() == "Before-the-move-1!"


def test_suspended_nothing_is_pushed_until_resumed(following, far, ps):
    following.follow("login")
    following.turn("Before-Terminate-1!")
    far.wait_for_login("Before-Terminate-1!", WAIT)
    following.settled()
    assert ps.post(f"/ManagedAccounts/{following.account.id}/Requests/Terminate", {"Reason": "breach"}).status_code == 204
    following.turn("After-Terminate-1!")
    time.sleep(2)
    link = following.link()
    assert far.login_password() == "Before-Terminate-1!" and link["state"] == "suspended" and following.open_jobs() == [] and link["follower"]["lagSeconds"] >= 1
    ok(following.admin.own("POST", f"/links/{following.links['login']}/resume", {}))
    far.wait_for_login("After-Terminate-1!", WAIT)


def steps_of(following, job):
    return [step["step"] for step in ok(following.admin.own("GET", f"/jobs/{job['id']}"))["steps"]]


def test_suspended_it_is_remembered_that_a_push_may_still_arrive(following, far, ps):
    """Sent and no answer, then suspended: what is pushed once the link is resumed is pushed twice, after the first one is over."""
    def suspend():
        assert ps.post(f"/ManagedAccounts/{following.account.id}/Requests/Terminate", {"Reason": "breach"}).status_code == 204
        assert following.open_jobs() == [] and following.link()["state"] == "suspended"

    def resume():
        ok(following.admin.own("POST", f"/links/{following.links['login']}/resume", {}))
        return wait_for(following.open_jobs)[0]
    following.follow("login")
    following.turn("Before-Freeze-3!")
    far.wait_for_login("Before-Freeze-3!", WAIT)
    following.settled()
    far.stop()
    following.turn("May-Arrive-3!")
    wait_for(lambda: following.open_jobs() and following.link()["follower"]["text"], WAIT)
    with Store(following.server) as db:  # as if it had gone out, and the connection then broke
        db.execute("UPDATE jobs SET state = 'resolving', sent_at = ? WHERE id = ?", (store_now(following.server), following.open_jobs()[0]["id"]))
    suspend()
    far.start()
    job = resume()
    wait_for(lambda: "pushed" in steps_of(following, job), WAIT)
    suspend()  # before it is sent once more
    assert following.link()["follower"]["lagSeconds"] >= 0
    time.sleep(1)
    assert following.link()["follower"]["lagSeconds"] >= 1, "what stands there is not certain"
    job = resume()
    following.settled()
    steps = steps_of(following, job)
    assert steps[-1] == "done" and "pushed" in steps and far.login_password() == "May-Arrive-3!"


def test_a_row_aimed_elsewhere_pushes_nothing(server, following, far, account):
    following.follow("login")
    following.turn("Aimed-Right-1!")
    far.wait_for_login("Aimed-Right-1!", WAIT)
    following.settled()
    before = account.password()
    with Store(server) as db:
        db.execute("UPDATE followers SET user_name = 'svc-plain' WHERE user_name = ?", (ROBOT,))
    answer = account.put({"Password": "Must-not-leak-1!", "UpdateSystem": False})
    assert answer.status_code >= 400 and account.password() == before
    with Store(server) as db:
        db.execute("UPDATE followers SET user_name = ? WHERE user_name = 'svc-plain'", (ROBOT,))
    following.turn("Aimed-Again-1!")
    far.wait_for_login("Aimed-Again-1!", WAIT)


def test_a_frozen_one_keeps_nobody_waiting_and_gets_the_newest(following, far, account, host):
    """Sent and no answer: unknown. Whatever it does with it later, what stands there in the end is the newest."""
    following.follow("login")
    following.turn("Before-Freeze-1!")
    far.wait_for_login("Before-Freeze-1!", WAIT)
    following.settled()
    for n in range(2):
        far.freeze()
        following.turn(f"Frozen-{n}-1!")
        wait_for(lambda: following.link()["follower"]["text"], WAIT)
        began = time.monotonic()
        following.turn(f"Newest-{n}-2!")
        assert time.monotonic() - began < 5
        far.resume()
        following.hurry()
        far.wait_for_login(f"Newest-{n}-2!", WAIT)
        following.settled()
        assert far.login_password() == f"Newest-{n}-2!"


def test_pushes_to_one_server_go_one_after_the_other(server, following, far):
    """Two that sign in as it falls silent would spend the functional account's budget at once."""
    following.follow("login", "value")
    for end in ("login", "value"):
        following.settled(end)
    far.freeze()
    following.turn("While-it-is-frozen-1!")
    wait_for(lambda: rows_of(server, "SELECT 1 FROM jobs WHERE kind = 'push' AND is_open = 1 AND leased_until > 0"), 20, 0.05)
    for _ in range(20):
        assert rows_of(server, "SELECT COUNT(*) FROM jobs WHERE kind = 'push' AND is_open = 1 AND leased_until > 0 AND system_id = ?", (following.system_id,))[0][0] <= 1
        time.sleep(0.1)
    far.resume()
    for end in ("login", "value"):
        following.settled(end)
    assert arrived(far, "While-it-is-frozen-1!")


def test_killed_between_the_commit_and_the_push(server, following, far, account):
    following.follow("login")
    following.turn("Before-Kill-1!")
    far.wait_for_login("Before-Kill-1!", WAIT)
    following.settled()
    far.stop()
    following.turn("After-Kill-1!")
    server.kill()
    far.start()
    server.start()
    far.wait_for_login("After-Kill-1!", WAIT)
    following.admin = server.controlroom()
    account.ps = server.passwordsafe()
    following.settled()


def test_killed_during_the_push(server, far, account):
    far.forget()
    following = Following(server, far, account).follow("login")
    account.ps = following.ps
    following.turn("Before-Kill-2!")
    far.wait_for_login("Before-Kill-2!", WAIT)
    following.settled()
    far.freeze()
    following.turn("During-Kill-2!")
    wait_for(lambda: following.open_jobs() and following.open_jobs()[0]["state"] in ("applying", "resolving", "queued") and following.link()["follower"]["lastTryAt"], WAIT, 0.05)
    server.kill()
    far.resume()
    server.start()
    following.admin = server.controlroom()
    account.ps = server.passwordsafe()
    following.turn("Newest-Kill-2!")
    far.wait_for_login("Newest-Kill-2!", WAIT)
    assert following.settled()["version"] == account_version(following)
    assert far.login_password() == "Newest-Kill-2!"
    following.unlink()
