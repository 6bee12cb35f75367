"""Accepting an invitation: whoever shows its token, and the password of the one invited, becomes a member.

Where there is no account, one is made with that password. Who was invited learns that, whoever invites does not.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from gateway import login
from gateway.auth import passwords, refusals, throttle
from shared.contracts.access import Tokens
from shared.contracts.invitation import Acceptance
from shared.store import audit
from shared.store.engine import Connection, reading, writing
from shared.store.identity import invitations, members, organisations, users
from shared.store.identity.invitations import Invitation, InvitationNotFound
from shared.store.identity.sessions import Origin
from shared.store.identity.users import Account, UserExists


@dataclass(frozen=True)
class _Guest:
    """Who accepts.  password_hash: of an account that is to be made."""

    name: str
    password_hash: str
    address: str


def accept(asked: Acceptance, origin: Origin) -> Tokens:
    """Return the tokens of a first log-in in the organisation.

    Raises InvitationNotFound, OrganisationSuspended, Unauthorized for the password of an account that is there already,
    and throttle.TooManyLogins before anything is looked at.
    """
    throttle.check("", origin.address)
    invitation = _shown(asked.token.get_secret_value(), origin)
    try:
        user_id = _joined(invitation, asked, origin)
    except UserExists:  # another invitation of theirs was accepted at this moment
        user_id = _joined(invitation, asked, origin)
    return login.opened(user_id, invitation.org_id, origin)


def _joined(invitation: Invitation, asked: Acceptance, origin: Origin) -> str:
    """Make whoever was invited a member; return their id. Raises UserExists."""
    password = asked.password.get_secret_value()
    account = _proved(invitation.email, password, origin)
    guest = _Guest(asked.name, "" if account else passwords.hashed(password), origin.address)
    with writing(invitation.org_id) as connection:
        invitations.accept(connection, invitation)
        user_id = account.id if account else _made(connection, invitation, guest)
        made = members.add(connection, invitation.org_id, user_id, invitation.role, invitation.created_by)
        told = {"email": made.email, "role": made.role}
        _audit(connection, invitation, guest, "invitation.accepted", f"invitation:{invitation.id}", after=told)
        return user_id


def _shown(token: str, origin: Origin) -> Invitation:
    try:
        with reading() as connection:
            found = invitations.shown(connection, token)
            organisations.get_open(connection, found.org_id)
    except InvitationNotFound:
        throttle.failed("", origin.address)
        refusals.note(refusals.NOBODY, "nobody", "invitation.refused", origin.address)
        raise
    return found


def _proved(email: str, password: str, origin: Origin) -> Account | None:
    """Return the account whose password this is, or None where the e-mail has none."""
    throttle.check(email, origin.address)
    with reading() as connection:
        account = users.account(connection, email)
    return login.proved(account, email, password, origin) if account else None


def _made(connection: Connection, invitation: Invitation, guest: _Guest) -> str:
    by = invitation.created_by
    user_id = users.create(connection, invitation.email, guest.password_hash, by, name=guest.name, is_root=False)
    after = {"email": invitation.email, "org": invitation.org_id, "role": invitation.role, "is_root": False}
    _audit(connection, invitation, guest, "user.created", f"user:{user_id}", after=after)
    return user_id


def _audit(
    connection: Connection,
    invitation: Invitation,
    guest: _Guest,
    action: str,
    subject: str,
    **told: Any,  # noqa: ANN401
) -> None:
    actor = f"user:{invitation.email}"
    audit.add(connection, invitation.org_id, actor, action, subject, address=guest.address, **told)
