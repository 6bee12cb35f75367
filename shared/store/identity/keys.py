"""API keys: `vdt_<prefix>_<secret>`. The prefix finds the row; of the whole only the SHA-256 is kept."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, RowMapping, Select, insert, select, update

from shared.contracts.access import KeyNew, KeyView
from shared.contracts.identity import Permission, Role
from shared.errors import Conflict, NotFound
from shared.ids import new_id, now
from shared.store.tables import api_keys

MARK = "vdt_"


class KeyNotFound(NotFound):
    """No API key of this organisation has this id."""


class KeyNameTaken(Conflict):
    """Somebody else has a key of this name, by which the audit tells who did what."""


class KeyOver(Conflict):
    """The key was revoked or replaced already."""


@dataclass(frozen=True)
class Key:
    """A key as a request shows it."""

    id: str
    org_id: str
    user_id: str | None
    name: str
    role: Role
    scopes: frozenset[Permission]
    expires_at: datetime | None
    last_used_at: datetime | None
    is_over: bool
    secret_hash: str = field(repr=False)

    def matches(self, secret: str) -> bool:
        return hmac.compare_digest(self.secret_hash, digest(secret))


def digest(secret: str) -> str:
    """Return what is kept of a secret. It has 256 random bits, so that nothing slower is needed."""
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()


@dataclass(frozen=True)
class Maker:
    """Who makes a key.  user_id: whose it becomes.  until: no key of theirs holds longer than the one they show."""

    user_id: str | None
    actor: str
    until: datetime | None = None

    def earlier(self, ends_at: datetime | None) -> datetime | None:
        return min((each for each in (ends_at, self.until) if each), default=None)


def create(connection: Connection, org_id: str, asked: KeyNew, by: Maker) -> KeyView:
    """Write a new key and return it with its secret, this one time. Raises KeyNameTaken."""
    namesakes = (api_keys.c.org_id == org_id, api_keys.c.name == asked.name, api_keys.c.revoked_at.is_(None))
    others = select(api_keys.c.id).where(*namesakes, api_keys.c.user_id.is_distinct_from(by.user_id))
    if connection.execute(others.limit(1)).first():
        raise KeyNameTaken(f"Somebody else has a key {asked.name!r}.", cure="Choose another name.")
    expires_at = now() + timedelta(days=asked.days) if asked.days else None
    scopes = sorted(set(asked.scopes))
    row = {"org_id": org_id, "user_id": by.user_id, "name": asked.name, "role": asked.role, "scopes": scopes}
    return _write(connection, row | {"expires_at": by.earlier(expires_at), "created_by": by.actor})


def shown(connection: Connection, text: str) -> Key | None:
    """Return the key of which `text` shows the prefix, over or not; whether it `matches` is another question."""
    prefix = text.removeprefix(MARK).partition("_")[0]
    return _key(connection.execute(select(api_keys).where(api_keys.c.prefix == prefix[:32])).mappings().first())


def by_id(connection: Connection, key_id: str) -> Key | None:
    """Return a key as a request shows it, over or not, or None."""
    return _key(connection.execute(select(api_keys).where(api_keys.c.id == key_id)).mappings().first())


def used(connection: Connection, key_id: str) -> None:
    """Note that a key is used now."""
    connection.execute(update(api_keys).where(api_keys.c.id == key_id).values(last_used_at=now()))


def page(
    connection: Connection, org_id: str, user_id: str | None = None, *, limit: int, before: str = ""
) -> list[KeyView]:
    """Return up to `limit` keys of an organisation, or of one user in it, newest first, older than the id `before`."""
    query = _of(org_id, user_id).order_by(api_keys.c.id.desc()).limit(limit)
    if before:
        query = query.where(api_keys.c.id < before)
    return [_view(row) for row in connection.execute(query).mappings()]


def get(connection: Connection, org_id: str, key_id: str, user_id: str | None = None) -> KeyView:
    """Return one key. Raises KeyNotFound."""
    row = connection.execute(_of(org_id, user_id).where(api_keys.c.id == key_id)).mappings().one_or_none()
    if row is None:
        raise KeyNotFound("There is no API key with this id.", cure="List them: vedette keys list")
    return _view(row)


def revoke(connection: Connection, org_id: str, key_id: str) -> KeyView:
    """End a key, now. Again is no error. Raises KeyNotFound."""
    before = get(connection, org_id, key_id)
    if before.revoked_at is None:
        connection.execute(update(api_keys).where(api_keys.c.id == key_id).values(revoked_at=now()))
    return get(connection, org_id, key_id)


def rotate(connection: Connection, org_id: str, key_id: str, overlap: timedelta, by: Maker) -> KeyView:
    """Make a new key like an old one, which ends after `overlap`. Raises KeyNotFound and KeyOver."""
    old = get(connection, org_id, key_id)
    ends_at = now() + overlap
    if old.revoked_at or old.replaced_by or (old.expires_at and old.expires_at <= now()):
        raise KeyOver("The key is over or replaced already.", cure="Make a new one: vedette keys create")
    length = old.expires_at - old.created_at if old.expires_at else None
    row = {"org_id": org_id, "user_id": old.user_id, "name": old.name, "role": old.role, "scopes": old.scopes}
    until = by.earlier(now() + length if length else None)
    made = _write(connection, row | {"expires_at": until, "created_by": by.actor})
    ends_at = min(ends_at, old.expires_at) if old.expires_at else ends_at
    mine = update(api_keys).where(api_keys.c.id == key_id, api_keys.c.replaced_by.is_(None))
    if not connection.execute(mine.values(replaced_by=made.id, expires_at=ends_at)).rowcount:
        raise KeyOver("The key was replaced by somebody else at this moment.", cure="List them: vedette keys list")
    return made


def _of(org_id: str, user_id: str | None) -> Select[Any]:
    query = select(api_keys).where(api_keys.c.org_id == org_id)
    return query if user_id is None else query.where(api_keys.c.user_id == user_id)


def _write(connection: Connection, row: dict[str, object]) -> KeyView:
    prefix = secrets.token_hex(5)
    secret = f"{MARK}{prefix}_{secrets.token_urlsafe(32)}"
    whole = {"id": new_id(), "prefix": prefix, "secret_hash": digest(secret), "created_at": now(), **row}
    connection.execute(insert(api_keys), whole)
    made = connection.execute(select(api_keys).where(api_keys.c.id == whole["id"])).mappings().one()
    return _view(made).model_copy(update={"secret": secret})


def _view(row: RowMapping) -> KeyView:
    return KeyView.model_validate({name: value for name, value in row.items() if name in KeyView.model_fields})


def _key(row: RowMapping | None) -> Key | None:
    if row is None:
        return None
    names = ("id", "org_id", "user_id", "name", "expires_at", "last_used_at", "secret_hash")
    is_over = row["revoked_at"] is not None or (row["expires_at"] is not None and row["expires_at"] <= now())
    return Key(
        **{name: row[name] for name in names},
        role=Role(row["role"]),
        scopes=frozenset(Permission(each) for each in row["scopes"]),
        is_over=is_over,
    )
