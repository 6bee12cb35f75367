"""Limits that the system enforces, in real processes: what goes beyond fails, and the process lives."""

from __future__ import annotations

import subprocess
import sys

import pytest

from shared.broker.limits import CpuTimeExceeded
from shared.errors import FailureClass, classify

HEAD = """
import os, resource, signal, sys, tempfile, threading, time
from shared.broker import limits
from shared.broker.limits import CpuTimeExceeded
from shared.errors import classify
def burn(seconds):
    until = time.process_time() + seconds
    while time.process_time() < until: pass
def outcome(act):
    try: act()
    except Exception as exc: return f"{classify(exc)} {type(exc).__name__}"
    return "done"
"""


def said(program: str) -> list[str]:
    run = subprocess.run(
        [sys.executable, "-c", HEAD + program], capture_output=True, text=True, timeout=60, check=False
    )
    assert run.returncode == 0, run.stderr
    return run.stdout.split("\n")[:-1]


def test_a_task_that_burns_cpu_time_fails_as_resource_and_the_next_one_has_its_own() -> None:
    program = """
limits.apply(open_files=0, file_mb=0)
for seconds in (5, 0.5, 5):
    limits.begin(1)
    print(outcome(lambda: burn(seconds)))
    limits.end()
"""
    assert said(program) == ["resource CpuTimeExceeded", "done", "resource CpuTimeExceeded"]


def test_the_failure_is_raised_once_so_that_it_can_be_written_down() -> None:
    program = """
limits.apply(open_files=0, file_mb=0)
limits.begin(1)
print(outcome(lambda: burn(5)), outcome(lambda: burn(2.5)))
"""
    assert said(program) == ["resource CpuTimeExceeded done"]


def test_sleeping_costs_nothing() -> None:
    program = """
limits.apply(open_files=0, file_mb=0)
limits.begin(1)
print(outcome(lambda: time.sleep(1.5)))
"""
    assert said(program) == ["done"]


def test_the_time_of_threads_counts() -> None:
    program = """
limits.apply(open_files=0, file_mb=0)
limits.begin(1)
def with_a_thread():
    thread = threading.Thread(target=burn, args=(8,), daemon=True)
    thread.start()
    while thread.is_alive(): time.sleep(0.01)
print(outcome(with_a_thread))
sys.stdout.flush(); os._exit(0)
"""
    assert said(program) == ["resource CpuTimeExceeded"]


def test_one_file_too_many_is_an_error() -> None:
    program = """
limits.apply(open_files=64, file_mb=0)
kept = []
def open_everything():
    while True: kept.append(open(os.devnull))
print(outcome(open_everything), len(kept) < 64)
"""
    assert said(program) == ["resource OSError True"]


def test_a_file_that_grows_too_large_is_an_error_and_no_death() -> None:
    program = """
limits.apply(open_files=0, file_mb=1)
def write():
    with tempfile.NamedTemporaryFile() as file:
        for _ in range(3): file.write(b"x" * 1024 * 1024); file.flush()
print(outcome(write))
"""
    assert said(program) == ["resource OSError"]


def test_no_core_is_dumped_and_zero_is_no_limit() -> None:
    program = """
before = [resource.getrlimit(each) for each in (resource.RLIMIT_NOFILE, resource.RLIMIT_FSIZE, resource.RLIMIT_CPU)]
limits.apply(open_files=0, file_mb=0)
limits.begin(0)
after = [resource.getrlimit(each) for each in (resource.RLIMIT_NOFILE, resource.RLIMIT_FSIZE, resource.RLIMIT_CPU)]
print(resource.getrlimit(resource.RLIMIT_CORE), before == after)
"""
    assert said(program) == ["(0, 0) True"]


@pytest.mark.parametrize("limit", ["RLIMIT_NOFILE", "RLIMIT_FSIZE"])
def test_a_limit_that_is_lower_already_stays(limit: str) -> None:
    program = f"""
resource.setrlimit(resource.{limit}, (100, 100))
limits.apply(open_files=4096, file_mb=4096)
print(resource.getrlimit(resource.{limit}))
"""
    assert said(program) == ["(100, 100)"]


def test_cpu_time_is_a_resource() -> None:
    assert classify(CpuTimeExceeded("x")) is FailureClass.RESOURCE
