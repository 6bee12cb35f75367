"""Write many ports in few characters: `22,80,1000-1010`."""

from __future__ import annotations

from collections.abc import Iterable


def compact(ports: Iterable[int], limit: int = 500) -> str:
    """Return `ports` as a port expression, sorted; beyond `limit` characters it ends in `…`."""
    text = ",".join(str(first) if first == last else f"{first}-{last}" for first, last in _runs(ports))
    return text if len(text) <= limit else text[: limit - 1].rpartition(",")[0] + ",…"


def _runs(ports: Iterable[int]) -> list[tuple[int, int]]:
    runs: list[tuple[int, int]] = []
    for port in sorted(set(ports)):
        if runs and port == runs[-1][1] + 1:
            runs[-1] = (runs[-1][0], port)
        else:
            runs.append((port, port))
    return runs
