"""The event log as Server-Sent Events, and the tickets of browsers."""

from __future__ import annotations

from collections.abc import Callable

import jwt
import pytest
from websockets.exceptions import InvalidStatus

from gateway import feed, stream, tickets, vigil
from gateway.auth import Unauthorized
from shared import keyring
from shared.broker.client import client as broker_client
from shared.store import timeline
from shared.store.engine import reading
from shared.testing import RedisServer, wait_for
from tests.gateway.driving import BEARER, Served, both_databases, finish
from tests.gateway.talking import Listener, Talker, dial


def kept(job_id: str) -> list[int]:
    with reading() as connection:
        return [event.id for event in timeline.of_job(connection, job_id)]


@both_databases
def test_topics_are_told_over_server_sent_events_as_over_the_socket(
    served: Served, make_job: Callable[..., str]
) -> None:
    job_id = make_job()
    listener = Listener(served, f"topics=jobs,job:{job_id[-12:]},queues")
    wait_for(lambda: len(listener.of("snapshot")) == 3, "the snapshots")
    finish(job_id)
    last = kept(job_id)[-1]
    wait_for(lambda: last in listener.ids, "the end of the job")
    events = [message for message in listener.of("event") if message["id"]]
    assert [message["id"] for message in events] == kept(job_id)[1:]
    assert all(message["topics"] == ["jobs", f"job:{job_id}"] for message in events)
    served.stop()
    assert listener.ended()


@pytest.mark.parametrize("by_header", [True, False])
def test_a_stream_is_resumed_by_header_or_parameter(
    served: Served, make_job: Callable[..., str], by_header: bool
) -> None:
    job_id = make_job()
    finish(job_id)
    ids = kept(job_id)
    query = "topics=jobs" if by_header else f"topics=jobs&since={ids[2]}"
    listener = Listener(served, query, **({"Last-Event-ID": str(ids[2])} if by_header else {}))
    wait_for(lambda: ids[-1] in listener.ids, "the rest")
    assert listener.ids == ids[3:]
    served.stop()
    assert listener.ended()


@pytest.mark.parametrize(
    ("query", "status", "code"),
    [
        ("topics=weather", 422, "topic-unknown"),
        ("topics=", 422, "topic-unknown"),
        ("", 422, "invalid-request"),
        ("topics=jobs&since=-1", 422, "invalid-request"),
        ("topics=job:00000000", 404, "job-not-found"),
        ("topics=" + ",".join(f"job:{n:08}" for n in range(65)), 422, "too-many-topics"),
    ],
)
def test_what_cannot_be_followed_is_a_problem(served: Served, query: str, status: int, code: str) -> None:
    answer = served.http.get(f"/api/v1/events?{query}")
    assert (answer.status_code, answer.json()["code"]) == (status, code)


def test_a_job_of_another_organisation_is_404(served: Served, make_job: Callable[..., str]) -> None:
    answer = served.http.get(f"/api/v1/events?topics=job:{make_job(org_id='other')}")
    assert answer.status_code == 404


@pytest.mark.parametrize("path", ["/api/v1/events?topics=jobs", "/api/v1/jobs/{id}/events"])
def test_credentials_that_end_end_a_stream(
    served: Served, make_job: Callable[..., str], monkeypatch: pytest.MonkeyPatch, path: str
) -> None:

    monkeypatch.setattr(vigil, "EVERY_S", 0.1)
    monkeypatch.setattr(feed, "BEAT_S", 0.1)
    monkeypatch.setattr(stream, "BEAT_S", 0.1)

    def refuse(_: object) -> None:
        raise Unauthorized("revoked")

    with served.http.stream("GET", path.format(id=make_job())) as answer:
        lines = answer.iter_lines()
        next(lines)
        monkeypatch.setattr(vigil.Vigil, "_ask", refuse)
        for _ in lines:
            continue  # until it ends


