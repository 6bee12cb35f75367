"""Ask before something is done to many: the count is shown, and has to be given back."""

from __future__ import annotations

import sys

from shared.errors import Conflict
from vedette.cli import words
from vedette.cli.failure import Misused, tell


class OtherCount(Conflict):
    """There are more or fewer of them than was expected."""


class NotConfirmed(Conflict):
    """Whoever was asked did not say yes."""


def count(found: int, expect: int | None, what: str, deed: str) -> int:
    """Return `found` when it is what was expected, or what somebody at the terminal typed.

    what: the plural of the things.  deed: as in `discarded`.  Raises OtherCount, NotConfirmed, and Misused where nobody
    can be asked.
    """
    things = words.plural(found, what)
    if expect is not None:
        if expect != found:
            raise OtherCount(
                f"Nothing was {deed}: it would be {things} now, not {expect}.",
                cure=f"Look again, then --expect {found}",
            )
        return found
    if not is_asked():
        raise Misused(
            f"Nothing was {deed}: it would be {things}, and nobody can be asked here.", cure=f"Add --expect {found}"
        )
    tell(f"{things} would be {deed}.")
    answer = ask(f"Type {found} to go on: ")
    if answer != str(found):
        raise NotConfirmed(f"Nothing was {deed}.", cure=f"Type {found}, or give it with --expect {found}")
    return found


def yes(question: str, *, is_given: bool) -> None:
    """Go on when --yes was given, or when somebody at the terminal says so. Raises NotConfirmed and Misused."""
    if is_given:
        return
    if not is_asked():
        raise Misused("Nothing was done: this has to be confirmed, and nobody can be asked here.", cure="Add --yes")
    tell(question)
    if ask("Go on? [y/N] ").lower() not in {"y", "yes"}:
        raise NotConfirmed("Nothing was done.", cure="Answer y, or add --yes")


def is_asked() -> bool:
    """Whether there is somebody who can be asked."""
    return sys.stdin.isatty() and sys.stderr.isatty()


def ask(prompt: str) -> str:
    """Prompt on stderr, and read a line of stdin; its end is an empty answer."""
    sys.stderr.write(prompt)
    sys.stderr.flush()
    return sys.stdin.readline().strip()
