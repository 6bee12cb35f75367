"""The request that made a job: its work is over when the job is sent, however long it waits for the job's end."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from gateway.traces.row import Row
from shared.contracts.trace import Segment


def cut(rows: Sequence[Row]) -> list[Row]:
    """Return the rows with requests that end, at the latest, with the last thing that their process did for the job."""
    lasts: dict[str, int] = {}
    for row in rows:
        if row.segment is not Segment.REQUEST:
            end = row.began if row.segment is Segment.JOB else row.ended
            lasts[row.process] = max(end, lasts.get(row.process, 0))
    return [
        replace(row, ended=max(row.began, min(row.ended, lasts.get(row.process, row.ended))))
        if row.segment is Segment.REQUEST
        else row
        for row in rows
    ]
