"""What holds for every command: the gateway it speaks to and how it shows results. `command` gives these options."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import Enum
from functools import wraps
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer
from typer.models import OptionInfo

from vedette.cli import failure

if TYPE_CHECKING:
    from rich.console import Console

    from vedette.client import Client

_SLUG = re.compile("[a-z0-9-]{1,63}")  # shared.contracts.access.Slug, which costs an import of pydantic
_ORGS = "List them: vedette orgs list"
Format = Literal["table", "json", "jsonl", "csv", "id"]


class Options:
    """The global options. They may stand before or after the name of a command."""

    Url = Annotated[
        str | None,
        typer.Option(metavar="URL", envvar="VEDETTE_URL", help="Gateway to use; else the local stack."),
    ]
    Token = Annotated[str | None, typer.Option(metavar="TOKEN", envvar="VEDETTE_TOKEN", help="Its access token.")]
    Context = Annotated[
        str | None,
        typer.Option("--context", metavar="NAME", envvar="VEDETTE_CONTEXT", help="Log-in to use; see vedette context."),
    ]
    Org = Annotated[
        str | None, typer.Option("--org", metavar="SLUG", help="Act in this organisation; for root and the token.")
    ]
    Output = Annotated[
        Format | None, typer.Option("--output", "-o", metavar="FORMAT", help="table, json, jsonl, csv or id.")
    ]
    Fields = Annotated[str | None, typer.Option(metavar="NAMES", help="Only these, e.g. id,state,severities.high")]
    Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="No progress, no hints.")]
    QuietLong = Annotated[bool, typer.Option("--quiet", help="No progress, no hints.")]  # where -q is a query
    NoColor = Annotated[bool, typer.Option("--no-color", help="No colours; also NO_COLOR=1.")]


_OPTIONS: dict[str, tuple[Any, bool | None]] = {
    "url": (Options.Url, None),
    "token": (Options.Token, None),
    "place": (Options.Context, None),
    "acting": (Options.Org, None),
    "output": (Options.Output, None),
    "fields": (Options.Fields, None),
    "quiet": (Options.Quiet, False),
    "no_color": (Options.NoColor, False),
}


@dataclass
class Link:
    """A client, and whether the stack behind it ends with this command."""

    client: Client
    is_own: bool


@dataclass
class Session:
    """The global options of one invocation."""

    url: str = ""
    token: str = field(default="", repr=False)
    context: str = ""  # whose URL it is
    acting: str = ""  # in this organisation instead of one's own
    output: Format = "table"
    fields: tuple[str, ...] = ()
    quiet: bool = False
    no_color: bool = False

    @property
    def is_table(self) -> bool:
        """Whether people read the result, in a layout of ours."""
        return self.output == "table" and not self.fields

    def note(self, text: str) -> None:
        """Tell the user something that is not the result."""
        if not self.quiet:
            failure.tell(text)

    def say(self, what: str, text: str) -> None:
        """Print one labelled line on stderr: `error` or `fix`."""
        failure.say(what, text, no_color=self.no_color)

    def console(self, *, stderr: bool = False) -> Console:
        from vedette.cli.screen import screen  # noqa: PLC0415

        return screen(stderr=stderr, no_color=self.no_color)

    @contextmanager
    def gateway(self) -> Iterator[Link]:
        """Speak to the gateway of --url, or to the local stack, which is started for the block if none runs."""
        from vedette.client import Client  # noqa: PLC0415
        from vedette.refusals import Unreachable  # noqa: PLC0415

        if self.url:
            try:
                with Client(self.url, self._token(), org=self.acting) as client:
                    yield Link(client, is_own=False)
            except Unreachable as exc:
                if self.context:
                    exc.cure += "; or leave it: vedette context use NAME, vedette logout"
                raise
            return
        from vedette import stack  # noqa: PLC0415

        is_own = stack.connect() is None
        with stack.running(self.note) as access, Client(access.url, access.token, org=self.acting) as client:
            yield Link(client, is_own)

    def _token(self) -> str | Callable[[], str]:
        """Return the token of --token, or what gives that of the context, which has an end."""
        from vedette.cli import contexts  # noqa: PLC0415

        found = contexts.chosen(self.context) if self.context and not self.token else None
        if found is None:
            return self.token
        self.note(f"gateway {self.url} (context {self.context})")
        return contexts.Token(*found)


def keep(context: typer.Context, given: Mapping[str, Any]) -> None:
    """Keep the global options that stand before the command's name."""
    context.obj = {name: value for name, value in given.items() if value}


