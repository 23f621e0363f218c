"""tests/targets/test_targets.py: the hosts that the other tests work on do what they say."""

import contextlib
import json
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time

import paramiko
import pytest

sys.path.insert(0, str(pathlib.Path(__file__).parent))

import hostile  # noqa: E402
from cut_proxy import DOWN, UP, CutProxy  # noqa: E402
from ssh_host import PASSWORDS, HostFailed, SshHost  # noqa: E402


@pytest.fixture(scope="module")
def prepared(tmp_path_factory):
    """A host that was started once and is at rest: each test starts a copy of it."""
    host = SshHost(tmp_path_factory.mktemp("prepared") / "host", setup="touch /etc/was-set-up")
    host.start()
    host.stop()
    return host


@pytest.fixture
def host(prepared, tmp_path):
    with prepared.clone(tmp_path / "host") as host:
        yield host


def session_on(port, name="func", password=None):
    client = paramiko.SSHClient()
    client.set_missing_host_key_policy(paramiko.AutoAddPolicy())
    client.connect("127.0.0.1", port, name, password or PASSWORDS[name], look_for_keys=False, allow_agent=False,
                   timeout=10, banner_timeout=10, auth_timeout=10)
    return client


def execute(client, command, text=""):
    """Run a command in a session; return (exit status, all of its output)."""
    stdin, stdout, stderr = client.exec_command(command, timeout=20)
    stdin.write(text)
    stdin.channel.shutdown_write()
    output = stdout.read() + stderr.read()
    return stdout.channel.recv_exit_status(), output.decode()


def on_host(host, name, command, text=""):
    with session_on(host.port, name) as client:
        return execute(client, command, text)


# -- the host -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", sorted(PASSWORDS))
def test_each_account_is_in_the_state_it_is_named_for(host, name):
    is_open = name not in ("root", "lock1", "acexp")
    assert host.can_login(name, PASSWORDS[name]) is is_open
    assert host.can_login(name, PASSWORDS[name] + "x") is False
    assert host.can_login(name, "") is False


def test_hashes_are_of_the_kinds_that_are_promised(host):
    assert all(host.shadow(f"u{number}").startswith("$y$") for number in range(1, 9))
    assert all(host.shadow(f"s{number}").startswith("$6$") for number in (1, 2))
    assert host.shadow("lock1").startswith("!$y$")
    assert host.shadow("nobody-of-this-name") is None


def test_this_machines_accounts_are_not_touched(host):
    before = pathlib.Path("/etc/shadow").read_bytes(), pathlib.Path("/etc/passwd").read_bytes()
    host.set_password("root", "Changed-1!")
    host.run("useradd -m intruder")
    assert host.shadow("intruder") is not None
    assert (pathlib.Path("/etc/shadow").read_bytes(), pathlib.Path("/etc/passwd").read_bytes()) == before
    assert not pathlib.Path("/home/intruder").exists()


def test_root_may_log_in_only_where_it_is_permitted(prepared, tmp_path):
    twin = prepared.clone(tmp_path / "host")
    twin.options["PermitRootLogin"] = "yes"
    with twin:
        assert twin.can_login("root", PASSWORDS["root"])
        assert not twin.can_login("root", "Wrong-1!")


def test_set_password_changes_it_and_the_old_one_is_dead(host):
    host.set_password("u1", "Another-One-1!")
    assert host.can_login("u1", "Another-One-1!")
    assert not host.can_login("u1", PASSWORDS["u1"])
    assert host.failed_logins("u1") == 1
    with pytest.raises(ValueError):
        host.set_password("u1", "a\nu2:b")
    assert host.can_login("u2", PASSWORDS["u2"])


