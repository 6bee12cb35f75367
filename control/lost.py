"""Steps whose message was lost: their turn has come, and neither a queue, nor a worker, nor a dead letter has them.

Redis may forget what it was told last, or be flushed; a message may be deleted by hand. Such a step is seen missing in
two rounds some seconds apart, with nothing having happened to it in between, and is then sent again under the same id;
after `MAX_RESENT` times it becomes a dead letter. A message that was not lost after all does no harm: the ledger lets
only one delivery end a step.

Cheap while nothing is lost: steps and messages are counted, and listed only when there are more steps than messages,
or once a minute, in case messages of no job hide a loss.
"""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from itertools import islice
from typing import Any

import redis
import structlog

from shared import bus, dlq
from shared.broker import depth, keys, presence
from shared.broker.client import answering
from shared.contracts.dead_letter import DeadLetterEntry, ErrorDetail, Reason
from shared.contracts.job import StageName
from shared.contracts.lanes import LANES
from shared.errors import FailureClass, Infrastructure
from shared.ids import now
from shared.pipeline import AT_ONCE, resend
from shared.settings import settings
from shared.store import repairs
from shared.store.engine import reading, writing
from shared.store.repairs import Turn

log = structlog.get_logger()

FULL_EVERY_S = 60.0
MISSING_S = 4.0  # a flushed Redis hears from a worker what it does within 2 s
MAX_RESENT = 5
AT_MOST = 2000  # sent again in a round, some seconds' work: other repairs have their turn too
DYING_AT_ONCE = 100  # of them, each with a message of up to a megabyte
DYING_LIMIT = 10_000  # dead letters on their way to SQL that are looked through
_WHY = "its turn had come, but no queue, worker or dead letter had its message"


class TooManyDying(Infrastructure):
    """Dead letters are not taken in; until they are, nobody knows which steps are lost."""


class LostSteps:
    """Remembers from one round to the next which steps were missing."""

    def __init__(self) -> None:
        self._suspects: dict[Turn, float] = {}  # since when it is missing, monotonic
        self._full_at = 0.0
        self._patient_until: dict[tuple[str, StageName, str], float] = {}

    def __call__(self) -> int:
        """Send again or bury what has been missing since the last round; return how many steps.

        Raises BrokerAway; what was not sent then is lost still, and found again.
        """
        with answering() as client:
            missing = self._missing(client)
        at = time.monotonic()
        self._patient_until = {step: until for step, until in self._patient_until.items() if until > at}
        lost = list(islice((turn for turn in missing if self._is_lost(turn, at)), AT_MOST))  # the oldest jobs first
        self._suspects = {turn: self._suspects.get(turn, at) for turn in missing}
        _give_up([turn for turn in lost if turn.resent >= MAX_RESENT])
        _send([turn for turn in lost if turn.resent < MAX_RESENT])
        return len(lost)

    def _is_lost(self, turn: Turn, at: float) -> bool:
        """Say whether to send a step again. The pause doubles each time: trouble that goes on must not end jobs."""
        if at - self._suspects.get(turn, at + 1) < min(settings().republish_after_s, MISSING_S):
            return False
        step = (turn.job_id, turn.stage, turn.part)
        if step in self._patient_until:
            return False
        self._patient_until[step] = at + settings().republish_after_s * 2 ** (turn.resent + 1)
        return True

    def _missing(self, client: redis.Redis) -> list[Turn]:
        """Return the steps that nobody has, as they are after that was seen."""
        before = now() - timedelta(seconds=settings().republish_after_s)
        if not self._suspects and time.monotonic() < self._full_at and not _lacks_messages(client, before):
            return []
        with reading() as connection:
            due = repairs.turns(connection, before)
        has = _jobs_with_a_message(client) if due else set()
        missing = [turn for turn in due if turn.job_id not in has]
        self._full_at = time.monotonic() + FULL_EVERY_S
        with reading() as connection:
            unchanged = frozenset(repairs.turns(connection, before, {turn.job_id for turn in missing}))
        return [turn for turn in missing if turn in unchanged]


