"""Invitations: made and ended by who runs an organisation, accepted by who logs in with one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from vedette.cli import recall, secrets, words
from vedette.cli.arguments import Email, Role
from vedette.cli.examples import examples
from vedette.cli.failure import Exit, Misused, tell
from vedette.cli.forms import checked
from vedette.cli.session import Session, command

if TYPE_CHECKING:
    from shared.contracts.invitation import InvitationView
    from vedette.cli.contexts import Context

COLUMNS = ("id", "email", "role", "created_by", "expires_at", "accepted_at", "revoked_at")
Days = Annotated[int, typer.Option(min=1, max=30, help="How long it can be accepted.")]
Which = Annotated[str, typer.Argument(metavar="ID|EMAIL", help="Of the invitation; the end of its id is enough.")]


@command
def invite(session: Session, *, email: Email, role: Role = "viewer", days: Days = 7) -> int:
    """Invite somebody, whether or not they have an account. The token is told once, alone on stdout."""
    from shared.contracts.invitation import InvitationNew  # noqa: PLC0415
    from vedette.cli import output  # noqa: PLC0415

    new = checked(InvitationNew, {"email": email, "role": role, "days": days})
    with session.gateway() as link:
        made = link.client.orgs.invite(new)
        url = link.client.url
    if not session.is_table:
        output.record(session, made)
        return Exit.OK
    session.note(f"Hand this to {made.email}, who accepts with vedette login {url} --invitation. It is told once:")
    print(words.line(made.token))
    return Exit.OK


@command
def list_(session: Session) -> int:
    """List who was invited, the newest first: also what is over."""
    from vedette.cli import output  # noqa: PLC0415

    with session.gateway() as link:
        found = link.client.orgs.invitations()
    output.records(session, found, COLUMNS, empty="Nobody. Invite somebody: vedette orgs members invite EMAIL")
    return Exit.OK


@command
def uninvite(session: Session, *, invitation: Which) -> int:
    """End an invitation at once. Whoever has accepted it is removed by `members remove`."""
    from vedette.cli import output  # noqa: PLC0415

    with session.gateway() as link:
        found = link.client.orgs.uninvite(_whole(link.client.orgs.invitations(), invitation))
    output.records(session, [found], COLUMNS, empty="")
    return Exit.OK


def add_to(members: typer.Typer) -> None:
    """Add the commands of this file to `vedette orgs members`."""
    members.command("invite", epilog=examples("vedette orgs members invite ann@example.org --role operator"))(invite)
    members.command("invitations", epilog=examples("vedette orgs members invitations"))(list_)
    members.command(
        "uninvite",
        epilog=examples("vedette orgs members uninvite ann@example.org", "vedette orgs members uninvite 3f0f6e1b"),
    )(uninvite)


def accepted(url: str, *, is_piped: bool) -> Context:
    """Return the context of whoever accepts an invitation. Raises Misused before anything is sent."""
    from shared.contracts.invitation import Acceptance  # noqa: PLC0415
    from vedette.cli.contexts import Context  # noqa: PLC0415
    from vedette.client import Client  # noqa: PLC0415

    token = secrets.read("Invitation", "--password-stdin", is_piped=is_piped)
    if not is_piped:
        tell("Your password here; without an account yet, a new one of 12 characters or more.")
    password = secrets.read("Password", "--password-stdin", is_piped=is_piped)
    if not is_piped and secrets.read("Password again", "--password-stdin", is_piped=False) != password:
        raise Misused("The password was not typed twice alike.", cure="Try again; the invitation still holds.")
    with Client(url) as client:
        tokens = client.login.accept(checked(Acceptance, {"token": token, "password": password}))
    with Client(url, tokens.access_token) as client:
        email = client.login.me().actor.removeprefix("user:")
    return Context(url, email).with_tokens(tokens)


def _whole(invitations: list[InvitationView], which: str) -> str:
    if "@" not in which:
        return recall.one_of([each.id for each in invitations], which, "an invitation")
    opened = (each for each in invitations if not (each.accepted_at or each.revoked_at))
    return next((each.id for each in opened if each.email == which.lower()), which)
