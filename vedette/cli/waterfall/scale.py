"""The axis of time: seconds to columns. Long quiet times are drawn short, so that what happened beside them is seen."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from shared.contracts.trace import Segment, SpanState, Trace
from vedette.cli.waterfall.took import step

SHARE = 0.25  # of what is drawn; a longer quiet time is drawn in `PAUSE` columns
PAUSE = 7.0  # columns
EVERY = 9  # columns between marks, at least
# A request may wait for the end of its job, which is no work.
_QUIET = frozenset({Segment.JOB, Segment.REQUEST, Segment.WAIT, Segment.BACKOFF})


@dataclass(frozen=True)
class Pause:
    """A time in which nobody worked, and which is drawn short."""

    start_s: float
    end_s: float

    @property
    def duration_s(self) -> float:
        return self.end_s - self.start_s


class Scale:
    """Where moments of a trace are: column 0 is its beginning, `columns` its end."""

    def __init__(self, duration_s: float, columns: int, pauses: Sequence[Pause] = ()) -> None:
        self.columns = columns
        self.pauses = pauses
        moving = duration_s - sum(pause.duration_s for pause in pauses)
        short = min(PAUSE, columns / (2 * len(pauses))) if pauses else 0.0
        self.rate = (columns - short * len(pauses)) / moving if moving > 0 else 0.0  # columns a second
        self._times, self._places = [0.0], [0.0]
        for pause in pauses:
            self._knot(pause.start_s, self._places[-1] + (pause.start_s - self._times[-1]) * self.rate)
            self._knot(pause.end_s, self._places[-1] + short)
        self._knot(max(duration_s, self._times[-1]), float(columns))

    def _knot(self, at_s: float, place: float) -> None:
        self._times.append(at_s)
        self._places.append(place)

    def at(self, at_s: float) -> float:
        """Return the column of a moment; what is outside is at the edge."""
        if at_s <= 0:
            return 0.0
        after = bisect_right(self._times, at_s)
        if after >= len(self._times):
            return float(self.columns)
        since, until = self._times[after - 1], self._times[after]
        share = (at_s - since) / (until - since)
        return self._places[after - 1] + share * (self._places[after] - self._places[after - 1])

    def centre(self, pause: Pause) -> int:
        """Return the column in the middle of what is drawn short."""
        return min(int((self.at(pause.start_s) + self.at(pause.end_s)) / 2), self.columns - 1)

    def marks(self) -> tuple[float, list[float]]:
        """Return the step between marks, and the moments that have one."""
        if self.rate <= 0:
            return 0.0, [0.0]
        step_s = step(EVERY / self.rate)
        return step_s, list(dict.fromkeys(self._marks(step_s)))

    def _marks(self, step_s: float) -> Iterator[float]:
        end_s = self._times[-1]
        since = 0.0
        for until in (*(pause.start_s for pause in self.pauses), end_s):
            number = (
                round(since / step_s) if abs(since / step_s - round(since / step_s)) < 1e-6 else since // step_s + 1
            )
            while number * step_s <= until + step_s * 1e-6:
                yield number * step_s
                number += 1
            since = next((pause.end_s for pause in self.pauses if pause.start_s == until), end_s)


def pauses(trace: Trace) -> list[Pause]:
    """Return the quiet times that would take more than their share of the axis, but never what goes on now."""
    found = list(_quiet(trace))
    if trace.is_live and found and found[-1].end_s >= trace.duration_s:
        found.pop()
    drawn, short = trace.duration_s, list[Pause]()
    for pause in sorted(found, key=lambda each: -each.duration_s):
        if pause.duration_s <= SHARE * drawn or pause.duration_s >= drawn:
            break
        short.append(pause)
        drawn -= pause.duration_s
    return sorted(short, key=lambda pause: pause.start_s)


def _quiet(trace: Trace) -> Iterator[Pause]:
    """Yield the times in which no span but jobs, requests, waits and back-offs was open."""
    busy = sorted(
        (min(span.start_s, trace.duration_s), min(span.start_s + max(span.duration_s, 0.0), trace.duration_s))
        for span in trace.spans
        if span.segment not in _QUIET or span.state is SpanState.LOST
    )
    since = 0.0
    for start_s, end_s in (*busy, (trace.duration_s, trace.duration_s)):
        if start_s > since:
            yield Pause(since, start_s)
        since = max(since, end_s)
