"""Takes in what processes recorded of jobs: from the stream on the bus into SQL; and deletes what is old.

An entry is deleted from the stream after the commit that kept it; one that comes twice is kept once.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from typing import Any

import redis
import structlog

from shared import bus, spool
from shared.broker import refusals
from shared.broker.client import BrokerAway
from shared.contracts.record import RecordBatch
from shared.errors import Infrastructure
from shared.ids import now
from shared.keyring import Unverified
from shared.settings import settings
from shared.store import lines, records
from shared.store.engine import writing
from shared.store.sampling import Sample, settle

log = structlog.get_logger()

AT_ONCE = 200  # entries in one transaction
IDLE_S = 0.25  # between two looks while little comes
AWAY_S = 1.0  # while bus or database is away
TIDY_EVERY_S = 60.0
SAMPLE_EVERY_S = 5.0
LATE_S = 30.0  # after the end of a job; its last spans come within a second, unless this process was away

Entry = tuple[str, Mapping[bytes, bytes]]


def run(stop: threading.Event) -> None:
    """Take records in until `stop` is set."""
    due = {sample: 0.0, tidy: 0.0}
    every_s = {sample: SAMPLE_EVERY_S, tidy: TIDY_EVERY_S}
    while not stop.is_set():
        waits = [_attempt(take_in)]
        for work in [work for work, at in due.items() if time.monotonic() >= at]:
            waits.append(_attempt(work))
            due[work] = time.monotonic() + (every_s[work] if waits[-1] else 0.0)  # there is more
        stop.wait(AWAY_S if AWAY_S in waits else min(waits))


def take_in() -> int:
    """Take in what is in the stream, up to `AT_ONCE` entries; return how many. Raises Infrastructure; all stay then."""
    entries = _read()
    if not entries:
        return 0
    batches = [batch for _, fields in entries if (batch := _opened(fields))]
    try:
        _keep(batches)
    except Infrastructure:
        raise
    except Exception:  # one batch that the database refuses must not hold up all that come after it
        log.exception("recorder.transaction.failed")
        _keep_singly(batches)
    _delete([entry_id for entry_id, _ in entries])
    return len(entries)


def sample() -> int:
    """Decide of jobs that are over whether their spans stay; return of how many."""
    chosen = settings()
    asked = Sample(chosen.trace_sample_ratio, chosen.trace_slow_s, now() - timedelta(seconds=LATE_S))
    with writing() as connection:
        return settle(connection, asked)


def tidy() -> int:
    """Delete what is older than the setting says; return how many batches."""
    with writing() as connection:
        old = now() - timedelta(days=settings().trace_keep_days)
        return records.forget(connection, old) + lines.forget(connection, old)


def _keep(batches: Sequence[RecordBatch]) -> None:
    with writing() as connection:
        records.keep(connection, batches, is_settled=settings().trace_sample_ratio >= 1)
        lines.keep(connection, batches)


def _keep_singly(batches: Sequence[RecordBatch]) -> None:
    for batch in batches:
        try:
            _keep([batch])
        except Infrastructure:
            raise
        except Exception:
            log.exception("recorder.batch.refused", batch=batch.id, by=batch.service)


def _attempt(work: Callable[[], int]) -> float:
    try:
        return 0.0 if work() >= AT_ONCE else IDLE_S  # a few more with one transaction cost less than one each
    except Infrastructure as exc:
        log.warning("recorder.delayed", error=exc.code, message=exc.message)
    except Exception:
        log.exception("recorder.failed")  # the next round may fare better; a loop that ended would not
    return AWAY_S


def _read() -> list[Entry]:
    try:
        found: Any = bus.client().xrange(spool.STREAM, count=AT_ONCE)
    except (redis.RedisError, OSError) as exc:
        raise BrokerAway("The bus did not answer.") from exc
    return [(entry_id.decode(), fields or {}) for entry_id, fields in found]


def _delete(ids: Sequence[str]) -> None:
    try:
        bus.client().xdel(spool.STREAM, *ids)
    except (redis.RedisError, OSError) as exc:
        raise BrokerAway("The bus did not answer.") from exc


def _opened(fields: Mapping[bytes, bytes]) -> RecordBatch | None:
    """Return the batch of an entry; of one that is not ours, or is none, nothing is kept but that it came."""
    try:
        return spool.opened(fields)
    except Unverified as exc:
        log.error("recorder.security.refused", code=exc.code)  # noqa: TRY400  its traceback says no more
        refusals.count({exc.code: 1})
    except ValueError as exc:
        log.warning("recorder.entry.unreadable", error=type(exc).__name__)
    return None
