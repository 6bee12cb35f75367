"""Invitations into the organisation, and how they are accepted."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request

from gateway import idempotency, invitations
from gateway.auth import Asking, Caller, check_role, described, needs
from gateway.openapi import problems
from gateway.page import Page, Paged
from shared.contracts.access import Tokens
from shared.contracts.identity import Permission
from shared.contracts.invitation import Acceptance, InvitationNew, InvitationView
from shared.store import audit
from shared.store.engine import Connection, reading, writing
from shared.store.identity import invitations as kept
from shared.store.identity.keys import Maker
from shared.store.identity.sessions import Origin

router = APIRouter(prefix="/api/v1/invitations", tags=["organisations"], responses=problems(401, 403, 422, 500, 503))
_theirs = [described, needs(Permission.MEMBERS)]


@router.get("", dependencies=_theirs)
def list_invitations(caller: Asking, paging: Paged) -> Page[InvitationView]:
    """Who was invited, newest first: also what is over, for a while. Without the tokens, which nobody has."""
    with reading(caller.org_id) as connection:
        found = kept.page(connection, caller.org_id, limit=paging.more, before=paging.after)
    return paging.cut(found)


@router.post("", status_code=201, dependencies=_theirs, responses=problems(409))
def invite(caller: Asking, asked: InvitationNew) -> InvitationView:
    """Invite somebody, whether or not they have an account. `token` is told here and never again; it holds once.

    An invitation of the same address that is still open ends. Nobody invites to a role above their own.
    """
    check_role(caller, asked.role)
    by = Maker(caller.user_id, caller.actor, caller.expires_at if caller.key_id else None)
    with writing(caller.org_id) as connection:
        made = kept.create(connection, caller.org_id, asked, by)
        _audit(connection, caller, "invitation.created", made)
        return idempotency.answered(connection, made)


@router.delete("/{invitation_id}", dependencies=_theirs, responses=problems(404))
def revoke_invitation(caller: Asking, invitation_id: str) -> InvitationView:
    """End an invitation, now. One that was accepted stays so: the member is removed by `DELETE /members`."""
    with writing(caller.org_id) as connection:
        before = kept.get(connection, caller.org_id, invitation_id)
        after = kept.revoke(connection, caller.org_id, invitation_id)
        _audit(connection, caller, "invitation.revoked", after, before=_told(before))
        return after


@router.post("/accept", responses=problems(400, 404, 409, 415, 429))
def accept_invitation(request: Request, asked: Acceptance) -> Tokens:
    """Become a member, by the token of an invitation and a password: one's own, or that of the account this makes."""
    origin = Origin(request.state.address, request.headers.get("user-agent", ""))
    return invitations.accept(asked, origin)


def _told(invitation: InvitationView) -> dict[str, Any]:
    return invitation.model_dump(mode="json", exclude={"token"})


def _audit(connection: Connection, caller: Caller, action: str, of: InvitationView, **told: Any) -> None:  # noqa: ANN401
    told |= {"after": _told(of), "address": caller.address}
    audit.add(connection, caller.org_id, caller.actor, action, f"invitation:{of.id}", **told)
