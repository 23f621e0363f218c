"""tests/targets/ldap_server.py: a real slapd with password policies, for tests.

    with LdapServer(tmp_path) as server:
        connect("127.0.0.1", server.port, pin=server.pin)      # LDAP, StartTLS
        connect(server.tls_address, 636, pin=server.pin)       # ldaps
        assert server.has_password("u1", PASSWORDS["u1"])

The functional accounts: func may set and read passwords, writer may set them, reader may look at entries only; nothing
sees nothing. Who is behind which policy stands in ACCOUNTS. Needs root, for ldaps has port 636 only.
"""

import atexit
import base64
import contextlib
import hashlib
import os
import pathlib
import random
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import warnings
import weakref

import freezer

SUFFIX = "dc=lab,dc=test"
ADMIN = f"cn=admin,{SUFFIX}"
ADMIN_PASSWORD = "Super-Start-1!"
FUNCTIONAL = {"func": "Func-Start-1!", "writer": "Writer-Start-1!", "reader": "Reader-Start-1!",
              "nothing": "Nothing-Start-1!"}

# name: policy, and more lines of the entry
ACCOUNTS = {
    **{f"u{number}": ("", "") for number in range(1, 10)},
    "must1": ("must", ""),
    "reset1": ("must", "pwdReset: TRUE\n"),
    "aged1": ("aged", "pwdChangedTime: 20200101000000Z\n"),
    "grace1": ("grace", "pwdChangedTime: 20200101000000Z\n"),
    "safe1": ("safe", ""),
    "fixed1": ("fixed", ""),
    "young1": ("young", f"pwdChangedTime: {time.strftime('%Y%m%d%H%M%SZ', time.gmtime())}\n"),
    "lock1": ("", "pwdAccountLockedTime: 000001010000Z\n"),
    "ended1": ("", "pwdEndTime: 20200101000000Z\n"),
    "lax1": ("lax", ""),
    "several": ("lax", "userPassword: {ARGON2}$argon2id$v=19$m=7,t=5,p=1$c2FsdA$aGFzaA\n"),
    **{name: ("lax", "") for name in ("plain", "sha", "ssha256", "ssha512", "crypt6", "crypty", "argon")},
}
PASSWORDS = {**FUNCTIONAL, **{name: f"Start-{name}-1!" for name in ACCOUNTS}}

POLICIES = {
    "default": {},
    "must": {"pwdMustChange": "TRUE"},
    "aged": {"pwdMaxAge": "3600"},
    "grace": {"pwdMaxAge": "3600", "pwdGraceAuthnLimit": "5"},
    "safe": {"pwdSafeModify": "TRUE"},
    "fixed": {"pwdAllowUserChange": "FALSE"},
    "young": {"pwdMinAge": "86400"},
    "lax": {"pwdCheckQuality": "0", "pwdMinLength": "0", "pwdInHistory": "0"},
}
POLICY = {"pwdAttribute": "userPassword", "pwdCheckQuality": "2", "pwdMinLength": "8", "pwdInHistory": "3",
          "pwdLockout": "TRUE", "pwdMaxFailure": "3", "pwdLockoutDuration": "600", "pwdFailureCountInterval": "600",
          "pwdMustChange": "FALSE", "pwdAllowUserChange": "TRUE", "pwdSafeModify": "FALSE"}

_running = weakref.WeakSet()


class ServerFailed(RuntimeError):
    """slapd did not start, or a tool failed; str() carries what it wrote."""


def ssha(password, algorithm="sha1", scheme="SSHA"):
    salt = secrets.token_bytes(8)
    digest = hashlib.new(algorithm, password.encode() + salt).digest()
    return f"{{{scheme}}}" + base64.b64encode(digest + salt).decode()


def crypt_hash(password, prefix):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        import crypt  # Debian 12's Python has it
    setting = {"$6$": "$6$" + secrets.token_hex(8), "$y$": "$y$j9T$" + secrets.token_hex(8)}.get(prefix, prefix)
    return crypt.crypt(password, setting)


