#!/usr/bin/python3 -EsB
"""tests/targets/python_connector.py: a connector for PostgreSQL, written from docs/connector-protocol.md alone, in another language.

It is installed as keyturn-connector-postgresql, in place of the compiled one, with python_postgresql.py beside it.
"""
import json
import re
import select
import socket
import sys
import time
import unicodedata

from python_postgresql import Broken, Failure, Session, Target, identifier, is_made_of, literal, make_verifier

LINE_FD, LINE_BYTES_MAX, IDLE_S, REQUESTS_MAX = 3, 65536, 30, 1000
NAME_BYTES_MAX, PASSWORD_BYTES_MAX = 63, 1000

ACCOUNT = """SELECT a.rolcanlogin, a.rolvaliduntil < now(), NOT pg_is_in_recovery() AND a.rolname !~ '^pg_' AND (me.rolsuper OR me.rolcreaterole AND NOT a.rolsuper AND
 CASE WHEN current_setting('server_version_num')::int < 160000 THEN NOT a.rolreplication ELSE pg_has_role(a.oid, 'MEMBER WITH ADMIN OPTION') END)
 FROM pg_roles a, pg_roles me WHERE me.rolname = current_user AND a.rolname = """
STARTED = "(extract(epoch FROM backend_start) * 1000000)::bigint"


class Connector:
    def __init__(self):
        self.has_greeted, self.target, self.session, self.has_functional, self.deadline = False, None, None, False, 0

    def answer(self, request):
        """The fields of the answer to one request; None for bye."""
        op = request.get("op")
        if op == "bye":
            return None
        if op not in ("hello", "check", "change", "login", "compare", "fence") or (op != "hello" and not self.has_greeted):
            raise Failure("bad_request", "not an operation of this connector")
        if op in ("change", "login", "compare", "fence") and self.target is None:
            raise Failure("bad_request", "there was no check")
        self.deadline = time.monotonic() + (self.target.timeout_s if self.target else 30)
        if self.session:
            self.session.deadline = self.deadline
        return getattr(self, op)(request)

    def hello(self, request):
        if request.get("protocol") != 1:
            raise Failure("bad_request", "another protocol")
        self.has_greeted = True
        return {"connector": "postgresql", "protocol": 1, "version": "python"}

    # -- check

    def check(self, request):
        target = Target(request.get("target") or {}, request.get("host_keys") or [])
        if self.target and self.target.place() != target.place():
            raise Failure("bad_request", "another target")
        functional, name = request.get("functional"), request.get("account")
        if name is not None:
            name = account_of(request)
        self.end_session()
        self.target, self.has_functional, self.deadline = target, functional is not None, time.monotonic() + target.timeout_s
        session = Session(target, self.deadline)
        found = {"can_change": False, "can_compare": False, "can_install_keys": False, "scheme": "", "fence": "none", "fence_s": 0, "text": "",
                 "host_key": session.host_key}
        if functional is None:
            session.close()
            return found
        return {**found, **self.look(session, functional, name)}

    def look(self, session, functional, name):
        try:
            if not session.sign_in(account_of(functional), text_of(functional, "password")):
                text = f"the functional account is not let in: SQLSTATE {session.error[0]}"
                if not session.proved and not session.error[0].startswith("28"):
                    raise Failure("unreachable", text, host_key=session.host_key)
                raise Failure("functional_denied", text, host_key=session.host_key, result=word_of(session) or "refused")
            self.session = session
            token = session.rows(f"SELECT pid || ' ' || {STARTED} FROM pg_stat_activity WHERE pid = pg_backend_pid()")[0][0]
            can_compare = session.rows("SELECT has_column_privilege('pg_authid', 'rolpassword', 'SELECT') AND has_column_privilege('pg_authid', 'rolname', 'SELECT')")
            found = {"fence": "session", "fence_token": token, "can_compare": can_compare == [["t"]], "scheme": "SCRAM-SHA-256"}
            if name is None:
                return found
            account = session.rows(ACCOUNT + literal(name))
        except (Broken, OSError) as error:
            self.end_session()
            session.close()
            raise Failure("unreachable", f"signing in broke off: {error}") from None
        except Failure as failure:
            if self.session is None:
                session.close()
            if failure.answer["code"] == "refused":
                raise Failure("functional_denied", failure.answer["text"], host_key=session.host_key, result="refused") from None
            raise
        if not account:
            raise Failure("no_account", "there is no such role")
        can_login, is_over, can_change = (value == "t" for value in account[0])
        words = {"VALID UNTIL has passed": is_over, "the role is NOLOGIN": not can_login, "its password may not be set here": not can_change}
        return {**found, "can_change": can_change, "text": "; ".join(word for word, holds in words.items() if holds)}

    def end_session(self):
        if self.session:
            self.session.close()
        self.session = None

    def functional_session(self):
        if not self.has_functional:
            raise Failure("bad_request", "the check named no functional account")
        if self.session is None:
            raise Failure("unreachable", "there is no functional session any more")
        return self.session

    # -- change

    def change(self, request):
        name, password = account_of(request), text_of(request, "password")
        if request.get("part") != "password":
            raise Failure("bad_request", "keys are of another kind of target")
        if not password or any(c in password for c in "\0\r\n"):
            raise Failure("bad_request", "a password is not empty, and has no line ends")
        if len(password.encode()) > PASSWORD_BYTES_MAX:
            raise Failure("policy", f"a password has at most {PASSWORD_BYTES_MAX} bytes")
        if request.get("method", "functional") != "self":
            return self.alter(self.functional_session(), name, password)
        session = Session(self.target, self.deadline)
        try:
            is_open = session.sign_in(name, text_of(request, "current"))
        except (Broken, OSError):
            raise Failure("unsent", "signing in broke off") from None
        try:
            if is_open:
                return self.alter(session, name, password, is_self=True)
        finally:
            session.close()
        if session.error[0] == "28P01" and self.try_in(name, password) == "accepted":
            return {}
        raise Failure("unreachable" if session.proved else "refused", f"the present password is not let in: SQLSTATE {session.error[0]}")

    def alter(self, session, name, password, is_self=False):
        try:
            _, tag, error, state = session.ask(f"ALTER ROLE {identifier(name)} PASSWORD {literal(make_verifier(password))}")
        except (Broken, OSError):
            self.end_session()
            raise Failure("unknown", "the connection broke after the change was sent") from None
        if state != "I" or (not error and tag != "ALTER ROLE"):
            raise Failure("unknown", "the server's answer is neither yes nor no")
        if error:
            code = {"42704": "no_account", "42501": "refused" if is_self else "elevation_denied", "22023": "policy"}.get(error, "refused")
            raise Failure(code, f"the server refuses: SQLSTATE {error}")
        return {}

    # -- looking

    def login(self, request):
        return {"result": self.try_in(account_of(request), text_of(request, "password")), "host_key": self.last_host_key}

    def try_in(self, name, password):
        session = Session(self.target, self.deadline)
        self.last_host_key = session.host_key
        try:
            if session.sign_in(name, password):
                return "accepted"
        except (Broken, OSError) as error:
            raise Failure("unreachable", f"signing in broke off: {error}") from None
        finally:
            session.close()
        if word := word_of(session):
            return word
        code = "refused" if session.error[0].startswith("28") else "unreachable"
        raise Failure(code, f"the server has asked for no password: SQLSTATE {session.error[0]}")

    def compare(self, request):
        name, password = account_of(request), text_of(request, "password")
        try:
            found = self.functional_session().rows("SELECT a.rolpassword, r.rolcanlogin FROM pg_authid a JOIN pg_roles r USING (rolname) "
                                                   f"WHERE rolname = {literal(name)}")
        except (Broken, OSError):
            self.end_session()
            raise Failure("unreachable", "the functional session has ended") from None
        if not found:
            raise Failure("no_account", "there is no such role")
        verifier, can_login = found[0]
        scheme = None if verifier is None else "md5" if verifier.startswith("md5") else "SCRAM-SHA-256"
        return {"match": verifier is not None and is_made_of(verifier, name, password), "scheme": scheme, "locked": can_login != "t"}

    def fence(self, request):
        if not (found := re.fullmatch(r"(\d{1,10}) (\d{1,20})", text_of(request, "token"))):
            raise Failure("bad_request", "not a token of this connector")
        here = f"FROM pg_stat_activity WHERE pid = {found[1]} AND {STARTED} = {found[2]}"
        try:
            session = self.functional_session()
            session.rows(f"SELECT pg_terminate_backend(pid) {here}")
            while session.rows(f"SELECT 1 {here}"):
                time.sleep(0.05)
                session.wait_at_most()
        except (Broken, OSError):
            self.end_session()
            raise Failure("unreachable", "it is not over yet") from None
        return {}


