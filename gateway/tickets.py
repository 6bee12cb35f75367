"""Tickets: how a browser, which cannot set headers on a WebSocket, says who it is. Not a key: see `Ticket`.

A ticket is signed, so that nobody who reaches Redis can write one; Redis keeps which were used.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qs

import jwt
from pydantic import TypeAdapter
from starlette.concurrency import run_in_threadpool
from starlette.types import ASGIApp, Receive, Scope, Send

from gateway.auth import Caller, Unauthorized
from gateway.auth.credentials import again
from shared import keyring
from shared.broker.client import answering
from shared.contracts.live import Ticket
from shared.errors import VedetteError
from shared.ids import new_id, now

LIFE_S = 30
PURPOSE = "tickets"
AUDIENCE = "vedette:socket"
USED = "ticket:used:{jti}"
_ALGORITHM = "HS256"
_MAX_LENGTH = 4096  # characters
_CALLER = TypeAdapter(Caller)


class TicketRefused(Unauthorized):
    """The ticket is none of ours, too old, or was used before."""


class Tickets:
    """ASGI middleware: a WebSocket with `?ticket=` is that of the caller whom the ticket was given to."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "websocket" and (ticket := _given(scope)):
            caller = await run_in_threadpool(lambda: again(redeem(ticket)))  # it may have been shut out meanwhile
            scope.setdefault("state", {}).update(caller=caller, again=lambda: again(caller))
        await self._app(scope, receive, send)


def issue(caller: Caller) -> Ticket:
    """Return a ticket for `caller`."""
    key_id, key = keyring.key(PURPOSE)
    at = now().timestamp()
    claims = {"aud": AUDIENCE, "jti": new_id(), "iat": at, "exp": at + LIFE_S, "caller": _plain(caller)}
    return Ticket(ticket=jwt.encode(claims, key, _ALGORITHM, headers={"kid": key_id}), expires_in_s=LIFE_S)


def redeem(ticket: str) -> Caller:
    """Return whom a ticket was given to; it is worth nothing afterwards. Raises TicketRefused and BrokerAway."""
    claims = _claims(ticket)
    with answering() as client:
        is_first = client.set(USED.format(jti=claims["jti"]), 1, nx=True, ex=2 * LIFE_S)
    if not is_first:
        raise _refused("was used before")
    return _CALLER.validate_python(claims["caller"])


def _claims(ticket: str) -> Mapping[str, Any]:
    if len(ticket) > _MAX_LENGTH:
        raise _refused("is not valid")
    try:
        _, key = keyring.key(PURPOSE, key_id=str(jwt.get_unverified_header(ticket).get("kid", "")))
        claims: Mapping[str, Any] = jwt.decode(
            ticket, key, [_ALGORITHM], options={"require": ["exp", "jti", "aud"]}, audience=AUDIENCE
        )
    except jwt.ExpiredSignatureError:
        raise _refused("is too old") from None
    except (jwt.PyJWTError, VedetteError):
        raise _refused("is not valid") from None
    return claims


def _refused(why: str) -> TicketRefused:
    return TicketRefused(f"The ticket {why}.", cure="Get another: POST /api/v1/auth/ticket", error="invalid_token")


def _given(scope: Scope) -> str:
    query = parse_qs(scope.get("query_string", b"").decode("latin-1"))
    return str(query.get("ticket", [""])[0])


def _plain(caller: Caller) -> dict[str, Any]:
    plain: dict[str, Any] = _CALLER.dump_python(caller, mode="json")
    return plain
