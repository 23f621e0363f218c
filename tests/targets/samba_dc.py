"""tests/targets/samba_dc.py: a real Active Directory domain controller (Samba), for tests.

    provision(base)                                # once, about 8 s
    with SambaDc(tmp_path, base) as dc:            # a copy of it, about 2 s
        connect(dc.address, dc.port, pin=dc.pin)   # LDAPS on 636; Kerberos on 88 of the same address
        assert dc.has_password("u1", PASSWORDS["u1"])

Samba's ports cannot be chosen, so each domain controller gets an address of its own out of 127.0.0.0/8. Needs root.
The accounts are in ACCOUNTS; func may reset passwords and unlock, resetter may reset only, reader may do neither.
"""

import atexit
import base64
import contextlib
import functools
import hashlib
import json
import os
import pathlib
import random
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import weakref

import freezer

REALM = "LAB.TEST"
DOMAIN = "lab.test"
BASE = "DC=lab,DC=test"
USERS = f"CN=Users,{BASE}"
ADMIN_PASSWORD = "Super-Start-1!"
FUNCTIONAL = {"func": "Func-Start-1!", "resetter": "Resetter-Start-1!", "reader": "Reader-Start-1!"}

# name: what is changed about the account after it was made
ACCOUNTS = {
    **{f"u{number}": {} for number in range(1, 13)},
    "disabled1": {"userAccountControl": "514"},
    "expired1": {"accountExpires": "126227808000000000"},
    "must1": {"pwdLastSet": "0"},
    "must2": {"pwdLastSet": "0"},
    "nopre1": {"userAccountControl": str(512 | 0x400000)},
    "o'brien (x)": {},
    "ümlaut": {},
    "MixedCase": {},
    "robot$": {},
    "protected1": {},
}
PASSWORDS = {**FUNCTIONAL, **{name: f"Start-{number}-Pw!" for number, name in enumerate(ACCOUNTS)}}

RESET_PASSWORD = "00299570-246d-11d0-a768-00aa006e0529"
USER_CLASS = "bf967aba-0de6-11d0-a285-00aa003049e2"
LOCKOUT_TIME = "28630ebf-41d5-11d1-a9c1-0000f80367c1"

CONFIGURATION = """[global]
 netbios name = DC1
 realm = LAB.TEST
 workgroup = LAB
 server role = active directory domain controller
 server services = {services}
 interfaces = {address}/8
 bind interfaces only = yes
 binddns dir = {directory}/bind-dns
 cache directory = {directory}/cache
 lock directory = {directory}
 private dir = {directory}/private
 state directory = {directory}/state
 pid directory = {directory}/run
 ncalrpc dir = {directory}/ncalrpc
 log file = {directory}/log
 tls keyfile = {directory}/key.pem
 tls certfile = {directory}/certificate.pem
 tls cafile =
 disable netbios = yes
 ldap server require strong auth = yes
 old password allowed period = {old_password_minutes}
"""

_running = weakref.WeakSet()


class DcFailed(RuntimeError):
    """The domain controller did not start, or could not be made; str() carries what it wrote."""


def provision(directory):
    """Make a domain with the accounts of this file; a SambaDc runs a copy of it."""
    directory = pathlib.Path(directory).resolve()
    made = subprocess.run(
        ["samba-tool", "domain", "provision", f"--targetdir={directory}", f"--realm={REALM}", "--domain=LAB",
         "--server-role=dc", "--dns-backend=NONE", f"--adminpass={ADMIN_PASSWORD}", "--host-name=dc1",
         "--host-ip=127.0.0.1", "--option=interfaces=127.0.0.1/8", "--option=bind interfaces only=yes",
         "--option=vfs objects=dfs_samba4 acl_xattr"], capture_output=True, text=True, check=False)
    if made.returncode:
        raise DcFailed(made.stderr[-2000:])
    inside = Inside(write_configuration(directory, "127.0.0.1"))
    try:
        inside("policy", {"minPwdAge": "0", "maxPwdAge": str(-(1 << 63)), "lockoutThreshold": "50",
                          "pwdHistoryLength": "3"})
        for name, password in PASSWORDS.items():
            inside("new", name, password)
            for attribute, value in ACCOUNTS.get(name, {}).items():
                inside("set", name, attribute, value)
        for name in ("func", "resetter"):
            inside("grant", USERS, f"(OA;CI;CR;{RESET_PASSWORD};{USER_CLASS};%s)", name)
        inside("grant", USERS, f"(OA;CI;RPWP;{LOCKOUT_TIME};{USER_CLASS};%s)", "func")
        for name in ("func", "resetter"):
            inside("grant", f"CN=protected1,{USERS}", f"(OD;;CR;{RESET_PASSWORD};;%s)", name)
    finally:
        inside.end()


