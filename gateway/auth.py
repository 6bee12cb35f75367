"""Who is asking. Closed by default: a path answers without a token only if it is named here.

One token holds for the whole gateway (`VEDETTE_TOKEN`); all jobs are of the organisation `local`.
"""

from __future__ import annotations

import hmac
from dataclasses import dataclass
from typing import Annotated, Any

import structlog
from fastapi import Depends, Request
from fastapi.security import HTTPBearer
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from gateway.edge import SERVED
from shared.contracts.identity import Permission
from shared.errors import Permanent, Security

log = structlog.get_logger()

OPEN = frozenset({"/livez", "/readyz", "/version"})
CHALLENGE = 'Bearer realm="vedette"'


class Unauthorized(Security):
    """The request brings no token, or not the right one."""

    status = 401

    def __init__(self, message: str, *, cure: str = "", error: str = "") -> None:
        super().__init__(message, cure=cure)
        self.headers = {"WWW-Authenticate": f'{CHALLENGE}, error="{error}"' if error else CHALLENGE}


class Forbidden(Security):
    """The caller is known, and may not do this."""

    status = 403


class TokenMissing(Permanent):
    """The gateway has no token to compare with."""


@dataclass(frozen=True)
class Caller:
    """Who asks, and whose things are seen. `actor` is written down beside what is done, with the address."""

    org_id: str = "local"
    actor: str = "token"
    permissions: frozenset[Permission] = frozenset(Permission)
    user_id: str | None = None
    key_id: str | None = None
    address: str = ""


def required(token: str) -> str:
    """Return `token`. Raises TokenMissing when there is none."""
    if token:
        return token
    raise TokenMissing(
        "The gateway has no token, so everybody could use it.",
        cure="Set VEDETTE_TOKEN, or VEDETTE_TOKEN_FILE to a file that holds it: openssl rand -hex 24",
    )


class Auth:
    """ASGI middleware: nothing behind it is reached without the token, not even the reading of a body."""

    def __init__(self, app: ASGIApp, token: str) -> None:
        self._app = app
        self._token = token.encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] in SERVED and scope["path"] not in OPEN:
            state = scope.setdefault("state", {})
            if "caller" not in state:  # a ticket told before: see gateway.tickets
                headers = Headers(scope=scope)
                state["again"] = lambda: self._caller(headers)  # for connections that last: see gateway.vigil
                state["caller"] = state["again"]()
        await self._app(scope, receive, send)

    def _caller(self, headers: Headers) -> Caller:
        self._check(headers)
        return Caller()

    def _check(self, headers: Headers) -> None:
        scheme, _, given = headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not given:
            raise Unauthorized("This needs a token.", cure="Send it as `Authorization: Bearer <token>`.")
        if not hmac.compare_digest(given.strip().encode("latin-1"), self._token):
            log.warning("gateway.token.refused")
            raise Unauthorized("The token is not valid.", cure="Use that of VEDETTE_TOKEN.", error="invalid_token")


def _caller(request: Request) -> Caller:
    caller: Caller = request.state.caller
    return caller


def needs(permission: Permission) -> Any:  # noqa: ANN401  a dependency
    """Return the dependency of a route that refuses, and writes down, whoever lacks `permission`. Raises Forbidden."""

    def check(caller: Asking) -> None:
        if permission not in caller.permissions:
            raise Forbidden(f"This needs the permission `{permission}`.", cure="Ask an admin of the organisation.")

    return Depends(check)


Asking = Annotated[Caller, Depends(_caller)]
described = Depends(HTTPBearer(auto_error=False, description="The token of VEDETTE_TOKEN."))  # for OpenAPI alone
