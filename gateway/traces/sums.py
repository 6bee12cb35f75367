"""What a trace adds up to: how long somebody worked or something waited, and when there was neither."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import pairwise

from gateway.traces.row import SECOND, Row
from shared.contracts.trace import Gap, Segment, SpanState, Totals

GAP_FROM = 1_000_000  # ns; what is shorter is the time between two lines of code

Time = tuple[int, int]


def totals(rows: Sequence[Row], whole: Time, dropped: int) -> Totals:
    """Return where the time of `whole` went. rows: all of the trace, ungrouped."""
    sums, times, before = list[float](), list[Time](), 0
    for kind in (_worked, _lost, _waited, _backed_off):
        times = union([*times, *(time for row in rows if (time := kind(row)))])
        covered = _length(times, whole)
        sums.append((covered - before) / SECOND)
        before = covered
    return Totals(
        ran_s=round(sums[0], 6),
        lost_s=round(sums[1], 6),
        waited_s=round(sums[2], 6),
        backed_off_s=round(sums[3], 6),
        idle_s=round((whole[1] - whole[0] - before) / SECOND, 6),
        spans=len(rows),
        errors=sum(row.state in {SpanState.ERROR, SpanState.LOST} for row in rows),
        processes=len({row.process for row in rows if row.process}),
        dropped=dropped,
    )


def gaps(rows: Sequence[Row], whole: Time) -> list[Gap]:
    """Return the times of `whole` in which nobody worked and nothing waited."""
    busy = union(time for row in rows for kind in _KINDS if (time := kind(row)))
    edges = [(whole[0], whole[0]), *busy, (whole[1], whole[1])]
    return [
        Gap(start_s=round((end - whole[0]) / SECOND, 6), duration_s=round((begin - end) / SECOND, 6))
        for (_, end), (begin, _) in pairwise(edges)
        if begin - end >= GAP_FROM
    ]


def union(times: Iterable[Time]) -> list[Time]:
    """Return the same times without overlaps, in order."""
    merged: list[Time] = []
    for began, ended in sorted(times):
        if merged and began <= merged[-1][1]:
            merged[-1] = merged[-1][0], max(merged[-1][1], ended)
        else:
            merged.append((began, ended))
    return merged


def _length(times: Iterable[Time], whole: Time) -> int:
    return sum(max(0, min(ended, whole[1]) - max(began, whole[0])) for began, ended in times)


def _worked(row: Row) -> Time | None:
    is_work = row.segment in {Segment.RUN, Segment.WORK, Segment.SEND, Segment.REQUEST}
    return (row.began, row.ended) if is_work and row.state is not SpanState.LOST else None


def _lost(row: Row) -> Time | None:
    return (row.began, row.ended) if row.state is SpanState.LOST else None


def _waited(row: Row) -> Time | None:
    return (row.began, row.ended) if row.segment is Segment.WAIT else None


def _backed_off(row: Row) -> Time | None:
    return (row.began, row.ended) if row.segment is Segment.BACKOFF else None


_KINDS = (_worked, _lost, _waited, _backed_off)
