"""Rows as a tree: jobs at the top, each row below its parent, whatever is missing or wrong in what was recorded."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from gateway.traces.row import Row
from shared.contracts.trace import Segment


@dataclass(frozen=True)
class Tree:
    """rows: by id.  tops: ids, by their beginning.  below: the ids below each, by their beginning.

    adrift: those whose own parent was not recorded.
    """

    rows: Mapping[str, Row]
    tops: Sequence[str]
    below: Mapping[str, Sequence[str]]
    adrift: frozenset[str] = frozenset()

    def walk(self) -> Iterator[tuple[Row, str, int]]:
        """Yield each row with the id of its parent and its depth, depth first."""
        ahead = [(each, "", 0) for each in reversed(self.tops)]
        while ahead:
            row_id, parent, depth = ahead.pop()
            yield self.rows[row_id], parent, depth
            ahead += [(each, row_id, depth + 1) for each in reversed(self.below.get(row_id, ()))]


def grow(rows: Sequence[Row]) -> Tree:
    """Return the tree of rows with different ids. A job reaches over all that is below it."""
    growing = _Growing({row.id: row for row in rows})
    parents = {row.id: growing.parent(row) for row in rows}
    _cut_circles(parents, growing)
    return _widened(plant(list(growing.rows.values()), parents, frozenset(growing.adrift)))


def plant(rows: Sequence[Row], parents: Mapping[str, str], adrift: frozenset[str] = frozenset()) -> Tree:
    """Return the tree of rows with these parents, none (empty) or one of them, without circles."""
    below: dict[str, list[str]] = {}
    for row in sorted(rows, key=lambda row: (row.began, -row.ended, row.id)):
        below.setdefault(parents[row.id], []).append(row.id)
    tops = below.pop("", [])
    return Tree({row.id: row for row in rows}, tops, below, adrift)


@dataclass
class _Growing:
    rows: dict[str, Row]
    adrift: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.jobs: dict[str, str] = {}
        for row in sorted(self.rows.values(), key=lambda row: (row.began, row.id)):
            if row.segment is Segment.JOB:
                self.jobs.setdefault(row.job_id, row.id)
        self.stands_in = [row for row in self.rows.values() if row.is_from_ledger and row.segment is Segment.RUN]

    def parent(self, row: Row) -> str:
        """Return the id of the row that this one is to be below; empty for one at the top."""
        if self.jobs.get(row.job_id) == row.id and row.segment is Segment.JOB:
            return ""
        if row.parent in self.rows and row.parent != row.id:
            return row.parent
        if row.segment is not Segment.REQUEST and row.parent and (stage_run := self._run(row)):
            return stage_run
        if row.segment is not Segment.REQUEST and row.parent:
            self.adrift.add(row.id)
        return self.home(row)

    def home(self, row: Row) -> str:
        """Return the id of the job's row; of what is of none, where there are several, none."""
        only = next(iter(self.jobs.values())) if len(self.jobs) == 1 else ""
        home = self.jobs.get(row.job_id, only)
        return home if home != row.id else ""

    def _run(self, row: Row) -> str:
        """Return the run that is not recorded, as it goes on or was lost, in which this span began."""
        fits = (
            each.id
            for each in self.stands_in
            if (each.job_id, each.stage) == (row.job_id, row.stage) and each.began <= row.began <= each.ended
        )
        return next((each for each in fits if each != row.id), "")


def _cut_circles(parents: dict[str, str], growing: _Growing) -> None:
    """Put one row of each circle below its job."""
    safe: set[str] = {""}
    for start in parents:
        path: dict[str, None] = {}
        at = start
        while at not in safe and at not in path:
            path[at] = None
            at = parents[at]
        if at not in safe:
            parents[at] = growing.home(growing.rows[at])
            growing.adrift.add(at)
        safe.update(path)


def _widened(tree: Tree) -> Tree:
    """Return the tree with the rows of jobs at the top reaching over all that is below them."""
    rows, top = dict(tree.rows), ""
    ends: dict[str, tuple[int, int]] = {}
    for row, parent, _ in tree.walk():
        top = row.id if not parent else top
        began, ended = ends.get(top, (row.began, row.ended))
        ends[top] = min(began, row.began), max(ended, row.ended)
    for row_id, (began, ended) in ends.items():
        if rows[row_id].segment is Segment.JOB:
            rows[row_id] = replace(rows[row_id], began=began, ended=ended)
    return replace(tree, rows=rows, tops=sorted(tree.tops, key=lambda each: (rows[each].began, each)))
