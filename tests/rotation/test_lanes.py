"""--lanes: so many changes on systems at a time, and one that waits for a dead target does not keep its lane."""
import os
import signal
import subprocess
import time

import pytest
from conftest import Managed, take_on_host
from drifting import job_of
from support import KEYTURN, Server, wait_for
from test_queue import blackhole, leased

LENT_AFTER_S = 3  # rotation/rotation.c


@pytest.mark.parametrize("lanes", ["0", "65", "-1", "x", "8 ", "1.5", "99999999999999999999"])
def test_what_is_no_number_of_lanes_is_refused(tmp_path, lanes):
    server = Server(directory=str(tmp_path / "server"))
    done = subprocess.run([KEYTURN, "serve", *server.at_store(), "--listen", "http://127.0.0.1:0", "--lanes", lanes], capture_output=True, text=True, timeout=60)
    assert done.returncode != 0 and "--lanes: 1 to 64" in done.stderr, done.stderr
    assert "listening" not in done.stdout


@pytest.mark.parametrize("lanes", [1, 3, 64])
def test_so_many_at_a_time_and_a_lane_is_lent_where_a_target_is_dead(tmp_path, host, lanes):
    server = Server(directory=str(tmp_path / "server"), options=["--lanes", str(lanes)]).start()
    try:
        ps, admin = server.passwordsafe(), server.controlroom()
        alive = Managed(ps, host, "u1", auto=False)
        host.set_password("u1", alive.first)
        assert alive.put({}).status_code == 204
        with blackhole() as port:
            dead = [Managed(ps, host, f"dead{number}", password="x", system=take_on_host(ps, host, port=port, Timeout=60), auto=False) for number in range(lanes + 2 if lanes < 64 else 9)]
            for account in dead:
                assert account.change({"Queue": True}).status_code == 204
            wait_for(lambda: leased(server, dead), pause=0.01)
            end, most = time.monotonic() + LENT_AFTER_S - 0.7, 0
            while time.monotonic() < end:
                most = max(most, leased(server, dead))
                time.sleep(0.02)
            assert most == min(lanes, len(dead))
            assert alive.change({"Queue": True}).status_code == 204
            wait_for(lambda: job_of(admin, alive)["state"] == "done", timeout=30)
            assert host.can_login("u1", alive.password())
            assert {job_of(admin, account)["state"] for account in dead} <= {"queued", "prepared"}
    finally:
        server.stop(expect=None)
        server.close()


def test_a_launcher_that_does_not_answer_keeps_one_waiting_and_nobody_else(tmp_path, host):
    """Each job would wait for it in turn, and the server's stop for all of them."""
    server = Server(directory=str(tmp_path))
    try:
        server.start()
        ps = server.passwordsafe()
        children = subprocess.run(["pgrep", "-P", str(server.process.pid), "-x", "keyturn-launch"], capture_output=True, text=True, check=True)
        launcher = int(children.stdout)
        os.kill(launcher, signal.SIGSTOP)
        account = Managed(ps, host, "u1", system=take_on_host(ps, host))
        host.set_password("u1", account.first)
        answer = account.put({"Password": "Nobody-sends-it-1!"})
        assert answer.status_code == 400 and "launcher" in answer.text, answer.text
        began = time.monotonic()
        for _ in range(5):
            assert "launcher" in account.put({"Password": "Nobody-sends-it-1!"}).text
        assert time.monotonic() - began < 5 and account.password() == account.first
        os.kill(launcher, signal.SIGCONT)
        wait_for(lambda: account.put({"Password": "Sent-at-last-1!"}).status_code == 204, timeout=30)
        assert host.can_login("u1", "Sent-at-last-1!")
    finally:
        server.close()
