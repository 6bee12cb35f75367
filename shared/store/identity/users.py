"""Users: people with a password. What they may do is said by their memberships."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, func, select, update

from shared.contracts.access import UserView
from shared.contracts.identity import Role
from shared.errors import Conflict, NotFound
from shared.ids import new_id, now
from shared.store.engine import insert_new
from shared.store.tables import members, users


class UserNotFound(NotFound):
    """No user has this id or e-mail."""


class UserExists(Conflict):
    """The e-mail is taken."""


@dataclass(frozen=True)
class Account:
    """What a log-in needs to know of a user."""

    id: str
    email: str
    password_hash: str = field(repr=False)
    is_root: bool
    disabled_at: datetime | None


def create(connection: Connection, email: str, password_hash: str, by: str, *, name: str = "", is_root: bool) -> str:
    """Write a new user; return the id. Raises UserExists."""
    user_id = new_id()
    row = {"id": user_id, "email": email, "name": name, "password_hash": password_hash, "is_root": is_root}
    if not insert_new(connection, users, row | {"created_by": by, "created_at": now()}):
        raise UserExists(f"There is a user {email} already.", cure="List them: vedette users list")
    return user_id


def account(connection: Connection, email: str) -> Account | None:
    """Return the account of an e-mail, whatever its case, or None."""
    return _account(connection, users.c.email == email.lower())


def account_of(connection: Connection, user_id: str) -> Account | None:
    """Return the account of a user, or None."""
    return _account(connection, users.c.id == user_id)


def count(connection: Connection) -> int:
    """Return how many users there are."""
    return connection.execute(select(func.count()).select_from(users)).scalar_one()


def view(connection: Connection, user_id: str) -> UserView:
    """Return one user. Raises UserNotFound."""
    found = _views(connection, users.c.id == user_id)
    if not found:
        raise UserNotFound(f"There is no user {user_id}.", cure="List them: vedette users list")
    return found[0]


def page(connection: Connection, *, limit: int, after: str = "") -> list[UserView]:
    """Return up to `limit` users in the order of their making, after the id `after`."""
    return _views(connection, users.c.id > after, limit)


def change(connection: Connection, user_id: str, values: Mapping[str, Any]) -> None:
    """Write other values of columns. Raises UserNotFound."""
    view(connection, user_id)
    if values:
        connection.execute(update(users).where(users.c.id == user_id).values(**values))


def _account(connection: Connection, which: ColumnElement[bool]) -> Account | None:
    columns = (users.c.id, users.c.email, users.c.password_hash, users.c.is_root, users.c.disabled_at)
    row = connection.execute(select(*columns).where(which)).mappings().first()
    return Account(**row) if row else None


def _views(connection: Connection, which: ColumnElement[bool], limit: int = 1) -> list[UserView]:
    rows = connection.execute(select(users).where(which).order_by(users.c.id).limit(limit)).mappings().all()
    query = select(members.c.user_id, members.c.org_id, members.c.role)
    roles: dict[str, dict[str, Role]] = {}
    for row in connection.execute(query.where(members.c.user_id.in_([row["id"] for row in rows]))):
        roles.setdefault(row.user_id, {})[row.org_id] = Role(row.role)
    hidden = {"password_hash", "sessions_from"}
    return [
        UserView.model_validate(
            {name: value for name, value in row.items() if name not in hidden} | {"orgs": roles.get(row["id"], {})}
        )
        for row in rows
    ]
