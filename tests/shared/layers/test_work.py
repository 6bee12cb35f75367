"""Spans of inner work: failures by class, code and fingerprint, without their text; small ones only if notable."""

from __future__ import annotations

import time

import pytest
from structlog.contextvars import bound_contextvars

from shared import dlq
from shared.errors import Temporary
from shared.layers import work as module
from shared.layers.work import ADDRESS, notable_work, work
from tests.spans import caught, tree


class HostBroken(Temporary):
    """What a peer does."""


def test_a_failure_is_told_as_its_dead_letter_would_be_and_without_its_text() -> None:
    failure = HostBroken("srv.example said hunter2 on port 443.")
    with caught() as spans, bound_contextvars(stage="scan"):  # noqa: SIM117
        with pytest.raises(HostBroken), work("knock", {ADDRESS: "srv.example"}):
            raise failure
    [span] = spans
    said = dict(span.attributes or {})
    letter = dlq.fingerprint("scan", dlq.detail(failure), names=["srv.example"])
    assert (said["error.type"], said["vedette.error.class"], said["vedette.error.code"]) == (
        "HostBroken",
        "temporary",
        "host-broken",
    )
    assert said["vedette.error.fingerprint"] == letter
    assert not span.status.is_ok
    assert "hunter2" not in span.to_json()


@pytest.mark.parametrize(("seconds", "names"), [(0.0, []), (10.0, ["set"])])
def test_a_piece_is_told_of_only_if_it_took_long(
    monkeypatch: pytest.MonkeyPatch, seconds: float, names: list[str]
) -> None:
    monkeypatch.setattr(module, "NOTABLE_S", 0.0 if seconds else 60.0)
    with caught() as spans, notable_work("set", {"n": 1}):
        time.monotonic()
    assert [span.name for span in spans] == names


def test_a_piece_that_fails_is_told_of_however_short_it_was() -> None:
    with caught() as spans, pytest.raises(ZeroDivisionError), work("all"), notable_work("set", {"n": 1}):
        _ = 1 / 0
    assert tree(spans) == {"set": "all", "all": ""}
    assert [(span.attributes or {})["error.type"] for span in spans] == ["ZeroDivisionError"] * 2
