"""The pictures of the documents are drawn by a command, of jobs that really ran."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

pytestmark = pytest.mark.e2e


def test_the_command_draws_a_retry_a_lost_worker_a_replay_and_a_job_that_runs(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "docs.pictures", str(tmp_path)]
    done = subprocess.run(
        command, cwd=ROOT, env={**os.environ}, capture_output=True, text=True, timeout=240, check=False
    )
    assert done.returncode == 0, done.stderr
    drawn = {file.stem: file.read_text(encoding="utf-8").replace("&#160;", " ") for file in tmp_path.iterdir()}
    assert set(drawn) == {file.stem for file in (ROOT / "docs/pictures").glob("*.svg")}
    for said in ("back off notify", "ReceiverBusy", "run notify", "#2"):
        assert said in drawn["trace-retry"]
    for said in ("run scan", "WorkerLost", "#2"):
        assert said in drawn["trace-killed"]
    assert not any("url(http" in picture or 'url("http' in picture for picture in drawn.values())
    assert "earlier run" in drawn["trace-replay"]
    assert "so far" in drawn["trace-live"]
