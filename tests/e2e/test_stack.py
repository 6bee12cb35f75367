"""The local stack as a user meets it: started, watched, killed in every way, and never left behind."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import stat
import subprocess
import threading
from pathlib import Path

import pytest

from shared import testing
from tests.e2e.conftest import VEDETTE, Home, alive, free_port, gone

pytestmark = pytest.mark.e2e


def test_status_names_every_child_and_doctor_finds_nothing_wrong(stack: Home) -> None:
    shown = stack.run("status", "-o", "json")
    assert shown.returncode == 0
    for name in ("redis", "gateway", "control", "scan", "process", "report", "notify"):
        assert f'"{name}"' in shown.stdout
    assert stack.run("doctor").returncode == 0


def test_secrets_are_private_and_in_no_process_list(stack: Home) -> None:
    home = stack.folder / "home"
    for file in (home / "token", home / "master.key", home / "run/redis.url", home / "run/redis.conf"):
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
    secrets = [(home / "token").read_text().strip(), (home / "master.key").read_text().strip()]
    password = (home / "run/redis.url").read_text().split(":")[2].split("@")[0]
    secrets.append(password)
    for pid in alive(stack.everybody()):
        shown = Path(f"/proc/{pid}/cmdline").read_bytes() + Path(f"/proc/{pid}/environ").read_bytes()
        assert not [secret for secret in secrets if secret.encode() in shown]
    for log in (home / "logs").iterdir():
        assert not [secret for secret in secrets if secret in log.read_text()]


def test_a_second_up_says_that_one_is_running(stack: Home) -> None:
    second = stack.run("up", "--port", str(free_port()))
    assert second.returncode == 6
    assert "already running" in second.stderr
    assert "vedette down" in second.stderr


def test_a_taken_port_is_named_with_its_cure(home: Home, stack: Home) -> None:
    taken = str(stack.record["port"])
    refused = home.run("up", "--detach", "--port", taken)
    assert refused.returncode != 0
    assert taken in refused.stderr
    assert "--port" in refused.stderr


def test_a_killed_child_is_started_again_and_status_says_so(stack: Home) -> None:
    for name in ("process", "redis"):
        before = stack.pid(name)
        os.killpg(before, signal.SIGKILL)
        testing.wait_for(lambda name=name: f"{name} ended with SIGKILL" in _stack_log(stack), "the death is noted")  # type: ignore[misc]
        testing.wait_for(lambda: all(c["state"] == "running" for c in stack.record["children"]), "all run again", 60)  # type: ignore[attr-defined]
        assert stack.pid(name) != before
    assert '"restarts": 1' in stack.run("status", "-o", "json").stdout


def test_a_job_of_a_killed_worker_goes_on_as_soon_as_the_worker_is_back(stack: Home) -> None:
    with socket.create_server(("127.0.0.1", 0)) as mute:  # accepts, never speaks: identifying it takes seconds
        port = str(mute.getsockname()[1])
        job = stack.run("scan", "host", "127.0.0.1", "--ports", port, "--no-wait", "-o", "id").stdout.strip()
        testing.wait_for(lambda: '"running"' in stack.run("jobs", "get", job, "-o", "json").stdout, "it runs")
        os.killpg(stack.pid("scan"), signal.SIGKILL)
        done = stack.run("jobs", "wait", job, "--timeout", "100s")
    assert done.returncode == 0, done.stderr
    assert '"attempt": 2' in stack.run("jobs", "get", job, "-o", "json").stdout


def test_a_job_submitted_while_the_broker_is_away_runs_to_its_end_when_it_is_back(stack: Home, greeter: int) -> None:
    pid = stack.pid("redis")
    os.killpg(pid, signal.SIGSTOP)
    try:
        job = stack.run("scan", "host", "127.0.0.1", "--ports", str(greeter), "--no-wait", "-o", "id").stdout.strip()
        seen = stack.run("jobs", "get", job, "-o", "json").stdout
    finally:
        os.killpg(pid, signal.SIGCONT)
    assert '"queued"' in seen
    assert '"broker_down"' in seen
    done = stack.run("jobs", "wait", job, "--timeout", "60s")
    assert done.returncode == 0, done.stderr
    assert stack.pid("redis") == pid


def test_nobody_can_take_the_port_while_the_gateway_is_started_again(stack: Home) -> None:
    os.killpg(stack.pid("gateway"), signal.SIGKILL)
    with pytest.raises(OSError, match="in use"):
        socket.create_server(("127.0.0.1", int(str(stack.record["port"]))))
    assert stack.run("jobs", "list").returncode == 0  # waits for the new gateway


def test_a_receiver_that_hangs_up_is_an_ordinary_failure(stack: Home) -> None:
    with socket.create_server(("127.0.0.1", 0)) as rude:
        threading.Thread(target=_hang_up, args=(rude,), daemon=True).start()
        url = f"http://127.0.0.1:{rude.getsockname()[1]}/x"
        done = stack.run("scan", "host", "127.0.0.1", "--ports", "1", "--wait", "--notify", url, "-o", "json")
    assert done.returncode == 9, done.stderr
    assert "SIGPIPE" not in (stack.folder / "home/logs/notify.log").read_text()


def test_two_homes_are_two_stacks_and_a_killed_supervisor_leaves_nothing_behind(home: Home, stack: Home) -> None:
    assert home.run("up", "--detach", "--port", str(free_port())).returncode == 0
    mine, others = home.everybody(), stack.everybody()
    assert not mine & others
    os.kill(int(str(home.record["pid"])), signal.SIGKILL)
    testing.wait_for(gone(mine), "nothing of the killed stack is left")
    assert alive(others) >= others
    assert home.run("up", "--detach", "--port", str(free_port())).returncode == 0
    again = home.everybody()
    assert home.run("down").returncode == 0
    testing.wait_for(gone(again), "nothing of the stopped stack is left")
    assert home.run("status").returncode != 0 or "no stack" in home.run("status").stderr.lower()


def test_ctrl_c_stops_a_stack_in_the_foreground(home: Home) -> None:
    command = [VEDETTE, "up", "--port", str(free_port())]
    with subprocess.Popen(
        command, env=home.environment, stderr=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True
    ) as up:
        testing.wait_for((home.folder / "home/run/stack.json").exists, "it starts")
        testing.wait_for(lambda: home.record["state"] == "ready", "it is ready", 60)
        mine = home.everybody()
        os.killpg(up.pid, signal.SIGINT)
        assert up.wait(30) in {0, 130}
    testing.wait_for(gone(mine), "nothing is left")


def test_a_state_folder_that_cannot_be_used_is_named(tmp_path: Path) -> None:
    (tmp_path / "home").write_text("a file")
    refused = Home(tmp_path).run("up", "--detach")
    assert refused.returncode != 0
    assert "VEDETTE_HOME" in refused.stderr


def test_a_missing_server_is_named_with_its_cure(home: Home) -> None:
    refused = home.run("up", "--detach", "--port", str(free_port()), VEDETTE_REDIS_SERVER="/nonexistent/redis-server")
    assert refused.returncode != 0
    assert "VEDETTE_REDIS_SERVER" in refused.stderr


def test_the_bundled_server_is_enough(home: Home) -> None:
    servers = ("redis-server", "valkey-server")
    folders = [Path(part) for part in os.environ["PATH"].split(os.pathsep)]
    plain = os.pathsep.join(str(part) for part in folders if not any((part / name).exists() for name in servers))
    started = home.run("up", "--detach", "--port", str(free_port()), PATH=plain)
    assert started.returncode == 0, started.stderr
    assert "valkey" in Path(f"/proc/{home.pid('redis')}/exe").resolve().name


def test_a_stack_is_of_its_own_whatever_broker_and_keys_its_user_has_in_the_environment(home: Home) -> None:
    of_another = {
        "VEDETTE_REDIS_URL": "redis://127.0.0.1:1/0",
        "VEDETTE_TOKEN": "of-another-installation",
        "VEDETTE_MASTER_KEY": testing.MASTER_KEY,
    }
    started = home.run("up", "--detach", "--port", str(free_port()), **of_another)
    assert started.returncode == 0, started.stderr
    scanned = home.run("scan", "host", "127.0.0.1", "--ports", "1", "--wait", "--report", "json", "-o", "id")
    assert scanned.returncode == 0, scanned.stderr


@pytest.mark.parametrize("odd", ["a?x=1", "a#b", "a%41", 'a"b', "a\\b"])
def test_a_path_that_urls_would_misread_is_refused(tmp_path: Path, odd: str) -> None:
    refused = Home(tmp_path).run("up", "--detach", VEDETTE_HOME=str(tmp_path / odd))
    assert refused.returncode == 1
    assert "VEDETTE_HOME" in refused.stderr
    assert not list(tmp_path.iterdir())


def _hang_up(server: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while True:
            server.accept()[0].close()


def _stack_log(home: Home) -> str:
    return (home.folder / "home/logs/stack.log").read_text()
