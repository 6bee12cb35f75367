"""A heart-beat is a fresh file; the probe is a program."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from shared import heartbeat


@pytest.fixture
def run_dir(tmp_path: Path, fresh_settings: pytest.MonkeyPatch) -> Path:
    fresh_settings.setenv("VEDETTE_RUN_DIR", str(tmp_path / "run"))
    return tmp_path / "run"


def test_who_beats_is_alive(run_dir: Path) -> None:
    assert heartbeat.age_s("scan") is None
    assert heartbeat.main(["scan"]) == 1
    heartbeat.beat("scan")
    age_s = heartbeat.age_s("scan")
    assert age_s is not None
    assert age_s < 5
    assert heartbeat.main(["scan"]) == 0
    assert heartbeat.path("scan").read_text() == str(os.getpid())


def test_a_reader_never_finds_half_of_a_beat(run_dir: Path) -> None:
    heartbeat.beat("scan")
    read, is_over = set(), threading.Event()

    def watch() -> None:
        while not is_over.is_set():
            read.add(heartbeat.path("scan").read_text())

    watching = threading.Thread(target=watch)
    watching.start()
    for _ in range(2000):
        heartbeat.beat("scan")
    is_over.set()
    watching.join()
    assert read == {str(os.getpid())}


def test_the_file_of_a_process_with_a_longer_number_is_overwritten_whole(run_dir: Path) -> None:
    run_dir.mkdir()
    heartbeat.path("scan").write_text("9" * 30)
    heartbeat.beat("scan")
    assert heartbeat.path("scan").read_text() == str(os.getpid())


def test_who_stopped_beating_is_not(run_dir: Path) -> None:
    heartbeat.beat("scan")
    old = heartbeat.path("scan").stat().st_mtime - heartbeat.STALE_S - 1
    os.utime(heartbeat.path("scan"), (old, old))
    assert heartbeat.main(["scan"]) == 1


def test_a_clock_that_was_set_back_is_no_negative_age(run_dir: Path) -> None:
    heartbeat.beat("scan")
    ahead = heartbeat.path("scan").stat().st_mtime + 3600
    os.utime(heartbeat.path("scan"), (ahead, ahead))
    assert heartbeat.age_s("scan") == 0.0


def test_a_folder_that_cannot_be_is_told_and_kills_nobody(run_dir: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run_dir.write_text("a file, not a folder")
    heartbeat.beat("scan")
    assert "no heartbeat" in capsys.readouterr().err
    assert heartbeat.age_s("scan") is None


def test_the_probe_is_a_program(run_dir: Path) -> None:
    heartbeat.beat("report")
    probe = [sys.executable, "-m", "shared.heartbeat"]
    assert subprocess.run([*probe, "report"], timeout=30, check=False).returncode == 0
    assert subprocess.run(probe, timeout=30, check=False).returncode == 1
