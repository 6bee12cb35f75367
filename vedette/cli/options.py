"""What people write behind options, read and checked before anything is started. All raise `failure.Misused`."""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from shared.contracts import addresses, ports
from shared.errors import InvalidInput
from vedette.cli.failure import Misused

if TYPE_CHECKING:
    from shared.contracts.kinds.host import Target
    from shared.contracts.submission import Options

MAX_FILE = 1024 * 1024  # bytes of a list of targets
MAX_LINES = 1000  # shared.contracts.submission.MAX_TARGETS, which costs an import of pydantic
MAX_DEADLINE_S = 7 * 86400
_DURATION = re.compile(r"(?:([0-9]{1,6})h)?(?:([0-9]{1,6})m)?(?:([0-9]{1,9}(?:\.[0-9]{1,6})?)s?)?")
_DAYS = re.compile(r"([1-9][0-9]{0,2})d")
_RATE = re.compile(r"([0-9]{1,6}(?:\.[0-9]{1,6})?)(?:/(s|m|h))?")
_PER_S = {"s": 1, "m": 60, "h": 3600}
MAX_RATE = 10_000.0  # a second; shared.contracts.dead_letter.BulkReplay
_SHARE = re.compile(r"([0-9]{1,3}(?:\.[0-9]{1,6})?) ?(%)?")
_KEY = re.compile(r"[!-~]{1,255}")
_WORD = re.compile(r"[a-z0-9][a-z0-9_.-]{0,31}")
_LINE = re.compile(r"[^\x00-\x1f\x7f]{1,200}")
_MAIL = re.compile(r"[^@\s/:]+@[^@\s/]+")
_URL = re.compile(r"(https?://[^\s/?#]+|mailto:[^@\s]+@[^@\s]+)[^\x00-\x20\x7f]*")


def duration(text: str) -> float:
    """Return the seconds of `90`, `90s`, `10m` or `1h30m`."""
    found = _DURATION.fullmatch(text.strip().lower())
    hours, minutes, seconds = found.groups() if found else (None, None, None)
    total = int(hours or 0) * 3600 + int(minutes or 0) * 60 + float(seconds or 0)
    if not total or total > 31 * 86400:
        raise Misused(f"{text[:40]!r} is not a time to wait.", cure="Write it like 90s, 10m or 1h30m.")
    return total


def key(text: str) -> str:
    """Return an idempotency key: visible ASCII without spaces, or nothing."""
    if text and not _KEY.fullmatch(text):
        raise Misused(f"{text[:40]!r} is not an idempotency key.", cure="Use up to 255 letters, digits and signs.")
    return text


def until(text: str) -> datetime:
    """Return when `12h` or `7d` from now is, or the time of ISO 8601."""
    days = _DAYS.fullmatch(text.strip().lower())
    if days:
        return datetime.now(UTC) + timedelta(days=int(days[1]))
    if _DURATION.fullmatch(text.strip().lower()):
        return datetime.now(UTC) + timedelta(seconds=duration(text))
    return moment(text)


def rate(text: str) -> float:
    """Return how many a second `2/s`, `30/m`, `100/h` or `2` is."""
    found = _RATE.fullmatch(text.strip().lower())
    count = float(found[1]) / _PER_S[found[2] or "s"] if found else 0.0
    if not 0.0 < count <= MAX_RATE:
        raise Misused(f"{text[:40]!r} is not a rate.", cure="Write it like 2/s or 30/m.")
    return count


def share(text: str) -> float:
    """Return the share that `20%` or `0.2` is, 0..1; nothing is 1."""
    found = _SHARE.fullmatch(text.strip())
    value = float(found[1]) / (100 if found[2] else 1) if found else 1.0
    if (text.strip() and not found) or value > 1.0:
        raise Misused(f"{text[:40]!r} is not a share.", cure="Write it like 20% or 0.2.")
    return value


def words(texts: Sequence[str], what: str) -> list[str]:
    """Return the names in `a,b` and repeated options, each once. `none` alone is an empty list."""
    found = list(dict.fromkeys(word.strip().lower() for text in texts for word in text.split(",") if word.strip()))
    if found == ["none"]:
        return []
    for word in found:
        if not _WORD.fullmatch(word):
            raise Misused(
                f"{word[:40]!r} is not a {what}.", cure=f"Write names separated by commas, e.g. {_LIKE[what]}."
            )
    return found


def tags(texts: Sequence[str]) -> dict[str, str]:
    """Return the tags in `key=value` options."""
    found: dict[str, str] = {}
    for text in texts:
        key, equals, value = text.partition("=")
        if not (equals and _WORD.fullmatch(key) and _LINE.fullmatch(value)):
            raise Misused(
                f"{text[:80]!r} is not a tag.",
                cure="Write key=value: the key of at most 32 small letters, digits, _ . -; the value of at most 200.",
            )
        found[key] = value
    if len(found) > 20:
        raise Misused(f"{len(found)} tags are more than 20.", cure="Leave some out.")
    return found


