"""tests/rotation/test_connector_ssh_keys.py: key pairs: adding, proving, removing, reading and making them."""

import base64
import pathlib
import subprocess
import sys
import time

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "targets"))

from connector import Connector  # noqa: E402
from scripted_ssh import ScriptedServer  # noqa: E402
from ssh_fixtures import (  # noqa: E402,F401
    check, check_host_key, connector, encrypted_key, functional, host, made_key, PASSWORDS, SshHost, target)
from support import with_rounds  # noqa: E402


@pytest.mark.parametrize("wish", [{"type": "ed25519"}, {"type": "rsa", "size": 2048}, {"type": "rsa", "size": 3072}])
@pytest.mark.parametrize("who", ["func", "func2"])
def test_a_key_is_added_proved_and_removed(connector, host, wish, who):
    check(connector, host, "u2", who)
    host.run("rm -rf /home/u2/.ssh")
    private, public = made_key(connector, **wish)
    other_public = made_key(connector)[1]
    assert connector.call("login", account="u2", private_key=private)["result"] == "denied"
    assert connector.call("compare", account="u2", public_key=public)["match"] is False
    for line in (other_public + " other", public + " keyturn 1", public + " keyturn 2"):
        assert connector.call("change", account="u2", part="add_key", public_key=line)["ok"]
    file = "/home/u2/.ssh/authorized_keys"
    assert host.run(["cat", file]).stdout == f"{other_public} other\n{public} keyturn 1\n"
    assert host.run(f"stat -c '%U %a' {file} /home/u2/.ssh").stdout == "u2 600\nu2 700\n"
    assert connector.call("login", account="u2", private_key=private)["result"] == "accepted"
    assert connector.call("compare", account="u2", public_key=public)["match"] is True
    for _ in range(2):
        assert connector.call("change", account="u2", part="remove_key", public_key=public)["ok"]
    assert host.run(["cat", file]).stdout == f"{other_public} other\n"
    assert connector.call("login", account="u2", private_key=private)["result"] == "denied"
    assert host.run("ls /home/u2/.ssh").stdout == "authorized_keys\n"


NOISE = "for u in root func; do sed -i '1i echo hello from .bashrc; echo 1000; echo oops >&2' $(eval echo ~$u)/.bashrc; done"


@pytest.mark.parametrize("who", ["func", "root"])
def test_a_functional_account_whose_shell_greets(connector, tmp_path, who):
    with SshHost(tmp_path, setup=NOISE, permit_root_login=True) as other:
        assert "hello" in other.run("grep hello /home/func/.bashrc /root/.bashrc").stdout
        signs_in = {"account": who, "password": PASSWORDS[who], "elevation": "sudo" if who == "func" else ""}
        answer = check(connector, other, "u2", signs_in)
        assert answer["can_change"] and answer["can_compare"] and answer["can_install_keys"]
        private, public = made_key(connector)
        for part, is_there in (("remove_key", False), ("add_key", True), ("remove_key", False)):
            assert connector.call("change", account="u2", part=part, public_key=public)["ok"]
            assert connector.call("compare", account="u2", public_key=public)["match"] is is_there
        assert connector.call("change", account="u2", part="password", password="Greeted-2!")["ok"]
        assert connector.call("compare", account="u2", password="Greeted-2!")["match"] is True


def test_a_functional_account_that_is_not_root_may_write_no_keys_without_sudo(connector, tmp_path):
    with SshHost(tmp_path, setup="sed -i '1i echo 0' /home/func/.bashrc") as other:
        signs_in = {"account": "func", "password": PASSWORDS["func"], "elevation": ""}
        assert check(connector, other, "u2", signs_in)["can_install_keys"] is False


@pytest.mark.parametrize("said, match", [
    ("present\n", True), ("absent\n", False), ("hello\npresent\n", True), ("hello\nabsent\n", False),
    ("all present and correct\nabsent\n", False), ("presently\nabsent\n", False),
    ("", None), ("hello\n", None), ("present\nabsent\n", None), ("hellopresent\n", None)])
def test_only_one_plain_word_says_whether_a_key_is_there(connector, said, match):
    def run(command, given):
        if "getent shadow" in command:
            return "u1:$6$salt$hash:1:0::::\n", "", 0
        return (said if given.startswith("find\n") else "") + "keyturn:ok\n", "", 0

    with ScriptedServer([[("Password: ", False)]], run=run) as server:
        assert connector.call("check", target=target(server), host_keys=[server.host_key], functional=functional(),
                              account="u1")["ok"]
        answer = connector.call("compare", account="u1", public_key=made_key(connector)[1])
        assert answer.get("match") is match and (match is not None or answer["code"] == "unreadable"), answer


