"""What a drill may hurt, and what it must not."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from vedette.drill import victim
from vedette.drill.victim import NoVictim
from vedette.stack import record
from vedette.stack.home import Layout, layout
from vedette.stack.record import Record

SLEEP = [sys.executable, "-c", "import time; time.sleep(60)"]


@pytest.fixture
def where(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Layout]:
    """A state folder whose stack lives: this process is its supervisor."""
    monkeypatch.setenv("VEDETTE_HOME", str(tmp_path / "home"))
    found = layout()
    found.make()
    with record.held(found):
        yield found


def _tell(where: Layout, pid: int | None, supervisor: int | None = None, state: str = "running") -> None:
    children = [{"name": "scan", "pid": pid, "state": state}]
    Record(supervisor or os.getpid(), 1, "ready", children=children).write(where)


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    with ExitStack() as made:
        yield made


def _child(stack: ExitStack, *, own_session: bool = True) -> subprocess.Popen[bytes]:
    child = subprocess.Popen(SLEEP, start_new_session=own_session)
    stack.callback(child.wait)
    stack.callback(child.kill)
    return child


def test_a_child_of_the_stack_is_killed_and_its_successor_seen(where: Layout, stack: ExitStack) -> None:
    child, next_one = _child(stack), _child(stack)
    _tell(where, child.pid)
    hurt = victim("scan")
    hurt.kill()
    assert child.wait(5) == -signal.SIGKILL
    assert hurt.await_successor(0.1) is None
    _tell(where, next_one.pid, state="starting")
    assert hurt.await_successor(0.1) is None
    _tell(where, next_one.pid)
    assert hurt.await_successor(5) is not None


def test_a_process_that_leads_no_session_is_not_touched(where: Layout, stack: ExitStack) -> None:
    child = _child(stack, own_session=False)
    _tell(where, child.pid)
    with pytest.raises(NoVictim, match="not the scan"):
        victim("scan")
    assert child.poll() is None


def test_a_process_of_another_parent_is_not_touched(where: Layout, stack: ExitStack) -> None:
    if not Path("/proc/self/stat").exists():
        pytest.skip("this machine has no /proc")
    child = _child(stack)
    _tell(where, child.pid, supervisor=1)
    with pytest.raises(NoVictim):
        victim("scan")
    assert child.poll() is None


def test_a_number_that_was_given_away_since_is_not_touched(where: Layout, stack: ExitStack) -> None:
    child, other = _child(stack), _child(stack)
    _tell(where, child.pid)
    hurt = victim("scan")
    _tell(where, other.pid)
    with pytest.raises(NoVictim):
        hurt.kill()
    assert child.poll() is None


def test_a_child_that_does_not_run_is_no_victim(where: Layout) -> None:
    _tell(where, None)
    for name in ("scan", "report"):
        with pytest.raises(NoVictim, match=f"no {name}"):
            victim(name)


def test_without_a_stack_there_is_no_victim(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("VEDETTE_HOME", str(tmp_path / "home"))
    layout().make()
    with pytest.raises(NoVictim):
        victim("scan")
