"""Which plugins the workers have, as they announced them: the gateway cannot look into their folders."""

from __future__ import annotations

from collections.abc import Sequence
from urllib.parse import urlsplit

from sqlalchemy import Connection, delete, select

from shared.contracts.submission import Options
from shared.ids import now
from shared.redaction import shown
from shared.store.engine import insert_missing
from shared.store.tables import plugins


def announce(connection: Connection, folder: str, names: Sequence[str]) -> None:
    """Replace what is known of `folder`. Workers of one service start together and say the same."""
    connection.execute(delete(plugins).where(plugins.c.folder == folder, plugins.c.name.notin_(names)))
    insert_missing(
        connection, plugins, [{"folder": folder, "name": name, "announced_at": now()} for name in sorted(names)]
    )


def known(connection: Connection, folder: str) -> list[str]:
    """Return the names announced for `folder`; empty when no worker of that service ever started."""
    return list(
        connection.execute(select(plugins.c.name).where(plugins.c.folder == folder).order_by(plugins.c.name)).scalars()
    )


def lacking(connection: Connection, options: Options) -> list[str]:
    """Return the report formats and destinations of `options` that no worker has announced to know."""
    formats, channels = known(connection, "formats"), known(connection, "channels")
    gone = [name for name in options.reports if name not in formats]
    return gone + [shown(url) for url in options.notify if urlsplit(url).scheme not in channels]
