"""A request that waits for its job does no work meanwhile."""

from __future__ import annotations

from gateway.traces.request import cut
from shared.contracts.trace import Segment
from tests.gateway.traces.making import MS, ZERO, row


def test_a_request_ends_when_its_process_has_sent_the_job() -> None:
    post = row("post", 0, 9000, segment=Segment.REQUEST, process="gateway:1")
    send = row("send scan", 20, 30, segment=Segment.SEND, process="gateway:1")
    run = row("run scan", 40, 8000, segment=Segment.RUN, process="scan:1")
    assert [(each.ended - ZERO) // MS for each in cut([post, send, run])] == [30, 30, 8000]


def test_a_request_that_did_nothing_else_is_left_alone() -> None:
    post = row("post", 0, 90, segment=Segment.REQUEST, process="gateway:1")
    assert cut([post]) == [post]
