"""`vedette keys`: API keys, for programs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from vedette.cli import options, recall, words
from vedette.cli.arguments import Role
from vedette.cli.examples import examples
from vedette.cli.failure import Exit
from vedette.cli.forms import checked
from vedette.cli.group import group
from vedette.cli.session import Session, command

if TYPE_CHECKING:
    from shared.contracts.access import KeyView

app = group("keys", "API keys.", "vedette keys create ci --role operator --days 30", "vedette keys list")
COLUMNS = ("id", "name", "prefix", "role", "scopes", "expires_at", "last_used_at", "revoked_at")
Overlap = Annotated[str, typer.Option(metavar="TIME", help="How long the old one still holds.")]
Key = Annotated[str, typer.Argument(metavar="ID", help="Of the key; the end of it is enough.")]


@app.command("list", epilog=examples("vedette keys list"))
@command
def list_(session: Session) -> int:
    """List the keys, without their secrets."""
    from vedette.cli import output  # noqa: PLC0415

    with session.gateway() as link:
        found = link.client.keys.all()
    output.records(session, found, COLUMNS, empty="No keys. Make one: vedette keys create NAME")
    return Exit.OK


@app.command(
    "create",
    epilog=examples("vedette keys create ci --role operator --days 30", "vedette keys create board --scope read"),
)
@command
def create(
    session: Session,
    *,
    name: Annotated[str, typer.Argument(metavar="NAME", help="What it is for.")],
    role: Role = "operator",
    scope: Annotated[list[str] | None, typer.Option(metavar="PERMISSION", help="Only these of the role's.")] = None,
    days: Annotated[int, typer.Option(min=0, max=3650, help="How long it holds; 0: until it is revoked.")] = 90,
) -> int:
    """Make a key. Its secret is told once, alone on stdout."""
    from shared.contracts.access import KeyNew  # noqa: PLC0415

    new = checked(KeyNew, {"name": name, "role": role, "scopes": scope or [], "days": days or None})
    with session.gateway() as link:
        made = link.client.keys.create(new)
    return _tell(session, made)


@app.command("rotate", epilog=examples("vedette keys rotate 3f0f6e1b --overlap 1h"))
@command
def rotate(session: Session, *, key: Key, overlap: Overlap = "1h") -> int:
    """Put a new key in the place of one, which holds a while longer. The new secret is told once."""
    from shared.contracts.access import KeyRotation  # noqa: PLC0415

    how = checked(KeyRotation, {"overlap_s": int(options.duration(overlap))})
    with session.gateway() as link:
        made = link.client.keys.rotate(_whole(link.client.keys.all(), key), how)
    return _tell(session, made)


@app.command("revoke", epilog=examples("vedette keys revoke 3f0f6e1b"))
@command
def revoke(session: Session, *, key: Key) -> int:
    """End a key at once."""
    from vedette.cli import output  # noqa: PLC0415

    with session.gateway() as link:
        found = link.client.keys.revoke(_whole(link.client.keys.all(), key))
    output.records(session, [found], COLUMNS, empty="")
    return Exit.OK


def _whole(keys: list[KeyView], piece: str) -> str:
    return recall.one_of([key.id for key in keys], piece, "a key")


def _tell(session: Session, made: KeyView) -> int:
    from vedette.cli import output  # noqa: PLC0415

    if session.is_table:
        session.note(f"Key {made.name} ({made.prefix}). It is told once:")
        print(words.line(made.secret))
    else:
        output.record(session, made)
    return Exit.OK
