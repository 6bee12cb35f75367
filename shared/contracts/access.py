"""Log-in, organisations, members, users and API keys as they go over HTTP. Secrets are told once and never again."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from pydantic import AfterValidator, Field, SecretStr, StringConstraints

from shared.contracts.identity import Permission, Role
from shared.contracts.job import Contract, Written

Slug = Annotated[str, StringConstraints(pattern=r"^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$")]
Name = Annotated[str, StringConstraints(min_length=1, max_length=200, pattern=r"^[^\x00-\x1f\x7f]*$")]
PersonName = Annotated[str, StringConstraints(max_length=200, pattern=r"^[^\x00-\x1f\x7f]*$")]
Email = Annotated[
    str,
    StringConstraints(max_length=254, pattern=r"^[^\s@\x00-\x1f\x7f]{1,64}@[^\s@\x00-\x1f\x7f]+$"),
    AfterValidator(str.lower),
]
Password = Annotated[SecretStr, Field(min_length=12, max_length=1024)]
Given = Annotated[SecretStr, Field(min_length=1, max_length=1024)]  # a secret that is only compared


class Login(Written):
    """org: which organisation to begin in; without, the first that the user belongs to."""

    email: Email
    password: Given
    org: Slug | None = None


class Refresh(Written):
    """A refresh token holds once; its answer has the next one."""

    refresh_token: Given


class Logout(Written):
    """everywhere: end all sessions of the user, not only this one."""

    everywhere: bool = False


class Switch(Written):
    """Go on in another organisation of one's own."""

    org: Slug


class PasswordChange(Written):
    """Ends all log-ins of the user but the one that asks."""

    current: Given
    new: Password


class Tokens(Contract):
    """access_token: for `Authorization: Bearer`, `expires_in_s` seconds long.  refresh_token: for the next pair, once.

    orgs: all that the user belongs to.
    """

    access_token: str = Field(repr=False)
    expires_in_s: float
    refresh_token: str = Field(default="", repr=False)
    refresh_expires_at: datetime | None = None
    org_id: str
    orgs: list[str] = []


class Me(Contract):
    """Who asks, as the gateway sees it.  expires_at: until when what was shown holds; None: until it is withdrawn."""

    actor: str
    org_id: str
    role: Role | None = None
    permissions: list[Permission] = []
    user_id: str | None = None
    key_id: str | None = None
    orgs: list[str] = []
    expires_at: datetime | None = None


class OrgNew(Written):
    """id: a short name for paths and commands, as `acme`; it never changes."""

    id: Slug
    name: Name


class OrgChange(Written):
    """suspended: nobody of it gets in any more, and nothing new of it is begun."""

    name: Name | None = None
    suspended: bool | None = None


class OrgView(Contract):
    """One organisation."""

    id: str
    name: str
    created_by: str = ""
    created_at: datetime
    suspended_at: datetime | None = None
    members: int = 0


class MemberNew(Written):
    """Take a user in, who must exist already; others are invited."""

    email: Email
    role: Role = Role.VIEWER


class MemberChange(Written):
    role: Role


class MemberView(Contract):
    """One user in one organisation."""

    user_id: str
    email: str
    name: str = ""
    role: Role
    created_by: str = ""
    created_at: datetime
    disabled_at: datetime | None = None


class UserNew(Written):
    """org, role: what the user is a member of from the start.  is_root: may do everything in the whole installation.

    Without a password one is made and told in the answer, once.
    """

    email: Email
    name: PersonName = ""
    password: Password | None = None
    org: Slug | None = None
    role: Role = Role.VIEWER
    is_root: bool = False


class UserChange(Written):
    """disabled: cannot get in.  reset_password: makes a new one, told once; ends all sessions."""

    name: PersonName | None = None
    disabled: bool | None = None
    reset_password: bool = False


class UserView(Contract):
    """One user.  password: only where it was just made."""

    id: str
    email: str
    name: str = ""
    is_root: bool = False
    orgs: dict[str, Role] = {}
    created_by: str = ""
    created_at: datetime
    disabled_at: datetime | None = None
    password: str = Field(default="", repr=False)


class KeyNew(Written):
    """role: at most one's own.  scopes: the only permissions it has; empty: all of the role.  days: None holds on."""

    name: Name
    role: Role = Role.OPERATOR
    scopes: list[Permission] = Field(default=[], max_length=20)
    days: int | None = Field(default=90, ge=1, le=3650)


class KeyRotation(Written):
    """overlap_s: how long the old key still holds beside the new one."""

    overlap_s: int = Field(default=3600, ge=0, le=7 * 86400)


class KeyView(Contract):
    """One API key.  secret: the key itself, only in the answer that makes it.  replaced_by: after a rotation."""

    id: str
    name: str
    prefix: str
    role: Role
    scopes: list[Permission] = []
    user_id: str | None = None
    created_by: str = ""
    created_at: datetime
    expires_at: datetime | None = None
    last_used_at: datetime | None = None
    revoked_at: datetime | None = None
    replaced_by: str | None = None
    secret: str = Field(default="", repr=False)
