"""The caller of a request, and the permission that a route asks for."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any

from fastapi import Depends
from fastapi.security import HTTPBearer
from starlette.requests import HTTPConnection

from gateway.auth import refusals
from shared.contracts.identity import Permission, Role
from shared.errors import InvalidInput, Permanent, Security

CHALLENGE = 'Bearer realm="vedette"'


class Unauthorized(Security):
    """The request shows nothing by which to know who asks, or nothing that holds."""

    status = 401

    def __init__(self, message: str, *, cure: str = "", error: str = "") -> None:
        super().__init__(message, cure=cure)
        self.headers = {"WWW-Authenticate": f'{CHALLENGE}, error="{error}"' if error else CHALLENGE}


class Forbidden(Security):
    """The caller is known, and may not do this."""

    status = 403


class CrossSite(Forbidden):
    """A page of another site sent this through the user's browser."""


class CredentialInUrl(InvalidInput):
    """A key stands in the URL, where proxies, logs and histories keep it."""

    status = 400


class TokenMissing(Permanent):
    """The gateway has no token to compare with."""


@dataclass(frozen=True)
class Caller:
    """Who asks, and whose things are seen. `actor` is written down beside what is done, with the address.

    family: of the log-in, for a user.  behind: the root user who acts here without belonging here.
    """

    org_id: str = "local"
    actor: str = "token"
    permissions: frozenset[Permission] = frozenset(Permission)
    role: Role | None = None
    user_id: str | None = None
    key_id: str | None = None
    family: str = ""
    address: str = ""
    expires_at: datetime | None = None
    behind: Caller | None = None

    @property
    def is_own(self) -> bool:
        """Whether this is whoever runs the installation: its token, or a root user in another organisation."""
        return self.user_id is None and self.key_id is None

    @property
    def identity(self) -> str:
        """Who asks, told apart from all others of the organisation: several keys may have one name."""
        return self.actor if self.key_id is None else f"key:{self.key_id}"

    @property
    def counted_for(self) -> str:
        """Whose limits are used up: a user's own by all of their keys, too."""
        return self.user_id or self.identity

    @property
    def highest(self) -> Role:
        """The highest role that the caller may give to somebody."""
        return Role.OWNER if self.role is None or Permission.INSTALLATION in self.permissions else self.role


def _caller(connection: HTTPConnection) -> Caller:
    caller: Caller = connection.state.caller
    return caller


Asking = Annotated[Caller, Depends(_caller)]
_ASK = {
    Permission.INSTALLATION: "Ask the operator of the installation.",
    Permission.QUEUES: "Ask the operator of the installation: all organisations share the queues.",
    Permission.ORGANISATION: "Ask an owner of the organisation.",
}


def needs(permission: Permission, cure: str = "") -> Any:  # noqa: ANN401  a dependency
    """Return the dependency of a route that refuses, and writes down, whoever lacks `permission`. Raises Forbidden.

    cure: what they can do instead of asking somebody who has it.
    """

    def check(caller: Asking, connection: HTTPConnection) -> None:
        if permission not in caller.permissions:
            asked = f"{connection.scope.get('method', 'WS')} {connection.scope['path']}"[:200]
            refusals.note(
                caller.org_id, caller.actor, "access.denied", caller.address, permission=permission, asked=asked
            )
            ask = cure or _ASK.get(permission, "Ask an admin of the organisation.")
            raise Forbidden(f"This needs the permission `{permission}`.", cure=ask)

    check.permission = permission  # type: ignore[attr-defined]  # a test reads it
    return Depends(check)


def check_role(caller: Caller, role: Role) -> None:
    """Raise Forbidden where the caller gives, or changes what has, a role above their own.

    Scopes do not make up for it: whoever has a role may give it to members.
    """
    if role.rank > caller.highest.rank:
        raise Forbidden(f"You are below the role `{role}`.", cure="Ask for a lower role, or somebody who has it.")


described = Depends(HTTPBearer(auto_error=False, description="An access token, an API key or VEDETTE_TOKEN."))
