"""tests/api/test_passwordsafe_propagation.py: propagation actions: who may make and assign them, and to what (passwordsafe-api 7.11)."""
import pytest
from passwordsafe_people import AM, READ, SM, WRITE, People, recorded, refused
from store import Store, rows_of
from support import ok

OWN = "/propagation-actions"


@pytest.fixture(scope="module")
def people(server):
    return People(server)


class Place:
    """An account on a Linux host, an action, and a rule of each type."""

    def __init__(self, server, people):
        self.admin, self.ps = server.controlroom(), people.boss
        functional = {"PlatformID": 2, "AccountName": "func", "DisplayName": "func", "Password": "Not-asked-1!"}
        functional = ok(self.ps.post("/FunctionalAccounts", functional), 201)["FunctionalAccountID"]
        self.systems = []
        for number in range(3):
            body = {"EntityTypeID": 1, "HostName": f"propagates{number}", "IPAddress": "127.0.0.1", "PlatformID": 2, "Port": 1, "AutoManagementFlag": True, "FunctionalAccountID": functional}
            self.systems.append(ok(self.ps.post("/Workgroups/1/ManagedSystems", body), 201)["ManagedSystemID"])
        body = {"AccountName": "root", "Password": "Not-asked-2!", "AutoManagementFlag": False}
        self.account = ok(self.ps.post(f"/ManagedSystems/{self.systems[0]}/ManagedAccounts", body), 201)["ManagedAccountID"]
        self.action = ok(self.admin.own("POST", OWN, action("restart nginx")), 201)["id"]
        self.path = f"/ManagedAccounts/{self.account}/PropagationActions"
        self.rule = ok(self.ps.post("/QuickRules", {"IDs": self.systems[1:], "Title": "web hosts", "RuleType": "ManagedSystem"}), 201)["SmartRuleID"]
        self.rule_of_accounts = ok(self.ps.post("/QuickRules", {"IDs": [self.account], "Title": "roots"}), 201)["SmartRuleID"]
        self.all = {row["RuleType"]: row["SmartRuleID"] for row in ok(self.ps.get("/SmartRules")) if row["Title"].startswith("All ")}

    def assign(self, body=None, status=201, client=None, action_id=None, **more):
        answer = (client or self.ps).post(f"{self.path}/{action_id or self.action}", body, **more)
        assert answer.status_code == status, (answer.status_code, answer.text)
        return answer

    def rules(self):
        return [row["SmartRuleIDs"] for row in ok(self.ps.get(self.path))]


def action(name, /, **more):
    return {"typeId": 1, "name": name, "description": "of the web", "service": "nginx", **more}


@pytest.fixture(scope="module")
def place(server, people):
    return Place(server, people)


@pytest.fixture(autouse=True)
def nothing_assigned(place):
    yield
    ok(place.ps.delete(place.path))


def test_rules_as_text_and_as_an_array(place):
    first, second = sorted((place.rule, place.all["ManagedSystem"]))
    both = f"{first},{second}"
    assert place.assign({"SmartRuleIDs": str(first)}).json()["SmartRuleIDs"] == str(first)
    for rules in (both, f" {second} , {first},", f"{first},{first},{second}", [first, second], [str(first), second], [both]):
        assert place.assign({"SmartRuleIDs": rules}, 200).json()["SmartRuleIDs"] == both, rules
    for rules in (first, str(first), [first]):
        assert place.assign({"smartruleids": rules}, 200).json()["SmartRuleIDs"] == str(first)
    assert place.assign({"SmartRuleID": second}, 200).json()["SmartRuleIDs"] == str(second)
    assert place.assign({"SmartRuleIDs": place.all["Asset"]}, 200).json()["SmartRuleIDs"] == str(place.all["Asset"])
    assert place.rules() == [str(place.all["Asset"])]
    for body in (None, {}, {"SmartRuleIDs": None}, {"SmartRuleIDs": ""}, {"SmartRuleIDs": []}, {"SmartRuleIDs": " "}):
        assert place.assign(body, 200).json()["SmartRuleIDs"] is None, body
    form = place.ps.post(f"{place.path}/{place.action}", raw=f"SmartRuleIDs={first}%2C{second}".encode(), headers={"Content-Type": "application/x-www-form-urlencoded"})
    assert ok(form, 200)["SmartRuleIDs"] == both


