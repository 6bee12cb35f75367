from __future__ import annotations

import os
import subprocess
import time
from pathlib import Path

import pytest

from shared import heartbeat

PROGRAM = Path(__file__).parents[2] / "deploy" / "alive"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / heartbeat.path("scan").name


def is_alive(file: Path) -> bool:
    env = {"PATH": "/usr/bin:/bin", "SERVICE": "scan", "VEDETTE_RUN_DIR": str(file.parent)}
    return subprocess.run([PROGRAM], env=env, capture_output=True, timeout=10, check=False).returncode == 0


def test_a_fresh_heartbeat_is_life(file: Path) -> None:
    file.touch()
    assert is_alive(file)


@pytest.mark.parametrize(("age_s", "alive"), [(heartbeat.STALE_S - 5, True), (heartbeat.STALE_S + 1, False)])
def test_the_probe_and_the_heartbeat_agree_on_what_is_stale(file: Path, age_s: float, alive: bool) -> None:
    file.touch()
    then = time.time() - age_s
    os.utime(file, (then, then))
    assert is_alive(file) is alive


def test_no_heartbeat_is_no_life(file: Path) -> None:
    assert not is_alive(file)
