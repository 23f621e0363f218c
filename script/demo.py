#!/usr/bin/env python3
"""script/demo.py: a real account turned, with its links, on a throw-away SSH host. Started by `script/run --demo`.

Shows step by step that the host, a robot's credential and an auto-login all have the new password. Values are never
printed whole. With --keep it goes on serving afterwards."""
import argparse
import base64
import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile
import urllib.error
import urllib.request

TOP = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(TOP / "tests" / "targets"))
PS = "/BeyondTrust/api/public/v3"


def shown(secret):
    """Enough to tell two passwords apart, not enough to use one."""
    return secret[:2] + "…" + f" ({len(secret)} characters)"


class Step:
    number = 0

    @classmethod
    def say(cls, text):
        cls.number += 1
        print(f"{cls.number:2}. {text}", flush=True)


class Api:
    def __init__(self, url, headers=None):
        self.url, self.fixed = url, headers or {}

    def __call__(self, method, path, body=None):
        headers = dict(self.fixed)
        data = None
        if body is not None:
            data = json.dumps(body).encode()
            headers["Content-Type"] = "application/json"
        request = urllib.request.Request(self.url + path, data=data, method=method, headers=headers)
        try:
            with urllib.request.urlopen(request, timeout=120) as answer:
                text = answer.read().decode()
        except urllib.error.HTTPError as problem:
            raise SystemExit(f"{method} {path}: {problem.code} {problem.read().decode()[:500]}")
        return json.loads(text) if text else None


def start_server(folder):
    subprocess.run([TOP / "build/keyturn", "init", "--data", folder / "data", "--admin-password-file", folder / "admin-password",
                    "--api-key-file", folder / "api-key"], check=True, stdout=subprocess.DEVNULL)
    log = open(folder / "server.log", "ab")
    server = subprocess.Popen([TOP / "build/keyturn", "serve", "--data", folder / "data", "--listen", "http://127.0.0.1:0"],
                              stdout=subprocess.PIPE, stderr=log, text=True)
    line = server.stdout.readline()
    if not line.startswith("listening on "):
        raise SystemExit("the server did not start:\n" + (folder / "server.log").read_text())
    return server, line.split()[-1]


def log_in(url, user, password):
    token = Api(url)("POST", "/v2/authentication", {"username": user, "password": password})["token"]
    return Api(url, {"X-Authorization": token})


def ssh_works(host, account, password):
    """A fresh login by OpenSSH's own client; the password reaches it through a file of ours, not through argv."""
    with tempfile.TemporaryDirectory() as folder:
        secret, ask = pathlib.Path(folder, "secret"), pathlib.Path(folder, "ask")
        secret.touch(0o600)
        secret.write_text(password)
        ask.touch(0o700)
        ask.write_text(f"#!/bin/sh\ncat {secret}\n")
        done = subprocess.run(["ssh", "-F", "none", "-p", str(host.port), "-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null",
                               "-o", "PubkeyAuthentication=no", "-o", "NumberOfPasswordPrompts=1", "-o", "LogLevel=ERROR",
                               f"{account}@127.0.0.1", "true"],
                              env={"SSH_ASKPASS": str(ask), "SSH_ASKPASS_REQUIRE": "force", "PATH": os.environ["PATH"], "DISPLAY": ":0"},
                              stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, timeout=60)
        return done.returncode == 0


def must(condition, text):
    if not condition:
        raise SystemExit("the demo failed: " + text)


def take_on(ps, host, functional_password, first_password):
    functional = ps("POST", PS + "/FunctionalAccounts", {"PlatformID": 2, "AccountName": "func", "Password": functional_password, "ElevationCommand": "sudo"})
    system = ps("POST", PS + "/Workgroups/1/ManagedSystems",
                {"EntityTypeID": 1, "HostName": "demo-host", "IPAddress": "127.0.0.1", "PlatformID": 2, "Port": host.port,
                 "AutoManagementFlag": True, "FunctionalAccountID": functional["FunctionalAccountID"]})
    account = ps("POST", PS + f"/ManagedSystems/{system['ManagedSystemID']}/ManagedAccounts",
                 {"AccountName": "u1", "Password": first_password, "ApiEnabled": True, "AutoManagementFlag": True})
    return system, account


def make_robot(admin, url):
    role = admin("POST", "/v2/usermanagement/roles", {"name": "Finance robots", "permissions": [
        {"action": "managecredentials", "resourceType": "credentials"}, {"action": "createstandard", "resourceType": "credentialattribute"},
        {"action": "readmasked", "resourceType": "credentialattributevalue"}]})
    password = base64.b64encode(os.urandom(15)).decode()
    user = admin("POST", "/v2/usermanagement/users", {"username": "robot01", "email": "robot01@example.com", "password": password,
                                                      "roles": [{"id": role["id"]}]})
    return role, user, log_in(url, "robot01", password)


