"""tests/rotation/test_connector_ldap_again.py: a check that comes again, what it keeps, and what it looks at anew."""

import pathlib
import sys
import time

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "targets"))

from ldap_fixtures import (  # noqa: E402,F401
    change, check, connector, dn_of, functional, keys, LdapServer, login, PASSWORDS, server, target)
from ldap_server import SUFFIX  # noqa: E402
from scripted_ldap import (  # noqa: E402
    ber, BIND, closes, DEFAULTS, message, MODIFY, result_bytes, ScriptedLdap, SEARCH, SEARCH_DONE, SEARCH_ENTRY)


def ask_again(connector, where, account="u1", **more):
    fields = {"target": target(where), "host_keys": keys(where), "functional": functional(), "account": account, "dn": "",
              "again": True, **more}
    return connector.call("check", **fields)


def again(connector, where, account="u1", **more):
    answer = ask_again(connector, where, account, **more)
    assert answer["ok"], answer
    return answer


def without_id(answer):
    return {name: value for name, value in answer.items() if name not in ("id", "text")}


@pytest.mark.parametrize("has_dn", [False, True])
def test_the_session_is_kept(connector, server, has_dn):
    first = check(connector, server, "u1")
    sockets = connector.sockets()
    for account in ("u1", "u2", "u1"):
        dn = dn_of(account) if has_dn else ""
        assert without_id(again(connector, server, account, dn=dn)) == without_id(first)
        password = f"Again-{account}-{has_dn}-{len(connector.heard)}!"
        assert change(connector, account, password, dn=dn)["ok"]
        assert connector.call("compare", account=account, dn=dn, password=password)["match"] is True
        assert login(connector, account, password) == "accepted"
        assert connector.sockets() == sockets


def has_one_context(server, connection, number, request):
    if b"namingContexts" not in request:
        return DEFAULTS[SEARCH](server, connection, number, request)
    context = ber(0x30, ber(0x04, b"namingContexts"), ber(0x31, ber(0x04, SUFFIX.encode())))
    root = message(number, ber(SEARCH_ENTRY, ber(0x04), ber(0x30, context)))
    return connection.sendall(root + result_bytes(number, SEARCH_DONE, 0))


@pytest.mark.parametrize("dn, asked", [(dn_of("u1"), [SEARCH, MODIFY]), ("", [SEARCH, SEARCH, MODIFY])])
def test_what_is_asked_of_the_server(connector, server, dn, asked):
    with ScriptedLdap(server.directory, on={SEARCH: has_one_context}) as impostor:
        impostor.pin = server.pin
        assert ask_again(connector, impostor, dn=dn)["ok"]
        seen = len(impostor.operations)
        assert ask_again(connector, impostor, dn=dn)["ok"]
        assert impostor.operations[seen:] == asked and impostor.handshakes == 1
        impostor.answers[SEARCH] = closes
        assert ask_again(connector, impostor, dn=dn)["code"] == "unreachable"
        assert impostor.operations.count(BIND) == 2  # one new sign-in, and no third
        assert impostor.handshakes == 2


def test_the_account_is_looked_at_anew(connector, server):
    check(connector, server, "u3")
    sockets = connector.sockets()
    server.set_password("u3", "", verifier="{CRYPT}$6$abcdefgh$" + "x" * 86)
    assert again(connector, server, "u3")["scheme"] == "{CRYPT}"
    server.modify(f"dn: {dn_of('u3')}\nchangetype: modify\nreplace: pwdAccountLockedTime\n"
                  "pwdAccountLockedTime: 000001010000Z\n")
    assert "locked since" in again(connector, server, "u3")["text"]
    assert ask_again(connector, server, "ghost")["code"] == "no_account"
    assert ask_again(connector, server, "twin")["code"] == "no_account"
    assert again(connector, server)["can_change"] and connector.sockets() == sockets


@pytest.mark.parametrize("other", [{"functional": functional(password="Wrong-1!")}, {"functional": functional("writer")},
                                   {"host_keys": "more"}, {"host_keys": "less"}, {"name": "ldap02"}, {"timeout_s": 19},
                                   {"account": None}, {"again": False}])
def test_another_request_signs_in_anew(connector, server, other):
    check(connector, server)
    sockets = connector.sockets()
    more = {"target": {**target(server), **other}} if "name" in other or "timeout_s" in other else dict(other)
    if "host_keys" in other:
        stranger = {"type": "x509", "sha256": "SHA256:" + "A" * 43}
        more["host_keys"] = [stranger, *keys(server)] if other["host_keys"] == "more" else [stranger]
    answer = ask_again(connector, server, **more)
    code = {"functional_denied": "Wrong", "host_key_changed": "less"}
    assert connector.sockets() != sockets
    if not answer["ok"]:
        assert code[answer["code"]] in str(other)
        assert change(connector, "u1", "Never-Sent-1!")["code"] == "unreachable"
        assert len(connector.sockets()) == len(sockets) - 1
    assert again(connector, server)["can_change"]


