"""tests/targets/python_postgresql.py: as much of PostgreSQL's protocol as the connector in Python needs, with nothing but Python's own library.

libpq shows a certificate to nobody before it signs in, so the handshake, SCRAM-SHA-256-PLUS and the statements are here.
"""
import base64
import hashlib
import hmac
import ipaddress
import re
import secrets
import socket
import ssl
import stringprep
import struct
import time
import unicodedata

MESSAGE_BYTES_MAX, ITERATIONS_MAX = 1 << 20, 1_000_000
VERIFIER = re.compile(r"SCRAM-SHA-256\$(\d+):([^$]+)\$([^:]+):(.+)")


class Failure(Exception):
    """An answer that is not ok."""

    def __init__(self, code, text="", **more):
        super().__init__(text)
        self.answer = {"ok": False, "code": code, "text": "".join(c if c.isprintable() else " " for c in text)[:200], **more}


class Broken(Exception):
    """The connection has ended, or said nothing in time, or nonsense."""


# -- the certificate --------------------------------------------------------------------------------------------------

def der_parts(der):
    """The elements of a sequence, each with its tag and length."""
    def element(at):
        length, start = der[at + 1], at + 2
        if length & 0x80:
            start += length & 0x7F
            length = int.from_bytes(der[at + 2:start], "big")
        return start, start + length
    at, end = element(0)
    parts = []
    while at < end:
        parts.append(der[at:element(at)[1]])
        at = element(at)[1]
    return parts


HASHES = {bytes.fromhex("2a864886f70d01010c"): "sha384", bytes.fromhex("2a864886f70d01010d"): "sha512",
          bytes.fromhex("2a8648ce3d040303"): "sha384", bytes.fromhex("2a8648ce3d040304"): "sha512"}


def pin_of(certificate):
    """The fingerprint of its SubjectPublicKeyInfo: the field after version (where there is one), number, algorithm, issuer, dates, subject."""
    fields = der_parts(der_parts(certificate)[0])
    public = fields[6 if fields[0][0] == 0xA0 else 5]
    return "SHA256:" + base64.b64encode(hashlib.sha256(public).digest()).decode().rstrip("=")


def end_point_of(certificate):
    """RFC 5929: the certificate's hash by the algorithm of its signature, SHA-256 for the weak ones."""
    identifier = der_parts(der_parts(certificate)[1])[0][2:]
    return hashlib.new(HASHES.get(identifier, "sha256"), certificate).digest()


# -- SCRAM ------------------------------------------------------------------------------------------------------------

def prepared(password):
    """SASLprep (RFC 4013) as PostgreSQL does it: what it forbids is looked for before the normalisation, and then goes as it is."""
    text = "".join(" " if stringprep.in_table_c12(c) else c for c in password if stringprep.in_table_c12(c) or not stringprep.in_table_b1(c))
    forbidden = (stringprep.in_table_c12, stringprep.in_table_c21_c22, stringprep.in_table_c3, stringprep.in_table_c4, stringprep.in_table_c5,
                 stringprep.in_table_c6, stringprep.in_table_c7, stringprep.in_table_c8, stringprep.in_table_c9, stringprep.in_table_a1)
    right = [stringprep.in_table_d1(c) for c in text]
    is_mixed = any(right) and (any(stringprep.in_table_d2(c) for c in text) or not (right[0] and right[-1]))
    if password.isascii() or not text or is_mixed or any(is_in(c) for is_in in forbidden for c in text):
        return password.encode()
    return unicodedata.normalize("NFKC", text).encode()


def scram_keys(password, salt, iterations):
    """(client key, stored key, server key)"""
    salted = hashlib.pbkdf2_hmac("sha256", prepared(password), salt, iterations)
    client = hmac.digest(salted, b"Client Key", "sha256")
    return client, hashlib.sha256(client).digest(), hmac.digest(salted, b"Server Key", "sha256")


def make_verifier(password):
    salt = secrets.token_bytes(16)
    _, stored, server = scram_keys(password, salt, 4096)
    return "SCRAM-SHA-256$4096:" + "$".join((base64.b64encode(salt).decode(), ":".join(base64.b64encode(key).decode() for key in (stored, server))))


