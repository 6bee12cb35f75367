"""Letters that anybody can make who reaches the broker: those of one queue, reason and minute are one letter.

So a flood of them fills neither the database nor a list that people read. Nothing that such a message says of itself
counts for what is equal, or it would say something else each time.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta
from typing import Any

from sqlalchemy import Connection, select, update

from shared import dlq
from shared.contracts.dead_letter import DeadLetterEntry, DeadLetterState, ErrorDetail
from shared.contracts.lanes import STAGE_OF
from shared.ids import now
from shared.store.tables import dead_letters as letters

PERIOD = timedelta(minutes=1)  # from the first of a letter to the last that it takes in
REMEMBERED = 200  # entries of the stream that a letter took in last; an ingester that died brings up to 100 again

_NEWEST = 2  # letters of a pile looked at: an entry that comes a second time may be of the one before
_NAMES = ("id", "state", "count", "error", "first_failed_at")


class Piles:
    """Reads once what is there of the piles of a batch, takes more in, and writes it in the end."""

    def __init__(self, connection: Connection, entries: Iterable[DeadLetterEntry]) -> None:
        self._connection = connection
        self._at = now()
        self._found = {each: self._newest(each) for each in sorted({fingerprint(entry) for entry in entries})}
        self._changed: dict[str, dict[str, Any]] = {}

    def has(self, entry: DeadLetterEntry, stream_id: str) -> bool:
        """Whether a letter has already taken this entry of the stream in."""
        return any(stream_id in _merged(each) for each in self._found[fingerprint(entry)])

    def add(self, entry: DeadLetterEntry, stream_id: str) -> bool:
        """Count an entry with the open letter of this minute. False: there is none."""
        newest = next(iter(self._found[fingerprint(entry)]), None)
        if newest is None or newest["state"] != DeadLetterState.OPEN:
            return False
        if self._at - newest["first_failed_at"] >= PERIOD:
            return False
        newest["count"] += 1
        newest["error"] = {**newest["error"], "merged": [*_merged(newest), stream_id][-REMEMBERED:]}
        self._changed[newest["id"]] = newest
        return True

    def sample(self, entry: DeadLetterEntry) -> DeadLetterEntry:
        """Return an entry as a letter shows it: of no job and of this minute, whatever it says."""
        return entry.model_copy(update={"job_id": None, "stage": None, "queue": queue(entry), "at": self._at})

    def begin(self, row: dict[str, Any]) -> None:
        """Take note of a letter that was written, as the one that takes in what follows."""
        self._found[row["fingerprint"]].insert(0, {name: row[name] for name in _NAMES})

    def write(self) -> None:
        """Write what was added."""
        for letter_id, pile in self._changed.items():
            values = {"count": pile["count"], "error": pile["error"], "last_failed_at": self._at}
            self._connection.execute(update(letters).where(letters.c.id == letter_id).values(**values))

    def _newest(self, group: str) -> list[dict[str, Any]]:
        mine = (letters.c.fingerprint == group, letters.c.job_id.is_(None))
        query = select(*(letters.c[name] for name in _NAMES)).where(*mine).order_by(letters.c.id.desc())
        return [dict(row) for row in self._connection.execute(query.limit(_NEWEST)).mappings()]


def fingerprint(entry: DeadLetterEntry) -> str:
    """Return what is the same for all entries of a pile."""
    return dlq.fingerprint(queue(entry), ErrorDetail(code=entry.reason.value))


def queue(entry: DeadLetterEntry) -> str:
    """Return the queue that an entry names, where there is such a queue."""
    return entry.queue if entry.queue in STAGE_OF else ""


def _merged(pile: dict[str, Any]) -> list[str]:
    found: list[str] = pile["error"].get("merged", [])
    return found