@pytest.mark.parametrize("rules", ["x", "1;2", "-1", "0", "1.5", True, {"id": 1}, [[1]], [None], ["1", "x"], "9223372036854775808", [1] * 101, ",".join(["1"] * 101), 987654321, "987654321"])
def test_what_is_no_list_of_rules_400(place, rules):
    answer = place.assign({"SmartRuleIDs": rules}, 400)
    assert refused(answer, 400).startswith("SmartRuleIDs: ") and place.rules() == []


def test_rules_of_accounts_400(place):
    for rule in (place.rule_of_accounts, place.all["ManagedAccount"], f"{place.rule},{place.rule_of_accounts}"):
        assert "is one of accounts" in refused(place.assign({"SmartRuleIDs": rule}, 400), 400)
    assert place.rules() == []


def test_an_own_system_without_services_400(place, people):
    asset = ok(place.ps.post("/Workgroups/1/Assets", {"IPAddress": "127.0.0.1", "AssetName": "dbhost"}), 201)["AssetID"]
    database = ok(place.ps.post(f"/Assets/{asset}/Databases", {"PlatformID": 79, "IsDefaultInstance": True}), 201)["DatabaseID"]
    system = ok(place.ps.post(f"/Databases/{database}/ManagedSystems", {}), 201)["ManagedSystemID"]
    account = ok(place.ps.post(f"/ManagedSystems/{system}/ManagedAccounts", {"AccountName": "app", "Password": "Not-asked-3!"}), 201)["ManagedAccountID"]
    path = f"/ManagedAccounts/{account}/PropagationActions/{place.action}"
    assert "this account's own system is none" in refused(place.ps.post(path), 400)
    assert ok(place.ps.post(path, {"SmartRuleIDs": [place.rule]}), 201)["SmartRuleIDs"] == str(place.rule)
    ok(place.ps.delete(f"/ManagedAccounts/{account}"))
    assert rows_of(people.server, "SELECT count(*) FROM account_propagations WHERE account_id = ?", (account,)) == [(0,)]


def test_more_systems_than_one_turn_can_serve_400(server, place):
    """A thousand systems, made in the store: through the API it would take minutes."""
    with Store(server) as db:
        columns = {name: ", ".join(f'"{column}"' for column in db.columns()[name] if column not in ("id", "asset_id", "name", "name_key")) for name in ("assets", "managed_systems")}
        for number in range(1001):
            name = f"many{number}"
            db.execute(f"INSERT INTO assets (name, name_key, {columns['assets']}) SELECT ?, ?, {columns['assets']} FROM assets WHERE id = (SELECT asset_id FROM managed_systems WHERE id = ?)", (name, name, place.systems[0]))
            db.execute(f"INSERT INTO managed_systems (asset_id, name, name_key, {columns['managed_systems']}) SELECT (SELECT id FROM assets WHERE name_key = ?), ?, ?, {columns['managed_systems']} FROM managed_systems WHERE id = ?",
                       (name, name, name, place.systems[0]))
    assert refused(place.assign({"SmartRuleIDs": place.all["ManagedSystem"]}, 400), 400) == "SmartRuleIDs: an account's actions run on at most 1000 systems"
    assert place.rules() == []
    place.assign({"SmartRuleIDs": place.rule})
    with Store(server) as db:
        db.execute("DELETE FROM managed_systems WHERE name_key LIKE 'many%'")
        db.execute("DELETE FROM assets WHERE name_key LIKE 'many%'")


def test_404(place):
    place.assign(status=404, action_id=987654)
    assert refused(place.ps.get("/PropagationActions/987654"), 404, "Propagation Action not found")
    assert refused(place.ps.post(f"/ManagedAccounts/987654/PropagationActions/{place.action}"), 404, "Managed Account not found")
    refused(place.ps.delete(f"{place.path}/{place.action}"), 404)
    refused(place.ps.delete(f"{place.path}/987654"), 404, "Propagation Action not found")
    ok(place.ps.delete(place.path))  # all of none


