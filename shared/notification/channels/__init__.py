"""One module per notification channel, found by the scheme of the destination's URL.

A channel has `SCHEMES` and two functions; `Channel` below is their exact shape:

- `check(destination, settings)` raises InvalidInput naming what is wrong with destination or settings, and the cure.
- `deliver(destination, notice, *, key, settings)` sends once and returns one line about it, e.g. `204 in 0.12 s`. It
  never retries: its errors say by their class whether trying again helps. `key` is the same for every attempt of one
  delivery, so that receivers can drop a second copy; visible ASCII without spaces or full stops.

What of a destination is shown, logged or put into a message is `shared.redaction.shown` of it.
"""

from __future__ import annotations

from typing import Protocol, cast

from shared import registry
from shared.contracts.alert import AlertNotice
from shared.contracts.notice import Notice
from shared.errors import InvalidInput
from shared.settings import Settings


class Channel(Protocol):
    """What every module of this folder offers."""

    @property
    def SCHEMES(self) -> tuple[str, ...]: ...  # noqa: N802  a constant of the module

    def check(self, destination: str, settings: Settings) -> None: ...

    def deliver(self, destination: str, notice: Notice | AlertNotice, *, key: str, settings: Settings) -> str: ...


class UnknownChannel(InvalidInput):
    """No channel has the scheme of this destination."""


def of(destination: str) -> Channel:
    """Return the channel that serves `destination`, e.g. `https://…` or `mailto:…`. Raises UnknownChannel."""
    if name := name_of(destination):
        return _all()[name]
    known = ", ".join(f"{scheme}:" for channel in _all().values() for scheme in channel.SCHEMES)
    raise UnknownChannel("The destination's scheme belongs to no notification channel.", cure=f"Begin it with {known}.")


def name_of(destination: str) -> str:
    """Return the name of the channel that serves `destination`, e.g. `email`; nothing when none does."""
    scheme = destination.strip().partition(":")[0].lower()
    return next((name for name, channel in _all().items() if scheme in channel.SCHEMES), "")


def schemes() -> tuple[str, ...]:
    """Return every URL scheme that some channel serves."""
    return tuple(sorted(scheme for channel in _all().values() for scheme in channel.SCHEMES))


def _all() -> dict[str, Channel]:
    return {name: cast("Channel", module) for name, module in registry.plugins(__name__).items()}
