"""Invitations: a token that makes whoever was invited a member, once. Only its SHA-256 is kept."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy import ColumnElement, Connection, RowMapping, delete, insert, select, update

from shared.contracts.identity import Role
from shared.contracts.invitation import InvitationNew, InvitationView
from shared.errors import NotFound
from shared.ids import new_id, now
from shared.store.identity.keys import Maker, digest
from shared.store.identity.members import MemberExists
from shared.store.tables import invitations, members, users

MARK = "vdi_"
KEPT = timedelta(days=90)  # after its end, to be looked at


class InvitationNotFound(NotFound):
    """No invitation has this id, or none that can still be accepted this token."""


@dataclass(frozen=True)
class Invitation:
    """One that can be accepted."""

    id: str
    org_id: str
    email: str
    role: Role
    created_by: str


def create(connection: Connection, org_id: str, asked: InvitationNew, by: Maker) -> InvitationView:
    """Write a new invitation, in the place of any other of this e-mail, and return it with its token, this one time.

    Raises MemberExists. Whether there is an account elsewhere is not asked.
    """
    here = select(users.c.id).join(members, members.c.user_id == users.c.id)
    if connection.execute(here.where(members.c.org_id == org_id, users.c.email == asked.email)).first():
        raise MemberExists("The user is a member already.", cure="Change the role instead: vedette orgs members role")
    _end(connection, org_id, invitations.c.email == asked.email)
    old = (invitations.c.org_id == org_id, invitations.c.expires_at < now() - KEPT)
    connection.execute(delete(invitations).where(*old))
    token = MARK + secrets.token_urlsafe(32)
    until = by.earlier(now() + timedelta(days=asked.days))
    row = {"id": new_id(), "org_id": org_id, "user_id": by.user_id, "email": asked.email, "role": asked.role}
    row |= {"secret_hash": digest(token), "created_by": by.actor}
    connection.execute(insert(invitations), {**row, "created_at": now(), "expires_at": until})
    return get(connection, org_id, str(row["id"])).model_copy(update={"token": token})


def page(connection: Connection, org_id: str, *, limit: int, before: str = "") -> list[InvitationView]:
    """Return up to `limit` invitations into an organisation, newest first, older than the id `before`."""
    query = select(invitations).where(invitations.c.org_id == org_id).order_by(invitations.c.id.desc()).limit(limit)
    if before:
        query = query.where(invitations.c.id < before)
    return [_view(row) for row in connection.execute(query).mappings()]


def get(connection: Connection, org_id: str, invitation_id: str) -> InvitationView:
    """Return one. Raises InvitationNotFound."""
    query = select(invitations).where(invitations.c.org_id == org_id, invitations.c.id == invitation_id)
    if row := connection.execute(query).mappings().first():
        return _view(row)
    cure = "List them: vedette orgs members invitations"
    raise InvitationNotFound("There is no invitation with this id.", cure=cure)


def revoke(connection: Connection, org_id: str, invitation_id: str) -> InvitationView:
    """End one, now. Again, or after it was accepted, is no error and nothing. Raises InvitationNotFound."""
    _end(connection, org_id, invitations.c.id == invitation_id)
    return get(connection, org_id, invitation_id)


def shown(connection: Connection, token: str) -> Invitation:
    """Return the invitation of a token. Raises InvitationNotFound where it cannot be accepted, whyever."""
    columns = (invitations.c[name] for name in ("id", "org_id", "email", "role", "created_by"))
    query = select(*columns).where(invitations.c.secret_hash == digest(token), *_open())
    if row := connection.execute(query).mappings().first():
        return Invitation(**{**row, "role": Role(row["role"])})
    raise over()


def accept(connection: Connection, invitation: Invitation) -> None:
    """Use it up. Raises InvitationNotFound where somebody else just did, or ended it."""
    mine = (invitations.c.org_id == invitation.org_id, invitations.c.id == invitation.id)
    if not connection.execute(update(invitations).where(*mine, *_open()).values(accepted_at=now())).rowcount:
        raise over()


def over() -> InvitationNotFound:
    """Return what is said of a token that accepts nothing."""
    message = "The invitation is unknown, over, or was accepted already."
    return InvitationNotFound(message, cure="Ask for a new one.")


def _open() -> tuple[ColumnElement[bool], ...]:
    is_unused = (invitations.c.accepted_at.is_(None), invitations.c.revoked_at.is_(None))
    return (*is_unused, invitations.c.expires_at > now())


def _end(connection: Connection, org_id: str, which: ColumnElement[bool]) -> None:
    mine = update(invitations).where(invitations.c.org_id == org_id, which, *_open())
    connection.execute(mine.values(revoked_at=now()))


def _view(row: RowMapping) -> InvitationView:
    names = InvitationView.model_fields
    return InvitationView.model_validate({name: value for name, value in row.items() if name in names})