def test_rights_of_this_face(place, people):
    nobody, reader, writer = people.person(), people.person({AM: READ}), people.person({AM: WRITE})
    reads = ["/PropagationActionTypes", "/PropagationActions", f"/PropagationActions/{place.action}", place.path]
    for path in reads:
        refused(nobody.get(path), 403, "4031")
        ok(reader.get(path))
    for client in (nobody, reader, people.person({SM: WRITE})):
        refused(place.assign(None, 403, client), 403, "4031")
        refused(client.delete(place.path), 403, "4031")
        refused(client.delete(f"{place.path}/{place.action}"), 403, "4031")
    place.assign(None, 201, writer)
    # A rule that one cannot read is no rule: its systems are not there to be restarted.
    assert refused(place.assign({"SmartRuleIDs": place.rule}, 400, writer), 400, f"SmartRuleIDs: there is no Smart Rule {place.rule}")
    ok(people.boss.post(f"/UserGroups/{writer.group}/SmartRules/{place.rule}/AccessLevels", {"AccessLevelID": READ}))
    place.assign({"SmartRuleIDs": place.rule}, 200, writer)
    ok(writer.delete(f"{place.path}/{place.action}"))
    assert [what for what, fine, who in recorded(people.server, "account", place.account) if fine and what.startswith("propagation.")][-3:] == \
        ["propagation.assign", "propagation.assign", "propagation.unassign"]


def test_rights_of_our_own_face(server, place, people):
    one = f"{OWN}/{place.action}"

    def client(permissions):
        user = people.user(password="Signs-in-here-1!", groups=[people.group(permissions)])
        return server.controlroom(user["UserName"], "Signs-in-here-1!")
    nobody, reader, manager = client({}), client({AM: READ}), client({SM: WRITE})
    for client in (nobody, reader, client({SM: READ, AM: WRITE})):
        assert client.own("POST", OWN, action("never")).status_code == 403
        assert client.own("PUT", one, action("never")).status_code == 403
        assert client.own("DELETE", one).status_code == 403
    for client in (nobody, manager):
        assert client.own("GET", OWN).status_code == client.own("GET", one).status_code == 403
    assert ok(reader.own("GET", one))["name"] == "restart nginx" and ok(reader.own("GET", OWN))["items"]
    made = ok(manager.own("POST", OWN, action("made by a manager")), 201)["id"]
    ok(manager.own("PUT", f"{OWN}/{made}", action("made by a manager", service="cron")))
    ok(manager.own("DELETE", f"{OWN}/{made}"), 204)
    assert [(what, fine) for what, fine, _ in recorded(server, "propagation action", made)] == [("propagation.create", True), ("propagation.update", True), ("propagation.delete", True)]


@pytest.mark.parametrize("wrong", [
    {"typeId": 2}, {"typeId": 0}, {"name": ""}, {"name": " "}, {"name": "a\nb"}, {"description": "a\nb"}, {"service": ""}, {"service": "-force"}, {"service": ".hidden"}, {"service": "a b"},
    {"service": "a;b"}, {"service": "a/b"}, {"service": "../a"}, {"service": "$(id)"}, {"service": "a*"}, {"service": "naïve"}, {"service": "x" * 129}, {"service": "a\nb"}])
def test_what_is_no_action_400(place, wrong):
    answer = place.admin.own("POST", OWN, action("wrong", **wrong))
    assert answer.status_code == 400 and answer.json()["details"][0].split(":")[0] in wrong, answer.text
    assert place.admin.own("PUT", f"{OWN}/{place.action}", action("wrong", **wrong)).status_code == 400
    assert ok(place.admin.own("GET", f"{OWN}/{place.action}"))["name"] == "restart nginx"


@pytest.mark.parametrize("service", ["nginx", "nginx.service", "getty@tty1", "a:b_c-d.e", "x" * 128, "_x", "9"])
def test_names_of_services(place, service):
    made = ok(place.admin.own("POST", OWN, action("name", service=service)), 201)
    assert made["service"] == service
    ok(place.admin.own("DELETE", f"{OWN}/{made['id']}"), 204)


def test_names_are_taken_once_ignoring_case(place):
    assert place.admin.own("POST", OWN, action("Restart NGINX ")).status_code == 409
    other = ok(place.admin.own("POST", OWN, action("other")), 201)["id"]
    assert place.admin.own("PUT", f"{OWN}/{other}", action("RESTART nginx")).status_code == 409
    assert ok(place.admin.own("PUT", f"{OWN}/{other}", action("OTHER")))["name"] == "OTHER"
    place.assign(action_id=other)
    assert place.admin.own("DELETE", f"{OWN}/{other}").status_code == 409
    ok(place.ps.delete(f"{place.path}/{other}"))
    ok(place.admin.own("DELETE", f"{OWN}/{other}"), 204)
    assert place.admin.own("DELETE", f"{OWN}/{other}").status_code == 404
