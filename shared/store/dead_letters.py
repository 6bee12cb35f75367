"""Dead letters in SQL, looked at and counted. `store.burial` writes them, `store.triage` moves them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, Connection, RowMapping, and_, case, func, or_, select, true

from shared import dlq
from shared.contracts.dead_letter import (
    BY_ANYBODY,
    MAX_RAW,
    MAX_SAMPLE,
    DeadLetterGroup,
    DeadLetterState,
    DeadLetterView,
    ErrorDetail,
    Selection,
)
from shared.contracts.triage import DeadLetterFilter, DeadLetterStats, Payload
from shared.errors import NotFound
from shared.store import pieces, search
from shared.store.tables import dead_letters as letters

OPEN, REPLAYING, REPLAYED, RESOLVED, DISCARDED, SNOOZED, QUARANTINED = DeadLetterState
WAITING = (OPEN, QUARANTINED)  # for somebody's decision
ASIDE = (OPEN, QUARANTINED, SNOOZED)  # nothing is being done about them
ALL = DeadLetterFilter()


class DeadLetterNotFound(NotFound):
    """No dead letter of this organisation has this id."""


@dataclass(frozen=True)
class Place:
    """A dead letter's place in a list, which goes by when it failed last."""

    failed_at: datetime
    id: str


def get(connection: Connection, letter_id: str, org_id: str | None = None) -> DeadLetterView:
    """Return one dead letter. With `org_id`, only if it is of that organisation. Raises DeadLetterNotFound."""
    found = views(connection, [letter_id], org_id)
    if not found:
        raise DeadLetterNotFound(f"There is no dead letter {letter_id}.", cure="List them: vedette dlq list")
    return found[0]


def views(connection: Connection, ids: Sequence[str], org_id: str | None = None) -> list[DeadLetterView]:
    """Return the dead letters of `ids` that exist, in the order of `ids`."""
    query = select(*_SEEN).where(letters.c.id.in_(ids))
    if org_id is not None:
        query = query.where(letters.c.org_id == org_id)
    found = {row["id"]: _view(row) for row in connection.execute(query).mappings()}
    return [found[letter_id] for letter_id in ids if letter_id in found]


def page(
    connection: Connection,
    org_id: str,
    which: DeadLetterFilter = ALL,
    *,
    limit: int = 50,
    before: Place | None = None,
) -> list[DeadLetterView]:
    """Return up to `limit` dead letters after `before`, the last failed first. Raises QueryWrong for `which.q`."""
    where = _where(org_id, which)
    if before:
        earlier = letters.c.last_failed_at < before.failed_at
        beside = and_(letters.c.last_failed_at == before.failed_at, letters.c.id < before.id)
        where = and_(where, or_(earlier, beside))
    query = select(*_SEEN).where(where).order_by(letters.c.last_failed_at.desc(), letters.c.id.desc())
    return [_view(row) for row in connection.execute(query.limit(limit)).mappings()]


def groups(
    connection: Connection, org_id: str, which: DeadLetterFilter = ALL, *, limit: int = 200
) -> list[DeadLetterGroup]:
    """Return the groups of equal failures, the one with the most open letters first."""
    found = connection.execute(
        select(
            letters.c.fingerprint,
            func.count().label("count"),
            func.sum(case((letters.c.state.in_(WAITING), 1), else_=0)).label("open"),
            func.min(letters.c.first_failed_at).label("first_failed_at"),
            func.max(letters.c.last_failed_at).label("last_failed_at"),
            func.max(letters.c.id).label("sample_id"),
            func.max(case((letters.c.state == QUARANTINED, 1), else_=0)).label("is_poison"),
        )
        .where(_where(org_id, which))
        .group_by(letters.c.fingerprint)
        .order_by(func.sum(case((letters.c.state.in_(WAITING), 1), else_=0)).desc(), func.count().desc())
        .limit(limit)
    ).mappings()
    rows = list(found)
    samples = {each.id: each for each in views(connection, [row["sample_id"] for row in rows])}
    return [_group(row, samples[row["sample_id"]]) for row in rows]


def stats(connection: Connection, org_id: str) -> DeadLetterStats:
    """Return how many there are: of all states, and of those that wait for a decision by class, stage and reason."""
    by_state = _counts(connection, letters.c.state, letters.c.org_id == org_id)
    waiting = and_(letters.c.org_id == org_id, letters.c.state.in_(WAITING))
    oldest = connection.execute(select(func.min(letters.c.first_failed_at)).where(waiting)).scalar_one()
    return DeadLetterStats(
        open=sum(by_state.get(state, 0) for state in WAITING),
        by_state=by_state,
        by_class=_counts(connection, letters.c.failure_class, waiting),
        by_stage=_counts(connection, letters.c.stage, waiting),
        by_reason=_counts(connection, letters.c.reason, waiting),
        oldest_open_at=oldest,
    )


