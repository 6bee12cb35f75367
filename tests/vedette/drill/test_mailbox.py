"""The receiver of a drill's notifications."""

from __future__ import annotations

import json
import urllib.error
import urllib.request

import pytest

from vedette.drill.mailbox import MAX_BODY, Mailbox


def _post(url: str, body: bytes) -> int:
    request = urllib.request.Request(url, data=body, method="POST")
    with urllib.request.urlopen(request, timeout=5) as answer:
        return int(answer.status)


def test_it_counts_what_it_is_told_of_each_job() -> None:
    with Mailbox() as box:
        for job in ("a", "a", "b"):
            assert _post(box.url, json.dumps({"type": "job.finished", "data": {"job_id": job}}).encode()) == 204
        assert (box.told("a"), box.told("b"), box.told("c")) == (2, 1, 0)


def test_nonsense_is_answered_and_not_counted() -> None:
    with Mailbox() as box:
        for body in (b"{", b"[]", b'{"data": 1}'):
            assert _post(box.url, body) == 204
        with pytest.raises(urllib.error.HTTPError):
            _post(box.url, b"x" * (MAX_BODY + 1))
