"""What may be shown of a destination: enough to know it again, nothing that lets one use it."""

from __future__ import annotations

from typing import Any
from urllib.parse import SplitResult, urlsplit

DESTINATIONS = "notify"  # the only option whose values let one do something


def veiled(value: Any) -> Any:  # noqa: ANN401  plain data
    """Return plain data with the destinations in it, at any depth, as they may be shown."""
    if isinstance(value, dict):
        return {key: _veiled(inner) if key == DESTINATIONS else veiled(inner) for key, inner in value.items()}
    return [veiled(each) for each in value] if isinstance(value, list) else value


def shown(url: str) -> str:
    """Return `url` without user, query and all but the first letters of its path; a mail address loses its local part.

    `https://u:p@hooks.example/T0/secret?x=1` is shown as `https://hooks.example/T0…`, `mailto:ann@example.org` as
    `mailto:a…@example.org`. What has neither host nor mailbox shows its scheme alone.
    """
    try:
        parts = urlsplit(url)
        port = f":{parts.port}" if parts.port else ""
    except ValueError:
        return "…"
    return "".join(letter if letter.isprintable() else "�" for letter in _shown(parts, port))


def _veiled(destinations: Any) -> Any:  # noqa: ANN401  whatever somebody gave for them
    urls = destinations if isinstance(destinations, list) else [destinations]
    return [shown(url) if isinstance(url, str) else "…" for url in urls]


def _shown(parts: SplitResult, port: str) -> str:
    local, at, domain = parts.path.rpartition("@")
    if parts.scheme == "mailto" and at:
        return f"mailto:{local[:1]}…@{domain}"
    if not parts.hostname:
        return f"{parts.scheme}:…" if parts.scheme else "…"
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    path = parts.path if len(parts.path) <= 3 and not parts.query else f"{parts.path[:3]}…"
    return f"{parts.scheme}://{host}{port}{path}"
