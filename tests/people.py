"""tests/people.py: somebody who may break glass, and somebody who is an administrator beside the first one."""
from support import ok

PASSWORD = "People-of-tests-1!"
COUNTER = [0]


def registration_of(ps):
    return next(row["ID"] for row in ok(ps.get("/ApiRegistrations")) if row["RegistrationType"] == "apikeypolicy")


def group_of(ps, name, *permissions):
    body = {"groupType": "BeyondInsight", "groupName": name, "description": "", "isActive": True, "ApplicationRegistrationIDs": [registration_of(ps)],
            "Permissions": [{"PermissionID": number, "AccessLevelID": 3} for number in permissions]}
    return ok(ps.post("/UserGroups", body), 201)["GroupID"]


def user_in(server, ps, group):
    """(id, a client of our own API) of a new user who is in this group alone."""
    COUNTER[0] += 1
    name = f"person{COUNTER[0]}"
    body = {"UserType": "BeyondInsight", "UserName": name, "FirstName": name, "LastName": "T", "EmailAddress": f"{name}@example.com", "Password": PASSWORD}
    made = ok(ps.post(f"/UserGroups/{group}/Users", body), 201)["UserID"]
    return made, server.controlroom(name, PASSWORD)


def breaker(server, ps):
    """Holds "Keyturn Break Glass", and nothing else: an administrator may give it, to others."""
    COUNTER[0] += 1
    return user_in(server, ps, group_of(ps, f"glass {COUNTER[0]}", 1000))[1]


def manager(server, ps):
    """Holds Account Management (Read/Write), no role on any rule."""
    COUNTER[0] += 1
    return user_in(server, ps, group_of(ps, f"managers {COUNTER[0]}", 20))[1]
