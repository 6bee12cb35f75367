from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from gateway import stream
from shared import bus
from shared.contracts.events import Event
from shared.contracts.job import Progress, StageName
from shared.layers.ledger import Step
from shared.settings import settings
from shared.store import engine, timeline
from shared.store.engine import reading
from shared.testing import RedisServer, wait_for
from tests.gateway.driving import Served, both_databases, finish, run_stage

STAGES_AFTER_SCAN = tuple(StageName)[1:]


class Follower:
    """Reads the events of one job in a thread, as a browser would."""

    def __init__(self, served: Served, job_id: str, last_event_id: str = "") -> None:
        self.ids: list[str] = []
        self.types: list[str] = []
        self.events: list[Event] = []
        self.comments: list[str] = []
        self.status = 0
        self._thread = threading.Thread(target=self._run, args=(served, job_id, last_event_id))
        self._thread.start()

    def ended(self, timeout_s: float = 20) -> bool:
        self._thread.join(timeout_s)
        return not self._thread.is_alive()

    @property
    def progress(self) -> list[Event]:
        return [event for event in self.events if event.id == 0]

    def _run(self, served: Served, job_id: str, last_event_id: str) -> None:
        headers = {b"Last-Event-ID": last_event_id.encode("latin-1")} if last_event_id else None
        with served.http.stream("GET", f"/api/v1/jobs/{job_id}/events", headers=headers) as answer:
            self.status = answer.status_code
            for line in answer.iter_lines():
                self._take(line)

    def _take(self, line: str) -> None:
        name, _, value = line.partition(": ")
        if name == "id":
            self.ids.append(value)
        elif name == "event":
            self.types.append(value)
        elif name == "data":
            self.events.append(Event.model_validate_json(value))
        elif line.startswith(":"):
            self.comments.append(line)


def kept(job_id: str) -> list[str]:
    """Return the ids that the timeline has."""
    with reading() as connection:
        return [str(event.id) for event in timeline.of_job(connection, job_id)]


def work_seen_by(follower: Follower) -> Callable[[Step], None]:
    """Return a stage of three steps, each told until the follower has seen it: what comes too fast is left out."""

    def told_and_seen(step: Step, done: int) -> bool:
        step.progress(Progress(done=done, total=3))
        return done in [event.data["done"] for event in follower.progress]

    def work(step: Step) -> None:
        for done in range(3):
            wait_for(lambda done=done: told_and_seen(step, done), f"progress {done}")  # type: ignore[misc]

    return work


def test_a_job_is_followed_from_its_first_to_its_last_event(served: Served, make_job: Callable[..., str]) -> None:
    job_id = make_job()
    follower = Follower(served, job_id)
    wait_for(lambda: follower.types, "the event that was there before")
    run_stage(job_id, StageName.SCAN, work_seen_by(follower))
    for stage in STAGES_AFTER_SCAN:
        run_stage(job_id, stage)
    assert follower.ended()
    assert follower.ids == kept(job_id)
    assert (follower.types[0], follower.types[-1]) == ("job.created", "job.finished")
    seen = [event.data["done"] for event in follower.progress]
    assert seen == sorted(seen)
    assert set(seen) == {0, 1, 2}
    assert len(follower.events) == len(follower.ids) + len(seen), "progress has no id"


@both_databases
def test_many_followers_get_everything_once_while_the_job_runs(served: Served, make_job: Callable[..., str]) -> None:
    job_id = make_job()
    followers = []
    for stage in StageName:
        followers += [Follower(served, job_id) for _ in range(5)]
        run_stage(job_id, stage)
    assert all(follower.ended() for follower in followers)
    assert [follower.ids for follower in followers] == [kept(job_id)] * 20


def test_a_follower_that_comes_back_goes_on_where_it_was(served: Served, make_job: Callable[..., str]) -> None:
    job_id = make_job()
    finish(job_id)
    ids = kept(job_id)
    follower = Follower(served, job_id, ids[3])
    assert follower.ended()
    assert follower.ids == ids[4:]


def test_nothing_is_left_to_come_back_for(served: Served, make_job: Callable[..., str]) -> None:
    job_id = make_job()
    finish(job_id)
    follower = Follower(served, job_id, kept(job_id)[-1])
    assert follower.ended()
    assert (follower.status, follower.events) == (204, [])


