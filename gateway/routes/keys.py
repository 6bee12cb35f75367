"""API keys: one's own; those of others for admins."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from fastapi import APIRouter

from gateway import idempotency
from gateway.auth import Asking, Caller, Forbidden, check_role, described, needs
from gateway.openapi import problems
from gateway.page import Page, Paged
from shared.contracts.access import KeyNew, KeyRotation, KeyView
from shared.contracts.identity import Permission, permitted
from shared.store import audit
from shared.store.engine import Connection, reading, writing
from shared.store.identity import keys
from shared.store.identity.keys import Maker

router = APIRouter(
    prefix="/api/v1/api-keys",
    tags=["API keys"],
    dependencies=[described],
    responses=problems(401, 403, 422, 500, 503),
)


@router.get("", dependencies=[needs(Permission.READ)])
def list_keys(caller: Asking, paging: Paged) -> Page[KeyView]:
    """One's own keys; for admins those of the organisation; newest first. Without their secrets, which nobody has."""
    with reading(caller.org_id) as connection:
        found = keys.page(connection, caller.org_id, _whose(caller), limit=paging.more, before=paging.after)
    return paging.cut(found)


@router.post("", status_code=201, dependencies=[needs(Permission.READ)], responses=problems(409))
def create_key(caller: Asking, asked: KeyNew) -> KeyView:
    """Make a key that may do no more than its maker. `secret` is told here and never again."""
    if caller.key_id and Permission.KEYS not in caller.permissions:
        raise Forbidden("A key without the permission `keys` makes no further keys.", cure="Log in: vedette login")
    check_role(caller, asked.role)
    wanted = frozenset(asked.scopes) or permitted(asked.role)
    if beyond := sorted((wanted & permitted(asked.role)) - caller.permissions):
        raise Forbidden(f"You may not do this yourself: {', '.join(beyond)}.", cure="Ask for less by role and scopes.")
    if outside := sorted(wanted - permitted(asked.role)):
        raise Forbidden(f"The role `{asked.role}` does not have: {', '.join(outside)}.", cure="Ask for another role.")
    with writing(caller.org_id) as connection:
        made = keys.create(connection, caller.org_id, asked, _maker(caller))
        _audit(connection, caller, "key.created", made.id, after=_told(made))
        return idempotency.answered(connection, made)


@router.delete("/{key_id}", dependencies=[needs(Permission.READ)], responses=problems(404))
def revoke_key(caller: Asking, key_id: str) -> KeyView:
    """End a key, now. A key without the permission `keys` ends itself alone."""
    if caller.key_id and caller.key_id != key_id and Permission.KEYS not in caller.permissions:
        raise Forbidden("A key without the permission `keys` ends no other key.", cure="Log in: vedette login")
    with writing(caller.org_id) as connection:
        before = keys.get(connection, caller.org_id, key_id, _whose(caller))
        after = keys.revoke(connection, caller.org_id, key_id)
        _audit(connection, caller, "key.revoked", key_id, before=_told(before), after=_told(after))
        return after


@router.post("/{key_id}:rotate", status_code=201, dependencies=[needs(Permission.READ)], responses=problems(404, 409))
def rotate_key(caller: Asking, key_id: str, asked: KeyRotation) -> KeyView:
    """Make a new key like this one, which holds for a while beside it. `secret` is told here and never again."""
    with writing(caller.org_id) as connection:
        old = keys.get(connection, caller.org_id, key_id, _whose(caller))
        if (frozenset(old.scopes) or permitted(old.role)) - caller.permissions:
            raise Forbidden("The key may do more than you.", cure="Ask an admin.")
        check_role(caller, old.role)
        overlap = timedelta(seconds=asked.overlap_s)
        made = keys.rotate(connection, caller.org_id, key_id, overlap, _maker(caller))
        _audit(connection, caller, "key.rotated", key_id, before=_told(old), after=_told(made))
        return idempotency.answered(connection, made)


def _maker(caller: Caller) -> Maker:
    """A key makes none that outlives it: else it would hold for ever by way of its successors."""
    return Maker(caller.user_id, caller.actor, caller.expires_at if caller.key_id else None)


def _whose(caller: Caller) -> str | None:
    """Return the user whose keys the caller sees; None: those of all."""
    return None if Permission.KEYS in caller.permissions else caller.user_id or "nobody"


def _told(key: KeyView) -> dict[str, Any]:
    return key.model_dump(mode="json", exclude={"secret"})


def _audit(connection: Connection, caller: Caller, action: str, key_id: str, **told: Any) -> None:  # noqa: ANN401
    audit.add(connection, caller.org_id, caller.actor, action, f"key:{key_id}", address=caller.address, **told)
