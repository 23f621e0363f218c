"""tests/faults/test_faultpoint.py: the fault injection library does what it says."""

import contextlib
import errno
import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).parent))

from drivers import followed  # noqa: E402
from stage import OLD, Stage, at_call, built, stage  # noqa: E402, F401, F811 (built and stage are fixtures)


# -- the rehearsal --------------------------------------------------------------------------------------------------

EVERYTHING = ["create-sync=new", "overwrite=old", "vector=vector", "map=mapped", "grow=old", "rename=old",
              "unlink=renamed", "send", "connect", "complain=!", "run"]


def test_a_rehearsal_lists_every_point_and_changes_nothing(stage):
    faults = stage.faults()
    status, reports = stage.run(faults, *EVERYTHING)
    assert status == 0 and reports["fsync"] == (0, "-")
    calls = [point.call for point in faults.points()]
    assert calls == ["open", "write", "fsync", "pwrite", "open", "writev", "pwritev", "open", "ftruncate", "msync",
                     "ftruncate", "rename", "unlink", "send", "sendto", "sendmsg", "connect", "posix_spawn", "execv"]
    assert [point.number for point in faults.points()] == list(range(1, len(calls) + 1))
    assert faults.counter == len(calls) and faults.fired == 0


def test_a_point_names_its_file_and_its_caller(stage):
    faults = stage.faults()
    stage.run(faults, *EVERYTHING)
    files = {point.call: point.file for point in faults.points()}
    assert files["fsync"] == str(stage.data / "new")
    assert files["rename"] == f"{stage.data / 'old'} -> {stage.data / 'renamed'}"
    assert files["send"] == "socket" and files["connect"] == "unix:/nobody" and files["execv"] == "/bin/true"
    for point in faults.points():
        assert re.fullmatch(r"faultpoint_victim\+0x[0-9a-f]+(\(.*\))?", point.caller), point
        assert point.program.startswith("faultpoint_victim+0x") and point.thread.endswith("/faultpoint_vict")
    noted = [line for line in faults.lines() if line.what == "note"]
    assert [(line.call, line.file) for line in noted] == [("mmap", str(stage.data / "mapped"))]
    assert len(faults.by_place()) == len(faults.points())


def test_two_rehearsals_are_the_same(built, tmp_path):
    seen = []
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        stage = Stage(built, tmp_path / name)
        faults = stage.faults()
        stage.run(faults, *EVERYTHING)
        seen.append([(point.number, point.call, point.file.replace(str(stage.data), ""), point.caller)
                     for point in faults.points()])
    assert seen[0] == seen[1]


def test_one_counter_counts_all_threads(stage):
    faults = stage.faults()
    assert stage.run(faults, "threads=old")[0] == 0
    points = faults.points()
    assert [point.number for point in points] == list(range(1, 401))
    assert len({point.thread for point in points}) == 4
    assert (stage.data / "old").read_bytes() == OLD + 400 * b"x"


STEPS = ["create-sync=new", "overwrite=old", "append=old", "vector=vector", "grow=old", "rename=old", "unlink=renamed", "send", "create=last"]


@pytest.mark.parametrize("mode", ["kill", "power"])
def test_to_die_after_a_call_is_to_die_before_the_next_one_of_the_same_thread(built, tmp_path, mode):
    """What lets a sweep take two such points for one."""
    def left(name, at, when):
        (tmp_path / name).mkdir()
        stage = Stage(built, tmp_path / name)
        faults = stage.faults(mode, at, when)
        assert stage.run(faults, *STEPS)[0] == -signal.SIGKILL and faults.fired == at
        return stage.files()

    (tmp_path / "rehearsal").mkdir()
    rehearsal = Stage(built, tmp_path / "rehearsal")
    faults = rehearsal.faults()
    assert rehearsal.run(faults, *STEPS)[0] == 0
    numbers = [point.number for point in faults.points()]
    assert followed(faults.points()) == set(numbers[:-1])
    seen = []
    for at in numbers[:-1]:
        seen.append(left(f"after-{at}", at, "after"))
        assert seen[-1] == left(f"before-{at + 1}", at + 1, "before")
    assert len({str(files) for files in seen}) > {"kill": 4, "power": 1}[mode]


def test_calls_of_several_threads_are_not_taken_for_one(stage):
    faults = stage.faults()
    assert stage.run(faults, "threads=old")[0] == 0
    points = faults.points()
    for one, other in zip(points, points[1:]):
        assert (one.number in followed(points)) == (one.thread == other.thread)
    launcher = [point._replace(thread="7/7/keyturn-launch") for point in points]
    assert followed(launcher) == set()


