"""The WebSockets of the earlier systems."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress

import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus

from gateway import earlier
from tests.gateway.driving import Served, finish
from tests.gateway.talking import Talker, dial


def test_a_job_is_told_of_until_it_is_completed(served: Served, make_job: Callable[..., str]) -> None:
    job_id = make_job()
    talker = Talker(dial(served, f"/ws/jobs/{job_id}"))
    talker.wait("progress_update")
    finish(job_id)
    done = talker.wait("job_completed")
    assert (done["job_id"], done["state"], done["result"]["id"]) == (job_id, "succeeded", job_id)
    assert {message["job_id"] for message in talker.messages} == {job_id}
    assert talker.ended()
    assert talker.code == earlier.OVER


def test_a_job_that_is_cancelled_is_told_of_as_failed(served: Served, make_job: Callable[..., str]) -> None:
    job_id = make_job()
    assert served.http.post(f"/api/v1/jobs/{job_id}:cancel").is_success
    talker = Talker(dial(served, f"/ws/jobs/{job_id[-12:]}"))
    failed = talker.wait("job_failed")
    assert (failed["state"], failed["job_id"]) == ("cancelled", job_id)
    assert talker.ended()


@pytest.mark.parametrize("path", ["/ws/system", "/ws/jobs/{id}"])
def test_a_ping_is_answered_in_plain_text(served: Served, make_job: Callable[..., str], path: str) -> None:
    socket = dial(served, path.format(id=make_job()))
    socket.send("ping")
    with suppress(ConnectionClosed):
        while socket.recv(timeout=10) != "pong":
            continue
    socket.close()


def test_the_system_is_told_again_and_again(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(earlier, "STATUS_EVERY_S", 0.1)
    talker = Talker(dial(served, "/ws/system"))
    status = talker.wait("system_status", lambda _: len(talker.messages) > 2)
    assert status["data"]["broker_answers"] is True
    assert set(status["data"]["queue_depths"]) >= {"scan", "scan.heavy", "notify"}
    talker.close()


def test_a_job_of_another_organisation_is_404(served: Served, make_job: Callable[..., str]) -> None:
    for job_id in (make_job(org_id="other"), "01928e1c-0000-7000-8000-000000000000"):
        with pytest.raises(InvalidStatus) as refused:
            dial(served, f"/ws/jobs/{job_id}")
        assert refused.value.response.status_code == 404
        assert b"job-not-found" in refused.value.response.body
