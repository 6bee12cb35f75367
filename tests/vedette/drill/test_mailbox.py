"""The receiver of a drill's notifications."""

from __future__ import annotations

import http.client
import json
from urllib.parse import urlsplit

from vedette.drill.mailbox import AGAIN_AFTER_S, MAX_BODY, Mailbox


def _notice(job_id: str) -> bytes:
    return json.dumps({"type": "job.finished", "data": {"job_id": job_id}}).encode()


def _post(url: str, body: bytes) -> tuple[int, str | None]:
    """What is answered: the status, and Retry-After."""
    to = urlsplit(url)
    link = http.client.HTTPConnection(str(to.hostname), to.port, timeout=5)
    try:
        link.request("POST", to.path, body)
        answer = link.getresponse()
        return answer.status, answer.getheader("Retry-After")
    finally:
        link.close()


def test_it_counts_what_it_is_told_of_each_job() -> None:
    with Mailbox() as box:
        assert [_post(box.url, _notice(job)) for job in ("a", "a", "b")] == [(204, None)] * 3
        assert (box.told("a"), box.told("b"), box.told("c")) == (2, 1, 0)


def test_nonsense_is_answered_and_not_counted() -> None:
    with Mailbox() as box:
        assert [_post(box.url, body)[0] for body in (b"{", b"[]", b'{"data": 1}')] == [204] * 3
        assert _post(box.url, b"x" * (MAX_BODY + 1))[0] == 413


def test_it_answers_as_it_is_told_to_and_counts_all_the_same() -> None:
    with Mailbox() as box:
        box.answers = [503, 400]
        said = [_post(box.url, _notice("a")) for _ in range(3)]
        assert said == [(503, str(AGAIN_AFTER_S)), (400, None), (204, None)]
        assert box.told("a") == 3
