"""Takes dead letters in: from the stream in the broker's database, where workers leave them, into SQL.

An entry is deleted from the stream after the commit that wrote it; one that comes twice is known by its id. What
cannot be read becomes a dead letter itself.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any

import structlog

from shared import bus, dlq
from shared.broker import keys, refusals
from shared.broker.client import BrokerAway, answering
from shared.contracts.dead_letter import MAX_RAW, DeadLetterEntry, ErrorDetail, Reason
from shared.errors import FailureClass, Infrastructure
from shared.ids import now
from shared.pipeline import resend
from shared.store import burial, settling
from shared.store.burial import BATCH, Arrival, TakenIn
from shared.store.engine import writing

log = structlog.get_logger()

IDLE_S = 0.25  # between two looks while nothing comes
AWAY_S = 1.0  # while broker or database is away
SETTLE_EVERY_S = 1.0
TIDY_EVERY_S = 30.0
MAX_ENTRY = 512 * 1024  # bytes of what is said of a message; ours say a fifth of that at most

Fields = Mapping[bytes, bytes]

# Of no queue, whatever it says: so it is no letter with the messages that workers refused.
_FORGED = DeadLetterEntry(
    reason=Reason.UNSIGNED,
    failure_class=FailureClass.SECURITY,
    rule="signature",
    error=ErrorDetail(
        type="Unsigned",
        code="unsigned",
        message="A dead letter on its way to SQL was not written by this installation; it ended no step.",
        cure="Find out who writes into the broker's database.",
    ),
)


def run(stop: threading.Event) -> None:
    """Take dead letters in, and see how replays ended, until `stop` is set."""
    settle_at = tidy_at = 0.0
    while not stop.is_set():
        wait_s = _attempt(ingest_once)
        if time.monotonic() >= settle_at:
            wait_s = max(wait_s, _attempt(settling.settle))
            settle_at = time.monotonic() + SETTLE_EVERY_S
        if time.monotonic() >= tidy_at:
            wait_s = max(wait_s, _attempt(settling.tidy))
            tidy_at = time.monotonic() + TIDY_EVERY_S
        stop.wait(wait_s)


def ingest_once() -> int:
    """Take in what is in the stream; return how many entries. Raises Infrastructure; what was not taken in stays."""
    taken, after = 0, "-"
    while batch := _read(after):
        written = _write(batch)
        with answering() as client:
            client.xdel(keys.DEAD_LETTERS, *written)
        taken, after = taken + len(written), f"({batch[-1][0]}"
    return taken


def _attempt(work: Callable[[], int]) -> float:
    """Do a piece of work; return how long to wait before the next."""
    try:
        return 0.0 if work() else IDLE_S
    except Infrastructure as exc:
        log.warning("ingester.delayed", error=exc.code, message=exc.message)
    except Exception:
        log.exception("ingester.failed")  # the next round may fare better; a loop that ended would not
    return AWAY_S


def _read(after: str) -> list[tuple[str, Fields]]:
    with answering() as client:
        found: Any = client.xrange(keys.DEAD_LETTERS, min=after, count=BATCH)
    return [(stream_id.decode(), fields or {}) for stream_id, fields in found]


def _write(batch: Sequence[tuple[str, Fields]]) -> list[str]:
    """Write a batch in one transaction; where that fails for the sake of an entry, each in one of its own."""
    try:
        _commit([_arrival(*each) for each in batch])
        return [stream_id for stream_id, _ in batch]
    except Infrastructure:
        raise
    except Exception as exc:  # noqa: BLE001  logged without its text, which may hold what messages hold
        log.warning("ingester.batch.failed", entries=len(batch), error=type(exc).__name__)
    return [stream_id for stream_id, fields in batch if _write_one(stream_id, fields)]


def _write_one(stream_id: str, fields: Fields) -> bool:
    for make in (_arrival, _unreadable):
        try:
            _commit([make(stream_id, fields)])
        except Infrastructure:
            raise
        except Exception as exc:  # noqa: BLE001  as above
            log.warning("ingester.entry.failed", stream_id=stream_id, error=type(exc).__name__)
        else:
            return True
    return False  # it stays in the stream, and those behind it are taken in


def _commit(arrivals: Sequence[Arrival]) -> None:
    with writing() as connection:
        done = burial.take_in(connection, arrivals)
    _tell(done)


def _tell(done: TakenIn) -> None:
    bus.publish(done.events)
    if done.untold:
        resend([(job_id, stage, "") for job_id, stage in done.untold])
    if done.alarms:
        log.error("ingester.security.refused", letters=done.alarms)
    with suppress(BrokerAway):  # they are dead letters and audited, which matters more than their number
        refusals.count(done.unverified)
    if done.new or done.merged:
        log.info("ingester.taken", new=done.new, merged=done.merged, buried=len(done.untold))


def _arrival(stream_id: str, fields: Fields) -> Arrival:
    if len(fields.get(b"entry", b"")) > MAX_ENTRY:
        return _unreadable(stream_id, fields)
    try:
        entry, raw = DeadLetterEntry.read(stream_id, fields)
    except Exception as exc:  # noqa: BLE001  whatever somebody wrote there
        return _unreadable(stream_id, fields, exc)
    if not dlq.is_ours(entry, fields):
        return Arrival(stream_id, _FORGED, raw[:MAX_RAW])
    job_id, stage, run = dlq.named(entry, raw)
    return Arrival(stream_id, entry.model_copy(update={"job_id": job_id, "stage": stage}), raw[:MAX_RAW], run)


def _unreadable(stream_id: str, fields: Fields, exc: Exception | None = None) -> Arrival:
    entry = DeadLetterEntry(
        reason=Reason.UNDECODABLE_ENVELOPE,
        failure_class=FailureClass.PERMANENT,
        rule="an entry of dlq:in that cannot be read",
        error=ErrorDetail(
            type=type(exc).__name__ if exc else "",
            message="A dead letter on its way to SQL could not be read.",
            cure="Look at its payload: who wrote it into the broker's database?",
        ),
        at=now(),
    )
    raw = b"\n".join(b"%s: %s" % (name, value) for name, value in fields.items())
    return Arrival(stream_id, entry, raw[:MAX_RAW])
