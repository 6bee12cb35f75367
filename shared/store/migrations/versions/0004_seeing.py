"""Spans of jobs"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "span_batches",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("org_id", sa.String(length=64), nullable=False),
        sa.Column("job_id", sa.String(length=36), server_default="", nullable=False),
        sa.Column("trace_id", sa.String(length=32), nullable=False),
        sa.Column("service", sa.String(length=32), nullable=False),
        sa.Column("process", sa.String(length=255), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("dropped", sa.Integer(), nullable=False),
        sa.Column("began_ns", sa.BigInteger(), nullable=False),
        sa.Column("ended_ns", sa.BigInteger(), nullable=False),
        sa.Column("has_error", sa.Boolean(), nullable=False),
        sa.Column("is_settled", sa.Boolean(), server_default=sa.true(), nullable=False),
        sa.Column("spans", sa.LargeBinary(), nullable=False),
        sa.Column("kept_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_span_batches")),
    )
    op.create_index(op.f("ix_span_batches_org_id_trace_id"), "span_batches", ["org_id", "trace_id"])
    op.create_index(op.f("ix_span_batches_job_id"), "span_batches", ["job_id"])
    op.create_index(op.f("ix_span_batches_kept_at"), "span_batches", ["kept_at"])
    op.create_index(
        "ix_span_batches_unsettled",
        "span_batches",
        ["job_id"],
        sqlite_where=sa.text("is_settled = 0"),
        postgresql_where=sa.text("NOT is_settled"),
    )
    op.drop_index("ix_jobs_org_id_id", "jobs")
    op.create_index(op.f("ix_jobs_org_id_id_target"), "jobs", ["org_id", "id", "target"])
    op.drop_index("ix_jobs_trace_id", "jobs")
    op.create_index(op.f("ix_jobs_org_id_trace_id_id"), "jobs", ["org_id", "trace_id", "id"])
    are = sa.text("origin_id IS NOT NULL")
    columns = ["org_id", "origin_id", "id"]
    op.create_index("ix_jobs_repeats", "jobs", columns, sqlite_where=are, postgresql_where=are)


def downgrade() -> None:
    op.drop_index("ix_jobs_repeats", "jobs")
    op.drop_index("ix_jobs_org_id_trace_id_id", "jobs")
    op.create_index("ix_jobs_trace_id", "jobs", ["trace_id"])
    op.drop_index("ix_jobs_org_id_id_target", "jobs")
    op.create_index("ix_jobs_org_id_id", "jobs", ["org_id", "id"])
    op.drop_table("span_batches")
