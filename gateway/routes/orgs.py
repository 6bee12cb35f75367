"""Organisations and their members."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Response

from gateway import idempotency
from gateway.auth import Asking, Caller, Forbidden, check_role, described, needs
from gateway.openapi import problems
from gateway.page import Page, Paged
from shared.contracts.access import MemberChange, MemberNew, MemberView, OrgChange, OrgNew, OrgView
from shared.contracts.identity import Permission
from shared.store import audit
from shared.store.engine import Connection, reading, writing
from shared.store.identity import members, organisations, users
from shared.store.identity.organisations import OrganisationNotFound

router = APIRouter(
    prefix="/api/v1", tags=["organisations"], dependencies=[described], responses=problems(401, 403, 422, 500, 503)
)
_EVERYTHING = Permission.INSTALLATION


@router.get("/orgs", dependencies=[needs(Permission.READ)])
def list_orgs(caller: Asking, paging: Paged) -> Page[OrgView]:
    """The organisations that the caller belongs to; for whoever runs the installation, all."""
    with reading() as connection:
        mine = None if _EVERYTHING in caller.permissions else _mine(connection, caller)
        found = organisations.page(connection, mine, limit=paging.more, after=paging.after)
    return paging.cut(found)


@router.post("/orgs", status_code=201, dependencies=[needs(_EVERYTHING)], responses=problems(409))
def create_org(caller: Asking, asked: OrgNew) -> OrgView:
    """Make an organisation. Its first owner is added by `POST /users`."""
    with writing() as connection:
        made = organisations.create(connection, asked, caller.actor)
        _audit(connection, caller, asked.id, "organisation.created", after=asked.model_dump())
        return idempotency.answered(connection, made)


@router.get("/orgs/{org_id}", dependencies=[needs(Permission.READ)], responses=problems(404))
def get_org(caller: Asking, org_id: str) -> OrgView:
    """One organisation."""
    with reading() as connection:
        _check(connection, caller, org_id)
        return organisations.get(connection, org_id)


@router.patch("/orgs/{org_id}", dependencies=[needs(Permission.ORGANISATION)], responses=problems(404))
def change_org(caller: Asking, org_id: str, asked: OrgChange) -> OrgView:
    """Rename an organisation. Suspending it, and letting it in again, is for whoever runs the installation."""
    if asked.suspended is not None and _EVERYTHING not in caller.permissions:
        raise Forbidden("Only whoever runs the installation suspends organisations.")
    with writing() as connection:
        if org_id != caller.org_id and _EVERYTHING not in caller.permissions:
            raise _not_found(org_id)
        before = organisations.get(connection, org_id)
        after = organisations.change(connection, org_id, asked)
        told: dict[str, Any] = {"before": before.model_dump(mode="json"), "after": after.model_dump(mode="json")}
        _audit(connection, caller, org_id, "organisation.changed", **told)
        return after


@router.get("/members", dependencies=[needs(Permission.READ)])
def list_members(caller: Asking, paging: Paged) -> Page[MemberView]:
    """Who belongs to the organisation, and as what; by e-mail."""
    with reading(caller.org_id) as connection:
        found = members.page(connection, caller.org_id, limit=paging.more, after=paging.after)
    return paging.cut(found, "email")


@router.post(
    "/members",
    status_code=201,
    dependencies=[needs(_EVERYTHING, cure="Invite them: vedette orgs members invite EMAIL")],
    responses=problems(404, 409),
)
def add_member(caller: Asking, asked: MemberNew) -> MemberView:
    """Take in a user who exists already. Who may not know who exists invites: `POST /invitations`."""
    with writing(caller.org_id) as connection:
        account = users.account(connection, asked.email)
        if account is None:
            raise users.UserNotFound(f"There is no user {asked.email}.", cure="Make one: vedette users create")
        made = members.add(connection, caller.org_id, account.id, asked.role, caller.actor)
        _audit(connection, caller, caller.org_id, "member.added", after={"email": made.email, "role": made.role})
        return idempotency.answered(connection, made)


@router.patch("/members/{user_id}", dependencies=[needs(Permission.MEMBERS)], responses=problems(404, 409))
def change_member(caller: Asking, user_id: str, asked: MemberChange) -> MemberView:
    """Give a member another role. Nobody changes who stands above them, or gives a role above their own."""
    check_role(caller, asked.role)
    with writing(caller.org_id) as connection:
        before = members.get(connection, caller.org_id, user_id)
        check_role(caller, before.role)
        after = members.change(connection, caller.org_id, user_id, asked.role)
        told: dict[str, Any] = {"before": {"role": before.role}, "after": {"email": after.email, "role": after.role}}
        _audit(connection, caller, caller.org_id, "member.changed", **told)
        return after


@router.delete(
    "/members/{user_id}", status_code=204, dependencies=[needs(Permission.MEMBERS)], responses=problems(404, 409)
)
def remove_member(caller: Asking, user_id: str) -> Response:
    """Let a member go; their API keys of this organisation hold no more."""
    with writing(caller.org_id) as connection:
        before = members.get(connection, caller.org_id, user_id)
        check_role(caller, before.role)
        members.remove(connection, caller.org_id, user_id)
        _audit(connection, caller, caller.org_id, "member.removed", before={"email": before.email, "role": before.role})
    return Response(status_code=204)


def _mine(connection: Connection, caller: Caller) -> list[str]:
    return (
        members.organisations_of(connection, caller.user_id)
        if caller.user_id and not caller.key_id
        else [caller.org_id]
    )


def _check(connection: Connection, caller: Caller, org_id: str) -> None:
    if _EVERYTHING not in caller.permissions and org_id not in {caller.org_id, *_mine(connection, caller)}:
        raise _not_found(org_id)


def _not_found(org_id: str) -> OrganisationNotFound:
    return OrganisationNotFound(f"There is no organisation {org_id[:64]!r}.", cure="List them: vedette orgs list")


def _audit(connection: Connection, caller: Caller, org_id: str, action: str, **told: Any) -> None:  # noqa: ANN401
    audit.add(connection, org_id, caller.actor, action, f"organisation:{org_id}", address=caller.address, **told)
