"""How requests end. The messages are real ones, held in a real broker."""

from __future__ import annotations

import pickle
from typing import Any

import pytest
import redis
from billiard.einfo import ExceptionInfo
from billiard.exceptions import TimeLimitExceeded, WorkerLostError
from celery.exceptions import Ignore, Reject, Retry, TaskRevokedError
from celery.worker.state import active_requests, reserved_requests, task_accepted

from shared.broker import children, keys
from shared.broker.message import MAX_DELIVERIES
from shared.contracts.dead_letter import ErrorDetail
from shared.dlq import StageFailed
from shared.errors import FailureClass, Infrastructure, Permanent, Security, Temporary
from tests.shared.broker.conftest import NoPool, letters, waiting

FAILED = StageFailed(FailureClass.EXTERNAL, "a rule", ErrorDetail(type="HostGone", code="host-gone", message="Gone."))


def information(exc: BaseException) -> ExceptionInfo:
    """What a pool tells of an exception, having sent it from one process to another."""
    try:
        raise exc  # noqa: TRY301
    except BaseException:  # noqa: BLE001
        made: ExceptionInfo = pickle.loads(pickle.dumps(ExceptionInfo()))
        return made


def held(client: redis.Redis) -> int:
    return int(client.hlen(keys.UNACKED))


def test_a_failed_stage_becomes_a_dead_letter_with_all_it_said(request_of: Any, client: redis.Redis) -> None:
    request_of(traceparent="00-1-2-03", **{keys.REPLAY_OF: "d1"}).on_failure(information(FAILED), return_ok=True)
    [letter] = letters(client)
    assert (letter["reason"], letter["failure_class"], letter["rule"]) == ("stage-failed", "external", "a rule")
    assert letter["error"] == {"type": "HostGone", "code": "host-gone", "message": "Gone."}
    assert (letter["job_id"], letter["stage"], letter["queue"]) == ("job-t", "scan", "scan")
    assert (letter["traceparent"], letter["replay_of"], letter["worker"]) == ("00-1-2-03", "d1", "scan@h")
    assert set(letter["versions"]) == {"vedette", "celery", "python"}
    assert b'"job-t.scan"' in letter["raw"]
    assert held(client) == 0


@pytest.mark.parametrize("exc", [Ignore(), Retry("later")])
def test_an_orderly_end_is_acknowledged(request_of: Any, client: redis.Redis, exc: Exception) -> None:
    request_of().on_failure(information(exc), return_ok=True)
    assert (held(client), letters(client), waiting(client)) == (0, [], [])


def test_what_a_task_gives_back_is_not_counted(request_of: Any, client: redis.Redis) -> None:
    request_of().on_failure(information(Reject("no broker", requeue=True)))
    [message] = waiting(client)
    assert keys.DELIVERIES not in message["headers"]


@pytest.mark.parametrize(
    ("exc", "runs", "reason", "failure_class"),
    [
        (
            WorkerLostError("Worker exited prematurely: signal 9 (SIGKILL) Job: 5."),
            MAX_DELIVERIES,
            "poison",
            "resource",
        ),
        (SystemExit(3), MAX_DELIVERIES, "poison", "resource"),
        (KeyboardInterrupt(), MAX_DELIVERIES, "poison", "resource"),
        (TimeLimitExceeded(300), 3, "hard-limit", "resource"),
        (MemoryError(), 3, "task-failed", "resource"),
        (Infrastructure("no disk"), MAX_DELIVERIES, "task-failed", "infrastructure"),
        (Temporary("refused"), MAX_DELIVERIES, "task-failed", "temporary"),
        (Permanent("no"), 1, "task-failed", "permanent"),
        (Security("no"), 1, "task-failed", "security"),
        (ValueError("a bug"), 1, "task-failed", "permanent"),
        (Reject("no", requeue=False), 1, "task-failed", "permanent"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, BaseException) else None,
)
def test_a_lost_run_is_counted_until_its_class_allows_no_more(
    request_of: Any, client: redis.Redis, exc: BaseException, runs: int, reason: str, failure_class: str
) -> None:
    for run in range(1, runs):
        request_of(**{keys.DELIVERIES: run}).on_failure(information(exc))
        [message] = waiting(client)
        assert message["headers"][keys.DELIVERIES] == run + 1
        assert "scan@h" in message["headers"][keys.LAST_DEATH]
        client.delete(*keys.lists("scan"))
    request_of(**{keys.DELIVERIES: runs}).on_failure(information(exc))
    [letter] = letters(client)
    assert (letter["reason"], letter["failure_class"]) == (reason, failure_class)
    assert letter.get("deliveries", 1) == runs
    assert (held(client), waiting(client)) == (0, [])


def test_a_dead_letter_knows_the_memory_of_the_child(request_of: Any, client: redis.Redis) -> None:
    children._peaks[4242] = 7 * children.MB
    made = request_of(**{keys.DELIVERIES: MAX_DELIVERIES})
    made.worker_pid = 4242
    made.on_failure(information(WorkerLostError("signal 9 (SIGKILL)")))
    [letter] = letters(client)
    assert letter["memory_bytes"] == 7 * children.MB
    assert "signal 9 (SIGKILL) (scan@h); its memory was 7 MB at most" in letter["error"]["message"]


def test_a_message_ends_once(request_of: Any, client: redis.Redis) -> None:
    made = request_of()
    made.on_failure(information(FAILED))
    made.on_failure(information(FAILED))
    made.acknowledge()
    made.withdraw("late")
    assert len(letters(client)) == 1
    assert waiting(client) == []


def test_a_withdrawn_message_is_next_uncounted_and_its_end_tells_nothing(request_of: Any, client: redis.Redis) -> None:
    made = request_of()
    made.withdraw("cancelled")
    made.on_failure(information(WorkerLostError("signal 9 (SIGKILL)")))
    [message] = waiting(client)
    assert keys.DELIVERIES not in message["headers"]
    assert letters(client) == []


def test_a_request_that_ends_is_not_counted_as_running(request_of: Any) -> None:
    for exc in (FAILED, WorkerLostError("x"), MemoryError()):
        made = request_of()
        task_accepted(made)
        made.on_failure(information(exc))
        assert made not in active_requests


def test_what_cannot_be_given_to_a_child_is_a_dead_letter_and_frees_its_place(
    request_of: Any, client: redis.Redis
) -> None:
    made = request_of()
    with pytest.raises(TaskRevokedError):  # by which Celery frees it
        made.execute_using_pool(NoPool())
    [letter] = letters(client)
    assert letter["error"]["type"] == "RecursionError"
    assert made not in reserved_requests


def test_a_revoked_task_stays_revoked(request_of: Any, client: redis.Redis) -> None:
    made = request_of()
    made._already_revoked = True
    with pytest.raises(TaskRevokedError):
        made.execute_using_pool(NoPool())
    assert letters(client) == []
