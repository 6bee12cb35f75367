from __future__ import annotations

import resource
import subprocess
import sys
from collections.abc import Iterator

import pytest

from shared import testing
from shared.broker import children

SLEEP = "import time; time.sleep(60)"
PARENT = f"import subprocess, sys, time; subprocess.Popen([sys.executable, '-c', '{SLEEP}']); time.sleep(60)"


@pytest.fixture
def family() -> Iterator[subprocess.Popen[bytes]]:
    """A process that has started another."""
    with subprocess.Popen([sys.executable, "-c", PARENT]) as parent:
        testing.wait_for(lambda: children.descendants(parent.pid), "it has a child")
        yield parent
        parent.kill()


def test_a_process_is_killed_with_its_descendants(family: subprocess.Popen[bytes]) -> None:
    [descendant] = children.descendants(family.pid)
    children.kill(family.pid)
    assert family.wait(10) == -9
    testing.wait_for(lambda: children.peak_bytes(descendant) is None, "the other is gone too")


def test_a_process_that_is_gone_is_no_error(family: subprocess.Popen[bytes]) -> None:
    children.kill(family.pid)
    family.wait(10)
    children.kill(family.pid)
    assert children.descendants(family.pid) == []


def test_the_memory_of_a_process_is_known_after_its_death(family: subprocess.Popen[bytes]) -> None:
    children.sample([family.pid])
    children.kill(family.pid)
    family.wait(10)
    children.sample([family.pid])
    assert (children.sampled(family.pid) or 0) > children.MB
    assert children.sampled(None) is None


def test_the_peak_of_one_task_is_not_that_of_the_next() -> None:
    program = """
import os
from shared.broker import children
def peak(): return children.peak_bytes(os.getpid()) // children.MB
eaten = b"x" * (100 * children.MB)
before = peak()
del eaten
children.forget_peak()
print(before - peak() > 90)
"""
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=30, check=True)
    assert run.stdout.strip() == "True"


def test_only_the_last_children_are_remembered() -> None:
    children._peaks.clear()
    children._peaks.update(dict.fromkeys(range(10**7, 10**7 + children.KNOWN + 5), 1))
    children.sample([])
    assert len(children._peaks) == children.KNOWN
    assert children.sampled(10**7) is None


@pytest.mark.parametrize(("limit_mb", "outcome"), [(300, "MemoryError"), (0, "fits")])
def test_beyond_its_limit_a_process_gets_a_memory_error_and_lives(limit_mb: int, outcome: str) -> None:
    program = f"""
from shared.broker import children
children.limit_memory({limit_mb})
try:
    bytearray(400 * 1024 * 1024)
    print("fits")
except MemoryError:
    print("MemoryError")
"""
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=30, check=True)
    assert run.stdout.strip() == outcome


def test_a_limit_that_is_lower_already_stays() -> None:
    program = """
import resource
from shared.broker import children
resource.setrlimit(resource.RLIMIT_DATA, (200 * children.MB, 200 * children.MB))
children.limit_memory(300)
print(resource.getrlimit(resource.RLIMIT_DATA)[0] // children.MB)
"""
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=30, check=True)
    assert run.stdout.strip() == "200"
    assert resource.getrlimit(resource.RLIMIT_DATA)[0] == resource.RLIM_INFINITY
