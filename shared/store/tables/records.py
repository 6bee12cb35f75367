"""What processes recorded of jobs while they worked: batches of spans, and of log lines, packed."""

from __future__ import annotations

from sqlalchemy import BigInteger, Boolean, Column, Index, Integer, LargeBinary, Table, text, true

from shared.store.tables.columns import Id, Line, Moment, metadata

span_batches = Table(
    "span_batches",
    metadata,
    Column("id", Id, primary_key=True),
    Column("org_id", Line(64), nullable=False),
    Column("job_id", Id, nullable=False, default="", server_default=""),
    Column("trace_id", Line(32), nullable=False),
    Column("service", Line(32), nullable=False),
    Column("process", Line(255), nullable=False),
    Column("number", Integer, nullable=False),
    Column("dropped", Integer, nullable=False),
    Column("began_ns", BigInteger, nullable=False),
    Column("ended_ns", BigInteger, nullable=False),
    Column("has_error", Boolean, nullable=False),
    Column("is_settled", Boolean, nullable=False, server_default=true()),  # else `sampling` decides whether it stays
    Column("spans", LargeBinary, nullable=False),
    Column("kept_at", Moment, nullable=False),
    Index(None, "org_id", "trace_id"),
    Index(None, "job_id"),
    Index(None, "kept_at"),
    Index(
        "ix_span_batches_unsettled",
        "job_id",
        sqlite_where=text("is_settled = 0"),
        postgresql_where=text("NOT is_settled"),
    ),
)

line_batches = Table(
    "line_batches",
    metadata,
    Column("id", Id, primary_key=True),
    Column("place", Id, nullable=False),  # a UUIDv7 of when it was kept: what comes after it is newer to every reader
    Column("org_id", Line(64), nullable=False),
    Column("job_id", Id, nullable=False),
    Column("service", Line(32), nullable=False),
    Column("process", Line(255), nullable=False),
    Column("number", Integer, nullable=False),
    Column("left_out", Integer, nullable=False),
    Column("lines", LargeBinary, nullable=False),
    Column("kept_at", Moment, nullable=False),
    Index(None, "job_id", "place"),
    Index(None, "kept_at"),
)
