"""Requests that may come twice: whose key is in work, what it made, and the answer it got.

A row belongs to whoever holds its claim. A request writes what it makes in its own transaction, by `note`, which
fails once another has the claim: so nothing is made twice, whenever a gateway dies. Why: docs/decisions/0026.
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from sqlalchemy import ColumnElement, Connection, RowMapping, and_, delete, select, tuple_, update

from shared import codec
from shared.errors import Conflict, InvalidInput
from shared.ids import new_id, now
from shared.keyring import Unverified
from shared.store.engine import insert_missing
from shared.store.tables import idempotent_requests as requests

IN_WORK = timedelta(seconds=90)  # longer than a request takes or waits (60 s); a gateway that died holds a key so long
KEPT = timedelta(hours=24)
MAX_BODY = 1024 * 1024  # bytes of an answer that is kept
PRUNED = 50  # rows of others that one request deletes
KEPT_OF_ONE = 100_000  # answers of an organisation; the oldest are forgotten first
COUNTED_EVERY = 1000  # requests, on average: to count so many rows takes some 10 ms
_PURPOSE = "answer"


class KeyReused(InvalidInput):
    """The key came before, with another request."""


class RequestInWork(Conflict):
    """The same request is being answered at this moment, or its gateway has just died."""

    headers = {"Retry-After": "1"}


class ClaimLost(Conflict):
    """The request took so long that its repetition was begun."""


class AnswerNotKept(Conflict):
    """The request was done, but its answer is gone: it was too large, or the key that sealed it is."""


@dataclass(frozen=True)
class Claim:
    """The right to answer one request. made: what was made for it before, by a gateway that died."""

    org_id: str
    actor: str
    key: str
    token: str = field(default_factory=new_id)
    made: Sequence[str] = ()


@dataclass(frozen=True)
class Answer:
    """What was answered. A body of None was too large to be kept."""

    status: int
    headers: Mapping[str, str]
    body: bytes | None


def claim(connection: Connection, org_id: str, actor: str, key: str, request_hash: str) -> Claim | Answer:
    """Return the right to answer this request, or the answer that it got. Raises KeyReused, RequestInWork."""
    prune(connection)
    if random.randrange(COUNTED_EVERY) == 0:  # noqa: S311  a sample, not a secret
        _bound(connection, org_id)
    asked = Claim(org_id, actor, key)
    at = now()
    connection.execute(delete(requests).where(_of(asked), requests.c.expires_at <= at))
    row = {"org_id": org_id, "actor": actor, "key": key, "request_hash": request_hash, "claim": asked.token}
    insert_missing(connection, requests, [row | {"headers": {}, "created_at": at, "expires_at": at + IN_WORK}])
    found = connection.execute(select(requests).where(_of(asked)).with_for_update()).mappings().one()
    if found["claim"] == asked.token:
        return asked
    if found["request_hash"] != request_hash:
        raise KeyReused(
            "This Idempotency-Key came with another request.", cure="Use a new key for each request that differs."
        )
    if found["status"] is not None and (found["body"] is not None or not found["made"]):
        return _answer(found)
    if not found["made"]:
        raise RequestInWork("The request with this Idempotency-Key is in work.", cure="Repeat it in a moment.")
    connection.execute(update(requests).where(_of(asked)).values(claim=asked.token))
    return Claim(org_id, actor, key, asked.token, found["made"])


def note(connection: Connection, held: Claim, made: Sequence[str]) -> None:
    """Write what the request makes, in the transaction that makes it. Raises ClaimLost."""
    values: dict[str, Any] = {"made": list(made), "expires_at": now() + KEPT}
    done = connection.execute(update(requests).where(_held(held)).values(values))
    if done.rowcount != 1:
        raise _lost()


def keep(connection: Connection, held: Claim, answer: Answer) -> bool:
    """Keep the answer; return whether the claim still holds."""
    body = None if answer.body is None else _sealed(held, answer.body)
    values = {"status": answer.status, "headers": dict(answer.headers), "body": body, "expires_at": now() + KEPT}
    return connection.execute(update(requests).where(_held(held)).values(values)).rowcount == 1


def answer(connection: Connection, held: Claim, given: Answer) -> None:
    """Keep the answer in the transaction that makes what it tells of. Raises ClaimLost."""
    if not keep(connection, held, given):
        raise _lost()


def release(connection: Connection, held: Claim) -> None:
    """Let the request be made anew, unless it made something."""
    undone = (requests.c.made.is_(None), requests.c.status.is_(None))
    connection.execute(delete(requests).where(_held(held), *undone))


def prune(connection: Connection) -> None:
    """Delete some rows whose time is over."""
    rows = requests.alias()
    mine = (rows.c.org_id, rows.c.actor, rows.c.key)
    over = select(*mine).where(rows.c.expires_at <= now()).limit(PRUNED).with_for_update(skip_locked=True)
    connection.execute(delete(requests).where(tuple_(*_key()).in_(over)))


def _bound(connection: Connection, org_id: str) -> None:
    """Forget the oldest answers of an organisation beyond `KEPT_OF_ONE`."""
    rows = requests.alias()
    mine = select(rows.c.org_id, rows.c.actor, rows.c.key).where(rows.c.org_id == org_id, rows.c.status.is_not(None))
    newest_first = mine.order_by(rows.c.created_at.desc()).offset(KEPT_OF_ONE).limit(10 * COUNTED_EVERY)
    connection.execute(delete(requests).where(tuple_(*_key()).in_(newest_first.with_for_update(skip_locked=True))))


def _key() -> tuple[ColumnElement[str], ...]:
    return requests.c.org_id, requests.c.actor, requests.c.key


def _of(held: Claim) -> ColumnElement[bool]:
    mine = zip(_key(), (held.org_id, held.actor, held.key), strict=True)
    return and_(*(column == value for column, value in mine))


def _held(held: Claim) -> ColumnElement[bool]:
    return and_(_of(held), requests.c.claim == held.token)


def _lost() -> ClaimLost:
    return ClaimLost("The request took too long, and its repetition was begun.", cure="Repeat it with its key.")


def _sealed(held: Claim, body: bytes) -> str | None:
    # An answer may hold a new API key.
    try:
        return codec.seal_text(_PURPOSE, body.decode(), held.org_id, held.key) if len(body) <= MAX_BODY else None
    except UnicodeDecodeError:
        return None


def _answer(found: RowMapping) -> Answer:
    try:
        body = codec.unseal_text(_PURPOSE, found["body"] or "", found["org_id"], found["key"])
    except Unverified as exc:
        raise AnswerNotKept(
            "This request was done before, but its answer was not kept.", cure="Look at what it made."
        ) from exc
    return Answer(found["status"], found["headers"], body.encode())