def test_a_file_that_is_shared_by_a_mapping_is_seen(stage, tmp_path):
    faults = stage.faults("kill")
    process = stage.start(faults, "map=mapped", "wait")
    wait_until = time.monotonic() + 10
    while faults.only_maps("-shm", process.pid) and time.monotonic() < wait_until:
        time.sleep(0.01)
    assert not faults.only_maps("-shm", process.pid) and faults.only_maps("mapped", process.pid)
    process.communicate()


def test_nothing_is_counted_before_it_is_armed(stage):
    faults = stage.faults("kill")
    process = stage.start(faults, "create=one", "wait", "create=two", "create=three")
    while not (stage.data / "one").exists():
        time.sleep(0.01)
    time.sleep(0.1)
    assert faults.counter == 0
    faults.arm(at=3)  # create is open and write: the third is the second open
    process.communicate("\n", timeout=20)
    assert process.returncode == -signal.SIGKILL and faults.fired == 3
    assert stage.files() == {"old": OLD, "one": b"created", "two": b"created"}


def test_only_the_process_of_the_name_is_watched(stage):
    faults = stage.faults("kill", at=1, comm="somebody-else")
    assert stage.run(faults, "create=new")[0] == 0 and faults.counter == 0
    faults = stage.faults("kill", at=1, comm="faultpoint_victim")
    assert stage.run(faults, "create=other")[0] == -signal.SIGKILL and faults.fired == 1


def test_a_child_with_a_cleared_environment_is_watched_too(stage):
    connector = stage.directory / "keyturn-connector-of-a-test"
    shutil.copy(stage.built / "faultpoint_victim", connector)
    faults = stage.faults()
    status, reports = stage.run(faults, "create=new", f"child={connector}")
    assert (status, reports["child"]) == (0, (0, "-"))
    assert [(point.call, point.caller.split("+")[0]) for point in faults.points()] == [
        ("open", "faultpoint_victim"), ("write", "faultpoint_victim"), ("execveat", "faultpoint_victim"),
        ("open", connector.name), ("write", connector.name)]
    faults = stage.faults("kill", at=2, comm=connector.name)
    status, reports = stage.run(faults, "create=new", f"child={connector}")
    assert status == 0 and reports["child"][0] == -signal.SIGKILL and faults.fired == 2
    assert (stage.data / "by-child").read_bytes() == b"created", "of the first run, opened again and not written"


@pytest.mark.parametrize("name, value", [
    ("MODE", "explode"), ("AT", "three"), ("AT", ""), ("WHEN", "during"), ("ARM", "/nowhere"), ("LOG", "/no/where"),
    ("LENGTH", "1x"),
])
def test_a_wrong_setting_stops_the_program(stage, name, value):
    environment = {**stage.faults("kill", at=1).environment(), f"KEYTURN_FAULT_{name}": value}
    done = subprocess.run([stage.built / "faultpoint_victim", "unlink=old"], cwd=stage.data, env=environment,
                          capture_output=True, text=True)
    assert done.returncode == 97 and done.stderr.startswith("faultpoint: ")
    assert stage.files() == {"old": OLD}


def test_power_needs_a_root(stage):
    environment = stage.faults("power", at=1).environment()
    del environment["KEYTURN_FAULT_ROOT"]
    assert subprocess.run([stage.built / "faultpoint_victim"], env=environment, capture_output=True).returncode == 97


# -- kill, stop, errors, short writes -------------------------------------------------------------------------------


@pytest.mark.parametrize("step, call", [
    ("overwrite=old", "pwrite"), ("append=old", "write"), ("cut=old", "ftruncate"), ("unlink=old", "unlink"),
    ("rename=old", "rename"), ("create=new", "open"), ("replace=old", "open"),
])
def test_kill_before_and_after(stage, step, call):
    at = at_call(stage, call, step)
    faults = stage.faults("kill", at)
    assert stage.run(faults, step)[0] == -signal.SIGKILL and faults.fired == at
    assert stage.files() == {"old": OLD}, "killed before the call"
    assert stage.run(stage.faults("kill", at, "after"), step)[0] == -signal.SIGKILL
    assert stage.files() != {"old": OLD}, "killed after the call"


def test_stop_holds_the_process_at_the_point(stage):
    faults = stage.faults("stop", at=1)
    faults.arm()
    process = stage.start(faults, "unlink=old")
    assert os.WIFSTOPPED(os.waitpid(process.pid, os.WUNTRACED)[1])
    assert stage.files() == {"old": OLD}
    process.send_signal(signal.SIGCONT)
    process.communicate(timeout=20)
    assert process.returncode == 0 and stage.files() == {}