def command(function: Callable[..., int | None]) -> Callable[..., int | None]:
    """Give a command the global options; it gets them as its argument `session`."""
    own = inspect.signature(function, eval_str=True)
    parameters = [
        p.replace(kind=inspect.Parameter.KEYWORD_ONLY) for p in own.parameters.values() if p.name != "session"
    ]
    offered = _offered(own)
    parameters += [_keyword(name, annotation, default) for name, (annotation, default) in offered.items()]
    parameters.append(_keyword("context", typer.Context))

    @wraps(function)
    def run(*, context: typer.Context, **values: Any) -> int | None:  # noqa: ANN401
        here = {name: values.pop(name) for name in offered}
        try:
            return function(_session(context, here), **values)
        except BrokenPipeError:
            return failure.reader_left()  # typer would make it a failure

    vars(run)["__signature__"] = own.replace(parameters=parameters)  # what typer reads
    run.__annotations__ = {p.name: p.annotation for p in parameters}
    return run


def _offered(own: inspect.Signature) -> dict[str, tuple[Any, bool | None]]:
    """Return the global options of a command, but those whose names it uses itself."""
    found = dict(_OPTIONS)
    if "query" in own.parameters:
        found["quiet"] = (Options.QuietLong, False)
    if "org" in own.parameters and _is_option(own.parameters["org"]):
        del found["acting"]
    return found


def _is_option(parameter: inspect.Parameter) -> bool:
    return any(isinstance(each, OptionInfo) for each in getattr(parameter.annotation, "__metadata__", ()))


def _keyword(name: str, annotation: object, default: object = inspect.Parameter.empty) -> inspect.Parameter:
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, annotation=annotation, default=default)


def _session(context: typer.Context, here: dict[str, Any]) -> Session:
    """Merge the options before and after the command's name: the later wins, and both win over the environment."""
    before = context.find_root().obj or {}
    merged = {
        n: value if _is_typed(context.get_parameter_source(n)) else before.get(n, value) for n, value in here.items()
    }
    is_typed = {
        name: any(_is_typed(place.get_parameter_source(name)) for place in (context, context.find_root()))
        for name in ("url", "token", "place")
    }
    _choose(merged, is_typed)
    if not _SLUG.fullmatch(merged.get("acting") or "-"):
        raise failure.Misused(f"{merged['acting'][:64]!r} is not the short name of an organisation.", cure=_ORGS)
    if not merged["url"] and is_typed["token"]:
        raise failure.Misused(
            "--token is for the gateway of --url, and none was given.",
            cure="Add --url, or leave --token out: the local stack's own token is found by itself.",
        )
    fields = tuple(part.strip() for part in (merged.pop("fields") or "").split(",") if part.strip())
    return Session(fields=fields, **{name: value for name, value in merged.items() if value is not None})


def _choose(merged: dict[str, Any], is_typed: Mapping[str, bool]) -> None:
    """Fill in URL and name of the context, where no URL is given: that of the environment wins over the current one."""
    from vedette.cli import contexts  # noqa: PLC0415

    name = merged.pop("place")
    if is_typed["url"] and is_typed["place"]:
        raise failure.Misused("--url and --context exclude each other.", cure="Leave one of them out.")
    if merged["url"] and not is_typed["place"]:
        return
    if found := contexts.chosen(name):
        merged["context"], merged["url"] = found[0], found[1].url
        if not is_typed["token"]:  # VEDETTE_TOKEN is that of VEDETTE_URL or of the local stack
            merged["token"] = None


def _is_typed(source: Enum | None) -> bool:
    return source is not None and source.name == "COMMANDLINE"
