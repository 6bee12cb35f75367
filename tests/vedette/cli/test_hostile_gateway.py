"""A gateway that means harm: every text of every answer tries to steer the terminal of whoever asks."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import pytest
import typer

from tests.vedette.lab import ROOT, TOKEN, Vedette, answering, send
from vedette.cli.app import app

EVIL = "\x1b]0;owned\x07\x1b[2J\x9b31m\u202e\r\n[red]x[/red]"
STEERING = set("\x1b\x07\x9b\u202e\r")
DOCUMENT = json.loads((ROOT / "gateway" / "openapi.json").read_text(encoding="utf-8"))
GROUPS = {
    "jobs",
    "dlq",
    "operations",
    "queues",
    "workers",
    "orgs",
    "users",
    "keys",
    "audit",
    "targets",
    "report",
    "whoami",
}
ENDLESS = {"watch", "wait", "events"}  # they ask until something happens
PROBLEM = dict.fromkeys(("type", "title", "detail", "code", "cure", "trace_id", "instance"), EVIL)


def example(schema: Any, depth: int = 0) -> Any:
    """Return something that fits a schema, with `EVIL` wherever a text may be anything."""
    if "$ref" in schema:
        schema = DOCUMENT["components"]["schemas"][schema["$ref"].rsplit("/", 1)[-1]]
    if "const" in schema or "enum" in schema:
        return schema.get("const", schema.get("enum", [None])[0])
    if "anyOf" in schema or "oneOf" in schema:
        return example((schema.get("anyOf") or schema["oneOf"])[0], depth + 1)
    kind = schema.get("type")
    if kind == "string":
        return "2026-11-25T12:00:00Z" if schema.get("format") == "date-time" else EVIL
    if kind == "array":
        return [example(schema["items"], depth + 1)] if depth < 12 else []
    if kind == "object" or "properties" in schema:
        made = {name: example(inner, depth + 1) for name, inner in schema.get("properties", {}).items()}
        return made | ({} if made or depth > 12 else {EVIL: EVIL}) | ({"next": None} if "next" in made else {})
    return {"integer": 1, "number": 1.5, "boolean": True}.get(kind, EVIL)


def answer(handler: BaseHTTPRequestHandler) -> None:
    path, method = handler.path.partition("?")[0], handler.command.lower()
    for known in sorted(DOCUMENT["paths"], key=lambda each: each.count("{")):
        if not re.fullmatch(re.sub(r"\\\{.*?\\\}", "[^/:]+", re.escape(known)), path):
            continue
        answers = DOCUMENT["paths"][known].get(method, {}).get("responses", {})
        for status in (code for code in answers if code.startswith("2")):
            schema = answers[status].get("content", {}).get("application/json", {}).get("schema")
            send(handler, json.dumps(example(schema)).encode() if schema else b"", int(status))
            return
    refuse(handler)


def refuse(handler: BaseHTTPRequestHandler) -> None:
    said = PROBLEM | {"status": 409, "retryable": False, "errors": [{"pointer": f"/{EVIL}", "detail": EVIL}]}
    send(handler, json.dumps(said).encode(), 409, "application/problem+json")


def commands(command: Any, *words: str) -> Iterator[list[str]]:
    """Yield every command with something for each of its required arguments."""
    for name, inner in getattr(command, "commands", {}).items():
        if name not in ENDLESS and (words or name in GROUPS):
            yield from commands(inner, *words, name)
    if words and not hasattr(command, "commands"):
        yield [*words, *("x" for each in command.params if each.param_type_name == "argument" and each.required)]


@pytest.fixture
def asking(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("VEDETTE_TOKEN", TOKEN)
    monkeypatch.setenv("VEDETTE_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize(("handle", "form"), [(answer, "table"), (answer, "csv"), (refuse, "table")])
def test_no_command_lets_it_steer_the_terminal(
    vedette: Vedette, monkeypatch: pytest.MonkeyPatch, asking: None, handle: Any, form: str
) -> None:
    codes: dict[str, int] = {}
    with answering(handle) as url:
        monkeypatch.setenv("VEDETTE_URL", url)
        for words in commands(typer.main.get_command(app)):
            ran = vedette(*words, "-o", form)
            steering = STEERING & set(ran.out + ran.err)
            assert not steering, f"{' '.join(words)}: {steering} {ran}"
            assert "Traceback" not in ran.err, words
            codes[" ".join(words)] = ran.code
    assert len(codes) > 30
    done = [words for words, code in codes.items() if code == 0]
    assert len(done) > 10 or handle is refuse, codes