def waiting(connection: Connection, org_id: str) -> int:
    """Return how many wait for a decision."""
    mine = and_(letters.c.org_id == org_id, letters.c.state.in_(WAITING))
    return connection.execute(select(func.count()).select_from(letters).where(mine)).scalar_one()


def payload(connection: Connection, letter_id: str, org_id: str) -> Payload:
    """Return the message as it was sent. Raises DeadLetterNotFound."""
    query = select(letters.c.raw, letters.c.reason).where(letters.c.id == letter_id, letters.c.org_id == org_id)
    found = connection.execute(query).one_or_none()
    if found is None:
        raise DeadLetterNotFound(f"There is no dead letter {letter_id}.", cure="List them: vedette dlq list")
    raw = found.raw
    return Payload(
        id=letter_id,
        size_bytes=len(raw),
        text=raw.decode("utf-8", "replace"),
        is_cut=len(raw) >= (MAX_SAMPLE if found.reason in BY_ANYBODY else MAX_RAW),
        message=dlq.decoded(raw),
    )


def ids(connection: Connection, org_id: str, selection: Selection, *, after: str = "", limit: int = 200) -> list[str]:
    """Return up to `limit` ids of a selection that are greater than `after`, in their order.

    `all`, `q` and `group` mean what is open or snoozed, and not what is quarantined: poison is named one by one.
    """
    query = select(letters.c.id).where(_selected(org_id, selection), letters.c.id > after)
    return list(connection.execute(query.order_by(letters.c.id).limit(limit)).scalars())


def last_id(connection: Connection, org_id: str, selection: Selection) -> str:
    """Return the greatest id of a selection, or nothing."""
    query = select(func.max(letters.c.id)).where(_selected(org_id, selection))
    return connection.execute(query).scalar_one() or ""


def count(connection: Connection, org_id: str, selection: Selection) -> int:
    """Return how many dead letters a selection has."""
    query = select(func.count()).select_from(letters).where(_selected(org_id, selection))
    return int(connection.execute(query).scalar_one())


def ids_like(connection: Connection, org_id: str, piece: str) -> list[str]:
    """Return the ids that begin or end with `piece`, newest first."""
    return pieces.ids_like(connection, letters, org_id, piece)


def _where(org_id: str, which: DeadLetterFilter) -> ColumnElement[bool]:
    columns: dict[str, str | None] = {
        "state": which.state,
        "failure_class": which.failure_class,
        "stage": which.stage,
        "fingerprint": which.group,
    }
    given = [letters.c[name] == value for name, value in columns.items() if value is not None]
    asked = [search.dead_letters(which.q)] if which.q else []
    return and_(letters.c.org_id == org_id, *given, *asked)


def _selected(org_id: str, selection: Selection) -> ColumnElement[bool]:
    mine = letters.c.org_id == org_id
    if selection.ids:
        return and_(mine, letters.c.id.in_(selection.ids))
    scope: ColumnElement[bool] = true()
    if selection.q is not None:
        scope = search.dead_letters(selection.q)
    elif selection.group is not None:
        scope = letters.c.fingerprint == selection.group
    states = (OPEN,) if selection.all else (OPEN, SNOOZED)
    return and_(mine, scope, letters.c.state.in_(states))


def _counts(connection: Connection, column: ColumnElement[str], where: ColumnElement[bool]) -> dict[str, int]:
    rows = connection.execute(select(func.coalesce(column, ""), func.count()).where(where).group_by(column))
    return {str(name): int(number) for name, number in rows}


def _view(row: RowMapping) -> DeadLetterView:
    values = {name: row[name] for name in DeadLetterView.model_fields if name in row}
    return DeadLetterView(**{**values, "error": ErrorDetail.model_validate(row["error"])})


def _group(row: RowMapping, sample: DeadLetterView) -> DeadLetterGroup:
    names = ("fingerprint", "count", "open", "sample_id", "first_failed_at", "last_failed_at")
    return DeadLetterGroup(
        **{name: row[name] for name in names},
        is_poison=bool(row["is_poison"]),
        failure_class=sample.failure_class,
        reason=sample.reason,
        stage=sample.stage,
        error_type=sample.error.type,
        code=sample.error.code,
        message=sample.error.message,
    )


_SEEN = [letters.c[name] for name in DeadLetterView.model_fields if name in letters.c]
