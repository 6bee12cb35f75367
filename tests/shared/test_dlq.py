"""Fingerprints: the same error on other hosts is the same, another error is not; frames and messages as far as read."""

from __future__ import annotations

import json
import time

import pytest
from hypothesis import example, given
from hypothesis import strategies as some

from shared import dlq, registry
from shared.contracts.dead_letter import DeadLetterEntry, ErrorDetail, Reason
from shared.contracts.job import Failure, StageName
from shared.dlq import fingerprint, normalised
from shared.errors import FailureClass, InvalidInput
from tests.shared.store import dying

JOB = "01928d00-1111-7222-8333-444455556666"
LABEL = some.from_regex(r"[a-z][a-z0-9-]{0,20}[a-z0-9]", fullmatch=True)
HOSTS = some.one_of(
    some.ip_addresses(v=4).map(str),
    some.ip_addresses(v=6).map(str),
    some.lists(LABEL, min_size=2, max_size=4).map(".".join).filter(lambda host: host[-1].isalpha()),
)


def mark(message: str, **fields: object) -> str:
    return fingerprint("scan", ErrorDetail.model_validate({"type": "HostUnreachable", "message": message, **fields}))


@given(
    one=HOSTS, other=HOSTS, ports=some.tuples(*[some.integers(1, 65535)] * 2), uuids=some.tuples(*[some.uuids()] * 2)
)
@example(one="::1", other="db.example.org", ports=(1, 2), uuids=(JOB, JOB))
def test_the_same_error_on_other_hosts_is_the_same(
    one: str, other: str, ports: tuple[int, int], uuids: tuple[object, object]
) -> None:
    first = f"Port {ports[0]} of {one} did not answer within 1.5 s (job {uuids[0]})."
    second = f"Port {ports[1]} of {other} did not answer within 22 s (job {uuids[1]})."
    assert mark(first) == mark(second)


@given(one=LABEL, other=LABEL)
def test_names_that_look_like_words_are_known_from_the_target(one: str, other: str) -> None:
    def of(name: str) -> str:
        error = ErrorDetail(type="X", message=f"No port of {name} answers at {name}.")
        return fingerprint("scan", error, names=[name])

    assert of(f"z{one}") == of(f"q{other}")


@given(one=some.text("abc xyz", max_size=40), other=some.text("abc xyz", max_size=40))
def test_what_is_quoted_does_not_matter(one: str, other: str) -> None:
    assert mark(f"Kind '{one}' is unknown") == mark(f"Kind '{other}' is unknown")


@pytest.mark.parametrize(
    ("changed"),
    [
        {"type": "ConnectionLost"},
        {"code": "connection-lost"},
        {"message": "127.0.0.1 said nothing."},
        {"frames": ["services.scan.net.connect:open_ports"]},
    ],
)
def test_another_error_is_another(changed: dict[str, object]) -> None:
    assert mark("127.0.0.1 did not answer.") != mark(**{"message": "127.0.0.1 did not answer.", **changed})


def test_the_stage_matters_and_the_reason_only_where_nothing_else_is_known() -> None:
    error, nothing = ErrorDetail(type="X", message="m"), ErrorDetail()
    assert fingerprint("scan", error) != fingerprint("process", error)
    assert fingerprint("scan", error, reason="poison") == fingerprint("scan", error, reason="stage-failed")
    assert fingerprint("scan", nothing, reason="malformed") != fingerprint("scan", nothing, reason="not-a-task")


def test_what_the_ledger_remembers_of_an_error_of_ours_is_the_same_error() -> None:
    with pytest.raises(InvalidInput) as raised:
        registry.target({"kind": "nothing"})
    exc = raised.value
    failure = Failure(code=exc.code, failure_class="permanent", message=exc.message)
    recorded = dlq.StageFailed.recorded(failure).error
    assert fingerprint("scan", recorded) == fingerprint("scan", dlq.detail(exc))


def test_deeper_frames_do_not_matter() -> None:
    top = [f"services.scan.a:f{place}" for place in range(dlq.TOP_FRAMES)]
    assert mark("m", frames=[*top, "x"]) == mark("m", frames=[*top, "y", "z"])


@given(some.text(max_size=3000))
@example("1:" * 1000)
@example("a." * 1000 + "!")
@example("'" * 1999)
@example("f" * 2000)
@example("::::" * 500)
@example("@" * 2000)
def test_any_message_is_normalised_in_a_moment(message: str) -> None:
    started = time.perf_counter()
    assert len(normalised(message)) <= dlq.MAX_MESSAGE
    assert time.perf_counter() - started < 0.5


def test_what_is_kept_of_an_exception_names_our_own_code() -> None:
    with pytest.raises(InvalidInput) as raised:
        registry.target({"kind": "nothing"})
    error = dlq.detail(raised.value)
    assert (error.type, error.code) == ("InvalidInput", "invalid-input")
    assert error.frames == ["shared.registry:target"]
    assert "raise InvalidInput" in error.traceback


@pytest.mark.parametrize("raw", [b"", b"5", b"[1]", b"null", b"\xff", b'{"body": "!"', b"[" * 100_000])
def test_what_is_no_message_is_not_decoded(raw: bytes) -> None:
    assert dlq.decoded(raw) is None


def test_a_message_is_decoded() -> None:
    message = dlq.decoded(dying.message(JOB, run=3))
    assert message is not None
    assert message["headers"]["task"] == "scan.run"
    assert message["body"][0][0]["run"] == 3


def test_a_body_that_cannot_be_decoded_is_shown_as_it_is() -> None:
    raw = json.dumps({"body": "%%", "properties": {"body_encoding": "base64"}, "headers": []}).encode()
    assert dlq.decoded(raw) == {"body": "%%", "properties": {"body_encoding": "base64"}, "headers": []}


def test_job_stage_and_run_are_found_wherever_they_stand() -> None:
    bare = DeadLetterEntry(reason=Reason.POISON, failure_class=FailureClass.RESOURCE)
    named = bare.model_copy(update={"task_id": f"{JOB}.report"})
    assert dlq.named(named, b"") == (JOB, StageName.REPORT, 0)
    assert dlq.named(bare, dying.message(JOB, run=2)) == (JOB, None, 2)
    assert dlq.named(named, dying.message("another", run=2)) == (JOB, StageName.REPORT, 0)


@given(some.recursive(some.none() | some.integers() | some.text(), lambda inner: some.lists(inner, max_size=3)))
def test_no_body_stops_the_reading_of_names(body: object) -> None:
    bare = DeadLetterEntry(reason=Reason.MALFORMED, failure_class=FailureClass.PERMANENT, task_id="x")
    raw = json.dumps({"body": body, "properties": None}).encode()
    assert dlq.named(bare, raw) == (None, None, 0)
