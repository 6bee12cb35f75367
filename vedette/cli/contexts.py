"""The gateways that somebody has logged in to, in a file of the user's configuration (mode 0600). One is current.

A log-in's access token holds for minutes; the refresh token for the next holds once. So only one process at a time
gets a new pair, under a lock beside the file: two that showed the same refresh token would be taken for a thief.
"""

from __future__ import annotations

import fcntl
import json
import os
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from shared.errors import NotFound, Security
from vedette.cli.failure import Misused

if TYPE_CHECKING:
    from shared.contracts.access import Tokens

FILE = "contexts.json"
EARLY_S = 30.0  # before its end, a token is renewed: the request takes a while, and clocks differ


class LoggedOut(Security):
    """There is no log-in any more that could be used."""


class NoSuchContext(NotFound):
    """There is no log-in of this name."""


@dataclass(frozen=True)
class Context:
    """One gateway, and how one is known there. refresh: empty for a token that does not change."""

    url: str
    email: str = ""
    org: str = ""
    token: str = field(default="", repr=False)
    refresh: str = field(default="", repr=False)
    until: float = 0.0  # of the token; seconds since 1970, 0 without an end

    def with_tokens(self, found: Tokens) -> Context:
        """Return it with a new pair."""
        until = time.time() + found.expires_in_s
        return replace(self, org=found.org_id, token=found.access_token, refresh=found.refresh_token, until=until)


@dataclass(frozen=True)
class Known:
    """All contexts by name, and the name of the current one."""

    current: str = ""
    contexts: Mapping[str, Context] = field(default_factory=dict)


def read() -> Known:
    """Return what is known. Raises Misused when the file cannot be read."""
    try:
        found = json.loads(_file().read_text(encoding="utf-8"))
        contexts = {str(name): Context(**given) for name, given in found["contexts"].items()}
        return Known(str(found["current"]), contexts)
    except FileNotFoundError:
        return Known()
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        raise Misused(f"{_file()} cannot be read.", cure="Remove it, and log in again: vedette login URL") from None


def chosen(name: str | None) -> tuple[str, Context] | None:
    """Return the context of that name, or the current one, or None when there is none. Raises NoSuchContext."""
    known = read()
    name = name or known.current
    if not name:
        return None
    if name not in known.contexts:
        raise NoSuchContext(f"There is no context {name!r}.", cure="List them: vedette context list")
    return name, known.contexts[name]


def keep(name: str, context: Context, *, use: bool = False) -> None:
    """Write a context down, and make it the current one."""
    with _locked():
        known = read()
        _write(Known(name if use else known.current, {**known.contexts, name: context}))


def use(name: str) -> None:
    """Make a context the current one; with an empty name, none. Raises Misused."""
    if name:
        chosen(name)
    with _locked():
        _write(Known(name, read().contexts))


def remove(name: str) -> None:
    """Forget a context. Raises Misused."""
    chosen(name)
    with _locked():
        known = read()
        rest = {other: context for other, context in known.contexts.items() if other != name}
        _write(Known("" if known.current == name else known.current, rest))


class Token:
    """The token of a context, renewed when it ends. Called for each request."""

    def __init__(self, name: str, context: Context) -> None:
        self._name = name
        self._context = context

    def __call__(self) -> str:
        """Return the token. Raises LoggedOut, and what the client does."""
        if not _holds(self._context):
            self._renew()
        return self._context.token

    def _renew(self) -> None:
        with _locked():
            known = read()
            found = known.contexts.get(self._name)
            if found is None or not found.token:
                raise LoggedOut(f"You are logged out of {self._context.url}.", cure=_again(self._context))
            if not _holds(found):  # nobody else has renewed it meanwhile
                found = found.with_tokens(_renewed(found))
                _write(Known(known.current, {**known.contexts, self._name: found}))
        self._context = found


def _holds(context: Context) -> bool:
    return bool(context.token) and (not context.until or context.until > time.time() + EARLY_S)


def _renewed(context: Context) -> Tokens:
    from vedette.client import Client  # noqa: PLC0415
    from vedette.refusals import UNAUTHORIZED, NotAllowed  # noqa: PLC0415

    try:
        with Client(context.url) as client:
            return client.login.refresh(context.refresh)
    except NotAllowed as exc:
        if exc.problem and exc.problem.status != UNAUTHORIZED:
            raise  # the organisation is suspended: what was shown holds again when it no longer is
        raise LoggedOut(f"The log-in at {context.url} has ended.", cure=_again(context)) from exc


def _again(context: Context) -> str:
    return f"vedette login {context.url}" + (f" --email {context.email}" if context.email else "")


def _file() -> Path:
    from platformdirs import user_config_path  # noqa: PLC0415

    return user_config_path("vedette") / FILE


def _write(known: Known) -> None:
    from vedette.stack.home import write_private  # noqa: PLC0415

    said: dict[str, Any] = {"current": known.current}
    said["contexts"] = {name: asdict(context) for name, context in known.contexts.items()}
    write_private(_file(), json.dumps(said, indent=1))


@contextmanager
def _locked() -> Iterator[None]:
    file = _file()
    file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    descriptor = os.open(file.with_suffix(".lock"), os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)
