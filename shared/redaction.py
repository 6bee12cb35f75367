"""What may be shown of a destination: enough to know it again, nothing that lets one use it."""

from __future__ import annotations

from urllib.parse import urlsplit


def shown(url: str) -> str:
    """Return `url` without user, query and all but the first letters of its path; a mail address loses its local part.

    `https://u:p@hooks.example/T0/secret?x=1` is shown as `https://hooks.example/T0…`, `mailto:ann@example.org` as
    `mailto:a…@example.org`.
    """
    try:
        parts = urlsplit(url)
        port = f":{parts.port}" if parts.port else ""
    except ValueError:
        return "…"
    if parts.scheme == "mailto":
        local, _, domain = parts.path.rpartition("@")
        return f"mailto:{local[:1]}…@{domain}"
    path = parts.path if len(parts.path) <= 3 and not parts.query else f"{parts.path[:3]}…"
    return f"{parts.scheme}://{parts.hostname or ''}{port}{path}"