@pytest.mark.parametrize("command, text, status", [
    ("sudo -n /usr/sbin/chpasswd", "u1:By-Sudo-1!\n", 0),
    ("sudo -n /usr/bin/timeout -k 1 5 /usr/sbin/chpasswd", "u1:By-Sudo-1!\n", 0),
    ("sudo -n /usr/bin/timeout -k 1 6 /usr/sbin/chpasswd", "u1:By-Sudo-1!\n", 1),
    ("sudo -n /usr/bin/timeout -k 1 5 /bin/sh", "echo owned\n", 1),
    ("sudo -n /usr/sbin/chpasswd", "nobody-of-this-name:By-Sudo-1!\n", 1),
    ("sudo -n /usr/bin/getent shadow u1", "", 0),
    ("sudo -n /usr/bin/getent shadow", "", 1),
    ("sudo -n /usr/bin/getent shadow u1 u2", "", 1),
    ("sudo -n /usr/bin/getent passwd u1", "", 1),
    ("sudo -n -u u1 /bin/sh -c 'test $(id -un) = u1'", "", 0),
    ("sudo -n -u root /bin/sh -c true", "", 1),
    ("sudo -n -u s1 /bin/sh -c true", "", 1),
])
def test_sudo_lets_the_functional_account_do_its_work_and_no_more(host, command, text, status):
    got, output = on_host(host, "func", command, text)
    assert got == status, output
    if "chpasswd" in command:
        assert host.can_login("u1", "By-Sudo-1!") is (status == 0)


def test_the_second_functional_account_needs_its_password(host):
    with session_on(host.port, "func2") as client:
        status, output = execute(client, "sudo -n /usr/sbin/chpasswd", "u1:By-Sudo-1!\n")
        assert status == 1 and "a password is required" in output
        command = "sudo -k -S -p '' /usr/sbin/chpasswd"
        assert execute(client, command, f"{PASSWORDS['func2']}\nu1:By-Sudo-1!\n")[0] == 0
    assert host.can_login("u1", "By-Sudo-1!")


def test_authorized_keys_can_be_written_for_a_managed_account(host):
    key, other = paramiko.RSAKey.generate(2048), paramiko.RSAKey.generate(2048)
    assert not host.can_login_with_key("u1", key)
    script = "umask 077; mkdir -p ~u1/.ssh; cat >~u1/.ssh/authorized_keys"
    line = f"ssh-rsa {key.get_base64()} test\n"
    assert on_host(host, "func", f"sudo -n -u u1 /bin/sh -c '{script}'", line)[0] == 0
    assert host.can_login_with_key("u1", key)
    assert not host.can_login_with_key("u1", other)
    assert not host.can_login_with_key("u2", key)


def test_an_expired_password_logs_in_but_runs_nothing(host):
    status, output = on_host(host, "exp1", "echo reached")
    assert status == 1 and "reached" not in output and "expired" in output


def test_a_password_younger_than_its_minimum_age_is_kept(host):
    dialog = f"{PASSWORDS['min1']}\nFresh-Word-77!\nFresh-Word-77!\n"
    status, output = on_host(host, "min1", "LC_ALL=C passwd", dialog)
    assert status == 10 and "wait longer" in output
    assert host.can_login("min1", PASSWORDS["min1"])


def test_faillock_locks_after_three_and_only_that_account(prepared, tmp_path):
    twin = prepared.clone(tmp_path / "host")
    twin.faillock_deny = 3
    with twin:
        for _ in range(2):
            assert not twin.can_login("u1", "Wrong-1!")
        assert twin.can_login("u1", PASSWORDS["u1"]), "two failures must not lock"
        for _ in range(3):
            assert not twin.can_login("u1", "Wrong-1!")
        assert not twin.can_login("u1", PASSWORDS["u1"]), "three must"
        assert twin.can_login("u2", PASSWORDS["u2"])
        twin.run(["faillock", "--user", "u1", "--reset"])
        assert twin.can_login("u1", PASSWORDS["u1"])


def test_without_faillock_nothing_locks(host):
    for _ in range(5):
        assert not host.can_login("u1", "Wrong-1!")
    assert host.can_login("u1", PASSWORDS["u1"])
    assert host.failed_logins("u1") == 5


def test_the_delay_after_a_wrong_password_is_there_when_asked_for(prepared, tmp_path):
    def seconds(host):
        started = time.monotonic()
        assert not host.can_login("u1", "Wrong-1!")
        return time.monotonic() - started

    twin = prepared.clone(tmp_path / "host")
    twin.fail_delay = True
    with twin:
        assert seconds(twin) > 1.2
    twin.fail_delay = False
    with twin:
        assert seconds(twin) < 1.2


