"""The first owner of a fresh installation, so that somebody can log in to the dashboard."""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable

from vedette.stack.home import Layout, write_private

EMAIL = "owner@localhost"
TIMEOUT_S = 10.0
TAKEN = 409


def ensure(where: Layout, url: str, note: Callable[[str], None]) -> None:
    """Have the gateway at `url` make the owner, once for a home; the password stays in the home, for its user alone."""
    if where.owner_password.exists():
        return
    planned = where.owner_password.with_suffix(".planned")
    if not planned.exists():  # written first: a password that only the gateway knows would be lost
        write_private(planned, f"{secrets.token_urlsafe(24)}\n")
    why = _create(url, where.access_token(), planned.read_text(encoding="ascii").strip())
    if why:
        note(f"the first owner was not made: {why}")
        return
    planned.replace(where.owner_password)
    note(f"log in as {EMAIL} with the password in {where.owner_password}")


def _create(url: str, token: str, password: str) -> str:
    """Return why it did not work, or nothing. An owner who is there already was made here, before it could be noted."""
    import urllib.error  # noqa: PLC0415  a scan does not need it
    import urllib.request  # noqa: PLC0415

    asked = {"email": EMAIL, "password": password, "org": "local", "role": "owner", "is_root": True}
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
    request = urllib.request.Request(f"{url}/api/v1/users", json.dumps(asked).encode(), headers)  # noqa: S310  ours
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        direct.open(request, timeout=TIMEOUT_S).close()
    except urllib.error.HTTPError as exc:
        exc.close()
        return "" if exc.code == TAKEN else f"the gateway answered {exc.code}"
    except OSError as exc:
        return str(exc)
    return ""
