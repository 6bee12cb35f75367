"""`vedette orgs`: organisations and their members."""

from __future__ import annotations

from typing import Annotated

import typer

from vedette.cli import invitations, login
from vedette.cli.arguments import Email, Role, RoleName
from vedette.cli.examples import examples
from vedette.cli.failure import Exit
from vedette.cli.forms import checked
from vedette.cli.group import group
from vedette.cli.session import Session, command

app = group(
    "orgs",
    "Organisations.",
    "vedette orgs create acme --name 'Acme Ltd'",
    "vedette orgs use acme",
    "vedette orgs members list",
)
members = group(
    "members",
    "Members of the organisation.",
    "vedette orgs members list",
    "vedette orgs members invite ann@example.org --role operator",
)
app.add_typer(members, name="members")
COLUMNS = ("id", "name", "members", "created_at", "suspended_at")
MEMBER_COLUMNS = ("email", "name", "role", "created_at", "disabled_at")
Slug = Annotated[str, typer.Argument(metavar="ORG", help="Short name of the organisation.")]
Called = Annotated[str, typer.Option("--name", metavar="TEXT", help="What people call it; else the short name.")]
NewName = Annotated[str, typer.Argument(metavar="NAME", help="What people call it.")]
NewRole = Annotated[RoleName, typer.Argument(metavar="ROLE", help="viewer, operator, admin or owner.")]


@app.command("list", epilog=examples("vedette orgs list"))
@command
def list_(session: Session) -> int:
    """List the organisations that you may see."""
    from vedette.cli import output  # noqa: PLC0415

    with session.gateway() as link:
        found = link.client.orgs.all()
    output.records(session, found, COLUMNS, empty="You belong to none.")
    return Exit.OK


@app.command("get", epilog=examples("vedette orgs get acme"))
@command
def get(session: Session, *, org: Slug) -> int:
    """Show one organisation."""
    from vedette.cli import output  # noqa: PLC0415

    with session.gateway() as link:
        found = link.client.orgs.get(org)
    output.records(session, [found], COLUMNS, empty="")
    return Exit.OK


@app.command("create", epilog=examples("vedette orgs create acme --name 'Acme Ltd'"))
@command
def create(session: Session, *, org: Slug, name: Called = "") -> int:
    """Make an organisation. Its short name stays for ever."""
    from shared.contracts.access import OrgNew  # noqa: PLC0415
    from vedette.cli import output  # noqa: PLC0415

    new = checked(OrgNew, {"id": org, "name": name or org})
    with session.gateway() as link:
        made = link.client.orgs.create(new)
    output.records(session, [made], COLUMNS, empty="")
    return Exit.OK


@app.command("rename", epilog=examples("vedette orgs rename acme 'Acme Ltd'"))
@command
def rename(session: Session, *, org: Slug, name: NewName) -> int:
    """Call an organisation otherwise."""
    return _change(session, org, name=name)


@app.command("suspend", epilog=examples("vedette orgs suspend acme", "vedette orgs suspend acme --undo"))
@command
def suspend(
    session: Session, *, org: Slug, undo: Annotated[bool, typer.Option("--undo", help="Let it go on.")] = False
) -> int:
    """Keep everybody of an organisation out."""
    return _change(session, org, suspended=not undo)


app.command("use", epilog=examples("vedette orgs use acme"))(login.switch)


@members.command("list", epilog=examples("vedette orgs members list"))
@command
def list_members(session: Session) -> int:
    """List the members."""
    from vedette.cli import output  # noqa: PLC0415

    with session.gateway() as link:
        found = link.client.orgs.members()
    output.records(session, found, MEMBER_COLUMNS, empty="No members.")
    return Exit.OK


@members.command("add", epilog=examples("vedette orgs members add ann@example.org --role operator"))
@command
def add_member(session: Session, *, email: Email, role: Role = "viewer") -> int:
    """Take in a user, who must exist already. For root alone; others invite."""
    from shared.contracts.access import MemberNew  # noqa: PLC0415
    from vedette.cli import output  # noqa: PLC0415

    new = checked(MemberNew, {"email": email, "role": role})
    with session.gateway() as link:
        made = link.client.orgs.add_member(new)
    output.records(session, [made], MEMBER_COLUMNS, empty="")
    return Exit.OK


@members.command("role", epilog=examples("vedette orgs members role ann@example.org admin"))
@command
def change_role(session: Session, *, email: Email, role: NewRole) -> int:
    """Give a member another role."""
    from shared.contracts.identity import Role as Roles  # noqa: PLC0415
    from vedette.cli import output  # noqa: PLC0415

    with session.gateway() as link:
        found = link.client.orgs.change_member(email, Roles(role))
    output.records(session, [found], MEMBER_COLUMNS, empty="")
    return Exit.OK


@members.command("remove", epilog=examples("vedette orgs members remove ann@example.org"))
@command
def remove_member(session: Session, *, email: Email) -> int:
    """Put a member out."""
    with session.gateway() as link:
        link.client.orgs.remove_member(email)
    session.note("removed")
    return Exit.OK


invitations.add_to(members)


def _change(session: Session, org: str, **change: object) -> int:
    from shared.contracts.access import OrgChange  # noqa: PLC0415
    from vedette.cli import output  # noqa: PLC0415

    with session.gateway() as link:
        found = link.client.orgs.change(org, checked(OrgChange, change))
    output.records(session, [found], COLUMNS, empty="")
    return Exit.OK