def word_of(session):
    """How a session was refused; None: it says nothing of the password."""
    if session.proved:
        return "locked" if session.error[0] == "28000" else "accepted"
    return "denied" if session.error[0] == "28P01" else None


def text_of(fields, name):
    if not isinstance(fields.get(name), str):
        raise Failure("bad_request", f"{name} is missing")
    return fields[name]


def account_of(fields):
    name = text_of(fields, "account")
    if not 1 <= len(name.encode()) <= NAME_BYTES_MAX or any(unicodedata.category(c) == "Cc" for c in name):
        raise Failure("bad_request", "not a role's name")
    return name


# -- the line ---------------------------------------------------------------------------------------------------------

def lines(line):
    """Whole lines, until the end of file, too long a line, or 30 s without one."""
    waiting = b""
    while True:
        while b"\n" in waiting:
            text, _, waiting = waiting.partition(b"\n")
            if len(text) >= LINE_BYTES_MAX:
                return
            yield text
        if len(waiting) >= LINE_BYTES_MAX or not select.select([line], [], [], IDLE_S)[0]:
            return
        if not (chunk := line.recv(65536)):
            return
        waiting += chunk


def answer_line(connector, text):
    """The answer as a dict, or None for bye."""
    number = 0
    try:
        request = json.loads(text.decode("utf-8"))
        if not isinstance(request, dict) or not isinstance(request.get("id"), int) or isinstance(request["id"], bool):
            raise ValueError
        number = request["id"]
        answer = connector.answer(request)
        return answer if answer is None else {"id": number, "ok": True, **answer}
    except Failure as failure:
        return {"id": number, **failure.answer}
    except (ValueError, RecursionError):
        return {"id": number, "ok": False, "code": "bad_request", "text": "the line makes no sense"}


def main():
    line, connector = socket.socket(fileno=LINE_FD), Connector()
    for count, text in enumerate(lines(line), 1):
        if (answer := answer_line(connector, text)) is None:
            return 0
        line.sendall(json.dumps(answer).encode() + b"\n")
        if count == REQUESTS_MAX:
            return 0
    return 0


if __name__ == "__main__":
    sys.exit(main())