def destinations(texts: Sequence[str]) -> list[str]:
    """Return notification destinations as URLs; a bare mail address is `mailto:`."""
    found = []
    for text in texts:
        url = f"mailto:{text}" if _MAIL.fullmatch(text) else text
        if not _URL.fullmatch(url) or not url.isprintable() or len(url) > 2000:
            raise Misused(
                "A --notify is neither a URL nor a mail address.",
                cure="Write https://hooks.example.org/… or ann@example.org",
            )
        found.append(url)
    return found


def port_groups(text: str | None) -> list[str]:
    """Return the port groups in `critical,high`."""
    found = words([text], "port group") if text else []
    known = [group.value for group in ports.GROUPS]
    for name in found:
        if name not in known:
            raise Misused(f"There is no port group {name!r}.", cure=f"There is: {', '.join(known)}.")
    return found


def hosts(
    given: Sequence[str], file: str | None, port_expression: str | None, groups: str | None, *, most: int = MAX_LINES
) -> list[Target]:
    """Return the targets of the command line and of a file, checked, in order, each once."""
    if port_expression and groups:
        raise Misused("--ports and --port-groups exclude each other.", cure="Leave one of them out.")
    if port_expression is not None:
        ports.parse(port_expression)
    names = list(dict.fromkeys(text.strip() for text in [*given, *(lines(file) if file else [])] if text.strip()))
    if not names:
        raise Misused("No target was given.", cure="vedette scan host 127.0.0.1, or --file targets.txt")
    if len(names) > most:
        raise Misused(f"{len(names)} targets are more than {most}.", cure="Write networks, or scan in parts.")
    chosen = port_groups(groups)
    for name in names:
        _check(name, len(names))
    from shared.contracts.kinds.host import Target  # noqa: PLC0415

    return [Target.model_validate({"host": n, "ports": port_expression or "", "port_groups": chosen}) for n in names]


def _check(name: str, of: int) -> None:
    try:
        addresses.expand(name)
    except InvalidInput as exc:
        tail = " Nothing was submitted." if of > 1 else ""
        raise Misused(f"{exc.message}{tail}", cure=exc.cure) from None


def lines(file: str) -> list[str]:
    """Return the lines of a file, or of stdin for `-`, without comments (`#`)."""
    try:
        with sys.stdin.buffer if file == "-" else Path(file).open("rb") as stream:
            text = stream.read(MAX_FILE + 1)
    except OSError as exc:
        raise Misused(f"{file} cannot be read: {exc.strerror}.", cure="Give a text file, one target a line.") from exc
    if len(text) > MAX_FILE:
        raise Misused(f"{file} has more than {MAX_FILE} bytes.", cure="Give a text file, one target a line.")
    found = [line.partition("#")[0].strip() for line in text.decode("utf-8-sig", "replace").splitlines()]
    return [line for line in found if line]


def times(at: str | None, delay: str | None, deadline: str | None) -> dict[str, Any]:
    """Return when the jobs may begin and how long after that they may take, as fields of the options."""
    if at and delay:
        raise Misused("--at and --delay exclude each other.", cure="Leave one of them out.")
    begin = moment(at) if at else None
    if delay:
        begin = datetime.now(UTC) + timedelta(seconds=duration(delay))
    deadline_s = int(duration(deadline)) if deadline else None
    if deadline_s is not None and not 10 <= deadline_s <= MAX_DEADLINE_S:
        raise Misused("A --deadline is between 10 seconds and 7 days.", cure="Write it like 30m or 2h.")
    return {"not_before": begin, "deadline_s": deadline_s}


def moment(text: str) -> datetime:
    """Return the time of ISO 8601; without an offset it is that of this machine's clock."""
    try:
        return datetime.fromisoformat(text.strip()).astimezone()
    except (ValueError, OverflowError, OSError):
        raise Misused(
            f"{text[:40]!r} is no time.", cure="Write it like 2026-12-31T02:00, or 2026-12-31T02:00Z for UTC."
        ) from None


def submission(
    profile: str,
    priority: str,
    reports: Sequence[str],
    notify: Sequence[str],
    tag: Sequence[str],
    *,
    when: Mapping[str, Any] | None = None,
) -> Options:
    """Return the options of a submission. when: what `times` says."""
    asked = {
        "profile": profile,
        "priority": priority,
        "reports": words(reports, "report format"),
        "notify": destinations(notify),
        "tags": tags(tag),
        **(when or {}),
    }
    from pydantic import ValidationError  # noqa: PLC0415

    from shared.contracts.submission import Options  # noqa: PLC0415

    try:
        return Options.model_validate(asked)
    except ValidationError as exc:
        first = exc.errors(include_url=False, include_input=False, include_context=False)[0]
        field = "/".join(str(part) for part in first["loc"])
        raise Misused(f"--{field}: {first['msg']}.", cure="vedette scan host --help") from None


_LIKE = {"report format": "pdf,html,json", "port group": "critical,high"}
