"""tests/targets/postgresql_target.py: a PostgreSQL server with accounts whose passwords Keyturn looks after.

    with PostgresqlServer(tmp_path / "server") as server:
        connect("127.0.0.1", server.port, pin=server.pin)
        server.set_password("u1", "Another-1!")

It starts, stops, hangs and dies as postgresql_server.py says. Passwords of the accounts are in PASSWORDS.
"""

import base64
import contextlib
import hashlib
import hmac
import pathlib
import re
import shutil
import subprocess

from postgresql_server import BIN, ENVIRONMENT
from postgresql_store import PostgresStore, make_certificates

PASSWORDS = {
    "func": "Func-Start-1!",  # CREATEROLE, and may read pg_authid
    "plain": "Plain-Start-1!",  # CREATEROLE
    "nobody": "Nobody-Start-1!",  # no right at all
    "boss": "Boss-Start-1!",  # superuser
    **{f"u{i}": f"Start-Pass-{i}!" for i in range(1, 9)},
    "nolog": "Nolog-Start-1!",  # NOLOGIN
    "late": "Late-Start-1!",  # VALID UNTIL has passed
    "full": "Full-Start-1!",  # CONNECTION LIMIT 0
    "copier": "Copier-Start-1!",  # REPLICATION
    "hashed": "Hashed-Start-1!",  # an md5 verifier, behind scram-sha-256
    "md5er": "Md5er-Start-1!",  # an md5 verifier, behind md5
    "clear": "Clear-Start-1!",  # behind password
    "trusted": "Trusted-Start-1!",  # behind trust
    "barred": "Barred-Start-1!",  # behind reject
}
ATTRIBUTES = {"func": "LOGIN CREATEROLE", "plain": "LOGIN CREATEROLE", "boss": "LOGIN SUPERUSER", "nolog": "NOLOGIN",
              "copier": "LOGIN REPLICATION", "late": "LOGIN VALID UNTIL '2000-01-01'", "full": "LOGIN CONNECTION LIMIT 0"}
METHODS = {"md5er": "md5", "clear": "password", "trusted": "trust", "barred": "reject"}


class PostgresqlServer(PostgresStore):
    """tls False: it speaks none. settings: more of postgresql.conf."""

    def __init__(self, folder, tls=True, settings=None):
        super().__init__(folder, tls=tls, settings=settings, fsync=False)

    def _write_settings(self):
        super()._write_settings()
        host = "hostssl" if self.tls else "host"
        rules = ["local all postgres peer", *(f"{host} all {name} all {method}" for name, method in METHODS.items()),
                 f"{host} all all all scram-sha-256"]
        self._write("pg_hba.conf", "\n".join(rules) + "\n")

    def start(self):
        super().start()
        if not (self.folder / "accounts-made").exists():
            self.psql("".join(self._account_sql(name) for name in PASSWORDS) +
                      "GRANT SELECT (rolname, rolpassword) ON pg_catalog.pg_authid TO func;\n")
            (self.folder / "accounts-made").touch()
        return self

    @staticmethod
    def _account_sql(name):
        scheme = "md5" if name in ("hashed", "md5er") else "scram-sha-256"
        return (f"SET password_encryption = '{scheme}';\n"
                f"CREATE ROLE {name} {ATTRIBUTES.get(name, 'LOGIN')} PASSWORD {quoted(PASSWORDS[name])};\n")

    # -- accounts -----------------------------------------------------------------------------------------------

    def set_password(self, name, password):
        """Change a password behind everybody's back; the server makes the verifier."""
        self.psql(f"SET log_min_error_statement = panic;\nALTER ROLE {identifier(name)} PASSWORD {quoted(password)}")

    def verifier(self, name):
        """What stands in pg_authid, "" for no password."""
        return self.psql(f"SELECT rolpassword FROM pg_authid WHERE rolname = {quoted(name)}")

    def verifiers(self):
        return self.psql("SELECT rolname, rolpassword FROM pg_authid ORDER BY 1")

    def has_password(self, name, password):
        """Does the verifier belong to this password of ASCII characters? Made anew here; no login is spent."""
        iterations, salt, stored = re.match(r"SCRAM-SHA-256\$(\d+):([^$]+)\$([^:]+):", self.verifier(name)).groups()
        salted = hashlib.pbkdf2_hmac("sha256", password.encode(), base64.b64decode(salt), int(iterations))
        client = hmac.digest(salted, b"Client Key", "sha256")
        return hashlib.sha256(client).digest() == base64.b64decode(stored)

    def can_login(self, name, password, database="postgres"):
        """Say whether psql is let in over TLS with this password. The password travels in its environment."""
        place = {"PGHOSTADDR": self.address, "PGPORT": str(self.port), "PGUSER": name, "PGPASSWORD": password,
                 "PGDATABASE": database, "PGSSLMODE": "require" if self.tls else "disable"}
        done = subprocess.run([BIN / "psql", "-X", "-c", "SELECT 1"], env={**ENVIRONMENT, **place}, timeout=30,
                              capture_output=True, text=True)
        return done.returncode == 0

    # -- the key ------------------------------------------------------------------------------------------------

    @property
    def pin(self):
        return pin_of(self.folder / "tls/server.crt")

    def renew_certificate(self, with_key):
        """Take a new certificate into use; with_key: of a new key as well."""
        if with_key:
            shutil.rmtree(self.folder / "tls")
            make_certificates(self.folder / "tls")
        else:
            subprocess.run(["openssl", "req", "-x509", "-new", "-key", "server.key", "-subj", "/CN=renewed", "-out",
                            "server.crt"], cwd=self.folder / "tls", check=True, capture_output=True)
        self.restart()

    # -- sessions -----------------------------------------------------------------------------------------------

    def process_of(self, backend_pid):
        """The process id, as this machine numbers it, of a session."""
        for pid in self.processes():
            with contextlib.suppress(OSError):
                status = pathlib.Path(f"/proc/{pid}/status").read_text()
                if re.search(r"^NSpid:.*\t(\d+)$", status, re.MULTILINE).group(1) == str(backend_pid):
                    return pid
        raise ProcessLookupError(backend_pid)

    def wait_for_no_session(self):
        self.wait_for("SELECT count(*) = 0 FROM pg_stat_activity WHERE application_name = 'keyturn'")


def pin_of(certificate):
    """The fingerprint of a certificate's public key as Keyturn pins it: SHA256:..."""
    public = subprocess.run(["openssl", "x509", "-in", certificate, "-noout", "-pubkey"], check=True, capture_output=True)
    der = subprocess.run(["openssl", "pkey", "-pubin", "-outform", "DER"], input=public.stdout, check=True,
                         capture_output=True)
    return "SHA256:" + base64.b64encode(hashlib.sha256(der.stdout).digest()).decode().rstrip("=")


def identifier(name):
    return '"' + name.replace('"', '""') + '"'


def quoted(text):
    return "'" + text.replace("'", "''") + "'"