def test_it_still_serves_one_target(connector, server):
    check(connector, server)
    sockets = connector.sockets()
    for other in ({"port": 1}, {"address": "127.0.0.2"}):
        assert ask_again(connector, server, target={**target(server), **other})["code"] == "bad_request"
    assert again(connector, server)["can_change"] and connector.sockets() == sockets


def test_without_a_former_check_it_is_a_check_like_any_other(connector, server):
    answer = again(connector, server)
    assert answer["can_change"] and answer["host_key"]["sha256"] == server.pin


@pytest.mark.parametrize("ends", ["restart", "kill"])
def test_a_session_that_was_ended_is_replaced_once(connector, tmp_path, ends):
    with LdapServer(tmp_path) as own:
        check(connector, own)
        for number in range(2):
            sockets = connector.sockets()
            own.kill() if ends == "kill" else own.stop()
            own.start()
            answer = again(connector, own)
            assert answer["can_change"] and answer["host_key"]["sha256"] == own.pin
            assert connector.sockets() != sockets and len(connector.sockets()) == len(sockets)
            assert change(connector, "u1", f"After-The-End-{number}!")["ok"]
            assert own.has_password("u1", f"After-The-End-{number}!")
        own.stop()
        assert ask_again(connector, own)["code"] == "unreachable"
        assert change(connector, "u1", "Never-Sent-1!")["code"] == "unreachable"
        own.start()
        assert again(connector, own)["ok"] and not own.has_password("u1", "Never-Sent-1!")


def test_a_server_that_hangs_is_given_up_in_time(connector, tmp_path):
    with LdapServer(tmp_path) as own:
        timed = {"target": target(own, 4)}
        again(connector, own, **timed)
        own.freeze()
        began = time.monotonic()
        assert ask_again(connector, own, **timed)["code"] == "unreachable"
        assert time.monotonic() - began < 6
        own.thaw()
        assert again(connector, own, **timed)["can_change"]


def test_another_key_after_a_restart_sends_nothing(connector, tmp_path):
    with LdapServer(tmp_path) as own:
        check(connector, own)
        pinned = keys(own)
        own.new_key()
        own.restart()
        answer = ask_again(connector, own, host_keys=pinned)
        assert answer["code"] == "host_key_changed" and answer["host_key"] == keys(own)[0] != pinned[0]
        assert change(connector, "u1", "Never-Sent-1!")["code"] == "unreachable"
        assert own.failures("u1") == 0 and own.has_password("u1", PASSWORDS["u1"])
        assert again(connector, own)["host_key"] == keys(own)[0]


def test_the_key_of_the_kept_session_is_told_whatever_a_login_has_seen(connector, tmp_path):
    with LdapServer(tmp_path) as own:
        check(connector, own)
        known = keys(own)[0]
        assert login(connector, "u1", "Wrong-1!") == "denied"
        answer = again(connector, own)
        assert answer["host_key"] == known


GROUP = f"cn=changers,{SUFFIX}"


class GroupedServer(LdapServer):
    """Who may write passwords is a matter of a group, which may change while sessions last."""

    def _settings(self):
        rule = "access to attrs=userPassword by"
        return super()._settings().replace(f'{rule} dn.exact="cn=func,{SUFFIX}"', f'{rule} group.exact="{GROUP}"')

    def _entries(self):
        return (super()._entries() + f"dn: {GROUP}\nobjectClass: groupOfNames\ncn: changers\nmember: cn=func,{SUFFIX}\n"
                f"member: cn=nobody,{SUFFIX}\n\n")


def test_a_right_that_is_taken_away_in_between_is_a_definite_refusal(connector, tmp_path):
    with GroupedServer(tmp_path) as own:
        check(connector, own)
        sockets, before = connector.sockets(), own.stored("u1")
        assert again(connector, own)["can_change"] is True
        own.modify(f"dn: {GROUP}\nchangetype: modify\ndelete: member\nmember: cn=func,{SUFFIX}\n")
        assert change(connector, "u1", "Some-Pass-1!")["code"] == "elevation_denied"
        answer = again(connector, own)
        assert (answer["can_change"], answer["can_compare"]) == (False, False) and "may not set" in answer["text"]
        assert change(connector, "u1", "Some-Pass-1!")["code"] == "elevation_denied"
        assert own.stored("u1") == before and connector.sockets() == sockets


def test_a_compare_after_a_change_reads_the_entry_each_time(connector, server):
    again(connector, server, "u5")
    assert change(connector, "u5", "Made-There-5!")["ok"]
    assert connector.call("compare", account="u5", password="Made-There-5!")["match"] is True
    server.set_password("u5", "Behind-Your-Back-5!")
    assert connector.call("compare", account="u5", password="Made-There-5!")["match"] is False
    assert connector.call("compare", account="u5", password="Behind-Your-Back-5!")["match"] is True