def first_verifier(name):
    password = PASSWORDS[name]
    return {"plain": lambda: password,
            "sha": lambda: "{SHA}" + base64.b64encode(hashlib.sha1(password.encode()).digest()).decode(),
            "ssha256": lambda: ssha(password, "sha256", "SSHA256"),
            "ssha512": lambda: ssha(password, "sha512", "SSHA512"),
            "crypt6": lambda: "{CRYPT}" + crypt_hash(password, "$6$"),
            "crypty": lambda: "{crypt}" + crypt_hash(password, "$y$"),
            "argon": lambda: "{ARGON2}$argon2id$v=19$m=7168,t=5,p=1$c2FsdHNhbHQ$aGFzaGhhc2g"}.get(
                name, lambda: ssha(password))()


class LdapServer:
    """One slapd. start() may follow stop() or kill(): data, port and key stay.

    directory   where the server keeps its files; None makes one that goes away at the end of the program
    tls         False: no certificate, so neither StartTLS nor ldaps; port 636 then speaks plain LDAP
    anonymous   True: anyone may look for an account by its uid
    more        lines for slapd.conf, in front of the database
    """

    address = "127.0.0.1"

    def __init__(self, directory=None, *, tls=True, anonymous=False, more=""):
        if directory is None:
            directory = tempfile.mkdtemp(prefix="keyturn-ldap-")
            weakref.finalize(self, shutil.rmtree, directory, ignore_errors=True)
        self.directory = pathlib.Path(directory).resolve()
        self.directory.mkdir(parents=True, exist_ok=True)
        self.tls = tls
        self.anonymous = anonymous
        self.more = more
        self.port = 0
        # A loopback address of its own: port 636 is free there.
        self.tls_address = "127." + ".".join(str(random.randint(2, 250)) for _ in range(3))
        # Sockets have short paths only.
        self._socket = tempfile.mktemp(prefix="keyturn-ldapi-", dir="/tmp")
        self._process = None

    def __enter__(self):
        return self.start()

    def __exit__(self, *_):
        self.stop()

    # -- life ---------------------------------------------------------------------------------------------------

    def start(self):
        if self._process is not None:
            raise ServerFailed("this server is running already")
        if not (self.directory / "made").exists():
            self._make()
        _running.add(self)
        for _ in range(5):
            port = self.port or _free_port()
            if self._start_on(port):
                self.port = port
                return self
            if self.port:
                break
        raise ServerFailed(f"slapd did not start: {(self.directory / 'log').read_text(errors='replace')[-500:]}")

    def _start_on(self, port):
        scheme = "ldaps" if self.tls else "ldap"
        urls = (f"ldap://{self.address}:{port} {scheme}://{self.tls_address}:636 "
                f"ldapi://{self._socket.replace('/', '%2f')}")
        with open(self.directory / "log", "ab") as log:
            self._process = subprocess.Popen(
                ["/usr/sbin/slapd", "-d", "0", "-f", self.directory / "slapd.conf", "-h", urls],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, env={"PATH": "/usr/bin:/bin"})
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline and self._process.poll() is None:
            if self._signs_in():
                return True
            time.sleep(0.02)
        self.kill()
        return False

    def _signs_in(self):
        answer = self._tool("ldapwhoami", check=False)
        return answer.returncode == 0 and answer.stdout.strip() == f"dn:{ADMIN}"

    def stop(self):
        """End the server in order; it may be frozen."""
        if self._process is not None:
            with contextlib.suppress(OSError):
                self._process.send_signal(signal.SIGTERM)
                self._process.send_signal(signal.SIGCONT)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(5)
        self.kill()

    def kill(self):
        """End it at once, as a power cut would. Does nothing when it is not running."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
        self._process = None
        with contextlib.suppress(FileNotFoundError):
            os.unlink(self._socket)
        _running.discard(self)

    def restart(self):
        self.stop()
        return self.start()

    @property
    def pid(self):
        return self._process.pid

    def freeze(self):
        """Stop the process: a client then sees a server that hangs."""
        freezer.stop(self.pid)

    def thaw(self):
        """Let it run on: what had been sent to it is now carried out."""
        os.kill(self.pid, signal.SIGCONT)

    # -- what it is made of -------------------------------------------------------------------------------------

    def _make(self):
        (self.directory / "db").mkdir(exist_ok=True)
        (self.directory / "admin").write_text(ADMIN_PASSWORD)
        self.new_key()
        (self.directory / "slapd.conf").write_text(self._settings())
        (self.directory / "base.ldif").write_text(self._entries())
        made = subprocess.run(["/usr/sbin/slapadd", "-q", "-f", self.directory / "slapd.conf",
                               "-l", self.directory / "base.ldif"], capture_output=True, text=True)
        if made.returncode != 0:
            raise ServerFailed(made.stderr)
        (self.directory / "made").touch()

    def new_key(self):
        """Make a certificate with another key; a running server takes it at its next start."""
        subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "30", "-subj", "/CN=lab",
                        "-keyout", self.directory / "key.pem", "-out", self.directory / "cert.pem"],
                       check=True, capture_output=True)

    def renew_certificate(self):
        """Make another certificate for the same key."""
        subprocess.run(["openssl", "req", "-x509", "-key", self.directory / "key.pem", "-days", "60", "-subj", "/CN=new",
                        "-out", self.directory / "cert.pem"], check=True, capture_output=True)

    @property
    def pin(self):
        """The SHA-256 of the certificate's public key as the protocol writes it: SHA256:..."""
        key = subprocess.run(["openssl", "x509", "-in", self.directory / "cert.pem", "-noout", "-pubkey"],
                             check=True, capture_output=True, text=True).stdout
        der = base64.b64decode("".join(line for line in key.splitlines() if not line.startswith("-")))
        return "SHA256:" + base64.b64encode(hashlib.sha256(der).digest()).decode().rstrip("=")

    def _settings(self):
        tls = f"TLSCertificateFile {self.directory}/cert.pem\nTLSCertificateKeyFile {self.directory}/key.pem\n"
        who = {name: f'dn.exact="cn={name},{SUFFIX}"' for name in FUNCTIONAL}
        anonymous = "access to attrs=entry,uid,objectClass by anonymous read by * break\n" if self.anonymous else ""
        schemas = "".join(f"include /etc/ldap/schema/{name}.schema\n"
                          for name in ("core", "cosine", "inetorgperson", "nis"))
        return f"""{schemas}
pidfile {self.directory}/pid
argsfile {self.directory}/args
modulepath /usr/lib/ldap
moduleload back_mdb
moduleload ppolicy
moduleload pw-sha2
{tls if self.tls else ""}
sizelimit 500
password-hash {{SSHA}}
{self.more}
database mdb
suffix "{SUFFIX}"
rootdn "{ADMIN}"
rootpw {ssha(ADMIN_PASSWORD)}
directory {self.directory}/db
maxsize 268435456
index objectClass,uid eq
overlay ppolicy
ppolicy_default "cn=default,ou=pol,{SUFFIX}"
ppolicy_use_lockout
ppolicy_hash_cleartext
access to attrs=userPassword by {who["func"]} write by {who["writer"]} =wx by self =wx by anonymous auth by * none
access to attrs=pwdAccountLockedTime,pwdFailureTime,pwdReset,pwdEndTime by {who["func"]} write by * none
{anonymous}access to * by self read by {who["func"]} read by {who["writer"]} read by {who["reader"]} read by * none
"""

    def _entries(self):
        text = f"""dn: {SUFFIX}
objectClass: dcObject
objectClass: organization
o: lab
dc: lab

"""
        for unit in ("people", "more", "pol"):
            text += f"dn: ou={unit},{SUFFIX}\nobjectClass: organizationalUnit\nou: {unit}\n\n"
        for name, changes in POLICIES.items():
            rules = "".join(f"{key}: {value}\n" for key, value in {**POLICY, **changes}.items())
            text += f"dn: cn={name},ou=pol,{SUFFIX}\nobjectClass: person\nobjectClass: pwdPolicy\ncn: {name}\nsn: {name}\n{rules}\n"
        for name, password in FUNCTIONAL.items():
            text += (f"dn: cn={name},{SUFFIX}\nobjectClass: organizationalRole\nobjectClass: simpleSecurityObject\n"
                     f"objectClass: uidObject\nuid: {name}\ncn: {name}\nuserPassword: {ssha(password)}\n\n")
        for name, (policy, lines) in ACCOUNTS.items():
            rule = f"pwdPolicySubentry: cn={policy},ou=pol,{SUFFIX}\n" if policy else ""
            text += entry(dn_of(name), name, first_verifier(name), lines + rule)
        # The same uid twice; and names that a careless filter or DN would trip over.
        text += entry(f"uid=twin,ou=people,{SUFFIX}", "twin") + entry(f"uid=twin,ou=more,{SUFFIX}", "twin")
        for uid in AWKWARD:
            text += entry(awkward_dn(uid), uid, ssha("Awkward-1!"))
        return text

    # -- behind everybody's back --------------------------------------------------------------------------------

    def _tool(self, program, *arguments, text=None, check=True):
        url = f"ldapi://{self._socket.replace('/', '%2f')}"
        words = [program, "-x", "-H", url, "-D", ADMIN, "-y", self.directory / "admin", *arguments]
        return subprocess.run(words, input=text, capture_output=True, text=True, check=check, timeout=30,
                              env={"PATH": "/usr/bin:/bin", "LDAPNOINIT": "1"})

    def attribute(self, dn, name):
        """Return an attribute's values, as text, in the entry as it is stored."""
        found = self._tool("ldapsearch", "-LLL", "-o", "ldif-wrap=no", "-b", dn, "-s", "base", name).stdout
        values = []
        for line in found.splitlines():
            key, _, value = line.partition(":")
            if key.lower() == name.lower():
                values.append(base64.b64decode(value[1:]).decode() if value[0] == ":" else value[1:])
        return values

    def stored(self, name):
        """The account's verifiers."""
        return self.attribute(dn_of(name), "userPassword")

    def modify(self, ldif, *options):
        self._tool("ldapmodify", *options, text=ldif)

    def set_operational(self, name, attribute, *values):
        """Set what only the policy sets, such as pwdChangedTime."""
        lines = "".join(f"{attribute}: {value}\n" for value in values)
        self.modify(f"dn: {dn_of(name)}\nchangetype: modify\nreplace: {attribute}\n{lines}", "-e", "relax")

    def restart_with_hashes(self, is_slow):
        """Slow ones take seconds: when the server is killed meanwhile, the change that it was given never was."""
        quick, slow = "password-hash {SSHA}\n", 'password-hash {CRYPT}\npassword-crypt-salt-format "$6$rounds=5000000$%.16s"\n'
        settings = self.directory / "slapd.conf"
        self.stop()
        settings.write_text(settings.read_text().replace(*((quick, slow) if is_slow else (slow, quick))))
        self.start()

    def set_password(self, name, password, verifier=None):
        """Change a password as another administrator would: no policy applies, no lock is lifted."""
        value = base64.b64encode((verifier or ssha(password)).encode()).decode()
        self.modify(f"dn: {dn_of(name)}\nchangetype: modify\nreplace: userPassword\nuserPassword:: {value}\n")

    def has_password(self, name, password):
        """Is it the stored one? Spends no login."""
        return any(_matches(value, password) for value in self.stored(name))

    def failures(self, name):
        """How many failed logins the policy has counted."""
        return len(self.attribute(dn_of(name), "pwdFailureTime"))


