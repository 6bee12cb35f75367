"""What is done to single dead letters, and the export of many."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from gateway import broker, bulk, lookup, names
from gateway.auth import Caller
from gateway.page import Paging
from shared.contracts.dead_letter import BulkReplay, DeadLetterView, Forecast, Replay, Verdict
from shared.contracts.triage import DeadLetterFilter, Reclassify, Snooze
from shared.errors import Conflict
from shared.store import audit, dead_letters, triage
from shared.store.dead_letters import Place
from shared.store.engine import reading, writing

EXPORT_PAGE = 200  # read at a time
EXPORT_LIMIT = 100_000  # of one export
ORDER = ("last_failed_at", "id")  # of lists: the fields of a Place


class ReplayRefused(Conflict):
    """The dead letter cannot be replayed; `code` says why."""

    def __init__(self, verdict: Verdict) -> None:
        super().__init__(verdict.detail or f"Dead letter {verdict.id} cannot be replayed: {verdict.code}.")
        self._code = verdict.code

    @property
    def code(self) -> str:
        return self._code


def replay(caller: Caller, piece: str, how: Replay) -> Verdict:
    """Replay one dead letter. Raises ReplayRefused, NamesBusy."""
    with reading(caller.org_id) as connection:
        letter_id = lookup.letter_id(connection, caller, piece)
    with writing(caller.org_id) as connection:  # before: what cannot be written down is not done
        about = caller.org_id, caller.actor, "dlq.replaying", _subject(letter_id)
        audit.add(connection, *about, address=caller.address)
    verdict: Verdict
    with names.turn(caller.org_id):
        [verdict] = broker.replay().replay(caller.org_id, [letter_id], how, caller.actor)
    with writing(caller.org_id) as connection:
        plain = how.model_dump(mode="json", exclude_defaults=True)
        audit.add(
            connection,
            caller.org_id,
            caller.actor,
            "dlq.replay",
            _subject(letter_id),
            code=verdict.code,
            how=plain,
            address=caller.address,
        )
    if not verdict.ok:
        raise ReplayRefused(verdict)
    return verdict


def forecast(caller: Caller, asked: BulkReplay) -> Forecast:
    """Return what a replay would do. Raises NamesBusy."""
    selection = bulk.whole(caller, asked.selection)
    with names.turn(caller.org_id):
        found: Forecast = broker.replay().forecast(caller.org_id, selection, asked.how)
    return found


def classify(caller: Caller, piece: str, asked: Reclassify) -> DeadLetterView:
    """Give a dead letter another class, and perhaps a rule."""
    with writing(caller.org_id) as connection:
        letter_id = lookup.letter_id(connection, caller, piece)
        found = triage.reclassify(
            connection, caller.org_id, letter_id, asked.failure_class, caller.actor, learn=asked.learn
        )
        failure_class, learn = asked.failure_class, asked.learn
        about = caller.org_id, caller.actor, "dlq.classify", _subject(letter_id)
        audit.add(connection, *about, failure_class=failure_class, learn=learn, address=caller.address)
    return found


def snooze(caller: Caller, piece: str, asked: Snooze) -> DeadLetterView:
    """Put a dead letter aside."""
    with writing(caller.org_id) as connection:
        letter_id = lookup.letter_id(connection, caller, piece)
        found = triage.snooze(connection, caller.org_id, letter_id, asked.until)
        until = asked.until.isoformat()
        audit.add(
            connection,
            caller.org_id,
            caller.actor,
            "dlq.snooze",
            _subject(letter_id),
            until=until,
            address=caller.address,
        )
    return found


def export(caller: Caller, which: DeadLetterFilter) -> Iterator[bytes]:
    """Yield dead letters as JSON lines, a page at a time. The first page is read when the first is asked for."""
    before, left = None, EXPORT_LIMIT
    while left > 0:
        size = min(left, EXPORT_PAGE)
        with reading(caller.org_id) as connection:
            found = dead_letters.page(connection, caller.org_id, which, limit=size, before=before)
        yield b"".join(one.model_dump_json().encode() + b"\n" for one in found)
        if len(found) < size:
            return
        before, left = Place(found[-1].last_failed_at, found[-1].id), left - size


def place(paging: Paging) -> Place | None:
    """Return the dead letter before the page that is asked for, or None for the first page."""
    if not paging.place:
        return None
    failed_at, letter_id = paging.place
    return Place(datetime.fromisoformat(failed_at), letter_id)


def _subject(letter_id: str) -> str:
    return f"dead-letter:{letter_id}"
