"""Users, for whoever runs the installation."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter

from gateway import idempotency
from gateway.auth import Asking, described, needs, passwords
from gateway.openapi import problems
from gateway.page import Page, Paged
from shared.contracts.access import UserChange, UserNew, UserView
from shared.contracts.identity import Permission
from shared.ids import now
from shared.store import audit
from shared.store.engine import reading, writing
from shared.store.identity import members, organisations, sessions, users

router = APIRouter(
    prefix="/api/v1/users",
    tags=["users"],
    dependencies=[described, needs(Permission.INSTALLATION)],
    responses=problems(401, 403, 422, 500, 503),
)


@router.get("")
def list_users(paging: Paged) -> Page[UserView]:
    """Users in the order of their making."""
    with reading() as connection:
        found = users.page(connection, limit=paging.more, after=paging.after)
    return paging.cut(found)


@router.post("", status_code=201, responses=problems(404, 409))
def create_user(caller: Asking, asked: UserNew) -> UserView:
    """Make a user, and a member of an organisation at once. A password that was made is told here and never again."""
    password = asked.password.get_secret_value() if asked.password else passwords.made()
    kept = passwords.hashed(password)
    with writing() as connection:
        if asked.org:
            organisations.get(connection, asked.org)
        user_id = users.create(connection, asked.email, kept, caller.actor, name=asked.name, is_root=asked.is_root)
        if asked.org:
            members.add(connection, asked.org, user_id, asked.role, caller.actor)
        after = {"email": asked.email, "org": asked.org, "role": asked.role, "is_root": asked.is_root}
        told: dict[str, Any] = {"after": after, "address": caller.address}
        audit.add(connection, asked.org or caller.org_id, caller.actor, "user.created", f"user:{user_id}", **told)
        made = users.view(connection, user_id)
        told_once = {} if asked.password else {"password": password}
        return idempotency.answered(connection, made.model_copy(update=told_once))


@router.patch("/{user_id}", responses=problems(404))
def change_user(caller: Asking, user_id: str, asked: UserChange) -> UserView:
    """Rename, shut out, let in again, or give a new password, which is told here and never again."""
    password = passwords.made() if asked.reset_password else ""
    values: dict[str, Any] = {"name": asked.name} if asked.name is not None else {}
    if asked.disabled is not None:
        values["disabled_at"] = now() if asked.disabled else None
    if password:
        values["password_hash"] = passwords.hashed(password)
    with writing() as connection:
        before = users.view(connection, user_id)
        users.change(connection, user_id, values)
        if asked.disabled or password:
            sessions.end_all(connection, user_id)
        after = users.view(connection, user_id)
        told: dict[str, Any] = {
            "before": before.model_dump(mode="json"),
            "after": after.model_dump(mode="json"),
            "address": caller.address,
            "password_reset": bool(password),
        }
        for org_id in list(after.orgs) or [caller.org_id]:
            audit.add(connection, org_id, caller.actor, "user.changed", f"user:{user_id}", **told)
    return after.model_copy(update={"password": password})
