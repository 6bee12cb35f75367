"""The session of a browser: a cookie that scripts cannot read, and that other sites cannot have sent.

`SameSite=Strict` keeps it from most cross-site requests; what a browser says of where a request comes from
(`Sec-Fetch-Site`, else `Origin`) is asked all the same, for whatever changes something and for WebSockets.
"""

from __future__ import annotations

from http.cookies import CookieError, SimpleCookie
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.responses import Response
from starlette.types import Scope

from gateway.auth.caller import CrossSite
from shared.settings import settings
from shared.store.identity.sessions import LENGTHS, Kind

NAME = "vedette"
SECURE_NAME = "__Host-vedette"  # RFC 6265bis: a browser takes it only with Secure, without Domain, for `/`
SAFE = frozenset({"GET", "HEAD", "OPTIONS"})


def token(headers: Headers, scheme: str) -> str:
    """Return the session token in the cookie, or an empty text."""
    # Over https the plain name is none of ours: a page on a neighbouring name could have put it there.
    names = (SECURE_NAME,) if _is_secure(scheme) else (SECURE_NAME, NAME)
    for given in headers.getlist("cookie"):
        try:
            jar = SimpleCookie(given)
        except CookieError:
            continue
        for name in names:
            if name in jar:
                return jar[name].value
    return ""


def check_site(scope: Scope, headers: Headers) -> None:
    """Refuse what comes from a page of another site. Raises CrossSite."""
    if scope["type"] == "http" and scope["method"] in SAFE:
        return
    if _is_own(headers):
        return
    raise CrossSite("A browser session is used from its own pages only.", cure="Use an API key for programs.")


def put(response: Response, value: str, scheme: str) -> None:
    """Give the browser its session."""
    is_secure = _is_secure(scheme)
    response.set_cookie(
        SECURE_NAME if is_secure else NAME,
        value,
        max_age=int(LENGTHS[Kind.BROWSER].total_seconds()),
        path="/",
        secure=is_secure,
        httponly=True,
        samesite="strict",
    )


def drop(response: Response) -> None:
    """Have the browser forget its session."""
    response.delete_cookie(SECURE_NAME, path="/", secure=True, httponly=True, samesite="strict")
    response.delete_cookie(NAME, path="/", httponly=True, samesite="strict")


def _is_own(headers: Headers) -> bool:
    if site := headers.get("sec-fetch-site"):
        return site in {"same-origin", "none"} and _origin_fits(headers, missing=True)
    return _origin_fits(headers, missing=False)


def _origin_fits(headers: Headers, *, missing: bool) -> bool:
    origin = headers.get("origin")
    if origin is None:
        return missing
    try:
        own = {headers.get("host", "").lower(), urlsplit(settings().gateway_public_url).netloc.lower()} - {""}
        return urlsplit(origin).netloc.lower() in own
    except ValueError:
        return False


def _is_secure(scheme: str) -> bool:
    return scheme in {"https", "wss"} or settings().gateway_public_url.startswith("https://")
