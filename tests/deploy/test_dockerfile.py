from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FILE = ROOT / "deploy" / "Dockerfile"


def test_hadolint_finds_nothing() -> None:
    program = Path(sys.executable).with_name("hadolint")
    run = subprocess.run([program, FILE], capture_output=True, text=True, timeout=300, check=False)
    assert run.returncode == 0, run.stdout + run.stderr
    assert run.stdout == ""


def test_images_and_working_copies_are_installed_by_the_same_uv() -> None:
    [image] = re.findall(r"^ARG UV=(\S+)$", FILE.read_text(), re.MULTILINE)
    assert re.findall(r"^UV_VERSION := (\S+)$", (ROOT / "Makefile").read_text(), re.MULTILINE) == [image]


@pytest.mark.parametrize("script", ["start", "alive", "make-secrets"])
def test_shellcheck_finds_nothing(script: str) -> None:
    program = shutil.which("shellcheck")
    if program is None:
        if os.environ.get("VEDETTE_TEST_ALL") == "1":
            pytest.fail("shellcheck is not installed")
        pytest.skip("shellcheck is not installed")
    run = subprocess.run([program, FILE.with_name(script)], capture_output=True, text=True, timeout=300, check=False)
    assert run.returncode == 0, run.stdout


def test_the_image_runs_as_a_user_without_rights() -> None:
    [user] = re.findall(r"(?m)^USER (.*)$", FILE.read_text())
    assert user == "10001:10001"


def test_the_program_is_started_without_a_shell_around_it() -> None:
    text = FILE.read_text()
    assert re.search(r'(?m)^ENTRYPOINT \["', text)
    assert "HEALTHCHECK" not in text


QUIET = "--without-gossip --without-mingle --without-heartbeat"


def test_dependencies_are_installed_before_the_code_is_copied() -> None:
    text = FILE.read_text()
    assert text.index("--no-install-workspace") < text.index("COPY shared shared") < text.index("--no-editable")


def test_only_what_the_image_needs_is_sent_to_the_builder() -> None:
    lines = (ROOT / ".dockerignore").read_text().splitlines()
    rules = [line for line in lines if line and not line.startswith("#")]
    assert rules[0] == "*"
    copied = set(re.findall(r"(?m)^COPY (?:--chmod=\d+ )?((?!-)\S+)", FILE.read_text()))
    allowed = {rule.removeprefix("!") for rule in rules if rule.startswith("!")}
    assert copied - {"${FOLDER}"} <= allowed
    assert not any("secrets" in rule for rule in allowed)


@pytest.mark.parametrize(
    ("service", "starts"),
    [
        ("gateway", "python -m gateway"),
        ("control", "python -m control"),
        ("scan", f"celery -A services.scan worker --loglevel INFO --concurrency 7 --hostname scan@%h {QUIET}"),
    ],
)
def test_the_start_script_becomes_the_program_of_its_service(tmp_path: Path, service: str, starts: str) -> None:
    for name in ("python", "celery"):
        program = tmp_path / name
        program.write_text(f'#!/bin/sh\necho "$$ {name} $*"\n')
        program.chmod(0o755)
    env = {"PATH": f"{tmp_path}:/usr/bin:/bin", "SERVICE": service, "CELERY_WORKER_CONCURRENCY": "7"}
    with subprocess.Popen([FILE.with_name("start")], env=env, stdout=subprocess.PIPE, text=True) as process:
        said, _ = process.communicate(timeout=10)
    assert said == f"{process.pid} {starts}\n"  # the same process: nothing stands between it and SIGTERM


def test_a_command_that_is_given_is_run_instead() -> None:
    run = subprocess.run(
        [FILE.with_name("start"), "echo", "a b"], env={"SERVICE": "scan"}, capture_output=True, text=True, check=True
    )
    assert run.stdout == "a b\n"