def is_made_of(verifier, name, password):
    if verifier.startswith("md5"):
        return hmac.compare_digest(verifier, "md5" + hashlib.md5((password + name).encode()).hexdigest())
    if not (found := VERIFIER.fullmatch(verifier)) or not 0 < int(found[1]) <= ITERATIONS_MAX:
        raise Failure("unreadable", "the verifier is of an unknown kind")
    return hmac.compare_digest(base64.b64decode(found[3]), scram_keys(password, base64.b64decode(found[2]), int(found[1]))[1])


# -- a session --------------------------------------------------------------------------------------------------------

class Target:
    def __init__(self, target, host_keys):
        try:
            self.address, self.port = str(ipaddress.ip_address(target["address"])), int(target["port"])
            self.timeout_s, self.database = min(300, max(1, int(target.get("timeout_s", 30)))), target.get("instance") or "postgres"
            self.pins = [(key["type"], key["sha256"]) for key in host_keys]
        except (KeyError, TypeError, ValueError):
            raise Failure("bad_request", "the target makes no sense") from None

    def place(self):
        return self.address, self.port, self.database


class Session:
    """One connection, its certificate looked at before anything is said. error: SQLSTATE and text with which the server ended it."""

    def __init__(self, target, deadline):
        self.target, self.deadline, self.proved, self.error, self.socket = target, deadline, False, ("", ""), None
        try:
            family = socket.AF_INET6 if ":" in target.address else socket.AF_INET
            self.socket = socket.socket(family, socket.SOCK_STREAM)
            self.wait_at_most()
            self.socket.connect((target.address, target.port))
            self.shake_hands()
        except (OSError, Broken) as error:
            self.close()
            raise Failure("unreachable", f"no connection: {error}") from None
        except Failure:
            self.close()
            raise

    def shake_hands(self):
        self.socket.sendall(struct.pack("!II", 8, 80877103))
        if self.socket.recv(1) != b"S":
            raise Failure("unreachable", "the server speaks no TLS")
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname, context.verify_mode, context.minimum_version = False, ssl.CERT_NONE, ssl.TLSVersion.TLSv1_2
        self.socket = context.wrap_socket(self.socket)
        self.certificate = self.socket.getpeercert(binary_form=True)
        self.host_key = {"type": "x509", "sha256": pin_of(self.certificate)}
        if ("x509", self.host_key["sha256"]) not in self.target.pins:
            code = "host_key_changed" if self.target.pins else "host_key_unknown"
            raise Failure(code, "the server shows another key" if self.target.pins else "", host_key=self.host_key)

    def close(self):
        if self.socket:
            self.socket.close()

    def wait_at_most(self):
        left = self.deadline - time.monotonic()
        if left <= 0:
            raise Broken("no answer in time")
        self.socket.settimeout(left)

    def send(self, kind, body):
        try:
            self.wait_at_most()
            self.socket.sendall(kind + struct.pack("!I", len(body) + 4) + body)
        except OSError as error:
            raise Broken(str(error)) from None

    def receive(self, count):
        got = b""
        while len(got) < count:
            try:
                self.wait_at_most()
                chunk = self.socket.recv(count - len(got))
            except OSError as error:
                raise Broken(str(error)) from None
            if not chunk:
                raise Broken("the connection has ended")
            got += chunk
        return got

    def message(self):
        """(kind, body) of the next message that says something; what the server only mentions is passed over."""
        while True:
            head = self.receive(5)
            length = struct.unpack("!I", head[1:])[0] - 4
            if not 0 <= length <= MESSAGE_BYTES_MAX:
                raise Broken("a message without sense")
            body = self.receive(length)
            if head[:1] == b"E":
                fields = {part[:1]: part[1:].decode("utf-8", "replace") for part in body.split(b"\0")}
                self.error = fields.get(b"C", ""), fields.get(b"M", "")
            if head[:1] not in b"NSK":
                return head[:1], body

    # -- signing in

    def sign_in(self, name, password):
        """True: the password is right, and the session is open. False: the server has ended it, self.error says with what; self.proved
        whether that came after the proof."""
        timeout_ms = str(max(500, self.target.timeout_s * 1000 - 500))
        words = {"user": name, "database": self.target.database, "application_name": "keyturn", "client_encoding": "UTF8", "search_path": "pg_catalog",
                 "default_transaction_read_only": "off", "synchronous_commit": "on", "statement_timeout": timeout_ms, "lock_timeout": timeout_ms,
                 "standard_conforming_strings": "on"}
        body = struct.pack("!I", 196608) + b"".join(text.encode() + b"\0" for pair in words.items() for text in pair) + b"\0"
        self.wait_at_most()
        self.socket.sendall(struct.pack("!I", len(body) + 4) + body)
        kind, body = self.message()
        if kind == b"R" and body[:4] == struct.pack("!I", 10) and b"SCRAM-SHA-256-PLUS" in body[4:].split(b"\0"):
            kind, body = self.prove(password)
        elif kind == b"R":
            raise Failure("refused", "the server asks for something else than SCRAM bound to its certificate")
        while kind not in (b"E", b"Z"):
            kind, body = self.message()
        return kind == b"Z"

    def prove(self, password):
        """The four messages of RFC 5802; the next one after them, or the error instead."""
        binding, nonce = b"p=tls-server-end-point,,", secrets.token_urlsafe(24)
        first = f"n=,r={nonce}"
        text = binding + first.encode()
        self.send(b"p", b"SCRAM-SHA-256-PLUS\0" + struct.pack("!I", len(text)) + text)
        kind, body = self.message()
        if kind == b"E":
            return kind, body
        found = re.fullmatch(r"r=([^,]+),s=([^,]+),i=(\d+)", body[4:].decode("ascii", "replace"))
        if kind != b"R" or not found or not found[1].startswith(nonce) or not 0 < int(found[3]) <= ITERATIONS_MAX:
            raise Broken("the server's SCRAM makes no sense")
        client, stored, server = scram_keys(password, base64.b64decode(found[2]), int(found[3]))
        final = "c=" + base64.b64encode(binding + end_point_of(self.certificate)).decode() + ",r=" + found[1]
        signed = ",".join((first, found[0], final)).encode()
        proof = bytes(a ^ b for a, b in zip(client, hmac.digest(stored, signed, "sha256")))
        self.send(b"p", f"{final},p={base64.b64encode(proof).decode()}".encode())
        kind, body = self.message()
        if kind == b"E":
            return kind, body
        expected = b"v=" + base64.b64encode(hmac.digest(server, signed, "sha256"))
        if kind != b"R" or not hmac.compare_digest(body[4:], expected):
            raise Broken("the server does not know the password that it is asked about")
        self.proved = True
        return self.message()

    # -- asking

    def ask(self, text):
        """(rows, tag, SQLSTATE or "", "I" for a session that is idle): what one statement came to."""
        self.error, rows, tag = ("", ""), [], ""
        self.send(b"Q", text.encode() + b"\0")
        while True:
            kind, body = self.message()
            if kind == b"D":
                rows.append(read_row(body))
            elif kind == b"C":
                tag = body.rstrip(b"\0").decode()
            elif kind == b"Z":
                return rows, tag, self.error[0], body.decode()

    def rows(self, text):
        rows, _, error, _ = self.ask(text)
        if error:
            raise Failure("unreadable" if error == "42501" else "unsent", "the server does not answer what was asked")
        return rows


def read_row(body):
    at, columns = 2, []
    for _ in range(struct.unpack("!H", body[:2])[0]):
        length = struct.unpack("!i", body[at:at + 4])[0]
        columns.append(None if length < 0 else body[at + 4:at + 4 + length].decode())
        at += 4 + max(0, length)
    return columns


def identifier(name):
    return '"' + name.replace('"', '""') + '"'


def literal(text):
    return "'" + text.replace("'", "''") + "'"
