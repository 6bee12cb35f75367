"""Organisations, users, keys, sessions; batches, triage, scan rules; every row has its organisation; a chained audit"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from shared.store import chain
from shared.store.tables.columns import Json, Moment

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

_OF_SOME = (
    ("dead_letters", "ix_dead_letters_of_no_job", ["fingerprint", "id"], "job_id IS NULL"),
    ("jobs", "ix_jobs_unpublished", ["created_at"], "published_at IS NULL AND held_at IS NULL"),
    ("jobs", "ix_jobs_active", ["org_id", "counted_for"], "finished_at IS NULL AND held_at IS NULL"),
    ("jobs", "ix_jobs_held", ["org_id", "counted_for", "id"], "finished_at IS NULL AND held_at IS NOT NULL"),
)

_WRITTEN = ("org_id", "at", "actor", "action", "subject", "detail", "trace_id")  # of a line, before there were chains
_AUDIT = sa.table(
    "audit",
    *(sa.column(name, Json) for name in ("before", "after", "detail")),
    *(
        sa.column(name)
        for name in ("id", "org_id", "seq", "actor", "address", "action", "subject", "reason", "trace_id")
    ),
    *(sa.column(name) for name in ("previous_hash", "hash", "seal")),
    sa.column("at", Moment),
)
_HEADS = sa.table("audit_heads", *(sa.column(name) for name in ("org_id", "seq", "hash", "seal")))


def upgrade() -> None:
    op.create_table(
        "api_keys",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("org_id", sa.String(length=64), nullable=False),
        sa.Column("user_id", sa.String(length=36), nullable=True),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("prefix", sa.String(length=32), nullable=False),
        sa.Column("secret_hash", sa.String(length=64), nullable=False),
        sa.Column("role", sa.String(length=16), nullable=False),
        sa.Column("scopes", sa.JSON().with_variant(postgresql.JSONB(), "postgresql"), nullable=False),
        sa.Column("created_by", sa.String(length=255), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("last_used_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("revoked_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("replaced_by", sa.String(length=36), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_api_keys")),
        sa.UniqueConstraint("prefix", name=op.f("uq_api_keys_prefix")),
    )
    with op.batch_alter_table("api_keys", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_api_keys_org_id_id"), ["org_id", "id"], unique=False)

    op.create_table(
        "audit_heads",
        sa.Column("org_id", sa.String(length=64), nullable=False),
        sa.Column("seq", sa.Integer(), nullable=False),
        sa.Column("hash", sa.String(length=64), nullable=False),
        sa.Column("seal", sa.String(length=128), nullable=False),
        sa.PrimaryKeyConstraint("org_id", name=op.f("pk_audit_heads")),
    )
    op.create_table(
        "batches",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("org_id", sa.String(length=64), nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("total", sa.Integer(), nullable=False),
        sa.Column("options", sa.JSON().with_variant(postgresql.JSONB(), "postgresql"), nullable=False),
        sa.Column("trace_id", sa.String(length=32), nullable=False),
        sa.Column("created_by", sa.String(length=255), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_batches")),
    )
    with op.batch_alter_table("batches", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_batches_org_id_id"), ["org_id", "id"], unique=False)

    op.create_table(
        "finding_triage",
        sa.Column("org_id", sa.String(length=64), nullable=False),
        sa.Column("target_key", sa.Text(), nullable=False),
        sa.Column("fingerprint", sa.String(length=64), nullable=False),
        sa.Column("status", sa.String(length=16), nullable=False),
        sa.Column("note", sa.Text(), nullable=False),
        sa.Column("changed_by", sa.String(length=255), nullable=False),
        sa.Column("changed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("until", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("org_id", "target_key", "fingerprint", name=op.f("pk_finding_triage")),
    )
    _make_idempotent_requests()
    op.create_table(
        "invitations",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("org_id", sa.String(length=64), nullable=False),
        sa.Column("user_id", sa.String(length=36), nullable=True),
        sa.Column("email", sa.String(length=254), nullable=False),
        sa.Column("role", sa.String(length=16), nullable=False),
        sa.Column("secret_hash", sa.String(length=64), nullable=False),
        sa.Column("created_by", sa.String(length=255), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("accepted_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("revoked_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_invitations")),
        sa.UniqueConstraint("secret_hash", name=op.f("uq_invitations_secret_hash")),
    )
    op.create_index(op.f("ix_invitations_org_id_id"), "invitations", ["org_id", "id"], unique=False)

    op.create_table(
        "members",
        sa.Column("org_id", sa.String(length=64), nullable=False),
        sa.Column("user_id", sa.String(length=36), nullable=False),
        sa.Column("role", sa.String(length=16), nullable=False),
        sa.Column("limits", sa.JSON().with_variant(postgresql.JSONB(), "postgresql"), nullable=False),
        sa.Column("created_by", sa.String(length=255), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("org_id", "user_id", name=op.f("pk_members")),
    )
    with op.batch_alter_table("members", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_members_user_id"), ["user_id"], unique=False)

    op.create_table(
        "organisations",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("limits", sa.JSON().with_variant(postgresql.JSONB(), "postgresql"), nullable=False),
        sa.Column("created_by", sa.String(length=255), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("suspended_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_organisations")),
    )
    op.create_table(
        "scan_rules",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("org_id", sa.String(length=64), nullable=False),
        sa.Column("effect", sa.String(length=8), nullable=False),
        sa.Column("what", sa.String(length=255), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("created_by", sa.String(length=255), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_scan_rules")),
    )
    with op.batch_alter_table("scan_rules", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_scan_rules_org_id_id"), ["org_id", "id"], unique=False)

    op.create_table(
        "sessions",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("org_id", sa.String(length=64), nullable=False),
        sa.Column("user_id", sa.String(length=36), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("family", sa.String(length=36), nullable=False),
        sa.Column("secret_hash", sa.String(length=64), nullable=False),
        sa.Column("address", sa.String(length=64), nullable=False),
        sa.Column("agent", sa.String(length=255), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("used_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("revoked_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_sessions")),
        sa.UniqueConstraint("secret_hash", name=op.f("uq_sessions_secret_hash")),
    )
    with op.batch_alter_table("sessions", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_sessions_expires_at"), ["expires_at"], unique=False)
        batch_op.create_index(batch_op.f("ix_sessions_family"), ["family"], unique=False)
        batch_op.create_index(batch_op.f("ix_sessions_user_id"), ["user_id"], unique=False)

    op.create_table(
        "users",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("email", sa.String(length=254), nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("password_hash", sa.Text(), nullable=False),
        sa.Column("is_root", sa.Boolean(), nullable=False),
        sa.Column("created_by", sa.String(length=255), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("disabled_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("sessions_from", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_users")),
        sa.UniqueConstraint("email", name=op.f("uq_users_email")),
    )
    # SQLite would give the ids of deleted events to others, and whoever goes on from one would miss them.
    with op.batch_alter_table(
        "events",
        schema=None,
        recreate="always" if op.get_bind().dialect.name == "sqlite" else "never",
        table_kwargs={"sqlite_autoincrement": True},
    ) as batch_op:
        batch_op.add_column(sa.Column("xid", sa.BigInteger(), server_default="0", nullable=False))
        batch_op.add_column(sa.Column("snapshot", sa.Text(), server_default="", nullable=False))
    op.create_index(op.f("ix_events_org_id_id"), "events", ["org_id", "id"], unique=False)
    op.create_index("ix_events_xid", "events", ["xid"], unique=False, sqlite_where=sa.text("xid > 0"))

    with op.batch_alter_table("jobs", schema=None) as batch_op:
        batch_op.add_column(sa.Column("created_by", sa.String(length=255), server_default="", nullable=False))
        batch_op.add_column(sa.Column("counted_for", sa.String(length=255), server_default="", nullable=False))
        batch_op.add_column(sa.Column("held_at", sa.DateTime(timezone=True), nullable=True))
        batch_op.drop_index("ix_jobs_unpublished")
        batch_op.create_index(
            batch_op.f("ix_jobs_org_id_counted_for_id"), ["org_id", "counted_for", "id"], unique=False
        )
        batch_op.create_index(batch_op.f("ix_jobs_org_id_state_id"), ["org_id", "state", "id"], unique=False)
        batch_op.create_index(batch_op.f("ix_jobs_org_id_target_id"), ["org_id", "target", "id"], unique=False)
        batch_op.create_index(batch_op.f("ix_jobs_trace_id"), ["trace_id"], unique=False)
    for table, name, columns, condition in _OF_SOME:
        where = sa.text(condition)
        op.create_index(name, table, columns, unique=False, sqlite_where=where, postgresql_where=where)

    with op.batch_alter_table("findings", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_findings_org_id_id"), ["org_id", "id"], unique=False)

    for name in ("assessments", "coverage", "deliveries", "observations", "reports", "steps"):
        _give_organisation(name)
    _change_reports()

    written = _taken_audit()
    op.create_table(
        "audit",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("org_id", sa.String(length=64), nullable=False),
        sa.Column("seq", sa.Integer(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("actor", sa.String(length=255), nullable=False),
        sa.Column("address", sa.String(length=64), nullable=False),
        sa.Column("action", sa.String(length=64), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("before", sa.JSON().with_variant(postgresql.JSONB(), "postgresql"), nullable=True),
        sa.Column("after", sa.JSON().with_variant(postgresql.JSONB(), "postgresql"), nullable=True),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("detail", sa.JSON().with_variant(postgresql.JSONB(), "postgresql"), nullable=False),
        sa.Column("trace_id", sa.String(length=32), nullable=False),
        sa.Column("previous_hash", sa.String(length=64), nullable=False),
        sa.Column("hash", sa.String(length=64), nullable=False),
        sa.Column("seal", sa.String(length=128), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_audit")),
        sa.UniqueConstraint("org_id", "seq", name=op.f("uq_audit_org_id_seq")),
    )
    with op.batch_alter_table("audit", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_audit_org_id_id"), ["org_id", "id"], unique=False)
    _chain(written)

    op.execute(
        "INSERT INTO organisations (id, name, limits, created_by, created_at) "
        "VALUES ('local', 'Local', '{}', 'installation', CURRENT_TIMESTAMP)"
    )


def _make_idempotent_requests() -> None:
    op.create_table(
        "idempotent_requests",
        sa.Column("org_id", sa.String(length=64), nullable=False),
        sa.Column("actor", sa.String(length=255), nullable=False),
        sa.Column("key", sa.String(length=255), nullable=False),
        sa.Column("request_hash", sa.String(length=64), nullable=False),
        sa.Column("claim", sa.String(length=36), nullable=False),
        sa.Column("made", sa.JSON().with_variant(postgresql.JSONB(), "postgresql"), nullable=True),
        sa.Column("status", sa.Integer(), nullable=True),
        sa.Column("headers", sa.JSON().with_variant(postgresql.JSONB(), "postgresql"), nullable=False),
        sa.Column("body", sa.Text(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("org_id", "actor", "key", name=op.f("pk_idempotent_requests")),
    )
    with op.batch_alter_table("idempotent_requests", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_idempotent_requests_expires_at"), ["expires_at"], unique=False)
        batch_op.create_index(
            batch_op.f("ix_idempotent_requests_org_id_created_at"), ["org_id", "created_at"], unique=False
        )


def _give_organisation(name: str) -> None:
    """Add the organisation of its job to each row. SQLite makes the table anew for the last step: rows keep theirs."""
    op.add_column(name, sa.Column("org_id", sa.String(length=64), nullable=True))
    op.execute(f"UPDATE {name} SET org_id = (SELECT jobs.org_id FROM jobs WHERE jobs.id = {name}.job_id)")  # noqa: S608
    with op.batch_alter_table(name, schema=None) as batch_op:
        batch_op.alter_column("org_id", existing_type=sa.String(length=64), nullable=False)


def _change_reports() -> None:
    _list_reports()
    _order_reports()


def _list_reports() -> None:
    """Make reports quick to list. SQLite reads a whole file to come to what stands behind it, so files stand last."""
    with op.batch_alter_table("reports", schema=None, partial_reordering=[("created_at", "content")]) as batch_op:
        batch_op.create_index(batch_op.f("ix_reports_org_id_format_id"), ["org_id", "format", "id"], unique=False)
        batch_op.create_index(batch_op.f("ix_reports_org_id_id"), ["org_id", "id"], unique=False)


def _order_reports() -> None:
    """Let a report be made of a job that is over: a part of a stage, with a message and dead letters of its own."""
    op.add_column("dead_letters", sa.Column("part", sa.String(length=64), server_default="", nullable=False))
    op.add_column("steps", sa.Column("ordered_at", sa.DateTime(timezone=True), nullable=True))
    where = sa.text("ordered_at IS NOT NULL AND finished_at IS NULL")
    columns = ["org_id", "ordered_at"]
    op.create_index("ix_steps_ordered", "steps", columns, unique=False, sqlite_where=where, postgresql_where=where)


def _taken_audit() -> Sequence[sa.RowMapping]:
    """Drop the audit; return its lines."""
    lines = sa.select(*(_AUDIT.c[name] for name in _WRITTEN)).order_by(_AUDIT.c.id)
    found = op.get_bind().execute(lines).mappings().all()
    op.drop_table("audit")
    return found


def _chain(written: Sequence[sa.RowMapping]) -> None:
    """Begin the chains with lines of before, then have nothing changed. None can say whether they were changed earlier.

    The form of a chain is for ever, or no line could be verified; so this may use the product's own code.
    """
    heads: dict[str, dict[str, Any]] = {}
    for row in written:
        org_id = row["org_id"]
        place = heads.get(org_id, {"seq": 0, "hash": chain.START})
        entry = {
            **row,
            "detail": chain.plain(row["detail"]),
            "address": "",
            "reason": "",
            "before": None,
            "after": None,
        }
        newest = chain.digest(entry, place["hash"])
        heads[org_id] = {"seq": place["seq"] + 1, "hash": newest}
        linked = {**heads[org_id], "previous_hash": place["hash"], "seal": chain.seal(org_id, newest)}
        op.get_bind().execute(sa.insert(_AUDIT).values(**entry, **linked))
    for org_id, head in heads.items():
        seal = chain.seal(org_id, chain.head(head["seq"], head["hash"]))
        op.get_bind().execute(sa.insert(_HEADS).values(org_id=org_id, **head, seal=seal))
    _keep_as_written("audit")


def _keep_as_written(name: str) -> None:
    """Have the database refuse to change and to delete rows. Whoever makes the table anew makes this anew."""
    if op.get_bind().dialect.name == "sqlite":
        for verb in ("UPDATE", "DELETE"):
            op.execute(
                f"CREATE TRIGGER {name}_refuses_{verb.lower()} BEFORE {verb} ON {name} "
                f"BEGIN SELECT RAISE(ABORT, '{name} is append-only'); END"
            )
        return
    op.execute(
        f"CREATE FUNCTION {name}_refuses() RETURNS trigger LANGUAGE plpgsql AS "
        f"$$ BEGIN RAISE EXCEPTION '{name} is append-only'; END $$"
    )
    op.execute(
        f"CREATE TRIGGER {name}_refuses_change BEFORE UPDATE OR DELETE ON {name} "
        f"FOR EACH ROW EXECUTE FUNCTION {name}_refuses()"
    )
