"""What the documents say exists: links, anchors, paths, make targets, commands and their options, decisions."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from vedette.cli.app import command_line

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / name for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md")] + sorted(ROOT.glob("docs/**/*.md"))
DECISIONS = sorted(ROOT.glob("docs/decisions/*.md"))
FOLDERS = ("services", "shared", "gateway", "control", "vedette", "deploy", "docs", "tests", ".ci")
IMAGE_LIMIT_BYTES = 200_000

_FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"\]\(([^)\s]+)\)")
_CODE = re.compile(r"`([^`\n]+)`")
_PATH = re.compile(rf"(?:{'|'.join(re.escape(name) for name in FOLDERS)})(?:/[\w.@-]+)+/?")
_HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)
_TARGET = re.compile(r"^([a-z]+):.*##", re.MULTILINE)
_ASSIGNMENT = re.compile(r"^[A-Z_]+=")
_MADE = {"deploy/secrets"}  # by deploy/make-secrets, never committed

each_page = pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())


def _prose(page: Path) -> str:
    return _FENCE.sub("", page.read_text(encoding="utf-8"))


def _anchors(page: Path) -> set[str]:
    """The anchors of a page, as GitHub makes them of its headings."""
    plain = (re.sub(r"[^\w\s-]", "", heading.lower()) for heading in _HEADING.findall(_prose(page)))
    return {heading.replace(" ", "-") for heading in plain}


def _commands(page: Path) -> Iterator[list[str]]:
    """The words of every simple command in the console blocks of a page, without assignments and comments."""
    for language, block in _FENCE.findall(page.read_text(encoding="utf-8")):
        for line in block.splitlines():
            if language == "console" and line.startswith("$ "):
                lexer = shlex.shlex(line[2:], posix=True, punctuation_chars="|;&<>")
                lexer.whitespace_split = True
                yield from _simple(list(lexer))


def _simple(words: list[str]) -> Iterator[list[str]]:
    command: list[str] = []
    for word in [*words, ";"]:
        if word.strip("|;&"):
            command.append(word)
            continue
        while command and _ASSIGNMENT.match(command[0]):
            command.pop(0)
        if command:
            yield command
        command = []


@each_page
def test_every_relative_link_leads_somewhere(page: Path) -> None:
    for link in _LINK.findall(_prose(page)):
        where, _, anchor = link.partition("#")
        if "://" in where:
            continue
        target = (page.parent / where).resolve() if where else page
        assert target.exists(), f"{page.name} links to {link}"
        assert not anchor or anchor in _anchors(target), f"{page.name} links to {link}"


@each_page
def test_every_path_in_code_marks_exists(page: Path) -> None:
    for code in _CODE.findall(_prose(page)):
        if _PATH.fullmatch(code) and not any(code.startswith(made) for made in _MADE):
            assert (ROOT / code).exists(), f"{page.name} names {code}"


@each_page
def test_every_make_target_in_a_console_block_exists(page: Path) -> None:
    targets = set(_TARGET.findall((ROOT / "Makefile").read_text(encoding="utf-8")))
    for command in _commands(page):
        if command[0] == "make":
            assert [word for word in command[1:] if word in targets], f"{page.name}: {shlex.join(command)}"


@each_page
def test_every_vedette_command_and_option_in_a_console_block_exists(page: Path) -> None:
    for words in _commands(page):
        if words[0] != "vedette":
            continue
        command: Any = command_line()
        known = _options(command)
        rest = words[1:]
        while getattr(command, "commands", None) and rest and rest[0] in command.commands:
            command = command.commands[rest.pop(0)]
            known |= _options(command)
        assert not getattr(command, "commands", None) or not rest or rest[0].startswith("-"), shlex.join(words)
        options = {word.partition("=")[0] for word in rest if word.startswith("--")}
        assert options <= known, f"{page.name}: {shlex.join(words)}"


def _options(command: Any) -> set[str]:
    named = {name for parameter in command.params for name in (*parameter.opts, *parameter.secondary_opts)}
    return named | {"--help", "--install-completion", "--show-completion"}


def test_the_console_blocks_are_read_at_all() -> None:
    found = [command[:2] for command in _commands(ROOT / "README.md")]
    assert ["make", "scan"] in found
    assert ["vedette", "doctor"] in found


def test_commands_are_told_from_assignments_and_from_one_another() -> None:
    words = ["A=1", "vedette", "up", ";", "make", "test", "|", "head"]
    assert list(_simple(words)) == [["vedette", "up"], ["make", "test"], ["head"]]


@pytest.mark.parametrize("decision", DECISIONS, ids=lambda path: path.name[:4])
def test_a_decision_is_short_dated_and_in_the_index(decision: Path) -> None:
    lines = decision.read_text(encoding="utf-8").splitlines()
    assert len(lines) <= 40
    assert lines[0].startswith(f"# {decision.name[:4]} ")
    assert re.fullmatch(r"Status: (accepted|superseded by \d{4}) · Date: \d{4}-\d\d-\d\d", lines[2])
    assert [line for line in lines if line.startswith("## ")] == ["## Context", "## Decision", "## Consequences"]
    title = lines[0].removeprefix(f"# {decision.name[:4]} ")
    assert f"[{title}](decisions/{decision.name})" in (ROOT / "docs/README.md").read_text(encoding="utf-8")


def test_decisions_are_numbered_without_gaps() -> None:
    assert [path.name[:4] for path in DECISIONS] == [f"{number:04}" for number in range(1, len(DECISIONS) + 1)]


def test_every_document_that_sources_name_exists() -> None:
    sources = [path for folder in FOLDERS for path in sorted((ROOT / folder).rglob("*.py"))]
    assert sources
    for source in sources:
        for document in re.findall(r"\bdocs/(?:decisions/\d{4}|[\w/-]+\.md)", source.read_text(encoding="utf-8")):
            assert list(ROOT.glob(f"{document}*")), f"{source.relative_to(ROOT)} names {document}"


def test_the_number_of_rules_is_that_of_the_catalogue() -> None:
    counted = re.search(r"^## host: (\d+) rules", (ROOT / "docs/rules.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert counted
    for page in ("README.md", "CHANGELOG.md"):
        assert f"{counted[1]} rules" in (ROOT / page).read_text(encoding="utf-8")


def test_pictures_are_small() -> None:
    for picture in ROOT.glob("docs/images/*"):
        assert picture.stat().st_size <= IMAGE_LIMIT_BYTES, picture.name
