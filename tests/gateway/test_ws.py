"""What is told over the WebSocket, to real clients of a real gateway."""

from __future__ import annotations

import random
import socket
import threading
import time
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import pytest
from sqlalchemy import delete
from websockets.exceptions import InvalidStatus

from gateway import audience, conversation, feed, tail, vigil
from gateway.auth import Unauthorized
from shared import bus
from shared.broker import pause
from shared.broker.client import answering
from shared.contracts.events import EventType
from shared.contracts.job import Progress, StageName
from shared.ids import now
from shared.store import audit, timeline
from shared.store.engine import Connection, engine, reading, writing
from shared.store.tables import events
from shared.store.timeline import Fact
from shared.testing import RedisServer, wait_for
from tests.gateway.driving import Served, both_databases, finish, run_stage
from tests.gateway.talking import Talker, dial

postgres = pytest.mark.parametrize("store", ["postgres"], indirect=True)


@pytest.fixture
def talk(served: Served) -> Iterator[Callable[..., Talker]]:
    """Return a function that opens a WebSocket."""
    made: list[Talker] = []

    def opened(path: str = "/ws", **options: Any) -> Talker:
        made.append(Talker(dial(served, path, **options)))
        return made[-1]

    yield opened
    for talker in made:
        talker.close()


@pytest.fixture
def talker(talk: Callable[..., Talker]) -> Talker:
    return talk()


def kept(*job_ids: str) -> list[int]:
    with reading() as connection:
        return sorted(event.id for job_id in job_ids for event in timeline.of_job(connection, job_id))


def note(connection: Connection, job_id: str) -> int:
    """Write one event."""
    return timeline.add(connection, [Fact("local", job_id, EventType.JOB_REPAIRED)])[0].id


def noted(job_id: str) -> int:
    with writing() as connection:
        event_id = note(connection, job_id)
    with reading() as connection:
        bus.publish(timeline.of_job(connection, job_id, event_id - 1, 1))
    return event_id


def reaches(talker: Talker, event_id: int) -> dict[str, Any]:
    return talker.wait("event", lambda message: message["id"] == event_id)


@both_databases
def test_a_snapshot_comes_first_and_then_what_happens(talker: Talker, make_job: Callable[..., str]) -> None:
    first = make_job()
    talker.subscribe("jobs")
    snapshot = talker.wait("snapshot")
    assert (snapshot["topic"], snapshot["data"]["waiting"], snapshot["data"]["jobs"][0]["id"]) == ("jobs", 1, first)
    second = make_job()
    finish(first)
    finish(second)
    reaches(talker, kept(first, second)[-1])
    assert talker.ids == [each for each in kept(first, second) if each > snapshot["id"]]
    assert [message["type"] for message in talker.messages[:2]] == ["subscribed", "snapshot"]


def test_a_job_is_followed_by_a_piece_of_its_id_and_others_are_not_heard(
    talker: Talker, make_job: Callable[..., str]
) -> None:
    mine, other = make_job(), make_job()
    talker.subscribe(f"job:{mine[-12:]}")
    assert talker.wait("subscribed")["topics"] == [f"job:{mine}"]
    assert talker.wait("snapshot")["data"]["state"] == "queued"
    finish(other)
    finish(mine)
    reaches(talker, kept(mine)[-1])
    assert {message["event"]["job_id"] for message in talker.of("event")} == {mine}


def test_an_event_of_two_topics_comes_once(talker: Talker, make_job: Callable[..., str]) -> None:
    job_id = make_job()
    talker.subscribe("jobs", f"job:{job_id}")
    wait_for(lambda: len(talker.of("snapshot")) == 2, "both snapshots")
    event = reaches(talker, noted(job_id))
    assert event["topics"] == ["jobs", f"job:{job_id}"]
    assert len(talker.ids) == 1


