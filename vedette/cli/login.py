"""`vedette login`, `logout`, `whoami`, `context`: which gateway, and as whom."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated
from urllib.parse import urlsplit

import typer

from vedette.cli import confirm, contexts, invitations, secrets, words
from vedette.cli.contexts import Context
from vedette.cli.examples import examples
from vedette.cli.failure import Exit, Misused
from vedette.cli.forms import checked
from vedette.cli.group import group
from vedette.cli.session import Session, command
from vedette.cli.users import PasswordStdin

context_app = group(
    "context", "The gateways that you use.", "vedette context list", "vedette context use scans.example.org"
)
Url = Annotated[str | None, typer.Argument(metavar="URL", help="Of the gateway; else that of the current context.")]
Email = Annotated[str | None, typer.Option("--email", metavar="EMAIL", help="Your address.")]
TokenStdin = Annotated[bool, typer.Option("--token-stdin", help="Read an API key or the token from stdin.")]
Invited = Annotated[bool, typer.Option("--invitation", help="Accept an invitation, whose token is asked for.")]
Org = Annotated[str | None, typer.Option("--org", metavar="SLUG", help="The organisation to begin in.")]
Called = Annotated[str | None, typer.Option("--name", metavar="NAME", help="Of the context; else the host's.")]
Name = Annotated[str, typer.Argument(metavar="NAME", help="Of the context.")]


@command
def login(
    session: Session,
    *,
    gateway: Url = None,
    email: Email = None,
    password_stdin: PasswordStdin = False,
    token_stdin: TokenStdin = False,
    invitation: Invited = False,
    org: Org = None,
    name: Called = None,
) -> int:
    """Log in to a gateway. Commands go there from now on, and no more to the local stack.

    With --invitation and --password-stdin, the invitation and the password are read, a line each.
    """
    if token_stdin and (password_stdin or invitation):
        other = "--password-stdin" if password_stdin else "--invitation"
        raise Misused(f"{other} and --token-stdin exclude each other.", cure="Leave one of them out.")
    if invitation and (email or org):
        raise Misused("An invitation says for whom it is, and where.", cure="Leave --email and --org out.")
    url = (gateway or session.url or _local()).rstrip("/")
    _warn(session, url)
    with _own_cures():
        if invitation:
            made = invitations.accepted(url, is_piped=password_stdin)
        else:
            made = _with_token(url) if token_stdin else _with_password(url, email, org, is_piped=password_stdin)
    contexts.keep(name or urlsplit(url).netloc, made, use=True)
    session.note(f"logged in at {url} as {made.email} ({made.org}); back to the local stack: vedette logout")
    return Exit.OK


@command
def logout(
    session: Session, *, everywhere: Annotated[bool, typer.Option("--everywhere", help="End all log-ins.")] = False
) -> int:
    """End the log-in. Commands go to the local stack again."""
    from shared.contracts.access import Logout  # noqa: PLC0415
    from vedette.refusals import NotAllowed, Unreachable  # noqa: PLC0415

    found = contexts.chosen(session.context or None)
    if found is None:
        session.note("not logged in")
        return Exit.OK
    name, context = found
    if context.refresh:
        try:
            with session.gateway() as link:
                link.client.login.end(Logout(everywhere=everywhere))
        except (NotAllowed, contexts.LoggedOut):
            pass  # it has ended already
        except Unreachable as exc:
            session.note(f"{exc.message} There, the log-in goes on until it expires.")
    contexts.remove(name)
    session.note(f"logged out of {context.url}")
    return Exit.OK


@command
def whoami(session: Session) -> int:
    """Show who you are at the gateway, and what you may do."""
    from vedette.cli import output  # noqa: PLC0415

    with session.gateway() as link:
        me = link.client.login.me()
    if session.is_table:
        role = f" ({me.role})" if me.role else ""
        print(words.line(f"{me.actor} in {me.org_id}{role} at {link.client.url}"))
    else:
        output.record(session, me)
    return Exit.OK


@context_app.command("list", epilog=examples("vedette context list"))
@command
def list_(session: Session) -> int:
    """List the contexts."""
    from vedette.cli import output  # noqa: PLC0415

    known = contexts.read()
    rows = [
        {"name": name, "url": each.url, "email": each.email, "org": each.org, "is_current": name == known.current}
        for name, each in known.contexts.items()
    ]
    output.records(session, rows, ("name", "url", "email", "org", "is_current"), empty="None. vedette login URL")
    return Exit.OK


@context_app.command("use", epilog=examples("vedette context use scans.example.org"))
@command
def use(session: Session, *, name: Name) -> int:
    """Have commands go to another gateway from now on."""
    contexts.use(name)
    session.note(f"{name} is current")
    return Exit.OK


@context_app.command("remove", epilog=examples("vedette context remove scans.example.org"))
@command
def remove(session: Session, *, name: Name) -> int:
    """Forget a context. Its log-in goes on until it expires: vedette logout ends it."""
    contexts.remove(name)
    session.note("removed")
    return Exit.OK


@context_app.command("current", epilog=examples("vedette context current"))
@command
def current(session: Session) -> int:
    """Show the name of the current context. Exit 5 when there is none."""
    name = contexts.read().current
    if name:
        print(name)
        return Exit.OK
    session.note("none: commands go to the local stack")
    return Exit.NOT_FOUND


@command
def switch(session: Session, *, org: Annotated[str, typer.Argument(metavar="ORG", help="Its short name.")]) -> int:
    """Go on in another organisation that you belong to."""
    found = contexts.chosen(session.context or None)
    if found is None or not found[1].refresh:
        raise Misused("Only somebody who is logged in can switch.", cure="vedette login URL --email EMAIL")
    name, context = found
    with session.gateway() as link:
        tokens = link.client.login.switch(org)
    contexts.keep(name, context.with_tokens(tokens))
    session.note(f"now in {tokens.org_id}")
    return Exit.OK


def add_to(app: typer.Typer) -> None:
    """Add the commands of this file to the root."""
    app.command(
        "login",
        epilog=examples(
            "vedette login https://scans.example.org --email ann@example.org",
            "vedette login https://scans.example.org --invitation",
        ),
    )(login)
    app.command("logout", epilog=examples("vedette logout"))(logout)
    app.command("whoami", epilog=examples("vedette whoami"))(whoami)
    app.add_typer(context_app, name="context")


def _local() -> str:
    from vedette import stack  # noqa: PLC0415

    found = stack.connect()
    if found is None:
        raise Misused("No URL was given, and no local stack runs.", cure="vedette login https://scans.example.org")
    return found.url


def _with_token(url: str) -> Context:
    from vedette.client import Client  # noqa: PLC0415

    token = secrets.read("Token", "--token-stdin", is_piped=True)
    with Client(url, token) as client:
        me = client.login.me()
    until = me.expires_at.timestamp() if me.expires_at else 0.0
    return Context(url, me.actor, me.org_id, token, until=until if until > time.time() else 0.0)


@contextmanager
def _own_cures() -> Iterator[None]:
    """Have refusals say what the gateway advises: to log in is no cure here."""
    from vedette.refusals import NotAllowed  # noqa: PLC0415

    try:
        yield
    except NotAllowed as exc:
        exc.cure = exc.problem.cure if exc.problem else exc.cure
        raise


def _warn(session: Session, url: str) -> None:
    if urlsplit(url).scheme == "http" and (urlsplit(url).hostname or "") not in {"127.0.0.1", "localhost", "::1"}:
        session.note(f"warning: what goes to {url} can be read on its way")


def _with_password(url: str, email: str | None, org: str | None, *, is_piped: bool) -> Context:
    from shared.contracts.access import Login  # noqa: PLC0415
    from vedette.client import Client  # noqa: PLC0415

    if not email:
        if not confirm.is_asked():
            raise Misused("No address was given, and nobody can be asked here.", cure="Add --email EMAIL")
        email = confirm.ask("E-mail: ")
    given = {"email": email, "password": secrets.read("Password", "--password-stdin", is_piped=is_piped), "org": org}
    asked = checked(Login, given)
    with Client(url) as client:
        return Context(url, email).with_tokens(client.login.begin(asked))
