"""A live tail from a real gateway: what it prints, and that a restart loses nothing."""

from __future__ import annotations

import json
import threading

import pytest

from shared.contracts.kinds.host import Target
from shared.contracts.live import Happened, LiveMessage
from tests.vedette.lab import TOKEN, Lab, Vedette
from vedette.client import Client
from vedette.refusals import NotAllowed, Unreachable

TARGET = Target(host="127.0.0.1", ports="1")


def submit(lab: Lab) -> str:
    with Client(lab.url, TOKEN) as client:
        return client.wait(client.submit([TARGET]).jobs[0].id, 30).id


def newest(lab: Lab, job_id: str) -> int:
    with Client(lab.url, TOKEN) as client:
        return client.timeline(job_id)[-1].id


def test_events_are_printed_one_line_each(lab: Lab, vedette: Vedette) -> None:
    since = newest(lab, submit(lab))
    job_id = submit(lab)
    ran = vedette("events", "--since", str(since), "--count", "3")
    assert ran.code == 0
    assert [line.split()[2] for line in ran.out.splitlines()] == [job_id[-8:]] * 3
    assert "job.created" in ran.out


def test_json_lines_are_messages_of_the_contract(lab: Lab, vedette: Vedette) -> None:
    submit(lab)
    ran = vedette("events", "--topics", "jobs,queues,system", "--count", "3", "-o", "jsonl")
    messages = [json.loads(line) for line in ran.out.splitlines()]
    assert sorted(message["topic"] for message in messages) == ["jobs", "queues", "system"]
    assert all(LiveMessage.model_validate(message) for message in messages)


def test_states_are_told_in_words(lab: Lab, vedette: Vedette) -> None:
    ran = vedette("events", "--topics", "jobs,queues", "--count", "2")
    assert "running" in ran.out
    assert "scan.heavy: 0 waiting" in ran.out


def test_an_unknown_topic_is_named(lab: Lab, vedette: Vedette) -> None:
    ran = vedette("events", "--topics", "weather")
    assert ran.code == 2
    assert "weather" in ran.err
    assert "queues" in ran.err


@pytest.mark.parametrize("form", ["json", "csv", "id"])
def test_what_never_ends_has_no_closed_format(lab: Lab, vedette: Vedette, form: str) -> None:
    assert vedette("events", "-o", form).code == 2


def test_a_restart_of_the_gateway_loses_nothing_and_repeats_nothing(lab: Lab) -> None:
    since = newest(lab, submit(lab))
    notes: list[str] = []
    got: list[int] = []
    last = threading.Event()
    wanted: list[int] = []

    def tail() -> None:
        with Client(lab.url, TOKEN) as client:
            for message in client.live.follow(["jobs"], since, note=notes.append):
                if isinstance(message.root, Happened) and message.root.id:
                    got.append(message.root.id)
                if wanted and got and got[-1] == wanted[-1]:
                    last.set()
                    return

    thread = threading.Thread(target=tail, daemon=True)
    thread.start()
    first = submit(lab)
    lab.stop()
    lab.start()
    second = submit(lab)
    with Client(lab.url, TOKEN) as client:
        wanted += [event.id for job_id in (first, second) for event in client.timeline(job_id)]
    submit(lab)
    thread.join(20)
    assert len(got) == len(set(got))
    assert set(wanted) <= set(got)
    assert any("Trying again" in note for note in notes)


def test_what_is_refused_for_good_is_not_tried_again(lab: Lab) -> None:
    with Client(lab.url, "wrong") as client, pytest.raises(NotAllowed):
        next(client.live.follow(["jobs"]))
    with Client("http://127.0.0.1:1") as nobody, pytest.raises(Unreachable):
        next(nobody.live.follow(["jobs"]))
