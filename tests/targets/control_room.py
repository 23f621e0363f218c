"""tests/targets/control_room.py: another Control Room to push to: a second Keyturn over https.

    with FarControlRoom(folder) as far:
        far.port, far.pin                   # where it is, and the SHA-256 of its certificate's key
        far.login_password()                # what the user omar's device is given
        far.value()                         # what stands in SAP production/password

The user svc-push may set others' auto-logins and owns the credential; `svc-plain` may sign in and nothing else.
"""
import base64
import hashlib
import os
import signal
import socket
import ssl
import subprocess

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

import freezer
import requests
from support import Server, ok, wait_for

PUSHER, PLAIN = ("svc-push", "Push-There-1!"), ("svc-plain", "Plain-There-1!")
ROBOT = "omar"
CREDENTIAL, ATTRIBUTE = "SAP production", "password"


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def pin_of(port):
    """The pin of whatever certificate is shown there, in the form of host keys."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    with socket.create_connection(("127.0.0.1", port), 10) as plain, context.wrap_socket(plain) as secure:
        certificate = x509.load_der_x509_certificate(secure.getpeercert(binary_form=True))
    key = certificate.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return "SHA256:" + base64.b64encode(hashlib.sha256(key).digest()).decode().rstrip("=")


class FarControlRoom:
    address = "127.0.0.1"

    def __init__(self, folder, **options):
        """options: of the server, support.py."""
        self.folder = str(folder)
        self.port = free_port()
        self.server = Server(directory=os.path.join(self.folder, "far"), listen=[f"https://127.0.0.1:{self.port}"], **options)
        self.is_stopped = False

    def __enter__(self):
        self.start()
        self.furnish()
        return self

    def __exit__(self, *_):
        self.resume()
        self.server.kill()

    def start(self):
        self.server.start()
        self.pin = pin_of(self.port)

    def stop(self):
        self.resume()
        self.server.stop()

    def kill(self):
        self.resume()
        self.server.kill()

    def freeze(self):
        freezer.stop(self.server.process.pid)
        self.is_stopped = True

    def resume(self):
        if self.is_stopped:
            self.server.process.send_signal(signal.SIGCONT)
        self.is_stopped = False

    def new_certificate(self):
        """Another key; takes effect at the next start."""
        made = [os.path.join(self.server.data, name) for name in ("tls.crt", "tls.key")]
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2",
                        "-subj", "/CN=another", "-out", made[0], "-keyout", made[1]], check=True, capture_output=True)

    # -- what stands there

    def client(self, name="admin", password=None):
        return self.server.controlroom(name, password)

    def furnish(self):
        admin = self.admin = self.client()
        role = ok(admin.post("/v2/usermanagement/roles", {"name": "Pushers", "permissions": [
            {"action": "createstandard", "resourceType": "credentialattribute"},
            {"action": "botautologinapi", "resourceType": "credentialattributevalue"},
            {"action": "generateapikey", "resourceType": "usermanagement"}]}), 201)
        ids = {}
        for name, password, roles in (PUSHER + ([role["id"]],), PLAIN + ([2],), (ROBOT, "Robot-There-1!", [2])):
            ids[name] = ok(admin.post("/v2/usermanagement/users", {"username": name, "email": f"{name}@example.com", "password": password,
                                                                   "roles": [{"id": one} for one in roles]}), 201)["id"]
        self.robot_id = ids[ROBOT]
        device = ok(admin.own("POST", "/devices", {"hostName": "robot01", "nickname": "", "defaultUserId": self.robot_id}), 201)
        self.device_key = device["key"]
        self.pusher = self.client(*PUSHER)
        self.api_key = ok(self.pusher.own("POST", f"/users/{ids[PUSHER[0]]}/api-keys", {"name": "push"}), 201)["key"]
        made = ok(self.pusher.post("/v2/credentialvault/credentials", {"name": CREDENTIAL, "attributes": [
            {"name": ATTRIBUTE, "userProvided": False, "masked": True}, {"name": "open", "userProvided": False, "masked": False},
            {"name": "own", "userProvided": True, "masked": True}]}), 201)
        self.credential_id = made["id"]
        self.attributes = {one["name"]: one["id"] for one in made["attributes"]}

    def login(self):
        """The auto-login as the user's device gets it, or None."""
        answer = requests.post(f"{self.server.url}/api/v1/devices/self/login", json={}, verify=False, timeout=30,
                               headers={"Authorization": "Keyturn-Device " + self.device_key})
        return answer.json() if answer.status_code == 200 else None

    def login_password(self):
        found = self.login()
        return found and found["loginPassword"]

    def values(self, attribute=ATTRIBUTE):
        return ok(self.pusher.get(f"/v2/credentialvault/credentials/{self.credential_id}/attributevalues?credentialAttributeId={self.attributes[attribute]}"))["list"]

    def value(self):
        """What stands in the attribute; who has stored it last reads it in clear."""
        found = self.values()
        return found[0]["value"] if found else None

    def forget(self):
        """No auto-login and no value."""
        if self.login():
            ok(self.admin.delete("/v1/credentialvault/external/credentials/loginsetting", {"Username": ROBOT}))
        for value in self.values():
            ok(self.pusher.delete(f"/v2/credentialvault/credentials/{self.credential_id}/attributevalues/{value['id']}"))

    def wait_for_login(self, password, timeout=30):
        wait_for(lambda: self.login_password() == password, timeout, 0.3)