def test_progress_travels_and_is_not_kept(talker: Talker, make_job: Callable[..., str]) -> None:
    job_id = make_job()
    talker.subscribe("jobs")
    talker.wait("snapshot")

    def passing() -> list[dict[str, Any]]:
        return [message["event"] for message in talker.of("event") if message["id"] == 0]

    def work(step: Any) -> None:
        def is_told() -> bool:
            step.progress(Progress(done=1, total=3))  # a step tells only so often
            return bool(passing())

        wait_for(is_told, "progress")

    run_stage(job_id, StageName.SCAN, work)
    assert {event["type"] for event in passing()} == {"stage.progressed"}


def test_after_unsubscribing_nothing_more_comes(talker: Talker, make_job: Callable[..., str]) -> None:
    job_id = make_job()
    talker.subscribe("jobs", f"job:{job_id}")
    talker.ask(op="unsubscribe", topics=["jobs"])
    assert talker.wait("unsubscribed")["topics"] == ["jobs"]
    assert reaches(talker, noted(job_id))["topics"] == [f"job:{job_id}"]


@both_databases
def test_whoever_comes_back_gets_what_it_missed(talk: Callable[..., Talker], make_job: Callable[..., str]) -> None:
    job_id, first = make_job(), talk()
    first.subscribe("jobs")
    seen = first.wait("snapshot")["id"]
    first.close()
    missed = [noted(job_id) for _ in range(5)]
    again = talk()
    again.subscribe("jobs", since=seen)
    reaches(again, missed[-1])
    assert again.ids == missed
    assert not again.of("snapshot"), "it has one"


@postgres
def test_an_event_that_is_committed_late_comes_late_and_holds_nobody_up(
    talk: Callable[..., Talker], make_job: Callable[..., str]
) -> None:
    job_id, staying = make_job(), talk()
    staying.subscribe("jobs")
    staying.wait("snapshot")
    with engine().begin() as slow:
        late = note(slow, job_id)
        early = noted(job_id)
        assert early > late
        reaches(staying, early)
        leaving = talk()
        leaving.subscribe("jobs", since=early)
        assert not leaving.ids
    reaches(staying, late)
    returning = talk()
    returning.subscribe("jobs", since=early)
    reaches(returning, late)


@both_databases
def test_connections_that_break_at_random_lose_nothing(
    talk: Callable[..., Talker], make_job: Callable[..., str]
) -> None:
    """Three writers, some of whose transactions overlap; a reader that is cut off again and again."""
    chance = random.Random(7)
    jobs = [make_job() for _ in range(3)]
    first = talk()
    first.subscribe("jobs")
    since = first.wait("snapshot")["id"]
    first.close()
    written: list[int] = []
    writers = [threading.Thread(target=write_for_a_while, args=(job_id, written)) for job_id in jobs]
    for writer in writers:
        writer.start()
    seen: set[int] = set()
    breaks = 0
    while any(writer.is_alive() for writer in writers) or not set(written) <= seen:
        talker = talk()
        talker.subscribe("jobs", since=since)
        enough = chance.randint(1, 25)
        wait_for(partial(has_enough, talker, enough, written, seen), "events", 20)
        talker.socket.socket.shutdown(socket.SHUT_RDWR) if chance.random() < 0.5 else talker.close()
        assert talker.ended()
        assert not talker.of("reset")
        assert len(talker.ids) == len(set(talker.ids)), "on one connection each comes once"
        seen |= set(talker.ids)
        since = talker.ids[-1] if talker.ids else since
        breaks += 1
    assert len(written) == 240
    assert breaks > 5


def has_enough(talker: Talker, enough: int, written: list[int], seen: set[int]) -> bool:
    return len(talker.ids) >= enough or set(written) <= seen | set(talker.ids)


def write_for_a_while(job_id: str, written: list[int]) -> None:
    chance = random.Random(job_id)
    is_server = engine().dialect.name == "postgresql"
    for _ in range(80):
        with writing() as connection:
            event_id = note(connection, job_id)
            time.sleep(chance.random() * (0.02 if is_server else 0.001))  # open for a while
        written.append(event_id)
        with reading() as connection:
            bus.publish(timeline.of_job(connection, job_id, event_id - 1, 1))