@pytest.mark.parametrize("last_event_id", ["x", "-1", "9" * 40, "²"])
def test_a_last_event_id_that_is_none_of_ours_means_from_the_start(
    served: Served, make_job: Callable[..., str], last_event_id: str
) -> None:
    job_id = make_job()
    finish(job_id)
    follower = Follower(served, job_id, last_event_id)
    assert follower.ended()
    assert follower.ids == kept(job_id)


def test_a_bus_that_is_away_delays_events_and_loses_none(
    served: Served, make_job: Callable[..., str], mortal_redis: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stream, "POLL_S", 0.2)
    job_id = make_job()
    mortal_redis.stop()
    wait_for(lambda: not served.live.is_connected, "the gateway noticed")
    follower = Follower(served, job_id)
    finish(job_id)
    assert follower.ended()
    assert follower.ids == kept(job_id)


def test_a_database_that_is_away_for_a_while_does_not_end_a_stream(
    served: Served, make_job: Callable[..., str], fresh_settings: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    job_id = make_job()
    follower = Follower(served, job_id)
    wait_for(lambda: follower.types, "the stream")
    url = settings().database_url.get_secret_value()
    use_database(fresh_settings, f"sqlite:///{tmp_path}/none/v.db")
    bus.publish([follower.events[-1].model_copy(update={"id": 999})])
    wait_for(lambda: served.http.get("/readyz").status_code == 503, "the database is away")
    use_database(fresh_settings, url)
    finish(job_id)
    assert follower.ended()
    assert follower.ids == kept(job_id)


def use_database(environment: pytest.MonkeyPatch, url: str) -> None:
    engine.engine().dispose()
    environment.setenv("VEDETTE_DATABASE_URL", url)
    settings.cache_clear()
    engine.forget()


def test_events_that_the_bus_lost_are_found_in_the_timeline(
    served: Served, make_job: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stream, "POLL_CONNECTED_S", 0.2)
    job_id = make_job()
    follower = Follower(served, job_id)
    wait_for(lambda: follower.types, "the stream")
    monkeypatch.setattr(served.live, "hear", lambda _: None)
    finish(job_id)
    assert follower.ended()
    assert follower.ids == kept(job_id)


def test_progress_from_before_the_end_of_its_stage_does_not_turn_it_back(
    served: Served, make_job: Callable[..., str]
) -> None:
    job_id = make_job()
    late: list[Event] = []
    follower = Follower(served, job_id)
    run_stage(job_id, StageName.SCAN, work_seen_by(follower))
    wait_for(lambda: "stage.finished" in follower.types, "the end of the scan")
    late = follower.progress[:1]
    before = len(follower.events)
    bus.publish(late)
    for stage in STAGES_AFTER_SCAN:
        run_stage(job_id, stage)
    assert follower.ended()
    assert all(event.id for event in follower.events[before:])


def test_silence_is_broken_by_comments(
    served: Served, make_job: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stream, "BEAT_S", 0.1)
    follower = Follower(served, make_job())
    wait_for(lambda: len(follower.comments) > 2, "heart-beats")
    served.stop()
    assert follower.ended()


def test_a_stop_of_the_gateway_ends_streams_at_once(served: Served, make_job: Callable[..., str]) -> None:
    followers = [Follower(served, make_job()) for _ in range(3)]
    wait_for(lambda: all(follower.types for follower in followers), "the streams")
    started = time.monotonic()
    served.stop()
    assert all(follower.ended() for follower in followers)
    assert time.monotonic() - started < 5


def test_whoever_goes_away_is_forgotten(served: Served, make_job: Callable[..., str]) -> None:
    with served.http.stream("GET", f"/api/v1/jobs/{make_job()}/events") as answer:
        next(answer.iter_lines())
        assert served.live._watches
    wait_for(lambda: not served.live._watches, "the watch is gone")


def test_a_request_that_waits_is_answered_when_the_job_is_over(served: Served, make_job: Callable[..., str]) -> None:
    job_id = make_job()
    timer = threading.Timer(0.5, finish, [job_id])
    timer.start()
    started = time.monotonic()
    answer = served.http.get(f"/api/v1/jobs/{job_id}", headers={"Prefer": "wait=25"})
    assert answer.json()["state"] == "succeeded"
    assert time.monotonic() - started < 15
    timer.join()
