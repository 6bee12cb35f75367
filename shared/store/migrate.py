"""Bring the database to the newest schema: `python -m shared.store.migrate`. Several at once are safe."""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import Connection, inspect, text

from shared.store.engine import engine, reading, writing

MIGRATIONS = Path(__file__).parent / "migrations"
LOCK = 0x76656465  # PostgreSQL advisory lock, "vede"


def head() -> str:
    """Return the newest revision; its file name begins with it, so alembic need not be imported to know it."""
    return max(path.name.split("_")[0] for path in (MIGRATIONS / "versions").glob("[0-9]*.py"))


def current() -> str:
    """Return the revision that the database is at, or an empty string for a new one."""
    with reading() as connection:
        return _current(connection)


def upgrade() -> None:
    """Run the missing migrations in one transaction."""
    if current() == head():
        return
    from alembic import command  # noqa: PLC0415  half a second that only the first start pays
    from alembic.config import Config  # noqa: PLC0415

    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    with writing() as connection:
        if connection.dialect.name == "postgresql":
            connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": LOCK})
        if _current(connection) != head():
            config.attributes["connection"] = connection
            command.upgrade(config, "head")


def _current(connection: Connection) -> str:
    if not inspect(connection).has_table("alembic_version"):
        return ""
    return str(connection.execute(text("SELECT version_num FROM alembic_version")).scalar() or "")


def main() -> None:
    upgrade()
    engine().dispose()


if __name__ == "__main__":
    main()
