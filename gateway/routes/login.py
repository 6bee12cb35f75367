"""Logging in and out, and who one is."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response

from gateway import login
from gateway.auth import Asking, browser, described, needs
from gateway.headers import named
from gateway.openapi import problems
from shared.contracts.access import Login, Logout, Me, PasswordChange, Refresh, Switch, Tokens
from shared.contracts.identity import Permission
from shared.store.engine import reading
from shared.store.identity import members
from shared.store.identity.sessions import Kind, Origin

router = APIRouter(prefix="/api/v1/auth", tags=["log-in"], responses=problems(400, 401, 415, 422, 500, 503))
_COOKIE = {"headers": named("Set-Cookie")}
_mine = [described, needs(Permission.READ)]


@router.post("/login", responses=problems(403, 404, 429))
def log_in(request: Request, asked: Login) -> Tokens:
    """Begin a log-in with a password: a short access token, and a refresh token for the next pair."""
    return login.begin(asked, _origin(request), Kind.REFRESH)[0]


@router.post("/refresh", responses=problems(403))
def refresh(request: Request, asked: Refresh) -> Tokens:
    """Get the next pair of tokens. Each refresh token holds once; shown again, it ends the log-in it belongs to."""
    return login.refresh(asked.refresh_token.get_secret_value(), _origin(request))


@router.post("/session", responses={200: _COOKIE, **problems(403, 404, 429)})
def begin_session(request: Request, response: Response, asked: Login) -> Tokens:
    """Begin the session of a browser: it gets a cookie that scripts cannot read."""
    browser.check_site(request.scope, request.headers)
    tokens, token = login.begin(asked, _origin(request), Kind.BROWSER)
    browser.put(response, token, request.url.scheme)
    return tokens


@router.delete("/session", status_code=204, dependencies=_mine, responses={204: _COOKIE, **problems(403)})
def end_session(caller: Asking) -> Response:
    """End the session of a browser."""
    login.end(caller, everywhere=False)
    response = Response(status_code=204)
    browser.drop(response)
    return response


@router.post("/logout", status_code=204, dependencies=_mine, responses=problems(403))
def log_out(caller: Asking, asked: Logout) -> Response:
    """End this log-in, or all of the user's."""
    login.end(caller, everywhere=asked.everywhere)
    return Response(status_code=204)


@router.get("/me", dependencies=_mine, responses=problems(403))
def who_am_i(caller: Asking) -> Me:
    """Who asks, in which organisation, and what they may do."""
    with reading() as connection:
        is_user = caller.user_id and not caller.key_id
        orgs = members.organisations_of(connection, caller.user_id or "") if is_user else [caller.org_id]
    return Me(
        actor=caller.actor,
        org_id=caller.org_id,
        role=caller.role,
        permissions=sorted(caller.permissions),
        user_id=caller.user_id,
        key_id=caller.key_id,
        orgs=orgs,
        expires_at=caller.expires_at,
    )


@router.post("/switch", dependencies=_mine, responses=problems(403, 404))
def switch(request: Request, caller: Asking, asked: Switch) -> Tokens:
    """Go on in another organisation that one belongs to."""
    return login.switch(caller, asked.org, _origin(request))


@router.post("/password", status_code=204, dependencies=_mine, responses=problems(403, 429))
def change_password(caller: Asking, asked: PasswordChange) -> Response:
    """Change one's password. Ends all of one's log-ins but this one; API keys hold on."""
    login.change_password(caller, asked.current.get_secret_value(), asked.new.get_secret_value())
    return Response(status_code=204)


def _origin(request: Request) -> Origin:
    return Origin(request.state.address, request.headers.get("user-agent", ""))