def test_remove_takes_exactly_one_key(connector, host):
    check(connector, host, "u3")
    public = made_key(connector)[1]
    other = made_key(connector)[1]
    keep = [f"# {public}", f"{other} {public}", f'command="echo \\"{public}\\" x" {other} quoted', "", "garbage line",
            f"{public}A", f"ssh-rsa {public.split()[1]} wrong type"]
    drop = [public, f"  {public} with comment", f'from="10.0.0.*",command="a b" {public}', f"no-pty {public} x"]
    lines = "\n".join([keep[0], drop[0], *keep[1:4], drop[1], *keep[4:], *drop[2:]])
    host.run("mkdir -p /home/u3/.ssh; cat >/home/u3/.ssh/authorized_keys; chown -R u3: /home/u3/.ssh", input=lines)
    assert connector.call("compare", account="u3", public_key=public)["match"] is True
    assert connector.call("change", account="u3", part="remove_key", public_key=public)["ok"]
    assert host.run("cat /home/u3/.ssh/authorized_keys").stdout.splitlines() == keep
    assert connector.call("compare", account="u3", public_key=public)["match"] is False


def test_self_change_of_keys_by_password_and_by_key(connector, host):
    check_host_key(connector, host)
    host.set_password("u4", "Keys-By-Self-4!")
    private, public = made_key(connector)
    second = made_key(connector)[1]
    fields = {"account": "u4", "method": "self"}
    assert connector.call("change", part="add_key", public_key=public, current="Keys-By-Self-4!", **fields)["ok"]
    assert connector.call("change", part="add_key", public_key=second, current_key=private, **fields)["ok"]
    assert connector.call("change", part="remove_key", public_key=public, current_key=private, **fields)["ok"]
    assert host.run("cat /home/u4/.ssh/authorized_keys").stdout == second + "\n"
    assert connector.call("change", part="remove_key", public_key=second, current_key=private, **fields)["code"] == "refused"


def test_a_functional_account_with_an_encrypted_key(connector, host, tmp_path):
    private, public = encrypted_key(tmp_path, "Pass-Phrase-1!")
    host.run("mkdir -p /home/func/.ssh; cat >/home/func/.ssh/authorized_keys", input=public)
    who = {"account": "func", "private_key": private, "passphrase": "Pass-Phrase-1!", "elevation": "sudo"}
    assert check(connector, host, "u1", who)["can_change"]
    assert connector.call("change", account="u1", part="password", password="By-Key-1!")["ok"]
    assert host.can_login("u1", "By-Key-1!")


def test_authorized_keys_behind_a_symbolic_link_is_left_alone(connector, host):
    check(connector, host, "u5")
    host.run("mkdir -p /home/u5/.ssh; echo here >/home/u5/elsewhere; ln -s ../elsewhere /home/u5/.ssh/authorized_keys; "
             "chown -Rh u5: /home/u5")
    answer = connector.call("change", account="u5", part="add_key", public_key=made_key(connector)[1])
    assert answer["code"] == "refused"
    assert host.run("cat /home/u5/elsewhere").stdout == "here\n"


@pytest.mark.parametrize("line", ["", "x", "ssh-ed25519", "ssh-ed25519 AAAA", "ssh-rsa not/base64!", "a\nb",
                                  "command=\"id\" ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIC6Mb9bPdypMpuy1RkO5Jc550f6SAoReLV/p9F7S4lxV",
                                  "ssh-rsa AAAAC3NzaC1lZDI1NTE5AAAAIC6Mb9bPdypMpuy1RkO5Jc550f6SAoReLV/p9F7S4lxV",
                                  "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIC6Mb9bPdypMpuy1RkO5Jc550f6SAoReLV/p9F7S4lxV x\nssh-rsa y",
                                  "x" * 20000])
def test_key_lines_that_are_none(connector, host, line):
    check(connector, host)
    for part in ("add_key", "remove_key"):
        assert connector.call("change", account="u1", part=part, public_key=line)["code"] == "bad_request"


@pytest.mark.parametrize("kind, more", [("ed25519", []), ("rsa", []), ("rsa", ["-m", "PEM"]), ("rsa", ["-m", "PKCS8"]),
                                        ("ecdsa", [])])