def test_a_ticket_opens_one_socket(served: Served) -> None:
    issued = served.http.post("/api/v1/auth/ticket")
    assert issued.status_code == 201
    assert issued.json()["expires_in_s"] == tickets.LIFE_S
    ticket = issued.json()["ticket"]
    talker = Talker(dial(served, f"/ws?ticket={ticket}", None))
    talker.subscribe("jobs")
    talker.wait("snapshot")
    talker.close()
    refused(served, ticket)


def refused(served: Served, ticket: str, status: int = 401) -> None:
    with pytest.raises(InvalidStatus) as answer:
        dial(served, f"/ws?ticket={ticket}", None)
    assert answer.value.response.status_code == status


def test_a_ticket_falls_with_the_key_that_it_was_given_to(served: Served) -> None:
    key = served.http.post("/api/v1/api-keys", json={"name": "page", "role": "viewer"}).json()
    bearer = {"Authorization": f"Bearer {key['secret']}"}
    ticket = served.http.post("/api/v1/auth/ticket", headers=bearer).json()["ticket"]
    served.http.delete(f"/api/v1/api-keys/{key['id']}")
    refused(served, ticket)


def test_a_ticket_is_for_sockets_alone(served: Served) -> None:
    ticket = served.http.post("/api/v1/auth/ticket").json()["ticket"]
    for headers in ({"Authorization": ""}, {"Authorization": f"Bearer {ticket}"}):
        assert served.http.get(f"/api/v1/jobs?ticket={ticket}", headers=headers).status_code == 401


def test_a_ticket_is_not_written_to_the_log(served: Served, capfd: pytest.CaptureFixture[str]) -> None:
    ticket = served.http.post("/api/v1/auth/ticket").json()["ticket"]
    Talker(dial(served, f"/ws?ticket={ticket}", None)).close()
    refused(served, ticket)
    served.stop()  # it has written all it will
    said = capfd.readouterr()
    assert ticket not in said.out + said.err


def test_an_old_ticket_is_refused(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tickets, "LIFE_S", -1)
    refused(served, served.http.post("/api/v1/auth/ticket").json()["ticket"])


@pytest.mark.parametrize("key", ["", "x" * 64])
@pytest.mark.parametrize("algorithm", ["none", "HS256", "HS512"])
def test_a_ticket_of_somebody_else_is_refused(served: Served, algorithm: str, key: str) -> None:
    own = jwt.decode(served.http.post("/api/v1/auth/ticket").json()["ticket"], options={"verify_signature": False})
    if algorithm != "none" and not key:
        algorithm = "none"
    forged = jwt.encode(own, key if algorithm != "none" else None, algorithm, {"kid": keyring.current()})
    refused(served, forged)


@pytest.mark.parametrize("ticket", ["x", "a.b.c", "%00", "%ff.%ff.%ff", "." * 5000, "eyJ9.e30.", "a&ticket=b"])
def test_rubbish_is_no_ticket(served: Served, ticket: str, capfd: pytest.CaptureFixture[str]) -> None:
    refused(served, ticket)
    served.stop()
    assert "Traceback" not in capfd.readouterr().out


def test_without_the_broker_no_ticket_is_taken(served: Served, mortal_redis: RedisServer) -> None:
    ticket = served.http.post("/api/v1/auth/ticket").json()["ticket"]
    mortal_redis.stop()
    refused(served, ticket, 503)


def test_whoever_can_write_to_redis_makes_no_ticket(served: Served) -> None:
    """Redis holds the numbers of used tickets alone: forgetting one lets only its holder in again, for seconds."""
    ticket = served.http.post("/api/v1/auth/ticket").json()["ticket"]
    assert not broker_client().keys("*ticket*"), "nothing is there before it is used"
    Talker(dial(served, f"/ws?ticket={ticket}", None)).close()
    (key,) = broker_client().keys("*ticket*")
    assert ticket.encode() not in key


def test_the_bearer_of_a_socket_may_be_a_header(served: Served) -> None:
    talker = Talker(dial(served, headers=BEARER))
    talker.ask(op="ping")
    talker.wait("pong")
    talker.close()