def test_a_restart_is_quick_and_keeps_port_key_and_passwords(host):
    host.set_password("u1", "Another-One-1!")
    before = host.port, host.host_key_sha256
    started = time.monotonic()
    host.restart()
    assert time.monotonic() - started < 2
    assert (host.port, host.host_key_sha256) == before
    assert host.can_login("u1", "Another-One-1!")


def test_setup_ran_once_inside(host):
    assert (host.root / "etc/was-set-up").exists()
    assert not pathlib.Path("/etc/was-set-up").exists()


def test_two_hosts_know_nothing_of_each_other(prepared, tmp_path):
    with prepared.clone(tmp_path / "one") as one, prepared.clone(tmp_path / "two") as two:
        assert one.port != two.port and one.host_key_sha256 != two.host_key_sha256
        one.set_password("u1", "Only-On-One-1!")
        assert two.can_login("u1", PASSWORDS["u1"]) and not two.can_login("u1", "Only-On-One-1!")


def fingerprint_by_openssh(port):
    scan = ["ssh-keyscan", "-t", "ed25519", "-p", str(port), "127.0.0.1"]
    keys = subprocess.run(scan, capture_output=True, check=True)
    listed = subprocess.run(["ssh-keygen", "-l", "-f", "-"], input=keys.stdout, capture_output=True, check=True)
    return listed.stdout.decode().split()[1]


def test_the_host_key_changes_on_the_same_port(host):
    port, key = host.port, host.host_key_sha256
    host.change_host_key()
    assert host.port == port and host.host_key_sha256 != key
    assert fingerprint_by_openssh(port) == host.host_key_sha256
    assert host.can_login("u1", PASSWORDS["u1"])


def test_a_change_that_waits_for_the_lock_is_applied_after_its_client_has_gone(host):
    with host.hold_pwd_lock():
        client = session_on(host.port)
        channel = client.get_transport().open_session()
        channel.exec_command("sudo -n /usr/sbin/chpasswd")
        channel.sendall(b"u1:Late-Apply-1!\n")
        channel.shutdown_write()
        time.sleep(0.5)
        assert not channel.exit_status_ready()
        client.close()
        assert host.can_login("u1", PASSWORDS["u1"])
    deadline = time.monotonic() + 10
    while not host.can_login("u1", "Late-Apply-1!"):
        assert time.monotonic() < deadline, "the change got lost"
    assert not host.can_login("u1", PASSWORDS["u1"])


def test_a_frozen_host_answers_nothing_and_goes_on_where_it_was(host):
    with session_on(host.port) as client:
        host.freeze()
        with socket.create_connection(("127.0.0.1", host.port), 5) as connection:
            connection.settimeout(0.5)
            with pytest.raises(TimeoutError):
                connection.recv(1)
        channel = client.get_transport().open_session
        opened = []
        waiting = threading.Thread(target=lambda: opened.append(channel(timeout=20)))
        waiting.start()
        time.sleep(0.3)
        assert not opened
        host.thaw()
        waiting.join(20)
        assert opened
        assert execute(client, "echo alive") == (0, "alive\n")


def test_a_right_password_under_way_when_the_host_freezes_is_taken_when_it_thaws(host):
    """With SIGSTOP, sshd took its stopped child for one that had ended, and refused."""
    before, frozen = host.failed_logins("u1"), threading.Event()

    def answer(_title, _instructions, prompts):
        if prompts:
            host.freeze()
            threading.Timer(0.5, host.thaw).start()
            frozen.set()
        return [PASSWORDS["u1"]] * len(prompts)

    def sign_in():
        """False: the connection broke. sshd's sandbox forbids the call by which a sleep of a few ms goes on after a freeze."""
        with contextlib.closing(paramiko.Transport(("127.0.0.1", host.port))) as transport:
            transport.start_client(timeout=10)
            with contextlib.suppress(ConnectionResetError, EOFError):
                transport.auth_interactive("u1", answer)
            return transport.is_authenticated()

    assert any(sign_in() for _ in range(5)) and frozen.is_set()
    assert host.failed_logins("u1") == before


