"""Who is asking, and what they may do. Closed by default: `OPEN` names the paths that answer to anybody."""

from gateway.auth.caller import (
    Asking,
    Caller,
    CredentialInUrl,
    CrossSite,
    Forbidden,
    TokenMissing,
    Unauthorized,
    described,
    needs,
)
from gateway.auth.middleware import OPEN, Auth, required

__all__ = [
    "OPEN",
    "Asking",
    "Auth",
    "Caller",
    "CredentialInUrl",
    "CrossSite",
    "Forbidden",
    "TokenMissing",
    "Unauthorized",
    "described",
    "needs",
    "required",
]