@pytest.mark.parametrize("mode, error", [("eio", "EIO"), ("enospc", "ENOSPC"), ("enomem", "ENOMEM"), ("eintr", "EINTR")])
@pytest.mark.parametrize("step, call, report", [
    ("overwrite=old", "pwrite", "write"), ("overwrite-sync=old", "fdatasync", "fsync"),
    ("cut=old", "ftruncate", "ftruncate"), ("unlink=old", "unlink", "unlink"), ("rename=old", "rename", "rename"),
    ("replace=old", "open", "open"),
])
def test_an_error_before_changes_nothing_and_one_after_hides_a_change(stage, mode, error, step, call, report):
    at = at_call(stage, call, step)
    status, reports = stage.run(stage.faults(mode, at), step)
    assert (status, reports[report]) == (0, (-1, error))
    if call != "fdatasync":
        assert stage.files() == {"old": OLD}
    status, reports = stage.run(stage.faults(mode, at, "after"), step)
    assert (status, reports[report]) == (0, (-1, error))
    assert stage.files() != {"old": OLD}


def test_the_disk_never_fails_a_socket(stage):
    faults = stage.faults("enospc", at=1, length=100)
    status, reports = stage.run(faults, "send", "append=old")
    assert status == 0 and reports["send"] == (4, "-") and reports["write"] == (-1, "ENOSPC")


def test_length_makes_several_fail_and_then_it_heals(stage):
    faults = stage.faults("enospc", at=2, length=2)
    stage.run(faults, "append=old", "append=old", "append=old", "append=old")
    assert (stage.data / "old").read_bytes() == OLD + b"+tail+tail" and faults.fired == 3


def test_short_writes_take_half(stage):
    stage.run(stage.faults("short", at=1, length=100), "append=old", "vector=vector", "send", "unlink=old")
    assert stage.files() == {"vector": b"ab\0\0\0\0\0\0ab"}
    faults = stage.faults("short", at=1, length=100)
    status, reports = stage.run(faults, "create=new", "vector=vector", "send")
    assert status == 0
    assert reports["write"] == (4, "-") and reports["writev"] == (2, "-") and reports["pwritev"] == (2, "-")
    assert reports["send"] == (2, "-") and reports["sendto"] == (1, "-") and reports["sendmsg"] == (4, "-")
    assert reports["received"] == (7, "-")


def test_stderr_is_no_point(stage):
    faults = stage.faults("kill", at=1)
    status, reports = stage.run(faults, "complain=complaint")
    assert (status, reports["complain"], stage.complaints) == (0, (9, "-"), "complaint") and faults.counter == 0


EXCHANGE = """
import socket, sys
peer, other = (socket.create_connection(("127.0.0.1", int(port))) for port in sys.argv[1:])
for one in (peer, other, peer, peer):
    try:
        one.sendall(b"x")
        print(one.recv(1).decode(), flush=True)
    except OSError as error:
        print(error.errno, flush=True)
open("new", "w").close()
"""


@pytest.mark.parametrize("mode, at, when, heard", [
    ("list", 0, "before", ["X", "X", "X", "X"]), ("econnreset", 4, "before", ["X", "X", str(errno.ECONNRESET), str(errno.EPIPE)]),
    ("enomem", 5, "before", ["X", "X", str(errno.ENOMEM), "X"]), ("enomem", 3, "after", [str(errno.ENOMEM), "X", "X", "X"])])
def test_only_what_is_said_to_the_peer_fails(stage, mode, at, when, heard):
    """connect, then send and recv three times: seven points, and neither another connection nor a file is one."""
    with contextlib.ExitStack() as closing:
        echoes = [closing.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(2)]
        for echo in echoes:
            threading.Thread(target=answer, args=(echo,), daemon=True).start()
        ports = [str(echo.getsockname()[1]) for echo in echoes]
        faults = stage.faults(mode, at, when, peer=f"127.0.0.1:{ports[0]}")
        faults.arm()
        done = subprocess.run([sys.executable, "-c", EXCHANGE, *ports], cwd=stage.data, capture_output=True, text=True, timeout=20,
                              env={"PATH": os.environ["PATH"], **faults.environment()})
    assert (done.returncode, done.stdout.split(), faults.fired) == (0, heard, at), done.stderr
    if mode == "list":
        assert [point.call for point in faults.points()] == ["connect"] + ["send", "recv"] * 3
        assert {point.file for point in faults.points()} == {"inet:127.0.0.1:" + ports[0]}


def answer(listener):
    with contextlib.suppress(OSError):
        connection, _ = listener.accept()
        while said := connection.recv(1):
            connection.sendall(said.upper())
