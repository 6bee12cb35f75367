"""A share of nothing: jobs that went well lose their spans when they are over, those that lost a worker keep all."""

from __future__ import annotations

import os
import signal

import pytest

from control import recorder
from shared import testing
from shared.contracts.trace import Segment, SpanState, Trace
from shared.settings import settings
from tests.integration.conftest import Stack
from tests.integration.test_traces import SERVICES, STAGES, complete, runs, traced


def recorded(trace: Trace) -> list[str]:
    return [span.name for span in trace.spans if not span.is_from_ledger]


def test_a_job_that_went_well_is_told_of_by_its_steps_alone_and_one_that_lost_a_worker_as_a_whole(
    stack: Stack, banner: int, tarpit: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VEDETTE_TRACE_SAMPLE_RATIO", "0")
    monkeypatch.setattr(recorder, "LATE_S", -1.0)
    settings.cache_clear()
    stack.start(*SERVICES)
    well, killed = stack.submit("127.0.0.1", str(banner)), stack.submit("127.0.0.1", str(tarpit))
    stack.ended(well)
    testing.wait_for(lambda: runs(traced(killed), "scan"), "the other's scan runs")
    os.kill(stack.child("scan"), signal.SIGKILL)
    stack.ended(killed)
    before = [complete(well), complete(killed)]
    assert all(recorded(trace) for trace in before)

    recorder.sample()
    monkeypatch.undo()
    settings.cache_clear()
    after = [traced(well), traced(killed)]
    assert recorded(after[0]) == []
    assert [span.stage for span in runs(after[0])] == list(STAGES)
    assert {span.state for span in runs(after[0])} == {SpanState.OK}
    assert recorded(after[1]) == recorded(before[1])
    assert Segment.SEND in {span.segment for span in after[1].spans}
