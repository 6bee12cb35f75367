"""Bulk work as it comes in: what it is about is checked and counted, and an operation does it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from gateway import idempotency, lookup
from gateway.auth import Caller
from gateway.lookup import IdAmbiguous
from gateway.problems import InvalidRequest
from shared.contracts.dead_letter import BulkReplay, Forecast, Selection, Verdict
from shared.contracts.operation import BulkCancel, Operation, OperationKind
from shared.contracts.problems import FieldError
from shared.contracts.query import DEAD_LETTERS, JOBS, Field, QueryWrong, parse
from shared.contracts.triage import BulkDiscard
from shared.errors import Conflict, NotFound
from shared.store import audit, cancels, dead_letters, operations
from shared.store.engine import Connection, reading, writing
from shared.store.pieces import ID_LENGTH

SAMPLES = 1


class CountDiffers(Conflict):
    """There are more or fewer of them than the caller thinks. `extension` says how many."""

    def __init__(self, found: int, expected: int | None, what: str) -> None:
        super().__init__(
            f"There are {found} {what}, not {expected}." if expected is not None else f"It would be {found} {what}.",
            cure=f"Look at them, then send `expect: {found}`.",
        )
        self.extension = {"count": found}
        self.expected = expected


def replay(caller: Caller, asked: BulkReplay) -> Operation:
    """Write the operation that replays a selection. Raises what is wrong with it."""
    if begun := _begun(caller):
        return begun
    asked = asked.model_copy(update={"selection": whole(caller, asked.selection)})
    with writing(caller.org_id) as connection:
        params = asked.model_dump(mode="json", exclude={"dry_run"})
        return _letters(connection, caller, OperationKind.REPLAY, asked.selection, params)


def discard(caller: Caller, asked: BulkDiscard) -> Operation | Forecast:
    """Write the operation that discards a selection. Raises CountDiffers, and what is wrong with the selection."""
    if begun := _begun(caller):
        return begun
    selection = whole(caller, asked.selection)
    with _told(caller, OperationKind.DISCARD), writing(caller.org_id) as connection:
        count = dead_letters.count(connection, caller.org_id, selection)
        if asked.dry_run:
            return _sure(count, dead_letters.ids(connection, caller.org_id, selection, limit=SAMPLES))
        if count != asked.expect and not (asked.expect is None and selection.ids):
            raise CountDiffers(count, asked.expect, "dead letters")
        params = {"selection": selection.model_dump(mode="json"), "reason": asked.reason}
        return _letters(connection, caller, OperationKind.DISCARD, selection, params)


def cancel(caller: Caller, asked: BulkCancel) -> Operation | Forecast:
    """Write the operation that cancels jobs. Raises CountDiffers, and what is wrong with what it is about."""
    if begun := _begun(caller):
        return begun
    check_query(asked.q, JOBS, "/q")
    with reading(caller.org_id) as connection:
        ids = whole_ids(asked.ids, lambda piece: lookup.job_id(connection, caller, piece), "/ids")
        batch_id = asked.batch_id
        if batch_id and len(batch_id) < ID_LENGTH:
            batch_id = lookup.batch_id(connection, caller, batch_id)
    which = asked.model_copy(update={"ids": ids, "batch_id": batch_id})
    with _told(caller, OperationKind.CANCEL), writing(caller.org_id) as connection:
        total = cancels.count(connection, caller.org_id, which)
        if asked.dry_run:
            return _sure(total, cancels.ids(connection, caller.org_id, which, limit=SAMPLES))
        if asked.expect is not None and asked.expect != total:
            raise CountDiffers(total, asked.expect, "jobs")
        params = which.model_dump(mode="json", include={"ids", "q", "batch_id"})
        until = cancels.last_id(connection, caller.org_id, which)
        return _begin(connection, caller, OperationKind.CANCEL, params, total=total, until=until)


def whole(caller: Caller, selection: Selection) -> Selection:
    """Return a selection whose ids are whole, none twice. Raises InvalidRequest naming those that are none."""
    check_query(selection.q, DEAD_LETTERS, "/selection/q")
    with reading(caller.org_id) as connection:
        ids = whole_ids(selection.ids, lambda piece: lookup.letter_id(connection, caller, piece), "/selection/ids")
    return selection.model_copy(update={"ids": ids})


def check_query(q: str | None, fields: Mapping[str, Field], pointer: str) -> None:
    """Raises QueryWrong, which points at where the query stands in the body. An empty query would mean everything."""
    if q is not None and not q.strip():
        raise QueryWrong("The query is empty.", cure="Say what is meant, e.g. `state:failed`.", pointer=pointer)
    try:
        parse(q or "", fields)
    except QueryWrong as exc:
        raise QueryWrong(exc.message, cure=exc.cure, pointer=pointer) from None


def whole_ids(pieces: Sequence[str], find: Callable[[str], str], pointer: str) -> list[str]:
    """Return the ids that `find` knows for pieces of them, none twice. Raises InvalidRequest naming those of none."""
    found: dict[str, None] = {}
    errors, cure = [], ""
    for place, piece in enumerate(pieces):
        try:
            found[find(piece)] = None
        except (NotFound, IdAmbiguous) as exc:
            errors.append(FieldError(pointer=f"{pointer}/{place}", detail=exc.message))
            cure = cure or exc.cure
    if errors:
        raise InvalidRequest(errors[0].detail, errors, cure=cure)
    return list(found)


@contextmanager
def _told(caller: Caller, kind: OperationKind) -> Iterator[None]:
    """Write down that something was refused for its number. Outside of the transaction, which fails with it."""
    try:
        yield
    except CountDiffers as exc:
        about = caller.org_id, caller.actor, f"{kind}-refused", "selection"
        audit.refused(*about, address=caller.address, count=exc.extension["count"], expected=exc.expected)
        raise


def _letters(
    connection: Connection, caller: Caller, kind: OperationKind, selection: Selection, params: dict[str, Any]
) -> Operation:
    total = dead_letters.count(connection, caller.org_id, selection)
    # What comes later is not meant, least of all what fails again because of this operation.
    until = dead_letters.last_id(connection, caller.org_id, selection)
    return _begin(connection, caller, kind, params, total=total, until=until)


def _begin(
    connection: Connection, caller: Caller, kind: OperationKind, params: dict[str, Any], *, total: int, until: str
) -> Operation:
    params = params | {"until": until}
    made = operations.create(connection, caller.org_id, kind, params, total=total, by=caller.actor)
    idempotency.note(connection, [made.id])
    audit.add(
        connection,
        caller.org_id,
        caller.actor,
        kind,
        f"operation:{made.id}",
        total=total,
        **params,
        address=caller.address,
    )
    return made


def _begun(caller: Caller) -> Operation | None:
    """Return the operation that this request began when it came before, where its answer was lost."""
    if not (made := idempotency.made()):
        return None
    with reading(caller.org_id) as connection:
        return operations.get(connection, made[0])


def _sure(count: int, samples: Sequence[str]) -> Forecast:
    return Forecast(total=count, ok=count, samples=[Verdict(id=sample, ok=True) for sample in samples])
