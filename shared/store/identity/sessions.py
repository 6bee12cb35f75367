"""Sessions: a log-in that lasts, as refresh tokens that hold once each, or as the cookie of a browser.

All tokens of one log-in are a family. Whoever shows a token a second time has stolen it, or was stolen from: the family
ends.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from sqlalchemy import Connection, delete, insert, select, update

from shared.ids import new_id, now
from shared.store.identity.keys import digest
from shared.store.identity.organisations import OrganisationSuspended
from shared.store.tables import members, organisations, sessions, users

LENGTHS = {"refresh": timedelta(days=30), "browser": timedelta(hours=12)}


class Kind(StrEnum):
    REFRESH = "refresh"
    BROWSER = "browser"


@dataclass(frozen=True)
class Origin:
    """Where a log-in comes from."""

    address: str = ""
    agent: str = ""


@dataclass(frozen=True)
class Session:
    """One token of a log-in."""

    id: str
    org_id: str
    user_id: str
    family: str
    kind: Kind
    expires_at: datetime
    used_at: datetime | None
    revoked_at: datetime | None

    @property
    def is_over(self) -> bool:
        return self.revoked_at is not None or self.expires_at <= now()


@dataclass(frozen=True)
class Standing:
    """What a user is in an organisation at this moment, where both may come in."""

    user_id: str
    email: str
    is_root: bool
    role: str


def begin(
    connection: Connection, org_id: str, user_id: str, kind: Kind, origin: Origin, *, family: str = ""
) -> tuple[Session, str]:
    """Write a session; return it and its token, which is kept nowhere. family: of the token before it."""
    token = secrets.token_urlsafe(32)
    row = {
        "id": new_id(),
        "org_id": org_id,
        "user_id": user_id,
        "kind": kind,
        "family": family or new_id(),
        "secret_hash": digest(token),
        "address": origin.address[:64],
        "agent": origin.agent[:255],
        "created_at": now(),
        "expires_at": now() + LENGTHS[kind],
    }
    connection.execute(delete(sessions).where(sessions.c.expires_at < now() - timedelta(days=1)))
    connection.execute(insert(sessions), row)
    return _found(connection, token), token


def find(connection: Connection, token: str, kind: Kind) -> Session | None:
    """Return the session of a token, over or not, or None."""
    mine = (sessions.c.secret_hash == digest(token), sessions.c.kind == kind)
    row = connection.execute(select(*_COLUMNS).where(*mine)).mappings().first()
    return Session(**{**row, "kind": Kind(row["kind"])}) if row else None


def use(connection: Connection, session_id: str) -> bool:
    """Use up a refresh token; return whether it was still unused."""
    mine = (sessions.c.id == session_id, sessions.c.used_at.is_(None))
    return bool(connection.execute(update(sessions).where(*mine).values(used_at=now())).rowcount)


def end(connection: Connection, family: str) -> None:
    """End all tokens of one log-in."""
    mine = (sessions.c.family == family, sessions.c.revoked_at.is_(None))
    connection.execute(update(sessions).where(*mine).values(revoked_at=now()))


def end_all(connection: Connection, user_id: str, *, but: str = "") -> None:
    """End all log-ins of a user. but: the family of one that goes on."""
    mine = (sessions.c.user_id == user_id, sessions.c.family != but, sessions.c.revoked_at.is_(None))
    connection.execute(update(sessions).where(*mine).values(revoked_at=now()))


def standing(connection: Connection, user_id: str, org_id: str, family: str = "") -> Standing | None:
    """Return what a user is in an organisation now; None when the user is shut out, or the log-in `family` has ended.

    Raises OrganisationSuspended.
    """
    columns = (users.c.id.label("user_id"), users.c.email, users.c.is_root, members.c.role)
    query = select(*columns, organisations.c.suspended_at)
    query = query.join(members, members.c.user_id == users.c.id)
    query = query.join(organisations, organisations.c.id == members.c.org_id)
    query = query.where(users.c.id == user_id, members.c.org_id == org_id)
    query = query.where(users.c.disabled_at.is_(None))
    if family:
        alive = select(sessions.c.id).where(sessions.c.family == family, sessions.c.revoked_at.is_(None))
        query = query.where(alive.exists())
    row = connection.execute(query).mappings().first()
    if row is None:
        return None
    if row["suspended_at"]:
        raise OrganisationSuspended(org_id)
    return Standing(**{name: value for name, value in row.items() if name != "suspended_at"})


_COLUMNS = tuple(
    sessions.c[name] for name in ("id", "org_id", "user_id", "family", "kind", "expires_at", "used_at", "revoked_at")
)


def _found(connection: Connection, token: str) -> Session:
    row = connection.execute(select(*_COLUMNS).where(sessions.c.secret_hash == digest(token))).mappings().one()
    return Session(**{**row, "kind": Kind(row["kind"])})
