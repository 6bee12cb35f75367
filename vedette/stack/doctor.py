"""Checks of this machine and of the local stack: what is wrong, and how to put it right."""

from __future__ import annotations

import os
import resource
import shutil
import sqlite3
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

from shared.errors import VedetteError
from vedette.stack import broker, door, record, server
from vedette.stack.check import Check
from vedette.stack.children import database_variable
from vedette.stack.home import layout
from vedette.stack.lifecycle import DEFAULT_PORT, status

LEAST_DISK_BYTES = 500 * 1024 * 1024
LEAST_FILES = 1024  # a scan holds hundreds of sockets open


def doctor() -> list[Check]:
    """Return every check, in the order in which things depend on one another."""
    return [check for each in _CHECKS for check in _tried(each)]


def _tried(check: Callable[[], Iterator[Check]]) -> Iterator[Check]:
    try:
        yield from check()
    except VedetteError as exc:
        yield Check(check.__name__.strip("_").replace("_", " "), False, exc.message, exc.cure)


def _python() -> Iterator[Check]:
    version = ".".join(str(part) for part in sys.version_info[:3])
    yield Check("python", sys.version_info >= (3, 11), version, "Use Python 3.11 or newer.")
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    yield Check("open files", soft >= LEAST_FILES, f"limit {soft}", "Raise it: ulimit -n 4096")


def _home() -> Iterator[Check]:
    where = layout()
    where.make()
    private = where.root.stat().st_mode & 0o077 == 0
    yield Check("state folder", private, str(where.root), f"Others can read it: chmod 700 {where.root}")
    free = shutil.disk_usage(where.root).free
    yield Check("disk", free >= LEAST_DISK_BYTES, f"{free // 2**20} MiB free", "Free some space, or set VEDETTE_HOME.")


def _master_key() -> Iterator[Check]:
    file = layout().master_key
    if not file.exists():
        old = layout().database.exists()
        said = "it is gone, and with it what it sealed" if old else f"{file} (made at the first start)"
        yield Check("master key", not old, said, f"Put {file} back from a backup; a start makes a new one.")
        return
    from shared import keyring  # noqa: PLC0415  cryptography, a tenth of a second that only this check pays

    found = keyring.parse(file.read_text(encoding="utf-8"))
    private = file.stat().st_mode & 0o077 == 0
    others = f", {len(found.masters) - 1} older" if len(found.masters) > 1 else ""
    yield Check("master key", private, f"{found.current}{others}, {file}", f"Others can read it: chmod 600 {file}")


def _server() -> Iterator[Check]:
    found = server.find()
    version = server.version(found)
    said = ".".join(str(part) for part in version) or "unknown version"
    cure = "Install Redis 6.2 or newer, or set VEDETTE_REDIS_SERVER."
    yield Check("redis server", version >= server.OLDEST if version else None, f"{found} ({said})", cure)


def _database() -> Iterator[Check]:
    variable = database_variable()
    try:
        url = _named_by(variable)
    except (OSError, ValueError) as exc:
        why = exc.strerror if isinstance(exc, OSError) else "it is not UTF-8 text"
        cure = "Correct it, or unset it."
        yield Check("database", False, f"{variable} names a file that cannot be read: {why}", cure)
        return
    if why := _unlike(url):
        yield Check("database", False, f"{variable} {why}", "Write it like postgresql://user:password@host/vedette")
        return
    if url and not url.startswith("sqlite"):
        yield Check("database", None, f"PostgreSQL, by {variable}; the stack checks it at its start")
        return
    file = Path(url.partition(":///")[2].partition("?")[0]) if url else layout().database
    if not file.exists():
        yield Check("database", True, f"{file} (made at the first start)")
        return
    with sqlite3.connect(f"file:{file}?mode=ro", uri=True) as connection:
        fine = connection.execute("PRAGMA quick_check(1)").fetchone()[0] == "ok"
    yield Check("database", fine, str(file), "It is damaged: restore a backup.")


def _unlike(url: str) -> str:
    """Say why `url` cannot name a database, without repeating it: it may hold a password."""
    scheme, separator, _ = url.partition("://")
    if url and not separator:
        return "is not a URL"
    kind = scheme.partition("+")[0]
    return "" if kind in {"", "sqlite", "postgresql", "postgres"} else f"names a database of kind {kind[:20]!r}"


def _named_by(variable: str) -> str:
    value = os.environ.get(variable, "")
    return Path(value).read_text(encoding="utf-8").strip() if variable.endswith("_FILE") else value


def _stack() -> Iterator[Check]:
    where = layout()
    found = record.read(where)
    if not record.lives(where) or found is None:
        yield Check("stack", None, "none runs", "Start it: vedette up")
        yield _port(DEFAULT_PORT)
        return
    yield Check("stack", found.state == "ready", f"{found.state}, {found.url}", f"Read {where.logs / 'stack.log'}")
    for child in status():
        note = f" · {child.note}" if child.note else ""
        restarts = f"{child.restarts} restart{'s' * (child.restarts != 1)}"
        cure = f"See why: vedette logs {child.name}"
        yield Check(child.name, child.state == "running", f"{child.state}, {restarts}{note}", cure)
    yield from broker.checks(where.redis_url.read_text(encoding="utf-8").strip())


def _port(port: int) -> Check:
    free = door.is_free(port)
    return Check("port", free, f"{port} is {'free' if free else 'taken'}", "Choose another: vedette up --port 8001")


_CHECKS: tuple[Callable[[], Iterator[Check]], ...] = (_python, _home, _master_key, _server, _database, _stack)
