"""One module per notification channel, found by the scheme of the destination's URL.

A channel has `SCHEMES` and three functions; `Channel` below is their exact shape:

- `check(destination, settings)` raises InvalidInput naming what is wrong with destination or settings, and the cure.
- `deliver(destination, notice, *, key, settings)` sends once and returns one line about it, e.g. `204 in 0.12 s`. It
  never retries: its errors say by their class whether trying again helps. `key` is the same for every attempt of one
  delivery, so that receivers can drop a second copy; visible ASCII without spaces or full stops.
- `redact(destination)` returns what may be shown, logged and stored. Never raises.
"""

from __future__ import annotations

from typing import Protocol, cast

from shared import registry
from shared.contracts.notice import Notice
from shared.errors import InvalidInput
from shared.settings import Settings


class Channel(Protocol):
    """What every module of this folder offers."""

    @property
    def SCHEMES(self) -> tuple[str, ...]: ...  # noqa: N802  a constant of the module

    def check(self, destination: str, settings: Settings) -> None: ...

    def deliver(self, destination: str, notice: Notice, *, key: str, settings: Settings) -> str: ...

    def redact(self, destination: str) -> str: ...


class UnknownChannel(InvalidInput):
    """No channel has the scheme of this destination."""


def of(destination: str) -> Channel:
    """Return the channel that serves `destination`, e.g. `https://…` or `mailto:…`. Raises UnknownChannel."""
    scheme = destination.strip().partition(":")[0].lower()
    channels = [cast("Channel", module) for module in registry.plugins(__name__).values()]
    for channel in channels:
        if scheme in channel.SCHEMES:
            return channel
    known = ", ".join(f"{scheme}:" for channel in channels for scheme in channel.SCHEMES)
    raise UnknownChannel("The destination's scheme belongs to no notification channel.", cure=f"Begin it with {known}.")


def schemes() -> tuple[str, ...]:
    """Return every URL scheme that some channel serves."""
    found = (cast("Channel", module).SCHEMES for module in registry.plugins(__name__).values())
    return tuple(sorted(scheme for each in found for scheme in each))