def test_what_the_log_no_longer_tells_is_a_reset_and_a_new_snapshot(
    talker: Talker, make_job: Callable[..., str]
) -> None:
    job_id = make_job()
    old, last = noted(job_id), noted(job_id)
    with writing() as connection:
        connection.execute(delete(events).where(events.c.id < last))
    talker.subscribe("jobs", since=old - 1)
    assert talker.wait("reset")["topics"] == ["jobs"]
    assert talker.wait("snapshot")["data"]["waiting"] == 1
    assert [message["type"] for message in talker.messages[:3]] == ["subscribed", "reset", "snapshot"]


def test_since_a_number_that_never_was_is_a_reset(talker: Talker, make_job: Callable[..., str]) -> None:
    make_job()
    talker.subscribe("jobs", since=2**40)
    talker.wait("reset")
    talker.wait("snapshot")


def test_who_falls_behind_the_row_reads_the_log_and_misses_nothing(
    served: Served, talk: Callable[..., Talker], make_job: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tail, "HELD", 5)
    monkeypatch.setattr(feed, "PAGE", 7)
    job_id, talker = make_job(), talk()
    talker.subscribe("jobs")
    talker.wait("snapshot")
    with writing() as connection:
        bulk = [event.id for event in timeline.add(connection, [Fact("local", job_id, EventType.JOB_REPAIRED)] * 60)]
    single = [noted(job_id) for _ in range(20)]
    reaches(talker, single[-1])
    assert talker.ids == bulk + single
    assert served.live.tail._held <= 5


def test_a_bus_that_is_away_delays_events_alone(
    served: Served, talker: Talker, make_job: Callable[..., str], mortal_redis: RedisServer
) -> None:
    job_id = make_job()
    talker.subscribe("jobs")
    talker.wait("snapshot")
    mortal_redis.stop()
    wait_for(lambda: not served.live.is_connected, "the gateway noticed")
    reaches(talker, noted(job_id))


def test_events_that_the_bus_lost_are_found_in_the_log(
    served: Served, talker: Talker, make_job: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tail, "POLL_CONNECTED_S", 0.2)
    job_id = make_job()
    talker.subscribe("jobs")
    talker.wait("snapshot")
    monkeypatch.setattr(served.live, "hear", lambda _: None)
    reaches(talker, noted(job_id))


def test_queues_are_told_whole_and_then_by_what_changed(talker: Talker) -> None:
    talker.subscribe("queues")
    whole = talker.wait("snapshot")
    assert {view["name"] for view in whole["data"]["items"]} >= {"scan", "scan.heavy", "process", "report", "notify"}
    with answering() as client:
        pause.pause(client, "scan.heavy", "tester", "a test")
    change = talker.wait("change")
    assert [(view["name"], view["paused"]["by"]) for view in change["data"]["items"]] == [("scan.heavy", "tester")]


def test_the_system_tells_what_is_wrong_with_it(served: Served, talker: Talker, mortal_redis: RedisServer) -> None:
    talker.subscribe("system")
    assert talker.wait("snapshot")["data"]["alarms"] == []
    mortal_redis.stop()
    change = talker.wait("change", lambda message: not message["data"]["bus_answers"])
    assert any("bus" in alarm for alarm in change["data"]["alarms"])


def test_queues_are_looked_at_once_for_all(
    served: Served, talk: Callable[..., Talker], monkeypatch: pytest.MonkeyPatch
) -> None:
    looks: list[float] = []
    look = served.live.tail.boards.look
    monkeypatch.setattr(
        served.live.tail.boards, "look", lambda *a, **k: (looks.append(time.monotonic()), look(*a, **k))
    )
    began = time.monotonic()
    for _ in range(10):
        talk().subscribe("queues")
    time_passed = time.monotonic() - began
    assert len(looks) <= 10 + time_passed / tail.LOOK_EVERY_S + 1, "one at each subscription, then one a second"


