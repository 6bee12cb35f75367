"""The critical path: what the end of a trace waited for, from its end back to its beginning."""

from __future__ import annotations

import heapq
from collections.abc import Sequence
from dataclasses import dataclass

from gateway.traces.row import Row
from gateway.traces.tree import Tree
from shared.contracts.trace import Segment


@dataclass(frozen=True)
class Piece:
    """A time in which the end of the trace waited for a row, not for one below it."""

    row_id: str
    began: int
    ended: int


def critical(tree: Tree, rows: Sequence[Row], began: int, ended: int) -> tuple[list[Piece], frozenset[str]]:
    """Return the pieces of the path by their beginning, and the ids of all rows that it leads through.

    rows: those of the tree, as they count. At each moment the path is in the row that was at work last; where several
    were, in the one that had begun first. Times in which only a job went on are not of the path: nobody worked.
    """
    known = {row.id: row for row in rows}
    through: set[str] = set()
    pieces: list[Piece] = []
    ahead = [("", began, ended)]
    while ahead:
        row_id, low, high = ahead.pop()
        below = tree.below.get(row_id, ()) if row_id else tree.tops
        chosen = _backwards([known[each] for each in below], low, high)
        ahead += chosen
        if row_id and known[row_id].segment is not Segment.JOB:
            through.add(row_id)
            pieces += _rest(row_id, low, high, chosen)
    return sorted(pieces, key=lambda piece: (piece.began, piece.ended)), frozenset(through)


def _backwards(rows: Sequence[Row], low: int, high: int) -> list[tuple[str, int, int]]:
    """Return the rows that the path leads through between two moments, the last first, each with its time there."""
    coming = sorted(rows, key=lambda row: row.ended)
    active: list[tuple[int, str]] = []  # by their beginning
    chosen: list[tuple[str, int, int]] = []
    at = high
    while at > low:
        while coming and coming[-1].ended >= at:
            row = coming.pop()
            heapq.heappush(active, (row.began, row.id))
        if active and active[0][0] < at:
            begun, row_id = active[0]
            chosen.append((row_id, max(begun, low), at))
            active.clear()  # the others have begun later, and so have no part before it
            at = begun
        elif coming:
            active.clear()
            at = coming[-1].ended
        else:
            break
    return chosen


def _rest(row_id: str, low: int, high: int, chosen: Sequence[tuple[str, int, int]]) -> list[Piece]:
    """Return the times between `low` and `high` that are of none of the chosen ones."""
    found, at = [], high
    for _, began, ended in chosen:
        if ended < at:
            found.append(Piece(row_id, ended, at))
        at = began
    return [*found, Piece(row_id, low, at)] if low < at else found