AWKWARD = ["a*b", "x(y)z", "back\\slash", "comma, name", "plus+eq=u1", 'quo"te', "Jürgen", "u1)(uid=*", "#hash", "-dash"]


def dn_of(name):
    return f"cn={name},{SUFFIX}" if name in FUNCTIONAL else f"uid={name},ou=people,{SUFFIX}"


def awkward_dn(uid):
    escaped = "".join(f"\\{byte:02x}" for byte in uid.encode())
    return f"uid={escaped},ou=people,{SUFFIX}"


def entry(dn, uid, verifier=None, lines=""):
    def pair(key, value):
        return f"{key}:: {base64.b64encode(value.encode()).decode()}\n"
    return (pair("dn", dn) + "objectClass: inetOrgPerson\n" + pair("uid", uid) + pair("cn", uid) + pair("sn", uid) +
            (pair("userPassword", verifier) if verifier else "") + lines + "\n")


def _matches(verifier, password):
    scheme, _, rest = verifier.partition("}")
    algorithm = {"{SHA": "sha1", "{SSHA": "sha1", "{SSHA256": "sha256", "{SSHA512": "sha512"}.get(scheme.upper())
    if algorithm:
        value = base64.b64decode(rest)
        size = hashlib.new(algorithm).digest_size
        return hashlib.new(algorithm, password.encode() + value[size:]).digest() == value[:size]
    if scheme.upper() == "{CRYPT":
        return crypt_hash(password, rest) == rest
    return verifier == password


def _free_port():
    with socket.socket() as probe:
        probe.bind((LdapServer.address, 0))
        return probe.getsockname()[1]


@atexit.register
def _kill_all():
    for server in list(_running):
        server.kill()
