"""Equal siblings as one row: fifty probes of ports say less than that there were fifty, and how long they took."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from gateway.traces.row import Row
from gateway.traces.tree import Tree, plant
from shared.contracts.trace import Segment

FROM = 4  # fewer siblings stay rows of their own

_SINGLE = frozenset({Segment.JOB, Segment.REQUEST, Segment.WAIT, Segment.BACKOFF, Segment.RUN})


def grouped(tree: Tree) -> tuple[Tree, Mapping[str, str]]:
    """Return the tree with rows for groups, and for each row that is in one the id of the group's.

    What is below the rows of a group is below the group, and grouped there from two on.
    """
    rows, parents, within = list[Row](), dict[str, str](), dict[str, str]()
    ahead: list[tuple[str, Sequence[str], int]] = [("", tree.tops, FROM)]
    while ahead:
        parent, ids, least = ahead.pop()
        for members in _alike([tree.rows[each] for each in ids], least):
            row = _one(members)
            rows.append(row)
            parents[row.id] = parent
            if len(members) > 1:
                within |= {each.id: row.id for each in members}
            below = [each for member in members for each in tree.below.get(member.id, ())]
            ahead.append((row.id, below, 2 if len(members) > 1 else FROM))
    return plant(rows, parents, tree.adrift), within


def _alike(rows: Sequence[Row], least: int) -> list[list[Row]]:
    found: dict[Hashable, list[Row]] = {}
    for row in rows:
        found.setdefault(row.id if row.segment in _SINGLE else _kind(row), []).append(row)
    made: list[list[Row]] = []
    for members in found.values():
        made += [members] if len(members) >= least else [[each] for each in members]
    return made


def _kind(row: Row) -> Hashable:
    error = (row.error.type, row.error.code, row.error.fingerprint) if row.error else ()
    return row.name, row.segment, row.kind, row.job_id, row.stage, row.part, row.state, error


def _one(members: Sequence[Row]) -> Row:
    first = members[0]
    if len(members) == 1:
        return first
    return replace(
        first,
        began=min(row.began for row in members),
        ended=max(row.ended for row in members),
        process=first.process if len({row.process for row in members}) == 1 else "",
        attributes=_common(members),
        links=(),
        members=[row.ended - row.began for row in members],
    )


def _common(members: Sequence[Row]) -> dict[str, Any]:
    common = dict(members[0].attributes)
    for row in members[1:]:
        common = {name: value for name, value in common.items() if row.attributes.get(name) == value}
    return common
