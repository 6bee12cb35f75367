"""`vedette users`: who may log in. For root alone, but for one's own password."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from vedette.cli import pages, secrets, words
from vedette.cli.arguments import Email, Role
from vedette.cli.examples import examples
from vedette.cli.failure import Exit, Misused
from vedette.cli.forms import checked
from vedette.cli.group import group
from vedette.cli.session import Session, command

if TYPE_CHECKING:
    from shared.contracts.access import UserView

app = group("users", "Who may log in.", "vedette users create ann@example.org --role owner", "vedette users password")
COLUMNS = ("email", "name", "orgs", "is_root", "created_at", "disabled_at")
PAGE = 200
Whose = Annotated[str | None, typer.Argument(metavar="EMAIL", help="Of another user; without it, your own.")]
TwoStdin = Annotated[bool, typer.Option("--password-stdin", help="Read the old and the new one, a line each.")]
PasswordStdin = Annotated[bool, typer.Option("--password-stdin", help="Read the password from stdin.")]


@app.command("list", epilog=examples("vedette users list", "vedette users list -o json"))
@command
def list_(
    session: Session, *, limit: Annotated[int, typer.Option(min=1, max=10_000, help="At most so many.")] = 200
) -> int:
    """List the users, the oldest first."""
    from vedette.cli import output  # noqa: PLC0415

    with session.gateway() as link:
        ask = link.client.users.page
        found, is_more = pages.upto(limit, lambda size, cursor: ask(limit=size, cursor=cursor), PAGE)
    output.records(session, found, COLUMNS, empty="No users: the installation's own token is the only way in.")
    pages.note_more(session, limit, is_more=is_more)
    return Exit.OK


@app.command("create", epilog=examples("vedette users create ann@example.org --org acme --role admin"))
@command
def create(
    session: Session,
    *,
    email: Email,
    name: Annotated[str, typer.Option(metavar="TEXT", help="What they are called.")] = "",
    org: Annotated[str, typer.Option(metavar="SLUG", help="Member of it from the start.")] = "local",
    role: Role = "viewer",
    root: Annotated[bool, typer.Option("--root", help="May do everything in the whole installation.")] = False,
    password_stdin: PasswordStdin = False,
) -> int:
    """Make a user. Without --password-stdin a password is made and told once."""
    from shared.contracts.access import UserNew  # noqa: PLC0415

    given = {"email": email, "name": name, "org": org, "role": role, "is_root": root}
    if password_stdin:
        given["password"] = secrets.read("Password", "--password-stdin", is_piped=True)
    new = checked(UserNew, given)
    with session.gateway() as link:
        made = link.client.users.create(new)
    _show(session, made)
    return Exit.OK


@app.command("disable", epilog=examples("vedette users disable ann@example.org"))
@command
def disable(
    session: Session, *, email: Email, undo: Annotated[bool, typer.Option("--undo", help="Let them in again.")] = False
) -> int:
    """Keep a user out; all that they logged in to ends."""
    from shared.contracts.access import UserChange  # noqa: PLC0415

    with session.gateway() as link:
        found = link.client.users.change(email, UserChange(disabled=not undo))
    _show(session, found)
    return Exit.OK


@app.command(
    "password",
    epilog=examples(
        "vedette users password",
        'printf \'%s\\n\' "$OLD" "$NEW" | vedette users password --password-stdin',
        "vedette users password ann@example.org",
    ),
)
@command
def password(session: Session, *, email: Whose = None, password_stdin: TwoStdin = False) -> int:
    """Change your own password; all your other log-ins end. With EMAIL, make a new one for a user, told once."""
    from shared.contracts.access import UserChange  # noqa: PLC0415

    if email is None:
        return _change_own(session, is_piped=password_stdin)
    if password_stdin:
        raise Misused("--password-stdin is for one's own password.", cure="Leave it or EMAIL out.")
    with session.gateway() as link:
        found = link.client.users.change(email, UserChange(reset_password=True))
    _show(session, found)
    return Exit.OK


def _change_own(session: Session, *, is_piped: bool) -> int:
    from shared.contracts.access import PasswordChange  # noqa: PLC0415

    current, new = (secrets.read(what, "--password-stdin", is_piped=is_piped) for what in ("Password", "New password"))
    if not is_piped and secrets.read("New password again", "--password-stdin", is_piped=False) != new:
        raise Misused("The new password was not typed twice alike.", cure="Try again; nothing was changed.")
    asked = checked(PasswordChange, {"current": current, "new": new})
    with session.gateway() as link:
        link.client.login.change_password(asked)
    session.note("changed; all your other log-ins have ended")
    return Exit.OK


def _show(session: Session, user: UserView) -> None:
    from vedette.cli import output  # noqa: PLC0415

    if not session.is_table:
        output.record(session, user)
        return
    output.records(session, [user], COLUMNS, empty="")
    if user.password:
        session.note("The password is told once:")
        print(words.line(user.password))
