"""A gateway that means harm: every text of every answer tries to steer the terminal of whoever asks."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from itertools import takewhile
from pathlib import Path
from typing import Any

import pytest

from tests.vedette.lab import ROOT, TOKEN, Vedette, answering, send
from vedette.cli.app import command_line

EVIL = "\x1b]0;owned\x07\x1b[2J\x9b31m\u202e\r\n[red]x[/red]"
STEERING = set("\x1b\x07\x9b\u202e\r")
DOCUMENT = json.loads((ROOT / "gateway" / "openapi.json").read_text(encoding="utf-8"))
LOCAL = {
    "up",
    "down",
    "status",
    "logs",
    "doctor",
    "login",
    "logout",
    "context",
    "drill",
}  # ask no gateway, or not as here
ENDLESS = {"watch", "wait", "events"}  # they ask until something happens
GIVEN = {
    "CLASS": "permanent",
    "STATUS": "acknowledged",
    "ROLE": "viewer",
    "EMAIL": "a@example.org",
    "NETWORK": "10.0.0.0/8",
    "WHAT": "10.0.0.1",
    "METHOD": "GET",
    "PATH": "/api/v1/jobs",
    "FILE": "targets.txt",
    "TEXT": "refused",
    "N": "1",
}
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
        return (
            made | ({} if made or depth > 12 else mapping(schema, depth)) | ({"next": None} if "next" in made else {})
        )
    return {"integer": 1, "number": 1.5, "boolean": True}.get(kind, EVIL)


def mapping(schema: Any, depth: int) -> dict[str, Any]:
    inner = schema.get("additionalProperties")  # a schema, or whether there may be any
    return {
        str(example(schema.get("propertyNames", {}))): example(inner, depth + 1) if isinstance(inner, dict) else EVIL
    }


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
    """Yield every command with something for each of its arguments, and for the options that it needs."""
    for name, inner in getattr(command, "commands", {}).items():
        if name not in (ENDLESS if words else ENDLESS | LOCAL):
            yield from commands(inner, *words, name)
    if words and not hasattr(command, "commands"):
        yield [*words, *(word for parameter in command.params for word in given(parameter))]


def given(parameter: Any) -> list[str]:
    value = GIVEN.get(parameter.metavar, "127.0.0.1" if parameter.name == "target" else "0000abcd")
    if parameter.param_type_name == "argument":
        return [value]
    if "--no-wait" in parameter.secondary_opts:
        return ["--no-wait"]  # what it orders never ends
    needed = parameter.required or parameter.opts[0] in {"--contains", "--expect"}
    return ["--yes"] if "--yes" in parameter.opts else [parameter.opts[0], value] * needed


@pytest.fixture
def asking(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("VEDETTE_TOKEN", TOKEN)
    monkeypatch.setenv("VEDETTE_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize(("handle", "form"), [(answer, "table"), (answer, "csv"), (refuse, "table")])
def test_no_command_lets_it_steer_the_terminal(
    vedette: Vedette, monkeypatch: pytest.MonkeyPatch, asking: None, handle: Any, form: str
) -> None:
    Path("targets.txt").write_text("127.0.0.1\n", encoding="utf-8")
    asked: dict[str, int] = {}
    everything: set[str] = set()
    done: list[str] = []
    place = ""

    def handling(handler: BaseHTTPRequestHandler) -> None:
        asked[place] = asked.get(place, 0) + 1
        handle(handler)

    with answering(handling) as url:
        monkeypatch.setenv("VEDETTE_URL", url)
        for words in commands(command_line()):
            place = " ".join(takewhile(str.isalpha, words))
            everything.add(place)
            ran = vedette(*words, "-o", form)
            steering = STEERING & set(ran.out + ran.err)
            assert not steering, f"{' '.join(words)}: {steering} {ran}"
            assert "Traceback" not in ran.err, words
            done += [place] if ran.code == 0 else []
    assert everything - set(asked) == {"orgs use"}, "which wants somebody who is logged in"
    assert len(done) > 55 or handle is refuse, sorted(everything - set(done))
