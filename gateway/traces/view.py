"""A trace as views draw it, put together from its source."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime

from gateway.traces import attributes, groups, ledger, path, recorded, request, sums, tree
from gateway.traces.known import number
from gateway.traces.path import Piece
from gateway.traces.row import SECOND, Row
from gateway.traces.run import Run, attempts
from gateway.traces.source import Source
from gateway.traces.tree import Tree
from shared.contracts.trace import Group, Segment, Span, SpanError, SpanState, Stretch, Trace, TracedJob

_COUNTED = frozenset({Segment.RUN, Segment.WAIT, Segment.BACKOFF})


def trace(source: Source, *, is_grouped: bool = True) -> Trace:
    """Return the trace. Without `is_grouped` each span has a row of its own."""
    grown = tree.grow(rows(source))
    whole = min(row.began for row in grown.rows.values()), max(row.ended for row in grown.rows.values())
    counted = request.cut(list(grown.rows.values()))
    pieces, through = path.critical(grown, counted, *whole)
    drawn, within = groups.grouped(grown) if is_grouped else (grown, {})
    is_live = any(row.state is SpanState.LIVE for row in counted)
    return Trace(
        trace_id=source.trace_id,
        jobs=[_job(run) for run in source.runs],
        began_at=_moment(whole[0]),
        ended_at=None if is_live else _moment(whole[1]),
        as_of=source.at,
        duration_s=_s(whole[1] - whole[0]),
        is_live=is_live,
        is_recorded=bool(source.records),
        is_cut=source.is_cut,
        totals=sums.totals(counted, whole, source.dropped),
        spans=_spans(drawn, frozenset(within.get(each, each) for each in through), whole[0]),
        gaps=sums.gaps(counted, whole),
        critical_path=_stretches(pieces, within, whole[0]),
        related=list(source.related),
    )


def rows(source: Source) -> list[Row]:
    """Return the rows of a trace, each with an id of its own: what was recorded, and what the ledger adds."""
    found = {row.id: row for row in recorded.rows(source.records)}
    spans = list(found.values())
    for run in source.runs:
        known = attempts(run)
        top = _top(run, source, spans)
        found[top.id] = top
        for row in ledger.missing(run, known, spans, source.at):
            found.setdefault(row.id, row)
        for row in spans:
            if row.segment in _COUNTED and row.job_id == run.job.id:
                found[row.id] = replace(row, attempt=number(row, known))
    return list(found.values())


def _top(run: Run, source: Source, spans: Sequence[Row]) -> Row:
    """Return the row of the job: its span where that was recorded, which ends when it begins, with the job's time."""
    row = ledger.job(run, source.tops.get(run.job.id, "") if run.is_last else "", source.at)
    span = next((each for each in spans if each.segment is Segment.JOB and each.job_id == run.job.id), None)
    if span is None:
        return row
    return replace(span, began=min(span.began, row.began), ended=row.ended, state=row.state, error=row.error)


def _job(run: Run) -> TracedJob:
    job = run.job
    return TracedJob(id=job.id, kind=job.kind, target=job.target, state=run.state, run=run.number)


def _spans(drawn: Tree, through: frozenset[str], began: int) -> list[Span]:
    return [
        Span(
            id=row.id,
            parent_id=parent or None,
            depth=depth,
            name=attributes.plain(row.name),
            kind=row.kind,
            segment=row.segment,
            job_id=row.job_id,
            stage=row.stage,
            part=row.part,
            attempt=row.attempt,
            service=row.service,
            process=row.process,
            start_s=_s(row.began - began),
            duration_s=_s(row.ended - row.began),
            state=row.state,
            error=_error(row.error),
            group=_group(row),
            child_count=len(drawn.below.get(row.id, ())),
            is_critical=row.id in through,
            is_parent_missing=row.id in drawn.adrift,
            is_from_ledger=row.is_from_ledger,
            attributes=attributes.shown(row.attributes),
            links=list(row.links),
        )
        for row, parent, depth in drawn.walk()
    ]


def _error(error: SpanError | None) -> SpanError | None:
    return error.model_copy(update={"message": attributes.plain(error.message)}) if error else None


def _group(row: Row) -> Group | None:
    if not row.members:
        return None
    return Group(
        count=len(row.members),
        min_s=_s(min(row.members)),
        median_s=_s(statistics.median(row.members)),
        max_s=_s(max(row.members)),
        total_s=_s(sum(row.members)),
    )


def _stretches(pieces: Sequence[Piece], within: Mapping[str, str], began: int) -> list[Stretch]:
    """Return the path with groups instead of what is in them; neighbours in the same row are one."""
    joined: list[Piece] = []
    for piece in pieces:
        row_id = within.get(piece.row_id, piece.row_id)
        if joined and (joined[-1].row_id, joined[-1].ended) == (row_id, piece.began):
            joined[-1] = replace(joined[-1], ended=piece.ended)
        else:
            joined.append(replace(piece, row_id=row_id))
    return [Stretch(span_id=p.row_id, start_s=_s(p.began - began), duration_s=_s(p.ended - p.began)) for p in joined]


def _s(span_ns: float) -> float:
    return round(span_ns / SECOND, 6)


def _moment(at_ns: int) -> datetime:
    return datetime.fromtimestamp(at_ns / SECOND, UTC)
