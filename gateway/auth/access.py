"""Access tokens: JSON Web Tokens (RFC 7519, RFC 9068) that hold for a quarter of an hour.

One algorithm, which the token does not choose; one key per master key, named by its id and by nothing else.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import jwt

from gateway.auth.caller import Unauthorized
from shared import keyring
from shared.errors import VedetteError
from shared.ids import new_id, now

LIFE = timedelta(minutes=15)
PURPOSE = "access tokens"
ISSUER = "vedette"
AUDIENCE = "vedette:gateway"
TYPE = "at+jwt"
MARK = "eyJ"  # what every one begins with: `{"` in base64url
_ALGORITHM = "HS256"
_MAX_LENGTH = 2048  # characters
_HEADERS = frozenset({"alg", "typ", "kid"})
_CLAIMS = ["exp", "iat", "iss", "aud", "sub", "jti", "org", "fam"]


@dataclass(frozen=True)
class Access:
    """What a token says. family: of the log-in that it comes from."""

    user_id: str
    org_id: str
    family: str
    expires_at: datetime


def issue(user_id: str, org_id: str, family: str) -> str:
    """Return a token for a user in an organisation."""
    key_id, key = keyring.key(PURPOSE)
    at = now()
    claims = {"iss": ISSUER, "aud": AUDIENCE, "sub": user_id, "org": org_id, "fam": family, "jti": new_id()}
    return jwt.encode(claims | {"iat": at, "exp": at + LIFE}, key, _ALGORITHM, headers={"kid": key_id, "typ": TYPE})


def read(token: str) -> Access:
    """Return what a token says, once it is sure that it was issued here. Raises Unauthorized."""
    if len(token) > _MAX_LENGTH:
        raise _refused()
    try:
        header = jwt.get_unverified_header(token)
        if set(header) - _HEADERS or header.get("typ") != TYPE or not isinstance(header.get("kid"), str):
            raise _refused()
        _, key = keyring.key(PURPOSE, key_id=header["kid"])
        claims = jwt.decode(token, key, [_ALGORITHM], issuer=ISSUER, audience=AUDIENCE, options={"require": _CLAIMS})
    except jwt.ExpiredSignatureError:
        raise Unauthorized("The access token has expired.", cure=AGAIN, error="invalid_token") from None
    except (jwt.PyJWTError, VedetteError, ValueError):
        raise _refused() from None
    if not all(isinstance(claims[name], str) for name in ("sub", "org", "fam")):
        raise _refused()
    return Access(claims["sub"], claims["org"], claims["fam"], datetime.fromtimestamp(claims["exp"], UTC))


AGAIN = "Log in again: vedette login"


def _refused() -> Unauthorized:
    return Unauthorized("The access token is not valid.", cure=AGAIN, error="invalid_token")
