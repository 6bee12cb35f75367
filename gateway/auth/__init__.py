"""Who is asking, and what they may do. Closed by default: `OPEN` names the paths that answer to anybody."""

from gateway.auth.caller import (
    Asking,
    Caller,
    CredentialInUrl,
    CrossSite,
    Forbidden,
    TokenMissing,
    Unauthorized,
    check_role,
    described,
    needs,
)
from gateway.auth.middleware import OPEN, OPEN_TO_POST, Auth, required

__all__ = [
    "OPEN",
    "OPEN_TO_POST",
    "Asking",
    "Auth",
    "Caller",
    "CredentialInUrl",
    "CrossSite",
    "Forbidden",
    "TokenMissing",
    "Unauthorized",
    "check_role",
    "described",
    "needs",
    "required",
]
