"""Who did something that every organisation sees: by name for those who may know them, `operator` for all others."""

from __future__ import annotations

from gateway.auth import Caller
from shared.contracts.identity import Permission
from shared.store.engine import Connection
from shared.store.identity import members

OPERATOR = "operator"


def shown(connection: Connection, caller: Caller, actor: str) -> str:
    """Return `actor` as the caller may see it: by name who belongs to the same organisation."""
    if not actor or Permission.QUEUES in caller.permissions:
        return actor
    kind, _, email = actor.partition(":")
    is_fellow = kind == "user" and members.has(connection, caller.org_id, email)
    return actor if is_fellow else OPERATOR