@pytest.mark.parametrize("passphrase", ["", "Pass-Phrase-2!"])
def test_inspect_key(connector, tmp_path, kind, more, passphrase):
    private, public = encrypted_key(tmp_path, passphrase, kind, *more)
    answer = connector.call("inspect_key", private_key=private, passphrase=passphrase or None)
    assert answer["ok"], answer
    assert answer["public_key"] == " ".join(public.split()[:2])
    assert answer["encrypted"] is (passphrase != "")
    if passphrase:
        assert connector.call("inspect_key", private_key=private)["code"] == "passphrase_required"
        assert connector.call("inspect_key", private_key=private, passphrase="wrong")["code"] == "wrong_passphrase"


@pytest.mark.parametrize("rounds", [1001, 100_000, 0x7fffffff, 0xffffffff])
def test_a_key_that_asks_for_too_much_work_is_refused_before_it_is_done(connector, tmp_path, rounds):
    private, _ = encrypted_key(tmp_path, "Pass-Phrase-3!")
    began = time.monotonic()
    for passphrase in ("Pass-Phrase-3!", None):
        answer = connector.call("inspect_key", private_key=with_rounds(private, rounds), passphrase=passphrase)
        assert answer["code"] == "bad_key" and str(rounds) in answer["text"] and "1000" in answer["text"], answer
    assert time.monotonic() - began < 3


def test_more_rounds_than_ssh_keygen_takes_of_its_own_accord(connector, tmp_path):
    private, public = encrypted_key(tmp_path, "Pass-Phrase-4!", "ed25519", "-a", "100")
    assert connector.call("inspect_key", private_key=private, passphrase="Pass-Phrase-4!")["public_key"] == " ".join(public.split()[:2])
    answer = connector.call("inspect_key", private_key=with_rounds(private, 101), passphrase="Pass-Phrase-4!")
    assert answer["code"] == "wrong_passphrase", answer


def test_rounds_that_libssh_would_skip_are_not_what_counts(connector, tmp_path):
    private, _ = encrypted_key(tmp_path, "Pass-Phrase-5!")
    harmless = "".join(private.splitlines()[1:3])
    first, rest = with_rounds(private, 0x7fffffff).split("\n", 1)
    for text in (first + harmless + "\n" + rest, "\n" + with_rounds(private, 0x7fffffff), with_rounds(private, 0x7fffffff).replace("\n", "\r\n"),
                 with_rounds(private, 0x7fffffff).replace("\n", "\n\v ")):
        began = time.monotonic()
        assert connector.call("inspect_key", private_key=text, passphrase="Pass-Phrase-5!")["code"] == "bad_key"
        assert time.monotonic() - began < 3


def test_other_forms_end_by_their_time(tmp_path):
    encrypted_key(tmp_path, "", "rsa", "-m", "PEM")
    made = subprocess.run(["openssl", "pkcs8", "-topk8", "-in", tmp_path / "key", "-iter", str(0x800000), "-passout", "pass:Pass-Phrase-6!"],
                          check=True, capture_output=True, text=True).stdout
    first, *lines, last = made.strip().splitlines()
    der, few, many = base64.b64decode("".join(lines)), b"\x02\x04\x00\x80\x00\x00", b"\x02\x04\x7f\xff\xff\xff"
    assert der.count(few) == 1
    slow = "\n".join([first, base64.encodebytes(der.replace(few, many)).decode().strip(), last, ""])
    other, began = Connector("ssh"), time.monotonic()
    assert other.call("inspect_key", private_key=slow, passphrase="Pass-Phrase-6!") is None
    assert time.monotonic() - began < 15
    assert other.end()[0] == 3


def test_inspect_bad_keys(connector, tmp_path):
    short, _ = encrypted_key(tmp_path, "", "rsa", "-b", "1024")
    for text in (short, "x", "-----BEGIN OPENSSH PRIVATE KEY-----\nAAAA\n-----END OPENSSH PRIVATE KEY-----\n",
                 "-----BEGIN OPENSSH PRIVATE KEY-----", "ssh-ed25519 AAAA", short.replace("A", "B"), short[:200]):
        assert connector.call("inspect_key", private_key=text)["code"] == "bad_key"
    assert connector.call("inspect_key", private_key="k" * 16385)["code"] == "bad_request"
    assert connector.call("inspect_key", private_key="")["code"] == "bad_request"
    for wish in ({"type": "dsa"}, {"type": "rsa", "size": 1024}, {"type": "rsa", "size": 99999}, {"type": "rsa", "size": -1},
                 {"type": "rsa", "size": 2049}, {}):
        assert connector.call("make_key", **wish)["code"] == "bad_request"
