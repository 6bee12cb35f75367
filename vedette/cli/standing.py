"""What the doctor sees of a log-in: its gateway, the clock there, and whether it still holds."""

from __future__ import annotations

import time
from collections.abc import Iterator
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING

from shared.errors import VedetteError

if TYPE_CHECKING:
    from vedette.cli.session import Session
    from vedette.stack import Check

SKEW_S = 30.0  # more, and a token is thought to hold that has ended, or the other way round


def checks(session: Session) -> Iterator[Check]:
    """Yield how one stands at the gateway of --url or of the log-in; without either, that there is none."""
    from vedette.stack import Check  # noqa: PLC0415

    if not session.url:
        yield Check("log-in", True, "none; commands go to the local stack")
        return
    try:
        yield _clock(session.url)
        with session.gateway() as link:
            me = link.client.login.me()
        role = f" ({me.role})" if me.role else ""
        yield Check("log-in", True, f"{me.actor} in {me.org_id}{role} at {session.url}")
    except VedetteError as exc:
        yield Check("log-in", False, exc.message, exc.cure)


def _clock(url: str) -> Check:
    """Compare our clock with the gateway's, which tells whole seconds."""
    from vedette.client import Client  # noqa: PLC0415
    from vedette.stack import Check  # noqa: PLC0415

    with Client(url) as client:
        began = time.time()
        said = client.raw.ask("GET", "/livez").headers.get("Date", "")
        halfway = (began + time.time()) / 2
    try:
        ahead_s = halfway - parsedate_to_datetime(said).timestamp() - 0.5
    except ValueError:
        return Check("clock", None, f"{url} does not tell the time")
    return judged(ahead_s)


def judged(ahead_s: float) -> Check:
    """Say whether a clock may go so far ahead of the gateway's, or behind it."""
    from vedette.stack import Check  # noqa: PLC0415

    off = abs(ahead_s) > SKEW_S
    said = f"{abs(ahead_s):.0f} s {'ahead of' if ahead_s > 0 else 'behind'} the gateway's"
    cure = "Log-ins seem to end early or fail: have both machines set their clocks by NTP."
    return Check("clock", not off, said if off else "as the gateway's", cure)
