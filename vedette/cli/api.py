"""`vedette api`: one request to the gateway, for what has no command of its own."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from vedette.cli import words
from vedette.cli.examples import examples
from vedette.cli.failure import Exit, Misused
from vedette.cli.session import Session, command

if TYPE_CHECKING:
    from vedette.client.http import Answer
    from vedette.client.raw import Raw

MAX_INPUT = 25 * 1024 * 1024  # bytes; the largest body that a gateway takes
MAX_PAGES = 10_000
Method = Literal["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD"]
HowAsked = Annotated[Method, typer.Argument(metavar="METHOD", case_sensitive=False, help="GET, POST, PATCH ...")]
Where = Annotated[str, typer.Argument(metavar="PATH", help="jobs, /api/v1/jobs or /readyz.")]
Fields = Annotated[
    list[str] | None, typer.Option("--field", "-f", metavar="K=V", help="In the query of a GET, else in the body.")
]
Input = Annotated[str | None, typer.Option("--input", metavar="FILE", help="The body, as it is; - is stdin.")]
Paginate = Annotated[bool, typer.Option("--paginate", help="Ask for all pages; an array of all their items.")]
Include = Annotated[bool, typer.Option("--include", "-i", help="Show status and headers first.")]


@command
def api(
    session: Session,
    *,
    method: HowAsked,
    path: Where,
    field: Fields = None,
    input_file: Input = None,
    paginate: Paginate = False,
    include: Include = False,
) -> int:
    """Send one request as you are, and show the answer as it comes. Exit codes are those of other commands."""
    given = _fields(field or [])
    if input_file and given:
        raise Misused("--input and --field exclude each other.", cure="Leave one of them out.")
    if paginate and (method != "GET" or include):
        raise Misused("--paginate is for GET, without --include.", cure="Leave it out.")
    body = _body(input_file) if input_file else None
    with session.gateway() as link:
        raw = link.client.raw
        if paginate:
            print(json.dumps(_all(raw, path, given), ensure_ascii=True, indent=2))
            return Exit.OK
        answer = raw.ask(method, path, **_content(method, given, body))
    _show(answer, include=include)
    answer.check()
    return Exit.OK


def add_to(app: typer.Typer) -> None:
    """Add the command of this file to the root."""
    epilog = examples(
        "vedette api GET jobs -f limit=5",
        "vedette api POST queues/scan:pause -f reason=window",
        "vedette api GET audit --paginate",
    )
    app.command("api", epilog=epilog)(api)


def _content(method: str, given: dict[str, Any], body: bytes | None) -> dict[str, Any]:
    if body is not None:
        return {"content": body, "headers": {"Content-Type": "application/json"}}
    if not given:
        return {}
    if method in {"GET", "HEAD"}:
        return {"params": {name: _text(value) for name, value in given.items()}}
    return {"json": given}


def _all(raw: Raw, path: str, given: dict[str, Any]) -> list[Any]:
    params = {name: _text(value) for name, value in given.items()}
    items: list[Any] = []
    for _ in range(MAX_PAGES):
        answer = raw.ask("GET", path, params=params)
        answer.check()
        try:
            page = json.loads(answer.body)
            items += page["items"]
        except (ValueError, TypeError, KeyError):
            raise Misused(f"{path} has no pages.", cure="Leave --paginate out.") from None
        if not page.get("next"):
            break
        params["cursor"] = page["next"]
    return items


def _show(answer: Answer, *, include: bool) -> None:
    if include:
        print(f"HTTP {answer.status}")
        for name, value in answer.headers.items():
            print(f"{name}: {words.line(value)}")
        print()
    sys.stdout.flush()
    if sys.stdout.isatty() or not hasattr(sys.stdout, "buffer"):
        print(words.harmless(answer.body.decode("utf-8", "replace")))
    else:
        sys.stdout.buffer.write(answer.body)
        sys.stdout.buffer.flush()


def _fields(given: list[str]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for each in given:
        name, equals, value = each.partition("=")
        if not (name and equals):
            raise Misused(f"{each[:40]!r} is no field.", cure="Write it like -f limit=5")
        found[name] = _value(value)
    return found


def _value(text: str) -> Any:  # noqa: ANN401  what JSON has
    """Return numbers, true, false, null, arrays and objects as such, and everything else as text."""
    try:
        return json.loads(text)
    except ValueError:
        return text


def _text(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _body(file: str) -> bytes:
    try:
        with sys.stdin.buffer if file == "-" else Path(file).open("rb") as stream:
            found = stream.read(MAX_INPUT + 1)
    except OSError as exc:
        raise Misused(f"{file} cannot be read: {exc.strerror}.", cure="Give a file with the body.") from exc
    if len(found) > MAX_INPUT:
        raise Misused(f"{file} has more than {MAX_INPUT} bytes.", cure="Send less.")
    return found