def make_credential(admin, role):
    credential = admin("POST", "/v2/credentialvault/credentials", {"name": "Demo host login", "attributes": [
        {"name": "password", "userProvided": False, "masked": True, "passwordFlag": True}]})
    locker = admin("POST", "/v2/credentialvault/lockers", {"name": "Finance"})
    admin("PUT", f"/v2/credentialvault/lockers/{locker['id']}/credentials/{credential['id']}")
    admin("POST", f"/v2/credentialvault/lockers/{locker['id']}/consumers", {"id": role["id"]})
    return credential


def robot_reads(robot, credential):
    values = robot("GET", f"/v2/credentialvault/credentials/{credential['id']}/attributevalues")["list"]
    return values[0]["value"]


def show(folder, host, passwords):
    server, url = start_server(folder)
    try:
        Step.say(f"a server on {url}, and a host of its own with sshd on 127.0.0.1:{host.port}")
        admin = log_in(url, "admin", (folder / "admin-password").read_text().strip())
        ps = Api(url, {"Authorization": f"PS-Auth key={(folder / 'api-key').read_text().strip()}; runas=admin;"})
        old = passwords["u1"]
        system, account = take_on(ps, host, passwords["func"], old)
        account_id = account["ManagedAccountID"]
        Step.say(f"the Linux account u1 is taken on as managed account {account_id}; its password is {shown(old)}")
        must(ssh_works(host, "u1", old), "the first password does not log in")
        Step.say("ssh u1@demo-host works with it")

        role, user, robot = make_robot(admin, url)
        credential = make_credential(admin, role)
        attribute = credential["attributes"][0]["id"]
        first = admin("PUT", f"/api/v1/managed-accounts/{account_id}/links", {"part": "password", "end": {"attributeId": int(attribute)}, "release": "consumers"})
        second = admin("PUT", f"/api/v1/managed-accounts/{account_id}/links", {"part": "password", "end": {"userId": user["id"]}, "release": "consumers"})
        must(first["state"] == second["state"] == "active", "the links are not active")
        Step.say(f"linked: the credential \"{credential['name']}\" (link {first['id']}) and robot01's auto-login (link {second['id']}) follow the account")
        must(robot_reads(robot, credential) == old, "the robot does not read the account's password")
        Step.say(f"the robot reads {shown(old)}")

        ps("POST", PS + f"/ManagedAccounts/{account_id}/Credentials/Change")
        Step.say("POST ManagedAccounts/…/Credentials/Change: 204. The password was made here, set on the host, and proved by a login")
        new = robot_reads(robot, credential)
        must(new != old, "the robot still reads the old password")
        Step.say(f"the robot now reads {shown(new)}")
        must(ssh_works(host, "u1", new) and not ssh_works(host, "u1", old), "the host does not have the new password")
        Step.say("ssh u1@demo-host works with the new one, and no longer with the old one")
        for link in (first, second):
            found = admin("POST", f"/api/v1/links/{link['id']}/verify")
            must(found["equal"], "a link differs from its account")
        Step.say("credential and auto-login hold what the account holds (compared inside the server)")
        state = admin("GET", f"/api/v1/managed-accounts/{account_id}/state")
        must(state["state"] == "proved", "the account is not proved")
        must(ps("POST", PS + f"/ManagedAccounts/{account_id}/Credentials/Test")["Success"], "the test of the stored password fails")
        Step.say(f"state of the account: {state['state']}, by {state['proof']}, version {state['versions'][0]['version']}; its Test: Success")
        return server, url
    except BaseException:
        server.kill()
        raise


def stop(server, folder):
    server.send_signal(signal.SIGTERM)
    must(server.wait(timeout=40) == 0, "the server did not stop cleanly")
    done = subprocess.run([TOP / "build/keyturn", "audit", "verify", "--data", folder / "data"], capture_output=True, text=True)
    must(done.returncode == 0, "the audit does not verify: " + done.stdout + done.stderr)
    Step.say("stopped; the audit chain verifies: " + done.stdout.splitlines()[0])


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--keep", action="store_true")
    arguments = parser.parse_args()
    if os.geteuid() != 0:
        print("The demo needs root: its SSH host is an overlay mount in a namespace of its own.", file=sys.stderr)
        return 2
    subprocess.run([TOP / "script/packages", "demo"], check=True)
    from ssh_host import PASSWORDS, SshHost
    folder = pathlib.Path(tempfile.mkdtemp(prefix="keyturn-demo-"))
    os.chmod(folder, 0o755)
    host = SshHost(folder / "host")
    try:
        host.start()
        server, url = show(folder, host, PASSWORDS)
        if arguments.keep:
            print(f"\nserving on {url} (pages: {url}/swagger/); data in {folder}; Ctrl-C ends it", flush=True)
            try:
                server.wait()
            except KeyboardInterrupt:
                pass
        stop(server, folder)
        return 0
    finally:
        host.stop()
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    sys.exit(main())