def _lacks_messages(client: redis.Redis, before: datetime) -> bool:
    with reading() as connection:
        steps = repairs.count_turns(connection, before)
    if not steps:
        return False
    lanes = depth.snapshot(client).lanes.values()
    return steps > sum(lane.total + lane.unacknowledged for lane in lanes)


def _jobs_with_a_message(client: redis.Redis) -> set[str]:
    """Return the jobs that a queue, a worker or a dead letter on its way has."""
    ids = depth.present(client) | _active(client) | _dying(client)
    return {task_id.partition(".")[0] for task_id in ids}


def _active(client: redis.Redis) -> set[str]:
    """Return the tasks that workers say they are at: a flushed Redis forgets whose they are, their workers do not."""
    return {task.task_id for worker in presence.live(client) for task in worker.active}


def _dying(client: redis.Redis) -> set[str]:
    """Return the tasks, or where unknown the jobs, of the dead letters that are not in SQL yet."""
    found: set[str] = set()
    seen, after = 0, "-"
    while entries := _entries(client, after):
        seen, after = seen + len(entries), f"({entries[-1][0].decode()}"
        if seen > DYING_LIMIT:
            raise TooManyDying(f"More than {DYING_LIMIT} dead letters wait to be taken in.")
        for _, fields in entries:
            with suppress(ValueError, LookupError, TypeError, AttributeError):
                entry = json.loads(fields[b"entry"])
                found |= {str(entry.get("task_id") or ""), str(entry.get("job_id") or "")}
    return found


def _entries(client: redis.Redis, after: str) -> Any:  # noqa: ANN401
    return client.xrange(keys.DEAD_LETTERS, min=after, count=DYING_AT_ONCE)


def _send(lost: Sequence[Turn]) -> None:
    for start in range(0, len(lost), AT_ONCE):
        batch = lost[start : start + AT_ONCE]
        resend([(turn.job_id, turn.stage, turn.part) for turn in batch])
        with writing() as connection:
            told = repairs.note_resent(connection, batch, _WHY)
        bus.publish(told)
        for turn in batch:
            log.warning("reconciler.step.resent", job_id=turn.job_id, stage=turn.stage, times=turn.resent + 1, why=_WHY)


def _give_up(lost: Sequence[Turn]) -> None:
    """Make dead letters of steps; the ingester ends the steps with them. Twice the same is merged there."""
    for turn in lost:
        entry: Any = dlq.fields(_letter(turn), b"")  # redis-py wants a dict of more types than these
        with answering() as client:
            client.xadd(keys.DEAD_LETTERS, entry)
        with writing() as connection:
            told = repairs.note_given_up(connection, [turn], _WHY)
        bus.publish(told)
        log.error("reconciler.step.given-up", job_id=turn.job_id, stage=turn.stage, times=turn.resent, why=_WHY)


def _letter(turn: Turn) -> DeadLetterEntry:
    return DeadLetterEntry(
        reason=Reason.MESSAGE_LOST,
        failure_class=FailureClass.INFRASTRUCTURE,
        rule=f"the reconciler sent it {turn.resent} times, and it was lost each time",
        queue=turn.lane if turn.stage is StageName.SCAN else LANES[turn.stage][0],
        task=f"{turn.stage}.run",
        task_id=".".join(filter(None, (turn.job_id, turn.stage, turn.part))),
        job_id=turn.job_id,
        org_id=turn.org_id,
        stage=turn.stage,
        part=turn.part,
        run=turn.run,
        error=ErrorDetail(
            code="message-lost",
            message=f"The message of the {turn.stage} stage was lost {turn.resent + 1} times.",
            cure="See that Redis keeps what it is told (appendonly, noeviction): vedette doctor. Then replay it.",
        ),
        retries=turn.retries,
        at=now(),
    )