def test_stop_leaves_no_process_and_start_works_again(host):
    with session_on(host.port) as client:
        execute(client, "sleep 300 >/dev/null 2>&1 & sleep 300 >/dev/null 2>&1 & echo started")
        namespace = host._namespace
        assert len(host.processes()) >= 4
        host.stop()
        host._namespace = namespace
        assert host.processes() == []
        host._namespace = None
    with pytest.raises(HostFailed):
        host.run("true")
    with pytest.raises(OSError):
        socket.create_connection(("127.0.0.1", host.port), 1)
    host.start()
    assert host.can_login("u1", PASSWORDS["u1"])


def test_a_failing_setup_is_reported(tmp_path):
    with pytest.raises(HostFailed, match="no reason at all"):
        SshHost(tmp_path / "host", setup="echo no reason at all >&2; exit 3").start()


def test_a_port_in_use_is_not_taken_for_the_host(prepared, tmp_path):
    with hostile.garbage(greeting=b"SSH-2.0-somebody\r\n") as other:
        twin = prepared.clone(tmp_path / "host")
        twin.port = other.port
        with pytest.raises(HostFailed):
            twin.start()


PROGRAM = ["/usr/bin/python3", str(pathlib.Path(__file__).parent / "ssh_host.py")]


@pytest.mark.parametrize("end", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_the_program_prints_where_it_is_and_takes_its_host_along(tmp_path, end):
    process = subprocess.Popen([*PROGRAM, "--dir", tmp_path / "host", "--port", "0", "--print"],
                               stdout=subprocess.PIPE, text=True)
    told = json.loads(process.stdout.readline())
    with session_on(told["port"], "u1", told["passwords"]["u1"]) as client:
        assert execute(client, "id -un") == (0, "u1\n")
    process.send_signal(end)
    assert process.wait(20) == (-end if end == signal.SIGKILL else 0)
    process.stdout.close()
    deadline = time.monotonic() + 10
    with pytest.raises(ConnectionRefusedError):
        while time.monotonic() < deadline:
            socket.create_connection(("127.0.0.1", told["port"]), 1).close()
            time.sleep(0.05)


@pytest.fixture
def for_everybody():
    """These files in a folder that anybody may enter, wherever the checkout is."""
    with tempfile.TemporaryDirectory() as folder:
        here = pathlib.Path(folder) / "targets"
        shutil.copytree(pathlib.Path(__file__).parent, here)
        os.chmod(folder, 0o755)
        yield here


def test_without_root_it_says_so_in_one_sentence(for_everybody):
    here = for_everybody
    drop = ["setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups", "--"]
    for program in (["/usr/bin/python3", str(here / "ssh_host.py"), "--dir", "/tmp/never-made"], [str(here / "ssh_host.sh"), "/tmp/never-made", "0"]):
        done = subprocess.run(drop + program, capture_output=True, text=True, stdin=subprocess.DEVNULL)
        assert done.returncode == 2
        assert done.stderr == "Overlay hosts need root: run this again as root.\n"


# -- through the cutting proxy ----------------------------------------------------------------------------------------


def change_password(port, number):
    """Change u1 through a functional session; return whether a definite success came back."""
    try:
        with session_on(port) as client:
            return execute(client, "sudo -n /usr/sbin/chpasswd", f"u1:Sweep-Number-{number}!\n")[0] == 0
    except (paramiko.SSHException, EOFError, OSError):
        return False


def test_a_sweep_over_a_real_change_meets_both_outcomes(host):
    with CutProxy(host.port) as proxy:
        assert change_password(proxy.port, 0)
        chunks = dict(proxy.chunks)
    outcomes = set()
    for direction in (UP, DOWN):
        for after in range(max(0, chunks[direction] - 4), chunks[direction] + 1):
            number = f"{direction}{after}"
            with CutProxy(host.port, direction, after) as proxy:
                succeeded = change_password(proxy.port, number)
            deadline = time.monotonic() + 2
            while not (applied := host.can_login("u1", f"Sweep-Number-{number}!")) and time.monotonic() < deadline:
                time.sleep(0.2)
            assert applied or not succeeded, "a success that was not applied"
            outcomes.add((succeeded, applied))
    assert (False, True) in outcomes, "applied, reply lost"
    assert (False, False) in outcomes, "not applied"
