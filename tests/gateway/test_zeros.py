from __future__ import annotations

from typing import Any

import pytest

from gateway.zeros import zeros
from shared.contracts.events import Event, EventType
from shared.ids import now
from shared.store import tallies

TOLD = [
    (EventType.JOB_QUEUED, "", "", {}),
    (EventType.STAGE_STARTED, "scan", "", {}),
    (EventType.STAGE_FINISHED, "process", "", {}),
    (EventType.STAGE_RETRYING, "report", "", {"failure_class": "resource"}),
    (EventType.STAGE_FAILED, "scan", "", {}),
    (EventType.STAGE_FAILED, "notify", "https-ab12cd34", {}),
    (EventType.STAGE_FINISHED, "notify", "mailto-ab12cd34", {}),
    (EventType.JOB_FINISHED, "", "", {"kind": "host", "state": "dead"}),
]


@pytest.mark.parametrize(("what", "stage", "part", "data"), TOLD, ids=lambda each: str(each)[:20])
def test_what_an_event_counts_was_there_before(what: EventType, stage: str, part: str, data: dict[str, Any]) -> None:
    event = Event(type=what, at=now(), org_id="o", job_id="j", stage=stage, part=part, data=data)
    counted = tallies.count([event], {})
    assert counted
    for name, labels in counted:
        assert labels in zeros()[name]


def test_there_are_not_many() -> None:
    assert sum(len(series) for series in zeros().values()) < 200
