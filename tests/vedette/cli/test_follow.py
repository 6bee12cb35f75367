"""Following a job: by events, without them, and across a restart of the gateway."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler

import pytest

from shared.contracts.events import Event, EventType
from shared.contracts.job import JobState, JobView, Progress, StageName
from shared.contracts.kinds.host import Target
from shared.contracts.submission import Options
from tests.vedette.cli.recording import frames
from tests.vedette.lab import TOKEN, Lab, answering, send
from vedette.cli import follow as module
from vedette.cli.follow import ahead, follow, follow_batch, progressed
from vedette.client import Client
from vedette.refusals import Unreachable, WaitTimedOut

RUNNING, MOVING = frames()[1], frames()[3]


@pytest.fixture
def client(lab: Lab) -> Iterator[Client]:
    with Client(lab.url, TOKEN) as client:
        yield client


def _submit(client: Client, do: str = "") -> JobView:
    options = Options(reports=["json"], tags={"do": do} if do else {})
    return client.submit([Target(host="127.0.0.1", ports="1")], options).jobs[0]


def test_a_job_is_followed_to_its_end(client: Client) -> None:
    seen = list(follow(client, _submit(client), timeout_s=30, note=pytest.fail))
    assert seen[0].state in (JobState.QUEUED, JobState.RUNNING)  # a quick worker may have it already
    assert seen[-1].state is JobState.SUCCEEDED
    assert not any(job.state.is_terminal for job in seen[:-1])


def test_a_revived_job_is_followed_beyond_the_end_of_its_last_run(lab: Lab, client: Client) -> None:
    job = _submit(client)
    list(follow(client, job, timeout_s=30, note=pytest.fail))
    client.resume(job.id, StageName.SCAN)
    feed, types = module.Feed(client, job.id), list[str]()
    while types.count("job.finished") < 2:
        found = feed.wait(30)
        assert found, types
        types += [event.type for event in found]
    assert "job.revived" in types


def test_progress_arrives_while_a_stage_runs(lab: Lab, client: Client) -> None:
    done = []
    for job in follow(client, _submit(client, "slow"), timeout_s=30, note=pytest.fail):
        if progress := job.steps[0].progress:
            done.append(progress.done)
        if len(done) > 5:
            lab.release.touch()
    assert done == sorted(done)
    assert len(set(done)) > 3


def test_a_restarted_gateway_is_waited_for_and_said(lab: Lab, client: Client) -> None:
    notes: list[str] = []
    states = []
    for turn, job in enumerate(follow(client, _submit(client, "slow"), timeout_s=60, note=notes.append)):
        states.append(job.state)
        if turn == 3:
            lab.stop()
        if notes and not lab.release.exists():
            lab.start()
            lab.release.touch()
    assert states[-1] is JobState.SUCCEEDED
    assert len(notes) == 2
    assert "trying again" in notes[0]
    assert "answers again" in notes[1]


def test_a_gateway_that_stays_away_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PATIENCE_S", 0.5)
    monkeypatch.setattr(module, "ASK_EVERY_S", 0.1)
    with Client("http://127.0.0.1:1") as nobody, pytest.raises(Unreachable):
        list(follow(nobody, RUNNING, timeout_s=None, note=lambda _: None))


def test_time_runs_out_for_one_and_for_many(client: Client) -> None:
    job = _submit(client, "hold")
    with pytest.raises(WaitTimedOut):
        list(follow(client, job, timeout_s=0.2, note=pytest.fail))
    batch = client.submit([Target(host="127.0.0.1-2", ports="1")], Options(tags={"do": "hold"})).batch_id
    assert batch
    with pytest.raises(WaitTimedOut, match="2 of 2 jobs"):
        list(follow_batch(client, batch, timeout_s=0.2, note=pytest.fail))


def test_without_a_stream_the_job_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "ASK_EVERY_S", 0.02)
    told = itertools.chain(frames(), itertools.repeat(frames()[-1]))

    def handle(handler: BaseHTTPRequestHandler) -> None:
        if handler.path.endswith("/events"):
            send(handler, b"no", 404)
        else:
            send(handler, next(told).model_dump_json().encode())

    with answering(handle) as url, Client(url) as client:
        seen = list(follow(client, frames()[0], timeout_s=10, note=pytest.fail))
    assert [job.state for job in seen][-1] is JobState.SUCCEEDED


def test_progress_alone_needs_no_question_and_anything_else_does() -> None:
    progress = Progress(done=5, total=10)
    told = [_event(EventType.STAGE_PROGRESSED, progress)]
    moved = progressed(RUNNING, told)
    assert moved
    assert moved.steps[0].progress == progress
    assert progressed(RUNNING, []) is None
    assert progressed(RUNNING, [*told, _event(EventType.STAGE_FINISHED, progress)]) is None


def test_a_bar_never_jumps_back_to_what_the_store_was_told_last() -> None:
    seen = progressed(MOVING, [_event(EventType.STAGE_PROGRESSED, Progress(done=60_000, total=65_535, unit="ports"))])
    assert seen
    progress = ahead(seen, MOVING).steps[0].progress
    assert progress
    assert progress.done == 60_000
    kept = ahead(MOVING, seen).steps[0].progress
    assert kept
    assert kept.done == 60_000


def _event(kind: EventType, progress: Progress) -> Event:
    return Event(
        **{"type": kind, "at": RUNNING.created_at, "org_id": "local", "job_id": RUNNING.id, "stage": "scan"},  # noqa: PIE804
        data=progress.model_dump(mode="json"),
    )
