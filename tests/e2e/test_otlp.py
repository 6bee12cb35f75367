"""What leaves a running stack for an OTLP endpoint: one exact tree per job, over all of its processes.

An endpoint that is dead, or takes everything and never answers, costs the spans and nothing else.
"""

from __future__ import annotations

import http.client
import json
import socket
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest

from shared import testing
from tests.collector import Collector, Span, collector
from tests.e2e.conftest import Home, free_port
from vedette.drill.mailbox import Mailbox

pytestmark = pytest.mark.e2e

STAGES = ("scan", "process", "report", "notify")
OTHERS = {f"vedette-{stage}" for stage in STAGES} | {"vedette-gateway"}
STOP_S = 15.0  # the whole stack, on a busy machine

# Below the job, by name; of siblings with the same name by their order. A part's name has its receiver's hash.
FIRST = """
POST /api/v1/jobs
  job
    send scan
    wait scan
    run scan
      sweep other
      identify services
        identify port
      send process
    wait process
    run process
      judge
      compare with earlier
      send report
    wait report
    run report
      report json
      send notify
    wait notify
    run notify !ReceiverBusy
      notify part !ReceiverBusy
        POST !503
      send notify
    back off notify
    wait notify
    run notify !NoPartSucceeded
      notify part !ReceiverRefused
        POST !400
"""
REPLAY = """
job
  send notify
  wait notify
  run notify
    notify part
      POST
"""


@dataclass
class Watched:
    """A stack that sends its spans to a collector, and a receiver of its notifications."""

    home: Home
    collector: Collector
    mailbox: Mailbox

    def submit(self, port: int) -> str:
        asked = ("scan", "host", "127.0.0.1", "--ports", str(port), "--report", "json", "--notify", self.mailbox.url)
        done = self.home.run(*asked, "--no-wait", "-o", "id", "-q")
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    def replay(self, job: str) -> None:
        letters: list[str] = []

        def listed() -> bool:
            letters[:] = self.home.run("dlq", "list", "-q", f"job:{job}", "-o", "id").stdout.split()
            return bool(letters)

        testing.wait_for(listed, "its dead letter is listed")
        done = self.home.run("dlq", "replay", letters[0], "--wait")
        assert done.returncode == 0, done.stderr

    def traces(self, job: str, *sizes: int) -> list[list[Span]]:
        """The traces of a job, when so many spans of each have come."""
        testing.wait_for(
            lambda: [len(trace) for trace in self.collector.of_job(job)] >= list(sizes), f"{sizes} spans have come"
        )
        return self.collector.of_job(job)


def start(home: Home, endpoint: str) -> None:
    done = home.run(
        *("up", "--detach", "--port", str(free_port())),
        VEDETTE_NOTIFY_PRIVATE_ADDRESSES="true",
        VEDETTE_WEBHOOK_SECRET="whsec_" + "A" * 32,
        OTEL_EXPORTER_OTLP_ENDPOINT=endpoint,
        OTEL_BSP_SCHEDULE_DELAY="200",
    )
    assert done.returncode == 0, done.stderr


@pytest.fixture(scope="module")
def watched(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Watched]:
    with ExitStack() as stack:
        taking, mailbox = stack.enter_context(collector()), stack.enter_context(Mailbox())
        home = Home(tmp_path_factory.mktemp("watched"))
        start(home, taking.url)
        yield Watched(home, taking, mailbox)
        assert home.run("down").returncode == 0


def drawn(trace: list[Span]) -> str:
    """A trace as indented names, with the type of what failed."""
    ids = {span.id for span in trace}

    def below(parent: Span | None, depth: int) -> Iterator[str]:
        mine = [span for span in trace if (span.parent_id == parent.id if parent else span.parent_id not in ids)]
        for span in sorted(mine, key=lambda each: (each.began, each.name)):
            part = str(span.attributes.get("vedette.part", ""))
            name = span.name.replace(part, "part") if part.startswith("http-") else span.name
            yield f"{'  ' * depth}{name}{' !' + str(span.attributes['error.type']) if span.is_error else ''}"
            yield from below(span, depth + 1)

    return "\n".join(["", *below(None, 0), ""])


def lines(text: str) -> int:
    return len(text.split("\n")) - 2


def linked(trace: list[Span], name: str) -> list[str]:
    """By the order of the spans of a name, the names of the spans that they are linked to."""
    names = {span.id: span.name for span in trace}
    return [names.get(link[1], "elsewhere") for span in trace if span.name == name for link in span.links]


