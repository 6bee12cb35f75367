"""ASGI middleware: nothing behind it is reached without a credential, not even the reading of a body."""

from __future__ import annotations

from collections.abc import Callable
from urllib.parse import parse_qsl

from starlette.concurrency import run_in_threadpool
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from gateway.auth import browser, credentials, peer
from gateway.auth.caller import Caller, CredentialInUrl, TokenMissing, Unauthorized
from gateway.edge import SERVED

OPEN = frozenset({"/livez", "/readyz", "/version", "/metrics", "/api/v1/auth/login", "/api/v1/auth/refresh"})
OPEN_TO_POST = frozenset({"/api/v1/auth/session", "/api/v1/invitations/accept"})
ORGANISATION = "vedette-organisation"
_IN_URLS = frozenset({"token", "access_token", "api_key", "apikey", "key", "password", "secret", "authorization"})


def required(token: str) -> str:
    """Return `token`. Raises TokenMissing when there is none."""
    if token:
        return token
    raise TokenMissing(
        "The gateway has no token, so everybody could use it.",
        cure="Set VEDETTE_TOKEN, or VEDETTE_TOKEN_FILE to a file that holds it: openssl rand -hex 24",
    )


class Auth:
    """Finds out who asks, and keeps it in the scope's state as `caller`; `again` finds out once more."""

    def __init__(self, app: ASGIApp, token: str) -> None:
        self._app = app
        self._token = token.encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] in SERVED:
            _refuse_credentials(scope)
            state = scope.setdefault("state", {})
            state["address"] = peer.address(scope)
            if "caller" not in state and not _is_open(scope):  # it is there where a ticket was told: gateway.tickets
                caller = await self._caller(scope, state["address"])
                state.update(caller=caller, again=_again(caller))
        await self._app(scope, receive, send)

    async def _caller(self, scope: Scope, address: str) -> Caller:
        headers = Headers(scope=scope)
        scheme, _, given = headers.get("authorization", "").partition(" ")
        if scheme.lower() == "bearer" and given.strip():
            org_id = headers.get(ORGANISATION, "")
            return await run_in_threadpool(credentials.of_bearer, given.strip(), self._token, address, org_id)
        if not scheme and (cookie := browser.token(headers, scope["scheme"])):
            browser.check_site(scope, headers)
            return await run_in_threadpool(credentials.of_session, cookie, address)
        raise Unauthorized("This needs a token.", cure="Send it as `Authorization: Bearer <token>`.")


def _again(caller: Caller) -> Callable[[], Caller]:
    return lambda: credentials.again(caller)


def _is_open(scope: Scope) -> bool:
    if scope["type"] == "websocket":
        return False
    return scope["path"] in OPEN or (scope["method"] == "POST" and scope["path"] in OPEN_TO_POST)


def _refuse_credentials(scope: Scope) -> None:
    """Raise CredentialInUrl where a key stands in the query: `ticket` is none, it holds once."""
    query = scope.get("query_string", b"").decode("latin-1")
    if any(name.lower() in _IN_URLS for name, _ in parse_qsl(query, keep_blank_values=True)):
        raise CredentialInUrl(
            "A credential stands in the URL, where proxies and logs keep it.",
            cure="Send it as `Authorization: Bearer <token>`, and make a new one: this one may have been read.",
        )
