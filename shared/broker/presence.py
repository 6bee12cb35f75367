"""Which workers there are: each writes a record of itself every two seconds, and takes it away when it ends.

A record of a worker that was killed stays until it is trimmed; it is too old to count as live soon.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from importlib.metadata import version

import redis
from pydantic import ValidationError

from shared.broker import keys
from shared.broker.client import Script
from shared.contracts.job import Contract
from shared.contracts.queues import ActiveTask, WorkerView

EVERY_S = 2.0
LIVE_S = 15.0  # a worker that reconnects to its broker is silent for some seconds
KEPT_S = 3600.0  # the record of a lost worker, for people who ask what became of it

VERSION = version("vedette-shared")

# Redis stamps the record: clocks of workers differ. Both also on a full server: see Script.
_WRITE = Script("""
redis.call('HDEL', KEYS[1], ARGV[1])
local time = redis.call('TIME')
local at = string.format('{"at":%d.%06d,', time[1], time[2])
redis.call('HSET', KEYS[1], ARGV[1], at .. string.sub(ARGV[2], 2))
""")
_REMOVE = Script("""
local record = redis.call('HGET', KEYS[1], ARGV[1])
local removed = redis.call('HDEL', KEYS[1], ARGV[1])
if record then redis.call('HSET', KEYS[2], ARGV[1], record) end
return removed
""")


class WorkerRecord(Contract):
    """A worker, as it says of itself. at: unix time by the clock of Redis, seconds.  queues: those it takes from.

    concurrency: tasks that it can run at once.
    """

    hostname: str
    service: str
    pid: int
    queues: list[str]
    concurrency: int
    active: list[ActiveTask] = []
    version: str = VERSION
    started_at: datetime
    at: float = 0.0

    @property
    def busy(self) -> int:
        return len(self.active)

    @property
    def seen_at(self) -> datetime:
        return datetime.fromtimestamp(self.at, UTC)

    @property
    def view(self) -> WorkerView:
        """This worker as people see it."""
        fields = self.model_dump(exclude={"at"})
        return WorkerView(**fields, busy=self.busy, seen_at=self.seen_at)


def write(client: redis.Redis, record: WorkerRecord) -> None:
    """Write or renew a record, at the time of Redis. Raises redis.RedisError."""
    document = record.model_dump_json(exclude={"at"})
    _WRITE.run(client, [keys.WORKERS], [record.hostname, document])


def remove(client: redis.Redis, hostname: str) -> None:
    """Take a record away: its worker ends of its own will. It is kept aside for `left`."""
    _REMOVE.run(client, [keys.WORKERS, keys.LEFT], [hostname])


def live(client: redis.Redis) -> list[WorkerRecord]:
    """Return the workers that gave a sign of life within `LIVE_S`, by name."""
    records, now = _read(client)
    return [record for record in records if now - record.at < LIVE_S]


def lost(client: redis.Redis) -> list[WorkerRecord]:
    """Return the workers that fell silent and did not take leave, by name."""
    records, now = _read(client)
    return [record for record in records if now - record.at >= LIVE_S]


def left(client: redis.Redis) -> list[WorkerRecord]:
    """Return the workers that took leave lately, by name; one may be back meanwhile."""
    return _read(client, keys.LEFT)[0]


def trim(client: redis.Redis) -> int:
    """Remove the records of workers that have been lost or left for `KEPT_S`. Returns how many."""
    return _trim(client, keys.WORKERS) + _trim(client, keys.LEFT)


def _trim(client: redis.Redis, name: str) -> int:
    records, now = _read(client, name)
    old = [record.hostname for record in records if now - record.at >= KEPT_S]
    return int(client.hdel(name, *old)) if old else 0


def _read(client: redis.Redis, name: str = keys.WORKERS) -> tuple[list[WorkerRecord], float]:
    pipe = client.pipeline(transaction=False)
    pipe.hvals(name)
    pipe.time()
    documents, (seconds, microseconds) = pipe.execute()
    return sorted(_records(documents), key=lambda record: record.hostname), float(seconds) + float(microseconds) / 1e6


def _records(documents: Iterable[bytes]) -> Iterable[WorkerRecord]:
    for document in documents:
        try:
            yield WorkerRecord.model_validate_json(document)
        except ValidationError:  # of another version
            continue