def test_a_job_with_a_retry_and_a_replay_is_exactly_two_linked_trees_over_five_processes(
    watched: Watched, greeter: int
) -> None:
    watched.mailbox.answers = [503, 400]
    job = watched.submit(greeter)
    watched.home.run("jobs", "wait", job, "--timeout", "60s")
    watched.replay(job)
    first, again = watched.traces(job, lines(FIRST), lines(REPLAY))
    assert drawn(first) == FIRST
    assert drawn(again) == REPLAY

    assert {span.service for span in first} == OTHERS
    assert len({span.process for span in first}) == len(OTHERS)
    assert all(linked(first, f"run {stage}") == [f"send {stage}"] for stage in STAGES[:3])
    assert linked(first, "run notify") == ["send notify"] * 2
    assert linked(again, "run notify") == ["send notify"]
    [root] = [span for span in first if span.name == "job"]
    assert [span.links for span in again if span.name == "job"] == [[(root.trace_id, root.id)]]

    both = [*first, *again]
    assert {span.attributes["vedette.job.id"] for span in both} == {job}
    assert len({span.id for span in both}) == len(both)
    assert all(span.began <= span.ended for span in both)
    assert {span.attributes["vedette.attempt"] for span in both if span.name == "run notify"} == {1, 2, 3}


def test_the_store_of_our_own_has_the_same_spans(watched: Watched, greeter: int) -> None:
    job = watched.submit(greeter)
    assert watched.home.run("jobs", "wait", job, "--timeout", "60s").returncode == 0

    def kept() -> set[str]:
        exported = json.loads(watched.home.run("jobs", "trace", job, "--format", "otlp").stdout)
        groups = [scope for group in exported["resourceSpans"] for scope in group["scopeSpans"]]
        return {span["spanId"] for scope in groups for span in scope["spans"]}

    testing.wait_for(lambda: {span.id for span in watched.collector.of_job(job)[0]} == kept(), "both have the same")


def test_jobs_at_once_never_mix(watched: Watched, greeter: int) -> None:
    ids = [watched.submit(greeter) for _ in range(4)]
    for job in ids:
        assert watched.home.run("jobs", "wait", job, "--timeout", "60s").returncode == 0
    whole = [next(iter(watched.traces(job, 22))) for job in ids]
    assert len({trace[0].trace_id for trace in whole}) == len(ids)
    for job, trace in zip(ids, whole, strict=True):
        assert {span.attributes["vedette.job.id"] for span in trace} == {job}
        assert Counter(span.name for span in trace if span.name.startswith("run")) == Counter(
            f"run {stage}" for stage in STAGES
        )


def test_no_span_holds_a_ticket_a_token_or_the_path_of_a_receiver(watched: Watched, greeter: int) -> None:
    del greeter
    token = (watched.home.folder / "home/token").read_text().strip()
    for path in ("jobs?limit=1&token=hunter2", "jobs?password=hunter2", "events?ticket=hunter2", "ws?ticket=hunter2"):
        connection = http.client.HTTPConnection("127.0.0.1", int(str(watched.home.record["port"])), timeout=10)
        connection.request("GET", f"/api/v1/{path}", headers={"Authorization": f"Bearer {token}"})
        assert connection.getresponse().status >= 400
        connection.close()
    testing.wait_for(
        lambda: any("token=***" in str(span.attributes.get("url.query")) for span in watched.collector.spans),
        "the span of a request has come, and shows no value of its query",
    )
    said = repr(watched.collector.spans) + repr(watched.collector.requests)
    assert "hunter2" not in said
    assert token not in said
    assert "/drill" not in said


@pytest.fixture
def silent() -> Iterator[int]:
    """A port that takes connections and never answers."""
    with socket.create_server(("127.0.0.1", 0), backlog=512) as listener:
        yield int(listener.getsockname()[1])


@pytest.mark.parametrize("how", ["dead", "silent"])
def test_an_endpoint_that_is_no_use_slows_no_job_and_holds_up_no_end(
    tmp_path: Path, greeter: int, silent: int, how: str
) -> None:
    home = Home(tmp_path)
    start(home, f"http://127.0.0.1:{silent if how == 'silent' else 1}")
    asked = ("scan", "host", "127.0.0.1", "--ports", str(greeter), "--report", "json", "-q")
    try:
        for _ in range(3):
            done = home.run(*asked, "--wait", "--timeout", "30s")
            assert done.returncode == 0, done.stderr
    finally:
        began = time.monotonic()
        done = home.run("down")
    assert done.returncode == 0
    assert time.monotonic() - began < STOP_S