@functools.cache
def domain_files():
    """One fresh domain for all that this process runs; each runs a copy."""
    folder = tempfile.mkdtemp(prefix="keyturn-domain-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    provision(pathlib.Path(folder) / "domain")
    return pathlib.Path(folder) / "domain"


def write_configuration(directory, address, old_password_minutes=60, kerberos=True):
    path = directory / "dc.conf"
    path.write_text(CONFIGURATION.format(directory=directory, address=address, services="ldap, kdc" if kerberos else "ldap",
                                         old_password_minutes=old_password_minutes))
    return path


class Inside:
    """A program that works on the domain's database directly, past the domain controller. Not shared by threads."""

    def __init__(self, configuration):
        self._process = subprocess.Popen(["/usr/bin/python3", __file__, configuration], stdin=subprocess.PIPE,
                                         stdout=subprocess.PIPE, text=True, env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin"})

    def __call__(self, *words):
        self._process.stdin.write(json.dumps(words) + "\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        if not line:
            raise DcFailed(f"{words[0]} {words[1]} failed")
        return json.loads(line)

    def end(self):
        self._process.stdin.close()
        self._process.stdout.close()
        self._process.wait()


class SambaDc:
    """One domain controller. start() may follow stop(): its accounts, address and key stay.

    old_password_minutes  how long the password before the present one is let in by LDAP (not by Kerberos)
    kerberos              False: nobody listens at port 88
    """

    port = 636

    def __init__(self, directory, base, *, old_password_minutes=60, kerberos=True):
        self.directory = pathlib.Path(directory).resolve() / "dc"
        shutil.rmtree(self.directory, ignore_errors=True)
        subprocess.run(["cp", "-a", base, self.directory], check=True)
        self.address = None
        self.old_password_minutes = old_password_minutes
        self.kerberos = kerberos
        self.pin = None
        self._process = None
        self._inside = None
        self.change_certificate()

    def __enter__(self):
        return self.start()

    def __exit__(self, *_):
        self.stop()

    def change_certificate(self):
        """Make a new key; it is shown from the next start on."""
        subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "30", "-subj", "/CN=dc1.lab.test",
                        "-keyout", self.directory / "key.pem", "-out", self.directory / "certificate.pem"],
                       check=True, capture_output=True)
        (self.directory / "key.pem").chmod(0o600)
        self.pin = pin_of(self.directory / "certificate.pem")

    # -- life ---------------------------------------------------------------------------------------------------

    def start(self):
        """Start it and wait until it lets the administrator in by LDAPS, and until Kerberos listens."""
        if self._process is not None:
            raise DcFailed("it is running already")
        self.address = self.address or free_address()
        configuration = write_configuration(self.directory, self.address, self.old_password_minutes, self.kerberos)
        for name in ("run", "ncalrpc"):
            shutil.rmtree(self.directory / name, ignore_errors=True)
            (self.directory / name).mkdir()
        _running.add(self)
        with open(self.directory / "start.log", "ab") as log:
            self._process = subprocess.Popen(
                ["setpriv", "--pdeathsig", "KILL", "unshare", "--pid", "--mount", "--ipc", "--fork", "--kill-child",
                 "--mount-proc", "samba", "-s", configuration, "-F", "--no-process-group", "--debug-stdout", "-d", "1 auth_audit:2"],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin"})
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline and self._process.poll() is None:
            if self.binds("administrator@lab.test", ADMIN_PASSWORD) and (not self.kerberos or _listens(self.address, 88)):
                return self
            time.sleep(0.1)
        output = self.log_text()[-1000:]
        self.stop()
        raise DcFailed(f"it did not start: {output}")

    def stop(self):
        """End it and all its processes at once, as a power cut would. Does nothing when it is not running."""
        if self._inside is not None:
            self._inside.end()
            self._inside = None
        if self._process is None:
            return
        namespace = self._namespace()
        self._process.kill()  # the process namespace ends with it
        self._process.wait()
        while namespace and _processes(namespace):
            time.sleep(0.01)
        self._process = None
        _running.discard(self)

    kill = stop

    def log_text(self):
        """What it has said since it was made, every failed login among it."""
        return (self.directory / "start.log").read_text(errors="replace")

    def restart(self, *, kerberos=None):
        self.kerberos = self.kerberos if kerberos is None else kerberos
        self.stop()
        return self.start()

    def freeze(self, kind=""):
        """Stop every process, or those whose name begins with `kind` ("kdc"). A client then sees one that hangs."""
        freezer.stop_all(lambda: self.processes(kind))

    def thaw(self):
        """Let it run on: what had been sent to it is now carried out."""
        for pid in self.processes():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)

    def _namespace(self):
        """The process namespace of all its processes."""
        with contextlib.suppress(OSError):
            inner = os.readlink(f"/proc/{self._process.pid}/ns/pid_for_children")
            if inner != os.readlink("/proc/self/ns/pid"):
                return inner
        return None

    def processes(self, kind=""):
        """The process ids of all that run in it, or of those whose name begins with `kind`."""
        found = []
        for pid in _processes(self._namespace()):
            with contextlib.suppress(OSError):
                if pathlib.Path(f"/proc/{pid}/comm").read_text().startswith(kind):
                    found.append(pid)
        return found

    # -- inside -------------------------------------------------------------------------------------------------

    @property
    def inside(self):
        if self._inside is None:
            self._inside = Inside(self.directory / "dc.conf")
        return self._inside

    def has_password(self, name, password):
        """Is it the account's present password? Read from the database: no login is spent."""
        return self.inside("has_password", name, password)

    def set_password(self, name, password):
        """Set it behind everybody's back, as another administrator would."""
        self.inside("set_password", name, password)

    def set(self, name, attribute, value):
        self.inside("set", name, attribute, value)

    def read(self, name, attribute):
        """One attribute's first value as text, or None."""
        return self.inside("read", name, attribute)

    def policy(self, **attributes):
        self.inside("policy", attributes)

    def binds(self, name, password):
        """Does LDAPS let it in? By another client than the one under test. Spends a login."""
        secret = self.directory / "secret"
        secret.touch(0o600)
        secret.write_text(password)
        found = subprocess.run(["ldapsearch", "-x", "-H", f"ldaps://{self.address}", "-D", name, "-y", secret, "-s", "base",
                                "-b", BASE, "-o", "nettimeout=5", "1.1"], capture_output=True, check=False,
                               env={"LDAPTLS_REQCERT": "never", "PATH": "/usr/bin:/bin"})
        return found.returncode == 0


def pin_of(certificate):
    key = subprocess.run(["openssl", "x509", "-in", certificate, "-noout", "-pubkey"], check=True, capture_output=True,
                         text=True).stdout
    der = base64.b64decode("".join(key.splitlines()[1:-1]))
    return "SHA256:" + base64.b64encode(hashlib.sha256(der).digest()).decode().rstrip("=")


def free_address():
    for _ in range(100):
        address = f"127.{random.randrange(64, 127)}.{random.randrange(256)}.{random.randrange(1, 255)}"
        if not any(_listens(address, port) for port in (88, 389, 464, 636)):
            return address
    raise DcFailed("no free address")


def _listens(address, port):
    with contextlib.suppress(OSError), socket.create_connection((address, port), 5):
        return True
    return False


def _processes(namespace):
    """Whatever runs in it; a dead one that waits to be reaped does not count."""
    found = []
    for entry in os.listdir("/proc"):
        with contextlib.suppress(OSError):
            if entry.isdigit() and namespace and os.readlink(f"/proc/{entry}/ns/pid") == namespace and \
                    not re.search(r"^State:\tZ", pathlib.Path(f"/proc/{entry}/status").read_text(), re.MULTILINE):
                found.append(int(entry))
    return found


@atexit.register
def _stop_all():
    for dc in list(_running):
        dc.stop()


# -- the program behind Inside: one JSON list per line in, one JSON value per line out ---------------------------------

def work_inside(configuration):
    import ldb
    from samba.auth import system_session
    from samba.credentials import Credentials
    from samba.param import LoadParm
    from samba.samdb import SamDB
    from samba.sd_utils import SDUtils

    parameters = LoadParm()
    parameters.load(configuration)
    database = SamDB(session_info=system_session(), lp=parameters)

    def entry(name, attribute):
        found = database.search(BASE, ldb.SCOPE_SUBTREE, f"(sAMAccountName={ldb.binary_encode(name)})", [attribute])
        return found[0]

    def modify(dn, attribute, value, controls=()):
        message = ldb.Message(dn)
        message[attribute] = ldb.MessageElement(value, ldb.FLAG_MOD_REPLACE, attribute)
        database.modify(message, list(controls))

    def set_attribute(name, attribute, value):
        # Nobody but Samba itself may date a password back.
        is_date = attribute == "pwdLastSet" and value != "0"
        modify(entry(name, "cn").dn, attribute, value, ["local_oid:1.3.6.1.4.1.7165.4.3.12:0"] if is_date else ())

    def grant(dn, ace, name):
        sid = database.schema_format_value("objectSid", entry(name, "objectSid")["objectSid"][0]).decode()
        SDUtils(database).dacl_add_ace(dn, ace % sid)

    def has_password(name, password):
        guess = Credentials()
        guess.set_password(password)
        return entry(name, "unicodePwd")["unicodePwd"][0] == bytes(guess.get_nt_hash())

    def set_password(name, password):
        modify(entry(name, "cn").dn, "unicodePwd", f'"{password}"'.encode("utf-16-le"))

    def policy(attributes):
        for attribute, value in attributes.items():
            modify(ldb.Dn(database, BASE), attribute, value)

    def read(name, attribute):
        values = entry(name, attribute).get(attribute)
        return None if values is None else str(values[0])

    calls = {"new": database.newuser, "set": set_attribute, "grant": grant, "has_password": has_password,
             "set_password": set_password, "policy": policy, "read": read}
    for line in sys.stdin:
        name, *words = json.loads(line)
        print(json.dumps(calls[name](*words)), flush=True)


if __name__ == "__main__":
    work_inside(sys.argv[1])
