"""Examples at the end of a command's help."""

from __future__ import annotations


def examples(*commands: str) -> str:
    """Return an epilog that shows `commands`, one a line; `\\b` keeps the lines as they are."""
    return "\n".join(["\b", "Examples:", *(f"  {command}" for command in commands)])
