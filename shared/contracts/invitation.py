"""Invitations into an organisation as they go over HTTP. Their token is told once and never again."""

from __future__ import annotations

from datetime import datetime

from pydantic import Field

from shared.contracts.access import Email, Given, Password, PersonName
from shared.contracts.identity import Role
from shared.contracts.job import Contract, Written


class InvitationNew(Written):
    """email: who may accept it, whether or not they have an account.  days: how long it holds."""

    email: Email
    role: Role = Role.VIEWER
    days: int = Field(default=7, ge=1, le=30)


class Acceptance(Written):
    """password: of the account of the one invited, or, where there is none, for the one that is made.

    name: what they are called, for an account that is made.
    """

    token: Given
    password: Password
    name: PersonName = ""


class InvitationView(Contract):
    """One invitation.  token: what accepts it, only in the answer that makes it."""

    id: str
    email: str
    role: Role
    created_by: str = ""
    created_at: datetime
    expires_at: datetime
    accepted_at: datetime | None = None
    revoked_at: datetime | None = None
    token: str = Field(default="", repr=False)