def test_silence_is_broken_by_beats_that_can_be_resumed_from(
    talk: Callable[..., Talker], make_job: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(feed, "BEAT_S", 0.1)
    job_id, other = make_job(), make_job()
    talker = talk()
    talker.subscribe(f"job:{job_id}")
    last = noted(other)
    beat = talker.wait("beat", lambda message: message["id"] >= last)
    talker.close()
    missed = noted(job_id)
    again = talk()
    again.subscribe(f"job:{job_id}", since=beat["id"])
    reaches(again, missed)


def test_a_ping_is_answered(talker: Talker) -> None:
    talker.ask(op="ping")
    talker.wait("pong")


@pytest.mark.parametrize(
    ("sent", "code", "named"),
    [
        ('{"op":"dance"}', "malformed-message", "dance"),
        ('{"op":"subscribe","topics":["weather"]}', "topic-unknown", "weather"),
        ('{"op":"subscribe","topics":[]}', "malformed-message", "topics"),
        ('{"op":"subscribe","topics":["jobs"],"since":-1}', "malformed-message", "since"),
        ('{"op":"subscribe","topics":["jobs"],"since":"x"}', "malformed-message", "since"),
        ('{"op":"subscribe","topics":["jobs"],"sinze":1}', "malformed-message", "sinze"),
        ('{"op":"subscribe","topics":["job:0000"]}', "job-not-found", "job"),
        ('{"op":"subscribe","topics":["job:\\u0000"]}', "job-not-found", "job"),
        ('{"op":"subscribe","topics":["job:\\ud800"]}', "malformed-message", ""),
        ("no json", "malformed-message", "JSON"),
        ("[" * 10_000, "malformed-message", "JSON"),
        ('{"op":' * 2000, "malformed-message", "JSON"),
        (b"\x00\xff", "unsupported-message", "text"),
        ("", "malformed-message", "JSON"),
        ("null", "malformed-message", ""),
    ],
)
def test_a_mistake_is_named_and_the_connection_goes_on(
    talker: Talker, sent: str | bytes, code: str, named: str, capsys: pytest.CaptureFixture[str]
) -> None:
    talker.socket.send(sent)
    error = talker.wait("error")
    assert error["code"] == code
    assert named in error["message"]
    talker.ask(op="ping")
    talker.wait("pong")
    assert "Traceback" not in capsys.readouterr().out


def test_the_topics_there_are_are_named(talker: Talker) -> None:
    talker.ask(op="subscribe", topics=["weather"])
    error = talker.wait("error")
    assert (error["topic"], error["cure"]) == ("weather", "There is: jobs, job:ID, queues, system.")


def test_a_job_of_another_organisation_is_not_found(talker: Talker, make_job: Callable[..., str]) -> None:
    foreign = make_job(org_id="other")
    talker.ask(op="subscribe", topics=[f"job:{foreign}"])
    error = talker.wait("error")
    talker.ask(op="subscribe", topics=["job:01928e1c-0000-7000-8000-000000000000"])
    wait_for(lambda: len(talker.of("error")) == 2, "the other error")
    assert {**error, "topic": ""} == {**talker.of("error")[1], "topic": ""}, "as one that is not there"


def test_events_of_another_organisation_are_never_told(talker: Talker, make_job: Callable[..., str]) -> None:
    foreign, mine = make_job(org_id="other"), make_job()
    talker.subscribe("jobs", since=0)
    with writing() as connection:
        timeline.add(connection, [Fact("other", foreign, EventType.JOB_REPAIRED)])
    forged = {"type": EventType.STAGE_PROGRESSED, "at": now(), "org_id": "other", "job_id": foreign, "stage": "scan"}
    bus.publish([timeline.Event.model_validate(forged)])
    reaches(talker, noted(mine))
    assert foreign not in str(talker.messages)


def test_a_connection_follows_so_many_topics_and_no_more(
    talker: Talker, make_job: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(conversation, "MAX_TOPICS", 2)
    talker.subscribe("jobs", "queues")
    talker.ask(op="subscribe", topics=["jobs", "queues", "system"])
    assert talker.wait("error")["code"] == "too-many-topics"


def test_a_flood_ends_the_connection_and_is_written_down_once(talker: Talker) -> None:
    for _ in range(conversation.BURST + 200):
        try:
            talker.ask(op="ping")
        except Exception:  # noqa: BLE001  the connection is over
            break
    assert talker.ended()
    assert talker.code == conversation.FLOOD
    with reading() as connection:
        lines = audit.page(connection, "local", limit=9)
    assert [(line.action, line.address) for line in lines] == [("socket.flooded", "127.0.0.1")]


def test_a_message_that_is_too_large_ends_the_connection(talker: Talker) -> None:
    talker.socket.send("x" * (16 * 1024 + 1))
    assert talker.ended()
    assert talker.code == 1009


def test_whoever_subscribes_to_nothing_is_sent_away(
    talk: Callable[..., Talker], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(conversation, "SUBSCRIBE_TIMEOUT_S", 0.2)
    talker = talk()
    assert talker.ended()
    assert talker.code == conversation.SILENT


def test_there_are_places_for_so_many_connections(
    talk: Callable[..., Talker], served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(audience, "OF_ONE", 2)
    first, second = talk(), talk()
    third = talk()
    assert third.ended()
    assert third.code == conversation.FULL
    answer = served.http.get("/api/v1/events?topics=jobs")
    assert (answer.status_code, answer.json()["code"]) == (429, "audience-full")
    first.close()
    second.close()
    wait_for(lambda: talk_is_possible(talk), "a place")


def talk_is_possible(talk: Callable[..., Talker]) -> bool:
    talker = talk()
    talker.ask(op="ping")
    wait_for(lambda: talker.messages or talker.ended(0.01), "an answer")
    return bool(talker.messages)


def test_credentials_that_end_end_the_connection(
    served: Served, talk: Callable[..., Talker], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(vigil, "EVERY_S", 0.1)
    monkeypatch.setattr(feed, "BEAT_S", 0.1)
    talker = talk()

    def refuse(_: object) -> None:
        raise Unauthorized("revoked")

    talker.subscribe("jobs")
    talker.wait("beat")
    monkeypatch.setattr(vigil.Vigil, "_ask", refuse)
    assert talker.ended()
    assert talker.code == conversation.EXPIRED


def test_a_stop_of_the_gateway_ends_conversations_at_once(served: Served, talker: Talker) -> None:
    talker.subscribe("jobs")
    began = time.monotonic()
    served.stop()
    assert talker.ended()
    assert talker.code == conversation.RESTART
    assert time.monotonic() - began < 5


@pytest.mark.parametrize("headers", [None, {"Authorization": "Bearer wrong"}, {"Authorization": "Basic dDp0"}])
@pytest.mark.parametrize("path", ["/ws", "/ws/system", "/ws/jobs/x", "/api/v1/jobs", "/nowhere"])
def test_nobody_gets_in_without_a_token(served: Served, path: str, headers: dict[str, str] | None) -> None:
    with pytest.raises(InvalidStatus) as refused:
        dial(served, path, headers)
    assert refused.value.response.status_code == 401
    assert refused.value.response.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize("path", ["/nowhere", "/api/v1/jobs", "/livez"])
def test_a_path_that_is_no_socket_is_refused(served: Served, path: str) -> None:
    with pytest.raises(InvalidStatus) as refused:
        dial(served, path)
    assert refused.value.response.status_code in {403, 404}


def test_the_name_of_another_host_is_refused(served: Served) -> None:
    with pytest.raises(InvalidStatus) as refused:
        dial(served, headers={"Authorization": "Bearer correct-horse", "Host": "evil.example"})
    assert refused.value.response.status_code in {400, 421}
