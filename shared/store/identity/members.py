"""Members: which users belong to an organisation, and as what. An organisation that has an owner keeps one."""

from __future__ import annotations

from sqlalchemy import ColumnElement, Connection, Table, delete, func, select, update

from shared.contracts.access import MemberView
from shared.contracts.identity import Role
from shared.errors import Conflict, NotFound
from shared.ids import now
from shared.store.engine import insert_new
from shared.store.tables import api_keys, invitations, members, organisations, sessions, users


class MemberNotFound(NotFound):
    """The user is no member of this organisation."""


class MemberExists(Conflict):
    """The user is a member already."""


class LastOwner(Conflict):
    """Nobody would own the organisation any more."""


def add(connection: Connection, org_id: str, user_id: str, role: Role, by: str) -> MemberView:
    """Take a user in. Raises MemberExists."""
    row = {"org_id": org_id, "user_id": user_id, "role": role, "limits": {}, "created_by": by, "created_at": now()}
    if not insert_new(connection, members, row):
        raise MemberExists("The user is a member already.", cure="Change the role instead: vedette orgs members role")
    return get(connection, org_id, user_id)


def organisations_of(connection: Connection, user_id: str, *, suspended: bool = False) -> list[str]:
    """Return the organisations that a user belongs to and that are not suspended (or are), in the order of joining."""
    query = select(members.c.org_id).join(organisations, organisations.c.id == members.c.org_id)
    is_so = organisations.c.suspended_at.is_not(None) if suspended else organisations.c.suspended_at.is_(None)
    mine = query.where(members.c.user_id == user_id, is_so)
    return list(connection.execute(mine.order_by(members.c.created_at, members.c.org_id)).scalars())


def get(connection: Connection, org_id: str, user_id: str) -> MemberView:
    """Return one member. Raises MemberNotFound."""
    found = _views(connection, members.c.org_id == org_id, members.c.user_id == user_id)
    if not found:
        raise MemberNotFound("There is no member with this id.", cure="List them: vedette orgs members list")
    return found[0]


def has(connection: Connection, org_id: str, email: str) -> bool:
    """Return whether somebody with this address belongs to an organisation."""
    return bool(_views(connection, members.c.org_id == org_id, users.c.email == email))


def page(connection: Connection, org_id: str, *, limit: int, after: str = "") -> list[MemberView]:
    """Return up to `limit` members of an organisation by e-mail, after the one of `after`."""
    return _views(connection, members.c.org_id == org_id, users.c.email > after, limit=limit)


def change(connection: Connection, org_id: str, user_id: str, role: Role) -> MemberView:
    """Give a member another role; what they invited to by the old one ends. Raises MemberNotFound and LastOwner."""
    if role is not Role.OWNER:
        _keep_an_owner(connection, org_id, user_id)
    mine = (members.c.org_id == org_id, members.c.user_id == user_id)
    connection.execute(update(members).where(*mine).values(role=role))
    _end(connection, invitations, org_id, user_id)
    return get(connection, org_id, user_id)


def remove(connection: Connection, org_id: str, user_id: str) -> None:
    """Let a member go, and end their keys, log-ins and invitations for good. Raises MemberNotFound and LastOwner."""
    _keep_an_owner(connection, org_id, user_id)
    for table in (api_keys, sessions, invitations):
        _end(connection, table, org_id, user_id)
    connection.execute(delete(members).where(members.c.org_id == org_id, members.c.user_id == user_id))


def _end(connection: Connection, table: Table, org_id: str, user_id: str) -> None:
    mine = (table.c.org_id == org_id, table.c.user_id == user_id, table.c.revoked_at.is_(None))
    connection.execute(update(table).where(*mine).values(revoked_at=now()))


def _views(connection: Connection, *which: ColumnElement[bool], limit: int = 1) -> list[MemberView]:
    columns = (members.c.user_id, members.c.role, members.c.created_by, members.c.created_at)
    query = select(*columns, users.c.email, users.c.name, users.c.disabled_at)
    query = query.join(users, users.c.id == members.c.user_id).where(*which).order_by(users.c.email).limit(limit)
    return [MemberView.model_validate(dict(row)) for row in connection.execute(query).mappings()]


def _keep_an_owner(connection: Connection, org_id: str, user_id: str) -> None:
    """Raise LastOwner when nobody but this member owns the organisation. Two at once wait for one another."""
    lock = update(organisations).where(organisations.c.id == org_id)
    connection.execute(lock.values(name=organisations.c.name))
    if get(connection, org_id, user_id).role is not Role.OWNER:
        return
    owners = (members.c.org_id == org_id, members.c.role == Role.OWNER, members.c.user_id != user_id)
    if not connection.execute(select(func.count()).select_from(members).where(*owners)).scalar_one():
        raise LastOwner("This is the only owner of the organisation.", cure="Make somebody else an owner first.")
