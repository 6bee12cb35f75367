"""Cures name commands that there are."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from vedette.cli.app import command_line

ROOT = Path(__file__).parents[3]
NAMED = re.compile(r"\bvedette((?: [a-z][a-z-]*)+)")


def cures() -> Iterator[str]:
    for package in ("gateway", "shared", "services", "control", "vedette"):
        for file in (ROOT / package).rglob("*.py"):
            for node in ast.walk(ast.parse(file.read_text())):
                if isinstance(node, ast.keyword) and node.arg == "cure":
                    texts = [n.value for n in ast.walk(node.value) if isinstance(n, ast.Constant)]
                    yield from (found for text in texts for found in NAMED.findall(str(text)))


@pytest.mark.parametrize("named", sorted(set(cures())))
def test_a_command_that_a_cure_names_is_there(named: str) -> None:
    place = command_line()
    for word in named.split():
        if not hasattr(place, "commands"):
            return  # what follows are its arguments
        assert word in place.commands, f"vedette{named}"
        place = place.commands[word]
