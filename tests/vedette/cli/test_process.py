"""The command line as a process of its own: terminals, pipes, signals, completion, and how soon it is there."""

from __future__ import annotations

import itertools
import json
import os
import re
import resource
import shlex
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.vedette.lab import ROOT, Lab, Vedette
from tests.vedette.terminal import COMMAND, Terminals, until
from vedette.cli.app import command_line

START_UP_S = 0.4  # of processor time; the wall clock of a busy machine says nothing
COLOUR = re.compile(r"\x1b\[[0-9;]*m")
MOVE = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
ROOT_COMMAND = command_line()


def commands(place: Any = ROOT_COMMAND, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Yield all groups and commands, with their place."""
    yield path, place
    for name, below in getattr(place, "commands", {}).items():
        yield from commands(below, (*path, name))


def shown() -> set[str]:
    """Return all examples of the help."""
    lines = (line.strip() for _, place in commands() for line in (place.epilog or "").splitlines())
    return {line for line in lines if "vedette" in line}


@pytest.fixture(autouse=True)
def _importable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", str(ROOT))


def _run(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*COMMAND, *arguments],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        stdin=subprocess.DEVNULL,
        env={**os.environ, **environment},
    )


def test_help_is_there_at_once() -> None:
    times = []
    for _ in range(3):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        assert _run("--help").returncode == 0
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        times.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    assert min(times) < START_UP_S


@pytest.mark.parametrize("module", ["pydantic", "httpx2", "rich.console", "celery", "sqlalchemy"])
def test_nothing_heavy_is_imported_before_a_command_runs(module: str) -> None:
    code = f"import sys, vedette.cli.app; sys.exit({module!r} in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.parametrize("path", [path for path, _ in commands()], ids=" ".join)
def test_every_command_and_group_has_help_with_examples(vedette: Vedette, path: tuple[str, ...]) -> None:
    ran = vedette(*path, "--help")
    assert ran.code == 0
    assert " ".join(("vedette", *path)) in ran.out.partition("Examples:")[2]
    assert ran.out.isascii()


@pytest.mark.parametrize("example", sorted(shown()))
def test_an_example_is_a_command_with_options_that_there_are(example: str) -> None:
    place: Any = ROOT_COMMAND
    words = itertools.takewhile(lambda word: word not in {"|", ">"}, shlex.split(example.rpartition("| ")[2])[1:])
    known = {name for each in place.params for name in (*each.opts, *each.secondary_opts)}
    for word in words:
        if word in getattr(place, "commands", {}):
            place = place.commands[word]
            known |= {name for each in place.params for name in (*each.opts, *each.secondary_opts)}
        elif word.startswith("-") and word != "-":
            assert word in known
    assert not hasattr(place, "commands")


@pytest.mark.parametrize("path", [path for path, place in commands() if hasattr(place, "commands")], ids=" ".join)
def test_a_group_without_a_command_shows_its_help_and_exits_2(vedette: Vedette, path: tuple[str, ...]) -> None:
    ran = vedette(*path)
    assert (ran.code, ran.out) == (2, "")
    assert "Commands:" in ran.err


def test_a_misspelt_command_is_guessed(vedette: Vedette) -> None:
    ran = vedette("jbos")
    assert ran.code == 2
    assert "Did you mean 'jobs'?" in ran.err
    assert "fix: vedette --help" in ran.err


def test_the_version(vedette: Vedette) -> None:
    assert re.fullmatch(r"vedette \d+\.\d+\.\d+\n", vedette("--version").out)


@pytest.mark.parametrize(("shell", "said"), [("bash", "jobs"), ("zsh", '"jobs"'), ("fish", "jobs")])
def test_shells_complete_commands(shell: str, said: str) -> None:
    words = {"COMP_WORDS": "vedette jo", "COMP_CWORD": "1", "_TYPER_COMPLETE_ARGS": "vedette jo"}
    fish = {"_TYPER_COMPLETE_FISH_ACTION": "get-args"}
    ran = _run(_VEDETTE_COMPLETE=f"complete_{shell}", **words, **fish)
    assert said in ran.stdout


@pytest.mark.parametrize(("encoding", "sign"), [("ascii", "ok Succeeded"), ("utf-8", "✓ Succeeded")])
def test_a_plain_stream_gets_the_signs_of_its_encoding_and_no_colours(lab: Lab, encoding: str, sign: str) -> None:
    ran = _run("scan", "host", "127.0.0.1", "--ports", "1", "--wait", PYTHONIOENCODING=encoding)
    assert ran.returncode == 0
    assert sign in ran.stdout
    assert (ran.stdout + ran.stderr).isascii() == (encoding == "ascii")
    assert "\x1b" not in ran.stdout + ran.stderr


def test_a_reader_that_leaves_early_is_left_in_peace(lab: Lab) -> None:
    shell = f"{' '.join(map(_quoted, COMMAND))} jobs list -o json | true; exit ${{PIPESTATUS[0]}}"
    ran = subprocess.run(["bash", "-c", shell], capture_output=True, text=True, timeout=60, check=False)
    assert (ran.returncode, ran.stderr) == (141, "")


@pytest.mark.parametrize("columns", [80, 120])
def test_a_terminal_sees_moving_lines_that_fit(lab: Lab, columns: int, terminals: Terminals) -> None:
    child, screen = terminals.run(columns, "scan", "host", "127.0.0.1", "--ports", "1", "--wait", "--tag", "do=slow")
    said = until(screen, "━")
    assert "critical · 39 ports" in said
    lab.release.touch()
    said += until(screen, "Details")
    assert child.wait(30) == 0
    assert "✓ Succeeded" in said
    lines = MOVE.sub("\n", COLOUR.sub("", said)).splitlines()
    assert max(len(line) for line in lines) <= columns


def test_no_color_is_respected_on_a_terminal(lab: Lab, monkeypatch: pytest.MonkeyPatch, terminals: Terminals) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    child, screen = terminals.run(80, "jobs", "list", "--url", "http://127.0.0.1:1")
    said = until(screen, "fix: ")
    child.wait(30)
    assert "\x1b" not in said


def test_ctrl_c_leaves_the_job_running_and_says_how_to_go_on(lab: Lab, terminals: Terminals) -> None:
    child, screen = terminals.run(80, "scan", "host", "127.0.0.1", "--ports", "1", "--wait", "--tag", "do=slow")
    until(screen, "━")
    child.send_signal(signal.SIGINT)
    said = until(screen, "vedette jobs watch")
    assert child.wait(30) == 130
    assert "the job goes on" in said
    assert "Traceback" not in said
    lab.release.touch()
    assert json.loads(_run("jobs", "wait", "-o", "json").stdout)["state"] == "succeeded"


def test_logs_are_followed_until_ctrl_c(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, terminals: Terminals) -> None:
    monkeypatch.setenv("VEDETTE_HOME", str(tmp_path))
    (tmp_path / "logs").mkdir()
    file = tmp_path / "logs" / "scan.log"
    file.write_text("first \x1b[31mline\n")
    child, screen = terminals.run(80, "logs", "scan", "-f")
    said = until(screen, "first")
    with file.open("a") as log:
        log.write("second\nunfinis")
    said += until(screen, "second")
    child.send_signal(signal.SIGINT)
    assert child.wait(30) == 130
    assert "\x1b[31m" not in said
    assert "unfinis" not in said


def test_status_without_a_stack_exits_8_and_the_doctor_answers_json(tmp_path: Path) -> None:
    assert _run("status", VEDETTE_HOME=str(tmp_path)).returncode == 8
    checks = json.loads(_run("doctor", "--json", VEDETTE_HOME=str(tmp_path)).stdout)
    assert {"name", "ok", "detail", "cure"} == set(checks[0])


def _quoted(word: str) -> str:
    return f"'{word}'"
